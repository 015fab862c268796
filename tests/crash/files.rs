//! What is in a data directory, as the file system shows it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use limits::{FILE_STEP_BYTES, JOURNAL_BLOCK_BYTES};

/// All files and directories below, by their paths. What goes away meanwhile is left out.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        found.push(entry.path().display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(names(&entry.path()));
        }
    }
    found.sort_unstable();
    found
}

/// Waits until the names in a data directory are so.
#[track_caller]
pub(crate) fn await_names(path: &Path, what: &str, are_so: impl Fn(&[String]) -> bool) {
    // Many times longer than anything takes.
    for _ in 0..2_000_000 {
        if are_so(&names(path)) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{what} does not come: {:?}", names(path));
}

/// The segments in a data directory that have something in them, and where that ends, at a block's end.
pub(crate) fn used_segments(data: &Path) -> Vec<(PathBuf, u64)> {
    let segments = names(data).into_iter().filter(|name| name.ends_with(".journal"));
    let used = segments.map(|name| {
        let end = end_of_use(&File::open(&name).expect("it is there"));
        (PathBuf::from(name), end)
    });
    used.filter(|(_, end)| *end > 0).collect()
}

/// Where a file's zeros begin that last to its end.
fn end_of_use(file: &File) -> u64 {
    let zeros = vec![0; FILE_STEP_BYTES];
    let mut step = vec![0; FILE_STEP_BYTES];
    let mut end = file.metadata().expect("it is there").len();
    while end > 0 {
        let start = (end - 1) / FILE_STEP_BYTES as u64 * FILE_STEP_BYTES as u64;
        let step = &mut step[..(end - start) as usize];
        file.read_exact_at(step, start).expect("it is that long");
        if step != &zeros[..step.len()] {
            let blocks = step.chunks(JOURNAL_BLOCK_BYTES);
            let used = blocks.rev().skip_while(|block| **block == zeros[..block.len()]).count();
            return start + (used * JOURNAL_BLOCK_BYTES) as u64;
        }
        end = start;
    }
    0
}

/// A copy of a data directory in which nothing of a segment but what is used takes room.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("it is not there");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().expect("it is there").is_dir() {
            self::copy(&path, &copy);
            continue;
        }
        let file = File::open(&path).expect("it is there");
        let length = file.metadata().expect("it is there").len();
        let used =
            if path.extension().is_some_and(|of| of == "journal") { end_of_use(&file) } else { length };
        let mut bytes = vec![0; used as usize];
        file.read_exact_at(&mut bytes, 0).expect("it is that long");
        fs::write(&copy, bytes).expect("there is room");
        OpenOptions::new()
            .write(true)
            .open(&copy)
            .expect("it is there")
            .set_len(length)
            .expect("there is room");
    }
}

/// What is in a data directory: names, lengths, modes and contents. The lock file is left out, which each start writes.
pub(crate) fn contents(data: &Path) -> Vec<(String, u64, u32, u128)> {
    let mut found = Vec::new();
    for name in names(data).into_iter().filter(|name| !name.ends_with("purser.lock")) {
        let file = File::open(&name).expect("it is there");
        let metadata = file.metadata().expect("it is there");
        let mut hash = 0;
        if metadata.is_file() {
            let used = if name.ends_with(".journal") { end_of_use(&file) } else { metadata.len() };
            let mut bytes = vec![0; used as usize];
            file.read_exact_at(&mut bytes, 0).expect("it is that long");
            hash = xxhash_rust::xxh3::xxh3_128(&bytes);
        }
        found.push((name, if metadata.is_file() { metadata.len() } else { 0 }, metadata.mode(), hash));
    }
    found
}

/// The sequence that a mark says to be durable, by the slot that holds.
fn marked(mark: &[u8]) -> u64 {
    let number =
        |slot: &[u8], at: usize| u64::from_le_bytes(slot[at..at + 8].try_into().expect("eight bytes"));
    let slots = mark.chunks(JOURNAL_BLOCK_BYTES);
    slots.max_by_key(|slot| number(slot, 40)).map_or(0, |slot| number(slot, 32))
}

/// Waits until the mark in a shard's directory says that this record is durable. It is written once a second.
#[track_caller]
pub(crate) fn await_mark(shard: &Path, sequence: u64) {
    for _ in 0..2_000_000 {
        if fs::read(shard.join("mark")).is_ok_and(|mark| marked(&mark) >= sequence) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("record {sequence} is not marked in {}", shard.display());
}

/// Changes a byte of a file.
pub(crate) fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("it is that long");
    file.write_all_at(&[byte[0] ^ 0x40], offset).expect("it is written");
}
