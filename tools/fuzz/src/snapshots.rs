//! Snapshots: a good one that was changed, by a script; and bytes that are none.

use std::convert::Infallible;

use journal::SegmentSource;
use journal::snapshot::SnapshotHeader;
use recovery::Recovered;

use crate::edits::{self, u32_at};
use crate::world::{ORIGIN, Rest, world};

const HEADER_BYTES: usize = 128;
const FRAME_BYTES: usize = 64;

/// The snapshot itself, and no change of it.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![[b"r", &world().snapshot[..]].concat(), b"s".to_vec()]
}

/// The first byte says what follows: `r` a snapshot's bytes, and else a script of changes.
pub fn run(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    if *mode == b'r' {
        drop(recover(rest));
        return;
    }
    let mut files = [world().snapshot.clone()];
    let edited = edits::apply(rest, &mut files);
    let [mut bytes] = files;
    if edited.refit {
        refit(&mut bytes);
    }
    let recovered = match recover(&bytes) {
        Err(error) => {
            assert!(edited.changed, "a good snapshot: {error}");
            assert!(!error.is_empty());
            return;
        }
        Ok(recovered) => recovered,
    };
    assert!(edited.refit || !edited.changed, "a change that no checksum tells");
    // What was taken in is written, and taken in again, as the same.
    let written = write(&recovered);
    assert!(edited.changed || written == world().snapshot);
    let again = recover(&written).unwrap_or_else(|error| panic!("what was written is not read: {error}"));
    assert_eq!(write(&again), written);
}

fn recover(bytes: &[u8]) -> Result<Recovered, String> {
    let snapshot = ("snapshot".to_owned(), Rest(bytes));
    let none = std::iter::empty::<SegmentSource<fn(_) -> Result<_, Infallible>>>();
    recovery::recover(ORIGIN, Some(snapshot), none, None).map_err(|error| error.to_string())
}

fn write(recovered: &Recovered) -> Vec<u8> {
    let header = SnapshotHeader {
        origin: ORIGIN,
        covers: recovered.tail.last,
        now_ms: recovered.now_ms,
        rules: wallet::Rules::V2,
        next_segment: 3,
        has_history: false,
    };
    let Ok(bytes) = recovery::write_snapshot(Vec::new(), header, &recovered.wallet) else {
        panic!("memory takes a snapshot")
    };
    bytes
}

/// Makes every checksum fit again, and every frame follow on the one before it.
fn refit(bytes: &mut [u8]) {
    if bytes.len() < HEADER_BYTES {
        return;
    }
    let (header, mut frames) = bytes.split_at_mut(HEADER_BYTES);
    let end = HEADER_BYTES - 16;
    let mut previous = xxhash_rust::xxh3::xxh3_128(&header[..end]).to_le_bytes();
    header[end..].copy_from_slice(&previous);
    while frames.len() >= FRAME_BYTES {
        let length = (FRAME_BYTES + u32_at(frames, 36)).next_multiple_of(16);
        if length > frames.len() {
            return;
        }
        let (frame, rest) = frames.split_at_mut(length);
        frame[16..32].copy_from_slice(&previous);
        previous = edits::seal(frame);
        frames = rest;
    }
}
