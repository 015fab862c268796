//! A data directory as it was at a moment: the last snapshot before it, the records from there to it, and nothing else.
//!
//! What is made is a new generation, of a stream of its own, that holds the state and has no records. So its journal can't be mixed up
//! with that of the data it was made of, which went on otherwise.

use std::fmt::Write as _;
use std::path::Path;

use super::ShardPoint;
use super::rounds::{self, Memory};
use crate::data::{self, ShardFiles};
use crate::inspect::history::{self, GenerationHistory, Halt, ShardHistory};
use crate::inspect::progress::Progress;
use crate::inspect::{Error, words};
use journal::Origin;
use journal::reader::ReadError;
use partition::Partition;
use recovery::again;
use storage::FileError;
use storage::archive::Archive;
use storage::making::{NewDirectory, sync_names};
use storage::manifest::Manifest;
use storage::reader::Opened;
use wallet::image::AccountImage;
use wallet::{Millis, PlatformKey, Sequence, Wallet};

/// What was made of a moment.
pub(super) struct Past {
    pub(super) manifest: Manifest,
    pub(super) points: Vec<ShardPoint>,
    /// A line for each shard and generation of which something came later.
    pub(super) left_out: String,
}

/// A shard at the moment.
struct ShardPast {
    wallet: Wallet,
    last: Sequence,
    now_ms: Millis,
    /// The first record after the moment, and its time.
    next: Option<(Sequence, Millis)>,
}

/// Makes in `to` what was opened, as it was at `at_ms`.
pub(super) fn restore(
    opened: &Opened,
    archive: Option<&Path>,
    at_ms: Millis,
    to: &NewDirectory,
) -> Result<Past, Error> {
    let archive = archive.map(|path| Archive::at(path.to_owned()));
    let generations = history::all(opened, archive.as_ref())?;
    let chosen = last_begun(&generations, at_ms)?;
    let generation = &generations[chosen];
    if opened.manifest.generation == generation.number && !opened.manifest.has_marks() {
        return Err(Error::Failed(
            "the data are of version 0.1.0: start the server on them once, which writes them in this version's form".into(),
        ));
    }
    let manifest = Manifest::new(
        opened.manifest.generation.saturating_add(1),
        stream()?,
        generation.shards.len() as u16,
        opened.manifest.demo,
    );
    let progress = Progress::of(generation.shards.iter().map(ShardHistory::bytes).sum(), true);
    let (mut points, mut left_out, mut is_something) = (Vec::new(), String::new(), false);
    for shard in &generation.shards {
        let id = shard.origin.shard;
        let mut past = read(shard, at_ms, &progress)?;
        if !generation.platforms.is_empty() {
            past.wallet = named(past.wallet, past.now_ms, &generation.platforms)?;
        }
        is_something |= past.last > 0 || past.wallet.accounts() > 0;
        left_out += &words_of(shard, &past)?;
        let directory = to.make_shard(manifest.generation, id)?;
        let origin = Origin { stream: manifest.stream, shard: id, shards: manifest.shards };
        let files = ShardFiles { directory: directory.clone(), origin };
        let memory = Memory { wallet: &past.wallet, last: past.last, now_ms: past.now_ms };
        let has_history = rounds::write(opened, &memory, at_ms, files)?;
        data::write_shard(&directory, origin, &past.wallet, past.last, past.now_ms, has_history)
            .map_err(|error| Error::Failed(error.to_string()))?;
        sync_names(directory.path())?;
        points.push(ShardPoint { last: past.last, now_ms: past.now_ms });
    }
    if !is_something {
        return Err(Error::Failed(format!(
            "{} is before the first record: nothing was there",
            words::time(at_ms)
        )));
    }
    left_out += &later_words(&generations[chosen + 1..])?;
    if left_out.is_empty() {
        left_out += "nothing came later: nothing is left out\n";
    }
    Ok(Past { manifest, points, left_out })
}

/// The random number of a new generation's journals.
fn stream() -> Result<u64, Error> {
    let mut stream = [0; 8];
    getrandom::fill(&mut stream).map_err(|error| Error::Failed(format!("no random bits: {error}")))?;
    Ok(u64::from_ne_bytes(stream))
}

/// The place of the last generation that had begun by then, as `explain` has it; the first one where none had. All shards of a later
/// one than the first begin at one time.
fn last_begun(generations: &[GenerationHistory<'_>], at_ms: Millis) -> Result<usize, Error> {
    for (at, generation) in generations.iter().enumerate().skip(1).rev() {
        if generation.shards[0].begins()?.is_none_or(|header| header.now_ms <= at_ms) {
            return Ok(at);
        }
    }
    Ok(0)
}

/// Reads a shard up to the moment.
fn read(shard: &ShardHistory<'_>, at_ms: Millis, progress: &Progress) -> Result<ShardPast, Error> {
    let recovered = shard.recovered(shard.base_at(at_ms)?)?;
    let (from, mut wallet) = (recovered.tail.last, recovered.wallet);
    let (mut last, mut now_ms, mut next) = (from.sequence, recovered.now_ms, None);
    let count = |bytes| progress.add(bytes);
    let read = shard.replay::<Halt>(from, shard.mark()?, &count, |position, time_ms, change, receipt| {
        if time_ms > at_ms {
            next = Some((position.sequence, time_ms));
            return Err(Halt::Enough);
        }
        again::<FileError>(&mut wallet, position, time_ms, &change, &receipt)?;
        (last, now_ms) = (position.sequence, time_ms);
        Ok(())
    });
    match read {
        Ok(tail) => shard.check_end(&tail)?,
        Err(ReadError::Caller(Halt::Enough)) => {}
        Err(ReadError::Caller(Halt::Failed(error))) => return Err(error),
        Err(ReadError::Damage(damage)) => return Err(recovery::Error::<FileError>::Damage(damage).into()),
    }
    Ok(ShardPast { wallet, last, now_ms, next })
}

/// The wallet with the keys of its platforms in place of the places that version 0.1.0 knew them by.
fn named(wallet: Wallet, now_ms: Millis, names: &[String]) -> Result<Wallet, Error> {
    let keys: Option<Vec<PlatformKey>> = names.iter().map(|name| PlatformKey::new(name)).collect();
    let keys = keys.unwrap_or_default();
    let settings = wallet.settings().clone();
    let mut unnamed = None;
    let name = |account: &mut AccountImage| {
        if let Err(number) = account.name_platforms(&keys) {
            unnamed = unnamed.max(Some(number));
        }
    };
    let wallets = recovery::reshard::<FileError>(vec![wallet], Partition::new(1), now_ms, &settings, name)?;
    if let Some(number) = unnamed {
        return Err(Error::Failed(format!(
            "the data name platforms by their places, as version 0.1.0 did, and nothing says the key of platform {number}"
        )));
    }
    Ok(wallets.into_iter().next().expect("one is made of one"))
}

/// What of a shard is left out.
fn words_of(shard: &ShardHistory<'_>, past: &ShardPast) -> Result<String, Error> {
    let Some((first, first_ms)) = past.next else { return Ok(String::new()) };
    let (end, end_ms) = shard.reaches()?;
    let count = end.max(first) - past.last;
    let plural = if count == 1 { "" } else { "s" };
    let (from, to) = (words::time(first_ms), words::time(end_ms.max(first_ms)));
    Ok(format!("left out of shard {}: {count} record{plural}, from {from} to {to}\n", shard.origin.shard))
}

/// The generations that began later, all of which is left out.
fn later_words(later: &[GenerationHistory<'_>]) -> Result<String, Error> {
    let mut text = String::new();
    for generation in later {
        let Some(begins) = generation.shards[0].begins()? else { continue };
        let time = words::time(begins.now_ms);
        let _ = writeln!(text, "left out: all of generation {}, which began at {time}", generation.number);
    }
    Ok(text)
}
