//! The single-use tokens of a shard that were minted and not redeemed.
//!
//! All tokens live equally long, so the order of minting is the order of expiry: a list through the entries of each
//! platform, oldest first, lets expired ones go without a search, and a redeemed one leaves it from the middle. A second
//! list goes through the tokens of one account and platform, of which there are [`limits::TOKENS_PER_ACCOUNT_MAX`] at
//! most: a further one makes the oldest of them invalid, and nobody else's. A platform has an equal share of
//! [`limits::TOKENS_MAX`]: past it, it loses its own oldest (protocol §3). The memory is that of the tokens outstanding, whatever the rate
//! at which they are minted and redeemed.

use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64;

use super::Millis;
use super::arena::Arena;
use super::ledger::AccountIndex;
use super::platforms::PlatformIndex;
use super::table::Table;
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
    links: Arena<TokenLink>,
    /// Tokens that a platform may have.
    share: usize,
    by_random: Table<u32>,
    /// By the platforms' numbers: how many tokens, and their list.
    platforms: Vec<(usize, TokenListEnds)>,
    own: Table<Own>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            links: Arena::default(),
            share: limits::TOKENS_MAX,
            by_random: Table::default(),
            platforms: Vec::new(),
            own: Table::default(),
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

    fn hash(&self) -> u64 {
        hash_of(self.account, self.platform)
    }

    /// Takes a token in.
    fn append(&mut self, links: &mut Arena<TokenLink>, at: u32) {
        self.count += 1;
        append(links, List::Own, &mut self.ends, at);
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
            self.remove(self.links[ends.oldest].token.random);
        }
        let hash = hash_of(token.account, token.platform);
        if let Some(own) = self.own.find(hash, |own| own.is_of(&token))
            && usize::from(own.count) >= limits::TOKENS_PER_ACCOUNT_MAX
        {
            coverage::hit(Branch::TokenEvicted);
            let oldest = self.links[own.ends.oldest].token.random;
            self.remove(oldest);
        }
        let alone = Neighbours { older: NONE, newer: NONE };
        let at = self.links.insert(TokenLink { token, lists: [alone; 2] });
        let links = &self.links;
        self.by_random.insert_unique(bucket(token.random), at, |at| bucket(links[*at].token.random));
        match self.own.find_mut(hash, |own| own.is_of(&token)) {
            Some(own) => own.append(&mut self.links, at),
            None => {
                let Token { account, platform, .. } = token;
                let mut own = Own { account, platform, count: 0, ends: TokenListEnds::EMPTY };
                own.append(&mut self.links, at);
                self.own.insert_unique(hash, own, Own::hash);
            }
        }
        let (count, ends) = &mut self.platforms[platform];
        *count += 1;
        append(&mut self.links, List::Platform, ends, at);
        true
    }

    /// The token with these bits, where it is still valid.
    pub(super) fn get(&self, now_ms: Millis, random: u128) -> Option<Token> {
        let token = self.links[self.at(random)?].token;
        (now_ms < token.expires_ms).then_some(token)
    }

    /// Lets the token go.
    pub(super) fn remove(&mut self, random: u128) {
        let links = &self.links;
        let random_of = |at: &u32| links[*at].token.random;
        let at = self
            .by_random
            .remove(bucket(random), |at| random_of(at) == random, |at| bucket(random_of(at)))
            .expect("a token that was found is there");
        let token = self.links[at].token;
        let (count, ends) = &mut self.platforms[usize::from(token.platform.number())];
        *count -= 1;
        take_out(&mut self.links, List::Platform, ends, at);
        let hash = hash_of(token.account, token.platform);
        let own = self.own.find_mut(hash, |own| own.is_of(&token)).expect("a token is in its own list");
        own.count -= 1;
        take_out(&mut self.links, List::Own, &mut own.ends, at);
        if own.count == 0 {
            self.own.remove(hash, |own| own.is_of(&token), Own::hash);
        }
        self.links.remove(at);
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
            && let TokenListEnds { oldest, .. } = self.platforms[platform].1
            && oldest != NONE
            && self.links[oldest].token.expires_ms <= now_ms
        {
            *budget -= 1;
            self.remove(self.links[oldest].token.random);
        }
    }

    fn at(&self, random: u128) -> Option<u32> {
        self.by_random.find(bucket(random), |at| self.links[*at].token.random == random).copied()
    }
}

/// Puts an entry to the newest end of a list.
fn append(links: &mut Arena<TokenLink>, list: List, ends: &mut TokenListEnds, at: u32) {
    links[at].lists[list as usize] = Neighbours { older: ends.newest, newer: NONE };
    match ends.newest {
        NONE => ends.oldest = at,
        newest => links[newest].lists[list as usize].newer = at,
    }
    ends.newest = at;
}

/// Takes an entry out of a list, wherever it stands.
fn take_out(links: &mut Arena<TokenLink>, list: List, ends: &mut TokenListEnds, at: u32) {
    let Neighbours { older, newer } = links[at].lists[list as usize];
    match older {
        NONE => ends.oldest = newer,
        older => links[older].lists[list as usize].newer = newer,
    }
    match newer {
        NONE => ends.newest = older,
        newer => links[newer].lists[list as usize].older = older,
    }
}
