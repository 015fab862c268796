//! A curve's points to their values.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use crate::child::{Options, Server};
use crate::load::{self, Clock, PlayedRun, Scenario};
use crate::proc;

use super::curve::{Curve, CurveLine};
use super::is_interrupted;
use super::reading::Reading;
use super::values::{Measure, Values};

/// What all points are measured with.
#[derive(Debug)]
pub(crate) struct PointSetup<'a> {
    /// The server's program.
    pub(crate) binary: PathBuf,
    /// Where data directories go.
    pub(crate) scratch: &'a Path,
    /// Of each measurement.
    pub(crate) duration: Duration,
    /// Set once the run is to end.
    pub(crate) interrupted: Arc<AtomicBool>,
}

/// What was measured at a point of a line, a value for each round.
#[derive(Clone, Debug)]
pub(crate) struct PointValues {
    pub(crate) series: CurveLine,
    pub(crate) point: u32,
    pub(crate) rounds: Vec<Values>,
}

/// A server, and what its start has shown.
struct StartedServer {
    server: Server,
    data: PathBuf,
    values: Values,
}

impl PointSetup<'_> {
    /// Measures all points of a curve, round after round.
    ///
    /// # Errors
    /// A sentence: a server that does not start or end well, a check that has failed, a signal.
    pub(crate) fn measure(
        &self,
        curve: Curve,
        points: &[u32],
        rounds: u16,
    ) -> Result<Vec<PointValues>, String> {
        let row = |point, series| PointValues { series, point, rounds: Vec::with_capacity(rounds.into()) };
        let every = points.iter().flat_map(|point| curve.series().iter().map(|series| row(*point, *series)));
        let mut rows: Vec<PointValues> = every.collect();
        for _ in 0..rounds {
            // The rows that share a server.
            let together = if curve.is_of_server() { curve.series().len() } else { rows.len() };
            for rows in rows.chunks_mut(together) {
                let started = self.start(curve, rows[0].point)?;
                for row in rows {
                    let mut values = self.play(curve, row, &started.server)?;
                    values.add(&started.values);
                    row.rounds.push(values);
                }
                started.server.stop()?;
                remove(&started.data)?;
            }
        }
        Ok(rows)
    }

    /// Starts a server on a new data directory; where the server is what is looked at, twice.
    fn start(&self, curve: Curve, point: u32) -> Result<StartedServer, String> {
        let data = self.scratch.join(curve.name());
        remove(&data)?;
        let options = Options {
            binary: self.binary.clone(),
            cores: Some(curve.cores().to_owned()),
            demo_accounts: curve.demo_accounts(point),
            data: data.clone(),
            extra: Vec::new(),
        };
        let mut values = Values::default();
        let (mut server, first_s) = self.timed_start(&options)?;
        if curve.is_of_server() {
            server.stop()?;
            let (again, again_s) = self.timed_start(&options)?;
            server = again;
            values.set(Measure::Start, first_s);
            values.set(Measure::Restart, again_s);
            values.set(Measure::Memory, proc::private_bytes(server.pid())? as f64);
        }
        Ok(StartedServer { server, data, values })
    }

    fn timed_start(&self, options: &Options) -> Result<(Server, f64), String> {
        is_interrupted(&self.interrupted)?;
        let clock = Clock::start();
        let server = Server::start(options)?;
        Ok((server, clock.now_ns() as f64 / 1e9))
    }

    /// Plays one measurement, on a thread of its own, which it may pin.
    fn play(&self, curve: Curve, row: &PointValues, server: &Server) -> Result<Values, String> {
        is_interrupted(&self.interrupted)?;
        let mut words = curve.load(row.series, row.point);
        words.extend(["--duration".to_owned(), format!("{}ms", self.duration.as_millis())]);
        words.extend(["--url".to_owned(), format!("http://{}", server.platform())]);
        words.extend(["--operator-url".to_owned(), format!("http://{}", server.operator())]);
        let (pid, operator) = (server.pid(), server.operator());
        let thread = thread::Builder::new().name("generator".to_owned());
        let generator = thread.spawn(move || load::played(&words, || Reading::of(pid, operator)));
        let generator = generator.map_err(|error| format!("no thread can be started: {error}"))?;
        let played = generator.join().map_err(|_| "the generator has failed".to_owned())??;
        is_interrupted(&self.interrupted)?;
        if played.failed_checks > 0 || played.requests == 0 {
            let (failed, requests) = (played.failed_checks, played.requests);
            let (series, point, axis) = (row.series.name, row.point, curve.axis());
            return Err(format!(
                "{series} at {point} {axis}: {failed} checks of {requests} answers have failed"
            ));
        }
        Ok(values(row.series.scenario, &played))
    }
}

/// What a measurement has shown. Balances write nothing to the journal that their answers wait for.
fn values(scenario: Scenario, played: &PlayedRun<Reading>) -> Values {
    let requests = played.requests as f64;
    let server = played.after.since(played.before);
    let mut values = Values::default();
    values.set(Measure::Rate, requests * 1e9 / played.elapsed_ns as f64);
    values.set(Measure::Median, played.median_ns as f64 / 1e9);
    values.set(Measure::Tail, played.p99_ns as f64 / 1e9);
    values.set(Measure::Cpu, server.cpu_s / requests);
    if scenario == Scenario::Bet && server.groups > 0.0 {
        values.set(Measure::Batch, server.records / server.groups);
        values.set(Measure::GroupBytes, server.bytes / server.groups);
        values.set(Measure::Sync, server.sync_s / server.groups);
    }
    values
}

fn remove(data: &Path) -> Result<(), String> {
    match fs::remove_dir_all(data) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", data.display()))
        }
        _ => Ok(()),
    }
}
