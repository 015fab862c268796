//! What a writer refuses, and how large the parts of a file become.

use super::{HEADER, SMALL, open, round, row, rows, write};
use crate::{Row, WriteError, Writer};

#[track_caller]
fn check(rows: &[Row], expect: &str) {
    let mut writer = Writer::within(SMALL, Vec::new(), HEADER).unwrap();
    let said = rows.iter().find_map(|row| writer.push(row.clone()).err());
    assert_eq!(said.map(|said| format!("{said:?}")).as_deref(), Some(expect));
}

#[test]
fn rows_come_in_order() {
    let all = rows(3, 1);
    let [first, second, _] = &all[..] else { panic!("three rows") };
    let expect = format!("OutOfOrder({:?})", first.account);
    check(&[first.clone(), first.clone()], &expect);
    check(&[second.clone(), first.clone()], &expect);
    let newer = Row { round: round(&first.round.id, first.round.last_ms + 1, 3), ..first.clone() };
    check(&[newer, first.clone()], &expect);
    // A block that is full is gone, and its last row is not forgotten.
    let many = rows(1, 50);
    let expect = format!("OutOfOrder({:?})", many[0].account);
    for at in 1..many.len() {
        let [before, behind] = [&many[..=at], &many[at..]].map(<[Row]>::to_vec);
        check(&[before, behind].concat(), &expect);
    }
}

#[test]
fn a_row_is_bounded() {
    let most = limits::ROUND_TRANSACTIONS_MAX;
    let long = "\u{10ffff}".repeat(limits::ID_CHARS_MAX);
    let mut largest = round(&long, 1, most);
    for transaction in &mut largest.transactions {
        (transaction.id, transaction.game) = (long.clone(), Some(long.clone()));
    }
    let largest = row(&format!("default/{long}"), largest);
    let (_, bytes) = write(std::slice::from_ref(&largest));
    let read: Result<Vec<_>, _> = open(&bytes).unwrap().rows().collect();
    assert_eq!(read.unwrap_or_default(), std::slice::from_ref(&largest));
    let mut larger = largest;
    larger.round.transactions.iter_mut().for_each(|known| known.id.push_str(&long));
    let mut writer = Writer::begin(Vec::new(), HEADER).unwrap();
    assert!(matches!(writer.push(larger), Err(WriteError::RowTooLarge(_))));
}
