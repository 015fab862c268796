//! Forgetting: what is past its horizon, and how its memory is given back.
//!
//! A closed round, one that was never opened, and a transaction outside of rounds are remembered for the retention after
//! the last transaction; a session for [`limits::SESSION_REMEMBERED_MS`] after it expired. From then on every question
//! passes over them, and no image has them. When they leave memory is nobody's business but the machine's: changes of the
//! account take a few along, a sweep comes by once in a while, and neither changes an outcome. All of it is counted and
//! bounded, for a turn and for an operation, however much is over at one time; but a round whose id comes again is forgotten
//! whole, up to [`limits::ROUND_TRANSACTIONS_MAX`] transactions.

use super::account::AccountHash;
use super::image::AccountImage;
use super::ledger::AccountIndex;
use super::operation::{self, Operation, Released};
use super::packed::Known;
use super::rounds::RoundIndex;
use super::session;
use super::settings::Settings;
use super::{Millis, Wallet};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::black_box;
use coverage::Branch;

/// Has glibc's allocator merge the small blocks that were given back with free ones beside them. It keeps them in lists until
/// somebody asks for a block of a kilobyte or more, and merges all of them then: 110 ms for what two million rounds have left. A few
/// hundred at a time take some microseconds.
fn merge_free_blocks() {
    black_box(Vec::<u8>::with_capacity(limits::MERGING_BYTES));
}

impl AccountImage {
    /// Forgets every session that is over by these settings, where they give way to others with another idle time.
    pub fn end_expired(&mut self, now_ms: Millis, settings: &Settings) {
        let idle_ms = settings.session_idle_ms;
        self.sessions.retain(|session| !session::is_over(session.endless, session.used_ms, now_ms, idle_ms));
    }

    /// Leaves out what is past the horizon of `settings` at `now_ms`.
    pub fn forget(&mut self, now_ms: Millis, settings: &Settings) {
        let Settings { session_idle_ms, .. } = *settings;
        let counts = (self.sessions.len(), self.rounds.len());
        self.sessions
            .retain(|session| !session::is_past(session.endless, session.used_ms, now_ms, session_idle_ms));
        let mut forgotten = self.forgotten;
        self.rounds.retain(|round| {
            let kept = !round.is_forgotten(now_ms, settings);
            if !kept {
                let numbers = round.transactions.iter().map(|known| known.number);
                forgotten = numbers.fold(forgotten, u64::max);
            }
            kept
        });
        self.forgotten = forgotten;
        self.drop_empty_sums();
        if counts != (self.sessions.len(), self.rounds.len()) {
            coverage::hit(Branch::ImageForgot);
        }
    }
}

impl Wallet {
    /// Has the next [`limits::SWEEP_ACCOUNTS`] accounts looked at for what is over, from where the last sweep came to:
    /// [`Wallet::tidy`] does it.
    pub fn begin_sweep(&mut self) {
        self.sweep_left = limits::SWEEP_ACCOUNTS.min(self.accounts.len());
    }

    /// Goes on giving back the memory of expired tokens, and of what is over in the accounts that a sweep is to look at:
    /// of at most `budget` tokens, accounts, rounds and transactions together. `true` where more of it is left.
    pub fn tidy(&mut self, now_ms: Millis, mut budget: usize) -> bool {
        let rounds = self.rounds.len();
        self.tokens.expire(now_ms, &mut budget);
        self.let_go(&mut budget);
        while budget > 0 && self.sweep_left > 0 {
            let at = (self.swept_to + 1) % self.accounts.len();
            if !self.forget_account(now_ms, AccountIndex::new(at), &mut budget) {
                break;
            }
            budget = budget.saturating_sub(1);
            (self.swept_to, self.sweep_left) = (at, self.sweep_left - 1);
        }
        if self.rounds.len() < rounds {
            merge_free_blocks();
        }
        budget == 0
    }

    /// Whether a session key is to be given back to the directory.
    pub fn has_free_keys(&self) -> bool {
        self.keys_to_release.front().is_some()
    }

    /// Gives at most `most` session keys back that are free now. `release` brings each to its slot.
    pub fn release_keys(&mut self, most: usize, mut release: impl FnMut(Operation<&str>)) {
        for _ in 0..most {
            let Some((key, account)) = self.keys_to_release.pop_front() else { return };
            release(Operation::ReleaseKey(operation::ReleaseKey {
                key: &key,
                holder: account,
                answer: Released::Swept,
            }));
        }
    }

    /// Forgets what is over of every account, at once.
    pub fn forget_all(&mut self, now_ms: Millis) {
        for at in 0..self.accounts.len() {
            self.forget_account(now_ms, AccountIndex::new(at), &mut { usize::MAX });
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

    /// Forgets what is over of an account, as [`Wallet::forget_over`] does.
    fn forget_account(&mut self, now_ms: Millis, index: AccountIndex, budget: &mut usize) -> bool {
        let horizon = self.session_horizon(now_ms);
        let account = self.accounts.get_mut(index);
        let hash = account.hash();
        let freed = account.forget_sessions(horizon);
        self.free(hash, freed);
        self.forget_refusals(now_ms, index);
        self.forget_over(now_ms, index, budget)
    }

    /// Has the keys of sessions that are gone given back to the directory.
    pub(super) fn free(&mut self, account: AccountHash, keys: impl IntoIterator<Item = Box<str>>) {
        if self.catalog.is_some() {
            keys.into_iter().for_each(|key| self.keys_to_release.push_back((key, account)));
        }
    }

    /// Forgets what an account's statement has that is past the retention, of at most `budget` rounds and transactions, which
    /// it is less by. `true` where that was all.
    pub(super) fn forget_over(&mut self, now_ms: Millis, index: AccountIndex, budget: &mut usize) -> bool {
        // It is past it once for all, whatever the retention is set to later.
        let until_ms = self.settings.forgotten_until(now_ms);
        let oldest_ms =
            self.accounts.get(index).activity().map_or(Millis::MAX, |activity| activity.oldest_ms);
        if oldest_ms > until_ms {
            return true;
        }
        let first_to_go = |wallet: &Self| {
            let activity = wallet.accounts.get(index).activity()?;
            let firsts = wallet.rounds.first_to_go(&activity.rounds);
            firsts.map(|at| (at, wallet.rounds.get(at).last_ms)).min_by_key(|(_, last_ms)| *last_ms)
        };
        while *budget > 0
            && let Some((at, last_ms)) = first_to_go(self)
            && last_ms <= until_ms
        {
            if self.forget_transactions(index, at, budget) {
                self.forget_empty_round(index, at);
                *budget = budget.saturating_sub(1);
            }
        }
        let oldest_ms = first_to_go(self).map_or(Millis::MAX, |(_, last_ms)| last_ms);
        self.accounts.get_mut(index).activity_mut().oldest_ms = oldest_ms;
        oldest_ms > until_ms
    }

    /// Forgets a little of what is over in an account that was just changed: more than one change adds, so that an account
    /// that is played with without a pause keeps nothing of it, however seldom a sweep comes by. A replay forgets nothing by
    /// itself: records of older rules may need it.
    pub(super) fn forget_a_little(&mut self, now_ms: Millis, index: AccountIndex) {
        if self.catalog.is_some() {
            self.forget_over(now_ms, index, &mut { limits::FORGOTTEN_PER_CHANGE });
        }
    }

    /// Forgets a round of an account, whatever it holds.
    pub(super) fn forget_round(&mut self, index: AccountIndex, at: RoundIndex) {
        self.forget_transactions(index, at, &mut { usize::MAX });
        self.forget_empty_round(index, at);
    }

    /// Forgets transactions of a round that is past its horizon, the last first: what refers to another one comes after it.
    /// `true` where none is left.
    fn forget_transactions(&mut self, index: AccountIndex, at: RoundIndex, budget: &mut usize) -> bool {
        let activity = self.accounts.get_mut(index).activity_mut();
        let round = self.rounds.get_mut(at);
        let kept = round.len() - round.len().min(*budget);
        *budget -= round.len() - kept;
        let mut gone = round.transactions_behind(kept).peekable();
        let Some(from) = gone.peek().map(Known::place) else { return true };
        for known in gone {
            self.games.give_back(known.game(round.game));
            // A cancelled bet is no transaction, and has no number.
            let number = known.number();
            if number > 0 {
                activity.statement.remove(number);
                activity.forgotten = activity.forgotten.max(number);
            }
        }
        round.truncate(from, kept);
        kept == 0
    }

    fn forget_empty_round(&mut self, index: AccountIndex, at: RoundIndex) {
        let lists = &mut self.accounts.get_mut(index).activity_mut().rounds;
        self.rounds.unlist(lists, at);
        let round = self.rounds.remove(at);
        self.games.give_back(round.game);
    }
}
