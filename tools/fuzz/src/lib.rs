//! Entry points for fuzzing: whatever reads bytes from outside or from a disk, and what must hold of any bytes.
//!
//! Each target is a function of bytes that panics where something is wrong. libFuzzer calls it from `targets/`, with
//! coverage to guide it; `tests/smoke.rs` calls it on stable Rust, with the corpus and with so many changes of it. So a
//! fault that a fuzzer found stays found: its input becomes a file of `corpus/`.
//!
//! What a target asserts goes beyond "it does not panic". A second reader, simpler or somebody else's, has to agree; what
//! was read is written and read again; how the bytes were cut up changes nothing.

pub mod amounts;
pub mod config;
pub mod corpus;
pub mod credentials;
pub mod history;
pub mod http;
pub mod journal;
pub mod mutate;
pub mod operator;
pub mod platform;
pub mod records;
pub mod snapshots;

mod calls;
mod edits;
mod world;

/// A target.
pub struct Target {
    /// Its name: of the program for libFuzzer, and of its folder in the corpus.
    pub name: &'static str,
    /// The entry point. It panics where something is wrong.
    pub run: fn(&[u8]),
    /// Seeds that are made and not kept, because they follow from the stored forms.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Texts that the target's language is made of.
    pub words: &'static [&'static str],
}

/// Every target.
pub const TARGETS: [Target; 10] = [
    Target { name: "http", run: http::run, seeds: Vec::new, words: &http::WORDS },
    Target { name: "platform", run: platform::run, seeds: platform::seeds, words: &platform::WORDS },
    Target { name: "operator", run: operator::run, seeds: Vec::new, words: &operator::WORDS },
    Target { name: "credentials", run: credentials::run, seeds: Vec::new, words: &credentials::WORDS },
    Target { name: "amounts", run: amounts::run, seeds: Vec::new, words: &amounts::WORDS },
    Target { name: "records", run: records::run, seeds: records::seeds, words: &[] },
    Target { name: "journal", run: journal::run, seeds: journal::seeds, words: &[] },
    Target { name: "snapshots", run: snapshots::run, seeds: snapshots::seeds, words: &[] },
    Target { name: "history", run: history::run, seeds: history::seeds, words: &history::WORDS },
    Target { name: "config", run: config::run, seeds: Vec::new, words: &config::WORDS },
];
