//! The thread that makes segments ready: the one that a start goes on in, and then one ahead of the writing.
//!
//! A segment is allocated and filled with zeros before it is used, which takes as long as writing it: far too long for
//! an executor, and for a group that waits. So does what comes before the first write after a start: cutting what a
//! crash tore, and syncing what was read. The thread gives way to the executors and is not bound to the core of the one
//! that started it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::directory::ShardDirectory;
use super::file::{self, FileError};

/// What keeps a shard from writing, or will soon; seen from any core.
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

/// What is to be done before the first write after a start.
pub(super) type Begin = Box<dyn FnMut() -> Result<(), FileError> + Send>;

/// What the thread is asked for.
enum Job {
    /// To make ready what is there.
    Begin(Begin),
    /// To make a segment; one that is there and was read to be zeros is kept.
    Make { number: u32, may_be_there: bool },
}

/// The thread's other end.
#[derive(Debug)]
pub(super) struct Preparer {
    /// `None` once it is to end.
    jobs: Option<Sender<Job>>,
    done: Receiver<Result<(), FileError>>,
    trouble: Trouble,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    /// Starts the thread. `on_done` is called on it each time that what was asked for is done.
    pub(super) fn start(
        directory: ShardDirectory,
        segment_bytes: u64,
        on_done: impl Fn() + Send + 'static,
    ) -> Result<Self, FileError> {
        let (jobs, asked) = channel();
        let (dones, done) = channel();
        let trouble = Trouble::default();
        let at = directory.path().to_owned();
        let worker = Worker { directory, segment_bytes, asked, done: dones, trouble: trouble.clone() };
        let thread = Builder::new()
            .name("segments".into())
            .spawn(move || worker.work(on_done))
            .map_err(FileError::of("start a thread for", &at))?;
        Ok(Self { jobs: Some(jobs), done, trouble, thread: Some(thread) })
    }

    /// Asks for what comes before the first write.
    pub(super) fn begin(&self, begin: Begin) {
        self.ask(Job::Begin(begin));
    }

    /// Asks for a segment; what was asked for before is done. Where it `may_be_there`, one of the full length is zeros.
    pub(super) fn want(&self, number: u32, may_be_there: bool) {
        self.ask(Job::Make { number, may_be_there });
    }

    fn ask(&self, job: Job) {
        let jobs = self.jobs.as_ref().expect("it ends when it is dropped");
        // The thread ends before that only where it panicked, or failed for good, which `is_done` tells.
        let _ = jobs.send(job);
    }

    /// Whether what was asked for is done.
    ///
    /// # Errors
    /// Where it failed for good.
    ///
    /// # Panics
    /// Where the thread has.
    pub(super) fn is_done(&self) -> Result<bool, FileError> {
        match self.done.try_recv() {
            Ok(done) => done.map(|()| true),
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => panic!("the thread that prepares segments has panicked"),
        }
    }

    /// Waits until what was asked for is done; `false` where something keeps it from that, which is tried again.
    ///
    /// # Errors
    /// Where it failed for good.
    pub(super) fn wait(&self) -> Result<bool, FileError> {
        loop {
            match self.done.recv_timeout(Duration::from_millis(limits::SEGMENT_POLL_MS)) {
                Ok(done) => return done.map(|()| true),
                Err(RecvTimeoutError::Timeout) if self.trouble.get().is_some() => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {}
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
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread.
struct Worker {
    directory: ShardDirectory,
    segment_bytes: u64,
    asked: Receiver<Job>,
    done: Sender<Result<(), FileError>>,
    trouble: Trouble,
}

impl Worker {
    fn work(self, on_done: impl Fn()) {
        yield_to_executors();
        while let Ok(mut job) = self.asked.recv() {
            let done = loop {
                match self.carry_out(&mut job) {
                    Err(error) if may_be_tried_again(&job, &error) => {
                        self.trouble.set(Some(error.to_string()))
                    }
                    done => break done,
                }
                let retry = Duration::from_millis(limits::SEGMENT_RETRY_MS);
                if matches!(self.asked.recv_timeout(retry), Err(RecvTimeoutError::Disconnected)) {
                    return;
                }
            };
            let failed = done.as_ref().err().map(ToString::to_string);
            let ends = failed.is_some();
            self.trouble.set(failed);
            if self.done.send(done).is_err() {
                return;
            }
            on_done();
            if ends {
                // What is asked for further is not done. Whoever waits has the error; the other end is not gone yet.
                while self.asked.recv().is_ok() {}
                return;
            }
        }
    }

    fn carry_out(&self, job: &mut Job) -> Result<(), FileError> {
        match job {
            Job::Begin(begin) => begin(),
            Job::Make { number, may_be_there } => {
                let path = self.directory.segment(*number);
                if *may_be_there && file::length_of(&path)? == Some(self.segment_bytes) {
                    // The process that made it may have ended before its name was durable.
                    return file::sync_directory(self.directory.path());
                }
                file::create_zeros(&path, self.segment_bytes)
            }
        }
    }
}

/// A segment that could not be made is made anew from its beginning. But a sync of what is there that failed has lost
/// what it was to keep, and one that succeeds later says nothing.
fn may_be_tried_again(job: &Job, error: &FileError) -> bool {
    match job {
        Job::Make { .. } => true,
        Job::Begin(_) => error.action != "sync" || error.lacks_room(),
    }
}

/// Leaves the core of the executor that started this thread, and lets the executors go first. Without it the thread
/// does its work all the same.
fn yield_to_executors() {
    let process = rustix::process::getpid();
    if let Ok(cores) = rustix::thread::sched_getaffinity(Some(process)) {
        let _ = rustix::thread::sched_setaffinity(None, &cores);
    }
    let _ = rustix::process::nice(limits::SEGMENT_NICE);
}
