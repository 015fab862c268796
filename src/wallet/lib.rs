//! The wallet of one shard: a pure state machine.
//!
//! [`Wallet::apply`] takes an operation and a time, changes the state, and says what became of it. There is no
//! clock here, no randomness, no input or output, so that the same operations at the same times give the same
//! state and the same outcomes, on any machine, any number of times.
//!
//! Each request climbs a ladder of refusals in the order of protocol §1, and the first that holds answers; what
//! changes the state comes after the last of them.
//!
//! A shard's wallet holds two things: the accounts of its slots, each with its sessions and rounds; and the
//! directory of session keys of its slots, which says for a key which account holds the session. A key's slot and
//! its account's slot differ, so a request that knows the key alone goes to the directory first and from there to
//! the account, by [`Outcome::Next`]. The directory follows from the accounts: it is made anew after a replay.
//!
//! What an operation changed is told by its [`Effect`]: the journal keeps the operation and the receipt, and
//! [`Wallet::replay`] applies them again and compares.
//!
//! **Horizon.** Everything that is remembered is forgotten at a time that follows from the time and the records alone.
//! From then on no outcome and no image shows it, whether it is still in memory or not: a sweep only gives memory back.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod account;
pub mod amount;
mod arena;
mod because;
mod books;
mod bounds;
pub mod catalog;
pub mod currency;
mod games;
mod growth;
pub mod history;
mod horizon;
pub mod image;
mod ladder;
mod ledger;
mod lines;
pub mod operation;
mod operator;
pub mod outcome;
mod outside;
mod packed;
mod past;
pub mod platform;
mod platforms;
mod play;
mod queue;
mod rebase;
mod refusals;
pub mod replay;
pub mod restriction;
mod round_lists;
mod rounds;
pub mod session;
mod sessions;
pub mod settings;
mod sums;
mod table;
pub mod token;
mod tokens;
mod transaction;

use alloc::boxed::Box;
use alloc::sync::Arc;

use account::{AccountHash, AccountRef, KeyHash, Profile};
use amount::Amount;
pub use catalog::{Catalog, Domain};
pub use currency::Currency;
pub use platform::{Dialect, PlatformKey, RoundScope};
pub use token::TokenPolicy;

use books::{Books, DomainId};
use games::Games;
use history::Cooling;
use ledger::{Account, AccountIndex, Accounts};
use operation::Operation;
use outcome::{Balance, Effect, ErrorCode, Outcome, Receipt, Text, TextPlace, Why};
use platforms::{PlatformIndex, Platforms};
use queue::Queue;
use rounds::Rounds;
use session::{Idle, SessionHorizon};
use settings::{CurrencyChanged, Settings};
use sums::Periods;
use table::Table;
use tokens::Tokens;

use coverage::Branch;

/// Milliseconds since 1970, UTC.
pub type Millis = u64;

/// A change's place in its shard's journal, from 1; 0 comes before all of them.
pub type Sequence = u64;

/// When an operation is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Time of day; it does not go back from one operation to the next.
    pub now_ms: Millis,
    /// The sequence that the operation has, should it change something.
    pub sequence: Sequence,
}

/// A holder of a session key, as the directory of its slot knows it.
#[derive(Clone, Copy, Debug)]
struct Holder {
    key: KeyHash,
    account: AccountHash,
    /// One for the session, and one for each login and logout that is under way between the key's slot and the
    /// account's: a logout that is overtaken by the next login does not take that one's claim away.
    claims: u32,
}

/// A renewal of a session that is to be journaled.
#[derive(Clone, Copy, Debug)]
struct Renewal {
    account: AccountIndex,
    /// The session's serial.
    session: u32,
    since_ms: Millis,
}

/// By which rules a record is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// Those of version 0.1.0, in which platforms shared their ids, and what was forgotten did not follow from the
    /// records alone. A record of it is applied by its receipt: rounds are found whatever their platform, and what
    /// became of sessions is taken from the record.
    V1,
    /// These.
    #[default]
    V2,
}

/// The accounts, sessions, rounds and tokens of one shard.
#[derive(Debug)]
pub struct Wallet {
    /// What the configuration allows; nothing is refused on its grounds while there is none, during a replay: what is
    /// in the journal was allowed.
    catalog: Option<Arc<Catalog>>,
    settings: Settings,
    /// The rules of the record that is replayed.
    rules: Rules,
    /// What came of the record that is replayed; `None` where requests are served.
    replayed: Option<Receipt>,
    books: Books,
    platforms: Platforms,
    games: Games,
    accounts: Accounts,
    rounds: Rounds,
    tokens: Tokens,
    /// Session keys of this shard's slots, by hash. The account is the one that knows the key itself, so that an
    /// entry is 24 bytes; two keys of one hash, one in 2^64, would be refused as one key.
    directory: Table<Holder>,
    /// The last change when a key was given back: who claims one since depends on it.
    released: Sequence,
    /// Keys of sessions that were evicted or forgotten; the sweep gives them back to the directory. Empty in a replay,
    /// which has no directory.
    keys_to_release: Queue<(Box<str>, AccountHash)>,
    /// Oldest first.
    renewals: Queue<Renewal>,
    /// Rounds that may leave memory, oldest first. One that was touched since has a later entry.
    cooling: Queue<Cooling>,
    /// Rounds that were touched last at or before this, and belong to the history, are in its files: milliseconds since 1970.
    in_history_ms: Millis,
    /// Day, week and month of the last operation, UTC's.
    periods: Periods,
    /// Where the sweep for what is over goes on.
    swept_to: usize,
    /// Accounts that it is still to look at.
    sweep_left: usize,
}

impl Wallet {
    /// A wallet without accounts, which serves what `catalog` says.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        let mut wallet = Self::to_replay();
        wallet.configure(0, &catalog.settings()).expect("a new wallet has no domain of another currency");
        wallet.open(catalog);
        wallet
    }

    /// A wallet without accounts or settings, for a snapshot and a journal to be put into it.
    pub fn to_replay() -> Self {
        Self {
            catalog: None,
            settings: Settings::default(),
            rules: Rules::default(),
            replayed: None,
            books: Books::default(),
            platforms: Platforms::default(),
            games: Games::default(),
            accounts: Accounts::default(),
            rounds: Rounds::default(),
            tokens: Tokens::default(),
            directory: Table::default(),
            released: 0,
            keys_to_release: Queue::default(),
            renewals: Queue::default(),
            cooling: Queue::default(),
            in_history_ms: 0,
            periods: Periods::default(),
            swept_to: 0,
            sweep_left: 0,
        }
    }

    /// Changes the settings at `now_ms`, and says whether that was a change. It is to be journaled where it was.
    ///
    /// What is past the horizon by the settings so far is forgotten for good, and so is every session that is over:
    /// longer times bring nothing back.
    ///
    /// # Errors
    /// Where a domain would have another currency; nothing is changed then.
    pub fn configure(&mut self, now_ms: Millis, settings: &Settings) -> Result<bool, CurrencyChanged> {
        self.replay_settings(Rules::V2, now_ms, settings)
    }

    /// The same, as a record of these rules says: before [`Rules::V2`] nothing was forgotten by a change.
    ///
    /// # Errors
    /// As [`Wallet::configure`].
    pub fn replay_settings(
        &mut self,
        rules: Rules,
        now_ms: Millis,
        settings: &Settings,
    ) -> Result<bool, CurrencyChanged> {
        let opened = self.books.open(settings)?;
        let idle_ms = settings.session_idle_ms;
        let times = |of: &Settings| (of.session_idle_ms, of.retention_ms, of.hot_ms);
        let moved = times(&self.settings) != times(settings);
        let mut settings = settings.clone();
        if rules == Rules::V2 {
            settings.follow(&self.settings, now_ms);
        }
        if moved && rules == Rules::V2 && self.accounts.len() > 0 {
            coverage::hit(Branch::HorizonMoved);
            self.forget_all(now_ms);
            if self.settings.session_idle_ms != idle_ms {
                self.end_expired(now_ms);
            }
        }
        self.settings = Settings { domains: self.books.domains(), ..settings };
        Ok(opened || moved)
    }

    /// When the current day ends in the first of the domains that are served and have a calendar of their own: from
    /// then on [`Wallet::configure`] must have given them the next one. [`Millis::MAX`] where there is none.
    pub fn calendars_until(&self) -> Millis {
        self.books.calendars_until()
    }

    /// The settings, with every domain that there ever was.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Begins to serve what `catalog` says; its settings were configured.
    pub fn open(&mut self, catalog: Arc<Catalog>) {
        self.books.serve(&catalog);
        self.platforms.serve(&catalog);
        self.tokens.share_among(catalog.platforms().count());
        (self.rules, self.replayed) = (Rules::V2, None);
        self.catalog = Some(catalog);
    }

    /// The number of accounts.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// The number of rounds that are in memory, payments outside of them among them.
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// The number of session keys in the directory.
    pub fn session_keys(&self) -> usize {
        self.directory.len()
    }

    /// Each session key in the directory, and the account that holds it.
    pub fn holders(&self) -> impl Iterator<Item = (KeyHash, AccountHash)> {
        self.directory.iter().map(|holder| (holder.key, holder.account))
    }

    /// The number of tokens that were minted and may still be redeemed.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// What players hold together, by domain, in minor units; the house account of the domain is its negative.
    pub fn totals(&self) -> impl Iterator<Item = (&str, Currency, i128)> {
        self.books.totals()
    }

    /// Applies `operation` and says what became of it; `effect` is told what it did to the wallet.
    pub fn apply(&mut self, stamp: Stamp, operation: &Operation<&str>, effect: &mut Effect) -> Outcome<Text> {
        *effect = Effect::default();
        self.enter_periods(stamp.now_ms);
        match operation {
            Operation::Balance(of) => self.balance(of, effect),
            Operation::CreateToken(of) => self.create_token(stamp, of, effect),
            Operation::RedeemToken(of) => self.redeem_token(stamp, of, effect),
            Operation::RedeemWrapped(of) => self.locate_session(of, effect),
            Operation::RedeemSession(of) => self.redeem_session(stamp, of, effect),
            Operation::Play(play) => self.play(stamp, play, effect),
            Operation::EndRound(of) => self.end_round(stamp, of, effect),
            Operation::Credit(of) => self.credit(stamp, of, effect),
            Operation::Alert(of) => self.alert(stamp, of, effect),
            Operation::FindHolder(of) => self.find_holder(&of.play),
            Operation::CheckHolder(of) => self.check_holder(stamp, of, effect),
            Operation::PutAccount(of) => self.put_account(stamp, of, effect),
            Operation::GetAccount(of) => self.get_account(stamp, of, effect),
            Operation::SetStatus(of) => self.set_status(stamp, of, effect),
            Operation::Transfer(of) => self.transfer(stamp, of, effect),
            Operation::SetLimits(of) => self.set_limits(stamp, of, effect),
            Operation::GetStatement(of) => self.get_statement(stamp, of, effect),
            Operation::OpenSession(of) => self.claim_key(of, effect),
            Operation::StartSession(of) => self.start_session(stamp, of, effect),
            Operation::CloseSession(of) => self.close_session(stamp, of, effect),
            Operation::CheckClaim(of) => self.check_claim(stamp, of, effect),
            Operation::ReleaseKey(of) => self.release_key(stamp, of),
            Operation::RenewSession(of) => self.renew_session(stamp, of, effect),
            Operation::RecallRound(of) => self.recall_round(stamp, of, effect),
        }
    }

    /// Comes to the day, week and month of this time.
    fn enter_periods(&mut self, now_ms: Millis) {
        if !self.periods.holds(now_ms) {
            self.periods = Periods::at(now_ms);
        }
    }

    /// The outcome of `operation` with its strings, out of the wallet as the operation has left it: before the next one is
    /// applied.
    pub fn resolve<'a>(&'a self, outcome: Outcome<Text>, operation: &'a Operation<&str>) -> Outcome<&'a str> {
        outcome.map(|text| self.text(text, operation))
    }

    /// The strings of the outcome of `operation`, where it is to be looked at and not kept; as [`Wallet::resolve`] has them.
    pub fn view<'a>(&'a self, operation: &'a Operation<&str>) -> impl Fn(&Text) -> &'a str {
        |text| self.text(*text, operation)
    }

    /// A string of the outcome of `operation`.
    fn text<'a>(&'a self, text: Text, operation: &'a Operation<&str>) -> &'a str {
        let known = match text.0 {
            TextPlace::Transaction => operation.transaction(),
            TextPlace::Key => operation.key(),
            TextPlace::AccountId(index) => Some(self.accounts.get(index).id()),
            TextPlace::SessionKey(index, at) => Some(&*self.accounts.get(index).sessions[at as usize].key),
            TextPlace::Profile(index, text) => self.accounts.get(index).profile().text(text),
        };
        known.expect("an outcome names what is there")
    }

    /// Whether an operation that may change something would; `true` where that is not known before it is applied. A
    /// repeat of what was done, and what is refused for what it says, changes nothing.
    pub fn would_change(&self, now_ms: Millis, operation: &Operation<&str>) -> bool {
        match operation {
            Operation::Play(play) => self.play_would_change(now_ms, play),
            Operation::EndRound(of) => self.end_would_change(now_ms, of),
            Operation::Credit(of) => self.credit_would_change(now_ms, of),
            Operation::Transfer(of) => self.transfer_would_change(now_ms, of),
            other => other.is_write(),
        }
    }

    /// Whether the operator offers this game.
    fn offers(&self, game: &str) -> bool {
        self.catalog.as_deref().is_none_or(|catalog| catalog.has_game(game))
    }

    /// Whether one more round can be remembered. What is in the journal was remembered.
    fn has_room_for_a_round(&self) -> bool {
        self.catalog.is_none() || self.rounds.len() < bounds::ROUNDS_MAX
    }

    /// Notes a change of the account, which is to be journaled.
    fn note(&mut self, stamp: Stamp, index: AccountIndex, effect: &mut Effect) {
        let account = self.accounts.get_mut(index);
        account.changed = stamp.sequence;
        *effect = Effect { seen: stamp.sequence, changed: Some(account.receipt()) };
    }

    // ── Demo data (protocol §7) ──────────────────────────────────────────────────────────────────────────

    /// Creates a demo account that holds `opening`, with a session that never idles out. `false` where it is there
    /// already. The session's key must be claimed at its own slot, by [`Wallet::adopt_key`].
    ///
    /// # Panics
    /// Where the account's domain is not the catalog's.
    pub fn put_demo_account(
        &mut self,
        now_ms: Millis,
        account: &AccountRef<&str>,
        profile: &Profile,
        opening: Amount,
        key: &str,
    ) -> bool {
        if self.accounts.find(account).is_some() {
            return false;
        }
        let domain = self.books.domain_of(account.id()).expect("the demo has its domain");
        let index = self.accounts.insert(account, domain, profile);
        let account = self.accounts.get_mut(index);
        account.receive(self.books.get_mut(domain), opening);
        let horizon = SessionHorizon { now_ms, idle_ms: self.settings.session_idle_ms };
        let (again, freed) = account.log_in(horizon, key, Idle::Never);
        assert!(!again && freed.is_empty(), "it has one session");
        true
    }

    /// Enters a session's key into the directory of its slot, as it is done for demo data and after a replay; once for
    /// each session. `false` where another account has it.
    pub fn adopt_key(&mut self, key: KeyHash, account: AccountHash) -> bool {
        if let Some(holder) = self.directory.find_mut(key.bits(), |holder| holder.key == key) {
            let own = holder.account == account;
            // Two keys of one hash: each session has its claim.
            holder.claims += u32::from(own);
            return own;
        }
        self.enter_key(key, account);
        true
    }

    /// Who holds the session of this key.
    fn holder(&self, key: KeyHash) -> Option<&Holder> {
        self.directory.find(key.bits(), |holder| holder.key == key)
    }

    /// Enters a key that is not in the directory yet.
    fn enter_key(&mut self, key: KeyHash, account: AccountHash) {
        let holder = Holder { key, account, claims: 1 };
        self.directory.insert_unique(key.bits(), holder, |holder| holder.key.bits());
    }

    /// The account, where its domain is known and served to this platform; and the platform.
    fn served(
        &self,
        platform: PlatformKey,
        account: &AccountRef<&str>,
    ) -> Option<(AccountIndex, &Account, PlatformIndex)> {
        let index = self.accounts.find(account)?;
        let found = self.accounts.get(index);
        let platform = self.serves(found.domain(), platform)?;
        Some((index, found, platform))
    }

    /// The platform, where the domain is served to it. What is in the journal was served.
    fn serves(&self, domain: DomainId, platform: PlatformKey) -> Option<PlatformIndex> {
        let found = self.platforms.find(platform)?;
        let served = self.catalog.is_none()
            || self.platforms.place(found).is_some_and(|place| self.books.get(domain).serves(place));
        served.then_some(found)
    }

    /// By what sessions are judged at `now_ms`.
    const fn session_horizon(&self, now_ms: Millis) -> SessionHorizon {
        SessionHorizon { now_ms, idle_ms: self.settings.session_idle_ms }
    }

    fn balance_of(&self, account: &Account) -> Balance {
        let currency = self.books.get(account.domain()).currency();
        Balance { currency, cash: account.cash(), version: account.version() }
    }
}

const fn refused(code: ErrorCode, why: &'static str) -> Outcome<Text> {
    Outcome::Refused { code, why: Why(why), balance: None }
}

#[cfg(test)]
mod tests;
