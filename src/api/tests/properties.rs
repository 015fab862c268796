//! Properties: order, spacing, escapes and unknown members do not change what a body says; no bytes panic.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

/// Names and values of an object's members.
type Members = &'static [(&'static str, Json)];

/// A member's value.
#[derive(Clone, Copy)]
enum Json {
    /// A string.
    Text(&'static str),
    /// A number or a literal, which is spelled one way here.
    Bare(&'static str),
}
use Json::{Bare, Text};

/// The calls' good bodies: path, members, token policy.
const BODIES: [(&str, Members, TokenPolicy); 4] = [
    (
        "/v1.0/balance",
        &[
            ("PlatformKey", Text("L100")),
            ("Sequence", Text("8f1c")),
            ("Timestamp", Text("2021-06-07T11:16:16.2166519Z")),
            ("OperatorAccountID", Text("default/admin")),
            ("GameID", Text("11588")),
            ("ContentGameProviderID", Text("7")),
        ],
        TokenPolicy::SingleUse,
    ),
    (
        "/v1.0/session/createtoken",
        &[
            ("PlatformKey", Text("L100")),
            ("Sequence", Text("\"é\\")),
            ("Timestamp", Text("2021-06-07T11:16:16Z")),
            ("OperatorAccountID", Text("default/🎲")),
            ("GameID", Text("11588")),
        ],
        TokenPolicy::SingleUse,
    ),
    (
        "/v1.0/session/redeemtoken",
        &[
            ("PlatformKey", Text("L100")),
            ("Sequence", Text("1")),
            ("Timestamp", Text("2021-06-07T11:16:16.1Z")),
            ("SessionToken", Text("20fbd3b9-eef2-49cd-9976-50f0d34e7f7c-179e5f738d8")),
            ("IPAddress", Text("::1")),
        ],
        TokenPolicy::Wrapped,
    ),
    (
        "/v1.0/gameround/placebet",
        &[
            ("PlatformKey", Text("L100")),
            ("Sequence", Text("1")),
            ("Timestamp", Text("2021-06-07T11:16:16.1Z")),
            ("GatewaySessionToken", Text("demo-000001")),
            ("OperatorAccountID", Text("default/player-000001")),
            ("GameRoundID", Text("r/1")),
            ("GameRoundTransactionID", Text("é\"")),
            ("GameID", Text("11588")),
            ("CurrencyCode", Text("GBP")),
            ("Amount", Bare("1.10")),
            ("StartRound", Bare("true")),
            ("EndRound", Bare("false")),
            ("GameVersion", Text("\n")),
            ("JackpotWinnings", Bare("1e-9")),
        ],
        TokenPolicy::SingleUse,
    ),
];

/// Members that may be left out.
const OPTIONAL: [(usize, &str); 4] =
    [(0, "GameID"), (0, "ContentGameProviderID"), (3, "GameVersion"), (3, "JackpotWinnings")];

impl Json {
    /// Its text; a string's characters as `choices` say.
    fn written(self, choices: &[bool]) -> String {
        match self {
            Text(text) => quoted(text, choices),
            Bare(text) => text.to_owned(),
        }
    }
}

/// A JSON string, its characters written as `choices` say: plain, or as escapes.
fn quoted(text: &str, choices: &[bool]) -> String {
    let mut out = String::from('"');
    for (at, character) in text.chars().enumerate() {
        let plain = !choices.is_empty()
            && choices[at % choices.len()]
            && !matches!(character, '"' | '\\' | '\0'..' ');
        if plain {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04X}"));
            }
        }
    }
    out.push('"');
    out
}

fn unknown_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,9})([.][0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        (any::<String>(), any::<[bool; 3]>()).prop_map(|(text, choices)| quoted(&text, &choices)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{}:{value}", quoted(name, &[true])))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn decode<'a>(which: usize, body: &'a [u8]) -> Decoded<'a> {
    let (path, _, token_policy) = BODIES[which];
    platform(token_policy, &request(Method::Post, path, Some(ADMIN), body))
}

fn plain_body(which: usize) -> String {
    let members = BODIES[which]
        .1
        .iter()
        .map(|(name, value)| format!("{}:{}", quoted(name, &[true]), value.written(&[true])));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

proptest! {
    #[test]
    fn spelling_does_not_change_the_meaning(
        which in 0..BODIES.len(),
        order in any::<prop::sample::Index>(),
        unknown in prop::collection::btree_map("[a-z]{0,8}|u.{0,3}", unknown_value(), 0..20),
        choices in prop::collection::vec(any::<bool>(), 1..7),
        space in "[ \t\r\n]{0,3}",
    ) {
        let mut members: Vec<String> = BODIES[which].1.iter()
            .map(|(name, value)| (quoted(name, &choices), value.written(&choices)))
            .map(|(name, value)| format!("{name}{space}:{space}{value}"))
            .collect();
        for (at, (name, value)) in unknown.iter().enumerate() {
            let place = order.index(members.len() + at + 1) % (members.len() + 1);
            members.insert(place, format!("{}:{space}{value}", quoted(name, &choices)));
        }
        let turn = order.index(members.len());
        members.rotate_left(turn);
        if choices[0] {
            members.reverse();
        }
        let body = format!("{space}{{{space}{}{space}}}{space}", members.join(&format!("{space},{space}")));
        let plain = plain_body(which);
        let expect = decode(which, plain.as_bytes());
        prop_assert!(matches!(expect, Decoded::Operation(..)));
        prop_assert_eq!(decode(which, body.as_bytes()), expect, "{}", body);
    }

    #[test]
    fn a_required_member_can_not_be_left_out(
        which in 0..BODIES.len(),
        left_out in subsequence((0..14).collect::<Vec<_>>(), 0..=3),
    ) {
        let members = BODIES[which].1;
        let left_out: Vec<_> = left_out.iter().filter_map(|at| Some(members.get(*at)?.0)).collect();
        let whole = left_out.iter().all(|name| OPTIONAL.contains(&(which, name)));
        let text: Vec<_> = members.iter().filter(|(name, _)| !left_out.contains(name))
            .map(|(name, value)| format!("{}:{}", quoted(name, &[true]), value.written(&[true])))
            .collect();
        let body = format!("{{{}}}", text.join(","));
        prop_assert_eq!(matches!(decode(which, body.as_bytes()), Decoded::Operation(..)), whole, "{}", body);
    }

    #[test]
    fn no_bytes_panic(which in 0..BODIES.len(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(matches!(decode(which, &body), Decoded::Refused(..)));
    }

    #[test]
    fn no_change_of_a_byte_panics(
        which in 0..BODIES.len(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut body = plain_body(which).into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        if cut {
            body.truncate(at + 1);
        }
        decode(which, &body);
    }

    #[test]
    fn no_credentials_panic(field in prop::collection::vec(any::<u8>(), 0..300), scheme in any::<bool>()) {
        let field = if scheme { [b"Basic ", field.as_slice()].concat() } else { field };
        let body = plain_body(0);
        let asked = request(Method::Post, "/v1.0/balance", Some(&field), &body);
        prop_assert!(matches!(platform(TokenPolicy::SingleUse, &asked), Decoded::Refused(..)));
    }

    #[test]
    fn no_path_panics_at_the_operators_door(
        path in "(/operator/v1/accounts/)?[a-z/%0-9é]{0,40}",
        put in any::<bool>(),
    ) {
        let method = if put { Method::Put } else { Method::Get };
        operator(&request(method, &path, Some(BEARER), "{}"));
    }
}
