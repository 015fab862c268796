//! Accounts with all that is remembered of them, wherever it is: in memory, or in the history. So states can be held against each
//! other of which one has more in memory than the other.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use wallet::image::{AccountImage, RoundImage, RoundVersion};
use wallet::settings::Settings;
use wallet::{PlatformKey, Wallet};

use super::disk::shelf::Opened;

/// What is the same of all versions of a round: its platform, its kind, its id, and its game where that names it.
type Name = ([u8; PlatformKey::BYTES], u8, String, Option<String>);

/// An account, and all rounds that it remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// The account without the rounds that belong to the history.
    pub(super) image: AccountImage,
    /// All of its rounds.
    pub(super) rounds: BTreeMap<Name, RoundImage>,
}

impl Whole {
    /// Of an account as memory has it, and what the history has of it; at a time, by these settings.
    pub(super) fn new(
        mut image: AccountImage,
        past: &[RoundImage],
        now_ms: u64,
        settings: &Settings,
    ) -> Self {
        let name = |round: &RoundImage| {
            (round.platform, round.kind, round.id.clone(), round.is_by_game().then(|| round.game.clone()))
        };
        let past = past.iter().filter(|round| !round.is_forgotten(now_ms, settings));
        let mut rounds: BTreeMap<Name, RoundImage> = BTreeMap::new();
        for round in past.chain(&image.rounds) {
            let known = rounds.entry(name(round)).or_insert_with(|| round.clone());
            // A fold that was cut short has left newer versions than those that the next one finds.
            if RoundVersion::of(known) < RoundVersion::of(round) {
                known.clone_from(round);
            }
        }
        image.cool(now_ms, settings);
        Self { image, rounds }
    }
}

/// A round that memory has in an older version than the history.
pub(super) fn behind<'a>(image: &'a AccountImage, past: &[RoundImage]) -> Option<&'a RoundImage> {
    let is_same = |one: &RoundImage, other: &RoundImage| {
        (&one.id, one.platform, one.kind, &one.game) == (&other.id, other.platform, other.kind, &other.game)
    };
    image.rounds.iter().find(|round| {
        past.iter().any(|past| is_same(round, past) && RoundVersion::of(round) < RoundVersion::of(past))
    })
}

/// All accounts of these wallets, each with its history, by their ids, at a time.
pub(super) fn wholes<'a>(
    of: impl Iterator<Item = (&'a Wallet, Option<&'a Opened>)>,
    now_ms: u64,
) -> BTreeMap<String, Whole> {
    let mut wholes = BTreeMap::new();
    for (wallet, opened) in of {
        for (id, image) in super::cluster::images([wallet].into_iter(), now_ms) {
            let past = opened.map(|opened| opened.rounds_of(&id)).unwrap_or_default();
            wholes.insert(id, Whole::new(image, &past, now_ms, wallet.settings()));
        }
    }
    wholes
}

/// What is different, in words; `None` where nothing is.
pub(super) fn difference(should: &BTreeMap<String, Whole>, is: &BTreeMap<String, Whole>) -> Option<String> {
    let ids = should.keys().chain(is.keys()).find(|id| should.get(*id) != is.get(*id))?;
    let (Some(should), Some(is)) = (should.get(ids), is.get(ids)) else {
        return Some(format!("{ids} is there in one alone"));
    };
    Some(should.difference(is))
}

impl Whole {
    /// What is different of another one, which is to be the same.
    pub(super) fn difference(&self, is: &Self) -> String {
        let mut words = String::new();
        if self.image != is.image {
            let _ = write!(words, "\n  {:?} should be\n  {:?}", is.image, self.image);
        }
        for name in self.rounds.keys().chain(is.rounds.keys()) {
            let (should, is) = (self.rounds.get(name), is.rounds.get(name));
            if should != is {
                let _ = write!(words, "\n  of {} the round {is:?} should be {should:?}", self.image.id);
            }
        }
        words
    }
}
