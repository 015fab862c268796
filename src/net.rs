//! The driver of a core: its socket ring, its connections, and the turns that move them.
//!
//! A **turn** takes in all that the ring has delivered, frames and answers it, serves the other cores, and hands
//! all answers to the ring with one system call. After a turn the executor may run what else is due; after a few
//! turns with nothing to do the core parks, and the ring or another core wakes it.
//!
//! A connection lives on the core that accepted it, from its first byte to its last. The accounts of its requests
//! may live elsewhere; the connection does not move.

mod connection;
mod desk;
mod markers;
#[expect(unsafe_code, reason = "the allocator's books are kept behind a function of C")]
pub mod memory;
pub mod places;
mod pool;
pub mod readiness;
mod replies;
#[expect(unsafe_code, reason = "memory and descriptors that the kernel works on")]
pub mod ring;
mod stages;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use connection::Connection;
use desk::{Desk, Service};
use readiness::Readiness;
use ring::{ConnectionId, Event, Received, Ring};
use stages::{RequestId, Stages};

use crate::api::Api;
use crate::clock::Clock;
use crate::limits;
use crate::metrics::{Registry, ShardMetrics};
use crate::shard::Shard;

/// The metrics' names of calls and answers.
pub const METRIC_NAMES: crate::metrics::Names = desk::NAMES;

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
    /// From a request's first byte to its last. Past it: 408.
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
pub struct Parts {
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
    /// Seed of the core's random bits, from the system.
    pub seed: [u8; 32],
}

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
    /// Connections whose share of the last turn was used up.
    unfinished: Vec<ConnectionId>,
    desk: Desk,
    shard: Shard<Waiter>,
    clock: Clock,
    /// To where the core's time is counted as busy or parked, microseconds of the clock.
    marked_us: u64,
    timeouts: Timeouts,
    metrics: Arc<ShardMetrics>,
    readiness: Arc<Readiness>,
    /// Set by the ticker.
    tick: Rc<Cell<bool>>,
    draining: Option<Drain>,
}

/// Why a core can't serve any more. It ends the process.
#[derive(Debug)]
pub enum Failure {
    /// What the kernel says of the ring.
    Ring(io::Error),
    /// What was said of the journal: what is on the disk is not known.
    Journal(String),
}

impl Failure {
    fn journal(error: impl fmt::Display) -> Self {
        Self::Journal(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Ring(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(error) => write!(f, "the ring failed: {error}"),
            Self::Journal(error) => write!(f, "the journal can't be written: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

struct Listener {
    socket: TcpListener,
    service: Service,
    armed: bool,
}

/// A stop under way.
struct Drain {
    deadline_ms: u64,
    /// This core has no connection left and has told the others.
    left: bool,
}

impl Driver {
    /// A driver that accepts from its listeners once it runs.
    ///
    /// # Errors
    /// What the kernel says of the eventfd.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let Parts { listeners: [platform, operator], ring, api, shard, registry, readiness, clock, .. } =
            parts;
        let Parts { timeouts, seed, .. } = parts;
        let metrics = registry.shard(shard.id().index());
        let stages = Stages::new(shard.id(), clock.clone(), Arc::clone(&metrics));
        ring.register_eventfd(shard.mesh().eventfd(shard.id()).as_fd())?;
        let listener = |socket, service| Listener { socket, service, armed: false };
        Ok(Self {
            ring,
            listeners: vec![listener(platform, Service::Platform), listener(operator, Service::Operator)],
            connections: Vec::new(),
            open: 0,
            touched: Vec::new(),
            unfinished: Vec::new(),
            desk: Desk::new(api, registry, stages, Arc::clone(&metrics), Arc::clone(&readiness), seed),
            shard,
            marked_us: clock.mono_us(),
            clock,
            timeouts,
            metrics,
            readiness,
            tick: Rc::new(Cell::new(true)),
            draining: None,
        })
    }

    /// Serves until the process stops and all that was in hand is answered.
    ///
    /// # Errors
    /// Where the core can't serve any more.
    pub async fn run(mut self) -> Result<(), Failure> {
        let waker = ring::waitable(self.shard.mesh().eventfd(self.shard.id()))?;
        let ticker = self.start_ticker();
        let mut idle_turns = 0;
        loop {
            if self.turn()? {
                idle_turns = 0;
            } else {
                idle_turns += 1;
            }
            if self.is_over() {
                break;
            }
            if idle_turns > IDLE_TURNS {
                idle_turns = 0;
                self.park(&waker).await?;
            } else {
                glommio::executor().yield_if_needed().await;
            }
        }
        ticker.cancel().await;
        let _ = waker.close().await;
        Ok(())
    }

    /// Lets a turn look at the deadlines once in [`limits::SWEEP_INTERVAL_MS`], parked or not.
    fn start_ticker(&self) -> glommio::Task<()> {
        let (tick, mesh, id) = (Rc::clone(&self.tick), Arc::clone(self.shard.mesh()), self.shard.id());
        glommio::spawn_local(async move {
            loop {
                glommio::timer::sleep(Duration::from_millis(limits::SWEEP_INTERVAL_MS)).await;
                tick.set(true);
                mesh.signal(id);
            }
        })
    }

    /// Microseconds since the last mark, which is now.
    fn mark(&mut self) -> u64 {
        let last_us = std::mem::replace(&mut self.marked_us, self.clock.mono_us());
        self.marked_us.saturating_sub(last_us)
    }

    async fn park(&mut self, waker: &glommio::io::BufferedFile) -> io::Result<()> {
        self.ring.notify(true);
        // What came before notifications were on is told by nobody: one more look.
        self.ring.turn()?;
        if !self.ring.has_events() && self.shard.park() {
            let busy_us = self.mark();
            self.metrics.busy(busy_us);
            waker.read_at(0, size_of::<u64>()).await.map_err(io::Error::from)?;
            self.shard.unpark();
            let parked_us = self.mark();
            self.metrics.parked(parked_us);
        }
        self.ring.notify(false);
        Ok(())
    }

    /// One turn. `true` where there was anything to do.
    fn turn(&mut self) -> Result<bool, Failure> {
        self.ring.turn()?;
        self.ring.give_way();
        self.desk.now = self.clock.now();
        self.desk.date.refresh(self.desk.now.wall_ms / 1_000);
        // At once: what is let in after the disk is known to take no writes would wait for it.
        self.shard.set_read_only(self.readiness.is_read_only());
        let mut worked = self.start_accepting()?;
        worked |= self.go_on();
        for _ in 0..EVENTS_PER_TURN {
            let Some(event) = self.ring.next_event() else { break };
            worked = true;
            self.on_event(event)?;
        }
        worked |= self.poll_shard();
        if self.tick.take() {
            self.on_tick();
        }
        if self.readiness.is_stopping() {
            self.drain()?;
        }
        // Before the answers, so that the disk works while they are sent.
        self.write_journal()?;
        self.settle()?;
        self.shard.flush();
        if worked {
            let busy_us = self.mark();
            self.metrics.busy(busy_us);
            self.desk.end_turn(self.marked_us);
        }
        Ok(worked || !self.unfinished.is_empty())
    }

    fn start_accepting(&mut self) -> io::Result<bool> {
        if self.draining.is_some() {
            return Ok(false);
        }
        let mut started = false;
        for (number, listener) in
            self.listeners.iter_mut().enumerate().filter(|(_, listener)| !listener.armed)
        {
            listener.armed = true;
            started = true;
            self.ring.accept(listener.socket.as_fd(), number as u8)?;
        }
        Ok(started)
    }

    /// Goes on with the connections whose share of the last turn was used up.
    fn go_on(&mut self) -> bool {
        let unfinished = std::mem::take(&mut self.unfinished);
        for id in &unfinished {
            if let Some(connection) = find(&mut self.connections, *id) {
                connection.serve_backlog(&mut self.desk, &mut self.shard);
                touch(&mut self.touched, connection);
            }
        }
        !unfinished.is_empty()
    }

    fn on_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Accepted { listener, connection, armed } => self.on_accepted(listener, connection, armed),
            Event::Received { connection: id, received } => {
                let connection = find(&mut self.connections, id).expect("an open connection receives");
                connection.on_received();
                match received {
                    Received::Bytes(lease) => {
                        connection.on_bytes(self.ring.bytes(&lease), &mut self.desk, &mut self.shard);
                        self.ring.release(lease);
                    }
                    Received::End => connection.on_end(),
                    Received::NoBuffer | Received::Cancelled => {}
                    Received::Failed(_) => connection.abort(),
                }
                touch(&mut self.touched, connection);
            }
            Event::Sent { connection: id, buffer, result } => {
                let connection = find(&mut self.connections, id).expect("an open connection sends");
                connection.on_sent(buffer, result, &mut self.desk);
                touch(&mut self.touched, connection);
            }
            Event::ShutDown { connection: id } => {
                let connection = find(&mut self.connections, id).expect("an open connection is shut down");
                touch(&mut self.touched, connection);
            }
            Event::Written { result } => self.on_written(result)?,
        }
        Ok(())
    }

    /// Has the changes since the last group written, where no write is under way.
    fn write_journal(&mut self) -> Result<(), Failure> {
        let id = self.shard.id();
        if let Some((write, group)) = self.shard.next_write().map_err(Failure::journal)? {
            let header = write.header.as_ref().map_or(&[][..], |header| &header[..]);
            self.ring.write(write.file, write.offset, [header, &group.bytes])?;
            markers::group_handed_over(id, group.last, group.bytes.len());
        }
        Ok(())
    }

    fn on_written(&mut self, result: io::Result<()>) -> Result<(), Failure> {
        let Self { shard, connections, desk, touched, .. } = self;
        shard.on_written(result).map_err(Failure::journal)?;
        let durable = shard.durable();
        markers::group_durable(shard.id(), durable);
        desk.on_durable(durable, |pool, id| {
            if let Some(connection) = find(connections, id) {
                connection.on_durable(durable, pool);
                touch(touched, connection);
            }
        });
        Ok(())
    }

    fn on_accepted(&mut self, listener: u8, accepted: io::Result<ConnectionId>, armed: bool) {
        let listener = &mut self.listeners[usize::from(listener)];
        listener.armed = armed;
        match accepted {
            Ok(id) => {
                let now_ms = self.desk.now.mono_ms();
                let connection = Connection::new(id, listener.service, now_ms);
                if self.connections.len() <= id.slot() {
                    self.connections.resize_with(id.slot() + 1, || None);
                }
                let connection = self.connections[id.slot()].insert(connection);
                self.open += 1;
                self.metrics.connected();
                touch(&mut self.touched, connection);
            }
            // The file table is full: the kernel has closed the connection that did not fit. Other errors are of
            // a connection that ended before it was accepted, and of a stop.
            Err(error) if ring::is_table_full(&error) => self.metrics.connection_refused(),
            Err(_) => {}
        }
    }

    fn poll_shard(&mut self) -> bool {
        let Self { shard, connections, desk, touched, .. } = self;
        let durable = shard.durable();
        shard.poll(desk.now.wall_ms, |waiter, outcome, after| {
            let after = if after <= durable { 0 } else { after };
            // Its connection may have ended meanwhile; then nobody waits.
            if let Some(connection) = find(connections, waiter.connection) {
                connection.on_outcome(waiter, outcome, after, desk);
                touch(touched, connection);
            }
        })
    }

    fn on_tick(&mut self) {
        self.shard.sweep(self.desk.now.wall_ms);
        for connection in self.connections.iter_mut().flatten() {
            if connection.on_time(&self.timeouts, &mut self.desk) {
                touch(&mut self.touched, connection);
            }
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        let now_ms = self.desk.now.mono_ms();
        for slot in std::mem::take(&mut self.touched) {
            let place = &mut self.connections[slot as usize];
            let Some(connection) = place else { continue };
            connection.queued = false;
            connection.settle(&mut self.ring, &mut self.desk.stages, now_ms)?;
            if connection.is_closed() {
                *place = None;
                self.open -= 1;
                self.metrics.disconnected();
            } else if connection.is_ready() {
                self.unfinished.push(connection.id());
            }
        }
        Ok(())
    }

    /// Stops: takes no more connections, ends the idle ones, and past the deadline ends all.
    fn drain(&mut self) -> io::Result<()> {
        let now_ms = self.desk.now.mono_ms();
        if self.draining.is_none() {
            let deadline_ms = now_ms.saturating_add(self.timeouts.drain_ms);
            self.draining = Some(Drain { deadline_ms, left: false });
            for number in 0..self.listeners.len() {
                self.ring.stop_accepting(number as u8)?;
            }
        }
        let Some(drain) = &mut self.draining else { unreachable!("it was put there") };
        let late = now_ms >= drain.deadline_ms;
        for connection in self.connections.iter_mut().flatten() {
            connection.on_stop();
            if late {
                connection.abort();
            }
            touch(&mut self.touched, connection);
        }
        if self.listeners.iter().all(|listener| !listener.armed) {
            self.listeners.clear();
            if self.open == 0 && !drain.left {
                drain.left = true;
                self.shard.leave();
            }
        }
        Ok(())
    }

    /// Whether this core has nothing left to do for anybody.
    fn is_over(&self) -> bool {
        let Some(drain) = self.draining.as_ref().filter(|drain| drain.left) else { return false };
        // What a disk that takes no writes has kept back was told to nobody.
        let is_late = || self.desk.now.mono_ms() >= drain.deadline_ms;
        self.shard.mesh().is_over() && (self.shard.is_durable() || self.shard.is_read_only() && is_late())
    }
}

/// The connection with this id, where it is still open.
fn find(connections: &mut [Option<Connection>], id: ConnectionId) -> Option<&mut Connection> {
    connections.get_mut(id.slot())?.as_mut().filter(|connection| connection.id() == id)
}

/// Has the connection settled at the end of the turn.
fn touch(touched: &mut Vec<u32>, connection: &mut Connection) {
    if !connection.queued {
        connection.queued = true;
        touched.push(connection.id().slot() as u32);
    }
}
