//! What a wallet answers.

use compact_str::CompactString;

use super::account::{Profile, Status};
use super::amount::Amount;
use super::currency::Currency;
use super::operation::Operation;
use super::token::TokenId;

/// `ErrorCode` of the protocol (§1, Error codes), those that are refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ErrorCode {
    /// 0: it was done.
    Success = 0,
    /// -1: the wallet could not answer; retry.
    Unknown = -1,
    /// -3: session not found or expired.
    SessionNotFound = -3,
    /// -4: account frozen.
    AccountFrozen = -4,
    /// -5: account not found.
    AccountNotFound = -5,
    /// -6: authentication failed, or the request is not well formed.
    NotAuthentic = -6,
    /// -15: game not found.
    GameNotFound = -15,
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> i8 {
        self as i8
    }
}

/// An account's funds, as `Balance` shows them (protocol §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The domain's currency.
    pub currency: Currency,
    /// `CashFunds`.
    pub cash: Amount,
    /// The number of balance changes that the account has had.
    pub version: u64,
}

/// What `redeemtoken` tells (protocol §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed<S> {
    /// `OperatorAccountID`.
    pub account: S,
    /// `GatewaySessionToken`.
    pub key: S,
    /// `CurrencyCode`.
    pub currency: Currency,
    /// `CountryCode`.
    pub country: [u8; 2],
    /// The optional members, for an account that has any.
    pub extras: Option<Extras<S>>,
}

/// The optional members of a redeemed session, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extras<S> {
    /// `OperatorUserName`.
    pub user_name: Option<S>,
    /// `OperatorDisplayName`.
    pub display_name: Option<S>,
    /// `City`.
    pub city: Option<S>,
    /// `DateOfBirth`.
    pub born: Option<super::account::Date>,
    /// `Gender`.
    pub gender: Option<super::account::Gender>,
}

/// An account as the operator sees it (protocol §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// `domain/player`.
    pub id: CompactString,
    /// The profile.
    pub profile: Profile,
    /// Whether it may play.
    pub status: Status,
    /// Its funds.
    pub balance: Balance,
    /// Its live sessions, oldest first.
    pub sessions: Vec<SessionView>,
}

/// A live session as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The session key.
    pub key: CompactString,
    /// When the player logged in, milliseconds since 1970.
    pub started_ms: u64,
    /// Its last use, milliseconds since 1970.
    pub used_ms: u64,
}

/// What became of an operation. Borrowed from the wallet where it was applied (`Outcome<&str>`), owned where it
/// crosses to another core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<S> {
    /// `balance`: the funds.
    Balance(Balance),
    /// `createtoken`, single-use policy.
    Token(TokenId),
    /// `createtoken`, wrapped policy: the session key and the time that make the token.
    WrappedToken {
        /// The session key.
        key: S,
        /// Milliseconds since 1970.
        minted_ms: u64,
    },
    /// `redeemtoken`.
    Redeemed(Redeemed<S>),
    /// A platform's call was refused; with the funds where the account is known and may be told of (protocol §4).
    Refused {
        /// Why.
        code: ErrorCode,
        /// The funds.
        balance: Option<Balance>,
    },

    /// Operator: the account is there now.
    AccountPut {
        /// It was not there before.
        created: bool,
    },
    /// Operator: the account.
    Account(Box<AccountView>),
    /// Operator: the status is set.
    StatusSet(Status),
    /// Operator: the session has started, or had already.
    SessionOpened {
        /// Its key.
        key: S,
    },
    /// Operator: the session has ended.
    SessionClosed,
    /// Operator: a refusal.
    OperatorRefused(OperatorRefusal),

    /// The lane to the owner is full; nothing has changed. -1 to a platform, 503 to the operator.
    Unavailable,
    /// The next step is this operation, at its own slot; nobody is answered yet.
    Next(Box<Operation<CompactString>>),
    /// Nobody waits for an answer.
    Silent,
}

/// Why an operator's call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorRefusal {
    /// 404: no such account.
    NoAccount,
    /// 404: no such domain in the configuration.
    NoDomain,
    /// 404: the account has no such session.
    NoSession,
    /// 409: the key is another account's session.
    KeyTaken,
    /// 409: the account has as many live sessions as it may have.
    TooManySessions,
    /// 503: the shard holds as many accounts as it may.
    ShardFull,
}

impl<S> Outcome<S> {
    /// The same outcome with every string passed through `f`; used with `CompactString::from` for a lane.
    pub fn map<'a, T>(&'a self, f: impl Fn(&'a S) -> T) -> Outcome<T> {
        match self {
            Self::Balance(balance) => Outcome::Balance(*balance),
            Self::Token(token) => Outcome::Token(*token),
            Self::WrappedToken { key, minted_ms } => {
                Outcome::WrappedToken { key: f(key), minted_ms: *minted_ms }
            }
            Self::Redeemed(redeemed) => Outcome::Redeemed(Redeemed {
                account: f(&redeemed.account),
                key: f(&redeemed.key),
                currency: redeemed.currency,
                country: redeemed.country,
                extras: redeemed.extras.as_ref().map(|extras| Extras {
                    user_name: extras.user_name.as_ref().map(&f),
                    display_name: extras.display_name.as_ref().map(&f),
                    city: extras.city.as_ref().map(&f),
                    born: extras.born,
                    gender: extras.gender,
                }),
            }),
            Self::Refused { code, balance } => Outcome::Refused { code: *code, balance: *balance },
            Self::AccountPut { created } => Outcome::AccountPut { created: *created },
            Self::Account(view) => Outcome::Account(view.clone()),
            Self::StatusSet(status) => Outcome::StatusSet(*status),
            Self::SessionOpened { key } => Outcome::SessionOpened { key: f(key) },
            Self::SessionClosed => Outcome::SessionClosed,
            Self::OperatorRefused(refusal) => Outcome::OperatorRefused(*refusal),
            Self::Unavailable => Outcome::Unavailable,
            Self::Next(operation) => Outcome::Next(operation.clone()),
            Self::Silent => Outcome::Silent,
        }
    }
}
