//! Rows of protocol §3 and of §6, sessions.

use super::*;
use crate::auditor::bounds;
use wallet::account::AccountHash;
use wallet::outcome::Redeemed;
use wallet::token::TokenId;

pub(super) fn create(account: &str, game: &str, entropy: u128) -> Request {
    Operation::CreateToken(operation::CreateToken {
        platform: by(account),
        account: at(account),
        game: game.into(),
        entropy,
    })
}

fn token(entropy: u128) -> TokenId {
    TokenId::new(AccountHash::of(ANNA).slot(), entropy)
}

pub(super) fn redeem(entropy: u128) -> Request {
    Operation::RedeemToken(operation::RedeemToken { platform: by(ANNA), token: token(entropy) })
}

fn redeemed() -> Answer {
    let (currency, country) = (currency("GBP"), *b"GB");
    Outcome::Redeemed(Redeemed { account: ANNA.into(), key: KEY.into(), currency, country, extras: None })
}

#[test]
fn balances() {
    let mut story = Story::new();
    let right = Outcome::Balance(story.balance());
    story.check(balance_of(ANNA), right);
    let game = |game: &str| {
        Operation::Balance(operation::Balance {
            platform: by(ANNA),
            account: at(ANNA),
            game: Some(game.into()),
        })
    };
    let right = Outcome::Balance(story.balance());
    story.check(game(GAMES[1]), right);
    story.refused(game("404"), ErrorCode::GameNotFound);
    for account in ["default/nobody", "nowhere/x", "default", "default/", ""] {
        story.refused_blindly(balance_of(account), ErrorCode::AccountNotFound);
    }
}

#[test]
fn tokens() {
    let mut story = Story::new();
    story.refused_blindly(create("default/nobody", GAMES[0], 1), ErrorCode::AccountNotFound);
    story.refused(create(ANNA, "404", 1), ErrorCode::GameNotFound);
    story.check(create(ANNA, GAMES[0], 1), Outcome::Token(token(1)));
    let stranger = Operation::RedeemToken(operation::RedeemToken { platform: by(GULF), token: token(1) });
    story.refused_blindly(stranger, ErrorCode::SessionNotFound);
    story.check(redeem(1), redeemed());
    story.refused_blindly(redeem(1), ErrorCode::SessionNotFound);
    story.refused_blindly(redeem(2), ErrorCode::SessionNotFound);
    story.check(create(ANNA, GAMES[0], 2), Outcome::Token(token(2)));
    story.set_status(AccountStatus::Frozen);
    story.refused(create(ANNA, GAMES[0], 3), ErrorCode::AccountFrozen);
    story.refused(redeem(2), ErrorCode::AccountFrozen);
    story.set_status(AccountStatus::Active);
    story.later(bounds::TOKEN_LIFE_MS - 1);
    story.check(redeem(2), redeemed());
    // Another login by the same key is another session.
    story.check(create(ANNA, GAMES[0], 3), Outcome::Token(token(3)));
    story.login(ANNA, KEY);
    story.refused_blindly(redeem(3), ErrorCode::SessionNotFound);
    story.check(create(ANNA, GAMES[0], 4), Outcome::Token(token(4)));
    story.later(bounds::TOKEN_LIFE_MS);
    story.refused_blindly(redeem(4), ErrorCode::SessionNotFound);
    story.later(IDLE_MS);
    story.refused_blindly(create(ANNA, GAMES[0], 5), ErrorCode::AccountNotFound);
}

#[test]
fn wrapped_tokens() {
    let mut story = Story::with(TokenPolicy::Wrapped);
    let minted = |minted_ms| {
        Operation::RedeemWrapped(operation::RedeemWrapped { platform: by(ANNA), key: KEY.into(), minted_ms })
    };
    let token = Outcome::WrappedToken { key: KEY.into(), minted_ms: START_MS };
    story.check(create(ANNA, GAMES[0], 1), token);
    for minted_ms in [START_MS, START_MS - 60_000, START_MS + 5_000] {
        story.check(minted(minted_ms), redeemed());
    }
    for minted_ms in [START_MS - 60_001, START_MS + 5_001, 0, u64::MAX] {
        story.refused_blindly(minted(minted_ms), ErrorCode::SessionNotFound);
    }
    let unknown = Operation::RedeemWrapped(operation::RedeemWrapped {
        platform: by(ANNA),
        key: "x".into(),
        minted_ms: START_MS,
    });
    story.refused_blindly(unknown, ErrorCode::SessionNotFound);
    story.later(IDLE_MS);
    let expired = story.now_ms;
    story.refused(minted(expired), ErrorCode::SessionNotFound);
}

#[test]
fn bets_and_redeemings_renew_and_refusals_do_not() {
    let mut story = Story::new();
    story.later(IDLE_MS - 1);
    story.done(first_bet("r", "b", 1), -1);
    story.later(IDLE_MS - 1);
    story.check(create(ANNA, GAMES[0], 1), Outcome::Token(token(1)));
    story.check(redeem(1), redeemed());
    story.later(IDLE_MS - 1);
    story.done(bet("r", "b", 1), 0);
    story.refused(bet("s", "b", 1), ErrorCode::RoundNotFound);
    story.later(1);
    // Expired: the player is told so, and another's or an unknown key is not.
    story.refused(bet("r", "c", 1), ErrorCode::SessionNotFound);
    story.refused_blindly(Play { session: Some("x".into()), ..bet("r", "c", 1) }, ErrorCode::SessionNotFound);
    story.login(ANNA, KEY);
    story.done(bet("r", "c", 1), -1);
}

#[test]
fn an_expired_session_is_forgotten_after_a_day() {
    let mut story = Story::new();
    story.later(IDLE_MS + bounds::SESSION_REMEMBERED_MS - 1);
    story.refused(bet("r", "c", 1), ErrorCode::SessionNotFound);
    story.later(1);
    story.refused_blindly(bet("r", "c", 1), ErrorCode::SessionNotFound);
    story.refused_to_operator(close(ANNA, KEY), OperatorRefusal::NoSession);
}

/// Keys of Anna's live sessions, oldest login first.
fn live(story: &Story) -> Vec<String> {
    match story.auditor.clone().answer(story.now_ms, &get(ANNA)) {
        Outcome::Account(view) => view.sessions.iter().map(|session| session.key.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_17th_login_ends_the_session_that_was_used_least_recently() {
    let mut story = Story::new();
    for number in 1..bounds::SESSIONS_MAX {
        story.later(1);
        story.login(ANNA, &format!("key {number}"));
    }
    story.later(1);
    story.done(first_bet("r", "b", 1), -1);
    story.login(ANNA, "a");
    assert!(!live(&story).contains(&"key 1".to_owned()) && live(&story).contains(&KEY.to_owned()));
    assert_eq!(live(&story).len(), bounds::SESSIONS_MAX);
    // One that is there already ends nothing.
    story.login(ANNA, "key 2");
    story.login(ANNA, "a");
    assert_eq!(live(&story).len(), bounds::SESSIONS_MAX);
    // It was used just now, so another one is next.
    story.login(ANNA, "b");
    assert!(live(&story).contains(&"key 2".to_owned()) && !live(&story).contains(&"key 3".to_owned()));
    story.refused_blindly(
        Play { session: Some("key 1".into()), ..bet("r", "c", 1) },
        ErrorCode::SessionNotFound,
    );
}

#[test]
fn of_expired_sessions_the_one_that_was_used_least_recently_is_forgotten_first() {
    let mut story = Story::new();
    for number in 1..bounds::SESSIONS_MAX {
        story.later(1);
        story.login(ANNA, &format!("key {number}"));
    }
    story.later(IDLE_MS);
    for number in 0..bounds::SESSIONS_MAX {
        story.login(ANNA, &format!("new {number}"));
    }
    let named = |key: &str| Play { session: Some(key.into()), ..bet("r", "c", 1) };
    story.refused(named(KEY), ErrorCode::SessionNotFound);
    // The 33rd: a live one ends, so that no expired one is forgotten. It is told nothing of.
    story.login(ANNA, "one more");
    story.refused_blindly(named("new 0"), ErrorCode::SessionNotFound);
    story.refused(named(KEY), ErrorCode::SessionNotFound);
    story.check(close(ANNA, "one more"), Outcome::SessionClosed);
    story.check(close(ANNA, "new 1"), Outcome::SessionClosed);
    for key in ["c", "d"] {
        story.login(ANNA, key);
    }
    story.refused(named(KEY), ErrorCode::SessionNotFound);
    // Fewer are live than may be, and more are remembered.
    story.check(close(ANNA, "c"), Outcome::SessionClosed);
    story.later(IDLE_MS);
    story.login(ANNA, "e");
    story.login(ANNA, "f");
    story.refused_blindly(named(KEY), ErrorCode::SessionNotFound);
    story.refused(named("key 1"), ErrorCode::SessionNotFound);
}

/// A platform's tokens use up no other one's.
#[test]
fn a_17th_token_makes_the_oldest_of_its_platform_invalid() {
    let mut story = Story::new();
    let minted = |by: usize, entropy| {
        Operation::CreateToken(operation::CreateToken {
            platform: platform(by),
            account: at(ANNA),
            game: GAMES[0].into(),
            entropy,
        })
    };
    story.check(minted(1, 100), Outcome::Token(token(100)));
    for entropy in 0..=bounds::TOKENS_MAX as u128 {
        story.check(minted(0, entropy), Outcome::Token(token(entropy)));
    }
    story.refused_blindly(redeem(0), ErrorCode::SessionNotFound);
    story.check(redeem(1), redeemed());
    let of_other = |by: usize| {
        Operation::RedeemToken(operation::RedeemToken { platform: platform(by), token: token(100) })
    };
    story.refused_blindly(of_other(0), ErrorCode::SessionNotFound);
    story.check(of_other(1), redeemed());
}

#[test]
fn logins_and_logouts() {
    let mut story = Story::new();
    story.check(put(BERT), Outcome::AccountPut { created: true });
    story.refused_to_operator(open(BERT, KEY), OperatorRefusal::KeyTaken);
    story.refused_to_operator(open("default/nobody", "x"), OperatorRefusal::NoAccount);
    story.refused_to_operator(close("default/nobody", "x"), OperatorRefusal::NoAccount);
    story.refused_to_operator(close(BERT, KEY), OperatorRefusal::NoSession);
    story.check(close(ANNA, KEY), Outcome::SessionClosed);
    story.refused_to_operator(close(ANNA, KEY), OperatorRefusal::NoSession);
    story.refused_blindly(first_bet("r", "b", 1), ErrorCode::SessionNotFound);
    story.login(BERT, KEY);
    story.refused_blindly(first_bet("r", "b", 1), ErrorCode::SessionNotFound);
    for number in 0..bounds::SESSIONS_MAX {
        story.login(ANNA, &format!("key {number}"));
    }
    story.login(ANNA, "key 3");
    story.login(BERT, "one more");
    story.later(IDLE_MS);
    // The key is free for its own account alone, as long as its session is remembered.
    story.refused_to_operator(open(BERT, "key 3"), OperatorRefusal::KeyTaken);
    story.login(ANNA, "the next");
    // After that it is on its way, until the machine has given it back.
    story.later(bounds::SESSION_REMEMBERED_MS);
    let later = refused_operator(OperatorRefusal::TryAgain);
    assert_eq!(story.auditor.clone().check(story.now_ms, &open(BERT, "key 4"), &later), Ok(()));
    story.auditor.released("key 4", at(ANNA).hash());
    assert!(story.auditor.clone().check(story.now_ms, &open(BERT, "key 4"), &later).is_err());
    story.login(BERT, "key 4");
}

/// While another account's request about the key is under way, the key may be held or not.
#[test]
fn what_goes_on_at_the_same_time() {
    let mut story = Story::new();
    story.accept(put(BERT), Outcome::AccountPut { created: true });
    let taken = refused_operator(OperatorRefusal::KeyTaken);
    let opened = Outcome::SessionOpened { key: KEY.into() };
    let logout = story.auditor.sent(story.now_ms, &close(ANNA, KEY));
    let login = story.auditor.sent(story.now_ms, &open(BERT, KEY));
    story.auditor.applied(logout, story.now_ms);
    // The session is gone, though its logout is not answered yet.
    story.refused_blindly(first_bet("r", "b", 1), ErrorCode::SessionNotFound);
    assert_eq!(story.clone().auditor.answered(login, story.now_ms, &taken), Ok(()));
    assert_eq!(story.clone().auditor.answered(login, story.now_ms, &opened), Ok(()));
    assert!(story.clone().auditor.answered(logout, story.now_ms, &opened).is_err());
    assert_eq!(story.auditor.answered(logout, story.now_ms, &Outcome::SessionClosed), Ok(()));
    // Both were under way, so both are right still; to a third that comes now the key is free.
    assert_eq!(story.clone().auditor.answered(login, story.now_ms, &taken), Ok(()));
    assert_eq!(story.auditor.answered(login, story.now_ms, &opened), Ok(()));
    story.refused_to_operator(open(ANNA, KEY), OperatorRefusal::KeyTaken);
    // A win that has begun before a login may find the session or not.
    let named = Play { session: Some("new".into()), ..win("r", "w", 10) };
    let request = story.auditor.sent(story.now_ms, &Operation::Play(named));
    story.login(BERT, "new");
    let told = refused(ErrorCode::AccountNotFound);
    assert_eq!(story.clone().auditor.answered(request, story.now_ms, &told), Ok(()));
    story.moved(10);
    let done = Outcome::Done { reference: "w".into(), staked: None, balance: story.balance() };
    assert_eq!(story.auditor.answered(request, story.now_ms, &done), Ok(()));
}

/// Where a shard has turned a request away, nothing has changed.
#[test]
fn what_was_turned_away_may_come_again() {
    let mut story = Story::new();
    story.accept(Operation::Play(first_bet("r", "b", 1)), Outcome::Unavailable);
    story.done(first_bet("r", "b", 1), -1);
}
