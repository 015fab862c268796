//! What the operator sees of an account's play (protocol §6).

use super::rounds::{Table, play};
use super::*;
use crate::wallet::operation::PlayKind;
use crate::wallet::outcome::{LineKind, RoundView, Statement, StatementLine};

#[test]
fn the_statement_and_the_open_rounds() {
    let mut table = Table::new();
    for asked in
        ["bet r a 100 start", "win r a 5", "bet s a 10 start", "rollback s x 10 of=a", "rollback s y 10 of=a"]
    {
        assert!(!matches!(table.story.outcome(&play(asked).as_deref()), Outcome::Refused { .. }));
        table.story.later(1);
    }
    let ended = play("end s").as_deref().map(|text| CompactString::from(*text));
    table.story.outcome(&ended.as_deref());
    let line = |number: u64, kind, round: &str, transaction: &str, amount, balance_after| StatementLine {
        number,
        kind: LineKind::Play(kind),
        platform: platform(PLATFORM),
        round: Some(round.into()),
        game: Some(GAME.into()),
        transaction: transaction.into(),
        original: (kind == PlayKind::Rollback).then(|| "a".into()),
        amount: Amount::from_minor(amount).unwrap(),
        moved_nothing: false,
        rolled_back: false,
        balance_after: Amount::from_minor(balance_after).unwrap(),
        at_ms: START_MS + number - 2,
    };
    let mut lines = vec![
        line(2, PlayKind::Bet, "r", "a", 100, 900),
        line(3, PlayKind::Win, "r", "a", 5, 905),
        line(4, PlayKind::Bet, "s", "a", 10, 895),
        line(5, PlayKind::Rollback, "s", "x", 10, 905),
        line(6, PlayKind::Rollback, "s", "y", 10, 905),
    ];
    lines[2].rolled_back = true;
    lines[4].moved_nothing = true;
    let currency = Currency::from_code("GBP").unwrap();
    let mut check = |after, limit, expect: &[StatementLine], more| {
        let operation = Operation::GetStatement { account: AccountRef::new(ADMIN), after, limit };
        let expect = Statement { currency, lines: expect.to_vec(), more, complete_from: 1 };
        table.story.check(&operation, &Outcome::Statement(Box::new(expect)));
    };
    check(1, 10, &lines, false);
    check(1, 2, &lines[..2], true);
    check(3, 3, &lines[2..], false);
    check(6, 3, &[], false);
    check(1_000, 3, &[], false);

    let operation = Operation::GetAccount { account: AccountRef::new(ADMIN) };
    let Outcome::Account(view) = table.story.outcome(&operation) else { panic!("no account") };
    let staked = Amount::from_minor(100).unwrap();
    let open = RoundView {
        platform: platform(PLATFORM),
        id: "r".into(),
        game: Some(GAME.into()),
        staked,
        returned: Amount::ZERO,
        orphan: false,
        last_ms: START_MS + 1,
    };
    assert_eq!((view.open_rounds, view.open_rounds_count), (vec![open], 1));

    // The end of `s` is what its retention counts from.
    table.story.later(limits::RETENTION_MS);
    check_numbers(&mut table.story, &[2, 3], 7);
    sweep(&mut table.story);
    check_numbers(&mut table.story, &[2, 3], 7);
}

/// The statement has the transactions of these numbers, and all of them from the last number on.
#[track_caller]
fn check_numbers(story: &mut Story, expect: &[u64], complete_from: u64) {
    let operation = Operation::GetStatement { account: AccountRef::new(ADMIN), after: 0, limit: 1_000 };
    let Outcome::Statement(statement) = story.outcome(&operation) else { panic!("no statement") };
    let numbers: Vec<u64> = statement.lines.iter().map(|line| line.number).collect();
    assert_eq!((&numbers[..], statement.complete_from), (expect, complete_from));
}

#[test]
fn winnings_without_a_start_are_marked_as_an_orphan() {
    let mut table = Table::new();
    table.check("win r a 1", (0, Some(1_001)));
    table.check("win s a 1 start", (0, Some(1_002)));
    table.check("rollback t x 1 of=a", (-8, Some(1_002)));
    table.check("win t a 1", (0, Some(1_003)));
    let operation = Operation::GetAccount { account: AccountRef::new(ADMIN) };
    let Outcome::Account(view) = table.story.outcome(&operation) else { panic!("no account") };
    let orphans: Vec<(&str, bool)> =
        view.open_rounds.iter().map(|round| (round.id.as_str(), round.orphan)).collect();
    assert_eq!(orphans, [("r", true), ("s", false), ("t", true)]);
}
