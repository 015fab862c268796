//! Any program as a process of its own, to whose standard error its starter listens.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, kill_process, pidfd_open, prlimit, waitpid,
};

/// How long a test waits before it takes a server for one that hangs. Nothing that a test waits for takes that long, and no time
/// of the configuration is as long by default.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Time for a program that ends by itself. One that should have refused to start is taken for one that serves after it.
const RUN_PATIENCE: Duration = Duration::from_secs(60);

/// Time for the end of standard error once a process has ended: a child of its own may hold it open.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(1);

/// Lines that are kept to be shown where a process fails.
const LINES_KEPT: usize = 8;

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub struct Killed {
    /// The process. Wait for its end through [`Killed::wait`]: waiting here has its death reported later.
    pub child: Child,
    is_over: bool,
}

impl Killed {
    /// A process that was started.
    pub const fn new(child: Child) -> Self {
        Self { child, is_over: false }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, for so long. `false` where it goes on.
    pub fn ends_within(&self, time: Duration) -> bool {
        let pid = Pid::from_child(&self.child);
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).expect("the process was not waited for yet");
        let time = Timespec::try_from(time).expect("some seconds");
        let looked = retry_on_intr(|| poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&time)));
        looked.expect("it is waited for") > 0
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it takes signals");
    }

    /// Signals it again and again, until it has ended.
    #[track_caller]
    pub fn insist(&self, signal: Signal) {
        const MOMENT: Duration = Duration::from_millis(50);
        let mut moments = 0..PATIENCE.as_millis() / MOMENT.as_millis();
        let ends = moments.any(|_| {
            self.signal(signal);
            self.ends_within(MOMENT)
        });
        assert!(ends, "it does not end");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        assert!(self.ends_within(PATIENCE), "it does not end");
        self.is_over = true;
        self.child.wait().expect("it has ended")
    }

    /// How it has ended, if it has and [`Killed::wait`] was not called.
    pub(crate) fn died(&mut self) -> Option<ExitStatus> {
        if self.is_over { None } else { self.child.try_wait().ok().flatten() }
    }

    /// Holds the process up until SIGCONT.
    #[track_caller]
    pub fn hold_up(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED);
        assert!(stopped.expect("it is ours").is_some_and(|(_, status)| status.stopped()));
    }

    /// No file may be longer, in KiB, from now on: a write behind that fails.
    pub fn limit_files(&self, kib: Option<u64>) {
        let limit = Rlimit { current: kib.map(|kib| kib * 1024), maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).expect("the limit is set");
    }

    /// The process may map half a mebibyte more, and so start no thread, which has a stack of two, from now on.
    pub fn limit_memory(&self) {
        let mapped_kib = self.status().vmsize.expect("its memory");
        let limit = Rlimit { current: Some((mapped_kib + 512) * 1024), maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::As, limit).expect("the limit is set");
    }

    /// Memory of the process that is in RAM, KiB.
    pub fn resident_kib(&self) -> u64 {
        self.status().vmrss.expect("its memory")
    }

    fn status(&self) -> procfs::process::Status {
        let process = procfs::process::Process::new(self.id().cast_signed());
        process.and_then(|process| process.status()).expect("it is there")
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // What has ended can't be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program that ends by itself.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = Pid::from_child(&child);
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|threads| {
        let killed = threads.spawn(move || {
            let is_late = ended.recv_timeout(RUN_PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            is_late && kill_process(pid, Signal::KILL).is_ok()
        });
        let output = child.wait_with_output().expect("its end can be waited for");
        drop(done);
        assert!(!killed.join().expect("a thread without a fault"), "{command:?} did not end by itself");
        output
    })
}

/// A process that is listened to. It is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    process: Killed,
    name: String,
    stderr: Stderr,
    /// All that it said while it was waited for.
    pub said: String,
}

/// Where what a process says goes.
#[derive(Debug)]
enum Stderr {
    /// Until it is asked for it stays where it is.
    Here(BufReader<UnixStream>),
    /// A thread reads it, and keeps the last lines.
    Drained { kept: Arc<Mutex<VecDeque<String>>>, ended: Mutex<Receiver<()>> },
}

/// It is signalled, waited for and measured like one that nobody listens to.
impl Deref for Process {
    type Target = Killed;

    fn deref(&self) -> &Killed {
        &self.process
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Killed {
        &mut self.process
    }
}

impl Process {
    /// Starts a program. What it writes to standard output is lost.
    ///
    /// # Errors
    /// A sentence, where it can't be started.
    pub fn spawn(command: Command) -> Result<Self, String> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| format!("no pair of sockets: {error}"))?;
        Self::spawn_with(command, ours, theirs)
    }

    /// Starts a program with `theirs` for its standard error, of which `ours` is the other end.
    ///
    /// # Errors
    /// A sentence, where it can't be started.
    pub(crate) fn spawn_with(
        mut command: Command,
        ours: UnixStream,
        theirs: UnixStream,
    ) -> Result<Self, String> {
        let program = command.get_program().to_owned();
        let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(OwnedFd::from(theirs)));
        ours.set_read_timeout(Some(PATIENCE)).map_err(|error| format!("no time-out: {error}"))?;
        let child = command.spawn().map_err(|error| format!("{}: {error}", Path::new(&program).display()))?;
        // The command goes here: it has a copy of the other end, which is to be closed when the process ends.
        let process = Killed::new(child);
        Ok(Self { process, name, stderr: Stderr::Here(BufReader::new(ours)), said: String::new() })
    }

    /// Waits until `ready` makes something of a line of its standard error; for each line as long as `patience`.
    ///
    /// # Errors
    /// A sentence, with what the process said last, where it ends or takes longer.
    pub fn await_line<T>(
        &mut self,
        patience: Duration,
        mut ready: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, String> {
        loop {
            let before = self.said.len();
            let Stderr::Here(stderr) = &mut self.stderr else { panic!("a thread has its standard error") };
            stderr.get_ref().set_read_timeout(Some(patience)).expect("a time-out");
            let read = stderr.read_line(&mut self.said);
            let name = &self.name;
            match read {
                Ok(1..) => {
                    if let Some(found) = ready(self.said[before..].trim_end_matches('\n')) {
                        return Ok(found);
                    }
                }
                Ok(0) => return Err(format!("{name} has ended before it served: {}", self.last_lines(""))),
                Err(error) if is_timeout(&error) => {
                    let seconds = patience.as_secs();
                    return Err(format!("{name} does not serve after {seconds} s: {}", self.last_lines("")));
                }
                Err(error) => return Err(format!("{name}: {error}: {}", self.last_lines(""))),
            }
        }
    }

    /// Has a thread read what it says from now on, so that it never waits for a reader.
    ///
    /// # Errors
    /// A sentence, where no thread can be started.
    pub fn drain(&mut self) -> Result<(), String> {
        if matches!(self.stderr, Stderr::Drained { .. }) {
            return Ok(());
        }
        let kept = Arc::default();
        let (ends, ended) = mpsc::channel();
        let drained = Stderr::Drained { kept: Arc::clone(&kept), ended: Mutex::new(ended) };
        let Stderr::Here(stderr) = std::mem::replace(&mut self.stderr, drained) else { return Ok(()) };
        stderr.get_ref().set_read_timeout(None).expect("no time-out");
        let read = move || {
            // Dropped with the thread, which tells that nothing more comes.
            let _ends: mpsc::Sender<()> = ends;
            for line in stderr.lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LINES_KEPT {
                    kept.pop_front();
                }
                kept.push_back(line + "\n");
            }
        };
        let started = thread::Builder::new().name("stderr".to_owned()).spawn(read);
        started.map(drop).map_err(|error| format!("no thread can be started: {error}"))
    }

    /// What it says next.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        self.await_line(PATIENCE, |line| Some(format!("{line}\n"))).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What it said since it was waited for last. It has ended.
    pub fn last_words(&mut self) -> String {
        match &mut self.stderr {
            Stderr::Here(stderr) => {
                let mut said = String::new();
                stderr.read_to_string(&mut said).expect("its end is closed");
                said
            }
            Stderr::Drained { kept, ended } => {
                let ended = ended.get_mut().unwrap_or_else(PoisonError::into_inner);
                let _ = ended.recv_timeout(LAST_WORDS_PATIENCE);
                kept.lock().unwrap_or_else(PoisonError::into_inner).iter().map(String::as_str).collect()
            }
        }
    }

    /// The last lines of all that it said, of which these words are the last.
    fn last_lines(&self, words: &str) -> String {
        let lines: Vec<&str> = self.said.lines().chain(words.lines()).collect();
        let last = &lines[lines.len().saturating_sub(LINES_KEPT)..];
        if last.is_empty() { "it said nothing".to_owned() } else { last.join("; ") }
    }

    /// Ends it by SIGTERM; kills it where it takes longer than `patience`.
    ///
    /// # Errors
    /// A sentence, with what the process said last, where it did not end well.
    pub fn stop(mut self, patience: Duration) -> Result<(), String> {
        let asked = kill_process(Pid::from_child(&self.child), Signal::TERM);
        asked.map_err(|error| format!("{} can't be stopped: {error}", self.name))?;
        if !self.ends_within(patience) {
            let seconds = patience.as_secs();
            return Err(format!("{} was killed, since it did not end in {seconds} s", self.name));
        }
        let status = self.wait();
        if status.success() {
            return Ok(());
        }
        let words = self.last_words();
        Err(format!("{} has ended with {status}: {}", self.name, self.last_lines(&words)))
    }
}

/// Whether a socket's time-out has passed.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell in the place of a server.
    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[track_caller]
    fn check_start(script: &str, expect: Result<u16, &str>) {
        let mut process = Process::spawn(shell(script)).expect("it starts");
        let found = process.await_line(PATIENCE, |line| line.strip_prefix("port ")?.parse::<u16>().ok());
        assert_eq!(found.as_ref().map(|port| *port).map_err(String::as_str), expect);
    }

    #[test]
    fn starts() {
        check_start("echo hello >&2; echo port 7 >&2; exec sleep 60", Ok(7));
        check_start("echo no room >&2; exit 1", Err("sh has ended before it served: no room"));
        check_start("exit 1", Err("sh has ended before it served: it said nothing"));
    }

    #[track_caller]
    fn check_stop(script: &str, is_drained: bool, expect: Result<(), &str>) {
        let mut process = Process::spawn(shell(script)).expect("it starts");
        process.await_line(PATIENCE, |_| Some(())).expect("it says something");
        if is_drained {
            process.drain().expect("a thread");
        }
        assert_eq!(process.stop(PATIENCE).as_ref().map_err(String::as_str).copied(), expect);
    }

    #[test]
    fn stops() {
        for is_drained in [false, true] {
            check_stop("trap 'kill $!; exit 0' TERM; sleep 60 & echo up >&2; wait", is_drained, Ok(()));
            check_stop(
                "trap 'kill $!; echo torn >&2; exit 3' TERM; sleep 60 & echo up >&2; wait",
                is_drained,
                Err("sh has ended with exit status: 3: up; torn"),
            );
        }
    }
}
