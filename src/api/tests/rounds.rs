//! The calls of game rounds, `credit` and alerts: every row of the protocol's table of members (§4).

use super::*;
use wallet::account::AccountRef;
use wallet::amount::Amount;
use wallet::currency::Currency;
use wallet::operation::{self, Play, PlayKind};
use wallet::outcome::ErrorCode;
use wallet::platform::RoundScope;

pub(super) const CALLS: [(Call, &str); 7] = [
    (Call::PlaceBet, "/v1.0/gameround/placebet"),
    (Call::AwardWinnings, "/v1.0/gameround/awardwinnings"),
    (Call::RollbackBet, "/v1.0/gameround/rollbackbet"),
    (Call::VoidBet, "/v1.0/gameround/voidbet"),
    (Call::EndRound, "/v1.0/gameround/end"),
    (Call::Credit, "/v1.0/accounttransaction/credit"),
    (Call::Alert, "/v1.0/alertwalletcallbacknotification"),
];

/// What a member is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text(usize),
    /// One text of a few.
    Choice,
    Flag,
    Money,
}
use Kind::{Choice, Flag, Money as Number, Text};

/// Whether a call has a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It must have it.
    Must,
    /// It may have it.
    May,
    /// It may have it, also empty.
    Free,
    /// Unknown to it.
    None,
}
use Need::{Free, May, Must};

const NONE: Need = Need::None;
const KEY: Kind = Text(limits::SESSION_KEY_CHARS_MAX);
const ID: Kind = Text(limits::ID_CHARS_MAX);

/// Name, kind, a good value, and the need of each of [`CALLS`].
pub(super) const MEMBERS: [(&str, Kind, &str, [Need; 7]); 28] = [
    ("GatewaySessionToken", KEY, r#""k-1""#, [Must, Free, Free, Free, Free, Free, Must]),
    ("OperatorAccountID", ID, r#""default/admin""#, [Must; 7]),
    ("GameRoundID", ID, r#""r-1""#, [Must, Must, Must, Must, Must, NONE, NONE]),
    ("GameRoundTransactionID", ID, r#""t-1""#, [Must, Must, Must, Must, NONE, NONE, NONE]),
    ("OriginalBetGameRoundTransactionID", ID, r#""t-0""#, [NONE, NONE, Must, NONE, NONE, NONE, NONE]),
    ("AccountTransactionID", ID, r#""a-1""#, [NONE, NONE, NONE, NONE, NONE, Must, NONE]),
    ("AccountTransactionTypeID", ID, r#""600""#, [NONE, NONE, NONE, NONE, NONE, Must, NONE]),
    ("GameID", ID, r#""11588""#, [Must, Must, Must, Must, Must, NONE, NONE]),
    ("CurrencyCode", Text(3), r#""GBP""#, [Must, Must, Must, Must, Must, Must, NONE]),
    ("Amount", Number, "1.00", [Must, Must, Must, Must, NONE, Must, NONE]),
    ("StartRound", Flag, "true", [Must, Must, NONE, NONE, NONE, NONE, NONE]),
    ("EndRound", Flag, "false", [Must, Must, Must, Must, NONE, NONE, NONE]),
    ("ContentGameProviderID", ID, r#""7""#, [May, May, May, May, May, May, NONE]),
    ("GameVersion", ID, r#""1.2""#, [May, May, May, May, May, May, NONE]),
    ("TableID", ID, r#""t\u00e9""#, [May, May, May, May, May, May, NONE]),
    ("JackpotContribution", Number, "0.0123456789", [May, May, May, May, May, May, NONE]),
    ("JackpotWinnings", Number, "10.50", [May, May, May, May, May, May, NONE]),
    ("FreeBetCost", Number, "2.5", [May, May, May, May, May, May, NONE]),
    ("FreeGameOfferCode", ID, r#""g\"""#, [May, May, May, May, May, May, NONE]),
    ("FreeBetOfferCode", ID, r#""b""#, [May, May, May, May, May, May, NONE]),
    ("Source", Choice, r#""Gameflex""#, [NONE, NONE, NONE, NONE, NONE, NONE, Must]),
    ("AlertActionID", ID, r#""1""#, [NONE, NONE, NONE, NONE, NONE, NONE, Must]),
    ("OperatorAlertActionReference", ID, r#""2""#, [NONE, NONE, NONE, NONE, NONE, NONE, Must]),
    ("OperatorAlertReference", ID, r#""3""#, [NONE, NONE, NONE, NONE, NONE, NONE, Must]),
    ("GamingRegulatorCode", ID, r#""4""#, [NONE, NONE, NONE, NONE, NONE, NONE, Must]),
    ("Type", ID, r#""5""#, [NONE, NONE, NONE, NONE, NONE, NONE, Must]),
    ("Method", ID, r#""6""#, [NONE, NONE, NONE, NONE, NONE, NONE, Must]),
    ("Data", ID, r#""7""#, [NONE, NONE, NONE, NONE, NONE, NONE, Must]),
];

/// The required members of a call, with `changed` in place of some, or added; an empty value takes one away.
pub(super) fn body(which: usize, changed: &[(&str, &str)]) -> String {
    let mut body = r#"{"PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z""#.to_owned();
    let required = MEMBERS.iter().filter(|(_, _, _, needs)| needs[which] == Must);
    let kept = required.filter(|(name, ..)| !changed.iter().any(|(other, _)| other == name));
    for (name, value) in
        kept.map(|(name, _, value, _)| (name, value)).chain(changed.iter().map(|(a, b)| (a, b)))
    {
        if !value.is_empty() {
            body.push_str(&format!(r#","{name}":{value}"#));
        }
    }
    body + "}"
}

pub(super) fn decode(which: usize, body: &str) -> Decoded<'_> {
    platform(TokenPolicy::SingleUse, &request(Method::Post, CALLS[which].1, Some(ADMIN), body))
}

pub(super) fn refused(which: usize) -> Decoded<'static> {
    Decoded::Refused(CALLS[which].0, ErrorCode::NotAuthentic, None)
}

/// The place of a call among [`CALLS`].
pub(super) fn at(call: Call) -> usize {
    CALLS.iter().position(|(known, _)| *known == call).unwrap()
}

#[track_caller]
pub(super) fn check(which: usize, changed: &[(&str, &str)], expect: Decoded<'_>) {
    let body = body(which, changed);
    assert_eq!(decode(which, &body), expect, "{:?} {}", CALLS[which].0, &body[..body.len().min(900)]);
}

/// Whether a call is taken, whatever it says.
#[track_caller]
pub(super) fn check_taken(which: usize, changed: &[(&str, &str)], good: bool) {
    let body = body(which, changed);
    let decoded = decode(which, &body);
    let taken = matches!(decoded, Decoded::Operation(..));
    assert!(taken || decoded == refused(which));
    assert_eq!(taken, good, "{:?} {}", CALLS[which].0, &body[..body.len().min(900)]);
}

// ── What is said ─────────────────────────────────────────────────────────────────────────────────────────

/// A call's operation, of its required members.
pub(super) fn base(which: usize) -> Operation<&'static str> {
    let account = AccountRef::new("default/admin");
    let (platform, currency) = (first_platform(), Currency::from_code("GBP"));
    let amount = Amount::from_minor(100).unwrap();
    let play = |kind| Play {
        scope: RoundScope::Platform,
        kind,
        platform,
        account: account.clone(),
        session: None,
        session_checked: false,
        round: "r-1",
        transaction: "t-1",
        original: None,
        game: "11588",
        currency,
        amount,
        starts_round: false,
        ends_round: false,
        details: None,
    };
    match CALLS[which].0 {
        Call::PlaceBet => {
            Operation::Play(Play { session: Some("k-1"), starts_round: true, ..play(PlayKind::Bet) })
        }
        Call::AwardWinnings => Operation::Play(Play { starts_round: true, ..play(PlayKind::Win) }),
        Call::RollbackBet => Operation::Play(Play { original: Some("t-0"), ..play(PlayKind::Rollback) }),
        Call::VoidBet => Operation::Play(play(PlayKind::Void)),
        Call::EndRound => Operation::EndRound(operation::EndRound {
            platform,
            account,
            round: "r-1",
            scope: RoundScope::Platform,
            game: "11588",
            currency,
            details: None,
        }),
        Call::Credit => Operation::Credit(operation::Credit {
            platform,
            account,
            transaction: "a-1",
            kind: "600",
            currency,
            amount,
        }),
        Call::Alert => Operation::Alert(operation::Alert {
            platform,
            account,
            details: r#"{"GatewaySessionToken":"k-1","Source":"Gameflex","AlertActionID":"1","OperatorAlertActionReference":"2","OperatorAlertReference":"3","GamingRegulatorCode":"4","Type":"5","Method":"6","Data":"7"}"#,
        }),
        _ => unreachable!(),
    }
}

/// A call's operation, changed where it is a round's transaction.
fn base_play(which: usize, change: impl FnOnce(&mut Play<&'static str>)) -> Decoded<'static> {
    let mut operation = base(which);
    if let Operation::Play(play) = &mut operation {
        change(play);
    }
    taken(CALLS[which].0, operation)
}

#[test]
fn required_members_make_an_operation() {
    for (which, (call, path)) in CALLS.into_iter().enumerate() {
        check(which, &[], taken(call, base(which)));
        let body = body(which, &[]);
        let post = |authorization| request(Method::Post, path, authorization, &body);
        assert_eq!(platform(TokenPolicy::Wrapped, &post(Some(ADMIN))), taken(call, base(which)));
        assert_eq!(platform(TokenPolicy::SingleUse, &post(None)), refused(which));
        assert_eq!(platform(TokenPolicy::SingleUse, &post(Some(OTHER))), refused(which));
        let get = request(Method::Get, path, Some(ADMIN), &body);
        assert_eq!(platform(TokenPolicy::SingleUse, &get), not_allowed("POST"));
    }
}

#[test]
fn flags() {
    for (call, has_start) in [
        (Call::PlaceBet, true),
        (Call::AwardWinnings, true),
        (Call::RollbackBet, false),
        (Call::VoidBet, false),
    ] {
        for (start, end) in [("true", "true"), ("true", "false"), ("false", "true"), ("false", "false")] {
            let expect = base_play(at(call), |play| {
                play.starts_round = has_start && start == "true";
                play.ends_round = end == "true";
            });
            check(at(call), &[("StartRound", start), ("EndRound", end)], expect);
        }
    }
}

#[test]
fn a_session_may_be_named_where_it_is_not_needed() {
    for call in [Call::AwardWinnings, Call::RollbackBet, Call::VoidBet] {
        let expect = base_play(at(call), |play| play.session = Some("k\n"));
        check(at(call), &[("GatewaySessionToken", r#""k\n""#)], expect);
    }
    // In these nobody looks at it.
    check(at(Call::EndRound), &[("GatewaySessionToken", r#""k""#)], taken(Call::EndRound, base(4)));
    check(at(Call::Credit), &[("GatewaySessionToken", r#""k""#)], taken(Call::Credit, base(5)));
}

#[test]
fn the_original_bet_has_three_names() {
    let names = [
        "OriginalBetGameRoundTransactionID",
        "OrginalBetGameRoundTransactionID",
        "OriginalPlaceBetGameRoundTransactionID",
    ];
    let which = at(Call::RollbackBet);
    let none = (names[0], "");
    for name in names {
        let expect = base_play(which, |play| play.original = Some("o"));
        check(which, &[none, (name, r#""o""#)], expect);
        check(which, &[none, (name, "7")], refused(which));
        check(which, &[none, (name, "null")], refused(which));
        check(which, &[none, (name, r#""""#)], refused(which));
        for other in names {
            check(which, &[none, (name, r#""o""#), (other, r#""o""#)], refused(which));
            check(which, &[none, (name, r#""o""#), (other, "null")], refused(which));
        }
    }
}

// ── The table of members ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn each_member_of_each_call() {
    for (which, (call, _)) in CALLS.into_iter().enumerate() {
        for (name, kind, good, needs) in MEMBERS {
            match needs[which] {
                Must => {
                    check(which, &[(name, "")], refused(which));
                    check(which, &[(name, "null")], refused(which));
                }
                May | Free => check(which, &[(name, "null")], taken(call, base(which))),
                Need::None => {
                    for value in [good, "null", "7", "\"\"", "[[]]"] {
                        check(which, &[(name, value)], taken(call, base(which)));
                    }
                    continue;
                }
            }
            check_taken(which, &[(name, good)], true);
            check(which, &[(name, good), (name, good)], refused(which));
            check(which, &[(name, "null"), (name, good)], refused(which));
            check_type(which, name, kind, needs[which]);
        }
    }
}

/// Values of other types, and texts of each length.
#[track_caller]
fn check_type(which: usize, name: &str, kind: Kind, need: Need) {
    let bombs = ["[".repeat(60_000), "{\"a\":".repeat(12_000)];
    for value in [r#"["x"]"#, r#"{"a":1}"#, "[]", "{}", "nul", "x", "-", "NaN", "\"", &bombs[0], &bombs[1]] {
        check(which, &[(name, value)], refused(which));
    }
    for value in ["true", "false"] {
        check_taken(which, &[(name, value)], kind == Flag);
    }
    for value in ["7", "0", "1e0"] {
        check_taken(which, &[(name, value)], kind == Number);
    }
    check_taken(which, &[(name, r#""7""#)], matches!(kind, Text(_)));
    check_taken(which, &[(name, r#""true""#)], matches!(kind, Text(chars_max) if chars_max >= 4));
    match need {
        Free => check(which, &[(name, "\"\"")], taken(CALLS[which].0, base(which))),
        _ => check(which, &[(name, "\"\"")], refused(which)),
    }
    if let Text(chars_max) = kind {
        for character in ["x", "é", "🎲", r"\u00e9"] {
            let text = |length| format!("\"{}\"", character.repeat(length));
            check_taken(which, &[(name, &text(1))], true);
            check_taken(which, &[(name, &text(chars_max))], true);
            check_taken(which, &[(name, &text(chars_max + 1))], false);
        }
    }
}
