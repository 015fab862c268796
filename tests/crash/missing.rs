//! Files that are missing, cut, zeroed, or of another time: a start refuses, changes nothing, and says which; `purser
//! verify` finds the same.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use journal::mark::Start;
use journal::{Mark, Origin, Point};
use limits::{JOURNAL_BLOCK_BYTES, SEGMENT_BYTES};
use partition::Partition;
use rustix::fs::Mode;
use testkit::home::{Home, Server};
use testkit::message::balance;
use wallet::account::AccountRef;

use crate::PURSER;
use crate::files::{await_mark, await_names, contents, copy, flip, names, used_segments};

const BLOCK: u64 = JOURNAL_BLOCK_BYTES as u64;

/// The shard whose files are damaged here has number 1.
pub(crate) const SHARDS: usize = 2;

pub(crate) const DEPOSITS: u64 = 4;

/// An account of each shard.
pub(crate) fn accounts() -> [String; SHARDS] {
    std::array::from_fn(|shard| {
        let partition = Partition::new(SHARDS);
        let mut names = (0..).map(|number| format!("default/player-{number}"));
        let is_of_shard =
            |name: &String| partition.owner(AccountRef::new(name.as_str()).hash().slot()).index() == shard;
        names.find(is_of_shard).expect("every shard has slots")
    })
}

pub(crate) fn told(deposits: u64) -> String {
    format!(
        r#"{{"ErrorCode":0,"Balance":{{"CurrencyCode":"GBP","CashFunds":{deposits}.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":{deposits}}}}}"#
    )
}

#[track_caller]
pub(crate) fn deposit(process: &Server, account: &str, number: u64) {
    let body = format!(r#"{{"TransactionID":"d{number}","Amount":1.00}}"#);
    process.operate(&format!("POST {account}/deposits"), &body, 200);
}

/// A data directory that was served from.
pub(crate) struct Served {
    pub(crate) home: Home,
    is_stopped: bool,
}

/// How a server ended.
pub(crate) const ENDS: [bool; 2] = [true, false];

impl Served {
    /// It was stopped in order, or killed once all of it was marked.
    #[track_caller]
    pub(crate) fn new(is_stopped: bool) -> Self {
        let home = Home::new(PURSER);
        let process = home.start(SHARDS);
        for account in accounts() {
            process.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
            (1..=DEPOSITS).for_each(|number| deposit(&process, &account, number));
        }
        let served = Self { home, is_stopped };
        served.end(process);
        served
    }

    #[track_caller]
    fn end(&self, process: Server) {
        if self.is_stopped {
            assert_eq!(process.stop(), "");
            return;
        }
        for shard in 0..SHARDS {
            await_mark(&self.home.data().join(format!("gen-1/shard-{shard}")), 1 + DEPOSITS);
        }
        await_names(&self.home.data(), "the segments that are made ready", |names| {
            names.iter().filter(|name| name.ends_with("segment-00000002.journal")).count() == SHARDS
        });
        process.kill();
    }

    /// A copy of it, to be damaged.
    #[track_caller]
    pub(crate) fn copy(&self) -> Home {
        let home = Home::new(PURSER);
        copy(&self.home.data(), &home.data());
        home
    }

    /// After this `damage` a start refuses with a sentence that has these `parts`, changes nothing, and so does
    /// `verify`.
    #[track_caller]
    fn check(&self, what: &str, damage: impl Fn(&Path), parts: &[&str]) {
        let home = self.copy();
        damage(&home.data());
        // Another number of shards is refused before anything is re-sharded.
        let (how, shards) = if self.is_stopped { ("stopped", SHARDS) } else { ("killed", 1) };
        check_refused(&home, shards, &format!("{what}, {how}"), parts);
    }
}

#[track_caller]
fn check_refused(home: &Home, shards: usize, what: &str, parts: &[&str]) {
    let before = contents(&home.data());
    let sentence = home.refusal(shards);
    assert!(sentence.starts_with("purser: ") && sentence.lines().count() == 1, "{what}: {sentence}");
    for part in parts {
        assert!(sentence.contains(part), "{what}: {part:?} in {sentence}");
    }
    let times = sentence.to_lowercase().matches("nothing was changed").count();
    assert_eq!(times, 1, "{what}: it is said once: {sentence}");
    assert!(contents(&home.data()) == before, "{what}: what is there is left as it is");
    let text = home.verify(1);
    assert!(text.contains(parts[0]), "{what}: {:?} in {text}", parts[0]);
    let sums = text.lines().filter(|line| line.starts_with("domain "));
    assert!(sums.into_iter().all(|sum| sum.ends_with("in the shards that could be read")), "{what}: {text}");
}

/// What is there after a start, which has nothing to complain of.
#[track_caller]
pub(crate) fn check_served(home: &Home, deposits: u64) {
    home.verify(0);
    for shards in [SHARDS, 1, SHARDS] {
        let process = home.start(shards);
        accounts().iter().for_each(|account| process.check(&balance(account), &told(deposits)));
        process.stop();
    }
    home.verify(0);
}

fn shard(data: &Path) -> PathBuf {
    data.join("gen-1/shard-1")
}

fn segment(data: &Path, number: u32) -> PathBuf {
    shard(data).join(format!("segment-{number:08}.journal"))
}

pub(crate) fn empty(path: &Path) {
    fs::remove_dir_all(path).expect("it is there");
    fs::create_dir(path).expect("it is not there");
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("it is there");
}

fn set_length(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length)).expect("it is there");
}

/// From here to its end a file is zeros, and as long as before.
fn zero_from(path: &Path, offset: u64) {
    let length = path.metadata().expect("it is there").len();
    set_length(path, offset);
    set_length(path, length);
}

fn end_of(path: &Path, data: &Path) -> u64 {
    let used = used_segments(data).into_iter().find(|(used, _)| used == path);
    used.expect("it is used").1
}

fn snapshot(data: &Path) -> PathBuf {
    shard(data).join("snapshot-0000000000000000")
}

#[test]
fn what_is_whole_is_served() {
    for is_stopped in ENDS {
        check_served(&Served::new(is_stopped).copy(), DEPOSITS);
    }
}

#[test]
fn what_the_manifest_names_is_missing() {
    for is_stopped in ENDS {
        let served = Served::new(is_stopped);
        let missing = "restore the whole data directory from a backup";
        served.check("no manifest", |data| remove(&data.join("manifest")), &["/data/manifest", missing]);
        let remove_all = |path: PathBuf| fs::remove_dir_all(path).expect("it is there");
        served.check("no generation", |data| remove_all(data.join("gen-1")), &["/data/gen-1: ", missing]);
        served.check("an empty generation", |data| empty(&data.join("gen-1")), &["/data/gen-1: ", missing]);
        let rename = |data: &Path| fs::rename(data.join("gen-1"), data.join("gen-2")).expect("it is there");
        served.check("another generation", rename, &["/data/gen-1: ", missing]);
        served.check("no shard", |data| remove_all(shard(data)), &["/data/gen-1/shard-1: ", missing]);
        served.check("an empty shard", |data| empty(&shard(data)), &["/data/gen-1/shard-1: ", missing]);
        served.check("no snapshot", |data| remove(&snapshot(data)), &["/data/gen-1/shard-1: ", missing]);
        let mark = |data: &Path| shard(data).join("mark");
        served.check("no mark", |data| remove(&mark(data)), &["/data/gen-1/shard-1/mark: ", missing]);
        served.check(
            "a mark that is cut",
            |data| set_length(&mark(data), BLOCK),
            &["/shard-1/mark, byte 4096: "],
        );
        served.check("a mark of zeros", |data| zero_from(&mark(data), 0), &["/shard-1/mark, byte 0: "]);
        served.check(
            "an empty snapshot",
            |data| set_length(&snapshot(data), 0),
            &["/snapshot-0000000000000000"],
        );
        let other_mark = |data: &Path| {
            fs::copy(data.join("gen-1/shard-0/mark"), mark(data)).expect("it is there");
        };
        served.check("another shard's mark", other_mark, &["/shard-1/mark, byte "]);
    }
}

/// One shard is put back from a copy of before the last start, its mark with it: each shard alone is whole.
#[test]
fn a_shard_of_an_older_copy() {
    for is_stopped in ENDS {
        for put_back in 0..SHARDS {
            let served = Served::new(is_stopped);
            let older = served.copy();
            let process = served.home.start(SHARDS);
            accounts().iter().for_each(|account| deposit(&process, account, DEPOSITS + 1));
            if !is_stopped {
                for shard in 0..SHARDS {
                    await_mark(&served.home.data().join(format!("gen-1/shard-{shard}")), 2 + DEPOSITS);
                }
                process.kill();
            } else {
                assert_eq!(process.stop(), "");
            }
            let name = format!("gen-1/shard-{put_back}");
            let damage = |data: &Path| {
                fs::remove_dir_all(data.join(&name)).expect("it is there");
                copy(&older.data().join(&name), &data.join(&name));
            };
            let mark = format!("/{name}/mark, byte ");
            served.check(
                "a shard of before",
                damage,
                &[&mark, "it is of start 1 of the server", "of start 2", "older copy"],
            );
            // All of them together are what they were then.
            check_served(&older, DEPOSITS);
        }
    }
}

/// Files are put back from a copy of before the last start, and not all of them: as a restore leaves it that ends half-way.
#[test]
fn a_copy_from_another_time_is_refused() {
    let served = Served::new(true);
    let older = served.copy();
    let process = served.home.start(SHARDS);
    accounts().iter().for_each(|account| deposit(&process, account, DEPOSITS + 1));
    assert_eq!(process.stop(), "");
    let first = "gen-1/shard-0/segment-00000001.journal";
    let marks = ["gen-1/shard-0/mark", "gen-1/shard-1/mark"];
    for put_back in [&marks[..], &[marks[0], first, marks[1]]] {
        let damage = |data: &Path| {
            for name in put_back {
                fs::copy(older.data().join(name), data.join(name)).expect("it is there");
            }
        };
        served.check(
            "a restore that was cut short",
            damage,
            &["the journal goes on to record", "another time"],
        );
    }
}

/// A pipe would be waited for without end.
#[test]
fn what_is_no_file_is_refused() {
    let served = Served::new(true);
    let names = ["manifest", "gen-1/shard-1/mark", "gen-1/shard-1/segment-00000001.journal"];
    for name in names {
        let home = served.copy();
        let path = home.data().join(name);
        remove(&path);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).expect("a pipe");
        for sentence in [home.refusal(SHARDS), home.verify(1)] {
            assert!(sentence.contains(&format!("{name}: it is no regular file: restore")), "{sentence}");
        }
    }
}

/// After a clean stop both halves of a mark say the same: one that is lost is told of, and written anew by the next start.
#[test]
fn half_a_mark_is_lost() {
    let served = Served::new(true);
    for half in [0, BLOCK] {
        let home = served.copy();
        flip(&shard(&home.data()).join("mark"), half);
        let lost = "gen-1/shard-1/mark: half of it is not as it was written";
        assert!(home.verify(0).contains(lost), "{}", home.verify(0));
        assert_eq!(home.start(SHARDS).stop(), "");
        assert!(!home.verify(0).contains(lost), "{}", home.verify(0));
        check_served(&home, DEPOSITS);
    }
}

#[test]
fn the_end_of_the_journal_is_missing() {
    for is_stopped in ENDS {
        let served = Served::new(is_stopped);
        let path = "gen-1/shard-1/segment-00000001.journal";
        let first = |data: &Path| segment(data, 1);
        served.check("no segment", |data| remove(&first(data)), &[path, "it is missing"]);
        for length in [0, 3 * BLOCK, SEGMENT_BYTES as u64 - 1] {
            let sentence = format!("it ends at byte {length}");
            served.check(
                "a segment that is cut",
                |data| set_length(&first(data), length),
                &[path, &sentence],
            );
        }
        let last = |data: &Path| end_of(&first(data), data) - BLOCK;
        served.check("a segment without its last write", |data| zero_from(&first(data), last(data)), &[path]);
        let half = |data: &Path| zero_from(&first(data), last(data) + 64);
        served.check("a segment with half of its last write", half, &[path, "was durable"]);
        served.check("a segment with half of its writes", |data| zero_from(&first(data), 3 * BLOCK), &[path]);
        served.check("a segment of zeros", |data| zero_from(&first(data), 0), &[path, "was durable"]);
        let turn = |data: &Path| flip(&first(data), last(data) + 100);
        served.check("a bit in the last write", turn, &[path, "was durable"]);
        let beyond = |data: &Path| flip(&first(data), end_of(&first(data), data) + 100);
        let both = |data: &Path| {
            beyond(data);
            flip(&first(data), SEGMENT_BYTES as u64 - 1);
        };
        served.check("more than one write behind the end", both, &[path, "longer than one write"]);
        if is_stopped {
            served.check("something behind the end", beyond, &[path, "the server was stopped in order"]);
        }
        let next = |data: &Path| segment(data, 2);
        let cut = |data: &Path| set_length(&next(data), BLOCK);
        served.check(
            "a segment that was made ready, cut",
            cut,
            &["segment-00000002.journal", "it ends at byte 4096"],
        );
    }
}

/// The segment that was made ready is there after a clean stop. After a kill it need not be: it may not have been made.
#[test]
fn the_segment_that_was_made_ready_is_missing() {
    let served = Served::new(true);
    served.check("no segment made ready", |data| remove(&segment(data, 2)), &["segment-00000002.journal"]);
    let home = Served::new(false).copy();
    let next = segment(&home.data(), 2);
    if next.exists() {
        remove(&next);
    }
    check_served(&home, DEPOSITS);
}

/// A kill may leave a mark from before the segment that the snapshot names was begun. The one behind it, which was made
/// ready, must not be taken for it.
#[test]
fn the_segment_that_the_snapshot_names_is_missing() {
    let served = Served::new(false);
    let damage = |data: &Path| {
        let path = shard(data).join("mark");
        let stream = fs::read(&path).expect("it is there")[16..24].try_into().expect("eight bytes");
        let origin = Origin { stream: u64::from_le_bytes(stream), shard: 1, shards: SHARDS as u16 };
        let mark = Mark {
            origin,
            last: Point::START,
            segment: 0,
            stopped: None,
            start: Start { number: 1, together: false },
        };
        fs::write(&path, [mark.to_block(2), mark.to_block(1)].concat()).expect("there is room");
        remove(&segment(data, 1));
        // The server may have been killed before it was made.
        fs::write(segment(data, 2), "").expect("there is room");
        set_length(&segment(data, 2), SEGMENT_BYTES as u64);
    };
    served.check("no first segment", damage, &["segment-00000001.journal: it is missing"]);
}

/// A write that a crash has torn is behind the mark: the mark follows what is durable.
#[test]
fn a_tear_behind_the_mark_is_cut() {
    let home = Served::new(false).copy();
    let first = segment(&home.data(), 1);
    flip(&first, end_of(&first, &home.data()) + 100);
    home.verify(0);
    let process = home.start(SHARDS);
    assert!(process.notes.contains("was torn by a crash and is cut"), "{}", process.notes);
    process.stop();
    check_served(&home, DEPOSITS);
}

/// What this program has not made is left alone, wherever it is.
#[test]
fn what_is_not_understood_is_left() {
    let home = Served::new(true).copy();
    let others = ["notes", "gen-1/notes", "gen-1/shard-1/notes", "gen-1/shard-1/segment-1.journal", "gen-01"];
    for other in others {
        fs::write(home.data().join(other), "mine").expect("there is room");
    }
    home.start(SHARDS).stop();
    let process = home.start(1);
    assert!(process.notes.contains("generation 1 is left in "), "{}", process.notes);
    accounts().iter().for_each(|account| process.check(&balance(account), &told(DEPOSITS)));
    process.stop();
    for other in others {
        assert_eq!(fs::read_to_string(home.data().join(other)).expect("it is there"), "mine", "{other}");
    }
    home.verify(0);
}

/// A first start that is killed, wherever it had come to, is no hindrance to the next.
#[test]
fn a_first_start_is_killed() {
    let stages =
        ["/manifest", "/gen-1", "/unfinished", "/snapshot-", "/segment-00000001.journal.new", "/mark"];
    for stage in stages {
        for shards in [1, 2] {
            let home = Home::new(PURSER);
            let process = home.spawn(2);
            await_names(&home.data(), stage, |names| names.iter().any(|name| name.contains(stage)));
            process.kill();
            let process = home.start(shards);
            process.operate("PUT default/anna", r#"{"CountryCode":"GB"}"#, 201);
            process.stop();
            home.verify(0);
        }
    }
}

/// A data directory of version 0.1.0, which has no marks, as it was before the zeros behind its segments were left out.
#[track_caller]
fn of_version_1() -> Home {
    let mut home = Home::new(PURSER);
    let from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/0.1.0"));
    home.configure_by(fs::read_to_string(from.join("purser.toml")).expect("it is there"));
    // However long ago it was written.
    home.argue("--after-pause", true);
    copy(&from.join("data"), &home.data());
    for name in names(&home.data()).iter().filter(|name| name.ends_with(".journal")) {
        set_length(Path::new(name), SEGMENT_BYTES as u64);
    }
    home
}

/// What can be known without marks is checked; and once it is served it has them.
#[test]
fn data_without_marks_are_checked_and_written_anew() {
    let snapshot = |data: &Path| {
        let all = names(&shard(data));
        PathBuf::from(all.iter().find(|name| name.contains("/snapshot-")).expect("there is one"))
    };
    let check = |what: &str, damage: &dyn Fn(&Path), parts: &[&str]| {
        let home = of_version_1();
        damage(&home.data());
        check_refused(&home, SHARDS, what, parts);
    };
    let missing = "restore the whole data directory from a backup";
    let remove_all = |path: PathBuf| fs::remove_dir_all(path).expect("it is there");
    check("no generation", &|data| remove_all(data.join("gen-1")), &["/data/gen-1: ", missing]);
    check("no shard", &|data| remove_all(shard(data)), &["/data/gen-1/shard-1: ", missing]);
    check("no snapshot", &|data| remove(&snapshot(data)), &["/data/gen-1/shard-1: ", missing]);
    check(
        "a cut segment",
        &|data| set_length(&segment(data, 3), BLOCK),
        &["segment-00000003.journal", "byte 4096"],
    );
    let long = |data: &Path| {
        let last = end_of(&segment(data, 2), data);
        flip(&segment(data, 2), last);
        flip(&segment(data, 2), SEGMENT_BYTES as u64 - 1);
    };
    check("a long tear", &long, &["segment-00000002.journal", "longer than one write"]);
    for shards in [2, 3] {
        let home = of_version_1();
        home.verify(0);
        let process = home.start(shards);
        assert!(process.notes.contains("the data of format version 1 are written anew"), "{}", process.notes);
        process.stop();
        assert!(!home.data().join("gen-1").exists() && home.data().join("gen-2/shard-1/mark").exists());
        home.verify(0);
        let process = home.start(shards);
        assert!(!process.notes.contains("written anew"), "{}", process.notes);
        process.stop();
    }
}
