//! Whether a run of slots may have a key: a binary fuse filter, which knows no deletions and says *no* wrongly never.

use xorf::{BinaryFuse8, BinaryFuse16, Descriptor, Filter as _};

use super::format::{FilterEntry, Fingerprint};

/// What a key takes while a filter is built: its 8 bytes; 9 for the order in which they are taken
/// apart; and 1.22 times the 13 bytes of a place and the two of its fingerprint, which is written from a copy.
const BUILD_BYTES: usize = 8 + 9 + (122_usize * (13 + 2 * 2)).div_ceil(100);

const _: () = assert!(BUILD_BYTES * limits::HISTORY_RUN_KEYS_MAX <= limits::HISTORY_FILTER_BUILD_BYTES);

/// A filter in memory.
#[derive(Debug)]
pub(super) enum Filter {
    /// None could be built: each key may be there.
    Always,
    Eight(BinaryFuse8),
    Sixteen(BinaryFuse16),
}

impl Filter {
    /// Builds it of `keys`, which it sorts, and of which several may be the same. It takes
    /// [`limits::HISTORY_FILTER_BUILD_BYTES`] at most while it does.
    pub(super) fn build(keys: &mut Vec<u64>, fingerprint: Fingerprint) -> Self {
        keys.sort_unstable();
        keys.dedup();
        // It tries a thousand seeds, the same ones each time.
        let built = match fingerprint {
            Fingerprint::Eight => BinaryFuse8::try_from(&*keys).map(Self::Eight),
            Fingerprint::Sixteen => BinaryFuse16::try_from(&*keys).map(Self::Sixteen),
        };
        // A key that is missed would be money paid twice; a look at each costs less than building did.
        built.ok().filter(|built| keys.iter().all(|key| built.contains(*key))).unwrap_or(Self::Always)
    }

    /// Whether the key may be one of those that it was built of.
    pub(super) fn contains(&self, key: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Eight(filter) => filter.contains(&key),
            Self::Sixteen(filter) => filter.contains(&key),
        }
    }

    /// What the table says of it.
    pub(super) fn entry(&self) -> FilterEntry {
        let (bits, descriptor) = match self {
            Self::Always => return FilterEntry::default(),
            Self::Eight(filter) => (8, &filter.descriptor),
            Self::Sixteen(filter) => (16, &filter.descriptor),
        };
        FilterEntry {
            bits,
            seed: descriptor.seed,
            segment_length: descriptor.segment_length,
            segments_length: descriptor.segment_count_length,
        }
    }

    /// Its fingerprints' bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Always => Vec::new(),
            Self::Eight(filter) => filter.fingerprints.to_vec(),
            Self::Sixteen(filter) => filter.fingerprints.iter().flat_map(|bits| bits.to_le_bytes()).collect(),
        }
    }

    /// The filter with these fingerprints, which are [`FilterEntry::bytes`].
    pub(super) fn of(entry: &FilterEntry, fingerprints: Vec<u8>) -> Self {
        let descriptor = Descriptor {
            seed: entry.seed,
            segment_length: entry.segment_length,
            segment_length_mask: entry.segment_length.wrapping_sub(1),
            segment_count_length: entry.segments_length,
        };
        match entry.bits {
            8 => Self::Eight(BinaryFuse8 { descriptor, fingerprints: fingerprints.into() }),
            16 => {
                let (pairs, _) = fingerprints.as_chunks();
                let fingerprints = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
                Self::Sixteen(BinaryFuse16 { descriptor, fingerprints })
            }
            _ => Self::Always,
        }
    }

    /// Bytes of memory behind it.
    pub(super) fn memory_bytes(&self) -> u64 {
        match self {
            Self::Always => 0,
            Self::Eight(filter) => filter.fingerprints.len() as u64,
            Self::Sixteen(filter) => 2 * filter.fingerprints.len() as u64,
        }
    }
}
