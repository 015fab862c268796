//! The API's texts: a framed request becomes an operation of the wallet, an outcome becomes a JSON body.
//!
//! Everything here is pure: bytes and configuration in, values out. The random bits that a call may need are
//! asked of the caller, and no clock is read: whether a token is still good is for the wallet to say, at the
//! batch's time. So a request can be decoded on any core, in a test and in a fuzzer alike.
//!
//! Two listeners, two doors: [`Api::platform`] for the game platforms (protocol §1 to §4), [`Api::operator`]
//! for the operator (§6). They share the reader of JSON objects (`members`) and the writer (`encode`), but
//! not their manners: a platform's fault is `ErrorCode` -6 with HTTP 200, an operator's is an HTTP status
//! with a sentence that names the member at fault. A call is one row of [`Call`] and one row of its
//! listener's table.
//!
//! The order of checks is the protocol's (§1): path and method, which are HTTP's own; credentials; the body;
//! `PlatformKey`. What needs the state of an account comes after those, in the wallet.

mod call;
mod credentials;
mod decode;
mod encode;
mod forms;
mod members;
mod operator;
mod text;

use std::borrow::Cow;
use std::fmt;

pub use call::Call;
pub use encode::{encode, encode_error, encode_refusal};

use crate::http::{Method, Request, Status};
use crate::wallet::operation::Operation;
use crate::wallet::outcome::ErrorCode;
use crate::wallet::platform::{Dialect, PlatformKey};
use credentials::{Credentials, Secret};

/// A game platform of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Platform {
    /// `PlatformKey`.
    pub key: PlatformKey,
    /// User name of its credentials; it holds no colon (RFC 7617 §2).
    pub user: String,
    /// Password of its credentials.
    pub password: String,
    /// How it speaks.
    pub dialect: Dialect,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug output ends in logs, and a password must not.
        f.debug_struct("Platform").field("key", &self.key).field("user", &self.user).finish_non_exhaustive()
    }
}

/// What decoding needs of the configuration. It doesn't change while the server runs, so each core has its
/// own.
#[derive(Clone, Debug)]
pub struct Api {
    /// In the order of the credentials.
    callers: Vec<Caller>,
    credentials: Credentials,
    operator_token: Option<Secret>,
}

/// A platform, once its credentials are known to be good.
#[derive(Clone, Copy, Debug)]
struct Caller {
    key: PlatformKey,
    dialect: Dialect,
}

/// A request, decoded.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// For the wallet. Its strings are the request's own bytes, unless they were written with escapes.
    Operation(Call, Operation<Cow<'a, str>>),
    /// Refused before it reached the wallet: HTTP 200 with this code and no `Balance` ([`encode_refusal`]).
    Refused(Call, ErrorCode),
    /// An answer that speaks of HTTP, or of an operator's fault ([`encode_error`]).
    Http {
        /// The status.
        status: Status,
        /// The methods that the path has, for `Allow`; with 405 alone (RFC 9110 §15.5.6).
        allow: Option<&'static str>,
        /// A sentence in place of the status's own.
        detail: Option<&'static str>,
    },
    /// A question about the process, for the caller to answer.
    Probe(Probe),
}

/// What `GET` of the operator listener may ask of the process itself (protocol §6). None needs a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `/healthz`: it is alive.
    Healthz,
    /// `/readyz`: it serves.
    Readyz,
    /// `/metrics`: Prometheus text.
    Metrics,
}

impl Api {
    /// An API for these platforms. Without an `operator_token` the operator's calls are answered 401.
    ///
    /// # Panics Where there are more platforms than `PLATFORMS_MAX`, or credentials or a token longer than
    /// `CREDENTIALS_BYTES_MAX` (`limits`); `config` refuses them, and two platforms with the same
    /// credentials.
    pub fn new(platforms: Vec<Platform>, operator_token: Option<String>) -> Self {
        Self {
            credentials: Credentials::new(&platforms),
            callers: platforms
                .iter()
                .map(|platform| Caller { key: platform.key, dialect: platform.dialect })
                .collect(),
            operator_token: operator_token
                .map(|token| Secret::new(token.as_bytes()).expect("config's bound")),
        }
    }

    /// Decodes a request of the wallet listener. `entropy` gives 128 random bits from a cryptographic
    /// generator; it is called once, and only for a call that is taken and needs them.
    pub fn platform<'a>(&self, request: &Request<'a>, entropy: &mut dyn FnMut() -> u128) -> Decoded<'a> {
        let Some(route) = decode::ROUTES.iter().find(|route| route.path == request.path) else {
            return Decoded::status(Status::NotFound);
        };
        if request.method != Method::Post {
            return Decoded::not_allowed("POST");
        }
        let Some(at) = self.credentials.find(request.authorization) else {
            return Decoded::Refused(route.call, ErrorCode::NotAuthentic);
        };
        let Caller { key: platform, dialect } = self.callers[at];
        match (route.decode)(decode::Asked { platform, dialect, body: request.body, entropy }) {
            Ok(operation) => Decoded::Operation(route.call, operation),
            Err(code) => Decoded::Refused(route.call, code),
        }
    }

    /// Decodes a request of the operator listener (protocol §6). `entropy` as in [`Api::platform`].
    pub fn operator<'a>(&self, request: &Request<'a>, entropy: &mut dyn FnMut() -> u128) -> Decoded<'a> {
        operator::decode(self.operator_token.as_ref(), request, entropy)
    }
}

impl Decoded<'_> {
    /// An HTTP status with its own sentence.
    const fn status(status: Status) -> Self {
        Self::Http { status, allow: None, detail: None }
    }

    /// An HTTP status with a sentence that says more.
    const fn because(status: Status, detail: &'static str) -> Self {
        Self::Http { status, allow: None, detail: Some(detail) }
    }

    /// 405: the path is there, and has these methods (RFC 9110 §15.5.6).
    const fn not_allowed(allow: &'static str) -> Self {
        Self::Http { status: Status::MethodNotAllowed, allow: Some(allow), detail: None }
    }
}

#[cfg(test)]
mod tests;
