//! Bets that were refused for the player's sake, and are refused again for a while (protocol §4,
//! `remember_refusals_ms`): a platform that repeats a bet hears what it heard, though the funds have come since.
//!
//! They live in memory alone: nothing moved, and a start may forget them.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::ladder::Verdict;
use super::ledger::{AccountIndex, RefusedBet};
use super::operation::{Play, PlayKind};
use super::outcome::ErrorCode;
use super::platform::RoundScope;
use super::platforms::PlatformIndex;
use super::play::At;
use super::{Millis, Wallet, because};
use coverage::Branch;

impl Wallet {
    /// Lets go of an account's refusals that hold no more.
    pub(super) fn forget_refusals(&mut self, now_ms: Millis, index: AccountIndex) {
        if self.accounts.get(index).activity().is_some_and(|activity| !activity.refusals.is_empty()) {
            let refusals = &mut self.accounts.get_mut(index).activity_mut().refusals;
            refusals.retain(|known| now_ms < known.until_ms);
            refusals.shrink_to_fit();
        }
    }

    /// The refusal of this bet that still holds.
    pub(super) fn remembered_refusal(&self, now_ms: Millis, play: &Play<&str>, at: At) -> Option<Verdict> {
        let activity = self.accounts.get(at.account).activity()?;
        if play.kind != PlayKind::Bet || activity.refusals.is_empty() {
            return None;
        }
        let bet = bet_hash(play, at.platform);
        let refusal = activity.refusals.iter().find(|known| known.bet == bet && now_ms < known.until_ms)?;
        coverage::hit(Branch::RefusalRemembered);
        Some(Verdict::Refuse(refusal.code, because::REFUSED_BEFORE))
    }

    /// Whether a refusal would be remembered, and is not yet.
    pub(super) fn refusal_would_grow(
        &self,
        now_ms: Millis,
        play: &Play<&str>,
        at: At,
        code: ErrorCode,
    ) -> bool {
        self.platforms.dialect(at.platform).remember_refusals_ms > 0
            && lasts(code)
            && self.remembered_refusal(now_ms, play, at).is_none()
    }

    /// Remembers a refusal that lasts, where the platform asks for that. `false` where the account has as many as are
    /// remembered: the bet must not be told that it is refused for good then, since a copy of it might be taken later.
    pub(super) fn remember_refusal(
        &mut self,
        now_ms: Millis,
        play: &Play<&str>,
        at: At,
        code: ErrorCode,
    ) -> bool {
        let remembered_ms = self.platforms.dialect(at.platform).remember_refusals_ms;
        if remembered_ms == 0 || !lasts(code) {
            return true;
        }
        let bet = bet_hash(play, at.platform);
        let refusals = &mut self.accounts.get_mut(at.account).activity_mut().refusals;
        refusals.retain(|known| now_ms < known.until_ms);
        // What is refused since it was refused before is refused until the same time.
        if refusals.iter().any(|known| known.bet == bet) {
            return true;
        }
        if refusals.len() >= limits::REFUSALS_REMEMBERED_MAX {
            coverage::hit(Branch::RefusalsFull);
            return false;
        }
        let until_ms = now_ms.saturating_add(remembered_ms);
        refusals.push_back(RefusedBet { bet, until_ms, code });
        true
    }
}

/// Whether a refusal stays where the platform asks for that.
const fn lasts(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InsufficientFunds
            | ErrorCode::StakeLimit
            | ErrorCode::WagerLimit
            | ErrorCode::LossLimit
            | ErrorCode::SessionLengthLimit
    )
}

/// A hash of all that a bet is known by.
fn bet_hash(play: &Play<&str>, platform: PlatformIndex) -> u64 {
    let game = if play.scope == RoundScope::Game { play.game } else { "" };
    let of_round = xxh3_64_with_seed(play.round.as_bytes(), u64::from(platform.number()));
    let of_game = xxh3_64_with_seed(game.as_bytes(), of_round);
    xxh3_64_with_seed(play.transaction.as_bytes(), of_game)
}
