//! An account as a snapshot keeps it: plain values, with nothing in them that depends on where it lay in memory.

use alloc::string::String;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};

use super::Millis;
use super::operation::{Direction, PlayKind};
use super::outcome::LineKind;
use super::platform::{PlatformKey, RoundScope};
use super::settings::Settings;
use super::transaction::Kind;

/// An account and everything about it.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountImage {
    /// `domain/player`.
    pub id: String,
    /// ISO 3166, two letters.
    pub country: [u8; 2],
    /// `M` or `F`.
    pub gender: Option<u8>,
    /// Year, month, day.
    pub born: Option<(u16, u8, u8)>,
    /// `UserName`.
    pub user_name: Option<String>,
    /// `DisplayName`.
    pub display_name: Option<String>,
    /// `City`.
    pub city: Option<String>,
    /// It may not play.
    pub frozen: bool,
    /// Cash, minor units.
    pub cash: i64,
    /// Number of balance changes.
    pub version: u64,
    /// The next session's serial.
    pub serial: u32,
    /// The last transaction's number.
    pub number: u64,
    /// The largest number of a transaction that was forgotten.
    pub forgotten: u64,
    /// Sessions that are remembered, oldest login first.
    pub sessions: Vec<SessionImage>,
    /// The limits, minor units: stake; wager and loss by day, week, month.
    pub limits: [Option<i64>; 7],
    /// The session-length limit, minutes.
    pub session_minutes: Option<u32>,
    /// What was staked and won in the current day, week and month.
    pub sums: Option<[SumImage; 3]>,
    /// Rounds that are remembered, and transactions outside of rounds as [`RoundKind`] says: the open ones in the order in which
    /// they were opened, and the others in that of their last transaction. Version 0.1.0 had them in the order of their first.
    pub rounds: Vec<RoundImage>,
    /// The latest alerts: time in milliseconds since 1970, and members.
    pub alerts: Vec<(u64, String)>,
}

impl AccountImage {
    /// Gives platforms their keys, where version 0.1.0 had stored their places in its configuration: `keys` are in the
    /// order of the configuration.
    ///
    /// # Errors
    /// The number, from 1, of a platform that `keys` does not have.
    pub fn name_platforms(&mut self, keys: &[PlatformKey]) -> Result<(), usize> {
        for RoundImage { platform: bytes, .. } in &mut self.rounds {
            if let Some(place) = PlatformKey::from_bytes(*bytes).and_then(PlatformKey::place) {
                let place = usize::from(place);
                *bytes = keys.get(place).ok_or(place + 1)?.bytes();
            }
        }
        Ok(())
    }
}

/// A session.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SessionImage {
    /// The session key.
    pub key: String,
    /// Its number among the account's.
    pub serial: u32,
    /// It never idles out.
    pub endless: bool,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// Milliseconds since 1970.
    pub used_ms: u64,
}

/// Bets and wins of one period.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SumImage {
    /// When the period began, milliseconds since 1970.
    pub from_ms: u64,
    /// Minor units.
    pub staked: i128,
    /// Minor units.
    pub won: i128,
}

/// What a round is. What moves money outside of rounds is kept as one, too: closed, with that one transaction, by whose id it is
/// known. So it leaves memory, and is found again, as every round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundKind {
    /// Of a game, and known by `GameRoundID` alone.
    Plain,
    /// Of a game, and known by `GameID`, too.
    ByGame,
    /// A promotional payment.
    Credit,
    /// Of the operator's.
    Deposit,
    /// Of the operator's.
    Withdrawal,
}

impl RoundKind {
    /// Its number in [`RoundImage::kind`].
    pub const fn number(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::ByGame => 1,
            Self::Credit => 2,
            Self::Deposit => 3,
            Self::Withdrawal => 4,
        }
    }

    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Plain,
            1 => Self::ByGame,
            2 => Self::Credit,
            3 => Self::Deposit,
            4 => Self::Withdrawal,
            _ => return None,
        })
    }

    /// By what it is known, of a round of a game.
    pub(super) const fn scope(self) -> Option<RoundScope> {
        match self {
            Self::Plain => Some(RoundScope::Platform),
            Self::ByGame => Some(RoundScope::Game),
            Self::Credit | Self::Deposit | Self::Withdrawal => None,
        }
    }

    /// Whether it is a round of a game.
    pub const fn is_of_game(self) -> bool {
        matches!(self, Self::Plain | Self::ByGame)
    }

    /// Whether it is the operator's, and no platform's.
    pub const fn is_operators(self) -> bool {
        matches!(self, Self::Deposit | Self::Withdrawal)
    }

    /// What its only transaction is, of what is no round of a game.
    pub(super) const fn transaction(self) -> Option<Kind> {
        match self {
            Self::Plain | Self::ByGame => None,
            Self::Credit => Some(Kind::Credit),
            Self::Deposit => Some(Kind::Deposit),
            Self::Withdrawal => Some(Kind::Withdrawal),
        }
    }

    /// What an operator's transfer is.
    pub(super) const fn of_transfer(direction: Direction) -> Self {
        match direction {
            Direction::In => Self::Deposit,
            Direction::Out => Self::Withdrawal,
        }
    }
}

impl From<RoundScope> for RoundKind {
    fn from(scope: RoundScope) -> Self {
        match scope {
            RoundScope::Platform => Self::Plain,
            RoundScope::Game => Self::ByGame,
        }
    }
}

/// A round.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundImage {
    /// `GameRoundID`; of what is outside of rounds, its transaction's id.
    pub id: String,
    /// [`PlatformKey`] of the platform whose it is; nobody's of what the operator moved, and of a round or a credit of version
    /// 0.1.0.
    pub platform: [u8; PlatformKey::BYTES],
    /// [`RoundKind::number`].
    pub kind: u8,
    /// `GameID` of its first transaction; empty where that is not known.
    pub game: String,
    /// 0 unopened (it holds cancelled bets alone), 1 open, 2 closed.
    pub state: u8,
    /// It was opened by winnings that did not start it.
    pub orphan: bool,
    /// Minor units.
    pub staked: i64,
    /// Minor units.
    pub returned: i64,
    /// Its last transaction, milliseconds since 1970.
    pub last_ms: u64,
    /// Its transactions, oldest first.
    pub transactions: Vec<TransactionImage>,
}

/// How far a round has come. Of several images of a round the one of the largest version is the newest: whatever touches a
/// round makes it larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoundVersion {
    /// Its last transaction, or its end, milliseconds since 1970.
    pub last_ms: Millis,
    /// How many transactions it has.
    pub transactions: usize,
    /// It is closed.
    pub closed: bool,
}

impl RoundVersion {
    /// The version that an image of a round is.
    pub const fn of(round: &RoundImage) -> Self {
        let RoundImage { last_ms, state, .. } = *round;
        Self { last_ms, transactions: round.transactions.len(), closed: state == CLOSED }
    }
}

/// [`RoundImage::state`] of a round that is closed.
pub(super) const CLOSED: u8 = 2;

/// [`RoundImage::state`] of a round that takes transactions.
pub(super) const OPEN: u8 = 1;

impl RoundImage {
    /// A transaction outside of rounds, of this platform.
    pub fn outside(kind: RoundKind, platform: PlatformKey, transaction: TransactionImage) -> Self {
        Self {
            id: transaction.id.clone(),
            platform: platform.bytes(),
            kind: kind.number(),
            state: CLOSED,
            last_ms: transaction.at_ms,
            transactions: alloc::vec![transaction],
            ..Self::default()
        }
    }

    /// Whether it is known by its game, too.
    pub const fn is_by_game(&self) -> bool {
        self.kind == RoundKind::ByGame.number()
    }

    /// Whether it is a transaction outside of rounds.
    pub fn is_outside(&self) -> bool {
        RoundKind::from_number(self.kind).is_some_and(|kind| !kind.is_of_game())
    }

    /// Whether it can be a transaction outside of rounds, as its kind says.
    pub fn is_possible_outside(&self) -> bool {
        let (Some(kind), [known]) = (RoundKind::from_number(self.kind), &self.transactions[..]) else {
            return false;
        };
        let is_known = known.outside_kind() == Some(kind)
            && known.id == self.id
            && known.number > 0
            && known.at_ms == self.last_ms;
        let is_plain = (known.flags, known.original, &known.game) == (0, None, &None)
            && self.game.is_empty()
            && (self.state, self.staked, self.returned, self.orphan) == (CLOSED, 0, 0, false);
        is_known && is_plain && (!kind.is_operators() || self.platform == PlatformKey::NONE.bytes())
    }

    /// Whether nobody knows whose it is: of version 0.1.0.
    pub fn is_unclaimed(&self) -> bool {
        let is_operators = RoundKind::from_number(self.kind).is_some_and(RoundKind::is_operators);
        !is_operators && self.platform == PlatformKey::NONE.bytes()
    }

    /// Whether it is open, and so remembered for ever.
    pub const fn is_open(&self) -> bool {
        self.state == OPEN
    }

    /// The game of one of its transactions; empty where that is not known.
    pub fn game_of<'a>(&'a self, known: &'a TransactionImage) -> &'a str {
        known.game.as_deref().unwrap_or(&self.game)
    }
}

impl RoundImage {
    /// Whether it belongs to the history at `now_ms`: it is not open, was touched last a while ago, is somebody's, and is small
    /// enough to be journaled when it comes back. So time alone decides, and not whether it is in memory.
    pub fn is_cold(&self, now_ms: Millis, settings: &Settings) -> bool {
        !self.is_open()
            && self.last_ms <= settings.cold_until(now_ms)
            && !self.is_unclaimed()
            && self.transactions.len() <= limits::HISTORY_TRANSACTIONS_MAX
    }

    /// By what it is found within its account: platform, kind, id, and its game where it is known by that, too.
    pub fn name(&self) -> ([u8; PlatformKey::BYTES], u8, &str, &str) {
        (self.platform, self.kind, &self.id, if self.is_by_game() { &self.game } else { "" })
    }

    /// Whether it is past the retention at `now_ms`.
    pub fn is_forgotten(&self, now_ms: Millis, settings: &Settings) -> bool {
        !self.is_open() && self.last_ms <= settings.forgotten_until(now_ms)
    }
}

impl RoundImage {
    /// The round, which is not open now and was not then, as it was at `at_ms`: without the transactions that came later, and its bets
    /// not taken back by those. `None` where all came later. Its last transaction stands for whatever touched it last.
    pub fn as_of(&self, at_ms: Millis) -> Option<Self> {
        if self.last_ms <= at_ms {
            return Some(self.clone());
        }
        let count = self.transactions.iter().position(|known| known.at_ms > at_ms);
        let (kept, later) = self.transactions.split_at(count.unwrap_or(self.transactions.len()));
        let last_ms = kept.last()?.at_ms;
        let (mut transactions, mut staked, mut returned) = (kept.to_vec(), self.staked, self.returned);
        for known in later {
            match known.line_kind() {
                Some(LineKind::Play(PlayKind::Bet)) => staked -= known.amount,
                Some(LineKind::Play(PlayKind::Void)) => returned -= known.amount,
                Some(LineKind::Play(PlayKind::Rollback)) if !known.moved_nothing() => {
                    returned -= known.amount;
                    let bet = known.original.and_then(|at| transactions.get_mut(at as usize));
                    bet.into_iter().for_each(|bet| bet.flags = 0);
                }
                _ => {}
            }
        }
        // What holds cancelled bets alone was not opened, and can't be closed.
        let is_nothing = |known: &TransactionImage| {
            let is_rollback = known.line_kind() == Some(LineKind::Play(PlayKind::Rollback));
            known.is_cancelled() || is_rollback && known.moved_nothing()
        };
        let state = if transactions.iter().all(is_nothing) { 0 } else { self.state };
        Some(Self { state, staked, returned, last_ms, transactions, ..self.clone() })
    }
}

impl AccountImage {
    /// Takes out the rounds that belong to the history at `now_ms`, in the order in which they are.
    pub fn cool(&mut self, now_ms: Millis, settings: &Settings) -> Vec<RoundImage> {
        let cold: Vec<_> = self.rounds.extract_if(.., |round| round.is_cold(now_ms, settings)).collect();
        let numbers = cold.iter().flat_map(|round| round.transactions.iter().map(|known| known.number));
        self.forgotten = numbers.fold(self.forgotten, u64::max);
        self.drop_empty_sums();
        cold
    }

    /// Leaves out sums that say nothing: whether an account once had something that it does not have any more, or that was never
    /// journaled, makes no difference.
    pub(super) fn drop_empty_sums(&mut self) {
        let limited = self.limits != [None; 7] || self.session_minutes.is_some();
        if self.number == 0 && self.rounds.is_empty() && !limited && self.alerts.is_empty() {
            self.sums = None;
        }
    }
}

impl TransactionImage {
    /// What it is; `None` of a cancelled bet, which is no transaction, and of a kind that there is not.
    pub fn line_kind(&self) -> Option<LineKind> {
        match Kind::from_number(self.kind)? {
            Kind::Play(kind) => Some(LineKind::Play(kind)),
            Kind::Credit => Some(LineKind::Credit),
            Kind::Deposit => Some(LineKind::Deposit),
            Kind::Withdrawal => Some(LineKind::Withdrawal),
            Kind::Cancelled => None,
        }
    }

    /// What it is kept as, outside of rounds; `None` of what is of a round.
    pub fn outside_kind(&self) -> Option<RoundKind> {
        match self.line_kind()? {
            LineKind::Credit => Some(RoundKind::Credit),
            LineKind::Deposit => Some(RoundKind::Deposit),
            LineKind::Withdrawal => Some(RoundKind::Withdrawal),
            LineKind::Play(_) => None,
        }
    }

    /// It is the id of a bet that was rolled back before it came.
    pub fn is_cancelled(&self) -> bool {
        self.kind == Kind::Cancelled.number()
    }

    /// It moved nothing, as the second rollback of a bet does.
    pub const fn moved_nothing(&self) -> bool {
        self.flags == 1
    }

    /// It is a bet that was taken back later.
    pub const fn rolled_back(&self) -> bool {
        self.flags == 2
    }
}

/// A transaction.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionImage {
    /// Its id; of a cancelled bet, the id that it would have.
    pub id: String,
    /// 0 bet, 1 win, 2 rollback, 3 void, 4 credit, 5 deposit, 6 withdrawal, 7 cancelled bet.
    pub kind: u8,
    /// 1: it moved nothing; 2: it was rolled back.
    pub flags: u8,
    /// Minor units.
    pub amount: i64,
    /// Minor units.
    pub balance_after: i64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Its number among the account's; 0 of a cancelled bet.
    pub number: u64,
    /// `GameID`, where it is not its round's.
    pub game: Option<String>,
    /// Of a rollback: the place of its bet in the round.
    pub original: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_cut_at_a_moment() {
        let known = |kind, flags, amount, at_ms| TransactionImage {
            kind,
            flags,
            amount,
            at_ms,
            original: (kind == 2).then_some(0),
            ..TransactionImage::default()
        };
        let round = |state, staked, returned, last_ms, transactions| RoundImage {
            state,
            staked,
            returned,
            last_ms,
            transactions,
            ..RoundImage::default()
        };
        let bet = |flags| known(0, flags, 100, 5);
        let back = known(2, 0, 100, 20);
        let newest = round(2, 100, 100, 20, vec![bet(2), known(1, 0, 40, 9), back]);
        let before = round(2, 100, 0, 9, vec![bet(0), known(1, 0, 40, 9)]);
        let cancelled = vec![known(7, 0, 0, 5), known(2, 1, 0, 5)];
        let unopened = round(0, 0, 0, 5, cancelled.clone());
        let opened = round(2, 100, 0, 30, [cancelled, vec![known(0, 0, 100, 30)]].concat());
        let rows = [
            (&newest, 20, Some(&newest)),
            (&newest, 19, Some(&before)),
            (&newest, 9, Some(&before)),
            (&newest, 4, None),
            (&opened, 29, Some(&unopened)),
            (&opened, 30, Some(&opened)),
        ];
        for (round, at_ms, expected) in rows {
            assert_eq!(round.as_of(at_ms).as_ref(), expected, "{at_ms}");
        }
    }

    #[test]
    fn platforms_of_version_0_1_0_get_their_keys() {
        let [first, second] = ["L100", "L200"].map(|key| PlatformKey::new(key).unwrap());
        let image = |platforms: [PlatformKey; 3]| {
            let round =
                |platform: PlatformKey| RoundImage { platform: platform.bytes(), ..RoundImage::default() };
            AccountImage { rounds: platforms.map(round).to_vec(), ..AccountImage::default() }
        };
        let places = [PlatformKey::at_place(1), PlatformKey::at_place(0), PlatformKey::NONE];
        let mut named = image(places);
        assert_eq!(named.name_platforms(&[first, second]), Ok(()));
        assert_eq!(named, image([second, first, PlatformKey::NONE]));
        assert_eq!(named.name_platforms(&[]), Ok(()), "what has a key keeps it");
        assert_eq!(image(places).name_platforms(&[first]), Err(2));
    }
}
