//! What follows from an account's transactions, computed again and compared with what the account says.

use std::collections::{BTreeMap, HashMap};

use super::past::{PastAccount, PastFiles, PastRound, PastRounds};
use storage::FileError;
use wallet::Millis;
use wallet::account::{AccountHash, KeyHash};
use wallet::image::{AccountImage, RoundImage, RoundKind, RoundVersion, TransactionImage};
use wallet::operation::PlayKind;
use wallet::outcome::LineKind;
use wallet::settings::Settings;

/// A session that may be alive, and whose.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The hash of its key.
    pub(super) key: u64,
    /// The account.
    pub(super) account: Box<str>,
    /// It is alive before this, milliseconds since 1970; `None` where it never idles out.
    pub(super) until_ms: Option<Millis>,
}

/// The accounts of a shard, looked at one by one.
#[derive(Debug)]
pub(super) struct Audit {
    session_idle_ms: u64,
    now_ms: Millis,
    forgotten_until_ms: Millis,
    /// Rounds of games that are remembered, in memory or not.
    pub(super) rounds: u64,
    /// Transactions that are remembered.
    pub(super) transactions: u64,
    /// What players hold together, by domain, minor units.
    pub(super) held: BTreeMap<String, i128>,
    /// The sessions that are alive.
    pub(super) sessions: Vec<Held>,
    /// The first faults, [`limits::FAULTS_SHOWN_MAX`] at most.
    pub(super) faults: Vec<String>,
    /// All faults.
    pub(super) faults_count: u64,
}

impl Audit {
    /// Nothing was looked at yet. The shard has come to `now_ms`.
    pub(super) fn new(settings: &Settings, now_ms: Millis) -> Self {
        Self {
            session_idle_ms: settings.session_idle_ms,
            now_ms,
            forgotten_until_ms: settings.forgotten_until(now_ms),
            rounds: 0,
            transactions: 0,
            held: BTreeMap::new(),
            sessions: Vec::new(),
            faults: Vec::new(),
            faults_count: 0,
        }
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, fault: String) {
        self.faults_count += 1;
        if self.faults.len() < limits::FAULTS_SHOWN_MAX {
            self.faults.push(fault);
        }
    }

    /// Looks at the rounds of the next accounts that have left memory, up to these of one hash, which get those that they do not
    /// have themselves; to the end where there are none. Accounts come in the order of slots and hashes.
    ///
    /// # Errors
    /// What is damaged.
    pub(super) fn past(
        &mut self,
        files: &PastFiles<'_>,
        past: &mut PastRounds<'_, '_>,
        accounts: &mut [(AccountHash, AccountImage)],
    ) -> Result<(), recovery::Error<FileError>> {
        let place = |hash: AccountHash| (hash.slot(), hash.bits());
        let last = accounts.first().map(|(hash, _)| place(*hash));
        while past.peek().is_some_and(|next| last.is_none_or(|last| place(next) <= last)) {
            let Some(PastAccount { hash, mut rounds }) = past.next()? else { break };
            rounds.retain(|round| self.is_sound(files, round) && round.is_newest);
            for (_, image) in accounts.iter_mut().filter(|(of, _)| *of == hash) {
                let ours = rounds.extract_if(.., |round| round.account == image.id).collect();
                self.join(files, image, ours);
            }
            for round in &rounds {
                self.past_fault(files, round, "it is of an account that is not there");
            }
        }
        Ok(())
    }

    fn past_fault(&mut self, files: &PastFiles<'_>, found: &PastRound, fault: &str) {
        let path = files.file_of(found).path.display();
        self.fault(format!("{path}: {}: round {}: {fault}", found.account, found.round.id));
    }

    /// Whether a round that has left memory is one that may, and holds together.
    fn is_sound(&mut self, files: &PastFiles<'_>, found: &PastRound) -> bool {
        let round = &found.round;
        let fault = if round.is_open() {
            Err("it is open".into())
        } else if round.is_unclaimed() {
            Err("it is no platform's".into())
        } else if !files.may_have(found) {
            Err("it is of an account that another shard owns".into())
        } else {
            check_round(round)
        };
        if let Err(fault) = &fault {
            self.past_fault(files, found, fault);
        }
        fault.is_ok()
    }

    /// Gives an account the rounds that are remembered and not in memory. Those in memory may have gone on since.
    fn join(&mut self, files: &PastFiles<'_>, image: &mut AccountImage, past: Vec<PastRound>) {
        let remembered = past.into_iter().filter(|found| found.round.last_ms > self.forgotten_until_ms);
        let (mut joined, mut faults) = (Vec::new(), Vec::new());
        let known: HashMap<_, &RoundImage> = image.rounds.iter().map(|round| (round.name(), round)).collect();
        for found in remembered {
            match known.get(&found.round.name()) {
                None => joined.push(found.round),
                Some(known) if **known == found.round => {}
                Some(known) if RoundVersion::of(known) > RoundVersion::of(&found.round) => {}
                Some(_) => faults.push(found),
            }
        }
        image.rounds.extend(joined);
        for found in &faults {
            self.past_fault(files, found, "it is another one in memory");
        }
    }

    /// Looks at an account.
    pub(super) fn account(&mut self, image: &AccountImage) {
        let domain = image.id.split_once('/').map_or("", |(domain, _)| domain);
        match self.held.get_mut(domain) {
            Some(held) => *held += i128::from(image.cash),
            None => drop(self.held.insert(domain.to_owned(), image.cash.into())),
        }
        for round in &image.rounds {
            self.rounds += u64::from(!round.is_outside());
            if let Err(fault) = check_round(round) {
                self.fault(format!("{}: round {}: {fault}", image.id, round.id));
            }
        }
        match check_statement(image) {
            Ok(count) => self.transactions += count,
            Err(fault) => self.fault(format!("{}: {fault}", image.id)),
        }
        for session in &image.sessions {
            let until_ms = (!session.endless).then(|| session.used_ms.saturating_add(self.session_idle_ms));
            if until_ms.is_none_or(|until_ms| self.now_ms < until_ms) {
                let (key, account) = (KeyHash::of(&session.key).bits(), image.id.as_str().into());
                self.sessions.push(Held { key, account, until_ms });
            }
        }
    }
}

/// The pairs of accounts that hold one key, of sessions with their shards.
pub(super) fn shared(mut holders: Vec<(usize, &Held)>) -> Vec<[(usize, &Held); 2]> {
    holders.sort_unstable_by(|(_, a), (_, b)| (a.key, &a.account).cmp(&(b.key, &b.account)));
    let pairs = holders.windows(2).map(|pair| [pair[0], pair[1]]);
    pairs.filter(|[(_, a), (_, b)]| a.key == b.key && a.account != b.account).collect()
}

/// A round's sums follow from its transactions, and each bet that was taken back was so once.
fn check_round(round: &RoundImage) -> Result<(), String> {
    match RoundKind::from_number(round.kind) {
        Some(kind) if kind.is_of_game() => {}
        Some(kind) => return check_outside(kind, round),
        None => return Err(format!("it is of kind {}, which there is not", round.kind)),
    }
    let (mut staked, mut returned) = (0_i128, 0_i128);
    let (mut taken_back, mut rollbacks) = (0_u32, 0_u32);
    for known in &round.transactions {
        let amount = i128::from(known.amount);
        match known.line_kind() {
            Some(LineKind::Play(PlayKind::Bet)) => {
                staked += amount;
                taken_back += u32::from(known.rolled_back());
            }
            Some(LineKind::Play(PlayKind::Rollback)) => {
                let bet = known.original.and_then(|at| round.transactions.get(at as usize));
                let is_taken_back = |bet: &TransactionImage| bet.rolled_back() && bet.amount == known.amount;
                // Of a bet that was not there it moved nothing, and was answered 0 (`unknown_rollback`).
                let is_cancelled = |bet: &TransactionImage| known.moved_nothing() && bet.is_cancelled();
                if !bet.is_some_and(|bet| is_taken_back(bet) || is_cancelled(bet)) {
                    return Err(format!("the rollback {} is of no bet that was taken back", known.id));
                }
                if !known.moved_nothing() {
                    returned += amount;
                    rollbacks += 1;
                }
            }
            Some(LineKind::Play(PlayKind::Void)) => returned += amount,
            Some(LineKind::Play(PlayKind::Win)) | None => {}
            Some(_) => return Err(format!("the transaction {} is of no round", known.id)),
        }
    }
    let (said_staked, said_returned) = (i128::from(round.staked), i128::from(round.returned));
    if staked != said_staked {
        return Err(format!("its bets are {staked} minor units, and it says {said_staked}"));
    }
    if returned != said_returned {
        return Err(format!("it gave {returned} minor units back, and it says {said_returned}"));
    }
    if returned > staked {
        return Err(format!("it gave {returned} minor units back of {staked}"));
    }
    if taken_back != rollbacks {
        return Err(format!("{taken_back} bets were taken back, by {rollbacks} rollbacks"));
    }
    Ok(())
}

/// A transaction outside of rounds is alone, and of the kind and the id by which it is found.
fn check_outside(kind: RoundKind, round: &RoundImage) -> Result<(), String> {
    let [known] = &round.transactions[..] else {
        return Err(format!("it is outside of rounds, and has {} transactions", round.transactions.len()));
    };
    if known.outside_kind() != Some(kind) || known.id != round.id {
        return Err(format!("it is outside of rounds, and its transaction {} is another one", known.id));
    }
    if round.is_possible_outside() { Ok(()) } else { Err("it is outside of rounds, and can't be so".into()) }
}

/// The balances of a statement follow from each other, and the account's cash from the last. Returns the number of
/// transactions.
fn check_statement(image: &AccountImage) -> Result<u64, String> {
    let of_rounds = image.rounds.iter().flat_map(|round| &round.transactions);
    let mut statement: Vec<&TransactionImage> =
        of_rounds.filter(|known| known.line_kind().is_some()).collect();
    statement.sort_unstable_by_key(|known| known.number);
    for pair in statement.windows(2) {
        let [before, known] = pair else { continue };
        if before.number == known.number {
            return Err(format!(
                "number {} is of two transactions ({}, {})",
                known.number, before.id, known.id
            ));
        }
        // What lies between them was forgotten, where the numbers do not follow.
        if before.number.checked_add(1) != Some(known.number) {
            continue;
        }
        let expected = i128::from(before.balance_after) + moved(known);
        if expected != i128::from(known.balance_after) {
            return Err(format!(
                "after transaction {} ({}) it held {} minor units, and should have held {expected}",
                known.number, known.id, known.balance_after
            ));
        }
    }
    if let Some(last) = statement.last() {
        if last.number > image.number {
            return Err(format!(
                "it has had {} transactions, and remembers number {}",
                image.number, last.number
            ));
        }
        if last.number == image.number && last.balance_after != image.cash {
            return Err(format!(
                "it holds {} minor units, and held {} after its last transaction ({})",
                image.cash, last.balance_after, last.id
            ));
        }
    }
    Ok(statement.len() as u64)
}

/// What a transaction moved into the account, minor units.
fn moved(known: &TransactionImage) -> i128 {
    let amount = i128::from(known.amount);
    match known.line_kind() {
        None => 0,
        Some(_) if known.moved_nothing() => 0,
        Some(LineKind::Play(PlayKind::Bet) | LineKind::Withdrawal) => -amount,
        Some(LineKind::Play(_) | LineKind::Credit | LineKind::Deposit) => amount,
    }
}
