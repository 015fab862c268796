//! Forgetting: what is past its horizon, and how its memory is given back.
//!
//! A closed round, one that was never opened, and a transaction outside of rounds are remembered for the retention after
//! the last transaction; a session for [`limits::SESSION_REMEMBERED_MS`] after it expired. From then on every question
//! passes over them, and no image has them. When they leave memory is nobody's business but the machine's: a sweep comes
//! by once in a while, and changes no outcome.

use super::account::AccountHash;
use super::image::AccountImage;
use super::ledger::{AccountIndex, Activity, Place};
use super::operation::{Operation, Released};
use super::rounds::{RoundIndex, RoundState};
use super::session;
use super::settings::Settings;
use super::{Millis, Wallet};
use crate::limits;
use crate::marks::{self, Mark};

/// Whether what was touched last at `last_ms` is past the retention.
pub(super) const fn is_over(last_ms: Millis, now_ms: Millis, retention_ms: u64) -> bool {
    last_ms.saturating_add(retention_ms) <= now_ms
}

impl AccountImage {
    /// Forgets every session that is over by these settings, where they give way to others with another idle time.
    pub fn end_expired(&mut self, now_ms: Millis, settings: &Settings) {
        let idle_ms = settings.session_idle_ms;
        self.sessions.retain(|session| !session::is_over(session.endless, session.used_ms, now_ms, idle_ms));
    }

    /// Leaves out what is past the horizon of `settings` at `now_ms`.
    pub fn forget(&mut self, now_ms: Millis, settings: &Settings) {
        let Settings { session_idle_ms, retention_ms, .. } = *settings;
        let counts = (self.sessions.len(), self.rounds.len(), self.outside.len());
        self.sessions
            .retain(|session| !session::is_past(session.endless, session.used_ms, now_ms, session_idle_ms));
        let mut forgotten = self.forgotten;
        self.rounds.retain(|round| {
            let kept = round.is_open() || !is_over(round.last_ms, now_ms, retention_ms);
            if !kept {
                let numbers = round.transactions.iter().map(|known| known.number);
                forgotten = numbers.fold(forgotten, u64::max);
            }
            kept
        });
        self.outside.retain(|known| {
            let kept = !is_over(known.at_ms, now_ms, retention_ms);
            forgotten = if kept { forgotten } else { forgotten.max(known.number) };
            kept
        });
        self.forgotten = forgotten;
        // Whether an account once had something that is forgotten since, or that was never journaled, makes no difference.
        let limited = self.limits != [None; 7] || self.session_minutes.is_some();
        if self.number == 0 && self.rounds.is_empty() && !limited && self.alerts.is_empty() {
            self.sums = None;
        }
        if counts != (self.sessions.len(), self.rounds.len(), self.outside.len()) {
            marks::hit(Mark::ImageForgot);
        }
    }
}

impl Wallet {
    /// Gives back the memory of what is over, of the next [`limits::SWEEP_ACCOUNTS`] accounts, and of expired tokens.
    /// `release` is given each session key that is free now, and brings it to its slot; where it can't take one
    /// (`false`) it is given it again by the next sweep.
    pub fn sweep(&mut self, now_ms: Millis, mut release: impl FnMut(Operation<&str>) -> bool) {
        self.tokens.expire(now_ms, limits::SWEEP_ACCOUNTS);
        for _ in 0..limits::SWEEP_ACCOUNTS.min(self.accounts.len()) {
            self.swept_to = (self.swept_to + 1) % self.accounts.len();
            self.forget_account(now_ms, AccountIndex::new(self.swept_to));
        }
        self.unheld.retain(|(key, account)| {
            !release(Operation::ReleaseKey { key, account: *account, answer: Released::Swept })
        });
    }

    /// Forgets what is over of every account, at once.
    pub fn forget_all(&mut self, now_ms: Millis) {
        for at in 0..self.accounts.len() {
            self.forget_account(now_ms, AccountIndex::new(at));
        }
    }

    /// Forgets every session that is over by the idle time so far.
    pub(super) fn end_expired(&mut self, now_ms: Millis) {
        let horizon = self.session_horizon(now_ms);
        for at in 0..self.accounts.len() {
            let account = self.accounts.get_mut(AccountIndex::new(at));
            let hash = account.hash();
            let freed = account.end_expired(horizon);
            self.free(hash, freed);
        }
    }

    fn forget_account(&mut self, now_ms: Millis, index: AccountIndex) {
        let horizon = self.session_horizon(now_ms);
        let account = self.accounts.get_mut(index);
        let hash = account.hash();
        let freed = account.forget_sessions(horizon);
        self.free(hash, freed);
        self.forget_refusals(now_ms, index);
        self.forget_rounds(now_ms, index);
    }

    /// Has the keys of sessions that are gone given back to the directory.
    pub(super) fn free(&mut self, account: AccountHash, keys: impl IntoIterator<Item = Box<str>>) {
        if self.catalog.is_some() {
            self.unheld.extend(keys.into_iter().map(|key| (key, account)));
        }
    }

    /// Forgets what an account's statement has that is past the retention.
    fn forget_rounds(&mut self, now_ms: Millis, index: AccountIndex) {
        let retention_ms = self.settings.retention_ms;
        let oldest_ms =
            self.accounts.get(index).activity().map_or(Millis::MAX, |activity| activity.oldest_ms);
        if !is_over(oldest_ms, now_ms, retention_ms) {
            return;
        }
        self.forget_outside(now_ms, index);
        let rounds = &self.rounds;
        let mut over: Vec<u32> = match self.accounts.get(index).activity() {
            None => Vec::new(),
            Some(activity) => activity
                .rounds
                .iter()
                .filter(|at| rounds.get(**at).is_forgotten(now_ms, retention_ms))
                .map(|at| at.number())
                .collect(),
        };
        // In order, so that each round of the account is looked up among them in no time.
        over.sort_unstable();
        self.forget(index, |at| over.binary_search(&at.number()).is_ok());
        let activity = self.accounts.get(index).activity();
        let of_rounds = activity.into_iter().flat_map(|activity| &activity.rounds);
        let closed = of_rounds.map(|at| self.rounds.get(*at)).filter(|round| round.state != RoundState::Open);
        let oldest = closed.map(|round| round.last_ms).min().unwrap_or(Millis::MAX);
        let activity = self.accounts.get_mut(index).activity_mut();
        let outside = activity.outside.front().map_or(Millis::MAX, |first| first.at_ms);
        activity.oldest_ms = oldest.min(outside);
    }

    /// Forgets those rounds of an account that `is` holds for, and what its statement has of them.
    pub(super) fn forget(&mut self, index: AccountIndex, is: impl Fn(RoundIndex) -> bool) {
        let activity = self.accounts.get_mut(index).activity_mut();
        let over: Vec<RoundIndex> = activity.rounds.extract_if(.., |at| is(*at)).collect();
        let Activity { statement, outside, outside_first, .. } = activity;
        let (first, count) = (*outside_first, outside.len());
        statement.retain(|place| match place.round {
            Place::OUTSIDE => (place.at.wrapping_sub(first) as usize) < count,
            round => !is(RoundIndex::from_number(round)),
        });
        let mut forgotten = 0;
        for at in over {
            let round = self.rounds.remove(&self.accounts, at);
            self.games.give_back(round.game);
            for known in &round.transactions {
                forgotten = forgotten.max(known.number);
                self.games.give_back(known.game);
            }
        }
        let activity = self.accounts.get_mut(index).activity_mut();
        activity.forgotten = activity.forgotten.max(forgotten);
    }

    /// Forgets what is past its retention outside of rounds, which is what comes first: time does not go back.
    pub(super) fn forget_outside(&mut self, now_ms: Millis, index: AccountIndex) {
        let retention_ms = self.settings.retention_ms;
        let account = self.accounts.get_mut(index);
        let is_first_over = |activity: &Activity| {
            activity.outside.front().is_some_and(|first| is_over(first.at_ms, now_ms, retention_ms))
        };
        if !account.activity().is_some_and(is_first_over) {
            return;
        }
        let activity = account.activity_mut();
        while is_first_over(activity) {
            activity.forget_first_outside();
        }
    }

    /// All transactions of an account from this number on are remembered at `now_ms`.
    pub(super) fn complete_from(&self, now_ms: Millis, activity: &Activity) -> u64 {
        let retention_ms = self.settings.retention_ms;
        let mut forgotten = activity.forgotten;
        if is_over(activity.oldest_ms, now_ms, retention_ms) {
            let over = activity.rounds.iter().map(|at| self.rounds.get(*at));
            let over = over.filter(|round| round.is_forgotten(now_ms, retention_ms));
            let of_rounds = over.flat_map(|round| &round.transactions);
            let outside = activity.outside.iter().filter(|known| is_over(known.at_ms, now_ms, retention_ms));
            forgotten = of_rounds.chain(outside).map(|known| known.number).fold(forgotten, u64::max);
        }
        forgotten + 1
    }
}
