//! What was folded and waits for its archive: it is archived before it is removed, whatever becomes of the archive meanwhile, and
//! serving does not depend on it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use purser::data::{Archived, Archiver, ShardFiles, retire};
use storage::directory::DataDirectory;
use storage::manifest::Manifest;
use testkit::home::Home;

use super::{ACCOUNTS, SHORT, Told, archive, await_archived, begin, copy, export, home, seal, verify};
use crate::files::{await_names, flip, names};

const FOLDED: &str = "\n[storage]\nsnapshot_segments = 1\n";

/// Serves while the archive is held by another process, until so many segments are folded and wait. Returns where the
/// export stood before each.
#[track_caller]
fn wait(home: &Home, told: &mut Told, segments: std::ops::RangeInclusive<usize>) -> Vec<usize> {
    let root = archive(home);
    fs::create_dir_all(&root).expect("it can be made");
    let held = File::create(root.join("lock")).expect("there is room");
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).expect("nobody holds it");
    let mut from = Vec::new();
    for number in segments {
        from.push(told.0.len());
        let mut process = seal(home, told);
        assert!(process.next_line().contains("another process uses it"));
        await_names(&home.data(), "a snapshot", |names| {
            let is_snapshot = |name: &&String| name.contains("/snapshot-") && !name.ends_with(".new");
            names.iter().filter(is_snapshot).count() == number + 1
        });
        process.stop();
    }
    from
}

/// An export has all that was told from `from` on.
#[track_caller]
fn check_since(home: &Home, told: &Told, from: usize) {
    let (lines, _) = export(home, &[]);
    for (account, id, _) in &told.0[from..] {
        let parts = [format!("\"account\":\"{account}\""), format!("\"transaction\":\"{id}\"")];
        let is_there = lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(is_there, "{account}, {id} of {} lines", lines.len());
    }
}

fn segment(home: &Home, number: u32) -> PathBuf {
    home.data().join(format!("gen-1/shard-0/segment-{number:08}.journal"))
}

fn with_suffix(root: &Path, suffix: &str) -> Vec<String> {
    names(root).into_iter().filter(|name| name.ends_with(suffix)).collect()
}

/// An archive that has lost its last file takes nothing more; what waits is in the one that is begun in its place.
#[test]
fn what_waits_is_in_the_archive_that_is_begun_anew() {
    let (home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let process = seal(&home, &mut told);
    await_archived(&home, 1, 1);
    process.kill();
    let root = archive(&home);
    let last = names(&root.join("generation-1/shard-0")).pop().expect("it is there");
    fs::remove_file(last).expect("it is there");
    let from = told.0.len();
    let mut process = seal(&home, &mut told);
    assert!(process.next_line().contains("a file is missing"));
    process.stop();
    let (all, _) = export(&home, &["--no-archive"]);
    assert!(all.len() >= told.0.len() - from, "{} lines", all.len());
    fs::remove_dir_all(&root).expect("it is there");
    fs::remove_file(home.data().join("archived")).expect("it is there");
    let process = home.start(1);
    await_archived(&home, 1, 2);
    assert_eq!(process.stop(), "");
    verify(&home, 0);
    check_since(&home, &told, from);
}

/// A start reads nothing of a segment that waits for the archive alone: `verify` does, and the archive does not take it.
#[test]
fn a_damaged_segment_that_waits_does_not_keep_a_server_from_serving() {
    let (home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    wait(&home, &mut told, 1..=1);
    flip(&segment(&home, 1), 100_000);
    let mut process = home.start(1);
    let said = process.next_line();
    assert!(said.contains("can't be archived, and stays") && said.contains("segment-00000001"), "{said}");
    told.pay(&process, 1);
    process.stop();
    let text = home.verify(1);
    assert!(text.contains("segment-00000001"), "{text}");
    assert!(segment(&home, 1).exists());
    flip(&segment(&home, 1), 100_000);
    let process = home.start(1);
    await_archived(&home, 1, 1);
    assert_eq!(process.stop(), "");
    told.check(&export(&home, &[]).0, 0);
}

/// A kill came when all was archived and nothing was removed, and then a disk has failed: what is here still is archived again.
#[test]
fn a_damaged_archived_file_is_written_again_while_its_source_is_there() {
    let (home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    wait(&home, &mut told, 1..=1);
    let (served, kept) = (home.data().join("gen-1"), home.beside("gen-1"));
    copy(&served, &kept);
    let process = home.start(1);
    await_archived(&home, 1, 1);
    process.stop();
    fs::remove_dir_all(&served).expect("it is there");
    fs::rename(&kept, &served).expect("it is there");
    let root = archive(&home);
    let files = with_suffix(&root, ".zst");
    assert_eq!(files.len(), 2, "{files:?}");
    for path in &files {
        flip(Path::new(path), fs::metadata(path).expect("it is there").len() - 1);
    }
    let mut process = home.start(1);
    for _ in 0..2 {
        let said = process.next_line();
        assert!(said.contains("was damaged, and is written again"), "{said}");
    }
    await_archived(&home, 1, 1);
    process.stop();
    assert_eq!(with_suffix(&root, ".damaged").len(), 2);
    verify(&home, 0);
    told.check(&export(&home, &[]).0, 0);
}

/// Without an archive a kill may leave segments whose snapshot is gone: an archive that is begun later can't have them, and
/// nothing removes them.
#[test]
fn what_comes_before_the_archive_is_kept_aside() {
    let (home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let from = wait(&home, &mut told, 1..=2)[1];
    let first = names(&home.data()).into_iter().find(|name| name.contains("/snapshot-"));
    fs::remove_file(first.expect("it is there")).expect("it is there");
    let mut process = home.start(1);
    let said = process.next_line();
    assert!(said.contains("segment-00000001.journal.unarchived"), "{said}");
    await_archived(&home, 1, 2);
    assert_eq!(process.stop(), "");
    assert!(home.data().join("gen-1/shard-0/segment-00000001.journal.unarchived").exists());
    verify(&home, 0);
    check_since(&home, &told, from);
    home.verify(0);
}

/// What is let go of is what is archived: nothing that still waits is left without what it follows.
#[test]
fn expiry_leaves_what_is_still_to_be_followed() {
    let (mut home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let checkpoint = export(&home, &[]).1;
    let from = wait(&home, &mut told, 1..=2)[1];
    let later = |now_ms: u64, flip_at: Option<u32>| {
        let directory = DataDirectory::lock(&home.data()).expect("no server runs");
        let manifest = Manifest::read(&home.data()).expect("it is whole").expect("it is there");
        let files = ShardFiles::of(&directory, manifest, 0);
        let archiver = Archiver::new(archive(&home), home.data(), manifest, Some(8));
        if let Some(number) = flip_at {
            flip(&files.directory.segment(number), 100_000);
        }
        let retired = retire(&files, Some(&archiver), 3, &mut Archived::default(), &mut || ());
        archiver.expire(now_ms, &mut Archived::default()).expect("it can be read");
        if let Some(number) = flip_at {
            flip(&files.directory.segment(number), 100_000);
        }
        retired.map_err(|error| error.to_string())
    };
    for number in [1, 2] {
        let sentence = later(u64::MAX, Some(number)).expect_err("it is damaged");
        assert!(sentence.contains(&format!("segment-0000000{number}")), "{sentence}");
    }
    assert_eq!(later(0, None), Ok(()));
    check_since(&home, &told, from);
    verify(&home, 0);
    home.configure(&[("default", "GBP")], FOLDED);
    let process = home.start(1);
    told.pay(&process, 1);
    process.stop();
    check_since(&home, &told, from);
    // What followed the checkpoint has gone, and that is no damage.
    let output = home.look("export", &["--since", &checkpoint]);
    let words = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.code() == Some(1) && words.contains("is not all there any more"), "{words}");
    assert!(told.0.len() > from + ACCOUNTS.len());
}
