//! Rows of protocol §4, Identity: what one platform sends finds nothing of another one's.

use super::*;

/// The second platform's, or the other game's.
fn by_other(play: Play<CompactString>) -> Play<CompactString> {
    Play { platform: platform(1), ..play }
}

fn in_other(play: Play<CompactString>) -> Play<CompactString> {
    Play { game: GAMES[1].into(), scope: RoundScope::Game, ..play }
}

fn by_game() -> Story {
    Story::speaking(Dialect { round_scope: RoundScope::Game, ..Dialect::default() })
}

#[test]
fn two_platforms_use_the_same_ids() {
    let mut story = Story::new();
    story.done(first_bet("1001", "1", 100), -100);
    story.done(by_other(first_bet("1001", "1", 100)), -100);
    story.done(win("1001", "1", 50), 50);
    story.done(by_other(win("1001", "1", 70)), 70);
    story.refused(by_other(rollback("1001", "2", "2", 100)), ErrorCode::TransactionNotFound);
    story.done(by_other(rollback("1001", "2", "1", 100)), 100);
    story.done(bet("1001", "1", 100), 0);
    story.refused(by_other(bet("1001", "1", 100)), ErrorCode::NotCompleted);
    // The other's end closes the other's round.
    let Operation::EndRound(operation::EndRound { account, round, scope, game, currency, details, .. }) =
        end("1001")
    else {
        unreachable!("an end is an end");
    };
    let end = Operation::EndRound(operation::EndRound {
        platform: platform(1),
        account,
        round,
        scope,
        game,
        currency,
        details,
    });
    let noted = Outcome::Noted(story.balance());
    story.check(end, noted);
    story.done(first_bet("1001", "3", 1), -1);
    story.refused(by_other(first_bet("1001", "3", 1)), ErrorCode::NotCompleted);
}

#[test]
fn two_platforms_use_the_same_id_of_a_credit() {
    let mut story = Story::new();
    for number in 0..2 {
        let Operation::Credit(operation::Credit { account, transaction, kind, currency, amount, .. }) =
            credit("c", 70)
        else {
            unreachable!("a credit is a credit");
        };
        let platform = platform(number);
        story.moved(70);
        let right = Outcome::Done { reference: "c".into(), staked: None, balance: story.balance() };
        story.check(
            Operation::Credit(operation::Credit { platform, account, transaction, kind, currency, amount }),
            right,
        );
    }
}

#[test]
fn two_games_of_a_platform_use_the_same_ids() {
    let mut story = by_game();
    story.done(first_bet("5", "1", 100), -100);
    story.refused(in_other(bet("5", "1", 100)), ErrorCode::RoundNotFound);
    story.done(in_other(first_bet("5", "1", 100)), -100);
    story.refused(in_other(rollback("5", "2", "2", 1)), ErrorCode::TransactionNotFound);
    story.done(in_other(rollback("5", "2", "1", 100)), 100);
    story.done(bet("5", "1", 100), 0);
    // By default a round is its platform's, whatever the game.
    let mut story = Story::new();
    story.done(first_bet("5", "1", 100), -100);
    story.done(Play { game: GAMES[1].into(), ..bet("5", "1", 100) }, 0);
}

#[test]
fn a_scope_that_was_changed_finds_what_it_began() {
    let (plain, by_game) = (Story::new().auditor.rules, by_game().auditor.rules);
    for (first, then) in [(&plain, &by_game), (&by_game, &plain)] {
        let mut story = Story::by_rules(first.clone());
        story.done(first_bet("r", "b", 100), -100);
        story.auditor.rules = then.clone();
        story.done(bet("r", "b", 100), 0);
        story.done(win("r", "w", 30), 30);
        // Another game's round it was not so far.
        story.auditor.rules = by_game.clone();
        story.refused(in_other(bet("r", "c", 1)), ErrorCode::RoundNotFound);
    }
}
