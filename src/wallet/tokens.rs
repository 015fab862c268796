//! The single-use tokens of a shard that were minted and not redeemed.
//!
//! All tokens live equally long, so the order of minting is the order of expiry: a list through the entries of each
//! platform, oldest first, lets expired ones go without a search, and a redeemed one leaves it from the middle. A second
//! list goes through the tokens of one account and platform, of which there are [`limits::TOKENS_PER_ACCOUNT_MAX`] at
//! most: a further one makes the oldest of them invalid, and nobody else's. A platform has an equal share of
//! [`limits::TOKENS_MAX`]: past it, it loses its own oldest (protocol §3). The memory is that of the tokens outstanding, whatever the rate
//! at which they are minted and redeemed.

use alloc::vec::Vec;
use hashbrown::HashTable;
use slab::Slab;
use xxhash_rust::xxh3::xxh3_64;

use super::Millis;
use super::ledger::AccountIndex;
use super::platforms::PlatformIndex;
use coverage::Branch;

/// A token that may be redeemed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// Its random bits, by which it is found.
    pub(super) random: u128,
    /// The account.
    pub(super) account: AccountIndex,
    /// The platform that asked for it.
    pub(super) platform: PlatformIndex,
    /// The serial of the account's session that it stands for.
    pub(super) session: u32,
    /// The first millisecond at which it is not valid any more.
    pub(super) expires_ms: Millis,
}

/// The neighbours of an entry in a list.
#[derive(Clone, Copy, Debug)]
struct Neighbours {
    older: u32,
    newer: u32,
}

/// A list's ends.
#[derive(Clone, Copy, Debug)]
struct TokenListEnds {
    oldest: u32,
    newest: u32,
}

impl TokenListEnds {
    const EMPTY: Self = Self { oldest: NONE, newest: NONE };
}

/// The lists that an entry is in.
#[derive(Clone, Copy)]
enum List {
    /// Of its platform's.
    Platform = 0,
    /// Of its account's and platform's.
    Own = 1,
}

#[derive(Debug)]
struct TokenLink {
    token: Token,
    lists: [Neighbours; 2],
}

/// The tokens of one account and platform.
#[derive(Debug)]
struct Own {
    account: AccountIndex,
    platform: PlatformIndex,
    count: u8,
    ends: TokenListEnds,
}

const NONE: u32 = u32::MAX;

const _: () = assert!(limits::TOKENS_PER_ACCOUNT_MAX < u8::MAX as usize);

/// Expired tokens that minting one lets go: more than one, so that the table shrinks under load.
const EXPIRED_PER_MINT: usize = 2;

#[derive(Debug)]
pub(super) struct Tokens {
    links: Slab<TokenLink>,
    /// Tokens that a platform may have.
    share: usize,
    by_random: HashTable<u32>,
    /// By the platforms' numbers: how many tokens, and their list.
    platforms: Vec<(usize, TokenListEnds)>,
    own: HashTable<Own>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            links: Slab::new(),
            share: limits::TOKENS_MAX,
            by_random: HashTable::new(),
            platforms: Vec::new(),
            own: HashTable::new(),
        }
    }
}

/// The bits are random, so any of them make a hash.
const fn bucket(random: u128) -> u64 {
    random as u64
}

fn hash_of(account: AccountIndex, platform: PlatformIndex) -> u64 {
    let mut bytes = [0; 6];
    bytes[..4].copy_from_slice(&account.number().to_le_bytes());
    bytes[4..].copy_from_slice(&platform.number().to_le_bytes());
    xxh3_64(&bytes)
}

impl Own {
    fn is_of(&self, token: &Token) -> bool {
        (self.account, self.platform) == (token.account, token.platform)
    }
}

impl Tokens {
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// So many platforms share the tokens from now on.
    pub(super) fn share_among(&mut self, platforms: usize) {
        self.share = limits::TOKENS_MAX / platforms.max(1);
    }

    /// Takes the token in; another one is evicted where there are too many. `false` where these bits were drawn before,
    /// which a sound generator does not do.
    pub(super) fn mint(&mut self, now_ms: Millis, token: Token) -> bool {
        let platform = usize::from(token.platform.number());
        if self.platforms.len() <= platform {
            self.platforms.resize(platform + 1, (0, TokenListEnds::EMPTY));
        }
        self.expire_of(platform, now_ms, &mut { EXPIRED_PER_MINT });
        if self.at(token.random).is_some() {
            return false;
        }
        let (count, ends) = self.platforms[platform];
        if count >= self.share {
            self.remove(self.links[ends.oldest as usize].token.random);
        }
        let hash = hash_of(token.account, token.platform);
        if let Some(own) = self.own.find(hash, |own| own.is_of(&token))
            && usize::from(own.count) >= limits::TOKENS_PER_ACCOUNT_MAX
        {
            coverage::hit(Branch::TokenEvicted);
            let oldest = self.links[own.ends.oldest as usize].token.random;
            self.remove(oldest);
        }
        let alone = Neighbours { older: NONE, newer: NONE };
        let at = self.links.insert(TokenLink { token, lists: [alone; 2] }) as u32;
        let links = &self.links;
        self.by_random.insert_unique(bucket(token.random), at, |at| bucket(links[*at as usize].token.random));
        let fresh =
            || Own { account: token.account, platform: token.platform, count: 0, ends: TokenListEnds::EMPTY };
        let entry = self.own.entry(hash, |own| own.is_of(&token), |own| hash_of(own.account, own.platform));
        let own = entry.or_insert_with(fresh).into_mut();
        own.count += 1;
        append(&mut self.links, List::Own, &mut own.ends, at);
        let (count, ends) = &mut self.platforms[platform];
        *count += 1;
        append(&mut self.links, List::Platform, ends, at);
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
        let token = self.links[at as usize].token;
        let (count, ends) = &mut self.platforms[usize::from(token.platform.number())];
        *count -= 1;
        take_out(&mut self.links, List::Platform, ends, at);
        let hash = hash_of(token.account, token.platform);
        let mut own = self.own.find_entry(hash, |own| own.is_of(&token)).expect("a token is in its own list");
        own.get_mut().count -= 1;
        take_out(&mut self.links, List::Own, &mut own.get_mut().ends, at);
        if own.get().count == 0 {
            own.remove();
        }
        self.links.remove(at as usize);
        assert_eq!(self.links.len(), self.by_random.len(), "every token is in both");
    }

    /// Lets at most `budget` expired tokens go, of each platform the oldest first; `budget` is less by them.
    pub(super) fn expire(&mut self, now_ms: Millis, budget: &mut usize) {
        for platform in 0..self.platforms.len() {
            self.expire_of(platform, now_ms, budget);
        }
    }

    fn expire_of(&mut self, platform: usize, now_ms: Millis, budget: &mut usize) {
        while *budget > 0
            && let Some(oldest) = self.links.get(self.platforms[platform].1.oldest as usize)
            && oldest.token.expires_ms <= now_ms
        {
            *budget -= 1;
            self.remove(oldest.token.random);
        }
    }

    fn at(&self, random: u128) -> Option<u32> {
        self.by_random.find(bucket(random), |at| self.links[*at as usize].token.random == random).copied()
    }
}

/// Puts an entry to the newest end of a list.
fn append(links: &mut Slab<TokenLink>, list: List, ends: &mut TokenListEnds, at: u32) {
    links[at as usize].lists[list as usize] = Neighbours { older: ends.newest, newer: NONE };
    match ends.newest {
        NONE => ends.oldest = at,
        newest => links[newest as usize].lists[list as usize].newer = at,
    }
    ends.newest = at;
}

/// Takes an entry out of a list, wherever it stands.
fn take_out(links: &mut Slab<TokenLink>, list: List, ends: &mut TokenListEnds, at: u32) {
    let Neighbours { older, newer } = links[at as usize].lists[list as usize];
    match older {
        NONE => ends.oldest = newer,
        older => links[older as usize].lists[list as usize].newer = newer,
    }
    match newer {
        NONE => ends.newest = older,
        newer => links[newer as usize].lists[list as usize].older = older,
    }
}
