//! How long a connection lasts, and who may say so (RFC 9112 §9; RFC 9110 §10.1.1).

use testkit::client::{Client, End};
use testkit::home::Server;
use testkit::message::{ADMIN, DEMO_BALANCE, balance, body, chunked, post};

use crate::demo;
use crate::protocol::accounts_of_all_shards;

/// `balance` in another version of HTTP, with `fields`.
fn request(version: &str, fields: &str) -> String {
    let request = post("/v1.0/balance", &format!("{ADMIN}{fields}"), &good_body());
    request.replace("HTTP/1.1\r\n", &format!("{version}\r\n"))
}

fn good_body() -> String {
    body("L100", r#""OperatorAccountID":"default/admin""#)
}

/// The answer says this of the connection; and so it is.
#[track_caller]
fn check(server: &Server, request: &str, says: Option<&str>, persists: bool) {
    let mut client = server.client();
    let answer = client.ask(request);
    assert_eq!(answer.body, DEMO_BALANCE);
    assert_eq!(answer.field("Connection"), says, "{request}");
    if persists {
        assert_eq!(client.ask(&balance("default/admin")).body, DEMO_BALANCE);
    } else {
        client.end_sending();
        assert_eq!(client.end(), End::Closed);
    }
}

#[test]
fn persistence() {
    let server = demo().start(1);
    let check = |version, fields, says, persists| check(&server, &request(version, fields), says, persists);
    check("HTTP/1.1", "", None, true);
    check("HTTP/1.1", "Connection: keep-alive\r\n", None, true);
    check("HTTP/1.1", "Connection: close\r\n", Some("close"), false);
    check("HTTP/1.1", "Connection: X, CLOSE, keep-alive\r\n", Some("close"), false);
    check("HTTP/1.0", "", Some("close"), false);
    check("HTTP/1.0", "Connection: keep-alive\r\n", Some("keep-alive"), true);
    check("HTTP/1.0", "Connection: keep-alive, close\r\n", Some("close"), false);
}

#[test]
fn a_host_is_not_asked_of_http_1_0() {
    let server = demo().start(1);
    let request = request("HTTP/1.0", "").replace("Host: wallet.example\r\n", "");
    check(&server, &request, Some("close"), false);
}

/// A server that ends a connection does so of its own accord, at once: the client need not.
#[test]
fn close_is_not_waited_for() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        for client in &mut server.clients() {
            let request = request("HTTP/1.1", "Connection: close\r\n");
            assert_eq!(client.ask(&request).body, DEMO_BALANCE);
            assert_eq!(client.end(), End::Closed);
        }
    }
}

#[test]
fn what_follows_a_close_is_not_served() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        for client in &mut server.clients() {
            client.send(balance("default/admin") + &request("HTTP/1.1", "Connection: close\r\n"));
            client.send(balance("default/admin").repeat(3));
            assert_eq!(client.answer().field("Connection"), None);
            assert_eq!(client.answer().field("Connection"), Some("close"));
            client.end_sending();
            assert_eq!(client.end(), End::Closed);
        }
    }
}

#[test]
fn absolute_targets_and_queries() {
    let server = demo().start(1);
    let mut client = server.client();
    for target in [
        "http://wallet.example/v1.0/balance",
        "HTTP://elsewhere.example:8080/v1.0/balance?a=b",
        "https://[::1]/v1.0/balance",
        "/v1.0/balance?",
        "/v1.0/balance?a=b",
    ] {
        assert_eq!(client.ask(&post(target, ADMIN, &good_body())).body, DEMO_BALANCE, "{target}");
    }
    for target in ["http://wallet.example", "http://wallet.example?/v1.0/balance"] {
        assert_eq!(client.ask(&post(target, ADMIN, &good_body())).status, 404, "{target}");
    }
}

/// Splits a request that asks for leave between its head and its body.
fn expecting(request: &str) -> (String, String) {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    (format!("{head}\r\nExpect: 100-continue\r\n\r\n"), body.into())
}

#[track_caller]
fn check_continue(client: &mut Client, request: &str) {
    let (head, body) = expecting(request);
    client.send(head);
    let interim = client.answer();
    assert_eq!((interim.status, interim.reason.as_str()), (100, "Continue"));
    client.send(body);
    assert_eq!(client.answer().body, DEMO_BALANCE);
}

#[test]
fn a_client_that_waits_for_leave_gets_it() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        for client in &mut server.clients() {
            for (account, _) in accounts_of_all_shards() {
                let request = balance(&account);
                check_continue(client, &request);
                check_continue(client, &chunked(&request, 7));
                // Who does not wait gets no leave.
                let (head, body) = expecting(&request);
                client.send(head + &body);
                assert_eq!(client.answer().body, DEMO_BALANCE);
                // The leave comes after the answers to what stands before it.
                let (head, body) = expecting(&request);
                client.send(request.repeat(3) + &head);
                for _ in 0..3 {
                    assert_eq!(client.answer().body, DEMO_BALANCE);
                }
                assert_eq!(client.answer().status, 100);
                client.send(body);
                assert_eq!(client.answer().body, DEMO_BALANCE);
            }
            // In HTTP/1.0 there are no expectations, and no interim answers.
            let (head, body) = expecting(&request("HTTP/1.0", "Connection: keep-alive\r\n"));
            client.send(head);
            client.send(body);
            assert_eq!(client.answer().body, DEMO_BALANCE);
        }
    }
}

/// A body that will not be taken is not asked for.
#[test]
fn leave_is_refused_with_the_final_answer() {
    let server = demo().start(1);
    let mut client = server.client();
    client.send(
        "POST /v1.0/balance HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.answer().status, 413);
    assert_eq!(client.end(), End::Closed);
}

/// What was asked before the client ended its side is answered, and then the server ends its own.
#[test]
fn a_half_closed_connection_gets_all_its_answers() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let accounts = accounts_of_all_shards();
        for client in &mut server.clients() {
            client.send((0..500).map(|at| balance(&accounts[at % accounts.len()].0)).collect::<String>());
            client.end_sending();
            for _ in 0..500 {
                assert_eq!(client.answer().body, DEMO_BALANCE);
            }
            assert_eq!(client.end(), End::Closed);
        }
    }
}

/// The rest of a request will not come: it is not answered, and what stands before it is.
#[test]
fn a_request_that_breaks_off_is_not_answered() {
    let server = demo().start(2);
    for client in &mut server.clients() {
        let request = balance("default/admin");
        client.send(request.repeat(3));
        client.send(&request[..request.len() - 1]);
        client.end_sending();
        for _ in 0..3 {
            assert_eq!(client.answer().body, DEMO_BALANCE);
        }
        assert_eq!(client.end(), End::Closed);
    }
}

/// A connection that breaks while its answers are at another core harms nobody.
#[test]
fn a_connection_that_breaks_is_forgotten() {
    let server = demo().start(2);
    let accounts = accounts_of_all_shards();
    let mut stays = server.clients();
    for round in 0..50 {
        for mut client in server.clients() {
            client.send(
                (0..40).map(|at| balance(&accounts[(at + round) % accounts.len()].0)).collect::<String>(),
            );
        }
        for client in &mut stays {
            assert_eq!(client.ask(&balance(&accounts[round % accounts.len()].0)).body, DEMO_BALANCE);
        }
    }
    // What was dropped is closed: only these are left, and who counts them.
    let mut operator = server.operator();
    for _ in 0..100_000 {
        let metrics = operator.metrics();
        let open = metrics.iter().filter(|(name, _)| name.starts_with("purser_connections{"));
        if open.map(|(_, value)| value).sum::<f64>() <= (stays.len() + 1) as f64 {
            return;
        }
    }
    panic!("connections are left: {:?}", operator.metrics());
}
