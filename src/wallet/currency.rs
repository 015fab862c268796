//! ISO 4217: the currencies' codes and the digits of their minor units.

use std::fmt;

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

impl Currency {
    /// The currency with this code, three capital letters; `None` where ISO 4217 has none.
    pub fn from_code(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        let (minor_digits, _) =
            BY_DIGITS.iter().find(|(_, codes)| codes.split_ascii_whitespace().any(|known| known == code))?;
        Some(Self { code: bytes, minor_digits: *minor_digits })
    }

    /// The code, as in `CurrencyCode`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).expect("codes are ASCII")
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
        check("", None);
    }
}
