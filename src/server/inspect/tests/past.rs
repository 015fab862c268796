//! Files of rounds that have left memory, with rows that no server has written.

use std::fs;

use ::history::{FileEntry, FileList, Header, Row, Writer};

use super::super::{origin, verify};
use super::*;
use crate::config::VerifyOptions;
use storage::history::HistoryName;
use wallet::PlatformKey;
use wallet::account::AccountRef;

/// A round of the account that there is, which holds a cancelled bet alone.
fn row(id: &str) -> Row {
    let cancelled = TransactionImage { id: "b-9".into(), kind: CANCELLED, ..Default::default() };
    let round = RoundImage {
        id: id.into(),
        platform: PlatformKey::new("L100").unwrap().bytes(),
        last_ms: NOW_MS,
        transactions: vec![cancelled],
        ..Default::default()
    };
    Row { account: "default/admin".into(), round }
}

/// A round of a win with this number.
fn won(id: &str, number: u64) -> Row {
    let mut row = row(id);
    (row.round.state, row.round.transactions) = (2, vec![transaction(number, WIN, 0, 100_000_000)]);
    row
}

/// What `verify` says of a directory of so many shards, where a file of a shard has these rows: of the one that owns the account, or
/// of another one.
#[track_caller]
fn check(shards: usize, is_owner: bool, mut rows: Vec<Row>, expect: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let opening = opening(shards, 0);
    drop(data::open(dir.path(), &opening).unwrap());
    let opened = reader::open(dir.path()).unwrap().unwrap();
    let owner = Partition::new(shards).owner(AccountRef::new("default/admin").hash().slot()).index();
    let shard = if is_owner { owner } else { (owner + 1) % shards };
    let origin = origin(opened.manifest, shard);
    let directory = &opened.shards[shard].directory;
    let header = Header { origin, number: 1 };
    let mut writer = Writer::begin(Vec::new(), header).unwrap();
    Row::sort(&mut rows);
    rows.into_iter().for_each(|row| writer.push(row).unwrap());
    let (summary, bytes) = writer.finish().unwrap();
    let name = directory.history_file(HistoryName::new(origin, 1));
    fs::write(&name, bytes).unwrap();
    let files = vec![FileEntry { summary, clamp_ms: None }];
    directory.write_history_list(&FileList { covers: 0, cut_ms: NOW_MS, files }.to_bytes()).unwrap();
    let mut out = Vec::new();
    let is_whole = verify(&VerifyOptions { data: dir.path().into(), archive: None }, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let faults: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("shard {shard}: ")))
        .map(|fault| fault.replace(&name.display().to_string(), "FILE"))
        .collect();
    assert_eq!(faults, expect, "{text}");
    assert_eq!(is_whole, expect.is_empty(), "{text}");
}

#[test]
fn rounds_that_have_left_memory_are_audited() {
    type Change = fn(&mut Row);
    let changed = |change: Change| {
        let mut row = row("r-1");
        change(&mut row);
        vec![row]
    };
    check(1, true, vec![row("r-1"), row("r-2")], &[]);
    check(2, true, vec![row("r-1")], &[]);
    check(
        2,
        false,
        vec![row("r-1")],
        &["FILE: default/admin: round r-1: it is of an account that another shard owns"],
    );
    let rows: [(Change, &str); 4] = [
        (|row| row.round.state = 1, "default/admin: round r-1: it is open"),
        (|row| row.round.platform = [0; 16], "default/admin: round r-1: it is no platform's"),
        (|row| row.round.staked = 5, "default/admin: round r-1: its bets are 0 minor units, and it says 5"),
        (
            |row| row.account = "default/nobody".into(),
            "default/nobody: round r-1: it is of an account that is not there",
        ),
    ];
    for (change, expect) in rows {
        check(1, true, changed(change), &[&format!("FILE: {expect}")]);
    }
    check(
        1,
        true,
        vec![won("r-1", 1)],
        &["default/admin: it has had 0 transactions, and remembers number 1"],
    );
    check(
        1,
        true,
        vec![won("r-1", 1), won("r-2", 1)],
        &["default/admin: number 1 is of two transactions (t-1, t-1)"],
    );
    // Of several versions of a round the newest holds, and what is forgotten is not counted.
    let (mut older, mut over) = (won("r-1", 1), won("r-2", 1));
    (older.round.last_ms, over.round.last_ms) = (NOW_MS - 1, 1);
    check(1, true, vec![older, row("r-1"), over], &[]);
}
