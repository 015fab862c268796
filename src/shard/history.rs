//! Rounds that have left memory, as a shard sees them: a filter that it asks at once, and files that somebody else reads for it.
//! A request that needs them waits here, as it would for another shard.

use std::collections::{HashMap, VecDeque};

use compact_str::CompactString;
use slab::Slab;

use super::core::{Done, Step};
use super::mesh::LaneReply;
use super::{Message, Shard};
use coverage::Branch;
use metrics::{HistorySize, WriteRefusal};
use partition::ShardId;
use storage::FileError;
use wallet::account::AccountHash;
use wallet::history::{PastLines, RoundName};
use wallet::image::RoundImage;
use wallet::operation::Operation;
use wallet::outcome::Outcome;
use wallet::replay::BadImage;
use wallet::{Millis, Sequence};

/// The history of a shard.
pub trait History {
    /// Takes over what was published since: the time until which it has all rounds that belong to it ([`wallet::Wallet::set_in_history`]).
    /// `None` where that is what it was.
    fn refresh(&mut self) -> Option<Millis>;

    /// Whether it has any round.
    fn has_any(&self) -> bool;

    /// Whether it has rounds that are known by their game, too.
    fn has_by_game(&self) -> bool;

    /// Whether it may have a round. Where it says no it has none. What is done `meanwhile`, if anything, waits for memory at the same
    /// time as this.
    fn may_have(&self, name: &RoundName<&str>, meanwhile: &mut dyn FnMut()) -> bool;

    /// Has the rounds of this name looked for; [`History::next`] will have them under this ticket, or [`Found::Late`] after `deadline_ms`.
    fn look_for(&mut self, ticket: u32, name: &RoundName<&str>, deadline_ms: Millis);

    /// Has the rounds of an account looked through for a statement, likewise.
    fn look_through(&mut self, ticket: u32, account: &str, of: PastLines, deadline_ms: Millis);

    /// The next answer.
    fn next(&mut self) -> Option<Answer>;

    /// Whether no answer is there.
    fn is_idle(&self) -> bool;

    /// What it holds.
    fn size(&self) -> HistorySize {
        HistorySize::default()
    }
}

/// What the history has.
#[derive(Debug)]
pub enum Found {
    /// Rounds of a name, the newest version of each.
    Rounds(Vec<RoundImage>),
    /// Lines of a statement.
    Lines(PastLines),
    /// The request can't be answered in its time any more, so it was not looked for, or not to the end.
    Late,
}

/// An answer of the history.
#[derive(Debug)]
pub struct Answer {
    /// What was asked.
    pub ticket: u32,
    /// What was found.
    pub found: Result<Found, FileError>,
}

impl std::fmt::Debug for dyn History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("History")
    }
}

/// Who waits for the history.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A request of this core, by its ticket.
    Here(u32),
    /// Another shard, by its own ticket.
    Peer(ShardId, u32),
}

/// A request that waits for the history, or behind one that does.
#[derive(Debug)]
struct Looking {
    asker: Asker,
    operation: Operation<CompactString>,
    /// The version of the history that was asked.
    version: u64,
    /// Past it nothing is changed for it.
    deadline_ms: Millis,
    /// The change that its outcome shows at least.
    after: Sequence,
}

/// What waits for the history. The requests of an account keep their order: the first of them is looked for.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    waiting: Slab<Looking>,
    by_account: HashMap<u64, VecDeque<u32>>,
}

impl Lookups {
    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no more may wait.
    fn is_full(&self) -> bool {
        self.waiting.len() >= limits::LOOKUPS_MAX
    }

    /// Whether a request of the account that this operation is about waits.
    fn has(&self, operation: &Operation<&str>) -> bool {
        !self.waiting.is_empty()
            && keeps_order(operation)
            && operation.account_id().is_some_and(|id| self.by_account.contains_key(&hash_of(id)))
    }
}

fn hash_of(account: &str) -> u64 {
    AccountHash::of(account).bits()
}

/// Whether what an operation shows or changes depends on the order in which an account's requests came.
const fn keeps_order<S>(operation: &Operation<S>) -> bool {
    matches!(
        operation,
        Operation::Play(_)
            | Operation::EndRound(_)
            | Operation::Balance(_)
            | Operation::Credit(_)
            | Operation::Transfer(_)
            | Operation::GetAccount(_)
            | Operation::PutAccount(_)
            | Operation::SetStatus(_)
            | Operation::SetLimits(_)
            | Operation::CloseSession(_)
            | Operation::Alert(_)
            | Operation::GetStatement(_)
    )
}

/// Whether it is a page of a statement.
const fn is_statement<S>(operation: &Operation<S>) -> bool {
    matches!(operation, Operation::GetStatement(_))
}

impl<W: Copy> Shard<W> {
    /// Applies an operation here, once nothing of the history is needed for it that is not in memory.
    pub(super) fn step(&mut self, now_ms: Millis, operation: &Operation<&str>) -> Step {
        let waits = self.lookups.has(operation);
        if !waits && !self.core.needs_history(now_ms, operation) {
            return self.step_in_memory(now_ms, operation);
        }
        if waits {
            coverage::hit(Branch::WaitedForHistory);
        }
        if self.lookups.is_full() {
            self.metrics.write_refused(WriteRefusal::History);
            return Step::Done(Done::unchanged(Outcome::Unavailable));
        }
        let operation = Box::new(operation.map(|text| CompactString::from(*text)));
        Step::Lookup { operation, after: 0 }
    }

    /// Has an operation wait for the history.
    pub(super) fn look_for(
        &mut self,
        now_ms: Millis,
        asker: Asker,
        operation: Operation<CompactString>,
        deadline_ms: Millis,
        after: Sequence,
    ) {
        let account = hash_of(operation.account_id().expect("a round and a statement are an account's"));
        let at =
            self.lookups.waiting.insert(Looking { asker, operation, version: 0, deadline_ms, after }) as u32;
        let is_first = !self.lookups.by_account.contains_key(&account);
        if is_first && is_statement(&self.lookups.waiting[at as usize].operation) {
            // Nobody waits behind one: it takes longer, and changes nothing.
            return self.ask(now_ms, at);
        }
        self.lookups.by_account.entry(account).or_default().push_back(at);
        if is_first {
            self.ask(now_ms, at);
        }
    }

    /// Asks the history for what a request needs.
    fn ask(&mut self, now_ms: Millis, at: u32) {
        self.metrics.looked_up();
        let looking = &mut self.lookups.waiting[at as usize];
        looking.version = self.core.history_version();
        let deadline_ms = looking.deadline_ms;
        let operation = looking.operation.as_deref();
        let until_ms = self.core.wallet().settings().forgotten_until(now_ms);
        let history = self.core.history().expect("who waits for the history has one");
        if let Operation::GetStatement(of) = &operation {
            history.look_through(at, of.account.id(), PastLines::new(of, until_ms), deadline_ms);
        } else {
            let name = RoundName::of(&operation).expect("a round or a statement");
            history.look_for(at, &name, deadline_ms);
        }
    }

    /// Takes in what the history has answered, and goes on with who has waited for it; bounded, for each turn. `true` where
    /// there was anything.
    pub(super) fn poll_history(&mut self, now_ms: Millis) -> bool {
        self.core.refresh_history();
        if self.lookups.is_empty() {
            return false;
        }
        let mut answers = 0;
        while answers < limits::LOOKUPS_PER_TURN
            && let Some(Answer { ticket, found }) = self.core.history().and_then(|history| history.next())
        {
            answers += 1;
            match found {
                Ok(found) => self.on_found(now_ms, ticket, found),
                // What an answer would depend on can't be read: nobody is told a guess.
                Err(error) => self.failure = Some(error),
            }
        }
        answers > 0
    }

    /// Goes on with the request of this ticket, and with those that wait behind it.
    fn on_found(&mut self, now_ms: Millis, ticket: u32, found: Found) {
        let Looking { version, deadline_ms, .. } = self.lookups.waiting[ticket as usize];
        let forgotten_until_ms = self.core.wallet().settings().forgotten_until(now_ms);
        let is_late = now_ms > deadline_ms || matches!(found, Found::Late);
        let is_outdated = match &found {
            Found::Rounds(_) | Found::Late => false,
            Found::Lines(past) => past.is_outdated(forgotten_until_ms),
        };
        // Rounds may have left memory since, in a newer version than this answer has.
        if (is_outdated || version != self.core.history_version()) && !is_late {
            coverage::hit(Branch::HistoryAskedAgain);
            return self.ask(now_ms, ticket);
        }
        let Looking { asker, operation, after, .. } = self.lookups.waiting.remove(ticket as usize);
        let account = hash_of(operation.account_id().expect("it was looked for by its account"));
        let step = if is_late {
            Step::Done(Done::unchanged(Outcome::Unavailable))
        } else {
            match self.step_found(now_ms, &operation.as_deref(), found) {
                Ok(step) => step,
                Err(error) => return self.failure = Some(error),
            }
        };
        let went_alone = is_statement(&operation);
        self.deliver(asker, step, deadline_ms, after);
        if !went_alone {
            self.next_of_account(now_ms, account);
        }
    }

    /// The first of an account's requests is done: the next of them are no longer behind it.
    fn next_of_account(&mut self, now_ms: Millis, account: u64) {
        while let Some(queue) = self.lookups.by_account.get_mut(&account) {
            // What was done; one that it has put to the end since is another.
            queue.pop_front();
            let Some(at) = queue.front().copied() else {
                self.lookups.by_account.remove(&account);
                return;
            };
            let operation = &self.lookups.waiting[at as usize].operation;
            if self.core.needs_history(now_ms, &operation.as_deref()) {
                let goes_alone = is_statement(operation);
                self.ask(now_ms, at);
                if goes_alone {
                    continue;
                }
                return;
            }
            let looking = self.lookups.waiting.remove(at as usize);
            let Looking { asker, operation, deadline_ms, after, .. } = looking;
            let step = if now_ms > deadline_ms {
                Step::Done(Done::unchanged(Outcome::Unavailable))
            } else {
                self.step_owned(now_ms, &operation.as_deref())
            };
            self.deliver(asker, step, deadline_ms, after);
        }
    }

    /// Applies an operation with what the history has for it.
    fn step_found(
        &mut self,
        now_ms: Millis,
        operation: &Operation<&str>,
        found: Found,
    ) -> Result<Step<CompactString>, FileError> {
        match (operation, found) {
            (Operation::GetStatement(of), Found::Lines(past)) => {
                Ok(Step::Done(self.core.statement(now_ms, of, past)))
            }
            (_, Found::Lines(_)) => unreachable!("only statements have lines"),
            (_, Found::Late) => unreachable!("it is refused"),
            (operation, Found::Rounds(rounds)) => {
                let recalled = self.core.take_in(now_ms, operation, &rounds);
                let recalled =
                    recalled.map_err(|BadImage(what)| FileError::of_contents("the history", what))?;
                let step = self.step_owned(now_ms, operation);
                self.core.let_recalled_go(recalled);
                Ok(step)
            }
        }
    }

    /// Applies an operation that needs nothing of the history any more; its texts are its own.
    fn step_owned(&mut self, now_ms: Millis, operation: &Operation<&str>) -> Step<CompactString> {
        match self.step_in_memory(now_ms, operation) {
            Step::Done(done) => Step::Done(self.owned(done, operation)),
            Step::Elsewhere { to, next, after } => Step::Elsewhere { to, next, after },
            Step::Lookup { operation, after } => Step::Lookup { operation, after },
        }
    }

    /// Brings what a step has come to to who asked for it.
    pub(super) fn deliver(
        &mut self,
        asker: Asker,
        step: Step<CompactString>,
        deadline_ms: Millis,
        seen: Sequence,
    ) {
        match (asker, step) {
            (asker, Step::Lookup { .. }) if self.lookups.is_full() => {
                // Nothing was changed for it.
                self.metrics.write_refused(WriteRefusal::History);
                self.deliver(asker, Step::Done(Done::unchanged(Outcome::Unavailable)), deadline_ms, seen);
            }
            (asker, Step::Lookup { operation, after }) => {
                self.look_for(self.now_ms, asker, *operation, deadline_ms, after.max(seen));
            }
            (Asker::Here(ticket), Step::Done(Done { outcome, after })) => {
                self.end(ticket, Done { outcome, after: after.max(seen) });
            }
            (Asker::Here(ticket), Step::Elsewhere { to, next, after }) => {
                self.go_elsewhere(to, ticket, *next, after.max(seen));
            }
            (Asker::Peer(peer, ticket), step) => {
                let (outcome, after) = match step {
                    Step::Done(Done { outcome, after }) => (outcome, after.max(seen)),
                    // The way on starts at the sender, whose count of requests under way covers it.
                    Step::Elsewhere { next, after, .. } => (Outcome::Next(next), after.max(seen)),
                    Step::Lookup { .. } => unreachable!("it waits"),
                };
                let reply = LaneReply { ticket, outcome };
                if after <= self.core.durable() {
                    self.reply(peer, reply);
                } else {
                    self.held.push(after, Message::Reply { to: peer, reply });
                }
            }
        }
    }
}
