//! The way of a shard's groups to the disk: one group at a time, written and synced by the ring of the shard's core.
//!
//! The driver hands a group over at the end of a turn, has its write carried out, and goes on with its requests; the
//! next group fills meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::clock::Clock;
use crate::journal::Group;
use crate::storage::FileError;
use crate::storage::segments::{Segments, Write};

/// A group that was handed over.
struct Given {
    group: Group,
    since_us: u64,
    /// Its write is under way; else it waits for the next segment.
    writing: bool,
}

/// The writer of a shard's journal. Lives on the shard's core.
pub struct Flusher {
    segments: Segments,
    /// The number of the segment that is written, for other threads; those before it take no further group.
    current: Arc<AtomicU32>,
    given: Option<Given>,
    clock: Clock,
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").field("segments", &self.segments).finish_non_exhaustive()
    }
}

impl Flusher {
    /// A writer at the end of `segments`. `current` is told the number of the segment that is written.
    pub fn new(segments: Segments, current: Arc<AtomicU32>) -> Self {
        current.store(segments.place().segment, Ordering::Release);
        Self { segments, current, given: None, clock: Clock::start() }
    }

    /// Whether no group is on its way.
    pub const fn is_idle(&self) -> bool {
        self.given.is_none()
    }

    /// Takes a group, to be written.
    ///
    /// # Panics
    /// Where one is on its way.
    pub fn hand_over(&mut self, group: Group) {
        assert!(self.is_idle(), "one group is under way at a time");
        self.given = Some(Given { group, since_us: self.clock.mono_us(), writing: false });
    }

    /// The write that is to be begun now, with its group; `None` where there is none, one is under way, or the
    /// next segment is not ready.
    ///
    /// # Errors
    /// Where the next segment can't be opened.
    pub fn next_write(&mut self) -> Result<Option<(Write<'_>, &Group)>, FileError> {
        let Some(given) = self.given.as_mut().filter(|given| !given.writing) else { return Ok(None) };
        let Some(write) = self.segments.write(&given.group)? else { return Ok(None) };
        given.writing = true;
        Ok(Some((write, &given.group)))
    }

    /// The write that was begun is durable: returns its group, and how long that took, in microseconds.
    ///
    /// # Panics
    /// Where none was begun.
    pub fn finish(&mut self) -> (Group, u64) {
        let given = self.given.take().filter(|given| given.writing);
        let Given { group, since_us, .. } = given.expect("its write was begun");
        self.segments.written(&group);
        self.current.store(self.segments.place().segment, Ordering::Release);
        (group, self.clock.mono_us().saturating_sub(since_us))
    }

    /// What is said of a write or a sync that failed.
    pub fn failed(&self, error: std::io::Error) -> FileError {
        FileError { action: "write", path: self.segments.path(), error }
    }
}
