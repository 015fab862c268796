//! What waits for the history: in which order, how much of it, and for how long.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::history::{Answer, Found};
use wallet::amount::{Amount, Money};
use wallet::history::{PastLines, RoundName};
use wallet::operation::{Direction, EndRound, GetAccount, Play, PlayKind, Transfer};
use wallet::platform::RoundScope;

/// What a history was asked, and what it is to answer.
#[derive(Default)]
struct Script {
    asked: VecDeque<u32>,
    answers: VecDeque<Answer>,
    /// It is another one by now.
    has_changed: bool,
}

/// A history that may have every round, and answers when it is told to.
struct Scripted(Rc<RefCell<Script>>);

impl History for Scripted {
    fn refresh(&mut self) -> Option<Millis> {
        std::mem::take(&mut self.0.borrow_mut().has_changed).then_some(START_MS)
    }

    fn has_any(&self) -> bool {
        true
    }

    fn has_by_game(&self) -> bool {
        false
    }

    fn may_have(&self, _: &RoundName<&str>, _: &mut dyn FnMut()) -> bool {
        true
    }

    fn look_for(&mut self, ticket: u32, _: &RoundName<&str>, _: Millis) {
        self.0.borrow_mut().asked.push_back(ticket);
    }

    fn look_through(&mut self, _: u32, _: &str, _: PastLines, _: Millis) {
        unreachable!("nobody asks for a statement");
    }

    fn next(&mut self) -> Option<Answer> {
        self.0.borrow_mut().answers.pop_front()
    }

    fn is_idle(&self) -> bool {
        self.0.borrow().answers.is_empty()
    }
}

const ANNA: &str = "default/anna";

/// What she holds at first, in pence.
const OPENING: i64 = 100_000;

/// A shard with a player and such a history.
fn cluster() -> (Cluster, Rc<RefCell<Script>>) {
    let mut cluster = Cluster::new(1);
    let script = Rc::<RefCell<Script>>::default();
    cluster.check(0, &put(ANNA), &Outcome::AccountPut { created: true });
    cluster.check(0, &open(ANNA, "key"), &opened("key"));
    let deposit = Transfer {
        account: account(ANNA),
        direction: Direction::In,
        transaction: "d".into(),
        amount: Money::parse("1000").unwrap(),
        currency: None,
    };
    assert!(matches!(cluster.outcome(0, &Operation::Transfer(deposit)), Outcome::Transferred(_)));
    cluster.shards[0].keep_history(Box::new(Scripted(Rc::clone(&script))));
    (cluster, script)
}

/// A transaction of a penny.
fn play(kind: PlayKind, round: &str) -> Op {
    Operation::Play(Play {
        kind,
        platform: platform(),
        account: account(ANNA),
        session: (kind == PlayKind::Bet).then(|| "key".into()),
        session_checked: false,
        round: round.into(),
        scope: RoundScope::Platform,
        transaction: "t".into(),
        original: None,
        game: "11588".into(),
        currency: Currency::from_code("GBP"),
        amount: Amount::from_minor(1).unwrap(),
        starts_round: kind == PlayKind::Bet,
        ends_round: false,
        details: None,
    })
}

fn end(round: &str) -> Op {
    Operation::EndRound(EndRound {
        platform: platform(),
        account: account(ANNA),
        round: round.into(),
        scope: RoundScope::Platform,
        game: "11588".into(),
        currency: Currency::from_code("GBP"),
        details: None,
    })
}

impl Cluster {
    /// The history says that it has none of what it was asked for first.
    fn answer(&mut self, script: &RefCell<Script>) {
        self.answer_with(script, Found::Rounds(Vec::new()));
    }

    fn answer_with(&mut self, script: &RefCell<Script>, found: Found) {
        let ticket = script.borrow_mut().asked.pop_front().expect("it was asked");
        script.borrow_mut().answers.push_back(Answer { ticket, found: Ok(found) });
        self.poll(0);
    }

    /// It is answered so, at once.
    #[track_caller]
    fn check_at_once(&mut self, operation: &Op, expect: &super::Answer) {
        let (waiter, is_done) = self.submit(0, operation);
        assert!(is_done && self.replies[&(0, waiter)] == *expect, "{operation:?}");
    }

    /// What she holds, and how many of her rounds are open, by the reply to this waiter.
    #[track_caller]
    fn shown(&self, waiter: u32) -> (i64, usize) {
        match &self.replies[&(0, waiter)] {
            Outcome::Account(view) => (view.balance.cash.minor(), view.open_rounds_count),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn requests_of_an_account_keep_their_order() {
    let (mut cluster, script) = cluster();
    let look = || Operation::GetAccount(GetAccount { account: account(ANNA) });
    let asked = [look(), play(PlayKind::Bet, "r"), look(), play(PlayKind::Win, "r"), end("r"), look()];
    let waiters: Vec<(u32, bool)> = asked.iter().map(|operation| cluster.submit(0, operation)).collect();
    let is_done: Vec<bool> = waiters.iter().map(|(_, is_done)| *is_done).collect();
    assert_eq!(is_done, [true, false, false, false, false, false], "what comes behind the bet waits");
    assert_eq!(script.borrow().asked.len(), 1);
    cluster.answer(&script);
    cluster.settle();
    assert!(script.borrow().asked.is_empty(), "the round is in memory by then");
    let shown = [0, 2, 5].map(|at: usize| cluster.shown(waiters[at].0));
    assert_eq!(shown, [(OPENING, 0), (OPENING - 1, 1), (OPENING, 0)]);
}

#[test]
fn as_many_wait_as_may_and_the_next_is_refused() {
    let (mut cluster, script) = cluster();
    let waiters: Vec<u32> = (0..limits::LOOKUPS_MAX)
        .map(|number| cluster.submit(0, &play(PlayKind::Bet, &format!("r-{number}"))))
        .map(|(waiter, is_done)| if is_done { panic!("it waits") } else { waiter })
        .collect();
    for refused in [play(PlayKind::Bet, "one too many"), get(ANNA)] {
        cluster.check_at_once(&refused, &Outcome::Unavailable);
    }
    let mut told = String::new();
    cluster.registry.write(Memory::default(), &mut told);
    assert!(told.contains("purser_writes_refused_total{shard=\"0\",why=\"history\"} 2\n"), "{told}");
    for _ in &waiters {
        cluster.answer(&script);
    }
    cluster.settle();
    assert!(script.borrow().asked.is_empty());
    assert!(waiters.iter().all(|waiter| matches!(cluster.replies[&(0, *waiter)], Outcome::Done { .. })));
    let (waiter, _) = cluster.submit(0, &get(ANNA));
    assert_eq!(
        cluster.shown(waiter),
        (OPENING - waiters.len() as i64, waiters.len()),
        "nothing else was done"
    );
}

#[test]
fn what_has_waited_for_too_long_changes_nothing() {
    let (mut cluster, script) = cluster();
    cluster.deadline_ms = START_MS + 10;
    let late: Vec<u32> =
        ["r", "s"].map(|round| cluster.submit(0, &play(PlayKind::Bet, round)).0).into_iter().collect();
    cluster.now_ms += 11;
    cluster.answer(&script);
    // The one behind it needs the history as well, and is told when that has answered.
    cluster.answer(&script);
    cluster.settle();
    assert!(late.iter().all(|waiter| cluster.replies[&(0, *waiter)] == Outcome::Unavailable));
    let (waiter, _) = cluster.submit(0, &get(ANNA));
    assert_eq!(cluster.shown(waiter), (OPENING, 0));
}

/// The round may have left memory since, for files that were not looked through.
#[test]
fn an_answer_of_a_history_that_was_before_is_not_taken() {
    let (mut cluster, script) = cluster();
    let (waiter, _) = cluster.submit(0, &play(PlayKind::Bet, "r"));
    script.borrow_mut().has_changed = true;
    cluster.answer(&script);
    assert!(!cluster.replies.contains_key(&(0, waiter)), "it is asked once more");
    cluster.answer(&script);
    cluster.settle();
    assert!(matches!(cluster.replies[&(0, waiter)], Outcome::Done { .. }));
}

/// Whoever reads found that it was too late: what waits behind it goes on.
#[test]
fn what_was_not_looked_for_in_time_changes_nothing() {
    let (mut cluster, script) = cluster();
    let waiters = ["r", "s"].map(|round| cluster.submit(0, &play(PlayKind::Bet, round)).0);
    cluster.answer_with(&script, Found::Late);
    cluster.answer(&script);
    cluster.settle();
    let [late, next] = waiters.map(|waiter| cluster.replies[&(0, waiter)].clone());
    assert_eq!(late, Outcome::Unavailable);
    assert!(matches!(next, Outcome::Done { .. }), "{next:?}");
    let (waiter, _) = cluster.submit(0, &get(ANNA));
    assert_eq!(cluster.shown(waiter), (OPENING - 1, 1));
}

/// What can't be read is told to nobody: the shard is not to go on.
#[test]
fn a_history_that_can_not_be_read_is_a_failure() {
    let (mut cluster, script) = cluster();
    let (waiter, _) = cluster.submit(0, &play(PlayKind::Bet, "r"));
    let ticket = script.borrow_mut().asked.pop_front().expect("it was asked");
    let found = Err(FileError::of_contents("history-1", "a block is not as it was written"));
    script.borrow_mut().answers.push_back(Answer { ticket, found });
    cluster.poll(0);
    assert!(!cluster.replies.contains_key(&(0, waiter)));
    let failure = cluster.shards[0].take_failure().expect("it can't be read").to_string();
    assert!(failure.contains("history-1"), "{failure}");
}
