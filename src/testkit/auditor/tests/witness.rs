//! The witness of a machine that is right: what is altered, lost or done twice is found.

use super::*;
use crate::auditor::bounds;
use crate::client;
use crate::workload::{Step, Workload};

#[derive(Clone)]
struct Seen {
    machine: Auditor,
    witness: Witness,
    now_ms: u64,
}

impl Seen {
    /// Anna has an account with funds and a session.
    fn new() -> Self {
        let Story { auditor, now_ms, .. } = Story::new();
        let (machine, witness) = (Auditor::new(auditor.rules.clone()), Witness::new(auditor.rules));
        let mut seen = Self { machine, witness, now_ms };
        for request in [put(ANNA), transfer(ANNA, Direction::In, "opening", "100.00"), open(ANNA, KEY)] {
            assert_eq!(seen.ask(request), Ok(()));
        }
        seen
    }

    /// What a client reads.
    fn read(&mut self, request: &Request) -> client::Answer {
        let (status, body) = wire::answer(&self.machine.answer(self.now_ms, request));
        client::Answer::new(status, body.replace(r#"At":""#, r#"At":"2021-06-07T11:16:16.216Z"#))
    }

    fn ask(&mut self, request: impl Into<Ask>) -> Result<(), String> {
        let Ask(request) = request.into();
        self.now_ms += 1;
        let told = self.read(&request);
        self.witness.answered(ANNA, request.into(), [self.now_ms - 1, self.now_ms], &told)
    }

    /// The server dies with these under way, of which some were done, and Anna's account is looked at.
    fn crash(&self, under_way: &[Request], done: &[usize]) -> Result<Self, String> {
        let mut seen = self.clone();
        let requests: Vec<_> = under_way.iter().cloned().map(Into::into).collect();
        seen.witness.restarted(ANNA, &requests, [seen.now_ms; 2]);
        done.iter().for_each(|at| drop(seen.read(&under_way[*at])));
        seen.ask(balance_of(ANNA))?;
        seen.ask(get(ANNA))?;
        Ok(seen)
    }
}

#[test]
fn an_answer_is_what_it_must_be() {
    let mut seen = Seen::new();
    let bet = Operation::Play(first_bet("r", "b", 100));
    let right = seen.read(&bet);
    for (status, from, to) in [
        (200, "", ""),
        (201, "", ""),
        (200, r#""ErrorCode":0"#, r#""ErrorCode":-7"#),
        (200, r#""CashFunds":99.00"#, r#""CashFunds":98.00"#),
        (200, r#""Version":2"#, r#""Version":3"#),
        (200, r#"Reference":"b""#, r#"Reference":"c""#),
        (200, r#""CashAmount":1.00"#, r#""CashAmount":1.0"#),
    ] {
        let told = client::Answer::new(status, right.body.replace(from, to));
        let judged = seen.witness.clone().answered(ANNA, bet.clone().into(), [seen.now_ms; 2], &told);
        assert_eq!(judged.is_ok(), told == right, "{told:?}");
    }
}

#[test]
fn what_was_told_is_there_once() {
    let mut seen = Seen::new();
    let lost = seen.machine.clone();
    assert_eq!(seen.ask(first_bet("r", "a", 10)), Ok(()));
    let under_way = [bet("r", "b", 20), bet("r", "c", 20), win("r", "w", 5)].map(Operation::Play);
    for done in [&[][..], &[0], &[0, 1], &[0, 1, 2]] {
        let mut after = seen.crash(&under_way, done).unwrap();
        under_way.iter().for_each(|request| assert_eq!(after.ask(request.clone()), Ok(())));
        after.witness.settled([after.now_ms; 2]);
        assert_eq!(after.ask(bet("r", "b", 20)), Ok(()));
    }
    // One without another that was sent before it.
    assert!(seen.crash(&under_way, &[2]).is_err() && seen.crash(&under_way, &[0, 2]).is_err());
    let mut twice = seen.clone();
    twice.read(&Operation::Play(bet("r", "a again", 10)));
    assert!(twice.crash(&[], &[]).is_err(), "a bet that was done twice");
    let lost = Seen { machine: lost, ..seen };
    assert!(lost.crash(&[], &[]).is_err(), "a bet that was told of and is lost");
}

/// Which session makes way follows from its last use, which a crash may have set back: then either may be the one.
#[test]
fn a_renewal_may_be_lost() {
    let mut seen = Seen::new();
    assert_eq!(seen.ask(sessions::create(ANNA, GAMES[0], 1)), Ok(()));
    for number in 1..bounds::SESSIONS_MAX {
        seen.now_ms += 100;
        assert_eq!(seen.ask(open(ANNA, &format!("other-{number}"))), Ok(()));
    }
    seen.now_ms += 100;
    let lost = seen.machine.clone();
    assert_eq!(seen.ask(sessions::redeem(1)), Ok(()));
    seen.now_ms += 100;
    let one_more = |mut seen: Seen| seen.ask(open(ANNA, "one-more")).and_then(|()| seen.ask(get(ANNA)));
    for machine in [seen.machine.clone(), lost.clone()] {
        let mut seen = Seen { machine, ..seen.clone() };
        seen.witness.restarted(ANNA, &[], [seen.now_ms; 2]);
        assert_eq!(one_more(seen), Ok(()));
    }
    assert_eq!(one_more(seen.clone()), Ok(()));
    assert!(one_more(Seen { machine: lost, ..seen }).is_err(), "there was no crash");
}

/// What expires while a request is under way may be over or not.
#[test]
fn a_session_expires_meanwhile() {
    let mut seen = Seen::new();
    seen.now_ms += IDLE_MS - 100;
    let (bet, times) = (Operation::Play(first_bet("r", "b", 100)), [seen.now_ms, seen.now_ms + 200]);
    for now_ms in times {
        let told = Seen { now_ms, ..seen.clone() }.read(&bet);
        assert_eq!(seen.witness.clone().answered(ANNA, bet.clone().into(), times, &told), Ok(()));
    }
}

/// All calls, as their answers read.
#[test]
fn a_workload_is_witnessed() {
    let (mut seen, mut world) = (Seen::new(), World::new(1));
    world.players[0].id = ANNA.to_owned();
    let mut workload = Workload::new(1, world, seen.machine.rules.clone());
    for _ in 0..4_000 {
        match workload.next(seen.now_ms) {
            Step::Wait(ms) => seen.now_ms += ms,
            Step::Ask(request) if request.account_id().is_none_or(|account| account == ANNA) => {
                assert_eq!(seen.ask(Operation::clone(&request)), Ok(()));
            }
            Step::Ask(_) => {}
        }
    }
}
