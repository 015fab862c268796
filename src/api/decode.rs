//! The platforms' calls: a path and a JSON object become an operation (protocol §1, §3, §4).

use alloc::borrow::Cow;
use alloc::borrow::ToOwned as _;

use super::members::{BodyFault, Object, Unknown, read};
use super::{Call, forms};
use wallet::amount::{Amount, Money};
use wallet::currency::Currency;
use wallet::operation::{Operation, RedeemWrapped};
use wallet::outcome::ErrorCode;
use wallet::platform::{Dialect, PlatformKey, RoundScope};
use wallet::token::{TokenId, TokenPolicy, parse_wrapped};

type Decode<'a> = Result<Operation<Cow<'a, str>>, Refusal>;

/// What the platform is told in place of an outcome.
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) fault: BodyFault,
}

impl<F: Into<BodyFault>> From<F> for Refusal {
    /// A body that is not well formed.
    fn from(fault: F) -> Self {
        Self { code: ErrorCode::NotAuthentic, fault: fault.into() }
    }
}

/// A request whose credentials are good.
pub(super) struct PlatformRequest<'s, 'a> {
    pub(super) platform: PlatformKey,
    pub(super) dialect: Dialect,
    pub(super) body: &'a [u8],
    pub(super) entropy: &'s mut dyn FnMut() -> u128,
}

mod bodies;

macro_rules! decoders {
    ($(
        ($stored:ident called
            $(#[$doc:meta])*
            $Name:ident<$($s:ident)?> $words:tt $class:ident at $slot:ident, $way:ident
            by { $($Call:ident($label:literal, $caller:ident, $($path:tt)*))* }
            $($rest:tt)*)
    )*) => {
        /// Reads the body of a platform's call.
        ///
        /// # Panics
        /// On an operator's call, whose path no platform has.
        pub(super) fn decode<'a>(call: Call, asked: PlatformRequest<'_, 'a>) -> Decode<'a> {
            match call {
                $($(Call::$Call => of_platform!($caller [bodies::$Name::<{ Call::$Call.index() }>::decode(asked)]),)*)*
            }
        }

        /// The members of a platform's call besides the envelope.
        #[cfg(test)]
        pub(super) fn members_of(call: Call) -> &'static [(&'static str, usize, super::members::Need)] {
            match call {
                $($(Call::$Call => of_platform!($caller [bodies::$Name::<{ Call::$Call.index() }>::MEMBERS]),)*)*
            }
        }
    };
}

macro_rules! of_platform {
    (Platform [$($of:tt)*]) => { $($of)* };
    (Operator [$($of:tt)*]) => { unreachable!("a call of the operator's listener") };
}

protocol::calls! { decoders }

/// What every platform's request has (protocol §1, Envelope).
trait Enveloped {
    fn platform_key(&self) -> &str;
    fn timestamp(&self) -> &str;
}

/// What an operation has that is not in its body, or is not kept as it stands there.
struct Given {
    platform: PlatformKey,
    scope: RoundScope,
    entropy: u128,
    token: Option<TokenId>,
}

/// The longest `Timestamp`: nine digits of fraction, and an offset.
const TIMESTAMP_CHARS_MAX: usize = "2021-06-07T11:16:16.123456789+02:00".len();

const TIMESTAMP: &str = "Timestamp must be a date-time of RFC 3339, with Z or an offset.";
const PLATFORM_KEY: &str = "PlatformKey is not the calling platform's.";
const NO_TOKEN: Refusal = Refusal {
    code: ErrorCode::SessionNotFound,
    fault: BodyFault::Sentence("SessionToken is not a known token."),
};

/// `AccountTransactionTypeID` of a deposit that was made elsewhere, which this wallet does not take.
const DEPOSIT_ELSEWHERE: &str = "811";

/// What `Source` of an alert may be.
const SOURCES: [&str; 2] = ["Gameflex", "OperatorWallet"];

impl<'a> PlatformRequest<'_, 'a> {
    /// Reads a call's members, and checks the envelope: the form of the body first, then whose key it names.
    fn read<T: Object<'a> + Enveloped>(&self) -> Result<(T, Given), Refusal> {
        let members: T = read(self.body, Unknown::Ignored)?;
        if !forms::is_timestamp(members.timestamp()) {
            return Err(TIMESTAMP.into());
        }
        if PlatformKey::new(members.platform_key()) != Some(self.platform) {
            return Err(PLATFORM_KEY.into());
        }
        let (platform, scope) = (self.platform, self.dialect.round_scope);
        Ok((members, Given { platform, scope, entropy: 0, token: None }))
    }
}

/// The amount of `member` in the currency that the request names. One that ISO 4217 does not have is for the wallet to
/// refuse (-9): nothing can be said of its minor units.
fn amount(member: &'static str, currency: Option<Currency>, money: Money) -> Result<Amount, BodyFault> {
    let Some(currency) = currency else { return Ok(Amount::ZERO) };
    money.in_minor_units(currency).ok_or_else(|| match money.has_decimals_within(currency.minor_digits()) {
        true => BodyFault::TooLarge(member, currency),
        false => BodyFault::Decimals(member, currency),
    })
}

/// Bodies that become their operation as they stand.
macro_rules! as_they_stand {
    ($($Name:ident)+) => {$(
        impl<'a, const CALL: usize> bodies::$Name<'a, CALL> {
            fn decode(asked: PlatformRequest<'_, 'a>) -> Decode<'a> {
                let (body, given) = asked.read::<Self>()?;
                Ok(body.operation(given)?)
            }
        }
    )+};
}

as_they_stand! { Balance Play EndRound }

impl<'a, const CALL: usize> bodies::CreateToken<'a, CALL> {
    fn decode(asked: PlatformRequest<'_, 'a>) -> Decode<'a> {
        let (body, mut given) = asked.read::<Self>()?;
        if asked.dialect.token_policy == TokenPolicy::SingleUse {
            given.entropy = (asked.entropy)();
        }
        Ok(body.operation(given)?)
    }
}

impl<'a, const CALL: usize> bodies::RedeemToken<'a, CALL> {
    /// A text that is no token of the policy is an unknown token, not a malformed request (protocol §3).
    fn decode(asked: PlatformRequest<'_, 'a>) -> Decode<'a> {
        let (body, mut given) = asked.read::<Self>()?;
        match asked.dialect.token_policy {
            TokenPolicy::SingleUse => {
                given.token = Some(TokenId::parse(&body.token).ok_or(NO_TOKEN)?);
                Ok(body.operation(given)?)
            }
            TokenPolicy::Wrapped => {
                let (key, minted_ms) = wrapped(body.token).ok_or(NO_TOKEN)?;
                Ok(RedeemWrapped { platform: asked.platform, key, minted_ms }.into())
            }
        }
    }
}

impl<'a, const CALL: usize> bodies::Credit<'a, CALL> {
    fn decode(asked: PlatformRequest<'_, 'a>) -> Decode<'a> {
        let (body, given) = asked.read::<Self>()?;
        if body.kind == DEPOSIT_ELSEWHERE {
            return Err("AccountTransactionTypeID 811, a deposit made elsewhere, is not supported.".into());
        }
        Ok(body.operation(given)?)
    }
}

impl<'a, const CALL: usize> bodies::Alert<'a, CALL> {
    fn decode(asked: PlatformRequest<'_, 'a>) -> Decode<'a> {
        let (body, given) = asked.read::<Self>()?;
        if !body.source.as_deref().is_some_and(|source| SOURCES.contains(&source)) {
            return Err("Source must be Gameflex or OperatorWallet.".into());
        }
        Ok(body.operation(given)?)
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
