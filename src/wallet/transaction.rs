//! Transactions: of a round, where they lie as bytes ([`packed`](super::packed)), and outside of rounds.

use alloc::boxed::Box;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Millis;
use super::amount::Amount;
use super::games::GameIndex;
use super::operation::{Direction, PlayKind};
use super::packed::Place;
use super::platforms::PlatformIndex;

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

impl Fate {
    /// Its number in a snapshot.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Stands => 0,
            Self::MovedNothing => 1,
            Self::RolledBack => 2,
        }
    }

    /// The fate with this number in a snapshot.
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Stands,
            1 => Self::MovedNothing,
            2 => Self::RolledBack,
            _ => return None,
        })
    }
}

/// A transaction that is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transaction<S = Box<str>> {
    pub(super) id: S,
    pub(super) amount: Amount,
    pub(super) balance_after: Amount,
    pub(super) at_ms: Millis,
    /// Its number among its account's.
    pub(super) number: u64,
    /// Of a rollback: the place of its bet in the round, or of the id of its bet that is cancelled.
    pub(super) original: Option<Place>,
    pub(super) game: GameIndex,
    /// Outside of rounds: whose it is. A round's platform is the platform of all that is in it.
    pub(super) platform: PlatformIndex,
    pub(super) kind: Kind,
    pub(super) fate: Fate,
}

impl<S: AsRef<str>> Transaction<S> {
    pub(super) const fn new(kind: Kind, id: S, amount: Amount, at_ms: Millis) -> Self {
        Self {
            id,
            amount,
            balance_after: Amount::ZERO,
            at_ms,
            number: 0,
            original: None,
            game: GameIndex::NONE,
            platform: PlatformIndex::NONE,
            kind,
            fate: Fate::Stands,
        }
    }

    pub(super) fn is(&self, kind: Kind, id: &str) -> bool {
        self.kind == kind && self.id.as_ref() == id
    }

    pub(super) fn hash(&self) -> u64 {
        self.kind.hash_of(self.platform, self.id.as_ref())
    }
}

impl Transaction {
    pub(super) fn borrowed(&self) -> Transaction<&str> {
        let Self { amount, balance_after, at_ms, number, original, game, platform, kind, fate, .. } = *self;
        Transaction {
            id: &self.id,
            amount,
            balance_after,
            at_ms,
            number,
            original,
            game,
            platform,
            kind,
            fate,
        }
    }
}
