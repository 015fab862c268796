//! What a thread that waits in the ring is woken by, beside its connections: signals, and the time.
//!
//! Both come as bytes on a socket in the ring's own file table. So a signal that arrives a moment before the
//! thread starts to wait is not lost, and nothing has to be looked at but completions.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use ring::{ConnectionId, Ring};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};
use signal_hook::{SigId, flag};

/// The byte that a signal writes; it is signal-hook's choice.
const SIGNAL: u8 = b'X';

/// The byte that the ticker writes.
const TICK: u8 = b't';

/// A note that is set once SIGINT or SIGTERM has come, in place of the process's end; for a thread that looks at it now and
/// then.
///
/// # Errors
/// A sentence, where the system does not let signals be handled.
pub(crate) fn noted_signals() -> Result<Arc<AtomicBool>, String> {
    let noted = Arc::default();
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&noted))
            .map_err(|error| format!("a signal can't be waited for: {error}"))?;
    }
    Ok(noted)
}

/// The socket that wakes the ring's thread.
#[derive(Debug)]
pub(crate) struct Wake {
    sender: UnixStream,
    connection: ConnectionId,
    signals: Vec<SigId>,
}

impl Wake {
    /// Has these signals wake the ring's thread in place of ending the process.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn on_signals(ring: &mut Ring, signals: &[i32]) -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        let register = |signal: &i32| pipe::register(*signal, sender.try_clone()?);
        let signals = signals.iter().map(register).collect::<io::Result<Vec<_>>>()?;
        let connection = ring.adopt(receiver.into())?;
        ring.receive(connection)?;
        Ok(Self { sender, connection, signals })
    }

    /// Ticks once in `interval` as long as the process lives. The thread does nothing but sleep: the ring has no
    /// wait that ends by itself.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn tick_every(&self, interval: Duration) -> io::Result<()> {
        let mut sender = self.sender.try_clone()?;
        thread::Builder::new().name("ticker".to_owned()).spawn(move || {
            loop {
                thread::sleep(interval);
                if sender.write_all(&[TICK]).is_err() {
                    break;
                }
            }
        })?;
        Ok(())
    }

    /// Whose events these are in the ring.
    pub(crate) const fn connection(&self) -> ConnectionId {
        self.connection
    }
}

impl Drop for Wake {
    /// A tool that waits many times would have a socket more for each.
    fn drop(&mut self) {
        for signal in self.signals.drain(..) {
            unregister(signal);
        }
    }
}

/// Whether a signal is among what woke the thread; else it was the time.
pub(crate) fn has_signal(bytes: &[u8]) -> bool {
    bytes.contains(&SIGNAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: bool) {
        assert_eq!(has_signal(bytes), expect, "{bytes:?}");
    }

    #[test]
    fn signals_and_ticks() {
        check(b"", false);
        check(b"t", false);
        check(b"tt", false);
        check(b"X", true);
        check(b"ttXt", true);
    }
}
