//! The archive: what was folded and re-sharded is there from the first record on, whatever is killed or forgotten meanwhile; and
//! what is damaged or missing there is told of.

mod waiting;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use testkit::home::{Home, Server};

use crate::PURSER;
use crate::disk::Mounted;
use crate::files::{await_names, copy, flip, names};
use crate::fill::{create_fillers, fill_segments};

pub(crate) const ACCOUNTS: [&str; 3] = ["default/anna", "default/bert", "default/cleo"];

/// What a server was told, as whoever asked wrote it down: account, transaction, and the balance after it in pounds.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Vec<(String, String, u32)>);

impl Told {
    /// Pays a pound into each account, so many times.
    #[track_caller]
    pub(crate) fn pay(&mut self, process: &Server, times: usize) {
        for _ in 0..times {
            for account in ACCOUNTS {
                let number = self.0.iter().filter(|(of, _, _)| of == account).count() as u32 + 1;
                let body = format!(r#"{{"TransactionID":"d-{number}","Amount":1.00}}"#);
                process.operate(&format!("POST {account}/deposits"), &body, 200);
                self.0.push((account.to_owned(), format!("d-{number}"), number));
            }
        }
    }

    /// An export from `from` on has what was told, once, and in each account's order.
    #[track_caller]
    pub(crate) fn check(&self, lines: &[String], from: usize) {
        for account in ACCOUNTS {
            let of_account = |of: &str| of == account;
            let told: Vec<String> = self.0[from..]
                .iter()
                .filter(|(of, _, _)| of_account(of))
                .map(|(_, id, pounds)| {
                    format!(
                        r#""account":"{account}","number":{pounds},"type":"deposit","round":null,"transaction":"{id}","amount":1.00,"currency":"GBP","balance_after":{pounds}.00,"#
                    )
                })
                .collect();
            let exported: Vec<&String> =
                lines.iter().filter(|line| line.contains(&format!("\"account\":\"{account}\""))).collect();
            assert_eq!(exported.len(), told.len(), "{account}: {exported:#?}");
            for (line, told) in exported.iter().zip(told) {
                assert!(line.contains(&told), "{told} in {line}");
            }
        }
        assert_eq!(lines.len(), self.0.len() - from);
    }
}

/// Transactions are remembered for a millisecond.
pub(crate) const SHORT: &str = "\n[rounds]\nretention_ms = 1\n";

/// A home whose shards fold each segment, with these further sections of its file.
pub(crate) fn home(sections: &str) -> Home {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], &format!("\n[storage]\nsnapshot_segments = 1\n{sections}"));
    home
}

#[track_caller]
pub(crate) fn begin(home: &Home, told: &mut Told) {
    let process = home.start(1);
    ACCOUNTS.iter().for_each(|account| process.put_account(account));
    create_fillers(&process);
    told.pay(&process, 2);
    assert_eq!(process.stop(), "");
}

/// Lets a shard come to its next segment: what is before it is sealed.
#[track_caller]
pub(crate) fn seal(home: &Home, told: &mut Told) -> Server {
    fill_segments(&home.data());
    let process = home.start(1);
    told.pay(&process, 10);
    process
}

fn archive(home: &Home) -> PathBuf {
    home.data().join("archive")
}

/// Waits until no segment before this one is left where a server serves from.
#[track_caller]
pub(crate) fn await_archived(home: &Home, generation: u64, number: u32) {
    let gone = format!("gen-{generation}/shard-0/segment-{number:08}.journal");
    await_names(&home.data(), "the archive", |names| !names.iter().any(|name| name.ends_with(&gone)));
}

/// Exports, with the checkpoint apart.
#[track_caller]
pub(crate) fn export(home: &Home, arguments: &[&str]) -> (Vec<String>, String) {
    let output = home.look("export", arguments);
    let words = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{words}");
    let checkpoint = words.trim_start_matches("purser: checkpoint: ").trim_end().to_owned();
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (text.lines().map(String::from).collect(), checkpoint)
}

/// `verify --archive` ends with this code. Returns what it writes.
#[track_caller]
fn verify(home: &Home, code: i32) -> String {
    let output = home.look("verify", &["--archive"]);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// A directory in which one shard has served, then two, then three, with all that was told and the place of a checkpoint in it.
fn lived(sections: &str) -> (Home, Told, String, usize) {
    let (home, mut told) = (home(sections), Told::default());
    begin(&home, &mut told);
    let process = seal(&home, &mut told);
    await_archived(&home, 1, 1);
    assert_eq!(process.stop(), "");
    told.check(&export(&home, &[]).0, 0);
    let process = home.start(2);
    told.pay(&process, 2);
    let (lines, checkpoint) = export(&home, &[]);
    told.check(&lines, 0);
    let at = told.0.len();
    told.pay(&process, 1);
    process.kill();
    let process = home.start(3);
    told.pay(&process, 3);
    assert_eq!(process.stop(), "");
    (home, told, checkpoint, at)
}

#[test]
fn history_is_whole_across_folds_and_other_numbers_of_shards() {
    // Whether the snapshots of later generations remember what was before or not.
    for sections in ["", SHORT] {
        check_whole(sections);
    }
}

#[track_caller]
fn check_whole(sections: &str) {
    let (home, told, checkpoint, at) = lived(sections);
    told.check(&export(&home, &[]).0, 0);
    let (new, later) = export(&home, &["--since", &checkpoint]);
    told.check(&new, at);
    told.check(&export(&home, &["--since", &later]).0, told.0.len());
    let text = verify(&home, 0);
    for line in [
        "archive, generation 1, shard 0: records 1 to ",
        "archive, generation 2, shard 1: ",
        "generation 3, shard 2: ",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // Each account's story begins with its first record.
    for account in ACCOUNTS {
        let output = home.look("explain", &["--account", account]);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let deposits = text.lines().filter(|line| line.contains(": deposit transaction d-")).count();
        assert_eq!(deposits, told.0.len() / ACCOUNTS.len(), "{text}");
        assert!(text.contains("base-0000000000000000.zst: not there yet"), "{text}");
        let output = home.look("explain", &["--account", account, "--no-archive"]);
        assert!(!String::from_utf8(output.stdout).expect("UTF-8").contains("transaction d-1 "));
    }
    let (without, _) = export(&home, &["--no-archive"]);
    assert_eq!(without.len() < told.0.len(), sections == SHORT, "{without:#?}");
    for name in names(&archive(&home)) {
        let found = fs::metadata(&name).expect("it is there");
        let mode = if found.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(found.mode() & 0o777, mode, "{name}");
    }
}

/// A server that is killed on a file's way into the archive, or before what it was made of is removed, goes on where it was.
#[test]
fn kills_on_the_way_into_the_archive() {
    let (home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let stages: [fn(&str) -> bool; 3] = [
        |name| name.contains("/archive/") && name.ends_with(".zst.new"),
        |name| name.contains("/archive/") && name.contains("/base-"),
        |name| name.contains("/archive/") && name.contains("/segment-") && name.ends_with(".zst"),
    ];
    let (checkpoint, exported) = (export(&home, &[]).1, told.0.len());
    for (at, stage) in stages.into_iter().enumerate() {
        let before = names(&home.data());
        let process = seal(&home, &mut told);
        if at != 1 {
            await_names(&home.data(), "a file", |now| {
                now.iter().any(|name| stage(name) && !before.contains(name))
                    || !now.iter().any(|name| name.ends_with(&format!("segment-{:08}.journal", at + 1)))
            });
        }
        process.kill();
        // What was torn is cut by a start.
        let process = home.start(1);
        await_archived(&home, 1, at as u32 + 1);
        assert_eq!(process.stop(), "");
    }
    let left = names(&archive(&home));
    assert!(!left.iter().any(|name| name.ends_with(".new")), "{left:?}");
    told.check(&export(&home, &[]).0, 0);
    // What an earlier export had read last was folded since.
    told.check(&export(&home, &["--since", &checkpoint]).0, exported);
    verify(&home, 0);
}

/// On a full disk nothing is archived, and nothing is lost; once it has room again the rest follows.
#[test]
fn the_disk_of_the_archive_is_full() {
    let Some(disk) = Mounted::new(16) else { return };
    let (mut home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let other = disk.fill();
    let elsewhere = disk.path().join("archive");
    let sections = format!("\n[storage]\nsnapshot_segments = 1\narchive = {elsewhere:?}\n");
    home.configure(&[("default", "GBP")], &sections);
    let mut process = seal(&home, &mut told);
    let said = process.next_line();
    assert!(said.contains("can't be archived, and stays") && said.contains("No space left"), "{said}");
    assert!(home.data().join("gen-1/shard-0/segment-00000001.journal").exists());
    process.kill();
    // Neither is a generation left that can't be.
    let sentence = home.refusal(2);
    assert!(sentence.contains("No space left"), "{sentence}");
    assert!(!home.data().join("gen-2").exists());
    fs::remove_file(other).expect("it is there");
    let process = home.start(1);
    await_archived(&home, 1, 1);
    assert_eq!(process.stop(), "");
    assert_eq!(home.start(2).stop(), "");
    let place = format!("--archive={}", elsewhere.display());
    assert!(home.look("verify", &[&place]).status.success());
    told.check(&export(&home, &[&place]).0, 0);
}

/// What can't be archived stays, which is said once, and counted; and it is archived when it can be.
#[test]
fn what_can_not_be_archived_stays() {
    let (mut home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let elsewhere = home.beside("elsewhere");
    // Something is in the way that no server has made.
    fs::create_dir(&elsewhere).expect("it is not there");
    fs::write(elsewhere.join("generation-1"), "mine").expect("there is room");
    let sections = format!("\n[storage]\nsnapshot_segments = 1\narchive = {elsewhere:?}\n");
    home.configure(&[("default", "GBP")], &sections);
    let mut process = seal(&home, &mut told);
    let said = process.next_line();
    assert!(
        said.starts_with("purser: what was folded can't be archived, and stays until it can: "),
        "{said}"
    );
    let segment = home.data().join("gen-1/shard-0/segment-00000001.journal");
    assert!(segment.exists());
    let says = process.await_ready(200);
    assert!(says.contains("What was folded can't be archived"), "{says}");
    let metric = |process: &Server, name: &str| process.operator().metrics().get(name).copied();
    let failures = metric(&process, r#"purser_archive_failures_total{shard="0"}"#);
    assert!(failures.is_some_and(|failures| failures >= 1.0), "{failures:?}");
    fs::remove_file(elsewhere.join("generation-1")).expect("it is there");
    await_archived(&home, 1, 1);
    assert_eq!(process.stop(), "", "it is not said again");
    assert!(!archive(&home).exists(), "it is elsewhere");
    let place = format!("--archive={}", elsewhere.display());
    assert!(home.look("verify", &[&place]).status.success());
    told.check(&export(&home, &[&place]).0, 0);
}

/// What is archived leaves the reserve of a disk that it shares with the data, and waits for another process to let go of the archive.
#[test]
fn what_can_be_archived_later() {
    let (mut home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let elsewhere = home.beside("elsewhere");
    fs::create_dir(&elsewhere).expect("it is not there");
    let held = fs::File::create(elsewhere.join("lock")).expect("there is room");
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).expect("nobody holds it");
    let configure = |home: &mut Home, reserve_mib: u64| {
        let sections = format!(
            "\n[storage]\nsnapshot_segments = 1\narchive = {elsewhere:?}\nreserve_mib = {reserve_mib}\n"
        );
        home.configure(&[("default", "GBP")], &sections);
    };
    configure(&mut home, 1);
    let mut process = seal(&home, &mut told);
    let said = process.next_line();
    assert!(
        said.contains("can't be archived, and stays") && said.contains("another process uses it"),
        "{said}"
    );
    process.kill();
    drop(held);
    configure(&mut home, limits::RESERVE_MIB_MAX);
    let mut process = home.start(1);
    let mut said = process.next_line();
    if said.contains("nothing is changed any more") {
        said = process.next_line();
    }
    let parts = ["can't be archived, and stays", "MiB free that the snapshot may take", "beyond the reserve"];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    assert!(!names(&elsewhere).iter().any(|name| name.ends_with(".zst")));
    process.kill();
    configure(&mut home, 1);
    let process = home.start(1);
    await_archived(&home, 1, 1);
    assert_eq!(process.stop(), "");
    told.check(&export(&home, &[&format!("--archive={}", elsewhere.display())]).0, 0);
}

/// Without an archive what was folded is gone.
#[test]
fn no_archive_is_kept_where_none_is_wanted() {
    let (mut home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    home.configure(&[("default", "GBP")], "\n[storage]\nsnapshot_segments = 1\narchive_days = 0\n");
    let process = seal(&home, &mut told);
    await_archived(&home, 1, 1);
    assert_eq!(process.stop(), "");
    assert_eq!(home.start(2).stop(), "");
    assert!(!archive(&home).exists());
    let text = verify(&home, 1);
    assert!(text.contains("there is no archive in "), "{text}");
    // One that is begun later is not left with a gap.
    home.configure(&[("default", "GBP")], "\n[storage]\nsnapshot_segments = 1\n");
    assert_eq!(home.start(1).stop(), "");
    verify(&home, 0);
    home.configure(&[("default", "GBP")], "\n[storage]\nsnapshot_segments = 1\narchive_days = 0\n");
    let sentence = home.refusal(1);
    assert!(sentence.contains("archive_days is 0, and there is an archive in "), "{sentence}");
}

/// After this damage `verify --archive` says so, with the file; what is served does not need it.
#[track_caller]
fn check_damage(home: &Home, what: &str, damage: impl FnOnce(&Path), path: &Path, parts: &[&str]) {
    let (kept, is_file) = (home.beside("kept"), path.is_file());
    if is_file {
        fs::copy(path, &kept).expect("there is room");
    } else {
        copy(path, &kept);
    }
    damage(path);
    let text = verify(home, 1);
    let name = path.display().to_string();
    for part in parts.iter().copied().chain([name.as_str(), "restore it from a copy of the archive"]) {
        assert!(text.contains(part), "{what}: {part:?} in {text}");
    }
    if is_file {
        fs::rename(&kept, path).expect("there is room");
    } else {
        let _ = fs::remove_dir_all(path);
        fs::rename(&kept, path).expect("there is room");
    }
}

#[test]
fn what_is_damaged_or_missing_in_the_archive() {
    let (mut home, told, _, _) = lived(SHORT);
    let root = archive(&home);
    let remove = |path: &Path| fs::remove_file(path).expect("it is there");
    let first = root.join("generation-1/shard-0");
    let segments: Vec<PathBuf> =
        names(&first).into_iter().map(PathBuf::from).filter(|path| path.is_file()).collect();
    assert!(segments.len() >= 3, "{segments:?}");
    let base = first.join("base-0000000000000000.zst");
    check_damage(&home, "no base", |_| remove(&base), &first, &["the snapshot base-"]);
    for path in segments.iter().filter(|path| **path != base) {
        // The one before it ends too early for the next, or for the end of the generation.
        let away = path.with_extension("away");
        fs::rename(path, &away).expect("it is there");
        let text = verify(&home, 1);
        assert!(text.contains("archive, generation 1, shard 0: DAMAGED: "), "{text}");
        fs::rename(&away, path).expect("it is there");
    }
    for path in &segments {
        for at in [0, 60, path.metadata().expect("it is there").len() - 1] {
            check_damage(&home, "a flipped byte", |path| flip(path, at), path, &["byte "]);
        }
        let cut = |path: &Path| {
            let file = fs::OpenOptions::new().write(true).open(path).expect("it is there");
            file.set_len(200).expect("it is there");
        };
        check_damage(&home, "a cut file", cut, path, &["byte "]);
    }
    let end = root.join("generation-1/end");
    check_damage(&home, "no end", remove, &end, &["it is missing"]);
    flip(&base, 200);
    let output = home.look("export", &[]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && words.contains(&base.display().to_string()), "{words}");
    home.verify(0);
    flip(&base, 200);
    check_damage(&home, "another end", |path| flip(path, 40), &end, &["byte 0: it is not as it was written"]);
    let remove_all = |_: &Path| fs::remove_dir_all(root.join("generation-2")).expect("it is there");
    let second = root.join("generation-2");
    let kept = home.beside("second");
    copy(&second, &kept);
    remove_all(&second);
    let text = verify(&home, 1);
    assert!(text.contains("generation-2/end: it is missing"), "{text}");
    fs::rename(&kept, &second).expect("it is there");
    verify(&home, 0);
    told.check(&export(&home, &[]).0, 0);
    // A server does not need it. All of this may have taken a while.
    home.argue("--after-pause", true);
    fs::remove_dir_all(&root).expect("it is there");
    // It may have said so by then.
    home.start(3).stop();
    home.verify(0);
    verify(&home, 1);
}

/// With this of its archive gone or changed a server serves, says so, and lets what it folds wait; nothing is begun in its place, no
/// command takes what is left for the whole, and the accounts are not re-sharded.
#[track_caller]
fn check_lost(home: &Home, what: &str, path: &Path, lose: impl FnOnce(&Path)) {
    let kept = home.beside("kept");
    fs::rename(path, &kept).expect("it is there");
    lose(path);
    let before = names(&archive(home));
    let mut process = home.start(1);
    let said = process.next_line();
    assert!(said.contains("what was folded can't be archived, and stays until it can: "), "{what}: {said}");
    let says = process.await_ready(200);
    assert!(says.contains("What was folded can't be archived"), "{what}: {says}");
    process.kill();
    for (command, arguments) in
        [("verify", &["--archive"][..]), ("export", &[]), ("explain", &["--account", ACCOUNTS[0]])]
    {
        let output = home.look(command, arguments);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{what}: {command}: {text}");
    }
    let sentence = home.refusal(2);
    assert!(sentence.contains("archive"), "{what}: {sentence}");
    assert!(!home.data().join("gen-2").exists(), "{what}");
    let is_lock = |name: &String| name.ends_with("/lock");
    let after: Vec<String> = names(&archive(home)).into_iter().filter(|name| !is_lock(name)).collect();
    assert_eq!(after, before.into_iter().filter(|name| !is_lock(name)).collect::<Vec<_>>(), "{what}");
    let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
    fs::rename(&kept, path).expect("there is room");
}

#[test]
fn a_lost_archive_is_told_of_and_not_begun_anew() {
    let (home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let process = seal(&home, &mut told);
    await_archived(&home, 1, 1);
    process.kill();
    let (other, mut others) = (self::home(SHORT), Told::default());
    begin(&other, &mut others);
    let process = seal(&other, &mut others);
    await_archived(&other, 1, 1);
    process.kill();
    // What waits from now on can't be archived before its archive is there.
    let (root, away) = (archive(&home), home.beside("away"));
    fs::rename(&root, &away).expect("it is there");
    let mut process = seal(&home, &mut told);
    assert!(process.next_line().contains("the archive is missing, and there is one, says "));
    process.kill();
    fs::rename(&away, &root).expect("it is there");
    let shard = root.join("generation-1/shard-0");
    let last = names(&shard).pop().expect("it is there");
    check_lost(&home, "all", &root, |_| ());
    check_lost(&home, "nothing mounted", &root, |path| fs::create_dir(path).expect("it is gone"));
    check_lost(&home, "another one's", &root, |path| copy(&archive(&other), path));
    check_lost(&home, "a generation", &root.join("generation-1"), |_| ());
    check_lost(&home, "a shard", &shard, |_| ());
    check_lost(&home, "the base", &shard.join("base-0000000000000000.zst"), |_| ());
    check_lost(&home, "the last file", Path::new(&last), |_| ());
    let manifest = root.join("manifest");
    check_lost(&home, "the manifest", &manifest, |_| ());
    let kept = home.beside("kept");
    check_lost(&home, "a flipped bit", &manifest, |path| {
        fs::copy(&kept, path).expect("there is room");
        flip(path, 20);
    });
    let process = home.start(1);
    await_archived(&home, 1, 2);
    assert_eq!(process.stop(), "");
    verify(&home, 0);
    told.check(&export(&home, &[]).0, 0);
    // Whoever wants another one says so.
    fs::remove_dir_all(&root).expect("it is there");
    fs::remove_file(home.data().join("archived")).expect("it is there");
    assert_eq!(home.start(2).stop(), "");
    verify(&home, 0);
}
