//! The rounds of an account in lists: those that are open, in the order in which they were opened, and the others in the
//! order of their last transaction, which is that in which they leave memory. Of the others, those that never go to the history
//! are apart, since they stay longer.
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

/// Which list a round is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoundList {
    Open,
    /// They go to the history.
    Leaving,
    /// They stay in memory until they are forgotten: version 0.1.0's that no platform has named since, and those that are too
    /// large to be journaled.
    Staying,
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
    leaving: RoundListEnds,
    staying: RoundListEnds,
}

impl RoundLists {
    /// How many are open.
    pub(super) const fn open_count(&self) -> usize {
        self.open_count as usize
    }

    const fn ends(&mut self, list: RoundList) -> &mut RoundListEnds {
        match list {
            RoundList::Open => &mut self.open,
            RoundList::Leaving => &mut self.leaving,
            RoundList::Staying => &mut self.staying,
        }
    }
}

impl Rounds {
    /// The open rounds of an account, in the order in which they were opened.
    pub(super) fn open<'a>(&'a self, of: &RoundLists) -> impl Iterator<Item = &'a Round> {
        self.list(of.open.oldest)
    }

    /// All rounds of an account: the open ones, and then the others in the order of their last transaction.
    pub(super) fn all<'a>(&'a self, of: &RoundLists) -> impl Iterator<Item = &'a Round> {
        self.list(of.open.oldest).chain(self.list(of.leaving.oldest)).chain(self.list(of.staying.oldest))
    }

    /// Of the rounds that are not open those that are forgotten first: of those that leave and of those that stay.
    pub(super) fn first_to_go(&self, of: &RoundLists) -> impl Iterator<Item = RoundIndex> + use<> {
        let firsts = [of.leaving.oldest, of.staying.oldest];
        firsts.into_iter().filter(|oldest| *oldest != NONE).map(RoundIndex::from_number)
    }

    fn list(&self, from: u32) -> impl Iterator<Item = &Round> {
        let at = move |number: u32| (number != NONE).then(|| self.get(RoundIndex::from_number(number)));
        core::iter::successors(at(from), move |round| at(round.links.newer))
    }

    /// A round was touched at `now_ms`, and is in this state from now on. It is the last of its list then, but for one that
    /// was open and stays so. Says which list that is.
    pub(super) fn touch(
        &mut self,
        of: &mut RoundLists,
        at: RoundIndex,
        state: RoundState,
        now_ms: Millis,
    ) -> RoundList {
        let round = self.get_mut(at);
        round.last_ms = now_ms;
        let is_listed = round.links.older != UNLISTED;
        if is_listed && (round.list, state) == (RoundList::Open, RoundState::Open) {
            return RoundList::Open;
        }
        if is_listed {
            self.unlist(of, at);
        }
        self.get_mut(at).state = state;
        self.list_last(of, at)
    }

    /// Puts a round that is in no list to the end of the one that it belongs to.
    pub(super) fn list_last(&mut self, of: &mut RoundLists, at: RoundIndex) -> RoundList {
        let round = self.get_mut(at);
        let list = round.belongs_to();
        let ends = of.ends(list);
        (round.links, round.list) = (Links { older: ends.newest, newer: NONE }, list);
        match ends.newest {
            NONE => ends.oldest = at.number(),
            newest => self.get_mut(RoundIndex::from_number(newest)).links.newer = at.number(),
        }
        ends.newest = at.number();
        of.open_count += u32::from(list == RoundList::Open);
        list
    }

    /// Puts a round that has come back out of the history, and is in no list, before all that leave: it is the first to go.
    pub(super) fn list_recalled(&mut self, of: &mut RoundLists, at: RoundIndex) {
        let ends = of.ends(RoundList::Leaving);
        let round = self.get_mut(at);
        (round.links, round.list) = (Links { older: NONE, newer: ends.oldest }, RoundList::Leaving);
        match ends.oldest {
            NONE => ends.newest = at.number(),
            oldest => self.get_mut(RoundIndex::from_number(oldest)).links.older = at.number(),
        }
        ends.oldest = at.number();
    }

    /// Takes a round out of its list.
    pub(super) fn unlist(&mut self, of: &mut RoundLists, at: RoundIndex) {
        let round = self.get_mut(at);
        let Links { older, newer } = core::mem::replace(&mut round.links, Links::NONE);
        let list = round.list;
        of.open_count -= u32::from(list == RoundList::Open);
        let ends = of.ends(list);
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
