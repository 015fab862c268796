//! A queue in chunks: one in a piece moves all that it holds when it is full.

use alloc::collections::VecDeque;

/// Values of a chunk: up to 256 KiB.
const CHUNK: usize = if cfg!(test) { 4 } else { 4_096 };

/// First in, first out.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// The oldest; all that most queues have.
    first: VecDeque<T>,
    /// The chunks after it, none of them empty, and all but the last one full.
    more: VecDeque<VecDeque<T>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { first: VecDeque::new(), more: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    pub(super) fn push_back(&mut self, value: T) {
        let last = self.more.back_mut().unwrap_or(&mut self.first);
        if last.len() < CHUNK {
            last.push_back(value);
        } else {
            let mut chunk = VecDeque::with_capacity(CHUNK);
            chunk.push_back(value);
            self.more.push_back(chunk);
        }
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.first.front()
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let value = self.first.pop_front();
        if self.first.is_empty()
            && let Some(next) = self.more.pop_front()
        {
            self.first = next;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue() {
        let (mut queue, mut known) = (Queue::default(), VecDeque::new());
        let check = |queue: &Queue<u32>, known: &VecDeque<u32>| assert_eq!(queue.front(), known.front());
        // It grows, shrinks, and grows from every fill of its first chunk.
        for value in 0..80 {
            queue.push_back(value);
            known.push_back(value);
            check(&queue, &known);
            if value % 3 > 0 || value > 60 {
                assert_eq!(queue.pop_front(), known.pop_front());
                check(&queue, &known);
            }
        }
        while let Some(value) = known.pop_front() {
            assert_eq!(queue.pop_front(), Some(value));
            check(&queue, &known);
        }
        assert_eq!(queue.pop_front(), None);
    }
}
