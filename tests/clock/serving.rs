//! The clock is set while the server runs.

use testkit::home::Home;

use crate::PURSER;
use crate::machine::{DAY, HOUR, Machine, SECOND, await_offset, check_near, wait_until};
use crate::player::{Player, check_redeems};

const ANNA: Player = Player("default/anna");

#[test]
fn a_clock_that_is_8_days_ahead_for_a_while_changes_nothing() {
    let machine = Machine::new(Home::new(PURSER));
    let process = machine.home.start(2);
    ANNA.join(&process, "{}");
    assert_eq!(ANNA.bet(&process, "before", "1.00"), 0);
    let before = [ANNA.token(&process), ANNA.token(&process)];
    machine.set_clock(8 * DAY);
    // Looked at and swept, by the clock as it is now.
    await_offset(&process, 8.0 * 86_400.0);
    assert_eq!(ANNA.bet(&process, "before", "1.00"), 0);
    ANNA.check_holds(&process, "99.00");
    assert_eq!(ANNA.end(&process, "before"), 0);
    check_redeems(&process, &before[0], 0);
    assert_eq!(ANNA.bet(&process, "meanwhile", "1.00"), 0);
    let meanwhile = ANNA.token(&process);
    machine.set_clock(0);
    await_offset(&process, 0.0);
    for token in [&before[1], &meanwhile] {
        check_redeems(&process, token, 0);
    }
    for round in ["before", "meanwhile", "behind"] {
        assert_eq!(ANNA.bet(&process, round, "1.00"), 0);
    }
    ANNA.check_holds(&process, "97.00");
    ANNA.statement(&process).into_iter().for_each(|at_ms| check_near(at_ms, machine.right_ms()));
    let said = process.stop();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].contains("691200.0 s ahead of the wallet's time, and is not followed"), "{said}");
    assert!(lines[0].ends_with("where it is right, restart the server with --after-pause"), "{said}");
    assert!(lines[1].contains("and is followed again"), "{said}");
    let process = machine.home.start(2);
    assert_eq!(process.notes, "");
    assert_eq!(ANNA.bet(&process, "meanwhile", "1.00"), 0);
    assert_eq!(ANNA.bet(&process, "restarted", "1.00"), 0);
    ANNA.check_holds(&process, "96.00");
    assert_eq!(process.stop(), "");
}

#[test]
fn wrapped_tokens_are_redeemed_under_a_wrong_clock() {
    let mut home = Home::new(PURSER);
    home.wrap_tokens();
    let machine = Machine::new(home);
    let process = machine.home.start(1);
    ANNA.join(&process, "{}");
    let token = |ahead_ms| format!("{}-{:x}", ANNA.key(), machine.right_ms() + ahead_ms);
    let before = token(0);
    check_redeems(&process, &before, 0);
    for ahead_ms in [8 * DAY, -HOUR] {
        machine.set_clock(ahead_ms);
        await_offset(&process, ahead_ms as f64 / 1e3);
        for good in [&before, &token(0), &token(SECOND)] {
            check_redeems(&process, good, 0);
        }
        // As a machine with the wrong clock would make it.
        check_redeems(&process, &token(ahead_ms), -3);
    }
    machine.set_clock(0);
    await_offset(&process, 0.0);
    check_redeems(&process, &token(0), 0);
}

#[test]
fn a_session_that_was_used_under_a_wrong_clock_idles_out() {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], "\n[timeouts]\nsession_idle_ms = 3000\n");
    let machine = Machine::new(home);
    let process = machine.home.start(1);
    machine.set_clock(8 * DAY);
    await_offset(&process, 8.0 * 86_400.0);
    ANNA.join(&process, "{}");
    assert_eq!(ANNA.bet(&process, "r", "1.00"), 0);
    assert!(ANNA.has_session(&process));
    machine.set_clock(0);
    wait_until("the session idles out", || !ANNA.has_session(&process));
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_time() {
    let machine = Machine::new(Home::new(PURSER));
    let process = machine.home.start(2);
    ANNA.join(&process, "{}");
    assert_eq!(ANNA.bet(&process, "before", "1.00"), 0);
    machine.set_clock(-HOUR);
    await_offset(&process, -3_600.0);
    assert_eq!(ANNA.bet(&process, "before", "1.00"), 0);
    assert_eq!(ANNA.bet(&process, "meanwhile", "1.00"), 0);
    ANNA.check_holds(&process, "98.00");
    let times = ANNA.statement(&process);
    assert!(times.is_sorted(), "{times:?}");
    times.into_iter().for_each(|at_ms| check_near(at_ms, machine.right_ms()));
    let date = process.operator().ask(&testkit::message::get("/healthz"));
    let date = date.field("Date").expect("a date").to_owned();
    let date = jiff::fmt::rfc2822::parse(&date).expect("RFC 2822");
    check_near(date.timestamp().as_millisecond(), machine.right_ms());
    machine.set_clock(0);
    await_offset(&process, 0.0);
    let said = process.stop();
    assert!(said.contains("3600.0 s behind the wallet's time, and is not followed"), "{said}");
    assert!(said.contains("and is followed again"), "{said}");
}

#[test]
fn a_clock_that_is_a_little_off_is_followed() {
    let machine = Machine::new(Home::new(PURSER));
    let process = machine.home.start(1);
    for ahead_ms in [3 * SECOND, -4 * SECOND] {
        machine.set_clock(ahead_ms);
        await_offset(&process, ahead_ms as f64 / 1e3);
        let mut operator = process.operator();
        let mut offset = || operator.metrics()["purser_clock_offset_seconds"].abs();
        let first = offset();
        wait_until("the wallet's time comes nearer", || offset() < first - 0.0008);
    }
    assert_eq!(process.stop(), "");
}
