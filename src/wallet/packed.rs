//! A round's id and its transactions as bytes, in one piece of memory.
//!
//! Most of what a server holds is rounds of a bet and a win. As structures and strings these took four pieces of memory and over
//! twice as much of it (docs/benchmarks.md, Memory). Each transaction can be read by itself, at its place; what is not looked at
//! is stepped over:
//!
//! ```text
//! kind and a flag, length of the id, id, and then each transaction:
//! head: kind, fate, which of the last two numbers are there        one byte
//! bytes of the numbers                                             one byte
//! length of the id, id
//! amount, balance after it, when, number, game, place of its bet   seven bits a byte, the lowest first
//! ```

mod bytes;
mod known;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec;
use core::array;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::amount::Amount;
use super::games::GameIndex;
use super::image::RoundKind;
use super::operation::PlayKind;
use super::transaction::{Fate, Kind, Transaction};
use bytes::{Reader, Writer, number_len, text};
pub(super) use known::Known;
use known::{Iter, packed_len};

/// Where a transaction is in its round. Later ones have larger places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32);

impl Place {
    pub(super) const fn number(self) -> u32 {
        self.0
    }

    pub(super) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// What a round's bets have staked, and what its rollbacks and voids gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoundSums {
    pub(super) staked: Amount,
    pub(super) returned: Amount,
    /// Its bets.
    pub(super) bets: u32,
}

impl RoundSums {
    const NONE: Self = Self { staked: Amount::ZERO, returned: Amount::ZERO, bets: 0 };

    /// With a transaction more; `None` where they come to more than an amount.
    fn with(self, kind: Kind, fate: Fate, amount: Amount) -> Option<Self> {
        Some(match (kind, fate) {
            (Kind::Play(PlayKind::Bet), _) => {
                Self { staked: self.staked.checked_add(amount)?, bets: self.bets + 1, ..self }
            }
            (Kind::Play(PlayKind::Rollback | PlayKind::Void), Fate::Stands) => {
                Self { returned: self.returned.checked_add(amount)?, ..self }
            }
            _ => self,
        })
    }

    /// Of all of these; `None` where they come to more than an amount.
    pub(super) fn of(transactions: &[Transaction<'_>]) -> Option<Self> {
        transactions.iter().try_fold(Self::NONE, |sums, of| sums.with(of.kind, of.fate, of.amount))
    }

    /// Whether it may give this much back: never more than was staked (protocol §4, voidbet).
    pub(super) fn may_give_back(self, amount: Amount) -> bool {
        self.returned.checked_add(amount).is_some_and(|returned| returned <= self.staked)
    }
}

/// A round with as many transactions keeps its sums, and an index of them, at the end of its memory: to walk over all of them takes
/// longer than anything else that is done with one.
const LARGE: usize = if cfg!(test) { 3 } else { 64 };

/// Bytes of the sums of a large round, which are the last of its memory: two amounts, and a count.
const SUMS_BYTES: usize = 8 + 8 + 4;

/// Bytes of an entry of its index, which lies before them, newest first: what tells most ids apart, and a place.
const ENTRY_BYTES: usize = 4 + 4;

/// Bytes of sums and index of so many transactions.
const fn tail_len(transactions: usize) -> usize {
    if transactions < LARGE { 0 } else { SUMS_BYTES + transactions * ENTRY_BYTES }
}

fn tag(kind: Kind, id: &[u8]) -> [u8; 4] {
    (xxh3_64_with_seed(id, kind.number().into()) as u32).to_le_bytes()
}

const fn place_of([_, _, _, _, place @ ..]: &[u8; ENTRY_BYTES]) -> Place {
    Place(u32::from_le_bytes(*place))
}

/// The id of a round, and its transactions.
#[derive(Debug)]
pub(super) struct Packed {
    /// Not all of them may be used yet.
    bytes: Box<[u8]>,
    used: u32,
    /// Transactions.
    count: u16,
}

/// A flag of the round: winnings that did not start it have opened it. The other bits are the number of its kind.
const ORPHAN: u8 = 0x80;

/// Bytes of the longest number.
const NUMBER_BYTES_MAX: usize = 10;

/// Bytes of a transaction beside its id, at most: six numbers, a head, and two lengths.
const AROUND_BYTES_MAX: usize = 6 * NUMBER_BYTES_MAX + 4;

const _: () = assert!(6 * NUMBER_BYTES_MAX <= u8::MAX as usize, "their length is in a byte");
const _: () = assert!(limits::ROUND_TRANSACTIONS_MAX <= u16::MAX as usize, "they are counted in 16 bits");
const _: () = assert!(
    limits::ROUND_TRANSACTIONS_MAX * (AROUND_BYTES_MAX + 4 * limits::ID_CHARS_MAX) < u32::MAX as usize,
    "a place is 32 bits"
);

impl Packed {
    /// Without a transaction, and with room for so many bytes of them.
    pub(super) fn new(kind: RoundKind, id: &str, room: usize) -> Self {
        let used = 1 + number_len(id.len() as u64) + id.len();
        let mut bytes = vec![0; allocated(used + room)].into_boxed_slice();
        let mut to = Writer::new(&mut bytes);
        to.byte(kind.number());
        to.id(id);
        Self { bytes, used: used as u32, count: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.count as usize
    }

    pub(super) fn kind(&self) -> RoundKind {
        RoundKind::from_number(self.bytes[0] & !ORPHAN).expect("it was a kind's")
    }

    pub(super) fn is_orphan(&self) -> bool {
        self.bytes[0] & ORPHAN != 0
    }

    pub(super) fn set_orphan(&mut self, is_orphan: bool) {
        self.bytes[0] = self.bytes[0] & !ORPHAN | if is_orphan { ORPHAN } else { 0 };
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used as usize]
    }

    pub(super) fn id(&self) -> &str {
        text(Reader(&self.bytes()[1..]).id())
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        let bytes = self.bytes();
        let mut rest = Reader(&bytes[1..]);
        rest.id();
        Iter { bytes, at: bytes.len() - rest.0.len() }
    }

    /// The transaction at a place.
    ///
    /// # Panics
    /// Where that is no transaction's.
    pub(super) fn at(&self, Place(at): Place) -> Known<'_> {
        Iter { bytes: self.bytes(), at: at as usize }.next().expect("a place is a transaction's")
    }

    /// Those behind the first so many.
    pub(super) fn iter_behind(&self, first: usize) -> Iter<'_> {
        let mut iter = self.iter();
        if self.len() < LARGE {
            iter.by_ref().take(first).for_each(drop);
        } else if first > 0 {
            let entry = self.entries().iter().rev().nth(first);
            iter.at = entry.map_or(self.used, |entry| place_of(entry).0) as usize;
        }
        iter
    }

    /// The place of a transaction.
    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<Place> {
        if self.len() < LARGE {
            return self.iter().find(|known| known.is(kind, id)).map(|known| known.place());
        }
        let tag = tag(kind, id.as_bytes());
        let mut places = self.entries().iter().filter(|entry| entry.starts_with(&tag)).map(place_of);
        places.find(|place| self.at(*place).is(kind, id))
    }

    /// The index of a large round, newest first.
    fn entries(&self) -> &[[u8; ENTRY_BYTES]] {
        let end = self.bytes.len() - SUMS_BYTES;
        self.bytes[end - self.len() * ENTRY_BYTES..end].as_chunks().0
    }

    /// Enters the transaction at a place into the index of a large round: the one that follows the first so many.
    fn enter(&mut self, first: usize, place: Place) {
        let known = self.at(place);
        let tag = tag(known.kind(), known.id);
        let at = self.bytes.len() - SUMS_BYTES - (first + 1) * ENTRY_BYTES;
        self.bytes[at..][..ENTRY_BYTES].copy_from_slice([tag, place.0.to_le_bytes()].as_flattened());
    }

    fn grow(&mut self, len: usize) {
        let mut bytes = vec![0; len].into_boxed_slice();
        let (used, tail) = (self.used as usize, tail_len(self.len()));
        bytes[..used].copy_from_slice(self.bytes());
        bytes[len - tail..].copy_from_slice(&self.bytes[self.bytes.len() - tail..]);
        self.bytes = bytes;
    }

    /// What was staked in it, and given back.
    pub(super) fn sums(&self) -> RoundSums {
        if self.len() < LARGE { self.count_sums() } else { self.kept_sums() }
    }

    fn kept_sums(&self) -> RoundSums {
        let mut rest = Reader(&self.bytes[self.bytes.len() - SUMS_BYTES..]);
        let mut amount = || Amount::from_minor(i64::from_le_bytes(rest.array())).expect("it was an amount");
        let (staked, returned) = (amount(), amount());
        RoundSums { staked, returned, bets: u32::from_le_bytes(rest.array()) }
    }

    fn count_sums(&self) -> RoundSums {
        let with = |sums: RoundSums, known: Known<'_>| sums.with(known.kind(), known.fate(), known.amount());
        self.iter().try_fold(RoundSums::NONE, with).expect("each was tried")
    }

    fn keep_sums(&mut self, RoundSums { staked, returned, bets }: RoundSums) {
        let at = self.bytes.len() - SUMS_BYTES;
        let mut to = Writer::new(&mut self.bytes[at..]);
        to.bytes(&staked.minor().to_le_bytes());
        to.bytes(&returned.minor().to_le_bytes());
        to.bytes(&bets.to_le_bytes());
    }

    /// Takes in a transaction of a round of `game`; its place.
    pub(super) fn push(&mut self, transaction: &Transaction<'_>, game: GameIndex) -> Place {
        let place = Place(self.used);
        let (bytes, before) = (packed_len(transaction, game), self.len());
        let is_large = before + 1 >= LARGE;
        let sums = is_large.then(|| self.sums());
        let needed = self.used as usize + bytes + tail_len(before + 1);
        if needed > self.bytes.len() {
            // A round with many of them grows by a part of what it is.
            self.grow(allocated(needed + self.used as usize / 4));
        }
        let mut to = Writer::new(&mut self.bytes[place.0 as usize..]);
        known::write(&mut to, transaction, game);
        debug_assert_eq!(to.written(), bytes);
        self.used += bytes as u32;
        self.count += 1;
        if let Some(sums) = sums {
            let sums = sums.with(transaction.kind, transaction.fate, transaction.amount);
            self.keep_sums(sums.expect("it was tried"));
            if before + 1 == LARGE {
                let places: [Place; LARGE] = self.places();
                (0..).zip(places).for_each(|(first, place)| self.enter(first, place));
            } else {
                self.enter(before, place);
            }
        }
        place
    }

    /// The places of the transactions of a round that has just become a large one.
    fn places(&self) -> [Place; LARGE] {
        let mut all = self.iter().map(|known| known.place());
        array::from_fn(|_| all.next().expect("it has as many"))
    }

    pub(super) fn set_fate(&mut self, Place(at): Place, fate: Fate) {
        known::set_fate(&mut self.bytes[at as usize], fate);
    }

    /// Forgets the last transactions, from this place on. Nobody asks for the sums of a round that is being forgotten.
    pub(super) fn truncate(&mut self, Place(from): Place, kept: usize) {
        self.used = from;
        self.count = kept as u16;
    }
}

/// What the allocator gives for as many bytes: what is over would be lost.
const fn allocated(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16) - 8
}

/// Bytes that a transaction with so long an id usually takes: of an amount of up to four digits, a balance of up to eight, and a
/// number of up to six.
pub(super) const fn usual_len(id_bytes: usize) -> usize {
    id_bytes + 20
}

/// Room for transactions of a round of `game`, whose bets are at places that are not known yet: 4 bytes more for each at most.
pub(super) fn room_for(transactions: &[Transaction<'_>], game: GameIndex) -> usize {
    let originals = transactions.iter().filter(|known| known.original.is_some()).count();
    let bytes: usize = transactions.iter().map(|known| packed_len(known, game)).sum();
    bytes + 4 * originals + tail_len(transactions.len())
}
