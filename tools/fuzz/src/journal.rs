//! Groups in segments, and marks: a good journal that was changed, by a script; and bytes that are none.

use std::convert::Infallible;

use journal::reader::ReadError;
use journal::{Buffer, Mark, SegmentSource, mark, replay};
use limits::JOURNAL_BLOCK_BYTES;

use crate::edits::{self, Edited};
use crate::world::{ORIGIN, Rest, World, world};

/// Nothing changed; a torn end; checksums that fit.
pub fn seeds() -> Vec<Vec<u8>> {
    let world = world();
    let mut all = vec![b"m".to_vec(), b"k".to_vec()];
    all.push([b"r", &world.segments[0][..2 * JOURNAL_BLOCK_BYTES]].concat());
    all.push([b"M", &world.mark_bytes[..]].concat());
    all
}

/// The first byte says what follows: `r` a segment's bytes, `M` a mark's bytes, and else a script of changes, which are
/// read with a mark (`m`) or without one.
pub fn run(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode {
        b'r' => raw(rest),
        b'M' => marks(rest),
        _ => script(rest, *mode != b'k'),
    }
}

fn aligned(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(bytes);
    buffer
}

/// Any bytes as a segment.
fn raw(bytes: &[u8]) {
    let mut bytes = aligned(bytes);
    bytes.resize(bytes.len().next_multiple_of(JOURNAL_BLOCK_BYTES), 0);
    let source = SegmentSource { number: 1, name: "segment 1".into(), read: |_| Ok::<_, Infallible>(bytes) };
    let read = replay(ORIGIN, [source], journal::Point::START, |_, _, change, _| {
        assert!(change.slot().is_none_or(|slot| usize::from(slot.index()) < limits::SLOTS));
        Ok(())
    });
    if let Err(ReadError::Damage(damage)) = read {
        drop(damage.to_string());
    }
}

/// Any bytes as a mark. One that is read says what was written, whichever of its halves was damaged.
fn marks(bytes: &[u8]) {
    let _ = mark::has_lost_a_slot(bytes, ORIGIN);
    let Ok((found, count)) = Mark::read("mark", bytes, ORIGIN) else { return };
    let block = found.to_block(count);
    assert!(
        bytes.chunks(JOURNAL_BLOCK_BYTES).any(|slot| slot == block),
        "a mark says what it was written with"
    );
}

fn script(script: &[u8], marked: bool) {
    let world = world();
    let mut segments = world.segments.clone();
    let edited = edits::apply(script, &mut segments);
    if edited.refit {
        refit(&mut segments);
    }
    let sources = (1..).zip(&segments).map(|(number, bytes)| SegmentSource {
        number,
        name: format!("segment {number}"),
        read: |_| Ok::<_, Infallible>(aligned(bytes)),
    });
    let snapshot = None::<(String, Rest<'_>)>;
    let found = recovery::recover(ORIGIN, snapshot, sources, marked.then_some(world.mark));
    check(world, marked, &edited, found);
}

/// What is recovered was written: all of it up to some record, which is not before the mark's.
fn check(
    world: &World,
    marked: bool,
    edited: &Edited,
    found: Result<recovery::Recovered, recovery::Error<Infallible>>,
) {
    let recovered = match found {
        Err(error) => {
            assert!(edited.changed, "a good journal: {error}");
            assert!(!error.to_string().is_empty());
            return;
        }
        Ok(recovered) => recovered,
    };
    let last = recovered.tail.last.sequence;
    assert_eq!(recovered.replayed, last, "every record once");
    assert!(edited.changed || last == world.last, "{last} of {} records", world.last);
    if edited.refit {
        return;
    }
    assert!(last <= world.last);
    if marked {
        assert!(last >= world.mark.last.sequence, "the mark's record is there");
        assert!(last > world.mark.last.sequence || recovered.tail.last.hash == world.mark.last.hash);
    }
    if last == world.last {
        let header = journal::snapshot::SnapshotHeader {
            origin: ORIGIN,
            covers: recovered.tail.last,
            now_ms: world.now_ms,
            rules: wallet::Rules::V2,
            next_segment: 3,
            has_history: false,
        };
        let sink = Vec::new();
        let written = recovery::write_snapshot(sink, header, &recovered.wallet);
        assert!(written.is_ok_and(|bytes| bytes == world.snapshot), "the state is the one that was");
    }
}

/// Makes every checksum fit again, and every record follow on the one before it.
fn refit(segments: &mut [Vec<u8>]) {
    let mut previous = [0; 16];
    for segment in segments {
        if segment.len() < JOURNAL_BLOCK_BYTES {
            continue;
        }
        let (header, groups) = segment.split_at_mut(JOURNAL_BLOCK_BYTES);
        header[48..64].copy_from_slice(&previous);
        let end = JOURNAL_BLOCK_BYTES - 16;
        let checksum = xxhash_rust::xxh3::xxh3_128(&header[..end]).to_le_bytes();
        header[end..].copy_from_slice(&checksum);
        let mut at = 0;
        while groups.len() - at >= JOURNAL_BLOCK_BYTES {
            let record_bytes = edits::u32_at(&groups[at..], 52);
            let length = (64 + record_bytes).next_multiple_of(JOURNAL_BLOCK_BYTES);
            if record_bytes == 0 || length > groups.len() - at {
                at += JOURNAL_BLOCK_BYTES;
                continue;
            }
            let group = &mut groups[at..at + length];
            refit_records(&mut group[64..64 + record_bytes], &mut previous);
            edits::seal(group);
            at += length;
        }
    }
}

fn refit_records(mut records: &mut [u8], previous: &mut [u8; 16]) {
    while records.len() >= 64 {
        let length = (64 + edits::u32_at(records, 48)).next_multiple_of(16);
        if length > records.len() {
            return;
        }
        let (record, rest) = records.split_at_mut(length);
        record[16..32].copy_from_slice(previous);
        *previous = edits::seal(record);
        records = rest;
    }
}
