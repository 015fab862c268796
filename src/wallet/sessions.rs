//! What platforms ask of sessions: `balance`, `createtoken`, `redeemtoken` (protocol §3).

use super::account::{AccountRef, AccountStatus, KeyHash};
use super::ledger::{Account, AccountIndex};
use super::operation::{self, Operation};
use super::outcome::{Effect, ErrorCode, Outcome, Receipt, Redeemed, Text, TextPlace, Why};
use super::platforms::PlatformIndex;
use super::session::{Idle, Session};
use super::token::{TokenId, TokenPolicy};
use super::tokens::Token;
use super::{Millis, Renewal, Stamp, Wallet, because, refused};
use alloc::boxed::Box;
use coverage::Branch;

impl Wallet {
    pub(super) fn balance(
        &self,
        operation::Balance { platform, account, game }: &operation::Balance<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some((_, account, _)) = self.served(*platform, account) else {
            return refused(ErrorCode::AccountNotFound, because::NO_ACCOUNT);
        };
        effect.seen = account.changed;
        let balance = self.balance_of(account);
        if game.is_some_and(|game| !self.offers(game)) {
            let (code, why) = (ErrorCode::GameNotFound, Why(because::NO_GAME));
            return Outcome::Refused { code, why, balance: Some(balance) };
        }
        Outcome::Balance(balance)
    }

    pub(super) fn create_token(
        &mut self,
        Stamp { now_ms, .. }: Stamp,
        of: &operation::CreateToken<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let (index, platform, at) = match self.judge_token(now_ms, of, effect) {
            Ok(judged) => judged,
            Err(refusal) => return refusal,
        };
        let operation::CreateToken { account, entropy, .. } = of;
        let session = self.accounts.get(index).sessions[at].serial;
        let catalog = self.catalog.as_deref().expect("nobody asks while the journal is replayed");
        match self.platforms.dialect(platform).token_policy {
            TokenPolicy::Wrapped => Outcome::WrappedToken {
                key: Text(TextPlace::SessionKey(index, at as u32)),
                minted_ms: now_ms,
            },
            TokenPolicy::SingleUse => {
                let expires_ms = now_ms.saturating_add(catalog.token_life_ms);
                let slot = account.hash().slot();
                let token = Token { random: *entropy, account: index, platform, session, expires_ms };
                if self.tokens.mint(now_ms, token) {
                    Outcome::Token(TokenId::new(slot, *entropy))
                } else {
                    refused(ErrorCode::Unknown, "The token could not be made; ask for another one.")
                }
            }
        }
    }

    /// The account and the platform that a token is made for, and the place of the session that it stands for; or the refusal.
    pub(super) fn judge_token(
        &self,
        now_ms: Millis,
        operation::CreateToken { platform, account, game, .. }: &operation::CreateToken<&str>,
        effect: &mut Effect,
    ) -> Result<(AccountIndex, PlatformIndex, usize), Outcome<Text>> {
        let idle_ms = self.settings.session_idle_ms;
        let Some((index, found, platform)) = self.served(*platform, account) else {
            return Err(refused(ErrorCode::AccountNotFound, because::NO_ACCOUNT));
        };
        effect.seen = found.changed;
        let Some(at) = found.session_at(|session| session.is_live(now_ms, idle_ms)) else {
            return Err(refused(ErrorCode::AccountNotFound, "The account has no live session."));
        };
        let refused_with_balance =
            |code, why| Err(Outcome::Refused { code, why: Why(why), balance: Some(self.balance_of(found)) });
        if found.status() == AccountStatus::Frozen {
            return refused_with_balance(ErrorCode::AccountFrozen, because::FROZEN);
        }
        if !self.offers(game) {
            return refused_with_balance(ErrorCode::GameNotFound, because::NO_GAME);
        }
        Ok((index, platform, at))
    }

    pub(super) fn redeem_token(
        &mut self,
        Stamp { now_ms, .. }: Stamp,
        operation::RedeemToken { platform, token }: &operation::RedeemToken,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some(minted) = self.tokens.get(now_ms, token.random()) else {
            return refused(ErrorCode::SessionNotFound, because::NO_TOKEN);
        };
        let account = self.accounts.get(minted.account);
        if account.hash().slot() != token.slot() {
            return refused(ErrorCode::SessionNotFound, because::NO_TOKEN);
        }
        if self.serves(account.domain(), *platform) != Some(minted.platform) {
            coverage::hit(Branch::TokenOfAnotherPlatform);
            return refused(ErrorCode::SessionNotFound, because::NO_TOKEN);
        }
        effect.seen = account.changed;
        let horizon = self.session_horizon(now_ms);
        let is_its = |session: &Session| session.serial == minted.session;
        let Some(at) = account.remembered_session(horizon, is_its) else {
            return refused(ErrorCode::SessionNotFound, because::NO_TOKEN);
        };
        let redeemed = self.redeem(now_ms, minted.account, at);
        if matches!(redeemed, Redeeming::Done) {
            self.tokens.remove(token.random());
        }
        self.redeemed(redeemed, minted.account, at)
    }

    pub(super) fn locate_session(
        &self,
        operation::RedeemWrapped { platform, key, minted_ms }: &operation::RedeemWrapped<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let hash = KeyHash::of(key);
        // That nobody has the key may be of a logout that is not durable yet.
        effect.seen = self.released;
        match self.holder(hash) {
            None => refused(ErrorCode::SessionNotFound, because::NO_TOKEN),
            Some(holder) => Outcome::Next(Box::new(Operation::RedeemSession(operation::RedeemSession {
                platform: *platform,
                holder: holder.account,
                key: (*key).into(),
                minted_ms: *minted_ms,
            }))),
        }
    }

    pub(super) fn redeem_session(
        &mut self,
        Stamp { now_ms, .. }: Stamp,
        operation::RedeemSession { platform, holder, key, minted_ms }: &operation::RedeemSession<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let token_life_ms =
            self.catalog.as_deref().map_or(limits::TOKEN_LIFE_MS, |catalog| catalog.token_life_ms);
        let too_old = now_ms.saturating_sub(*minted_ms) > token_life_ms;
        let too_new = minted_ms.saturating_sub(now_ms) > limits::TOKEN_AHEAD_MS;
        if too_old || too_new {
            return refused(ErrorCode::SessionNotFound, "The time in SessionToken is too far from now.");
        }
        let horizon = self.session_horizon(now_ms);
        let holds = |found: &Account| found.remembered_session(horizon, |session| &*session.key == *key);
        let Some(index) = self.accounts.find_hash(*holder, |found| holds(found).is_some()) else {
            // So may that the account has no such session any more.
            let held = self.accounts.find_hash(*holder, |_| true);
            effect.seen = held.map_or(0, |index| self.accounts.get(index).changed);
            return refused(ErrorCode::SessionNotFound, because::NO_TOKEN);
        };
        let found = self.accounts.get(index);
        let (Some(at), Some(_)) = (holds(found), self.serves(found.domain(), *platform)) else {
            return refused(ErrorCode::SessionNotFound, because::NO_TOKEN);
        };
        effect.seen = found.changed;
        let redeemed = self.redeem(now_ms, index, at);
        self.redeemed(redeemed, index, at)
    }

    /// Redeems session number `at` of an account: it must be live and its account not frozen; it is renewed.
    fn redeem(&mut self, now_ms: Millis, index: AccountIndex, at: usize) -> Redeeming {
        let idle_ms = self.settings.session_idle_ms;
        let account = self.accounts.get_mut(index);
        if !account.sessions[at].is_live(now_ms, idle_ms) {
            return Redeeming::Expired;
        }
        if account.status() == AccountStatus::Frozen {
            return Redeeming::Frozen;
        }
        let session = &mut account.sessions[at];
        // One that never idles out is not renewed: which session is evicted must be the same after a replay.
        if session.idle == Idle::Expires {
            session.used_ms = now_ms;
            if !session.renewed {
                session.renewed = true;
                self.renewals.push_back(Renewal {
                    account: index,
                    session: session.serial,
                    since_ms: now_ms,
                });
            }
        }
        Redeeming::Done
    }

    fn redeemed(&self, redeeming: Redeeming, index: AccountIndex, at: usize) -> Outcome<Text> {
        let account = self.accounts.get(index);
        let refuse =
            |code, why| Outcome::Refused { code, why: Why(why), balance: Some(self.balance_of(account)) };
        match redeeming {
            Redeeming::Expired => refuse(ErrorCode::SessionNotFound, because::EXPIRED),
            Redeeming::Frozen => refuse(ErrorCode::AccountFrozen, because::FROZEN),
            Redeeming::Done => Outcome::Redeemed(Redeemed {
                account: Text(TextPlace::AccountId(index)),
                key: Text(TextPlace::SessionKey(index, at as u32)),
                currency: self.books.get(account.domain()).currency(),
                country: account.profile().country(),
                extras: account
                    .profile()
                    .extras()
                    .map(|extras| extras.map(|text| Text(TextPlace::Profile(index, text)))),
            }),
        }
    }

    /// Brings the renewals of sessions to the journal that have waited for [`limits::RENEWAL_JOURNALED_MS`] at `due_ms`,
    /// at most `most` of them (protocol §5).
    pub fn journal_renewals(
        &mut self,
        due_ms: Millis,
        most: usize,
        mut journal: impl FnMut(Operation<&str>, Receipt),
    ) {
        for _ in 0..most {
            let Some(renewal) = self.renewals.front() else { return };
            if renewal.since_ms.saturating_add(limits::RENEWAL_JOURNALED_MS) > due_ms {
                return;
            }
            let Renewal { account, session, .. } = *renewal;
            self.renewals.pop_front();
            self.journal_renewals_of(account, |known| known.serial == session, &mut journal);
        }
    }

    /// Brings all renewals of an account's sessions to the journal, ahead of a change that depends on them.
    pub fn journal_account_renewals(
        &mut self,
        account: &AccountRef<&str>,
        mut journal: impl FnMut(Operation<&str>, Receipt),
    ) {
        if let Some(index) = self.accounts.find(account) {
            self.journal_renewals_of(index, |_| true, &mut journal);
        }
    }

    fn journal_renewals_of(
        &mut self,
        index: AccountIndex,
        is: impl Fn(&Session) -> bool,
        journal: &mut impl FnMut(Operation<&str>, Receipt),
    ) {
        let account = self.accounts.get_mut(index);
        let receipt = account.receipt();
        let mut sessions = core::mem::take(&mut account.sessions);
        for session in sessions.iter_mut().filter(|session| session.renewed && is(session)) {
            session.renewed = false;
            let account = AccountRef::new(account.id());
            journal(
                Operation::RenewSession(operation::RenewSession {
                    account,
                    key: &session.key,
                    used_ms: session.used_ms,
                }),
                receipt,
            );
        }
        account.sessions = sessions;
    }

    /// Renews a session as it was renewed before the crash.
    pub(super) fn renew_session(
        &mut self,
        stamp: Stamp,
        operation::RenewSession { account, key, used_ms }: &operation::RenewSession<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        // An account stays; a record of one that is not there is not this wallet's.
        let Some(index) = self.accounts.find(account) else { return Outcome::Silent };
        let found = self.accounts.get_mut(index);
        // The session may have ended meanwhile.
        if let Some(at) = found.session_at(|session| &*session.key == *key) {
            let session = &mut found.sessions[at];
            session.used_ms = session.used_ms.max(*used_ms);
        }
        self.note(stamp, index, effect);
        Outcome::Silent
    }
}

/// What became of a redeeming, before it is told.
#[derive(Clone, Copy)]
enum Redeeming {
    Done,
    Expired,
    Frozen,
}
