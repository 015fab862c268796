//! Game rounds (protocol §4): the ladder of each call, idempotency, and what order brings.

use super::*;
use crate::operation::{self, Play, PlayKind};

/// A story with a session of `ADMIN`, who has 10.00, two balance changes being behind.
pub(super) struct Table {
    pub(super) story: Story,
}

/// What a line answers: the code, and the cash in pence after it. No cash where the account is not told of.
pub(super) type Expect = (i8, Option<i64>);

impl Table {
    pub(super) fn new() -> Self {
        let mut story = Story::new(TokenPolicy::SingleUse);
        story.login(ADMIN, KEY);
        Self { story }
    }

    /// `asked` is a line of [`play`]; the answer has this code and this cash.
    #[track_caller]
    pub(super) fn check(&mut self, asked: &str, expect: Expect) {
        let operation = play(asked);
        let before = self.story.sequence;
        let outcome = self.story.outcome(&operation.as_deref());
        let (code, balance) = match &outcome {
            Outcome::Done { reference, staked, balance } => {
                let Operation::Play(play) = &operation else { panic!("{asked}: {outcome:?}") };
                assert_eq!(*reference, play.transaction, "{asked}");
                assert_eq!(*staked, (play.kind == PlayKind::Bet).then_some(play.amount), "{asked}");
                (0, Some(*balance))
            }
            Outcome::Noted(balance) => (0, Some(*balance)),
            Outcome::Refused { code, balance, .. } => (code.number(), *balance),
            other => panic!("{asked}: {other:?}"),
        };
        assert_eq!((code, balance.map(|balance| balance.cash.minor())), expect, "{asked}");
        if code != 0 && code != -8 {
            assert_eq!(self.story.sequence, before, "a refusal changes nothing: {asked}");
        }
    }

    fn version(&mut self) -> u64 {
        match self.story.outcome(&balance(PLATFORM, ADMIN, None)) {
            Outcome::Balance(balance) => balance.version,
            other => panic!("{other:?}"),
        }
    }

    fn freeze(&mut self) {
        self.story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    }
}

/// An operation from its words: `bet|win|rollback|void|end ROUND [ID [AMOUNT]]`, then in any order `of=BET`, `start`,
/// `close`, `scoped` (a round is known by its game too), and what is to differ from the usual: `key=`, `nokey`, `account=`, `currency=`, `game=`, `by=`.
pub(super) fn play(asked: &str) -> Operation<CompactString> {
    let mut words = asked.split(' ');
    let call = words.next().unwrap();
    let round = CompactString::from(words.next().unwrap());
    let mut plain = Vec::new();
    let (mut key, mut account, mut game, mut by) = (Some(KEY), ADMIN, GAME, PLATFORM);
    let (mut original, mut starts_round, mut ends_round) = (None, false, false);
    let mut scope = RoundScope::Platform;
    let mut currency = Currency::from_code("GBP");
    for word in words {
        match word.split_once('=') {
            Some(("of", bet)) => original = Some(CompactString::from(bet)),
            Some(("key", other)) => key = Some(other),
            Some(("account", other)) => account = other,
            Some(("currency", code)) => currency = Currency::from_code(code),
            Some(("game", other)) => game = other,
            Some(("by", other)) => by = other.parse().unwrap(),
            None if word == "nokey" => key = None,
            None if word == "scoped" => scope = RoundScope::Game,
            None if word == "start" => starts_round = true,
            None if word == "close" => ends_round = true,
            _ => plain.push(word),
        }
    }
    let (platform, account) = (platform(by), AccountRef::new(account.into()));
    let kind = match call {
        "bet" => PlayKind::Bet,
        "win" => PlayKind::Win,
        "rollback" => PlayKind::Rollback,
        "void" => PlayKind::Void,
        "end" => {
            let game = game.into();
            return Operation::EndRound(operation::EndRound {
                platform,
                account,
                round,
                scope,
                game,
                currency,
                details: None,
            });
        }
        _ => panic!("{asked}"),
    };
    let [transaction, amount] = plain[..] else { panic!("{asked}") };
    let amount = Amount::from_minor(amount.parse().unwrap()).unwrap();
    Operation::Play(Play {
        kind,
        platform,
        account,
        session: key.map(CompactString::from),
        session_checked: false,
        round,
        scope,
        transaction: transaction.into(),
        original,
        game: game.into(),
        currency,
        amount: if currency.is_some() { amount } else { Amount::ZERO },
        starts_round,
        ends_round,
        details: None,
    })
}

/// Lines of one story, in their order.
#[track_caller]
fn tell(lines: &[(&str, Expect)]) {
    let mut table = Table::new();
    for (asked, expect) in lines {
        table.check(asked, *expect);
    }
}

#[test]
fn bets() {
    tell(&[
        ("bet r a 100", (-14, Some(1_000))),
        ("bet r a 100 start", (0, Some(900))),
        ("bet r b 100", (0, Some(800))),
        ("bet r c 100 start", (0, Some(700))),
        ("bet r d 701", (-2, Some(700))),
        ("bet r d 700", (0, Some(0))),
        ("bet r e 1", (-2, Some(0))),
        ("bet r f 0", (0, Some(0))),
    ]);
    // A round that is closed takes late bets, and is not started again.
    tell(&[
        ("bet r a 100 start close", (0, Some(900))),
        ("bet r b 100 start", (-7, Some(900))),
        ("bet r b 100", (0, Some(800))),
        ("bet r c 100 start", (-7, Some(800))),
        ("end r", (0, Some(800))),
    ]);
}

#[test]
fn the_ladder_of_a_bet() {
    let mut table = Table::new();
    table.story.check(&put("default/other"), &Outcome::AccountPut { created: true });
    table.story.login("default/other", "theirs");
    table.check("bet r a 1 start account=nodomain/admin game=1 currency=EUR", (-5, None));
    table.check("bet r a 1 start by=1 game=1", (-5, None));
    table.check("bet r a 1 start account=default/nobody game=1", (-3, None));
    table.check("bet r a 1 start account=default/nobody by=1", (-5, None));
    table.check("bet r a 1 start key=unknown game=1 currency=EUR", (-3, None));
    table.check("bet r a 1 start key=theirs game=1 currency=EUR", (-3, None));
    table.check("bet r a 1 start currency=EUR game=1", (-9, Some(1_000)));
    table.check("bet r a 1 start currency=XXX game=1", (-9, Some(1_000)));
    table.check("bet r a 9999 game=1", (-15, Some(1_000)));
    table.check("bet r a 9999", (-14, Some(1_000)));
    table.freeze();
    table.check("bet r a 9999 key=unknown", (-3, None));
    table.check("bet r a 9999 currency=EUR game=1", (-4, Some(1_000)));
    table.story.later(IDLE_MS);
    // Expired, not unknown: the funds are told. Frozen comes after it.
    table.check("bet r a 9999 currency=EUR game=1", (-3, Some(1_000)));
}

#[test]
fn a_bet_renews_its_session_and_a_refused_one_or_a_repeat_does_not() {
    let mut table = Table::new();
    table.story.later(IDLE_MS - 1);
    table.check("bet r a 1 start", (0, Some(999)));
    table.story.later(IDLE_MS - 1);
    table.check("bet r a 1 start", (0, Some(999)));
    table.check("bet r b 9999", (-2, Some(999)));
    table.story.later(1);
    table.check("bet r b 1", (-3, Some(999)));
    // A success stays one.
    table.check("bet r a 1 start", (0, Some(999)));
}

/// A renewal comes to the journal late, and a bet that lives of it must not be lost in a replay.
#[test]
fn a_bet_may_depend_on_a_renewal_that_is_not_journaled() {
    let mut table = Table::new();
    for number in 0..3 {
        table.story.later(IDLE_MS - 1);
        let token = table.story.token(number);
        table.story.check(&redeem(PLATFORM, token), &redeemed(KEY));
    }
    table.story.later(IDLE_MS - 1);
    table.check("bet r a 1 start", (0, Some(999)));
}

#[test]
fn wins() {
    tell(&[
        ("bet r a 100 start", (0, Some(900))),
        ("win r a 250", (0, Some(1_150))),
        ("win r b 0", (0, Some(1_150))),
        ("win r c 1 start close", (0, Some(1_151))),
        ("win r d 1", (0, Some(1_152))),
        ("bet r e 1 start", (-7, Some(1_152))),
        // An unknown round is opened.
        ("win s a 1", (0, Some(1_153))),
        ("bet s a 1", (0, Some(1_152))),
        ("win t a 1 start", (0, Some(1_153))),
    ]);
    tell(&[
        ("win r a 1 account=nodomain/x", (-5, None)),
        ("win r a 1 account=default/nobody", (-5, None)),
        ("win r a 1 by=1", (-5, None)),
        ("win r a 1 currency=EUR game=1", (-9, Some(1_000))),
        // A game that is not offered any more is settled.
        ("win r a 1 game=1", (0, Some(1_001))),
        ("win r c 1 nokey", (0, Some(1_002))),
        ("win r b 1 key=unknown", (0, Some(1_003))),
    ]);
}

#[test]
fn a_win_asks_for_no_session_and_no_status() {
    let mut table = Table::new();
    table.check("bet r a 100 start", (0, Some(900)));
    table.story.later(30 * 24 * 3_600_000);
    table.freeze();
    table.check("win r a 100 close", (0, Some(1_000)));
    table.check("win r b 100 nokey", (0, Some(1_100)));
}

#[test]
fn a_win_with_anothers_live_session_is_refused() {
    let mut table = Table::new();
    table.story.check(&put("default/other"), &Outcome::AccountPut { created: true });
    table.story.login("default/other", "theirs");
    table.check("win r a 1", (0, Some(1_001)));
    table.check("win r b 1 key=theirs", (-5, None));
    // What is known is answered before.
    table.check("win r a 1 key=theirs", (0, Some(1_001)));
    table.story.later(IDLE_MS);
    table.check("win r b 1 key=theirs", (0, Some(1_002)));
    table.story.login("default/other", "theirs");
    table.check("win r c 1 key=theirs", (-5, None));
    table.story.check(&close("default/other", "theirs"), &Outcome::SessionClosed);
    table.check("win r c 1 key=theirs", (0, Some(1_003)));
}

#[test]
fn rollbacks() {
    tell(&[
        ("bet r a 100 start", (0, Some(900))),
        ("rollback r x 99 of=a", (-7, Some(900))),
        ("rollback r x 100 of=a", (0, Some(1_000))),
        ("rollback r x 100 of=a", (0, Some(1_000))),
        ("rollback r y 100 of=a", (0, Some(1_000))),
        ("rollback r y 100 of=a", (0, Some(1_000))),
        ("rollback r z 99 of=a", (-7, Some(1_000))),
        // The same id with other contents.
        ("rollback r y 99 of=a", (-7, Some(1_000))),
        ("rollback r y 100 of=b", (-7, Some(1_000))),
        ("bet r a 100 start", (-7, Some(1_000))),
        ("bet r b 100", (0, Some(900))),
    ]);
    // After the end of the round, of the session, and with the end of the round in it.
    let mut table = Table::new();
    table.check("bet r a 100 start close", (0, Some(900)));
    table.check("bet s a 100 start", (0, Some(800)));
    table.story.later(IDLE_MS);
    table.check("rollback r x 100 of=a nokey", (0, Some(900)));
    table.check("rollback s x 100 of=a key=unknown close", (0, Some(1_000)));
    table.check("void s y 0", (0, Some(1_000)));
    table.check("rollback s z 1 of=a by=1", (-5, None));
    table.check("rollback s z 1 of=a account=default/nobody", (-5, None));
    table.check("rollback s z 1 of=a currency=EUR game=1", (-9, Some(1_000)));
    table.check("rollback s z 1 of=b game=1", (-8, Some(1_000)));
    table.freeze();
    table.check("rollback s z 100 of=c", (-8, Some(1_000)));
    table.check("rollback s q 100 of=a", (0, Some(1_000)));
    table.check("rollback s x 100 of=a close", (0, Some(1_000)));
}

/// A rollback may come before its bet (protocol §4, rollbackbet).
#[test]
fn cancelled_bets() {
    tell(&[
        ("rollback r x 100 of=a", (-8, Some(1_000))),
        ("rollback r x 100 of=a", (-8, Some(1_000))),
        ("rollback r y 50 of=a", (-8, Some(1_000))),
        ("bet r a 100 start", (-7, Some(1_000))),
        ("bet r a 50 start", (-7, Some(1_000))),
        // The round is not opened by it.
        ("bet r b 100", (-14, Some(1_000))),
        ("void r v 0", (-14, Some(1_000))),
        ("end r", (-14, Some(1_000))),
        ("bet r b 100 start", (0, Some(900))),
        ("bet r a 100", (-7, Some(900))),
        ("rollback r x 100 of=c", (-8, Some(900))),
        ("bet r c 100", (-7, Some(900))),
        // The id is cancelled in its own round, and as a bet.
        ("bet s a 100 start", (0, Some(800))),
        ("win r a 100", (0, Some(900))),
    ]);
    tell(&[
        ("rollback r x 100 of=a", (-8, Some(1_000))),
        ("win r w 5", (0, Some(1_005))),
        ("end r", (0, Some(1_005))),
        ("bet r a 100", (-7, Some(1_005))),
        ("bet r b 100", (0, Some(905))),
    ]);
    // Cancelled without a session, and known to be so before the session is looked at.
    tell(&[
        ("rollback r x 100 of=a nokey", (-8, Some(1_000))),
        ("bet r a 100 start key=unknown", (-7, Some(1_000))),
    ]);
}

#[test]
fn voids() {
    tell(&[
        ("void r v 10", (-14, Some(1_000))),
        ("bet r a 100 start", (0, Some(900))),
        ("void r v 101", (-7, Some(900))),
        ("void r v 60", (0, Some(960))),
        ("void r v 60", (0, Some(960))),
        ("void r v 40", (-7, Some(960))),
        ("void r w 41", (-7, Some(960))),
        // What voids have given back, a rollback can't give back again.
        ("rollback r x 100 of=a", (-7, Some(960))),
        ("void r w 40 close", (0, Some(1_000))),
        ("bet r b 10", (0, Some(990))),
        ("void r x 11", (-7, Some(990))),
        ("rollback r y 10 of=b", (0, Some(1_000))),
        ("void r x 1", (-7, Some(1_000))),
    ]);
    tell(&[
        ("void r v 1 by=1", (-5, None)),
        ("void r v 1 account=default/nobody", (-5, None)),
        ("void r v 1 currency=EUR game=1", (-9, Some(1_000))),
        ("void r v 1 game=1", (-14, Some(1_000))),
    ]);
    let mut table = Table::new();
    table.check("bet r a 100 start", (0, Some(900)));
    table.freeze();
    table.check("void r v 1 currency=EUR", (-9, Some(900)));
    table.check("void r v 1", (0, Some(901)));
}

#[test]
fn ends() {
    tell(&[
        ("end r", (-14, Some(1_000))),
        ("end r by=1", (-5, None)),
        ("end r account=default/nobody", (-5, None)),
        ("end r currency=EUR game=1", (-9, Some(1_000))),
        ("end r game=1", (-14, Some(1_000))),
        ("bet r a 100 start", (0, Some(900))),
        ("end r", (0, Some(900))),
        ("end r", (0, Some(900))),
        ("bet r b 100 start", (-7, Some(900))),
    ]);
    let mut table = Table::new();
    table.check("bet r a 100 start", (0, Some(900)));
    table.freeze();
    table.check("end r currency=EUR", (-9, Some(900)));
    table.check("end r game=1", (0, Some(900)));
}

#[test]
fn a_transaction_is_known_by_account_round_call_and_id() {
    tell(&[
        ("bet r a 100 start", (0, Some(900))),
        ("bet r a 100 start", (0, Some(900))),
        ("bet r a 100", (0, Some(900))),
        ("bet r a 100 start game=1 key=unknown", (0, Some(900))),
        ("bet r a 101 start", (-7, Some(900))),
        ("bet r a 100 start currency=EUR", (-7, Some(900))),
        ("bet r a 0 start currency=XXX", (-7, Some(900))),
        ("bet s a 100 start", (0, Some(800))),
        ("win r a 100", (0, Some(900))),
        ("win r a 100", (0, Some(900))),
        ("win r a 99", (-7, Some(900))),
        ("void r a 100", (0, Some(1_000))),
        ("rollback s a 100 of=a", (0, Some(1_100))),
        ("rollback s a 100 of=a", (0, Some(1_100))),
    ]);
    // A refusal is not remembered.
    tell(&[
        ("bet r a 1001 start", (-2, Some(1_000))),
        ("bet r a 100", (-14, Some(1_000))),
        ("bet r a 100 start", (0, Some(900))),
    ]);
    // A success stays a success.
    let mut table = Table::new();
    table.check("bet r a 100 start close", (0, Some(900)));
    table.freeze();
    table.check("bet r a 100 start close", (0, Some(900)));
    table.story.later(IDLE_MS);
    table.check("bet r a 100 start close", (0, Some(900)));
    table.check("bet r a 1 start close", (-7, Some(900)));
}

#[test]
fn the_version_counts_balance_changes() {
    let mut table = Table::new();
    for (asked, code, changes) in [
        ("bet r a 100 start", 0, 1),
        ("bet r a 100 start", 0, 0),
        ("bet r z 0", 0, 0),
        ("win r a 0", 0, 0),
        ("win r b 10", 0, 1),
        ("rollback r x 100 of=a", 0, 1),
        ("rollback r y 100 of=a", 0, 0),
        ("bet r q 9999", -2, 0),
        ("end r", 0, 0),
    ] {
        let before = table.version();
        let answer = match table.story.outcome(&play(asked).as_deref()) {
            Outcome::Refused { code, .. } => code.number(),
            _ => 0,
        };
        assert_eq!((answer, table.version() - before), (code, changes), "{asked}");
    }
}

#[test]
fn rounds_are_remembered_for_the_retention() {
    let mut table = Table::new();
    table.check("bet open a 1 start", (0, Some(999)));
    table.check("bet closed a 1 start close", (0, Some(998)));
    table.check("rollback never x 1 of=a", (-8, Some(998)));
    table.story.later(limits::RETENTION_MS - 1);
    table.story.login(ADMIN, KEY);
    table.check("bet closed a 1 start close", (0, Some(998)));
    table.check("bet never a 1 start", (-7, Some(998)));
    table.story.later(1);
    // Whether a sweep has come by or not.
    table.check("bet closed a 1 start close", (0, Some(997)));
    table.check("bet never a 1 start", (0, Some(996)));
    table.check("bet open a 1 start", (0, Some(996)));
    table.check("end open", (0, Some(996)));
    table.story.later(limits::RETENTION_MS - 1);
    table.check("bet open a 1 start", (0, Some(996)));
    assert_eq!(game_rounds(&table.story.wallet), 3);
    sweep(&mut table.story);
    assert_eq!(game_rounds(&table.story.wallet), 3);
    table.story.later(1);
    sweep(&mut table.story);
    assert_eq!(game_rounds(&table.story.wallet), 1);
    table.check("end open", (-14, Some(996)));
}

#[test]
fn a_late_transaction_keeps_a_closed_round() {
    let mut table = Table::new();
    table.check("bet r a 1 start close", (0, Some(999)));
    table.story.later(limits::RETENTION_MS - 1);
    table.check("win r a 1", (0, Some(1_000)));
    table.story.later(limits::RETENTION_MS - 1);
    table.check("bet r a 1 start close", (0, Some(1_000)));
    table.story.later(1);
    table.check("end r", (-14, Some(1_000)));
}

/// Whenever its end comes, and though nothing else of its account does.
#[test]
fn a_round_that_was_ended_late_leaves_memory() {
    let mut table = Table::new();
    table.check("bet r a 1 start", (0, Some(999)));
    table.story.later(limits::RETENTION_MS);
    sweep(&mut table.story);
    table.check("end r", (0, Some(999)));
    table.story.later(limits::RETENTION_MS - 1);
    sweep(&mut table.story);
    assert_eq!(game_rounds(&table.story.wallet), 1);
    table.story.later(1);
    sweep(&mut table.story);
    assert_eq!(game_rounds(&table.story.wallet), 0);
}

#[test]
fn no_operation_takes_a_balance_past_what_it_can_be() {
    let mut table = Table::new();
    let most = i64::MAX;
    table.check(&format!("win r a {}", most - 1_000), (0, Some(most)));
    table.check("win r b 1", (-7, Some(most)));
    table.check("bet r c 5", (0, Some(most - 5)));
    table.check("win r b 5", (0, Some(most)));
    table.check("void r v 5", (-7, Some(most)));
    table.check("rollback r v 5 of=c", (-7, Some(most)));
    table.check(&format!("bet r d {most}"), (-7, Some(most)));
    table.check("win r b 0", (-7, Some(most)));
    table.check("win r e 0", (0, Some(most)));
    table.check("void none v 1", (-14, Some(most)));
}

#[test]
fn a_bet_that_was_taken_back_says_so() {
    let mut table = Table::new();
    table.check("bet r a 10 start", (0, Some(990)));
    table.check("rollback r x 10 of=a", (0, Some(1_000)));
    table.check("rollback r y 10 of=a", (0, Some(1_000)));
    table.check("rollback r z 10 of=never", (-8, Some(1_000)));
    for (asked, expect) in [
        ("bet r a 10 start", "The bet was rolled back."),
        ("bet r a 11 start", because::OTHER_CONTENTS),
        ("bet r never 10", "The bet was rolled back before it came."),
    ] {
        let outcome = table.story.outcome(&play(asked).as_deref());
        assert!(
            matches!(outcome, Outcome::Refused { why: Why(why), .. } if why == expect),
            "{asked}: {outcome:?}"
        );
    }
    let image = images(&table.story.wallet, table.story.now_ms).remove(0);
    let found = image.rounds[0]
        .transactions
        .iter()
        .map(|known| (known.id.as_str(), known.is_cancelled(), known.moved_nothing(), known.rolled_back()));
    let expect = [
        ("a", false, false, true),
        ("x", false, false, false),
        ("y", false, true, false),
        ("never", true, false, false),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expect);
}

#[test]
fn a_round_is_open_until_it_ends() {
    let mut table = Table::new();
    let is_open = |table: &Table, asked: &str| {
        let account = AccountRef::new(ADMIN);
        table.story.wallet.round_is_open(table.story.now_ms, &account, &play(asked).as_deref())
    };
    assert_eq!(is_open(&table, "end r"), None);
    table.check("bet r a 1 start", (0, Some(999)));
    assert_eq!((is_open(&table, "end r"), is_open(&table, "win r w 1")), (Some(true), Some(true)));
    table.check("end r", (0, Some(999)));
    assert_eq!(is_open(&table, "end r"), Some(false));
}

/// How an operation is told in words: its members in one order, whatever the order of its table.
#[test]
fn members_are_told_in_one_order() {
    for (asked, expect) in [
        ("bet r a 100 start", "PlayKind Account Round Transaction Currency Amount Game Platform StartsRound"),
        ("rollback r x 10 of=a", "PlayKind Account Round Transaction Currency Amount Original Game Platform"),
    ] {
        let operation = play(asked);
        let operation = operation.as_deref();
        let names = operation.members().into_iter().map(|member| {
            let told = format!("{member:?}");
            told.split('(').next().unwrap().to_owned()
        });
        assert_eq!(names.collect::<Vec<_>>().join(" "), expect, "{asked}");
    }
    let kinds = [PlayKind::Bet, PlayKind::Win, PlayKind::Rollback, PlayKind::Void];
    assert_eq!(kinds.map(PlayKind::name), ["placebet", "awardwinnings", "rollbackbet", "voidbet"]);
}

/// Winnings whose session nobody has checked yet may be asked about elsewhere; nothing else of a round is.
#[test]
fn only_winnings_go_on_to_another_slot() {
    for (asked, checked, expect) in [
        ("win r w 1 key=k", false, true),
        ("win r w 1 key=k", true, false),
        ("win r w 1 nokey", false, false),
        ("bet r w 1 key=k", false, false),
    ] {
        let Operation::Play(asked_of) = play(asked) else { panic!() };
        let operation = Operation::Play(Play { session_checked: checked, ..asked_of });
        assert_eq!(operation.may_go_on(), expect, "{asked} {checked}");
    }
}

/// A bet that version 0.1.0 took had a session, also where that is not remembered any more.
#[test]
fn a_bet_of_older_rules_had_its_session() {
    let story = Story::new(TokenPolicy::SingleUse);
    for (rules, expect) in [(Rules::V1, true), (Rules::V2, false)] {
        let mut wallet = Wallet::to_replay();
        wallet.configure(0, story.wallet.settings()).unwrap();
        images(&story.wallet, story.now_ms).iter().for_each(|image| wallet.restore(image).unwrap());
        let stamp = Stamp { now_ms: story.now_ms, sequence: story.sequence + 1 };
        let cash = Amount::from_minor(999).unwrap();
        let receipt = Receipt { code: 0, cash, version: 2, session_used_ms: 0 };
        let replayed = wallet.replay(rules, stamp, &play("bet r a 1 start").as_deref(), &receipt);
        assert_eq!(replayed.is_ok(), expect, "{rules:?}");
    }
}
