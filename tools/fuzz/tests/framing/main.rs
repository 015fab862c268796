//! Framing against hyper's on the same bytes: one table says where the two differ, and why.
//!
//! hyper is another reading of RFC 9112, by others, and serves behind many proxies. So a difference is a question, and each
//! has its answer in `table.rs`. A difference without a row fails; so does a row that nothing shows any more.

mod grammar;
mod parting;
mod table;
mod theirs;

use std::collections::BTreeMap;

use fuzz::http::{WORDS, frame};
use fuzz::mutate::{Chance, mutate};

use grammar::drawn;
use parting::differ;
use table::{EXPLAINED, explain};
use theirs::hyper;

/// Streams that are drawn, beside the corpus; `PURSER_FUZZ_RUNS` asks for another number.
const STREAMS: usize = 100_000;

#[test]
fn framing_is_hypers_but_for_what_is_explained() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let target = fuzz::TARGETS.iter().find(|target| target.name == "http").expect("the target");
    let corpus = fuzz::corpus::of(target);
    let mut seen: BTreeMap<&str, usize> = EXPLAINED.iter().map(|row| (row.name, 0)).collect();
    let mut unexplained = Vec::new();
    let mut agreed = 0;
    let streams =
        std::env::var("PURSER_FUZZ_RUNS").map_or(STREAMS, |runs| runs.parse().expect("a number of runs"));
    for run in 0..streams + corpus.len() {
        let mut chance = Chance::new(run as u64);
        let mut stream = match corpus.get(run) {
            Some((_, bytes)) => bytes.clone(),
            None => {
                let plain = drawn(&mut chance);
                match chance.below(3) {
                    0 => plain,
                    1 => mutate(&plain, &drawn(&mut chance), &WORDS, &mut chance),
                    _ => mutate(&chance.one_of(&corpus).1.clone(), &plain, &WORDS, &mut chance),
                }
            }
        };
        stream.extend_from_slice(b"\r\n");
        match differ(&stream, &frame([&stream[..]]), &hyper(&runtime, &stream)) {
            None => agreed += 1,
            Some(parting) => match explain(&parting) {
                Some(row) => *seen.get_mut(row.name).expect("a row of the table") += 1,
                None => unexplained.push(format!("{}\n{parting:?}", stream.escape_ascii())),
            },
        }
    }
    println!("{agreed} streams alike; {seen:#?}");
    for row in EXPLAINED {
        println!("| {} | {} |", row.name, row.why);
    }
    assert!(
        unexplained.is_empty(),
        "{} differences:\n{}",
        unexplained.len(),
        unexplained[..unexplained.len().min(40)].join("\n\n")
    );
    let unused: Vec<_> = seen.iter().filter(|(_, count)| **count == 0).collect();
    assert!(unused.is_empty(), "rows that nothing shows: {unused:?}");
    assert!(agreed > streams / 4, "most of what is drawn is no difference");
}
