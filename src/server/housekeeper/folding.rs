//! The threads that fold sealed segments into snapshots. They give way to the shards, but never so far that what waits to be
//! folded grows for as long as the shards are busy: a start would have to replay all of it.

use std::thread;

use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::{Kept, rest};
use crate::data;
use crate::limits;
use crate::server::say::say;

/// Starts them; they go on for as long as the process lives. The segments of a shard are folded once `at_least` wait.
#[expect(clippy::disallowed_methods, reason = "the server alone starts threads")]
pub(super) fn start(shards: &[Kept], at_least: u32) {
    for shards in shards.chunks(limits::SHARDS_PER_FOLDING_THREAD) {
        let mut shards: Vec<Folding> =
            shards.iter().map(|kept| Folding::new(kept.clone(), at_least)).collect();
        thread::spawn(move || {
            loop {
                rest();
                shards.iter_mut().for_each(Folding::look);
            }
        });
    }
}

/// A shard whose segments are folded.
struct Folding {
    kept: Kept,
    at_least: usize,
    /// What keeps it from being folded, which was complained of.
    failed: Option<String>,
    /// How long the next try after a failure is put off.
    rest_ms: u64,
    /// How long it is still put off.
    left_ms: u64,
}

impl Folding {
    fn new(kept: Kept, at_least: u32) -> Self {
        let at_least = at_least as usize;
        Self { kept, at_least, failed: None, rest_ms: limits::FOLD_RETRY_MS, left_ms: 0 }
    }

    /// Folds it where enough waits, once in [`limits::SWEEP_INTERVAL_MS`].
    fn look(&mut self) {
        self.left_ms = self.left_ms.saturating_sub(limits::SWEEP_INTERVAL_MS);
        if self.left_ms > 0 {
            return;
        }
        let Err(error) = self.fold() else {
            (self.failed, self.rest_ms) = (None, limits::FOLD_RETRY_MS);
            return;
        };
        self.left_ms = self.rest_ms;
        self.rest_ms = (self.rest_ms * 2).min(limits::FOLD_RETRY_MS_MAX);
        if self.failed.as_ref() != Some(&error) {
            // The journal has everything; it only grows.
            say(&format!("no snapshot could be made: {error}"));
        }
        self.failed = Some(error);
    }

    fn fold(&self) -> Result<(), String> {
        let current = self.kept.progress.get().next.segment;
        let waiting = data::to_fold(&self.kept.files, current).map_err(|error| error.to_string())?;
        let Some(Fold { count, nice }) = Fold::of(waiting.len(), self.at_least) else { return Ok(()) };
        let fold = || {
            // That it can't be set only costs the shards some time.
            let _ = setpriority_process(Some(gettid()), nice);
            data::fold(&self.kept.files, &waiting[..count]).map_err(|error| error.to_string())
        };
        // Nice values are each thread's own, and a thread that is not root's may not lower its own again.
        thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, fold) {
            Ok(fold) => fold.join().expect("a fold does not panic"),
            Err(error) => Err(format!("no thread can be started: {error}")),
        })
    }
}

/// How the segments that wait are folded.
#[derive(Debug, PartialEq, Eq)]
struct Fold {
    /// The first ones, which is how many are in memory at a time. A fold that a kill has cut short is begun anew, and so it must
    /// not grow with what waits.
    count: usize,
    /// What is added to the nice value of its thread.
    nice: i32,
}

impl Fold {
    /// `None` where fewer than `at_least` wait.
    fn of(waiting: usize, at_least: usize) -> Option<Self> {
        if waiting < at_least {
            return None;
        }
        let most = at_least.max(limits::SNAPSHOT_SEGMENTS as usize);
        let behind = (waiting / most).clamp(1, limits::FOLD_NICE.len());
        Some(Self { count: waiting.min(most), nice: limits::FOLD_NICE[behind - 1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_folded_in_portions_and_with_more_right_the_more_it_is() {
        #[track_caller]
        fn check(waiting: usize, at_least: usize, expect: Option<(usize, i32)>) {
            let expect = expect.map(|(count, nice)| Fold { count, nice });
            assert_eq!(Fold::of(waiting, at_least), expect, "{waiting}, {at_least}");
        }
        let [calm, behind, far_behind] = limits::FOLD_NICE;
        let usual = limits::SNAPSHOT_SEGMENTS as usize;
        check(0, usual, None);
        check(usual - 1, usual, None);
        check(usual, usual, Some((usual, calm)));
        check(2 * usual - 1, usual, Some((usual, calm)));
        check(2 * usual, usual, Some((usual, behind)));
        check(3 * usual, usual, Some((usual, far_behind)));
        check(100 * usual, usual, Some((usual, far_behind)));
        // Small portions are for who wants few to wait, and not where many do.
        check(0, 1, None);
        check(1, 1, Some((1, calm)));
        check(usual, 1, Some((usual, calm)));
        check(usual + 1, 1, Some((usual, calm)));
        check(1_023, 1_024, None);
        check(1_024, 1_024, Some((1_024, calm)));
        check(2_048, 1_024, Some((1_024, behind)));
    }
}
