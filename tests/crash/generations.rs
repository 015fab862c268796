//! Generations: an earlier or a later one beside the one that the manifest names. A start removes the one that it has
//! superseded, and none that may hold later data.

use std::fs;
use std::path::Path;

use testkit::home::Home;
use testkit::message::balance;

use crate::PURSER;
use crate::files::{contents, copy};
use crate::missing::{DEPOSITS, ENDS, SHARDS, Served, accounts, check_served, deposit, empty, told};

/// Data of two times, one over the other.
#[test]
fn a_backup_is_copied_over_later_data() {
    for is_stopped in ENDS {
        let served = Served::new(is_stopped);
        let home = served.copy();
        let process = home.start(1);
        accounts().iter().for_each(|account| deposit(&process, account, DEPOSITS + 1));
        if is_stopped {
            process.stop();
        } else {
            process.kill();
        }
        for name in ["gen-1", "manifest"] {
            let (from, to) = (served.home.data().join(name), home.data().join(name));
            if name == "gen-1" {
                copy(&from, &to);
            } else {
                fs::copy(from, to).expect("it is there");
            }
        }
        let before = contents(&home.data());
        let text = home.verify(1);
        assert!(text.contains("/data/gen-2: it is later than generation 1"), "{text}");
        for shards in [SHARDS, 1] {
            let sentence = home.refusal(shards);
            assert!(
                sentence.contains("/data/gen-2: ") && sentence.contains("was a backup copied over"),
                "{sentence}"
            );
            assert!(contents(&home.data()) == before, "nothing is removed");
        }
        // One of the two is moved away.
        fs::rename(home.data().join("gen-2"), home.beside("later")).expect("it is there");
        check_served(&home, DEPOSITS);
    }
}

/// Data of a later generation, made of a copy of `served`: one shard.
#[track_caller]
fn resharded(served: &Served) -> Home {
    let home = served.copy();
    home.start(1).stop();
    assert!(!home.data().join("gen-1").exists(), "it is superseded");
    home
}

/// The manifest of an older backup may have the higher number: nothing says that it has superseded what is there.
#[test]
fn a_later_generation_of_a_backup_is_copied_over_data() {
    let served = Served::new(true);
    let backup = resharded(&served);
    let home = served.copy();
    let process = home.start(SHARDS);
    accounts().iter().for_each(|account| deposit(&process, account, DEPOSITS + 1));
    process.stop();
    let fresh = fs::read(home.data().join("manifest")).expect("it is there");
    let before = contents(&home.data().join("gen-1"));
    copy(&backup.data().join("gen-2"), &home.data().join("gen-2"));
    fs::copy(backup.data().join("manifest"), home.data().join("manifest")).expect("it is there");
    for shards in [1, SHARDS, SHARDS] {
        let text = home.verify(0);
        assert!(text.contains("generation 1 is left in "), "{text}");
        let process = home.start(shards);
        let notes: Vec<_> =
            process.notes.lines().filter(|line| line.contains("generation 1 is left in ")).collect();
        assert!(notes.len() == 1 && notes[0].starts_with("purser: note: "), "{}", process.notes);
        accounts().iter().for_each(|account| process.check(&balance(account), &told(DEPOSITS)));
        process.stop();
        assert!(contents(&home.data().join("gen-1")) == before, "it is left as it is");
        let is_resharded = shards == SHARDS;
        assert_eq!(home.data().join("gen-2").exists(), !is_resharded, "it is superseded");
    }
    // Nothing of it is lost.
    fs::rename(home.data().join("gen-3"), home.beside("backup")).expect("it is there");
    // It has what the generations of the backup were, which is another history.
    fs::rename(home.data().join("archive"), home.beside("archive of the backup")).expect("it is there");
    fs::remove_file(home.data().join("archived")).expect("it is there");
    fs::write(home.data().join("manifest"), fresh).expect("it is there");
    check_served(&home, DEPOSITS + 1);
}

/// A start that is killed between the manifest and the end of the removal leaves the rest to the next.
#[test]
fn a_start_is_killed_while_it_removes_what_it_has_superseded() {
    let served = Served::new(true);
    let later = resharded(&served);
    let earlier = served.home.data().join("gen-1");
    let stages: [fn(&Path); 3] =
        [|_| (), |earlier| fs::remove_dir_all(earlier.join("shard-0")).expect("it is there"), empty];
    for stage in stages {
        let home = Home::new(PURSER);
        copy(&later.data(), &home.data());
        copy(&earlier, &home.data().join("gen-1"));
        stage(&home.data().join("gen-1"));
        fs::write(home.data().join("gen-2/unfinished"), "").expect("there is room");
        let text = home.verify(0);
        assert!(!text.contains("is left"), "{text}");
        let process = home.start(1);
        assert_eq!(process.notes, "");
        process.stop();
        assert!(!home.data().join("gen-1").exists() && !home.data().join("gen-2/unfinished").exists());
        check_served(&home, DEPOSITS);
    }
    // What can't be removed is no hindrance.
    let home = later;
    fs::write(home.data().join("gen-1"), "mine").expect("there is room");
    fs::write(home.data().join("gen-2/unfinished"), "").expect("there is room");
    let process = home.start(1);
    assert!(process.notes.contains("generation 1 is left in "), "{}", process.notes);
    process.stop();
    assert!(!home.data().join("gen-2/unfinished").exists());
    home.verify(0);
}

/// What this program has not made keeps the name of the next generation, and keeps nothing else.
#[test]
fn a_file_of_somebody_else_is_in_an_unfinished_generation() {
    let served = Served::new(true);
    let home = served.copy();
    let unfinished = home.data().join("gen-2");
    copy(&served.home.data().join("gen-1"), &unfinished);
    fs::write(unfinished.join("unfinished"), "").expect("there is room");
    fs::write(unfinished.join(".DS_Store"), "mine").expect("there is room");
    for _ in 0..2 {
        let sentence = home.refusal(1);
        let what = "/data/gen-2: files are in it that this program has not made";
        assert!(sentence.contains(what) && sentence.contains("move it away"), "{sentence}");
        let process = home.start(SHARDS);
        assert!(process.notes.contains("generation 2 is left in "), "{}", process.notes);
        process.stop();
        assert_eq!(fs::read_to_string(unfinished.join(".DS_Store")).expect("it is there"), "mine");
    }
    fs::rename(&unfinished, home.beside("theirs")).expect("it is there");
    check_served(&home, DEPOSITS);
}

/// A generation that was begun and from which nothing was served goes; the one before it when its successor holds.
#[test]
fn what_nothing_was_served_from_is_made_anew() {
    let served = Served::new(true);
    let home = served.copy();
    let unfinished = home.data().join("gen-2");
    copy(&served.home.data().join("gen-1"), &unfinished);
    fs::write(unfinished.join("unfinished"), "").expect("there is room");
    check_served(&home, DEPOSITS);
    let home = served.copy();
    fs::create_dir(home.data().join("gen-2")).expect("it is not there");
    check_served(&home, DEPOSITS);
    // The first of all, as a kill leaves it.
    let home = Home::new(PURSER);
    home.start(1).kill();
    let manifest = fs::read_to_string(home.data().join("manifest")).expect("it is there");
    let text: String =
        manifest.lines().take(5).map(|line| line.replace("generation 1", "generation 0") + "\n").collect();
    let checksum = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
    fs::write(home.data().join("manifest"), format!("{text}checksum {checksum:032x}\n"))
        .expect("it is there");
    let sentence = home.refusal(1);
    assert!(sentence.contains("/data/gen-1: it is later than generation 0"), "{sentence}");
    home.verify(1);
    fs::write(home.data().join("gen-1/unfinished"), "").expect("there is room");
    home.start(2).operate("PUT default/anna", r#"{"CountryCode":"GB"}"#, 201);
}
