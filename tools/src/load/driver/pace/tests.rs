//! Short runs of clients with a rate or a patience, against servers that answer as a row says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::super::super::scenario::tests::site;
use super::super::super::scenario::{Scenario, Site, UserIdentity};
use super::super::super::setup;
use super::super::super::stats::Stats;
use super::super::super::summary::Load;
use super::super::{Connected, Outcome, ring};
use super::*;
use crate::load::Clock;
use crate::wake::Wake;

/// The answer to the request of this number on a connection, from 1; `None` for one that is never answered.
type Answers = fn(u64) -> Option<Vec<u8>>;

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn good() -> Vec<u8> {
    answer("200 OK", r#"{"ErrorCode":0,"Result":{"SessionToken":"next"}}"#)
}

fn closing() -> Vec<u8> {
    answer("200 OK\r\nConnection: close", r#"{"ErrorCode":0,"Result":{"SessionToken":"next"}}"#)
}

/// Serves all connections side by side, each until its client ends it.
fn serve(answers: Answers) -> SocketAddr {
    let (listener, address) = listen();
    spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            spawn(move || serve_connection(socket, answers));
        }
    });
    address
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().spawn(work).expect("a thread");
}

fn serve_connection(mut socket: TcpStream, answers: Answers) {
    let mut room = vec![0; 65_536];
    let mut number = 0;
    // Requests of these sizes come whole, as many as were sent in one piece, over the loopback.
    while let Ok(length @ 1..) = socket.read(&mut room) {
        for _ in 0..room[..length].windows(5).filter(|word| word == b"POST ").count() {
            number += 1;
            let Some(bytes) = answers(number) else { continue };
            if socket.write_all(&bytes).is_err() {
                return;
            }
        }
    }
}

const OPEN: Pressure = Pressure { rate: Some(200), patience_ms: None, refusals_fail: false };
const IMPATIENT: Pressure = Pressure { rate: None, patience_ms: Some(10), refusals_fail: false };
const BOTH: Pressure = Pressure { rate: Some(200), ..IMPATIENT };

/// The starts of a run of [`LENGTH`] at 200/s.
const OFFERED: u64 = 20;
const LENGTH: Duration = Duration::from_millis(100);

/// Plays for a moment with so many virtual users.
fn play(address: SocketAddr, load: &Load) -> Stats {
    let site = Site { address, ..site() };
    let clock = Clock::start();
    let connected = (1..=load.vus).map(|number| {
        let (socket, connecting_ns) =
            setup::connect(address, setup::CONNECT_TIMEOUT, &clock).expect("a server");
        Connected {
            socket,
            connecting_ns,
            player: UserIdentity::own(number),
            draw: None,
            token: b"first".to_vec(),
        }
    });
    let connected = connected.collect();
    let mut ring = ring(load.vus).expect("a ring");
    let wake = Wake::on_signals(&mut ring, &[]).expect("a socket");
    let driver = Driver::new(load, &site, ring, wake, clock, connected).expect("a driver");
    let Outcome { stats, .. } = driver.run().expect("a run");
    stats
}

fn load(scenario: Scenario, pressure: Pressure, vus: usize, pipeline: usize) -> Load {
    Load { scenario, vus, pipeline, duration: LENGTH, tails: false, pressure }
}

/// What a run should have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    served: bool,
    refused: bool,
    given_up: bool,
    failed: bool,
    reconnects: bool,
}

const FINE: Seen = Seen { served: true, refused: false, given_up: false, failed: false, reconnects: false };
const REFUSED: Seen = Seen { served: false, refused: true, ..FINE };
const GIVEN_UP: Seen = Seen { served: false, given_up: true, reconnects: true, ..FINE };

/// Plays, and looks at what was measured: each request that was sent has one fate.
#[track_caller]
fn check(load: Load, answers: Answers, expect: Seen) {
    let stats = play(serve(answers), &load);
    let overload = stats.overload.as_ref().expect("a run with a pressure");
    let (served, refused) = (overload.served.count(), overload.refused.count());
    let failed = stats.requests() - served - refused - overload.given_up;
    let seen = Seen {
        served: served > 0,
        refused: refused > 0,
        given_up: overload.given_up > 0,
        failed: failed > 0,
        reconnects: overload.reconnects > 0,
    };
    assert_eq!(seen, expect, "{load:?}");
    let of_types: u64 = load.scenario.kinds().into_iter().map(|kind| stats.of(kind).requests()).sum();
    assert_eq!(of_types, stats.requests());
    if load.pressure.rate.is_some() {
        assert_eq!((overload.offered, overload.sent), (OFFERED, stats.requests()));
        assert_eq!(overload.late.count(), overload.sent);
    }
    if let Some(patience_ms) = load.pressure.patience_ms {
        let [.., longest_ns] = overload.since_sent.tail();
        assert!(longest_ns < patience_ms * 1_000_000, "served {longest_ns} ns after the send");
    }
    let counted = served + failed + if load.pressure.refusals_fail { refused } else { 0 };
    assert_eq!(stats.checks().total(), 2 * counted);
    assert_eq!(stats.checks().fails > 0, failed > 0 || load.pressure.refusals_fail && refused > 0);
}

/// With a patience that no answer here is too slow for.
const fn patient(pressure: Pressure) -> Pressure {
    Pressure { patience_ms: Some(60_000), ..pressure }
}

#[test]
fn answers_in_time() {
    let answers: Answers = |_| Some(good());
    for pressure in [OPEN, patient(OPEN), patient(IMPATIENT)] {
        for scenario in [Scenario::Balance, Scenario::Bet, Scenario::Seed, Scenario::Full] {
            check(load(scenario, pressure, 3, 1), answers, FINE);
        }
        check(load(Scenario::Bet, pressure, 2, 4), answers, FINE);
    }
}

#[test]
fn refusals_fail_nothing_unless_they_are_to() {
    let unknown: Answers = |_| Some(answer("200 OK", r#"{"ErrorCode":-1}"#));
    let unavailable: Answers = |_| Some(answer("503 Service Unavailable", r#"{"Error":"busy"}"#));
    for answers in [unknown, unavailable] {
        for pressure in [OPEN, patient(OPEN), patient(IMPATIENT)] {
            for scenario in [Scenario::Balance, Scenario::Seed, Scenario::Full] {
                check(load(scenario, pressure, 3, 1), answers, REFUSED);
                check(load(scenario, Pressure { refusals_fail: true, ..pressure }, 3, 1), answers, REFUSED);
            }
        }
    }
}

#[test]
fn what_is_never_answered_is_given_up() {
    let never: Answers = |_| None;
    for pressure in [IMPATIENT, BOTH] {
        for scenario in [Scenario::Balance, Scenario::Seed, Scenario::Full] {
            check(load(scenario, pressure, 2, 1), never, GIVEN_UP);
        }
        check(load(Scenario::Bet, pressure, 2, 4), never, GIVEN_UP);
    }
}

#[test]
fn a_client_that_has_given_up_goes_on_with_another_connection() {
    let first: Answers = |number| (number == 1).then(good);
    check(load(Scenario::Balance, BOTH, 1, 1), first, Seen { served: true, ..GIVEN_UP });
    check(load(Scenario::Seed, BOTH, 2, 1), first, Seen { served: true, ..GIVEN_UP });
    check(load(Scenario::Balance, IMPATIENT, 2, 1), first, Seen { served: true, ..GIVEN_UP });
}

#[test]
fn an_open_loop_outlives_its_connections() {
    // The thread that serves a connection goes on until its client ends it, as the last answer says.
    let once: Answers = |_| Some(closing());
    let reconnects = Seen { reconnects: true, ..FINE };
    check(load(Scenario::Balance, OPEN, 1, 1), once, reconnects);
    check(load(Scenario::Full, patient(OPEN), 3, 1), once, reconnects);
}

#[test]
fn what_is_no_answer_fails() {
    let noise: Answers = |number| Some(if number == 1 { good() } else { b"no answer\r\n".to_vec() });
    let failed = Seen { failed: true, reconnects: true, ..FINE };
    check(load(Scenario::Balance, OPEN, 1, 1), noise, failed);
    check(load(Scenario::Balance, patient(IMPATIENT), 1, 1), noise, failed);
}

/// Takes so many connections, reads a request on each, and answers and ends all at once, for some rounds; then as [`serve`].
fn serve_rounds(connections: usize, rounds: usize) -> SocketAddr {
    let (listener, address) = listen();
    spawn(move || {
        for _ in 0..rounds {
            let accept = || listener.accept().expect("a client").0;
            let mut sockets: Vec<TcpStream> = (0..connections).map(|_| accept()).collect();
            for socket in &mut sockets {
                let read = socket.read(&mut [0; 4_096]).expect("a request");
                assert!(read > 0, "a client that asks");
            }
            for mut socket in sockets {
                socket.write_all(&closing()).expect("a client that reads");
            }
        }
        while let Ok((socket, _)) = listener.accept() {
            spawn(move || serve_connection(socket, |_| Some(good())));
        }
    });
    address
}

#[test]
fn connections_that_end_together_are_all_made_anew() {
    for pressure in [Pressure::default(), patient(IMPATIENT), Pressure { rate: Some(20_000), ..OPEN }] {
        let load = Load { duration: 2 * LENGTH, ..load(Scenario::Balance, pressure, 100, 1) };
        let stats = play(serve_rounds(load.vus, 1), &load);
        assert_eq!((stats.failed(), stats.checks().fails), (0, 0), "{pressure:?}");
        assert!(stats.requests() > 200, "{} requests", stats.requests());
    }
}
