//! A peer as a process of its own.

use std::env;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use testkit::client::Client;
use testkit::process::Process;

/// Time for each line of a start, and for an end. A peer grants its database a minute for either.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running peer. Ended when it is dropped, so that a database's files go with it.
pub(crate) struct Server {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.process.child.try_wait(), Ok(None)) {
            self.process.signal(Signal::TERM);
            self.process.ends_within(PATIENCE);
        }
    }
}

impl Server {
    /// Accounts in memory.
    pub(crate) fn in_memory() -> Self {
        Self::start(env!("CARGO_BIN_EXE_axum-memory")).expect("it needs nothing")
    }

    /// Accounts in PostgreSQL, where that is installed.
    pub(crate) fn in_postgres() -> Option<Self> {
        match Self::start(env!("CARGO_BIN_EXE_axum-postgres")) {
            Ok(server) => Some(server),
            Err(said) if said.contains("PostgreSQL is not installed") => {
                let _ = writeln!(io::stderr(), "left out: {said}");
                None
            }
            Err(said) => panic!("{said}"),
        }
    }

    fn start(program: &str) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--demo-accounts", "20"]);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        // What does not come to serve is ended, too, and leaves nothing.
        let mut server = Self { process: Process::spawn(command)?, address: nowhere };
        let address = |line: &str| line.split_once(" serves on http://")?.1.parse().ok();
        server.address = server.process.await_line(PATIENCE, address)?;
        Ok(server)
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The directory of its PostgreSQL below the system's for temporary files.
    pub(crate) fn scratch(&self) -> PathBuf {
        env::temp_dir().join(format!("postgres-{}", self.process.id()))
    }

    /// Ends it as an operator would; what it said meanwhile.
    pub(crate) fn terminate(&mut self) -> (Option<i32>, String) {
        self.process.signal(Signal::TERM);
        (self.process.wait().code(), self.process.last_words())
    }
}
