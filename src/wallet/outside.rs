//! What moves an account's money outside of game rounds: promotional payments, deposits, withdrawals; and alerts,
//! which move nothing (protocol §4, §6).

use super::amount::Amount;
use super::ledger::AccountIndex;
use super::lines::StatementPlace;
use super::operation::{Alert, Credit, Transfer};
use super::outcome::{Effect, ErrorCode, Outcome, Text, TextPlace, Why};
use super::platforms::PlatformIndex;
use super::transaction::{Kind, Transaction};
use super::{Millis, Rules, Stamp, Wallet, because, refused};

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
    pub(super) fn credit(
        &mut self,
        stamp: Stamp,
        Credit { platform, account, transaction, currency, amount, .. }: &Credit<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some((index, found, platform)) = self.served(*platform, account) else {
            return refused(ErrorCode::AccountNotFound, because::NO_ACCOUNT);
        };
        effect.seen = found.changed;
        let same_currency = *currency == Some(self.books.get(found.domain()).currency());
        let holds = found.cash().checked_add(*amount).is_some();
        let refusal = match self.recall(stamp.now_ms, index, Kind::Credit, platform, transaction) {
            Recalled::Known(before) if before == *amount && same_currency => None,
            Recalled::Known(_) => Some((ErrorCode::NotCompleted, because::OTHER_CONTENTS)),
            _ if !same_currency => Some((ErrorCode::CurrencyMismatch, because::CURRENCY)),
            Recalled::Full => {
                Some((ErrorCode::NotCompleted, "The account has as many credits as it may have."))
            }
            Recalled::New if !holds => Some((ErrorCode::NotCompleted, because::TOO_MUCH)),
            Recalled::New => {
                let mut credit = Transaction::new(Kind::Credit, (*transaction).into(), *amount, stamp.now_ms);
                credit.platform = platform;
                self.record_outside(stamp, index, credit, effect);
                None
            }
        };
        let balance = self.balance_of(self.accounts.get(index));
        match refusal {
            None => Outcome::Done { reference: Text(TextPlace::Transaction), staked: None, balance },
            Some((code, why)) => Outcome::Refused { code, why: Why(why), balance: Some(balance) },
        }
    }

    /// `alertwalletcallbacknotification`: recorded on the account.
    pub(super) fn alert(
        &mut self,
        stamp: Stamp,
        Alert { platform, account, details }: &Alert<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some((index, _, _)) = self.served(*platform, account) else {
            return refused(ErrorCode::AccountNotFound, because::NO_ACCOUNT);
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

    /// What is known of the account's transaction of this kind and id, of this platform.
    pub(super) fn recall(
        &self,
        now_ms: Millis,
        index: AccountIndex,
        kind: Kind,
        platform: PlatformIndex,
        id: &str,
    ) -> Recalled {
        if let Some(known) = self.known_outside(now_ms, index, kind, platform, id) {
            return Recalled::Known(known);
        }
        let activity = self.accounts.get(index).activity();
        let is_full = activity.is_some_and(|activity| {
            activity.outside.len() >= limits::OUTSIDE_TRANSACTIONS_MAX
                && activity.outside_remembered(now_ms, self.settings.retention_ms)
                    >= limits::OUTSIDE_TRANSACTIONS_MAX
        });
        if is_full { Recalled::Full } else { Recalled::New }
    }

    /// The amount of the account's transaction of this kind and id, of this platform, where it is remembered.
    pub(super) fn known_outside(
        &self,
        now_ms: Millis,
        index: AccountIndex,
        kind: Kind,
        platform: PlatformIndex,
        id: &str,
    ) -> Option<Amount> {
        let activity = self.accounts.get(index).activity()?;
        let horizon = (now_ms, self.settings.retention_ms);
        let find = |platform| activity.find_outside(horizon, kind, platform, id);
        let known = if self.rules == Rules::V1 {
            self.platforms.all().map(PlatformIndex::from_number).find_map(find)
        } else {
            // One of version 0.1.0 is whoever's: nobody is paid twice.
            find(platform).or_else(|| find(PlatformIndex::NONE))
        };
        known.map(|known| known.amount)
    }

    /// Whether a credit would move something: it is not known, and its account is there.
    pub(super) fn credit_would_change(&self, now_ms: Millis, credit: &Credit<&str>) -> bool {
        self.served(credit.platform, &credit.account).is_some_and(|(index, _, platform)| {
            self.known_outside(now_ms, index, Kind::Credit, platform, credit.transaction).is_none()
        })
    }

    /// Whether a deposit or a withdrawal would.
    pub(super) fn transfer_would_change(&self, now_ms: Millis, transfer: &Transfer<&str>) -> bool {
        let kind = Kind::of_transfer(transfer.direction);
        self.accounts.find(&transfer.account).is_some_and(|index| {
            self.known_outside(now_ms, index, kind, PlatformIndex::NONE, transfer.transaction).is_none()
        })
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
        activity.statement.push(StatementPlace { number, round: StatementPlace::OUTSIDE, at });
        activity.oldest_ms = activity.oldest_ms.min(stamp.now_ms);
        self.forget_a_little(stamp.now_ms, index);
        self.note(stamp, index, effect);
    }
}
