//! A request at a door of the API, and what must hold of what comes of it.

use std::sync::OnceLock;

use api::{Api, Decoded, Manners, Platform, encode_error, encode_refusal};
use http::Request;
use journal::record::{ChainLink, Record};
use journal::{Change, RecordHash};
use serde::de::IgnoredAny;
use wallet::operation::{self, Operation, Play};
use wallet::outcome::Receipt;
use wallet::{Dialect, PlatformKey, RoundScope, Rules, TokenPolicy};

/// `admin:admin`, of platform L100 with single-use tokens.
pub(crate) const ADMIN: &[u8] = b"Basic YWRtaW46YWRtaW4=";
/// `other:a:b`, of platform Mé😀 with wrapped tokens and rounds by game.
pub(crate) const OTHER: &[u8] = b"Basic b3RoZXI6YTpi";
/// The operator's.
pub(crate) const BEARER: &[u8] = b"Bearer demo";

/// The key of [`OTHER`].
pub(crate) const OTHER_KEY: &str = "Mé😀";

const RANDOM: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

/// The API of two platforms and an operator.
pub(crate) fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let platform = |key: &str, user: &str, password: &str, dialect| Platform {
            key: PlatformKey::new(key).expect("a key"),
            user: user.into(),
            password: password.into(),
            dialect,
            budget_ms: 1_000,
            manners: Manners { describe_errors: true, ..Manners::default() },
        };
        let wrapped = Dialect {
            token_policy: TokenPolicy::Wrapped,
            round_scope: RoundScope::Game,
            ..Dialect::default()
        };
        let platforms = vec![
            platform("L100", "admin", "admin", Dialect::default()),
            platform(OTHER_KEY, "other", "a:b", wrapped),
        ];
        Api::new(platforms, Some("demo".into()))
    })
}

/// The request at the platforms' door.
pub(crate) fn platform<'a>(request: &Request<'a>) -> Decoded<'a> {
    decoded(request, |entropy| api().platform(request, entropy))
}

/// The request at the operator's door.
pub(crate) fn operator<'a>(request: &Request<'a>) -> Decoded<'a> {
    decoded(request, |entropy| api().operator(request, entropy))
}

/// The request at both doors.
pub(crate) fn both(request: &Request<'_>) {
    platform(request);
    operator(request);
}

fn decoded<'a>(
    request: &Request<'a>,
    decode: impl Fn(&mut dyn FnMut() -> u128) -> Decoded<'a>,
) -> Decoded<'a> {
    let mut drawn = 0;
    let decoded = decode(&mut || {
        drawn += 1;
        RANDOM
    });
    assert_eq!(decoded, decode(&mut || RANDOM), "a request says one thing");
    let mut answer = Vec::new();
    match &decoded {
        Decoded::Operation(_, operation, _) => {
            assert!(drawn <= 1, "random bits are drawn once");
            // A logout and a question have a path alone, and a login need not have more.
            let has_body = !request.body.is_empty()
                && !matches!(
                    operation,
                    Operation::GetAccount(_) | Operation::GetStatement(_) | Operation::CloseSession(_)
                );
            assert!(!has_body || is_json(request.body), "what was taken is JSON");
            check(&operation.as_deref());
            return decoded;
        }
        Decoded::Refused(_, code, fault) => {
            encode_refusal(*code, fault.as_ref().map(|fault| fault.sentence()).as_deref(), &mut answer);
        }
        Decoded::Http { status, detail, .. } => encode_error(*status, detail.as_deref(), &mut answer),
        Decoded::Options(_) | Decoded::Probe(_) => return decoded,
    }
    assert_eq!(drawn, 0, "what is refused needs no random bits");
    assert!(is_json(&answer), "an answer is JSON: {}", answer.escape_ascii());
    decoded
}

/// Whether somebody else's reader takes it for JSON. A byte order mark may stand before it.
pub(crate) fn is_json(body: &[u8]) -> bool {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// What holds of an operation that a door let in.
fn check(operation: &Operation<&str>) {
    let account = operation.account_id();
    let chars = account.map_or(1, |id| id.chars().count());
    assert!((1..=limits::ID_CHARS_MAX).contains(&chars), "{account:?}");
    let details = match operation {
        Operation::Play(Play { details, .. }) | Operation::EndRound(operation::EndRound { details, .. }) => {
            *details
        }
        Operation::Alert(operation::Alert { details, .. }) => Some(*details),
        _ => None,
    };
    if let Some(details) = details {
        assert!(details.starts_with('{') && is_json(details.as_bytes()), "{details}");
    }
    assert_eq!(operation.slot(), operation.slot());
    if is_journaled(operation) {
        check_record(operation);
    }
}

/// Whether a shard journals it. An opened session is journaled when it starts, at its account.
fn is_journaled(operation: &Operation<&str>) -> bool {
    matches!(
        operation,
        Operation::Play(_)
            | Operation::EndRound(_)
            | Operation::Credit(_)
            | Operation::Alert(_)
            | Operation::PutAccount(_)
            | Operation::SetStatus(_)
            | Operation::Transfer(_)
            | Operation::SetLimits(_)
            | Operation::CloseSession(_)
    )
}

/// Its record reads back as what it is: nothing that a door lets in is too large for one, or changed by it.
fn check_record(operation: &Operation<&str>) {
    let mut written = Vec::new();
    let link = ChainLink { sequence: 7, now_ms: 1 << 41, previous: RecordHash::START };
    let hash = Record::write(&mut written, link, operation, &Receipt::default());
    let mut buffer = journal::Buffer::new();
    buffer.extend_from_slice(&written);
    let record = Record::read(Rules::V2, &buffer).expect("it was just written");
    assert_eq!((record.hash(), record.bytes()), (hash, written.len()));
    let mut expect = operation.clone();
    match &mut expect {
        // Who applied it had seen to both.
        Operation::Play(play) => play.session_checked = true,
        Operation::Transfer(operation::Transfer { currency, .. }) => *currency = None,
        _ => {}
    }
    assert_eq!(record.change(), Ok(Change::Operation(expect)));
}
