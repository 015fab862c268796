//! What is written is read again, and found.

use super::{
    HEADER, ORIGIN, SMALL, damage, filtered, open, open_for, opened, platform, read, round, row, rows,
    slot_of, sorted, write, write_with,
};
use crate::{Counts, FileEntry, Header, History, HistoryFile, Room, Row, all_slots, key_of};
use journal::{Fault, Origin};
use wallet::PlatformKey;
use wallet::account::AccountRef;
use wallet::image::{RoundImage, RoundKind, TransactionImage};

/// All rounds with this id of the usual platform that a history has.
fn find(history: &History<Vec<u8>>, account: &str, id: &str) -> Vec<RoundImage> {
    find_of(history, account, platform(), RoundKind::Plain, id)
}

fn find_of(
    history: &History<Vec<u8>>,
    account: &str,
    platform: [u8; PlatformKey::BYTES],
    kind: RoundKind,
    id: &str,
) -> Vec<RoundImage> {
    let account = AccountRef::new(account);
    let key = key_of(account.hash(), &platform, kind, id);
    let found = history.find(&mut Room::default(), &account, key, |round| round.id == id).unwrap();
    assert!(found.is_empty() || history.may_have(account.hash(), key));
    found
}

#[track_caller]
fn check(rows: &[Row]) {
    let (summary, bytes) = write(rows);
    let file = open(&bytes).unwrap();
    assert_eq!(read(&file).as_deref(), Ok(rows));
    assert_eq!(*file.summary(), summary);
    assert_eq!(summary.bytes, bytes.len() as u64);
    let last_ms = || rows.iter().map(|row| row.round.last_ms);
    let slot = |row: Option<&Row>| row.map_or(0, |row| slot_of(&row.account).index());
    let counts = Counts {
        rows: rows.len() as u64,
        by_game: rows.iter().filter(|row| row.round.is_by_game()).count() as u64,
        oldest_ms: last_ms().min().unwrap_or(0),
        newest_ms: last_ms().max().unwrap_or(0),
        first_slot: slot(rows.first()),
        last_slot: slot(rows.last()),
    };
    assert_eq!(*file.counts(), counts);
    let history = filtered(vec![file]);
    assert_eq!((history.rows(), history.bytes_on_disk()), (counts.rows, summary.bytes));
    assert_eq!(history.has_by_game(), counts.by_game > 0);
    for row in rows {
        let kind = RoundKind::from_number(row.round.kind).unwrap();
        let found = find_of(&history, &row.account, row.round.platform, kind, &row.round.id);
        assert!(found.contains(&row.round), "{row:?}");
    }
    let (again, same) = (write(rows), write(rows));
    assert_eq!(again.1, same.1, "the same rows are the same bytes");
}

#[test]
fn what_is_written_is_read_and_found() {
    check(&[]);
    check(&rows(1, 1));
    check(&rows(40, 3));
    // One slot with many keys.
    check(&rows(1, 90));
    check(&rows(2, 45));
}

#[test]
fn a_round_may_be_of_any_form() {
    let account = "default/anna";
    let mut unknown = round("r", 5, 0);
    (unknown.state, unknown.platform) = (0, [0; 16]);
    let mut by_game = round("r", 5, 1);
    by_game.kind = RoundKind::ByGame.number();
    let other_game = RoundImage { game: "11589".into(), ..by_game.clone() };
    let long = round("a round that is longer than a block", 5, 400);
    let empty = RoundImage::default();
    // What is outside of rounds may have the id of one, of a platform or of nobody.
    let outside = |kind, platform| {
        RoundImage::outside(kind, platform, TransactionImage { id: "r".into(), ..Default::default() })
    };
    let credit = outside(RoundKind::Credit, PlatformKey::from_bytes(platform()).unwrap());
    let [deposit, withdrawal] =
        [RoundKind::Deposit, RoundKind::Withdrawal].map(|kind| outside(kind, PlatformKey::NONE));
    let of_games = [unknown, by_game, other_game, round("r", 5, 1), long, empty];
    let rounds = of_games.into_iter().chain([credit, deposit, withdrawal]);
    check(&sorted(rounds.map(|round| row(account, round)).collect()));
}

#[test]
fn rounds_of_one_id_are_found_together() {
    let account = "default/anna";
    let variant = |game: usize| RoundImage {
        kind: RoundKind::ByGame.number(),
        game: game.to_string(),
        ..round("r", 5, 2)
    };
    // More of them than a block, a page and a run have.
    let variants: Vec<RoundImage> = (0..100).map(variant).collect();
    let others = rows(30, 2);
    let of_account = variants.iter().map(|round| row(account, round.clone()));
    let history = filtered(vec![opened(&sorted(of_account.chain(others).collect()))]);
    let found = find(&history, account, "r");
    assert_eq!(found.len(), variants.len());
    assert!(variants.iter().all(|variant| found.contains(variant)));
    assert_eq!(find(&history, account, "q"), []);
    assert_eq!(find(&history, "default/berta", "r"), []);
}

#[test]
fn an_account_is_read_whole() {
    let all = rows(20, 7);
    let history = filtered(vec![opened(&all)]);
    for account in 0..21 {
        let account = format!("default/player-{account}");
        let of_account = all.iter().filter(|row| row.account == account).map(|row| row.round.clone());
        let mut shown = Vec::new();
        history.rounds_of(&AccountRef::new(&account), |round| shown.push(round)).unwrap();
        assert_eq!(shown, of_account.collect::<Vec<_>>());
    }
}

#[test]
fn who_owns_some_slots_loads_what_overlaps_them() {
    let all = rows(200, 1);
    let (_, bytes) = write(&all);
    let whole = open(&bytes).unwrap();
    let slots = [0, 1_000, 2_000, 3_000, 4_095].map(|slot| wallet::account::Slot::new(slot).unwrap());
    for from in slots {
        for until in slots {
            let ours = |row: &&Row| (from..=until).contains(&slot_of(&row.account));
            let expect: Vec<Row> = all.iter().filter(ours).cloned().collect();
            let file = open_for(&bytes, from..=until).unwrap();
            assert_eq!(read(&file).as_deref(), Ok(&expect[..]));
            assert!(file.memory_bytes() <= whole.memory_bytes());
            let history = filtered(vec![file]);
            for row in &expect {
                assert_eq!(find(&history, &row.account, &row.round.id), std::slice::from_ref(&row.round));
            }
        }
    }
    let [first, ..] = slots;
    assert!(open_for(&bytes, first..=first).unwrap().memory_bytes() < whole.memory_bytes() / 2);
}

#[test]
fn a_file_is_the_one_that_is_listed() {
    #[track_caller]
    fn check(entry: FileEntry, bytes: &[u8], expect: Option<(u64, Fault)>) {
        let opened = HistoryFile::open_listed("h-7", bytes.to_vec(), &entry, all_slots());
        let fault = opened.err().map(damage).map(|damage| (damage.offset, damage.fault));
        assert_eq!(fault, expect);
    }
    let (summary, bytes) = write(&rows(5, 2));
    let length = summary.bytes;
    let entry = FileEntry { summary, clamp_ms: None };
    check(entry, &bytes, None);
    let shorter = bytes[..bytes.len() - 1].to_vec();
    check(entry, &shorter, Some((length - 1, Fault::CutShort)));
    let longer = [&bytes[..], &[0]].concat();
    check(entry, &longer, Some((length, Fault::TooLong)));
    let origin = Origin { stream: 9, ..ORIGIN };
    let (_, of_other) = write_with(SMALL, Header { origin, ..HEADER }, &rows(5, 2));
    check(entry, &of_other, Some((0, Fault::Origin { found: origin, expected: ORIGIN })));
    let (_, numbered) = write_with(SMALL, Header { number: 8, ..HEADER }, &rows(5, 2));
    let what = "it is file 8, and should be file 7";
    check(entry, &numbered, Some((0, Fault::Bytes(what.into()))));
    let mut listed = entry;
    listed.summary.checksum ^= 1;
    let what = "it is not the file that the list of files names: its footer is another one";
    check(listed, &bytes, Some((length - 128, Fault::Bytes(what.into()))));
}

#[test]
fn threads_share_a_history() {
    fn is_shared<T: Send + Sync>() {}
    fn is_moved<T: Send>() {}
    is_shared::<History<Vec<u8>>>();
    is_moved::<Room>();
}

#[test]
fn times_are_clamped_as_they_are_read() {
    let all = rows(5, 2);
    let (summary, bytes) = write(&all);
    let clamp_ms = 1_004;
    let entry = FileEntry { summary, clamp_ms: Some(clamp_ms) };
    let file = HistoryFile::open_listed("h-7", bytes, &entry, all_slots()).unwrap();
    let clamped = all.into_iter().map(|mut row| {
        row.clamp(clamp_ms);
        row
    });
    let clamped: Vec<Row> = clamped.collect();
    assert!(clamped.iter().any(|row| row.round.last_ms < clamp_ms));
    assert_eq!(read(&file), Ok(clamped.clone()));
    let history = filtered(vec![file]);
    for Row { account, round } in clamped {
        assert_eq!(find(&history, &account, &round.id), [round]);
    }
}
