//! ISO 4217: the currencies' codes and the digits of their minor units.

use core::fmt;

/// A currency of ISO 4217 (list one, funds and precious metals left out).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Currency {
    code: [u8; 3],
    minor_digits: u8,
}

/// Codes by the number of digits of their minor unit, each list in order.
const BY_DIGITS: [(u8, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF \
         CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG \
         HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU \
         MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR \
         SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED \
         VES WST XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

const LETTERS: usize = 26;

/// What stands in [`DIGITS_BY_CODE`] for three letters that are no code.
const NO_CODE: u8 = u8::MAX;

/// The digits of every code, at [`place`]. A bet asks for its currency, so it is a look and not a search.
static DIGITS_BY_CODE: [u8; LETTERS * LETTERS * LETTERS] = {
    let mut table = [NO_CODE; LETTERS * LETTERS * LETTERS];
    let mut list = 0;
    while list < BY_DIGITS.len() {
        let (digits, codes) = BY_DIGITS[list];
        let codes = codes.as_bytes();
        let mut at = 0;
        while at < codes.len() {
            let place =
                place([codes[at], codes[at + 1], codes[at + 2]]).expect("a code has three capital letters");
            assert!(table[place] == NO_CODE, "a code is listed once");
            assert!(at + 3 == codes.len() || codes[at + 3] == b' ', "a space stands between two codes");
            table[place] = digits;
            at += 4;
        }
        list += 1;
    }
    table
};

/// The place of three capital letters among all that there are; `None` where one is no such letter.
const fn place(code: [u8; 3]) -> Option<usize> {
    let mut place = 0;
    let mut at = 0;
    while at < code.len() {
        if !code[at].is_ascii_uppercase() {
            return None;
        }
        place = place * LETTERS + (code[at] - b'A') as usize;
        at += 1;
    }
    Some(place)
}

impl Currency {
    /// The currency with this code, three capital letters; `None` where ISO 4217 has none.
    pub fn from_code(code: &str) -> Option<Self> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        let minor_digits = DIGITS_BY_CODE[place(code)?];
        if minor_digits == NO_CODE { None } else { Some(Self { code, minor_digits }) }
    }

    /// The code, as in `CurrencyCode`.
    pub fn code(&self) -> &str {
        core::str::from_utf8(&self.code).expect("codes are ASCII")
    }

    /// Digits after the decimal point: GBP 2, JPY 0, KWD 3.
    pub const fn minor_digits(self) -> u8 {
        self.minor_digits
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, digits: Option<u8>) {
        assert_eq!(Currency::from_code(code).map(Currency::minor_digits), digits, "{code}");
    }

    #[test]
    fn codes_and_their_digits() {
        check("GBP", Some(2));
        check("EUR", Some(2));
        check("ZWG", Some(2));
        check("JPY", Some(0));
        check("KWD", Some(3));
        check("UYW", Some(4));
        check("gbp", None);
        check("GB", None);
        check("GBPX", None);
        check("P E", None);
        check("XXX", None);
        check("AAA", None);
        check("ZZZ", None);
        check("G@P", None);
        check("[BP", None);
        check("", None);
    }

    #[test]
    fn every_listed_code_is_found() {
        for (digits, codes) in BY_DIGITS {
            for code in codes.split_ascii_whitespace() {
                check(code, Some(digits));
                assert_eq!(Currency::from_code(code).unwrap().code(), code);
            }
        }
        let listed: usize = BY_DIGITS.iter().map(|(_, codes)| codes.split_ascii_whitespace().count()).sum();
        assert_eq!(DIGITS_BY_CODE.iter().filter(|digits| **digits != NO_CODE).count(), listed);
    }
}
