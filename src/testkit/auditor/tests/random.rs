//! The workload against two auditors: one is the machine, and the other judges it, crashes and all.

use super::crash::show;
use super::*;
use crate::workload::{Chance, Step, Workload};

struct Run {
    /// Of crashes, losses and waits.
    chance: Chance,
    judge: Auditor,
    /// Requests on their way to the machine.
    lanes: Vec<(RequestId, Request)>,
    /// The machine after each request since the last sync, and the request that came after it.
    memory: Vec<(Auditor, RequestId)>,
    machine: Auditor,
    now_ms: u64,
}

impl Run {
    fn new(seed: u64, rules: Rules) -> Self {
        let machine = Auditor::new(rules);
        Self {
            // Not what the workload of this seed draws.
            chance: Chance::new(!seed),
            judge: machine.clone(),
            lanes: Vec::new(),
            memory: Vec::new(),
            machine,
            now_ms: START_MS,
        }
    }

    /// A request goes out, and some that have gone out are applied, in any order.
    fn ask(&mut self, request: Request, lanes: u64) {
        let id = self.judge.sent(self.now_ms, &request);
        self.lanes.push((id, request));
        while self.lanes.len() as u64 > self.chance.below(lanes + 1) {
            let at = self.chance.index(self.lanes.len());
            let (id, request) = self.lanes.remove(at);
            self.apply(id, &request);
        }
    }

    fn apply(&mut self, id: RequestId, request: &Request) {
        let before = self.machine.clone();
        let answer = self.machine.answer(self.now_ms, request);
        assert_eq!(self.judge.answered(id, self.now_ms, &answer), Ok(()));
        self.memory.push((before, id));
        if self.chance.below(4) == 0 {
            self.sync();
        }
    }

    fn sync(&mut self) {
        for (_, id) in self.memory.drain(..) {
            self.judge.acknowledged(id);
        }
    }

    /// The machine loses what came after some point that nobody was told of.
    fn crash(&mut self) {
        self.lanes.clear();
        let kept = self.chance.index(self.memory.len() + 1);
        if let Some((left, _)) = self.memory.drain(..).nth(kept) {
            self.machine = left;
        }
        self.lose_memory();
        self.judge.crashed(self.now_ms);
        self.now_ms += self.chance.below(10_000);
        for account in self.judge.probes() {
            let shown = show(&mut self.machine, &account, self.now_ms);
            assert_eq!(self.judge.recovered(self.now_ms, &account, &shown), Ok(()));
        }
    }

    /// Tokens, and some of the renewals of the last minute.
    fn lose_memory(&mut self) {
        self.machine.tokens.clear();
        for ledger in self.machine.ledgers.values_mut() {
            for account in [&mut ledger.settled, &mut ledger.tip].into_iter().flatten() {
                account.tokens.clear();
                account.refusals.clear();
                for session in &mut account.sessions {
                    session.forget_uses(self.now_ms);
                    session.uses.truncate(1);
                }
            }
        }
    }
}

#[track_caller]
fn check(seed: u64, lanes: u64) {
    let rules = World::draw(&mut Chance::new(seed));
    let mut run = Run::new(seed, rules.clone());
    let mut workload = Workload::new(seed, World::new(12), rules.clone());
    for _ in 0..4_000 {
        match workload.next(run.now_ms) {
            Step::Wait(ms) => run.now_ms += ms,
            Step::Ask(request) => {
                if let Some(request) = rules.asked(&request) {
                    run.ask(Request::clone(&request), lanes);
                }
            }
        }
        if run.chance.below(60) == 0 {
            run.crash();
        }
    }
}

#[test]
fn a_machine_that_crashes_and_is_right() {
    for (seed, lanes) in [(1, 0), (2, 4), (3, 2), (4, 0), (5, 3)] {
        check(seed, lanes);
    }
}

/// A machine that forgets what it has told is found out by the account that it was about.
#[test]
fn a_machine_that_forgets() {
    let rules = World::rules(TokenPolicy::SingleUse);
    let mut run = Run::new(4, rules.clone());
    let mut workload = Workload::new(4, World::new(12), rules);
    let (mut forgot, mut found) = (0, 0);
    for _ in 0..2_000 {
        let request = match workload.next(run.now_ms) {
            Step::Wait(ms) => {
                run.now_ms += ms;
                continue;
            }
            Step::Ask(request) => Request::clone(&request),
        };
        let before = run.machine.clone();
        run.ask(request.clone(), 0);
        run.sync();
        let Some(account) = request.account_id() else {
            continue;
        };
        let was = show(&mut before.clone(), account, run.now_ms);
        let is = show(&mut run.machine.clone(), account, run.now_ms);
        if was.view == is.view {
            continue;
        }
        forgot += 1;
        let mut judge = run.judge.clone();
        judge.crashed(run.now_ms);
        assert_eq!(judge.clone().recovered(run.now_ms, account, &is), Ok(()));
        found += u32::from(judge.recovered(run.now_ms, account, &was).is_err());
    }
    assert!(forgot > 500, "{forgot}");
    // A renewal of the last minute may be forgotten, and nothing else.
    assert!(found * 100 >= forgot * 90, "{found} of {forgot}");
}
