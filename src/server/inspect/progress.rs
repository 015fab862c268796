//! How far the reading of a large directory is, on standard error.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use clock::Clock;

/// Bytes that were read, of all that there are. It is shown where standard error is a terminal, once reading has taken
/// [`limits::PROGRESS_AFTER_MS`], and is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    clock: Clock,
    bytes: u64,
    /// Nothing else is written to the terminal meanwhile.
    is_alone: bool,
    read: AtomicU64,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// Nothing was read yet of `bytes`.
    pub(crate) fn of(bytes: u64, is_alone: bool) -> Self {
        Self { clock: Clock::start(), bytes, is_alone, read: AtomicU64::new(0), bar: OnceLock::new() }
    }

    /// So many more bytes were read.
    pub(crate) fn add(&self, bytes: u64) {
        let read = self.read.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.is_alone && self.clock.mono_us() / 1_000 >= limits::PROGRESS_AFTER_MS {
            self.bar.get_or_init(|| bar(self.bytes)).set_position(read);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

fn bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left");
    // It hides itself where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    bar.with_style(style.expect("the template names what there is"))
}
