//! Sentences of refusals that several calls share. Each names the member that a platform's engineer should look at.

pub(super) const NO_ACCOUNT: &str =
    "OperatorAccountID names no account, or one whose domain is not served to this platform.";
pub(super) const MANY_REFUSALS: &str =
    "The player has as many refused bets as are remembered; ask again when the first of them are forgotten.";
pub(super) const REFUSED_BEFORE: &str =
    "A bet with this TransactionID was refused before, and is refused again until that is forgotten.";
pub(super) const MANY_OPEN_ROUNDS: &str =
    "The account has as many open rounds as it may have: end some of them, or begin and end a round at once.";
pub(super) const FULL: &str = "The server remembers as many rounds as it can.";
pub(super) const FROZEN: &str = "The account is frozen.";
pub(super) const EXPIRED: &str = "The session has expired.";
pub(super) const NO_GAME: &str = "GameID names no game that is offered.";
pub(super) const CURRENCY: &str = "CurrencyCode is not the account's currency.";
pub(super) const TOO_MUCH: &str = "With Amount the account would hold more than an account can.";
pub(super) const OTHER_CONTENTS: &str = "The transaction's id was used before with other contents.";
pub(super) const NO_TOKEN: &str =
    "SessionToken is unknown, expired, was redeemed before, or was made for another platform.";
