//! What the operator sees of an account's play (protocol §6).

use super::rounds::{Table, play};
use super::*;
use crate::operation::Play;
use crate::operation::PlayKind;
use crate::outcome::{LineKind, RoundView, Statement, StatementLine};

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
        let operation = Operation::GetStatement(operation::GetStatement {
            account: AccountRef::new(ADMIN),
            after,
            limit,
        });
        let expect = Statement { currency, lines: expect.to_vec(), more, complete_from: 1 };
        table.story.check(&operation, &Outcome::Statement(Box::new(expect)));
    };
    check(1, 10, &lines, false);
    check(1, 2, &lines[..2], true);
    check(3, 3, &lines[2..], false);
    check(6, 3, &[], false);
    check(1_000, 3, &[], false);

    let operation = Operation::GetAccount(operation::GetAccount { account: AccountRef::new(ADMIN) });
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
    let operation = Operation::GetStatement(operation::GetStatement {
        account: AccountRef::new(ADMIN),
        after: 0,
        limit: 1_000,
    });
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
    let operation = Operation::GetAccount(operation::GetAccount { account: AccountRef::new(ADMIN) });
    let Outcome::Account(view) = table.story.outcome(&operation) else { panic!("no account") };
    let orphans: Vec<(&str, bool)> =
        view.open_rounds.iter().map(|round| (round.id.as_str(), round.orphan)).collect();
    assert_eq!(orphans, [("r", true), ("s", false), ("t", true)]);
}

fn page(story: &mut Story, after: u64, limit: u16) -> Statement {
    let operation =
        Operation::GetStatement(operation::GetStatement { account: AccountRef::new(ADMIN), after, limit });
    let Outcome::Statement(statement) = story.outcome(&operation) else { panic!("no statement") };
    *statement
}

/// A page ends where it would be too long, whatever its `limit`, and says that there is more.
#[test]
fn a_page_is_bounded_in_bytes() {
    for (filler, at_most) in [("x", limits::STATEMENT_LINES_MAX), ("\"", 120), ("\u{1}", 100)] {
        let mut table = Table::new();
        let story = &mut table.story;
        let text = filler.repeat(44);
        for number in 0..400 {
            let (round, transaction) = (format!("r{number:04}{text}"), format!("t{number:04}{text}"));
            let Operation::Play(play) = play("win r t 0 start close") else { panic!() };
            let play = Play { round: round.into(), transaction: transaction.into(), ..play };
            assert!(matches!(story.outcome(&Operation::Play(play).as_deref()), Outcome::Done { .. }));
        }
        let (mut numbers, mut pages) = (Vec::new(), 0);
        loop {
            let after = numbers.last().copied().unwrap_or_default();
            let page = page(story, after, limits::STATEMENT_LINES_MAX as u16);
            let bytes: usize = page.lines.iter().map(StatementLine::json_bytes_max).sum();
            assert!(bytes <= limits::STATEMENT_BYTES_MAX && page.lines.len() <= at_most, "{bytes}");
            numbers.extend(page.lines.iter().map(|line| line.number));
            pages += 1;
            if !page.more {
                break;
            }
            assert!(bytes + 1_000 > limits::STATEMENT_BYTES_MAX, "it is no shorter than it must be");
        }
        assert!(pages > 2 && numbers.iter().copied().eq(1..=401), "{pages} pages");
        std::mem::forget(table);
    }
}

/// A page takes what is over out of memory first; where that is too much it is to be asked again, and is right then.
#[test]
fn a_page_does_not_pay_for_all_that_is_over() {
    const ROUNDS: usize = 10_000;
    let mut table = Table::new();
    let story = &mut table.story;
    // What has left memory is paid for by nobody.
    story.shadow = None;
    for number in 0..ROUNDS {
        story.outcome(&play(&format!("win r{number} w 0 start close")).as_deref());
    }
    story.later(limits::RETENTION_MS - 1);
    story.outcome(&play("win last w 0 start close").as_deref());
    story.later(1);
    let asked = Operation::GetStatement(operation::GetStatement {
        account: AccountRef::new(ADMIN),
        after: 0,
        limit: 10,
    });
    let mut refused = 0;
    while story.outcome(&asked) == Outcome::OperatorRefused(OperatorRefusal::Forgetting) {
        refused += 1;
    }
    assert!((2..=2 * ROUNDS / limits::FORGOTTEN_PER_PAGE + 1).contains(&refused), "{refused}");
    check_numbers(story, &[ROUNDS as u64 + 2], ROUNDS as u64 + 2);
    std::mem::forget(table);
}

/// Open rounds are shown in the order in which they were opened, by a replay and after a snapshot as well.
#[test]
fn open_rounds_keep_their_order() {
    let mut table = Table::new();
    for asked in [
        "rollback a x 1 of=never",
        "win b w 0 start",
        "win c w 0 start",
        "win a w 0",
        "win d w 0 start",
        "win c v 0",
        "win b v 0 close",
        "win e w 0 start",
    ] {
        table.story.outcome(&play(asked).as_deref());
        table.story.later(1);
    }
    let story = &mut table.story;
    let mut replayed = Wallet::to_replay();
    replayed.configure(0, story.wallet.settings()).unwrap();
    for (stamp, operation, receipt) in &story.journal {
        replayed.replay(Rules::V2, *stamp, &operation.as_deref(), receipt).unwrap();
    }
    let mut restored = Wallet::to_replay();
    restored.configure(0, story.wallet.settings()).unwrap();
    // Version 0.1.0 had them in another order.
    let mut turned = images(&story.wallet, story.now_ms);
    turned.iter_mut().for_each(|image| image.rounds.reverse());
    turned.iter().for_each(|image| restored.restore(image).unwrap());
    let stamp = Stamp { now_ms: story.now_ms, sequence: 1_000 };
    for wallet in [&mut story.wallet, &mut replayed, &mut restored] {
        let operation = Operation::GetAccount(operation::GetAccount { account: AccountRef::new(ADMIN) });
        let Outcome::Account(view) = wallet.apply(stamp, &operation, &mut Effect::default()) else {
            panic!()
        };
        let ids: Vec<&str> = view.open_rounds.iter().map(|round| round.id.as_str()).collect();
        assert_eq!((ids, view.open_rounds_count), (vec!["c", "a", "d", "e"], 4));
    }
}
