//! Sessions: a player is logged in, and platforms hold the key.

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

impl Session {
    /// Whether it is alive at `now_ms` (protocol §3).
    pub(super) fn is_live(&self, now_ms: u64, idle_ms: u64) -> bool {
        match self.idle {
            Idle::Never => true,
            Idle::Expires => now_ms.saturating_sub(self.used_ms) < idle_ms,
        }
    }
}
