//! The ladder of a call about a round (protocol §4): what it does, before it has changed anything.
//!
//! The rungs in their order: a transaction that is known, session, frozen, currency, game, round, limits, funds. Only a
//! bet is asked whether its player may play and its game is offered: a round that was begun is settled, whatever
//! happened since.

use super::account::AccountStatus;
use super::amount::Amount;
use super::ledger::Account;
use super::operation::{Play, PlayKind};
use super::outcome::ErrorCode;
use super::packed::Place;
use super::play::{At, NO_ROUND};
use super::rounds::{Round, RoundState};
use super::transaction::{Fate, Kind};
use super::{Millis, Rules, Stamp, Wallet, because, bounds};
use coverage::Branch;

/// What a call that has climbed its ladder does.
pub(super) enum Verdict {
    /// It is done: the transaction is recorded, and this much moves.
    Do {
        /// Of a rollback: the place of its bet, and whether this one is what takes it back.
        original: Option<(Place, bool)>,
    },
    /// The bet to roll back is not there: its id is cancelled, and the answer is -8 or 0 (`unknown_rollback`).
    Cancel,
    /// It was done before.
    Known,
    /// Refused, with the funds.
    Refuse(ErrorCode, &'static str),
    /// Refused, and nothing is told of the account.
    Deny(ErrorCode, &'static str),
    /// Winnings whose session is not this account's: is it another's?
    AskForHolder,
}

use Verdict::Refuse;

pub(super) const NO_SESSION: &str = "GatewaySessionToken names no session of this account.";

impl Wallet {
    /// Climbs the ladder.
    pub(super) fn judge(&self, stamp: Stamp, play: &Play<&str>, at: At) -> Verdict {
        let At { account: index, platform, round, session } = at;
        let account = self.accounts.get(index);
        let currency = self.books.get(account.domain()).currency();
        let round = round.map(|round| self.rounds.get(round));
        if let Some(known) = round.and_then(|round| known(round, play, play.currency == Some(currency))) {
            return known;
        }
        if let Some(refusal) = self.remembered_refusal(stamp.now_ms, play, at) {
            return refusal;
        }
        if let Some(refusal) = self.judge_session(stamp.now_ms, play, at) {
            return refusal;
        }
        let frozen = account.status() == AccountStatus::Frozen;
        if frozen && play.kind == PlayKind::Bet {
            return Refuse(ErrorCode::AccountFrozen, because::FROZEN);
        }
        if play.currency != Some(currency) {
            return Refuse(ErrorCode::CurrencyMismatch, because::CURRENCY);
        }
        let offered = self.offers(play.game);
        if !offered && play.kind == PlayKind::Bet {
            return Refuse(ErrorCode::GameNotFound, because::NO_GAME);
        }
        if frozen {
            coverage::hit(Branch::FrozenSettled);
        }
        if !offered {
            coverage::hit(Branch::WithdrawnGameSettled);
        }
        if round.is_none() && play.kind != PlayKind::Void && !self.has_room_for_a_round() {
            return Verdict::Deny(ErrorCode::Unknown, because::FULL);
        }
        // Its platform repeats winnings until they succeed, and so they are not lost.
        if play.kind == PlayKind::Win && self.leaves_too_many_open(play, account, round) {
            return Verdict::Deny(ErrorCode::Unknown, because::MANY_OPEN_ROUNDS);
        }
        let strict = self.platforms.dialect(platform).strict_rounds;
        let holds = account.cash().checked_add(play.amount).is_some();
        match play.kind {
            PlayKind::Bet => self.judge_bet(stamp, play, account, session, round),
            PlayKind::Win => if_holds(holds, judge_win(play, round, strict)),
            PlayKind::Void => if_holds(holds, judge_void(play, round)),
            PlayKind::Rollback => if_holds(holds, judge_rollback(play, round, strict)),
        }
    }

    /// Whether the account would have more open rounds than it may. What is in the journal was within the bound of its time.
    fn leaves_too_many_open(&self, play: &Play<&str>, account: &Account, round: Option<&Round>) -> bool {
        let opens = !play.ends_round && round.is_none_or(|round| round.state == RoundState::Unopened);
        let open = account.activity().map_or(0, |activity| activity.rounds.open_count());
        let is_over = opens && self.catalog.is_some() && open >= bounds::OPEN_ROUNDS_MAX;
        if is_over {
            coverage::hit(Branch::OpenRoundsFull);
        }
        is_over
    }

    /// The rung of the session: of a bet it must be live and this account's, of winnings not another's.
    fn judge_session(&self, now_ms: Millis, play: &Play<&str>, at: At) -> Option<Verdict> {
        let account = self.accounts.get(at.account);
        let horizon = self.session_horizon(now_ms);
        let session = at.session.map(|at| &account.sessions[at]);
        let remembered = session.filter(|session| !horizon.is_past(session));
        if session.is_some() && remembered.is_none() {
            coverage::hit(Branch::SessionPastHorizon);
        }
        match play.kind {
            // A record of older rules had one.
            PlayKind::Bet if self.rules == Rules::V1 => None,
            PlayKind::Bet => match remembered {
                None => Some(Verdict::Deny(ErrorCode::SessionNotFound, NO_SESSION)),
                Some(session) if !horizon.is_live(session) => {
                    Some(Refuse(ErrorCode::SessionNotFound, because::EXPIRED))
                }
                Some(_) => None,
            },
            PlayKind::Win if play.session.is_some() && remembered.is_none() && !play.session_checked => {
                Some(Verdict::AskForHolder)
            }
            _ => None,
        }
    }

    /// The last rungs of a bet: round, limits, funds.
    fn judge_bet(
        &self,
        stamp: Stamp,
        play: &Play<&str>,
        account: &Account,
        session: Option<usize>,
        round: Option<&Round>,
    ) -> Verdict {
        match round.map_or(RoundState::Unopened, |round| round.state) {
            RoundState::Unopened if !play.starts_round => {
                return Refuse(
                    ErrorCode::RoundNotFound,
                    "GameRoundID names no round, and StartRound is false.",
                );
            }
            RoundState::Closed if play.starts_round => {
                return Refuse(ErrorCode::NotCompleted, "The round has ended, and StartRound is true.");
            }
            _ => {}
        }
        if self.leaves_too_many_open(play, account, round) {
            return Refuse(ErrorCode::NotCompleted, because::MANY_OPEN_ROUNDS);
        }
        if round.is_some_and(Round::is_full) {
            return full();
        }
        if round.is_some_and(Round::is_full_of_bets) {
            coverage::hit(Branch::BetsFull);
            return Refuse(ErrorCode::NotCompleted, "The round has as many bets as it may have.");
        }
        if round.is_some_and(|round| round.sums().staked.checked_add(play.amount).is_none()) {
            return Refuse(ErrorCode::NotCompleted, "The bets of the round come to too much.");
        }
        // What a record of older rules did was within its limits, as those counted.
        if let Some(activity) = account.activity().filter(|_| self.rules != Rules::V1) {
            let limits = &activity.limits;
            if limits.stake.is_some_and(|limit| play.amount > limit) {
                return Refuse(ErrorCode::StakeLimit, "Amount is over the player's limit for one bet.");
            }
            let periods = self.books.get(account.domain()).periods(self.periods);
            if let Some((code, why)) = activity.sums.broken(periods, limits, play.amount) {
                return Refuse(code, why);
            }
            let started_ms = session.map_or(stamp.now_ms, |at| account.sessions[at].started_ms);
            let length_ms = limits.session_minutes.map(|minutes| u64::from(minutes) * 60_000);
            if length_ms.is_some_and(|length_ms| stamp.now_ms.saturating_sub(started_ms) >= length_ms) {
                return Refuse(ErrorCode::SessionLengthLimit, "The session is as long as the player allows.");
            }
        }
        if account.cash() < play.amount {
            return Refuse(ErrorCode::InsufficientFunds, "The account holds less than Amount.");
        }
        Verdict::Do { original: None }
    }
}

/// What is to be said of a transaction that is known, or of a bet that was cancelled before it came.
fn known(round: &Round, play: &Play<&str>, same_currency: bool) -> Option<Verdict> {
    if play.kind == PlayKind::Bet && round.find(Kind::Cancelled, play.transaction).is_some() {
        coverage::hit(Branch::CancelledBet);
        return Some(Refuse(ErrorCode::NotCompleted, "The bet was rolled back before it came."));
    }
    let at = round.find(Kind::Play(play.kind), play.transaction)?;
    let known = round.read(at);
    let original = known.original.map(|bet| round.at(bet).id());
    let same = same_currency && known.amount == play.amount && original == play.original;
    Some(match known.fate {
        Fate::Stands | Fate::MovedNothing if same => Verdict::Known,
        Fate::RolledBack if same => Refuse(ErrorCode::NotCompleted, "The bet was rolled back."),
        _ => Refuse(ErrorCode::NotCompleted, because::OTHER_CONTENTS),
    })
}

fn full() -> Verdict {
    coverage::hit(Branch::RoundFull);
    Refuse(ErrorCode::NotCompleted, "The round has as many transactions as it may have.")
}

/// What gives money is done where the account can hold it.
fn if_holds(holds: bool, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Do { original: None | Some((_, true)) } if !holds => {
            Refuse(ErrorCode::NotCompleted, because::TOO_MUCH)
        }
        verdict => verdict,
    }
}

fn judge_win(play: &Play<&str>, round: Option<&Round>, strict: bool) -> Verdict {
    if round.is_some_and(Round::is_full) {
        return full();
    }
    if strict && play.amount > Amount::ZERO && round.is_some_and(Round::is_rolled_back) {
        coverage::hit(Branch::StrictWin);
        return Refuse(ErrorCode::NotCompleted, "All bets of the round were rolled back.");
    }
    Verdict::Do { original: None }
}

fn judge_rollback(play: &Play<&str>, round: Option<&Round>, strict: bool) -> Verdict {
    let original = play.original.expect("a rollback names its bet");
    let bet = round.and_then(|round| Some((round, round.find(Kind::Play(PlayKind::Bet), original)?)));
    let Some((round, at)) = bet else { return Verdict::Cancel };
    let bet = round.at(at);
    if bet.amount() != play.amount {
        return Refuse(ErrorCode::NotCompleted, "Amount is not the stake of the bet.");
    }
    let takes_back = bet.fate() != Fate::RolledBack;
    if strict && takes_back && round.has_winnings() {
        coverage::hit(Branch::StrictRollback);
        return Refuse(ErrorCode::NotCompleted, "The round has winnings.");
    }
    if round.is_full() {
        // Nothing is left to be done, and nothing that could be remembered of it is of use.
        return if takes_back { full() } else { Verdict::Known };
    }
    if takes_back && !round.sums().may_give_back(play.amount) {
        return Refuse(ErrorCode::NotCompleted, GIVES_TOO_MUCH);
    }
    Verdict::Do { original: Some((at, takes_back)) }
}

fn judge_void(play: &Play<&str>, round: Option<&Round>) -> Verdict {
    match round {
        None | Some(Round { state: RoundState::Unopened, .. }) => Refuse(ErrorCode::RoundNotFound, NO_ROUND),
        Some(round) if round.is_full() => full(),
        Some(round) if !round.sums().may_give_back(play.amount) => {
            Refuse(ErrorCode::NotCompleted, GIVES_TOO_MUCH)
        }
        Some(_) => Verdict::Do { original: None },
    }
}

const GIVES_TOO_MUCH: &str = "The round would give back more than its bets.";
