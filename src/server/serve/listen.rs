//! The listeners: their sockets, one for each shard.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

use super::Error;
use crate::config;

/// The sockets of one listener, one per shard; the kernel deals connections among them.
pub(super) struct BoundListener {
    pub(super) address: SocketAddr,
    pub(super) sockets: Vec<TcpListener>,
}

/// Binds the sockets of a listener at `address`, one for each of so many shards. They listen from then on. A peer has
/// `send_ms` to take what was sent to it.
///
/// # Errors
/// Where the port is in use, or the address is not to be had.
pub(super) fn bind(address: SocketAddr, shards: usize, send_ms: u64) -> Result<BoundListener, Error> {
    let failed = |error: io::Error| Error::start(format!("can't listen on {address}: {}", reason(&error)));
    // Sockets that share a port are let in beside those of another process of the same user. So the first one has the port
    // alone, and shares it only once it listens: of two processes that start together one is refused. The kernel looks at
    // what a socket shares now, and not at what it did when it was bound.
    let first = listen_when_free(address, send_ms).map_err(failed)?;
    let address = first.local_addr().map_err(failed)?;
    sockopt::set_socket_reuseport(&first, true).map_err(|error| failed(error.into()))?;
    let others = (1..shards).map(|_| listen(address, true, send_ms));
    let sockets = std::iter::once(Ok(first)).chain(others).collect::<io::Result<_>>().map_err(failed)?;
    Ok(BoundListener { address, sockets })
}

/// Listens alone. The kernel closes the ring of a process that was killed a moment after the process has ended, and its
/// listeners with it: so a port in use is tried again for a while.
fn listen_when_free(address: SocketAddr, send_ms: u64) -> io::Result<TcpListener> {
    let mut left_ms = limits::LISTEN_RETRY_MS_MAX;
    loop {
        match listen(address, false, send_ms) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && left_ms > 0 => {
                std::thread::sleep(Duration::from_millis(limits::LISTEN_RETRY_MS));
                left_ms = left_ms.saturating_sub(limits::LISTEN_RETRY_MS);
            }
            listening => return listening,
        }
    }
}

fn listen(address: SocketAddr, shared: bool, send_ms: u64) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, shared)?;
    // Accepted sockets inherit it: an answer is sent when it is there, not when the last one was acknowledged.
    sockopt::set_tcp_nodelay(&socket, true)?;
    // What a peer that does not read may have of the kernel's memory; else it grows to megabytes.
    sockopt::set_socket_send_buffer_size(&socket, limits::SOCKET_BUFFER_BYTES)?;
    sockopt::set_socket_recv_buffer_size(&socket, limits::SOCKET_BUFFER_BYTES)?;
    // Answers that the kernel has taken are waited for as those that it has not (tcp(7)).
    sockopt::set_tcp_user_timeout(&socket, u32::try_from(send_ms).unwrap_or(u32::MAX))?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use by another process".into(),
        io::ErrorKind::PermissionDenied => "permission denied; ports below 1024 need a privilege".into(),
        io::ErrorKind::AddrNotAvailable => "the address is not this machine's".into(),
        _ => config::reason(error),
    }
}
