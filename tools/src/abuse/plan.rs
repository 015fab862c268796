//! How attackers behave, and what they have come to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::call::{AccountRange, Call};

/// Source addresses of attackers: 127.0.16.1 and on.
const SOURCES_FROM: [u8; 4] = [127, 0, 16, 1];

/// What a connection does when it has done what it came for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It stays.
    Holds,
    Closes,
    /// It ends by a reset.
    Resets,
}

/// How attackers behave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    /// Addresses that they come from, in turn; 0 for that of everybody, 127.0.0.1.
    pub(crate) sources: u8,
    pub(crate) call: Call,
    /// Requests of a connection.
    pub(crate) requests: u64,
    /// Requests that a connection has under way.
    pub(crate) depth: u64,
    /// Whether they read answers.
    pub(crate) reads: bool,
    /// They send a byte in so long, from this byte on.
    pub(crate) drip: Option<Duration>,
    pub(crate) drips_from: usize,
    /// They send so many bytes of their requests.
    pub(crate) stops_at: Option<usize>,
    /// They wait for an answer for so long.
    pub(crate) patience: Option<Duration>,
    pub(crate) then: Then,
    /// They come again this long after their connection has ended.
    pub(crate) again: Option<Duration>,
    /// Requests per second of all together.
    pub(crate) per_second: Option<f64>,
    /// They connect first, and send when they are told to.
    pub(crate) waits: bool,
}

impl Plan {
    /// So many connections that ask as fast as they may, 64 at a time, read everything, and come again.
    pub(crate) const fn flood(connections: usize, call: Call) -> Self {
        Self {
            connections,
            sources: 64,
            call,
            requests: u64::MAX,
            depth: 64,
            reads: true,
            drip: None,
            drips_from: 0,
            stops_at: None,
            patience: None,
            then: Then::Holds,
            again: Some(Duration::from_millis(100)),
            per_second: None,
            waits: false,
        }
    }

    /// So many connections that ask once, are answered, and stay.
    pub(crate) const fn idle(connections: usize, call: Call) -> Self {
        Self { requests: 1, depth: 1, ..Self::flood(connections, call) }
    }

    /// So many connections that ask without end and never read.
    pub(crate) const fn unread(connections: usize, call: Call) -> Self {
        Self { depth: u64::MAX, reads: false, ..Self::flood(connections, call) }
    }

    /// Where the connection of this number comes from.
    pub(super) fn source(&self, number: usize) -> Ipv4Addr {
        let [a, b, c, d] = SOURCES_FROM;
        match self.sources {
            0 => Ipv4Addr::LOCALHOST,
            sources => Ipv4Addr::new(a, b, c, d + (number % usize::from(sources)) as u8),
        }
    }
}

/// What the attackers have come to. Read by other threads while they play.
#[derive(Debug, Default)]
pub(crate) struct AttackTally {
    /// Connections that are open now.
    pub(crate) open: AtomicU64,
    pub(crate) connected: AtomicU64,
    /// Connections that did not come about.
    pub(crate) turned_away: AtomicU64,
    pub(crate) sent: AtomicU64,
    /// Answers as they should be.
    pub(crate) good: AtomicU64,
    /// Answers that refuse for want of room or time.
    pub(crate) refused: AtomicU64,
    pub(crate) wrong: AtomicU64,
    /// Connections that the server has ended.
    pub(crate) ended: AtomicU64,
    /// Connections that it has ended while an answer was due.
    pub(crate) cut: AtomicU64,
    /// Requests that were given up.
    pub(crate) given_up: AtomicU64,
}

impl AttackTally {
    /// A count as it is now.
    pub(crate) fn read(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }
}

/// What tells the attackers what to do.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Those that wait may send.
    pub(crate) go: AtomicBool,
    pub(crate) is_over: AtomicBool,
}

/// Where the server listens, and whose accounts are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) platform: SocketAddr,
    pub(crate) operator: SocketAddr,
    pub(crate) accounts: AccountRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let plan = Plan { sources: 3, ..Plan::flood(1, Call::Unknown) };
        let sources: Vec<String> = (0..4).map(|number| plan.source(number).to_string()).collect();
        assert_eq!(sources, ["127.0.16.1", "127.0.16.2", "127.0.16.3", "127.0.16.1"]);
        assert_eq!(Plan { sources: 0, ..plan }.source(5), Ipv4Addr::LOCALHOST);
    }
}
