//! Forms of dates and times: ISO 8601, as the protocol writes it.

use alloc::vec::Vec;
use wallet::account::Date;

/// Digits of a second's fraction that a `Timestamp` may have (protocol §1).
const FRACTION_DIGITS_MAX: usize = 9;

const MINUTES_PER_DAY: i32 = 24 * 60;

/// Whether `text` is a date-time of RFC 3339 §5.6 with at most nine digits of fraction, of a day that the calendar has
/// (protocol §1).
pub(super) fn is_timestamp(text: &str) -> bool {
    read_timestamp(text.as_bytes()).is_some()
}

fn read_timestamp(text: &[u8]) -> Option<()> {
    let (day, rest) = text.split_first_chunk::<10>()?;
    let date = date_of_any_year(day)?;
    let (&[b'T' | b't', h0, h1, b':', m0, m1, b':', s0, s1], rest) = rest.split_first_chunk::<9>()? else {
        return None;
    };
    let (minutes, second) = (minutes_of_day([h0, h1, m0, m1])?, two_digits(s0, s1)?);
    let offset = match after_fraction(rest)? {
        b"Z" | b"z" => 0,
        &[sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let minutes = minutes_of_day([h0, h1, m0, m1])?;
            if sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    match second {
        0..60 => Some(()),
        60 => is_end_of_month(date, minutes - offset).then_some(()),
        _ => None,
    }
}

/// Minutes from midnight to an hour and a minute; `None` where they are none.
fn minutes_of_day([h0, h1, m0, m1]: [u8; 4]) -> Option<i32> {
    let (hour, minute) = (two_digits(h0, h1)?, two_digits(m0, m1)?);
    (hour < 24 && minute < 60).then(|| i32::from(hour) * 60 + i32::from(minute))
}

/// What stands behind a point and one to nine digits, or behind nothing.
fn after_fraction(text: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = text.strip_prefix(b".") else { return Some(text) };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=FRACTION_DIGITS_MAX).contains(&digits).then(|| &fraction[digits..])
}

/// Whether the minute that is this many after `date`'s midnight, in UTC, is a month's last: the one that a leap second can
/// end (RFC 3339 §5.7, Appendix D).
fn is_end_of_month(date: Date, utc_minutes: i32) -> bool {
    const LAST_MINUTE: i32 = MINUTES_PER_DAY - 1;
    match utc_minutes {
        -1 => date.day == 1,
        LAST_MINUTE => Date::new(date.year, date.month, date.day + 1).is_none(),
        _ => false,
    }
}

/// The date in `YYYY-MM-DD`, or in `YYYY-MM-DDT00:00:00` as `redeemtoken` writes it (protocol §3).
pub(super) fn date_of_birth(text: &str) -> Option<Date> {
    date(text.strip_suffix("T00:00:00").unwrap_or(text).as_bytes().try_into().ok()?)
}

fn date(text: &[u8; 10]) -> Option<Date> {
    let (year, month, day) = numbers(text)?;
    Date::new(year, month, day)
}

/// The same with the year 0, which RFC 3339 has; its calendar is that of the year 400.
fn date_of_any_year(text: &[u8; 10]) -> Option<Date> {
    let (year, month, day) = numbers(text)?;
    Date::new(if year == 0 { 400 } else { year }, month, day)
}

/// Year, month and day.
fn numbers(text: &[u8; 10]) -> Option<(u16, u8, u8)> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else { return None };
    let year = u16::from(two_digits(y0, y1)?) * 100 + u16::from(two_digits(y2, y3)?);
    Some((year, two_digits(m0, m1)?, two_digits(d0, d1)?))
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

/// Appends `YYYY-MM-DDT00:00:00`, the form of `DateOfBirth` (protocol §3).
pub(super) fn write_date_of_birth(date: Date, out: &mut Vec<u8>) {
    write_padded(u64::from(date.year), 4, out);
    out.push(b'-');
    write_padded(u64::from(date.month), 2, out);
    out.push(b'-');
    write_padded(u64::from(date.day), 2, out);
    out.extend_from_slice(b"T00:00:00");
}

const MS_PER_SECOND: u64 = 1_000;
const MS_PER_MINUTE: u64 = 60 * MS_PER_SECOND;
const MS_PER_HOUR: u64 = 60 * MS_PER_MINUTE;
const MS_PER_DAY: u64 = 24 * MS_PER_HOUR;

/// Appends `YYYY-MM-DDTHH:MM:SS.mmmZ`: the time, in UTC, `unix_ms` milliseconds after the start of 1970. A
/// year past 9999 has as many digits as it needs.
pub(super) fn write_instant(unix_ms: u64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(unix_ms / MS_PER_DAY);
    for (value, digits, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (unix_ms % MS_PER_DAY / MS_PER_HOUR, 2, b':'),
        (unix_ms % MS_PER_HOUR / MS_PER_MINUTE, 2, b':'),
        (unix_ms % MS_PER_MINUTE / MS_PER_SECOND, 2, b'.'),
        (unix_ms % MS_PER_SECOND, 3, b'Z'),
    ] {
        write_padded(value, digits, out);
        out.push(after);
    }
}

/// Year, month and day of the day that is `days` after 1 January 1970.
///
/// Days are counted from 1 March of the year 0, so that a leap day ends its year: then a year's number comes
/// from the 400-year cycle by division alone, and the months' lengths, from March on, repeat every five
/// months with 153 days.
const fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_FROM_MARCH_0_TO_1970: u64 = 719_468;
    const DAYS_PER_400_YEARS: u64 = 146_097;
    let days = days + DAYS_FROM_MARCH_0_TO_1970;
    let (cycle, day) = (days / DAYS_PER_400_YEARS, days % DAYS_PER_400_YEARS);
    // Without the leap days before it (one in 1,461 days; none in 36,524; the cycle's last), 365 days a year.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (400 * cycle + year + next_year, month, day_of_month)
}

/// Appends `value` in decimal.
pub(super) fn write_number(value: u64, out: &mut Vec<u8>) {
    write_padded(value, 1, out);
}

/// Appends `value` in decimal, with zeros in front up to `digits`.
pub(super) fn write_padded(value: u64, digits: usize, out: &mut Vec<u8>) {
    // 2^64 - 1 has 20 digits.
    let mut room = [b'0'; 20];
    let mut at = room.len();
    let mut rest = value;
    while rest > 0 {
        at -= 1;
        room[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&room[at.min(room.len() - digits)..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_timestamp(text: &str, expect: bool) {
        assert_eq!(is_timestamp(text), expect, "{text:?}");
    }

    #[test]
    fn timestamps() {
        check_timestamp("2021-06-07T11:16:16Z", true);
        check_timestamp("2021-06-07T11:16:16.1Z", true);
        check_timestamp("2021-06-07T11:16:16.1234567Z", true);
        check_timestamp("2024-02-29T00:00:00Z", true);
        check_timestamp("2000-02-29T23:59:59.9Z", true);
        check_timestamp("0001-01-01T00:00:00Z", true);
        check_timestamp("0000-01-01T00:00:00Z", true);
        check_timestamp("0000-02-29T23:59:60.5Z", true);
        check_timestamp("0000-01-01T00:59:60+01:00", true);
        check_timestamp("9999-12-31T23:59:59.9999999Z", true);
        check_timestamp("2021-06-07t11:16:16z", true);
        check_timestamp("2021-06-07T11:16:16.123456789Z", true);
        check_timestamp("2021-06-07T11:16:16+02:00", true);
        check_timestamp("2021-06-07T11:16:16.123456789-23:59", true);
        check_timestamp("2021-06-07T11:16:16-00:00", true);
    }

    #[test]
    fn leap_seconds_end_a_month_of_utc() {
        check_timestamp("2016-12-31T23:59:60Z", true);
        check_timestamp("2012-06-30T23:59:60.999Z", true);
        check_timestamp("1990-12-31T15:59:60-08:00", true);
        check_timestamp("2017-01-01T01:59:60+02:00", true);
        check_timestamp("2016-12-30T23:59:60-00:01", false);
        check_timestamp("2016-12-31T00:00:60-23:59", true);
        check_timestamp("2016-12-30T23:59:60-23:59", false);
        check_timestamp("2016-12-30T23:58:60-24:00", false);
        check_timestamp("2016-12-31T23:59:60+02:00", false);
        check_timestamp("2016-12-30T23:59:60Z", false);
        check_timestamp("2021-06-07T11:16:60Z", false);
        check_timestamp("2016-12-31T23:58:60Z", false);
        check_timestamp("2016-12-31T23:59:61Z", false);
        check_timestamp("2024-02-29T23:59:60Z", true);
        check_timestamp("2024-02-28T23:59:60Z", false);
    }

    #[test]
    fn not_timestamps() {
        check_timestamp("", false);
        check_timestamp("Z", false);
        check_timestamp("2021-06-07", false);
        check_timestamp("2021-06-07T11:16:16", false);
        check_timestamp("2021-06-07T11:16Z", false);
        check_timestamp("2021-06-07T11:16:16.Z", false);
        check_timestamp("2021-06-07T11:16:16.1234567891Z", false);
        check_timestamp("2021-06-07T11:16:16.12a4Z", false);
        check_timestamp("2021-06-07T11:16:16,5Z", false);
        check_timestamp("2021-06-07T11:16:16+0000", false);
        check_timestamp("2021-06-07T11:16:16+00", false);
        check_timestamp("2021-06-07T11:16:16+24:00", false);
        check_timestamp("2021-06-07T11:16:16+00:60", false);
        check_timestamp("2021-06-07T11:16:16+1:00", false);
        check_timestamp("2021-06-07T11:16:16.+01:00", false);
        check_timestamp("2021-06-07T11:16:16 +01:00", false);
        check_timestamp("2021-06-07T11:16:16\u{2212}01:00", false);
        check_timestamp("2021-06-07T11:16:16+01:00Z", false);
        check_timestamp("2021-06-07 11:16:16Z", false);
        check_timestamp(" 2021-06-07T11:16:16Z", false);
        check_timestamp("2021-06-07T11:16:16Z ", false);
        check_timestamp("2021-06-07T11:16:16ZZ", false);
        check_timestamp("2021-06-07T24:00:00Z", false);
        check_timestamp("2021-06-07T11:60:16Z", false);
        check_timestamp("2021-13-07T11:16:16Z", false);
        check_timestamp("2021-00-07T11:16:16Z", false);
        check_timestamp("2021-06-00T11:16:16Z", false);
        check_timestamp("2021-06-31T11:16:16Z", false);
        check_timestamp("2023-02-29T11:16:16Z", false);
        check_timestamp("1900-02-29T11:16:16Z", false);
        check_timestamp("0000-00-01T00:00:00Z", false);
        check_timestamp("0000-02-30T00:00:00Z", false);
        check_timestamp("0000-02-28T23:59:60Z", false);
        check_timestamp("-000-01-01T00:00:00Z", false);
        check_timestamp("21-06-07T11:16:16Z", false);
        check_timestamp("+021-06-07T11:16:16Z", false);
        check_timestamp("2021/06/07T11:16:16Z", false);
        check_timestamp("2021-06-07T11-16-16Z", false);
        check_timestamp("2021-06-07T1é:16:16Z", false);
        check_timestamp("٢021-06-07T11:16:16Z", false);
    }

    #[track_caller]
    fn check_birth(text: &str, expect: Option<(u16, u8, u8)>) {
        assert_eq!(date_of_birth(text).map(|date| (date.year, date.month, date.day)), expect, "{text:?}");
    }

    #[test]
    fn dates_of_birth() {
        check_birth("1965-05-16", Some((1965, 5, 16)));
        check_birth("1965-05-16T00:00:00", Some((1965, 5, 16)));
        check_birth("2000-02-29", Some((2000, 2, 29)));
        check_birth("1965-05-16T00:00:00Z", None);
        check_birth("1965-05-16T00:00:01", None);
        check_birth("1965-05-16T00:00:00T00:00:00", None);
        check_birth("1965-5-16", None);
        check_birth("1965-02-30", None);
        check_birth("0000-02-29", None);
        check_birth("16-05-1965", None);
        check_birth("19650516", None);
        check_birth("", None);
    }

    #[track_caller]
    fn check_instant(unix_ms: u64, expect: &str) {
        let mut out = Vec::new();
        write_instant(unix_ms, &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), expect);
    }

    #[test]
    fn instants() {
        check_instant(0, "1970-01-01T00:00:00.000Z");
        check_instant(1, "1970-01-01T00:00:00.001Z");
        check_instant(951_782_399_999, "2000-02-28T23:59:59.999Z");
        check_instant(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check_instant(951_868_800_000, "2000-03-01T00:00:00.000Z");
        check_instant(1_623_064_576_216, "2021-06-07T11:16:16.216Z");
        check_instant(4_107_542_399_000, "2100-02-28T23:59:59.000Z");
        check_instant(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
        check_instant(253_402_300_799_999, "9999-12-31T23:59:59.999Z");
        check_instant(253_402_300_800_000, "10000-01-01T00:00:00.000Z");
        check_instant(u64::MAX, "584556019-04-03T14:25:51.615Z");
    }

    #[test]
    fn days_follow_one_another() {
        let mut expect = Date::new(1970, 1, 1).unwrap();
        for days in 0..400 * 366 {
            let (year, month, day) = civil(days);
            let civil_date = (year, month, day);
            assert_eq!(civil_date, (u64::from(expect.year), u64::from(expect.month), u64::from(expect.day)));
            expect = Date::new(expect.year, expect.month, expect.day + 1)
                .or_else(|| Date::new(expect.year, expect.month + 1, 1))
                .or_else(|| Date::new(expect.year + 1, 1, 1))
                .unwrap();
        }
    }

    #[track_caller]
    fn check_number(value: u64, expect: &str) {
        let mut out = Vec::new();
        write_number(value, &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), expect);
    }

    #[test]
    fn numbers() {
        check_number(0, "0");
        check_number(7, "7");
        check_number(10, "10");
        check_number(u64::MAX, "18446744073709551615");
    }
}
