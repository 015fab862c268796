//! The simulator, on a few seeds: that it can fail is what `tools/mutants` shows.

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
    let Counts { requests, crashes, torn, recoveries, deals, folds, harms, .. } = counts;
    let seen = [requests, crashes, torn, recoveries, deals, folds, harms];
    assert!(seen.iter().all(|count| *count > 0), "all of it happens: {counts:?}");
    assert!(counts.answers.done > counts.answers.unavailable);
}

#[test]
fn a_seed_is_a_run() {
    for shards in [None, Some(1), Some(4)] {
        let counts = check(3, shards);
        assert_eq!(counts, check(3, shards));
        assert!(shards.is_none() || counts.deals == 0);
    }
    assert_ne!(check(3, None), check(4, None));
}
