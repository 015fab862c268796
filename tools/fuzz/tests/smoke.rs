//! Every target on stable Rust: its corpus, and so many changes of it, the same ones each time.
//!
//! `PURSER_FUZZ_RUNS` asks for another number of changes of each target.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fuzz::mutate::{Chance, mutate};
use fuzz::{TARGETS, Target, corpus};

/// Changes of each target: a few seconds of an unoptimized build.
const RUNS: usize = 20_000;

#[track_caller]
fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    let all = corpus::of(target);
    assert!(!all.is_empty(), "a target has seeds");
    for (file, bytes) in &all {
        try_out(target, bytes, file);
    }
    let runs = std::env::var("PURSER_FUZZ_RUNS").map_or(RUNS, |runs| runs.parse().expect("a number of runs"));
    for run in 0..runs {
        // A generator for each run, so that one that fails can be had alone.
        let mut chance = Chance::new(run as u64);
        let (file, seed) = chance.one_of(&all);
        let (_, other) = chance.one_of(&all);
        let bytes = mutate(seed, other, target.words, &mut chance);
        try_out(target, &bytes, &format!("change {run} of {file}"));
    }
}

/// Says which bytes it was, where the target panics.
#[track_caller]
fn try_out(target: &Target, bytes: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
        let dir = std::env::temp_dir().join(format!("purser-fuzz-{}", target.name));
        std::fs::write(&dir, bytes).expect("the bytes are kept");
        panic!("{}: {what}: {}\nkept in {}", target.name, bytes.escape_ascii(), dir.display());
    }
}

/// Seeds that are refused would lead nowhere.
#[test]
fn the_calls_that_are_made_are_taken() {
    for seed in fuzz::platform::seeds() {
        assert!(fuzz::platform::is_taken(&seed), "{}", seed.escape_ascii());
    }
}

/// What was refused once, and is right.
#[test]
fn what_was_a_fault_is_taken() {
    let platform = TARGETS.iter().find(|target| target.name == "platform").expect("the target");
    let all = corpus::of(platform);
    for name in [
        "byte-order-mark",
        "lone-surrogate-unknown",
        "year-0000",
        "huge-numbers",
        "jackpot-of-26-digits",
        "nested",
    ] {
        let (_, seed) = all.iter().find(|(file, _)| file == name).expect("a file of the corpus");
        assert!(fuzz::platform::is_taken(seed), "{name}: {}", seed.escape_ascii());
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        #[test]
        fn none_is_left_out() {
            assert_eq!(TARGETS.map(|target| target.name), [$(stringify!($name)),*]);
        }
    };
}

targets!(http platform operator credentials amounts records journal snapshots history config);
