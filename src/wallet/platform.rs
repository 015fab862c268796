//! Who calls: a game platform by its key, and the dialect that it speaks (protocol §4, Identity, Dialects).

use core::fmt;

use super::token::TokenPolicy;

/// A platform's `PlatformKey` (protocol §1): it names the platform in the journal and in every round, so that the order
/// of a configuration means nothing.
///
/// One to four characters, as the bytes of a UTF-8 text, and zeros behind them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformKey([u8; Self::BYTES]);

/// Begins the bytes of a key that stands for a place in a configuration; no UTF-8 text has it.
const PLACE: u8 = 0xff;

impl PlatformKey {
    /// Four characters of four bytes.
    pub const BYTES: usize = 16;

    /// Nobody's: what an account did by itself, and rounds of version 0.1.0 whose platform isn't known.
    pub const NONE: Self = Self([0; Self::BYTES]);

    /// The key with this text; `None` where it is empty, too long, or holds U+0000.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=limits::PLATFORM_KEY_CHARS_MAX).contains(&text.chars().count());
        if !fits || text.contains('\0') {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(Self(bytes))
    }

    /// The platform at `place` of a configuration, from 0: version 0.1.0 stored that instead of the key.
    pub const fn at_place(place: u8) -> Self {
        let mut bytes = [0; Self::BYTES];
        (bytes[0], bytes[1]) = (PLACE, place);
        Self(bytes)
    }

    /// The place that it stands for; `None` of a key.
    pub const fn place(self) -> Option<u8> {
        if self.0[0] == PLACE { Some(self.0[1]) } else { None }
    }

    /// The bytes, as they are stored.
    pub const fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// The key with these bytes; `None` where no key has them.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let key = Self(bytes);
        let known = key == Self::NONE
            || key == Self::at_place(bytes[1])
            || key.text().and_then(Self::new).is_some_and(|same| same == key);
        known.then_some(key)
    }

    /// Its text, empty of nobody; `None` of a place.
    pub fn text(&self) -> Option<&str> {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(Self::BYTES);
        core::str::from_utf8(&self.0[..length]).ok()
    }
}

/// The key; of a place, its number from 1; nothing of nobody.
impl fmt::Display for PlatformKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place(), self.text()) {
            (Some(place), _) => write!(f, "#{}", u16::from(place) + 1),
            (None, text) => f.write_str(text.unwrap_or_default()),
        }
    }
}

impl fmt::Debug for PlatformKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlatformKey({self})")
    }
}

/// What makes a round of a platform (protocol §4, `round_scope`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoundScope {
    /// `GameRoundID` alone.
    #[default]
    Platform,
    /// `GameRoundID` and `GameID`.
    Game,
}

/// What public provider specifications disagree on, as one platform wants it (protocol §4, Dialects).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// `round_scope`.
    pub round_scope: RoundScope,
    /// `unknown_rollback = 0`: the rollback of a bet that is not there is a success, where it is -8 by default. The bet
    /// is cancelled in either case.
    pub unknown_rollback_succeeds: bool,
    /// `strict_rounds`: no rollback in a round that has winnings, and no winnings in a round whose bets were all
    /// rolled back.
    pub strict_rounds: bool,
    /// `remember_refusals_ms`: how long a bet that was refused for funds or a limit stays refused under its id,
    /// milliseconds; 0 for not at all.
    pub remember_refusals_ms: u64,
    /// `session_token`.
    pub token_policy: TokenPolicy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let key = PlatformKey::new(text);
        assert_eq!(key.map(|key| key.to_string()).as_deref(), expect, "{text:?}");
        if let Some(key) = key {
            assert_eq!(PlatformKey::from_bytes(key.bytes()), Some(key));
            assert_eq!(key.place(), None);
        }
    }

    #[test]
    fn keys_have_one_to_four_characters() {
        check("L", Some("L"));
        check("L100", Some("L100"));
        check("日本国😀", Some("日本国😀"));
        check("😀😀😀😀", Some("😀😀😀😀"));
        check("", None);
        check("L1000", None);
        check("a\0b", None);
    }

    #[test]
    fn places_and_nobody_are_no_keys() {
        for place in [0, 1, 63, 255] {
            let key = PlatformKey::at_place(place);
            assert_eq!((key.place(), PlatformKey::from_bytes(key.bytes())), (Some(place), Some(key)));
        }
        assert_eq!(PlatformKey::at_place(0).to_string(), "#1");
        assert_ne!(PlatformKey::new("#1"), Some(PlatformKey::at_place(0)));
        assert_eq!(PlatformKey::NONE.to_string(), "");
        assert_eq!(PlatformKey::from_bytes(PlatformKey::NONE.bytes()), Some(PlatformKey::NONE));
    }

    #[test]
    fn other_bytes_are_no_key() {
        let mut bytes = PlatformKey::new("L1").unwrap().bytes();
        bytes[3] = b'x';
        assert_eq!(PlatformKey::from_bytes(bytes), None, "something behind the end");
        assert_eq!(PlatformKey::from_bytes([b'L'; PlatformKey::BYTES]), None, "too long");
        assert_eq!(PlatformKey::from_bytes([0x80; PlatformKey::BYTES]), None, "not UTF-8");
    }
}
