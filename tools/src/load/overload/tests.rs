use super::super::scenario::RequestType;
use super::super::stats::AnswerCheck;
use super::*;

const MS: u64 = 1_000_000;

fn sample(status: u16, code: &str, waiting: u64) -> Sample {
    let verdict = AnswerCheck { status, is_success: code == "0", is_refusal: status == 503 || code == "-1" };
    Sample { blocked: MS, waiting, verdict, ..Sample::default() }
}

/// 1,000 answers, 10 of them final refusals of the wallet; 200 refusals, 100 requests given up, 3 lost.
fn stats(pressure: Pressure) -> Stats {
    let mut stats = Stats::of_clients(pressure);
    for request in 0..1_000 {
        let code = if request < 10 { "-2" } else { "0" };
        stats.record(RequestType::PlaceBet, &sample(200, code, (1 + request % 100) * MS));
    }
    for request in 0..200 {
        let sample = if request % 2 == 0 { sample(200, "-1", MS) } else { sample(503, "", 2 * MS) };
        stats.record(RequestType::PlaceBet, &sample);
    }
    (0..100).for_each(|_| stats.give_up(RequestType::PlaceBet, &Sample::default()));
    (0..3).for_each(|_| stats.record(RequestType::PlaceBet, &Sample::default()));
    let overload = stats.overload.as_mut().expect("a pressure");
    overload.reconnects = 103;
    if pressure.rate.is_some() {
        (overload.offered, overload.sent) = (2_000, 1_303);
        (0..1_303).for_each(|request| overload.late.record(10_000 + request));
    }
    (overload.waited_ns, overload.longest_turn_ns) = (1_500 * MS, 3 * MS);
    stats
}

#[track_caller]
fn check(pressure: Pressure, expect: &str) {
    let stats = stats(pressure);
    let text = summary(stats.overload.as_ref().expect("a pressure"), &stats, 2_000 * MS);
    for (number, (line, expect)) in text.lines().zip(expect.lines()).enumerate() {
        assert_eq!(line, expect, "line {}", number + 1);
    }
    assert_eq!(text, expect);
}

const OPEN: Pressure = Pressure { rate: Some(1_000), patience_ms: Some(150), refusals_fail: false };

const OPEN_LOOP: &str = "
   open loop, 1000 requests/s from their intended starts, given up 150ms after the send

     offered..................: 2000 1000/s
     sent.....................: 1303 651.5/s
     never_sent...............: 697  34.85%
     served (goodput).........: 1000 500/s
     refused (-1, 503)........: 200  100/s
     given_up.................: 100  50/s
     failed...................: 3    1.5/s
     reconnects...............: 103  51.5/s
     served, latency..........: p(50)=51.01ms p(90)=91.02ms p(95)=96.01ms p(99)=100ms   p(99.9)=101ms  p(99.99)=101ms  max=101ms
     served, since the send...: p(50)=50ms    p(90)=90.04ms p(95)=95.02ms p(99)=99.02ms p(99.9)=100ms  p(99.99)=100ms  max=100ms
     refused, latency.........: p(50)=2ms     p(90)=3ms     p(95)=3ms     p(99)=3ms     p(99.9)=3ms    p(99.99)=3ms    max=3ms
     sent late by generator...: p(50)=10.65µs p(90)=11.17µs p(95)=11.23µs p(99)=11.29µs p(99.9)=11.3µs p(99.99)=11.3µs max=11.3µs
     generator busy...........: 25.00% longest turn 3ms
";

const CLOSED_LOOP: &str = "
   closed loop, given up 150ms after the send

     served (goodput).........: 1000 500/s
     refused (-1, 503)........: 200  100/s
     given_up.................: 100  50/s
     failed...................: 3    1.5/s
     reconnects...............: 103  51.5/s
     served, latency..........: p(50)=51.01ms p(90)=91.02ms p(95)=96.01ms p(99)=100ms p(99.9)=101ms p(99.99)=101ms max=101ms
     refused, latency.........: p(50)=2ms     p(90)=3ms     p(95)=3ms     p(99)=3ms   p(99.9)=3ms   p(99.99)=3ms   max=3ms
     generator busy...........: 25.00% longest turn 3ms
";

#[test]
fn an_open_loop() {
    check(OPEN, OPEN_LOOP);
}

#[test]
fn a_closed_loop() {
    check(Pressure { rate: None, ..OPEN }, CLOSED_LOOP);
}

/// What of it fails the run: what was served and is not a success, and what was lost.
#[track_caller]
fn check_checks(pressure: Pressure, passes: u64, fails: u64, failed: u64) {
    let stats = stats(pressure);
    assert_eq!((stats.checks().passes, stats.checks().fails), (passes, fails));
    assert_eq!((stats.requests(), stats.failed()), (1_303, failed));
    assert_eq!(stats.of(RequestType::PlaceBet).requests(), 1_303);
    assert_eq!(stats.of(RequestType::PlaceBet).successes(), 990);
}

#[test]
fn refusals_are_no_faults_unless_they_are_to_be() {
    check_checks(OPEN, 1_990, 10 + 6, 3);
    check_checks(Pressure { rate: None, ..OPEN }, 1_990, 10 + 6, 3);
    // Of each -1 one check fails, of each 503 both.
    check_checks(Pressure { refusals_fail: true, ..OPEN }, 1_990 + 100, 10 + 6 + 100 + 200, 3 + 100);
}

#[test]
fn results() {
    let stats = stats(OPEN);
    let found = OverloadResults::of(stats.overload.as_ref().expect("a pressure"), &stats, 2_000 * MS);
    assert_eq!((found.rate, found.patience_ms), (Some(1_000), Some(150)));
    assert_eq!((found.offered, found.sent, found.never_sent), (Some(2_000), Some(1_303), Some(697)));
    assert_eq!((found.served, found.refused, found.given_up, found.failed), (1_000, 200, 100, 3));
    assert_eq!((found.served_per_s, found.reconnects), (500.0, 103));
    assert_eq!((found.served_ms.most, found.served_since_sent_ms.most), (101.0, 100.0));
    assert_eq!((found.generator_busy, found.generator_longest_turn_ms), (0.25, 3.0));
    let json = serde_json::to_string(&found).expect("numbers");
    assert!(json.contains("\"p99.99\""), "{json}");
    assert_eq!(serde_json::from_str::<OverloadResults>(&json).ok(), Some(found));
    let none = OverloadResults::of(&Overload::default(), &Stats::default(), 0);
    assert_eq!((none.offered, none.served_per_s, none.generator_busy), (None, 0.0, 0.0));
}
