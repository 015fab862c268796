//! Sockets that never block, from an address of the caller's choice, and the poll that waits for them.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

/// Events of one wait.
const EVENTS: usize = 1_024;

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1_024;

/// How a socket is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opening {
    /// The address that it comes from; `None` for the kernel's choice.
    pub(crate) from: Option<Ipv4Addr>,
    /// Bytes of its own buffers, each way, so that what it does not read waits in the server's; 0 for the kernel's choice.
    pub(crate) buffer_bytes: usize,
}

/// Begins to connect. The socket is writable once it is connected, or has failed.
///
/// # Errors
/// What the kernel says; an address or a server that is not there may show later.
pub(crate) fn connect(to: SocketAddr, opening: Opening) -> io::Result<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket: OwnedFd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if opening.buffer_bytes > 0 {
        sockopt::set_socket_recv_buffer_size(&socket, opening.buffer_bytes)?;
        sockopt::set_socket_send_buffer_size(&socket, opening.buffer_bytes)?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(from) = opening.from {
        rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
    }
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

/// Ends a connection by a reset: what was not sent is thrown away.
pub(crate) fn reset(socket: TcpStream) {
    // One that has gone can't be set, and need not be.
    let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
    drop(socket);
}

/// How far a read or a write has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// So many bytes, at least one.
    Bytes(usize),
    /// None for now.
    Waits,
    /// The peer has ended the connection in order.
    Ended,
    /// The connection is broken.
    Broken,
}

/// Reads what is there, up to a bound, to the end of `into`.
pub(crate) fn read(mut socket: &TcpStream, into: &mut Vec<u8>) -> Moved {
    let length = into.len();
    into.resize(length + READ_BYTES, 0);
    let moved = moved(socket.read(&mut into[length..]));
    into.truncate(length + if let Moved::Bytes(bytes) = moved { bytes } else { 0 });
    moved
}

/// Writes what the kernel takes of `bytes`.
pub(crate) fn write(mut socket: &TcpStream, bytes: &[u8]) -> Moved {
    moved(socket.write(bytes))
}

fn moved(result: io::Result<usize>) -> Moved {
    match result {
        Ok(0) => Moved::Ended,
        Ok(bytes) => Moved::Bytes(bytes),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Moved::Waits
        }
        Err(_) => Moved::Broken,
    }
}

/// What a connection waits for. That it ends is told in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

impl Interest {
    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN | EventFlags::RDHUP, self.reads);
        flags.set(EventFlags::OUT, self.writes);
        flags
    }
}

/// What has become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketEvent {
    /// What it was added as.
    pub(crate) number: usize,
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
    /// It is broken, or has ended both ways.
    pub(crate) is_over: bool,
}

/// Waits for many sockets.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    /// One without sockets.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS) })
    }

    /// Adds a socket, which leaves when it is closed.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn add(&self, socket: impl AsFd, number: usize, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), interest.flags())?)
    }

    /// Changes what a socket waits for.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn change(&self, socket: impl AsFd, number: usize, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), interest.flags())?)
    }

    /// Waits for `longest`, in whole milliseconds, or until something has happened, and adds that to `into`.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn wait(&mut self, longest: Duration, into: &mut Vec<SocketEvent>) -> io::Result<()> {
        let longest = Timespec { tv_sec: longest.as_secs() as i64, tv_nsec: longest.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&longest)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        into.extend(self.events.iter().map(|event| {
            let flags = event.flags;
            SocketEvent {
                number: event.data.u64() as usize,
                is_readable: flags.intersects(EventFlags::IN | EventFlags::RDHUP),
                is_writable: flags.contains(EventFlags::OUT),
                is_over: flags.intersects(EventFlags::ERR | EventFlags::HUP),
            }
        }));
        Ok(())
    }
}

/// Wakes a poll in a steady beat: a wait of its own is no more exact than a millisecond.
#[derive(Debug)]
pub(crate) struct Beat(OwnedFd);

impl Beat {
    /// One that is readable as `number` once every `period`.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn start(poll: &Poll, number: usize, period: Duration) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let period = Timespec { tv_sec: period.as_secs() as i64, tv_nsec: period.subsec_nanos().into() };
        let set = Itimerspec { it_interval: period, it_value: period };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &set)?;
        poll.add(&timer, number, Interest { reads: true, writes: false })?;
        Ok(Self(timer))
    }

    /// Takes note of the beats so far.
    pub(crate) fn heard(&self) {
        // None yet is as good.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}
