//! Attackers: many connections that all behave in one way, on one thread.
//!
//! A plan (`plan`) says how they behave. They are cheap on purpose: whoever attacks has more machines than the server, so what
//! they cost here must not be what the others wait for.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

use super::answer::AnswerStream;
use super::call::Listener;
use super::plan::{AttackTally, Plan, Signals, Target, Then};
use super::site::CLIENT_CORE;
use super::socket::{self, Interest, Moved, Opening, Poll, SocketEvent};
use crate::load::Clock;
use crate::{machine, say};

/// Time between two looks at what is due: at the times of drips, rests and patience.
const TICK: Duration = Duration::from_millis(20);

/// Connections that are begun between two looks at the others.
const CONNECTS: usize = 128;

/// Bytes that one connection sends between two looks at the others.
const BURST_BYTES: usize = 128 * 1_024;

/// Requests that are written ahead.
const AHEAD_BYTES: usize = 32 * 1_024;

/// Bytes of a socket's buffers where its peer is to be the one that keeps what is not read.
const SMALL_BUFFER_BYTES: usize = 16 * 1_024;

#[derive(Debug, Default)]
struct Attacker {
    plan: usize,
    socket: Option<TcpStream>,
    is_connected: bool,
    interest: Interest,
    answers: AnswerStream,
    out: Vec<u8>,
    out_at: usize,
    /// Requests and answers of this connection.
    asked: u64,
    answered: u64,
    bytes: usize,
    /// When the oldest request that waits for its answer was sent; and the time of the next byte of a drip.
    asked_ns: u64,
    drip_ns: u64,
    /// When it connects; `u64::MAX` for never again.
    next_ns: u64,
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Plays plans until `is_over`.
struct Attack<'a> {
    plans: &'a [Plan],
    target: Target,
    clock: Clock,
    signals: &'a Signals,
    tally: &'a AttackTally,
    poll: Poll,
    attackers: Vec<Attacker>,
    /// Numbers of requests, by plan.
    numbers: Vec<u64>,
    began_ns: u64,
    /// Where to go on looking for what is due.
    at: usize,
}

/// Attacks until `is_over`. Numbers of requests begin at `first`, which no other attack on the server may share.
///
/// # Errors
/// What the kernel says of a poll.
fn attack(
    plans: &[Plan],
    target: Target,
    clock: Clock,
    first: u64,
    signals: &Signals,
    tally: &AttackTally,
) -> io::Result<()> {
    let attackers = plans
        .iter()
        .enumerate()
        .flat_map(|(plan, of)| (0..of.connections).map(move |_| Attacker { plan, ..Attacker::default() }));
    let mut attack = Attack {
        plans,
        target,
        clock,
        signals,
        tally,
        poll: Poll::new()?,
        attackers: attackers.collect(),
        numbers: (0..plans.len() as u64).map(|plan| first + (plan << 40)).collect(),
        began_ns: clock.now_ns(),
        at: 0,
    };
    let (mut events, mut ticked_ns) = (Vec::new(), 0);
    while !signals.is_over.load(Ordering::Relaxed) {
        let more = attack.connect_some()?;
        attack.poll.wait(if more { Duration::ZERO } else { TICK }, &mut events)?;
        for event in events.drain(..) {
            attack.happened(event)?;
        }
        let now_ns = clock.now_ns();
        if now_ns >= ticked_ns + TICK.as_nanos() as u64 {
            ticked_ns = now_ns;
            attack.tick(now_ns)?;
        }
    }
    attack.leave(&mut events)
}

/// Attacks on the clients' core, and gives way to the others there; as [`attack`]. What goes wrong is said.
pub(crate) fn pinned(
    has_cores: bool,
    plans: &[Plan],
    target: Target,
    clock: Clock,
    first: u64,
    signals: &Signals,
    tally: &AttackTally,
) {
    let pinned = if has_cores { machine::pin(CLIENT_CORE) } else { Ok(()) };
    run_when_idle();
    let play = |()| {
        let done = attack(plans, target, clock, first, signals, tally);
        done.map_err(|error| error.to_string())
    };
    if let Err(sentence) = pinned.and_then(play) {
        say(&format!("attackers: {sentence}\n"));
    }
}

/// Has the calling thread run only while no other is ready on its core (`SCHED_IDLE`, sched(7)). A nice value is not enough: a
/// thread that wakes waits for the end of the time slice of one that is nicer, which is some milliseconds.
fn run_when_idle() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Where that is not to be had, the others are told to have waited longer than they have.
    let _ = thread_priority::unix::set_thread_priority_and_policy(
        thread_priority::unix::thread_native_id(),
        ThreadPriority::Min,
        idle,
    );
}

impl Attack<'_> {
    /// Asks nothing more. Those who have patience wait for what they have asked, or give it up: so that what the server has done
    /// for nobody is told from what it has done for who was ended with the attack.
    fn leave(&mut self, events: &mut Vec<SocketEvent>) -> io::Result<()> {
        let Some(patience) = self.plans.iter().filter_map(|plan| plan.patience).max() else { return Ok(()) };
        let until_ns = self.clock.now_ns() + (patience + 2 * TICK).as_nanos() as u64;
        let waits = |attacker: &Attacker| attacker.is_connected && attacker.asked > attacker.answered;
        while self.clock.now_ns() < until_ns && self.attackers.iter().any(waits) {
            self.poll.wait(TICK, events)?;
            for event in events.drain(..) {
                self.happened(event)?;
            }
            self.tick(self.clock.now_ns())?;
        }
        Ok(())
    }

    /// Begins some of the connections that are due. Says whether there are more.
    fn connect_some(&mut self) -> io::Result<bool> {
        let now_ns = self.clock.now_ns();
        let mut begun = 0;
        for _ in 0..self.attackers.len() {
            if begun == CONNECTS {
                return Ok(true);
            }
            let number = self.at;
            self.at = (self.at + 1) % self.attackers.len();
            let attacker = &self.attackers[number];
            if attacker.socket.is_none() && attacker.next_ns <= now_ns {
                begun += 1;
                self.connect(number, now_ns)?;
            }
        }
        Ok(false)
    }

    fn connect(&mut self, number: usize, now_ns: u64) -> io::Result<()> {
        let attacker = &mut self.attackers[number];
        let plan = &self.plans[attacker.plan];
        let to = match plan.call.listener() {
            Listener::Platform => self.target.platform,
            Listener::Operator => self.target.operator,
        };
        let buffer_bytes = if plan.reads { 0 } else { SMALL_BUFFER_BYTES };
        match socket::connect(to, Opening { from: Some(plan.source(number)), buffer_bytes }) {
            Ok(socket) => {
                let interest = Interest { reads: plan.reads && !plan.call.is_sent_first(), writes: true };
                self.poll.add(&socket, number, interest)?;
                let plan = attacker.plan;
                *attacker =
                    Attacker { plan, socket: Some(socket), interest, drip_ns: now_ns, ..Attacker::default() };
            }
            Err(_) => {
                one_more(&self.tally.turned_away);
                attacker.next_ns = now_ns + 100_000_000;
            }
        }
        Ok(())
    }

    fn happened(&mut self, event: SocketEvent) -> io::Result<()> {
        let number = event.number;
        let attacker = &mut self.attackers[number];
        if attacker.socket.is_none() {
            return Ok(());
        }
        if event.is_over && !event.is_readable {
            self.end(number, true);
            return Ok(());
        }
        if event.is_writable {
            if !attacker.is_connected {
                attacker.is_connected = true;
                one_more(&self.tally.connected);
                one_more(&self.tally.open);
                let plan = &self.plans[attacker.plan];
                if plan.requests == 0 && plan.then != Then::Holds {
                    self.end(number, false);
                    return Ok(());
                }
            }
            self.send(number)?;
        }
        if event.is_readable {
            self.read(number)?;
        }
        Ok(())
    }

    /// What is due by the time.
    fn tick(&mut self, now_ns: u64) -> io::Result<()> {
        for number in 0..self.attackers.len() {
            let attacker = &self.attackers[number];
            if !attacker.is_connected || attacker.socket.is_none() {
                continue;
            }
            let plan = &self.plans[attacker.plan];
            let waits = attacker.asked > attacker.answered;
            if let Some(patience) = plan.patience
                && waits
                && now_ns.saturating_sub(attacker.asked_ns) >= patience.as_nanos() as u64
            {
                self.tally.given_up.fetch_add(attacker.asked - attacker.answered, Ordering::Relaxed);
                self.end(number, false);
            } else if plan.drip.is_some() || plan.waits || plan.per_second.is_some() {
                self.send(number)?;
            }
        }
        Ok(())
    }

    /// Whether this plan lets another request go now.
    fn is_due(&self, plan: usize) -> bool {
        let Plan { per_second, waits, .. } = self.plans[plan];
        if waits && !self.signals.go.load(Ordering::Relaxed) || self.signals.is_over.load(Ordering::Relaxed) {
            return false;
        }
        per_second.is_none_or(|rate| {
            let elapsed = self.clock.now_ns().saturating_sub(self.began_ns) as f64 / 1e9;
            ((self.numbers[plan] & 0xff_ffff_ffff) as f64) < elapsed * rate
        })
    }

    /// Writes requests ahead, as many as the plan lets this connection have.
    fn fill(&mut self, number: usize) {
        let plan_number = self.attackers[number].plan;
        let plan = self.plans[plan_number];
        while self.is_due(plan_number) {
            let attacker = &mut self.attackers[number];
            let under_way = attacker.asked - attacker.answered;
            if attacker.asked >= plan.requests
                || under_way >= plan.depth
                || attacker.out.len() - attacker.out_at >= AHEAD_BYTES
            {
                return;
            }
            if attacker.out_at > 0 {
                attacker.out.drain(..attacker.out_at);
                attacker.out_at = 0;
            }
            if under_way == 0 {
                attacker.asked_ns = self.clock.now_ns();
            }
            plan.call.write(self.numbers[plan_number], self.target.accounts, &mut attacker.out);
            self.numbers[plan_number] += 1;
            attacker.asked += 1;
            one_more(&self.tally.sent);
        }
    }

    fn send(&mut self, number: usize) -> io::Result<()> {
        let mut burst = 0;
        let mut is_full = false;
        while burst < BURST_BYTES {
            self.fill(number);
            let now_ns = self.clock.now_ns();
            let attacker = &mut self.attackers[number];
            let plan = &self.plans[attacker.plan];
            let Some(socket) = &attacker.socket else { return Ok(()) };
            let mut ready = &attacker.out[attacker.out_at..];
            if let Some(stops_at) = plan.stops_at {
                ready = &ready[..ready.len().min(stops_at.saturating_sub(attacker.bytes))];
            }
            if plan.drip.is_some() && attacker.bytes < plan.drips_from {
                // At once up to there.
                ready = &ready[..ready.len().min(plan.drips_from - attacker.bytes)];
            } else if let Some(drip) = plan.drip {
                if attacker.drip_ns > now_ns {
                    break;
                }
                ready = &ready[..ready.len().min(1)];
                attacker.drip_ns = now_ns + drip.as_nanos() as u64;
            }
            if ready.is_empty() {
                break;
            }
            match socket::write(socket, ready) {
                Moved::Bytes(bytes) => {
                    attacker.out_at += bytes;
                    attacker.bytes += bytes;
                    burst += bytes;
                }
                Moved::Waits => {
                    is_full = true;
                    break;
                }
                // What it was told may still be there to be read.
                Moved::Ended | Moved::Broken if plan.reads => return self.read(number),
                Moved::Ended | Moved::Broken => {
                    self.end(number, true);
                    return Ok(());
                }
            }
        }
        let attacker = &self.attackers[number];
        let plan = &self.plans[attacker.plan];
        let stopped = plan.stops_at.is_some_and(|stops_at| attacker.bytes >= stops_at);
        let unread = !plan.reads && attacker.asked >= plan.requests && attacker.out_at == attacker.out.len();
        if (stopped || unread) && plan.then != Then::Holds {
            self.end(number, false);
            return Ok(());
        }
        // One that has had its burst goes on after the others.
        self.listen(number, is_full || burst >= BURST_BYTES)
    }

    fn listen(&mut self, number: usize, writes: bool) -> io::Result<()> {
        let attacker = &mut self.attackers[number];
        let Some(socket) = &attacker.socket else { return Ok(()) };
        let plan = &self.plans[attacker.plan];
        let is_sent = attacker.out_at == attacker.out.len();
        let interest = Interest { reads: plan.reads && (is_sent || !plan.call.is_sent_first()), writes };
        if interest != attacker.interest {
            attacker.interest = interest;
            self.poll.change(socket, number, interest)?;
        }
        Ok(())
    }

    fn read(&mut self, number: usize) -> io::Result<()> {
        let attacker = &mut self.attackers[number];
        let plan = self.plans[attacker.plan];
        let Some(socket) = &attacker.socket else { return Ok(()) };
        let moved = socket::read(socket, attacker.answers.room());
        let mut closes = false;
        loop {
            match attacker.answers.next() {
                Ok(None) => break,
                Ok(Some(answer)) => {
                    attacker.answered += 1;
                    attacker.asked_ns = self.clock.now_ns();
                    closes |= answer.closes;
                    let is_good =
                        answer.status == plan.call.status() && answer.code().is_none_or(|code| code == 0);
                    // Half a request, or a slow one, is told so (408).
                    let is_part = answer.status == 408 && (plan.stops_at.is_some() || plan.drip.is_some());
                    one_more(match () {
                        () if is_good || is_part => &self.tally.good,
                        () if answer.is_refusal() => &self.tally.refused,
                        () => &self.tally.wrong,
                    });
                }
                Err(_) => {
                    one_more(&self.tally.wrong);
                    closes = true;
                    break;
                }
            }
        }
        if closes || matches!(moved, Moved::Ended | Moved::Broken) {
            self.end(number, true);
        } else if attacker.answered >= plan.requests && plan.then != Then::Holds {
            self.end(number, false);
        } else if plan.requests > attacker.asked {
            self.send(number)?;
        }
        Ok(())
    }

    /// Ends a connection, which the server has done where `by_server`.
    fn end(&mut self, number: usize, by_server: bool) {
        let attacker = &mut self.attackers[number];
        let plan = &self.plans[attacker.plan];
        let Some(socket) = attacker.socket.take() else { return };
        if !attacker.is_connected {
            one_more(&self.tally.turned_away);
        } else {
            self.tally.open.fetch_sub(1, Ordering::Relaxed);
            if by_server {
                one_more(&self.tally.ended);
                if plan.reads && attacker.asked > attacker.answered {
                    one_more(&self.tally.cut);
                }
            }
        }
        if plan.then == Then::Resets {
            socket::reset(socket);
        }
        let rest_ns = plan.again.map(|rest| self.clock.now_ns() + rest.as_nanos() as u64);
        attacker.next_ns = rest_ns.unwrap_or(u64::MAX);
        attacker.is_connected = false;
        attacker.out = Vec::new();
        attacker.answers = AnswerStream::default();
    }
}
