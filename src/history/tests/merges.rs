//! Several files as one.

use super::{
    HEADER, SMALL, filtered, open, open_for, platform, read, round, row, rows, slot_of, sorted, write,
};
use crate::{FileEntry, Header, HistoryFile, Room, Row, Summary, Writer, all_slots, key_of, merge};
use wallet::account::{AccountRef, Slot};
use wallet::image::{RoundImage, RoundKind, RoundVersion};

const ACCOUNT: &str = "default/anna";

fn merged(
    files: &[&HistoryFile<Vec<u8>>],
    keep: impl FnMut(&Row) -> bool,
) -> (Summary, HistoryFile<Vec<u8>>, usize) {
    let writer = Writer::within(SMALL, Vec::new(), Header { number: 9, ..HEADER }).unwrap();
    let mut rests = 0;
    let Ok((summary, bytes)) = merge(files, writer, keep, || rests += 1) else { panic!("they are merged") };
    (summary, open(&bytes).unwrap(), rests)
}

fn file(rows: Vec<Row>, clamp_ms: Option<u64>) -> HistoryFile<Vec<u8>> {
    let (summary, bytes) = write(&sorted(rows));
    let entry = FileEntry { summary, clamp_ms };
    HistoryFile::open_listed("h-7", bytes, &entry, all_slots()).unwrap_or_else(|_| panic!("it is opened"))
}

/// Of the versions of one round in files, each with a clamp, this one is read, merged or not.
#[track_caller]
fn check(files: &[(&[RoundImage], Option<u64>)], expect: &RoundImage) {
    let of_file = |(rounds, clamp_ms): &(&[RoundImage], Option<u64>)| {
        file(rounds.iter().map(|round| row(ACCOUNT, round.clone())).collect(), *clamp_ms)
    };
    let files: Vec<_> = files.iter().map(of_file).collect();
    let (_, one, _) = merged(&files.iter().collect::<Vec<_>>(), |_| true);
    assert_eq!(read(&one), Ok(vec![row(ACCOUNT, expect.clone())]));
    let account = AccountRef::new(ACCOUNT);
    let key = key_of(account.hash(), &platform(), RoundKind::Plain, &expect.id);
    for history in [filtered(files), filtered(vec![one])] {
        let found = history.find(&mut Room::default(), &account, key, |_| true);
        assert_eq!(found.unwrap(), std::slice::from_ref(expect));
        let mut shown = Vec::new();
        history.rounds_of(&account, |round| shown.push(round)).unwrap();
        assert_eq!(shown, std::slice::from_ref(expect));
    }
}

#[test]
fn the_newest_version_of_a_round_holds() {
    let version = |last_ms, transactions| round("r", last_ms, transactions);
    let unopened = RoundImage { state: 0, ..version(5, 2) };
    check(&[(&[version(5, 2)], None)], &version(5, 2));
    check(&[(&[version(5, 2)], None), (&[version(6, 3)], None)], &version(6, 3));
    check(&[(&[version(6, 3)], None), (&[version(5, 2)], None)], &version(6, 3));
    check(&[(&[version(5, 3)], None), (&[version(5, 2)], None)], &version(5, 3));
    check(&[(&[version(5, 2)], None), (std::slice::from_ref(&unopened), None)], &version(5, 2));
    check(
        &[(&[version(5, 2), version(6, 2), version(6, 3)], None), (&[version(6, 1)], None)],
        &version(6, 3),
    );
    // With one version, the later file's.
    let other = RoundImage { staked: 7, ..version(5, 2) };
    check(&[(&[version(5, 2)], None), (std::slice::from_ref(&other), None)], &other);
    check(&[(std::slice::from_ref(&other), None), (&[version(5, 2)], None)], &version(5, 2));
}

#[test]
fn versions_are_told_apart_by_times_that_are_clamped() {
    let version = |last_ms, transactions| round("r", last_ms, transactions);
    let clamped = |last_ms, transactions| {
        let mut row = row(ACCOUNT, version(last_ms, transactions));
        row.clamp(100);
        row.round
    };
    assert_eq!(clamped(900, 2).last_ms, 100);
    check(&[(&[version(900, 2)], Some(100))], &clamped(900, 2));
    check(&[(&[version(900, 2)], Some(100)), (&[version(101, 3)], None)], &version(101, 3));
    check(&[(&[version(900, 2), version(901, 3)], Some(100))], &clamped(901, 3));
    check(&[(&[version(900, 2)], Some(100)), (&[version(800, 3)], Some(100))], &clamped(800, 3));
}

#[test]
fn what_is_not_kept_is_gone_in_all_versions() {
    let newest = round("r", 9, 3);
    let old = file(vec![row(ACCOUNT, round("r", 5, 2)), row(ACCOUNT, round("s", 5, 2))], None);
    let new = file(vec![row(ACCOUNT, newest.clone())], None);
    let (summary, one, _) = merged(&[&old, &new], |row| row.round != newest);
    assert_eq!(read(&one), Ok(vec![row(ACCOUNT, round("s", 5, 2))]));
    assert_eq!((summary.counts.rows, summary.header.number), (1, 9));
    let (summary, one, _) = merged(&[&old, &new], |_| false);
    assert_eq!((summary.counts.rows, read(&one)), (0, Ok(Vec::new())));
}

#[test]
fn any_files_become_one() {
    let all = rows(60, 3);
    for parts in [1, 2, 7] {
        let part = |number| all.iter().skip(number).step_by(parts).cloned().collect();
        let files: Vec<_> = (0..parts).map(|number| file(part(number), None)).collect();
        let (summary, one, rests) = merged(&files.iter().collect::<Vec<_>>(), |_| true);
        assert_eq!(read(&one).as_ref(), Ok(&all));
        assert_eq!(summary.counts.rows, 180);
        assert!(rests >= 180 * 300 / SMALL.block_bytes, "{rests}");
    }
}

#[test]
fn of_a_file_of_others_the_own_slots_are_merged() {
    let all = rows(60, 2);
    let slot = |index| Slot::new(index).unwrap();
    let (_, bytes) = write(&all);
    let slots = slot(1_000)..=slot(2_500);
    let ours = open_for(&bytes, slots.clone()).unwrap();
    let (_, one, _) = merged(&[&ours], |_| true);
    let expect: Vec<Row> = all.into_iter().filter(|row| slots.contains(&slot_of(&row.account))).collect();
    assert!(!expect.is_empty());
    assert_eq!(read(&one), Ok(expect));
}

#[test]
fn a_later_change_is_a_larger_version() {
    let closed = round("r", 5, 2);
    let open = RoundImage { state: 1, ..closed.clone() };
    for (less, more) in [
        (&open, &closed),
        (&closed, &round("r", 5, 3)),
        (&closed, &round("r", 6, 2)),
        (&round("r", 5, 9), &round("r", 6, 2)),
    ] {
        assert!(RoundVersion::of(less) < RoundVersion::of(more));
    }
}
