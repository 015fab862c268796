use super::{BLOCK, ORIGIN, group, read_numbered, segment};
use crate::mark::{MARK_BYTES, Start, check_together, has_lost_a_slot, slot_of};
use crate::{Fault, Journal, Mark, Origin, Point, RecordHash, ReplayStart};
use limits::JOURNAL_WRITE_BYTES_MAX;

const POINT: Point = Point { sequence: 99, hash: RecordHash::from_bits(u128::MAX / 3) };

const START: Start = Start { number: 7, together: true };

const SERVING: Mark = Mark { origin: ORIGIN, last: POINT, segment: 4, stopped: None, start: START };

const STOPPED: Mark = Mark { stopped: Some(6), ..SERVING };

/// The bytes of a mark that was written so many times, in turn.
fn written(marks: &[Mark]) -> Vec<u8> {
    let mut bytes = vec![0; MARK_BYTES];
    for (count, mark) in (1..).zip(marks) {
        bytes[slot_of(count) * BLOCK..][..BLOCK].copy_from_slice(&mark.to_block(count));
    }
    bytes
}

fn read(bytes: &[u8]) -> Result<(Mark, u64), Fault> {
    Mark::read("mark", bytes, ORIGIN).map_err(|damage| damage.fault)
}

#[test]
fn the_last_mark_holds() {
    assert_eq!(read(&written(&[SERVING])), Ok((SERVING, 1)));
    assert_eq!(read(&written(&[SERVING, STOPPED])), Ok((STOPPED, 2)));
    assert_eq!(read(&written(&[SERVING, STOPPED, SERVING])), Ok((SERVING, 3)));
    let alone = Mark { start: Start { together: false, ..START }, ..SERVING };
    assert_eq!(read(&written(&[alone])), Ok((alone, 1)));
    assert_eq!([1, 2, 3, 4].map(slot_of), [1, 0, 1, 0], "a write never goes over the mark that holds");
}

#[test]
fn a_slot_that_is_torn_leaves_the_other() {
    let bytes = written(&[SERVING, STOPPED]);
    for at in 0..MARK_BYTES {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let left = if at / BLOCK == slot_of(2) { (SERVING, 1) } else { (STOPPED, 2) };
        assert_eq!(read(&flipped), Ok(left), "byte {at}");
    }
    for neither in [&[0; MARK_BYTES][..], &bytes[..MARK_BYTES - 1], &[]] {
        assert!(matches!(read(neither), Err(Fault::Bytes(_))));
    }
}

/// A clean stop writes both slots: one that is lost then is told of. While a shard is served a crash may tear one.
#[test]
fn a_clean_mark_has_two_slots() {
    let clean = written(&[STOPPED, STOPPED]);
    assert_eq!(clean, STOPPED.to_bytes(2));
    assert!(!has_lost_a_slot(&clean, ORIGIN));
    for at in [0, MARK_BYTES / 2, MARK_BYTES - 1] {
        let mut flipped = clean.clone();
        flipped[at] ^= 1;
        assert!(has_lost_a_slot(&flipped, ORIGIN), "byte {at}");
    }
    let mut torn = written(&[SERVING, SERVING]);
    torn[0] ^= 1;
    assert!(!has_lost_a_slot(&torn, ORIGIN));
}

/// Starts of three shards, each with whether all had begun in it; and which of the shards is left behind by which start.
#[test]
fn a_shard_of_an_earlier_start_is_left_behind() {
    #[track_caller]
    fn check(starts: [(u64, bool); 3], expect: Option<(usize, u64)>) {
        let mark = |(number, together)| Mark { start: Start { number, together }, ..SERVING };
        let marks = starts.map(|start| (mark(start), 1));
        let found = check_together(&marks, |shard| shard.to_string()).err();
        let found = found.map(|damage| match damage.fault {
            Fault::LeftBehind { together, .. } => {
                assert_eq!(damage.offset, BLOCK as u64 + 72, "where the second slot says its start");
                (damage.file.parse().unwrap(), together)
            }
            other => panic!("{other}"),
        });
        assert_eq!(found, expect, "{starts:?}");
    }
    check([(7, true); 3], None);
    // A start that was killed had begun in some of them.
    check([(8, false), (7, true), (7, true)], None);
    check([(8, false), (7, true), (9, false)], None);
    check([(9, true), (9, false), (9, false)], None);
    check([(9, true), (8, true), (9, false)], Some((1, 9)));
    check([(9, true), (10, false), (7, false)], Some((2, 9)));
    // Data of before marks had starts.
    check([(0, false); 3], None);
    check([(1, true), (0, false), (1, true)], Some((1, 1)));
}

#[test]
fn a_mark_of_another_journal_is_refused() {
    let origin = Origin { stream: 1, ..ORIGIN };
    let other = written(&[SERVING, Mark { origin, ..SERVING }]);
    assert_eq!(read(&other), Err(Fault::Origin { found: origin, expected: ORIGIN }));
    let damage = Mark::read("mark", &written(&[Mark { origin, ..SERVING }]), ORIGIN).unwrap_err();
    assert_eq!(damage.offset, BLOCK as u64);
}

#[test]
fn segments_that_have_to_be_there() {
    #[track_caller]
    fn check(next_segment: u32, mark: Mark, numbers: &[u32], expect: Option<u32>) {
        let known = ReplayStart { from: POINT, next_segment: Some(next_segment), mark: Some(mark) };
        assert_eq!(known.missing(numbers), expect, "{numbers:?}");
    }
    check(3, SERVING, &[3, 4, 5], None);
    check(3, SERVING, &[3, 4], None);
    check(3, SERVING, &[1, 2, 3, 4], None);
    check(3, SERVING, &[3, 5], Some(4));
    check(3, SERVING, &[4, 5], Some(3));
    check(3, SERVING, &[], Some(3));
    // A snapshot may be newer than the mark.
    check(5, SERVING, &[], None);
    check(5, SERVING, &[3, 4], None);
    check(5, SERVING, &[6], Some(5));
    check(1, Mark { segment: 0, ..SERVING }, &[2], Some(1));
    check(1, Mark { segment: 0, ..SERVING }, &[], None);
    check(3, STOPPED, &[3, 4, 5], Some(6));
    check(3, STOPPED, &[3, 4, 5, 6], None);
    check(7, STOPPED, &[], None);
}

/// Two groups of one block in a segment, the points behind them, and the segment with the second torn, and without it.
fn two() -> ([Point; 2], [Vec<u8>; 3]) {
    let mut journal = Journal::new(ORIGIN, Point::START);
    let groups = [group(&mut journal, 1), group(&mut journal, 1)];
    let whole = segment(1, &groups, 5);
    let mut torn = whole.clone();
    torn[2 * BLOCK + 100] ^= 1;
    let mut without = whole.clone();
    without[2 * BLOCK..].fill(0);
    let first = Point { sequence: 1, hash: groups[0].hash };
    ([first, journal.last()], [whole, torn, without])
}

#[test]
fn a_journal_reaches_its_mark() {
    let ([first, second], [whole, torn, without]) = two();
    let check = |last: Point, stopped: Option<u32>, bytes: &[u8], expect: Option<&str>| {
        let mark = Mark { origin: ORIGIN, last, segment: 1, stopped, start: START };
        let known = ReplayStart { from: Point::START, next_segment: Some(1), mark: Some(mark) };
        let read = read_numbered(known, &[(1, bytes)]).map(|(_, tail)| tail.last.sequence);
        match (read, expect) {
            (Ok(_), None) => {}
            (Err(damage), Some(expect)) => {
                let sentence = damage.to_string();
                assert!(sentence.starts_with("segment 1, byte ") && sentence.contains(expect), "{sentence}");
            }
            (read, expect) => panic!("{read:?}, not {expect:?}"),
        }
    };
    for stopped in [None, Some(1)] {
        let behind = stopped.map(|_| "goes on to record 2");
        check(first, stopped, &whole, behind);
        check(second, stopped, &whole, None);
        check(first, stopped, &without, None);
        check(second, stopped, &torn, Some("(a group's checksum is wrong)"));
        check(second, stopped, &without, Some("ends here with record 1 (zeros follow)"));
        let forked = Point { hash: RecordHash::from_bits(7), ..first };
        check(forked, stopped, &whole, Some("record 1 is not the one that the mark names"));
    }
    check(first, None, &torn, None);
    check(first, Some(1), &torn, Some("the server was stopped in order"));
}

/// What ends too early is the last segment that is used, and not the one that was made ready behind it.
#[test]
fn a_journal_that_misses_its_mark_ends_where_its_groups_do() {
    let ([_, second], [.., without]) = two();
    let mark = Mark { origin: ORIGIN, last: second, segment: 1, stopped: None, start: START };
    let known = ReplayStart { from: Point::START, next_segment: Some(1), mark: Some(mark) };
    let damage = read_numbered(known, &[(1, &without), (2, &[0; 4 * BLOCK])]).unwrap_err().to_string();
    assert!(damage.starts_with("segment 1, byte 8192: ") && damage.contains("(zeros follow)"), "{damage}");
}

#[test]
fn numbers_of_segments_are_not_used_again() {
    let known = ReplayStart { from: POINT, next_segment: Some(5), mark: Some(SERVING) };
    let (_, tail) = read_numbered(known, &[]).unwrap();
    assert_eq!((tail.last, tail.next.segment, tail.next.offset), (POINT, 5, 0));
    let other = ReplayStart { from: Point { hash: RecordHash::START, ..POINT }, ..known };
    assert_eq!(read_numbered(other, &[]).unwrap_err().fault, Fault::Unmarked { at: 99 });
}

/// A crash leaves no more than one write.
#[test]
fn what_is_longer_than_one_write_is_not_torn() {
    let ([first, _], [whole, ..]) = two();
    let mut long = whole;
    long.resize(JOURNAL_WRITE_BYTES_MAX + 6 * BLOCK, 0);
    long[2 * BLOCK..][..BLOCK].fill(0xa5);
    let end = 2 * BLOCK + JOURNAL_WRITE_BYTES_MAX;
    long[end - 1] = 1;
    let (_, tail) = read_numbered(Point::START, &[(1, &long)]).unwrap();
    assert_eq!((tail.last, tail.torn.map(|torn| torn.offset)), (first, Some(2 * BLOCK as u64)));
    for behind in [end + 5, end] {
        long[behind] = 1;
        let damage = read_numbered(Point::START, &[(1, &long)]).unwrap_err();
        assert_eq!(damage.offset, behind as u64);
        assert!(damage.to_string().contains("longer than one write"), "{damage}");
    }
}

#[test]
fn nothing_stands_behind_the_end() {
    let ([first, _], [_, torn, _]) = two();
    let mut behind = vec![0; 4 * BLOCK];
    let read = |behind: &[u8]| read_numbered(Point::START, &[(1, &torn), (2, behind)]);
    assert_eq!(read(&behind).unwrap().1.last, first);
    behind[3 * BLOCK + 7] = 1;
    let fault = read(&behind).unwrap_err().fault;
    assert!(matches!(fault, Fault::NotTheLast { offset: 12_295, .. }), "{fault:?}");
}
