//! Connections that end, by whatever side and for whatever reason, and those that are made in their place.

use std::io;

use super::super::setup;
use super::super::stats::AnswerCheck;
use super::super::vu::Phase;
use super::{Driver, record};

impl Driver<'_> {
    /// Ends a connection that something went wrong with. Where no request is under way, it costs the next one.
    pub(super) fn fail(&mut self, index: usize) -> io::Result<()> {
        let vu = &mut self.vus[index];
        if vu.phase != Phase::Playing {
            return Ok(());
        }
        if vu.lanes().under_way() == 0 {
            vu.begin_nothing(self.now_ns);
        }
        self.lose(index)
    }

    /// Ends a connection without the answers that it still owes, which have failed.
    pub(super) fn lose(&mut self, index: usize) -> io::Result<()> {
        let vu = &mut self.vus[index];
        while vu.lanes().under_way() > 0 {
            vu.forget_token(self.site);
            record(vu, &mut self.stats, AnswerCheck::default(), self.now_ns);
        }
        if self.plays_on(index) {
            self.abandon(index)
        } else {
            self.leave(index);
            Ok(())
        }
    }

    /// Ends a connection that is of no use any more.
    pub(super) fn abandon(&mut self, index: usize) -> io::Result<()> {
        self.vus[index].phase = Phase::Closing;
        let connection = self.connection(index);
        if !self.ring.is_quiet(connection) && !self.shut_down(index) {
            self.ring.abort(connection)?;
        }
        self.close(index)
    }

    /// Closes a connection once the kernel has no more to do for it.
    pub(super) fn close(&mut self, index: usize) -> io::Result<()> {
        let connection = self.connection(index);
        if self.ring.is_quiet(connection) {
            self.ring.close(connection)?;
            self.vus[index].connection = None;
            self.vus[index].socket = None;
            self.vus[index].phase = Phase::Unconnected;
            if self.has_failed_to_connect(index) {
                self.resting.push(index);
            } else {
                self.unconnected.push_back(index);
            }
        }
        Ok(())
    }

    /// Connects the virtual user that has waited longest. Where the server does not take it, its request has
    /// failed, and all others wait with it for the next tick: one attempt may take as long as a tick.
    pub(super) fn connect(&mut self) -> io::Result<()> {
        let Some(index) = self.unconnected.pop_front() else { return Ok(()) };
        if self.vus[index].phase == Phase::Done {
            return Ok(());
        }
        let connected = match self.pace {
            Some(_) => setup::begin_to_connect(self.site.address, &self.clock),
            None => setup::connect(self.site.address, setup::CONNECT_TIMEOUT, &self.clock),
        };
        self.look_at_clock();
        match connected {
            Ok((socket, took_ns)) => {
                self.on_reconnect(index, &socket)?;
                let connection = self.ring.adopt(socket.into())?;
                self.by_slot[connection.slot()] = index;
                self.vus[index].connection = Some(connection);
                self.vus[index].connecting_ns = took_ns;
                self.vus[index].forget_heard();
                self.ring.receive(connection)?;
                self.vus[index].phase = Phase::Playing;
                self.go_on(index)
            }
            Err(_) if self.is_open_loop() => {
                self.unconnected.push_back(index);
                self.rest();
                Ok(())
            }
            Err((_, took_ns)) => {
                let vu = &mut self.vus[index];
                vu.connecting_ns = took_ns;
                vu.forget_token(self.site);
                vu.begin_nothing(self.now_ns);
                record(vu, &mut self.stats, AnswerCheck::default(), self.now_ns);
                if self.plays_on(index) {
                    self.unconnected.push_back(index);
                } else {
                    self.leave(index);
                }
                self.rest();
                Ok(())
            }
        }
    }

    /// Has all that are not connected wait for the next tick. Past the end of the run there is nothing to wait for.
    fn rest(&mut self) {
        while let Some(index) = self.unconnected.pop_front() {
            if self.vus[index].phase == Phase::Done {
                continue;
            }
            if self.now_ns < self.ends_ns {
                self.resting.push(index);
            } else {
                self.stats.interrupted += 1;
                self.leave(index);
            }
        }
    }

    /// A virtual user plays no more.
    pub(super) fn leave(&mut self, index: usize) {
        self.vus[index].phase = Phase::Done;
        self.playing -= 1;
        if self.is_open_loop() && self.vus[index].is_within_iteration() {
            self.stats.interrupted += 1;
        }
    }
}
