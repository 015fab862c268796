//! The platforms that a wallet has met, by a small number each: rounds keep the number, images and records the key.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::catalog::Catalog;
use super::platform::{Dialect, PlatformKey};

/// A platform's number in its wallet; it means nothing outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlatformIndex(u16);

impl PlatformIndex {
    /// The number of [`PlatformKey::NONE`].
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn number(self) -> u16 {
        self.0
    }

    /// This one and no other, as a range of numbers.
    pub(super) const fn alone(self) -> Range<u16> {
        self.0..self.0 + 1
    }

    pub(super) const fn from_number(number: u16) -> Self {
        Self(number)
    }
}

#[derive(Clone, Copy, Debug)]
struct KnownPlatform {
    key: PlatformKey,
    /// Its place among the catalog's platforms, and its dialect; `None` where the catalog has none of this key.
    served: Option<(u8, Dialect)>,
}

/// The platforms of a wallet. Nobody is the first of them.
#[derive(Debug)]
pub(super) struct Platforms(Vec<KnownPlatform>);

impl Default for Platforms {
    fn default() -> Self {
        Self(vec![KnownPlatform { key: PlatformKey::NONE, served: None }])
    }
}

impl Platforms {
    /// The number of a platform; `None` where the wallet has not met it. A configuration has few, so they are looked at
    /// one after the other.
    pub(super) fn find(&self, key: PlatformKey) -> Option<PlatformIndex> {
        self.0.iter().position(|known| known.key == key).map(|at| PlatformIndex(at as u16))
    }

    /// The number of a platform, which may be new; `None` where there is no number left: 65,535 platforms were met,
    /// a thousand configurations without one in common.
    pub(super) fn meet(&mut self, key: PlatformKey) -> Option<PlatformIndex> {
        self.find(key).or_else(|| {
            let at = u16::try_from(self.0.len()).ok()?;
            self.0.push(KnownPlatform { key, served: None });
            Some(PlatformIndex(at))
        })
    }

    pub(super) fn key(&self, platform: PlatformIndex) -> PlatformKey {
        self.0[usize::from(platform.0)].key
    }

    /// Its dialect; the default one during a replay, and of a platform that is not served any more.
    pub(super) fn dialect(&self, platform: PlatformIndex) -> Dialect {
        self.0[usize::from(platform.0)].served.map(|(_, dialect)| dialect).unwrap_or_default()
    }

    /// Its place among the platforms of the catalog, below 64; `None` where that has it not.
    pub(super) fn place(&self, platform: PlatformIndex) -> Option<u8> {
        self.0[usize::from(platform.0)].served.map(|(place, _)| place)
    }

    /// All numbers, as a range.
    pub(super) const fn all(&self) -> Range<u16> {
        0..self.0.len() as u16
    }

    /// Serves the platforms of `catalog`.
    pub(super) fn serve(&mut self, catalog: &Catalog) {
        self.0.iter_mut().for_each(|known| known.served = None);
        for (place, (key, dialect)) in (0..).zip(catalog.platforms()) {
            if let Some(at) = self.meet(key) {
                self.0[usize::from(at.0)].served = Some((place, dialect));
            }
        }
    }
}
