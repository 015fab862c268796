//! The clock and the journal are apart at a start.

use testkit::home::{Home, Server};

use crate::machine::{DAY, HOUR, Machine, SECOND, await_offset, check_near, times_in};
use crate::player::Player;
use crate::{DEMO_ACCOUNTS, PURSER};

const ANNA: Player = Player("default/anna");

/// A directory that a server has left, whose clock was right.
#[track_caller]
fn left() -> Machine {
    let machine = Machine::new(Home::new(PURSER));
    let process = machine.home.start(2);
    ANNA.join(&process, "{}");
    assert_eq!(ANNA.bet(&process, "before", "1.00"), 0);
    assert_eq!(process.stop(), "");
    machine
}

/// A start is refused with a sentence that names both times, and this.
#[track_caller]
fn check_refusal(machine: &Machine, ahead_ms: i64, says: &[&str]) {
    machine.set_clock(ahead_ms);
    let sentence = machine.home.refusal(2);
    assert!(sentence.starts_with("purser: ") && sentence.lines().count() == 1, "{sentence}");
    let times = times_in(&sentence);
    assert_eq!(times.len(), 2, "{sentence}");
    check_near(times[0], machine.right_ms() + ahead_ms);
    check_near(times[1], machine.right_ms());
    for part in says {
        assert!(sentence.contains(part), "{part:?} in {sentence}");
    }
}

#[test]
fn a_clock_behind_the_journal_is_refused() {
    let mut machine = left();
    for ahead_ms in [-8 * DAY, -HOUR] {
        check_refusal(&machine, ahead_ms, &["later", "Set the clock", "--rebase-clock"]);
    }
    machine.home.argue("--after-pause", true);
    check_refusal(&machine, -HOUR, &["--rebase-clock"]);
    machine.home.argue("--after-pause", false);
    // Nothing was changed.
    machine.set_clock(0);
    let process = machine.home.start(2);
    assert_eq!((process.notes.as_str(), ANNA.bet(&process, "before", "1.00")), ("", 0));
    ANNA.check_holds(&process, "99.00");
}

#[test]
fn time_goes_on_from_a_journal_that_is_a_little_ahead() {
    let machine = Machine::new(Home::new(PURSER));
    machine.set_clock(4 * SECOND);
    let process = machine.home.start(1);
    ANNA.join(&process, "{}");
    assert_eq!(process.stop(), "");
    machine.set_clock(0);
    let process = machine.home.start(1);
    assert_eq!(ANNA.bet(&process, "r", "1.00"), 0);
    let times = ANNA.statement(&process);
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(process.stop(), "");
}

#[test]
fn a_long_pause_is_to_be_confirmed() {
    let mut machine = left();
    check_refusal(&machine, 8 * DAY, &["before", "Set the clock", "--after-pause"]);
    machine.home.argue("--rebase-clock", true);
    check_refusal(&machine, 8 * DAY, &["--after-pause"]);
    machine.home.argue("--rebase-clock", false);
    // Two days are no long pause.
    machine.set_clock(2 * DAY);
    assert_eq!(machine.home.start(2).stop(), "");
    machine.set_clock(8 * DAY);
    machine.home.argue("--after-pause", true);
    let process = machine.home.start(2);
    assert!(process.notes.contains("confirmed with --after-pause"), "{}", process.notes);
    ANNA.check_holds(&process, "99.00");
    await_offset(&process, 0.0);
    let key = r#"{"SessionKey":"again"}"#;
    process.operate("POST default/anna/sessions", key, 201);
    assert_eq!(process.stop(), "");
    let process = machine.home.start(2);
    assert!(process.notes.contains("no long pause to be confirmed"), "{}", process.notes);
    assert_eq!(process.stop(), "");
    machine.home.argue("--after-pause", false);
    let process = machine.home.start(2);
    assert_eq!(process.notes, "");
}

#[test]
fn a_server_that_remembers_a_second_can_be_restarted() {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], "\n[rounds]\nretention_ms = 1000\n");
    let machine = Machine::new(home);
    assert_eq!(machine.home.start(1).stop(), "");
    machine.set_clock(50 * SECOND);
    let process = machine.home.start(1);
    ANNA.join(&process, "{}");
    assert_eq!(process.stop(), "");
    check_refusal_of_one(&machine, 200 * SECOND);
}

#[track_caller]
fn check_refusal_of_one(machine: &Machine, ahead_ms: i64) {
    machine.set_clock(ahead_ms);
    let sentence = machine.home.refusal(1);
    assert!(sentence.contains("--after-pause") && sentence.contains("more than 60 seconds"), "{sentence}");
}

#[test]
fn the_demo_starts_and_says_so() {
    let machine = Machine::new(Home::demo(PURSER, DEMO_ACCOUNTS));
    assert_eq!(machine.home.start(2).stop(), "");
    machine.set_clock(100 * DAY);
    let process = machine.home.start(2);
    assert!(process.notes.contains("before: the demo goes on from here"), "{}", process.notes);
    process.check(&testkit::message::balance("default/admin"), testkit::message::DEMO_BALANCE);
    let demo = Player("default/player-000001");
    check_near(process_time(&process, demo), machine.right_ms() + 100 * DAY);
    assert_eq!(process.stop(), "");
    machine.set_clock(0);
    let process = machine.home.start(2);
    assert!(process.notes.contains("later: the demo goes on from there"), "{}", process.notes);
    check_near(process_time(&process, demo), machine.right_ms() + 100 * DAY);
    await_offset(&process, -100.0 * 86_400.0);
    let said = process.stop();
    assert!(said.is_empty(), "it was said before it served: {said}");
}

/// The time of a deposit that is made now.
#[track_caller]
fn process_time(process: &Server, player: Player) -> i64 {
    let path = format!("/operator/v1/accounts/{}/deposits", player.0);
    let id = format!(r#"{{"TransactionID":"{}","Amount":1.00}}"#, process.id());
    let deposit = testkit::message::operator("POST", &path, testkit::message::DEMO_TOKEN, &id);
    assert_eq!(process.operator().ask(&deposit).status, 200);
    let path = format!("/operator/v1/accounts/{}/transactions", player.0);
    let statement = testkit::message::operator("GET", &path, testkit::message::DEMO_TOKEN, "");
    let times = times_in(&process.operator().ask(&statement).body);
    *times.last().expect("a deposit")
}

/// What was over before a start stays over, though the start re-shards it and gives longer times.
#[test]
fn longer_times_bring_nothing_back_whatever_the_number_of_shards() {
    for shards in [1, 2, 3] {
        let mut home = Home::new(PURSER);
        home.configure(&[("default", "GBP")], "\n[rounds]\nretention_ms = 3600000\n");
        let mut machine = Machine::new(home);
        let process = machine.home.start(2);
        ANNA.join(&process, "{}");
        assert_eq!(ANNA.bet(&process, "r", "1.00"), 0);
        assert_eq!(process.stop(), "");
        machine.set_clock(2 * HOUR);
        machine.home.argue("--after-pause", true);
        let longer = "\n[rounds]\nretention_ms = 604800000\n\n[timeouts]\nsession_idle_ms = 86400000\n";
        machine.home.configure(&[("default", "GBP")], longer);
        let process = machine.home.start(shards);
        assert_eq!((ANNA.has_session(&process), ANNA.end(&process, "r")), (false, -14), "{shards} shards");
        ANNA.check_holds(&process, "99.00");
        assert_eq!(process.stop(), "");
    }
}
