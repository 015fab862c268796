//! What lies between the handlers and a store: the questions, the answers, the refusals.

use std::future::Future;

use serde::Serialize;

/// The protocol's codes (protocol §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ErrorCode(pub i32);

impl ErrorCode {
    /// Done.
    pub const SUCCESS: Self = Self(0);
    /// The wallet could not answer; the same request may be sent again.
    pub const UNKNOWN: Self = Self(-1);
    /// The account has less than the stake.
    pub const INSUFFICIENT_FUNDS: Self = Self(-2);
    /// No such session, or another account's.
    pub const SESSION_NOT_FOUND: Self = Self(-3);
    /// No such account.
    pub const ACCOUNT_NOT_FOUND: Self = Self(-5);
    /// Wrong credentials, or a malformed body.
    pub const NOT_AUTHENTICATED: Self = Self(-6);
    /// The transaction can't be done, now or ever.
    pub const NOT_COMPLETED: Self = Self(-7);
    /// The bet to take back is not there.
    pub const TRANSACTION_NOT_FOUND: Self = Self(-8);
    /// Not the account's currency.
    pub const CURRENCY_MISMATCH: Self = Self(-9);
    /// No such round.
    pub const ROUND_NOT_FOUND: Self = Self(-14);
    /// No such game.
    pub const GAME_NOT_FOUND: Self = Self(-15);
}

/// What an account holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds {
    /// In minor units.
    pub cash: i64,
    /// Counts its changes.
    pub version: i64,
}

/// A request that changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: ErrorCode,
    /// Where the platform may be told of the account.
    pub funds: Option<Funds>,
}

impl Refusal {
    /// A refusal that tells nothing of an account.
    #[must_use]
    pub const fn bare(code: ErrorCode) -> Self {
        Self { code, funds: None }
    }

    /// A refusal that says what the account holds.
    #[must_use]
    pub const fn with(code: ErrorCode, funds: Funds) -> Self {
        Self { code, funds: Some(funds) }
    }
}

/// The session that a token stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// `domain/player`.
    pub account: String,
    /// The session's key.
    pub session: String,
    /// Two letters.
    pub country: String,
}

/// What a transaction of a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Kind {
    /// `placebet`
    Bet = 0,
    /// `awardwinnings`
    Win = 1,
    /// `rollbackbet`
    Rollback = 2,
    /// `voidbet`
    Void = 3,
}

/// What a request says of its currency and game, which the handlers know of.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// The currency is the domain's.
    pub in_currency: bool,
    /// The game is offered.
    pub has_game: bool,
}

/// A transaction of a round.
#[derive(Clone, Copy, Debug)]
pub struct Play<'a> {
    /// Which of the four.
    pub kind: Kind,
    /// `domain/player`.
    pub account: &'a str,
    /// The session's key; always there in a bet.
    pub session: Option<&'a str>,
    /// The round's id.
    pub round: &'a str,
    /// The transaction's id.
    pub transaction: &'a str,
    /// The bet that a rollback takes back.
    pub original: Option<&'a str>,
    /// In minor units.
    pub amount: i64,
    /// It may open its round.
    pub starts: bool,
    /// It closes its round.
    pub ends: bool,
    /// Its currency and game.
    pub offer: Offer,
}

/// A payment outside of rounds.
#[derive(Clone, Copy, Debug)]
pub struct Credit<'a> {
    /// `domain/player`.
    pub account: &'a str,
    /// The transaction's id.
    pub transaction: &'a str,
    /// In minor units.
    pub amount: i64,
    /// The currency is the domain's.
    pub in_currency: bool,
}

/// What is recorded of an alert.
#[derive(Clone, Copy, Debug)]
pub struct Alert<'a> {
    /// `domain/player`.
    pub account: &'a str,
    /// Which alert.
    pub action: &'a str,
    /// The rest of it, as JSON.
    pub details: &'a str,
}

/// Accounts, wherever they are kept. Every method is a call of the protocol, from the account on.
pub trait Store: Send + Sync + 'static {
    /// What an account holds.
    fn balance(&self, account: &str) -> impl Future<Output = Result<Funds, Refusal>> + Send;

    /// A token for the newest session of an account.
    fn create_token(
        &self,
        account: &str,
        has_game: bool,
    ) -> impl Future<Output = Result<String, Refusal>> + Send;

    /// The session of a token, once.
    fn redeem_token(&self, token: &str) -> impl Future<Output = Result<Redeemed, Refusal>> + Send;

    /// Does a transaction of a round, or finds that it is done.
    fn play(&self, play: &Play<'_>) -> impl Future<Output = Result<Funds, Refusal>> + Send;

    /// Closes a round.
    fn end(
        &self,
        account: &str,
        round: &str,
        offer: Offer,
    ) -> impl Future<Output = Result<Funds, Refusal>> + Send;

    /// Pays outside of rounds, or finds that it is done.
    fn credit(&self, credit: &Credit<'_>) -> impl Future<Output = Result<Funds, Refusal>> + Send;

    /// Records an alert.
    fn alert(&self, alert: &Alert<'_>) -> impl Future<Output = Result<Funds, Refusal>> + Send;
}

/// A new token: 128 random bits in base64url.
///
/// # Errors
/// [`ErrorCode::UNKNOWN`] where the system gives no random bits.
pub(crate) fn new_token() -> Result<String, Refusal> {
    use base64::Engine as _;
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|_| Refusal::bare(ErrorCode::UNKNOWN))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bits))
}
