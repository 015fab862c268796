//! What is in a data directory, as the file system shows it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use purser::limits::{FILE_STEP_BYTES, JOURNAL_BLOCK_BYTES};

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

/// Makes the segments end soon after what is in them, so that a shard comes to the next ones.
pub(crate) fn shorten_segments(data: &Path) {
    for (path, end) in used_segments(data) {
        let file = OpenOptions::new().write(true).open(&path).expect("it is there");
        let length = file.metadata().expect("it is there").len();
        file.set_len(length.min(end + 16 * JOURNAL_BLOCK_BYTES as u64)).expect("it is cut");
    }
}

/// Changes a byte of a file.
pub(crate) fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("it is that long");
    file.write_all_at(&[byte[0] ^ 0x40], offset).expect("it is written");
}
