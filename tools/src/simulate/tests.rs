//! The simulator, on a few seeds: that it can fail is what `tools/mutants` shows.

use compact_str::CompactString;
use testkit::auditor::Times;
use testkit::workload::Chance;
use testkit::world::World;
use wallet::account::{AccountRef, Profile};
use wallet::amount::{Amount, Money};
use wallet::operation::{self, Direction, Operation, Play, PlayKind};
use wallet::{RoundScope, TokenPolicy};

use super::cluster::{Cluster, Sizes};
use super::run::{Counts, Run};

#[track_caller]
fn check(seed: u64, shards: Option<usize>) -> Counts {
    let mut run = Run::new(seed, shards).expect("it starts");
    for step in 0..2_000 {
        assert_eq!(run.step(), Ok(()), "seed {seed}, step {step}");
    }
    run.finish().expect("what was answered is there")
}

#[test]
fn the_machine_is_as_it_should_be() {
    let mut counts = Counts::default();
    for seed in 1..=8 {
        super::add(&mut counts, &check(seed, None));
    }
    let Counts { requests, crashes, torn, recoveries, reshards, folds, harms, .. } = counts;
    let seen = [requests, crashes, torn, recoveries, reshards, folds, harms];
    assert!(seen.iter().all(|count| *count > 0), "all of it happens: {counts:?}");
    assert!(counts.answers.done > counts.answers.unavailable);
}

#[test]
fn a_seed_is_a_run() {
    for shards in [None, Some(1), Some(4)] {
        let counts = check(3, shards);
        assert_eq!(counts, check(3, shards));
        assert!(shards.is_none() || counts.reshards == 0);
    }
    assert_ne!(check(3, None), check(4, None));
}

/// A request that is done, on every disk.
fn ask(cluster: &mut Cluster, now_ms: u64, operation: &Operation<CompactString>) {
    let at = cluster.owner(operation);
    cluster.submit(at, now_ms, u64::MAX, 0, operation);
    while (0..cluster.shards.len()).fold(false, |worked, at| worked | cluster.poll(at, now_ms)) {}
    cluster.sync();
}

/// Stops the machine, and starts it with so many shards and this retention.
fn restart(cluster: &mut Cluster, now_ms: u64, shards: usize, retention_ms: u64) {
    let mut chance = Chance::new(1);
    if !cluster.shards.is_empty() {
        cluster.stop();
        cluster.crash(&mut chance);
    }
    let mut rules = World::rules(TokenPolicy::SingleUse);
    rules.times = Times { retention_ms, ..rules.times };
    let started = cluster.start(now_ms, shards, &rules, &mut chance).expect("it starts");
    cluster.open(started.cores, now_ms);
}

/// An account of which a folded segment has no record is forgotten by the settings of each time: a round that was to be
/// remembered for a minute is remembered for an hour, where that was changed before the minute was over.
#[test]
fn a_fold_forgets_by_the_settings_of_each_time() {
    const MINUTE_MS: u64 = 60_000;
    let sizes = Sizes { lane_requests: 4, segment_bytes: 8 * 1_024 };
    let mut cluster = Cluster::new(2, sizes, &mut Chance::new(2));
    // What is closed stays in memory.
    cluster.hot_ms = limits::HOT_MS_MAX;
    let mut now_ms = 1_700_000_000_000;
    restart(&mut cluster, now_ms, 2, MINUTE_MS);
    let world = World::new(2);
    let [anna, bert] = [0, 1].map(|who| AccountRef::new(CompactString::from(world.players[who].id.as_str())));
    let platform = world.players[0].platforms[0];
    for account in [&anna, &bert] {
        let profile = Box::new(Profile::of(*b"GB"));
        ask(
            &mut cluster,
            now_ms,
            &Operation::PutAccount(operation::PutAccount { account: account.clone(), profile }),
        );
    }
    let amount = Money::parse("10").expect("it is a number");
    let (direction, transaction) = (Direction::In, "d".into());
    let account = anna.clone();
    ask(
        &mut cluster,
        now_ms,
        &Operation::Transfer(operation::Transfer { account, direction, transaction, amount, currency: None }),
    );
    ask(
        &mut cluster,
        now_ms,
        &Operation::OpenSession(operation::OpenSession { account: anna.clone(), key: "key".into() }),
    );
    let bet = Play {
        kind: PlayKind::Bet,
        platform,
        account: anna,
        session: Some("key".into()),
        session_checked: false,
        round: "r".into(),
        scope: RoundScope::Platform,
        transaction: "b".into(),
        original: None,
        game: "11588".into(),
        currency: Some(world.players[0].currency),
        amount: Amount::from_minor(1).expect("it is not negative"),
        starts_round: true,
        ends_round: true,
        details: None,
    };
    ask(&mut cluster, now_ms, &Operation::Play(bet));
    // The accounts are re-sharded, and so are in a snapshot.
    restart(&mut cluster, now_ms, 1, MINUTE_MS);
    now_ms += MINUTE_MS - 1;
    restart(&mut cluster, now_ms, 1, 60 * MINUTE_MS);
    now_ms += MINUTE_MS;
    let by = *world.players[1].platforms.first().expect("somebody serves it");
    while cluster.disks[0].next_segment() < 3 {
        let (account, details) = (bert.clone(), "{}".into());
        ask(&mut cluster, now_ms, &Operation::Alert(operation::Alert { platform: by, account, details }));
    }
    // Of games, and the deposit.
    let remembered = |cluster: &Cluster| {
        let images = cluster.images(now_ms);
        let rounds = images.values().flat_map(|image| &image.rounds);
        let (outside, of_games): (Vec<_>, Vec<_>) = rounds.partition(|round| round.is_outside());
        (of_games.len(), outside.len())
    };
    assert_eq!(remembered(&cluster), (1, 1));
    assert_eq!(cluster.disks[0].begin_fold(usize::MAX), Ok(true), "it is compared with what a replay makes");
    (0..20).for_each(|_| cluster.disks[0].step_work().expect("it is written"));
    restart(&mut cluster, now_ms, 1, 60 * MINUTE_MS);
    assert_eq!(remembered(&cluster), (1, 1));
}

/// What zeros stand for at the end of a segment is known by the next one alone: a fold that has one of them only, and would remove
/// it, looks there.
#[test]
fn a_fold_refuses_a_segment_that_has_lost_its_end() {
    let sizes = Sizes { lane_requests: 4, segment_bytes: 16 * 1_024 };
    for is_lost in [false, true] {
        let mut cluster = Cluster::new(1, sizes, &mut Chance::new(2));
        let now_ms = 1_700_000_000_000;
        restart(&mut cluster, now_ms, 1, 60_000);
        let world = World::new(1);
        let player = &world.players[0];
        let account = AccountRef::new(CompactString::from(player.id.as_str()));
        let platform = player.platforms[0];
        let profile = Box::new(Profile::of(*b"GB"));
        ask(
            &mut cluster,
            now_ms,
            &Operation::PutAccount(operation::PutAccount { account: account.clone(), profile }),
        );
        while cluster.disks[0].next_segment() < 3 {
            let (account, details) = (account.clone(), "{}".into());
            ask(&mut cluster, now_ms, &Operation::Alert(operation::Alert { platform, account, details }));
        }
        if is_lost {
            cluster.disks[0].lose_an_end();
        }
        match cluster.disks[0].begin_fold(1) {
            Ok(begun) => assert!(begun && !is_lost),
            Err(error) => {
                assert!(is_lost && error.contains(", and the next one begins with record "), "{error}");
            }
        }
    }
}
