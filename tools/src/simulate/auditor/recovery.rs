//! What a crash may leave of an account.
//!
//! Every effect that somebody was told of is there; each that nobody was told of is there wholly or not at all. So
//! the requests since the last point that is certain are applied again, those without an acknowledgement once with
//! and once without, until the account comes out as the recovered machine shows it.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use purser::wallet::operation::Operation;
use purser::wallet::outcome::{AccountView, ErrorCode, OperatorRefusal, Outcome, StatementLine};

use super::account::{Account, Ask, Foreign, Round, apply};
use super::rules::{Answer, Rules, is_refused, refused_operator};
use super::session::Session;

/// A request that was applied, and what became of its answer.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) request: u64,
    pub(super) operation: std::rc::Rc<Operation<CompactString>>,
    pub(super) now_ms: u64,
    pub(super) event: u64,
    pub(super) sent_event: u64,
    pub(super) foreign: Foreign,
    /// What the machine said; `None` where a crash came first.
    pub(super) told: Option<Answer>,
    /// Somebody has been told.
    pub(super) acknowledged: bool,
}

/// What the recovered machine shows of an account.
pub(super) struct Shown<'a> {
    pub(super) now_ms: u64,
    pub(super) crashed_ms: u64,
    pub(super) view: &'a Answer,
    pub(super) lines: &'a [StatementLine],
    pub(super) traces: &'a Traces,
}

/// What no call shows of an account, and answers still depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traces {
    /// The rounds that it remembers, by their ids.
    pub(crate) rounds: BTreeMap<String, Trace>,
    /// Keys of the sessions that it remembers, live or expired.
    pub(crate) sessions: BTreeSet<String>,
}

/// What no call shows of a round, or not of every round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Its last transaction, its end, or the last bet that was cancelled in it, milliseconds since 1970.
    pub(crate) last_ms: u64,
    /// Ids of bets that were rolled back before they came.
    pub(crate) cancelled: BTreeSet<String>,
}

/// Ways that are tried before the search is given up.
const WAYS_MAX: u32 = 100_000;

pub(super) struct Search<'a> {
    pub(super) rules: &'a Rules,
    pub(super) shown: &'a Shown<'a>,
    pub(super) ways: u32,
}

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
        }
    }

    /// Whether it was refused for a token that is gone. Tokens don't survive a crash, and who used one up may not have
    /// either, so that the refusal promises nothing.
    fn shows_nothing(&self) -> bool {
        matches!(*self.operation, Operation::RedeemToken { .. })
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
    /// The account that explains what is shown; `None` where there is none.
    pub(super) fn run(&mut self, settled: Option<Account>, entries: &[Entry]) -> Option<Option<Account>> {
        self.walk(settled, entries)
    }

    /// What was done is tried first, so that of several explanations the first is that of a journal which lost
    /// its end.
    fn walk(&mut self, mut way: Option<Account>, entries: &[Entry]) -> Option<Option<Account>> {
        self.ways += 1;
        if self.ways > WAYS_MAX {
            return None;
        }
        for (at, entry) in entries.iter().enumerate() {
            if entry.shows_nothing() {
                continue;
            }
            let without = (!entry.acknowledged).then(|| way.clone());
            let answer = apply(&mut way, &entry.ask(self.rules));
            let as_told = entry.told.as_ref().is_none_or(|told| *told == answer);
            match without {
                None if as_told => {}
                None => return None,
                Some(without) if !as_told => way = without,
                Some(without) if entry.shows() => {
                    let with = self.walk(way, &entries[at + 1..]);
                    return with.or_else(|| self.walk(without, &entries[at + 1..]));
                }
                Some(_) => {}
            }
        }
        self.fits(way)
    }

    /// Whether the account at the end of a way is what is shown.
    fn fits(&self, mut state: Option<Account>) -> Option<Option<Account>> {
        let Shown { now_ms, crashed_ms, view, lines, traces } = *self.shown;
        let Some(account) = &mut state else {
            return (*view == refused_operator(OperatorRefusal::NoAccount) && lines.is_empty())
                .then_some(None);
        };
        let Outcome::Account(shown) = view else {
            return None;
        };
        account.tokens.clear();
        if !settle_sessions(account, shown, &traces.sessions, now_ms, crashed_ms, self.rules) {
            return None;
        }
        let operation = Operation::GetAccount {
            account: purser::wallet::account::AccountRef::new(CompactString::from(account.id.as_str())),
        };
        let ask = Ask {
            rules: self.rules,
            now_ms,
            event: 0,
            sent_event: 0,
            foreign: Foreign::No,
            operation: &operation,
            told: Some(view),
        };
        let as_shown = apply(&mut state, &ask) == *view;
        let account = state.as_ref()?;
        (as_shown && account.traces().rounds == traces.rounds && account.lines(0, lines) == lines)
            .then_some(state)
    }
}

impl Account {
    /// What no call shows of its rounds.
    pub(super) fn traces(&self) -> Traces {
        let trace = |(id, round): (&String, &Round)| {
            (id.clone(), Trace { last_ms: round.last_ms, cancelled: round.cancelled.clone() })
        };
        Traces {
            rounds: self.rounds.iter().map(trace).collect(),
            sessions: self.sessions.iter().map(|session| session.key.clone()).collect(),
        }
    }
}

/// Sets each session's last use to one that a crash may leave and that is shown. Those that are not shown must have
/// been able to expire, and those that are not remembered to be forgotten.
fn settle_sessions(
    account: &mut Account,
    shown: &AccountView,
    remembered: &BTreeSet<String>,
    now_ms: u64,
    crashed_ms: u64,
    rules: &Rules,
) -> bool {
    let known = |key: &String| account.sessions.iter().any(|session| session.key == *key);
    if !remembered.iter().all(known) {
        return false;
    }
    let forgotten = |session: &Session| !remembered.contains(&session.key);
    if account.sessions.iter().any(|session| forgotten(session) && !session.may_be_forgotten(now_ms, rules)) {
        return false;
    }
    account.sessions.retain(|session| !forgotten(session));
    for session in &mut account.sessions {
        session.forget_uses(crashed_ms);
        match shown.sessions.iter().find(|view| view.key == session.key) {
            Some(view) => session.uses.retain(|used_ms| *used_ms == view.used_ms),
            None => session.uses.retain(|used_ms| now_ms.saturating_sub(*used_ms) >= rules.session_idle_ms),
        }
        if session.uses.is_empty() {
            return false;
        }
        session.unsure = false;
    }
    true
}
