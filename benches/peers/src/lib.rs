//! The wallet of `docs/protocol.md` as most people would write it, to measure purser beside.
//!
//! Two servers share everything but the store: axum's router and extractors, serde's types, rust_decimal's money.
//! `axum-postgres` keeps accounts in PostgreSQL through sqlx and answers when the database has committed;
//! `axum-memory` keeps them in maps behind locks, and a restart forgets them. Both answer the ten calls of a
//! platform with the checks, the idempotency and the bodies of the protocol.
//!
//! What they leave out makes them faster, never slower: there is no operator's API, so nobody is frozen, limited,
//! logged in or out; the sessions are those of the demo, which never idle out, so that none is renewed; the members
//! that are only recorded are ignored, a timestamp's form is not looked at, a round has no bound on its
//! transactions, and nothing is forgotten.
//!
//! Reading in order:
//! - `store`: what a store is asked and answers; the trait between the handlers and the two stores.
//! - `protocol`, with `money`: requests and answers as JSON.
//! - `gate`: credentials and bodies, the first rungs of the protocol's ladder. `handlers`: one for each call.
//! - `memory`: accounts behind locks. `postgres`, with `postgres.sql`: accounts in tables.
//! - `cluster`: a PostgreSQL of one's own, for the length of a run.
//! - `serve`: the listener, the threads, the end.

pub mod cluster;
mod gate;
mod handlers;
pub mod memory;
mod money;
pub mod postgres;
mod protocol;
pub mod serve;
pub mod store;

/// The demo that both serve (protocol §7).
pub mod demo {
    /// Where all of its accounts are.
    pub const DOMAIN: &str = "default";
    /// The country of its accounts.
    pub const COUNTRY: &str = "GB";
    /// The currency of its domain.
    pub const CURRENCY: &str = "GBP";
    /// Digits of it behind the decimal point.
    pub const CURRENCY_DIGITS: u32 = 2;
    /// What each account holds to begin with, in minor units.
    pub const CASH: i64 = 100_000_000;
    /// The game that is offered.
    pub const GAME: &str = "11588";
    /// The platform's key.
    pub const PLATFORM: &str = "L100";
    /// The platform's user.
    pub const USER: &str = "admin";
    /// The platform's password.
    pub const PASSWORD: &str = "admin";
    /// The account that is there however few are asked for.
    pub const FIRST_ACCOUNT: &str = "default/admin";
    /// The session of [`FIRST_ACCOUNT`].
    pub const FIRST_SESSION: &str = "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c";

    /// The account and the session key of each player.
    pub fn players(count: u32) -> impl Iterator<Item = (String, String)> {
        let first = (FIRST_ACCOUNT.to_owned(), FIRST_SESSION.to_owned());
        let others = (1..=count).map(|n| (format!("{DOMAIN}/player-{n:06}"), format!("demo-{n:06}")));
        std::iter::once(first).chain(others)
    }
}
