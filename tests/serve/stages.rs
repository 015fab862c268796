//! What the metrics tell of the stages of requests, and of the memory of the process.

use std::collections::BTreeMap;

use limits::STAGE_SAMPLE_REQUESTS;
use testkit::client::Client;

use crate::demo;
use crate::play::{Play, Player, demo_players};

const STAGES: [&str; 8] = ["queue", "frame", "decode", "lane", "apply", "journal", "encode", "send"];

/// Requests of a kind that are certainly sampled.
const SAMPLES: u32 = 3;

/// What a shard has counted so far in a stage: requests, and seconds.
fn stage(metrics: &BTreeMap<String, f64>, shard: usize, stage: &str) -> (f64, f64) {
    let of = |what: &str| {
        let name = format!("purser_stage_seconds_{what}{{shard=\"{shard}\",stage=\"{stage}\"}}");
        metrics.get(&name).copied().unwrap_or(0.0)
    };
    (of("count"), of("sum"))
}

/// Asks `client`, a connection of `shard`, for so many of a kind that some are sampled. The stages that these go through
/// are `expect`, each as often as each other one.
#[track_caller]
fn check(
    client: &mut Client,
    operator: &mut Client,
    shard: usize,
    kind: impl Fn(u32) -> Play,
    expect: &[&str],
) {
    let before = operator.metrics();
    // A look at the metrics is a request too, which may be the one in many, and has no stages.
    for number in 0..(SAMPLES + 2) * STAGE_SAMPLE_REQUESTS {
        let answer = client.ask(&kind(number).request());
        assert!(answer.body.starts_with("{\"ErrorCode\":0,"), "{answer:?}");
    }
    let mut grown = Vec::new();
    // The last answer's send may have completed, and its core be about to say so.
    for _ in 0..100_000 {
        let after = operator.metrics();
        grown = STAGES
            .iter()
            .map(|name| {
                let ((count, seconds), (count_before, seconds_before)) =
                    (stage(&after, shard, name), stage(&before, shard, name));
                (*name, count - count_before, seconds > seconds_before)
            })
            .filter(|(_, count, _)| *count > 0.0)
            .collect();
        let names: Vec<&str> = grown.iter().map(|(name, ..)| *name).collect();
        let count = grown.first().map_or(0.0, |(_, count, _)| *count);
        let even = grown.iter().all(|(_, other, took)| *other == count && *took);
        if names == expect && even && count >= f64::from(SAMPLES) {
            return;
        }
    }
    panic!("not each of {expect:?} alike: {grown:?}");
}

const READ: [&str; 6] = ["queue", "frame", "decode", "apply", "encode", "send"];
const WRITE: [&str; 7] = ["queue", "frame", "decode", "apply", "journal", "encode", "send"];
const ELSEWHERE: [&str; 6] = ["queue", "frame", "decode", "lane", "encode", "send"];

#[test]
fn a_request_has_the_stages_that_it_went_through() {
    let server = demo().start(1);
    let (mut client, mut operator) = (server.client(), server.operator());
    let player = Player::demo(1);
    check(&mut client, &mut operator, 0, |_| player.balance(), &READ);
    check(&mut client, &mut operator, 0, |number| player.credit(&format!("c-{number}"), "1.00"), &WRITE);
    let metrics = operator.metrics();
    assert_eq!(stage(&metrics, 0, "lane"), (0.0, 0.0));
    // The mean of a histogram is in its buckets: it has them all, and they rise to the count.
    for name in WRITE {
        let bucket = |bound: &str| {
            metrics[&format!("purser_stage_seconds_bucket{{shard=\"0\",stage=\"{name}\",le=\"{bound}\"}}")]
        };
        let bounds = ["0.000000100", "0.000010000", "0.001000000", "0.100000000", "+Inf"];
        assert!(bounds.is_sorted_by_key(|bound| bucket(bound)), "{name}");
        assert_eq!(bucket("+Inf"), stage(&metrics, 0, name).0, "{name}");
    }
}

/// What another shard does is in the lane, its way to the disk included.
#[test]
fn a_request_for_another_shard_is_in_the_lane() {
    let server = demo().start(2);
    let (mut clients, mut operator) = (server.clients(), server.operator());
    let [at_first, _, at_second, _] = demo_players();
    let players = [&at_first[0], &at_second[0]];
    for (shard, client) in clients.iter_mut().enumerate() {
        for (owner, player) in players.iter().enumerate() {
            let (read, write) =
                if owner == shard { (&READ[..], &WRITE[..]) } else { (&ELSEWHERE[..], &ELSEWHERE[..]) };
            check(client, &mut operator, shard, |_| player.balance(), read);
            let credit = |number| player.credit(&format!("c-{shard}-{number}"), "1.00");
            check(client, &mut operator, shard, credit, write);
        }
    }
}

#[test]
fn memory_is_told() {
    let server = demo().start(1);
    let metrics = server.operator().metrics();
    let resident = metrics["purser_resident_bytes"];
    assert!(resident > 1_000_000.0, "{resident}");
    if cfg!(target_env = "gnu") {
        let used = metrics["purser_heap_bytes{state=\"used\"}"];
        // The demo's accounts are there.
        assert!(used > 100_000.0 && metrics.contains_key("purser_heap_bytes{state=\"free\"}"), "{used}");
    }
}
