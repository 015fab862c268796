//! The machine: all shards of a process on one thread, each with its disk, between a start and a crash.
//!
//! A start joins things as the server's does: it recovers every shard, deals the accounts anew where the number of
//! shards has changed, and makes the directory of session keys.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use compact_str::CompactString;
use purser::journal::snapshot::SnapshotHeader;
use purser::journal::{Journal, Origin, Point, RecordHash};
use purser::metrics::{Names, Registry};
use purser::recovery::{self, Error};
use purser::shard::Shard;
use purser::shard::core::Core;
use purser::shard::mesh::Mesh;
use purser::shard::partition::Partition;
use purser::wallet::image::AccountImage;
use purser::wallet::operation::Operation;
use purser::wallet::{Catalog, Sequence, Wallet};

use super::auditor::Answer;
use super::disk::{Disk, Written};
use super::workload::Chance;

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
pub(super) struct Told {
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

/// The shards and their disks.
#[derive(Debug)]
pub(super) struct Cluster {
    catalog: Arc<Catalog>,
    sizes: Sizes,
    registry: Registry,
    pub(super) disks: Vec<Disk>,
    /// None between a crash and the next start.
    pub(super) shards: Vec<Shard<u64>>,
    applied: Rc<RefCell<Vec<Applied>>>,
    told: Vec<Told>,
    torn: u64,
}

impl Cluster {
    /// A machine that has not been started, with empty disks for so many shards.
    pub(super) fn new(catalog: Catalog, shards: usize, sizes: Sizes, chance: &mut Chance) -> Self {
        let stream = chance.next();
        let disk = |shard| Disk::new(origin(stream, shard, shards), sizes.segment_bytes);
        Self {
            catalog: Arc::new(catalog),
            sizes,
            registry: Registry::new(SHARDS_MAX, Names { calls: &["any"], answers: &["any"], stages: &[] }),
            disks: (0..shards).map(disk).collect(),
            shards: Vec::new(),
            applied: Rc::default(),
            told: Vec::new(),
            torn: 0,
        }
    }

    /// The steps that were applied since this was called, in their order.
    pub(super) fn take_applied(&mut self) -> Vec<Applied> {
        std::mem::take(&mut self.applied.borrow_mut())
    }

    /// What waiters were told since this was called.
    pub(super) fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// Torn writes that recoveries have found since this was called.
    pub(super) fn take_torn(&mut self) -> u64 {
        std::mem::take(&mut self.torn)
    }

    /// A request comes to a shard.
    pub(super) fn submit(
        &mut self,
        at: usize,
        now_ms: u64,
        waiter: u64,
        operation: &Operation<CompactString>,
    ) {
        let told = &mut self.told;
        let _ = self.shards[at].submit(now_ms, waiter, &operation.as_deref(), |outcome, after| {
            let answer = outcome.map(|text| CompactString::from(*text));
            told.push(Told { shard: at, waiter, answer, after });
        });
    }

    /// A shard's turn. `true` where it had anything to do.
    pub(super) fn poll(&mut self, at: usize, now_ms: u64) -> bool {
        let told = &mut self.told;
        let worked = self.shards[at].poll(now_ms, |waiter, outcome, after| {
            let answer = outcome.map(|text| CompactString::from(*text));
            told.push(Told { shard: at, waiter, answer, after });
        });
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

    /// Everything in memory is gone.
    pub(super) fn crash(&mut self, chance: &mut Chance) {
        self.shards.clear();
        self.take_applied();
        self.take_told();
        for disk in &mut self.disks {
            disk.crash(chance);
        }
    }

    /// All accounts that the shards have, by their ids.
    pub(super) fn images(&self) -> BTreeMap<String, AccountImage> {
        images(self.shards.iter().map(Shard::wallet))
    }

    /// Starts the process, with so many shards.
    ///
    /// # Errors
    /// A sentence, where what is stored can't be served.
    pub(super) fn start(
        &mut self,
        now_ms: u64,
        shards: usize,
        chance: &mut Chance,
    ) -> Result<Vec<Core>, String> {
        let recovered = self.disks.iter().map(Disk::recover).collect::<Result<Vec<_>, _>>();
        let recovered = recovered.map_err(|error| format!("A recovery fails: {error}."))?;
        self.torn += recovered.iter().filter(|shard| shard.tail.torn.is_some()).count() as u64;
        let partition = Partition::new(shards);
        let settings = self.catalog.settings();
        let blank = recovered.iter().all(|shard| shard.wallet.settings().domains.is_empty());
        let mut journals = Vec::new();
        let mut wallets = Vec::new();
        let same = shards == self.disks.len();
        if same {
            for (disk, recovered) in self.disks.iter_mut().zip(recovered) {
                disk.go_on(recovered.tail.next, recovered.tail.torn.as_ref());
                journals.push(Journal::new(disk.origin(), recovered.tail.last));
                wallets.push(recovered.wallet);
            }
        } else {
            let sequence = recovered.iter().map(|shard| shard.tail.last.sequence).max().unwrap_or(0);
            let point = Point { sequence, hash: RecordHash::START };
            let stream = chance.next();
            let disk = |shard| Disk::new(origin(stream, shard, shards), self.sizes.segment_bytes);
            self.disks = (0..shards).map(disk).collect();
            journals.extend(self.disks.iter().map(|disk| Journal::new(disk.origin(), point)));
            let before = recovered.into_iter().map(|shard| shard.wallet).collect();
            wallets =
                recovery::deal(before, partition, |_| ()).map_err(|error: Error<()>| format!("{error:?}"))?;
        }
        for wallet in &mut wallets {
            let changed = wallet.configure(&settings).map_err(|changed| format!("{changed:?}"))?;
            if changed != blank {
                return Err("The settings are not as they were.".into());
            }
        }
        if blank || !same {
            self.write_snapshots(&journals, &wallets, now_ms)?;
        }
        recovery::claim_keys(&mut wallets, partition, now_ms);
        let parts = wallets.into_iter().zip(journals).enumerate();
        let core = |(index, (mut wallet, journal)): (usize, (Wallet, Journal))| {
            wallet.open(Arc::clone(&self.catalog));
            Core::new(partition.shard(index), partition, wallet, journal)
        };
        Ok(parts.map(core).collect())
    }

    fn write_snapshots(
        &mut self,
        journals: &[Journal],
        wallets: &[Wallet],
        now_ms: u64,
    ) -> Result<(), String> {
        for ((disk, journal), wallet) in self.disks.iter_mut().zip(journals).zip(wallets) {
            let next_segment = disk.next_segment();
            let header =
                SnapshotHeader { origin: disk.origin(), covers: journal.last(), now_ms, next_segment };
            let written = recovery::write_snapshot(Written(Vec::new()), header, wallet);
            let Written(snapshot) = written.map_err(|error| format!("A snapshot fails: {error:?}."))?;
            disk.publish(header.covers.sequence, snapshot);
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
            core.watch(Box::new(move |now_ms, operation, outcome| {
                let operation = operation.map(|text| CompactString::from(*text));
                let outcome = outcome.map(|text| CompactString::from(*text));
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

/// All accounts of these wallets, by their ids.
pub(super) fn images<'w>(wallets: impl Iterator<Item = &'w Wallet>) -> BTreeMap<String, AccountImage> {
    let mut images = BTreeMap::new();
    for wallet in wallets {
        for (_, places) in wallet.by_slot() {
            images.extend(wallet.images(&places).map(|image| (image.id.clone(), image)));
        }
    }
    images
}

/// Session keys that the images say are remembered.
pub(super) fn session_keys(images: &BTreeMap<String, AccountImage>) -> BTreeSet<&str> {
    images.values().flat_map(|image| image.sessions.iter().map(|session| session.key.as_str())).collect()
}
