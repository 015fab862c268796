use journal::snapshot::Sink as _;
use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;

use super::FileError;
use super::directory::{DataDirectory, ShardDirectory};
use super::generations;
use super::hold::Hold;
use super::manifest::Manifest;
use super::segments::{JournalEnd, Segments};
use journal::reader::ReadError;
use journal::{Group, Journal, Origin, Point, SegmentSource, Tail, replay};
use limits::JOURNAL_BLOCK_BYTES;
use wallet::account::AccountRef;
use wallet::operation::{self, Operation};
use wallet::outcome::Receipt;

const ORIGIN: Origin = Origin { stream: 77, shard: 0, shards: 1 };
const BLOCK: u64 = JOURNAL_BLOCK_BYTES as u64;

/// A header and three blocks.
const SEGMENT_BYTES: u64 = 4 * BLOCK;

fn directory() -> (tempfile::TempDir, DataDirectory, ShardDirectory) {
    let temporary = tempfile::tempdir().unwrap();
    let mut data = DataDirectory::lock(temporary.path()).unwrap();
    data.make_lock_file().unwrap();
    data.begin_generation(1).unwrap();
    let shard = data.make_shard(1, 0).unwrap();
    (temporary, data, shard)
}

/// Reads the shard's journal: how many records there are after `from`, and its end.
fn read_back(shard: &ShardDirectory, from: Point) -> (usize, Tail) {
    let sources = shard.segments().unwrap().into_iter().map(|number| SegmentSource {
        number,
        name: shard.segment(number).display().to_string(),
        read: move |room| shard.read_segment(number, SEGMENT_BYTES, room),
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
    open_after(shard, tail, || Ok(()))
}

/// The same, where `begin` comes before the first write.
fn open_after(
    shard: &ShardDirectory,
    tail: &Tail,
    begin: impl FnMut() -> Result<(), FileError> + Send + 'static,
) -> (Segments, mpsc::Receiver<()>) {
    let before = tail.closed.last().map(|segment| segment.number);
    let end = JournalEnd { next: tail.next, before, is_torn: tail.torn.is_some() };
    let (ready, readies) = mpsc::channel();
    let ready = move || {
        let _ = ready.send(());
    };
    (Segments::open(shard.clone(), end, SEGMENT_BYTES, begin, ready).unwrap(), readies)
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
    journal.append(
        5,
        &Operation::StartSession(operation::StartSession { account, key: "k" }),
        &Receipt::default(),
    );
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
    let mut segments = open(&shard, &tail);
    assert_eq!(read_back(&shard, Point::START), (1, Tail { torn: None, ..tail }));
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
    DataDirectory::lock(&path).unwrap_err();
    fs::create_dir(&path).unwrap();
    let mut held = DataDirectory::lock(&path).unwrap();
    assert_eq!(below(&path), [""; 0], "nothing is made in it by that");
    let refused = DataDirectory::lock(&path).unwrap_err().to_string();
    assert!(refused.contains("another process uses it"), "{refused}");
    held.make_lock_file().unwrap();
    let refused = DataDirectory::lock(&path).unwrap_err().to_string();
    assert!(refused.contains(path.to_str().unwrap()), "{refused}");
    assert!(refused.contains(&format!("process {} uses it", std::process::id())), "{refused}");
    drop(held);
    // As a program does that looks at the lock file alone: before this one looks for it, and between that and the making.
    let take = || {
        let taken = File::create(path.join("purser.lock")).unwrap();
        rustix::fs::flock(&taken, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        taken
    };
    let taken = take();
    assert!(DataDirectory::lock(&path).unwrap_err().to_string().contains("another process uses it"));
    drop(taken);
    fs::remove_file(path.join("purser.lock")).unwrap();
    let mut held = DataDirectory::lock(&path).unwrap();
    let taken = take();
    assert!(held.make_lock_file().unwrap_err().to_string().contains("another process uses it"));
    drop(taken);
    held.make_lock_file().unwrap();
}

#[test]
fn a_manifest_is_read_as_it_was_written_or_not_at_all() {
    let (temporary, data, _) = directory();
    assert_eq!(Manifest::read(data.path()).unwrap(), None);
    for manifest in [
        Manifest::new(1, 0, 1, true),
        Manifest { format: 1, ..Manifest::new(0, 7, 2, true) },
        Manifest::new(u64::MAX, u64::MAX, 64, false),
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
    let check = |before: &str, expect: &str| {
        let checksum = xxhash_rust::xxh3::xxh3_128(before.as_bytes());
        fs::write(&path, format!("{before}checksum {checksum:032x}\n")).unwrap();
        let error = Manifest::read(data.path()).unwrap_err().to_string();
        assert!(error.contains(expect) && !error.contains(char::is_control), "{error:?}");
    };
    check("purser 3\nwhatever\n", "a later version of purser wrote it");
    let remedy = "restore the whole data directory from a backup";
    for damaged in [
        "",
        "purser \x1b[2J\n",
        "purser 2\ngeneration x\n",
        "purser 2\ngeneration 1\nstream 7\nshards 99\ndemo true\n",
    ] {
        check(damaged, remedy);
    }
    for damaged in [&b""[..], b"purser \x1b[2J\n", b"\0\0\0\0", b"\xff\xfe", "purser 2\né".as_bytes()] {
        fs::write(&path, damaged).unwrap();
        let error = Manifest::read(data.path()).unwrap_err().to_string();
        assert!(error.contains(remedy) && !error.contains(char::is_control), "{error:?}");
    }
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
    let unfinished = shard.create_snapshot(9).unwrap();
    let names = || fs::read_dir(shard.path()).unwrap().count();
    assert_eq!(names(), 4);
    drop(unfinished);
    assert_eq!(names(), 3);
    // As a process that was killed leaves it; and what no server has made.
    for left in ["snapshot-0000000000000009.new", "segment-00000009.journal.new", "mark.new", "notes.new"] {
        fs::write(shard.path().join(left), "left").unwrap();
    }
    assert_eq!(shard.snapshots().unwrap(), [3, 7, 0xa83f1]);
    assert_eq!(fs::read(shard.snapshot(7)).unwrap(), b"what was written");
    shard.remove_unfinished().unwrap();
    assert!(fs::exists(shard.path().join("notes.new")).unwrap());
    assert_eq!(names(), 4);
    shard.remove_snapshots_before(0xa83f1).unwrap();
    assert_eq!(shard.snapshots().unwrap(), [0xa83f1]);
    let missing = shard.open_snapshot(3).unwrap_err().to_string();
    assert!(missing.contains("snapshot-0000000000000003"), "{missing}");
}

/// Everything below a directory, by its name.
fn below(path: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(below(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        }
        names.push(name);
    }
    names.sort();
    names
}

#[test]
fn what_a_generation_is_made_of_goes_and_nothing_else() {
    let (temporary, data, shard) = directory();
    shard.create_segment(1, SEGMENT_BYTES).unwrap();
    shard.create_snapshot(7).unwrap().publish().unwrap();
    shard.create_mark(b"mark").unwrap();
    data.make_shard(1, 1).unwrap();
    fs::create_dir(temporary.path().join("gen-01")).unwrap();
    fs::write(shard.path().join("segment-1.journal"), "of somebody else").unwrap();
    assert!(!data.remove_generation(1).unwrap());
    let left = [
        "gen-01",
        "gen-1",
        "gen-1/shard-0",
        "gen-1/shard-0/segment-1.journal",
        "gen-1/unfinished",
        "purser.lock",
    ];
    assert_eq!(below(temporary.path()), left);
    fs::remove_file(shard.path().join("segment-1.journal")).unwrap();
    assert!(data.remove_generation(1).unwrap());
    assert_eq!(below(temporary.path()), ["gen-01", "purser.lock"]);
}

#[test]
fn a_later_generation_is_one_that_nothing_was_served_from() {
    let (temporary, data, _) = directory();
    data.begin_generation(2).unwrap();
    fs::create_dir(temporary.path().join("gen-5")).unwrap();
    // As a start leaves it that is killed before it says so.
    fs::write(temporary.path().join("gen-5/unfinished.new"), "").unwrap();
    assert_eq!(generations::unfinished_after(data.path(), 0).unwrap(), [1, 2, 5]);
    assert_eq!(generations::unfinished_after(data.path(), 1).unwrap(), [2, 5]);
    data.make_shard(2, 0).unwrap();
    data.finish_generation(2).unwrap();
    assert_eq!(generations::unfinished_after(data.path(), 2).unwrap(), [5]);
    let error = generations::unfinished_after(data.path(), 1).unwrap_err().to_string();
    assert!(error.contains("gen-2: it is later than generation 1"), "{error}");
    let error = data.begin_generation(2).unwrap_err().to_string();
    assert!(error.contains("gen-2: files are in it that this program has not made"), "{error}");
}

#[test]
fn what_the_manifest_names_has_to_be_there() {
    let (temporary, data, shard) = directory();
    let manifest = Manifest::new(1, 7, 2, false);
    let check = |expect: &str| {
        let error = generations::check_generation(temporary.path(), &manifest).unwrap_err().to_string();
        assert!(error.contains(expect) && error.contains("from a backup"), "{expect}: {error}");
    };
    check("gen-1/shard-0: it is empty");
    shard.create_mark(b"mark").unwrap();
    check("gen-1/shard-0: it has no snapshot");
    shard.create_snapshot(0).unwrap().publish().unwrap();
    check("gen-1/shard-1: it is missing");
    data.make_shard(1, 1).unwrap().create_snapshot(0).unwrap().publish().unwrap();
    check("gen-1/shard-1/mark: it is missing");
    let without = Manifest { format: 1, ..manifest };
    generations::check_generation(temporary.path(), &without).unwrap();
    data.shard(1, 1).create_mark(b"mark").unwrap();
    generations::check_generation(temporary.path(), &manifest).unwrap();
}

#[test]
fn a_directory_is_empty_where_nothing_could_be_missed() {
    let temporary = tempfile::tempdir().unwrap();
    let data = DataDirectory::lock(temporary.path()).unwrap();
    fs::create_dir(temporary.path().join("lost+found")).unwrap();
    for of_ours in ["manifest.new", ".purser-probe-77"] {
        fs::write(temporary.path().join(of_ours), "").unwrap();
    }
    assert!(data.is_empty().unwrap());
    for other in ["manifest", "gen-1", "a file"] {
        fs::write(temporary.path().join(other), "").unwrap();
        assert!(!data.is_empty().unwrap(), "{other}");
        fs::remove_file(temporary.path().join(other)).unwrap();
    }
    assert!(data.is_empty().unwrap() && data.space().unwrap().free_bytes > 0);
}

#[test]
fn the_hold_on_a_directory_is_looked_after() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    fs::create_dir(&path).unwrap();
    let mut held = DataDirectory::lock(&path).unwrap();
    held.make_lock_file().unwrap();
    let lock = path.join("purser.lock");
    assert!(matches!(held.check_hold().unwrap(), Hold::Held));
    fs::remove_file(&lock).unwrap();
    let refused = DataDirectory::lock(&path).unwrap_err().to_string();
    assert!(refused.contains("another process uses it"), "{refused}");
    assert!(matches!(held.check_hold().unwrap(), Hold::PutBack));
    assert!(matches!(held.check_hold().unwrap(), Hold::Held));
    // As a program does that looks at the lock file alone.
    fs::remove_file(&lock).unwrap();
    let taken = File::create(&lock).unwrap();
    rustix::fs::flock(&taken, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    assert!(matches!(held.check_hold().unwrap(), Hold::Taken));
    drop(taken);
    assert!(matches!(held.check_hold().unwrap(), Hold::PutBack));
    Manifest::new(1, 7, 1, false).write(&path).unwrap();
    held.begin_generation(1).unwrap();
    held.make_shard(1, 0).unwrap().create_mark(b"mark").unwrap();
    held.serve_from(1, 1).unwrap();
    let away = temporary.path().join("away");
    for served in ["gen-1/shard-0", "gen-1/shard-0/mark", "manifest"].map(|name| path.join(name)) {
        assert!(matches!(held.check_hold().unwrap(), Hold::Held));
        fs::rename(&served, &away).unwrap();
        assert!(matches!(held.check_hold().unwrap(), Hold::Lost(lost) if lost == served));
        fs::write(&served, "mark").unwrap();
        assert!(matches!(held.check_hold().unwrap(), Hold::Lost(lost) if lost == served));
        fs::remove_file(&served).unwrap();
        fs::rename(&away, &served).unwrap();
    }
    fs::rename(&path, &away).unwrap();
    assert!(matches!(held.check_hold().unwrap(), Hold::Lost(lost) if lost == path));
    fs::create_dir(&path).unwrap();
    assert!(matches!(held.check_hold().unwrap(), Hold::Lost(lost) if lost == path));
    DataDirectory::lock(&path).unwrap();
}

/// What was read has to be durable, and so has what says that the shard writes, before anything is written.
#[test]
fn nothing_is_written_before_the_start_has_begun() {
    let (_temporary, _data, shard) = directory();
    let mut journal = Journal::new(ORIGIN, Point::START);
    let (allow, allowed) = mpsc::channel();
    let begin = move || match allowed.try_recv() {
        Ok(()) => Ok(()),
        Err(_) => Err(FileError {
            action: "write",
            path: "the mark".into(),
            error: std::io::ErrorKind::ReadOnlyFilesystem.into(),
        }),
    };
    let mut segments = open_after(&shard, &read_back(&shard, Point::START).1, begin);
    let trouble = segments.0.trouble();
    assert!(trouble.get().expect("it can't begin").contains("the mark"));
    let group = group(&mut journal);
    assert!(segments.0.write(&group).unwrap().is_none());
    allow.send(()).unwrap();
    write_group(&mut segments, &group);
    assert_eq!(trouble.get(), None);
    assert_eq!(read_back(&shard, Point::START).1.last, journal.last());
}

/// A sync that failed has lost what it was to keep.
#[test]
fn a_start_that_can_not_sync_what_it_read_is_over() {
    let (_temporary, _data, shard) = directory();
    let begin = || {
        let error = std::io::Error::other("a bad sector");
        Err(FileError { action: "sync", path: "the mark".into(), error })
    };
    let tail = read_back(&shard, Point::START).1;
    let end = JournalEnd { next: tail.next, before: None, is_torn: false };
    let failed = Segments::open(shard, end, SEGMENT_BYTES, begin, || ()).unwrap_err().to_string();
    assert!(failed.contains("can't sync the mark: a bad sector"), "{failed}");
}
