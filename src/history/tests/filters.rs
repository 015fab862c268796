//! A filter misses nothing, however it came to what it has, and takes no more memory than it may.

use std::sync::Arc;

use super::{HEADER, SMALL, open, open_for, platform, read, rows, slot_of, write, write_with};
use crate::filter::Block;
use crate::row::SortKey;
use crate::{Filter, History, HistoryFile, Row, all_slots, key_of};
use proptest::prelude::*;
use wallet::account::{AccountHash, Slot};
use wallet::image::RoundKind;

type File = Arc<HistoryFile<Vec<u8>>>;

fn file(rows: &[Row]) -> File {
    open(&write(rows).1).unwrap().into()
}

fn has(filter: &Filter, row: &Row) -> bool {
    filter.contains(row.sort_key(), || ())
}

/// The filter of files that come one after the other.
fn added(files: &[File]) -> Filter {
    let mut filter = Filter::new(&all_slots());
    for (number, file) in files.iter().enumerate() {
        for part in 0..filter.parts() {
            filter.add(part, file, || ()).unwrap();
            if filter.is_overfull(part) {
                filter.make(part, &files[..=number], || ()).unwrap();
            }
        }
    }
    filter
}

/// How many of a hundred thousand keys that are not there are taken for one that may be, in the slots of these accounts.
fn taken_wrongly(filter: &Filter, accounts: usize) -> usize {
    let other = |number: usize| {
        let account = AccountHash::of(&format!("default/player-{}", number % accounts));
        SortKey::new(account, key_of(account, &platform(), RoundKind::Plain, &format!("other-{number}")))
    };
    (0..100_000).filter(|number| filter.contains(other(*number), || ())).count()
}

/// Files of so many rows of 20 accounts each, one after the other: none is missed, and few others are taken for one.
#[track_caller]
fn check(sizes: &[usize]) {
    let all = rows(20, sizes.iter().sum::<usize>() / 20);
    let mut mixed = all.clone();
    mixed.sort_by_key(|row| row.sort_key().key);
    let mut rest = &mixed[..];
    let mut files = Vec::new();
    for size in sizes {
        let (of_file, behind) = rest.split_at(*size);
        let mut of_file = of_file.to_vec();
        Row::sort(&mut of_file);
        files.push(file(&of_file));
        rest = behind;
    }
    let (grown, made) = (added(&files), Filter::of(&all_slots(), &files, || ()).unwrap());
    for filter in [&grown, &made] {
        assert!(all.iter().all(|row| has(filter, row)), "{sizes:?}");
        assert!(filter.keys() <= all.len() as u64);
        let wrong = taken_wrongly(filter, 20);
        assert!(wrong < 600, "{sizes:?}: {wrong}");
    }
    assert!(made.keys() + 2 >= all.len() as u64, "{} of {}", made.keys(), all.len());
}

#[test]
fn none_is_missed_however_files_come() {
    check(&[0]);
    check(&[1_000]);
    check(&[20, 20, 20, 40]);
    check(&[40_000, 4_000, 2_000, 2_000]);
    check(&[400, 4_000, 40_000]);
    check(&[2_000; 20]);
}

/// Those of one slot alone: what others have does not hide how many it has.
#[test]
fn a_slot_with_many_keys_has_blocks_for_them() {
    let of_many = file(&rows(2_000, 4));
    let mut files = vec![of_many];
    let of_one = rows(1, 20_000);
    for of_file in of_one.chunks(1_000) {
        files.push(file(of_file));
    }
    let filter = added(&files);
    assert!(of_one.iter().all(|row| has(&filter, row)));
    let wrong = taken_wrongly(&filter, 1);
    assert!(wrong < 600, "{wrong}");
}

/// A key that comes again, as it does with each version of its round, takes no room.
#[test]
fn a_key_has_room_once() {
    let all = rows(20, 50);
    let once = added(&[file(&all)]);
    let again = added(&[file(&all), file(&all), file(&all[..500])]);
    assert_eq!((again.keys(), again.memory_bytes()), (once.keys(), once.memory_bytes()));
}

#[test]
fn a_row_takes_few_bits() {
    let all = rows(20, 5_000);
    let filter = Filter::of(&all_slots(), &[file(&all)], || ()).unwrap();
    let bytes = filter.memory_bytes() - Filter::new(&all_slots()).memory_bytes();
    let centibits = bytes * 800 / all.len() as u64;
    assert!(centibits < 1_175, "{centibits}");
}

#[test]
fn without_a_filter_each_key_may_be_there() {
    let account = AccountHash::of("default/anna");
    assert!(History::<Vec<u8>>::new(Vec::new()).may_have(account, 7));
    assert!(!History::<Vec<u8>>::filtered(Vec::new(), Some(Filter::new(&all_slots()))).may_have(account, 7));
}

/// Places that are anywhere, or close together.
fn places() -> impl Strategy<Value = Vec<u32>> {
    let near = |first: u32| {
        proptest::collection::vec(0_u32..300, 1..60)
            .prop_map(move |more| more.into_iter().map(|more| first.wrapping_add(more)).collect::<Vec<u32>>())
    };
    prop_oneof![proptest::collection::vec(any::<u32>(), 0..60), any::<u32>().prop_flat_map(near)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// In any order and number, up to one that it can't hold.
    #[test]
    fn a_block_has_what_was_put_into_it(batches in proptest::collection::vec(places(), 1..9)) {
        let (mut block, mut all) = (Block::EMPTY, Vec::new());
        for mut batch in batches {
            batch.sort_unstable();
            batch.dedup();
            block.add(&batch, &mut Vec::new());
            all.extend(batch);
            all.sort_unstable();
            all.dedup();
            let made = Block::of(&all);
            prop_assert!(all.iter().all(|place| block.contains(*place) && made.contains(*place)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Thousands of rows in files of any form, for any owner: none is missed.
    #[test]
    fn none_is_ever_missed(
        accounts in 1_usize..400,
        rounds in 1_usize..12,
        page_blocks in 1_usize..9,
        first in 0_u16..4_096,
        slots in 0_u16..4_096,
    ) {
        let bounds = crate::writer::Bounds { page_blocks, ..SMALL };
        let rows = rows(accounts, rounds);
        let (_, bytes) = write_with(bounds, HEADER, &rows);
        let slot = |index| Slot::new(index).unwrap();
        let owned = slot(first)..=slot(first.saturating_add(slots).min(4_095));
        let file: File = open_for(&bytes, owned.clone()).unwrap().into();
        let filter = Filter::of(&owned, std::slice::from_ref(&file), || ()).unwrap();
        let mut ours = rows.iter().filter(|row| owned.contains(&slot_of(&row.account)));
        prop_assert!(ours.all(|row| has(&filter, row)));
        prop_assert_eq!(read(&open(&bytes).unwrap()), Ok(rows));
    }
}
