//! A round of an account as a history keeps it, and where it stands among others.

use std::cmp::Ordering;

use rkyv::{Archive, Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bytes::Fields;
use super::format::KEY_BYTES;
use wallet::account::AccountHash;
use wallet::image::{RoundImage, RoundKind, RoundVersion, TransactionImage};
use wallet::{Millis, PlatformKey};

/// The key of an account's rounds with this id of this platform: those of games, whatever their scope and game, or those of one kind
/// outside of them.
pub fn key_of(
    account: AccountHash,
    platform: &[u8; PlatformKey::BYTES],
    kind: RoundKind,
    round_id: &str,
) -> u64 {
    let kind = if kind.is_of_game() { RoundKind::Plain } else { kind };
    let seed = xxh3_64_with_seed(platform, account.bits().wrapping_add(kind.number().into()));
    xxh3_64_with_seed(round_id.as_bytes(), seed)
}

fn sort_key(account: &str, platform: &[u8; PlatformKey::BYTES], kind: u8, round_id: &str) -> SortKey {
    let account = AccountHash::of(account);
    // Of no known kind nothing is looked for.
    let kind = RoundKind::from_number(kind).unwrap_or(RoundKind::Plain);
    SortKey::new(account, key_of(account, platform, kind, round_id))
}

/// Where the rounds with one [`key_of`] stand in a file: by slot, the account's hash, and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey {
    pub(super) slot: u16,
    pub(super) account: u64,
    pub(super) key: u64,
}

impl SortKey {
    /// Before all others.
    pub(super) const FIRST: Self = Self { slot: 0, account: 0, key: 0 };

    /// Of an account's rounds with this [`key_of`].
    pub fn new(account: AccountHash, key: u64) -> Self {
        Self { slot: account.slot().index(), account: account.bits(), key }
    }

    /// The part of it that a file says of each of its rows.
    pub(super) const fn short(self) -> ShortKey {
        ShortKey::new(self.slot, (self.key >> u32::BITS) as u32)
    }

    /// Not behind any of the slot.
    pub(super) const fn first_of(slot: u16) -> Self {
        Self { slot, ..Self::FIRST }
    }

    /// Not before any of the slot.
    pub(super) const fn last_of(slot: u16) -> Self {
        Self { slot, account: u64::MAX, key: u64::MAX }
    }
}

/// What a file says of each of its rows without showing it, and a filter keeps a part of: the slot, and the highest bits of the key.
/// It is one number, since millions of them are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShortKey(u64);

impl ShortKey {
    const fn new(slot: u16, bits: u32) -> Self {
        Self((slot as u64) << u32::BITS | bits as u64)
    }

    pub(super) const fn slot(self) -> u16 {
        (self.0 >> u32::BITS) as u16
    }

    pub(super) const fn bits(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn put(self, into: &mut Vec<u8>) {
        into.extend(self.slot().to_le_bytes());
        into.extend(self.bits().to_le_bytes());
    }

    pub(super) fn take(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut fields = Fields(bytes);
        Self::new(fields.u16(), fields.u32())
    }
}

/// A round, and whose it is.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// `domain/player`.
    pub account: String,
    /// The round.
    pub round: RoundImage,
}

impl Row {
    /// Where it stands in a file.
    pub fn sort_key(&self) -> SortKey {
        let RoundImage { id, platform, kind, .. } = &self.round;
        sort_key(&self.account, platform, *kind, id)
    }

    /// Brings rows into the order in which a file has them.
    pub fn sort(rows: &mut [Self]) {
        let mut keys: Vec<(SortKey, usize)> = rows.iter().map(Self::sort_key).zip(0..).collect();
        keys.sort_by(|(key, at), (other, other_at)| {
            key.cmp(other).then_with(|| rows[*at].cmp_at_one_key(&rows[*other_at]))
        });
        let mut sorted: Vec<Self> = keys.iter().map(|(_, at)| std::mem::take(&mut rows[*at])).collect();
        rows.swap_with_slice(&mut sorted);
    }

    /// Makes no time in it later than `clamp_ms`.
    pub fn clamp(&mut self, clamp_ms: Millis) {
        self.round.last_ms = self.round.last_ms.min(clamp_ms);
        for transaction in &mut self.round.transactions {
            transaction.at_ms = transaction.at_ms.min(clamp_ms);
        }
    }

    /// What is the same of all rows of a round, in the order in which rounds stand that have one [`SortKey`].
    fn identity(&self) -> impl Ord + '_ {
        let RoundImage { id, platform, kind, game, .. } = &self.round;
        (platform, *kind, &self.account, id, game)
    }

    /// The order of rows that have one [`SortKey`].
    pub(super) fn cmp_at_one_key(&self, other: &Self) -> Ordering {
        let by_version = || RoundVersion::of(&self.round).cmp(&RoundVersion::of(&other.round));
        self.identity().cmp(&other.identity()).then_with(by_version)
    }

    /// About how many bytes it takes, stored: as many at least, but for what keeps places aligned.
    pub(super) fn stored_bytes(&self) -> usize {
        let round = &self.round;
        let of = |known: &TransactionImage| {
            size_of::<rkyv::Archived<TransactionImage>>()
                + known.id.len()
                + known.game.as_ref().map_or(0, String::len)
        };
        let transactions: usize = round.transactions.iter().map(of).sum();
        size_of::<ArchivedRow>() + self.account.len() + round.id.len() + round.game.len() + transactions
    }
}

impl ArchivedRow {
    /// [`Row::sort_key`].
    pub(super) fn sort_key(&self) -> SortKey {
        sort_key(&self.account, &self.round.platform, self.round.kind, &self.round.id)
    }
}

/// A row with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) at: SortKey,
    pub(super) row: Row,
}

impl Placed {
    pub(super) fn new(row: Row) -> Self {
        Self { at: row.sort_key(), row }
    }

    /// The order of rounds; rows of one round are equal.
    pub(super) fn cmp_round(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at).then_with(|| self.row.identity().cmp(&other.row.identity()))
    }

    /// The order in a file.
    pub(super) fn cmp_row(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at).then_with(|| self.row.cmp_at_one_key(&other.row))
    }
}
