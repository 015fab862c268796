//! What a round, a transaction and a token are known by (protocol §4, Identity; §3).

use super::rounds::play;
use super::*;
use crate::account::{Date, Gender};
use crate::image::{RoundImage, TransactionImage};

/// Two platforms that play for one domain, `L100` and `L101`, and an account that holds 100.00.
fn two_platforms() -> Story {
    let gbp = Currency::from_code("GBP").unwrap();
    let domain = Domain::new("default".into(), gbp, [platform(PLATFORM), platform(STRANGER)]);
    let catalog = Catalog::new(vec![domain], [GAME.to_owned(), "g2".to_owned()]);
    let mut story = Story::of(catalog);
    story.check(&put(ADMIN), &Outcome::AccountPut { created: true });
    story.outcome(&transfer(ADMIN, Direction::In, "opening", "100"));
    story.login(ADMIN, KEY);
    story
}

/// Lines of [`play`], each with its code and the cash after it.
#[track_caller]
fn tell(story: &mut Story, lines: &[(&str, i8, i64)]) {
    for (asked, code, cash) in lines {
        let operation = play(asked);
        let (is, balance) = match story.outcome(&operation.as_deref()) {
            Outcome::Done { balance, .. } | Outcome::Noted(balance) => (0, balance),
            Outcome::Refused { code, balance: Some(balance), .. } => (code.number(), balance),
            other => panic!("{asked}: {other:?}"),
        };
        assert_eq!((is, balance.cash.minor()), (*code, *cash), "{asked}");
    }
}

#[test]
fn nothing_of_one_platform_meets_what_is_anothers() {
    let mut story = two_platforms();
    tell(
        &mut story,
        &[
            ("bet 1001 1 100 start", 0, 9_900),
            ("bet 1001 1 100 start by=1", 0, 9_800),
            ("bet 1001 1 100 start by=1", 0, 9_800),
            ("rollback 1001 2 100 of=1 by=1", 0, 9_900),
            ("rollback 1001 2 100 of=1", 0, 10_000),
            ("bet 1001 3 100", 0, 9_900),
            // The end of one round is not the other's.
            ("end 1001 by=1", 0, 9_900),
            ("bet 1001 4 100 start", 0, 9_800),
            ("bet 1001 4 100 start by=1", -7, 9_800),
            ("win 1001 5 50", 0, 9_850),
            ("win 1001 5 50 by=1", 0, 9_900),
            ("void 1001 6 100", 0, 10_000),
            ("void 1001 6 100 by=1", -7, 10_000),
            ("rollback 1002 1 10 of=9", -8, 10_000),
            ("bet 1002 9 10 start by=1", 0, 9_990),
            ("bet 1002 9 10 start", -7, 9_990),
        ],
    );
}

#[test]
fn credits_belong_to_their_platform() {
    let mut story = two_platforms();
    let credit = |by, id, minor| {
        Operation::Credit(operation::Credit {
            platform: platform(by),
            account: AccountRef::new(ADMIN),
            transaction: id,
            kind: "7",
            currency: Currency::from_code("GBP"),
            amount: Amount::from_minor(minor).unwrap(),
        })
    };
    for (by, minor, version) in [(PLATFORM, 10_100, 2), (PLATFORM, 10_100, 2), (STRANGER, 10_200, 3)] {
        let balance = funds("GBP", minor, version);
        story.check(&credit(by, "c", 100), &Outcome::Done { reference: "c", staked: None, balance });
    }
    let refused = Outcome::Refused {
        code: ErrorCode::NotCompleted,
        why: Why(""),
        balance: Some(funds("GBP", 10_200, 3)),
    };
    story.check(&credit(STRANGER, "c", 101), &refused);
}

#[test]
fn a_round_may_be_known_by_its_game() {
    let mut story = two_platforms();
    tell(
        &mut story,
        &[
            ("bet 5 1 100 start scoped", 0, 9_900),
            ("bet 5 1 100 start scoped game=g2", 0, 9_800),
            ("end 5 scoped game=g2", 0, 9_800),
            ("bet 5 2 100 scoped", 0, 9_700),
            ("bet 5 2 100 start scoped game=g2", -7, 9_700),
            ("win 5 1 1 scoped game=404", 0, 9_701),
            ("end 5 scoped game=405", -14, 9_701),
        ],
    );
}

/// A configuration may change what makes a round: those that were begun before are found where their game is the same.
#[test]
fn rounds_outlive_a_change_of_their_scope() {
    let mut story = two_platforms();
    tell(
        &mut story,
        &[
            ("bet 5 1 100 start", 0, 9_900),
            ("bet 5 1 100 start scoped", 0, 9_900),
            ("win 5 1 50 scoped", 0, 9_950),
            ("win 5 1 50", 0, 9_950),
            // Of another game it is another round.
            ("bet 5 1 100 start scoped game=g2", 0, 9_850),
            ("end 5 scoped", 0, 9_850),
            ("bet 6 1 100 start scoped game=g2", 0, 9_750),
            ("win 6 1 50 game=g2", 0, 9_800),
            ("rollback 6 2 100 of=1 game=g2", 0, 9_900),
            ("end 6 game=g2", 0, 9_900),
            ("bet 6 3 100 start game=g2", -7, 9_900),
        ],
    );
}

/// Whatever the scope was when: a round that has a transaction of a game is found by it.
#[test]
fn a_repeat_is_known_after_any_change_of_the_scope() {
    let mut story = two_platforms();
    tell(
        &mut story,
        &[
            // By its game first, then without it by another one.
            ("bet 5 1 100 start scoped", 0, 9_900),
            ("win 5 1 50 scoped", 0, 9_950),
            ("bet 5 9 100 start game=g2", 0, 9_850),
            ("win 5 1 50", 0, 9_850),
            ("rollback 5 2 100 of=1", 0, 9_950),
            // Without its game first, with transactions of two.
            ("bet 6 1 100 start", 0, 9_850),
            ("bet 6 2 100 game=g2", 0, 9_750),
            ("bet 6 2 100 scoped game=g2", 0, 9_750),
            ("rollback 6 3 100 of=2 scoped game=g2", 0, 9_850),
        ],
    );
}

/// So are bets that were rolled back before they came.
#[test]
fn a_cancellation_outlives_a_change_of_the_scope() {
    let mut story = two_platforms();
    tell(
        &mut story,
        &[
            ("bet 5 1 100 start", 0, 9_900),
            ("rollback 5 x 100 of=2 game=g2", -8, 9_900),
            ("bet 5 2 100 start scoped game=g2", -7, 9_900),
            ("rollback 6 x 100 of=2 scoped game=g2", -8, 9_900),
            ("bet 6 2 100 start game=g2", -7, 9_900),
        ],
    );
}

/// Version 0.1.0 did not store whose a round in a snapshot is, nor of which game.
#[test]
fn a_round_of_version_0_1_0_is_found_by_any_game() {
    for asked in ["win 5 w 50 scoped", "win 5 w 50 scoped game=404"] {
        let mut story = two_platforms();
        story.shadow = None;
        tell(&mut story, &[("bet 5 1 100 start", 0, 9_900)]);
        let mut images = images(&story.wallet, story.now_ms);
        images[0].rounds[0].platform = PlatformKey::NONE.bytes();
        images[0].rounds[0].game = String::new();
        let mut wallet = Wallet::to_replay();
        wallet.configure(0, story.wallet.settings()).unwrap();
        images.iter().for_each(|image| wallet.restore(image).unwrap());
        wallet.open(Arc::clone(story.wallet.catalog.as_ref().unwrap()));
        story.wallet = wallet;
        let bet = format!("rollback 5 x 100 of=1{}", asked.strip_prefix("win 5 w 50").unwrap());
        tell(&mut story, &[(asked, 0, 9_950), (asked, 0, 9_950), (&bet, 0, 10_050), (&bet, 0, 10_050)]);
        std::mem::forget(story);
    }
}

#[test]
fn a_token_belongs_to_who_asked_for_it() {
    let mut story = two_platforms();
    let token = story.token(1);
    story.check(&redeem(STRANGER, token), &refusal(ErrorCode::SessionNotFound));
    assert!(matches!(story.outcome(&redeem(PLATFORM, token)), Outcome::Redeemed(_)));
}

#[test]
fn a_seventeenth_token_ends_the_oldest_of_its_account_and_platform() {
    let mut story = two_platforms();
    let Outcome::Token(others) = story.outcome(&create(STRANGER, ADMIN, GAME, 1_000)) else { panic!() };
    let first = story.token(0);
    let second = story.token(1);
    for entropy in 2..=limits::TOKENS_PER_ACCOUNT_MAX as u128 {
        story.token(entropy);
    }
    story.check(&redeem(PLATFORM, first), &refusal(ErrorCode::SessionNotFound));
    for (by, token) in [(PLATFORM, second), (STRANGER, others)] {
        assert!(matches!(story.outcome(&redeem(by, token)), Outcome::Redeemed(_)), "{token:?}");
    }
    // A redeemed one makes room.
    let newest = story.token(100);
    story.later(59_999);
    assert!(matches!(story.outcome(&redeem(PLATFORM, newest)), Outcome::Redeemed(_)));
    assert_eq!(story.wallet.tokens(), limits::TOKENS_PER_ACCOUNT_MAX - 1);
}

#[test]
fn statements_say_whose_transactions_they_are() {
    let mut story = two_platforms();
    tell(
        &mut story,
        &[
            ("bet r a 100 start by=1 game=g2", 0, 9_900),
            ("win r w 5 by=1", 0, 9_905),
            ("rollback r x 100 of=a by=1", 0, 10_005),
        ],
    );
    let statement = Operation::GetStatement(operation::GetStatement {
        account: AccountRef::new(ADMIN),
        after: 0,
        limit: 10,
    });
    let Outcome::Statement(statement) = story.outcome(&statement) else { panic!() };
    let lines: Vec<_> = statement
        .lines
        .iter()
        .map(|line| (line.platform.to_string(), line.game.as_deref(), line.original.as_deref()))
        .collect();
    let of = |platform: &str, game, original| (platform.to_owned(), game, original);
    assert_eq!(
        lines,
        [
            of("", None, None),
            of("L101", Some("g2"), None),
            of("L101", Some(GAME), None),
            of("L101", Some(GAME), Some("a")),
        ]
    );
}

/// A round of version 0.1.0 is nobody's until a record names it; then it is that platform's.
#[test]
fn a_round_that_is_nobodys_belongs_to_the_first_that_a_record_names() {
    let mut story = two_platforms();
    story.shadow = None;
    tell(&mut story, &[("bet old 1 100 start", 0, 9_900), ("bet done 1 100 start close", 0, 9_800)]);
    let mut images = images(&story.wallet, story.now_ms);
    images[0].rounds.iter_mut().for_each(|round| round.platform = PlatformKey::NONE.bytes());
    let catalog = story.wallet.catalog.clone().unwrap();
    let mut wallet = Wallet::to_replay();
    wallet.configure(0, story.wallet.settings()).unwrap();
    images.iter().for_each(|image| wallet.restore(image).unwrap());
    wallet.open(catalog);
    let before = std::mem::replace(&mut story.wallet, wallet);
    story.journal.clear();
    tell(
        &mut story,
        &[
            // A repeat is no record.
            ("bet old 1 100 start", 0, 9_800),
            ("bet old 1 100 start by=1", 0, 9_800),
            ("win old 2 1 by=1", 0, 9_801),
            ("win old 2 1", 0, 9_802),
            ("bet old 1 100 start", 0, 9_702),
            ("end old by=1", 0, 9_702),
            ("rollback done 2 100 of=1", 0, 9_802),
            ("rollback done 3 100 of=1 by=1", -8, 9_802),
        ],
    );
    drop(before);
    std::mem::forget(story);
}

#[test]
fn an_account_is_stored_with_all_that_is_known_of_its_player() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let profile = Profile {
        gender: Some(Gender::Female),
        born: Date::new(1965, 5, 16),
        user_name: Some("user".into()),
        display_name: Some("name".into()),
        city: Some("Leeds".into()),
        ..profile()
    };
    assert_eq!(profile.country_code(), "GB");
    let put = operation::PutAccount { account: AccountRef::new(ADMIN), profile: Box::new(profile) };
    story.check(&put.into(), &Outcome::AccountPut { created: false });
    story.login(ADMIN, KEY);
    let token = story.token(1);
    let Outcome::Redeemed(told) = story.outcome(&redeem(PLATFORM, token)) else { panic!() };
    let extras = told.extras.unwrap();
    assert_eq!((extras.born, extras.gender), (Date::new(1965, 5, 16), Some(Gender::Female)));
    let texts = [extras.user_name, extras.display_name, extras.city].map(Option::unwrap);
    assert_eq!(texts, ["user", "name", "Leeds"]);
    story.check(&close(ADMIN, KEY), &Outcome::SessionClosed);
    story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    let mut image = images(&story.wallet, story.now_ms).remove(0);
    assert_eq!(image.rounds.len(), 1, "its opening");
    (image.rounds, image.sums, image.number) = (Vec::new(), None, 0);
    let expect = AccountImage {
        id: ADMIN.into(),
        country: *b"GB",
        gender: Some(b'F'),
        born: Some((1965, 5, 16)),
        user_name: Some("user".into()),
        display_name: Some("name".into()),
        city: Some("Leeds".into()),
        frozen: true,
        cash: 1_000,
        version: 1,
        serial: 1,
        ..AccountImage::default()
    };
    assert_eq!(image, expect);
}

#[test]
fn an_image_that_can_not_be_is_refused() {
    let mut table = super::rounds::Table::new();
    table.check("bet r a 1 start", (0, Some(999)));
    let is = images(&table.story.wallet, table.story.now_ms).remove(0);
    type Spoil = fn(&mut RoundImage);
    let rows: [(Spoil, &str); 11] = [
        (|round| round.transactions[0].original = Some(1), "a round whose transactions can't be so"),
        // A transaction refers to one before it alone.
        (|round| round.transactions[0].original = Some(0), "a round whose transactions can't be so"),
        (|round| round.transactions[0].number = 0, "a round whose transactions can't be so"),
        (|round| round.transactions[0].kind = 4, "a round whose transactions can't be so"),
        (|round| round.transactions[0].kind = 7, "a round whose transactions can't be so"),
        (|round| round.transactions[0].kind = 8, "a transaction of no known kind"),
        (|round| round.transactions[0].flags = 3, "a transaction with no known fate"),
        (|round| round.transactions[0].number = 9, "a transaction's number past its account's"),
        (|round| round.staked = 2, "a round whose sums are not its transactions'"),
        (|round| round.returned = 1, "a round whose sums are not its transactions'"),
        (
            |round| {
                let bet = round.transactions[0].clone();
                round.transactions =
                    [0, 3, 0].map(|kind| TransactionImage { kind, amount: i64::MAX, ..bet.clone() }).into();
            },
            "a round whose bets come to too much",
        ),
    ];
    for (spoil, expected) in rows {
        let mut image = is.clone();
        spoil(&mut image.rounds[0]);
        let mut wallet = Wallet::to_replay();
        wallet.configure(0, table.story.wallet.settings()).unwrap();
        assert_eq!(wallet.restore(&image).map_err(|bad| bad.0), Err(expected));
    }
    let mut image = is;
    let round = &mut image.rounds[0];
    let void = TransactionImage { kind: 3, amount: 2, number: 9, ..round.transactions[0].clone() };
    round.transactions.push(void);
    (round.returned, image.number) = (2, 9);
    let mut wallet = Wallet::to_replay();
    wallet.configure(0, table.story.wallet.settings()).unwrap();
    assert_eq!(wallet.restore(&image).unwrap_err().0, "a round that gave back more than was staked");
}
