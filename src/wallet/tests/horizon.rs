//! What is forgotten, and when: it follows from the time and the records, and not from when a sweep came by.

use super::rounds::{Table, play};
use super::settings::{Calendar, DomainSettings};
use super::*;

const RETENTION_MS: Millis = limits::RETENTION_MS;

/// The settings with another retention.
fn retention(story: &Story, retention_ms: u64) -> Settings {
    Settings { retention_ms, ..story.wallet.settings().clone() }
}

#[test]
fn images_leave_out_what_is_past_the_horizon() {
    let mut table = Table::new();
    for asked in ["bet r a 100 start close", "bet s a 100 start", "rollback t x 1 of=never"] {
        table.story.outcome(&play(asked).as_deref());
    }
    let rounds = |story: &Story, now_ms| {
        let image = images(&story.wallet, now_ms).swap_remove(0);
        let (outside, of_games): (Vec<_>, Vec<_>) = image.rounds.iter().partition(|round| round.is_outside());
        let ids: Vec<String> = of_games.into_iter().map(|round| round.id.clone()).collect();
        (ids, image.sessions.len(), outside.len(), image.forgotten)
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let over_ms = START_MS + RETENTION_MS;
    assert_eq!(rounds(&table.story, over_ms - 1), (ids(&["s", "r", "t"]), 0, 1, 0));
    // The opening deposit had number 1, the bet of `r` number 2; an open round is remembered for ever.
    assert_eq!(rounds(&table.story, over_ms), (ids(&["s"]), 0, 0, 2));
    let session_ms = START_MS + IDLE_MS + limits::SESSION_REMEMBERED_MS;
    assert_eq!(rounds(&table.story, session_ms - 1).1, 1);
    assert_eq!(rounds(&table.story, session_ms).1, 0);
    assert_eq!(game_rounds(&table.story.wallet), 3, "and all of it is still in memory");
    table.story.later(RETENTION_MS);
    sweep(&mut table.story);
    assert_eq!(game_rounds(&table.story.wallet), 1);
    assert_eq!(rounds(&table.story, over_ms), (ids(&["s"]), 0, 0, 2));
}

/// A longer retention does not bring back what was over by the shorter one: live, it may have left memory.
#[test]
fn a_longer_retention_brings_nothing_back() {
    for sweeps in [false, true] {
        let mut table = Table::new();
        let story = &mut table.story;
        let short = retention(story, 1_000);
        assert_eq!(story.wallet.configure(story.now_ms, &short), Ok(true));
        assert!(matches!(story.outcome(&play("bet r a 100 start close").as_deref()), Outcome::Done { .. }));
        story.later(1_000);
        if sweeps {
            sweep(story);
        }
        let long = retention(story, RETENTION_MS);
        assert_eq!(story.wallet.configure(story.now_ms, &long), Ok(true));
        // The round is begun anew: a closed one would refuse it.
        assert!(matches!(story.outcome(&play("bet r b 100 start").as_deref()), Outcome::Done { .. }));
        let image = images(&story.wallet, story.now_ms).swap_remove(0);
        assert_eq!((image.rounds.len(), image.rounds[0].transactions.len(), image.forgotten), (1, 1, 2));
        std::mem::forget(table);
    }
}

/// Nor does a longer idle time bring a session back that was over.
#[test]
fn a_longer_idle_time_brings_no_session_back() {
    let mut table = Table::new();
    table.story.later(IDLE_MS - 1);
    table.story.login(ADMIN, "later");
    table.story.later(1);
    table.check("bet r a 1 start", (-3, Some(1_000)));
    let story = &mut table.story;
    let long = Settings { session_idle_ms: 10 * IDLE_MS, ..story.wallet.settings().clone() };
    let mut image = images(&story.wallet, story.now_ms).swap_remove(0);
    image.end_expired(story.now_ms, story.wallet.settings());
    assert_eq!(story.wallet.configure(story.now_ms, &long), Ok(true));
    assert_eq!(images(&story.wallet, story.now_ms)[0], image, "a fold comes to the same");
    table.check("bet r a 1 start", (-3, None));
    table.story.later(IDLE_MS);
    table.check("bet r a 1 start key=later", (0, Some(999)));
    std::mem::forget(table);
}

/// Before version 0.2.0 a change of the settings forgot nothing; what came after it in such a journal may need it.
#[test]
fn a_change_of_version_0_1_0_forgets_nothing() {
    let mut table = Table::new();
    let story = &mut table.story;
    assert!(matches!(story.outcome(&play("bet r a 100 start close").as_deref()), Outcome::Done { .. }));
    story.later(RETENTION_MS);
    let long = retention(story, 2 * RETENTION_MS);
    assert_eq!(story.wallet.replay_settings(Rules::V1, story.now_ms, &long), Ok(true));
    assert!(matches!(story.outcome(&play("rollback r x 100 of=a").as_deref()), Outcome::Done { .. }));
    std::mem::forget(table);
}

#[test]
fn a_round_begins_anew_after_its_retention() {
    let mut table = Table::new();
    table.check("bet r a 100 start close", (0, Some(900)));
    table.story.later(RETENTION_MS - 1);
    table.check("win r w 5", (0, Some(905)));
    table.story.later(RETENTION_MS - 1);
    table.check("bet r b 100 start key=none", (-3, None));
    table.check("win r w 5", (0, Some(905)));
    table.story.later(1);
    table.check("void r v 1", (-14, Some(905)));
    table.check("win r w 5", (0, Some(910)));
    table.check("rollback r x 100 of=a", (-8, Some(910)));
}

#[test]
fn a_statement_says_where_it_begins() {
    let mut table = Table::new();
    for asked in ["bet open a 100 start", "bet r a 100 start close", "win open b 5"] {
        table.story.outcome(&play(asked).as_deref());
        table.story.later(1);
    }
    let statement = Operation::GetStatement(operation::GetStatement {
        account: AccountRef::new(ADMIN),
        after: 0,
        limit: 10,
    });
    let check = |story: &mut Story, expect: (&[u64], u64)| {
        let Outcome::Statement(told) = story.outcome(&statement) else { panic!() };
        let numbers: Vec<u64> = told.lines.iter().map(|line| line.number).collect();
        assert_eq!((&numbers[..], told.complete_from), expect);
    };
    check(&mut table.story, (&[1, 2, 3, 4], 1));
    table.story.later(RETENTION_MS);
    check(&mut table.story, (&[2, 4], 4));
    sweep(&mut table.story);
    check(&mut table.story, (&[2, 4], 4));
}

/// However much is over at one time, it leaves memory in small pieces, and shows none of it meanwhile.
#[test]
fn what_is_over_leaves_memory_in_pieces() {
    const ROUNDS: usize = 1_000;
    for pieces in [1, 2, 7, 1_000, usize::MAX] {
        let mut table = Table::new();
        let story = &mut table.story;
        for number in 0..ROUNDS {
            // Three of each round, the id of a bet that never came among them; every tenth round stays open.
            let ends = if number.is_multiple_of(10) { "" } else { " close" };
            for asked in [
                format!("rollback r{number} x 1 of=never"),
                format!("win r{number} w 1 start"),
                format!("win r{number} v 1{ends}"),
            ] {
                story.outcome(&play(&asked).as_deref());
            }
        }
        story.outcome(&transfer(ADMIN, Direction::In, "outside", "1"));
        let (open, before) = (ROUNDS / 10, game_rounds(&story.wallet));
        assert_eq!(before, ROUNDS);
        story.later(RETENTION_MS);
        let image = images(&story.wallet, story.now_ms);
        story.wallet.begin_sweep();
        // Accounts, rounds, what is in them, and what is outside of rounds.
        let items = 2 + (ROUNDS - open) * 4 + 2;
        let mut turns = 0;
        while story.wallet.tidy(story.now_ms, pieces) {
            turns += 1;
            assert!(game_rounds(&story.wallet) > open || turns >= items / 2 / pieces, "in pieces");
            if turns % 1_000 == 1 {
                assert_eq!(images(&story.wallet, story.now_ms), image, "nothing of it is seen");
            }
        }
        // And that a round waited to leave memory: when it was cancelled, and when it ended.
        let most = items + 2 * ROUNDS;
        assert!(turns >= items / 2 / pieces && turns <= most / pieces + 3, "{turns} turns of {pieces}");
        assert_eq!(game_rounds(&story.wallet), open);
        assert_eq!(images(&story.wallet, story.now_ms), image);
        std::mem::forget(table);
    }
}

/// An account that is changed without a pause keeps nothing that is over, though no sweep comes by.
#[test]
fn changes_of_an_account_take_along_what_is_over() {
    let mut table = Table::new();
    let story = &mut table.story;
    let short = retention(story, 1_000);
    assert_eq!(story.wallet.configure(story.now_ms, &short), Ok(true));
    for number in 0..2_000 {
        let asked = match number % 4 {
            0 => format!("rollback r{number} x 1 of=never"),
            1 => format!("win r{number} w 1 start close"),
            2 => format!("win r{} late 1", number - 1),
            _ => String::new(),
        };
        let outcome = match asked.as_str() {
            "" => story.outcome(&transfer(ADMIN, Direction::In, &format!("d{number}"), "1")),
            asked => story.outcome(&play(asked).as_deref()),
        };
        assert!(!matches!(outcome, Outcome::OperatorRefused(_)), "{outcome:?}");
        story.later(10);
        // A hundred changes are remembered, half of them with a round of their own.
        assert!(game_rounds(&story.wallet) <= 60, "{} rounds", game_rounds(&story.wallet));
    }
    std::mem::forget(table);
}

/// A change takes as little along of a large round as of others.
#[test]
fn a_large_round_leaves_in_pieces() {
    const TRANSACTIONS: usize = 1_000;
    let mut table = Table::new();
    let story = &mut table.story;
    for number in 1..TRANSACTIONS {
        story.outcome(&play(&format!("win large w{number} 0 start")).as_deref());
    }
    story.outcome(&play("win large last 0 close").as_deref());
    story.later(RETENTION_MS);
    let image = |story: &Story| images(&story.wallet, story.now_ms).remove(0).rounds.len();
    let mut changes = 0;
    while changes == 0 || game_rounds(&story.wallet) > changes {
        assert_eq!(image(story), changes, "nothing of it is seen");
        story.outcome(&play(&format!("win r{changes} w 0 start close")).as_deref());
        changes += 1;
    }
    // One more for the round itself.
    assert_eq!(changes, TRANSACTIONS / limits::FORGOTTEN_PER_CHANGE + 1);
}

/// An id outside of rounds is free after its retention, whether its first use has left memory or not.
#[test]
fn a_payment_is_made_again_after_its_retention() {
    let mut table = Table::new();
    let story = &mut table.story;
    let pay = |story: &mut Story, id: &str, minor: i64, version: u64| {
        story.check(
            &transfer(ADMIN, Direction::In, id, "1"),
            &Outcome::Transferred(funds("GBP", minor, version)),
        );
    };
    for number in 0..10 {
        pay(story, &format!("d{number}"), 1_100 + 100 * number, 2 + number as u64);
    }
    story.later(RETENTION_MS);
    // Each takes four along; the last ones are over and still in memory when they come again.
    for (at, number) in [9, 8, 9, 8, 0].into_iter().enumerate() {
        let again = [0, 1, 1, 1, 2][at] as i64;
        pay(story, &format!("d{number}"), 2_100 + 100 * again, 12 + again as u64);
    }
    let Outcome::Statement(page) = story.outcome(&Operation::GetStatement(operation::GetStatement {
        account: AccountRef::new(ADMIN),
        after: 0,
        limit: 100,
    })) else {
        panic!("no statement");
    };
    let numbers: Vec<u64> = page.lines.iter().map(|line| line.number).collect();
    assert_eq!((&numbers[..], page.complete_from), (&[12, 13, 14][..], 12));
}

#[test]
fn limits_count_by_the_domains_own_day() {
    const HOUR_MS: Millis = 3_600_000;
    let mut table = Table::new();
    let story = &mut table.story;
    // A day that ends half an hour from now, in a week and a month that go on.
    let calendar = |starts_ms, until_ms| Some(Calendar { starts_ms, until_ms });
    let settings = |story: &Story, calendar| {
        let mut settings = story.wallet.settings().clone();
        let domain: &mut DomainSettings =
            settings.domains.iter_mut().find(|domain| domain.name == "default").unwrap();
        domain.calendar = calendar;
        settings
    };
    let midnight_ms = START_MS + HOUR_MS / 2;
    let before = calendar([midnight_ms - 24 * HOUR_MS, START_MS - 9 * HOUR_MS, 0], midnight_ms);
    let after = calendar([midnight_ms, START_MS - 9 * HOUR_MS, 0], midnight_ms + 24 * HOUR_MS);
    assert_eq!(story.wallet.calendars_until(), Millis::MAX);
    assert_eq!(story.wallet.configure(story.now_ms, &settings(story, before)), Ok(true));
    assert_eq!(story.wallet.configure(story.now_ms, &settings(story, before)), Ok(false));
    assert_eq!(story.wallet.calendars_until(), midnight_ms);
    let money = |text| Money::parse(text);
    let limits = Restrictions {
        wager: restriction::ByPeriod { day: money("3"), week: money("4"), month: None },
        ..Restrictions::none()
    };
    story.outcome(&Operation::SetLimits(operation::SetLimits {
        account: AccountRef::new(ADMIN),
        limits: Box::new(limits),
    }));
    let bet = |story: &mut Story, id: &str, minor: u32, code: i8| {
        let asked = format!("bet r {id} {minor} start");
        let is = match story.outcome(&play(&asked).as_deref()) {
            Outcome::Done { .. } => 0,
            Outcome::Refused { code, .. } => code.number(),
            other => panic!("{other:?}"),
        };
        assert_eq!(is, code, "{asked}");
    };
    bet(story, "a", 300, 0);
    bet(story, "b", 1, -11);
    story.later(HOUR_MS / 2);
    story.login(ADMIN, KEY);
    story.wallet.configure(story.now_ms, &settings(story, after)).unwrap();
    bet(story, "b", 100, 0);
    bet(story, "c", 1, -11);
    // Where days begin earlier from now on, what was counted stays counted.
    let earlier = calendar([START_MS, START_MS - 10 * HOUR_MS, 0], midnight_ms + 23 * HOUR_MS);
    story.wallet.configure(story.now_ms, &settings(story, earlier)).unwrap();
    bet(story, "d", 1, -11);
    std::mem::forget(table);
}

/// Two keys of one account with one hash, one in 2^64 pairs: after a start each has its claim.
#[test]
fn keys_of_one_hash_are_released_one_by_one() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.shadow = None;
    let (key, account) = (KeyHash::of("k"), AccountHash::of(ADMIN));
    assert!(story.wallet.adopt_key(key, account));
    assert!(story.wallet.adopt_key(key, account));
    for left in [1, 0] {
        let release = Operation::ReleaseKey(operation::ReleaseKey {
            key: "k",
            holder: account,
            answer: operation::Released::Swept,
        });
        assert_eq!(story.outcome(&release), Outcome::Silent);
        assert_eq!(story.wallet.session_keys(), left);
    }
}

/// What is outside of rounds counts in what a turn takes out of memory.
#[test]
fn payments_leave_memory_in_pieces() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    for id in ["a", "b", "c", "d", "e"] {
        story.outcome(&transfer(ADMIN, Direction::In, id, "1"));
    }
    story.later(RETENTION_MS);
    story.wallet.begin_sweep();
    assert!(story.wallet.tidy(story.now_ms, 4), "there is more");
    let mut turns = 1;
    while story.wallet.tidy(story.now_ms, 4) {
        turns += 1;
    }
    // The opening deposits of two accounts are among them, and each is a transaction, a round of its own, and one that cools.
    assert_eq!((turns, story.wallet.rounds.len()), (3 * 7 / 4, 0));
}

/// Limits are all that these accounts have, and their stories are told again from images.
#[test]
fn an_account_that_has_but_limits_is_stored_with_them() {
    let money = |text| Money::parse(text);
    for limits in [
        Restrictions { stake: money("1"), ..Restrictions::none() },
        Restrictions { session_minutes: Some(60), ..Restrictions::none() },
    ] {
        let mut story = Story::new(TokenPolicy::SingleUse);
        story.check(&put("default/new"), &Outcome::AccountPut { created: true });
        let account = AccountRef::new("default/new");
        let set = operation::SetLimits { account, limits: Box::new(limits) };
        assert!(matches!(story.outcome(&set.into()), Outcome::LimitsSet { .. }));
    }
}
