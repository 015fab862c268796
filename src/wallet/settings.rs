//! What the configuration says that outcomes depend on. It is journaled when it changes, so that a replay meets
//! every operation under the settings that it was applied under.

use alloc::vec::Vec;
use compact_str::CompactString;

use super::Millis;
use super::currency::Currency;

/// The settings of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Idle time of a session, milliseconds.
    pub session_idle_ms: u64,
    /// Time that a closed round is remembered after its last transaction, milliseconds.
    pub retention_ms: u64,
    /// The domains. A wallet keeps a domain that it has once had.
    pub domains: Vec<DomainSettings>,
}

/// A domain, as far as outcomes depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSettings {
    /// Its name.
    pub name: CompactString,
    /// The currency of all its accounts.
    pub currency: Currency,
    /// Its current day, week and month, where they begin by another clock than UTC's. Set anew when its day ends.
    pub calendar: Option<Calendar>,
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

impl Settings {
    /// Gives the domains of these names their calendars; the others keep what they have.
    pub fn set_calendars(&mut self, calendars: impl IntoIterator<Item = (CompactString, Calendar)>) {
        for (name, calendar) in calendars {
            if let Some(domain) = self.domains.iter_mut().find(|domain| domain.name == name) {
                domain.calendar = Some(calendar);
            }
        }
    }

    /// The domain of this name.
    pub fn domain(&self, name: &str) -> Option<&DomainSettings> {
        self.domains.iter().find(|domain| domain.name == name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_go_to_their_domains() {
        let domain = |name: &str| DomainSettings {
            name: name.into(),
            currency: Currency::from_code("GBP").expect("listed"),
            calendar: None,
        };
        let mut settings = Settings { domains: vec![domain("a"), domain("b")], ..Settings::default() };
        let calendar = Calendar { starts_ms: [3, 2, 1], until_ms: 4 };
        settings.set_calendars([("b".into(), calendar), ("gone".into(), calendar)]);
        let of = |name| settings.domain(name).map(|domain| domain.calendar);
        assert_eq!((of("a"), of("b"), of("gone")), (Some(None), Some(Some(calendar)), None));
    }
}
