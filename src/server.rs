//! The process: it binds the listeners, starts one pinned executor per shard, fills in the demo data, and waits
//! for the signal to stop.

use std::fmt;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::panic;
use std::sync::{Arc, mpsc};

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::api::Api;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::limits;
use crate::metrics::Registry;
use crate::net::readiness::Readiness;
use crate::net::ring::{Ring, Sizes};
use crate::net::{self, Driver, Parts};
use crate::shard::Shard;
use crate::shard::core::Core;
use crate::shard::mesh::Mesh;
use crate::shard::partition::{Partition, ShardId};
use crate::wallet::Wallet;
use crate::wallet::account::{AccountRef, KeyHash, Profile};
use crate::wallet::amount::Amount;
use crate::wallet::catalog::Catalog;

/// Why the server could not start, or had to end.
#[derive(Debug)]
pub struct Failure {
    sentence: String,
    exit_code: u8,
}

/// It could not start: a fault of the configuration or of the machine.
const EXIT_START: u8 = 2;

/// It could not go on: an error of input or output (`EX_IOERR` of sysexits.h).
const EXIT_IO: u8 = 74;

impl Failure {
    fn start(sentence: String) -> Self {
        Self { sentence, exit_code: EXIT_START }
    }

    /// The process's exit code.
    pub const fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

/// Serves until SIGTERM or SIGINT, finishes what is in hand, and returns. A second signal ends the process at
/// once.
///
/// # Errors
/// Where the server can't start: the listeners, the data directory, io_uring. Once it serves, a broken ring ends
/// the process with code 74.
pub fn run(config: Config) -> Result<(), Failure> {
    config::prepare_data_dir(&config.data).map_err(|error| Failure::start(error.to_string()))?;
    // The ring's file table may not be larger than this.
    let open_files = usize::try_from(raise(Resource::Nofile)).unwrap_or(usize::MAX);
    raise(Resource::Memlock);
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|error| Failure::start(format!("signals can't be handled: {}", config::reason(&error))))?;
    let config = Arc::new(config);
    let shards = config.cores.len();
    let platform = bind(config.listen, shards)?;
    let operator = bind(config.operator_listen, shards)?;
    let (platform_address, operator_address) = (platform.address, operator.address);

    let partition = Partition::new(shards);
    let mesh = Mesh::new(partition).map_err(|error| {
        Failure::start(format!("No eventfd can be had: {error}. Raise the limit of open files."))
    })?;
    let shared = Shared {
        mesh: Arc::new(mesh),
        registry: Arc::new(Registry::new(shards, net::METRIC_NAMES)),
        readiness: Arc::new(Readiness::default()),
        catalog: Arc::new(config.catalog.clone()),
        connections: limits::CONNECTIONS_MAX.min(open_files) as u32,
    };
    let config = Arc::new(config);
    let executors = start(&config, &shared, platform.sockets.into_iter().zip(operator.sockets))?;
    shared.readiness.serve();
    announce(platform_address, operator_address, shards);

    signals.forever().next();
    shared.readiness.stop();
    shared.mesh.signal_all();
    end_at_next_signal(signals);
    for executor in executors {
        executor.join().map_err(|error| Failure { sentence: error.to_string(), exit_code: EXIT_IO })?;
    }
    Ok(())
}

type Executors = Vec<ExecutorJoinHandle<()>>;

/// Starts the shards, each on its core, and waits until all of them accept.
fn start(
    config: &Arc<Config>,
    shared: &Shared,
    listeners: impl Iterator<Item = (TcpListener, TcpListener)>,
) -> Result<Executors, Failure> {
    // An executor that can't have its rings panics; whoever starts the server wants a sentence.
    panic::set_hook(Box::new(|panic| {
        let _ = writeln!(io::stderr(), "purser: {}", cant_start(&panic.to_string().replace('\n', " ")));
        std::process::exit(i32::from(EXIT_START));
    }));
    let partition = shared.mesh.partition();
    let (started, start) = mpsc::channel();
    let mut executors = Executors::new();
    for (index, (core, listeners)) in config.cores.iter().zip(listeners).enumerate() {
        let plan = Plan {
            id: partition.shard(index),
            listeners: [listeners.0, listeners.1],
            shared: shared.clone(),
            config: Arc::clone(config),
            started: started.clone(),
        };
        let executor = LocalExecutorBuilder::new(Placement::Fixed(*core))
            .name(&format!("shard-{index}"))
            .spawn(move || plan.run())
            .map_err(|error| Failure::start(cant_start(&error.to_string())))?;
        executors.push(executor);
    }
    drop(started);
    for _ in 0..executors.len() {
        match start.recv() {
            Ok(started) => started?,
            // All that have started have said so; one ended without a word.
            Err(_) => return Err(Failure::start(cant_start("its executor ended"))),
        }
    }
    let _ = panic::take_hook();
    Ok(executors)
}

fn cant_start(reason: &str) -> String {
    format!("a shard can't start: {reason}; `purser doctor` says what this machine lacks")
}

/// A stop that takes too long for who asked for it: the next signal ends it.
#[expect(clippy::disallowed_methods, reason = "the server alone starts threads")]
fn end_at_next_signal(mut signals: Signals) {
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            std::process::exit(i32::from(EXIT_IO));
        }
    });
}

fn announce(platform: SocketAddr, operator: SocketAddr, shards: usize) {
    let plural = if shards == 1 { "" } else { "s" };
    // A closed standard error is no reason to stop serving.
    let _ = writeln!(
        io::stderr(),
        "purser serves platforms on http://{platform} and the operator on http://{operator}, {shards} shard{plural}"
    );
}

/// Raises a soft limit to its hard one, and says what it is then.
fn raise(resource: Resource) -> u64 {
    let limit = getrlimit(resource);
    if limit.current != limit.maximum {
        let _ = setrlimit(resource, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(resource).current.unwrap_or(u64::MAX)
}

/// The sockets of one listener, one per shard; the kernel deals connections among them.
struct Bound {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
}

fn bind(address: SocketAddr, shards: usize) -> Result<Bound, Failure> {
    let failed = |error: io::Error| Failure::start(format!("can't listen on {address}: {}", reason(&error)));
    // Sockets that share a port are let in beside those of another process of the same user. So the first one
    // asks for the port alone, and that no other process has it is known before it is shared.
    let probe = listen(address, false).map_err(failed)?;
    let address = probe.local_addr().map_err(failed)?;
    drop(probe);
    let sockets = (0..shards).map(|_| listen(address, true)).collect::<io::Result<_>>().map_err(failed)?;
    Ok(Bound { address, sockets })
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, shared)?;
    // Accepted sockets inherit it: an answer is sent when it is there, not when the last one was acknowledged.
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use by another process".into(),
        io::ErrorKind::PermissionDenied => "permission denied; ports below 1024 need a privilege".into(),
        io::ErrorKind::AddrNotAvailable => "the address is not this machine's".into(),
        _ => config::reason(error),
    }
}

/// What all shards share.
#[derive(Clone)]
struct Shared {
    mesh: Arc<Mesh>,
    registry: Arc<Registry>,
    readiness: Arc<Readiness>,
    catalog: Arc<Catalog>,
    connections: u32,
}

/// What one shard is started with; it goes to the shard's thread.
struct Plan {
    id: ShardId,
    listeners: [TcpListener; 2],
    shared: Shared,
    config: Arc<Config>,
    started: mpsc::Sender<Result<(), Failure>>,
}

impl Plan {
    async fn run(self) {
        let (id, started) = (self.id, self.started.clone());
        match self.driver() {
            Ok(driver) => {
                let _ = started.send(Ok(()));
                drop(started);
                if let Err(error) = driver.run().await {
                    let _ = writeln!(io::stderr(), "purser: shard {}: the ring failed: {error}", id.index());
                    std::process::exit(i32::from(EXIT_IO));
                }
            }
            Err(error) => {
                let _ = started.send(Err(Failure::start(cant_start(&config::reason(&error)))));
            }
        }
    }

    fn driver(self) -> io::Result<Driver> {
        let Self { id, listeners, shared, config, .. } = self;
        let partition = shared.mesh.partition();
        let ring = Ring::new(Sizes::server(shared.connections))?;
        let mut wallet = Wallet::new(Arc::clone(&shared.catalog));
        if let Some(demo) = &config.demo {
            fill_demo(&mut wallet, demo.accounts, id, partition);
        }
        let metrics = shared.registry.shard(id.index());
        metrics.set_holdings(wallet.accounts() as u64, wallet.session_keys() as u64, 0);
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        Driver::new(Parts {
            listeners,
            ring,
            api: Api::new(
                config.platforms.clone(),
                config.operator_token.clone(),
                config.catalog.token_policy,
            ),
            shard: Shard::new(Core::new(id, partition, wallet), shared.mesh, metrics),
            registry: shared.registry,
            readiness: shared.readiness,
            timeouts: config.timeouts,
            seed,
        })
    }
}

/// The demo data of protocol §7, those accounts and session keys that are this shard's.
fn fill_demo(wallet: &mut Wallet, accounts: u32, id: ShardId, partition: Partition) {
    let now_ms = Clock::start().now().wall_ms;
    let opening = Amount::from_minor(DEMO_FUNDS_MINOR).expect("not negative");
    let profile = Profile::of(*b"GB");
    wallet.reserve((accounts as usize + 1).div_ceil(partition.shards()));
    let mut put = |account: &str, key: &str| {
        let account = AccountRef::new(account);
        if partition.owner(account.hash().slot()) == id {
            wallet.put_account(&account, &profile, opening);
            wallet.start_demo_session(now_ms, &account, key);
        }
        if partition.owner(KeyHash::of(key).slot()) == id {
            wallet.adopt_key(key, account.hash());
        }
    };
    put("default/admin", "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c");
    for number in 1..=accounts {
        put(&format!("default/player-{number:06}"), &format!("demo-{number:06}"));
    }
}

/// 1,000,000.00 GBP (protocol §7).
const DEMO_FUNDS_MINOR: i64 = 100_000_000;
