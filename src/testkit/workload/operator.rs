//! Requests of the operator, and the platforms' that are outside of rounds.

use std::collections::VecDeque;

use compact_str::CompactString;
use wallet::account::{AccountRef, AccountStatus, Date, Gender, Profile};
use wallet::amount::{Amount, Money};
use wallet::operation::{self, Direction, Operation};
use wallet::restriction::{ByPeriod, Restrictions};

use super::Workload;
use super::play::TOO_MUCH_MINOR;

/// What a player has at first, in minor units.
const OPENING_MINOR: i64 = 1_000_000;

/// Amounts of limits, in minor units. A bet is some hundreds.
const LIMITS_MINOR: [i64; 5] = [0, 200, 1_000, 5_000, 50_000];

/// Minutes of the session-length limit.
const LIMIT_MINUTES: [u32; 3] = [1, 10, 60];

impl Workload {
    /// An account, funds and a session.
    pub(super) fn open_player(&mut self, who: usize) -> VecDeque<Operation<CompactString>> {
        let player = &self.world.players[who];
        let account = AccountRef::new(CompactString::from(player.id.as_str()));
        let opening = Amount::from_minor(OPENING_MINOR).expect("it is not negative");
        VecDeque::from([
            Operation::PutAccount(operation::PutAccount {
                account: account.clone(),
                profile: Box::new(Profile::of(*b"GB")),
            }),
            Operation::Transfer(operation::Transfer {
                account: account.clone(),
                direction: Direction::In,
                transaction: "opening".into(),
                amount: self.money(who, opening),
                currency: None,
            }),
            Operation::OpenSession(operation::OpenSession { account, key: player.keys[0].as_str().into() }),
        ])
    }

    /// An amount as a request writes it, in the player's currency.
    pub(super) fn money(&self, who: usize, amount: Amount) -> Money {
        let text = amount.decimal(self.world.players[who].currency).to_string();
        Money::parse(&text).expect("a decimal is a number")
    }

    pub(super) fn credit(&mut self, who: usize) -> Operation<CompactString> {
        Operation::Credit(operation::Credit {
            platform: self.platform(who),
            account: self.account(who),
            transaction: self.id(who),
            kind: "7".into(),
            currency: self.currency(who),
            amount: self.amount(),
        })
    }

    pub(super) fn transfer(&mut self, who: usize) -> Operation<CompactString> {
        let direction = if self.chance.percent(70) { Direction::In } else { Direction::Out };
        let amount = match self.chance.below(50) {
            // No currency of the world has so many decimals.
            0 => Money::parse("0.00001").expect("it is a number"),
            1 if direction == Direction::Out => {
                self.money(who, Amount::from_minor(TOO_MUCH_MINOR).expect("it is not negative"))
            }
            _ => {
                let amount = self.amount();
                self.money(who, amount)
            }
        };
        let (account, transaction) = (self.account(who), self.id(who));
        let currency = if self.chance.percent(50) { None } else { self.currency(who) };
        Operation::Transfer(operation::Transfer { account, direction, transaction, amount, currency })
    }

    pub(super) fn set_status(&mut self, who: usize) -> Operation<CompactString> {
        let freeze = !self.guesses[who].frozen && self.chance.percent(40);
        let status = if freeze { AccountStatus::Frozen } else { AccountStatus::Active };
        Operation::SetStatus(operation::SetStatus { account: self.account(who), status })
    }

    pub(super) fn set_limits(&mut self, who: usize) -> Operation<CompactString> {
        let limits = if self.guesses[who].limited || self.chance.percent(20) {
            Restrictions::none()
        } else {
            Restrictions {
                stake: self.limit(who),
                wager: ByPeriod { day: self.limit(who), week: self.limit(who), month: self.limit(who) },
                loss: ByPeriod { day: self.limit(who), week: self.limit(who), month: self.limit(who) },
                session_minutes: self.chance.percent(25).then(|| {
                    let at = self.chance.index(LIMIT_MINUTES.len());
                    LIMIT_MINUTES[at]
                }),
            }
        };
        Operation::SetLimits(operation::SetLimits { account: self.account(who), limits: Box::new(limits) })
    }

    fn limit(&mut self, who: usize) -> Option<Money> {
        if !self.chance.percent(25) {
            return None;
        }
        if self.chance.percent(2) {
            return Money::parse("0.00001");
        }
        let minor = LIMITS_MINOR[self.chance.index(LIMITS_MINOR.len())];
        Some(self.money(who, Amount::from_minor(minor).expect("it is not negative")))
    }

    pub(super) fn put_account(&mut self, who: usize) -> Operation<CompactString> {
        let country = if self.chance.percent(50) { *b"GB" } else { *b"SE" };
        let mut profile = Profile::of(country);
        if self.chance.percent(50) {
            profile.city = Some(format!("City {}", self.chance.below(10)).into());
            profile.gender = Some(Gender::Female);
            profile.born = Date::new(1965, 5, 16);
        }
        if self.chance.percent(30) {
            profile.user_name = Some("anna".into());
            profile.display_name = Some("Anna".into());
        }
        let account =
            if self.chance.percent(4) { AccountRef::new("nowhere/ghost".into()) } else { self.account(who) };
        Operation::PutAccount(operation::PutAccount { account, profile: Box::new(profile) })
    }

    pub(super) fn statement(&mut self, who: usize) -> Operation<CompactString> {
        let asked = if self.chance.percent(50) { 0 } else { self.chance.below(200) };
        let limit = match self.chance.below(4) {
            0 => limits::STATEMENT_LINES_MAX,
            1 => 1,
            _ => limits::STATEMENT_LINES,
        };
        Operation::GetStatement(operation::GetStatement {
            account: self.account(who),
            after: asked,
            limit: limit as u16,
        })
    }
}
