//! What is restored of backups, and of directories that no server serves from: all of it, and as it was at a moment.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use partition::Partition;
use testkit::home::Home;
use testkit::message::now_ms;
use wallet::account::AccountRef;

use crate::PURSER;
use crate::archive::{ACCOUNTS, SHORT, Told, await_archived, begin, export, home, seal};
use crate::backup::{backup, check, check_export, check_files, command, restore, verify};
use crate::files::names;

/// Backups that are made while a key moves.
const MOVING_BACKUPS: usize = 12;

/// The last line that `explain` tells of an account, up to its balance and version.
#[track_caller]
fn explained(data: &Path, account: &str, flags: &[&str]) -> String {
    let flags = [&["--account", account], flags].concat();
    let text = check(command("explain", &[("--data", data)], &flags), 0);
    let (_, state) = text.rsplit_once(" at the end: ").expect("a state");
    state.split(';').next().unwrap_or_default().to_owned()
}

/// How many shards the data have.
fn generation_shards(data: &Path) -> usize {
    names(data).iter().filter(|name| name.ends_with("/mark")).count()
}

/// A moment after all that was told, and before what comes next: in the form of the command line.
pub(crate) fn moment() -> String {
    // The server's time is at most as far from ours as a turn is long, and nothing is told meanwhile.
    let until = now_ms() + 20;
    while now_ms() < until {
        std::thread::yield_now();
    }
    let at = jiff::Timestamp::from_millisecond(until as i64).expect("it is now");
    while now_ms() < until + 20 {
        std::thread::yield_now();
    }
    at.to_string()
}

#[test]
fn moments_are_restored() {
    check_moments("", |_| true);
    // Snapshots remember nothing of what was before.
    check_moments(SHORT, |at| at % 3 == 1);
}

/// The moments in a life of several generations that are `wanted`, by their numbers, are restored as they were.
#[track_caller]
fn check_moments(sections: &str, wanted: impl Fn(usize) -> bool) {
    let (mut home, mut told) = (home(sections), Told::default());
    let mut moments: Vec<(String, usize)> = Vec::new();
    begin(&home, &mut told);
    let process = seal(&home, &mut told);
    moments.push((moment(), told.0.len()));
    await_archived(&home, 1, 1);
    told.pay(&process, 1);
    moments.push((moment(), told.0.len()));
    assert_eq!(process.stop(), "");
    let process = seal(&home, &mut told);
    moments.push((moment(), told.0.len()));
    process.kill();
    for shards in [2, 3] {
        let process = home.start(shards);
        moments.push((moment(), told.0.len()));
        told.pay(&process, 2);
        moments.push((moment(), told.0.len()));
        told.pay(&process, 1);
        process.kill();
    }
    let (data, place) = (home.data(), home.beside("backup"));
    backup(&data, &place, None, &[]);
    for (at, (moment, count)) in moments.iter().enumerate().filter(|(at, _)| wanted(*at)) {
        let restored = home.beside(&format!("restored-{at}"));
        let text = restore(if at % 2 == 0 { &place } else { &data }, &restored, &["--at", moment]);
        assert!(text.contains("left out"), "{text}");
        check_files(&restored);
        verify(&restored);
        assert!(!restored.join("archived").exists());
        let pounds = count / ACCOUNTS.len();
        for account in ACCOUNTS {
            let state = explained(&restored, account, &[]);
            assert_eq!(state, explained(&data, account, &["--at", moment]));
            assert!(state.starts_with(&format!("active, {pounds}.00 GBP, ")), "{state}");
        }
        if at % 2 == 1 {
            continue;
        }
        home.serve_from(restored.clone());
        let process = home.start(generation_shards(&restored));
        for account in ACCOUNTS {
            let body = process.operate(&format!("GET {account}"), "", 200);
            assert!(body.contains(&format!(r#""CashFunds":{pounds}.00"#)), "{body}");
        }
        assert_eq!(process.stop(), "");
        home.serve_from(data.clone());
        fs::remove_dir_all(&restored).expect("it is there");
    }
    let restored = home.beside("restored");
    let text = restore(&place, &restored, &["--at", "9999-01-01T00:00:00Z"]);
    assert!(text.contains("nothing came later"), "{text}");
    assert!(explained(&restored, ACCOUNTS[0], &[]).contains(&format!("{}.00 GBP", told.0.len() / 3)));
    let early = |from: &Path, flags: &[&str]| {
        let other = home.beside("other");
        let text = check(command("restore", &[("--from", from), ("--to", &other)], flags), 1);
        assert!(!other.exists(), "{text}");
        text
    };
    let text = early(&place, &["--at", "2020-01-01T00:00:00Z"]);
    assert!(text.contains("is before the first record: the data begin at "), "{text}");
    let text = early(&place, &["--no-archive", "--at", &moments[0].0]);
    assert!(text.contains("what there is of shard 0 begins at "), "{text}");
}

/// A directory that a server holds is not restored from, which would take it for whole; nor does a server start on one meanwhile.
#[test]
fn a_server_is_not_restored_from() {
    let (home, mut told) = (home(""), Told::default());
    begin(&home, &mut told);
    let process = home.start(1);
    let (data, to) = (home.data(), home.beside("restored"));
    for flags in [&[][..], &["--at", "9999-01-01T00:00:00Z"]] {
        let text = check(command("restore", &[("--from", &data), ("--to", &to)], flags), 2);
        assert!(
            text.contains(&format!("can't use the data directory {}: process", data.display())),
            "{text}"
        );
        assert!(text.contains("uses it") && !to.exists(), "{text}");
    }
    process.kill();
    let (lines, _) = export(&home, &[]);
    told.check(&lines, 0);
    restore(&data, &to, &[]);
    verify(&to);
    assert_eq!(check_export(&to, &data), told.0.len());
}

/// Says that it is over, also where a check fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A session's key goes from an account of one shard to one of another, and back, while the data are copied. Whoever copied the shards one
/// after the other would find it at both, or at neither.
#[test]
fn a_key_that_moves_between_shards_is_held_once() {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], "");
    let process = home.start(2);
    let owner = |account: &&str| Partition::new(2).owner(AccountRef::new(*account).hash().slot()).index();
    let accounts = ["default/anna", "default/bert", "default/cleo", "default/dora", "default/emil"];
    let holders = [0, 1].map(|shard| *accounts.iter().find(|account| owner(account) == shard).expect("one"));
    holders.iter().for_each(|account| process.put_account(account));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let moves = scope.spawn(|| {
            let mut moves = 0;
            while !is_over.load(Ordering::Relaxed) {
                let account = holders[moves % 2];
                process.operate(&format!("POST {account}/sessions"), r#"{"SessionKey":"moving"}"#, 201);
                // It is held most of the time.
                for _ in 0..20 {
                    process.operate(&format!("GET {account}"), "", 200);
                }
                process.operate(&format!("DELETE {account}/sessions/moving"), "", 200);
                moves += 1;
            }
            moves
        });
        let ends = Ends(&is_over);
        for number in 0..MOVING_BACKUPS {
            let place = home.beside(&format!("backup-{number}"));
            // It is not taken again where it does not verify: it is to be so at once.
            backup(&home.data(), &place, None, &["--no-verify"]);
            verify(&place);
        }
        drop(ends);
        assert!(moves.join().expect("it is answered") > MOVING_BACKUPS);
    });
    assert_eq!(process.stop(), "");
}
