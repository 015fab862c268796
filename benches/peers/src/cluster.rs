//! A PostgreSQL of one's own: made, started, and ended with the program that asked for it.
//!
//! It is set as a good administrator would set it for a machine of its own and for money: every commit is on the
//! disk before it is answered; beyond that it has memory, room for its log, and no work that this load has no use
//! of.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use procfs::{Current as _, Meminfo};
use rustix::process::{Pid, Signal, geteuid, getpid, kill_process};

/// Where Debian's packages keep their versions.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What is missing, and whose package has it.
const MISSING: &str = "PostgreSQL is not installed; Debian's package is `postgresql`";

/// Connections beside those of the pool, for what the server does by itself.
const SPARE_CONNECTIONS: u32 = 8;

/// Looks at a server that starts or ends, and the time between two of them: a minute in all.
const LOOKS: u32 = 1_200;
const LOOK: Duration = Duration::from_millis(50);

/// Most of the machine's memory that goes to shared buffers, in MiB. All that a run leaves behind fits into it.
const SHARED_BUFFERS_MIB_MAX: u64 = 4 * 1_024;

/// A running server. Ended, and its files removed, when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    server: Child,
    folder: Folder,
    url: String,
    settings: String,
}

/// A directory that is removed when it is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed is left to whoever removes temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The user that the server runs as.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Makes and starts a server below `scratch`, for this many connections.
    ///
    /// # Errors
    /// A sentence: PostgreSQL is not installed, or does not start.
    pub fn start(scratch: Option<&Path>, connections: u32) -> Result<Self, String> {
        let programs = programs().ok_or(MISSING)?;
        let user = user()?;
        let folder = folder(scratch, user)?;
        let run = |program: &str| command(&programs.join(program), &folder.0, user);
        let data = folder.0.join("data");
        let made = run("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output();
        succeeded("initdb", made)?;

        let log = folder.0.join("log");
        let failed = |error: io::Error| format!("the server's log {}: {error}", log.display());
        let settings = settings(memory_mib(), connections);
        // Whoever asked for the server may be killed: setpriv has it end with them.
        let mut server = command(Path::new("setpriv"), &folder.0, user);
        server.args(["--pdeathsig", "INT", "--"]).arg(programs.join("postgres")).arg("-D").arg(&data);
        server.args(["-c", "listen_addresses=", "-c"]);
        server.arg(format!("unix_socket_directories={}", folder.0.display()));
        server.args(settings.iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]));
        server.process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
        server.stderr(fs::File::create(&log).map_err(failed)?);
        let server = server.spawn().map_err(|error| format!("setpriv: {error}"))?;

        let url = format!("postgres://postgres@localhost/postgres?host={}", folder.0.display());
        let version = run("postgres").arg("--version").output();
        let settings = describe(&succeeded("postgres", version)?, &settings);
        let mut cluster = Self { server, folder, url, settings };
        cluster.wait(&programs.join("pg_isready"))?;
        Ok(cluster)
    }

    /// Where its database is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its version and how it is set.
    #[must_use]
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// Waits until it takes connections.
    fn wait(&mut self, is_ready: &Path) -> Result<(), String> {
        let said = |folder: &Folder| fs::read_to_string(folder.0.join("log")).unwrap_or_default();
        for _ in 0..LOOKS {
            if self.server.try_wait().ok().flatten().is_some() {
                let said = said(&self.folder);
                return Err(format!("PostgreSQL does not start: {}", last_line(&said)));
            }
            let mut look = Command::new(is_ready);
            look.args(["--quiet", "--host"]).arg(&self.folder.0);
            if look.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        Err(format!("PostgreSQL does not start within a minute: {}", last_line(&said(&self.folder))))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A fast shutdown: sessions end, and what is committed stays.
        let _ = kill_process(Pid::from_child(&self.server), Signal::INT);
        for _ in 0..LOOKS {
            if !matches!(self.server.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK);
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The directory of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let has = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_isready"].iter().all(|program| folder.join(program).is_file())
    };
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| has(folder))
        .collect();
    versions.sort();
    let paths = env::var_os("PATH").unwrap_or_default();
    let newest = versions.pop().map(|(_, folder)| folder);
    newest.or_else(|| env::split_paths(&paths).find(has))
}

/// The server refuses to run as root.
fn user() -> Result<Option<User>, String> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let found = ["postgres", "nobody"].iter().find_map(|name| entry(&users, name));
    found.map(Some).ok_or_else(|| "PostgreSQL does not run as root, and there is no user postgres".to_owned())
}

/// A user's numbers in the text of `/etc/passwd`.
fn entry(users: &str, name: &str) -> Option<User> {
    let mut fields = users
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    Some(User { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

/// A directory that the server owns.
fn folder(scratch: Option<&Path>, user: Option<User>) -> Result<Folder, String> {
    let below = scratch.map_or_else(env::temp_dir, Path::to_path_buf);
    let path = below.join(format!("postgres-{}", getpid()));
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
    let folder = Folder(path.clone());
    if let Some(User { uid, gid }) = user {
        chown(&path, Some(uid), Some(gid)).map_err(failed)?;
    }
    Ok(folder)
}

fn command(program: &Path, folder: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// What a program wrote to standard output.
fn succeeded(name: &str, done: io::Result<Output>) -> Result<String, String> {
    let output = done.map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{name}: {}", last_line(&String::from_utf8_lossy(&output.stderr))))
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or("it said nothing")
}

fn memory_mib() -> u64 {
    Meminfo::current().map_or(1_024, |memory| memory.mem_total / 1_048_576)
}

/// What is set otherwise than by default, or matters enough to be said.
fn settings(memory_mib: u64, connections: u32) -> Vec<(&'static str, String)> {
    let set = |name, value: &str| (name, value.to_owned());
    vec![
        set("fsync", "on"),
        set("synchronous_commit", "on"),
        set("full_page_writes", "on"),
        ("max_connections", (connections + SPARE_CONNECTIONS).to_string()),
        ("shared_buffers", format!("{}MB", (memory_mib / 4).clamp(128, SHARED_BUFFERS_MIB_MAX))),
        ("effective_cache_size", format!("{}MB", (memory_mib / 2).max(256))),
        set("wal_buffers", "64MB"),
        set("max_wal_size", "8GB"),
        set("min_wal_size", "1GB"),
        set("checkpoint_timeout", "15min"),
        set("random_page_cost", "1.1"),
        set("huge_pages", "try"),
        set("jit", "off"),
    ]
}

/// One line: `PostgreSQL 15.18 with fsync=on, …`.
fn describe(version: &str, settings: &[(&str, String)]) -> String {
    let number = version.split_whitespace().nth(2).unwrap_or("of an unknown version");
    let mut text = format!("PostgreSQL {number} with ");
    for (at, (name, value)) in settings.iter().enumerate() {
        let _ = write!(text, "{}{name}={value}", if at == 0 { "" } else { ", " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_entry(users: &str, expect: Option<(u32, u32)>) {
        assert_eq!(entry(users, "postgres").map(|user| (user.uid, user.gid)), expect, "{users}");
    }

    #[test]
    fn the_user_is_found_by_its_whole_name() {
        check_entry("root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104:,,,:/var:/bin/sh\n", Some((101, 104)));
        check_entry("postgres2:x:1:2:::\n", None);
        check_entry("postgres:x:a:2:::\n", None);
        check_entry("postgres\n", None);
        check_entry("", None);
    }

    #[track_caller]
    fn check_shared_buffers(memory_mib: u64, expect: &str) {
        let settings = settings(memory_mib, 16);
        assert!(settings.contains(&("shared_buffers", expect.to_owned())), "{settings:?}");
        assert!(settings.contains(&("max_connections", "24".to_owned())), "{settings:?}");
        let line = describe("postgres (PostgreSQL) 15.18 (Debian 15.18-0)", &settings);
        assert!(line.starts_with("PostgreSQL 15.18 with fsync=on, synchronous_commit=on, "), "{line}");
    }

    #[test]
    fn shared_buffers_are_a_quarter_of_the_memory() {
        check_shared_buffers(2_048, "512MB");
        check_shared_buffers(256, "128MB");
        check_shared_buffers(24 * 1_024, "4096MB");
    }
}
