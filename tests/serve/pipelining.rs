//! Pipelining (RFC 9112 §9.3.2): whatever the requests, however their bytes are cut, and however many there are,
//! the answers are those that they would have had one by one, in their order.
//!
//! Tokens are of the wrapped policy here: each answer names its account, so that one that is out of its place
//! shows, and each request goes by way of two shards.

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use rustix::net::{AddressFamily, SocketType, ipproto, sockopt};
use testkit::client::{Answer, Client, End};
use testkit::home::Server;
use testkit::message::{
    ADMIN, DEMO_TOKEN, balance, body, call, chunked, create_token, get, operator, post, redeem_token,
    redeemed, wrapped,
};

use crate::play::{Player, demo_players};
use crate::{DEMO_ACCOUNTS, demo};

/// One request of a list.
#[derive(Clone, Debug)]
enum Kind {
    Balance(u32),
    Redeem(u32),
    UnknownSession,
    UnknownAccount,
    Malformed,
    NotAuthentic,
    NotFound,
    NotAllowed,
    Head,
    /// Another one, its body in chunks of so many bytes.
    Chunked(Box<Kind>, usize),
}

impl Kind {
    fn any() -> impl Strategy<Value = Self> {
        let account = 1..=DEMO_ACCOUNTS;
        let call = prop_oneof![
            4 => account.clone().prop_map(Self::Balance),
            4 => account.prop_map(Self::Redeem),
            1 => Just(Self::UnknownSession),
            1 => Just(Self::UnknownAccount),
            1 => Just(Self::Malformed),
            1 => Just(Self::NotAuthentic),
            1 => Just(Self::NotFound),
        ];
        let in_chunks = |(call, bytes)| Self::Chunked(Box::new(call), bytes);
        prop_oneof![
            6 => call.clone(),
            2 => (call, 1usize..200).prop_map(in_chunks),
            1 => Just(Self::NotAllowed),
            1 => Just(Self::Head),
        ]
    }

    fn text(&self) -> String {
        match self {
            Self::Balance(number) => balance(&format!("default/player-{number:06}")),
            Self::Redeem(number) => redeem(*number, 0),
            Self::UnknownSession => redeem_token(&wrapped("nobody's", 0)),
            Self::UnknownAccount => balance("default/nobody"),
            Self::Malformed => call("balance", ""),
            Self::NotAuthentic => post("/v1.0/balance", "", "{}"),
            Self::NotFound => post("/nothing", ADMIN, "{}"),
            Self::NotAllowed => get("/v1.0/balance"),
            Self::Head => get("/v1.0/balance").replace("GET", "HEAD"),
            Self::Chunked(kind, chunk_bytes) => chunked(&kind.text(), *chunk_bytes),
        }
    }

    fn has_body(&self) -> bool {
        !matches!(self, Self::Head)
    }
}

/// `redeemtoken` for a demo account, with so many bytes that say nothing.
fn redeem(number: u32, padding: usize) -> String {
    let token = wrapped(&format!("demo-{number:06}"), 0);
    let padding = if padding == 0 { String::new() } else { format!(r#","X":"{}""#, "x".repeat(padding)) };
    call("session/redeemtoken", &format!(r#""SessionToken":"{token}","IPAddress":"192.0.2.1"{padding}"#))
}

/// The answers to `requests`, which are sent in `pieces`.
fn ask(client: &mut Client, requests: &[Kind], pieces: &[&[u8]]) -> Vec<Answer> {
    pieces.iter().for_each(|piece| client.send(piece));
    let mut read = |request: &Kind| client.read_answer(request.has_body()).expect("an answer").without_date();
    requests.iter().map(&mut read).collect()
}

/// `whole`, cut at `cuts`.
fn cut<'a>(whole: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
    ends.push(whole.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| &whole[std::mem::replace(&mut start, end)..end]).collect()
}

#[test]
fn any_pieces_of_any_requests() {
    for shards in [1, 2] {
        let server = demo().wrap_tokens().start(shards);
        let cases = (vec(Kind::any(), 1..80), vec(any::<Index>(), 0..30));
        let config = ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() };
        let tried = TestRunner::new(config).run(&cases, |(requests, cuts)| {
            let texts: Vec<String> = requests.iter().map(Kind::text).collect();
            let (mut one_by_one, mut expect) = (server.client(), Vec::new());
            for (request, text) in requests.iter().zip(&texts) {
                expect.extend(ask(&mut one_by_one, std::slice::from_ref(request), &[text.as_bytes()]));
            }
            let whole = texts.concat().into_bytes();
            for client in &mut server.clients() {
                prop_assert_eq!(&ask(client, &requests, &[&whole]), &expect);
                prop_assert_eq!(&ask(client, &requests, &cut(&whole, &cuts)), &expect);
            }
            Ok(())
        });
        tried.unwrap_or_else(|error| panic!("{shards} shards: {error}"));
    }
}

/// The account that request number `at` of a list is about; its neighbours are about others.
fn account(at: usize) -> u32 {
    (at * 7 % DEMO_ACCOUNTS as usize) as u32 + 1
}

#[track_caller]
fn check_redeemed(client: &mut Client, at: usize) {
    let number = account(at);
    let expect = redeemed(&format!("default/player-{number:06}"), &format!("demo-{number:06}"));
    assert_eq!(client.answer().body, expect, "answer {at}");
}

/// `depth` requests in one write; who writes them reads at the same time.
#[track_caller]
fn check_depth(mut client: Client, depth: usize) {
    let requests: String = (0..depth).map(|at| redeem(account(at), 0)).collect();
    let mut writer = client.writer();
    std::thread::scope(|threads| {
        threads.spawn(move || writer.write_all(requests.as_bytes()).expect("the server reads"));
        (0..depth).for_each(|at| check_redeemed(&mut client, at));
    });
    client.end_sending();
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn any_depth() {
    for shards in [1, 2] {
        let server = demo().wrap_tokens().start(shards);
        for depth in [1, 2, 31, 32, 33, 63, 64, 65, 1_000, 20_000] {
            server.clients().into_iter().for_each(|client| check_depth(client, depth));
        }
    }
}

/// Many at once: the lanes between the shards and the turns are shared.
#[test]
fn many_connections() {
    let server = demo().wrap_tokens().start(2);
    let server = &server;
    std::thread::scope(|threads| {
        for _ in 0..16 {
            threads.spawn(|| check_depth(server.client(), 500));
        }
    });
    let metrics = server.operator().metrics();
    let refused = metrics.iter().filter(|(name, _)| name.starts_with("purser_lane_refused_total"));
    assert_eq!(refused.map(|(_, value)| value).sum::<f64>(), 0.0, "64 at each of 16 connections fit in");
}

/// A connection that takes as little as the kernel lets it, until it reads.
fn narrow(address: SocketAddr) -> Client {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP));
    let socket = socket.expect("a socket");
    sockopt::set_socket_recv_buffer_size(&socket, 65_536).expect("a receive buffer");
    sockopt::set_socket_send_buffer_size(&socket, 65_536).expect("a send buffer");
    rustix::net::connect(&socket, &address).expect("the server listens");
    Client::new(TcpStream::from(socket))
}

/// Writes until the peer takes no more, or all is written; says how much that is.
fn write_until_stuck(writer: &mut TcpStream, bytes: &[u8]) -> usize {
    // Longer than a server that still works on it leaves a connection alone.
    writer.set_write_timeout(Some(std::time::Duration::from_millis(500))).expect("a time-out");
    let mut written = 0;
    while written < bytes.len() {
        match writer.write(&bytes[written..]) {
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error} after {written} bytes"),
        }
    }
    writer.set_write_timeout(Some(testkit::process::PATIENCE)).expect("a time-out");
    written
}

/// A reader that starts late: the server holds neither its requests nor its answers meanwhile, stops reading
/// from it, and has lost nothing when it comes.
#[track_caller]
fn check_late(server: &Server, address: SocketAddr, requests: &str, mut read_all: impl FnMut(&mut Client)) {
    /// What the server may take for the connection. Its allocator takes memory in pieces of some MiB; the requests
    /// or their answers would take twice as much as this.
    const GROWTH_KIB_MAX: u64 = 12 * 1_024;
    let before_kib = server.resident_kib();
    let mut client = narrow(address);
    let mut writer = client.writer();
    let written = write_until_stuck(&mut writer, requests.as_bytes());
    let grown_kib = server.resident_kib().saturating_sub(before_kib);
    assert!(grown_kib <= GROWTH_KIB_MAX, "{grown_kib} KiB more for {written} bytes of requests");
    // Others are served meanwhile.
    assert_eq!(server.client().ask(&balance("default/nobody")).body, r#"{"ErrorCode":-5}"#);
    std::thread::scope(|threads| {
        let rest = &requests.as_bytes()[written..];
        threads.spawn(move || writer.write_all(rest).expect("the server reads on"));
        read_all(&mut client);
    });
    client.end_sending();
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn a_late_reader() {
    const DEPTH: usize = 20_000;
    let requests: String = (0..DEPTH).map(|at| redeem(account(at), 1_000)).collect();
    for shards in [1, 2] {
        let server = demo().wrap_tokens().start(shards);
        // Buffers that are there once and for all are touched by now.
        for client in server.clients() {
            check_depth(client, DEPTH);
        }
        let read_all = |client: &mut Client| (0..DEPTH).for_each(|at| check_redeemed(client, at));
        check_late(&server, server.platform, &requests, read_all);
    }
}

/// Here it is the answers that would fill the memory.
#[test]
fn a_late_reader_of_large_answers() {
    const DEPTH: usize = 8_000;
    let server = demo().wrap_tokens().start(1);
    check_depth(server.client(), 20_000);
    let request = get(&format!("/metrics?{}", "x".repeat(2_000)));
    check_late(&server, server.operator, &request.repeat(DEPTH), |client| {
        for at in 0..DEPTH {
            assert_eq!(client.answer().status, 200, "answer {at}");
        }
    });
}

/// The operator's calls keep their order too, reads behind writes of the same connection among them.
#[test]
fn a_flow_in_one_write() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let mut client = server.operator();
        for number in 1..=16 {
            let path = format!("/operator/v1/accounts/default/new-{number}");
            let call = |method: &str, below: &str, body: &str| {
                operator(method, &format!("{path}{below}"), DEMO_TOKEN, body)
            };
            let key = format!("key-{number}");
            client.send(
                [
                    call("PUT", "", r#"{"CountryCode":"FR"}"#),
                    call("GET", "", ""),
                    call("PUT", "/status", r#"{"Status":"frozen"}"#),
                    call("GET", "", ""),
                    call("POST", "/sessions", &format!(r#"{{"SessionKey":"{key}"}}"#)),
                    call("DELETE", "/sessions/other", ""),
                    call("PUT", "", r#"{"CountryCode":"DE"}"#),
                ]
                .concat(),
            );
            let mut row = |status: u16, expect: &str| {
                let answer = client.answer();
                assert_eq!(answer.status, status, "{}", answer.body);
                assert!(answer.body.contains(expect), "{}", answer.body);
            };
            row(201, "{}");
            row(200, r#""CountryCode":"FR","Status":"active""#);
            row(200, r#"{"Status":"frozen"}"#);
            row(200, r#""CountryCode":"FR","Status":"frozen""#);
            row(201, &key);
            row(404, "no such session");
            row(200, "{}");
        }
    }
}

/// A token is redeemed behind others that can't be: a refusal takes its place as a success does.
#[test]
fn single_use_tokens_in_one_write() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        for client in &mut server.clients() {
            for number in 1..=16 {
                let id = format!("default/player-{number:06}");
                let made = client.ask(&create_token(&id)).body;
                let token = made.split('"').rev().nth(1).expect("a token").to_owned();
                let redeem = redeem_token(&token);
                client.send(redeem.repeat(3) + &call("balance", "") + &redeem);
                let good = redeemed(&id, &format!("demo-{number:06}"));
                for code in [0, -3, -3, -6, -3] {
                    let refused = format!(r#"{{"ErrorCode":{code}}}"#);
                    assert_eq!(&client.answer().body, if code == 0 { &good } else { &refused });
                }
            }
        }
    }
}

/// A body that comes in as many pieces as it has bytes.
#[test]
fn bytes_one_by_one() {
    let server = demo().wrap_tokens().start(2);
    for client in &mut server.clients() {
        let request = post("/v1.0/balance", ADMIN, &body("L100", r#""OperatorAccountID":"default/nobody""#));
        for text in [chunked(&request, 3), request] {
            text.as_bytes().chunks(1).for_each(|byte| client.send(byte));
            assert_eq!(client.answer().body, r#"{"ErrorCode":-5}"#);
        }
    }
}

/// Bets, their repeats, winnings, some of them with a foreign key, and reads, of players of every kind in turn: each
/// answer tells the version that its place in the order has. Winnings with a key that is not their account's ask
/// other shards first, and nothing behind them goes ahead.
#[test]
fn rounds_in_one_write() {
    const ROUNDS: u64 = 50;
    for shards in [1, 2] {
        let server = demo().start(shards);
        let mut kinds = demo_players();
        for client in &mut server.clients() {
            let players: Vec<Player> = kinds.iter_mut().map(|kind| kind.remove(0)).collect();
            let (mut requests, mut expect) = (String::new(), Vec::new());
            for number in 0..ROUNDS {
                for (at, player) in players.iter().enumerate() {
                    let round = format!("r{number}");
                    let foreign = &players[(at + 1 + number as usize % 3) % players.len()].key;
                    let win = player.win(&round, "w", "0.25").ends();
                    let cash = |less_cents: u64| {
                        let cents = 100_000_000 - 75 * number - less_cents;
                        format!("{}.{:02}", cents / 100, cents % 100)
                    };
                    let version = 1 + 2 * number;
                    let bet = player.bet(&round, "b", "1.00");
                    let rows = [
                        (bet.clone(), 0, cash(100), version + 1),
                        (bet, 0, cash(100), version + 1),
                        (win.clone().text("GatewaySessionToken", foreign), -5, String::new(), 0),
                        (win.clone().text("GatewaySessionToken", "nobody's"), 0, cash(75), version + 2),
                        (win, 0, cash(75), version + 2),
                        (player.balance(), 0, cash(75), version + 2),
                        (player.bet(&round, "late", "1.00"), -7, cash(75), version + 2),
                    ];
                    for (play, code, cash, version) in rows {
                        requests += &play.request();
                        expect.push(match code {
                            -5 => r#"{"ErrorCode":-5}"#.to_owned(),
                            _ => play.answered(code, &cash, version),
                        });
                    }
                }
            }
            let mut writer = client.writer();
            std::thread::scope(|threads| {
                threads.spawn(move || writer.write_all(requests.as_bytes()).expect("the server reads"));
                for (at, expect) in expect.iter().enumerate() {
                    assert_eq!(&client.answer().body, expect, "answer {at}");
                }
            });
        }
    }
}
