//! The same operation with strings of another type: borrowed from a request, or owned for its way to another shard.

use super::Operation;
use alloc::boxed::Box;

impl<S: AsRef<str>> Operation<S> {
    /// The same operation with its strings borrowed.
    pub fn as_deref(&self) -> Operation<&str> {
        self.map(AsRef::as_ref)
    }

    /// The same operation with every string passed through `f`; used with `CompactString::from` for a lane.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of operation")]
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
            Self::Play(play) => Operation::Play(play.map(f)),
            Self::EndRound { platform, account, round, scope, game, currency, details } => {
                Operation::EndRound {
                    platform: *platform,
                    account: account.map(&f),
                    round: f(round),
                    scope: *scope,
                    game: f(game),
                    currency: *currency,
                    details: details.as_ref().map(&f),
                }
            }
            Self::Credit { platform, account, transaction, kind, currency, amount } => Operation::Credit {
                platform: *platform,
                account: account.map(&f),
                transaction: f(transaction),
                kind: f(kind),
                currency: *currency,
                amount: *amount,
            },
            Self::Alert { platform, account, details } => {
                Operation::Alert { platform: *platform, account: account.map(&f), details: f(details) }
            }
            Self::PutAccount { account, profile } => {
                Operation::PutAccount { account: account.map(&f), profile: profile.clone() }
            }
            Self::GetAccount { account } => Operation::GetAccount { account: account.map(&f) },
            Self::SetStatus { account, status } => {
                Operation::SetStatus { account: account.map(&f), status: *status }
            }
            Self::Transfer { account, direction, transaction, amount, currency } => Operation::Transfer {
                account: account.map(&f),
                direction: *direction,
                transaction: f(transaction),
                amount: *amount,
                currency: *currency,
            },
            Self::SetLimits { account, limits } => {
                Operation::SetLimits { account: account.map(&f), limits: limits.clone() }
            }
            Self::GetStatement { account, after, limit } => {
                Operation::GetStatement { account: account.map(&f), after: *after, limit: *limit }
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
            Self::CheckClaim { holder, account, key } => {
                Operation::CheckClaim { holder: *holder, account: account.map(&f), key: f(key) }
            }
            Self::ReleaseKey { key, account, answer } => {
                Operation::ReleaseKey { key: f(key), account: *account, answer: *answer }
            }
            Self::FindHolder { play } => Operation::FindHolder { play: Box::new(play.map(f)) },
            Self::CheckHolder { holder, play } => {
                Operation::CheckHolder { holder: *holder, play: Box::new(play.map(f)) }
            }
            Self::RenewSession { account, key, used_ms } => {
                Operation::RenewSession { account: account.map(&f), key: f(key), used_ms: *used_ms }
            }
        }
    }
}
