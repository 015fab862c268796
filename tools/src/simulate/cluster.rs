//! The machine: all shards of a process on one thread, each with its disk, between a start and a crash.
//!
//! A start joins things as the server's does: it recovers every shard, re-shards the accounts where the number of
//! shards has changed, and makes the directory of session keys.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use compact_str::CompactString;
use journal::snapshot::SnapshotHeader;
use journal::{Journal, Origin, Point, RecordHash};
use metrics::{Names, Registry};
use partition::Partition;
use recovery::{Error, Recovered};
use shard::core::{Core, Done};
use shard::mesh::Mesh;
use shard::{Reply, Shard, Submitted};
use testkit::auditor::{Answer, Rules, Times, Zone};
use testkit::workload::Chance;
use wallet::account::{AccountHash, KeyHash};
use wallet::image::AccountImage;
use wallet::operation::Operation;
use wallet::settings::{Calendar, Settings};
use wallet::{Catalog, Domain, Sequence, Wallet};

use super::disk::Disk;
use super::disk::shelf::{Opened, Shelf, Told};
use super::past::{Past, Troubles};
use super::whole::{Whole, wholes};
use recovery::slots_of;

/// The most shards that a process has here.
pub(super) const SHARDS_MAX: usize = 4;

/// A step that a shard has applied.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) now_ms: u64,
    pub(super) operation: Operation<CompactString>,
    pub(super) outcome: Answer,
}

/// What a shard has told a waiter.
#[derive(Debug)]
pub(super) struct ShardReply {
    pub(super) shard: usize,
    pub(super) waiter: u64,
    pub(super) answer: Answer,
    /// The change of that shard that must be durable before anybody hears of it.
    pub(super) after: Sequence,
}

/// Lengths that a seed chooses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Requests under way between two shards.
    pub(super) lane_requests: usize,
    /// A segment file.
    pub(super) segment_bytes: usize,
}

/// What a start has found, and made of it.
pub(super) struct Started {
    pub(super) cores: Vec<Core>,
    /// The history of each.
    pub(super) told: Vec<Told>,
    /// The times that were stored, by the shards that there were.
    was: Vec<Times>,
}

impl Started {
    /// All accounts, with all that they remember.
    pub(super) fn wholes(&self, now_ms: u64) -> BTreeMap<String, Whole> {
        let opened: Vec<Option<Opened>> = self.told.iter().map(|told| told.borrow().1.clone()).collect();
        let cores = self.cores.iter().zip(&opened);
        wholes(cores.map(|(core, opened)| (core.wallet(), opened.as_ref())), now_ms)
    }

    /// The times that held for an account until this start, as they were stored.
    pub(super) fn was(&self, account: &str) -> Times {
        let before = Partition::new(self.was.len());
        self.was[before.owner(AccountHash::of(account).slot()).index()]
    }
}

/// The shards and their disks.
#[derive(Debug)]
pub(super) struct Cluster {
    sizes: Sizes,
    registry: Registry,
    pub(super) disks: Vec<Disk>,
    /// None between a crash and the next start.
    pub(super) shards: Vec<Shard<u64>>,
    applied: Rc<RefCell<Vec<Applied>>>,
    replies: Vec<ShardReply>,
    torn: u64,
    /// For how long closed rounds stay in memory, from the next start on, milliseconds.
    pub(super) hot_ms: u64,
    pub(super) troubles: Rc<Troubles>,
    /// A shard can't read its history, and must not go on.
    failed: bool,
}

impl Cluster {
    /// A machine that has not been started, with empty disks for so many shards.
    pub(super) fn new(shards: usize, sizes: Sizes, chance: &mut Chance) -> Self {
        let stream = chance.draw();
        let disk = |shard| Disk::new(origin(stream, shard, shards), sizes.segment_bytes);
        Self {
            sizes,
            registry: Registry::new(SHARDS_MAX, Names { calls: &["any"], answers: &["any"], stages: &[] }),
            disks: (0..shards).map(disk).collect(),
            shards: Vec::new(),
            applied: Rc::default(),
            replies: Vec::new(),
            torn: 0,
            hot_ms: limits::HOT_MS,
            troubles: Rc::default(),
            failed: false,
        }
    }

    /// Whether a shard could not read its history since the last start.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// The steps that were applied since this was called, in their order.
    pub(super) fn take_applied(&mut self) -> Vec<Applied> {
        std::mem::take(&mut self.applied.borrow_mut())
    }

    /// What waiters were told since this was called.
    pub(super) fn take_replies(&mut self) -> Vec<ShardReply> {
        std::mem::take(&mut self.replies)
    }

    /// Torn writes that recoveries have found since this was called.
    pub(super) fn take_torn(&mut self) -> u64 {
        std::mem::take(&mut self.torn)
    }

    /// A request comes to a shard, which is to be answered by `deadline_ms`.
    pub(super) fn submit(
        &mut self,
        at: usize,
        now_ms: u64,
        deadline_ms: u64,
        waiter: u64,
        operation: &Operation<CompactString>,
    ) {
        let operation = operation.as_deref();
        let submitted = self.shards[at].submit(now_ms, deadline_ms, waiter, &operation);
        if let Submitted::Done(Done { outcome, after }) = submitted {
            let answer = self.shards[at].wallet().resolve(outcome, &operation).map(CompactString::from);
            self.replies.push(ShardReply { shard: at, waiter, answer, after });
        }
    }

    /// A shard's turn. `true` where it had anything to do.
    pub(super) fn poll(&mut self, at: usize, now_ms: u64) -> bool {
        let came = self.troubles.came.get();
        let worked = self.shards[at].poll(now_ms);
        let failure = self.shards[at].next_write().err();
        let fails = failure.is_some();
        assert_eq!(fails, came < self.troubles.came.get(), "who can't read its history says so: {failure:?}");
        self.failed |= fails;
        while let Some(Reply { waiter, done }) = self.shards[at].next_reply() {
            self.replies.push(ShardReply { shard: at, waiter, answer: done.outcome, after: done.after });
        }
        self.shards[at].flush();
        worked
    }

    /// A shard hands its changes to its disk, where that is idle. `true` where there were any.
    pub(super) fn hand_over(&mut self, at: usize) -> bool {
        if self.disks[at].is_busy() {
            return false;
        }
        let group = self.shards[at].take_group();
        let taken = group.is_some();
        if let Some(group) = group {
            self.disks[at].begin(group);
        }
        taken
    }

    /// The write under way at a shard's disk becomes durable.
    pub(super) fn complete(&mut self, at: usize) {
        let group = self.disks[at].complete();
        self.shards[at].on_durable(group);
    }

    /// Makes everything durable that was changed.
    pub(super) fn sync(&mut self) {
        for at in 0..self.shards.len() {
            while self.disks[at].is_busy() || self.hand_over(at) {
                self.complete(at);
            }
        }
    }

    /// The process ends as it should: what was to be journaled later is, and everything is durable.
    pub(super) fn stop(&mut self) {
        self.shards.iter_mut().for_each(Shard::journal_renewals);
        self.sync();
        self.disks.iter_mut().for_each(Disk::stop);
    }

    /// Everything in memory is gone.
    pub(super) fn crash(&mut self, chance: &mut Chance) {
        self.shards.clear();
        self.failed = false;
        self.take_applied();
        self.take_replies();
        for disk in &mut self.disks {
            disk.crash(chance);
        }
    }

    /// All accounts that the shards have in memory, as they are at a time.
    pub(super) fn images(&self, now_ms: u64) -> BTreeMap<String, AccountImage> {
        images(self.shards.iter().map(Shard::wallet), now_ms)
    }

    /// What the history of each shard has, as it is stored.
    pub(super) fn opened(&self) -> Result<Vec<Option<Opened>>, String> {
        let opened = self.disks.iter().map(|disk| disk.shelf.open(&slots_of(disk.origin())));
        let opened: Result<_, _> = opened.collect();
        opened.map_err(|damage: journal::Damage| format!("A history can't be opened: {damage}."))
    }

    /// All accounts that the shards have, with all that they remember, as they are at a time.
    pub(super) fn wholes(&self, now_ms: u64) -> Result<BTreeMap<String, Whole>, String> {
        let opened = self.opened()?;
        let shards = self.shards.iter().map(Shard::wallet).zip(opened.iter().map(Option::as_ref));
        Ok(wholes(shards, now_ms))
    }

    /// Session keys that the shards' directories have.
    pub(super) fn session_keys(&self) -> Holders {
        holders(self.shards.iter().map(Shard::wallet))
    }

    /// The shard that owns what a request is about.
    pub(super) fn owner(&self, operation: &Operation<CompactString>) -> usize {
        Partition::new(self.shards.len()).owner(operation.slot()).index()
    }

    /// Whether all shards have forgotten up to one time, by what is stored, and go on to. Where the times that a start has changed
    /// are not stored everywhere they have not, and a history is read by one time for all of its accounts.
    pub(super) fn forget_alike(&self, now_ms: u64) -> bool {
        let until = self.disks.iter().filter_map(|disk| {
            let wallet = disk.recover().ok()?.wallet;
            let settings = wallet.settings();
            Some((settings.retention_ms, settings.forgotten_until(now_ms)))
        });
        let mut until: Vec<_> = until.collect();
        until.dedup();
        until.len() == 1
    }

    /// Starts the process, with so many shards.
    ///
    /// # Errors
    /// A sentence, where what is stored can't be served.
    pub(super) fn start(
        &mut self,
        now_ms: u64,
        shards: usize,
        rules: &Rules,
        chance: &mut Chance,
    ) -> Result<Started, String> {
        let recovered = self.disks.iter().map(Disk::recover).collect::<Result<Vec<_>, _>>();
        let recovered = recovered.map_err(|error| format!("A recovery fails: {error}."))?;
        for (disk, recovered) in self.disks.iter().zip(&recovered) {
            disk.open_history(recovered).map_err(|error| format!("A history can't be opened: {error}."))?;
        }
        self.torn += recovered.iter().filter(|shard| shard.tail.torn.is_some()).count() as u64;
        let was = recovered.iter().map(|shard| times(shard.wallet.settings())).collect();
        let partition = Partition::new(shards);
        let catalog = Arc::new(catalog(rules, self.hot_ms));
        let zones = zones(rules);
        let mut settings = catalog.settings();
        for (name, calendar) in calendars(&zones, now_ms) {
            let domain = settings.domains.iter_mut().find(|domain| domain.name == name);
            domain.expect("a zone is a domain's").calendar = Some(calendar);
        }
        let blank = recovered.iter().all(|shard| shard.wallet.settings().domains.is_empty());
        let same = shards == self.disks.len();
        let (mut journals, mut wallets) = if same {
            self.go_on(recovered)
        } else {
            self.reshard(recovered, partition, now_ms, &settings, chance)?
        };
        for (journal, wallet) in journals.iter_mut().zip(&mut wallets) {
            let before = wallet.settings().clone();
            let changed = wallet.configure(now_ms, &settings).map_err(|changed| format!("{changed:?}"))?;
            if changed != (before != *wallet.settings()) {
                return Err(format!("{before:?} were followed by {settings:?}, and changed is {changed}."));
            }
            if changed && same && !blank {
                journal.configure(now_ms, wallet.settings());
            }
        }
        if blank || !same {
            self.write_snapshots(&journals, &wallets, now_ms)?;
        }
        recovery::claim_keys(&mut wallets, partition, now_ms);
        let parts = wallets.into_iter().zip(journals).enumerate();
        let told = self.disks.iter_mut().map(Disk::tell).collect::<Result<Vec<Told>, _>>();
        let told = told.map_err(|damage| format!("A history can't be opened: {damage}."))?;
        let core = |(index, (mut wallet, journal)): (usize, (Wallet, Journal))| {
            wallet.open(Arc::clone(&catalog));
            let mut core = Core::new(partition.shard(index), partition, wallet, journal);
            let zones = zones.clone();
            core.keep_calendars(Box::new(move |now_ms| calendars(&zones, now_ms)));
            let past = Past::new(Rc::clone(&told[index]), Rc::clone(&self.troubles), chance.draw());
            core.keep_history(Box::new(past));
            core
        };
        Ok(Started { cores: parts.map(core).collect(), told, was })
    }

    /// The same shards as before.
    fn go_on(&mut self, recovered: Vec<Recovered>) -> (Vec<Journal>, Vec<Wallet>) {
        let shards = self.disks.iter_mut().zip(recovered);
        let shards = shards.map(|(disk, recovered)| {
            disk.go_on(&recovered.tail);
            (Journal::new(disk.origin(), recovered.tail.last), recovered.wallet)
        });
        shards.unzip()
    }

    /// Other shards than before, each with a disk of its own.
    fn reshard(
        &mut self,
        recovered: Vec<Recovered>,
        partition: Partition,
        now_ms: u64,
        settings: &Settings,
        chance: &mut Chance,
    ) -> Result<(Vec<Journal>, Vec<Wallet>), String> {
        let sequence = recovered.iter().map(|shard| shard.tail.last.sequence).max().unwrap_or(0);
        let point = Point { sequence, hash: RecordHash::START };
        let (stream, shards) = (chance.draw(), partition.shards());
        let disk = |shard| Disk::new(origin(stream, shard, shards), self.sizes.segment_bytes);
        let before = std::mem::replace(&mut self.disks, (0..shards).map(disk).collect());
        if before.iter().any(|disk| disk.shelf.has_list()) {
            for disk in &mut self.disks {
                let from = before.iter().map(|disk| (&disk.shelf, slots_of(disk.origin())));
                disk.shelf = Shelf::hand_on(from, &slots_of(disk.origin()), sequence)?;
            }
        }
        let journals = self.disks.iter().map(|disk| Journal::new(disk.origin(), point)).collect();
        let before = recovered.into_iter().map(|shard| shard.wallet).collect();
        let wallets = recovery::reshard(before, partition, now_ms, settings, |_| ());
        Ok((journals, wallets.map_err(|error: Error<()>| format!("{error:?}"))?))
    }

    fn write_snapshots(
        &mut self,
        journals: &[Journal],
        wallets: &[Wallet],
        now_ms: u64,
    ) -> Result<(), String> {
        for ((disk, journal), wallet) in self.disks.iter_mut().zip(journals).zip(wallets) {
            let header = SnapshotHeader {
                origin: disk.origin(),
                covers: journal.last(),
                now_ms,
                rules: wallet::Rules::V2,
                next_segment: disk.next_segment(),
                has_history: disk.shelf.has_list(),
            };
            let written = recovery::write_snapshot(Vec::new(), header, wallet);
            let snapshot = written.map_err(|error| format!("A snapshot fails: {error:?}."))?;
            disk.publish(header.covers, snapshot);
        }
        Ok(())
    }

    /// Lets requests come to the cores of a start.
    pub(super) fn open(&mut self, cores: Vec<Core>, now_ms: u64) {
        let partition = Partition::new(cores.len());
        let mesh = Mesh::with_lanes(partition, self.sizes.lane_requests);
        let mesh = Arc::new(mesh.expect("a process has descriptors for a few shards"));
        for mut core in cores {
            let applied = Rc::clone(&self.applied);
            core.observe(Box::new(move |now_ms, operation, outcome| {
                let operation = operation.map(|text| CompactString::from(*text));
                let outcome = outcome.map(CompactString::from);
                applied.borrow_mut().push(Applied { now_ms, operation, outcome });
            }));
            let metrics = self.registry.shard(core.id().index());
            self.shards.push(Shard::new(core, Arc::clone(&mesh), metrics, now_ms));
        }
    }
}

fn origin(stream: u64, shard: usize, shards: usize) -> Origin {
    Origin { stream, shard: shard as u16, shards: shards as u16 }
}

/// All accounts of these wallets, by their ids, as they are at a time.
pub(super) fn images<'w>(
    wallets: impl Iterator<Item = &'w Wallet>,
    now_ms: u64,
) -> BTreeMap<String, AccountImage> {
    let mut images = BTreeMap::new();
    for wallet in wallets {
        for (_, places) in wallet.by_slot() {
            images.extend(wallet.images(now_ms, &places).map(|image| (image.id.clone(), image)));
        }
    }
    images
}

/// Session keys with the accounts that hold them, by their hashes, in order.
pub(super) type Holders = Vec<(u64, u64)>;

/// The holders that the directories of these wallets have.
pub(super) fn holders<'a>(wallets: impl Iterator<Item = &'a Wallet>) -> Holders {
    let held = wallets.flat_map(Wallet::holders);
    sorted(held.map(|(key, account)| (key.bits(), account.bits())).collect())
}

/// The holders of the session keys that the images say are remembered.
pub(super) fn session_keys(images: &BTreeMap<String, AccountImage>) -> Holders {
    let holders = images.values().flat_map(|image| {
        let account = AccountHash::of(&image.id).bits();
        image.sessions.iter().map(move |session| (KeyHash::of(&session.key).bits(), account))
    });
    sorted(holders.collect())
}

fn sorted(mut holders: Holders) -> Holders {
    holders.sort_unstable();
    holders
}

/// The times of a machine's settings.
const fn times(settings: &Settings) -> Times {
    Times { session_idle_ms: settings.session_idle_ms, retention_ms: settings.retention_ms }
}

/// The machine's settings of these times.
pub(super) fn settings_of(times: Times) -> Settings {
    let Times { session_idle_ms, retention_ms } = times;
    Settings { session_idle_ms, retention_ms, ..Settings::default() }
}

/// The machine's configuration, of the auditor's.
fn catalog(rules: &Rules, hot_ms: u64) -> Catalog {
    let domains = rules
        .domains
        .iter()
        .map(|(name, brand)| Domain::new(name.clone(), brand.currency, brand.platforms.iter().copied()));
    let mut catalog = Catalog::new(domains.collect(), rules.games.iter().cloned());
    let served: Vec<_> = catalog.platforms().map(|(platform, _)| platform).collect();
    for platform in served {
        catalog.set_dialect(platform, rules.dialect(platform));
    }
    catalog.token_life_ms = rules.token_life_ms;
    catalog.session_idle_ms = rules.times.session_idle_ms;
    catalog.retention_ms = rules.times.retention_ms;
    catalog.hot_ms = hot_ms;
    catalog
}

/// The domains whose days don't begin at midnight UTC.
fn zones(rules: &Rules) -> Vec<(CompactString, Zone)> {
    let zones = rules.domains.iter().filter(|(_, brand)| brand.zone != Zone::Utc);
    zones.map(|(name, brand)| (CompactString::from(name), brand.zone)).collect()
}

fn calendars(zones: &[(CompactString, Zone)], now_ms: u64) -> Vec<(CompactString, Calendar)> {
    zones.iter().filter_map(|(name, zone)| Some((name.clone(), zone.calendar(now_ms)?))).collect()
}
