//! The way of a shard's groups to the disk: a task beside the driver, which writes one group at a time.
//!
//! The driver hands a group over at the end of a turn, and goes on with its requests; the next group fills meanwhile.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};

use super::mesh::Mesh;
use super::partition::ShardId;
use crate::clock::Clock;
use crate::journal::Group;
use crate::storage::segments::Segments;

/// What the driver and the task share.
#[derive(Default)]
struct Desk {
    given: Cell<Option<(Group, u64)>>,
    done: Cell<Option<(Group, u64)>>,
    busy: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// The writer of a shard's journal. Lives on the shard's core.
pub struct Flusher {
    desk: Rc<Desk>,
    clock: Clock,
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").field("busy", &self.desk.busy).finish_non_exhaustive()
    }
}

impl Flusher {
    /// Starts the task, on the executor that it is called on. `current` is told the number of the segment that is
    /// written; those before it take no further group. A write or a sync that fails is told to `poisoned`, which ends the
    /// process: what is on the disk is not known any more, and recovery decides.
    pub fn start(
        mut segments: Segments,
        mesh: Arc<Mesh>,
        id: ShardId,
        current: Arc<AtomicU32>,
        poisoned: impl FnOnce(String) + 'static,
    ) -> Self {
        current.store(segments.place().segment, Ordering::Release);
        let desk = Rc::new(Desk::default());
        let clock = Clock::start();
        let theirs = Rc::clone(&desk);
        glommio::spawn_local(async move {
            loop {
                let (group, since_us) = theirs.next().await;
                if let Err(error) = segments.write(&group).await {
                    return poisoned(error.to_string());
                }
                current.store(segments.place().segment, Ordering::Release);
                theirs.done.set(Some((group, clock.mono_us().saturating_sub(since_us))));
                // The driver may be parked.
                mesh.wake(id);
            }
        })
        .detach();
        Self { desk, clock }
    }

    /// Whether no group is on its way.
    pub fn is_idle(&self) -> bool {
        !self.desk.busy.get()
    }

    /// Whether a group was handed over that the task has not looked at yet.
    pub fn is_new(&self) -> bool {
        let given = self.desk.given.take();
        let is_new = given.is_some();
        self.desk.given.set(given);
        is_new
    }

    /// Has the group written.
    ///
    /// # Panics
    /// Where one is on its way.
    pub fn hand_over(&self, group: Group) {
        assert!(!self.desk.busy.replace(true), "one group is under way at a time");
        self.desk.given.set(Some((group, self.clock.mono_us())));
        if let Some(waker) = self.desk.waker.take() {
            waker.wake();
        }
    }

    /// The group that has become durable, and how long that took, in microseconds.
    pub fn take_done(&self) -> Option<(Group, u64)> {
        let done = self.desk.done.take()?;
        self.desk.busy.set(false);
        Some(done)
    }
}

impl Desk {
    /// The next group to be written, and when it was handed over.
    async fn next(&self) -> (Group, u64) {
        poll_fn(|context| match self.given.take() {
            Some(given) => Poll::Ready(given),
            None => {
                self.waker.replace(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}
