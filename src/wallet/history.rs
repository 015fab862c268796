//! Rounds that have left memory. Past [`Settings::hot_ms`](super::settings::Settings::hot_ms) a round that is not open belongs to
//! the history: files of which the wallet knows nothing but until when they have them.
//!
//! Whether a round belongs to it follows from time alone. Before a change of one that does its image is journaled
//! ([`Operation::RecallRound`]), whether it is still in memory or not. So a replay and a fold need no history, and come to the
//! same state: a snapshot has the rounds that are open or were touched a moment ago, and whatever else a later record
//! changes comes with it.

use alloc::boxed::Box;
use compact_str::CompactString;

use super::account::AccountRef;
use super::games::GameIndex;
use super::image::{RoundImage, RoundKind, RoundVersion};
use super::ledger::AccountIndex;
use super::operation::{Credit, EndRound, Operation, Play, RecallRound, Transfer};
use super::outcome::{Effect, ErrorCode, Outcome, Text};
use super::platform::PlatformKey;
use super::platforms::PlatformIndex;
use super::replay::BadImage;
use super::round_lists::RoundList;
use super::rounds::{Round, RoundIndex, RoundKey};
use super::{Millis, Stamp, Wallet, because};
use coverage::Branch;

pub use super::past::{PastLines, statement_line};

/// What a request about a round names it by.
#[derive(Clone, Debug)]
pub struct RoundName<S> {
    /// Whose account it is in.
    pub account: AccountRef<S>,
    /// Whose round it is; nobody's of what the operator moves.
    pub platform: PlatformKey,
    /// `GameRoundID`; of what is outside of rounds, its transaction's id.
    pub round: S,
    /// What it is, where it is new.
    pub kind: RoundKind,
    /// `GameID`, which the round may be known by, too; empty outside of rounds.
    pub game: S,
}

impl<'a> RoundName<&'a str> {
    /// The name in a request; `None` where it is about no round.
    pub fn of(operation: &Operation<&'a str>) -> Option<Self> {
        match operation {
            Operation::Play(Play { platform, account, round, scope, game, .. })
            | Operation::EndRound(EndRound { platform, account, round, scope, game, .. }) => Some(Self {
                account: account.clone(),
                platform: *platform,
                round,
                kind: (*scope).into(),
                game,
            }),
            Operation::Credit(Credit { platform, account, transaction, .. }) => Some(Self {
                account: account.clone(),
                platform: *platform,
                round: transaction,
                kind: RoundKind::Credit,
                game: "",
            }),
            Operation::Transfer(Transfer { account, transaction, direction, .. }) => Some(Self {
                account: account.clone(),
                platform: PlatformKey::NONE,
                round: transaction,
                kind: RoundKind::of_transfer(*direction),
                game: "",
            }),
            _ => None,
        }
    }

    /// The same, to be kept.
    pub fn to_owned(&self) -> RoundName<CompactString> {
        RoundName {
            account: self.account.map(|id| CompactString::from(*id)),
            platform: self.platform,
            round: self.round.into(),
            kind: self.kind,
            game: self.game.into(),
        }
    }
}

impl<S: AsRef<str>> RoundName<S> {
    /// Whether this round of the history may be the one: what is known by another game is not.
    pub fn is_of(&self, round: &RoundImage) -> bool {
        let is_kind = if self.kind.is_of_game() {
            !round.is_outside() && (!round.is_by_game() || round.game == self.game.as_ref())
        } else {
            round.kind == self.kind.number()
        };
        is_kind && round.id == self.round.as_ref() && round.platform == self.platform.bytes()
    }
}

/// A round that may leave memory once the history has it, if nothing touches it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cooling {
    round: RoundIndex,
    /// The lowest bits of its last transaction's time. They are the same again after 49 days to the millisecond: then the round
    /// waits here, and leaves by its own time, as any does.
    last_ms: u32,
}

impl Cooling {
    pub(super) const fn new(round: RoundIndex, last_ms: Millis) -> Self {
        Self { round, last_ms: last_ms as u32 }
    }

    /// Whether nothing has touched it since.
    const fn is_of(self, round: &Round) -> bool {
        self.last_ms == round.last_ms as u32
    }
}

impl Wallet {
    /// From now on the history has every round that belongs to it and was touched last at or before this. They may leave memory.
    pub const fn set_in_history(&mut self, until_ms: Millis) {
        self.in_history_ms = until_ms;
    }

    /// Lets rounds go that the history has, of at most `budget` transactions and rounds, which it is less by.
    pub(super) fn let_go(&mut self, budget: &mut usize) {
        let before = self.rounds.len();
        while *budget > 0
            && let Some(next) = self.cooling.front()
        {
            // What was touched since, or is another round by now, has an entry of its own.
            let at = next.round;
            let left =
                self.rounds.at(at).filter(|round| round.list == RoundList::Leaving && next.is_of(round));
            if left.is_some_and(|round| round.last_ms > self.in_history_ms) {
                break;
            }
            let left = left.map(|round| (round.account, round.len()));
            self.cooling.pop_front();
            *budget -= 1;
            if let Some((account, transactions)) = left {
                *budget = budget.saturating_sub(transactions);
                self.forget_round(account, at);
            }
        }
        if self.rounds.len() < before {
            coverage::hit(Branch::RoundsLeft);
        }
    }

    /// Whether the round that a request names may be in the history and not in memory. `has_by_game` says whether the history
    /// has rounds that are known by their game, too.
    pub fn may_be_in_history(&self, now_ms: Millis, name: &RoundName<&str>, has_by_game: bool) -> bool {
        let Some((index, platform)) = self.asked_by(name) else { return false };
        let (id, kind) = (name.round, name.kind);
        let has = |key| self.remembered(now_ms, index, key).is_some();
        let plain = RoundKey { platform, id, kind: RoundKind::Plain, game: GameIndex::NONE };
        let of_game = || {
            let game = self.games.find(name.game)?;
            Some(RoundKey { platform, id, kind: RoundKind::ByGame, game })
        };
        if !kind.is_of_game() {
            return !has(RoundKey { kind, ..plain });
        }
        // The first of the keys by which a round is looked for settles it.
        let by_game = kind == RoundKind::ByGame || has_by_game || self.rounds.has_any_by_game();
        if by_game && of_game().is_some_and(has) {
            return false;
        }
        kind == RoundKind::ByGame || has_by_game || !has(plain)
    }

    /// The account that a name is of, and who asks; `None` where it is not served to them.
    fn asked_by(&self, name: &RoundName<&str>) -> Option<(AccountIndex, PlatformIndex)> {
        if name.kind.is_operators() {
            return Some((self.accounts.find(&name.account)?, PlatformIndex::NONE));
        }
        let (index, _, platform) = self.served(name.platform, &name.account)?;
        Some((index, platform))
    }

    /// The round that belongs to the history at `now_ms` and that an operation would change, as it is: it is to be journaled before
    /// the change.
    pub fn changes_cold(&mut self, now_ms: Millis, operation: &Operation<&str>) -> Option<Box<RoundImage>> {
        let name = RoundName::of(operation)?;
        // What is outside of rounds never changes.
        let scope = name.kind.scope()?;
        let (index, platform) = self.asked_by(&name)?;
        let at = self.remembered_round(now_ms, index, platform, name.round, scope, name.game)?;
        let round = self.rounds.get(at);
        let is_cold = round.list == RoundList::Leaving && round.last_ms <= self.settings.cold_until(now_ms);
        if !is_cold {
            return None;
        }
        // As it is applied: a limit counts by the period of that moment.
        self.enter_periods(now_ms);
        let changes = match operation {
            Operation::Play(play) => self.play_changes_round(now_ms, play),
            operation => self.would_change(now_ms, operation),
        };
        changes.then(|| Box::new(self.round_image(self.rounds.get(at))))
    }

    /// Takes in a round of the history, where it is not in memory; it leaves again with [`Wallet::let_recalled_go`], unless it was
    /// changed. What is forgotten at `now_ms` is not taken in: `None`.
    ///
    /// # Errors
    /// Where the account is not there, the image can't be of a round of this wallet, or the round is in memory and is another.
    pub fn take_in(
        &mut self,
        now_ms: Millis,
        account: &AccountRef<&str>,
        image: &RoundImage,
    ) -> Result<Option<Recalled>, BadImage> {
        let index = self.accounts.find(account).ok_or(BadImage("a round of an account that is not there"))?;
        if image.is_open() || image.is_forgotten(now_ms, &self.settings) {
            return if image.is_open() { Err(BadImage("an open round of the history")) } else { Ok(None) };
        }
        let last = self.accounts.get(index).activity().map_or(0, |activity| activity.number);
        if image.transactions.iter().any(|known| known.number > last) {
            return Err(BadImage("a transaction's number past its account's"));
        }
        let round = self.restored_round(index, image)?;
        if let Some(known) = self.rounds.find(&self.accounts, index, &round.key()) {
            self.give_back_games(round);
            let known = self.round_image(self.rounds.get(known));
            // In memory it may have gone on, in the very moment in which the history's was touched last, too.
            return if known == *image || RoundVersion::of(&known) > RoundVersion::of(image) {
                Ok(None)
            } else {
                Err(BadImage("a round of the history that is another in memory"))
            };
        }
        let statement = self.accounts.get(index).activity().map(|activity| &activity.statement);
        let is_taken = |number: u64| number > 0 && statement.is_some_and(|lines| lines.has(number));
        if round.transactions().any(|known| is_taken(known.number())) {
            self.give_back_games(round);
            return Err(BadImage("a transaction's number twice"));
        }
        coverage::hit(Branch::RoundRecalled);
        let at = self.rounds.insert(&self.accounts, round);
        let activity = self.accounts.get_mut(index).activity_mut();
        self.rounds.statement_places(at).for_each(|place| activity.statement.insert(place));
        activity.oldest_ms = activity.oldest_ms.min(image.last_ms);
        self.rounds.list_recalled(&mut activity.rounds, at);
        Ok(Some(Recalled { account: index, at, was: RoundVersion::of(image) }))
    }

    /// Lets a round go that was taken in, unless it has changed.
    pub fn let_recalled_go(&mut self, Recalled { account, at, was }: Recalled) {
        // It may have changed in the very moment in which it was touched last.
        let unchanged = |round: &&Round| round.account == account && round.version() == was;
        if self.rounds.at(at).filter(unchanged).is_some() {
            self.forget_round(account, at);
        }
    }

    /// A round comes back as it was journaled.
    pub(super) fn recall_round(
        &mut self,
        stamp: Stamp,
        RecallRound { account, round }: &RecallRound<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        // Where it can't be taken in nothing has changed, and that is not what the journal says.
        let Some(index) = self.accounts.find(account) else {
            return super::refused(ErrorCode::AccountNotFound, because::NO_ACCOUNT);
        };
        let taken = self.take_in(stamp.now_ms, account, round);
        if let Ok(Some(Recalled { at, .. })) = &taken {
            // Where nothing touches it, it goes with the others.
            self.cooling.push_back(Cooling::new(*at, round.last_ms));
        }
        if matches!(taken, Ok(Some(_))) || self.has_in_memory(index, round) {
            // A fold may have had it leave memory before; a replay of what that has left counts it among what is not there.
            let numbers = round.transactions.iter().map(|known| known.number);
            let activity = self.accounts.get_mut(index).activity_mut();
            activity.forgotten = numbers.fold(activity.forgotten, u64::max);
            self.note(stamp, index, effect);
            return Outcome::Noted(self.balance_of(self.accounts.get(index)));
        }
        super::refused(ErrorCode::RoundNotFound, super::play::NO_ROUND)
    }

    /// Whether this very round is in memory.
    fn has_in_memory(&self, index: AccountIndex, image: &RoundImage) -> bool {
        let platform = PlatformKey::from_bytes(image.platform).and_then(|key| self.platforms.find(key));
        let game = self.games.find(&image.game).unwrap_or(GameIndex::NONE);
        let kind = RoundKind::from_number(image.kind);
        let key = platform.zip(kind).map(|(platform, kind)| RoundKey { platform, id: &image.id, kind, game });
        let found = key.and_then(|key| self.rounds.find(&self.accounts, index, &key));
        found.is_some_and(|found| self.round_image(self.rounds.get(found)) == *image)
    }

    /// Gives back the games of a round that was not taken in.
    fn give_back_games(&mut self, round: Round) {
        round.transactions().for_each(|known| self.games.give_back(known.game(round.game)));
        self.games.give_back(round.game);
    }
}

/// A round that was taken in from the history.
#[derive(Clone, Copy, Debug)]
pub struct Recalled {
    account: AccountIndex,
    at: RoundIndex,
    was: RoundVersion,
}
