//! `purser backup` and `purser restore`: a data directory that is made of another one.
//!
//! A backup is made beside a server that writes, and asks it for nothing. All files are opened before any is copied, as whoever looks
//! into the data does. No record concerns two shards, but a login waits for the logout at another shard that frees its key. So all
//! shards are copied up to one moment: that of the newest group of any of them, looked for before the first one is read. What is of
//! later groups is left out, and so is a write that is under way. The mark of each copy then names its last record, as after a clean
//! stop, so that a copy that is shortened later is damage.

mod archive;
mod copy;
mod past;
mod rounds;

use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use crate::config::{BackupOptions, RestoreOptions};
use crate::inspect::{self, Error, words};
use archive::copy_archive;
use clock::Clock;
use copy::Copying;
use journal::Mark;
use storage::FileError;
use storage::archive::Archive;
use storage::hold::hold_to_read;
use storage::making::{NewDirectory, Zeros, is_within};
use storage::manifest::Manifest;
use storage::reader::{self, Opened};
use wallet::{Millis, Sequence};

/// Why a copy is not made.
enum Failure {
    /// What is copied is damaged; or a server has stopped or started meanwhile, and it is to be copied once more.
    Source(Error),
    /// The copy does not come out as it should.
    Unverified(Error),
    /// The copy can't be written.
    Copy(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Source(error.into())
    }
}

impl Failure {
    fn into_inner(self) -> Error {
        let (Self::Source(error) | Self::Unverified(error) | Self::Copy(error)) = self;
        error
    }
}

/// Makes an error of what was written one that a further attempt does not help against.
fn written(error: FileError) -> Failure {
    Failure::Copy(error.into())
}

/// Where a shard of a copy ends.
struct ShardPoint {
    last: Sequence,
    /// The time that it has come to, milliseconds since 1970.
    now_ms: Millis,
}

/// Backs up a data directory that may be served, and writes what came of it to `out`.
///
/// # Errors
/// Where there are no data, something of them is damaged, or the place for the backup is none.
pub fn backup(args: &BackupOptions, out: &mut impl Write) -> Result<(), Error> {
    let clock = Clock::start();
    let earlier = args.since.as_deref().map(|path| earlier(path, &args.data)).transpose()?;
    // What is no data directory needs no other one.
    drop(inspect::open(&args.data)?);
    let to = begin(&args.to, &args.data)?;
    let made = {
        let copying = Copying::new(&to, Zeros::Hole, earlier, args.verify);
        copy_all(&args.data, args.archive.as_deref(), &copying).map(|made| {
            let (data, place) = (args.data.display(), args.to.display());
            let words = format!("{data} is backed up in {place}: {}\n", copying.words(&clock));
            (made.manifest, table(&made.points) + &words)
        })
    };
    finish(to, made, out)
}

/// Restores a data directory from a backup, or from one that nobody serves, and writes what came of it to `out`.
///
/// # Errors
/// Where there are no data, something of them is damaged, a server holds them, they do not reach back to the time that was asked
/// for, or the place for what is restored is none.
pub fn restore(args: &RestoreOptions, out: &mut impl Write) -> Result<(), Error> {
    let clock = Clock::start();
    let opened = inspect::open(&args.from)?;
    let _held = hold_to_read(&args.from).map_err(|error| Error::Usage(error.to_string()))?;
    let to = begin(&args.to, &args.from)?;
    let made = match args.at_ms {
        Some(at_ms) => restore_past(args, &opened, at_ms, &to, &clock),
        None => {
            let copying = Copying::new(&to, Zeros::Written, None, args.verify);
            copy_all(&args.from, args.archive.as_deref(), &copying).map(|made| {
                let (from, place) = (args.from.display(), args.to.display());
                let words = format!("{from} is restored in {place}: {}\n", copying.words(&clock));
                (made.manifest, table(&made.points) + &words)
            })
        }
    };
    finish(to, made, out)
}

/// Makes what was opened as it was at `at_ms`. Returns its manifest, and what came of it in words.
fn restore_past(
    args: &RestoreOptions,
    opened: &Opened,
    at_ms: Millis,
    to: &NewDirectory,
    clock: &Clock,
) -> Result<(Manifest, String), Error> {
    let past = past::restore(opened, args.archive.as_deref(), at_ms, to)?;
    let words = if args.verify {
        verify(to, &past.manifest)?;
        "nothing in it is damaged"
    } else {
        "it was not verified"
    };
    let (from, place) = (args.from.display(), args.to.display());
    let (time, took) = (words::time(at_ms), seconds(clock.mono_us()));
    let told = format!(
        "{}{}{from} as it was at {time} is restored in {place}: it took {took}, and {words}\n",
        table(&past.points),
        past.left_out
    );
    Ok((past.manifest, told))
}

/// Finishes what was made, and tells of it; or removes it.
fn finish(
    to: NewDirectory,
    made: Result<(Manifest, String), Error>,
    out: &mut impl Write,
) -> Result<(), Error> {
    match made {
        Ok((manifest, told)) => {
            to.finish(&manifest)?;
            out.write_all(told.as_bytes())?;
            Ok(out.flush()?)
        }
        Err(error) => {
            // What is left of it, where it can't be removed, is refused by whoever is given it.
            let _ = to.abandon();
            Err(error)
        }
    }
}

/// Begins to make a directory of the data at `from`.
fn begin(to: &Path, from: &Path) -> Result<NewDirectory, Error> {
    // Also of those that are made on the way, and in the shortest moment.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    if is_within(to, from) {
        let (to, from) = (to.display(), from.display());
        return Err(Error::Usage(format!("{to} is in {from}: name a directory outside of it")));
    }
    NewDirectory::begin(to).map_err(|error| Error::Usage(error.to_string()))
}

/// Opens an earlier backup of the data.
fn earlier(path: &Path, data: &Path) -> Result<Opened, Error> {
    if is_within(path, data) {
        let path = path.display();
        return Err(Error::Usage(format!(
            "{path} is what is to be backed up, or in it: name an earlier backup"
        )));
    }
    inspect::open(path)
}

/// What was made of all data.
struct Made {
    manifest: Manifest,
    points: Vec<ShardPoint>,
}

/// Copies the shards, and the archive where that is given, and verifies the copy where that is asked for.
///
/// A server may stop, start and change what was opened. Then all but the archive is copied once more.
fn copy_all(from: &Path, archive: Option<&Path>, copying: &Copying<'_>) -> Result<Made, Error> {
    let mut tries = 1;
    loop {
        let opened = inspect::open(from)?;
        let failure = match copy_once(&opened, archive, copying) {
            Ok(made) => return Ok(made),
            Err(failure) => failure,
        };
        let is_worth_it = match &failure {
            Failure::Source(_) => has_restarted(&opened) && tries < limits::BACKUP_TRIES,
            // Where a server writes, another moment may be luckier. Where what it has written is damaged, it is not.
            Failure::Unverified(_) => opened.shards.iter().any(inspect::was_changed) && tries == 1,
            Failure::Copy(_) => false,
        };
        if !is_worth_it {
            return Err(failure.into_inner());
        }
        tries += 1;
        copying.begin_again()?;
    }
}

/// Whether a server has stopped or started since the files were opened: it may have written behind an end that was known, or have gone
/// on to another generation. Whatever else it does changes nothing of files that are open.
fn has_restarted(opened: &Opened) -> bool {
    let is_another = Manifest::read(&opened.path).is_ok_and(|now| now != Some(opened.manifest));
    let phase = |mark: Option<Mark>| mark.map(|mark| (mark.start.number, mark.stopped.is_some()));
    is_another
        || opened.shards.iter().enumerate().any(|(id, shard)| {
            let origin = inspect::origin(opened.manifest, id);
            let now = shard.directory.read_mark().ok();
            let now = now.and_then(|mark| Mark::read("", &mark, origin).ok());
            let then = inspect::mark(shard, origin).ok().flatten();
            phase(then) != phase(now.map(|(mark, _)| mark))
        })
}

fn copy_once(opened: &Opened, archive: Option<&Path>, copying: &Copying<'_>) -> Result<Made, Failure> {
    let Opened { manifest, path, .. } = opened;
    if !manifest.has_marks() {
        return Err(Error::Failed(format!(
            "the data in {} are of format version {}: start the server on them once, which writes them in this version's",
            path.display(),
            manifest.format
        ))
        .into());
    }
    let archive = archive.map(|path| Archive::at(path.to_owned()));
    let points = copying.shards(opened, archive.is_some())?;
    let copied = match &archive {
        Some(archive) => copy_archive(opened, archive, copying)?,
        None => None,
    };
    let verified = copying.verifying(|| {
        if copying.is_verified {
            verify(copying.to, manifest)?;
        }
        archive::verify(copying.to, manifest, copied.as_ref(), copying.is_verified)
    });
    verified.map_err(Failure::Unverified)?;
    Ok(Made { manifest: *manifest, points })
}

/// Verifies what was made, which has no manifest yet.
fn verify(to: &NewDirectory, manifest: &Manifest) -> Result<(), Error> {
    let found = inspect::look(&reader::open_as(to.path(), manifest)?);
    if found.is_whole() {
        return Ok(());
    }
    let text = found.text.trim_end();
    Err(Error::Failed(format!("what was made in {} is not whole:\n{text}", to.path().display())))
}

/// A line for each shard.
fn table(points: &[ShardPoint]) -> String {
    let width = points.iter().map(|point| point.last.to_string().len()).max().unwrap_or(0).max(11);
    let mut text = format!("SHARD  {:width$}  LAST CHANGE\n", "LAST RECORD");
    for (shard, ShardPoint { last, now_ms }) in points.iter().enumerate() {
        text += &format!("{shard:5}  {last:width$}  {}\n", words::time(*now_ms));
    }
    text
}

/// Microseconds in words.
fn seconds(us: u64) -> String {
    format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000)
}

/// The archive of a directory that is being made.
fn archive_in(to: &Path) -> PathBuf {
    to.join(crate::config::ARCHIVE)
}
