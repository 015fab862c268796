mod bounds;
mod damages;
mod files;
mod filters;
mod lists;
mod merges;

use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::row::Placed;
use crate::writer::Bounds;
use crate::{Filter, Header, History, HistoryFile, Row, Summary, Writer, all_slots};
use journal::reader::ReadError;
use journal::{Damage, Origin};
use wallet::PlatformKey;
use wallet::account::Slot;
use wallet::image::{RoundImage, TransactionImage};

const ORIGIN: Origin = Origin { stream: 0x5eed_0000_0000_0001, shard: 1, shards: 3 };

const HEADER: Header = Header { origin: ORIGIN, number: 7 };

/// Parts so small that a file of a few rows has several of each.
const SMALL: Bounds = Bounds { block_bytes: 1_000, page_blocks: 3 };

fn platform() -> [u8; PlatformKey::BYTES] {
    PlatformKey::new("L100").unwrap().bytes()
}

fn transaction(id: &str, at_ms: u64) -> TransactionImage {
    TransactionImage { id: id.into(), amount: 100, at_ms, number: 1, ..TransactionImage::default() }
}

/// A closed round with so many transactions, the last one at `last_ms`.
fn round(id: &str, last_ms: u64, transactions: usize) -> RoundImage {
    RoundImage {
        id: id.into(),
        platform: platform(),
        game: "11588".into(),
        state: 2,
        staked: 100,
        last_ms,
        transactions: (0..transactions).map(|at| transaction(&format!("{id}-{at}"), last_ms)).collect(),
        ..RoundImage::default()
    }
}

fn row(account: &str, round: RoundImage) -> Row {
    Row { account: account.into(), round }
}

/// Rows of so many accounts, each with so many rounds, in order.
fn rows(accounts: usize, rounds: usize) -> Vec<Row> {
    let of = |account: usize| {
        (0..rounds).map(move |at| {
            let last_ms = 1_000 + (account * rounds + at) as u64;
            row(&format!("default/player-{account}"), round(&format!("round-{account}-{at}"), last_ms, 2))
        })
    };
    sorted((0..accounts).flat_map(of).collect())
}

fn sorted(rows: Vec<Row>) -> Vec<Row> {
    let mut placed: Vec<Placed> = rows.into_iter().map(Placed::new).collect();
    placed.sort_by(Placed::cmp_row);
    placed.into_iter().map(|placed| placed.row).collect()
}

fn write_with(bounds: Bounds, header: Header, rows: &[Row]) -> (Summary, Vec<u8>) {
    let mut writer = Writer::within(bounds, Vec::new(), header).unwrap();
    for row in rows {
        writer.push(row.clone()).unwrap();
    }
    writer.finish().unwrap()
}

fn write(rows: &[Row]) -> (Summary, Vec<u8>) {
    write_with(SMALL, HEADER, rows)
}

fn damage(error: ReadError<Infallible>) -> Damage {
    match error {
        ReadError::Damage(damage) => damage,
        ReadError::Caller(never) => match never {},
    }
}

fn open_for(bytes: &[u8], slots: RangeInclusive<Slot>) -> Result<HistoryFile<Vec<u8>>, Damage> {
    HistoryFile::open("h-7", bytes.to_vec(), slots).map_err(damage)
}

fn open(bytes: &[u8]) -> Result<HistoryFile<Vec<u8>>, Damage> {
    open_for(bytes, all_slots())
}

/// All rows, or what is wrong first.
fn read(file: &HistoryFile<Vec<u8>>) -> Result<Vec<Row>, Damage> {
    file.rows().collect::<Result<_, _>>().map_err(damage)
}

fn opened(rows: &[Row]) -> HistoryFile<Vec<u8>> {
    open(&write(rows).1).unwrap()
}

/// A history of these files, which were opened for all slots, and its filter.
fn filtered(files: Vec<HistoryFile<Vec<u8>>>) -> History<Vec<u8>> {
    let files: Vec<_> = files.into_iter().map(Arc::new).collect();
    let slots = files.first().map_or_else(all_slots, |file| file.slots().clone());
    let filter = Filter::of(&slots, &files, || ()).unwrap();
    History::filtered(files, Some(filter))
}

fn slot_of(account: &str) -> Slot {
    wallet::account::AccountHash::of(account).slot()
}
