use std::collections::HashSet;

use super::*;

pub(crate) fn site() -> Site {
    Site {
        host: "127.0.0.1:9816".to_owned(),
        address: ([127, 0, 0, 1], 9816).into(),
        authorization: "Basic YWRtaW46YWRtaW4=".to_owned(),
        platform: "L100".to_owned(),
        game: "11588".to_owned(),
        request_timeout_ms: None,
        run: 0x19a_b5f6_2c00,
    }
}

/// A scenario's shares: of each kind, how many there are in an iteration.
#[track_caller]
fn check_shares(scenario: Scenario, expect: &[(RequestType, usize)]) {
    let steps = scenario.steps();
    let found: Vec<_> = scenario
        .kinds()
        .into_iter()
        .map(|kind| (kind, steps.iter().filter(|step| step.kind() == kind).count()))
        .collect();
    assert_eq!(found, expect);
    assert_eq!(found.iter().map(|(_, count)| count).sum::<usize>(), steps.len());
}

#[test]
fn shares() {
    use RequestType as T;
    check_shares(Scenario::Seed, &[(T::Balance, 1), (T::RedeemToken, 1), (T::CreateToken, 1)]);
    check_shares(Scenario::Wrapped, &[(T::Balance, 1), (T::RedeemToken, 1), (T::CreateToken, 1)]);
    check_shares(Scenario::Balance, &[(T::Balance, 1)]);
    check_shares(Scenario::Bet, &[(T::PlaceBet, 1)]);
    let full = [
        (T::RedeemToken, 1),
        (T::Balance, 4),
        (T::PlaceBet, 5),
        (T::AwardWinnings, 1),
        (T::End, 3),
        (T::RollbackBet, 1),
        (T::VoidBet, 1),
        (T::Credit, 1),
        (T::Alert, 1),
        (T::CreateToken, 1),
    ];
    check_shares(Scenario::Full, &full);
}

#[track_caller]
fn check_full_share(kind: RequestType, wanted_percent: usize) {
    let steps = Scenario::Full.steps();
    let count = steps.iter().filter(|step| step.kind() == kind).count();
    let apart = (count * 100).abs_diff(wanted_percent * steps.len());
    assert!(apart <= steps.len(), "{}: {count} of {} for {wanted_percent} %", kind.name(), steps.len());
}

#[test]
fn the_full_mix_is_within_a_percent() {
    check_full_share(RequestType::PlaceBet, 26);
    check_full_share(RequestType::Balance, 21);
    check_full_share(RequestType::End, 15);
    check_full_share(RequestType::AwardWinnings, 6);
}

/// Names that may stand once in an iteration, since the server takes a second for a repeat.
fn transaction(step: Step) -> Option<&'static str> {
    match step {
        Step::PlaceBet { play, .. } | Step::RollbackBet { play, .. } => Some(play.transaction),
        Step::AwardWinnings(play) | Step::VoidBet(play) => Some(play.transaction),
        Step::Credit { transaction, .. } => Some(transaction),
        Step::Alert { action } => Some(action),
        Step::Balance | Step::RedeemToken | Step::RedeemMinted | Step::CreateToken | Step::End { .. } => None,
    }
}

/// Plays an iteration by the protocol's rules (§4): a step that the server would refuse fails here, as does a round
/// that is left open or has the same name as another. Returns what the account has won, in minor units.
#[track_caller]
fn check_rounds(scenario: Scenario) -> i64 {
    let mut bets: Vec<Play> = Vec::new();
    let (mut open, mut opened) = (HashSet::new(), HashSet::new());
    let mut seen = HashSet::new();
    let mut balance = 0_i64;
    for step in scenario.steps() {
        assert!(transaction(*step).is_none_or(|name| seen.insert(name)), "{step:?} is a repeat");
        match *step {
            Step::PlaceBet { play, starts, ends } => {
                assert_eq!(starts, opened.insert(play.round), "{step:?}");
                assert!(open.insert(play.round) == starts, "{step:?} comes after the end");
                if ends {
                    open.remove(play.round);
                }
                balance -= i64::from(play.amount_minor);
                bets.push(play);
            }
            Step::AwardWinnings(play) => {
                assert!(open.contains(play.round), "{step:?}");
                balance += i64::from(play.amount_minor);
            }
            Step::RollbackBet { play, bet } => {
                let found =
                    bets.iter().position(|placed| placed.transaction == bet).expect("a bet to take back");
                let placed = bets.remove(found);
                assert_eq!((placed.round, placed.amount_minor), (play.round, play.amount_minor));
                balance += i64::from(play.amount_minor);
            }
            Step::VoidBet(play) => {
                let staked: u32 =
                    bets.iter().filter(|bet| bet.round == play.round).map(|bet| bet.amount_minor).sum();
                assert!(play.amount_minor <= staked, "{step:?}");
                balance += i64::from(play.amount_minor);
            }
            Step::End { round } => assert!(open.remove(round), "{step:?}"),
            Step::Credit { amount_minor, .. } => balance += i64::from(amount_minor),
            Step::Balance
            | Step::RedeemToken
            | Step::RedeemMinted
            | Step::CreateToken
            | Step::Alert { .. } => {}
        }
    }
    assert!(open.is_empty(), "rounds that are never ended: {open:?}");
    balance
}

#[test]
fn rounds() {
    assert_eq!(check_rounds(Scenario::Seed), 0);
    assert_eq!(check_rounds(Scenario::Balance), 0);
    assert_eq!(check_rounds(Scenario::Full), 0, "funds last");
    assert_eq!(check_rounds(Scenario::Bet), -1);
}

#[track_caller]
fn check_account(number: u32, expect: &str) {
    assert_eq!(account(number), expect);
    assert_eq!(account_digits(number), expect.len() - ACCOUNT_PREFIX.len(), "{expect}");
}

#[test]
fn accounts() {
    check_account(1, "default/player-000001");
    check_account(10_000, "default/player-010000");
    check_account(999_999, "default/player-999999");
    check_account(1_000_000, "default/player-1000000");
    check_account(10_000_000, "default/player-10000000");
}

#[test]
fn scenarios_whose_requests_stand_alone_have_one_step() {
    for scenario in Scenario::value_variants().iter().filter(|scenario| scenario.is_independent()) {
        assert_eq!(scenario.steps().len(), 1, "{}", scenario.name());
    }
}
