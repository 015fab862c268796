//! Clients that don't wait for their turn: requests start by a schedule, and who has waited too long closes the connection.
//!
//! In an open loop a request that is to start goes to the connection that has been free for longest; where none is free it
//! waits, and its time runs. With `--pipeline` a connection is free while it has fewer requests under way than that and the
//! ring has sent the last; what waits is shared out among those that are free.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpStream};

use super::super::overload::{Overload, Pressure};
use super::super::patience::Patience;
use super::super::schedule::Schedule;
use super::super::stats::AnswerCheck;
use super::super::vu::{Phase, Vu};
use super::nap::{self, nap};
use super::{Driver, progress};

/// Connections that are given up in one turn, and that are handed requests. A turn sends what it has collected at its end, and
/// looks at no answer before: so it must be short beside any patience. What is left over is done in the next one.
const GIVE_UPS_MAX: usize = 64;
const STARTS_MAX: usize = 256;

/// What clients with a rate or a patience need.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<u32>,
    /// `None` in a closed loop, and before the run has begun.
    schedule: Option<Schedule>,
    /// Virtual users that can take a request of an open loop, each once. One that has lost its connection since is passed
    /// over.
    ready: VecDeque<usize>,
    patience: Option<Patience>,
    /// The end of the run has come, and those with nothing under way have left.
    has_ended: bool,
}

impl Pace {
    /// For so many virtual users, on the calling thread.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn new(pressure: Pressure, vus: usize) -> io::Result<Self> {
        nap::prepare()?;
        let Pressure { rate, patience_ms, .. } = pressure;
        Ok(Self {
            rate,
            schedule: None,
            ready: VecDeque::with_capacity(vus),
            patience: patience_ms.map(|ms| Patience::new(ms * 1_000_000, vus)),
            has_ended: false,
        })
    }
}

impl Driver<'_> {
    pub(super) fn is_open_loop(&self) -> bool {
        self.pace.as_ref().is_some_and(|pace| pace.rate.is_some())
    }

    /// Has the run begin now: what it took to get here is not to be made up for.
    pub(super) fn begin_pace(&mut self) {
        let Some(pace) = &mut self.pace else { return };
        let length_ns = self.ends_ns - self.began_ns;
        self.now_ns = self.clock.now_ns();
        (self.began_ns, self.ends_ns) = (self.now_ns, self.now_ns + length_ns);
        pace.schedule = pace.rate.map(|rate| Schedule::new(rate, self.began_ns, self.ends_ns));
        self.look_at_clock();
    }

    /// Waits until something has come or is to be done.
    pub(super) fn nap(&mut self) -> io::Result<()> {
        let until_ns = self.next_ns();
        if self.pace.is_none() {
            return Ok(());
        }
        let slept_ns = nap(&mut self.ring, &self.clock, until_ns)?;
        let turn_ns = self.clock.now_ns() - self.now_ns - slept_ns;
        let overload = self.overload();
        overload.longest_turn_ns = overload.longest_turn_ns.max(turn_ns);
        overload.waited_ns += slept_ns;
        Ok(())
    }

    /// When something is to be done, whatever comes.
    fn next_ns(&self) -> u64 {
        // A tick comes once a second; this is for a clock that is asked for nothing.
        let tick_ns = self.now_ns + progress::INTERVAL.as_nanos() as u64;
        let Some(pace) = &self.pace else { return tick_ns };
        let start_ns = pace.schedule.as_ref().filter(|_| !pace.ready.is_empty()).map(Schedule::next_ns);
        let look_ns = pace.patience.as_ref().and_then(Patience::next_ns);
        let end_ns = (self.is_open_loop() && !pace.has_ended).then_some(self.ends_ns);
        let start_ns = start_ns.filter(|_| !pace.has_ended);
        [start_ns, look_ns, end_ns].into_iter().flatten().fold(tick_ns, u64::min)
    }

    /// Gives up what has waited too long, and sends what is to start.
    pub(super) fn keep_pace(&mut self) -> io::Result<()> {
        if self.pace.is_none() {
            return Ok(());
        }
        // What came may have taken a while, and time runs from the send.
        self.look_at_clock();
        self.give_up_late()?;
        self.end();
        self.start()
    }

    fn overload(&mut self) -> &mut Overload {
        self.stats.overload.as_deref_mut().expect("a run with a pace measures it")
    }

    /// A virtual user has room for a request.
    pub(super) fn make_ready(&mut self, index: usize) {
        let vu = &mut self.vus[index];
        if !vu.is_ready
            && let Some(pace) = &mut self.pace
        {
            vu.is_ready = true;
            vu.free_ns = self.now_ns;
            pace.ready.push_back(index);
        }
    }

    /// Hands out the requests that are to start by now.
    fn start(&mut self) -> io::Result<()> {
        for _ in 0..STARTS_MAX {
            let now_ns = self.now_ns;
            let Some(Pace { schedule: Some(schedule), ready, has_ended: false, .. }) = &mut self.pace else {
                return Ok(());
            };
            let waiting = schedule.waiting(now_ns);
            if waiting == 0 {
                return Ok(());
            }
            let share = waiting.div_ceil(ready.len().max(1) as u64);
            let Some(index) = ready.pop_front() else { return Ok(()) };
            let vu = &mut self.vus[index];
            vu.is_ready = false;
            if !vu.can_ask() {
                continue;
            }
            let count = share.min(vu.lanes().room() as u64);
            let free_ns = vu.free_ns;
            let overload = self.stats.overload.as_deref_mut().expect("a run with a pace measures it");
            let intended = (0..count as usize).map(|_| {
                let intended_ns = schedule.take();
                overload.late.record(now_ns - intended_ns.max(free_ns).min(now_ns));
                intended_ns
            });
            let requests = vu.ask_intended(&self.timestamp, now_ns, intended);
            self.stats.bytes_sent += requests.len() as u64;
            self.watch(index);
            self.ring.send(self.connection(index), requests)?;
        }
        Ok(())
    }

    /// Past the end nothing of an open loop starts: who has nothing under way leaves.
    fn end(&mut self) {
        let has_ended = self.is_open_loop() && self.now_ns >= self.ends_ns;
        let Some(pace) = self.pace.as_mut().filter(|pace| has_ended && !pace.has_ended) else { return };
        pace.has_ended = true;
        for index in 0..self.vus.len() {
            let vu = &self.vus[index];
            if vu.phase != Phase::Done && vu.lanes().under_way() == 0 {
                self.leave(index);
            }
        }
    }

    /// What is left to be said of the schedule when the run is over.
    pub(super) fn end_pace(&mut self) {
        let now_ns = self.now_ns;
        let Some(Pace { schedule: Some(schedule), .. }) = self.pace else { return };
        let overload = self.overload();
        overload.offered = schedule.offered(now_ns);
        overload.sent = schedule.taken();
    }

    /// Begins to wait for the answer of a virtual user's oldest request.
    pub(super) fn watch(&mut self, index: usize) {
        if let Some(Pace { patience: Some(patience), .. }) = &mut self.pace
            && let Some(sent_ns) = self.vus[index].lanes().asked_ns()
        {
            patience.watch(index, sent_ns);
        }
    }

    /// Gives up the connections whose oldest request has waited too long.
    fn give_up_late(&mut self) -> io::Result<()> {
        for _ in 0..GIVE_UPS_MAX {
            let Some(Pace { patience: Some(patience), .. }) = &mut self.pace else { return Ok(()) };
            let Some(index) = patience.due(self.now_ns) else { return Ok(()) };
            if self.is_too_late(index) {
                self.give_up(index)?;
            } else if self.vus[index].phase == Phase::Playing {
                self.watch(index);
            }
        }
        Ok(())
    }

    /// Whether a virtual user has waited too long for the answer to its oldest request. One that comes now was not in time,
    /// though nothing may have looked until now.
    pub(super) fn is_too_late(&self, index: usize) -> bool {
        let vu = &self.vus[index];
        let sent_ns = vu.lanes().asked_ns().filter(|_| vu.phase == Phase::Playing);
        let patience = self.pace.as_ref().and_then(|pace| pace.patience.as_ref());
        patience.zip(sent_ns).is_some_and(|(patience, sent_ns)| patience.is_over(sent_ns, self.now_ns))
    }

    /// Closes a virtual user's connection; all that is under way on it is given up.
    pub(super) fn give_up(&mut self, index: usize) -> io::Result<()> {
        let vu = &mut self.vus[index];
        vu.has_given_up = true;
        while vu.lanes().under_way() > 0 {
            vu.forget_token(self.site);
            let kind = vu.kind();
            let sample = vu.break_off(AnswerCheck::default(), self.now_ns);
            self.stats.give_up(kind, &sample);
        }
        if self.plays_on(index) {
            self.abandon(index)
        } else {
            self.shut_down(index);
            self.leave(index);
            Ok(())
        }
    }

    /// Ends a virtual user's connection where it has a hold on it beside the ring's: the peer is told, and what is under way
    /// ends at once. To have the ring cancel it would cost a walk over all that waits in it.
    pub(super) fn shut_down(&mut self, index: usize) -> bool {
        let socket = self.vus[index].socket.take();
        socket.is_some_and(|socket| socket.shutdown(Shutdown::Both).is_ok())
    }

    /// A connection was made, or is about to be.
    pub(super) fn on_reconnect(&mut self, index: usize, socket: &TcpStream) -> io::Result<()> {
        let Some(pace) = &self.pace else { return Ok(()) };
        let gives_up = pace.patience.is_some();
        self.vus[index].socket = gives_up.then(|| socket.try_clone()).transpose()?;
        self.overload().reconnects += 1;
        Ok(())
    }

    /// Whether the server has ended a connection that it never answered on: it is not asked for another at once.
    pub(super) fn has_failed_to_connect(&self, index: usize) -> bool {
        let vu = &self.vus[index];
        self.pace.is_some() && !vu.has_answered && !vu.has_given_up
    }

    /// Whether a connection that ends costs nothing: no request is under way, and none is due.
    pub(super) fn is_idle_in_open_loop(&self, index: usize) -> bool {
        let vu: &Vu = &self.vus[index];
        self.is_open_loop() && vu.phase == Phase::Playing && vu.lanes().under_way() == 0
    }
}

#[cfg(test)]
mod tests;
