//! A server on a data directory that outlives it.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, send};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process, pidfd_open, prlimit};
use tempfile::TempDir;

use crate::client::{Client, PATIENCE};
use crate::message;

/// The operator's token.
pub(crate) const TOKEN: &str = "operators-token";

/// How the line begins that says, of a start that takes long, where it can be asked.
const WHERE: &str = "purser: the data are being read; health checks are answered on http://";

/// Waits for the end of a process, for so long. `false` where it goes on.
pub(crate) fn ends_within(child: &Child, time: Duration) -> bool {
    let pid = Pid::from_child(child);
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).expect("the process was not waited for yet");
    let time = Timespec::try_from(time).expect("some seconds");
    poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&time)).expect("it is waited for") > 0
}

/// Signals a process again and again, until it has ended.
#[track_caller]
pub(crate) fn insist(child: &Child, signal: Signal) {
    const MOMENT: Duration = Duration::from_millis(50);
    let mut moments = 0..PATIENCE.as_millis() / MOMENT.as_millis();
    let ends = moments.any(|_| {
        kill_process(Pid::from_child(child), signal).expect("it takes signals");
        ends_within(child, MOMENT)
    });
    assert!(ends, "it does not end");
}

/// A data directory, and how it is served.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
    /// The configuration file's text; `None` for the demo's.
    file: Option<String>,
    arguments: Vec<&'static str>,
    /// Limit of a file's length, KiB.
    file_kib: Option<u32>,
    /// Variables of the environment.
    variables: Vec<(&'static str, OsString)>,
    /// Where the data are, if not in `dir`.
    data: Option<PathBuf>,
}

impl Home {
    /// A new data directory, with the usual configuration.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self {
            dir,
            file: Some(configuration(&[("default", "GBP")], "")),
            arguments: Vec::new(),
            file_kib: None,
            variables: Vec::new(),
            data: None,
        }
    }

    /// A new data directory, with demo data.
    pub(crate) fn demo() -> Self {
        let mut home = Self::new();
        home.serve_demo();
        home
    }

    /// Serves demo data from now on.
    pub(crate) fn serve_demo(&mut self) {
        (self.file, self.arguments) = (None, vec!["--demo", "--demo-accounts", "10"]);
    }

    /// Serves these domains, each with its currency, from now on; with these `sections` of a configuration file.
    pub(crate) fn configure(&mut self, domains: &[(&str, &str)], sections: &str) {
        (self.file, self.arguments) = (Some(configuration(domains, sections)), Vec::new());
    }

    /// Serves by this configuration file from now on.
    pub(crate) fn configure_by(&mut self, text: String) {
        (self.file, self.arguments) = (Some(text), Vec::new());
    }

    /// Session tokens are wrapped from now on.
    pub(crate) fn wrap_tokens(&mut self) {
        self.arguments.extend(["--session-token", "wrapped"]);
    }

    /// No file may be longer, from now on.
    pub(crate) fn limit_files(&mut self, kib: Option<u32>) {
        self.file_kib = kib;
    }

    /// The environment has this variable from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    /// The server is given this argument from now on, or no longer.
    pub(crate) fn argue(&mut self, argument: &'static str, is_given: bool) {
        self.arguments.retain(|known| *known != argument);
        self.arguments.extend(is_given.then_some(argument));
    }

    /// Serves from a data directory elsewhere from now on.
    pub(crate) fn serve_from(&mut self, data: PathBuf) {
        self.data = Some(data);
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| self.dir.path().join("data"))
    }

    /// What is beside the data directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `purser verify` ends with this code. Returns what it writes.
    #[track_caller]
    pub(crate) fn verify(&self, code: i32) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        let output = command.args(["verify", "--data"]).arg(self.data()).output().expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{text}");
        text
    }

    fn command(&self, shards: usize) -> Command {
        // The shell becomes the server, so that the process is the one that was started.
        let mut command = Command::new("bash");
        let limit = self.file_kib.map_or("unlimited".into(), |kib| kib.to_string());
        command.args(["-c", "ulimit -Sf \"$0\" && exec \"$@\"", &limit]);
        command.arg(env!("CARGO_BIN_EXE_purser"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--shards"]);
        command.arg(shards.to_string()).arg("--data").arg(self.data()).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(text) = &self.file {
            let path = self.dir.path().join("purser.toml");
            fs::write(&path, text).expect("the file is written");
            command.arg("--config").arg(path);
        }
        command
    }

    /// Starts a server, and leaves it alone.
    #[track_caller]
    pub(crate) fn spawn(&self, shards: usize) -> Process {
        let (stderr, theirs) = UnixStream::pair().expect("a pair of sockets");
        self.spawn_with(shards, stderr, theirs)
    }

    #[track_caller]
    fn spawn_with(&self, shards: usize, stderr: UnixStream, theirs: UnixStream) -> Process {
        stderr.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let mut command = self.command(shards);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(OwnedFd::from(theirs)));
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Process {
            child,
            stderr: BufReader::new(stderr),
            notes: String::new(),
            said: String::new(),
            platform: nowhere,
            operator: nowhere,
            ended: false,
        }
    }

    /// Starts a server and waits until it serves.
    #[track_caller]
    pub(crate) fn start(&self, shards: usize) -> Process {
        let mut process = self.spawn(shards);
        process.await_addresses();
        process
    }

    /// Starts a server whose standard error nobody reads, and which is full once it serves.
    #[track_caller]
    pub(crate) fn start_unread(&self, shards: usize) -> Process {
        let (stderr, theirs) = UnixStream::pair().expect("a pair of sockets");
        let ours = theirs.try_clone().expect("a descriptor");
        let mut process = self.spawn_with(shards, stderr, theirs);
        process.await_addresses();
        // Whether writing waits is said with each write, so that the server's own would.
        while send(&ours, &[b'.'; 4_096], SendFlags::DONTWAIT).is_ok() {}
        while send(&ours, b".", SendFlags::DONTWAIT).is_ok() {}
        process
    }

    /// Starts a server, which is to refuse: it ends with 2. Returns what it says.
    #[track_caller]
    pub(crate) fn refusal(&self, shards: usize) -> String {
        let mut process = self.spawn(shards);
        let code = process.wait().code();
        let words = process.last_words();
        assert_eq!(code, Some(2), "{words}");
        // A machine that has other things to do may take long to come to it.
        words.lines().filter(|line| !line.starts_with(WHERE)).map(|line| format!("{line}\n")).collect()
    }
}

fn configuration(domains: &[(&str, &str)], sections: &str) -> String {
    let names: Vec<String> = domains.iter().map(|(name, _)| format!("{name:?}")).collect();
    let mut text = format!(
        r#"
operator_token = "{TOKEN}"
games = ["11588"]

[[platform]]
key = "L100"
user = "admin"
password = "admin"
domains = [{}]
"#,
        names.join(", ")
    );
    for (name, currency) in domains {
        text += &format!("\n[[domain]]\nname = {name:?}\ncurrency = {currency:?}\n");
    }
    text + sections
}

/// A running server. It is killed when the test is done with it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stderr: BufReader<UnixStream>,
    /// What it said before it served, but for what each start, or each first one, says.
    pub(crate) notes: String,
    /// All that it said before it served.
    pub(crate) said: String,
    pub(crate) platform: SocketAddr,
    pub(crate) operator: SocketAddr,
    ended: bool,
}

impl Process {
    /// Waits until it says, while it starts, where it can be asked.
    #[track_caller]
    pub(crate) fn await_startup(&mut self) {
        let line = std::iter::repeat_with(|| self.next_line()).find(|line| line.starts_with(WHERE));
        let line = line.expect("it goes on for ever");
        let rest = &line[WHERE.len()..];
        let (platform, rest) = rest.split_once(" and http://").expect("both addresses");
        let (operator, _) = rest.split_once(", ").expect("the end of the addresses");
        self.platform = platform.parse().expect("an address");
        self.operator = operator.parse().expect("an address");
    }

    /// Waits until it serves.
    #[track_caller]
    pub(crate) fn await_addresses(&mut self) {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line);
            assert!(matches!(read, Ok(1..)), "it does not serve: {read:?}, {}", self.notes);
            self.said += &line;
            let Some(rest) = line.strip_prefix("purser serves platforms on http://") else {
                // How much there was to do is no news, and that a new directory is new is a test of its own.
                let no_news = [
                    " records were applied again in ",
                    ": new data are begun in it",
                    WHERE,
                    "each shard has room for",
                    " was held for ",
                ];
                if !no_news.iter().any(|part| line.contains(part)) {
                    self.notes += &line;
                }
                continue;
            };
            let (platform, rest) = rest.split_once(" and the operator on http://").expect("both addresses");
            let (operator, _) = rest.split_once(", ").expect("the number of shards");
            self.platform = platform.parse().expect("an address");
            self.operator = operator.parse().expect("an address");
            return;
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A connection to the platforms' listener.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.platform)
    }

    /// A connection to the operator's listener.
    #[track_caller]
    pub(crate) fn operator(&self) -> Client {
        Client::connect(self.operator)
    }

    /// A platform's call is answered with this body.
    #[track_caller]
    pub(crate) fn check(&self, request: &str, expect: &str) {
        assert_eq!(self.client().ask(request).body, expect, "{request}");
    }

    /// A call of the operator's below the accounts, as `METHOD path`, is answered with this status. Returns the body.
    #[track_caller]
    pub(crate) fn operate(&self, asked: &str, body: &str, status: u16) -> String {
        self.operate_either(asked, body, [status; 2])
    }

    /// The same, with one of these statuses.
    #[track_caller]
    pub(crate) fn operate_either(&self, asked: &str, body: &str, statuses: [u16; 2]) -> String {
        let (method, path) = asked.split_once(' ').expect("a method and a path");
        let request = message::operator(method, &format!("/operator/v1/accounts/{path}"), TOKEN, body);
        let answer = self.operator().ask(&request);
        assert!(statuses.contains(&answer.status), "{asked} {body}: {answer:?}");
        answer.body
    }

    /// Waits until `/readyz` answers with this status; the server looks at its disk once a second. Returns what it says.
    #[track_caller]
    pub(crate) fn await_ready(&self, status: u16) -> String {
        let mut client = self.operator();
        // Many times longer than that takes, also where a slow disk has two segments made ready before.
        for _ in 0..4_000_000 {
            let answer = client.ask(&message::get("/readyz"));
            if answer.status == status {
                return answer.body;
            }
        }
        panic!("/readyz does not come to {status}");
    }

    /// No file may be longer, in KiB, from now on: a write behind that fails.
    pub(crate) fn limit_files(&self, kib: Option<u64>) {
        let limit = Rlimit { current: kib.map(|kib| kib * 1024), maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).expect("the limit is set");
    }

    /// Sends it a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it takes signals");
    }

    /// Kills it, and sees it dead.
    #[track_caller]
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        let status = self.wait();
        assert_eq!(status.code(), None, "it ended before the kill: {}", self.last_words());
    }

    /// Ends it in order. Returns what it said since it served.
    #[track_caller]
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let code = self.wait().code();
        let words = self.last_words();
        assert_eq!(code, Some(0), "{words}");
        words
    }

    /// Signals again and again, until the process has ended.
    #[track_caller]
    pub(crate) fn insist(&self, signal: Signal) {
        insist(&self.child, signal);
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(ends_within(&self.child, PATIENCE), "it does not end");
        self.ended = true;
        self.child.wait().expect("it has ended")
    }

    /// What it says next.
    #[track_caller]
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        while line.is_empty() || is_stall(&line) {
            line.clear();
            assert!(matches!(self.stderr.read_line(&mut line), Ok(1..)), "it says nothing");
        }
        line
    }

    /// What it said after it began to serve; it has ended.
    pub(crate) fn last_words(&mut self) -> String {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("its end is closed");
        said.split_inclusive('\n').filter(|line| !is_stall(line)).collect()
    }
}

/// Whether a line tells of a core that was held for a while, which a busy machine does to any.
fn is_stall(line: &str) -> bool {
    line.starts_with("purser: shard ") && line.contains(" was held for ")
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let died = self.child.try_wait().ok().flatten();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(status) = died
            && !std::thread::panicking()
        {
            panic!("the server died: {status}: {}", self.last_words());
        }
    }
}
