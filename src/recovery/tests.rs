//! Shards that have lived are recovered, folded and re-sharded, and must be what they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use journal::Journal;
use partition::Partition;
use wallet::account::{AccountRef, Profile};
use wallet::amount::{Amount, Money};
use wallet::operation::{Direction, Operation, Play, PlayKind, PutAccount, StartSession, Transfer};
use wallet::outcome::Effect;
use wallet::settings::{DomainSettings, Settings};
use wallet::{Catalog, Currency, Domain, PlatformKey, RoundScope, Rules};

const ORIGIN: Origin = Origin { stream: 7, shard: 0, shards: 1 };
const START_MS: Millis = 1_764_000_000_000;
const MINUTE_MS: Millis = 60_000;
const KEY: &str = "a session's key";
const ANNA: &str = "default/anna";
const BERTA: &str = "default/berta";

fn platform() -> PlatformKey {
    PlatformKey::new("L100").unwrap()
}

fn gbp() -> Currency {
    Currency::from_code("GBP").unwrap()
}

/// What is served, with sessions that end after a minute.
fn settings() -> Settings {
    let domain = DomainSettings { name: "default".into(), currency: gbp(), calendar: None };
    Settings { session_idle_ms: MINUTE_MS, domains: vec![domain], ..Settings::default() }
}

fn put(account: &'static str) -> Operation<&'static str> {
    PutAccount { account: AccountRef::new(account), profile: Box::new(Profile::of(*b"GB")) }.into()
}

fn deposit(transaction: &'static str) -> Operation<&'static str> {
    let amount = Money::parse("10").unwrap();
    Transfer { account: AccountRef::new(ANNA), direction: Direction::In, transaction, currency: None, amount }
        .into()
}

fn login(account: &'static str) -> Operation<&'static str> {
    StartSession { account: AccountRef::new(account), key: KEY }.into()
}

fn bet(details: &str) -> Operation<&str> {
    Operation::Play(Play {
        kind: PlayKind::Bet,
        platform: platform(),
        account: AccountRef::new(ANNA),
        session: Some(KEY),
        session_checked: true,
        round: "r",
        scope: RoundScope::Platform,
        transaction: "t",
        original: None,
        game: "11588",
        currency: Some(gbp()),
        amount: Amount::from_minor(100).unwrap(),
        starts_round: true,
        ends_round: false,
        details: Some(details),
    })
}

/// A shard that keeps its segments in memory.
struct Shard {
    wallet: Wallet,
    journal: Journal,
    now_ms: Millis,
    segments: Vec<Buffer>,
}

impl Shard {
    fn new() -> Self {
        let (wallet, journal) = (Wallet::to_replay(), Journal::new(ORIGIN, Point::START));
        let mut shard = Self { wallet, journal, now_ms: START_MS, segments: Vec::new() };
        shard.configure(&settings());
        shard
    }

    fn configure(&mut self, settings: &Settings) {
        let domain = |name: &str| Domain::new(name.into(), gbp(), [platform()]);
        let catalog = Catalog::new(vec![domain("default"), domain("later")], ["11588".into()]);
        self.wallet.configure(self.now_ms, settings).unwrap();
        self.wallet.open(Arc::new(catalog));
        self.journal.configure(self.now_ms, settings);
    }

    fn does(&mut self, operation: &Operation<&str>) {
        let receipt = self.applies(operation);
        self.journal.append(self.now_ms, operation, &receipt);
    }

    fn applies(&mut self, operation: &Operation<&str>) -> Receipt {
        let stamp = Stamp { now_ms: self.now_ms, sequence: self.journal.next_sequence() };
        let mut effect = Effect::default();
        let outcome = format!("{:?}", self.wallet.apply(stamp, operation, &mut effect));
        effect.changed.unwrap_or_else(|| panic!("{operation:?} changed nothing: {outcome}"))
    }

    /// What was done since the last one becomes a segment.
    fn seal(&mut self) {
        let group = self.journal.take_group().expect("something was done");
        let mut bytes = Buffer::new();
        bytes.extend_from_slice(&group.segment_header(self.segments.len() as u32 + 1));
        bytes.extend_from_slice(&group.bytes);
        self.segments.push(bytes);
    }

    fn header(&self, next_segment: u32) -> SnapshotHeader {
        let (covers, now_ms) = (self.journal.last(), self.now_ms);
        SnapshotHeader { origin: ORIGIN, covers, now_ms, rules: Rules::V2, next_segment, has_history: false }
    }

    fn snapshot(&self, next_segment: u32) -> Vec<u8> {
        let written = write_snapshot(Vec::new(), self.header(next_segment), &self.wallet);
        written.expect("memory takes a snapshot")
    }

    /// Recovers it from a snapshot, and its segments from number `first` on.
    fn recovered(
        &self,
        snapshot: Option<&[u8]>,
        first: usize,
        mark: Option<Mark>,
    ) -> Result<Recovered, Error<&'static str>> {
        let segments = self.segments.iter().zip(1..).skip(first - 1).map(|(bytes, number)| SegmentSource {
            number,
            name: format!("segment-{number}"),
            read: |_| Ok(bytes.clone()),
        });
        recover(ORIGIN, snapshot.map(|bytes| ("snapshot".into(), Rest(bytes))), segments, mark)
    }

    /// Folds its segments from number `first` on, the bytes of which are `read` one after the other.
    fn folded(
        &self,
        snapshot: Option<&[u8]>,
        first: usize,
        until: Point,
        read: Read,
    ) -> Result<(SnapshotHeader, Vec<u8>, Vec<ColdRound>), String> {
        let segments = self.segments.iter().zip(1..).skip(first - 1);
        let segments: Vec<_> = segments
            .map(|(bytes, number)| {
                let name = format!("segment-{number}");
                SealedSegment { number, name, bytes: Sealed { bytes, read } }
            })
            .collect();
        let snapshot = snapshot.map(|bytes| ("snapshot".into(), Rest(bytes)));
        let created = |_: &SnapshotHeader| Ok(Vec::new());
        let mut left = Vec::new();
        let cold = |mut rounds: Vec<ColdRound>| {
            left.append(&mut rounds);
            Ok(())
        };
        match fold(ORIGIN, snapshot, &segments, until, created, cold, || ()) {
            Ok(Folded { header, sink: bytes, .. }) => Ok((header, bytes, left)),
            Err(FoldError::Recovery(error)) => Err(error.to_string()),
            Err(FoldError::Snapshot(_)) => unreachable!("memory takes a snapshot"),
        }
    }

    /// Whether a start, and a fold, come to what it has now.
    #[track_caller]
    fn check_folded(&self, snapshot: Option<&[u8]>, first: usize) -> Vec<u8> {
        let cooled = |wallet: &Wallet| {
            let mut images: Vec<_> = images(wallet, self.now_ms).into_values().collect();
            let cold = fold::cool(&mut images, self.now_ms, wallet.settings());
            (images, cold)
        };
        let (expect, cold) = cooled(&self.wallet);
        let recovered = self.recovered(snapshot, first, None).unwrap();
        assert_eq!(cooled(&recovered.wallet).0, expect, "recovered");
        let (header, bytes, left) = self.folded(snapshot, first, self.journal.last(), Sealed::part).unwrap();
        assert_eq!(
            header,
            SnapshotHeader { has_history: true, ..self.header(self.segments.len() as u32 + 1) }
        );
        assert!(left.iter().all(|round| cold.contains(round)), "{left:?} of {cold:?}");
        let recovered = self.recovered(Some(&bytes), self.segments.len() + 1, None).unwrap();
        assert_eq!(cooled(&recovered.wallet), (expect, Vec::new()), "folded");
        bytes
    }
}

type Read = fn(&Buffer, u64, &mut [u8]) -> usize;

struct Sealed<'a> {
    bytes: &'a Buffer,
    read: Read,
}

impl Sealed<'_> {
    fn part(bytes: &Buffer, offset: u64, room: &mut [u8]) -> usize {
        let rest = &bytes[offset as usize..];
        let read = rest.len().min(room.len());
        room[..read].copy_from_slice(&rest[..read]);
        read
    }
}

impl SegmentBytes for Sealed<'_> {
    type Error = &'static str;

    fn all(&self, _: Buffer) -> Result<Buffer, &'static str> {
        Ok(self.bytes.clone())
    }

    fn part(&self, offset: u64, room: &mut [u8]) -> Result<usize, &'static str> {
        Ok((self.read)(self.bytes, offset, room))
    }
}

struct Rest<'a>(&'a [u8]);

impl Source for Rest<'_> {
    type Error = &'static str;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, &'static str> {
        let (part, rest) = self.0.split_at(room.len().min(self.0.len()));
        room[..part.len()].copy_from_slice(part);
        self.0 = rest;
        Ok(part.len())
    }
}

fn images(wallet: &Wallet, now_ms: Millis) -> BTreeMap<String, AccountImage> {
    let slots = wallet.by_slot();
    let images = slots.iter().flat_map(|(_, places)| wallet.images(now_ms, places));
    images.map(|image| (image.id.clone(), image)).collect()
}

#[test]
fn a_start_finds_what_was_promised() {
    let mut shard = Shard::new();
    shard.does(&put(ANNA));
    shard.seal();
    let snapshot = shard.snapshot(2);
    shard.now_ms += MINUTE_MS;
    shard.does(&deposit("d"));
    shard.seal();
    for (snapshot, first, covers, replayed) in [(None, 1, 0, 3), (Some(&snapshot[..]), 2, 2, 1)] {
        let recovered = shard.recovered(snapshot, first, None).unwrap();
        assert_eq!(images(&recovered.wallet, shard.now_ms), images(&shard.wallet, shard.now_ms));
        assert_eq!((recovered.snapshot, recovered.replayed), (covers, replayed));
        assert_eq!((recovered.now_ms, recovered.tail.last), (shard.now_ms, shard.journal.last()));
    }
}

#[test]
fn more_is_found_than_is_taken_in_together() {
    let mut shard = Shard::new();
    // Of one slot, so that a snapshot has them together.
    let slot = AccountHash::of(ANNA).slot();
    let others = (0..).map(|number| format!("default/p{number}"));
    let others = others.filter(|id| AccountHash::of(id).slot() == slot).map(|id| &*id.leak());
    let accounts: Vec<&str> = [ANNA].into_iter().chain(others).take(2 * PREFETCHED + 1).collect();
    accounts.iter().for_each(|account| shard.does(&put(account)));
    for transaction in ["d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"] {
        shard.does(&deposit(transaction));
    }
    shard.seal();
    let expect = images(&shard.wallet, shard.now_ms);
    assert_eq!(expect.len(), accounts.len());
    let snapshot = shard.snapshot(2);
    for (snapshot, first) in [(None, 1), (Some(&snapshot[..]), 2)] {
        assert_eq!(images(&shard.recovered(snapshot, first, None).unwrap().wallet, shard.now_ms), expect);
    }
}

#[test]
fn folds_come_to_what_the_shard_has() {
    let mut shard = Shard::new();
    [put(ANNA), put(BERTA), login(ANNA), login(BERTA)].iter().for_each(|operation| shard.does(operation));
    shard.seal();
    let first = shard.check_folded(None, 1);
    // Anna's session is used, and so it is live when sessions get more time; Berta's was over by then.
    shard.does(&deposit("d"));
    shard.now_ms += MINUTE_MS / 2;
    let details = "x".repeat(2 * limits::RECORD_READ_BYTES);
    shard.does(&bet(&details));
    shard.seal();
    shard.now_ms += MINUTE_MS / 2 + 1;
    let mut later = Settings { session_idle_ms: 10 * MINUTE_MS, ..settings() };
    later.domains.push(DomainSettings { name: "later".into(), ..later.domains[0].clone() });
    shard.configure(&later);
    shard.does(&put("later/carla"));
    shard.does(&deposit("e"));
    shard.seal();
    let second = shard.check_folded(Some(&first), 2);
    assert_eq!(shard.check_folded(None, 1), second, "in one step or in two");
    shard.configure(&settings());
    shard.seal();
    shard.check_folded(Some(&second), 4);
}

#[test]
fn a_fold_says_what_is_not_as_it_was() {
    let mut shard = Shard::new();
    shard.does(&put(ANNA));
    shard.seal();
    let last = shard.journal.last();
    let check = |until, read, expect: &str| {
        let error = shard.folded(None, 1, until, read).expect_err(expect);
        assert!(error.contains(expect), "{error}");
    };
    let until = Point { sequence: last.sequence + 1, ..last };
    check(until, Sealed::part, "the segment ends with record 2, and the next one begins with record 4");
    let first = |bytes: &Buffer, _: u64, room: &mut [u8]| {
        Sealed::part(bytes, limits::JOURNAL_BLOCK_BYTES as u64 + 64, room)
    };
    check(last, first, "record 1, where record 2 was read before");
}

#[test]
fn a_start_says_what_is_not_as_it_was() {
    let check = |found: Result<Recovered, Error<&str>>, expect: &str| {
        let error = found.expect_err(expect).to_string();
        assert!(error.contains(expect), "{error}");
    };
    let mut shard = Shard::new();
    shard.does(&put(ANNA));
    shard.seal();
    let snapshot = shard.snapshot(0);
    assert!(shard.recovered(Some(&snapshot), 1, None).is_ok(), "version 0.1.0 says no segment");
    let start = journal::mark::Start { number: 1, together: true };
    let mark = Mark { origin: ORIGIN, last: shard.journal.last(), segment: 1, stopped: None, start };
    check(shard.recovered(Some(&snapshot), 1, Some(mark)), "does not say which segment follows it");
    assert!(shard.recovered(Some(&shard.snapshot(2)), 2, Some(mark)).is_ok());
    let last = Point { sequence: mark.last.sequence + 1, ..mark.last };
    check(shard.recovered(None, 1, Some(Mark { last, ..mark })), "record 3");
    let change = deposit("d");
    let receipt = shard.applies(&change);
    shard.journal.append(shard.now_ms, &change, &Receipt { version: 9, ..receipt });
    shard.does(&deposit("e"));
    shard.seal();
    let mismatch = "does not come out as it did: code 0, cash 1000, version 9 then, code 0, cash 1000, version 1 now; a \
         deposit of \"default/anna\"";
    check(shard.recovered(None, 1, None), mismatch);
    // What is wrong comes in the order of the records, whatever is wrong with them.
    let last = Point { sequence: shard.journal.last().sequence, ..mark.last };
    check(shard.recovered(None, 1, Some(Mark { last, segment: 2, ..mark })), mismatch);
    let sound = shard.segments[1].len();
    shard.segments[1].resize(sound + 2 * limits::JOURNAL_WRITE_BYTES_MAX, 1);
    check(shard.recovered(None, 1, None), mismatch);
    shard.segments[1].resize(sound, 0);
    let unreadable = || [SegmentSource { number: 1, name: "segment-1".into(), read: |_| Err("no disk") }];
    check(recover(ORIGIN, None::<(String, Rest<'_>)>, unreadable(), None), "no disk");
    let mut writer = SnapshotWriter::begin(Vec::new(), shard.header(1), shard.wallet.settings()).unwrap();
    let (slot, places) = shard.wallet.by_slot().remove(0);
    let twice: Vec<AccountImage> = shard.wallet.images(shard.now_ms, &[places[0], places[0]]).collect();
    writer.slot(slot, &twice).unwrap();
    let twice = writer.finish().unwrap();
    check(
        shard.recovered(Some(&twice), 3, None),
        "the snapshot's account \"default/anna\": an account twice",
    );
    let mut yen = settings();
    yen.domains[0].currency = Currency::from_code("JPY").unwrap();
    let resharded = reshard(vec![shard.wallet], Partition::new(1), shard.now_ms, &yen, |_| ());
    check(resharded.map(|_| unreachable!()), "a domain keeps its currency. Give it GBP again");
}

#[test]
fn accounts_come_to_the_shards_that_own_them() {
    let check = |idle_ms, sessions| {
        let mut shard = Shard::new();
        shard.does(&put(ANNA));
        shard.does(&put(BERTA));
        shard.does(&login(BERTA));
        shard.now_ms += MINUTE_MS + 1;
        let mut expect = images(&shard.wallet, shard.now_ms);
        expect.values_mut().for_each(|account| account.serial += 1);
        expect.get_mut(BERTA).unwrap().sessions.truncate(sessions);
        let (partition, settings) = (Partition::new(3), Settings { session_idle_ms: idle_ms, ..settings() });
        let now_ms = shard.now_ms;
        let resharded =
            reshard::<()>(vec![shard.wallet], partition, now_ms, &settings, |account| account.serial += 1);
        let resharded = resharded.unwrap();
        for (index, wallet) in resharded.iter().enumerate() {
            assert_eq!(wallet.settings(), &settings);
            assert!(wallet.by_slot().iter().all(|(slot, _)| partition.owner(*slot).index() == index));
        }
        let found: BTreeMap<_, _> = resharded.iter().flat_map(|wallet| images(wallet, now_ms)).collect();
        assert_eq!(found, expect);
    };
    // A session that was over stays so, however long sessions may be idle from now on.
    check(10 * MINUTE_MS, 0);
    check(MINUTE_MS, 1);
}

/// A start that was killed has journaled another retention at some shards alone, and the next one has done so later at others.
#[test]
fn what_a_shard_remembers_is_remembered_by_all() {
    let now_ms = 100 * MINUTE_MS;
    // When a retention of 10 minutes became one of 90, in minutes; and until when all is forgotten.
    let check = |times: [Option<u64>; 2], expect: u64| {
        let of = |minutes| Settings { retention_ms: minutes * MINUTE_MS, ..settings() };
        let wallets = || {
            times.map(|became| {
                let mut wallet = Wallet::to_replay();
                wallet.configure(0, &of(10)).unwrap();
                if let Some(minutes) = became {
                    wallet.configure(minutes * MINUTE_MS, &of(90)).unwrap();
                }
                wallet
            })
        };
        for retention in [10, 90] {
            let resharded =
                reshard::<()>(wallets().into(), Partition::new(1), now_ms, &of(retention), |_| ());
            let until_ms = resharded.unwrap()[0].settings().forgotten_until(now_ms);
            let expect = expect.max(100 - retention);
            assert_eq!(until_ms, expect * MINUTE_MS, "{times:?}, {retention}");
        }
    };
    check([Some(70), Some(80)], 60);
    check([Some(80), Some(70)], 60);
    check([Some(80), Some(80)], 70);
    check([Some(80), None], 70);
    check([None, Some(80)], 70);
    check([None, None], 90);
}

#[test]
fn the_latest_login_with_a_key_has_it() {
    let mut shard = Shard::new();
    shard.does(&put(ANNA));
    shard.does(&put(BERTA));
    shard.does(&login(ANNA));
    shard.now_ms += 1;
    shard.does(&login(BERTA));
    let mut wallets = [shard.wallet];
    claim_keys(&mut wallets, Partition::new(1), shard.now_ms);
    let images = images(&wallets[0], shard.now_ms);
    assert_eq!((images[ANNA].sessions.len(), images[BERTA].sessions.len()), (0, 1));
    assert_eq!(wallets[0].session_keys(), 1);
}

#[test]
fn a_fold_leaves_what_its_snapshot_covers() {
    let check = |next_segment: Option<u32>, covered: &[u32], waiting: &[u32]| {
        let shard = Shard::new();
        let header = next_segment.map(|number| shard.header(number));
        assert_eq!(super::covered(header.as_ref(), &[2, 3, 4]), (covered, waiting));
    };
    check(None, &[], &[2, 3, 4]);
    check(Some(2), &[], &[2, 3, 4]);
    check(Some(4), &[2, 3], &[4]);
    check(Some(5), &[2, 3, 4], &[]);
}
