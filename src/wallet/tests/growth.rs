//! What is refused near the budget of memory, and what goes on.

use super::outside::credit;
use super::rounds::{Table, play};
use super::*;

/// What is asked in turn: whether it would make the wallet hold more, which is looked at before, and changes nothing.
#[track_caller]
fn check(story: &mut Story, operation: &Operation<&str>, grows: bool) {
    let before = images(&story.wallet, story.now_ms);
    assert_eq!(story.wallet.would_grow(story.now_ms, operation), grows, "{operation:?}");
    assert_eq!(images(&story.wallet, story.now_ms), before, "to ask changes nothing");
    let held = |story: &Story| {
        let wallet = &story.wallet;
        [wallet.accounts(), wallet.rounds(), wallet.session_keys(), wallet.tokens()]
    };
    let (held_before, refusals) = (held(story), story.refusals());
    story.outcome(operation);
    if !grows {
        let is_less = held(story).iter().zip(held_before).all(|(is, was)| *is <= was);
        assert!(is_less && story.refusals() == refusals, "{operation:?}");
    }
}

impl Story {
    fn refusals(&self) -> usize {
        let account = self.wallet.accounts.find(&AccountRef::new(ADMIN)).expect("it is there");
        self.wallet.accounts.get(account).activity().map_or(0, |activity| activity.refusals.len())
    }
}

#[test]
fn rounds_that_are_open_are_settled_and_none_is_begun() {
    let mut table = Table::new();
    for asked in [
        "bet r a 100 start",
        "win r w 5",
        "bet r b 10",
        "rollback r x 10 of=b",
        "rollback u x 1 of=none",
        "bet done a 1 start close",
        "bet late a 1 start close",
    ] {
        table.story.outcome(&play(asked).as_deref());
    }
    for (asked, grows) in [
        // Repeats, and what is refused for what it says.
        ("bet r a 100 start", false),
        ("bet r a 101", false),
        ("bet r c 99999", false),
        ("bet s c 5", false),
        ("bet s c 5 start key=none", false),
        ("bet s c 5 start game=none", false),
        ("bet done c 5 start", false),
        ("win r w 5", false),
        ("win r w 6", false),
        ("rollback r x 10 of=b", false),
        ("rollback r x 11 of=a", false),
        ("void s v 1", false),
        ("end s", false),
        // Bets, whether their round is there or not.
        ("bet s c 5 start", true),
        ("bet s d 5 start close", true),
        ("bet r c 5", true),
        ("bet late c 5", true),
        // What settles a round that was begun.
        ("win r w2 0", false),
        ("win r w3 7 key=none", false),
        ("win r w4 7 nokey close", false),
        ("win done w 7", false),
        ("rollback r y 100 of=a", false),
        ("rollback r z 100 of=a", false),
        ("rollback r q 1 of=other", false),
        ("rollback done q 1 of=other", false),
        ("void r v 5", false),
        ("end r", false),
        ("end late", false),
        // What begins one otherwise.
        ("win t w 0", true),
        ("win u w 1 start", true),
        ("win v w 1 key=none", true),
        ("rollback x y 1 of=none", true),
        ("rollback x z 1 of=none", false),
        ("rollback x y 1 of=another", true),
    ] {
        let operation = play(asked);
        check(&mut table.story, &operation.as_deref(), grows);
    }
}

#[test]
fn a_refusal_that_would_be_remembered_is_none() {
    let mut table = Table::new();
    let mut catalog = (*table.story.wallet.catalog.clone().expect("it serves")).clone();
    let dialect = Dialect { remember_refusals_ms: 1_000, ..Dialect::default() };
    catalog.set_dialect(platform(PLATFORM), dialect);
    table.story.wallet.open(Arc::new(catalog));
    for (asked, grows) in [
        ("bet r a 1001 start", true),
        ("bet r a 1001 start", false),
        ("bet r b 1001 start key=none", false),
        ("bet r b 1001", false),
    ] {
        check(&mut table.story, &play(asked).as_deref(), grows);
    }
    table.story.later(1_000);
    check(&mut table.story, &play("bet r a 1001 start").as_deref(), true);
    // Another limit's period may be over by now.
    table.story.outcome(&wager(5));
    check(&mut table.story, &play("bet r c 6 start").as_deref(), true);
}

/// Limits of this much a day, in minor units.
fn wager(minor: i64) -> Operation<&'static str> {
    let money = Money::parse(&format!("0.0{minor}")).unwrap();
    let mut limits = Box::new(Restrictions::none());
    limits.wager.day = Some(money);
    Operation::SetLimits(operation::SetLimits { account: AccountRef::new(ADMIN), limits })
}

#[test]
fn nothing_else_is_begun() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let alert = Operation::Alert(operation::Alert {
        platform: platform(PLATFORM),
        account: AccountRef::new(ADMIN),
        details: "{}",
    });
    let (put_again, statement) = (
        put(ADMIN),
        Operation::GetStatement(operation::GetStatement {
            account: AccountRef::new(ADMIN),
            after: 0,
            limit: 10,
        }),
    );
    let rows = [
        (balance(PLATFORM, ADMIN, None), false),
        (Operation::GetAccount(operation::GetAccount { account: AccountRef::new(ADMIN) }), false),
        (statement, false),
        // Accounts.
        (put("default/another"), true),
        (put("default/another"), false),
        (put_again, false),
        (put("nodomain/another"), false),
        // Sessions: another one, the same again, and one of a key that is another account's.
        (create(PLATFORM, ADMIN, GAME, 1), false),
        (open(ADMIN, KEY), true),
        (open(ADMIN, KEY), false),
        (open("default/another", KEY), false),
        (open("default/nobody", "other"), true),
        // Tokens.
        (create(PLATFORM, ADMIN, GAME, 1), true),
        (create(STRANGER, ADMIN, GAME, 2), false),
        (create(PLATFORM, ADMIN, "1", 2), false),
        (create(PLATFORM, "default/another", GAME, 2), false),
        (redeem(PLATFORM, TokenId::new(AccountHash::of(ADMIN).slot(), 1)), false),
        (redeem(PLATFORM, TokenId::new(AccountHash::of(ADMIN).slot(), 1)), false),
        (wrapped(PLATFORM, KEY, 0), false),
        // Payments, and their repeats.
        (credit(ADMIN, "c", 1, "GBP"), true),
        (credit(ADMIN, "c", 1, "GBP"), false),
        (credit(ADMIN, "c", 2, "GBP"), false),
        (credit("default/nobody", "c", 1, "GBP"), false),
        (transfer(ADMIN, Direction::In, "d", "1"), true),
        (transfer(ADMIN, Direction::In, "d", "1"), false),
        (transfer(ADMIN, Direction::Out, "d", "1"), true),
        (transfer(ADMIN, Direction::Out, "d", "2"), false),
        (transfer("default/nobody", Direction::Out, "d", "1"), false),
        // What protects a player.
        (status(ADMIN, AccountStatus::Frozen), false),
        (create(PLATFORM, ADMIN, GAME, 3), false),
        (status(ADMIN, AccountStatus::Active), false),
        (wager(5), false),
        (close(ADMIN, KEY), false),
        (close(ADMIN, KEY), false),
    ];
    for (operation, grows) in &rows {
        check(&mut story, operation, *grows);
    }
    // The last alerts of an account are shown, and the first of them make way.
    for number in 0..limits::ALERTS_SHOWN_MAX + 2 {
        check(&mut story, &alert, number < limits::ALERTS_SHOWN_MAX);
    }
}

#[test]
fn a_wrapped_token_takes_no_memory() {
    let mut story = Story::new(TokenPolicy::Wrapped);
    story.login(ADMIN, KEY);
    check(&mut story, &create(PLATFORM, ADMIN, GAME, 1), false);
}

/// The further steps of what was let in go on.
#[test]
fn a_step_goes_on() {
    let story = Story::new(TokenPolicy::SingleUse);
    let account = AccountRef::new(ADMIN);
    let holder = AccountHash::of(ADMIN);
    for step in [
        Operation::StartSession(operation::StartSession { account: account.clone(), key: KEY }),
        Operation::ReleaseKey(operation::ReleaseKey {
            key: KEY,
            holder,
            answer: operation::Released::Opened,
        }),
        Operation::CheckClaim(operation::CheckClaim { holder, account, key: KEY }),
    ] {
        assert!(!story.wallet.would_grow(story.now_ms, &step), "{step:?}");
    }
}
