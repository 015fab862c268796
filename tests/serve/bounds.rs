//! As many connections as there may be, and one more.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketType, ipproto};
use testkit::client::{Client, End};
use testkit::home::Server;
use testkit::message::{DEMO_BALANCE, balance, get};

use crate::stopping::half_sent;
use crate::{demo, timed};

/// The limit of open files, and so the places of a shard's file table.
const FILES: u32 = 128;

/// Whether the server serves this connection; else it has ended it.
fn is_served(client: &mut Client) -> bool {
    // A connection that has ended by now may not take it.
    let _ = client.writer().write_all(balance("default/admin").as_bytes());
    match client.read_answer(true) {
        Ok(answer) => {
            assert_eq!(answer.body, DEMO_BALANCE);
            true
        }
        Err(End::Closed | End::Reset) => false,
    }
}

/// The metrics come to tell of so many refusals; another shard's may be told of a moment later.
#[track_caller]
fn await_refused(operator: &mut Client, expect: f64) {
    for _ in 0..10_000 {
        let metrics = operator.metrics();
        let refused =
            metrics.iter().filter(|(name, _)| name.starts_with("purser_connections_refused_total{"));
        let refused: f64 = refused.map(|(_, value)| value).sum();
        assert!(refused <= expect, "{refused} refusals");
        if refused == expect {
            return;
        }
    }
    panic!("fewer than {expect} refusals are counted");
}

#[track_caller]
fn finish(client: &mut Client, rest: &str) {
    client.send(rest);
    assert_eq!(client.answer().body, DEMO_BALANCE);
}

/// Places of the platforms' listener at a shard of [`FILES`]: a quarter is the operator's, and a quarter for those that end.
const PLACES: usize = FILES as usize / 2;

#[test]
fn who_has_been_idle_for_longest_is_evicted() {
    let server = demo().limit_open_files(FILES).start(1);
    let mut clients: VecDeque<Client> = (0..PLACES).map(|_| server.client()).collect();
    assert!(clients.iter_mut().all(is_served));
    // Each newcomer has a place, and each time the one that has been idle for longest has lost it.
    for _ in 0..3 * PLACES {
        let mut newcomer = server.client();
        assert!(is_served(&mut newcomer));
        clients.push_back(newcomer);
        let mut oldest = clients.pop_front().expect("there are some");
        assert_eq!(oldest.end(), End::Closed);
        // Who is used again is not the oldest any more.
        let mut used = clients.pop_front().expect("there are some");
        assert!(is_served(&mut used));
        clients.push_back(used);
    }
    assert!(clients.iter_mut().all(is_served));
    await_refused(&mut server.operator(), 0.0);
}

/// A client that keeps what the server has answered for the last time keeps nobody out, at either listener.
#[test]
fn who_has_had_its_last_answer_is_evicted_first() {
    let close = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (is_operator, places) in [(false, PLACES), (true, FILES as usize / 4)] {
        let server = demo().limit_open_files(FILES).start(1);
        let client = || if is_operator { server.operator() } else { server.client() };
        let mut idle = client();
        assert_eq!(idle.ask(&get("/healthz")).status, 200);
        for (request, status) in [("X\r\n\r\n", 400), (close, 200)] {
            let mut done: Vec<Client> = (1..places).map(|_| client()).collect();
            for client in &mut done {
                client.send(request);
                assert_eq!(client.answer().status, status);
            }
            let mut newcomers: Vec<Client> = (1..places).map(|_| client()).collect();
            for client in &mut newcomers {
                assert_eq!(client.ask(&get("/healthz")).status, 200);
            }
            assert!(done.iter_mut().all(|client| matches!(client.end(), End::Closed | End::Reset)));
            assert_eq!(idle.ask(&get("/healthz")).status, 200, "it has only been idle");
            // They are evicted for the next round as those are that are idle.
            drop(newcomers);
        }
        let metrics = server.operator().metrics();
        let refused =
            metrics.iter().filter(|(name, _)| name.starts_with("purser_connections_refused_total{"));
        assert_eq!(refused.map(|(_, value)| value).sum::<f64>(), 0.0);
    }
}

#[test]
fn who_is_at_work_keeps_its_place() {
    for shards in [1, 2] {
        let server = demo().limit_open_files(FILES).start(shards);
        let mut busy: Vec<(Client, String)> = Vec::new();
        let mut refused = 0;
        while refused < 20 {
            let mut client = server.client();
            if is_served(&mut client) {
                let rest = half_sent(&mut client);
                busy.push((client, rest));
            } else {
                refused += 1;
            }
            assert!(busy.len() <= PLACES * shards);
        }
        assert!(busy.len() >= PLACES, "{} are served", busy.len());
        // The operator's listener has places of its own.
        let mut operator = server.operator();
        assert_eq!(operator.ask(&get("/readyz")).status, 200);
        await_refused(&mut operator, 20.0);
        for (client, rest) in &mut busy {
            finish(client, rest);
        }
        // Now they are idle.
        let mut newcomers: Vec<Client> = (0..PLACES / 2).map(|_| server.client()).collect();
        assert!(newcomers.iter_mut().all(is_served));
    }
}

/// What there is less of than there could be is said at the start, with what limits it and what to do.
#[test]
fn few_places_are_said_at_the_start() {
    let few = "purser: note: each shard has room for 128 connections, and not 16384: that is the hard limit of open files \
               (ulimit -Hn). Give the service LimitNOFILE=16384, or the container --ulimit nofile=16384\n";
    let server = demo().limit_open_files(FILES).start(1);
    assert!(server.said.contains(few), "{}", server.said);
}

#[test]
fn the_operators_listener_is_bounded_too() {
    let server = demo().limit_open_files(FILES).start(1);
    let mut clients: Vec<Client> = (0..FILES).map(|_| server.operator()).collect();
    let mut last = clients.pop().expect("there are some");
    assert_eq!(last.ask(&get("/readyz")).status, 200);
    assert_eq!(clients[0].end(), End::Closed);
    assert!(is_served(&mut server.client()), "the platforms have theirs");
}

/// A client at this address of the loopback network.
fn from(address: [u8; 4], server: &Server) -> Client {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP));
    let socket = socket.expect("a socket");
    rustix::net::bind(&socket, &SocketAddr::from((address, 0))).expect("an address");
    rustix::net::connect(&socket, &server.platform).expect("the server listens");
    Client::new(TcpStream::from(socket))
}

/// Who has read its last answer, or has ended its connection, is in nobody's way: a client that comes again has its place, at
/// each bound.
#[test]
fn a_client_that_comes_again_at_a_bound_is_never_refused() {
    for bound in ["max = 1", "per_address = 1\nexempt = []"] {
        let server = timed(&format!("\n[connections]\n{bound}\n")).start(1);
        server.put_account("default/admin");
        let mut last = None;
        for turn in 0..400 {
            // One leaves before the next one comes, and one that has been answered is evicted.
            if turn % 2 == 0 {
                drop(last.take());
            }
            let mut client = server.client();
            let answer = client.ask(&balance("default/admin"));
            assert_eq!(answer.status, 200, "{bound}, {turn}");
            last = Some(client);
        }
        let metrics = server.operator().metrics();
        for why in ["address", "full", "table"] {
            let name = format!("purser_connections_refused_total{{shard=\"0\",why=\"{why}\"}}");
            assert_eq!(metrics[&name], 0.0, "{bound}, {why}");
        }
    }
}

/// Of connections that come together each is evicted for the next one, and ends at once: none lives on without a place.
#[test]
fn those_who_come_together_are_evicted_for_each_other() {
    for bound in ["max = 1", "per_address = 1\nexempt = []"] {
        let no_time_runs_out = "request_ms = 86_400_000";
        let server = timed(&format!("{no_time_runs_out}\n\n[connections]\n{bound}\n")).start(1);
        server.put_account("default/admin");
        let clients: Vec<Client> = (0..200).map(|_| server.client()).collect();
        let mut operator = server.operator();
        // One of them, and the operator's.
        let is_bound = |_: usize| operator.metrics()["purser_connections{shard=\"0\"}"] <= 2.0;
        assert!((0..10_000).any(is_bound), "{bound}");
        drop(clients);
    }
}

#[test]
fn an_address_has_a_bound_of_its_own() {
    const HERE: [u8; 4] = [127, 0, 0, 1];
    const THERE: [u8; 4] = [127, 0, 0, 2];
    let bound = "\n[connections]\nper_address = 3\nexempt = [\"127.0.0.3/32\"]\n";
    let server = timed(bound).start(1);
    server.put_account("default/admin");
    let empty = DEMO_BALANCE.replace("1000000.00", "0.00").replace("\"Version\":1", "\"Version\":0");
    let ask = |client: &mut Client| {
        assert_eq!(client.ask(&balance("default/admin")).body, empty);
    };
    let mut other = from(THERE, &server);
    ask(&mut other);
    let mut here: Vec<Client> = (0..3).map(|_| from(HERE, &server)).collect();
    here.iter_mut().for_each(ask);
    // A fourth one takes the place of its own oldest, and of nobody else's.
    let mut fourth = from(HERE, &server);
    ask(&mut fourth);
    assert_eq!(here.remove(0).end(), End::Closed);
    here.push(fourth);
    // While they are at work a further one is refused.
    let request = balance("default/admin");
    let (part, rest) = request.split_at(request.len() - 10);
    for client in &mut here {
        client.send(request.clone() + part);
        assert_eq!(client.answer().body, empty);
    }
    let mut refused = from(HERE, &server);
    let _ = refused.writer().write_all(request.as_bytes());
    assert!(matches!(refused.read_answer(true), Err(End::Closed | End::Reset)));
    for client in &mut here {
        client.send(rest);
        assert_eq!(client.answer().body, empty);
    }
    ask(&mut other);
    // What is exempt has no bound.
    let mut proxied: Vec<Client> = (0..10).map(|_| from([127, 0, 0, 3], &server)).collect();
    proxied.iter_mut().for_each(ask);
    let metrics = server.operator().metrics();
    assert_eq!(metrics["purser_connections_refused_total{shard=\"0\",why=\"address\"}"], 1.0);
    assert_eq!(metrics["purser_connections_evicted_total{shard=\"0\"}"], 1.0);
}
