//! Values at numbers, which they keep until they are removed.
//!
//! They lie in chunks: an arena in one piece moves all that it holds when it is full. Chunks that have become empty give their
//! memory back, but for one.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};
use slab::Slab;

/// Values of a chunk: up to half a mebibyte of accounts or rounds. The first one grows up to it, in steps that move less than 0.1 ms.
const CHUNK: usize = if cfg!(test) { 4 } else { 4_096 };

/// Values at numbers.
#[derive(Debug)]
pub(super) struct Arena<T> {
    chunks: Vec<Slab<T>>,
    /// Chunks with room for one more.
    with_room: Vec<u32>,
    len: usize,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), with_room: Vec::new(), len: 0 }
    }
}

impl<T> Arena<T> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Takes a value in; its number. Without a removal before it, that is how many there were.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let at = match self.with_room.last() {
            Some(at) => *at as usize,
            None => {
                let chunk = if self.chunks.is_empty() { Slab::new() } else { Slab::with_capacity(CHUNK) };
                self.chunks.push(chunk);
                self.with_room.push(self.chunks.len() as u32 - 1);
                self.chunks.len() - 1
            }
        };
        let chunk = &mut self.chunks[at];
        let number = at * CHUNK + chunk.insert(value);
        if chunk.len() == CHUNK {
            self.with_room.pop();
        }
        self.len += 1;
        u32::try_from(number)
            .ok()
            .filter(|number| *number < u32::MAX)
            .expect("the bounds on what is inserted are below")
    }

    /// Takes out the value of this number.
    ///
    /// # Panics
    /// Where there is none.
    pub(super) fn remove(&mut self, number: u32) -> T {
        let (at, place) = split(number);
        let chunk = &mut self.chunks[at];
        let value = chunk.remove(place);
        let (was_full, is_empty) = (chunk.len() == CHUNK - 1, chunk.is_empty());
        let next = self.with_room.last().map(|at| *at as usize);
        if was_full {
            self.with_room.push(at as u32);
        }
        // The one that the next value goes to keeps its memory, since values may come and go one by one; another takes its place.
        let gives_back = if was_full { next } else { (is_empty && next != Some(at)).then_some(at) };
        if let Some(at) = gives_back
            && self.chunks[at].is_empty()
        {
            self.chunks[at] = Slab::new();
        }
        self.len -= 1;
        value
    }

    /// The value of this number, where there is one.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (at, place) = split(number);
        self.chunks.get(at)?.get(place)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(_, value)| value))
    }
}

const fn split(number: u32) -> (usize, usize) {
    (number as usize / CHUNK, number as usize % CHUNK)
}

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        let (at, place) = split(number);
        &self.chunks[at][place]
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        let (at, place) = split(number);
        &mut self.chunks[at][place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn values_keep_their_numbers() {
        let mut arena = Arena::default();
        let mut known = BTreeMap::new();
        let check = |arena: &Arena<u64>, known: &BTreeMap<u32, u64>| {
            assert_eq!(arena.len(), known.len());
            assert!(known.iter().all(|(number, value)| arena[*number] == *value));
            assert!(arena.iter().eq(known.values()));
        };
        for value in 0..100 {
            let number = arena.insert(value);
            assert_eq!(u64::from(number), value, "numbers follow one another while nothing is removed");
            known.insert(number, value);
            check(&arena, &known);
        }
        // Every third goes, and then all of some chunks.
        for number in (0..100).step_by(3).chain(40..60).chain(96..100) {
            if let Some(value) = known.remove(&number) {
                assert_eq!(arena.remove(number), value);
                check(&arena, &known);
            }
        }
        arena[41 + 20] += 1_000;
        *known.get_mut(&61).unwrap() += 1_000;
        let room: usize = arena.chunks.iter().map(Slab::capacity).sum();
        assert!(room < 90, "empty chunks have given their memory back: {room}");
        // All of them go in the order in which they came.
        let mut full = Arena::default();
        for value in 0..100 {
            full.insert(value);
        }
        for number in 0..100 {
            assert_eq!(full.remove(number), number);
        }
        let room: usize = full.chunks.iter().map(Slab::capacity).sum();
        assert!(full.len() == 0 && room <= CHUNK, "one chunk keeps its memory: {room}");
        // What comes now has the numbers of those that went.
        for value in 200..200 + 100 - known.len() as u64 {
            let number = arena.insert(value);
            assert!(number < 100 && known.insert(number, value).is_none());
            check(&arena, &known);
        }
        assert_eq!((arena.len(), arena.insert(0)), (100, 100));
    }
}
