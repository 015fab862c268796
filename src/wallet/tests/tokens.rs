//! Tokens of both policies: how many, for how long, and how they read (protocol §3).

use super::*;
use crate::account::Slot;
use crate::ledger::AccountIndex;
use crate::platforms::PlatformIndex;
use crate::tokens::{Token, Tokens};

#[test]
fn outstanding_tokens_are_bounded_and_expire() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.login(ADMIN, KEY);
    let most = limits::TOKENS_PER_ACCOUNT_MAX as u128;
    let tokens: Vec<TokenId> = (0..=most).map(|entropy| story.token(entropy)).collect();
    // The oldest was evicted for the last one, and nothing else did.
    story.check(&redeem(PLATFORM, tokens[0]), &refusal(ErrorCode::SessionNotFound));
    story.check(&redeem(PLATFORM, tokens[1]), &redeemed(KEY));
    assert_eq!(story.wallet.tokens(), limits::TOKENS_PER_ACCOUNT_MAX - 1);
    story.later(limits::TOKEN_LIFE_MS);
    story.token(most + 1);
    sweep(&mut story);
    assert_eq!(story.wallet.tokens(), 1);
}

/// A further token of an account ends its own oldest, and no older one of another account.
#[test]
fn an_account_that_mints_without_end_ends_no_tokens_of_another() {
    let mut tokens = Tokens::default();
    let token = |account: usize, number: usize| Token {
        random: (account as u128) << 64 | number as u128,
        account: AccountIndex::new(account),
        platform: PlatformIndex::from_number(1),
        session: 0,
        expires_ms: START_MS + limits::TOKEN_LIFE_MS,
    };
    let first = token(1, 0);
    assert!(tokens.mint(START_MS, first));
    for number in 0..2 * limits::TOKENS_PER_ACCOUNT_MAX {
        assert!(tokens.mint(START_MS, token(2, number)));
    }
    assert_eq!(tokens.len(), 1 + limits::TOKENS_PER_ACCOUNT_MAX);
    assert!(tokens.get(START_MS, first.random).is_some());
}

fn token_of(platform: u16, number: usize, minted_ms: Millis) -> Token {
    Token {
        random: u128::from(platform) << 64 | number as u128,
        account: AccountIndex::new(number % 1_000_000),
        platform: PlatformIndex::from_number(platform),
        session: 0,
        expires_ms: minted_ms + limits::TOKEN_LIFE_MS,
    }
}

/// A platform that has its share of a shard's tokens loses its own oldest, however many platforms there are.
#[test]
fn a_platform_that_mints_without_end_ends_no_tokens_of_another() {
    for platforms in [1, 2, limits::PLATFORMS_MAX] {
        let mut tokens = Tokens::default();
        tokens.share_among(platforms);
        let share = limits::TOKENS_MAX / platforms;
        // The last platform floods, and all others have some tokens, the second as many as it may.
        let flooding = platforms as u16;
        let of_others = |platform: u16| if platform == 2 { share } else { 100 };
        for platform in 1..flooding {
            for number in 0..of_others(platform) {
                assert!(tokens.mint(START_MS, token_of(platform, number, START_MS)));
            }
        }
        for number in 0..share + 5 {
            assert!(tokens.mint(START_MS, token_of(flooding, number, START_MS)), "nothing is refused");
        }
        let is_there = |token: &Token| tokens.get(START_MS, token.random).is_some();
        for platform in 1..flooding {
            let mut theirs = (0..of_others(platform)).map(|number| token_of(platform, number, START_MS));
            assert!(theirs.all(|token| is_there(&token)), "{platform} of {platforms}");
        }
        let first = (0..).find(|number| is_there(&token_of(flooding, *number, START_MS)));
        assert_eq!(first, Some(5), "it has its share, of {platforms}");
        assert!(tokens.len() <= limits::TOKENS_MAX);
    }
}

/// At the highest rate at which tokens were seen to be minted, 150,000 a second, by one platform for two lives of a token, none
/// that is over stays: neither while it mints nor once it has stopped.
#[test]
fn expired_tokens_are_gone_in_time() {
    const PER_MS: usize = 150;
    let mut tokens = Tokens::default();
    tokens.share_among(1);
    let (mut now_ms, mut number) = (START_MS, 0);
    while now_ms < START_MS + 2 * limits::TOKEN_LIFE_MS {
        for _ in 0..PER_MS {
            assert!(tokens.mint(now_ms, token_of(1, number, now_ms)));
            number += 1;
        }
        now_ms += 1;
    }
    assert_eq!(tokens.len(), limits::TOKENS_MAX, "more were minted in a life than it may have");
    now_ms += limits::TOKEN_LIFE_MS;
    let (mut turns, mut left) = (0, limits::TOKENS_MAX);
    while left > 0 {
        let mut budget = limits::TIDIED_PER_TURN;
        tokens.expire(now_ms, &mut budget);
        assert_eq!((tokens.len(), budget), (left - limits::TIDIED_PER_TURN, 0), "a turn takes so many");
        (turns, left) = (turns + 1, tokens.len());
    }
    assert_eq!(turns, limits::TOKENS_MAX / limits::TIDIED_PER_TURN);
    // In a quiet second, when another one mints nothing either, a sweep and the turns after it do the same.
    assert!(tokens.mint(now_ms, token_of(1, number, now_ms)));
    assert_eq!(tokens.len(), 1);
}

#[test]
fn wrapped_tokens() {
    let mut story = Story::new(TokenPolicy::Wrapped);
    story.check(&wrapped(PLATFORM, KEY, START_MS), &refusal(ErrorCode::SessionNotFound));
    story.login(ADMIN, KEY);
    let minted = Outcome::WrappedToken { key: KEY, minted_ms: START_MS };
    story.check(&create(PLATFORM, ADMIN, GAME, 1), &minted);
    let none = refusal(ErrorCode::SessionNotFound);
    for (minted_ms, expect) in [
        (START_MS, redeemed(KEY)),
        (START_MS, redeemed(KEY)),
        (START_MS - 60_000, redeemed(KEY)),
        (START_MS - 60_001, none.clone()),
        (START_MS + 5_000, redeemed(KEY)),
        (START_MS + 5_001, none.clone()),
        (0, none.clone()),
        (u64::MAX, none.clone()),
    ] {
        story.check(&wrapped(PLATFORM, KEY, minted_ms), &expect);
    }
    story.check(&wrapped(PLATFORM, "other", START_MS), &none);
    story.check(&wrapped(STRANGER, KEY, START_MS), &none);
    story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    story.check(&wrapped(PLATFORM, KEY, START_MS), &refusal_with(ErrorCode::AccountFrozen));
    story.check(&status(ADMIN, AccountStatus::Active), &Outcome::StatusSet(AccountStatus::Active));
    story.later(IDLE_MS);
    let expired = story.now_ms;
    story.check(&wrapped(PLATFORM, KEY, expired), &refusal_with(ErrorCode::SessionNotFound));
    // Once it is not remembered any more it is unknown, whether it was swept or not.
    story.later(limits::SESSION_REMEMBERED_MS);
    let unknown = story.now_ms;
    story.check(&wrapped(PLATFORM, KEY, unknown), &none);
}

#[test]
fn tokens_as_text() {
    let slot = Slot::new(4_095).unwrap();
    let check = |random: u128, text: &str| {
        let token = TokenId::new(slot, random);
        assert_eq!(token.write(&mut [0; token::TOKEN_CHARS]), text);
        assert_eq!(TokenId::parse(text), Some(token));
    };
    check(0, "H_8AAAAAAAAAAAAAAAAAAAAA");
    check(u128::MAX, "H_______________________");
    for text in [
        "",
        "H_8AAAAAAAAAAAAAAAAAAAA",
        "H_8AAAAAAAAAAAAAAAAAAAAAA",
        "L_8AAAAAAAAAAAAAAAAAAAAA",
        "H+8AAAAAAAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(TokenId::parse(text), None, "{text}");
    }
    for (text, expect) in [
        ("20fbd3b9-eef2-49cd-9976-50f0d34e7f7c-179e5f738d8", Some((KEY, 0x0179_e5f7_38d8))),
        ("k-0", Some(("k", 0))),
        ("a-b-ff", Some(("a-b", 255))),
        ("k-ffffffffffffffff", Some(("k", u64::MAX))),
        ("k-10000000000000000", None),
        ("k-FF", None),
        ("k-+1", None),
        ("k-", None),
        ("-1", None),
        ("k", None),
        ("", None),
    ] {
        assert_eq!(token::parse_wrapped(text), expect, "{text}");
    }
}
