//! Connections that come: some accepts under way for each listener, a place for each connection.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;

use super::client::Client;
use super::connection::Connection;
use super::desk::Service;
use super::ending::Drain;
use super::places::{Admission, Refusal};
use super::ring::{self, Accepted};
use super::{Driver, find, touch};
use crate::limits;
use crate::metrics::Refused;

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

impl Driver {
    /// Begins the accepts that have ended anew. `true` where there were any.
    pub(super) fn start_accepting(&mut self) -> io::Result<bool> {
        let is_closing = self.draining.as_ref().is_some_and(|drain| drain.is_closing);
        if is_closing || self.desk.now.mono_ms() < self.rests_until_ms {
            return Ok(false);
        }
        let mut started = false;
        for (number, listener) in self.listeners.iter_mut().enumerate() {
            while listener.armed < limits::ACCEPTS_PER_LISTENER {
                listener.armed += 1;
                started = true;
                self.ring.accept(listener.socket.as_fd(), number as u8)?;
            }
        }
        Ok(started)
    }

    /// An accept has ended.
    pub(super) fn on_accepted(&mut self, listener: u8, accepted: io::Result<Accepted>) {
        let listener = &mut self.listeners[usize::from(listener)];
        listener.armed -= 1;
        match accepted {
            Ok(Accepted { connection: id, address }) => {
                let service = listener.service;
                let client = Client::of(address);
                let connection = Connection::new(id, service, client, self.desk.now.mono_ms());
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
                self.metrics.connection_refused(Refused::Table);
                self.rest();
            }
            Err(error) if ring::lacks_memory(&error) => self.rest(),
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
                    connection.make_way();
                    touch(&mut self.touched, connection);
                    self.metrics.connection_evicted();
                }
                Admission::Refused(why) => {
                    connection.abort();
                    self.metrics.connection_refused(match why {
                        Refusal::Address => Refused::Address,
                        Refusal::Full => Refused::Full,
                    });
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
    fn rest(&mut self) {
        self.rests_until_ms = self.desk.now.mono_ms() + limits::LISTEN_RETRY_MS;
    }
}
