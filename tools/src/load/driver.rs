//! Moves the virtual users: one thread, one ring, no system call but the ring's.
//!
//! A turn hands all requests to the kernel and waits for something to come, reads the clock, and takes in all that
//! has come; each answer that is whole is checked, and the next request of its virtual user is made. So the cost
//! of a system call and of a look at the clock is shared by all that a turn brings.
//!
//! A connection that breaks costs its request, which has then failed, and is made anew. A server that does not
//! take connections is asked once a second.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;

use purser::net::ring::{ConnectionId, Event, Received, Ring, Sizes};

use super::clock::{Clock, Timestamp};
use super::progress::{self, Look, Progress};
use super::scenario::{Player, Site};
use super::setup;
use super::stats::{Stats, Verdict};
use super::summary::{GRACE, Load};
use super::vu::{Heard, Phase, Vu};
use crate::wake::{self, Wake};

/// Time for an answer, in nanoseconds, as k6 gives it. Past it the request has failed.
const ANSWER_TIMEOUT_NS: u64 = 60_000_000_000;

/// Places in the ring's file table beside the virtual users': the wake, and connections that are not quite closed.
const SPARE_CONNECTIONS: u32 = 32;

/// A virtual user's start.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) socket: TcpStream,
    pub(crate) connecting_ns: u64,
    /// The token to redeem first.
    pub(crate) token: Vec<u8>,
}

/// What a run has come to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stats: Stats,
    pub(crate) elapsed_ns: u64,
}

/// The size of a ring for this many virtual users. The submission queue holds a send and a receive of each, so
/// that a turn fits in one system call.
///
/// # Errors
/// What the kernel says.
pub(crate) fn ring(vus: usize) -> io::Result<Ring> {
    let connections = vus as u32 + SPARE_CONNECTIONS;
    let submissions = (2 * connections).next_power_of_two();
    let buffers = connections.next_power_of_two() as u16;
    Ring::new(Sizes {
        submissions,
        completions: 2 * submissions,
        buffers,
        buffer_bytes: 4_096,
        connections,
        write_bytes: 0,
    })
}

/// The driver of a run.
pub(crate) struct Driver<'a> {
    ring: Ring,
    wake: Wake,
    site: &'a Site,
    clock: Clock,
    vus: Vec<Vu>,
    /// Virtual users by their connections' places in the ring's file table.
    by_slot: Vec<usize>,
    /// Virtual users to be connected in the next turn.
    unconnected: VecDeque<usize>,
    /// Virtual users that the server did not take; they try again in the next tick.
    resting: Vec<usize>,
    playing: usize,
    stats: Stats,
    progress: Progress,
    timestamp: Timestamp,
    /// When this turn began, in nanoseconds of the clock.
    now_ns: u64,
    began_ns: u64,
    ends_ns: u64,
    interrupted: bool,
}

impl<'a> Driver<'a> {
    /// A driver of virtual users that are connected.
    ///
    /// # Errors
    /// What the kernel says of a socket.
    pub(crate) fn new(
        load: &Load,
        site: &'a Site,
        mut ring: Ring,
        wake: Wake,
        clock: Clock,
        connected: Vec<Connected>,
    ) -> io::Result<Self> {
        let now_ns = clock.now_ns();
        let mut by_slot = vec![usize::MAX; ring.capacity()];
        let mut vus = Vec::with_capacity(connected.len());
        for (index, start) in connected.into_iter().enumerate() {
            let mut vu =
                Vu::new(Player { number: index + 1 }, load.scenario.steps(), site, &start.token, now_ns);
            let connection = ring.adopt(start.socket.into())?;
            by_slot[connection.slot()] = index;
            vu.connection = Some(connection);
            vu.connecting_ns = start.connecting_ns;
            vus.push(vu);
        }
        Ok(Self {
            ring,
            wake,
            site,
            clock,
            by_slot,
            unconnected: VecDeque::new(),
            resting: Vec::new(),
            playing: vus.len(),
            vus,
            stats: Stats::default(),
            progress: Progress::start(load.vus, load.duration),
            timestamp: Timestamp::new(clock.wall_ms(now_ns)),
            now_ns,
            began_ns: now_ns,
            ends_ns: now_ns + load.duration.as_nanos() as u64,
            interrupted: false,
        })
    }

    /// Plays to the end, or until a signal.
    ///
    /// # Errors
    /// What the kernel says of the ring, which is of no use then.
    pub(crate) fn run(mut self) -> io::Result<Outcome> {
        self.wake.tick_every(progress::INTERVAL)?;
        for index in 0..self.vus.len() {
            self.ring.receive(self.connection(index))?;
            self.ask(index)?;
        }
        while !self.is_over() {
            self.turn()?;
        }
        self.progress.finish();
        self.stats.interrupted += self.playing as u64;
        Ok(Outcome { stats: self.stats, elapsed_ns: self.now_ns - self.began_ns })
    }

    fn is_over(&self) -> bool {
        let too_late_ns = self.ends_ns + GRACE.as_nanos() as u64;
        self.playing == 0 || self.interrupted || self.now_ns >= too_late_ns
    }

    fn turn(&mut self) -> io::Result<()> {
        if self.unconnected.is_empty() {
            self.ring.turn_and_wait()?;
        } else {
            // Hands the closing of the old connections over: their places are not to be taken before.
            self.ring.turn()?;
        }
        self.look_at_clock();
        for _ in 0..self.unconnected.len() {
            self.connect()?;
        }
        while let Some(event) = self.ring.next_event() {
            self.on_event(event)?;
        }
        Ok(())
    }

    fn look_at_clock(&mut self) {
        self.now_ns = self.clock.now_ns();
        self.timestamp.refresh(self.clock.wall_ms(self.now_ns));
    }

    fn on_event(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Accepted { .. } | Event::ShutDown { .. } | Event::Written { .. } => {
                unreachable!("nothing of the kind is asked for")
            }
            Event::Received { connection, received } if connection == self.wake.connection() => {
                self.on_wake(received)
            }
            Event::Received { connection, received } => {
                self.on_received(self.by_slot[connection.slot()], received)
            }
            Event::Sent { connection, buffer, result } => {
                self.on_sent(self.by_slot[connection.slot()], buffer, &result)
            }
        }
    }

    fn on_wake(&mut self, received: Received) -> io::Result<()> {
        if let Received::Bytes(lease) = received {
            self.interrupted |= wake::has_signal(self.ring.bytes(&lease));
            self.ring.release(lease);
            self.on_tick()?;
        }
        self.ring.receive(self.wake.connection())
    }

    fn on_tick(&mut self) -> io::Result<()> {
        self.unconnected.extend(self.resting.drain(..));
        for index in 0..self.vus.len() {
            let vu = &self.vus[index];
            if vu.phase == Phase::Asking && self.now_ns - vu.asked_ns() > ANSWER_TIMEOUT_NS {
                self.fail(index)?;
            }
        }
        self.progress.show(Look {
            elapsed_ns: self.now_ns - self.began_ns,
            playing: self.playing,
            requests: self.stats.requests(),
            failed: self.stats.failed(),
        });
        Ok(())
    }

    fn on_received(&mut self, index: usize, received: Received) -> io::Result<()> {
        match received {
            Received::Bytes(lease) => {
                let bytes = self.ring.bytes(&lease);
                self.stats.bytes_received += bytes.len() as u64;
                let vu = &mut self.vus[index];
                let heard = match vu.phase {
                    Phase::Asking => vu.on_bytes(bytes, self.site, self.now_ns),
                    Phase::Answered => Heard::Noise,
                    Phase::Unconnected | Phase::Closing | Phase::Done => Heard::Part,
                };
                self.ring.release(lease);
                match heard {
                    Heard::Part => {}
                    Heard::Noise => self.fail(index)?,
                    Heard::Answer { verdict, closes } => self.finish_step(index, verdict, closes)?,
                }
            }
            Received::End | Received::Failed(_) => self.fail(index)?,
            Received::NoBuffer | Received::Cancelled => {}
        }
        match self.vus[index].phase {
            Phase::Asking | Phase::Answered => self.ring.receive(self.connection(index)),
            Phase::Closing => self.close(index),
            Phase::Unconnected | Phase::Done => Ok(()),
        }
    }

    fn on_sent(&mut self, index: usize, buffer: Vec<u8>, result: &io::Result<usize>) -> io::Result<()> {
        let vu = &mut self.vus[index];
        vu.on_sent(buffer, self.now_ns);
        match vu.phase {
            Phase::Asking if result.is_err() => self.fail(index),
            Phase::Answered => self.ask(index),
            Phase::Closing => self.close(index),
            Phase::Asking | Phase::Unconnected | Phase::Done => Ok(()),
        }
    }

    /// Hands the next request of a virtual user to the ring.
    fn ask(&mut self, index: usize) -> io::Result<()> {
        let connection = self.connection(index);
        let request = self.vus[index].ask(&self.timestamp, self.now_ns);
        self.stats.bytes_sent += request.len() as u64;
        self.ring.send(connection, request)
    }

    /// Ends a step with what its answer was found to be, and goes on.
    fn finish_step(&mut self, index: usize, verdict: Verdict, closes: bool) -> io::Result<()> {
        let plays = self.record(index, verdict);
        let vu = &mut self.vus[index];
        if !plays {
            self.leave(index);
            Ok(())
        } else if closes {
            self.abandon(index)
        } else if vu.is_sending() {
            vu.phase = Phase::Answered;
            Ok(())
        } else {
            self.ask(index)
        }
    }

    /// Records a step, and says whether the virtual user has another to play.
    fn record(&mut self, index: usize, verdict: Verdict) -> bool {
        let vu = &mut self.vus[index];
        let kind = vu.kind();
        let (sample, iteration) = vu.finish_step(verdict, self.now_ns);
        self.stats.record(kind, &sample);
        let Some(iteration_ns) = iteration else { return true };
        self.stats.iteration.record(iteration_ns);
        self.now_ns < self.ends_ns
    }

    /// Ends a step without an answer, and the connection with it.
    fn fail(&mut self, index: usize) -> io::Result<()> {
        let vu = &mut self.vus[index];
        if !matches!(vu.phase, Phase::Asking | Phase::Answered) {
            return Ok(());
        }
        vu.forget_token(self.site);
        self.finish_step(index, Verdict::default(), true)
    }

    /// Ends a connection that is of no use any more.
    fn abandon(&mut self, index: usize) -> io::Result<()> {
        self.vus[index].phase = Phase::Closing;
        let connection = self.connection(index);
        if !self.ring.is_quiet(connection) {
            self.ring.abort(connection)?;
        }
        self.close(index)
    }

    /// Closes a connection once the kernel has no more to do for it.
    fn close(&mut self, index: usize) -> io::Result<()> {
        let connection = self.connection(index);
        if self.ring.is_quiet(connection) {
            self.ring.close(connection)?;
            self.vus[index].connection = None;
            self.vus[index].phase = Phase::Unconnected;
            self.unconnected.push_back(index);
        }
        Ok(())
    }

    /// Connects the virtual user that has waited longest. Where the server does not take it, its request has
    /// failed, and all others wait with it for the next tick: one attempt may take as long as a tick.
    fn connect(&mut self) -> io::Result<()> {
        let Some(index) = self.unconnected.pop_front() else { return Ok(()) };
        let connected = setup::connect(self.site.address, &self.clock);
        self.look_at_clock();
        match connected {
            Ok((socket, took_ns)) => {
                let connection = self.ring.adopt(socket.into())?;
                self.by_slot[connection.slot()] = index;
                self.vus[index].connection = Some(connection);
                self.vus[index].connecting_ns = took_ns;
                self.ring.receive(connection)?;
                self.ask(index)
            }
            Err((_, took_ns)) => {
                let vu = &mut self.vus[index];
                vu.connecting_ns = took_ns;
                vu.forget_token(self.site);
                vu.begin_nothing(self.now_ns);
                if self.record(index, Verdict::default()) {
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
            if self.now_ns < self.ends_ns {
                self.resting.push(index);
            } else {
                self.stats.interrupted += 1;
                self.leave(index);
            }
        }
    }

    /// A virtual user plays no more.
    fn leave(&mut self, index: usize) {
        self.vus[index].phase = Phase::Done;
        self.playing -= 1;
    }

    fn connection(&self, index: usize) -> ConnectionId {
        self.vus[index].connection.expect("a virtual user that plays is connected")
    }
}

#[cfg(test)]
mod tests;
