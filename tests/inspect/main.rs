//! `verify`, `explain` and `export` from outside: the real program, on directories that a real server has written.

mod archived;
mod exports;
mod past;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::home::{self, Home, Server};
use testkit::message;
use xxhash_rust::xxh3::xxh3_128;

const PURSER: &str = env!("CARGO_BIN_EXE_purser");
const BLOCK: usize = limits::JOURNAL_BLOCK_BYTES;
const KEY: &str = "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c";

/// Members of a call of a round.
fn members(account: &str, round: &str, transaction: &str, amount: &str, more: &str) -> String {
    format!(
        r#""OperatorAccountID":"{account}","GameRoundID":"{round}","GameRoundTransactionID":"{transaction}","GameID":"11588","CurrencyCode":"GBP","Amount":{amount}{more}"#
    )
}

/// A new directory for demo data.
fn demo() -> Home {
    Home::demo(PURSER, 20)
}

/// A platform's call; the answer's body.
#[track_caller]
fn call(server: &Server, path: &str, members: &str) -> String {
    server.client().ask(&message::call(path, members)).body
}

/// Plays `rounds` rounds of a bet and a win with every account of the demo's first eight.
#[track_caller]
fn play(server: &Server, rounds: u32) {
    for player in 1..=8 {
        for round in 1..=rounds {
            let account = format!("default/player-{player:06}");
            let flags =
                format!(r#","GatewaySessionToken":"demo-{player:06}","StartRound":true,"EndRound":false"#);
            let bet = members(&account, &format!("r-{round}"), "bet", "1.00", &flags);
            assert!(call(server, "gameround/placebet", &bet).starts_with(r#"{"ErrorCode":0"#));
            let win = members(
                &account,
                &format!("r-{round}"),
                "win",
                "0.40",
                r#","StartRound":false,"EndRound":true"#,
            );
            assert!(call(server, "gameround/awardwinnings", &win).starts_with(r#"{"ErrorCode":0"#));
        }
    }
}

/// A directory that a server of so many shards has played in and left.
#[track_caller]
fn played(shards: usize) -> (Home, PathBuf) {
    let home = demo();
    let data = home.data();
    let server = home.start(shards);
    play(&server, 3);
    server.stop();
    (home, data)
}

/// The command ends with `code`; what it writes to both outputs, each line of standard error one of purser's.
#[track_caller]
fn check(command: &str, data: &Path, arguments: &[&str], code: i32) -> String {
    let output = home::look(PURSER.as_ref(), command, data, arguments);
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    assert!(stderr.lines().all(|line| line.starts_with("purser: ")), "{stderr}");
    stdout + &stderr
}

#[track_caller]
fn check_contains(text: &str, expect: &str) {
    assert!(text.contains(expect), "{expect:?} is not in:\n{text}");
}

/// The text with its times as `TIME`.
fn masked(line: &str) -> String {
    let is_time = |at: usize| {
        let form = line.as_bytes().get(at..at + "2021-06-07T11:16:16.216Z".len())?;
        let form: String =
            form.iter().map(|b| if b.is_ascii_digit() { '0' } else { char::from(*b) }).collect();
        (form == "0000-00-00T00:00:00.000Z").then_some(form.len())
    };
    let (mut text, mut at) = (String::new(), 0);
    while let Some(c) = line[at..].chars().next() {
        if let Some(length) = is_time(at) {
            text += "TIME";
            at += length;
        } else {
            text.push(c);
            at += c.len_utf8();
        }
    }
    text
}

fn shard(data: &Path, shard: usize) -> PathBuf {
    data.join(format!("gen-1/shard-{shard}"))
}

/// Changes a file as a bad disk does.
#[track_caller]
fn change(path: &Path, change: impl FnOnce(&fs::File)) {
    change(&OpenOptions::new().read(true).write(true).open(path).expect("the file is there"));
}

#[track_caller]
fn flip(path: &Path, at: u64) {
    change(path, |file| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("the file is that long");
        file.write_all_at(&[byte[0] ^ 1], at).expect("it is written");
    });
}

#[test]
fn what_a_server_has_left_is_whole() {
    for shards in [1, 2] {
        let (_home, data) = played(shards);
        let text = check("verify", &data, &[], 0);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), shards + 3, "{text}");
        let cells = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
        let sum = |column: usize| -> u64 {
            lines[1..=shards].iter().map(|line| cells(line)[column].parse::<u64>().expect("a number")).sum()
        };
        // Replayed, accounts, rounds, transactions.
        assert_eq!((sum(2), sum(4), sum(5), sum(6)), (48, 21, 24, 48), "{text}");
        assert!(lines[1..=shards].iter().all(|line| line.ends_with("  ok")), "{text}");
        // 21 accounts of a million, and 24 rounds that cost 0.60 each.
        check_contains(
            &text,
            "domain default: accounts hold 20999985.60 GBP, the house account -20999985.60 GBP: even\n",
        );
        assert!(lines[shards + 2].starts_with("ok: "), "{text}");
    }
}

#[test]
fn all_of_it_works_beside_a_server() {
    let home = demo();
    let data = home.data();
    let server = home.start(2);
    std::thread::scope(|threads| {
        let playing = threads.spawn(|| play(&server, 40));
        while !playing.is_finished() {
            check_contains(&check("verify", &data, &[], 0), "ok: 2 shards");
            check("export", &data, &[], 0);
        }
    });
    let text = check("explain", &data, &["--account", "default/player-000001"], 0);
    check_contains(&text, "round r-40 transaction win");
    check_contains(&text, "at the end: active, 999976.00 GBP, version 81;");
    assert!(fs::read_to_string(data.join("purser.lock")).expect("it is held").trim().parse::<u32>().is_ok());
    server.stop();
}

/// What a mark says when it is read may be over when the files are.
#[test]
fn verify_works_beside_starts_and_stops() {
    let (home, data) = played(2);
    std::thread::scope(|threads| {
        let serving = threads.spawn(|| {
            for round in 0..4 {
                let server = home.start(2);
                play(&server, 4 + round);
                if round % 2 == 0 {
                    server.stop();
                }
            }
        });
        while !serving.is_finished() {
            check_contains(&check("verify", &data, &[], 0), "ok: 2 shards");
        }
    });
    check("verify", &data, &[], 0);
}

/// Where there is no directory the arguments are wrong; a directory without data has lost them.
#[test]
fn there_are_no_data() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("the file is written");
    let nothing =
        |data: &Path| format!("there are no data in {}: no server has served from it", data.display());
    let below = file.join("data");
    let no_directory = format!("there are no data in {}: it is not a directory", file.display());
    let manifest = dir.path().join("manifest");
    let lost = format!(
        "{}: it is missing, so that there are no data in {}",
        manifest.display(),
        dir.path().display()
    );
    let missing = dir.path().join("missing");
    for (data, code, sentence) in [
        (&missing, 2, nothing(&missing)),
        (&file, 2, no_directory),
        (&below, 2, nothing(&below)),
        (&dir.path().to_owned(), 1, lost),
    ] {
        for (command, arguments) in
            [("verify", &[][..]), ("explain", &["--account", "default/admin"]), ("export", &[])]
        {
            assert_eq!(check(command, data, arguments, code), format!("purser: {sentence}\n"));
        }
    }
    assert_eq!(dir.path().read_dir().expect("it is there").count(), 1, "nothing is made");
}

/// What is missing is damage to each command.
#[test]
fn files_are_missing() {
    let (home, data) = played(2);
    let check_missing = |path: &Path, sentence: &str| {
        let away = data.with_extension("away");
        fs::rename(path, &away).expect("it is there");
        for (command, arguments) in
            [("verify", &[][..]), ("explain", &["--account", "default/admin"]), ("export", &[])]
        {
            // An account is in one shard alone, and that may be whole.
            let text = home.look(command, arguments);
            if command != "explain" || sentence.contains("names") {
                assert_eq!(text.status.code(), Some(1), "{command}: {text:?}");
                let text = [text.stdout, text.stderr].concat();
                check_contains(&String::from_utf8(text).expect("UTF-8"), sentence);
            }
        }
        fs::rename(&away, path).expect("it is there");
    };
    check_missing(&data.join("gen-1"), "gen-1: it is missing, and the manifest names it");
    check_missing(&shard(&data, 1), "gen-1/shard-1: it is missing, and the manifest names 2 shards");
    check_missing(&shard(&data, 1).join("mark"), "gen-1/shard-1/mark: it is missing");
    check_missing(&shard(&data, 1).join("snapshot-0000000000000000"), "gen-1/shard-1: it has no snapshot");
    let segment = shard(&data, 1).join("segment-00000001.journal");
    check_missing(&segment, &format!("{}: it is missing", segment.display()));
    check("verify", &data, &[], 0);
}

#[test]
fn a_flipped_byte_in_a_segment() {
    let (home, data) = played(2);
    let segment = shard(&data, 1).join("segment-00000001.journal");
    // The second group's records: there are groups behind it, since each call waited for its own.
    flip(&segment, 2 * BLOCK as u64 + 100);
    let expect = format!("{}, byte {}: ", segment.display(), 2 * BLOCK);
    let text = check("verify", &data, &[], 1);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].ends_with("  ok"), "the other shard is read: {text}");
    check_contains(lines[2], &format!("DAMAGED: {expect}"));
    assert_eq!(lines[lines.len() - 1], "DAMAGED: 1 of 2 shards");
    check_contains(&check("export", &data, &[], 1), &expect);
    check_contains(&home.refusal(2), &expect);
}

#[test]
fn a_flipped_byte_in_a_snapshot() {
    let (home, data) = played(1);
    let snapshot = shard(&data, 0).join("snapshot-0000000000000000");
    flip(&snapshot, 1_000);
    let expect = format!("{}, byte ", snapshot.display());
    check_contains(&check("verify", &data, &[], 1), &format!("DAMAGED: {expect}"));
    check_contains(&home.refusal(1), &expect);
}

/// Where a server was killed the last write may be torn, behind its mark; where it was stopped nothing may.
#[test]
fn a_torn_last_write_is_no_damage() {
    let home = demo();
    let data = home.data();
    let server = home.start(1);
    let mark = shard(&data, 0).join("mark");
    let behind = fs::read(&mark).expect("it is there");
    play(&server, 3);
    drop(server);
    fs::write(&mark, behind).expect("it is there");
    let segment = shard(&data, 0).join("segment-00000001.journal");
    // 48 calls, each with a group of one block behind the header's.
    let last = 48 * BLOCK as u64;
    flip(&segment, last + 100);
    let text = check("verify", &data, &[], 0);
    check_contains(&text, &format!("or was torn by a crash: {}, byte {last}", segment.display()));
    home.start(1).stop();
    assert!(check("verify", &data, &[], 0).lines().nth(1).expect("a shard").ends_with("  ok"));
    flip(&segment, last - BLOCK as u64 + 100);
    let expect = format!("{}, byte {}: ", segment.display(), last - BLOCK as u64);
    check_contains(&check("verify", &data, &[], 1), &expect);
    check_contains(&home.refusal(1), &expect);
}

#[test]
fn a_newer_format() {
    let (home, data) = played(1);
    let segment = shard(&data, 0).join("segment-00000001.journal");
    change(&segment, |file| {
        let mut header = vec![0; BLOCK];
        file.read_exact_at(&mut header, 0).expect("a header");
        header[8] += 1;
        let checksum = xxh3_128(&header[..BLOCK - 16]).to_le_bytes();
        header[BLOCK - 16..].copy_from_slice(&checksum);
        file.write_all_at(&header, 0).expect("it is written");
    });
    let expect = "byte 0: it has format version 3, and this program reads version 2";
    check_contains(&check("verify", &data, &[], 1), expect);
    check_contains(&home.refusal(1), expect);

    let manifest = data.join("manifest");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let later = text.split("checksum").next().expect("it has one").replacen("purser 2", "purser 3", 1);
    let checksum = xxh3_128(later.as_bytes());
    fs::write(&manifest, format!("{later}checksum {checksum:032x}\n")).expect("it is written");
    let expect = "it has format version 3, and this program reads versions up to 2";
    check_contains(&check("verify", &data, &[], 1), expect);
    check_contains(&home.refusal(1), expect);
}

/// A directory in which `default/admin` has done something of every kind.
#[track_caller]
fn lived() -> (Home, PathBuf) {
    let home = demo();
    let data = home.data();
    let server = home.start(1);
    let admin = "default/admin";
    let bet = |round: &str, id: &str, amount: &str, more: &str| {
        let flags = format!(r#","GatewaySessionToken":"{KEY}","StartRound":true,"EndRound":false{more}"#);
        call(&server, "gameround/placebet", &members(admin, round, id, amount, &flags))
    };
    let back = |id: &str, of: &str| {
        let flags = format!(r#","OriginalBetGameRoundTransactionID":"{of}","EndRound":false"#);
        call(&server, "gameround/rollbackbet", &members(admin, "r-1", id, "1.50", &flags))
    };
    bet("r-1", "b-1", "1.50", r#","GameVersion":"1.0""#);
    back("k-1", "b-1");
    back("k-2", "b-1");
    back("k-3", "b-9");
    let win = members(admin, "r-2", "w-1", "2.00", r#","StartRound":true,"EndRound":true"#);
    call(&server, "gameround/awardwinnings", &win);
    server.operate("POST default/admin/deposits", r#"{"TransactionID":"d-1","Amount":10.00}"#, 200);
    server.operate("PUT default/admin/limits", r#"{"Stake":5.00,"Loss":{"Week":100}}"#, 200);
    server.operate("PUT default/admin/status", r#"{"Status":"frozen"}"#, 200);
    server.operate("POST default/admin/sessions", r#"{"SessionKey":"second"}"#, 201);
    server.operate("DELETE default/admin/sessions/second", "", 200);
    server.operate("PUT default/new", r#"{"CountryCode":"GB","City":"Bath"}"#, 201);
    server.stop();
    (home, data)
}

/// `explain` writes these lines, times masked and places without their bytes.
#[track_caller]
fn check_story(data: &Path, arguments: &[&str], expect: &[&str]) {
    let text = check("explain", data, arguments, 0);
    let lines: Vec<String> = text.lines().map(masked).collect();
    assert_eq!(lines, expect, "{text}");
}

#[test]
fn the_story_of_an_account() {
    let (_home, data) = lived();
    let first = format!("default/admin in {}", shard(&data, 0).display());
    let snapshot = "TIME  snapshot-0000000000000000: active, 1000000.00 GBP, version 1; live sessions 1, open rounds 0, \
                    transactions remembered 0";
    check_story(
        &data,
        &["--account", "default/admin"],
        &[
            &first,
            snapshot,
            "TIME  segment-00000001.journal byte 4160 record 1: placebet round r-1 transaction b-1 1.50 GBP, game 11588, \
         platform L100, starts the round: done, opened the round; 1000000.00 -> 999998.50 GBP, version 1 -> 2",
            r#"    {"GameVersion":"1.0"}"#,
            "TIME  segment-00000001.journal byte 8256 record 2: rollbackbet round r-1 transaction k-1 1.50 GBP, of bet b-1, \
         game 11588, platform L100: done; 999998.50 -> 1000000.00 GBP, version 2 -> 3",
            "TIME  segment-00000001.journal byte 12352 record 3: rollbackbet round r-1 transaction k-2 1.50 GBP, of bet b-1, \
         game 11588, platform L100: done, moved nothing: the bet was taken back before, or is not there; 1000000.00 GBP, version 3",
            "TIME  segment-00000001.journal byte 16448 record 4: rollbackbet round r-1 transaction k-3 1.50 GBP, of bet b-9, \
         game 11588, platform L100: refused with -8: the bet is not there, and is remembered as cancelled; \
         1000000.00 GBP, version 3",
            "TIME  segment-00000001.journal byte 20544 record 5: awardwinnings round r-2 transaction w-1 2.00 GBP, game \
         11588, platform L100, starts the round, ends the round: done, opened the round, closed the round; \
         1000000.00 -> 1000002.00 GBP, version 3 -> 4",
            "TIME  segment-00000001.journal byte 24640 record 6: deposit transaction d-1 10.00 GBP: done; \
         1000002.00 -> 1000012.00 GBP, version 4 -> 5",
            "TIME  segment-00000001.journal byte 28736 record 7: limits stake 5.00 GBP, loss a week 100.00 GBP: done; \
         1000012.00 GBP, version 5",
            "TIME  segment-00000001.journal byte 32832 record 8: status frozen: done; 1000012.00 GBP, version 5",
            "TIME  segment-00000001.journal byte 36928 record 9: login with session second: done; 1000012.00 GBP, version 5",
            "TIME  segment-00000001.journal byte 41024 record 10: logout of session second: done; 1000012.00 GBP, version 5",
            "TIME  at the end: frozen, 1000012.00 GBP, version 5; live sessions 1, open rounds 1, transactions remembered 5; \
         limits stake 5.00 GBP, loss a week 100.00 GBP",
        ],
    );
    let of_new = format!("default/new in {}", shard(&data, 0).display());
    check_story(
        &data,
        &["--account", "default/new"],
        &[
            &of_new,
            "TIME  snapshot-0000000000000000: not there yet",
            "TIME  segment-00000001.journal byte 45120 record 11: profile country GB, city \"Bath\": created; 0.00 GBP, \
         version 0",
            "TIME  at the end: active, 0.00 GBP, version 0; live sessions 0, open rounds 0, transactions remembered 0",
        ],
    );
}

#[test]
fn a_part_of_a_story() {
    let (_home, data) = lived();
    let of = |transaction: &str| {
        let text = check("explain", &data, &["--account", "default/admin", "--transaction", transaction], 0);
        text.lines().map(|line| line.split(": ").nth(1).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let of_bet = of("b-1");
    assert_eq!(of_bet.len(), 4, "the bet, its details, and two rollbacks: {of_bet:?}");
    assert!(of_bet[0].starts_with("placebet") && of_bet[2].starts_with("rollbackbet"), "{of_bet:?}");
    assert_eq!(of("d-1"), ["deposit transaction d-1 10.00 GBP"]);

    let missing = check("explain", &data, &["--account", "default/admin", "--transaction", "x"], 1);
    assert_eq!(missing, "purser: default/admin has no transaction x that is remembered or recorded\n");
    let nobody = check("explain", &data, &["--account", "default/nobody"], 1);
    check_contains(&nobody, "purser: there is no account default/nobody\n");
    check_contains(
        &check("explain", &data, &["--account", "elsewhere/x"], 1),
        "there is no account elsewhere/x",
    );
    let bare = check("explain", &data, &["--account", "admin"], 1);
    check_contains(&bare, "purser: there is no account admin; an account is named domain/player\n");
    let when = check("explain", &data, &["--account", "default/admin", "--at", "yesterday"], 2);
    check_contains(&when, "such as 2026-11-24T16:00:00Z");

    // Up to the deposit, by its own time.
    let all = check("explain", &data, &["--account", "default/admin"], 0);
    let deposit = all.lines().find(|line| line.contains("deposit")).expect("a deposit");
    let at = deposit.split_once(' ').expect("a time").0;
    let part = check("explain", &data, &["--account", "default/admin", "--at", at], 0);
    check_contains(&part, "version 4 -> 5");
    check_contains(&part, &format!("{at}  at the end: "));
    let before = check("explain", &data, &["--account", "default/admin", "--at", "2020-01-01T00:00:00Z"], 1);
    check_contains(
        &before,
        "purser: what default/admin was at 2020-01-01T00:00:00.000Z is not known: the records up to ",
    );
    let nobody = check("explain", &data, &["--account", "default/x", "--at", "2020-01-01T00:00:00Z"], 1);
    check_contains(&nobody, "purser: there is no account default/x by 2020-01-01T00:00:00.000Z\n");
}

/// Re-sharded, the accounts are in snapshots, and no record is left.
#[test]
fn a_story_that_a_snapshot_remembers() {
    let (home, data) = lived();
    home.start(2).stop();
    check_contains(&check("verify", &data, &[], 0), "ok: 2 shards");
    let file = "snapshot-000000000000000b";
    check_story(
        &data,
        &["--account", "default/admin", "--transaction", "b-1"],
        &[
            &format!(
                "TIME  {file}: placebet round r-1 transaction b-1 1.50 GBP: done, taken back later; 999998.50 GBP after \
                 it, number 1"
            ),
            &format!(
                "TIME  {file}: rollbackbet round r-1 transaction k-1 1.50 GBP, of bet b-1: done; 1000000.00 GBP after \
                 it, number 2"
            ),
            &format!(
                "TIME  {file}: rollbackbet round r-1 transaction k-2 1.50 GBP, of bet b-1: done, moved nothing: the bet \
                 was taken back before; 1000000.00 GBP after it, number 3"
            ),
        ],
    );
}

#[test]
fn a_reader_that_has_gone_is_no_fault() {
    let (_home, data) = played(1);
    for arguments in
        [&["export"][..], &["export", "--format", "csv"], &["explain", "--account", "default/admin"]]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut purser = Command::new(PURSER);
        purser.args(arguments).arg("--data").arg(&data).stdout(writer).stderr(Stdio::piped());
        let output = purser.output().expect("it runs");
        assert_eq!(output.stderr, b"", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}
