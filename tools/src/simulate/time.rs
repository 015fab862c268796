//! How time passes: in small waits, in leaps, and to the very moment at which something is forgotten.

use std::sync::Arc;

use testkit::auditor::Times;
use testkit::auditor::bounds::SESSION_REMEMBERED_MS;

use super::run::Run;

/// How far the clock leaps, at most: a machine that slept. Each with its weight.
const LEAPS_MS: [(u32, u64); 3] = [(70, 10 * 60_000), (25, 26 * 3_600_000), (5, 9 * 24 * 3_600_000)];

/// A wait that is longer comes in parts at first, so that what is in memory alone is brought to the disk in time.
const PARTS_OF_WAIT: u64 = 12;

/// Time that shards stay short of memory, at most.
const SHORT_MS: u64 = 20_000;

/// Time that a disk stays full, at most.
const FULL_MS: u64 = 5_000;

/// Time after which a change is on its disk, at most. With what comes before it a renewal is within its minute.
const SYNC_MS: u64 = 12_000;

/// How far ahead a horizon is looked for.
pub(super) const MONTH_MS: u64 = 30 * 24 * 3_600_000;

/// Time between two sweeps of the shards, at most; the server's is a fifth of it.
const SWEEP_MS: u64 = 5_000;

impl Run {
    /// The clock leaps ahead. What is due by then is not done yet, and what was due before is.
    pub(super) fn leap(&mut self) -> Result<(), String> {
        if self.full_ms.is_some() {
            self.free()?;
        }
        self.cluster.shards.iter_mut().for_each(shard::Shard::journal_renewals);
        self.sync()?;
        let most_ms = self.chance.weighted(&LEAPS_MS);
        let ms = self.chance.below(most_ms);
        let horizon_ms = if self.chance.percent(50) { self.some_horizon()? } else { None };
        match horizon_ms {
            // To the very moment at which something is forgotten, or the last before it.
            Some(horizon_ms) => self.now_ms = self.now_ms.max(horizon_ms - self.chance.below(2)),
            None => self.now_ms += self.grained(ms),
        }
        // Keys of sessions that are over by now, and were not swept yet.
        for _ in 0..self.chance.below(4) {
            self.queue.push_back(Arc::new(self.workload.open_any()));
        }
        if horizon_ms.is_some() {
            for _ in 0..self.chance.below(6) {
                self.queue.push_back(Arc::new(self.workload.ask_again(self.now_ms)));
            }
            // Before any time passes.
            for _ in 0..self.queue.len() {
                if let Some(request) = self.queue.pop_front().and_then(|request| self.rules.asked(&request)) {
                    if self.flights.may_send(&request) {
                        self.send(&request);
                    } else {
                        self.queue.push_back(request);
                    }
                }
            }
        }
        Ok(())
    }

    /// A time to come, within a month, at which a session is over or forgotten, or a round, or that belongs to the history.
    fn some_horizon(&mut self) -> Result<Option<u64>, String> {
        let wholes = self.cluster.wholes(self.now_ms)?;
        let hot_ms = self.cluster.hot_ms;
        let Times { session_idle_ms, retention_ms } = self.rules.times;
        let horizons = wholes.values().flat_map(|whole| {
            let sessions = whole.image.sessions.iter().flat_map(|session| {
                let over_ms = session.used_ms + session_idle_ms;
                [over_ms, over_ms + SESSION_REMEMBERED_MS]
            });
            let rounds = whole.rounds.values().filter(|round| !round.is_open());
            let rounds = rounds.flat_map(|round| [round.last_ms + retention_ms, round.last_ms + hot_ms]);
            sessions.chain(rounds)
        });
        let soon = self.now_ms + 1..self.now_ms + MONTH_MS;
        let horizons: Vec<u64> = horizons.filter(|at_ms| soon.contains(at_ms)).collect();
        Ok((!horizons.is_empty()).then(|| horizons[self.chance.index(horizons.len())]))
    }

    /// Time passes.
    pub(super) fn wait(&mut self, ms: u64) -> Result<(), String> {
        let end_ms = self.now_ms + self.grained(ms);
        if self.full_ms.is_some_and(|since_ms| end_ms > since_ms + FULL_MS) {
            self.free()?;
        }
        if self.short_ms.is_some_and(|since_ms| end_ms > since_ms + SHORT_MS) {
            self.relieve();
        }
        for _ in 0..PARTS_OF_WAIT {
            self.now_ms = end_ms.min(self.now_ms + SWEEP_MS);
            if self.now_ms >= self.swept_ms + SWEEP_MS {
                self.sweep()?;
            }
            if self.now_ms >= self.synced_ms + SYNC_MS {
                self.sync()?;
            }
            if self.now_ms == end_ms {
                return Ok(());
            }
        }
        self.now_ms = end_ms;
        self.sweep()?;
        self.sync()
    }

    /// A time in the clock's steps, rounded by chance.
    pub(super) fn grained(&mut self, ms: u64) -> u64 {
        let up = self.chance.below(self.grain_ms) < ms % self.grain_ms;
        (ms / self.grain_ms + u64::from(up)) * self.grain_ms
    }
}
