//! A recording as folded stacks, and the flame graph of them.
//!
//! A folded stack is a line: the thread and the frames from the outermost inwards, and how often it was seen. Frames
//! of the kernel end in `_[k]`, inlined ones in `_[i]`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::BufRead;
use std::path::Path;

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{self, Options, TextTruncateDirection};
use tempfile::TempDir;

use super::area::{Area, INLINED, KERNEL, UNKNOWN};
use super::offcpu::Pairs;
use super::perf::{self, PerfEvent};
use super::script::{Frame, Records, TraceRecord, What};
use super::symbols::Symbols;

/// Widths of a flame graph below this, in percent, are left out: no eye finds them.
const WIDTH_MIN_PERCENT: f64 = 0.05;

/// What the colours say; it has to fit a width of 1,200 pixels.
const LEGEND: &str = "kernel: orange sockets, yellow rings, red disk; server: blue http, turquoise json, green wallet, \
                      violet journal, grey-blue glommio";

/// The innermost frame of a thread that could have gone on.
const PREEMPTED: &str = "[waiting for a core]";

/// What was seen how often, or for how long.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Folded {
    stacks: BTreeMap<String, u64>,
    total: u64,
    unnamed: u64,
    /// What the numbers count: samples, or microseconds off a core.
    unit: &'static str,
}

/// What perf has recorded of a process. To fold it takes seconds of a core, which may wait until nothing is measured.
#[derive(Debug)]
pub(crate) struct Recording {
    pid: u32,
    scratch: TempDir,
}

impl Recording {
    /// Records where a process spends its processor time, for `seconds`, `frequency_hz` times a second on each core.
    ///
    /// # Errors
    /// A sentence: perf is not installed or may not record, or there is no such process.
    pub(crate) fn make(pid: u32, seconds: u64, frequency_hz: u32) -> Result<Self, String> {
        let scratch = tempfile::tempdir().map_err(|error| format!("no scratch directory: {error}"))?;
        perf::record(pid, seconds, &PerfEvent::cpu(frequency_hz)?, &scratch.path().join(DATA))?;
        Ok(Self { pid, scratch })
    }

    /// Its stacks. The recorded program must lie where it lay.
    ///
    /// # Errors
    /// A sentence, where perf can't read it or it holds nothing.
    pub(crate) fn folded(&self) -> Result<Folded, String> {
        Folded::of_cpu(&self.scratch.path().join(DATA), self.pid)
    }
}

/// The recording's file in its directory.
const DATA: &str = "perf.data";

impl Folded {
    /// The samples of a process's recording.
    ///
    /// # Errors
    /// A sentence, where perf can't read it or it holds nothing.
    pub(crate) fn of_cpu(data: &Path, pid: u32) -> Result<Self, String> {
        let folded = perf::script(data, pid, false, |text| Self::fold_cpu(text))?;
        match folded.total {
            0 => {
                Err("perf has no samples: the process used no processor time while it was recorded"
                    .to_owned())
            }
            _ => Ok(folded),
        }
    }

    /// The time off a core of a recording of switches.
    ///
    /// # Errors
    /// A sentence, where perf can't read it or no thread has left its core and come back.
    pub(crate) fn of_waits(data: &Path, pid: u32) -> Result<Self, String> {
        let folded = perf::script(data, pid, true, |text| Self::fold_waits(text))?;
        match folded.total {
            0 => Err("no thread has left its core and come back while it was recorded".to_owned()),
            _ => Ok(folded),
        }
    }

    /// Folds what `perf script` prints of samples.
    ///
    /// # Errors
    /// A sentence, where the text can't be read.
    pub(crate) fn fold_cpu(text: impl BufRead) -> Result<Self, String> {
        let mut symbols = Symbols::default();
        let mut folded = Self { unit: "samples", ..Self::default() };
        for record in Records::new(text) {
            let TraceRecord { thread, what, .. } = record.map_err(|error| format!("perf script: {error}"))?;
            if let What::Sample(frames) = what {
                folded.add(fold(&thread, &frames, &mut symbols), 1);
            }
        }
        Ok(folded)
    }

    /// Folds what `perf script` prints of switches: each stack with the microseconds that its thread was away.
    ///
    /// # Errors
    /// A sentence, where the text can't be read.
    pub(crate) fn fold_waits(text: impl BufRead) -> Result<Self, String> {
        let mut symbols = Symbols::default();
        let mut folded = Self { unit: "microseconds", ..Self::default() };
        let mut pairs = Pairs::default();
        for record in Records::new(text) {
            let record = record.map_err(|error| format!("perf script: {error}"))?;
            if let Some(wait) = pairs.next(record) {
                let mut line = fold(&wait.thread, &wait.stack, &mut symbols);
                if wait.preempted {
                    line.push(';');
                    line.push_str(PREEMPTED);
                }
                folded.add(line, wait.microseconds);
            }
        }
        Ok(folded)
    }

    fn add(&mut self, line: String, count: u64) {
        self.total += count;
        if line.split(';').any(|frame| frame == UNKNOWN) {
            self.unnamed += count;
        }
        *self.stacks.entry(line).or_default() += count;
    }

    /// The lines, sorted, each with its count.
    pub(crate) fn text(&self) -> String {
        self.stacks.iter().fold(String::new(), |mut text, (line, count)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line} {count}");
            text
        })
    }

    /// All that was counted.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// The percentage whose stack has a frame without a name.
    pub(crate) fn unnamed(&self) -> f64 {
        self.percent(self.unnamed)
    }

    /// The flame graph, as SVG. Colours tell the areas apart, as the line below the title says.
    ///
    /// # Errors
    /// A sentence, where there is nothing to draw.
    pub(crate) fn flame_graph(&self, title: &str) -> Result<String, String> {
        let mut palette = PaletteMap::default();
        // The frame below all has no name.
        for frame in self.stacks.keys().flat_map(|line| line.split(';')).chain([""]) {
            let none = if frame.ends_with(KERNEL) { Area::Kernel } else { Area::Other };
            let colours = Area::of_frame(frame).unwrap_or(none).colour();
            let [r, g, b] = colours.map(|colour| colour.saturating_sub(8).saturating_add(shade(frame)));
            palette.insert(frame, Color { r, g, b });
        }
        let mut options = Options::default();
        options.title = title.to_owned();
        options.subtitle = Some(LEGEND.to_owned());
        options.bgcolors = Some(BackgroundColor::Flat(Color { r: 250, g: 250, b: 250 }));
        options.count_name = self.unit.to_owned();
        options.min_width = WIDTH_MIN_PERCENT;
        options.font_type = "DejaVu Sans Mono, Menlo, Consolas, monospace".to_owned();
        options.text_truncate_direction = TextTruncateDirection::Right;
        options.palette_map = Some(&mut palette);
        let lines: Vec<String> = self.stacks.iter().map(|(line, count)| format!("{line} {count}")).collect();
        let mut svg = Vec::new();
        flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
            .map_err(|error| format!("the flame graph: {error}"))?;
        String::from_utf8(svg).map_err(|error| format!("the flame graph: {error}"))
    }

    /// Each area and its percentage, in the order of tables, those without any too.
    pub(crate) fn shares(&self) -> Vec<(&'static str, f64)> {
        let mut counts: BTreeMap<Area, u64> = Area::ALL.into_iter().map(|area| (area, 0)).collect();
        for (line, count) in &self.stacks {
            *counts.entry(Area::of_stack(line)).or_default() += count;
        }
        counts.into_iter().map(|(area, count)| (area.name(), self.percent(count))).collect()
    }

    /// The functions with most time of their own, and their percentages: the innermost frames, inlined ones included.
    pub(crate) fn top(&self, n: usize) -> Vec<(String, f64)> {
        let mut own: BTreeMap<&str, u64> = BTreeMap::new();
        for (line, count) in &self.stacks {
            let leaf = line.rsplit(';').next().unwrap_or_default();
            *own.entry(leaf.trim_end_matches(INLINED)).or_default() += count;
        }
        let mut own: Vec<(&str, u64)> = own.into_iter().collect();
        // The order of names where counts are equal.
        own.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        own.into_iter().take(n).map(|(name, count)| (name.to_owned(), self.percent(count))).collect()
    }

    /// Each thread, what was counted of it, and what of that was spent waiting for a core.
    pub(crate) fn threads(&self) -> Vec<(&str, u64, u64)> {
        let mut threads: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (line, count) in &self.stacks {
            let (all, preempted) = threads.entry(line.split(';').next().unwrap_or_default()).or_default();
            *all += count;
            *preempted += if line.ends_with(PREEMPTED) { *count } else { 0 };
        }
        threads.into_iter().map(|(name, (all, preempted))| (name, all, preempted)).collect()
    }

    fn percent(&self, count: u64) -> f64 {
        if self.total == 0 { 0.0 } else { 100.0 * count as f64 / self.total as f64 }
    }
}

/// Zero to fifteen of a name, always the same, so that neighbours of one colour can be told apart.
fn shade(name: &str) -> u8 {
    name.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)) % 16
}

/// The folded line of a stack.
fn fold(thread: &str, frames: &[Frame], symbols: &mut Symbols) -> String {
    let mut line = clean(root(thread));
    for (at, frame) in frames.iter().enumerate().rev() {
        line.push(';');
        match &frame.name {
            None => line.push_str(UNKNOWN),
            Some(name) if frame.is_kernel() => {
                line.push_str(&clean(name));
                line.push_str(KERNEL);
            }
            Some(name) => {
                line.push_str(&clean(name));
                for inlined in symbols.inlined(frame, at == 0) {
                    line.push(';');
                    line.push_str(&clean(inlined));
                    line.push_str(INLINED);
                }
            }
        }
    }
    line
}

/// The thread's name; the kernel's workers of a ring have a number in theirs that says nothing.
fn root(thread: &str) -> &str {
    ["iou-wrk", "iou-sqp"].into_iter().find(|name| thread.starts_with(name)).unwrap_or(thread)
}

/// A semicolon would end the frame.
fn clean(name: &str) -> String {
    name.replace(';', ":")
}
