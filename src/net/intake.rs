//! How many connections a core lets in.
//!
//! All that there are places for, in general. But where more is asked than can be served, and clients give up and come anew,
//! to let each of them in costs as much as to serve a request or two; and the kernel hands them out in the order in which they
//! came, so that each has waited behind all others and is about to give up, too. Soon nothing is done but for clients that have
//! gone.
//!
//! Then those who are connected go first, and so many are let in as can be served. The kernel turns the others away before
//! they are connections: it does not answer their first packet, so that they ask again after a second, or give up at no cost.
//! How many that are is found out as TCP finds out what a path carries: more, slowly, while nobody gives up, and more quickly
//! while the core has nothing to do; and each connection that gives up is not replaced.
//!
//! It is pure: it knows no ring, no clock and no socket.

use super::ring::Queue;
use crate::limits;

const BACKLOG: usize = limits::BACKLOG as usize;
const NS_PER_MS: u64 = 1_000_000;

/// Who is let in, as far as the last moments say.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// `None` where all are let in.
    bounds: Option<Bounds>,
    /// What has happened since the last look.
    seen: Seen,
    looked_ns: u64,
    /// When all who had come were accepted.
    kept_up_ns: u64,
    turned_away: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    /// So many may be connected.
    open: usize,
    /// So many are accepted until the next look, however many are connected.
    least: usize,
    /// So many may wait to be accepted.
    backlog: usize,
    /// So many have waited to be accepted since there was room for more, and for too long. They are accepted to be out of the
    /// way of the others.
    stale: usize,
    until_ns: u64,
}

/// What has happened in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    accepted: usize,
    served: usize,
    /// Connections that were given up before they were served.
    gave_up: usize,
    /// Time in which the core had nothing to do.
    parked_us: u64,
    interval_us: u64,
    /// At some time all who had come were accepted, and the kernel has turned nobody away.
    keeps_up: bool,
}

/// What is to be done after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// How many may wait to be accepted from now on, where that is another number.
    pub(super) backlog: Option<usize>,
    /// So many were turned away since the last look.
    pub(super) turned_away: u32,
}

impl Seen {
    const fn gives_up(&self) -> bool {
        self.gave_up * limits::GAVE_UP_PART > self.served
    }
}

impl Intake {
    /// A connection was accepted.
    pub(super) const fn on_accepted(&mut self) {
        match &mut self.bounds {
            Some(bounds) if bounds.stale > 0 => bounds.stale -= 1,
            _ => self.seen.accepted += 1,
        }
    }

    /// A connection was served.
    pub(super) const fn on_served(&mut self) {
        self.seen.served += 1;
    }

    /// A connection was given up before it was served.
    pub(super) const fn on_gave_up(&mut self) {
        self.seen.gave_up += 1;
    }

    /// The core has had nothing to do for so long.
    pub(super) const fn on_parked(&mut self, parked_us: u64) {
        self.seen.parked_us += parked_us;
    }

    /// Nobody waits to be accepted.
    pub(super) const fn on_kept_up(&mut self, now_ns: u64) {
        self.kept_up_ns = now_ns;
    }

    /// When all who had come were accepted. Who is accepted later may have waited since then.
    pub(super) const fn kept_up_ns(&self) -> u64 {
        self.kept_up_ns
    }

    /// Whether not all are let in.
    pub(super) const fn is_bounded(&self) -> bool {
        self.bounds.is_some()
    }

    /// How many more may be accepted, where so many are connected.
    pub(super) fn room(&mut self, open: usize) -> usize {
        let Self { bounds: Some(bounds), seen, .. } = self else { return usize::MAX };
        if seen.gives_up() {
            bounds.open = bounds.open.min(open);
        }
        let room = bounds.open.saturating_sub(open);
        room.max(bounds.least.saturating_sub(seen.accepted)).max(bounds.stale)
    }

    /// Whether it is time to look.
    pub(super) const fn is_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.looked_ns) >= limits::INTAKE_MS * NS_PER_MS
    }

    /// Looks at how it went since the last look, where so many are connected.
    pub(super) fn look(&mut self, now_ns: u64, open: usize, queue: Queue) -> Look {
        let turned_away =
            queue.turned_away.wrapping_sub(std::mem::replace(&mut self.turned_away, queue.turned_away));
        let looked_ns = std::mem::replace(&mut self.looked_ns, now_ns);
        let seen = Seen {
            interval_us: now_ns.saturating_sub(looked_ns) / 1_000,
            keeps_up: self.kept_up_ns >= looked_ns && turned_away == 0,
            ..std::mem::take(&mut self.seen)
        };
        let before = self.bounds;
        if before.is_some() || !seen.keeps_up && seen.gives_up() {
            self.bounds = self.next_bounds(now_ns, open, queue.waiting, &seen);
        }
        let backlog = |bounds: Option<Bounds>| bounds.map_or(BACKLOG, |bounds| bounds.backlog);
        let (before, after) = (backlog(before), backlog(self.bounds));
        Look { backlog: (before != after).then_some(after), turned_away }
    }

    /// What is let in from now on; `None` where all could be accepted for long enough.
    fn next_bounds(&self, now_ns: u64, open: usize, waiting: usize, seen: &Seen) -> Option<Bounds> {
        let until_ns = match self.bounds {
            Some(bounds) if seen.keeps_up => bounds.until_ns,
            _ => now_ns + limits::INTAKE_BOUNDED_MS * NS_PER_MS,
        };
        if now_ns >= until_ns {
            return None;
        }
        let least = (seen.served / limits::INTAKE_LEAST_PART).max(1);
        let backlog = seen.accepted.clamp(least, BACKLOG);
        let open = match self.bounds {
            None => open,
            Some(bounds) if seen.gives_up() => bounds.open.min(open),
            // Places that nobody has come for are enough.
            Some(bounds) if open + open / 8 < bounds.open => bounds.open,
            Some(bounds) => {
                let idle = open as u64 * seen.parked_us / seen.interval_us.max(1) / limits::INTAKE_IDLE_PART;
                bounds.open + 1 + bounds.open / limits::INTAKE_GROWTH_PART + idle as usize
            }
        };
        // Twice what is accepted in the time between two looks has waited for as long at most.
        let stale = waiting.saturating_sub(2 * backlog);
        Some(Bounds { open, least, backlog, stale, until_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a core sees in one interval after the other, and whom it lets in then. Each line is `accepted served gave_up
    /// parked_ms | open waiting turned_away | expect`, and expected is the backlog, the bound of what is open, and the room;
    /// `all` where it lets all in. `+` says that all who had come were accepted.
    #[track_caller]
    fn check(lines: &str) {
        let (mut intake, mut now_ns) = (Intake::default(), limits::INTAKE_MS * NS_PER_MS);
        let first = intake.look(now_ns, 0, Queue::default());
        assert_eq!(first, Look { backlog: None, turned_away: 0 });
        let (mut backlog, mut turned_away) = (BACKLOG, 0);
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            let [seen, state, expect] = parts[..] else { panic!("{line}") };
            if seen.ends_with('+') {
                intake.on_kept_up(now_ns);
            }
            let numbers = |text: &str| -> Vec<usize> {
                text.trim_end_matches(" +").split_whitespace().map(|number| number.parse().unwrap()).collect()
            };
            let [accepted, served, gave_up, parked_ms] = numbers(seen)[..] else { panic!("{line}") };
            let [open, waiting, away] = numbers(state)[..] else { panic!("{line}") };
            (0..accepted).for_each(|_| intake.on_accepted());
            (0..served).for_each(|_| intake.on_served());
            (0..gave_up).for_each(|_| intake.on_gave_up());
            intake.on_parked(parked_ms as u64 * 1_000);
            now_ns += limits::INTAKE_MS * NS_PER_MS;
            assert!(!intake.is_due(now_ns - 1) && intake.is_due(now_ns), "{line}");
            turned_away += away as u32;
            let look = intake.look(now_ns, open, Queue { waiting, turned_away });
            assert_eq!(look.turned_away, away as u32, "{line}");
            backlog = look.backlog.unwrap_or(backlog);
            let told = match intake.bounds {
                None => format!("{backlog} all"),
                Some(bounds) => format!("{backlog} {} {}", bounds.open, intake.room(open)),
            };
            assert_eq!(told, expect, "{line}");
            assert_eq!(intake.is_bounded(), !told.ends_with("all"), "{line}");
        }
    }

    #[test]
    fn all_are_let_in_while_they_can_be_accepted_or_nobody_gives_up() {
        check(
            "900 5000 0 0 + | 900 0 0 | 4096 all
             900 5000 4000 0 + | 900 0 0 | 4096 all
             900 5000 0 0 | 900 4096 700 | 4096 all
             900 5000 156 0 | 900 4096 700 | 4096 all
             0 0 0 50 + | 0 0 0 | 4096 all",
        );
    }

    #[test]
    fn where_many_give_up_and_not_all_can_be_accepted_nobody_is_let_in_for_those_who_have_gone() {
        check(
            // What waits beyond twice the backlog has waited too long, and is accepted to be out of the way.
            "100 640 80 0 | 900 4000 0 | 100 900 3800
             0 640 80 0 | 800 150 9 | 20 800 110
             0 64 640 0 | 700 0 9 | 2 700 2
             0 0 640 0 | 600 0 9 | 1 600 1",
        );
    }

    #[test]
    fn more_are_let_in_slowly_unless_the_core_has_nothing_to_do() {
        check(
            "10 640 80 0 | 1000 0 0 | 20 1000 20
             20 640 0 0 | 1000 0 9 | 20 1004 20
             20 640 20 0 | 1004 0 9 | 20 1008 20
             20 640 0 50 | 1000 0 9 | 20 1137 137
             20 640 0 50 | 1000 0 9 | 20 1137 137
             20 640 21 50 | 1100 0 9 | 20 1100 20",
        );
    }

    #[test]
    fn all_are_let_in_again_once_nobody_was_turned_away_for_a_second() {
        let quiet = "1 9 0 50 + | 1 0 0 | 1 100 99\n".repeat(18);
        check(&format!(
            "1 9 9 0 | 100 0 0 | 1 100 1
             1 9 0 50 + | 1 0 0 | 1 100 99
             1 9 0 50 + | 1 0 9 | 1 100 99
             1 9 0 50 + | 1 0 0 | 1 100 99
             {quiet}1 9 0 50 + | 1 0 0 | 4096 all"
        ));
    }

    #[test]
    fn who_is_accepted_may_have_waited_since_all_were() {
        let mut intake = Intake::default();
        intake.on_kept_up(7);
        assert_eq!((intake.kept_up_ns(), intake.room(usize::MAX)), (7, usize::MAX));
    }
}
