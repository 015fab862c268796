//! The way of a shard's groups to the disk: one group at a time, written and synced by the ring of the shard's core.
//!
//! The driver hands a group over at the end of a turn, has its write carried out, and goes on with its requests; the
//! next group fills meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use clock::Clock;
use journal::{Group, Place, Point};
use storage::FileError;
use storage::segments::{SegmentWrite, Segments};

/// A group that was handed over.
struct InFlightGroup {
    group: Group,
    since_us: u64,
    /// Its write is under way; else it waits for the next segment.
    writing: bool,
}

/// How far a shard's journal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The last record that is durable.
    pub last: Point,
    /// Where the next group goes. The segments before its own take no further group.
    pub next: Place,
    /// The shard has ended, and no write was under way: nothing follows.
    pub is_over: bool,
}

impl Reached {
    /// The segment that the last durable record is in, unless a fold has removed it; 0 before the first.
    pub const fn segment(&self) -> u32 {
        if self.next.offset == 0 { self.next.segment - 1 } else { self.next.segment }
    }
}

/// What other threads see of a shard's journal. Its core writes it once per group.
#[derive(Debug)]
pub struct JournalProgress(Mutex<Reached>);

impl JournalProgress {
    /// A journal that goes on after `last` at `next`.
    pub const fn new(last: Point, next: Place) -> Self {
        Self(Mutex::new(Reached { last, next, is_over: false }))
    }

    /// How far it has come.
    pub fn get(&self) -> Reached {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Reached)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The writer of a shard's journal. Lives on the shard's core.
pub struct Flusher {
    segments: Segments,
    progress: Arc<JournalProgress>,
    in_flight: Option<InFlightGroup>,
    clock: Clock,
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").field("segments", &self.segments).finish_non_exhaustive()
    }
}

impl Flusher {
    /// A writer at the end of `segments`, which other threads see by `progress`.
    pub fn new(segments: Segments, progress: Arc<JournalProgress>) -> Self {
        assert_eq!(progress.get().next, segments.place(), "it goes on where the journal ends");
        Self { segments, progress, in_flight: None, clock: Clock::start() }
    }

    /// Whether no group is on its way.
    pub const fn is_idle(&self) -> bool {
        self.in_flight.is_none()
    }

    /// Takes a group, to be written.
    ///
    /// # Panics
    /// Where one is on its way.
    pub fn hand_over(&mut self, group: Group) {
        assert!(self.is_idle(), "one group is under way at a time");
        self.in_flight = Some(InFlightGroup { group, since_us: self.clock.mono_us(), writing: false });
    }

    /// The write that is to be begun now, with its group; `None` where there is none, one is under way, or the
    /// next segment is not ready.
    ///
    /// # Errors
    /// Where the next segment can't be opened.
    pub fn next_write(&mut self) -> Result<Option<(SegmentWrite<'_>, &Group)>, FileError> {
        let Some(in_flight) = self.in_flight.as_mut().filter(|in_flight| !in_flight.writing) else {
            return Ok(None);
        };
        let Some(write) = self.segments.write(&in_flight.group)? else { return Ok(None) };
        in_flight.writing = true;
        Ok(Some((write, &in_flight.group)))
    }

    /// The write that was begun is durable: returns its group, and how long that took, in microseconds.
    ///
    /// # Panics
    /// Where none was begun.
    pub fn finish(&mut self) -> (Group, u64) {
        let in_flight = self.in_flight.take().filter(|in_flight| in_flight.writing);
        let InFlightGroup { group, since_us, .. } = in_flight.expect("its write was begun");
        self.segments.written(&group);
        self.progress.set(|reached| {
            reached.last = group.end();
            reached.next = self.segments.place();
        });
        (group, self.clock.mono_us().saturating_sub(since_us))
    }

    /// What is said of a write or a sync that failed.
    pub fn failed(&self, error: std::io::Error) -> FileError {
        FileError { action: "write", path: self.segments.path(), error }
    }
}

/// A write that is under way when the shard ends may come to the disk in part.
impl Drop for Flusher {
    fn drop(&mut self) {
        let is_over = self.in_flight.as_ref().is_none_or(|in_flight| !in_flight.writing);
        self.progress.set(|reached| reached.is_over = is_over);
    }
}
