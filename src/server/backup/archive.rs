//! Copies the archive of a data directory. Its files are as they always will be, so what an earlier backup has is given another name.

use std::collections::HashSet;
use std::path::PathBuf;

use super::copy::Copying;
use super::{Failure, archive_in, written};
use crate::inspect::Error;
use crate::inspect::archived::{check_joints, check_snapshot};
use crate::inspect::history::{self, Base, GenerationHistory, ShardHistory};
use crate::inspect::progress::Progress;
use journal::Point;
use storage::FileError;
use storage::archive::{Archive, ArchiveBegun, ArchiveManifest, ArchivedName, ArchivedShard, GenerationEnd};
use storage::making::{EarlierFile, NewDirectory, remove_file, sync_names};
use storage::manifest::Manifest;
use storage::reader::{self, Opened};

/// An archived file, by its generation and shard.
type Name = (u64, u16, ArchivedName);

/// The files that were copied, and not linked: those are read once more where the copy is verified.
pub(super) struct CopiedArchive {
    written: HashSet<Name>,
}

/// Copies what the archive has of the records before those that were opened; `None` where there is none.
///
/// A server adds to it meanwhile, and lets go of what is too old. Then what is left to be copied is listed once more.
pub(super) fn copy_archive(
    opened: &Opened,
    archive: &Archive,
    copying: &Copying<'_>,
) -> Result<Option<CopiedArchive>, Failure> {
    // Before there is a note, nothing was removed that is in the archive alone.
    let Some(begun) = ArchiveBegun::read(&opened.path)? else { return Ok(None) };
    let to = Archive::at(archive_in(copying.to.path()));
    let mut copy = Copy { copying, archive, to, done: HashSet::new(), written: HashSet::new() };
    let mut tries = 1;
    let first = loop {
        match copy.run(opened) {
            Err(Failure::Source(_)) if tries < limits::BACKUP_TRIES => tries += 1,
            copied => break copied?,
        }
    };
    copy.to.write_manifest(ArchiveManifest { stream: begun.stream, first }).map_err(written)?;
    begun.write(copying.to.path()).map_err(written)?;
    Ok(Some(CopiedArchive { written: copy.written }))
}

struct Copy<'a> {
    copying: &'a Copying<'a>,
    archive: &'a Archive,
    to: Archive,
    /// What is there, whole.
    done: HashSet<Name>,
    written: HashSet<Name>,
}

impl Copy<'_> {
    /// Copies what is not there yet. Returns the first generation.
    fn run(&mut self, opened: &Opened) -> Result<u64, Failure> {
        let generations = history::all(opened, Some(self.archive))?;
        let first = generations.first().map_or(opened.manifest.generation, |first| first.number);
        let bytes = generations.iter().flat_map(|of| &of.shards).map(ShardHistory::bytes).sum();
        let progress = Progress::of(bytes, true);
        self.to.make().map_err(written)?;
        let mut wanted = HashSet::new();
        for generation in &generations {
            for shard in &generation.shards {
                let names = before_live(shard)?;
                let (number, id) = (generation.number, shard.origin.shard);
                wanted.extend(names.iter().map(|name| (number, id, *name)));
                self.shard(number, shard, &names, &progress)?;
            }
            self.end(generation)?;
        }
        for (generation, shard, name) in self.done.extract_if(|name| !wanted.contains(name)) {
            let shard = self.to.shard(generation, shard);
            remove_file(&shard.file(name)).map_err(written)?;
            sync_names(shard.path()).map_err(written)?;
        }
        Ok(first)
    }

    fn shard(
        &mut self,
        generation: u64,
        shard: &ShardHistory<'_>,
        names: &[ArchivedName],
        progress: &Progress,
    ) -> Result<(), Failure> {
        if names.is_empty() {
            return Ok(());
        }
        let id = shard.origin.shard;
        let to = self.to.make_shard(generation, id).map_err(written)?;
        for name in names
            .iter()
            .filter(|name| !self.done.contains(&(generation, id, **name)))
            .copied()
            .collect::<Vec<_>>()
        {
            let file = shard.archived.opened(name)?;
            // What a failure has left of it.
            remove_file(&to.file(name)).map_err(written)?;
            if self.links(generation, shard, name, file.bytes, to.file(name))? {
                progress.add(file.bytes);
                self.copying.count_linked(file.bytes);
            } else {
                self.copying.immutable(&file, to.file(name), None, progress)?;
                self.written.insert((generation, id, name));
            }
            self.done.insert((generation, id, name));
        }
        sync_names(to.path()).map_err(written)
    }

    /// Links a file of the earlier backup that says the same of itself: its header has the hash of its last record, which is over
    /// all that came before.
    fn links(
        &self,
        generation: u64,
        shard: &ShardHistory<'_>,
        name: ArchivedName,
        bytes: u64,
        to: PathBuf,
    ) -> Result<bool, Failure> {
        let Some(earlier) = &self.copying.earlier else { return Ok(false) };
        let earlier = Archive::at(archive_in(&earlier.path)).shard(generation, shard.origin.shard);
        let file = EarlierFile::open(earlier.file(name)).filter(|file| file.bytes == bytes);
        let (Some(file), Ok(there)) = (file, earlier.open(name)) else { return Ok(false) };
        Ok(there.header() == shard.archived.open(name)?.header() && file.link(&to))
    }

    fn end(&self, generation: &GenerationHistory<'_>) -> Result<(), Failure> {
        let last: Option<Vec<Point>> = generation.shards.iter().map(|shard| shard.end).collect();
        let Some(last) = last else { return Ok(()) };
        let (stream, platforms) = (generation.stream, generation.platforms.clone());
        self.to.write_end(generation.number, &GenerationEnd { stream, last, platforms }).map_err(written)
    }
}

/// What is archived of a shard from before the segments that were opened: a server may have archived more since, which is not of the
/// moment that is copied, and which another one may have written otherwise.
fn before_live(shard: &ShardHistory<'_>) -> Result<Vec<ArchivedName>, Failure> {
    let Some(live) = shard.live else { return Ok(shard.names().to_vec()) };
    let first = live.segments.first().map_or(u32::MAX, |segment| segment.number);
    let newest = match &live.snapshot {
        Some(newest) => shard.covers(Base::Live(newest))?.sequence,
        None => 0,
    };
    let mut names = Vec::new();
    for name in shard.names() {
        let is_before = if name.is_snapshot() {
            name.follows() <= newest
        } else {
            shard.archived.open(*name)?.header().number < first
        };
        names.extend(is_before.then_some(*name));
    }
    Ok(names)
}

/// Verifies the archive of what was made, which has no manifest yet: whether all of its files follow each other. Where `all` is asked for,
/// each file that was written is read, and the older snapshot of each shard, which only the history needs.
pub(super) fn verify(
    to: &NewDirectory,
    manifest: &Manifest,
    copied: Option<&CopiedArchive>,
    all: bool,
) -> Result<(), Error> {
    let opened = reader::open_as(to.path(), manifest)?;
    let archive = copied.map(|_| Archive::at(archive_in(to.path())));
    for generation in &history::all(&opened, archive.as_ref())? {
        for shard in &generation.shards {
            check_joints(shard)?;
            if !all {
                continue;
            }
            let is_written = |name: &&ArchivedName| {
                let name = (generation.number, shard.origin.shard, **name);
                copied.is_some_and(|copied| copied.written.contains(&name))
            };
            for name in shard.names().iter().filter(is_written) {
                read_all(&shard.archived, *name)?;
            }
            if let Some(oldest) = shard.live.and_then(|live| live.older.first()) {
                check_snapshot(shard, Base::Live(oldest))?;
            }
        }
    }
    Ok(())
}

fn read_all(shard: &ArchivedShard, name: ArchivedName) -> Result<(), FileError> {
    let mut file = shard.open(name)?;
    while file.chunk()?.is_some() {}
    Ok(())
}
