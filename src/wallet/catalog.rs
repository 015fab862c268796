//! What the operator's configuration tells the wallet: domains, platforms, games, times.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use compact_str::CompactString;

use super::currency::Currency;
use super::platform::{Dialect, PlatformKey};
use super::settings::{DomainSettings, Settings};
use super::token::TokenPolicy;

/// One brand of the operator.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Name: the part of an account's id before its slash.
    pub name: String,
    /// The currency of all its accounts.
    pub currency: Currency,
    /// The platforms that it is served to.
    pub platforms: Vec<PlatformKey>,
}

impl Domain {
    /// A domain that is served to `platforms`.
    pub fn new(name: String, currency: Currency, platforms: impl IntoIterator<Item = PlatformKey>) -> Self {
        Self { name, currency, platforms: platforms.into_iter().collect() }
    }
}

/// The wallet's part of the configuration. Fixed while the process runs.
#[derive(Clone, Debug)]
pub struct Catalog {
    domains: Vec<Domain>,
    games: BTreeSet<String>,
    /// In the order of their keys.
    platforms: BTreeMap<PlatformKey, Dialect>,
    /// Life of a session token, milliseconds; at most [`limits::TOKEN_LIFE_MS`].
    pub token_life_ms: u64,
    /// Idle time of a session, milliseconds.
    pub session_idle_ms: u64,
    /// Time that a closed round is remembered after its last transaction, milliseconds.
    pub retention_ms: u64,
    /// Time that such a round stays in memory, milliseconds.
    pub hot_ms: u64,
}

impl Catalog {
    /// A catalog with the default times, in which every platform that a domain names speaks the default dialect.
    ///
    /// # Panics
    /// Where there are more domains than [`limits::DOMAINS_MAX`], two of one name, or more platforms than
    /// [`limits::PLATFORMS_MAX`]; `config` refuses them.
    pub fn new(domains: Vec<Domain>, games: impl IntoIterator<Item = String>) -> Self {
        assert!(domains.len() <= limits::DOMAINS_MAX);
        let names: BTreeSet<&str> = domains.iter().map(|domain| domain.name.as_str()).collect();
        assert_eq!(names.len(), domains.len(), "a domain's name is its own");
        let keys = domains.iter().flat_map(|domain| &domain.platforms);
        let platforms: BTreeMap<_, _> = keys.map(|key| (*key, Dialect::default())).collect();
        assert!(platforms.len() <= limits::PLATFORMS_MAX);
        Self {
            domains,
            games: games.into_iter().collect(),
            platforms,
            token_life_ms: limits::TOKEN_LIFE_MS,
            session_idle_ms: limits::SESSION_IDLE_MS,
            retention_ms: limits::RETENTION_MS,
            hot_ms: limits::HOT_MS,
        }
    }

    /// Has a platform speak this dialect.
    ///
    /// # Panics
    /// Where no domain is served to it.
    pub fn set_dialect(&mut self, platform: PlatformKey, dialect: Dialect) {
        let known = self.platforms.insert(platform, dialect);
        assert!(known.is_some(), "a platform is served something");
    }

    /// Has every platform use this policy of session tokens.
    pub fn set_token_policy(&mut self, policy: TokenPolicy) {
        self.platforms.values_mut().for_each(|dialect| dialect.token_policy = policy);
    }

    /// The platforms and their dialects.
    pub fn platforms(&self) -> impl Iterator<Item = (PlatformKey, Dialect)> {
        self.platforms.iter().map(|(key, dialect)| (*key, *dialect))
    }

    /// The domain of this name.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name == name)
    }

    /// What of this configuration is journaled. Days begin at midnight UTC.
    pub fn settings(&self) -> Settings {
        let domain = |domain: &Domain| DomainSettings {
            name: CompactString::from(domain.name.as_str()),
            currency: domain.currency,
            calendar: None,
        };
        Settings {
            session_idle_ms: self.session_idle_ms,
            retention_ms: self.retention_ms,
            hot_ms: self.hot_ms,
            cold_until_ms: 0,
            forgotten_until_ms: 0,
            domains: self.domains.iter().map(domain).collect(),
        }
    }

    /// Whether the operator offers this game.
    pub fn has_game(&self, id: &str) -> bool {
        self.games.contains(id)
    }
}
