//! Rounds that have left memory: what is told of them, and what is damage.

#[path = "../crash/files.rs"]
#[expect(dead_code, reason = "the tests of crashes need the rest")]
mod files;
#[path = "../crash/fill.rs"]
mod fill;

use std::fs;
use std::path::{Path, PathBuf};

use testkit::home::{Home, Server};
use testkit::message;

use self::files::{await_names, names};
use self::fill::{come_to_next_segments, create_fillers, fill_segments};
use crate::{PURSER, check, check_contains, flip};

const PLAYERS: usize = 8;

/// Rounds of a bet and a win that each player has played before the first fold.
const ROUNDS: usize = 3;

fn player(number: usize) -> String {
    format!("default/player-{number}")
}

/// A platform's call that is done.
#[track_caller]
fn call(server: &Server, name: &str, account: &str, round: &str, more: &str) {
    let answer = server.client().ask(&message::play(name, account, round, more)).body;
    assert!(answer.starts_with(r#"{"ErrorCode":0"#), "{name} {account} {round}: {answer}");
}

/// Plays rounds of a bet and a win with every player, and begins one.
#[track_caller]
fn play(server: &Server, rounds: std::ops::Range<usize>) {
    for account in (0..PLAYERS).map(player) {
        let token = format!(r#","GatewaySessionToken":"{account}""#);
        for round in rounds.clone() {
            let round = format!("r-{round}");
            let bet = message::transaction("bet", "1.00", true, false);
            call(server, "placebet", &account, &round, &format!("{token}{bet}"));
            let win = message::transaction("win", "0.40", false, true);
            call(server, "awardwinnings", &account, &round, &win);
        }
        let bet = message::transaction("bet", "2.00", true, false);
        call(server, "placebet", &account, &format!("open-{}", rounds.start), &format!("{token}{bet}"));
    }
}

/// A home whose shards fold each segment, and whose rounds are cold at once.
fn home() -> Home {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], "\n[rounds]\nhot_ms = 1\n\n[storage]\nsnapshot_segments = 1\n");
    home
}

/// Lets each shard come to its next segment, and waits until what is before it is folded.
#[track_caller]
fn fold(home: &Home, shards: usize) -> Server {
    fill_segments(&home.data());
    let is_snapshot = |name: &&String| name.contains("/snapshot-") && !name.ends_with(".new");
    let before: Vec<String> = names(&home.data()).iter().filter(is_snapshot).cloned().collect();
    let server = home.start(shards);
    // Each shard has some of the accounts.
    come_to_next_segments(&server, (0..PLAYERS).map(player));
    // The snapshot before it goes when what was folded is archived.
    await_names(&home.data(), "a fold", |now| {
        let snapshots: Vec<&String> = now.iter().filter(is_snapshot).collect();
        snapshots.len() == shards && snapshots.iter().all(|name| !before.contains(name))
    });
    server
}

/// A home in which rounds of every shard have left memory.
#[track_caller]
fn folded(shards: usize) -> Home {
    let home = home();
    let server = home.start(shards);
    create_fillers(&server);
    for account in (0..PLAYERS).map(player) {
        server.put_account(&account);
        server.operate(&format!("POST {account}/sessions"), &format!(r#"{{"SessionKey":"{account}"}}"#), 201);
        server.operate(
            &format!("POST {account}/deposits"),
            r#"{"TransactionID":"d-1","Amount":100.00}"#,
            200,
        );
    }
    play(&server, 0..ROUNDS);
    server.stop();
    fold(&home, shards).stop();
    home
}

/// The files of the history, and no others.
fn past_files(home: &Home) -> Vec<PathBuf> {
    let is_file = |name: &String| name.contains("/history-") && !name.ends_with(".new");
    names(&home.data()).into_iter().filter(is_file).map(PathBuf::from).collect()
}

/// The sums of ROUNDS and TRANSACTIONS over all shards, of a `verify` that finds nothing.
#[track_caller]
fn counted(home: &Home, shards: usize) -> (usize, usize) {
    let text = check("verify", &home.data(), &[], 0);
    let lines: Vec<&str> = text.lines().skip(1).take(shards).collect();
    let sum = |column: usize| {
        let cells = lines.iter().map(|line| line.split_whitespace().nth(column).expect("a cell"));
        cells.map(|cell| cell.parse::<usize>().expect("a number")).sum()
    };
    (sum(5), sum(6))
}

/// The lines of an export by account and number, without what only a record has.
#[track_caller]
fn exported(home: &Home, arguments: &[&str]) -> Vec<String> {
    let text = check("export", &home.data(), arguments, 0);
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let mut lines: Vec<String> =
        lines.map(|line| line.split(r#","free_game_offer""#).next().unwrap_or_default().to_owned()).collect();
    lines.sort_by_key(|line| {
        let mut parts = line.split([':', ',']);
        let account = parts.nth(1).map(String::from);
        (account, parts.nth(1).and_then(|number| number.parse::<u64>().ok()))
    });
    lines
}

#[test]
fn what_has_left_memory_is_told() {
    for shards in [1, 2] {
        let home = folded(shards);
        assert!(past_files(&home).len() >= shards, "{:?}", names(&home.data()));
        assert_eq!(counted(&home, shards), (PLAYERS * (ROUNDS + 1), PLAYERS * (2 * ROUNDS + 2)));
        let all = exported(&home, &[]);
        assert_eq!(all.len(), PLAYERS * (2 * ROUNDS + 2));
        assert_eq!(exported(&home, &["--no-archive"]), all, "without an archive, it is in the history");

        // Rounds come back, by a bet that is taken back and by one that closes a round that was open.
        let server = home.start(shards);
        let account = player(1);
        let back = message::transaction("back", "1.00", false, false);
        let back = format!(r#","OriginalBetGameRoundTransactionID":"bet"{back}"#);
        call(&server, "rollbackbet", &account, "r-1", &back);
        let win = message::transaction("win", "5.00", false, true);
        call(&server, "awardwinnings", &account, "open-0", &win);
        play(&server, ROUNDS..ROUNDS + 2);
        server.stop();
        let count = (PLAYERS * (ROUNDS + 4), PLAYERS * (2 * ROUNDS + 7) + 2);
        assert_eq!(counted(&home, shards), count);
        check_told(&home, count.1);
        // And leave again, in a further version.
        fold(&home, shards).stop();
        assert_eq!(counted(&home, shards), count);
        check_told(&home, count.1);
        // Other shards have the files of these, and of slots that they do not own.
        let other = 3 - shards;
        home.start(other).stop();
        assert_eq!(counted(&home, other), count);
        check_told(&home, count.1);
    }
}

/// An export without the archive is what it is with it, and a story ends with the same account.
#[track_caller]
fn check_told(home: &Home, count: usize) {
    let all = exported(home, &[]);
    assert_eq!(all.len(), count);
    assert_eq!(exported(home, &["--no-archive"]), all);
    let taken_back = all.iter().filter(|line| line.contains(r#""rolled_back":true"#)).collect::<Vec<_>>();
    assert_eq!(taken_back.len(), 1, "{taken_back:?}");
    let account = player(1);
    let of = |more: &[&str]| {
        let arguments = [&["--account", &account][..], more].concat();
        check("explain", &home.data(), &arguments, 0)
    };
    let end = |text: String| {
        let line = text.lines().find(|line| line.contains("  at the end: "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let told = end(of(&[]));
    check_contains(&told, "transactions remembered 15");
    assert_eq!(end(of(&["--no-archive"])), told);
    for more in [&[][..], &["--no-archive"]] {
        let text = of(&[&["--transaction", "bet"], more].concat());
        let lines = text.lines().filter(|line| line.contains("round r-1 transaction"));
        assert_eq!(lines.count(), 2, "the bet and its rollback: {text}");
        check_contains(&text, "round r-0 transaction bet 1.00 GBP");
    }
}

#[test]
fn a_round_that_comes_back_is_told_in_words() {
    let home = folded(1);
    let server = home.start(1);
    let back = message::transaction("back", "1.00", false, false);
    let back = format!(r#","OriginalBetGameRoundTransactionID":"bet"{back}"#);
    call(&server, "rollbackbet", &player(1), "r-1", &back);
    server.stop();
    let account = player(1);
    let text = check("explain", &home.data(), &["--account", &account], 0);
    let line = text.lines().find(|line| line.contains("comes back")).expect("it is told");
    check_contains(
        line,
        ": round r-1 comes back out of the history, before it is changed: done; 96.20 GBP, version",
    );
    let file = past_files(&home)[0].file_name().expect("a name").to_string_lossy().into_owned();
    let text =
        check("explain", &home.data(), &["--account", &account, "--no-archive", "--transaction", "bet"], 0);
    check_contains(
        &text,
        &format!("{file}: placebet round r-1 transaction bet 1.00 GBP: done; 98.40 GBP after it"),
    );
    // A file that the list does not name is nobody's.
    let left = past_files(&home)[0].with_file_name(format!("{file}9"));
    fs::write(left, "what a kill has left").expect("there is room");
    check("verify", &home.data(), &[], 0);
}

/// With these bytes in place of a file's, or without it, each command that reads it tells of it; with its own again, none does.
#[track_caller]
fn check_damage(home: &Home, path: &Path, damage: impl FnOnce(&Path), expect: &str) {
    let kept = fs::read(path).expect("it is there");
    damage(path);
    let account = player(1);
    for (command, arguments) in [
        ("verify", &[][..]),
        ("export", &["--no-archive"]),
        ("explain", &["--no-archive", "--transaction", "bet", "--account", &account]),
    ] {
        let text = check(command, &home.data(), arguments, 1);
        // A story reads what is of its account alone.
        if command != "explain" {
            check_contains(&text, &path.display().to_string());
            check_contains(&text, expect);
            check_contains(&text, "restore the whole data directory from a backup");
        }
        if command == "verify" {
            check_contains(&text, "DAMAGED: 1 of 1 shards");
        } else {
            assert_eq!(text.lines().count(), 1, "nothing is written: {text}");
        }
    }
    fs::write(path, kept).expect("there is room");
}

#[test]
fn what_has_left_memory_is_damaged() {
    let home = folded(1);
    let file = past_files(&home).remove(0);
    let list = file.with_file_name("history");
    let older = (fs::read(&file).expect("it is there"), fs::read(&list).expect("it is there"));
    let server = home.start(1);
    play(&server, ROUNDS..ROUNDS + 1);
    server.stop();
    fold(&home, 1).stop();
    let files = past_files(&home);
    assert_eq!(files.len(), 2, "{files:?}");
    let bytes = older.0.len() as u64;
    let cut = |to: u64| move |path: &Path| crate::change(path, |file| file.set_len(to).expect("it is cut"));
    let remove = |path: &Path| fs::remove_file(path).expect("it is there");
    let flip = |at: u64| move |path: &Path| flip(path, at);
    let swap = |by: Vec<u8>| move |path: &Path| fs::write(path, by).expect("there is room");
    check_damage(&home, &file, flip(70), "byte 64: a block is not as it was written");
    check_damage(&home, &file, flip(9), "byte 0: ");
    check_damage(&home, &file, flip(bytes - 1), &format!("byte {}: ", bytes - 128));
    check_damage(&home, &file, cut(bytes - 1), &format!("byte {}: it ends too early", bytes - 1));
    check_damage(&home, &file, cut(0), "byte 0: it ends too early");
    check_damage(&home, &file, remove, "it is missing, and the list of the history names it");
    let other = fs::read(&files[1]).expect("it is there");
    check_damage(&home, &file, swap(other), "byte ");
    check_damage(&home, &list, flip(20), "its checksum does not hold");
    check_damage(&home, &list, cut(0), "its checksum does not hold");
    check_damage(&home, &list, remove, "it is missing, and rounds have left the snapshot for it");
    check_damage(&home, &list, swap(older.1), "it is an older copy");
    assert_eq!(counted(&home, 1).0, PLAYERS * (ROUNDS + 3));
}
