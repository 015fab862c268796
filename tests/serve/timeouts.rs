//! Time-outs: what is too slow is told so or ended, and nothing else is.
//!
//! A time of the configuration is the least that it takes, and a busy core takes longer.

use std::io::{ErrorKind, Write as _};

use testkit::client::{Client, End};
use testkit::home::{Server, TOKEN};
use testkit::message::{DEMO_BALANCE, balance, create_token, operator, redeem_token};

use crate::timed;

/// A server like the demo's, with these times.
fn start(shards: usize, times: &str) -> Server {
    let server = timed(times).start(shards);
    server.put_account("default/admin");
    server
}

const REQUEST: &str = "request_ms = 200";
const KEEP_ALIVE: &str = "keep_alive_ms = 200";
const SEND: &str = "send_ms = 200";

/// What `balance` answers here.
fn empty_balance() -> String {
    DEMO_BALANCE.replace("1000000.00", "0.00").replace("\"Version\":1", "\"Version\":0")
}

/// The beginning of a request has come on each connection, and no more of it does: 408, and the connection ends.
#[track_caller]
fn check_slow(clients: Vec<Client>) {
    for mut client in clients {
        let answer = client.answer();
        assert_eq!(answer.status, 408);
        assert_eq!(answer.body, r#"{"Error":"The request did not arrive in time."}"#);
        assert_eq!(answer.field("Connection"), Some("close"));
        assert_eq!(client.end(), End::Closed);
    }
}

#[test]
fn a_request_that_stops_on_its_way() {
    let server = start(2, REQUEST);
    let request = balance("default/admin");
    let (head, _) = request.split_once("\r\n\r\n").expect("a head");
    let begun = [
        "P",
        &request[..20],
        head,
        &format!("{head}\r\n\r\n"),
        &request[..request.len() - 1],
        "POST /v1.0/balance HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /v1.0/balance HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    ];
    let clients = begun.iter().flat_map(|begun| {
        let mut clients = server.clients();
        clients.push(server.operator());
        clients.iter_mut().for_each(|client| client.send(begun));
        clients
    });
    check_slow(clients.collect());
}

/// Who asks nothing has no place for long: the first request has as long as any, from the connection's beginning on.
#[test]
fn a_connection_that_asks_nothing() {
    let server = start(2, REQUEST);
    for mut client in [server.client(), server.client(), server.operator()] {
        assert_eq!(client.end(), End::Closed);
    }
    // After the first one it is the time between two requests that counts.
    let mut client = server.client();
    assert_eq!(client.ask(&balance("default/admin")).body, empty_balance());
    let mut nobody = server.client();
    assert_eq!(nobody.end(), End::Closed);
    assert_eq!(client.ask(&balance("default/admin")).body, empty_balance());
}

/// `HEAD` that stops on its way is told so in a head alone.
#[test]
fn a_head_that_stops_on_its_way() {
    let server = start(1, REQUEST);
    for begun in ["HEAD ", "\r\nHEAD /healthz HT", "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1"]
    {
        for address in [server.platform, server.operator] {
            let mut client = Client::connect(address);
            client.send(begun);
            let answer = client.answer_to_head();
            assert_eq!((answer.status, answer.field("Connection")), (408, Some("close")), "{begun}");
            assert_eq!(client.end(), End::Closed, "{begun}");
        }
    }
}

/// The answers to what came whole are not held up by what did not.
#[test]
fn a_request_that_stops_behind_others() {
    let server = start(2, REQUEST);
    let request = balance("default/admin");
    let clients = ["P", &request[..request.len() - 1]].into_iter().flat_map(|behind| {
        let mut clients = server.clients();
        for client in &mut clients {
            client.send(request.repeat(3) + behind);
            for _ in 0..3 {
                assert_eq!(client.answer().body, empty_balance());
            }
        }
        clients
    });
    check_slow(clients.collect());
}

/// The leave to send a body is no leave to take for ever.
#[test]
fn a_body_that_leave_was_given_for() {
    let server = start(1, REQUEST);
    let mut client = server.client();
    client
        .send("POST /v1.0/balance HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    check_slow(vec![client]);
}

/// The time runs from the first byte: one more byte now and then does not prolong it.
#[test]
fn a_request_that_drips() {
    let server = start(1, REQUEST);
    let mut client = server.client();
    let mut writer = client.writer();
    client.send("POST /v1.0/balance HTTP/1.1\r\nHost: a\r\nX: ");
    std::thread::scope(|threads| {
        let drips = threads.spawn(move || {
            // The next byte goes when another connection was answered some times: a pace that needs no clock.
            let mut pace = server.client();
            for _ in 0..2_000 {
                for _ in 0..100 {
                    assert_eq!(pace.ask(&balance("default/admin")).status, 200);
                }
                if writer.write_all(b"x").is_err() {
                    return;
                }
            }
        });
        // What was sent too late may reset the connection, but not before the answer was read.
        assert_eq!(client.answer().status, 408);
        client.end_sending();
        drips.join().expect("it ends with the connection");
    });
}

/// A connection on which nothing is asked is ended without a word.
#[test]
fn an_idle_connection() {
    for shards in [1, 2] {
        let server = start(shards, "keep_alive_ms = 200\nrequest_ms = 500");
        let mut fresh: Vec<Client> = (0..20).map(|_| server.client()).collect();
        fresh.push(server.operator());
        let mut used = server.clients();
        for client in &mut used {
            assert_eq!(client.ask(&balance("default/admin")).body, empty_balance());
        }
        let mut after_an_empty_line = server.clients();
        for client in &mut after_an_empty_line {
            client.send(balance("default/admin") + "\r\n");
            assert_eq!(client.answer().body, empty_balance());
        }
        for mut client in fresh.into_iter().chain(used).chain(after_an_empty_line) {
            assert_eq!(client.end(), End::Closed);
        }
    }
}

/// Each answer starts the time between requests anew.
#[test]
fn a_busy_connection_is_not_idle() {
    let server = start(1, KEEP_ALIVE);
    let mut idle = server.client();
    let mut busy = server.client();
    // Until its first request a connection has `request_ms`, which is another time.
    assert_eq!(idle.ask(&balance("default/admin")).body, empty_balance());
    std::thread::scope(|threads| {
        let waits = threads.spawn(move || assert_eq!(idle.end(), End::Closed));
        while !waits.is_finished() {
            assert_eq!(busy.ask(&balance("default/admin")).body, empty_balance());
        }
        waits.join().expect("the idle one was ended");
    });
    assert_eq!(busy.ask(&balance("default/admin")).body, empty_balance());
}

/// A peer that never reads is ended once it has left its answers lying for too long.
#[test]
fn a_peer_that_never_reads() {
    for shards in [1, 2] {
        let server = start(shards, SEND);
        let client = server.client();
        let requests = balance("default/admin").repeat(1_000);
        let mut writer = client.writer();
        // Ends with the connection; a megabyte each, more than all buffers on the way hold together.
        let error = (0..1_000).find_map(|_| writer.write_all(requests.as_bytes()).err());
        let kind = error.expect("nobody takes that much").kind();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind}");
        assert_eq!(server.client().ask(&balance("default/admin")).body, empty_balance());
    }
}

/// A session that is not used ends: for `createtoken` there is none, and its tokens are void.
#[test]
fn an_idle_session() {
    for shards in [1, 2] {
        let server = start(shards, "session_idle_ms = 300");
        let path = "/operator/v1/accounts/default/admin/sessions";
        let opened = server.operator().ask(&operator("POST", path, TOKEN, r#"{"SessionKey":"key"}"#));
        assert_eq!(opened.status, 201);
        let mut client = server.client();
        let mut last = String::new();
        // Minting tokens does not renew it (protocol §3).
        for _ in 0..1_000_000 {
            let made = client.ask(&create_token("default/admin")).body;
            if made == r#"{"ErrorCode":-5}"# {
                break;
            }
            last = made;
        }
        let token = last.split('"').rev().nth(1).expect("a session was there");
        let refused = client.ask(&redeem_token(token)).body;
        assert!(refused.starts_with(r#"{"ErrorCode":-3,"Balance":{"#), "{refused}");
        let seen = server.operator().ask(&operator("GET", &path.replace("/sessions", ""), TOKEN, ""));
        assert!(seen.body.contains(r#""Sessions":[],"#), "{}", seen.body);
    }
}
