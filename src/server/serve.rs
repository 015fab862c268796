//! The process: it binds the listeners, recovers the data, starts one pinned executor per shard, and waits for the
//! signal to stop.

mod background;
mod budget;
mod descriptors;
mod history;
mod housekeeper;
mod listen;
mod memory;
mod say;
mod signals;
mod stalls;
mod startup;
mod timekeeper;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use budget::{Budget, Levels};
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use housekeeper::{Housekeeper, ShardHandle};
use listen::{BoundListener, bind};
use rustix::fs::Mode;
use rustix::process::Resource;
use rustix::thread::{sched_getaffinity, sched_setaffinity};
pub use say::say;
use signals::Stops;
use startup::{Answers, Startup};
use timekeeper::Timekeeper;

use crate::config::{self, Config};
use crate::data::{self, Data, OpenParameters, ReadProgress, ShardStart};
use crate::net::readiness::{ReadOnly, Readiness};
use crate::net::stalls::StallLog;
use crate::net::{self, Driver, DriverParts};
use crate::rlimit::raise;
use api::Api;
use clock::Clock;
use metrics::Registry;
use partition::{Partition, ShardId};
use ring::{Ring, Sizes};
use shard::Shard;
use shard::core::Core;
use shard::flush::{Flusher, JournalProgress};
use shard::mesh::Mesh;
use storage::FileError;
use storage::archive::{Archive, ArchiveBegun};
use storage::segments::{Segments, Trouble};

/// Why the server could not start, or had to end.
#[derive(Debug)]
pub struct Error {
    sentence: String,
    exit_code: u8,
}

/// It could not start: a fault of the configuration or of the machine.
const EXIT_START: u8 = 2;

/// It could not go on: an error of input or output (`EX_IOERR` of sysexits.h).
const EXIT_IO: u8 = 74;

/// A day, milliseconds.
const DAY_MS: u64 = 24 * 3_600 * 1_000;

impl Error {
    fn start(sentence: String) -> Self {
        Self { sentence, exit_code: EXIT_START }
    }

    /// The process's exit code.
    pub const fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Error {}

/// Serves until SIGTERM or SIGINT, finishes what is in hand, and returns. A second signal ends the process at
/// once, and so does the first one before it serves: a start can be killed in any moment.
///
/// # Errors
/// Where the server can't start: the listeners, the data directory, io_uring. Once it serves, a broken ring or a
/// journal that can't be written ends the process with code 74.
pub fn run(config: Config) -> Result<(), Error> {
    signals::outlive_unused()?;
    // First of all: the kernel drops a signal that a container's first process has not asked for.
    let starts = signals::end_while_starting()?;
    // What is made from here on is for the owner alone.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let open_files = raise(Resource::Nofile);
    raise(Resource::Memlock);
    say_notes(descriptors::note(open_files));
    let shards = config.cores.len();
    let platform = bind(config.listen, shards, config.timeouts.send_ms)?;
    let operator = bind(config.operator_listen, shards, config.timeouts.send_ms)?;
    // After the ports are had: a start that is refused leaves no new directory behind.
    let prepared = config::prepare_data_dir(&config.data);
    let is_made = prepared.map_err(|error| Error::start(error.to_string()))?;
    let addresses = [platform.address, operator.address];

    let partition = Partition::new(shards);
    let mesh = Mesh::new(partition).map_err(|error| {
        Error::start(format!("No eventfd can be had: {error}. Raise the limit of open files."))
    })?;
    let shared = Shared {
        mesh: Arc::new(mesh),
        registry: Arc::new(Registry::new(shards, net::METRIC_NAMES)),
        readiness: Arc::new(Readiness::default()),
        clock: Clock::start(),
        connections: descriptors::connections(open_files),
        stalls: (0..shards).map(|_| Arc::default()).collect(),
    };
    let read_progress = Arc::new(ReadProgress::default());
    let startup = begin_startup([&platform, &operator], open_files, &config, &shared, &read_progress)?;
    let opened = open_data(&config, partition, is_made, &shared.clock, read_progress);
    let Data { directory, shards: data, notes, archiver, .. } = opened?;
    say_notes(notes);
    data.iter().for_each(|shard| shared.clock.begin_at(shard.now_ms));
    let config = Arc::new(config);
    let handles: Vec<ShardHandle> = data.iter().map(ShardHandle::of).collect();
    let beside = (Arc::clone(&shared.readiness), Arc::clone(&shared.registry), shared.clock.clone());
    let mut housekeeper = Housekeeper::new(directory, handles.clone(), &config.storing, archiver, beside);
    housekeeper.check_disk();
    leave_cores(&config.cores);
    let (clock, registry) = (shared.clock.clone(), Arc::clone(&shared.registry));
    Timekeeper::start(clock, registry, Arc::clone(&shared.readiness), config.catalog.retention_ms)?;
    let listeners = platform.sockets.into_iter().zip(operator.sockets);
    let parts = data.into_iter().zip(&handles).zip(listeners);
    let parts = parts.map(|((data, handle), listeners)| (data, Arc::clone(&handle.progress), listeners));
    let Started { executors, troubles, gates } = start(&config, &shared, parts)?;
    housekeeper.watch(troubles);
    housekeeper.check_disk();
    // The first look takes the allocator's locks for as long as it takes, while nobody is served yet.
    let levels = Levels::of(config.memory.bytes, shards);
    memory::watch(Arc::clone(&shared.registry), levels)?;
    Budget::watch(levels, Arc::clone(&shared.readiness), Arc::clone(&shared.registry))?;
    stalls::watch(shared.stalls.clone())?;
    housekeeper.start()?;
    let stops = Stops::catch(shared.clock.clone())?;
    starts.store(false, Ordering::Relaxed);
    startup.hand_over();
    shared.readiness.serve();
    for gate in gates {
        // A shard that has ended has said why.
        let _ = gate.send(());
    }
    announce(addresses, shards);

    stops.wait();
    leave(&shared.readiness, config.drain_grace_ms);
    stop(&shared, startup, executors)?;
    // Where one fails the next start reads as much as after a crash.
    say_notes(handles.iter().filter_map(|handle| handle.stop().err()).map(|error| error.to_string()));
    Ok(())
}

/// Says what whoever started the server should know.
fn say_notes(notes: impl IntoIterator<Item = String>) {
    for note in notes {
        say(&format!("note: {note}"));
    }
}

/// Finishes what is in hand.
fn stop(shared: &Shared, startup: Startup, executors: Executors) -> Result<(), Error> {
    shared.readiness.stop();
    startup.stop();
    shared.mesh.signal_all();
    for executor in executors {
        executor.join().map_err(|error| Error { sentence: error.to_string(), exit_code: EXIT_IO })?;
    }
    startup.join();
    Ok(())
}

/// Serves on for so long, and says meanwhile that it is not ready: a load balancer takes it out first, and then the
/// listeners close.
fn leave(readiness: &Readiness, grace_ms: u64) {
    if grace_ms > 0 {
        say(&format!(
            "told to stop: /readyz answers 503, and all is served for {grace_ms} ms more (drain_grace_ms)"
        ));
        readiness.leave();
        std::thread::sleep(Duration::from_millis(grace_ms));
    }
}

/// Answers what comes until the shards do.
fn begin_startup(
    listeners: [&BoundListener; 2],
    open_files: usize,
    config: &Config,
    shared: &Shared,
    read_progress: &Arc<ReadProgress>,
) -> Result<Startup, Error> {
    let api = Api::new(config.platforms.clone(), config.operator_token.clone());
    let (readiness, clock) = (Arc::clone(&shared.readiness), shared.clock.clone());
    let answers = Answers::new(api, readiness, Arc::clone(read_progress), clock.clone());
    Startup::begin(listeners, open_files, config.timeouts, clock, answers).map_err(|error| {
        Error::start(format!("health checks can't be answered while it starts: {}", config::reason(&error)))
    })
}

/// Opens the data directory: recovers what is in it.
fn open_data(
    config: &Config,
    partition: Partition,
    is_made: bool,
    clock: &Clock,
    read_progress: Arc<ReadProgress>,
) -> Result<Data, Error> {
    let mut stream = [0; 8];
    getrandom::fill(&mut stream).map_err(|error| Error::start(format!("no random bits: {error}")))?;
    check_archive(config)?;
    let parameters = OpenParameters {
        partition,
        catalog: Arc::new(config.catalog.clone()),
        zones: config.zones.clone(),
        platforms: config.platforms.iter().map(|platform| platform.key).collect(),
        demo: config.demo,
        now_ms: clock.now().wall_ms,
        confirmed: config.confirmed,
        stream: u64::from_ne_bytes(stream),
        is_made,
        progress: read_progress,
        archive: match config.storing.archive_days {
            // The demo's accounts are made up, and come into snapshots without a record.
            _ if config.demo.is_some() => None,
            Some(0) => None,
            days => Some((config.archive.clone(), days.map(|days| u64::from(days) * DAY_MS))),
        },
    };
    let began_us = clock.mono_us();
    let data = data::open(&config.data, &parameters).map_err(|error| Error::start(error.to_string()))?;
    if data.replayed > 0 {
        let seconds = (clock.mono_us() - began_us) as f64 / 1e6;
        say(&format!("{} records were applied again in {seconds:.2} s", data.replayed));
    }
    Ok(data)
}

/// Checks that an archive which is there, or is known to the data, is to be kept: without what is folded meanwhile it would not be
/// whole ever after.
fn check_archive(config: &Config) -> Result<(), Error> {
    let is_unwanted = config.storing.archive_days == Some(0) && config.demo.is_none();
    let archive = Archive::at(config.archive.clone());
    let is_there = || Ok(archive.first()?.is_some() || ArchiveBegun::read(&config.data)?.is_some());
    if !is_unwanted || !is_there().map_err(|error: FileError| Error::start(error.to_string()))? {
        return Ok(());
    }
    Err(Error::start(format!(
        "archive_days is 0, and there is an archive in {}, which would not be whole any more: move it away, and the file {} too, or \
         let it be kept",
        config.archive.display(),
        ArchiveBegun::path(&config.data).display()
    )))
}

/// What one shard is given: its data, where it tells how far its journal has come, and its listeners.
type ShardParts = (ShardStart, Arc<JournalProgress>, (TcpListener, TcpListener));

type Executors = Vec<ExecutorJoinHandle<()>>;

/// The shards, each ready to serve.
struct Started {
    executors: Executors,
    troubles: Vec<Trouble>,
    /// What each waits for before it accepts.
    gates: Vec<mpsc::Sender<()>>,
}

/// Starts the shards, each on its core, and waits until all of them are ready.
fn start(
    config: &Arc<Config>,
    shared: &Shared,
    parts: impl Iterator<Item = ShardParts>,
) -> Result<Started, Error> {
    // An executor that can't have its rings panics; whoever starts the server wants a sentence.
    panic::set_hook(Box::new(|panic| {
        say(&cant_start(&panic.to_string().replace('\n', " ")));
        std::process::exit(i32::from(EXIT_START));
    }));
    let partition = shared.mesh.partition();
    let (started, start) = mpsc::channel();
    let (mut executors, mut gates) = (Vec::new(), Vec::new());
    for (index, (core, (data, progress, listeners))) in config.cores.iter().zip(parts).enumerate() {
        let (gate, go) = mpsc::channel();
        gates.push(gate);
        let plan = Plan {
            id: partition.shard(index),
            data,
            progress,
            listeners: [listeners.0, listeners.1],
            shared: shared.clone(),
            config: Arc::clone(config),
            started: started.clone(),
            go,
        };
        let executor = LocalExecutorBuilder::new(Placement::Fixed(*core))
            .name(&format!("shard-{index}"))
            .spawn(move || plan.run())
            .map_err(|error| Error::start(cant_start(&error.to_string())))?;
        executors.push(executor);
    }
    drop(started);
    let mut troubles = Vec::new();
    for _ in 0..executors.len() {
        match start.recv() {
            Ok(started) => troubles.push(started?),
            // All that have started have said so; one ended without a word.
            Err(_) => return Err(Error::start(cant_start("its executor ended"))),
        }
    }
    say_panics();
    Ok(Started { executors, troubles, gates })
}

/// A panic ends the process, and must not wait for who reads of it.
fn say_panics() {
    panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let backtrace = match backtrace.status() {
            BacktraceStatus::Captured => format!("\n{backtrace}"),
            _ => String::new(),
        };
        let thread = thread::current();
        say(&format!("thread {}: {panic}{backtrace}", thread.name().unwrap_or("without a name")));
    }));
}

fn cant_start(reason: &str) -> String {
    format!("a shard can't start: {reason}; `purser doctor` says what this machine lacks")
}

fn announce([platform, operator]: [SocketAddr; 2], shards: usize) {
    let plural = if shards == 1 { "" } else { "s" };
    say::line(&format!(
        "purser serves platforms on http://{platform} and the operator on http://{operator}, {shards} shard{plural}"
    ));
}

/// Leaves the shards' cores, where there are others: the threads beside the shards go where this one is, and however
/// far they give way, a shard that wakes up on their core may wait for them for milliseconds.
fn leave_cores(cores: &[usize]) {
    let Ok(mut others) = sched_getaffinity(None) else { return };
    cores.iter().for_each(|core| others.unset(*core));
    if others.count() > 0 {
        let _ = sched_setaffinity(None, &others);
    }
}

/// What all shards share.
#[derive(Clone)]
struct Shared {
    mesh: Arc<Mesh>,
    registry: Arc<Registry>,
    readiness: Arc<Readiness>,
    clock: Clock,
    connections: u32,
    /// By shard.
    stalls: Vec<Arc<StallLog>>,
}

/// What one shard is started with; it goes to the shard's thread.
struct Plan {
    id: ShardId,
    data: ShardStart,
    progress: Arc<JournalProgress>,
    listeners: [TcpListener; 2],
    shared: Shared,
    config: Arc<Config>,
    started: mpsc::Sender<Result<Trouble, Error>>,
    /// It may accept.
    go: mpsc::Receiver<()>,
}

impl Plan {
    async fn run(self) {
        let (id, started) = (self.id, self.started.clone());
        match self.driver() {
            Ok((driver, trouble, go)) => {
                let _ = started.send(Ok(trouble));
                drop(started);
                // Nothing else is to run on this core yet. One of the others may not have come so far; then all end.
                if go.recv().is_err() {
                    return;
                }
                if let Err(error) = driver.run() {
                    end(id, &error.to_string());
                }
            }
            Err(sentence) => {
                let _ = started.send(Err(Error::start(cant_start(&sentence))));
            }
        }
    }

    fn driver(self) -> Result<(Driver, Trouble, mpsc::Receiver<()>), String> {
        let Self { id, data, progress, listeners, shared, config, go, .. } = self;
        let ShardStart { wallet, journal, end, files, mark, history, now_ms, .. } = data;
        let sentence = |error: io::Error| config::reason(&error);
        let ring = Ring::new(Sizes::server(shared.connections)).map_err(sentence)?;
        let metrics = shared.registry.shard(id.index());
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
        let length = limits::SEGMENT_BYTES as u64;
        let mesh = Arc::clone(&shared.mesh);
        // The core may be parked while a group waits for the next segment.
        let ready = move || mesh.signal(id);
        let from = progress.get();
        let begin = move || mark.begin(from.last, from.segment());
        let segments = Segments::open(files.directory, end, length, begin, ready);
        let segments = segments.map_err(|error| error.to_string())?;
        let trouble = segments.trouble();
        if trouble.get().is_some() {
            // The housekeeper says more of it before anything is served.
            shared.readiness.set_read_only(Some(ReadOnly::Files));
        }
        let mut core = Core::new(id, shared.mesh.partition(), wallet, journal);
        let zones = config.zones.clone();
        core.keep_calendars(Box::new(move |now_ms| zones.at(now_ms)));
        let history = history::Reader::start(id, &shared.mesh, history, &shared.clock);
        let history = history.map_err(|error| error.to_string())?;
        core.keep_history(Box::new(history));
        let mut shard = Shard::new(core, shared.mesh, metrics, now_ms);
        shard.set_flusher(Flusher::new(segments, progress));
        shard.set_read_only(shared.readiness.is_read_only());
        let driver = Driver::new(DriverParts {
            listeners,
            ring,
            api: Api::new(config.platforms.clone(), config.operator_token.clone()),
            shard,
            registry: shared.registry,
            readiness: shared.readiness,
            clock: shared.clock,
            timeouts: config.timeouts,
            places: config.places.clone(),
            stalls: Arc::clone(&shared.stalls[id.index()]),
            seed,
        });
        Ok((driver.map_err(sentence)?, trouble, go))
    }
}

/// Ends the process: a shard can't go on, and no answer may leave it that it can't stand for.
fn end(id: ShardId, sentence: &str) {
    say(&format!("shard {}: {sentence}", id.index()));
    std::process::exit(i32::from(EXIT_IO));
}
