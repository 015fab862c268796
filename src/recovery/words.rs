//! An operation in a sentence about damage: its call and whom it concerns. No session key and no token is in it.

use std::fmt::Write as _;

use crate::wallet::operation::{Direction, Operation, PlayKind};

/// The call, the account, and the round or the transaction.
pub(super) fn of(operation: &Operation<&str>) -> String {
    let mut text = call(operation).to_owned();
    if let Some(account) = operation.account_id() {
        let _ = write!(text, " of {account:?}");
    }
    let (round, transaction) = match operation {
        Operation::Play(play) => (Some(play.round), Some(play.transaction)),
        Operation::EndRound { round, .. } => (Some(*round), None),
        Operation::Credit { transaction, .. } | Operation::Transfer { transaction, .. } => {
            (None, Some(*transaction))
        }
        _ => (None, None),
    };
    if let Some(round) = round {
        let _ = write!(text, ", round {round:?}");
    }
    if let Some(transaction) = transaction {
        let _ = write!(text, ", transaction {transaction:?}");
    }
    text
}

const fn call(operation: &Operation<&str>) -> &'static str {
    match operation {
        Operation::Play(play) => match play.kind {
            PlayKind::Bet => "placebet",
            PlayKind::Win => "awardwinnings",
            PlayKind::Rollback => "rollbackbet",
            PlayKind::Void => "voidbet",
        },
        Operation::EndRound { .. } => "the end of a round",
        Operation::Credit { .. } => "a credit",
        Operation::Alert { .. } => "an alert",
        Operation::PutAccount { .. } => "the profile",
        Operation::SetStatus { .. } => "the status",
        Operation::Transfer { direction: Direction::In, .. } => "a deposit",
        Operation::Transfer { .. } => "a withdrawal",
        Operation::SetLimits { .. } => "the limits",
        Operation::OpenSession { .. } | Operation::StartSession { .. } => "a login",
        Operation::CloseSession { .. } => "a logout",
        Operation::RenewSession { .. } => "the renewal of a session",
        // Nothing of these is journaled.
        _ => "a call",
    }
}
