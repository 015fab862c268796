//! How far an export has come: a generation, and the last record of each of its shards.
//!
//! `purser-export-1 generation 3 stream 00d1… shard 1204 5f0a… shard 988 77c1…`, on one line.

use std::fmt;

use super::super::Error;
use super::GenerationHistory;
use journal::{Point, RecordHash};

const KIND: &str = "purser-export-1";

/// How far an export has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) generation: u64,
    pub(super) stream: u64,
    /// By shard.
    pub(super) last: Vec<Point>,
}

impl Checkpoint {
    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// Where it is none.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let parsed = parse(text.split_whitespace());
        parsed.ok_or_else(|| {
            Error::Usage(format!("--since: it is no checkpoint of an export, which begins with {KIND}"))
        })
    }

    /// Checks that what follows it can be there.
    ///
    /// # Errors
    /// Where it is of another history, or of a time that is not known any more.
    pub(super) fn check(&self, generations: &[GenerationHistory<'_>]) -> Result<(), Error> {
        let number = self.generation;
        let (Some(first), Some(last)) = (generations.first(), generations.last()) else { return Ok(()) };
        let sentence = match generations.iter().find(|generation| generation.number == number) {
            Some(found) if found.stream == self.stream && found.shards.len() == self.last.len() => {
                return Ok(());
            }
            Some(_) => format!("generation {number} is another one than the checkpoint's"),
            None if number > last.number => {
                format!("the checkpoint is of generation {number}, and generation {} is served", last.number)
            }
            None => format!(
                "the checkpoint is of generation {number}, and what is known begins with generation {}: what is between is not \
                 in the archive",
                first.number
            ),
        };
        Err(Error::Failed(sentence))
    }
}

fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Checkpoint> {
    let mut named = |names: &[&str]| {
        let is_so = names.iter().all(|name| words.next() == Some(name));
        if is_so { words.next() } else { None }
    };
    let generation = named(&[KIND, "generation"])?.parse().ok()?;
    let stream = u64::from_str_radix(named(&["stream"])?, 16).ok()?;
    let mut last = Vec::new();
    while let Some(word) = words.next() {
        if word != "shard" || last.len() == limits::SHARDS_MAX {
            return None;
        }
        let sequence = words.next()?.parse().ok()?;
        let hash = RecordHash::from_bits(u128::from_str_radix(words.next()?, 16).ok()?);
        last.push(Point { sequence, hash });
    }
    Some(Checkpoint { generation, stream, last })
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND} generation {} stream {:016x}", self.generation, self.stream)?;
        self.last
            .iter()
            .try_for_each(|Point { sequence, hash }| write!(f, " shard {sequence} {:032x}", hash.bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_or_not_at_all() {
        let point =
            |sequence: u64| Point { sequence, hash: RecordHash::from_bits(u128::from(sequence) << 90) };
        let checkpoint = Checkpoint { generation: 3, stream: 0xab, last: vec![point(7), Point::START] };
        let text = checkpoint.to_string();
        for written in [text.clone(), format!("  {text}\n")] {
            assert_eq!(Checkpoint::parse(&written).expect("it is one"), checkpoint);
        }
        for (from, to) in [
            ("export-1", "export-2"),
            ("generation", "gen"),
            (" 7 ", " x "),
            ("stream ", ""),
            ("shard 0", "shard"),
        ] {
            let other = text.replacen(from, to, 1);
            let sentence = Checkpoint::parse(&other).expect_err("it is none").to_string();
            assert!(sentence.contains("it is no checkpoint"), "{other}: {sentence}");
        }
    }
}
