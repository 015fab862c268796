//! Connections whose bytes a script carries: requests that are split anywhere, peers that stop reading, ends in the middle.

use std::collections::VecDeque;

use super::*;
use crate::net::wire::Wire;

/// What the connection waits for from its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receive {
    Bytes,
    WhatIsThere,
    Nothing,
}

/// A wire with one connection, and its peer.
#[derive(Debug)]
struct Script {
    /// What the peer has sent and nobody has received.
    arrived: VecDeque<u8>,
    has_ended: bool,
    reads: bool,
    /// What becomes of the next send, where that is not to be sent whole.
    fails: Option<io::Result<usize>>,
    /// What the peer has read.
    read: Vec<u8>,
    sending: Option<Vec<u8>>,
    receive: Option<Receive>,
    is_aborted: bool,
    is_shut: bool,
    is_closed: bool,
}

impl Wire for Script {
    fn send(&mut self, _: ConnectionId, buffer: Vec<u8>) -> io::Result<()> {
        assert!(!self.is_shut && self.sending.replace(buffer).is_none(), "one send at a time");
        Ok(())
    }

    fn receive(&mut self, _: ConnectionId) -> io::Result<()> {
        assert_eq!(self.receive.replace(Receive::Bytes), None, "one receive at a time");
        Ok(())
    }

    fn try_receive(&mut self, _: ConnectionId) -> io::Result<()> {
        assert_eq!(self.receive.replace(Receive::WhatIsThere), None, "one receive at a time");
        Ok(())
    }

    fn discard(&mut self, _: ConnectionId) -> io::Result<()> {
        assert_eq!(self.receive.replace(Receive::Nothing), None, "one receive at a time");
        Ok(())
    }

    fn shutdown(&mut self, _: ConnectionId) -> io::Result<()> {
        assert!(!std::mem::replace(&mut self.is_shut, true), "a connection ends once");
        Ok(())
    }

    fn abort(&mut self, _: ConnectionId) -> io::Result<()> {
        self.is_aborted = true;
        Ok(())
    }

    fn is_quiet(&self, _: ConnectionId) -> bool {
        self.sending.is_none() && self.receive.is_none()
    }

    fn close(&mut self, connection: ConnectionId) -> io::Result<()> {
        assert!(self.is_quiet(connection) && !self.is_closed, "it is closed once, and quiet");
        self.is_closed = true;
        Ok(())
    }
}

/// A connection with its peer.
struct Talk {
    bench: Bench,
    script: Script,
}

impl Talk {
    fn new() -> Self {
        let script = Script {
            arrived: VecDeque::new(),
            has_ended: false,
            reads: true,
            fails: None,
            read: Vec::new(),
            sending: None,
            receive: None,
            is_aborted: false,
            is_shut: false,
            is_closed: false,
        };
        let mut talk = Self { bench: Bench::new(Service::Platform), script };
        talk.bench.at(1);
        talk.go_on();
        talk
    }

    /// The peer sends `bytes`.
    fn says(&mut self, bytes: &[u8]) -> &mut Self {
        self.script.arrived.extend(bytes);
        self.go_on();
        self
    }

    /// The peer ends its side.
    fn ends(&mut self) -> &mut Self {
        self.script.has_ended = true;
        self.go_on();
        self
    }

    /// Turns, until nothing happens any more.
    fn go_on(&mut self) {
        let turns = (0..100_000).find(|_| self.script.is_closed || !self.turn());
        turns.expect("it comes to rest");
    }

    fn turn(&mut self) -> bool {
        let sent = self.send();
        let received = self.receive();
        let Bench { responder, shard, connection } = &mut self.bench;
        let serves = connection.is_to_be_served();
        if serves {
            connection.serve_backlog(&mut Server { responder, shard, share: limits::REQUESTS_PER_TURN });
        }
        if connection.is_over() {
            connection.end(&mut self.script, &mut responder.stages).unwrap();
        } else {
            let now = responder.now;
            connection.settle(&mut self.script, &mut responder.stages, now, now.mono_ns).unwrap();
        }
        let Script { reads, is_aborted, .. } = self.script;
        sent || received || serves || is_aborted || reads && self.script.sending.is_some()
    }

    /// A send ends where the peer reads, or where it was cancelled.
    fn send(&mut self) -> bool {
        let Script { reads, is_aborted, .. } = self.script;
        let Some(buffer) = self.script.sending.take_if(|_| reads || is_aborted) else { return false };
        let cancelled = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
        let sent = if reads { Ok(buffer.len()) } else { cancelled() };
        let result = self.script.fails.take().unwrap_or(sent);
        self.script.read.extend(&buffer[..*result.as_ref().unwrap_or(&0)]);
        let Bench { responder, connection, .. } = &mut self.bench;
        connection.on_sent(buffer, result, responder);
        true
    }

    fn receive(&mut self) -> bool {
        let Some(how) = self.script.receive else { return false };
        let come: Vec<u8> = {
            let most = self.script.arrived.len().min(limits::RECEIVE_BUFFER_BYTES);
            self.script.arrived.drain(..most).collect()
        };
        let waits = how != Receive::WhatIsThere && !self.script.is_aborted;
        if come.is_empty() && !self.script.has_ended && waits {
            return false;
        }
        self.script.receive = None;
        let Bench { responder, shard, connection } = &mut self.bench;
        let now = responder.now;
        connection.on_received();
        if !come.is_empty() && how == Receive::Nothing {
            connection.on_discarded(now.mono_ms());
        } else if !come.is_empty() {
            let share = limits::REQUESTS_PER_TURN;
            connection.on_bytes(&come, &mut Server { responder, shard, share });
        } else if self.script.has_ended {
            connection.on_end(now.mono_ns, now.mono_ns);
        } else {
            connection.on_cancelled();
        }
        true
    }
}

/// What is answered to `bytes` that come in one piece.
fn answered(bytes: &[u8]) -> Vec<u8> {
    let mut talk = Talk::new();
    talk.says(bytes);
    talk.script.read
}

#[test]
fn a_request_may_be_split_anywhere() {
    let requests = balance("").repeat(2) + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let whole = answered(requests.as_bytes());
    assert_eq!(String::from_utf8_lossy(&whole).matches("HTTP/1.1 200").count(), 3);
    for at in 0..=requests.len() {
        let (first, second) = requests.as_bytes().split_at(at);
        let mut talk = Talk::new();
        talk.says(first).says(second);
        assert!(talk.script.read == whole, "split at {at}");
        assert_eq!(talk.script.receive, Some(Receive::Bytes), "it waits for the next one");
    }
    for length in [1, 7, 64] {
        let mut talk = Talk::new();
        for piece in requests.as_bytes().chunks(length) {
            talk.says(piece);
        }
        assert!(talk.script.read == whole, "pieces of {length}");
    }
}

/// What waits for the peer is bounded, and what it sends meanwhile is not received; once it reads, each request is answered.
#[test]
fn a_peer_that_stops_reading_holds_up_itself() {
    const REQUESTS: usize = 3_000;
    let mut talk = Talk::new();
    talk.script.reads = false;
    talk.says(balance("").repeat(REQUESTS).as_bytes());
    let waiting = talk.bench.connection.replies.bytes() + talk.bench.connection.sending_bytes;
    let one = answered(balance("").as_bytes()).len();
    assert!((limits::SEND_BACKLOG_BYTES..limits::SEND_BACKLOG_BYTES + one).contains(&waiting), "{waiting}");
    assert!(!talk.script.arrived.is_empty() && talk.script.receive.is_none(), "it is not read");

    talk.script.reads = true;
    talk.go_on();
    assert!(talk.script.arrived.is_empty());
    assert_eq!(String::from_utf8_lossy(&talk.script.read).matches(r#"{"ErrorCode":-5}"#).count(), REQUESTS);
}

/// A message that its peer has not ended is not answered; what was asked before it is.
#[test]
fn an_end_in_the_middle() {
    let request = balance("");
    let one = answered(request.as_bytes());
    for at in 0..request.len() {
        for before in [0, 1] {
            let mut talk = Talk::new();
            talk.says(request.repeat(before).as_bytes()).says(&request.as_bytes()[..at]).ends();
            assert!(talk.script.read == one.repeat(before), "{before} and {at} bytes");
            assert!(talk.script.is_closed, "{before} and {at} bytes");
        }
    }
    // One that was asked whole is answered to who has only ended sending.
    let mut talk = Talk::new();
    talk.script.arrived.extend(request.as_bytes());
    talk.ends();
    assert!(talk.script.read == one && talk.script.is_closed);
}

/// A send that fails, or ends short of its bytes: what was behind it can't follow, so the connection ends.
#[test]
fn a_send_that_fails_ends_the_connection() {
    let one = answered(balance("").as_bytes());
    for fails in [Err(io::Error::from(io::ErrorKind::ConnectionReset)), Ok(0), Ok(one.len() - 1)] {
        let part = *fails.as_ref().unwrap_or(&0);
        let mut talk = Talk::new();
        talk.script.fails = Some(fails);
        talk.says(balance("").as_bytes());
        assert!(talk.script.is_closed, "{part} bytes were sent");
        assert!(talk.script.read == one[..part], "nothing is sent behind them");
    }
}
