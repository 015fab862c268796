//! Records: any payload behind a head whose checksum fits.

use journal::record::{ChainLink, Record};
use journal::{Buffer, Change};
use wallet::Rules;

use crate::{edits, world};

/// Payloads of records of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    world::world().payloads.iter().map(|payload| [b"2", &payload[..]].concat()).collect()
}

/// A byte that is `1` for the form of version 0.1.0, and the payload.
///
/// What this version reads it writes again, and reads as the same.
pub fn run(data: &[u8]) {
    let Some((version, payload)) = data.split_first() else { return };
    let rules = if *version == b'1' { Rules::V1 } else { Rules::V2 };
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(&[0; 64]);
    buffer[32..40].copy_from_slice(&7_u64.to_le_bytes());
    buffer[48..52].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    buffer.extend_from_slice(payload);
    buffer.resize(buffer.len().next_multiple_of(16), 0);
    let hash = edits::seal(&mut buffer);
    let Ok(record) = Record::read(rules, &buffer) else { return };
    assert_eq!((record.bytes(), record.hash()), (buffer.len(), world::hash(hash)));
    let (change, receipt) = (record.change(), record.receipt());
    let (Ok(change), Ok(receipt), Rules::V2) = (change, receipt, rules) else { return };
    let link = ChainLink { sequence: 8, ..record.link() };
    let mut written = Vec::new();
    match &change {
        Change::Operation(operation) => Record::write(&mut written, link, operation, &receipt),
        Change::Configure(settings) => Record::write_settings(&mut written, link, settings),
    };
    let mut again = Buffer::new();
    again.extend_from_slice(&written);
    let again = Record::read(Rules::V2, &again)
        .map(|read| (read.change().map(|change| format!("{change:?}")), read.receipt()));
    let receipt = if matches!(change, Change::Configure(_)) { Default::default() } else { receipt };
    assert_eq!(again, Ok((Ok(format!("{change:?}")), Ok(receipt))));
}
