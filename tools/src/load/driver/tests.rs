//! Short runs against a server that answers as a row says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use super::super::overload::Pressure;
use super::super::scenario::Scenario;
use super::super::scenario::tests::site;
use super::super::setup;
use super::*;

/// What the server does with the request of this number, counted from 1 on each connection.
type Answers = fn(u64) -> Answer;

enum Answer {
    /// Sends these pieces.
    Pieces(Vec<Vec<u8>>),
    /// Sends this and ends the connection.
    Last(Vec<u8>),
}

fn whole(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn good() -> Vec<u8> {
    whole(r#"{"ErrorCode":0,"Result":{"SessionToken":"next"}}"#)
}

/// Answers on one connection after another, until a client ends its own.
fn serve(answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::Builder::new().spawn(move || while serve_connection(&listener, answers) {}).expect("a thread");
    address
}

/// Says whether there may be another: a connection that the client ended was its last.
fn serve_connection(listener: &TcpListener, answers: Answers) -> bool {
    let (mut socket, _) = listener.accept().expect("a client");
    let mut room = vec![0; 65_536];
    let mut number = 0;
    loop {
        // Requests of these sizes come whole, as many as were sent in one piece, over the loopback.
        let length = match socket.read(&mut room) {
            Ok(length) if length > 0 => length,
            _ => return false,
        };
        for _ in 0..room[..length].windows(5).filter(|word| word == b"POST ").count() {
            number += 1;
            match answers(number) {
                Answer::Pieces(pieces) => {
                    for piece in pieces {
                        if socket.write_all(&piece).is_err() {
                            return false;
                        }
                    }
                }
                Answer::Last(bytes) => return socket.write_all(&bytes).is_ok(),
            }
        }
    }
}

/// What a run should have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    failed_requests: bool,
    failed_checks: bool,
    reconnects: bool,
}

const FINE: Seen = Seen { failed_requests: false, failed_checks: false, reconnects: false };

/// Plays for a moment with one virtual user, and looks at what was measured.
#[track_caller]
fn check(scenario: Scenario, answers: Answers, expect: Seen) {
    check_pipeline(scenario, 1, answers, expect);
}

/// The same with so many requests under way at a time.
#[track_caller]
fn check_pipeline(scenario: Scenario, pipeline: usize, answers: Answers, expect: Seen) {
    let address = serve(answers);
    let site = Site { address, ..site() };
    let clock = Clock::start();
    let (socket, connecting_ns) = setup::connect(address, setup::CONNECT_TIMEOUT, &clock).expect("a server");
    let start = Connected {
        socket,
        connecting_ns,
        player: UserIdentity::own(1),
        draw: None,
        token: b"first".to_vec(),
    };
    let load = Load {
        scenario,
        vus: 1,
        pipeline,
        duration: Duration::from_millis(100),
        tails: false,
        pressure: Pressure::default(),
    };
    let mut ring = ring(1).expect("a ring");
    let wake = Wake::on_signals(&mut ring, &[]).expect("a socket");
    let driver = Driver::new(&load, &site, ring, wake, clock, vec![start]).expect("a driver");
    let Outcome { stats, .. } = driver.run().expect("a run");
    let seen = Seen {
        failed_requests: stats.failed() > 0,
        failed_checks: stats.checks().fails > 0,
        reconnects: stats.connecting.times_above_zero() > 1,
    };
    assert_eq!(seen, expect);
    assert!(stats.iterations() > 0 && stats.interrupted == 0);
    let of_types: u64 = scenario.kinds().into_iter().map(|kind| stats.of(kind).requests()).sum();
    assert_eq!(of_types, stats.requests());
    assert_eq!(stats.requests(), stats.iterations() * scenario.steps().len() as u64);
}

#[test]
fn answers_that_are_whole() {
    check(Scenario::Balance, |_| Answer::Pieces(vec![good()]), FINE);
    check(Scenario::Seed, |_| Answer::Pieces(vec![good()]), FINE);
    check(Scenario::Full, |_| Answer::Pieces(vec![good()]), FINE);
    check(Scenario::Bet, |_| Answer::Pieces(vec![good()]), FINE);
}

#[test]
fn answers_in_pieces() {
    let pieces: Answers = |_| Answer::Pieces(good().chunks(10).map(<[u8]>::to_vec).collect());
    check(Scenario::Seed, pieces, FINE);
}

#[test]
fn a_server_that_ends_connections() {
    let last: Answers = |number| match number {
        1..=5 => Answer::Pieces(vec![good()]),
        _ => Answer::Last([b"HTTP/1.1 200 OK\r\nConnection: close\r\n", &good()[17..]].concat()),
    };
    check(Scenario::Seed, last, Seen { reconnects: true, ..FINE });
    // The answer does not tell: the next request may be lost with the connection.
    let broken: Answers = |number| match number {
        1..=5 => Answer::Pieces(vec![good()]),
        _ => Answer::Last(good()[..30].to_vec()),
    };
    let lost = Seen { failed_requests: true, failed_checks: true, reconnects: true };
    check(Scenario::Balance, broken, lost);
    check(Scenario::Seed, broken, lost);
    check(Scenario::Full, broken, lost);
}

#[test]
fn answers_that_are_wrong() {
    let refused: Answers = |_| Answer::Pieces(vec![whole(r#"{"ErrorCode":-3}"#)]);
    check(Scenario::Seed, refused, Seen { failed_checks: true, ..FINE });
    let unavailable: Answers =
        |_| Answer::Pieces(vec![b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}".to_vec()]);
    check(Scenario::Balance, unavailable, Seen { failed_requests: true, failed_checks: true, ..FINE });
}

#[test]
fn pipelines() {
    for pipeline in [2, 64] {
        check_pipeline(Scenario::Balance, pipeline, |_| Answer::Pieces(vec![good()]), FINE);
        check_pipeline(Scenario::Bet, pipeline, |_| Answer::Pieces(vec![good()]), FINE);
        let in_pieces: Answers = |_| Answer::Pieces(good().chunks(30).map(<[u8]>::to_vec).collect());
        check_pipeline(Scenario::Balance, pipeline, in_pieces, FINE);
    }
}

#[test]
fn a_connection_that_ends_costs_the_requests_of_its_pipeline() {
    let last: Answers = |number| match number {
        1..=5 => Answer::Pieces(vec![good()]),
        _ => Answer::Last([b"HTTP/1.1 200 OK\r\nConnection: close\r\n", &good()[17..]].concat()),
    };
    let lost = Seen { failed_requests: true, failed_checks: true, reconnects: true };
    check_pipeline(Scenario::Balance, 4, last, lost);
    let noise: Answers = |number| match number {
        1..=5 => Answer::Pieces(vec![good()]),
        _ => Answer::Last(b"no answer\r\n".to_vec()),
    };
    check_pipeline(Scenario::Bet, 4, noise, lost);
}
