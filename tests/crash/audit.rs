//! After a restart: is all that was told there, and only once?

use testkit::client::{Answer, Client};
use testkit::home::{Server, TOKEN};
use testkit::message::{balance, operator};

use crate::account::Account;
use crate::operation::{Operation, stake_limit};
use crate::random::Random;
use crate::worker::{Pending, Worker, code_of, funds_of};

/// Known transactions of an account that are repeated after each restart.
const REPEATS: usize = 8;

/// Connections to both listeners.
struct Clients {
    platform: Client,
    operator: Client,
}

/// Looks at all that a client was told, and repeats what it got no answer to.
#[track_caller]
pub(crate) fn audit(process: &Server, worker: &mut Worker, random: &mut Random) {
    let mut clients = Clients { platform: process.client(), operator: process.operator() };
    let unanswered = std::mem::take(&mut worker.unanswered);
    for (at, account) in worker.accounts.iter().enumerate() {
        let of_account: Vec<&Pending> = unanswered.iter().filter(|pending| pending.at == at).collect();
        clients.check_unanswered(account, &of_account);
        clients.check_account(account);
        let repeats = (0..REPEATS).filter_map(|_| random.late(&account.lines, usize::MAX));
        let latest = account.lines.iter().rev().take(REPEATS);
        for line in repeats.chain(latest) {
            let known = &line.operation;
            let code = if line.rolled_back {
                -7
            } else if known.is_operators() {
                200
            } else {
                0
            };
            let answer = clients.ask(&account.id, known);
            assert_eq!(code_of(known, &answer), code, "{known:?} of {}: {answer:?}", account.id);
            assert_eq!(funds_of(&answer), Some(account.funds), "{known:?} of {}: {answer:?}", account.id);
        }
    }
}

impl Clients {
    fn ask(&mut self, account: &str, operation: &Operation) -> Answer {
        let client = if operation.is_operators() { &mut self.operator } else { &mut self.platform };
        client.ask(&operation.request(account))
    }

    /// What was answered is there, and of what was not answered the first so many; the rest comes with a repeat.
    #[track_caller]
    fn check_unanswered(&mut self, account: &Account, unanswered: &[&Pending]) {
        let told = self.platform.ask(&balance(&account.id));
        let told = funds_of(&told).unwrap_or_else(|| panic!("{}: {told:?}", account.id));
        let known = unanswered.first().map_or(account.funds, |first| first.before);
        let is_possible = told == known || unanswered.iter().any(|pending| pending.after == told);
        assert!(is_possible, "{}: {told:?}, not {known:?} nor what follows: {unanswered:?}", account.id);
        for pending in unanswered {
            let operation = &pending.operation;
            let answer = self.ask(&account.id, operation);
            let code = code_of(operation, &answer);
            // Its rollback may be there already; a logout as well.
            let is_rolled_back =
                |bet| account.lines.iter().any(|line| line.rolled_back && &line.operation == bet);
            let otherwise = match operation {
                Operation::Bet { .. } if is_rolled_back(operation) => -7,
                Operation::LogOut(_) => 404,
                _ => pending.code,
            };
            assert!(code == pending.code || code == otherwise, "{pending:?}: {answer:?}");
        }
    }

    /// The account is as its client knows it.
    #[track_caller]
    fn check_account(&mut self, account: &Account) {
        let path = format!("/operator/v1/accounts/{}", account.id);
        let view = self.operator.ask(&operator("GET", &path, TOKEN, ""));
        assert_eq!((view.status, funds_of(&view)), (200, Some(account.funds)), "{view:?}");
        let status = if account.is_frozen { "frozen" } else { "active" };
        let limits = stake_limit(account.stake_limit);
        let open = account.open_rounds();
        for part in [
            format!(r#""Status":"{status}","#),
            format!(r#""Limits":{limits},"#),
            format!(r#""OpenRoundsCount":{open},"#),
        ] {
            assert!(view.body.contains(&part), "{}: {part} in {}", account.id, view.body);
        }
        let keys = view.body.split(r#""GatewaySessionToken":""#).skip(1);
        let keys: Vec<&str> = keys.map(|rest| rest.split('"').next().expect("the key")).collect();
        assert_eq!(keys, account.live, "{}: {}", account.id, view.body);

        let mut number = 0;
        loop {
            let request =
                operator("GET", &format!("{path}/transactions?after={number}&limit=1000"), TOKEN, "");
            let page = self.operator.ask(&request).body;
            let (lines, more) = page
                .strip_prefix(r#"{"Transactions":["#)
                .and_then(|rest| rest.rsplit_once(r#"],"More":"#))
                .unwrap_or_else(|| panic!("{page}"));
            for line in lines.split_inclusive('}').filter(|line| !line.is_empty()) {
                let expect = account.lines.get(number).map(|line| line.text(number + 1));
                let line = without_time(line.trim_start_matches(','));
                assert_eq!(Some(line), expect, "{}", account.id);
                number += 1;
            }
            // Nothing was forgotten.
            match more {
                r#"true,"CompleteFrom":1}"# => {}
                r#"false,"CompleteFrom":1}"# => break,
                _ => panic!("{more}"),
            }
        }
        assert_eq!(number, account.lines.len(), "{} has lost {:?}", account.id, account.lines.last());
    }
}

fn without_time(line: &str) -> String {
    let (before, time) = line.split_once(r#","At":""#).unwrap_or_else(|| panic!("{line}"));
    format!("{before}{}", &time["2021-06-07T11:16:16.216Z\"".len()..])
}
