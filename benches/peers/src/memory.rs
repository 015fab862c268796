//! Accounts in memory, each behind a lock of its own. A restart forgets them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::demo;
use crate::store::{Alert, Credit, ErrorCode, Funds, Kind, Offer, Play, Redeemed, Refusal, Store, new_token};

/// How long a token lives (protocol §3).
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// Alerts that an account keeps.
const ALERTS_KEPT: usize = 8;

/// The maps that tokens are spread over, so that minting them does not queue at one lock.
const TOKEN_SHARDS: usize = 64;

/// The store.
#[derive(Debug)]
pub struct Memory {
    /// The demo's accounts are all that there ever are, so the map itself is never locked.
    accounts: HashMap<String, Mutex<Account>>,
    /// The accounts of the session keys.
    holders: HashMap<String, String>,
    tokens: Tokens,
}

#[derive(Debug)]
struct Account {
    funds: Funds,
    /// The key of its session.
    session: String,
    rounds: HashMap<String, Round>,
    /// Amounts of the payments outside of rounds.
    credits: HashMap<String, i64>,
    alerts: VecDeque<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// It holds cancelled bets alone.
    #[default]
    Unopened,
    Open,
    Closed,
}

#[derive(Debug, Default)]
struct Round {
    state: State,
    staked: i64,
    returned: i64,
    transactions: Vec<Transaction>,
}

#[derive(Debug)]
struct Transaction {
    kind: Kind,
    id: String,
    original: Option<String>,
    /// `None` in a bet that was cancelled before it came.
    amount: Option<i64>,
    taken_back: bool,
}

/// What a transaction that may be done does.
struct Effect {
    /// What it adds to the account's cash.
    moves: i64,
    /// The bet that it takes back.
    takes_back: Option<usize>,
}

impl Memory {
    /// The demo's accounts.
    #[must_use]
    pub fn with_players(count: u32) -> Self {
        let holders = demo::players(count).map(|(account, session)| (session, account)).collect();
        let accounts = demo::players(count).map(|(name, session)| (name, Mutex::new(Account::new(session))));
        Self { accounts: accounts.collect(), holders, tokens: Tokens::default() }
    }

    fn account(&self, name: &str) -> Result<MutexGuard<'_, Account>, Refusal> {
        let account = self.accounts.get(name).ok_or(Refusal::bare(ErrorCode::ACCOUNT_NOT_FOUND))?;
        Ok(unpoisoned(account))
    }
}

/// A panic ends the process (`panic = "abort"` in the release profile), so that no lock is seen poisoned.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    fn new(session: String) -> Self {
        Self {
            funds: Funds { cash: demo::CASH, version: 1 },
            session,
            rounds: HashMap::new(),
            credits: HashMap::new(),
            alerts: VecDeque::new(),
        }
    }

    fn refuse<T>(&self, code: ErrorCode) -> Result<T, Refusal> {
        Err(Refusal::with(code, self.funds))
    }

    /// Adds to the cash, or takes from it.
    fn move_funds(&mut self, minor: i64) {
        if minor != 0 {
            self.funds.cash += minor;
            self.funds.version += 1;
        }
    }

    fn play(&mut self, play: &Play<'_>, holders: &HashMap<String, String>) -> Result<Funds, Refusal> {
        let round = self.rounds.get(play.round);
        if let Some(known) = round.and_then(|round| round.known(play)) {
            return if known { Ok(self.funds) } else { self.refuse(ErrorCode::NOT_COMPLETED) };
        }
        match (play.kind, play.session) {
            (Kind::Bet, session) if session != Some(self.session.as_str()) => {
                return Err(Refusal::bare(ErrorCode::SESSION_NOT_FOUND));
            }
            (Kind::Win, Some(key)) if holders.get(key).is_some_and(|holder| holder != play.account) => {
                return Err(Refusal::bare(ErrorCode::ACCOUNT_NOT_FOUND));
            }
            _ => {}
        }
        self.check_offer(play.offer)?;
        match self.judge(play, round) {
            Ok(effect) => {
                let moves = effect.moves;
                self.rounds.entry(play.round.to_owned()).or_default().carry_out(play, &effect);
                self.move_funds(moves);
                Ok(self.funds)
            }
            Err(code) => {
                if code == ErrorCode::TRANSACTION_NOT_FOUND {
                    let round = self.rounds.entry(play.round.to_owned()).or_default();
                    round.cancel(play.original.unwrap_or_default());
                }
                self.refuse(code)
            }
        }
    }

    fn check_offer(&self, offer: Offer) -> Result<(), Refusal> {
        if !offer.in_currency {
            return self.refuse(ErrorCode::CURRENCY_MISMATCH);
        }
        if offer.has_game { Ok(()) } else { self.refuse(ErrorCode::GAME_NOT_FOUND) }
    }

    /// The last rungs: round, stake, funds.
    fn judge(&self, play: &Play<'_>, round: Option<&Round>) -> Result<Effect, ErrorCode> {
        let state = round.map_or(State::Unopened, |round| round.state);
        if play.kind != Kind::Bet && self.funds.cash.checked_add(play.amount).is_none() {
            return Err(ErrorCode::NOT_COMPLETED);
        }
        match play.kind {
            Kind::Bet if state == State::Unopened && !play.starts => Err(ErrorCode::ROUND_NOT_FOUND),
            Kind::Bet if state == State::Closed && play.starts => Err(ErrorCode::NOT_COMPLETED),
            Kind::Bet if self.funds.cash < play.amount => Err(ErrorCode::INSUFFICIENT_FUNDS),
            Kind::Bet => Ok(Effect { moves: -play.amount, takes_back: None }),
            Kind::Win => Ok(Effect { moves: play.amount, takes_back: None }),
            Kind::Void => match round.filter(|_| state != State::Unopened) {
                None => Err(ErrorCode::ROUND_NOT_FOUND),
                Some(round) if !round.gives_back(play.amount) => Err(ErrorCode::NOT_COMPLETED),
                Some(_) => Ok(Effect { moves: play.amount, takes_back: None }),
            },
            Kind::Rollback => {
                let found = round.and_then(|round| Some((round, round.bet(play.original?)?)));
                let Some((round, at)) = found else { return Err(ErrorCode::TRANSACTION_NOT_FOUND) };
                let bet = &round.transactions[at];
                if bet.amount != Some(play.amount) {
                    Err(ErrorCode::NOT_COMPLETED)
                } else if bet.taken_back {
                    Ok(Effect { moves: 0, takes_back: None })
                } else if round.gives_back(play.amount) {
                    Ok(Effect { moves: play.amount, takes_back: Some(at) })
                } else {
                    Err(ErrorCode::NOT_COMPLETED)
                }
            }
        }
    }
}

impl Round {
    /// Whether the transaction was done just so before; `None` where its id is new.
    fn known(&self, play: &Play<'_>) -> Option<bool> {
        let same_id = |known: &&Transaction| known.kind == play.kind && known.id == play.transaction;
        let known = self.transactions.iter().find(same_id)?;
        let same = known.amount == Some(play.amount) && known.original.as_deref() == play.original;
        Some(same && play.offer.in_currency && !known.taken_back)
    }

    /// The place of a bet that came.
    fn bet(&self, id: &str) -> Option<usize> {
        self.transactions
            .iter()
            .position(|known| known.kind == Kind::Bet && known.amount.is_some() && known.id == id)
    }

    /// A round never gives back more than was staked in it.
    fn gives_back(&self, minor: i64) -> bool {
        self.returned.checked_add(minor).is_some_and(|returned| returned <= self.staked)
    }

    fn carry_out(&mut self, play: &Play<'_>, effect: &Effect) {
        if let Some(bet) = effect.takes_back {
            self.transactions[bet].taken_back = true;
        }
        match play.kind {
            Kind::Bet => self.staked += play.amount,
            Kind::Rollback | Kind::Void => self.returned += effect.moves,
            Kind::Win => {}
        }
        if play.ends {
            self.state = State::Closed;
        } else if self.state == State::Unopened {
            self.state = State::Open;
        }
        self.transactions.push(Transaction {
            kind: play.kind,
            id: play.transaction.to_owned(),
            original: play.original.map(str::to_owned),
            amount: Some(play.amount),
            taken_back: false,
        });
    }

    /// Remembers that a bet was taken back before it came.
    fn cancel(&mut self, bet: &str) {
        if self.transactions.iter().any(|known| known.kind == Kind::Bet && known.id == bet) {
            return;
        }
        self.transactions.push(Transaction {
            kind: Kind::Bet,
            id: bet.to_owned(),
            original: None,
            amount: None,
            taken_back: false,
        });
    }
}

impl Store for Memory {
    async fn balance(&self, account: &str) -> Result<Funds, Refusal> {
        Ok(self.account(account)?.funds)
    }

    async fn create_token(&self, account: &str, has_game: bool) -> Result<String, Refusal> {
        let holder = self.account(account)?;
        if !has_game {
            return holder.refuse(ErrorCode::GAME_NOT_FOUND);
        }
        drop(holder);
        let token = new_token()?;
        self.tokens.mint(token.clone(), account);
        Ok(token)
    }

    async fn redeem_token(&self, token: &str) -> Result<Redeemed, Refusal> {
        let not_found = Refusal::bare(ErrorCode::SESSION_NOT_FOUND);
        let account = self.tokens.redeem(token).ok_or(not_found)?;
        let session = self.account(&account)?.session.clone();
        Ok(Redeemed { account, session, country: demo::COUNTRY.to_owned() })
    }

    async fn play(&self, play: &Play<'_>) -> Result<Funds, Refusal> {
        match self.account(play.account) {
            Ok(mut account) => account.play(play, &self.holders),
            // A session is looked for first, and an account that is not there has none.
            Err(_) if play.kind == Kind::Bet => Err(Refusal::bare(ErrorCode::SESSION_NOT_FOUND)),
            Err(refusal) => Err(refusal),
        }
    }

    async fn end(&self, account: &str, round: &str, offer: Offer) -> Result<Funds, Refusal> {
        let mut account = self.account(account)?;
        account.check_offer(offer)?;
        match account.rounds.get_mut(round) {
            Some(round) if round.state != State::Unopened => round.state = State::Closed,
            _ => return account.refuse(ErrorCode::ROUND_NOT_FOUND),
        }
        Ok(account.funds)
    }

    async fn credit(&self, credit: &Credit<'_>) -> Result<Funds, Refusal> {
        let mut account = self.account(credit.account)?;
        if let Some(known) = account.credits.get(credit.transaction) {
            let same = *known == credit.amount && credit.in_currency;
            return if same { Ok(account.funds) } else { account.refuse(ErrorCode::NOT_COMPLETED) };
        }
        if !credit.in_currency {
            return account.refuse(ErrorCode::CURRENCY_MISMATCH);
        }
        if account.funds.cash.checked_add(credit.amount).is_none() {
            return account.refuse(ErrorCode::NOT_COMPLETED);
        }
        account.credits.insert(credit.transaction.to_owned(), credit.amount);
        account.move_funds(credit.amount);
        Ok(account.funds)
    }

    async fn alert(&self, alert: &Alert<'_>) -> Result<Funds, Refusal> {
        let mut account = self.account(alert.account)?;
        if account.alerts.len() == ALERTS_KEPT {
            account.alerts.pop_front();
        }
        account.alerts.push_back((alert.action.to_owned(), alert.details.to_owned()));
        Ok(account.funds)
    }
}

/// Tokens that are not redeemed yet, and the accounts that they are for.
#[derive(Debug)]
struct Tokens {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Debug, Default)]
struct Shard {
    accounts: HashMap<String, (Instant, String)>,
    /// The same tokens, oldest first, with those that were redeemed among them.
    minted: VecDeque<(Instant, String)>,
}

impl Default for Tokens {
    fn default() -> Self {
        let shards = (0..TOKEN_SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shards }
    }
}

impl Tokens {
    fn shard(&self, token: &str) -> MutexGuard<'_, Shard> {
        unpoisoned(&self.shards[self.hasher.hash_one(token) as usize % TOKEN_SHARDS])
    }

    /// Takes a token in, and lets those go that are past their time.
    fn mint(&self, token: String, account: &str) {
        let now = Instant::now();
        let mut shard = self.shard(&token);
        while let Some((expires, _)) = shard.minted.front() {
            if *expires > now {
                break;
            }
            if let Some((_, old)) = shard.minted.pop_front() {
                shard.accounts.remove(&old);
            }
        }
        shard.minted.push_back((now + TOKEN_LIFE, token.clone()));
        shard.accounts.insert(token, (now + TOKEN_LIFE, account.to_owned()));
    }

    fn redeem(&self, token: &str) -> Option<String> {
        let (expires, account) = self.shard(token).accounts.remove(token)?;
        (expires > Instant::now()).then_some(account)
    }
}
