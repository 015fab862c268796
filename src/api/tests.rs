//! What the two doors answer, row by row; and that a body's meaning doesn't hang on its spelling.

mod amounts;
mod answers;
mod bodies;
mod manners;
mod money_calls;
mod operator;
mod page;
mod platform;
mod properties;
mod rounds;
mod views;

use std::borrow::Cow;

use super::{Api, Call, Decoded, Manners, Platform, Terms};
use http::{Method, Request, Status};
use wallet::operation::{self, Operation};
use wallet::platform::{Dialect, PlatformKey, RoundScope};
use wallet::token::TokenPolicy;

/// `admin:admin`.
const ADMIN: &[u8] = b"Basic YWRtaW46YWRtaW4=";
/// `other:secret`.
const OTHER: &[u8] = b"Basic b3RoZXI6c2VjcmV0";
const BEARER: &[u8] = b"Bearer demo";

/// Of both platforms.
const BUDGET_MS: u32 = 700;

const RANDOM: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

fn api(token_policy: TokenPolicy) -> Api {
    let platform = |key: &str, user: &str, password: &str| Platform {
        key: PlatformKey::new(key).expect("a key"),
        user: user.into(),
        password: password.into(),
        dialect: Dialect { token_policy, ..Dialect::default() },
        manners: Manners::default(),
        budget_ms: BUDGET_MS,
    };
    let platforms = vec![platform("L100", "admin", "admin"), platform("M2é", "other", "secret")];
    Api::new(platforms, Some("demo".into()))
}

fn request<'a>(
    method: Method,
    path: &'a str,
    authorization: Option<&'a [u8]>,
    body: &'a (impl AsRef<[u8]> + ?Sized),
) -> Request<'a> {
    Request {
        method,
        path,
        query: None,
        authorization,
        body: body.as_ref(),
        keep_alive: true,
        timeout_ms: None,
        keep_alive_named: false,
    }
}

/// Decodes at the wallet's door, with the random bits [`RANDOM`].
fn platform<'a>(token_policy: TokenPolicy, request: &Request<'a>) -> Decoded<'a> {
    api(token_policy).platform(request, &mut || RANDOM)
}

/// Decodes at the operator's door, with the random bits [`RANDOM`].
fn operator<'a>(request: &Request<'a>) -> Decoded<'a> {
    api(TokenPolicy::SingleUse).operator(request, &mut || RANDOM)
}

fn first_platform() -> PlatformKey {
    PlatformKey::new("L100").unwrap()
}

fn second_platform() -> PlatformKey {
    PlatformKey::new("M2é").unwrap()
}

fn taken(call: Call, operation: Operation<&'static str>) -> Decoded<'static> {
    let budget_ms = (call.caller() == super::call::CallerKind::Platform).then_some(BUDGET_MS);
    let terms = Terms { describe: false, budget_ms };
    Decoded::Operation(call, operation.map(|text| Cow::Borrowed(*text)), terms)
}

fn http(status: Status) -> Decoded<'static> {
    Decoded::Http { status, allow: None, detail: None }
}

fn not_allowed(allow: &'static str) -> Decoded<'static> {
    Decoded::Http { status: Status::MethodNotAllowed, allow: Some(allow), detail: None }
}
