//! Connections that end, and the stop of the server: what has arrived is served, and nothing that was asked is dropped.
//!
//! Ends are bounded for each turn: thousands of connections that time out together, or that a stop ends, cost each turn of
//! the others a fraction of a millisecond.

use std::io;
use std::os::fd::AsFd;

use super::{Driver, find, touch};
use ring::Ring;

/// A stop under way.
pub(super) struct Drain {
    deadline_ms: u64,
    /// The accepts are being ended: nobody waits to be accepted.
    pub(super) is_closing: bool,
    /// Its time is over, and all connections were told.
    is_late: bool,
    /// This core has no connection left and has told the others.
    left: bool,
}

impl Drain {
    /// Whether its time is over.
    pub(super) const fn is_late(&self) -> bool {
        self.is_late
    }
}

impl Driver {
    /// Goes on ending the connection at `slot`, or has it wait for its turn to be ended.
    pub(super) fn end_later(&mut self, slot: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[slot] else { return Ok(()) };
        if connection.is_ending() {
            return self.end(slot);
        }
        if !connection.is_to_end {
            connection.is_to_end = true;
            self.to_end.push_back(connection.id());
        }
        Ok(())
    }

    /// Ends some of the connections that are to be ended. `true` where there were any.
    pub(super) fn end_some(&mut self) -> io::Result<bool> {
        let worked = !self.to_end.is_empty();
        for _ in 0..limits::ENDS_PER_TURN {
            let Some(id) = self.to_end.pop_front() else { break };
            let Some(connection) = find(&mut self.connections, id) else { continue };
            connection.is_to_end = false;
            // One that was to leave may have been asked once more.
            if connection.is_over() {
                self.end(id.slot())?;
            }
        }
        Ok(worked)
    }

    fn end(&mut self, slot: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[slot] else { return Ok(()) };
        connection.end(&mut self.ring, &mut self.responder.stages)?;
        if connection.is_closed() {
            self.connections[slot] = None;
            self.wheel.remove(slot);
            self.places.leave(slot as u32);
            self.open -= 1;
            self.metrics.disconnected();
        }
        Ok(())
    }

    /// Goes on stopping: lets in who has come, and nobody further; ends the idle connections, each after a last look; and past
    /// the deadline ends all.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        let now_ms = self.responder.now.mono_ms();
        if self.draining.is_none() {
            self.begin_drain(now_ms);
        }
        let Some(drain) = &mut self.draining else { unreachable!("it was put there") };
        if now_ms >= drain.deadline_ms && !std::mem::replace(&mut drain.is_late, true) {
            for connection in self.connections.iter_mut().flatten() {
                connection.abort();
                touch(&mut self.touched, connection);
            }
        }
        // Who waits to be accepted may have asked something already: a listener that is closed resets it.
        if !drain.is_closing
            && (drain.is_late
                || !self.listeners.iter().any(|listener| Ring::has_waiting(listener.socket.as_fd())))
        {
            drain.is_closing = true;
            for number in 0..self.listeners.len() {
                self.ring.stop_accepting(number as u8)?;
            }
        }
        if drain.is_closing && self.listeners.iter().all(|listener| listener.armed == 0) {
            self.listeners.clear();
            if self.open == 0 && !drain.left {
                drain.left = true;
                self.shard.leave();
            }
        }
        Ok(())
    }

    fn begin_drain(&mut self, now_ms: u64) {
        let deadline_ms = now_ms.saturating_add(self.timeouts.drain_ms);
        self.draining = Some(Drain { deadline_ms, is_closing: false, is_late: false, left: false });
        for listener in &self.listeners {
            // Where the kernel refuses it, who comes in this moment is let in, or reset.
            let _ = Ring::turn_away(listener.socket.as_fd());
        }
        for (slot, connection) in self.connections.iter().enumerate() {
            let deadline_ms =
                connection.as_ref().and_then(|connection| connection.deadline_ms(&self.timeouts, true));
            deadline_ms.into_iter().for_each(|deadline_ms| self.wheel.schedule(slot, deadline_ms));
        }
    }

    /// Whether this core has nothing left to do for anybody.
    pub(super) fn is_over(&self) -> bool {
        let Some(drain) = self.draining.as_ref().filter(|drain| drain.left) else { return false };
        // What a disk that takes no writes has kept back was told to nobody.
        let is_late = || self.responder.now.mono_ms() >= drain.deadline_ms;
        self.shard.mesh().is_over() && (self.shard.is_durable() || self.shard.is_read_only() && is_late())
    }
}
