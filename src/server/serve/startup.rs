//! Answers while the server starts. The ports are open before the data are there, which may take minutes: a health check
//! that gets no answer until then has the process restarted, and a call that gets none is repeated until it times out.
//!
//! One thread accepts from the sockets that the shards will accept from, and answers each connection once. At the
//! hand-over it accepts no more: what it has accepted it still answers, and what it has not waits in the kernel for the
//! shards. So no connection is refused or reset between the two.

mod answers;
mod connection;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::listen::BoundListener;
use super::say::say;
use crate::net::Timeouts;
pub(super) use answers::Answers;
use clock::Clock;
use connection::StartupConnection;

/// The thread accepts and answers.
const STARTING: u8 = 0;
/// The shards accept: it answers what it has accepted.
const HANDED_OVER: u8 = 1;
/// The process stops: what was not asked yet is not waited for.
const STOPPING: u8 = 2;

/// What the process and the thread share.
struct StartupControl {
    phase: AtomicU8,
    /// Wakes the thread.
    eventfd: OwnedFd,
}

/// The thread that answers while the server starts.
pub(super) struct Startup {
    control: Arc<StartupControl>,
    /// Ends once it accepts no more.
    accepts: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Startup {
    /// Answers from now on what comes to the two listeners, the platforms' and the operator's. A process that may have
    /// `open_files` needs them for its data first.
    ///
    /// # Errors
    /// Where the process has no descriptors left.
    pub(super) fn begin(
        bound: [&BoundListener; 2],
        open_files: usize,
        timeouts: Timeouts,
        clock: Clock,
        answers: Answers,
    ) -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let control = Arc::new(StartupControl { phase: AtomicU8::new(STARTING), eventfd });
        let (accepting, accepts) = mpsc::channel();
        let mut listeners = Vec::new();
        for (is_operator, listener) in [(false, bound[0]), (true, bound[1])] {
            for socket in &listener.sockets {
                // Whether it blocks is the socket's own, for all its descriptors.
                socket.set_nonblocking(true)?;
                listeners.push(StartupListener { socket: socket.try_clone()?, is_operator });
            }
        }
        let places = (open_files / FILES_PER_CONNECTION).clamp(1, limits::STARTUP_CONNECTIONS_MAX);
        let server = StartupServer {
            control: Arc::clone(&control),
            listeners,
            accepting: Some(accepting),
            places,
            connections: Vec::new(),
            answers,
            clock,
            timeouts,
            backs_off_until_ms: 0,
            stops_ms: None,
            addresses: Some(bound.map(|listener| listener.address)),
        };
        let thread = std::thread::Builder::new().name("startup".into()).spawn(move || server.run())?;
        Ok(Self { control, accepts, thread })
    }

    /// Accepts no more once this returns, and leaves the listeners as they were. What was accepted is answered beside the
    /// shards.
    pub(super) fn hand_over(&self) {
        self.control.enter(HANDED_OVER);
        // Nothing is ever sent: it ends.
        let _ = self.accepts.recv();
    }

    /// The process stops. Ends what was not asked yet, and gives the rest the time of the drain.
    pub(super) fn stop(&self) {
        self.control.enter(STOPPING);
    }

    /// Waits until all of it is answered.
    pub(super) fn join(self) {
        // That it has panicked was said, and a server that stops has nothing more to do about it.
        let _ = self.thread.join();
    }
}

impl StartupControl {
    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Release);
        // It refuses a write only where its counter is at its end, and then it is signalled already.
        let _ = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
    }
}

/// Of so many open files one may be a connection of the start: the data are opened meanwhile, and the shards' rings.
const FILES_PER_CONNECTION: usize = 16;

/// A socket that is listened on.
struct StartupListener {
    socket: TcpListener,
    is_operator: bool,
}

/// The thread's own.
struct StartupServer {
    control: Arc<StartupControl>,
    /// Copies of the shards' descriptors; none after the hand-over.
    listeners: Vec<StartupListener>,
    accepting: Option<mpsc::Sender<()>>,
    /// Connections of each of the two listeners.
    places: usize,
    connections: Vec<StartupConnection>,
    answers: Answers,
    clock: Clock,
    timeouts: Timeouts,
    /// Until then nothing is accepted: the system had no room for it.
    backs_off_until_ms: u64,
    /// When a stop that has begun waits for nobody any more.
    stops_ms: Option<u64>,
    /// Said once a start takes long.
    addresses: Option<[SocketAddr; 2]>,
}

impl StartupServer {
    fn run(mut self) {
        loop {
            let now_ms = self.now_ms();
            match self.control.phase.load(Ordering::Acquire) {
                STARTING => self.say_where(now_ms),
                HANDED_OVER => self.release_listeners(now_ms),
                _ => {
                    self.release_listeners(now_ms);
                    // From the beginning of the stop, whatever is exchanged meanwhile.
                    let drain_ms = self.timeouts.drain_ms;
                    let deadline_ms = *self.stops_ms.get_or_insert(now_ms.saturating_add(drain_ms));
                    for connection in &mut self.connections {
                        connection.on_stop(now_ms, deadline_ms, &self.timeouts, &mut self.answers);
                    }
                }
            }
            self.connections.retain(|connection| !connection.is_closed());
            if self.accepting.is_none() && self.connections.is_empty() {
                return;
            }
            self.wait(now_ms);
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().mono_ms()
    }

    /// Accepts no more; the listeners are for the shards.
    fn release_listeners(&mut self, now_ms: u64) {
        if self.accepting.is_some() {
            self.connections.iter_mut().for_each(|connection| connection.on_hand_over(now_ms));
        }
        for listener in self.listeners.drain(..) {
            // It worked the other way round.
            let _ = listener.socket.set_nonblocking(false);
        }
        self.accepting = None;
    }

    /// A start that takes long says where it can be asked how long.
    fn say_where(&mut self, now_ms: u64) {
        if now_ms >= limits::PROGRESS_AFTER_MS
            && let Some([platform, operator]) = self.addresses.take()
        {
            say(&format!(
                "the data are being read; health checks are answered on http://{platform} and http://{operator}, and \
                 /readyz says how far it is"
            ));
        }
    }

    /// Waits for something to do, and does it.
    fn wait(&mut self, now_ms: u64) {
        let is_backing_off = now_ms < self.backs_off_until_ms;
        let is_open = [false, true].map(|is_operator| !is_backing_off && self.has_place(is_operator));
        let listeners = self.listeners.iter().filter(|listener| is_open[usize::from(listener.is_operator)]);
        let mut polled = vec![PollFd::new(&self.control.eventfd, PollFlags::IN)];
        polled.extend(self.connections.iter().map(|connection| {
            let flags = if connection.is_sending() { PollFlags::OUT } else { PollFlags::IN };
            PollFd::new(connection.stream(), flags)
        }));
        polled.extend(listeners.clone().map(|listener| PollFd::new(&listener.socket, PollFlags::IN)));
        let timeout = self.timeout(now_ms);
        if poll(&mut polled, timeout.as_ref()).is_err() {
            // A signal: the next look begins anew.
            return;
        }
        let has_come: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        let (has_come, listeners_called) = has_come.split_at(1 + self.connections.len());
        let called: Vec<usize> = (0..self.listeners.len())
            .filter(|at| is_open[usize::from(self.listeners[*at].is_operator)])
            .zip(listeners_called)
            .filter_map(|(at, called)| called.then_some(at))
            .collect();
        if has_come[0] {
            let _ = rustix::io::read(&self.control.eventfd, &mut [0; 8]);
        }
        let now_ms = self.now_ms();
        let buffered: usize = self.connections.iter().map(StartupConnection::buffered).sum();
        self.answers.is_full = buffered > limits::STARTUP_BYTES_MAX;
        for (connection, has_come) in self.connections.iter_mut().zip(&has_come[1..]) {
            if *has_come {
                connection.on_ready(now_ms, &self.timeouts, &mut self.answers);
            }
            connection.on_time(now_ms, &self.timeouts, &mut self.answers);
        }
        // After the hand-over began they are the shards'.
        if self.control.phase.load(Ordering::Acquire) == STARTING {
            called.into_iter().for_each(|at| self.accept(at, now_ms));
        }
    }

    /// Until the next deadline; for ever where there is none.
    fn timeout(&self, now_ms: u64) -> Option<Timespec> {
        let connections = self.connections.iter().map(StartupConnection::deadline_ms);
        let retry = (now_ms < self.backs_off_until_ms).then_some(self.backs_off_until_ms);
        let long = self.addresses.map(|_| limits::PROGRESS_AFTER_MS).filter(|_| self.accepting.is_some());
        let next_ms = connections.chain(retry).chain(long).min()?;
        let left_ms = next_ms.saturating_sub(now_ms);
        Some(Timespec { tv_sec: (left_ms / 1_000) as i64, tv_nsec: (left_ms % 1_000 * 1_000_000) as i64 })
    }

    fn has_place(&self, is_operator: bool) -> bool {
        let mut of_it = self.connections.iter().filter(|connection| connection.is_operator() == is_operator);
        // One that was asked nothing may be evicted.
        of_it.clone().count() < self.places || of_it.any(StartupConnection::is_idle)
    }

    /// Takes one connection of a socket. Where all places are taken, the oldest that nothing was asked on ends.
    fn accept(&mut self, at: usize, now_ms: u64) {
        let StartupListener { socket, is_operator } = &self.listeners[at];
        let is_operator = *is_operator;
        if !self.has_place(is_operator) {
            return;
        }
        let accepted = socket.accept().and_then(|(stream, _)| {
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        let stream = match accepted {
            Ok(stream) => stream,
            // It went away meanwhile.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                ) =>
            {
                return;
            }
            Err(_) => {
                self.backs_off_until_ms = now_ms + limits::LISTEN_RETRY_MS;
                return;
            }
        };
        let of_it = |connection: &&mut StartupConnection| connection.is_operator() == is_operator;
        if self.connections.iter_mut().filter(of_it).count() >= self.places
            && let Some(idle) = self.connections.iter_mut().filter(of_it).find(|known| known.is_idle())
        {
            idle.end();
        }
        self.connections.retain(|connection| !connection.is_closed());
        let deadline_ms = now_ms.saturating_add(self.timeouts.request_ms);
        self.connections.push(StartupConnection::new(stream, is_operator, deadline_ms));
    }
}
