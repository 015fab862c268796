//! What is done before the clock starts: each virtual user is connected, and has the first token to redeem or the
//! accounts to draw from.
//!
//! It is done one after another and with plain sockets: there is nothing to measure yet but how long it takes to
//! connect, and what goes wrong here ends the run with a sentence that names it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::answer::{Answer, Assembly, Framed};
use super::clock::{Clock, Timestamp};
use super::request::{ITERATION_DIGITS, Request};
use super::scenario::{Site, Step, UserIdentity};

/// Time to connect before the run: many come at once, and who is turned away asks again after one second, and two.
pub(crate) const FIRST_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time to connect anew. All virtual users wait meanwhile, so it is short.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for the answer that has the first token.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the server within so long, and says how long that took, in nanoseconds.
///
/// # Errors
/// Why it did not, and how long that took.
pub(crate) fn connect(
    address: SocketAddr,
    most: Duration,
    clock: &Clock,
) -> Result<(TcpStream, u64), (io::Error, u64)> {
    let began_ns = clock.now_ns();
    let connected = TcpStream::connect_timeout(&address, most).and_then(|socket| {
        socket.set_nodelay(true)?;
        Ok(socket)
    });
    let took_ns = clock.now_ns() - began_ns;
    connected.map(|socket| (socket, took_ns)).map_err(|error| (error, took_ns))
}

/// Begins to connect to the server, and does not wait for it: what is sent on the socket goes once it is connected, or fails
/// with it. On one machine it mostly is when this returns.
///
/// # Errors
/// As [`connect`], where it is known at once.
pub(crate) fn begin_to_connect(
    address: SocketAddr,
    clock: &Clock,
) -> Result<(TcpStream, u64), (io::Error, u64)> {
    let began_ns = clock.now_ns();
    let begun = begin(address);
    let took_ns = clock.now_ns() - began_ns;
    begun.map(|socket| (socket, took_ns)).map_err(|error| (error, took_ns))
}

fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = TcpStream::from(socket_with(family, SocketType::STREAM, flags, None)?);
    socket.set_nodelay(true)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    // The ring waits for a socket that blocks, and fails at once on one that does not.
    socket.set_nonblocking(false)?;
    Ok(socket)
}

/// Has the server mint the first token of a virtual user.
///
/// # Errors
/// A sentence, with the answer where there was one.
pub(crate) fn first_token(
    socket: &mut TcpStream,
    site: &Site,
    player: UserIdentity,
    clock: &Clock,
) -> Result<Vec<u8>, String> {
    let refused = |answer: &str| {
        format!(
            "no first token for {}: {answer}. Does the server run with --demo, and with at least as many demo \
             accounts as there are VUs?",
            player.account()
        )
    };
    let token = |answer: &Answer<'_>| answer.session_token().map(<[u8]>::to_vec);
    ask(socket, site, player, Step::CreateToken, clock, token)
        .unwrap_or_else(|error| Err(error.to_string()))
        .map_err(|why| refused(&why))
}

/// Asks for the balance of the account with this number, the last that a run may draw.
///
/// # Errors
/// A sentence, where the server does not have it.
pub(crate) fn last_account(
    socket: &mut TcpStream,
    site: &Site,
    number: u32,
    clock: &Clock,
) -> Result<(), String> {
    // A virtual user that no run has, since they are counted from 1.
    let player = UserIdentity { number: 0, account: number, accounts: number };
    ask(socket, site, player, Step::Balance, clock, |_| Some(())).unwrap_or_else(|error| Err(error.to_string())).map_err(
        |why| {
            format!(
                "no balance of {}: {why}. Does the server run with --demo, and with at least --demo-accounts {number}?",
                player.account()
            )
        },
    )
}

/// Asks one request and waits: what `take` finds in an answer without a fault, or else what the answer was.
fn ask<T>(
    socket: &mut TcpStream,
    site: &Site,
    player: UserIdentity,
    step: Step,
    clock: &Clock,
    take: impl Fn(&Answer<'_>) -> Option<T>,
) -> io::Result<Result<T, String>> {
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let timestamp = Timestamp::new(clock.wall_ms(clock.now_ns()));
    // The count 0 is left for this attempt: those of the run begin with 1.
    let mut request = Request::compose(step, site, player, b"");
    let request = request.take(0, &[b'0'; ITERATION_DIGITS], &timestamp);
    socket.write_all(&request)?;
    let mut answer = Assembly::default();
    let mut room = [0; 4_096];
    loop {
        let length = match socket.read(&mut room) {
            Ok(0) => return Ok(Err("the server has closed the connection".to_owned())),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Err(format!("no answer in {} s", ANSWER_TIMEOUT.as_secs())));
            }
            Err(error) => return Err(error),
        };
        let mut bytes = &room[..length];
        match answer.feed(&mut bytes) {
            Framed::Partial => {}
            Framed::Whole(answer) if bytes.is_empty() => {
                let found = take(&answer).filter(|_| answer.status == 200 && answer.is_success());
                let shown = || format!("HTTP {} {}", answer.status, String::from_utf8_lossy(answer.body));
                return Ok(found.ok_or_else(shown));
            }
            Framed::Whole(_) | Framed::Unframeable => {
                return Ok(Err("what answered is not HTTP/1.1 with a length".to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::super::scenario::tests::site;
    use super::*;

    /// Asks a server that answers with these bytes, whatever it is asked, and ends.
    #[track_caller]
    fn check(answer: &'static str, expect: Result<&str, &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = thread::Builder::new().spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut room = [0; 4_096];
            let _ = socket.read(&mut room).expect("a request");
            socket.write_all(answer.as_bytes()).expect("a client that reads");
        });
        let clock = Clock::start();
        let (mut socket, _) = connect(address, CONNECT_TIMEOUT, &clock).expect("a server");
        let token = first_token(&mut socket, &site(), UserIdentity::own(7), &clock);
        server.expect("a thread").join().expect("a server without a fault");
        match expect {
            Ok(expect) => assert_eq!(token.as_deref(), Ok(expect.as_bytes())),
            Err(expect) => {
                let sentence = token.expect_err("no token");
                assert!(
                    sentence
                        .starts_with(&format!("no first token for default/player-000007: {expect}. Does")),
                    "{sentence}"
                );
            }
        }
    }

    #[test]
    fn first_tokens() {
        let no_account = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"ErrorCode\":-5}";
        let minted = "HTTP/1.1 200 OK\r\nContent-Length: 49\r\n\r\n{\"ErrorCode\":0,\"Result\":{\"SessionToken\":\"abcde\"}}";
        let cut_short = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"ErrorCode\"";
        check(minted, Ok("abcde"));
        check(no_account, Err("HTTP 200 {\"ErrorCode\":-5}"));
        check(cut_short, Err("the server has closed the connection"));
        check("SSH-2.0\r\n", Err("what answered is not HTTP/1.1 with a length"));
    }

    #[test]
    fn nobody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let (error, _) = connect(address, CONNECT_TIMEOUT, &Clock::start()).expect_err("nobody");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
