//! How many connections a core lets in.
//!
//! All that there are places for, in general. But where more is asked than can be served, and clients give up and come anew,
//! to let each of them in costs as much as to serve a request or two; and the kernel hands them out in the order in which they
//! came, so that each has waited behind all others and is about to give up, too. Soon nothing is done but for clients that have
//! gone.
//!
//! Then those who are connected go first, and so many are let in as can be served. The kernel turns the others away before
//! they are connections: it does not answer their first packet, so that they ask again after a second, or give up at no cost.
//! How many that are is found out as TCP finds out what a path carries: more, slowly, while few give up, and quickly while the
//! core has nothing to do; and a connection that gives up is not replaced while many do.
//!
//! It is pure: it knows no ring, no clock and no socket.

use super::NS_PER_MS;
use ring::Queue;

const BACKLOG: usize = limits::BACKLOG as usize;

/// Who is let in, as far as the last moments say.
#[derive(Debug)]
pub(super) struct Intake {
    /// `None` where all are let in.
    bounds: Option<Bounds>,
    /// What has happened since the last adjustment.
    seen: Seen,
    adjusted_ns: u64,
    /// When all who had come were accepted.
    kept_up_ns: u64,
    /// The kernel's count; `None` before the first adjustment, since it may have begun before.
    turned_away: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    /// So many may be connected.
    open: usize,
    /// So many are accepted until the next adjustment, however many are connected.
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
}

/// What is to be done after an adjustment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IntakeAdjustment {
    /// How many may wait to be accepted from now on, where that is another number.
    pub(super) backlog: Option<usize>,
    /// So many were turned away since the last adjustment.
    pub(super) turned_away: u32,
}

impl Seen {
    /// Whether a notable part gives up. It is asked before an interval is over, too, when little was served yet.
    fn gives_up(&self) -> bool {
        self.gave_up * limits::GAVE_UP_PART > self.served.max(limits::INTAKE_SERVED_MIN)
    }

    /// Whether the core had nothing to do for half of the interval.
    const fn is_idle(&self) -> bool {
        2 * self.parked_us >= self.interval_us
    }

    /// Whether it had nothing to do for a notable part of it.
    const fn has_time(&self) -> bool {
        limits::INTAKE_IDLE_PART as u64 * self.parked_us >= self.interval_us
    }
}

impl Intake {
    /// Lets all in, of whom none has come before now.
    pub(super) fn new(now_ns: u64) -> Self {
        let seen = Seen::default();
        Self { bounds: None, seen, adjusted_ns: now_ns, kept_up_ns: now_ns, turned_away: None }
    }

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

    /// Since when who is accepted now may have waited, where that is so long ago that its client may have gone.
    pub(super) fn may_have_waited(&self, now_ns: u64) -> Option<u64> {
        let waited_ns = now_ns.saturating_sub(self.kept_up_ns);
        (waited_ns >= limits::MAY_HAVE_GONE_AFTER_MS * NS_PER_MS).then_some(self.kept_up_ns)
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

    /// Whether it is time to adjust.
    pub(super) const fn is_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.adjusted_ns) >= limits::INTAKE_MS * NS_PER_MS
    }

    /// Adjusts the bounds to how it went since the last adjustment, where so many are connected.
    pub(super) fn adjust(&mut self, now_ns: u64, open: usize, queue: Queue) -> IntakeAdjustment {
        let counted_before = self.turned_away.replace(queue.turned_away).unwrap_or(queue.turned_away);
        let turned_away = queue.turned_away.wrapping_sub(counted_before);
        let adjusted_ns = std::mem::replace(&mut self.adjusted_ns, now_ns);
        if queue.waiting == 0 {
            self.on_kept_up(now_ns);
        }
        let seen = Seen {
            interval_us: now_ns.saturating_sub(adjusted_ns) / 1_000,
            ..std::mem::take(&mut self.seen)
        };
        let before = self.bounds;
        // Connections that were turned away may only have come too many at once. That is so where the core is idle; and where it
        // has some time and free places, and few clients give up.
        let has_room = || before.is_some_and(|bounds| open + open / limits::INTAKE_IDLE_PART < bounds.open);
        let were_at_once = || seen.is_idle() || seen.has_time() && has_room() && !seen.gives_up();
        let keeps_up = self.kept_up_ns > adjusted_ns && (turned_away == 0 || were_at_once());
        if before.is_some() || !keeps_up && !seen.is_idle() && seen.gives_up() {
            self.bounds = self.next_bounds(now_ns, keeps_up, open, queue.waiting, &seen);
        }
        let backlog = |bounds: Option<Bounds>| bounds.map_or(BACKLOG, |bounds| bounds.backlog);
        let (before, after) = (backlog(before), backlog(self.bounds));
        IntakeAdjustment { backlog: (before != after).then_some(after), turned_away }
    }

    /// What is let in from now on; `None` where all could be accepted for long enough.
    fn next_bounds(
        &self,
        now_ns: u64,
        keeps_up: bool,
        open: usize,
        waiting: usize,
        seen: &Seen,
    ) -> Option<Bounds> {
        let until_ns = match self.bounds {
            Some(bounds) if keeps_up => bounds.until_ns,
            _ => now_ns + limits::INTAKE_BOUNDED_MS * NS_PER_MS,
        };
        if now_ns >= until_ns {
            return None;
        }
        let gives_up = seen.gives_up();
        let at_once = if seen.is_idle() && !gives_up { limits::INTAKE_IDLE_MIN } else { limits::INTAKE_MIN };
        let least = (seen.served / limits::INTAKE_LEAST_PART).max(limits::INTAKE_MIN);
        let backlog = seen.accepted.max(least).max(at_once).min(BACKLOG);
        let idle_part = open / limits::INTAKE_IDLE_PART;
        let open = match self.bounds {
            None => open,
            Some(bounds) if gives_up => bounds.open.min(open),
            // Places that nobody has come for are enough.
            Some(bounds) if open + idle_part + at_once < bounds.open => bounds.open,
            Some(bounds) if seen.is_idle() => bounds.open + at_once.max(idle_part),
            Some(bounds) => bounds.open + 1 + bounds.open / limits::INTAKE_GROWTH_PART,
        };
        // Twice what is accepted in the time between two adjustments has waited for as long at most.
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
        let (mut intake, mut now_ns) = (Intake::new(0), limits::INTAKE_MS * NS_PER_MS);
        let (mut backlog, mut turned_away) = (BACKLOG, 70);
        // What the kernel has turned away before is not this server's.
        let first = intake.adjust(now_ns, 0, Queue { waiting: 0, turned_away });
        assert_eq!(first, IntakeAdjustment { backlog: None, turned_away: 0 });
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            let [seen, state, expect] = parts[..] else { panic!("{line}") };
            if seen.ends_with('+') {
                intake.on_kept_up(now_ns + 1);
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
            let adjustment = intake.adjust(now_ns, open, Queue { waiting, turned_away });
            assert_eq!(adjustment.turned_away, away as u32, "{line}");
            backlog = adjustment.backlog.unwrap_or(backlog);
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
            "900 5000 0 0 + | 900 9 0 | 4096 all
             900 5000 4000 0 + | 900 9 0 | 4096 all
             900 5000 0 0 | 900 4096 700 | 4096 all
             900 5000 156 0 | 900 4096 700 | 4096 all
             1 9 8 0 | 900 4096 700 | 4096 all
             0 0 0 50 + | 0 0 0 | 4096 all",
        );
    }

    #[test]
    fn where_many_give_up_and_not_all_can_be_accepted_nobody_is_let_in_for_those_who_have_gone() {
        check(
            // What waits beyond twice the backlog has waited too long, and is accepted to be out of the way.
            "100 640 80 0 | 900 4000 0 | 100 900 3800
             0 640 80 0 | 800 150 9 | 20 800 110
             0 64 640 0 | 700 9 9 | 8 700 8
             0 0 640 0 | 600 0 9 | 8 600 8",
        );
    }

    #[test]
    fn more_are_let_in_slowly_unless_the_core_has_nothing_to_do() {
        check(
            "10 640 80 0 | 1000 9 0 | 20 1000 20
             20 640 0 24 | 1000 9 9 | 20 1004 20
             20 640 20 0 | 1004 9 9 | 20 1008 20
             20 640 0 25 | 1000 9 9 | 64 1133 133
             20 640 0 25 | 990 9 9 | 64 1256 266
             20 640 0 25 | 900 9 9 | 64 1256 356
             20 640 21 25 | 1100 9 9 | 20 1100 20
             20 640 0 0 | 100 9 9 | 20 1100 1000",
        );
    }

    #[test]
    fn those_who_give_up_are_not_replaced() {
        let (mut intake, now_ns) = (Intake::new(0), limits::INTAKE_MS * NS_PER_MS);
        (0..9).for_each(|_| intake.on_gave_up());
        intake.adjust(now_ns, 500, Queue { waiting: 9, turned_away: 0 });
        assert_eq!((intake.room(500), intake.room(400)), (8, 100));
        (0..8).for_each(|_| intake.on_gave_up());
        assert_eq!(intake.room(400), 100, "few say nothing");
        intake.on_gave_up();
        assert_eq!((intake.room(400), intake.room(380), intake.room(390)), (8, 8, 8));
        (0..8).for_each(|_| intake.on_accepted());
        assert_eq!(intake.room(390), 0);
    }

    #[test]
    fn all_are_let_in_again_once_they_could_be_accepted_for_a_second() {
        let quiet = "1 9 0 0 + | 1 9 0 | 8 100 99\n".repeat(18);
        check(&format!(
            "1 9 9 0 | 100 9 0 | 8 100 8
             1 9 0 0 + | 1 9 0 | 8 100 99
             1 9 0 0 + | 1 9 9 | 8 100 99
             {quiet}1 9 0 0 + | 1 9 0 | 8 100 99
             1 9 0 0 + | 1 9 0 | 4096 all"
        ));
        // Those who came at once to a core that has time don't prolong it.
        let idle = "1 9 0 50 + | 1 9 9 | 64 100 99\n".repeat(19);
        check(&format!(
            "1 9 9 0 | 100 9 0 | 8 100 8
             {idle}1 9 0 50 + | 1 9 9 | 4096 all"
        ));
        // Nor do they where it has some, and there is room for them.
        let with_room = "20 640 20 7 + | 80 9 9 | 20 100 20\n".repeat(19);
        check(&format!(
            "20 640 80 0 | 100 9 0 | 20 100 20
             {with_room}20 640 20 7 + | 80 9 9 | 4096 all"
        ));
        let prolonged = "20 640 20 6 + | 80 9 9 | 20 100 20\n".repeat(99);
        check(&format!(
            "20 640 80 0 | 100 9 0 | 20 100 20
             {prolonged}"
        ));
    }

    #[test]
    fn who_is_accepted_may_have_waited_since_all_were() {
        let gone_ns = limits::MAY_HAVE_GONE_AFTER_MS * NS_PER_MS;
        let mut intake = Intake::new(7);
        assert_eq!(intake.room(usize::MAX), usize::MAX);
        assert_eq!(
            (intake.may_have_waited(6 + gone_ns), intake.may_have_waited(7 + gone_ns)),
            (None, Some(7))
        );
        intake.on_kept_up(8);
        assert_eq!(intake.may_have_waited(7 + gone_ns), None);
        intake.adjust(9 + gone_ns, 0, Queue { waiting: 0, turned_away: 0 });
        assert_eq!(intake.may_have_waited(9 + gone_ns), None, "nobody waits");
    }
}
