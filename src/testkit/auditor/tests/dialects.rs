//! Rows of protocol §4, Dialects.

use super::*;
use crate::auditor::bounds;

#[test]
fn the_rollback_of_an_unknown_bet_may_succeed() {
    let mut story = Story::speaking(Dialect { unknown_rollback_succeeds: true, ..Dialect::default() });
    for _ in 0..2 {
        story.done(rollback("r", "x", "b", 10), 0);
    }
    story.refused(first_bet("r", "b", 10), ErrorCode::NotCompleted);
    story.refused(end("r"), ErrorCode::RoundNotFound);
}

#[test]
fn strict_rounds() {
    let mut story = Story::speaking(Dialect { strict_rounds: true, ..Dialect::default() });
    // A round without bets takes wins.
    story.done(win("s", "w", 10), 10);
    story.done(first_bet("r", "a", 100), -100);
    story.done(bet("r", "b", 50), -50);
    story.done(rollback("r", "x", "a", 100), 100);
    // One bet stands.
    story.done(win("r", "zero", 0), 0);
    story.done(rollback("r", "y", "b", 50), 50);
    story.refused(win("r", "w", 1), ErrorCode::NotCompleted);
    story.done(win("r", "more of zero", 0), 0);
    story.done(bet("r", "c", 30), -30);
    story.done(void("r", "v", 30), 30);
    // Voids don't count.
    story.done(win("r", "w", 1), 1);
    story.refused(rollback("r", "z", "c", 30), ErrorCode::NotCompleted);
    // What was taken back is so already.
    story.done(rollback("r", "u", "a", 100), 0);
    story.done(win("r", "w", 1), 0);
}

#[test]
fn refusals_may_be_remembered() {
    let minute_ms = 60_000;
    let mut story = Story::speaking(Dialect { remember_refusals_ms: minute_ms, ..Dialect::default() });
    story.refused(first_bet("r", "b", OPENING + 1), ErrorCode::InsufficientFunds);
    story.refused(first_bet("r", "b", 1), ErrorCode::InsufficientFunds);
    // Another bet, another round, and another platform's are others.
    story.done(first_bet("r", "c", 1), -1);
    story.done(first_bet("s", "b", 1), -1);
    story.done(Play { platform: platform(1), ..first_bet("r", "b", 1) }, -1);
    // What is refused otherwise is not remembered.
    story.refused(Play { game: "404".into(), ..bet("r", "d", 1) }, ErrorCode::GameNotFound);
    story.done(bet("r", "d", 1), -1);
    story.later(minute_ms - 1);
    story.refused(bet("r", "b", 1), ErrorCode::InsufficientFunds);
    story.later(1);
    story.done(bet("r", "b", 1), -1);
}

#[test]
fn what_can_not_stay_refused_is_not_refused_for_good() {
    let mut story = Story::speaking(Dialect { remember_refusals_ms: 60_000, ..Dialect::default() });
    for number in 0..bounds::REFUSALS_MAX {
        story.refused(first_bet("r", &number.to_string(), OPENING + 1), ErrorCode::InsufficientFunds);
    }
    story.check(Operation::Play(first_bet("r", "more", OPENING + 1)), refused(ErrorCode::Unknown));
    story.refused(first_bet("r", "0", 1), ErrorCode::InsufficientFunds);
    story.done(first_bet("r", "more", 1), -1);
}

#[test]
fn each_platform_has_its_own_tokens() {
    let mut rules = World::rules(TokenPolicy::SingleUse);
    rules.dialects.get_mut(&platform(1)).unwrap().token_policy = TokenPolicy::Wrapped;
    let mut story = Story::by_rules(rules);
    let create = |by: usize| {
        Operation::CreateToken(operation::CreateToken {
            platform: platform(by),
            account: at(ANNA),
            game: GAMES[0].into(),
            entropy: 1,
        })
    };
    let token = wallet::token::TokenId::new(at(ANNA).hash().slot(), 1);
    story.check(create(0), Outcome::Token(token));
    story.check(create(1), Outcome::WrappedToken { key: KEY.into(), minted_ms: START_MS });
}
