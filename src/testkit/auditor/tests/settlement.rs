//! Rows of protocol §4: what happened to the player or the game since the bet does not stop a round from being settled;
//! and of its bounds.

use super::*;
use crate::auditor::bounds;

fn all_of(story: &mut Story, game: &str) {
    let of = |play| Play { game: game.into(), ..play };
    story.done(of(win("r", "w", 10)), 10);
    story.done(of(rollback("r", "x", "b", 100)), 100);
    story.done(of(void("r", "v", 20)), 20);
    story.refused(of(rollback("r", "y", "late", 5)), ErrorCode::TransactionNotFound);
    let Operation::EndRound(operation::EndRound {
        platform, account, round, scope, currency, details, ..
    }) = end("r")
    else {
        unreachable!("an end is an end");
    };
    let game = game.into();
    let noted = Outcome::Noted(story.balance());
    story.check(
        Operation::EndRound(operation::EndRound { platform, account, round, scope, game, currency, details }),
        noted,
    );
}

#[test]
fn a_frozen_account_is_settled() {
    let mut story = Story::new();
    story.done(first_bet("r", "b", 100), -100);
    story.done(bet("r", "c", 50), -50);
    story.set_status(AccountStatus::Frozen);
    story.refused(bet("r", "d", 1), ErrorCode::AccountFrozen);
    all_of(&mut story, GAMES[0]);
    // The bet that comes late was cancelled, and is so when the player may play again.
    story.set_status(AccountStatus::Active);
    story.refused(bet("r", "late", 5), ErrorCode::NotCompleted);
}

#[test]
fn a_withdrawn_game_is_settled() {
    let mut story = Story::new();
    story.done(first_bet("r", "b", 100), -100);
    story.done(bet("r", "c", 50), -50);
    story.auditor.rules.games.remove(GAMES[0]);
    story.refused(bet("r", "d", 1), ErrorCode::GameNotFound);
    let balance = Operation::Balance(operation::Balance {
        platform: by(ANNA),
        account: at(ANNA),
        game: Some(GAMES[0].into()),
    });
    story.refused(balance, ErrorCode::GameNotFound);
    all_of(&mut story, GAMES[0]);
}

#[test]
fn a_full_round_refuses_bets_alone() {
    let mut story = Story::new();
    let bets = bounds::ROUND_BETS_MAX as i64;
    for number in 0..bets {
        story.moved(-1);
        let (reference, staked) = (format!("{number}").into(), Some(pence(1)));
        let done = Outcome::Done { reference, staked, balance: story.balance() };
        story.accept(Operation::Play(first_bet("r", &number.to_string(), 1)), done);
    }
    story.refused(bet("r", "one more", 1), ErrorCode::NotCompleted);
    story.done(bet("r", "7", 1), 0);
    story.done(win("r", "w", 500), 500);
    story.done(rollback("r", "x", "0", 1), 1);
    story.done(void("r", "v", 1), 1);
    for number in story.auditor.tip(ANNA).unwrap().transactions.len()..=bounds::ROUND_TRANSACTIONS_MAX {
        let (reference, balance) = (format!("w{number}").into(), story.balance());
        let zero = win("r", &format!("w{number}"), 0);
        let done = Outcome::Done { reference, staked: None, balance: Balance { ..balance } };
        story.accept(Operation::Play(zero), done);
    }
    for play in [win("r", "late", 1), void("r", "late", 1), rollback("r", "late", "1", 1)] {
        story.refused(play, ErrorCode::NotCompleted);
    }
    story.refused(rollback("r", "late", "nothing", 1), ErrorCode::TransactionNotFound);
    let noted = Outcome::Noted(story.balance());
    story.check(end("r"), noted);
}

#[test]
fn an_account_has_so_many_open_rounds() {
    let mut story = Story::new();
    let whole = |play: Play<CompactString>| Play { ends_round: true, ..play };
    story.done(whole(first_bet("closed", "b", 0)), 0);
    for number in 0..bounds::OPEN_ROUNDS_MAX {
        let done = Outcome::Done { reference: "b".into(), staked: Some(pence(0)), balance: story.balance() };
        story.accept(Operation::Play(first_bet(&number.to_string(), "b", 0)), done);
    }
    story.refused(first_bet("more", "b", 1), ErrorCode::NotCompleted);
    story.refused(bet("more", "b", 1), ErrorCode::RoundNotFound);
    story.refused_blindly(win("more", "w", 1), ErrorCode::Unknown);
    story.done(whole(first_bet("whole", "b", 1)), -1);
    story.done(whole(win("won", "w", 1)), 1);
    story.done(win("0", "w", 1), 1);
    story.done(win("closed", "w", 1), 1);
    let noted = Outcome::Noted(story.balance());
    story.check(end("0"), noted);
    story.done(first_bet("more", "b", 1), -1);
    story.refused(first_bet("another", "b", 1), ErrorCode::NotCompleted);
}
