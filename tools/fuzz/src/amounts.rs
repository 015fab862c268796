//! Texts that are to be amounts and jackpots, against long decimals done by hand.

use api::Decoded;
use http::{Method, Request};
use limits::{AMOUNT_MINOR_MAX, JACKPOT_DECIMALS_MAX};
use wallet::Currency;
use wallet::amount::Money;
use wallet::operation::{Operation, Play};

use crate::calls;

/// What numbers are made of.
pub const WORDS: [&str; 20] = [
    "0",
    "00000000000000000000",
    "1",
    "9",
    "99999999999999999999999999",
    ".",
    "e",
    "E",
    "+",
    "-",
    "e-10",
    "e15",
    "e+0002",
    "e99999999999999999999",
    "e-99999999999999999999",
    "1000000000000000",
    "9223372036854775807",
    "18446744073709551616",
    "0.1",
    "5",
];

/// Digits of the longest money that is looked at: an amount has sixteen at most.
const MONEY_DIGITS_MAX: usize = 18;

/// A decimal: digits without zeros at either end, times a power of ten. Of zero, no digits.
struct Decimal {
    digits: String,
    power: i64,
}

impl Decimal {
    /// Reads a JSON number that is not negative; `None` of anything else.
    fn read(text: &str) -> Option<Self> {
        let digits_of = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (whole, rest) = text.split_at(digits_of(text));
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let (fraction, rest) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(rest) if digits_of(rest) == 0 => return None,
            Some(rest) => rest.split_at(digits_of(rest)),
        };
        let power = match rest.strip_prefix(['e', 'E']) {
            None if rest.is_empty() => 0,
            None => return None,
            Some(power) => {
                let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
                if unsigned.is_empty() || digits_of(unsigned) != unsigned.len() {
                    return None;
                }
                let size = unsigned.trim_start_matches('0');
                let size = if size.len() > 9 { 1_000_000_000 } else { size.parse().unwrap_or(0) };
                if power.starts_with('-') { -size } else { size }
            }
        };
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let power = power - fraction.len() as i64 + (all.len() - digits.len()) as i64;
        let digits = digits.trim_start_matches('0').to_owned();
        Some(if digits.is_empty() { Self { digits, power: 0 } } else { Self { digits, power } })
    }

    /// How many there are of 10^-`decimals`, where that is whole and not over `most`.
    fn units(&self, decimals: u8, most: u128) -> Option<u128> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = usize::try_from(self.power + i64::from(decimals)).ok()?;
        if zeros > 40 || self.digits.len() > 30 {
            return None;
        }
        let units: u128 = format!("{}{}", self.digits, "0".repeat(zeros)).parse().ok()?;
        (units <= most).then_some(units)
    }
}

/// A text that may be a number.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let decimal = Decimal::read(text);
    money(text, decimal.as_ref());
    // Behind another byte the body would go on otherwise, and be about something else.
    let is_numeric = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    if !text.is_empty() && data.len() <= 8_192 && data.iter().all(is_numeric) {
        in_a_bet(text, decimal.as_ref());
    }
}

fn money(text: &str, decimal: Option<&Decimal>) {
    let money = Money::parse(text);
    let Some(decimal) = decimal else {
        assert_eq!(money, None, "{text:?} is no number");
        return;
    };
    let fits = decimal.digits.len() <= MONEY_DIGITS_MAX && i8::try_from(decimal.power).is_ok();
    let parts = money.map(Money::parts);
    let expect = fits.then(|| (decimal.digits.parse().unwrap_or(0), decimal.power as i8));
    assert_eq!(parts, expect, "{text:?}");
    for code in ["JPY", "GBP", "KWD", "CLF"] {
        let currency = Currency::from_code(code).expect("a listed currency");
        let amount = money.and_then(|money| money.in_minor_units(currency));
        let expect = decimal.units(currency.minor_digits(), u128::from(AMOUNT_MINOR_MAX));
        assert_eq!(amount.map(|amount| amount.minor() as u128), expect, "{text:?} {code}");
        if let Some(amount) = amount {
            let again = Money::parse(&amount.decimal(currency).to_string());
            assert_eq!(
                again.and_then(|money| money.in_minor_units(currency)),
                Some(amount),
                "{text:?} {code}"
            );
        }
    }
    if let Some((digits, exponent)) = parts {
        assert_eq!(Money::from_parts(digits, exponent), money);
    }
}

/// As the amount and as the jackpot's share of a bet.
fn in_a_bet(text: &str, decimal: Option<&Decimal>) {
    let amount = decimal.and_then(|decimal| decimal.units(2, u128::from(AMOUNT_MINOR_MAX)));
    let taken = bet(&format!(r#""Amount":{text}"#)).map(|(amount, _)| amount);
    assert_eq!(taken, amount, "Amount {text}");

    let units_max = u128::from(AMOUNT_MINOR_MAX) * 10_u128.pow(u32::from(JACKPOT_DECIMALS_MAX));
    let share = decimal.and_then(|decimal| decimal.units(JACKPOT_DECIMALS_MAX, units_max));
    let expect = share.map(|units| {
        let text = format!("{units:011}");
        let (whole, fraction) = text.split_at(text.len() - usize::from(JACKPOT_DECIMALS_MAX));
        let text = format!("{whole}.{fraction}");
        format!(r#"{{"JackpotWinnings":{}}}"#, text.trim_end_matches('0').trim_end_matches('.'))
    });
    let taken = bet(&format!(r#""Amount":1,"JackpotWinnings":{text}"#)).and_then(|(_, details)| details);
    assert_eq!(taken, expect, "JackpotWinnings {text}");
}

/// The minor units and the details of a bet with these members; `None` where it is refused.
fn bet(members: &str) -> Option<(u128, Option<String>)> {
    let body = format!(
        r#"{{"PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","GatewaySessionToken":"k","OperatorAccountID":"default/admin","GameRoundID":"r","GameRoundTransactionID":"t","GameID":"1","CurrencyCode":"GBP","StartRound":true,"EndRound":true,{members}}}"#
    );
    let request = Request {
        method: Method::Post,
        path: "/v1.0/gameround/placebet",
        query: None,
        authorization: Some(calls::ADMIN),
        body: body.as_bytes(),
        keep_alive: true,
        keep_alive_named: false,
        timeout_ms: None,
    };
    match calls::platform(&request) {
        Decoded::Operation(_, Operation::Play(Play { amount, details, .. }), _) => {
            Some((amount.minor() as u128, details.map(String::from)))
        }
        _ => None,
    }
}
