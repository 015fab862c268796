//! Files that move while they are read.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use super::*;
use crate::directory::DataDirectory;
use ::history::{Counts, Header, Summary};
use journal::Origin;
use journal::snapshot::Sink as _;

const BYTES: u64 = limits::SEGMENT_BYTES as u64;

/// A data directory of one shard with these segments: the first byte of each, and the last.
fn directory(segments: &[(u8, u8)]) -> (tempfile::TempDir, ShardDirectory) {
    let dir = tempfile::tempdir().unwrap();
    Manifest::new(1, 7, 1, false).write(dir.path()).unwrap();
    let data = DataDirectory::lock(dir.path()).unwrap();
    data.begin_generation(1).unwrap();
    let shard = data.make_shard(1, 0).unwrap();
    shard.create_mark(b"mark").unwrap();
    shard.create_snapshot(0).unwrap().publish().unwrap();
    for (number, (first, last)) in (1..).zip(segments) {
        write(&shard, number, *first, *last);
    }
    (dir, shard)
}

fn write(shard: &ShardDirectory, number: u32, first: u8, last: u8) {
    let options = File::options().write(true).create(true).truncate(false).open(shard.segment(number));
    let file = options.unwrap();
    file.set_len(BYTES).unwrap();
    file.write_all_at(&[first], 0).unwrap();
    file.write_all_at(&[last], BYTES - 1).unwrap();
}

/// The first and the last byte of each segment, as they are read.
fn read(shard: &OpenedShard) -> Vec<(u8, u8)> {
    let read = shard.segments.iter().map(|segment| segment.read(Buffer::new()).unwrap());
    read.map(|bytes| (bytes[0], bytes[BYTES as usize - 1])).collect()
}

fn opened(dir: &Path) -> OpenedShard {
    open(dir).unwrap().unwrap().shards.pop().unwrap()
}

#[test]
fn what_began_after_the_opening_is_not_read() {
    let (dir, files) = directory(&[(1, 1), (2, 0), (0, 0), (0, 9)]);
    let shard = opened(dir.path());
    assert_eq!(read(&shard), [(1, 1), (2, 0), (0, 0), (0, 9)], "a torn beginning is told of");
    write(&files, 2, 2, 2);
    write(&files, 3, 3, 3);
    assert_eq!(read(&shard), [(1, 1), (2, 2), (0, 0), (0, 9)]);
    let place = |segment, offset| Place { segment, offset };
    assert!(shard.has_grown(place(3, 0)).unwrap());
    assert!(!shard.has_grown(place(2, limits::JOURNAL_BLOCK_BYTES as u64)).unwrap());
    assert!(!shard.has_grown(place(5, 0)).unwrap());
    write(&files, 5, 5, 5);
    assert!(shard.has_grown(place(5, 0)).unwrap());
}

#[test]
fn what_was_opened_outlives_its_removal() {
    let (dir, files) = directory(&[(1, 1), (2, 2)]);
    let mut first = files.create_snapshot(3).unwrap();
    first.write(b"first").unwrap();
    first.publish().unwrap();
    let shard = opened(dir.path());
    files.create_snapshot(9).unwrap().publish().unwrap();
    files.remove_snapshots_before(9).unwrap();
    files.remove_segments(&[1, 2]).unwrap();
    assert_eq!(read(&shard), [(1, 1), (2, 2)]);
    let mut room = [0; 8];
    assert_eq!(shard.snapshot.unwrap().read_at(0, &mut room).unwrap(), 5);
    assert_eq!(opened(dir.path()).segments.len(), 0);
}

#[test]
fn what_has_left_memory_is_opened_by_its_list() {
    let (dir, files) = directory(&[(1, 1)]);
    assert!(opened(dir.path()).past.is_none());
    let origin = Origin { stream: 7, shard: 0, shards: 1 };
    let header = Header { origin, number: 3 };
    let summary = Summary { header, bytes: 5, checksum: 0, counts: Counts::default() };
    let entry = FileEntry { summary, clamp_ms: None };
    let list = FileList { files: vec![entry], ..FileList::default() };
    files.write_history_list(&list.to_bytes()).unwrap();
    let name = files.history_file(HistoryName::of_entry(&entry));
    let before = opened(dir.path());
    fs::write(&name, b"round").unwrap();
    let shard = opened(dir.path());
    assert_eq!(shard.bytes(), before.bytes() + 5);
    fs::remove_file(&name).unwrap();
    let past = shard.past.unwrap();
    assert_eq!(past.list().unwrap(), &list);
    let mut room = [0; 5];
    let (known, file) = past.files().next().unwrap().unwrap();
    file.read_exactly_at(0, &mut room).unwrap();
    assert_eq!((known, &room), (&entry, b"round"), "it outlives its removal");
    let missing = before.past.unwrap().files().next().unwrap().unwrap_err().to_string();
    assert!(missing.contains("it is missing, and the list of the history names it"), "{missing}");
    fs::write(files.history_list(), b"no list").unwrap();
    let past = opened(dir.path()).past.unwrap();
    assert!(past.list().is_err() && past.files().next().is_none());
}

#[test]
fn what_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    assert!(open(dir.path()).unwrap().is_none());
    Manifest::new(0, 7, 2, false).write(dir.path()).unwrap();
    assert!(open(dir.path()).unwrap().is_none());
    Manifest::new(4, 7, 2, false).write(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("gen-4: it is missing, and the manifest names it"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    Manifest::new(4, 7, 0, false).write(dir.path()).unwrap();
    assert!(open(dir.path()).unwrap_err().to_string().contains("it says 0 shards"));
}

#[test]
fn a_segment_that_is_cut_is_not_read() {
    let (dir, files) = directory(&[(1, 1)]);
    File::options().write(true).open(files.segment(1)).unwrap().set_len(BYTES - 1).unwrap();
    let error = opened(dir.path()).segments[0].read(Buffer::new()).unwrap_err().to_string();
    assert!(error.contains("it ends at byte 67108863, and a segment has 67108864 bytes"), "{error}");
}
