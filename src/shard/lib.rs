//! A shard on its core: it routes each operation to its owner, serves what the others send, and brings the
//! replies back to who waits for them.
//!
//! [`core`] is the pure step, [`partition`] says who owns what, [`mesh`] holds the lanes. What is here joins them:
//! the numbers under which requests are under way, the count that keeps the lanes from overflowing, the steps that
//! wait for room, and the messages that wait for the journal: nothing leaves a shard that shows a change which is
//! not durable, so that one shard never knows what another may yet lose.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![forbid(unsafe_code)]

pub mod core;
mod exchange;
pub mod flush;
pub mod history;
mod housekeeping;
pub mod mesh;
pub mod waiting;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use compact_str::CompactString;
use coverage::{self, Branch};
use slab::Slab;

use self::core::{Core, Done, Step};
use flush::Flusher;
use history::{Asker, History, Lookups};
use mesh::{LaneReply, LaneRequest, Mesh};
use partition::ShardId;
use waiting::Waiting;

use journal::Group;
use metrics::{ShardMetrics, WriteRefusal};
use storage::FileError;
use storage::segments::SegmentWrite;
use wallet::operation::Operation;
use wallet::outcome::Outcome;
use wallet::{Millis, Sequence, Wallet};

/// What became of a submission.
#[derive(Debug)]
#[must_use]
pub enum Submitted {
    /// It is done. The texts of the outcome are those of the operation and of the wallet ([`Wallet::resolve`]).
    Done(Done),
    /// It is under way; [`Shard::next_reply`] will have the outcome.
    Pending,
}

/// What became of a request that was under way.
#[derive(Debug)]
pub struct Reply<W> {
    /// Who waits for it.
    pub waiter: W,
    /// The outcome, and the change of this shard that it waits for.
    pub done: Done<CompactString>,
}

/// A request under way at another shard, or a step that waits for room in a lane.
#[derive(Debug)]
struct UnderWay<W> {
    /// Who waits; nobody where the shard itself keeps house.
    waiter: Option<W>,
}

/// A step whose lane is full. Its request has changed something already, so it is not refused but waits.
#[derive(Debug)]
struct Deferred {
    to: ShardId,
    ticket: u32,
    operation: Operation<CompactString>,
}

/// A message to another shard.
#[derive(Debug)]
enum Message {
    Reply { to: ShardId, reply: LaneReply },
    Step { to: ShardId, ticket: u32, operation: Operation<CompactString> },
}

/// One shard. Lives on one core; `W` is what net knows a waiting request by.
#[derive(Debug)]
pub struct Shard<W> {
    core: Core,
    mesh: Arc<Mesh>,
    metrics: Arc<ShardMetrics>,
    under_way: Slab<UnderWay<W>>,
    /// What has come back since the last turn, and is to be fetched.
    replies: VecDeque<Reply<W>>,
    /// Requests under way at each shard, at most `lane_requests_max`.
    at: Vec<usize>,
    lane_requests_max: usize,
    /// Which of the peers is the first whose lane is looked at in the next turn.
    first_peer: usize,
    deferred: VecDeque<Deferred>,
    /// Messages that show a change which is not durable yet.
    held: Waiting<Message>,
    /// How many of `held` are steps; replies have their room already.
    held_steps: usize,
    /// Nothing is let in that needs the journal.
    read_only: bool,
    /// Nothing is let in that would make the wallet hold more.
    short_of_memory: bool,
    /// More is over than the last sweep took out of memory: each turn takes some.
    is_behind: bool,
    /// What waits for the history.
    lookups: Lookups,
    /// What is stored can't be read, and the shard must not go on.
    failure: Option<FileError>,
    /// It takes no connections any more, and serves the other shards until they have left too.
    left: bool,
    /// None where a test or the simulator is the disk.
    flusher: Option<Flusher>,
    /// Shards that were sent something since the last [`Shard::flush`], one bit each.
    sent_to: u64,
    /// The latest time that an operation was applied at; the wallet's time does not go back.
    now_ms: Millis,
}

impl<W: Copy> Shard<W> {
    /// The shard of `core`, with the lanes of `mesh`. `now_ms` is the time that its journal has come to.
    pub fn new(core: Core, mesh: Arc<Mesh>, metrics: Arc<ShardMetrics>, now_ms: Millis) -> Self {
        let shards = mesh.partition().shards();
        assert_eq!(core.partition().shards(), shards, "one partition");
        let (under_way, at) = (Slab::new(), vec![0; shards]);
        let lane_requests_max = mesh.lane_requests_max();
        Self {
            core,
            mesh,
            metrics,
            under_way,
            replies: VecDeque::new(),
            at,
            lane_requests_max,
            first_peer: 0,
            deferred: VecDeque::new(),
            held: Waiting::default(),
            held_steps: 0,
            read_only: false,
            short_of_memory: false,
            is_behind: false,
            lookups: Lookups::default(),
            failure: None,
            left: false,
            flusher: None,
            sent_to: 0,
            now_ms,
        }
    }

    /// This shard's number.
    pub const fn id(&self) -> ShardId {
        self.core.id()
    }

    /// The lanes.
    pub const fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// This shard's wallet.
    pub const fn wallet(&self) -> &Wallet {
        self.core.wallet()
    }

    fn advance(&mut self, now_ms: Millis) -> Millis {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    /// The last change that is on stable storage.
    pub const fn durable(&self) -> Sequence {
        self.core.durable()
    }

    /// Whether everything that was changed is on stable storage, and nobody waits for it to be.
    pub fn is_durable(&self) -> bool {
        self.core.is_durable() && self.held.is_empty()
    }

    /// Lets nothing in any more that needs the journal, or lets it in again.
    pub const fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// Whether nothing is let in that needs the journal.
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Lets nothing in any more that would make the wallet hold more ([`Wallet::would_grow`]), or lets it in again. What was
    /// begun is settled meanwhile, and what only tells is told.
    pub const fn set_short_of_memory(&mut self, short: bool) {
        self.short_of_memory = short;
    }

    /// The changes since the last group, to be made durable; `None` where there are none. One group is under way at a
    /// time, and [`Shard::on_durable`] ends it.
    pub fn take_group(&mut self) -> Option<Group> {
        self.core.take_group()
    }

    /// The group is on stable storage: what waited for it goes out.
    pub fn on_durable(&mut self, group: Group) {
        self.core.on_durable(group);
        while let Some((_, message)) = self.held.pop(self.core.durable()) {
            match message {
                Message::Reply { to, reply } => self.reply(to, reply),
                Message::Step { to, ticket, operation } => {
                    self.held_steps -= 1;
                    self.send_or_defer(to, ticket, operation);
                }
            }
        }
    }

    /// Writes the journal to `flusher`'s files from now on.
    pub fn set_flusher(&mut self, flusher: Flusher) {
        self.flusher = Some(flusher);
    }

    /// What is stored could not be read: the shard must not go on.
    pub const fn take_failure(&mut self) -> Option<FileError> {
        self.failure.take()
    }

    /// The write that is to be begun now, with its group; at the end of a turn. `None` where there is nothing
    /// to be written, or a write is under way.
    ///
    /// # Errors
    /// Where the journal can't be written, or the history could not be read.
    pub fn next_write(&mut self) -> Result<Option<(SegmentWrite<'_>, &Group)>, FileError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Some(flusher) = &mut self.flusher else { return Ok(None) };
        if flusher.is_idle()
            && let Some(group) = self.core.take_group()
        {
            flusher.hand_over(group);
        }
        flusher.next_write()
    }

    /// The write that was begun has come to this: durable, or not known.
    ///
    /// # Errors
    /// The failure. What is on the disk is not known then, and the shard must not go on: recovery decides.
    ///
    /// # Panics
    /// Where none was begun.
    pub fn on_written(&mut self, result: io::Result<()>) -> Result<(), FileError> {
        let flusher = self.flusher.as_mut().expect("a write was begun");
        result.map_err(|error| flusher.failed(error))?;
        let (group, took_us) = flusher.finish();
        self.metrics.group_durable(group.last - group.first + 1, group.bytes.len() as u64, took_us);
        self.on_durable(group);
        Ok(())
    }

    /// Applies `operation` here. Where nothing can be journaled, what would change something comes to
    /// [`Outcome::Unavailable`]; where memory is short, what would take more of it does.
    fn step_in_memory(&mut self, now_ms: Millis, operation: &Operation<&str>) -> Step {
        if self.short_of_memory && self.core.would_grow(now_ms, operation) {
            coverage::hit(Branch::GrowthRefused);
            self.metrics.write_refused(WriteRefusal::Memory);
            return Step::Done(Done::unchanged(Outcome::Unavailable));
        }
        if !operation.is_write() || !self.read_only && self.core.has_room() {
            return self.core.step(now_ms, operation);
        }
        Step::Done(if self.core.would_change(now_ms, operation) {
            self.metrics.write_refused(WriteRefusal::Journal);
            Done::unchanged(Outcome::Unavailable)
        } else {
            self.core.step_unchanged(now_ms, operation)
        })
    }

    /// Requests that are under way at other shards, or wait to be.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether `operation` has no way to go: as many requests are under way to its owner, or as many steps wait here, as
    /// a lane takes.
    pub fn has_no_way(&self, operation: &Operation<&str>) -> bool {
        self.has_no_way_to(self.core.owner(operation), operation)
    }

    fn has_no_way_to(&self, owner: ShardId, operation: &Operation<&str>) -> bool {
        if owner == self.id() {
            return operation.may_go_on() && self.waiting_steps() >= self.lane_requests_max;
        }
        self.at[owner.index()] >= self.lane_requests_max
    }

    /// Further steps that wait here, for a lane or for the disk.
    fn waiting_steps(&self) -> usize {
        self.deferred.len() + self.held_steps
    }

    /// Whether a connection that has `under_way` requests at other shards may submit `operation` now. Where it may not,
    /// nothing is changed, and it is to ask again once there is a reply to one of those.
    ///
    /// A connection may use as large a part of [`limits::LANE_SHARE_MAX`] as is free of the lane. So an empty lane takes a
    /// whole pipeline of one connection, and the fuller it is the less of each: however many connections pipeline, the last
    /// 64th of a lane is for those that have nothing under way. Of those each gets the last place, too; what finds none is
    /// refused by [`Shard::submit`]. A fixed share would either waste an empty lane, or not hold once there are enough
    /// connections.
    pub fn has_room_for(&self, operation: &Operation<&str>, under_way: usize) -> bool {
        if under_way == 0 {
            return true;
        }
        let owner = self.core.owner(operation);
        if owner == self.id() {
            return !self.has_no_way_to(owner, operation);
        }
        let free = self.lane_requests_max.saturating_sub(self.at[owner.index()]);
        under_way * self.lane_requests_max < limits::LANE_SHARE_MAX * free
    }

    /// Applies `operation` here, or sends it to its owner for `waiter`. It comes to [`Outcome::Unavailable`] where the lane is
    /// full, the journal can't be written, memory is short, or its owner comes to it after `deadline_ms`: then nothing has changed.
    pub fn submit(
        &mut self,
        now_ms: Millis,
        deadline_ms: Millis,
        waiter: W,
        operation: &Operation<&str>,
    ) -> Submitted {
        let owner = self.core.owner(operation);
        if self.has_no_way_to(owner, operation) {
            self.metrics.lane_refused();
            return Submitted::Done(Done::unchanged(Outcome::Unavailable));
        }
        if owner != self.id() {
            let ticket = self.ticket(Some(waiter));
            let operation = operation.map(|text| CompactString::from(*text));
            self.send(owner, LaneRequest { ticket, deadline_ms, operation });
            return Submitted::Pending;
        }
        let now_ms = self.advance(now_ms);
        match self.step(now_ms, operation) {
            Step::Done(done) => Submitted::Done(done),
            Step::Elsewhere { to, next, after } => {
                let ticket = self.ticket(Some(waiter));
                self.go_elsewhere(to, ticket, *next, after);
                Submitted::Pending
            }
            Step::Lookup { operation, after } => {
                let ticket = self.ticket(Some(waiter));
                self.look_for(now_ms, Asker::Here(ticket), *operation, deadline_ms, after);
                Submitted::Pending
            }
        }
    }

    /// Sends a further step to its shard, once what it shows is durable.
    fn go_elsewhere(
        &mut self,
        to: ShardId,
        ticket: u32,
        operation: Operation<CompactString>,
        after: Sequence,
    ) {
        if after <= self.core.durable() {
            self.send_or_defer(to, ticket, operation);
        } else {
            self.held_steps += 1;
            self.held.push(after, Message::Step { to, ticket, operation });
        }
    }

    fn reply(&mut self, to: ShardId, reply: LaneReply) {
        let replied = self.mesh.replies(self.id(), to).push(reply);
        assert!(replied.is_ok(), "room for the reply came first");
        self.sent_to |= 1 << to.index();
    }

    fn ticket(&mut self, waiter: Option<W>) -> u32 {
        self.under_way.insert(UnderWay { waiter }) as u32
    }

    fn send(&mut self, to: ShardId, request: LaneRequest) {
        self.at[to.index()] += 1;
        assert!(self.at[to.index()] <= self.lane_requests_max, "room for the reply comes first");
        let sent = self.mesh.requests(self.id(), to).push(request);
        assert!(sent.is_ok(), "a lane holds what may be under way");
        self.sent_to |= 1 << to.index();
    }

    fn send_or_defer(&mut self, to: ShardId, ticket: u32, operation: Operation<CompactString>) {
        if self.at[to.index()] < self.lane_requests_max {
            // What an earlier step has changed is not left half done, however late it is.
            self.send(to, LaneRequest { ticket, deadline_ms: Millis::MAX, operation });
        } else {
            self.deferred.push_back(Deferred { to, ticket, operation });
        }
    }

    /// Wakes the shards that were sent something; once at the end of a turn.
    pub fn flush(&mut self) {
        while self.sent_to != 0 {
            let index = self.sent_to.trailing_zeros() as usize;
            self.sent_to &= self.sent_to - 1;
            self.mesh.wake(self.mesh.partition().shard(index));
        }
    }

    /// Has rounds leave memory for `history`, and come back from it.
    pub fn keep_history(&mut self, history: Box<dyn History>) {
        self.core.keep_history(history);
    }

    /// Says that this core is about to park; `false` where it must not, since something waits for it.
    pub fn park(&self) -> bool {
        if self.is_behind || !self.mesh.park(self.id()) {
            return false;
        }
        // Who answers looks whether the shard is parked after it has answered.
        let answered = !self.lookups.is_empty() && self.core.has_answers();
        if answered {
            self.unpark();
        }
        !answered
    }

    /// Says that this core is awake.
    pub fn unpark(&self) {
        self.mesh.unpark(self.id());
    }
}

#[cfg(test)]
mod tests;
