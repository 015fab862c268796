//! A shard's mark while it is served: written by the thread that readies its first segment, by the housekeeper, and at
//! the end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::mark::{Start, slot_of};
use journal::{Mark, Origin, Point};
use storage::FileError;
use storage::directory::ShardDirectory;
use storage::mark::MarkFile;

/// A shard's mark. Its clones are the same.
#[derive(Clone, Debug)]
pub struct ShardMark(Arc<Mutex<MarkState>>);

/// A start of the server. Its clones are the same.
#[derive(Clone, Debug)]
pub struct Starting {
    number: u64,
    shards: usize,
    /// Shards that have begun to write.
    begun: Arc<AtomicUsize>,
}

impl Starting {
    /// The start of this number, of so many shards.
    pub fn new(number: u64, shards: usize) -> Self {
        Self { number, shards, begun: Arc::default() }
    }

    fn get(&self) -> Start {
        Start { number: self.number, together: self.begun.load(Ordering::Acquire) >= self.shards }
    }
}

#[derive(Debug)]
struct MarkState {
    file: MarkFile,
    starting: Starting,
    /// What the file says.
    said: Mark,
    count: u64,
    phase: MarkPhase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MarkPhase {
    /// Nothing was written since the start; the mark is as it was found.
    Found,
    /// The shard may write.
    Serving,
    /// It writes no more.
    Stopped,
}

impl ShardMark {
    /// The mark in `directory`, as it was found there.
    pub fn found(directory: &ShardDirectory, said: Mark, count: u64, starting: &Starting) -> Self {
        let (file, starting) = (MarkFile::of(directory), starting.clone());
        Self(Arc::new(Mutex::new(MarkState { file, starting, said, count, phase: MarkPhase::Found })))
    }

    /// Makes the mark of a shard that nothing is in after `last`, with the segment files up to `last_file`. The shards of a
    /// generation are made together.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn create(
        directory: &ShardDirectory,
        origin: Origin,
        last: Point,
        last_file: u32,
        starting: &Starting,
    ) -> Result<Self, FileError> {
        let start = Start { number: starting.number, together: true };
        let (mark, count) = (Mark { origin, last, segment: 0, stopped: Some(last_file), start }, 1);
        directory.create_mark(&mark.to_bytes(count))?;
        Ok(Self::found(directory, mark, count, starting))
    }

    /// The shard writes from now on, after this record in this segment. What was read is durable, and nothing is torn.
    ///
    /// # Errors
    /// Where the mark can't be written: the shard must not write.
    pub fn begin(&self, last: Point, segment: u32) -> Result<(), FileError> {
        let mut state = self.lock();
        // Both slots, so that none says any more that the journal ends here.
        state.write(last, segment, None)?;
        state.write(last, segment, None)?;
        if state.phase == MarkPhase::Found {
            state.phase = MarkPhase::Serving;
            state.starting.begun.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// This record is durable, in this segment.
    ///
    /// # Errors
    /// Where the mark can't be written; it stays behind then.
    pub fn note(&self, last: Point, segment: u32) -> Result<(), FileError> {
        let mut state = self.lock();
        let said = (state.said.last, state.said.segment, state.said.start);
        if state.phase != MarkPhase::Serving || said == (last, segment, state.starting.get()) {
            return Ok(());
        }
        state.write(last, segment, None)
    }

    /// The shard has stopped, after this record; the files of its segments are there up to `last_file`. Nothing where it
    /// has not begun to write: it is as it was then.
    ///
    /// # Errors
    /// Where the mark can't be written. What it said before is true, and says less.
    pub fn stop(&self, last: Point, segment: u32, last_file: u32) -> Result<(), FileError> {
        let mut state = self.lock();
        if state.phase != MarkPhase::Serving {
            return Ok(());
        }
        state.phase = MarkPhase::Stopped;
        // Both slots, so that the one that is left where the other is damaged says as much.
        state.write(last, segment, Some(last_file))?;
        state.write(last, segment, Some(last_file))
    }

    fn lock(&self) -> MutexGuard<'_, MarkState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MarkState {
    fn write(&mut self, last: Point, segment: u32, stopped: Option<u32>) -> Result<(), FileError> {
        let mark = Mark { last, segment, stopped, start: self.starting.get(), ..self.said };
        let count = self.count + 1;
        self.file.write(slot_of(count), &mark.to_block(count))?;
        (self.said, self.count) = (mark, count);
        Ok(())
    }
}
