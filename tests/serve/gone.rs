//! Clients that have gone, and those that only look as if they had.

use std::time::Duration;

use rustix::net::SendFlags;
use rustix::process::Signal;
use testkit::client::{Client, sum};
use testkit::message::{DEMO_BALANCE, balance, operator};

use crate::demo;

/// Longer than a server that goes on leaves anybody waiting, and than two of its ticks.
const HELD_UP: Duration = Duration::from_millis(300);

/// The sum of a metric over the shards.
fn total(operator: &mut Client, name: &str, labels: &str) -> f64 {
    sum(&operator.metrics(), name, labels)
}

/// 40 clients ask and go while the server is held up, so that they are still to be accepted, and 10 that are connected; another
/// one waits.
#[test]
fn who_goes_before_anybody_looks_is_not_served() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let mut operator = server.operator();
        assert_eq!(total(&mut operator, "purser_requests_gone_total", ""), 0.0);
        let mut connected: Vec<Client> = (0..10).map(|_| server.client()).collect();
        for client in &mut connected {
            assert_eq!(client.ask(&balance("default/admin")).body, DEMO_BALANCE);
        }
        server.hold_up();
        for client in connected.into_iter().chain((0..40).map(|_| server.client())) {
            { client }.send(balance("default/admin"));
        }
        let mut waits = server.client();
        waits.send(balance("default/admin"));
        assert!(!waits.has_bytes_within(HELD_UP), "it was held up");
        server.signal(Signal::CONT);
        assert_eq!(waits.answer().body, DEMO_BALANCE);
        while total(&mut operator, "purser_requests_gone_total", "") < 50.0 {
            let answered = total(&mut operator, "purser_requests_total", "call=\"balance\"");
            assert_eq!(answered, 11.0, "{shards} shards");
        }
        // Who is connected, and ends his side behind his request, has not gone.
        for _ in 0..40 {
            let mut client = server.client();
            client.send(balance("default/admin"));
            client.end_sending();
            assert_eq!(client.answer().body, DEMO_BALANCE);
        }
        assert_eq!(total(&mut operator, "purser_requests_gone_total", ""), 50.0);
    }
}

/// A byte of urgent data (RFC 9293 §3.8.5) behind a request says that something has come, and nothing ever can be received.
#[test]
fn what_can_not_be_received_is_not_waited_for() {
    let server = demo().start(1);
    let asked = operator("GET", "/operator/v1/accounts/default/admin", "demo", "");
    for (mut client, request) in [(server.operator(), asked), (server.client(), balance("default/admin"))] {
        for _ in 0..3 {
            // In one turn of the server, or not.
            client.send(&request);
            rustix::net::send(client.writer(), b"!", SendFlags::OOB).expect("it is sent");
            assert_eq!(client.answer().status, 200, "{request}");
        }
    }
}
