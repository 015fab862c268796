//! The threads that fold sealed segments into snapshots. They give way to the shards, but not so far that what waits to be folded
//! grows for as long as the shards are busy: a start would have to replay all of it. Each has a few shards, one after the other,
//! so that few folds need memory and room on the disk at a time.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::nice;

use super::{ShardHandle, rest};
use crate::data::{self, Archived, Archiver, FoldBacklog};
use crate::net::readiness::Readiness;
use crate::serve::say::say;
use crate::serve::{Error, background};
use clock::Clock;
use metrics::Registry;

/// What all shards are folded by.
#[derive(Clone)]
pub(super) struct FoldingPolicy {
    /// The segments of a shard are folded once so many wait.
    pub(super) at_least: u32,
    /// Only where more is free on the disk.
    pub(super) reserve_bytes: u64,
    /// Where they go then; `None` where they are removed.
    pub(super) archiver: Option<Archiver>,
    /// Where it is counted what goes there.
    pub(super) registry: Arc<Registry>,
    pub(super) clock: Clock,
    pub(super) readiness: Arc<Readiness>,
}

/// Starts them; they go on for as long as the process lives.
///
/// # Errors
/// Where the system has no thread for it.
pub(super) fn start(shards: &[ShardHandle], policy: &FoldingPolicy) -> Result<(), Error> {
    for (group, shards) in shards.chunks(limits::SHARDS_PER_FOLDING_THREAD).enumerate() {
        let first = group * limits::SHARDS_PER_FOLDING_THREAD;
        let shards = shards.iter().enumerate().map(|(at, shard)| Folding {
            id: first + at,
            shard: shard.clone(),
            policy: policy.clone(),
            folding: Retry::new("no snapshot could be made"),
            archiving: Retry::new("what was folded can't be archived, and stays until it can"),
            is_archive_known: false,
            waiting_since_us: None,
        });
        let mut shards: Vec<Folding> = shards.collect();
        background::start("folding", move || {
            loop {
                rest();
                shards.iter_mut().for_each(Folding::work);
            }
        })?;
    }
    Ok(())
}

/// Something that is tried again after it has failed, with rests that grow.
struct Retry {
    /// What it is that fails.
    what: &'static str,
    /// What keeps it from being done, which was complained of.
    failed: Option<String>,
    /// How long the next try after a failure is put off.
    rest_ms: u64,
    /// How long it is still put off.
    left_ms: u64,
}

impl Retry {
    const fn new(what: &'static str) -> Self {
        Self { what, failed: None, rest_ms: limits::FOLD_RETRY_MS, left_ms: 0 }
    }

    /// Whether it is to be tried, once in [`limits::SWEEP_INTERVAL_MS`].
    const fn is_due(&mut self) -> bool {
        self.left_ms = self.left_ms.saturating_sub(limits::SWEEP_INTERVAL_MS);
        self.left_ms == 0
    }

    /// It was tried.
    fn note(&mut self, tried: Result<(), String>) {
        let Err(error) = tried else {
            (self.failed, self.rest_ms) = (None, limits::FOLD_RETRY_MS);
            return;
        };
        self.left_ms = self.rest_ms;
        self.rest_ms = (self.rest_ms * 2).min(limits::FOLD_RETRY_MS_MAX);
        if self.failed.as_ref() != Some(&error) {
            // The journal has everything; it only grows.
            say(&format!("{}: {error}", self.what));
        }
        self.failed = Some(error);
    }
}

/// A shard whose segments are folded, and archived then.
struct Folding {
    id: usize,
    shard: ShardHandle,
    policy: FoldingPolicy,
    folding: Retry,
    archiving: Retry,
    /// The archive can be used, as it was found at the last look.
    is_archive_known: bool,
    /// Since when something that was folded waits to be archived, microseconds of the clock.
    waiting_since_us: Option<u64>,
}

impl Folding {
    fn work(&mut self) {
        let next = self.shard.progress.get().next;
        // One that has not begun does not say where the one before it ends.
        let current = if next.offset == 0 { next.segment.saturating_sub(1) } else { next.segment };
        if self.folding.is_due() {
            let folded = self.fold(current);
            self.folding.note(folded);
        }
        if self.archiving.is_due() {
            let archived = self.archive(current);
            if archived.is_err() {
                self.policy.registry.shard(self.id).archive_failed();
            }
            self.policy.readiness.set_unarchived(self.id, archived.is_err());
            self.archiving.note(archived);
        }
        let now_us = self.policy.clock.mono_us();
        let waiting_us = self.waiting_since_us.map_or(0, |since_us| now_us.saturating_sub(since_us));
        self.policy.registry.shard(self.id).set_archive_age(waiting_us);
    }

    /// Folds it where enough waits.
    fn fold(&self, current: u32) -> Result<(), String> {
        let files = &self.shard.files;
        let backlog = data::fold_backlog(files, current).map_err(|error| error.to_string())?;
        let space = files.directory.space().map_err(|error| error.to_string())?;
        let free_bytes = space.free_bytes.saturating_sub(self.policy.reserve_bytes);
        let at_least = self.policy.at_least as usize;
        self.shard.history.settle().map_err(|error| error.to_string())?;
        let Some(fold) = Fold::of(&backlog, at_least, free_bytes)? else { return Ok(()) };
        let segments = &backlog.segments[..fold.segments];
        let registry = &self.policy.registry;
        registry.fold(true);
        let folded = give_way(fold.nice, || {
            data::fold(files, &self.shard.history, segments, resting()).map_err(|error| error.to_string())
        });
        registry.fold(false);
        folded
    }

    /// Archives what was folded.
    fn archive(&mut self, current: u32) -> Result<(), String> {
        let files = &self.shard.files;
        let archiver = self.policy.archiver.as_ref();
        let Some(covered) = data::covered(files, current).map_err(|error| error.to_string())? else {
            self.waiting_since_us = None;
            // One that can't be used is told of before anything waits for it.
            if !self.is_archive_known {
                archiver.map_or(Ok(()), Archiver::check).map_err(|error| error.to_string())?;
                self.is_archive_known = true;
            }
            return Ok(());
        };
        self.is_archive_known = false;
        self.waiting_since_us.get_or_insert(self.policy.clock.mono_us());
        let behind = (covered.len() / limits::SNAPSHOT_SEGMENTS as usize).clamp(1, limits::FOLD_NICE.len());
        let mut archived = Archived::default();
        let retired = give_way(limits::FOLD_NICE[behind - 1], || {
            let retired = data::retire(files, archiver, current, &mut archived, &mut resting());
            retired.map_err(|error| error.to_string())
        });
        // What was archived before it failed is there.
        self.policy.registry.archived(archived.files, archived.bytes);
        archived.notes.iter().for_each(|note| say(&format!("note: {note}")));
        retired?;
        self.waiting_since_us = None;
        Ok(())
    }
}

/// Does this on a thread that gives way to the shards so far.
fn give_way<T: Send>(level: i32, work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    let work = || {
        // That it can't be set only costs the shards some time.
        let _ = nice(level);
        work()
    };
    // Nice values are each thread's own, and a thread that is not root's may not lower its own again.
    thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, work) {
        Ok(worker) => worker.join().expect("a fold does not panic"),
        Err(error) => Err(format!("no thread can be started: {error}")),
    })
}

/// Rests after every so many pieces of a fold, for as short as the system can.
fn resting() -> impl FnMut() {
    let mut pieces = 0_u32;
    move || {
        pieces = (pieces + 1) % limits::FOLD_PIECES;
        if pieces == 0 {
            // A shard that wakes up on this core would wait until the kernel finds that the fold has had its slice.
            thread::sleep(Duration::from_micros(1));
        }
    }
}

/// How the segments that wait are folded.
#[derive(Debug, PartialEq, Eq)]
struct Fold {
    /// The first ones, so many. A fold that a kill has cut short is begun anew, and so it must not grow with what waits.
    segments: usize,
    /// What is added to the nice value of its thread.
    nice: i32,
}

impl Fold {
    /// `None` where fewer than `at_least` wait, or less than half of what the snapshot has: a fold writes all of that once more,
    /// and so what is written stays below three times the journal. Where `free_bytes` are less than twice that, room is dearer
    /// than writing.
    ///
    /// # Errors
    /// A sentence, where `free_bytes` are less than the snapshot has.
    fn of(backlog: &FoldBacklog, at_least: usize, free_bytes: u64) -> Result<Option<Self>, String> {
        let FoldBacklog { segments, snapshot_bytes } = backlog;
        let is_roomy = free_bytes >= snapshot_bytes.saturating_mul(2);
        let half = snapshot_bytes.div_ceil(2 * limits::SEGMENT_BYTES as u64) as usize;
        let least = if is_roomy { half.max(at_least) } else { at_least };
        if segments.len() < least {
            return Ok(None);
        }
        if free_bytes < *snapshot_bytes {
            let mib = snapshot_bytes >> 20;
            return Err(format!(
                "the disk has less than the {mib} MiB free that the last one has, beyond the reserve"
            ));
        }
        let most = least.max(limits::SNAPSHOT_SEGMENTS as usize);
        let behind = (segments.len() / most).clamp(1, limits::FOLD_NICE.len());
        Ok(Some(Self { segments: segments.len().min(most), nice: limits::FOLD_NICE[behind - 1] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_folded_in_portions_and_with_more_right_the_more_it_is() {
        #[track_caller]
        fn check(count: u32, at_least: usize, snapshot_segments: u64, expect: Option<(usize, i32)>) {
            check_with(count, at_least, snapshot_segments, u64::MAX, expect);
        }
        #[track_caller]
        fn check_with(
            count: u32,
            at_least: usize,
            snapshot_segments: u64,
            free_bytes: u64,
            expect: Option<(usize, i32)>,
        ) {
            let snapshot_bytes = snapshot_segments * limits::SEGMENT_BYTES as u64;
            let backlog = FoldBacklog { segments: (1..=count).collect(), snapshot_bytes };
            let expect = expect.map(|(segments, nice)| Fold { segments, nice });
            let is = Fold::of(&backlog, at_least, free_bytes);
            assert_eq!(is, Ok(expect), "{count}, {at_least}, {snapshot_segments}, {free_bytes}");
        }
        let [calm, behind, far_behind] = limits::FOLD_NICE;
        let (usual, most) = (limits::SNAPSHOT_SEGMENTS, limits::SNAPSHOT_SEGMENTS as usize);
        check(0, most, 0, None);
        check(usual - 1, most, 0, None);
        check(usual, most, 0, Some((most, calm)));
        check(2 * usual - 1, most, 0, Some((most, calm)));
        check(2 * usual, most, 0, Some((most, behind)));
        check(3 * usual, most, 0, Some((most, far_behind)));
        check(100 * usual, most, 0, Some((most, far_behind)));
        // Small portions are for who wants few to wait, and not where many do.
        check(0, 1, 0, None);
        check(1, 1, 0, Some((1, calm)));
        check(usual, 1, 0, Some((most, calm)));
        check(usual + 1, 1, 0, Some((most, calm)));
        check(1_023, 1_024, 0, None);
        check(1_024, 1_024, 0, Some((1_024, calm)));
        check(2_048, 1_024, 0, Some((1_024, behind)));
        // The larger the snapshot, the more it takes.
        check(usual, most, 2 * u64::from(usual), Some((most, calm)));
        check(usual, most, 2 * u64::from(usual) + 1, None);
        check(usual + 1, most, 2 * u64::from(usual) + 1, Some((most + 1, calm)));
        check(499, 1, 1_000, None);
        check(500, 1, 1_000, Some((500, calm)));
        check(1_000, 1, 1_000, Some((500, behind)));
        // But where the disk has no room for that to wait.
        let bytes = limits::SEGMENT_BYTES as u64;
        check_with(499, most, 1_000, 2_000 * bytes, None);
        check_with(usual, most, 1_000, 2_000 * bytes - 1, Some((most, calm)));
        check_with(usual - 1, most, 1_000, 0, None);
        check_with(usual, most, 1_000, 1_000 * bytes, Some((most, calm)));
        let backlog = FoldBacklog { segments: (1..=usual).collect(), snapshot_bytes: 1_000 * bytes };
        let sentence = "the disk has less than the 64000 MiB free that the last one has, beyond the reserve";
        assert_eq!(Fold::of(&backlog, most, 1_000 * bytes - 1), Err(sentence.to_owned()));
    }
}
