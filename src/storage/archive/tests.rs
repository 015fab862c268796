//! An archived file gives back what was put into it, and any change of it is damage.

use std::fs;
use std::path::Path;

use super::*;
use journal::{Buffer, Origin, Point, RecordHash};

const ORIGIN: Origin = Origin { stream: 7, shard: 1, shards: 2 };

fn point(sequence: u64) -> Point {
    Point { sequence, hash: RecordHash::from_bits(u128::from(sequence) << 70) }
}

fn header(bytes: u64) -> ArchivedHeader {
    ArchivedHeader {
        kind: ArchivedKind::Segment,
        origin: ORIGIN,
        number: 3,
        before: point(4),
        last: point(9),
        last_ms: 1_700_000_000_000,
        bytes,
    }
}

fn contents(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 27) as u8).collect()
}

fn archived(dir: &Path, bytes: usize) -> (ArchivedShard, ArchivedName) {
    let archive = Archive::at(dir.join("archive"));
    archive.make().expect("there is room");
    let (shard, name) = (archive.shard(1, 1), ArchivedName::Segment(5));
    let mut writer = shard.create(name, header(bytes as u64)).expect("there is room");
    for chunk in contents(bytes).chunks(limits::ARCHIVE_CHUNK_BYTES) {
        writer.write(chunk).expect("there is room");
    }
    let length = writer.publish().expect("there is room");
    assert_eq!(length, shard.file(name).metadata().expect("it is there").len());
    (shard, name)
}

#[test]
fn what_was_archived_is_read_back() {
    for bytes in [0, 1, limits::ARCHIVE_CHUNK_BYTES, 3 * limits::ARCHIVE_CHUNK_BYTES + 5] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (shard, name) = archived(dir.path(), bytes);
        assert_eq!(shard.files().expect("it is there"), [name]);
        let file = shard.open(name).expect("it is there");
        assert_eq!(file.header(), header(bytes as u64));
        let read = file.read_segment(Buffer::new()).expect("it is whole");
        assert!(read.len() == limits::SEGMENT_BYTES && read[..bytes] == contents(bytes)[..]);
        assert!(read[bytes..].iter().all(|byte| *byte == 0));
    }
}

/// The file is one of zstd's, for who has nothing else to read it.
#[test]
fn zstd_reads_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bytes = 2 * limits::ARCHIVE_CHUNK_BYTES + 77;
    let (shard, name) = archived(dir.path(), bytes);
    let file = fs::File::open(shard.file(name)).expect("it is there");
    assert!(zstd::decode_all(file).expect("it is zstd's") == contents(bytes));
}

#[test]
fn any_change_is_damage() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (shard, name) = archived(dir.path(), limits::ARCHIVE_CHUNK_BYTES + 99);
    let path = shard.file(name);
    let whole = fs::read(&path).expect("it is there");
    let check = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).expect("there is room");
        let read = shard.open(name).and_then(|file| file.read_segment(Buffer::new()));
        let sentence = read.expect_err(what).to_string();
        let parts = ["segment-0000000000000005.zst: byte ", "restore it from a copy of the archive"];
        assert!(parts.iter().all(|part| sentence.contains(part)), "{what}: {sentence}");
    };
    for at in (0..300).chain((300..whole.len()).step_by(997)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        check(&bytes, &format!("byte {at}"));
    }
    for length in [0, 100, 128, 170, whole.len() - 1] {
        check(&whole[..length], &format!("{length} bytes"));
    }
    check(&[&whole[..], b"x"].concat(), "a byte more");
    fs::remove_file(&path).expect("it is there");
    let sentence = shard.open(name).err().expect("it is not there").to_string();
    assert!(sentence.contains("it is missing: restore it"), "{sentence}");
    // Nobody writes into this: whoever opens it waits without end, unless told not to.
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).expect("there is room");
    let sentence = shard.open(name).err().expect("it is no file").to_string();
    assert!(sentence.contains("it is no regular file: restore it from a copy of the archive"), "{sentence}");
}

/// What was opened is read though it has gone meanwhile, as often as it is asked for.
#[test]
fn what_is_kept_outlives_its_name() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bytes = limits::ARCHIVE_CHUNK_BYTES + 5;
    let (mut shard, name) = archived(dir.path(), bytes);
    assert_eq!(shard.keep(&[name], 0).expect("none is opened"), 0);
    let others = shard.clone();
    assert_eq!(shard.keep(&[name], 9).expect("it is there"), 1);
    shard.remove(name).expect("it is there");
    let files = [0; 2].map(|_| shard.open(name).expect("it is open"));
    for file in files {
        let read = file.read_segment(Buffer::new()).expect("it is whole");
        assert!(read[..bytes] == contents(bytes)[..]);
    }
    assert!(others.open(name).is_err());
}

#[test]
fn names_and_their_order() {
    let names = [
        ArchivedName::Base(0),
        ArchivedName::Segment(1),
        ArchivedName::Snapshot(0xab),
        ArchivedName::Segment(0xac),
        ArchivedName::Segment(0x1_0000),
    ];
    let dir = tempfile::tempdir().expect("a temporary directory");
    let archive = Archive::at(dir.path().to_owned());
    let shard = archive.shard(12, 3);
    assert_eq!(shard.files().expect("nothing is there"), []);
    fs::create_dir_all(shard.path()).expect("there is room");
    for name in names.iter().rev() {
        fs::write(shard.file(*name), "").expect("there is room");
    }
    for other in ["segment-1.zst", "segment-0000000000000000.zst", "notes", "base-0000000000000000.zst.new"] {
        fs::write(shard.path().join(other), "").expect("there is room");
    }
    assert_eq!(shard.files().expect("they are there"), names);
    assert_eq!(archive.generations().expect("it is there"), [12]);
    assert_eq!(archive.shards(12).expect("it is there"), [3]);
    shard.remove_unfinished().expect("it is removed");
    assert!(
        shard.path().join("notes").exists() && !shard.path().join("base-0000000000000000.zst.new").exists()
    );
    shard.rebase(0xab).expect("it is there");
    assert!(shard.files().expect("they are there").contains(&ArchivedName::Base(0xab)));
}

#[test]
fn an_end_is_read_back_and_its_change_is_damage() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let archive = Archive::at(dir.path().join("archive"));
    assert_eq!(archive.first().expect("nothing is there"), None);
    archive.make().expect("there is room");
    assert!(archive.set_first(4).expect_err("it is not begun").to_string().contains("it is missing"));
    for (said, expect) in [(3, 3), (4, 4), (2, 4)] {
        if archive.first().expect("it can be read").is_none() {
            archive.write_manifest(ArchiveManifest { stream: 0xfe, first: said }).expect("there is room");
        }
        archive.set_first(said).expect("there is room");
        let expect = ArchiveManifest { stream: 0xfe, first: expect };
        assert_eq!(archive.manifest().expect("it is there"), Some(expect), "it goes on, and never back");
    }
    let end =
        GenerationEnd { stream: 0xfe, last: vec![point(8), Point::START], platforms: vec!["L100".into()] };
    assert_eq!(archive.end(4).expect("it is not there"), None);
    archive.write_end(4, &end).expect("there is room");
    assert_eq!(archive.end(4).expect("it is there"), Some(end));
    for path in [archive.end_path(4), archive.path().join("manifest")] {
        let whole = fs::read(&path).expect("it is there");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).expect("there is room");
            assert!(archive.end(4).is_err() || archive.first().is_err(), "byte {at} of {}", path.display());
        }
        fs::write(&path, whole).expect("there is room");
    }
    let held = archive.hold().expect("nobody holds it");
    assert!(archive.hold().expect_err("it is held").to_string().contains("another process uses it"));
    drop(held);
}

#[test]
fn what_the_data_know_of_their_archive_is_read_back_and_its_change_is_damage() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(ArchiveBegun::read(dir.path()).expect("nothing is there"), None);
    let begun = ArchiveBegun { stream: 0xfe, generation: 3, covers: vec![0, 77] };
    begun.write(dir.path()).expect("there is room");
    assert_eq!(ArchiveBegun::read(dir.path()).expect("it is there"), Some(begun));
    let path = ArchiveBegun::path(dir.path());
    let whole = fs::read(&path).expect("it is there");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).expect("there is room");
        assert!(ArchiveBegun::read(dir.path()).is_err(), "byte {at}");
    }
    ArchiveBegun::remove(dir.path()).expect("it is there");
    assert_eq!(ArchiveBegun::read(dir.path()).expect("it is gone"), None);
}

/// Another name is found for each file that is set aside, and none of them is taken for one of the archive.
#[test]
fn what_is_damaged_is_kept_aside() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (number, ending) in [(1, "damaged"), (2, "damaged-2"), (3, "damaged-3")] {
        let (shard, name) = archived(dir.path(), number);
        let aside = shard.set_aside(name).expect("it is there");
        assert_eq!(aside.display().to_string(), format!("{}.{ending}", shard.file(name).display()));
        assert!(aside.exists() && !shard.file(name).exists());
        assert_eq!(shard.files().expect("it can be read"), []);
    }
}

/// Whoever may make a directory in another one need not be allowed to list that.
#[test]
fn an_archive_below_what_can_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let set = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode));
    set(0o300).expect("it is ours");
    let made = Archive::at(dir.path().join("archive")).make();
    set(0o700).expect("it is ours");
    made.expect("it may be written to");
    assert!(dir.path().join("archive").is_dir());
}
