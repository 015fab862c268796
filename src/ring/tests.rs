use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;

use super::write::after_entering;
use super::{Event, Ring, Sizes};

const BLOCK: usize = 4_096;

/// Writes, and waits for what becomes of it.
fn write(ring: &mut Ring, file: &File, offset: usize, parts: [&[u8]; 2]) -> Result<(), String> {
    ring.write(file.as_fd(), offset as u64, parts).unwrap();
    loop {
        ring.turn_and_wait().unwrap();
        match ring.next_event() {
            Some(Event::Written { result }) => return result.map_err(|error| error.to_string()),
            Some(event) => panic!("{event:?}"),
            None => {}
        }
    }
}

#[test]
fn what_is_written_is_in_the_file() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("file");
    let file = File::create(&path).unwrap();
    let mut ring = Ring::new(Sizes { write_bytes: 3 * BLOCK, ..Sizes::server(1) }).unwrap();
    let (ones, twos) = ([1; BLOCK], [2; BLOCK]);
    write(&mut ring, &file, 0, [&ones, &twos]).unwrap();
    write(&mut ring, &file, 2 * BLOCK, [&[], &ones]).unwrap();
    write(&mut ring, &file, 0, [&twos, &[]]).unwrap();
    write(&mut ring, &file, BLOCK, [&ones, &[twos, twos].concat()]).unwrap();
    assert!(fs::read(&path).unwrap() == [twos, ones, twos, twos].concat());
}

#[test]
fn what_can_not_be_written_is_told_and_the_ring_goes_on() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("file");
    let file = File::create(&path).unwrap();
    let read_only = OpenOptions::new().read(true).open(&path).unwrap();
    let mut ring = Ring::new(Sizes { write_bytes: BLOCK, ..Sizes::server(1) }).unwrap();
    for _ in 0..3 {
        let error = write(&mut ring, &read_only, 0, [&[], &[1; BLOCK]]).unwrap_err();
        assert!(error.contains("Bad file descriptor"), "{error}");
        write(&mut ring, &file, 0, [&[], &[1; BLOCK]]).unwrap();
    }
    assert_eq!(fs::read(&path).unwrap().len(), BLOCK);
}

#[test]
fn a_write_and_its_sync_are_taken_at_once() {
    for (queued_behind, taken, then) in [
        (None, 5, None),
        (Some(0), 0, Some(0)),
        (Some(0), 2, None),
        (Some(3), 3, Some(0)),
        (Some(3), 1, Some(2)),
        (Some(3), 5, None),
        (Some(3), 9, None),
    ] {
        assert_eq!(after_entering(queued_behind, taken), then, "{queued_behind:?}, {taken}");
    }
}

#[test]
#[should_panic(expected = "the kernel has cut a write from its sync")]
fn a_sync_without_its_write_is_not_believed() {
    after_entering(Some(3), 4);
}
