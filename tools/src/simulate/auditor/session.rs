//! Sessions and their tokens (protocol §3, §6).

use purser::limits;
use purser::wallet::account::{AccountHash, Status};
use purser::wallet::outcome::{ErrorCode, Extras, OperatorRefusal, Outcome, Redeemed};
use purser::wallet::token::TokenId;
use purser::wallet::{PlatformId, TokenPolicy};

use super::account::{Account, Ask};
use super::rules::{Answer, Rules, refused, refused_operator};

/// Time within which a renewal by `redeemtoken` is on stable storage (protocol §5).
const RENEWAL_STORED_MS: u64 = 60_000;

/// A session, live or expired.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) key: String,
    /// Its place among the account's logins.
    pub(super) login: u64,
    pub(super) started_ms: u64,
    /// Its last use at the end; before it those that a crash may set it back to. Growing, never empty.
    pub(super) uses: Vec<u64>,
    /// It may be forgotten, though its time has not come: an expired session makes way where there are many, and a
    /// crash may have taken it.
    pub(super) unsure: bool,
}

/// A single-use token that was minted and not redeemed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// The login that it stands for.
    pub(super) login: u64,
    pub(super) expires_ms: u64,
}

impl Session {
    pub(super) fn used_ms(&self) -> u64 {
        *self.uses.last().expect("a session was used when it started")
    }

    pub(super) fn is_live(&self, now_ms: u64, rules: &Rules) -> bool {
        now_ms.saturating_sub(self.used_ms()) < rules.session_idle_ms
    }

    /// Whether the machine may have forgotten it. When it sweeps is its own affair.
    pub(super) fn may_be_forgotten(&self, now_ms: u64, rules: &Rules) -> bool {
        let remembered_ms = rules.session_idle_ms + limits::SESSION_REMEMBERED_MS;
        self.unsure || now_ms.saturating_sub(self.uses[0]) >= remembered_ms
    }

    /// A use that reaches stable storage later than its answer reaches the platform.
    fn renew(&mut self, now_ms: u64) {
        self.uses.push(now_ms);
        self.forget_uses(now_ms);
    }

    /// Leaves the last use that is stored, and those after it.
    pub(super) fn forget_uses(&mut self, now_ms: u64) {
        let stored = self.uses.iter().rposition(|used_ms| used_ms + RENEWAL_STORED_MS <= now_ms);
        self.uses.drain(..stored.unwrap_or(0));
    }
}

impl Account {
    pub(super) fn session(&self, key: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.key == key)
    }

    pub(super) fn open_session(&mut self, ask: &Ask<'_>, key: &str) -> Answer {
        let live = |session: &&Session| session.is_live(ask.now_ms, ask.rules);
        let others = self.sessions.iter().filter(|session| session.key != key);
        if others.filter(live).count() >= limits::SESSIONS_PER_ACCOUNT_MAX {
            return refused_operator(OperatorRefusal::TooManySessions);
        }
        self.sessions.retain(|session| session.key != key);
        if self.sessions.len() >= limits::SESSIONS_REMEMBERED_MAX {
            for session in &mut self.sessions {
                session.unsure |= !session.is_live(ask.now_ms, ask.rules);
            }
        }
        self.logins += 1;
        self.sessions.push(Session {
            key: key.to_owned(),
            login: self.logins,
            started_ms: ask.now_ms,
            uses: vec![ask.now_ms],
            unsure: false,
        });
        Outcome::SessionOpened { key: key.into() }
    }

    pub(super) fn close_session(&mut self, ask: &Ask<'_>, key: &str) -> Answer {
        let none = refused_operator(OperatorRefusal::NoSession);
        let Some(session) = self.session(key) else {
            return none;
        };
        let forgotten = session.may_be_forgotten(ask.now_ms, ask.rules) && ask.told == Some(&none);
        self.sessions.retain(|session| session.key != key);
        if forgotten { none } else { Outcome::SessionClosed }
    }

    pub(super) fn create_token(&mut self, ask: &Ask<'_>, game: &str, entropy: u128) -> Answer {
        let newest = self.sessions.iter().rfind(|session| session.is_live(ask.now_ms, ask.rules));
        let Some(newest) = newest else {
            return refused(ErrorCode::AccountNotFound);
        };
        if self.status == Status::Frozen {
            return self.refuse(ErrorCode::AccountFrozen);
        }
        if !ask.rules.games.contains(game) {
            return self.refuse(ErrorCode::GameNotFound);
        }
        match ask.rules.token_policy {
            TokenPolicy::Wrapped => {
                Outcome::WrappedToken { key: newest.key.as_str().into(), minted_ms: ask.now_ms }
            }
            TokenPolicy::SingleUse => {
                let expires_ms = ask.now_ms + ask.rules.token_life_ms;
                self.tokens.retain(|_, token| ask.now_ms < token.expires_ms);
                self.tokens.insert(entropy, Token { login: newest.login, expires_ms });
                Outcome::Token(TokenId::new(AccountHash::of(&self.id).slot(), entropy))
            }
        }
    }

    pub(super) fn redeem(&mut self, ask: &Ask<'_>, platform: PlatformId, token: TokenId) -> Answer {
        let minted = self.tokens.get(&token.random()).copied();
        let Some(minted) = minted.filter(|minted| ask.now_ms < minted.expires_ms) else {
            return refused(ErrorCode::SessionNotFound);
        };
        let here = token.slot() == AccountHash::of(&self.id).slot();
        let session = self.sessions.iter().position(|session| session.login == minted.login);
        let (Some(at), true, true) = (session, here, ask.rules.serves(platform, &self.id)) else {
            return refused(ErrorCode::SessionNotFound);
        };
        let answer = self.redeem_session(ask, at);
        if matches!(answer, Outcome::Redeemed(_)) {
            self.tokens.remove(&token.random());
        }
        answer
    }

    pub(super) fn redeem_wrapped(
        &mut self,
        ask: &Ask<'_>,
        platform: PlatformId,
        key: &str,
        minted_ms: u64,
    ) -> Answer {
        let too_old = ask.now_ms.saturating_sub(minted_ms) > ask.rules.token_life_ms;
        let too_new = minted_ms.saturating_sub(ask.now_ms) > limits::TOKEN_AHEAD_MS;
        let session = self.sessions.iter().position(|session| session.key == key);
        match session {
            Some(at) if !too_old && !too_new && ask.rules.serves(platform, &self.id) => {
                self.redeem_session(ask, at)
            }
            _ => refused(ErrorCode::SessionNotFound),
        }
    }

    fn redeem_session(&mut self, ask: &Ask<'_>, at: usize) -> Answer {
        if !self.sessions[at].is_live(ask.now_ms, ask.rules) {
            return refused(ErrorCode::SessionNotFound);
        }
        if self.status == Status::Frozen {
            return self.refuse(ErrorCode::AccountFrozen);
        }
        self.sessions[at].renew(ask.now_ms);
        let profile = &self.profile;
        let extras = Extras {
            user_name: profile.user_name.clone(),
            display_name: profile.display_name.clone(),
            city: profile.city.clone(),
            born: profile.born,
            gender: profile.gender,
        };
        let none = Extras { user_name: None, display_name: None, city: None, born: None, gender: None };
        Outcome::Redeemed(Redeemed {
            account: self.id.as_str().into(),
            key: self.sessions[at].key.as_str().into(),
            currency: self.currency,
            country: profile.country,
            extras: (extras != none).then_some(extras),
        })
    }
}
