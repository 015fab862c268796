//! What a wallet answers.

use alloc::boxed::Box;
use alloc::vec::Vec;
use compact_str::CompactString;

use super::account::{AccountStatus, Profile};
use super::amount::Amount;
use super::currency::Currency;
use super::ledger::AccountIndex;
use super::operation::{Operation, PlayKind};
use super::platform::PlatformKey;
use super::restriction::Restrictions;
use super::token::TokenId;

/// `ErrorCode` of the protocol (§1, Error codes), those that are refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ErrorCode {
    /// 0: it was done.
    Success = 0,
    /// -1: the wallet could not answer; retry.
    Unknown = -1,
    /// -2: insufficient funds.
    InsufficientFunds = -2,
    /// -3: session not found or expired.
    SessionNotFound = -3,
    /// -4: account frozen.
    AccountFrozen = -4,
    /// -5: account not found.
    AccountNotFound = -5,
    /// -6: authentication failed, or the request is not well formed.
    NotAuthentic = -6,
    /// -7: transaction not completed.
    NotCompleted = -7,
    /// -8: transaction not found.
    TransactionNotFound = -8,
    /// -9: currency mismatch.
    CurrencyMismatch = -9,
    /// -10: stake limit.
    StakeLimit = -10,
    /// -11: wager limit.
    WagerLimit = -11,
    /// -12: loss limit.
    LossLimit = -12,
    /// -13: session-length limit.
    SessionLengthLimit = -13,
    /// -14: game round not found.
    RoundNotFound = -14,
    /// -15: game not found.
    GameNotFound = -15,
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> i8 {
        self as i8
    }
}

/// The rule that a refusal comes of, in words for a platform's engineer (protocol §1, `ErrorDescription`). It tells
/// nothing of the account beyond its code.
///
/// Two refusals of one code are the same refusal: what decides is the code.
#[derive(Clone, Copy, Debug)]
pub struct Why(pub &'static str);

impl PartialEq for Why {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Why {}

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
    pub status: AccountStatus,
    /// Its funds.
    pub balance: Balance,
    /// Its limits.
    pub limits: Restrictions<Amount>,
    /// Its live sessions, oldest first.
    pub sessions: Vec<SessionView>,
    /// Its open rounds, oldest first, the first [`OPEN_ROUNDS_SHOWN_MAX`](limits::OPEN_ROUNDS_SHOWN_MAX).
    pub open_rounds: Vec<RoundView>,
    /// How many rounds are open.
    pub open_rounds_count: usize,
    /// The latest alerts, oldest first.
    pub alerts: Vec<AlertView>,
}

/// An open round as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundView {
    /// Whose it is; [`PlatformKey::NONE`] of a round of version 0.1.0 that no platform has named since.
    pub platform: PlatformKey,
    /// `GameRoundID`.
    pub id: CompactString,
    /// The game of its first transaction; `None` where that is not known.
    pub game: Option<CompactString>,
    /// The sum of its bets.
    pub staked: Amount,
    /// What rollbacks and voids have given back of it.
    pub returned: Amount,
    /// It was opened by winnings that did not start it.
    pub orphan: bool,
    /// Its last transaction, milliseconds since 1970.
    pub last_ms: u64,
}

/// An alert as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertView {
    /// When it was recorded, milliseconds since 1970.
    pub at_ms: u64,
    /// Its members, as a JSON object.
    pub details: CompactString,
}

/// A page of an account's statement, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The currency of all amounts.
    pub currency: Currency,
    /// The transactions.
    pub lines: Vec<StatementLine>,
    /// There are further ones.
    pub more: bool,
    /// All transactions from this number on are remembered; 1 where none was forgotten.
    pub complete_from: u64,
}

/// What a transaction of a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Of a game round.
    Play(PlayKind),
    /// A promotional payment.
    Credit,
    /// The operator's.
    Deposit,
    /// The operator's.
    Withdrawal,
}

/// A transaction as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// Its number among its account's, growing; a later page begins after it.
    pub number: u64,
    /// What it is.
    pub kind: LineKind,
    /// The platform that asked for it; nobody's where the operator did.
    pub platform: PlatformKey,
    /// `GameRoundID`, of a round's transaction.
    pub round: Option<CompactString>,
    /// `GameID`, of a round's transaction.
    pub game: Option<CompactString>,
    /// Its id.
    pub transaction: CompactString,
    /// Of a rollback: the id of its bet.
    pub original: Option<CompactString>,
    /// The amount that was asked for.
    pub amount: Amount,
    /// It moved nothing, as the second rollback of a bet does.
    pub moved_nothing: bool,
    /// It is a bet that was taken back later.
    pub rolled_back: bool,
    /// The account's cash after it.
    pub balance_after: Amount,
    /// When it was applied, milliseconds since 1970.
    pub at_ms: u64,
}

/// What a line of a statement takes as JSON apart from its texts, at most: the names of its members, its numbers with up to 20
/// digits, its time.
const LINE_BYTES: usize = 384;

impl StatementLine {
    /// Bytes that it takes as JSON at most.
    pub fn json_bytes_max(&self) -> usize {
        let optional = [&self.round, &self.game, &self.original];
        let texts = optional.into_iter().flatten().chain([&self.transaction]);
        LINE_BYTES + texts.map(|text| json_text_bytes_max(text)).sum::<usize>()
    }
}

/// Bytes of the inside of a JSON string at most (RFC 8259 §7).
fn json_text_bytes_max(text: &str) -> usize {
    let bytes_of = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(bytes_of).sum()
}

/// A change that is to be journaled, as it must come out when it is applied again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The number of the `ErrorCode`: 0, or that of a refusal that changes something.
    pub code: i8,
    /// The account's cash after it.
    pub cash: Amount,
    /// The account's version after it.
    pub version: u64,
    /// The last use of the session that it depends on, as it was before, milliseconds since 1970; renewals come to
    /// the journal late. 0 where it depends on none.
    pub session_used_ms: u64,
}

/// What an operation did to a wallet, beside its outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The sequence of the latest change that the outcome shows; the operation's own where it changed something.
    pub seen: super::Sequence,
    /// The change, where there was one that is to be journaled.
    pub changed: Option<Receipt>,
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

/// What became of an operation. Its strings are places in the wallet or the operation as it comes out
/// ([`Outcome<Text>`](Text)), borrowed to be encoded, and owned where it crosses to another core.
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
    /// A transaction that was done, now or before: `placebet` and its like, `credit` (protocol §4).
    Done {
        /// `OperatorTransactionReference`.
        reference: S,
        /// The stake, of a bet alone: `OperatorTransactionSplit`.
        staked: Option<Amount>,
        /// The funds.
        balance: Balance,
    },
    /// `end` and `alertwalletcallbacknotification`: done, with the funds.
    Noted(Balance),
    /// A platform's call was refused; with the funds where the account is known and may be told of (protocol §4).
    Refused {
        /// The code.
        code: ErrorCode,
        /// The rule that it comes of.
        why: Why,
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
    StatusSet(AccountStatus),
    /// Operator: the deposit or withdrawal is done, now or before; the funds.
    Transferred(Balance),
    /// Operator: these limits hold.
    LimitsSet {
        /// All limits.
        limits: Box<Restrictions<Amount>>,
        /// Their currency.
        currency: Currency,
    },
    /// Operator: a page of the statement.
    Statement(Box<Statement>),
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
    /// 503: the key is on its way from one account to another, or the journal is behind; to be asked again.
    TryAgain,
    /// 503: the account has more behind it that is over than one request takes out of memory; to be asked again.
    Forgetting,
    /// 400: the currency is not the account's.
    WrongCurrency,
    /// 503: the shard holds as many accounts as it may.
    ShardFull,
    /// 409: the transaction's id was used with another amount.
    TransactionConflict,
    /// 422: the account has less than is to be withdrawn.
    InsufficientFunds,
    /// 422: the account would hold more than an account can.
    TooMuch,
    /// 400: the amount is not a whole number of the currency's minor units, or is too large.
    NotMoney,
}

impl<S> Outcome<S> {
    /// The same outcome with every string passed through `f`.
    pub fn map<T>(self, f: impl Fn(S) -> T) -> Outcome<T> {
        match self {
            Self::Balance(balance) => Outcome::Balance(balance),
            Self::Token(token) => Outcome::Token(token),
            Self::WrappedToken { key, minted_ms } => Outcome::WrappedToken { key: f(key), minted_ms },
            Self::Redeemed(redeemed) => Outcome::Redeemed(Redeemed {
                account: f(redeemed.account),
                key: f(redeemed.key),
                currency: redeemed.currency,
                country: redeemed.country,
                extras: redeemed.extras.map(|extras| extras.map(f)),
            }),
            Self::Done { reference, staked, balance } => {
                Outcome::Done { reference: f(reference), staked, balance }
            }
            Self::Noted(balance) => Outcome::Noted(balance),
            Self::Refused { code, why, balance } => Outcome::Refused { code, why, balance },
            Self::AccountPut { created } => Outcome::AccountPut { created },
            Self::Account(view) => Outcome::Account(view),
            Self::StatusSet(status) => Outcome::StatusSet(status),
            Self::Transferred(balance) => Outcome::Transferred(balance),
            Self::LimitsSet { limits, currency } => Outcome::LimitsSet { limits, currency },
            Self::Statement(statement) => Outcome::Statement(statement),
            Self::SessionOpened { key } => Outcome::SessionOpened { key: f(key) },
            Self::SessionClosed => Outcome::SessionClosed,
            Self::OperatorRefused(refusal) => Outcome::OperatorRefused(refusal),
            Self::Unavailable => Outcome::Unavailable,
            Self::Next(operation) => Outcome::Next(operation),
            Self::Silent => Outcome::Silent,
        }
    }
}

impl<S> Extras<S> {
    /// The same members with every string passed through `f`.
    pub(super) fn map<T>(self, f: impl Fn(S) -> T) -> Extras<T> {
        Extras {
            user_name: self.user_name.map(&f),
            display_name: self.display_name.map(&f),
            city: self.city.map(&f),
            born: self.born,
            gender: self.gender,
        }
    }
}

/// A string of an outcome, by where it stands; [`Wallet::resolve`](super::Wallet::resolve) has it. So an outcome borrows nothing. It
/// stands there until the wallet is changed again: resolve it before the next operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub(super) TextPlace);

/// Where a string of an outcome stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextPlace {
    /// It is the id of the operation's own transaction.
    Transaction,
    /// It is the session key of the operation.
    Key,
    /// An account's id.
    AccountId(AccountIndex),
    /// The key of an account's session.
    SessionKey(AccountIndex, u32),
    /// A text of an account's profile.
    Profile(AccountIndex, ProfileText),
}

/// Which text of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProfileText {
    UserName,
    DisplayName,
    City,
}
