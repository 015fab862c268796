//! What a connection asks of the ring, at the end of each turn that has touched it and when it ends.

use std::io;

use super::waits::Wait;
use super::{Connection, ConnectionState};
use crate::net::markers;
use crate::net::stages::Stages;
use crate::net::wire::Wire;
use clock::Now;

impl Connection {
    /// Brings the ring up to what the turn made of the connection: sends what is ready, arms the receive
    /// where more is wanted. Once for each connection that a turn has touched, which has taken in what had come by `takes_in_ns`.
    /// One that is over is for [`Connection::end`].
    pub(in crate::net) fn settle(
        &mut self,
        wire: &mut impl Wire,
        stages: &mut Stages,
        now: Now,
        takes_in_ns: u64,
    ) -> io::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        if self.state == ConnectionState::Open && self.peer_ended && !self.has_more() {
            self.state = ConnectionState::Ending;
        }
        let sends = self.is_to_send();
        if sends {
            self.sending_bytes = self.replies.ready_bytes();
            if let Some(sampled) = self.sampled {
                stages.on_hand_over(sampled, |place| self.replies.is_past(place));
            }
            markers::reply_handed_over(self.id, self.sending_bytes);
            wire.send(self.id, self.replies.take_ready())?;
        }
        if self.state == ConnectionState::Ending && !self.owes() {
            if self.peer_ended {
                self.abort();
                return Ok(());
            }
            self.state = ConnectionState::Lingering;
            self.lingers_until_ms = now.mono_ms().saturating_add(limits::LINGER_MS);
            wire.shutdown(self.id)?;
        }
        self.settle_receiving(wire, takes_in_ns)?;
        // What was kept back by its own peer has not waited for the server.
        let is_held = self.has_more() && self.is_full();
        if std::mem::replace(&mut self.is_held, is_held) && !is_held {
            self.arrived_ns = now.mono_ns;
        }
        let wait = self.waits_for();
        match wait {
            // The time for a request runs until the request has ended, whatever comes of it meanwhile.
            Wait::First => {}
            Wait::RestOfRequest => _ = self.asks_since_ms.get_or_insert(now.mono_ms()),
            // A wait starts again with each answer, each request, and each hand-over to the kernel.
            _ if wait != self.wait || sends || wait == Wait::Request => self.since_ms = now.mono_ms(),
            _ => {}
        }
        self.wait = wait;
        Ok(())
    }

    fn settle_receiving(&mut self, wire: &mut impl Wire, takes_in_ns: u64) -> io::Result<()> {
        if self.receiving || self.peer_ended {
            return Ok(());
        }
        if self.state != ConnectionState::Open {
            self.receiving = true;
            return wire.discard(self.id);
        }
        // A full connection is not read: its peer's window fills, and the peer waits. One whose request waits for its turn
        // is, a little further, so that it is known whether its peer is still there.
        let looks_ahead = self.is_new && self.backlog.len() <= limits::RECEIVE_BUFFER_BYTES;
        if self.has_more() && !looks_ahead {
            return Ok(());
        }
        (self.receiving, self.armed_ns) = (true, takes_in_ns);
        // What lies behind its bytes may be nothing that can be received, such as a mark of urgent data: so it is not waited for.
        if self.looks_behind { wire.try_receive(self.id) } else { wire.receive(self.id) }
    }

    /// Goes on ending a connection that [is over](Connection::is_over): cancels what is under way, and closes it once
    /// nothing is.
    pub(in crate::net) fn end(&mut self, wire: &mut impl Wire, stages: &mut Stages) -> io::Result<()> {
        if self.state == ConnectionState::Aborting {
            if let Some(sampled) = self.sampled.take() {
                stages.give_up(sampled);
            }
            if wire.is_quiet(self.id) {
                self.state = ConnectionState::Closed;
                return wire.close(self.id);
            }
        }
        if !std::mem::replace(&mut self.cancelled, true) {
            wire.abort(self.id)?;
        }
        // A cancellation wins against bytes that have come and that nobody was told of.
        if self.state == ConnectionState::Leaving
            && !self.receiving
            && !std::mem::replace(&mut self.has_tried_receive, true)
        {
            self.receiving = true;
            return wire.try_receive(self.id);
        }
        Ok(())
    }
}
