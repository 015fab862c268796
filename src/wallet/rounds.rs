//! The game rounds of a shard, each with its transactions; and what moves money outside of rounds, each as a round of its own
//! ([`RoundKind`]).
//!
//! A round is 56 bytes, and one piece of memory beside them, with its id and its transactions ([`packed`](super::packed)).
//! What follows from the transactions is counted when it is asked for, and kept by rounds with many of them.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Millis;
use super::account::AccountHash;
use super::amount::Amount;
use super::arena::Arena;
use super::games::GameIndex;
use super::image::{RoundKind, RoundVersion};
use super::ledger::{AccountIndex, Accounts};
use super::lines::StatementPlace;
use super::operation::{PlayKind, Transfer};
use super::packed::{Known, Packed, Place, RoundSums};
use super::platforms::PlatformIndex;
use super::round_lists::{Links, RoundList};
use super::table::{Entry, MIX, Table};
use super::transaction::{Fate, Kind, Transaction};

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
    /// Its id and its transactions.
    packed: Packed,
    /// Its last transaction, or its end.
    pub(super) last_ms: Millis,
    /// Its neighbours in the list of its account's that it is in.
    pub(super) links: Links,
    /// Made of all that a round is known by when it is taken in.
    tag: u32,
    pub(super) account: AccountIndex,
    /// The game of its first transaction.
    pub(super) game: GameIndex,
    /// Whose it is; nobody's of what the operator moved, and of a round of version 0.1.0 that no platform has named since.
    pub(super) platform: PlatformIndex,
    pub(super) state: RoundState,
    /// Which list it is in.
    pub(super) list: RoundList,
}

const _: () = assert!(size_of::<Round>() == 56, "memory per round is what docs/capacity.md says");

/// What a round is known by, within its account (protocol §4, Identity).
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundKey<'a> {
    pub(super) platform: PlatformIndex,
    pub(super) id: &'a str,
    pub(super) kind: RoundKind,
    /// [`GameIndex::NONE`] where no transaction that is remembered names it.
    pub(super) game: GameIndex,
}

impl<'a> RoundKey<'a> {
    /// Of a transaction outside of rounds.
    pub(super) const fn outside(kind: RoundKind, platform: PlatformIndex, id: &'a str) -> Self {
        Self { platform, id, kind, game: GameIndex::NONE }
    }

    /// Of an operator's transfer.
    pub(super) const fn of_transfer(transfer: &Transfer<&'a str>) -> Self {
        Self::outside(RoundKind::of_transfer(transfer.direction), PlatformIndex::NONE, transfer.transaction)
    }

    fn is_of(&self, round: &Round) -> bool {
        round.platform == self.platform
            && round.kind() == self.kind
            && (self.kind != RoundKind::ByGame || round.game == self.game)
            && *round.id() == *self.id
    }

    /// What tells a round from nearly all others. The game is left out: a platform has few games of one
    /// round's id.
    fn tag(&self, account: AccountHash) -> u32 {
        let of = u64::from(self.platform.number()) << 8 | u64::from(self.kind.number());
        let seed = account.bits() ^ of.wrapping_mul(MIX);
        xxh3_64_with_seed(self.id.as_bytes(), seed) as u32
    }
}

impl Round {
    /// A round without a transaction, which is not opened yet, and with room for so many bytes of them. It names its game from
    /// now on.
    pub(super) fn new(account: AccountIndex, key: RoundKey<'_>, now_ms: Millis, room: usize) -> Self {
        Self {
            packed: Packed::new(key.kind, key.id, room),
            last_ms: now_ms,
            links: Links::NONE,
            tag: 0,
            account,
            game: key.game,
            platform: key.platform,
            state: RoundState::Unopened,
            list: RoundList::Leaving,
        }
    }

    pub(super) fn id(&self) -> &str {
        self.packed.id()
    }

    /// What it is.
    pub(super) fn kind(&self) -> RoundKind {
        self.packed.kind()
    }

    /// Whether nobody knows whose it is: of version 0.1.0.
    pub(super) fn is_unclaimed(&self) -> bool {
        self.platform == PlatformIndex::NONE && !self.kind().is_operators()
    }

    /// Whether it was opened by winnings that did not start it.
    pub(super) fn is_orphan(&self) -> bool {
        self.packed.is_orphan()
    }

    pub(super) fn set_orphan(&mut self, is_orphan: bool) {
        self.packed.set_orphan(is_orphan);
    }

    /// How many transactions it has.
    pub(super) const fn len(&self) -> usize {
        self.packed.len()
    }

    /// Its transactions, oldest first.
    pub(super) fn transactions(&self) -> impl Iterator<Item = Known<'_>> {
        self.packed.iter()
    }

    /// Those of its transactions that follow the first so many.
    pub(super) fn transactions_behind(&self, first: usize) -> impl Iterator<Item = Known<'_>> {
        self.packed.iter_behind(first)
    }

    /// The transaction at a place.
    pub(super) fn at(&self, place: Place) -> Known<'_> {
        self.packed.at(place)
    }

    /// All of the transaction at a place.
    pub(super) fn read(&self, place: Place) -> Transaction<'_> {
        self.packed.at(place).read(self.game)
    }

    pub(super) fn key(&self) -> RoundKey<'_> {
        RoundKey { platform: self.platform, id: self.id(), kind: self.kind(), game: self.game }
    }

    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<Place> {
        self.packed.find(kind, id)
    }

    /// The version that it is.
    pub(super) fn version(&self) -> RoundVersion {
        let Self { last_ms, state, .. } = *self;
        RoundVersion { last_ms, transactions: self.len(), closed: state == RoundState::Closed }
    }

    /// The list that it belongs to.
    pub(super) fn belongs_to(&self) -> RoundList {
        if self.state == RoundState::Open {
            RoundList::Open
        } else if self.is_unclaimed() || self.len() > limits::HISTORY_TRANSACTIONS_MAX {
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
        let mut of_transactions = self.transactions().map(|known| Some(known.game(self.game)));
        self.game == GameIndex::NONE || Some(self.game) == game || of_transactions.any(|of| of == game)
    }

    /// Whether it takes no further transaction, of any kind.
    pub(super) const fn is_full(&self) -> bool {
        self.len() >= limits::ROUND_TRANSACTIONS_MAX
    }

    fn bets(&self) -> impl Iterator<Item = Known<'_>> {
        self.transactions().filter(|known| known.kind() == Kind::Play(PlayKind::Bet))
    }

    /// Whether it takes no further bet.
    pub(super) fn is_full_of_bets(&self) -> bool {
        self.len() >= limits::ROUND_BETS_MAX && self.sums().bets as usize >= limits::ROUND_BETS_MAX
    }

    /// Whether it has winnings above zero.
    pub(super) fn has_winnings(&self) -> bool {
        let won =
            |known: Known<'_>| known.kind() == Kind::Play(PlayKind::Win) && known.amount() > Amount::ZERO;
        self.transactions().any(won)
    }

    /// What was staked in it, and given back.
    pub(super) fn sums(&self) -> RoundSums {
        self.packed.sums()
    }

    /// How much less its stake since each of these times is once `amount` of it has gone back, by a rollback or a void: minor
    /// units. Its stake is what its bets since then have staked, less what was rolled back of them and what voids have given back
    /// since, and no less than nothing: a void may have given back what was staked before.
    pub(super) fn stake_given_back(&self, from_ms: [Millis; 3], amount: Amount) -> [i128; 3] {
        let mut stakes = [0; 3];
        // They are in the order of time: what follows one that is since all of these times is, too.
        let (mut at_ms, last_from_ms) = (0, from_ms.into_iter().max().unwrap_or(0));
        for known in self.transactions() {
            let sign = match (known.kind(), known.fate()) {
                (Kind::Play(PlayKind::Bet), Fate::Stands) => 1,
                (Kind::Play(PlayKind::Void), _) => -1,
                _ => continue,
            };
            if at_ms < last_from_ms {
                at_ms = known.at_ms();
            }
            let amount = sign * i128::from(known.amount().minor());
            let since = stakes.iter_mut().zip(from_ms).filter(|(_, from_ms)| at_ms >= *from_ms);
            since.for_each(|(stake, _)| *stake += amount);
        }
        stakes.map(|stake: i128| stake.max(0) - (stake - i128::from(amount.minor())).max(0))
    }

    /// The number of the bet or the win that opened it; 0 where nothing did.
    pub(super) fn opened_by(&self) -> u64 {
        let opens = |known: &Known<'_>| matches!(known.kind(), Kind::Play(PlayKind::Bet | PlayKind::Win));
        self.transactions().find(opens).map_or(0, |known| known.number())
    }

    /// Whether it has bets, and each of them was rolled back.
    pub(super) fn is_rolled_back(&self) -> bool {
        let mut bets = self.bets().peekable();
        bets.peek().is_some() && bets.all(|bet| bet.fate() == Fate::RolledBack)
    }

    /// Takes a transaction in; its place.
    pub(super) fn push(&mut self, transaction: &Transaction<'_>) -> Place {
        assert!(!self.is_full(), "a full round was refused");
        self.packed.push(transaction, self.game)
    }

    /// The bet at this place was rolled back.
    pub(super) fn roll_back(&mut self, bet: Place) {
        self.packed.set_fate(bet, Fate::RolledBack);
    }

    /// Forgets the last transactions, from this place on.
    pub(super) fn truncate(&mut self, from: Place, kept: usize) {
        self.packed.truncate(from, kept);
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

    /// The lines that a round's transactions are in the statement of its account.
    pub(super) fn statement_places(&self, index: RoundIndex) -> impl Iterator<Item = StatementPlace> {
        let round = self.get(index);
        let numbered = round.transactions().map(|known| (known.number(), known.place()));
        // A cancelled bet is no transaction, and has no number.
        numbered.filter(|(number, _)| *number > 0).map(move |(number, place)| StatementPlace {
            number,
            round: index.0,
            at: place.number(),
        })
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
        self.by_hash.find(Entry::hash_of(tag), found).map(|entry| RoundIndex(entry.at))
    }

    /// The round that seems to be of this key, whatever its game.
    pub(super) fn any(&self, account: AccountHash, key: &RoundKey<'_>) -> Option<&Round> {
        let tag = key.tag(account);
        let found = self.by_hash.find(Entry::hash_of(tag), |entry| entry.tag == tag)?;
        self.at(RoundIndex(found.at))
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
        self.by_game += usize::from(round.kind() == RoundKind::ByGame);
        self.unclaimed += usize::from(round.is_unclaimed());
        let entry = Entry { tag, at };
        self.by_hash.insert_unique(entry.hash(), entry, Entry::hash);
    }

    fn leave(&mut self, RoundIndex(at): RoundIndex) {
        let round = &self.by_place[at];
        self.by_game -= usize::from(round.kind() == RoundKind::ByGame);
        self.unclaimed -= usize::from(round.is_unclaimed());
        let entry = Entry { tag: round.tag, at };
        let removed = self.by_hash.remove(entry.hash(), |other| other.at == at, Entry::hash);
        removed.expect("a round is in its table");
    }
}
