//! Stalls: a core that was held for too long, and with what.

use std::fmt;
use std::sync::Mutex;

/// The parts of a core's time, in the order of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnPart {
    /// From one turn to the next: other tasks, or another process had the core.
    BesideTurns,
    Kernel,
    Requests,
    Shards,
    Journal,
    Sending,
}

const PARTS: [(TurnPart, &str); 6] = [
    (TurnPart::BesideTurns, "between its turns"),
    (TurnPart::Kernel, "taking in what the kernel had"),
    (TurnPart::Requests, "serving its connections' requests"),
    (TurnPart::Shards, "serving the other shards and sweeping"),
    (TurnPart::Journal, "beginning a write of the journal"),
    (TurnPart::Sending, "looking at deadlines, sending and ending connections"),
];

/// A core was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// For how long, milliseconds.
    held_ms: u64,
    /// With what, for the longest part of it.
    part: TurnPart,
    part_ms: u64,
    /// The last call that it was asked.
    call: &'static str,
    /// Stalls since the last one that was taken, with this one.
    times: u64,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { held_ms, part, part_ms, call, times } = self;
        let (_, what) = PARTS.iter().find(|(known, _)| known == part).expect("every part is listed");
        write!(f, "was held for {held_ms} ms, {part_ms} of them {what}; the last call was {call}")?;
        if *times > 1 { write!(f, "; {times} times since it was last reported") } else { Ok(()) }
    }
}

/// The longest stall of a core since somebody asked. Written by the core, read beside it.
#[derive(Debug, Default)]
pub struct StallLog(Mutex<Option<Stall>>);

impl StallLog {
    pub(super) fn record(&self, stall: Stall) {
        // Who reads it has it for an instant; a core waits for nobody.
        let Ok(mut kept) = self.0.try_lock() else { return };
        let times = kept.map_or(0, |known| known.times) + 1;
        let longest = kept.filter(|known| known.held_ms >= stall.held_ms).unwrap_or(stall);
        *kept = Some(Stall { times, ..longest });
    }

    /// The longest stall since the last call.
    pub fn take(&self) -> Option<Stall> {
        // A core that panicked ends the process.
        self.0.lock().ok()?.take()
    }
}

/// Watches the turns of a core.
#[derive(Debug)]
pub(super) struct StallDetector {
    /// When the latest part ended, microseconds of the clock.
    last_us: u64,
    spans_us: [u64; PARTS.len()],
}

impl StallDetector {
    pub(super) const fn new(now_us: u64) -> Self {
        Self { last_us: now_us, spans_us: [0; PARTS.len()] }
    }

    /// The core was parked until now.
    pub(super) const fn unpark(&mut self, now_us: u64) {
        self.last_us = now_us;
    }

    /// A part has ended.
    pub(super) fn lap(&mut self, part: TurnPart, now_us: u64) {
        self.spans_us[part as usize] += now_us.saturating_sub(self.last_us);
        self.last_us = now_us;
    }

    /// A turn has ended, in which `call` was asked last. A stall, where it was too long.
    pub(super) fn end(&mut self, call: &'static str) -> Option<Stall> {
        let spans_us = std::mem::take(&mut self.spans_us);
        let held_us: u64 = spans_us.iter().sum();
        if held_us < limits::STALL_MS * 1_000 {
            return None;
        }
        let (part, part_us) = PARTS.iter().zip(spans_us).max_by_key(|(_, span_us)| *span_us)?;
        Some(Stall { held_ms: held_us / 1_000, part: part.0, part_ms: part_us / 1_000, call, times: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn of these parts, in milliseconds; what is said of it.
    #[track_caller]
    fn check(parts: &[(TurnPart, u64)], expect: Option<&str>) {
        let (mut detector, mut now_us) = (StallDetector::new(7), 7);
        for (part, ms) in parts {
            now_us += ms * 1_000;
            detector.lap(*part, now_us);
        }
        let stall = detector.end("placebet");
        assert_eq!(stall.map(|stall| stall.to_string()).as_deref(), expect, "{parts:?}");
        assert_eq!(detector.end("none"), None, "a turn is reported once");
    }

    #[test]
    fn a_turn_that_is_too_long_is_reported_with_its_longest_part() {
        check(&[], None);
        check(&[(TurnPart::Kernel, 12), (TurnPart::Requests, 12)], None);
        check(
            &[(TurnPart::Kernel, 12), (TurnPart::Requests, 13)],
            Some(
                "was held for 25 ms, 13 of them serving its connections' requests; the last call was placebet",
            ),
        );
        check(
            &[(TurnPart::BesideTurns, 40), (TurnPart::Sending, 1)],
            Some("was held for 41 ms, 40 of them between its turns; the last call was placebet"),
        );
    }

    #[test]
    fn the_longest_of_several_is_reported_once() {
        let log = StallLog::default();
        assert_eq!(log.take(), None);
        for ms in [30, 90, 60] {
            let mut detector = StallDetector::new(0);
            detector.lap(TurnPart::Journal, ms * 1_000);
            log.record(detector.end("end").unwrap());
        }
        let said = log.take().unwrap().to_string();
        assert_eq!(
            said,
            "was held for 90 ms, 90 of them beginning a write of the journal; the last call was end; 3 times since it was \
             last reported"
        );
        assert_eq!(log.take(), None);
    }
}
