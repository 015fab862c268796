//! What becomes of requests whose time is over or whose client has gone, on a connection without a ring.

mod scripted;

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::*;
use crate::net::readiness::Readiness;
use crate::net::stages::Stages;
use crate::net::{METRIC_NAMES, Timeouts};
use api::{Api, Manners, Platform};
use clock::Clock;
use clock::Now;
use journal::{Journal, Origin, Point};
use metrics::Registry;
use partition::Partition;
use ring::{Event, Received, Ring, Sizes};
use shard::core::Core;
use shard::mesh::Mesh;
use wallet::platform::Dialect;
use wallet::{Catalog, Currency, Domain, PlatformKey, Wallet};

const BUDGET_MS: u64 = 700;

/// A core without a ring.
struct Bench {
    responder: Responder,
    shard: Shard<Waiter>,
    connection: Connection,
}

impl Bench {
    fn new(service: Service) -> Self {
        let key = PlatformKey::new("L100").unwrap();
        let domain = Domain::new("default".into(), Currency::from_code("GBP").unwrap(), [key]);
        let catalog = Arc::new(Catalog::new(vec![domain], ["11588".to_owned()]));
        let partition = Partition::new(1);
        let origin = Origin { stream: 1, shard: 0, shards: 1 };
        let journal = Journal::new(origin, Point::START);
        let core = Core::new(partition.shard(0), partition, Wallet::new(catalog), journal);
        let registry = Arc::new(Registry::new(1, METRIC_NAMES));
        let metrics = registry.shard(0);
        let mesh = Arc::new(Mesh::new(partition).unwrap());
        let platform = Platform {
            key,
            user: "admin".into(),
            password: "admin".into(),
            dialect: Dialect::default(),
            manners: Manners::default(),
            budget_ms: BUDGET_MS as u32,
        };
        let api = Api::new(vec![platform], Some("demo".into()));
        let stages = Stages::new(partition.shard(0), Clock::start(), Arc::clone(&metrics));
        let readiness = Arc::new(Readiness::default());
        let budget_ms = limits::BUDGET_MS;
        let responder =
            Responder::new(api, registry, stages, Arc::clone(&metrics), readiness, budget_ms, [0; 32]);
        let shard = Shard::new(core, mesh, metrics, 0);
        Self {
            responder,
            shard,
            connection: Connection::new(ConnectionId::new(0, 0), service, Client::V4(0), 0),
        }
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.responder.now = Now { wall_ms: 1_700_000_000_000 + ms, mono_ns: ms * NS_PER_MS };
        self
    }

    /// Bytes come, of which so many requests may be served.
    fn bytes(&mut self, bytes: &str, share: usize) -> &mut Self {
        let Self { responder, shard, connection } = self;
        connection.on_bytes(bytes.as_bytes(), &mut Server { responder, shard, share });
        self
    }

    /// It has its turn.
    fn turn(&mut self) -> &mut Self {
        let Self { responder, shard, connection } = self;
        connection.serve_backlog(&mut Server { responder, shard, share: limits::REQUESTS_PER_TURN });
        self
    }

    /// The bodies of the answers so far.
    fn answers(&mut self) -> Vec<String> {
        let text = String::from_utf8(self.connection.replies.take_ready()).unwrap();
        let answers = text.split("HTTP/1.1 ").skip(1);
        answers
            .map(|answer| format!("{} {}", &answer[..3], answer.split_once("\r\n\r\n").unwrap().1))
            .collect()
    }
}

const TIMESTAMP: &str = "2020-01-01T00:00:00Z";

/// A balance of an account that is not there: -5 where it is looked for.
fn balance(fields: &str) -> String {
    let body = format!(
        r#"{{"PlatformKey":"L100","Sequence":"1","Timestamp":"{TIMESTAMP}","OperatorAccountID":"default/a"}}"#
    );
    let length = body.len();
    format!(
        "POST /v1.0/balance HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

const LOOKED_FOR: &str = r#"200 {"ErrorCode":-5}"#;
const TOO_LATE: &str = r#"200 {"ErrorCode":-1}"#;

/// A request with these fields came at 0 and has its turn at `ms`.
#[track_caller]
fn check_late(fields: &str, ms: u64, expect: &str) {
    let mut bench = Bench::new(Service::Platform);
    bench.at(0).bytes(&balance(fields), 0);
    assert_eq!(bench.connection.queue(), Some(QueueKind::New));
    assert_eq!(bench.at(ms).turn().answers(), [expect], "{fields} at {ms}");
}

#[test]
fn a_request_that_can_not_be_answered_in_its_time_is_refused() {
    check_late("", 0, LOOKED_FOR);
    check_late("", BUDGET_MS - 1, LOOKED_FOR);
    check_late("", BUDGET_MS, TOO_LATE);
    check_late("Request-Timeout: 50\r\n", 49, LOOKED_FOR);
    check_late("Request-Timeout: 50\r\n", 50, TOO_LATE);
    check_late("Request-Timeout: 5000\r\n", BUDGET_MS, LOOKED_FOR);
    check_late("Request-Timeout: 5000\r\n", 5_000, TOO_LATE);
}

#[test]
fn the_operator_is_told_503() {
    let request =
        "GET /operator/v1/accounts/default/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer demo\r\n\r\n";
    for (ms, status) in [(limits::BUDGET_MS - 1, "404"), (limits::BUDGET_MS, "503")] {
        let mut bench = Bench::new(Service::Operator);
        bench.at(0).bytes(request, 0);
        let answers = bench.at(ms).turn().answers();
        assert!(answers.len() == 1 && answers[0].starts_with(status), "{answers:?} at {ms}");
    }
}

/// Its time runs from its last byte; and not while its own peer keeps it from being served.
#[test]
fn a_request_is_late_by_its_own_time_alone() {
    let request = balance("");
    let (part, rest) = request.split_at(request.len() - 1);
    let mut bench = Bench::new(Service::Platform);
    bench.at(0).bytes(part, 1);
    bench.at(9_000).bytes(rest, 0);
    assert_eq!(bench.at(9_000 + BUDGET_MS - 1).turn().answers(), [LOOKED_FOR]);
}

/// The peer ends its side at `end_ms`, after its request came at 0 and before the request was looked at.
#[track_caller]
fn check_end(end_ms: u64, is_served: bool) {
    let mut bench = Bench::new(Service::Platform);
    bench.at(0).bytes(&balance(""), 0);
    assert_eq!(bench.connection.on_end(end_ms * NS_PER_MS, 1), is_served, "{end_ms}");
    assert_eq!(bench.connection.is_over(), !is_served, "{end_ms}");
    let expect: &[&str] = if is_served { &[LOOKED_FOR] } else { &[] };
    assert_eq!(bench.at(end_ms).turn().answers(), expect, "{end_ms}");
}

#[test]
fn a_request_whose_client_has_gone_is_dropped() {
    check_end(0, true);
    check_end(limits::GONE_AFTER_MS - 1, true);
    check_end(limits::GONE_AFTER_MS, false);
    check_end(10_000, false);
    // A client that has been answered and ends has not given up on anything.
    let mut bench = Bench::new(Service::Platform);
    bench.at(0).bytes(&balance(""), 1);
    assert!(bench.connection.on_end(10_000 * NS_PER_MS, 1));
    assert_eq!(bench.answers(), [LOOKED_FOR]);
}

/// A connection is accepted that may have waited for `waited_ms`; its request comes `after_ms` later, and its end with it.
#[track_caller]
fn check_end_after_accept(waited_ms: u64, after_ms: u64, is_served: bool) {
    let mut bench = Bench::new(Service::Platform);
    let (accepted_ms, now_ms) = (9_000, 9_000 + after_ms);
    bench.connection.may_have_waited((accepted_ms - waited_ms) * NS_PER_MS, accepted_ms * NS_PER_MS);
    bench.at(now_ms).bytes(&balance(""), 0);
    assert_eq!(bench.connection.on_end(now_ms * NS_PER_MS, 1), is_served, "{waited_ms} {after_ms}");
    let expect: &[&str] = if is_served { &[LOOKED_FOR] } else { &[] };
    assert_eq!(bench.turn().answers(), expect, "{waited_ms} {after_ms}");
}

#[test]
fn a_request_whose_client_has_gone_before_it_was_accepted_is_dropped() {
    let (gone, later) = (limits::GONE_AFTER_MS, limits::MAY_HAVE_GONE_AFTER_MS);
    check_end_after_accept(0, 0, true);
    check_end_after_accept(gone - 1, 0, true);
    check_end_after_accept(gone, 0, false);
    check_end_after_accept(gone, later - 1, false);
    // What comes so long after the accept has not waited for it, however long the connection has.
    check_end_after_accept(gone, later, true);
    check_end_after_accept(5_000, later, true);
    // Nor has a second request.
    let mut bench = Bench::new(Service::Platform);
    bench.connection.may_have_waited(0, 5_000 * NS_PER_MS);
    bench.at(5_000).bytes(&balance(""), 1);
    bench.bytes(&balance(""), 0);
    assert!(bench.connection.on_end(5_000 * NS_PER_MS, 1));
    assert_eq!(bench.turn().answers(), [LOOKED_FOR; 2]);
}

/// An end that nobody has looked for, since the core was held up or the connection was not read, may be as old as the request.
#[test]
fn an_end_counts_from_when_it_was_looked_for() {
    for (armed_ms, looked_ms, is_served) in [(50, 50, true), (50, 40, true), (50, 51, false), (0, 1, false)] {
        let mut bench = Bench::new(Service::Platform);
        bench.at(0).bytes(&balance(""), 0);
        bench.connection.armed_ns = armed_ms * NS_PER_MS;
        let is_there = bench.connection.on_end(90 * NS_PER_MS, looked_ms * NS_PER_MS);
        assert_eq!(is_there, is_served, "{armed_ms} {looked_ms}");
    }
}

#[test]
fn what_has_come_behind_a_request_that_waits_is_looked_at_first() {
    let mut bench = Bench::new(Service::Platform);
    bench.at(0).bytes(&balance(""), 0);
    bench.connection.look_behind();
    bench.connection.receiving = true;
    assert_eq!(bench.connection.queue(), None);
    bench.connection.on_received();
    assert_eq!(bench.connection.queue(), Some(QueueKind::New));
    // One that is not read any further would wait for ever.
    bench.connection.look_behind();
    assert_eq!(bench.connection.queue(), Some(QueueKind::New));
}

#[test]
fn who_was_to_leave_and_is_asked_answers_once_more() {
    let mut bench = Bench::new(Service::Platform);
    bench.at(0);
    bench.connection.receiving = true;
    bench.connection.end_idle();
    assert!(bench.connection.is_over());
    bench.connection.on_received();
    bench.bytes(&balance("").repeat(2), 5);
    assert!(!bench.connection.is_over());
    let text = String::from_utf8(bench.connection.replies.take_ready()).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "the rest would be asked again: {text}");
    assert!(text.contains("Connection: close"), "{text}");
}

/// As many requests as may be wait for the journal, and one more.
#[test]
fn what_is_in_hand_is_bounded() {
    let request = |method: &str, body: &str| {
        let length = body.len();
        format!(
            "{method} /operator/v1/accounts/default/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer demo\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let mut bench = Bench::new(Service::Operator);
    // Nobody makes it durable, and whoever reads it waits for that.
    bench.at(0).bytes(&request("PUT", r#"{"CountryCode":"GB"}"#), 1);
    let read = request("GET", "");
    for _ in 1..limits::REQUESTS_IN_HAND_MAX {
        bench.connection = Connection::new(ConnectionId::new(0, 0), Service::Operator, Client::V4(0), 0);
        bench.bytes(&read, 1);
        assert_eq!(bench.answers(), [""; 0]);
    }
    bench.connection = Connection::new(ConnectionId::new(0, 0), Service::Operator, Client::V4(0), 0);
    bench.bytes(&read, 1);
    // What waits for nothing is told at once.
    let answers = bench.answers();
    assert!(answers.len() == 1 && answers[0].starts_with("503"), "{answers:?}");
}

/// A deadline of the last turn's wait comes in the turn in which `come` of a request has come, of which so many bytes are
/// served at once; and then the rest.
#[track_caller]
fn check_deadline(wait: Wait, served: bool, come: usize) {
    let request = balance("");
    let (come, rest) = request.split_at(come.min(request.len()));
    let mut bench = Bench::new(Service::Platform);
    (bench.connection.wait, bench.connection.receiving) = (wait, true);
    bench.connection.on_received();
    bench.at(60_000).bytes(come, usize::from(served));
    let Bench { responder, connection, .. } = &mut bench;
    connection.on_deadline(responder);
    connection.end_idle();
    assert!(!bench.connection.is_over(), "{wait:?} {served} {}", come.len());
    if rest.is_empty() {
        bench.turn();
    } else {
        bench.bytes(rest, 1);
    }
    assert_eq!(bench.answers(), [LOOKED_FOR], "{wait:?} {served} {}", come.len());
}

#[test]
fn a_deadline_ends_nothing_that_this_turn_has_brought() {
    for wait in [Wait::First, Wait::Request, Wait::RestOfRequest, Wait::PeerReads] {
        for served in [false, true] {
            check_deadline(wait, served, usize::MAX);
            if wait != Wait::RestOfRequest {
                check_deadline(wait, served, 20);
            }
        }
    }
}

/// So is what a connection that takes no more requests still owes: its last send ends in the turn of that send's deadline.
#[test]
fn a_deadline_drops_no_answer_of_a_connection_that_ends() {
    let mut bench = Bench::new(Service::Platform);
    bench.at(0).bytes(&balance("Connection: close\r\n"), 1);
    let connection = &mut bench.connection;
    (connection.wait, connection.sending_bytes) = (Wait::PeerReads, 0);
    connection.on_deadline(&mut bench.responder);
    assert!(!connection.is_over());
    assert_eq!(bench.answers(), [LOOKED_FOR]);
}

/// What was answered before its client ended is sent, whatever became of the request behind it.
#[test]
fn an_end_drops_what_was_not_looked_at_alone() {
    let mut bench = Bench::new(Service::Platform);
    bench.at(0).bytes(&balance(""), 1);
    bench.at(1).bytes(&balance(""), 0);
    assert!(!bench.connection.on_end(1_000 * NS_PER_MS, 1), "the second is dropped");
    assert!(!bench.connection.is_over());
    assert_eq!(bench.at(1_000).turn().answers(), [LOOKED_FOR]);
}

/// A connection on a ring, whose peer does nothing.
fn on_a_ring(service: Service) -> (Bench, Ring, UnixStream) {
    let mut ring = Ring::new(Sizes::server(1)).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut bench = Bench::new(service);
    let id = ring.adopt(ours.into()).unwrap();
    bench.connection = Connection::new(id, service, Client::V4(0), 0);
    (bench, ring, theirs)
}

impl Bench {
    /// The turn ends at `ms`.
    fn settle(&mut self, ring: &mut Ring, ms: u64) -> &mut Self {
        let now = self.at(ms).responder.now;
        self.connection.settle(ring, &mut self.responder.stages, now, now.mono_ns).unwrap();
        self
    }
}

/// The time of a request is over, however many of its bytes have waited for their turn meanwhile.
#[test]
fn the_time_for_a_request_does_not_start_again_with_each_piece() {
    let timeouts = Timeouts { request_ms: 10_000, ..Timeouts::default() };
    let request = balance("");
    for answered_before in [false, true] {
        let (mut bench, mut ring, _peer) = on_a_ring(Service::Operator);
        let mut begun_ms = 0;
        if answered_before {
            bench.settle(&mut ring, 5).at(5).bytes(&request, 1);
            bench.answers();
            begun_ms = 1_000;
        }
        for (at, piece) in request.as_bytes()[..90].chunks(10).enumerate() {
            let ms = begun_ms + 1_000 * at as u64;
            bench.at(ms).bytes(std::str::from_utf8(piece).unwrap(), 0);
            bench.settle(&mut ring, ms);
            assert_eq!(bench.connection.deadline_ms(&timeouts, false), None, "it waits for the server");
            bench.turn().settle(&mut ring, ms);
            let expect = Some(begun_ms + 10_000);
            assert_eq!(bench.connection.deadline_ms(&timeouts, false), expect, "{answered_before} {at}");
        }
    }
    // Empty lines are no request.
    let (mut bench, mut ring, _peer) = on_a_ring(Service::Platform);
    bench.at(9_000).bytes("\r\n", 0).settle(&mut ring, 9_000).turn().settle(&mut ring, 9_001);
    assert_eq!(bench.connection.deadline_ms(&timeouts, false), Some(10_000));
}

/// It was looked at when it was to leave, and that look has ended before its end began.
#[test]
fn who_leaves_and_is_not_read_any_more_is_closed() {
    let (mut bench, mut ring, _peer) = on_a_ring(Service::Platform);
    bench.connection.receiving = true;
    bench.connection.end_idle();
    bench.connection.on_received();
    bench.connection.on_cancelled();
    assert!(bench.connection.may_stay());
    while !bench.connection.is_closed() {
        bench.connection.end(&mut ring, &mut bench.responder.stages).unwrap();
        if bench.connection.receiving {
            ring.turn_and_wait().unwrap();
        }
        while let Some(event) = ring.next_event() {
            assert!(matches!(event, Event::Received { received: Received::Cancelled, .. }), "{event:?}");
            bench.connection.on_received();
            bench.connection.on_cancelled();
        }
        assert!(bench.connection.receiving || bench.connection.is_closed() || !bench.connection.may_stay());
    }
}
