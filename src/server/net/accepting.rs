//! Connections that come: some accepts under way for each listener, a place for each connection.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;

use super::client::Client;
use super::connection::Connection;
use super::ending::Drain;
use super::places::Admission;
use super::responder::Service;
use super::{Driver, find, touch};
use metrics::ConnectionRefusal;
use ring::{Accepted, Ring};

/// A listener of a core.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    service: Service,
    /// Accepts under way.
    pub(super) armed: usize,
}

impl Listener {
    pub(super) const fn new(socket: TcpListener, service: Service) -> Self {
        Self { socket, service, armed: 0 }
    }
}

/// The platforms' listener; none where the core is about to end.
fn platform(listeners: &[Listener]) -> Option<&Listener> {
    listeners.iter().find(|listener| listener.service == Service::Platform)
}

impl Driver {
    /// Begins the accepts that have ended anew, where more are let in. `true` where there were any.
    pub(super) fn start_accepting(&mut self) -> io::Result<bool> {
        self.adjust_intake();
        let is_closing = self.draining.as_ref().is_some_and(|drain| drain.is_closing);
        if is_closing || self.responder.now.mono_ms() < self.backs_off_until_ms {
            return Ok(false);
        }
        let mut started = false;
        let room = match self.draining {
            None => self.intake.room(self.connected()),
            Some(_) => usize::MAX,
        };
        for (number, listener) in self.listeners.iter_mut().enumerate() {
            let most = match listener.service {
                Service::Platform => limits::ACCEPTS_PER_LISTENER.min(room),
                Service::Operator => limits::ACCEPTS_PER_LISTENER,
            };
            while listener.armed < most {
                listener.armed += 1;
                started = true;
                self.ring.accept(listener.socket.as_fd(), number as u8)?;
            }
        }
        Ok(started)
    }

    /// The platforms' connections that are not about to end.
    fn connected(&self) -> usize {
        self.places.open(Service::Platform) as usize + self.newcomers.len()
    }

    /// Adjusts, once in a while, how many connections are let in to what the core can serve, and has the kernel keep as many for it.
    fn adjust_intake(&mut self) {
        let (now_ns, connected) = (self.responder.now.mono_ns, self.connected());
        let Self { listeners, intake, metrics, .. } = self;
        let Some(listener) = platform(listeners).filter(|_| self.draining.is_none()) else { return };
        if listener.armed > 0 {
            intake.on_kept_up(self.takes_in_ns);
        }
        if !intake.is_due(now_ns) {
            return;
        }
        let adjustment = intake.adjust(now_ns, connected, Ring::queue(listener.socket.as_fd()));
        metrics.connections_turned_away(adjustment.turned_away.into());
        if let Some(backlog) = adjustment.backlog {
            Ring::bound_queue(listener.socket.as_fd(), backlog);
        }
    }

    /// The core has waited for something to do since `slept_ns`, for so long.
    pub(super) fn on_unparked(&mut self, slept_ns: u64, parked_us: u64) {
        let tick_us = limits::TIMER_TICK_MS * 1_000;
        // It waits for a tick at most: the rest of the time it was kept from going on, by a signal or by other processes.
        self.intake.on_parked(parked_us.min(tick_us));
        let was_held_up = parked_us > 2 * tick_us;
        // What came has woken it, unless it was held up: then it may have come at any time since.
        self.looked_ns = if was_held_up { slept_ns } else { self.clock.mono_ns() };
        if platform(&self.listeners).is_some_and(|listener| listener.armed > 0) {
            self.intake.on_kept_up(self.looked_ns);
        }
    }

    /// An accept has ended.
    pub(super) fn on_accepted(&mut self, listener: u8, accepted: io::Result<Accepted>) {
        let listener = &mut self.listeners[usize::from(listener)];
        listener.armed -= 1;
        match accepted {
            Ok(Accepted { connection: id, address }) => {
                let service = listener.service;
                let client = Client::of(address);
                let mut connection = Connection::new(id, service, client, self.responder.now.mono_ms());
                if service == Service::Platform {
                    self.intake.on_accepted();
                    if let Some(since_ns) = self.intake.may_have_waited(self.responder.now.mono_ns) {
                        connection.may_have_waited(since_ns, self.responder.now.mono_ns);
                    }
                }
                if self.connections.len() <= id.slot() {
                    self.connections.resize_with(id.slot() + 1, || None);
                }
                self.connections[id.slot()] = Some(connection);
                self.newcomers.push((id, address));
                self.open += 1;
                self.metrics.connected();
            }
            // The file table is full of connections that are ending: the kernel has closed the one that did not fit. Other
            // errors are of a connection that ended before it was accepted, and of a stop.
            Err(error) if ring::is_table_full(&error) => {
                self.metrics.connection_refused(ConnectionRefusal::Table);
                self.back_off();
            }
            Err(error) if ring::lacks_memory(&error) => self.back_off(),
            Err(_) => {}
        }
    }

    /// Gives places to the connections that have come in this turn. At its end: a client that has read its last answer, or has
    /// ended its connection, and then connects once more is in nobody's way, and all of that may come in one turn.
    pub(super) fn admit(&mut self) -> io::Result<()> {
        let mut newcomers = std::mem::take(&mut self.newcomers);
        for (id, address) in newcomers.drain(..) {
            // A stop whose time is over may have ended it.
            let Some(connection) = find(&mut self.connections, id) else { continue };
            touch(&mut self.touched, connection);
            match self.places.admit(connection.service(), address, id.slot() as u32) {
                // A stop whose time is over waits for nobody.
                Admission::Taken if self.draining.as_ref().is_some_and(Drain::is_late) => connection.abort(),
                Admission::Taken => {}
                Admission::TakenAfter(slot) => {
                    let connection = self.connections[slot as usize].as_mut();
                    let connection = connection.expect("who has a place is connected");
                    connection.evict();
                    touch(&mut self.touched, connection);
                    self.metrics.connection_evicted();
                }
                Admission::Refused(why) => {
                    connection.abort();
                    self.metrics.connection_refused(why);
                }
            }
            // At once: the next one may evict it, and a connection ends by its receive.
            self.settle()?;
        }
        // Its memory serves the next turn.
        self.newcomers = newcomers;
        Ok(())
    }

    /// Accepts nothing for a moment: the next would come to the same.
    fn back_off(&mut self) {
        self.backs_off_until_ms = self.responder.now.mono_ms() + limits::LISTEN_RETRY_MS;
    }
}
