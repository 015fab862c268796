//! An account as a snapshot keeps it: plain values, with nothing in them that depends on where it lay in memory.

use rkyv::{Archive, Deserialize, Serialize};

use super::Millis;
use super::outcome::LineKind;
use super::platform::PlatformKey;
use super::rounds::Kind;

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
    /// Rounds that are remembered, in the order of their first transaction.
    pub rounds: Vec<RoundImage>,
    /// Transactions outside of rounds that are remembered, oldest first.
    pub outside: Vec<TransactionImage>,
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
        let of_rounds = self.rounds.iter_mut().map(|round| &mut round.platform);
        for bytes in of_rounds.chain(self.outside.iter_mut().map(|outside| &mut outside.platform)) {
            if let Some(place) = PlatformKey::from_bytes(*bytes).and_then(PlatformKey::place) {
                let place = usize::from(place);
                *bytes = keys.get(place).ok_or(place + 1)?.bytes();
            }
        }
        Ok(())
    }

    /// Brings every time that is later than `now_ms` back to it, where a journal was written under a clock that was
    /// ahead. What is remembered for a time is remembered for that long from now; the order of what happened stays. Sums
    /// of a day, week or month that has not begun are taken over into the current one by whoever asks next, since they
    /// seem to begin in it: a limit is not escaped by it.
    pub fn clamp(&mut self, now_ms: Millis) {
        let back = |ms: &mut Millis| *ms = (*ms).min(now_ms);
        for session in &mut self.sessions {
            back(&mut session.started_ms);
            back(&mut session.used_ms);
        }
        for sum in self.sums.iter_mut().flatten() {
            back(&mut sum.from_ms);
        }
        for round in &mut self.rounds {
            back(&mut round.last_ms);
        }
        let of_rounds = self.rounds.iter_mut().flat_map(|round| &mut round.transactions);
        for transaction in of_rounds.chain(&mut self.outside) {
            back(&mut transaction.at_ms);
        }
        for (at_ms, _) in &mut self.alerts {
            back(at_ms);
        }
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

/// A round.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundImage {
    /// `GameRoundID`.
    pub id: String,
    /// [`PlatformKey`] of the platform whose it is; nobody's of a round of version 0.1.0.
    pub platform: [u8; PlatformKey::BYTES],
    /// It is known by its game too.
    pub by_game: bool,
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

/// [`RoundImage::state`] of a round that takes transactions.
pub(super) const OPEN: u8 = 1;

impl RoundImage {
    /// Whether it is open, and so remembered for ever.
    pub const fn is_open(&self) -> bool {
        self.state == OPEN
    }

    /// The game of one of its transactions; empty where that is not known.
    pub fn game_of<'a>(&'a self, known: &'a TransactionImage) -> &'a str {
        known.game.as_deref().unwrap_or(&self.game)
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
    /// Outside of rounds: [`PlatformKey`] of the platform that asked for it; nobody's where the operator did, and of a
    /// credit of version 0.1.0.
    pub platform: [u8; PlatformKey::BYTES],
    /// `GameID`, where it is not its round's.
    pub game: Option<String>,
    /// Of a rollback: the place of its bet in the round.
    pub original: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: Millis = 24 * 3_600 * 1_000;

    /// Wednesday 2026-11-25, noon.
    const NOW: Millis = 20_782 * DAY_MS + DAY_MS / 2;

    fn transaction(at_ms: Millis) -> TransactionImage {
        TransactionImage { id: "t".into(), amount: 100, at_ms, number: 1, ..TransactionImage::default() }
    }

    /// An account, all of whose times are these.
    fn account(at_ms: [Millis; 2], from_ms: [Millis; 3]) -> AccountImage {
        let [first, last] = at_ms;
        let sum = |from_ms| SumImage { from_ms, staked: 500, won: 200 };
        AccountImage {
            id: "default/anna".into(),
            cash: 1_000,
            version: 7,
            sessions: vec![SessionImage {
                key: "k".into(),
                serial: 1,
                endless: false,
                started_ms: first,
                used_ms: last,
            }],
            sums: Some(from_ms.map(sum)),
            rounds: vec![RoundImage {
                id: "r".into(),
                state: 2,
                staked: 100,
                last_ms: last,
                transactions: vec![transaction(first), transaction(last)],
                ..RoundImage::default()
            }],
            outside: vec![transaction(first), transaction(last)],
            alerts: vec![(first, "{}".into()), (last, "{}".into())],
            ..AccountImage::default()
        }
    }

    #[track_caller]
    fn check(at_ms: [Millis; 2], from_ms: [Millis; 3], expect_ms: [Millis; 2], expect_from_ms: [Millis; 3]) {
        let mut image = account(at_ms, from_ms);
        image.clamp(NOW);
        assert_eq!(image, account(expect_ms, expect_from_ms));
    }

    #[test]
    fn times_to_come_are_brought_back_and_sums_are_kept() {
        // The day, its Monday, and the first of its month.
        let days = |days: [u64; 3]| days.map(|day| day * DAY_MS);
        let current = days([20_782, 20_780, 20_758]);
        check([NOW - 1, NOW], current, [NOW - 1, NOW], current);
        let before = days([20_770, 20_766, 20_758]);
        check([NOW - 9 * DAY_MS, NOW - 1], before, [NOW - 9 * DAY_MS, NOW - 1], before);
        check([NOW - 1, NOW + 1], current, [NOW - 1, NOW], current);
        // Eight days on, in the next week and the next month.
        let later = days([20_790, 20_787, 20_788]);
        check([NOW + 8 * DAY_MS, NOW + 8 * DAY_MS + 1], later, [NOW, NOW], [NOW; 3]);
        // Later on the day, and in the week, alone.
        let [_, monday, first] = current;
        check([NOW + 1, NOW + 2], [20_784 * DAY_MS, monday, first], [NOW, NOW], [NOW, monday, first]);
        check([Millis::MAX; 2], [Millis::MAX; 3], [NOW; 2], [NOW; 3]);
        let mut none = AccountImage::default();
        none.clamp(0);
        assert_eq!(none, AccountImage::default());
    }

    #[test]
    fn platforms_of_version_0_1_0_get_their_keys() {
        let [first, second] = ["L100", "L200"].map(|key| PlatformKey::new(key).unwrap());
        let image = |platforms: [PlatformKey; 3]| {
            let mut image = account([1, 2], [0; 3]);
            image.rounds[0].platform = platforms[0].bytes();
            image.outside[0].platform = platforms[1].bytes();
            image.outside[1].platform = platforms[2].bytes();
            image
        };
        let places = [PlatformKey::at_place(1), PlatformKey::at_place(0), PlatformKey::NONE];
        let mut named = image(places);
        assert_eq!(named.name_platforms(&[first, second]), Ok(()));
        assert_eq!(named, image([second, first, PlatformKey::NONE]));
        assert_eq!(named.name_platforms(&[]), Ok(()), "what has a key keeps it");
        assert_eq!(image(places).name_platforms(&[first]), Err(2));
    }
}
