//! Raw arguments and file become one validated [`Config`].
//!
//! Everything that can be wrong with a start is found here, before a thread runs or a socket opens, so that
//! the rest of the server holds values that are right by construction and has no opinion about flags. The
//! way is: command line → raw arguments (`args`); file → raw tables with their places (`file`); both, the
//! command line winning → [`Config`]. A fault is one sentence, with file and line where it has them, since
//! the reader is somebody whose server does not start.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

pub(crate) use self::archive::ARCHIVE;
use self::archive::archive_dir;
pub use self::args::ExportFormat;
use self::args::{Args, ServeArgs, Task};
pub use self::backup::{BackupOptions, RestoreOptions};
pub use self::data_dir::prepare_data_dir;
use self::file::ConfigFile;
pub use self::looking::{ExplainOptions, ExportOptions, VerifyOptions};
pub(crate) use self::memory::MIB;
pub use self::memory::MemoryFound;
pub use self::quota::Quota;
use crate::net::Timeouts;
use crate::net::places::Policy as PlacesPolicy;
use api::{Manners, Platform};
use calendar::Zones;
use clock::start::Confirmed;
use wallet::{Catalog, Currency, Dialect, Domain, PlatformKey, TokenPolicy};

mod archive;
mod args;
mod backup;
mod cgroup;
pub(crate) mod cores;
mod data_dir;
mod file;
mod looking;
mod memory;
mod papers;
mod quota;

/// Where the wallet listens unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9816);

/// Where the operator's listener is unless told otherwise.
const OPERATOR_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9817);

/// The data directory unless told otherwise, below the working directory.
const DATA: &str = "./purser-data";

/// Accounts of the demo unless told otherwise (protocol §7).
const DEMO_ACCOUNTS: u32 = 10_000;

/// The token policies by the names they have on the command line and in the file.
const TOKEN_POLICIES: [(&str, TokenPolicy); 2] =
    [("single-use", TokenPolicy::SingleUse), ("wrapped", TokenPolicy::Wrapped)];

/// All that a server needs to know at its start. Validated: see [`from_args`] for what holds.
pub struct Config {
    /// Where the wallet listens.
    pub listen: SocketAddr,
    /// Where the operator's listener is; another address than [`Config::listen`].
    pub operator_listen: SocketAddr,
    /// The data directory; [`prepare_data_dir`] makes it ready.
    pub data: PathBuf,
    /// The CPU that each shard is pinned to, one entry per shard; 1 to
    /// [`SHARDS_MAX`](limits::SHARDS_MAX) of them. A CPU stands here twice only where more shards than
    /// cores were asked for.
    pub cores: Vec<usize>,
    /// What the process's cgroups let it use of them.
    pub quota: Option<Quota>,
    /// Domains, games, token policy and session times.
    pub catalog: Catalog,
    /// The domains' time zones.
    pub zones: Zones,
    /// The platforms.
    pub platforms: Vec<Platform>,
    /// Bearer token of the operator's account routes; without one they answer 401.
    pub operator_token: Option<String>,
    /// How long peers are waited for.
    pub timeouts: Timeouts,
    /// Who may have connections.
    pub places: PlacesPolicy,
    /// How long the server still serves after the signal to stop, while it says that it is not ready; milliseconds.
    pub drain_grace_ms: u64,
    /// How the journal is kept.
    pub storing: Storing,
    /// What the process may use of memory.
    pub memory: MemoryBudget,
    /// The archive of what was folded.
    pub archive: PathBuf,
    /// Made-up accounts to start with (protocol §7).
    pub demo: Option<Demo>,
    /// What the operator says of the time at this start.
    pub confirmed: Confirmed,
}

impl Config {
    /// Sentences worth telling at the start: what was asked for, or is given, and costs speed.
    pub fn notes(&self) -> Vec<String> {
        let quota = self.quota.filter(|quota| quota.stops(self.cores.len())).map(|quota| {
            let (shards, plural) = (self.cores.len(), if self.cores.len() == 1 { "" } else { "s" });
            format!(
                "{shards} shard{plural} on a CPU quota of {quota}: while they are busy the kernel stops all of them for the rest \
                 of each period (cpu.max). Raise the quota to a core for each shard"
            )
        });
        let budget = Some(self.memory).filter(|memory| memory.bytes > memory.found.bytes()).map(|memory| {
            let (mib, has_mib) = (memory.bytes / MIB, memory.found.bytes() / MIB);
            let whose = if memory.found.cgroup.is_some() { "the cgroup" } else { "the machine" };
            format!(
                "the budget of memory is {mib} MiB, and {whose} has {has_mib}: the kernel may end the server before it refuses \
                 anything. Lower budget_mib"
            )
        });
        self.shared_cores().into_iter().chain(quota).chain(budget).collect()
    }

    fn shared_cores(&self) -> Option<String> {
        let shared = self.cores.iter().enumerate().any(|(at, core)| self.cores[..at].contains(core));
        shared.then(|| {
            format!("{} shards share the cores {}: slower than one each", self.cores.len(), {
                let mut cores = self.cores.clone();
                cores.sort_unstable();
                cores.dedup();
                cores::ranges(&cores)
            })
        })
    }
}

/// What the process may use of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// So many bytes.
    pub bytes: u64,
    /// What there is.
    pub found: MemoryFound,
}

impl MemoryBudget {
    /// What was asked for, MiB; or else the default's part of what there is.
    fn of(asked_mib: Option<u64>, found: MemoryFound) -> Self {
        let bytes = asked_mib.map_or(found.budget(), |mib| mib.saturating_mul(MIB));
        Self { bytes, found }
    }
}

/// How the journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storing {
    /// Free space of the data directory's file system, MiB, below which nothing more is changed.
    pub reserve_mib: u64,
    /// Sealed segments of a shard that are folded into a snapshot.
    pub snapshot_segments: u32,
    /// Days for which what was folded is kept in the archive; `None` for ever, 0 for not at all.
    pub archive_days: Option<u32>,
}

impl Default for Storing {
    fn default() -> Self {
        Self {
            reserve_mib: limits::RESERVE_MIB,
            snapshot_segments: limits::SNAPSHOT_SEGMENTS,
            archive_days: None,
        }
    }
}

/// The demo's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demo {
    /// Accounts `default/player-000001` and on, beside `default/admin`; at most
    /// [`DEMO_ACCOUNTS_MAX`](limits::DEMO_ACCOUNTS_MAX).
    pub accounts: u32,
}

/// What `purser doctor` is asked to look at.
#[derive(Clone, Debug)]
pub struct DoctorOptions {
    /// The data directory; need not be there.
    pub data: PathBuf,
    /// The CPU of each shard, as in [`Config::cores`].
    pub cores: Vec<usize>,
    /// What the process's cgroups let it use of them.
    pub quota: Option<Quota>,
    /// The memory that it can have.
    pub memory: MemoryFound,
}

/// What the command line asks for.
pub enum Command {
    /// Serve.
    Serve(Box<Config>),
    /// Look at the machine.
    Doctor(DoctorOptions),
    /// Check a data directory.
    Verify(VerifyOptions),
    /// Tell of an account.
    Explain(ExplainOptions),
    /// Write all transactions.
    Export(ExportOptions),
    /// Back up a data directory.
    Backup(BackupOptions),
    /// Restore one.
    Restore(RestoreOptions),
    /// Print this text, help or version, and leave.
    Print(String),
}

/// Why there is nothing to run. Each is the caller's fault: exit code 2.
#[derive(Debug)]
pub enum Error {
    /// No command was given; the text is the help, of several lines.
    NoCommand(String),
    /// One sentence on one line.
    Refused(String),
}

impl Error {
    /// A refusal; control characters, which paths and arguments may carry, are escaped so that it stays one
    /// line.
    fn refused(sentence: impl AsRef<str>) -> Self {
        let mut line = String::with_capacity(sentence.as_ref().len());
        for c in sentence.as_ref().chars() {
            if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
        }
        Self::Refused(line)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NoCommand(text) | Self::Refused(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

/// Reads this process's arguments, and the file that they name.
///
/// # Errors
/// As [`from_args`].
pub fn parse() -> Result<Command, Error> {
    from_args(std::env::args_os())
}

/// Reads `args`, the program's name first, and the file that they name.
///
/// What holds of a [`Config`]: the two listeners do not overlap; every shard has a core that the process may
/// run on; every domain that a platform names exists; keys, user names, domains and games are distinct and
/// within the protocol's lengths; an operator's listener that others can reach has a token; the demo listens
/// on loopback addresses.
///
/// # Errors
/// The first fault, as one sentence.
pub fn from_args<I, A>(args: I) -> Result<Command, Error>
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => return not_a_command(&error),
    };
    match args.command {
        Task::Serve(args) => Ok(Command::Serve(Box::new(serve(args)?))),
        Task::Doctor(args) => {
            let quota = quota::own();
            Ok(Command::Doctor(DoctorOptions {
                data: data_dir(args.data.unwrap_or_else(|| DATA.into()))?,
                cores: place(&args.placement, quota)?,
                quota,
                memory: MemoryFound::own(),
            }))
        }
        Task::Verify(args) => looking::verify(args).map(Command::Verify),
        Task::Explain(args) => looking::explain(args).map(Command::Explain),
        Task::Export(args) => looking::export(args).map(Command::Export),
        Task::Backup(args) => backup::backup(args).map(Command::Backup),
        Task::Restore(args) => backup::restore(args).map(Command::Restore),
        Task::Completions(args) => Ok(Command::Print(papers::completions(args.shell))),
        Task::Man(args) => papers::man(args.command.as_deref()).map(Command::Print),
    }
}

fn data_of(args: args::DataArgs) -> Result<PathBuf, Error> {
    data_dir(args.data.unwrap_or_else(|| DATA.into()))
}

/// Help and version are answers; anything else of clap's is a fault, shortened to one line.
fn not_a_command(error: &clap::Error) -> Result<Command, Error> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Ok(Command::Print(text)),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return Err(Error::NoCommand(text)),
        _ => {}
    }
    // The fault is the first paragraph; tips and usage come after it.
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.trim_start_matches("error: ").split_whitespace().collect();
    let meant = match error.get(ContextKind::SuggestedArg).or(error.get(ContextKind::SuggestedSubcommand)) {
        Some(ContextValue::String(name)) => format!("; did you mean {name}?"),
        // The most similar one is the last.
        Some(ContextValue::Strings(names)) => {
            names.last().map(|name| format!("; did you mean {name}?")).unwrap_or_default()
        }
        _ => String::new(),
    };
    let mut sentence = words.join(" ");
    // The range stands as Rust writes it, behind the value as it was typed.
    if let Some((value, range)) = sentence.rsplit_once(" is not in ") {
        sentence = format!("{value} is not in {}", range.replace("..=", " to "));
    }
    Err(Error::refused(format!("{sentence}{meant} (--help tells more)")))
}

/// Puts a server's configuration together.
fn serve(args: ServeArgs) -> Result<Config, Error> {
    if args.demo_accounts.is_some() && !args.demo {
        return Err(Error::refused("--demo-accounts is of use with --demo alone"));
    }
    let file = match (&args.config, args.demo) {
        (Some(_), true) => {
            return Err(Error::refused(
                "--demo and --config exclude each other: the demo brings platform, domain and game of its own",
            ));
        }
        (None, false) => {
            return Err(Error::refused(
                "nothing to serve: give --config FILE, or --demo to try the server with made-up accounts",
            ));
        }
        (Some(path), false) => ConfigFile::read(path)?,
        (None, true) => demo_file(),
    };

    let (mut catalog, mut platforms) = (file.catalog, file.platforms);
    let server_policy = args.session_token.or(file.session_token).unwrap_or_default();
    for (platform, own) in platforms.iter_mut().zip(file.own_policies) {
        platform.dialect.token_policy = own.unwrap_or(server_policy);
        catalog.set_dialect(platform.key, platform.dialect);
    }
    let quota = quota::own();
    let data = data_dir(args.data.or(file.data).unwrap_or_else(|| DATA.into()))?;
    let config = Config {
        listen: args.listen.or(file.listen).unwrap_or(LISTEN),
        operator_listen: args.operator_listen.or(file.operator_listen).unwrap_or(OPERATOR_LISTEN),
        archive: archive_dir(args.archive.or(file.archive), &data)?,
        data,
        cores: place(&args.placement, quota)?,
        quota,
        catalog,
        zones: file.zones,
        platforms,
        operator_token: file.operator_token,
        timeouts: file.timeouts,
        places: file.places,
        drain_grace_ms: file.drain_grace_ms,
        storing: file.storing,
        memory: MemoryBudget::of(args.memory_budget_mib.or(file.memory_budget), MemoryFound::own()),
        demo: args.demo.then(|| Demo { accounts: args.demo_accounts.unwrap_or(DEMO_ACCOUNTS) }),
        confirmed: match (args.after_pause, args.rebase_clock) {
            (true, _) => Confirmed::Pause,
            (false, true) => Confirmed::Rebase,
            (false, false) => Confirmed::Nothing,
        },
    };
    check_listeners(&config)?;
    Ok(config)
}

fn check_listeners(config: &Config) -> Result<(), Error> {
    let (wallet, operator) = (config.listen, config.operator_listen);
    if overlap(wallet, operator) {
        return Err(Error::refused(format!(
            "the wallet's listener {wallet} and the operator's {operator} overlap: give them different ports"
        )));
    }
    if config.demo.is_some()
        && let Some(open) = [wallet, operator].into_iter().find(|address| !is_loopback(*address))
    {
        return Err(Error::refused(format!(
            "--demo listens on loopback addresses alone, and {open} is none: its credentials are known to all"
        )));
    }
    if config.operator_token.is_none() && !is_loopback(operator) {
        return Err(Error::refused(format!(
            "the operator's listener {operator} can be reached from elsewhere: set operator_token in the file"
        )));
    }
    Ok(())
}

/// Whether a connection to one of the two could as well be meant for the other. Both are bound so that their
/// ports can be shared between shards, so the kernel would not refuse it.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_address = a.ip().to_canonical() == b.ip().to_canonical();
    let any_address = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && (same_address || any_address)
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// What the demo has in place of a file (protocol §7).
fn demo_file() -> ConfigFile {
    let currency = Currency::from_code("GBP").expect("ISO 4217 has it");
    let platform = PlatformKey::new("L100").expect("it has four characters");
    let domain = Domain::new("default".into(), currency, [platform]);
    ConfigFile {
        listen: None,
        operator_listen: None,
        data: None,
        operator_token: Some("demo".into()),
        session_token: None,
        platforms: vec![Platform {
            key: platform,
            user: "admin".into(),
            password: "admin".into(),
            dialect: Dialect::default(),
            manners: Manners { describe_errors: true, ..Manners::default() },
            budget_ms: limits::BUDGET_MS as u32,
        }],
        own_policies: vec![None],
        catalog: Catalog::new(vec![domain], ["11588".to_owned()]),
        zones: Zones::default(),
        timeouts: Timeouts::default(),
        places: PlacesPolicy::default(),
        drain_grace_ms: 0,
        storing: Storing::default(),
        memory_budget: None,
        archive: None,
    }
}

fn place(args: &args::PlacementArgs, quota: Option<Quota>) -> Result<Vec<usize>, Error> {
    cores::place(args.cores.as_ref(), args.shards.map(usize::from), &cores::allowed()?, quota)
}

fn data_dir(path: PathBuf) -> Result<PathBuf, Error> {
    if path.as_os_str().is_empty() {
        return Err(Error::refused("the data directory has an empty name"));
    }
    Ok(path)
}

/// Reads a listener's address; the same on the command line and in the file.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an IP address and port, such as 127.0.0.1:9816"))
}

fn token_policy(name: &str) -> Option<TokenPolicy> {
    TOKEN_POLICIES.iter().find(|(known, _)| *known == name).map(|(_, policy)| *policy)
}

/// The system's own words for an error, without the number that std puts behind them.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
