//! Bytes that are not as they were written are told of, and never handed out.

use super::{HEADER, SMALL, open, read, rows, write, write_with};
use crate::Header;
use journal::{Damage, Fault};

/// Opens and reads all of it.
fn read_all(bytes: &[u8]) -> Result<usize, Damage> {
    open(bytes).and_then(|file| read(&file)).map(|rows| rows.len())
}

#[test]
fn no_byte_is_changed_unseen() {
    let (_, bytes) = write(&rows(25, 2));
    assert_eq!(read_all(&bytes), Ok(50));
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let damage = read_all(&flipped).expect_err("a byte that is flipped");
        assert!(damage.offset <= at as u64, "byte {at}: {damage}");
        let cut = read_all(&bytes[..at]);
        assert!(cut.is_err(), "cut at {at}");
        let mut without = bytes.clone();
        without.remove(at);
        assert!(read_all(&without).is_err(), "without byte {at}");
        let mut with = bytes.clone();
        with.insert(at, 0);
        assert!(read_all(&with).is_err(), "with a byte at {at}");
    }
    for more in [1, 16, 1_000] {
        let longer = [&bytes[..], &vec![0; more]].concat();
        assert!(read_all(&longer).is_err(), "{more} bytes more");
    }
}

#[track_caller]
fn check(bytes: &[u8], offset: u64, expect: &str) {
    let damage = read_all(bytes).unwrap_err();
    assert_eq!((damage.offset, damage.fault.to_string().as_str()), (offset, expect));
    assert_eq!(damage.file, "h-7");
}

#[test]
fn damage_has_its_place_and_says_what_is_wrong() {
    let (_, bytes) = write(&rows(25, 2));
    let flipped = |at: usize| {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        flipped
    };
    let end = bytes.len() as u64 - 128;
    check(&[], 0, "it ends too early");
    check(&bytes[..191], 191, "it ends too early");
    check(&flipped(0), 0, "it begins with 707572486973746e and should with 707572486973746f");
    check(&flipped(20), 0, "its header is not as it was written");
    check(&flipped(64), 64, "a block is not as it was written");
    check(&bytes[..bytes.len() - 1], end - 1, "its end is not here: it was cut, or something was added");
    check(&[&bytes[..], &[0]].concat(), end + 1, "its end is not here: it was cut, or something was added");
    check(&flipped(bytes.len() - 1), end, "its footer is not as it was written");
    let tables_at = u64::from_le_bytes(bytes[end as usize + 8..][..8].try_into().unwrap());
    check(&flipped(tables_at as usize), tables_at, "its tables are not as they were written");
    // The last page says of two blocks, and is behind the keys of their rows.
    let page_at = tables_at - 120;
    check(&flipped(page_at as usize), page_at, "a page is not as it was written");
    // It has the one block of its filter before it, and before that the keys.
    check(&flipped(page_at as usize - 1), page_at - 80, "a page's filter is not as it was written");
    let damage = read_all(&flipped(page_at as usize - 81)).unwrap_err();
    assert_eq!(damage.fault, Fault::Bytes("the keys of a block are not as they were written".into()));
    assert!((page_at - 180..page_at - 80).contains(&damage.offset));
}

#[test]
fn a_later_version_is_told_from_damage() {
    let (_, mut bytes) = write(&rows(1, 1));
    bytes[8] = 3;
    let sum = crate::bytes::checksum(&bytes[..48]).to_le_bytes();
    bytes[48..64].copy_from_slice(&sum);
    check(&bytes, 0, "it has format version 3, and this program reads version 2");
}

#[test]
fn ends_of_different_files_do_not_fit() {
    let (_, one) = write(&rows(25, 2));
    let (_, other) = write_with(SMALL, Header { number: 8, ..HEADER }, &rows(25, 2));
    let mixed = [&other[..64], &one[64..]].concat();
    check(&mixed, 0, "its header is not the one that its footer belongs to");
}
