//! A client of some accounts: everything that it is told is judged, and after a crash it looks at all of it again.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use testkit::auditor::{Rules, Witness, wire};
use testkit::client::{Answer, Client};
use testkit::home::Server;
use testkit::message::now_ms;
use testkit::workload::{Chance, Request, Step, Workload};
use testkit::world::{Player, World};
use wallet::account::AccountRef;
use wallet::operation::{GetAccount, GetStatement, Operation, PlayKind};

/// Requests that are sent together, at most.
const BATCH: usize = 24;

/// Requests of an account that are repeated after each restart, of the latest and of all.
const REPEATS: usize = 8;

/// An account, which its client alone changes.
#[derive(Debug)]
struct Audited {
    id: String,
    workload: Workload,
    /// What was answered and moves funds.
    past: Vec<Request>,
}

#[derive(Debug)]
pub(crate) struct Worker {
    chance: Chance,
    accounts: Vec<Audited>,
    witness: Witness,
    /// What the operator asks next: of which account, and what.
    operators: Vec<(usize, Request)>,
    /// When requests were sent last.
    sent_ms: u64,
    /// Those of them that were not answered, in that order.
    unanswered: Vec<(usize, Request)>,
}

impl Worker {
    /// A client of these accounts, which are not there yet.
    pub(crate) fn new(seed: u64, players: &[Player], rules: &Rules) -> Self {
        let account = |(place, player): (u64, &Player)| Audited {
            id: player.id.clone(),
            workload: Workload::new(
                seed << 8 | place,
                World { players: vec![player.clone()] },
                rules.clone(),
            ),
            past: Vec::new(),
        };
        Self {
            chance: Chance::new(seed),
            accounts: (0..).zip(players).map(account).collect(),
            witness: Witness::new(rules.clone()),
            operators: Vec::new(),
            sent_ms: now_ms(),
            unanswered: Vec::new(),
        }
    }

    /// Asks for one thing and another until the server is gone; `told` counts the answers.
    pub(crate) fn work(&mut self, platform: SocketAddr, operator: SocketAddr, told: &Sender<usize>) {
        assert!(self.unanswered.is_empty(), "the last crash was looked into");
        let connect = |address| TcpStream::connect(address).ok().map(Client::new);
        let (Some(mut platform), Some(mut operator)) = (connect(platform), connect(operator)) else { return };
        while self.unanswered.is_empty() {
            let mut batch = self.draw();
            let client = if is_operators(&batch[0].1) { &mut operator } else { &mut platform };
            let requests: String = batch.iter().map(|(_, request)| wire::request(request)).collect();
            self.sent_ms = now_ms();
            let is_sent = client.writer().write_all(requests.as_bytes()).is_ok();
            let answers = batch.iter().map_while(|_| client.read_answer(true).ok().filter(|_| is_sent));
            let answers: Vec<Answer> = answers.collect();
            self.unanswered = batch.split_off(answers.len());
            for ((at, request), answer) in batch.into_iter().zip(&answers) {
                self.judge(at, request, answer);
            }
            // Who counts may have heard enough.
            let _ = told.send(answers.len());
        }
    }

    /// The answer to the request that was sent last, or with the last, is what it must be.
    #[track_caller]
    fn judge(&mut self, at: usize, request: Request, answer: &Answer) {
        let account = &mut self.accounts[at];
        let past = request.transaction().is_some().then(|| Arc::clone(&request));
        account.past.extend(past);
        let judged = self.witness.answered(&account.id, request, [self.sent_ms, now_ms()], answer);
        judged.unwrap_or_else(|sentence| panic!("{sentence}"));
    }

    /// Draws what is sent next: calls of a platform, or of the operator's one for each account. Some of those take several
    /// steps, and what is sent behind them might overtake them.
    fn draw(&mut self) -> Vec<(usize, Request)> {
        if !self.operators.is_empty() {
            let mut accounts = BTreeSet::new();
            return self.operators.extract_if(.., |(at, _)| accounts.insert(*at)).collect();
        }
        let most = 1 + self.chance.index(BATCH);
        let mut batch = Vec::new();
        while batch.len() < most {
            let at = self.chance.index(self.accounts.len());
            let request = self.witness.asks(self.accounts[at].draw());
            if is_operators(&request) {
                self.operators.push((at, request));
            } else {
                batch.push((at, request));
            }
        }
        batch
    }

    /// After a restart: is all that was told there, and only once? And what was not answered is asked again.
    #[track_caller]
    pub(crate) fn audit(&mut self, process: &Server) {
        let mut clients = [process.client(), process.operator()];
        let (unanswered, sent_ms) = (std::mem::take(&mut self.unanswered), self.sent_ms);
        for at in 0..self.accounts.len() {
            let mut ask = |worker: &mut Self, request: Request| {
                worker.sent_ms = now_ms();
                let answer = clients[usize::from(is_operators(&request))].ask(&wire::request(&request));
                worker.judge(at, request, &answer);
                answer.body
            };
            let again: Vec<_> =
                unanswered.iter().filter(|(of, _)| *of == at).map(|(_, again)| again.clone()).collect();
            let id = &self.accounts[at].id;
            self.witness.restarted(id, &again, [sent_ms, now_ms()]);
            let account = AccountRef::new(id.as_str().into());
            ask(self, Arc::new(Operation::GetAccount(GetAccount { account: account.clone() })));
            let (mut after, mut more) = (0, true);
            while more {
                let page = GetStatement { account: account.clone(), after, limit: 1_000 };
                let page = ask(self, Arc::new(Operation::GetStatement(page)));
                after += page.matches(r#""Number":"#).count() as u64;
                more = page.contains(r#""More":true"#);
            }
            again.into_iter().for_each(|request| drop(ask(self, request)));
            let past = &self.accounts[at].past;
            let any = (0..past.len().min(REPEATS)).map(|_| past[self.chance.index(past.len())].clone());
            let repeats: Vec<_> = past.iter().rev().take(REPEATS).cloned().chain(any).collect();
            repeats.into_iter().for_each(|request| drop(ask(self, request)));
        }
        self.witness.settled([sent_ms, now_ms()]);
    }
}

impl Audited {
    /// The next request of this account; time passes by itself.
    fn draw(&mut self) -> Request {
        loop {
            let Step::Ask(mut request) = self.workload.next(now_ms()) else { continue };
            if let Operation::Play(play) = Arc::make_mut(&mut request)
                && play.kind == PlayKind::Win
            {
                // Looking for its session it might be overtaken by what is sent after it.
                play.session = None;
            }
            if request.account_id().is_none_or(|id| id == self.id) {
                return request;
            }
        }
    }
}

fn is_operators(request: &Request) -> bool {
    request.platform().is_none()
}
