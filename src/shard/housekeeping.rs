//! What a shard does beside requests: renewals on their way to the journal, and what is over on its way out of memory.

use compact_str::CompactString;

use super::Shard;
use super::core::Step;
use crate::limits;
use crate::metrics::Holdings;
use crate::wallet::Millis;

impl<W: Copy> Shard<W> {
    /// Says, once, that this core has no connection left and takes no more. What was to be journaled later is journaled
    /// now, and so is what it takes in for the other shards from now on: the process ends when all have left.
    pub fn leave(&mut self) {
        self.left = true;
        self.journal_renewals();
        self.mesh.leave();
    }

    /// Journals what was to be journaled by now; bounded, for each turn.
    pub(super) fn journal_due_renewals(&mut self, now_ms: Millis) {
        if !self.read_only && self.core.has_room() {
            self.core.journal_renewals(now_ms, now_ms, limits::RENEWALS_PER_TURN);
        }
    }

    /// Journals what was to be journaled later.
    pub fn journal_renewals(&mut self) {
        if !self.read_only {
            self.core.journal_renewals(self.now_ms, Millis::MAX, usize::MAX);
        }
    }

    /// Looks after sessions and tokens that are over; bounded, so that it may be called between turns.
    pub fn sweep(&mut self, now_ms: Millis) {
        let now_ms = self.advance(now_ms);
        self.journal_due_renewals(now_ms);
        let mut released = Vec::new();
        let room = (self.lane_requests_max / 2).saturating_sub(self.deferred.len() + self.held.len());
        self.core.wallet_mut().sweep(now_ms, |release| {
            let taken = released.len() < room;
            if taken {
                released.push(release.map(|text| CompactString::from(*text)));
            }
            taken
        });
        for release in released {
            let owner = self.core.owner(&release);
            if owner == self.id() {
                let step = self.core.step(now_ms, &release.as_deref(), |_, _| ());
                assert!(matches!(step, Step::Done), "a release is a last step");
            } else {
                // What let the key go may be a change that is not durable yet.
                let (ticket, after) = (self.ticket(None), self.core.last_sequence());
                self.go_elsewhere(owner, ticket, release, after);
            }
        }
        let wallet = self.core.wallet();
        self.metrics.set_holdings(Holdings {
            accounts: wallet.accounts() as u64,
            session_keys: wallet.session_keys() as u64,
            tokens: wallet.tokens() as u64,
            rounds: wallet.rounds() as u64,
        });
    }
}
