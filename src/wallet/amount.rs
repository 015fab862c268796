//! Money: a whole number of a currency's minor units, and the currencies.

use std::fmt;

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
        std::str::from_utf8(&room[at..]).expect("digits and a point are ASCII")
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; DECIMAL_BYTES_MAX]))
    }
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
}
