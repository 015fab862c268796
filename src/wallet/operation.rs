//! What can be asked of a wallet.
//!
//! An operation is generic over its strings: borrowed from the request on the core that received it
//! (`Operation<&str>`), owned where it crosses to another core (`Operation<CompactString>`). Time is not in
//! it; it comes with the batch. Randomness is in it, so that applying is deterministic.

mod map;

use super::account::{AccountHash, AccountRef, KeyHash, Profile, Slot, Status};
use super::amount::{Amount, Money};
use super::currency::Currency;
use super::platform::{PlatformKey, RoundScope};
use super::restriction::Restrictions;
use super::token::TokenId;
use alloc::boxed::Box;

/// One request to a wallet, decoded and authenticated.
///
/// The order of the variants follows protocol §3, §4 and §6; the last group is the steps that the wallet itself
/// asks for ([`super::Outcome::Next`]) where a request concerns more than one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<S> {
    /// `balance` (protocol §3).
    Balance {
        /// Who asks.
        platform: PlatformKey,
        /// Whose balance.
        account: AccountRef<S>,
        /// The game that is played, where the platform says it.
        game: Option<S>,
    },
    /// `createtoken` (protocol §3).
    CreateToken {
        /// Who asks.
        platform: PlatformKey,
        /// Whose newest live session the token stands for.
        account: AccountRef<S>,
        /// The game to be played.
        game: S,
        /// The token's random bits, drawn from a cryptographic generator; unused by the wrapped policy.
        entropy: u128,
    },
    /// `redeemtoken` of a single-use token (protocol §3).
    RedeemToken {
        /// Who asks.
        platform: PlatformKey,
        /// The token, which carries its slot.
        token: TokenId,
    },
    /// `redeemtoken` of a wrapped token, at the slot of the session's key (protocol §3).
    RedeemWrapped {
        /// Who asks.
        platform: PlatformKey,
        /// The session key in the token.
        key: S,
        /// The time in the token, milliseconds since 1970.
        minted_ms: u64,
    },

    /// `placebet`, `awardwinnings`, `rollbackbet` or `voidbet` (protocol §4).
    Play(Play<S>),
    /// `gameround/end` (protocol §4).
    EndRound {
        /// Who asks.
        platform: PlatformKey,
        /// Whose round.
        account: AccountRef<S>,
        /// `GameRoundID`.
        round: S,
        /// What makes a round of this platform.
        scope: RoundScope,
        /// `GameID`.
        game: S,
        /// `CurrencyCode`; `None` where ISO 4217 has no such code.
        currency: Option<Currency>,
        /// The members that are recorded and move nothing, as a JSON object, where there are any.
        details: Option<S>,
    },
    /// `accounttransaction/credit` (protocol §4).
    Credit {
        /// Who asks.
        platform: PlatformKey,
        /// Who is paid.
        account: AccountRef<S>,
        /// `AccountTransactionID`.
        transaction: S,
        /// `AccountTransactionTypeID`.
        kind: S,
        /// `CurrencyCode`; `None` where ISO 4217 has no such code.
        currency: Option<Currency>,
        /// In minor units of `currency`; zero where that is `None`.
        amount: Amount,
    },
    /// `alertwalletcallbacknotification` (protocol §4).
    Alert {
        /// Who asks.
        platform: PlatformKey,
        /// The account that it is recorded on.
        account: AccountRef<S>,
        /// The alert's own members, as a JSON object.
        details: S,
    },

    /// `PUT …/accounts/{domain}/{player}`: create the account, or replace its profile (protocol §6).
    PutAccount {
        /// The account.
        account: AccountRef<S>,
        /// Its new profile.
        profile: Box<Profile>,
    },
    /// `GET …/accounts/{domain}/{player}` (protocol §6).
    GetAccount {
        /// The account.
        account: AccountRef<S>,
    },
    /// `PUT …/{player}/status` (protocol §6).
    SetStatus {
        /// The account.
        account: AccountRef<S>,
        /// Its new status.
        status: Status,
    },
    /// `POST …/{player}/deposits` and `…/withdrawals` (protocol §6).
    Transfer {
        /// The account.
        account: AccountRef<S>,
        /// Into the account, or out of it.
        direction: Direction,
        /// `TransactionID`.
        transaction: S,
        /// `Amount`.
        amount: Money,
        /// `CurrencyCode`, where the operator says it.
        currency: Option<Currency>,
    },
    /// `PUT …/{player}/limits`: replaces all limits (protocol §6).
    SetLimits {
        /// The account.
        account: AccountRef<S>,
        /// The new limits.
        limits: Box<Restrictions<Money>>,
    },
    /// `GET …/{player}/transactions`: a page of the statement (protocol §6).
    GetStatement {
        /// The account.
        account: AccountRef<S>,
        /// The page begins after the transaction of this number; 0 for the first page.
        after: u64,
        /// Transactions of the page at most.
        limit: u16,
    },
    /// `POST …/{player}/sessions`, at the slot of the session's key: claims the key (protocol §6).
    OpenSession {
        /// The account.
        account: AccountRef<S>,
        /// The session's key, the operator's own or one that was drawn for it.
        key: S,
    },
    /// `DELETE …/{player}/sessions/{key}`: logout (protocol §6).
    CloseSession {
        /// The account.
        account: AccountRef<S>,
        /// The session's key.
        key: S,
    },

    /// Second step of [`Operation::RedeemWrapped`], at the account.
    RedeemSession {
        /// Who asks.
        platform: PlatformKey,
        /// The hash of the account that holds the session, from the directory of keys.
        account: AccountHash,
        /// The session key.
        key: S,
        /// The time in the token, milliseconds since 1970.
        minted_ms: u64,
    },
    /// Second step of [`Operation::OpenSession`], at the account: the key is claimed, the session starts.
    StartSession {
        /// The account.
        account: AccountRef<S>,
        /// The session's key.
        key: S,
    },
    /// Second step of an [`Operation::OpenSession`] whose key another account has claimed, at that account: does it
    /// hold the session?
    CheckClaim {
        /// The hash of the account that has claimed the key, from the directory of keys.
        holder: AccountHash,
        /// The account that wants the key.
        account: AccountRef<S>,
        /// The session's key.
        key: S,
    },
    /// Gives a claim of a session's key back to the directory, at the slot of the key; the last step of a logout,
    /// of an opening that failed or found the session there, and of the sweep.
    ReleaseKey {
        /// The session's key.
        key: S,
        /// The account that held it.
        account: AccountHash,
        /// What the request that led here is answered.
        answer: Released,
    },
    /// Second step of an `awardwinnings` whose session is not its account's, at the slot of the session's key.
    FindHolder {
        /// The winnings.
        play: Box<Play<S>>,
    },
    /// Third step of it, at the account that holds the session: is it live there?
    CheckHolder {
        /// The hash of the account that holds the session, from the directory of keys.
        holder: AccountHash,
        /// The winnings.
        play: Box<Play<S>>,
    },
    /// The renewal of a session by `redeemtoken`, on its way to the journal (protocol §5); the shard's own.
    RenewSession {
        /// The account.
        account: AccountRef<S>,
        /// The session's key.
        key: S,
        /// Its last use, milliseconds since 1970.
        used_ms: u64,
    },
}

/// Which of the calls that move a round's funds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlayKind {
    /// `placebet`
    Bet,
    /// `awardwinnings`
    Win,
    /// `rollbackbet`
    Rollback,
    /// `voidbet`
    Void,
}

/// Whether money comes into an account or goes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A deposit.
    In,
    /// A withdrawal.
    Out,
}

/// A transaction of a game round (protocol §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play<S> {
    /// Which call.
    pub kind: PlayKind,
    /// Who asks.
    pub platform: PlatformKey,
    /// Whose round.
    pub account: AccountRef<S>,
    /// `GatewaySessionToken`; always there in a bet.
    pub session: Option<S>,
    /// The session is known not to be another account's: [`Operation::CheckHolder`] has seen to it.
    pub session_checked: bool,
    /// `GameRoundID`.
    pub round: S,
    /// What makes a round of this platform.
    pub scope: RoundScope,
    /// `GameRoundTransactionID`.
    pub transaction: S,
    /// `OriginalBetGameRoundTransactionID`; there in a rollback alone.
    pub original: Option<S>,
    /// `GameID`.
    pub game: S,
    /// `CurrencyCode`; `None` where ISO 4217 has no such code.
    pub currency: Option<Currency>,
    /// `Amount`, in minor units of `currency`; zero where that is `None`.
    pub amount: Amount,
    /// `StartRound`; false in a rollback and in a void, which have none.
    pub starts_round: bool,
    /// `EndRound`.
    pub ends_round: bool,
    /// The members that are recorded and move nothing, as a JSON object, where there are any.
    pub details: Option<S>,
}

impl<S: AsRef<str>> Play<S> {
    /// The same transaction with every string passed through `f`.
    pub fn map<'a, T>(&'a self, f: impl Fn(&'a S) -> T) -> Play<T> {
        Play {
            kind: self.kind,
            platform: self.platform,
            account: self.account.map(&f),
            session: self.session.as_ref().map(&f),
            session_checked: self.session_checked,
            round: f(&self.round),
            scope: self.scope,
            transaction: f(&self.transaction),
            original: self.original.as_ref().map(&f),
            game: f(&self.game),
            currency: self.currency,
            amount: self.amount,
            starts_round: self.starts_round,
            ends_round: self.ends_round,
            details: self.details.as_ref().map(&f),
        }
    }
}

/// Why a claim was released, and so what the waiting request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The session was there already, and so was its claim.
    Opened,
    /// The session has ended.
    Closed,
    /// The session could not start: there is no such account.
    NoAccount,
    /// The key was another account's, whose session is over: it is free from now on.
    Freed,
    /// Nobody waits: an expired session was swept, or made way.
    Swept,
}

impl<S: AsRef<str>> Operation<S> {
    /// The slot that owns what this operation is about.
    pub fn slot(&self) -> Slot {
        match self {
            Self::Balance { account, .. }
            | Self::CreateToken { account, .. }
            | Self::PutAccount { account, .. }
            | Self::GetAccount { account }
            | Self::SetStatus { account, .. }
            | Self::CloseSession { account, .. }
            | Self::StartSession { account, .. }
            | Self::EndRound { account, .. }
            | Self::Credit { account, .. }
            | Self::Alert { account, .. }
            | Self::Transfer { account, .. }
            | Self::SetLimits { account, .. }
            | Self::GetStatement { account, .. }
            | Self::RenewSession { account, .. }
            | Self::Play(Play { account, .. }) => account.hash().slot(),
            Self::RedeemSession { account, .. }
            | Self::CheckHolder { holder: account, .. }
            | Self::CheckClaim { holder: account, .. } => account.slot(),
            Self::RedeemWrapped { key, .. }
            | Self::OpenSession { key, .. }
            | Self::ReleaseKey { key, .. } => KeyHash::of(key.as_ref()).slot(),
            Self::RedeemToken { token, .. } => token.slot(),
            Self::FindHolder { play } => {
                let session = play.session.as_ref().expect("a holder is looked for by its session");
                KeyHash::of(session.as_ref()).slot()
            }
        }
    }

    /// The id of the account that it names; `None` where it knows a key, a token, or a hash alone.
    pub fn account_id(&self) -> Option<&str> {
        match self {
            Self::Balance { account, .. }
            | Self::CreateToken { account, .. }
            | Self::Play(Play { account, .. })
            | Self::EndRound { account, .. }
            | Self::Credit { account, .. }
            | Self::Alert { account, .. }
            | Self::PutAccount { account, .. }
            | Self::GetAccount { account }
            | Self::SetStatus { account, .. }
            | Self::Transfer { account, .. }
            | Self::SetLimits { account, .. }
            | Self::GetStatement { account, .. }
            | Self::OpenSession { account, .. }
            | Self::StartSession { account, .. }
            | Self::CloseSession { account, .. }
            | Self::RenewSession { account, .. } => Some(account.id()),
            Self::RedeemToken { .. }
            | Self::RedeemWrapped { .. }
            | Self::RedeemSession { .. }
            | Self::ReleaseKey { .. }
            | Self::FindHolder { .. }
            | Self::CheckHolder { .. }
            | Self::CheckClaim { .. } => None,
        }
    }

    /// The platform that asks; `None` where none does.
    pub const fn platform(&self) -> Option<PlatformKey> {
        match self {
            Self::Balance { platform, .. }
            | Self::CreateToken { platform, .. }
            | Self::RedeemToken { platform, .. }
            | Self::RedeemWrapped { platform, .. }
            | Self::RedeemSession { platform, .. }
            | Self::EndRound { platform, .. }
            | Self::Credit { platform, .. }
            | Self::Alert { platform, .. }
            | Self::Play(Play { platform, .. }) => Some(*platform),
            _ => None,
        }
    }

    /// Whether the operation changes what is journaled, where it succeeds; so it is refused while nothing can be.
    /// The renewal of a session by `redeemtoken` counts: it is journaled within a minute (protocol §5).
    pub const fn is_write(&self) -> bool {
        match self {
            Self::Play(_)
            | Self::EndRound { .. }
            | Self::Credit { .. }
            | Self::Alert { .. }
            | Self::PutAccount { .. }
            | Self::SetStatus { .. }
            | Self::Transfer { .. }
            | Self::SetLimits { .. }
            | Self::OpenSession { .. }
            | Self::CloseSession { .. }
            | Self::RedeemToken { .. }
            | Self::RedeemWrapped { .. } => true,
            Self::Balance { .. }
            | Self::CreateToken { .. }
            | Self::GetAccount { .. }
            | Self::GetStatement { .. }
            // Steps of what was let in: they go on.
            | Self::RedeemSession { .. }
            | Self::StartSession { .. }
            | Self::ReleaseKey { .. }
            | Self::FindHolder { .. }
            | Self::CheckHolder { .. }
            | Self::CheckClaim { .. }
            | Self::RenewSession { .. } => false,
        }
    }

    /// Whether a further step may follow at another slot.
    pub const fn may_go_on(&self) -> bool {
        matches!(
            self,
            Self::RedeemWrapped { .. }
                | Self::OpenSession { .. }
                | Self::StartSession { .. }
                | Self::CloseSession { .. }
                | Self::Play(Play { kind: PlayKind::Win, session: Some(_), session_checked: false, .. })
                | Self::FindHolder { .. }
                | Self::CheckHolder { .. }
                | Self::CheckClaim { .. }
        )
    }
}
