//! Where the time of a request goes, from the turn that framed it to the completion of its answer's send.
//!
//! The clock is not read for every request but for one in [`limits::STAGE_SAMPLE_REQUESTS`]; the others pay a count and
//! a branch at each stage. The spans of a request follow one another without a gap, since the reading that ends one
//! begins the next; so they sum to the time that it took. They are counted when its answer was sent: a request whose
//! connection ends before that is not.

use std::sync::Arc;

use clock::Clock;
use metrics::ShardMetrics;
use partition::ShardId;

/// What a request's time is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits on its core: for the requests before it in the turn, and from its answer's being ready to its
    /// hand-over, for those behind it and for the connection's earlier answers.
    Queue,
    Frame,
    /// With the check of the credentials.
    Decode,
    /// From its being decoded to its outcome's coming back from another shard.
    Lane,
    /// At its own shard, with the record's way into the group.
    Apply,
    /// From its answer's being written to the news that what it shows is durable.
    Journal,
    Encode,
    /// From the hand-over to the ring to the news of the kernel's completion.
    Send,
}

/// The stages' names in the metrics.
pub(super) const NAMES: [&str; 8] =
    ["queue", "frame", "decode", "lane", "apply", "journal", "encode", "send"];

/// A request of this core.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestId {
    /// Counts the core's requests; its 16 highest bits are the shard.
    number: u64,
    /// Where its stages are kept, of one that is sampled.
    sample: Option<u8>,
}

impl RequestId {
    /// A number that no other request of the process has.
    pub(super) const fn number(self) -> u64 {
        self.number
    }
}

/// The stages of one request so far.
#[derive(Debug)]
struct Sample {
    request: u64,
    /// When the latest stage ended, nanoseconds of the clock.
    last_ns: u64,
    spans_ns: [Option<u64>; NAMES.len()],
    /// The place of its answer; none where that went straight to the bytes to be sent.
    place: Option<u32>,
    handed_over: bool,
}

impl Sample {
    const fn new(request: u64, from_ns: u64) -> Self {
        Self { request, last_ns: from_ns, spans_ns: [None; NAMES.len()], place: None, handed_over: false }
    }

    /// Ends `stage` at `now_ns`. One that comes again adds up.
    fn lap(&mut self, stage: Stage, now_ns: u64) {
        let span_ns = &mut self.spans_ns[stage as usize];
        *span_ns = Some(span_ns.unwrap_or(0) + now_ns.saturating_sub(self.last_ns));
        self.last_ns = now_ns;
    }
}

/// The requests of a core that are sampled and not sent yet.
#[derive(Debug)]
pub(super) struct Stages {
    clock: Clock,
    metrics: Arc<ShardMetrics>,
    /// The number of the next request.
    next: u64,
    /// The number from which on a request is to be sampled.
    due: u64,
    samples: Box<[Option<Sample>]>,
    /// Where the next sample is kept.
    turn: u8,
}

impl Stages {
    /// Stages of `shard`'s requests, which are counted in `metrics`.
    pub(super) fn new(shard: ShardId, clock: Clock, metrics: Arc<ShardMetrics>) -> Self {
        let next = (shard.index() as u64) << 48;
        let samples = (0..limits::STAGE_SAMPLES).map(|_| None).collect();
        Self { clock, metrics, next, due: next, samples, turn: 0 }
    }

    /// Says when the framing of a request begins, where the next one is to be sampled.
    pub(super) fn begin(&self) -> Option<u64> {
        (self.next >= self.due).then(|| self.clock.mono_ns())
    }

    /// A request of the turn that began at `turn_ns` was framed, which began at `begun_ns` where it is to be sampled.
    pub(super) fn framed(&mut self, turn_ns: u64, begun_ns: Option<u64>) -> RequestId {
        let number = self.next;
        self.next += 1;
        let sample = begun_ns.and_then(|begun_ns| self.sample(number, turn_ns, begun_ns));
        RequestId { number, sample }
    }

    fn sample(&mut self, number: u64, turn_ns: u64, begun_ns: u64) -> Option<u8> {
        self.due = number + u64::from(limits::STAGE_SAMPLE_REQUESTS);
        let at = self.turn;
        self.turn = at.wrapping_add(1);
        let free = &mut self.samples[usize::from(at)];
        // One that was not sent yet is not given up for another: that would leave the slow ones out.
        if free.is_some() {
            return None;
        }
        let sample = free.insert(Sample::new(number, turn_ns));
        sample.lap(Stage::Queue, begun_ns);
        sample.lap(Stage::Frame, self.clock.mono_ns());
        Some(at)
    }

    /// A stage of `request` has ended.
    pub(super) fn lap(&mut self, request: RequestId, stage: Stage) {
        if let Some(at) = request.sample {
            let now_ns = self.clock.mono_ns();
            // Its connection may have ended, and another request have its place.
            if let Some(sample) = self.find(at, request) {
                sample.lap(stage, now_ns);
            }
        }
    }

    fn find(&mut self, at: u8, request: RequestId) -> Option<&mut Sample> {
        self.samples[usize::from(at)].as_mut().filter(|sample| sample.request == request.number)
    }

    /// Does not count the stages of `request`: its latency is not counted either.
    pub(super) fn leave_out(&mut self, request: RequestId) {
        if let Some(at) = request.sample {
            self.samples[usize::from(at)] = None;
        }
    }

    /// What `request`'s connection is to tell of from here on, where it is sampled: its answer has this place, or is
    /// among the bytes to be sent.
    pub(super) fn follow(&mut self, request: RequestId, place: Option<u32>) -> Option<u8> {
        let at = request.sample?;
        self.find(at, request)?.place = place;
        Some(at)
    }

    /// Answers were handed to the ring: all those whose place `is_past`, and those without one.
    pub(super) fn on_hand_over(&mut self, at: u8, is_past: impl FnOnce(u32) -> bool) {
        let now_ns = self.clock.mono_ns();
        let Some(sample) = &mut self.samples[usize::from(at)] else { unreachable!("it is followed") };
        if !sample.handed_over && sample.place.is_none_or(is_past) {
            sample.lap(Stage::Queue, now_ns);
            sample.handed_over = true;
        }
    }

    /// What was handed to the ring is sent. `true` where that ends the sample, which is then counted.
    pub(super) fn on_sent(&mut self, at: u8) -> bool {
        let now_ns = self.clock.mono_ns();
        let place = &mut self.samples[usize::from(at)];
        let Some(mut sample) = place.take_if(|sample| sample.handed_over) else { return false };
        sample.lap(Stage::Send, now_ns);
        for (stage, span_ns) in sample.spans_ns.iter().enumerate() {
            if let Some(span_ns) = span_ns {
                self.metrics.stage_took(stage, *span_ns);
            }
        }
        true
    }

    /// The connection of a sample has ended.
    pub(super) fn give_up(&mut self, at: u8) {
        self.samples[usize::from(at)] = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{Memory, Names, Registry};
    use partition::Partition;

    fn stages() -> (Stages, Registry) {
        let registry = Registry::new(1, Names { calls: &["any"], answers: &["any"], stages: &NAMES });
        let shard = Partition::new(1).shard(0);
        (Stages::new(shard, Clock::start(), registry.shard(0)), registry)
    }

    /// How many requests were counted in a stage.
    fn count(registry: &Registry, stage: &str) -> u64 {
        let mut text = String::new();
        registry.write(Memory::default(), &mut text);
        let name = format!("purser_stage_seconds_count{{shard=\"0\",stage=\"{stage}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    fn framed(stages: &mut Stages) -> RequestId {
        let begun_ns = stages.begin();
        stages.framed(0, begun_ns)
    }

    /// The next request that is sampled.
    fn sampled(stages: &mut Stages) -> RequestId {
        loop {
            let request = framed(stages);
            if request.sample.is_some() {
                return request;
            }
        }
    }

    #[test]
    fn the_spans_of_a_request_have_no_gaps() {
        use Stage::{Apply, Decode, Encode, Frame, Journal, Queue, Send};
        let mut sample = Sample::new(0, 100);
        let laps = [Queue, Frame, Decode, Apply, Encode, Journal, Queue, Send];
        for (stage, now_ns) in laps.into_iter().zip([150, 151, 153, 157, 165, 1_000, 1_100, 5_000]) {
            sample.lap(stage, now_ns);
        }
        let of = |stage: Stage| sample.spans_ns[stage as usize];
        assert_eq!((of(Queue), of(Journal), of(Stage::Lane)), (Some(150), Some(835), None));
        assert_eq!(sample.spans_ns.iter().flatten().sum::<u64>(), 5_000 - 100);
    }

    #[test]
    fn one_request_in_many_is_sampled() {
        let (mut stages, _) = stages();
        let every = limits::STAGE_SAMPLE_REQUESTS as usize;
        let mut found = Vec::new();
        for number in 0..3 * every {
            if framed(&mut stages).sample.is_some() {
                found.push(number);
            }
        }
        assert_eq!(found, [0, every, 2 * every]);
        // One that can't be sampled leaves it to the next.
        stages.framed(0, None);
        assert!(framed(&mut stages).sample.is_some());
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let (mut stages, registry) = stages();
        let requests: Vec<_> = (0..limits::STAGE_SAMPLES).map(|_| sampled(&mut stages)).collect();
        for _ in 0..3 * limits::STAGE_SAMPLE_REQUESTS {
            assert!(framed(&mut stages).sample.is_none());
        }
        // A later request has the place of one whose connection has ended; what is still told of that one is nobody's.
        let ended = requests[9];
        let place = stages.follow(ended, None).unwrap();
        stages.give_up(place);
        let later = sampled(&mut stages);
        assert_eq!(later.sample, ended.sample);
        stages.lap(ended, Stage::Journal);
        let at = stages.follow(later, None).unwrap();
        stages.on_hand_over(at, |_| false);
        assert!(stages.on_sent(at));
        assert_eq!((count(&registry, "send"), count(&registry, "journal")), (1, 0));
    }

    #[test]
    fn a_sample_ends_with_the_send_that_has_its_answer() {
        let (mut stages, registry) = stages();
        let request = sampled(&mut stages);
        let at = stages.follow(request, Some(7)).unwrap();
        // An earlier answer of the connection is sent first.
        stages.on_hand_over(at, |place| place < 7);
        assert!(!stages.on_sent(at));
        stages.on_hand_over(at, |place| place <= 7);
        assert_eq!(count(&registry, "queue"), 0);
        assert!(stages.on_sent(at));
        let counts = ["queue", "frame", "lane", "send"].map(|stage| count(&registry, stage));
        assert_eq!(counts, [1, 1, 0, 1]);
    }

    #[test]
    fn a_request_that_is_left_out_is_not_followed() {
        let (mut stages, _) = stages();
        let request = sampled(&mut stages);
        stages.leave_out(request);
        assert_eq!(stages.follow(request, None), None);
    }
}
