//! Which shard a connection is at, as the server's metrics tell it.
//!
//! The kernel deals connections out to the shards, and nothing in an answer says where one has landed. So each is made
//! alone, and the shard that has accepted one more has it: nobody else may connect meanwhile.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// Time for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of the metrics, beyond which they are not the server's: 64 shards have a tenth of it.
const METRICS_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Looks for a connection that the kernel has made and the server may not have seen yet, and the time between two.
const LOOKS_MAX: usize = 2_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// The operator's side of a server, on one connection, so that looking changes nothing.
#[derive(Debug)]
pub(crate) struct Lookout {
    socket: BufReader<TcpStream>,
    host: String,
    /// Connections that each shard had accepted at the last look.
    accepted: Vec<u64>,
}

impl Lookout {
    /// Connects to the operator's listener, and looks for the first time.
    ///
    /// # Errors
    /// A sentence, where nobody answers, or not a purser.
    pub(crate) fn connect(address: SocketAddr, host: &str) -> Result<Self, String> {
        let connected = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).and_then(|socket| {
            socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            Ok(BufReader::new(socket))
        });
        let socket = connected.map_err(|error| format!("no server answers at http://{host}: {error}"))?;
        let mut lookout = Self { socket, host: host.to_owned(), accepted: Vec::new() };
        // The first answer may be older than the connection that it came on.
        lookout.look()?;
        lookout.accepted = lookout.look()?;
        Ok(lookout)
    }

    /// Shards of the server.
    pub(crate) fn shards(&self) -> usize {
        self.accepted.len()
    }

    /// The shard that has taken the one connection which was made since the last call.
    ///
    /// # Errors
    /// A sentence, where none has, or more were made.
    pub(crate) fn landed(&mut self) -> Result<usize, String> {
        for _ in 0..LOOKS_MAX {
            let now = self.look()?;
            match landed(&self.accepted, &now) {
                Landed::Nowhere => thread::sleep(LOOK_INTERVAL),
                Landed::At(shard) => {
                    self.accepted = now;
                    return Ok(shard);
                }
                Landed::Unclear => break,
            }
        }
        Err(format!(
            "the shard of a connection can't be told: http://{} accepts others at the same time",
            self.host
        ))
    }

    fn look(&mut self) -> Result<Vec<u64>, String> {
        let metrics = self.metrics().map_err(|error| format!("http://{}/metrics: {error}", self.host))?;
        let accepted = accepted(&metrics);
        if accepted.is_empty() {
            return Err(format!("http://{}/metrics: no purser_connections_accepted_total in it", self.host));
        }
        Ok(accepted)
    }

    fn metrics(&mut self) -> io::Result<String> {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.socket.get_mut().write_all(request.as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.socket.by_ref().take(METRICS_BYTES_MAX).read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.split_once(':') else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = String::new();
        self.socket.by_ref().take(length.min(METRICS_BYTES_MAX)).read_to_string(&mut body)?;
        Ok(body)
    }
}

/// The connections that each shard has accepted, in the order of the shards.
fn accepted(metrics: &str) -> Vec<u64> {
    let lines =
        metrics.lines().filter_map(|line| line.strip_prefix("purser_connections_accepted_total{shard=\""));
    lines.map_while(|line| line.split_once("\"} ")?.1.parse().ok()).collect()
}

/// What two looks have in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Landed {
    Nowhere,
    At(usize),
    /// More than one connection.
    Unclear,
}

fn landed(before: &[u64], now: &[u64]) -> Landed {
    let mut changed = before.iter().zip(now).enumerate().filter(|(_, (before, now))| before != now);
    match (changed.next(), changed.next()) {
        (None, _) if before.len() == now.len() => Landed::Nowhere,
        (Some((shard, (before, now))), None) if *now == before + 1 => Landed::At(shard),
        _ => Landed::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &[u64], now: &[u64], expect: Landed) {
        assert_eq!(landed(before, now), expect);
    }

    #[test]
    fn where_a_connection_has_landed() {
        check(&[3, 5], &[3, 5], Landed::Nowhere);
        check(&[3, 5], &[4, 5], Landed::At(0));
        check(&[3, 5], &[3, 6], Landed::At(1));
        check(&[3, 5], &[3, 7], Landed::Unclear);
        check(&[3, 5], &[4, 6], Landed::Unclear);
        check(&[3, 5], &[3], Landed::Unclear);
    }

    #[test]
    fn connections_of_metrics() {
        let metrics = "# HELP purser_connections_accepted_total Connections accepted.\n\
                       # TYPE purser_connections_accepted_total counter\n\
                       purser_connections_accepted_total{shard=\"0\"} 7\n\
                       purser_connections_accepted_total{shard=\"1\"} 12\npurser_connections{shard=\"0\"} 3\n";
        assert_eq!(accepted(metrics), [7, 12]);
        assert_eq!(accepted("nothing of the kind"), [0; 0]);
    }
}
