//! What can be asked of a wallet.
//!
//! An operation is generic over its strings: borrowed from the request on the core that received it
//! (`Operation<&str>`), owned where it crosses to another core (`Operation<CompactString>`). Time is not in
//! it; it comes with the batch. Randomness is in it, so that applying is deterministic.

use super::account::{AccountHash, AccountRef, KeyHash, Profile, Slot, Status};
use super::catalog::PlatformId;
use super::token::TokenId;

/// One request to a wallet, decoded and authenticated.
///
/// The order of the variants follows protocol §3 and §6; the last group is the steps that the wallet itself
/// asks for ([`super::Outcome::Next`]) where a request concerns more than one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<S> {
    /// `balance` (protocol §3).
    Balance {
        /// Who asks.
        platform: PlatformId,
        /// Whose balance.
        account: AccountRef<S>,
        /// The game that is played, where the platform says it.
        game: Option<S>,
    },
    /// `createtoken` (protocol §3).
    CreateToken {
        /// Who asks.
        platform: PlatformId,
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
        platform: PlatformId,
        /// The token, which carries its slot.
        token: TokenId,
    },
    /// `redeemtoken` of a wrapped token, at the slot of the session's key (protocol §3).
    RedeemWrapped {
        /// Who asks.
        platform: PlatformId,
        /// The session key in the token.
        key: S,
        /// The time in the token, milliseconds since 1970.
        minted_ms: u64,
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
        platform: PlatformId,
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
    /// The session could not start: the account has as many as it may have.
    TooManySessions,
    /// Nobody waits: an expired session was swept.
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
            | Self::StartSession { account, .. } => account.hash().slot(),
            Self::RedeemSession { account, .. } => account.slot(),
            Self::RedeemWrapped { key, .. }
            | Self::OpenSession { key, .. }
            | Self::ReleaseKey { key, .. } => KeyHash::of(key.as_ref()).slot(),
            Self::RedeemToken { token, .. } => token.slot(),
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
        )
    }

    /// The same operation with its strings borrowed.
    pub fn as_deref(&self) -> Operation<&str> {
        self.map(AsRef::as_ref)
    }

    /// The same operation with every string passed through `f`; used with `CompactString::from` for a lane.
    pub fn map<'a, T>(&'a self, f: impl Fn(&'a S) -> T) -> Operation<T> {
        match self {
            Self::Balance { platform, account, game } => Operation::Balance {
                platform: *platform,
                account: account.map(&f),
                game: game.as_ref().map(&f),
            },
            Self::CreateToken { platform, account, game, entropy } => Operation::CreateToken {
                platform: *platform,
                account: account.map(&f),
                game: f(game),
                entropy: *entropy,
            },
            Self::RedeemToken { platform, token } => {
                Operation::RedeemToken { platform: *platform, token: *token }
            }
            Self::RedeemWrapped { platform, key, minted_ms } => {
                Operation::RedeemWrapped { platform: *platform, key: f(key), minted_ms: *minted_ms }
            }
            Self::PutAccount { account, profile } => {
                Operation::PutAccount { account: account.map(&f), profile: profile.clone() }
            }
            Self::GetAccount { account } => Operation::GetAccount { account: account.map(&f) },
            Self::SetStatus { account, status } => {
                Operation::SetStatus { account: account.map(&f), status: *status }
            }
            Self::OpenSession { account, key } => {
                Operation::OpenSession { account: account.map(&f), key: f(key) }
            }
            Self::CloseSession { account, key } => {
                Operation::CloseSession { account: account.map(&f), key: f(key) }
            }
            Self::RedeemSession { platform, account, key, minted_ms } => Operation::RedeemSession {
                platform: *platform,
                account: *account,
                key: f(key),
                minted_ms: *minted_ms,
            },
            Self::StartSession { account, key } => {
                Operation::StartSession { account: account.map(&f), key: f(key) }
            }
            Self::ReleaseKey { key, account, answer } => {
                Operation::ReleaseKey { key: f(key), account: *account, answer: *answer }
            }
        }
    }
}
