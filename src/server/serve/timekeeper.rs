//! Has the wallet's time follow the system clock, and tells where it does not. One thread, beside the shards.

use std::sync::Arc;
use std::time::Duration;

use super::say::say;
use super::{Error, background};
use crate::net::readiness::Readiness;
use clock::Clock;
use clock::follow::{Adjustment, Follower};
use clock::start::ahead_ms_max;
use metrics::Registry;

const NS_PER_MS: u64 = 1_000_000;

/// Keeps the time of a server.
pub(super) struct Timekeeper {
    follower: Follower,
    registry: Arc<Registry>,
    readiness: Arc<Readiness>,
    /// How far ahead of the journal a start accepts the system clock, milliseconds.
    ahead_ms_max: u64,
}

impl Timekeeper {
    /// Looks once, before anything is served, and from then on once a second for as long as the process lives.
    ///
    /// # Errors
    /// Where the system has no thread for it.
    pub(super) fn start(
        clock: Clock,
        registry: Arc<Registry>,
        readiness: Arc<Readiness>,
        retention_ms: u64,
    ) -> Result<(), Error> {
        let ahead_ms_max = ahead_ms_max(retention_ms);
        let mut keeper = Self { follower: Follower::new(clock), registry, readiness, ahead_ms_max };
        keeper.adjust();
        background::start("timekeeper", move || {
            loop {
                std::thread::sleep(Duration::from_millis(limits::SWEEP_INTERVAL_MS));
                keeper.adjust();
            }
        })
    }

    fn adjust(&mut self) {
        let Adjustment { offset_ns, is_apart, is_news } = self.follower.adjust();
        self.registry.set_clock_offset(offset_ns);
        self.readiness.set_apart(is_apart);
        if is_news {
            say(&news(offset_ns, is_apart, self.ahead_ms_max));
        }
    }
}

fn news(offset_ns: i64, is_apart: bool, ahead_ms_max: u64) -> String {
    let seconds = offset_ns.unsigned_abs() as f64 / 1e9;
    let side = if offset_ns < 0 { "behind" } else { "ahead of" };
    if is_apart {
        // A start goes on from the journal's time, and refuses a clock that is behind it or far ahead of it.
        let flag = match offset_ns {
            ..0 => " with --rebase-clock",
            _ if offset_ns.unsigned_abs() > ahead_ms_max.saturating_mul(NS_PER_MS) => " with --after-pause",
            _ => "",
        };
        format!(
            "the system clock is {seconds:.1} s {side} the wallet's time, and is not followed: set it right; or, where it \
             is right, restart the server{flag}"
        )
    } else {
        format!("the system clock is {seconds:.1} s {side} the wallet's time, and is followed again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_name_the_side() {
        #[track_caller]
        fn check(offset_ns: i64, is_apart: bool, expect: &str) {
            let news = news(offset_ns, is_apart, 7 * 86_400_000);
            // What it ends with, or has in it.
            let fits = expect.strip_suffix('$').map_or(news.contains(expect), |end| news.ends_with(end));
            assert!(fits, "{news}");
        }
        check(-3_600_000_000_000, true, "3600.0 s behind the wallet's time, and is not followed");
        check(691_200_000_000_000, true, "691200.0 s ahead of the wallet's time, and is not followed");
        // A start refuses what is further ahead of the journal.
        let most_ns = 7 * 86_400_000_000_000;
        check(3_600_000_000_000, true, "where it is right, restart the server$");
        check(most_ns, true, "where it is right, restart the server$");
        check(most_ns + 1, true, "where it is right, restart the server with --after-pause$");
        check(i64::MAX, true, "--after-pause$");
        check(i64::MIN, true, "behind");
        check(-3_600_000_000_000, true, "where it is right, restart the server with --rebase-clock$");
        check(1_200_000_000, false, "1.2 s ahead of the wallet's time, and is followed again");
        check(0, false, "0.0 s ahead of");
    }
}
