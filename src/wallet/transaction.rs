//! Transactions, which lie in their rounds as bytes ([`packed`](super::packed)).

use super::Millis;
use super::amount::Amount;
use super::games::GameIndex;
use super::operation::PlayKind;
use super::packed::Place;

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
pub(super) struct Transaction<'a> {
    pub(super) id: &'a str,
    pub(super) amount: Amount,
    pub(super) balance_after: Amount,
    pub(super) at_ms: Millis,
    /// Its number among its account's.
    pub(super) number: u64,
    /// Of a rollback: the place of its bet in the round, or of the id of its bet that is cancelled.
    pub(super) original: Option<Place>,
    pub(super) game: GameIndex,
    pub(super) kind: Kind,
    pub(super) fate: Fate,
}

impl<'a> Transaction<'a> {
    pub(super) const fn new(kind: Kind, id: &'a str, amount: Amount, at_ms: Millis) -> Self {
        Self {
            id,
            amount,
            balance_after: Amount::ZERO,
            at_ms,
            number: 0,
            original: None,
            game: GameIndex::NONE,
            kind,
            fate: Fate::Stands,
        }
    }
}
