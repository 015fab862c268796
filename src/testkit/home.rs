//! A server on a data directory that outlives it.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use rustix::net::{SendFlags, send};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::Client;
use crate::message::{self, DEMO_TOKEN, post};
use crate::process::{PATIENCE, Process, run};

/// The operator's token, where it is not the demo's.
pub const TOKEN: &str = "operators-token";

/// The beginning of the line that a long start writes: it names the addresses that are answered meanwhile.
const STARTS: &str = "purser: the data are being read; health checks are answered on http://";

/// How the line begins that says where a server serves.
const SERVES: &str = "purser serves platforms on http://";

/// Where a server listens, for platforms and for the operator, in the line that it writes once it serves.
pub fn serves_at(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    addresses(line, SERVES, " and the operator on http://")
}

fn addresses(line: &str, before: &str, between: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (platform, rest) = line.strip_prefix(before)?.split_once(between)?;
    let (operator, _) = rest.split_once(", ")?;
    Some((platform.parse().ok()?, operator.parse().ok()?))
}

/// A data directory, and how it is served.
#[derive(Debug)]
pub struct Home {
    program: PathBuf,
    dir: Arc<TempDir>,
    /// The configuration file's text; `None` for the demo's.
    file: Option<String>,
    arguments: Vec<String>,
    /// The operator's token.
    token: &'static str,
    /// Limit of a file's length, KiB.
    file_kib: Option<u32>,
    /// Limit of open files.
    files: Option<u32>,
    /// The directory of the cgroup that it is in.
    cgroup: Option<PathBuf>,
    /// Variables of the environment.
    variables: Vec<(&'static str, OsString)>,
    /// Where the data are, if not in `dir`.
    data: Option<PathBuf>,
}

impl Home {
    /// A new data directory for this program, with the usual configuration: one domain, and no accounts.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            dir: Arc::new(tempfile::tempdir().expect("a temporary directory")),
            file: Some(configuration(&[("default", "GBP")], "")),
            arguments: Vec::new(),
            token: TOKEN,
            file_kib: None,
            files: None,
            cgroup: None,
            variables: Vec::new(),
            data: None,
        }
    }

    /// A new data directory for this program, with demo data: so many accounts beside `default/admin`.
    pub fn demo(program: impl Into<PathBuf>, accounts: u32) -> Self {
        let mut home = Self::new(program);
        home.serve_demo(accounts);
        home
    }

    /// Serves demo data from now on.
    pub fn serve_demo(&mut self, accounts: u32) {
        self.file = None;
        self.arguments = vec!["--demo".into(), "--demo-accounts".into(), accounts.to_string()];
        self.token = DEMO_TOKEN;
    }

    /// Serves these domains, each with its currency, from now on; with these `sections` of a configuration file.
    pub fn configure(&mut self, domains: &[(&str, &str)], sections: &str) -> &mut Self {
        self.configure_by(configuration(domains, sections))
    }

    /// Serves by this configuration file from now on, which has [`TOKEN`].
    pub fn configure_by(&mut self, text: impl Into<String>) -> &mut Self {
        (self.file, self.arguments, self.token) = (Some(text.into()), Vec::new(), TOKEN);
        self
    }

    /// Session tokens are wrapped from now on.
    pub fn wrap_tokens(&mut self) -> &mut Self {
        self.arguments.extend(["--session-token".into(), "wrapped".into()]);
        self
    }

    /// No file may be longer, from now on.
    pub fn limit_files(&mut self, kib: Option<u32>) {
        self.file_kib = kib;
    }

    /// No more files may be open, from now on, which bounds the connections of a shard.
    pub fn limit_open_files(&mut self, most: u32) -> &mut Self {
        self.files = Some(most);
        self
    }

    /// The server is in the cgroup with this directory, from now on.
    pub fn join(&mut self, cgroup: &Path) {
        self.cgroup = Some(cgroup.to_owned());
    }

    /// The environment has this variable from now on.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    /// The server is given this argument from now on, or no longer.
    pub fn argue(&mut self, argument: &str, is_given: bool) {
        self.arguments.retain(|known| known != argument);
        self.arguments.extend(is_given.then(|| argument.to_owned()));
    }

    /// Serves from a data directory elsewhere from now on.
    pub fn serve_from(&mut self, data: PathBuf) {
        self.data = Some(data);
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| self.beside("data"))
    }

    /// What is beside the data directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs another command of the program on the data.
    #[track_caller]
    pub fn look(&self, command: &str, arguments: &[&str]) -> Output {
        look(&self.program, command, &self.data(), arguments)
    }

    /// `purser verify` ends with this code. Returns what it writes.
    #[track_caller]
    pub fn verify(&self, code: i32) -> String {
        let output = self.look("verify", &[]);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{text}");
        text
    }

    fn command(&self, shards: usize) -> Command {
        let (files, kib) = (self.files, self.file_kib);
        let limits = files.map(|most| format!("ulimit -n {most} && ")).into_iter();
        let limits = limits.chain(kib.map(|kib| format!("ulimit -Sf {kib} && ")));
        let joined = self.cgroup.as_deref().map(|at| format!("echo $$ >{}/cgroup.procs && ", at.display()));
        let limits = limits.chain(joined).collect::<String>();
        let mut command = if limits.is_empty() {
            Command::new(&self.program)
        } else {
            // The shell becomes the server, so that the process is the one that was started.
            let mut command = Command::new("bash");
            command.args(["-c", &format!("{limits}exec \"$0\" \"$@\"")]).arg(&self.program);
            command
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--shards"]);
        command.arg(shards.to_string()).arg("--data").arg(self.data()).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(text) = &self.file {
            let path = self.beside("purser.toml");
            fs::write(&path, text).expect("the file is written");
            command.arg("--config").arg(path);
        }
        command
    }

    /// Starts a server, and leaves it alone.
    #[track_caller]
    pub fn spawn(&self, shards: usize) -> Server {
        self.serve(shards, Process::spawn(self.command(shards)))
    }

    #[track_caller]
    fn serve(&self, shards: usize, process: Result<Process, String>) -> Server {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Server {
            process: process.unwrap_or_else(|error| panic!("{error}")),
            shards,
            token: self.token,
            notes: String::new(),
            said: String::new(),
            platform: nowhere,
            operator: nowhere,
            _dir: Arc::clone(&self.dir),
        }
    }

    /// Starts a server and waits until it serves.
    #[track_caller]
    pub fn start(&self, shards: usize) -> Server {
        let mut server = self.spawn(shards);
        server.await_addresses();
        server
    }

    /// Starts a server whose standard error nobody reads, and which is full once it serves.
    #[track_caller]
    pub fn start_unread(&self, shards: usize) -> Server {
        let (stderr, theirs) = UnixStream::pair().expect("a pair of sockets");
        let ours = theirs.try_clone().expect("a descriptor");
        let mut server = self.serve(shards, Process::spawn_with(self.command(shards), stderr, theirs));
        server.await_addresses();
        // Whether writing waits is said with each write, so that the server's own would.
        while send(&ours, &[b'.'; 4_096], SendFlags::DONTWAIT).is_ok() {}
        while send(&ours, b".", SendFlags::DONTWAIT).is_ok() {}
        server
    }

    /// Starts a server, which is to refuse: it ends with 2. Returns what it says.
    #[track_caller]
    pub fn refusal(&self, shards: usize) -> String {
        let mut server = self.spawn(shards);
        let code = server.wait().code();
        let words = server.last_words();
        assert_eq!(code, Some(2), "{words}");
        // A machine that has other things to do may take long to come to it.
        words.lines().filter(|line| !line.starts_with(STARTS)).map(|line| format!("{line}\n")).collect()
    }
}

/// Runs a command of a program on a data directory.
#[track_caller]
pub fn look(program: &Path, command: &str, data: &Path, arguments: &[&str]) -> Output {
    run(Command::new(program).arg(command).arg("--data").arg(data).args(arguments))
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

/// A running server. It is killed when the test is done with it; one that has died before fails the test.
#[derive(Debug)]
pub struct Server {
    process: Process,
    /// How many shards it has.
    pub shards: usize,
    token: &'static str,
    /// What it said before it served, but for what each start, or each first one, says.
    pub notes: String,
    /// All that it said before it served.
    pub said: String,
    /// Where platforms call.
    pub platform: SocketAddr,
    /// Where the operator calls.
    pub operator: SocketAddr,
    /// The directory stays as long as a server is on it.
    _dir: Arc<TempDir>,
}

/// A server is a process like any other, and is signalled, waited for and measured like one.
impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Server {
    /// Waits until it says, while it starts, where it can be asked.
    #[track_caller]
    pub fn await_startup(&mut self) {
        let starts = |line: &str| addresses(line, STARTS, " and http://");
        let found = self.process.await_line(PATIENCE, starts).unwrap_or_else(|error| panic!("{error}"));
        (self.platform, self.operator) = found;
    }

    /// Waits until it serves.
    #[track_caller]
    pub fn await_addresses(&mut self) {
        // How much there was to do is no news, and that a new directory is new is a test of its own.
        let no_news = [
            " records were applied again in ",
            ": new data are begun in it",
            STARTS,
            "each shard has room for",
            " was held for ",
        ];
        let (notes, said) = (&mut self.notes, &mut self.said);
        let plural = if self.shards == 1 { "" } else { "s" };
        let shards = format!(", {} shard{plural}", self.shards);
        let serves = |line: &str| {
            *said += &format!("{line}\n");
            let found = serves_at(line);
            if found.is_some() {
                assert!(line.ends_with(&shards), "{line}");
            } else if !no_news.iter().any(|part| line.contains(part)) {
                *notes += &format!("{line}\n");
            }
            found
        };
        let found = self.process.await_line(PATIENCE, serves).unwrap_or_else(|error| panic!("{error}"));
        (self.platform, self.operator) = found;
    }

    /// A connection to the platforms' listener.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.platform)
    }

    /// A connection to the operator's listener.
    #[track_caller]
    pub fn operator(&self) -> Client {
        Client::connect(self.operator)
    }

    /// A connection to the platforms' listener at each shard, in the shards' order.
    #[track_caller]
    pub fn clients(&self) -> Vec<Client> {
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

    /// A platform's call is answered with this body.
    #[track_caller]
    pub fn check(&self, request: &str, expect: &str) {
        assert_eq!(self.client().ask(request).body, expect, "{request}");
    }

    /// Creates an account.
    #[track_caller]
    pub fn put_account(&self, account: &str) {
        self.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
    }

    /// A call of the operator's below the accounts, as `METHOD path`, is answered with this status. Returns the body.
    #[track_caller]
    pub fn operate(&self, asked: &str, body: &str, status: u16) -> String {
        self.operate_either(asked, body, [status; 2])
    }

    /// The same, with one of these statuses.
    #[track_caller]
    pub(crate) fn operate_either(&self, asked: &str, body: &str, statuses: [u16; 2]) -> String {
        let (method, path) = asked.split_once(' ').expect("a method and a path");
        let request = message::operator(method, &format!("/operator/v1/accounts/{path}"), self.token, body);
        let answer = self.operator().ask(&request);
        assert!(statuses.contains(&answer.status), "{asked} {body}: {answer:?}");
        answer.body
    }

    /// Waits until `/readyz` answers with this status; the server looks at its disk once a second. Returns what it says.
    #[track_caller]
    pub fn await_ready(&self, status: u16) -> String {
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

    /// Kills it, and sees it dead.
    #[track_caller]
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let status = self.wait();
        assert_eq!(status.code(), None, "it ended before the kill: {}", self.last_words());
    }

    /// Ends it in order. Returns what it said since it served.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let code = self.wait().code();
        let words = self.last_words();
        assert_eq!(code, Some(0), "{words}");
        words
    }

    /// What it says next.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        loop {
            let line = self.process.next_line();
            if !is_stall(&line) {
                return line;
            }
        }
    }

    /// What it said after it began to serve; it has ended.
    pub fn last_words(&mut self) -> String {
        let said = self.process.last_words();
        said.split_inclusive('\n').filter(|line| !is_stall(line)).collect()
    }
}

/// Whether a line tells of a core that was held for a while, which a busy machine does to any.
fn is_stall(line: &str) -> bool {
    line.starts_with("purser: shard ") && line.contains(" was held for ")
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(status) = self.died() else { return };
        if std::thread::panicking() {
            // Nothing is read: a second panic would end all tests.
            eprintln!("the server died: {status}");
        } else {
            panic!("the server died: {status}: {}", self.last_words());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_addresses(line: &str, expect: Option<(&str, &str)>) {
        let expect = expect.map(|(a, b)| (a.parse().expect("one"), b.parse().expect("another")));
        assert_eq!(serves_at(line), expect, "{line}");
    }

    #[test]
    fn where_a_server_listens() {
        check_addresses(
            "purser serves platforms on http://127.0.0.1:9816 and the operator on http://127.0.0.1:9817, 2 shards",
            Some(("127.0.0.1:9816", "127.0.0.1:9817")),
        );
        check_addresses("purser: note: http://127.0.0.1:1 http://127.0.0.1:2", None);
        check_addresses("purser serves platforms on http://127.0.0.1:9816", None);
        check_addresses("purser serves nobody", None);
    }
}
