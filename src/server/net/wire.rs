//! What a connection asks of whatever carries its bytes: the ring, and a script in tests.

use std::io;

use ring::{ConnectionId, Ring};

/// What carries the bytes of connections. Each send, receive, look, discard and shutdown ends with an event for its
/// connection; one that was aborted, too.
///
/// # Errors
/// Of each: the wire is not usable any more.
pub(super) trait Wire {
    /// Sends all of `buffer`; one send of a connection at a time.
    fn send(&mut self, connection: ConnectionId, buffer: Vec<u8>) -> io::Result<()>;
    /// Waits for bytes; one receive, look or discard of a connection at a time.
    fn receive(&mut self, connection: ConnectionId) -> io::Result<()>;
    /// Receives what is there, and waits for nothing.
    fn try_receive(&mut self, connection: ConnectionId) -> io::Result<()>;
    /// Waits for bytes, and throws them away.
    fn discard(&mut self, connection: ConnectionId) -> io::Result<()>;
    /// Ends this side.
    fn shutdown(&mut self, connection: ConnectionId) -> io::Result<()>;
    /// Cancels what is under way.
    fn abort(&mut self, connection: ConnectionId) -> io::Result<()>;
    /// Whether nothing is under way.
    fn is_quiet(&self, connection: ConnectionId) -> bool;
    /// Closes a quiet connection.
    fn close(&mut self, connection: ConnectionId) -> io::Result<()>;
}

impl Wire for Ring {
    fn send(&mut self, connection: ConnectionId, buffer: Vec<u8>) -> io::Result<()> {
        self.send(connection, buffer)
    }

    fn receive(&mut self, connection: ConnectionId) -> io::Result<()> {
        self.receive(connection)
    }

    fn try_receive(&mut self, connection: ConnectionId) -> io::Result<()> {
        self.try_receive(connection)
    }

    fn discard(&mut self, connection: ConnectionId) -> io::Result<()> {
        self.discard(connection)
    }

    fn shutdown(&mut self, connection: ConnectionId) -> io::Result<()> {
        self.shutdown(connection)
    }

    fn abort(&mut self, connection: ConnectionId) -> io::Result<()> {
        self.abort(connection)
    }

    fn is_quiet(&self, connection: ConnectionId) -> bool {
        self.is_quiet(connection)
    }

    fn close(&mut self, connection: ConnectionId) -> io::Result<()> {
        self.close(connection)
    }
}
