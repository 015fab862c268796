//! A peer as a process of its own, and a connection to it.

use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Time for an answer. A test waits so long only where there is none.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running peer. Ended when it is dropped, so that a database's files go with it.
pub(crate) struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        let _ = self.child.wait();
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
                let _ = writeln!(io::stderr(), "left out: {}", said.trim_end());
                None
            }
            Err(said) => panic!("{said}"),
        }
    }

    fn start(program: &str) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--demo-accounts", "20"]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("a program that was built");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut server = Self { child, stderr, address: String::new() };
        let mut said = String::new();
        loop {
            let before = said.len();
            if server.stderr.read_line(&mut said).expect("text") == 0 {
                return Err(said);
            }
            if let Some((_, address)) = said[before..].split_once(" serves on http://") {
                address.trim_end().clone_into(&mut server.address);
                return Ok(server);
            }
        }
    }

    pub(crate) fn connect(&self) -> Client {
        let socket = TcpStream::connect(&self.address).expect("a server that listens");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        Client { socket: BufReader::new(socket) }
    }

    /// The peer's address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The directory of its PostgreSQL below the system's for temporary files.
    pub(crate) fn scratch(&self) -> PathBuf {
        env::temp_dir().join(format!("postgres-{}", self.child.id()))
    }

    /// Ends it as an operator would; what it said meanwhile.
    pub(crate) fn terminate(&mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a process");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("text");
        (self.child.wait().expect("an end").code(), said)
    }
}

/// A connection that stays open from one request to the next.
pub(crate) struct Client {
    socket: BufReader<TcpStream>,
}

impl Client {
    /// The status and the body of the answer.
    pub(crate) fn ask(&mut self, path: &str, authorization: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: peer\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.socket.get_mut().write_all(request.as_bytes()).expect("a server that reads");
        let (mut status, mut length) = (0, 0);
        for at in 0.. {
            let mut line = String::new();
            assert_ne!(self.socket.read_line(&mut line).expect("an answer"), 0, "the end of the connection");
            let line = line.trim_end().to_ascii_lowercase();
            if at == 0 {
                status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().expect("a length");
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).expect("the body");
        (status, String::from_utf8(body).expect("UTF-8"))
    }

    /// Whether the server has ended the connection.
    pub(crate) fn is_ended(&mut self) -> bool {
        matches!(self.socket.read(&mut [0]), Ok(0))
    }
}
