//! The budget of memory: one thread looks at what the process uses, for all shards. Near the budget nothing more is begun.

use std::sync::Arc;
use std::time::Duration;

use super::say::say;
use super::{Error, background};
use crate::config::MIB;
use crate::net::readiness::Readiness;
use metrics::Registry;
use ring::memory;

/// The levels of a budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    budget: u64,
    /// From here on nothing more is begun, bytes.
    full: u64,
    /// Below this it is again, bytes.
    again: u64,
}

impl Levels {
    pub(super) const fn of(budget: u64, shards: usize) -> Self {
        let [full, again] =
            [limits::memory_full_bytes(budget, shards), limits::memory_again_bytes(budget, shards)];
        Self { budget, full, again }
    }

    /// Whether memory is short where so many bytes are used; `was` is what it was before.
    const fn is_short(self, used: u64, was: bool) -> bool {
        used >= if was { self.again } else { self.full }
    }

    /// Whether so many bytes are as many as keep the server from beginning something again.
    pub(super) const fn is_near(self, used: u64) -> bool {
        used >= self.again
    }

    /// What the allocator may keep beyond what it has kept all the time, where so many bytes are used.
    pub(super) fn surplus(self, used: u64) -> u64 {
        let near = self.budget / limits::MEMORY_SURPLUS_PART;
        if self.is_near(used) { near.min(limits::HEAP_SURPLUS_BYTES) } else { limits::HEAP_SURPLUS_BYTES }
    }

    fn news(self, used: u64, is_short: bool) -> String {
        let [used, budget, full, again] = [used, self.budget, self.full, self.again].map(|bytes| bytes / MIB);
        if is_short {
            format!(
                "memory is short: {used} MiB are used of a budget of {budget} (budget_mib), of which those past {full} are kept \
                 for what was begun: open rounds are settled, and nothing new is begun until less than {again} are used"
            )
        } else {
            format!("memory is free again: {used} MiB are used of a budget of {budget}, and all is let in")
        }
    }
}

/// Keeps a server within its budget.
pub(super) struct Budget {
    levels: Levels,
    is_short: bool,
    readiness: Arc<Readiness>,
    registry: Arc<Registry>,
}

impl Budget {
    /// Looks once, before anything is served, and from then on for as long as the process lives. Does nothing where the system
    /// does not say what the process uses.
    ///
    /// # Errors
    /// Where the system has no thread for it.
    pub(super) fn watch(
        levels: Levels,
        readiness: Arc<Readiness>,
        registry: Arc<Registry>,
    ) -> Result<(), Error> {
        let mut budget = Self { levels, is_short: false, readiness, registry };
        budget.look();
        background::start("memory", move || {
            loop {
                std::thread::sleep(Duration::from_millis(limits::MEMORY_LOOK_MS));
                budget.look();
            }
        })
    }

    fn look(&mut self) {
        let Some(used) = memory::anonymous() else { return };
        self.registry.set_memory(self.levels.budget, used);
        // What folds take comes out of the reserve that was kept for them.
        let folds = self.registry.folds().saturating_mul(limits::MEMORY_RESERVE_FOLD_BYTES);
        let is_short = self.levels.is_short(used.saturating_sub(folds), self.is_short);
        self.readiness.set_short_of_memory(is_short);
        if is_short != std::mem::replace(&mut self.is_short, is_short) {
            say(&self.levels.news(used, is_short));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_stays_so_until_enough_is_free() {
        let levels = Levels::of(320 * MIB, 1);
        let mut is_short = false;
        for (used_mib, expect, is_near) in [
            (0, false, false),
            (229, false, false),
            (230, false, true),
            (239, false, true),
            (240, true, true),
            (239, true, true),
            (230, true, true),
            (229, false, false),
            (239, false, true),
            (400, true, true),
            (0, false, false),
        ] {
            is_short = levels.is_short(used_mib * MIB, is_short);
            assert_eq!((is_short, levels.is_near(used_mib * MIB)), (expect, is_near), "{used_mib}");
        }
    }

    #[test]
    fn news_name_the_budget() {
        let levels = Levels::of(320 * MIB, 1);
        let short = levels.news(241 * MIB, true);
        assert!(
            short.starts_with(
                "memory is short: 241 MiB are used of a budget of 320 (budget_mib), of which those past 240"
            ),
            "{short}"
        );
        assert_eq!(
            levels.news(7 * MIB, false),
            "memory is free again: 7 MiB are used of a budget of 320, and all is let in"
        );
    }
}
