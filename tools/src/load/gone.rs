//! Work for clients that have gone: what a server did, by its own count, beside what the clients of a run saw of it.
//!
//! A server counts a call when it writes the answer, and a change when it journals it. A call that changes something leaves
//! one record, whether there is anybody left to be answered; so changes are counted by records, and calls that change
//! nothing by answers with `ErrorCode` 0. The difference to the successes that the clients saw is work for nobody. It is the
//! run's own only where nobody else uses the server meanwhile.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::scenario::RequestType;
use super::stats::Stats;
use super::units;
use crate::{child, metrics};

/// Looks at a server that still works off what the run has left behind, and the time between two.
const LOOKS_MAX: usize = 100;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What a server has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Records in its journal.
    records: u64,
    /// Answers with `ErrorCode` 0, by kind of request.
    successes: [u64; RequestType::COUNT],
}

impl Done {
    /// Reads it from the server's metrics.
    ///
    /// # Errors
    /// A sentence, where the operator's listener does not answer or is not a purser's.
    pub(crate) fn look(operator: SocketAddr) -> Result<Self, String> {
        Self::read(&child::http_get(operator, "/metrics")?)
            .ok_or_else(|| format!("http://{operator}/metrics: no purser_journal_records_total in it"))
    }

    /// Reads it once the server has nothing left to do: two looks in a row are the same.
    ///
    /// # Errors
    /// As [`Done::look`], and where the server does not come to rest.
    pub(crate) fn look_at_rest(operator: SocketAddr) -> Result<Self, String> {
        let mut last = Self::look(operator)?;
        for _ in 0..LOOKS_MAX {
            thread::sleep(LOOK_INTERVAL);
            let now = Self::look(operator)?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
        Err(format!(
            "http://{operator}: the server is still asked by others, so its work can't be told apart"
        ))
    }

    fn read(text: &str) -> Option<Self> {
        let records = metrics::sum(text, "purser_journal_records_total", &[])? as u64;
        let mut done = Self { records, ..Self::default() };
        for kind in RequestType::ALL {
            let call = kind.name().to_ascii_lowercase();
            let labels = [("call", call.as_str()), ("code", "0")];
            // What never occurred is left out.
            let successes = metrics::sum(text, "purser_requests_total", &labels);
            done.successes[kind as usize] = successes.unwrap_or_default() as u64;
        }
        Some(done)
    }
}

/// What a run has made a server do, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gone {
    /// Records that the server has journaled.
    pub(crate) server_records: u64,
    /// Answers with `ErrorCode` 0 that it has written, to calls that change something and to all others.
    pub(crate) server_changes: u64,
    pub(crate) server_reads: u64,
    /// Answers with `ErrorCode` 0 that the clients have seen.
    pub(crate) seen_changes: u64,
    pub(crate) seen_reads: u64,
}

impl Gone {
    /// What lies between two looks, beside what was seen.
    pub(crate) fn between(before: &Done, after: &Done, stats: &Stats) -> Self {
        let mut gone =
            Self { server_records: after.records.saturating_sub(before.records), ..Self::default() };
        for kind in RequestType::ALL {
            let of_server = after.successes[kind as usize].saturating_sub(before.successes[kind as usize]);
            let seen = stats.of(kind).successes();
            let (server_sum, seen_sum) = match kind.is_change() {
                true => (&mut gone.server_changes, &mut gone.seen_changes),
                false => (&mut gone.server_reads, &mut gone.seen_reads),
            };
            *server_sum += of_server;
            *seen_sum += seen;
        }
        gone
    }

    /// Calls that were done and that no client was told of. A record that belongs to no call of the run, such as a session's
    /// renewal, counts as one.
    pub(crate) fn for_nobody(&self) -> u64 {
        // A server without a journal has no records.
        let changes = self.server_records.max(self.server_changes).saturating_sub(self.seen_changes);
        changes + self.server_reads.saturating_sub(self.seen_reads)
    }
}

/// The part of the summary: what was found, or why it is not known.
pub(crate) fn summary(found: &Result<Gone, String>) -> String {
    let mut text = "\n   work for clients that have gone\n\n".to_owned();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "     {name:.<25}: {value}");
    };
    match found {
        Err(why) => line("not known", why.clone()),
        Ok(gone) => {
            let Gone { server_records, server_changes, server_reads, seen_changes, seen_reads } = *gone;
            let for_nobody = gone.for_nobody();
            let share = units::share(for_nobody, for_nobody + seen_changes + seen_reads);
            let answered = |changes, reads| format!("{changes} changes and {reads} others answered with 0");
            line(
                "done by the server",
                format!("{server_records} records, {}", answered(server_changes, server_reads)),
            );
            line("seen by the clients", answered(seen_changes, seen_reads));
            line("work for nobody", format!("{for_nobody} {share} of what was done"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::stats::{AnswerCheck, Sample};
    use super::*;

    const METRICS: &str = "\
purser_requests_total{shard=\"0\",call=\"placebet\",code=\"0\"} 70
purser_requests_total{shard=\"1\",call=\"placebet\",code=\"0\"} 30
purser_requests_total{shard=\"1\",call=\"placebet\",code=\"-1\"} 500
purser_requests_total{shard=\"1\",call=\"createtoken\",code=\"0\"} 9
purser_requests_total{shard=\"1\",call=\"put_account\",code=\"200\"} 8
purser_journal_records_total{shard=\"0\"} 80
purser_journal_records_total{shard=\"1\"} 40
";

    fn seen(counts: &[(RequestType, u64)]) -> Stats {
        let mut stats = Stats::default();
        for (kind, count) in counts {
            let verdict = AnswerCheck { status: 200, is_success: true, ..AnswerCheck::default() };
            (0..*count).for_each(|_| stats.record(*kind, &Sample { verdict, ..Sample::default() }));
        }
        stats
    }

    /// Says of a run from a server's start on how much was done for nobody.
    #[track_caller]
    fn check(counts: &[(RequestType, u64)], expect: u64) {
        let after = Done::read(METRICS).expect("a purser's");
        let gone = Gone::between(&Done::default(), &after, &seen(counts));
        assert_eq!((gone.server_changes, gone.server_reads, gone.server_records), (100, 9, 120));
        assert_eq!(gone.for_nobody(), expect, "{gone:?}");
    }

    #[test]
    fn work_for_nobody() {
        use RequestType as T;
        check(&[], 129);
        check(&[(T::PlaceBet, 120), (T::CreateToken, 9)], 0);
        // Changes of which no answer was written count, and those whose answer was written but not seen count once.
        check(&[(T::PlaceBet, 100), (T::CreateToken, 9)], 20);
        check(&[(T::PlaceBet, 60), (T::CreateToken, 9)], 60);
        // What changes nothing has no record.
        check(&[(T::PlaceBet, 120), (T::CreateToken, 4)], 5);
        check(&[(T::PlaceBet, 90), (T::Credit, 20), (T::CreateToken, 4)], 15);
        // Another's renewals and refusals don't make it less than nothing.
        check(&[(T::PlaceBet, 130), (T::CreateToken, 10)], 0);
    }

    #[test]
    fn what_was_done_before_does_not_count() {
        let done = Done::read(METRICS).expect("a purser's");
        assert_eq!(Gone::between(&done, &done, &Stats::default()), Gone::default());
        assert_eq!(Done::read("nothing of the kind\n"), None);
    }

    #[test]
    fn summaries() {
        let gone = Gone {
            server_records: 100,
            server_changes: 90,
            server_reads: 7,
            seen_changes: 25,
            seen_reads: 7,
        };
        assert_eq!(
            summary(&Ok(gone)),
            "
   work for clients that have gone

     done by the server.......: 100 records, 90 changes and 7 others answered with 0
     seen by the clients......: 25 changes and 7 others answered with 0
     work for nobody..........: 75 70.09% of what was done
"
        );
    }
}
