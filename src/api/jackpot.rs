//! A jackpot's share: exact, with ten decimals, and never moved (protocol §2).

use super::forms::{write_number, write_padded};
use super::members::is_number;
use alloc::vec::Vec;

/// Ten billion shares of the smallest kind are one.
const UNITS_PER_ONE: u128 = 10_u128.pow(limits::JACKPOT_DECIMALS_MAX as u32);

const UNITS_MAX: u128 = limits::AMOUNT_MINOR_MAX as u128 * UNITS_PER_ONE;

/// Significant digits of the longest share that the protocol takes; the largest, a power of ten, has one.
const DIGITS_MAX: i64 = UNITS_MAX.ilog10() as i64;

/// What a member says that is a jackpot's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jackpot {
    /// In units of its last decimal; `None` where it has more decimals, or is too large.
    units: Option<u128>,
}

impl Jackpot {
    /// Reads the text of a JSON number (RFC 8259 §6), by its digits. `None` where the text is none, or negative.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_share = !text.starts_with('-') && is_number(text);
        is_share.then(|| Self { units: units(text) })
    }

    /// Whether it has at most ten decimals and is at most 10^15.
    pub(super) const fn fits(self) -> bool {
        self.units.is_some()
    }

    /// Appends it as its decimal, no zeros at its end and no exponent.
    ///
    /// # Panics
    /// Where it does not fit.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let units = self.units.expect("a share that does not fit is refused");
        let part = |units: u128| u64::try_from(units).expect("10^15 at most, and ten digits");
        write_number(part(units / UNITS_PER_ONE), out);
        let fraction = part(units % UNITS_PER_ONE);
        if fraction > 0 {
            out.push(b'.');
            write_padded(fraction, usize::from(limits::JACKPOT_DECIMALS_MAX), out);
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
    }
}

/// The units of a number that is JSON and not negative; `None` where it is no whole number of them, or too large.
fn units(number: &str) -> Option<u128> {
    let (mantissa, power) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Zeros at its end are counted, and not digits of it.
    let (mut digits, mut zeros, mut significant) = (0_u128, 0_i64, 0);
    for byte in whole.bytes().chain(fraction.bytes()) {
        if byte == b'0' {
            zeros += i64::from(digits > 0);
            continue;
        }
        significant += zeros + 1;
        if significant > DIGITS_MAX {
            return None;
        }
        digits = digits * 10_u128.pow(zeros as u32 + 1) + u128::from(byte - b'0');
        zeros = 0;
    }
    if digits == 0 {
        return Some(0);
    }
    // A power that is too long for an integer takes any digits out of a share's bounds.
    let power = power.parse::<i64>().ok()?;
    let shift = power.checked_add(zeros - fraction.len() as i64 + i64::from(limits::JACKPOT_DECIMALS_MAX))?;
    let scale = 10_u128.checked_pow(u32::try_from(shift).ok()?)?;
    digits.checked_mul(scale).filter(|units| *units <= UNITS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of a number; `None` where it is no number, or does not fit.
    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let share = Jackpot::parse(text).filter(|share| share.fits());
        let written = share.map(|share| {
            let mut out = Vec::new();
            share.write(&mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!(written.as_deref(), expect, "{text}");
    }

    #[test]
    fn shares_are_exact() {
        let zeros = "0".repeat(5_000);
        for (text, expect) in [
            ("0", "0"),
            ("0.00", "0"),
            ("0e99999999999999999999", "0"),
            ("1", "1"),
            ("10.50", "10.5"),
            ("1e-10", "0.0000000001"),
            ("1E+2", "100"),
            ("0.0000000001", "0.0000000001"),
            ("1234567890.1234567890", "1234567890.123456789"),
            ("1234567890.0123456789", "1234567890.0123456789"),
            ("123456789012345.0123456789", "123456789012345.0123456789"),
            ("999999999999999.9999999999", "999999999999999.9999999999"),
            ("9999999999999999999999999e-10", "999999999999999.9999999999"),
            ("1e15", "1000000000000000"),
            ("1000000000000000.0000000000", "1000000000000000"),
            ("10000000000000000000000000e-10", "1000000000000000"),
            ("0.00000000000001e14", "1"),
            (&format!("1.{zeros}"), "1"),
            (&format!("1{zeros}e-5000"), "1"),
            (&format!("0.{zeros}1e5001"), "1"),
        ] {
            check(text, Some(expect));
        }
    }

    #[test]
    fn what_is_no_share() {
        let nines = "9".repeat(5_000);
        for text in [
            "0.00000000001",
            "1.00000000001",
            "1e-11",
            "1e-99999999999999999999",
            "1000000000000000.0000000001",
            "1000000000000001",
            "1e16",
            "1e100",
            "1e99999999999999999999",
            "1e9223372036854775807",
            "1.5e-9223372036854775808",
            "340282366920938463463374607431768211456",
            &nines,
            &format!("0.{nines}"),
            &format!("{nines}e-5000"),
            "",
            "-",
            "-0",
            "-0.1",
            "+1",
            "01",
            "00",
            ".5",
            "1.",
            "1.e2",
            "1e",
            "1e+",
            "1e1.5",
            "1 ",
            "0x10",
            "NaN",
            "\"1\"",
        ] {
            check(text, None);
        }
    }
}
