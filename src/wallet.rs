//! The wallet of one shard: a pure state machine.
//!
//! [`Wallet::apply`] takes an operation and a time, changes the state, and says what became of it. There is no
//! clock here, no randomness, no input or output, so that the same operations at the same times give the same
//! state and the same outcomes, on any machine, any number of times.
//!
//! Each request climbs a ladder of refusals in the order of protocol §1, and the first that holds answers; what
//! changes the state comes after the last of them.
//!
//! A shard's wallet holds two things: the accounts of its slots, each with its sessions; and the directory of
//! session keys of its slots, which says for a key which account holds the session. A key's slot and its
//! account's slot differ, so a request that knows the key alone goes to the directory first and from there to
//! the account, by [`Outcome::Next`].

pub mod account;
pub mod amount;
pub mod catalog;
pub mod currency;
mod ledger;
pub mod operation;
pub mod outcome;
pub mod session;
pub mod token;
mod tokens;

use std::sync::Arc;

use compact_str::CompactString;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use account::{AccountHash, AccountRef, KeyHash, Profile, Status};
use amount::Amount;
pub use catalog::{Catalog, Domain, PlatformId};
pub use currency::Currency;
pub use token::TokenPolicy;

use ledger::{Account, AccountIndex, Accounts};
use operation::{Operation, Released};
use outcome::{AccountView, Balance, ErrorCode, OperatorRefusal, Outcome, Redeemed, SessionView};
use session::{Idle, Session};
use token::TokenId;
use tokens::{Token, Tokens};

use crate::limits;

/// Milliseconds since 1970, UTC.
pub type Millis = u64;

/// A holder of a session key, as the directory of its slot knows it.
#[derive(Clone, Copy, Debug)]
struct Holder {
    key: KeyHash,
    account: AccountHash,
    /// One for the session, and one for each login and logout that is under way between the key's slot and the
    /// account's: a logout that is overtaken by the next login does not take that one's claim away.
    claims: u32,
}

/// The accounts, sessions and tokens of one shard.
#[derive(Debug)]
pub struct Wallet {
    catalog: Arc<Catalog>,
    accounts: Accounts,
    tokens: Tokens,
    /// Session keys of this shard's slots, by hash. The account is the one that knows the key itself, so that an
    /// entry is 24 bytes; two keys of one hash, one in 2^64, would be refused as one key.
    directory: HashTable<Holder>,
    /// Keys of sessions that made way for new ones; the sweep gives them back.
    unheld: Vec<(Box<str>, AccountHash)>,
    /// Where the sweep for expired sessions goes on.
    swept_to: usize,
}

impl Wallet {
    /// A wallet without accounts.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            accounts: Accounts::default(),
            tokens: Tokens::default(),
            directory: HashTable::new(),
            unheld: Vec::new(),
            swept_to: 0,
        }
    }

    /// Makes room for `accounts` more accounts with a session each, so that filling them in moves nothing.
    pub fn reserve(&mut self, accounts: usize) {
        self.accounts.reserve(accounts);
        self.directory.reserve(accounts, |holder| holder.key.bits());
    }

    /// The number of accounts.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// The number of session keys in the directory.
    pub fn session_keys(&self) -> usize {
        self.directory.len()
    }

    /// The number of tokens that were minted and may still be redeemed.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Applies `operation` at `now_ms` and says what became of it.
    ///
    /// `now_ms` does not go back from one call to the next; the caller sees to it.
    pub fn apply<'a>(&'a mut self, now_ms: Millis, operation: &Operation<&'a str>) -> Outcome<&'a str> {
        match operation {
            Operation::Balance { platform, account, game } => self.balance(*platform, account, *game),
            Operation::CreateToken { platform, account, game, entropy } => {
                self.create_token(now_ms, *platform, account, game, *entropy)
            }
            Operation::RedeemToken { platform, token } => self.redeem_token(now_ms, *platform, *token),
            Operation::RedeemWrapped { platform, key, minted_ms } => {
                self.locate_session(*platform, key, *minted_ms)
            }
            Operation::RedeemSession { platform, account, key, minted_ms } => {
                self.redeem_session(now_ms, *platform, *account, key, *minted_ms)
            }
            Operation::PutAccount { account, profile } => self.put_account(account, profile, Amount::ZERO),
            Operation::GetAccount { account } => self.get_account(now_ms, account),
            Operation::SetStatus { account, status } => self.set_status(account, *status),
            Operation::OpenSession { account, key } => self.claim_key(account, key),
            Operation::StartSession { account, key } => self.start_session(now_ms, account, key),
            Operation::CloseSession { account, key } => self.close_session(account, key),
            Operation::ReleaseKey { key, account, answer } => self.release_key(key, *account, *answer),
        }
    }

    // ── What platforms ask ───────────────────────────────────────────────────────────────────────────────

    fn balance(
        &self,
        platform: PlatformId,
        account: &AccountRef<&str>,
        game: Option<&str>,
    ) -> Outcome<&'static str> {
        let Some((_, account)) = self.served(platform, account) else {
            return refused(ErrorCode::AccountNotFound);
        };
        let balance = self.balance_of(account);
        if game.is_some_and(|game| !self.catalog.has_game(game)) {
            return Outcome::Refused { code: ErrorCode::GameNotFound, balance: Some(balance) };
        }
        Outcome::Balance(balance)
    }

    fn create_token<'a>(
        &'a mut self,
        now_ms: Millis,
        platform: PlatformId,
        account: &AccountRef<&str>,
        game: &str,
        entropy: u128,
    ) -> Outcome<&'a str> {
        let idle_ms = self.catalog.session_idle_ms;
        let Some((index, found)) = self.served(platform, account) else {
            return refused(ErrorCode::AccountNotFound);
        };
        let Some(at) = found.session_at(|session| session.is_live(now_ms, idle_ms)) else {
            return refused(ErrorCode::AccountNotFound);
        };
        let refused_with_balance = |code| Outcome::Refused { code, balance: Some(self.balance_of(found)) };
        if found.status() == Status::Frozen {
            return refused_with_balance(ErrorCode::AccountFrozen);
        }
        if !self.catalog.has_game(game) {
            return refused_with_balance(ErrorCode::GameNotFound);
        }
        let session = found.sessions[at].serial;
        match self.catalog.token_policy {
            TokenPolicy::Wrapped => {
                Outcome::WrappedToken { key: &self.accounts.get(index).sessions[at].key, minted_ms: now_ms }
            }
            TokenPolicy::SingleUse => {
                let expires_ms = now_ms.saturating_add(self.catalog.token_life_ms);
                if self.tokens.mint(now_ms, Token { random: entropy, account: index, session, expires_ms }) {
                    Outcome::Token(TokenId::new(account.hash().slot(), entropy))
                } else {
                    refused(ErrorCode::Unknown)
                }
            }
        }
    }

    fn redeem_token(&mut self, now_ms: Millis, platform: PlatformId, token: TokenId) -> Outcome<&str> {
        let Some(minted) = self.tokens.get(now_ms, token.random()) else {
            return refused(ErrorCode::SessionNotFound);
        };
        let account = self.accounts.get(minted.account);
        if account.hash().slot() != token.slot() || !self.catalog.domain(account.domain()).serves(platform) {
            return refused(ErrorCode::SessionNotFound);
        }
        let Some(at) = account.session_at(|session| session.serial == minted.session) else {
            return refused(ErrorCode::SessionNotFound);
        };
        let redeemed = self.redeem(now_ms, minted.account, at);
        if matches!(redeemed, Redeeming::Done) {
            self.tokens.remove(token.random());
        }
        self.redeemed(redeemed, minted.account, at)
    }

    fn locate_session<'a>(&self, platform: PlatformId, key: &str, minted_ms: Millis) -> Outcome<&'a str> {
        let hash = KeyHash::of(key);
        match self.directory.find(hash.bits(), |holder| holder.key == hash) {
            None => refused(ErrorCode::SessionNotFound),
            Some(holder) => Outcome::Next(Box::new(Operation::RedeemSession {
                platform,
                account: holder.account,
                key: key.into(),
                minted_ms,
            })),
        }
    }

    fn redeem_session<'a>(
        &'a mut self,
        now_ms: Millis,
        platform: PlatformId,
        account: AccountHash,
        key: &str,
        minted_ms: Millis,
    ) -> Outcome<&'a str> {
        let too_old = now_ms.saturating_sub(minted_ms) > self.catalog.token_life_ms;
        let too_new = minted_ms.saturating_sub(now_ms) > limits::TOKEN_AHEAD_MS;
        if too_old || too_new {
            return refused(ErrorCode::SessionNotFound);
        }
        let holds = |found: &Account| found.session_at(|session| &*session.key == key);
        let Some(index) = self.accounts.find_hash(account, |found| holds(found).is_some()) else {
            return refused(ErrorCode::SessionNotFound);
        };
        let found = self.accounts.get(index);
        let (Some(at), true) = (holds(found), self.catalog.domain(found.domain()).serves(platform)) else {
            return refused(ErrorCode::SessionNotFound);
        };
        let redeemed = self.redeem(now_ms, index, at);
        self.redeemed(redeemed, index, at)
    }

    /// Redeems session number `at` of an account: it must be live and its account not frozen; it is renewed.
    fn redeem(&mut self, now_ms: Millis, index: AccountIndex, at: usize) -> Redeeming {
        let idle_ms = self.catalog.session_idle_ms;
        let account = self.accounts.get_mut(index);
        if !account.sessions[at].is_live(now_ms, idle_ms) {
            return Redeeming::Expired;
        }
        if account.status() == Status::Frozen {
            return Redeeming::Frozen;
        }
        account.sessions[at].used_ms = now_ms;
        Redeeming::Done
    }

    fn redeemed(&self, redeeming: Redeeming, index: AccountIndex, at: usize) -> Outcome<&str> {
        let account = self.accounts.get(index);
        match redeeming {
            Redeeming::Expired => refused(ErrorCode::SessionNotFound),
            Redeeming::Frozen => {
                let balance = Some(self.balance_of(account));
                Outcome::Refused { code: ErrorCode::AccountFrozen, balance }
            }
            Redeeming::Done => Outcome::Redeemed(Redeemed {
                account: account.id(),
                key: &account.sessions[at].key,
                currency: self.catalog.domain(account.domain()).currency,
                country: account.profile().country(),
                extras: account.profile().extras(),
            }),
        }
    }

    // ── What the operator asks ───────────────────────────────────────────────────────────────────────────

    /// Creates an account that holds `opening` already, or replaces the profile of one that is there.
    ///
    /// Money comes into a wallet by this way in demo data alone (protocol §7); it counts as one balance change.
    pub fn put_account(
        &mut self,
        account: &AccountRef<&str>,
        profile: &Profile,
        opening: Amount,
    ) -> Outcome<&'static str> {
        let Some((domain, _)) = self.catalog.domain_of(account.id()) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoDomain);
        };
        if let Some(index) = self.accounts.find(account) {
            self.accounts.get_mut(index).set_profile(profile);
            return Outcome::AccountPut { created: false };
        }
        if self.accounts.len() >= limits::ACCOUNTS_MAX {
            return Outcome::OperatorRefused(OperatorRefusal::ShardFull);
        }
        self.accounts.insert(account, domain, profile, opening);
        Outcome::AccountPut { created: true }
    }

    fn get_account(&self, now_ms: Millis, account: &AccountRef<&str>) -> Outcome<&'static str> {
        let Some(index) = self.accounts.find(account) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoAccount);
        };
        let found = self.accounts.get(index);
        let live = |session: &&Session| session.is_live(now_ms, self.catalog.session_idle_ms);
        let sessions = found.sessions.iter().filter(live).map(|session| SessionView {
            key: CompactString::from(&*session.key),
            started_ms: session.started_ms,
            used_ms: session.used_ms,
        });
        Outcome::Account(Box::new(AccountView {
            id: CompactString::from(found.id()),
            profile: found.profile().to_profile(),
            status: found.status(),
            balance: self.balance_of(found),
            sessions: sessions.collect(),
        }))
    }

    fn set_status(&mut self, account: &AccountRef<&str>, status: Status) -> Outcome<&'static str> {
        let Some(index) = self.accounts.find(account) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoAccount);
        };
        self.accounts.get_mut(index).set_status(status);
        Outcome::StatusSet(status)
    }

    fn claim_key<'a>(&mut self, account: &AccountRef<&str>, key: &str) -> Outcome<&'a str> {
        let hash = KeyHash::of(key);
        let entry =
            self.directory.entry(hash.bits(), |holder| holder.key == hash, |holder| holder.key.bits());
        match entry {
            Entry::Occupied(taken) if taken.get().account != account.hash() => {
                return Outcome::OperatorRefused(OperatorRefusal::KeyTaken);
            }
            // Each claim is a request under way, or the session; so they don't run out of 32 bits.
            Entry::Occupied(mut held) => held.get_mut().claims += 1,
            Entry::Vacant(free) => {
                free.insert(Holder { key: hash, account: account.hash(), claims: 1 });
            }
        }
        let account = account.map(|id| CompactString::from(*id));
        Outcome::Next(Box::new(Operation::StartSession { account, key: key.into() }))
    }

    fn start_session<'a>(
        &mut self,
        now_ms: Millis,
        account: &AccountRef<&str>,
        key: &'a str,
    ) -> Outcome<&'a str> {
        let unclaim = |answer| {
            Outcome::Next(Box::new(Operation::ReleaseKey {
                key: key.into(),
                account: account.hash(),
                answer,
            }))
        };
        let Some(index) = self.accounts.find(account) else {
            return unclaim(Released::NoAccount);
        };
        match self.accounts.get_mut(index).log_in(now_ms, self.catalog.session_idle_ms, key, Idle::Expires) {
            Err(ledger::TooManySessions) => unclaim(Released::TooManySessions),
            Ok(ledger::LogIn::Again) => unclaim(Released::Opened),
            Ok(ledger::LogIn::New { made_way }) => {
                self.unheld.extend(made_way.map(|key| (key, account.hash())));
                Outcome::SessionOpened { key }
            }
        }
    }

    fn close_session<'a>(&mut self, account: &AccountRef<&str>, key: &str) -> Outcome<&'a str> {
        let Some(index) = self.accounts.find(account) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoAccount);
        };
        let account = self.accounts.get_mut(index);
        let Some(at) = account.session_at(|session| &*session.key == key) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoSession);
        };
        let session = account.sessions.remove(at);
        Outcome::Next(Box::new(Operation::ReleaseKey {
            key: session.key.into(),
            account: account.hash(),
            answer: Released::Closed,
        }))
    }

    fn release_key<'a>(&mut self, key: &'a str, account: AccountHash, answer: Released) -> Outcome<&'a str> {
        let hash = KeyHash::of(key);
        let held = |holder: &Holder| holder.key == hash && holder.account == account;
        let mut entry = self.directory.find_entry(hash.bits(), held).expect("what is released was claimed");
        entry.get_mut().claims -= 1;
        if entry.get().claims == 0 {
            entry.remove();
        }
        match answer {
            Released::Opened => Outcome::SessionOpened { key },
            Released::Closed => Outcome::SessionClosed,
            Released::NoAccount => Outcome::OperatorRefused(OperatorRefusal::NoAccount),
            Released::TooManySessions => Outcome::OperatorRefused(OperatorRefusal::TooManySessions),
            Released::Swept => Outcome::Silent,
        }
    }

    // ── Housekeeping ─────────────────────────────────────────────────────────────────────────────────────

    /// Forgets sessions that expired over [`limits::SESSION_REMEMBERED_MS`] ago, of the next
    /// [`limits::SWEEP_ACCOUNTS`] accounts, and expired tokens. `release` is given each key that is free now, and
    /// brings it to its slot; where it can't take one (`false`) the session stays until the next round.
    pub fn sweep(&mut self, now_ms: Millis, mut release: impl FnMut(Operation<&str>) -> bool) {
        self.tokens.expire(now_ms, limits::SWEEP_ACCOUNTS);
        let forgotten_ms = self.catalog.session_idle_ms.saturating_add(limits::SESSION_REMEMBERED_MS);
        let mut release =
            |key: &str, account| release(Operation::ReleaseKey { key, account, answer: Released::Swept });
        self.unheld.retain(|(key, account)| !release(key, *account));
        for _ in 0..limits::SWEEP_ACCOUNTS.min(self.accounts.len()) {
            self.swept_to = (self.swept_to + 1) % self.accounts.len();
            let account = self.accounts.get_mut(AccountIndex::new(self.swept_to));
            let hash = account.hash();
            account
                .sessions
                .retain(|session| session.is_live(now_ms, forgotten_ms) || !release(&session.key, hash));
        }
    }

    /// Starts a session that never idles out, for demo data (protocol §7). Its key must be claimed at the key's
    /// own slot, by [`Wallet::adopt_key`].
    ///
    /// # Panics
    /// Where there is no such account: demo accounts come before their sessions.
    pub fn start_demo_session(&mut self, now_ms: Millis, account: &AccountRef<&str>, key: &str) {
        let index = self.accounts.find(account).expect("the demo account was put");
        let idle_ms = self.catalog.session_idle_ms;
        let started = self.accounts.get_mut(index).log_in(now_ms, idle_ms, key, Idle::Never);
        assert!(
            matches!(started, Ok(ledger::LogIn::New { made_way: None })),
            "a demo account has one session"
        );
    }

    /// Enters a demo session's key into the directory of its slot.
    pub fn adopt_key(&mut self, key: &str, account: AccountHash) {
        let key = KeyHash::of(key);
        self.directory
            .insert_unique(key.bits(), Holder { key, account, claims: 1 }, |holder| holder.key.bits());
    }

    /// The account, where its domain is known and served to this platform.
    fn served(&self, platform: PlatformId, account: &AccountRef<&str>) -> Option<(AccountIndex, &Account)> {
        let index = self.accounts.find(account)?;
        let found = self.accounts.get(index);
        self.catalog.domain(found.domain()).serves(platform).then_some((index, found))
    }

    fn balance_of(&self, account: &Account) -> Balance {
        let currency = self.catalog.domain(account.domain()).currency;
        Balance { currency, cash: account.cash(), version: account.version() }
    }
}

/// What became of a redeeming, before it is told.
#[derive(Clone, Copy)]
enum Redeeming {
    Done,
    Expired,
    Frozen,
}

const fn refused<S>(code: ErrorCode) -> Outcome<S> {
    Outcome::Refused { code, balance: None }
}

#[cfg(test)]
mod tests;
