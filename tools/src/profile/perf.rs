//! Linux's `perf`, as a process: what it may record here, recording, and reading what it has recorded.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use procfs::process::Process;

use crate::proc;

/// The program.
const PERF: &str = "perf";

/// Bytes of a recording, past which perf stops: two minutes of 20,000 switches a second.
const DATA_MAX: &str = "512M";

/// Capabilities that let a process record others and the kernel (capabilities(7)).
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PerfEvent {
    name: &'static str,
    how: Vec<String>,
    /// It may be recorded for the cores, whatever runs on them, in place of for the process's threads.
    of_cores: bool,
}

impl PerfEvent {
    /// Processor time: cycles where the machine counts them, else a timer's ticks of `frequency_hz`.
    ///
    /// # Errors
    /// A sentence, where perf is not installed.
    pub(crate) fn cpu(frequency_hz: u32) -> Result<Self, String> {
        let name = if counts_cycles()? { "cycles" } else { "cpu-clock" };
        Ok(Self { name, how: vec!["-F".to_owned(), frequency_hz.to_string()], of_cores: true })
    }

    /// Each switch of a thread away from its core, with its stack, and when it leaves and comes back.
    pub(crate) fn switches() -> Self {
        let how = ["-c", "1", "--switch-events"].map(str::to_owned).into();
        Self { name: "context-switches", how, of_cores: false }
    }

    /// The name, as perf has it.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }
}

/// Checks that perf is there.
///
/// # Errors
/// A sentence, where it is not.
pub(crate) fn installed() -> Result<(), String> {
    run(PERF, ["--version"]).map(|_| ())
}

/// Whether the machine has a counter of cycles; a virtual one often has none.
fn counts_cycles() -> Result<bool, String> {
    let probe = run(PERF, ["stat", "-x", ",", "-e", "cycles", "true"])?;
    let said = String::from_utf8_lossy(&probe.stderr);
    Ok(probe.status.success() && !said.contains("<not "))
}

/// Runs perf to its end.
///
/// # Errors
/// A sentence, where it is not installed or can't be started.
pub(crate) fn run<I: IntoIterator<Item: AsRef<OsStr>>>(perf: &str, arguments: I) -> Result<Output, String> {
    let output = Command::new(perf).args(arguments).stdin(Stdio::null()).output();
    output.map_err(|error| not_started(&error))
}

fn not_started(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "perf is not installed; Debian has it in the package linux-perf".to_owned()
        }
        _ => format!("perf can't be started: {error}"),
    }
}

/// Records all threads of a process, with their stacks by frame pointers, into the file `data`; with what else runs on the
/// cores, where this process may. A timer of a thread is set anew whenever the thread comes to its core, which is
/// dear on a virtual machine: a server that switches 30,000 times a second had a tenth of its rate while it was recorded. A
/// timer of a core just goes on.
///
/// # Errors
/// A sentence: perf is not installed or may not record, or there is no such process.
pub(crate) fn record(pid: u32, seconds: u64, event: &PerfEvent, data: &Path) -> Result<(), String> {
    if proc::process(pid).is_err() {
        return Err(format!("there is no process {pid}"));
    }
    let (pid, seconds) = (pid.to_string(), seconds.to_string());
    let mut arguments: Vec<&OsStr> = ["record", "--quiet", "-e", event.name].map(OsStr::new).into();
    arguments.extend(event.how.iter().map(OsStr::new));
    arguments.extend(["--call-graph", "fp", "--max-size", DATA_MAX].map(OsStr::new));
    if event.of_cores && privileged() {
        arguments.push(OsStr::new("-a"));
    } else {
        arguments.extend(["-p", &pid].map(OsStr::new));
    }
    arguments.extend([OsStr::new("-o"), data.as_os_str()]);
    arguments.extend(["--", "sleep", &seconds].map(OsStr::new));
    let output = run(PERF, arguments)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it does not say why");
    Err(format!("perf can't record {}: {said}{}", event.name, permission().unwrap_or_default()))
}

/// What keeps perf from recording at all.
fn permission() -> Option<String> {
    let paranoid = setting("perf_event_paranoid").filter(|paranoid| *paranoid > 2 && !privileged())?;
    Some(format!(
        " (kernel.perf_event_paranoid is {paranoid}; `sysctl kernel.perf_event_paranoid=1` lets users record)"
    ))
}

/// Whether the kernel refuses to have itself recorded, as a sentence.
pub(crate) fn kernel_refuses() -> Option<String> {
    let paranoid = setting("perf_event_paranoid").filter(|paranoid| *paranoid > 1 && !privileged())?;
    Some(format!(
        "kernel.perf_event_paranoid is {paranoid}, so that the kernel's part is not recorded; \
         `sysctl kernel.perf_event_paranoid=1` allows it"
    ))
}

/// Whether the kernel hides where its functions lie, as a sentence.
pub(crate) fn kernel_nameless() -> Option<String> {
    // Every address is zero for who may not see it, so the first line tells.
    let first =
        fs::File::open("/proc/kallsyms").ok().and_then(|file| BufReader::new(file).lines().next()?.ok());
    let address = first.as_deref().and_then(|line| line.split(' ').next()).unwrap_or_default();
    let hidden = address.bytes().all(|byte| byte == b'0');
    hidden.then(|| {
        "the kernel's functions have no names; `sysctl kernel.kptr_restrict=0` shows them".to_owned()
    })
}

/// Whether this process may record what it likes.
fn privileged() -> bool {
    let status = Process::myself().and_then(|process| process.status());
    status.is_ok_and(|status| status.capeff & (1 << CAP_SYS_ADMIN | 1 << CAP_PERFMON) != 0)
}

fn setting(name: &str) -> Option<i64> {
    fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).ok()?.trim().parse().ok()
}

/// Hands what `perf script` prints of a process's recording to `read`, as it comes.
///
/// # Errors
/// The sentence of `read`, or one where perf can't read the recording.
pub(crate) fn script<T>(
    data: &Path,
    pid: u32,
    switches: bool,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, String>,
) -> Result<T, String> {
    let mut command = Command::new(PERF);
    // Inlined functions are found here: perf may start a process for each address.
    command.args(["script", "--no-inline", "-F", "comm,tid,time,event,ip,sym,symoff,dso", "-i"]).arg(data);
    command.arg("--pid").arg(pid.to_string());
    if switches {
        command.arg("--show-switch-events");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| not_started(&error))?;
    let stdout = child.stdout.take().expect("it is piped");
    let done = read(&mut BufReader::new(stdout));
    let status = child.wait().map_err(|error| format!("perf script: {error}"))?;
    let done = done?;
    if status.success() { Ok(done) } else { Err(format!("perf script has ended with {status}")) }
}
