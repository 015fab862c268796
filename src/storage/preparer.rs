//! The thread that makes segments ready, one ahead of the writing.
//!
//! A segment is allocated and filled with zeros before it is used, which takes as long as writing it: far too long for
//! an executor, and for a group that waits. The thread gives way to the executors and is not bound to the core of the
//! one that started it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::directory::ShardDirectory;
use super::file::{self, FileError};
use crate::limits;

/// What keeps the next segment from being made ready; seen from any core.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// The sentence to be reported; `None` where all is well.
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, what: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }
}

/// The thread's other end.
#[derive(Debug)]
pub(super) struct Preparer {
    /// `None` once it is to end.
    wanted: Option<Sender<u32>>,
    ready: Receiver<u32>,
    trouble: Trouble,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    /// Starts the thread. `on_ready` is called on it each time that a segment is.
    pub(super) fn start(
        directory: ShardDirectory,
        segment_bytes: u64,
        on_ready: impl Fn() + Send + 'static,
    ) -> Result<Self, FileError> {
        let (wanted, wants) = channel();
        let (readies, ready) = channel();
        let trouble = Trouble::default();
        let (of, at) = (trouble.clone(), directory.path().to_owned());
        let thread = Builder::new()
            .name("segments".into())
            .spawn(move || prepare(&directory, segment_bytes, &wants, &readies, &of, on_ready))
            .map_err(FileError::of("start a thread for", &at))?;
        Ok(Self { wanted: Some(wanted), ready, trouble, thread: Some(thread) })
    }

    /// Asks for a segment; the one that was asked for before has been made ready.
    pub(super) fn want(&self, number: u32) {
        let wanted = self.wanted.as_ref().expect("it ends when it is dropped");
        // The thread ends before that only where it panicked, which `is_ready` tells.
        let _ = wanted.send(number);
    }

    /// Whether the segment that was asked for is ready.
    ///
    /// # Panics
    /// Where the thread has.
    pub(super) fn is_ready(&self, number: u32) -> bool {
        match self.ready.try_recv() {
            Ok(ready) => {
                assert_eq!(ready, number, "one segment is asked for at a time");
                true
            }
            Err(TryRecvError::Empty) => false,
            Err(TryRecvError::Disconnected) => panic!("the thread that prepares segments has panicked"),
        }
    }

    /// Waits for the segment that was asked for.
    ///
    /// # Errors
    /// What keeps it from being made ready.
    pub(super) fn wait(&self, number: u32) -> Result<(), String> {
        loop {
            match self.ready.recv_timeout(Duration::from_millis(limits::SEGMENT_POLL_MS)) {
                Ok(ready) => {
                    assert_eq!(ready, number, "one segment is asked for at a time");
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => self.trouble.get().map_or(Ok(()), Err)?,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the thread that prepares segments has panicked")
                }
            }
        }
    }

    pub(super) const fn trouble(&self) -> &Trouble {
        &self.trouble
    }
}

/// The thread may be about to give a file its name. Whoever opens the directory next must not meet that.
impl Drop for Preparer {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread does.
fn prepare(
    directory: &ShardDirectory,
    segment_bytes: u64,
    wants: &Receiver<u32>,
    ready: &Sender<u32>,
    trouble: &Trouble,
    on_ready: impl Fn(),
) {
    give_way();
    while let Ok(number) = wants.recv() {
        while let Err(error) = file::create_zeros(&directory.segment(number), segment_bytes) {
            trouble.set(Some(error.to_string()));
            let retry = Duration::from_millis(limits::SEGMENT_RETRY_MS);
            if wants.recv_timeout(retry) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
        trouble.set(None);
        if ready.send(number).is_err() {
            return;
        }
        on_ready();
    }
}

/// Leaves the core of the executor that started this thread, and lets the executors go first. Without it the thread
/// does its work all the same.
fn give_way() {
    let process = rustix::process::getpid();
    if let Ok(cores) = rustix::thread::sched_getaffinity(Some(process)) {
        let _ = rustix::thread::sched_setaffinity(None, &cores);
    }
    let _ = rustix::process::nice(limits::SEGMENT_NICE);
}
