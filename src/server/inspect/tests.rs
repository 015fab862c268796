//! What `verify` computes again, on accounts that no wallet would have left so.

mod past;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::audit::{Audit, Held, shared};
use super::{archived, explain, words};
use crate::config::{Demo, ExplainOptions};
use crate::data::{self, OpenParameters};
use calendar::Zones;
use clock::start::Confirmed;
use partition::Partition;
use storage::archive::{Archive, ArchiveManifest};
use storage::reader;
use wallet::image::{AccountImage, RoundImage, RoundKind, SessionImage, TransactionImage};
use wallet::settings::Settings;
use wallet::{Catalog, Currency, Domain, PlatformKey};

const BET: u8 = 0;
const WIN: u8 = 1;
const ROLLBACK: u8 = 2;
const VOID: u8 = 3;
const DEPOSIT: u8 = 5;
const WITHDRAWAL: u8 = 6;
const CANCELLED: u8 = 7;

const NOW_MS: u64 = 1_700_000_000_000;

fn transaction(number: u64, kind: u8, amount: i64, balance_after: i64) -> TransactionImage {
    TransactionImage { id: format!("t-{number}"), kind, amount, balance_after, number, ..Default::default() }
}

/// An account whose transactions are as a wallet leaves them: two rounds, and what is outside of rounds.
fn account() -> AccountImage {
    let bet = TransactionImage { flags: 2, ..transaction(2, BET, 100, 900) };
    let back = TransactionImage { original: Some(0), ..transaction(3, ROLLBACK, 100, 1_000) };
    let again = TransactionImage { flags: 1, original: Some(0), ..transaction(4, ROLLBACK, 100, 1_000) };
    let cancelled = TransactionImage { id: "b-9".into(), kind: CANCELLED, ..Default::default() };
    // What `unknown_rollback = 0` leaves.
    let unknown = TransactionImage { flags: 1, original: Some(3), ..transaction(10, ROLLBACK, 7, 2_000) };
    let first = RoundImage {
        id: "r-1".into(),
        state: 1,
        staked: 100,
        returned: 100,
        transactions: vec![bet, back, again, cancelled, unknown],
        ..Default::default()
    };
    let second = RoundImage {
        id: "r-2".into(),
        state: 2,
        staked: 300,
        returned: 50,
        transactions: vec![
            transaction(5, BET, 300, 700),
            transaction(6, VOID, 50, 750),
            // Number 7 was forgotten.
            transaction(8, WIN, 20, 2_020),
        ],
        ..Default::default()
    };
    let outside = |kind, known| RoundImage::outside(kind, PlatformKey::NONE, known);
    let deposit = outside(RoundKind::Deposit, transaction(1, DEPOSIT, 1_000, 1_000));
    let withdrawal = outside(RoundKind::Withdrawal, transaction(9, WITHDRAWAL, 20, 2_000));
    let rounds = vec![first, second, deposit, withdrawal];
    AccountImage { id: "default/anna".into(), cash: 2_000, number: 10, rounds, ..Default::default() }
}

fn audited(image: &AccountImage) -> Audit {
    let mut audit = Audit::new(&Settings::default(), NOW_MS);
    audit.account(image);
    audit
}

/// What is found of the account after `change`.
#[track_caller]
fn check(change: impl FnOnce(&mut AccountImage), expect: &[&str]) {
    let mut image = account();
    change(&mut image);
    let audit = audited(&image);
    assert_eq!(audit.faults, expect);
    assert_eq!(audit.faults_count, expect.len() as u64);
}

#[test]
fn what_does_not_follow_is_found() {
    check(|_| (), &[]);
    check(
        |image| image.rounds[1].staked += 1,
        &["default/anna: round r-2: its bets are 300 minor units, and it says 301"],
    );
    check(
        |image| image.rounds[0].returned = 0,
        &["default/anna: round r-1: it gave 100 minor units back, and it says 0"],
    );
    check(
        |image| (image.rounds[1].staked, image.rounds[1].transactions[0].amount) = (40, 40),
        &[
            "default/anna: round r-2: it gave 50 minor units back of 40",
            "default/anna: after transaction 5 (t-5) it held 700 minor units, and should have held 960",
        ],
    );
    check(
        |image| image.rounds[0].transactions[0].flags = 0,
        &["default/anna: round r-1: the rollback t-3 is of no bet that was taken back"],
    );
    check(
        |image| image.rounds[1].transactions[0].flags = 2,
        &["default/anna: round r-2: 1 bets were taken back, by 0 rollbacks"],
    );
    check(
        |image| image.rounds[2].transactions[0].balance_after = 1_001,
        &["default/anna: after transaction 2 (t-2) it held 900 minor units, and should have held 901"],
    );
    check(
        |image| image.rounds[2].transactions[0].kind = WITHDRAWAL,
        &["default/anna: round t-1: it is outside of rounds, and its transaction t-1 is another one"],
    );
    check(
        |image| image.rounds[3].id = "t-10".into(),
        &["default/anna: round t-10: it is outside of rounds, and its transaction t-9 is another one"],
    );
    check(
        |image| drop(image.rounds[3].transactions.pop()),
        &["default/anna: round t-9: it is outside of rounds, and has 0 transactions"],
    );
    check(
        |image| image.rounds[3].kind = 5,
        &["default/anna: round t-9: it is of kind 5, which there is not"],
    );
    check(
        |image| image.cash = 1_999,
        &["default/anna: it holds 1999 minor units, and held 2000 after its last transaction (t-10)"],
    );
    check(|image| image.number = 8, &["default/anna: it has had 8 transactions, and remembers number 10"]);
    // Number 8 does not follow number 6; and the last may be forgotten.
    check(
        |image| {
            image.rounds[1].transactions[2].balance_after = 5;
            image.rounds.pop();
            image.rounds[0].transactions.pop();
            image.cash = 1;
        },
        &[],
    );
}

#[test]
fn a_payment_that_can_not_be_so_is_found() {
    let changes: [fn(&mut RoundImage); 6] = [
        |round| round.staked = 20,
        |round| round.state = 1,
        |round| round.transactions[0].original = Some(0),
        |round| round.transactions[0].flags = 1,
        |round| round.platform = PlatformKey::new("L100").unwrap().bytes(),
        |round| round.last_ms += 1,
    ];
    for change in changes {
        let mut image = account();
        change(&mut image.rounds[3]);
        assert_eq!(
            audited(&image).faults[0],
            "default/anna: round t-9: it is outside of rounds, and can't be so"
        );
    }
}

#[test]
fn an_audit_counts_and_sums() {
    let mut audit = Audit::new(&Settings::default(), NOW_MS);
    let session = |key: &str, endless, used_ms| SessionImage {
        key: key.into(),
        serial: 0,
        endless,
        started_ms: used_ms,
        used_ms,
    };
    let idle_ms = limits::SESSION_IDLE_MS;
    let mut image = account();
    image.sessions = vec![
        session("expired", false, NOW_MS - idle_ms),
        session("live", false, NOW_MS - idle_ms + 1),
        session("endless", true, 0),
    ];
    audit.account(&image);
    audit.account(&AccountImage { id: "nippon/anna".into(), cash: 7, ..Default::default() });
    assert_eq!(audit.transactions, 10 - 1);
    assert_eq!(audit.held.into_iter().collect::<Vec<_>>(), [("default".into(), 2_000), ("nippon".into(), 7)]);
    let until: Vec<_> = audit.sessions.iter().map(|held| held.until_ms).collect();
    assert_eq!(until, [Some(NOW_MS + 1), None]);
}

#[test]
fn a_key_that_two_accounts_hold_is_found() {
    let held = |key, account: &str| Held { key, account: account.into(), until_ms: None };
    let sessions = [held(1, "a"), held(2, "b"), held(1, "a"), held(2, "c"), held(3, "c")];
    let holders = sessions.iter().zip([0, 1, 0, 0, 1]).map(|(held, shard)| (shard, held)).collect();
    let found = shared(holders).into_iter().map(|pair| pair.map(|(shard, held)| (shard, &*held.account)));
    assert_eq!(found.collect::<Vec<_>>(), [[(1, "b"), (0, "c")]]);
}

#[test]
fn faults_are_counted_past_those_that_are_kept() {
    let mut audit = audited(&account());
    for _ in 0..100 {
        audit.fault("fault".into());
    }
    assert_eq!((audit.faults.len(), audit.faults_count), (limits::FAULTS_SHOWN_MAX, 100));
}

#[test]
fn sums_are_written_as_decimals() {
    #[track_caller]
    fn check(minor: i128, code: &str, expect: &str) {
        assert_eq!(words::money(minor, Currency::from_code(code).expect("a listed currency")), expect);
    }
    check(0, "GBP", "0.00 GBP");
    check(-5, "GBP", "-0.05 GBP");
    check(123_456, "KWD", "123.456 KWD");
    check(-7, "JPY", "-7 JPY");
    check(i128::from(i64::MAX) * 100, "GBP", "9223372036854775807.00 GBP");
}

#[test]
fn what_was_sent_does_not_write_to_a_terminal() {
    assert_eq!(words::plain("r\u{1b}[2J\n1 é"), "r\\u{1b}[2J\\n1 é");
    assert_eq!(words::time(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    assert_eq!(words::time(u64::MAX), "18446744073709551615 ms after 1970");
}

/// A start on a directory of so many shards, with the demo's accounts.
fn opening(shards: usize, accounts: u32) -> OpenParameters {
    let domain = Domain::new("default".into(), Currency::from_code("GBP").unwrap(), []);
    OpenParameters {
        partition: Partition::new(shards),
        catalog: Arc::new(Catalog::new(vec![domain], [])),
        zones: Zones::default(),
        platforms: Vec::new(),
        demo: Some(Demo { accounts }),
        now_ms: NOW_MS,
        confirmed: Confirmed::Nothing,
        stream: 7,
        is_made: false,
        progress: Arc::default(),
        archive: None,
    }
}

/// A server that has begun to write after the mark of a clean stop was read may be in the middle of a write.
#[test]
fn what_a_server_writes_meanwhile_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let opening = opening(1, 1);
    let data = data::open(dir.path(), &opening).unwrap();
    let segment = data.shards[0].files.directory.segment(1);
    let segment = OpenOptions::new().write(true).open(segment).unwrap();
    segment.write_all_at(b"half of a header", 100).unwrap();
    let opened = reader::open(dir.path()).unwrap().unwrap();
    let args = ExplainOptions {
        data: dir.path().into(),
        account: "default/admin".into(),
        until_ms: None,
        transaction: None,
        archive: None,
    };
    let tell = || {
        let mut out = Vec::new();
        explain::tell(&args, &opened, &mut out).map(|()| String::from_utf8(out).unwrap())
    };
    let archive = Archive::at(dir.path().join("archive"));
    archive.make().unwrap();
    archive.write_manifest(ArchiveManifest { stream: opened.manifest.stream, first: 1 }).unwrap();
    let verify = || archived::verify(dir.path(), &opened, &archive).unwrap();
    assert!(!verify().1, "{}", verify().0);
    let damage = tell().unwrap_err().to_string();
    assert!(damage.contains("the server was stopped in order"), "{damage}");
    data.shards[0].mark.begin(data.shards[0].last, 0).unwrap();
    assert!(verify().1, "{}", verify().0);
    let told = tell().unwrap();
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.lines().last().unwrap().contains("at the end: active, 1000000.00 GBP"), "{told}");
}
