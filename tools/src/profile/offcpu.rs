//! How long threads are off their cores, and where they left them.
//!
//! perf counts each switch with the stack that the thread leaves at, and records when it leaves and comes back. From
//! leaving to coming back is the wait.

use std::collections::HashMap;

use super::script::{Frame, TraceRecord, What};

/// A time that a thread was away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) thread: String,
    /// Where it left, innermost frame first. Empty where perf has lost it.
    pub(crate) stack: Vec<Frame>,
    /// It could have gone on, but another had its core.
    pub(crate) preempted: bool,
    pub(crate) microseconds: u64,
}

/// Threads that have left and not come back.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    away: HashMap<u32, Away>,
}

#[derive(Debug, Default)]
struct Away {
    stack: Vec<Frame>,
    /// When it left, and whether it could have gone on.
    left: Option<(u64, bool)>,
}

impl Pairs {
    /// Takes the next record of the recording; the wait, if it ends one. Records of a thread come in their order:
    /// the counted switch with its stack, leaving, coming back.
    pub(crate) fn next(&mut self, record: TraceRecord) -> Option<Wait> {
        let TraceRecord { thread, tid, time_us, what } = record;
        match what {
            What::Sample(stack) => {
                self.away.insert(tid, Away { stack, left: None });
                None
            }
            What::Out { preempted } => {
                let away = self.away.entry(tid).or_default();
                // A stack of a switch before the last was not this one's.
                if away.left.is_some() {
                    away.stack.clear();
                }
                away.left = Some((time_us, preempted));
                None
            }
            What::In => {
                let Away { stack, left } = self.away.remove(&tid)?;
                let (left_us, preempted) = left?;
                Some(Wait { thread, stack, preempted, microseconds: time_us.saturating_sub(left_us) })
            }
        }
    }
}
