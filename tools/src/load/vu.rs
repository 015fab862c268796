//! A virtual user: the step that it is at, the requests under way, and when what happened to them.
//!
//! No socket and no ring here. The driver tells a virtual user what came and carries out what follows.

use std::net::TcpStream;

use ring::ConnectionId;

use super::accounts::Draw;
use super::answer::{Assembly, Framed};
use super::clock::{Timestamp, put_digits};
use super::lanes::{LaneTimes, Lanes};
use super::request::{ITERATION_DIGITS, Request};
use super::scenario::{RequestType, Site, Step, UserIdentity};
use super::stats::{AnswerCheck, Sample};

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
        verdict: AnswerCheck,
        /// The server ends the connection after it.
        closes: bool,
    },
    /// Not an answer.
    Noise,
}

/// How a virtual user plays.
#[derive(Debug)]
pub(crate) struct Behaviour {
    pub(crate) player: UserIdentity,
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
    /// The same connection for a client that may give it up: shut down by it, all that the ring has under way ends at once.
    pub(crate) socket: Option<TcpStream>,
    /// Whether the connection has brought an answer.
    pub(crate) has_answered: bool,
    /// Whether this side ended it.
    pub(crate) has_given_up: bool,
    /// Whether it is among those that may be given the next request of an open loop, and since when it can take one.
    pub(crate) is_ready: bool,
    pub(crate) free_ns: u64,
    /// Time that the connection took, until a request has accounted for it.
    pub(crate) connecting_ns: u64,
    manner: Behaviour,
    /// One for each step.
    requests: Vec<Request>,
    step: usize,
    /// The iteration was broken off, and a token is needed before the next one can begin.
    is_recovering: bool,
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
    pub(crate) fn new(manner: Behaviour, site: &Site, token: &[u8], now_ns: u64) -> Self {
        let Behaviour { player, steps, depth, .. } = manner;
        assert!(depth == 1 || steps.len() == 1, "a step that waits for the one before has nothing beside it");
        let requests = steps.iter().map(|step| Request::compose(*step, site, player, token)).collect();
        Self {
            phase: Phase::Unconnected,
            connection: None,
            socket: None,
            has_answered: false,
            has_given_up: false,
            is_ready: false,
            free_ns: now_ns,
            connecting_ns: 0,
            manner,
            requests,
            step: 0,
            is_recovering: false,
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

    /// Whether it has played a part of an iteration, and not all of it.
    pub(crate) const fn is_within_iteration(&self) -> bool {
        self.step > 0 && !self.is_recovering
    }

    /// The requests under way.
    pub(crate) const fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// The bytes of as many requests as it may have under way beside those that are, for the ring to send.
    pub(crate) fn ask(&mut self, timestamp: &Timestamp, now_ns: u64) -> Vec<u8> {
        self.ask_some(timestamp, self.lanes.room(), |vu| vu.begin(now_ns))
    }

    /// The bytes of requests that were to be asked at these times, at most as many as it may have under way beside those
    /// that are.
    pub(crate) fn ask_intended(
        &mut self,
        timestamp: &Timestamp,
        now_ns: u64,
        mut intended: impl ExactSizeIterator<Item = u64>,
    ) -> Vec<u8> {
        self.ask_some(timestamp, intended.len(), |vu| {
            let intended_ns = intended.next().expect("as many as are counted");
            vu.lanes.begin_intended(intended_ns, now_ns, vu.step == 0);
            vu.count_attempt();
        })
    }

    fn ask_some(&mut self, timestamp: &Timestamp, count: usize, mut begin: impl FnMut(&mut Self)) -> Vec<u8> {
        debug_assert!(self.sending.is_none() && self.lanes.room() >= count, "the last requests are back");
        self.phase = Phase::Playing;
        self.sending = Some(self.step);
        if self.lanes.depth() == 1 {
            begin(self);
            self.draw();
            return self.requests[self.step].take(self.attempts, &self.iteration_text, timestamp);
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        for _ in 0..count {
            begin(self);
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

    /// Whether a request can be handed to it now.
    pub(crate) fn can_ask(&self) -> bool {
        self.phase == Phase::Playing && self.sending.is_none() && !self.lanes.is_full()
    }

    fn draw(&mut self) {
        if let Some(draw) = &mut self.manner.draw {
            self.requests[self.step].put_account(draw.next());
        }
    }

    fn begin(&mut self, now_ns: u64) {
        self.lanes.begin(now_ns);
        self.count_attempt();
    }

    fn count_attempt(&mut self) {
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
        (self.has_answered, self.has_given_up) = (false, false);
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
                let is_success = answer.is_success();
                let is_refusal = !is_success && answer.is_refusal();
                let verdict = AnswerCheck { status: answer.status, is_success, is_refusal };
                let closes = answer.closes;
                let Behaviour { steps, player, .. } = self.manner;
                if steps[self.step] == Step::CreateToken {
                    let token = answer.session_token().unwrap_or_default();
                    put_token(&mut self.requests, steps, token, site, player);
                }
                Heard::Answer { verdict, closes }
            }
        };
        self.answer.clear();
        self.has_answered = true;
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
    pub(crate) fn finish_step(&mut self, verdict: AnswerCheck, now_ns: u64) -> (Sample, Option<u64>) {
        let ends_iteration = self.step + 1 == self.manner.steps.len();
        let (sample, times) = self.end(verdict, now_ns, ends_iteration);
        self.step = if ends_iteration { 0 } else { self.step + 1 };
        let is_whole = !(ends_iteration && std::mem::take(&mut self.is_recovering));
        (sample, (ends_iteration && is_whole).then(|| now_ns - times.iteration_began))
    }

    /// Ends the oldest request, which was not done, and breaks the iteration off where later steps depend on it. The next
    /// one begins with its first step; where it redeems a token, the one that it would redeem may be spent, and another is
    /// asked for before.
    pub(crate) fn break_off(&mut self, verdict: AnswerCheck, now_ns: u64) -> Sample {
        let Behaviour { steps, .. } = self.manner;
        if steps.len() > 1
            && matches!(steps[self.step], Step::Balance | Step::Credit { .. } | Step::Alert { .. })
        {
            return self.finish_step(verdict, now_ns).0;
        }
        let (sample, _) = self.end(verdict, now_ns, true);
        let redeems = steps.contains(&Step::RedeemToken);
        let mint = steps.iter().position(|step| *step == Step::CreateToken).filter(|_| redeems);
        self.is_recovering = mint.is_some();
        self.step = mint.unwrap_or(0);
        sample
    }

    fn end(&mut self, verdict: AnswerCheck, now_ns: u64, ends_iteration: bool) -> (Sample, LaneTimes) {
        let times = self.lanes.end(now_ns, ends_iteration);
        let first_byte = if times.first_byte == 0 { now_ns } else { times.first_byte };
        let sending = if times.sent < first_byte { times.sent.saturating_sub(times.asked) } else { 0 };
        let sample = Sample {
            group: now_ns - times.group_began,
            connecting: std::mem::take(&mut self.connecting_ns),
            blocked: times.asked - times.intended,
            sending,
            waiting: first_byte - times.asked - sending,
            receiving: now_ns - first_byte,
            verdict,
        };
        (sample, times)
    }
}

fn put_token(requests: &mut [Request], steps: &[Step], token: &[u8], site: &Site, player: UserIdentity) {
    let redeem = steps.iter().position(|step| *step == Step::RedeemToken);
    let Some(redeem) = redeem.map(|step| &mut requests[step]) else { return };
    if !redeem.put_token(token) {
        *redeem = Request::compose(Step::RedeemToken, site, player, token);
    }
}

#[cfg(test)]
mod tests;
