//! The platforms' calls: a path and a JSON object become an operation (protocol §1, §3, §4).

use alloc::borrow::Cow;
use alloc::borrow::ToOwned as _;

use super::members::{Fault, Object, Unknown, object, read};
use super::{Call, forms};
use wallet::account::AccountRef;
use wallet::amount::{Amount, Money};
use wallet::currency::Currency;
use wallet::operation::{self, Operation};
use wallet::outcome::ErrorCode;
use wallet::platform::{Dialect, PlatformKey};
use wallet::token::{TokenId, TokenPolicy, parse_wrapped};

/// A call of the wallet listener. All are `POST`.
pub(super) struct Route {
    /// The path, without a query.
    pub(super) path: &'static str,
    pub(super) call: Call,
    /// Reads the body.
    pub(super) decode: for<'a> fn(Asked<'_, 'a>) -> Decode<'a>,
}

type Decode<'a> = Result<Operation<Cow<'a, str>>, Refusal>;

/// What the platform is told in place of an outcome.
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) fault: Fault,
}

impl<F: Into<Fault>> From<F> for Refusal {
    /// A body that is not well formed.
    fn from(fault: F) -> Self {
        Self { code: ErrorCode::NotAuthentic, fault: fault.into() }
    }
}

/// The calls, the most frequent first.
pub(super) const ROUTES: [Route; 10] = [
    Route { path: "/v1.0/gameround/placebet", call: Call::PlaceBet, decode: rounds::place_bet },
    Route { path: "/v1.0/balance", call: Call::Balance, decode: balance },
    Route { path: "/v1.0/gameround/end", call: Call::EndRound, decode: rounds::end_round },
    Route {
        path: "/v1.0/gameround/awardwinnings",
        call: Call::AwardWinnings,
        decode: rounds::award_winnings,
    },
    Route { path: "/v1.0/session/createtoken", call: Call::CreateToken, decode: create_token },
    Route { path: "/v1.0/session/redeemtoken", call: Call::RedeemToken, decode: redeem_token },
    Route { path: "/v1.0/gameround/rollbackbet", call: Call::RollbackBet, decode: rounds::rollback_bet },
    Route { path: "/v1.0/gameround/voidbet", call: Call::VoidBet, decode: rounds::void_bet },
    Route { path: "/v1.0/accounttransaction/credit", call: Call::Credit, decode: rounds::credit },
    Route { path: "/v1.0/alertwalletcallbacknotification", call: Call::Alert, decode: rounds::alert },
];

/// A request whose credentials are good.
pub(super) struct Asked<'s, 'a> {
    pub(super) platform: PlatformKey,
    pub(super) dialect: Dialect,
    pub(super) body: &'a [u8],
    pub(super) entropy: &'s mut dyn FnMut() -> u128,
}

/// What every platform's request has (protocol §1, Envelope).
trait Enveloped {
    fn platform_key(&self) -> &str;
    fn timestamp(&self) -> &str;
}

/// An [`object!`] with the envelope's members before its own.
macro_rules! enveloped {
    ($(#[$doc:meta])* $object:ident { $($kept:tt)* } checked { $($unkept:tt)* }) => {
        object! {
            $(#[$doc])*
            $object {
                platform_key: required "PlatformKey" <= limits::PLATFORM_KEY_CHARS_MAX;
                // Its form says how long it may be; the bound only keeps the reader general.
                timestamp: required "Timestamp" <= TIMESTAMP_CHARS_MAX;
                $($kept)*
            } checked {
                sequence: required "Sequence" <= limits::SEQUENCE_CHARS_MAX;
                $($unkept)*
            }
        }

        impl Enveloped for $object<'_> {
            fn platform_key(&self) -> &str {
                &self.platform_key
            }

            fn timestamp(&self) -> &str {
                &self.timestamp
            }
        }
    };
}

mod extras;
mod rounds;

/// The longest `Timestamp`: nine digits of fraction, and an offset.
const TIMESTAMP_CHARS_MAX: usize = "2021-06-07T11:16:16.123456789+02:00".len();

const TIMESTAMP: &str = "Timestamp must be a date-time of RFC 3339, with Z or an offset.";
const PLATFORM_KEY: &str = "PlatformKey is not the calling platform's.";
const NO_TOKEN: Refusal = Refusal {
    code: ErrorCode::SessionNotFound,
    fault: Fault::Sentence("SessionToken is not a known token."),
};

enveloped! {
    /// Members of `balance`.
    Balance {
        account: required "OperatorAccountID" <= limits::ID_CHARS_MAX;
        game: optional "GameID" <= limits::ID_CHARS_MAX;
    } checked {
        provider: optional "ContentGameProviderID" <= limits::ID_CHARS_MAX;
    }
}

enveloped! {
    /// Members of `createtoken`.
    CreateToken {
        account: required "OperatorAccountID" <= limits::ID_CHARS_MAX;
        game: required "GameID" <= limits::ID_CHARS_MAX;
    } checked {}
}

enveloped! {
    /// Members of `redeemtoken`.
    RedeemToken {
        token: required "SessionToken" <= limits::SESSION_TOKEN_REQUEST_CHARS_MAX;
    } checked {
        address: required "IPAddress" <= limits::IP_ADDRESS_CHARS_MAX;
    }
}

/// Reads a call's members, and checks the envelope: the form of the body first, then whose key it names.
fn members<'a, T: Object<'a> + Enveloped>(asked: &Asked<'_, 'a>) -> Result<T, Refusal> {
    let members: T = read(asked.body, Unknown::Ignored)?;
    if !forms::is_timestamp(members.timestamp()) {
        return Err(TIMESTAMP.into());
    }
    if PlatformKey::new(members.platform_key()) != Some(asked.platform) {
        return Err(PLATFORM_KEY.into());
    }
    Ok(members)
}

/// The amount of `member` in the currency that the request names. One that ISO 4217 does not have is for the wallet to
/// refuse (-9): nothing can be said of its minor units.
fn amount(member: &'static str, currency: Option<Currency>, money: Money) -> Result<Amount, Fault> {
    let Some(currency) = currency else { return Ok(Amount::ZERO) };
    money.in_minor_units(currency).ok_or_else(|| match money.has_decimals_within(currency.minor_digits()) {
        true => Fault::TooLarge(member, currency),
        false => Fault::Decimals(member, currency),
    })
}

fn balance<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let Balance { account, game, .. } = members(&asked)?;
    Ok(Operation::Balance(operation::Balance {
        platform: asked.platform,
        account: AccountRef::new(account),
        game,
    }))
}

fn create_token<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let CreateToken { account, game, .. } = members(&asked)?;
    let entropy = match asked.dialect.token_policy {
        TokenPolicy::SingleUse => (asked.entropy)(),
        TokenPolicy::Wrapped => 0,
    };
    Ok(Operation::CreateToken(operation::CreateToken {
        platform: asked.platform,
        account: AccountRef::new(account),
        game,
        entropy,
    }))
}

fn redeem_token<'a>(asked: Asked<'_, 'a>) -> Decode<'a> {
    let RedeemToken { token, .. } = members(&asked)?;
    // A text that is no token of the policy is an unknown token, not a malformed request (protocol §3).
    match asked.dialect.token_policy {
        TokenPolicy::SingleUse => {
            let token = TokenId::parse(&token).ok_or(NO_TOKEN)?;
            Ok(Operation::RedeemToken(operation::RedeemToken { platform: asked.platform, token }))
        }
        TokenPolicy::Wrapped => {
            let (key, minted_ms) = wrapped(token).ok_or(NO_TOKEN)?;
            Ok(Operation::RedeemWrapped(operation::RedeemWrapped {
                platform: asked.platform,
                key,
                minted_ms,
            }))
        }
    }
}

/// The session key and the time in a wrapped token.
fn wrapped(token: Cow<'_, str>) -> Option<(Cow<'_, str>, u64)> {
    let (key, minted_ms) = match token {
        Cow::Borrowed(text) => {
            let (key, minted_ms) = parse_wrapped(text)?;
            (Cow::Borrowed(key), minted_ms)
        }
        Cow::Owned(text) => {
            let (key, minted_ms) = parse_wrapped(&text)?;
            (Cow::Owned(key.to_owned()), minted_ms)
        }
    };
    super::members::fits(&key, limits::SESSION_KEY_CHARS_MAX).then_some((key, minted_ms))
}
