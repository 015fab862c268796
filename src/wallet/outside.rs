//! What moves an account's money outside of game rounds: promotional payments, deposits, withdrawals; and alerts,
//! which move nothing (protocol §4, §6).

use super::amount::Amount;
use super::image::RoundKind;
use super::ledger::AccountIndex;
use super::operation::{Alert, Credit, Transfer};
use super::outcome::{Effect, ErrorCode, Outcome, Text, TextPlace, Why};
use super::packed::usual_len;
use super::platforms::PlatformIndex;
use super::rounds::{Round, RoundKey, RoundState};
use super::transaction::Transaction;
use super::{Millis, Rules, Stamp, Wallet, because, refused};

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
        let key = RoundKey::outside(RoundKind::Credit, platform, transaction);
        let refusal = match self.known_outside(stamp.now_ms, index, key) {
            Some(before) if before == *amount && same_currency => None,
            Some(_) => Some((ErrorCode::NotCompleted, because::OTHER_CONTENTS)),
            None if !same_currency => Some((ErrorCode::CurrencyMismatch, because::CURRENCY)),
            None if !self.has_room_for_a_round() => return refused(ErrorCode::Unknown, because::FULL),
            None if !holds => Some((ErrorCode::NotCompleted, because::TOO_MUCH)),
            None => {
                self.record_outside(stamp, index, key, *amount, effect);
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

    /// The amount of the account's transaction outside of rounds with this key, where it is remembered.
    pub(super) fn known_outside(
        &self,
        now_ms: Millis,
        index: AccountIndex,
        key: RoundKey<'_>,
    ) -> Option<Amount> {
        let find = |platform| self.remembered(now_ms, index, RoundKey { platform, ..key });
        let known = if self.rules == Rules::V1 {
            self.platforms.all().map(PlatformIndex::from_number).find_map(find)
        } else {
            // One of version 0.1.0 is whoever's: nobody is paid twice.
            let unclaimed = || self.rounds.has_any_unclaimed().then(|| find(PlatformIndex::NONE))?;
            find(key.platform).or_else(unclaimed)
        };
        known.map(|at| self.rounds.get(at).transactions().next().expect("it has its transaction").amount())
    }

    /// Whether a credit would move something: it is not known, and its account is there.
    pub(super) fn credit_would_change(&self, now_ms: Millis, credit: &Credit<&str>) -> bool {
        self.served(credit.platform, &credit.account).is_some_and(|(index, _, platform)| {
            let key = RoundKey::outside(RoundKind::Credit, platform, credit.transaction);
            self.known_outside(now_ms, index, key).is_none()
        })
    }

    /// Whether a deposit or a withdrawal would.
    pub(super) fn transfer_would_change(&self, now_ms: Millis, transfer: &Transfer<&str>) -> bool {
        let key = RoundKey::of_transfer(transfer);
        let found = self.accounts.find(&transfer.account);
        found.is_some_and(|index| self.known_outside(now_ms, index, key).is_none())
    }

    /// Moves the money of a transaction outside of rounds, and remembers it.
    pub(super) fn record_outside(
        &mut self,
        stamp: Stamp,
        index: AccountIndex,
        key: RoundKey<'_>,
        amount: Amount,
        effect: &mut Effect,
    ) {
        let account = self.accounts.get_mut(index);
        let book = self.books.get_mut(account.domain());
        if key.kind == RoundKind::Withdrawal {
            account.spend(book, amount);
        } else {
            account.receive(book, amount);
        }
        self.forget_past(stamp.now_ms, index, key);
        let kind = key.kind.transaction().expect("it is outside of rounds");
        let round = Round::new(index, key, stamp.now_ms, usual_len(key.id.len()));
        let at = self.rounds.insert(&self.accounts, round);
        self.enter(index, at, Transaction::new(kind, key.id, amount, stamp.now_ms));
        self.touch_round(index, at, RoundState::Closed, stamp.now_ms);
        self.forget_a_little(stamp.now_ms, index);
        self.note(stamp, index, effect);
    }
}
