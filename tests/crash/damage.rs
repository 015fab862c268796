//! Bytes that are not as they were written: a tear at the end is cut, and anything else keeps the server from starting.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use limits::JOURNAL_BLOCK_BYTES;
use testkit::home::Home;
use testkit::message::balance;

use crate::PURSER;
use crate::files::{flip, names, used_segments};

/// A block of the disk, bytes. Each deposit here is a group of one block.
const BLOCK: u64 = JOURNAL_BLOCK_BYTES as u64;

const DEPOSITS: u64 = 10;

/// A data directory of one shard after a kill. Its one account has [`DEPOSITS`] of 1.00. Returns the segment and where
/// its use ends. The mark is behind the deposits, as it is for up to a second.
#[track_caller]
fn written() -> (Home, PathBuf, u64) {
    let home = Home::new(PURSER);
    let process = home.start(1);
    let mark = home.data().join("gen-1/shard-0/mark");
    let behind = fs::read(&mark).expect("it is there");
    process.operate("PUT default/anna", r#"{"CountryCode":"GB"}"#, 201);
    for number in 1..=DEPOSITS {
        process.operate("POST default/anna/deposits", &deposit(number), 200);
    }
    process.kill();
    fs::write(&mark, behind).expect("it is there");
    let [(segment, end)] = &used_segments(&home.data())[..] else { panic!("one segment was to be used") };
    assert!(*end >= (DEPOSITS + 2) * BLOCK, "its header, the account, and the deposits");
    let (segment, end) = (segment.clone(), *end);
    (home, segment, end)
}

fn deposit(number: u64) -> String {
    format!(r#"{{"TransactionID":"d{number}","Amount":1.00}}"#)
}

fn told(deposits: u64) -> String {
    format!(
        r#"{{"ErrorCode":0,"Balance":{{"CurrencyCode":"GBP","CashFunds":{deposits}.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":{deposits}}}}}"#
    )
}

/// A byte that is flipped at `offset` keeps the server from starting. It names the file and the place `named`.
#[track_caller]
fn check_damage(home: &Home, segment: &Path, offset: u64, named: u64) {
    flip(segment, offset);
    let before = fs::read(segment).expect("it is there");
    for shards in [1, 2] {
        let sentence = home.refusal(shards);
        let place = format!("{}, byte {named}: ", segment.display());
        assert!(
            sentence.starts_with("purser: can't recover: ") && sentence.contains(&place),
            "{place} in {sentence}"
        );
    }
    assert!(fs::read(segment).expect("it is there") == before, "what is damaged is left as it is");
    flip(segment, offset);
}

#[test]
fn a_flipped_byte_is_not_passed_over() {
    let (home, segment, end) = written();
    // In the first group, in others, and in the one before the last; in a group's head and in its records.
    for block in [1, 2, 5, end / BLOCK - 2] {
        for within in [0, 8, 40, 100, 200] {
            check_damage(&home, &segment, block * BLOCK + within, block * BLOCK);
        }
    }
    for within in [0, 9, 30] {
        check_damage(&home, &segment, within, 0);
    }
    // Flipped back, it is what was written.
    home.start(1).check(&balance("default/anna"), &told(DEPOSITS));
}

/// What was told of before the last group is there after `tear`, which damages that at `last`; what was torn may come
/// again, and stays.
#[track_caller]
fn check_tear(tear: impl Fn(&Path, u64)) {
    let (home, segment, end) = written();
    let last = end - BLOCK;
    tear(&segment, last);
    let process = home.start(1);
    let place = format!("{}, byte {last}: ", segment.display());
    let [note] = process.notes.lines().collect::<Vec<_>>()[..] else { panic!("{:?}", process.notes) };
    assert!(note.starts_with("purser: note: shard 0: the last write") && note.contains(&place), "{note}");
    process.check(&balance("default/anna"), &told(DEPOSITS - 1));
    process.operate("POST default/anna/deposits", &deposit(DEPOSITS - 1), 200);
    process.check(&balance("default/anna"), &told(DEPOSITS - 1));
    process.operate("POST default/anna/deposits", &deposit(DEPOSITS), 200);
    process.check(&balance("default/anna"), &told(DEPOSITS));
    process.kill();
    for shards in [1, 2] {
        let process = home.start(shards);
        assert!(!process.notes.contains("torn"), "{}", process.notes);
        process.check(&balance("default/anna"), &told(DEPOSITS));
        process.kill();
    }
}

/// Overwrites a file at `offset`.
fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).expect("it is there");
    file.write_all_at(bytes, offset).expect("it is written");
}

#[test]
fn a_torn_last_write_is_cut() {
    check_tear(|segment, last| flip(segment, last + 70));
    check_tear(|segment, last| overwrite(segment, last + 64, &[0; 4032]));
    check_tear(|segment, last| overwrite(segment, last, &[0; 64]));
    check_tear(|segment, last| overwrite(segment, last, &[0xa5; 4096]));
    check_tear(|segment, last| overwrite(segment, last + 96, &[0x5a; 3 * 4096]));
}

/// A last write of which nothing came to the disk leaves no trace; the rest is there.
#[test]
fn a_last_write_that_is_not_there_is_no_tear() {
    let (home, segment, end) = written();
    overwrite(&segment, end - BLOCK, &[0; 4096]);
    let process = home.start(1);
    assert_eq!(process.notes, "");
    process.check(&balance("default/anna"), &told(DEPOSITS - 1));
}

#[test]
fn a_damaged_snapshot_is_not_passed_over() {
    let (home, _, _) = written();
    // Re-sharding writes snapshots.
    home.start(2).kill();
    let names = names(&home.data());
    for snapshot in names.iter().filter(|name| name.contains("/snapshot-")) {
        for offset in [0, 20, 50] {
            flip(Path::new(snapshot), offset);
            let sentence = home.refusal(2);
            let is_named =
                sentence.starts_with("purser: can't recover: ") && sentence.contains(snapshot.as_str());
            assert!(is_named, "{offset} of {snapshot}: {sentence}");
            flip(Path::new(snapshot), offset);
        }
    }
    home.start(2).check(&balance("default/anna"), &told(DEPOSITS));
}

#[test]
fn a_damaged_manifest_is_not_passed_over() {
    let (home, _, _) = written();
    let manifest = home.data().join("manifest");
    let text = fs::read_to_string(&manifest).expect("it is there");
    for offset in 0..text.len() as u64 {
        flip(&manifest, offset);
        let sentence = home.refusal(1);
        assert!(sentence.contains(&manifest.display().to_string()), "{offset}: {sentence}");
        flip(&manifest, offset);
    }
    home.start(1).check(&balance("default/anna"), &told(DEPOSITS));
}
