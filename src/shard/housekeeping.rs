//! What a shard does beside requests: renewals on their way to the journal, and what is over on its way out of memory.

use compact_str::CompactString;

use super::Shard;
use super::core::Step;
use super::history::History;
use metrics::Holdings;
use wallet::Millis;

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

    /// Looks after what is over: tokens, sessions, rounds; once in [`limits::SWEEP_INTERVAL_MS`]. Bounded, so that it may be
    /// called between turns: what is left is done by the next turns, a little in each, and the shard does not park meanwhile.
    pub fn sweep(&mut self, now_ms: Millis) {
        let now_ms = self.advance(now_ms);
        self.journal_due_renewals(now_ms);
        self.core.wallet_mut().begin_sweep();
        // Where the lanes are never empty, too: a key that is not given back keeps its name from others.
        self.tidy(now_ms, limits::TIDIED_PER_SWEEP, limits::KEYS_PER_SWEEP_MIN);
        let wallet = self.core.wallet();
        self.metrics.set_holdings(Holdings {
            accounts: wallet.accounts() as u64,
            session_keys: wallet.session_keys() as u64,
            tokens: wallet.tokens() as u64,
            rounds: wallet.rounds() as u64,
        });
        self.metrics.set_history(self.core.known_history().map(History::size).unwrap_or_default());
    }

    /// Takes at most `most` of what is over out of memory, and gives as many session keys back; `least` of them however full the
    /// lanes are, unless steps wait for one, or many for the disk.
    pub(super) fn tidy(&mut self, now_ms: Millis, most: usize, least: usize) {
        self.is_behind = self.core.wallet_mut().tidy(now_ms, most);
        // Players come first: what is given back has a quarter of a lane, and none of one that is a quarter full.
        let fullest = self.at.iter().copied().max().unwrap_or(0);
        let (quarter, waiting) = ((self.lane_requests_max / 4).max(1), self.waiting_steps());
        let room = quarter.saturating_sub(fullest + waiting);
        let room = if self.deferred.is_empty() && waiting < quarter { room.max(least) } else { room };
        let mut released = Vec::new();
        self.core.wallet_mut().release_keys(room.min(most), |release| {
            released.push(release.map(|text| CompactString::from(*text)));
        });
        for release in released {
            let owner = self.core.owner(&release);
            if owner == self.id() {
                let step = self.core.step(now_ms, &release.as_deref());
                assert!(matches!(step, Step::Done(_)), "a release is a last step");
            } else {
                // What let the key go may be a change that is not durable yet.
                let (ticket, after) = (self.ticket(None), self.core.last_sequence());
                self.go_elsewhere(owner, ticket, release, after);
            }
        }
        // Without room the next sweep goes on.
        self.is_behind |= room > 0 && self.core.wallet().has_free_keys();
    }
}
