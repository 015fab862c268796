//! A standard error that nobody reads and that is full: what is said there is lost, and nothing waits for it.

use std::fs;

use rustix::process::Signal;
use testkit::home::{Home, Server};

use crate::PURSER;
use crate::files::await_names;

/// A server whose standard error is full ends with this code, once this has been done to it.
#[track_caller]
fn check(sections: &str, act: impl FnOnce(&Home, &Server), code: i32) {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], sections);
    let mut process = home.start_unread(2);
    process.operate("PUT default/anna", r#"{"CountryCode":"GB"}"#, 201);
    act(&home, &process);
    assert_eq!(process.wait().code(), Some(code), "{sections}");
}

#[test]
fn nothing_waits_for_who_reads() {
    check("", |_, process| process.signal(Signal::TERM), 0);
    check("[timeouts]\ndrain_grace_ms = 1\n", |_, process| process.signal(Signal::INT), 0);
    // One that comes a while later ends it at once.
    let insisting = |_: &Home, process: &Server| {
        process.signal(Signal::TERM);
        process.await_ready(503);
        process.insist(Signal::TERM);
    };
    check("[timeouts]\ndrain_grace_ms = 600000\n", insisting, 74);
    let unused = |_: &Home, process: &Server| {
        for signal in [Signal::HUP, Signal::USR1, Signal::HUP, Signal::TERM] {
            process.signal(signal);
        }
    };
    check("", unused, 0);
    let moved = |home: &Home, _: &Server| {
        fs::rename(home.data(), home.beside("away")).expect("it is there");
    };
    check("", moved, 74);
    // It is looked after once more.
    let put_back = |home: &Home, process: &Server| {
        for _ in 0..2 {
            let lock = home.data().join("purser.lock");
            fs::remove_file(&lock).expect("it is there");
            await_names(&home.data(), "the lock file", |_| lock.exists());
        }
        process.signal(Signal::TERM);
    };
    check("", put_back, 0);
}
