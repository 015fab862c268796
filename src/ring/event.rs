//! What the ring tells its caller, and how it reads a completion.

use std::io;
use std::net::IpAddr;

use io_uring::cqueue;

use super::buffers::Buffers;
use super::receive::Receive;
use super::{ConnectionId, Lease};

/// What a receive brought.
#[derive(Debug)]
pub enum Received {
    /// Bytes.
    Bytes(Lease),
    /// So many bytes, which were thrown away ([`Ring::discard`](super::Ring::discard)).
    Discarded(usize),
    /// The peer has ended its side.
    End,
    /// All buffers are lent out; nothing was read, nothing is lost.
    NoBuffer,
    /// The receive was cancelled, or was to wait for nothing and found nothing.
    Cancelled,
    /// The connection is broken.
    Failed(io::Error),
}

/// A connection that was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// The connection.
    pub connection: ConnectionId,
    /// Its peer's address. An IPv4 address that came to an IPv6 socket is told as IPv4.
    pub address: IpAddr,
}

/// A completion.
#[derive(Debug)]
pub enum Event {
    /// An accept has ended, with a connection or the reason why there is none.
    Accepted {
        /// The number that [`Ring::accept`](super::Ring::accept) was given.
        listener: u8,
        /// The connection.
        accepted: io::Result<Accepted>,
    },
    /// A receive has ended; the connection receives more once it is armed again.
    Received {
        /// Whose.
        connection: ConnectionId,
        /// What it brought.
        received: Received,
    },
    /// A send has ended; the buffer is the caller's again.
    Sent {
        /// Whose.
        connection: ConnectionId,
        /// The buffer that was sent, whole.
        buffer: Vec<u8>,
        /// Bytes sent. Fewer than the buffer has only where the connection broke.
        result: io::Result<usize>,
    },
    /// [`Ring::write`](super::Ring::write) is durable, or has failed: then what is in the file is not known.
    Written {
        /// Which of both.
        result: io::Result<()>,
    },
    /// The eventfd that is [watched](super::Ring::watch) was signalled; it is to be watched again.
    Woken,
    /// [`Ring::shutdown`](super::Ring::shutdown) was carried out.
    ShutDown {
        /// Whose.
        connection: ConnectionId,
    },
}

/// Whether an accept failed because every place of the file table is taken. The kernel has closed the connection.
pub fn is_table_full(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENFILE)
}

/// Whether an accept failed because the system has no memory for a connection, or no file.
pub fn lacks_memory(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// What a completion says: a count, or an error.
pub(super) fn result(entry: &cqueue::Entry) -> io::Result<usize> {
    match entry.result() {
        failed if failed < 0 => Err(io::Error::from_raw_os_error(-failed)),
        done => Ok(done as usize),
    }
}

/// What a receive's completion says, of a count or an error and the buffer that came with it. Nothing that the kernel says
/// is a reason to end: a buffer that came with no bytes goes back, and bytes without a buffer broke the connection.
pub(super) fn received(
    what: Receive,
    result: io::Result<usize>,
    buffer: Option<u16>,
    is_followed: bool,
    buffers: &mut Buffers,
) -> Received {
    let received = match result {
        Ok(0) => Received::End,
        Ok(length) if what == Receive::Discard => Received::Discarded(length),
        Ok(length) => {
            return match buffer.and_then(|buffer| buffers.lease(buffer, length)) {
                Some(lease) => Received::Bytes(lease.followed(is_followed)),
                None => Received::Failed(io::Error::other("received bytes are in no buffer")),
            };
        }
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOBUFS) => Received::NoBuffer,
            Some(libc::ECANCELED | libc::EAGAIN) => Received::Cancelled,
            _ => Received::Failed(error),
        },
    };
    if let Some(unused) = buffer.and_then(|buffer| buffers.lease(buffer, 0)) {
        buffers.release(unused);
    }
    received
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u16 = 4;
    const BYTES: usize = 64;

    /// What a completion is taken for, and how many buffers it has given back.
    #[track_caller]
    fn check(result: Result<usize, i32>, buffer: Option<u16>, expect: &str, given_back: u16) {
        let mut buffers = Buffers::new(COUNT, BYTES).unwrap();
        let before = buffers.queued();
        let told = received(
            Receive::Read,
            result.map_err(io::Error::from_raw_os_error),
            buffer,
            false,
            &mut buffers,
        );
        let name = match told {
            Received::Bytes(lease) => format!("{} bytes", buffers.bytes(&lease).len()),
            Received::Discarded(length) => format!("{length} discarded"),
            Received::End => "end".into(),
            Received::NoBuffer => "no buffer".into(),
            Received::Cancelled => "cancelled".into(),
            Received::Failed(_) => "failed".into(),
        };
        let case = format!("{result:?} {buffer:?}");
        assert_eq!((name.as_str(), buffers.queued().wrapping_sub(before)), (expect, given_back), "{case}");
    }

    #[test]
    fn whatever_the_kernel_says_of_a_receive_is_taken() {
        check(Ok(7), Some(1), "7 bytes", 0);
        check(Ok(BYTES), Some(COUNT - 1), "64 bytes", 0);
        check(Ok(0), None, "end", 0);
        check(Ok(0), Some(2), "end", 1);
        check(Ok(7), None, "failed", 0);
        check(Ok(7), Some(COUNT), "failed", 0);
        check(Ok(BYTES + 1), Some(1), "failed", 0);
        check(Err(libc::ENOBUFS), None, "no buffer", 0);
        check(Err(libc::ECANCELED), None, "cancelled", 0);
        check(Err(libc::EAGAIN), None, "cancelled", 0);
        check(Err(libc::ECANCELED), Some(0), "cancelled", 1);
        check(Err(libc::ECONNRESET), None, "failed", 0);
        check(Err(libc::ECONNRESET), Some(3), "failed", 1);
        check(Err(libc::ECONNRESET), Some(COUNT), "failed", 0);
    }
}
