//! An operation in a sentence about damage: its call and whom it concerns. No session key and no token is in it.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt::Write as _;

use wallet::operation::{Direction, Operation, PlayKind};

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

#[cfg(test)]
mod tests {
    use super::*;
    use wallet::account::{AccountRef, Profile};
    use wallet::amount::Money;

    #[track_caller]
    fn check(operation: &Operation<&str>, expect: &str) {
        assert_eq!(of(operation), expect);
    }

    #[test]
    fn a_sentence_about_damage_has_no_secret() {
        let account = || AccountRef::new("default/anna");
        let key = "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c";
        check(&Operation::StartSession { account: account(), key }, r#"a login of "default/anna""#);
        check(&Operation::CloseSession { account: account(), key }, r#"a logout of "default/anna""#);
        let renewal = Operation::RenewSession { account: account(), key, used_ms: 7 };
        check(&renewal, r#"the renewal of a session of "default/anna""#);
        let profile = Box::new(Profile::of(*b"GB"));
        check(&Operation::PutAccount { account: account(), profile }, r#"the profile of "default/anna""#);
        let deposit = Operation::Transfer {
            account: account(),
            direction: Direction::In,
            transaction: "d-1",
            currency: None,
            amount: Money::parse("1").expect("an amount"),
        };
        check(&deposit, r#"a deposit of "default/anna", transaction "d-1""#);
    }
}
