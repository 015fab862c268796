//! What is asked of the machine: all calls, drawn from a seed.
//!
//! The workload has a rough idea of the state, from what it has asked and not from what it was answered, so that
//! most of its requests can succeed: it bets by sessions that it has opened, and takes back bets that it has placed.
//! And it has few players, rounds and ids, so that repeats, conflicts, crossings and limits happen often.
//!
//! The same seed and the same times give the same requests, on any machine.

mod operator;
mod play;
mod session;

use std::collections::VecDeque;
use std::sync::Arc;

use compact_str::CompactString;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use wallet::account::{AccountRef, AccountStatus};
use wallet::operation::{self, Operation, PlayKind};
use wallet::token::TokenId;
use wallet::{Currency, PlatformKey};

use crate::auditor::Rules;
use crate::world::{GAMES, Player, World, any_platform, currency};
use play::Rounds;

/// A request, as it is asked and asked again.
pub type Request = Arc<Operation<CompactString>>;

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody asks.
    Ask(Request),
    /// Time passes, in milliseconds.
    Wait(u64),
}

/// Draws what happens.
#[derive(Debug)]
pub struct Workload {
    chance: Chance,
    world: World,
    /// The configuration by which the next request is asked.
    rules: Rules,
    /// One for each player of the world.
    guesses: Vec<Guess>,
    /// What comes before anything is drawn. At first most players get an account, funds and a session.
    next: VecDeque<Step>,
    /// Session keys that the operator has drawn.
    drawn_keys: u32,
    /// The first of the players who are there for a while.
    first_there: usize,
    /// How many requests of a hundred are theirs at least, so that others have none for a while.
    rest_percent: u64,
}

/// What the workload believes of a player.
#[derive(Debug, Default)]
struct Guess {
    /// When each of the player's keys was used last; `None` where it is not logged in.
    keys: Vec<Option<u64>>,
    frozen: bool,
    limited: bool,
    rounds: Rounds,
    tokens: VecDeque<(PlatformKey, TokenId)>,
    /// What was asked lately and may be asked again.
    recent: VecDeque<Operation<CompactString>>,
    /// Ids that were given out.
    ids: u32,
}

/// Players who are there at a time.
const THERE: usize = 4;

/// Requests of a player that are remembered, to be repeated.
const RECENT_MAX: usize = 24;

/// The calls, each with its weight.
const CALLS: [(u32, Call); 23] = [
    (300, Call::Play(PlayKind::Bet)),
    (150, Call::Play(PlayKind::Win)),
    (90, Call::Play(PlayKind::Rollback)),
    (40, Call::Play(PlayKind::Void)),
    (40, Call::EndRound),
    (100, Call::Repeat),
    (40, Call::Balance),
    (50, Call::CreateToken),
    (20, Call::Redeem),
    (25, Call::Credit),
    (8, Call::Alert),
    (15, Call::GetAccount),
    (15, Call::GetStatement),
    (50, Call::Transfer),
    (12, Call::SetStatus),
    (20, Call::SetLimits),
    (8, Call::PutAccount),
    (50, Call::OpenSession),
    (20, Call::CloseSession),
    (4, Call::OpenMany),
    (3, Call::MintMany),
    (2, Call::BetTooMuch),
    (3, Call::RenewInTime),
];

#[derive(Clone, Copy, Debug)]
enum Call {
    Play(PlayKind),
    EndRound,
    Repeat,
    Balance,
    CreateToken,
    Redeem,
    Credit,
    Alert,
    GetAccount,
    GetStatement,
    Transfer,
    SetStatus,
    SetLimits,
    PutAccount,
    OpenSession,
    CloseSession,
    /// A player on many devices, one login after the other.
    OpenMany,
    /// A platform that asks for tokens and redeems none.
    MintMany,
    /// A player who bets more than there is, again and again.
    BetTooMuch,
    /// A session that is renewed just before it expires, and is used just after it would have.
    RenewInTime,
}

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Waits: weight, shortest, longest. The long ones let sessions idle out and be forgotten, periods turn, and rounds be
/// forgotten: some months in a few thousand steps.
const WAITS: [(u32, (u64, u64)); 7] = [
    (6_500, (0, 20)),
    (2_700, (20, SECOND_MS)),
    (350, (SECOND_MS, 90 * SECOND_MS)),
    (150, (MINUTE_MS, 40 * MINUTE_MS)),
    (120, (HOUR_MS, 12 * HOUR_MS)),
    (60, (DAY_MS, 3 * DAY_MS)),
    (40, (7 * DAY_MS, 40 * DAY_MS)),
];

/// Logins of a player on many devices, or tokens of a platform that redeems none, at most.
const MANY_MAX: u64 = limits::SESSIONS_PER_ACCOUNT_MAX as u64 + 8;

impl Workload {
    /// The workload of a seed.
    pub fn new(seed: u64, world: World, rules: Rules) -> Self {
        let guess = |player: &Player| Guess { keys: vec![None; player.keys.len()], ..Guess::default() };
        let guesses = world.players.iter().map(guess).collect();
        let mut chance = Chance::new(seed);
        let rest_percent = [85, 97, 99][chance.index(3)];
        let next = VecDeque::new();
        let mut workload =
            Self { chance, world, rules, guesses, next, drawn_keys: 0, first_there: 0, rest_percent };
        // The last player comes later, where anybody is put, unless there is but one.
        for who in 0..(workload.world.players.len() - 1).max(1) {
            let opening = workload.open_player(who);
            opening.into_iter().for_each(|operation| workload.then(operation));
        }
        workload
    }

    /// From now on requests are asked by these rules.
    pub fn restarted(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// The first player, who has an account from the beginning.
    pub fn first_player(&self) -> &Player {
        &self.world.players[0]
    }

    /// What comes before anything else is drawn.
    fn then(&mut self, operation: Operation<CompactString>) {
        self.next.push_back(Step::Ask(Arc::new(operation)));
    }

    /// What happens next, at a time that does not go back.
    pub fn next(&mut self, now_ms: u64) -> Step {
        if let Some(next) = self.next.pop_front() {
            if let Step::Ask(operation) = &next {
                self.note(now_ms, operation);
            }
            return next;
        }
        if self.chance.percent(30) {
            let (shortest, longest) = self.chance.weighted(&WAITS);
            return Step::Wait(shortest + self.chance.below(longest - shortest + 1));
        }
        let who = self.who();
        let mut call = self.chance.weighted(&CALLS);
        // A player who can't play is soon helped, so that most can; one with many keys is there for the logins.
        let guess = &self.guesses[who];
        let plays =
            matches!(call, Call::Play(PlayKind::Bet) | Call::CreateToken | Call::MintMany | Call::BetTooMuch);
        let logged_out = self.live_key(who, now_ms).is_none();
        if guess.frozen && self.chance.percent(30) {
            call = Call::SetStatus;
        } else if guess.limited && self.chance.percent(10) {
            call = Call::SetLimits;
        } else if logged_out && plays && self.chance.percent(92)
            || guess.keys.len() > limits::SESSIONS_PER_ACCOUNT_MAX && self.chance.percent(50)
        {
            call = Call::OpenSession;
        }
        let operation = self.draw(who, now_ms, call);
        self.note(now_ms, &operation);
        Step::Ask(Arc::new(operation))
    }

    /// Mostly one of the players who are there for a while; the others rest.
    fn who(&mut self) -> usize {
        let players = self.world.players.len();
        if self.chance.percent(1) {
            self.first_there = self.chance.index(players);
        }
        let among = if self.chance.percent(self.rest_percent) { THERE.min(players) } else { players };
        (self.first_there + self.chance.index(among)) % players
    }

    fn draw(&mut self, who: usize, now_ms: u64, call: Call) -> Operation<CompactString> {
        match call {
            Call::Play(kind) => self.play(who, now_ms, kind),
            Call::EndRound => self.end_round(who),
            Call::Repeat => self.repeat(who, now_ms),
            Call::Balance => {
                let game = self.chance.percent(50).then(|| self.game());
                Operation::Balance(operation::Balance {
                    platform: self.platform(who),
                    account: self.account(who),
                    game,
                })
            }
            Call::CreateToken => self.create_token(who),
            Call::Redeem => self.redeem(who, now_ms),
            Call::Credit => self.credit(who),
            Call::Alert => Operation::Alert(operation::Alert {
                platform: self.platform(who),
                account: self.account(who),
                details: format!(
                    r#"{{"GatewaySessionToken":"any","Source":"Gameflex","AlertActionID":"{}","OperatorAlertActionReference":"1","OperatorAlertReference":"1","GamingRegulatorCode":"UKGC","Type":"RealityCheck","Method":"Popup","Data":"60"}}"#,
                    self.chance.below(100)
                )
                .into(),
            }),
            Call::GetAccount => Operation::GetAccount(operation::GetAccount { account: self.account(who) }),
            Call::GetStatement => self.statement(who),
            Call::Transfer => self.transfer(who),
            Call::SetStatus => self.set_status(who),
            Call::SetLimits => self.set_limits(who),
            Call::PutAccount => self.put_account(who),
            Call::OpenSession => {
                let key = self.key_to_open(who);
                Operation::OpenSession(operation::OpenSession { account: self.account(who), key })
            }
            Call::OpenMany => self.open_many(who),
            Call::MintMany => self.mint_many(who),
            Call::RenewInTime => self.renew_in_time(who, now_ms),
            Call::BetTooMuch => self.bet_too_much(who, now_ms),
            Call::CloseSession => {
                let key = self.key_to_use(who, now_ms);
                Operation::CloseSession(operation::CloseSession { account: self.account(who), key })
            }
        }
    }

    /// A request of the player that was made before, as it was or with other contents.
    fn repeat(&mut self, who: usize, now_ms: u64) -> Operation<CompactString> {
        let recent = self.chance.index_of(&self.guesses[who].recent);
        let Some(mut operation) = recent.map(|at| self.guesses[who].recent[at].clone()) else {
            return self.play(who, now_ms, PlayKind::Bet);
        };
        if self.chance.percent(30) {
            let amount = self.amount();
            let money = self.money(who, amount);
            let wrong_currency = self.chance.percent(25);
            match &mut operation {
                Operation::Play(play) if wrong_currency => play.currency = Some(currency("EUR")),
                Operation::Play(play) => play.amount = amount,
                Operation::Credit(operation::Credit { currency: was, .. }) if wrong_currency => *was = None,
                Operation::Credit(operation::Credit { amount: was, .. }) => *was = amount,
                Operation::Transfer(operation::Transfer { amount: was, .. }) => *was = money,
                _ => {}
            }
        }
        operation
    }

    /// Remembers what the request will have done, where it succeeds.
    fn note(&mut self, now_ms: u64, operation: &Operation<CompactString>) {
        let account = match operation {
            Operation::CreateToken(operation::CreateToken { account, .. })
            | Operation::SetStatus(operation::SetStatus { account, .. })
            | Operation::SetLimits(operation::SetLimits { account, .. })
            | Operation::OpenSession(operation::OpenSession { account, .. })
            | Operation::CloseSession(operation::CloseSession { account, .. })
            | Operation::Credit(operation::Credit { account, .. })
            | Operation::Transfer(operation::Transfer { account, .. }) => account.id(),
            Operation::Play(play) => play.account.id(),
            _ => return,
        };
        let players = &self.world.players;
        let Some(who) = players.iter().position(|player| player.id == account) else {
            return;
        };
        let guess = &mut self.guesses[who];
        let place = |key: &CompactString| players[who].keys.iter().position(|own| own == key.as_str());
        match operation {
            Operation::CreateToken(operation::CreateToken { platform, account, entropy, .. }) => {
                guess.tokens.push_back((*platform, TokenId::new(account.hash().slot(), *entropy)));
                if guess.tokens.len() > limits::TOKENS_PER_ACCOUNT_MAX + 4 {
                    guess.tokens.pop_front();
                }
                return;
            }
            Operation::SetStatus(operation::SetStatus { status, .. }) => {
                guess.frozen = *status == AccountStatus::Frozen
            }
            Operation::SetLimits(operation::SetLimits { limits, .. }) => {
                guess.limited = **limits != wallet::restriction::Restrictions::none();
            }
            Operation::OpenSession(operation::OpenSession { key, .. }) => {
                if let Some(at) = place(key) {
                    guess.keys[at] = Some(now_ms);
                }
            }
            Operation::CloseSession(operation::CloseSession { key, .. }) => {
                if let Some(at) = place(key) {
                    guess.keys[at] = None;
                }
            }
            Operation::Play(play) if play.kind == PlayKind::Bet => {
                let at = play.session.as_ref().and_then(place);
                if let Some(used_ms) = at.and_then(|at| guess.keys[at].as_mut()) {
                    *used_ms = now_ms;
                }
            }
            _ => {}
        }
        guess.recent.push_back(operation.clone());
        if guess.recent.len() > RECENT_MAX {
            guess.recent.pop_front();
        }
    }

    // ── Parts of requests ────────────────────────────────────────────────────────────────────────────────

    /// The player's account; now and then one that is not there.
    fn account(&mut self, who: usize) -> AccountRef<CompactString> {
        let id = match self.chance.below(200) {
            0 => "default/nobody",
            1 => "nowhere/ghost",
            2 => "default",
            _ => self.world.players[who].id.as_str(),
        };
        AccountRef::new(CompactString::from(id))
    }

    /// A platform that the player's domain is served to, mostly.
    fn platform(&mut self, who: usize) -> PlatformKey {
        if self.chance.percent(1) {
            return any_platform(&mut self.chance);
        }
        let platforms = &self.world.players[who].platforms;
        platforms[self.chance.index(platforms.len())]
    }

    fn game(&mut self) -> CompactString {
        if self.chance.percent(1) {
            return "404".into();
        }
        GAMES[self.chance.index(GAMES.len())].into()
    }

    fn currency(&mut self, who: usize) -> Option<Currency> {
        match self.chance.below(50) {
            0 => None,
            1 => Some(currency("EUR")),
            _ => Some(self.world.players[who].currency),
        }
    }

    /// A new id, or one of a few that were used already: by another platform, in another round, or by another call.
    fn id(&mut self, who: usize) -> CompactString {
        match self.chance.below(100) {
            0..8 => return format!("id-{}", self.chance.below(4)).into(),
            8..25 => {
                let ids = self.guesses[who].ids;
                return format!("id-{}", ids.saturating_sub(self.chance.below(6) as u32)).into();
            }
            _ => {}
        }
        self.guesses[who].ids += 1;
        format!("id-{}", self.guesses[who].ids).into()
    }
}

/// Draws from the seed.
#[derive(Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The draws of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Below `bound`; the small numbers that are drawn here make the remainder fair enough.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// A place in a list of this length, which must not be 0.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A place in a list, if anything is in it.
    pub(crate) fn index_of<T>(&mut self, list: &VecDeque<T>) -> Option<usize> {
        if list.is_empty() { None } else { Some(self.index(list.len())) }
    }

    /// `true` in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the table, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, table: &[(u32, T)]) -> T {
        let mut at = self.below(table.iter().map(|(weight, _)| u64::from(*weight)).sum());
        for (weight, what) in table {
            match at.checked_sub(u64::from(*weight)) {
                None => return *what,
                Some(rest) => at = rest,
            }
        }
        unreachable!("what is drawn is below the sum of the weights")
    }
}

#[cfg(test)]
mod tests;
