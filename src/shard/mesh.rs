//! Lanes between the cores: for each ordered pair of shards one for requests and one for their replies.
//!
//! Both are bounded, and a shard counts what it has under way at each other shard: room for the reply is there
//! before the request is sent, so a reply is never refused and two shards can't wait for each other.
//!
//! A shard that has nothing to do parks. Who sends to it then wakes it through an eventfd; who sends to a busy
//! one writes to memory alone.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use compact_str::CompactString;
use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use rustix::event::{EventfdFlags, eventfd};

use partition::{Partition, ShardId};
use wallet::Millis;
use wallet::operation::Operation;
use wallet::outcome::Outcome;

/// A request on its way to the shard that owns it.
#[derive(Debug)]
pub(super) struct LaneRequest {
    /// The sender's number for it.
    pub(super) ticket: u32,
    /// Past it a request that has changed nothing is refused.
    pub(super) deadline_ms: Millis,
    pub(super) operation: Operation<CompactString>,
}

/// A reply on its way back.
#[derive(Debug)]
pub(super) struct LaneReply {
    pub(super) ticket: u32,
    pub(super) outcome: Outcome<CompactString>,
}

const _: () = assert!(
    size_of::<LaneRequest>() <= 256 && size_of::<LaneReply>() <= 256,
    "see limits::lane_requests_max"
);

/// How a parked shard is woken. One per shard, written by all.
#[derive(Debug)]
struct Waker {
    parked: CachePadded<AtomicBool>,
    eventfd: OwnedFd,
}

/// All lanes of the process. Shared by all cores.
#[derive(Debug)]
pub struct Mesh {
    partition: Partition,
    lane_requests_max: usize,
    /// By sender and receiver.
    requests: Vec<ArrayQueue<LaneRequest>>,
    /// By sender and receiver of the reply.
    replies: Vec<ArrayQueue<LaneReply>>,
    wakers: Vec<Waker>,
    /// Shards that still have connections; a stopping shard serves the others until there are none.
    serving: AtomicUsize,
}

impl Mesh {
    /// The lanes of a partition.
    ///
    /// # Errors
    /// Where the process has no descriptor left for an eventfd.
    pub fn new(partition: Partition) -> io::Result<Self> {
        Self::with_lanes(partition, limits::lane_requests_max(partition.shards()))
    }

    /// The lanes of a partition, each for so many requests under way; the simulator's are short.
    ///
    /// # Errors
    /// Where the process has no descriptor left for an eventfd.
    pub fn with_lanes(partition: Partition, lane_requests_max: usize) -> io::Result<Self> {
        let shards = partition.shards();
        let lanes = if shards == 1 { 0 } else { shards * shards };
        let waker = || -> io::Result<Waker> {
            Ok(Waker {
                parked: CachePadded::new(AtomicBool::new(false)),
                eventfd: eventfd(0, EventfdFlags::CLOEXEC)?,
            })
        };
        Ok(Self {
            partition,
            lane_requests_max,
            requests: (0..lanes).map(|_| ArrayQueue::new(lane_requests_max)).collect(),
            replies: (0..lanes).map(|_| ArrayQueue::new(lane_requests_max)).collect(),
            wakers: (0..shards).map(|_| waker()).collect::<io::Result<_>>()?,
            serving: AtomicUsize::new(shards),
        })
    }

    /// How the slots are assigned.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// Requests that a shard may have under way at another.
    pub(super) const fn lane_requests_max(&self) -> usize {
        self.lane_requests_max
    }

    const fn lane(&self, from: ShardId, to: ShardId) -> usize {
        from.index() * self.partition.shards() + to.index()
    }

    pub(super) fn requests(&self, from: ShardId, to: ShardId) -> &ArrayQueue<LaneRequest> {
        &self.requests[self.lane(from, to)]
    }

    pub(super) fn replies(&self, from: ShardId, to: ShardId) -> &ArrayQueue<LaneReply> {
        &self.replies[self.lane(from, to)]
    }

    /// The eventfd that wakes `shard`; its ring signals on it too.
    pub fn eventfd(&self, shard: ShardId) -> &OwnedFd {
        &self.wakers[shard.index()].eventfd
    }

    /// Wakes `shard` where it is parked, after something was put into a lane to it.
    pub fn wake(&self, shard: ShardId) {
        // Orders the lane's write before the flag's read; `park` has the other half.
        fence(Ordering::SeqCst);
        let parked = &self.wakers[shard.index()].parked;
        if parked.load(Ordering::Relaxed) && parked.swap(false, Ordering::Relaxed) {
            self.signal(shard);
        }
    }

    /// Wakes `shard` whether it is parked or not: its next parking ends at once.
    pub fn signal(&self, shard: ShardId) {
        // An eventfd refuses a write only when its counter is at its end, and then it is signalled already.
        let _ = rustix::io::write(self.eventfd(shard), &1u64.to_ne_bytes());
    }

    /// Wakes every shard.
    pub fn signal_all(&self) {
        (0..self.partition.shards()).for_each(|index| self.signal(self.partition.shard(index)));
    }

    /// Says that `shard` is about to park; `false` where a lane to it holds something, and then it must not.
    pub(super) fn park(&self, shard: ShardId) -> bool {
        let parked = &self.wakers[shard.index()].parked;
        parked.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let idle = self
            .peers(shard, 0)
            .all(|peer| self.requests(peer, shard).is_empty() && self.replies(peer, shard).is_empty());
        if !idle {
            parked.store(false, Ordering::Relaxed);
        }
        idle
    }

    /// Says that `shard` is awake.
    pub(super) fn unpark(&self, shard: ShardId) {
        self.wakers[shard.index()].parked.store(false, Ordering::Relaxed);
    }

    /// The other shards, in a circle from the `first` one on.
    pub(super) fn peers(&self, shard: ShardId, first: usize) -> impl Iterator<Item = ShardId> + use<> {
        let partition = self.partition;
        let count = partition.shards();
        let others = count - 1;
        (0..others).map(move |at| partition.shard((shard.index() + 1 + (first + at) % others) % count))
    }

    /// Says, once for a shard, that it has no connection left and takes no more.
    pub fn leave(&self) {
        let before = self.serving.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "a shard leaves once");
        if before == 1 {
            self.signal_all();
        }
    }

    /// Whether all shards have left, so that none will send a request any more.
    pub fn is_over(&self) -> bool {
        self.serving.load(Ordering::SeqCst) == 0
    }
}
