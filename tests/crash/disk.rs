//! A disk that is nearly full, full, or fails.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use partition::Partition;
use tempfile::TempDir;
use testkit::home::{Home, Server};
use testkit::message::{self, balance, bet, call, create_token, get, play, redeem_token, transaction};
use testkit::skipped::skip;
use wallet::account::AccountRef;

use crate::PURSER;
use crate::files::{await_mark, await_names, contents, names, used_segments};
use crate::fill::{create_fillers, fill_segments};

const ACCOUNTS: [&str; 4] = ["default/anna", "default/bert", "default/cleo", "default/dora"];

/// An account with 10.00 and a session.
#[track_caller]
fn create(process: &Server, account: &str) {
    process.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
    process.operate(
        &format!("POST {account}/sessions"),
        &format!(r#"{{"SessionKey":"key of {account}"}}"#),
        201,
    );
    process.operate(&format!("POST {account}/deposits"), r#"{"TransactionID":"d","Amount":10.00}"#, 200);
}

fn told(pounds: u32, version: u32) -> String {
    answer(0, pounds, version)
}

fn answer(code: i32, pounds: u32, version: u32) -> String {
    format!(
        r#"{{"ErrorCode":{code},"Balance":{{"CurrencyCode":"GBP","CashFunds":{pounds}.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":{version}}}}}"#
    )
}

/// Every call of a platform that would change something, but for the redemption of a token.
fn writes(account: &str) -> Vec<String> {
    let alert = format!(
        r#""GatewaySessionToken":"key of {account}","OperatorAccountID":"{account}","Source":"Gameflex","AlertActionID":"1","OperatorAlertActionReference":"2","OperatorAlertReference":"3","GamingRegulatorCode":"UKGC","Type":"RealityCheck","Method":"Popup","Data":"x""#
    );
    let alert = call("alertwalletcallbacknotification", &alert);
    let win = play("awardwinnings", account, "r2", &transaction("t", "1.00", false, true));
    let original = r#","OriginalBetGameRoundTransactionID":"b""#;
    let rollback = transaction("t", "1.00", false, false) + original;
    let rollback = play("rollbackbet", account, "r3", &rollback);
    vec![
        bet(account, &format!("key of {account}"), "r1", "1.00", false),
        win,
        rollback,
        credit(account, 6),
        alert,
    ]
}

/// A promotional payment of a pound.
fn credit(account: &str, id: u32) -> String {
    message::credit(account, &format!("t{id}"), "1.00")
}

/// Waits until the second segment of each shard is made ready.
#[track_caller]
fn await_next(home: &Home, shards: usize) {
    await_names(&home.data(), "the next segment", |names| {
        names.iter().filter(|name| name.ends_with("segment-00000002.journal")).count() == shards
    });
}

#[track_caller]
fn check_read_only(process: &Server, account: &str) {
    for write in writes(account) {
        process.check(&write, r#"{"ErrorCode":-1}"#);
    }
    for (asked, body) in [
        (format!("PUT {account}"), r#"{"CountryCode":"SE"}"#),
        ("PUT default/somebody".into(), r#"{"CountryCode":"SE"}"#),
        (format!("POST {account}/deposits"), r#"{"TransactionID":"e","Amount":1.00}"#),
        (format!("POST {account}/withdrawals"), r#"{"TransactionID":"e","Amount":1.00}"#),
        (format!("PUT {account}/status"), r#"{"Status":"frozen"}"#),
        (format!("PUT {account}/limits"), r#"{"Stake":1.00}"#),
        (format!("POST {account}/sessions"), r#"{"SessionKey":"another"}"#),
        (format!("DELETE {account}/sessions/key%20of%20{}", account.replace('/', "%2F")), ""),
    ] {
        process.operate(&asked, body, 503);
    }
    process.check(&balance(account), &told(10, 1));
    process.operate(&format!("GET {account}"), "", 200);
    // What changes nothing is told as ever: what is refused for what it says, and a repeat.
    let key = format!("key of {account}");
    process.check(&bet(account, &key, "r1", "10.01", false), &answer(-2, 10, 1));
    process.check(&bet(account, "no key", "r1", "1.00", false), r#"{"ErrorCode":-3}"#);
    for (name, members) in [("voidbet", transaction("t", "1.00", false, false)), ("end", String::new())] {
        process.check(&play(name, account, "not there", &members), &answer(-14, 10, 1));
    }
    let deposits = format!("POST {account}/deposits");
    process.operate(&deposits, r#"{"TransactionID":"d","Amount":10.00}"#, 200);
    process.operate(&deposits, r#"{"TransactionID":"d","Amount":11.00}"#, 409);
    let made = process.client().ask(&create_token(account)).body;
    let token = made.split('"').rev().nth(1).expect("a token");
    // A redemption renews its session, and that is journaled.
    process.check(&redeem_token(token), r#"{"ErrorCode":-1}"#);
}

#[test]
fn nothing_is_changed_where_the_disk_is_nearly_full() {
    for shards in [1, 2] {
        let mut home = Home::new(PURSER);
        let process = home.start(shards);
        ACCOUNTS.iter().for_each(|account| create(&process, account));
        let views = || ACCOUNTS.map(|account| process.operate(&format!("GET {account}"), "", 200));
        let before = views();
        process.kill();

        home.configure(&[("default", "GBP")], "\n[storage]\nreserve_mib = 1000000000\n");
        let process = home.start(shards);
        let ready = process.operator().ask(&get("/readyz"));
        let reason = r#"{"Error":"The disk is nearly full: balances are told, and nothing is changed."}"#;
        assert_eq!((ready.status, ready.body.as_str()), (503, reason));
        assert_eq!(process.operator().ask(&get("/healthz")).status, 200);
        assert!(process.notes.contains("less than 1000000000 MiB are free"), "{}", process.notes);
        ACCOUNTS.iter().for_each(|account| check_read_only(&process, account));
        assert_eq!(process.stop(), "");

        home.configure(&[("default", "GBP")], "");
        let process = home.start(shards);
        assert_eq!(process.operator().ask(&get("/readyz")).status, 200);
        for (account, before) in ACCOUNTS.iter().zip(before) {
            // The session was used meanwhile, and nothing else.
            let now = process.operate(&format!("GET {account}"), "", 200);
            let used = |view: &str| {
                view.split_once(r#""LastUsedAt":""#)
                    .map(|(before, rest)| format!("{before}{}", &rest["2021-06-07T11:16:16.216Z".len()..]))
            };
            assert_eq!(used(&now), used(&before));
            let writes = writes(account);
            for write in [&writes[0], &writes[writes.len() - 1]] {
                let answer = process.client().ask(write).body;
                assert!(answer.starts_with(r#"{"ErrorCode":0,"#), "{write}: {answer}");
            }
            process.check(&balance(account), &told(9, 2));
        }
        process.operate("GET default/somebody", "", 404);
        assert_eq!(process.stop(), "");
    }
}

/// A write that fails ends the process: what of it is on the disk is not known, and nobody is told that it was done.
#[test]
fn a_write_that_fails_ends_the_process() {
    for shards in [1, 2] {
        for account in ACCOUNTS {
            let home = Home::new(PURSER);
            let mut process = home.start(shards);
            create(&process, account);
            // What is written beside the journal has come to rest: its failure is another one.
            let owner = Partition::new(shards).owner(AccountRef::new(account).hash().slot()).index();
            await_mark(&home.data().join(format!("gen-1/shard-{owner}")), 3);
            await_next(&home, shards);
            process.limit_files(Some(0));
            let mut client = process.client();
            let pay = credit(account, 1);
            client.writer().write_all(pay.as_bytes()).expect("the server reads");
            assert!(client.read_answer(true).is_err(), "what is not durable was told");
            let code = process.wait().code();
            let words = process.last_words();
            assert_eq!(code, Some(74), "{words}");
            let [sentence] = words.lines().collect::<Vec<_>>()[..] else { panic!("{words}") };
            assert!(sentence.starts_with("purser: shard ") && sentence.contains(".journal"), "{sentence}");

            let process = home.start(shards);
            process.check(&balance(account), &told(10, 1));
            assert!(process.client().ask(&pay).body.starts_with(r#"{"ErrorCode":0,"#));
            process.check(&balance(account), &told(11, 2));
            assert_eq!(process.stop(), "");
        }
    }
}

/// A disk without room for a segment is told of at the start.
#[test]
fn a_start_needs_room_for_a_segment() {
    let mut home = Home::new(PURSER);
    home.limit_files(Some(1024));
    for shards in [1, 2] {
        let sentence = home.refusal(shards);
        assert!(sentence.contains("segment-00000001.journal"), "{sentence}");
    }
    // What it has begun is no hindrance.
    home.limit_files(None);
    let process = home.start(2);
    create(&process, "default/anna");
    assert_eq!(process.stop(), "");
}

/// Where the next segment can't be made nothing more is let in, until it can; and then the shard comes to it.
#[test]
fn changes_wait_for_the_next_segment() {
    const DEPOSITS: u32 = 400;
    let home = Home::new(PURSER);
    let process = home.start(1);
    ACCOUNTS.iter().for_each(|account| create(&process, account));
    create_fillers(&process);
    await_next(&home, 1);
    process.kill();
    fill_segments(&home.data());
    let next = home.data().join("gen-1/shard-0/segment-00000002.journal");
    fs::remove_file(&next).expect("it was made ready");
    // Something is in the way that no server has made.
    let in_the_way = next.with_extension("journal.new");
    fs::create_dir(&in_the_way).expect("there is nothing of that name");
    let process = home.start(1);
    let says = process.await_ready(503);
    assert!(says.contains("A file can't be written, and standard error says which"), "{says}");
    let mut client = process.client();
    let pay = |id| credit(ACCOUNTS[0], id);
    for id in 1..=DEPOSITS {
        assert_eq!(client.ask(&pay(id)).body, r#"{"ErrorCode":-1}"#, "{id}");
    }
    process.check(&balance(ACCOUNTS[1]), &told(10, 1));
    fs::remove_dir(&in_the_way).expect("it is there, and nothing is in it");
    process.await_ready(200);
    await_taken(&process, &pay(1));
    for id in 2..=DEPOSITS {
        let funds = 10 + id;
        let answer = client.ask(&pay(id)).body;
        assert!(answer.contains(&format!(r#""CashFunds":{funds}.00,"#)), "{id}: {answer}");
    }
    assert!(used_segments(&home.data()).iter().any(|(path, _)| *path == next), "it has come to it");
    process.kill();
    home.start(2).check(&balance(ACCOUNTS[0]), &told(10 + DEPOSITS, 1 + DEPOSITS));
}

/// A fold that fails is said once, tried again, and leaves nothing behind.
#[test]
fn a_fold_that_fails_is_tried_again() {
    let mut home = Home::new(PURSER);
    let process = home.start(1);
    create(&process, ACCOUNTS[0]);
    create_fillers(&process);
    assert_eq!(process.stop(), "");
    fill_segments(&home.data());
    let process = home.start(1);
    let mut client = process.client();
    for id in 1..=40 {
        let pay = credit(ACCOUNTS[0], id);
        assert!(client.ask(&pay).body.starts_with(r#"{"ErrorCode":0,"#));
    }
    await_names(&home.data(), "the segment after the next", |names| {
        names.iter().any(|name| name.ends_with("segment-00000003.journal"))
    });
    assert_eq!(process.stop(), "");

    home.configure(&[("default", "GBP")], "\n[storage]\nsnapshot_segments = 1\n");
    home.limit_files(Some(1024));
    let mut process = home.start(1);
    let said = process.next_line();
    assert!(
        said.starts_with("purser: no snapshot could be made: ") && said.contains("File too large"),
        "{said}"
    );
    let is_left = |names: &[String]| names.iter().any(|name| name.ends_with(".new"));
    assert!(!is_left(&names(&home.data())), "{:?}", names(&home.data()));
    process.limit_files(None);
    await_names(&home.data(), "the fold", |names| {
        !names.iter().any(|name| name.ends_with("segment-00000001.journal")) && !is_left(names)
    });
    process.check(&balance(ACCOUNTS[0]), &told(50, 41));
    assert_eq!(process.stop(), "", "it is not said again");
    home.verify(0);
}

/// A small file system of its own, which is unmounted when the test is done with it.
pub(crate) struct Mounted {
    dir: TempDir,
}

impl Mounted {
    /// `None` where none may be mounted here.
    pub(crate) fn new(mib: u32) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (image, at) = (dir.path().join("image"), dir.path().join("disk"));
        fs::create_dir(&at).expect("it is not there");
        let file = fs::File::create(&image).expect("there is room");
        file.set_len(u64::from(mib) << 20).expect("there is room");
        let made = run("mkfs.ext4", &["-q".as_ref(), "-m".as_ref(), "0".as_ref(), image.as_os_str()])
            && run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_os_str(), at.as_os_str()]);
        let mib = format!("size={mib}m");
        let in_memory =
            ["-t".as_ref(), "tmpfs".as_ref(), "-o".as_ref(), mib.as_ref(), "tmpfs".as_ref(), at.as_os_str()];
        if !made && !run("mount", &in_memory) {
            skip("no file system may be mounted here");
            return None;
        }
        Some(Self { dir })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    #[track_caller]
    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(run("mount", &["-o".as_ref(), options.as_ref(), self.path().as_os_str()]), "{options}");
    }

    /// Fills the disk to its last byte.
    #[track_caller]
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.path().join("other");
        let mut file = fs::File::create(&path).expect("a file of nothing takes no room");
        for bytes in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![1; bytes]).is_ok() {}
        }
        let _ = file.sync_all();
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A server that was killed may hold it for a moment.
        run("umount", &["-l".as_ref(), self.path().as_os_str()]);
    }
}

fn run(program: &str, arguments: &[&OsStr]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

const NO_RESERVE: &str = "\n[storage]\nreserve_mib = 0\n";

/// A server on a file system of its own, in which so many shards have served the accounts and were killed or stopped.
fn on_a_disk(mib: u32, shards: usize, is_stopped: bool) -> Option<(Mounted, Home)> {
    let disk = Mounted::new(mib)?;
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], NO_RESERVE);
    home.serve_from(disk.path().join("data"));
    let process = home.start(shards);
    ACCOUNTS.iter().for_each(|account| create(&process, account));
    await_next(&home, shards);
    if is_stopped {
        assert_eq!(process.stop(), "");
    } else {
        process.kill();
    }
    Some((disk, home))
}

/// Waits until a change is taken: each shard looks once a second whether it may take any.
#[track_caller]
fn await_taken(process: &Server, request: &str) {
    let mut client = process.client();
    // A million questions take far longer than that.
    let taken = (0..1_000_000).any(|_| client.ask(request).body.starts_with(r#"{"ErrorCode":0,"#));
    assert!(taken, "{request}");
}

/// Balances are told, nothing is changed, and once the disk takes writes again it goes on by itself.
#[track_caller]
fn check_until(home: &Home, shards: usize, reason: &str, then: impl FnOnce()) {
    let process = home.start(shards);
    let says = process.await_ready(503);
    assert!(says.contains(reason), "{reason:?} in {says}");
    ACCOUNTS.iter().for_each(|account| check_read_only(&process, account));
    then();
    process.await_ready(200);
    for account in ACCOUNTS {
        let pay = credit(account, 1);
        await_taken(&process, &pay);
        process.check(&balance(account), &told(11, 2));
    }
    process.stop();
    home.verify(0);
    let process = home.start(shards);
    ACCOUNTS.iter().for_each(|account| process.check(&balance(account), &told(11, 2)));
    process.stop();
}

#[test]
fn a_read_only_file_system_is_served_from() {
    for (shards, is_stopped) in [(1, true), (1, false), (2, true), (2, false)] {
        let Some((disk, home)) = on_a_disk(600, shards, is_stopped) else { return };
        // Rights that can't be taken meanwhile are no hindrance.
        fs::set_permissions(home.data(), Permissions::from_mode(0o755)).expect("it is there");
        disk.remount("ro");
        check_until(&home, shards, "The file system is read-only", || disk.remount("rw"));
    }
}

/// What the configuration changes waits for the disk; nobody who asks for a balance does, and nobody who stops the
/// server.
#[test]
fn a_changed_configuration_waits_for_a_read_only_file_system() {
    let Some((disk, mut home)) = on_a_disk(600, 2, true) else { return };
    home.configure(
        &[("default", "GBP"), ("another", "EUR")],
        &format!("{NO_RESERVE}[timeouts]\ndrain_ms = 1\n"),
    );
    disk.remount("ro");
    let process = home.start(2);
    process.await_ready(503);
    ACCOUNTS.iter().for_each(|account| check_read_only(&process, account));
    assert_eq!(process.stop(), "");
    check_until(&home, 2, "The file system is read-only", || disk.remount("rw"));
}

#[test]
fn a_full_disk_is_served_from() {
    for (shards, is_stopped) in [(1, false), (1, true), (2, true)] {
        let Some((disk, mut home)) = on_a_disk(600, shards, is_stopped) else { return };
        // What was made ready is not there: the journal can't go on for long.
        if !is_stopped {
            for shard in 0..shards {
                let next = format!("gen-1/shard-{shard}/segment-00000002.journal");
                fs::remove_file(home.data().join(next)).expect("it was made ready");
            }
        }
        let other = disk.fill();
        home.configure(&[("default", "GBP")], "\n[storage]\nreserve_mib = 64\n");
        check_until(&home, shards, "The disk is nearly full", || {
            fs::remove_file(other).expect("it is there")
        });
    }
}

/// Without a reserve it is the segment that can't be made which is told of.
#[test]
fn a_disk_without_room_for_a_segment_is_served_from() {
    let Some((disk, home)) = on_a_disk(600, 1, false) else { return };
    fs::remove_file(home.data().join("gen-1/shard-0/segment-00000002.journal")).expect("it was made ready");
    let other = disk.fill();
    check_until(&home, 1, "A file can't be written", || fs::remove_file(other).expect("it is there"));
}

/// Where the next segment was made ready there is room for changes, however full the disk is.
#[test]
fn what_was_made_ready_is_used_on_a_full_disk() {
    for is_stopped in [true, false] {
        let Some((disk, home)) = on_a_disk(600, 1, is_stopped) else { return };
        disk.fill();
        let process = home.start(1);
        process.await_ready(200);
        assert_eq!(process.notes, "");
        for account in ACCOUNTS {
            await_taken(&process, &credit(account, 1));
        }
        assert_eq!(process.stop(), "");
        home.verify(0);
    }
}

/// What has to be written before anything is served is refused, and takes no room.
#[test]
fn nothing_new_is_begun_on_a_full_disk() {
    let Some((disk, mut home)) = on_a_disk(400, 1, true) else { return };
    let other = disk.fill();
    let before = contents(&home.data());
    let sentence = home.refusal(2);
    assert!(sentence.contains("gen-2") && sentence.contains("No space left"), "{sentence}");
    assert_eq!(contents(&home.data()), before);
    let data = home.data();
    home.serve_from(disk.path().join("new"));
    let sentence = home.refusal(1);
    assert!(sentence.contains(&home.data().display().to_string()), "{sentence}");
    fs::remove_file(other).expect("it is there");
    home.serve_from(data);
    let process = home.start(1);
    ACCOUNTS.iter().for_each(|account| process.check(&balance(account), &told(10, 1)));
    process.stop();
}
