//! The history of a shard, whose answers come later: after some turns, and in any order. Now and then a read goes wrong.

use std::cell::Cell;
use std::rc::Rc;

use compact_str::CompactString;
use history::Room;
use journal::reader::ReadError;
use shard::history::{Answer, Found, History};
use storage::FileError;
use testkit::workload::Chance;
use wallet::Millis;
use wallet::account::AccountRef;
use wallet::history::{PastLines, RoundName};
use wallet::image::RoundImage;
use wallet::operation::GetStatement;
use wallet::replay::BadImage;

use super::disk::shelf::{Opened, Told, Trouble, Unreadable};

/// Turns that an answer takes, at most.
const TURNS_MAX: u64 = 4;

/// Of so many answers that may go wrong one does.
const ANSWERS_PER_TROUBLE: u64 = 40;

/// What goes wrong of all shards.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// Reads may go wrong now.
    pub(super) may_come: Cell<bool>,
    /// Reads that have gone wrong.
    pub(super) came: Cell<u64>,
    /// Answers that were given.
    pub(super) answers: Cell<u64>,
}

/// A question, and the turns until it is answered.
#[derive(Debug)]
struct Question {
    ticket: u32,
    asked: Asked,
    turns: u64,
}

#[derive(Debug)]
enum Asked {
    Round(RoundName<CompactString>),
    Lines { account: String, of: PastLines },
}

/// The history of a shard.
pub(super) struct Past {
    told: Told,
    /// What the shard has taken over.
    count: u64,
    opened: Option<Opened>,
    questions: Vec<Question>,
    troubles: Rc<Troubles>,
    chance: Chance,
    room: Room,
}

impl Past {
    pub(super) fn new(told: Told, troubles: Rc<Troubles>, seed: u64) -> Self {
        let chance = Chance::new(seed);
        Self { told, count: 0, opened: None, questions: Vec::new(), troubles, chance, room: Room::default() }
    }

    fn ask(&mut self, ticket: u32, asked: Asked) {
        let turns = self.chance.below(TURNS_MAX + 1);
        self.questions.push(Question { ticket, asked, turns });
    }

    fn found(&mut self, asked: Asked) -> Result<Found, FileError> {
        let opened = self.opened.as_ref().expect("who asks has a history");
        let goes_wrong = self.troubles.may_come.get() && self.chance.below(ANSWERS_PER_TROUBLE) == 0;
        if goes_wrong {
            opened.trouble.set(if self.chance.percent(50) { Trouble::Fails } else { Trouble::Turns });
        }
        let found = match asked {
            Asked::Round(name) => opened.history.find_named(&mut self.room, &name).map(Found::Rounds),
            Asked::Lines { account, mut of } => {
                look_through(opened, &account, &mut of).map(|()| Found::Lines(of))
            }
        };
        let has_come = opened.trouble.replace(Trouble::None) == Trouble::None;
        match found {
            Err(_) => self.troubles.came.set(self.troubles.came.get() + 1),
            Ok(_) => assert!(!goes_wrong || !has_come, "what was not written is not read"),
        }
        self.troubles.answers.set(self.troubles.answers.get() + 1);
        found.map_err(|error| {
            let what = match error {
                ReadError::Caller(Unreadable) => "it can't be read".to_owned(),
                ReadError::Damage(damage) => damage.to_string(),
            };
            FileError::of_contents("history", what)
        })
    }
}

/// Shows the rounds of an account to a page of its statement.
fn look_through(opened: &Opened, account: &str, of: &mut PastLines) -> Result<(), ReadError<Unreadable>> {
    let mut bad = None;
    opened.history.rounds_of(&AccountRef::new(account), |round: RoundImage| {
        bad = bad.take().or(of.add(&round).err());
    })?;
    if let Some(BadImage(what)) = bad {
        unreachable!("what was written is a round: {what}");
    }
    Ok(())
}

/// What the history has of a page of a statement, at once.
pub(super) fn lines(told: &Told, of: &GetStatement<&str>, forgotten_until_ms: Millis) -> PastLines {
    let mut past = PastLines::new(of, forgotten_until_ms);
    let (_, opened) = &*told.borrow();
    if let Some(opened) = opened {
        let read = look_through(opened, of.account.id(), &mut past);
        assert!(read.is_ok(), "nothing goes wrong");
    }
    past
}

impl History for Past {
    fn refresh(&mut self) -> Option<Millis> {
        for question in &mut self.questions {
            question.turns = question.turns.saturating_sub(1);
        }
        let (count, opened) = &*self.told.borrow();
        if *count == self.count {
            return None;
        }
        (self.count, self.opened) = (*count, opened.clone());
        self.opened.as_ref().map(|opened| opened.list.cut_ms)
    }

    fn has_any(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| !opened.list.files.is_empty())
    }

    fn has_by_game(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.history.has_by_game())
    }

    fn may_have(&self, name: &RoundName<&str>, meanwhile: &mut dyn FnMut()) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.history.may_have_named(name, meanwhile))
    }

    fn look_for(&mut self, ticket: u32, name: &RoundName<&str>, _: Millis) {
        self.ask(ticket, Asked::Round(name.to_owned()));
    }

    fn look_through(&mut self, ticket: u32, account: &str, of: PastLines, _: Millis) {
        self.ask(ticket, Asked::Lines { account: account.to_owned(), of });
    }

    fn next(&mut self) -> Option<Answer> {
        let ready = |question: &Question| question.turns == 0;
        let count = self.questions.iter().filter(|question| ready(question)).count();
        let nth = self.chance.index(count.max(1));
        let at = (0..self.questions.len()).filter(|at| ready(&self.questions[*at])).nth(nth)?;
        let Question { ticket, asked, .. } = self.questions.swap_remove(at);
        Some(Answer { ticket, found: self.found(asked) })
    }

    fn is_idle(&self) -> bool {
        self.questions.iter().all(|question| question.turns > 0)
    }
}
