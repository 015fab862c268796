//! Rows of protocol §4, Limits.

use super::*;
use wallet::restriction::{ByPeriod, Restrictions};

const DAY_MS: u64 = 24 * 3_600 * 1_000;

fn pounds(text: &str) -> Option<Money> {
    Some(Money::parse(text).unwrap())
}

impl Story {
    fn limit(&mut self, limits: Restrictions<Money>) {
        let minor = |money: Money| money.in_minor_units(currency("GBP"));
        let right = Outcome::LimitsSet {
            limits: Box::new(limits.try_map(minor).unwrap()),
            currency: currency("GBP"),
        };
        let request =
            Operation::SetLimits(operation::SetLimits { account: at(ANNA), limits: Box::new(limits) });
        self.check(request, right);
    }

    /// The next day, logged in again.
    fn next_day(&mut self) {
        self.later(DAY_MS);
        self.login(ANNA, KEY);
    }
}

fn none() -> Restrictions<Money> {
    Restrictions::none()
}

#[test]
fn stake() {
    let mut story = Story::new();
    story.limit(Restrictions { stake: pounds("1"), ..none() });
    story.refused(first_bet("r", "b", 101), ErrorCode::StakeLimit);
    story.done(first_bet("r", "b", 100), -100);
    // All limits are replaced, and checked before the funds.
    story.limit(Restrictions { stake: pounds("1000"), ..none() });
    story.refused(bet("r", "c", 100_001), ErrorCode::StakeLimit);
    story.refused(bet("r", "c", 100_000), ErrorCode::InsufficientFunds);
}

#[test]
fn wager_by_period() {
    // Tuesday: the week has four days to come after Wednesday, the month sixteen.
    for (limits, periods) in [
        (ByPeriod { day: pounds("1"), ..ByPeriod::none() }, 1),
        (ByPeriod { week: pounds("1"), ..ByPeriod::none() }, 6),
        (ByPeriod { month: pounds("1"), ..ByPeriod::none() }, 17),
    ] {
        let mut story = Story::new();
        // Bets before the limit was set count.
        story.done(first_bet("r", "a", 60), -60);
        story.limit(Restrictions { wager: limits, ..none() });
        for _ in 0..periods {
            story.refused(bet("r", "b", 41), ErrorCode::WagerLimit);
            story.next_day();
        }
        story.done(bet("r", "b", 41), -41);
    }
}

#[test]
fn what_comes_back_is_taken_out_of_the_sums() {
    let mut story = Story::new();
    story.limit(Restrictions { wager: ByPeriod { day: pounds("1"), ..ByPeriod::none() }, ..none() });
    story.done(first_bet("r", "a", 60), -60);
    story.done(first_bet("r", "b", 40), -40);
    story.done(win("r", "w", 500), 500);
    story.refused(bet("r", "c", 1), ErrorCode::WagerLimit);
    story.done(void("r", "v", 10), 10);
    story.done(rollback("r", "x", "b", 40), 40);
    story.done(rollback("r", "y", "b", 40), 0);
    story.refused(bet("r", "c", 51), ErrorCode::WagerLimit);
    story.done(bet("r", "c", 50), -50);
    // Tomorrow the bets of today are out of the day's sum already, and a void takes it to zero at least.
    story.next_day();
    story.done(rollback("r", "z", "c", 50), 50);
    story.done(void("r", "u", 20), 20);
    story.refused(bet("r", "d", 101), ErrorCode::WagerLimit);
    story.done(bet("r", "d", 100), -100);
}

#[test]
fn loss_and_session_length() {
    let mut story = Story::new();
    let loss = ByPeriod { month: pounds("1"), ..ByPeriod::none() };
    story.limit(Restrictions { loss, session_minutes: Some(10), ..none() });
    story.done(first_bet("r", "a", 100), -100);
    story.refused(bet("r", "b", 1), ErrorCode::LossLimit);
    story.done(win("r", "w", 30), 30);
    story.done(bet("r", "b", 30), -30);
    story.later(600_000 - 1);
    story.done(bet("r", "z", 0), 0);
    story.later(1);
    story.refused(bet("r", "c", 1), ErrorCode::LossLimit);
    story.refused(bet("r", "c", 0), ErrorCode::SessionLengthLimit);
    story.login(ANNA, KEY);
    story.done(bet("r", "c", 0), 0);
}

#[test]
fn wager_comes_before_loss_and_days_before_weeks() {
    let mut story = Story::new();
    let every = |text| ByPeriod { day: pounds(text), week: pounds(text), month: pounds(text) };
    story.limit(Restrictions {
        stake: pounds("1"),
        wager: ByPeriod { day: None, ..every("0.50") },
        loss: every("0.20"),
        session_minutes: None,
    });
    story.refused(first_bet("r", "a", 101), ErrorCode::StakeLimit);
    story.refused(first_bet("r", "a", 51), ErrorCode::WagerLimit);
    story.refused(first_bet("r", "a", 50), ErrorCode::LossLimit);
    story.done(first_bet("r", "a", 20), -20);
}

/// Days begin where the domain is. Bets of a day that has begun earlier than is thought now are of the current one.
#[test]
fn days_begin_where_the_domain_is() {
    let mut story = Story::new();
    // Tuesday, 22:13:20 UTC, is Wednesday, 03:43:20, in the zone; its day ends at 18:30 UTC.
    story.auditor.rules.domains.get_mut("default").unwrap().zone = Zone::Fixed(330);
    story.limit(Restrictions { wager: ByPeriod { day: pounds("1"), ..ByPeriod::none() }, ..none() });
    story.done(first_bet("r", "a", 60), -60);
    story.later(2 * 3_600 * 1_000);
    story.login(ANNA, KEY);
    story.refused(bet("r", "b", 41), ErrorCode::WagerLimit);
    story.later(19 * 3_600 * 1_000);
    story.login(ANNA, KEY);
    story.done(bet("r", "b", 41), -41);
    // The day begins at midnight UTC from now on, eighteen hours and a half before.
    story.auditor.rules.domains.get_mut("default").unwrap().zone = Zone::Utc;
    story.refused(bet("r", "c", 60), ErrorCode::WagerLimit);
    story.done(bet("r", "c", 59), -59);
}
