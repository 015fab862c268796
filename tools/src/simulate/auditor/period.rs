//! The periods of limits, all in UTC: day, ISO week, month (protocol §4, Limits).

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// The first days of the current day, week and month, in days since 1970.
pub(super) fn starts(now_ms: u64) -> [u64; 3] {
    let today = now_ms / DAY_MS;
    [today, monday(today), first_of_month(today)]
}

/// 1970 began on a Thursday.
fn monday(day: u64) -> u64 {
    let since_monday = (day + 3) % 7;
    day.saturating_sub(since_monday)
}

/// Walks through the calendar: slow, and plainly right.
fn first_of_month(day: u64) -> u64 {
    let mut first = 0;
    for year in 1970_u64.. {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
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
        let [today, week, month] = starts(day * DAY_MS + DAY_MS - 1);
        assert_eq!((today, today - week, today - month), (day, in_week, in_month), "day {day}");
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        // Thursday, 1 January 1970, belongs to a week of the year before; time begins here.
        assert_eq!(starts(0), [0, 0, 0]);
        check(4, 0, 4);
        check(10, 6, 10);
        check(30, 5, 30);
        check(31, 6, 0);
        check(32, 0, 1);
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
}
