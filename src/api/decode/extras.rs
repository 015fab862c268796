//! The members of a round's calls that are recorded and never move funds (protocol §2, §4).

use std::borrow::Cow;

use crate::api::text::Members;
use crate::limits;
use crate::wallet::amount::Money;
use crate::wallet::currency::Currency;
use crate::wallet::outcome::ErrorCode;

/// Those that a request has.
#[derive(Clone, Copy)]
pub(super) struct Extras<'a> {
    pub(super) provider: Option<&'a str>,
    pub(super) game_version: Option<&'a str>,
    pub(super) table: Option<&'a str>,
    pub(super) jackpot_contribution: Option<Money>,
    pub(super) jackpot_winnings: Option<Money>,
    pub(super) free_bet_cost: Option<Money>,
    pub(super) free_game_offer: Option<&'a str>,
    pub(super) free_bet_offer: Option<&'a str>,
}

impl Extras<'_> {
    /// Checks the amounts against the request's currency; one that is not known leaves nothing to be checked, and
    /// the wallet refuses it.
    pub(super) fn check(&self, currency: Option<Currency>) -> Result<(), ErrorCode> {
        let jackpots = [self.jackpot_contribution, self.jackpot_winnings];
        if !jackpots.into_iter().flatten().all(is_jackpot) {
            return Err(ErrorCode::NotAuthentic);
        }
        match (self.free_bet_cost, currency) {
            (Some(cost), Some(currency)) if cost.in_minor_units(currency).is_none() => {
                Err(ErrorCode::NotAuthentic)
            }
            _ => Ok(()),
        }
    }

    /// A JSON object of them, in the protocol's order; none where there are none.
    pub(super) fn record<'a>(self) -> Option<Cow<'a, str>> {
        let mut members = Members::default();
        members.string("ContentGameProviderID", self.provider);
        members.string("GameVersion", self.game_version);
        members.string("TableID", self.table);
        members.money("JackpotContribution", self.jackpot_contribution);
        members.money("JackpotWinnings", self.jackpot_winnings);
        members.money("FreeBetCost", self.free_bet_cost);
        members.string("FreeGameOfferCode", self.free_game_offer);
        members.string("FreeBetOfferCode", self.free_bet_offer);
        members.finish().map(Cow::Owned)
    }
}

/// Whether `money` is a jackpot's share: a fraction of a minor unit may be in it, and it is bounded all the same.
fn is_jackpot(money: Money) -> bool {
    let (digits, exponent) = money.parts();
    let power = 10_u64.checked_pow(u32::from(exponent.unsigned_abs()));
    let whole = match power {
        Some(power) if exponent >= 0 => digits.checked_mul(power),
        Some(power) => Some(digits / power),
        None => None,
    };
    money.has_decimals_within(limits::JACKPOT_DECIMALS_MAX)
        && whole.is_some_and(|whole| whole <= limits::AMOUNT_MINOR_MAX)
}
