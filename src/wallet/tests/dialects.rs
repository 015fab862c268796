//! Every key of a platform's dialect (protocol §4, Dialects), and settlement, which no dialect refuses.

use super::rounds::{Expect, Table, play};
use super::*;
use crate::restriction::ByPeriod;

/// Lines of one story of a platform that speaks so.
#[track_caller]
fn tell(dialect: Dialect, lines: &[(&str, Expect)]) -> Table {
    let mut table = Table::new();
    let mut catalog = (**table.story.wallet.catalog.as_ref().unwrap()).clone();
    catalog.set_dialect(platform(PLATFORM), dialect);
    table.story.wallet.open(Arc::new(catalog));
    for (asked, expect) in lines {
        table.check(asked, *expect);
    }
    table
}

fn at(cash: i64) -> Option<i64> {
    Some(cash)
}

#[test]
fn unknown_rollback() {
    let usual = [("rollback r x 10 of=a", (-8, at(1_000))), ("bet r a 10 start", (-7, at(1_000)))];
    tell(Dialect::default(), &usual);
    let succeeds = [
        ("rollback r x 10 of=a", (0, at(1_000))),
        ("rollback r x 10 of=a", (0, at(1_000))),
        ("bet r a 10 start", (-7, at(1_000))),
        ("bet r b 10 start", (0, at(990))),
        // It was a success, and so its id is used.
        ("rollback r x 10 of=b", (-7, at(990))),
        ("rollback r x 11 of=a", (-7, at(990))),
        ("rollback r y 10 of=b", (0, at(1_000))),
        // A further one of the same bet is remembered, too, and may end the round.
        ("rollback r z 10 of=a close", (0, at(1_000))),
        ("bet r c 10 start", (-7, at(1_000))),
        ("rollback r z 10 of=b", (-7, at(1_000))),
        // It opens none.
        ("rollback s x 10 of=a close", (0, at(1_000))),
        ("void s v 0", (-14, at(1_000))),
        ("bet s b 10 start", (0, at(990))),
    ];
    let mut table = tell(Dialect { unknown_rollback_succeeds: true, ..Dialect::default() }, &succeeds);
    let statement = Operation::GetStatement(operation::GetStatement {
        account: AccountRef::new(ADMIN),
        after: 1,
        limit: 1,
    });
    let Outcome::Statement(statement) = table.story.outcome(&statement) else { panic!() };
    let line = &statement.lines[0];
    assert_eq!((line.moved_nothing, line.original.as_deref()), (true, Some("a")));
}

/// What was told of a rollback that finds no bet follows from its record, not from how the platform is configured since.
#[test]
fn a_change_of_unknown_rollback_changes_no_past() {
    for succeeds in [false, true] {
        let dialect = |succeeds| Dialect { unknown_rollback_succeeds: succeeds, ..Dialect::default() };
        let code = if succeeds { 0 } else { -8 };
        let mut table = tell(dialect(succeeds), &[("rollback r x 10 of=a", (code, at(1_000)))]);
        let mut catalog = (**table.story.wallet.catalog.as_ref().unwrap()).clone();
        catalog.set_dialect(platform(PLATFORM), dialect(!succeeds));
        table.story.wallet.open(Arc::new(catalog));
        // A refusal is not remembered, and a success is.
        table.check("rollback r x 10 of=a", (0, at(1_000)));
        table.check("bet r a 10 start", (-7, at(1_000)));
    }
}

#[test]
fn strict_rounds() {
    let lines = |strict: bool| {
        let code = if strict { -7 } else { 0 };
        [
            ("bet r a 10 start", (0, at(990))),
            ("win r w 0", (0, at(990))),
            ("rollback r x 10 of=a", (0, at(1_000))),
            // All bets are rolled back: no winnings, but for none.
            ("win r w2 5", (code, at(if strict { 1_000 } else { 1_005 }))),
            ("win r w3 0", (0, at(if strict { 1_000 } else { 1_005 }))),
        ]
    };
    tell(Dialect { strict_rounds: true, ..Dialect::default() }, &lines(true));
    tell(Dialect::default(), &lines(false));
    let strict = Dialect { strict_rounds: true, ..Dialect::default() };
    tell(
        strict,
        &[
            ("bet r a 10 start", (0, at(990))),
            ("bet r b 10", (0, at(980))),
            ("rollback r x 10 of=b", (0, at(990))),
            ("win r w 5", (0, at(995))),
            ("rollback r y 10 of=a", (-7, at(995))),
            // What was done stays done, and a bet that is not there is cancelled.
            ("rollback r x 10 of=b", (0, at(995))),
            ("rollback r u 10 of=b", (0, at(995))),
            ("rollback r z 10 of=c", (-8, at(995))),
            ("bet r c 10", (-7, at(995))),
        ],
    );
    // Voids don't count, and a round without bets takes winnings.
    tell(
        strict,
        &[
            ("bet r a 10 start", (0, at(990))),
            ("void r v 10", (0, at(1_000))),
            ("win r w 5", (0, at(1_005))),
            ("win s w 5", (0, at(1_010))),
        ],
    );
}

#[test]
fn remember_refusals() {
    let remembers = Dialect { remember_refusals_ms: 1_000, ..Dialect::default() };
    let mut table = tell(
        remembers,
        &[
            ("bet r a 1001 start", (-2, at(1_000))),
            ("bet r z 1 start account=default/nobody", (-3, None)),
            ("win r w 500", (0, at(1_500))),
            ("win r a 0", (0, at(1_500))),
            ("bet r a 1001", (-2, at(1_500))),
            ("bet r b 1001", (0, at(499))),
            ("bet s a 400 start", (0, at(99))),
            // A round that is not there is no refusal that lasts.
            ("bet t a 1", (-14, at(99))),
            ("bet t a 1 start", (0, at(98))),
        ],
    );
    table.story.later(999);
    table.story.wallet.forget_all(table.story.now_ms);
    table.check("bet r a 1", (-2, at(98)));
    table.story.later(1);
    table.check("bet r a 1", (0, at(97)));
    // What can't be remembered is not refused for good, and what is remembered stays so.
    for number in 0..limits::REFUSALS_REMEMBERED_MAX {
        table.check(&format!("bet r n{number} 98"), (-2, at(97)));
    }
    table.check("bet r more 98", (-1, None));
    table.check("bet r n0 1", (-2, at(97)));
    table.check("bet r more 1", (0, at(96)));
    table.story.later(1_000);
    table.check("bet r again 98", (-2, at(96)));
    table.check("bet r n0 1", (0, at(95)));
    tell(Dialect::default(), &[("bet r a 1001 start", (-2, at(1_000))), ("bet r a 1 start", (0, at(999)))]);
}

/// A refusal is of a bet in its round, which a platform knows by its game or without.
#[test]
fn a_refusal_is_remembered_of_its_round() {
    let mut table = Table::new();
    let domain = Domain::new("default".into(), Currency::from_code("GBP").unwrap(), [platform(PLATFORM)]);
    let mut catalog = Catalog::new(vec![domain], [GAME.to_owned(), "g2".to_owned()]);
    catalog.set_dialect(platform(PLATFORM), Dialect { remember_refusals_ms: 1_000, ..Dialect::default() });
    table.story.wallet.open(Arc::new(catalog));
    for (asked, expect) in [
        ("bet r a 1001 start", (-2, at(1_000))),
        ("bet r a 1 start game=g2", (-2, at(1_000))),
        ("bet s a 1001 start scoped", (-2, at(1_000))),
        ("bet s a 1 start scoped", (-2, at(1_000))),
        ("bet s a 1 start scoped game=g2", (0, at(999))),
    ] {
        table.check(asked, expect);
    }
}

/// What is remembered of it is in memory alone: the account is stored as if it had not been asked.
#[test]
fn a_refused_bet_leaves_no_trace() {
    let mut table = tell(Dialect { remember_refusals_ms: 1_000, ..Dialect::default() }, &[]);
    let poor = "default/poor";
    table.story.outcome(&put(poor));
    table.story.login(poor, "key-of-poor");
    let stored = |table: &Table| {
        let images = images(&table.story.wallet, table.story.now_ms);
        images.into_iter().find(|image| image.id == poor)
    };
    let before = stored(&table);
    let bet = play("bet r a 1 start account=default/poor key=key-of-poor");
    assert!(matches!(table.story.outcome(&bet.as_deref()), Outcome::Refused { .. }));
    assert_eq!(stored(&table), before);
}

/// Each refusal that lasts, under a limit that is taken away at once.
#[test]
fn refusals_that_are_remembered() {
    let remembers = Dialect { remember_refusals_ms: 1_000, ..Dialect::default() };
    let money = |text| Money::parse(text);
    let none: Restrictions<Money> = Restrictions::none();
    let by_month = |month| ByPeriod { month, ..ByPeriod::none() };
    for (code, limits) in [
        (-2, none),
        (-10, Restrictions { stake: money("0.01"), ..none }),
        (-11, Restrictions { wager: by_month(money("0.01")), ..none }),
        (-12, Restrictions { loss: by_month(money("0.01")), ..none }),
        (-13, Restrictions { session_minutes: Some(1), ..none }),
    ] {
        let mut table = tell(remembers, &[]);
        let mut set = |limits: Restrictions<Money>| {
            let operation = Operation::SetLimits(operation::SetLimits {
                account: AccountRef::new(ADMIN),
                limits: Box::new(limits),
            });
            assert!(matches!(table.story.outcome(&operation), Outcome::LimitsSet { .. }));
            table.story.later(60_000);
        };
        set(limits);
        let stake = if code == -2 { 1_001 } else { 2 };
        table.check(&format!("bet r a {stake} start"), (code, at(1_000)));
        let lifted = Operation::SetLimits(operation::SetLimits {
            account: AccountRef::new(ADMIN),
            limits: Box::new(none),
        });
        assert!(matches!(table.story.outcome(&lifted), Outcome::LimitsSet { .. }));
        table.story.later(999);
        table.check("bet r a 1 start", (code, at(1_000)));
        table.story.later(1);
        table.check("bet r a 1 start", (0, at(999)));
    }
}

#[test]
fn session_token() {
    let mut table = tell(Dialect { token_policy: TokenPolicy::Wrapped, ..Dialect::default() }, &[]);
    let minted = Outcome::WrappedToken { key: KEY, minted_ms: table.story.now_ms };
    table.story.check(&create(PLATFORM, ADMIN, GAME, 1), &minted);
}

/// Rounds are settled whatever happened to the player or the game since the bet.
#[test]
fn settlement_is_never_refused() {
    let mut table = tell(
        Dialect::default(),
        &[("bet r a 100 start", (0, at(900))), ("bet r b 100", (0, at(800))), ("bet r c 100", (0, at(700)))],
    );
    table.story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    for (asked, expect) in [
        ("bet r d 100 game=404", (-4, at(700))),
        ("rollback r x 100 of=a game=404", (0, at(800))),
        ("void r v 100 game=404", (0, at(900))),
        ("win r w 5 game=404", (0, at(905))),
        ("rollback r y 100 of=late game=404", (-8, at(905))),
        ("end r game=404", (0, at(905))),
    ] {
        table.check(asked, expect);
    }
    table.story.check(&status(ADMIN, AccountStatus::Active), &Outcome::StatusSet(AccountStatus::Active));
    table.check("bet r late 100", (-7, at(905)));
    table.check("bet r e 1 game=404", (-15, at(905)));
}

#[test]
fn a_full_round_refuses_bets_alone() {
    let mut table = tell(Dialect::default(), &[("bet r b0 0 start", (0, at(1_000)))]);
    for number in 1..limits::ROUND_BETS_MAX {
        table.check(&format!("bet r b{number} 0"), (0, at(1_000)));
    }
    table.check("bet r more 1", (-7, at(1_000)));
    table.check("win r w 500", (0, at(1_500)));
    table.check("rollback r x 0 of=b7", (0, at(1_500)));
    table.check("void r v 0", (0, at(1_500)));
    let index = table.story.wallet.accounts.find(&AccountRef::new(ADMIN)).unwrap();
    let (scope, now_ms) = (RoundScope::Platform, START_MS);
    let of = table.story.wallet.platforms.find(platform(PLATFORM)).unwrap();
    let round = table.story.wallet.remembered_round(now_ms, index, of, "r", scope, GAME).unwrap();
    while !table.story.wallet.rounds.get(round).is_full() {
        let number = table.story.wallet.rounds.get(round).len();
        table.check(&format!("win r w{number} 0"), (0, at(1_500)));
    }
    table.check("win r late 1", (-7, at(1_500)));
    table.check("void r late 0", (-7, at(1_500)));
    table.check("rollback r y 0 of=b8", (-7, at(1_500)));
    // A bet that can't come any more needs no cancellation.
    table.check("rollback r z 1 of=more", (-8, at(1_500)));
    table.check("bet r more 1", (-7, at(1_500)));
    table.check("end r", (0, at(1_500)));
}

/// The only round there is, begun by a platform that knew rounds by their game.
#[test]
fn a_round_is_found_after_its_platform_knows_rounds_without_their_game() {
    let begun = ("bet r a 1 start scoped", (0, at(999)));
    tell(Dialect::default(), &[begun, ("end s", (-14, at(999))), ("end r", (0, at(999)))]);
}

/// A round without a bet has none that was rolled back.
#[test]
fn a_strict_platform_pays_every_win_of_a_round_without_bets() {
    let strict = Dialect { strict_rounds: true, ..Dialect::default() };
    tell(strict, &[("win r w 1", (0, at(1_001))), ("win r v 1", (0, at(1_002)))]);
}

/// Version 0.1.0 did not store of which game and platform a round is: it may be of any.
#[test]
fn a_round_of_version_0_1_0_is_found_by_its_game() {
    for owner in [platform(PLATFORM), PlatformKey::NONE] {
        let mut table = tell(Dialect::default(), &[("bet r a 1 start", (0, at(999)))]);
        let story = &mut table.story;
        let mut wallet = Wallet::to_replay();
        wallet.configure(0, story.wallet.settings()).unwrap();
        for mut image in images(&story.wallet, story.now_ms) {
            for round in image.rounds.iter_mut().filter(|round| !round.is_outside()) {
                (round.game, round.platform) = (String::new(), owner.bytes());
                round.transactions.iter_mut().for_each(|known| known.game = None);
            }
            wallet.restore(&image).unwrap();
        }
        wallet.open(story.wallet.catalog.clone().unwrap());
        story.wallet = wallet;
        table.check("end s scoped", (-14, at(999)));
        table.check("end r scoped", (0, at(999)));
        std::mem::forget(table);
    }
}
