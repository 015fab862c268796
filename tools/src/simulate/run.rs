//! One seed: who does what next, and when.

use std::collections::VecDeque;
use std::sync::Arc;
use testkit::auditor::{Auditor, Rules};
use testkit::workload::{Chance, Request, Step, Workload};
use testkit::world::World;

use super::cluster::{Cluster, SHARDS_MAX, Sizes, session_keys};
use super::flights::{Answers, Flights};

/// 2023-11-14, in whole minutes, so that coarse clocks begin at a multiple of theirs.
const START_MS: u64 = 1_700_000_000_000 / 60_000 * 60_000;

/// How long the least patient clients wait, milliseconds.
const PATIENCE_MS_MAX: u64 = 200;

/// Segments that a fold takes, at most: now and then some stay, and are folded later.
const FOLD_SEGMENTS_MAX: usize = 4;

/// Requests that wait to be sent.
const QUEUE_MAX: usize = 40;

/// Steps after which an answer is late, and its request is sent again.
const LATE_STEPS: u64 = 150;

/// Rounds in which everything that is under way is answered.
const DRAIN_ROUNDS: usize = 10_000;

/// Of so many seeds the players of one fill a round, and those of another one a table...
const SEEDS_PER_FILLED: u64 = 40;

/// ... at this step, so that not much comes after it: what is long is slow.
const FILLED_AT_STEP: u64 = 4_500;

/// For how long closed rounds stay in memory, each with its weight: none at all, one moment, a while, and longer than they are
/// remembered.
const HOT_MS: [(u32, u64); 5] =
    [(20, 1), (20, 3), (30, 60_000), (20, 20 * 60_000), (10, 400 * 24 * 3_600_000)];

/// What a step does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Ask,
    Poll,
    Disk,
    Sweep,
    BeginFold,
    BeginMerge,
    StepWork,
    Prepare,
    Repeat,
    Fill,
    Free,
    Starve,
    Relieve,
    Leap,
    Crash,
    Pace,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) steps: u64,
    pub(super) requests: u64,
    pub(super) answers: Answers,
    pub(super) crashes: u64,
    pub(super) torn: u64,
    pub(super) recoveries: u64,
    pub(super) reshards: u64,
    pub(super) folds: u64,
    pub(super) merges: u64,
    /// Answers of histories.
    pub(super) lookups: u64,
    /// Of these, what could not be read.
    pub(super) unread: u64,
    pub(super) harms: u64,
    /// Starts that were configured otherwise than the last one.
    pub(super) changes: u64,
    /// Days that have passed.
    pub(super) days: u64,
}

/// A seed's run.
pub(super) struct Run {
    seed: u64,
    pub(super) chance: Chance,
    pub(super) rules: Rules,
    pub(super) workload: Workload,
    pub(super) auditor: Auditor,
    pub(super) flights: Flights,
    pub(super) cluster: Cluster,
    /// To be sent as soon as may be.
    pub(super) queue: VecDeque<Request>,
    pub(super) now_ms: u64,
    /// Times are multiples of it, so that some requests come at the very end of a time.
    pub(super) grain_ms: u64,
    pub(super) swept_ms: u64,
    pub(super) synced_ms: u64,
    /// Since when the disks are full.
    pub(super) full_ms: Option<u64>,
    /// Since when shards are short of memory.
    pub(super) short_ms: Option<u64>,
    /// How often shards are polled, and disks served, among a hundred steps or so.
    pace: (u32, u32),
    /// Shards at every start, where the caller says it.
    pub(super) shards: Option<usize>,
    /// The step of the next crash, where that is known.
    pub(super) crash_soon: Option<u64>,
    /// Requests before anything else happens.
    opening: usize,
    pub(super) counts: Counts,
}

impl Run {
    /// The run of a seed, with so many shards at every start, or any number.
    ///
    /// # Errors
    /// A sentence, where the machine does not start.
    pub(super) fn new(seed: u64, shards: Option<usize>) -> Result<Self, String> {
        // The workload draws from the seed itself.
        let mut chance = Chance::new(!seed);
        let rules = World::draw(&mut chance);
        let grain_ms = [1, 1_000, 10_000][chance.index(3)];
        let players = 3 + chance.index(12);
        let sizes = Sizes {
            lane_requests: 2 + chance.index(12),
            segment_bytes: [8, 16, 32, 64][chance.index(4)] * 1_024,
        };
        let count = shards.unwrap_or(1 + chance.index(SHARDS_MAX));
        let cluster = Cluster::new(count, sizes, &mut chance);
        let mut run = Self {
            seed,
            workload: Workload::new(seed, World::new(players), rules.clone()),
            auditor: Auditor::new(rules.clone()),
            flights: Flights::default(),
            queue: VecDeque::new(),
            now_ms: START_MS,
            grain_ms,
            swept_ms: START_MS,
            synced_ms: START_MS,
            full_ms: None,
            short_ms: None,
            pace: (25, 25),
            shards,
            crash_soon: None,
            opening: 3 * (players - 1),
            counts: Counts::default(),
            chance,
            rules,
            cluster,
        };
        run.draw_hot();
        let started = run.cluster.start(run.now_ms, count, &run.rules, &mut run.chance)?;
        run.cluster.open(started.cores, run.now_ms);
        Ok(run)
    }

    /// A step begins, while the disk may be full or memory short.
    fn count_step(&mut self) {
        self.counts.steps += 1;
        if self.full_ms.is_some() {
            self.flights.full(self.counts.steps);
        }
        if self.short_ms.is_some() {
            self.flights.short(self.counts.steps);
        }
    }

    /// Takes one step.
    ///
    /// # Errors
    /// A sentence, where the machine is not as it should be.
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.count_step();
        if self.opening > 0 {
            self.opening -= 1;
            self.ask()?;
            return self.drain();
        }
        if self.counts.steps == FILLED_AT_STEP && self.seed.is_multiple_of(SEEDS_PER_FILLED) {
            return self.fill_round(self.seed.is_multiple_of(2 * SEEDS_PER_FILLED));
        }
        if self.counts.steps == FILLED_AT_STEP && self.seed % SEEDS_PER_FILLED == 1 {
            return self.fill_table();
        }
        if self.crash_soon.is_some_and(|step| step <= self.counts.steps) {
            return self.crash();
        }
        let (poll, disk) = self.pace;
        let acts = [
            (7_000, Act::Ask),
            (100 * poll, Act::Poll),
            (100 * disk, Act::Disk),
            (100, Act::Sweep),
            (70, Act::BeginFold),
            (120, Act::BeginMerge),
            (400, Act::StepWork),
            (20, Act::Prepare),
            (60, Act::Repeat),
            (10, Act::Fill),
            (100, Act::Free),
            (15, Act::Starve),
            (50, Act::Relieve),
            (30, Act::Leap),
            (40, Act::Crash),
            (50, Act::Pace),
        ];
        let at = self.chance.index(self.cluster.shards.len());
        match self.chance.weighted(&acts) {
            Act::Ask => self.ask()?,
            Act::Poll => self.poll(at)?,
            Act::Disk => self.serve_disk(at)?,
            Act::Sweep => self.cluster.shards[at].sweep(self.now_ms),
            Act::BeginFold => {
                let most = 1 + self.chance.index(FOLD_SEGMENTS_MAX);
                self.counts.folds += u64::from(self.cluster.disks[at].begin_fold(most)?);
            }
            Act::BeginMerge => self.begin_merge(at)?,
            Act::StepWork => self.cluster.disks[at].step_work()?,
            Act::Prepare if self.full_ms.is_none() => self.cluster.disks[at].prepare_next(),
            Act::Prepare => {}
            Act::Repeat => {
                let late = self.counts.steps.saturating_sub(LATE_STEPS);
                self.queue.extend(self.flights.repeat(late));
            }
            Act::Fill if self.full_ms.is_none() => self.fill()?,
            Act::Free if self.full_ms.is_some() => self.free()?,
            Act::Fill | Act::Free => {}
            Act::Starve => self.starve(),
            Act::Relieve => self.relieve(),
            Act::Leap => self.leap()?,
            Act::Crash => self.crash()?,
            Act::Pace => {
                self.pace = ([3, 25, 60][self.chance.index(3)], [1, 8, 60][self.chance.index(3)]);
            }
        }
        self.settle()
    }

    /// Everything is answered and made durable, and it is there after a last crash.
    ///
    /// # Errors
    /// A sentence, where the machine is not as it should be.
    pub(super) fn finish(&mut self) -> Result<Counts, String> {
        self.queue.clear();
        self.drain()?;
        self.look_at_directory()?;
        self.crash()?;
        let days = (self.now_ms - START_MS) / (24 * 3_600 * 1_000);
        let (lookups, unread) = (self.cluster.troubles.answers.get(), self.cluster.troubles.came.get());
        Ok(Counts { answers: self.flights.answers, days, lookups, unread, ..self.counts })
    }

    /// Once everything is swept, the directory has the keys of the sessions and no other.
    fn look_at_directory(&mut self) -> Result<(), String> {
        let images = self.cluster.images(self.now_ms);
        let sessions = session_keys(&images);
        for _ in 0..DRAIN_ROUNDS {
            if self.cluster.session_keys() == sessions {
                return Ok(());
            }
            self.sweep()?;
            self.drain()?;
        }
        let (keys, sessions) = (self.cluster.session_keys().len(), sessions.len());
        Err(format!("The directory has {keys} keys, which are not those of the {sessions} sessions."))
    }

    /// Tells the auditor what has happened.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for applied in self.cluster.take_applied() {
            self.flights.applied(&mut self.auditor, applied)?;
        }
        for reply in self.cluster.take_replies() {
            let durable = self.cluster.shards[reply.shard].durable();
            self.flights.answered(&mut self.auditor, self.now_ms, reply, durable)?;
        }
        Ok(())
    }

    fn ask(&mut self) -> Result<(), String> {
        let waits = self.queue.iter().position(|request| self.flights.may_send(request));
        let request = match waits {
            Some(at) if self.opening == 0 && self.chance.percent(50) => self.queue.remove(at),
            _ if self.queue.len() >= QUEUE_MAX => None,
            _ => match self.workload.next(self.now_ms) {
                Step::Wait(ms) => return self.wait(ms),
                Step::Ask(request) => Some(request),
            },
        };
        // What waited since before a start is asked as its platform asks now.
        let request = request.and_then(|request| self.rules.asked(&request));
        match request {
            Some(request) if !self.flights.may_send(&request) => self.queue.push_back(request),
            Some(request) => self.send(&request),
            None => {}
        }
        Ok(())
    }

    pub(super) fn send(&mut self, request: &Request) {
        let at = self.chance.index(self.cluster.shards.len());
        // Some clients don't wait for long.
        let patience_ms = if self.chance.percent(10) { self.chance.below(PATIENCE_MS_MAX) } else { u64::MAX };
        self.send_to(at, self.now_ms.saturating_add(patience_ms), request);
        // The answer may be lost on its way, and so its request comes again.
        if self.chance.percent(2) {
            self.queue.push_back(Arc::clone(request));
        }
    }

    pub(super) fn send_to(&mut self, at: usize, deadline_ms: u64, request: &Request) {
        self.counts.requests += 1;
        let step = self.counts.steps;
        let to = (at, self.cluster.shards[at].has_no_way(&request.as_deref()));
        let waiter = self.flights.send(&mut self.auditor, self.now_ms, (step, deadline_ms), to, request);
        self.cluster.submit(at, self.now_ms, deadline_ms, waiter, request);
    }

    /// A shard's disk begins to merge files of its history, or lets some go.
    fn begin_merge(&mut self, at: usize) -> Result<(), String> {
        let begun = self.cluster.disks[at].begin_merge(&mut self.chance)?;
        self.counts.merges += u64::from(begun);
        Ok(())
    }

    /// A shard has its turn. Where it can't read its history the process ends.
    fn poll(&mut self, at: usize) -> Result<(), String> {
        self.cluster.troubles.may_come.set(true);
        self.cluster.poll(at, self.now_ms);
        self.cluster.troubles.may_come.set(false);
        if self.cluster.has_failed() { self.crash() } else { Ok(()) }
    }

    /// Draws for how long closed rounds stay in memory from the next start on.
    pub(super) fn draw_hot(&mut self) {
        self.cluster.hot_ms = self.chance.weighted(&HOT_MS);
    }

    fn serve_disk(&mut self, at: usize) -> Result<(), String> {
        let disk = &self.cluster.disks[at];
        if !disk.is_busy() {
            self.cluster.hand_over(at);
        } else if self.full_ms.is_some() && disk.begins_segment() {
            // It waits for room.
        } else if self.chance.below(2_000) == 0 {
            // The write or its sync fails, and that ends the process.
            self.crash()?;
        } else {
            self.cluster.complete(at);
            self.durable(at);
        }
        Ok(())
    }

    fn durable(&mut self, at: usize) {
        self.flights.durable(&mut self.auditor, at, self.cluster.shards[at].durable());
    }

    pub(super) fn sync(&mut self) -> Result<(), String> {
        self.cluster.sync();
        self.synced_ms = self.now_ms;
        (0..self.cluster.shards.len()).for_each(|at| self.durable(at));
        self.settle()
    }

    pub(super) fn sweep(&mut self) -> Result<(), String> {
        let now_ms = self.now_ms;
        self.cluster.shards.iter_mut().for_each(|shard| shard.sweep(now_ms));
        self.swept_ms = now_ms;
        self.settle()
    }

    /// The disks are nearly full: nothing is let in that needs the journal.
    fn fill(&mut self) -> Result<(), String> {
        self.sweep()?;
        self.sync()?;
        self.full_ms = Some(self.now_ms);
        self.flights.full(self.counts.steps);
        self.cluster.shards.iter_mut().for_each(|shard| shard.set_read_only(true));
        Ok(())
    }

    pub(super) fn free(&mut self) -> Result<(), String> {
        self.full_ms = None;
        self.cluster.shards.iter_mut().for_each(|shard| shard.set_read_only(false));
        self.sweep()?;
        self.sync()
    }

    /// Some shards are short of memory: they begin nothing more.
    fn starve(&mut self) {
        self.short_ms = self.short_ms.or(Some(self.now_ms));
        self.flights.short(self.counts.steps);
        for shard in &mut self.cluster.shards {
            shard.set_short_of_memory(self.chance.percent(70));
        }
    }

    pub(super) fn relieve(&mut self) {
        self.short_ms = None;
        self.cluster.shards.iter_mut().for_each(|shard| shard.set_short_of_memory(false));
    }

    /// Brings everything that is under way to its end.
    pub(super) fn drain(&mut self) -> Result<(), String> {
        if self.full_ms.is_some() {
            self.free()?;
        }
        for _ in 0..DRAIN_ROUNDS {
            for at in 0..self.cluster.shards.len() {
                self.cluster.poll(at, self.now_ms);
            }
            self.settle()?;
            self.sync()?;
            if self.flights.is_empty() && self.cluster.shards.iter().all(shard::Shard::is_durable) {
                return Ok(());
            }
        }
        Err(format!("Requests are not answered: {:?}.", self.flights))
    }
}
