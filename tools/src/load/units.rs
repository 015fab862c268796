//! Numbers as k6's end-of-test summary writes them.

use std::time::Duration;

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const SECOND: u64 = 1_000 * MS;
const MINUTE: u64 = 60 * SECOND;

/// A duration in nanoseconds: `640ns`, `6.42µs`, `85.21ms`, `1.2s`, `1m5s`. Digits past the second decimal are
/// cut off and not rounded, and from a minute on so are all decimals.
pub(crate) fn duration(ns: u64) -> String {
    match ns {
        0 => "0s".to_owned(),
        1..US => format!("{ns}ns"),
        US..MS => decimal(ns, US, "µs"),
        MS..SECOND => decimal(ns, MS, "ms"),
        SECOND..MINUTE => decimal(ns, SECOND, "s"),
        _ => whole_seconds(ns / SECOND),
    }
}

/// `ns` in a unit, with up to two decimals and without trailing zeros.
fn decimal(ns: u64, unit_ns: u64, unit: &str) -> String {
    let hundredths = ns / (unit_ns / 100);
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    match rest {
        0 => format!("{whole}{unit}"),
        _ if rest % 10 == 0 => format!("{whole}.{}{unit}", rest / 10),
        _ => format!("{whole}.{rest:02}{unit}"),
    }
}

/// `5s`, `1m5s`, `1h0m5s`: every unit below the largest is named.
fn whole_seconds(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// The length of a run as the header names it: `30s`, `10m0s`, `500ms`.
pub(crate) fn length(length: Duration) -> String {
    if length.subsec_nanos() == 0 {
        whole_seconds(length.as_secs())
    } else {
        duration(length.as_nanos() as u64)
    }
}

/// How long a run has lasted, as k6's progress shows it: `0m05.3s`.
pub(crate) fn elapsed(ns: u64) -> String {
    let tenths = ns / (SECOND / 10);
    let (minutes, tenths) = (tenths / 600, tenths % 600);
    match minutes {
        0..60 => format!("{minutes}m{:02}.{}s", tenths / 10, tenths % 10),
        _ => format!("{}h{:02}m{:02}.{}s", minutes / 60, minutes % 60, tenths / 10, tenths % 10),
    }
}

/// A share in per cent, cut off after two decimals: `99.99%` of something is never shown as all of it.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let basis_points = if whole == 0 { 0 } else { u128::from(part) * 10_000 / u128::from(whole) };
    format!("{}.{:02}%", basis_points / 100, basis_points % 100)
}

/// A count in a second, with up to six decimals: `1169.162431/s`.
pub(crate) fn rate(count: u64, elapsed_ns: u64) -> String {
    let text = format!("{:.6}", per_second(count, elapsed_ns));
    format!("{}/s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Bytes in a second: `559 kB/s`.
pub(crate) fn byte_rate(bytes: u64, elapsed_ns: u64) -> String {
    format!("{}/s", size(per_second(bytes, elapsed_ns)))
}

/// Bytes: `336 MB`, `9.3 kB`, `5 B`.
pub(crate) fn bytes(bytes: u64) -> String {
    size(bytes as f64)
}

fn per_second(count: u64, elapsed_ns: u64) -> f64 {
    if elapsed_ns == 0 { 0.0 } else { count as f64 * SECOND as f64 / elapsed_ns as f64 }
}

fn size(mut amount: f64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    if amount < 10.0 {
        return format!("{amount} B");
    }
    let mut unit = 0;
    while amount >= 1_000.0 && unit + 1 < UNITS.len() {
        amount /= 1_000.0;
        unit += 1;
    }
    let rounded = (amount * 10.0 + 0.5).floor() / 10.0;
    let unit = UNITS[unit];
    // A half goes up, as in k6; formatting alone would send it to the even neighbour.
    if rounded < 10.0 {
        format!("{rounded:.1} {unit}")
    } else {
        format!("{} {unit}", (rounded + 0.5).floor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: String, expect: &str) {
        assert_eq!(text, expect);
    }

    #[test]
    fn durations() {
        check(duration(0), "0s");
        check(duration(1), "1ns");
        check(duration(640), "640ns");
        check(duration(999), "999ns");
        check(duration(1_000), "1µs");
        check(duration(2_770), "2.77µs");
        check(duration(6_429), "6.42µs");
        check(duration(24_839), "24.83µs");
        check(duration(999_999), "999.99µs");
        check(duration(1_000_000), "1ms");
        check(duration(14_820_000), "14.82ms");
        check(duration(85_219_999), "85.21ms");
        check(duration(99_100_000), "99.1ms");
        check(duration(79_050_000), "79.05ms");
        check(duration(999_999_999), "999.99ms");
        check(duration(1_200_000_000), "1.2s");
        check(duration(59_999_999_999), "59.99s");
        check(duration(60_000_000_000), "1m0s");
        check(duration(65_900_000_000), "1m5s");
        check(duration(3_605_000_000_000), "1h0m5s");
    }

    #[test]
    fn lengths() {
        check(length(Duration::from_secs(30)), "30s");
        check(length(Duration::from_secs(60)), "1m0s");
        check(length(Duration::from_secs(630)), "10m30s");
        check(length(Duration::from_secs(3_600)), "1h0m0s");
        check(length(Duration::from_millis(500)), "500ms");
        check(length(Duration::from_millis(1_500)), "1.5s");
    }

    #[test]
    fn elapsed_times() {
        check(elapsed(0), "0m00.0s");
        check(elapsed(5_390_000_000), "0m05.3s");
        check(elapsed(206_900_000_000), "3m26.9s");
        check(elapsed(3_723_400_000_000), "1h02m03.4s");
    }

    #[test]
    fn shares() {
        check(share(0, 0), "0.00%");
        check(share(1_403_394, 1_403_394), "100.00%");
        check(share(0, 701_697), "0.00%");
        check(share(1_998_653, 1_999_476), "99.95%");
        check(share(999_999, 1_000_000), "99.99%");
        check(share(1, 7), "14.28%");
    }

    #[test]
    fn rates() {
        check(rate(0, 1_000_000_000), "0/s");
        check(rate(5, 0), "0/s");
        check(rate(701_697, 600_170_000_000), "1169.163737/s");
        check(rate(100, 1_000_000_000), "100/s");
        check(rate(1, 8_000_000_000), "0.125/s");
    }

    #[test]
    fn sizes() {
        check(bytes(0), "0 B");
        check(bytes(9), "9 B");
        check(bytes(10), "10 B");
        check(bytes(999), "999 B");
        check(bytes(1_000), "1.0 kB");
        check(bytes(9_349), "9.3 kB");
        check(bytes(9_350), "9.4 kB");
        check(bytes(11_449), "11 kB");
        check(bytes(11_450), "12 kB");
        check(bytes(12_450), "13 kB");
        check(bytes(336_000_000), "336 MB");
        check(bytes(1_900_000_000), "1.9 GB");
        check(byte_rate(336_000_000, 600_170_000_000), "560 kB/s");
        check(byte_rate(274_274_000, 600_170_000_000), "457 kB/s");
        check(byte_rate(4, 2_000_000_000), "2 B/s");
    }
}
