//! What a soak does from second to second, and whether what a server holds stays flat.

use crate::abuse::paced::{End, Exchange, Verdict};
use crate::abuse::watch::ServerHoldings;

/// A second of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SoakSecond {
    /// Since the run's clock was started.
    pub(super) at: u64,
    pub(super) answered: u64,
    pub(super) p99_ns: u64,
    pub(super) refused: u64,
    pub(super) held: Option<ServerHoldings>,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct SoakRecord {
    pub(super) seconds: Vec<SoakSecond>,
    latencies: Vec<u64>,
    now: SoakSecond,
    pub(super) answered: u64,
    pub(super) refused: u64,
    /// Requests that were cut off although the server was not killed.
    pub(super) broken: u64,
    pub(super) wrong: u64,
}

impl SoakRecord {
    /// Takes note of a request that has ended. What breaks once the server is killed was meant to.
    pub(super) fn take(&mut self, sample: &Exchange, killed_ns: Option<u64>) {
        let second = sample.ended_ns / 1_000_000_000;
        if second != self.now.at {
            self.flush();
            self.now.at = second;
        }
        match &sample.end {
            End::Told(verdict) => {
                self.latencies.push(sample.latency_ns());
                self.now.answered += 1;
                self.answered += 1;
                match verdict {
                    Verdict::Good => {}
                    Verdict::Refused => {
                        self.refused += 1;
                        self.now.refused += 1;
                    }
                    Verdict::Wrong(_) => self.wrong += 1,
                }
            }
            End::Broken => {
                self.broken += u64::from(killed_ns.is_none_or(|killed_ns| sample.ended_ns < killed_ns));
            }
        }
    }

    /// Ends the second under way.
    pub(super) fn flush(&mut self) {
        let mut now = std::mem::take(&mut self.now);
        if now.answered > 0 {
            self.latencies.sort_unstable();
            now.p99_ns = self.latencies[(self.latencies.len() * 99).div_ceil(100) - 1];
            match self.seconds.last_mut().filter(|last| last.at == now.at) {
                // The rest of a second in which the server was started again.
                Some(last) => {
                    last.answered += now.answered;
                    last.refused += now.refused;
                    last.p99_ns = last.p99_ns.max(now.p99_ns);
                }
                None => self.seconds.push(now),
            }
        }
        self.latencies.clear();
    }

    /// Adds what the server held, each with the second of it. One in which it lived and answered nothing is a second, too.
    pub(super) fn add_samples(&mut self, samples: &[(u64, ServerHoldings)]) {
        for (at, held) in samples {
            let place = self.seconds.partition_point(|second| second.at < *at);
            if self.seconds.get(place).is_none_or(|second| second.at != *at) {
                self.seconds.insert(place, SoakSecond { at: *at, ..SoakSecond::default() });
            }
            self.seconds[place].held = Some(*held);
        }
    }
}

/// What a server held at most between two starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peak {
    pub(super) held: ServerHoldings,
}

/// How much more than in the second life of the server may be held in its last one, in percent.
const GROWTH_PERCENT_MAX: u64 = 15;

/// Descriptors that may be more.
const FILES_MORE_MAX: u64 = 4;

/// Whether memory and open files stay flat from one life of the server to the next: a sentence where they don't. The
/// first life fills what is remembered, and is left out.
pub(super) fn growth(peaks: &[Peak]) -> Option<String> {
    let [_, second, .., last] = peaks else { return None };
    let (before, now) = (second.held, last.held);
    if now.resident_bytes * 100 > before.resident_bytes * (100 + GROWTH_PERCENT_MAX) {
        return Some(format!(
            "memory has grown from {} to {} MiB",
            before.resident_bytes >> 20,
            now.resident_bytes >> 20
        ));
    }
    if now.files > before.files + FILES_MORE_MAX {
        return Some(format!("open files have grown from {} to {}", before.files, now.files));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds() {
        let mut record = SoakRecord::default();
        let good = || End::Told(Verdict::Good);
        for (due_ns, ended_ns, end) in [
            (1_000_000_000, 1_000_000_007, good()),
            (1_000_000_000, 1_000_000_003, End::Told(Verdict::Refused)),
            (2_000_000_000, 2_000_000_009, good()),
            (2_000_000_000, 2_400_000_000, End::Broken),
            (2_000_000_000, 2_600_000_000, End::Broken),
            (3_000_000_000, 3_000_000_001, End::Told(Verdict::Wrong("no".to_owned()))),
        ] {
            record.take(&Exchange { due_ns, ended_ns, end }, Some(2_500_000_000));
        }
        record.flush();
        let held = ServerHoldings { files: 5, ..ServerHoldings::default() };
        record.add_samples(&[(2, held), (9, held)]);
        record.take(&Exchange { due_ns: 9_000_000_000, ended_ns: 9_000_000_005, end: good() }, None);
        record.flush();
        let second = |at, answered, p99_ns, refused, held| SoakSecond { at, answered, p99_ns, refused, held };
        assert_eq!(
            record.seconds,
            [
                second(1, 2, 7, 1, None),
                second(2, 1, 9, 0, Some(held)),
                second(3, 1, 1, 0, None),
                second(9, 1, 5, 0, Some(held))
            ]
        );
        assert_eq!((record.answered, record.refused, record.broken, record.wrong), (5, 1, 1, 1));
    }

    #[track_caller]
    fn check_growth(mib_and_files: &[(u64, u64)], expect: Option<&str>) {
        let peaks: Vec<Peak> = mib_and_files
            .iter()
            .map(|(mib, files)| Peak {
                held: ServerHoldings { resident_bytes: mib << 20, files: *files, socket_bytes: 0 },
            })
            .collect();
        assert_eq!(growth(&peaks).as_deref(), expect);
    }

    #[test]
    fn what_grows() {
        check_growth(&[], None);
        check_growth(&[(10, 5), (100, 9)], None);
        check_growth(&[(10, 5), (100, 20), (115, 24)], None);
        check_growth(
            &[(10, 5), (100, 20), (300, 20), (116, 20)],
            Some("memory has grown from 100 to 116 MiB"),
        );
        check_growth(&[(10, 5), (100, 20), (100, 25)], Some("open files have grown from 20 to 25"));
    }
}
