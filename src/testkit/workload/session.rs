//! Requests about sessions and their tokens.

use compact_str::CompactString;
use wallet::account::AccountRef;
use wallet::operation::{self, Operation, PlayKind};
use wallet::token::TokenId;
use wallet::{PlatformKey, TokenPolicy};

use super::{MANY_MAX, SECOND_MS, Step, Workload};

/// A bet that depends on a renewal comes within twice this time of it, before that is journaled.
const IN_TIME_MS: u64 = 10 * SECOND_MS;

impl Workload {
    /// A login of any player by any player's key.
    pub fn open_any(&mut self) -> Operation<CompactString> {
        let who = self.chance.index(self.world.players.len());
        Operation::OpenSession(operation::OpenSession { account: self.account(who), key: self.any_key() })
    }

    /// Somebody asks again for what was asked before, or looks at an account.
    pub fn ask_again(&mut self, now_ms: u64) -> Operation<CompactString> {
        let who = self.chance.index(self.world.players.len());
        if self.chance.percent(70) {
            self.repeat(who, now_ms)
        } else {
            Operation::GetAccount(operation::GetAccount { account: self.account(who) })
        }
    }

    /// Logins by new keys; the first comes now.
    pub(super) fn open_many(&mut self, who: usize) -> Operation<CompactString> {
        let first = self.open_drawn(who);
        for _ in 0..self.chance.below(MANY_MAX) {
            let operation = self.open_drawn(who);
            self.then(operation);
        }
        // The key of the first may be free again by then, and somebody else has it at once.
        if let Operation::OpenSession(operation::OpenSession { key, .. }) = &first {
            let other = self.chance.index(self.world.players.len());
            let other = Operation::OpenSession(operation::OpenSession {
                account: self.account(other),
                key: key.clone(),
            });
            self.then(other.clone());
            self.then(other);
        }
        first
    }

    fn open_drawn(&mut self, who: usize) -> Operation<CompactString> {
        self.drawn_keys += 1;
        let account = AccountRef::new(self.world.players[who].id.as_str().into());
        Operation::OpenSession(operation::OpenSession {
            account,
            key: format!("{}-drawn-{}", self.world.players[who].keys[0], self.drawn_keys).into(),
        })
    }

    /// Tokens that are not redeemed yet; the first comes now.
    pub(super) fn mint_many(&mut self, who: usize) -> Operation<CompactString> {
        let platform = self.platform(who);
        for _ in 0..self.chance.below(MANY_MAX) {
            let operation = self.mint(who, platform);
            self.note(0, &operation);
            self.then(operation);
        }
        self.mint(who, platform)
    }

    fn mint(&mut self, who: usize, platform: PlatformKey) -> Operation<CompactString> {
        let entropy = u128::from(self.chance.draw()) << 64 | u128::from(self.chance.draw());
        Operation::CreateToken(operation::CreateToken {
            platform,
            account: self.account(who),
            game: self.game(),
            entropy,
        })
    }

    pub(super) fn create_token(&mut self, who: usize) -> Operation<CompactString> {
        let platform = self.platform(who);
        let operation = self.mint(who, platform);
        if let Operation::CreateToken(operation::CreateToken { account, entropy, .. }) = &operation
            && self.rules.dialect(platform).token_policy == TokenPolicy::SingleUse
            && self.chance.percent(60)
        {
            // At once, as platforms do; another time it comes later, or never.
            let token = TokenId::new(account.hash().slot(), *entropy);
            let platform = if self.chance.percent(10) { self.platform(who) } else { platform };
            self.then(Operation::RedeemToken(operation::RedeemToken { platform, token }));
        }
        operation
    }

    pub(super) fn redeem(&mut self, who: usize, now_ms: u64) -> Operation<CompactString> {
        let platform = self.platform(who);
        if self.rules.dialect(platform).token_policy == TokenPolicy::Wrapped {
            let age_ms = self.chance.below(70 * SECOND_MS);
            let minted_ms = (now_ms + 7 * SECOND_MS).saturating_sub(age_ms);
            return Operation::RedeemWrapped(operation::RedeemWrapped {
                platform,
                key: self.key_to_use(who, now_ms),
                minted_ms,
            });
        }
        let at = self.chance.index_of(&self.guesses[who].tokens);
        let any = at.map(|at| self.guesses[who].tokens[at]);
        // Mostly the newest, mostly once, and mostly by the platform that asked for it.
        let token = if self.chance.percent(20) { any } else { self.guesses[who].tokens.pop_back() };
        match token.filter(|_| !self.chance.percent(5)) {
            Some((of, token)) => {
                let platform = if self.chance.percent(35) { platform } else { of };
                Operation::RedeemToken(operation::RedeemToken { platform, token })
            }
            // One that nobody has minted.
            None if self.chance.percent(5) => {
                let slot = self.account(who).hash().slot();
                Operation::RedeemToken(operation::RedeemToken {
                    platform,
                    token: TokenId::new(slot, self.chance.draw().into()),
                })
            }
            None => self.create_token(who),
        }
    }

    /// A login, a renewal just before it expires, and a bet just after it would have; the login comes now.
    pub(super) fn renew_in_time(&mut self, who: usize, now_ms: u64) -> Operation<CompactString> {
        let login = self.open_drawn(who);
        let Operation::OpenSession(operation::OpenSession { account, key }) = &login else {
            unreachable!("a login is a login");
        };
        let (platform, idle_ms) = (self.platform(who), self.rules.times.session_idle_ms);
        let minted_ms = now_ms + idle_ms - IN_TIME_MS;
        self.next.push_back(Step::Wait(idle_ms - IN_TIME_MS));
        if self.rules.dialect(platform).token_policy == TokenPolicy::Wrapped {
            self.then(Operation::RedeemWrapped(operation::RedeemWrapped {
                platform,
                key: key.clone(),
                minted_ms,
            }));
        } else {
            let mint = self.mint(who, platform);
            if let Operation::CreateToken(operation::CreateToken { entropy, .. }) = mint {
                self.then(mint);
                let token = TokenId::new(account.hash().slot(), entropy);
                self.then(Operation::RedeemToken(operation::RedeemToken { platform, token }));
            }
        }
        self.next.push_back(Step::Wait(2 * IN_TIME_MS));
        if let Operation::Play(mut bet) = self.play(who, now_ms, PlayKind::Bet) {
            bet.session = Some(key.clone());
            self.then(Operation::Play(bet));
        }
        login
    }

    // ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────

    /// A key of the player's that should be live.
    pub(super) fn live_key(&self, who: usize, now_ms: u64) -> Option<usize> {
        let live =
            |used: &Option<u64>| used.is_some_and(|used_ms| now_ms - used_ms < limits::SESSION_IDLE_MS);
        self.guesses[who].keys.iter().rposition(live)
    }

    /// Any key of the player's that should be live.
    fn any_live_key(&mut self, who: usize, now_ms: u64) -> Option<usize> {
        let from = self.chance.index(self.guesses[who].keys.len());
        let live =
            |used: &Option<u64>| used.is_some_and(|used_ms| now_ms - used_ms < limits::SESSION_IDLE_MS);
        let keys = &self.guesses[who].keys;
        (from..keys.len()).chain(0..from).find(|at| live(&keys[*at]))
    }

    /// A key of the player's, mostly a live one; now and then another's.
    pub(super) fn key_to_use(&mut self, who: usize, now_ms: u64) -> CompactString {
        match (self.chance.below(100), self.any_live_key(who, now_ms)) {
            (0..1, _) => "key-of-nobody".into(),
            (1..4, _) => self.any_key(),
            (4..97, Some(at)) => self.world.players[who].keys[at].as_str().into(),
            _ => {
                let at = self.chance.index(self.world.players[who].keys.len());
                self.world.players[who].keys[at].as_str().into()
            }
        }
    }

    pub(super) fn key_to_open(&mut self, who: usize) -> CompactString {
        if self.chance.percent(4) {
            return self.any_key();
        }
        // One that is not logged in, where the first that is drawn is.
        let keys = &self.guesses[who].keys;
        let drawn = self.chance.index(keys.len());
        let free = keys.iter().position(Option::is_none).filter(|_| keys[drawn].is_some());
        self.world.players[who].keys[free.unwrap_or(drawn)].as_str().into()
    }

    pub(super) fn any_key(&mut self) -> CompactString {
        let whose = self.chance.index(self.world.players.len());
        let at = self.chance.index(self.world.players[whose].keys.len());
        self.world.players[whose].keys[at].as_str().into()
    }
}
