//! Rounds that had left memory at a moment that is restored, out of the files that are there now.
//!
//! The files that a shard had at the moment may have become one with later ones since, of whose rounds the newest version is kept. What
//! came to a round later stands at the end of its transactions, so the version of the moment follows from the newest one. Whatever
//! was open at the moment, or changed shortly before it, is in memory: in the snapshot that the moment is reached from, or in a record.

use std::collections::HashMap;

use crate::data::{ShardFiles, ShardHistory};
use crate::inspect::Error;
use crate::inspect::past::{PastAccount, PastFiles, PastRound, PastRounds};
use journal::Origin;
use recovery::{ColdRound, slots_of};
use storage::reader::Opened;
use wallet::account::{AccountHash, Slot};
use wallet::image::{AccountImage, RoundImage};
use wallet::{Millis, Sequence, Wallet};

/// A shard's wallet at a moment, without what has left memory.
pub(super) struct Memory<'a> {
    pub(super) wallet: &'a Wallet,
    /// Its last record.
    pub(super) last: Sequence,
    /// The time of that, milliseconds since 1970.
    pub(super) now_ms: Millis,
}

/// Writes the history of a shard as it was at `at_ms`, slot by slot. `false` where the data have none.
pub(super) fn write(
    opened: &Opened,
    memory: &Memory<'_>,
    at_ms: Millis,
    files: ShardFiles,
) -> Result<bool, Error> {
    if opened.shards.iter().all(|shard| shard.past.is_none()) {
        return Ok(false);
    }
    let origin = files.origin;
    let slots = slots_of(origin);
    let shards = opened.shards.iter().enumerate().map(|(id, shard)| {
        let Opened { manifest, .. } = opened;
        (shard, Origin { stream: manifest.stream, shard: id as u16, shards: manifest.shards })
    });
    let past = PastFiles::of_slots(shards, &slots, None)?;
    let failed = |error: crate::data::Error| Error::Failed(error.to_string());
    let new = ShardHistory::open(files, None).map_err(failed)?;
    let mut fold = new.begin_fold();
    let mut rounds = past.rounds()?;
    for (slot, places) in memory.wallet.by_slot() {
        let images = memory.wallet.images(memory.now_ms, &places);
        let images: HashMap<String, AccountImage> = images.map(|image| (image.id.clone(), image)).collect();
        fold.take(cold_of_slot(&mut rounds, slot, &images, memory, at_ms)?)?;
    }
    // Nothing is let go of that is in memory: a fold says until when the history has everything.
    fold.finish(memory.last, 0, || ()).map_err(failed)?;
    Ok(true)
}

/// The rounds of the accounts of a slot.
fn cold_of_slot(
    rounds: &mut PastRounds<'_, '_>,
    slot: Slot,
    images: &HashMap<String, AccountImage>,
    memory: &Memory<'_>,
    at_ms: Millis,
) -> Result<Vec<ColdRound>, Error> {
    let mut cold = Vec::new();
    while rounds.peek().map(AccountHash::slot).is_some_and(|next| next <= slot) {
        let Some(PastAccount { rounds: versions, .. }) = rounds.next()? else { break };
        for versions in versions.chunk_by(is_same) {
            // An account that is not there was not there yet.
            let Some(account) = versions.first().and_then(|one| images.get(&one.account)) else { continue };
            let Some(round) = as_of(versions, at_ms) else { continue };
            let is_in_memory = account.rounds.iter().any(|known| known.name() == round.name());
            if !is_in_memory && !round.is_forgotten(memory.now_ms, memory.wallet.settings()) {
                cold.push(ColdRound { account: account.id.clone(), round });
            }
        }
    }
    Ok(cold)
}

fn is_same(one: &PastRound, other: &PastRound) -> bool {
    one.account == other.account && one.round.name() == other.round.name()
}

/// A round as it was at `at_ms`, of its versions in order; `None` where it was not there yet.
fn as_of(versions: &[PastRound], at_ms: Millis) -> Option<RoundImage> {
    let newest = &versions.last()?.round;
    let written = versions.iter().rev().map(|version| &version.round).find(|round| round.last_ms <= at_ms);
    let cut = newest.as_of(at_ms);
    // Where nothing came between them, the one that was written is exact.
    let is_exact = |round: &&RoundImage| {
        cut.as_ref().is_none_or(|cut| round.transactions.len() >= cut.transactions.len())
    };
    written.filter(is_exact).cloned().or(cut)
}
