//! Requests about game rounds.

use std::collections::VecDeque;

use compact_str::CompactString;
use wallet::amount::Amount;
use wallet::operation::{self, Operation, Play, PlayKind};
use wallet::{PlatformKey, RoundScope};

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

/// A round, of a platform and its game; another one of the same number is another one's. Number 0 is none.
#[derive(Clone, Debug, Default)]
struct Guessed {
    number: u32,
    platform: Option<PlatformKey>,
    game: CompactString,
    started: bool,
}

#[derive(Clone, Debug)]
struct Bet {
    platform: PlatformKey,
    game: CompactString,
    round: CompactString,
    id: CompactString,
    amount: Amount,
}

impl Bet {
    fn of(play: &Play<CompactString>, id: CompactString, amount: Amount) -> Self {
        let (platform, game, round) = (play.platform, play.game.clone(), play.round.clone());
        Self { platform, game, round, id, amount }
    }
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
                let too_much = self.chance.percent(3);
                self.bet(who, &mut play);
                if too_much {
                    if self.chance.percent(50) {
                        // The player has reconsidered, and the platform has kept the id.
                        self.then(Operation::Play(play.clone()));
                    }
                    play.amount = Amount::from_minor(TOO_MUCH_MINOR).expect("it is not negative");
                }
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
                self.put(who, at, &mut play);
                self.guesses[who].rounds.current[at].started = true;
                self.ending(who, at, play.ends_round);
            }
            PlayKind::Rollback => self.rollback(who, &mut play),
            PlayKind::Void => {
                play.ends_round = self.chance.percent(10);
                if let Some(bet) = self.recent_bet(who).filter(|_| !self.chance.percent(10)) {
                    (play.platform, play.game, play.round) = (bet.platform, bet.game, bet.round);
                    // Mostly a part of it; a few of them add up to more than there is.
                    let part = self.chance.below(bet.amount.minor() as u64 + 1);
                    play.amount = Amount::from_minor(part as i64).expect("it is not negative");
                }
            }
        }
        Operation::Play(play)
    }

    /// Bets that are refused, more than are remembered; and the first and the last of them again, for less.
    pub(super) fn bet_too_much(&mut self, who: usize, now_ms: u64) -> Operation<CompactString> {
        let mut first = self.blank(who, PlayKind::Bet);
        first.session = Some(self.key_to_use(who, now_ms));
        first.starts_round = true;
        let (less, too_much) =
            (first.amount, Amount::from_minor(TOO_MUCH_MINOR).expect("it is not negative"));
        first.amount = too_much;
        let mut last = first.clone();
        for _ in 0..limits::REFUSALS_REMEMBERED_MAX {
            self.guesses[who].ids += 1;
            last.transaction = format!("id-{}", self.guesses[who].ids).into();
            self.then(Operation::Play(last.clone()));
        }
        for bet in [&first, &last] {
            self.then(Operation::Play(Play { amount: less, ..bet.clone() }));
        }
        Operation::Play(first)
    }

    pub(super) fn end_round(&mut self, who: usize) -> Operation<CompactString> {
        let at = self.pick_round(who);
        let mut play = self.blank(who, PlayKind::Void);
        self.put(who, at, &mut play);
        self.ending(who, at, true);
        let Play { platform, account, round, scope, game, currency, details, .. } = play;
        Operation::EndRound(operation::EndRound { platform, account, round, scope, game, currency, details })
    }

    /// A transaction in one of the player's current rounds, with a new id.
    fn blank(&mut self, who: usize, kind: PlayKind) -> Play<CompactString> {
        let at = self.pick_round(who);
        let mut play = Play {
            kind,
            platform: self.platform(who),
            account: self.account(who),
            session: None,
            session_checked: false,
            round: CompactString::default(),
            // It is set as the request goes out.
            scope: RoundScope::Platform,
            transaction: self.id(who),
            original: None,
            game: self.game(),
            currency: self.currency(who),
            amount: self.amount(),
            starts_round: false,
            ends_round: false,
            details: self.details(),
        };
        self.put(who, at, &mut play);
        play
    }

    /// Puts a transaction into one of the player's current rounds; now and then into another platform's or game's round of
    /// the same id.
    fn put(&mut self, who: usize, at: usize, play: &mut Play<CompactString>) {
        let (other_platform, other_game) = (self.chance.percent(5), self.chance.percent(5));
        let round = &self.guesses[who].rounds.current[at];
        play.round = name(round.number);
        if !other_platform && let Some(platform) = round.platform {
            play.platform = platform;
        }
        if !other_game {
            play.game = round.game.clone();
        }
    }

    fn bet(&mut self, who: usize, play: &mut Play<CompactString>) {
        if self.chance.percent(25)
            && let Some(early) = self.guesses[who].rounds.early.pop_front()
        {
            (play.platform, play.game) = (early.platform, early.game);
            (play.round, play.transaction, play.amount) = (early.round, early.id, early.amount);
            play.starts_round = self.chance.percent(50);
            return;
        }
        let at = self.pick_round(who);
        self.put(who, at, play);
        let started = self.guesses[who].rounds.current[at].started;
        play.starts_round = self.chance.percent(if started { 10 } else { 95 });
        play.ends_round = self.chance.percent(15);
        let rounds = &mut self.guesses[who].rounds;
        rounds.current[at].started = true;
        let bet = Bet::of(play, play.transaction.clone(), play.amount);
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
                let early = Bet::of(play, self.id(who), self.amount());
                self.guesses[who].rounds.early.push_back(early.clone());
                early
            }
        };
        (play.platform, play.game) = (bet.platform, bet.game);
        if self.chance.percent(5) {
            play.platform = self.platform(who);
        }
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

    /// A round of one of the player's platforms, in any game: a new one, or one of the same id as another's.
    fn begin_round(&mut self, who: usize, at: usize) {
        let (same, platform, game) = (self.chance.percent(40), self.platform(who), self.game());
        let beside = self.chance.index(ROUNDS);
        let rounds = &mut self.guesses[who].rounds;
        let other = rounds.current[beside].number;
        let number = if same && other > 0 {
            other
        } else {
            rounds.count += 1;
            rounds.count
        };
        rounds.current[at] = Guessed { number, platform: Some(platform), game, started: false };
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
