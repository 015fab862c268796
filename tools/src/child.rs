//! The server as a process of its own, for tools that start what they measure.
//!
//! The child is asked to listen on free ports and says on standard error which it was given. It is ended by
//! SIGTERM, as an operator would end it; one that is dropped on the way out of an error is killed, so that no tool
//! leaves a server behind.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Time until the server must serve: ten million demo accounts are written to a snapshot before it does.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// Time for a drain; the server gives its connections 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for an answer of the operator's listener.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer. The metrics of 256 shards take a tenth of it.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Lines of standard error that are kept, to be shown where the child fails.
const LINES_KEPT: usize = 8;

/// What a server is started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The `purser` program.
    pub(crate) binary: PathBuf,
    /// The server's `--cores`; `None` for all.
    pub(crate) cores: Option<String>,
    /// Accounts of the demo.
    pub(crate) demo_accounts: u32,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Further arguments.
    pub(crate) extra: Vec<String>,
}

impl Options {
    /// The command line, without the program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["serve", "--demo", "--demo-accounts"].map(str::to_owned).into();
        arguments.push(self.demo_accounts.to_string());
        arguments.extend(
            ["--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--data"].map(str::to_owned),
        );
        arguments.push(self.data.display().to_string());
        if let Some(cores) = &self.cores {
            arguments.extend(["--cores".to_owned(), cores.clone()]);
        }
        arguments.extend_from_slice(&self.extra);
        arguments
    }
}

/// The program that runs.
///
/// # Errors
/// A sentence, where the system does not tell.
pub(crate) fn own() -> Result<PathBuf, String> {
    env::current_exe().map_err(|error| format!("the path of this program is not known: {error}"))
}

/// The program of this name beside the one that runs.
///
/// # Errors
/// A sentence that says how it is built, where it is not there.
pub(crate) fn beside(name: &str) -> Result<PathBuf, String> {
    let path = own()?.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("there is no {}; `cargo build --release --workspace` builds it", path.display()))
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // What has ended can't be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that says something on standard error once it is ready. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Killed,
    name: String,
    said: Arc<Mutex<VecDeque<String>>>,
    /// Ends with the child's standard error.
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` and waits until `ready` makes something of a line of its standard error.
    ///
    /// # Errors
    /// A sentence, with what the process said last, where it ends or takes longer than [`START_TIMEOUT`].
    pub(crate) fn start<T>(
        mut command: Command,
        ready: impl Fn(&str) -> Option<T>,
    ) -> Result<(Self, T), String> {
        let name =
            Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let program = command.get_program().to_owned();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("{}: {error}", Path::new(&program).display()))?;
        let stderr = child.stderr.take().expect("it is piped");
        let mut process = Self { child: Killed(child), name, said: Arc::default(), reader: None };
        let (lines, reader) = drain(stderr, Arc::clone(&process.said))?;
        process.reader = Some(reader);
        loop {
            match lines.recv_timeout(START_TIMEOUT) {
                Ok(line) => {
                    if let Some(ready) = ready(&line) {
                        return Ok((process, ready));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!(
                        "{} has ended before it served: {}",
                        process.name,
                        process.last_words()
                    ));
                }
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = START_TIMEOUT.as_secs();
                    return Err(format!(
                        "{} does not serve after {seconds} s: {}",
                        process.name,
                        process.last_words()
                    ));
                }
            }
        }
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// The last lines that it wrote to standard error.
    pub(crate) fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_empty() { "it said nothing".to_owned() } else { Vec::from(said.clone()).join("; ") }
    }

    /// Waits for the reader of its last words; not for long, since a child of the child may hold its standard error.
    fn hear_out(&self) {
        for _ in 0..100 {
            if self.reader.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            thread::sleep(Duration::from_millis(LOOK_MS));
        }
    }

    /// Ends it by SIGTERM and waits for it; kills it past [`STOP_TIMEOUT`].
    ///
    /// # Errors
    /// A sentence, where it did not end well.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let asked = kill_process(Pid::from_child(&self.child.0), Signal::TERM);
        asked.map_err(|error| format!("{} can't be stopped: {error}", self.name))?;
        for _ in 0..STOP_TIMEOUT.as_millis() / u128::from(LOOK_MS) {
            if let Ok(Some(status)) = self.child.0.try_wait() {
                if status.success() {
                    return Ok(());
                }
                self.hear_out();
                return Err(format!("{} has ended with {status}: {}", self.name, self.last_words()));
            }
            thread::sleep(Duration::from_millis(LOOK_MS));
        }
        Err(format!("{} was killed, since it did not end in {} s", self.name, STOP_TIMEOUT.as_secs()))
    }
}

/// Milliseconds between two looks at a process that ends: a wait with a bound needs a thread or a handler.
const LOOK_MS: u64 = 10;

/// Reads standard error to its end, so that the child never waits for a reader; passes lines on while anybody
/// listens, and keeps the last of them.
fn drain(
    stderr: ChildStderr,
    said: Arc<Mutex<VecDeque<String>>>,
) -> Result<(Receiver<String>, JoinHandle<()>), String> {
    let (sender, lines) = mpsc::channel();
    let read = move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut kept = said.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(line.clone());
            drop(kept);
            // Nobody listens once it serves.
            let _ = sender.send(line);
        }
    };
    let reader = thread::Builder::new().name("stderr".to_owned()).spawn(read);
    Ok((lines, reader.map_err(|error| format!("no thread can be started: {error}"))?))
}

/// A running purser.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    platform: SocketAddr,
    operator: SocketAddr,
}

impl Server {
    /// Starts a server and waits until it serves.
    ///
    /// # Errors
    /// A sentence, with what the server said.
    pub(crate) fn start(options: &Options) -> Result<Self, String> {
        let mut command = Command::new(&options.binary);
        command.args(options.arguments());
        Self::spawn(command)
    }

    /// Starts a server by a command line of the caller's own, and waits until it serves.
    ///
    /// # Errors
    /// A sentence, with what the server said.
    pub(crate) fn spawn(command: Command) -> Result<Self, String> {
        let (process, (platform, operator)) = Process::start(command, addresses)?;
        Ok(Self { process, platform, operator })
    }

    /// Where platforms call.
    pub(crate) const fn platform(&self) -> SocketAddr {
        self.platform
    }

    /// Where the operator calls.
    pub(crate) const fn operator(&self) -> SocketAddr {
        self.operator
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Drains the server and ends it.
    ///
    /// # Errors
    /// A sentence, where it did not end well.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.process.stop()
    }
}

/// Asks the process of this id to end, as an operator would.
///
/// # Errors
/// A sentence, where it can't be asked.
pub(crate) fn terminate(pid: u32) -> Result<(), String> {
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("there is no process 0")?;
    kill_process(id, Signal::TERM).map_err(|error| format!("process {pid} can't be stopped: {error}"))
}

/// The addresses in the line that the server writes once it serves: platform, operator.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut urls = line.strip_prefix("purser serves")?.split("http://").skip(1);
    let mut address = || urls.next()?.split([' ', ',']).next()?.parse().ok();
    Some((address()?, address()?))
}

/// The body of what a server answers to a GET.
///
/// # Errors
/// A sentence, where there is no answer, or one with another status than 200.
pub(crate) fn http_get(address: SocketAddr, path: &str) -> Result<String, String> {
    let answer = ask(address, path).map_err(|error| format!("http://{address}{path}: {error}"))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.starts_with("HTTP/1.1 200") {
        Ok(body.to_owned())
    } else {
        Err(format!("http://{address}{path}: the answer is \"{status}\""))
    }
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    socket.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[track_caller]
    fn check_addresses(line: &str, expect: Option<(&str, &str)>) {
        let expect = expect.map(|(a, b)| (a.parse().expect("one"), b.parse().expect("another")));
        assert_eq!(addresses(line), expect, "{line}");
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

    /// A shell in the place of a server.
    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[track_caller]
    fn check_start(script: &str, expect: Result<u16, &str>) {
        let started = Process::start(shell(script), |line| line.strip_prefix("port ")?.parse::<u16>().ok());
        let found = started.as_ref().map(|(_, port)| *port).map_err(String::as_str);
        assert_eq!(found, expect);
    }

    #[test]
    fn starts() {
        check_start("echo hello >&2; echo port 7 >&2; exec sleep 60", Ok(7));
        check_start("echo no room >&2; exit 1", Err("sh has ended before it served: no room"));
        check_start("exit 1", Err("sh has ended before it served: it said nothing"));
    }

    #[track_caller]
    fn check_stop(script: &str, expect: Result<(), &str>) {
        let (process, ()) = Process::start(shell(script), |_| Some(())).expect("it starts");
        assert_eq!(process.stop().as_ref().map_err(String::as_str).copied(), expect);
    }

    #[test]
    fn stops() {
        check_stop("trap 'kill $!; exit 0' TERM; sleep 60 & echo up >&2; wait", Ok(()));
        check_stop(
            "trap 'kill $!; echo torn >&2; exit 3' TERM; sleep 60 & echo up >&2; wait",
            Err("sh has ended with exit status: 3: up; torn"),
        );
    }

    #[track_caller]
    fn check_get(answer: &'static str, expect: Result<&str, &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = thread::Builder::new().spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut room = [0; 1_024];
            let _ = socket.read(&mut room).expect("a request");
            socket.write_all(answer.as_bytes()).expect("a client that reads");
        });
        let got = http_get(address, "/metrics");
        server.expect("a thread").join().expect("a server without a fault");
        let expect = expect
            .map(str::to_owned)
            .map_err(|status| format!("http://{address}/metrics: the answer is \"{status}\""));
        assert_eq!(got, expect);
    }

    #[test]
    fn gets() {
        check_get("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup", Ok("up"));
        check_get("HTTP/1.1 404 Not Found\r\n\r\nno", Err("HTTP/1.1 404 Not Found"));
        check_get("", Err(""));
    }
}
