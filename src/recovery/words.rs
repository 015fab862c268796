//! An operation in a sentence about damage: its call and whom it concerns. No session key and no token is in it.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt::Write as _;

use wallet::operation::{Direction, Member, Operation};

/// The call, the account, and the round or the transaction.
pub(super) fn of(operation: &Operation<&str>) -> String {
    let (_, noun) = operation.words();
    let mut text = noun.to_owned();
    for member in operation.members() {
        let _ = match member {
            Member::PlayKind(kind) => write!(text, "{}", kind.name()),
            Member::Direction(Direction::In) => write!(text, "a deposit"),
            Member::Direction(Direction::Out) => write!(text, "a withdrawal"),
            Member::Account(id) => write!(text, " of {id:?}"),
            Member::Round(id) => write!(text, ", round {id:?}"),
            Member::Transaction(id) => write!(text, ", transaction {id:?}"),
            _ => Ok(()),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use wallet::account::{AccountRef, Profile};
    use wallet::amount::Money;
    use wallet::operation;

    #[track_caller]
    fn check(operation: &Operation<&str>, expect: &str) {
        assert_eq!(of(operation), expect);
    }

    #[test]
    fn a_sentence_about_damage_has_no_secret() {
        let account = || AccountRef::new("default/anna");
        let key = "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c";
        check(
            &Operation::StartSession(operation::StartSession { account: account(), key }),
            r#"a login of "default/anna""#,
        );
        check(
            &Operation::CloseSession(operation::CloseSession { account: account(), key }),
            r#"a logout of "default/anna""#,
        );
        let renewal =
            Operation::RenewSession(operation::RenewSession { account: account(), key, used_ms: 7 });
        check(&renewal, r#"the renewal of a session of "default/anna""#);
        let profile = Box::new(Profile::of(*b"GB"));
        check(
            &Operation::PutAccount(operation::PutAccount { account: account(), profile }),
            r#"the profile of "default/anna""#,
        );
        let deposit = Operation::Transfer(operation::Transfer {
            account: account(),
            direction: Direction::In,
            transaction: "d-1",
            currency: None,
            amount: Money::parse("1").expect("an amount"),
        });
        check(&deposit, r#"a deposit of "default/anna", transaction "d-1""#);
    }
}
