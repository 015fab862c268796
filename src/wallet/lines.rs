//! Where each line of an account's statement is, in the order of the lines' numbers.
//!
//! A page begins at any number, and what is forgotten leaves from anywhere, since an open round keeps its lines for as long
//! as it is open. So the places lie in chunks: each is found by two binary searches, and one that leaves moves those behind
//! it in its chunk alone. Nothing is ever done to all of them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A transaction of a statement, and where it is: the round's place, and its own within the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatementPlace {
    pub(super) number: u64,
    pub(super) round: u32,
    pub(super) at: u32,
}

/// Places of a chunk: 3 KiB of them, which move in some 100 ns.
const CHUNK: usize = 256;

/// Lines whose numbers differ by less than 2^32, in their order: 12 bytes each.
#[derive(Debug, Default)]
struct Chunk {
    /// No number is below it.
    base: u64,
    /// Of each line: its number beyond the base, its round's place, and its own.
    lines: Vec<[u32; 3]>,
}

impl Chunk {
    fn of(place: StatementPlace) -> Self {
        let mut chunk = Self::default();
        chunk.push(place);
        chunk
    }

    fn has_room_for(&self, number: u64) -> bool {
        self.is_empty() || u32::try_from(number - self.base).is_ok()
    }

    /// The line, as it is kept in a chunk of this base.
    fn pack(&self, StatementPlace { number, round, at }: StatementPlace) -> [u32; 3] {
        let number = u32::try_from(number - self.base).expect("there is room for it");
        [number, round, at]
    }

    fn push(&mut self, place: StatementPlace) {
        if self.is_empty() {
            self.base = place.number;
        }
        self.lines.push(self.pack(place));
    }

    /// Puts a line among the others, where it can have their base or they its number; `false` where not.
    fn insert(&mut self, place: StatementPlace) -> bool {
        let last = self.last().map_or(place.number, |last| last.max(place.number));
        let base = self.base.min(place.number);
        if u32::try_from(last - base).is_err() {
            return false;
        }
        let moved = (self.base - base) as u32;
        self.lines.iter_mut().for_each(|line| line[0] += moved);
        self.base = base;
        let at = self.before(place.number);
        self.lines.insert(at, self.pack(place));
        true
    }

    fn len(&self) -> usize {
        self.lines.len()
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn place(&self, [number, round, at]: [u32; 3]) -> StatementPlace {
        StatementPlace { number: self.base + u64::from(number), round, at }
    }

    fn first(&self) -> Option<u64> {
        self.lines.first().map(|line| self.place(*line).number)
    }

    fn last(&self) -> Option<u64> {
        self.lines.last().map(|line| self.place(*line).number)
    }

    /// How many lines have smaller numbers.
    fn before(&self, number: u64) -> usize {
        self.lines.partition_point(|line| self.place(*line).number < number)
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = StatementPlace> {
        self.lines.iter().map(|line| self.place(*line))
    }
}

/// The lines of a statement.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Those before `last`, none of them empty.
    chunks: VecDeque<Chunk>,
    /// Where lines are added; all that most accounts have.
    last: Chunk,
}

impl Lines {
    /// Adds a line; its number is larger than all others'.
    pub(super) fn push(&mut self, place: StatementPlace) {
        debug_assert!(self.last.last().is_none_or(|last| last < place.number), "numbers grow");
        if self.last.len() == CHUNK || !self.last.has_room_for(place.number) {
            let next = Chunk { base: 0, lines: Vec::with_capacity(CHUNK) };
            let full = core::mem::replace(&mut self.last, next);
            self.chunks.push_back(full);
        }
        self.last.push(place);
    }

    /// Puts a line of a round that has come back among the others. There is none of its number.
    pub(super) fn insert(&mut self, place: StatementPlace) {
        let last = self.last.last().or_else(|| self.chunks.back()?.last());
        if last.is_none_or(|last| last < place.number) {
            return self.push(place);
        }
        let is_in_last = self.last.first().is_some_and(|first| first <= place.number);
        let before = self.chunks.partition_point(|chunk| chunk.first() <= Some(place.number));
        let at =
            if is_in_last || self.chunks.is_empty() { self.chunks.len() } else { before.saturating_sub(1) };
        let chunk = self.chunks.get_mut(at).unwrap_or(&mut self.last);
        if !chunk.insert(place) {
            let is_behind = chunk.first() < Some(place.number);
            self.chunks.insert(at + usize::from(is_behind), Chunk::of(place));
        } else if chunk.len() > CHUNK {
            let first_half = Chunk { base: chunk.base, lines: chunk.lines.drain(..CHUNK / 2).collect() };
            self.chunks.insert(at, first_half);
        }
    }

    /// Lets the line of this number go.
    ///
    /// # Panics
    /// Where there is none.
    pub(super) fn remove(&mut self, number: u64) {
        let is_in_last = self.last.first().is_some_and(|first| first <= number);
        let at = self.chunks.partition_point(|chunk| chunk.first() <= Some(number));
        let chunk = match at.checked_sub(1) {
            Some(at) if !is_in_last => &mut self.chunks[at],
            _ => &mut self.last,
        };
        let place = chunk.before(number);
        let removed = (place < chunk.len()).then(|| chunk.lines.remove(place));
        let removed = removed.map(|line| chunk.place(line).number);
        assert_eq!(removed, Some(number), "a line is in its statement");
        if chunk.is_empty() && !is_in_last {
            self.chunks.remove(at - 1);
        } else if chunk.len() * 4 <= chunk.lines.capacity() {
            chunk.lines.shrink_to(chunk.len() * 2);
        }
    }

    /// Whether there is a line of this number.
    pub(super) fn has(&self, number: u64) -> bool {
        self.after(number - 1).next().is_some_and(|place| place.number == number)
    }

    /// The first of the numbers that follow one another up to `number` and have a line each; `number + 1` where it has none.
    pub(super) fn first_of_run(&self, number: u64) -> u64 {
        let mut first = number + 1;
        for chunk in self.chunks.iter().chain([&self.last]).rev() {
            let behind = chunk.len() - chunk.before(first);
            for place in chunk.iter().rev().skip(behind) {
                if place.number + 1 != first {
                    return first;
                }
                first = place.number;
            }
        }
        first
    }

    /// The lines whose numbers are larger than this one, in their order.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = StatementPlace> {
        let from = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last <= number));
        let chunks = self.chunks.range(from..).chain([&self.last]);
        chunks.enumerate().flat_map(move |(at, chunk)| {
            let skipped = if at == 0 {
                chunk.lines.partition_point(|line| chunk.place(*line).number <= number)
            } else {
                0
            };
            chunk.iter().skip(skipped)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(lines: &Lines, after: u64) -> Vec<u64> {
        lines.after(after).map(|place| place.number).collect()
    }

    fn lines(numbers: impl Iterator<Item = u64>) -> Lines {
        let mut lines = Lines::default();
        numbers.for_each(|number| lines.push(StatementPlace { number, round: 0, at: 0 }));
        lines
    }

    #[test]
    fn lines_are_found_and_let_go_by_their_numbers() {
        let most = 5 * CHUNK as u64;
        // What is let go: nothing, the first, the last, every other one, whole chunks, all but one of each chunk.
        let keeps: [fn(u64) -> bool; 6] = [
            |_| true,
            |number| number > 700,
            |number| number <= 700,
            |number| number.is_multiple_of(2),
            |number| !(200..900).contains(&number),
            |number| number % CHUNK as u64 == 7,
        ];
        for keep in keeps {
            for forwards in [true, false] {
                let mut lines = lines(1..=most);
                let mut gone: Vec<u64> = (1..=most).filter(|number| !keep(*number)).collect();
                if !forwards {
                    gone.reverse();
                }
                gone.into_iter().for_each(|number| lines.remove(number));
                for after in [0, 1, 255, 256, 257, 700, 899, 900, most - 1, most, u64::MAX] {
                    let expect: Vec<u64> =
                        (1..=most).filter(|number| *number > after && keep(*number)).collect();
                    assert_eq!(numbers(&lines, after), expect, "after {after}");
                }
                assert!(lines.chunks.iter().all(|chunk| !chunk.is_empty()));
                let room: usize = lines.chunks.iter().map(|chunk| chunk.lines.capacity()).sum();
                let kept: usize = lines.chunks.iter().map(Chunk::len).sum();
                assert!(room <= 4 * kept + lines.chunks.len(), "{kept} lines have {room} places");
            }
        }
    }

    #[test]
    fn lines_come_back_among_the_others() {
        let most = 3 * CHUNK as u64;
        for step in [2, 3, 700] {
            let gone = |number: u64| !number.is_multiple_of(step);
            let mut lines = lines((1..=most).filter(|number| !gone(*number)));
            (1..=most).rev().filter(|number| gone(*number)).for_each(|number| {
                lines.insert(StatementPlace { number, round: 0, at: 0 });
            });
            assert_eq!(numbers(&lines, 0), (1..=most).collect::<Vec<_>>(), "{step}");
            assert!(lines.chunks.iter().chain([&lines.last]).all(|chunk| chunk.len() <= CHUNK));
            (1..=most).for_each(|number| lines.remove(number));
            assert!(numbers(&lines, 0).is_empty());
        }
    }

    #[test]
    fn lines_come_back_where_all_of_the_last_were_let_go() {
        let most = 3 * CHUNK as u64;
        for first_gone in [1, CHUNK as u64 - 1, 2 * CHUNK as u64, 2 * CHUNK as u64 + 1, most] {
            for forwards in [true, false] {
                let mut lines = lines(1..=most);
                (first_gone..=most).for_each(|number| lines.remove(number));
                let mut back: Vec<u64> = (first_gone..=most).collect();
                if !forwards {
                    back.reverse();
                }
                back.into_iter().for_each(|number| lines.insert(StatementPlace { number, round: 0, at: 0 }));
                assert_eq!(numbers(&lines, 0), (1..=most).collect::<Vec<_>>(), "{first_gone}, {forwards}");
            }
        }
        // One that is before what is left, with nothing in the last chunk.
        let mut lines = lines(1..=most);
        (2 * CHUNK as u64 + 1..=most).chain([7]).for_each(|number| lines.remove(number));
        lines.insert(StatementPlace { number: 7, round: 0, at: 0 });
        assert_eq!(numbers(&lines, 0), (1..=2 * CHUNK as u64).collect::<Vec<_>>());
    }

    /// An open round keeps its lines while its account goes on for years.
    #[test]
    fn numbers_may_be_far_apart() {
        const FAR: u64 = u32::MAX as u64 + 1;
        let all: Vec<u64> = (0..6).flat_map(|far| [far * FAR + 1, far * FAR + 2]).collect();
        for turned in 0..all.len() {
            let mut order = all.clone();
            order.rotate_left(turned);
            for reversed in [false, true] {
                let mut lines = Lines::default();
                for number in order.iter().copied() {
                    lines.insert(StatementPlace { number, round: 1, at: 2 });
                }
                assert_eq!(numbers(&lines, 0), all, "{order:?}");
                assert!(lines.after(FAR).all(|place| (place.round, place.at) == (1, 2)));
                assert_eq!(lines.first_of_run(FAR + 2), FAR + 1);
                order.iter().for_each(|number| lines.remove(*number));
                assert!(numbers(&lines, 0).is_empty());
                if !reversed {
                    order.reverse();
                }
            }
        }
    }

    #[test]
    fn a_run_of_numbers_is_followed_to_its_first() {
        let most = 3 * CHUNK as u64;
        for gone in [1, 2, CHUNK as u64, CHUNK as u64 + 1, most - 1] {
            let mut lines = lines(1..=most);
            lines.remove(gone);
            let first = |number: u64| if number < gone { 1 } else { gone + 1 };
            for number in (1..=most).filter(|number| *number != gone) {
                assert_eq!(lines.first_of_run(number), first(number), "{gone}, {number}");
            }
            assert_eq!(lines.first_of_run(gone), gone + 1);
        }
        assert_eq!((Lines::default().first_of_run(0), Lines::default().first_of_run(7)), (1, 8));
    }

    #[test]
    fn lines_go_on_after_all_were_let_go() {
        let mut lines = lines(1..=3);
        (1..=3).for_each(|number| lines.remove(number));
        assert!(numbers(&lines, 0).is_empty());
        lines.push(StatementPlace { number: 9, round: 0, at: 0 });
        assert_eq!(numbers(&lines, 0), [9]);
    }
}
