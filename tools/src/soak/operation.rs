//! The calls of a player, and what each does to the player's money.

use crate::abuse::answer::number_after;
use crate::abuse::call::{self, GAME, OTHERS};

/// Cash in minor units, and the number of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Funds {
    pub(super) minor: i64,
    pub(super) version: i64,
}

impl Funds {
    /// After a change by so much, or by nothing.
    pub(super) const fn moved(self, minor: i64) -> Self {
        Self { minor: self.minor + minor, version: self.version + (minor != 0) as i64 }
    }

    /// The funds in an answer.
    pub(super) fn told(body: &[u8]) -> Option<Self> {
        let cash = memchr::memmem::find(body, b"\"CashFunds\":")? + b"\"CashFunds\":".len();
        let text = body[cash..].split(|byte| *byte == b',').next()?;
        let (pounds, pence) = str::from_utf8(text).ok()?.split_once('.')?;
        let minor = pounds.parse::<i64>().ok()? * 100 + pence.parse::<i64>().ok()?;
        Some(Self { minor, version: number_after(body, b"\"Version\":")?.into() })
    }
}

/// A call. Ids are used once for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Balance,
    CreateToken,
    RedeemToken,
    Bet { round: u64, id: u64, minor: i64, starts: bool, is_taken_back: bool },
    Win { round: u64, id: u64, minor: i64, ends: bool },
    Rollback { round: u64, id: u64, bet: u64, minor: i64 },
    Void { round: u64, id: u64, minor: i64 },
    End { round: u64 },
    Credit { id: u64, minor: i64 },
    Alert { id: u64 },
}

impl Operation {
    /// What it adds to the account.
    pub(super) const fn moves(&self) -> i64 {
        match self {
            Self::Bet { minor, .. } => -*minor,
            Self::Win { minor, .. }
            | Self::Rollback { minor, .. }
            | Self::Void { minor, .. }
            | Self::Credit { minor, .. } => *minor,
            _ => 0,
        }
    }

    /// Whether a repeat of it is answered as it was at first.
    pub(super) const fn can_be_repeated(&self) -> bool {
        match self {
            Self::Bet { is_taken_back, .. } => !*is_taken_back,
            Self::Balance | Self::CreateToken | Self::RedeemToken | Self::End { .. } | Self::Alert { .. } => {
                false
            }
            _ => true,
        }
    }

    /// Adds the request for the account of this number.
    pub(super) fn write(&self, number: u32, token: &str, out: &mut Vec<u8>) {
        let (account, session) = (call::account(number), call::session(number));
        let play = |round: u64, id: u64, minor: i64| {
            let (pounds, pence) = (minor / 100, minor % 100);
            format!(
                r#""GatewaySessionToken":"{session}","OperatorAccountID":"{account}","GameRoundID":"r{round}","GameRoundTransactionID":"t{id}","GameID":"{GAME}","CurrencyCode":"GBP","Amount":{pounds}.{pence:02}"#
            )
        };
        let (path, members) = match self {
            Self::Balance => ("balance", format!(r#""OperatorAccountID":"{account}""#)),
            Self::CreateToken => {
                ("session/createtoken", format!(r#""OperatorAccountID":"{account}","GameID":"{GAME}""#))
            }
            Self::RedeemToken => {
                ("session/redeemtoken", format!(r#""SessionToken":"{token}","IPAddress":"127.0.0.1""#))
            }
            Self::Bet { round, id, minor, starts, .. } => (
                "gameround/placebet",
                format!(r#"{},"StartRound":{starts},"EndRound":false"#, play(*round, *id, *minor)),
            ),
            Self::Win { round, id, minor, ends } => (
                "gameround/awardwinnings",
                format!(r#"{},"StartRound":false,"EndRound":{ends}"#, play(*round, *id, *minor)),
            ),
            Self::Rollback { round, id, bet, minor } => (
                "gameround/rollbackbet",
                format!(
                    r#"{},"OriginalBetGameRoundTransactionID":"t{bet}","EndRound":false"#,
                    play(*round, *id, *minor)
                ),
            ),
            Self::Void { round, id, minor } => {
                ("gameround/voidbet", format!(r#"{},"EndRound":false"#, play(*round, *id, *minor)))
            }
            Self::End { round } => (
                "gameround/end",
                format!(
                    r#""GatewaySessionToken":"{session}","OperatorAccountID":"{account}","GameRoundID":"r{round}","GameID":"{GAME}","CurrencyCode":"GBP""#
                ),
            ),
            Self::Credit { id, minor } => (
                "accounttransaction/credit",
                format!(
                    r#""OperatorAccountID":"{account}","AccountTransactionID":"c{id}","AccountTransactionTypeID":"827","CurrencyCode":"GBP","Amount":{}.{:02}"#,
                    minor / 100,
                    minor % 100
                ),
            ),
            Self::Alert { id } => (
                "alertwalletcallbacknotification",
                format!(
                    r#""GatewaySessionToken":"{session}","OperatorAccountID":"{account}","Source":"Gameflex","AlertActionID":"a{id}","OperatorAlertActionReference":"1","OperatorAlertReference":"1","GamingRegulatorCode":"UKGC","Type":"RealityCheck","Method":"Continue","Data":"60""#
                ),
            ),
        };
        OTHERS.write(path, format_args!("{members}"), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn funds_in_answers() {
        let body = br#"{"Balance":{"CurrencyCode":"GBP","CashFunds":1000.05,"Version":17}}"#;
        assert_eq!(Funds::told(body), Some(Funds { minor: 100_005, version: 17 }));
        assert_eq!(Funds::told(b"{}"), None);
    }
}
