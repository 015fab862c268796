//! When days, weeks and months begin in a domain's time zone.
//!
//! A limit of a day is a day of the player's regulator, which seldom begins at midnight UTC. The wallet does no such
//! arithmetic: the rules of time zones change by decree, several times a year, and a replay must not depend on which of
//! them a machine has. So boundaries are computed here, and the wallet is told.
//!
//! The rules come from the system's database, `/usr/share/zoneinfo` or what `TZDIR` names, since it is brought up to date
//! with the system; and from the copy in this program where the system has none, or has not that zone. They are read once,
//! at a start.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use compact_str::CompactString;
use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, ToSpan as _};

use wallet::settings::Calendar;

/// A time zone with its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC, whose days are those of the wallet itself.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of this IANA name, such as `Europe/Stockholm`, in any case; `None` where there is none.
    pub fn named(name: &str) -> Option<Self> {
        // The database's directory has files that are no zones: whatever this machine has chosen, a placeholder.
        let is_no_zone = |known: &str| known.eq_ignore_ascii_case(name);
        if ["localtime", "posixrules", "Factory", "Etc/Unknown"].into_iter().any(is_no_zone) {
            return None;
        }
        Self::of(name, [jiff::tz::db(), &TimeZoneDatabase::bundled()])
    }

    /// The zone as the first of these databases has it.
    fn of<'a>(name: &str, databases: impl IntoIterator<Item = &'a TimeZoneDatabase>) -> Option<Self> {
        databases.into_iter().find_map(|database| database.get(name).ok()).map(Self)
    }

    /// The day, week and month that `now_ms`, milliseconds since 1970, lies in. Past the year 9999 the last day that
    /// can be computed holds for ever.
    pub fn at(&self, now_ms: u64) -> Calendar {
        let now = i64::try_from(now_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let now = now.unwrap_or(Timestamp::MAX);
        let mut day = self.0.to_datetime(now).date();
        // Where clocks are set back over midnight, the day that has begun does not end and begin again.
        while let Some(next) = following(day, 1.day())
            && self.start_of(next).is_some_and(|start| start <= now)
        {
            day = next;
        }
        let monday = following(day, -i64::from(day.weekday().to_monday_zero_offset()).days());
        let starts = [Some(day), monday, Some(day.first_of_month())];
        Calendar {
            starts_ms: starts.map(|day| day.and_then(|day| self.start_of(day)).map_or(0, millis)),
            until_ms: following(day, 1.day()).and_then(|next| self.start_of(next)).map_or(u64::MAX, millis),
        }
    }

    /// The first moment of a day: the first whose date is this or a later one. Most days have a 00:00; where clocks are
    /// set on over it, the day begins when they are, and where they are set back over it, with the first of the two.
    /// `None` where it lies beyond what can be computed.
    fn start_of(&self, day: Date) -> Option<Timestamp> {
        let midnight = day.to_datetime(Time::midnight());
        match self.0.to_ambiguous_timestamp(midnight).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(midnight).ok()
            }
            AmbiguousOffset::Gap { before, .. } => {
                let skipped = before.to_timestamp(midnight).ok()?;
                let behind = skipped.checked_add(Span::new().nanoseconds(1)).ok()?;
                // That the clocks are set on is a transition; where none is known, midnight as it would have been.
                Some(self.0.preceding(behind).next().map_or(skipped, |transition| transition.timestamp()))
            }
        }
    }
}

fn following(day: Date, span: Span) -> Option<Date> {
    day.checked_add(span).ok()
}

/// Milliseconds since 1970, and 0 before that.
fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

/// The time zones of the domains that have another than UTC.
#[derive(Clone, Debug, Default)]
pub struct Zones(Vec<(CompactString, Zone)>);

impl Zones {
    /// The zones of these domains, by their names. UTC is left out: the wallet needs to be told nothing of it.
    pub fn new(domains: impl IntoIterator<Item = (CompactString, Zone)>) -> Self {
        Self(domains.into_iter().filter(|(_, zone)| *zone != Zone::UTC).collect())
    }

    /// The calendar of each of these domains at `now_ms`, milliseconds since 1970, in the order of the configuration.
    pub fn at(&self, now_ms: u64) -> Vec<(CompactString, Calendar)> {
        self.0.iter().map(|(domain, zone)| (domain.clone(), zone.at(now_ms))).collect()
    }
}

#[cfg(test)]
mod tests;
