//! One connection: a state machine that bytes, answers, completions and time move on. It is no task, it holds no
//! buffer while it is idle, and it touches the ring only through what [`Connection::settle`] and [`Connection::end`] ask
//! of it, as a `Wire`: so that a script can stand in its place.

mod gone;
mod settle;
mod waits;

use std::io;

use super::client::Client;
use super::pool::Pool;
use super::replies::{Form, Replies};
use super::responder::{Arrival, HttpAnswer, Responder, Service, Taken};
use super::{NS_PER_MS, Waiter, markers};
use gone::Waited;
use http::{Framed, Framer, Method, Request, Status};
use ring::ConnectionId;
use shard::Shard;
use waits::Wait;
use wallet::Sequence;
use wallet::outcome::Outcome;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionState {
    /// Requests are taken.
    Open,
    /// Nothing is asked on it, and it is to end. Its receive is being cancelled, and then its socket is looked at once more:
    /// what has come is served.
    Leaving,
    /// No further request is taken; answers still go out.
    Ending,
    /// All answers are out and this side has ended; what the peer still sends is thrown away, so that
    /// the last answer is not lost to a reset (RFC 9112 §9.6).
    Lingering,
    /// Nothing more is exchanged; it closes once the ring is quiet.
    Aborting,
    /// Closed; the driver drops the entry.
    Closed,
}

/// Which queue of its core a connection waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueKind {
    /// Of those whose bytes have come and were not looked at yet.
    New,
    /// Of those that were served and have more.
    More,
}

/// What a core needs to serve a connection's bytes.
pub(super) struct Server<'a> {
    pub(super) responder: &'a mut Responder,
    pub(super) shard: &'a mut Shard<Waiter>,
    /// Requests that the connection may have served now; with 0 its bytes are kept.
    pub(super) share: usize,
}

/// One connection of a core.
#[derive(Debug)]
pub(super) struct Connection {
    id: ConnectionId,
    service: Service,
    client: Client,
    framer: Framer,
    /// Bytes that are not framed yet; no memory where there are none.
    backlog: Vec<u8>,
    replies: Replies,
    state: ConnectionState,
    receiving: bool,
    /// Bytes that the ring is sending; 0 where it is not.
    sending_bytes: usize,
    /// The peer has ended its side.
    peer_ended: bool,
    /// The ring was told to cancel what is under way.
    cancelled: bool,
    /// Its socket is looked at for the last time.
    has_tried_receive: bool,
    /// The backlog is the beginning of a message: only more bytes help.
    needs_bytes: bool,
    /// What is in the backlog has not been looked at since it came.
    is_new: bool,
    /// It could be served but for what waits for its own peer.
    is_held: bool,
    /// When what it is to be served came, nanoseconds of the clock.
    arrived_ns: u64,
    /// Since when what comes may have waited.
    waited: Option<Waited>,
    /// When the receive that is under way was asked for, nanoseconds of the clock.
    armed_ns: u64,
    /// Something has come behind the bytes that it is to be served, and is looked at first.
    looks_behind: bool,
    /// The place of a request that the next one must wait for.
    barrier: Option<u32>,
    /// The next request was put off until one at another core is answered.
    put_off: bool,
    /// The request whose stages are timed; at most one at a time.
    sampled: Option<u8>,
    /// The next answer is its last.
    is_last: bool,
    /// Waits to be settled at the end of the turn.
    pub(super) is_touched: bool,
    /// Waits in one of the core's queues.
    pub(super) is_queued: bool,
    /// Waits among those that are to be ended.
    pub(super) is_to_end: bool,
    wait: Wait,
    since_ms: u64,
    /// Since when its first request is waited for, or the rest of one; `None` where none has begun.
    asks_since_ms: Option<u64>,
    /// When it lingers no more.
    lingers_until_ms: u64,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, service: Service, client: Client, now_ms: u64) -> Self {
        Self {
            id,
            service,
            client,
            framer: Framer::default(),
            backlog: Vec::new(),
            replies: Replies::default(),
            state: ConnectionState::Open,
            receiving: false,
            sending_bytes: 0,
            peer_ended: false,
            cancelled: false,
            has_tried_receive: false,
            needs_bytes: true,
            is_new: false,
            is_held: false,
            arrived_ns: 0,
            waited: None,
            armed_ns: 0,
            looks_behind: false,
            barrier: None,
            put_off: false,
            sampled: None,
            is_last: false,
            is_touched: false,
            is_queued: false,
            is_to_end: false,
            wait: Wait::First,
            since_ms: now_ms,
            asks_since_ms: Some(now_ms),
            lingers_until_ms: 0,
        }
    }

    pub(super) const fn id(&self) -> ConnectionId {
        self.id
    }

    pub(super) const fn service(&self) -> Service {
        self.service
    }

    pub(super) const fn client(&self) -> Client {
        self.client
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == ConnectionState::Closed
    }

    /// Whether it is for [`Connection::end`].
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, ConnectionState::Leaving | ConnectionState::Aborting)
    }

    /// Whether it may be asked once more, though it [is over](Self::is_over).
    pub(super) const fn may_stay(&self) -> bool {
        matches!(self.state, ConnectionState::Leaving)
    }

    /// Whether its end has begun, and goes on with each completion.
    pub(super) const fn is_ending(&self) -> bool {
        self.cancelled
    }

    /// Whether nothing is asked on it, so that it may be evicted for another.
    pub(super) fn may_be_evicted(&self) -> bool {
        self.state == ConnectionState::Open && matches!(self.wait, Wait::First | Wait::Request)
    }

    /// Whether it has had its last answer, and only waits for its peer to end it.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.state, ConnectionState::Lingering)
    }

    /// It is evicted for another.
    pub(super) fn evict(&mut self) {
        if self.is_done() {
            self.abort();
        } else {
            self.end_idle();
        }
    }

    /// Bytes have come.
    pub(super) fn on_bytes(&mut self, bytes: &[u8], server: &mut Server<'_>) {
        match self.state {
            ConnectionState::Leaving => {
                self.stay_for_one_more();
                self.take(bytes, server);
            }
            ConnectionState::Open => self.take(bytes, server),
            ConnectionState::Ending
            | ConnectionState::Lingering
            | ConnectionState::Aborting
            | ConnectionState::Closed => {}
        }
    }

    /// It was to end, and is asked once more.
    const fn stay_for_one_more(&mut self) {
        (self.state, self.is_last) = (ConnectionState::Open, true);
        (self.cancelled, self.has_tried_receive) = (false, false);
    }

    fn take(&mut self, bytes: &[u8], server: &mut Server<'_>) {
        if !self.is_new {
            self.arrived_ns = server.responder.now.mono_ns;
            self.waited = self.waited.filter(|waited| waited.holds_at(self.arrived_ns));
        }
        if server.share == 0 {
            self.keep(bytes, server.responder);
            (self.is_new, self.needs_bytes) = (true, false);
        } else if self.backlog.is_empty() {
            let consumed = self.serve(bytes, server);
            self.keep(&bytes[consumed..], server.responder);
        } else {
            self.keep(bytes, server.responder);
            self.serve_backlog(server);
        }
    }

    fn keep(&mut self, bytes: &[u8], responder: &mut Responder) {
        if self.state != ConnectionState::Open || bytes.is_empty() {
            return;
        }
        responder.pool.stock(&mut self.backlog).extend_from_slice(bytes);
        assert!(self.backlog.len() <= limits::RECEIVE_BACKLOG_BYTES, "read only what is needed");
    }

    /// Serves what waits in the backlog.
    pub(super) fn serve_backlog(&mut self, server: &mut Server<'_>) {
        let mut backlog = std::mem::take(&mut self.backlog);
        let consumed = self.serve(&backlog, server);
        if consumed == backlog.len() || self.state != ConnectionState::Open {
            return server.responder.pool.give(backlog);
        }
        backlog.drain(..consumed);
        self.backlog = backlog;
    }

    /// Frames and answers requests until the bytes, the connection's share of the turn, or the room for answers
    /// is used up. Says how many bytes it is done with.
    fn serve(&mut self, input: &[u8], server: &mut Server<'_>) -> usize {
        let Server { responder, shard, share } = server;
        let mut at = 0;
        (self.needs_bytes, self.is_new) = (false, false);
        self.waited = None;
        for _ in 0..*share {
            if !self.has_room() {
                return at;
            }
            let begun_ns = if self.sampled.is_none() { responder.stages.begin() } else { None };
            let place = self.replies.next_place();
            match self.framer.frame(&input[at..]) {
                Framed::Partial => {
                    self.needs_bytes = true;
                    return at;
                }
                Framed::Continue => {
                    self.replies.next(0, &mut responder.pool).extend_from_slice(http::CONTINUE);
                    self.replies.count(place);
                    self.needs_bytes = true;
                    return at;
                }
                Framed::Reject(status) => {
                    self.state = ConnectionState::Ending;
                    let omit_body = http::asks_head(&input[at..]);
                    refuse(status, omit_body, responder, &mut self.replies);
                    return input.len();
                }
                Framed::Complete { request, consumed } => {
                    self.asks_since_ms = None;
                    at += consumed;
                    let number = responder.stages.framed(self.arrived_ns, begun_ns);
                    markers::request_framed(number, self.id, consumed);
                    let persistence = persistence(&request, self.is_last || responder.is_stopping());
                    let waiter = Waiter { connection: self.id, place, request: number };
                    let form = Form { persistence, omit_body: request.method == Method::Head };
                    let arrival =
                        Arrival { service: self.service, waiter, form, arrived_ns: self.arrived_ns };
                    match responder.answer(arrival, &request, &mut self.replies, shard) {
                        Taken::Answered => {}
                        Taken::Elsewhere { last } => self.barrier = last.then_some(place),
                        Taken::PutOff => {
                            self.put_off = true;
                            return at - consumed;
                        }
                    }
                    self.replies.count(place);
                    let took_place = self.replies.next_place() != place;
                    self.sampled =
                        self.sampled.or(responder.stages.follow(number, took_place.then_some(place)));
                    if persistence == http::Persistence::Close {
                        self.state = ConnectionState::Ending;
                        return input.len();
                    }
                }
            }
        }
        at
    }

    /// Whether one more request may be taken.
    fn has_room(&self) -> bool {
        self.state == ConnectionState::Open
            && self.barrier.is_none()
            && !self.put_off
            && self.replies.waiting() < limits::PIPELINE_DEPTH_MAX
            && !self.is_full()
    }

    /// Whether as much waits for its peer as may.
    fn is_full(&self) -> bool {
        self.replies.bytes() + self.sending_bytes >= limits::SEND_BACKLOG_BYTES
    }

    /// Whether a request may be there, or a part of one, that was not looked at.
    fn has_more(&self) -> bool {
        !self.backlog.is_empty() && !self.needs_bytes
    }

    /// Whether its bytes could be served now.
    pub(super) fn is_to_be_served(&self) -> bool {
        self.has_more() && self.has_room()
    }

    /// Which queue it belongs to; `None` where it can't go on without anything further happening.
    pub(super) fn queue(&self) -> Option<QueueKind> {
        if self.looks_behind && self.receiving {
            return None;
        }
        let queue = if self.is_new { QueueKind::New } else { QueueKind::More };
        self.is_to_be_served().then_some(queue)
    }

    /// When what it is to be served came, nanoseconds of the clock.
    pub(super) const fn arrived_ns(&self) -> u64 {
        self.arrived_ns
    }

    /// A request that went elsewhere is answered; nobody may read it before the change of sequence `after` is durable,
    /// where that is not 0.
    pub(super) fn on_outcome<S: AsRef<str>>(
        &mut self,
        waiter: Waiter,
        outcome: &Outcome<S>,
        after: Sequence,
        responder: &mut Responder,
    ) {
        if !matches!(self.state, ConnectionState::Aborting | ConnectionState::Closed) {
            self.put_off = false;
            self.barrier = self.barrier.filter(|barrier| *barrier != waiter.place);
            responder.fill(&mut self.replies, waiter, outcome, after);
        }
    }

    /// What was changed up to `durable` is on stable storage.
    pub(super) fn on_durable(&mut self, durable: Sequence, pool: &mut Pool) {
        if !matches!(self.state, ConnectionState::Aborting | ConnectionState::Closed) {
            self.replies.on_durable(durable, pool);
        }
    }

    /// A receive has ended.
    pub(super) const fn on_received(&mut self) {
        (self.receiving, self.looks_behind) = (false, false);
    }

    /// Bytes are there that no buffer was free for.
    pub(super) fn on_no_buffer(&mut self) {
        if self.state == ConnectionState::Leaving {
            self.stay_for_one_more();
        }
    }

    /// A receive has ended without a word of the peer.
    pub(super) fn on_cancelled(&mut self) {
        if self.state == ConnectionState::Leaving && self.has_tried_receive {
            self.abort();
        }
    }

    /// Bytes have come and were thrown away.
    pub(super) fn on_discarded(&mut self, now_ms: u64) {
        if self.state == ConnectionState::Lingering {
            self.since_ms = now_ms;
        }
    }

    /// The connection is broken, or there is nothing left to exchange on it.
    pub(super) fn abort(&mut self) {
        if self.state != ConnectionState::Closed {
            self.state = ConnectionState::Aborting;
            (self.backlog, self.is_new) = (Vec::new(), false);
        }
    }

    /// A send has ended.
    pub(super) fn on_sent(&mut self, buffer: Vec<u8>, result: io::Result<usize>, responder: &mut Responder) {
        self.sending_bytes = 0;
        markers::reply_sent(self.id, buffer.len());
        if result.is_ok_and(|sent| sent == buffer.len()) {
            responder.pool.give(buffer);
            self.sampled = self.sampled.filter(|sampled| !responder.stages.on_sent(*sampled));
        } else {
            self.abort();
        }
    }

    /// Whether nothing of a request has come that is not framed. Empty lines before a request line are nothing.
    fn is_idle(&self) -> bool {
        self.framer.is_idle() && !self.has_more()
    }

    /// Ends a connection that nothing was asked on; where something is asked right now it ends with the answer to that.
    pub(super) fn end_idle(&mut self) {
        if self.state != ConnectionState::Open {
            return;
        }
        if !self.is_idle() {
            self.is_last = true;
        } else if self.owes() {
            self.state = ConnectionState::Ending;
        } else if self.receiving {
            self.state = ConnectionState::Leaving;
        } else {
            // Bytes are there that no buffer was free for.
            self.is_last = true;
        }
    }

    /// Whether answers are ready to be handed to the ring.
    fn is_to_send(&self) -> bool {
        self.sending_bytes == 0 && self.replies.ready_bytes() > 0
    }

    /// Whether answers are on their way to the peer.
    fn owes(&self) -> bool {
        self.replies.waiting() > 0 || self.replies.ready_bytes() > 0 || self.sending_bytes > 0
    }
}

/// Answers a message that can't be framed. The connection ends with it.
fn refuse(status: Status, omit_body: bool, responder: &mut Responder, replies: &mut Replies) {
    let place = replies.next_place();
    responder.refuse(
        HttpAnswer::of(status),
        Form { persistence: http::Persistence::Close, omit_body },
        replies,
    );
    replies.count(place);
}

/// What the answer says of its connection (RFC 9112 §9.3).
const fn persistence(request: &Request<'_>, stopping: bool) -> http::Persistence {
    if !request.keep_alive || stopping {
        http::Persistence::Close
    } else if request.keep_alive_named {
        http::Persistence::KeepAlive
    } else {
        http::Persistence::Default
    }
}

#[cfg(test)]
mod tests;
