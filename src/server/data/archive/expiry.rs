//! What of an archive is too old, and goes: whole files, and so that what is left begins with a snapshot.

use super::super::Error;
use super::{Archived, Archiver, length};
use journal::Point;
use storage::FileError;
use storage::archive::{ArchivedName, ArchivedShard};
use wallet::Millis;

/// A look for what is too old.
struct Look<'a> {
    before_ms: Millis,
    removed: &'a mut Archived,
    /// The first damage: other shards can go on.
    failed: Option<FileError>,
}

impl Archiver {
    /// Removes what is older than it is to be kept at `now_ms`: whole files, and so that what is left begins with a snapshot, and
    /// ends with what is still to be followed. `removed` is told of each file. What is damaged keeps nothing else.
    ///
    /// # Errors
    /// What the files say.
    pub fn expire(&self, now_ms: Millis, removed: &mut Archived) -> Result<(), Error> {
        let Some(before_ms) = self.keep_ms.and_then(|keep_ms| now_ms.checked_sub(keep_ms)) else {
            return Ok(());
        };
        // Nothing is removed from what is not these data's.
        self.check()?;
        let Some(first) = self.archive.first()? else { return Ok(()) };
        let mut look = Look { before_ms, removed, failed: None };
        // What comes before the first one was to be removed when a kill came.
        for generation in self.archive.generations()?.into_iter().filter(|generation| *generation < first) {
            self.remove(generation, look.removed)?;
        }
        let mut generation = first;
        while generation < self.served.generation && self.is_over(generation, &mut look)? {
            generation += 1;
            self.archive.set_first(generation)?;
            self.remove(generation - 1, look.removed)?;
        }
        if generation == self.served.generation {
            self.expire_shards(generation, &mut look)?;
        }
        look.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Whether all of a generation that another one has followed is too old; and removes what of it is.
    fn is_over(&self, generation: u64, look: &mut Look<'_>) -> Result<bool, Error> {
        // It may be lost, whole or in part: what followed it says how old it is.
        if self.is_followed(generation, look)? {
            return Ok(true);
        }
        let over = self.expire_shards(generation, look)?;
        match self.archive.end(generation) {
            Ok(Some(end)) => Ok((0..end.last.len() as u16).all(|shard| over.contains(&shard))),
            Ok(None) => Ok(false),
            Err(error) => {
                look.failed.get_or_insert(error);
                Ok(false)
            }
        }
    }

    /// Whether a later generation began early enough, as far as the archive tells: so all of this one is too old, even where the clock
    /// was ahead then and was set back.
    fn is_followed(&self, generation: u64, look: &mut Look<'_>) -> Result<bool, Error> {
        let later = |other: &u64| (generation + 1..=self.served.generation).contains(other);
        for later in self.archive.generations()?.into_iter().filter(later) {
            for shard in self.archive.shards(later)? {
                let shard = self.archive.shard(later, shard);
                let Some(base @ ArchivedName::Base(_)) = shard.files()?.first().copied() else { continue };
                match shard.open(base) {
                    Ok(base) if base.header().last_ms < look.before_ms => return Ok(true),
                    Ok(_) => {}
                    Err(error) => drop(look.failed.get_or_insert(error)),
                }
            }
        }
        Ok(false)
    }

    /// Removes what of a generation's shards is too old. Returns those of which all is.
    fn expire_shards(&self, generation: u64, look: &mut Look<'_>) -> Result<Vec<u16>, Error> {
        let is_ended = generation < self.served.generation;
        let mut over = Vec::new();
        for id in self.archive.shards(generation)? {
            if expire_shard(&self.archive.shard(generation, id), is_ended, look)? {
                over.push(id);
            }
        }
        Ok(over)
    }

    fn remove(&self, generation: u64, removed: &mut Archived) -> Result<(), Error> {
        for shard in self.archive.shards(generation)? {
            let shard = self.archive.shard(generation, shard);
            for name in shard.files()? {
                let bytes = length(&shard, name);
                shard.remove(name)?;
                removed.add(bytes);
            }
        }
        Ok(self.archive.remove_generation(generation)?)
    }
}

/// Removes what of a shard comes before the last snapshot whose records are all too old, and archived. Returns whether all of it is
/// too old; of a generation that is ended all goes at once then.
fn expire_shard(shard: &ArchivedShard, is_ended: bool, look: &mut Look<'_>) -> Result<bool, Error> {
    let names = shard.files()?;
    let (mut base, mut end, mut is_over) = (None, Point::START, !names.is_empty());
    for (at, name) in names.iter().enumerate() {
        let header = match shard.open(*name) {
            Ok(file) => file.header(),
            // What follows says how old it is. Nothing may: then it stays.
            Err(error) => {
                look.failed.get_or_insert(error);
                is_over = false;
                continue;
            }
        };
        if header.last_ms >= look.before_ms {
            is_over = false;
            break;
        }
        is_over = true;
        if matches!(name, ArchivedName::Base(_)) || !name.is_snapshot() {
            end = header.last;
        }
        // What is still to be archived follows on the end, and could not where it is gone.
        if name.is_snapshot() && header.last.sequence <= end.sequence {
            base = Some((at, *name));
        }
    }
    if let (Some((at, name)), false) = (base, is_over && is_ended) {
        if let ArchivedName::Snapshot(covers) = name {
            shard.rebase(covers)?;
        }
        for old in &names[..at] {
            let bytes = length(shard, *old);
            shard.remove(*old)?;
            look.removed.add(bytes);
        }
    }
    Ok(is_over)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use ArchivedName::{Base, Segment, Snapshot};
    use journal::RecordHash;
    use storage::archive::{ArchiveBegun, ArchiveManifest, ArchivedHeader, ArchivedKind, GenerationEnd};
    use storage::manifest::Manifest;

    const fn point(sequence: u64) -> Point {
        Point { sequence, hash: RecordHash::from_bits(sequence as u128) }
    }

    /// What is in a shard's archive, after its file of each name was written with the time of its last record. Segments have ten
    /// records.
    fn write(shard: &ArchivedShard, files: &[(ArchivedName, Millis)]) {
        for (name, last_ms) in files {
            let kind = if name.is_snapshot() { ArchivedKind::Snapshot } else { ArchivedKind::Segment };
            let last = name.follows() + if name.is_snapshot() { 0 } else { 10 };
            let header = ArchivedHeader {
                kind,
                origin: journal::Origin { stream: 1, shard: 0, shards: 1 },
                number: 1,
                before: point(name.follows()),
                last: point(last),
                last_ms: *last_ms,
                bytes: 0,
            };
            shard.create(*name, header).expect("there is room").publish().expect("there is room");
        }
    }

    fn end(archiver: &Archiver, generation: u64, shards: usize) {
        let end = GenerationEnd { stream: 1, last: vec![point(10); shards], platforms: Vec::new() };
        archiver.archive.write_end(generation, &end).expect("there is room");
    }

    /// An archive in `dir` that begins with the first generation, and keeps files for 100 ms.
    fn archiver(dir: &Path, generation: u64) -> Archiver {
        let served = Manifest::new(generation, 1, 1, false);
        let archiver = Archiver::new(dir.join("archive"), dir.to_owned(), served, Some(100));
        archiver.archive.make().expect("there is room");
        let manifest = ArchiveManifest { stream: 1, first: 1 };
        archiver.archive.write_manifest(manifest).expect("there is room");
        let begun = ArchiveBegun { stream: 1, generation: 1, covers: vec![0] };
        begun.write(dir).expect("there is room");
        archiver
    }

    /// After a look at this time so many files were removed.
    #[track_caller]
    fn check_expiry(archiver: &Archiver, now_ms: Millis, files: u64) {
        let mut removed = Archived::default();
        archiver.expire(now_ms, &mut removed).expect("it is there");
        assert_eq!(removed.files, files, "{now_ms}");
    }

    fn first(archiver: &Archiver) -> Option<u64> {
        archiver.archive.first().expect("it can be read")
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_left_begins_with_a_snapshot() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let archiver = archiver(dir.path(), 2);
        let [one, two] = [1, 2].map(|generation| archiver.archive.shard(generation, 0));
        write(&one, &[(Base(0), 10), (Segment(1), 20)]);
        end(&archiver, 1, 1);
        write(&two, &[(Base(9), 30), (Segment(10), 40), (Snapshot(19), 40), (Segment(20), 50)]);
        let check =
            |now_ms: Millis, files: u64, first_left: &[ArchivedName], second_left: &[ArchivedName]| {
                check_expiry(&archiver, now_ms, files);
                assert_eq!(one.files().expect("it can be read"), first_left, "{now_ms}");
                assert_eq!(two.files().expect("it can be read"), second_left, "{now_ms}");
            };
        let (all_of_first, all_of_second) =
            ([Base(0), Segment(1)], [Base(9), Segment(10), Snapshot(19), Segment(20)]);
        check(50, 0, &all_of_first, &all_of_second);
        check(115, 0, &all_of_first, &all_of_second);
        check(121, 2, &[], &all_of_second);
        assert_eq!(first(&archiver), Some(2));
        check(140, 0, &[], &all_of_second);
        check(141, 2, &[], &[Base(19), Segment(20)]);
        check(1_000, 0, &[], &[Base(19), Segment(20)]);
        // What is served is old too, and begins with a snapshot all the same.
        write(&two, &[(Snapshot(29), 60)]);
        check(1_000, 2, &[], &[Base(29)]);
        check(2_000, 0, &[], &[Base(29)]);
        // One whose segments are not there yet is none to begin with.
        write(&two, &[(Snapshot(49), 70)]);
        check(2_000, 0, &[], &[Base(29), Snapshot(49)]);
        write(&two, &[(Segment(30), 65)]);
        check(2_000, 0, &[], &[Base(29), Segment(30), Snapshot(49)]);
        write(&two, &[(Segment(40), 70)]);
        check(2_000, 3, &[], &[Base(49)]);
        // A generation that was written while the clock was years ahead does not keep what followed it.
        write(&one, &[(Base(0), 1_000_000), (Segment(1), 1_000_000)]);
        archiver.archive.write_manifest(ArchiveManifest { stream: 1, first: 1 }).expect("there is room");
        check_expiry(&archiver, 169, 0);
        check_expiry(&archiver, 171, 2);
        assert_eq!(one.files().expect("it can be read"), []);
        let for_ever = Archiver { keep_ms: None, ..archiver.clone() };
        check_expiry(&for_ever, Millis::MAX, 0);
    }

    /// What is lost of a generation that others have followed is not over for that, and does not stay for ever.
    #[test]
    fn a_generation_that_is_lost_is_over_when_what_followed_it_is_old() {
        for lost in ["generation-1/shard-1", "generation-1", "generation-1/end", "nothing"] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let archiver = archiver(dir.path(), 3);
            for shard in [0, 1] {
                write(&archiver.archive.shard(1, shard), &[(Base(0), 10), (Segment(1), 20)]);
            }
            end(&archiver, 1, 2);
            write(&archiver.archive.shard(2, 0), &[(Base(9), 90), (Segment(10), 200)]);
            end(&archiver, 2, 1);
            let path = archiver.archive.path().join(lost);
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            let mut removed = Archived::default();
            archiver.expire(150, &mut removed).expect("it can be read");
            // All of it is old, where all of it is known.
            assert_eq!(first(&archiver), Some(if lost == "nothing" { 2 } else { 1 }), "{lost}");
            archiver.expire(191, &mut removed).expect("it can be read");
            assert_eq!(first(&archiver), Some(2), "{lost}");
            assert!(!archiver.archive.path().join("generation-1").exists(), "{lost}");
        }
    }

    /// A damaged file is told of, and keeps nothing but itself.
    #[test]
    fn a_damaged_file_does_not_keep_the_others() {
        let files =
            [(Base(0), 10), (Segment(1), 20), (Snapshot(10), 20), (Segment(11), 30), (Snapshot(20), 30)];
        for (damaged, left) in [
            (0, &[Base(20)][..]),
            (1, &[Base(20)]),
            (2, &[Base(20)]),
            (3, &[Base(10), Segment(11), Snapshot(20)]),
            (4, &[Base(10), Segment(11), Snapshot(20)]),
        ] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let archiver = archiver(dir.path(), 1);
            let shards = [0, 1].map(|shard| archiver.archive.shard(1, shard));
            shards.iter().for_each(|shard| write(shard, &files));
            let path = shards[0].file(files[damaged].0);
            let mut bytes = fs::read(&path).expect("it is there");
            bytes[50] ^= 1;
            fs::write(&path, bytes).expect("there is room");
            let mut removed = Archived::default();
            let sentence = archiver.expire(1_000, &mut removed).expect_err("it is damaged").to_string();
            assert!(sentence.contains(&path.display().to_string()), "{sentence}");
            assert_eq!(shards[0].files().expect("it can be read"), left, "{damaged}");
            assert_eq!(shards[1].files().expect("it can be read"), [Base(20)], "{damaged}");
            assert_eq!(removed.files, 9 - left.len() as u64, "{damaged}");
        }
    }
}
