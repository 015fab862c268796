//! What is checked and kept up beside the shards, once a second: the directory and what is served from it, the room on its disk,
//! and the marks. The snapshots, which may take longer, have threads of their own.

mod expiry;
mod folding;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::say::say;
use super::{EXIT_IO, Error, background};
use crate::config::Storing;
use crate::data::{Archiver, ShardFiles, ShardHistory, ShardMark, ShardStart};
use crate::net::readiness::{ReadOnly, Readiness};
use clock::Clock;
use folding::FoldingPolicy;
use metrics::Registry;
use shard::flush::JournalProgress;
use storage::FileError;
use storage::directory::DataDirectory;
use storage::hold::{Hold, Watched};
use storage::segments::Trouble;

/// A shard as it is seen from beside its core.
#[derive(Clone)]
pub(super) struct ShardHandle {
    files: ShardFiles,
    mark: ShardMark,
    history: Arc<ShardHistory>,
    pub(super) progress: Arc<JournalProgress>,
}

impl ShardHandle {
    pub(super) fn of(start: &ShardStart) -> Self {
        let progress = Arc::new(JournalProgress::new(start.last, start.end.next));
        let history = Arc::clone(&start.history);
        Self { files: start.files.clone(), mark: start.mark.clone(), history, progress }
    }

    /// Whether the segment that is written is still at its path. `known` is the one of the last check.
    fn has_its_segment(&self, known: &mut Option<WatchedSegment>) -> Result<bool, FileError> {
        let next = self.progress.get().next;
        if next.offset == 0 {
            // Nothing is in it, and it may be made anew.
            *known = None;
            return Ok(true);
        }
        let is_there = match known {
            Some((number, segment)) if *number == next.segment => segment.is_in_place()?,
            known => match Watched::open(self.files.directory.segment(next.segment)) {
                Ok(segment) => {
                    *known = Some((next.segment, segment));
                    true
                }
                Err(error) if error.error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            },
        };
        // Once the next one is written a fold may remove it.
        Ok(is_there || self.progress.get().next.segment != next.segment)
    }

    /// Marks where the journal has come to.
    fn note(&self) -> Result<(), FileError> {
        let reached = self.progress.get();
        self.mark.note(reached.last, reached.segment())
    }

    /// Marks that nothing follows; the shard has ended, and so has the thread that makes its segments.
    pub(super) fn stop(&self) -> Result<(), FileError> {
        let reached = self.progress.get();
        if !reached.is_over {
            return Ok(());
        }
        let last_file = self.files.directory.segments()?.last().copied().unwrap_or(0);
        self.mark.stop(reached.last, reached.segment(), last_file)
    }
}

/// The housekeeper of a server. It holds the data directory for as long as the process lives.
pub(super) struct Housekeeper {
    directory: DataDirectory,
    reserve_bytes: u64,
    readiness: Arc<Readiness>,
    shards: Vec<ShardHandle>,
    folding: FoldingPolicy,
    troubles: Vec<Trouble>,
    /// What keeps a mark from being written.
    mark_trouble: Option<String>,
    /// What was last said of the disk.
    said: Option<String>,
    /// What was last said of the hold on the directory.
    said_of_hold: Option<String>,
    /// The segments that the shards write, in the order of the shards.
    segments: Vec<Option<WatchedSegment>>,
}

/// A segment that a shard writes: its number, and its file.
type WatchedSegment = (u32, Watched);

impl Housekeeper {
    /// Segments of a shard are folded once there are `storing.snapshot_segments` so many before the one that is written, and go
    /// to the archive then.
    pub(super) fn new(
        directory: DataDirectory,
        shards: Vec<ShardHandle>,
        storing: &Storing,
        archiver: Option<Archiver>,
        (readiness, registry, clock): (Arc<Readiness>, Arc<Registry>, Clock),
    ) -> Self {
        let reserve_mib = storing.reserve_mib;
        let reserve_bytes = reserve_mib.saturating_mul(1024 * 1024);
        Self {
            directory,
            reserve_bytes,
            readiness: Arc::clone(&readiness),
            shards,
            folding: FoldingPolicy {
                at_least: storing.snapshot_segments,
                reserve_bytes,
                archiver: archiver.map(|archiver| archiver.with_reserve(reserve_bytes)),
                registry,
                clock,
                readiness,
            },
            troubles: Vec::new(),
            mark_trouble: None,
            said: None,
            said_of_hold: None,
            segments: Vec::new(),
        }
    }

    /// Looks at what keeps shards from making their next segments ready, too.
    pub(super) fn watch(&mut self, troubles: Vec<Trouble>) {
        self.troubles = troubles;
    }

    /// Lets nothing be changed where the disk is nearly full or takes no writes, or lets it be changed again.
    pub(super) fn check_disk(&mut self) {
        let trouble = self.trouble();
        self.readiness.set_read_only(trouble.as_ref().map(|(why, _)| *why));
        let trouble = trouble.map(|(_, trouble)| trouble);
        if self.said == trouble {
            return;
        }
        say(&match &trouble {
            Some(trouble) => format!("{trouble}: nothing is changed any more, and balances are told"),
            None => "the disk has room again: changes are let in".to_owned(),
        });
        self.said = trouble;
    }

    fn trouble(&self) -> Option<(ReadOnly, String)> {
        let path = self.directory.path().display();
        // Where the room can't be told, a write that fails will tell it.
        if let Ok(space) = self.directory.space() {
            if space.is_read_only {
                return Some((ReadOnly::FileSystem, format!("the file system of {path} is read-only")));
            }
            if space.free_bytes < self.reserve_bytes {
                let mib = self.reserve_bytes >> 20;
                return Some((
                    ReadOnly::NearlyFull,
                    format!("less than {mib} MiB are free on the disk of {path}"),
                ));
            }
        }
        let trouble = self.troubles.iter().find_map(Trouble::get).or_else(|| self.mark_trouble.clone());
        trouble.map(|trouble| (ReadOnly::Files, trouble))
    }

    /// Another server may start where the directory or its lock is not ours any more.
    fn check_directory(&mut self) {
        let path = self.directory.path().display().to_string();
        let said = match self.directory.check_hold() {
            Ok(Hold::Held) => None,
            Ok(Hold::PutBack) => {
                say(&format!("the lock file of {path} was gone, or another one, and was put back"));
                None
            }
            Ok(Hold::Lost(lost)) => end_without(&lost),
            Ok(Hold::Taken) => end(&format!("another process holds the lock file of {path}")),
            Err(error) => Some(error.to_string()),
        };
        if let Some(sentence) = said.as_ref().filter(|_| said != self.said_of_hold) {
            say(&format!("the data directory can't be checked: {sentence}"));
        }
        self.said_of_hold = said;
    }

    /// What is written to a segment that is not at its path any more is lost to the next start.
    fn check_segments(&mut self) {
        self.segments.resize_with(self.shards.len(), || None);
        for (shard, segment) in self.shards.iter().zip(&mut self.segments) {
            // What can't be told now is checked again in a second.
            if let Ok(false) = shard.has_its_segment(segment) {
                end_without(&shard.files.directory.segment(shard.progress.get().next.segment));
            }
        }
    }

    fn write_marks(&mut self) {
        let failed = first_failure(self.shards.iter().map(ShardHandle::note));
        self.mark_trouble = failed.map(|error| error.to_string());
    }

    /// Goes on for as long as the process lives.
    ///
    /// # Errors
    /// Where the system has no thread for it.
    pub(super) fn start(mut self) -> Result<(), Error> {
        folding::start(&self.shards, &self.folding)?;
        if let Some(archiver) = self.folding.archiver.clone() {
            expiry::start(archiver, Arc::clone(&self.folding.registry), self.folding.clock.clone())?;
        }
        background::start("housekeeper", move || {
            loop {
                rest();
                self.check_directory();
                self.check_segments();
                self.write_marks();
                self.check_disk();
            }
        })
    }
}

/// Sees all of them done, and returns the first error: where one shard's mark can't be written, those of the others
/// follow their journals all the same.
fn first_failure<E>(done: impl Iterator<Item = Result<(), E>>) -> Option<E> {
    done.filter_map(Result::err).reduce(|first, _| first)
}

fn rest() {
    std::thread::sleep(Duration::from_millis(limits::SWEEP_INTERVAL_MS));
}

/// A server must not go on without what its next start asks for.
fn end_without(lost: &Path) -> ! {
    end(&format!(
        "{} is not any more what this server serves from: it was moved, removed or replaced",
        lost.display()
    ))
}

fn end(sentence: &str) -> ! {
    say(sentence);
    std::process::exit(i32::from(EXIT_IO));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_one_is_done_for_the_others() {
        #[track_caller]
        fn check(outcomes: &[Result<(), &str>], expect: Option<&str>) {
            let mut done = 0;
            let failed = first_failure(outcomes.iter().map(|outcome| {
                done += 1;
                *outcome
            }));
            assert_eq!((failed, done), (expect, outcomes.len()));
        }
        check(&[], None);
        check(&[Ok(()), Ok(())], None);
        check(&[Err("first"), Ok(()), Ok(())], Some("first"));
        check(&[Ok(()), Err("second"), Ok(()), Err("fourth"), Ok(())], Some("second"));
    }
}
