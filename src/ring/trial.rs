//! Rings that are set up to see whether the kernel has them, each taken apart again.

use std::io;
use std::time::Duration;

use io_uring::{IoUring, Probe, cqueue, opcode, squeue};

use super::{Ring, Sizes};

/// Whether a ring can be had at all, the smallest and plainest.
///
/// # Errors
/// What the kernel says.
pub fn plain() -> io::Result<()> {
    patiently(|| IoUring::new(1)).map(drop)
}

/// Tries again for a while where memory lacks. The kernel takes a closed ring apart in its own time and counts
/// it until then, so that the rings of one look would stand in the way of the next.
fn patiently<T>(attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    const PAUSE: Duration = Duration::from_millis(100);
    const ATTEMPTS: usize = 10;
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(e) if e.raw_os_error() == Some(libc::ENOMEM) => std::thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
    attempt()
}

/// Why a ring of the server's kind can't be had.
#[derive(Debug)]
pub enum TrialFault {
    /// The setup with its flags and sizes was refused.
    Setup(io::Error),
    /// The kernel would not say which operations it knows.
    Probe(io::Error),
    /// It does not know these operations.
    Missing(Vec<&'static str>),
    /// It has no file table with free places, or no ring of receive buffers (Linux 5.19).
    Tables(io::Error),
}

macro_rules! operations {
    ($($operation:ident),*) => { [$((opcode::$operation::CODE, stringify!($operation))),*] };
}

/// The operations that a ring submits, by their names in `io_uring`: for the sockets, and for the journal.
const OPERATIONS: [(u8, &str); 9] =
    operations![Accept, Recv, Send, AsyncCancel, Shutdown, Close, Read, Write, Fsync];

/// Sets up a ring with the flags of the server's, asks what it can do, and then sets up the server's own.
///
/// Multishot receives (6.0) and accepting into a file table (5.19) can't be asked for; DEFER_TASKRUN (6.1) came
/// after them, so that its setup stands for theirs.
///
/// # Errors
/// What the kernel says.
pub fn servers_own() -> Result<(), TrialFault> {
    let ring: IoUring<squeue::Entry, cqueue::Entry> = patiently(|| {
        IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(limits::RING_COMPLETIONS)
            .build(limits::RING_SUBMISSIONS)
    })
    .map_err(TrialFault::Setup)?;
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(TrialFault::Probe)?;
    let missing: Vec<&str> =
        OPERATIONS.into_iter().filter(|(code, _)| !probe.is_supported(*code)).map(|(_, name)| name).collect();
    if !missing.is_empty() {
        return Err(TrialFault::Missing(missing));
    }
    drop(ring);
    // One place: how many there may be is the open files' limit, which is a finding of its own.
    patiently(|| Ring::new(Sizes::server(1))).map(drop).map_err(TrialFault::Tables)
}

/// Entries of each of glommio's rings, and how many of them an executor has.
const EXECUTOR_RING: (u32, usize) = (128, 3);

/// Sets up all the rings of `shards` shards at once. What the kernel counts as locked memory has changed with
/// its versions and depends on privileges and on the user's other processes; so it is tried, not calculated.
///
/// # Errors
/// What the kernel says.
pub fn of_shards(shards: usize) -> io::Result<()> {
    // Buffers are the process's own memory and count for nothing here, so that they can be small.
    let sizes = Sizes { buffer_bytes: 64, ..Sizes::server(1) };
    let (entries, count) = EXECUTOR_RING;
    let shard = || {
        let executor: Vec<IoUring> = (0..count).map(|_| IoUring::new(entries)).collect::<io::Result<_>>()?;
        Ok((Ring::new(sizes)?, executor))
    };
    patiently(|| (0..shards).map(|_| shard()).collect::<io::Result<Vec<_>>>()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the ring's sources submit is asked for, and nothing else.
    #[test]
    fn the_rings_operations_are_asked_for() {
        let sources = [
            include_str!("lib.rs"),
            include_str!("accept.rs"),
            include_str!("receive.rs"),
            include_str!("waking.rs"),
            include_str!("write.rs"),
        ];
        let mut submitted: Vec<&str> = sources
            .iter()
            .flat_map(|source| source.split("opcode::").skip(1))
            .filter_map(|rest| rest.split_once("::new(").map(|(name, _)| name))
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .collect();
        submitted.sort_unstable();
        submitted.dedup();
        let mut asked = OPERATIONS.map(|(_, name)| name);
        asked.sort_unstable();
        assert_eq!(asked[..], submitted[..]);
    }
}
