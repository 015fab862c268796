//! Answers that speak of HTTP alone (protocol §1): their statuses, their bodies, and what becomes of the
//! connection.

use http::Status;
use testkit::client::{Answer, Client, End};
use testkit::home::Server;
use testkit::message::{ADMIN, DEMO_BALANCE, DEMO_TOKEN, balance, body, call, chunked, get, operator, post};

use crate::demo;

/// An answer of this status, with the body and the fields that it has to have.
#[track_caller]
fn check_answer(answer: &Answer, status: Status) {
    assert_eq!((answer.status, answer.reason.as_str()), (status.code(), status.reason()), "{}", answer.body);
    assert_eq!(answer.body, format!(r#"{{"Error":"{}"}}"#, status.sentence()));
    check_fields(answer);
    assert_eq!(answer.field("Content-Length"), Some(answer.body.len().to_string().as_str()));
}

#[track_caller]
fn check_fields(answer: &Answer) {
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
    let date = answer.field("Date").expect("a date");
    assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    assert_eq!(answer.field("Transfer-Encoding"), None);
    let coding = (answer.status == 415).then_some("identity");
    assert_eq!(answer.field("Accept-Encoding"), coding);
}

/// Requests that were answered, by the metrics' labels.
#[track_caller]
fn answered(server: &Server, call: &str, code: &str) -> f64 {
    let labels = format!("call=\"{call}\",code=\"{code}\"}}");
    let metrics = server.operator().metrics();
    let rows = metrics.iter().filter(|(name, _)| name.starts_with("purser_requests_total"));
    rows.filter(|(name, _)| name.ends_with(&labels)).map(|(_, value)| value).sum()
}

/// A message that can't be framed: it is answered, the connection ends, and what stands behind it is not served.
#[track_caller]
fn check_end(server: &Server, message: impl AsRef<[u8]>, status: Status) {
    let before = answered(server, "http", &status.code().to_string());
    let mut client = server.client();
    let served = call("session/redeemtoken", r#""SessionToken":"x","IPAddress":"192.0.2.1""#);
    client.send([message.as_ref(), served.as_bytes()].concat());
    let answer = client.answer();
    check_answer(&answer, status);
    assert_eq!(answer.field("Connection"), Some("close"));
    client.end_sending();
    assert_eq!(client.end(), End::Closed);
    assert_eq!(answered(server, "redeemtoken", "-3"), 0.0, "what stands behind a fault is not served");
    assert_eq!(answered(server, "http", &status.code().to_string()), before + 1.0);
}

/// `POST /v1.0/balance` with these lines behind the first.
fn lines(fields: &str) -> String {
    format!("POST /v1.0/balance HTTP/1.1\r\n{fields}\r\n")
}

#[test]
fn what_can_not_be_framed_ends_the_connection() {
    const HOST: &str = "Host: wallet.example\r\n";
    let server = demo().start(1);
    let check = |message: &str, status| check_end(&server, message, status);
    let bad = Status::BadRequest;
    check(&lines("Content-Length: 0\r\n"), bad);
    check(&lines(&format!("{HOST}{HOST}Content-Length: 0\r\n")), bad);
    check(&lines(&format!("{HOST}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n")), bad);
    check(&lines(&format!("{HOST}Content-Length: 0\r\nContent-Length: 0\r\n")), bad);
    check(&lines(&format!("{HOST}Content-Length: 1x\r\n")), bad);
    check(&lines(&format!("{HOST}Content-Length: -1\r\n")), bad);
    check(&lines(&format!("{HOST}Content-Length: 99999999999999999999\r\n")), bad);
    check(&lines(&format!("{HOST}X: a\r\n b\r\n")), bad);
    check(&lines(&format!("{HOST}X : a\r\n")), bad);
    check(&lines(&format!("{HOST}X: \0\r\n")), bad);
    check(&lines(&format!("{HOST}X: a\rb\r\n")), bad);
    check(&lines(&format!("{HOST}Transfer-Encoding: chunked, chunked\r\n")), bad);
    check(&(lines(&format!("{HOST}Transfer-Encoding: chunked\r\n")) + "x\r\n"), bad);
    check(&(lines(&format!("{HOST}Transfer-Encoding: chunked\r\n")) + "1\r\nab\r\n"), bad);
    check("\u{16}\u{3}\u{1}", bad);
    check("GET\r\n\r\n", bad);
    check(&lines(&format!("{HOST}Expect: 200-ok\r\n")), Status::ExpectationFailed);
    let coded = format!("{HOST}Content-Encoding: gzip\r\nContent-Length: 2\r\n");
    check(&lines(&coded), Status::UnsupportedMediaType);
    check(&lines(&format!("{HOST}Transfer-Encoding: gzip, chunked\r\n")), Status::NotImplemented);
    check(&format!("BREW / HTTP/1.1\r\n{HOST}\r\n"), Status::NotImplemented);
    check(&format!("GET / HTTP/2.0\r\n{HOST}\r\n"), Status::VersionNotSupported);
}

#[test]
fn what_is_past_a_bound_ends_the_connection() {
    const HOST: &str = "Host: wallet.example\r\n";
    let server = demo().start(1);
    let check = |message: &str, status| check_end(&server, message, status);
    let target = "/".repeat(limits::TARGET_BYTES_MAX + 1);
    check(&format!("GET {target} HTTP/1.1\r\n{HOST}\r\n"), Status::UriTooLong);
    check(&lines(&format!("{HOST}X: {}\r\n", "x".repeat(limits::HEAD_BYTES_MAX))), Status::HeadTooLarge);
    check(&lines(&format!("{HOST}{}", "X: x\r\n".repeat(limits::HEADERS_MAX))), Status::HeadTooLarge);
    let past = limits::BODY_BYTES_MAX + 1;
    check(&lines(&format!("{HOST}Content-Length: {past}\r\n")), Status::ContentTooLarge);
    let chunk = format!("{past:x}\r\n");
    check(&(lines(&format!("{HOST}Transfer-Encoding: chunked\r\n")) + &chunk), Status::ContentTooLarge);
}

#[test]
fn what_is_within_the_bounds_is_served() {
    let server = demo().start(1);
    let mut client = server.client();
    let mut check = |request: &str| {
        assert_eq!(client.ask(request).body, DEMO_BALANCE, "{} bytes", request.len());
    };
    let good = body("L100", r#""OperatorAccountID":"default/admin""#);
    let long = format!("{good}{}", " ".repeat(limits::BODY_BYTES_MAX - good.len()));
    check(&post("/v1.0/balance", ADMIN, &long));
    check(&chunked(&post("/v1.0/balance", ADMIN, &long), 1_000));
    check(&chunked(&post("/v1.0/balance", ADMIN, &good), 1));
    // Beside these: Host, Authorization, Content-Length.
    let fields = format!("{ADMIN}{}", "X: x\r\n".repeat(limits::HEADERS_MAX - 3));
    check(&post("/v1.0/balance", &fields, &good));
    let others = post("/v1.0/balance", &format!("{ADMIN}X: \r\n"), &good).len() - good.len();
    let fields = format!("{ADMIN}X: {}\r\n", "x".repeat(limits::HEAD_BYTES_MAX - others));
    check(&post("/v1.0/balance", &fields, &good));
    let query = "q".repeat(limits::TARGET_BYTES_MAX - "/v1.0/balance?".len());
    check(&post(&format!("/v1.0/balance?{query}"), ADMIN, &good));
}

/// A message that is no call, and well framed: the connection goes on.
#[track_caller]
fn check_on(client: &mut Client, request: &str, status: Status, allow: Option<&str>) {
    let answer = client.ask(request);
    check_answer(&answer, status);
    assert_eq!(answer.field("Allow"), allow, "{request}");
    assert_eq!(answer.field("Connection"), None);
}

#[test]
fn unknown_paths_and_wrong_methods() {
    let server = demo().start(1);
    let platform = &mut server.client();
    let nothing = Status::NotFound;
    let wrong = Status::MethodNotAllowed;
    check_on(platform, &post("/", ADMIN, "{}"), nothing, None);
    check_on(platform, &post("/v1.0/Balance", ADMIN, "{}"), nothing, None);
    check_on(platform, &post("/v1.0/balance/", ADMIN, "{}"), nothing, None);
    check_on(platform, &post("/operator/v1/accounts/default/admin", ADMIN, "{}"), nothing, None);
    check_on(platform, &get("/metrics"), nothing, None);
    check_on(platform, "OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n", nothing, None);
    check_on(platform, &post("/healthz", "", ""), wrong, Some("GET, HEAD"));
    check_on(platform, "OPTIONS /readyz HTTP/1.1\r\nHost: a\r\n\r\n", wrong, Some("GET, HEAD"));
    for path in ["/v1.0/balance", "/v1.0/session/createtoken", "/v1.0/session/redeemtoken"] {
        check_on(platform, &get(path), wrong, Some("POST"));
        check_on(platform, &format!("PUT {path} HTTP/1.1\r\nHost: a\r\n\r\n"), wrong, Some("POST"));
    }
    let operators = &mut server.operator();
    check_on(operators, &get("/"), nothing, None);
    check_on(operators, &balance("default/admin"), nothing, None);
    check_on(operators, &get("/operator/v1/accounts/default"), nothing, None);
    check_on(operators, &post("/healthz", "", ""), wrong, Some("GET, HEAD"));
    let account = "/operator/v1/accounts/default/admin";
    let mut row = |method, path: &str, allow| {
        check_on(operators, &operator(method, path, DEMO_TOKEN, ""), wrong, Some(allow));
    };
    row("DELETE", account, "GET, HEAD, PUT");
    row("GET", &format!("{account}/status"), "PUT");
    row("GET", &format!("{account}/sessions"), "POST");
    row("POST", &format!("{account}/sessions/x"), "DELETE");
    // The connections have gone on through all of it.
    assert_eq!(platform.ask(&balance("default/admin")).body, DEMO_BALANCE);
    assert_eq!(operators.ask(&get("/healthz")).status, 200);
}

/// `HEAD` is answered as `GET` is, without the body.
#[track_caller]
fn check_head(client: &mut Client, path: &str, fields: &str) {
    let got = client.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).without_date();
    let head = client.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    check_fields(&head);
    assert_eq!(head.body, "");
    assert_eq!(head.field("Content-Length"), Some(got.body.len().to_string().as_str()));
    assert_eq!(head.without_date(), got.without_body());
}

#[test]
fn head_has_no_body() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let mut operators = server.operator();
        check_head(&mut operators, "/healthz", "");
        check_head(&mut operators, "/nothing", "");
        check_head(&mut operators, "/operator/v1/accounts/default/admin", "");
        for number in 1..=8 {
            let path = format!("/operator/v1/accounts/default/player-{number:06}");
            check_head(&mut operators, &path, &format!("Authorization: Bearer {DEMO_TOKEN}\r\n"));
        }
        for client in &mut server.clients() {
            check_head(client, "/v1.0/balance", "");
            check_head(client, "/nothing", "");
        }
    }
}

/// A refusal of what can't be framed has no body either where `HEAD` has asked: the connection ends with its head.
#[test]
fn a_refused_head_has_no_body() {
    let server = demo().start(1);
    let target = "/".repeat(limits::TARGET_BYTES_MAX + 1);
    let long = "x".repeat(limits::HEAD_BYTES_MAX);
    for (rest, status) in [
        ("/ HTTP/1.1\r\n\r\n", Status::BadRequest),
        ("/\0", Status::BadRequest),
        (&format!("{target} HTTP/1.1\r\n"), Status::UriTooLong),
        (&format!("/ HTTP/1.1\r\nX: {long}\r\n"), Status::HeadTooLarge),
        ("/ HTTP/2.0\r\n", Status::VersionNotSupported),
        ("/ HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", Status::ExpectationFailed),
        ("/ HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", Status::ContentTooLarge),
        ("/ HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\n\r\n", Status::UnsupportedMediaType),
        ("/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", Status::BadRequest),
    ] {
        for before in ["", "\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"] {
            for mut client in [server.client(), server.operator()] {
                client.send(format!("{before}HEAD {rest}"));
                if before.starts_with("GET") {
                    assert_eq!(client.answer().status, 200);
                }
                let answer = client.answer_to_head();
                assert_eq!((answer.status, answer.field("Connection")), (status.code(), Some("close")));
                check_fields(&answer);
                client.end_sending();
                assert_eq!(client.end(), End::Closed, "{rest}");
            }
        }
    }
}

/// What a load balancer asks by default, of either listener and without credentials.
#[test]
fn health_checks_need_no_credentials() {
    let server = demo().start(2);
    for (mut client, all) in [
        (server.client(), "GET, HEAD, OPTIONS, POST"),
        (server.operator(), "DELETE, GET, HEAD, OPTIONS, POST, PUT"),
    ] {
        for path in ["/healthz", "/readyz"] {
            let answer = client.ask(&get(path));
            assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"Status":"ok"}"#));
            check_head(&mut client, path, "");
        }
        for (path, methods) in [("/", "OPTIONS"), ("*", all)] {
            client.send(format!("OPTIONS {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            // Nothing but its head belongs to it: what comes next is the next answer.
            let answer = client.answer_to_head();
            assert_eq!((answer.status, answer.reason.as_str()), (204, "No Content"));
            assert_eq!(answer.field("Allow"), Some(methods));
            for absent in ["Content-Length", "Content-Type", "Transfer-Encoding", "Connection"] {
                assert_eq!(answer.field(absent), None, "{absent}");
            }
            assert_eq!(client.ask(&get("/healthz")).status, 200);
        }
        client.send("OPTIONS / HTTP/1.0\r\n\r\n");
        let answer = client.answer_to_head();
        assert_eq!((answer.status, answer.field("Connection")), (204, Some("close")));
        assert_eq!(client.end(), End::Closed);
    }
}

/// Bytes of a piece of a body.
const PIECE: usize = 10_000;

/// The client is told that its body is too large, goes on sending it, and then reads all of that answer. So many
/// pieces go before the answer has come, and so many after it.
#[track_caller]
fn check_large(server: &Server, head: &str, piece: &[u8], [before, after]: [usize; 2]) {
    let mut client = server.client();
    client.send(head);
    (0..before).for_each(|_| client.send(piece));
    client.await_bytes();
    (0..after).for_each(|_| client.send(piece));
    client.end_sending();
    check_answer(&client.answer(), Status::ContentTooLarge);
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn a_client_that_goes_on_sending_reads_the_answer() {
    let server = demo().start(1);
    let all = 10_000_000 / (PIECE + 8);
    let too_many = limits::BODY_BYTES_MAX / PIECE + 1;
    let length = lines(&format!("Host: a\r\nContent-Length: {}\r\n", all * PIECE));
    let chunks = lines("Host: a\r\nTransfer-Encoding: chunked\r\n");
    let chunk = format!("{PIECE:x}\r\n{}\r\n", "x".repeat(PIECE));
    check_large(&server, &length, &[b'x'; PIECE], [0, all]);
    check_large(&server, &length, &[b'x'; PIECE], [all, 0]);
    check_large(&server, &chunks, chunk.as_bytes(), [too_many, all - too_many]);
    check_large(&server, &chunks, chunk.as_bytes(), [all, 0]);
}

/// What is thrown away after an answer has its time: who sends for ever is ended, by a reset where need be.
#[test]
fn a_client_that_sends_for_ever_is_ended() {
    let server = demo().start(1);
    let client = server.client();
    let mut writer = client.writer();
    let head = lines("Host: a\r\nContent-Length: 99999999999\r\n");
    let mut sent = std::io::Write::write_all(&mut writer, head.as_bytes());
    // Another client is served between two pieces: a pace that needs no clock.
    let mut other = server.client();
    for _ in 0..1_000_000 {
        sent = sent.and_then(|()| std::io::Write::write_all(&mut writer, &[b'x'; PIECE]));
        if sent.is_err() {
            break;
        }
        assert_eq!(other.ask(&balance("default/admin")).body, DEMO_BALANCE);
    }
    let error = sent.expect_err("nobody takes 10 GB");
    let ended = [std::io::ErrorKind::BrokenPipe, std::io::ErrorKind::ConnectionReset];
    assert!(ended.contains(&error.kind()), "{error}");
    assert_eq!(server.client().ask(&balance("default/admin")).body, DEMO_BALANCE);
}
