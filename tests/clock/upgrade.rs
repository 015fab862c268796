//! A data directory of version 0.1.0, on the day that it was written: told as before, and served on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use limits::SEGMENT_BYTES;
use testkit::home::{Home, Server};
use testkit::message::{basic, body, post};
use testkit::process::run;

use crate::PURSER;
use crate::machine::Machine;

const FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/0.1.0");

/// When it was written.
const DAY: &str = "2026-11-25T15:50:00Z";

/// A copy of it, on a machine that has the time of then.
#[track_caller]
fn of_version_0_1_0() -> Machine {
    let mut home = Home::new(PURSER);
    home.configure_by(fs::read_to_string(Path::new(FROM).join("purser.toml")).expect("it is there"));
    copy(&Path::new(FROM).join("data"), &home.data());
    let machine = Machine::new(home);
    let then_ms = DAY.parse::<jiff::Timestamp>().expect("a time").as_millisecond();
    machine.set_clock(then_ms - machine.right_ms());
    machine
}

/// Segments get the zeros that were left out.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let copied = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &copied);
            continue;
        }
        fs::copy(&path, &copied).expect("there is room");
        if path.extension().is_some_and(|extension| extension == "journal") {
            let file = fs::OpenOptions::new().write(true).open(&copied).expect("it was copied");
            file.set_len(SEGMENT_BYTES as u64).expect("there is room");
        }
    }
}

/// What `export` writes of the data, line by line.
#[track_caller]
fn exported(home: &Home) -> Vec<String> {
    let output = home.look("export", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(String::from).collect()
}

/// These lines say what version 0.1.0 said, and what is new behind it.
#[track_caller]
fn check_as_before(lines: &[String]) {
    let told = fs::read_to_string(Path::new(FROM).join("export.jsonl")).expect("it is there");
    let by_line = |text: &str| {
        let key =
            (member(text, "account").to_owned(), member(text, "number").parse::<u64>().expect("a number"));
        (key, text.trim_end_matches('}').to_owned())
    };
    let before: BTreeMap<_, _> = told.lines().map(by_line).collect();
    let now: BTreeMap<_, _> = lines.iter().map(|line| by_line(line)).collect();
    assert_eq!(before.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
    for (key, line) in &before {
        assert!(now[key].starts_with(&format!("{line},")), "{line} is now {}", now[key]);
    }
}

/// The value of a line's member, without its quotes.
fn member<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).expect("the member is there");
    let value = rest.split([',', '}']).next().expect("there is a value");
    value.trim_matches('"')
}

/// The answer to a bet of this line, asked for again by a platform.
#[track_caller]
fn repeat(process: &Server, line: &str, platform: &str) -> String {
    let fields = match platform {
        "L100" => basic("one", "first password"),
        _ => basic("two", "second password"),
    };
    let [account, round, transaction, amount, currency] =
        ["account", "round", "transaction", "amount", "currency"].map(|name| member(line, name));
    let members = format!(
        r#""OperatorAccountID":"{account}","GatewaySessionToken":"any","GameRoundID":"{round}","GameRoundTransactionID":"{transaction}","GameID":"11588","CurrencyCode":"{currency}","Amount":{amount},"StartRound":false,"EndRound":false"#
    );
    process.client().ask(&post("/v1.0/gameround/placebet", &fields, &body(platform, &members))).body
}

#[test]
fn data_of_version_0_1_0_are_told_as_before_and_go_on() {
    for shards in [2, 1] {
        let machine = of_version_0_1_0();
        machine.home.verify(0);
        check_as_before(&exported(&machine.home));
        let process = machine.home.start(shards);
        assert!(process.notes.contains("the data of format version 1 are written anew"), "{}", process.notes);
        process.kill();
        let lines = exported(&machine.home);
        check_as_before(&lines);
        assert!(!lines.iter().any(|line| member(line, "platform").starts_with('#')), "{lines:#?}");
        let process = machine.home.start(shards);
        assert_eq!(process.notes, "");
        let mut whose = BTreeMap::<&str, u32>::new();
        for line in lines.iter().filter(|line| member(line, "type") == "placebet") {
            let platform = member(line, "platform");
            let code = if member(line, "rolled_back") == "true" { -7 } else { 0 };
            let expect = format!(r#"{{"ErrorCode":{code},"#);
            // Rounds of before the last fold are nobody's: the platform that asks for one first has begun it.
            for asks in if platform == "null" { vec!["L100", "L100"] } else { vec![platform] } {
                let answer = repeat(&process, line, asks);
                assert!(answer.starts_with(&expect), "{line}: {answer}");
            }
            *whose.entry(platform).or_default() += 1;
        }
        assert!(whose.contains_key("null") && whose.contains_key("L100"), "{whose:?}");
        assert_eq!(process.stop(), "");
        machine.home.verify(0);
        let output = machine.home.look("verify", &["--archive"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        check_as_before(&exported(&machine.home));
    }
}

/// What was at a moment before the upgrade is restored out of the archive, in this version's form: platforms have their keys.
#[test]
fn moments_of_version_0_1_0_are_restored() {
    let machine = of_version_0_1_0();
    let (data, restored) = (machine.home.data(), machine.home.beside("restored"));
    let purser = |command: &str, flags: &[&str], paths: &[(&str, &Path)], code: i32| {
        let mut purser = Command::new(PURSER);
        purser.arg(command).args(flags);
        for (flag, path) in paths {
            purser.arg(flag).arg(path);
        }
        let output = run(&mut purser);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{purser:?}: {text}");
        text
    };
    for (command, flag) in [("backup", "--data"), ("restore", "--from")] {
        let text = purser(command, &[], &[(flag, &data), ("--to", &restored)], 1);
        assert!(text.contains("are of format version 1: start the server on them once"), "{text}");
    }
    let lines = exported(&machine.home);
    assert_eq!(machine.home.start(2).stop(), "");
    let mut times: Vec<&str> = lines.iter().map(|line| member(line, "at")).collect();
    times.sort_unstable();
    for at in [times[times.len() - 1], times[times.len() - 20]] {
        let text = purser("restore", &["--at", at], &[("--from", &data), ("--to", &restored)], 0);
        assert!(text.contains("left out: all of generation 2, which began at "), "{text}");
        let text = purser("export", &[], &[("--data", &restored)], 0);
        assert!(text.contains(r#""platform":"L100""#) && !text.contains(r##""platform":"#"##), "{text}");
        let mut accounts: Vec<&str> = lines.iter().map(|line| member(line, "account")).collect();
        accounts.dedup();
        for account in accounts {
            let state = |flags: &[&str], data: &Path| {
                let flags = [&["--account", account], flags].concat();
                let text = purser("explain", &flags, &[("--data", data)], 0);
                let (_, state) = text.rsplit_once(" at the end: ").expect("a state");
                state.split(';').next().unwrap_or_default().to_owned()
            };
            assert_eq!(state(&[], &restored), state(&["--at", at], &data), "{account} at {at}");
        }
        fs::remove_dir_all(&restored).expect("it is there");
    }
}
