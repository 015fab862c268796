//! The corpus: a folder of files for each target.

use std::fs;
use std::path::Path;

use crate::Target;

/// The files of a target's folder, in the order of their names, each with its name; and the seeds that are made.
///
/// # Panics
/// Where the folder can't be read.
pub fn of(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file of the corpus").path()).collect();
    paths.sort();
    let file = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    };
    let mut all: Vec<_> = paths.iter().map(file).collect();
    all.extend((target.seeds)().into_iter().zip(0..).map(|(bytes, at)| (format!("made-{at:03}"), bytes)));
    all
}
