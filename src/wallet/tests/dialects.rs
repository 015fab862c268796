//! Every key of a platform's dialect (protocol §4, Dialects), and settlement, which no dialect refuses.

use super::rounds::{Expect, Table};
use super::*;

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
        ("rollback r y 10 of=b", (0, at(1_000))),
    ];
    tell(Dialect { unknown_rollback_succeeds: true, ..Dialect::default() }, &succeeds);
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
            ("bet r a 1001", (-2, at(1_500))),
            ("bet r b 1001", (0, at(499))),
            ("bet s a 400 start", (0, at(99))),
            // A round that is not there is no refusal that lasts.
            ("bet t a 1", (-14, at(99))),
            ("bet t a 1 start", (0, at(98))),
        ],
    );
    table.story.later(999);
    table.check("bet r a 1", (-2, at(98)));
    table.story.later(1);
    table.check("bet r a 1", (0, at(97)));
    // The oldest make way.
    for number in 0..=limits::REFUSALS_REMEMBERED_MAX {
        table.check(&format!("bet r n{number} 98"), (-2, at(97)));
    }
    table.check("bet r n0 1", (0, at(96)));
    table.check("bet r n1 1", (-2, at(96)));
    tell(Dialect::default(), &[("bet r a 1001 start", (-2, at(1_000))), ("bet r a 1 start", (0, at(999)))]);
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
    table.story.check(&status(ADMIN, Status::Frozen), &Outcome::StatusSet(Status::Frozen));
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
    table.story.check(&status(ADMIN, Status::Active), &Outcome::StatusSet(Status::Active));
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
    let round = table.story.wallet.accounts.get(index).activity().unwrap().rounds[0];
    while !table.story.wallet.rounds.get(round).is_full() {
        let number = table.story.wallet.rounds.get(round).transactions.len();
        table.check(&format!("win r w{number} 0"), (0, at(1_500)));
    }
    table.check("win r late 1", (-7, at(1_500)));
    table.check("rollback r y 0 of=b8", (-7, at(1_500)));
    // A bet that can't come any more needs no cancellation.
    table.check("rollback r z 1 of=more", (-8, at(1_500)));
    table.check("bet r more 1", (-7, at(1_500)));
    table.check("end r", (0, at(1_500)));
}
