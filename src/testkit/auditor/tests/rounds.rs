//! Rows of protocol §4.

use super::*;

#[test]
fn bets_and_wins_move_funds() {
    let mut story = Story::new();
    story.refused(bet("r", "b0", 100), ErrorCode::RoundNotFound);
    story.done(first_bet("r", "b1", 100), -100);
    story.done(first_bet("r", "b2", 50), -50);
    story.done(bet("r", "b3", 0), 0);
    story.done(win("r", "b1", 300), 300);
    story.done(win("r", "w0", 0), 0);
    story.done(Play { ends_round: true, ..win("r", "w1", 1) }, 1);
    // It is closed: a bet may come late, and may not open it again.
    story.refused(first_bet("r", "b4", 1), ErrorCode::NotCompleted);
    story.done(bet("r", "b4", 1), -1);
    story.done(win("r", "w2", 5), 5);
    story.refused(first_bet("s", "b1", story.cash + 1), ErrorCode::InsufficientFunds);
    story.done(first_bet("s", "b1", story.cash), -story.cash);
}

#[test]
fn the_order_of_checks() {
    let mut story = Story::new();
    let bad = |play: Play<CompactString>| Play { currency: None, game: "404".into(), ..play };
    story.done(first_bet("r", "b", 100), -100);
    story.refused_blindly(
        Play { platform: by(GULF), session: Some("x".into()), ..bad(bet("r", "c", 1)) },
        ErrorCode::AccountNotFound,
    );
    let nobody = || at("default/nobody");
    story.refused_blindly(Play { account: nobody(), ..bet("r", "c", 1) }, ErrorCode::SessionNotFound);
    story.refused_blindly(Play { account: nobody(), ..win("r", "c", 1) }, ErrorCode::AccountNotFound);
    story.refused_blindly(Play { account: at("nowhere/x"), ..bet("r", "c", 1) }, ErrorCode::AccountNotFound);
    story.set_status(AccountStatus::Frozen);
    // What is known comes before everything else.
    story.done(Play { session: Some("x".into()), game: "404".into(), ..bet("r", "b", 100) }, 0);
    story.refused(
        Play { session: Some("x".into()), currency: None, ..bet("r", "b", 100) },
        ErrorCode::NotCompleted,
    );
    story.refused_blindly(
        Play { session: Some("x".into()), ..bad(bet("r", "c", 1)) },
        ErrorCode::SessionNotFound,
    );
    story.refused(bad(bet("r", "c", 1)), ErrorCode::AccountFrozen);
    story.refused(bad(win("r", "c", 1)), ErrorCode::CurrencyMismatch);
    story.refused(bad(void("s", "c", 1)), ErrorCode::CurrencyMismatch);
    story.set_status(AccountStatus::Active);
    story.refused(bad(bet("s", "c", 1)), ErrorCode::CurrencyMismatch);
    story.refused(Play { game: "404".into(), ..bet("s", "c", 1) }, ErrorCode::GameNotFound);
    story.refused(bet("s", "c", OPENING * 2), ErrorCode::RoundNotFound);
}

#[test]
fn repeats_change_nothing_and_other_contents_are_refused() {
    let mut story = Story::new();
    story.done(first_bet("r", "t", 100), -100);
    story.done(win("r", "t", 30), 30);
    story.done(rollback("r", "t", "t", 100), 100);
    story.done(first_bet("r", "u", 70), -70);
    story.done(void("r", "t", 70), 70);
    story.done(Play { ends_round: true, ..win("r", "t", 30) }, 0);
    story.done(rollback("r", "t", "t", 100), 0);
    story.done(void("r", "t", 70), 0);
    story.done(bet("r", "u", 70), 0);
    story.refused(bet("r", "t", 100), ErrorCode::NotCompleted);
    story.refused(bet("r", "u", 71), ErrorCode::NotCompleted);
    story.refused(win("r", "t", 31), ErrorCode::NotCompleted);
    story.refused(rollback("r", "t", "u", 100), ErrorCode::NotCompleted);
    story.refused(Play { currency: Some(currency("EUR")), ..void("r", "t", 70) }, ErrorCode::NotCompleted);
    // The repeat that ended its round has not ended it.
    story.done(first_bet("r", "v", 1), -1);
    // Days later, without a session.
    story.later(IDLE_MS);
    story.done(bet("r", "u", 70), 0);
}

#[test]
fn a_refusal_is_not_remembered() {
    let mut story = Story::new();
    story.refused(bet("r", "b", 100), ErrorCode::RoundNotFound);
    story.refused(Play { currency: None, ..first_bet("r", "b", 100) }, ErrorCode::CurrencyMismatch);
    story.done(first_bet("r", "b", 100), -100);
}

#[test]
fn rollbacks() {
    let mut story = Story::new();
    story.done(first_bet("r", "b", 100), -100);
    story.refused(rollback("r", "x", "b", 99), ErrorCode::NotCompleted);
    story.done(rollback("r", "x", "b", 100), 100);
    story.done(rollback("r", "y", "b", 100), 0);
    story.refused(rollback("r", "z", "b", 99), ErrorCode::NotCompleted);
    story.done(Play { ends_round: true, ..first_bet("s", "b", 10) }, -10);
    story.done(rollback("s", "x", "b", 10), 10);
    // Before its bet: remembered, and the round stays unknown.
    story.refused(rollback("t", "x", "b", 10), ErrorCode::TransactionNotFound);
    story.refused(rollback("t", "x", "b", 10), ErrorCode::TransactionNotFound);
    story.refused(first_bet("t", "b", 10), ErrorCode::NotCompleted);
    story.refused(bet("t", "c", 10), ErrorCode::RoundNotFound);
    story.refused(void("t", "v", 0), ErrorCode::RoundNotFound);
    story.refused(end("t"), ErrorCode::RoundNotFound);
    story.done(first_bet("t", "c", 10), -10);
    story.refused(bet("t", "b", 10), ErrorCode::NotCompleted);
}

#[test]
fn a_cancelled_bet_of_an_unknown_round_is_remembered_for_the_retention() {
    let mut story = Story::new();
    story.refused(rollback("r", "x", "b", 10), ErrorCode::TransactionNotFound);
    story.later(RETENTION_MS - 1);
    story.login(ANNA, KEY);
    story.refused(first_bet("r", "b", 10), ErrorCode::NotCompleted);
    story.later(1);
    story.done(first_bet("r", "b", 10), -10);
}

#[test]
fn voids_give_back_what_was_staked_and_no_more() {
    let mut story = Story::new();
    story.refused(void("r", "v", 10), ErrorCode::RoundNotFound);
    story.done(first_bet("r", "b", 100), -100);
    story.done(first_bet("r", "c", 50), -50);
    story.done(void("r", "v", 60), 60);
    story.refused(void("r", "w", 91), ErrorCode::NotCompleted);
    story.done(rollback("r", "x", "c", 50), 50);
    story.refused(rollback("r", "y", "b", 100), ErrorCode::NotCompleted);
    story.done(void("r", "w", 40), 40);
    story.refused(void("r", "z", 1), ErrorCode::NotCompleted);
    story.done(void("r", "z", 0), 0);
}

#[test]
fn ends() {
    let mut story = Story::new();
    story.refused(end("r"), ErrorCode::RoundNotFound);
    story.done(win("r", "w", 10), 10);
    for _ in 0..2 {
        let noted = Outcome::Noted(story.balance());
        story.check(end("r"), noted);
    }
    story.refused(first_bet("r", "b", 10), ErrorCode::NotCompleted);
}

#[test]
fn closed_rounds_are_forgotten_and_open_ones_are_not() {
    let mut story = Story::new();
    story.done(Play { ends_round: true, ..first_bet("closed", "b", 10) }, -10);
    story.done(first_bet("open", "b", 10), -10);
    story.later(1_000);
    story.done(win("closed", "w", 10), 10);
    story.later(RETENTION_MS - 1);
    story.done(bet("closed", "b", 10), 0);
    story.done(win("closed", "w", 10), 0);
    story.later(1);
    story.login(ANNA, KEY);
    story.refused(bet("closed", "b", 10), ErrorCode::RoundNotFound);
    story.done(first_bet("closed", "b", 20), -20);
    story.done(bet("open", "b", 10), 0);
}

#[test]
fn sessions_of_wins() {
    let mut story = Story::new();
    let named = |key: &str| Play { session: Some(key.into()), ..win("r", key, 10) };
    story.check(put(BERT), Outcome::AccountPut { created: true });
    story.login(BERT, "of-bert");
    story.done(named(KEY), 10);
    story.done(named("of-nobody"), 10);
    story.refused_blindly(named("of-bert"), ErrorCode::AccountNotFound);
    story.refused_blindly(Play { game: "404".into(), ..named("of-bert") }, ErrorCode::AccountNotFound);
    // Once it has expired it is nobody's.
    story.later(IDLE_MS);
    story.done(named("of-bert"), 10);
    story.check(open(BERT, "of-bert"), Outcome::SessionOpened { key: "of-bert".into() });
    story.done(named("of-bert"), 0);
}

#[test]
fn credits_and_alerts() {
    let mut story = Story::new();
    story.set_status(AccountStatus::Frozen);
    let paid = |story: &Story, id: &str| Outcome::Done {
        reference: id.into(),
        staked: None,
        balance: story.balance(),
    };
    story.moved(70);
    let right = paid(&story, "c");
    story.check(credit("c", 70), right.clone());
    story.check(credit("c", 70), right);
    story.refused(credit("c", 71), ErrorCode::NotCompleted);
    let Operation::Credit(operation::Credit { platform, account, transaction, kind, amount, .. }) =
        credit("d", 1)
    else {
        unreachable!("a credit is a credit");
    };
    let nowhere =
        Operation::Credit(operation::Credit { platform, account, transaction, kind, currency: None, amount });
    story.refused(nowhere, ErrorCode::CurrencyMismatch);
    let alert =
        Operation::Alert(operation::Alert { platform: by(ANNA), account: at(ANNA), details: "{}".into() });
    let noted = Outcome::Noted(story.balance());
    story.check(alert, noted);
    // Known for the retention, and then new.
    story.later(RETENTION_MS);
    story.moved(71);
    let right = paid(&story, "c");
    story.check(credit("c", 71), right);
}
