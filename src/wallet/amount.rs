//! Money: a whole number of a currency's minor units, and its decimal text.

use core::fmt;

use super::currency::Currency;

/// An amount of money in minor units (pence for GBP, yen for JPY). Never negative.
///
/// It carries no currency: an account's domain fixes that (protocol, first paragraph). It is not an integer
/// either, so that it can't be mixed up with a version or a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i64);

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// `minor_units` as an amount; `None` where it is negative.
    pub const fn from_minor(minor_units: i64) -> Option<Self> {
        if minor_units < 0 { None } else { Some(Self(minor_units)) }
    }

    /// The number of minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// The sum; `None` past 2^63-1 minor units (protocol §2).
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// What is left when `other` is taken away; `None` where that is more than there is.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        if other.0 > self.0 { None } else { Some(Self(self.0 - other.0)) }
    }

    /// This amount as a decimal with exactly `currency`'s minor digits (protocol §1, `Balance`).
    pub const fn decimal(self, currency: Currency) -> Decimal {
        Decimal { amount: self, digits: currency.minor_digits() }
    }
}

/// An amount as text: `10.00`, `0.05`, `1000` for a currency without minor units.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    amount: Amount,
    digits: u8,
}

/// Room for any [`Decimal`]: 19 digits of an `i64`, the point, and leading zeros.
pub const DECIMAL_BYTES_MAX: usize = 24;

impl Decimal {
    /// Writes the text into `room` and returns it; no allocation.
    pub fn write(self, room: &mut [u8; DECIMAL_BYTES_MAX]) -> &str {
        let mut at = room.len();
        let mut rest = self.amount.minor().unsigned_abs();
        let mut written = 0;
        // At least one digit stands before the point.
        while rest > 0 || written <= self.digits {
            if written == self.digits && self.digits > 0 {
                at -= 1;
                room[at] = b'.';
            }
            at -= 1;
            room[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            written += 1;
        }
        core::str::from_utf8(&room[at..]).expect("digits and a point are ASCII")
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; DECIMAL_BYTES_MAX]))
    }
}

/// Money as a request writes it, while its currency is not known: `digits` times ten to the power of `exponent`.
///
/// Exact, never a binary fraction (protocol §2). One value has one form: there are no zeros at the end of `digits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    digits: u64,
    exponent: i8,
}

impl Money {
    /// Reads the text of a JSON number (RFC 8259 §6), such as `1`, `1.00` or `1e2`. `None` where the text is no such
    /// number, is negative, or has more significant digits than any amount: 10^15 minor units at most, and ten
    /// decimals at most (protocol §2).
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, power)) => (mantissa, exponent(power)?),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            None => (mantissa, ""),
            Some((_, "")) => return None,
            Some(parts) => parts,
        };
        // A leading zero is the only digit before the point (RFC 8259 §6).
        if whole.is_empty() || whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let (mut digits, mut zeros, mut significant) = (0_u64, 0_i64, 0);
        for byte in whole.bytes().chain(fraction.bytes()) {
            match byte {
                b'0' if digits == 0 => {}
                b'0' => zeros += 1,
                b'1'..=b'9' => {
                    significant += zeros + 1;
                    if significant > DIGITS_MAX {
                        return None;
                    }
                    for _ in 0..=zeros {
                        digits *= 10;
                    }
                    zeros = 0;
                    digits += u64::from(byte - b'0');
                }
                _ => return None,
            }
        }
        if digits == 0 {
            return Some(Self { digits: 0, exponent: 0 });
        }
        let exponent = power + zeros - fraction.len() as i64;
        Some(Self { digits, exponent: i8::try_from(exponent).ok()? })
    }

    /// The amount in `currency`'s minor units; `None` where it is not a whole number of them, or is over
    /// [`limits::AMOUNT_MINOR_MAX`] (protocol §2).
    pub fn in_minor_units(self, currency: Currency) -> Option<Amount> {
        let shift = i32::from(self.exponent) + i32::from(currency.minor_digits());
        let minor = self.digits.checked_mul(10_u64.checked_pow(u32::try_from(shift).ok()?)?)?;
        if minor > limits::AMOUNT_MINOR_MAX { None } else { Amount::from_minor(minor as i64) }
    }

    /// Whether it has at most `decimals` digits behind the point.
    pub const fn has_decimals_within(self, decimals: u8) -> bool {
        self.exponent as i32 + decimals as i32 >= 0
    }

    /// Its digits and its power of ten, which make it again by [`Money::from_parts`].
    pub const fn parts(self) -> (u64, i8) {
        (self.digits, self.exponent)
    }

    /// The money of these [`Money::parts`]; `None` where they are not a value's one form.
    pub const fn from_parts(digits: u64, exponent: i8) -> Option<Self> {
        let canonical = if digits == 0 { exponent == 0 } else { !digits.is_multiple_of(10) };
        if canonical { Some(Self { digits, exponent }) } else { None }
    }
}

/// Significant digits of the longest money that is looked at: 10^15 minor units have sixteen, and what has more is no amount.
const DIGITS_MAX: i64 = 18;

/// The power in a JSON number: an optional sign and digits.
fn exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A power of seven digits is beyond any amount's, whatever they are; only zero can have it.
    let digits = digits.trim_start_matches('0');
    let size = if digits.len() > 6 { 1_000_000 } else { digits.parse().unwrap_or(0) };
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(minor: i64, code: &str, expect: &str) {
        let currency = Currency::from_code(code).expect("a listed currency");
        assert_eq!(Amount::from_minor(minor).unwrap().decimal(currency).to_string(), expect);
    }

    #[test]
    fn decimals_have_the_currencys_digits() {
        check(0, "GBP", "0.00");
        check(5, "GBP", "0.05");
        check(10, "GBP", "0.10");
        check(100, "GBP", "1.00");
        check(1_000, "GBP", "10.00");
        check(100_000_000, "GBP", "1000000.00");
        check(0, "JPY", "0");
        check(7, "JPY", "7");
        check(1_000, "JPY", "1000");
        check(0, "KWD", "0.000");
        check(1_234, "KWD", "1.234");
        check(1, "CLF", "0.0001");
        check(i64::MAX, "GBP", "92233720368547758.07");
        check(i64::MAX, "JPY", "9223372036854775807");
    }

    #[test]
    fn an_amount_is_never_negative_and_never_wraps() {
        assert_eq!(Amount::from_minor(-1), None);
        let most = Amount::from_minor(i64::MAX).unwrap();
        assert_eq!(most.checked_add(Amount::from_minor(1).unwrap()), None);
        assert_eq!(most.checked_add(Amount::ZERO), Some(most));
    }

    /// `text` in a currency's minor units; `None` where it is no money of it.
    #[track_caller]
    fn check_money(text: &str, code: &str, expect: Option<i64>) {
        let currency = Currency::from_code(code).expect("a listed currency");
        let minor = Money::parse(text).and_then(|money| money.in_minor_units(currency)).map(Amount::minor);
        assert_eq!(minor, expect, "{text} {code}");
    }

    #[test]
    fn money_is_read_from_its_text() {
        for (text, expect) in [
            ("1", Some(100)),
            ("1.0", Some(100)),
            ("1.00", Some(100)),
            ("1e2", Some(10_000)),
            ("1E+2", Some(10_000)),
            ("100e-2", Some(100)),
            ("0", Some(0)),
            ("0.00", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("0.05", Some(5)),
            ("0.050000000000000000000", Some(5)),
            ("5e-2", Some(5)),
            ("5e-002", Some(5)),
            ("0.00000000000000000005e20", Some(500)),
            ("0.1", Some(10)),
            ("10000000000000", Some(1_000_000_000_000_000)),
            ("10000000000000.01", None),
            ("1e13", Some(1_000_000_000_000_000)),
            ("1e14", None),
            ("1e999999999999999999999", None),
            ("1e-999999999999999999999", None),
            ("0.001", None),
            ("1.005", None),
            ("1.0050", None),
            ("-1", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            ("1.", None),
            (".5", None),
            ("1e", None),
            ("1e+", None),
            ("1e1.5", None),
            ("0x10", None),
            ("", None),
            ("NaN", None),
        ] {
            check_money(text, "GBP", expect);
        }
        check_money(&format!("0.{}1e100000", "0".repeat(99_999)), "GBP", Some(100));
        // What has more digits than any amount isn't looked at.
        for (text, is_read) in [
            ("123456789012345678", true),
            ("1234567890123456789", false),
            ("100000000000000001", true),
            ("1000000000000000001", false),
            ("10000000000000000000", true),
        ] {
            assert_eq!(Money::parse(text).is_some(), is_read, "{text}");
        }
        check_money("1.234", "KWD", Some(1_234));
        check_money("1", "JPY", Some(1));
        check_money("1.0", "JPY", Some(1));
        check_money("1.5", "JPY", None);
        check_money("1000000000000000", "JPY", Some(1_000_000_000_000_000));
        check_money("1000000000000001", "JPY", None);
    }

    #[test]
    fn a_value_has_one_form() {
        let parts = |text| Money::parse(text).map(Money::parts);
        assert_eq!((parts("1.50"), parts("15e-1")), (Some((15, -1)), Some((15, -1))));
        assert_eq!((parts("0.0"), parts("0")), (Some((0, 0)), Some((0, 0))));
        assert_eq!(Money::from_parts(15, -1), Money::parse("1.5"));
        assert_eq!(Money::from_parts(150, -2), None);
        assert_eq!(Money::from_parts(0, 1), None);
        assert!(Money::parse("0.0123456789").unwrap().has_decimals_within(10));
        assert!(!Money::parse("0.01234567891").unwrap().has_decimals_within(10));
    }
}
