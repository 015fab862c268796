use super::{ORIGIN, aligned, bet, operations, receipt, settings};
use crate::record::{ChainLink, HEAD_BYTES, PAYLOAD_BYTES_AT, Record};
use crate::{Change, Journal, Point, RecordHash, bytes};
use wallet::Rules;
use wallet::account::{AccountRef, Gender, Profile};
use wallet::operation::{self, Operation, Play, PlayKind, PutAccount};
use wallet::settings::DomainSettings;

const LINK: ChainLink =
    ChainLink { sequence: 42, now_ms: 1 << 41, previous: RecordHash::from_bits(7 << 100) };

#[track_caller]
fn check_read(written: &[u8], expect: &Change<'_>) {
    let buffer = aligned(written);
    let record = Record::read(Rules::V2, &buffer).unwrap();
    assert_eq!(record.change().as_ref(), Ok(expect));
    let slot = match expect {
        Change::Operation(operation) => Some(operation.slot()),
        Change::Configure(_) => None,
    };
    assert_eq!(record.change().unwrap().slot(), slot);
    assert_eq!(record.bytes(), written.len());
    let link = record.link();
    assert_eq!((link.sequence, link.now_ms, link.previous), (LINK.sequence, LINK.now_ms, LINK.previous));
}

#[test]
fn what_is_written_reads_back() {
    let profile = Box::new(Profile { gender: Some(Gender::Male), ..Profile::of(*b"DK") });
    let account = AccountRef::new("default/admin");
    for operation in operations().into_iter().chain([PutAccount { account, profile }.into()]) {
        let mut written = Vec::new();
        let hash = Record::write(&mut written, LINK, &operation, &receipt());
        check_read(&written, &Change::Operation(operation));
        let buffer = aligned(&written);
        let record = Record::read(Rules::V2, &buffer).unwrap();
        assert_eq!((record.hash(), record.receipt()), (hash, Ok(receipt())));
    }
    let mut written = Vec::new();
    Record::write_settings(&mut written, LINK, &settings());
    check_read(&written, &Change::Configure(settings()));
}

#[test]
fn a_checked_session_is_read_where_it_was_not_checked() {
    let Operation::Play(play) = bet("t") else { unreachable!() };
    let mut written = Vec::new();
    let unchecked = Play { session_checked: false, ..play.clone() };
    Record::write(&mut written, LINK, &Operation::Play(unchecked), &receipt());
    check_read(&written, &Change::Operation(Operation::Play(play)));
}

#[test]
fn a_rollback_without_its_bet_is_none() {
    let Operation::Play(play) = bet("t") else { unreachable!() };
    let mut written = Vec::new();
    Record::write(
        &mut written,
        LINK,
        &Operation::Play(Play { kind: PlayKind::Rollback, ..play }),
        &receipt(),
    );
    let buffer = aligned(&written);
    assert_eq!(Record::read(Rules::V2, &buffer).unwrap().change(), Err("a rollback names its bet"));
}

#[test]
#[should_panic(expected = "not journaled")]
fn what_changes_nothing_is_not_written() {
    let account = AccountRef::new("default/admin");
    Record::write(
        &mut Vec::new(),
        LINK,
        &Operation::GetAccount(operation::GetAccount { account }),
        &receipt(),
    );
}

#[test]
fn a_hash_is_over_all_that_came_before() {
    let hash_of = |previous, transaction: &str| {
        Record::write(&mut Vec::new(), ChainLink { previous, ..LINK }, &bet(transaction), &receipt())
    };
    let first = hash_of(RecordHash::START, "a");
    assert_eq!(first, hash_of(RecordHash::START, "a"));
    assert_ne!(first, hash_of(RecordHash::START, "b"));
    assert_ne!(hash_of(first, "c"), hash_of(hash_of(RecordHash::START, "b"), "c"));
}

/// Bytes that are no record are an error; also where the checksum was made to fit.
#[test]
fn no_byte_makes_a_reader_panic() {
    let mut records = Vec::new();
    for operation in operations() {
        let mut written = Vec::new();
        Record::write(&mut written, LINK, &operation, &receipt());
        records.push(written);
    }
    let mut written = Vec::new();
    Record::write_settings(&mut written, LINK, &settings());
    records.push(written);
    for written in records {
        for at in 0..written.len() {
            for flip in [1, 0x40, 0x80, 0xff] {
                let mut damaged = aligned(&written);
                damaged[at] ^= flip;
                assert!(Record::read(Rules::V2, &damaged).is_err(), "byte {at}");
                let checksum = bytes::checksum(&damaged[bytes::CHECKSUM_BYTES..]);
                bytes::put(&mut damaged, 0, checksum.to_le_bytes());
                if let Ok(record) = Record::read(Rules::V2, &damaged) {
                    let _ = (record.change(), record.receipt());
                }
            }
            assert!(Record::read(Rules::V2, &aligned(&written[..at])).is_err(), "cut at {at}");
        }
    }
}

/// Zeros with this length of a payload in their head, and what is wrong with them.
#[test]
fn a_reader_says_what_is_no_record() {
    let check = |bytes: usize, payload: usize, expect: &str| {
        let mut buffer = aligned(&vec![0; bytes]);
        if bytes >= HEAD_BYTES {
            bytes::put(&mut buffer, PAYLOAD_BYTES_AT, (payload as u32).to_le_bytes());
        }
        let length = (bytes >= HEAD_BYTES).then_some((HEAD_BYTES + payload).next_multiple_of(16));
        assert_eq!(Record::length(&buffer), length);
        assert_eq!(Record::read(Rules::V2, &buffer).map(|_| ()), Err(expect.into()));
    };
    let most = limits::RECORD_BYTES_MAX;
    check(HEAD_BYTES - 1, 0, "a record's head is cut short");
    check(HEAD_BYTES, 0, "a record's checksum is wrong");
    check(HEAD_BYTES, 1, "a record of 80 bytes, where 64 are left");
    check(most, most - HEAD_BYTES, "a record's checksum is wrong");
    let over = format!("a record of {} bytes, where {} are left", most + 16, most + 32);
    check(most + 32, most - HEAD_BYTES + 1, &over);
}

/// The largest records that requests and a configuration allow have their room.
#[test]
fn the_largest_record_fits() {
    let details = format!("{{\"Data\":\"{}\"}}", "\\u0001".repeat(limits::BODY_BYTES_MAX - 100));
    let account = AccountRef::new("default/admin");
    let platform = wallet::PlatformKey::new("😀😀😀😀").unwrap();
    let mut written = Vec::new();
    Record::write(
        &mut written,
        LINK,
        &Operation::Alert(operation::Alert { platform, account, details: &details }),
        &receipt(),
    );

    let mut all = settings();
    let last = all.domains[1].clone();
    let name = |at: usize| format!("{at:04}{}", "𝄞".repeat(limits::DOMAIN_CHARS_MAX - 4));
    all.domains =
        (0..limits::DOMAINS_MAX).map(|at| DomainSettings { name: name(at).into(), ..last.clone() }).collect();
    let mut written = Vec::new();
    Record::write_settings(&mut written, LINK, &all);
    check_read(&written, &Change::Configure(all));
}

#[test]
fn a_journal_counts_on_from_where_it_was() {
    let mut journal = Journal::new(ORIGIN, Point { sequence: 41, hash: LINK.previous });
    assert_eq!((journal.next_sequence(), journal.last_sequence()), (42, 41));
    assert_eq!(journal.append(1, &bet("t"), &receipt()), 42);
    assert_eq!(journal.configure(2, &settings()), 43);
    assert_eq!(journal.last().sequence, 43);
}

/// What is stored is read by later versions. Where this fails, the form has changed: give the journal a new format, and keep
/// reading this one (docs/contributing.md).
#[test]
fn the_stored_form_stays() {
    let mut all = Vec::new();
    for operation in operations() {
        Record::write(&mut all, LINK, &operation, &receipt());
    }
    Record::write_settings(&mut all, LINK, &settings());
    let known = RecordHash::from_bits(0x13d5_ab51_d06e_82ec_fb8e_45c1_9e14_a25b);
    assert_eq!(RecordHash::from_bits(bytes::checksum(&all)), known);
}
