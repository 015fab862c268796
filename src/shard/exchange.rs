//! What a shard takes from the lanes in a turn: the requests of its peers, and their replies.

use compact_str::CompactString;

use super::core::{Done, Step};
use super::history::Asker;
use super::mesh::{LaneReply, LaneRequest};
use super::{Deferred, Reply, Shard};
use coverage::Branch;
use partition::ShardId;
use wallet::Millis;
use wallet::operation::Operation;
use wallet::outcome::Outcome;

impl<W: Copy> Shard<W> {
    /// Serves what other shards have sent, and takes in the outcomes that have come back, for [`Shard::next_reply`]. Where a
    /// sweep has left something to do, does some of it. `true` where there was anything of these.
    pub fn poll(&mut self, now_ms: Millis) -> bool {
        let now_ms = self.advance(now_ms);
        self.journal_due_renewals(now_ms);
        let mut worked = self.is_behind;
        worked |= self.poll_history(now_ms);
        if self.is_behind {
            self.tidy(now_ms, limits::TIDIED_PER_TURN, 0);
        }
        if self.at.len() == 1 {
            return worked;
        }
        let (mut requests, mut replies) = (limits::LANE_BURST, limits::LANE_BURST);
        for peer in self.mesh.peers(self.id(), self.first_peer) {
            self.serve(now_ms, peer, &mut requests);
            self.collect(now_ms, peer, &mut replies);
        }
        // Another one is first in the next turn, so that who sends without end takes the burst from nobody.
        self.first_peer = (self.first_peer + 1) % (self.at.len() - 1);
        worked |= requests.min(replies) < limits::LANE_BURST;
        for _ in 0..self.deferred.len() {
            let Some(Deferred { to, ticket, operation }) = self.deferred.pop_front() else { break };
            self.send_or_defer(to, ticket, operation);
        }
        if worked {
            self.metrics.set_lanes(self.at.iter().sum::<usize>() as u64);
            if self.left {
                self.journal_renewals();
            }
        }
        worked
    }

    /// Serves what a peer has sent, until `left` has come to nothing.
    fn serve(&mut self, now_ms: Millis, peer: ShardId, left: &mut usize) {
        let me = self.id();
        while *left > 0 {
            let Some(LaneRequest { ticket, deadline_ms, operation }) = self.mesh.requests(peer, me).pop()
            else {
                return;
            };
            *left -= 1;
            if now_ms > deadline_ms {
                coverage::hit(Branch::LateInLane);
                self.metrics.request_late();
                self.reply(peer, LaneReply { ticket, outcome: Outcome::Unavailable });
                continue;
            }
            let step = self.step_of(now_ms, &operation);
            self.deliver(Asker::Peer(peer, ticket), step, deadline_ms, 0);
        }
    }

    /// Takes in what a peer has answered, until `left` has come to nothing.
    fn collect(&mut self, now_ms: Millis, peer: ShardId, left: &mut usize) {
        let me = self.id();
        while *left > 0 {
            let Some(LaneReply { ticket, outcome }) = self.mesh.replies(peer, me).pop() else {
                return;
            };
            *left -= 1;
            self.at[peer.index()] -= 1;
            match outcome {
                Outcome::Next(next) => self.go_on(now_ms, ticket, *next),
                outcome => self.end(ticket, Done::unchanged(outcome)),
            }
        }
    }

    /// Takes the next step of a request, here or at its owner.
    fn go_on(&mut self, now_ms: Millis, ticket: u32, next: Operation<CompactString>) {
        let owner = self.core.owner(&next);
        if owner != self.id() {
            return self.send_or_defer(owner, ticket, next);
        }
        let step = self.step_of(now_ms, &next);
        // What an earlier step has changed is not left half done, however late it is.
        self.deliver(Asker::Here(ticket), step, Millis::MAX, 0);
    }

    /// A request that was under way is done.
    pub(super) fn end(&mut self, ticket: u32, done: Done<CompactString>) {
        if let Some(waiter) = self.under_way.remove(ticket as usize).waiter {
            self.replies.push_back(Reply { waiter, done });
        }
    }

    /// The next outcome that has come back.
    pub fn next_reply(&mut self) -> Option<Reply<W>> {
        self.replies.pop_front()
    }

    /// Applies an operation of another core, whose outcome goes there.
    fn step_of(&mut self, now_ms: Millis, operation: &Operation<CompactString>) -> Step<CompactString> {
        let operation = operation.as_deref();
        match self.step(now_ms, &operation) {
            Step::Done(done) => Step::Done(self.owned(done, &operation)),
            Step::Elsewhere { to, next, after } => Step::Elsewhere { to, next, after },
            Step::Lookup { operation, after } => Step::Lookup { operation, after },
        }
    }

    /// An outcome with its texts, to be kept.
    pub(super) fn owned(
        &self,
        Done { outcome, after }: Done,
        operation: &Operation<&str>,
    ) -> Done<CompactString> {
        Done { outcome: self.wallet().resolve(outcome, operation).map(CompactString::from), after }
    }
}
