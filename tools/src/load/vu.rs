//! A virtual user: the step that it is at, the request under way, and when what happened to it.
//!
//! No socket and no ring here. The driver tells a virtual user what came and carries out what follows.

use purser::net::ring::ConnectionId;

use super::answer::{Assembly, Framed};
use super::clock::{Timestamp, put_digits};
use super::request::{ITERATION_DIGITS, Request};
use super::scenario::{Player, RequestType, Site, Step};
use super::stats::{Sample, Verdict};

/// What a virtual user waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To be connected.
    Unconnected,
    /// For the answer.
    Asking,
    /// It has the answer and waits for the ring to give its request back.
    Answered,
    /// For the last operation on a connection that is of no use any more.
    Closing,
    /// For nothing: it has played its last iteration.
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

/// When what happened, in nanoseconds; 0 for what has not.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    iteration_began: u64,
    group_began: u64,
    asked: u64,
    sent: u64,
    first_byte: u64,
}

/// A virtual user.
#[derive(Debug)]
pub(crate) struct Vu {
    pub(crate) phase: Phase,
    /// `None` while it is unconnected.
    pub(crate) connection: Option<ConnectionId>,
    /// Time that the connection took, until a request has accounted for it.
    pub(crate) connecting_ns: u64,
    player: Player,
    steps: &'static [Step],
    /// One for each step.
    requests: Vec<Request>,
    step: usize,
    /// Iterations that have ended.
    iterations: u64,
    /// The same in the digits of ids: written once an iteration, copied into its requests.
    iteration_text: [u8; ITERATION_DIGITS],
    /// The request that the ring has.
    sending: Option<usize>,
    attempts: u64,
    answer: Assembly,
    times: Times,
}

impl Vu {
    /// A virtual user that plays these steps from `now_ns` on; `token` is the one to redeem first.
    pub(crate) fn new(
        player: Player,
        steps: &'static [Step],
        site: &Site,
        token: &[u8],
        now_ns: u64,
    ) -> Self {
        let requests = steps.iter().map(|step| Request::compose(*step, site, player, token)).collect();
        Self {
            phase: Phase::Unconnected,
            connection: None,
            connecting_ns: 0,
            player,
            steps,
            requests,
            step: 0,
            iterations: 0,
            iteration_text: [b'0'; ITERATION_DIGITS],
            sending: None,
            attempts: 0,
            answer: Assembly::default(),
            times: Times { iteration_began: now_ns, group_began: now_ns, ..Times::default() },
        }
    }

    /// The kind of the request under way, or of the next one.
    pub(crate) const fn kind(&self) -> RequestType {
        self.steps[self.step].kind()
    }

    /// Whether the ring has a request of this virtual user.
    pub(crate) const fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// When the request under way was handed to the ring.
    pub(crate) const fn asked_ns(&self) -> u64 {
        self.times.asked
    }

    /// The bytes of the step's request, for the ring to send.
    pub(crate) fn ask(&mut self, timestamp: &Timestamp, now_ns: u64) -> Vec<u8> {
        debug_assert!(self.sending.is_none(), "the last request is back");
        self.phase = Phase::Asking;
        self.answer.clear();
        self.attempts += 1;
        self.sending = Some(self.step);
        self.times.asked = now_ns;
        self.times.sent = 0;
        self.times.first_byte = 0;
        self.requests[self.step].take(self.attempts, &self.iteration_text, timestamp)
    }

    /// Begins a request that can't be sent: all its phases last no time, as k6 counts it.
    pub(crate) fn begin_nothing(&mut self, now_ns: u64) {
        self.times.asked = now_ns;
        self.times.sent = 0;
        self.times.first_byte = 0;
    }

    /// Takes a request back from the ring.
    pub(crate) fn on_sent(&mut self, bytes: Vec<u8>, now_ns: u64) {
        let step = self.sending.take().expect("what comes back was handed over");
        self.requests[step].give_back(bytes);
        self.times.sent = now_ns;
    }

    /// Takes bytes of the answer.
    pub(crate) fn on_bytes(&mut self, bytes: &[u8], site: &Site, now_ns: u64) -> Heard {
        if self.times.first_byte == 0 {
            self.times.first_byte = now_ns;
        }
        match self.answer.feed(bytes) {
            Framed::Partial => Heard::Part,
            Framed::Unframeable => Heard::Noise,
            Framed::Whole(answer) => {
                let verdict = Verdict { status: answer.status, is_success: answer.is_success() };
                let closes = answer.closes;
                if self.steps[self.step] == Step::CreateToken {
                    let token = answer.session_token().unwrap_or_default();
                    put_token(&mut self.requests, self.steps, token, site, self.player);
                }
                Heard::Answer { verdict, closes }
            }
        }
    }

    /// Without an answer the next token to redeem is none: redeeming the old one again would hide it.
    pub(crate) fn forget_token(&mut self, site: &Site) {
        if self.kind() == RequestType::CreateToken {
            put_token(&mut self.requests, self.steps, b"", site, self.player);
        }
    }

    /// Ends the step: what is to be recorded of it, and the duration of the iteration where it was its last.
    pub(crate) fn finish_step(&mut self, verdict: Verdict, now_ns: u64) -> (Sample, Option<u64>) {
        let Times { asked, sent, first_byte, .. } = self.times;
        let first_byte = if first_byte == 0 { now_ns } else { first_byte };
        let sending = if sent < first_byte { sent.saturating_sub(asked) } else { 0 };
        let sample = Sample {
            group: now_ns - self.times.group_began,
            connecting: std::mem::take(&mut self.connecting_ns),
            sending,
            waiting: first_byte - asked - sending,
            receiving: now_ns - first_byte,
            verdict,
        };
        self.times.group_began = now_ns;
        self.times.asked = now_ns;
        self.times.sent = 0;
        self.times.first_byte = 0;
        self.step += 1;
        if self.step < self.steps.len() {
            return (sample, None);
        }
        self.step = 0;
        self.iterations += 1;
        put_digits(&mut self.iteration_text, self.iterations);
        let iteration = now_ns - std::mem::replace(&mut self.times.iteration_began, now_ns);
        (sample, Some(iteration))
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
mod tests {
    use super::super::scenario::Scenario;
    use super::super::scenario::tests::site;
    use super::*;

    const OK: Verdict = Verdict { status: 200, is_success: true };

    fn vu(scenario: Scenario) -> Vu {
        Vu::new(Player { number: 1 }, scenario.steps(), &site(), b"first", 100)
    }

    /// Plays a step; `sent` and `pieces` are the times of the request's and the answer's events, in their order.
    fn play(vu: &mut Vu, asked: u64, sent: u64, pieces: &[(u64, &[u8])]) -> (Heard, Sample, Option<u64>) {
        let bytes = vu.ask(&Timestamp::new(0), asked);
        vu.on_sent(bytes, sent);
        let mut heard = Heard::Part;
        let mut now = asked;
        for (at, piece) in pieces {
            now = *at;
            heard = vu.on_bytes(piece, &site(), now);
        }
        let (sample, iteration) = vu.finish_step(OK, now);
        (heard, sample, iteration)
    }

    #[track_caller]
    fn check_phases(sent: u64, pieces: &[(u64, &[u8])], expect: [u64; 4]) {
        let mut vu = vu(Scenario::Balance);
        let (_, sample, iteration) = play(&mut vu, 110, sent, pieces);
        assert_eq!([sample.group, sample.sending, sample.waiting, sample.receiving], expect);
        assert_eq!(iteration, Some(expect[0]));
    }

    #[test]
    fn phases() {
        let (head, body): (&[u8], &[u8]) = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}");
        check_phases(120, &[(150, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")], [50, 10, 30, 0]);
        check_phases(120, &[(150, head), (155, body)], [55, 10, 30, 5]);
        // Seen sent by the same turn as the first byte, or by a later one.
        check_phases(150, &[(150, head), (155, body)], [55, 0, 40, 5]);
        check_phases(155, &[(150, head), (155, body)], [55, 0, 40, 5]);
    }

    #[track_caller]
    fn check_token(answer: &str, expect: &str) {
        let mut vu = vu(Scenario::Seed);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        let mut iterations = Vec::new();
        for step in 0..3 {
            let (heard, _, iteration) = play(&mut vu, 110, 120, &[(130 + step, answer.as_bytes())]);
            assert!(matches!(heard, Heard::Answer { closes: false, .. }));
            iterations.push(iteration);
        }
        assert_eq!(iterations, [None, None, Some(32)]);
        assert_eq!(vu.kind(), RequestType::Balance);
        play(&mut vu, 140, 141, &[(142, answer.as_bytes())]);
        let redeem = String::from_utf8(vu.ask(&Timestamp::new(0), 150)).expect("UTF-8");
        assert!(redeem.contains(&format!("\"SessionToken\":\"{expect}\"")), "{redeem}");
    }

    #[test]
    fn the_token_of_the_last_answer_is_redeemed() {
        check_token(r#"{"ErrorCode":0,"Result":{"SessionToken":"other"}}"#, "other");
        check_token(r#"{"ErrorCode":0,"Result":{"SessionToken":"a longer one"}}"#, "a longer one");
        check_token(r#"{"ErrorCode":-5}"#, "");
    }

    /// Plays two iterations: each has its own count in the ids of its rounds, the same in all its steps.
    #[track_caller]
    fn check_iterations(scenario: Scenario, with_rounds: usize) {
        let mut vu = vu(scenario);
        for count in ["000000000000", "000000000001"] {
            let id = format!("\"GameRoundID\":\"19ab5f62c00-000001-{count}-");
            let mut found = 0;
            for _ in scenario.steps() {
                let bytes = vu.ask(&Timestamp::new(0), 110);
                let request = String::from_utf8(bytes.clone()).expect("UTF-8");
                assert_eq!(request.contains(&id), request.contains("GameRoundID"), "{request}");
                found += usize::from(request.contains(&id));
                vu.on_sent(bytes, 120);
                vu.finish_step(OK, 130);
            }
            assert_eq!(found, with_rounds);
        }
    }

    #[test]
    fn iterations_have_rounds_of_their_own() {
        check_iterations(Scenario::Full, 11);
        check_iterations(Scenario::Bet, 1);
    }

    #[test]
    fn what_is_no_answer() {
        let mut vu = vu(Scenario::Balance);
        let (heard, ..) = play(&mut vu, 110, 120, &[(130, b"SSH-2.0\r\n")]);
        assert_eq!(heard, Heard::Noise);
    }
}
