//! The command line from outside: exit codes, and one sentence on standard error that says what is wrong.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::geteuid;
use tempfile::TempDir;
use testkit::home::Home;
use testkit::{process, skipped};

/// A configuration with nothing wrong; the listeners take any free port.
const FILE: &str = r#"
listen = "127.0.0.1:0"
operator_listen = "127.0.0.1:0"
games = ["11588"]

[[platform]]
key = "L100"
user = "user"
password = "password"
domains = ["default"]

[[domain]]
name = "default"
currency = "GBP"
"#;

/// A directory to start the program in, so that whatever it leaves goes away with it.
fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Runs a program that is expected to end by itself.
#[track_caller]
fn run(mut command: Command) -> Output {
    let output = process::run(command.env("RUST_BACKTRACE", "1"));
    assert_eq!(output.status.signal(), None, "{command:?} did not end by itself");
    output
}

fn purser(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    command.current_dir(dir).args(arguments);
    command
}

/// A refusal: exit code 2, nothing on standard output, one line on standard error that contains `expect`.
#[track_caller]
fn check_refused(command: Command, expect: &str) {
    let shown = format!("{command:?}");
    let output = run(command);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(stderr.contains(expect), "{shown}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{shown}: {stderr}");
    assert!(stderr.starts_with("purser: "), "{shown}: {stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "{shown}: {stderr}");
    assert_eq!(output.status.code(), Some(2), "{shown}: {stderr}");
    assert!(output.stdout.is_empty(), "{shown}");
}

/// A refusal of these arguments, split at blanks.
#[track_caller]
fn check(arguments: &str, expect: &str) {
    let dir = scratch();
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    check_refused(purser(dir.path(), &arguments), expect);
}

/// A refusal of [`FILE`] with `old` replaced.
#[track_caller]
fn check_file(old: &str, new: &str, expect: &str) {
    assert!(FILE.contains(old), "{old}");
    let dir = scratch();
    fs::write(dir.path().join("purser.toml"), FILE.replacen(old, new, 1)).expect("the file is written");
    check_refused(purser(dir.path(), &["serve", "--config", "purser.toml"]), expect);
}

#[test]
fn wrong_flags() {
    check("sevre", "unrecognized subcommand 'sevre'");
    check("serve --foo", "unexpected argument '--foo' found");
    check("serve --listn 127.0.0.1:1", "did you mean --listen?");
    check("serve --listen", "a value is required for '--listen <ADDRESS>'");
    check("serve --listen nonsense", "\"nonsense\" is not an IP address and port");
    check("serve --shards 0", "0 is not in 1 to 64");
    check("serve --shards 65", "65 is not in 1 to 64");
    check("serve --demo --demo-accounts 10000001", "10000001 is not in 0 to 10000000");
    check("serve --cores 0-", "\"0-\" is neither a core's number");
    check("serve --demo --cores 1023", "names core 1023, but this process may run on");
    check("serve --session-token twice", "[possible values: single-use, wrapped]");
    check("doctor --demo", "unexpected argument '--demo' found");
}

#[test]
fn flags_that_do_not_go_together() {
    check("serve", "give --config FILE, or --demo");
    check("serve --demo --config purser.toml", "exclude each other");
    check("serve --demo-accounts 5", "--demo-accounts is of use with --demo alone");
    check(
        "serve --demo --listen 0.0.0.0:0",
        "--demo listens on loopback addresses alone, and 0.0.0.0:0 is none",
    );
    check("serve --demo --operator-listen [::]:0", "[::]:0 is none");
    check("serve --demo --listen 127.0.0.1:9817", "overlap");
    check(
        "serve --demo --after-pause --rebase-clock",
        "'--after-pause' cannot be used with '--rebase-clock'",
    );
    check(
        "explain --account default/anna --at 2026-11-24T16:00:00Z --transaction t",
        "'--at <TIME>' cannot be used with '--transaction <ID>'",
    );
    for command in ["backup --to b", "restore --from a --to b"] {
        check(
            &format!("{command} --archive c --no-archive"),
            "'--archive <DIR>' cannot be used with '--no-archive'",
        );
    }
}

/// What is backed up and restored, where to, and why not.
#[test]
fn backups_that_can_not_be_made() {
    check("backup", "required arguments were not provided: --to <DIR>");
    check("restore --to b", "required arguments were not provided: --from <BACKUP>");
    check("restore --from a", "required arguments were not provided: --to <DIR>");
    check("restore --from a --to b --at yesterday", "it is not a date-time of RFC 3339");
    check("backup --data nowhere --to b", "there are no data in nowhere: no server has served from it");
    check("restore --from nowhere --to b", "there are no data in nowhere: no server has served from it");
    let home = Home::demo(env!("CARGO_BIN_EXE_purser"), 1);
    let process = home.start(1);
    let made = |name: &str| home.beside(name);
    fs::create_dir(made("full")).and_then(|()| fs::write(made("full/file"), "")).expect("there is room");
    fs::write(made("file"), "").expect("there is room");
    let refused = |arguments: &str, expect: &str| {
        let command = purser(&made(""), &arguments.split(' ').collect::<Vec<_>>());
        check_refused(command, expect);
    };
    refused("backup --data data --to full", "can't use full: it is not empty");
    refused("backup --data data --to data", "data is in data: name a directory outside of it");
    refused("backup --data data --to data/b/c", "data/b/c is in data: name a directory outside of it");
    refused("backup --data data --to file", "can't use file: it is not a directory");
    refused("backup --data data --to b --since data", "data is what is to be backed up, or in it");
    refused("backup --data data --to b --since nowhere", "there are no data in nowhere");
    refused("restore --from data --to b", "can't use the data directory data: process");
    process.kill();
    refused("restore --from data --to full", "can't use full: it is not empty");
    refused("restore --from data --to data/b", "data/b is in data: name a directory outside of it");
    assert!(!made("b").exists() && made("full").read_dir().expect("it is there").count() == 1);
}

#[test]
fn broken_files() {
    check("serve --config missing.toml", "missing.toml can't be read: No such file or directory");
    check_file("[\"11588\"]", "[\"11588]", "purser.toml:4: invalid basic string");
    check_file("games", "gmaes", "purser.toml:4: unknown field `gmaes`");
    check_file("currency", "currenzy", "purser.toml:14: unknown field `currenzy`");
    check_file("GBP", "GBX", "purser.toml:14: \"GBX\" is no currency of ISO 4217 with minor units");
    check_file(
        "[\"default\"]",
        "[\"casino\"]",
        "purser.toml:10: the platform \"L100\" names the domain \"casino\"",
    );
    check_file("\"password\"", "4711", "purser.toml:9: a secret is a string, in quotes");
    check_file(
        "operator_listen = \"127.0.0.1:0\"",
        "operator_listen = \"0.0.0.0:0\"",
        "the operator's listener 0.0.0.0:0 can be reached from elsewhere: set operator_token",
    );
}

#[test]
fn a_port_in_use() {
    #[track_caller]
    fn check(flag: &str, other: &str) {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = holder.local_addr().expect("its address").to_string();
        let dir = scratch();
        let arguments = ["serve", "--demo", "--demo-accounts", "1", "--shards", "1"];
        let mut command = purser(dir.path(), &arguments);
        command.args([flag, &address, other, "127.0.0.1:0"]);
        check_refused(command, &address);
    }
    check("--listen", "--operator-listen");
    check("--operator-listen", "--listen");
}

/// The arguments of a demo that would serve but for its data directory.
fn demo_in(data: &Path) -> Vec<OsString> {
    let flags =
        "serve --demo --demo-accounts 1 --shards 1 --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0 --data";
    flags.split_whitespace().map(OsString::from).chain([data.into()]).collect()
}

#[test]
fn data_directories_that_are_none() {
    #[track_caller]
    fn check(below: &str, expect: &str) {
        let dir = scratch();
        fs::write(dir.path().join("file"), "").expect("the file is written");
        let data = dir.path().join(below);
        let mut command = purser(dir.path(), &[]);
        command.args(demo_in(&data));
        check_refused(command, &format!("the data directory {} {expect}", data.display()));
    }
    check("file", "is not a directory");
    check("file/data", "can't be created: Not a directory");
}

/// Whether programs can be run as somebody without privileges, here: `setpriv` is there where the tests run
/// as root, or they don't.
fn unprivileged(program: &Path) -> Option<Command> {
    if !geteuid().is_root() {
        return Some(Command::new(program));
    }
    let is_there = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_ok();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
    is_there.then_some(command)
}

#[test]
fn data_directories_without_permission() {
    let dir = scratch();
    // The program itself may lie where nobody else can read it.
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("the directory is ours");
    let program = dir.path().join("purser");
    fs::copy(env!("CARGO_BIN_EXE_purser"), &program).expect("the program is copied");
    let closed: PathBuf = dir.path().join("closed");
    fs::create_dir(&closed).expect("the directory is made");
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).expect("the directory is ours");

    let check = |data: &Path, expect: &str| {
        let Some(mut command) = unprivileged(&program) else {
            skipped::skip("root, and no setpriv to become somebody else");
            return;
        };
        command.current_dir(dir.path()).args(demo_in(data));
        check_refused(command, &format!("the data directory {} {expect}: Permission denied", data.display()));
    };
    check(&closed, "can't be written to");
    check(&closed.join("data"), "can't be created");
    fs::create_dir(closed.join("there")).expect("the directory is made");
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).expect("the directory is ours");
    check(&closed.join("there"), "can't be looked at");
    if let Some(mut command) = unprivileged(&program) {
        let data = closed.join("there");
        command.current_dir(dir.path()).args(["verify", "--data"]).arg(&data);
        let output = run(command);
        let expect = format!("purser: can't look into {}: Permission denied\n", data.display());
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(1), &*expect));
    }
    fs::set_permissions(&closed, Permissions::from_mode(0o755)).expect("the directory is ours");
}

/// A volume that a group may write to, and that belongs to somebody else, as volumes of containers do. The user of the
/// server can't take the rights of others to it, and is told before anything is recovered or made.
#[test]
fn data_directories_of_somebody_else() {
    if !geteuid().is_root() {
        skipped::skip("a directory can't be given away");
        return;
    }
    let dir = scratch();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("the directory is ours");
    let program = dir.path().join("purser");
    fs::copy(env!("CARGO_BIN_EXE_purser"), &program).expect("the program is copied");
    let volume = dir.path().join("volume");
    fs::create_dir(&volume).expect("the directory is made");
    chown(&volume, None, Some(65534)).expect("we may");
    fs::set_permissions(&volume, Permissions::from_mode(0o2775)).expect("the directory is ours");
    let Some(mut command) = unprivileged(&program) else {
        skipped::skip("root, and no setpriv to become somebody else");
        return;
    };
    command.current_dir(dir.path()).args(demo_in(&volume));
    let expect =
        format!("can't use {}: it belongs to user 0, and others have rights to it", volume.display());
    check_refused(command, &expect);
    let Some(mut doctor) = unprivileged(&program) else { return };
    doctor.current_dir(dir.path()).args(["doctor", "--data"]).arg(&volume);
    let table = String::from_utf8(run(doctor).stdout).expect("UTF-8");
    assert!(statuses(&table).contains(&("direct I/O".into(), "lacking".into())), "{table}");
    assert_eq!(volume.read_dir().expect("it is there").count(), 0, "nothing is made in it");
}

#[test]
fn help_and_version() {
    #[track_caller]
    fn check(arguments: &[&str], expect: &str) {
        let dir = scratch();
        let output = run(purser(dir.path(), arguments));
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(stdout.contains(expect), "{arguments:?}: {stdout}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
    check(&["--help"], "Usage: purser <COMMAND>");
    check(&["serve", "--help"], "--operator-listen <ADDRESS>");
    check(&["doctor", "--help"], "--data <DIR>");
    check(&["--version"], concat!("purser ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn no_command_prints_the_help() {
    let dir = scratch();
    let output = run(purser(dir.path(), &[]));
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(stderr.contains("Usage: purser <COMMAND>"), "{stderr}");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_reader_that_has_gone_is_no_fault() {
    for arguments in [&["serve", "--help"][..], &["--version"], &["doctor"]] {
        let dir = scratch();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = purser(dir.path(), arguments);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        assert_eq!(output.stderr, b"", "{arguments:?}");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {:?}", output.status);
    }
}

/// The statuses of a doctor's table by check, after looking at its form.
fn statuses(table: &str) -> Vec<(String, String)> {
    assert!(table.is_ascii() && table.lines().all(|line| line.len() <= 100), "{table}");
    let mut lines = table.lines();
    let heading = lines.next().expect("a heading");
    let column = |name: &str| heading.find(name).unwrap_or_else(|| panic!("no {name} in {heading}"));
    let (status, found, remedy) = (column("STATUS"), column("FOUND"), column("REMEDY"));
    let cell = |line: &str, from: usize, to: usize| {
        line.get(from..to.min(line.len())).unwrap_or_default().trim().to_owned()
    };
    let rows = lines.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with(' '));
    rows.map(|line| {
        assert!(!cell(line, found, remedy).is_empty(), "{line}");
        let status = cell(line, status, found);
        assert_eq!(cell(line, remedy, 100) == "-", status == "ok", "a remedy where there is a fault: {line}");
        (cell(line, 0, column("STATUS")), status)
    })
    .collect()
}

#[test]
fn the_doctors_table() {
    #[track_caller]
    fn check(data: &Path, direct_io: &[&str]) {
        let dir = scratch();
        let mut command = purser(dir.path(), &["doctor", "--data"]);
        command.arg(data);
        let output = run(command);
        let table = String::from_utf8(output.stdout).expect("UTF-8");
        let statuses = statuses(&table);
        let checks: Vec<&str> = statuses.iter().map(|(check, _)| check.as_str()).collect();
        let expect = [
            "kernel",
            "io_uring",
            "ring features",
            "memlock",
            "open files",
            "direct I/O",
            "cores",
            "memory",
            "clock",
        ];
        assert_eq!(checks, expect, "{table}");
        assert!(statuses.iter().all(|(_, status)| ["ok", "warn", "lacking"].contains(&&**status)), "{table}");
        assert!(direct_io.contains(&&*statuses[5].1), "{table}");
        let lacking = statuses.iter().any(|(_, status)| status == "lacking");
        assert_eq!(output.status.code(), Some(i32::from(lacking)), "{table}");
        assert!(output.stderr.is_empty());
    }
    let dir = scratch();
    // There are file systems without it.
    check(dir.path(), &["ok", "lacking"]);
    check(&dir.path().join("not/there/yet"), &["ok", "lacking"]);
    assert_eq!(dir.path().read_dir().expect("it is there").count(), 0, "nothing is left behind");
    check(Path::new("/proc"), &["lacking"]);
    check(Path::new("/proc/version/below"), &["lacking"]);
    check(&dir.path().join("d\u{e4}ta ".repeat(20)), &["ok", "lacking"]);
}

/// Limits of the process are looked at as they are.
#[test]
fn the_doctor_under_limits() {
    #[track_caller]
    fn check(limit: &str, lacking: &str) {
        let dir = scratch();
        let mut command = Command::new("sh");
        let script = format!("ulimit {limit} && exec \"$0\" doctor --shards 1");
        command.current_dir(dir.path()).args(["-c", &script, env!("CARGO_BIN_EXE_purser")]);
        let output = run(command);
        let table = String::from_utf8(output.stdout).expect("UTF-8");
        let found = statuses(&table).into_iter().find(|(check, _)| check == lacking);
        assert_eq!(found, Some((lacking.to_owned(), "lacking".to_owned())), "{table}");
        assert_eq!(output.status.code(), Some(1), "{table}");
    }
    check("-n 40", "open files");
    check("-l 64", "memlock");
}
