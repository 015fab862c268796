use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;

use super::FileError;
use super::directory::{DataDirectory, ShardDirectory};
use super::manifest::Manifest;
use super::segments::Segments;
use crate::journal::reader::ReadError;
use crate::journal::{Group, Journal, Origin, Point, SegmentSource, Tail, replay};
use crate::limits::JOURNAL_BLOCK_BYTES;
use crate::wallet::account::AccountRef;
use crate::wallet::operation::Operation;
use crate::wallet::outcome::Receipt;

const ORIGIN: Origin = Origin { stream: 77, shard: 0, shards: 1 };
const BLOCK: u64 = JOURNAL_BLOCK_BYTES as u64;

/// A header and three blocks.
const SEGMENT_BYTES: u64 = 4 * BLOCK;

fn directory() -> (tempfile::TempDir, DataDirectory, ShardDirectory) {
    let temporary = tempfile::tempdir().unwrap();
    let data = DataDirectory::lock(temporary.path()).unwrap();
    let shard = data.shard(1, 0).unwrap();
    (temporary, data, shard)
}

/// Reads the shard's journal: how many records there are after `from`, and its end.
fn read_back(shard: &ShardDirectory, from: Point) -> (usize, Tail) {
    let sources = shard.segments().unwrap().into_iter().map(|number| SegmentSource {
        number,
        name: shard.segment(number).display().to_string(),
        read: move |room| shard.read_segment(number, room),
    });
    let mut records = 0;
    let tail = replay::<_, FileError>(ORIGIN, sources, from, |_, _, _, _| {
        records += 1;
        Ok(())
    });
    match tail {
        Ok(tail) => (records, tail),
        Err(ReadError::Damage(damage)) => panic!("{damage}"),
        Err(ReadError::Caller(error)) => panic!("{error}"),
    }
}

/// The segments, and what tells that another is ready.
fn open(shard: &ShardDirectory, tail: &Tail) -> (Segments, mpsc::Receiver<()>) {
    let before = tail.closed.last().map(|segment| segment.number);
    let (ready, readies) = mpsc::channel();
    let ready = move || {
        let _ = ready.send(());
    };
    (Segments::open(shard.clone(), tail.next, before, SEGMENT_BYTES, ready).unwrap(), readies)
}

/// What the ring does: a direct write, from memory that it may begin at, and a sync.
fn carry_out(file: OwnedFd, offset: u64, parts: [&[u8]; 2]) {
    let mut memory = vec![0; parts.concat().len() + JOURNAL_BLOCK_BYTES];
    let at = memory.as_ptr().align_offset(JOURNAL_BLOCK_BYTES);
    let bytes = &mut memory[at..][..parts.concat().len()];
    bytes.copy_from_slice(&parts.concat());
    let file = File::from(file);
    file.write_all_at(bytes, offset).unwrap();
    file.sync_data().unwrap();
}

fn write_group((segments, readies): &mut (Segments, mpsc::Receiver<()>), group: &Group) {
    loop {
        if let Some(write) = segments.write(group).unwrap() {
            let header = write.header.as_ref().map_or(&[][..], |header| &header[..]);
            let file = write.file.try_clone_to_owned().unwrap();
            carry_out(file, write.offset, [header, &group.bytes]);
            break;
        }
        readies.recv().unwrap();
    }
    segments.written(group);
}

/// A group of one block, of one record.
fn group(journal: &mut Journal) -> Group {
    let account = AccountRef::new("default/admin");
    journal.append(5, &Operation::StartSession { account, key: "k" }, &Receipt::default());
    journal.take_group().unwrap()
}

fn write(segments: &mut (Segments, mpsc::Receiver<()>), journal: &mut Journal, groups: usize) {
    for _ in 0..groups {
        let group = group(journal);
        write_group(segments, &group);
        journal.give_back(group);
    }
}

#[test]
fn what_is_written_is_read_back_across_segments() {
    let (_temporary, _data, shard) = directory();
    let mut journal = Journal::new(ORIGIN, Point::START);
    let (records, tail) = read_back(&shard, Point::START);
    assert_eq!(records, 0);
    let mut segments = open(&shard, &tail);
    for (groups, count, segment, offset) in [(1, 1, 1, 2), (2, 3, 1, 4), (1, 4, 2, 2), (6, 10, 4, 2)] {
        write(&mut segments, &mut journal, groups);
        let (records, tail) = read_back(&shard, Point::START);
        assert_eq!((records, tail.last), (count, journal.last()));
        assert_eq!(
            (tail.next.segment, tail.next.offset),
            (segment + u32::from(offset == 4), offset % 4 * BLOCK)
        );
        let place = segments.0.place();
        assert_eq!((place.segment, place.offset), (segment, offset * BLOCK));
        assert!(tail.torn.is_none());
    }
    drop(segments);
    // Another process goes on.
    for _ in 0..5 {
        let (_, tail) = read_back(&shard, Point::START);
        let mut journal = Journal::new(ORIGIN, tail.last);
        let mut segments = open(&shard, &tail);
        write(&mut segments, &mut journal, 2);
    }
    let (records, tail) = read_back(&shard, Point::START);
    assert_eq!((records, tail.last.sequence, tail.closed.len()), (20, 20, 6));
}

#[test]
fn a_torn_write_is_cut_and_written_over() {
    let (_temporary, _data, shard) = directory();
    let mut journal = Journal::new(ORIGIN, Point::START);
    let mut segments = open(&shard, &read_back(&shard, Point::START).1);
    write(&mut segments, &mut journal, 1);
    drop(segments);
    // The group's first block is not there, a later one is.
    let file = OpenOptions::new().write(true).open(shard.segment(1)).unwrap();
    file.write_all_at(&[0xa5; JOURNAL_BLOCK_BYTES], 3 * BLOCK).unwrap();
    let tail = read_back(&shard, Point::START).1;
    let torn = tail.torn.clone().expect("it is torn");
    assert_eq!((torn.segment, torn.offset, tail.last), (1, 2 * BLOCK, journal.last()));
    shard.cut_segment(torn.segment, torn.offset).unwrap();
    assert_eq!(read_back(&shard, Point::START), (1, Tail { torn: None, ..tail.clone() }));
    let mut segments = open(&shard, &tail);
    write(&mut segments, &mut journal, 4);
    assert_eq!(read_back(&shard, Point::START).1.last, journal.last());
}

#[test]
fn a_segment_that_can_not_be_made_is_waited_for() {
    let (_temporary, _data, shard) = directory();
    let mut journal = Journal::new(ORIGIN, Point::START);
    // Something is in the way of the second.
    let in_the_way = shard.segment(2).with_extension("journal.new");
    fs::create_dir(&in_the_way).unwrap();
    let mut segments = open(&shard, &read_back(&shard, Point::START).1);
    let trouble = segments.0.trouble();
    write(&mut segments, &mut journal, 3);
    while trouble.get().is_none_or(|trouble| !trouble.contains("segment-00000002")) {
        std::thread::yield_now();
    }
    let group = group(&mut journal);
    assert!(segments.0.write(&group).unwrap().is_none());
    fs::remove_dir(&in_the_way).unwrap();
    write_group(&mut segments, &group);
    journal.give_back(group);
    assert_eq!(trouble.get(), None);
    assert_eq!(read_back(&shard, Point::START).1.last, journal.last());
}

#[test]
fn a_directory_is_held_by_one() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    let held = DataDirectory::lock(&path).unwrap();
    let refused = DataDirectory::lock(&path).unwrap_err().to_string();
    assert!(refused.contains(path.to_str().unwrap()), "{refused}");
    assert!(refused.contains(&format!("process {} uses it", std::process::id())), "{refused}");
    drop(held);
    DataDirectory::lock(&path).unwrap();
}

#[test]
fn a_manifest_is_read_as_it_was_written_or_not_at_all() {
    let (temporary, data, _) = directory();
    assert_eq!(Manifest::read(data.path()).unwrap(), None);
    for manifest in [
        Manifest { generation: 1, stream: 0, shards: 1, demo: true },
        Manifest { generation: u64::MAX, stream: u64::MAX, shards: 64, demo: false },
    ] {
        manifest.write(data.path()).unwrap();
        assert_eq!(Manifest::read(data.path()).unwrap(), Some(manifest));
    }
    let path = temporary.path().join("manifest");
    let written = fs::read(&path).unwrap();
    for at in 0..written.len() {
        let mut flipped = written.clone();
        flipped[at] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let error = Manifest::read(data.path()).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        fs::write(&path, &written[..at]).unwrap();
        Manifest::read(data.path()).unwrap_err();
    }
    fs::write(&path, "purser 2\nwhatever\n").unwrap();
    let error = Manifest::read(data.path()).unwrap_err().to_string();
    assert!(error.contains("version 2") && error.contains("version 1"), "{error}");
}

#[test]
fn a_snapshot_has_its_name_when_it_is_whole() {
    let (_temporary, _data, shard) = directory();
    for sequence in [3, 0xa83f1, 7] {
        let mut snapshot = shard.create_snapshot(sequence).unwrap();
        snapshot.write(b"what was").unwrap();
        assert!(!shard.snapshots().unwrap().contains(&sequence));
        snapshot.write(b" written").unwrap();
        snapshot.publish().unwrap();
    }
    drop(shard.create_snapshot(9).unwrap());
    assert_eq!(shard.snapshots().unwrap(), [3, 7, 0xa83f1]);
    assert_eq!(fs::read(shard.snapshot(7)).unwrap(), b"what was written");
    let names = || fs::read_dir(shard.path()).unwrap().count();
    assert_eq!(names(), 4);
    shard.remove_unfinished().unwrap();
    assert_eq!(names(), 3);
    shard.remove_snapshots_before(0xa83f1).unwrap();
    assert_eq!(shard.snapshots().unwrap(), [0xa83f1]);
    let missing = shard.open_snapshot(3).unwrap_err().to_string();
    assert!(missing.contains("snapshot-0000000000000003"), "{missing}");
}

#[test]
fn generations_that_do_not_hold_go() {
    let (temporary, data, _) = directory();
    data.shard(2, 1).unwrap();
    data.shard(3, 0).unwrap();
    data.remove_other_generations(2).unwrap();
    let there = |name: &str| temporary.path().join(name).exists();
    assert!(!there("gen-1") && there("gen-2/shard-1") && !there("gen-3"));
    assert!(data.free_bytes().unwrap() > 0);
}
