//! Accepts, each for one connection and its peer's address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use io_uring::{opcode, types};

use super::{Accepted, Event, OpKind, Ring, user_data};

/// An accept: under way, or ready to be used again.
pub(super) struct Accept {
    /// The caller's number of the listener, while it is under way.
    listener: Option<u8>,
    /// Where the kernel writes the peer's address; it stays where it is until the completion.
    address: Box<Address>,
}

/// A socket address as the kernel writes it.
struct Address {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

impl Address {
    fn new() -> Self {
        // SAFETY: an address is integers, and all zeros is one of no family.
        let storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        Self { storage, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    /// The IP address in it; `None` where it is of another family.
    fn ip(&self) -> Option<IpAddr> {
        let storage = ptr::from_ref(&self.storage);
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the storage is larger than any address and aligned for all, and the family says which it is.
                let address = unsafe { &*storage.cast::<libc::sockaddr_in>() };
                Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let address = unsafe { &*storage.cast::<libc::sockaddr_in6>() };
                Some(Ipv6Addr::from(address.sin6_addr.s6_addr).to_canonical())
            }
            _ => None,
        }
    }
}

/// Who waits at a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Connections that wait to be accepted.
    pub waiting: usize,
    /// Counts those that the kernel has turned away, since there was no room for them; round and round.
    pub turned_away: u32,
}

/// Reads an option of a socket, which is integers; leaves it as it is where the kernel does not say.
fn option<T: Copy>(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &mut T) {
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes as many bytes as it is told that there are, and fewer where it knows of less.
    unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, ptr::from_mut(value).cast(), &raw mut length);
    }
}

impl Ring {
    /// Accepts one connection from `listener`; `number`, of the caller's choice, comes back with the event. Several may be
    /// under way for a listener: each takes the next connection.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn accept(&mut self, listener: BorrowedFd<'_>, number: u8) -> io::Result<()> {
        let free = self.accepts.iter().position(|accept| accept.listener.is_none());
        let at = free.unwrap_or_else(|| {
            self.accepts.push(Accept { listener: None, address: Box::new(Address::new()) });
            self.accepts.len() - 1
        });
        let accept = &mut self.accepts[at];
        accept.listener = Some(number);
        *accept.address = Address::new();
        let address = &raw mut accept.address.storage;
        let length = &raw mut accept.address.length;
        let entry = opcode::Accept::new(types::Fd(listener.as_raw_fd()), address.cast(), length)
            .file_index(Some(types::DestinationSlot::auto_target()))
            .build()
            .user_data(user_data(OpKind::Accept, 0, at as u32));
        self.in_flight += 1;
        self.push(entry)
    }

    /// Ends the accepts of the listener with this number; each still gives its event.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn stop_accepting(&mut self, number: u8) -> io::Result<()> {
        for at in 0..self.accepts.len() {
            if self.accepts[at].listener == Some(number) {
                self.cancel(user_data(OpKind::Accept, 0, at as u32))?;
            }
        }
        Ok(())
    }

    /// Has the kernel let nobody further connect to `listener`, while those who have connected can still be accepted.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn turn_away(listener: BorrowedFd<'_>) -> io::Result<()> {
        // One instruction of classic BPF: none of a packet is let through (socket(7), SO_ATTACH_FILTER). Those who have
        // connected have sockets of their own, which were made before.
        let mut drop_all =
            libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
        let program = libc::sock_fprog { len: 1, filter: &raw mut drop_all };
        // SAFETY: the program and its instruction live until the call returns; the kernel copies both.
        let result = unsafe {
            libc::setsockopt(
                listener.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of::<libc::sock_fprog>() as libc::socklen_t,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Whether a connection waits to be accepted from `listener`.
    pub fn has_waiting(listener: BorrowedFd<'_>) -> bool {
        let mut polled = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: it is one entry, and it is not waited for.
        unsafe { libc::poll(&raw mut polled, 1, 0) > 0 }
    }

    /// Who waits at `listener`; nobody where the kernel does not say.
    pub fn queue(listener: BorrowedFd<'_>) -> Queue {
        // Of a listener TCP_INFO says how many wait in the place of the segments that were not acknowledged
        // (net/ipv4/tcp.c, tcp_get_info).
        // SAFETY: it is integers, of which all zeros are some.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        option(listener, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info);
        // The last one of what SO_MEMINFO says is how many were dropped (linux/sock_diag.h, SK_MEMINFO_DROPS).
        let mut memory = [0_u32; 9];
        option(listener, libc::SOL_SOCKET, libc::SO_MEMINFO, &mut memory);
        Queue { waiting: info.tcpi_unacked as usize, turned_away: memory[8] }
    }

    /// Has the kernel keep no more than so many connections for `listener` that wait to be accepted, and one. Those that wait
    /// already do so further. Where the kernel refuses it, it is as before.
    pub fn bound_queue(listener: BorrowedFd<'_>, backlog: usize) {
        // SAFETY: it takes no memory.
        unsafe {
            libc::listen(listener.as_raw_fd(), libc::c_int::try_from(backlog).unwrap_or(libc::c_int::MAX))
        };
    }

    /// What became of the accept `at`.
    pub(super) fn accepted(&mut self, at: u32, result: io::Result<usize>) -> Event {
        let accept = &mut self.accepts[at as usize];
        let listener = accept.listener.take().expect("an accept completes once");
        // Who comes by another way than IP has no address to be counted by.
        let address = accept.address.ip().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let accepted = result.map(|slot| Accepted { connection: self.opened(slot as u32), address });
        Event::Accepted { listener, accepted }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::super::{Received, Sizes};
    use super::*;

    /// The addresses of the next connections that are accepted, and the numbers of their listeners.
    fn accept(ring: &mut Ring, count: usize) -> Vec<(u8, io::Result<IpAddr>)> {
        let mut accepted_all = Vec::new();
        while accepted_all.len() < count {
            ring.turn_and_wait().unwrap();
            while let Some(event) = ring.next_event() {
                let Event::Accepted { listener, accepted } = event else { panic!("{event:?}") };
                accepted_all.push((listener, accepted.map(|accepted| accepted.address)));
            }
        }
        accepted_all
    }

    #[test]
    fn a_connection_comes_with_its_address() {
        for (bind, connect, expect) in [
            ("127.0.0.1:0", "127.0.0.1", "127.0.0.1"),
            ("[::1]:0", "::1", "::1"),
            ("[::]:0", "::1", "::1"),
            // To an IPv6 socket an IPv4 peer is ::ffff:127.0.0.1.
            ("[::]:0", "127.0.0.1", "127.0.0.1"),
        ] {
            let listener = TcpListener::bind(bind).unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut ring = Ring::new(Sizes { write_bytes: 0, ..Sizes::server(8) }).unwrap();
            for _ in 0..3 {
                ring.accept(listener.as_fd(), 7).unwrap();
            }
            let connect: IpAddr = connect.parse().unwrap();
            let _clients: Vec<_> = (0..2).map(|_| TcpStream::connect((connect, port)).unwrap()).collect();
            for (number, address) in accept(&mut ring, 2) {
                assert_eq!((number, address.unwrap()), (7, expect.parse().unwrap()), "{bind}");
            }
            ring.stop_accepting(7).unwrap();
            let stopped = accept(&mut ring, 1);
            assert_eq!(stopped[0].1.as_ref().unwrap_err().raw_os_error(), Some(libc::ECANCELED));
        }
    }

    #[test]
    fn who_waits_and_who_was_turned_away_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Ring::bound_queue(listener.as_fd(), 2);
        let address = listener.local_addr().unwrap();
        assert_eq!(Ring::queue(listener.as_fd()), Queue::default());
        // The kernel lets in one more than it is told (net/sock.h, sk_acceptq_is_full).
        let _waiting: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(Ring::queue(listener.as_fd()), Queue { waiting: 3, turned_away: 0 });
        let too_many = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert_eq!(too_many.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(Ring::queue(listener.as_fd()), Queue { waiting: 3, turned_away: 1 });
        let (_accepted, _) = listener.accept().unwrap();
        assert_eq!(Ring::queue(listener.as_fd()).waiting, 2);
    }

    #[test]
    fn what_has_come_behind_received_bytes_is_known() {
        for (then, is_followed) in [("nothing", false), ("more", true), ("end", true)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut ring = Ring::new(Sizes { write_bytes: 0, buffer_bytes: 4, ..Sizes::server(8) }).unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (socket, _) = listener.accept().unwrap();
            client.write_all(if then == "more" { b"12345" } else { b"1234" }).unwrap();
            if then == "end" {
                client.shutdown(Shutdown::Write).unwrap();
            }
            let connection = ring.adopt(socket.into()).unwrap();
            ring.receive(connection).unwrap();
            ring.turn_and_wait().unwrap();
            match ring.next_event() {
                Some(Event::Received { received: Received::Bytes(lease), .. }) => {
                    assert_eq!(
                        (ring.bytes(&lease), lease.is_followed()),
                        (&b"1234"[..], is_followed),
                        "{then}"
                    );
                    ring.release(lease);
                }
                other => panic!("{then}: {other:?}"),
            }
        }
    }
}
