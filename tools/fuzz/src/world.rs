//! A small shard that has lived: its journal, its snapshot, and the payloads of its records.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use journal::snapshot::{SnapshotHeader, Source};
use journal::{Journal, Mark, Origin, Point, RecordHash, mark};
use limits::JOURNAL_BLOCK_BYTES;
use wallet::account::{AccountRef, AccountStatus, Date, Gender, Profile};
use wallet::amount::{Amount, Money};
use wallet::operation::{self, Direction, Operation, Play, PlayKind};
use wallet::outcome::Effect;
use wallet::restriction::{ByPeriod, Restrictions};
use wallet::{Catalog, Currency, Domain, PlatformKey, RoundScope, Rules, Stamp, Wallet};

/// Whose journal it is.
pub(crate) const ORIGIN: Origin = Origin { stream: 0x5eed_cafe_f00d_0001, shard: 0, shards: 1 };

/// When it began.
pub(crate) const START_MS: u64 = 1_764_000_000_000;

/// Blocks of a segment: enough for what is in it, and zeros behind.
const SEGMENT_BLOCKS: usize = 8;

/// Operations between two writes.
const GROUP_RECORDS: usize = 5;

/// What the shard has stored.
pub(crate) struct World {
    /// Two segments, 1 and 2.
    pub(crate) segments: Vec<Vec<u8>>,
    /// The mark of a server that is killed: it names a record before the last.
    pub(crate) mark: Mark,
    /// The bytes of that mark, and of one before it.
    pub(crate) mark_bytes: Vec<u8>,
    /// A snapshot of the end.
    pub(crate) snapshot: Vec<u8>,
    /// The number of the last record.
    pub(crate) last: u64,
    /// The time of the last record.
    pub(crate) now_ms: u64,
    /// The payload of each record.
    pub(crate) payloads: Vec<Vec<u8>>,
}

/// The shard.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(make)
}

/// What is served.
pub(crate) fn catalog() -> Arc<Catalog> {
    let domain = |name: &str, code| {
        Domain::new(name.into(), Currency::from_code(code).expect("listed"), [platform(0), platform(1)])
    };
    Arc::new(Catalog::new(vec![domain("default", "GBP"), domain("jp", "JPY")], ["11588".into()]))
}

fn platform(at: usize) -> PlatformKey {
    PlatformKey::new(["L100", "日本国😀"][at]).expect("four characters")
}

fn make() -> World {
    let catalog = catalog();
    let mut wallet = Wallet::new(catalog.clone());
    let mut journal = Journal::new(ORIGIN, Point::START);
    journal.configure(START_MS, &catalog.settings());
    let (mut groups, mut now_ms) = (vec![journal.take_group().expect("settings")], START_MS);
    for (at, operation) in operations().iter().enumerate() {
        now_ms += 1_000;
        let stamp = Stamp { now_ms, sequence: journal.next_sequence() };
        let mut effect = Effect::default();
        let outcome = format!("{:?}", wallet.apply(stamp, operation, &mut effect));
        let receipt = effect.changed.unwrap_or_else(|| panic!("{operation:?} changed nothing: {outcome}"));
        journal.append(now_ms, operation, &receipt);
        if at % GROUP_RECORDS == 0 {
            groups.extend(journal.take_group());
        }
    }
    groups.extend(journal.take_group());
    let (first, second) = groups.split_at(groups.len() / 2);
    let segments = vec![segment(1, first), segment(2, second)];
    let start = mark::Start { number: 3, together: true };
    let mark = Mark { origin: ORIGIN, last: second[0].end(), segment: 2, stopped: None, start };
    let before = Mark { last: first[0].end(), segment: 1, ..mark };
    let header = SnapshotHeader {
        origin: ORIGIN,
        covers: journal.last(),
        now_ms,
        rules: Rules::V2,
        next_segment: 3,
        has_history: false,
    };
    let Ok(snapshot) = recovery::write_snapshot(Vec::new(), header, &wallet) else {
        panic!("memory takes a snapshot")
    };
    World {
        payloads: segments.iter().flat_map(|segment| payloads(segment)).collect(),
        segments,
        mark,
        mark_bytes: [before.to_block(2), mark.to_block(3)].concat(),
        snapshot,
        last: journal.last_sequence(),
        now_ms,
    }
}

fn segment(number: u32, groups: &[journal::Group]) -> Vec<u8> {
    let mut bytes = groups[0].segment_header(number).to_vec();
    groups.iter().for_each(|group| bytes.extend_from_slice(&group.bytes));
    assert!(bytes.len() < SEGMENT_BLOCKS * JOURNAL_BLOCK_BYTES);
    bytes.resize(SEGMENT_BLOCKS * JOURNAL_BLOCK_BYTES, 0);
    bytes
}

/// The payloads in a segment's groups.
fn payloads(segment: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for group in segment.chunks(JOURNAL_BLOCK_BYTES).skip(1).filter(|block| block[16] != 0) {
        let mut at = 64;
        let end = 64 + crate::edits::u32_at(group, 52);
        while at < end.min(group.len()) {
            let length = crate::edits::u32_at(group, at + 48);
            found.extend(group.get(at + 64..at + 64 + length).map(<[u8]>::to_vec));
            at += (64 + length).next_multiple_of(16);
        }
    }
    found
}

/// An operation of every kind that is journaled.
#[expect(clippy::too_many_lines, reason = "one value of each kind of operation")]
fn operations() -> Vec<Operation<&'static str>> {
    let account = || AccountRef::new("default/player-000001");
    let money = |text| Money::parse(text).expect("money");
    let gbp = Currency::from_code("GBP");
    let amount = |minor| Amount::from_minor(minor).expect("not negative");
    let profile = Profile {
        country: *b"GB",
        gender: Some(Gender::Female),
        born: Date::new(1965, 5, 16),
        user_name: Some("user".into()),
        display_name: Some("A display name of more than 24 bytes".into()),
        city: Some("København".into()),
    };
    let limits = Restrictions {
        stake: Some(money("100")),
        wager: ByPeriod { day: Some(money("500")), week: None, month: Some(money("1e6")) },
        loss: ByPeriod { day: None, week: Some(money("1000.5")), month: None },
        session_minutes: Some(600),
    };
    let bet = |round, transaction, at| Play {
        kind: PlayKind::Bet,
        platform: platform(at),
        account: account(),
        session: Some("20fbd3b9-eef2-49cd-9976-50f0d34e7f7c"),
        session_checked: true,
        round,
        scope: RoundScope::Platform,
        transaction,
        original: None,
        game: "11588",
        currency: gbp,
        amount: amount(100),
        starts_round: true,
        ends_round: false,
        details: Some(r#"{"ContentGameProviderID":"7","JackpotWinnings":1234567890.123456789}"#),
    };
    let settles = |kind, transaction, original| Play {
        kind,
        session: None,
        original,
        starts_round: false,
        details: None,
        ..bet("r1", transaction, 0)
    };
    vec![
        Operation::PutAccount(operation::PutAccount { account: account(), profile: Box::new(profile) }),
        Operation::PutAccount(operation::PutAccount {
            account: AccountRef::new("jp/プレイヤー"),
            profile: Box::new(Profile::of(*b"JP")),
        }),
        Operation::StartSession(operation::StartSession {
            account: account(),
            key: "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c",
        }),
        Operation::StartSession(operation::StartSession { account: account(), key: "k" }),
        Operation::Transfer(operation::Transfer {
            account: account(),
            direction: Direction::In,
            transaction: "d",
            amount: money("1e3"),
            currency: None,
        }),
        Operation::SetLimits(operation::SetLimits { account: account(), limits: Box::new(limits) }),
        Operation::Play(bet("r1", "t1", 0)),
        Operation::Play(bet("r1", "t2", 0)),
        Operation::Play(Play { scope: RoundScope::Game, ..bet("r1", "t1", 1) }),
        Operation::Play(settles(PlayKind::Win, "w1", None)),
        Operation::Play(settles(PlayKind::Rollback, "b1", Some("t2"))),
        Operation::Play(settles(PlayKind::Rollback, "b2", Some("never"))),
        Operation::Play(settles(PlayKind::Void, "v1", None)),
        Operation::EndRound(operation::EndRound {
            platform: platform(0),
            account: account(),
            round: "r1",
            scope: RoundScope::Platform,
            game: "11588",
            currency: gbp,
            details: Some("{}"),
        }),
        Operation::Credit(operation::Credit {
            platform: platform(1),
            account: account(),
            transaction: "c",
            kind: "810",
            currency: gbp,
            amount: amount(500),
        }),
        Operation::Alert(operation::Alert {
            platform: platform(0),
            account: account(),
            details: r#"{"Source":"Gameflex"}"#,
        }),
        Operation::SetStatus(operation::SetStatus { account: account(), status: AccountStatus::Frozen }),
        Operation::SetStatus(operation::SetStatus { account: account(), status: AccountStatus::Active }),
        Operation::CloseSession(operation::CloseSession { account: account(), key: "k" }),
        Operation::Transfer(operation::Transfer {
            account: account(),
            direction: Direction::Out,
            transaction: "w",
            amount: money("10.01"),
            currency: None,
        }),
    ]
}

/// The rest of bytes that are read.
pub(crate) struct Rest<'a>(pub(crate) &'a [u8]);

impl Source for Rest<'_> {
    type Error = Infallible;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        // Not all at once, since a file need not give it.
        let length = room.len().min(self.0.len()).min(1_021);
        let (part, rest) = self.0.split_at(length);
        room[..length].copy_from_slice(part);
        self.0 = rest;
        Ok(length)
    }
}

/// The hash in 16 bytes.
pub(crate) fn hash(bytes: [u8; 16]) -> RecordHash {
    RecordHash::from_bits(u128::from_le_bytes(bytes))
}
