//! The single-use tokens of a shard that were minted and not redeemed.
//!
//! All tokens live equally long, so the order of minting is the order of expiry: a list through the entries,
//! oldest first, lets expired ones go without a search, and a redeemed one leaves it from the middle. The memory
//! is that of the tokens outstanding, whatever the rate at which they are minted and redeemed.

use hashbrown::HashTable;

use super::Millis;
use super::ledger::AccountIndex;
use crate::limits;

/// A token that may be redeemed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// Its random bits, by which it is found.
    pub(super) random: u128,
    /// The account.
    pub(super) account: AccountIndex,
    /// The serial of the account's session that it stands for.
    pub(super) session: u32,
    /// The first millisecond at which it is not valid any more.
    pub(super) expires_ms: Millis,
}

#[derive(Debug)]
struct Link {
    token: Token,
    older: u32,
    newer: u32,
}

const NONE: u32 = u32::MAX;

/// Expired tokens that minting one lets go: more than one, so that the table shrinks under load.
const EXPIRED_PER_MINT: usize = 2;

#[derive(Debug)]
pub(super) struct Tokens {
    links: slab::Slab<Link>,
    by_random: HashTable<u32>,
    oldest: u32,
    newest: u32,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { links: slab::Slab::new(), by_random: HashTable::new(), oldest: NONE, newest: NONE }
    }
}

/// The bits are random, so any of them make a hash.
const fn bucket(random: u128) -> u64 {
    random as u64
}

impl Tokens {
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Takes the token in; `false` where the shard has as many as it may have, or where these bits were drawn
    /// before, which a sound generator does not do.
    pub(super) fn mint(&mut self, now_ms: Millis, token: Token) -> bool {
        self.expire(now_ms, EXPIRED_PER_MINT);
        if self.links.len() >= limits::TOKENS_MAX || self.at(token.random).is_some() {
            return false;
        }
        let at = self.links.insert(Link { token, older: self.newest, newer: NONE }) as u32;
        match self.newest {
            NONE => self.oldest = at,
            newest => self.links[newest as usize].newer = at,
        }
        self.newest = at;
        let links = &self.links;
        self.by_random.insert_unique(bucket(token.random), at, |at| bucket(links[*at as usize].token.random));
        true
    }

    /// The token with these bits, where it is still valid.
    pub(super) fn get(&self, now_ms: Millis, random: u128) -> Option<Token> {
        let token = self.links[self.at(random)? as usize].token;
        (now_ms < token.expires_ms).then_some(token)
    }

    /// Lets the token go.
    pub(super) fn remove(&mut self, random: u128) {
        let links = &self.links;
        let entry = self
            .by_random
            .find_entry(bucket(random), |at| links[*at as usize].token.random == random)
            .expect("a token that was found is there");
        let (at, _) = entry.remove();
        self.unlink(at);
    }

    /// Lets at most `most` expired tokens go, the oldest first.
    pub(super) fn expire(&mut self, now_ms: Millis, most: usize) {
        for _ in 0..most {
            match self.links.get(self.oldest as usize) {
                Some(link) if link.token.expires_ms <= now_ms => self.remove(link.token.random),
                _ => return,
            }
        }
    }

    fn at(&self, random: u128) -> Option<u32> {
        self.by_random.find(bucket(random), |at| self.links[*at as usize].token.random == random).copied()
    }

    fn unlink(&mut self, at: u32) {
        let link = self.links.remove(at as usize);
        match link.older {
            NONE => self.oldest = link.newer,
            older => self.links[older as usize].newer = link.newer,
        }
        match link.newer {
            NONE => self.newest = link.older,
            newer => self.links[newer as usize].older = link.older,
        }
        assert_eq!(self.links.len(), self.by_random.len(), "every token is in both");
    }
}
