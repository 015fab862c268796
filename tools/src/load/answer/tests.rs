use super::*;

const BODY: &str = r#"{"ErrorCode":0,"Balance":{"CurrencyCode":"GBP","CashFunds":10.00}}"#;

fn whole_of(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What framing should give, without the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Partial,
    Whole(u16),
    Last(u16),
    Unframeable,
}

fn seen(framed: Framed<'_>) -> Expect {
    match framed {
        Framed::Partial => Expect::Partial,
        Framed::Whole(Answer { status, closes: false, .. }) => Expect::Whole(status),
        Framed::Whole(Answer { status, closes: true, .. }) => Expect::Last(status),
        Framed::Unframeable => Expect::Unframeable,
    }
}

/// Frames the bytes whole, and cut in two and in three at every place: the answer must be the same.
#[track_caller]
fn check(bytes: &str, expect: Expect) {
    let bytes = bytes.as_bytes();
    assert_eq!(seen(frame(bytes)), expect);
    for first in 1..bytes.len() {
        for second in [first, (first + bytes.len()) / 2] {
            let mut assembly = Assembly::default();
            let mut last = Expect::Partial;
            for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                // A driver stops at the first result that is not partial.
                if last == Expect::Partial && !piece.is_empty() {
                    last = seen(assembly.feed(&mut &*piece));
                }
            }
            let cut_early = last == Expect::Unframeable || matches!(last, Expect::Whole(_) | Expect::Last(_));
            assert!(
                last == expect || (expect == Expect::Unframeable && cut_early),
                "cut at {first} and {second}"
            );
        }
    }
}

#[test]
fn framing() {
    check(&whole_of("200 OK", BODY), Expect::Whole(200));
    check(&whole_of("200 OK", ""), Expect::Whole(200));
    check(&whole_of("200", BODY), Expect::Whole(200));
    check(&whole_of("404 Not Found", r#"{"Error":"no such path"}"#), Expect::Whole(404));
    check(&whole_of("503 Service Unavailable\r\nConnection: close", "{}"), Expect::Last(503));
    check(&whole_of("200 OK\r\nCONNECTION:  Close ", "{}"), Expect::Last(200));
    check(&whole_of("200 OK\r\nConnection: keep-alive", "{}"), Expect::Whole(200));
    check(&whole_of("200 OK\r\nX-Content-Length: 5", "{}"), Expect::Whole(200));
    check("HTTP/1.1 200 OK\r\ncontent-length:2 \r\n\r\n{}", Expect::Whole(200));
    check("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", Expect::Last(200));
}

#[test]
fn partial_answers() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", Expect::Partial);
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", Expect::Partial);
    check("HTTP/1.1 2", Expect::Partial);
    check("", Expect::Partial);
}

#[test]
fn unframeable_answers() {
    check("HTTP/1.1 200 OK\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", Expect::Unframeable);
    check("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", Expect::Unframeable);
    check("HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", Expect::Unframeable);
    check("HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}", Expect::Unframeable);
    check("HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\n{}", Expect::Unframeable);
    check("hello\r\n\r\n", Expect::Unframeable);
}

/// Feeds answers that follow one another in pieces of every size: each must come out whole, in its turn.
#[track_caller]
fn check_in_a_row(answers: &[(String, Expect)], rest: &str) {
    let stream = answers.iter().map(|(text, _)| text.as_str()).chain([rest]).collect::<String>().into_bytes();
    for size in 1..=stream.len() {
        let (mut assembly, mut found) = (Assembly::default(), Vec::new());
        for mut piece in stream.chunks(size) {
            while !piece.is_empty() {
                let seen = seen(assembly.feed(&mut piece));
                if seen != Expect::Partial {
                    found.push(seen);
                    assembly.clear();
                }
            }
        }
        let expect: Vec<Expect> = answers.iter().map(|(_, expect)| *expect).collect();
        assert_eq!(found, expect, "in pieces of {size}");
    }
}

#[test]
fn answers_in_a_row() {
    let good = || (whole_of("200 OK", BODY), Expect::Whole(200));
    let none = || (whole_of("404 Not Found", ""), Expect::Whole(404));
    let last = || (whole_of("503 Service Unavailable\r\nConnection: close", "{}"), Expect::Last(503));
    check_in_a_row(&[good(), good()], "");
    check_in_a_row(&[good(), none(), good(), last()], "");
    check_in_a_row(&[none(), good()], "HTTP/1.1 2");
}

#[test]
fn a_head_without_end_is_bounded() {
    let mut assembly = Assembly::default();
    assert_eq!(seen(assembly.feed(&mut &b"HTTP/1.1 200 OK\r\nX: "[..])), Expect::Partial);
    let piece = [b'x'; 4_096];
    let fed = (0..ANSWER_BYTES_MAX / piece.len()).map(|_| seen(assembly.feed(&mut &piece[..]))).last();
    assert_eq!(fed, Some(Expect::Unframeable));
}

#[track_caller]
fn check_code(body: &str, expect: bool) {
    let answer = Answer { status: 200, closes: false, body: body.as_bytes(), length: 0 };
    assert_eq!(answer.is_success(), expect, "{body}");
}

#[test]
fn error_codes() {
    check_code(BODY, true);
    check_code(r#"{"ErrorCode":0}"#, true);
    check_code(" { \"ErrorCode\" :\t0 , \"A\":1}\r\n", true);
    check_code(r#"{"Result":{"ErrorCode":-3},"ErrorCode":0}"#, true);
    check_code(r#"{"A":"\"ErrorCode\":-1,","B":[1,{"C":"]}"}],"ErrorCode":0}"#, true);
    check_code(r#"{"A":"\\","ErrorCode":0}"#, true);
    check_code(r#"{"ErrorCode":-6}"#, false);
    check_code(r#"{"ErrorCode":-0}"#, false);
    check_code(r#"{"ErrorCode":01}"#, false);
    check_code(r#"{"ErrorCode":00}"#, false);
    check_code(r#"{"ErrorCode":0.5}"#, false);
    check_code(r#"{"ErrorCode":0e1}"#, false);
    check_code(r#"{"ErrorCode":0x}"#, false);
    check_code(r#"{"ErrorCode":0 1}"#, false);
    check_code(r#"{"ErrorCode":0:1}"#, false);
    check_code(r#"{"ErrorCode":"0"}"#, false);
    check_code(r#"{"ErrorCode":null}"#, false);
    check_code(r#"{"ErrorCode":0"#, false);
    check_code(r#"{"ErrorCode":"#, false);
    check_code(r#"{"errorCode":0}"#, false);
    check_code(r#"{"XErrorCode":0}"#, false);
    check_code(r#"{"Result":{"ErrorCode":0}}"#, false);
    check_code(r#"{"A":"\"ErrorCode\":0,"}"#, false);
    check_code(r#"{"A":[{"ErrorCode":0}"#, false);
    check_code(r#"[{"ErrorCode":0}]"#, false);
    check_code(r#"{"A":"\"#, false);
    check_code(r#"{"A"}"#, false);
    check_code("{}", false);
    check_code("", false);
}

#[track_caller]
fn check_token(body: &str, expect: Option<&str>) {
    let answer = Answer { status: 200, closes: false, body: body.as_bytes(), length: 0 };
    assert_eq!(answer.session_token(), expect.map(str::as_bytes), "{body}");
}

#[test]
fn session_tokens() {
    check_token(r#"{"ErrorCode":0,"Result":{"SessionToken":"abc-1"}}"#, Some("abc-1"));
    check_token(r#"{"Result":{"A":{"SessionToken":"no"},"SessionToken":"yes"},"ErrorCode":0}"#, Some("yes"));
    check_token(r#"{"ErrorCode":0,"Result":{"SessionToken":""}}"#, None);
    check_token(r#"{"ErrorCode":0,"Result":{"SessionToken":"a\"b"}}"#, None);
    check_token(r#"{"ErrorCode":0,"Result":{"SessionToken":7}}"#, None);
    check_token(r#"{"ErrorCode":0,"Result":{}}"#, None);
    check_token(r#"{"ErrorCode":0,"SessionToken":"abc"}"#, None);
    check_token(&format!(r#"{{"Result":{{"SessionToken":"{}"}}}}"#, "a".repeat(129)), None);
}

#[track_caller]
fn check_refusal(status: u16, body: &str, expect: bool) {
    let answer = Answer { status, closes: false, body: body.as_bytes(), length: 0 };
    assert_eq!(answer.is_refusal(), expect, "{status} {body}");
}

#[test]
fn refusals() {
    check_refusal(200, r#"{"ErrorCode":-1}"#, true);
    check_refusal(503, r#"{"Error":"not serving"}"#, true);
    check_refusal(503, "", true);
    check_refusal(200, BODY, false);
    check_refusal(200, r#"{"ErrorCode":-10}"#, false);
    check_refusal(200, r#"{"ErrorCode":"-1"}"#, false);
    check_refusal(200, r#"{"Result":{"ErrorCode":-1},"ErrorCode":0}"#, false);
    check_refusal(400, r#"{"Error":"-1"}"#, false);
}
