//! A transaction of a round as bytes.

use super::Place;
use super::bytes::{Reader, Writer, number_len, text};
use crate::Millis;
use crate::amount::Amount;
use crate::games::GameIndex;
use crate::transaction::{Fate, Kind, Transaction};

const KIND_BITS: u8 = 0b0000_0111;
const FATE_AT: u8 = 3;
const FATE_BITS: u8 = 0b0001_1000;
/// Its game is not its round's.
const OWN_GAME: u8 = 0b0010_0000;
const HAS_ORIGINAL: u8 = 0b0100_0000;

/// Transactions, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
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
pub(crate) struct Known<'a> {
    place: Place,
    head: u8,
    pub(super) id: &'a [u8],
    numbers: &'a [u8],
}

impl<'a> Known<'a> {
    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind::from_number(self.head & KIND_BITS).expect("it was a kind's number")
    }

    pub(crate) fn fate(&self) -> Fate {
        Fate::from_number((self.head & FATE_BITS) >> FATE_AT).expect("it was a fate's number")
    }

    pub(crate) fn id(&self) -> &'a str {
        text(self.id)
    }

    pub(crate) fn is(&self, kind: Kind, id: &str) -> bool {
        self.head & KIND_BITS == kind.number() && *self.id == *id.as_bytes()
    }

    pub(crate) fn amount(&self) -> Amount {
        Reader(self.numbers).amount()
    }

    pub(crate) fn at_ms(&self) -> Millis {
        self.nth(2)
    }

    /// Its number among its account's.
    pub(crate) fn number(&self) -> u64 {
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
    pub(crate) fn game(&self, of_round: GameIndex) -> GameIndex {
        if self.head & OWN_GAME == 0 { of_round } else { GameIndex::from_number(self.nth(4) as u32) }
    }

    /// All of it, in a round of `of_round`.
    pub(crate) fn read(&self, of_round: GameIndex) -> Transaction<'a> {
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
fn numbers(of: &Transaction<'_>, game: GameIndex) -> impl Iterator<Item = u64> {
    let own_game = (of.game != game).then(|| u64::from(of.game.number()));
    let original = of.original.map(|place| u64::from(place.0));
    let always =
        [of.amount.minor().unsigned_abs(), of.balance_after.minor().unsigned_abs(), of.at_ms, of.number];
    always.into_iter().chain(own_game).chain(original)
}

/// Bytes that a transaction takes in a round of `game`.
pub(super) fn packed_len(of: &Transaction<'_>, game: GameIndex) -> usize {
    let numbers: usize = numbers(of, game).map(number_len).sum();
    2 + number_len(of.id.len() as u64) + of.id.len() + numbers
}

pub(super) fn write(to: &mut Writer<'_>, of: &Transaction<'_>, game: GameIndex) {
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

/// Makes `head` that of a transaction of this fate.
pub(super) const fn set_fate(head: &mut u8, fate: Fate) {
    *head = *head & !FATE_BITS | fate.number() << FATE_AT;
}
