//! A data directory that is new, held, moved away, or open to others.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use testkit::home::Home;
use testkit::message::balance;

use crate::PURSER;
use crate::files::{await_mark, contents, names};
use crate::missing::{deposit, told};

/// A start says that it makes a directory: a path that is not there, or that nothing is in, may be a disk that is not
/// mounted.
#[test]
fn a_new_directory_is_told_of() {
    let mut home = Home::new(PURSER);
    home.serve_from(home.beside("not/there/yet"));
    let line = |was: &str| {
        format!("purser: note: the data directory {} {was}: new data are begun in it", home.data().display())
    };
    let says = home.start(1).said.clone();
    assert!(says.lines().any(|said| said == line("was not there")), "{says}");
    assert!(!home.start(1).said.contains("new data"), "it is not new any more");

    let empty = home.beside("empty");
    fs::create_dir_all(empty.join("lost+found")).expect("it is not there");
    home.serve_from(empty);
    let says = home.start(1).said.clone();
    assert!(says.contains(" was empty: new data are begun in it"), "{says}");

    let other = home.beside("other");
    fs::create_dir(&other).expect("it is not there");
    fs::write(other.join("letter"), "mine").expect("there is room");
    home.serve_from(other);
    let sentence = home.refusal(1);
    assert!(
        sentence.contains("/other/manifest: it is missing, and the directory is not empty"),
        "{sentence}"
    );
    assert_eq!(names(&home.data()).len(), 1, "the letter, and no lock file");
}

/// A look at a machine that is killed at its probe leaves a file, and the directory is new all the same.
#[test]
fn a_doctor_that_was_killed_is_no_hindrance() {
    let home = Home::new(PURSER);
    fs::create_dir(home.data()).expect("it is not there");
    // Past its limit a file's write ends the process.
    let mut doctor = Command::new("bash");
    doctor.args(["-c", "ulimit -Sc 0 && ulimit -Sf 0 && exec \"$0\" doctor --shards 1 --data \"$1\""]);
    doctor.arg(PURSER).arg(home.data());
    let ended = doctor.output().expect("it runs").status;
    assert_eq!(ended.signal(), Some(Signal::XFSZ.as_raw()), "{ended}");
    assert_eq!(names(&home.data()).len(), 1, "its probe: {:?}", names(&home.data()));
    let says = home.start(1).said.clone();
    assert!(says.contains(" was empty: new data are begun in it"), "{says}");
}

/// A start can be ended in any moment, and a signal does so at once: a recovery may take minutes.
#[test]
fn a_signal_ends_a_start() {
    let home = Home::new(PURSER);
    home.start(1).stop();
    let before = contents(&home.data());
    let snapshot = home.data().join("gen-1/shard-0/snapshot-0000000000000000");
    for signal in [Signal::TERM, Signal::INT] {
        fs::rename(&snapshot, home.beside("snapshot")).expect("it is there");
        let pipe = mknodat(CWD, &snapshot, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
        pipe.expect("it is not there");
        let mut process = home.spawn(1);
        // Once it is open at both ends the recovery reads it, and waits for what does not come.
        let pipe = File::options().write(true).open(&snapshot).expect("it is there");
        process.signal(signal);
        let status = process.wait();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}: {}", process.last_words());
        drop(pipe);
        fs::rename(home.beside("snapshot"), &snapshot).expect("it is there");
        assert!(contents(&home.data()) == before, "what is there is left as it is");
    }
    assert_eq!(home.start(1).stop(), "");
}

/// The lock file is put back, and another server is refused before and after.
#[test]
fn a_lock_file_that_is_removed_lets_nobody_in() {
    let home = Home::new(PURSER);
    let process = home.start(1);
    let lock = home.data().join("purser.lock");
    for replace in [false, true] {
        fs::remove_file(&lock).expect("it is there");
        if replace {
            fs::write(&lock, "1\n").expect("there is room");
        }
        let sentence = home.refusal(1);
        assert!(
            sentence.contains("can't use the data directory") && sentence.contains(" uses it"),
            "{sentence}"
        );
        let ours = format!("{}\n", process.id());
        crate::files::await_names(&home.data(), "the lock file", |_| {
            fs::read_to_string(&lock).is_ok_and(|text| text == ours)
        });
        let sentence = home.refusal(1);
        assert!(sentence.contains(&format!("process {} uses it", process.id())), "{sentence}");
    }
    process.operate("PUT default/anna", r#"{"CountryCode":"GB"}"#, 201);
    let words = process.stop();
    let [first, second] = words.lines().collect::<Vec<_>>()[..] else { panic!("{words}") };
    assert!(
        first == second && first.contains("the lock file of ") && first.ends_with("was put back"),
        "{words}"
    );
    home.start(1).operate("GET default/anna", "", 200);
}

/// Another server could start at the path; so this one ends.
#[test]
fn a_directory_that_is_moved_away_is_not_served_from() {
    for replace in [false, true] {
        let home = Home::new(PURSER);
        let mut process = home.start(1);
        process.operate("PUT default/anna", r#"{"CountryCode":"GB"}"#, 201);
        fs::rename(home.data(), home.beside("away")).expect("it is there");
        if replace {
            fs::create_dir(home.data()).expect("it is not there");
        }
        let code = process.wait().code();
        let words = process.last_words();
        assert_eq!(code, Some(74), "{words}");
        let lost = format!("{} is not any more what this server serves from", home.data().display());
        assert!(words.contains(&lost), "{words}");
        if replace {
            fs::remove_dir(home.data()).expect("nothing is in it");
        }
        fs::rename(home.beside("away"), home.data()).expect("it is there");
        home.start(1).operate("GET default/anna", "", 200);
    }
}

/// A start asks for all of it; so this server ends, and does not go on to acknowledge what no other finds.
#[test]
fn files_that_are_served_from_stay_what_they_are() {
    let account = "default/anna";
    for name in ["manifest", "gen-1/shard-0/mark", "gen-1/shard-0/segment-00000001.journal"] {
        for replace in [false, true] {
            let home = Home::new(PURSER);
            let mut process = home.start(1);
            process.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
            await_mark(&home.data().join("gen-1/shard-0"), 1);
            deposit(&process, account, 1);
            // It has looked at the segment since the first record was in it.
            await_mark(&home.data().join("gen-1/shard-0"), 2);
            let (path, away) = (home.data().join(name), home.beside("away"));
            if replace {
                fs::copy(&path, home.beside("copy")).expect("there is room");
            }
            fs::rename(&path, &away).expect("it is there");
            if replace {
                fs::rename(home.beside("copy"), &path).expect("nothing is there");
            }
            let code = process.wait().code();
            let words = process.last_words();
            assert_eq!(code, Some(74), "{words}");
            let lost = format!("{} is not any more what this server serves from", path.display());
            assert!(words.contains(&lost), "{words}");
            fs::rename(&away, &path).expect("it is there");
            home.start(1).check(&balance(account), &told(1));
        }
    }
}

#[track_caller]
fn check_modes(data: &Path) {
    let all = names(data).into_iter().chain([data.display().to_string()]);
    for name in all {
        let metadata = fs::metadata(&name).expect("it is there");
        let expect = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o7777, expect, "{name}");
    }
}

#[test]
fn nobody_else_reads_the_data() {
    let mut home = Home::new(PURSER);
    home.start(2).stop();
    check_modes(&home.data());
    // Made by the operator, and for everybody.
    let open = home.beside("open");
    fs::create_dir(&open).expect("it is not there");
    fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("it is ours");
    home.serve_from(open);
    home.start(1).kill();
    check_modes(&home.data());
    for name in names(&home.data()).iter().filter(|name| Path::new(name).is_dir()) {
        fs::set_permissions(name, Permissions::from_mode(0o755)).expect("it is ours");
    }
    fs::set_permissions(home.data(), Permissions::from_mode(0o750)).expect("it is ours");
    let process = home.start(2);
    assert!(process.notes.contains("the accounts of 1 shard are re-sharded to 2"), "{}", process.notes);
    process.stop();
    check_modes(&home.data());
}
