//! A server process: started, spoken to, and ended with the test.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use crate::client::{Client, PATIENCE};
use crate::message::{self, post};
use crate::process::{ends_within, insist};

/// Accounts of a demo, beside `default/admin`.
pub(crate) const DEMO_ACCOUNTS: u32 = 200;

/// How a server is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    shards: usize,
    arguments: Vec<String>,
    /// A configuration file's text.
    file: Option<String>,
    /// Limit of open files.
    files: Option<u32>,
}

/// The operator's token of [`Start::timed`].
pub(crate) const TOKEN: &str = "operators-token";

impl Start {
    /// With the demo data.
    pub(crate) fn demo(shards: usize) -> Self {
        let arguments = vec!["--demo".into(), "--demo-accounts".into(), DEMO_ACCOUNTS.to_string()];
        Self { shards, arguments, file: None, files: None }
    }

    /// With this configuration file.
    pub(crate) fn file(shards: usize, text: &str) -> Self {
        Self { shards, arguments: Vec::new(), file: Some(text.into()), files: None }
    }

    /// Like the demo, without its accounts, and with these rows under `[timeouts]`.
    pub(crate) fn timed(shards: usize, times: &str) -> Self {
        let file = format!(
            r#"
operator_token = "{TOKEN}"
games = ["11588"]

[[platform]]
key = "L100"
user = "admin"
password = "admin"
domains = ["default"]

[[domain]]
name = "default"
currency = "GBP"

[timeouts]
{times}
"#
        );
        Self::file(shards, &file)
    }

    /// With wrapped session tokens.
    pub(crate) fn wrapped(mut self) -> Self {
        self.arguments.extend(["--session-token".into(), "wrapped".into()]);
        self
    }

    /// With at most so many open files, which bounds the connections of a shard.
    pub(crate) fn files(mut self, most: u32) -> Self {
        self.files = Some(most);
        self
    }

    fn command(&self, dir: &TempDir) -> Command {
        let program = env!("CARGO_BIN_EXE_purser");
        let mut command = match self.files {
            None => Command::new(program),
            Some(most) => {
                // The shell becomes the server, so that the process is the one that was started.
                let mut command = Command::new("sh");
                command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &most.to_string(), program]);
                command
            }
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--shards"]);
        command.arg(self.shards.to_string()).arg("--data").arg(dir.path().join("data")).args(&self.arguments);
        if let Some(text) = &self.file {
            let path = dir.path().join("purser.toml");
            fs::write(&path, text).expect("the file is written");
            command.arg("--config").arg(path);
        }
        command
    }

    /// Starts it and waits until it serves.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (stderr, theirs) = UnixStream::pair().expect("a pair of sockets");
        stderr.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let mut command = self.command(&dir);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // The command has a copy of the server's end of its standard error: it must not outlive the start.
        drop(command);
        // From here on its end is seen to, whatever fails.
        let mut server = Server {
            child,
            stderr: BufReader::new(stderr),
            shards: self.shards,
            platform: SocketAddr::from(([127, 0, 0, 1], 0)),
            operator: SocketAddr::from(([127, 0, 0, 1], 0)),
            ended: false,
            said: String::new(),
            _dir: dir,
        };
        server.await_addresses();
        server
    }
}

/// A running server. It is killed when the test is done with it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    stderr: BufReader<UnixStream>,
    pub(crate) shards: usize,
    pub(crate) platform: SocketAddr,
    pub(crate) operator: SocketAddr,
    ended: bool,
    /// What it said before it served.
    pub(crate) said: String,
    _dir: TempDir,
}

impl Server {
    #[track_caller]
    fn await_addresses(&mut self) {
        let mut said = String::new();
        loop {
            let start = said.len();
            let read = self.stderr.read_line(&mut said);
            assert!(matches!(read, Ok(1..)), "it does not serve: {read:?}, {said}");
            let Some(rest) = said[start..].strip_prefix("purser serves platforms on http://") else {
                continue;
            };
            let (platform, rest) = rest.split_once(" and the operator on http://").expect("both addresses");
            let (operator, shards) = rest.split_once(", ").expect("the number of shards");
            self.platform = platform.parse().expect("an address");
            self.operator = operator.parse().expect("an address");
            let plural = if self.shards == 1 { "" } else { "s" };
            assert_eq!(shards, format!("{} shard{plural}\n", self.shards));
            self.said = said;
            return;
        }
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

    /// A connection to the platforms' listener at each shard, in the shards' order.
    #[track_caller]
    pub(crate) fn clients(&self) -> Vec<Client> {
        let mut operator = self.operator();
        let mut found: Vec<Option<Client>> = Vec::new();
        found.resize_with(self.shards, || None);
        let mut before = operator.metrics();
        // The kernel deals them evenly: that one of two shards gets none of 200 happens once in 2^200 times.
        for _ in 0..200 {
            let mut client = self.client();
            // Nobody else asks for this; connections are counted late where a shard has more to do.
            assert_eq!(client.ask(&post("/nowhere", "", "{}")).status, 404);
            let after = operator.metrics();
            let asked =
                |shard| format!("purser_requests_total{{shard=\"{shard}\",call=\"http\",code=\"404\"}}");
            let grew = |shard: &usize| after.get(&asked(*shard)) > before.get(&asked(*shard));
            found[(0..self.shards).find(grew).expect("a shard has answered it")] = Some(client);
            before = after;
            if found.iter().all(Option::is_some) {
                return found.into_iter().flatten().collect();
            }
        }
        panic!("a shard gets no connections: {before:?}");
    }

    /// Creates `account` in a server with the operator's token `token`.
    #[track_caller]
    pub(crate) fn put_account(&self, token: &str, account: &str) {
        let path = format!("/operator/v1/accounts/{account}");
        let request = message::operator("PUT", &path, token, r#"{"CountryCode":"GB"}"#);
        assert_eq!(self.operator().ask(&request).status, 201, "{account}");
    }

    /// Memory of the process that is in RAM, KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it takes signals");
    }

    /// Holds the process up until SIGCONT.
    #[track_caller]
    pub(crate) fn hold_up(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED);
        assert!(stopped.expect("it is ours").is_some_and(|(_, status)| status.stopped()));
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(ends_within(&self.child, PATIENCE), "it does not end");
        self.ended = true;
        self.child.wait().expect("it has ended")
    }

    /// Tells it to stop, again and again, until it has ended.
    pub(crate) fn insist(&mut self, signal: Signal) -> ExitStatus {
        insist(&self.child, signal);
        self.wait()
    }

    /// What it said after it began to serve; it has ended.
    pub(crate) fn last_words(&mut self) -> String {
        let mut said = String::new();
        while self.stderr.read_line(&mut said).expect("its end is closed") > 0 {}
        // A busy machine holds any core for a while, and the server tells of it.
        let is_stall = |line: &&str| line.starts_with("purser: shard ") && line.contains(" was held for ");
        said.split_inclusive('\n').filter(|line| !is_stall(line)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let died = self.child.try_wait().ok().flatten();
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut text = String::new();
        if let Some(status) = died {
            let _ = write!(text, "the server died: {status}\n{}", self.last_words());
        }
        if std::thread::panicking() {
            eprintln!("{text}");
        } else {
            assert_eq!(text, "");
        }
    }
}
