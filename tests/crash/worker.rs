//! A client of some accounts, which keeps what it was told and what it got no answer to.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Sender;

use testkit::client::{Answer, Client};
use testkit::home::Server;

use crate::account::{Account, Funds};
use crate::operation::{Operation, pounds};
use crate::random::Random;

/// A request that was sent, and what follows from it where it is applied.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// The account's place.
    pub(crate) at: usize,
    pub(crate) operation: Operation,
    pub(crate) code: i32,
    pub(crate) before: Funds,
    pub(crate) after: Funds,
}

/// A client. Nobody else changes its accounts.
#[derive(Debug)]
pub(crate) struct Worker {
    random: Random,
    /// As they are once all that was sent is applied.
    pub(crate) accounts: Vec<Account>,
    /// What was sent and not answered, in that order.
    pub(crate) unanswered: Vec<Pending>,
}

/// Requests that are sent together, at most.
const BATCH: u64 = 12;

/// The error code of a platform's answer, or the status of one to the operator.
#[track_caller]
pub(crate) fn code_of(operation: &Operation, answer: &Answer) -> i32 {
    if operation.is_operators() {
        return i32::from(answer.status);
    }
    let code = answer.body.strip_prefix(r#"{"ErrorCode":"#).unwrap_or_else(|| panic!("{answer:?}"));
    let end = code.find([',', '}']).expect("the code's end");
    code[..end].parse().expect("a number")
}

/// Cash and version as an answer tells them; `None` where it does not.
#[track_caller]
pub(crate) fn funds_of(answer: &Answer) -> Option<Funds> {
    let number = |name: &str| {
        let (_, rest) = answer.body.split_once(name)?;
        let end = rest.find([',', '}']).expect("the number's end");
        Some(rest[..end].replace('.', "").parse().expect("a number"))
    };
    Some((number(r#""CashFunds":"#)?, number(r#""Version":"#)?))
}

impl Worker {
    /// A client of these accounts. Nothing is in them.
    pub(crate) fn new(seed: u64, accounts: impl Iterator<Item = String>) -> Self {
        let accounts = accounts.map(Account::new).collect();
        Self { random: Random::new(seed), accounts, unanswered: Vec::new() }
    }

    /// Creates the accounts.
    #[track_caller]
    pub(crate) fn create(&self, process: &Server) {
        for account in &self.accounts {
            process.operate(&format!("PUT {}", account.id), r#"{"CountryCode":"GB"}"#, 201);
        }
    }

    /// Asks for one thing and another until the server is gone; `told` counts the answers.
    pub(crate) fn work(&mut self, platform: SocketAddr, operator: SocketAddr, told: &Sender<usize>) {
        assert!(self.unanswered.is_empty(), "the last crash was looked into");
        let connect = |address| TcpStream::connect(address).ok().map(Client::new);
        let (Some(mut platform), Some(mut operator)) = (connect(platform), connect(operator)) else { return };
        while self.unanswered.is_empty() {
            self.draw();
            let client =
                if self.unanswered[0].operation.is_operators() { &mut operator } else { &mut platform };
            let request = |pending: &Pending| pending.operation.request(&self.accounts[pending.at].id);
            let requests: String = self.unanswered.iter().map(request).collect();
            if client.writer().write_all(requests.as_bytes()).is_err() {
                return;
            }
            let sent = self.unanswered.len();
            let answered = (0..sent).map_while(|_| client.read_answer(true).ok());
            let answers: Vec<Answer> = answered.collect();
            for (pending, answer) in self.unanswered.drain(..answers.len()).zip(&answers) {
                check(&pending, answer);
            }
            // Who counts may have heard enough.
            let _ = told.send(answers.len());
        }
    }

    /// Draws what is sent next: calls of a platform, or one of the operator's. One of those changes what later calls
    /// are refused for, so that a repeat of those could come out otherwise.
    fn draw(&mut self) {
        let Self { random, accounts, unanswered } = self;
        let at = |random: &mut Random| random.below(accounts.len() as u64) as usize;
        if random.percent(25) {
            let at = at(random);
            let operation = accounts[at].draw_operators(random);
            unanswered.push(pend(accounts, at, operation));
            return;
        }
        for _ in 0..=random.below(BATCH) {
            let at = random.below(accounts.len() as u64) as usize;
            let operation = accounts[at].draw_play(random);
            unanswered.push(pend(accounts, at, operation));
        }
    }
}

fn pend(accounts: &mut [Account], at: usize, operation: Operation) -> Pending {
    let before = accounts[at].funds;
    let code = accounts[at].apply(&operation);
    Pending { at, operation, code, before, after: accounts[at].funds }
}

/// An answer is what it must be.
#[track_caller]
fn check(pending: &Pending, answer: &Answer) {
    assert_eq!(code_of(&pending.operation, answer), pending.code, "{pending:?}: {answer:?}");
    if let Some(funds) = funds_of(answer) {
        assert_eq!(funds, pending.after, "{pending:?}: {answer:?}");
    } else {
        let is_told = pending.code == 0 || pending.operation.of_statement().is_some() && pending.code == 200;
        assert!(!is_told, "{pending:?}: {answer:?}");
    }
    if let Operation::SetStakeLimit(Some(limit)) = &pending.operation {
        assert_eq!(answer.body, format!(r#"{{"Stake":{}}}"#, pounds(*limit)));
    }
}
