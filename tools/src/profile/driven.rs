//! A server with load on it, for as long as it is recorded.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{ChildStdout, Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::process::Killed;

use crate::child::{self, Options, Server};
use crate::load::Scenario;

/// Demo accounts beside those of the virtual users: a table that does not fit the caches.
const ACCOUNTS: u32 = 10_000;

/// A server and the load that is played against it. Both end with it.
pub(crate) struct Driven {
    load: LoadProcess,
    server: Server,
    /// Goes last: the server writes to it until it has ended.
    _scratch: TempDir,
}

/// The generator's process.
struct LoadProcess {
    child: Killed,
    stdout: BufReader<ChildStdout>,
}

impl Driven {
    /// Starts a server on free ports and the load; returns once every virtual user is connected.
    ///
    /// # Errors
    /// A sentence, where either does not start.
    pub(crate) fn start(scenario: Scenario, vus: u16) -> Result<Self, String> {
        let scratch = tempfile::tempdir().map_err(|error| format!("no scratch directory: {error}"))?;
        let server = Server::start(&Options {
            binary: child::beside("purser")?,
            cores: None,
            demo_accounts: ACCOUNTS,
            data: scratch.path().join("data"),
            extra: scenario.server_options(),
        })?;
        let mut command = Command::new(child::own()?);
        // Longer than any recording: it is ended by a signal.
        command.args(["load", "--duration", "1h", "--scenario", scenario.name(), "--vus", &vus.to_string()]);
        command.args(["--url", &format!("http://{}", server.platform())]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let child = command.spawn().map_err(|error| format!("the load can't be started: {error}"))?;
        let mut child = Killed::new(child);
        let stdout = BufReader::new(child.child.stdout.take().expect("it is piped"));
        let mut load = LoadProcess { child, stdout };
        // The summary's head is printed when all are connected.
        let mut line = String::new();
        match load.stdout.read_line(&mut line) {
            Ok(1..) => Ok(Self { load, server, _scratch: scratch }),
            _ => Err("the load has ended before it began".to_owned()),
        }
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Ends both; the load's requests and checks, as its summary has them.
    ///
    /// # Errors
    /// A sentence: the server did not end well, or a check of the load has failed.
    pub(crate) fn stop(self) -> Result<String, String> {
        let Self { mut load, server, _scratch } = self;
        load.child.signal(Signal::TERM);
        let mut summary = String::new();
        load.stdout.read_to_string(&mut summary).map_err(|error| format!("the load's summary: {error}"))?;
        let status = load.child.child.wait().map_err(|error| format!("the load: {error}"))?;
        server.stop()?;
        if !status.success() {
            return Err(format!("the load has ended with {status}: what was recorded is not a good run"));
        }
        let lines = summary.lines().filter(|line| {
            let name = line.trim_start().trim_start_matches("✓ ");
            ["checks.", "http_reqs."].iter().any(|wanted| name.starts_with(wanted))
        });
        Ok(lines.map(|line| format!("  {}\n", line.trim())).collect())
    }
}
