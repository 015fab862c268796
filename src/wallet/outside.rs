//! What moves an account's money outside of game rounds: promotional payments, deposits, withdrawals; and alerts,
//! which move nothing (protocol §4, §6).

use super::amount::Amount;
use super::ledger::{AccountIndex, Place};
use super::operation::Operation;
use super::outcome::{Effect, ErrorCode, Outcome};
use super::rounds::{Kind, Transaction};
use super::{Millis, Stamp, Wallet, refused};
use crate::limits;

/// What is known of a transaction outside of rounds.
pub(super) enum Recalled {
    /// It was done, with this amount.
    Known(Amount),
    /// It was not, and may be.
    New,
    /// It was not, and no more can be remembered.
    Full,
}

impl Wallet {
    /// `accounttransaction/credit`: taken even where the account is frozen (protocol §4).
    pub(super) fn credit<'a>(
        &'a mut self,
        stamp: Stamp,
        operation: &Operation<&'a str>,
        effect: &mut Effect,
    ) -> Outcome<&'a str> {
        let Operation::Credit { platform, account, transaction, currency, amount, .. } = operation else {
            unreachable!("the call of another operation");
        };
        let Some((index, found)) = self.served(*platform, account) else {
            return refused(ErrorCode::AccountNotFound);
        };
        effect.seen = found.changed;
        let same_currency = *currency == Some(self.books.get(found.domain()).currency());
        let holds = found.cash().checked_add(*amount).is_some();
        let code = match self.recall(stamp.now_ms, index, Kind::Credit, transaction) {
            Recalled::Known(before) if before == *amount && same_currency => ErrorCode::Success,
            Recalled::Known(_) => ErrorCode::NotCompleted,
            _ if !same_currency => ErrorCode::CurrencyMismatch,
            Recalled::Full => ErrorCode::NotCompleted,
            Recalled::New if !holds => ErrorCode::NotCompleted,
            Recalled::New => {
                let credit = Transaction::new(Kind::Credit, transaction, *amount, stamp.now_ms);
                self.record_outside(stamp, index, credit, effect);
                ErrorCode::Success
            }
        };
        let balance = self.balance_of(self.accounts.get(index));
        if code == ErrorCode::Success {
            Outcome::Done { reference: transaction, staked: None, balance }
        } else {
            Outcome::Refused { code, balance: Some(balance) }
        }
    }

    /// `alertwalletcallbacknotification`: recorded on the account.
    pub(super) fn alert(
        &mut self,
        stamp: Stamp,
        operation: &Operation<&str>,
        effect: &mut Effect,
    ) -> Outcome<&'static str> {
        let Operation::Alert { platform, account, details } = operation else {
            unreachable!("the call of another operation");
        };
        let Some((index, _)) = self.served(*platform, account) else {
            return refused(ErrorCode::AccountNotFound);
        };
        let found = self.accounts.get_mut(index);
        let alerts = &mut found.activity_mut().alerts;
        if alerts.len() == limits::ALERTS_SHOWN_MAX {
            alerts.pop_front();
        }
        alerts.push_back((stamp.now_ms, (*details).into()));
        self.note(stamp, index, effect);
        Outcome::Noted(self.balance_of(self.accounts.get(index)))
    }

    /// What is known of the account's transaction of this kind and id. Forgets those that are past the retention.
    pub(super) fn recall(&mut self, now_ms: Millis, index: AccountIndex, kind: Kind, id: &str) -> Recalled {
        self.forget_outside(now_ms, index);
        let Some(activity) = self.accounts.get(index).activity() else { return Recalled::New };
        match activity.find_outside(kind, id) {
            Some(known) => Recalled::Known(known.amount),
            None if activity.outside.len() >= limits::OUTSIDE_TRANSACTIONS_MAX => Recalled::Full,
            None => Recalled::New,
        }
    }

    /// Forgets what is past its retention, which is what comes first: time does not go back.
    pub(super) fn forget_outside(&mut self, now_ms: Millis, index: AccountIndex) {
        let retention_ms = self.settings.retention_ms;
        let account = self.accounts.get_mut(index);
        let is_over = |first: Option<&Transaction>| {
            first.is_some_and(|first| first.at_ms.saturating_add(retention_ms) <= now_ms)
        };
        if !account.activity().is_some_and(|activity| is_over(activity.outside.front())) {
            return;
        }
        let activity = account.activity_mut();
        while is_over(activity.outside.front()) {
            activity.forget_first_outside();
        }
    }

    /// Moves a transaction's money and remembers it.
    pub(super) fn record_outside(
        &mut self,
        stamp: Stamp,
        index: AccountIndex,
        mut transaction: Transaction,
        effect: &mut Effect,
    ) {
        let account = self.accounts.get_mut(index);
        let book = self.books.get_mut(account.domain());
        match transaction.kind {
            Kind::Withdrawal => account.spend(book, transaction.amount),
            Kind::Credit | Kind::Deposit => account.receive(book, transaction.amount),
            Kind::Play(_) | Kind::Cancelled => unreachable!("these are of a round"),
        }
        transaction.balance_after = account.cash();
        let activity = account.activity_mut();
        let number = activity.next_number();
        transaction.number = number;
        let at = activity.push_outside(transaction);
        activity.statement.push_back(Place { number, round: Place::OUTSIDE, at });
        activity.oldest_ms = activity.oldest_ms.min(stamp.now_ms);
        self.note(stamp, index, effect);
    }
}
