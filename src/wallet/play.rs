//! Game rounds (protocol §4): bets, wins, rollbacks, voids, and the end.
//!
//! A call finds its account and its round, climbs the ladder, and then changes the state: a transaction is recorded
//! and its money moves, or nothing does.

use super::account::KeyHash;
use super::amount::Amount;
use super::games::GameIndex;
use super::history::Cooling;
use super::image::RoundKind;
use super::ladder::{NO_SESSION, Verdict};
use super::ledger::{Account, AccountIndex};
use super::lines::StatementPlace;
use super::operation::{CheckHolder, EndRound, FindHolder, Operation, Play, PlayKind};
use super::outcome::{Effect, ErrorCode, Outcome, Receipt, Text, TextPlace, Why};
use super::packed::{Place, usual_len};
use super::platform::RoundScope;
use super::platforms::PlatformIndex;
use super::round_lists::RoundList;
use super::rounds::{Round, RoundIndex, RoundKey, RoundState};
use super::transaction::{Fate, Kind, Transaction};
use super::{Millis, Rules, Sequence, Stamp, Wallet, because, refused};
use alloc::boxed::Box;
use core::array;
use coverage::Branch;

/// Where a request about a round arrives.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) account: AccountIndex,
    pub(super) platform: PlatformIndex,
    /// The round, where the account has it.
    pub(super) round: Option<RoundIndex>,
    /// The place of the session that a bet or a win names, where the account has it.
    pub(super) session: Option<usize>,
}

/// What a rollback that finds no bet comes to.
pub(super) struct Cancelling {
    /// The place of the bet's id, where it is cancelled already.
    known: Option<Place>,
    /// It is answered 0.
    succeeds: bool,
    /// Something is to be remembered.
    pub(super) changes: bool,
    /// The round ends.
    ends: bool,
}

const NO_BET: &str =
    "OriginalBetGameRoundTransactionID names no bet of this round; it is cancelled, should it come.";
pub(super) const NO_ROUND: &str = "GameRoundID names no round.";

impl Wallet {
    pub(super) fn play(&mut self, stamp: Stamp, play: &Play<&str>, effect: &mut Effect) -> Outcome<Text> {
        let at = match self.arrive(stamp.now_ms, play) {
            Ok(at) => at,
            Err((seen, code, why)) => {
                effect.seen = seen;
                return refused(code, why);
            }
        };
        let index = at.account;
        effect.seen = self.accounts.get(index).changed;
        let (code, why) = match self.judge(stamp, play, at) {
            Verdict::Do { original } => {
                self.carry_out(stamp, play, at, original, effect);
                (ErrorCode::Success, "")
            }
            Verdict::Known => (ErrorCode::Success, ""),
            Verdict::Cancel => {
                let succeeds = self.cancel(stamp, play, at, effect);
                if succeeds { (ErrorCode::Success, "") } else { (ErrorCode::TransactionNotFound, NO_BET) }
            }
            Verdict::Refuse(code, why) => {
                if !self.remember_refusal(stamp.now_ms, play, at, code) {
                    return refused(ErrorCode::Unknown, because::MANY_REFUSALS);
                }
                (code, why)
            }
            Verdict::Deny(code, why) => return refused(code, why),
            Verdict::AskForHolder => {
                let play = Box::new(play.map(|text| (*text).into()));
                return Outcome::Next(Box::new(FindHolder { play }.into()));
            }
        };
        let balance = self.balance_of(self.accounts.get(index));
        if code != ErrorCode::Success {
            return Outcome::Refused { code, why: Why(why), balance: Some(balance) };
        }
        let staked = (play.kind == PlayKind::Bet).then_some(play.amount);
        Outcome::Done { reference: Text(TextPlace::Transaction), staked, balance }
    }

    /// Where a request about a round arrives; or the change that its refusal shows, and the refusal.
    pub(super) fn arrive(
        &self,
        now_ms: Millis,
        play: &Play<&str>,
    ) -> Result<At, (Sequence, ErrorCode, &'static str)> {
        let Some(account) = self.accounts.find(&play.account) else {
            let domain = self.books.domain_of(play.account.id());
            let served = domain.is_some_and(|domain| self.serves(domain, play.platform).is_some());
            // A session is looked for first, and an account that is not there has none (protocol §1).
            return Err(if served && play.kind == PlayKind::Bet {
                (0, ErrorCode::SessionNotFound, NO_SESSION)
            } else {
                (0, ErrorCode::AccountNotFound, because::NO_ACCOUNT)
            });
        };
        let found = self.accounts.get(account);
        let Some(platform) = self.serves(found.domain(), play.platform) else {
            return Err((found.changed, ErrorCode::AccountNotFound, because::NO_ACCOUNT));
        };
        let Play { round, scope, game, .. } = play;
        let round = self.remembered_round(now_ms, account, platform, round, *scope, game);
        let session = match play.kind {
            PlayKind::Bet | PlayKind::Win => {
                play.session.and_then(|key| found.session_at(|session| &*session.key == key))
            }
            PlayKind::Rollback | PlayKind::Void => None,
        };
        Ok(At { account, platform, round, session })
    }

    /// Whether a request changes its round, in the current periods: not where it is refused, or asks for a session's holder first.
    pub(super) fn play_changes_round(&self, now_ms: Millis, play: &Play<&str>) -> bool {
        let Ok(at) = self.arrive(now_ms, play) else { return false };
        match self.judge(Stamp { now_ms, sequence: 0 }, play, at) {
            Verdict::Do { .. } => true,
            Verdict::Cancel => {
                let Cancelling { changes, ends, .. } = self.cancelling(play, at);
                changes || ends
            }
            Verdict::Known | Verdict::Refuse(..) | Verdict::Deny(..) | Verdict::AskForHolder => false,
        }
    }

    /// Whether a request about a round would change something. One that a limit of a period refuses may: whether the period
    /// is over by now is not looked at before something is changed.
    pub(super) fn play_would_change(&self, now_ms: Millis, play: &Play<&str>) -> bool {
        let Ok(at) = self.arrive(now_ms, play) else { return false };
        match self.judge(Stamp { now_ms, sequence: 0 }, play, at) {
            Verdict::Known | Verdict::Deny(..) => false,
            Verdict::Refuse(code, _) => matches!(code, ErrorCode::WagerLimit | ErrorCode::LossLimit),
            Verdict::Cancel => {
                let Cancelling { changes, ends, .. } = self.cancelling(play, at);
                changes || ends
            }
            Verdict::Do { .. } | Verdict::AskForHolder => true,
        }
    }

    /// The round of this key, where it is still to be remembered. One that is past the retention may be in memory.
    pub(super) fn remembered(
        &self,
        now_ms: Millis,
        index: AccountIndex,
        key: RoundKey<'_>,
    ) -> Option<RoundIndex> {
        let found = self.rounds.find(&self.accounts, index, &key)?;
        let past = self.rounds.get(found).is_forgotten(self.settings.forgotten_until(now_ms));
        if past {
            coverage::hit(Branch::RoundPastHorizon);
        }
        (!past).then_some(found)
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
        let find = |key| self.remembered(now_ms, index, key);
        if self.rules == Rules::V1 {
            let key = |platform| RoundKey { platform, id, kind: RoundKind::Plain, game: GameIndex::NONE };
            return self.platforms.all().map(PlatformIndex::from_number).find_map(|of| find(key(of)));
        }
        // A game that nothing names is no round's.
        let named = || self.games.find(game);
        let plain = RoundKey { platform, id, kind: RoundKind::Plain, game: GameIndex::NONE };
        let by_game = |game| RoundKey { platform, id, kind: RoundKind::ByGame, game };
        let found = match scope {
            RoundScope::Platform => {
                // What was begun in a game goes on there, whatever was begun without one since.
                let game = self.rounds.has_any_by_game().then(named).flatten();
                let of_game = game.and_then(|game| find(by_game(game)));
                of_game.inspect(|_| coverage::hit(Branch::RoundOfOtherScope)).or_else(|| find(plain))
            }
            RoundScope::Game => {
                let game = named();
                game.and_then(|game| find(by_game(game))).or_else(|| {
                    let is_of_game = |found: &RoundIndex| self.rounds.get(*found).is_of_game(game);
                    find(plain).filter(is_of_game).inspect(|_| coverage::hit(Branch::RoundOfOtherScope))
                })
            }
        };
        found.or_else(|| {
            let nobodys = RoundKey { platform: PlatformIndex::NONE, ..plain };
            self.rounds.has_any_unclaimed().then(|| find(nobodys))?
        })
    }

    /// Records the transaction and moves its money.
    fn carry_out(
        &mut self,
        stamp: Stamp,
        play: &Play<&str>,
        at: At,
        original: Option<(Place, bool)>,
        effect: &mut Effect,
    ) {
        let (index, session, at) = (at.account, at.session, self.opened(stamp, play, at));
        let mut transaction = self.transaction(stamp, play);
        let account = self.accounts.get_mut(index);
        let book = self.books.get_mut(account.domain());
        let periods = book.periods(self.periods);
        let round = self.rounds.get_mut(at);
        let mut session_used_ms = 0;
        match (play.kind, original) {
            (PlayKind::Bet, _) => {
                account.spend(book, play.amount);
                account.activity_mut().sums.stake(periods, play.amount);
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
                let bet_ms = round.at(bet).at_ms();
                account.activity_mut().sums.take_out(periods, |from_ms| {
                    let given_back = round.stake_given_back(from_ms, play.amount);
                    array::from_fn(|at| if bet_ms < from_ms[at] { 0 } else { given_back[at] })
                });
                round.roll_back(bet);
            }
            (PlayKind::Rollback, _) => transaction.fate = Fate::MovedNothing,
            (PlayKind::Void, _) => {
                account.receive(book, play.amount);
                let sums = &mut account.activity_mut().sums;
                sums.take_out(periods, |from_ms| round.stake_given_back(from_ms, play.amount));
            }
        }
        transaction.original = original.map(|(bet, _)| bet);
        let is_closed = round.state == RoundState::Closed || play.ends_round;
        self.enter(index, at, transaction);
        if matches!(play.kind, PlayKind::Rollback | PlayKind::Void) {
            let gives = self.rounds.get(at).sums();
            assert!(gives.returned <= gives.staked, "a round gives back what was staked in it");
        }
        let state = if is_closed { RoundState::Closed } else { RoundState::Open };
        self.touch_round(index, at, state, stamp.now_ms);
        self.forget_a_little(stamp.now_ms, index);
        let account = self.accounts.get_mut(index);
        account.changed = stamp.sequence;
        let receipt = Receipt { session_used_ms, ..account.receipt() };
        *effect = Effect { seen: stamp.sequence, changed: Some(receipt) };
    }

    /// The round of a transaction that is done, which is about to be opened where it was not yet.
    fn opened(&mut self, stamp: Stamp, play: &Play<&str>, at: At) -> RoundIndex {
        let at = self.own_round(stamp, play, at);
        let round = self.rounds.get_mut(at);
        if round.state == RoundState::Unopened {
            round.set_orphan(play.kind == PlayKind::Win && !play.starts_round);
        }
        at
    }

    /// The round of a record: the one that was found, which is this platform's from now on; or else a new one.
    fn own_round(&mut self, stamp: Stamp, play: &Play<&str>, at: At) -> RoundIndex {
        let At { account: index, platform, round, .. } = at;
        if let Some(found) = round {
            self.claim_round(found, platform);
            return found;
        }
        self.forget_round_past_horizon(stamp.now_ms, play, at);
        let game = self.games.take(play.game);
        let key = RoundKey { platform, id: play.round, kind: play.scope.into(), game };
        // Most rounds have a bet and a win, with ids of one length.
        let round = Round::new(index, key, stamp.now_ms, 2 * usual_len(play.transaction.len()));
        self.rounds.insert(&self.accounts, round)
    }

    /// A record has touched a round, which is in this state from now on.
    pub(super) fn touch_round(
        &mut self,
        index: AccountIndex,
        at: RoundIndex,
        state: RoundState,
        now_ms: Millis,
    ) {
        let activity = self.accounts.get_mut(index).activity_mut();
        let list = self.rounds.touch(&mut activity.rounds, at, state, now_ms);
        activity.oldest_ms = activity.oldest_ms.min(now_ms);
        if list == RoundList::Leaving {
            self.cooling.push_back(Cooling::new(at, now_ms));
        }
    }

    /// A round that no platform has named yet belongs to the first that a record names.
    fn claim_round(&mut self, round: RoundIndex, platform: PlatformIndex) {
        if self.rounds.get(round).platform == PlatformIndex::NONE && platform != PlatformIndex::NONE {
            coverage::hit(Branch::RoundClaimed);
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
            let key = RoundKey { platform, id: play.round, kind: play.scope.into(), game };
            self.forget_past(now_ms, index, key);
        }
    }

    /// Makes way for a round of this key, which is not remembered: where one is still in memory it leaves it now.
    pub(super) fn forget_past(&mut self, now_ms: Millis, index: AccountIndex, key: RoundKey<'_>) {
        if let Some(past) = self.rounds.find(&self.accounts, index, &key) {
            debug_assert!(self.rounds.get(past).is_forgotten(self.settings.forgotten_until(now_ms)));
            self.forget_round(index, past);
        }
    }

    /// Whether a rollback that finds no bet is answered 0 (protocol §4, `unknown_rollback`); of one that is replayed its
    /// record says it.
    fn unknown_rollback_succeeds(&self, platform: PlatformIndex) -> bool {
        match self.replayed {
            Some(receipt) => receipt.code == ErrorCode::Success.number(),
            None => self.platforms.dialect(platform).unknown_rollback_succeeds,
        }
    }

    /// What a rollback that finds no bet comes to.
    pub(super) fn cancelling(&self, play: &Play<&str>, at: At) -> Cancelling {
        let bet = play.original.expect("a rollback names its bet");
        let succeeds = self.unknown_rollback_succeeds(at.platform);
        let round = at.round.map(|round| self.rounds.get(round));
        let known = round.and_then(|round| round.find(Kind::Cancelled, bet));
        // A full round takes no bet any more, so that this one can't come.
        let is_full = round.is_some_and(Round::is_full);
        let changes = !is_full && (known.is_none() || succeeds);
        let ends = succeeds && play.ends_round && round.is_some_and(|round| round.state == RoundState::Open);
        Cancelling { known, succeeds, changes, ends }
    }

    /// Remembers that a bet was rolled back before it came (protocol §4, rollbackbet). Where that succeeds, the rollback is
    /// remembered as well, as one that moved nothing, and ends the round where it says so. Returns whether it succeeds.
    fn cancel(&mut self, stamp: Stamp, play: &Play<&str>, at: At, effect: &mut Effect) -> bool {
        let Cancelling { known, succeeds, changes, ends } = self.cancelling(play, at);
        if known.is_none() && !changes {
            coverage::hit(Branch::CancellationDropped);
        }
        if !changes && !ends {
            return succeeds;
        }
        let bet = play.original.expect("a rollback names its bet");
        let (index, at) = (at.account, self.own_round(stamp, play, at));
        if changes {
            let cancelled = known.unwrap_or_else(|| self.cancel_bet(stamp, play, at, bet));
            if succeeds && !self.rounds.get(at).is_full() {
                coverage::hit(Branch::UnknownRollbackSucceeded);
                let mut transaction = self.transaction(stamp, play);
                (transaction.fate, transaction.original) = (Fate::MovedNothing, Some(cancelled));
                self.enter(index, at, transaction);
            }
        }
        let state = if ends { RoundState::Closed } else { self.rounds.get(at).state };
        self.touch_round(index, at, state, stamp.now_ms);
        self.forget_a_little(stamp.now_ms, index);
        let account = self.accounts.get_mut(index);
        account.changed = stamp.sequence;
        let code = if succeeds { ErrorCode::Success } else { ErrorCode::TransactionNotFound };
        let receipt = Receipt { code: code.number(), ..account.receipt() };
        *effect = Effect { seen: stamp.sequence, changed: Some(receipt) };
        succeeds
    }

    /// Enters the id of a bet that is not to be taken any more; its place.
    fn cancel_bet(&mut self, stamp: Stamp, play: &Play<&str>, at: RoundIndex, bet: &str) -> Place {
        let mut cancelled = Transaction::new(Kind::Cancelled, bet, Amount::ZERO, stamp.now_ms);
        cancelled.game = self.games.take(play.game);
        self.rounds.get_mut(at).push(&cancelled)
    }

    /// A transaction of a round, which has no number yet.
    fn transaction<'a>(&mut self, stamp: Stamp, play: &Play<&'a str>) -> Transaction<'a> {
        let mut transaction =
            Transaction::new(Kind::Play(play.kind), play.transaction, play.amount, stamp.now_ms);
        transaction.game = self.games.take(play.game);
        transaction
    }

    /// Enters a transaction into its round and its account's statement, once its money has moved.
    pub(super) fn enter(&mut self, index: AccountIndex, at: RoundIndex, mut transaction: Transaction<'_>) {
        let account = self.accounts.get_mut(index);
        transaction.balance_after = account.cash();
        let activity = account.activity_mut();
        transaction.number = activity.next_number();
        let number = transaction.number;
        let place = self.rounds.get_mut(at).push(&transaction);
        let place = StatementPlace { number, round: at.number(), at: place.number() };
        activity.statement.push(place);
    }

    /// `end`: closes the round.
    pub(super) fn end_round(
        &mut self,
        stamp: Stamp,
        EndRound { platform, account, round, scope, game, currency, .. }: &EndRound<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
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
        match self.rounds.get(at).state {
            RoundState::Unopened => return refuse(ErrorCode::RoundNotFound, NO_ROUND),
            RoundState::Closed => {}
            RoundState::Open => {
                // A repeat of its transactions must still find them for a while (protocol §4, Idempotency).
                self.claim_round(at, platform);
                self.touch_round(index, at, RoundState::Closed, stamp.now_ms);
                self.note(stamp, index, effect);
            }
        }
        Outcome::Noted(balance)
    }

    /// Whether an `end` would close a round.
    pub(super) fn end_would_change(&self, now_ms: Millis, end: &EndRound<&str>) -> bool {
        let EndRound { platform, account, round, scope, game, currency, .. } = end;
        let Some((index, found, platform)) = self.served(*platform, account) else { return false };
        let at = self.remembered_round(now_ms, index, platform, round, *scope, game);
        let is_open = at.is_some_and(|at| self.rounds.get(at).state == RoundState::Open);
        is_open && *currency == Some(self.books.get(found.domain()).currency())
    }

    /// Second step of winnings whose session is not their account's: who holds it?
    pub(super) fn find_holder(&self, play: &Play<&str>) -> Outcome<Text> {
        let key = play.session.expect("a holder is looked for by its session");
        let hash = KeyHash::of(key);
        let holder = self.holder(hash).map(|holder| holder.account);
        let mut play = play.map(|text| (*text).into());
        Outcome::Next(Box::new(match holder.filter(|holder| *holder != play.account.hash()) {
            Some(holder) => CheckHolder { holder, play: Box::new(play) }.into(),
            None => {
                play.session_checked = true;
                Operation::Play(play)
            }
        }))
    }

    /// Third step of them: is it live there?
    pub(super) fn check_holder(
        &self,
        Stamp { now_ms, .. }: Stamp,
        CheckHolder { holder, play }: &CheckHolder<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let key = play.session.expect("a holder is looked for by its session");
        let idle_ms = self.settings.session_idle_ms;
        let holds = |found: &Account| {
            found.session_at(|session| &*session.key == key && session.is_live(now_ms, idle_ms)).is_some()
        };
        if let Some(index) = self.accounts.find_hash(*holder, holds) {
            // The session may have begun a moment ago, and is not durable yet.
            effect.seen = self.accounts.get(index).changed;
            return refused(ErrorCode::AccountNotFound, "GatewaySessionToken is another account's session.");
        }
        let mut play = play.map(|text| (*text).into());
        play.session_checked = true;
        Outcome::Next(Box::new(Operation::Play(play)))
    }
}
