//! JSON as such: what is a body, and what is not. The call is `balance`; the reader is every call's.

use super::*;
use wallet::account::AccountRef;
use wallet::outcome::ErrorCode;

const PATH: &str = "/v1.0/balance";
const MEMBERS: &str =
    r#""PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","OperatorAccountID":"a""#;

#[track_caller]
fn check(body: impl AsRef<[u8]>, good: bool) {
    let body = body.as_ref();
    let account = AccountRef::new("a");
    let expect = if good {
        taken(
            Call::Balance,
            Operation::Balance(operation::Balance { platform: first_platform(), account, game: None }),
        )
    } else {
        Decoded::Refused(Call::Balance, ErrorCode::NotAuthentic, None)
    };
    let decoded = platform(TokenPolicy::SingleUse, &request(Method::Post, PATH, Some(ADMIN), body));
    assert_eq!(decoded, expect, "{}", body[..body.len().min(400)].escape_ascii());
}

/// A good body with `more` after its members.
#[track_caller]
fn check_more(more: impl AsRef<[u8]>, good: bool) {
    check([b"{", MEMBERS.as_bytes(), more.as_ref(), b"}"].concat(), good);
}

/// A good body with an unknown member of this value.
#[track_caller]
fn check_value(value: impl AsRef<[u8]>, good: bool) {
    check_more([b",\"Unknown\":", value.as_ref()].concat(), good);
}

#[test]
fn a_body_is_one_object() {
    check(format!("{{{MEMBERS}}}"), true);
    check(format!(" \t\r\n{{ {} }} \n", MEMBERS.replace(',', " ,\t").replace("\":", "\"\r\n : ")), true);
    check("", false);
    check(" ", false);
    check("{", false);
    check("{}", false);
    check("null", false);
    check("7", false);
    check("\"a\"", false);
    check("[]", false);
    check(format!("[{{{MEMBERS}}}]"), false);
    check(MEMBERS, false);
    check(format!("{{{MEMBERS}"), false);
    check(format!("{{{MEMBERS},}}"), false);
    check(format!("{{,{MEMBERS}}}"), false);
    check(format!("{{{MEMBERS}]"), false);
    check(format!("{{{MEMBERS}}}}}"), false);
    check(format!("{{{MEMBERS}}}x"), false);
    check(format!("{{{MEMBERS}}}\0"), false);
    check(format!("{{{MEMBERS}}} {{{MEMBERS}}}"), false);
    check(format!("{{{MEMBERS}}},"), false);
    check(format!("\u{feff}{{{MEMBERS}}}"), true);
    check(format!("\u{feff} {{{MEMBERS},\"Unknown\":1}}"), true);
    check(format!("\u{feff}\u{feff}{{{MEMBERS}}}"), false);
    check(format!(" \u{feff}{{{MEMBERS}}}"), false);
    check(format!("{{\u{feff}{MEMBERS}}}"), false);
    check("\u{feff}", false);
    check(format!("\u{a0}{{{MEMBERS}}}"), false);
    check(format!("\x0c{{{MEMBERS}}}"), false);
    check(format!("{{{MEMBERS}}}").replacen(',', ";", 1), false);
    check(format!("{{{MEMBERS}}}").replacen(',', ",,", 1), false);
    check(format!("{{{MEMBERS}}}").replacen(':', "=", 1), false);
    check(format!("{{{MEMBERS}}}").replacen(':', "", 1), false);
    check(format!("{{{MEMBERS}}}").replace('"', "'"), false);
    check(format!("{{{MEMBERS}}}").replacen("\"PlatformKey\"", "PlatformKey", 1), false);
    check(format!("/**/{{{MEMBERS}}}"), false);
}

#[test]
fn every_prefix_of_a_body_is_no_body() {
    let body = format!("{{{MEMBERS},\"Unknown\":[{{\"a\":\"\\u00e9\"}},-1.5e3,true,null]}}");
    check(&body, true);
    for end in 0..body.len() {
        check(&body[..end], false);
    }
}

#[test]
fn a_member_comes_once() {
    check_more(r#","OperatorAccountID":"a""#, false);
    check_more(r#","OperatorAccountID":"b""#, false);
    check_more(r#","OperatorAccountID":null"#, false);
    check_more(r#","\u004fperatorAccountID":"a""#, false);
    check_more(r#","Sequence":"2""#, false);
    check_more(r#","GameID":null,"GameID":null"#, false);
    check_more(r#","GameID":null,"GameID":"g""#, false);
    check_more(r#","a":1"#, true);
    check_more(r#","a":1,"b":1,"c":1,"A":1,"":1,"é":1"#, true);
    check_more(r#","a":1,"a":1"#, false);
    check_more(r#","a":1,"b":2,"\u0061":null"#, false);
    check_more(r#","é":1,"\u00e9":1"#, false);
    check_more(r#","":1,"":1"#, false);
    check_more(r#","a/b":1,"a\/b":1"#, false);
    // A member of an unknown value is not a member of the request.
    check_more(r#","a":{"a":1,"b":2},"c":{"Sequence":1}"#, true);
}

#[test]
fn names_may_be_written_with_escapes() {
    check(format!("{{{MEMBERS}}}").replace("\"Sequence\"", r#""\u0053equence""#), true);
    check(format!("{{{MEMBERS}}}").replace("\"Sequence\"", r#""\u0073equence""#), false);
    check(format!("{{{MEMBERS}}}").replace("\"Sequence\"", r#""Sequence\u0000""#), false);
    check(format!("{{{MEMBERS}}}").replace("\"Sequence\"", r#""Sequenc\e""#), false);
}

#[test]
fn members_are_bounded() {
    let others = |number: usize| (0..number).map(|n| format!(",\"u{n}\":{n}")).collect::<String>();
    let known = MEMBERS.matches(':').count() - 2;
    check_more(others(limits::MEMBERS_MAX - known), true);
    check_more(others(limits::MEMBERS_MAX - known + 1), false);
    check_more(others(5_000), false);
}

#[test]
fn unknown_values_are_of_any_type() {
    for value in
        ["null", "true", "false", "0", "-0", "7", "-7", "1.5", "1e2", "1E+2", "0.0e-2", "[]", "{}", "\"\""]
    {
        check_value(value, true);
        check_value(format!("[{value} , {value}]"), true);
        check_value(format!("{{ \"a\" : {value} , \"b\":{value}}}"), true);
    }
    check_value("18446744073709551615", true);
    check_value("18446744073709551616", true);
    check_value("-9223372036854775809", true);
    check_value("9".repeat(300), true);
    check_value("9".repeat(3_000), true);
    for number in ["1e400", "-1E+999", "1e999999999", "1.5e-999999999", "1e99999999999999999999"] {
        check_value(number, true);
        check_value(format!("[0, {number}, {{\"a\":{number}}}]"), true);
        check_more(format!(",\"GameID\":{number}"), false);
        check_more(format!(",\"Unknown\":0,\"GameID\":{number}"), false);
    }
    check_value(format!("0.{}1", "0".repeat(2_000)), true);
    check_value(format!("\"{}\"", "x".repeat(40_000)), true);
}

#[test]
fn numbers_are_json() {
    for value in [
        "01",
        "-01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e2",
        "-.5",
        "1e",
        "1e+",
        "1e1.5",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "1 2",
        "--1",
        "00",
        "0e",
        "01e999",
        "1e999.",
        "1e9e9",
        "-e9",
    ] {
        check_value(value, false);
        check_value(format!("[{value}]"), false);
        check_value(format!("{{\"a\":{value}}}"), false);
    }
}

#[test]
fn literals_are_json() {
    for value in
        ["nul", "nulll", "Null", "tru", "True", "TRUE", "fals", "falsey", "undefined", "", "x", "'a'", "`a`"]
    {
        check_value(value, false);
        check_value(format!("[{value},1]"), false);
    }
}

#[test]
fn strings_are_json() {
    for (inside, good) in [
        (r#"\" \\ \/ \b \f \n \r \t \u0000 \uFFFF \u00e9"#, true),
        (r#"\ud83c\udfb2"#, true),
        (r#"\uD83C\uDFB2"#, true),
        ("é🎲\u{7f}\u{2028}", true),
        (r#"\a"#, false),
        (r#"\x41"#, false),
        (r#"\'"#, false),
        (r#"\U00e9"#, false),
        (r#"\u"#, false),
        (r#"\u00e"#, false),
        (r#"\u00eg"#, false),
        (r#"\u 0e9"#, false),
        (r#"\u+0e9"#, false),
        ("\0", false),
        ("\n", false),
        ("\t", false),
        ("\x1f", false),
    ] {
        // Near the end and far from it: the parser goes over blocks, then over single bytes.
        for text in
            [inside.to_owned(), format!("{inside}{}", "x".repeat(70)), format!("{}{inside}", "x".repeat(70))]
        {
            check_value(format!("\"{text}\""), good);
            check_value(format!("[\"{text}\"]"), good);
            check_value(format!("{{\"{text}\":0}}"), good);
            check_more(format!(",\"{text}\":0"), good);
            // Too long for a member, in any case.
            check_more(format!(",\"GameID\":\"{text}{}\"", "y".repeat(200)), false);
        }
        check(format!("{{{MEMBERS}}}").replace("\"1\"", &format!("\"{inside}\"")), good);
    }
}

/// An unknown value may be any JSON, and no text is made of it (RFC 8259 §8.2). A member's name and a known value are text.
#[test]
fn lone_surrogates_are_no_text() {
    for inside in [
        r#"\ud83c"#,
        r#"\ud83cx"#,
        r#"\ud83c\n"#,
        r#"\ud83c\ud83c"#,
        r#"\ud83c\u0041"#,
        r#"\udfb2"#,
        r#"\udfb2\ud83c"#,
    ] {
        for text in
            [inside.to_owned(), format!("{inside}{}", "x".repeat(70)), format!("{}{inside}", "x".repeat(70))]
        {
            check_value(format!("\"{text}\""), true);
            check_value(format!("[{{\"a\":\"{text}\"}},\"{text}\"]"), true);
            check_value(format!("{{\"{text}\":0}}"), true);
            check_more(format!(",\"{text}\":0"), false);
            check_more(format!(",\"Unknown\":0,\"{text}\":0"), false);
            check_more(format!(",\"GameID\":\"{text}\""), false);
            check_more(format!(",\"Unknown\":0,\"GameID\":\"{inside}\""), false);
        }
        check(format!("{{{MEMBERS}}}").replace("\"1\"", &format!("\"{inside}\"")), false);
    }
}

#[test]
fn bytes_are_utf8() {
    for (bytes, good) in [
        ("é".as_bytes(), true),
        (b"\xff", false),
        (b"\xc3", false),
        (b"\xc0\x80", false),
        (b"\xed\xa0\xbc", false),
        (b"\xf4\x90\x80\x80", false),
        (b"\xe9", false),
    ] {
        let quoted = [b"\"", bytes, b"\""].concat();
        check_value(&quoted, good);
        check_value([b"[{\"a\":", quoted.as_slice(), b"}]"].concat(), good);
        check_value([b"{", quoted.as_slice(), b":1}"].concat(), good);
        check_more([b",", quoted.as_slice(), b":1"].concat(), good);
        check(
            [
                b"{\"Sequence\":",
                quoted.as_slice(),
                b",",
                MEMBERS.replace("\"Sequence\":\"1\",", "").as_bytes(),
                b"}",
            ]
            .concat(),
            good,
        );
        check_value(bytes, false);
    }
    check([b"{", MEMBERS.as_bytes(), b"}\xff"].concat(), false);
    check([b"\xff{", MEMBERS.as_bytes(), b"}"].concat(), false);
}

#[test]
fn nesting_is_bounded() {
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}null{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    check_value(lists(limits::JSON_DEPTH_MAX), true);
    check_value(lists(limits::JSON_DEPTH_MAX + 1), false);
    check_value(objects(limits::JSON_DEPTH_MAX), true);
    check_value(objects(limits::JSON_DEPTH_MAX + 1), false);
    check_value(
        format!("[{},{}]", lists(limits::JSON_DEPTH_MAX - 1), lists(limits::JSON_DEPTH_MAX - 1)),
        true,
    );
}

/// Bombs as large as a body may be, at each place where a value or its end may stand.
#[test]
fn nesting_bombs_are_refused_without_recursion() {
    let depth = limits::BODY_BYTES_MAX / 8;
    for bomb in ["[".repeat(8 * depth), "{\"a\":".repeat(depth), "[{\"a\":".repeat(depth), "]".repeat(depth)]
    {
        check(&bomb, false);
        check_value(&bomb, false);
        check_value(format!("[{bomb}"), false);
        check_more(format!(",\"GameID\":{bomb}"), false);
        check_more(format!(",{bomb}"), false);
        check(format!("{{\"PlatformKey\":{bomb}"), false);
        check(format!("{{{MEMBERS}}}{bomb}"), false);
    }
}
