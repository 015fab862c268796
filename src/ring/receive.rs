//! Receives: of bytes that are read, and of bytes that are thrown away.

use std::io;
use std::ptr;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use super::{ConnectionId, GROUP, OpKind, Ring, user_data};

/// `IORING_RECVSEND_POLL_FIRST` (Linux 5.19).
const POLL_FIRST: u16 = 1;

/// What becomes of the bytes that a receive brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receive {
    /// They come in a buffer.
    Read,
    /// The kernel throws them away.
    Discard,
}

impl Ring {
    /// Arms the connection: what comes next fills one buffer, and is one event.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn receive(&mut self, connection: ConnectionId) -> io::Result<()> {
        let entry = opcode::Recv::new(Fixed(connection.slot), ptr::null_mut(), 0)
            .buf_group(GROUP)
            .ioprio(POLL_FIRST)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.begin_receive(connection, Receive::Read, entry)
    }

    /// Receives what is there, and waits for nothing: [`Received::Cancelled`](super::Received::Cancelled) where nothing is.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn try_receive(&mut self, connection: ConnectionId) -> io::Result<()> {
        let entry = opcode::Recv::new(Fixed(connection.slot), ptr::null_mut(), 0)
            .flags(libc::MSG_DONTWAIT)
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.begin_receive(connection, Receive::Read, entry)
    }

    /// Arms the connection, and has the kernel throw away what comes next, up to [`limits::DISCARD_BYTES`] of it.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn discard(&mut self, connection: ConnectionId) -> io::Result<()> {
        // MSG_TRUNC: TCP takes the bytes off its queue and copies none (tcp(7)), so that no memory is named here.
        let entry = opcode::Recv::new(Fixed(connection.slot), ptr::null_mut(), limits::DISCARD_BYTES)
            .flags(libc::MSG_TRUNC)
            .ioprio(POLL_FIRST)
            .build();
        self.begin_receive(connection, Receive::Discard, entry)
    }

    fn begin_receive(
        &mut self,
        connection: ConnectionId,
        what: Receive,
        entry: squeue::Entry,
    ) -> io::Result<()> {
        let file = self.file(connection);
        assert!(file.receiving.is_none(), "one receive at a time");
        file.receiving = Some(what);
        self.in_flight += 1;
        self.push(entry.user_data(user_data(OpKind::Receive, connection.generation, connection.slot)))
    }
}
