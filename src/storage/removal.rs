//! Large files that go while groups are to become durable.

use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::file::{self, FileError};

/// Removes a large file while groups are to become durable: it is cut a step at a time. What a file system gives back at once it
/// may discard at once (`mount -o discard`), and the disk serves nobody meanwhile. `false` where somebody has it open, who may
/// read all of it: then nothing is done.
pub(super) fn remove_in_steps(path: &Path) -> Result<bool, FileError> {
    let whole = || file::remove(path).map(|()| true);
    let mut options = OpenOptions::new();
    // A link is removed, and not what it leads to.
    let opened =
        options.write(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32).open(path);
    let Ok(opened) = opened else { return whole() };
    let found = opened.metadata().map_err(FileError::of("look at", path))?;
    // What has another name, too, is kept under that.
    if !found.is_file() || found.nlink() > 1 || found.len() <= limits::REMOVE_STEP_BYTES {
        return whole();
    }
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        // Of a file system that can't lock nobody knows who reads.
        Err(_) => return whole(),
        Ok(()) => {}
    }
    // A kill meanwhile leaves nothing under its name; a start removes what has this one.
    let going = file::temporary(path);
    if file::publish(path, &going).is_err() {
        // There may be no room for another name.
        file::remove(&going)?;
        return whole();
    }
    // Under its old name it can't be linked any more.
    let found = opened.metadata().map_err(FileError::of("look at", &going))?;
    if found.nlink() > 1 {
        return file::remove(&going).map(|()| true);
    }
    let mut length = found.len();
    while length > limits::REMOVE_STEP_BYTES {
        length -= limits::REMOVE_STEP_BYTES;
        let cut = opened.set_len(length).and_then(|()| opened.sync_data());
        if cut.is_err() {
            // What is left goes at once, and that says what is wrong.
            break;
        }
        thread::sleep(Duration::from_millis(limits::REMOVE_STEP_MS));
    }
    file::remove(&going).map(|()| true)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::file::OpenFile;

    const BYTES: u64 = 2 * limits::REMOVE_STEP_BYTES + 1;

    fn large(path: PathBuf) -> PathBuf {
        File::create(&path).and_then(|file| file.set_len(BYTES)).unwrap();
        path
    }

    #[test]
    fn what_somebody_reads_or_has_by_another_name_is_not_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let small = path("small");
        fs::write(&small, "small").unwrap();
        for gone in [large(path("large")), small, path("missing")] {
            assert!(remove_in_steps(&gone).unwrap(), "{gone:?}");
        }
        let (linked, other) = (large(path("linked")), path("other"));
        fs::hard_link(&linked, &other).unwrap();
        assert!(remove_in_steps(&linked).unwrap());
        assert_eq!(other.metadata().unwrap().len(), BYTES);
        assert_eq!(file::names(dir.path()).unwrap(), ["other"]);
        // A link is not what it leads to.
        symlink(&other, path("link")).unwrap();
        assert!(remove_in_steps(&path("link")).unwrap());
        assert_eq!(other.metadata().unwrap().len(), BYTES);
        let reader = OpenFile::open(other.clone()).unwrap();
        let third = path("third");
        fs::hard_link(&other, &third).unwrap();
        assert!(remove_in_steps(&third).unwrap(), "another name is no reader's");
        assert!(!remove_in_steps(&other).unwrap());
        let mut room = vec![1; BYTES as usize];
        reader.read_exactly_at(0, &mut room).unwrap();
        drop(reader);
        assert!(remove_in_steps(&other).unwrap());
        assert!(file::names(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn what_is_being_removed_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = large(dir.path().join("file"));
        let removing = File::open(&path).unwrap();
        rustix::fs::flock(&removing, FlockOperation::NonBlockingLockExclusive).unwrap();
        let error = OpenFile::open(path.clone()).unwrap_err();
        assert_eq!(error.error.kind(), ErrorKind::NotFound);
        drop(removing);
        assert!(OpenFile::open(path).is_ok());
    }

    /// Whoever opens a file while it goes has all of it, or nothing.
    #[test]
    fn a_reader_never_has_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !ends.load(Ordering::Relaxed) {
                        match OpenFile::open(path.clone()) {
                            Ok(reader) => assert!(reader.read_exactly_at(BYTES - 1, &mut [0]).is_ok()),
                            Err(error) => assert_eq!(error.error.kind(), ErrorKind::NotFound),
                        }
                    }
                });
            }
            for _ in 0..200 {
                let made = large(dir.path().join("made"));
                fs::rename(made, &path).unwrap();
                while !remove_in_steps(&path).unwrap() {}
            }
            ends.store(true, Ordering::Relaxed);
        });
    }
}
