//! Whether the system clock can be believed at a start.
//!
//! What the wallet remembers it forgets by time, so a clock that is ahead forgets what platforms may still repeat, and
//! a journal that was written under such a clock holds a right one back. The journal's last record is the one witness:
//! this compares the two, and leaves what it can't tell to the operator.

/// What the operator says of the time at a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confirmed {
    /// Nothing.
    #[default]
    Nothing,
    /// Nothing was written for a long time, and the system clock is right (`--after-pause`).
    Pause,
    /// The journal was written under a clock that was ahead, and the system clock is right (`--rebase-clock`).
    Rebase,
}

/// What is known of the time at a start.
#[derive(Clone, Copy, Debug)]
pub struct StartTimes {
    /// The system clock, milliseconds since 1970.
    pub system_ms: u64,
    /// The journal's last record, likewise; `None` where there is none.
    pub journal_ms: Option<u64>,
    /// Time that a closed round is remembered, milliseconds.
    pub retention_ms: u64,
    /// Made-up accounts are served, whose time matters to nobody.
    pub is_demo: bool,
    /// What the operator says.
    pub confirmed: Confirmed,
}

/// How a start goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The time that the wallet's begins at, milliseconds since 1970.
    pub begin_ms: u64,
    /// Every stored time that is later is to be brought back to that.
    pub rebases: bool,
    /// What the operator is to know.
    pub note: Option<String>,
}

/// How far the system clock may be ahead of the journal's last record, milliseconds: half of the time that rounds are
/// remembered and seven days at most, but a minute at least.
pub fn ahead_ms_max(retention_ms: u64) -> u64 {
    (retention_ms / 2).clamp(limits::CLOCK_AHEAD_MS_MIN, limits::CLOCK_AHEAD_MS_MAX)
}

/// Decides whether the wallet may begin at the time of the system clock.
///
/// # Errors
/// A sentence that names both times and what the operator can do.
pub fn decide(start: &StartTimes) -> Result<Decision, String> {
    let StartTimes { system_ms, journal_ms, is_demo, confirmed, .. } = *start;
    let nothing_to_do = match confirmed {
        Confirmed::Nothing => None,
        Confirmed::Pause => Some("--after-pause: there was no long pause to be confirmed; leave it out"),
        Confirmed::Rebase => Some(
            "--rebase-clock: the journal is not ahead of the system clock, and nothing was to do; leave it out",
        ),
    };
    let begin = |begin_ms, note: Option<String>| Ok(Decision { begin_ms, rebases: false, note });
    let Some(journal_ms) = journal_ms else { return begin(system_ms, nothing_to_do.map(str::to_owned)) };
    let (behind_ms, ahead_ms) = (journal_ms.saturating_sub(system_ms), system_ms.saturating_sub(journal_ms));
    let (system, journal) = (Moment(system_ms), Moment(journal_ms));
    if behind_ms > limits::CLOCK_OFFSET_MS_MAX {
        let apart = Length(behind_ms);
        let found = format!(
            "the system clock says {system}, and the journal's last record is of {journal}, {apart} later"
        );
        return match confirmed {
            Confirmed::Rebase => Ok(Decision {
                begin_ms: system_ms,
                rebases: true,
                note: Some(format!(
                    "{found}: every stored time that is later is brought back to the system clock's"
                )),
            }),
            _ if is_demo => begin(journal_ms, Some(format!("{found}: the demo goes on from there"))),
            _ => Err(format!(
                "{found}. The clock is behind, or the journal was written under one that was ahead. Set the clock; or, \
                 where it is right, bring the journal back with --rebase-clock"
            )),
        };
    }
    if ahead_ms > ahead_ms_max(start.retention_ms) {
        let (apart, most) = (Length(ahead_ms), Length(ahead_ms_max(start.retention_ms)));
        let found = format!(
            "the system clock says {system}, and the journal's last record is of {journal}, {apart} before"
        );
        return match confirmed {
            Confirmed::Pause => begin(system_ms, Some(format!("{found}: confirmed with --after-pause"))),
            _ if is_demo => begin(system_ms, Some(format!("{found}: the demo goes on from here"))),
            _ => Err(format!(
                "{found}, which is more than {most}. A clock that is ahead and a long pause look the same, and a wrong \
                 clock forgets what platforms may still repeat. Set the clock; or, where it is right, confirm the pause \
                 with --after-pause"
            )),
        };
    }
    begin(system_ms.max(journal_ms), nothing_to_do.map(str::to_owned))
}

/// A time, written as UTC with milliseconds.
struct Moment(u64);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match known {
            Some(at) => write!(f, "{at:.3}"),
            None => write!(f, "{} ms after 1970", self.0),
        }
    }
}

/// A length of time, milliseconds; written with the largest unit that it has two of.
struct Length(u64);

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000)];
        match units.into_iter().find(|(_, ms)| self.0 >= 2 * ms) {
            Some((unit, ms)) => write!(f, "{} {unit}", self.0 / ms),
            None => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25T12:00:00Z.
    const NOW: u64 = 1_795_608_000_000;
    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    const DAY: u64 = 24 * 60 * MINUTE;
    /// Days that are remembered, so that seven days are less than half of it.
    const LONG: u64 = 120 * DAY;

    #[derive(Debug)]
    enum Expect {
        /// It begins then, and the note has this, or there is none.
        Begins(u64, Option<&'static str>),
        Rebases(&'static str),
        Refused(&'static str),
    }

    use Confirmed::{Nothing, Pause, Rebase};
    use Expect::{Begins, Rebases, Refused};

    #[track_caller]
    fn check(
        journal_ms: Option<u64>,
        retention_ms: u64,
        is_demo: bool,
        confirmed: Confirmed,
        expect: &Expect,
    ) {
        let start = StartTimes { system_ms: NOW, journal_ms, retention_ms, is_demo, confirmed };
        let decided = decide(&start);
        let has = |text: &Option<String>, part: &str| text.as_deref().is_some_and(|text| text.contains(part));
        let fits = match (&decided, expect) {
            (Ok(Decision { begin_ms, rebases: false, note }), Begins(at, said)) => {
                begin_ms == at && said.map_or(note.is_none(), |said| has(note, said))
            }
            (Ok(Decision { begin_ms, rebases: true, note }), Rebases(said)) => {
                *begin_ms == NOW && has(note, said)
            }
            (Err(sentence), Refused(said)) => {
                sentence.contains(said)
                    && sentence.contains("2026-11-25T12:00:00.000Z")
                    && sentence.contains("Set the clock")
            }
            _ => false,
        };
        assert!(fits, "{start:?}: {decided:?}, not {expect:?}");
    }

    #[test]
    fn a_clock_that_agrees_begins() {
        for is_demo in [false, true] {
            check(None, LONG, is_demo, Nothing, &Begins(NOW, None));
            check(None, LONG, is_demo, Pause, &Begins(NOW, Some("no long pause")));
            check(None, LONG, is_demo, Rebase, &Begins(NOW, Some("nothing was to do")));
            check(Some(NOW), LONG, is_demo, Nothing, &Begins(NOW, None));
            check(Some(NOW - DAY), LONG, is_demo, Nothing, &Begins(NOW, None));
            check(Some(NOW - DAY), LONG, is_demo, Pause, &Begins(NOW, Some("no long pause")));
            check(Some(NOW - DAY), LONG, is_demo, Rebase, &Begins(NOW, Some("nothing was to do")));
        }
    }

    #[test]
    fn a_clock_behind_the_journal_is_refused() {
        for confirmed in [Nothing, Pause] {
            check(Some(NOW + 5 * SECOND + 1), LONG, false, confirmed, &Refused("--rebase-clock"));
            check(
                Some(NOW + 8 * DAY),
                LONG,
                false,
                confirmed,
                &Refused("2026-12-03T12:00:00.000Z, 8 days later"),
            );
            check(Some(u64::MAX), LONG, false, confirmed, &Refused("18446744073709551615 ms after 1970"));
            let goes_on = Some("the demo goes on from there");
            check(Some(NOW + 8 * DAY), LONG, true, confirmed, &Begins(NOW + 8 * DAY, goes_on));
        }
        // The time goes on from the journal's where that is near.
        check(Some(NOW + 1), LONG, false, Nothing, &Begins(NOW + 1, None));
        check(Some(NOW + 5 * SECOND), LONG, false, Nothing, &Begins(NOW + 5 * SECOND, None));
        check(
            Some(NOW + 5 * SECOND),
            LONG,
            false,
            Rebase,
            &Begins(NOW + 5 * SECOND, Some("nothing was to do")),
        );
        for is_demo in [false, true] {
            check(Some(NOW + 5 * SECOND + 1), LONG, is_demo, Rebase, &Rebases("5 seconds later"));
            check(Some(NOW + 8 * DAY), LONG, is_demo, Rebase, &Rebases("8 days later"));
        }
    }

    #[test]
    fn a_clock_far_ahead_of_the_journal_is_refused() {
        let rows = [
            // The retention, and what is allowed.
            (LONG, 7 * DAY),
            (14 * DAY, 7 * DAY),
            (14 * DAY - 2, 7 * DAY - 1),
            (7 * DAY, 7 * DAY / 2),
            (2 * MINUTE, MINUTE),
            // A server that remembers a second can be restarted.
            (SECOND, MINUTE),
            (0, MINUTE),
        ];
        for (retention_ms, most) in rows {
            check(Some(NOW - most), retention_ms, false, Nothing, &Begins(NOW, None));
            for confirmed in [Nothing, Rebase] {
                check(Some(NOW - most - 1), retention_ms, false, confirmed, &Refused("--after-pause"));
            }
            check(Some(NOW - most - 1), retention_ms, false, Pause, &Begins(NOW, Some("confirmed")));
            for confirmed in [Nothing, Pause, Rebase] {
                let note = if confirmed == Pause { "confirmed" } else { "the demo goes on from here" };
                check(Some(NOW - most - 1), retention_ms, true, confirmed, &Begins(NOW, Some(note)));
            }
        }
        check(
            Some(NOW - 8 * DAY),
            LONG,
            false,
            Nothing,
            &Refused("2026-11-17T12:00:00.000Z, 8 days before, which is more than 7 days"),
        );
        check(Some(1), LONG, false, Nothing, &Refused("1970-01-01T00:00:00.001Z, 20782 days before"));
    }
}
