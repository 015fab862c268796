//! The bodies of the platforms' calls.

use api::Decoded;
use http::{Method, Request};
use limits::JSON_DEPTH_MAX;
use wallet::account::Slot;
use wallet::token::{TOKEN_CHARS, TokenId};

use crate::calls;

/// Paths of the calls.
const PATHS: [&str; 10] = [
    "/v1.0/balance",
    "/v1.0/session/createtoken",
    "/v1.0/session/redeemtoken",
    "/v1.0/gameround/placebet",
    "/v1.0/gameround/awardwinnings",
    "/v1.0/gameround/rollbackbet",
    "/v1.0/gameround/voidbet",
    "/v1.0/gameround/end",
    "/v1.0/accounttransaction/credit",
    "/v1.0/alertwalletcallbacknotification",
];

/// What bodies are made of.
pub const WORDS: [&str; 62] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "\"\"",
    "0",
    "-0",
    "1e2",
    "0.01",
    "1E-10",
    "99999999999999999999999999",
    "1234567890.1234567890",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\ude00",
    "\\u0000",
    "\\u00e9",
    "\u{feff}",
    "é",
    "😀",
    "\n",
    "\t",
    "\"PlatformKey\"",
    "\"Sequence\"",
    "\"Timestamp\"",
    "\"OperatorAccountID\"",
    "\"GameID\"",
    "\"ContentGameProviderID\"",
    "\"SessionToken\"",
    "\"IPAddress\"",
    "\"GatewaySessionToken\"",
    "\"GameRoundID\"",
    "\"GameRoundTransactionID\"",
    "\"OriginalBetGameRoundTransactionID\"",
    "\"OrginalBetGameRoundTransactionID\"",
    "\"CurrencyCode\"",
    "\"Amount\"",
    "\"StartRound\"",
    "\"EndRound\"",
    "\"JackpotContribution\"",
    "\"JackpotWinnings\"",
    "\"FreeBetCost\"",
    "\"AccountTransactionID\"",
    "\"AccountTransactionTypeID\"",
    "\"Source\"",
    "\"L100\"",
    "\"GBP\"",
    "\"JPY\"",
    "0000-01-01T00:00:00Z",
    "2024-02-29T23:59:60.123456789+23:59",
    "-00:00",
    "\"811\"",
    "\"X\":",
];

/// Calls of platform L100, whose tokens are single-use; a second one, of wrapped tokens, has the rest of the digits.
pub fn seeds() -> Vec<Vec<u8>> {
    let envelope = r#""PlatformKey":"L100","Sequence":"8f1c","Timestamp":"2021-06-07T11:16:16.2166519Z""#;
    let account = r#""OperatorAccountID":"default/admin""#;
    let round = format!(r#"{account},"GameRoundID":"r1","GameID":"11588","CurrencyCode":"GBP""#);
    let play = format!(r#"{round},"GameRoundTransactionID":"t1","Amount":1.00,"EndRound":false"#);
    let session = r#""GatewaySessionToken":"demo-000001""#;
    let extras =
        r#""GameVersion":"1","JackpotContribution":0.0000000001,"JackpotWinnings":5,"FreeBetCost":0.10"#;
    let members = [
        format!(r#"{account},"GameID":"11588""#),
        format!(r#"{account},"GameID":"11588""#),
        r#""SessionToken":"20fbd3b9-eef2-49cd-9976-50f0d34e7f7c-179e5f738d8","IPAddress":"::1""#.into(),
        format!(r#"{session},{play},"StartRound":true,{extras}"#),
        format!(r#"{session},{play},"StartRound":false"#),
        format!(r#"{play},"OriginalBetGameRoundTransactionID":"t0""#),
        play,
        round,
        format!(
            r#"{account},"AccountTransactionID":"c1","AccountTransactionTypeID":"810","CurrencyCode":"GBP","Amount":1"#
        ),
        format!(
            r#"{session},{account},"Source":"Gameflex","AlertActionID":"1","OperatorAlertActionReference":"2","OperatorAlertReference":"3","GamingRegulatorCode":"4","Type":"5","Method":"6","Data":"7""#
        ),
    ];
    let seed = |(at, members): (usize, &String)| format!("{at}{{{envelope},{members}}}").into_bytes();
    let mut all: Vec<_> = members.iter().enumerate().map(seed).collect();
    // The first platform's tokens are single-use.
    let mut room = [0; TOKEN_CHARS];
    let token = TokenId::new(Slot::new(7).expect("a slot"), 1 << 90).write(&mut room).to_owned();
    all[2] = String::from_utf8_lossy(&all[2])
        .replace("20fbd3b9-eef2-49cd-9976-50f0d34e7f7c-179e5f738d8", &token)
        .into_bytes();
    let other = format!(r#""PlatformKey":"{}","#, calls::OTHER_KEY);
    all.extend((0..).zip(&members).map(|(at, members)| {
        let text = format!("{}{{{envelope},{members}}}", char::from(b'A' + at));
        text.replace(r#""PlatformKey":"L100","#, &other).into_bytes()
    }));
    all
}

/// Whether the call is taken.
pub fn is_taken(data: &[u8]) -> bool {
    data.split_first().is_some_and(|(which, body)| matches!(decode(*which, body), Decoded::Operation(..)))
}

/// A call and its body: a digit is a call of the first platform, a letter from `A` on one of the second.
pub fn run(data: &[u8]) {
    let Some((which, body)) = data.split_first() else { return };
    match decode(*which, body) {
        Decoded::Operation(..) => {}
        Decoded::Refused(_, _, Some(fault)) => {
            let sentence = fault.sentence();
            if sentence == "The body is not a well-formed JSON object." {
                check_is_none(body);
            }
        }
        other => panic!("a call of good credentials: {other:?}"),
    }
}

fn decode(which: u8, body: &[u8]) -> Decoded<'_> {
    let (at, authorization) = match which {
        b'0'..=b'9' => (which - b'0', calls::ADMIN),
        _ => (which.wrapping_sub(b'A') % 10, calls::OTHER),
    };
    let request = Request {
        method: Method::Post,
        path: PATHS[usize::from(at)],
        query: None,
        authorization: Some(authorization),
        body,
        keep_alive: true,
        keep_alive_named: false,
        timeout_ms: None,
    };
    calls::platform(&request)
}

/// What is refused for being no JSON object is none for somebody else's reader, too.
fn check_is_none(body: &[u8]) {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let Ok(text) = str::from_utf8(body) else { return };
    if !calls::is_json(body) || !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return;
    }
    // It is one, so this is a bound's doing, or a known member's: a text that is no text, of half a pair of surrogates.
    assert!(depth(text) > 1 + JSON_DEPTH_MAX || has_surrogate(text), "it is an object: {text}");
}

/// Brackets that are open at a time, at most.
fn depth(json: &str) -> usize {
    let (mut open, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => open += 1,
            b'}' | b']' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Whether a name, or the text of a member that some call knows, is half a pair of surrogates. In an unknown value it may be.
fn has_surrogate(json: &str) -> bool {
    let (mut depth, mut name, mut rest) = (0, String::new(), json);
    while let Some(at) = rest.find(['{', '[', '}', ']', '"']) {
        let opened = &rest[at..];
        rest = &opened[1..];
        match opened.as_bytes()[0] {
            b'{' | b'[' => depth += 1,
            b'"' => {
                let text = quoted(rest);
                rest = &rest[(text.len() + 1).min(rest.len())..];
                let is_name = rest.trim_start_matches([' ', '\t', '\r', '\n']).starts_with(':');
                if depth == 1 && is_half(text) && (is_name || is_known(&name)) {
                    return true;
                }
                if depth == 1 && is_name {
                    text.clone_into(&mut name);
                }
            }
            _ => depth -= 1,
        }
    }
    false
}

/// A string up to its closing quotation mark.
fn quoted(rest: &str) -> &str {
    let mut escaped = false;
    let end = rest.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    &rest[..end.unwrap_or(rest.len())]
}

/// Whether there is an escape of a surrogate in it.
fn is_half(text: &str) -> bool {
    let is_surrogate = |four: &[u8]| {
        four.starts_with(b"\\u")
            && four[2].eq_ignore_ascii_case(&b'd')
            && matches!(four[3], b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
    };
    text.as_bytes().windows(4).any(is_surrogate)
}

/// Whether some call may know a member of this name; one that is written with escapes may be any.
fn is_known(name: &str) -> bool {
    let ours = [
        "AlertActionID",
        "OperatorAlertActionReference",
        "OperatorAlertReference",
        "GamingRegulatorCode",
        "Type",
        "Method",
        "Data",
        "GameVersion",
        "TableID",
        "FreeGameOfferCode",
        "FreeBetOfferCode",
        "OriginalPlaceBetGameRoundTransactionID",
    ];
    name.contains('\\') || ours.contains(&name) || WORDS.iter().any(|word| word.trim_matches('"') == name)
}
