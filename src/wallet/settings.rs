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
    /// Time that such a round stays in memory, milliseconds: past it, it belongs to the history.
    pub hot_ms: u64,
    /// Rounds that were touched last at or before this belong to the history, whatever [`Settings::hot_ms`] was changed to
    /// since: milliseconds since 1970. The wallet keeps it.
    pub cold_until_ms: Millis,
    /// What was touched last at or before this is forgotten for good, whatever [`Settings::retention_ms`] was changed to since:
    /// milliseconds since 1970. The wallet keeps it.
    pub forgotten_until_ms: Millis,
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
            hot_ms: limits::HOT_MS,
            cold_until_ms: 0,
            forgotten_until_ms: 0,
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

    /// Until when rounds belong to the history at `now_ms`, by their last transaction.
    pub fn cold_until(&self, now_ms: Millis) -> Millis {
        self.cold_until_ms.max(now_ms.saturating_sub(self.hot_ms))
    }

    /// Until when rounds are forgotten at `now_ms`, by their last transaction.
    pub fn forgotten_until(&self, now_ms: Millis) -> Millis {
        self.forgotten_until_ms.max(now_ms.saturating_sub(self.retention_ms))
    }

    /// The same under a clock that has come to `now_ms`, where the one before had run ahead.
    #[must_use]
    pub fn until(&self, now_ms: Millis) -> Self {
        Self {
            cold_until_ms: self.cold_until_ms.min(now_ms),
            // What was to come is of that moment now, and was not forgotten.
            forgotten_until_ms: self.forgotten_until_ms.min(now_ms.saturating_sub(1)),
            ..self.clone()
        }
    }

    /// Follows `before`, at `now_ms`: what was cold or forgotten by those stays so.
    pub(crate) fn follow(&mut self, before: &Self, now_ms: Millis) {
        if before.domains.is_empty() {
            // Nothing was remembered by them.
            return;
        }
        let is = |was: u64, is: u64, until_ms: Millis| if was == is { 0 } else { until_ms };
        let cold = is(before.hot_ms, self.hot_ms, before.cold_until(now_ms));
        let forgotten = is(before.retention_ms, self.retention_ms, before.forgotten_until(now_ms));
        self.cold_until_ms = self.cold_until_ms.max(before.cold_until_ms).max(cold);
        self.forgotten_until_ms = self.forgotten_until_ms.max(before.forgotten_until_ms).max(forgotten);
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
