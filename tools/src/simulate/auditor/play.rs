//! Game rounds (protocol §4), each call climbing its ladder in the order of protocol §1.

use compact_str::CompactString;
use purser::limits;
use purser::wallet::Currency;
use purser::wallet::account::Status;
use purser::wallet::operation::{Play, PlayKind};
use purser::wallet::outcome::{ErrorCode, Outcome};

use super::account::{Account, Ask, Foreign, Kind, Round, RoundState, Transaction};
use super::period;
use super::rules::{Answer, CASH_MINOR_MAX, is_refused, minor, refused};

const MINUTE_MS: u64 = 60_000;

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
        if let Some(answer) = self.session_refusal(ask, play) {
            return answer;
        }
        if self.status == Status::Frozen && play.kind != PlayKind::Win {
            return self.refuse(ErrorCode::AccountFrozen);
        }
        if play.currency != Some(self.currency) {
            return self.refuse(ErrorCode::CurrencyMismatch);
        }
        if !ask.rules.games.contains(play.game.as_str()) {
            return self.refuse(ErrorCode::GameNotFound);
        }
        let deed = match play.kind {
            PlayKind::Bet => self.bet(ask, play),
            PlayKind::Win => self.win(ask, play),
            PlayKind::Rollback => self.rollback(ask, play),
            PlayKind::Void => self.void(ask, play),
        };
        match deed {
            Err(code) => self.refuse(code),
            Ok(deed) => {
                self.enter(ask, play, &deed);
                self.done_play(play)
            }
        }
    }

    fn done_play(&self, play: &Play<CompactString>) -> Answer {
        self.done(&play.transaction, (play.kind == PlayKind::Bet).then_some(minor(play.amount)))
    }

    /// The answer to a transaction that was done before, and to a bet that was cancelled before it came.
    fn known(&self, ask: &Ask<'_>, play: &Play<CompactString>) -> Option<Answer> {
        let id = play.transaction.to_string();
        let round = self.rounds.get(play.round.as_str())?;
        if let Some(number) = round.known.get(&(play.kind, id)) {
            let before = &self.transactions[number];
            let same = before.amount == minor(play.amount)
                && play.currency == Some(self.currency)
                && before.original.as_deref() == play.original.as_deref();
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
        round.cancelled.contains(play.transaction.as_str()).then(|| self.refuse(ErrorCode::NotCompleted))
    }

    fn session_refusal(&self, ask: &Ask<'_>, play: &Play<CompactString>) -> Option<Answer> {
        match play.kind {
            PlayKind::Bet => {
                let key = play.session.as_ref().expect("a bet has a session");
                let unknown = refused(ErrorCode::SessionNotFound);
                let Some(session) = self.sessions.iter().find(|session| session.key == key.as_str()) else {
                    return Some(unknown);
                };
                if session.is_live(ask.now_ms, ask.rules) {
                    None
                } else if session.may_be_forgotten(ask.now_ms, ask.rules) && ask.told == Some(&unknown) {
                    Some(unknown)
                } else {
                    Some(self.refuse(ErrorCode::SessionNotFound))
                }
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

    /// The round, where it is known by more than cancelled bets.
    fn opened(&self, round: &str) -> Option<&Round> {
        self.rounds.get(round).filter(|round| round.state != RoundState::Unopened)
    }

    fn has_room(&self, round: &str) -> bool {
        self.opened(round).is_none_or(|round| round.known.len() < limits::ROUND_TRANSACTIONS_MAX)
    }

    fn bet(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Result<Deed, ErrorCode> {
        match self.opened(&play.round).map(|round| round.state) {
            None if !play.starts_round => return Err(ErrorCode::RoundNotFound),
            Some(RoundState::Closed) if play.starts_round => return Err(ErrorCode::NotCompleted),
            _ => {}
        }
        if !self.has_room(&play.round) {
            return Err(ErrorCode::NotCompleted);
        }
        let stake = minor(play.amount);
        self.within_limits(ask, play, stake)?;
        if stake > self.cash {
            return Err(ErrorCode::InsufficientFunds);
        }
        for sum in self.current_sums(ask.now_ms) {
            sum.staked += stake;
        }
        let key = play.session.as_ref().expect("a bet has a session");
        let session = self.sessions.iter_mut().find(|session| session.key == key.as_str());
        session.expect("its session was looked at").uses = vec![ask.now_ms];
        let round = self.rounds.entry(play.round.to_string()).or_default();
        round.staked += stake;
        Ok(Deed { by: -stake, moved_nothing: false })
    }

    fn within_limits(
        &mut self,
        ask: &Ask<'_>,
        play: &Play<CompactString>,
        stake: i128,
    ) -> Result<(), ErrorCode> {
        let limits = self.limits;
        let over = |sum: i128, limit: Option<_>| limit.is_some_and(|limit| sum + stake > minor(limit));
        if over(0, limits.stake) {
            return Err(ErrorCode::StakeLimit);
        }
        let sums = *self.current_sums(ask.now_ms);
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
        let too_long = |minutes: u32| ask.now_ms.saturating_sub(started_ms) >= u64::from(minutes) * MINUTE_MS;
        if limits.session_minutes.is_some_and(too_long) {
            return Err(ErrorCode::SessionLengthLimit);
        }
        Ok(())
    }

    fn win(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Result<Deed, ErrorCode> {
        let won = minor(play.amount);
        if !self.has_room(&play.round) || self.cash + won > CASH_MINOR_MAX {
            return Err(ErrorCode::NotCompleted);
        }
        for sum in self.current_sums(ask.now_ms) {
            sum.won += won;
        }
        if self.opened(&play.round).is_none() {
            self.rounds.entry(play.round.to_string()).or_default().orphan = !play.starts_round;
        }
        Ok(Deed { by: won, moved_nothing: false })
    }

    fn rollback(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Result<Deed, ErrorCode> {
        let original = play.original.as_ref().expect("a rollback names its bet").to_string();
        let bet = self.rounds.get(play.round.as_str());
        let bet = bet.and_then(|round| round.known.get(&(PlayKind::Bet, original.clone())).copied());
        let Some(number) = bet else {
            self.cancel(ask, &play.round, original);
            return Err(ErrorCode::TransactionNotFound);
        };
        let bet = self.transactions[&number].clone();
        if bet.amount != minor(play.amount) || !self.has_room(&play.round) {
            return Err(ErrorCode::NotCompleted);
        }
        if bet.rolled_back {
            return Ok(Deed { by: 0, moved_nothing: true });
        }
        self.give_back(&play.round, bet.amount)?;
        self.transactions.get_mut(&number).expect("it was found").rolled_back = true;
        let placed_in = period::starts(bet.at_ms);
        for (sum, from_day) in self.current_sums(ask.now_ms).iter_mut().zip(placed_in) {
            if sum.from_day == from_day {
                // A void may have taken out a part of it.
                sum.staked = (sum.staked - bet.amount).max(0);
            }
        }
        Ok(Deed { by: bet.amount, moved_nothing: false })
    }

    /// Remembers that a bet is not to be taken any more.
    fn cancel(&mut self, ask: &Ask<'_>, round: &str, bet: String) {
        let round = self.rounds.entry(round.to_owned()).or_default();
        round.was_unopened |= round.state == RoundState::Unopened;
        if round.cancelled.insert(bet) {
            round.last_ms = ask.now_ms;
        }
    }

    fn void(&mut self, ask: &Ask<'_>, play: &Play<CompactString>) -> Result<Deed, ErrorCode> {
        if self.opened(&play.round).is_none() {
            return Err(ErrorCode::RoundNotFound);
        }
        if !self.has_room(&play.round) {
            return Err(ErrorCode::NotCompleted);
        }
        let voided = minor(play.amount);
        self.give_back(&play.round, voided)?;
        for sum in self.current_sums(ask.now_ms) {
            sum.staked = (sum.staked - voided).max(0);
        }
        Ok(Deed { by: voided, moved_nothing: false })
    }

    /// Counts stake that goes back to the player: never more than the round has taken.
    fn give_back(&mut self, round: &str, returned: i128) -> Result<(), ErrorCode> {
        let overflows = self.cash + returned > CASH_MINOR_MAX;
        let round = self.rounds.get_mut(round).expect("its round was found");
        if overflows || round.returned + returned > round.staked {
            return Err(ErrorCode::NotCompleted);
        }
        round.returned += returned;
        Ok(())
    }

    /// Moves the funds, and remembers the transaction in its round.
    fn enter(&mut self, ask: &Ask<'_>, play: &Play<CompactString>, deed: &Deed) {
        self.move_funds(deed.by);
        let number = self.record(Transaction {
            kind: Kind::Play(play.kind),
            round: Some(play.round.to_string()),
            id: play.transaction.to_string(),
            amount: minor(play.amount),
            original: play.original.as_ref().map(ToString::to_string),
            moved_nothing: deed.moved_nothing,
            rolled_back: false,
            balance_after: self.cash,
            at_ms: ask.now_ms,
            event: ask.event,
        });
        let round = self.rounds.entry(play.round.to_string()).or_default();
        if round.state == RoundState::Unopened {
            round.state = RoundState::Open;
            round.opened_by = number;
        }
        round.known.insert((play.kind, play.transaction.to_string()), number);
        round.last_ms = ask.now_ms;
        if play.ends_round {
            round.state = RoundState::Closed;
        }
    }

    pub(super) fn end_round(
        &mut self,
        ask: &Ask<'_>,
        round: &str,
        game: &str,
        currency: Option<Currency>,
    ) -> Answer {
        if self.status == Status::Frozen {
            return self.refuse(ErrorCode::AccountFrozen);
        }
        if currency != Some(self.currency) {
            return self.refuse(ErrorCode::CurrencyMismatch);
        }
        if !ask.rules.games.contains(game) {
            return self.refuse(ErrorCode::GameNotFound);
        }
        let Some(round) = self.rounds.get_mut(round).filter(|round| round.state != RoundState::Unopened)
        else {
            return self.refuse(ErrorCode::RoundNotFound);
        };
        if round.state == RoundState::Open {
            round.state = RoundState::Closed;
            round.last_ms = ask.now_ms;
        }
        Outcome::Noted(self.balance())
    }
}
