//! What the workload asks is the same for a seed, and reaches every answer.

use std::collections::BTreeMap;

use wallet::TokenPolicy;
use wallet::outcome::{OperatorRefusal, Outcome};

use super::*;
use crate::auditor::{Answer, Auditor};

const START_MS: u64 = 1_700_000_000_000;

/// The answers of a run, of a machine that is right.
fn run(seed: u64, policy: TokenPolicy, steps: usize) -> Vec<(Step, Option<Answer>)> {
    let rules = World::rules(policy);
    let mut machine = Auditor::new(rules.clone());
    let mut workload = Workload::new(seed, World::new(24), rules);
    let mut now_ms = START_MS;
    let steps = (0..steps).map(|_| {
        let step = workload.next(now_ms);
        let answer = match &step {
            Step::Wait(ms) => {
                now_ms += ms;
                None
            }
            Step::Ask(operation) => Some(machine.answer(now_ms, operation)),
        };
        (step, answer)
    });
    steps.collect()
}

#[test]
fn a_seed_is_a_workload() {
    let first = run(1, TokenPolicy::SingleUse, 2_000);
    assert_eq!(first, run(1, TokenPolicy::SingleUse, 2_000));
    assert_ne!(first, run(2, TokenPolicy::SingleUse, 2_000));
}

#[track_caller]
fn check_reach(policy: TokenPolicy) {
    let mut successes = 0;
    let mut codes: BTreeMap<String, u32> = BTreeMap::new();
    let steps = run(3, policy, 40_000);
    for answer in steps.iter().filter_map(|(_, answer)| answer.as_ref()) {
        let name = match answer {
            Outcome::Refused { code, .. } => format!("{code:?}"),
            Outcome::OperatorRefused(refusal) => format!("{refusal:?}"),
            _ => {
                successes += 1;
                continue;
            }
        };
        *codes.entry(name).or_default() += 1;
    }
    let answers = successes + codes.values().sum::<u32>();
    assert!(successes * 100 >= answers * 60, "{successes} of {answers} succeed: {codes:?}");
    let platforms = [
        "InsufficientFunds",
        "SessionNotFound",
        "AccountFrozen",
        "AccountNotFound",
        "NotCompleted",
        "TransactionNotFound",
        "CurrencyMismatch",
        "StakeLimit",
        "WagerLimit",
        "LossLimit",
        "SessionLengthLimit",
        "RoundNotFound",
        "GameNotFound",
    ];
    let operators = [
        OperatorRefusal::NoAccount,
        OperatorRefusal::NoDomain,
        OperatorRefusal::NoSession,
        OperatorRefusal::KeyTaken,
        OperatorRefusal::WrongCurrency,
        OperatorRefusal::TransactionConflict,
        OperatorRefusal::InsufficientFunds,
        OperatorRefusal::NotMoney,
    ];
    for name in
        platforms.map(str::to_owned).into_iter().chain(operators.map(|refusal| format!("{refusal:?}")))
    {
        assert!(codes.contains_key(&name), "no {name}: {codes:?}");
    }
}

#[test]
fn every_answer_is_reached() {
    check_reach(TokenPolicy::SingleUse);
    check_reach(TokenPolicy::Wrapped);
}
