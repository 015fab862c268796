//! Clients that have gone: what tells them from those that only have no more to ask.

use super::{Connection, ConnectionState, NS_PER_MS};

/// Since when a request may have waited that nobody has looked for.
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
    /// What comes up to [`limits::MAY_HAVE_GONE_AFTER_MS`] from now may have waited since `since_ns`: for the connection to be
    /// accepted, or for a core that was held up.
    pub(in crate::net) fn may_have_waited(&mut self, since_ns: u64, now_ns: u64) {
        let since_ns = self.waited.map_or(since_ns, |waited| waited.since_ns.min(since_ns));
        let until_ns = now_ns + limits::MAY_HAVE_GONE_AFTER_MS * NS_PER_MS;
        self.waited = Some(Waited { since_ns, until_ns });
    }

    /// Whether the receive that has ended was asked for before `time_ns`.
    pub(in crate::net) const fn was_armed_before(&self, time_ns: u64) -> bool {
        self.armed_ns < time_ns
    }

    /// Whether what comes now may have waited.
    pub(in crate::net) fn may_be_old(&self, now_ns: u64) -> bool {
        self.waited.is_some_and(|waited| waited.holds_at(now_ns))
    }

    /// Something has come behind bytes that wait to be served: it is looked at first, since it may be the end.
    pub(in crate::net) const fn look_behind(&mut self) {
        self.looks_behind = true;
    }

    /// The peer has ended its side: what it asked is still answered. `false` where it has gone: its request has waited for
    /// a while before the end came, so that this is a client that gives up, and not one that has no more to ask. Then the
    /// request is dropped, and nothing has changed. The core has looked before at `looked_ns`, and now.
    pub(in crate::net) fn on_end(&mut self, now_ns: u64, looked_ns: u64) -> bool {
        self.peer_ended = true;
        let waited_ns = match self.waited {
            Some(waited) => now_ns.saturating_sub(waited.since_ns),
            // Nobody has looked for it before: it may lie there for as long as the request.
            None if self.armed_ns >= looked_ns => 0,
            None => now_ns.saturating_sub(self.arrived_ns),
        };
        let has_gone = self.is_new && waited_ns >= limits::GONE_AFTER_MS * NS_PER_MS;
        if has_gone && self.owes() {
            // What was asked before is answered.
            (self.backlog, self.is_new) = (Vec::new(), false);
        } else if has_gone || matches!(self.state, ConnectionState::Lingering | ConnectionState::Leaving) {
            self.abort();
        }
        !has_gone
    }
}
