//! Changes of bytes by chance, for the run on stable Rust: the same ones from a seed, in every build.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Inputs are not made longer than this, bytes.
pub const INPUT_BYTES_MAX: usize = 96 * 1024;

/// Numbers near which readers go wrong.
const EDGES: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

/// Seeded chance.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The chance of this seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// Where `end` is zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    /// One of these.
    ///
    /// # Panics
    /// Where there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn byte(&mut self) -> u8 {
        self.0.next_u64() as u8
    }
}

/// Another input out of `seed`: a few changes, of bytes, words and parts of `other`.
pub fn mutate(seed: &[u8], other: &[u8], words: &[&str], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 << chance.below(4) {
        change(&mut bytes, other, words, chance);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let rest = bytes.len() - at;
    // Long runs are rare, short ones common.
    let most = 1 << chance.below(8);
    let length = chance.below(rest.min(most) + 1);
    match chance.below(11) {
        0 if rest > 0 => bytes[at] ^= 1 << chance.below(8),
        1 if rest > 0 => bytes[at] = chance.byte(),
        2 => bytes.insert(at, chance.byte()),
        3 => drop(bytes.drain(at..at + length)),
        4 => {
            let part = bytes[at..at + length].to_vec();
            let to = chance.below(bytes.len() + 1);
            bytes.splice(to..to, part);
        }
        5 if !other.is_empty() => {
            let from = chance.below(other.len());
            let end = from + chance.below((other.len() - from).min(most) + 1);
            bytes.splice(at..at + length, other[from..end].iter().copied());
        }
        6 | 7 if !words.is_empty() => {
            let word = chance.one_of(words).as_bytes();
            bytes.splice(at..at + length, word.iter().copied());
        }
        8 => {
            let edge = chance.one_of(&EDGES).to_le_bytes();
            let width = rest.min(1 << chance.below(4));
            bytes[at..at + width].copy_from_slice(&edge[..width]);
        }
        9 => {
            // A digit, or a run of them.
            let digits = chance.below(30) + 1;
            let text: Vec<u8> = (0..digits).map(|_| b'0' + chance.byte() % 10).collect();
            bytes.splice(at..at + length.min(3), text);
        }
        _ if bytes.len() > 1 && chance.below(4) == 0 => bytes.truncate(at),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = byte.wrapping_add(1);
            }
        }
    }
}
