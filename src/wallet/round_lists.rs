//! The rounds of an account in two lists: those that are open, in the order in which they were opened, and the others in the
//! order of their last transaction, which is that in which they are forgotten.
//!
//! So an account is shown, and forgets, without a look at all that it has. The lists go through the rounds themselves: eight
//! bytes for each, and a round that is opened, ended or touched changes its place without a search. Both orders follow from
//! the transactions alone, so that a replay and a snapshot come to the same.

use super::Millis;
use super::rounds::{Round, RoundIndex, RoundState, Rounds};

const NONE: u32 = u32::MAX;

/// Stands for both neighbours of a round that is in no list.
const UNLISTED: u32 = u32::MAX - 1;

/// A round's neighbours in its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    older: u32,
    newer: u32,
}

impl Links {
    /// Of a round that is in no list yet.
    pub(super) const NONE: Self = Self { older: UNLISTED, newer: UNLISTED };
}

#[derive(Clone, Copy, Debug)]
struct RoundListEnds {
    oldest: u32,
    newest: u32,
}

impl Default for RoundListEnds {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE }
    }
}

/// The rounds of an account.
#[derive(Debug, Default)]
pub(super) struct RoundLists {
    open: RoundListEnds,
    open_count: u32,
    others: RoundListEnds,
}

impl RoundLists {
    /// How many are open.
    pub(super) const fn open_count(&self) -> usize {
        self.open_count as usize
    }

    const fn ends(&mut self, state: RoundState) -> &mut RoundListEnds {
        if matches!(state, RoundState::Open) { &mut self.open } else { &mut self.others }
    }
}

impl Rounds {
    /// The open rounds of an account, in the order in which they were opened.
    pub(super) fn open<'a>(&'a self, of: &RoundLists) -> impl Iterator<Item = &'a Round> {
        self.list(of.open.oldest)
    }

    /// All rounds of an account: the open ones, and then the others in the order of their last transaction.
    pub(super) fn all<'a>(&'a self, of: &RoundLists) -> impl Iterator<Item = &'a Round> {
        self.list(of.open.oldest).chain(self.list(of.others.oldest))
    }

    /// Of the rounds that are not open the one that is forgotten first.
    pub(super) fn first_to_go(&self, of: &RoundLists) -> Option<RoundIndex> {
        (of.others.oldest != NONE).then(|| RoundIndex::from_number(of.others.oldest))
    }

    fn list(&self, from: u32) -> impl Iterator<Item = &Round> {
        let at = move |number: u32| (number != NONE).then(|| self.get(RoundIndex::from_number(number)));
        core::iter::successors(at(from), move |round| at(round.links.newer))
    }

    /// A round was touched at `now_ms`, and is in this state from now on. It is the last of its list then, but for one that
    /// was open and stays so.
    pub(super) fn touch(&mut self, of: &mut RoundLists, at: RoundIndex, state: RoundState, now_ms: Millis) {
        let round = self.get_mut(at);
        round.last_ms = now_ms;
        let is_listed = round.links.older != UNLISTED;
        if is_listed && (round.state, state) == (RoundState::Open, RoundState::Open) {
            return;
        }
        if is_listed {
            self.unlist(of, at);
        }
        self.list_last(of, at, state);
    }

    /// Puts a round that is in no list to the end of the one of its state.
    pub(super) fn list_last(&mut self, of: &mut RoundLists, at: RoundIndex, state: RoundState) {
        let ends = of.ends(state);
        let round = self.get_mut(at);
        round.state = state;
        round.links = Links { older: ends.newest, newer: NONE };
        match ends.newest {
            NONE => ends.oldest = at.number(),
            newest => self.get_mut(RoundIndex::from_number(newest)).links.newer = at.number(),
        }
        ends.newest = at.number();
        of.open_count += u32::from(state == RoundState::Open);
    }

    /// Takes a round out of its list.
    pub(super) fn unlist(&mut self, of: &mut RoundLists, at: RoundIndex) {
        let round = self.get_mut(at);
        let Links { older, newer } = core::mem::replace(&mut round.links, Links::NONE);
        let state = round.state;
        of.open_count -= u32::from(state == RoundState::Open);
        let ends = of.ends(state);
        match older {
            NONE => ends.oldest = newer,
            older => self.get_mut(RoundIndex::from_number(older)).links.newer = newer,
        }
        match newer {
            NONE => ends.newest = older,
            newer => self.get_mut(RoundIndex::from_number(newer)).links.older = older,
        }
    }
}
