//! Clients that have gone: what tells them from those that only have no more to ask.

use super::{Connection, NS_PER_MS, Phase};
use crate::limits;

/// How long a request may have waited for its connection to be accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waited {
    since_ns: u64,
    /// What comes later has not.
    until_ns: u64,
}

impl Waited {
    /// Whether what comes now may have waited.
    pub(super) const fn holds_at(self, now_ns: u64) -> bool {
        now_ns < self.until_ns
    }
}

impl Connection {
    /// It was accepted at `accepted_ns`, and may have waited for that since `since_ns`, and its first request as well: what comes a
    /// while later has not.
    pub(in crate::net) const fn may_have_waited(&mut self, since_ns: u64, accepted_ns: u64) {
        let until_ns = accepted_ns + limits::GONE_AFTER_MS * NS_PER_MS;
        self.waited = Some(Waited { since_ns, until_ns });
    }

    /// Whether what comes now may have waited to be accepted.
    pub(in crate::net) fn is_late(&self, now_ns: u64) -> bool {
        self.waited.is_some_and(|waited| waited.holds_at(now_ns))
    }

    /// Something has come behind bytes that wait to be served: it is looked at first, since it may be the end.
    pub(in crate::net) const fn look_behind(&mut self) {
        self.looks_behind = true;
    }

    /// The peer has ended its side: what it asked is still answered. `false` where it has gone: its request has waited for
    /// a while before the end came, so that this is a client that gives up, and not one that has no more to ask. Then the
    /// request is dropped, and nothing has changed.
    pub(in crate::net) fn on_end(&mut self, now_ns: u64) -> bool {
        self.peer_ended = true;
        let since_ns = self.waited.map_or(self.arrived_ns, |waited| waited.since_ns);
        let waited_ns = now_ns.saturating_sub(since_ns);
        let has_gone = self.is_new && waited_ns >= limits::GONE_AFTER_MS * NS_PER_MS;
        if has_gone && self.owes() {
            // What was asked before is answered.
            (self.backlog, self.is_new) = (Vec::new(), false);
        } else if has_gone || matches!(self.phase, Phase::Lingering | Phase::Leaving) {
            self.abort();
        }
        !has_gone
    }
}
