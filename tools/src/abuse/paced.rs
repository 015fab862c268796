//! Well-behaved clients at a steady pace, as an open loop: a request is due when it is due, whatever became of those
//! before it, and its latency counts from then.
//!
//! Each player has a keep-alive connection of its own and one request under way at a time. A request that is due is
//! given to the player that has been idle for longest; where all are busy, it waits, and its latency says so.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::answer::{AnswerStream, StreamedAnswer};
use super::socket::{self, Beat, Interest, Moved, Opening, Poll, SocketEvent};
use crate::load::Clock;

/// The shortest time between two beats: at more requests per second several are due at each.
const BEAT_MIN: Duration = Duration::from_micros(250);

/// Rest before a connection that was refused is tried again.
const RETRY_NS: u64 = 50_000_000;

/// How long answers are waited for once no more requests are sent.
const LAST_ANSWERS_NS: u64 = 15_000_000_000;

/// How long a wait lasts where nothing happens: to see whether the run is over.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What an answer was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// Refused for want of room or time; nothing is known to have changed.
    Refused,
    /// Against the protocol: a sentence.
    Wrong(String),
}

/// Somebody who sends one request after another.
pub(crate) trait PacedPlayer {
    /// Adds the next request to `out`, which is empty.
    fn ask(&mut self, out: &mut Vec<u8>);

    /// Judges the answer to it.
    fn answered(&mut self, answer: &StreamedAnswer<'_>) -> Verdict;

    /// No answer will come to it.
    fn broken(&mut self);
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Told(Verdict),
    /// The connection ended without an answer, or there was none at the end of the run.
    Broken,
}

/// A request that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// When it was due.
    pub(crate) due_ns: u64,
    pub(crate) ended_ns: u64,
    pub(crate) end: End,
}

impl Exchange {
    /// From when it was due to its answer, or to the end of waiting for one.
    pub(crate) const fn latency_ns(&self) -> u64 {
        self.ended_ns.saturating_sub(self.due_ns)
    }
}

/// How the players play.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacing<'a> {
    pub(crate) clock: Clock,
    pub(crate) to: SocketAddr,
    pub(crate) from: Option<Ipv4Addr>,
    /// Requests per second of all together; `None` for one after another without a pause.
    pub(crate) rate: Option<f64>,
    /// Set once no more requests are to be sent.
    pub(crate) is_over: &'a AtomicBool,
    /// Set once no more answers are to be waited for.
    pub(crate) is_cut: &'a AtomicBool,
}

/// A player's connection.
#[derive(Debug, Default)]
struct PacedConnection {
    socket: Option<TcpStream>,
    is_connected: bool,
    answers: AnswerStream,
    /// What is still to be sent.
    out: Vec<u8>,
    /// When the request under way was due.
    due_ns: Option<u64>,
    /// When it is tried again to connect.
    retry_ns: u64,
}

struct PacedDriver<'a, P, R> {
    pace: Pacing<'a>,
    poll: Poll,
    players: Vec<P>,
    lines: Vec<PacedConnection>,
    /// Players without a request under way, the one that has been so for longest first.
    idle: VecDeque<usize>,
    busy: usize,
    began_ns: u64,
    sent: u64,
    record: R,
}

/// Plays until `is_over`, and hands the players back.
///
/// # Errors
/// What the kernel says of a poll or of opening sockets.
pub(crate) fn drive<P: PacedPlayer, R: FnMut(Exchange)>(
    pace: Pacing<'_>,
    players: Vec<P>,
    record: R,
) -> io::Result<Vec<P>> {
    let poll = Poll::new()?;
    let period = pace.rate.map_or(POLL_INTERVAL, |rate| Duration::from_secs_f64(1.0 / rate).max(BEAT_MIN));
    let beat = Beat::start(&poll, usize::MAX, period)?;
    let lines = players.iter().map(|_| PacedConnection::default()).collect();
    let mut driver = PacedDriver {
        pace,
        poll,
        players,
        lines,
        idle: VecDeque::new(),
        busy: 0,
        began_ns: pace.clock.now_ns(),
        sent: 0,
        record,
    };
    for number in 0..driver.lines.len() {
        driver.connect(number)?;
    }
    let mut events = Vec::new();
    while driver.goes_on() {
        driver.poll.wait(POLL_INTERVAL, &mut events)?;
        for event in events.drain(..) {
            if event.number == usize::MAX {
                beat.heard();
            } else {
                driver.happened(event)?;
            }
        }
        driver.reconnect()?;
        driver.send_due()?;
    }
    for number in 0..driver.lines.len() {
        driver.give_up(number);
    }
    Ok(driver.players)
}

impl<P: PacedPlayer, R: FnMut(Exchange)> PacedDriver<'_, P, R> {
    /// Whether there is anything to be sent or waited for.
    fn goes_on(&mut self) -> bool {
        if self.pace.is_cut.load(Ordering::Relaxed) {
            return false;
        }
        let is_over = self.pace.is_over.load(Ordering::Relaxed);
        let now_ns = self.pace.clock.now_ns();
        let waits = |line: &PacedConnection| {
            line.due_ns.is_some_and(|due_ns| now_ns.saturating_sub(due_ns) < LAST_ANSWERS_NS)
        };
        !is_over || self.busy > 0 && self.lines.iter().any(waits)
    }

    fn connect(&mut self, number: usize) -> io::Result<()> {
        let opening = Opening { from: self.pace.from, buffer_bytes: 0 };
        let line = &mut self.lines[number];
        line.answers.clear();
        line.is_connected = false;
        match socket::connect(self.pace.to, opening) {
            Ok(socket) => {
                self.poll.add(&socket, number, Interest { reads: true, writes: true })?;
                line.socket = Some(socket);
            }
            Err(_) => line.retry_ns = self.pace.clock.now_ns() + RETRY_NS,
        }
        Ok(())
    }

    fn reconnect(&mut self) -> io::Result<()> {
        let now_ns = self.pace.clock.now_ns();
        for number in 0..self.lines.len() {
            if self.lines[number].socket.is_none() && self.lines[number].retry_ns <= now_ns {
                self.connect(number)?;
            }
        }
        Ok(())
    }

    /// Sends what is due to who is idle.
    fn send_due(&mut self) -> io::Result<()> {
        while !self.pace.is_over.load(Ordering::Relaxed) && !self.idle.is_empty() {
            let now_ns = self.pace.clock.now_ns();
            let due_ns = match self.pace.rate {
                Some(rate) => self.began_ns + (self.sent as f64 * 1e9 / rate) as u64,
                None => now_ns,
            };
            if due_ns > now_ns {
                break;
            }
            let number = self.idle.pop_front().expect("one is idle");
            let line = &mut self.lines[number];
            line.out.clear();
            self.players[number].ask(&mut line.out);
            line.due_ns = Some(due_ns);
            self.busy += 1;
            self.sent += 1;
            self.write(number)?;
        }
        Ok(())
    }

    fn write(&mut self, number: usize) -> io::Result<()> {
        let line = &mut self.lines[number];
        let Some(socket) = &line.socket else { return Ok(()) };
        while !line.out.is_empty() {
            match socket::write(socket, &line.out) {
                Moved::Bytes(bytes) => drop(line.out.drain(..bytes)),
                Moved::Waits => {
                    return self.poll.change(socket, number, Interest { reads: true, writes: true });
                }
                Moved::Ended | Moved::Broken => {
                    self.lose(number);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn happened(&mut self, event: SocketEvent) -> io::Result<()> {
        let number = event.number;
        let line = &mut self.lines[number];
        let Some(socket) = &line.socket else { return Ok(()) };
        if event.is_writable && !event.is_over {
            self.poll.change(socket, number, Interest { reads: true, writes: false })?;
            if line.is_connected {
                self.write(number)?;
            } else {
                line.is_connected = true;
                self.idle.push_back(number);
            }
        }
        if event.is_readable || event.is_over {
            self.read(number);
        }
        Ok(())
    }

    fn read(&mut self, number: usize) {
        loop {
            let line = &mut self.lines[number];
            let Some(socket) = &line.socket else { return };
            match socket::read(socket, line.answers.room()) {
                Moved::Bytes(_) => self.take_answers(number),
                Moved::Waits => return,
                Moved::Ended | Moved::Broken => return self.lose(number),
            }
        }
    }

    fn take_answers(&mut self, number: usize) {
        let line = &mut self.lines[number];
        let (verdict, closes) = match line.answers.next() {
            Ok(None) => return,
            Ok(Some(_)) if line.due_ns.is_none() => (Verdict::Wrong("an answer to nothing".to_owned()), true),
            Ok(Some(answer)) => (self.players[number].answered(&answer), answer.closes),
            Err(sentence) => (Verdict::Wrong(sentence), true),
        };
        let was_busy = self.end(number, End::Told(verdict));
        if closes {
            // The server said so: nothing is lost.
            self.close(number);
        } else if was_busy {
            self.idle.push_back(number);
        }
    }

    /// Records the request under way. Says whether there was one.
    fn end(&mut self, number: usize, end: End) -> bool {
        let due_ns = self.lines[number].due_ns.take();
        if let Some(due_ns) = due_ns {
            self.busy -= 1;
            (self.record)(Exchange { due_ns, ended_ns: self.pace.clock.now_ns(), end });
        }
        due_ns.is_some()
    }

    /// A connection that has ended by itself.
    fn lose(&mut self, number: usize) {
        if self.lines[number].due_ns.is_some() {
            self.players[number].broken();
            self.end(number, End::Broken);
        }
        self.close(number);
    }

    fn close(&mut self, number: usize) {
        let line = &mut self.lines[number];
        line.socket = None;
        // One that was refused is not tried again at once.
        let rest_ns = if line.is_connected { 0 } else { RETRY_NS };
        line.retry_ns = self.pace.clock.now_ns() + rest_ns;
        line.is_connected = false;
        self.idle.retain(|idle| *idle != number);
    }

    /// At the end of the run.
    fn give_up(&mut self, number: usize) {
        if self.lines[number].due_ns.is_some() {
            self.players[number].broken();
            self.end(number, End::Broken);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Sends `ping`, and knows what it was told.
    #[derive(Debug, Default)]
    struct Pinging {
        statuses: Vec<u16>,
        broken: u32,
    }

    impl PacedPlayer for Pinging {
        fn ask(&mut self, out: &mut Vec<u8>) {
            out.extend_from_slice(b"ping");
        }

        fn answered(&mut self, answer: &StreamedAnswer<'_>) -> Verdict {
            self.statuses.push(answer.status);
            if answer.is_refusal() { Verdict::Refused } else { Verdict::Good }
        }

        fn broken(&mut self) {
            self.broken += 1;
        }
    }

    /// Plays against a server that answers so on its first connections, one after another, and hangs up after each.
    #[track_caller]
    fn check(answers: &'static [&'static str], expect: &[End], statuses: &[u16], broken: u32) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("an address");
        let server = move || {
            for answer in answers {
                let (mut socket, _) = listener.accept().expect("a connection");
                let mut request = [0; 4];
                socket.read_exact(&mut request).expect("a request");
                socket.write_all(answer.as_bytes()).expect("it is sent");
            }
        };
        let server = thread::Builder::new().spawn(server).expect("a thread");
        let (is_over, is_cut) = (AtomicBool::new(false), AtomicBool::new(false));
        let pace =
            Pacing { clock: Clock::start(), to, from: None, rate: None, is_over: &is_over, is_cut: &is_cut };
        let mut ends = Vec::new();
        let record = |sample: Exchange| {
            ends.push(sample.end);
            is_over.store(ends.len() == answers.len(), Ordering::Relaxed);
        };
        let players = drive(pace, vec![Pinging::default()], record).expect("a run");
        server.join().expect("a server");
        assert_eq!(ends, expect);
        assert_eq!((players[0].statuses.as_slice(), players[0].broken), (statuses, broken));
    }

    #[test]
    fn what_becomes_of_requests() {
        const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        const LATER: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let wrong = End::Told(Verdict::Wrong("an answer that begins with \"nonsense\"".to_owned()));
        check(&[GOOD], &[End::Told(Verdict::Good)], &[200], 0);
        check(&[LATER, GOOD], &[End::Told(Verdict::Refused), End::Told(Verdict::Good)], &[503, 200], 0);
        check(&["", GOOD], &[End::Broken, End::Told(Verdict::Good)], &[200], 1);
        check(&["nonsense\r\n\r\n", GOOD], &[wrong, End::Told(Verdict::Good)], &[200], 0);
    }

    #[test]
    fn latency_counts_from_when_a_request_was_due() {
        let sample = Exchange { due_ns: 5, ended_ns: 12, end: End::Broken };
        assert_eq!(sample.latency_ns(), 7);
    }
}
