//! What a connection waits for, and for how long.

use super::{Connection, ConnectionState, refuse};
use crate::net::Timeouts;
use crate::net::responder::Responder;
use http::Status;

/// What a connection waits for, and so which time-out it is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its first request.
    First,
    /// Its next request.
    Request,
    RestOfRequest,
    /// A turn of its core, for a request that is there.
    Turn,
    Answer,
    PeerReads,
    PeerEnds,
}

impl Connection {
    /// What it waits for now.
    pub(super) fn waits_for(&self) -> Wait {
        if self.state == ConnectionState::Lingering {
            Wait::PeerEnds
        } else if self.sending_bytes > 0 {
            Wait::PeerReads
        } else if self.replies.waiting() > 0 {
            Wait::Answer
        } else if self.has_more() {
            Wait::Turn
        } else if !self.is_idle() {
            Wait::RestOfRequest
        } else if self.asks_since_ms.is_some() {
            Wait::First
        } else {
            Wait::Request
        }
    }

    /// When its time runs out on what it waits for, milliseconds of the clock; `None` where it waits for the server.
    pub(in crate::net) fn deadline_ms(&self, timeouts: &Timeouts, is_stopping: bool) -> Option<u64> {
        let idle_ms = |limit_ms| if is_stopping { limits::IDLE_AT_STOP_MS.min(limit_ms) } else { limit_ms };
        let asks_since_ms = self.asks_since_ms.unwrap_or(self.since_ms);
        let (since_ms, limit_ms) = match self.wait {
            Wait::First => (asks_since_ms, idle_ms(timeouts.request_ms)),
            Wait::RestOfRequest => (asks_since_ms, timeouts.request_ms),
            Wait::Request => (self.since_ms, idle_ms(timeouts.keep_alive_ms)),
            Wait::PeerReads => (self.since_ms, timeouts.send_ms),
            Wait::PeerEnds => {
                return Some(
                    self.lingers_until_ms.min(self.since_ms.saturating_add(limits::LINGER_QUIET_MS)),
                );
            }
            Wait::Answer | Wait::Turn => return None,
        };
        Some(since_ms.saturating_add(limit_ms))
    }

    /// Its time has run out, as far as the end of the last turn knew.
    pub(in crate::net) fn on_deadline(&mut self, responder: &mut Responder) {
        // What has come in this turn has ended that wait, and the next one is begun when the turn ends.
        let is_exchanging = matches!(self.state, ConnectionState::Open | ConnectionState::Ending);
        if is_exchanging && (self.is_to_send() || self.waits_for() != self.wait) {
            return;
        }
        match (self.wait, self.state) {
            (Wait::First | Wait::Request, ConnectionState::Open) => self.end_idle(),
            (Wait::RestOfRequest, ConnectionState::Open) => {
                self.state = ConnectionState::Ending;
                let omit_body = http::asks_head(&std::mem::take(&mut self.backlog));
                refuse(Status::Timeout, omit_body, responder, &mut self.replies);
            }
            (_, ConnectionState::Leaving) => {}
            _ => self.abort(),
        }
    }
}
