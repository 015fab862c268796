//! The driver of a core: its socket ring, its connections, and the turns that move them.
//!
//! A **turn** takes in all that the ring has delivered, frames and answers it, serves the other cores, and hands
//! all answers to the ring with one system call. After a few turns with nothing to do the core parks: it waits in the ring,
//! where a completion, another core or the next tick wakes it.
//!
//! A turn has a time (`budget`). What it has no time for waits in one of the core's queues (`queues`); so all that has
//! come is known before anything is served for long, and who asks much waits behind who asks little. Ends of connections
//! and looks at deadlines (`wheel`) are bounded for each turn, too.
//!
//! A connection lives on the core that accepted it, from its first byte to its last. The accounts of its requests
//! may live elsewhere; the connection does not move.

mod accepting;
mod budget;
mod client;
mod columns;
mod connection;
mod ending;
mod intake;
mod markers;
pub mod places;
mod pool;
mod queues;
pub mod readiness;
mod replies;
mod responder;
mod serving;
mod stages;
pub mod stalls;
mod undurable;
mod wheel;
mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use accepting::Listener;
use budget::Budget;
use connection::Connection;
use ending::Drain;
use intake::Intake;
use places::Places;
use queues::Queues;
use readiness::Readiness;
use responder::{Responder, Service};
use ring::{ConnectionId, Event, Ring};
use serving::enqueue;
use stages::{RequestId, Stages};
use stalls::{StallDetector, StallLog, TurnPart};
use wheel::Wheel;

use api::Api;
use clock::Clock;
use metrics::{Registry, ShardMetrics};
use shard::core::Done;
use shard::{Reply, Shard};

/// The metrics' names of calls and answers.
pub const METRIC_NAMES: metrics::Names = columns::NAMES;

/// Who waits for an outcome from another core.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    connection: ConnectionId,
    place: u32,
    request: RequestId,
}

/// How long a peer is waited for, milliseconds; 1 ms to a day each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a request's first byte to its last, and of a connection's first request from the connection's beginning. Past
    /// it: 408, or an end without a word where nothing came.
    pub request_ms: u64,
    /// From one request to the next. Past it the connection ends.
    pub keep_alive_ms: u64,
    /// For the peer to take an answer. Past it the connection ends.
    pub send_ms: u64,
    /// From a call's last byte to its answer, where neither the request nor its platform says another time. Past it the
    /// call is refused, and nothing is changed.
    pub budget_ms: u64,
    /// From the stop of the server to the end of the last connection. Past it they end as they are.
    pub drain_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request_ms: limits::REQUEST_TIMEOUT_MS,
            keep_alive_ms: limits::KEEP_ALIVE_TIMEOUT_MS,
            send_ms: limits::SEND_TIMEOUT_MS,
            budget_ms: limits::BUDGET_MS,
            drain_ms: limits::DRAIN_TIMEOUT_MS,
        }
    }
}

/// What a core's driver is made of.
pub struct DriverParts {
    /// Listeners of the platforms' calls and of the operator's.
    pub listeners: [TcpListener; 2],
    /// The socket ring, made on this thread.
    pub ring: Ring,
    /// The decoder of requests.
    pub api: Api,
    /// The core's shard.
    pub shard: Shard<Waiter>,
    /// All shards' metrics.
    pub registry: Arc<Registry>,
    /// The state of the process.
    pub readiness: Arc<Readiness>,
    /// The clock of the process.
    pub clock: Clock,
    /// The connections' time-outs.
    pub timeouts: Timeouts,
    /// Who may have connections.
    pub places: places::Policy,
    /// Where it tells that it was held for too long.
    pub stalls: Arc<StallLog>,
    /// Seed of the core's random bits, from the system.
    pub seed: [u8; 32],
}

/// Nanoseconds in a millisecond.
const NS_PER_MS: u64 = 1_000_000;

/// Turns without anything to do before the core parks. A few catch what comes right behind; more would take the
/// core from a client on the same machine.
const IDLE_TURNS: u32 = 3;

/// Completions of one turn. As many as there are receive buffers: more could not have brought bytes.
const EVENTS_PER_TURN: usize = limits::RECEIVE_BUFFERS as usize;

/// The driver of one core.
pub struct Driver {
    ring: Ring,
    listeners: Vec<Listener>,
    /// By place in the ring's file table.
    connections: Vec<Option<Connection>>,
    open: usize,
    /// Places of connections to be settled at the end of the turn.
    touched: Vec<u32>,
    queues: Queues,
    intake: Intake,
    budget: Budget,
    wheel: Wheel,
    places: Places,
    /// Connections that have come in this turn, and from where.
    newcomers: Vec<(ConnectionId, IpAddr)>,
    /// Connections to be ended, some of them in each turn.
    to_end: VecDeque<ConnectionId>,
    responder: Responder,
    shard: Shard<Waiter>,
    clock: Clock,
    /// When this turn began to take in what the kernel has, nanoseconds of the clock: what had come by then is known.
    takes_in_ns: u64,
    /// When the last turn did, or the core woke for it.
    looked_ns: u64,
    /// Since when the core was held up the last time, and until when.
    held_up_since_ns: u64,
    held_up_ns: u64,
    /// To where the core's time is counted as busy or parked, microseconds of the clock.
    marked_us: u64,
    stall_detector: StallDetector,
    stalls: Arc<StallLog>,
    timeouts: Timeouts,
    metrics: Arc<ShardMetrics>,
    readiness: Arc<Readiness>,
    /// When the shard is swept again, milliseconds of the clock.
    sweep_ms: u64,
    /// Until then nothing is accepted: there was no room for it.
    backs_off_until_ms: u64,
    draining: Option<Drain>,
}

/// Why a core can't serve any more. It ends the process.
#[derive(Debug)]
pub enum Error {
    /// What the kernel says of the ring.
    Ring(io::Error),
    /// What was said of the journal: what is on the disk is not known.
    Journal(String),
    /// What was said of the history: what an answer depends on is not known.
    History(String),
}

impl Error {
    fn journal(error: impl fmt::Display) -> Self {
        Self::Journal(error.to_string())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Ring(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(error) => write!(f, "the ring failed: {error}"),
            Self::Journal(error) => write!(f, "the journal can't be written: {error}"),
            Self::History(error) => write!(f, "the history can't be read: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl Driver {
    /// A driver that accepts from its listeners once it runs.
    ///
    /// # Errors
    /// What the kernel says of the eventfd.
    pub fn new(parts: DriverParts) -> io::Result<Self> {
        let DriverParts {
            listeners: [platform, operator],
            mut ring,
            api,
            shard,
            registry,
            readiness,
            clock,
            ..
        } = parts;
        let DriverParts { timeouts, stalls, seed, places, .. } = parts;
        let places = Places::new(&places, ring.capacity());
        let metrics = registry.shard(shard.id().index());
        let stages = Stages::new(shard.id(), clock.clone(), Arc::clone(&metrics));
        ring.watch(shard.mesh().eventfd(shard.id()).as_fd())?;
        let now = clock.now();
        let budget_ms = timeouts.budget_ms;
        let (its_metrics, its_readiness) = (Arc::clone(&metrics), Arc::clone(&readiness));
        Ok(Self {
            ring,
            listeners: vec![
                Listener::new(platform, Service::Platform),
                Listener::new(operator, Service::Operator),
            ],
            connections: Vec::new(),
            open: 0,
            touched: Vec::new(),
            queues: Queues::new(budget_ms),
            intake: Intake::new(now.mono_ns),
            budget: Budget::new(clock.clone()),
            wheel: Wheel::new(now.mono_ms()),
            places,
            newcomers: Vec::new(),
            to_end: VecDeque::new(),
            responder: Responder::new(api, registry, stages, its_metrics, its_readiness, budget_ms, seed),
            shard,
            takes_in_ns: now.mono_ns,
            looked_ns: now.mono_ns,
            held_up_since_ns: 0,
            held_up_ns: 0,
            marked_us: now.mono_us(),
            stall_detector: StallDetector::new(now.mono_us()),
            stalls,
            clock,
            timeouts,
            metrics,
            readiness,
            sweep_ms: 0,
            backs_off_until_ms: 0,
            draining: None,
        })
    }

    /// Serves until the process stops and all that was in hand is answered. Its thread is the core's own: it blocks.
    ///
    /// # Errors
    /// Where the core can't serve any more.
    pub fn run(mut self) -> Result<(), Error> {
        // It has waited for the other shards since it was made.
        let waited_us = self.mark();
        self.metrics.parked(waited_us);
        self.stall_detector.unpark(self.marked_us);
        let mut idle_turns = 0;
        while !self.is_over() {
            idle_turns = if self.turn()? { 0 } else { idle_turns + 1 };
            if idle_turns > IDLE_TURNS {
                idle_turns = 0;
                self.park()?;
            }
        }
        Ok(())
    }

    /// Microseconds since the last mark, which is now.
    fn mark(&mut self) -> u64 {
        let last_us = std::mem::replace(&mut self.marked_us, self.clock.mono_us());
        self.marked_us.saturating_sub(last_us)
    }

    /// Waits until there is something to do, and a tick at most: deadlines are looked at.
    fn park(&mut self) -> io::Result<()> {
        if self.shard.park() {
            let busy_us = self.mark();
            self.metrics.busy(busy_us);
            let slept_ns = self.clock.mono_ns();
            self.ring.wait(Duration::from_millis(limits::TIMER_TICK_MS))?;
            self.shard.unpark();
            let parked_us = self.mark();
            self.metrics.parked(parked_us);
            self.stall_detector.unpark(self.marked_us);
            self.on_unparked(slept_ns, parked_us);
        }
        Ok(())
    }

    /// One turn. `true` where there was anything to do, or is.
    fn turn(&mut self) -> Result<bool, Error> {
        self.takes_in_ns = self.clock.mono_ns();
        self.stall_detector.lap(TurnPart::BesideTurns, self.takes_in_ns / 1_000);
        self.ring.turn()?;
        self.ring.yield_to_worker();
        self.responder.now = self.clock.now();
        let now_us = self.responder.now.mono_us();
        self.stall_detector.lap(TurnPart::Kernel, now_us);
        self.note_hold_up();
        self.budget.begin(now_us);
        self.responder.date.refresh(self.responder.now.wall_ms / 1_000);
        // At once: what is let in after the disk is known to take no writes would wait for it.
        self.shard.set_read_only(self.readiness.is_read_only());
        self.shard.set_short_of_memory(self.readiness.is_short_of_memory());
        let mut worked = false;
        for _ in 0..EVENTS_PER_TURN {
            let Some(event) = self.ring.next_event() else { break };
            worked = true;
            self.on_event(event)?;
        }
        worked |= self.start_accepting()?;
        self.looked_ns = self.takes_in_ns;
        worked |= self.serve_queues();
        self.stall_detector.lap(TurnPart::Requests, self.clock.mono_us());
        worked |= self.poll_shard();
        worked |= self.release_durable();
        self.sweep();
        self.stall_detector.lap(TurnPart::Shards, self.clock.mono_us());
        // Before the answers, so that the disk works while they are sent.
        self.write_journal()?;
        self.stall_detector.lap(TurnPart::Journal, self.clock.mono_us());
        if self.readiness.is_stopping() {
            self.drain()?;
        }
        worked |= self.on_deadlines();
        self.settle()?;
        worked |= self.end_some()?;
        self.admit()?;
        self.shard.flush();
        if worked {
            let busy_us = self.mark();
            self.metrics.busy(busy_us);
            self.stall_detector.lap(TurnPart::Sending, self.marked_us);
            self.responder.end_turn(self.marked_us);
        }
        if let Some(stall) = self.stall_detector.end(self.responder.last_call()) {
            self.metrics.stalled();
            self.stalls.record(stall);
        }
        Ok(worked || !self.queues.is_empty())
    }

    fn on_event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Accepted { listener, accepted } => self.on_accepted(listener, accepted),
            Event::Received { connection, received } => self.on_received(connection, received),
            Event::Sent { connection: id, buffer, result } => {
                let connection = find(&mut self.connections, id).expect("an open connection sends");
                connection.on_sent(buffer, result, &mut self.responder);
                touch(&mut self.touched, connection);
            }
            Event::ShutDown { connection: id } => {
                let connection = find(&mut self.connections, id).expect("an open connection is shut down");
                touch(&mut self.touched, connection);
            }
            Event::Written { result } => self.on_written(result)?,
            // What it was signalled for is looked at in every turn.
            Event::Woken => self.ring.watch(self.shard.mesh().eventfd(self.shard.id()).as_fd())?,
        }
        Ok(())
    }

    /// Has the changes since the last group written, where no write is under way.
    fn write_journal(&mut self) -> Result<(), Error> {
        if let Some(failure) = self.shard.take_failure() {
            return Err(Error::History(failure.to_string()));
        }
        let id = self.shard.id();
        if let Some((write, group)) = self.shard.next_write().map_err(Error::journal)? {
            let header = write.header.as_ref().map_or(&[][..], |header| &header[..]);
            self.ring.write(write.file, write.offset, [header, &group.bytes])?;
            markers::group_handed_over(id, group.last, group.bytes.len());
        }
        Ok(())
    }

    fn on_written(&mut self, result: io::Result<()>) -> Result<(), Error> {
        self.shard.on_written(result).map_err(Error::journal)?;
        markers::group_durable(self.shard.id(), self.shard.durable());
        Ok(())
    }

    /// Lets answers go that have waited for the disk, some of them in each turn. `true` where there were any.
    fn release_durable(&mut self) -> bool {
        let Self { shard, connections, responder, touched, .. } = self;
        responder.on_durable(shard.durable(), |pool, id, after| {
            if let Some(connection) = find(connections, id) {
                connection.on_durable(after, pool);
                touch(touched, connection);
            }
        })
    }

    fn poll_shard(&mut self) -> bool {
        let Self { shard, connections, responder, touched, .. } = self;
        let worked = shard.poll(responder.now.wall_ms);
        let durable = shard.durable();
        while let Some(Reply { waiter, done: Done { outcome, after } }) = shard.next_reply() {
            let after = if after <= durable { 0 } else { after };
            // Its connection may have ended meanwhile; then nobody waits.
            if let Some(connection) = find(connections, waiter.connection) {
                connection.on_outcome(waiter, &outcome, after, responder);
                touch(touched, connection);
            }
        }
        worked
    }

    /// Sweeps the shard, once in a while.
    fn sweep(&mut self) {
        let now = self.responder.now;
        if now.mono_ms() >= self.sweep_ms {
            self.sweep_ms = now.mono_ms() + limits::SWEEP_INTERVAL_MS;
            self.shard.sweep(now.wall_ms);
        }
    }

    /// Looks at connections whose time may be over; some of them in each turn. `true` where there may be more.
    fn on_deadlines(&mut self) -> bool {
        let now_ms = self.responder.now.mono_ms();
        let is_stopping = self.draining.is_some();
        for _ in 0..limits::DEADLINES_PER_TURN {
            let Some(slot) = self.wheel.pop(now_ms) else { return false };
            let Some(connection) = &mut self.connections[slot] else { continue };
            match connection.deadline_ms(&self.timeouts, is_stopping) {
                Some(deadline_ms) if deadline_ms > now_ms => self.wheel.schedule(slot, deadline_ms),
                Some(_) => {
                    connection.on_deadline(&mut self.responder);
                    touch(&mut self.touched, connection);
                }
                None => {}
            }
        }
        true
    }

    /// Brings the ring up to what the turn made of the connections that it has touched.
    fn settle(&mut self) -> io::Result<()> {
        let now = self.responder.now;
        let is_stopping = self.draining.is_some();
        let mut touched = std::mem::take(&mut self.touched);
        for slot in touched.drain(..) {
            let Some(connection) = &mut self.connections[slot as usize] else { continue };
            connection.is_touched = false;
            connection.settle(&mut self.ring, &mut self.responder.stages, now, self.takes_in_ns)?;
            if connection.is_over() {
                if !connection.may_stay() {
                    self.places.release(slot);
                }
                self.end_later(slot as usize)?;
                continue;
            }
            enqueue(&mut self.queues, connection);
            if connection.is_done() {
                self.places.set_done(slot);
            } else if connection.may_be_evicted() {
                self.places.set_idle(slot);
            } else {
                self.places.set_busy(slot);
            }
            if let Some(deadline_ms) = connection.deadline_ms(&self.timeouts, is_stopping) {
                self.wheel.schedule(slot as usize, deadline_ms);
            }
        }
        // Its memory serves the next turn.
        self.touched = touched;
        Ok(())
    }
}

/// The connection with this id, where it is still open.
fn find(connections: &mut [Option<Connection>], id: ConnectionId) -> Option<&mut Connection> {
    connections.get_mut(id.slot())?.as_mut().filter(|connection| connection.id() == id)
}

/// Has the connection settled at the end of the turn.
fn touch(touched: &mut Vec<u32>, connection: &mut Connection) {
    if !connection.is_touched {
        connection.is_touched = true;
        touched.push(connection.id().slot() as u32);
    }
}
