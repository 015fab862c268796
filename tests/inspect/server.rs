//! A server that makes the data: started, spoken to, and ended with the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Nothing takes that long; so it is what a hanging server is told by.
const PATIENCE: Duration = Duration::from_secs(30);

/// `admin:admin`, of the demo's platform.
const ADMIN: &str = "Basic YWRtaW46YWRtaW4=";

/// A demo that serves from a directory. It is killed when the test is done with it.
pub(crate) struct Server {
    child: Child,
    _stderr: BufReader<ChildStderr>,
    platform: String,
    operator: String,
}

pub(crate) fn serve(data: &Path, shards: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    command.args(["serve", "--demo", "--demo-accounts", "20", "--listen", "127.0.0.1:0"]);
    command.args(["--operator-listen", "127.0.0.1:0", "--shards", &shards.to_string(), "--data"]).arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Server {
    #[track_caller]
    pub(crate) fn start(data: &Path, shards: usize) -> Self {
        let mut child = serve(data, shards).spawn().expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        loop {
            let start = said.len();
            if stderr.read_line(&mut said).expect("UTF-8") == 0 {
                let _ = child.wait();
                panic!("it does not serve: {said}");
            }
            let Some(rest) = said[start..].strip_prefix("purser serves platforms on http://") else {
                continue;
            };
            let (platform, rest) = rest.split_once(" and the operator on http://").expect("both addresses");
            let operator = rest.split_once(',').expect("the number of shards").0.to_owned();
            return Self { child, _stderr: stderr, platform: platform.into(), operator };
        }
    }

    /// A platform's call; the answer's body.
    #[track_caller]
    pub(crate) fn call(&self, path: &str, members: &str) -> String {
        let body = format!(
            r#"{{"PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z",{members}}}"#
        );
        ask(&self.platform, "POST", &format!("/v1.0/{path}"), ADMIN, &body)
    }

    /// A call of the operator's; the answer's body.
    #[track_caller]
    pub(crate) fn operate(&self, method: &str, below: &str, body: &str) -> String {
        ask(&self.operator, method, &format!("/operator/v1/accounts/{below}"), "Bearer demo", body)
    }

    #[track_caller]
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it takes signals");
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn ask(address: &str, method: &str, path: &str, authorization: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}
