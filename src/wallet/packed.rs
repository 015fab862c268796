//! A round's id and its transactions as bytes, in one piece of memory.
//!
//! Most of what a server holds is rounds of a bet and a win. As structures and strings these took four pieces of memory and over
//! twice as much of it (docs/benchmarks.md, Memory). Each transaction can be read by itself, at its place; what is not looked at
//! is stepped over:
//!
//! ```text
//! flags, length of the id, id, and then each transaction:
//! head: kind, fate, which of the last two numbers are there        one byte
//! bytes of the numbers                                             one byte
//! length of the id, id
//! amount, balance after it, when, number, game, place of its bet   seven bits a byte, the lowest first
//! ```

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::Millis;
use super::amount::Amount;
use super::games::GameIndex;
use super::operation::PlayKind;
use super::platform::RoundScope;
use super::transaction::{Fate, Kind, Transaction};

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
}

impl RoundSums {
    const NONE: Self = Self { staked: Amount::ZERO, returned: Amount::ZERO };

    /// With a transaction more; `None` where they come to more than an amount.
    fn with(self, kind: Kind, fate: Fate, amount: Amount) -> Option<Self> {
        Some(match (kind, fate) {
            (Kind::Play(PlayKind::Bet), _) => Self { staked: self.staked.checked_add(amount)?, ..self },
            (Kind::Play(PlayKind::Rollback | PlayKind::Void), Fate::Stands) => {
                Self { returned: self.returned.checked_add(amount)?, ..self }
            }
            _ => self,
        })
    }

    /// Of all of these; `None` where they come to more than an amount.
    pub(super) fn of(transactions: &[Transaction<&str>]) -> Option<Self> {
        transactions.iter().try_fold(Self::NONE, |sums, of| sums.with(of.kind, of.fate, of.amount))
    }

    /// Whether it may give this much back: never more than was staked (protocol §4, voidbet).
    pub(super) fn may_give_back(self, amount: Amount) -> bool {
        self.returned.checked_add(amount).is_some_and(|returned| returned <= self.staked)
    }
}

/// A round with as many transactions keeps its sums: they are asked for with each of its bets, and counting them is a walk over all
/// that it has.
const LARGE: usize = if cfg!(test) { 3 } else { 64 };

/// Bytes of the sums of a large round, which are the last of its memory.
const SUMS_BYTES: usize = 16;

/// The id of a round, and its transactions.
#[derive(Debug)]
pub(super) struct Packed {
    /// Not all of them may be used yet.
    bytes: Box<[u8]>,
    used: u32,
    /// Transactions.
    count: u16,
}

/// A flag of the round: it is known by its game, too.
const BY_GAME: u8 = 0b01;
/// A flag of the round: winnings that did not start it have opened it.
const ORPHAN: u8 = 0b10;

const KIND_BITS: u8 = 0b0000_0111;
const FATE_AT: u8 = 3;
const FATE_BITS: u8 = 0b0001_1000;
/// Its game is not its round's.
const OWN_GAME: u8 = 0b0010_0000;
const HAS_ORIGINAL: u8 = 0b0100_0000;

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
    pub(super) fn new(scope: RoundScope, id: &str, room: usize) -> Self {
        let used = 1 + number_len(id.len() as u64) + id.len();
        let mut bytes = vec![0; allocated(used + room)].into_boxed_slice();
        let mut to = Writer { to: &mut bytes, at: 0 };
        to.byte(if scope == RoundScope::Game { BY_GAME } else { 0 });
        to.id(id);
        Self { bytes, used: used as u32, count: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.count as usize
    }

    pub(super) fn scope(&self) -> RoundScope {
        if self.bytes[0] & BY_GAME == 0 { RoundScope::Platform } else { RoundScope::Game }
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

    fn grow(&mut self, len: usize) {
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(self.bytes());
        bytes.resize(len, 0);
        self.bytes = bytes.into_boxed_slice();
    }

    /// What was staked in it, and given back.
    pub(super) fn sums(&self) -> RoundSums {
        if self.len() < LARGE { self.count_sums() } else { self.kept_sums() }
    }

    fn kept_sums(&self) -> RoundSums {
        let mut rest = Reader(&self.bytes[self.bytes.len() - SUMS_BYTES..]);
        let mut amount = || {
            let bytes = rest.take(size_of::<i64>()).try_into().expect("it is as long");
            Amount::from_minor(i64::from_le_bytes(bytes)).expect("it was an amount")
        };
        RoundSums { staked: amount(), returned: amount() }
    }

    fn count_sums(&self) -> RoundSums {
        let with = |sums: RoundSums, known: Known<'_>| sums.with(known.kind(), known.fate(), known.amount());
        self.iter().try_fold(RoundSums::NONE, with).expect("each was tried")
    }

    fn keep_sums(&mut self, RoundSums { staked, returned }: RoundSums) {
        if self.len() >= LARGE {
            let at = self.bytes.len() - SUMS_BYTES;
            let sums = [staked, returned].map(|sum| sum.minor().to_le_bytes());
            self.bytes[at..].copy_from_slice(sums.as_flattened());
        }
    }

    /// Takes in a transaction of a round of `game`; its place.
    pub(super) fn push(&mut self, transaction: &Transaction<&str>, game: GameIndex) -> Place {
        let place = self.used as usize;
        let bytes = packed_len(transaction, game);
        let sums = if self.len() + 1 < LARGE { RoundSums::NONE } else { self.sums() };
        let needed = place + bytes + if self.len() + 1 < LARGE { 0 } else { SUMS_BYTES };
        if needed > self.bytes.len() {
            // A round with many of them grows by a part of what it is.
            self.grow(allocated(needed + place / 4));
        }
        let mut to = Writer { to: &mut self.bytes[place..], at: 0 };
        write(&mut to, transaction, game);
        debug_assert_eq!(to.at, bytes);
        self.used += bytes as u32;
        self.count += 1;
        let sums = sums.with(transaction.kind, transaction.fate, transaction.amount);
        self.keep_sums(sums.expect("it was tried"));
        Place(place as u32)
    }

    pub(super) fn set_fate(&mut self, Place(at): Place, fate: Fate) {
        let head = &mut self.bytes[at as usize];
        *head = *head & !FATE_BITS | fate.number() << FATE_AT;
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

/// Transactions, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Iter<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Known<'a>;

    fn next(&mut self) -> Option<Known<'a>> {
        let mut rest = Reader(self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?);
        let place = Place(self.at as u32);
        let (head, numbers) = (rest.byte(), rest.byte());
        let id = rest.id();
        let numbers = rest.take(numbers as usize);
        self.at = self.bytes.len() - rest.0.len();
        Some(Known { place, head, id, numbers })
    }
}

/// A transaction of a round, as bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    place: Place,
    head: u8,
    id: &'a [u8],
    numbers: &'a [u8],
}

impl<'a> Known<'a> {
    pub(super) const fn place(&self) -> Place {
        self.place
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::from_number(self.head & KIND_BITS).expect("it was a kind's number")
    }

    pub(super) fn fate(&self) -> Fate {
        Fate::from_number((self.head & FATE_BITS) >> FATE_AT).expect("it was a fate's number")
    }

    pub(super) fn id(&self) -> &'a str {
        text(self.id)
    }

    pub(super) fn is(&self, kind: Kind, id: &str) -> bool {
        self.head & KIND_BITS == kind.number() && *self.id == *id.as_bytes()
    }

    pub(super) fn amount(&self) -> Amount {
        Reader(self.numbers).amount()
    }

    pub(super) fn at_ms(&self) -> Millis {
        self.nth(2)
    }

    /// Its number among its account's.
    pub(super) fn number(&self) -> u64 {
        self.nth(3)
    }

    /// One of its numbers.
    fn nth(&self, at: usize) -> u64 {
        let mut rest = Reader(self.numbers);
        for _ in 0..at {
            rest.number();
        }
        rest.number()
    }

    /// Its game, in a round of `of_round`.
    pub(super) fn game(&self, of_round: GameIndex) -> GameIndex {
        if self.head & OWN_GAME == 0 { of_round } else { GameIndex::from_number(self.nth(4) as u32) }
    }

    /// All of it, in a round of `of_round`.
    pub(super) fn read(&self, of_round: GameIndex) -> Transaction<&'a str> {
        let mut rest = Reader(self.numbers);
        let (amount, balance_after) = (rest.amount(), rest.amount());
        let mut known = Transaction::new(self.kind(), self.id(), amount, rest.number());
        (known.balance_after, known.number, known.fate) = (balance_after, rest.number(), self.fate());
        known.game =
            if self.head & OWN_GAME == 0 { of_round } else { GameIndex::from_number(rest.number() as u32) };
        known.original = (self.head & HAS_ORIGINAL != 0).then(|| Place(rest.number() as u32));
        known
    }
}

/// The numbers of a transaction, in their order.
fn numbers(of: &Transaction<&str>, game: GameIndex) -> impl Iterator<Item = u64> {
    let own_game = (of.game != game).then(|| u64::from(of.game.number()));
    let original = of.original.map(|place| u64::from(place.0));
    let always =
        [of.amount.minor().unsigned_abs(), of.balance_after.minor().unsigned_abs(), of.at_ms, of.number];
    always.into_iter().chain(own_game).chain(original)
}

const fn number_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes that a transaction with so long an id usually takes: of an amount of up to four digits, a balance of up to eight, and a
/// number of up to six.
pub(super) const fn usual_len(id_bytes: usize) -> usize {
    id_bytes + 20
}

/// Room for transactions of a round of `game`, whose bets are at places that are not known yet: 4 bytes more for each at most.
pub(super) fn room_for(transactions: &[Transaction<&str>], game: GameIndex) -> usize {
    let originals = transactions.iter().filter(|known| known.original.is_some()).count();
    let sums = if transactions.len() < LARGE { 0 } else { SUMS_BYTES };
    transactions.iter().map(|known| packed_len(known, game)).sum::<usize>() + 4 * originals + sums
}

/// Bytes that a transaction takes in a round of `game`.
fn packed_len(of: &Transaction<&str>, game: GameIndex) -> usize {
    let numbers: usize = numbers(of, game).map(number_len).sum();
    2 + number_len(of.id.len() as u64) + of.id.len() + numbers
}

fn write(to: &mut Writer<'_>, of: &Transaction<&str>, game: GameIndex) {
    let mut head = of.kind.number() | of.fate.number() << FATE_AT;
    if of.game != game {
        head |= OWN_GAME;
    }
    if of.original.is_some() {
        head |= HAS_ORIGINAL;
    }
    to.byte(head);
    to.byte(numbers(of, game).map(number_len).sum::<usize>() as u8);
    to.id(of.id);
    numbers(of, game).for_each(|number| to.number(number));
}

fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).expect("an id was a string")
}

struct Writer<'a> {
    to: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn byte(&mut self, byte: u8) {
        self.to[self.at] = byte;
        self.at += 1;
    }

    fn id(&mut self, id: &str) {
        self.number(id.len() as u64);
        self.to[self.at..][..id.len()].copy_from_slice(id.as_bytes());
        self.at += id.len();
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("it was written whole");
        self.0 = rest;
        *first
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> u64 {
        let (mut number, mut at) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << at;
            if byte < 0x80 {
                return number;
            }
            at += 7;
        }
    }

    fn id(&mut self) -> &'a [u8] {
        let len = self.number();
        self.take(len as usize)
    }

    fn amount(&mut self) -> Amount {
        let minor = i64::try_from(self.number()).ok();
        minor.and_then(Amount::from_minor).expect("it was an amount")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAME: GameIndex = GameIndex::from_number(7);

    fn amount(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    #[test]
    fn transactions_are_read_as_they_were_written() {
        let ids = [
            "",
            "b",
            &"x".repeat(127),
            &"y".repeat(128),
            "名前-\u{1f3b2}",
            &"\u{1f3b2}".repeat(limits::ID_CHARS_MAX),
        ];
        for id in ids {
            let mut packed = Packed::new(RoundScope::Game, id, 0);
            let mut known = Vec::new();
            packed.set_orphan(true);
            for (at, minor) in [0, 1, 127, 128, i64::MAX / 4].into_iter().enumerate() {
                for kind in (0..8).map(|number| Kind::from_number(number).unwrap()) {
                    let mut transaction =
                        Transaction::new(kind, ids[at], amount(minor), minor.unsigned_abs() * 2);
                    transaction.balance_after = amount(i64::MAX - minor);
                    transaction.number = u64::MAX - minor.unsigned_abs();
                    transaction.game = if at % 2 == 0 { GAME } else { GameIndex::NONE };
                    transaction.original = known.last().map(|(place, _)| *place);
                    transaction.fate = [Fate::Stands, Fate::MovedNothing][at % 2];
                    let place = packed.push(&transaction, GAME);
                    known.push((place, transaction));
                }
            }
            let (first, _) = known[0];
            packed.set_fate(first, Fate::RolledBack);
            known[0].1.fate = Fate::RolledBack;
            let check = |packed: &Packed, known: &[(Place, Transaction<&str>)]| {
                assert_eq!((packed.id(), packed.scope(), packed.is_orphan()), (id, RoundScope::Game, true));
                assert_eq!(packed.len(), known.len());
                let read =
                    packed.iter().map(|known| alloc::format!("{:?}", (known.place(), known.read(GAME))));
                let expected = known.iter().map(|known| alloc::format!("{known:?}"));
                assert_eq!(read.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
                assert!(known.iter().all(|(place, of)| packed.at(*place).is(of.kind, of.id)));
            };
            check(&packed, &known);
            for kept in (0..known.len()).rev() {
                packed.truncate(known[kept].0, kept);
                check(&packed, &known[..kept]);
            }
        }
    }

    #[test]
    fn a_bet_and_its_win_are_one_piece_of_memory() {
        let mut packed = Packed::new(RoundScope::Platform, &"r".repeat(36), 2 * usual_len(36));
        let (bet, win) = ("b".repeat(36), "w".repeat(36));
        let before = packed.bytes.as_ptr();
        for (kind, id) in [(PlayKind::Bet, &bet), (PlayKind::Win, &win)] {
            let mut transaction =
                Transaction::new(Kind::Play(kind), id.as_str(), amount(250), 1_764_000_000_000);
            (transaction.balance_after, transaction.number, transaction.game) = (amount(99_750), 1_000, GAME);
            packed.push(&transaction, GAME);
            let ids = 36 * packed.iter().count() + 36;
            assert!(packed.used as usize - ids < 40, "{}", packed.used);
        }
        assert_eq!(packed.bytes.as_ptr(), before, "it has not moved");
        assert!(packed.bytes.len() < 3 * 36 + 55, "{}", packed.bytes.len());
    }
}
