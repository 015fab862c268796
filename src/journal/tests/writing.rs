use super::{BLOCK, ORIGIN, bet, group, read_after, receipt, segment, settings};
use crate::{Journal, Origin, Point, first_after, time_of};
use wallet::PlatformKey;
use wallet::account::AccountRef;
use wallet::operation::Alert;

#[test]
fn a_group_is_whole_blocks_of_what_was_appended() {
    let mut journal = Journal::new(ORIGIN, Point::START);
    assert!(journal.take_group().is_none());
    let first = group(&mut journal, 3);
    assert_eq!(journal.taken_sequence(), 3);
    assert_eq!((first.first, first.last, first.previous), (1, 3, Point::START.hash));
    assert_eq!(first.bytes.len(), BLOCK);
    assert_eq!(journal.pending_bytes(), 0);
    let before = journal.last();
    let second = group(&mut journal, 30);
    assert_eq!((second.first, second.last, second.previous), (4, 33, before.hash));
    assert!(second.bytes.len() > BLOCK && second.bytes.len().is_multiple_of(BLOCK));
    assert!(journal.take_group().is_none());
}

#[test]
fn a_buffer_that_was_given_back_holds_nothing_of_what_it_held() {
    let mut journal = Journal::new(ORIGIN, Point::START);
    let mut groups = Vec::new();
    for bets in [40, 1, 2, 25, 1] {
        let group = group(&mut journal, bets);
        groups.push(segment(1, std::slice::from_ref(&group), 30)[BLOCK..][..group.bytes.len()].to_vec());
        journal.give_back(group);
    }
    let mut journal = Journal::new(ORIGIN, Point::START);
    for (bets, expect) in [40, 1, 2, 25, 1].into_iter().zip(groups) {
        assert_eq!(group(&mut journal, bets).bytes, expect);
    }
}

#[test]
fn no_write_is_let_in_where_as_much_waits_as_may() {
    let mut journal = Journal::new(ORIGIN, Point::START);
    let append = |journal: &mut Journal, bytes: usize| {
        let before = journal.pending_bytes();
        let (platform, details) = (PlatformKey::new("L100").unwrap(), "x".repeat(bytes));
        let account = AccountRef::new("default/admin");
        journal.append(1, &Alert { platform, account, details: &details }.into(), &receipt());
        journal.pending_bytes() - before
    };
    let around = append(&mut journal, 1_024) - 1_024;
    while limits::JOURNAL_PENDING_BYTES_MAX - journal.pending_bytes() > 2 * (60_000 + around) {
        append(&mut journal, 60_000);
    }
    for left in [1_024 + around, 0] {
        let bytes = limits::JOURNAL_PENDING_BYTES_MAX - journal.pending_bytes() - left - around;
        append(&mut journal, bytes);
        assert_eq!(journal.has_room(), left > 0);
    }
    let first = journal.take_group().unwrap();
    assert!(journal.has_room());
    assert_eq!(journal.taken_sequence(), first.last, "others wait");
}

#[test]
fn what_waits_is_bounded_and_comes_in_groups_that_are() {
    let mut journal = Journal::new(ORIGIN, Point::START);
    let mut appended = 0;
    while journal.has_room() {
        appended = journal.append(1, &bet("t"), &receipt());
    }
    assert!(journal.pending_bytes() >= limits::JOURNAL_PENDING_BYTES_MAX);
    // A step of what was let in is taken all the same.
    appended = appended.max(journal.configure(1, &settings()));
    let mut groups = Vec::new();
    while let Some(group) = journal.take_group() {
        assert!(group.bytes.len() <= limits::JOURNAL_GROUP_BYTES_MAX + limits::RECORD_BYTES_MAX);
        groups.push(group);
    }
    assert_eq!(journal.pending_bytes(), 0);
    assert!(journal.has_room());
    assert_eq!(groups.len(), 8);
    let (read, tail) = read_after(Point::START, &[&segment(1, &groups, 2_600)]).unwrap();
    assert_eq!(read.len() as u64, appended);
    assert_eq!(tail.last, journal.last());
}

#[test]
fn a_moment_lies_between_two_groups() {
    let mut journal = Journal::new(ORIGIN, Point::START);
    // Records 1 to 3, 4 to 33, and 34, at 1,001 ms and so on.
    let groups = [3, 30, 1].map(|bets| group(&mut journal, bets));
    let bytes = segment(1, &groups, 40);
    let begins: Vec<usize> = groups
        .iter()
        .scan(BLOCK, |at, group| {
            *at += group.bytes.len();
            Some(*at - group.bytes.len())
        })
        .collect();
    let times: Vec<_> = begins.iter().map(|at| time_of(&bytes[*at..*at + BLOCK], ORIGIN)).collect();
    assert_eq!(times, [Some(1_003), Some(1_033), Some(1_034)]);
    assert_eq!(time_of(&bytes[..BLOCK], ORIGIN), None);
    assert_eq!(time_of(&bytes[begins[0]..][..BLOCK], Origin { stream: 1, ..ORIGIN }), None);
    for (known, moment_ms, expect) in [
        (0, 1_000, Some(begins[0])),
        (0, 1_003, Some(begins[1])),
        (0, 1_032, Some(begins[1])),
        (0, 1_033, Some(begins[2])),
        (0, 1_034, None),
        // What is known to be durable is not cut.
        (3, 1_000, Some(begins[1])),
        (4, 1_000, Some(begins[2])),
        (34, 1_000, None),
    ] {
        assert_eq!(first_after(&bytes, ORIGIN, known, moment_ms), expect, "{known}, {moment_ms}");
    }
    assert_eq!(first_after(&[], ORIGIN, 0, 0), None);
    let torn = segment(1, &groups[1..], 40);
    assert_eq!(first_after(&[&torn[..BLOCK], &[7; BLOCK], &torn[BLOCK..]].concat(), ORIGIN, 0, 0), None);
}
