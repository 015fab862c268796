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

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod call;
mod credentials;
mod decode;
mod encode;
mod forms;
mod jackpot;
mod members;
mod operator;
mod text;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use call::Call;
pub use encode::{encode, encode_error, encode_refusal};
pub use members::BodyFault;

use credentials::{Credentials, Secret};
use http::{Method, Request, Status};
use wallet::operation::Operation;
use wallet::outcome::ErrorCode;
use wallet::platform::{Dialect, PlatformKey};

/// A game platform of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Platform {
    /// `PlatformKey`.
    pub key: PlatformKey,
    /// User name of its credentials; it holds no colon (RFC 7617 §2).
    pub user: String,
    /// Password of its credentials.
    pub password: String,
    /// How it speaks, as far as the wallet decides by it and its calls are read by it.
    pub dialect: Dialect,
    /// How it is answered.
    pub manners: Manners,
    /// Time in which its calls are answered where they don't say another, milliseconds, 1 to
    /// [`REQUEST_BUDGET_MS_MAX`](limits::REQUEST_BUDGET_MS_MAX).
    pub budget_ms: u32,
}

/// How a platform is answered where public specifications disagree (protocol §4, Dialects) and the wallet has no say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// Refusals say why, in `ErrorDescription`.
    pub describe_errors: bool,
    /// Wrong credentials are answered 401, and not 200 with `ErrorCode` -6.
    pub unauthorized_401: bool,
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
    manners: Manners,
    budget_ms: u32,
}

/// What a caller is owed besides the outcome of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A refusal says why.
    pub describe: bool,
    /// The time in which the caller wants its answer, milliseconds: what the request says (`Request-Timeout`), else what its
    /// platform has. `None` for an operator's request that doesn't say it: the server's default.
    pub budget_ms: Option<u32>,
}

/// A request, decoded.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// For the wallet. Its strings are the request's own bytes, unless they were written with escapes.
    Operation(Call, Operation<Cow<'a, str>>, Terms),
    /// Refused before it reached the wallet: HTTP 200 with this code and no `Balance` ([`encode_refusal`]); and what is
    /// wrong, where it may be told.
    Refused(Call, ErrorCode, Option<BodyFault>),
    /// An answer that speaks of HTTP, or of an operator's fault ([`encode_error`]).
    Http {
        /// The status.
        status: Status,
        /// The methods that the path has, for `Allow`; with 405 alone (RFC 9110 §15.5.6).
        allow: Option<&'static str>,
        /// A sentence in place of the status's own.
        detail: Option<Cow<'static, str>>,
    },
    /// 204: `OPTIONS` of the server, which has these methods.
    Options(&'static str),
    /// A question about the process, for the caller to answer.
    Probe(Probe),
}

/// What `GET` may ask of the process itself (protocol §1, §6). None needs credentials.
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
    /// # Panics
    /// Where there are more platforms than `PLATFORMS_MAX`, or credentials or a token longer than
    /// `CREDENTIALS_BYTES_MAX` (`limits`); `config` refuses them, and two platforms with the same
    /// credentials.
    pub fn new(platforms: Vec<Platform>, operator_token: Option<String>) -> Self {
        let caller = |Platform { key, dialect, manners, budget_ms, .. }: &Platform| Caller {
            key: *key,
            dialect: *dialect,
            manners: *manners,
            budget_ms: *budget_ms,
        };
        Self {
            credentials: Credentials::new(&platforms),
            callers: platforms.iter().map(caller).collect(),
            operator_token: operator_token
                .map(|token| Secret::new(token.as_bytes()).expect("config's bound")),
        }
    }

    /// Decodes a request of the wallet listener. `entropy` gives 128 random bits from a cryptographic
    /// generator; it is called once, and only for a call that is taken and needs them.
    pub fn platform<'a>(&self, request: &Request<'a>, entropy: &mut dyn FnMut() -> u128) -> Decoded<'a> {
        let Some(call) = Call::of_platform(request.path) else {
            let probes = &PROBES[..PLATFORM_PROBES];
            let decoded = about_the_server(request, probes, "GET, HEAD, OPTIONS, POST");
            return decoded.unwrap_or(Decoded::status(Status::NotFound));
        };
        if request.method != Method::Post {
            return Decoded::not_allowed("POST");
        }
        let Some(at) = self.credentials.find(request.authorization) else {
            return self.wrong_credentials(call, request.authorization);
        };
        let Caller { key: platform, dialect, manners, budget_ms } = self.callers[at];
        let describe = manners.describe_errors;
        match decode::decode(call, decode::PlatformRequest { platform, dialect, body: request.body, entropy })
        {
            Ok(operation) => {
                let budget_ms = Some(request.timeout_ms.unwrap_or(budget_ms));
                Decoded::Operation(call, operation, Terms { describe, budget_ms })
            }
            Err(decode::Refusal { code, fault }) => Decoded::Refused(call, code, describe.then_some(fault)),
        }
    }

    /// Nobody has these credentials. Whom the user name belongs to decides how that is told, and the words never say which
    /// half was wrong. The status does where platforms differ in it: it is then that of the platform which has the name
    /// (docs/configuration.md).
    #[cold]
    fn wrong_credentials(&self, call: Call, authorization: Option<&[u8]>) -> Decoded<'static> {
        let all = |has: fn(&Manners) -> bool| {
            !self.callers.is_empty() && self.callers.iter().all(|caller| has(&caller.manners))
        };
        let is_401 = match self.credentials.find_user(authorization) {
            Some(at) => self.callers[at].manners.unauthorized_401,
            None => all(|manners| manners.unauthorized_401),
        };
        if is_401 {
            return Decoded::status(Status::Unauthorized);
        }
        let fault = BodyFault::Sentence(Status::Unauthorized.sentence());
        let description = all(|manners| manners.describe_errors).then_some(fault);
        Decoded::Refused(call, ErrorCode::NotAuthentic, description)
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
    const fn because(status: Status, detail: Cow<'static, str>) -> Self {
        Self::Http { status, allow: None, detail: Some(detail) }
    }

    /// 405: the path is there, and has these methods (RFC 9110 §15.5.6).
    const fn not_allowed(allow: &'static str) -> Self {
        Self::Http { status: Status::MethodNotAllowed, allow: Some(allow), detail: None }
    }
}

/// Questions about the process, by their paths; the platforms' listener takes the first two.
const PROBES: [(&str, Probe); 3] =
    [("/healthz", Probe::Healthz), ("/readyz", Probe::Readyz), ("/metrics", Probe::Metrics)];

/// Probes of the platforms' listener: what a load balancer asks. The metrics are the operator's.
const PLATFORM_PROBES: usize = 2;

/// A request that is about the process and not about a wallet: a probe, or `OPTIONS` of the whole server, which has these
/// `methods` (RFC 9110 §9.3.7). `None` where it is neither.
fn about_the_server(
    request: &Request<'_>,
    probes: &[(&str, Probe)],
    methods: &'static str,
) -> Option<Decoded<'static>> {
    match (request.method, request.path) {
        (Method::Options, "*") => return Some(Decoded::Options(methods)),
        (Method::Options, "/") => return Some(Decoded::Options("OPTIONS")),
        _ => {}
    }
    let (_, probe) = probes.iter().find(|(path, _)| *path == request.path)?;
    Some(match request.method {
        Method::Get | Method::Head => Decoded::Probe(*probe),
        _ => Decoded::not_allowed("GET, HEAD"),
    })
}

#[cfg(test)]
mod tests;
