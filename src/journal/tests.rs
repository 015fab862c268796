use std::convert::Infallible;

use super::reader::ReadError;
use super::{Buffer, Damage, Group, Journal, Origin, Point, ReplayStart, SegmentSource, Tail, replay};
use limits::JOURNAL_BLOCK_BYTES;
use wallet::account::{AccountRef, AccountStatus, Date, Gender, Profile};
use wallet::amount::{Amount, Money};
use wallet::currency::Currency;
use wallet::image::{RoundImage, TransactionImage};
use wallet::operation::{self, Direction, Operation, Play, PlayKind};
use wallet::outcome::Receipt;
use wallet::platform::{PlatformKey, RoundScope};
use wallet::restriction::{ByPeriod, Restrictions};
use wallet::settings::{Calendar, DomainSettings, Settings};

mod damages;
mod marks;
mod records;
mod snapshots;
mod writing;

pub(super) const ORIGIN: Origin = Origin { stream: 0x5eed_cafe_f00d_0001, shard: 1, shards: 2 };

pub(super) const BLOCK: usize = JOURNAL_BLOCK_BYTES;

pub(super) fn gbp() -> Currency {
    Currency::from_code("GBP").unwrap()
}

pub(super) fn amount(minor_units: i64) -> Amount {
    Amount::from_minor(minor_units).unwrap()
}

fn platform() -> PlatformKey {
    PlatformKey::new("日本国😀").unwrap()
}

/// A bet with this transaction's id.
pub(super) fn bet(transaction: &str) -> Operation<&str> {
    Operation::Play(Play {
        kind: PlayKind::Bet,
        platform: platform(),
        account: AccountRef::new("default/player-000001"),
        session: Some("20fbd3b9-eef2-49cd-9976-50f0d34e7f7c"),
        session_checked: true,
        round: "d5a5ff3a-6d63-4a16-a5a4-a67dc7b2d6c5",
        scope: RoundScope::Game,
        transaction,
        original: None,
        game: "11588",
        currency: Some(gbp()),
        amount: amount(100),
        starts_round: true,
        ends_round: false,
        details: Some(r#"{"ContentGameProviderID":"7","GameVersion":"1.0.0"}"#),
    })
}

pub(super) fn receipt() -> Receipt {
    Receipt { code: -7, cash: amount(i64::MAX), version: u64::MAX, session_used_ms: 1 << 41 }
}

pub(super) fn settings() -> Settings {
    let domain = |name: &str, code: &str, calendar| DomainSettings {
        name: name.into(),
        currency: Currency::from_code(code).unwrap(),
        calendar,
    };
    let calendar = Calendar { starts_ms: [3 << 40, 2 << 40, 1 << 40], until_ms: u64::MAX };
    Settings {
        session_idle_ms: 1_800_000,
        retention_ms: u64::MAX,
        hot_ms: 60_000,
        cold_until_ms: 1,
        forgotten_until_ms: u64::MAX,
        domains: vec![
            domain("default", "GBP", None),
            domain("a domain with a name that is long", "JPY", Some(calendar)),
        ],
    }
}

/// An operation of every kind that is journaled, some of them with all that they may have and with the least.
#[expect(clippy::too_many_lines, reason = "one value of each kind of operation")]
pub(super) fn operations() -> Vec<Operation<&'static str>> {
    let account = || AccountRef::new("default/плейър");
    let money = |text| Money::parse(text).unwrap();
    let Operation::Play(full) = bet("full") else { unreachable!() };
    let least = Play {
        kind: PlayKind::Win,
        session: None,
        scope: RoundScope::Platform,
        currency: None,
        amount: Amount::ZERO,
        starts_round: false,
        ends_round: true,
        details: None,
        ..full.clone()
    };
    let rollback = Play { kind: PlayKind::Rollback, original: Some("short"), ..least.clone() };
    let profile = Profile {
        country: *b"GB",
        gender: Some(Gender::Female),
        born: Date::new(1965, 5, 16),
        user_name: Some("user".into()),
        display_name: Some("A display name of more than 24 bytes".into()),
        city: Some("København".into()),
    };
    let limits = Restrictions {
        stake: Some(money("1.5")),
        wager: ByPeriod { day: Some(money("0")), week: None, month: Some(money("1e12")) },
        loss: ByPeriod { day: None, week: Some(money("0.0000000001")), month: None },
        session_minutes: Some(60),
    };
    vec![
        Operation::Play(full.clone()),
        Operation::Play(least.clone()),
        Operation::Play(rollback),
        Operation::Play(Play { kind: PlayKind::Void, ..full }),
        Operation::EndRound(operation::EndRound {
            platform: platform(),
            account: account(),
            round: "r",
            scope: RoundScope::Platform,
            game: "a game's id of fifty characters, or nearly so many",
            currency: Some(gbp()),
            details: Some("{}"),
        }),
        Operation::Credit(operation::Credit {
            platform: platform(),
            account: account(),
            transaction: "t",
            kind: "810",
            currency: None,
            amount: amount(1_000_000_000_000_000),
        }),
        Operation::Alert(operation::Alert {
            platform: platform(),
            account: account(),
            details: r#"{"Source":"Gameflex"}"#,
        }),
        Operation::PutAccount(operation::PutAccount { account: account(), profile: Box::new(profile) }),
        Operation::PutAccount(operation::PutAccount {
            account: account(),
            profile: Box::new(Profile::of(*b"DK")),
        }),
        Operation::SetStatus(operation::SetStatus { account: account(), status: AccountStatus::Frozen }),
        Operation::SetStatus(operation::SetStatus { account: account(), status: AccountStatus::Active }),
        Operation::Transfer(operation::Transfer {
            account: account(),
            direction: Direction::In,
            transaction: "d",
            amount: money("10.01"),
            currency: None,
        }),
        Operation::Transfer(operation::Transfer {
            account: account(),
            direction: Direction::Out,
            transaction: "w",
            amount: money("1e3"),
            currency: None,
        }),
        Operation::SetLimits(operation::SetLimits { account: account(), limits: Box::new(limits) }),
        Operation::SetLimits(operation::SetLimits {
            account: account(),
            limits: Box::new(Restrictions::none()),
        }),
        Operation::StartSession(operation::StartSession {
            account: account(),
            key: "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c",
        }),
        Operation::CloseSession(operation::CloseSession { account: account(), key: "k" }),
        Operation::RenewSession(operation::RenewSession { account: account(), key: "k", used_ms: u64::MAX }),
        Operation::RecallRound(operation::RecallRound { account: account(), round: Box::new(round()) }),
    ]
}

/// A round with all that one may have.
fn round() -> RoundImage {
    let known = |id: &str| TransactionImage {
        id: id.into(),
        kind: 2,
        flags: 1,
        amount: 5,
        balance_after: i64::MAX,
        at_ms: 7,
        number: u64::MAX,
        game: Some("another game".into()),
        original: Some(0),
    };
    RoundImage {
        id: "ръунд".into(),
        platform: PlatformKey::new("L100").unwrap().bytes(),
        kind: 1,
        game: "g".into(),
        state: 2,
        orphan: true,
        staked: 10,
        returned: 5,
        last_ms: 8,
        transactions: vec![known("a"), known("a longer id than is stored in place")],
    }
}

/// A group of some bets, the first of which has this number.
pub(super) fn group(journal: &mut Journal, bets: u64) -> Group {
    for _ in 0..bets {
        let sequence = journal.next_sequence();
        assert_eq!(journal.append(1_000 + sequence, &bet(&sequence.to_string()), &receipt()), sequence);
    }
    journal.take_group().expect("there are records")
}

/// A segment of `blocks` blocks that begins with these groups.
pub(super) fn segment(number: u32, groups: &[Group], blocks: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for group in groups {
        if bytes.is_empty() {
            bytes.extend_from_slice(&group.segment_header(number));
        }
        bytes.extend_from_slice(&group.bytes);
    }
    assert!(bytes.len() <= blocks * BLOCK);
    bytes.resize(blocks * BLOCK, 0);
    bytes
}

pub(super) fn aligned(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(bytes);
    buffer
}

/// The sequences that a replay of segments 1, 2, … gives out, and its end.
pub(super) fn read_after(from: Point, segments: &[&[u8]]) -> Result<(Vec<u64>, Tail), Damage> {
    let numbered: Vec<_> = (1..).zip(segments.iter().copied()).collect();
    read_numbered(from, &numbered)
}

/// As [`read_after`], with the segments' numbers.
pub(super) fn read_numbered(
    from: impl Into<ReplayStart>,
    segments: &[(u32, &[u8])],
) -> Result<(Vec<u64>, Tail), Damage> {
    let sources = segments.iter().map(|(number, bytes)| SegmentSource {
        number: *number,
        name: format!("segment {number}"),
        read: |_| Ok(aligned(bytes)),
    });
    let mut read = Vec::new();
    let tail = replay::<_, Infallible>(ORIGIN, sources, from, |position, _, _, _| {
        read.push(position.sequence);
        Ok(())
    });
    match tail {
        Ok(tail) => Ok((read, tail)),
        Err(ReadError::Damage(damage)) => Err(damage),
        Err(ReadError::Caller(never)) => match never {},
    }
}
