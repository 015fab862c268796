//! Cores and shards. One shard runs on one core; the cores that the process may run on are the scheduler's
//! word (`sched_getaffinity`), so that `taskset` and cpusets are respected and a container gets what it paid
//! for.

use std::fmt::Write as _;

use rustix::thread::{CpuSet, sched_getaffinity};

use super::quota::Quota;
use super::{Error, reason};

/// The value of `--cores`: distinct CPU numbers, in the order they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoreList(Vec<usize>);

/// Reads a list such as `0,2-3`.
///
/// # Errors
/// A sentence that names the item at fault.
pub(super) fn parse_list(text: &str) -> Result<CoreList, String> {
    let mut cores = Vec::new();
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (number(first, item)?, number(last, item)?);
        if first > last {
            return Err(format!("the range {item:?} runs backwards"));
        }
        for core in first..=last {
            if cores.contains(&core) {
                return Err(format!("core {core} is named twice"));
            }
            cores.push(core);
        }
    }
    if cores.len() > limits::SHARDS_MAX {
        return Err(format!("{} cores are named; at most {} are served", cores.len(), limits::SHARDS_MAX));
    }
    Ok(CoreList(cores))
}

fn number(digits: &str, item: &str) -> Result<usize, String> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number {
        return Err(format!("{item:?} is neither a core's number nor a range of them, such as 0,2-3"));
    }
    // Past this the scheduler's own set has no place for it; it also bounds a range.
    match digits.parse() {
        Ok(core) if core < CpuSet::MAX_CPU => Ok(core),
        _ => Err(format!("core {digits} is past the last possible one, {}", CpuSet::MAX_CPU - 1)),
    }
}

/// The cores that the scheduler lets this process run on, ascending.
///
/// # Errors
/// The system call failed: the machine has more CPUs than a `CpuSet` holds.
pub(super) fn allowed() -> Result<Vec<usize>, Error> {
    let set = sched_getaffinity(None).map_err(|e| {
        Error::refused(format!("the cores of this process can't be told: {}", reason(&e.into())))
    })?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// The core of each shard.
///
/// Where neither is given a shard has a core of its own, and there are no more than the CPU `quota` has the time for.
///
/// Shards have a core of their own, unless more shards than cores are asked for by number alone: then the
/// cores are assigned round again, which is of use in tests on a small machine and noted at the start.
///
/// # Errors
/// A listed core is not allowed; more shards than listed cores.
pub(super) fn place(
    list: Option<&CoreList>,
    shards: Option<usize>,
    allowed: &[usize],
    quota: Option<Quota>,
) -> Result<Vec<usize>, Error> {
    let Some(CoreList(listed)) = list else {
        let affordable = quota.map_or(limits::SHARDS_MAX, Quota::shards).min(limits::SHARDS_MAX);
        let shards = shards.unwrap_or(allowed.len().min(affordable));
        return Ok(allowed.iter().copied().cycle().take(shards).collect());
    };
    if let Some(core) = listed.iter().find(|&core| !allowed.contains(core)) {
        return Err(Error::refused(format!(
            "--cores names core {core}, but this process may run on {} alone",
            ranges(allowed)
        )));
    }
    let shards = shards.unwrap_or(listed.len());
    if shards > listed.len() {
        return Err(Error::refused(format!(
            "--shards {shards} is more than the cores that --cores names ({})",
            listed.len()
        )));
    }
    Ok(listed[..shards].to_vec())
}

/// Cores as text, in their order, neighbours as a range: `0-3,8`.
pub(crate) fn ranges(cores: &[usize]) -> String {
    let mut text = String::new();
    for run in cores.chunk_by(|a, b| a + 1 == *b) {
        let comma = if text.is_empty() { "" } else { "," };
        let (first, last) = (run[0], run[run.len() - 1]);
        // Writing to a string does not fail.
        let _ = if first == last {
            write!(text, "{comma}{first}")
        } else {
            write!(text, "{comma}{first}-{last}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        #[track_caller]
        fn check(text: &str, expect: Result<&[usize], &str>) {
            match (parse_list(text), expect) {
                (Ok(CoreList(cores)), Ok(expect)) => assert_eq!(cores, expect, "{text}"),
                (Err(sentence), Err(part)) => assert!(sentence.contains(part), "{text}: {sentence}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
        check("0", Ok(&[0]));
        check("0,2-3", Ok(&[0, 2, 3]));
        check("5,1", Ok(&[5, 1]));
        check("4-4", Ok(&[4]));
        check("1023", Ok(&[1023]));
        check("", Err("neither a core's number"));
        check("0,", Err("neither a core's number"));
        check("a", Err("\"a\" is neither"));
        check("-1", Err("\"-1\" is neither"));
        check("1-", Err("\"1-\" is neither"));
        check("1-2-3", Err("\"1-2-3\" is neither"));
        check("+1", Err("neither"));
        check(" 1", Err("neither"));
        check("3-1", Err("runs backwards"));
        check("0,1,0", Err("core 0 is named twice"));
        check("0-2,1", Err("core 1 is named twice"));
        check("1024", Err("past the last possible one, 1023"));
        check("0-99999999999999999999999", Err("past the last possible one"));
        check("0-64", Err("65 cores are named; at most 64"));
    }

    #[test]
    fn placement() {
        #[track_caller]
        fn check(
            list: Option<&str>,
            shards: Option<usize>,
            allowed: &[usize],
            expect: Result<&[usize], &str>,
        ) {
            let list = list.map(|text| parse_list(text).unwrap());
            match (place(list.as_ref(), shards, allowed, None), expect) {
                (Ok(cores), Ok(expect)) => assert_eq!(cores, expect),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, _) => panic!("{got:?}"),
            }
        }
        check(None, None, &[0, 1], Ok(&[0, 1]));
        check(None, None, &[3, 7], Ok(&[3, 7]));
        check(None, Some(1), &[3, 7], Ok(&[3]));
        check(None, Some(4), &[0], Ok(&[0, 0, 0, 0]));
        check(None, Some(3), &[4, 5], Ok(&[4, 5, 4]));
        check(Some("1"), None, &[0, 1], Ok(&[1]));
        check(Some("3,1-2"), Some(2), &[1, 2, 3], Ok(&[3, 1]));
        check(Some("2"), None, &[0, 1], Err("names core 2, but this process may run on 0-1 alone"));
        check(Some("0,1"), Some(3), &[0, 1], Err("--shards 3 is more than the cores that --cores names (2)"));
        let many: Vec<usize> = (0..100).collect();
        check(None, None, &many, Ok(&many[..limits::SHARDS_MAX]));
    }

    #[test]
    fn placement_under_a_quota() {
        #[track_caller]
        fn check(milli: u64, list: Option<&str>, shards: Option<usize>, expect: &[usize]) {
            let list = list.map(|text| parse_list(text).unwrap());
            let cores = place(list.as_ref(), shards, &[2, 3, 5, 7], Quota::of(milli, 1_000));
            assert_eq!(cores.unwrap(), expect, "{milli}");
        }
        check(1, None, None, &[2]);
        check(500, None, None, &[2]);
        check(1_999, None, None, &[2]);
        check(2_000, None, None, &[2, 3]);
        check(3_900, None, None, &[2, 3, 5]);
        check(8_000, None, None, &[2, 3, 5, 7]);
        check(u64::MAX, None, None, &[2, 3, 5, 7]);
        // Whoever says how many is not overruled.
        check(500, None, Some(3), &[2, 3, 5]);
        check(500, Some("3,7"), None, &[3, 7]);
        check(500, Some("3,7"), Some(1), &[3]);
    }

    #[test]
    fn text_of_cores() {
        #[track_caller]
        fn check(cores: &[usize], expect: &str) {
            assert_eq!(ranges(cores), expect);
        }
        check(&[], "");
        check(&[0], "0");
        check(&[0, 1, 2, 3, 8], "0-3,8");
        check(&[3, 1, 2], "3,1-2");
        check(&[0, 0, 0], "0,0,0");
    }
}
