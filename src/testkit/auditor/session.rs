//! Sessions and their tokens (protocol §3, §6).

use compact_str::CompactString;
use wallet::account::{AccountHash, AccountStatus, Profile};
use wallet::outcome::{ErrorCode, Extras, OperatorRefusal, Outcome, Redeemed};
use wallet::token::TokenId;
use wallet::{PlatformKey, TokenPolicy};

use super::account::{Account, Ask};
use super::bounds;
use super::rules::{Answer, Rules, refused, refused_operator};

/// Time within which a renewal by `redeemtoken` is on stable storage (protocol §5).
const RENEWAL_STORED_MS: u64 = 60_000;

/// Uses of sessions that are no farther apart may have come in either order, for who knows when it asked and was answered alone.
const TIED_MS: u64 = 20;

/// A session, live or expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) key: String,
    /// Its place among the account's logins.
    pub(super) login: u64,
    pub(super) started_ms: u64,
    /// Its last use at the end; before it those that a crash may set it back to. Growing, never empty.
    pub(super) uses: Vec<u64>,
}

/// A single-use token that was minted and not redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The login that it stands for.
    pub(super) login: u64,
    /// The platform that asked for it.
    pub(super) platform: PlatformKey,
    /// Its place among the account's tokens.
    pub(super) place: u64,
    pub(super) expires_ms: u64,
}

impl Session {
    pub(super) fn used_ms(&self) -> u64 {
        *self.uses.last().expect("a session was used when it started")
    }

    pub(super) fn is_live(&self, now_ms: u64, rules: &Rules) -> bool {
        now_ms.saturating_sub(self.used_ms()) < rules.times.session_idle_ms
    }

    /// Whether it expired so long ago that it is not remembered any more.
    pub(super) fn is_past(&self, now_ms: u64, rules: &Rules) -> bool {
        rules.times.is_session_past(self.used_ms(), now_ms)
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
    /// What a crash may leave of it, of at most `most` accounts: each renewal that need not be on stable storage yet is there, or lost.
    /// The first has them all.
    pub(super) fn with_lost_renewals(&self, crashed_ms: u64, most: usize) -> Vec<Self> {
        let mut all = vec![self.clone()];
        for at in 0..self.sessions.len() {
            let mut stored = self.sessions[at].clone();
            stored.forget_uses(crashed_ms);
            let uses = &stored.uses;
            for used_ms in &uses[..uses.len() - 1] {
                let room = most.saturating_sub(all.len());
                for mut lost in all.iter().take(room).cloned().collect::<Vec<_>>() {
                    lost.sessions[at].uses = vec![*used_ms];
                    if !all.contains(&lost) {
                        all.push(lost);
                    }
                }
            }
        }
        for session in all.iter_mut().flat_map(|account| &mut account.sessions) {
            // What a start has read is stored.
            session.uses = vec![session.used_ms()];
        }
        all
    }

    pub(super) fn session(&self, key: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.key == key)
    }

    /// A login. A 17th live session ends the one that was used least recently, and of more than 32 that are remembered
    /// the expired one that was used least recently is forgotten; of several that were used at one time it is the
    /// oldest login.
    pub(super) fn open_session(&mut self, ask: &Ask<'_>, key: &str) -> Answer {
        self.sessions.retain(|session| session.key != key);
        let is_live = |session: &Session| session.is_live(ask.now_ms, ask.rules);
        // More than so many are live where the idle time was raised since.
        while self.sessions.iter().filter(|session| is_live(session)).count() >= bounds::SESSIONS_MAX {
            self.end_least_recent(ask.tied, is_live);
        }
        if self.sessions.len() >= bounds::SESSIONS_REMEMBERED_MAX {
            self.end_least_recent(ask.tied, |session| !is_live(session));
        }
        // What a login ends depends on the last use of every session, so those are stored before it.
        for session in &mut self.sessions {
            session.uses = vec![session.used_ms()];
        }
        self.logins += 1;
        self.sessions.push(Session {
            key: key.to_owned(),
            login: self.logins,
            started_ms: ask.now_ms,
            uses: vec![ask.now_ms],
        });
        Outcome::SessionOpened { key: key.into() }
    }

    fn end_least_recent(&mut self, tied: usize, is: impl Fn(&Session) -> bool) {
        let those = self.sessions.iter().filter(|session| is(session));
        let mut those: Vec<(u64, u64)> = those.map(|session| (session.used_ms(), session.login)).collect();
        those.sort_unstable();
        let first_ms = those.first().map_or(0, |(used_ms, _)| *used_ms);
        let alike = those.iter().take_while(|(used_ms, _)| used_ms - first_ms <= TIED_MS);
        let least = alike.take(tied + 1).last().map(|(_, login)| *login);
        self.sessions.retain(|session| Some(session.login) != least);
    }

    pub(super) fn close_session(&mut self, key: &str) -> Answer {
        if self.session(key).is_none() {
            return refused_operator(OperatorRefusal::NoSession);
        }
        self.sessions.retain(|session| session.key != key);
        Outcome::SessionClosed
    }

    pub(super) fn create_token(
        &mut self,
        ask: &Ask<'_>,
        platform: PlatformKey,
        game: &str,
        entropy: u128,
    ) -> Answer {
        let newest = self.sessions.iter().rfind(|session| session.is_live(ask.now_ms, ask.rules));
        let Some(newest) = newest else {
            return refused(ErrorCode::AccountNotFound);
        };
        if self.status == AccountStatus::Frozen {
            return self.refuse(ErrorCode::AccountFrozen);
        }
        if !ask.rules.games.contains(game) {
            return self.refuse(ErrorCode::GameNotFound);
        }
        match ask.rules.dialect(platform).token_policy {
            TokenPolicy::Wrapped => {
                Outcome::WrappedToken { key: newest.key.as_str().into(), minted_ms: ask.now_ms }
            }
            TokenPolicy::SingleUse => {
                let expires_ms = ask.now_ms + ask.rules.token_life_ms;
                let login = newest.login;
                self.tokens.retain(|_, token| ask.now_ms < token.expires_ms);
                let own = self.tokens.iter().filter(|(_, token)| token.platform == platform);
                if own.clone().count() >= bounds::TOKENS_MAX {
                    let oldest = own.min_by_key(|(_, token)| token.place).map(|(random, _)| *random);
                    self.tokens.remove(&oldest.expect("there are some"));
                }
                self.minted += 1;
                self.tokens.insert(entropy, Token { login, platform, place: self.minted, expires_ms });
                Outcome::Token(TokenId::new(AccountHash::of(&self.id).slot(), entropy))
            }
        }
    }

    pub(super) fn redeem(&mut self, ask: &Ask<'_>, platform: PlatformKey, token: TokenId) -> Answer {
        let minted = self.tokens.get(&token.random()).copied();
        let valid = |minted: &Token| ask.now_ms < minted.expires_ms && minted.platform == platform;
        let Some(minted) = minted.filter(valid) else {
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
        platform: PlatformKey,
        key: &str,
        minted_ms: u64,
    ) -> Answer {
        let too_old = ask.now_ms.saturating_sub(minted_ms) > ask.rules.token_life_ms;
        let too_new = minted_ms.saturating_sub(ask.now_ms) > bounds::TOKEN_AHEAD_MS;
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
            return self.refuse(ErrorCode::SessionNotFound);
        }
        if self.status == AccountStatus::Frozen {
            return self.refuse(ErrorCode::AccountFrozen);
        }
        self.sessions[at].renew(ask.now_ms);
        let extras = extras(&self.profile);
        let none = Extras { user_name: None, display_name: None, city: None, born: None, gender: None };
        Outcome::Redeemed(Redeemed {
            account: self.id.as_str().into(),
            key: self.sessions[at].key.as_str().into(),
            currency: self.currency,
            country: self.profile.country,
            extras: (extras != none).then_some(extras),
        })
    }
}

/// What a profile has beside its country.
pub(super) fn extras(profile: &Profile) -> Extras<CompactString> {
    Extras {
        user_name: profile.user_name.clone(),
        display_name: profile.display_name.clone(),
        city: profile.city.clone(),
        born: profile.born,
        gender: profile.gender,
    }
}
