//! Segments that are nearly full: all have one length, and a shard comes to the next when one is.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use journal::{Group, Journal, Mark, Place};
use limits::{JOURNAL_BLOCK_BYTES, SEGMENT_BYTES};
use partition::Partition;
use purser::data::{ReadProgress, ShardFiles};
use recovery::Recovered;
use storage::directory::DataDirectory;
use storage::manifest::Manifest;
use testkit::home::Server;
use wallet::PlatformKey;
use wallet::account::AccountRef;
use wallet::amount::Amount;
use wallet::operation::{self, Operation};
use wallet::outcome::Receipt;

/// Accounts that nobody else uses; each shard has one, however many there are.
const FILLERS: usize = 16;

/// Bytes of a large record, which no platform sends.
const LARGE_BYTES: u64 = 400 * 1024;

/// What a record takes in a segment besides its text, at most.
const AROUND_BYTES: u64 = 2 * JOURNAL_BLOCK_BYTES as u64;

/// What is left of a segment: enough for some requests.
const LEFT_BYTES: u64 = 16 * JOURNAL_BLOCK_BYTES as u64;

fn filler(number: usize) -> String {
    format!("default/filler-{number}")
}

/// Makes the accounts whose records fill the segments.
#[track_caller]
pub(crate) fn create_fillers(process: &Server) {
    for number in 0..FILLERS {
        process.operate(&format!("PUT {}", filler(number)), r#"{"CountryCode":"GB"}"#, 201);
    }
}

/// Has the shards of these accounts write past their segments, which are nearly full.
#[track_caller]
pub(crate) fn come_to_next_segments(process: &Server, accounts: impl IntoIterator<Item = String>) {
    for account in accounts {
        for _ in 0..20 {
            process.operate(&format!("POST {account}/sessions"), r#"{"SessionKey":"a-moment"}"#, 201);
            process.operate(&format!("DELETE {account}/sessions/a-moment"), "", 200);
        }
    }
}

/// Fills the segments that are to be written next, as if a server had: with alerts that move nothing. No server runs.
#[track_caller]
pub(crate) fn fill_segments(data: &Path) {
    let directory = DataDirectory::lock(data).expect("no server runs");
    let manifest = Manifest::read(data).expect("it is whole").expect("it was served from");
    let partition = Partition::new(manifest.shards.into());
    for shard in 0..manifest.shards {
        let files = ShardFiles::of(&directory, manifest, shard);
        let (mark, _) = files.mark().expect("it is whole");
        let Recovered { tail, now_ms, .. } =
            files.recover(Some(mark), &ReadProgress::default()).expect("it is whole");
        let owner =
            |account: &String| partition.owner(AccountRef::new(account.as_str()).hash().slot()).index();
        let account = (0..FILLERS).map(filler).find(|account| owner(account) == usize::from(shard));
        let account = account.expect("every shard has an account to fill it with");
        let mut journal = Journal::new(files.origin, tail.last);
        let mut writer = Writer::new(&files, tail.next);
        assert!(tail.torn.is_none(), "a server that was killed between two writes");
        while writer.left() > LEFT_BYTES + AROUND_BYTES {
            let bytes = (writer.left() - LEFT_BYTES - AROUND_BYTES).min(LARGE_BYTES);
            let details = format!(r#"{{"Data":"{}"}}"#, "x".repeat(bytes as usize));
            let account = AccountRef::new(account.as_str());
            let platform = PlatformKey::new("L100").expect("a key");
            let alert = Operation::Alert(operation::Alert { platform, account, details: &*details });
            let receipt = Receipt { code: 0, cash: Amount::ZERO, version: 0, session_used_ms: 0 };
            journal.append(now_ms, &alert, &receipt);
            let group = journal.take_group().expect("there is a record");
            writer.write(&group);
            journal.give_back(group);
        }
        // A clean stop's mark names the very end.
        let mark = Mark { last: journal.last(), segment: writer.number, ..mark };
        let slots = [mark.to_block(2), mark.to_block(1)].concat();
        std::fs::write(files.directory.mark(), slots).expect("there is room");
    }
}

struct Writer {
    file: std::fs::File,
    number: u32,
    offset: u64,
}

impl Writer {
    fn new(files: &ShardFiles, next: Place) -> Self {
        let path = files.directory.segment(next.segment);
        if !path.exists() {
            files.directory.create_segment(next.segment, SEGMENT_BYTES as u64).expect("there is room");
        }
        let file = OpenOptions::new().write(true).open(path).expect("it is there");
        Self { file, number: next.segment, offset: next.offset }
    }

    fn left(&self) -> u64 {
        SEGMENT_BYTES as u64 - self.offset
    }

    fn write(&mut self, group: &Group) {
        if self.offset == 0 {
            self.file.write_all_at(&group.segment_header(self.number), 0).expect("there is room");
            self.offset = JOURNAL_BLOCK_BYTES as u64;
        }
        self.file.write_all_at(&group.bytes, self.offset).expect("there is room");
        self.offset += group.bytes.len() as u64;
    }
}
