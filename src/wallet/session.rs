//! Sessions: a player is logged in, and platforms hold the key.

use super::Millis;
use alloc::boxed::Box;

/// When a session ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Once the configured idle time has passed since its last use.
    Expires,
    /// Never: a demo session (protocol §7).
    Never,
}

/// A session of an account.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session key, `GatewaySessionToken` to platforms.
    pub(super) key: Box<str>,
    /// Number of the session among its account's, growing; a token names its session by it.
    pub(super) serial: u32,
    /// When it ends by itself.
    pub(super) idle: Idle,
    /// Its last use was not journaled yet.
    pub(super) renewed: bool,
    /// When the player logged in, milliseconds since 1970.
    pub(super) started_ms: u64,
    /// Its last `redeemtoken` or `placebet`, or its start, milliseconds since 1970.
    pub(super) used_ms: u64,
}

/// By what a session is judged: the time, and how long it lives and is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionHorizon {
    pub(super) now_ms: Millis,
    pub(super) idle_ms: u64,
}

impl SessionHorizon {
    /// Whether it is alive (protocol §3).
    pub(super) fn is_live(self, session: &Session) -> bool {
        session.is_live(self.now_ms, self.idle_ms)
    }

    /// Whether it is not to be remembered any more: it expired [`limits::SESSION_REMEMBERED_MS`] ago. Everything that
    /// asks for a session passes over those, whether they are still in memory or not.
    pub(super) fn is_past(self, session: &Session) -> bool {
        is_past(session.idle == Idle::Never, session.used_ms, self.now_ms, self.idle_ms)
    }
}

/// Whether a session is over: it was not used for the idle time (protocol §3). An `endless` one never is.
pub(super) const fn is_over(endless: bool, used_ms: Millis, now_ms: Millis, idle_ms: u64) -> bool {
    !endless && now_ms.saturating_sub(used_ms) >= idle_ms
}

/// [`SessionHorizon::is_past`], of a session in memory or stored.
pub(super) const fn is_past(endless: bool, used_ms: Millis, now_ms: Millis, idle_ms: u64) -> bool {
    is_over(endless, used_ms, now_ms, idle_ms.saturating_add(limits::SESSION_REMEMBERED_MS))
}

impl Session {
    /// Whether it is alive at `now_ms` (protocol §3).
    pub(super) fn is_live(&self, now_ms: Millis, idle_ms: u64) -> bool {
        !is_over(self.idle == Idle::Never, self.used_ms, now_ms, idle_ms)
    }
}
