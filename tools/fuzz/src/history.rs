//! The history: a good file and a good list that were changed, by a script; and bytes that are none.

use std::convert::Infallible;

use history::{
    FileEntry, FileList, Filter, Header, History, HistoryFile, Room, Row, Writer, all_slots, key_of,
};
use wallet::PlatformKey;
use wallet::account::AccountRef;
use wallet::image::{RoundImage, RoundKind, TransactionImage};
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

use crate::edits;
use crate::world::ORIGIN;

const HEADER_BYTES: usize = 64;
const FOOTER_BYTES: usize = 128;
const PAGE_BYTES: usize = 56;
const BLOCK_BYTES: usize = 60;
const KEY_BYTES: usize = 6;
const FILTER_BLOCK_BYTES: usize = 80;

/// Words of a list.
pub const WORDS: [&str; 8] =
    ["purser-history 2\n", "covers ", "cut_ms ", "file ", "checksum ", " - ", "-\n", "\n"];

/// A file and a list, each whole and without a change, and the lines of a list.
pub fn seeds() -> Vec<Vec<u8>> {
    let list = list().to_bytes();
    let lines = &list[..list.len() - 42];
    let scripts = [&b"s"[..], b"t"].map(<[u8]>::to_vec);
    let [file, list, lines] = [(b"r", &file()[..]), (b"l", &list), (b"c", lines)]
        .map(|(mode, bytes): (&[u8; 1], &[u8])| [mode, bytes].concat());
    [vec![file, list, lines], scripts.to_vec()].concat()
}

/// The first byte says what follows: `r` a file, `l` a list, `c` a list without its checksum, `t` a script of changes of a list,
/// and else a script of changes of a file.
pub fn run(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode {
        b'r' => drop(read(rest)),
        b'l' => drop(read_list(rest)),
        b'c' => drop(read_list(&with_checksum(rest))),
        b't' => {
            let mut files = [list().to_bytes()];
            let edited = edits::apply(rest, &mut files);
            let [bytes] = &files;
            let lines = bytes.len().saturating_sub(42);
            let read = read_list(bytes);
            assert!(read.is_err() || !edited.changed, "a change that no checksum tells");
            drop(read_list(&with_checksum(&bytes[..lines])));
        }
        _ => run_script(rest),
    }
}

fn run_script(script: &[u8]) {
    let mut files = [file()];
    let edited = edits::apply(script, &mut files);
    let [mut bytes] = files;
    if edited.refit {
        refit(&mut bytes);
    }
    let rows = match read(&bytes) {
        Err(error) => {
            assert!(edited.changed, "a good file: {error}");
            assert!(!error.is_empty());
            return;
        }
        Ok(rows) => rows,
    };
    assert!(edited.refit || !edited.changed, "a change that no checksum tells");
    // What was read is written, and read again, as the same.
    assert_eq!(read(&write(&rows)).as_ref(), Ok(&rows));
    assert!(edited.changed || write(&rows) == file());
}

/// All rows; a history finds each of them.
fn read(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let open = || HistoryFile::open("file", bytes.to_vec(), all_slots()).map_err(text);
    let file = open()?;
    let rows: Vec<Row> = file.rows().collect::<Result<_, _>>().map_err(text)?;
    let files = vec![file.into()];
    let filter = Filter::of(&all_slots(), &files, || ()).map_err(text)?;
    let history = History::filtered(files, Some(filter));
    let mut room = Room::default();
    for Row { account, round } in rows.iter().step_by(9) {
        let account = AccountRef::new(account);
        let kind = RoundKind::from_number(round.kind).unwrap_or(RoundKind::Plain);
        let key = key_of(account.hash(), &round.platform, kind, &round.id);
        assert!(history.may_have(account.hash(), key));
        let found = history.find(&mut room, &account, key, |found| found.id == round.id).map_err(text)?;
        assert!(!found.is_empty(), "a row that was read is not found");
    }
    Ok(rows)
}

fn text(error: journal::reader::ReadError<Infallible>) -> String {
    match error {
        journal::reader::ReadError::Damage(damage) => damage.to_string(),
        journal::reader::ReadError::Caller(never) => match never {},
    }
}

/// A list that is read is what was written.
fn read_list(bytes: &[u8]) -> Result<FileList, String> {
    let list = FileList::from_bytes("list", bytes).map_err(|damage| damage.to_string())?;
    assert_eq!(list.to_bytes(), bytes);
    Ok(list)
}

fn with_checksum(lines: &[u8]) -> Vec<u8> {
    [lines, format!("checksum {:032x}\n", xxh3_128(lines)).as_bytes()].concat()
}

/// Enough rows for a few blocks.
fn rows() -> Vec<Row> {
    let platform = PlatformKey::new("L100").expect("a key").bytes();
    let row = |at: u64| {
        let transaction = |number: u64| TransactionImage {
            id: format!("{at}-{number}"),
            amount: 100,
            number,
            original: (number == 2).then_some(0),
            ..TransactionImage::default()
        };
        let round = RoundImage {
            id: format!("round-{at}"),
            platform,
            kind: if at.is_multiple_of(7) { 1 } else { 0 },
            game: "11588".into(),
            state: 2,
            last_ms: 1_764_000_000_000 + at,
            transactions: (0..at % 4).map(transaction).collect(),
            ..RoundImage::default()
        };
        Row { account: format!("default/player-{}", at / 3), round }
    };
    let mut rows: Vec<Row> = (0..150).map(row).collect();
    rows.sort_by_key(Row::sort_key);
    rows
}

fn write(rows: &[Row]) -> Vec<u8> {
    let header = Header { origin: ORIGIN, number: 1 };
    let written = Writer::begin(Vec::new(), header).and_then(|mut writer| {
        rows.iter().try_for_each(|row| writer.push(row.clone()))?;
        writer.finish()
    });
    let Ok((_, bytes)) = written else { panic!("rows that were read are in order") };
    bytes
}

fn file() -> Vec<u8> {
    static FILE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    FILE.get_or_init(|| write(&rows())).clone()
}

fn list() -> FileList {
    let bytes = file();
    let opened = HistoryFile::open("file", bytes.clone(), all_slots());
    let summary = *opened.unwrap_or_else(|error| panic!("{}", text(error))).summary();
    let entry = FileEntry { summary, clamp_ms: None };
    let clamped = FileEntry { clamp_ms: Some(7), ..entry };
    FileList { covers: 99, cut_ms: 1_764_000_000_000, files: vec![entry, clamped] }
}

// ── Checksums that fit again ─────────────────────────────────────────────────────────────────────────────

fn number(bytes: &[u8], at: usize) -> usize {
    let eight = bytes.get(at..).and_then(<[u8]>::first_chunk);
    eight.map_or(0, |eight| u64::from_le_bytes(*eight) as usize)
}

/// The checksum of a part, put where it belongs, where both are in the file.
fn fit(bytes: &mut [u8], part: std::ops::Range<usize>, at: usize) {
    let Some(sum) = bytes.get(part).map(xxh3_128) else { return };
    if let Some(room) = bytes.get_mut(at..at.saturating_add(16)) {
        room.copy_from_slice(&sum.to_le_bytes());
    }
}

/// Makes every checksum fit again: of blocks, their keys, and pages, of the table, and of both ends.
fn refit(bytes: &mut [u8]) {
    if bytes.len() < HEADER_BYTES + FOOTER_BYTES {
        return;
    }
    let footer = bytes.len() - FOOTER_BYTES;
    let table = number(bytes, footer + 8);
    // What is in the file, at most.
    let pages = edits::u32_at(bytes, footer + 16).min(bytes.len() / PAGE_BYTES);
    for page in 0..pages {
        refit_page(bytes, table.saturating_add(page * PAGE_BYTES));
    }
    fit(bytes, 0..HEADER_BYTES - 16, HEADER_BYTES - 16);
    fit(bytes, 0..HEADER_BYTES, footer + 64);
    fit(bytes, table..table.saturating_add(pages * PAGE_BYTES), footer + 80);
    fit(bytes, footer..footer + FOOTER_BYTES - 16, footer + FOOTER_BYTES - 16);
}

/// Those of a page, whose entry is given, and of its blocks and their keys.
fn refit_page(bytes: &mut [u8], entry: usize) {
    let blocks = edits::u32_at(bytes, entry.saturating_add(18)) & 0xffff;
    let (mut block, page) =
        (number(bytes, entry.saturating_add(24)), number(bytes, entry.saturating_add(32)));
    let place = |number: usize| page.saturating_add(number * BLOCK_BYTES);
    for number in 0..blocks {
        let end = block.saturating_add(edits::u32_at(bytes, place(number).saturating_add(24)));
        fit(bytes, block..end, place(number).saturating_add(28));
        block = end;
    }
    // The keys are behind all blocks.
    for number in 0..blocks {
        let rows = edits::u32_at(bytes, place(number).saturating_add(18)) & 0xffff;
        let end = block.saturating_add(rows * KEY_BYTES);
        fit(bytes, block..end, place(number).saturating_add(44));
        block = end;
    }
    // Then the filter.
    while block.saturating_add(FILTER_BLOCK_BYTES) <= page.min(bytes.len()) {
        let end = block + FILTER_BLOCK_BYTES;
        let sum = xxh3_128_with_seed(&bytes[block..end - 16], block as u64);
        bytes[end - 16..end].copy_from_slice(&sum.to_le_bytes());
        block = end;
    }
    fit(bytes, page..place(blocks), entry.saturating_add(40));
}
