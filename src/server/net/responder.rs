//! What a core needs to answer a request, whatever connection it came on.

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::columns::{CALL_NAMES, HTTP_ROW, column_of_code, column_of_status};
use super::pool::Pool;
use super::readiness::Readiness;
use super::replies::{Expected, Form, Replies};
use super::stages::{Stage, Stages};
use super::undurable::{self, Undurable};
use super::{Waiter, markers};
use api::{Api, BodyFault, Call, Decoded, Probe, Terms};
use clock::Now;
use http::{ContentType, DateHeader, Request, Response, Status};
use metrics::{Memory, Registry, ShardMetrics};
use ring::ConnectionId;
use ring::memory;
use shard::core::Done;
use shard::{Shard, Submitted};
use wallet::Sequence;
use wallet::operation::Operation;
use wallet::outcome::{ErrorCode, Outcome};

/// Which listener a connection came to, and so which calls it may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Game platforms.
    Platform,
    /// The operator.
    Operator,
}

impl Service {
    /// How it asks for credentials.
    const fn challenge(self) -> &'static str {
        match self {
            Self::Platform => "Basic realm=\"wallet\"",
            Self::Operator => "Bearer realm=\"operator\"",
        }
    }
}

/// Nanoseconds of a microsecond.
const NS_PER_US: u64 = 1_000;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is answered.
    Answered,
    /// Another core will answer it. The connection's next request waits until then where that is `last`.
    Elsewhere { last: bool },
    /// It is put off: nothing has changed, and it is to be asked again once an answer has come from another core.
    PutOff,
}

/// An answer that speaks of HTTP.
#[derive(Clone, Copy)]
pub(super) struct HttpAnswer<'a> {
    pub(super) status: Status,
    /// For `Allow`.
    pub(super) allow: Option<&'static str>,
    /// For `WWW-Authenticate`.
    pub(super) challenge: Option<&'static str>,
    /// In place of the status's own sentence.
    pub(super) detail: Option<&'a str>,
}

impl HttpAnswer<'_> {
    /// An answer of this status, and nothing further.
    pub(super) const fn of(status: Status) -> Self {
        Self { status, allow: None, challenge: None, detail: None }
    }
}

/// What `/readyz` answers while the system clock is not followed: the server serves, and by its own time.
const READY_BUT_APART: &str = r#"{"Status":"ok","Reason":"The system clock is too far from the wallet's time, and is not followed: see purser_clock_offset_seconds."}"#;

/// What it answers while what was folded can't be archived.
const READY_BUT_UNARCHIVED: &str = r#"{"Status":"ok","Reason":"What was folded can't be archived, and standard error says why: see purser_archive_age_seconds."}"#;

/// A request as its connection knows it.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    /// The listener that its connection came to.
    pub(super) service: Service,
    /// Who waits for its answer.
    pub(super) waiter: Waiter,
    /// How its answer is written.
    pub(super) form: Form,
    /// When its last byte came, nanoseconds of the clock.
    pub(super) arrived_ns: u64,
}

/// What a core needs to answer requests, apart from its shard.
pub(super) struct Responder {
    pub(super) api: Api,
    pub(super) pool: Pool,
    pub(super) date: DateHeader,
    pub(super) stages: Stages,
    pub(super) metrics: Arc<ShardMetrics>,
    registry: Arc<Registry>,
    readiness: Arc<Readiness>,
    entropy: ChaCha20Rng,
    /// The time of this turn.
    pub(super) now: Now,
    /// The time within which a request is to be answered, unless it says another, milliseconds.
    budget_ms: u64,
    /// Where a body is written before its length is known.
    body: Vec<u8>,
    /// What was asked last.
    last_call: &'static str,
    /// Requests of this turn that were answered within it, by call.
    tally: [u64; Call::ALL.len()],
    /// Answers that wait for a change to be durable.
    undurable: Undurable,
    /// A request has waited in its queue for longer than its time.
    was_late: bool,
}

impl Responder {
    /// A responder that writes `metrics`, with random bits grown from `seed`.
    pub(super) fn new(
        api: Api,
        registry: Arc<Registry>,
        stages: Stages,
        metrics: Arc<ShardMetrics>,
        readiness: Arc<Readiness>,
        budget_ms: u64,
        seed: [u8; 32],
    ) -> Self {
        Self {
            budget_ms,
            api,
            pool: Pool::default(),
            date: DateHeader::default(),
            stages,
            metrics,
            registry,
            readiness,
            entropy: ChaCha20Rng::from_seed(seed),
            now: Now::default(),
            body: Vec::new(),
            last_call: "none",
            tally: [0; Call::ALL.len()],
            undurable: Undurable::default(),
            was_late: false,
        }
    }

    /// The name of the call that was asked last.
    pub(super) const fn last_call(&self) -> &'static str {
        self.last_call
    }

    /// Whether the process is stopping, so that a connection ends with its next answer.
    pub(super) fn is_stopping(&self) -> bool {
        self.readiness.is_stopping()
    }

    /// Answers `request`, or sends it to its owner and keeps a place for its answer.
    pub(super) fn answer(
        &mut self,
        arrival: Arrival,
        request: &Request<'_>,
        replies: &mut Replies,
        shard: &mut Shard<Waiter>,
    ) -> Taken {
        let Arrival { service, waiter, form, .. } = arrival;
        let entropy = &mut self.entropy;
        let mut draw = || u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64());
        let decoded = match service {
            Service::Platform => self.api.platform(request, &mut draw),
            Service::Operator => self.api.operator(request, &mut draw),
        };
        self.stages.lap(waiter.request, Stage::Decode);
        self.last_call = match &decoded {
            Decoded::Operation(call, ..) | Decoded::Refused(call, ..) => call.label(),
            Decoded::Http { .. } | Decoded::Options(_) | Decoded::Probe(_) => CALL_NAMES[HTTP_ROW],
        };
        match decoded {
            Decoded::Operation(call, operation, Terms { describe, budget_ms }) => {
                markers::request_decoded(waiter.request, call.index());
                let budget_ms = budget_ms.map_or(self.budget_ms, u64::from);
                let expected = Expected { call, form, describe, arrived_us: arrival.arrived_ns / NS_PER_US };
                let operation = operation.as_deref();
                if self.is_too_late(arrival.arrived_ns, budget_ms, operation.is_write(), shard) {
                    self.metrics.request_late();
                    self.write_at_once(
                        waiter,
                        &expected,
                        &Outcome::<&str>::Unavailable,
                        |text| text,
                        0,
                        replies,
                    );
                } else if shard.has_room_for(&operation, replies.under_way()) {
                    return self.submit(waiter, budget_ms, &expected, &operation, replies, shard);
                } else {
                    self.stages.leave_out(waiter.request);
                    return Taken::PutOff;
                }
            }
            Decoded::Refused(call, code, fault) => {
                markers::request_decoded(waiter.request, call.index());
                self.refuse_call(call, code, fault.as_ref(), form, replies);
                self.stages.lap(waiter.request, Stage::Encode);
                markers::reply_encoded(waiter.request, call.index(), self.body.len());
            }
            Decoded::Http { status, allow, detail } => {
                self.stages.leave_out(waiter.request);
                let challenge = (status == Status::Unauthorized).then(|| service.challenge());
                let answer = HttpAnswer { status, allow, challenge, detail: detail.as_deref() };
                self.refuse(answer, form, replies);
            }
            Decoded::Options(methods) => {
                self.stages.leave_out(waiter.request);
                let allow = Some(methods);
                self.refuse(HttpAnswer { allow, ..HttpAnswer::of(Status::NoContent) }, form, replies);
            }
            Decoded::Probe(probe) => {
                self.stages.leave_out(waiter.request);
                self.probe(probe, form, replies);
            }
        }
        Taken::Answered
    }

    /// Whether a request has waited in its queue for longer than its time, since this was last asked.
    pub(super) fn was_late(&mut self) -> bool {
        std::mem::take(&mut self.was_late)
    }

    /// Whether a request that came at `arrived_ns` can't be answered within `budget_ms` any more. How long the oldest answer has
    /// waited for the disk says how long a write has still before it.
    fn is_too_late(
        &mut self,
        arrived_ns: u64,
        budget_ms: u64,
        is_write: bool,
        shard: &Shard<Waiter>,
    ) -> bool {
        let budget_us = budget_ms.saturating_mul(1_000);
        let now_us = self.now.mono_us();
        let waits = |since_us: u64| now_us.saturating_sub(since_us) >= budget_us;
        let was_late = waits(arrived_ns / NS_PER_US);
        self.was_late |= was_late;
        was_late
            || is_write && self.undurable.oldest_us().is_some_and(waits)
            || self.undurable.len() + shard.under_way() >= limits::REQUESTS_IN_HAND_MAX
    }

    /// Has the shard apply `operation`.
    fn submit(
        &mut self,
        waiter: Waiter,
        budget_ms: u64,
        expected: &Expected,
        operation: &Operation<&str>,
        replies: &mut Replies,
        shard: &mut Shard<Waiter>,
    ) -> Taken {
        let call = expected.call;
        let waited_ms = self.now.mono_us().saturating_sub(expected.arrived_us) / 1_000;
        let deadline_ms = self.now.wall_ms.saturating_add(budget_ms.saturating_sub(waited_ms));
        if let Submitted::Done(Done { outcome, after }) =
            shard.submit(self.now.wall_ms, deadline_ms, waiter, operation)
        {
            self.stages.lap(waiter.request, Stage::Apply);
            // What is durable is known here before every connection was told.
            let after = if after <= shard.durable() { 0 } else { after };
            markers::request_applied(waiter.request, call.index(), after);
            let view = shard.wallet().view(operation);
            self.write_at_once(waiter, expected, &outcome, view, after, replies);
            return Taken::Answered;
        }
        markers::request_sent_to_shard(waiter.request, call.index());
        replies.wait(*expected);
        // One step at another core comes before the next request's, since lanes keep the order. Further
        // steps would not: and only safe methods may be carried out side by side (RFC 9112 §9.3.2). Where an answer may be
        // long, the next request waits, too: what waits for a connection is bounded.
        Taken::Elsewhere { last: operation.may_go_on() || call.has_long_answers() }
    }

    /// Writes the answer of a request in its turn; nobody may read it before the change of sequence `after` is durable,
    /// where that is not 0.
    fn write_at_once<'a, S>(
        &mut self,
        waiter: Waiter,
        expected: &Expected,
        outcome: &'a Outcome<S>,
        text: impl Fn(&'a S) -> &'a str,
        after: Sequence,
        replies: &mut Replies,
    ) {
        let Expected { call, arrived_us, .. } = *expected;
        let now_us = self.now.mono_us();
        if after > 0 {
            self.undurable.push(after, undurable::Answer { waiter, call, arrived_us, applied_us: now_us });
        } else if arrived_us == now_us {
            self.tally[call.index()] += 1;
        } else {
            self.metrics.took(call.index(), now_us.saturating_sub(arrived_us), 1);
        }
        let out = replies.next(after, &mut self.pool);
        write_outcome(&mut self.body, &self.date, &self.metrics, expected, outcome, text, out);
        self.stages.lap(waiter.request, Stage::Encode);
        markers::reply_encoded(waiter.request, call.index(), self.body.len());
    }

    /// Writes the answer of a request that went elsewhere; nobody may read it before the change of sequence `after` is
    /// durable, where that is not 0.
    pub(super) fn fill<S: AsRef<str>>(
        &mut self,
        replies: &mut Replies,
        waiter: Waiter,
        outcome: &Outcome<S>,
        after: Sequence,
    ) {
        let Self { body, date, stages, metrics, pool, now, undurable, .. } = self;
        replies.fill(waiter.place, after, pool, |expected, out| {
            let Expected { call, arrived_us, .. } = *expected;
            stages.lap(waiter.request, Stage::Lane);
            markers::request_back_from_shard(waiter.request, call.index(), after);
            if after == 0 {
                metrics.took(call.index(), now.mono_us().saturating_sub(arrived_us), 1);
            } else {
                let applied_us = now.mono_us();
                undurable.push(after, undurable::Answer { waiter, call, arrived_us, applied_us });
            }
            write_outcome(body, date, metrics, expected, outcome, AsRef::as_ref, out);
            stages.lap(waiter.request, Stage::Encode);
            markers::reply_encoded(waiter.request, call.index(), body.len());
        });
    }

    /// What was changed up to `durable` is on stable storage. `tell` is given connections that have an answer which waited for
    /// it, and for which change; some in each turn. `true` where there were any.
    pub(super) fn on_durable(
        &mut self,
        durable: Sequence,
        mut tell: impl FnMut(&mut Pool, ConnectionId, Sequence),
    ) -> bool {
        for told in 0..self.undurable.share() {
            let Some((after, answer)) = self.undurable.pop(durable) else { return told > 0 };
            let undurable::Answer { waiter, call, arrived_us, .. } = answer;
            self.stages.lap(waiter.request, Stage::Journal);
            markers::request_durable(waiter.request, call.index(), after);
            self.metrics.took(call.index(), self.now.mono_us().saturating_sub(arrived_us), 1);
            tell(&mut self.pool, waiter.connection, after);
        }
        true
    }

    /// Writes the answer to a platform's call that did not reach the wallet.
    fn refuse_call(
        &mut self,
        call: Call,
        code: ErrorCode,
        fault: Option<&BodyFault>,
        form: Form,
        replies: &mut Replies,
    ) {
        self.tally[call.index()] += 1;
        self.metrics.answered(call.index(), column_of_code(code));
        self.body.clear();
        api::encode_refusal(code, fault.map(BodyFault::sentence).as_deref(), &mut self.body);
        let Form { persistence, omit_body } = form;
        let response = Response { persistence, omit_body, ..Response::json(Status::Ok, &self.body) };
        http::write_response(replies.next(0, &mut self.pool), &self.date, &response);
    }

    /// Writes an answer that speaks of HTTP.
    pub(super) fn refuse(&mut self, answer: HttpAnswer<'_>, form: Form, replies: &mut Replies) {
        let Form { persistence, omit_body } = form;
        let HttpAnswer { status, allow, challenge, detail } = answer;
        self.metrics.answered(HTTP_ROW, column_of_status(status));
        self.body.clear();
        api::encode_error(status, detail, &mut self.body);
        let response =
            Response { allow, challenge, persistence, omit_body, ..Response::json(status, &self.body) };
        http::write_response(replies.next(0, &mut self.pool), &self.date, &response);
    }

    fn probe(&mut self, probe: Probe, form: Form, replies: &mut Replies) {
        let mut text = String::new();
        let (content_type, body) = match (probe, self.readiness.reason()) {
            (Probe::Readyz, Some(reason)) => {
                let detail = Some(reason);
                let answer = HttpAnswer { detail, ..HttpAnswer::of(Status::Unavailable) };
                return self.refuse(answer, form, replies);
            }
            (Probe::Readyz, None) if self.readiness.is_apart() => (ContentType::Json, READY_BUT_APART),
            (Probe::Readyz, None) if self.readiness.is_unarchived() => {
                (ContentType::Json, READY_BUT_UNARCHIVED)
            }
            (Probe::Healthz | Probe::Readyz, _) => (ContentType::Json, r#"{"Status":"ok"}"#),
            (Probe::Metrics, _) => {
                let memory = Memory { heap: self.registry.heap(), resident: memory::resident() };
                self.registry.write(memory, &mut text);
                (ContentType::PrometheusText, text.as_str())
            }
        };
        self.metrics.answered(HTTP_ROW, column_of_status(Status::Ok));
        let Form { persistence, omit_body } = form;
        let response =
            Response { persistence, omit_body, content_type, ..Response::json(Status::Ok, body.as_bytes()) };
        http::write_response(replies.next(0, &mut self.pool), &self.date, &response);
    }

    /// Counts the latency of what was answered within the turn that ends at `ended_us`.
    pub(super) fn end_turn(&mut self, ended_us: u64) {
        let took_us = ended_us.saturating_sub(self.now.mono_us());
        for (call, times) in self.tally.iter_mut().enumerate().filter(|(_, times)| **times > 0) {
            self.metrics.took(call, took_us, std::mem::take(times));
        }
    }
}

fn write_outcome<'a, S>(
    body: &mut Vec<u8>,
    date: &DateHeader,
    metrics: &ShardMetrics,
    expected: &Expected,
    outcome: &'a Outcome<S>,
    text: impl Fn(&'a S) -> &'a str,
    out: &mut Vec<u8>,
) {
    body.clear();
    let status = api::encode(expected.call, outcome, text, expected.describe, body);
    let column = match platform_code(outcome) {
        Some(code) if status == Status::Ok => column_of_code(code),
        _ => column_of_status(status),
    };
    metrics.answered(expected.call.index(), column);
    let Form { persistence, omit_body } = expected.form;
    http::write_response(out, date, &Response { persistence, omit_body, ..Response::json(status, body) });
}

/// The `ErrorCode` that an outcome tells a platform; none where the outcome is the operator's.
const fn platform_code<S>(outcome: &Outcome<S>) -> Option<ErrorCode> {
    match outcome {
        Outcome::Balance(_)
        | Outcome::Token(_)
        | Outcome::WrappedToken { .. }
        | Outcome::Redeemed(_)
        | Outcome::Done { .. }
        | Outcome::Noted(_) => Some(ErrorCode::Success),
        Outcome::Refused { code, .. } => Some(*code),
        Outcome::Unavailable => Some(ErrorCode::Unknown),
        _ => None,
    }
}
