//! The bounds that the protocol and docs/protocol.md state, as they are stated: were they the server's own constants, a
//! wrong one would be wrong on both sides.

/// A minute of a session's length, milliseconds.
pub const MINUTE_MS: u64 = 60_000;

/// Live sessions of an account; a further login ends the one that was used least recently (protocol §3).
pub const SESSIONS_MAX: usize = 16;

/// Sessions that an account has in all, the expired ones included (docs/protocol.md, Sessions).
pub const SESSIONS_REMEMBERED_MAX: usize = 32;

/// Time after which an expired session is unknown, milliseconds: a day (docs/protocol.md, Sessions).
pub const SESSION_REMEMBERED_MS: u64 = 86_400_000;

/// Single-use tokens of an account that a platform has outstanding (protocol §3).
pub const TOKENS_MAX: usize = 16;

/// Life of a session token, milliseconds (protocol §3).
pub const TOKEN_LIFE_MS: u64 = 60_000;

/// How far ahead of the clock a wrapped token may be, milliseconds (protocol §3).
pub const TOKEN_AHEAD_MS: u64 = 5_000;

/// Bets of a round (protocol §4).
pub const ROUND_BETS_MAX: usize = 10_000;

/// Transactions of a round (protocol §4).
pub const ROUND_TRANSACTIONS_MAX: usize = 30_000;

/// Open rounds of an account (docs/protocol.md, Bounds).
pub const OPEN_ROUNDS_MAX: usize = 10_000;

/// Refused bets of an account that stay refused (docs/protocol.md, Dialects).
pub const REFUSALS_MAX: usize = 100;

/// Open rounds that an account is shown with (docs/protocol.md, Operator API).
pub const OPEN_ROUNDS_SHOWN_MAX: usize = 100;

/// Alerts that an account is shown with (docs/protocol.md, Operator API).
pub const ALERTS_SHOWN_MAX: usize = 8;

/// Bytes of the lines of a page of a statement (docs/protocol.md, Operator API).
pub const PAGE_BYTES_MAX: usize = 65_536;

/// Bytes that a line counts there beside its ids (docs/protocol.md, Operator API).
pub const LINE_BYTES: usize = 384;

/// Rounds and transactions that are over and leave memory ahead of a page of a statement (docs/protocol.md, Operator API).
pub const FORGOTTEN_PER_PAGE: u64 = 2_048;
