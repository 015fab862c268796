//! What an account has staked and won in the current day, week and month (protocol §4, Limits).

use super::Millis;
use super::amount::Amount;
use super::image::SumImage;
use super::outcome::ErrorCode;
use super::restriction::Restrictions;
use super::settings::Calendar;
use coverage::Branch;

const HOUR_MS: u64 = 3_600 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A day, a week or a month that begins so much later than another, or more, comes after it. One that begins sooner is
/// the same by another clock: the domain has got another time zone. The day that is current by one clock began less than 24
/// hours from the one that is current by another; and where clocks are turned a day has 22 hours at least. Weeks and months
/// are told apart by half of their length.
const FOLLOWS_AFTER_MS: [u64; 3] = [22 * HOUR_MS, 84 * HOUR_MS, 14 * DAY_MS];

/// When the current day, week and month began, milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Periods([Millis; 3]);

impl Periods {
    /// The periods that `now_ms` lies in: UTC day, ISO week (from Monday), month.
    pub(super) const fn at(now_ms: Millis) -> Self {
        let day = now_ms / DAY_MS;
        // 1970-01-01 was a Thursday, three days after a Monday; that week began before days are counted.
        let monday = day.saturating_sub((day + 3) % 7);
        Self([day * DAY_MS, monday * DAY_MS, (day - day_of_month(day)) * DAY_MS])
    }

    /// Whether `now_ms` lies in this UTC day, and so in the same week and month.
    pub(super) const fn holds(&self, now_ms: Millis) -> bool {
        self.0[0] / DAY_MS == now_ms / DAY_MS
    }

    /// When they began.
    pub(super) const fn starts_ms(&self) -> [Millis; 3] {
        self.0
    }

    /// The periods that a domain's calendar says.
    pub(super) const fn of(calendar: &Calendar) -> Self {
        Self(calendar.starts_ms)
    }
}

/// Days since the first of the month, for days since 1970.
///
/// Counted from 0000-03-01, years begin with March, and so the leap day is a year's last: months of five are 153
/// days long, and a year's length needs no table (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
const fn day_of_month(day: u64) -> u64 {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let day_of_era = (day + DAYS_TO_1970) % DAYS_IN_400_YEARS;
    let year =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (DAYS_IN_400_YEARS - 1)) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    /// When its period began, milliseconds since 1970.
    from_ms: Millis,
    /// Minor units. Wider than an amount: bets of a month may come to more than any account holds.
    staked: i128,
    won: i128,
}

/// The sums of an account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums([Sum; 3]);

impl Sums {
    /// The sums as they are in `periods`: what is of an earlier one is over. Where days begin at another hour now, the
    /// sum goes on until a period begins that comes after it by any clock, so that no player escapes a limit by that.
    fn in_periods(mut self, periods: Periods) -> Self {
        for ((sum, from_ms), follows_after_ms) in self.0.iter_mut().zip(periods.0).zip(FOLLOWS_AFTER_MS) {
            if sum.from_ms.saturating_add(follows_after_ms) <= from_ms {
                *sum = Sum { from_ms, staked: 0, won: 0 };
            } else if sum.from_ms < from_ms {
                coverage::hit(Branch::SumsGoOn);
            } else if sum.from_ms > from_ms {
                coverage::hit(Branch::SumsTakenOver);
                sum.from_ms = from_ms;
            }
        }
        self
    }

    pub(super) fn stake(&mut self, periods: Periods, amount: Amount) {
        *self = self.in_periods(periods);
        self.0.iter_mut().for_each(|sum| sum.staked += i128::from(amount.minor()));
    }

    pub(super) fn win(&mut self, periods: Periods, amount: Amount) {
        *self = self.in_periods(periods);
        self.0.iter_mut().for_each(|sum| sum.won += i128::from(amount.minor()));
    }

    /// Takes stake that goes back out of the current periods: of each what `taken` says, given when each began.
    pub(super) fn take_out(&mut self, periods: Periods, taken: impl FnOnce([Millis; 3]) -> [i128; 3]) {
        *self = self.in_periods(periods);
        let taken = taken(self.0.map(|sum| sum.from_ms));
        for (sum, taken) in self.0.iter_mut().zip(taken) {
            sum.staked = (sum.staked - taken).max(0);
        }
    }

    /// The limit that a bet of `stake` would break, if any: -11 before -12, day before week before month.
    pub(super) fn broken(
        self,
        periods: Periods,
        limits: &Restrictions<Amount>,
        stake: Amount,
    ) -> Option<(ErrorCode, &'static str)> {
        let sums = self.in_periods(periods).0;
        let stake = i128::from(stake.minor());
        let over = |limit: Option<Amount>, sum: i128| {
            limit.is_some_and(|limit| sum + stake > i128::from(limit.minor()))
        };
        let wager = limits.wager.into_array();
        if wager.iter().zip(sums).any(|(limit, sum)| over(*limit, sum.staked)) {
            return Some((
                ErrorCode::WagerLimit,
                "With Amount the player's bets of a day, a week or a month are over their limit.",
            ));
        }
        let loss = limits.loss.into_array();
        let lost = loss.iter().zip(sums).any(|(limit, sum)| over(*limit, sum.staked - sum.won));
        lost.then_some((
            ErrorCode::LossLimit,
            "With Amount the player may lose more than the limit of a day, a week or a month.",
        ))
    }

    pub(super) fn to_image(self) -> [SumImage; 3] {
        self.0.map(|Sum { from_ms, staked, won }| SumImage { from_ms, staked, won })
    }

    pub(super) fn from_image(image: [SumImage; 3]) -> Self {
        Self(image.map(|SumImage { from_ms, staked, won }| Sum { from_ms, staked, won }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days since 1970 of the period's first days.
    #[track_caller]
    fn check(day: u64, expect: [u32; 3]) {
        let expect = Periods(expect.map(|day| Millis::from(day) * DAY_MS));
        assert_eq!(Periods::at(day * DAY_MS), expect);
        assert_eq!(Periods::at(day * DAY_MS + DAY_MS - 1), expect);
    }

    /// A stake of 5 while periods began at these hours before midnight, UTC; what of it counts in those of `now`.
    #[track_caller]
    fn check_sums(day: u64, ahead_hours: u64, now: Periods, expect: [i128; 3]) {
        let mut sums = Sums::default();
        let before = Periods(Periods::at(day * DAY_MS).0.map(|ms| ms - ahead_hours * HOUR_MS));
        sums.stake(before, Amount::from_minor(5).unwrap());
        let found = sums.in_periods(now);
        assert_eq!(found.0.map(|sum| sum.staked), expect, "{now:?}");
        let latest = before.0.iter().zip(now.0).all(|(before, now)| *before <= now);
        assert!(latest || found.0.iter().zip(now.0).all(|(sum, now)| sum.from_ms <= now), "{found:?}");
    }

    #[test]
    fn sums_go_on_where_days_begin_at_another_hour() {
        // Sunday 2026-11-29; the month begins anew two days later, the week on the next day.
        const SUNDAY: u64 = 20_786;
        let ahead =
            |day: u64, hours: u64| Periods(Periods::at(day * DAY_MS).0.map(|ms| ms - hours * HOUR_MS));
        let later =
            |day: u64, hours: u64| Periods(Periods::at(day * DAY_MS).0.map(|ms| ms + hours * HOUR_MS));
        check_sums(SUNDAY, 0, ahead(SUNDAY, 0), [5, 5, 5]);
        // To the east and to the west, within the day.
        check_sums(SUNDAY, 0, ahead(SUNDAY, 14), [5, 5, 5]);
        check_sums(SUNDAY, 0, later(SUNDAY, 5), [5, 5, 5]);
        check_sums(SUNDAY, 14, later(SUNDAY, 7), [5, 5, 5]);
        // The next day, one of 23 hours and one of 22, and the next month.
        check_sums(SUNDAY, 0, ahead(SUNDAY + 1, 0), [0, 0, 5]);
        check_sums(SUNDAY, 0, ahead(SUNDAY + 1, 1), [0, 0, 5]);
        check_sums(SUNDAY, 0, ahead(SUNDAY + 1, 2), [0, 0, 5]);
        check_sums(SUNDAY, 0, ahead(SUNDAY + 2, 0), [0, 0, 0]);
        check_sums(SUNDAY, 0, later(SUNDAY + 2, 12), [0, 0, 0]);
        check_sums(SUNDAY, 12, ahead(SUNDAY + 2, 14), [0, 0, 0]);
    }

    #[test]
    fn periods_begin_at_midnight_utc() {
        check(0, [0, 0, 0]);
        check(3, [3, 0, 0]);
        // Monday 1970-01-05.
        check(4, [4, 4, 0]);
        check(30, [30, 25, 0]);
        check(31, [31, 25, 31]);
        // 2024-02-29, a Thursday, and 2024-03-01.
        check(19_782, [19_782, 19_779, 19_754]);
        check(19_783, [19_783, 19_779, 19_783]);
        // Sunday 2026-11-29, Monday the 30th, Tuesday 2026-12-01.
        check(20_786, [20_786, 20_780, 20_758]);
        check(20_787, [20_787, 20_787, 20_758]);
        check(20_788, [20_788, 20_787, 20_788]);
        // 2100 is no leap year: 2100-02-28 and 2100-03-01.
        check(47_540, [47_540, 47_534, 47_513]);
        check(47_541, [47_541, 47_541, 47_541]);
        // 2000 and 2400 are: 2000-02-29 and 2400-02-29, the last day of four centuries.
        check(11_016, [11_016, 11_015, 10_988]);
        check(157_113, [157_113, 157_112, 157_085]);
    }
}
