//! What is archived, while it moves and after it has: each of these is asked for while somebody changes it.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use testkit::home::{Home, Server};

use crate::exports::sync_writer;
use crate::{BLOCK, PURSER, check, check_contains};

/// More lines than a pipe and the program's own buffer have room for.
const DEPOSITS: usize = 2_000;

/// Transactions are remembered for a millisecond; the archive has them.
const SHORT: &str = "\n[rounds]\nretention_ms = 1\n";

/// A home with these sections of its file.
fn home(sections: &str) -> Home {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], sections);
    home
}

/// The id of a deposit: so long that a snapshot of all of them has more than a chunk of an archived file.
fn id(number: usize) -> String {
    format!("d-{number:0>45}")
}

#[track_caller]
fn deposit(server: &Server, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let body = format!(r#"{{"TransactionID":"{}","Amount":1.00}}"#, id(number));
        server.operate("POST default/anna/deposits", &body, 200);
    }
}

/// A directory in which three generations have served, of one shard each but the second.
#[track_caller]
fn lived(sections: &str) -> Home {
    let home = home(sections);
    let server = home.start(1);
    server.put_account("default/anna");
    deposit(&server, 0..DEPOSITS);
    server.stop();
    for (shards, numbers) in [(2, DEPOSITS..DEPOSITS + 3), (1, DEPOSITS + 3..DEPOSITS + 6)] {
        let server = home.start(shards);
        deposit(&server, numbers);
        server.stop();
    }
    home
}

/// An export whose reader stops after the first line, when all was read once, until this was done.
#[track_caller]
fn export_amid(home: &Home, change: impl FnOnce(&Path)) -> Output {
    let mut purser = Command::new(PURSER);
    purser.args(["export", "--data"]).arg(home.data()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut purser = purser.spawn().expect("it runs");
    let mut reader = BufReader::with_capacity(64, purser.stdout.take().expect("a pipe"));
    let mut text = String::new();
    reader.read_line(&mut text).expect("a line");
    change(&home.data());
    reader.read_to_string(&mut text).expect("UTF-8");
    let output = purser.wait_with_output().expect("it ends");
    Output { stdout: text.into_bytes(), ..output }
}

/// What an export has begun with is what it ends with, though all of the archive has gone since.
#[test]
fn an_export_reads_what_it_has_opened() {
    let home = lived(SHORT);
    let whole = check("export", &home.data(), &[], 0);
    assert_eq!(whole.lines().count(), DEPOSITS + 6 + 1);
    let away = home.beside("away");
    let output = export_amid(&home, |data| fs::rename(data.join("archive"), &away).expect("it is there"));
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
    assert!(output.status.success() && text == whole, "{text}");
}

/// What was there when it was read first and is not there the second time is told of, and no checkpoint leaves it out.
#[test]
fn an_export_ends_where_it_said() {
    let home = lived(SHORT);
    let output = export_amid(&home, |data| {
        let segment = data.join("gen-3/shard-0/segment-00000001.journal");
        let segment = OpenOptions::new().read(true).write(true).open(segment).expect("it is there");
        let is_empty = |at: u64| {
            let mut block = vec![0; BLOCK];
            segment.read_exact_at(&mut block, at).expect("the file is that long");
            block.iter().all(|byte| *byte == 0)
        };
        let block = BLOCK as u64;
        let end = (1..).map(|number| number * block).find(|at| is_empty(*at)).expect("it is not full");
        segment.write_all_at(&vec![0; BLOCK], end - block).expect("there is room");
    });
    let words = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{words}");
    check_contains(&words, "ended with record ");
    assert!(!words.contains("checkpoint: "), "{words}");
}

/// What an account was at a time stays so, whatever follows.
#[test]
fn the_end_of_a_story_at_a_time() {
    let home = home(SHORT);
    let server = home.start(1);
    server.put_account("default/anna");
    deposit(&server, 0..3);
    server.stop();
    let account = ["--account", "default/anna"];
    let last_but =
        |text: &str, lines: usize| text.lines().rev().nth(lines).expect("there is a line").to_owned();
    let all = check("explain", &home.data(), &account, 0);
    let at = last_but(&all, 1).split_once(' ').expect("a time").0.to_owned();
    let arguments = [&account[..], &["--at", &at]].concat();
    let before = check("explain", &home.data(), &arguments, 0);
    check_contains(&last_but(&before, 0), "3.00 GBP");
    let server = home.start(2);
    deposit(&server, 3..5);
    server.stop();
    let after = check("explain", &home.data(), &arguments, 0);
    assert_eq!(last_but(&after, 0), last_but(&before, 0), "{after}");
    assert!(!after.contains(&id(3)), "{after}");
}

/// Nothing is written where a file is damaged, which is found before the first line.
#[test]
fn an_export_of_what_is_damaged_writes_nothing() {
    let home = lived("");
    let second = home.data().join("archive/generation-2");
    for shard in 0..2 {
        let mut files = fs::read_dir(second.join(format!("shard-{shard}"))).expect("it is there");
        let is_base = |path: &PathBuf| path.to_string_lossy().contains("/base-");
        let base = files.find_map(|file| file.ok().map(|file| file.path()).filter(is_base));
        let base = base.expect("each shard has one");
        let kept = fs::read(&base).expect("it is there");
        let mut damaged = kept.clone();
        *damaged.last_mut().expect("it is not empty") ^= 1;
        fs::write(&base, damaged).expect("there is room");
        let text = check("export", &home.data(), &[], 1);
        assert_eq!(text.lines().count(), 1, "{text}");
        check_contains(&text, &base.display().to_string());
        fs::write(&base, kept).expect("there is room");
    }
    check("export", &home.data(), &[], 0);
}

/// A command may open as many files as it is let, and not as few as a shell begins with.
#[test]
fn a_command_raises_its_limit_of_open_files() {
    let home = home("");
    home.start(6).stop();
    for (limit, code) in [("ulimit -Sn 16", 0), ("ulimit -n 16", 1)] {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &format!("{limit} && exec \"$0\" verify --data \"$1\"")])
            .arg(PURSER)
            .arg(home.data());
        let output = shell.output().expect("it runs");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{limit}: {text}");
    }
}

/// What a killed server has written and not synced is durable before it is archived: another journal may follow the one that a
/// power failure leaves.
#[test]
fn what_is_archived_of_the_last_segment_is_durable() {
    let home = home("");
    let server = home.start(1);
    server.put_account("default/anna");
    deposit(&server, 0..3);
    server.kill();
    let (library, program, log) = (sync_writer(&home), home.beside("preloaded"), home.beside("log"));
    let script = format!(
        "#!/bin/sh\nLD_PRELOAD={} PURSER_TEST_SYNCS={} exec {PURSER} \"$@\"\n",
        library.display(),
        log.display()
    );
    fs::write(&program, script).expect("there is room");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("it is there");
    let mut preloaded = Home::new(&program);
    preloaded.configure(&[("default", "GBP")], "").serve_from(home.data());
    preloaded.start(2).stop();
    let log = fs::read_to_string(&log).expect("it is there");
    let at = |what: &str| log.lines().position(|line| line.ends_with(what));
    let synced = at("gen-1/shard-0/segment-00000001.journal").expect("it is synced");
    let archived = at("generation-1/shard-0/segment-0000000000000001.zst").expect("it is archived");
    assert!(synced < archived, "{log}");
}
