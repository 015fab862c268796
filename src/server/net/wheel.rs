//! A timer wheel: when the connections of a core are to be looked at.
//!
//! Time is cut into ticks, and each tick of the near future has a list of the connections whose time comes then. A list is
//! linked through the connections' places, so that the wheel never allocates, and a connection is in one list at most. A
//! deadline that moves away is left where it is: its tick comes too early, and the connection says then when to look again.
//! So a request costs a comparison, and a list is touched once in a while.

/// No place.
const NONE: u32 = u32::MAX;

/// Ticks of a turn of the wheel, 102 s: longer than the usual time-outs, of which the longest is 75 s. What is further away
/// is looked at once a turn.
const TICKS: u64 = 2_048;

/// A place in the lists.
#[derive(Clone, Copy, Debug)]
struct Timer {
    before: u32,
    behind: u32,
    /// The tick that it is in the list of.
    tick: u64,
    linked: bool,
}

/// The timer wheel of a core.
#[derive(Debug)]
pub(super) struct Wheel {
    /// By tick, modulo [`TICKS`]: the first of its places.
    heads: Box<[u32]>,
    timers: Vec<Timer>,
    /// The next tick to be looked at.
    next: u64,
}

impl Wheel {
    /// A wheel that begins at `now_ms`.
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            heads: vec![NONE; TICKS as usize].into(),
            timers: Vec::new(),
            next: now_ms / limits::TIMER_TICK_MS,
        }
    }

    /// Has `slot` due no later than at `deadline_ms`, unless it is due earlier anyway.
    pub(super) fn schedule(&mut self, slot: usize, deadline_ms: u64) {
        // The tick that has ended when the deadline is over: it is never due too early.
        let tick = deadline_ms.div_ceil(limits::TIMER_TICK_MS).clamp(self.next, self.next + TICKS - 1);
        if self.timers.len() <= slot {
            self.timers.resize(slot + 1, Timer { before: NONE, behind: NONE, tick: 0, linked: false });
        }
        let timer = self.timers[slot];
        if timer.linked {
            if timer.tick <= tick {
                return;
            }
            self.remove(slot);
        }
        let head = &mut self.heads[(tick % TICKS) as usize];
        let behind = std::mem::replace(head, slot as u32);
        if behind != NONE {
            self.timers[behind as usize].before = slot as u32;
        }
        self.timers[slot] = Timer { before: NONE, behind, tick, linked: true };
    }

    /// Forgets `slot`.
    pub(super) fn remove(&mut self, slot: usize) {
        let Some(timer) = self.timers.get_mut(slot) else { return };
        if !std::mem::take(&mut timer.linked) {
            return;
        }
        let Timer { before, behind, tick, .. } = *timer;
        match before {
            NONE => self.heads[(tick % TICKS) as usize] = behind,
            before => self.timers[before as usize].behind = behind,
        }
        if behind != NONE {
            self.timers[behind as usize].before = before;
        }
    }

    /// A place whose time has come at `now_ms`; it is forgotten.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<usize> {
        let now = now_ms / limits::TIMER_TICK_MS;
        // After a long sleep every list is looked at once.
        self.next = self.next.max((now + 1).saturating_sub(TICKS));
        while self.next <= now {
            let head = self.heads[(self.next % TICKS) as usize];
            if head != NONE {
                self.remove(head as usize);
                return Some(head as usize);
            }
            self.next += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: u64 = limits::TIMER_TICK_MS;

    /// All that is due at `now_ms`, sorted.
    fn due(wheel: &mut Wheel, now_ms: u64) -> Vec<usize> {
        let mut due: Vec<_> = std::iter::from_fn(|| wheel.pop(now_ms)).collect();
        due.sort_unstable();
        due
    }

    /// Places with these deadlines; what is due at each time.
    #[track_caller]
    fn check(begun_ms: u64, deadlines: &[(usize, u64)], expect: &[(u64, &[usize])]) {
        let mut wheel = Wheel::new(begun_ms);
        for (slot, deadline_ms) in deadlines {
            wheel.schedule(*slot, *deadline_ms);
        }
        for (now_ms, slots) in expect {
            assert_eq!(due(&mut wheel, *now_ms), *slots, "{deadlines:?} at {now_ms}");
        }
    }

    #[test]
    fn a_place_is_due_within_a_tick_of_its_deadline() {
        check(0, &[], &[(0, &[]), (u64::MAX, &[])]);
        check(0, &[(3, 120)], &[(120, &[]), (120 + TICK - 1, &[3]), (9_999, &[])]);
        check(0, &[(3, 2 * TICK)], &[(2 * TICK - 1, &[]), (2 * TICK, &[3])]);
        check(0, &[(1, 10), (2, 10), (0, 10)], &[(TICK, &[0, 1, 2])]);
        check(1_000, &[(1, 10)], &[(1_000, &[1])]);
        // The earlier of two deadlines counts, whichever was said first.
        check(0, &[(1, 500), (1, 200)], &[(199, &[]), (200, &[1]), (500, &[])]);
        check(0, &[(1, 200), (1, 500)], &[(199, &[]), (200, &[1]), (500, &[])]);
    }

    #[test]
    fn what_is_far_away_is_due_early_and_no_sleep_is_too_long() {
        let turn_ms = TICKS * TICK;
        check(0, &[(1, 10 * turn_ms)], &[(turn_ms - TICK - 1, &[]), (turn_ms - TICK, &[1])]);
        check(0, &[(1, 100), (2, turn_ms - TICK)], &[(100 * turn_ms, &[1, 2])]);
        check(0, &[(1, u64::MAX)], &[(turn_ms, &[1])]);
    }

    proptest! {
        #[test]
        fn as_a_naive_one_does(steps in prop::collection::vec((0..4u8, 0..8usize, 0..400_000u64), 1..200)) {
            let (mut wheel, mut naive, mut now_ms) = (Wheel::new(0), [None::<u64>; 8], 0);
            for (step, slot, ms) in steps {
                match step {
                    0 => {
                        wheel.remove(slot);
                        naive[slot] = None;
                    }
                    1 => {
                        now_ms += ms / 10;
                        while let Some(slot) = wheel.pop(now_ms) {
                            // Due within a turn of the wheel from its being said, and never twice.
                            prop_assert!(naive[slot].take().is_some());
                        }
                        for deadline_ms in naive.iter().flatten() {
                            prop_assert!(*deadline_ms + TICK > now_ms, "{} at {now_ms}", deadline_ms);
                        }
                    }
                    _ => {
                        let deadline_ms = now_ms + ms;
                        wheel.schedule(slot, deadline_ms);
                        naive[slot] = Some(naive[slot].map_or(deadline_ms, |earlier| earlier.min(deadline_ms)));
                    }
                }
            }
        }
    }
}
