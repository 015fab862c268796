//! What the operator's configuration tells the wallet: domains, platforms, games, times.

use std::collections::BTreeSet;

use compact_str::CompactString;

use super::currency::Currency;
use super::settings::Settings;
use super::token::TokenPolicy;
use crate::limits;

/// A platform's place in the configuration, below [`limits::PLATFORMS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformId(u8);

impl PlatformId {
    /// The platform at `index` of the configuration; `None` past [`limits::PLATFORMS_MAX`].
    pub fn new(index: usize) -> Option<Self> {
        (index < limits::PLATFORMS_MAX).then_some(Self(index as u8))
    }

    /// Its place.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One brand of the operator.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Name: the part of an account's id before its slash.
    pub name: String,
    /// The currency of all its accounts.
    pub currency: Currency,
    /// The platforms that it is served to, one bit each.
    platforms: u64,
}

impl Domain {
    /// A domain that is served to `platforms`.
    pub fn new(name: String, currency: Currency, platforms: impl IntoIterator<Item = PlatformId>) -> Self {
        let platforms = platforms.into_iter().fold(0, |bits, platform| bits | 1 << platform.index());
        Self { name, currency, platforms }
    }

    /// Whether `platform` is served.
    pub const fn serves(&self, platform: PlatformId) -> bool {
        self.platforms >> platform.index() & 1 == 1
    }

    /// The platforms that it is served to, one bit each.
    pub(super) const fn platforms(&self) -> u64 {
        self.platforms
    }
}

/// The wallet's part of the configuration. Fixed while the process runs.
#[derive(Clone, Debug)]
pub struct Catalog {
    domains: Vec<Domain>,
    games: BTreeSet<String>,
    /// How session tokens are made.
    pub token_policy: TokenPolicy,
    /// Life of a session token, milliseconds; at most [`limits::TOKEN_LIFE_MS`].
    pub token_life_ms: u64,
    /// Idle time of a session, milliseconds.
    pub session_idle_ms: u64,
    /// Time that a closed round is remembered after its last transaction, milliseconds.
    pub retention_ms: u64,
}

impl Catalog {
    /// A catalog with the default times and token policy.
    ///
    /// # Panics
    /// Where there are more domains than [`limits::DOMAINS_MAX`] or two of one name; `config` refuses both.
    pub fn new(domains: Vec<Domain>, games: impl IntoIterator<Item = String>) -> Self {
        assert!(domains.len() <= limits::DOMAINS_MAX);
        let names: BTreeSet<&str> = domains.iter().map(|domain| domain.name.as_str()).collect();
        assert_eq!(names.len(), domains.len(), "a domain's name is its own");
        Self {
            domains,
            games: games.into_iter().collect(),
            token_policy: TokenPolicy::default(),
            token_life_ms: limits::TOKEN_LIFE_MS,
            session_idle_ms: limits::SESSION_IDLE_MS,
            retention_ms: limits::RETENTION_MS,
        }
    }

    /// The domain of this name.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name == name)
    }

    /// What of this configuration is journaled.
    pub fn settings(&self) -> Settings {
        let domain = |domain: &Domain| (CompactString::from(domain.name.as_str()), domain.currency);
        Settings {
            session_idle_ms: self.session_idle_ms,
            retention_ms: self.retention_ms,
            domains: self.domains.iter().map(domain).collect(),
        }
    }

    /// Whether the operator offers this game.
    pub fn has_game(&self, id: &str) -> bool {
        self.games.contains(id)
    }
}
