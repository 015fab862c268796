//! When clients give up: each waits for the answer to its oldest request for so long and no longer.
//!
//! One entry for each virtual user that has something under way, and not one for each request: an entry that comes due is
//! looked at, and put back where the request that it was made for has been answered since. So a request costs nothing here
//! but a look at a flag.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The clients that wait.
#[derive(Debug)]
pub(crate) struct Patience {
    patience_ns: u64,
    /// When to look at whom, the earliest first.
    looks: BinaryHeap<Reverse<(u64, usize)>>,
    /// Who has an entry.
    watched: Vec<bool>,
}

impl Patience {
    /// The patience of so many virtual users, none of which waits yet.
    pub(crate) fn new(patience_ns: u64, vus: usize) -> Self {
        Self { patience_ns, looks: BinaryHeap::with_capacity(vus), watched: vec![false; vus] }
    }

    /// A virtual user's oldest request was sent at `sent_ns`.
    pub(crate) fn watch(&mut self, index: usize, sent_ns: u64) {
        if !std::mem::replace(&mut self.watched[index], true) {
            self.looks.push(Reverse((sent_ns + self.patience_ns, index)));
        }
    }

    /// When to look next.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.looks.peek().map(|Reverse((at_ns, _))| *at_ns)
    }

    /// A virtual user that has to be looked at by now. It is watched no more.
    pub(crate) fn due(&mut self, now_ns: u64) -> Option<usize> {
        self.next_ns().filter(|at_ns| *at_ns <= now_ns)?;
        let Reverse((_, index)) = self.looks.pop()?;
        self.watched[index] = false;
        Some(index)
    }

    /// Whether a request that was sent at `sent_ns` is given up by now.
    pub(crate) const fn is_over(&self, sent_ns: u64, now_ns: u64) -> bool {
        now_ns >= sent_ns + self.patience_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Virtual users whose oldest requests were sent at these times, as they come due at a time.
    #[track_caller]
    fn check(sent: &[u64], now_ns: u64, expect: &[usize], next_ns: Option<u64>) {
        let mut patience = Patience::new(100, sent.len());
        for (index, sent_ns) in sent.iter().enumerate() {
            patience.watch(index, *sent_ns);
            // A second request under way waits behind the first.
            patience.watch(index, *sent_ns + 7);
        }
        let due: Vec<usize> = std::iter::from_fn(|| patience.due(now_ns)).collect();
        assert_eq!((due.as_slice(), patience.next_ns()), (expect, next_ns), "at {now_ns}");
    }

    #[test]
    fn who_is_looked_at() {
        check(&[], 1_000, &[], None);
        check(&[50, 10, 30], 109, &[], Some(110));
        check(&[50, 10, 30], 110, &[1], Some(130));
        check(&[50, 10, 30], 149, &[1, 2], Some(150));
        check(&[50, 10, 30], 1_000, &[1, 2, 0], None);
    }

    #[test]
    fn who_was_looked_at_is_watched_again() {
        let mut patience = Patience::new(100, 1);
        patience.watch(0, 10);
        assert_eq!((patience.due(110), patience.next_ns()), (Some(0), None));
        // The first was answered, and what is oldest now was sent later.
        patience.watch(0, 60);
        assert_eq!((patience.due(159), patience.next_ns(), patience.due(160)), (None, Some(160), Some(0)));
    }

    #[test]
    fn time_runs_from_the_send() {
        let patience = Patience::new(100, 0);
        assert_eq!([199, 200, 201].map(|now_ns| patience.is_over(100, now_ns)), [false, true, true]);
    }
}
