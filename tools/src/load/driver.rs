//! Moves the virtual users: one thread, one ring, no system call but the ring's.
//!
//! A turn hands all requests to the kernel and waits for something to come, reads the clock, and takes in all that
//! has come; each answer that is whole is checked, and the next requests of its virtual user are made. So the cost
//! of a system call and of a look at the clock is shared by all that a turn brings.
//!
//! A connection that breaks costs its requests, which have then failed, and is made anew. A server that does not
//! take connections is asked once a second.
//!
//! Below it: `connections` ends and makes them. `pace` hands the requests of an open loop out and gives up those that take too
//! long; `nap` waits for the ring until then.

mod connections;
mod nap;
mod pace;

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;

use ring::{ConnectionId, Event, Lease, Received, Ring, Sizes};

use super::accounts::Draw;
use super::clock::{Clock, Timestamp};
use super::progress::{self, Progress, RunState};
use super::scenario::{Site, UserIdentity};
use super::series::{Interval, Intervals};
use super::stats::{AnswerCheck, Stats};
use super::summary::{GRACE, Load};
use super::vu::{Behaviour, Heard, Phase, Vu};
use crate::wake::{self, Wake};
use pace::Pace;

/// Time for an answer, in nanoseconds, as k6 gives it. Past it the request has failed.
const ANSWER_TIMEOUT_NS: u64 = 60_000_000_000;

/// Places in the ring's file table beside the virtual users': the wake, and connections that are not quite closed.
const SPARE_CONNECTIONS: u32 = 32;

/// Connections that are made in one turn, so that the others wait for no more than these; what is left is made in the
/// next. Not more than there are spare places: those of the connections before may not be free yet.
const CONNECTS_MAX: usize = SPARE_CONNECTIONS as usize - 1;

/// A virtual user's start.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) socket: TcpStream,
    pub(crate) connecting_ns: u64,
    pub(crate) player: UserIdentity,
    /// What the accounts of its requests are drawn from; `None` where it has one account.
    pub(crate) draw: Option<Draw>,
    /// The token to redeem first.
    pub(crate) token: Vec<u8>,
}

/// What a virtual user has heard in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Answers, or parts of them.
    Answers,
    /// An answer that the server ends the connection after.
    Last,
    /// What is no answer.
    Noise,
}

/// What a run has come to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stats: Stats,
    /// When it began, by the run's clock.
    pub(crate) began_ns: u64,
    pub(crate) elapsed_ns: u64,
    /// What was done from second to second; empty where nobody asked for it.
    pub(crate) intervals: Vec<Interval>,
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
    /// What clients with a rate or a patience need.
    pace: Option<Pace>,
    stats: Stats,
    series: Option<Intervals>,
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
            let Connected { socket, connecting_ns, player, draw, token } = start;
            let manner = Behaviour { player, steps: load.scenario.steps(), depth: load.pipeline, draw };
            let mut vu = Vu::new(manner, site, &token, now_ns);
            vu.socket = load.pressure.patience_ms.map(|_| socket.try_clone()).transpose()?;
            let connection = ring.adopt(socket.into())?;
            by_slot[connection.slot()] = index;
            vu.connection = Some(connection);
            vu.connecting_ns = connecting_ns;
            vus.push(vu);
        }
        let pressure = load.pressure;
        Ok(Self {
            pace: pressure.is_any().then(|| Pace::new(pressure, vus.len())).transpose()?,
            ring,
            wake,
            site,
            clock,
            by_slot,
            unconnected: VecDeque::new(),
            resting: Vec::new(),
            playing: vus.len(),
            vus,
            stats: Stats::of_clients(pressure),
            series: None,
            progress: Progress::start(load.vus, load.duration),
            timestamp: Timestamp::new(clock.wall_ms(now_ns)),
            now_ns,
            began_ns: now_ns,
            ends_ns: now_ns + load.duration.as_nanos() as u64,
            interrupted: false,
        })
    }

    /// Has what is done from second to second kept, too.
    pub(crate) fn with_series(self) -> Self {
        Self { series: Some(Intervals::default()), ..self }
    }

    /// Plays to the end, or until a signal.
    ///
    /// # Errors
    /// What the kernel says of the ring, which is of no use then.
    pub(crate) fn run(mut self) -> io::Result<Outcome> {
        self.wake.tick_every(progress::INTERVAL)?;
        self.begin_pace();
        for index in 0..self.vus.len() {
            self.ring.receive(self.connection(index))?;
            self.vus[index].phase = Phase::Playing;
            self.go_on(index)?;
        }
        while !self.is_over() {
            self.turn()?;
        }
        self.end_pace();
        self.progress.finish();
        let playing = self.vus.iter().filter(|vu| vu.phase != Phase::Done);
        self.stats.interrupted += playing.map(|vu| vu.lanes().under_way().max(1) as u64).sum::<u64>();
        let elapsed_ns = self.now_ns - self.began_ns;
        let intervals = self.series.map(|series| series.finish(elapsed_ns, &self.stats)).unwrap_or_default();
        let Self { stats, began_ns, .. } = self;
        Ok(Outcome { stats, began_ns, elapsed_ns, intervals })
    }

    fn is_over(&self) -> bool {
        let too_late_ns = self.ends_ns + GRACE.as_nanos() as u64;
        self.playing == 0 || self.interrupted || self.now_ns >= too_late_ns
    }

    fn turn(&mut self) -> io::Result<()> {
        if !self.unconnected.is_empty() {
            // Hands the closing of the old connections over: their places are not to be taken before.
            self.ring.turn()?;
        } else if self.pace.is_some() {
            self.nap()?;
        } else {
            self.ring.turn_and_wait()?;
        }
        self.look_at_clock();
        // Those whose closing was handed over; it is among the events.
        let unconnected = self.unconnected.len().min(CONNECTS_MAX);
        while let Some(event) = self.ring.next_event() {
            self.on_event(event)?;
        }
        for _ in 0..unconnected {
            self.connect()?;
        }
        self.keep_pace()
    }

    fn look_at_clock(&mut self) {
        self.now_ns = self.clock.now_ns();
        self.timestamp.refresh(self.clock.wall_ms(self.now_ns));
    }

    fn on_event(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Accepted { .. } | Event::ShutDown { .. } | Event::Written { .. } | Event::Woken => {
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
            let asked_ns = vu.lanes().asked_ns().filter(|_| vu.phase == Phase::Playing);
            if asked_ns.is_some_and(|asked_ns| self.now_ns - asked_ns > ANSWER_TIMEOUT_NS) {
                self.fail(index)?;
            }
        }
        if let Some(series) = &mut self.series {
            series.look(self.now_ns - self.began_ns, &self.stats);
        }
        self.progress.show(RunState {
            elapsed_ns: self.now_ns - self.began_ns,
            playing: self.playing,
            requests: self.stats.requests(),
            failed: self.stats.failed(),
        });
        Ok(())
    }

    fn on_received(&mut self, index: usize, received: Received) -> io::Result<()> {
        match received {
            Received::Bytes(lease) if self.is_too_late(index) => {
                self.stats.bytes_received += self.ring.bytes(&lease).len() as u64;
                self.ring.release(lease);
                self.give_up(index)?;
            }
            Received::Bytes(lease) if self.vus[index].phase == Phase::Playing => {
                let piece = self.hear(index, &lease);
                self.ring.release(lease);
                match piece {
                    Piece::Answers => self.go_on(index)?,
                    Piece::Last => self.lose(index)?,
                    Piece::Noise => self.fail(index)?,
                }
            }
            Received::Bytes(lease) => {
                self.stats.bytes_received += self.ring.bytes(&lease).len() as u64;
                self.ring.release(lease);
            }
            Received::End | Received::Failed(_) if self.is_idle_in_open_loop(index) => self.abandon(index)?,
            Received::End | Received::Failed(_) => self.fail(index)?,
            Received::NoBuffer | Received::Cancelled | Received::Discarded(_) => {}
        }
        match self.vus[index].phase {
            Phase::Playing => self.ring.receive(self.connection(index)),
            Phase::Closing => self.close(index),
            Phase::Unconnected | Phase::Done => Ok(()),
        }
    }

    /// Takes in all the answers that came in one piece.
    fn hear(&mut self, index: usize, lease: &Lease) -> Piece {
        let mut bytes = self.ring.bytes(lease);
        self.stats.bytes_received += bytes.len() as u64;
        let vu = &mut self.vus[index];
        while !bytes.is_empty() {
            match vu.on_bytes(&mut bytes, self.site, self.now_ns) {
                Heard::Part => {}
                Heard::Noise => return Piece::Noise,
                Heard::Answer { verdict, closes } => {
                    record(vu, &mut self.stats, verdict, self.now_ns);
                    if closes {
                        return Piece::Last;
                    }
                }
            }
        }
        Piece::Answers
    }

    fn on_sent(&mut self, index: usize, buffer: Vec<u8>, result: &io::Result<usize>) -> io::Result<()> {
        let vu = &mut self.vus[index];
        vu.on_sent(buffer, self.now_ns);
        match vu.phase {
            Phase::Playing if result.is_err() => self.fail(index),
            Phase::Playing => self.go_on(index),
            Phase::Closing => self.close(index),
            Phase::Unconnected | Phase::Done => Ok(()),
        }
    }

    /// Has a virtual user ask for as much as it may, once the ring has given its last requests back; or leave, where
    /// it has no more to play and every answer.
    fn go_on(&mut self, index: usize) -> io::Result<()> {
        let vu = &self.vus[index];
        if !self.plays_on(index) {
            if vu.lanes().under_way() == 0 {
                self.leave(index);
            }
            Ok(())
        } else if !vu.can_ask() {
            Ok(())
        } else if self.is_open_loop() {
            self.make_ready(index);
            Ok(())
        } else {
            self.ask(index)
        }
    }

    /// Whether a virtual user has another request to ask.
    fn plays_on(&self, index: usize) -> bool {
        self.now_ns < self.ends_ns || !self.is_open_loop() && self.vus[index].is_within_iteration()
    }

    /// Hands the next requests of a virtual user to the ring.
    fn ask(&mut self, index: usize) -> io::Result<()> {
        let connection = self.connection(index);
        let requests = self.vus[index].ask(&self.timestamp, self.now_ns);
        self.stats.bytes_sent += requests.len() as u64;
        self.watch(index);
        self.ring.send(connection, requests)
    }

    fn connection(&self, index: usize) -> ConnectionId {
        self.vus[index].connection.expect("a virtual user that plays is connected")
    }
}

/// Records the oldest request of a virtual user.
fn record(vu: &mut Vu, stats: &mut Stats, verdict: AnswerCheck, now_ns: u64) {
    let kind = vu.kind();
    if stats.overload.is_some() && (verdict.is_refusal || !verdict.is_answer()) {
        let sample = vu.break_off(verdict, now_ns);
        return stats.record(kind, &sample);
    }
    let (sample, iteration) = vu.finish_step(verdict, now_ns);
    stats.record(kind, &sample);
    if let Some(iteration_ns) = iteration {
        stats.iteration.record(iteration_ns);
    }
}

#[cfg(test)]
mod tests;
