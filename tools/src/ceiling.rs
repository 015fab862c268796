//! `tools ceiling`: the answer without the server.
//!
//! One ring, one thread. Every receive is answered with one send of the same bytes, those that the server would
//! answer a `balance` with; what was asked is not looked at. What this costs is the kernel's TCP and the ring, so
//! no server on this ring can be faster, and a server's figure is told as a share of it. It waits in the ring, as
//! a server on a busy core does, and keeps for each connection no more than the buffer to send.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{DateHeader, Response, Status, write_response};
use ring::{Accepted, ConnectionId, Event, Received, Ring, Sizes};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::machine;
use crate::wake::{self, Wake};

/// The answer to `balance`, up to the text that makes it as long as is asked for.
const BODY_START: &str = "{\"ErrorCode\":0,\"Balance\":{\"CurrencyCode\":\"GBP\",\"CashFunds\":1000000.00,\
                          \"BonusFunds\":0.00,\"FundsPriority\":\"Unknown\",\"Version\":";

const BODY_END: &str = "}}";

/// Bytes of the body with a version of one digit.
const BODY_BYTES_MIN: usize = BODY_START.len() + 1 + BODY_END.len();

/// Bytes of the largest body: with its head it stays below what one send may hold of a server's answers.
const BODY_BYTES_MAX: i64 = 32 * 1024;

/// Connections at a time.
const CONNECTIONS_MAX: u32 = 10_240;

/// Descriptors beside the connections.
const SPARE_FILES: u64 = 64;

/// The number of the one listener.
const LISTENER: u8 = 0;

/// Arguments of `tools ceiling`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to answer
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9818")]
    listen: SocketAddr,
    /// Runs on this core alone
    #[arg(long, value_name = "CORE")]
    pin: Option<usize>,
    /// Length of the JSON body
    #[arg(long, value_name = "BYTES", default_value_t = BODY_BYTES_MIN as u16, value_parser = body_range())]
    body_bytes: u16,
}

fn body_range() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(BODY_BYTES_MIN as i64..=BODY_BYTES_MAX)
}

/// Answers until a signal.
///
/// # Errors
/// A sentence: wrong arguments, a port in use, or a kernel that has no ring.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    if let Some(core) = arguments.pin {
        machine::pin(core)?;
    }
    machine::open_files(u64::from(CONNECTIONS_MAX) + SPARE_FILES)?;
    let listen = arguments.listen;
    let listener = TcpListener::bind(listen).map_err(|error| format!("--listen {listen}: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("--listen {listen}: {error}"))?;
    let failed = |error: io::Error| format!("the socket ring: {error}");
    let responder = Responder::new(listener, answer(arguments.body_bytes.into())).map_err(failed)?;
    // Who reads this has nothing else to be told by.
    let _ = writeln!(io::stderr(), "ceiling answers on http://{address}");
    responder.run().map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// The server's answer with a body of this length. Its version has as many digits as that needs.
fn answer(body_bytes: usize) -> Vec<u8> {
    let version = "1".repeat(body_bytes + 1 - BODY_BYTES_MIN);
    let body = format!("{BODY_START}{version}{BODY_END}");
    let mut answer = Vec::new();
    write_response(
        &mut answer,
        &DateHeader::new(unix_seconds()),
        &Response::json(Status::Ok, body.as_bytes()),
    );
    answer
}

#[expect(clippy::disallowed_methods, reason = "the one look at the time, for the one answer that there is")]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A place of the ring's file table.
#[derive(Debug, Default)]
struct Slot {
    /// Empty while the ring has it, and until the place is first used.
    answer: Vec<u8>,
    /// Receives that came while the ring had the answer.
    owed: u32,
    broken: bool,
}

struct Responder {
    ring: Ring,
    wake: Wake,
    listener: TcpListener,
    answer: Vec<u8>,
    places: Vec<Slot>,
}

impl Responder {
    fn new(listener: TcpListener, answer: Vec<u8>) -> io::Result<Self> {
        let mut ring = Ring::new(Sizes::server(CONNECTIONS_MAX))?;
        let wake = Wake::on_signals(&mut ring, &[SIGINT, SIGTERM])?;
        ring.accept(listener.as_fd(), LISTENER)?;
        let mut places = Vec::new();
        places.resize_with(ring.capacity(), Slot::default);
        Ok(Self { ring, wake, listener, answer, places })
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            self.ring.turn_and_wait()?;
            while let Some(event) = self.ring.next_event() {
                match event {
                    Event::Received { connection, received } => {
                        if connection == self.wake.connection() {
                            if self.is_signal(received) {
                                return Ok(());
                            }
                        } else {
                            self.on_received(connection, received)?;
                        }
                    }
                    Event::Sent { connection, buffer, result } => {
                        self.on_sent(connection, buffer, result.is_err())?;
                    }
                    Event::Accepted { accepted, .. } => self.on_accepted(accepted)?,
                    Event::ShutDown { .. } | Event::Written { .. } | Event::Woken => {
                        unreachable!("nothing of the kind is asked for")
                    }
                }
            }
        }
    }

    fn is_signal(&mut self, received: Received) -> bool {
        let Received::Bytes(lease) = received else { return false };
        let is_signal = wake::has_signal(self.ring.bytes(&lease));
        self.ring.release(lease);
        is_signal
    }

    fn on_accepted(&mut self, accepted: io::Result<Accepted>) -> io::Result<()> {
        // An error is of a connection that had ended, or that there was no place for.
        if let Ok(Accepted { connection, .. }) = accepted {
            let place = &mut self.places[connection.slot()];
            place.owed = 0;
            place.broken = false;
            if place.answer.is_empty() {
                place.answer.clone_from(&self.answer);
            }
            self.ring.receive(connection)?;
        }
        self.ring.accept(self.listener.as_fd(), LISTENER)
    }

    fn on_received(&mut self, connection: ConnectionId, received: Received) -> io::Result<()> {
        let place = &mut self.places[connection.slot()];
        match received {
            Received::Bytes(lease) => {
                self.ring.release(lease);
                let answer = std::mem::take(&mut place.answer);
                if answer.is_empty() {
                    place.owed += 1;
                } else {
                    self.ring.send(connection, answer)?;
                }
            }
            Received::NoBuffer | Received::Discarded(_) => {}
            Received::End | Received::Cancelled | Received::Failed(_) => place.broken = true,
        }
        if place.broken { self.close(connection) } else { self.ring.receive(connection) }
    }

    fn on_sent(&mut self, connection: ConnectionId, buffer: Vec<u8>, failed: bool) -> io::Result<()> {
        let place = &mut self.places[connection.slot()];
        if place.broken || failed {
            place.answer = buffer;
            place.broken = true;
            self.close(connection)
        } else if place.owed > 0 {
            place.owed -= 1;
            self.ring.send(connection, buffer)
        } else {
            place.answer = buffer;
            Ok(())
        }
    }

    /// Closes a connection once the kernel has no more to do for it.
    fn close(&mut self, connection: ConnectionId) -> io::Result<()> {
        if self.ring.is_quiet(connection) { self.ring.close(connection) } else { self.ring.abort(connection) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body_bytes: usize, version_digits: usize) {
        let answer = String::from_utf8(answer(body_bytes)).expect("UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let lines: Vec<&str> = head.split("\r\n").collect();
        assert_eq!(lines[..2], ["HTTP/1.1 200 OK", "Content-Type: application/json"]);
        assert!(lines[2].starts_with("Date: "), "{}", lines[2]);
        assert_eq!(lines[3..], [format!("Content-Length: {body_bytes}")]);
        assert_eq!(body.len(), body_bytes);
        let version = "1".repeat(version_digits);
        assert!(
            body.starts_with("{\"ErrorCode\":0,") && body.ends_with(&format!("\"Version\":{version}}}}}"))
        );
    }

    #[test]
    fn answers() {
        check(BODY_BYTES_MIN, 1);
        check(BODY_BYTES_MIN + 1, 2);
        check(1_000, 1_001 - BODY_BYTES_MIN);
    }
}
