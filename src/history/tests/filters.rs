//! A filter misses nothing, and takes no more memory than it may.

use super::{HEADER, SMALL, open, platform};
use crate::filter::Filter;
use crate::{Fingerprint, Header, Row, Writer, key_of};
use proptest::prelude::*;
use wallet::account::AccountHash;
use wallet::image::RoundKind;

/// Keys that depend on the seed alone.
fn keys(count: u64, seed: u64) -> Vec<u64> {
    (0..count).map(|at| xxhash_rust::xxh3::xxh3_64_with_seed(&at.to_le_bytes(), seed)).collect()
}

#[test]
fn a_filter_is_what_was_written_of_it() {
    for fingerprint in [Fingerprint::Eight, Fingerprint::Sixteen] {
        for count in [0, 1, 2, 3, 4, 5, 10, 100, 1_000, 70_000] {
            let known = keys(count, 1);
            // Several rows of a key.
            let mut twice = [&known[..], &known[..]].concat();
            let built = Filter::build(&mut twice, fingerprint);
            assert!(!matches!(built, Filter::Always));
            let entry = built.entry();
            let bytes = built.bytes();
            assert_eq!(entry.bytes(), Some(bytes.len()));
            let read = Filter::of(&entry, bytes);
            assert!(known.iter().all(|key| built.contains(*key) && read.contains(*key)));
            let others = keys(10_000, 2);
            assert!(others.iter().all(|key| built.contains(*key) == read.contains(*key)));
            let wrong = others.iter().filter(|key| read.contains(**key)).count();
            assert!(wrong < if fingerprint == Fingerprint::Eight { 100 } else { 5 }, "{count}: {wrong}");
        }
    }
}

#[test]
fn without_a_filter_each_key_may_be_there() {
    let read = Filter::of(&Filter::Always.entry(), Filter::Always.bytes());
    assert!(read.contains(0) && read.contains(u64::MAX));
    assert_eq!(read.entry().bytes(), Some(0));
}

/// Bits of memory for each row of a file of so many accounts.
fn bits_of(fingerprint: Fingerprint, accounts: usize) -> u64 {
    let mut writer = Writer::begin(Vec::new(), Header { fingerprint, ..HEADER }).unwrap();
    for row in super::rows(accounts, 8) {
        writer.push(row).unwrap();
    }
    let file = open(&writer.finish().unwrap().1).unwrap();
    file.memory_bytes() * 8 / file.counts().rows
}

#[test]
fn a_row_takes_few_bits() {
    assert!(bits_of(Fingerprint::Eight, 10_000) < 10);
    assert!(bits_of(Fingerprint::Sixteen, 10_000) < 20);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Thousands of rows in files of any form: none is missed.
    #[test]
    fn none_is_ever_missed(
        accounts in 1_usize..400,
        rounds in 1_usize..12,
        run_keys_min in 1_usize..2_000,
        more in 1_usize..2_000,
        page_blocks in 1_usize..9,
        sixteen: bool,
    ) {
        let fingerprint = if sixteen { Fingerprint::Sixteen } else { Fingerprint::Eight };
        let run_keys_max = run_keys_min + more;
        let bounds = crate::writer::Bounds { page_blocks, run_keys_min, run_keys_max, ..SMALL };
        let rows = super::rows(accounts, rounds);
        let (_, bytes) = super::write_with(bounds, Header { fingerprint, ..HEADER }, &rows);
        let file = open(&bytes).unwrap();
        for Row { account, round } in &rows {
            let account = AccountHash::of(account);
            prop_assert!(file.may_have(account, key_of(account, &platform(), RoundKind::Plain, &round.id)));
        }
        prop_assert_eq!(super::read(&file), Ok(rows));
    }
}
