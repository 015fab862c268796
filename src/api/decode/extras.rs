//! The members of a round's calls that are recorded and never move funds (protocol §2, §4).

use alloc::borrow::Cow;

use super::amount;
use crate::jackpot::Jackpot;
use crate::members::Fault;
use crate::text::Members;
use wallet::amount::Money;
use wallet::currency::Currency;

/// Those that a request has.
#[derive(Clone, Copy)]
pub(super) struct Extras<'a> {
    pub(super) provider: Option<&'a str>,
    pub(super) game_version: Option<&'a str>,
    pub(super) table: Option<&'a str>,
    pub(super) jackpot_contribution: Option<Jackpot>,
    pub(super) jackpot_winnings: Option<Jackpot>,
    pub(super) free_bet_cost: Option<Money>,
    pub(super) free_game_offer: Option<&'a str>,
    pub(super) free_bet_offer: Option<&'a str>,
}

impl Extras<'_> {
    /// Checks the amounts against the request's currency; one that is not known leaves nothing to be checked, and
    /// the wallet refuses it.
    pub(super) fn check(&self, currency: Option<Currency>) -> Result<(), Fault> {
        for (jackpot, fault) in
            [(self.jackpot_contribution, JACKPOT_CONTRIBUTION), (self.jackpot_winnings, JACKPOT_WINNINGS)]
        {
            if !jackpot.is_none_or(Jackpot::fits) {
                return Err(Fault::Sentence(fault));
            }
        }
        self.free_bet_cost.map_or(Ok(()), |cost| amount("FreeBetCost", currency, cost).map(drop))
    }

    /// A JSON object of them, in the protocol's order; none where there are none.
    pub(super) fn record<'a>(self) -> Option<Cow<'a, str>> {
        let mut members = Members::default();
        members.string("ContentGameProviderID", self.provider);
        members.string("GameVersion", self.game_version);
        members.string("TableID", self.table);
        members.jackpot("JackpotContribution", self.jackpot_contribution);
        members.jackpot("JackpotWinnings", self.jackpot_winnings);
        members.money("FreeBetCost", self.free_bet_cost);
        members.string("FreeGameOfferCode", self.free_game_offer);
        members.string("FreeBetOfferCode", self.free_bet_offer);
        members.finish().map(Cow::Owned)
    }
}

const JACKPOT_CONTRIBUTION: &str = "JackpotContribution has more than ten decimals, or is too large.";
const JACKPOT_WINNINGS: &str = "JackpotWinnings has more than ten decimals, or is too large.";
