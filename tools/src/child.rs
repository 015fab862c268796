//! The server as a process of its own, for tools that start what they measure.
//!
//! The child is asked to listen on free ports and says on standard error which it was given. It is ended by
//! SIGTERM, as an operator would end it; one that is dropped on the way out of an error is killed, so that no tool
//! leaves a server behind.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use testkit::client;
use testkit::home::serves_at;
use testkit::process::Process;

/// Time until the server must serve: ten million demo accounts are written to a snapshot before it does.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// Time for a drain; the server gives its connections 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for an answer of the operator's listener.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Starts a process and waits until `ready` makes something of a line of its standard error.
///
/// # Errors
/// A sentence, with what the process said last, where it ends or takes longer than [`START_TIMEOUT`].
pub(crate) fn start<T>(
    command: Command,
    ready: impl FnMut(&str) -> Option<T>,
) -> Result<(Process, T), String> {
    let mut process = Process::spawn(command)?;
    let ready = process.await_line(START_TIMEOUT, ready)?;
    process.drain()?;
    Ok((process, ready))
}

/// Ends a process by SIGTERM; kills it past [`STOP_TIMEOUT`].
///
/// # Errors
/// A sentence, where it did not end well.
pub(crate) fn stop(process: Process) -> Result<(), String> {
    process.stop(STOP_TIMEOUT)
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
        let (process, (platform, operator)) = start(command, serves_at)?;
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
        self.process.id()
    }

    /// Drains the server and ends it.
    ///
    /// # Errors
    /// A sentence, where it did not end well.
    pub(crate) fn stop(self) -> Result<(), String> {
        stop(self.process)
    }

    /// Asks it to end, as an operator would.
    pub(crate) fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }
}

/// The body of what a server answers to a GET.
///
/// # Errors
/// A sentence, where there is no answer, or one with another status than 200.
pub(crate) fn http_get(address: SocketAddr, path: &str) -> Result<String, String> {
    client::get(address, path, ANSWER_TIMEOUT)
}
