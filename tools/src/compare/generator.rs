//! The generator as a process of its own, so that a server's processor time is not its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use testkit::process::Killed;

use crate::child;
use crate::load::results::Results;
use crate::load::scenario::Scenario;
use crate::wake;

/// Time beyond a run's length until the generator must have ended.
const GRACE: Duration = Duration::from_secs(60);

/// Time between two checks whether a signal has come.
const LOOK: Duration = Duration::from_millis(20);

/// What every run has in common.
#[derive(Debug)]
pub(crate) struct Generator {
    pub(crate) vus: u16,
    interrupted: Arc<AtomicBool>,
}

impl Generator {
    /// A generator that SIGINT and SIGTERM end.
    ///
    /// # Errors
    /// A sentence, where the signals can't be had.
    pub(crate) fn new(vus: u16) -> Result<Self, String> {
        Ok(Self { vus, interrupted: wake::noted_signals()? })
    }

    /// Whether a signal has come.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Plays a scenario against a server, with its files below `scratch`.
    ///
    /// # Errors
    /// A sentence: the generator has not started, or a signal has come.
    pub(crate) fn play(
        &self,
        address: SocketAddr,
        scenario: Scenario,
        duration: Duration,
        scratch: &Path,
    ) -> Result<Results, String> {
        let (json, log) = (scratch.join("results.json"), scratch.join("generator.log"));
        let failed = |error: std::io::Error| format!("the generator: {error}");
        let mut command = Command::new(child::own()?);
        command.args(["load", "--url", &format!("http://{address}"), "--scenario", scenario.name()]);
        command.args(["--vus", &self.vus.to_string()]);
        command.args(["--duration", &format!("{}ms", duration.as_millis())]);
        command.arg("--json-file").arg(&json);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).map_err(failed)?);
        let status = self.wait(Killed::new(command.spawn().map_err(failed)?), duration + GRACE)?;
        match status.code() {
            // With 1 some checks have failed, which the figures say.
            Some(0 | 1) => Results::from_json(&fs::read_to_string(&json).map_err(failed)?),
            _ => {
                let said = fs::read_to_string(&log).unwrap_or_default();
                Err(format!("the generator: {}", said.trim_end().lines().last().unwrap_or("it was killed")))
            }
        }
    }

    fn wait(&self, mut generator: Killed, longest: Duration) -> Result<ExitStatus, String> {
        let mut looks = 0..longest.as_nanos() / LOOK.as_nanos();
        while !generator.ends_within(LOOK) {
            if self.is_interrupted() {
                // Where the signal was for this process alone.
                generator.signal(Signal::TERM);
            }
            if looks.next().is_none() {
                return Err(format!("the generator has not ended in {} s", longest.as_secs()));
            }
        }
        if self.is_interrupted() { Err("interrupted".to_owned()) } else { Ok(generator.wait()) }
    }
}
