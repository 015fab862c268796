//! What a crash may leave of an account.
//!
//! Every effect that somebody was told of is there; each that nobody was told of is there wholly or not at all. So
//! the requests since the last point that is certain are applied again, those without an acknowledgement once with
//! and once without, until the account comes out as the recovered machine shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use compact_str::CompactString;
use wallet::operation::{self, Operation};
use wallet::outcome::{AccountView, ErrorCode, OperatorRefusal, Outcome, StatementLine};

use super::account::{Account, Ask, Foreign, Round, RoundKey, Sum, apply};
use super::rules::{Answer, Rules, Times, is_refused, refused_operator};

/// A request that was applied, and what became of its answer.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) request: u64,
    pub(super) operation: Rc<Operation<CompactString>>,
    pub(super) now_ms: u64,
    pub(super) event: u64,
    pub(super) sent_event: u64,
    pub(super) foreign: Foreign,
    /// What the machine said; `None` where a crash came first.
    pub(super) told: Option<Answer>,
    /// Somebody has been told.
    pub(super) acknowledged: bool,
    /// Another account was told what only this explains.
    pub(super) shown: bool,
}

/// What the recovered machine shows of an account.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its answer to `GetAccount`.
    pub view: Answer,
    /// All lines of its statement, none where there is no such account.
    pub lines: Vec<StatementLine>,
    /// The number from which that is complete.
    pub complete_from: u64,
    /// What no call shows.
    pub traces: Traces,
    /// The times that held until the start, as they were stored.
    pub was: Times,
}

/// What no call shows of an account, and answers still depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// The rounds that it remembers.
    pub rounds: BTreeMap<RoundKey, Trace>,
    /// The sessions that it remembers, live or expired: when each was used last, by its key.
    pub sessions: BTreeMap<String, u64>,
    /// Day, week, month, as they were when they were last changed.
    pub sums: [Sum; 3],
}

/// What no call shows of a round, or not of every round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Its last transaction, its end, or the last bet that was cancelled in it, milliseconds since 1970.
    pub last_ms: u64,
    /// The game of its first transaction.
    pub game: CompactString,
    /// Ids of bets that were rolled back before they came.
    pub cancelled: BTreeSet<CompactString>,
}

/// Ways that are tried before the search is given up.
const WAYS_MAX: u32 = 100_000;

/// Explanations that are looked for, where a start forgets what would tell them apart, and a crash may undo that start: ten
/// requests that nobody was told of, each done or not. With fewer than there are, what is shown after that crash may be
/// explained by none that was kept.
const FOUND_MAX: usize = 1_024;

pub(super) struct Search<'a> {
    /// By which the requests were answered.
    pub(super) before: &'a Rules,
    /// By which the account is shown.
    pub(super) rules: &'a Rules,
    pub(super) now_ms: u64,
    pub(super) crashed_ms: u64,
    pub(super) shown: &'a Shown,
    pub(super) ways: u32,
    /// Where the first way ended otherwise than what is shown: the one by which everything was done.
    pub(super) first: Option<String>,
    pub(super) found: Vec<Found>,
}

/// An account before a start and after it.
pub(super) type Found = (Option<Account>, Option<Account>);

impl Entry {
    pub(super) fn ask<'a>(&'a self, rules: &'a Rules) -> Ask<'a> {
        Ask {
            rules,
            now_ms: self.now_ms,
            event: self.event,
            sent_event: self.sent_event,
            foreign: self.foreign,
            operation: &self.operation,
            told: self.told.as_ref(),
            tied: 0,
        }
    }

    /// Whether it was refused for a token that is gone. Tokens don't survive a crash, and who used one up may not have
    /// either, so that the refusal promises nothing.
    fn shows_nothing(&self) -> bool {
        matches!(*self.operation, Operation::RedeemToken(_))
            && is_refused(self.told.as_ref(), ErrorCode::SessionNotFound)
    }

    /// Whether a recovered account shows if it was done.
    fn shows(&self) -> bool {
        let refused = matches!(self.told, Some(Outcome::Refused { .. } | Outcome::OperatorRefused(_)));
        let renews = matches!(self.told, Some(Outcome::Redeemed(_)));
        let cancels = is_refused(self.told.as_ref(), ErrorCode::TransactionNotFound);
        renews || cancels || self.operation.is_write() && !refused
    }
}

impl Search<'_> {
    /// Finds the accounts that explain what is shown, starting from this one: the first, or some more of them where
    /// they may be different before the start.
    pub(super) fn run(&mut self, settled: Option<Account>, entries: &[Entry]) {
        self.walk(settled, entries);
    }

    /// What was done is tried first, so that of several explanations the first is that of a journal which lost
    /// its end. `true` where enough was found.
    fn walk(&mut self, mut way: Option<Account>, entries: &[Entry]) -> bool {
        self.ways += 1;
        if self.ways > WAYS_MAX {
            return true;
        }
        for (at, entry) in entries.iter().enumerate() {
            if entry.shows_nothing() {
                continue;
            }
            let without = (!entry.acknowledged && !entry.shown).then(|| way.clone());
            let answer = apply(&mut way, &entry.ask(self.before));
            let as_told = entry.told.as_ref().is_none_or(|told| *told == answer);
            match without {
                None if as_told => {}
                None => return false,
                Some(without) if !as_told => way = without,
                Some(without) if entry.shows() => {
                    return self.walk(way, &entries[at + 1..]) || self.walk(without, &entries[at + 1..]);
                }
                Some(_) => {}
            }
        }
        let found = self.fits(way);
        self.found.extend(found);
        let enough = if self.shown.was == self.rules.times { 1 } else { FOUND_MAX };
        self.found.len() >= enough
    }

    /// Whether the account at the end of a way is what is shown.
    fn fits(&mut self, mut state: Option<Account>) -> Option<Found> {
        let (now_ms, Shown { view, lines, complete_from, traces, was }) = (self.now_ms, self.shown);
        let Some(account) = &mut state else {
            return (*view == refused_operator(OperatorRefusal::NoAccount) && lines.is_empty())
                .then_some((None, None));
        };
        let Outcome::Account(shown) = view else {
            return None;
        };
        if !self.settle_sessions(account, shown) {
            self.first.get_or_insert_with(|| format!("sessions {:?}", account.sessions));
            return None;
        }
        let before = account.clone();
        account.restart(now_ms, *was, self.rules.times);
        let operation = Operation::GetAccount(operation::GetAccount {
            account: wallet::account::AccountRef::new(CompactString::from(account.id.as_str())),
        });
        let ask = Ask {
            rules: self.rules,
            now_ms,
            event: 0,
            sent_event: 0,
            foreign: Foreign::No,
            operation: &operation,
            told: Some(view),
            tied: 0,
        };
        let is = apply(&mut state, &ask);
        let as_shown = is == *view;
        let account = state.as_ref()?;
        let rest = account.traces() == *traces
            && account.forgotten + 1 == *complete_from
            && account.lines(0) == *lines;
        if !as_shown || !rest {
            let of = || {
                let (traces, from) = (account.traces(), account.forgotten + 1);
                format!("{is:?} with {:?}, complete from {from}, and {traces:?}", account.lines(0))
            };
            self.first.get_or_insert_with(of);
        }
        (as_shown && rest).then_some((Some(before), state))
    }

    /// Sets each session's last use to one that a crash may leave, and that is shown. Those that are not remembered must
    /// have been able to be forgotten.
    fn settle_sessions(&self, account: &mut Account, shown: &AccountView) -> bool {
        let (now_ms, remembered) = (self.now_ms, &self.shown.traces.sessions);
        let all = [self.shown.was, self.rules.times];
        for session in &mut account.sessions {
            session.forget_uses(self.crashed_ms);
            let [was, is] = all;
            let is_ended = |used_ms: u64| {
                was.session_idle_ms != is.session_idle_ms && was.is_session_over(used_ms, now_ms)
            };
            let is_past = |used_ms: u64| all.iter().any(|times| times.is_session_past(used_ms, now_ms));
            let past = |used_ms: &u64| is_ended(*used_ms) || is_past(*used_ms);
            match remembered.get(&session.key) {
                Some(used) => session.uses.retain(|used_ms| used_ms == used),
                None => session.uses.retain(past),
            }
            let view = shown.sessions.iter().find(|view| view.key == session.key);
            let as_viewed = view.is_none_or(|view| session.uses.last() == Some(&view.used_ms));
            if session.uses.is_empty() || !as_viewed {
                return false;
            }
            session.uses = vec![session.used_ms()];
        }
        true
    }
}

impl Account {
    /// What no call shows of it.
    pub(super) fn traces(&self) -> Traces {
        let trace = |(key, round): (&RoundKey, &Round)| {
            let (game, cancelled) = (round.game.clone(), round.cancelled.clone());
            (key.clone(), Trace { last_ms: round.last_ms, game, cancelled })
        };
        let sessions = self.sessions.iter().map(|session| (session.key.clone(), session.used_ms()));
        Traces {
            rounds: self.rounds.iter().map(trace).collect(),
            sessions: sessions.collect(),
            sums: self.sums,
        }
    }
}
