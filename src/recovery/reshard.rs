//! Re-sharding: accounts go to another number of shards, and who holds a session's key.

use super::{Error, PREFETCHED, restore_accounts};
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use journal::Origin;
use partition::Partition;
use wallet::account::{AccountHash, KeyHash, Slot};
use wallet::image::AccountImage;
use wallet::replay::Claim;
use wallet::settings::Settings;
use wallet::{Millis, Wallet};

/// The slots that the shard owns whose files are of this origin.
///
/// # Panics
/// Where there is no such shard: a manifest has as many as there may be.
pub fn slots_of(origin: Origin) -> RangeInclusive<Slot> {
    let partition = Partition::new(usize::from(origin.shards));
    partition.slots(partition.shard(usize::from(origin.shard)))
}

/// Re-shards the accounts of these wallets, as they are at `now_ms`, to the shards of `partition`, each after `change`
/// has seen it. From now on `settings` hold.
///
/// # Errors
/// None that a recovered wallet has: an account that is there twice, or a domain of two currencies.
pub fn reshard<E>(
    wallets: Vec<Wallet>,
    partition: Partition,
    now_ms: Millis,
    settings: &Settings,
    mut change: impl FnMut(&mut AccountImage),
) -> Result<Vec<Wallet>, Error<E>> {
    let mut resharded: Vec<Wallet> = (0..partition.shards()).map(|_| Wallet::to_replay()).collect();
    let mut before: Vec<Settings> = wallets.iter().map(|wallet| wallet.settings().until(now_ms)).collect();
    if before.iter().any(|was| was.hot_ms != settings.hot_ms) {
        before.iter_mut().for_each(|was| was.cold_until_ms = was.cold_until(now_ms));
    }
    if before.iter().any(|was| was.retention_ms != before[0].retention_ms) {
        // A start that was killed has journaled new times at some shards alone: no account is to forget by another's.
        for was in &mut before {
            was.forgotten_until_ms = was.forgotten_until(now_ms);
            was.retention_ms = settings.retention_ms;
        }
    }
    // What any of them remembers is remembered: it comes back rather than to be forgotten.
    let forgotten_until_ms = before.iter().map(|was| was.forgotten_until_ms).min().unwrap_or(0);
    for was in before {
        let was = Settings { forgotten_until_ms, ..was };
        for new in &mut resharded {
            new.configure(now_ms, &was)?;
        }
    }
    for new in &mut resharded {
        new.configure(now_ms, settings)?;
    }
    // The settings of a start may have reached the journals of some shards alone: each account is forgotten by its own
    // shard's, and by the new ones.
    for wallet in wallets {
        let was = wallet.settings();
        for (slot, places) in wallet.by_slot() {
            let mut accounts: Vec<AccountImage> = wallet.images(now_ms, &places).collect();
            for account in &mut accounts {
                if was.session_idle_ms != settings.session_idle_ms {
                    account.end_expired(now_ms, was);
                }
                change(account);
            }
            restore_accounts(&mut resharded[partition.owner(slot).index()], &accounts)?;
        }
    }
    Ok(resharded)
}

/// Makes the directories of session keys anew, out of the sessions of all shards. A session whose key was given to a
/// later login since is dropped: it expired long before.
pub fn claim_keys(wallets: &mut [Wallet], partition: Partition, now_ms: Millis) {
    let mut claims: Vec<_> = wallets.iter().flat_map(|wallet| wallet.claims(now_ms)).collect();
    // The latest login with a key has it.
    claims.sort_unstable_by_key(|claim| (claim.key.bits(), core::cmp::Reverse(claim.started_ms)));
    let bits = |(key, account): &(KeyHash, AccountHash)| (key.bits(), account.bits());
    let mut lost: Vec<(KeyHash, AccountHash)> = Vec::new();
    let owner = |claim: &Claim| partition.owner(claim.key.slot()).index();
    for together in claims.chunks(PREFETCHED) {
        for run in together.chunk_by(|a, b| owner(a) == owner(b)) {
            wallets[owner(&run[0])].prefetch_keys(run.iter().map(|claim| claim.key));
        }
        for claim in together {
            if !wallets[owner(claim)].adopt_key(claim.key, claim.account) {
                lost.push((claim.key, claim.account));
            }
        }
    }
    lost.sort_unstable_by_key(bits);
    for wallet in wallets {
        let is_lost = |key: &str, account| {
            !lost.is_empty() && lost.binary_search_by_key(&bits(&(KeyHash::of(key), account)), bits).is_ok()
        };
        wallet.keep_sessions(now_ms, is_lost);
    }
}
