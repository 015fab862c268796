//! As many connections as there may be, and one more.

use std::io::Write as _;

use crate::client::{Client, End};
use crate::message::{DEMO_BALANCE, balance, get};
use crate::server::{Server, Start};

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

/// Opens connections until `refusals` of them were refused; gives those that are served.
#[track_caller]
fn fill(server: &Server, refusals: usize) -> Vec<Client> {
    let (mut served, mut refused) = (Vec::new(), 0);
    while refused < refusals {
        let mut client = server.client();
        if is_served(&mut client) {
            served.push(client);
        } else {
            refused += 1;
        }
        assert!(served.len() < FILES as usize * server.shards);
    }
    served
}

#[test]
fn a_full_table_refuses_and_serves_on() {
    let server = Start::demo(1).files(FILES).start();
    let mut operator = server.operator();
    assert_eq!(operator.ask(&get("/healthz")).status, 200);
    await_refused(&mut operator, 0.0);
    let mut served = fill(&server, 20);
    // The operator's connection has a place too.
    assert_eq!(served.len(), FILES as usize - 1);
    await_refused(&mut operator, 20.0);
    assert!(served.iter_mut().all(is_served), "those before go on");
    assert_eq!(server.operator().end(), End::Closed, "the operator's listener has no places of its own");
    await_refused(&mut operator, 21.0);

    // A place that is free is taken again; and again, so that every place was used several times.
    for _ in 0..3 * FILES {
        drop(served.swap_remove(0));
        let mut tries = 0..100_000;
        served.push(loop {
            tries.next().expect("the place becomes free");
            let mut client = server.client();
            if is_served(&mut client) {
                break client;
            }
        });
    }
    assert!(served.iter_mut().all(is_served), "those before go on");
    assert_eq!(served.len(), FILES as usize - 1);
}

/// What there is less of than there could be is said at the start, with what limits it and what to do.
#[test]
fn few_places_are_said_at_the_start() {
    let few = "purser: note: each shard has room for 128 connections, and not 16384: that is the hard limit of open files \
               (ulimit -Hn). Give the service LimitNOFILE=16384, or the container --ulimit nofile=16384\n";
    let server = Start::demo(1).files(FILES).start();
    assert!(server.said.contains(few), "{}", server.said);
}

/// Each shard has a table of its own; the kernel deals connections without knowing which one is full.
#[test]
fn full_tables_of_two_shards() {
    let server = Start::demo(2).files(FILES).start();
    let mut operator = server.operator();
    let mut served = fill(&server, 300);
    assert!(served.iter_mut().all(is_served));
    assert!(served.len() >= FILES as usize, "{} are served", served.len());
    await_refused(&mut operator, 300.0);
    drop(served);
    // A shard that is full would refuse one of so many.
    for _ in 0..100_000 {
        if (0..20).map(|_| server.client()).collect::<Vec<_>>().iter_mut().all(is_served) {
            return;
        }
    }
    panic!("the places do not become free");
}
