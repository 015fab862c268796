//! Has the wallet's time follow the system clock, and tells where it does not. One thread, beside the shards.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::clock::follow::{Follower, Look};
use crate::limits;
use crate::metrics::Registry;
use crate::net::readiness::Readiness;

/// Keeps the time of a server.
pub(super) struct Timekeeper {
    follower: Follower,
    registry: Arc<Registry>,
    readiness: Arc<Readiness>,
}

impl Timekeeper {
    /// Looks once, before anything is served, and from then on once a second for as long as the process lives.
    #[expect(clippy::disallowed_methods, reason = "the server alone starts threads")]
    pub(super) fn start(clock: Clock, registry: Arc<Registry>, readiness: Arc<Readiness>) {
        let mut keeper = Self { follower: Follower::new(clock), registry, readiness };
        keeper.look();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(limits::SWEEP_INTERVAL_MS));
                keeper.look();
            }
        });
    }

    fn look(&mut self) {
        let Look { offset_ns, is_apart, is_news } = self.follower.look();
        self.registry.set_clock_offset(offset_ns);
        self.readiness.set_apart(is_apart);
        if is_news {
            // A closed standard error is no reason to stop serving.
            let _ = writeln!(io::stderr(), "purser: {}", news(offset_ns, is_apart));
        }
    }
}

fn news(offset_ns: i64, is_apart: bool) -> String {
    let seconds = offset_ns.unsigned_abs() as f64 / 1e9;
    let (side, flag) = if offset_ns < 0 { ("behind", " with --rebase-clock") } else { ("ahead of", "") };
    if is_apart {
        // A start goes on from the journal's time, and refuses a clock that is behind it.
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
            let news = news(offset_ns, is_apart);
            assert!(news.contains(expect), "{news}");
        }
        check(-3_600_000_000_000, true, "3600.0 s behind the wallet's time, and is not followed");
        check(691_200_000_000_000, true, "691200.0 s ahead of the wallet's time, and is not followed");
        check(691_200_000_000_000, true, "where it is right, restart the server");
        check(i64::MIN, true, "behind");
        check(-3_600_000_000_000, true, "where it is right, restart the server with --rebase-clock");
        check(1_200_000_000, false, "1.2 s ahead of the wallet's time, and is followed again");
        check(0, false, "0.0 s ahead of");
    }
}
