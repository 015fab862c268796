//! The requests that one connection has under way, and when what happened to each.
//!
//! Answers come in the order of their requests, so a lane that ends is always the oldest, and the lane that begins
//! next is the one that has rested longest: a ring of times does for both.

/// When what happened in a lane, in nanoseconds; 0 for what has not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaneTimes {
    pub(crate) iteration_began: u64,
    /// The end of the request before in this lane.
    pub(crate) group_began: u64,
    /// When it was to be asked; the same as `asked` where it had no intended start.
    pub(crate) intended: u64,
    pub(crate) asked: u64,
    pub(crate) sent: u64,
    pub(crate) first_byte: u64,
}

/// The lanes of one connection.
#[derive(Debug)]
pub(crate) struct Lanes {
    times: Box<[LaneTimes]>,
    oldest: usize,
    under_way: usize,
}

impl Lanes {
    /// `depth` lanes with nothing under way, that rest since `now_ns`.
    pub(crate) fn new(depth: usize, now_ns: u64) -> Self {
        let rested = LaneTimes { iteration_began: now_ns, group_began: now_ns, ..LaneTimes::default() };
        Self { times: vec![rested; depth].into(), oldest: 0, under_way: 0 }
    }

    /// Lanes, at rest or not.
    pub(crate) const fn depth(&self) -> usize {
        self.times.len()
    }

    /// Requests under way.
    pub(crate) const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Lanes at rest.
    pub(crate) const fn room(&self) -> usize {
        self.times.len() - self.under_way
    }

    /// Whether each lane has a request under way.
    pub(crate) const fn is_full(&self) -> bool {
        self.under_way == self.times.len()
    }

    /// A request is asked; there must be a lane at rest.
    pub(crate) fn begin(&mut self, now_ns: u64) {
        debug_assert!(!self.is_full());
        let lane = self.at(self.under_way);
        self.under_way += 1;
        self.times[lane].intended = now_ns;
        self.times[lane].asked = now_ns;
        self.times[lane].sent = 0;
        self.times[lane].first_byte = 0;
    }

    /// The same for a request that was to be asked at `intended_ns`: the lane has rested until then.
    pub(crate) fn begin_intended(&mut self, intended_ns: u64, now_ns: u64, begins_iteration: bool) {
        let lane = self.at(self.under_way);
        self.begin(now_ns);
        let times = &mut self.times[lane];
        times.intended = intended_ns.min(now_ns);
        times.group_began = times.intended;
        if begins_iteration {
            times.iteration_began = times.intended;
        }
    }

    /// The requests that were handed to the ring last are sent. Those of them that have their answers already are
    /// not here any more.
    pub(crate) fn sent(&mut self, now_ns: u64) {
        for back in (0..self.under_way).rev() {
            let lane = self.at(back);
            if self.times[lane].sent != 0 {
                break;
            }
            self.times[lane].sent = now_ns;
        }
    }

    /// The oldest request's times; those of one that has ended where none is under way.
    pub(crate) fn oldest(&mut self) -> &mut LaneTimes {
        &mut self.times[self.oldest]
    }

    /// When the oldest request was asked; `None` where there is none.
    pub(crate) fn asked_ns(&self) -> Option<u64> {
        (self.under_way > 0).then(|| self.times[self.oldest].asked)
    }

    /// The oldest request has ended, and with it an iteration where `ends_iteration`. Returns its times.
    pub(crate) fn end(&mut self, now_ns: u64, ends_iteration: bool) -> LaneTimes {
        debug_assert!(self.under_way > 0);
        let lane = &mut self.times[self.oldest];
        let times = *lane;
        lane.group_began = now_ns;
        if ends_iteration {
            lane.iteration_began = now_ns;
        }
        self.under_way -= 1;
        self.oldest = self.at(1);
        times
    }

    /// The place of the lane that is `further` after the oldest.
    const fn at(&self, further: usize) -> usize {
        let place = self.oldest + further;
        if place < self.times.len() { place } else { place - self.times.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks and answers at these times, in turn; says what was asked when, in the order of the answers.
    #[track_caller]
    fn check(depth: usize, asked: &[&[u64]], answered: &[usize], expect: &[u64]) {
        let mut lanes = Lanes::new(depth, 1);
        let mut found = Vec::new();
        for (asked, answers) in asked.iter().zip(answered) {
            asked.iter().for_each(|now_ns| lanes.begin(*now_ns));
            found.extend((0..*answers).map(|_| lanes.end(100, true).asked));
        }
        assert_eq!(found, expect);
    }

    #[test]
    fn lanes_end_in_the_order_in_which_they_began() {
        check(1, &[&[2], &[3], &[4]], &[1, 1, 1], &[2, 3, 4]);
        check(3, &[&[2, 3, 4], &[5], &[6, 7]], &[1, 2, 3], &[2, 3, 4, 5, 6, 7]);
        check(2, &[&[2, 3], &[4]], &[1, 2], &[2, 3, 4]);
    }

    #[test]
    fn what_is_sent_is_what_was_handed_over_last() {
        let mut lanes = Lanes::new(4, 1);
        lanes.begin(10);
        lanes.begin(11);
        lanes.sent(20);
        lanes.begin(30);
        lanes.sent(40);
        assert_eq!([0; 3].map(|_| lanes.end(50, true).sent), [20, 20, 40]);
        assert_eq!(lanes.asked_ns(), None);
    }

    #[test]
    fn a_lane_rests_until_the_intended_start() {
        let mut lanes = Lanes::new(2, 1);
        lanes.begin_intended(20, 50, true);
        lanes.begin_intended(30, 50, false);
        // A start that lies ahead is no start.
        let [first, second] = [0; 2].map(|_| lanes.end(90, true));
        assert_eq!((first.intended, first.asked, first.group_began, first.iteration_began), (20, 50, 20, 20));
        assert_eq!(
            (second.intended, second.asked, second.group_began, second.iteration_began),
            (30, 50, 30, 1)
        );
        lanes.begin_intended(120, 100, true);
        assert_eq!(lanes.end(110, true).intended, 100);
    }

    #[test]
    fn a_lane_rests_from_the_end_of_its_request() {
        let mut lanes = Lanes::new(2, 1);
        lanes.begin(10);
        lanes.begin(10);
        assert_eq!(lanes.end(50, true).group_began, 1);
        lanes.begin(60);
        lanes.end(70, true);
        let third = lanes.end(80, true);
        assert_eq!((third.group_began, third.iteration_began), (50, 50));
    }
}
