//! The auditor against the rows of the protocol: what it must accept, and what it must refuse. A story is told to a
//! fresh auditor, one line after another; each line is a request and the one right answer to it, and a number of
//! wrong answers is made of the right one and must be refused first.

mod crash;
mod dialects;
mod identity;
mod operator;
mod random;
mod restrictions;
mod rounds;
mod sessions;
mod settlement;
mod witness;

use wallet::account::{AccountRef, AccountStatus, Profile};
use wallet::amount::{Amount, Money};
use wallet::operation::{self, Direction, Play};
use wallet::outcome::Balance;
use wallet::{Dialect, PlatformKey, RoundScope, TokenPolicy};

use super::rules::WORDS;
use super::*;
use crate::world::{GAMES, World, currency, platform};

const ANNA: &str = "default/anna";
const BERT: &str = "default/bert";
/// Served by platform 2 alone, and default by 0 and 1.
const GULF: &str = "gulf/omar";
const KEY: &str = "key-of-anna";
/// Tuesday, 14 November 2023, 22:13:20.
const START_MS: u64 = 1_700_000_000_000;
const IDLE_MS: u64 = limits::SESSION_IDLE_MS;
const RETENTION_MS: u64 = limits::RETENTION_MS;
const OPENING: i64 = 10_000;

type Request = Operation<CompactString>;

#[derive(Clone)]
struct Story {
    auditor: Auditor,
    now_ms: u64,
    cash: i64,
    version: u64,
}

impl Story {
    /// Anna has an account with funds and a session; the story's funds are hers.
    fn new() -> Self {
        Self::with(TokenPolicy::SingleUse)
    }

    fn with(policy: TokenPolicy) -> Self {
        Self::by_rules(World::rules(policy))
    }

    /// Under a dialect that every platform speaks.
    fn speaking(dialect: Dialect) -> Self {
        let mut rules = World::rules(TokenPolicy::SingleUse);
        rules.dialects.values_mut().for_each(|spoken| *spoken = dialect);
        Self::by_rules(rules)
    }

    fn by_rules(rules: Rules) -> Self {
        let auditor = Auditor::new(rules);
        let mut story = Self { auditor, now_ms: START_MS, cash: 0, version: 0 };
        story.check(put(ANNA), Outcome::AccountPut { created: true });
        story.moved(OPENING);
        let transferred = Outcome::Transferred(story.balance());
        story.check(transfer(ANNA, Direction::In, "opening", "100.00"), transferred);
        story.login(ANNA, KEY);
        story
    }

    fn later(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// Anna's funds change by this much with the next answer.
    fn moved(&mut self, by: i64) {
        self.cash += by;
        self.version += 1;
    }

    fn balance(&self) -> Balance {
        Balance { currency: currency("GBP"), cash: pence(self.cash), version: self.version }
    }

    #[track_caller]
    fn check(&mut self, request: Request, right: Answer) {
        for wrong in wrong_answers(&right) {
            let judged = self.auditor.clone().check(self.now_ms, &request, &wrong);
            assert!(judged.is_err(), "{request:?}\n  is not to be answered {wrong:?}");
        }
        self.accept(request, right);
    }

    #[track_caller]
    fn accept(&mut self, request: Request, right: Answer) {
        assert_eq!(self.auditor.check(self.now_ms, &request, &right), Ok(()));
    }

    /// A transaction of Anna's that is done, and changes her funds by so much.
    #[track_caller]
    fn done(&mut self, play: Play<CompactString>, by: i64) {
        if by != 0 {
            self.moved(by);
        }
        let staked = (play.kind == PlayKind::Bet).then_some(play.amount);
        let right = Outcome::Done { reference: play.transaction.clone(), staked, balance: self.balance() };
        self.check(Operation::Play(play), right);
    }

    /// A request about Anna's account that is refused with her funds.
    #[track_caller]
    fn refused(&mut self, request: impl Into<Ask>, code: ErrorCode) {
        let right = Outcome::Refused { code, why: WORDS, balance: Some(self.balance()) };
        self.check(request.into().0, right);
    }

    #[track_caller]
    fn refused_blindly(&mut self, request: impl Into<Ask>, code: ErrorCode) {
        self.check(request.into().0, refused(code));
    }

    #[track_caller]
    fn refused_to_operator(&mut self, request: Request, why: OperatorRefusal) {
        self.check(request, Outcome::OperatorRefused(why));
    }

    #[track_caller]
    fn login(&mut self, account: &str, key: &str) {
        self.check(open(account, key), Outcome::SessionOpened { key: key.into() });
    }

    #[track_caller]
    fn set_status(&mut self, status: AccountStatus) {
        self.check(
            Operation::SetStatus(operation::SetStatus { account: at(ANNA), status }),
            Outcome::StatusSet(status),
        );
    }
}

/// A request, made of a transaction or as it is.
struct Ask(Request);

impl From<Play<CompactString>> for Ask {
    fn from(play: Play<CompactString>) -> Self {
        Self(Operation::Play(play))
    }
}

impl From<Request> for Ask {
    fn from(request: Request) -> Self {
        Self(request)
    }
}

/// Answers that differ from the right one by a little.
fn wrong_answers(right: &Answer) -> Vec<Answer> {
    let other_codes = [ErrorCode::NotCompleted, ErrorCode::InsufficientFunds, ErrorCode::SessionNotFound];
    let mut wrong: Vec<Answer> = Vec::new();
    match right {
        Outcome::Balance(balance) => wrong.extend(off(*balance).map(Outcome::Balance)),
        Outcome::Noted(balance) => wrong.extend(off(*balance).map(Outcome::Noted)),
        Outcome::Transferred(balance) => wrong.extend(off(*balance).map(Outcome::Transferred)),
        Outcome::Done { reference, staked, balance } => {
            wrong.extend(off(*balance).map(|balance| Outcome::Done {
                reference: reference.clone(),
                staked: *staked,
                balance,
            }));
            let staked = staked.is_none().then_some(Amount::ZERO);
            wrong.push(Outcome::Done { reference: reference.clone(), staked, balance: *balance });
            let (code, why) = (ErrorCode::NotCompleted, WORDS);
            wrong.push(Outcome::Refused { code, why, balance: Some(*balance) });
        }
        Outcome::Refused { code, balance: Some(balance), .. } => {
            let code = *code;
            let with = |code, balance| Outcome::Refused { code, why: WORDS, balance: Some(balance) };
            wrong.extend(off(*balance).map(|balance| with(code, balance)));
            wrong.push(refused(code));
            let others = other_codes.into_iter().filter(|other| *other != code);
            wrong.extend(others.map(|code| with(code, *balance)));
            wrong.push(Outcome::Noted(*balance));
        }
        Outcome::Refused { code, balance: None, .. } => {
            let others = other_codes.into_iter().filter(|other| other != code);
            wrong.extend(others.map(refused));
        }
        Outcome::AccountPut { created } => wrong.push(Outcome::AccountPut { created: !created }),
        Outcome::OperatorRefused(OperatorRefusal::NoAccount) => wrong.push(Outcome::SessionClosed),
        Outcome::OperatorRefused(_) => wrong.push(refused_operator(OperatorRefusal::NoAccount)),
        _ => wrong.push(refused_operator(OperatorRefusal::NoAccount)),
    }
    let unknown = refused(ErrorCode::Unknown);
    wrong.extend((*right != unknown).then_some(unknown));
    wrong
}

/// Funds that are not these.
fn off(balance: Balance) -> [Balance; 3] {
    let more = pence(balance.cash.minor() + 1);
    [
        Balance { cash: more, ..balance },
        Balance { version: balance.version + 1, ..balance },
        Balance { currency: currency("EUR"), ..balance },
    ]
}

fn pence(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn at(account: &str) -> AccountRef<CompactString> {
    AccountRef::new(account.into())
}

fn by(account: &str) -> PlatformKey {
    platform(if account == GULF { 2 } else { 0 })
}

fn transaction(kind: PlayKind, round: &str, id: &str, amount: i64) -> Play<CompactString> {
    Play {
        kind,
        platform: by(ANNA),
        account: at(ANNA),
        session: (kind == PlayKind::Bet).then(|| KEY.into()),
        session_checked: false,
        round: round.into(),
        scope: RoundScope::Platform,
        transaction: id.into(),
        original: None,
        game: GAMES[0].into(),
        currency: Some(currency("GBP")),
        amount: pence(amount),
        starts_round: false,
        ends_round: false,
        details: None,
    }
}

/// A bet that may open its round.
fn first_bet(round: &str, id: &str, amount: i64) -> Play<CompactString> {
    Play { starts_round: true, ..bet(round, id, amount) }
}

fn bet(round: &str, id: &str, amount: i64) -> Play<CompactString> {
    transaction(PlayKind::Bet, round, id, amount)
}

fn win(round: &str, id: &str, amount: i64) -> Play<CompactString> {
    transaction(PlayKind::Win, round, id, amount)
}

fn rollback(round: &str, id: &str, original: &str, amount: i64) -> Play<CompactString> {
    Play { original: Some(original.into()), ..transaction(PlayKind::Rollback, round, id, amount) }
}

fn void(round: &str, id: &str, amount: i64) -> Play<CompactString> {
    transaction(PlayKind::Void, round, id, amount)
}

fn end(round: &str) -> Request {
    let (game, currency) = (GAMES[0].into(), Some(currency("GBP")));
    Operation::EndRound(operation::EndRound {
        platform: by(ANNA),
        account: at(ANNA),
        round: round.into(),
        scope: RoundScope::Platform,
        game,
        currency,
        details: None,
    })
}

fn balance_of(account: &str) -> Request {
    Operation::Balance(operation::Balance { platform: by(account), account: at(account), game: None })
}

fn credit(id: &str, amount: i64) -> Request {
    Operation::Credit(operation::Credit {
        platform: by(ANNA),
        account: at(ANNA),
        transaction: id.into(),
        kind: "7".into(),
        currency: Some(currency("GBP")),
        amount: pence(amount),
    })
}

fn put(account: &str) -> Request {
    Operation::PutAccount(operation::PutAccount {
        account: at(account),
        profile: Box::new(Profile::of(*b"GB")),
    })
}

fn get(account: &str) -> Request {
    Operation::GetAccount(operation::GetAccount { account: at(account) })
}

fn open(account: &str, key: &str) -> Request {
    Operation::OpenSession(operation::OpenSession { account: at(account), key: key.into() })
}

fn close(account: &str, key: &str) -> Request {
    Operation::CloseSession(operation::CloseSession { account: at(account), key: key.into() })
}

fn transfer(account: &str, direction: Direction, id: &str, amount: &str) -> Request {
    let amount = Money::parse(amount).unwrap();
    Operation::Transfer(operation::Transfer {
        account: at(account),
        direction,
        transaction: id.into(),
        amount,
        currency: None,
    })
}
