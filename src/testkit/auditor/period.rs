//! The periods of limits: day, ISO week, month, in a domain's time zone (protocol §4, Limits).

use wallet::settings::Calendar;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Time between two changes of a zone that turns its clocks.
const TURN_MS: i64 = 25 * DAY_MS;

/// Where a domain's days begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// At midnight UTC; the machine needs nobody to tell it.
    #[default]
    Utc,
    /// So many minutes ahead of it, or behind.
    Fixed(i16),
    /// An hour ahead of it in summer. Seasons are short here, and clocks are turned at two in the night, UTC.
    Turning,
}

impl Zone {
    /// Its clock's distance from UTC at a time.
    const fn ahead_ms(self, at_ms: i64) -> i64 {
        match self {
            Self::Utc => 0,
            Self::Fixed(minutes) => minutes as i64 * MINUTE_MS,
            Self::Turning => (at_ms - 2 * HOUR_MS).div_euclid(TURN_MS).rem_euclid(2) * HOUR_MS,
        }
    }

    /// When a day of its own begins. No clock is turned between midnight here and midnight UTC.
    fn midnight(self, day: i64) -> u64 {
        let utc_ms = day * DAY_MS;
        (utc_ms - self.ahead_ms(utc_ms)).try_into().unwrap_or(0)
    }

    /// The day at a time, in days since 1970.
    const fn today(self, now_ms: u64) -> i64 {
        let now_ms = now_ms as i64;
        (now_ms + self.ahead_ms(now_ms)).div_euclid(DAY_MS)
    }

    /// When the current day, week and month began, milliseconds since 1970.
    pub(super) fn starts_ms(self, now_ms: u64) -> [u64; 3] {
        let today = self.today(now_ms);
        [today, monday(today), first_of_month(today)].map(|day| self.midnight(day))
    }

    /// What the machine is told of it; `None` of UTC.
    pub fn calendar(self, now_ms: u64) -> Option<Calendar> {
        let until_ms = self.midnight(self.today(now_ms) + 1);
        (self != Self::Utc).then(|| Calendar { starts_ms: self.starts_ms(now_ms), until_ms })
    }
}

/// A period of a limit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Period {
    Day,
    Week,
    Month,
}

impl Period {
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Whether what began at `before_ms` is over where the current one began at `from_ms`, maybe by the clock of another
    /// zone (docs/protocol.md, Limits): a day lasts for 22 hours at least, and half a week or half a month is more than
    /// zones are apart.
    pub(super) const fn has_passed(self, before_ms: u64, from_ms: u64) -> bool {
        let hours = match self {
            Self::Day => 22,
            Self::Week => 84,
            Self::Month => 336,
        };
        from_ms.saturating_sub(before_ms) >= hours * HOUR_MS as u64
    }
}

/// 1970 began on a Thursday.
const fn monday(day: i64) -> i64 {
    let since_monday = (day + 3) % 7;
    if since_monday > day { 0 } else { day - since_monday }
}

/// Walks through the calendar: slow, and plainly right.
fn first_of_month(day: i64) -> i64 {
    let mut first = 0;
    for year in 1970_u64.. {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        if day >= first + 366 {
            first += if leap { 366 } else { 365 };
            continue;
        }
        let february = if leap { 29 } else { 28 };
        for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if day < first + days {
                return first;
            }
            first += days;
        }
    }
    unreachable!("there is a year for every day")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The day's place in its week, Monday 0, and in its month, the first 0.
    #[track_caller]
    fn check(day: u64, in_week: u64, in_month: u64) {
        const DAY_MS: u64 = super::DAY_MS as u64;
        let [today, week, month] = Zone::Utc.starts_ms(day * DAY_MS + DAY_MS - 1).map(|ms| ms / DAY_MS);
        assert_eq!((today, today - week, today - month), (day, in_week, in_month), "day {day}");
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        // Thursday, 1 January 1970, belongs to a week of the year before; time begins here.
        assert_eq!(Zone::Utc.starts_ms(0), [0, 0, 0]);
        check(4, 0, 4);
        check(10, 6, 10);
        check(30, 5, 30);
        check(31, 6, 0);
        check(32, 0, 1);
        // 31 December 1970, 1 January 1971, 31 December 1972, a leap year.
        check(364, 3, 30);
        check(365, 4, 0);
        check(1_095, 6, 30);
        // 29 February and 1 March 2024: a Thursday and a Friday.
        check(19_782, 3, 28);
        check(19_783, 4, 0);
        // 28 February and 1 March 2023: a Tuesday and a Wednesday.
        check(19_416, 1, 27);
        check(19_417, 2, 0);
        // 31 December 2023 and 1 January 2024: a Sunday and a Monday.
        check(19_722, 6, 30);
        check(19_723, 0, 0);
    }

    /// In hours since 1970: when the day began and when it ends.
    #[track_caller]
    fn check_day(zone: Zone, now_hours: f64, from_hours: f64, until_hours: f64) {
        let ms = |hours: f64| (hours * HOUR_MS as f64) as u64;
        let calendar = zone.calendar(ms(now_hours)).unwrap();
        assert_eq!((calendar.starts_ms[0], calendar.until_ms), (ms(from_hours), ms(until_hours)));
    }

    #[test]
    fn days_begin_at_midnight_where_the_domain_is() {
        assert_eq!(Zone::Utc.calendar(1), None);
        let monday = 4.0 * 24.0;
        check_day(Zone::Fixed(330), monday + 18.0, monday - 5.5, monday + 18.5);
        check_day(Zone::Fixed(330), monday + 18.5, monday + 18.5, monday + 42.5);
        check_day(Zone::Fixed(-300), monday + 4.0, monday - 19.0, monday + 5.0);
        // A day of 23 hours and one of 25.
        let turned = 25.0 * 24.0;
        check_day(Zone::Turning, turned + 1.5, turned, turned + 23.0);
        check_day(Zone::Turning, turned + 22.5, turned, turned + 23.0);
        check_day(Zone::Turning, turned + 23.0, turned + 23.0, turned + 47.0);
        let back = 50.0 * 24.0;
        check_day(Zone::Turning, back + 1.0, back - 1.0, back + 24.0);
        check_day(Zone::Turning, back + 24.0, back + 24.0, back + 48.0);
    }
}
