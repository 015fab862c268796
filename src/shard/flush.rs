//! The way of a shard's groups to the disk: one group at a time, written and synced by the ring of the shard's core.
//!
//! The driver hands a group over at the end of a turn, has its write carried out, and goes on with its requests; the
//! next group fills meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use clock::Clock;
use journal::{Group, Place, Point};
use storage::FileError;
use storage::segments::{Segments, Write};

/// A group that was handed over.
struct Given {
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
pub struct Progress(Mutex<Reached>);

impl Progress {
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
    progress: Arc<Progress>,
    given: Option<Given>,
    clock: Clock,
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").field("segments", &self.segments).finish_non_exhaustive()
    }
}

impl Flusher {
    /// A writer at the end of `segments`, which other threads see by `progress`.
    pub fn new(segments: Segments, progress: Arc<Progress>) -> Self {
        assert_eq!(progress.get().next, segments.place(), "it goes on where the journal ends");
        Self { segments, progress, given: None, clock: Clock::start() }
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
        let is_over = self.given.as_ref().is_none_or(|given| !given.writing);
        self.progress.set(|reached| reached.is_over = is_over);
    }
}
