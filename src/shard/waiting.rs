//! What waits for the journal, by the change that it waits for.

use std::collections::VecDeque;

use wallet::Sequence;

/// Items that each wait for a change to be durable. What shows an older change was asked for later now and then, so they
/// are nearly sorted as they come; those that wait for the same change stay in the order in which they came.
#[derive(Debug)]
pub struct Waiting<T> {
    /// By their sequences.
    items: VecDeque<(Sequence, T)>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { items: VecDeque::new() }
    }
}

impl<T> Waiting<T> {
    /// Has `item` wait for the change of sequence `after`.
    pub fn push(&mut self, after: Sequence, item: T) {
        if self.items.back().is_none_or(|(last, _)| *last <= after) {
            return self.items.push_back((after, item));
        }
        let at = self.items.partition_point(|(before, _)| *before <= after);
        self.items.insert(at, (after, item));
    }

    /// The next item that waits for nothing any more, where all up to `durable` is; with what it has waited for.
    pub fn pop(&mut self, durable: Sequence) -> Option<(Sequence, T)> {
        let is_free = self.items.front().is_some_and(|(after, _)| *after <= durable);
        if is_free { self.items.pop_front() } else { None }
    }

    /// What waits for the oldest change.
    pub fn first(&self) -> Option<&T> {
        self.items.front().map(|(_, item)| item)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items named after their places wait for these changes; what goes once the changes up to `durable` are, and what
    /// goes at the end.
    #[track_caller]
    fn check(waits: &[Sequence], durable: Sequence, expect: &[usize], rest: &[usize]) {
        let mut waiting = Waiting::default();
        for (item, after) in waits.iter().enumerate() {
            waiting.push(*after, item);
        }
        assert_eq!(waiting.len(), waits.len());
        let mut all = |durable| -> Vec<usize> {
            std::iter::from_fn(|| waiting.pop(durable))
                .inspect(|(after, item)| assert_eq!(waits[*item], *after))
                .map(|(_, item)| item)
                .collect()
        };
        assert_eq!((all(durable).as_slice(), all(Sequence::MAX).as_slice()), (expect, rest), "{waits:?}");
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_waits_goes_with_its_own_change() {
        check(&[], 9, &[], &[]);
        check(&[1, 2, 3], 0, &[], &[0, 1, 2]);
        check(&[1, 2, 3], 2, &[0, 1], &[2]);
        check(&[5, 3], 3, &[1], &[0]);
        check(&[5, 3, 4, 1], 3, &[3, 1], &[2, 0]);
        check(&[9, 9, 2, 9, 2], 2, &[2, 4], &[0, 1, 3]);
        check(&[7, 6, 5, 4, 3, 2, 1], 4, &[6, 5, 4, 3], &[2, 1, 0]);
    }
}
