//! What would make a wallet hold more than it does: near the budget of memory a server refuses it, and settles what was
//! begun (docs/operations.md).
//!
//! It is asked before an operation is applied, and nothing here changes anything. What is journaled does not depend on it.

use super::account::KeyHash;
use super::ladder::Verdict;
use super::operation::{Alert, CreateToken, OpenSession, Operation, Play, PlayKind, PutAccount};
use super::outcome::{Effect, ErrorCode};
use super::rounds::RoundState;
use super::token::TokenPolicy;
use super::{Millis, Stamp, Wallet};

impl Wallet {
    /// Whether an operation would begin something that is remembered: an account, a session, a token, a round, a payment, a
    /// further bet. `true` where that is not known before it is applied. A repeat of what was done, what settles a round that
    /// was begun, what protects a player, and what is refused for what it says would not; nor would the further steps of a
    /// login, which was let in.
    pub fn would_grow(&self, now_ms: Millis, operation: &Operation<&str>) -> bool {
        match operation {
            Operation::Play(play) => self.play_would_grow(now_ms, play),
            Operation::Credit(_) | Operation::Transfer(_) => self.would_change(now_ms, operation),
            Operation::Alert(of) => self.alert_would_grow(of),
            Operation::CreateToken(of) => self.token_would_grow(now_ms, of),
            Operation::OpenSession(of) => self.login_would_grow(of),
            Operation::PutAccount(of) => self.account_would_grow(of),
            Operation::Balance(_)
            | Operation::RedeemToken(_)
            | Operation::RedeemWrapped(_)
            | Operation::RedeemSession(_)
            | Operation::EndRound(_)
            | Operation::FindHolder(_)
            | Operation::CheckHolder(_)
            | Operation::GetAccount(_)
            | Operation::SetStatus(_)
            | Operation::SetLimits(_)
            | Operation::GetStatement(_)
            | Operation::StartSession(_)
            | Operation::CloseSession(_)
            | Operation::CheckClaim(_)
            | Operation::ReleaseKey(_)
            | Operation::RenewSession(_)
            | Operation::RecallRound(_) => false,
        }
    }

    /// Every bet that is taken, and what else would begin a round: winnings, and the cancellation of a bet that is unknown.
    fn play_would_grow(&self, now_ms: Millis, play: &Play<&str>) -> bool {
        let Ok(at) = self.arrive(now_ms, play) else { return false };
        let state = at.round.map_or(RoundState::Unopened, |round| self.rounds.get(round).state);
        let begins = state == RoundState::Unopened;
        match self.judge(Stamp { now_ms, sequence: 0 }, play, at) {
            Verdict::Do { .. } => play.kind == PlayKind::Bet || begins,
            Verdict::Cancel => begins && self.cancelling(play, at).changes,
            Verdict::AskForHolder => begins,
            // Whether the limit's period is over by now is not looked at before something is changed.
            Verdict::Refuse(ErrorCode::WagerLimit | ErrorCode::LossLimit, _) => true,
            Verdict::Refuse(code, _) => self.refusal_would_grow(now_ms, play, at, code),
            Verdict::Known | Verdict::Deny(..) => false,
        }
    }

    fn alert_would_grow(&self, Alert { platform, account, .. }: &Alert<&str>) -> bool {
        self.served(*platform, account).is_some_and(|(_, found, _)| {
            found.activity().is_none_or(|activity| activity.alerts.len() < limits::ALERTS_SHOWN_MAX)
        })
    }

    /// A wrapped token is not remembered.
    fn token_would_grow(&self, now_ms: Millis, of: &CreateToken<&str>) -> bool {
        self.judge_token(now_ms, of, &mut Effect::default()).is_ok_and(|(_, platform, _)| {
            self.platforms.dialect(platform).token_policy == TokenPolicy::SingleUse
        })
    }

    /// A session starts again under a key that its account holds.
    fn login_would_grow(&self, OpenSession { key, .. }: &OpenSession<&str>) -> bool {
        let hash = KeyHash::of(key);
        self.holder(hash).is_none()
    }

    fn account_would_grow(&self, PutAccount { account, .. }: &PutAccount<&str>) -> bool {
        self.accounts.find(account).is_none() && self.is_configured(account.id())
    }
}
