//! Limits begin in the domain's time zone.

use testkit::home::{Home, Server};

use crate::PURSER;
use crate::machine::{HOUR, Machine, SECOND, wait_until};
use crate::player::Player;

const LONDON: Player = Player("utc/anna");
const SYDNEY: Player = Player("sydney/bert");

/// Serves both domains; the second one in this time zone.
fn configure(home: &mut Home, zone: &str) {
    home.configure(&[("utc", "GBP"), ("sydney", "GBP")], &format!("time_zone = {zone:?}\n"));
}

#[track_caller]
fn check_spent(process: &Server, player: Player, round: &str) {
    assert_eq!(player.bet(process, round, "3.00"), -11, "{player:?}");
}

#[test]
fn a_day_ends_at_the_zones_midnight() {
    let mut home = Home::new(PURSER);
    configure(&mut home, "Australia/Sydney");
    let mut machine = Machine::new(home);
    // Noon in UTC, and two hours before midnight in Sydney.
    let process = machine.home.start(2);
    for player in [LONDON, SYDNEY] {
        player.join(&process, r#"{"Wager":{"Day":10.00}}"#);
        assert_eq!(player.bet(&process, "noon", "8.00"), 0);
        check_spent(&process, player, "noon-over");
    }
    assert_eq!(process.stop(), "");
    let midnight_ms =
        "2031-06-19T00:00:00+10:00".parse::<jiff::Timestamp>().expect("a time").as_millisecond();
    let ahead_ms = midnight_ms - 4 * SECOND - machine.right_ms();
    assert!((HOUR..3 * HOUR).contains(&ahead_ms), "{ahead_ms}");
    machine.set_clock(ahead_ms);
    let process = machine.home.start(2);
    for player in [LONDON, SYDNEY] {
        process.operate(
            &format!("POST {}/sessions", player.0),
            &format!(r#"{{"SessionKey":"{}"}}"#, player.key()),
            201,
        );
    }
    wait_until("it is tomorrow in Sydney", || SYDNEY.bet(&process, "next", "3.00") == 0);
    let last_ms = SYDNEY.statement(&process).pop().expect("a bet");
    assert!(last_ms >= midnight_ms, "{last_ms} is before {midnight_ms}");
    check_spent(&process, LONDON, "next");
    assert_eq!(SYDNEY.bet(&process, "more", "7.00"), 0);
    check_spent(&process, SYDNEY, "over");
    process.kill();
    // What came of the zone's rules is in the journal.
    let process = machine.home.start(1);
    check_spent(&process, SYDNEY, "over");
    SYDNEY.check_holds(&process, "82.00");
    process.kill();
    // By another zone's day, which began earlier, what was staked today still counts.
    configure(&mut machine.home, "UTC");
    let process = machine.home.start(1);
    check_spent(&process, SYDNEY, "over");
    assert_eq!(process.stop(), "");
}
