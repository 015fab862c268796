//! Requests and answers as JSON (protocol §1, §3, §4).

use std::fmt;
use std::ops::Deref;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::demo;
use crate::money::{Amount, Money};
use crate::store::{ErrorCode, Funds, Refusal};

/// A string of 1 to `MAX` characters.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Text<const MAX: usize>(String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Most texts are shorter in bytes than they may be in characters.
        if text.is_empty() || (text.len() > MAX && text.chars().count() > MAX) {
            return Err(D::Error::custom(format_args!("not 1 to {MAX} characters")));
        }
        Ok(Self(text))
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An optional session key, which may also be empty.
#[derive(Debug, Default)]
pub(crate) struct Session(Option<Text<100>>);

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(key) if key.chars().count() > 100 => Err(D::Error::custom("not up to 100 characters")),
            key => Ok(Self(key.filter(|key| !key.is_empty()).map(Text))),
        }
    }
}

impl Session {
    pub(crate) fn key(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// What every request says of itself.
pub(crate) trait Request {
    fn platform(&self) -> &str;
}

/// Requests with the envelope around their members.
macro_rules! requests {
    ($( $(#[$about:meta])* $request:ident { $( $(#[$how:meta])* $member:ident: $kind:ty = $name:literal, )* } )*) => { $(
        $(#[$about])*
        #[derive(Debug, Deserialize)]
        pub(crate) struct $request {
            #[serde(rename = "PlatformKey")]
            platform: Text<4>,
            #[serde(rename = "Sequence")]
            _sequence: Text<50>,
            #[serde(rename = "Timestamp")]
            _timestamp: Text<28>,
            $( $(#[$how])* #[serde(rename = $name)] pub(crate) $member: $kind, )*
        }

        impl Request for $request {
            fn platform(&self) -> &str {
                &self.platform
            }
        }
    )* };
}

requests! {
    Balance {
        account: Text<50> = "OperatorAccountID",
        game: Option<Text<50>> = "GameID",
    }

    CreateToken {
        account: Text<50> = "OperatorAccountID",
        game: Text<50> = "GameID",
    }

    RedeemToken {
        token: Text<128> = "SessionToken",
        _address: Text<50> = "IPAddress",
    }

    PlaceBet {
        session: Text<100> = "GatewaySessionToken",
        account: Text<50> = "OperatorAccountID",
        round: Text<50> = "GameRoundID",
        transaction: Text<50> = "GameRoundTransactionID",
        game: Text<50> = "GameID",
        currency: Text<3> = "CurrencyCode",
        amount: Amount = "Amount",
        starts: bool = "StartRound",
        ends: bool = "EndRound",
    }

    AwardWinnings {
        #[serde(default)]
        session: Session = "GatewaySessionToken",
        account: Text<50> = "OperatorAccountID",
        round: Text<50> = "GameRoundID",
        transaction: Text<50> = "GameRoundTransactionID",
        game: Text<50> = "GameID",
        currency: Text<3> = "CurrencyCode",
        amount: Amount = "Amount",
        starts: bool = "StartRound",
        ends: bool = "EndRound",
    }

    RollbackBet {
        #[serde(default)]
        session: Session = "GatewaySessionToken",
        account: Text<50> = "OperatorAccountID",
        round: Text<50> = "GameRoundID",
        transaction: Text<50> = "GameRoundTransactionID",
        #[serde(alias = "OrginalBetGameRoundTransactionID", alias = "OriginalPlaceBetGameRoundTransactionID")]
        original: Text<50> = "OriginalBetGameRoundTransactionID",
        game: Text<50> = "GameID",
        currency: Text<3> = "CurrencyCode",
        amount: Amount = "Amount",
        ends: bool = "EndRound",
    }

    VoidBet {
        #[serde(default)]
        session: Session = "GatewaySessionToken",
        account: Text<50> = "OperatorAccountID",
        round: Text<50> = "GameRoundID",
        transaction: Text<50> = "GameRoundTransactionID",
        game: Text<50> = "GameID",
        currency: Text<3> = "CurrencyCode",
        amount: Amount = "Amount",
        ends: bool = "EndRound",
    }

    End {
        #[serde(default)]
        _session: Session = "GatewaySessionToken",
        account: Text<50> = "OperatorAccountID",
        round: Text<50> = "GameRoundID",
        game: Text<50> = "GameID",
        currency: Text<3> = "CurrencyCode",
    }

    Credit {
        #[serde(default)]
        _session: Session = "GatewaySessionToken",
        account: Text<50> = "OperatorAccountID",
        transaction: Text<50> = "AccountTransactionID",
        kind: Text<50> = "AccountTransactionTypeID",
        currency: Text<3> = "CurrencyCode",
        amount: Amount = "Amount",
    }

    #[derive(Serialize)]
    Alert {
        session: Text<100> = "GatewaySessionToken",
        account: Text<50> = "OperatorAccountID",
        source: Source = "Source",
        action: Text<50> = "AlertActionID",
        action_reference: Text<50> = "OperatorAlertActionReference",
        reference: Text<50> = "OperatorAlertReference",
        regulator: Text<50> = "GamingRegulatorCode",
        kind: Text<50> = "Type",
        method: Text<50> = "Method",
        data: Text<50> = "Data",
    }
}

/// Who raised an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Source {
    Gameflex,
    OperatorWallet,
}

/// The body of an answer about the wallet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Answer {
    error_code: ErrorCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<Balances>,
}

/// The `Result` of an answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Token {
        #[serde(rename = "SessionToken")]
        token: String,
    },
    Redeemed {
        #[serde(rename = "OperatorAccountID")]
        account: String,
        #[serde(rename = "CurrencyCode")]
        currency: &'static str,
        #[serde(rename = "CountryCode")]
        country: String,
        #[serde(rename = "GatewaySessionToken")]
        session: String,
    },
    Done {
        #[serde(rename = "OperatorTransactionReference")]
        reference: Text<50>,
        #[serde(rename = "OperatorTransactionSplit", skip_serializing_if = "Option::is_none")]
        split: Option<Split>,
    },
}

/// What a stake was taken from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Split {
    bonus_amount: Money,
    cash_amount: Money,
}

impl Split {
    pub(crate) fn cash(minor: i64) -> Self {
        Self { bonus_amount: Money::from_minor_units(0), cash_amount: Money::from_minor_units(minor) }
    }
}

/// The `Balance` of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Balances {
    currency_code: &'static str,
    cash_funds: Money,
    bonus_funds: Money,
    funds_priority: &'static str,
    version: i64,
}

impl From<Funds> for Balances {
    fn from(funds: Funds) -> Self {
        Self {
            currency_code: demo::CURRENCY,
            cash_funds: Money::from_minor_units(funds.cash),
            bonus_funds: Money::from_minor_units(0),
            funds_priority: "Unknown",
            version: funds.version,
        }
    }
}

impl Answer {
    pub(crate) fn new(result: Option<Outcome>, funds: Option<Funds>) -> Self {
        Self { error_code: ErrorCode::SUCCESS, result, balance: funds.map(Balances::from) }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { code, funds } = self;
        Json(Answer { error_code: code, result: None, balance: funds.map(Balances::from) }).into_response()
    }
}
