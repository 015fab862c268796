//! `[[platform]]`: who may call, for which domains, and in which dialect.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Distinct, Error, SecretText, SourceText, check_text, number, session_token};
use api::{Manners, Platform};
use wallet::{Dialect, PlatformKey, RoundScope, TokenPolicy};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlatform {
    key: Spanned<String>,
    user: Spanned<String>,
    password: Spanned<SecretText>,
    domains: Spanned<Vec<Spanned<String>>>,
    round_scope: Option<Spanned<String>>,
    unknown_rollback: Option<Spanned<i64>>,
    #[serde(default)]
    strict_rounds: bool,
    remember_refusals_ms: Option<Spanned<i64>>,
    session_token: Option<Spanned<String>>,
    unauthorized_status: Option<Spanned<i64>>,
    #[serde(default)]
    describe_errors: bool,
    budget_ms: Option<Spanned<i64>>,
}

/// The platforms; the policy of session tokens that each has of its own; and by the domain's place the platforms that it
/// is served to.
type CheckedPlatforms = (Vec<Platform>, Vec<Option<TokenPolicy>>, Vec<Vec<PlatformKey>>);

pub(super) fn platforms(
    source: &SourceText<'_>,
    raw: &[RawPlatform],
    domains: &BTreeMap<&str, usize>,
    server_budget_ms: u64,
) -> Result<CheckedPlatforms, Error> {
    if raw.is_empty() {
        return Err(source.lacking("no [[platform]] is defined; without one nobody could call"));
    }
    let (mut keys, mut users) = (Distinct::new("platform key"), Distinct::new("platform user"));
    let (mut platforms, mut policies) = (Vec::with_capacity(raw.len()), Vec::with_capacity(raw.len()));
    let mut served = vec![Vec::new(); domains.len()];
    if let Some(past) = raw.get(limits::PLATFORMS_MAX) {
        let sentence = format!("more than {} platforms", limits::PLATFORMS_MAX);
        return Err(source.fault(past.key.span(), sentence));
    }
    for platform in raw {
        check_text(source, "platform key", &platform.key, limits::PLATFORM_KEY_CHARS_MAX)?;
        let key =
            PlatformKey::new(platform.key.get_ref()).expect("its length was checked, and its characters");
        keys.add(source, &platform.key)?;
        check_credentials(source, platform)?;
        users.add(source, &platform.user)?;
        for at in served_domains(source, platform, domains)? {
            served[at].push(key);
        }
        policies.push(session_token(source, platform.session_token.as_ref())?);
        platforms.push(Platform {
            key,
            user: platform.user.get_ref().clone(),
            password: platform.password.get_ref().0.clone(),
            dialect: dialect(source, platform)?,
            manners: manners(source, platform)?,
            budget_ms: budget(source, platform, server_budget_ms)?,
        });
    }
    Ok((platforms, policies, served))
}

/// What the wallet decides by (protocol §4, Dialects). The policy of session tokens is known once the command line is.
fn dialect(source: &SourceText<'_>, platform: &RawPlatform) -> Result<Dialect, Error> {
    let round_scope = match platform.round_scope.as_ref().map(|scope| scope.get_ref().as_str()) {
        None | Some("platform") => RoundScope::Platform,
        Some("game") => RoundScope::Game,
        Some(other) => {
            let sentence = format!("round_scope is {other:?}; it must be \"platform\" or \"game\"");
            return Err(source.fault(span_of(&platform.round_scope), sentence));
        }
    };
    let unknown_rollback = one_of(source, "unknown_rollback", &platform.unknown_rollback, [-8, 0])?;
    Ok(Dialect {
        round_scope,
        unknown_rollback_succeeds: unknown_rollback == 0,
        strict_rounds: platform.strict_rounds,
        remember_refusals_ms: number(
            source,
            "remember_refusals_ms",
            platform.remember_refusals_ms.as_ref(),
            (0, limits::TIME_MS_MAX),
            "milliseconds",
            0,
        )?,
        token_policy: TokenPolicy::default(),
    })
}

/// How it is answered.
fn manners(source: &SourceText<'_>, platform: &RawPlatform) -> Result<Manners, Error> {
    let status = one_of(source, "unauthorized_status", &platform.unauthorized_status, [200, 401])?;
    Ok(Manners { describe_errors: platform.describe_errors, unauthorized_401: status == 401 })
}

/// Time in which its calls are answered, milliseconds: its own, else the server's.
fn budget(source: &SourceText<'_>, platform: &RawPlatform, server: u64) -> Result<u32, Error> {
    let bounds = (1, u64::from(limits::REQUEST_BUDGET_MS_MAX));
    let own = platform.budget_ms.as_ref();
    Ok(number(source, "budget_ms", own, bounds, "milliseconds", server)? as u32)
}

/// One of two numbers, of which the first is the default.
fn one_of(
    source: &SourceText<'_>,
    name: &str,
    value: &Option<Spanned<i64>>,
    [default, other]: [i64; 2],
) -> Result<i64, Error> {
    let number = value.as_ref().map_or(default, |value| *value.get_ref());
    if number == default || number == other {
        return Ok(number);
    }
    Err(source.fault(span_of(value), format!("{name} is {number}; it must be {default} or {other}")))
}

/// Where a value stands that is there.
fn span_of<T>(value: &Option<Spanned<T>>) -> std::ops::Range<usize> {
    value.as_ref().map(Spanned::span).unwrap_or_default()
}

/// What Basic authentication can carry (RFC 7617 §2) and the server compares.
fn check_credentials(source: &SourceText<'_>, platform: &RawPlatform) -> Result<(), Error> {
    let (user, password) = (platform.user.get_ref(), platform.password.get_ref().as_ref());
    check_text(source, "platform user", &platform.user, limits::CREDENTIALS_BYTES_MAX)?;
    if user.contains(':') {
        let sentence =
            format!("the platform user {user:?} has a colon, which ends it in Basic authentication");
        return Err(source.fault(platform.user.span(), sentence));
    }
    if password.is_empty() {
        return Err(source.fault(platform.password.span(), "the platform's password is empty"));
    }
    if password.contains(char::is_control) {
        let sentence = "the platform's password has a control character in it";
        return Err(source.fault(platform.password.span(), sentence));
    }
    let bytes = user.len() + ":".len() + password.len();
    if bytes > limits::CREDENTIALS_BYTES_MAX {
        let max = limits::CREDENTIALS_BYTES_MAX;
        let sentence =
            format!("user, colon and password have {bytes} bytes together; at most {max} are allowed");
        return Err(source.fault(platform.password.span(), sentence));
    }
    Ok(())
}

/// The places of the domains that a platform is served.
fn served_domains(
    source: &SourceText<'_>,
    platform: &RawPlatform,
    domains: &BTreeMap<&str, usize>,
) -> Result<Vec<usize>, Error> {
    let key = platform.key.get_ref();
    if platform.domains.get_ref().is_empty() {
        let sentence = format!("the platform {key:?} has no domains, so that it could call for no account");
        return Err(source.fault(platform.domains.span(), sentence));
    }
    let mut names = Distinct::new("domain name");
    let mut places = Vec::with_capacity(platform.domains.get_ref().len());
    for name in platform.domains.get_ref() {
        let place = domains.get(name.get_ref().as_str()).ok_or_else(|| {
            let name_text = name.get_ref();
            let sentence =
                format!("the platform {key:?} names the domain {name_text:?}, which no [[domain]] defines");
            source.fault(name.span(), sentence)
        })?;
        names.add(source, name)?;
        places.push(*place);
    }
    Ok(places)
}
