//! Remembered rounds that are asked for once more over HTTP: each must be answered as the first time.

use std::collections::BTreeMap;

use testkit::client::Client;
use testkit::message;

use super::rounds::{
    DAY_MS, IdOf, Played, STAKE_MINOR, account_id, balance_after, mixed, session_key, win_minor,
};
use crate::child::Server;
use crate::load::Clock;
use crate::load::clock::date;
use wallet::Currency;
use wallet::amount::Amount;

/// Bets of a month ago that are taken back.
const ROLLBACKS: u64 = 10;

/// Accounts whose statements are read to their end.
const STATEMENTS: u64 = 10;

/// Answers that are shown of those that are wrong.
const SHOWN_MAX: usize = 5;

/// What the answers were.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) repeats: u64,
    pub(crate) rollbacks: u64,
    pub(crate) statements: u64,
    /// Answers that were not as they should be.
    pub(crate) wrong: u64,
    /// The first of them.
    pub(crate) shown: Vec<String>,
    /// Of the repeats, nanoseconds.
    pub(crate) median_ns: u64,
    pub(crate) p99_ns: u64,
}

/// Who asks, and what each account must hold by now.
struct Asker<'a> {
    played: &'a Played,
    client: Client,
    operator: Client,
    /// Of accounts whose bets were taken back: how many.
    taken_back: BTreeMap<u64, u64>,
    asked: Asked,
}

/// Asks for so many rounds at random, takes some bets of a month ago back, and reads some statements.
pub(crate) fn ask(server: &Server, played: &Played, samples: u64) -> Asked {
    let (client, operator) = (Client::connect(server.platform()), Client::connect(server.operator()));
    let mut asker = Asker { played, client, operator, taken_back: BTreeMap::new(), asked: Asked::default() };
    let clock = Clock::start();
    let mut times_ns = Vec::new();
    for sample in 0..samples {
        let round = mixed(!played.seed ^ sample) % played.rounds;
        for of in [IdOf::Bet, IdOf::Win] {
            let before_ns = clock.now_ns();
            asker.repeat(round, of);
            times_ns.push(clock.now_ns() - before_ns);
        }
    }
    let month_ago = played.first_since(played.until_ms - 29 * DAY_MS);
    // Further apart than accounts are, and not all of one account.
    for number in 0..ROLLBACKS.min(played.rounds - month_ago) {
        asker.take_back(month_ago + number);
    }
    for account in 0..STATEMENTS.min(played.accounts) {
        // The first of those whose bets were taken back are among them.
        let account = if account % 2 == 0 { (month_ago + account) % played.accounts } else { account };
        asker.read_statement(account);
    }
    times_ns.sort_unstable();
    let at = |share: f64| times_ns.get((times_ns.len() as f64 * share) as usize).copied().unwrap_or(0);
    Asked { median_ns: at(0.5), p99_ns: at(0.99), ..asker.asked }
}

/// Minor units as an answer has them.
fn money(minor: i64) -> String {
    let currency = Currency::from_code("GBP").expect("ISO 4217 has it");
    Amount::from_minor(minor).expect("not negative").decimal(currency).to_string()
}

impl Asker<'_> {
    /// What an account holds, and how often that has changed.
    fn balance(&self, account: u64) -> (i64, u64) {
        let rounds = self.played.count_of(account, self.played.rounds);
        let taken_back = self.taken_back.get(&account).copied().unwrap_or(0);
        (balance_after(rounds) + STAKE_MINOR * taken_back as i64, 1 + 2 * rounds + taken_back)
    }

    /// Asks, and holds the answer against what the account must hold.
    fn check(&mut self, account: u64, request: &str, expect: i32) {
        let answer = self.client.ask(request).body;
        let (cash, version) = self.balance(account);
        let code = format!(r#"{{"ErrorCode":{expect}"#);
        let mut members =
            vec![format!(r#""CashFunds":{},"#, money(cash)), format!(r#""Version":{version}}}"#)];
        if expect != 0 {
            members.clear();
        }
        let is_right = answer.strip_prefix(&code).is_some_and(|rest| rest.starts_with([',', '}']))
            && members.iter().all(|member| answer.contains(member));
        if !is_right {
            self.note(format!(
                "{}: code {expect}, {} and version {version} were to come, and the answer is {answer}",
                account_id(account),
                money(cash)
            ));
        }
    }

    fn note(&mut self, wrong: String) {
        self.asked.wrong += 1;
        if self.asked.shown.len() < SHOWN_MAX {
            self.asked.shown.push(wrong);
        }
    }

    /// A bet or a win as it was sent first.
    fn request(&self, round: u64, of: IdOf) -> String {
        let account = self.played.account_of(round);
        let id = self.played.id(round, of);
        let (name, amount, token, is_bet) = match of {
            IdOf::Bet => {
                let token = format!(r#","GatewaySessionToken":"{}""#, session_key(account));
                ("placebet", STAKE_MINOR, token, true)
            }
            _ => ("awardwinnings", win_minor(round / self.played.accounts), String::new(), false),
        };
        let more = token + &message::transaction(&id, &money(amount), is_bet, !is_bet);
        message::play(name, &account_id(account), &self.played.id(round, IdOf::Round), &more)
    }

    fn repeat(&mut self, round: u64, of: IdOf) {
        self.asked.repeats += 1;
        let request = self.request(round, of);
        self.check(self.played.account_of(round), &request, 0);
    }

    /// Takes a bet back, twice: it is credited once. The bet is refused from then on.
    fn take_back(&mut self, round: u64) {
        self.asked.rollbacks += 1;
        let account = self.played.account_of(round);
        let bet = self.played.id(round, IdOf::Bet);
        let original = format!(r#","OriginalBetGameRoundTransactionID":"{bet}""#);
        let id = format!("back-{bet}");
        let more = original + &message::transaction(&id, &money(STAKE_MINOR), false, false);
        let round_id = self.played.id(round, IdOf::Round);
        let request = message::play("rollbackbet", &account_id(account), &round_id, &more);
        *self.taken_back.entry(account).or_default() += 1;
        for _ in 0..2 {
            self.check(account, &request, 0);
        }
        let bet = self.request(round, IdOf::Bet);
        self.check(account, &bet, -7);
        self.check(account, &message::balance(&account_id(account)), 0);
    }

    /// Reads the statement of an account: all that is remembered, from the first number on.
    fn read_statement(&mut self, account: u64) {
        self.asked.statements += 1;
        let rounds = self.played.count_of(account, self.played.rounds);
        let lines = 2 * rounds + self.taken_back.get(&account).copied().unwrap_or(0);
        let (mut after, mut found) = (0, 0);
        loop {
            let path = format!("/operator/v1/accounts/{}/transactions?after={after}", account_id(account));
            let request = message::operator("GET", &path, message::DEMO_TOKEN, "");
            let page = self.operator.ask(&request).body;
            let numbers = page.split(r#""Number":"#).skip(1);
            let numbers: Vec<u64> = numbers.filter_map(|rest| rest.split(',').next()?.parse().ok()).collect();
            found += numbers.len() as u64;
            let is_whole = lines == 0 || page.contains(r#""CompleteFrom":1"#);
            match numbers.last() {
                _ if !is_whole => return self.note(format!("{}: {page}", account_id(account))),
                Some(last) if page.contains(r#""More":true"#) => after = *last,
                _ => break,
            }
        }
        if found != lines {
            self.note(format!(
                "the statement of {} has {found} lines, and it has had {lines} transactions",
                account_id(account)
            ));
        }
    }
}

/// A time, to the day.
pub(crate) fn day(at_ms: u64) -> String {
    let (year, month, day) = date(at_ms / DAY_MS);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_days() {
        assert_eq!((money(100_000_000), money(99_999_940)), ("1000000.00".into(), "999999.40".into()));
        assert_eq!(day(1_795_760_000_000), "2026-11-27");
    }
}
