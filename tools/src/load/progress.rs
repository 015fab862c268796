//! What is seen of a run while it lasts: a bar on a terminal, and elsewhere a line now and then.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::units;

/// Time between two looks at a run.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Lines are written for whoever reads a log: one in this many looks.
const LOOKS_PER_LINE: u64 = 5;

/// Where a run is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunState {
    /// Since the start of the run.
    pub(crate) elapsed_ns: u64,
    /// Virtual users that still play.
    pub(crate) playing: usize,
    /// Requests that have ended.
    pub(crate) requests: u64,
    /// Those of them that have failed.
    pub(crate) failed: u64,
}

/// Shows a run on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    /// `None` where standard error is no terminal.
    bar: Option<ProgressBar>,
    vus: usize,
    duration: Duration,
    looks: u64,
    /// The look that the rate is counted from.
    last: RunState,
}

impl Progress {
    /// Shows a run of this many virtual users and this length.
    pub(crate) fn start(vus: usize, duration: Duration) -> Self {
        let bar = io::stderr().is_terminal().then(|| bar(duration));
        Self { bar, vus, duration, looks: 0, last: RunState::default() }
    }

    /// Takes a look, once in [`INTERVAL`].
    pub(crate) fn show(&mut self, look: RunState) {
        self.looks += 1;
        if let Some(bar) = &self.bar {
            bar.set_position(look.elapsed_ns / 1_000_000);
            bar.set_message(self.text(&look));
        } else if self.looks.is_multiple_of(LOOKS_PER_LINE) {
            // Who reads this has nothing else to be told by.
            let _ = writeln!(io::stderr(), "{}", self.text(&look));
        } else {
            return;
        }
        self.last = look;
    }

    fn text(&self, look: &RunState) -> String {
        let since_ns = look.elapsed_ns.saturating_sub(self.last.elapsed_ns).max(1);
        let requests = u128::from(look.requests - self.last.requests);
        let rate = requests * 1_000_000_000 / u128::from(since_ns);
        format!(
            "running ({}/{}), {:03}/{:03} VUs, {rate} requests/s, {} failed",
            units::elapsed(look.elapsed_ns),
            units::length(self.duration),
            look.playing,
            self.vus,
            look.failed
        )
    }

    /// Takes the bar away, so that the summary stands alone.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(duration: Duration) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(duration.as_millis() as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("[{bar:30}] {msg}").expect("the layout is well formed");
    bar.set_style(style.progress_chars("=>-"));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(last: RunState, look: RunState, expect: &str) {
        let progress = Progress { bar: None, vus: 100, duration: Duration::from_secs(30), looks: 0, last };
        assert_eq!(progress.text(&look), expect);
    }

    #[test]
    fn texts() {
        let at = |elapsed_ns, requests| RunState { elapsed_ns, playing: 100, requests, failed: 3 };
        check(
            RunState::default(),
            at(2_000_000_000, 3_001),
            "running (0m02.0s/30s), 100/100 VUs, 1500 requests/s, 3 failed",
        );
        check(
            at(1_000_000_000, 500),
            at(1_500_000_000, 600),
            "running (0m01.5s/30s), 100/100 VUs, 200 requests/s, 3 failed",
        );
        check(
            at(1_000_000_000, 500),
            at(1_000_000_000, 500),
            "running (0m01.0s/30s), 100/100 VUs, 0 requests/s, 3 failed",
        );
        let last = RunState { playing: 7, ..at(31_000_000_000, 10) };
        check(at(30_000_000_000, 10), last, "running (0m31.0s/30s), 007/100 VUs, 0 requests/s, 3 failed");
    }

    #[test]
    fn the_bar_has_a_layout() {
        bar(Duration::from_secs(30)).finish_and_clear();
    }
}
