//! The games of the transactions that are remembered, each kept once however many transactions name it. One that no
//! transaction names is forgotten, so that they are never more than the transactions.

use alloc::boxed::Box;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::arena::Arena;
use super::table::Table;

/// A game's number in its wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GameIndex(u32);

impl GameIndex {
    /// No game: of transactions outside of rounds, and of those of version 0.1.0.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) const fn number(self) -> u32 {
        self.0
    }

    pub(super) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

#[derive(Debug)]
struct Game {
    id: Box<str>,
    /// Transactions and rounds that name it.
    named: u32,
}

/// The games of a wallet.
#[derive(Debug, Default)]
pub(super) struct Games {
    by_place: Arena<Game>,
    by_id: Table<u32>,
    /// The place of one that was named lately, which is likely to be named next. Another game, or none, may be there by now.
    last: u32,
}

fn hash(id: &str) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), 0)
}

impl Games {
    /// The number of a game; `None` where nothing names it.
    pub(super) fn find(&self, id: &str) -> Option<GameIndex> {
        let is_last = self.by_place.get(self.last).is_some_and(|game| *game.id == *id);
        if is_last {
            return Some(GameIndex(self.last));
        }
        self.by_id.find(hash(id), |at| *self.by_place[*at].id == *id).map(|at| GameIndex(*at))
    }

    /// One more names this game. An empty id is no game.
    pub(super) fn take(&mut self, id: &str) -> GameIndex {
        if id.is_empty() {
            return GameIndex::NONE;
        }
        if let Some(known) = self.find(id) {
            self.again(known);
            self.last = known.0;
            return known;
        }
        let at = self.by_place.insert(Game { id: id.into(), named: 1 });
        let games = &self.by_place;
        self.by_id.insert_unique(hash(id), at, |at| hash(&games[*at].id));
        GameIndex(at)
    }

    /// One more names a game that is named already.
    pub(super) fn again(&mut self, game: GameIndex) {
        if game != GameIndex::NONE {
            self.by_place[game.0].named += 1;
        }
    }

    /// One names it no more.
    pub(super) fn give_back(&mut self, game: GameIndex) {
        if game == GameIndex::NONE {
            return;
        }
        let known = &mut self.by_place[game.0];
        known.named -= 1;
        if known.named > 0 {
            return;
        }
        let hash_of = |games: &Arena<Game>, at: u32| hash(&games[at].id);
        let games = &self.by_place;
        let removed = self.by_id.remove(hash_of(games, game.0), |at| *at == game.0, |at| hash_of(games, *at));
        removed.expect("a game is in its table");
        self.by_place.remove(game.0);
    }

    /// The id; empty of none.
    pub(super) fn id(&self, game: GameIndex) -> &str {
        if game == GameIndex::NONE { "" } else { &self.by_place[game.0].id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_is_kept_while_it_is_named() {
        let mut games = Games::default();
        let first = games.take("11588");
        assert_eq!((games.take("11588"), games.id(first)), (first, "11588"));
        let other = games.take("g2");
        assert_ne!(first, other);
        games.again(other);
        games.give_back(first);
        assert_eq!(games.find("11588"), Some(first));
        games.give_back(first);
        assert_eq!((games.find("11588"), games.by_place.len()), (None, 1));
        games.give_back(other);
        games.give_back(other);
        assert_eq!((games.find("g2"), games.by_place.len(), games.by_id.len()), (None, 0, 0));
        let again = games.take("g3");
        assert_eq!(
            (games.find("11588"), games.find("g2"), games.find("g3")),
            (None, None, Some(again)),
            "its place"
        );
        games.give_back(again);
        assert_eq!((games.take(""), games.id(GameIndex::NONE)), (GameIndex::NONE, ""));
        games.give_back(GameIndex::NONE);
    }
}
