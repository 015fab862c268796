//! The generator's clock, read once a turn, and the `Timestamp` of the requests that a turn sends.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the clock was made. The time of day follows from it, so that a turn reads one clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_wall_ms: u64,
}

#[expect(clippy::disallowed_methods, reason = "this is where time enters the generator")]
impl Clock {
    /// A clock that counts from now. A machine whose time of day lies before 1970 reads as 1970.
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_wall_ms: wall.as_millis() as u64 }
    }

    /// Nanoseconds since the start.
    pub(crate) fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// The time of day at `now_ns` of this clock, milliseconds since 1970.
    pub(crate) const fn wall_ms(&self, now_ns: u64) -> u64 {
        self.start_wall_ms + now_ns / 1_000_000
    }
}

/// Bytes of a [`Timestamp`].
pub(crate) const TIMESTAMP_BYTES: usize = 24;

/// The value of a request's `Timestamp` (protocol §1), `2026-11-24T08:00:00.000Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp {
    text: [u8; TIMESTAMP_BYTES],
    unix_ms: u64,
}

impl Timestamp {
    /// The text of `unix_ms` since 1970, UTC.
    pub(crate) fn new(unix_ms: u64) -> Self {
        let mut timestamp = Self { text: *b"1970-01-01T00:00:00.000Z", unix_ms: 0 };
        timestamp.refresh(unix_ms);
        timestamp
    }

    /// Makes this the text of `unix_ms`. Costs a comparison within the same millisecond.
    pub(crate) fn refresh(&mut self, unix_ms: u64) {
        if unix_ms == self.unix_ms {
            return;
        }
        let (seconds, last_seconds) = (unix_ms / 1_000, self.unix_ms / 1_000);
        self.unix_ms = unix_ms;
        put_digits(&mut self.text[20..23], unix_ms % 1_000);
        if seconds == last_seconds {
            return;
        }
        let (year, month, day) = date(seconds / 86_400);
        put_digits(&mut self.text[0..4], year);
        put_digits(&mut self.text[5..7], month);
        put_digits(&mut self.text[8..10], day);
        put_digits(&mut self.text[11..13], seconds / 3_600 % 24);
        put_digits(&mut self.text[14..16], seconds / 60 % 60);
        put_digits(&mut self.text[17..19], seconds % 60);
    }

    /// The text.
    pub(crate) const fn text(&self) -> &[u8; TIMESTAMP_BYTES] {
        &self.text
    }

    /// Milliseconds since 1970.
    pub(crate) const fn unix_ms(&self) -> u64 {
        self.unix_ms
    }
}

/// Writes `number` over all of `room`, with leading zeros.
pub(crate) fn put_digits(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar. Years are counted from March, so that the
/// leap day is a year's last; 400 years have 146,097 days.
pub(crate) const fn date(days: u64) -> (u64, u64, u64) {
    // Days from 1 March of the year 0 to 1 January 1970.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, over and over: 153 days in five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unix_ms: u64, expect: &str) {
        assert_eq!(Timestamp::new(unix_ms).text(), expect.as_bytes());
        // From any other instant, too.
        let mut timestamp = Timestamp::new(unix_ms + 999);
        timestamp.refresh(unix_ms);
        assert_eq!(timestamp.text(), expect.as_bytes());
    }

    #[test]
    fn timestamps() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(1, "1970-01-01T00:00:00.001Z");
        check(784_111_777_500, "1994-11-06T08:49:37.500Z");
        check(951_782_399_999, "2000-02-28T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(951_868_800_000, "2000-03-01T00:00:00.000Z");
        check(1_735_689_599_999, "2024-12-31T23:59:59.999Z");
        check(1_735_689_600_000, "2025-01-01T00:00:00.000Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
    }
}
