//! Requests about game rounds.

use std::collections::VecDeque;

use compact_str::CompactString;
use purser::limits;
use purser::wallet::amount::Amount;
use purser::wallet::operation::{Operation, Play, PlayKind};

use super::Workload;

/// Rounds that a player has at a time.
const ROUNDS: usize = 4;

/// Bets of a player that are remembered, to be taken back.
const BETS_MAX: usize = 12;

/// The most that one request may name, in minor units: more than any player has.
pub(super) const TOO_MUCH_MINOR: i64 = limits::AMOUNT_MINOR_MAX as i64;

/// What the workload believes of a player's rounds.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    current: [Guessed; ROUNDS],
    /// Rounds that were begun.
    count: u32,
    /// Bets that were placed lately.
    bets: VecDeque<Bet>,
    /// Bets that were taken back and are yet to come.
    early: VecDeque<Bet>,
}

/// A round. Number 0 is none.
#[derive(Clone, Copy, Debug, Default)]
struct Guessed {
    number: u32,
    started: bool,
}

#[derive(Clone, Debug)]
struct Bet {
    round: CompactString,
    id: CompactString,
    amount: Amount,
}

fn name(number: u32) -> CompactString {
    format!("round-{number}").into()
}

impl Workload {
    pub(super) fn play(&mut self, who: usize, now_ms: u64, kind: PlayKind) -> Operation<CompactString> {
        let mut play = self.blank(who, kind);
        match kind {
            PlayKind::Bet => {
                play.session = Some(self.key_to_use(who, now_ms));
                if self.chance.percent(2) {
                    play.amount = Amount::from_minor(TOO_MUCH_MINOR).expect("it is not negative");
                }
                self.bet(who, &mut play);
            }
            PlayKind::Win => {
                play.session = match self.chance.below(100) {
                    0..40 => None,
                    40..90 => Some(self.key_to_use(who, now_ms)),
                    _ => Some(self.any_key()),
                };
                play.starts_round = self.chance.percent(15);
                play.ends_round = self.chance.percent(40);
                let at = self.pick_round(who);
                let round = &mut self.guesses[who].rounds.current[at];
                play.round = name(round.number);
                round.started = true;
                self.ending(who, at, play.ends_round);
            }
            PlayKind::Rollback => self.rollback(who, &mut play),
            PlayKind::Void => {
                play.ends_round = self.chance.percent(10);
                if let Some(bet) = self.recent_bet(who).filter(|_| !self.chance.percent(10)) {
                    play.round = bet.round;
                    // Mostly a part of it; a few of them add up to more than there is.
                    let part = self.chance.below(bet.amount.minor() as u64 + 1);
                    play.amount = Amount::from_minor(part as i64).expect("it is not negative");
                }
            }
        }
        Operation::Play(play)
    }

    pub(super) fn end_round(&mut self, who: usize) -> Operation<CompactString> {
        let at = self.pick_round(who);
        let round = name(self.guesses[who].rounds.current[at].number);
        self.ending(who, at, true);
        let (platform, account) = (self.platform(who), self.account(who));
        let (game, currency) = (self.game(), self.currency(who));
        Operation::EndRound { platform, account, round, game, currency, details: self.details() }
    }

    /// A transaction in one of the player's current rounds, with a new id.
    fn blank(&mut self, who: usize, kind: PlayKind) -> Play<CompactString> {
        let at = self.pick_round(who);
        let round = name(self.guesses[who].rounds.current[at].number);
        Play {
            kind,
            platform: self.platform(who),
            account: self.account(who),
            session: None,
            session_checked: false,
            round,
            transaction: self.id(who),
            original: None,
            game: self.game(),
            currency: self.currency(who),
            amount: self.amount(),
            starts_round: false,
            ends_round: false,
            details: self.details(),
        }
    }

    fn bet(&mut self, who: usize, play: &mut Play<CompactString>) {
        if self.chance.percent(25)
            && let Some(early) = self.guesses[who].rounds.early.pop_front()
        {
            (play.round, play.transaction, play.amount) = (early.round, early.id, early.amount);
            play.starts_round = self.chance.percent(50);
            return;
        }
        let at = self.pick_round(who);
        let round = self.guesses[who].rounds.current[at];
        play.round = name(round.number);
        play.starts_round = self.chance.percent(if round.started { 10 } else { 95 });
        play.ends_round = self.chance.percent(15);
        let rounds = &mut self.guesses[who].rounds;
        rounds.current[at].started = true;
        let bet = Bet { round: play.round.clone(), id: play.transaction.clone(), amount: play.amount };
        rounds.bets.push_back(bet);
        if rounds.bets.len() > BETS_MAX {
            rounds.bets.pop_front();
        }
        self.ending(who, at, play.ends_round);
    }

    fn rollback(&mut self, who: usize, play: &mut Play<CompactString>) {
        play.ends_round = self.chance.percent(20);
        let bet = self.recent_bet(who);
        let bet = match bet.filter(|_| !self.chance.percent(15)) {
            Some(bet) => bet,
            None => {
                let early = Bet { round: play.round.clone(), id: self.id(who), amount: self.amount() };
                self.guesses[who].rounds.early.push_back(early.clone());
                early
            }
        };
        (play.round, play.original) = (bet.round, Some(bet.id));
        if !self.chance.percent(10) {
            play.amount = bet.amount;
        }
    }

    fn recent_bet(&mut self, who: usize) -> Option<Bet> {
        let at = self.chance.index_of(&self.guesses[who].rounds.bets)?;
        Some(self.guesses[who].rounds.bets[at].clone())
    }

    /// One of the player's current rounds.
    fn pick_round(&mut self, who: usize) -> usize {
        let at = self.chance.index(ROUNDS);
        if self.guesses[who].rounds.current[at].number == 0 {
            self.begin_round(who, at);
        }
        at
    }

    fn begin_round(&mut self, who: usize, at: usize) {
        let rounds = &mut self.guesses[who].rounds;
        rounds.count += 1;
        rounds.current[at] = Guessed { number: rounds.count, started: false };
    }

    /// After its end most rounds are left alone, and some are not.
    fn ending(&mut self, who: usize, at: usize, ends: bool) {
        if ends && self.chance.percent(70) {
            self.begin_round(who, at);
        }
    }

    /// Some hundreds of minor units, mostly.
    pub(super) fn amount(&mut self) -> Amount {
        let minor = match self.chance.below(100) {
            0..6 => 0,
            6..20 => 1 + self.chance.below(5) as i64,
            _ => 10 * (1 + self.chance.below(50)) as i64,
        };
        Amount::from_minor(minor).expect("it is not negative")
    }

    fn details(&mut self) -> Option<CompactString> {
        self.chance.percent(10).then(|| r#"{"TableID":"7"}"#.into())
    }
}
