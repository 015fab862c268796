//! Game rounds (protocol §4), each call climbing its ladder in the order of protocol §1.

use compact_str::CompactString;
use wallet::account::AccountStatus;
use wallet::operation::{Play, PlayKind};
use wallet::outcome::{ErrorCode, Outcome};
use wallet::{Currency, PlatformKey};

use super::account::{Account, Ask, Foreign, Kind, Refusal, Round, RoundKey, RoundState, Transaction};
use super::bounds;
use super::rules::{Answer, CASH_MINOR_MAX, is_refused, minor, refused};

/// What a transaction does beside being remembered.
struct Deed {
    /// Change of the funds.
    by: i128,
    moved_nothing: bool,
}

impl Account {
    pub(super) fn play(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Answer {
        if let Some(answer) = self.known(ask, play) {
            return answer;
        }
        if let Some(code) = self.remembered_refusal(ask, play) {
            return self.refuse(code);
        }
        if let Some(answer) = self.session_refusal(ask, play) {
            return answer;
        }
        // Whatever happened to the player or the game since, a round that was begun is settled.
        let bet = play.kind == PlayKind::Bet;
        if self.status == AccountStatus::Frozen && bet {
            return self.refuse(ErrorCode::AccountFrozen);
        }
        if play.currency != Some(self.currency) {
            return self.refuse(ErrorCode::CurrencyMismatch);
        }
        if !ask.rules.games.contains(play.game.as_str()) && bet {
            return self.refuse(ErrorCode::GameNotFound);
        }
        let deed = match play.kind {
            PlayKind::Bet => self.bet(ask, play),
            PlayKind::Win => self.win(ask, play),
            PlayKind::Rollback => self.rollback(ask, play),
            PlayKind::Void => self.void(ask, play),
        };
        match deed {
            // The cancellation is left in either case. A success is remembered beside it.
            Err(ErrorCode::TransactionNotFound)
                if ask.rules.dialect(play.platform).unknown_rollback_succeeds =>
            {
                self.enter_unknown(ask, play);
                self.done_play(play)
            }
            Err(code) => {
                if !self.remember_refusal(ask, play, code) {
                    return refused(ErrorCode::Unknown);
                }
                self.refuse(code)
            }
            Ok(deed) => {
                if let Some(deed) = deed {
                    self.enter(ask, play, &deed);
                }
                self.done_play(play)
            }
        }
    }

    fn done_play(&self, play: &Play<CompactString>) -> Answer {
        self.done(&play.transaction, (play.kind == PlayKind::Bet).then_some(minor(play.amount)))
    }

    /// The answer to a transaction that was done before, and to a bet that was cancelled before it came.
    fn known(&self, ask: &Ask<'_>, play: &Play<CompactString>) -> Option<Answer> {
        let round = self.round_of(ask, play)?;
        if let Some(number) = round.known.get(&(play.kind, play.transaction.clone())) {
            let before = &self.transactions[number];
            let same = before.amount == minor(play.amount)
                && play.currency == Some(self.currency)
                && before.original == play.original;
            // It may have come by another connection, while this one was asking for the session.
            let overtaken = before.event > ask.sent_event && ask.foreign != Foreign::No;
            return Some(if overtaken && is_refused(ask.told, ErrorCode::AccountNotFound) {
                refused(ErrorCode::AccountNotFound)
            } else if same && !before.rolled_back {
                self.done_play(play)
            } else {
                self.refuse(ErrorCode::NotCompleted)
            });
        }
        if play.kind != PlayKind::Bet {
            return None;
        }
        round.cancelled.contains(&play.transaction).then(|| self.refuse(ErrorCode::NotCompleted))
    }

    /// What a bet is known by, whether its round is there or not.
    fn bet_key(ask: &Ask<'_>, play: &Play<CompactString>) -> RoundKey {
        let by_game = ask.rules.dialect(play.platform).round_scope == wallet::RoundScope::Game;
        RoundKey {
            platform: play.platform,
            round: play.round.clone(),
            game: by_game.then(|| play.game.clone()),
        }
    }

    fn remembered_refusal(&self, ask: &Ask<'_>, play: &Play<CompactString>) -> Option<ErrorCode> {
        if play.kind != PlayKind::Bet || self.refusals.is_empty() {
            return None;
        }
        let round = Self::bet_key(ask, play);
        let is_it = |known: &&Refusal| {
            known.bet == play.transaction && known.round == round && ask.now_ms < known.until_ms
        };
        self.refusals.iter().find(is_it).map(|known| known.code)
    }

    /// A bet that was refused for funds or a limit stays refused, where its platform wants it so. `false` where it could
    /// not stay so, since there are as many: then it is not told that it is.
    fn remember_refusal(&mut self, ask: &Ask<'_>, play: &Play<CompactString>, code: ErrorCode) -> bool {
        let remembered_ms = ask.rules.dialect(play.platform).remember_refusals_ms;
        if play.kind != PlayKind::Bet || remembered_ms == 0 || !matches!(code.number(), -2 | -13..=-10) {
            return true;
        }
        self.refusals.retain(|known| ask.now_ms < known.until_ms);
        if self.refusals.len() >= bounds::REFUSALS_MAX {
            return false;
        }
        self.refusals.push_back(Refusal {
            round: Self::bet_key(ask, play),
            bet: play.transaction.clone(),
            code,
            until_ms: ask.now_ms + remembered_ms,
        });
        true
    }

    fn session_refusal(&self, ask: &Ask<'_>, play: &Play<CompactString>) -> Option<Answer> {
        match play.kind {
            PlayKind::Bet => {
                let key = play.session.as_ref().expect("a bet has a session");
                let unknown = refused(ErrorCode::SessionNotFound);
                let Some(session) = self.sessions.iter().find(|session| session.key == key.as_str()) else {
                    return Some(unknown);
                };
                (!session.is_live(ask.now_ms, ask.rules)).then(|| self.refuse(ErrorCode::SessionNotFound))
            }
            PlayKind::Win => {
                let foreign = match ask.foreign {
                    Foreign::No => false,
                    Foreign::Maybe => is_refused(ask.told, ErrorCode::AccountNotFound),
                    Foreign::Surely => true,
                };
                foreign.then_some(refused(ErrorCode::AccountNotFound))
            }
            PlayKind::Rollback | PlayKind::Void => None,
        }
    }

    /// The round that a request names, where the account remembers anything of it.
    fn round_of(&self, ask: &Ask<'_>, play: &Play<CompactString>) -> Option<&Round> {
        self.find(ask, play.platform, &play.round, &play.game).map(|key| &self.rounds[&key])
    }

    /// The round, where it is known by more than cancelled bets.
    fn opened(&self, ask: &Ask<'_>, play: &Play<CompactString>) -> Option<&Round> {
        self.round_of(ask, play).filter(|round| round.state != RoundState::Unopened)
    }

    fn has_room(&self, ask: &Ask<'_>, play: &Play<CompactString>) -> bool {
        self.round_of(ask, play).is_none_or(Round::has_room)
    }

    fn bet(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Result<Option<Deed>, ErrorCode> {
        match self.opened(ask, play).map(|round| round.state) {
            None if !play.starts_round => return Err(ErrorCode::RoundNotFound),
            Some(RoundState::Closed) if play.starts_round => return Err(ErrorCode::NotCompleted),
            _ => {}
        }
        let takes = |round: &Round| round.has_room() && round.bets < bounds::ROUND_BETS_MAX;
        if !self.round_of(ask, play).is_none_or(takes) {
            return Err(ErrorCode::NotCompleted);
        }
        let stake = minor(play.amount);
        self.within_limits(ask, play, stake)?;
        if stake > self.cash {
            return Err(ErrorCode::InsufficientFunds);
        }
        self.change_sums(ask, |sum| sum.staked += stake);
        let key = play.session.as_ref().expect("a bet has a session");
        let session = self.sessions.iter_mut().find(|session| session.key == key.as_str());
        session.expect("its session was looked at").uses = vec![ask.now_ms];
        let (_, round) = self.find_or_make(ask, play.platform, &play.round, &play.game);
        round.staked += stake;
        round.bets += 1;
        round.bets_standing += 1;
        Ok(Some(Deed { by: -stake, moved_nothing: false }))
    }

    fn within_limits(&self, ask: &Ask<'_>, play: &Play<CompactString>, stake: i128) -> Result<(), ErrorCode> {
        let limits = self.limits;
        let over = |sum: i128, limit: Option<_>| limit.is_some_and(|limit| sum + stake > minor(limit));
        if over(0, limits.stake) {
            return Err(ErrorCode::StakeLimit);
        }
        let sums = self.current_sums(ask);
        for (sum, limit) in sums.iter().zip(limits.wager.into_array()) {
            if over(sum.staked, limit) {
                return Err(ErrorCode::WagerLimit);
            }
        }
        for (sum, limit) in sums.iter().zip(limits.loss.into_array()) {
            if over(sum.staked - sum.won, limit) {
                return Err(ErrorCode::LossLimit);
            }
        }
        let key = play.session.as_ref().expect("a bet has a session");
        let session = self.sessions.iter().find(|session| session.key == key.as_str());
        let started_ms = session.expect("its session was looked at").started_ms;
        let too_long =
            |minutes: u32| ask.now_ms.saturating_sub(started_ms) >= u64::from(minutes) * bounds::MINUTE_MS;
        if limits.session_minutes.is_some_and(too_long) {
            return Err(ErrorCode::SessionLengthLimit);
        }
        Ok(())
    }

    fn win(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Result<Option<Deed>, ErrorCode> {
        let won = minor(play.amount);
        if !self.has_room(ask, play) || self.cash + won > CASH_MINOR_MAX {
            return Err(ErrorCode::NotCompleted);
        }
        let taken_back = |round: &Round| round.bets > 0 && round.bets_standing == 0;
        let strict = ask.rules.dialect(play.platform).strict_rounds;
        if strict && won > 0 && self.round_of(ask, play).is_some_and(taken_back) {
            return Err(ErrorCode::NotCompleted);
        }
        self.change_sums(ask, |sum| sum.won += won);
        let opens = self.opened(ask, play).is_none();
        let (_, round) = self.find_or_make(ask, play.platform, &play.round, &play.game);
        round.has_winnings |= won > 0;
        if opens {
            round.orphan = !play.starts_round;
        }
        Ok(Some(Deed { by: won, moved_nothing: false }))
    }

    fn rollback(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Result<Option<Deed>, ErrorCode> {
        let original = play.original.clone().expect("a rollback names its bet");
        let bet = (PlayKind::Bet, original);
        let found = self.round_of(ask, play).and_then(|round| Some((round, *round.known.get(&bet)?)));
        let Some((round, number)) = found else {
            let (_, original) = bet;
            self.cancel(ask, play, original);
            return Err(ErrorCode::TransactionNotFound);
        };
        let strict = ask.rules.dialect(play.platform).strict_rounds;
        let bet = self.transactions[&number].clone();
        if bet.amount != minor(play.amount) {
            return Err(ErrorCode::NotCompleted);
        }
        if bet.rolled_back {
            // A round that takes nothing more need not remember that nothing was done.
            return Ok(round.has_room().then_some(Deed { by: 0, moved_nothing: true }));
        }
        if strict && round.has_winnings || !round.has_room() {
            return Err(ErrorCode::NotCompleted);
        }
        self.give_back(ask, play, bet.amount)?.bets_standing -= 1;
        self.take_out(ask, play, bet.amount, |from_ms| bet.at_ms >= from_ms);
        self.transactions.get_mut(&number).expect("it was found").rolled_back = true;
        Ok(Some(Deed { by: bet.amount, moved_nothing: false }))
    }

    /// Remembers that a bet is not to be taken any more. A full round takes none anyway.
    fn cancel(&mut self, ask: &Ask<'_>, play: &Play<CompactString>, bet: CompactString) {
        let (_, round) = self.find_or_make(ask, play.platform, &play.round, &play.game);
        if round.has_room() && round.cancelled.insert(bet) {
            round.games.insert(play.game.clone());
            round.last_ms = ask.now_ms;
        }
    }

    fn void(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Result<Option<Deed>, ErrorCode> {
        if self.opened(ask, play).is_none() {
            return Err(ErrorCode::RoundNotFound);
        }
        if !self.has_room(ask, play) {
            return Err(ErrorCode::NotCompleted);
        }
        let voided = minor(play.amount);
        self.give_back(ask, play, voided)?;
        self.take_out(ask, play, voided, |_| true);
        Ok(Some(Deed { by: voided, moved_nothing: false }))
    }

    /// Takes an amount that goes back to the player out of the periods that `is_in` holds for, given when they began: as much
    /// as it leaves less of what the round has staked in them.
    fn take_out(
        &mut self,
        ask: &Ask<'_>,
        play: &Play<CompactString>,
        amount: i128,
        is_in: impl Fn(u64) -> bool,
    ) {
        let round = self.find(ask, play.platform, &play.round, &play.game);
        let transactions: Vec<Transaction> =
            self.transactions.values().filter(|known| known.round == round).cloned().collect();
        self.change_sums(ask, |sum| {
            let since = transactions.iter().filter(|known| known.at_ms >= sum.from_ms);
            let stakes = since.map(|known| match known.kind {
                Kind::Play(PlayKind::Bet) if !known.rolled_back => known.amount,
                Kind::Play(PlayKind::Void) => -known.amount,
                _ => 0,
            });
            let before: i128 = stakes.sum();
            let taken = before.max(0) - (before - amount).max(0);
            if is_in(sum.from_ms) {
                sum.staked = (sum.staked - taken).max(0);
            }
        });
    }

    /// Counts stake that goes back to the player: never more than the round has taken.
    fn give_back(
        &mut self,
        ask: &Ask<'_>,
        play: &Play<CompactString>,
        returned: i128,
    ) -> Result<&mut Round, ErrorCode> {
        let overflows = self.cash + returned > CASH_MINOR_MAX;
        let key = self.find(ask, play.platform, &play.round, &play.game).expect("its round was found");
        let round = self.rounds.get_mut(&key).expect("it was found");
        if overflows || round.returned + returned > round.staked {
            return Err(ErrorCode::NotCompleted);
        }
        round.returned += returned;
        Ok(round)
    }

    /// Moves the funds, and remembers the transaction in its round, which is open from now on.
    fn enter(&mut self, ask: &Ask<'_>, play: &Play<CompactString>, deed: &Deed) {
        self.move_funds(deed.by);
        let opened = self.last_number + 1;
        let round = self.remember(ask, play, deed.moved_nothing);
        if round.state == RoundState::Unopened {
            (round.state, round.opened) = (RoundState::Open, opened);
        }
        if play.ends_round {
            round.state = RoundState::Closed;
        }
    }

    /// Remembers a rollback that was answered 0 and found no bet. It opens no round, and ends one.
    fn enter_unknown(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) {
        if self.has_room(ask, play) {
            self.remember(ask, play, true);
        }
        let (_, round) = self.find_or_make(ask, play.platform, &play.round, &play.game);
        if play.ends_round && round.state == RoundState::Open {
            (round.state, round.last_ms) = (RoundState::Closed, ask.now_ms);
        }
    }

    /// Remembers a transaction in its round.
    fn remember(&mut self, ask: &Ask<'_>, play: &Play<CompactString>, moved_nothing: bool) -> &mut Round {
        let (key, _) = self.find_or_make(ask, play.platform, &play.round, &play.game);
        let number = self.record(Transaction {
            kind: Kind::Play(play.kind),
            platform: play.platform,
            round: Some(key.clone()),
            game: Some(play.game.clone()),
            id: play.transaction.clone(),
            amount: minor(play.amount),
            original: play.original.clone(),
            moved_nothing,
            rolled_back: false,
            balance_after: self.cash,
            at_ms: ask.now_ms,
            event: ask.event,
        });
        let round = self.rounds.get_mut(&key).expect("it was made");
        round.known.insert((play.kind, play.transaction.clone()), number);
        round.games.insert(play.game.clone());
        round.last_ms = ask.now_ms;
        round
    }

    pub(super) fn end_round(
        &mut self,
        ask: &Ask<'_>,
        platform: PlatformKey,
        round: &str,
        game: &str,
        currency: Option<Currency>,
    ) -> Answer {
        if currency != Some(self.currency) {
            return self.refuse(ErrorCode::CurrencyMismatch);
        }
        let key = self.find(ask, platform, round, game);
        let round = key.and_then(|key| self.rounds.get_mut(&key));
        let Some(round) = round.filter(|round| round.state != RoundState::Unopened) else {
            return self.refuse(ErrorCode::RoundNotFound);
        };
        if round.state == RoundState::Open {
            round.state = RoundState::Closed;
            round.last_ms = ask.now_ms;
        }
        Outcome::Noted(self.balance())
    }
}

impl Round {
    /// Whether it takes a further transaction, or a further bet that is cancelled before it comes.
    fn has_room(&self) -> bool {
        self.known.len() + self.cancelled.len() < bounds::ROUND_TRANSACTIONS_MAX
    }
}
