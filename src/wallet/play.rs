//! Game rounds (protocol §4): bets, wins, rollbacks, voids, and the end.
//!
//! Each call climbs the protocol's ladder in its order: account, a transaction that is known, session, frozen,
//! currency, game, round, limits, funds. What follows the last rung changes the state.

use super::account::{KeyHash, Status};
use super::amount::Amount;
use super::ledger::{AccountIndex, Place};
use super::operation::{Operation, Play, PlayKind};
use super::outcome::{Effect, ErrorCode, Outcome, Receipt};
use super::rounds::{Fate, Kind, NO_ORIGINAL, Round, RoundIndex, RoundState, Transaction};
use super::{Stamp, Wallet, refused};
use crate::limits;

/// What a call that has climbed its ladder does.
enum Verdict {
    /// It is done: the transaction is recorded, and this much moves.
    Do {
        /// Of a rollback: the place of its bet, and whether this one is what takes it back.
        original: Option<(u32, bool)>,
    },
    /// The bet to roll back is not there: its id is cancelled, and the answer is -8.
    Cancel,
    /// It was done before.
    Known,
    /// Refused, with the funds.
    Refuse(ErrorCode),
    /// Refused, and nothing is told of the account.
    Deny(ErrorCode),
    /// Winnings whose session is not this account's: is it another's?
    AskForHolder,
}

use Verdict::Refuse;

impl Wallet {
    pub(super) fn play<'a>(
        &'a mut self,
        stamp: Stamp,
        play: &Play<&'a str>,
        effect: &mut Effect,
    ) -> Outcome<&'a str> {
        let Some(index) = self.accounts.find(&play.account) else {
            let served = self.books.domain_of(play.account.id());
            let served = served.is_some_and(|id| self.books.get(id).serves(play.platform));
            // A session is looked for first, and an account that is not there has none (protocol §1).
            let code = if served && play.kind == PlayKind::Bet {
                ErrorCode::SessionNotFound
            } else {
                ErrorCode::AccountNotFound
            };
            return refused(code);
        };
        let account = self.accounts.get(index);
        effect.seen = account.changed;
        if !self.books.get(account.domain()).serves(play.platform) {
            return refused(ErrorCode::AccountNotFound);
        }
        let round = self.remembered(stamp.now_ms, index, play.round);
        let code = match self.judge(stamp, play, index, round) {
            Verdict::Do { original } => {
                self.carry_out(stamp, play, index, round, original, effect);
                ErrorCode::Success
            }
            Verdict::Known => ErrorCode::Success,
            Verdict::Cancel => {
                self.cancel(stamp, play, index, round, effect);
                ErrorCode::TransactionNotFound
            }
            Refuse(code) => code,
            Verdict::Deny(code) => return refused(code),
            Verdict::AskForHolder => {
                let play = Box::new(play.map(|text| (*text).into()));
                return Outcome::Next(Box::new(Operation::FindHolder { play }));
            }
        };
        let balance = self.balance_of(self.accounts.get(index));
        if code != ErrorCode::Success {
            return Outcome::Refused { code, balance: Some(balance) };
        }
        let staked = (play.kind == PlayKind::Bet).then_some(play.amount);
        Outcome::Done { reference: play.transaction, staked, balance }
    }

    /// The round with this id that the account has and that is still to be remembered.
    ///
    /// One that is over its time is forgotten here, whether a sweep has come by or not: what is answered follows
    /// from the time of the request alone.
    fn remembered(&mut self, now_ms: u64, index: AccountIndex, id: &str) -> Option<RoundIndex> {
        let at = self.rounds.find(&self.accounts, index, id)?;
        if !self.rounds.get(at).is_forgotten(now_ms, self.settings.retention_ms) {
            return Some(at);
        }
        self.forget(index, |round| round == at);
        None
    }

    /// Climbs the ladder.
    fn judge(
        &self,
        stamp: Stamp,
        play: &Play<&str>,
        index: AccountIndex,
        round: Option<RoundIndex>,
    ) -> Verdict {
        let account = self.accounts.get(index);
        let book = self.books.get(account.domain());
        let round = round.map(|round| self.rounds.get(round));
        if let Some(known) =
            round.and_then(|round| known(round, play, play.currency == Some(book.currency())))
        {
            return known;
        }
        let session = play.session.and_then(|key| account.session_at(|session| &*session.key == key));
        let session = session.map(|at| &account.sessions[at]);
        match play.kind {
            PlayKind::Bet => match session {
                None => return Verdict::Deny(ErrorCode::SessionNotFound),
                Some(session) if !session.is_live(stamp.now_ms, self.settings.session_idle_ms) => {
                    return Refuse(ErrorCode::SessionNotFound);
                }
                Some(_) => {}
            },
            PlayKind::Win if play.session.is_some() && session.is_none() && !play.session_checked => {
                return Verdict::AskForHolder;
            }
            _ => {}
        }
        if account.status() == Status::Frozen && play.kind != PlayKind::Win {
            return Refuse(ErrorCode::AccountFrozen);
        }
        if play.currency != Some(book.currency()) {
            return Refuse(ErrorCode::CurrencyMismatch);
        }
        if !self.offers(play.game) {
            return Refuse(ErrorCode::GameNotFound);
        }
        if round.is_some_and(|round| round.transactions.len() >= limits::ROUND_TRANSACTIONS_MAX) {
            return Refuse(ErrorCode::NotCompleted);
        }
        if round.is_none() && play.kind != PlayKind::Void && !self.has_room_for_a_round() {
            return Refuse(ErrorCode::Unknown);
        }
        let holds = account.cash().checked_add(play.amount).is_some();
        match play.kind {
            PlayKind::Bet => self.judge_bet(stamp, play, index, round),
            PlayKind::Win | PlayKind::Void if !holds => Refuse(ErrorCode::NotCompleted),
            PlayKind::Win => Verdict::Do { original: None },
            PlayKind::Void => judge_void(play, round),
            PlayKind::Rollback => match judge_rollback(play, round) {
                Verdict::Do { original: Some((_, true)) } if !holds => Refuse(ErrorCode::NotCompleted),
                verdict => verdict,
            },
        }
    }

    /// The last rungs of a bet: round, limits, funds.
    fn judge_bet(
        &self,
        stamp: Stamp,
        play: &Play<&str>,
        index: AccountIndex,
        round: Option<&Round>,
    ) -> Verdict {
        let account = self.accounts.get(index);
        match round.map_or(RoundState::Unopened, |round| round.state) {
            RoundState::Unopened if !play.starts_round => return Refuse(ErrorCode::RoundNotFound),
            RoundState::Closed if play.starts_round => return Refuse(ErrorCode::NotCompleted),
            _ => {}
        }
        let staked = round.map_or(Amount::ZERO, |round| round.staked);
        if staked.checked_add(play.amount).is_none() {
            return Refuse(ErrorCode::NotCompleted);
        }
        if let Some(activity) = account.activity() {
            let limits = &activity.limits;
            if limits.stake.is_some_and(|limit| play.amount > limit) {
                return Refuse(ErrorCode::StakeLimit);
            }
            if let Some(code) = activity.sums.broken(self.periods, limits, play.amount) {
                return Refuse(code);
            }
            let session = play.session.and_then(|key| account.session_at(|session| &*session.key == key));
            let started_ms = session.map_or(stamp.now_ms, |at| account.sessions[at].started_ms);
            let length_ms = limits.session_minutes.map(|minutes| u64::from(minutes) * 60_000);
            if length_ms.is_some_and(|length_ms| stamp.now_ms.saturating_sub(started_ms) >= length_ms) {
                return Refuse(ErrorCode::SessionLengthLimit);
            }
        }
        if account.cash() < play.amount {
            return Refuse(ErrorCode::InsufficientFunds);
        }
        Verdict::Do { original: None }
    }

    /// Records the transaction and moves its money.
    fn carry_out(
        &mut self,
        stamp: Stamp,
        play: &Play<&str>,
        index: AccountIndex,
        round: Option<RoundIndex>,
        original: Option<(u32, bool)>,
        effect: &mut Effect,
    ) {
        let at = self.opened(stamp, play, index, round);
        let account = self.accounts.get_mut(index);
        let book = self.books.get_mut(account.domain());
        let round = self.rounds.get_mut(at);
        let mut transaction =
            Transaction::new(Kind::Play(play.kind), play.transaction, play.amount, stamp.now_ms);
        let mut session_used_ms = 0;
        match (play.kind, original) {
            (PlayKind::Bet, _) => {
                account.spend(book, play.amount);
                round.staked = round.staked.checked_add(play.amount).expect("it was tried");
                account.activity_mut().sums.stake(self.periods, play.amount);
                let session = play.session.and_then(|key| account.session_at(|session| &*session.key == key));
                let session = &mut account.sessions[session.expect("a bet has a session")];
                if session.renewed {
                    session_used_ms = session.used_ms;
                }
                session.used_ms = stamp.now_ms;
                session.renewed = false;
            }
            (PlayKind::Win, _) => {
                account.receive(book, play.amount);
                account.activity_mut().sums.win(self.periods, play.amount);
            }
            (PlayKind::Rollback, Some((bet, true))) => {
                account.receive(book, play.amount);
                round.returned = round.returned.checked_add(play.amount).expect("at most what was staked");
                let bet_at = &mut round.transactions[bet as usize];
                bet_at.fate = Fate::RolledBack;
                account.activity_mut().sums.roll_back(self.periods, bet_at.at_ms, play.amount);
            }
            (PlayKind::Rollback, _) => transaction.fate = Fate::MovedNothing,
            (PlayKind::Void, _) => {
                account.receive(book, play.amount);
                round.returned = round.returned.checked_add(play.amount).expect("at most what was staked");
                account.activity_mut().sums.void(self.periods, play.amount);
            }
        }
        assert!(round.returned <= round.staked, "a round gives back what was staked in it");
        transaction.original = original.map_or(NO_ORIGINAL, |(bet, _)| bet);
        transaction.balance_after = account.cash();
        let (cash, version) = (account.cash(), account.version());
        let activity = account.activity_mut();
        let number = activity.next_number();
        transaction.number = number;
        round.last_ms = stamp.now_ms;
        if play.ends_round {
            round.state = RoundState::Closed;
        }
        activity.statement.push_back(Place { number, round: at.number(), at: round.push(transaction) });
        activity.oldest_ms = activity.oldest_ms.min(stamp.now_ms);
        account.changed = stamp.sequence;
        *effect = Effect {
            seen: stamp.sequence,
            changed: Some(Receipt { code: 0, cash, version, session_used_ms }),
        };
    }

    /// The round of a transaction that is done, opened where it was not yet.
    fn opened(
        &mut self,
        stamp: Stamp,
        play: &Play<&str>,
        index: AccountIndex,
        round: Option<RoundIndex>,
    ) -> RoundIndex {
        let at = round.unwrap_or_else(|| self.new_round(stamp, play.round, index));
        let round = self.rounds.get_mut(at);
        if round.state == RoundState::Unopened {
            round.state = RoundState::Open;
            round.orphan = play.kind == PlayKind::Win && !play.starts_round;
        }
        at
    }

    fn new_round(&mut self, stamp: Stamp, id: &str, index: AccountIndex) -> RoundIndex {
        let round = Round::new(index, id, stamp.now_ms);
        let at = self.rounds.insert(&self.accounts, round);
        let activity = self.accounts.get_mut(index).activity_mut();
        activity.rounds.push(at);
        activity.oldest_ms = activity.oldest_ms.min(stamp.now_ms);
        at
    }

    /// Remembers that a bet was rolled back before it came (protocol §4, rollbackbet).
    fn cancel(
        &mut self,
        stamp: Stamp,
        play: &Play<&str>,
        index: AccountIndex,
        round: Option<RoundIndex>,
        effect: &mut Effect,
    ) {
        let bet = play.original.expect("a rollback names its bet");
        if round.is_some_and(|round| self.rounds.get(round).find(Kind::Cancelled, bet).is_some()) {
            return;
        }
        let at = round.unwrap_or_else(|| self.new_round(stamp, play.round, index));
        let round = self.rounds.get_mut(at);
        round.push(Transaction::new(Kind::Cancelled, bet, Amount::ZERO, stamp.now_ms));
        round.last_ms = stamp.now_ms;
        let account = self.accounts.get_mut(index);
        account.changed = stamp.sequence;
        let code = ErrorCode::TransactionNotFound.number();
        let receipt = Receipt { code, cash: account.cash(), version: account.version(), session_used_ms: 0 };
        *effect = Effect { seen: stamp.sequence, changed: Some(receipt) };
    }

    /// `end`: closes the round.
    pub(super) fn end_round(
        &mut self,
        stamp: Stamp,
        operation: &Operation<&str>,
        effect: &mut Effect,
    ) -> Outcome<&'static str> {
        let Operation::EndRound { platform, account, round, game, currency, .. } = operation else {
            unreachable!("the call of another operation");
        };
        let Some((index, found)) = self.served(*platform, account) else {
            return refused(ErrorCode::AccountNotFound);
        };
        effect.seen = found.changed;
        let balance = self.balance_of(found);
        let refuse = |code| Outcome::Refused { code, balance: Some(balance) };
        if found.status() == Status::Frozen {
            return refuse(ErrorCode::AccountFrozen);
        }
        if *currency != Some(balance.currency) {
            return refuse(ErrorCode::CurrencyMismatch);
        }
        if !self.offers(game) {
            return refuse(ErrorCode::GameNotFound);
        }
        let round = self.remembered(stamp.now_ms, index, round);
        let Some(round) = round.map(|at| self.rounds.get_mut(at)) else {
            return refuse(ErrorCode::RoundNotFound);
        };
        match round.state {
            RoundState::Unopened => return refuse(ErrorCode::RoundNotFound),
            RoundState::Closed => {}
            RoundState::Open => {
                round.state = RoundState::Closed;
                // A repeat of its transactions must still find them for a while (protocol §4, Idempotency).
                round.last_ms = stamp.now_ms;
                self.note(stamp, index, effect);
            }
        }
        Outcome::Noted(balance)
    }

    /// Second step of winnings whose session is not their account's: who holds it?
    pub(super) fn find_holder<'a>(&self, play: &Play<&'a str>) -> Outcome<&'a str> {
        let key = play.session.expect("a holder is looked for by its session");
        let hash = KeyHash::of(key);
        let holder =
            self.directory.find(hash.bits(), |holder| holder.key == hash).map(|holder| holder.account);
        let mut play = play.map(|text| (*text).into());
        Outcome::Next(Box::new(match holder.filter(|holder| *holder != play.account.hash()) {
            Some(holder) => Operation::CheckHolder { holder, play: Box::new(play) },
            None => {
                play.session_checked = true;
                Operation::Play(play)
            }
        }))
    }

    /// Third step of them: is it live there?
    pub(super) fn check_holder<'a>(
        &self,
        now_ms: u64,
        holder: super::account::AccountHash,
        play: &Play<&'a str>,
    ) -> Outcome<&'a str> {
        let key = play.session.expect("a holder is looked for by its session");
        let idle_ms = self.settings.session_idle_ms;
        let holds = |found: &super::Account| {
            found.session_at(|session| &*session.key == key && session.is_live(now_ms, idle_ms)).is_some()
        };
        if self.accounts.find_hash(holder, holds).is_some() {
            return refused(ErrorCode::AccountNotFound);
        }
        let mut play = play.map(|text| (*text).into());
        play.session_checked = true;
        Outcome::Next(Box::new(Operation::Play(play)))
    }
}

/// What is to be said of a transaction that is known, or of a bet that was cancelled before it came.
fn known(round: &Round, play: &Play<&str>, same_currency: bool) -> Option<Verdict> {
    if play.kind == PlayKind::Bet && round.find(Kind::Cancelled, play.transaction).is_some() {
        return Some(Refuse(ErrorCode::NotCompleted));
    }
    let at = round.find(Kind::Play(play.kind), play.transaction)?;
    let known = &round.transactions[at];
    let original = round.transactions.get(known.original as usize).map(|bet| &*bet.id);
    let same = same_currency && known.amount == play.amount && original == play.original;
    Some(match known.fate {
        Fate::Stands | Fate::MovedNothing if same => Verdict::Known,
        _ => Refuse(ErrorCode::NotCompleted),
    })
}

fn judge_rollback(play: &Play<&str>, round: Option<&Round>) -> Verdict {
    let original = play.original.expect("a rollback names its bet");
    let bet = round.and_then(|round| Some((round, round.find(Kind::Play(PlayKind::Bet), original)?)));
    let Some((round, at)) = bet else { return Verdict::Cancel };
    let bet = &round.transactions[at];
    if bet.amount != play.amount {
        return Refuse(ErrorCode::NotCompleted);
    }
    let takes_back = bet.fate != Fate::RolledBack;
    if takes_back && !gives_back(round, play.amount) {
        return Refuse(ErrorCode::NotCompleted);
    }
    Verdict::Do { original: Some((at as u32, takes_back)) }
}

fn judge_void(play: &Play<&str>, round: Option<&Round>) -> Verdict {
    match round {
        None | Some(Round { state: RoundState::Unopened, .. }) => Refuse(ErrorCode::RoundNotFound),
        Some(round) if !gives_back(round, play.amount) => Refuse(ErrorCode::NotCompleted),
        Some(_) => Verdict::Do { original: None },
    }
}

/// Whether the round may give this much back: never more than was staked (protocol §4, voidbet).
fn gives_back(round: &Round, amount: Amount) -> bool {
    round.returned.checked_add(amount).is_some_and(|returned| returned <= round.staked)
}
