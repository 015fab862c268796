//! One connection of a server that starts: a request, an answer, and the end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use super::Answers;
use crate::net::Timeouts;
use http::{Framed, Framer, Status};

/// Where it is in its life.
enum StartupStage {
    /// A request is on its way.
    Receiving,
    /// So many bytes of the answer are sent.
    Sending(Vec<u8>, usize),
    /// The answer is out and this side has ended; what the peer still sends is read and thrown away, so that the answer
    /// is not lost to a reset (RFC 9112 §9.6). Until this time at most, milliseconds.
    Lingering(u64),
    /// It is over.
    Closed,
}

pub(super) struct StartupConnection {
    stream: TcpStream,
    is_operator: bool,
    framer: Framer,
    /// What has come of the request.
    received: Vec<u8>,
    stage: StartupStage,
    /// Until when its stage may last.
    deadline_ms: u64,
}

impl StartupConnection {
    /// A connection to one of the two listeners, with a socket that does not block.
    pub(super) fn new(stream: TcpStream, is_operator: bool, deadline_ms: u64) -> Self {
        let framer = Framer::default();
        Self {
            stream,
            is_operator,
            framer,
            received: Vec::new(),
            stage: StartupStage::Receiving,
            deadline_ms,
        }
    }

    pub(super) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) const fn is_operator(&self) -> bool {
        self.is_operator
    }

    pub(super) const fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    pub(super) const fn is_sending(&self) -> bool {
        matches!(self.stage, StartupStage::Sending(..))
    }

    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.stage, StartupStage::Closed)
    }

    /// Whether nothing was asked on it yet.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, StartupStage::Receiving) && self.framer.is_idle()
    }

    /// Bytes of a request that is not whole.
    pub(super) fn buffered(&self) -> usize {
        self.received.len()
    }

    /// Ends it as it is.
    pub(super) fn end(&mut self) {
        self.stage = StartupStage::Closed;
        self.received = Vec::new();
    }

    /// The shards accept: what is asked is asked on another connection from now on, and this one ends soon if nothing is.
    pub(super) fn on_hand_over(&mut self, now_ms: u64) {
        if self.is_idle() {
            self.deadline_ms = self.deadline_ms.min(now_ms.saturating_add(limits::IDLE_AT_STOP_MS));
        }
    }

    /// The process stops, and waits for nobody past `deadline_ms`.
    pub(super) fn on_stop(
        &mut self,
        now_ms: u64,
        deadline_ms: u64,
        timeouts: &Timeouts,
        answers: &mut Answers,
    ) {
        self.receive_last(now_ms, timeouts, answers);
        if self.is_idle() || now_ms >= deadline_ms {
            self.end();
        }
        self.deadline_ms = self.deadline_ms.min(deadline_ms);
    }

    /// Takes in what has come to one that nothing was asked on, before it ends.
    fn receive_last(&mut self, now_ms: u64, timeouts: &Timeouts, answers: &mut Answers) {
        if self.is_idle() {
            self.receive(now_ms, timeouts, answers);
        }
    }

    /// Its socket can be read or written.
    pub(super) fn on_ready(&mut self, now_ms: u64, timeouts: &Timeouts, answers: &mut Answers) {
        match &mut self.stage {
            StartupStage::Receiving => self.receive(now_ms, timeouts, answers),
            StartupStage::Sending(..) => self.send(now_ms),
            StartupStage::Lingering(until_ms) => {
                let mut room = [0; limits::RECEIVE_BUFFER_BYTES];
                match self.stream.read(&mut room) {
                    Ok(1..) => {
                        self.deadline_ms = now_ms.saturating_add(limits::LINGER_QUIET_MS).min(*until_ms)
                    }
                    Err(error) if is_for_later(error.kind()) => {}
                    Ok(_) | Err(_) => self.end(),
                }
            }
            StartupStage::Closed => {}
        }
    }

    /// Looks whether its time is over.
    pub(super) fn on_time(&mut self, now_ms: u64, timeouts: &Timeouts, answers: &mut Answers) {
        if now_ms < self.deadline_ms || self.is_closed() {
            return;
        }
        if self.is_idle() {
            self.receive_last(now_ms, timeouts, answers);
            if matches!(self.stage, StartupStage::Receiving) && !self.is_idle() {
                // It has begun to ask something in the last moment.
                self.deadline_ms = now_ms.saturating_add(timeouts.request_ms);
            }
            if now_ms < self.deadline_ms {
                return;
            }
        }
        if matches!(self.stage, StartupStage::Receiving) && !self.is_idle() {
            let answer = answers.refuse(Status::Timeout, http::asks_head(&self.received));
            return self.answer(answer, now_ms, timeouts);
        }
        self.end();
    }

    fn receive(&mut self, now_ms: u64, timeouts: &Timeouts, answers: &mut Answers) {
        let mut room = [0; limits::RECEIVE_BUFFER_BYTES];
        match self.stream.read(&mut room) {
            Ok(read @ 1..) => self.received.extend_from_slice(&room[..read]),
            Err(error) if is_for_later(error.kind()) => return,
            // What is not whole by now will not be.
            Ok(_) | Err(_) => return self.end(),
        }
        let omit_body = http::asks_head(&self.received);
        let answer = match self.framer.frame(&self.received) {
            Framed::Partial if answers.is_full => answers.unavailable(omit_body),
            Framed::Partial => return,
            // The leave to send a body that nothing will be done with is not given.
            Framed::Continue => answers.unavailable(omit_body),
            Framed::Reject(status) => answers.refuse(status, omit_body),
            Framed::Complete { request, .. } => answers.answer(self.is_operator, &request),
        };
        self.answer(answer, now_ms, timeouts);
    }

    fn answer(&mut self, answer: Vec<u8>, now_ms: u64, timeouts: &Timeouts) {
        self.received = Vec::new();
        self.deadline_ms = now_ms.saturating_add(timeouts.send_ms);
        self.stage = StartupStage::Sending(answer, 0);
        self.send(now_ms);
    }

    fn send(&mut self, now_ms: u64) {
        let StartupStage::Sending(answer, sent) = &mut self.stage else { return };
        match self.stream.write(&answer[*sent..]) {
            Ok(written @ 1..) => *sent += written,
            Err(error) if is_for_later(error.kind()) => return,
            Ok(_) | Err(_) => return self.end(),
        }
        if *sent == answer.len() {
            // A peer that has gone has ended its side already.
            let _ = self.stream.shutdown(Shutdown::Write);
            self.deadline_ms = now_ms.saturating_add(limits::LINGER_QUIET_MS);
            self.stage = StartupStage::Lingering(now_ms.saturating_add(limits::LINGER_MS));
        }
    }
}

const fn is_for_later(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
