//! The auditor: a second implementation of the protocol (§1, §3, §4, §6), as plain as it can be, beside the machine.
//!
//! It shares the types of requests and answers with the machine, and nothing else: `bounds` has the numbers as the
//! protocol states them. It is told of every request:
//! when it goes out ([`Auditor::sent`]), when the machine has answered ([`Auditor::answered`], in the order in which
//! an account's requests were applied), and when somebody has seen the answer ([`Auditor::acknowledged`]). It judges
//! the answer at once. After a crash it is shown every account ([`Auditor::recovered`]) and judges whether what was
//! acknowledged is there, and the rest wholly or not at all.
//!
//! - `rules`: the configuration, and the small words.
//! - `account`: an account, and the operator's calls. `play`: rounds. `session`: sessions and tokens. `view`: what
//!   the operator is shown. `period`: the calendar.
//! - `outside`: what moves funds outside of rounds.
//! - `directory`, `keys`: who holds a session's key, and what is answered for it.
//! - `recovery`: what a crash may leave.
//! - `witness`: a front for clients over HTTP, who know times and crashes from outside. `wire`: what they send and read.

mod account;
pub mod bounds;
mod directory;
mod keys;
mod outside;
mod period;
mod play;
mod recovery;
mod rules;
mod session;
mod view;
pub mod wire;
mod witness;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use compact_str::CompactString;
use wallet::TokenPolicy;
use wallet::account::AccountHash;
use wallet::operation::{self, Operation, PlayKind};
use wallet::outcome::{ErrorCode, OperatorRefusal, Outcome};

use account::{Account, Foreign, apply};
pub use account::{RoundKey, Sum};
use directory::Directory;
pub use period::Zone;
use recovery::{Entry, Search};
pub use recovery::{Shown, Trace, Traces};
pub use rules::{Answer, Brand, Rules, Times};
use rules::{is_refused, refused, refused_operator};
pub use witness::Witness;

/// Starts whose settings may be lost, one after the other.
const STARTS_MAX: usize = 8;

/// A request that the auditor was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(u64);

/// Judges a machine's answers.
#[derive(Clone, Debug)]
pub struct Auditor {
    rules: Rules,
    /// Those that held before the last start.
    before: Rules,
    /// The times of the last starts; the last are those that hold.
    times: Vec<Times>,
    ledgers: BTreeMap<String, Ledger>,
    /// The account of each single-use token that was minted since the last crash.
    tokens: BTreeMap<u128, String>,
    directory: Directory,
    requests: BTreeMap<RequestId, Request>,
    /// Counts what it was told.
    event: u64,
    crashed_ms: u64,
}

/// What is known of an account.
#[derive(Clone, Debug, Default)]
struct Ledger {
    /// As it is on stable storage at least: all before `log`.
    settled: Option<Account>,
    /// As it is in the machine's memory.
    tip: Option<Account>,
    /// The requests between the two, in their order.
    log: VecDeque<Entry>,
    /// A crash has come, and it was not shown since.
    in_doubt: bool,
    /// The times that may be stored; the last are those that hold. A start's are stored before anybody is answered.
    times: Vec<Times>,
    /// As it may have been before it was forgotten by a start's times, as long as those may not be stored.
    before_start: Vec<Option<Account>>,
}

/// A request that is not answered and acknowledged yet.
#[derive(Clone, Debug)]
struct Request {
    operation: Rc<Operation<CompactString>>,
    sent_ms: u64,
    sent_event: u64,
    /// The account whose log it is in, once it was applied.
    account: Option<String>,
    /// What it must be answered, where it was applied and not answered yet.
    demanded: Option<Answer>,
    /// Another account's login, which its answer shows: the account, and the request.
    shows: Option<(String, u64)>,
}

impl Auditor {
    /// An auditor of a machine without accounts.
    pub fn new(rules: Rules) -> Self {
        Self {
            before: rules.clone(),
            times: vec![rules.times],
            rules,
            ledgers: BTreeMap::new(),
            tokens: BTreeMap::new(),
            directory: Directory::default(),
            requests: BTreeMap::new(),
            event: 0,
            crashed_ms: 0,
        }
    }

    /// A request goes out.
    ///
    /// # Panics
    /// Where its account was not shown since a crash: see [`Auditor::recovered`].
    pub fn sent(&mut self, now_ms: u64, operation: &Operation<CompactString>) -> RequestId {
        if let Some(ledger) = operation.account_id().and_then(|account| self.ledgers.get(account)) {
            assert!(!ledger.in_doubt, "an account is shown after a crash before it is asked for anything");
        }
        self.event += 1;
        self.directory.begin(operation);
        let id = RequestId(self.event);
        let operation = Rc::new(operation.clone());
        let (sent_ms, sent_event) = (now_ms, self.event);
        let (account, demanded, shows) = (None, None, None);
        self.requests.insert(id, Request { operation, sent_ms, sent_event, account, demanded, shows });
        id
    }

    /// The machine has applied a request to its account, and answers it later from elsewhere: a login that is
    /// refused or found its session there, and a logout, whose last step is at the key's slot. Everything else is
    /// applied where it is answered, and needs no word before [`Auditor::answered`].
    ///
    /// # Panics
    /// Where the request was applied already, or is neither login nor logout.
    pub fn applied(&mut self, request: RequestId, now_ms: u64) {
        let asked = &self.requests[&request];
        assert!(asked.account.is_none(), "a request is applied once");
        let (Operation::OpenSession(operation::OpenSession { account, .. })
        | Operation::CloseSession(operation::CloseSession { account, .. })) = &*asked.operation
        else {
            panic!("applied before it is answered: {:?}", asked.operation);
        };
        let account = account.id().to_owned();
        let demanded = self.apply(request, now_ms, &account, Foreign::No, None);
        self.requests.get_mut(&request).expect("it was found").demanded = Some(demanded);
    }

    /// The machine has an answer to a request, which nobody needs to have seen yet. To be told of an account's
    /// requests in the order in which they were applied, with the time at which they were.
    ///
    /// # Errors
    /// A sentence, where the protocol demands another answer.
    ///
    /// # Panics
    /// Where the request is not under way.
    pub fn answered(&mut self, id: RequestId, now_ms: u64, told: &Answer) -> Result<(), String> {
        let request = &self.requests[&id];
        let operation = Rc::clone(&request.operation);
        let demanded = if let Some(demanded) = request.demanded.clone() {
            self.set_told(id, told);
            Some(demanded)
        } else if *told == Outcome::Unavailable {
            // Nothing was applied. Whether it had a reason is seen by who knows the machine's lanes and disks.
            None
        } else {
            Some(self.demand(id, now_ms, told))
        };
        self.end(&operation);
        match demanded {
            Some(demanded) if demanded != *told => Err(format!(
                "At {now_ms}, {operation:?}\n  was answered {told:?}\n  and should be {demanded:?}."
            )),
            _ => Ok(()),
        }
    }

    /// A request has its answer.
    fn end(&mut self, operation: &Operation<CompactString>) {
        self.event += 1;
        self.directory.end(operation, self.event);
    }

    /// The machine has given back a claim of a session's key, since the account's session is over.
    pub fn released(&mut self, key: &str, account: AccountHash) {
        self.event += 1;
        self.directory.let_go(key, account, self.event);
    }

    /// Somebody has seen the answer to a request: from now on its effect is there, whatever happens.
    ///
    /// # Panics
    /// Where the request was not answered.
    pub fn acknowledged(&mut self, id: RequestId) {
        let request = self.requests.remove(&id).expect("what is acknowledged was sent, once");
        if let Some((holder, login)) = &request.shows
            && let Some(ledger) = self.ledgers.get_mut(holder)
            && let Some(entry) = ledger.log.iter_mut().find(|entry| entry.request == *login)
        {
            entry.shown = true;
        }
        let Some(account) = request.account else {
            return;
        };
        let ledger = self.ledgers.get_mut(&account).expect("it was applied to an account");
        let entry = ledger.log.iter_mut().find(|entry| entry.request == id.0).expect("it is in the log");
        assert!(entry.told.is_some(), "an answer comes before its acknowledgement");
        entry.acknowledged = true;
        let waits = waits_for_settings(entry);
        if waits {
            ledger.times.drain(..ledger.times.len().saturating_sub(1));
            ledger.before_start.clear();
        }
        while ledger.log.front().is_some_and(|entry| entry.acknowledged) {
            let entry = ledger.log.pop_front().expect("it is in front");
            apply(&mut ledger.settled, &entry.ask(&self.rules));
        }
    }

    /// A request that is sent, answered and acknowledged with nothing else under way.
    ///
    /// # Errors
    /// A sentence, where the protocol demands another answer.
    #[cfg(test)]
    pub fn check(
        &mut self,
        now_ms: u64,
        operation: &Operation<CompactString>,
        outcome: &Answer,
    ) -> Result<(), String> {
        let request = self.sent(now_ms, operation);
        self.answered(request, now_ms, outcome)?;
        self.acknowledged(request);
        Ok(())
    }

    /// What the protocol demands of a request with nothing else under way; it is done.
    #[cfg(test)]
    pub fn answer(&mut self, now_ms: u64, operation: &Operation<CompactString>) -> Answer {
        let request = self.sent(now_ms, operation);
        // Where the auditor has nobody to believe, what may be either is what this says.
        let nobody = Outcome::Silent;
        let demanded = self.demand(request, now_ms, &nobody);
        self.set_told(request, &demanded);
        self.end(operation);
        self.acknowledged(request);
        demanded
    }

    /// The machine has lost its memory. What is under way will not be answered; each account must be shown by
    /// [`Auditor::recovered`] before it is asked for anything.
    pub fn crashed(&mut self, now_ms: u64) {
        self.event += 1;
        self.crashed_ms = now_ms;
        self.directory.crashed(self.event);
        self.requests.clear();
        self.tokens.clear();
        self.ledgers.values_mut().for_each(|ledger| ledger.in_doubt = true);
    }

    /// The accounts that were not shown since a crash: all that any request has named.
    pub fn probes(&self) -> Vec<CompactString> {
        let in_doubt = self.ledgers.iter().filter(|(_, ledger)| ledger.in_doubt);
        in_doubt.map(|(account, _)| CompactString::from(account)).collect()
    }

    /// The machine has started with these rules. Those before held until then.
    pub fn restarted(&mut self, rules: Rules) {
        self.before = std::mem::replace(&mut self.rules, rules);
        self.times.drain(..self.times.len().saturating_sub(STARTS_MAX));
        self.times.push(self.rules.times);
    }

    /// The recovered machine shows an account.
    ///
    /// # Errors
    /// A sentence, where something that was acknowledged is not there, or something is there that was not asked for.
    ///
    /// # Panics
    /// Where the account is not one of [`Auditor::probes`].
    pub fn recovered(&mut self, now_ms: u64, account: &str, shown: &Shown) -> Result<(), String> {
        let ledger = self.ledgers.get_mut(account).expect("an account that was asked for");
        assert!(ledger.in_doubt, "an account is shown once after a crash");
        let (before, rules, crashed_ms) = (&self.before, &self.rules, self.crashed_ms);
        let stored = &ledger.times;
        if !stored.contains(&shown.was) {
            return Err(format!(
                "At {now_ms}, {account} was kept by {:?}, and should be by {stored:?}.",
                shown.was
            ));
        }
        // Where the last start's times were lost, so was everything after them.
        let lost = stored.last() != Some(&shown.was);
        let starts =
            if lost { std::mem::take(&mut ledger.before_start) } else { vec![ledger.settled.clone()] };
        if lost {
            ledger.log.clear();
        }
        let (first, found) = (None, Vec::new());
        let mut search = Search { before, rules, now_ms, crashed_ms, shown, ways: 0, first, found };
        let log = ledger.log.make_contiguous();
        // An account that was not there before the start is in no list.
        let nobody = starts.is_empty().then_some(None);
        for start in starts.iter().cloned().chain(nobody) {
            search.run(start, log);
        }
        let (before_start, found): (Vec<_>, Vec<_>) = search.found.into_iter().unzip();
        let Some(found) = found.into_iter().next() else {
            let requests: Vec<String> = log.iter().map(describe).collect();
            return Err(format!(
                "At {now_ms}, after the crash at {crashed_ms}, {account} is\n  {shown:?},\n  and not\n  {first},\n  \
                 which nothing explains ({ways} ways tried) of what was settled,\n  {starts:?}\n  and what was under \
                 way,\n  {requests}",
                first = search.first.unwrap_or_default(),
                ways = search.ways,
                requests = requests.join("\n  "),
            ));
        };
        for session in found.iter().flat_map(|account| &account.sessions) {
            self.directory.hold(&session.key, account);
        }
        let mut times = vec![shown.was, rules.times];
        times.dedup();
        let before_start = if times.len() > 1 { before_start } else { Vec::new() };
        let (settled, log) = (found.clone(), VecDeque::new());
        *ledger = Ledger { settled, tip: found, log, in_doubt: false, times, before_start };
        Ok(())
    }

    /// What an answer must be. Where the request reaches an account, it is applied there.
    fn demand(&mut self, id: RequestId, now_ms: u64, told: &Answer) -> Answer {
        let operation = Rc::clone(&self.requests[&id].operation);
        match &*operation {
            Operation::OpenSession(operation::OpenSession { account, key }) => {
                let taken = self.taken(id, now_ms, account.id(), key);
                let refusal = refused_operator(OperatorRefusal::KeyTaken);
                if taken == Foreign::Surely || taken == Foreign::Maybe && *told == refusal {
                    self.shows(id, account.id(), key);
                    return refusal;
                }
                let later = refused_operator(OperatorRefusal::TryAgain);
                let on_its_way = taken == Foreign::Maybe || self.directory.lingers(key, account.id());
                if *told == later && on_its_way {
                    return later;
                }
                self.apply(id, now_ms, account.id(), Foreign::No, Some(told))
            }
            Operation::Play(play) if play.kind == PlayKind::Win => {
                let foreign = play
                    .session
                    .as_ref()
                    .map_or(Foreign::No, |key| self.live_elsewhere(id, now_ms, play.account.id(), key));
                let answer = self.apply(id, now_ms, play.account.id(), foreign, Some(told));
                // An account that isn't there, or not for this platform, is refused likewise.
                let is_there = self.rules.serves(play.platform, play.account.id())
                    && self.tip(play.account.id()).is_some();
                if foreign == Foreign::Surely
                    && is_there
                    && is_refused(Some(&answer), ErrorCode::AccountNotFound)
                    && let Some(key) = &play.session
                {
                    self.shows(id, play.account.id(), key);
                }
                answer
            }
            // A repeat draws the same random bits, and its token may still be there.
            Operation::CreateToken(operation::CreateToken { platform, entropy, .. })
                if self.rules.dialect(*platform).token_policy == TokenPolicy::SingleUse
                    && self.tokens.contains_key(entropy)
                    && *told == refused(ErrorCode::Unknown) =>
            {
                told.clone()
            }
            Operation::RedeemToken(operation::RedeemToken { token, .. }) => {
                match self.tokens.get(&token.random()).cloned() {
                    None => refused(ErrorCode::SessionNotFound),
                    Some(account) => self.apply(id, now_ms, &account, Foreign::No, Some(told)),
                }
            }
            // What is over leaves memory in pieces; a page of who has much of it may be put off.
            Operation::GetStatement(operation::GetStatement { account, .. })
                if *told == refused_operator(OperatorRefusal::Forgetting)
                    && self.tip(account.id()).is_some_and(Account::has_much_behind_it) =>
            {
                told.clone()
            }
            Operation::RedeemWrapped(operation::RedeemWrapped { key, .. }) => {
                self.demand_wrapped(id, now_ms, key, told)
            }
            other => {
                let account = other.account_id().expect("a request, not a step of one");
                self.apply(id, now_ms, account, Foreign::No, Some(told))
            }
        }
    }

    /// Applies a request to the tip of its account and enters it in the log.
    fn apply(
        &mut self,
        id: RequestId,
        now_ms: u64,
        account: &str,
        foreign: Foreign,
        told: Option<&Answer>,
    ) -> Answer {
        self.event += 1;
        let request = self.requests.get_mut(&id).expect("it is under way");
        request.account = Some(account.to_owned());
        let entry = Entry {
            request: id.0,
            operation: Rc::clone(&request.operation),
            now_ms,
            event: self.event,
            sent_event: request.sent_event,
            foreign,
            told: told.cloned(),
            acknowledged: false,
            shown: false,
        };
        let ledger = self.ledgers.entry(account.to_owned()).or_default();
        if ledger.times.is_empty() {
            ledger.times.clone_from(&self.times);
        }
        if let (Operation::OpenSession(operation::OpenSession { key, .. }), Some(tip)) =
            (&*entry.operation, &ledger.tip)
            && tip.session(key).is_none_or(|session| session.is_past(now_ms, &self.rules))
        {
            self.directory.hold(key, account);
        }
        let answer = apply(&mut ledger.tip, &entry.ask(&self.rules));
        if let (Operation::CreateToken(operation::CreateToken { entropy, .. }), Outcome::Token(_)) =
            (&*entry.operation, &answer)
        {
            self.tokens.insert(*entropy, account.to_owned());
        }
        match (&*entry.operation, &answer) {
            (Operation::Play(play), Outcome::Done { .. }) if play.kind == PlayKind::Bet => {
                let key = play.session.as_ref().expect("a bet has a session");
                self.directory.used(key, account, self.event);
            }
            (_, Outcome::Redeemed(redeemed)) => self.directory.used(&redeemed.key, account, self.event),
            _ => {}
        }
        ledger.log.push_back(entry);
        answer
    }

    fn set_told(&mut self, id: RequestId, told: &Answer) {
        let account = self.requests[&id].account.as_ref();
        if let Some(ledger) = account.and_then(|account| self.ledgers.get_mut(account)) {
            let entry = ledger.log.iter_mut().find(|entry| entry.request == id.0).expect("it is in the log");
            entry.told = Some(told.clone());
        }
    }

    fn tip(&self, account: &str) -> Option<&Account> {
        self.ledgers.get(account)?.tip.as_ref()
    }
}

/// Whether the settings of the last start are stored once the answer is seen: what only tells does not wait for them, nor
/// what was answered elsewhere.
fn waits_for_settings(entry: &Entry) -> bool {
    match &*entry.operation {
        Operation::Balance(_)
        | Operation::CreateToken(_)
        | Operation::GetAccount(_)
        | Operation::GetStatement(_)
        | Operation::RedeemWrapped(_) => false,
        Operation::OpenSession(_) => matches!(entry.told, Some(Outcome::SessionOpened { .. })),
        _ => true,
    }
}

fn describe(entry: &Entry) -> String {
    let seen = if entry.acknowledged { "acknowledged" } else { "not acknowledged" };
    format!("at {}, {seen}: {:?} → {:?}", entry.now_ms, entry.operation, entry.told)
}

#[cfg(test)]
mod tests;
