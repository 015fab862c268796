//! One connection: a state machine that bytes, answers, completions and time move on. It is no task, it holds no
//! buffer while it is idle, and it touches the ring only through what [`Connection::settle`] asks of it.

use std::io;

use super::desk::{Desk, HttpAnswer, Service, Taken};
use super::pool::Pool;
use super::replies::{Form, Replies};
use super::ring::{ConnectionId, Ring};
use super::stages::Stages;
use super::{Timeouts, Waiter, markers};
use crate::http::{self, Framed, Framer, Method, Request, Status};
use crate::limits;
use crate::shard::Shard;
use crate::wallet::Sequence;
use crate::wallet::outcome::Outcome;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Requests are taken.
    Open,
    /// No further request is taken; answers still go out.
    Ending,
    /// All answers are out and this side has ended; what the peer still sends is read and thrown away, so that
    /// the last answer is not lost to a reset (RFC 9112 §9.6).
    Lingering,
    /// Nothing more is exchanged; it closes once the ring is quiet.
    Aborting,
    /// Closed; the driver drops the entry.
    Closed,
}

/// What a connection waits for, and so which time-out it is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Request,
    RestOfRequest,
    Answer,
    PeerReads,
    PeerEnds,
}

/// One connection of a core.
#[derive(Debug)]
pub(super) struct Connection {
    id: ConnectionId,
    service: Service,
    framer: Framer,
    /// Bytes that are not framed yet; no memory where there are none.
    backlog: Vec<u8>,
    replies: Replies,
    phase: Phase,
    receiving: bool,
    sending: bool,
    /// The peer has ended its side.
    peer_ended: bool,
    /// The ring was told to cancel all that is under way.
    cancelled: bool,
    /// The backlog is the beginning of a message: only more bytes help.
    needs_bytes: bool,
    /// The place of a request that the next one must wait for.
    barrier: Option<u32>,
    /// The next request was put off until one at another core is answered.
    put_off: bool,
    /// The request whose stages are timed; at most one at a time.
    sampled: Option<u8>,
    /// Waits to be settled at the end of the turn.
    pub(super) queued: bool,
    wait: Wait,
    since_ms: u64,
    lingered_bytes: usize,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, service: Service, now_ms: u64) -> Self {
        Self {
            id,
            service,
            framer: Framer::default(),
            backlog: Vec::new(),
            replies: Replies::default(),
            phase: Phase::Open,
            receiving: false,
            sending: false,
            peer_ended: false,
            cancelled: false,
            needs_bytes: true,
            barrier: None,
            put_off: false,
            sampled: None,
            queued: false,
            wait: Wait::Request,
            since_ms: now_ms,
            lingered_bytes: 0,
        }
    }

    pub(super) const fn id(&self) -> ConnectionId {
        self.id
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    // ── What happens to it ───────────────────────────────────────────────────────────────────────────────

    /// Bytes have come.
    pub(super) fn on_bytes(&mut self, bytes: &[u8], desk: &mut Desk, shard: &mut Shard<Waiter>) {
        match self.phase {
            Phase::Open if self.backlog.is_empty() => {
                let consumed = self.serve(bytes, desk, shard);
                self.keep(&bytes[consumed..], desk);
            }
            Phase::Open => {
                self.keep(bytes, desk);
                self.serve_backlog(desk, shard);
            }
            Phase::Lingering => {
                self.lingered_bytes += bytes.len();
                if self.lingered_bytes > limits::LINGER_BYTES_MAX {
                    self.abort();
                }
            }
            Phase::Ending | Phase::Aborting | Phase::Closed => {}
        }
    }

    fn keep(&mut self, bytes: &[u8], desk: &mut Desk) {
        if self.phase != Phase::Open || bytes.is_empty() {
            return;
        }
        desk.pool.stock(&mut self.backlog).extend_from_slice(bytes);
        assert!(self.backlog.len() <= limits::RECEIVE_BACKLOG_BYTES, "read only what is needed");
    }

    /// Serves what waits in the backlog.
    pub(super) fn serve_backlog(&mut self, desk: &mut Desk, shard: &mut Shard<Waiter>) {
        let mut backlog = std::mem::take(&mut self.backlog);
        let consumed = self.serve(&backlog, desk, shard);
        if consumed == backlog.len() || self.phase != Phase::Open {
            return desk.pool.give(backlog);
        }
        backlog.drain(..consumed);
        self.backlog = backlog;
    }

    /// Frames and answers requests until the bytes, the connection's share of the turn, or the room for answers
    /// is used up. Says how many bytes it is done with.
    fn serve(&mut self, input: &[u8], desk: &mut Desk, shard: &mut Shard<Waiter>) -> usize {
        let mut at = 0;
        self.needs_bytes = false;
        for _ in 0..limits::REQUESTS_PER_TURN {
            if !self.has_room() {
                return at;
            }
            let begun_ns = if self.sampled.is_none() { desk.stages.begin() } else { None };
            match self.framer.frame(&input[at..]) {
                Framed::Partial => {
                    self.needs_bytes = true;
                    return at;
                }
                Framed::Continue => {
                    self.replies.next(0, &mut desk.pool).extend_from_slice(http::CONTINUE);
                    self.needs_bytes = true;
                    return at;
                }
                Framed::Reject(status) => {
                    self.phase = Phase::Ending;
                    let omit_body = http::asks_head(&input[at..]);
                    refuse(status, omit_body, desk, &mut self.replies);
                    return input.len();
                }
                Framed::Complete { request, consumed } => {
                    at += consumed;
                    let number = desk.stages.framed(desk.now.mono_ns, begun_ns);
                    markers::request_framed(number, self.id, consumed);
                    let connection = persistence(&request, desk.is_stopping());
                    let place = self.replies.next_place();
                    let waiter = Waiter { connection: self.id, place, request: number };
                    let form = Form { connection, omit_body: request.method == Method::Head };
                    match desk.answer(self.service, waiter, &request, form, &mut self.replies, shard) {
                        Taken::Answered => {}
                        Taken::Elsewhere { last } => self.barrier = last.then_some(place),
                        Taken::PutOff => {
                            self.put_off = true;
                            return at - consumed;
                        }
                    }
                    let took_place = self.replies.next_place() != place;
                    self.sampled = self.sampled.or(desk.stages.follow(number, took_place.then_some(place)));
                    if connection == http::Connection::Close {
                        self.phase = Phase::Ending;
                        return input.len();
                    }
                }
            }
        }
        at
    }

    /// Whether one more request may be taken.
    fn has_room(&self) -> bool {
        self.phase == Phase::Open
            && self.barrier.is_none()
            && !self.put_off
            && self.replies.waiting() < limits::PIPELINE_DEPTH_MAX
            && self.replies.ready_bytes() < limits::SEND_BACKLOG_BYTES
    }

    /// Whether it can go on without anything further happening.
    pub(super) fn is_ready(&self) -> bool {
        !self.backlog.is_empty() && !self.needs_bytes && self.has_room()
    }

    /// A request that went elsewhere is answered; nobody may read it before the change of sequence `after` is durable,
    /// where that is not 0.
    pub(super) fn on_outcome(
        &mut self,
        waiter: Waiter,
        outcome: &Outcome<&str>,
        after: Sequence,
        desk: &mut Desk,
    ) {
        if !matches!(self.phase, Phase::Aborting | Phase::Closed) {
            self.put_off = false;
            self.barrier = self.barrier.filter(|barrier| *barrier != waiter.place);
            desk.fill(&mut self.replies, waiter, outcome, after);
        }
    }

    /// What was changed up to `durable` is on stable storage.
    pub(super) fn on_durable(&mut self, durable: Sequence, pool: &mut Pool) {
        if !matches!(self.phase, Phase::Aborting | Phase::Closed) {
            self.replies.on_durable(durable, pool);
        }
    }

    /// A receive has ended.
    pub(super) fn on_received(&mut self) {
        self.receiving = false;
    }

    /// The peer has ended its side: what it asked is still answered.
    pub(super) fn on_end(&mut self) {
        self.peer_ended = true;
        if self.phase == Phase::Lingering {
            self.abort();
        }
    }

    /// The connection is broken, or there is nothing left to exchange on it.
    pub(super) fn abort(&mut self) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Aborting;
            self.backlog = Vec::new();
        }
    }

    /// A send has ended.
    pub(super) fn on_sent(&mut self, buffer: Vec<u8>, result: io::Result<usize>, desk: &mut Desk) {
        self.sending = false;
        markers::reply_sent(self.id, buffer.len());
        if result.is_ok_and(|sent| sent == buffer.len()) {
            desk.pool.give(buffer);
            self.sampled = self.sampled.filter(|sampled| !desk.stages.on_sent(*sampled));
        } else {
            self.abort();
        }
    }

    /// The server stops: an idle connection ends now, another one with its next answer.
    pub(super) fn on_stop(&mut self) {
        if self.phase == Phase::Open && self.is_idle() {
            self.end_idle();
        }
    }

    /// Whether nothing of a request has come that is not framed. Empty lines before a request line are nothing.
    fn is_idle(&self) -> bool {
        self.framer.is_idle() && (self.backlog.is_empty() || self.needs_bytes)
    }

    /// Ends a connection that nothing was asked on.
    fn end_idle(&mut self) {
        if self.replies.waiting() == 0 && self.replies.ready_bytes() == 0 && !self.sending {
            self.abort();
        } else {
            self.phase = Phase::Ending;
        }
    }

    /// Looks at the clock; `true` where it has run out on something.
    pub(super) fn on_time(&mut self, timeouts: &Timeouts, desk: &mut Desk) -> bool {
        let limit_ms = match self.wait {
            Wait::Request => timeouts.keep_alive_ms,
            Wait::RestOfRequest => timeouts.request_ms,
            Wait::PeerReads => timeouts.send_ms,
            Wait::PeerEnds => limits::LINGER_MS,
            Wait::Answer => return false,
        };
        if desk.now.mono_ms().saturating_sub(self.since_ms) < limit_ms {
            return false;
        }
        match (self.wait, self.phase) {
            (Wait::Request, Phase::Open) => self.end_idle(),
            (Wait::RestOfRequest, Phase::Open) => {
                self.phase = Phase::Ending;
                let omit_body = http::asks_head(&std::mem::take(&mut self.backlog));
                refuse(Status::Timeout, omit_body, desk, &mut self.replies);
            }
            _ => self.abort(),
        }
        true
    }

    // ── What it asks of the ring ─────────────────────────────────────────────────────────────────────────

    /// Brings the ring up to what the turn made of the connection: sends what is ready, arms the receive
    /// where more is wanted, ends what is over. Once for each connection that a turn has touched.
    pub(super) fn settle(&mut self, ring: &mut Ring, stages: &mut Stages, now_ms: u64) -> io::Result<()> {
        if self.phase == Phase::Aborting {
            return self.settle_end(ring, stages);
        }
        if self.phase == Phase::Open && self.peer_ended && (self.needs_bytes || self.backlog.is_empty()) {
            self.phase = Phase::Ending;
        }
        let sends = !self.sending && self.replies.ready_bytes() > 0;
        if sends {
            self.sending = true;
            if let Some(sampled) = self.sampled {
                stages.on_hand_over(sampled, |place| self.replies.is_past(place));
            }
            markers::reply_handed_over(self.id, self.replies.ready_bytes());
            ring.send(self.id, self.replies.take_ready())?;
        }
        let answered = !self.sending && self.replies.waiting() == 0;
        if self.phase == Phase::Ending && answered {
            if self.peer_ended {
                self.abort();
                return self.settle_end(ring, stages);
            }
            self.phase = Phase::Lingering;
            ring.shutdown(self.id)?;
        }
        self.settle_receiving(ring)?;
        let wait = self.waits_for();
        // A wait starts again with each answer, each request, and each hand-over to the kernel.
        if wait != self.wait || sends || wait == Wait::Request {
            self.wait = wait;
            self.since_ms = now_ms;
        }
        Ok(())
    }

    fn settle_receiving(&mut self, ring: &mut Ring) -> io::Result<()> {
        // A full connection is not read: its peer's window fills, and the peer waits.
        let wanted =
            !self.peer_ended && (self.needs_bytes || self.backlog.is_empty() || self.phase != Phase::Open);
        if self.receiving || !wanted {
            return Ok(());
        }
        self.receiving = true;
        ring.receive(self.id)
    }

    fn settle_end(&mut self, ring: &mut Ring, stages: &mut Stages) -> io::Result<()> {
        if let Some(sampled) = self.sampled.take() {
            stages.give_up(sampled);
        }
        if ring.is_quiet(self.id) {
            self.phase = Phase::Closed;
            return ring.close(self.id);
        }
        if self.cancelled {
            return Ok(());
        }
        self.cancelled = true;
        ring.abort(self.id)
    }

    fn waits_for(&self) -> Wait {
        if self.phase == Phase::Lingering {
            Wait::PeerEnds
        } else if self.sending {
            Wait::PeerReads
        } else if self.replies.waiting() > 0 {
            Wait::Answer
        } else if self.is_idle() {
            Wait::Request
        } else {
            Wait::RestOfRequest
        }
    }
}

/// Answers a message that can't be framed. The connection ends with it.
fn refuse(status: Status, omit_body: bool, desk: &mut Desk, replies: &mut Replies) {
    desk.refuse(HttpAnswer::of(status), Form { connection: http::Connection::Close, omit_body }, replies);
}

/// What the answer says of its connection (RFC 9112 §9.3).
const fn persistence(request: &Request<'_>, stopping: bool) -> http::Connection {
    if !request.keep_alive || stopping {
        http::Connection::Close
    } else if request.keep_alive_named {
        http::Connection::KeepAlive
    } else {
        http::Connection::Default
    }
}
