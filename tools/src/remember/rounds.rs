//! What was played: which account has a round, when, under which ids, and what it did to the balance.
//!
//! All of it follows from a seed and a round's number, so that nothing has to be kept of what was made: whoever asks for a round
//! again computes it again. Round `n` is the next one of account `n` modulo the number of accounts.

use crate::load;
use wallet::account::{AccountHash, AccountRef};
use wallet::image::{AccountImage, RoundImage, SumImage, TransactionImage};
use wallet::{Millis, PlatformKey};

/// What each bet stakes, minor units.
pub(crate) const STAKE_MINOR: i64 = 100;

/// What an account's rounds win in turn, minor units. Two rounds move nothing together, so no account runs out of funds.
const WINS_MINOR: [i64; 2] = [40, 160];

/// What a demo account holds at first, minor units.
pub(crate) const OPENING_MINOR: i64 = 100_000_000;

/// The platform, and the game that is played.
pub(crate) const PLATFORM: &str = "L100";
const GAME: &str = "11588";

/// From a bet to the win that ends its round.
const ROUND_LENGTH_MS: Millis = 900;

pub(crate) const DAY_MS: Millis = 24 * 3_600 * 1_000;

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdOf {
    Round,
    Bet,
    Win,
}

/// All rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Played {
    /// What the ids follow from.
    pub(crate) seed: u64,
    pub(crate) accounts: u64,
    pub(crate) rounds: u64,
    /// When the first round ended, milliseconds since 1970.
    pub(crate) from_ms: Millis,
    /// No round ended then or later.
    pub(crate) until_ms: Millis,
}

impl Played {
    /// Rounds of the days before `now_ms`, up to one day ago.
    pub(crate) const fn before(now_ms: Millis, days: u64, seed: u64, accounts: u64, rounds: u64) -> Self {
        Self { seed, accounts, rounds, from_ms: now_ms - days * DAY_MS, until_ms: now_ms - DAY_MS }
    }

    /// When a round ended, milliseconds since 1970.
    pub(crate) fn ended_ms(&self, round: u64) -> Millis {
        let span_ms = u128::from(self.until_ms - self.from_ms);
        self.from_ms + (span_ms * u128::from(round) / u128::from(self.rounds)) as u64
    }

    /// The first round that ended at `at_ms` or later; the number of rounds where none did.
    pub(crate) fn first_since(&self, at_ms: Millis) -> u64 {
        let into_ms = at_ms.clamp(self.from_ms, self.until_ms) - self.from_ms;
        let span_ms = u128::from(self.until_ms - self.from_ms);
        let first = (u128::from(into_ms) * u128::from(self.rounds)).div_ceil(span_ms) as u64;
        // Both are rounded: it is this one, or one next to it.
        let is_since = |round: &u64| *round >= self.rounds || self.ended_ms(*round) >= at_ms;
        (first.saturating_sub(1)..=self.rounds).find(is_since).unwrap_or(self.rounds)
    }

    /// The number of a round's account, from 0.
    pub(crate) const fn account_of(&self, round: u64) -> u64 {
        round % self.accounts
    }

    /// How many of the first `rounds` rounds are of an account.
    pub(crate) const fn count_of(&self, account: u64, rounds: u64) -> u64 {
        rounds / self.accounts + (rounds % self.accounts > account) as u64
    }

    /// An id: a UUID of version 4, in its 36 characters.
    pub(crate) fn id(&self, round: u64, of: IdOf) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let counter = 3 * round + of as u64;
        let high = mixed(self.seed ^ mixed(2 * counter));
        let low = mixed(self.seed ^ mixed(2 * counter + 1));
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 1 << 63;
        let bits = u128::from(high) << 64 | u128::from(low);
        let mut id = String::with_capacity(36);
        for digit in 0..32 {
            if [8, 12, 16, 20].contains(&digit) {
                id.push('-');
            }
            id.push(DIGITS[(bits >> (124 - 4 * digit) & 0xf) as usize].into());
        }
        id
    }

    /// A round as a history keeps it.
    pub(crate) fn image(&self, round: u64) -> RoundImage {
        let before = round / self.accounts;
        let last_ms = self.ended_ms(round);
        let balance = balance_after(before);
        let (bet_after, win) = (balance - STAKE_MINOR, win_minor(before));
        let transaction = |of, kind, amount, balance_after, at_ms, number| TransactionImage {
            id: self.id(round, of),
            kind,
            amount,
            balance_after,
            at_ms,
            number,
            ..TransactionImage::default()
        };
        let began_ms = last_ms - ROUND_LENGTH_MS;
        RoundImage {
            id: self.id(round, IdOf::Round),
            platform: PlatformKey::new(PLATFORM).map(PlatformKey::bytes).unwrap_or_default(),
            game: GAME.to_owned(),
            state: 2,
            staked: STAKE_MINOR,
            last_ms,
            transactions: vec![
                transaction(IdOf::Bet, 0, STAKE_MINOR, bet_after, began_ms, 2 * before + 1),
                transaction(IdOf::Win, 1, win, bet_after + win, last_ms, 2 * before + 2),
            ],
            ..RoundImage::default()
        }
    }

    /// Makes an account that has played nothing what it is after its rounds, all of which have left it.
    ///
    /// # Errors
    /// A sentence, where it has played.
    pub(crate) fn age(&self, image: &mut AccountImage, account: u64, now_ms: Millis) -> Result<(), String> {
        if image.number != 0 || image.cash != OPENING_MINOR {
            return Err(format!("{}: the account is not as a demo begins", image.id));
        }
        let rounds = self.count_of(account, self.rounds);
        if rounds == 0 {
            return Ok(());
        }
        image.cash = balance_after(rounds);
        image.version += 2 * rounds;
        image.number = 2 * rounds;
        image.forgotten = 2 * rounds;
        image.sums = Some(periods(now_ms).map(|from_ms| {
            let before = self.count_of(account, self.first_since(from_ms));
            let staked = i128::from(STAKE_MINOR) * i128::from(rounds - before);
            let gained = i128::from(balance_after(rounds) - balance_after(before));
            SumImage { from_ms, staked, won: staked + gained }
        }));
        Ok(())
    }
}

/// What a demo account holds after so many rounds, minor units.
pub(crate) const fn balance_after(rounds: u64) -> i64 {
    OPENING_MINOR + if rounds.is_multiple_of(2) { 0 } else { WINS_MINOR[0] - STAKE_MINOR }
}

/// What an account's round wins after so many before it, minor units.
pub(crate) const fn win_minor(before: u64) -> i64 {
    WINS_MINOR[(before % 2) as usize]
}

/// An account of the demo, by its number from 0.
pub(crate) fn account_id(account: u64) -> String {
    format!("default/player-{:06}", account + 1)
}

/// The number of an account of the demo, from 0; `None` of another one.
pub(crate) fn account_number(id: &str) -> Option<u64> {
    let number: u64 = id.strip_prefix("default/player-")?.parse().ok()?;
    number.checked_sub(1)
}

/// The session key of an account of the demo.
pub(crate) fn session_key(account: u64) -> String {
    format!("demo-{:06}", account + 1)
}

/// The hash of an account.
pub(crate) fn hash_of(account: u64) -> AccountHash {
    AccountRef::new(account_id(account)).hash()
}

/// A number that has nothing to do with this one's neighbours.
pub(crate) const fn mixed(number: u64) -> u64 {
    load::mixed(number.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

/// When the current day, week (from Monday) and month began in UTC, milliseconds since 1970.
fn periods(now_ms: Millis) -> [Millis; 3] {
    let day = now_ms / DAY_MS;
    // 1970-01-01 was a Thursday, three days after a Monday.
    let monday = day - (day + 3) % 7;
    let (_, _, day_of_month) = load::clock::date(day);
    [day, monday, day + 1 - day_of_month].map(|day| day * DAY_MS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const NOW_MS: Millis = 1_795_760_000_000;

    fn played(accounts: u64, rounds: u64) -> Played {
        Played::before(NOW_MS, 119, 7, accounts, rounds)
    }

    #[test]
    fn ids_are_uuids_and_no_two_are_the_same() {
        let played = played(10, 1_000);
        let of = |round| [IdOf::Round, IdOf::Bet, IdOf::Win].map(|of| played.id(round, of));
        let ids: HashSet<String> = (0..1_000).flat_map(of).collect();
        assert_eq!(ids.len(), 3_000);
        for id in &ids {
            let bytes = id.as_bytes();
            assert!(bytes.len() == 36 && bytes[14] == b'4' && b"89ab".contains(&bytes[19]), "{id}");
            assert!([8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-'), "{id}");
        }
        assert_eq!(
            played.id(5, IdOf::Win),
            self::played(10, 9).id(5, IdOf::Win),
            "they follow from the seed"
        );
        assert_ne!(played.id(5, IdOf::Win), Played { seed: 8, ..played }.id(5, IdOf::Win));
    }

    #[test]
    fn an_account_is_what_its_rounds_have_made_of_it() {
        let played = played(7, 100);
        for account in 0..7 {
            let id = account_id(account);
            assert_eq!(account_number(&id), Some(account));
            let mut image = AccountImage { id, cash: OPENING_MINOR, version: 1, ..AccountImage::default() };
            played.age(&mut image, account, NOW_MS).expect("it has played nothing");
            let rounds = (0..100).filter(|round| played.account_of(*round) == account);
            let (mut cash, mut number) = (OPENING_MINOR, 0);
            for round in rounds.map(|round| played.image(round)) {
                assert_eq!(round.last_ms, round.transactions[1].at_ms);
                for known in &round.transactions {
                    cash += if known.kind == 0 { -known.amount } else { known.amount };
                    number += 1;
                    assert_eq!((known.balance_after, known.number), (cash, number));
                }
            }
            assert_eq!((image.cash, image.number, image.forgotten), (cash, number, number));
            assert_eq!(image.version, 1 + number);
            assert!(played.age(&mut image, account, NOW_MS).is_err(), "it has played");
        }
    }

    #[test]
    fn rounds_are_spread_over_the_days() {
        let played = played(7, 1_000);
        assert_eq!(played.ended_ms(0), NOW_MS - 119 * DAY_MS);
        assert!((0..999).all(|round| played.ended_ms(round) < played.ended_ms(round + 1)));
        assert!(played.ended_ms(999) < NOW_MS - DAY_MS);
        for at_ms in (0..130).map(|days| NOW_MS - days * DAY_MS) {
            let expect = (0..1_000).find(|round| played.ended_ms(*round) >= at_ms).unwrap_or(1_000);
            assert_eq!(played.first_since(at_ms), expect, "{at_ms}");
        }
    }

    #[test]
    fn sums_are_of_the_current_periods() {
        // 2026-11-27, a Friday: no round of the day, three of the week or so, and 25 of the month.
        let played = played(1, 118);
        let mut image = AccountImage { cash: OPENING_MINOR, ..AccountImage::default() };
        played.age(&mut image, 0, NOW_MS).expect("it has played nothing");
        let sums = image.sums.expect("it has played");
        assert_eq!(sums.map(|sum| (NOW_MS - sum.from_ms) / DAY_MS), [0, 4, 26]);
        for sum in sums {
            let rounds =
                (0..118).map(|round| played.image(round)).filter(|round| round.last_ms >= sum.from_ms);
            let (mut staked, mut won) = (0, 0);
            for round in rounds {
                staked += i128::from(round.staked);
                won += i128::from(round.transactions[1].amount);
            }
            assert_eq!((sum.staked, sum.won), (staked, won), "{sum:?}");
        }
    }
}
