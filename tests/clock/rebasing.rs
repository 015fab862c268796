//! A journal that was written under a clock that was ahead, and is brought back.

use testkit::client::sum;
use testkit::home::{Home, Server};
use testkit::message::{play, transaction};

use crate::PURSER;
use crate::fill::{come_to_next_segments, create_fillers, fill_segments};
use crate::machine::{DAY, Machine, wait_until};
use crate::player::{Player, code};

/// A limit of 10.00 a day, a week and a month.
const LIMITED: [(Player, &str); 3] = [
    (Player("default/day"), r#"{"Wager":{"Day":10.00}}"#),
    (Player("default/week"), r#"{"Wager":{"Week":10.00}}"#),
    (Player("default/month"), r#"{"Loss":{"Month":10.00}}"#),
];

/// A directory whose journal is 40 days ahead of the clock. Each player has lost 1.00 before, and 7.00 then.
#[track_caller]
fn ahead(shards: usize, sections: &str) -> Machine {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], sections);
    let mut machine = Machine::new(home);
    let process = machine.home.start(shards);
    for (player, limits) in LIMITED {
        player.join(&process, limits);
        assert_eq!(player.bet(&process, "before", "1.00"), 0);
    }
    assert_eq!(process.stop(), "");
    machine.set_clock(40 * DAY);
    machine.home.argue("--after-pause", true);
    let process = machine.home.start(shards);
    for (player, _) in LIMITED {
        process.operate(&format!("POST {}/sessions", player.0), &session(player), 201);
        assert_eq!(player.bet(&process, "ahead", "7.00"), 0);
    }
    process.kill();
    machine.home.argue("--after-pause", false);
    machine.set_clock(0);
    machine
}

fn session(player: Player) -> String {
    format!(r#"{{"SessionKey":"{}"}}"#, player.key())
}

#[track_caller]
fn check_all_hold(process: &Server, pounds: &str) {
    LIMITED.iter().for_each(|(player, _)| player.check_holds(process, pounds));
}

#[test]
fn a_journal_that_ran_ahead_is_brought_back() {
    for (before, now) in [(2, 2), (2, 1)] {
        let mut machine = ahead(before, "");
        let sentence = machine.home.refusal(now);
        assert!(sentence.contains(" days later") && sentence.contains("--rebase-clock"), "{sentence}");
        machine.home.argue("--rebase-clock", true);
        let process = machine.home.start(now);
        assert!(process.notes.contains("is brought back to the system clock's"), "{}", process.notes);
        check_all_hold(&process, "92.00");
        for (player, _) in LIMITED {
            // A repeat is known, and what was staked counts.
            assert_eq!(player.bet(&process, "ahead", "7.00"), 0);
            let code = player.bet(&process, "over", "3.00");
            assert!([-11, -12].contains(&code), "{player:?}: {code}");
            assert_eq!(player.bet(&process, "within", "2.00"), 0);
            let times = player.statement(&process);
            // Nothing was forgotten by a time that was never so: the deposit is there too.
            assert!(times.is_sorted() && times.len() == 4, "{times:?}");
            let now_ms = machine.right_ms();
            assert!(times.iter().all(|at_ms| *at_ms <= now_ms), "{times:?} are after {now_ms}");
        }
        process.kill();
        // It is done: nothing is to be brought back any more, with the flag and without.
        let process = machine.home.start(now);
        assert!(process.notes.contains("nothing was to do"), "{}", process.notes);
        check_all_hold(&process, "90.00");
        assert_eq!(process.stop(), "");
        machine.home.argue("--rebase-clock", false);
        let process = machine.home.start(now);
        assert_eq!(process.notes, "");
        check_all_hold(&process, "90.00");
        assert_eq!(process.stop(), "");
        machine.home.verify(0);
        // What was written by the clock that was ahead is kept as it was.
        let output = machine.home.look("verify", &["--archive"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        check_story(&machine);
        let exported = machine.home.look("export", &[]).stdout;
        let lines = String::from_utf8(exported).expect("UTF-8");
        assert_eq!(lines.lines().count(), 4 * LIMITED.len(), "{lines}");
    }
}

/// What came after the clock was brought back is in what is told up to now, and what came before that too.
#[track_caller]
fn check_story(machine: &Machine) {
    let now = jiff::Timestamp::from_millisecond(machine.right_ms()).expect("a time").to_string();
    for (player, _) in LIMITED {
        let output = machine.home.look("explain", &["--account", player.0, "--at", &now]);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        let rounds = ["before", "ahead", "within"].map(|round| format!("round {round} "));
        assert!(rounds.iter().all(|round| text.contains(round)), "{text}");
        assert!(
            text.lines().last().is_some_and(|line| line.contains(" at the end: active, 90.00 GBP")),
            "{text}"
        );
    }
}

#[test]
fn what_was_brought_back_is_remembered_from_now_and_forgotten() {
    let mut machine = ahead(2, "\n[rounds]\nretention_ms = 4000\n\n[timeouts]\nsession_idle_ms = 4000\n");
    machine.home.argue("--rebase-clock", true);
    let process = machine.home.start(2);
    let (player, _) = LIMITED[0];
    assert_eq!(player.end(&process, "ahead"), 0, "it is remembered");
    wait_until("the round is forgotten", || player.end(&process, "ahead") == -14);
    wait_until("the session idles out", || !player.has_session(&process));
    check_all_hold(&process, "92.00");
    assert_eq!(process.stop(), "");
}

/// A key whose session was over by the clock that was ahead, and that another player has since: it stays the later login's,
/// though both seem to begin at one time.
#[test]
fn a_key_stays_with_its_later_login() {
    let mut machine = Machine::new(Home::new(PURSER));
    let players = [Player("default/anna"), Player("default/bert")];
    let process = machine.home.start(2);
    players.iter().for_each(|player| player.join(&process, "{}"));
    assert_eq!(process.stop(), "");
    let shared = r#"{"SessionKey":"terminal-7"}"#;
    machine.home.argue("--after-pause", true);
    for (days, player) in [(30, players[0]), (32, players[1])] {
        machine.set_clock(days * DAY);
        let process = machine.home.start(2);
        process.operate(&format!("POST {}/sessions", player.0), shared, 201);
        assert_eq!(process.stop(), "");
    }
    machine.home.argue("--after-pause", false);
    machine.set_clock(0);
    machine.home.argue("--rebase-clock", true);
    let process = machine.home.start(2);
    let sessions = players.map(|player| process.operate(&format!("GET {}", player.0), "", 200));
    assert!(!sessions[0].contains("terminal-7") && sessions[1].contains("terminal-7"), "{sessions:?}");
    assert_eq!(process.stop(), "");
    machine.home.verify(0);
}

/// What has left memory under a clock that was ahead was touched last at the time that it is brought back to. Whatever changes it
/// then is there after a crash.
#[test]
fn what_had_left_memory_is_brought_back_and_changed() {
    let sections =
        |hot_ms: u32| format!("\n[rounds]\nhot_ms = {hot_ms}\n\n[storage]\nsnapshot_segments = 1\n");
    for (before, now) in [(1, 1), (2, 1)] {
        let mut machine = ahead(before, &sections(1));
        machine.set_clock(40 * DAY);
        machine.home.argue("--after-pause", true);
        let process = machine.home.start(before);
        create_fillers(&process);
        assert_eq!(process.stop(), "");
        fill_segments(&machine.home.data());
        let process = machine.home.start(before);
        come_to_next_segments(&process, LIMITED.map(|(player, _)| player.0.to_owned()));
        let mut operator = process.operator();
        wait_until("the rounds have left memory", || {
            let metrics = operator.metrics();
            let has = |name: &str| sum(&metrics, name, "");
            has("purser_history_rounds") >= 2.0 * LIMITED.len() as f64 && has("purser_rounds") == 0.0
        });
        assert_eq!(process.stop(), "");

        machine.home.configure(&[("default", "GBP")], &sections(3_600_000)).argue("--rebase-clock", true);
        machine.set_clock(0);
        let process = machine.home.start(now);
        check_all_hold(&process, "92.00");
        let back = r#","OriginalBetGameRoundTransactionID":"bet""#.to_owned();
        let back = back + &transaction("back", "7.00", false, false);
        let roll_back = |process: &Server, player: Player| {
            code(&process.client().ask(&play("rollbackbet", player.0, "ahead", &back)).body)
        };
        for (player, _) in LIMITED {
            assert_eq!(roll_back(&process, player), 0, "{player:?}");
        }
        check_all_hold(&process, "99.00");
        process.kill();
        let process = machine.home.start(now);
        check_all_hold(&process, "99.00");
        for (player, _) in LIMITED {
            assert_eq!(roll_back(&process, player), 0, "a repeat of {player:?}");
            assert_eq!(player.bet(&process, "before", "1.00"), 0, "a repeat of {player:?}");
        }
        check_all_hold(&process, "99.00");
        assert_eq!(process.stop(), "");
        machine.home.verify(0);
    }
}
