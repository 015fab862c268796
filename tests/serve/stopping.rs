//! SIGTERM and SIGINT: idle connections end, what is in hand is finished, and the process leaves with 0.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use testkit::client::{Client, End};
use testkit::home::{Home, Server};
use testkit::message::{self, DEMO_BALANCE, balance, get};

use crate::{DEMO_ACCOUNTS, PURSER, demo, timed};

/// The session of the demo's first account.
const DEMO_SESSION: &str = "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c";

/// A connection with a request that has come in part, and the rest of that request. The server has seen the
/// part: it came with what was answered already.
#[track_caller]
pub(crate) fn half_sent(client: &mut Client) -> String {
    let request = balance("default/admin");
    let (part, rest) = request.split_at(request.len() - 10);
    client.send(request.clone() + part);
    assert_eq!(client.answer().body, DEMO_BALANCE);
    rest.into()
}

/// A connection that waits for nothing. It was accepted: one that still is in the kernel's queue at the stop is
/// reset.
#[track_caller]
fn idle(server: &Server) -> Client {
    let mut client = server.client();
    assert_eq!(client.ask(&balance("default/admin")).body, DEMO_BALANCE);
    client
}

/// Waits until no new connection is accepted.
#[track_caller]
fn await_refusal(address: SocketAddr) {
    for _ in 0..100_000 {
        match TcpStream::connect(address) {
            // It was in the kernel's queue when the listener was closed.
            Ok(_) => {}
            Err(error) => {
                let ended = [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset];
                assert!(ended.contains(&error.kind()), "{error}");
                if error.kind() == ErrorKind::ConnectionRefused {
                    return;
                }
            }
        }
    }
    panic!("it still listens");
}

#[test]
fn what_is_in_hand_is_finished() {
    for (shards, signal) in [(1, Signal::TERM), (2, Signal::INT), (2, Signal::TERM)] {
        let mut server = demo().start(shards);
        let mut idle = server.clients();
        let mut operator = server.operator();
        assert_eq!(operator.ask(&get("/readyz")).status, 200);
        idle.push(operator);
        let mut after_an_empty_line = server.client();
        after_an_empty_line.send(balance("default/admin") + "\r\n");
        assert_eq!(after_an_empty_line.answer().body, DEMO_BALANCE);
        idle.push(after_an_empty_line);
        let mut busy = server.clients();
        let rests: Vec<String> = busy.iter_mut().map(half_sent).collect();

        server.signal(signal);
        for mut client in idle {
            assert_eq!(client.end(), End::Closed);
        }
        await_refusal(server.platform);
        await_refusal(server.operator);
        for (client, rest) in busy.iter_mut().zip(rests) {
            // Only the first of them is in hand.
            client.send(rest + &balance("default/admin"));
            let answer = client.answer();
            assert_eq!(answer.body, DEMO_BALANCE);
            assert_eq!(answer.field("Connection"), Some("close"));
            client.end_sending();
            assert_eq!(client.end(), End::Closed);
        }
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(server.last_words(), "");
    }
}

#[test]
fn an_idle_server_stops_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        for shards in [1, 2] {
            let mut server = demo().start(shards);
            server.signal(signal);
            assert_eq!(server.wait().code(), Some(0));
            assert_eq!(server.last_words(), "");
        }
    }
}

/// At a stop the system may have no thread left.
#[test]
fn a_stop_needs_no_further_thread() {
    let mut server = demo().start(2);
    server.limit_memory();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(server.last_words(), "");
}

/// A stopping server says that it is not ready, to who asked before it stopped.
#[test]
fn a_stopping_server_is_alive_and_not_ready() {
    for (path, status) in [("/readyz", 503), ("/healthz", 200)] {
        let mut server = demo().start(1);
        let mut client = server.operator();
        assert_eq!(client.ask(&get(path)).status, 200);
        let request = get(path);
        let (part, rest) = request.split_at(request.len() - 2);
        client.send(get("/healthz") + part);
        assert_eq!(client.answer().status, 200);
        let mut idle = idle(&server);
        server.signal(Signal::TERM);
        assert_eq!(idle.end(), End::Closed);
        client.send(rest);
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("Connection")), (status, Some("close")), "{}", answer.body);
        if status == 503 {
            assert_eq!(answer.body, r#"{"Error":"The server is stopping."}"#);
        }
        client.end_sending();
        assert_eq!(client.end(), End::Closed);
        assert_eq!(server.wait().code(), Some(0));
    }
}

/// Pipelined requests that had come before the signal are answered, all of them or up to a `close`: none is
/// left without a word after it was begun.
#[test]
fn a_stop_amid_pipelined_requests() {
    for shards in [1, 2] {
        let mut server = demo().start(shards);
        let mut clients = server.clients();
        for client in &mut clients {
            client.send(balance("default/admin").repeat(200));
            assert_eq!(client.answer().body, DEMO_BALANCE);
        }
        server.signal(Signal::TERM);
        for client in &mut clients {
            let mut answered = 1;
            while let Ok(answer) = client.read_answer(true) {
                assert_eq!(answer.body, DEMO_BALANCE);
                answered += 1;
                if answer.field("Connection") == Some("close") {
                    break;
                }
                assert!(answered <= 200);
            }
            client.end_sending();
            assert_eq!(client.end(), End::Closed);
        }
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in
        [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM), (Signal::TERM, Signal::INT)]
    {
        let mut server = demo().start(2);
        let (mut idle, mut busy) = (idle(&server), server.client());
        let _rest = half_sent(&mut busy);
        server.signal(first);
        assert_eq!(idle.end(), End::Closed);
        server.insist(second);
        let code = server.wait().code().expect("it ends by itself");
        assert_eq!(code, 74, "not all that was in hand is finished");
    }
}

#[test]
fn a_stop_has_its_time() {
    for shards in [1, 2] {
        let mut server = timed("drain_ms = 100").start(shards);
        let mut clients = server.clients();
        clients.push(server.operator());
        for client in &mut clients {
            client.send(get("/nothing") + "GET /nothing HTTP/1.1\r\n");
            assert_eq!(client.answer().status, 404);
        }
        server.signal(Signal::TERM);
        for client in &mut clients {
            client.end();
        }
        assert_eq!(server.wait().code(), Some(0));
    }
}

/// Clients that ask without a rest lose no request to a stop: each is answered until an answer says that it is the last.
/// `PURSER_STOPS` is how often, on one shard and on two in turn.
#[test]
fn no_request_is_dropped_by_a_stop() {
    let stops = std::env::var("PURSER_STOPS").map_or(2, |stops| stops.parse().expect("a number"));
    for stop in 0..stops {
        let mut server = demo().start(1 + stop % 2);
        let address = server.platform;
        let asked = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for number in 0..40 {
                let asked = &asked;
                threads.spawn(move || {
                    let mut client = Client::connect(address);
                    for round in 0.. {
                        // Every fourth client changes something, and so waits for the disk.
                        let request =
                            if number % 4 == 0 { bet(number, round) } else { balance("default/admin") };
                        let answer = client.ask(&request);
                        assert!(answer.body.starts_with(r#"{"ErrorCode":0,"#), "{}", answer.body);
                        asked.fetch_add(1, Ordering::Relaxed);
                        if answer.field("Connection") == Some("close") {
                            client.end_sending();
                            assert_eq!(client.end(), End::Closed);
                            return;
                        }
                    }
                });
            }
            while asked.load(Ordering::Relaxed) < 4_000 {
                std::thread::yield_now();
            }
            server.signal(Signal::TERM);
        });
        assert_eq!(server.wait().code(), Some(0), "{stop}");
    }
}

/// A bet of a penny in a round of its own.
fn bet(client: usize, number: usize) -> String {
    message::bet("default/admin", DEMO_SESSION, &format!("{client}-{number}"), "0.01", true)
}

/// Who has connected, and was not accepted when the stop began, is served.
#[test]
fn who_has_connected_is_served() {
    let mut server = demo().start(1);
    for _ in 0..20 {
        // The server is held, so that these wait in the kernel's queue.
        let mut first = idle(&server);
        server.signal(Signal::STOP);
        let mut clients: Vec<Client> = (0..50).map(|_| server.client()).collect();
        clients.iter_mut().for_each(|client| client.send(balance("default/admin")));
        server.signal(Signal::TERM);
        server.signal(Signal::CONT);
        for client in &mut clients {
            assert_eq!(client.answer().body, DEMO_BALANCE);
            client.end_sending();
            assert_eq!(client.end(), End::Closed);
        }
        assert_eq!(first.end(), End::Closed);
        assert_eq!(server.wait().code(), Some(0));
        server = demo().start(1);
    }
}
/// A time that no test waits for.
const DAY: &str = "drain_grace_ms = 86400000";

/// Waits until `/readyz` says on this listener that the server stops.
#[track_caller]
fn await_leaving(mut client: Client) {
    for _ in 0..100_000 {
        let answer = client.ask(&get("/readyz"));
        assert_eq!(answer.field("Connection"), None);
        if answer.status == 503 {
            assert_eq!(answer.body, r#"{"Error":"The server is stopping."}"#);
            return;
        }
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"Status":"ok"}"#));
    }
    panic!("it does not stop");
}

/// Until the grace is over a server that is to stop says so to the load balancer, and serves all the same; the time to
/// drain has not begun.
#[test]
fn a_grace_before_the_drain() {
    for (shards, signal) in [(1, Signal::TERM), (2, Signal::INT)] {
        let times = format!("drain_ms = 1\n{DAY}");
        let mut server = timed(&times).start(shards);
        server.put_account("default/admin");
        let mut before = server.clients();
        let mut half = server.client();
        let request = balance("default/admin");
        let (part, rest) = request.split_at(request.len() - 10);
        half.send(request.clone() + part);
        let told = half.answer();
        assert_eq!(told.status, 200);

        server.signal(signal);
        await_leaving(server.operator());
        await_leaving(server.client());
        before.push(server.client());
        half.send(rest);
        assert_eq!(half.answer().without_date(), told.clone().without_date());
        for client in &mut before {
            assert_eq!(client.ask(&request).without_date(), told.clone().without_date());
            assert_eq!(client.ask(&get("/healthz")).status, 200);
        }
        server.put_account("default/late");
        server.insist(signal);
        assert_eq!(server.wait().code(), Some(74));
        assert_eq!(
            server.last_words(),
            told_to_stop(DAY) + "purser: told to stop once more: it ends at once\n"
        );
    }
}

/// Who signals a process and its group signals twice, and means one stop.
#[test]
fn two_signals_at_once_are_one() {
    let mut server = demo().start(1);
    let mut client = server.client();
    let request = balance("default/player-000001");
    let (part, rest) = request.split_at(request.len() - 10);
    client.send(part);
    for _ in 0..3 {
        server.signal(Signal::TERM);
    }
    await_refusal(server.platform);
    client.send(rest);
    assert_eq!(client.answer().status, 200);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(server.last_words(), "");
}

/// What a server says that has a grace and is told to stop.
fn told_to_stop(grace: &str) -> String {
    let ms = grace.strip_prefix("drain_grace_ms = ").expect("a grace");
    format!(
        "purser: told to stop: /readyz answers 503, and all is served for {ms} ms more (drain_grace_ms)\n"
    )
}

/// Once it is over the server stops as ever.
#[test]
fn a_grace_that_is_over() {
    for grace in ["drain_grace_ms = 0", "drain_grace_ms = 1", "drain_grace_ms = 300"] {
        let mut server = timed(grace).start(2);
        server.put_account("default/admin");
        let mut clients = server.clients();
        let request = balance("default/admin");
        let (part, rest) = request.split_at(request.len() - 10);
        let mut busy = server.client();
        busy.send(request.clone() + part);
        assert_eq!(busy.answer().status, 200);
        server.signal(Signal::TERM);
        for client in &mut clients {
            assert_eq!(client.end(), End::Closed, "{grace}");
        }
        await_refusal(server.platform);
        busy.send(rest);
        let answer = busy.answer();
        assert_eq!((answer.status, answer.field("Connection")), (200, Some("close")), "{grace}");
        busy.end_sending();
        assert_eq!(server.wait().code(), Some(0), "{grace}");
        let expect = if grace.ends_with(" 0") { String::new() } else { told_to_stop(grace) };
        assert_eq!(server.last_words(), expect, "{grace}");
    }
}

/// Signals that a server has no use for do not end it, and are said.
#[test]
fn signals_that_are_not_used() {
    let home = Home::demo(PURSER, DEMO_ACCOUNTS);
    let mut process = home.start(2);
    let mut client = process.client();
    for _ in 0..3 {
        for (signal, line) in [
            (Signal::HUP, "purser: SIGHUP came, and is not used: nothing is reloaded\n"),
            (Signal::USR1, "purser: SIGUSR1 came, and is not used: nothing follows from it\n"),
            (Signal::USR2, "purser: SIGUSR2 came, and is not used: nothing follows from it\n"),
        ] {
            process.signal(signal);
            assert_eq!(process.next_line(), line);
            assert_eq!(client.ask(&balance("default/admin")).body, DEMO_BALANCE);
        }
    }
    assert_eq!(process.stop(), "");
}
