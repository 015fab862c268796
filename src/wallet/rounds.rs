//! The game rounds of a shard, each with its transactions.
//!
//! A round is found through a table of its account's slot; small tables grow one at a time, so that no request
//! waits while millions of entries move. Its transactions lie side by side, oldest first, and are searched from
//! end to end: nearly every round has a few, and none has more than [`limits::ROUND_TRANSACTIONS_MAX`].

use hashbrown::HashTable;
use slab::Slab;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Millis;
use super::account::AccountHash;
use super::amount::Amount;
use super::ledger::{AccountIndex, Accounts};
use super::operation::PlayKind;
use crate::limits;

/// A round's place; it keeps it until it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoundIndex(u32);

impl RoundIndex {
    /// The place's number; [`u32::MAX`] is none.
    pub(super) const fn number(self) -> u32 {
        self.0
    }

    pub(super) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// What a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Play(PlayKind),
    Credit,
    Deposit,
    Withdrawal,
    /// Not a transaction: the id of a bet that was rolled back before it came.
    Cancelled,
}

impl Kind {
    /// Hash of a transaction outside of rounds: two kinds may use the same id.
    pub(super) fn hash_of(self, id: &str) -> u64 {
        xxh3_64_with_seed(id.as_bytes(), u64::from(self.number()))
    }

    /// Its number in a snapshot.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Play(PlayKind::Bet) => 0,
            Self::Play(PlayKind::Win) => 1,
            Self::Play(PlayKind::Rollback) => 2,
            Self::Play(PlayKind::Void) => 3,
            Self::Credit => 4,
            Self::Deposit => 5,
            Self::Withdrawal => 6,
            Self::Cancelled => 7,
        }
    }

    /// The kind with this number in a snapshot.
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Play(PlayKind::Bet),
            1 => Self::Play(PlayKind::Win),
            2 => Self::Play(PlayKind::Rollback),
            3 => Self::Play(PlayKind::Void),
            4 => Self::Credit,
            5 => Self::Deposit,
            6 => Self::Withdrawal,
            7 => Self::Cancelled,
            _ => return None,
        })
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stands.
    Stands,
    /// It moved nothing: the second rollback of a bet.
    MovedNothing,
    /// It is a bet, and was rolled back.
    RolledBack,
}

/// A transaction that is remembered. 56 bytes beside its id.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: Box<str>,
    pub(super) amount: Amount,
    pub(super) balance_after: Amount,
    pub(super) at_ms: Millis,
    /// Its number among its account's.
    pub(super) number: u32,
    /// Of a rollback: the place of its bet in the round.
    pub(super) original: u32,
    /// Tells most ids apart before their bytes are looked at.
    tag: u32,
    pub(super) kind: Kind,
    pub(super) fate: Fate,
}

/// No [`Transaction::original`].
pub(super) const NO_ORIGINAL: u32 = u32::MAX;

const _: () = assert!(size_of::<Transaction>() == 56);

fn tag(id: &str) -> u32 {
    xxh3_64_with_seed(id.as_bytes(), 0) as u32
}

impl Transaction {
    pub(super) fn new(kind: Kind, id: &str, amount: Amount, at_ms: Millis) -> Self {
        Self {
            id: id.into(),
            amount,
            balance_after: Amount::ZERO,
            at_ms,
            number: 0,
            original: NO_ORIGINAL,
            tag: tag(id),
            kind,
            fate: Fate::Stands,
        }
    }

    pub(super) fn is(&self, kind: Kind, id: &str) -> bool {
        self.kind == kind && *self.id == *id
    }

    pub(super) fn hash(&self) -> u64 {
        self.kind.hash_of(&self.id)
    }
}

/// Where a round is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoundState {
    /// It holds cancelled bets alone; to everything else it is unknown.
    Unopened,
    Open,
    Closed,
}

/// A game round.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) id: Box<str>,
    /// Made of the account and the id when the round is taken in, so that a table that grows reads neither.
    tag: u32,
    pub(super) account: AccountIndex,
    pub(super) state: RoundState,
    /// It was opened by winnings that did not start it.
    pub(super) orphan: bool,
    /// The sum of its bets.
    pub(super) staked: Amount,
    /// What its rollbacks and voids gave back.
    pub(super) returned: Amount,
    /// Its last transaction, or its end.
    pub(super) last_ms: Millis,
    pub(super) transactions: Vec<Transaction>,
}

impl Round {
    /// A round of this id without a transaction, which is not opened yet.
    pub(super) fn new(account: AccountIndex, id: &str, now_ms: Millis) -> Self {
        Self {
            id: id.into(),
            tag: 0,
            account,
            state: RoundState::Unopened,
            orphan: false,
            staked: Amount::ZERO,
            returned: Amount::ZERO,
            last_ms: now_ms,
            transactions: Vec::new(),
        }
    }

    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<usize> {
        let tag = tag(id);
        self.transactions.iter().position(|known| known.tag == tag && known.is(kind, id))
    }

    /// Whether nothing of it is to be remembered any more (protocol §4, Idempotency).
    pub(super) const fn is_forgotten(&self, now_ms: Millis, retention_ms: u64) -> bool {
        !matches!(self.state, RoundState::Open) && self.last_ms.saturating_add(retention_ms) <= now_ms
    }

    pub(super) fn push(&mut self, transaction: Transaction) -> u32 {
        assert!(self.transactions.len() < limits::ROUND_TRANSACTIONS_MAX, "a full round was refused");
        if self.transactions.len() < 4 {
            // Most rounds have a bet and a win; a vector's usual first step makes room for four.
            self.transactions.reserve_exact(1);
        }
        self.transactions.push(transaction);
        self.transactions.len() as u32 - 1
    }
}

/// The rounds of a shard.
#[derive(Debug)]
pub(super) struct Rounds {
    by_place: Slab<Round>,
    /// By the account's slot.
    by_hash: Box<[HashTable<u32>]>,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { by_place: Slab::new(), by_hash: (0..limits::SLOTS).map(|_| HashTable::new()).collect() }
    }
}

/// What tells a round from nearly all others of its slot.
fn tag_of(account: AccountHash, id: &str) -> u32 {
    xxh3_64_with_seed(id.as_bytes(), account.bits()) as u32
}

/// A table takes its buckets from the lowest bits of a hash and its tags from the highest.
const fn hash(tag: u32) -> u64 {
    (tag as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Rounds {
    pub(super) fn len(&self) -> usize {
        self.by_place.len()
    }

    pub(super) fn get(&self, index: RoundIndex) -> &Round {
        &self.by_place[index.0 as usize]
    }

    pub(super) fn get_mut(&mut self, index: RoundIndex) -> &mut Round {
        &mut self.by_place[index.0 as usize]
    }

    pub(super) fn find(&self, accounts: &Accounts, account: AccountIndex, id: &str) -> Option<RoundIndex> {
        let hash_of = accounts.get(account).hash();
        let tag = tag_of(hash_of, id);
        let found = |at: &u32| {
            let round = &self.by_place[*at as usize];
            round.tag == tag && round.account == account && *round.id == *id
        };
        let table = &self.by_hash[usize::from(hash_of.slot().index())];
        table.find(hash(tag), found).map(|at| RoundIndex(*at))
    }

    /// Takes in a round that is not there.
    pub(super) fn insert(&mut self, accounts: &Accounts, mut round: Round) -> RoundIndex {
        let hash_of = accounts.get(round.account).hash();
        let tag = tag_of(hash_of, &round.id);
        round.tag = tag;
        let at = u32::try_from(self.by_place.insert(round)).expect("limits::ROUNDS_MAX is below");
        assert!(at < u32::MAX, "the last number stands for none");
        let rounds = &self.by_place;
        let table = &mut self.by_hash[usize::from(hash_of.slot().index())];
        table.insert_unique(hash(tag), at, |at| hash(rounds[*at as usize].tag));
        RoundIndex(at)
    }

    /// Forgets a round. The caller takes it out of its account's lists.
    pub(super) fn remove(&mut self, accounts: &Accounts, index: RoundIndex) {
        let round = self.by_place.remove(index.0 as usize);
        let hash_of = accounts.get(round.account).hash();
        let table = &mut self.by_hash[usize::from(hash_of.slot().index())];
        match table.find_entry(hash(round.tag), |at| *at == index.0) {
            Ok(entry) => drop(entry.remove()),
            Err(_) => unreachable!("a round is in its table"),
        }
    }
}
