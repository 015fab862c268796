//! Money in JSON: a number, read and written by its digits.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::demo;

/// The largest amount of a request, in minor units (protocol §2).
const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

/// The money of a request, in whatever currency it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount(Decimal);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let text = number.as_str();
        let exact = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text));
        match exact {
            Ok(decimal) if !text.starts_with('-') => Ok(Self(decimal)),
            _ => Err(D::Error::custom("not an amount of money")),
        }
    }
}

impl Amount {
    /// Minor units of the demo's currency, where it is a whole number of them.
    pub(crate) fn minor_units(self) -> Option<i64> {
        let minor = self.0.checked_mul(Decimal::from(10_u32.pow(demo::CURRENCY_DIGITS)))?;
        if !minor.fract().is_zero() {
            return None;
        }
        minor.to_i64().filter(|minor| *minor <= AMOUNT_MAX)
    }
}

/// Minor units, written as the decimal number that they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Money(#[serde(with = "rust_decimal::serde::arbitrary_precision")] Decimal);

impl Money {
    pub(crate) fn from_minor_units(minor: i64) -> Self {
        Self(Decimal::new(minor, demo::CURRENCY_DIGITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_read(text: &str, expect: Option<i64>) {
        let amount: Result<Amount, _> = serde_json::from_str(text);
        assert_eq!(amount.ok().and_then(Amount::minor_units), expect, "{text}");
    }

    #[test]
    fn amounts_are_read_by_their_digits() {
        check_read("1", Some(100));
        check_read("1.0", Some(100));
        check_read("1.00", Some(100));
        check_read("1e2", Some(10_000));
        check_read("0.01", Some(1));
        check_read("0", Some(0));
        check_read("10000000000000", Some(1_000_000_000_000_000));
        check_read("10000000000000.01", None);
        check_read("1.005", None);
        check_read("-1", None);
        check_read("-0", None);
        check_read("\"1.00\"", None);
        check_read("1e400", None);
        check_read("null", None);
    }

    #[track_caller]
    fn check_written(minor: i64, expect: &str) {
        assert_eq!(serde_json::to_string(&Money::from_minor_units(minor)).expect("a number"), expect);
    }

    #[test]
    fn money_is_written_with_its_digits() {
        check_written(0, "0.00");
        check_written(1, "0.01");
        check_written(1_000, "10.00");
        check_written(100_000_000, "1000000.00");
        check_written(i64::MAX, "92233720368547758.07");
    }
}
