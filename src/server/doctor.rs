//! `purser doctor`: what the machine offers the server and what it lacks, each with a remedy.
//!
//! The server needs much of the kernel, and a kernel that refuses says little: an "operation not permitted"
//! out of a container may be a sysctl, a seccomp profile or a limit. So each need is tried here by itself,
//! the way the server will use it, and the answer is put into words with what to do about it. Looking
//! (`probe`) and judging (`judge`) are apart, so that the judgement on machines that are not at hand can be
//! tested.
//!
//! The report is plain ASCII of 100 columns: it is pasted into tickets, and scripts read it.

use std::fmt;

use ring::trial;

use crate::config::DoctorOptions;

mod judge;
mod probe;

/// How a need is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStatus {
    /// It is there.
    Ok,
    /// The server runs, but could do better.
    Warn,
    /// The server can't run.
    Lacking,
}

impl CheckStatus {
    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Lacking => "lacking",
        }
    }
}

/// One row of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    status: CheckStatus,
    found: String,
    /// What to do; empty where nothing is to be done.
    remedy: String,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: CheckStatus::Ok, found: found.into(), remedy: String::new() }
    }

    fn warn(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, status: CheckStatus::Warn, found: found.into(), remedy: remedy.into() }
    }

    fn lacking(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, status: CheckStatus::Lacking, found: found.into(), remedy: remedy.into() }
    }
}

/// The table of findings. Its `Display` ends with a newline.
#[derive(Debug)]
pub struct Report {
    findings: Vec<Finding>,
}

/// Looks at this machine. Makes a small file in the data directory, or where that would be created, and
/// removes it; changes nothing else.
pub fn examine(args: &DoctorOptions) -> Report {
    let shards = args.cores.len();
    let ring = trial::servers_own();
    Report {
        findings: vec![
            judge::kernel(&probe::kernel_release(), ring.is_ok()),
            judge::io_uring(&trial::plain(), probe::io_uring_disabled()),
            judge::ring(&ring),
            judge::memlock(probe::memlock(), &trial::of_shards(shards), shards),
            judge::open_files(probe::open_files(), shards),
            judge::direct_io(&args.data, &probe::direct_io(&args.data)),
            judge::cores(&args.cores, args.quota),
            judge::memory(args.memory, shards),
            judge::clock(&probe::clock()),
        ],
    }
}

impl Report {
    /// 0 where everything that the server needs is there, else 1. Warnings do not count.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.lacking().next().is_some())
    }

    fn lacking(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.findings
            .iter()
            .filter(|finding| finding.status == CheckStatus::Lacking)
            .map(|finding| finding.check)
    }
}

/// Widths of the columns; with two blanks between them a line has 100 characters at most.
const WIDTHS: [usize; 4] = [13, 7, 37, 37];

const HEADINGS: [&str; 4] = ["CHECK", "STATUS", "FOUND", "REMEDY"];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_row(f, HEADINGS)?;
        for finding in &self.findings {
            let remedy = if finding.remedy.is_empty() { "-" } else { &finding.remedy };
            write_row(f, [finding.check, finding.status.label(), &finding.found, remedy])?;
        }
        let lacking: Vec<&str> = self.lacking().collect();
        if lacking.is_empty() {
            writeln!(f, "\nThis machine has what the server needs.")
        } else {
            writeln!(f, "\nThis machine lacks what the server needs: {}.", lacking.join(", "))
        }
    }
}

/// Writes a row: as many lines as its tallest cell has.
fn write_row(f: &mut fmt::Formatter<'_>, cells: [&str; 4]) -> fmt::Result {
    let cells: [Vec<String>; 4] = std::array::from_fn(|column| wrap(cells[column], WIDTHS[column]));
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(WIDTHS) {
            let part = cell.get(line).map_or("", String::as_str);
            text.push_str(&format!("{part:width$}  "));
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}

/// Breaks a cell into lines of at most `width` characters, between words where it can. What is not printable
/// ASCII (in a path) becomes a question mark.
fn wrap(cell: &str, width: usize) -> Vec<String> {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    let cell: String = cell.chars().map(printable).collect();
    let mut lines = vec![String::new()];
    for mut word in cell.split_whitespace() {
        while !word.is_empty() {
            let line = lines.last_mut().expect("there is a first line");
            let blank = usize::from(!line.is_empty());
            if line.len() + blank + word.len() <= width {
                line.push_str(&" "[..blank]);
                line.push_str(word);
                break;
            }
            if !line.is_empty() {
                lines.push(String::new());
                continue;
            }
            let (head, tail) = word.split_at(width);
            line.push_str(head);
            lines.push(String::new());
            word = tail;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_broken_between_words() {
        #[track_caller]
        fn check(cell: &str, expect: &[&str]) {
            assert_eq!(wrap(cell, 8), expect, "{cell}");
        }
        check("", &[""]);
        check("one", &["one"]);
        check("one  two", &["one two"]);
        check("one two three", &["one two", "three"]);
        check("12345678", &["12345678"]);
        check("12345678 9", &["12345678", "9"]);
        check("a 123456789", &["a", "12345678", "9"]);
        check("1234567812345678", &["12345678", "12345678"]);
        check("p\u{e4}th\u{1b}[1m", &["p?th?[1m"]);
    }

    #[test]
    fn reports() {
        #[track_caller]
        fn check(findings: &[Finding], exit_code: u8, expect: &str) {
            let report = Report { findings: findings.to_vec() };
            assert_eq!(report.to_string(), expect);
            assert_eq!(report.exit_code(), exit_code);
        }
        let heading = "CHECK          STATUS   FOUND                                  REMEDY\n";
        check(
            &[Finding::ok("kernel", "6.18")],
            0,
            &format!(
                "{heading}kernel         ok       6.18                                   -\n\
                 \nThis machine has what the server needs.\n"
            ),
        );
        check(
            &[Finding::warn("cores", "0 for two", "add one")],
            0,
            &format!(
                "{heading}cores          warn     0 for two                              add one\n\
                 \nThis machine has what the server needs.\n"
            ),
        );
        check(
            &[
                Finding::lacking(
                    "memlock",
                    "a soft limit of 64 KiB, which is less than 512",
                    "ulimit -l 512",
                ),
                Finding::lacking("io_uring", "no", "x"),
            ],
            1,
            &format!(
                "{heading}memlock        lacking  a soft limit of 64 KiB, which is less  ulimit -l 512\n                        \
                 than 512\n\
                 io_uring       lacking  no                                     x\n\
                 \nThis machine lacks what the server needs: memlock, io_uring.\n"
            ),
        );
    }
}
