//! The game rounds of a shard, each with its transactions.
//!
//! Its transactions lie side by side, oldest first, and are searched from
//! end to end: nearly every round has a few, and none has more than
//! [`limits::ROUND_TRANSACTIONS_MAX`].

use alloc::boxed::Box;
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Millis;
use super::account::AccountHash;
use super::amount::Amount;
use super::arena::Arena;
use super::games::GameIndex;
use super::image::RoundVersion;
use super::ledger::{AccountIndex, Accounts};
use super::operation::{Direction, PlayKind};
use super::platform::RoundScope;
use super::platforms::PlatformIndex;
use super::round_lists::{Links, RoundList};
use super::table::Table;

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
    /// Hash of a transaction outside of rounds: two kinds, and two platforms, may use the same id.
    pub(super) fn hash_of(self, platform: PlatformIndex, id: &str) -> u64 {
        let seed = u64::from(platform.number()) << 8 | u64::from(self.number());
        xxh3_64_with_seed(id.as_bytes(), seed)
    }

    /// What an operator's transfer is.
    pub(super) const fn of_transfer(direction: Direction) -> Self {
        match direction {
            Direction::In => Self::Deposit,
            Direction::Out => Self::Withdrawal,
        }
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
    /// It moved nothing: a second rollback of a bet, or one of a bet that is not there (`unknown_rollback`).
    MovedNothing,
    /// It is a bet, and was rolled back.
    RolledBack,
}

/// A transaction that is remembered. 64 bytes beside its id.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: Box<str>,
    pub(super) amount: Amount,
    pub(super) balance_after: Amount,
    pub(super) at_ms: Millis,
    /// Its number among its account's.
    pub(super) number: u64,
    /// Of a rollback: the place of its bet in the round, or of the id of its bet that is cancelled.
    pub(super) original: u32,
    /// Tells most ids apart before their bytes are looked at.
    tag: u32,
    pub(super) game: GameIndex,
    /// Outside of rounds: whose it is. A round's platform is the platform of all that is in it.
    pub(super) platform: PlatformIndex,
    pub(super) kind: Kind,
    pub(super) fate: Fate,
}

/// No [`Transaction::original`].
pub(super) const NO_ORIGINAL: u32 = u32::MAX;

const _: () = assert!(size_of::<Transaction>() == 64);

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
            game: GameIndex::NONE,
            platform: PlatformIndex::NONE,
            kind,
            fate: Fate::Stands,
        }
    }

    pub(super) fn is(&self, kind: Kind, id: &str) -> bool {
        self.kind == kind && *self.id == *id
    }

    pub(super) fn hash(&self) -> u64 {
        self.kind.hash_of(self.platform, &self.id)
    }
}

/// Where a round is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoundState {
    /// It holds cancelled bets alone, and rollbacks of them; to everything else it is unknown.
    Unopened,
    Open,
    Closed,
}

/// A game round.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) id: Box<str>,
    /// Made of all that a round is known by when it is taken in.
    tag: u32,
    pub(super) account: AccountIndex,
    /// Whose it is; nobody's of a round of version 0.1.0 that no platform has named since.
    pub(super) platform: PlatformIndex,
    pub(super) scope: RoundScope,
    pub(super) state: RoundState,
    /// It was opened by winnings that did not start it.
    pub(super) orphan: bool,
    /// Its bets.
    pub(super) bets: u16,
    /// The game of its first transaction.
    pub(super) game: GameIndex,
    /// The sum of its bets.
    pub(super) staked: Amount,
    /// What its rollbacks and voids gave back.
    pub(super) returned: Amount,
    /// Its last transaction, or its end.
    pub(super) last_ms: Millis,
    /// Its neighbours in the list of its account's that it is in.
    pub(super) links: Links,
    /// Which list that is.
    pub(super) list: RoundList,
    pub(super) transactions: Vec<Transaction>,
}

const _: () = assert!(size_of::<Round>() <= 96);

/// What a round is known by, within its account (protocol §4, Identity).
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundKey<'a> {
    pub(super) platform: PlatformIndex,
    pub(super) id: &'a str,
    pub(super) scope: RoundScope,
    /// [`GameIndex::NONE`] where no transaction that is remembered names it.
    pub(super) game: GameIndex,
}

impl RoundKey<'_> {
    fn is_of(&self, round: &Round) -> bool {
        round.platform == self.platform
            && round.scope == self.scope
            && (self.scope == RoundScope::Platform || round.game == self.game)
            && *round.id == *self.id
    }

    /// What tells a round from nearly all others. The game is left out: a platform has few games of one
    /// round's id.
    fn tag(&self, account: AccountHash) -> u32 {
        let scope = u64::from(self.scope == RoundScope::Game);
        let seed = account.bits() ^ (u64::from(self.platform.number()) << 1 | scope).wrapping_mul(MIX);
        xxh3_64_with_seed(self.id.as_bytes(), seed) as u32
    }
}

/// An odd number without a pattern in its bits: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

impl Round {
    /// A round without a transaction, which is not opened yet. It names its game from now on.
    pub(super) fn new(account: AccountIndex, key: RoundKey<'_>, now_ms: Millis) -> Self {
        Self {
            id: key.id.into(),
            tag: 0,
            account,
            platform: key.platform,
            scope: key.scope,
            state: RoundState::Unopened,
            orphan: false,
            bets: 0,
            game: key.game,
            staked: Amount::ZERO,
            returned: Amount::ZERO,
            last_ms: now_ms,
            links: Links::NONE,
            list: RoundList::Leaving,
            transactions: Vec::new(),
        }
    }

    pub(super) fn key(&self) -> RoundKey<'_> {
        RoundKey { platform: self.platform, id: &self.id, scope: self.scope, game: self.game }
    }

    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<usize> {
        let tag = tag(id);
        self.transactions.iter().position(|known| known.tag == tag && known.is(kind, id))
    }

    /// The version that it is.
    pub(super) fn version(&self) -> RoundVersion {
        let Self { last_ms, state, .. } = *self;
        RoundVersion { last_ms, transactions: self.transactions.len(), closed: state == RoundState::Closed }
    }

    /// The list that it belongs to.
    pub(super) fn belongs_to(&self) -> RoundList {
        if self.state == RoundState::Open {
            RoundList::Open
        } else if self.platform == PlatformIndex::NONE
            || self.transactions.len() > limits::HISTORY_TRANSACTIONS_MAX
        {
            RoundList::Staying
        } else {
            RoundList::Leaving
        }
    }

    /// Whether nothing of it is to be remembered any more (protocol §4, Idempotency).
    /// What was touched last at or before `until_ms` is forgotten ([`Settings::forgotten_until`](super::settings::Settings)).
    pub(super) const fn is_forgotten(&self, until_ms: Millis) -> bool {
        !matches!(self.state, RoundState::Open) && self.last_ms <= until_ms
    }

    /// Whether a transaction of this game is in it, or may be: version 0.1.0 did not store of which game a round is.
    pub(super) fn is_of_game(&self, game: Option<GameIndex>) -> bool {
        let mut of_transactions = self.transactions.iter().map(|known| Some(known.game));
        self.game == GameIndex::NONE || Some(self.game) == game || of_transactions.any(|of| of == game)
    }

    /// Whether it takes no further transaction, of any kind.
    pub(super) const fn is_full(&self) -> bool {
        self.transactions.len() >= limits::ROUND_TRANSACTIONS_MAX
    }

    /// Whether it takes no further bet.
    pub(super) const fn is_full_of_bets(&self) -> bool {
        self.bets as usize >= limits::ROUND_BETS_MAX
    }

    /// Whether it has winnings above zero.
    pub(super) fn has_winnings(&self) -> bool {
        let won =
            |known: &Transaction| known.kind == Kind::Play(PlayKind::Win) && known.amount > Amount::ZERO;
        self.transactions.iter().any(won)
    }

    /// How much less its stake since `from_ms` is once `amount` of it has gone back, by a rollback or a void: minor units. Its
    /// stake is what its bets since then have staked, less what was rolled back of them and what voids have given back since,
    /// and no less than nothing: a void may have given back what was staked before.
    pub(super) fn stake_given_back(&self, from_ms: Millis, amount: Amount) -> i128 {
        let since = self.transactions.iter().filter(|known| known.at_ms >= from_ms);
        let stakes = since.map(|known| match (known.kind, known.fate) {
            (Kind::Play(PlayKind::Bet), Fate::Stands) => i128::from(known.amount.minor()),
            (Kind::Play(PlayKind::Void), _) => -i128::from(known.amount.minor()),
            _ => 0,
        });
        let stake: i128 = stakes.sum();
        stake.max(0) - (stake - i128::from(amount.minor())).max(0)
    }

    /// The number of the bet or the win that opened it; 0 where nothing did.
    pub(super) fn opened_by(&self) -> u64 {
        let opens = |known: &&Transaction| matches!(known.kind, Kind::Play(PlayKind::Bet | PlayKind::Win));
        self.transactions.iter().find(opens).map_or(0, |known| known.number)
    }

    /// Whether it has bets, and each of them was rolled back.
    pub(super) fn is_rolled_back(&self) -> bool {
        let mut bets = self.transactions.iter().filter(|known| known.kind == Kind::Play(PlayKind::Bet));
        self.bets > 0 && bets.all(|bet| bet.fate == Fate::RolledBack)
    }

    pub(super) fn push(&mut self, transaction: Transaction) -> u32 {
        assert!(!self.is_full(), "a full round was refused");
        self.bets += u16::from(transaction.kind == Kind::Play(PlayKind::Bet));
        if self.transactions.len() < 4 {
            // Most rounds have a bet and a win; a vector's usual first step makes room for four.
            self.transactions.reserve_exact(1);
        }
        self.transactions.push(transaction);
        self.transactions.len() as u32 - 1
    }
}

/// A round in the table. With its tag, a table that grows reads no round: each is a wait for memory.
#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u32,
    at: u32,
}

impl Entry {
    /// A table takes its buckets from the lowest bits of a hash and its tags from the highest.
    const fn hash(&self) -> u64 {
        (self.tag as u64).wrapping_mul(MIX)
    }
}

/// The rounds of a shard.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    by_place: Arena<Round>,
    by_hash: Table<Entry>,
    /// Rounds that are known by their game too.
    by_game: usize,
    /// Rounds that are nobody's.
    unclaimed: usize,
}

impl Rounds {
    pub(super) fn len(&self) -> usize {
        self.by_place.len()
    }

    /// Whether a round is known by its game too.
    pub(super) const fn has_any_by_game(&self) -> bool {
        self.by_game > 0
    }

    /// Whether a round is nobody's.
    pub(super) const fn has_any_unclaimed(&self) -> bool {
        self.unclaimed > 0
    }

    pub(super) fn get(&self, index: RoundIndex) -> &Round {
        &self.by_place[index.0]
    }

    pub(super) fn get_mut(&mut self, index: RoundIndex) -> &mut Round {
        &mut self.by_place[index.0]
    }

    /// The round at a place; `None` where none is there any more.
    pub(super) fn at(&self, index: RoundIndex) -> Option<&Round> {
        self.by_place.get(index.0)
    }

    pub(super) fn find(
        &self,
        accounts: &Accounts,
        account: AccountIndex,
        key: &RoundKey<'_>,
    ) -> Option<RoundIndex> {
        let hash_of = accounts.get(account).hash();
        let tag = key.tag(hash_of);
        let found = |entry: &Entry| {
            entry.tag == tag && {
                let round = &self.by_place[entry.at];
                round.account == account && key.is_of(round)
            }
        };
        self.by_hash.find(Entry { tag, at: 0 }.hash(), found).map(|entry| RoundIndex(entry.at))
    }

    /// Takes in a round that is not there.
    pub(super) fn insert(&mut self, accounts: &Accounts, round: Round) -> RoundIndex {
        let at = self.by_place.insert(round);
        self.enter(accounts, RoundIndex(at));
        RoundIndex(at)
    }

    /// Gives a round that was nobody's to a platform.
    pub(super) fn claim(&mut self, accounts: &Accounts, index: RoundIndex, platform: PlatformIndex) {
        self.leave(index);
        self.by_place[index.0].platform = platform;
        self.enter(accounts, index);
    }

    /// Forgets a round, and returns it. The caller takes it out of its account's lists, and gives its games back.
    pub(super) fn remove(&mut self, index: RoundIndex) -> Round {
        self.leave(index);
        self.by_place.remove(index.0)
    }

    /// Enters a round into the table.
    fn enter(&mut self, accounts: &Accounts, RoundIndex(at): RoundIndex) {
        let round = &mut self.by_place[at];
        let hash_of = accounts.get(round.account).hash();
        let tag = round.key().tag(hash_of);
        round.tag = tag;
        self.by_game += usize::from(round.scope == RoundScope::Game);
        self.unclaimed += usize::from(round.platform == PlatformIndex::NONE);
        let entry = Entry { tag, at };
        self.by_hash.insert_unique(entry.hash(), entry, Entry::hash);
    }

    fn leave(&mut self, RoundIndex(at): RoundIndex) {
        let round = &self.by_place[at];
        self.by_game -= usize::from(round.scope == RoundScope::Game);
        self.unclaimed -= usize::from(round.platform == PlatformIndex::NONE);
        let entry = Entry { tag: round.tag, at };
        let removed = self.by_hash.remove(entry.hash(), |other| other.at == at, Entry::hash);
        removed.expect("a round is in its table");
    }
}
