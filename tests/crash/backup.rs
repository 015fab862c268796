//! Backups that are made while a server serves, folds, archives and is killed; and what is restored of them.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use testkit::home::Home;
use testkit::process::run;
use testkit::workload::Chance;
use testkit::world::World;
use wallet::TokenPolicy;

use crate::PURSER;
use crate::archive::{ACCOUNTS, SHORT, Told, await_archived, begin, home, seal};
use crate::files::{await_names, contents, copy, flip, names};
use crate::fill::create_fillers;
use crate::kills::{await_answers, fill_after_a_crash, load};
use crate::worker::Worker;

/// Backups under load.
const ROUNDS: usize = 6;

const WORKERS: usize = 3;
const PLAYERS: usize = 3;

/// A command with these arguments, and these of paths.
pub(crate) fn command(command: &str, paths: &[(&str, &Path)], flags: &[&str]) -> Command {
    let mut purser = Command::new(PURSER);
    purser.arg(command).args(flags);
    for (flag, path) in paths {
        purser.arg(flag).arg(path);
    }
    purser
}

/// It ends with this code. Returns what it writes.
#[track_caller]
pub(crate) fn check(mut command: Command, code: i32) -> String {
    let output = run(&mut command);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{command:?}: {text}");
    text
}

#[track_caller]
pub(crate) fn backup(data: &Path, to: &Path, since: Option<&Path>, flags: &[&str]) -> String {
    let since = since.map(|since| ("--since", since));
    let paths: Vec<(&str, &Path)> = [("--data", data), ("--to", to)].into_iter().chain(since).collect();
    let text = check(command("backup", &paths, flags), 0);
    assert!(text.contains("is backed up in "), "{text}");
    text
}

#[track_caller]
pub(crate) fn restore(from: &Path, to: &Path, flags: &[&str]) -> String {
    let text = check(command("restore", &[("--from", from), ("--to", to)], flags), 0);
    assert!(text.contains("is restored in "), "{text}");
    text
}

/// The directory is whole, with its archive where it has one.
#[track_caller]
pub(crate) fn verify(data: &Path) {
    let flags: &[&str] = if data.join("archive").exists() { &["--archive"] } else { &[] };
    let text = check(command("verify", &[("--data", data)], flags), 0);
    assert!(text.lines().last().is_some_and(|verdict| verdict.starts_with("ok: ")), "{text}");
}

/// Files are the owner's alone, and nothing is left of their making.
#[track_caller]
pub(crate) fn check_files(data: &Path) {
    for name in names(data) {
        let found = fs::metadata(&name).expect("it is there");
        let mode = if found.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(found.mode() & 0o777, mode, "{name}");
        assert!(!name.ends_with(".new") && !name.ends_with("/unfinished"), "{name}");
    }
}

/// The transactions of each account that are exported, in order, without what may change later.
#[track_caller]
fn exported(data: &Path) -> BTreeMap<String, Vec<String>> {
    let output = run(&mut command("export", &[("--data", data)], &[]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        let account = line.split('"').nth(3).expect("an account").to_owned();
        let line = line.replace(r#""rolled_back":true"#, r#""rolled_back":false"#);
        found.entry(account).or_default().push(line);
    }
    found
}

/// What is exported of a copy is what is exported of the original up to some moment of each account. Returns how many lines it has.
#[track_caller]
pub(crate) fn check_export(copy: &Path, original: &Path) -> usize {
    let (copied, all) = (exported(copy), exported(original));
    for (account, lines) in &copied {
        let of_all = &all[account];
        assert!(lines.len() <= of_all.len(), "{account}");
        assert_eq!(lines[..], of_all[..lines.len()], "{account}");
    }
    copied.values().map(Vec::len).sum()
}

/// A server serves from what was made of its data, of which it needs to know no more.
#[track_caller]
fn check_serves(home: &mut Home, data: &Path, shards: usize) {
    let before = home.data();
    home.serve_from(data.to_owned());
    assert_eq!(home.start(shards).stop(), "");
    home.verify(0);
    home.serve_from(before);
}

/// Begins a backup, and waits until something of it is there.
#[track_caller]
fn begin_backup(data: &Path, to: &Path, since: Option<&Path>, part: &str) -> Child {
    let since = since.map(|since| ("--since", since));
    let paths: Vec<(&str, &Path)> = [("--data", data), ("--to", to)].into_iter().chain(since).collect();
    let mut backup = command("backup", &paths, &[]);
    let child = backup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    await_names(to, part, |names| names.iter().any(|name| name.contains(part)));
    child
}

/// While clients ask for everything there is, and what they have filled is folded and archived, the server is backed up; and killed
/// amid that each second time. Each backup is whole, and has what the original had at a moment.
#[test]
fn backups_under_load() {
    let rules = World::rules(TokenPolicy::SingleUse);
    let mut home = Home::new(PURSER);
    home.configure_by(World::configuration(&rules) + "\n[storage]\nsnapshot_segments = 1\n");
    let mut random = Chance::new(7);
    let players = World::new(1 + WORKERS * PLAYERS).players;
    let workers = (0..).zip(players[1..].chunks(PLAYERS));
    let mut workers: Vec<Worker> =
        workers.map(|(seed, players)| Worker::new(seed, players, &rules)).collect();
    let process = home.start(2);
    create_fillers(&process);
    load(process, &mut workers, |tells| await_answers(tells, 300));
    let data = home.data();
    let places: Vec<PathBuf> = (0..ROUNDS).map(|round| home.beside(&format!("backup-{round}"))).collect();
    for (round, place) in places.iter().enumerate() {
        // A change of the number of shards gives all of a segment to fill.
        let shards = [2, 2, 3, 3, 1, 1][round];
        if round % 2 == 1 {
            fill_after_a_crash(&home, shards);
        }
        let process = home.start(shards);
        workers.iter_mut().for_each(|worker| worker.audit(&process));
        let since = round.checked_sub(1).map(|before| places[before].as_path());
        let mut child = None;
        load(process, &mut workers, |tells| {
            await_answers(tells, 1 + random.below(300));
            let part = ["/gen-", "/snapshot-", "/segment-"][round % 3];
            let begun = begin_backup(&data, place, since, part);
            if round % 2 == 0 {
                await_answers(tells, 1 + random.below(300));
                child = Some(begun);
            } else {
                end(begun);
            }
        });
        child.into_iter().for_each(end);
    }
    let mut before = 0;
    for place in &places {
        check_files(place);
        verify(place);
        let lines = check_export(place, &data);
        assert!(lines > before, "what was backed up is in the next backup, and more");
        before = lines;
    }
    let (last, restored) = (places.last().expect("there are some"), home.beside("restored"));
    let kept = contents(last);
    restore(last, &restored, &[]);
    assert_eq!(contents(last), kept, "it is as it was");
    check_files(&restored);
    verify(&restored);
    assert_eq!(check_export(&restored, last), before);
    check_serves(&mut home, &restored, 2);
    // Its archive goes on where it was.
    verify(&restored);
    assert_eq!(check_export(last, &restored), before);
}

/// A backup ends well.
#[track_caller]
fn end(backup: Child) {
    let output = backup.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("nothing in it is damaged"), "{text}");
}

/// What was acknowledged before a backup is in it, and what was not asked for until it ended is not.
#[test]
fn a_backup_has_what_was_told_before_it() {
    let (home, mut told) = (home(""), Told::default());
    begin(&home, &mut told);
    let process = seal(&home, &mut told);
    let place = home.beside("backup");
    let text = backup(&home.data(), &place, None, &[]);
    assert!(text.starts_with("SHARD  LAST RECORD  LAST CHANGE\n    0  "), "{text}");
    let at = told.0.len();
    told.pay(&process, 1);
    process.kill();
    let lines: Vec<String> = exported(&place).into_values().flatten().collect();
    assert_eq!(lines.len(), at);
    Told(told.0[..at].to_vec()).check(&lines, 0);
    // A part of it is missed.
    for name in names(&place).into_iter().filter(|name| name.ends_with(".journal")) {
        let kept = home.beside("kept");
        fs::rename(&name, &kept).expect("it is there");
        check(command("verify", &[("--data", &place)], &[]), 1);
        fs::rename(&kept, &name).expect("it is there");
    }
    // Neither is a backup cut that says how far it goes.
    let segment = names(&place).into_iter().rfind(|name| name.ends_with(".journal")).expect("it is there");
    let last = names(&place).len();
    let file = OpenOptions::new().write(true).open(&segment).expect("it is there");
    let length = file.metadata().expect("it is there").len();
    let used = crate::files::used_segments(&place).pop().expect("it is there").1;
    file.set_len(used - limits::JOURNAL_BLOCK_BYTES as u64)
        .and_then(|()| file.set_len(length))
        .expect("it is ours");
    let text = check(command("verify", &[("--data", &place)], &[]), 1);
    assert!(text.contains("its mark says that record"), "{text}");
    assert_eq!(names(&place).len(), last);
}

/// A backup that was killed is refused by everything that is given it, in a sentence.
#[test]
fn a_killed_backup_is_none() {
    let (mut home, mut told) = (home(""), Told::default());
    begin(&home, &mut told);
    let data = home.data();
    for (at, part) in ["/unfinished", "/snapshot-", "/segment-", "/mark"].into_iter().enumerate() {
        let place = home.beside(&format!("killed-{at}"));
        let mut child = begin_backup(&data, &place, None, part);
        kill_process(Pid::from_child(&child), Signal::KILL).expect("it is ours");
        if child.wait().expect("it ends").success() {
            // It was faster.
            verify(&place);
            continue;
        }
        if place.join("manifest").exists() {
            verify(&place);
            continue;
        }
        let other = home.beside("other");
        let commands = [
            (command("verify", &[("--data", &place)], &[]), 1),
            (command("export", &[("--data", &place)], &[]), 1),
            (command("restore", &[("--from", &place), ("--to", &other)], &[]), 1),
            (command("backup", &[("--data", &place), ("--to", &other)], &[]), 1),
            (command("backup", &[("--data", &data), ("--to", &other), ("--since", &place)], &[]), 1),
            (command("backup", &[("--data", &data), ("--to", &place)], &[]), 2),
            (command("restore", &[("--from", &data), ("--to", &place)], &[]), 2),
        ];
        for (command, code) in commands {
            let text = check(command, code);
            let sentence = format!("purser: can't use {}: its making was not finished", place.display());
            assert!(text.starts_with(&sentence) && text.lines().count() == 1, "{text}");
        }
        assert!(!other.exists());
        home.serve_from(place.clone());
        let sentence = home.refusal(1);
        assert!(sentence.contains("its making was not finished"), "{sentence}");
        home.serve_from(data.clone());
    }
    // One that fails leaves nothing.
    let place = home.beside("failed");
    for name in names(&data).into_iter().filter(|name| name.contains("/snapshot-")) {
        flip(Path::new(&name), fs::metadata(&name).expect("it is there").len() - 1);
    }
    let text = check(command("backup", &[("--data", &data), ("--to", &place)], &[]), 1);
    assert!(text.contains("byte ") && !place.exists(), "{text}");
}

/// The inodes of the files below, by their paths from there.
fn inodes(data: &Path) -> BTreeMap<String, u64> {
    let files = names(data).into_iter().map(PathBuf::from).filter(|path| path.is_file());
    let named = files.map(|path| {
        let inode = path.metadata().expect("it is there").ino();
        (path.strip_prefix(data).expect("it is below").display().to_string(), inode)
    });
    named.collect()
}

/// What did not change since an earlier backup is one file with it, where it is what it seems to be; and nothing that whoever serves from
/// one of the two would write to.
#[test]
fn what_an_earlier_backup_has_is_linked() {
    let (mut home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let process = seal(&home, &mut told);
    await_archived(&home, 1, 1);
    let [first, second, third, damaged] =
        ["first", "second", "third", "damaged"].map(|name| home.beside(name));
    let data = home.data();
    backup(&data, &first, None, &[]);
    told.pay(&process, 1);
    let text = backup(&data, &second, Some(&first), &[]);
    assert!(text.contains(" linked, which the earlier one has"), "{text}");
    let at = told.0.len();
    let shared = |one: &Path, other: &Path| -> Vec<String> {
        let other = inodes(other);
        inodes(one)
            .into_iter()
            .filter(|(name, inode)| other.get(name) == Some(inode))
            .map(|(name, _)| name)
            .collect()
    };
    let linked = shared(&first, &second);
    let is_immutable = |name: &String| name.ends_with(".zst") || name.contains("/snapshot-");
    assert!(linked.len() >= 3 && linked.iter().all(is_immutable), "{linked:?}");
    // Who serves from the first one changes nothing of the second.
    let kept = contents(&second);
    check_serves(&mut home, &first, 1);
    assert_eq!(contents(&second), kept);
    process.kill();
    // What only has the right name is copied.
    copy(&second, &damaged);
    for name in names(&damaged).into_iter().filter(|name| is_immutable(name)) {
        flip(Path::new(&name), 60);
    }
    backup(&data, &third, Some(&damaged), &[]);
    assert_eq!(shared(&third, &damaged), [""; 0]);
    fs::remove_dir_all(&first).expect("it is there");
    for place in [&second, &third] {
        verify(place);
        check_export(place, &data);
    }
    let lines: Vec<String> = exported(&second).into_values().flatten().collect();
    Told(told.0[..at].to_vec()).check(&lines, 0);
}

/// A segment that is sealed, and not folded yet, is linked; the one that an earlier backup ends with is not, though it is the same.
#[test]
fn sealed_segments_are_linked_and_the_last_is_not() {
    let mut home = Home::new(PURSER);
    let mut told = Told::default();
    home.configure(&[("default", "GBP")], "\n[storage]\nsnapshot_segments = 8\n");
    begin(&home, &mut told);
    let process = seal(&home, &mut told);
    assert_eq!(process.stop(), "");
    let [first, second, third] = ["first", "second", "third"].map(|name| home.beside(name));
    let data = home.data();
    backup(&data, &first, None, &["--no-verify"]);
    let text = backup(&data, &second, Some(&first), &["--no-verify"]);
    assert!(text.contains("it was not verified"), "{text}");
    let is_linked = |name: &str, one: &Path, other: &Path| inodes(one)[name] == inodes(other)[name];
    let [sealed, last] = [1, 2].map(|number| format!("gen-1/shard-0/segment-{number:08}.journal"));
    assert!(is_linked(&sealed, &first, &second) && !is_linked(&last, &first, &second));
    let process = seal(&home, &mut told);
    backup(&data, &third, Some(&second), &[]);
    assert!(is_linked(&sealed, &first, &third) && !is_linked(&last, &second, &third));
    process.kill();
    for place in [&first, &second, &third] {
        check_serves(&mut home, place, 1);
        verify(&third);
    }
}

/// The archive is where it is, is left out, or can't be read; what waits to be archived is history too.
#[test]
fn backups_with_and_without_an_archive() {
    let (mut home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    let elsewhere = home.beside("elsewhere");
    fs::create_dir(&elsewhere).expect("it is not there");
    fs::write(elsewhere.join("generation-1"), "mine").expect("there is room");
    let sections = format!("\n[storage]\nsnapshot_segments = 1\narchive = {elsewhere:?}\n{SHORT}");
    home.configure(&[("default", "GBP")], &sections);
    let mut process = seal(&home, &mut told);
    assert!(process.next_line().contains("can't be archived, and stays"));
    let [with, without, later] = ["with", "without", "later"].map(|name| home.beside(name));
    let (data, place) = (home.data(), format!("--archive={}", elsewhere.display()));
    let segment = "gen-1/shard-0/segment-00000001.journal";
    let fails = command("backup", &[("--data", &data), ("--to", &with)], &[&place]);
    let text = check(fails, 1);
    assert!(text.contains("generation-1") && !with.exists(), "{text}");
    backup(&data, &without, None, &["--no-archive"]);
    assert!(!inodes(&without).contains_key(segment) && inodes(&data).contains_key(segment));
    fs::remove_file(elsewhere.join("generation-1")).expect("it is there");
    backup(&data, &with, None, &[&place]);
    await_archived(&home, 1, 1);
    assert_eq!(process.stop(), "");
    backup(&data, &later, None, &[&place]);
    for copy in [&with, &later] {
        verify(copy);
        assert_eq!(check_export(copy, &with), told.0.len());
        assert!(copy.join("archived").exists() && !copy.join("elsewhere").exists());
    }
    // Without one a new archive is begun.
    verify(&without);
    assert!(!without.join("archived").exists() && !without.join("archive").exists());
    let restored = home.beside("restored");
    restore(&later, &restored, &["--no-archive"]);
    let sections = format!("\n[storage]\nsnapshot_segments = 1\n{SHORT}");
    home.configure(&[("default", "GBP")], &sections);
    home.serve_from(restored.clone());
    let process = seal(&home, &mut told);
    await_names(&restored, "an archive", |names| {
        names.iter().any(|name| name.contains("/archive/") && name.contains("/segment-"))
    });
    process.kill();
    assert!(restored.join("archived").exists());
}

/// A server stops in order, and starts with another number of shards, amid backups of it: each is of what was before or of what came after.
#[test]
fn a_server_stops_and_starts_amid_backups() {
    let (home, mut told) = (home(""), Told::default());
    begin(&home, &mut told);
    let data = home.data();
    let mut process = home.start(1);
    for (at, shards) in [1, 2, 2, 1].into_iter().enumerate() {
        told.pay(&process, 1);
        let place = home.beside(&format!("backup-{at}"));
        let part = ["/unfinished", "/snapshot-", "/gen-", "/segment-"][at];
        let backup = begin_backup(&data, &place, None, part);
        assert_eq!(process.stop(), "");
        process = home.start(shards);
        end(backup);
        check_files(&place);
        verify(&place);
        let lines: Vec<String> = exported(&place).into_values().flatten().collect();
        told.check(&lines, 0);
    }
    assert_eq!(process.stop(), "");
}

/// A shard of one backup in another one, or of the data in a backup, is from another time, and is found.
#[test]
fn backups_are_not_mixed() {
    let (home, mut told) = (home(""), Told::default());
    assert_eq!(home.start(2).stop(), "");
    let mut process = home.start(2);
    ACCOUNTS.iter().for_each(|account| process.put_account(account));
    let (data, [first, second]) = (home.data(), ["first", "second"].map(|name| home.beside(name)));
    for place in [&first, &second] {
        told.pay(&process, 1);
        backup(&data, place, None, &[]);
    }
    process.signal(Signal::TERM);
    process.wait();
    for (into, from) in [(&second, &first), (&first, &second), (&second, &data), (&data, &first)] {
        for shard in ["gen-1/shard-0", "gen-1/shard-1"] {
            let (place, kept) = (into.join(shard), home.beside("kept"));
            fs::rename(&place, &kept).expect("it is there");
            copy(&from.join(shard), &place);
            let text = check(command("verify", &[("--data", into)], &[]), 1);
            assert!(text.contains("the shard is an older copy"), "{text}");
            fs::remove_dir_all(&place).and_then(|()| fs::rename(&kept, &place)).expect("it is there");
        }
        verify(into);
    }
}

/// A file that is missing in the archive, or is another one's, is told of before anybody relies on the backup.
#[test]
fn an_archive_with_a_gap_is_not_backed_up() {
    let (home, mut told) = (home(SHORT), Told::default());
    begin(&home, &mut told);
    for number in 1..=2 {
        let process = seal(&home, &mut told);
        await_archived(&home, 1, number);
        assert_eq!(process.stop(), "");
    }
    let (data, place, kept) = (home.data(), home.beside("backup"), home.beside("kept"));
    let archived = names(&data.join("archive/generation-1/shard-0"));
    let segments: Vec<&String> = archived.iter().filter(|name| name.contains("/segment-")).collect();
    assert_eq!(segments.len(), 2);
    let fails = |flags: &[&str], parts: &[&str]| {
        let text = check(command("backup", &[("--data", &data), ("--to", &place)], flags), 1);
        assert!(parts.iter().all(|part| text.contains(part)) && !place.exists(), "{text}");
    };
    for (name, part) in segments.iter().zip(["it does not follow on the file before it", "is not there"]) {
        fs::rename(name, &kept).expect("it is there");
        fails(&["--no-verify"], &[part]);
        fs::rename(&kept, name).expect("it is there");
    }
    for name in &archived {
        let last = fs::metadata(name).expect("it is there").len() - 1;
        flip(Path::new(name), last);
        fails(&[], &["byte ", "archive"]);
        flip(Path::new(name), last);
    }
    backup(&data, &place, None, &[]);
    verify(&place);
}
