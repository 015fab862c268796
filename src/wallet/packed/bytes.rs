//! Numbers, ids and amounts as bytes.

use crate::amount::Amount;

/// How long a number is: seven bits a byte.
pub(super) const fn number_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

pub(super) fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).expect("an id was a string")
}

/// Writes one value behind the other.
pub(super) struct Writer<'a> {
    to: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(to: &'a mut [u8]) -> Self {
        Self { to, at: 0 }
    }

    /// How much it has written.
    pub(super) const fn written(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.to[self.at] = byte;
        self.at += 1;
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.to[self.at..][..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    pub(super) fn id(&mut self, id: &str) {
        self.number(id.len() as u64);
        self.bytes(id.as_bytes());
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }
}

/// Reads one value behind the other.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("it was written whole");
        self.0 = rest;
        *first
    }

    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    pub(super) fn array<const LEN: usize>(&mut self) -> [u8; LEN] {
        self.take(LEN).try_into().expect("it is as long")
    }

    pub(super) fn number(&mut self) -> u64 {
        let (mut number, mut at) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << at;
            if byte < 0x80 {
                return number;
            }
            at += 7;
        }
    }

    pub(super) fn id(&mut self) -> &'a [u8] {
        let len = self.number();
        self.take(len as usize)
    }

    pub(super) fn amount(&mut self) -> Amount {
        let minor = i64::try_from(self.number()).ok();
        minor.and_then(Amount::from_minor).expect("it was an amount")
    }
}
