//! What the ring tells its caller, and how it reads a completion.

use std::io;

use io_uring::cqueue;

use super::{ConnectionId, Lease};

/// What a receive brought.
#[derive(Debug)]
pub enum Received {
    /// Bytes.
    Bytes(Lease),
    /// The peer has ended its side.
    End,
    /// All buffers are lent out; nothing was read, nothing is lost.
    NoBuffer,
    /// The receive was cancelled.
    Cancelled,
    /// The connection is broken.
    Failed(io::Error),
}

/// A completion.
#[derive(Debug)]
pub enum Event {
    /// A listener's connection, or why there is none. `armed` is false where the listener must be armed again.
    Accepted {
        /// The number that [`Ring::accept`](super::Ring::accept) was given.
        listener: u8,
        /// The connection.
        connection: io::Result<ConnectionId>,
        /// More will come.
        armed: bool,
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

/// What a completion says: a count, or an error.
pub(super) fn result(entry: &cqueue::Entry) -> io::Result<usize> {
    match entry.result() {
        failed if failed < 0 => Err(io::Error::from_raw_os_error(-failed)),
        done => Ok(done as usize),
    }
}

/// What a receive's completion says.
pub(super) fn received(entry: &cqueue::Entry) -> Received {
    let lease = cqueue::buffer_select(entry.flags());
    match result(entry) {
        Ok(0) => {
            assert!(lease.is_none(), "an end has no bytes");
            Received::End
        }
        Ok(length) => {
            let buffer = lease.expect("received bytes are in a buffer");
            Received::Bytes(Lease::new(buffer, length))
        }
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOBUFS) => Received::NoBuffer,
            Some(libc::ECANCELED) => Received::Cancelled,
            _ => Received::Failed(error),
        },
    }
}
