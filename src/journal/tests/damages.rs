use proptest::prelude::*;
use std::convert::Infallible;

use super::{BLOCK, ORIGIN, aligned, group, read_after, read_numbered, segment};
use crate::record::Record;
use crate::segment::seal;
use crate::{
    Fault, Group, Journal, Origin, Place, Point, RecordHash, SegmentRange, SegmentSource, Tail, replay,
};

/// Three groups, of one block, of two and of one, in a segment with two blocks to spare.
fn three() -> (Journal, Vec<u8>, [Point; 3]) {
    let mut journal = Journal::new(ORIGIN, Point::START);
    let mut points = Vec::new();
    let groups: Vec<Group> = [2, 15, 3]
        .into_iter()
        .map(|bets| {
            let group = group(&mut journal, bets);
            points.push(journal.last());
            group
        })
        .collect();
    let bytes = segment(1, &groups, 7);
    let lengths: Vec<usize> = groups.iter().map(|group| group.bytes.len() / BLOCK).collect();
    assert_eq!(lengths, [1, 2, 1]);
    (journal, bytes, points.try_into().unwrap())
}

const LAST_AT: usize = 4 * BLOCK;
const END_AT: usize = 5 * BLOCK;

/// A replay ends with this record, at this place, and with a torn write there or none.
#[track_caller]
fn check_end(read: &Result<(Vec<u64>, Tail), crate::Damage>, last: Point, at: (u32, usize), torn: bool) {
    let (sequences, tail) = read.as_ref().expect("no damage");
    assert_eq!(tail.last, last);
    assert_eq!(sequences.last().copied().unwrap_or(0), last.sequence);
    assert_eq!(tail.next, Place { segment: at.0, offset: at.1 as u64 });
    let found = tail.torn.as_ref().map(|torn| (torn.segment, torn.offset as usize));
    assert_eq!(found, torn.then_some(at));
}

/// A replay finds damage at this offset of this file.
#[track_caller]
fn check_damage(read: Result<(Vec<u64>, Tail), crate::Damage>, file: u32, offset: usize) -> Fault {
    let damage = read.expect_err("there is damage");
    assert_eq!(
        (damage.file.as_str(), damage.offset as usize),
        (&*format!("segment {file}"), offset),
        "{damage}"
    );
    damage.fault
}

#[test]
fn a_segment_that_is_whole_ends_with_its_last_group() {
    let (_, bytes, points) = three();
    let read = read_after(Point::START, &[&bytes]);
    check_end(&read, points[2], (1, END_AT), false);
    assert_eq!(read.as_ref().unwrap().0, (1..=20).collect::<Vec<_>>());
    assert_eq!(read.unwrap().1.now_ms, 1_020);
    // The segment that was made ready is not used.
    check_end(&read_after(Point::START, &[&bytes, &[0; 7 * BLOCK]]), points[2], (1, END_AT), false);
    // One block is room for a group.
    check_end(&read_after(Point::START, &[&bytes[..END_AT + BLOCK]]), points[2], (1, END_AT), false);
    // A full one: the next group goes into the next.
    let full = &bytes[..END_AT];
    check_end(&read_after(Point::START, &[full]), points[2], (2, 0), false);
    check_end(&read_after(Point::START, &[full, &[0; 7 * BLOCK]]), points[2], (2, 0), false);
    // Nothing at all.
    check_end(&read_after(Point::START, &[]), Point::START, (1, 0), false);
    check_end(&read_after(Point::START, &[&[0; 7 * BLOCK]]), Point::START, (1, 0), false);
}

/// What is told of a record names the place where it stands.
#[test]
fn a_record_is_where_it_was_read() {
    let (_, bytes, _) = three();
    let source = SegmentSource { number: 1, name: String::new(), read: |_| Ok(aligned(&bytes)) };
    let tail = replay::<_, Infallible>(ORIGIN, [source], Point::START, |position, _, _, _| {
        let there = aligned(&bytes[position.offset as usize..]);
        assert_eq!(Record::read(position.rules, &there).unwrap().link().sequence, position.sequence);
        Ok(())
    });
    assert_eq!(tail.unwrap().last.sequence, 20);
}

#[test]
fn no_byte_is_changed_unseen() {
    let (_, bytes, points) = three();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let read = read_after(Point::START, &[&flipped]);
        match at / BLOCK {
            0 => drop(check_damage(read, 1, 0)),
            1 => drop(check_damage(read, 1, BLOCK)),
            2 | 3 => {
                let fault = check_damage(read, 1, 2 * BLOCK);
                assert!(matches!(fault, Fault::NotTheLast { offset: 16_384, .. }), "{fault:?}");
            }
            4 => check_end(&read, points[1], (1, LAST_AT), true),
            _ => check_end(&read, points[2], (1, END_AT), true),
        }
    }
}

#[test]
fn the_last_group_is_not_torn_where_a_segment_follows() {
    let (mut journal, bytes, points) = three();
    let next = segment(2, &[group(&mut journal, 1)], 3);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let offset = match at / BLOCK {
            0 | 1 => at / BLOCK * BLOCK,
            2 | 3 => 2 * BLOCK,
            4 => LAST_AT,
            _ => END_AT,
        };
        check_damage(read_after(Point::START, &[&flipped, &next]), 1, offset);
    }
    // The segment that follows was torn itself: its group is there, and shows that it was begun.
    let mut flipped = bytes.clone();
    flipped[LAST_AT] ^= 1;
    let mut headless = next.clone();
    headless[..BLOCK].fill(0);
    let fault = check_damage(read_after(Point::START, &[&flipped, &headless]), 1, LAST_AT);
    assert!(matches!(fault, Fault::NotTheLast { offset: 4096, .. }), "{fault:?}");
    // Behind a segment that is whole it is the last write.
    check_end(&read_after(Point::START, &[&bytes, &headless]), points[2], (2, 0), true);
}

#[test]
fn a_segments_first_write_may_be_torn_in_any_way() {
    let mut journal = Journal::new(ORIGIN, Point::START);
    let bytes = segment(1, &[group(&mut journal, 15)], 5);
    for missing in 1..8_usize {
        let mut torn = bytes.clone();
        for block in (0..3).filter(|block| missing >> block & 1 == 1) {
            torn[block * BLOCK..][..BLOCK].fill(0);
        }
        let read = read_after(Point::START, &[&torn]);
        match missing {
            0b111 => check_end(&read, Point::START, (1, 0), false),
            // The header is whole; it says what it is to say.
            0b110 => check_end(&read, Point::START, (1, BLOCK), false),
            0b010 | 0b100 => check_end(&read, Point::START, (1, BLOCK), true),
            _ => check_end(&read, Point::START, (1, 0), true),
        }
    }
}

#[test]
fn a_segments_header_may_be_torn_between_sectors() {
    let mut journal = Journal::new(ORIGIN, Point::START);
    let groups = [group(&mut journal, 1), group(&mut journal, 1)];
    for (first, end) in [(512, BLOCK), (1_024, BLOCK), (BLOCK - 512, BLOCK), (0, 512), (0, BLOCK - 512)] {
        let torn = |groups: &[Group]| {
            let mut bytes = segment(1, groups, 5);
            bytes[first..end].fill(0);
            read_after(Point::START, &[&bytes])
        };
        check_end(&torn(&groups[..1]), Point::START, (1, 0), true);
        check_damage(torn(&groups), 1, 0);
    }
    // A bit that turns makes no sector zeros.
    let mut flipped = segment(1, &groups[..1], 5);
    flipped[BLOCK - 1] ^= 1;
    check_damage(read_after(Point::START, &[&flipped]), 1, 0);
}

#[test]
fn a_file_that_is_cut_ends_where_its_whole_groups_do() {
    let (mut journal, bytes, points) = three();
    let next = segment(2, &[group(&mut journal, 1)], 3);
    for blocks in 0..5 {
        let cut = &bytes[..blocks * BLOCK];
        let read = read_after(Point::START, &[cut]);
        match blocks {
            0 => check_end(&read, Point::START, (1, 0), false),
            1 => check_end(&read, Point::START, (2, 0), false),
            2 => check_end(&read, points[0], (2, 0), false),
            3 => check_end(&read, points[0], (1, 2 * BLOCK), true),
            _ => check_end(&read, points[1], (2, 0), false),
        }
        read_after(Point::START, &[cut, &next]).expect_err("a segment follows that does not follow on");
    }
    check_damage(read_after(Point::START, &[&bytes[..100]]), 1, 0);
}

#[test]
fn a_lost_block_is_damage() {
    let (_, bytes, _) = three();
    for (block, offset) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
        let mut lost = bytes.clone();
        lost[block * BLOCK..][..BLOCK].fill(0);
        check_damage(read_after(Point::START, &[&lost]), 1, offset * BLOCK);
    }
}

#[test]
fn groups_out_of_place_are_damage() {
    let mut journal = Journal::new(ORIGIN, Point::START);
    let groups = [group(&mut journal, 1), group(&mut journal, 1), group(&mut journal, 1)];
    let bytes = segment(1, &groups, 6);
    let block = |at: usize| &bytes[at * BLOCK..][..BLOCK];
    let twice = [block(0), block(1), block(1)].concat();
    check_damage(read_after(Point::START, &[&twice]), 1, 2 * BLOCK);
    let skipped = [block(0), block(1), block(3)].concat();
    check_damage(read_after(Point::START, &[&skipped]), 1, 2 * BLOCK);
    // A group of this journal that other records came before.
    let mut other = Journal::new(ORIGIN, Point { sequence: 1, hash: RecordHash::from_bits(1) });
    let elsewhere = [block(0), block(1), &group(&mut other, 1).bytes].concat();
    let fault = check_damage(read_after(Point::START, &[&elsewhere]), 1, 2 * BLOCK);
    assert!(matches!(&fault, Fault::Bytes(what) if what.contains("does not follow on")), "{fault:?}");
}

/// A group whose checksum fits, and that has more in it than was written.
#[test]
fn what_a_group_holds_beside_its_records_is_damage() {
    let (_, bytes, _) = three();
    let check = |at: usize, flip: u8, expect: &str| {
        let mut changed = bytes.clone();
        let group = &mut changed[BLOCK..2 * BLOCK];
        group[at] ^= flip;
        let checksum = crate::bytes::checksum(&group[crate::bytes::CHECKSUM_BYTES..]);
        crate::bytes::put(group, 0, checksum.to_le_bytes());
        let fault = check_damage(read_after(Point::START, &[&changed]), 1, BLOCK).to_string();
        assert!(fault.contains(expect), "{fault}");
    };
    // What is not used of its head, and behind its records; and a record more or less than there are.
    check(63, 1, "a group has more in it than this version knows");
    check(BLOCK - 1, 1, "a group has more in it than this version knows");
    check(48, 1, "a record's head is cut short");
    check(48, 2, "bytes behind its records");
}

#[test]
fn what_another_journal_left_on_the_disk_is_no_damage() {
    let (_, mut bytes, points) = three();
    let mut other = Journal::new(Origin { stream: 1, ..ORIGIN }, points[2]);
    for at in [END_AT, END_AT + BLOCK] {
        bytes[at..][..BLOCK].copy_from_slice(&group(&mut other, 1).bytes);
    }
    check_end(&read_after(Point::START, &[&bytes]), points[2], (1, END_AT), true);
}

#[test]
fn segments_follow_each_other() {
    let (mut journal, first, points) = three();
    let second = segment(2, &[group(&mut journal, 2)], 4);
    let middle = journal.last();
    let third = segment(3, &[group(&mut journal, 1)], 4);
    let (read, tail) = read_after(Point::START, &[&first, &second, &third]).unwrap();
    assert_eq!(read, (1..=23).collect::<Vec<_>>());
    assert_eq!(tail.next, Place { segment: 3, offset: 2 * BLOCK as u64 });
    assert_eq!(tail.closed, [SegmentRange { number: 1, last: 20 }, SegmentRange { number: 2, last: 22 }]);

    let fault = check_damage(read_numbered(Point::START, &[(1, &first), (3, &third)]), 3, 0);
    assert_eq!(fault, Fault::Missing { number: 2 });
    check_damage(read_numbered(Point::START, &[(1, &first), (2, &third)]), 2, 0);
    check_damage(read_numbered(Point::START, &[(1, &first), (2, &[0; 4 * BLOCK]), (3, &third)]), 2, 0);

    // After a snapshot, with and without the segments that it covers.
    for from in [points[0], points[1], points[2]] {
        let (read, tail) = read_after(from, &[&first, &second, &third]).unwrap();
        assert_eq!(read, (from.sequence + 1..=23).collect::<Vec<_>>());
        assert_eq!(tail.last, journal.last());
    }
    let (read, _) = read_numbered(points[2], &[(2, &second), (3, &third)]).unwrap();
    assert_eq!(read, [21, 22, 23]);
    let (read, tail) = read_numbered(journal.last(), &[(3, &third)]).unwrap();
    assert_eq!((read.len(), tail.last, tail.now_ms), (0, journal.last(), 1_023));
    let (read, tail) = read_numbered(journal.last(), &[(4, &[0; 4 * BLOCK])]).unwrap();
    assert_eq!((read.len(), tail.last, tail.next.segment), (0, journal.last(), 4));

    let fault = check_damage(read_numbered(points[1], &[(2, &second), (3, &third)]), 2, 0);
    assert_eq!(fault, Fault::Gap { first: 21, covered: 17 });
    let beyond = Point { sequence: 24, ..middle };
    let fault = check_damage(read_after(beyond, &[&first, &second, &third]), 3, 2 * BLOCK);
    assert_eq!(fault, Fault::Short { last: 23, covered: 24 });
    let forked = Point { hash: RecordHash::from_bits(1), ..points[1] };
    let fault = read_after(forked, &[&first]).unwrap_err().fault;
    assert_eq!(fault, Fault::Diverged { at: 17 });
    let forked = Point { hash: RecordHash::from_bits(1), ..points[2] };
    let fault = check_damage(read_numbered(forked, &[(2, &second)]), 2, 0);
    assert_eq!(fault, Fault::Diverged { at: 20 });
}

#[test]
fn the_tail_that_a_snapshot_covers_is_not_torn() {
    let (_, mut bytes, points) = three();
    bytes[LAST_AT] ^= 1;
    let fault = check_damage(read_after(points[2], &[&bytes]), 1, LAST_AT);
    assert_eq!(fault, Fault::Short { last: 17, covered: 20 });
}

#[test]
fn other_versions_and_other_journals_are_refused() {
    let (_, bytes, _) = three();
    let changed = |at: usize, to: u8| {
        let mut header: [u8; BLOCK] = bytes[..BLOCK].try_into().unwrap();
        header[at] = to;
        seal(&mut header);
        let mut changed = bytes.clone();
        changed[..BLOCK].copy_from_slice(&header);
        check_damage(read_after(Point::START, &[&changed]), 1, 0)
    };
    assert!(matches!(changed(0, b'x'), Fault::Magic { .. }));
    assert_eq!(changed(8, 9), Fault::Format { found: 9, expected: 2 });
    assert_eq!(changed(12, 8), Fault::Rules { found: 8, expected: 2 });
    assert!(changed(12, 8).to_string().contains("version 8"), "{}", changed(12, 8));
    for at in [16, 24, 26] {
        assert!(matches!(changed(at, 77), Fault::Origin { expected: ORIGIN, .. }));
    }
    assert!(
        changed(24, 77)
            .to_string()
            .contains(", shard 77 of 2, and should to stream 5eedcafef00d0001, shard 1 of 2")
    );
    assert!(matches!(changed(28, 3), Fault::Bytes(_)));
    assert!(matches!(changed(100, 1), Fault::Bytes(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever happens to the bytes, what is read is what was written, from its beginning, and all of it up to where
    /// the next group goes.
    #[test]
    fn what_is_read_was_written(
        at in 0..7 * BLOCK,
        length in 1..3 * BLOCK,
        zeros in any::<bool>(),
        noise in any::<u64>(),
        cut in prop_oneof![3 => Just(7 * BLOCK), 1 => 0..7 * BLOCK],
    ) {
        let (_, mut bytes, points) = three();
        let end = (at + length).min(bytes.len());
        for (count, byte) in bytes[at..end].iter_mut().enumerate() {
            *byte = if zeros { 0 } else { (noise >> (count % 57)) as u8 };
        }
        bytes.truncate(cut);
        if let Ok((read, tail)) = read_after(Point::START, &[&bytes]) {
            prop_assert_eq!(&read, &(1..=tail.last.sequence).collect::<Vec<_>>());
            prop_assert!(tail.last == Point::START || points.contains(&tail.last));
            let whole = points.iter().position(|point| *point == tail.last).map_or(0, |at| at + 1);
            prop_assert!(whole == 3 || cut < END_AT || at < END_AT);
        }
    }
}
