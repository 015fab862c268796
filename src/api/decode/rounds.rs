//! The calls that move funds, end rounds and raise alerts (protocol §4).

use alloc::borrow::Cow;

use super::extras::Extras;
use super::{Asked, Decode, Enveloped, TIMESTAMP_CHARS_MAX, amount, members};
use crate::members::object;
use crate::text::Members;
use wallet::account::AccountRef;
use wallet::currency::Currency;
use wallet::operation::{self, Operation, Play, PlayKind};

/// An [`enveloped!`] object with an account, a currency and the members that are only recorded.
macro_rules! extended {
    ($(#[$doc:meta])* $object:ident { $($kept:tt)* }) => {
        enveloped! {
            $(#[$doc])*
            $object {
                account: required "OperatorAccountID" <= limits::ID_CHARS_MAX;
                currency: required "CurrencyCode" <= limits::CURRENCY_CODE_CHARS_MAX;
                $($kept)*
                provider: optional "ContentGameProviderID" <= limits::ID_CHARS_MAX;
                game_version: optional "GameVersion" <= limits::ID_CHARS_MAX;
                table: optional "TableID" <= limits::ID_CHARS_MAX;
                jackpot_contribution: optional_jackpot "JackpotContribution";
                jackpot_winnings: optional_jackpot "JackpotWinnings";
                free_bet_cost: optional_money "FreeBetCost";
                free_game_offer: optional "FreeGameOfferCode" <= limits::ID_CHARS_MAX;
                free_bet_offer: optional "FreeBetOfferCode" <= limits::ID_CHARS_MAX;
            } checked {}
        }

        impl $object<'_> {
            fn extras(&self) -> Extras<'_> {
                Extras {
                    provider: self.provider.as_deref(),
                    game_version: self.game_version.as_deref(),
                    table: self.table.as_deref(),
                    jackpot_contribution: self.jackpot_contribution,
                    jackpot_winnings: self.jackpot_winnings,
                    free_bet_cost: self.free_bet_cost,
                    free_game_offer: self.free_game_offer.as_deref(),
                    free_bet_offer: self.free_bet_offer.as_deref(),
                }
            }
        }
    };
}

extended! {
    /// Members of `placebet`.
    PlaceBet {
        session: required "GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX;
        round: required "GameRoundID" <= limits::ID_CHARS_MAX;
        transaction: required "GameRoundTransactionID" <= limits::ID_CHARS_MAX;
        game: required "GameID" <= limits::ID_CHARS_MAX;
        amount: required_money "Amount";
        starts_round: required_bool "StartRound";
        ends_round: required_bool "EndRound";
    }
}

extended! {
    /// Members of `awardwinnings`.
    AwardWinnings {
        session: blank "GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX;
        round: required "GameRoundID" <= limits::ID_CHARS_MAX;
        transaction: required "GameRoundTransactionID" <= limits::ID_CHARS_MAX;
        game: required "GameID" <= limits::ID_CHARS_MAX;
        amount: required_money "Amount";
        starts_round: required_bool "StartRound";
        ends_round: required_bool "EndRound";
    }
}

extended! {
    /// Members of `rollbackbet`. Platforms send the original id under two wrong names as well.
    RollbackBet {
        session: blank "GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX;
        round: required "GameRoundID" <= limits::ID_CHARS_MAX;
        transaction: required "GameRoundTransactionID" <= limits::ID_CHARS_MAX;
        original: required "OriginalBetGameRoundTransactionID" | "OrginalBetGameRoundTransactionID"
            | "OriginalPlaceBetGameRoundTransactionID" <= limits::ID_CHARS_MAX;
        game: required "GameID" <= limits::ID_CHARS_MAX;
        amount: required_money "Amount";
        ends_round: required_bool "EndRound";
    }
}

extended! {
    /// Members of `voidbet`.
    VoidBet {
        session: blank "GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX;
        round: required "GameRoundID" <= limits::ID_CHARS_MAX;
        transaction: required "GameRoundTransactionID" <= limits::ID_CHARS_MAX;
        game: required "GameID" <= limits::ID_CHARS_MAX;
        amount: required_money "Amount";
        ends_round: required_bool "EndRound";
    }
}

extended! {
    /// Members of `end`.
    EndRound {
        session: blank "GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX;
        round: required "GameRoundID" <= limits::ID_CHARS_MAX;
        game: required "GameID" <= limits::ID_CHARS_MAX;
    }
}

extended! {
    /// Members of `credit`.
    Credit {
        session: blank "GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX;
        transaction: required "AccountTransactionID" <= limits::ID_CHARS_MAX;
        kind: required "AccountTransactionTypeID" <= limits::ID_CHARS_MAX;
        amount: required_money "Amount";
    }
}

enveloped! {
    /// Members of `alertwalletcallbacknotification`.
    Alert {
        account: required "OperatorAccountID" <= limits::ID_CHARS_MAX;
        session: required "GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX;
        source: required "Source" <= limits::ID_CHARS_MAX;
        action: required "AlertActionID" <= limits::ID_CHARS_MAX;
        action_reference: required "OperatorAlertActionReference" <= limits::ID_CHARS_MAX;
        reference: required "OperatorAlertReference" <= limits::ID_CHARS_MAX;
        regulator: required "GamingRegulatorCode" <= limits::ID_CHARS_MAX;
        kind: required "Type" <= limits::ID_CHARS_MAX;
        method: required "Method" <= limits::ID_CHARS_MAX;
        data: required "Data" <= limits::ID_CHARS_MAX;
    } checked {}
}

/// `AccountTransactionTypeID` of a deposit that was made elsewhere, which this wallet does not take.
const DEPOSIT_ELSEWHERE: &str = "811";

/// What `Source` of an alert may be.
const SOURCES: [&str; 2] = ["Gameflex", "OperatorWallet"];

pub(super) fn place_bet<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let body: PlaceBet<'_> = members(&asked)?;
    let currency = Currency::from_code(&body.currency);
    body.extras().check(currency)?;
    Ok(Operation::Play(Play {
        kind: PlayKind::Bet,
        platform: asked.platform,
        session_checked: false,
        original: None,
        currency,
        amount: amount("Amount", currency, body.amount)?,
        starts_round: body.starts_round,
        ends_round: body.ends_round,
        details: body.extras().record(),
        account: AccountRef::new(body.account),
        session: Some(body.session),
        round: body.round,
        scope: asked.dialect.round_scope,
        transaction: body.transaction,
        game: body.game,
    }))
}

pub(super) fn award_winnings<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let body: AwardWinnings<'_> = members(&asked)?;
    let currency = Currency::from_code(&body.currency);
    body.extras().check(currency)?;
    Ok(Operation::Play(Play {
        kind: PlayKind::Win,
        platform: asked.platform,
        session_checked: false,
        original: None,
        currency,
        amount: amount("Amount", currency, body.amount)?,
        starts_round: body.starts_round,
        ends_round: body.ends_round,
        details: body.extras().record(),
        account: AccountRef::new(body.account),
        session: body.session,
        round: body.round,
        scope: asked.dialect.round_scope,
        transaction: body.transaction,
        game: body.game,
    }))
}

pub(super) fn rollback_bet<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let body: RollbackBet<'_> = members(&asked)?;
    let currency = Currency::from_code(&body.currency);
    body.extras().check(currency)?;
    Ok(Operation::Play(Play {
        kind: PlayKind::Rollback,
        platform: asked.platform,
        session_checked: false,
        currency,
        amount: amount("Amount", currency, body.amount)?,
        starts_round: false,
        ends_round: body.ends_round,
        details: body.extras().record(),
        account: AccountRef::new(body.account),
        session: body.session,
        round: body.round,
        scope: asked.dialect.round_scope,
        transaction: body.transaction,
        original: Some(body.original),
        game: body.game,
    }))
}

pub(super) fn void_bet<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let body: VoidBet<'_> = members(&asked)?;
    let currency = Currency::from_code(&body.currency);
    body.extras().check(currency)?;
    Ok(Operation::Play(Play {
        kind: PlayKind::Void,
        platform: asked.platform,
        session_checked: false,
        original: None,
        currency,
        amount: amount("Amount", currency, body.amount)?,
        starts_round: false,
        ends_round: body.ends_round,
        details: body.extras().record(),
        account: AccountRef::new(body.account),
        session: body.session,
        round: body.round,
        scope: asked.dialect.round_scope,
        transaction: body.transaction,
        game: body.game,
    }))
}

pub(super) fn end_round<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let body: EndRound<'_> = members(&asked)?;
    let currency = Currency::from_code(&body.currency);
    body.extras().check(currency)?;
    Ok(Operation::EndRound(operation::EndRound {
        platform: asked.platform,
        currency,
        details: body.extras().record(),
        account: AccountRef::new(body.account),
        round: body.round,
        scope: asked.dialect.round_scope,
        game: body.game,
    }))
}

pub(super) fn credit<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let body: Credit<'_> = members(&asked)?;
    let currency = Currency::from_code(&body.currency);
    body.extras().check(currency)?;
    if body.kind == DEPOSIT_ELSEWHERE {
        return Err("AccountTransactionTypeID 811, a deposit made elsewhere, is not supported.".into());
    }
    Ok(Operation::Credit(operation::Credit {
        platform: asked.platform,
        currency,
        amount: amount("Amount", currency, body.amount)?,
        account: AccountRef::new(body.account),
        transaction: body.transaction,
        kind: body.kind,
    }))
}

pub(super) fn alert<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let body: Alert<'_> = members(&asked)?;
    if !SOURCES.contains(&&*body.source) {
        return Err("Source must be Gameflex or OperatorWallet.".into());
    }
    let mut details = Members::default();
    for (name, value) in [
        ("GatewaySessionToken", &body.session),
        ("Source", &body.source),
        ("AlertActionID", &body.action),
        ("OperatorAlertActionReference", &body.action_reference),
        ("OperatorAlertReference", &body.reference),
        ("GamingRegulatorCode", &body.regulator),
        ("Type", &body.kind),
        ("Method", &body.method),
        ("Data", &body.data),
    ] {
        details.string(name, Some(value));
    }
    Ok(Operation::Alert(operation::Alert {
        platform: asked.platform,
        account: AccountRef::new(body.account),
        details: Cow::Owned(details.finish().expect("it has members")),
    }))
}
