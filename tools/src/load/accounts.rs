//! Whose accounts the requests are for.
//!
//! A virtual user has an account of its own, unless the run is to show how the server takes many accounts, a single
//! one, or those of another core. Then each request draws its account, at random from a seed, so that runs compare.

use std::rc::Rc;

use partition::Partition;
use wallet::account::AccountRef;

use super::scenario::account;

/// Demo accounts that a server can have.
pub(crate) const ACCOUNTS_MAX: i64 = limits::DEMO_ACCOUNTS_MAX as i64;

/// Whose accounts the requests of a run are for.
#[derive(Clone, Debug)]
pub(crate) enum Accounts {
    /// Each virtual user's own.
    Own,
    /// The first, for all of them.
    Hot,
    /// Any of the first so many.
    Spread(u32),
    /// Such a share, in percent, is owned by another shard than the connection's.
    Across {
        /// The accounts by their owners.
        owned: Rc<Owned>,
        /// The share.
        percent: u32,
    },
}

/// Accounts in the order of the shards that own them.
#[derive(Debug)]
pub(crate) struct Owned {
    numbers: Vec<u32>,
    /// Where each shard's begin, and where the last one's end.
    bounds: Vec<usize>,
}

impl Owned {
    /// The first `accounts` demo accounts, of a server with this partition.
    ///
    /// # Errors
    /// A sentence, where a shard would have none of them.
    pub(crate) fn new(accounts: u32, partition: Partition) -> Result<Self, String> {
        let shards = partition.shards();
        let mut of_shards = vec![Vec::with_capacity(accounts as usize / shards); shards];
        for number in 1..=accounts {
            let owner = partition.owner(AccountRef::new(account(number)).hash().slot());
            of_shards[owner.index()].push(number);
        }
        if of_shards.iter().any(Vec::is_empty) {
            return Err(format!(
                "--accounts {accounts}: a shard of the server owns none of them; give more accounts"
            ));
        }
        let ends = of_shards.iter().scan(0, |end, numbers| {
            *end += numbers.len();
            Some(*end)
        });
        Ok(Self { bounds: [0].into_iter().chain(ends).collect(), numbers: of_shards.concat() })
    }

    fn local(&self, shard: usize, chance: &mut Xorshift) -> u32 {
        let (first, end) = (self.bounds[shard], self.bounds[shard + 1]);
        self.numbers[first + chance.below((end - first) as u32) as usize]
    }

    fn remote(&self, shard: usize, chance: &mut Xorshift) -> u32 {
        let (first, end) = (self.bounds[shard], self.bounds[shard + 1]);
        let at = chance.below((self.numbers.len() - (end - first)) as u32) as usize;
        self.numbers[if at < first { at } else { at + (end - first) }]
    }

    /// The shard that owns an account.
    #[cfg(test)]
    fn owner(&self, number: u32) -> usize {
        let at = self.numbers.iter().position(|other| *other == number).expect("it is there");
        self.bounds.partition_point(|bound| *bound <= at) - 1
    }
}

/// What a virtual user draws its accounts from.
#[derive(Debug)]
pub(crate) struct Draw {
    chance: Xorshift,
    from: From,
}

#[derive(Debug)]
enum From {
    Any { accounts: u32 },
    Across { owned: Rc<Owned>, shard: usize, percent: u32 },
}

impl Draw {
    /// What virtual user `number` draws from, whose connection is at `shard`; `None` where it has one account.
    pub(crate) fn new(accounts: &Accounts, number: usize, shard: usize) -> Option<Self> {
        let from = match accounts {
            Accounts::Own | Accounts::Hot => return None,
            Accounts::Spread(accounts) => From::Any { accounts: *accounts },
            Accounts::Across { owned, percent } => {
                From::Across { owned: Rc::clone(owned), shard, percent: *percent }
            }
        };
        Some(Self { chance: Xorshift::new(number as u64), from })
    }

    /// The account of the next request.
    pub(crate) fn next(&mut self) -> u32 {
        let Self { chance, from } = self;
        match from {
            From::Any { accounts } => 1 + chance.below(*accounts),
            From::Across { owned, shard, percent } if chance.below(100) < *percent => {
                owned.remote(*shard, chance)
            }
            From::Across { owned, shard, .. } => owned.local(*shard, chance),
        }
    }
}

/// The last steps of splitmix64: every bit of what goes in changes about half of what comes out, and no two numbers become one.
pub(crate) const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Numbers at random, xorshift64*: a few cycles each, and the same ones in every run.
#[derive(Debug)]
struct Xorshift(u64);

impl Xorshift {
    /// Virtual users with numbers next to each other draw numbers that have nothing to do with each other.
    const fn new(number: u64) -> Self {
        // It is 0 for 0 alone, which would stay 0.
        Self(mixed(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    /// A number below `bound`.
    const fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * bound as u64) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const DRAWS: usize = 20_000;

    fn draws(accounts: &Accounts, number: usize, shard: usize) -> Vec<u32> {
        let mut draw = Draw::new(accounts, number, shard).expect("accounts to draw from");
        (0..DRAWS).map(|_| draw.next()).collect()
    }

    #[track_caller]
    fn check_spread(accounts: u32) {
        let drawn = draws(&Accounts::Spread(accounts), 7, 0);
        assert!(drawn.iter().all(|number| (1..=accounts).contains(number)));
        let different = drawn.iter().collect::<HashSet<_>>().len();
        // All of few; of many nearly as many as were drawn.
        let expect = (accounts as usize).min(DRAWS * 9 / 10);
        assert!(different >= expect, "{different} of {accounts}");
        let upper = drawn.iter().filter(|number| **number > accounts / 2).count();
        if accounts > 1 {
            assert!(upper.abs_diff(DRAWS / 2) < DRAWS / 20 || accounts == 3, "{upper} in the upper half");
        }
    }

    #[test]
    fn accounts_at_random() {
        check_spread(1);
        check_spread(2);
        check_spread(3);
        check_spread(1_000);
        check_spread(10_000_000);
        let spread = Accounts::Spread(1_000_000);
        assert_eq!(draws(&spread, 7, 0), draws(&spread, 7, 0), "a run is played again as it was");
        assert_ne!(draws(&spread, 7, 0), draws(&spread, 8, 0), "no two virtual users draw the same");
    }

    #[test]
    fn one_account_is_not_drawn() {
        assert!(Draw::new(&Accounts::Own, 7, 0).is_none());
        assert!(Draw::new(&Accounts::Hot, 7, 0).is_none());
    }

    #[track_caller]
    fn check_across(shards: usize, percent: u32) {
        let owned = Rc::new(Owned::new(1_000, Partition::new(shards)).expect("accounts for all"));
        for shard in 0..shards {
            let accounts = Accounts::Across { owned: Rc::clone(&owned), percent };
            let drawn = draws(&accounts, 3, shard);
            let remote = drawn.iter().filter(|number| owned.owner(**number) != shard).count();
            let expect = DRAWS * percent as usize / 100;
            assert!(remote.abs_diff(expect) <= DRAWS / 50, "{remote} for {percent} % at {shard}");
            if matches!(percent, 0 | 100) {
                assert_eq!(remote, expect);
            }
            // Of the others' accounts, each is as likely.
            let owners: HashSet<_> = drawn.iter().map(|number| owned.owner(*number)).collect();
            let others = if percent == 0 { 0 } else { shards - 1 };
            assert_eq!(owners.len(), others + usize::from(percent < 100));
        }
    }

    #[test]
    fn shares_of_other_shards() {
        check_across(2, 0);
        check_across(2, 25);
        check_across(2, 100);
        check_across(5, 0);
        check_across(5, 50);
        check_across(5, 100);
    }

    #[test]
    fn a_shard_without_an_account() {
        let sentence = Owned::new(1, Partition::new(2)).expect_err("one is not enough for two");
        assert_eq!(sentence, "--accounts 1: a shard of the server owns none of them; give more accounts");
    }
}
