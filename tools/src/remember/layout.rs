//! Which files the rounds lie in, as a server would have come to them: a file for each fold, and files of a size made one.

use history::{Counts, FileEntry, FileList, Header, Summary};
use journal::Origin;
use limits::{RECORD_READ_BYTES, RETENTION_MS, SEGMENT_BYTES, SNAPSHOT_SEGMENTS};

use super::rounds::Played;

/// Rounds of a shard that become a file at a fold: a fold begins with so many segments, and a round has two records.
const ROUNDS_PER_FOLD: u64 = SNAPSHOT_SEGMENTS as u64 * SEGMENT_BYTES as u64 / (2 * RECORD_READ_BYTES as u64);

/// A file of each shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    /// Its number among the files of its shard.
    pub(crate) number: u64,
    /// It has the rounds with these numbers that are of its shard's accounts.
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// The files of each of so many shards, in the order in which they were written.
pub(crate) fn plan(played: &Played, shards: u64) -> Vec<PlannedFile> {
    let mut list = FileList::default();
    let mut files: Vec<PlannedFile> = Vec::new();
    let write = |list: &mut FileList, files: &mut Vec<PlannedFile>, from: u64, until: u64, number| {
        let rows = (until - from) / shards;
        let is_kept = |file: &PlannedFile| file.until <= from || until <= file.from;
        files.retain(is_kept);
        list.files.retain(|entry| files.iter().any(|file| file.number == entry.summary.header.number));
        files.push(PlannedFile { number, from, until });
        list.files.push(entry(played, rows, from, until, number));
    };
    let mut number = 0;
    let per_fold = ROUNDS_PER_FOLD * shards;
    for from in (0..played.rounds).step_by(per_fold as usize) {
        number += 1;
        write(&mut list, &mut files, from, (from + per_fold).min(played.rounds), number);
        while let Some(merged) = list.to_merge(RETENTION_MS) {
            let is_merged =
                |file: &&PlannedFile| merged.iter().any(|entry| entry.summary.header.number == file.number);
            let merged = files.iter().filter(is_merged);
            let (from, until) = merged
                .fold((u64::MAX, 0), |(from, until), file| (from.min(file.from), until.max(file.until)));
            number += 1;
            write(&mut list, &mut files, from, until, number);
        }
    }
    files
}

/// What a list would say of a file, as far as its bounds follow from that.
fn entry(played: &Played, rows: u64, from: u64, until: u64, number: u64) -> FileEntry {
    let (oldest_ms, newest_ms) = (played.ended_ms(from), played.ended_ms(until - 1));
    let counts = Counts { rows, oldest_ms, newest_ms, ..Counts::default() };
    let header = Header { origin: Origin { stream: 0, shard: 0, shards: 1 }, number };
    FileEntry { summary: Summary { header, bytes: 0, checksum: 0, counts }, clamp_ms: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(rounds: u64, days: u64, shards: u64) -> Vec<u64> {
        let played = Played::before(1_795_760_000_000, days, 1, 1_000, rounds);
        let files = plan(&played, shards);
        let mut of_rounds: Vec<_> = files.iter().map(|file| (file.from, file.until)).collect();
        of_rounds.sort_unstable();
        assert_eq!(of_rounds.first().map(|(from, _)| *from), Some(0));
        assert_eq!(of_rounds.last().map(|(_, until)| *until), Some(rounds));
        assert!(of_rounds.windows(2).all(|pair| pair[0].1 == pair[1].0), "{of_rounds:?}");
        assert!(files.is_sorted_by_key(|file| file.number));
        files.iter().map(|file| (file.until - file.from) / ROUNDS_PER_FOLD).collect()
    }

    #[test]
    fn files_are_those_that_a_server_comes_to() {
        const FOLD: u64 = ROUNDS_PER_FOLD;
        assert_eq!(sizes(1, 119, 1), [0]);
        assert_eq!(sizes(3 * FOLD, 119, 1), [1, 1, 1]);
        // Four folds of 118 days are no fortnight.
        assert_eq!(sizes(4 * FOLD, 119, 1), [1, 1, 1, 1]);
        assert_eq!(sizes(4 * FOLD, 10, 1), [4]);
        assert_eq!(sizes(22 * FOLD, 10, 1), [16, 4, 1, 1]);
        assert_eq!(sizes(22 * FOLD, 10, 2), [8, 8, 2, 2, 2]);
        // 16 folds are ten days of 191, and 64 are more than a fortnight.
        let year = sizes(100_000_000, 119, 1);
        assert_eq!(year.iter().filter(|folds| **folds == 16).count(), 11, "{year:?}");
        assert_eq!(year.iter().sum::<u64>(), 190);
    }
}
