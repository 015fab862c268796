//! Game rounds (protocol §4): bets, wins, rollbacks, voids, and the end.
//!
//! Each call climbs the protocol's ladder in its order: account, a transaction that is known, session, frozen,
//! currency, game, round, limits, funds. What follows the last rung changes the state. Only a bet is asked whether its
//! player may play and its game is offered: a round that was begun is settled, whatever happened since.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::account::{KeyHash, Status};
use super::amount::Amount;
use super::games::GameIndex;
use super::ledger::{AccountIndex, Place, RefusedBet};
use super::operation::{Operation, Play, PlayKind};
use super::outcome::{Effect, ErrorCode, Outcome, Receipt, Why};
use super::platform::RoundScope;
use super::platforms::PlatformIndex;
use super::rounds::{Fate, Kind, NO_ORIGINAL, Round, RoundIndex, RoundKey, RoundState, Transaction};
use super::{Millis, Rules, Stamp, Wallet, because, refused};
use crate::limits;
use crate::marks::{self, Mark};

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
    Refuse(ErrorCode, &'static str),
    /// Refused, and nothing is told of the account.
    Deny(ErrorCode, &'static str),
    /// Winnings whose session is not this account's: is it another's?
    AskForHolder,
}

use Verdict::Refuse;

/// Where a request about a round arrives.
#[derive(Clone, Copy)]
struct At {
    account: AccountIndex,
    platform: PlatformIndex,
    /// The round, where the account has it.
    round: Option<RoundIndex>,
}

const NO_BET: &str =
    "OriginalBetGameRoundTransactionID names no bet of this round; it is cancelled, should it come.";
const NO_ROUND: &str = "GameRoundID names no round.";

impl Wallet {
    pub(super) fn play<'a>(
        &'a mut self,
        stamp: Stamp,
        play: &Play<&'a str>,
        effect: &mut Effect,
    ) -> Outcome<&'a str> {
        let Some(index) = self.accounts.find(&play.account) else {
            let domain = self.books.domain_of(play.account.id());
            let served = domain.is_some_and(|domain| self.serves(domain, play.platform).is_some());
            // A session is looked for first, and an account that is not there has none (protocol §1).
            return if served && play.kind == PlayKind::Bet {
                refused(ErrorCode::SessionNotFound, NO_SESSION)
            } else {
                refused(ErrorCode::AccountNotFound, because::NO_ACCOUNT)
            };
        };
        let account = self.accounts.get(index);
        effect.seen = account.changed;
        let Some(platform) = self.serves(account.domain(), play.platform) else {
            return refused(ErrorCode::AccountNotFound, because::NO_ACCOUNT);
        };
        let Play { round, scope, game, .. } = play;
        let round = self.remembered_round(stamp.now_ms, index, platform, round, *scope, game);
        let at = At { account: index, platform, round };
        let (code, why) = match self.judge(stamp, play, at) {
            Verdict::Do { original } => {
                self.carry_out(stamp, play, at, original, effect);
                (ErrorCode::Success, "")
            }
            Verdict::Known => (ErrorCode::Success, ""),
            Verdict::Cancel => {
                self.cancel(stamp, play, at, effect);
                if self.platforms.dialect(platform).unknown_rollback_succeeds {
                    marks::hit(Mark::UnknownRollbackSucceeded);
                    (ErrorCode::Success, "")
                } else {
                    (ErrorCode::TransactionNotFound, NO_BET)
                }
            }
            Refuse(code, why) => {
                self.remember_refusal(stamp.now_ms, play, at, (code, why));
                (code, why)
            }
            Verdict::Deny(code, why) => return refused(code, why),
            Verdict::AskForHolder => {
                let play = Box::new(play.map(|text| (*text).into()));
                return Outcome::Next(Box::new(Operation::FindHolder { play }));
            }
        };
        let balance = self.balance_of(self.accounts.get(index));
        if code != ErrorCode::Success {
            return Outcome::Refused { code, why: Why(why), balance: Some(balance) };
        }
        let staked = (play.kind == PlayKind::Bet).then_some(play.amount);
        Outcome::Done { reference: play.transaction, staked, balance }
    }

    /// The round that a platform's request names, where the account has it and it is still to be remembered.
    ///
    /// One that is past its horizon is passed over, whether a sweep has come by or not: what is answered follows from
    /// the time of the request alone. Where the platform has no such round, it may have begun it under its other scope,
    /// before its configuration was changed; or before version 0.2.0, which did not know whose a round was.
    pub(super) fn remembered_round(
        &self,
        now_ms: Millis,
        index: AccountIndex,
        platform: PlatformIndex,
        id: &str,
        scope: RoundScope,
        game: &str,
    ) -> Option<RoundIndex> {
        let retention_ms = self.settings.retention_ms;
        let find = |key: RoundKey<'_>| {
            let found = self.rounds.find(&self.accounts, index, &key)?;
            let past = self.rounds.get(found).is_forgotten(now_ms, retention_ms);
            if past {
                marks::hit(Mark::RoundPastHorizon);
            }
            (!past).then_some(found)
        };
        if self.rules == Rules::V1 {
            let key =
                |platform| RoundKey { platform, id, scope: RoundScope::Platform, game: GameIndex::NONE };
            return self.platforms.all().map(PlatformIndex::from_number).find_map(|of| find(key(of)));
        }
        // A game that nothing names is no round's.
        let named = || self.games.find(game);
        let plain = RoundKey { platform, id, scope: RoundScope::Platform, game: GameIndex::NONE };
        let by_game = |game| RoundKey { platform, id, scope: RoundScope::Game, game };
        let found = match scope {
            RoundScope::Platform => find(plain).or_else(|| {
                let game = self.rounds.has_any_by_game().then(named)??;
                find(by_game(game)).inspect(|_| marks::hit(Mark::RoundOfOtherScope))
            }),
            RoundScope::Game => named().and_then(|game| {
                find(by_game(game)).or_else(|| {
                    let of_game = |found: &RoundIndex| self.rounds.get(*found).game == game;
                    find(plain).filter(of_game).inspect(|_| marks::hit(Mark::RoundOfOtherScope))
                })
            }),
        };
        found.or_else(|| {
            let nobodys = RoundKey { platform: PlatformIndex::NONE, ..plain };
            self.rounds.has_any_unclaimed().then(|| find(nobodys))?
        })
    }

    /// Climbs the ladder.
    fn judge(&self, stamp: Stamp, play: &Play<&str>, at: At) -> Verdict {
        let At { account: index, platform, round } = at;
        let account = self.accounts.get(index);
        let currency = self.books.get(account.domain()).currency();
        let round = round.map(|round| self.rounds.get(round));
        if let Some(known) = round.and_then(|round| known(round, play, play.currency == Some(currency))) {
            return known;
        }
        if let Some(refusal) = self.remembered_refusal(stamp.now_ms, play, at) {
            return refusal;
        }
        if let Some(refusal) = self.judge_session(stamp.now_ms, play, index) {
            return refusal;
        }
        let frozen = account.status() == Status::Frozen;
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
            marks::hit(Mark::FrozenSettled);
        }
        if !offered {
            marks::hit(Mark::WithdrawnGameSettled);
        }
        if round.is_none() && play.kind != PlayKind::Void && !self.has_room_for_a_round() {
            return Refuse(ErrorCode::Unknown, "The server remembers as many rounds as it can.");
        }
        let strict = self.platforms.dialect(platform).strict_rounds;
        let holds = account.cash().checked_add(play.amount).is_some();
        match play.kind {
            PlayKind::Bet => self.judge_bet(stamp, play, index, round),
            PlayKind::Win | PlayKind::Void if !holds => Refuse(ErrorCode::NotCompleted, because::TOO_MUCH),
            PlayKind::Win => judge_win(play, round, strict),
            PlayKind::Void => judge_void(play, round),
            PlayKind::Rollback => match judge_rollback(play, round, strict) {
                Verdict::Do { original: Some((_, true)) } if !holds => {
                    Refuse(ErrorCode::NotCompleted, because::TOO_MUCH)
                }
                verdict => verdict,
            },
        }
    }

    /// The rung of the session: of a bet it must be live and this account's, of winnings not another's.
    fn judge_session(&self, now_ms: Millis, play: &Play<&str>, index: AccountIndex) -> Option<Verdict> {
        let account = self.accounts.get(index);
        let horizon = self.session_horizon(now_ms);
        let session = play.session.and_then(|key| account.session_at(|session| &*session.key == key));
        let session = session.map(|at| &account.sessions[at]);
        let remembered = session.filter(|session| !horizon.is_past(session));
        if session.is_some() && remembered.is_none() {
            marks::hit(Mark::SessionPastHorizon);
        }
        match play.kind {
            // A record of older rules had one.
            PlayKind::Bet if self.rules == Rules::V1 => None,
            PlayKind::Bet => match remembered {
                None => Some(Verdict::Deny(ErrorCode::SessionNotFound, NO_SESSION)),
                Some(session) if !horizon.is_live(session) => {
                    Some(Refuse(ErrorCode::SessionNotFound, "The session has expired."))
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
        index: AccountIndex,
        round: Option<&Round>,
    ) -> Verdict {
        let account = self.accounts.get(index);
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
        if round.is_some_and(|round| round.is_full_of_bets() || round.is_full()) {
            marks::hit(Mark::BetsFull);
            return Refuse(ErrorCode::NotCompleted, "The round has as many bets as it may have.");
        }
        let staked = round.map_or(Amount::ZERO, |round| round.staked);
        if staked.checked_add(play.amount).is_none() {
            return Refuse(ErrorCode::NotCompleted, "The bets of the round come to too much.");
        }
        if let Some(activity) = account.activity() {
            let limits = &activity.limits;
            if limits.stake.is_some_and(|limit| play.amount > limit) {
                return Refuse(ErrorCode::StakeLimit, "Amount is over the player's limit for one bet.");
            }
            let periods = self.books.get(account.domain()).periods(self.periods);
            if let Some((code, why)) = activity.sums.broken(periods, limits, play.amount) {
                return Refuse(code, why);
            }
            let session = play.session.and_then(|key| account.session_at(|session| &*session.key == key));
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

    // ── Refusals that are remembered (protocol §4, `remember_refusals_ms`) ──────────────────────────────────

    /// The refusal of this bet that still holds.
    fn remembered_refusal(&self, now_ms: Millis, play: &Play<&str>, at: At) -> Option<Verdict> {
        let activity = self.accounts.get(at.account).activity()?;
        if play.kind != PlayKind::Bet || activity.refusals.is_empty() {
            return None;
        }
        let bet = bet_hash(play, at.platform);
        let refusal = activity.refusals.iter().find(|known| known.bet == bet && now_ms < known.until_ms)?;
        marks::hit(Mark::RefusalRemembered);
        Some(Refuse(refusal.code, refusal.why.0))
    }

    fn remember_refusal(
        &mut self,
        now_ms: Millis,
        play: &Play<&str>,
        at: At,
        (code, why): (ErrorCode, &'static str),
    ) {
        let remembered_ms = self.platforms.dialect(at.platform).remember_refusals_ms;
        let lasts = matches!(
            code,
            ErrorCode::InsufficientFunds
                | ErrorCode::StakeLimit
                | ErrorCode::WagerLimit
                | ErrorCode::LossLimit
                | ErrorCode::SessionLengthLimit
        );
        if remembered_ms == 0 || !lasts {
            return;
        }
        let bet = bet_hash(play, at.platform);
        let refusals = &mut self.accounts.get_mut(at.account).activity_mut().refusals;
        refusals.retain(|known| now_ms < known.until_ms);
        // What is refused since it was refused before is refused until the same time.
        if refusals.iter().any(|known| known.bet == bet) {
            return;
        }
        if refusals.len() == limits::REFUSALS_REMEMBERED_MAX {
            refusals.pop_front();
        }
        let until_ms = now_ms.saturating_add(remembered_ms);
        refusals.push_back(RefusedBet { bet, until_ms, code, why: Why(why) });
    }

    /// Records the transaction and moves its money.
    fn carry_out(
        &mut self,
        stamp: Stamp,
        play: &Play<&str>,
        at: At,
        original: Option<(u32, bool)>,
        effect: &mut Effect,
    ) {
        let (index, at) = (at.account, self.opened(stamp, play, at));
        let game = self.games.take(play.game);
        let account = self.accounts.get_mut(index);
        let book = self.books.get_mut(account.domain());
        let periods = book.periods(self.periods);
        let round = self.rounds.get_mut(at);
        let mut transaction =
            Transaction::new(Kind::Play(play.kind), play.transaction, play.amount, stamp.now_ms);
        transaction.game = game;
        let mut session_used_ms = 0;
        match (play.kind, original) {
            (PlayKind::Bet, _) => {
                account.spend(book, play.amount);
                round.staked = round.staked.checked_add(play.amount).expect("it was tried");
                account.activity_mut().sums.stake(periods, play.amount);
                let session = play.session.and_then(|key| account.session_at(|session| &*session.key == key));
                assert!(session.is_some() || self.rules == Rules::V1, "a bet has a session");
                if let Some(session) = session.map(|at| &mut account.sessions[at]) {
                    if session.renewed {
                        session_used_ms = session.used_ms;
                    }
                    session.used_ms = stamp.now_ms;
                    session.renewed = false;
                }
            }
            (PlayKind::Win, _) => {
                account.receive(book, play.amount);
                account.activity_mut().sums.win(periods, play.amount);
            }
            (PlayKind::Rollback, Some((bet, true))) => {
                account.receive(book, play.amount);
                round.returned = round.returned.checked_add(play.amount).expect("at most what was staked");
                let bet_at = &mut round.transactions[bet as usize];
                bet_at.fate = Fate::RolledBack;
                account.activity_mut().sums.roll_back(periods, bet_at.at_ms, play.amount);
            }
            (PlayKind::Rollback, _) => transaction.fate = Fate::MovedNothing,
            (PlayKind::Void, _) => {
                account.receive(book, play.amount);
                round.returned = round.returned.checked_add(play.amount).expect("at most what was staked");
                account.activity_mut().sums.void(periods, play.amount);
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
    fn opened(&mut self, stamp: Stamp, play: &Play<&str>, at: At) -> RoundIndex {
        let at = self.own_round(stamp, play, at);
        let round = self.rounds.get_mut(at);
        if round.state == RoundState::Unopened {
            round.state = RoundState::Open;
            round.orphan = play.kind == PlayKind::Win && !play.starts_round;
        }
        at
    }

    /// The round of a record: the one that was found, which is this platform's from now on; or else a new one.
    fn own_round(&mut self, stamp: Stamp, play: &Play<&str>, at: At) -> RoundIndex {
        let At { account: index, platform, round } = at;
        if let Some(found) = round {
            self.claim_round(found, platform);
            return found;
        }
        self.forget_round_past_horizon(stamp.now_ms, play, at);
        let game = self.games.take(play.game);
        let key = RoundKey { platform, id: play.round, scope: play.scope, game };
        let round = Round::new(index, key, stamp.now_ms);
        let at = self.rounds.insert(&self.accounts, round);
        let activity = self.accounts.get_mut(index).activity_mut();
        activity.rounds.push(at);
        activity.oldest_ms = activity.oldest_ms.min(stamp.now_ms);
        at
    }

    /// A round that no platform has named yet belongs to the first that a record names.
    fn claim_round(&mut self, round: RoundIndex, platform: PlatformIndex) {
        if self.rounds.get(round).platform == PlatformIndex::NONE && platform != PlatformIndex::NONE {
            marks::hit(Mark::RoundClaimed);
            self.rounds.claim(&self.accounts, round, platform);
        }
    }

    /// Makes way for a round of the same name: one that is past its horizon and still in memory leaves it now.
    fn forget_round_past_horizon(
        &mut self,
        now_ms: Millis,
        play: &Play<&str>,
        At { account: index, platform, .. }: At,
    ) {
        let game = self.games.find(play.game).unwrap_or(GameIndex::NONE);
        let platforms = if self.rules == Rules::V1 { self.platforms.all() } else { platform.alone() };
        for platform in platforms.map(PlatformIndex::from_number) {
            let key = RoundKey { platform, id: play.round, scope: play.scope, game };
            if let Some(past) = self.rounds.find(&self.accounts, index, &key) {
                debug_assert!(self.rounds.get(past).is_forgotten(now_ms, self.settings.retention_ms));
                self.forget(index, |round| round == past);
            }
        }
    }

    /// Remembers that a bet was rolled back before it came (protocol §4, rollbackbet).
    fn cancel(&mut self, stamp: Stamp, play: &Play<&str>, at: At, effect: &mut Effect) {
        let bet = play.original.expect("a rollback names its bet");
        if let Some(round) = at.round.map(|round| self.rounds.get(round)) {
            if round.find(Kind::Cancelled, bet).is_some() {
                return;
            }
            if round.is_full() {
                // It takes no bet any more, so that this one can't come.
                marks::hit(Mark::CancellationDropped);
                return;
            }
        }
        let (index, at) = (at.account, self.own_round(stamp, play, at));
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
        let Operation::EndRound { platform, account, round, scope, game, currency, .. } = operation else {
            unreachable!("the call of another operation");
        };
        let Some((index, found, platform)) = self.served(*platform, account) else {
            return refused(ErrorCode::AccountNotFound, because::NO_ACCOUNT);
        };
        effect.seen = found.changed;
        let balance = self.balance_of(found);
        let refuse = |code, why| Outcome::Refused { code, why: Why(why), balance: Some(balance) };
        if *currency != Some(balance.currency) {
            return refuse(ErrorCode::CurrencyMismatch, because::CURRENCY);
        }
        let Some(at) = self.remembered_round(stamp.now_ms, index, platform, round, *scope, game) else {
            return refuse(ErrorCode::RoundNotFound, NO_ROUND);
        };
        let round = self.rounds.get_mut(at);
        match round.state {
            RoundState::Unopened => return refuse(ErrorCode::RoundNotFound, NO_ROUND),
            RoundState::Closed => {}
            RoundState::Open => {
                round.state = RoundState::Closed;
                // A repeat of its transactions must still find them for a while (protocol §4, Idempotency).
                round.last_ms = stamp.now_ms;
                self.claim_round(at, platform);
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
            return refused(ErrorCode::AccountNotFound, "GatewaySessionToken is another account's session.");
        }
        let mut play = play.map(|text| (*text).into());
        play.session_checked = true;
        Outcome::Next(Box::new(Operation::Play(play)))
    }
}

/// A hash of all that a bet is known by.
fn bet_hash(play: &Play<&str>, platform: PlatformIndex) -> u64 {
    let game = if play.scope == RoundScope::Game { play.game } else { "" };
    let of_round = xxh3_64_with_seed(play.round.as_bytes(), u64::from(platform.number()));
    let of_game = xxh3_64_with_seed(game.as_bytes(), of_round);
    xxh3_64_with_seed(play.transaction.as_bytes(), of_game)
}

const NO_SESSION: &str = "GatewaySessionToken names no session of this account.";

/// What is to be said of a transaction that is known, or of a bet that was cancelled before it came.
fn known(round: &Round, play: &Play<&str>, same_currency: bool) -> Option<Verdict> {
    if play.kind == PlayKind::Bet && round.find(Kind::Cancelled, play.transaction).is_some() {
        marks::hit(Mark::CancelledBet);
        return Some(Refuse(ErrorCode::NotCompleted, "The bet was rolled back before it came."));
    }
    let at = round.find(Kind::Play(play.kind), play.transaction)?;
    let known = &round.transactions[at];
    let original = round.transactions.get(known.original as usize).map(|bet| &*bet.id);
    let same = same_currency && known.amount == play.amount && original == play.original;
    Some(match known.fate {
        Fate::Stands | Fate::MovedNothing if same => Verdict::Known,
        Fate::RolledBack if same => Refuse(ErrorCode::NotCompleted, "The bet was rolled back."),
        _ => Refuse(ErrorCode::NotCompleted, because::OTHER_CONTENTS),
    })
}

fn full() -> Verdict {
    marks::hit(Mark::RoundFull);
    Refuse(ErrorCode::NotCompleted, "The round has as many transactions as it may have.")
}

fn judge_win(play: &Play<&str>, round: Option<&Round>, strict: bool) -> Verdict {
    if round.is_some_and(Round::is_full) {
        return full();
    }
    if strict && play.amount > Amount::ZERO && round.is_some_and(Round::is_rolled_back) {
        marks::hit(Mark::StrictWin);
        return Refuse(ErrorCode::NotCompleted, "All bets of the round were rolled back.");
    }
    Verdict::Do { original: None }
}

fn judge_rollback(play: &Play<&str>, round: Option<&Round>, strict: bool) -> Verdict {
    let original = play.original.expect("a rollback names its bet");
    let bet = round.and_then(|round| Some((round, round.find(Kind::Play(PlayKind::Bet), original)?)));
    let Some((round, at)) = bet else { return Verdict::Cancel };
    let bet = &round.transactions[at];
    if bet.amount != play.amount {
        return Refuse(ErrorCode::NotCompleted, "Amount is not the stake of the bet.");
    }
    if strict && round.has_winnings() {
        marks::hit(Mark::StrictRollback);
        return Refuse(ErrorCode::NotCompleted, "The round has winnings.");
    }
    if round.is_full() {
        return full();
    }
    let takes_back = bet.fate != Fate::RolledBack;
    if takes_back && !gives_back(round, play.amount) {
        return Refuse(ErrorCode::NotCompleted, GIVES_TOO_MUCH);
    }
    Verdict::Do { original: Some((at as u32, takes_back)) }
}

fn judge_void(play: &Play<&str>, round: Option<&Round>) -> Verdict {
    match round {
        None | Some(Round { state: RoundState::Unopened, .. }) => Refuse(ErrorCode::RoundNotFound, NO_ROUND),
        Some(round) if round.is_full() => full(),
        Some(round) if !gives_back(round, play.amount) => Refuse(ErrorCode::NotCompleted, GIVES_TOO_MUCH),
        Some(_) => Verdict::Do { original: None },
    }
}

const GIVES_TOO_MUCH: &str = "The round would give back more than its bets.";

/// Whether the round may give this much back: never more than was staked (protocol §4, voidbet).
fn gives_back(round: &Round, amount: Amount) -> bool {
    round.returned.checked_add(amount).is_some_and(|returned| returned <= round.staked)
}
