//! Session tokens: what a platform is given for a session, and how it reads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::account::Slot;

/// How session tokens are made (protocol §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenPolicy {
    /// Random, and redeemed once.
    #[default]
    SingleUse,
    /// The session's key and a time; for platforms that mint tokens themselves.
    Wrapped,
}

/// Characters of a single-use token: 18 bytes in base64url.
pub const TOKEN_CHARS: usize = 24;

const _: () = assert!(TOKEN_CHARS <= limits::SESSION_TOKEN_CHARS_MAX);

const TOKEN_BYTES: usize = 18;

/// Version of the token's layout, in the four bits above its slot.
const LAYOUT: u16 = 1;

/// A single-use session token.
///
/// 144 bits: four of layout, twelve of slot, so that redeeming goes straight to the owner, and 128 random ones.
/// It says nothing of the session or its key. As text it is 24 characters of base64url (RFC 4648 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId {
    slot: Slot,
    random: u128,
}

impl TokenId {
    /// The token of `slot` with these random bits.
    pub const fn new(slot: Slot, random: u128) -> Self {
        Self { slot, random }
    }

    /// The slot of the account whose session it stands for.
    pub const fn slot(self) -> Slot {
        self.slot
    }

    /// The random bits.
    pub const fn random(self) -> u128 {
        self.random
    }

    /// Reads a token's text; `None` where this server can't have made it.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN_CHARS {
            return None;
        }
        let mut bytes = [0; TOKEN_BYTES];
        URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (head, random) = bytes.split_at(2);
        let head = u16::from_be_bytes(head.try_into().ok()?);
        if head >> 12 != LAYOUT {
            return None;
        }
        let slot = Slot::new(head & 0x0fff)?;
        Some(Self { slot, random: u128::from_be_bytes(random.try_into().ok()?) })
    }

    /// Writes the token's text into `room`.
    pub fn write(self, room: &mut [u8; TOKEN_CHARS]) -> &str {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..2].copy_from_slice(&(LAYOUT << 12 | self.slot.index()).to_be_bytes());
        bytes[2..].copy_from_slice(&self.random.to_be_bytes());
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, room).expect("24 characters hold 18 bytes");
        core::str::from_utf8(&room[..written]).expect("base64 is ASCII")
    }
}

/// Splits a wrapped token into its session key and its time in milliseconds since 1970; `None` where it is not
/// `key-hexadecimal` in lower case (protocol §3).
pub fn parse_wrapped(text: &str) -> Option<(&str, u64)> {
    let (key, minted) = text.rsplit_once('-')?;
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if key.is_empty() || minted.is_empty() || !minted.bytes().all(hexadecimal) {
        return None;
    }
    Some((key, u64::from_str_radix(minted, 16).ok()?))
}
