//! An account as the protocol describes it, and the operator's calls on it (protocol §6).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use compact_str::CompactString;
use wallet::account::{AccountStatus, Profile};
use wallet::amount::{Amount, Money};
use wallet::operation::{self, Operation, PlayKind};
use wallet::outcome::{AlertView, Balance, ErrorCode, LineKind, OperatorRefusal, Outcome};
use wallet::restriction::Restrictions;
use wallet::{Currency, PlatformKey, RoundScope};

use super::bounds;
use super::period::Period;
use super::rules::{
    Answer, CASH_MINOR_MAX, Rules, Times, WORDS, amount, minor, minor_of_money, refused, refused_operator,
};
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

/// What a round is known by, within its account (protocol §4, Identity).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoundKey {
    /// Whose it is.
    pub platform: PlatformKey,
    /// `GameRoundID`.
    pub round: CompactString,
    /// `GameID`, where it is a part of the round's identity.
    pub game: Option<CompactString>,
}

/// A transaction that was done. Money is in minor units, here and below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) kind: Kind,
    /// Nobody where the operator asked.
    pub(super) platform: PlatformKey,
    pub(super) round: Option<RoundKey>,
    pub(super) game: Option<CompactString>,
    pub(super) id: CompactString,
    pub(super) amount: i128,
    /// Of a rollback: the id of its bet.
    pub(super) original: Option<CompactString>,
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) state: RoundState,
    pub(super) orphan: bool,
    /// The game of its first transaction, or of the first bet that was cancelled in it.
    pub(super) game: CompactString,
    /// The games of all its transactions and cancelled bets.
    pub(super) games: BTreeSet<CompactString>,
    /// The number of the transaction that opened it.
    pub(super) opened: u64,
    pub(super) staked: i128,
    pub(super) returned: i128,
    pub(super) bets: usize,
    /// Bets that were not rolled back.
    pub(super) bets_standing: usize,
    /// It has a win above zero.
    pub(super) has_winnings: bool,
    /// Its last transaction, its end, or the last bet that was cancelled in it.
    pub(super) last_ms: u64,
    /// Numbers of transactions by kind and id.
    pub(super) known: BTreeMap<(PlayKind, CompactString), u64>,
    /// Ids of bets that were rolled back before they came.
    pub(super) cancelled: BTreeSet<CompactString>,
}

/// A bet that was refused, and stays so for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) round: RoundKey,
    pub(super) bet: CompactString,
    pub(super) code: ErrorCode,
    pub(super) until_ms: u64,
}

/// Bets and wins of one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// When the period began, milliseconds since 1970.
    pub from_ms: u64,
    /// Bets, minor units.
    pub staked: i128,
    /// Wins, minor units.
    pub won: i128,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) currency: Currency,
    pub(super) profile: Profile,
    pub(super) status: AccountStatus,
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
    /// Tokens so far.
    pub(super) minted: u64,
    pub(super) rounds: BTreeMap<RoundKey, Round>,
    /// Oldest first. A restart forgets them.
    pub(super) refusals: VecDeque<Refusal>,
    /// Numbers of transactions outside of rounds, by kind, platform and id.
    pub(super) outside: BTreeMap<(Kind, PlatformKey, CompactString), u64>,
    /// All transactions that are remembered, by number.
    pub(super) transactions: BTreeMap<u64, Transaction>,
    pub(super) last_number: u64,
    /// The largest number of a transaction that was forgotten.
    pub(super) forgotten: u64,
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
    /// Of sessions that were used at about one time, whose order who asks can't know, which makes way.
    pub(super) tied: usize,
}

/// Applies a request to its account and says what it must be answered.
///
/// # Panics
/// On steps that the machine asks itself for: they are not requests.
pub(super) fn apply(state: &mut Option<Account>, ask: &Ask<'_>) -> Answer {
    if let Some(account) = state.as_mut() {
        account.forget(ask.now_ms, ask.rules.times);
    }
    match ask.operation {
        Operation::Balance(_)
        | Operation::CreateToken(_)
        | Operation::RedeemToken(_)
        | Operation::RedeemWrapped(_)
        | Operation::Play(_)
        | Operation::EndRound(_)
        | Operation::Credit(_)
        | Operation::Alert(_) => for_platform(state.as_mut(), ask),
        Operation::PutAccount(operation::PutAccount { account, profile }) => {
            put(state, ask, account.id(), profile)
        }
        _ => state
            .as_mut()
            .map_or(refused_operator(OperatorRefusal::NoAccount), |account| for_operator(account, ask)),
    }
}

fn for_platform(state: Option<&mut Account>, ask: &Ask<'_>) -> Answer {
    let (platform, id) = match ask.operation {
        Operation::Balance(operation::Balance { platform, account, .. })
        | Operation::CreateToken(operation::CreateToken { platform, account, .. })
        | Operation::EndRound(operation::EndRound { platform, account, .. })
        | Operation::Credit(operation::Credit { platform, account, .. })
        | Operation::Alert(operation::Alert { platform, account, .. }) => (*platform, account.id()),
        Operation::Play(play) => (play.platform, play.account.id()),
        Operation::RedeemToken(operation::RedeemToken { platform, token }) => {
            return state.map_or(refused(ErrorCode::SessionNotFound), |account| {
                account.redeem(ask, *platform, *token)
            });
        }
        Operation::RedeemWrapped(operation::RedeemWrapped { platform, key, minted_ms }) => {
            return state.map_or(refused(ErrorCode::SessionNotFound), |account| {
                account.redeem_wrapped(ask, *platform, key, *minted_ms)
            });
        }
        other => panic!("no platform's call: {other:?}"),
    };
    if matches!(ask.operation, Operation::Credit(operation::Credit { kind, .. }) if kind == "811") {
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
        Operation::Balance(operation::Balance { game: Some(game), .. })
            if !ask.rules.games.contains(game.as_str()) =>
        {
            account.refuse(ErrorCode::GameNotFound)
        }
        Operation::Balance(_) => Outcome::Balance(account.balance()),
        Operation::CreateToken(operation::CreateToken { game, entropy, .. }) => {
            account.create_token(ask, platform, game, *entropy)
        }
        Operation::Play(play) => account.play(ask, play),
        Operation::EndRound(operation::EndRound { round, game, currency, .. }) => {
            account.end_round(ask, platform, round, game, *currency)
        }
        Operation::Credit(operation::Credit { transaction, currency, amount, .. }) => {
            account.credit(ask, platform, transaction, *currency, minor(*amount))
        }
        Operation::Alert(operation::Alert { details, .. }) => {
            account.alerts.push(AlertView { at_ms: ask.now_ms, details: details.clone() });
            if account.alerts.len() > bounds::ALERTS_SHOWN_MAX {
                account.alerts.remove(0);
            }
            Outcome::Noted(account.balance())
        }
        other => panic!("no platform's call at an account: {other:?}"),
    }
}

fn for_operator(account: &mut Account, ask: &Ask<'_>) -> Answer {
    match ask.operation {
        Operation::GetAccount(_) => account.view(ask),
        Operation::GetStatement(operation::GetStatement { after, limit, .. }) => {
            account.statement(*after, *limit)
        }
        Operation::SetStatus(operation::SetStatus { status, .. }) => {
            account.status = *status;
            Outcome::StatusSet(*status)
        }
        Operation::SetLimits(operation::SetLimits { limits, .. }) => account.set_limits(**limits),
        Operation::Transfer(operation::Transfer { currency: Some(currency), .. })
            if *currency != account.currency =>
        {
            refused_operator(OperatorRefusal::WrongCurrency)
        }
        Operation::Transfer(operation::Transfer { direction, transaction, amount, .. }) => {
            account.transfer(ask, *direction, transaction, *amount)
        }
        Operation::OpenSession(operation::OpenSession { key, .. }) => account.open_session(ask, key),
        Operation::CloseSession(operation::CloseSession { key, .. }) => account.close_session(key),
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
        status: AccountStatus::Active,
        cash: 0,
        version: 0,
        limits: Restrictions::none(),
        sums: [Sum::default(); 3],
        sessions: Vec::new(),
        logins: 0,
        tokens: BTreeMap::new(),
        minted: 0,
        rounds: BTreeMap::new(),
        refusals: VecDeque::new(),
        outside: BTreeMap::new(),
        transactions: BTreeMap::new(),
        last_number: 0,
        forgotten: 0,
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
        Outcome::Refused { code, why: WORDS, balance: Some(self.balance()) }
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

    /// Whether more of it may be over than a page of its statement waits for: each transaction may have had a round.
    pub(super) const fn has_much_behind_it(&self) -> bool {
        self.last_number * 2 > bounds::FORGOTTEN_PER_PAGE
    }

    /// Remembers a transaction under the next number.
    pub(super) fn record(&mut self, transaction: Transaction) -> u64 {
        self.last_number += 1;
        self.transactions.insert(self.last_number, transaction);
        self.last_number
    }

    /// The sums of the current periods. Those of periods that have passed begin anew. Where the domain's days begin at
    /// another hour now, those of a period that was under way go on.
    pub(super) fn current_sums(&self, ask: &Ask<'_>) -> [Sum; 3] {
        let (mut sums, zone) = (self.sums, ask.rules.zone(&self.id));
        for ((sum, from_ms), period) in sums.iter_mut().zip(zone.starts_ms(ask.now_ms)).zip(Period::ALL) {
            if period.has_passed(sum.from_ms, from_ms) {
                *sum = Sum { from_ms, staked: 0, won: 0 };
            }
            sum.from_ms = sum.from_ms.min(from_ms);
        }
        sums
    }

    /// Those sums, to be changed.
    pub(super) fn change_sums(&mut self, ask: &Ask<'_>, change: impl FnMut(&mut Sum)) {
        self.sums = self.current_sums(ask);
        self.sums.iter_mut().for_each(change);
    }

    /// The key of the round that a platform's request names, where the account has it. A platform whose scope was
    /// changed still finds what it began under the other one.
    pub(super) fn find(
        &self,
        ask: &Ask<'_>,
        platform: PlatformKey,
        round: &str,
        game: &str,
    ) -> Option<RoundKey> {
        let key = |game: Option<&str>| RoundKey { platform, round: round.into(), game: game.map(Into::into) };
        let (plain, by_game) = (key(None), key(Some(game)));
        if self.rounds.contains_key(&by_game) {
            return Some(by_game);
        }
        let found = self.rounds.get(&plain)?;
        let is_it = match ask.rules.dialect(platform).round_scope {
            RoundScope::Platform => true,
            RoundScope::Game => found.game == game || found.games.contains(game),
        };
        is_it.then_some(plain)
    }

    /// The round that a platform's request names; a new one where the account has it not.
    pub(super) fn find_or_make(
        &mut self,
        ask: &Ask<'_>,
        platform: PlatformKey,
        round: &str,
        game: &str,
    ) -> (RoundKey, &mut Round) {
        let key = self.find(ask, platform, round, game).unwrap_or_else(|| {
            let by_game = ask.rules.dialect(platform).round_scope == RoundScope::Game;
            RoundKey { platform, round: round.into(), game: by_game.then(|| game.into()) }
        });
        let new = || Round { game: game.into(), ..Round::default() };
        let round = self.rounds.entry(key.clone()).or_insert_with(new);
        (key, round)
    }

    /// Forgets what is past its time (protocol §4, Idempotency; §3).
    pub(super) fn forget(&mut self, now_ms: u64, times: Times) {
        self.sessions.retain(|session| !times.is_session_past(session.used_ms(), now_ms));
        if now_ms < self.forget_at_ms {
            return;
        }
        let passed = |last_ms: u64| times.has_passed(last_ms, now_ms);
        self.rounds.retain(|_, round| round.state == RoundState::Open || !passed(round.last_ms));
        let (rounds, transactions) = (&self.rounds, &mut self.transactions);
        let mut forgotten = self.forgotten;
        transactions.retain(|number, transaction| {
            let kept = match &transaction.round {
                Some(round) => rounds.contains_key(round),
                None => !passed(transaction.at_ms),
            };
            forgotten = if kept { forgotten } else { forgotten.max(*number) };
            kept
        });
        self.forgotten = forgotten;
        self.outside.retain(|_, number| transactions.contains_key(number));
        // What comes from now on passes after the retention, too.
        let rounds = self.rounds.values().filter(|round| round.state != RoundState::Open);
        let of_rounds = rounds.map(|round| round.last_ms);
        let outside = self.outside.values().map(|number| self.transactions[number].at_ms);
        self.forget_at_ms = of_rounds.chain(outside).min().unwrap_or(now_ms) + times.retention_ms;
    }

    /// Whether it is judged alike at any time between two: nothing of it expires, and no period turns.
    pub(super) fn is_steady(&self, rules: &Rules, from_ms: u64, until_ms: u64) -> bool {
        let session = |session: &Session| {
            let over_ms = session.used_ms() + rules.times.session_idle_ms;
            let minutes = self.limits.session_minutes.unwrap_or(0);
            let too_long_ms = session.started_ms + u64::from(minutes) * bounds::MINUTE_MS;
            [over_ms, over_ms + bounds::SESSION_REMEMBERED_MS, too_long_ms]
        };
        let tokens = self.tokens.values().map(|token| token.expires_ms);
        let refusals = self.refusals.iter().map(|refusal| refusal.until_ms);
        let ends_ms = self.sessions.iter().flat_map(session).chain(tokens).chain(refusals);
        let zone = rules.zone(&self.id);
        !ends_ms.chain([self.forget_at_ms]).any(|end_ms| (from_ms..=until_ms).contains(&end_ms))
            && zone.starts_ms(from_ms) == zone.starts_ms(until_ms)
    }

    /// A restart: what is past its time by what held before is forgotten for good, and other times hold now.
    pub(super) fn restart(&mut self, now_ms: u64, was: Times, is: Times) {
        self.tokens.clear();
        self.refusals.clear();
        for times in [was, is] {
            self.forget_at_ms = 0;
            self.forget(now_ms, times);
            if times == was && was.session_idle_ms != is.session_idle_ms {
                // What is over stays over.
                self.sessions.retain(|session| !was.is_session_over(session.used_ms(), now_ms));
            }
        }
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

    /// The success of a transaction, now or before.
    pub(super) fn done(&self, id: &str, staked: Option<i128>) -> Answer {
        Outcome::Done { reference: id.into(), staked: staked.map(amount), balance: self.balance() }
    }
}
