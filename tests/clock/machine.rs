//! A machine whose clock a test sets.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use clock::Clock;
use tempfile::TempDir;
use testkit::home::{Home, Server};
use testkit::message::get;
use testkit::process::PATIENCE;

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A data directory on a machine with a clock of its own.
pub(crate) struct Machine {
    pub(crate) home: Home,
    dir: TempDir,
    /// What a right clock is ahead of this machine's real one, milliseconds.
    right_ms: i64,
}

/// The shim, built once for a run of the tests.
fn shim() -> PathBuf {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let build = || {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let library = dir.path().join("shim.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clock/shim.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
        let built = compiler.status().unwrap_or_else(|error| panic!("{compiler:?}: {error}"));
        assert!(built.success(), "{compiler:?}");
        (dir, library)
    };
    BUILT.get_or_init(build).1.clone()
}

impl Machine {
    /// Whose clock is right, and says the noon of a Wednesday in the middle of a month: no day, week or month ends while a
    /// test runs.
    pub(crate) fn new(mut home: Home) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let noon = "2031-06-18T12:00:00Z".parse::<jiff::Timestamp>().expect("a time").as_millisecond();
        let right_ms = noon - real_ms();
        home.set("LD_PRELOAD", shim());
        home.set("PURSER_TEST_CLOCK", dir.path().join("shift"));
        let machine = Self { home, dir, right_ms };
        machine.set_clock(0);
        machine
    }

    /// Sets the clock this far ahead of a right one, milliseconds.
    pub(crate) fn set_clock(&self, ahead_ms: i64) {
        // The server may read the file at any time: it finds the old one or the new one.
        let (new, path) = (self.dir.path().join("new"), self.dir.path().join("shift"));
        fs::write(&new, (self.right_ms + ahead_ms).to_string()).expect("the file is written");
        fs::rename(new, path).expect("the file is renamed");
    }

    /// What a right clock says, milliseconds since 1970.
    pub(crate) fn right_ms(&self) -> i64 {
        real_ms() + self.right_ms
    }
}

fn real_ms() -> i64 {
    Clock::start().now().wall_ms.cast_signed()
}

/// Asks again and again until it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = Clock::start();
    while !is_so() {
        assert!(u128::from(clock.mono_us()) < PATIENCE.as_micros(), "{what}");
    }
}

/// Waits until the server finds the clock this far ahead, seconds, or behind, and says on `/readyz` whether it follows. A
/// clock that is far off may be so by some seconds more or less, which a start may take.
#[track_caller]
pub(crate) fn await_offset(process: &Server, seconds: f64) {
    let mut operator = process.operator();
    wait_until("the offset is in the metrics", || {
        let offset = operator.metrics()["purser_clock_offset_seconds"];
        (offset - seconds).abs() < if seconds.abs() > 60.0 { 60.0 } else { 1.0 }
    });
    let answer = operator.ask(&get("/readyz"));
    let expect = if seconds.abs() > 5.0 {
        r#"{"Status":"ok","Reason":"The system clock is too far from the wallet's time, and is not followed: see purser_clock_offset_seconds."}"#
    } else {
        r#"{"Status":"ok"}"#
    };
    assert_eq!((answer.status, answer.body.as_str()), (200, expect));
    assert_eq!(operator.ask(&get("/healthz")).body, r#"{"Status":"ok"}"#);
}

/// The times that a sentence names, milliseconds since 1970.
pub(crate) fn times_in(sentence: &str) -> Vec<i64> {
    let words = sentence.split([' ', ',', '"']);
    words
        .filter_map(|word| word.parse::<jiff::Timestamp>().ok())
        .map(jiff::Timestamp::as_millisecond)
        .collect()
}

/// They are the same but for what a test takes.
#[track_caller]
pub(crate) fn check_near(is_ms: i64, expect_ms: i64) {
    assert!((is_ms - expect_ms).abs() < 60 * SECOND, "{is_ms} is not {expect_ms}");
}
