//! The list of a history's files.

use super::{HEADER, ORIGIN, rows, write};
use crate::{Counts, FileEntry, FileList, Header, Summary};
use journal::{Fault, Origin};

fn file(number: u64, rows: u64) -> FileEntry {
    let header = Header { number, ..HEADER };
    let counts = Counts { rows, by_game: 3, oldest_ms: 5, newest_ms: 9, first_slot: 1, last_slot: 4_095 };
    let summary = Summary { header, bytes: 1 << 40, checksum: u128::MAX / 7, counts };
    FileEntry { summary, clamp_ms: number.is_multiple_of(2).then_some(number) }
}

fn list() -> FileList {
    let files = (1..4).map(|number| file(number, 10)).collect();
    FileList { covers: 12, cut_ms: 1_764_000_000_000, files }
}

#[test]
fn a_list_is_read_as_it_was_written() {
    let real = FileEntry { summary: write(&rows(3, 2)).0, clamp_ms: Some(u64::MAX) };
    let of_real = FileList { covers: u64::MAX, cut_ms: u64::MAX, files: vec![real] };
    for list in [FileList::default(), list(), of_real] {
        assert_eq!(FileList::from_bytes("history", &list.to_bytes()), Ok(list));
    }
}

#[test]
fn the_longest_list_is_read() {
    let all = u64::MAX;
    let counts = Counts {
        rows: all,
        by_game: all,
        oldest_ms: all,
        newest_ms: all,
        first_slot: u16::MAX,
        last_slot: u16::MAX,
    };
    let origin = Origin { stream: all, shard: u16::MAX, shards: u16::MAX };
    let header = Header { origin, number: all };
    let entry = FileEntry {
        summary: Summary { header, bytes: all, checksum: u128::MAX, counts },
        clamp_ms: Some(all),
    };
    let files = vec![entry; limits::HISTORY_FILES_MAX];
    let list = FileList { covers: all, cut_ms: all, files };
    assert_eq!(FileList::from_bytes("history", &list.to_bytes()), Ok(list));
}

#[test]
fn no_byte_of_a_list_is_changed_unseen() {
    let bytes = list().to_bytes();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(FileList::from_bytes("history", &flipped).is_err(), "byte {at}");
        assert!(FileList::from_bytes("history", &bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(FileList::from_bytes("history", &[&bytes[..], b"\n"].concat()).is_err());
}

#[track_caller]
fn check(text: &str, expect: (u64, &str)) {
    let sum = crate::bytes::checksum(text.as_bytes());
    let damage = FileList::from_bytes("history", format!("{text}checksum {sum:032x}\n").as_bytes());
    let damage = damage.unwrap_err();
    assert_eq!((damage.offset, damage.fault.to_string().as_str()), expect);
}

#[test]
fn what_is_wrong_has_its_place() {
    let no_line = "a line is none that this version writes";
    check("", (0, "it names no version"));
    check("purser-history x\n", (0, "it names no version"));
    check(
        "purser-history 3\nwhat follows\n",
        (0, "it has format version 3, and this program reads version 2"),
    );
    check("purser-history 2\ncovers 1\n", (0, "it does not say what it covers"));
    check("purser-history 2\ncovers 1\ncut_ms 2\nfile\n", (35, no_line));
    check("purser-history 2\ncovers 1\ncut_ms 2\nmore 1\n", (35, no_line));
    check("purser-history 2\ncovers 01\ncut_ms 2\n", (0, "it is not in the form that purser writes"));
    let text = String::from_utf8(list().to_bytes()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let too_many = format!("{}\n{}\n{}\n{} 1\n", lines[0], lines[1], lines[2], lines[3]);
    check(&too_many, (too_many.find("file").unwrap() as u64, no_line));
    let long = vec![b' '; limits::HISTORY_LIST_BYTES_MAX + 1];
    let damage = FileList::from_bytes("history", &long).unwrap_err();
    assert_eq!(damage.fault, Fault::Bytes("it is longer than any list of files".into()));
}

#[test]
fn the_newest_time_is_clamped() {
    for (clamp_ms, expect) in [(None, 9), (Some(10), 9), (Some(6), 6), (Some(0), 0)] {
        let entry = FileEntry { clamp_ms, ..file(1, 10) };
        assert_eq!(entry.newest_ms(), expect);
    }
}

#[test]
fn numbers_are_counted_for_each_origin() {
    let list = list();
    assert_eq!(list.next_number(ORIGIN), 4);
    assert_eq!(list.next_number(Origin { shard: 2, ..ORIGIN }), 1);
}

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Files of so many rows, each with the days of its oldest and its newest round.
fn files(of: &[(u64, u64, u64)]) -> FileList {
    let entry = |(number, (rows, from, to)): (u64, &(u64, u64, u64))| {
        let mut entry = FileEntry { clamp_ms: None, ..file(number, *rows) };
        let counts = &mut entry.summary.counts;
        (counts.oldest_ms, counts.newest_ms) = (from * DAY_MS, to * DAY_MS);
        entry
    };
    FileList { files: (1..).zip(of).map(entry).collect(), ..FileList::default() }
}

fn numbers(files: Option<Vec<FileEntry>>) -> Option<Vec<u64>> {
    files.map(|files| files.iter().map(|entry| entry.summary.header.number).collect())
}

#[test]
fn files_of_a_size_become_one_where_they_go_together() {
    #[track_caller]
    fn check(of: &[(u64, u64, u64)], expect: Option<&[u64]>) {
        let is = numbers(files(of).to_merge(120 * DAY_MS));
        assert_eq!(is.as_deref(), expect, "{of:?}");
    }
    let small = limits::HISTORY_SMALL_ROWS;
    check(&[], None);
    check(&[(1, 0, 1); 3], None);
    check(&[(1, 0, 1); 4], Some(&[1, 2, 3, 4]));
    check(&[(4 * small, 0, 1); 4], Some(&[1, 2, 3, 4]));
    // Sizes that differ, and the smaller first.
    check(&[(4 * small, 0, 1), (1, 0, 1), (1, 0, 1), (1, 0, 1)], None);
    let mixed = [[(4 * small, 0, 1); 4], [(1, 0, 1); 4]].concat();
    check(&mixed, Some(&[5, 6, 7, 8]));
    // An eighth of the retention is 15 days.
    check(
        &[(4 * small, 0, 15), (4 * small, 1, 2), (4 * small, 1, 2), (4 * small, 1, 2)],
        Some(&[1, 2, 3, 4]),
    );
    check(&[(4 * small, 0, 16), (4 * small, 1, 2), (4 * small, 1, 2), (4 * small, 1, 2)], None);
    // But those that take more than they hold.
    let seldom: Vec<_> = (0..15).map(|month| (1, 30 * month, 30 * month)).collect();
    check(&seldom, None);
    let seldom: Vec<_> = (0..16).map(|month| (1, 30 * month, 30 * month)).collect();
    check(&seldom, Some(&[1, 2, 3, 4]));
}

#[test]
fn the_smallest_of_too_many_files_become_one() {
    let many: Vec<_> = (0..100).map(|number| (1_000 - number, 0, 400)).collect();
    assert_eq!(numbers(files(&many).too_many(100)), None);
    let smallest: Vec<u64> = (37..=100).rev().collect();
    assert_eq!(numbers(files(&many).too_many(99)), Some(smallest));
}
