//! What is looked after beside the shards: the room on the disk, and the snapshots. One thread, which gives way to them.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::thread::gettid;

use crate::data::{self, ShardFiles};
use crate::limits;
use crate::net::readiness::Readiness;
use crate::storage::directory::DataDirectory;
use crate::storage::segments::Trouble;

/// The housekeeper of a server. It holds the data directory for as long as the process lives.
pub(super) struct Housekeeper {
    directory: DataDirectory,
    reserve_bytes: u64,
    readiness: Arc<Readiness>,
    shards: Vec<Folding>,
    troubles: Vec<Trouble>,
    /// What was last said of the disk.
    said: Option<String>,
}

/// A shard whose segments are folded.
struct Folding {
    files: ShardFiles,
    /// The segment that is written.
    current: Arc<AtomicU32>,
    at_least: u32,
    /// It could not be folded, and was complained of.
    failed: bool,
}

impl Housekeeper {
    pub(super) fn new(directory: DataDirectory, reserve_mib: u64, readiness: Arc<Readiness>) -> Self {
        let reserve_bytes = reserve_mib.saturating_mul(1024 * 1024);
        Self { directory, reserve_bytes, readiness, shards: Vec::new(), troubles: Vec::new(), said: None }
    }

    /// Folds a shard's segments once there are `at_least` so many before the `current` one.
    pub(super) fn add(&mut self, files: ShardFiles, current: Arc<AtomicU32>, at_least: u32) {
        self.shards.push(Folding { files, current, at_least, failed: false });
    }

    /// Looks at what keeps shards from making their next segments ready, too.
    pub(super) fn watch(&mut self, troubles: Vec<Trouble>) {
        self.troubles = troubles;
    }

    /// Lets nothing be changed where the disk is nearly full, or lets it be changed again.
    pub(super) fn look_at_the_disk(&mut self) {
        let trouble = self.trouble();
        self.readiness.set_read_only(trouble.is_some());
        if self.said == trouble {
            return;
        }
        let sentence = match &trouble {
            Some(trouble) => format!("{trouble}: nothing is changed any more, and balances are told"),
            None => "the disk has room again: changes are let in".to_owned(),
        };
        let _ = writeln!(io::stderr(), "purser: {sentence}");
        self.said = trouble;
    }

    fn trouble(&self) -> Option<String> {
        // Where the room can't be told, a write that fails will tell it.
        if self.directory.free_bytes().is_ok_and(|free| free < self.reserve_bytes) {
            let (mib, path) = (self.reserve_bytes >> 20, self.directory.path().display());
            return Some(format!("less than {mib} MiB are free on the disk of {path}"));
        }
        self.troubles.iter().find_map(Trouble::get)
    }

    /// Goes on for as long as the process lives.
    #[expect(clippy::disallowed_methods, reason = "the server alone starts threads")]
    pub(super) fn start(mut self) {
        std::thread::spawn(move || {
            // Nice values are each thread's own. That it can't be set only costs the shards some time.
            let _ = setpriority_process(Some(gettid()), limits::HOUSEKEEPER_NICE);
            loop {
                std::thread::sleep(Duration::from_millis(limits::SWEEP_INTERVAL_MS));
                self.look_at_the_disk();
                self.shards.iter_mut().for_each(Folding::fold);
            }
        });
    }
}

impl Folding {
    fn fold(&mut self) {
        let folded = data::fold(&self.files, self.current.load(Ordering::Acquire), self.at_least);
        if let Err(error) = &folded
            && !self.failed
        {
            // The journal has everything; it only grows.
            let _ = writeln!(io::stderr(), "purser: no snapshot could be made: {error}");
        }
        self.failed = folded.is_err();
    }
}
