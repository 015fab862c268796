//! What a run has measured.
//!
//! k6's metrics, with nothing recorded twice: what is a sum or the same of another metric is made from it when the
//! summary is written, since each record is on the path of a request.
//!
//! The phases of a request, as they can be told apart by who reads the clock once a turn:
//! - *blocked* and *connecting*: the time it took to connect, for the first request of a connection; 0 for all
//!   others. A virtual user has its connection to itself, so there is no other reason to wait.
//! - *sending*: from handing the request to the ring to the turn that saw it sent. Where the same turn saw the
//!   answer, too, the two can't be told apart: sending is 0 and the time counts as waiting.
//! - *waiting*: from there to the turn that saw the answer's first byte.
//! - *receiving*: from there to the turn that saw its last; 0 for an answer that came in one piece, as nearly all do.
//! - *TLS handshaking*: 0, there is none.
//!
//! The sum of sending, waiting and receiving is the request's duration, exactly. In an open loop (`--rate`) a request has an
//! intended start, which its duration runs from: what it waited for a connection is *blocked*, and is part of the sum.
//!
//! Where clients have a rate or a patience, a refusal (-1, or HTTP 503) and a request that was given up are put aside:
//! `overload` has them, and neither checks nor durations here.

use super::overload::{Overload, Place, Pressure};
use super::scenario::RequestType;
pub(crate) use super::trend::{Figures, TAIL, Trend};

/// The middle of some values; the upper one of two.
pub(crate) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort_by(|one, other| one.partial_cmp(other).expect("values that can be compared"));
    values.get(values.len() / 2).copied()
}

/// What an answer was found to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AnswerCheck {
    /// The HTTP status; 0 where there was no answer.
    pub(crate) status: u16,
    /// The body's `ErrorCode` is 0.
    pub(crate) is_success: bool,
    /// The server could not answer now, and may be asked again: `ErrorCode` -1, or HTTP 503.
    pub(crate) is_refusal: bool,
}

impl AnswerCheck {
    /// What k6 takes for a request that has not failed.
    const fn is_expected(self) -> bool {
        matches!(self.status, 200..=399)
    }

    /// Whether the server has answered.
    pub(crate) const fn is_answer(self) -> bool {
        self.status != 0
    }

    /// The results of the checks, in the order of [`CHECKS`].
    const fn checks(self) -> [bool; CHECKS.len()] {
        [self.status == 200, self.is_success]
    }
}

/// The checks of every answer, under the names that the k6 script gives them.
pub(crate) const CHECKS: [&str; 2] = ["is status 200", "is body errorCode 0"];

/// A request that has ended, times in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// From the end of the step before to the end of this one.
    pub(crate) group: u64,
    /// Part of it that was needed to connect.
    pub(crate) connecting: u64,
    /// From its intended start to when it was handed to the ring; 0 in a closed loop.
    pub(crate) blocked: u64,
    pub(crate) sending: u64,
    pub(crate) waiting: u64,
    pub(crate) receiving: u64,
    pub(crate) verdict: AnswerCheck,
}

impl Sample {
    /// From when it was handed to the ring to its end.
    pub(crate) const fn since_sent(&self) -> u64 {
        self.sending + self.waiting + self.receiving
    }

    /// From its intended start to its end.
    pub(crate) const fn duration(&self) -> u64 {
        self.blocked + self.since_sent()
    }
}

/// How often something was so, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passes: u64,
    pub(crate) fails: u64,
}

impl Tally {
    fn count(&mut self, passed: bool) {
        *(if passed { &mut self.passes } else { &mut self.fails }) += 1;
    }

    /// How often it was looked at.
    pub(crate) const fn total(self) -> u64 {
        self.passes + self.fails
    }
}

/// What was measured of one type of request.
#[derive(Debug, Default)]
pub(crate) struct TypeStats {
    /// Durations of requests that have not failed.
    pub(crate) expected: Trend,
    /// Durations of those that have.
    pub(crate) failed: Trend,
    /// In the order of [`CHECKS`].
    pub(crate) checks: [Tally; CHECKS.len()],
    /// Refused or given up, where that is put aside.
    aside: u64,
}

impl TypeStats {
    /// Requests that have ended.
    pub(crate) fn requests(&self) -> u64 {
        self.expected.count() + self.failed.count() + self.aside
    }

    /// Those whose `ErrorCode` was 0.
    pub(crate) const fn successes(&self) -> u64 {
        self.checks[1].passes
    }

    /// Durations of all of them.
    pub(crate) fn durations(&self) -> Trend {
        Trend::of([&self.expected, &self.failed])
    }
}

/// What was measured of a run.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    types: [TypeStats; RequestType::COUNT],
    pub(crate) group: Trend,
    pub(crate) connecting: Trend,
    pub(crate) blocked: Trend,
    pub(crate) sending: Trend,
    pub(crate) waiting: Trend,
    pub(crate) receiving: Trend,
    pub(crate) iteration: Trend,
    pub(crate) interrupted: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// What clients with a rate or a patience have seen; `None` where they have neither.
    pub(crate) overload: Option<Box<Overload>>,
    requests: u64,
    failed: u64,
    checked: u64,
    failed_checks: u64,
}

impl Stats {
    /// Nothing yet, of clients that press the server in this way.
    pub(crate) fn of_clients(pressure: Pressure) -> Self {
        let overload = pressure.is_any().then(|| Box::new(Overload { pressure, ..Overload::default() }));
        Self { overload, ..Self::default() }
    }

    /// Takes a request that has ended.
    pub(crate) fn record(&mut self, kind: RequestType, sample: &Sample) {
        let duration = sample.duration();
        let of_type = &mut self.types[kind as usize];
        self.requests += 1;
        self.connecting.record(sample.connecting);
        if let Some(overload) = &mut self.overload
            && overload.take(sample) == Place::Aside
        {
            of_type.aside += 1;
            return;
        }
        if sample.verdict.is_expected() {
            of_type.expected.record(duration);
        } else {
            of_type.failed.record(duration);
            self.failed += 1;
        }
        for (tally, passed) in of_type.checks.iter_mut().zip(sample.verdict.checks()) {
            tally.count(passed);
            self.checked += 1;
            self.failed_checks += u64::from(!passed);
        }
        self.group.record(sample.group);
        self.blocked.record(sample.blocked);
        self.sending.record(sample.sending);
        self.waiting.record(sample.waiting);
        self.receiving.record(sample.receiving);
    }

    /// Takes a request that its client has given up.
    pub(crate) fn give_up(&mut self, kind: RequestType, sample: &Sample) {
        self.requests += 1;
        self.types[kind as usize].aside += 1;
        self.connecting.record(sample.connecting);
        if let Some(overload) = &mut self.overload {
            overload.given_up += 1;
        }
    }

    /// What was measured of a type of request.
    pub(crate) const fn of(&self, kind: RequestType) -> &TypeStats {
        &self.types[kind as usize]
    }

    /// Requests that have ended.
    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }

    /// Those of them without an answer that k6 would expect.
    pub(crate) const fn failed(&self) -> u64 {
        self.failed
    }

    /// Durations of all requests.
    pub(crate) fn durations(&self) -> Trend {
        Trend::of(self.types.iter().flat_map(|of_type| [&of_type.expected, &of_type.failed]))
    }

    /// All checks of all answers.
    pub(crate) const fn checks(&self) -> Tally {
        Tally { passes: self.checked - self.failed_checks, fails: self.failed_checks }
    }

    /// Whether every check has passed. A run without one has shown nothing.
    pub(crate) const fn all_passed(&self) -> bool {
        let checks = self.checks();
        checks.fails == 0 && checks.passes > 0
    }

    /// Iterations that came to their end.
    pub(crate) fn iterations(&self) -> u64 {
        self.iteration.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_sample(status: u16, is_success: bool, failed: u64, expect: [Tally; 2]) {
        let mut stats = Stats::default();
        let verdict = AnswerCheck { status, is_success, ..AnswerCheck::default() };
        let sample = Sample { sending: 1, waiting: 20, receiving: 300, verdict, ..Sample::default() };
        stats.record(RequestType::RedeemToken, &sample);
        let of_type = stats.of(RequestType::RedeemToken);
        assert_eq!((stats.requests(), stats.failed(), of_type.requests()), (1, failed, 1));
        assert_eq!(of_type.checks, expect);
        let duration = if failed == 0 { &of_type.expected } else { &of_type.failed };
        assert_eq!(duration.figures().average, 321);
        assert_eq!(stats.checks().fails, expect[0].fails + expect[1].fails);
        assert_eq!(stats.checks().total(), 2);
    }

    #[test]
    fn samples() {
        let (yes, no) = (Tally { passes: 1, fails: 0 }, Tally { passes: 0, fails: 1 });
        check_sample(200, true, 0, [yes, yes]);
        check_sample(200, false, 0, [yes, no]);
        check_sample(204, true, 0, [no, yes]);
        check_sample(503, false, 1, [no, no]);
        check_sample(0, false, 1, [no, no]);
    }
}
