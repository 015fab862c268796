//! What the configuration says that outcomes depend on. It is journaled when it changes, so that a replay meets
//! every operation under the settings that it was applied under.

use compact_str::CompactString;

use super::Millis;
use super::currency::Currency;
use crate::limits;

/// The settings of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Idle time of a session, milliseconds.
    pub session_idle_ms: u64,
    /// Time that a closed round is remembered after its last transaction, milliseconds.
    pub retention_ms: u64,
    /// Domains by name, each with its currency. A wallet keeps a domain that it has once had.
    pub domains: Vec<(CompactString, Currency)>,
}

/// The day, week and month of a domain, at one time. A time zone's rules are the system's and change with it, so what
/// came of them is journaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// When the current day, week (from Monday, ISO 8601) and month began, milliseconds since 1970.
    pub starts_ms: [Millis; 3],
    /// When the current day ends, milliseconds since 1970.
    pub until_ms: Millis,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_idle_ms: limits::SESSION_IDLE_MS,
            retention_ms: limits::RETENTION_MS,
            domains: Vec::new(),
        }
    }
}

/// A domain can't have another currency than it had: its accounts' amounts would mean something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrencyChanged {
    /// The domain's name.
    pub domain: CompactString,
    /// The currency of its accounts.
    pub was: Currency,
    /// What the settings say.
    pub is: Currency,
}
