//! A server that starts answers health checks, and says that it takes no calls, until its data are there.
//!
//! A start is held up for as long as a test wants: in place of a shard's snapshot there is a pipe, which nothing comes
//! out of until the test puts the snapshot's bytes in.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use testkit::client::{Answer, Client, End};
use testkit::home::{Home, Server, TOKEN};
use testkit::message::{self, ADMIN, balance, body, call, chunked, create_token, get, post};

use crate::missing::{DEPOSITS, SHARDS, Served, accounts, told};

/// A start that waits for shard 0.
struct Held {
    snapshot: PathBuf,
    aside: PathBuf,
    pipe: File,
}

impl Held {
    /// Holds up the next start.
    #[track_caller]
    fn new(home: &Home) -> Self {
        let entries = fs::read_dir(home.data().join("gen-1/shard-0")).expect("it was served from");
        let paths = entries.flatten().map(|entry| entry.path());
        let is_snapshot = |path: &PathBuf| path.display().to_string().contains("/snapshot-");
        let snapshot = paths.into_iter().find(is_snapshot).expect("each shard has one");
        let aside = home.beside("snapshot");
        fs::rename(&snapshot, &aside).expect("it is there");
        mknodat(CWD, &snapshot, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe is made");
        // Opened for both, so that neither end waits for the other.
        let pipe = OpenOptions::new().read(true).write(true).open(&snapshot).expect("the pipe is there");
        Self { snapshot, aside, pipe }
    }

    /// Lets it go on: with the snapshot, or with something else.
    fn release(self, bytes: Option<&[u8]>) {
        let Self { snapshot, aside, mut pipe } = self;
        let whole = fs::read(&aside).expect("it is there");
        // It reads a snapshot twice: the pipe was opened for the first time.
        fs::rename(aside, snapshot).expect("the pipe makes way");
        pipe.write_all(bytes.unwrap_or(&whole)).expect("the pipe has the room");
    }
}

/// A start on data of some deposits, which is held up, and has said where it can be asked.
#[track_caller]
fn held() -> (Served, Held, Server) {
    let served = Served::new(true);
    let held = Held::new(&served.home);
    let mut process = served.home.spawn(SHARDS);
    process.await_startup();
    (served, held, process)
}

/// A request is answered, and the connection ends with that.
#[track_caller]
fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut client = Client::connect(address);
    let answer = client.ask(request);
    check_last(&mut client, &answer);
    answer
}

#[track_caller]
fn check_last(client: &mut Client, answer: &Answer) {
    assert_eq!(answer.field("Connection"), Some("close"), "{answer:?}");
    client.end_sending();
    assert_eq!(client.end(), End::Closed, "{answer:?}");
}

/// What `/readyz` says once shard 1 is read and shard 0 is not: each has a segment that was written and one that was made
/// ready.
const HALF: &str = r#"{"Error":"The server is starting: 128 of 257 MiB of its data are read, 50 %."}"#;

/// Waits until all is read that can be.
#[track_caller]
fn await_half(process: &Server) {
    for _ in 0..1_000_000 {
        let answer = ask(process.operator, &get("/readyz"));
        assert_eq!(answer.status, 503);
        if answer.body == HALF {
            return;
        }
        assert!(answer.body.starts_with(r#"{"Error":"The server is starting: "#), "{answer:?}");
    }
    panic!("nothing is read");
}

#[test]
fn a_start_says_how_far_it_is() {
    let (served, held, mut process) = held();
    await_half(&process);
    let mut half: Vec<Client> = Vec::new();
    for address in [process.platform, process.operator] {
        let health = ask(address, &get("/healthz"));
        assert_eq!((health.status, health.body.as_str()), (200, r#"{"Status":"ok"}"#));
        assert_eq!(health.field("Content-Type"), Some("application/json"));
        let ready = ask(address, &get("/readyz"));
        assert_eq!((ready.status, ready.body.as_str()), (503, HALF));
        for (path, expect) in [("/healthz", health), ("/readyz", ready)] {
            let head = get(path).replace("GET ", "HEAD ");
            assert_eq!(ask(address, &head).without_date(), expect.without_body().without_date());
        }
        for target in ["*", "/"] {
            let request = get(target).replace("GET ", "OPTIONS ");
            let mut client = Client::connect(address);
            client.send(&request);
            let answer = client.answer_to_head();
            assert!(answer.status == 204 && answer.field("Allow").is_some(), "{answer:?}");
            check_last(&mut client, &answer);
        }
        let mut client = Client::connect(address);
        client.send(&get("/readyz")[..10]);
        half.push(client);
    }
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2] {
        process.signal(signal);
        assert!(process.next_line().contains(" came, and is not used: "));
    }
    held.release(None);
    process.await_addresses();
    // What was accepted before is answered as it is now.
    for mut client in half {
        client.send(&get("/readyz")[10..]);
        let answer = client.answer();
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"Status":"ok"}"#));
        check_last(&mut client, &answer);
    }
    for account in accounts() {
        process.check(&balance(&account), &told(DEPOSITS));
    }
    assert_eq!(process.stop(), "");
    drop(served);
}

/// Whatever is asked of a start is answered, once, and the connection ends with that.
#[test]
fn a_start_takes_no_call() {
    let (_served, held, mut process) = held();
    await_half(&process);
    let (platform, operator) = (process.platform, process.operator);
    let account = &accounts()[0];
    let check = |address: SocketAddr, request: &str, status: u16| {
        let answer = ask(address, request);
        assert_eq!(answer.status, status, "{request}");
        if status == 503 {
            assert_eq!(answer.body, HALF, "{request}");
        }
        // However it is cut up.
        let mut client = Client::connect(address);
        let (part, rest) = request.split_at(request.len() - 1);
        client.send(part);
        let mut another = Client::connect(address);
        assert_eq!(another.ask(&get("/healthz")).status, 200);
        client.send(rest);
        let cut_up = client.answer();
        check_last(&mut client, &cut_up);
        assert_eq!(cut_up.without_date(), answer.without_date(), "{request}");
    };
    check(platform, &balance(account), 503);
    check(platform, &create_token("default/nobody"), 503);
    check(platform, &chunked(&balance(account), 7), 503);
    check(platform, &post("/v1.0/balance", "", &body("L100", "")), 503);
    check(platform, &call("gameround/placebet", r#""no":"#), 503);
    check(platform, &post("/v1.0/nothing", ADMIN, "{}"), 404);
    check(platform, &get("/v1.0/balance"), 405);
    check(platform, &get("/metrics"), 404);
    check(operator, &get("/metrics"), 503);
    check(operator, &post("/healthz", "", ""), 405);
    for (method, sent) in [("GET", ""), ("PUT", r#"{"CountryCode":"GB"}"#)] {
        for token in [TOKEN, "another"] {
            let path = format!("/operator/v1/accounts/{account}");
            check(operator, &message::operator(method, &path, token, sent), 503);
        }
    }
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), 200),
        ("BREW / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 501),
        (post("/v1.0/balance", "Content-Encoding: gzip\r\n", "{}"), 415),
        ("POST /v1.0/balance HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n".to_owned(), 413),
        (get(&"/x".repeat(1_025)), 414),
        // Who asks for leave to send a body is told at once.
        (
            "POST /v1.0/balance HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
                .into(),
            503,
        ),
        (balance(account).repeat(20), 503),
        (post("/v1.0/balance", ADMIN, &"x".repeat(65_536)), 503),
    ] {
        assert_eq!(ask(platform, &request).status, status, "{request}");
    }
    // A connection that was made before is answered after the start, and not by guessing.
    let mut before = Client::connect(platform);
    before.send(&balance(account)[..20]);
    assert_eq!(ask(platform, &get("/healthz")).status, 200);
    held.release(None);
    process.await_addresses();
    before.send(&balance(account)[20..]);
    let answer = before.answer();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            503,
            r#"{"Error":"The server was starting when this connection was made: ask again on another one."}"#
        )
    );
    check_last(&mut before, &answer);
    process.check(&balance(account), &told(DEPOSITS));
    assert_eq!(process.stop(), "");
}

/// Who is let in while the server starts, and asks nothing, is evicted soon after: what it would ask is for the shards.
#[test]
fn an_idle_connection_from_before_the_start_ends() {
    let mut served = Served::new(true);
    served.home.configure(&[("default", "GBP")], "\n[timeouts]\nrequest_ms = 86_400_000\n");
    let held = Held::new(&served.home);
    let mut process = served.home.spawn(SHARDS);
    process.await_startup();
    let mut idle = [process.platform, process.operator].map(Client::connect);
    for address in [process.platform, process.operator] {
        // It is answered behind them, so that they were let in.
        assert_eq!(ask(address, &get("/healthz")).status, 200);
    }
    held.release(None);
    process.await_addresses();
    for client in &mut idle {
        assert_eq!(client.end(), End::Closed);
    }
    assert_eq!(process.stop(), "");
}

/// From the start on, through the hand-over, no connection is refused, reset or left without an answer.
#[test]
fn health_checks_through_the_hand_over() {
    let (_served, held, mut process) = held();
    let (platform, operator) = (process.platform, process.operator);
    let (is_over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let account = &accounts()[1];
    std::thread::scope(|threads| {
        for address in [platform, operator] {
            let (is_over, served) = (&is_over, &served);
            threads.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(Client::connect(address).ask(&get("/healthz")).status, 200);
                    let ready = Client::connect(address).ask(&get("/readyz"));
                    if address == platform {
                        let answer = Client::connect(address).ask(&balance(account));
                        match answer.status {
                            503 => assert!(answer.body.contains("The server is starting"), "{answer:?}"),
                            200 => assert_eq!(answer.body, told(DEPOSITS)),
                            _ => panic!("{answer:?}"),
                        }
                        // Who was told that it is ready is served.
                        assert!(ready.status == 503 || answer.status == 200, "{ready:?} {answer:?}");
                    }
                    served.fetch_add(usize::from(ready.status == 200), Ordering::Relaxed);
                }
            });
        }
        await_half(&process);
        held.release(None);
        process.await_addresses();
        // From here on all are served.
        while served.load(Ordering::Relaxed) < 200 {
            process.check(&balance(account), &told(DEPOSITS));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(process.stop(), "");
}

/// More connections that ask nothing than a start keeps: they are evicted, and those of one listener for none of the other's.
#[test]
fn idle_connections_make_way() {
    let (_served, held, mut process) = held();
    let mut idle: Vec<Client> = (0..530).map(|_| Client::connect(process.platform)).collect();
    assert_eq!(idle[0].end(), End::Closed);
    for address in [process.operator, process.platform] {
        assert_eq!(ask(address, &get("/healthz")).status, 200);
    }
    held.release(None);
    process.await_addresses();
    let mut last = idle.pop().expect("the last one");
    assert_eq!(last.ask(&get("/healthz")).status, 200);
    // Those that were asked nothing keep no server from stopping.
    assert_eq!(process.stop(), "");
    assert_eq!(idle.pop().expect("another one").end(), End::Closed);
}

/// A start that finds its data damaged ends as ever, and so does one that is killed.
#[test]
fn a_start_that_ends() {
    let (_served, held, mut process) = held();
    held.release(Some(b"something else"));
    assert_eq!(process.wait().code(), Some(2));
    let words = process.last_words();
    assert!(words.starts_with("purser: can't recover: ") && words.contains("/snapshot-"), "{words}");

    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let (served, held, mut process) = self::held();
        let mut idle = Client::connect(process.platform);
        assert_eq!(ask(process.platform, &get("/healthz")).status, 200);
        process.signal(signal);
        assert_eq!(process.wait().signal(), Some(signal.as_raw()));
        assert_eq!(process.last_words(), "");
        assert_eq!(idle.end(), End::Closed);
        held.release(None);
        let process = served.home.start(SHARDS);
        process.check(&balance(&accounts()[0]), &told(DEPOSITS));
        assert_eq!(process.stop(), "");
    }
}
