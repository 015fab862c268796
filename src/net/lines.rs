//! The lines in which connections wait for their core: whose bytes have come and were not looked at, the operator's, and
//! those that were served and have more.

use std::collections::VecDeque;

use super::connection::Line;
use super::desk::Service;
use super::ring::ConnectionId;
use crate::limits;

const NS_PER_MS: u64 = 1_000_000;

/// The lines of a core. A connection is in one of them at most.
#[derive(Debug)]
pub(super) struct Lines {
    /// Each with the time when its bytes came, nanoseconds of the clock, which never goes back along the line.
    new: VecDeque<(ConnectionId, u64)>,
    operator: VecDeque<ConnectionId>,
    more: VecDeque<ConnectionId>,
    /// What has waited for so long can't be answered in its time, nanoseconds.
    budget_ns: u64,
    /// The last one of [`Lines::next_new`] was the oldest.
    was_oldest: bool,
}

impl Lines {
    /// Empty lines, of requests that are to be answered within `budget_ms`.
    pub(super) fn new(budget_ms: u64) -> Self {
        Self {
            new: VecDeque::new(),
            operator: VecDeque::new(),
            more: VecDeque::new(),
            budget_ns: budget_ms.saturating_mul(NS_PER_MS),
            was_oldest: false,
        }
    }

    /// Puts a connection of this listener at the end of its line.
    pub(super) fn push(&mut self, id: ConnectionId, service: Service, line: Line, arrived_ns: u64) {
        match (service, line) {
            (Service::Operator, _) => self.operator.push_back(id),
            (Service::Platform, Line::New) => self.new.push_back((id, arrived_ns)),
            (Service::Platform, Line::More) => self.more.push_back(id),
        }
    }

    /// The next of those whose bytes were not looked at.
    ///
    /// The oldest, for as long as none waits too long. Then requests come faster than they are served, and if each waited
    /// for all before it, all would be answered late and many for nobody: so the newest is next, whose client is still
    /// there. The oldest are looked at again, one for each new one, when their time is over: they are refused.
    pub(super) fn next_new(&mut self, now_ns: u64) -> Option<ConnectionId> {
        let (_, arrived_ns) = self.new.front()?;
        let waited_ns = now_ns.saturating_sub(*arrived_ns);
        self.was_oldest = if waited_ns < limits::NEWEST_FIRST_AFTER_MS * NS_PER_MS {
            true
        } else {
            waited_ns >= self.budget_ns && !self.was_oldest
        };
        let next = if self.was_oldest { self.new.pop_front() } else { self.new.pop_back() };
        next.map(|(id, _)| id)
    }

    /// The next of the operator's.
    pub(super) fn next_operator(&mut self) -> Option<ConnectionId> {
        self.operator.pop_front()
    }

    /// The next of those that were served and have more.
    pub(super) fn next_more(&mut self) -> Option<ConnectionId> {
        self.more.pop_front()
    }

    /// Connections whose bytes were not looked at.
    pub(super) fn waiting_new(&self) -> usize {
        self.new.len()
    }

    /// Connections of the operator.
    pub(super) fn waiting_operator(&self) -> usize {
        self.operator.len()
    }

    /// Connections that have more.
    pub(super) fn waiting_more(&self) -> usize {
        self.more.len()
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.operator.is_empty() && self.more.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET_MS: u64 = 1_000;

    /// Connections whose bytes came at these times, milliseconds; in which order they are served at `now_ms`, by the times.
    #[track_caller]
    fn check(arrived_ms: &[u64], now_ms: u64, expect: &[u64]) {
        let mut lines = Lines::new(BUDGET_MS);
        for (slot, ms) in arrived_ms.iter().enumerate() {
            let id = ConnectionId::for_tests(slot as u32);
            lines.push(id, Service::Platform, Line::New, ms * NS_PER_MS);
        }
        let served = std::iter::from_fn(|| lines.next_new(now_ms * NS_PER_MS));
        let served: Vec<u64> = served.map(|id| arrived_ms[id.slot()]).collect();
        assert_eq!(served, expect, "{arrived_ms:?} at {now_ms}");
        assert!(lines.is_empty());
    }

    #[test]
    fn the_newest_is_next_where_the_oldest_waits_too_long() {
        let late = limits::NEWEST_FIRST_AFTER_MS;
        check(&[], 0, &[]);
        check(&[1, 2, 3], late, &[1, 2, 3]);
        check(&[1, 2, 3], late + 1, &[3, 2, 1]);
        check(&[0, 5, late], late + 2, &[late, 5, 0]);
        // Those whose time is over are looked at between the new ones.
        check(&[0, 1, 2, 1_000, 1_001, 1_002], 1_003, &[0, 1_002, 1, 1_001, 2, 1_000]);
        check(&[0, 1_001, 1_002], 1_003, &[0, 1_001, 1_002]);
    }
}
