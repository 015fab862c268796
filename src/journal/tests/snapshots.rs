use super::{ORIGIN, settings};
use crate::reader::ReadError;
use crate::snapshot::{
    FRAME_BYTES, FRAME_FIRST_AT, FRAME_PAYLOAD_AT, FRAME_SECOND_AT, Sink, SnapshotHeader, SnapshotReader,
    SnapshotWriter, Source, WriteError,
};
use crate::{Damage, Fault, Origin, Point, RecordHash};
use wallet::account::Slot;
use wallet::image::{AccountImage, RoundImage, RoundKind, SessionImage, SumImage, TransactionImage};
use wallet::settings::Settings;
use wallet::{PlatformKey, Rules};

const HEADER: SnapshotHeader = SnapshotHeader {
    has_history: true,
    origin: ORIGIN,
    covers: Point { sequence: 99, hash: RecordHash::from_bits(u128::MAX / 3) },
    now_ms: 1 << 41,
    rules: Rules::V2,
    next_segment: 9,
};

/// Gives a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Source for Trickle<'_> {
    type Error = std::convert::Infallible;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, Self::Error> {
        let count = room.len().min(self.0.len()).min(1_000);
        room[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn account(id: &str) -> AccountImage {
    let transaction = TransactionImage {
        id: "t".into(),
        kind: 2,
        flags: 1,
        amount: 100,
        balance_after: i64::MAX,
        at_ms: 5,
        number: 7,
        game: Some("11588".into()),
        original: Some(0),
    };
    AccountImage {
        id: id.into(),
        country: *b"GB",
        gender: Some(b'F'),
        born: Some((1965, 5, 16)),
        user_name: Some("a user's name that is long".into()),
        cash: 1_000_000,
        version: 3,
        sessions: vec![SessionImage {
            key: "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c".into(),
            serial: 1,
            endless: true,
            started_ms: 1,
            used_ms: 2,
        }],
        limits: [Some(1), None, Some(3), None, None, None, Some(7)],
        sums: Some([SumImage { from_ms: 1, staked: i128::MAX, won: -1 }; 3]),
        rounds: vec![
            RoundImage {
                id: "r".into(),
                state: 1,
                staked: 100,
                transactions: vec![transaction.clone(), transaction.clone()],
                ..RoundImage::default()
            },
            RoundImage::outside(RoundKind::Credit, PlatformKey::NONE, transaction),
        ],
        alerts: vec![(1, "{}".into())],
        ..AccountImage::default()
    }
}

type Sections = Vec<(Slot, Vec<AccountImage>)>;

fn sections() -> Sections {
    let slot = |index| Slot::new(index).unwrap();
    vec![
        (slot(3), vec![account("default/a"), AccountImage { id: "default/b".into(), ..Default::default() }]),
        (slot(4_095), vec![account("default/c")]),
    ]
}

fn written(header: SnapshotHeader, sections: &Sections) -> Vec<u8> {
    let mut writer = SnapshotWriter::begin(Vec::new(), header, &settings()).unwrap();
    writer.slot(Slot::new(0).unwrap(), &[]).unwrap();
    for (slot, accounts) in sections {
        writer.slot(*slot, accounts).unwrap();
    }
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<(SnapshotHeader, Settings, Sections), Damage> {
    let damage = |error| match error {
        ReadError::Damage(damage) => damage,
        ReadError::Caller(never) => match never {},
    };
    let mut reader = SnapshotReader::open("snapshot", Trickle(bytes), ORIGIN).map_err(damage)?;
    let mut sections = Vec::new();
    while let Some(section) = reader.section().map_err(damage)? {
        sections.push(section);
    }
    assert!(reader.section().unwrap().is_none());
    Ok((reader.header(), reader.settings().clone(), sections))
}

#[test]
fn what_is_written_reads_back() {
    for sections in [sections(), Vec::new()] {
        assert_eq!(read(&written(HEADER, &sections)), Ok((HEADER, settings(), sections)));
    }
}

#[test]
fn no_byte_is_changed_unseen() {
    let bytes = written(HEADER, &sections());
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(read(&flipped).is_err(), "byte {at}");
        let cut = read(&bytes[..at]).unwrap_err();
        assert_eq!(cut.fault, Fault::CutShort, "cut at {at}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(read(&longer).unwrap_err().fault, Fault::TooLong);
}

#[test]
fn a_section_can_not_be_left_out() {
    let bytes = written(HEADER, &sections());
    let without = written(HEADER, &sections()[..1].to_vec());
    // The end of the whole snapshot behind its first section.
    let end = bytes.len() - 64;
    let spliced = [&without[..without.len() - 64], &bytes[end..]].concat();
    assert!(read(&spliced).is_err());
}

/// A frame of the snapshot, with its first byte at `at`, in which `number` was put at `field`; its checksum fits.
#[track_caller]
fn check_frame(at: usize, length: usize, field: usize, number: u32, expect: &str) {
    let mut bytes = written(HEADER, &sections());
    let frame = &mut bytes[at..at + length];
    crate::bytes::put(frame, field, number.to_le_bytes());
    let checksum = crate::bytes::checksum(&frame[crate::bytes::CHECKSUM_BYTES..]);
    crate::bytes::put(frame, 0, checksum.to_le_bytes());
    let damage = read(&bytes).unwrap_err();
    assert_eq!((damage.offset as usize, &*damage.fault.to_string()), (at, expect));
}

#[test]
fn frames_say_what_is_in_them() {
    let first = written(HEADER, &Vec::new()).len() - FRAME_BYTES;
    let second = written(HEADER, &sections()[..1].to_vec()).len() - FRAME_BYTES;
    let end = written(HEADER, &sections()).len() - FRAME_BYTES;
    let counts = "a section has another number of accounts than it says";
    check_frame(first, second - first, FRAME_SECOND_AT, 3, counts);
    check_frame(end, FRAME_BYTES, FRAME_FIRST_AT, 3, "a frame is none that stands here");
    check_frame(end, FRAME_BYTES, FRAME_SECOND_AT, 4, "a frame is none that stands here");
    let most = limits::SNAPSHOT_SECTION_BYTES_MAX as u32;
    check_frame(end, FRAME_BYTES, FRAME_PAYLOAD_AT, most, "it ends too early");
    check_frame(end, FRAME_BYTES, FRAME_PAYLOAD_AT, most + 1, "a frame is larger than any");
}

#[test]
fn version_0_1_0_does_not_say_which_segment_follows() {
    assert_eq!(HEADER.known(None).next_segment, Some(9));
    assert_eq!(SnapshotHeader { next_segment: 0, ..HEADER }.known(None).next_segment, None);
}

#[test]
fn a_snapshot_of_another_journal_is_refused() {
    let origin = Origin { shard: 0, ..ORIGIN };
    let bytes = written(SnapshotHeader { origin, ..HEADER }, &sections());
    assert_eq!(read(&bytes).unwrap_err().fault, Fault::Origin { found: origin, expected: ORIGIN });
    assert!(matches!(read(&[b'x'; 200]).unwrap_err().fault, Fault::Magic { .. }));
}

#[test]
#[should_panic(expected = "in order")]
fn slots_are_written_in_order() {
    let mut sections = sections();
    sections.reverse();
    written(HEADER, &sections);
}

#[test]
fn a_sink_that_is_full_is_told_of() {
    struct Full;
    impl Sink for Full {
        type Error = &'static str;

        fn write(&mut self, _: &[u8]) -> Result<(), Self::Error> {
            Err("full")
        }
    }
    let begun = SnapshotWriter::begin(Full, HEADER, &settings());
    assert!(matches!(begun, Err(WriteError::Sink("full"))));
}

#[test]
fn what_is_too_large_for_a_section_comes_in_several() {
    let accounts: Vec<_> = (0..5).map(|at| account(&format!("default/{at}"))).collect();
    let slot = Slot::new(9).unwrap();
    let mut writer = SnapshotWriter::begin(Vec::new(), HEADER, &settings()).unwrap();
    writer.section_bytes_max = 2_500;
    writer.slot(slot, &accounts).unwrap();
    let (_, _, sections) = read(&writer.finish().unwrap()).unwrap();
    assert!(sections.len() > 1);
    assert!(sections.iter().all(|(of, _)| *of == slot));
    assert_eq!(sections.into_iter().flat_map(|(_, accounts)| accounts).collect::<Vec<_>>(), accounts);

    // To the last byte.
    let alone = |most: usize| {
        let mut writer = SnapshotWriter::begin(Vec::new(), HEADER, &settings()).unwrap();
        writer.section_bytes_max = most;
        writer.slot(slot, &accounts[..1]).map(|()| writer.finish().unwrap())
    };
    let (most, bytes) = (1..).find_map(|most| Some((most, alone(most).ok()?))).unwrap();
    let without = written(HEADER, &Vec::new()).len();
    assert_eq!(bytes.len() - without, (FRAME_BYTES + most).next_multiple_of(16));

    let mut writer = SnapshotWriter::begin(Vec::new(), HEADER, &settings()).unwrap();
    writer.section_bytes_max = 100;
    let refused = writer.slot(slot, &accounts);
    assert!(matches!(refused, Err(WriteError::AccountTooLarge(id)) if id == "default/0"));
}
