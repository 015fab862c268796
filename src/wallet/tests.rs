//! The wallet's rows of protocol §1, §3, §4, §6 and §7. A story is told to a fresh wallet, one line after another;
//! each line is an operation and its outcome. At its end the story is told again, from the journal that it left, to
//! another wallet, and both must be the same.

mod dialects;
mod full;
mod growth;
mod horizon;
mod identity;
mod outside;
mod read_only;
mod restrictions;
mod rounds;
mod sessions;
mod shadow;
mod statement;
mod tokens;

use std::sync::Arc;

use compact_str::CompactString;

use super::account::AccountStatus;
use super::amount::Money;
use super::catalog::Domain;
use super::image::AccountImage;
use super::operation::Direction;
use super::outcome::{AccountView, OperatorRefusal, Receipt, Redeemed, SessionView};
use super::restriction::Restrictions;
use super::token::TokenId;
use super::*;
use shadow::Shadow;

const ADMIN: &str = "default/admin";
const YEN: &str = "nippon/admin";
const KEY: &str = "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c";
const GAME: &str = "11588";
const START_MS: Millis = 1_700_000_000_000;
const IDLE_MS: Millis = limits::SESSION_IDLE_MS;

/// Serves `default` (GBP); the stranger serves `nippon` (JPY).
const PLATFORM: usize = 0;
const STRANGER: usize = 1;

/// `L100`, `L101` and so on.
fn platform(index: usize) -> PlatformKey {
    PlatformKey::new(&format!("L{}", 100 + index)).unwrap()
}

fn profile() -> Profile {
    Profile::of(*b"GB")
}

struct Story {
    wallet: Wallet,
    now_ms: Millis,
    sequence: Sequence,
    journal: Vec<(Stamp, Operation<CompactString>, Receipt)>,
    /// The same without closed rounds in memory; `None` where a test changes the wallet by other ways than operations, or what it is
    /// about is memory.
    shadow: Option<Shadow>,
}

impl Story {
    fn new(policy: TokenPolicy) -> Self {
        let domain = |name: &str, currency, platforms: &[usize]| {
            let currency = Currency::from_code(currency).unwrap();
            Domain::new(name.into(), currency, platforms.iter().map(|index| platform(*index)))
        };
        let domains = vec![domain("default", "GBP", &[PLATFORM]), domain("nippon", "JPY", &[STRANGER])];
        let mut catalog = Catalog::new(domains, [GAME.to_owned()]);
        catalog.set_token_policy(policy);
        let mut story = Self::of(catalog);
        for (account, opening) in [(ADMIN, "10"), (YEN, "1000")] {
            story.check(&put(account), &Outcome::AccountPut { created: true });
            let deposit = transfer(account, Direction::In, "opening", opening);
            assert!(matches!(story.outcome(&deposit), Outcome::Transferred(_)));
        }
        story
    }

    /// A story without accounts.
    fn of(catalog: Catalog) -> Self {
        let wallet = Wallet::new(Arc::new(catalog));
        let shadow = Some(Shadow::new(&wallet));
        Self { wallet, now_ms: START_MS, sequence: 0, journal: Vec::new(), shadow }
    }

    /// Does `operation` and every step that follows from it, as one shard that owns all slots does.
    fn outcome(&mut self, operation: &Operation<&str>) -> Outcome<CompactString> {
        let mut outcome = self.step(operation);
        while let Outcome::Next(next) = outcome {
            outcome = self.step(&next.as_deref());
        }
        outcome
    }

    fn step(&mut self, operation: &Operation<&str>) -> Outcome<CompactString> {
        if let Operation::StartSession(operation::StartSession { account, .. }) = operation {
            let mut renewals = Vec::new();
            self.wallet.journal_account_renewals(account, |operation, receipt| {
                renewals.push((operation.map(|text| CompactString::from(*text)), receipt));
            });
            self.keep(renewals);
            if let Some(shadow) = &mut self.shadow {
                shadow.journal_account_renewals(self.now_ms, account);
            }
        }
        let stamp = Stamp { now_ms: self.now_ms, sequence: self.sequence + 1 };
        let mut effect = Effect::default();
        let outcome = self.wallet.apply(stamp, operation, &mut effect);
        let outcome = self.wallet.resolve(outcome, operation).map(CompactString::from);
        if let Some(receipt) = effect.changed {
            assert_eq!(effect.seen, stamp.sequence, "an outcome shows its own change");
            self.keep(vec![(operation.map(|text| CompactString::from(*text)), receipt)]);
        }
        self.shadow = self.shadow.take().filter(|shadow| !shadow.is_apart(&self.wallet));
        if let Some(shadow) = &mut self.shadow {
            let (answered, changed) = shadow.step(self.now_ms, operation);
            assert_eq!((&answered, changed), (&outcome, effect.changed), "with the history: {operation:?}");
        }
        outcome
    }

    fn keep(&mut self, changes: Vec<(Operation<CompactString>, Receipt)>) {
        for (operation, receipt) in changes {
            self.sequence += 1;
            let stamp = Stamp { now_ms: self.now_ms, sequence: self.sequence };
            self.journal.push((stamp, operation, receipt));
        }
    }

    #[track_caller]
    fn check(&mut self, operation: &Operation<&str>, expect: &Outcome<&str>) {
        let before = self.sequence;
        let expect = expect.clone().map(CompactString::from);
        assert_eq!(self.outcome(operation), expect, "{operation:?}");
        if let Outcome::Refused { code, .. } = expect
            && code != ErrorCode::TransactionNotFound
        {
            assert_eq!(self.sequence, before, "a refusal changes nothing: {operation:?}");
        }
    }

    fn login(&mut self, account: &str, key: &str) {
        self.check(&open(account, key), &Outcome::SessionOpened { key });
    }

    fn later(&mut self, ms: Millis) {
        self.now_ms += ms;
    }

    /// A token of the account's newest live session.
    #[track_caller]
    fn token(&mut self, entropy: u128) -> TokenId {
        let operation = create(PLATFORM, ADMIN, GAME, entropy);
        match self.outcome(&operation) {
            Outcome::Token(token) => token,
            other => panic!("no token: {other:?}"),
        }
    }

    /// Tells the story again from its journal, and once more from a snapshot.
    fn retell(&mut self) {
        let mut renewals = Vec::new();
        self.wallet.journal_renewals(Millis::MAX, usize::MAX, |operation, receipt| {
            renewals.push((operation.map(|text| CompactString::from(*text)), receipt));
        });
        self.keep(renewals);
        let mut again = Wallet::to_replay();
        again.configure(0, self.wallet.settings()).unwrap();
        for (stamp, operation, receipt) in &self.journal {
            let replayed = again.replay(Rules::V2, *stamp, &operation.as_deref(), receipt);
            assert_eq!(replayed, Ok(()), "{operation:?}: {receipt:?}");
        }
        let expect = images(&self.wallet, self.now_ms);
        assert_eq!(images(&again, self.now_ms), expect, "from the journal");
        let mut restored = Wallet::to_replay();
        restored.configure(0, self.wallet.settings()).unwrap();
        expect.iter().for_each(|image| restored.restore(image).unwrap());
        assert_eq!(images(&restored, self.now_ms), expect, "from a snapshot");
        assert!(restored.totals().eq(self.wallet.totals()), "the books are the same");
        let stamp = Stamp { now_ms: self.now_ms, sequence: self.sequence };
        let ask = operation::GetStatement { account: AccountRef::new(ADMIN), after: 0, limit: 1_000 };
        let ask = Operation::GetStatement(ask);
        let mut told = [&mut self.wallet, &mut restored]
            .map(|wallet| wallet.apply(stamp, &ask, &mut Effect::default()).map(|text| format!("{text:?}")));
        let [expect, found] = &mut told;
        assert_eq!(found, expect, "the statement is the same");
        if let Some(shadow) = &mut self.shadow {
            let (told, _) = shadow.step(self.now_ms, &ask);
            assert_eq!(told.map(|text| format!("{text:?}")), *expect, "and with the history");
            shadow.retell(self.now_ms);
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.retell();
        }
    }
}

/// How many rounds of games are in memory.
fn game_rounds(wallet: &Wallet) -> usize {
    let active = wallet.accounts.iter().filter_map(|account| account.activity());
    let rounds = active.flat_map(|activity| wallet.rounds.all(&activity.rounds));
    rounds.filter(|round| round.kind().is_of_game()).count()
}

/// All accounts. Whether a sweep has come by makes no difference.
fn images(wallet: &Wallet, now_ms: Millis) -> Vec<AccountImage> {
    let slots = wallet.by_slot();
    let images = slots.iter().flat_map(|(_, places)| wallet.images(now_ms, places));
    let mut images: Vec<AccountImage> = images.collect();
    images.sort_by(|a, b| a.id.cmp(&b.id));
    images
}

fn put(account: &str) -> Operation<&str> {
    Operation::PutAccount(operation::PutAccount {
        account: AccountRef::new(account),
        profile: Box::new(profile()),
    })
}

fn transfer<'a>(
    account: &'a str,
    direction: Direction,
    transaction: &'a str,
    amount: &str,
) -> Operation<&'a str> {
    let amount = Money::parse(amount).unwrap();
    Operation::Transfer(operation::Transfer {
        account: AccountRef::new(account),
        direction,
        transaction,
        amount,
        currency: None,
    })
}

fn balance<'a>(by: usize, account: &'a str, game: Option<&'a str>) -> Operation<&'a str> {
    Operation::Balance(operation::Balance { platform: platform(by), account: AccountRef::new(account), game })
}

fn create<'a>(by: usize, account: &'a str, game: &'a str, entropy: u128) -> Operation<&'a str> {
    Operation::CreateToken(operation::CreateToken {
        platform: platform(by),
        account: AccountRef::new(account),
        game,
        entropy,
    })
}

fn redeem(by: usize, token: TokenId) -> Operation<&'static str> {
    Operation::RedeemToken(operation::RedeemToken { platform: platform(by), token })
}

fn wrapped(by: usize, key: &str, minted_ms: Millis) -> Operation<&str> {
    Operation::RedeemWrapped(operation::RedeemWrapped { platform: platform(by), key, minted_ms })
}

fn open<'a>(account: &'a str, key: &'a str) -> Operation<&'a str> {
    Operation::OpenSession(operation::OpenSession { account: AccountRef::new(account), key })
}

fn close<'a>(account: &'a str, key: &'a str) -> Operation<&'a str> {
    Operation::CloseSession(operation::CloseSession { account: AccountRef::new(account), key })
}

fn status(account: &str, status: AccountStatus) -> Operation<&str> {
    Operation::SetStatus(operation::SetStatus { account: AccountRef::new(account), status })
}

fn funds(code: &str, minor: i64, version: u64) -> Balance {
    let currency = Currency::from_code(code).unwrap();
    Balance { currency, cash: Amount::from_minor(minor).unwrap(), version }
}

fn refusal<'a>(code: ErrorCode) -> Outcome<&'a str> {
    Outcome::Refused { code, why: Why(""), balance: None }
}

fn refusal_with<'a>(code: ErrorCode) -> Outcome<&'a str> {
    Outcome::Refused { code, why: Why(""), balance: Some(funds("GBP", 1_000, 1)) }
}

fn redeemed(key: &str) -> Outcome<&str> {
    let currency = Currency::from_code("GBP").unwrap();
    Outcome::Redeemed(Redeemed { account: ADMIN, key, currency, country: *b"GB", extras: None })
}

#[test]
fn balance_rows() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.check(&balance(PLATFORM, ADMIN, None), &Outcome::Balance(funds("GBP", 1_000, 1)));
    story.check(&balance(PLATFORM, ADMIN, Some(GAME)), &Outcome::Balance(funds("GBP", 1_000, 1)));
    story.check(&balance(PLATFORM, ADMIN, Some("1")), &refusal_with(ErrorCode::GameNotFound));
    story.check(&balance(PLATFORM, "default/nobody", None), &refusal(ErrorCode::AccountNotFound));
    story.check(&balance(PLATFORM, "default/nobody", Some("1")), &refusal(ErrorCode::AccountNotFound));
    story.check(&balance(PLATFORM, "nodomain/admin", None), &refusal(ErrorCode::AccountNotFound));
    story.check(&balance(PLATFORM, "default", None), &refusal(ErrorCode::AccountNotFound));
    story.check(&balance(PLATFORM, "default/", None), &refusal(ErrorCode::AccountNotFound));
    story.check(&balance(PLATFORM, YEN, None), &refusal(ErrorCode::AccountNotFound));
    story.check(&balance(STRANGER, YEN, None), &Outcome::Balance(funds("JPY", 1_000, 1)));
    story.check(&balance(STRANGER, ADMIN, None), &refusal(ErrorCode::AccountNotFound));
    story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    story.check(&balance(PLATFORM, ADMIN, None), &Outcome::Balance(funds("GBP", 1_000, 1)));
}

#[test]
fn createtoken_rows() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.check(&create(PLATFORM, ADMIN, GAME, 1), &refusal(ErrorCode::AccountNotFound));
    story.login(ADMIN, KEY);
    let slot = AccountHash::of(ADMIN).slot();
    story.check(&create(PLATFORM, ADMIN, GAME, 1), &Outcome::Token(TokenId::new(slot, 1)));
    story.check(&create(PLATFORM, "default/nobody", GAME, 2), &refusal(ErrorCode::AccountNotFound));
    story.check(&create(STRANGER, ADMIN, GAME, 2), &refusal(ErrorCode::AccountNotFound));
    story.check(&create(PLATFORM, ADMIN, "1", 2), &refusal_with(ErrorCode::GameNotFound));
    story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    story.check(&create(PLATFORM, ADMIN, GAME, 2), &refusal_with(ErrorCode::AccountFrozen));
    story.check(&create(PLATFORM, ADMIN, "1", 2), &refusal_with(ErrorCode::AccountFrozen));
    story.check(&status(ADMIN, AccountStatus::Active), &Outcome::StatusSet(AccountStatus::Active));
    story.check(&create(PLATFORM, ADMIN, GAME, 1), &refusal(ErrorCode::Unknown));
    story.later(IDLE_MS);
    story.check(&create(PLATFORM, ADMIN, GAME, 2), &refusal(ErrorCode::AccountNotFound));
}

#[test]
fn a_single_use_token_redeems_once() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.login(ADMIN, KEY);
    let token = story.token(7);
    let elsewhere = TokenId::new(AccountHash::of("default/nobody").slot(), 7);
    story.check(&redeem(PLATFORM, TokenId::new(token.slot(), 8)), &refusal(ErrorCode::SessionNotFound));
    story.check(&redeem(PLATFORM, elsewhere), &refusal(ErrorCode::SessionNotFound));
    story.check(&redeem(STRANGER, token), &refusal(ErrorCode::SessionNotFound));
    story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    story.check(&redeem(PLATFORM, token), &refusal_with(ErrorCode::AccountFrozen));
    story.check(&status(ADMIN, AccountStatus::Active), &Outcome::StatusSet(AccountStatus::Active));
    // Refusals have changed nothing.
    story.check(&redeem(PLATFORM, token), &redeemed(KEY));
    story.check(&redeem(PLATFORM, token), &refusal(ErrorCode::SessionNotFound));
    assert_eq!(story.wallet.tokens(), 0);
}

#[test]
fn a_single_use_token_lives_for_a_minute() {
    for (ms, expect) in [(59_999, redeemed(KEY)), (60_000, refusal(ErrorCode::SessionNotFound))] {
        let mut story = Story::new(TokenPolicy::SingleUse);
        story.login(ADMIN, KEY);
        let token = story.token(7);
        story.later(ms);
        story.check(&redeem(PLATFORM, token), &expect);
    }
}

#[test]
fn a_token_stands_for_the_session_it_was_minted_of() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.login(ADMIN, "first");
    let first = story.token(1);
    story.login(ADMIN, "second");
    let second = story.token(2);
    story.check(&redeem(PLATFORM, first), &redeemed("first"));
    story.check(&close(ADMIN, "second"), &Outcome::SessionClosed);
    story.check(&redeem(PLATFORM, second), &refusal(ErrorCode::SessionNotFound));
    // The same key, logged in again, is another session.
    let first = story.token(3);
    story.check(&close(ADMIN, "first"), &Outcome::SessionClosed);
    story.login(ADMIN, "first");
    story.check(&redeem(PLATFORM, first), &refusal(ErrorCode::SessionNotFound));
}

#[test]
fn redeeming_renews_the_session() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.login(ADMIN, KEY);
    story.later(IDLE_MS - 1);
    let token = story.token(1);
    story.check(&redeem(PLATFORM, token), &redeemed(KEY));
    story.later(IDLE_MS - 1);
    let token = story.token(2);
    // A token does not renew, and does not outlive its session.
    story.later(1);
    story.check(&redeem(PLATFORM, token), &refusal_with(ErrorCode::SessionNotFound));
}

fn sweep(story: &mut Story) {
    let mut released = Vec::new();
    story.wallet.begin_sweep();
    while story.wallet.tidy(story.now_ms, limits::TIDIED_PER_TURN) {}
    story.wallet.release_keys(usize::MAX, |release| {
        released.push(release.map(|key| CompactString::from(*key)));
    });
    for release in released {
        assert_eq!(story.outcome(&release.as_deref()), Outcome::Silent);
    }
}

#[test]
fn accounts_of_the_operator() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let full = Profile {
        country: *b"SE",
        gender: Some(account::Gender::Female),
        born: account::Date::new(1965, 5, 16),
        user_name: Some("anna".into()),
        display_name: Some("Anna".into()),
        city: Some("Lund".into()),
    };
    let put = |account, profile: &Profile| {
        Operation::PutAccount(operation::PutAccount {
            account: AccountRef::new(account),
            profile: Box::new(profile.clone()),
        })
    };
    let get = |account| Operation::GetAccount(operation::GetAccount { account: AccountRef::new(account) });
    let no_account = Outcome::OperatorRefused(OperatorRefusal::NoAccount);
    story.check(&get("default/anna"), &no_account);
    story.check(&status("default/anna", AccountStatus::Frozen), &no_account);
    let no_domain = Outcome::OperatorRefused(OperatorRefusal::NoDomain);
    story.check(&put("nodomain/anna", &full), &no_domain);
    story.check(&put("anna", &full), &no_domain);
    story.check(&put("default/anna", &profile()), &Outcome::AccountPut { created: true });
    story.check(&put("default/anna", &full), &Outcome::AccountPut { created: false });
    story.login("default/anna", "a");
    story.later(IDLE_MS);
    story.login("default/anna", "b");
    story.check(&status("default/anna", AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    let session = SessionView { key: "b".into(), started_ms: story.now_ms, used_ms: story.now_ms };
    let view = AccountView {
        id: "default/anna".into(),
        profile: full,
        status: AccountStatus::Frozen,
        balance: funds("GBP", 0, 0),
        limits: Restrictions::none(),
        sessions: vec![session],
        open_rounds: Vec::new(),
        open_rounds_count: 0,
        alerts: Vec::new(),
    };
    story.check(&get("default/anna"), &Outcome::Account(Box::new(view)));
}
