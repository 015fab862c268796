//! What a client asks for, and the request that asks for it.

use testkit::home::TOKEN;
use testkit::message::{call, operator};

/// A call that changes an account. Every id is used once for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Bet { round: u32, id: u32, minor: u64, key: String, starts: bool, ends: bool },
    Win { round: u32, id: u32, minor: u64, ends: bool },
    Rollback { round: u32, id: u32, bet: u32, minor: u64 },
    Void { round: u32, id: u32, minor: u64 },
    End { round: u32 },
    Credit { id: u32, minor: u64 },
    Deposit { id: u32, minor: u64 },
    Withdrawal { id: u32, minor: u64 },
    SetFrozen(bool),
    SetStakeLimit(Option<u64>),
    LogIn(String),
    LogOut(String),
}

/// Money as the server writes it.
pub(crate) fn pounds(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

impl Operation {
    /// The request for `account`.
    pub(crate) fn request(&self, account: &str) -> String {
        let play = |name: &str, members: &str| {
            let members =
                format!(r#""OperatorAccountID":"{account}","GameID":"11588","CurrencyCode":"GBP",{members}"#);
            call(&format!("gameround/{name}"), &members)
        };
        let of_round = |round: u32, id: u32, minor: u64, ends: bool| {
            let amount = pounds(minor);
            format!(
                r#""GameRoundID":"r{round}","GameRoundTransactionID":"t{id}","Amount":{amount},"EndRound":{ends}"#
            )
        };
        let operate = |method: &str, tail: &str, body: &str| {
            operator(method, &format!("/operator/v1/accounts/{account}/{tail}"), TOKEN, body)
        };
        let transfer =
            |id: u32, minor: u64| format!(r#"{{"TransactionID":"t{id}","Amount":{}}}"#, pounds(minor));
        match self {
            Self::Bet { round, id, minor, key, starts, ends } => {
                let of_round = of_round(*round, *id, *minor, *ends);
                play(
                    "placebet",
                    &format!(r#"{of_round},"GatewaySessionToken":"{key}","StartRound":{starts}"#),
                )
            }
            Self::Win { round, id, minor, ends } => {
                let of_round = of_round(*round, *id, *minor, *ends);
                play("awardwinnings", &format!(r#"{of_round},"StartRound":false"#))
            }
            Self::Rollback { round, id, bet, minor } => {
                let of_round = of_round(*round, *id, *minor, false);
                play("rollbackbet", &format!(r#"{of_round},"OriginalBetGameRoundTransactionID":"t{bet}""#))
            }
            Self::Void { round, id, minor } => play("voidbet", &of_round(*round, *id, *minor, false)),
            Self::End { round } => play("end", &format!(r#""GameRoundID":"r{round}""#)),
            Self::Credit { id, minor } => {
                let amount = pounds(*minor);
                let members = format!(
                    r#""OperatorAccountID":"{account}","AccountTransactionID":"t{id}","AccountTransactionTypeID":"805","CurrencyCode":"GBP","Amount":{amount}"#
                );
                call("accounttransaction/credit", &members)
            }
            Self::Deposit { id, minor } => operate("POST", "deposits", &transfer(*id, *minor)),
            Self::Withdrawal { id, minor } => operate("POST", "withdrawals", &transfer(*id, *minor)),
            Self::SetFrozen(frozen) => {
                let status = if *frozen { "frozen" } else { "active" };
                operate("PUT", "status", &format!(r#"{{"Status":"{status}"}}"#))
            }
            Self::SetStakeLimit(limit) => operate("PUT", "limits", &stake_limit(*limit)),
            Self::LogIn(key) => operate("POST", "sessions", &format!(r#"{{"SessionKey":"{key}"}}"#)),
            Self::LogOut(key) => operate("DELETE", &format!("sessions/{key}"), ""),
        }
    }

    /// Whether the operator asks for it.
    pub(crate) const fn is_operators(&self) -> bool {
        match self {
            Self::Bet { .. }
            | Self::Win { .. }
            | Self::Rollback { .. }
            | Self::Void { .. }
            | Self::End { .. }
            | Self::Credit { .. } => false,
            Self::Deposit { .. }
            | Self::Withdrawal { .. }
            | Self::SetFrozen(_)
            | Self::SetStakeLimit(_)
            | Self::LogIn(_)
            | Self::LogOut(_) => true,
        }
    }

    /// Its type in a statement, and the round and the id there; `None` where it is in none.
    pub(crate) const fn of_statement(&self) -> Option<(&'static str, Option<u32>, u32, u64)> {
        Some(match *self {
            Self::Bet { round, id, minor, .. } => ("placebet", Some(round), id, minor),
            Self::Win { round, id, minor, .. } => ("awardwinnings", Some(round), id, minor),
            Self::Rollback { round, id, minor, .. } => ("rollbackbet", Some(round), id, minor),
            Self::Void { round, id, minor } => ("voidbet", Some(round), id, minor),
            Self::Credit { id, minor } => ("credit", None, id, minor),
            Self::Deposit { id, minor } => ("deposit", None, id, minor),
            Self::Withdrawal { id, minor } => ("withdrawal", None, id, minor),
            _ => return None,
        })
    }
}

/// An account's limits as they are set and shown.
pub(crate) fn stake_limit(limit: Option<u64>) -> String {
    limit.map_or("{}".into(), |limit| format!(r#"{{"Stake":{}}}"#, pounds(limit)))
}
