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
    use wallet::account::{AccountRef, AccountStatus, Profile};
    use wallet::amount::{Amount, Money};
    use wallet::operation::*;
    use wallet::restriction::Restrictions;
    use wallet::{PlatformKey, RoundScope};

    #[track_caller]
    fn check<'a>(operation: impl Into<Operation<&'a str>>, expect: &str) {
        assert_eq!(of(&operation.into()), expect);
    }

    #[test]
    fn a_sentence_about_damage_has_no_secret() {
        let (account, amount) = (|| AccountRef::new("default/anna"), Amount::ZERO);
        let platform = PlatformKey::new("L100").expect("a key");
        let key = "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c";
        check(StartSession { account: account(), key }, r#"a login of "default/anna""#);
        check(CloseSession { account: account(), key }, r#"a logout of "default/anna""#);
        check(
            RenewSession { account: account(), key, used_ms: 7 },
            r#"the renewal of a session of "default/anna""#,
        );
        let profile = Box::new(Profile::of(*b"GB"));
        check(PutAccount { account: account(), profile }, r#"the profile of "default/anna""#);
        check(
            SetStatus { account: account(), status: AccountStatus::Frozen },
            r#"the status of "default/anna""#,
        );
        let limits = Box::new(Restrictions::none());
        check(SetLimits { account: account(), limits }, r#"the limits of "default/anna""#);
        check(Alert { platform, account: account(), details: "{}" }, r#"an alert of "default/anna""#);
        for (direction, name) in [(Direction::In, "deposit"), (Direction::Out, "withdrawal")] {
            let (amount, transaction) = (Money::parse("1").expect("an amount"), "d-1");
            let transfer = Transfer { account: account(), direction, transaction, currency: None, amount };
            check(transfer, &format!(r#"a {name} of "default/anna", transaction "d-1""#));
        }
        let credit =
            Credit { platform, account: account(), transaction: "c-1", kind: "810", currency: None, amount };
        check(credit, r#"a credit of "default/anna", transaction "c-1""#);
        let (round, scope, game) = ("r-1", RoundScope::Platform, "11588");
        let end =
            EndRound { platform, account: account(), round, scope, game, currency: None, details: None };
        check(end, r#"the end of a round of "default/anna", round "r-1""#);
        for (kind, name) in [
            (PlayKind::Bet, "placebet"),
            (PlayKind::Win, "awardwinnings"),
            (PlayKind::Rollback, "rollbackbet"),
            (PlayKind::Void, "voidbet"),
        ] {
            let play = Play {
                kind,
                platform,
                account: account(),
                session: Some(key),
                session_checked: true,
                round,
                scope,
                transaction: "t-1",
                original: None,
                game,
                currency: None,
                amount,
                starts_round: false,
                ends_round: false,
                details: None,
            };
            check(play, &format!(r#"{name} of "default/anna", round "r-1", transaction "t-1""#));
        }
    }
}
