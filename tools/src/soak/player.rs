//! A player whose client keeps its own account of everything: what it was told must be so, whatever has happened since.
//!
//! The client applies each of its requests to what it knows of its account, by arithmetic alone, and every balance that
//! it is told must be that, with its version. A request that was not answered is asked again under the same id: so it
//! must be there once, whether it was before or not. After a restart the balance is asked for first, which must be that
//! of before or after the request that was not answered; and some requests that were answered long ago are repeated,
//! which must change nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use super::operation::{Funds, Operation};
use crate::abuse::answer::{StreamedAnswer, text_after};
use crate::abuse::call;
use crate::abuse::paced::{PacedPlayer, Verdict};
use crate::load::Clock;

/// Requests that are kept to be repeated.
const PAST_MAX: usize = 16;

/// Of those, how many are repeated after a restart.
const REPEATS: usize = 3;

/// How long a request is repeated for: half as long as the server remembers it.
pub(super) const REPEATED_NS: u64 = super::RETENTION_MS * 1_000_000 / 2;

/// Findings that are kept of each player; the first ones matter.
const FINDINGS_MAX: usize = 4;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SoakRequest {
    /// An operation for the first time, or again since it was not answered: it is to be there once.
    Once(Operation),
    /// One that was answered: it must change nothing.
    Repeat(Operation),
    /// The balance, where the operation that follows in the queue may have been done already.
    Balance,
}

/// What auditors have found, and how much they looked at. Shared by all players.
#[derive(Debug, Default)]
pub(super) struct AuditCounts {
    /// Changes of balance that were acknowledged.
    pub(super) acknowledged: AtomicU64,
    /// Requests without an answer that were asked again, and how many of them had been done.
    pub(super) in_doubt: AtomicU64,
    pub(super) were_done: AtomicU64,
    /// Acknowledged requests that were repeated.
    pub(super) repeated: AtomicU64,
    /// Accounts that were looked at after a restart.
    pub(super) checked: AtomicU64,
    /// Changes that were acknowledged and are not there any more.
    pub(super) lost: AtomicU64,
    /// Changes that are there more than once.
    pub(super) twice: AtomicU64,
}

fn add(count: &AtomicU64, more: i64) {
    count.fetch_add(more.unsigned_abs(), Ordering::Relaxed);
}

/// A player and its auditor.
#[derive(Debug)]
pub(super) struct Audited<'a> {
    number: u32,
    clock: Clock,
    counts: &'a AuditCounts,
    funds: Funds,
    /// The last id that was used.
    id: u64,
    queue: VecDeque<SoakRequest>,
    under_way: Option<SoakRequest>,
    /// What was asked and not answered, and moves money. It is asked again, at the head of the queue.
    in_doubt: Option<Operation>,
    /// Requests that may be repeated, with the time of their answer.
    past: VecDeque<(u64, Operation)>,
    token: String,
    /// A restart forgets tokens (protocol §3).
    is_token_lost: bool,
    findings: Vec<String>,
}

impl<'a> Audited<'a> {
    /// The player of the account with this number, which has been given `minor`.
    pub(super) fn new(number: u32, minor: i64, clock: Clock, counts: &'a AuditCounts) -> Self {
        Self {
            number,
            clock,
            counts,
            funds: Funds { minor, version: 1 },
            id: 0,
            queue: VecDeque::new(),
            under_way: None,
            in_doubt: None,
            past: VecDeque::new(),
            token: String::new(),
            is_token_lost: true,
            findings: Vec::new(),
        }
    }

    /// The server has been killed and started again.
    pub(super) fn restarted(&mut self) {
        self.is_token_lost = true;
        self.queue.retain(|ask| !matches!(ask, SoakRequest::Balance | SoakRequest::Repeat(_)));
        let recent_ns = self.clock.now_ns().saturating_sub(REPEATED_NS);
        let recent = self.past.iter().filter(|(at_ns, _)| *at_ns >= recent_ns).rev().take(REPEATS);
        let repeats: Vec<SoakRequest> =
            recent.map(|(_, operation)| SoakRequest::Repeat(operation.clone())).collect();
        // What is in doubt is first in the queue, and is looked at before it is asked again.
        let behind = usize::from(self.in_doubt.is_some());
        for repeat in repeats {
            self.queue.insert(behind, repeat);
        }
        self.queue.push_front(SoakRequest::Balance);
    }

    /// Whether it has looked at its account since the last restart.
    pub(super) fn has_checked(&self) -> bool {
        !self.queue.contains(&SoakRequest::Balance) && self.under_way != Some(SoakRequest::Balance)
    }

    /// What was wrong.
    pub(super) fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Remembers what may have been done, where it moves money. Says whether it does.
    fn doubt(&mut self, ask: &SoakRequest) -> bool {
        match ask {
            SoakRequest::Once(operation) if operation.moves() != 0 => {
                self.in_doubt = Some(operation.clone());
                true
            }
            _ => false,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.id += 1;
        self.id
    }

    /// Between 0.01 and 20.00, as if at random.
    const fn amount(id: u64) -> i64 {
        (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as i64 % 2_000 + 1
    }

    /// A session with three rounds: all ten calls.
    fn plan_session(&mut self) {
        let [first, second, third] = [self.next_id(), self.next_id(), self.next_id()];
        let minor = Self::amount;
        let [bet, other] = [self.next_id(), self.next_id()];
        let [win, rollback, void, credit, alert, last] = std::array::from_fn(|_| self.next_id());
        let starts = |round: u64, is_taken_back| Operation::Bet {
            round,
            id: round,
            minor: minor(round),
            starts: true,
            is_taken_back,
        };
        let further =
            |round, id| Operation::Bet { round, id, minor: minor(id), starts: false, is_taken_back: false };
        let operations = [
            Operation::Balance,
            Operation::CreateToken,
            Operation::RedeemToken,
            starts(first, false),
            Operation::Win { round: first, id: win, minor: minor(win), ends: true },
            starts(second, true),
            further(second, bet),
            Operation::Rollback { round: second, id: rollback, bet: second, minor: minor(second) },
            Operation::End { round: second },
            starts(third, false),
            further(third, other),
            Operation::Void { round: third, id: void, minor: minor(third).min(minor(other)) },
            Operation::Win { round: third, id: last, minor: 0, ends: true },
            Operation::Credit { id: credit, minor: minor(credit) },
            Operation::Alert { id: alert },
        ];
        self.queue.extend(operations.map(SoakRequest::Once));
    }

    fn find(&mut self, sentence: String) -> Verdict {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(format!("{}: {sentence}", call::account(self.number)));
        }
        Verdict::Wrong(sentence)
    }

    /// Judges funds that must be one of these, the least version first; goes on from what was told.
    fn compare(&mut self, told: Funds, expect: &[Funds], what: &dyn std::fmt::Debug) -> Verdict {
        if expect.contains(&told) {
            return Verdict::Good;
        }
        let (least, most) = (expect[0].version, expect[expect.len() - 1].version);
        add(&self.counts.lost, (least - told.version).max(0));
        add(&self.counts.twice, (told.version - most).max(0));
        self.funds = told;
        self.find(format!("{told:?} and not {expect:?}, after {what:?}"))
    }

    fn check_balance(&mut self, told: Funds) -> Verdict {
        add(&self.counts.checked, 1);
        let in_doubt = self.in_doubt.clone();
        let after = in_doubt.as_ref().map_or(self.funds, |operation| self.funds.moved(operation.moves()));
        if after != self.funds && told == after {
            add(&self.counts.were_done, 1);
        }
        let before = self.funds;
        let verdict = self.compare(told, &[before, after], &in_doubt);
        if verdict != Verdict::Good {
            // A repeat of what was lost would be done anew, and be taken for something that was done twice.
            self.queue.retain(|ask| !matches!(ask, SoakRequest::Repeat(_)));
            self.past.clear();
        }
        verdict
    }

    fn once(&mut self, operation: Operation, answer: &StreamedAnswer<'_>) -> Verdict {
        match &operation {
            Operation::CreateToken => {
                let Some(token) = text_after(answer.body, b"\"SessionToken\":\"") else {
                    return self.find("a token without its text".to_owned());
                };
                token.clone_into(&mut self.token);
                self.is_token_lost = false;
                return Verdict::Good;
            }
            Operation::RedeemToken => return Verdict::Good,
            _ => {}
        }
        let Some(told) = Funds::told(answer.body) else {
            return self.find(format!("{operation:?}: no funds in {}", String::from_utf8_lossy(answer.body)));
        };
        let after = self.funds.moved(operation.moves());
        self.in_doubt = None;
        if operation.moves() != 0 {
            add(&self.counts.acknowledged, 1);
        }
        let verdict = self.compare(told, &[after], &operation);
        self.funds = told;
        if operation.can_be_repeated() {
            if self.past.len() == PAST_MAX {
                self.past.pop_front();
            }
            self.past.push_back((self.clock.now_ns(), operation));
        }
        verdict
    }

    fn repeat(&mut self, operation: &Operation, answer: &StreamedAnswer<'_>) -> Verdict {
        add(&self.counts.repeated, 1);
        let Some(told) = Funds::told(answer.body) else {
            return self.find(format!("{operation:?}: no funds in {}", String::from_utf8_lossy(answer.body)));
        };
        let before = self.funds;
        self.compare(told, &[before], operation)
    }
}

impl PacedPlayer for Audited<'_> {
    fn ask(&mut self, out: &mut Vec<u8>) {
        if self.queue.is_empty() {
            self.plan_session();
        }
        let ask = self.queue.pop_front().expect("a session was planned");
        match &ask {
            SoakRequest::Once(operation) | SoakRequest::Repeat(operation) => {
                operation.write(self.number, &self.token, out)
            }
            SoakRequest::Balance => Operation::Balance.write(self.number, "", out),
        }
        self.under_way = Some(ask);
    }

    fn answered(&mut self, answer: &StreamedAnswer<'_>) -> Verdict {
        let ask = self.under_way.take().expect("something was asked");
        if answer.is_refusal() {
            // Nothing has changed, or it can't be known: it is asked again.
            self.doubt(&ask);
            self.queue.push_front(ask);
            return Verdict::Refused;
        }
        let is_over = ask == SoakRequest::Once(Operation::RedeemToken)
            && self.is_token_lost
            && answer.code() == Some(-3);
        if is_over {
            return Verdict::Good;
        }
        if !answer.is_success() {
            let text = String::from_utf8_lossy(answer.body).into_owned();
            return self.find(format!("{ask:?}: {} {text}", answer.status));
        }
        match ask {
            SoakRequest::Once(operation) => self.once(operation, answer),
            SoakRequest::Repeat(operation) => self.repeat(&operation, answer),
            SoakRequest::Balance => match Funds::told(answer.body) {
                Some(told) => self.check_balance(told),
                None => self.find("a balance without funds".to_owned()),
            },
        }
    }

    fn broken(&mut self) {
        let Some(ask) = self.under_way.take() else { return };
        self.is_token_lost |= matches!(ask, SoakRequest::Once(Operation::RedeemToken));
        let is_in_doubt = self.doubt(&ask);
        self.queue.push_front(ask);
        if is_in_doubt {
            add(&self.counts.in_doubt, 1);
            self.queue.push_front(SoakRequest::Balance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account as a server has it, which can forget and double what it is asked.
    struct Wallet {
        funds: Funds,
        done: Vec<Vec<u8>>,
    }

    impl Wallet {
        fn new() -> Self {
            Self { funds: Funds { minor: 1_000_000, version: 1 }, done: Vec::new() }
        }

        /// Applies what is asked, once.
        fn apply(&mut self, ask: &SoakRequest, request: &[u8]) {
            if let SoakRequest::Once(operation) = ask
                && operation.moves() != 0
                && !self.done.iter().any(|done| done == request)
            {
                self.funds = self.funds.moved(operation.moves());
                self.done.push(request.to_vec());
            }
        }

        fn answer(&self) -> String {
            let Funds { minor, version } = self.funds;
            let (pounds, pence) = (minor / 100, minor % 100);
            format!(
                r#"{{"ErrorCode":0,"Balance":{{"CurrencyCode":"GBP","CashFunds":{pounds}.{pence:02},"BonusFunds":0.00,"Version":{version}}},"Result":{{"SessionToken":"t"}}}}"#
            )
        }
    }

    /// One request, answered unless it is lost on its way back, or on its way there.
    fn step(
        player: &mut Audited<'_>,
        wallet: &mut Wallet,
        arrives: bool,
        is_answered: bool,
    ) -> Option<Verdict> {
        let mut request = Vec::new();
        player.ask(&mut request);
        let ask = player.under_way.clone().expect("it has asked");
        if arrives {
            wallet.apply(&ask, &request);
        }
        if !(arrives && is_answered) {
            player.broken();
            return None;
        }
        let body = wallet.answer();
        Some(player.answered(&StreamedAnswer { status: 200, closes: false, body: body.as_bytes() }))
    }

    fn read(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn a_server_that_keeps_its_word_is_not_blamed() {
        let counts = AuditCounts::default();
        let (mut player, mut wallet) = (Audited::new(1, 1_000_000, Clock::start(), &counts), Wallet::new());
        for number in 0..300_u32 {
            let (arrives, is_answered) = (number % 7 != 3, number % 5 != 2);
            let verdict = step(&mut player, &mut wallet, arrives, is_answered);
            assert!(verdict.is_none_or(|verdict| verdict == Verdict::Good), "{:?}", player.findings());
            if number % 50 == 49 {
                player.restarted();
                assert!(!player.has_checked());
            }
        }
        while !player.has_checked() {
            step(&mut player, &mut wallet, true, true);
        }
        assert_eq!(player.findings(), [] as [String; 0]);
        assert_eq!((read(&counts.lost), read(&counts.twice)), (0, 0));
        assert!(read(&counts.acknowledged) > 50 && read(&counts.in_doubt) > 10 && read(&counts.repeated) > 5);
        assert!(read(&counts.were_done) > 5 && read(&counts.were_done) < read(&counts.in_doubt));
    }

    /// Plays for a while, has the wallet changed, and says what was found: lost, twice, findings.
    #[track_caller]
    fn check_harm(harm: fn(&mut Wallet), expect: (u64, u64)) {
        let counts = AuditCounts::default();
        let (mut player, mut wallet) = (Audited::new(1, 1_000_000, Clock::start(), &counts), Wallet::new());
        for _ in 0..20 {
            step(&mut player, &mut wallet, true, true);
        }
        harm(&mut wallet);
        player.restarted();
        while !player.has_checked() {
            step(&mut player, &mut wallet, true, true);
        }
        assert_eq!((read(&counts.lost), read(&counts.twice)), expect, "{:?}", player.findings());
        assert_eq!(player.findings().len(), 1, "{:?}", player.findings());
    }

    #[test]
    fn what_is_lost_or_done_twice_is_found() {
        check_harm(|wallet| wallet.funds.version -= 1, (1, 0));
        check_harm(|wallet| wallet.funds.version += 2, (0, 2));
        check_harm(|wallet| wallet.funds.minor += 1, (0, 0));
    }

    #[test]
    fn a_refusal_is_asked_again() {
        let counts = AuditCounts::default();
        let mut player = Audited::new(1, 100, Clock::start(), &counts);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        player.ask(&mut first);
        let refused = StreamedAnswer { status: 200, closes: false, body: b"{\"ErrorCode\":-1}" };
        assert_eq!(player.answered(&refused), Verdict::Refused);
        player.ask(&mut second);
        assert_eq!(first, second);
    }
}
