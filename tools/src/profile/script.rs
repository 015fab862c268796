//! What `perf script` prints, read record by record.
//!
//! A sample is a line with the thread, its time and the event, then a line per frame, innermost first, then an empty
//! line. A switch is one line. Fields: `comm,tid,time,event,ip,sym,symoff,dso`.

use std::io::{self, BufRead};

/// The lowest address of a kernel, on every 64-bit machine that Linux has perf for.
const KERNEL_LOWEST: u64 = 1 << 63;

/// A frame of a stack, as perf knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// For the kernel an address; for others a position in the file, or, by another perf, an address.
    pub(crate) address: u64,
    /// `None` where perf knows no symbol.
    pub(crate) name: Option<String>,
    /// Bytes from the beginning of the symbol.
    pub(crate) offset: u64,
    /// The program or library.
    pub(crate) file: String,
}

impl Frame {
    /// Whether it is the kernel's.
    pub(crate) const fn is_kernel(&self) -> bool {
        self.address >= KERNEL_LOWEST
    }
}

/// Something that happened to a thread.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TraceRecord {
    /// The thread's name.
    pub(crate) thread: String,
    pub(crate) tid: u32,
    /// Since the machine's start.
    pub(crate) time_us: u64,
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The event was counted; the stack, innermost frame first.
    Sample(Vec<Frame>),
    /// The thread left its core; `preempted` where it could have gone on.
    Out { preempted: bool },
    /// The thread was given a core.
    In,
}

/// The records in what `perf script` prints. Lines that are neither are passed over: other versions say more.
pub(crate) struct Records<R> {
    lines: io::Lines<R>,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(text: R) -> Self {
        Self { lines: text.lines() }
    }

    fn stack(&mut self) -> io::Result<Vec<Frame>> {
        let mut stack = Vec::new();
        for line in self.lines.by_ref() {
            let line = line?;
            if line.trim().is_empty() {
                break;
            }
            stack.extend(frame(&line));
        }
        Ok(stack)
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = io::Result<TraceRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.lines.next()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let Some((thread, tid, time_us, rest)) = header(&line) else { continue };
            let rest = rest.trim();
            let what = if rest.starts_with("PERF_RECORD_SWITCH OUT") {
                What::Out { preempted: rest.ends_with("preempt") }
            } else if rest.starts_with("PERF_RECORD_SWITCH IN") {
                What::In
            } else if rest.starts_with("PERF_RECORD_") {
                continue;
            } else {
                match self.stack() {
                    Ok(stack) => What::Sample(stack),
                    Err(error) => return Some(Err(error)),
                }
            };
            return Some(Ok(TraceRecord { thread: thread.to_owned(), tid, time_us, what }));
        }
    }
}

/// Thread, id, time and rest of a record's first line. The thread's name may hold spaces, and what looks like a time.
fn header(line: &str) -> Option<(&str, u32, u64, &str)> {
    for (end, _) in line.match_indices(": ").chain([(line.len().saturating_sub(1), ":")]) {
        let Some((before, time)) = line.get(..end)?.rsplit_once(' ') else { continue };
        let Some((thread, tid)) = before.trim_end().rsplit_once(' ') else { continue };
        if let (Some(time_us), Ok(tid)) = (microseconds(time), tid.parse()) {
            return Some((thread.trim(), tid, time_us, line.get(end + 1..).unwrap_or_default()));
        }
    }
    None
}

/// `11810.827607` seconds.
fn microseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let digits = fraction.get(..6).filter(|_| fraction.bytes().all(|byte| byte.is_ascii_digit()))?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(digits.parse().ok()?)
}

/// `   1c79b9 purser::net::Driver::turn+0x29 (/usr/bin/purser)`.
fn frame(line: &str) -> Option<Frame> {
    let (address, rest) = line.trim().split_once(' ')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    // The program was replaced since it was started: its name is still a name.
    let rest = rest.strip_suffix(')')?;
    let (symbol, file) = rest.strip_suffix(" (deleted)").unwrap_or(rest).rsplit_once(" (")?;
    let (name, offset) = match symbol.rsplit_once("+0x") {
        Some((name, offset)) => (name, u64::from_str_radix(offset, 16).ok()?),
        None => (symbol, 0),
    };
    let name = (name != "[unknown]").then(|| name.to_owned());
    Some(Frame { address, name, offset, file: file.to_owned() })
}
