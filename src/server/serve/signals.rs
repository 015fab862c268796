//! What the signals of the system do to the process.
//!
//! SIGTERM and SIGINT end it: at once while it starts, in order once it serves, and at once when one comes a while later. The
//! other signals that a supervisor, a closed terminal or a slip of a hand may send have no use here, and must not end a
//! server that holds money.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::say::say;
use super::{EXIT_IO, Error, background};
use crate::config;
use clock::Clock;

/// What a shell tells of a process that a signal has ended: this and the signal's number.
const EXIT_SIGNAL: i32 = 128;

/// The number of a container's first process.
const FIRST_PROCESS: u32 = 1;

/// The signals that end a server.
const STOPS: [i32; 2] = [SIGTERM, SIGINT];

/// The signals that would end the process if nobody caught them, and that nothing follows from.
const UNUSED: [(i32, &str); 3] = [(SIGHUP, "SIGHUP"), (SIGUSR1, "SIGUSR1"), (SIGUSR2, "SIGUSR2")];

/// Has the process live on through the signals that it has no use for, and say so each time.
///
/// # Errors
/// Where the system lets none be caught.
pub(super) fn outlive_unused() -> Result<(), Error> {
    let mut signals = Signals::new(UNUSED.map(|(signal, _)| signal)).map_err(|error| unhandled(&error))?;
    // A file at the bound that the process has for one: the write fails as well, and that has a sentence.
    flag::register(SIGXFSZ, Arc::default()).map_err(|error| unhandled(&error))?;
    background::start("signals", move || {
        for signal in signals.forever() {
            say(&words(signal));
        }
    })
}

fn words(signal: i32) -> String {
    let name = UNUSED.iter().find(|(known, _)| *known == signal).map_or("a signal", |(_, name)| name);
    let what = if signal == SIGHUP { "nothing is reloaded" } else { "nothing follows from it" };
    format!("{name} came, and is not used: {what}")
}

/// Lets a signal end the process for as long as what this returns is `true`, as it is at first. The kernel does that by itself;
/// but for the first process of a container it drops what is not caught, so that one ends as if it had not been dropped.
///
/// # Errors
/// Where the system lets none be caught.
pub(super) fn end_while_starting() -> Result<Arc<AtomicBool>, Error> {
    let starts = Arc::new(AtomicBool::new(true));
    if std::process::id() != FIRST_PROCESS {
        return Ok(starts);
    }
    for signal in STOPS {
        let registered =
            flag::register_conditional_shutdown(signal, EXIT_SIGNAL + signal, Arc::clone(&starts));
        registered.map_err(|error| unhandled(&error))?;
    }
    Ok(starts)
}

/// The signals that stop a server which serves.
pub(super) struct Stops(mpsc::Receiver<()>);

impl Stops {
    /// Takes them from the kernel: from now on none ends the process by itself. A while after the first one another one ends the
    /// process at once: a stop may take too long for who asked for it. Before that it is the same one: who signals a process
    /// and its group, as `timeout` does, signals twice. The thread that waits for them is there from the start, since at a stop
    /// the system may have none left.
    ///
    /// # Errors
    /// Where the system lets none be caught, or has no thread.
    pub(super) fn catch(clock: Clock) -> Result<Self, Error> {
        let mut signals = Signals::new(STOPS).map_err(|error| unhandled(&error))?;
        let (stops, stopped) = mpsc::channel();
        background::start("stops", move || {
            signals.forever().next();
            let again_ms = clock.now().mono_ms() + limits::STOP_AGAIN_AFTER_MS;
            // Who waits is there until the process ends.
            let _ = stops.send(());
            if signals.forever().any(|_| clock.now().mono_ms() >= again_ms) {
                say("told to stop once more: it ends at once");
                std::process::exit(i32::from(EXIT_IO));
            }
        })?;
        Ok(Self(stopped))
    }

    /// Waits for the first one.
    pub(super) fn wait(&self) {
        // The thread that sends does not end before.
        let _ = self.0.recv();
    }
}

fn unhandled(error: &io::Error) -> Error {
    Error::start(format!("signals can't be handled: {}", config::reason(error)))
}
