//! A virtual user: the step that it is at, the requests under way, and when what happened to them.
//!
//! No socket and no ring here. The driver tells a virtual user what came and carries out what follows.

use purser::net::ring::ConnectionId;

use super::accounts::Draw;
use super::answer::{Assembly, Framed};
use super::clock::{Timestamp, put_digits};
use super::lanes::Lanes;
use super::request::{ITERATION_DIGITS, Request};
use super::scenario::{Player, RequestType, Site, Step};
use super::stats::{Sample, Verdict};

/// What a virtual user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits to be connected.
    Unconnected,
    /// It asks and hears answers.
    Playing,
    /// It waits for the last operation on a connection that is of no use any more.
    Closing,
    /// Nothing: it has played its last iteration.
    Done,
}

/// What the bytes of an answer have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A part of it.
    Part,
    /// All of it.
    Answer {
        verdict: Verdict,
        /// The server ends the connection after it.
        closes: bool,
    },
    /// Not an answer.
    Noise,
}

/// How a virtual user plays.
#[derive(Debug)]
pub(crate) struct Manner {
    pub(crate) player: Player,
    /// Over and over.
    pub(crate) steps: &'static [Step],
    /// Requests that it has under way at a time; more than one where there is one step alone.
    pub(crate) depth: usize,
    /// What it draws the account of each request from; `None` where it has one.
    pub(crate) draw: Option<Draw>,
}

/// A virtual user.
#[derive(Debug)]
pub(crate) struct Vu {
    pub(crate) phase: Phase,
    /// `None` while it is unconnected.
    pub(crate) connection: Option<ConnectionId>,
    /// Time that the connection took, until a request has accounted for it.
    pub(crate) connecting_ns: u64,
    manner: Manner,
    /// One for each step.
    requests: Vec<Request>,
    step: usize,
    /// Iterations that have begun.
    iterations: u64,
    /// The number of the last of them, from 0, in the digits of ids: written once an iteration, copied into its
    /// requests.
    iteration_text: [u8; ITERATION_DIGITS],
    /// The step whose request the ring has.
    sending: Option<usize>,
    /// Where several requests go out in one piece.
    batch: Vec<u8>,
    attempts: u64,
    answer: Assembly,
    lanes: Lanes,
}

impl Vu {
    /// A virtual user that plays from `now_ns` on; `token` is the one to redeem first.
    pub(crate) fn new(manner: Manner, site: &Site, token: &[u8], now_ns: u64) -> Self {
        let Manner { player, steps, depth, .. } = manner;
        assert!(depth == 1 || steps.len() == 1, "a step that waits for the one before has nothing beside it");
        let requests = steps.iter().map(|step| Request::compose(*step, site, player, token)).collect();
        Self {
            phase: Phase::Unconnected,
            connection: None,
            connecting_ns: 0,
            manner,
            requests,
            step: 0,
            iterations: 0,
            iteration_text: [b'0'; ITERATION_DIGITS],
            sending: None,
            batch: Vec::new(),
            attempts: 0,
            answer: Assembly::default(),
            lanes: Lanes::new(depth, now_ns),
        }
    }

    /// The kind of the request under way, or of the next one.
    pub(crate) const fn kind(&self) -> RequestType {
        self.manner.steps[self.step].kind()
    }

    /// Whether the ring has requests of this virtual user.
    pub(crate) const fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Whether it has played a part of an iteration, and not all of it.
    pub(crate) const fn is_within_iteration(&self) -> bool {
        self.step > 0
    }

    /// The requests under way.
    pub(crate) const fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// The bytes of as many requests as it may have under way beside those that are, for the ring to send.
    pub(crate) fn ask(&mut self, timestamp: &Timestamp, now_ns: u64) -> Vec<u8> {
        debug_assert!(self.sending.is_none() && !self.lanes.is_full(), "the last requests are back");
        self.phase = Phase::Playing;
        self.sending = Some(self.step);
        if self.lanes.depth() == 1 {
            self.begin(now_ns);
            self.draw();
            return self.requests[self.step].take(self.attempts, &self.iteration_text, timestamp);
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        while !self.lanes.is_full() {
            self.begin(now_ns);
            self.draw();
            let request = &mut self.requests[self.step];
            batch.extend_from_slice(request.write(self.attempts, &self.iteration_text, timestamp));
        }
        batch
    }

    /// Begins a request that can't be sent: all its phases last no time, as k6 counts it.
    pub(crate) fn begin_nothing(&mut self, now_ns: u64) {
        self.begin(now_ns);
    }

    fn draw(&mut self) {
        if let Some(draw) = &mut self.manner.draw {
            self.requests[self.step].put_account(draw.next());
        }
    }

    fn begin(&mut self, now_ns: u64) {
        self.lanes.begin(now_ns);
        self.attempts += 1;
        if self.step == 0 {
            put_digits(&mut self.iteration_text, self.iterations);
            self.iterations += 1;
        }
    }

    /// Takes what was sent back from the ring.
    pub(crate) fn on_sent(&mut self, bytes: Vec<u8>, now_ns: u64) {
        let step = self.sending.take().expect("what comes back was handed over");
        if self.lanes.depth() == 1 {
            self.requests[step].give_back(bytes);
        } else {
            self.batch = bytes;
        }
        self.lanes.sent(now_ns);
    }

    /// Makes ready for a connection that is new: what was heard on the one before is of no use.
    pub(crate) fn forget_heard(&mut self) {
        self.answer.clear();
    }

    /// Takes the bytes of the oldest request's answer off `bytes`.
    pub(crate) fn on_bytes(&mut self, bytes: &mut &[u8], site: &Site, now_ns: u64) -> Heard {
        if self.lanes.under_way() == 0 {
            return Heard::Noise;
        }
        let times = self.lanes.oldest();
        if times.first_byte == 0 {
            times.first_byte = now_ns;
        }
        let heard = match self.answer.feed(bytes) {
            Framed::Partial => return Heard::Part,
            Framed::Unframeable => return Heard::Noise,
            // More than was asked for, so that nobody can tell which part of it is the answer.
            Framed::Whole(_) if !bytes.is_empty() && self.lanes.under_way() == 1 => return Heard::Noise,
            Framed::Whole(answer) => {
                let verdict = Verdict { status: answer.status, is_success: answer.is_success() };
                let closes = answer.closes;
                let Manner { steps, player, .. } = self.manner;
                if steps[self.step] == Step::CreateToken {
                    let token = answer.session_token().unwrap_or_default();
                    put_token(&mut self.requests, steps, token, site, player);
                }
                Heard::Answer { verdict, closes }
            }
        };
        self.answer.clear();
        heard
    }

    /// Without an answer the next token to redeem is none: redeeming the old one again would hide it.
    pub(crate) fn forget_token(&mut self, site: &Site) {
        if self.kind() == RequestType::CreateToken {
            put_token(&mut self.requests, self.manner.steps, b"", site, self.manner.player);
        }
    }

    /// Ends the oldest request: what is to be recorded of it, and the duration of the iteration where it was its
    /// last.
    pub(crate) fn finish_step(&mut self, verdict: Verdict, now_ns: u64) -> (Sample, Option<u64>) {
        let ends_iteration = self.step + 1 == self.manner.steps.len();
        let times = self.lanes.end(now_ns, ends_iteration);
        let first_byte = if times.first_byte == 0 { now_ns } else { times.first_byte };
        let sending = if times.sent < first_byte { times.sent.saturating_sub(times.asked) } else { 0 };
        let sample = Sample {
            group: now_ns - times.group_began,
            connecting: std::mem::take(&mut self.connecting_ns),
            sending,
            waiting: first_byte - times.asked - sending,
            receiving: now_ns - first_byte,
            verdict,
        };
        self.step = if ends_iteration { 0 } else { self.step + 1 };
        (sample, ends_iteration.then(|| now_ns - times.iteration_began))
    }
}

fn put_token(requests: &mut [Request], steps: &[Step], token: &[u8], site: &Site, player: Player) {
    let redeem = steps.iter().position(|step| *step == Step::RedeemToken);
    let Some(redeem) = redeem.map(|step| &mut requests[step]) else { return };
    if !redeem.put_token(token) {
        *redeem = Request::compose(Step::RedeemToken, site, player, token);
    }
}

#[cfg(test)]
mod tests;
