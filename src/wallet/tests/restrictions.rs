//! Limits and their periods (protocol §4, Limits).

use super::*;
use crate::operation::{self, Play, PlayKind};
use crate::replay::Mismatch;
use crate::restriction::ByPeriod;

/// 2023-11-15, a Wednesday, 00:00 UTC.
const WEDNESDAY_MS: Millis = 1_700_006_400_000;
const DAY_MS: Millis = 24 * 3_600_000;

struct Restricted {
    story: Story,
    ids: u32,
    /// The round that it plays.
    round: &'static str,
}

impl Restricted {
    /// An account with 1,000.00 and a session, on a Wednesday's midnight.
    fn new() -> Self {
        let mut story = Story::new(TokenPolicy::SingleUse);
        story.later(WEDNESDAY_MS - START_MS);
        assert!(matches!(
            story.outcome(&transfer(ADMIN, Direction::In, "more", "990")),
            Outcome::Transferred(_)
        ));
        story.login(ADMIN, KEY);
        Self { story, ids: 0, round: "r" }
    }

    /// `limits` is `stake=1 wager.day=2 loss.week=3 minutes=4`, money in pounds.
    #[track_caller]
    fn set(&mut self, limits: &str) {
        let mut asked: Restrictions<Money> = Restrictions::none();
        for (name, value) in limits.split_ascii_whitespace().map(|word| word.split_once('=').unwrap()) {
            let money = Money::parse(value);
            match name {
                "stake" => asked.stake = money,
                "wager.day" => asked.wager.day = money,
                "wager.week" => asked.wager.week = money,
                "wager.month" => asked.wager.month = money,
                "loss.day" => asked.loss.day = money,
                "loss.week" => asked.loss.week = money,
                "loss.month" => asked.loss.month = money,
                "minutes" => asked.session_minutes = value.parse().ok(),
                _ => panic!("{name}"),
            }
        }
        let operation = Operation::SetLimits(operation::SetLimits {
            account: AccountRef::new(ADMIN),
            limits: Box::new(asked),
        });
        assert!(matches!(self.story.outcome(&operation), Outcome::LimitsSet { .. }), "{limits}");
    }

    fn asked<'a>(
        &self,
        kind: PlayKind,
        id: &'a str,
        minor: i64,
        original: Option<&'a str>,
    ) -> Operation<&'a str> {
        // The session is to be live, and where it began is to stay.
        Operation::Play(Play {
            scope: RoundScope::Platform,
            kind,
            platform: platform(PLATFORM),
            account: AccountRef::new(ADMIN),
            session: Some(KEY),
            session_checked: false,
            round: self.round,
            transaction: id,
            original,
            game: GAME,
            currency: Currency::from_code("GBP"),
            amount: Amount::from_minor(minor).unwrap(),
            starts_round: true,
            ends_round: false,
            details: None,
        })
    }

    fn play(&mut self, kind: PlayKind, id: &str, minor: i64, original: Option<&str>) -> i8 {
        let asked = self.asked(kind, id, minor, original);
        match self.story.outcome(&asked) {
            Outcome::Refused { code, .. } => code.number(),
            _ => 0,
        }
    }

    /// A new bet of this much is answered with this code.
    #[track_caller]
    fn bet(&mut self, minor: i64, expect: i8) -> String {
        self.ids += 1;
        let id = format!("bet-{}", self.ids);
        assert_eq!(self.play(PlayKind::Bet, &id, minor, None), expect, "a bet of {minor}");
        id
    }

    #[track_caller]
    fn win(&mut self, minor: i64) {
        self.ids += 1;
        assert_eq!(self.play(PlayKind::Win, &format!("win-{}", self.ids), minor, None), 0);
    }

    #[track_caller]
    fn roll_back(&mut self, bet: &str, minor: i64) {
        assert_eq!(self.play(PlayKind::Rollback, &format!("back-{bet}"), minor, Some(bet)), 0);
    }

    #[track_caller]
    fn void(&mut self, minor: i64) {
        self.ids += 1;
        assert_eq!(self.play(PlayKind::Void, &format!("void-{}", self.ids), minor, None), 0);
    }

    /// Some days later, with a new login: the session would have idled out.
    fn days(&mut self, days: u64) {
        self.story.later(days * DAY_MS);
        self.story.login(ADMIN, KEY);
    }
}

#[test]
fn stakes() {
    let mut account = Restricted::new();
    account.bet(500, 0);
    account.set("stake=1.00");
    account.bet(101, -10);
    account.bet(100, 0);
    account.set("");
    account.bet(101, 0);
}

#[test]
fn wagers_count_what_was_staked_before_the_limit_was_set() {
    let mut account = Restricted::new();
    account.bet(300, 0);
    account.set("wager.day=5");
    account.bet(201, -11);
    account.bet(200, 0);
    account.win(1_000);
    account.bet(1, -11);
    account.set("wager.day=5.01");
    account.bet(1, 0);
    account.bet(1, -11);
}

/// The first bet of each period is taken again: day, ISO week (Monday), month.
#[test]
fn periods_turn_at_midnight_utc() {
    for (limit, days) in [("wager.day=1", 1), ("wager.week=1", 5), ("wager.month=1", 16)] {
        let mut account = Restricted::new();
        account.set(limit);
        account.bet(100, 0);
        account.days(days - 1);
        account.bet(1, -11);
        account.story.later(DAY_MS - 1);
        account.story.login(ADMIN, KEY);
        account.bet(1, -11);
        account.story.later(1);
        account.bet(100, 0);
        account.bet(1, -11);
    }
}

#[test]
fn losses_are_bets_less_wins() {
    for (limit, days) in [("loss.day=1", 1), ("loss.week=1", 5), ("loss.month=1", 16)] {
        let mut account = Restricted::new();
        account.set(limit);
        account.bet(100, 0);
        account.bet(1, -12);
        account.win(50);
        account.bet(51, -12);
        account.bet(50, 0);
        account.bet(1, -12);
        account.days(days);
        account.win(200);
        account.bet(301, -12);
        account.bet(300, 0);
    }
}

#[test]
fn what_is_taken_back_counts_no_more() {
    let mut account = Restricted::new();
    account.set("wager.day=1 loss.week=2");
    let bet = account.bet(60, 0);
    account.bet(41, -11);
    account.roll_back(&bet, 60);
    account.bet(100, 0);
    account.void(30);
    account.bet(31, -11);
    account.bet(30, 0);
    // A rollback of an older day's bet takes it out of the week, and not out of today.
    let old = account.ids;
    account.days(1);
    account.set("wager.day=1 loss.week=1.50");
    account.bet(51, -12);
    account.bet(50, 0);
    account.roll_back(&format!("bet-{old}"), 30);
    account.bet(31, -12);
    account.bet(30, 0);
    account.set("wager.day=0.80");
    account.bet(1, -11);
    // A void of more than the round's bets of today takes those out, and no more than that.
    account.void(80);
    account.bet(81, -11);
    account.bet(80, 0);
}

/// A void names no bet: it takes out of a day what its own round has staked on it.
#[test]
fn a_void_of_an_older_round_leaves_today_as_it_is() {
    let mut account = Restricted::new();
    account.set("wager.day=1");
    account.bet(100, 0);
    account.days(1);
    account.round = "other";
    account.bet(100, 0);
    account.round = "r";
    account.void(60);
    account.round = "other";
    account.bet(1, -11);
    account.void(30);
    account.bet(31, -11);
    account.bet(30, 0);
    // What voids have taken out is not taken out again.
    account.void(70);
    account.void(30);
    account.bet(100, 0);
    account.bet(1, -11);
}

/// Nor by a rollback: of the round's stake of today no more than it has staked today goes back.
#[test]
fn a_rollback_after_a_void_takes_out_what_is_left() {
    let mut account = Restricted::new();
    account.bet(100, 0);
    account.days(1);
    let late = account.bet(50, 0);
    account.round = "other";
    account.bet(70, 0);
    account.round = "r";
    account.void(50);
    account.roll_back(&late, 50);
    account.set("wager.day=1");
    account.bet(31, -11);
    account.bet(30, 0);
}

/// Version 0.1.0 took a void out of the current day, whenever its round had been bet on, and so took bets that today's
/// limits refuse. Its records are applied again all the same.
#[test]
fn records_of_version_0_1_0_were_within_their_limits() {
    let mut account = Restricted::new();
    account.set("wager.day=1");
    account.bet(100, 0);
    account.days(1);
    account.round = "other";
    account.bet(60, 0);
    account.round = "r";
    account.void(50);
    account.round = "other";
    let cash = 100_000 - 100 - 60 + 50 - 50;
    let asked = account.asked(PlayKind::Bet, "late", 50, None);
    let story = &mut account.story;
    let mut wallet = Wallet::to_replay();
    wallet.configure(0, story.wallet.settings()).unwrap();
    for image in images(&story.wallet, story.now_ms) {
        wallet.restore(&image).unwrap();
    }
    let version = images(&wallet, story.now_ms)[0].version + 1;
    let receipt = Receipt { code: 0, cash: Amount::from_minor(cash).unwrap(), version, session_used_ms: 0 };
    let stamp = Stamp { now_ms: story.now_ms, sequence: 1_000 };
    let today = wallet.replay(Rules::V2, stamp, &asked, &receipt);
    assert_eq!(today, Err(Mismatch { is: None }), "by today's rules it is over the limit");
    assert_eq!(wallet.replay(Rules::V1, stamp, &asked, &receipt), Ok(()));
}

#[test]
fn sessions_have_a_length() {
    let mut account = Restricted::new();
    account.set("minutes=20");
    account.story.later(20 * 60_000 - 1);
    account.bet(1, 0);
    account.story.later(1);
    account.bet(1, -13);
    account.win(1);
    // A new login starts anew.
    account.story.login(ADMIN, KEY);
    account.bet(1, 0);
    account.set("minutes=40");
    account.story.later(20 * 60_000);
    account.bet(1, 0);
}

#[test]
fn the_order_of_limits() {
    let mut account = Restricted::new();
    account.story.later(60_000);
    account.set("stake=1 wager.day=2 loss.day=3 minutes=1");
    account.bet(1_000_000, -10);
    account.set("wager.day=2 loss.day=2 minutes=1");
    account.bet(1_000_000, -11);
    account.set("loss.day=3 minutes=1");
    account.bet(1_000_000, -12);
    account.set("minutes=1");
    account.bet(1_000_000, -13);
    account.set("");
    account.bet(1_000_000, -2);
}

#[test]
fn limits_are_of_the_accounts_currency() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let money = Money::parse;
    let limits = |stake| Restrictions { stake: money(stake), ..Restrictions::none() };
    let set = |account: &'static str, limits: Restrictions<Money>| {
        Operation::SetLimits(operation::SetLimits {
            account: AccountRef::new(account),
            limits: Box::new(limits),
        })
    };
    let refused = Outcome::OperatorRefused;
    story.check(&set(YEN, limits("0.5")), &refused(OperatorRefusal::NotMoney));
    story.check(&set(ADMIN, limits("0.005")), &refused(OperatorRefusal::NotMoney));
    story.check(&set("default/nobody", limits("1")), &refused(OperatorRefusal::NoAccount));
    let asked = Restrictions {
        loss: ByPeriod { month: money("7"), ..ByPeriod::none() },
        session_minutes: Some(90),
        ..limits("1.5")
    };
    let amount = |minor| Amount::from_minor(minor);
    let expect = Restrictions {
        stake: amount(150),
        loss: ByPeriod { month: amount(700), ..ByPeriod::none() },
        session_minutes: Some(90),
        ..Restrictions::none()
    };
    let currency = Currency::from_code("GBP").unwrap();
    story.check(&set(ADMIN, asked), &Outcome::LimitsSet { limits: Box::new(expect), currency });
    let operation = Operation::GetAccount(operation::GetAccount { account: AccountRef::new(ADMIN) });
    let Outcome::Account(view) = story.outcome(&operation) else { panic!("no account") };
    assert_eq!(view.limits, expect);
}
