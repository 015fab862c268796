//! `tools grow`: how the server grows, as curves with a picture, a table and the measured values of each.
//!
//! Each curve changes one thing and holds the others. Its points are measured in rounds, all of them once before any
//! comes again, so that what else the machine does meanwhile is spread over them; what is shown is the median of the
//! rounds with the least and the most.
//!
//! Reading in order: `curve`, what is changed and what is held; `measure`, a point to its values; `reading`, what the
//! server and the kernel say of the server; `values`, medians and how they are written; `page`, the picture and the
//! section of a curve.

mod curve;
mod measure;
mod page;
pub(crate) mod reading;
mod values;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum as _;

use crate::child;
use crate::load;
use crate::say;
use crate::wake;
use curve::Curve;
use measure::PointSetup;

/// Rounds, beyond which a median does not change any more.
const ROUNDS_MAX: i64 = 99;

/// Arguments of `tools grow`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The curves to measure [default: all]
    #[arg(value_enum)]
    curves: Vec<Curve>,
    /// The points of the curve, in place of its own: 1,10,100
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    points: Vec<u32>,
    /// How often each point is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=ROUNDS_MAX))]
    rounds: u16,
    /// Length of each measurement
    #[arg(long, default_value = "5s", value_parser = load::parse_duration)]
    duration: Duration,
    /// Where README.md, the pictures and the values go
    #[arg(long, value_name = "DIR", default_value = "docs/growth")]
    out: PathBuf,
    /// Where the servers' data directories are made, and removed again [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's program [default: purser next to this one]
    #[arg(long, value_name = "FILE")]
    purser: Option<PathBuf>,
}

/// Measures the curves and writes them.
///
/// # Errors
/// A sentence: wrong arguments, a server that does not start, a check that has failed, or a file that can't be written.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let curves = chosen(arguments)?;
    fs::create_dir_all(&arguments.out).map_err(|error| format!("{}: {error}", arguments.out.display()))?;
    let interrupted = wake::noted_signals()?;
    let binary = arguments.purser.clone().map_or_else(|| child::beside("purser"), Ok)?;
    let below = arguments.data.clone().unwrap_or_else(std::env::temp_dir);
    let failed = |error: std::io::Error| format!("{}: {error}", below.display());
    fs::create_dir_all(&below).map_err(failed)?;
    let scratch = tempfile::Builder::new().prefix("purser-grow-").tempdir_in(&below).map_err(failed)?;
    let bench = PointSetup { binary, scratch: scratch.path(), duration: arguments.duration, interrupted };
    let origin = page::Origin::now(scratch.path());
    for curve in curves {
        let points = if arguments.points.is_empty() { curve.points() } else { &arguments.points };
        let rows = bench.measure(curve, points, arguments.rounds)?;
        for part in page::parts(curve, &rows) {
            say(&format!("{}\n\n{}\n", part.title, part.table));
            part.write(&arguments.out, &origin)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The curves to measure, where their points are within their bounds.
fn chosen(arguments: &Arguments) -> Result<Vec<Curve>, String> {
    let Arguments { curves, points, .. } = arguments;
    if !points.is_empty() {
        let [curve] = curves[..] else {
            return Err("--points are of one curve: name it alone".to_owned());
        };
        let bounds = curve.bounds();
        if let Some(point) = points.iter().find(|point| !bounds.contains(point)) {
            let (least, most) = (bounds.start(), bounds.end());
            return Err(format!("--points {point}: those of {} are from {least} to {most}", curve.name()));
        }
    }
    let all = || Curve::value_variants().to_vec();
    let mut curves = if curves.is_empty() { all() } else { curves.clone() };
    let mut seen = Vec::new();
    curves.retain(|curve| {
        !seen.contains(curve) && {
            seen.push(*curve);
            true
        }
    });
    Ok(curves)
}

/// Whether the run is to end.
fn is_interrupted(interrupted: &AtomicBool) -> Result<(), String> {
    if interrupted.load(Ordering::Relaxed) { Err("interrupted".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
