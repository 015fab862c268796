//! What moves funds outside of rounds: deposits, withdrawals, promotional payments (protocol §4, §6).

use wallet::amount::Money;
use wallet::operation::Direction;
use wallet::outcome::{ErrorCode, OperatorRefusal, Outcome};
use wallet::{Currency, PlatformKey};

use super::account::{Account, Ask, Kind, Transaction};
use super::rules::{Answer, CASH_MINOR_MAX, minor_of_money, refused_operator};

impl Account {
    pub(super) fn transfer(&mut self, ask: &Ask<'_>, direction: Direction, id: &str, money: Money) -> Answer {
        let Some(asked) = minor_of_money(money, self.currency) else {
            return refused_operator(OperatorRefusal::NotMoney);
        };
        let (kind, by) = match direction {
            Direction::In => (Kind::Deposit, asked),
            Direction::Out => (Kind::Withdrawal, -asked),
        };
        let platform = PlatformKey::NONE;
        if let Some(number) = self.outside.get(&(kind, platform, id.into())) {
            return if self.transactions[number].amount == asked {
                Outcome::Transferred(self.balance())
            } else {
                refused_operator(OperatorRefusal::TransactionConflict)
            };
        }
        if self.cash + by < 0 {
            return refused_operator(OperatorRefusal::InsufficientFunds);
        }
        if self.cash + by > CASH_MINOR_MAX {
            return refused_operator(OperatorRefusal::TooMuch);
        }
        self.pay(ask, kind, platform, id, asked, by);
        Outcome::Transferred(self.balance())
    }

    pub(super) fn credit(
        &mut self,
        ask: &Ask<'_>,
        platform: PlatformKey,
        id: &str,
        currency: Option<Currency>,
        asked: i128,
    ) -> Answer {
        let same_currency = currency == Some(self.currency);
        if let Some(number) = self.outside.get(&(Kind::Credit, platform, id.into())) {
            let same = same_currency && self.transactions[number].amount == asked;
            return if same { self.done(id, None) } else { self.refuse(ErrorCode::NotCompleted) };
        }
        if !same_currency {
            return self.refuse(ErrorCode::CurrencyMismatch);
        }
        if self.cash + asked > CASH_MINOR_MAX {
            return self.refuse(ErrorCode::NotCompleted);
        }
        self.pay(ask, Kind::Credit, platform, id, asked, asked);
        self.done(id, None)
    }

    /// A transaction outside of rounds.
    fn pay(&mut self, ask: &Ask<'_>, kind: Kind, platform: PlatformKey, id: &str, asked: i128, by: i128) {
        self.move_funds(by);
        let number = self.record(Transaction {
            kind,
            platform,
            round: None,
            game: None,
            id: id.into(),
            amount: asked,
            original: None,
            moved_nothing: false,
            rolled_back: false,
            balance_after: self.cash,
            at_ms: ask.now_ms,
            event: ask.event,
        });
        self.outside.insert((kind, platform, id.into()), number);
    }
}
