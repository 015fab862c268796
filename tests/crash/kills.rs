//! Many kills of one server under load, each followed by a look at everything that was ever told.

use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use testkit::home::{Home, Server};
use testkit::process::PATIENCE;
use testkit::workload::Chance;
use testkit::world::{World, platform};
use wallet::{Dialect, RoundScope, TokenPolicy};

use crate::PURSER;
use crate::files::{await_names, names};
use crate::fill::{create_fillers, fill_segments};
use crate::worker::Worker;

/// Shards of one start after another: the same as before, and every change between one, two and three.
const SHARDS: [usize; 10] = [2, 2, 1, 1, 3, 3, 2, 1, 3, 2];

/// Kills under load; as many starts are killed beside.
const ROUNDS: usize = 12;

const WORKERS: usize = 4;
const ACCOUNTS: usize = 3;

/// Lets the clients ask until `is_over` returns, and kills the server amid that.
#[track_caller]
pub(crate) fn load(process: Server, workers: &mut [Worker], is_over: impl FnOnce(&Receiver<usize>)) {
    let (platform, operator) = (process.platform, process.operator);
    let (told, tells) = channel();
    std::thread::scope(|scope| {
        for worker in workers {
            let told = told.clone();
            scope.spawn(move || worker.work(platform, operator, &told));
        }
        drop(told);
        // Here, so that the clients end where this panics.
        let process = process;
        is_over(&tells);
        process.kill();
    });
}

/// Waits until so many requests were answered.
#[track_caller]
pub(crate) fn await_answers(tells: &Receiver<usize>, count: u64) {
    let mut sum = 0;
    while sum < count {
        match tells.recv_timeout(PATIENCE) {
            Ok(answers) => sum += answers as u64,
            // No client is left: each has failed, and said so.
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => panic!("nothing is answered any more"),
        }
    }
}

/// A moment while sealed segments are folded: the snapshot is begun; it is there; a segment is gone. `before` is what was
/// there when the server was started.
#[track_caller]
fn await_fold(home: &Home, before: &[String], stage: usize) {
    await_names(&home.data(), "a fold", |now| {
        let mut snapshots = now.iter().filter(|name| name.contains("/snapshot-") && !before.contains(name));
        match stage % 3 {
            0 => snapshots.next().is_some(),
            1 => snapshots.any(|name| !name.ends_with(".new")),
            _ => before.iter().any(|name| name.ends_with(".journal") && !now.contains(name)),
        }
    });
}

/// Leaves little room in the segments that a server of so many shards goes on in, which was killed.
#[track_caller]
pub(crate) fn fill_after_a_crash(home: &Home, shards: usize) {
    // What was torn is cut by a start.
    assert_eq!(home.start(shards).stop(), "");
    fill_segments(&home.data());
}

/// Starts a server and kills it on its way up: while it recovers, or while it re-shards the accounts.
#[track_caller]
fn kill_a_start(home: &Home, shards: usize, stage: usize, random: &mut Chance) {
    let is_named =
        |name: &str, as_in: &str| name.rsplit('/').next().is_some_and(|name| name.starts_with(as_in));
    let mut before = names(&home.data());
    before.retain(|name| !name.contains("/archive/"));
    let old = before.iter().find(|name| is_named(name, "gen-")).expect("a generation is in use");
    let is_resharded = before.iter().filter(|name| is_named(name, "shard-")).count() != shards;
    let process = home.spawn(shards);
    if is_resharded {
        await_names(&home.data(), "a new generation", |now| {
            let mut new = now.iter().filter(|name| name.contains("/gen-") && !name.starts_with(old.as_str()));
            let is_begun = match stage % 3 {
                0 => new.next().is_some(),
                1 => new.any(|name| is_named(name, "snapshot-")),
                _ => now.iter().any(|name| is_named(name, "manifest.new")),
            };
            is_begun || !now.contains(old)
        });
    } else {
        let id = format!("{}\n", process.id());
        let lock = home.data().join("purser.lock");
        await_names(&home.data(), "a holder", |_| fs::read_to_string(&lock).is_ok_and(|text| text == id));
        for _ in 0..random.below(2_000) {
            std::thread::yield_now();
        }
    }
    process.kill();
}

#[test]
fn what_was_told_is_so_after_any_kill() {
    let mut rules = World::rules(TokenPolicy::SingleUse);
    let other = Dialect {
        round_scope: RoundScope::Game,
        unknown_rollback_succeeds: true,
        strict_rounds: true,
        ..Dialect::default()
    };
    rules.dialects.insert(platform(1), other);
    let mut home = Home::new(PURSER);
    home.configure_by(World::configuration(&rules) + "\n[storage]\nsnapshot_segments = 1\n");
    let mut random = Chance::new(1);
    // However many shards there are, each has some of the accounts.
    let players = World::new(1 + WORKERS * ACCOUNTS).players;
    // The first player is one of many logins.
    let workers = (0..).zip(players[1..].chunks(ACCOUNTS));
    let mut workers: Vec<Worker> =
        workers.map(|(seed, players)| Worker::new(seed, players, &rules)).collect();
    let process = home.start(SHARDS[0]);
    create_fillers(&process);
    load(process, &mut workers, |tells| await_answers(tells, 500));
    let mut folds = 0;
    for round in 1..=ROUNDS {
        // Shards that were re-sharded have all of a segment before them.
        let shards = SHARDS[round % SHARDS.len()];
        let is_folded = shards == SHARDS[(round - 1) % SHARDS.len()];
        folds += usize::from(is_folded);
        if is_folded {
            fill_after_a_crash(&home, shards);
        }
        kill_a_start(&home, shards, round, &mut random);
        let process = home.start(shards);
        let before = names(&home.data());
        workers.iter_mut().for_each(|worker| worker.audit(&process));
        load(process, &mut workers, |tells| {
            await_answers(tells, 1 + random.below(600));
            if is_folded {
                await_fold(&home, &before, folds);
            }
        });
    }
    for shards in [2, 3] {
        let process = home.start(shards);
        workers.iter_mut().for_each(|worker| worker.audit(&process));
        assert_eq!(process.stop(), "");
    }
    home.verify(0);
    // The history is whole, whatever was killed on its way into the archive.
    let output = home.look("verify", &["--archive"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
