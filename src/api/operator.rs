//! The operator's calls: REST paths and small JSON objects (protocol §6).
//!
//! Faults of the caller are HTTP statuses, each with a sentence. Which fault is told, where several meet:
//! unknown path (404), then method (405), then token (401), then path and query parameters, and body (400).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use compact_str::CompactString;

use super::call::CallerKind;
use super::credentials::Secret;
use super::members::{BodyFault, Object, Unknown, fits, object};
use super::{Call, Decoded, PROBES, Terms, about_the_server, forms, members};
use http::{Method, Request, Status};
use wallet::account::{AccountRef, AccountStatus, Gender, Profile};
use wallet::amount::Money;
use wallet::currency::Currency;
use wallet::operation::{self, Direction, Operation};
use wallet::restriction::{ByPeriod, Restrictions};

const ACCOUNTS: &str = "/operator/v1/accounts/";

type Decode<'a> = Result<Operation<Cow<'a, str>>, BodyFault>;

/// A request whose token is good.
struct OperatorRequest<'s, 'a> {
    path: Path<'a>,
    query: Option<&'a str>,
    body: &'a [u8],
    entropy: &'s mut dyn FnMut() -> u128,
}

/// The parameters in a path, as they stand there.
#[derive(Clone, Copy)]
struct Path<'a> {
    domain: &'a str,
    player: &'a str,
    tail: Option<&'a str>,
    key: Option<&'a str>,
}

/// Decodes a request of the operator listener.
pub(super) fn decode<'a>(
    token: Option<&Secret>,
    request: &Request<'a>,
    entropy: &mut dyn FnMut() -> u128,
) -> Decoded<'a> {
    if let Some(decoded) = about_the_server(request, &PROBES, "DELETE, GET, HEAD, OPTIONS, POST, PUT") {
        return decoded;
    }
    let Some(path) = Path::parse(request.path) else {
        return Decoded::status(Status::NotFound);
    };
    // `HEAD` goes where `GET` does (RFC 9110 §9.3.2).
    let method = if request.method == Method::Head { Method::Get } else { request.method };
    let Some(call) = path.calls().find(|call| call.at().0 == method) else {
        return path.allowed().map_or(Decoded::status(Status::NotFound), Decoded::not_allowed);
    };
    let Some(token) = token else {
        return Decoded::because(Status::Unauthorized, "No operator token is configured.".into());
    };
    if !token.is_bearer(request.authorization) {
        return Decoded::status(Status::Unauthorized);
    }
    let asked = OperatorRequest { path, query: request.query, body: request.body, entropy };
    let operation = match call {
        Call::GetAccount => get_account(asked),
        Call::PutAccount => put_account(asked),
        Call::SetStatus => set_status(asked),
        Call::Deposit => transfer(asked, Direction::In),
        Call::Withdraw => transfer(asked, Direction::Out),
        Call::SetLimits => set_limits(asked),
        Call::GetStatement => get_statement(asked),
        Call::OpenSession => open_session(asked),
        Call::CloseSession => close_session(asked),
        _ => unreachable!("a call of the platforms' listener"),
    };
    match operation {
        Ok(operation) => {
            let terms = Terms { describe: false, budget_ms: request.timeout_ms };
            Decoded::Operation(call, operation, terms)
        }
        Err(fault) => Decoded::because(Status::BadRequest, fault.sentence()),
    }
}

const ESCAPE: &str = "The path has a percent sign without two hexadecimal digits.";
const NOT_UTF8: &str = "The path is not UTF-8 once its percent signs are resolved.";
const CONTROL: &str = "The path has a control character in it.";
const SLASH: &str = "The domain or the player in the path has a slash in it.";
const EMPTY: &str = "The domain or the player in the path is empty.";
const ACCOUNT_TOO_LONG: &str = "The account's id, domain/player, is too long.";
const KEY_LENGTH: &str = "The session key in the path is empty or too long.";
const PLAYER_DOTS: &str = "The domain or the player in the path is . or .., which no path can name.";
const KEY_DOTS: &str = "The session key in the path is . or .., which no path can name.";
const KEY_CONTROL: &str = "SessionKey has a control character in it.";
const SESSION_KEY_DOTS: &str = "SessionKey is . or .., which no path can name.";

/// Whether `segment` is what clients and proxies take out of a path, written with escapes or without (RFC 3986 §5.2.4,
/// §6.2.2.2): nothing of that name could be reached.
fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

impl<'a> Path<'a> {
    /// A path under an account, `…/accounts/{domain}/{player}`. Segments are told apart before their escapes are resolved
    /// (RFC 3986 §2.4).
    fn parse(path: &'a str) -> Option<Self> {
        let mut segments = path.strip_prefix(ACCOUNTS)?.split('/');
        let path = Self {
            domain: segments.next()?,
            player: segments.next()?,
            tail: segments.next(),
            key: segments.next(),
        };
        segments.next().is_none().then_some(path)
    }

    /// The calls at this path.
    fn calls(self) -> impl Iterator<Item = Call> {
        let is_here = move |call: &Call| {
            let (_, tail) = call.at();
            match (tail.split_once('/'), self.tail) {
                (Some((tail, _)), at) => at == Some(tail) && self.key.is_some(),
                (None, at) => at.unwrap_or("") == tail && at != Some("") && self.key.is_none(),
            }
        };
        Call::ALL.into_iter().filter(|call| call.caller() == CallerKind::Operator).filter(is_here)
    }

    /// The methods at this path, for `Allow`; `None` where there is none.
    fn allowed(self) -> Option<&'static str> {
        let has = |method| self.calls().any(|call| call.at().0 == method);
        Some(match [Method::Get, Method::Put, Method::Post, Method::Delete].map(has) {
            [true, true, false, false] => "GET, HEAD, PUT",
            [true, false, false, false] => "GET, HEAD",
            [false, true, false, false] => "PUT",
            [false, false, true, false] => "POST",
            [false, false, false, true] => "DELETE",
            _ => return None,
        })
    }

    /// The account that the path names.
    fn account(self) -> Result<AccountRef<Cow<'a, str>>, &'static str> {
        let (domain, player) = (unescape(self.domain)?, unescape(self.player)?);
        if domain.is_empty() || player.is_empty() {
            return Err(EMPTY);
        }
        if is_dots(&domain) || is_dots(&player) {
            return Err(PLAYER_DOTS);
        }
        // A slash in a domain would name another account than its path says.
        if domain.contains('/') || player.contains('/') {
            return Err(SLASH);
        }
        let id = format!("{domain}/{player}");
        if !fits(&id, limits::ID_CHARS_MAX) {
            return Err(ACCOUNT_TOO_LONG);
        }
        Ok(AccountRef::new(Cow::Owned(id)))
    }

    /// The session key that the path names. It may hold a slash, written `%2F`: a key is the operator's own.
    fn key(self) -> Result<Cow<'a, str>, &'static str> {
        let key = unescape(self.key.unwrap_or_default())?;
        match &*key {
            key if !fits(key, limits::SESSION_KEY_CHARS_MAX) => Err(KEY_LENGTH),
            key if is_dots(key) => Err(KEY_DOTS),
            _ => Ok(key),
        }
    }
}

/// A path segment with its percent-encoding resolved (RFC 3986 §2.1).
fn unescape(segment: &str) -> Result<Cow<'_, str>, &'static str> {
    let text = if segment.contains('%') {
        let mut bytes = Vec::with_capacity(segment.len());
        let mut rest = segment.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let (digits, after) = rest.split_first_chunk::<2>().ok_or(ESCAPE)?;
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            bytes.push((high.ok_or(ESCAPE)? * 16 + low.ok_or(ESCAPE)?) as u8);
            rest = after;
        }
        Cow::Owned(String::from_utf8(bytes).map_err(|_| NOT_UTF8)?)
    } else {
        Cow::Borrowed(segment)
    };
    if text.chars().any(char::is_control) { Err(CONTROL) } else { Ok(text) }
}

object! {
    /// Body of `PUT …/accounts/{domain}/{player}`.
    AccountBody {
        country: required "CountryCode" <= 2;
        user_name: optional "UserName" <= limits::PROFILE_CHARS_MAX;
        display_name: optional "DisplayName" <= limits::PROFILE_CHARS_MAX;
        city: optional "City" <= limits::PROFILE_CHARS_MAX;
        born: optional "DateOfBirth" <= "1965-05-16T00:00:00".len();
        gender: optional "Gender" <= 1;
    }
}

object! {
    /// Body of `PUT …/{player}/status`.
    StatusBody {
        status: required "Status" <= "active".len();
    }
}

object! {
    /// Body of `POST …/{player}/sessions`.
    SessionBody {
        key: optional "SessionKey" <= limits::SESSION_KEY_CHARS_MAX;
    }
}

object! {
    /// Body of `POST …/{player}/deposits` and `…/withdrawals`.
    TransferBody {
        transaction: required "TransactionID" <= limits::ID_CHARS_MAX;
        amount: required_money "Amount";
        currency: optional "CurrencyCode" <= limits::CURRENCY_CODE_CHARS_MAX;
    }
}

object! {
    /// Body of `PUT …/{player}/limits`.
    LimitsBody {
        stake: optional_money "Stake";
        wager: optional_object(PeriodsBody) "Wager";
        loss: optional_object(PeriodsBody) "Loss";
        session_minutes: optional_money "SessionMinutes";
    }
}

object! {
    /// `Wager` and `Loss` of limits.
    PeriodsBody {
        day: optional_money "Day";
        week: optional_money "Week";
        month: optional_money "Month";
    }
}

/// Reads a body. A member that the call does not know is refused: a slip of spelling must not take away what it would
/// have set.
fn read<'de, T: Object<'de>>(body: &'de [u8]) -> Result<T, BodyFault> {
    members::read(body, Unknown::Refused)
}

fn get_account<'a>(asked: OperatorRequest<'_, 'a>) -> Decode<'a> {
    Ok(Operation::GetAccount(operation::GetAccount { account: asked.path.account()? }))
}

fn put_account<'a>(asked: OperatorRequest<'_, 'a>) -> Decode<'a> {
    let account = asked.path.account()?;
    let body: AccountBody<'_> = read(asked.body)?;
    let country: [u8; 2] = body.country.as_bytes().try_into().map_err(|_| COUNTRY)?;
    if !country.iter().all(u8::is_ascii_uppercase) {
        return Err(COUNTRY.into());
    }
    let born = body.born.map(|text| forms::date_of_birth(&text).ok_or(BORN)).transpose()?;
    let gender = match body.gender.as_deref() {
        None => None,
        Some("M") => Some(Gender::Male),
        Some("F") => Some(Gender::Female),
        Some(_) => return Err(GENDER.into()),
    };
    let profile = Profile {
        country,
        gender,
        born,
        user_name: body.user_name.map(CompactString::from),
        display_name: body.display_name.map(CompactString::from),
        city: body.city.map(CompactString::from),
    };
    Ok(Operation::PutAccount(operation::PutAccount { account, profile: Box::new(profile) }))
}

const COUNTRY: &str = "CountryCode must be two capital letters (ISO 3166).";
const BORN: &str = "DateOfBirth must be a day of the calendar, YYYY-MM-DD.";
const GENDER: &str = "Gender must be M or F.";
const CURRENCY: &str = "CurrencyCode is not a currency of ISO 4217.";
const STATUS: &str = "Status must be active or frozen.";

fn set_status<'a>(asked: OperatorRequest<'_, 'a>) -> Decode<'a> {
    let account = asked.path.account()?;
    let StatusBody { status, .. } = read(asked.body)?;
    let status = match &*status {
        "active" => AccountStatus::Active,
        "frozen" => AccountStatus::Frozen,
        _ => return Err(STATUS.into()),
    };
    Ok(Operation::SetStatus(operation::SetStatus { account, status }))
}

fn open_session<'a>(asked: OperatorRequest<'_, 'a>) -> Decode<'a> {
    let account = asked.path.account()?;
    let key = if asked.body.is_empty() { None } else { read::<SessionBody<'_>>(asked.body)?.key };
    let key = match key {
        // It could not be written in the path of a logout.
        Some(key) if key.chars().any(char::is_control) => return Err(KEY_CONTROL.into()),
        Some(key) if is_dots(&key) => return Err(SESSION_KEY_DOTS.into()),
        Some(key) => key,
        None => Cow::Owned(uuid((asked.entropy)())),
    };
    Ok(Operation::OpenSession(operation::OpenSession { account, key }))
}

fn close_session<'a>(asked: OperatorRequest<'_, 'a>) -> Decode<'a> {
    Ok(Operation::CloseSession(operation::CloseSession {
        account: asked.path.account()?,
        key: asked.path.key()?,
    }))
}

fn transfer<'a>(asked: OperatorRequest<'_, 'a>, direction: Direction) -> Decode<'a> {
    let account = asked.path.account()?;
    let TransferBody { transaction, amount, currency, .. } = read(asked.body)?;
    let currency = currency.map(|code| Currency::from_code(&code).ok_or(CURRENCY)).transpose()?;
    Ok(Operation::Transfer(operation::Transfer { account, direction, transaction, amount, currency }))
}

fn set_limits<'a>(asked: OperatorRequest<'_, 'a>) -> Decode<'a> {
    let account = asked.path.account()?;
    let LimitsBody { stake, wager, loss, session_minutes, .. } = read(asked.body)?;
    let by_period = |periods: Option<PeriodsBody<'_>>| {
        periods.map_or(ByPeriod::none(), |PeriodsBody { day, week, month, .. }| ByPeriod { day, week, month })
    };
    let limits = Restrictions {
        stake,
        wager: by_period(wager),
        loss: by_period(loss),
        session_minutes: session_minutes.map(|number| minutes(number).ok_or(SESSION_MINUTES)).transpose()?,
    };
    Ok(Operation::SetLimits(operation::SetLimits { account, limits: Box::new(limits) }))
}

/// A session's length, minutes; `None` where the number is not whole or out of range. `30.0` is whole.
fn minutes(number: Money) -> Option<u32> {
    let (digits, exponent) = number.parts();
    let power = 10_u64.checked_pow(u32::try_from(exponent).ok()?)?;
    let minutes = u32::try_from(digits.checked_mul(power)?).ok()?;
    (1..=limits::SESSION_MINUTES_MAX).contains(&minutes).then_some(minutes)
}

const SESSION_MINUTES: &str = "SessionMinutes must be a whole number of minutes, from one to a year's.";

fn get_statement<'a>(asked: OperatorRequest<'_, 'a>) -> Decode<'a> {
    let account = asked.path.account()?;
    let after = parameter(asked.query, "after", AFTER)?;
    let limit = parameter(asked.query, "limit", LIMIT)?.unwrap_or(limits::STATEMENT_LINES as u64);
    if !(1..=limits::STATEMENT_LINES_MAX as u64).contains(&limit) {
        return Err(LIMIT.wrong.into());
    }
    let limit = u16::try_from(limit).expect("the bound on a page's lines");
    Ok(Operation::GetStatement(operation::GetStatement { account, after: after.unwrap_or(0), limit }))
}

const AFTER: ParameterSentences = ParameterSentences {
    wrong: "The query's after must be a whole number, from 0 to 18446744073709551615.",
    repeated: "The query has after twice.",
};
const LIMIT: ParameterSentences = ParameterSentences {
    wrong: "The query's limit must be a whole number, from 1 to 1000.",
    repeated: "The query has limit twice.",
};

/// What is said of a parameter of a query.
struct ParameterSentences {
    wrong: &'static str,
    repeated: &'static str,
}

/// The number that `query` gives to `name`: `name=7`, parted from others by `&`. Others are not looked at, and
/// neither is what can't be decoded to a name.
fn parameter(
    query: Option<&str>,
    name: &str,
    sentences: ParameterSentences,
) -> Result<Option<u64>, &'static str> {
    let mut found = None;
    for pair in query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if unescape(key).as_deref() != Ok(name) {
            continue;
        }
        let value = unescape(value).map_err(|_| sentences.wrong)?;
        // `parse` would take a sign.
        if !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(sentences.wrong);
        }
        let number = value.parse().map_err(|_| sentences.wrong)?;
        if found.replace(number).is_some() {
            return Err(sentences.repeated);
        }
    }
    Ok(found)
}

/// A UUID of version 4 made of random bits, in lower case (RFC 9562 §4, §5.4).
fn uuid(random: u128) -> String {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0b11 << 62;
    let bits = (random & !VERSION & !VARIANT) + (0x4 << 76) + (0b10 << 62);
    let digits = format!("{bits:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
