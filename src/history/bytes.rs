//! Numbers in bytes, little-endian, one after the other.

use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

/// Bytes of a [`checksum`].
pub(super) const CHECKSUM_BYTES: usize = 16;

/// The 128-bit XXH3 of `bytes`.
pub(super) fn checksum(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}

/// The same of bytes that have their checksum beside them: it tells them from others that were written like them elsewhere.
pub(super) fn checksum_at(bytes: &[u8], at: u64) -> u128 {
    xxh3_128_with_seed(bytes, at)
}

/// Takes numbers off the front of bytes.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    /// # Panics
    /// Where there are no more: callers have as many bytes as they take.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().expect("as many bytes as are taken");
        self.0 = rest;
        *taken
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    pub(super) fn u128(&mut self) -> u128 {
        u128::from_le_bytes(self.take())
    }
}
