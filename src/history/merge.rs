//! Several files as one: the newest version of each round, in order.

use std::borrow::BorrowMut;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::cursor::{Cursor, Room};
use super::file::{HistoryFile, ReadAt};
use super::format::Summary;
use super::row::{Placed, Row};
use super::writer::{WriteError, Writer};
use coverage::Branch;
use journal::reader::ReadError;
use journal::snapshot::Sink;

/// Why files could not be merged.
#[derive(Debug)]
pub enum MergeError<R, W> {
    /// One can't be read.
    Read(ReadError<R>),
    /// Theirs can't be written.
    Write(WriteError<W>),
}

/// The next row of a file.
struct Next {
    placed: Placed,
    /// Which file, in the order in which they were written.
    source: usize,
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.placed.cmp_row(&other.placed).then(self.source.cmp(&other.source))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next {}

/// The newest version of each round of several files, in order. One block of each file is in memory.
pub(super) struct Newest<'a, B, R> {
    cursors: Vec<Cursor<'a, B, R>>,
    next: BinaryHeap<Reverse<Next>>,
}

impl<'a, B: ReadAt, R: BorrowMut<Room>> Newest<'a, B, R> {
    /// Of files in the order in which they were written: of rows of a round with one version, the last file's holds.
    pub(super) fn of(cursors: Vec<Cursor<'a, B, R>>) -> Result<Self, ReadError<B::Error>> {
        let next = BinaryHeap::with_capacity(cursors.len());
        let mut newest = Self { cursors, next };
        for source in 0..newest.cursors.len() {
            newest.read(source)?;
        }
        Ok(newest)
    }

    fn read(&mut self, source: usize) -> Result<(), ReadError<B::Error>> {
        if let Some(placed) = self.cursors[source].next()? {
            self.next.push(Reverse(Next { placed, source }));
        }
        Ok(())
    }

    /// The next round; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Placed>, ReadError<B::Error>> {
        let Some(Reverse(Next { placed, source })) = self.next.pop() else { return Ok(None) };
        self.read(source)?;
        let mut newest = placed;
        while let Some(Reverse(next)) = self.next.peek()
            && next.placed.cmp_round(&newest).is_eq()
        {
            coverage::hit(Branch::NewestVersionTaken);
            let source = next.source;
            // It is not less, so it holds.
            if let Some(Reverse(next)) = self.next.pop() {
                newest = next.placed;
            }
            self.read(source)?;
        }
        Ok(Some(newest))
    }

    /// Blocks that were read.
    fn blocks(&self) -> u64 {
        self.cursors.iter().map(|cursor| cursor.blocks).sum()
    }
}

/// Writes the newest version of each round of `files`, which are in the order in which they were written, where it is to be
/// kept. Of a file that was opened for some slots those are read alone. Its times are clamped as they are read, so the file
/// that is written has no need of that. `rest` is called after each block: whoever merges gives way there.
///
/// # Errors
/// Where a file is damaged or can't be read, or the writer's sink takes no more.
pub fn merge<B: ReadAt, W: Sink>(
    files: &[&HistoryFile<B>],
    mut writer: Writer<W>,
    mut keep: impl FnMut(&Row) -> bool,
    mut rest: impl FnMut(),
) -> Result<(Summary, W), MergeError<B::Error, W::Error>> {
    let cursors = files.iter().map(|file| Cursor::of_slots(file, Room::default())).collect();
    let mut newest = Newest::of(cursors).map_err(MergeError::Read)?;
    let mut blocks = 0;
    while let Some(placed) = newest.next().map_err(MergeError::Read)? {
        if keep(&placed.row) {
            writer.push_placed(placed).map_err(MergeError::Write)?;
        }
        while blocks < newest.blocks() {
            blocks += 1;
            rest();
        }
    }
    writer.finish().map_err(MergeError::Write)
}
