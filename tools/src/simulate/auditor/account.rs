//! An account as the protocol describes it, and the operator's calls on it (protocol §6).

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use purser::limits;
use purser::wallet::Currency;
use purser::wallet::account::{Profile, Status};
use purser::wallet::amount::{Amount, Money};
use purser::wallet::operation::{Direction, Operation, PlayKind};
use purser::wallet::outcome::{AlertView, Balance, ErrorCode, LineKind, OperatorRefusal, Outcome};
use purser::wallet::restriction::Restrictions;

use super::period;
use super::rules::{Answer, CASH_MINOR_MAX, Rules, amount, minor, minor_of_money, refused, refused_operator};
use super::session::{Session, Token};

/// What a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Play(PlayKind),
    Credit,
    Deposit,
    Withdrawal,
}

impl Kind {
    pub(super) const fn line(self) -> LineKind {
        match self {
            Self::Play(play) => LineKind::Play(play),
            Self::Credit => LineKind::Credit,
            Self::Deposit => LineKind::Deposit,
            Self::Withdrawal => LineKind::Withdrawal,
        }
    }
}

/// A transaction that was done. Money is in minor units, here and below.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) kind: Kind,
    pub(super) round: Option<String>,
    pub(super) id: String,
    pub(super) amount: i128,
    /// Of a rollback: the id of its bet.
    pub(super) original: Option<String>,
    pub(super) moved_nothing: bool,
    pub(super) rolled_back: bool,
    pub(super) balance_after: i128,
    pub(super) at_ms: u64,
    /// The auditor's own count of what it was told, by which it knows what was under way meanwhile.
    pub(super) event: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RoundState {
    /// Known by cancelled bets alone, which is not to be known.
    #[default]
    Unopened,
    Open,
    Closed,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    pub(super) state: RoundState,
    pub(super) orphan: bool,
    pub(super) staked: i128,
    pub(super) returned: i128,
    /// Its last transaction, its end, or the last bet that was cancelled in it.
    pub(super) last_ms: u64,
    /// The number of the transaction that opened it.
    pub(super) opened_by: u32,
    /// It was known by a cancelled bet before.
    pub(super) was_unopened: bool,
    /// Numbers of transactions by kind and id.
    pub(super) known: BTreeMap<(PlayKind, String), u32>,
    /// Ids of bets that were rolled back before they came.
    pub(super) cancelled: BTreeSet<String>,
}

/// Bets and wins of one period.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) from_day: u64,
    pub(super) staked: i128,
    pub(super) won: i128,
}

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) currency: Currency,
    pub(super) profile: Profile,
    pub(super) status: Status,
    pub(super) cash: i128,
    pub(super) version: u64,
    pub(super) limits: Restrictions<Amount>,
    /// Day, week, month.
    pub(super) sums: [Sum; 3],
    /// Oldest login first.
    pub(super) sessions: Vec<Session>,
    /// Logins so far; a token belongs to one of them.
    pub(super) logins: u64,
    pub(super) tokens: BTreeMap<u128, Token>,
    pub(super) rounds: BTreeMap<String, Round>,
    /// Numbers of transactions outside of rounds, by kind and id.
    pub(super) outside: BTreeMap<(Kind, String), u32>,
    /// All transactions that are remembered, by number.
    pub(super) transactions: BTreeMap<u32, Transaction>,
    pub(super) last_number: u32,
    /// Oldest first, those that are shown.
    pub(super) alerts: Vec<AlertView>,
    /// Nothing is to be forgotten before this.
    forget_at_ms: u64,
}

/// Whether a session is another account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    No,
    /// It was for a part of the time that the request was under way; the answer says which part counted.
    Maybe,
    Surely,
}

/// A request at its account.
pub(super) struct Ask<'a> {
    pub(super) rules: &'a Rules,
    pub(super) now_ms: u64,
    /// The auditor's count when the request is applied.
    pub(super) event: u64,
    /// The auditor's count when the request was sent.
    pub(super) sent_event: u64,
    pub(super) foreign: Foreign,
    pub(super) operation: &'a Operation<CompactString>,
    /// What the machine said. It decides where the protocol leaves it open or the auditor can't know, and nowhere
    /// else.
    pub(super) told: Option<&'a Answer>,
}

/// Applies a request to its account and says what it must be answered.
///
/// # Panics
/// On steps that the machine asks itself for: they are not requests.
pub(super) fn apply(state: &mut Option<Account>, ask: &Ask<'_>) -> Answer {
    if let Some(account) = state.as_mut() {
        account.forget(ask.now_ms, ask.rules.retention_ms);
    }
    match ask.operation {
        Operation::Balance { .. }
        | Operation::CreateToken { .. }
        | Operation::RedeemToken { .. }
        | Operation::RedeemWrapped { .. }
        | Operation::Play(_)
        | Operation::EndRound { .. }
        | Operation::Credit { .. }
        | Operation::Alert { .. } => for_platform(state.as_mut(), ask),
        Operation::PutAccount { account, profile } => put(state, ask, account.id(), profile),
        _ => state
            .as_mut()
            .map_or(refused_operator(OperatorRefusal::NoAccount), |account| for_operator(account, ask)),
    }
}

fn for_platform(state: Option<&mut Account>, ask: &Ask<'_>) -> Answer {
    let (platform, id) = match ask.operation {
        Operation::Balance { platform, account, .. }
        | Operation::CreateToken { platform, account, .. }
        | Operation::EndRound { platform, account, .. }
        | Operation::Credit { platform, account, .. }
        | Operation::Alert { platform, account, .. } => (*platform, account.id()),
        Operation::Play(play) => (play.platform, play.account.id()),
        Operation::RedeemToken { platform, token } => {
            return state.map_or(refused(ErrorCode::SessionNotFound), |account| {
                account.redeem(ask, *platform, *token)
            });
        }
        Operation::RedeemWrapped { platform, key, minted_ms } => {
            return state.map_or(refused(ErrorCode::SessionNotFound), |account| {
                account.redeem_wrapped(ask, *platform, key, *minted_ms)
            });
        }
        other => panic!("no platform's call: {other:?}"),
    };
    if matches!(ask.operation, Operation::Credit { kind, .. } if kind == "811") {
        return refused(ErrorCode::NotAuthentic);
    }
    if !ask.rules.serves(platform, id) {
        return refused(ErrorCode::AccountNotFound);
    }
    let Some(account) = state else {
        let bet = matches!(ask.operation, Operation::Play(play) if play.kind == PlayKind::Bet);
        return refused(if bet { ErrorCode::SessionNotFound } else { ErrorCode::AccountNotFound });
    };
    match ask.operation {
        Operation::Balance { game: Some(game), .. } if !ask.rules.games.contains(game.as_str()) => {
            account.refuse(ErrorCode::GameNotFound)
        }
        Operation::Balance { .. } => Outcome::Balance(account.balance()),
        Operation::CreateToken { game, entropy, .. } => account.create_token(ask, game, *entropy),
        Operation::Play(play) => account.play(ask, play),
        Operation::EndRound { round, game, currency, .. } => account.end_round(ask, round, game, *currency),
        Operation::Credit { transaction, currency, amount, .. } => {
            account.credit(ask, transaction, *currency, minor(*amount))
        }
        Operation::Alert { details, .. } => {
            account.alerts.push(AlertView { at_ms: ask.now_ms, details: details.clone() });
            if account.alerts.len() > limits::ALERTS_SHOWN_MAX {
                account.alerts.remove(0);
            }
            Outcome::Noted(account.balance())
        }
        other => panic!("no platform's call at an account: {other:?}"),
    }
}

fn for_operator(account: &mut Account, ask: &Ask<'_>) -> Answer {
    match ask.operation {
        Operation::GetAccount { .. } => account.view(ask),
        Operation::GetStatement { after, limit, .. } => account.statement(ask, *after, *limit),
        Operation::SetStatus { status, .. } => {
            account.status = *status;
            Outcome::StatusSet(*status)
        }
        Operation::SetLimits { limits, .. } => account.set_limits(**limits),
        Operation::Transfer { direction, transaction, amount, .. } => {
            account.transfer(ask, *direction, transaction, *amount)
        }
        Operation::OpenSession { key, .. } => account.open_session(ask, key),
        Operation::CloseSession { key, .. } => account.close_session(ask, key),
        other => panic!("not a request, but a step of one: {other:?}"),
    }
}

fn put(state: &mut Option<Account>, ask: &Ask<'_>, id: &str, profile: &Profile) -> Answer {
    let Some(brand) = ask.rules.brand(id) else {
        return refused_operator(OperatorRefusal::NoDomain);
    };
    if let Some(account) = state {
        account.profile = profile.clone();
        return Outcome::AccountPut { created: false };
    }
    *state = Some(Account {
        id: id.to_owned(),
        currency: brand.currency,
        profile: profile.clone(),
        status: Status::Active,
        cash: 0,
        version: 0,
        limits: Restrictions::none(),
        sums: [Sum::default(); 3],
        sessions: Vec::new(),
        logins: 0,
        tokens: BTreeMap::new(),
        rounds: BTreeMap::new(),
        outside: BTreeMap::new(),
        transactions: BTreeMap::new(),
        last_number: 0,
        alerts: Vec::new(),
        forget_at_ms: 0,
    });
    Outcome::AccountPut { created: true }
}

impl Account {
    pub(super) fn balance(&self) -> Balance {
        Balance { currency: self.currency, cash: amount(self.cash), version: self.version }
    }

    /// A refusal with the funds.
    pub(super) fn refuse(&self, code: ErrorCode) -> Answer {
        Outcome::Refused { code, balance: Some(self.balance()) }
    }

    /// Changes the funds; a change of nothing is none (protocol §1, `Version`).
    pub(super) fn move_funds(&mut self, by: i128) {
        self.cash += by;
        assert!(
            (0..=CASH_MINOR_MAX).contains(&self.cash),
            "each call sees to the funds before it moves them"
        );
        if by != 0 {
            self.version += 1;
        }
    }

    /// Remembers a transaction under the next number.
    pub(super) fn record(&mut self, transaction: Transaction) -> u32 {
        self.last_number += 1;
        self.transactions.insert(self.last_number, transaction);
        self.last_number
    }

    /// The sums of the current periods; those of periods that have passed begin anew.
    pub(super) fn current_sums(&mut self, now_ms: u64) -> &mut [Sum; 3] {
        for (sum, from_day) in self.sums.iter_mut().zip(period::starts(now_ms)) {
            if sum.from_day != from_day {
                *sum = Sum { from_day, staked: 0, won: 0 };
            }
        }
        &mut self.sums
    }

    /// Forgets what is past its time (protocol §4, Idempotency).
    fn forget(&mut self, now_ms: u64, retention_ms: u64) {
        if now_ms < self.forget_at_ms {
            return;
        }
        let passed = |last_ms: u64| now_ms >= last_ms + retention_ms;
        self.rounds.retain(|_, round| round.state == RoundState::Open || !passed(round.last_ms));
        let (rounds, transactions) = (&self.rounds, &mut self.transactions);
        transactions.retain(|_, transaction| match &transaction.round {
            Some(round) => rounds.contains_key(round),
            None => !passed(transaction.at_ms),
        });
        self.outside.retain(|_, number| transactions.contains_key(number));
        // What comes from now on passes after the retention, too.
        let rounds = self.rounds.values().filter(|round| round.state != RoundState::Open);
        let of_rounds = rounds.map(|round| round.last_ms);
        let outside = self.outside.values().map(|number| self.transactions[number].at_ms);
        self.forget_at_ms = of_rounds.chain(outside).min().unwrap_or(now_ms) + retention_ms;
    }

    fn set_limits(&mut self, limits: Restrictions<Money>) -> Answer {
        let currency = self.currency;
        match limits.try_map(|money| minor_of_money(money, currency).map(amount)) {
            None => refused_operator(OperatorRefusal::NotMoney),
            Some(limits) => {
                self.limits = limits;
                Outcome::LimitsSet { limits: Box::new(limits), currency }
            }
        }
    }

    fn transfer(&mut self, ask: &Ask<'_>, direction: Direction, id: &str, money: Money) -> Answer {
        let Some(asked) = minor_of_money(money, self.currency) else {
            return refused_operator(OperatorRefusal::NotMoney);
        };
        let (kind, by) = match direction {
            Direction::In => (Kind::Deposit, asked),
            Direction::Out => (Kind::Withdrawal, -asked),
        };
        if let Some(number) = self.outside.get(&(kind, id.to_owned())) {
            return if self.transactions[number].amount == asked {
                Outcome::Transferred(self.balance())
            } else {
                refused_operator(OperatorRefusal::TransactionConflict)
            };
        }
        if self.outside.len() >= limits::OUTSIDE_TRANSACTIONS_MAX {
            return refused_operator(OperatorRefusal::TooManyTransactions);
        }
        if self.cash + by < 0 {
            return refused_operator(OperatorRefusal::InsufficientFunds);
        }
        if self.cash + by > CASH_MINOR_MAX {
            return refused_operator(OperatorRefusal::TooMuch);
        }
        self.pay(ask, kind, id, asked, by);
        Outcome::Transferred(self.balance())
    }

    fn credit(&mut self, ask: &Ask<'_>, id: &str, currency: Option<Currency>, asked: i128) -> Answer {
        let same_currency = currency == Some(self.currency);
        if let Some(number) = self.outside.get(&(Kind::Credit, id.to_owned())) {
            let same = same_currency && self.transactions[number].amount == asked;
            return if same { self.done(id, None) } else { self.refuse(ErrorCode::NotCompleted) };
        }
        if !same_currency {
            return self.refuse(ErrorCode::CurrencyMismatch);
        }
        let full = self.outside.len() >= limits::OUTSIDE_TRANSACTIONS_MAX;
        if full || self.cash + asked > CASH_MINOR_MAX {
            return self.refuse(ErrorCode::NotCompleted);
        }
        self.pay(ask, Kind::Credit, id, asked, asked);
        self.done(id, None)
    }

    /// A transaction outside of rounds.
    fn pay(&mut self, ask: &Ask<'_>, kind: Kind, id: &str, asked: i128, by: i128) {
        self.move_funds(by);
        let number = self.record(Transaction {
            kind,
            round: None,
            id: id.to_owned(),
            amount: asked,
            original: None,
            moved_nothing: false,
            rolled_back: false,
            balance_after: self.cash,
            at_ms: ask.now_ms,
            event: ask.event,
        });
        self.outside.insert((kind, id.to_owned()), number);
    }

    /// The success of a transaction, now or before.
    pub(super) fn done(&self, id: &str, staked: Option<i128>) -> Answer {
        Outcome::Done { reference: id.into(), staked: staked.map(amount), balance: self.balance() }
    }
}
