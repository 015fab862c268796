//! Requests that are under way, between those who ask, the machine, and the auditor.
//!
//! A shard tells a waiter by a number, and a step that was applied says no number; so a step is given to the oldest
//! request that it can be of. Requests that are equal are interchangeable: where a waiter is told what was said of
//! another's, the two change places.

use std::collections::BTreeSet;
use std::sync::Arc;

use compact_str::CompactString;
use testkit::auditor::{Answer, Auditor, RequestId};
use testkit::workload::Request;
use wallet::operation::{self, Operation, Play, Released};
use wallet::outcome::{ErrorCode, OperatorRefusal, Outcome};

use super::cluster::{Applied, ShardReply};

/// How far the machine is with a request.
#[derive(Debug, PartialEq, Eq)]
enum FlightStage {
    Sent,
    /// It was applied to its account, and the directory of keys is still to be told.
    Applied,
    /// It has found a key whose session is over, and the directory is still to be told.
    Freeing,
    Answered(Answer),
}

#[derive(Debug)]
struct Flight {
    id: RequestId,
    request: Request,
    account: Option<String>,
    stage: FlightStage,
    waiter: u64,
    shard: usize,
    sent_step: u64,
    /// Past it the machine may turn it away, where it has changed nothing.
    deadline_ms: u64,
    /// Its shard's lanes were full when it came.
    has_no_way: bool,
    /// It was asked again already.
    repeated: bool,
    /// The change that its answer waits for, once that was told.
    after: Option<u64>,
}

/// Answers that reached those who asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) done: u64,
    pub(super) refused: u64,
    pub(super) unavailable: u64,
}

/// All requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flights: Vec<Flight>,
    /// The last step at which the disks were full.
    full_step: Option<u64>,
    waiters: u64,
    pub(super) answers: Answers,
}

/// Requests of one account that are under way; past a few, what a crash may leave can be too much of.
const PER_ACCOUNT_MAX: usize = 6;

impl Flights {
    /// The disks are full at this step.
    pub(super) const fn full(&mut self, step: u64) {
        self.full_step = Some(step);
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Whether a request may go out now. Of calls of several steps, two that are equal don't go side by side: which
    /// of the two a step belongs to would not be known.
    pub(super) fn may_send(&self, request: &Request) -> bool {
        let account = request.account_id();
        let several = request.may_go_on();
        let mut beside = 0;
        for flight in &self.flights {
            if several && !matches!(flight.stage, FlightStage::Answered(_)) && flight.request == *request {
                return false;
            }
            beside += usize::from(flight.account.as_deref() == account);
        }
        beside < PER_ACCOUNT_MAX
    }

    /// A request goes out to a shard, which may have no way for it; returns its waiter.
    pub(super) fn send(
        &mut self,
        auditor: &mut Auditor,
        now_ms: u64,
        (step, deadline_ms): (u64, u64),
        (shard, has_no_way): (usize, bool),
        request: &Request,
    ) -> u64 {
        self.waiters += 1;
        self.flights.push(Flight {
            id: auditor.sent(now_ms, request),
            request: Arc::clone(request),
            account: request.account_id().map(str::to_owned),
            stage: FlightStage::Sent,
            waiter: self.waiters,
            shard,
            sent_step: step,
            deadline_ms,
            has_no_way,
            repeated: false,
            after: None,
        });
        self.waiters
    }

    /// The machine has applied a step.
    ///
    /// # Errors
    /// A sentence, where nobody has asked for it, or it should have come out otherwise.
    pub(super) fn applied(&mut self, auditor: &mut Auditor, applied: Applied) -> Result<(), String> {
        let Applied { now_ms, operation, outcome } = applied;
        let over = |answer| matches!(answer, Released::Swept | Released::Freed | Released::Closed);
        if let Operation::ReleaseKey(operation::ReleaseKey { key, holder: account, answer }) = &operation
            && over(*answer)
        {
            auditor.released(key, *account);
        }
        let goes_on = match (&outcome, &operation) {
            (Outcome::Silent, _) => return Ok(()),
            (Outcome::Next(_), Operation::StartSession(_) | Operation::CloseSession(_)) => {
                Some(FlightStage::Applied)
            }
            (Outcome::Next(_), Operation::CheckClaim(_)) => Some(FlightStage::Freeing),
            (Outcome::Next(_), _) => return Ok(()),
            _ => None,
        };
        let from = match operation {
            Operation::ReleaseKey(operation::ReleaseKey { answer: Released::Freed, .. }) => {
                FlightStage::Freeing
            }
            Operation::ReleaseKey(_) => FlightStage::Applied,
            _ => FlightStage::Sent,
        };
        let is_its = |flight: &&mut Flight| flight.stage == from && is_step_of(&operation, &flight.request);
        let Some(flight) = self.flights.iter_mut().find(is_its) else {
            return Err(format!("Nobody has asked for what came out as {outcome:?}:\n  {operation:?}."));
        };
        if let Some(stage) = goes_on {
            if stage == FlightStage::Applied {
                auditor.applied(flight.id, now_ms);
            }
            flight.stage = stage;
            return Ok(());
        }
        let judged = auditor.answered(flight.id, now_ms, &outcome);
        flight.stage = FlightStage::Answered(outcome);
        judged
    }

    /// A shard has told a waiter; `durable` is what of that shard is on its disk.
    ///
    /// # Errors
    /// A sentence, where it is not what the machine has done.
    pub(super) fn answered(
        &mut self,
        auditor: &mut Auditor,
        now_ms: u64,
        reply: ShardReply,
        durable: u64,
    ) -> Result<(), String> {
        let ShardReply { shard, waiter, answer, after } = reply;
        let own = self.flights.iter().position(|flight| flight.waiter == waiter && flight.after.is_none());
        let Some(own) = own else {
            return Err(format!("A waiter was told twice, or is not there: {answer:?}."));
        };
        let wanted = match &answer {
            Outcome::Unavailable => FlightStage::Sent,
            answer => FlightStage::Answered(answer.clone()),
        };
        let at = if self.flights[own].stage == wanted {
            own
        } else {
            let equal = |flight: &Flight| {
                flight.after.is_none()
                    && flight.stage == wanted
                    && flight.request == self.flights[own].request
            };
            let Some(other) = self.flights.iter().position(equal) else {
                let Flight { request, stage, .. } = &self.flights[own];
                return Err(format!("{request:?}\n  is {stage:?}\n  and was told {answer:?}."));
            };
            self.change_places(own, other);
            other
        };
        let flight = &mut self.flights[at];
        assert_eq!((flight.shard, flight.waiter), (shard, waiter), "a waiter is told where it waits");
        flight.after = Some(after);
        if answer == Outcome::Unavailable {
            let is_full = self.full_step.is_some_and(|full| full >= flight.sent_step);
            let is_late = now_ms > flight.deadline_ms;
            if !(flight.has_no_way || is_late || is_full && needs_the_disk(&flight.request)) {
                return Err(format!("{:?}\n  was turned away without a reason.", flight.request));
            }
            auditor.answered(flight.id, now_ms, &answer)?;
        }
        if after <= durable {
            self.seen(auditor, at);
        }
        Ok(())
    }

    fn change_places(&mut self, one: usize, other: usize) {
        let (low, high) = (one.min(other), one.max(other));
        let (head, tail) = self.flights.split_at_mut(high);
        let (one, other) = (&mut head[low], &mut tail[0]);
        std::mem::swap(&mut one.waiter, &mut other.waiter);
        std::mem::swap(&mut one.shard, &mut other.shard);
        std::mem::swap(&mut one.sent_step, &mut other.sent_step);
        std::mem::swap(&mut one.deadline_ms, &mut other.deadline_ms);
        std::mem::swap(&mut one.has_no_way, &mut other.has_no_way);
        std::mem::swap(&mut one.repeated, &mut other.repeated);
    }

    /// The answer reaches who asked.
    fn seen(&mut self, auditor: &mut Auditor, at: usize) {
        let Flight { id, stage, .. } = self.flights.remove(at);
        auditor.acknowledged(id);
        let count = match stage {
            FlightStage::Answered(
                Outcome::Refused { code: ErrorCode::Unknown, .. }
                | Outcome::OperatorRefused(OperatorRefusal::TryAgain | OperatorRefusal::Forgetting)
                | Outcome::Unavailable,
            )
            | FlightStage::Sent
            | FlightStage::Applied
            | FlightStage::Freeing => &mut self.answers.unavailable,
            FlightStage::Answered(Outcome::Refused { .. } | Outcome::OperatorRefused(_)) => {
                &mut self.answers.refused
            }
            FlightStage::Answered(_) => &mut self.answers.done,
        };
        *count += 1;
    }

    /// More of a shard is on its disk: answers that waited for that go out.
    pub(super) fn durable(&mut self, auditor: &mut Auditor, shard: usize, durable: u64) {
        let mut at = 0;
        while at < self.flights.len() {
            let flight = &self.flights[at];
            if flight.shard == shard && flight.after.is_some_and(|after| after <= durable) {
                self.seen(auditor, at);
            } else {
                at += 1;
            }
        }
    }

    /// A request that has waited since before `step`, and was not repeated yet: it is to be sent again.
    pub(super) fn repeat(&mut self, step: u64) -> Option<Request> {
        let late = |flight: &&mut Flight| flight.sent_step < step && !flight.repeated;
        let flight = self.flights.iter_mut().find(late)?;
        flight.repeated = true;
        Some(Arc::clone(&flight.request))
    }

    /// Accounts that something is under way for.
    pub(super) fn accounts(&self) -> BTreeSet<&str> {
        self.flights.iter().filter_map(|flight| flight.account.as_deref()).collect()
    }

    /// Nothing of it will be answered any more: the requests, oldest first.
    pub(super) fn crash(&mut self) -> Vec<Request> {
        self.flights.drain(..).map(|flight| flight.request).collect()
    }
}

/// Whether a step is one of those that a request is made of.
fn is_step_of(step: &Operation<CompactString>, request: &Operation<CompactString>) -> bool {
    match (step, request) {
        (Operation::Play(step), Operation::Play(request)) => is_same_play(step, request),
        (
            Operation::FindHolder(operation::FindHolder { play: step })
            | Operation::CheckHolder(operation::CheckHolder { play: step, .. }),
            Operation::Play(request),
        ) => is_same_play(step, request),
        (
            Operation::StartSession(operation::StartSession { account, key }),
            Operation::OpenSession(operation::OpenSession { account: of, key: by }),
        ) => account == of && key == by,
        (
            Operation::CheckClaim(operation::CheckClaim { account, key, .. }),
            Operation::OpenSession(operation::OpenSession { account: of, key: by }),
        ) => account == of && key == by,
        (
            Operation::ReleaseKey(operation::ReleaseKey { key, answer: Released::Freed, .. }),
            Operation::OpenSession(operation::OpenSession { key: by, .. }),
        ) => key == by,
        (
            Operation::ReleaseKey(operation::ReleaseKey { key, holder: account, answer }),
            Operation::OpenSession(operation::OpenSession { account: of, key: by })
            | Operation::CloseSession(operation::CloseSession { account: of, key: by }),
        ) => {
            let closes = matches!(request, Operation::CloseSession(_));
            key == by && *account == of.hash() && closes == (*answer == Released::Closed)
        }
        (
            Operation::RedeemSession(operation::RedeemSession { platform, key, minted_ms, .. }),
            Operation::RedeemWrapped(operation::RedeemWrapped { platform: by, key: of, minted_ms: at_ms }),
        ) => platform == by && key == of && minted_ms == at_ms,
        (step, request) => step == request,
    }
}

/// Whether a request is turned away while the disks are full: all that may leave something behind (protocol §5), a
/// renewal included.
fn needs_the_disk(request: &Operation<CompactString>) -> bool {
    !matches!(
        request,
        Operation::Balance(_)
            | Operation::CreateToken(_)
            | Operation::GetAccount(_)
            | Operation::GetStatement(_)
    )
}

/// A win whose session was looked for is the same win.
fn is_same_play(step: &Play<CompactString>, request: &Play<CompactString>) -> bool {
    step.kind == request.kind
        && step.transaction == request.transaction
        && Play { session_checked: request.session_checked, ..step.clone() } == *request
}
