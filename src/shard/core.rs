//! A shard's pure step: an operation at a time, and either its outcome or the shard that must go on with it.
//!
//! What a step changed is journaled as it is applied; when the journal is durable is known later:
//! [`Core::on_durable`] says so. An outcome comes with the sequence of the latest change that it shows: nobody may hear of it
//! before that is durable.

use std::fmt;

use compact_str::CompactString;

use super::history::History;
use coverage::{self, Branch};
use journal::{Group, Journal};
use partition::{Partition, ShardId};
use wallet::account::AccountRef;
use wallet::history::{PastLines, Recalled, RoundName};
use wallet::image::RoundImage;
use wallet::operation::{GetStatement, Operation, RecallRound, StartSession};
use wallet::outcome::{Effect, Outcome, Text};
use wallet::replay::BadImage;
use wallet::settings::Calendar;
use wallet::{Millis, Sequence, Stamp, Wallet};

/// Sees each step as it is applied: when, what, and how it came out. The server has none.
pub type Observer = Box<dyn FnMut(Millis, &Operation<&str>, Outcome<&str>)>;

/// The current day, week and month of each domain that has a calendar of its own, at a time.
pub type Calendars = Box<dyn Fn(Millis) -> Vec<(CompactString, Calendar)> + Send>;

/// A function that is called where one was given.
struct Callback<F>(Option<F>);

impl<F> fmt::Debug for Callback<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Callback(Some)" } else { "Callback(None)" })
    }
}

/// A shard's wallet, its journal, and its place in the partition. Lives on one core.
#[derive(Debug)]
pub struct Core {
    id: ShardId,
    partition: Partition,
    wallet: Wallet,
    journal: Journal,
    /// The last change that is on stable storage.
    durable: Sequence,
    /// The last change of the settings. What changes something depends on it.
    configured: Sequence,
    /// When the first day ends by a calendar of a domain's own; milliseconds since 1970.
    calendars_until_ms: Millis,
    /// None where every domain goes by UTC.
    calendars: Callback<Calendars>,
    observer: Callback<Observer>,
    /// Rounds that have left memory. None where there are none.
    history: Option<Box<dyn History>>,
    /// How often it has changed.
    history_version: u64,
}

/// What a step came to.
#[derive(Debug)]
pub enum Step<S = Text> {
    /// It is done.
    Done(Done<S>),
    /// Another shard goes on with this operation.
    Elsewhere {
        /// That shard.
        to: ShardId,
        /// The operation.
        next: Box<Operation<CompactString>>,
        /// The change that must be durable before the other shard hears of it.
        after: Sequence,
    },
    /// This shard goes on with this operation once its history has been asked.
    Lookup {
        /// The operation.
        operation: Box<Operation<CompactString>>,
        /// The change that its outcome shows at least.
        after: Sequence,
    },
}

/// An outcome, which nobody may hear of before the changes that it shows are durable.
#[derive(Debug)]
pub struct Done<S = Text> {
    /// The outcome.
    pub outcome: Outcome<S>,
    /// The latest change that it shows; 0 where it shows none.
    pub after: Sequence,
}

impl<S> Done<S> {
    /// An outcome that shows no change.
    pub(super) const fn unchanged(outcome: Outcome<S>) -> Self {
        Self { outcome, after: 0 }
    }
}

/// Steps of the longest way: account, key, the key's holder, account.
const STEPS_MAX: usize = 4;

impl Core {
    /// The core of shard `id`, with a journal that goes on where the wallet is. Settings may wait in it already.
    pub fn new(id: ShardId, partition: Partition, wallet: Wallet, journal: Journal) -> Self {
        let durable = journal.taken_sequence();
        let (calendars, observer) = (Callback(None), Callback(None));
        let configured = journal.last_sequence();
        let calendars_until_ms = Millis::MAX;
        Self {
            id,
            partition,
            wallet,
            journal,
            durable,
            configured,
            calendars_until_ms,
            calendars,
            observer,
            history: None,
            history_version: 0,
        }
    }

    /// Has rounds leave memory for `history`, and come back from it.
    pub fn keep_history(&mut self, history: Box<dyn History>) {
        self.history = Some(history);
        self.refresh_history();
    }

    /// The history, where there is one.
    pub(super) const fn history(&mut self) -> Option<&mut Box<dyn History>> {
        self.history.as_mut()
    }

    /// How often the history has changed: then rounds may leave memory, and an answer from before does not have them.
    pub(super) const fn history_version(&self) -> u64 {
        self.history_version
    }

    /// The history, to be looked at.
    pub(super) fn known_history(&self) -> Option<&dyn History> {
        self.history.as_deref()
    }

    /// Whether the history has an answer.
    pub(super) fn has_answers(&self) -> bool {
        self.history.as_ref().is_some_and(|history| !history.is_idle())
    }

    /// Lets rounds go that the history has got.
    pub(super) fn refresh_history(&mut self) {
        if let Some(until_ms) = self.history.as_mut().and_then(|history| history.refresh()) {
            self.history_version += 1;
            self.wallet.set_in_history(until_ms);
        }
    }

    /// Whether the history must be asked before an operation is applied.
    pub fn needs_history(&self, now_ms: Millis, operation: &Operation<&str>) -> bool {
        let Some(history) = &self.history else { return false };
        match operation {
            Operation::GetStatement(of) => history.has_any() && self.wallet.is_partly_in_history(of),
            operation => RoundName::of(operation).is_some_and(|name| {
                // The account is looked at next.
                let account = name.account.hash();
                history.has_any()
                    && history.may_have(&name, &mut || self.wallet.prefetch_accounts([account].into_iter()))
                    && self.wallet.may_be_in_history(now_ms, &name, history.has_by_game())
            }),
        }
    }

    /// Takes in rounds of the history that an operation is about.
    ///
    /// # Errors
    /// Where one of them can't be what it is said to be.
    pub(super) fn take_in(
        &mut self,
        now_ms: Millis,
        operation: &Operation<&str>,
        rounds: &[RoundImage],
    ) -> Result<Vec<Recalled>, BadImage> {
        let Some(RoundName { account, .. }) = RoundName::of(operation) else { return Ok(Vec::new()) };
        let taken = rounds.iter().map(|round| self.wallet.take_in(now_ms, &account, round));
        taken.filter_map(Result::transpose).collect()
    }

    /// Lets rounds go that were taken in and have not changed.
    pub(super) fn let_recalled_go(&mut self, recalled: Vec<Recalled>) {
        recalled.into_iter().for_each(|recalled| self.wallet.let_recalled_go(recalled));
    }

    /// A page of a statement, with what the history has of it.
    pub fn statement(
        &mut self,
        now_ms: Millis,
        of: &GetStatement<&str>,
        past: PastLines,
    ) -> Done<CompactString> {
        let mut effect = Effect::default();
        let outcome = self.wallet.statement_with(now_ms, of, past, &mut effect);
        let operation = Operation::GetStatement(of.clone());
        let outcome = self.wallet.resolve(outcome, &operation);
        if let Callback(Some(observer)) = &mut self.observer {
            observer(now_ms, &operation, outcome.clone());
        }
        Done { outcome: outcome.map(CompactString::from), after: effect.seen }
    }

    /// Asks `calendars` for the next day's calendar when a domain's day has ended. Without it every domain goes by UTC.
    pub fn keep_calendars(&mut self, calendars: Calendars) {
        self.calendars = Callback(Some(calendars));
        self.calendars_until_ms = self.wallet.calendars_until();
    }

    /// Shows `observer` every step from now on; the simulator's auditor must know what was applied when.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = Callback(Some(observer));
    }

    /// The last change, durable or not.
    pub const fn last_sequence(&self) -> Sequence {
        self.journal.last_sequence()
    }

    /// This shard.
    pub const fn id(&self) -> ShardId {
        self.id
    }

    /// How the slots are assigned.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The wallet.
    pub const fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// The wallet, to sweep it.
    pub const fn wallet_mut(&mut self) -> &mut Wallet {
        &mut self.wallet
    }

    /// The shard that owns what `operation` is about.
    pub fn owner<S: AsRef<str>>(&self, operation: &Operation<S>) -> ShardId {
        self.partition.owner(operation.slot())
    }

    /// The last change that is on stable storage.
    pub const fn durable(&self) -> Sequence {
        self.durable
    }

    /// Whether the journal can take more. Where it can't, nothing that changes something is to be let in.
    pub const fn has_room(&self) -> bool {
        self.journal.has_room()
    }

    /// Whether an operation would change something here.
    pub fn would_change(&self, now_ms: Millis, operation: &Operation<&str>) -> bool {
        self.wallet.would_change(now_ms, operation)
    }

    /// Whether an operation would make the wallet hold more than it does.
    pub fn would_grow(&self, now_ms: Millis, operation: &Operation<&str>) -> bool {
        self.wallet.would_grow(now_ms, operation)
    }

    /// Whether everything that was changed is on stable storage.
    pub const fn is_durable(&self) -> bool {
        self.durable == self.journal.last_sequence()
    }

    /// The changes since the last group, to be made durable; `None` where there are none. One group is under way at a
    /// time, and [`Core::on_durable`] ends it.
    pub fn take_group(&mut self) -> Option<Group> {
        self.journal.take_group()
    }

    /// The group is on stable storage.
    pub fn on_durable(&mut self, group: Group) {
        assert!(group.first == self.durable + 1, "groups become durable in their order");
        self.durable = group.last;
        self.journal.give_back(group);
    }

    /// Journals the renewals of sessions that have waited long enough at `due_ms`, at most `most` of them.
    pub fn journal_renewals(&mut self, now_ms: Millis, due_ms: Millis, most: usize) {
        let Self { wallet, journal, .. } = self;
        wallet.journal_renewals(due_ms, most, |operation, receipt| {
            journal.append(now_ms, &operation, &receipt);
        });
    }

    /// Journals the calendars of a new day, before anything is applied in it.
    fn turn_calendars(&mut self, now_ms: Millis) {
        let Callback(Some(calendars)) = &self.calendars else { return };
        coverage::hit(Branch::CalendarTurned);
        let mut settings = self.wallet.settings().clone();
        settings.set_calendars(calendars(now_ms));
        let changed = self.wallet.configure(now_ms, &settings).expect("no currency has changed");
        if changed {
            self.journal.configure(now_ms, self.wallet.settings());
            self.configured = self.journal.last_sequence();
        }
        self.calendars_until_ms = self.wallet.calendars_until().max(now_ms + 1);
    }

    /// Applies `operation`, and the steps that follow from it as long as they are this shard's. The texts of the outcome are
    /// those of `operation` and of the wallet ([`Wallet::resolve`]).
    ///
    /// # Panics
    /// Where the operation is another shard's: it would be applied to the wrong accounts.
    pub fn step(&mut self, now_ms: Millis, operation: &Operation<&str>) -> Step {
        assert!(self.owner(operation) == self.id, "an operation of another shard");
        let mut after = 0;
        let mut next = match self.apply(now_ms, operation, &mut after) {
            Outcome::Next(next) => next,
            outcome => return Step::Done(Done { outcome, after }),
        };
        for _ in 1..STEPS_MAX {
            let to = self.owner(&next);
            if to != self.id {
                return Step::Elsewhere { to, next, after };
            }
            if self.needs_history(now_ms, &next.as_deref()) {
                return Step::Lookup { operation: next, after };
            }
            next = match self.apply(now_ms, &next.as_deref(), &mut after) {
                Outcome::Next(next) => next,
                outcome => return Step::Done(Done { outcome, after }),
            };
        }
        unreachable!("a way of more than {STEPS_MAX} steps")
    }

    /// What an operation comes to that would change nothing ([`Core::would_change`]), and needs no journal.
    ///
    /// # Panics
    /// Where it changes something.
    pub fn step_unchanged(&mut self, now_ms: Millis, operation: &Operation<&str>) -> Done {
        let (mut after, before) = (0, self.journal.last_sequence());
        let outcome = self.apply_at(now_ms, operation, &mut after);
        assert_eq!(self.journal.last_sequence(), before, "what would change something is turned away");
        Done { outcome, after }
    }

    /// Applies and journals one step. `after` grows to the latest change that it saw.
    fn apply(&mut self, now_ms: Millis, operation: &Operation<&str>, after: &mut Sequence) -> Outcome<Text> {
        // What tells and changes nothing needs neither the day nor the settings to be journaled, and so is told where
        // nothing can be written. Winnings come after a look at another account, in one step, and need both.
        if operation.is_write() {
            if now_ms >= self.calendars_until_ms {
                self.turn_calendars(now_ms);
            }
            *after = self.configured.max(*after);
        }
        self.apply_at(now_ms, operation, after)
    }

    /// The same, on a day that is known.
    fn apply_at(
        &mut self,
        now_ms: Millis,
        operation: &Operation<&str>,
        after: &mut Sequence,
    ) -> Outcome<Text> {
        let Self { wallet, journal, observer, .. } = self;
        if let Operation::StartSession(StartSession { account, .. }) = operation {
            // Which session is evicted for a new one depends on when each was last used.
            wallet.journal_account_renewals(account, |operation, receipt| {
                journal.append(now_ms, &operation, &receipt);
            });
        }
        if let Some(round) = wallet.changes_cold(now_ms, operation) {
            journal_recall(wallet, journal, now_ms, operation, round);
        }
        let stamp = Stamp { now_ms, sequence: journal.next_sequence() };
        let mut effect = Effect::default();
        let outcome = wallet.apply(stamp, operation, &mut effect);
        if let Some(receipt) = effect.changed {
            let sequence = journal.append(now_ms, operation, &receipt);
            assert_eq!(sequence, stamp.sequence, "a change has the sequence that it was told");
        }
        *after = effect.seen.max(*after);
        if let Callback(Some(observer)) = observer {
            observer(now_ms, operation, wallet.resolve(outcome.clone(), operation));
        }
        outcome
    }
}

/// Journals a round of the history as it is before `operation` changes it.
fn journal_recall(
    wallet: &mut Wallet,
    journal: &mut Journal,
    now_ms: Millis,
    operation: &Operation<&str>,
    round: Box<RoundImage>,
) {
    coverage::hit(Branch::ColdRoundJournaled);
    let account = AccountRef::new(operation.account_id().expect("a round is an account's"));
    let recall = Operation::RecallRound(RecallRound { account, round });
    let stamp = Stamp { now_ms, sequence: journal.next_sequence() };
    let mut effect = Effect::default();
    wallet.apply(stamp, &recall, &mut effect);
    let receipt = effect.changed.expect("a round is in memory as it was journaled");
    journal.append(now_ms, &recall, &receipt);
}
