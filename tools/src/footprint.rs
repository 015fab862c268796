//! `tools footprint`: the memory that accounts and remembered transactions take, and the longest time that one of them took.
//!
//! A wallet is filled in this process, by the operations that a server would apply: no socket and no disk is between,
//! so that what the process grows by is the wallet's alone. Times are the thread's own on its processor, so that a machine that
//! does other things counts less.

use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::proc;
use wallet::account::{AccountRef, KeyHash, Profile};
use wallet::amount::Amount;
use wallet::operation::{Operation, Play, PlayKind};
use wallet::outcome::{Effect, Outcome};
use wallet::{Catalog, Currency, Domain, PlatformKey, RoundScope, Stamp, Wallet};

/// Arguments of `tools footprint`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Transactions to be remembered
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    transactions: u64,
    /// Transactions of a round: a bet, and wins after it
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    per_round: u64,
    /// Accounts that play, each with a session
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    accounts: u64,
}

const START_MS: u64 = 1_764_000_000_000;

/// Sweeps that are timed at the end.
const SWEEPS: u64 = 100;

/// The longest time that one of many things took, and which one.
#[derive(Default)]
struct Longest {
    time: Duration,
    number: u64,
}

impl Longest {
    fn of<T>(&mut self, number: u64, does: impl FnOnce() -> T) -> T {
        let since = processor_time();
        let done = does();
        let time = processor_time().saturating_sub(since);
        if time > self.time {
            *self = Self { time, number };
        }
        done
    }
}

#[expect(clippy::disallowed_methods, reason = "it is no time of day, and no outcome depends on it")]
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

impl std::fmt::Display for Longest {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "number {} took longest, {:.3} ms", self.number, self.time.as_secs_f64() * 1e3)
    }
}

/// Fills a wallet and says what an account and a transaction take.
///
/// # Errors
/// A sentence, where the process's memory can't be told.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let Arguments { transactions, per_round, accounts } = *arguments;
    let platform = PlatformKey::new("L100").expect("it is short");
    let currency = Currency::from_code("GBP");
    let domain = Domain::new("default".into(), currency.expect("ISO 4217 has it"), [platform]);
    let mut wallet = Wallet::new(Arc::new(Catalog::new(vec![domain], ["11588".into()])));
    let opening = Amount::from_minor(100_000_000).expect("not negative");
    let id = |number: u64| format!("default/player-{number:08}");
    let key = |number: u64| format!("demo-{number:08}");
    let before = proc::private_bytes(process::id())?;
    let (mut made, mut entered) = (Longest::default(), Longest::default());
    for number in 0..accounts {
        let (id, key) = (id(number), key(number));
        let account = AccountRef::new(id.as_str());
        let profile = Profile::of(*b"GB");
        made.of(number, || wallet.put_demo_account(START_MS, &account, &profile, opening, &key));
        entered.of(number, || wallet.adopt_key(KeyHash::of(&key), account.hash()));
    }
    let with_accounts = proc::private_bytes(process::id())?;
    super::say(&format!(
        "{accounts} accounts with a session each: {} bytes each; of the accounts {made}; of the session keys {entered}\n",
        with_accounts.saturating_sub(before) / accounts
    ));
    let (mut ids_bytes, mut rounds, mut applied) = (0, 0, Longest::default());
    for number in 0..transactions {
        let player = number / per_round % accounts;
        let (account, session) = (id(player), key(player));
        let first = number % per_round == 0;
        let round = format!("19ab5f62c00-{:012}", number / per_round);
        let transaction = format!("{round}-{}", number % per_round);
        ids_bytes += transaction.len();
        if first {
            ids_bytes += round.len();
            rounds += 1;
        }
        let operation = Operation::Play(Play {
            kind: if first { PlayKind::Bet } else { PlayKind::Win },
            platform,
            account: AccountRef::new(account.as_str()),
            session: Some(session.as_str()),
            session_checked: true,
            round: &round,
            scope: RoundScope::Platform,
            transaction: &transaction,
            original: None,
            game: "11588",
            currency,
            amount: Amount::from_minor(1).expect("not negative"),
            starts_round: first,
            ends_round: number % per_round == per_round - 1,
            details: None,
        });
        let stamp = Stamp { now_ms: START_MS, sequence: number + 1 };
        let outcome = applied.of(number, || wallet.apply(stamp, &operation, &mut Effect::default()));
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }
    let grown = proc::private_bytes(process::id())?.saturating_sub(with_accounts);
    let each = |bytes: u64| bytes / transactions;
    let ids_bytes = ids_bytes as u64;
    super::say(&format!(
        "{transactions} transactions in {rounds} rounds of {accounts} accounts: {} bytes each, {} of them the ids' own, \
         {} beyond; {applied}\n",
        each(grown),
        each(ids_bytes),
        each(grown.saturating_sub(ids_bytes))
    ));
    leave(&mut wallet);
    Ok(ExitCode::SUCCESS)
}

/// Has all rounds leave memory, as a shard does once the history has them: a little in each turn; and then the accounts swept.
fn leave(wallet: &mut Wallet) {
    let (before, now_ms) = (wallet.rounds(), START_MS + limits::HOT_MS);
    wallet.set_in_history(START_MS);
    let (mut turns, mut turn, mut sweep) = (0, Longest::default(), Longest::default());
    while turn.of(turns, || wallet.tidy(now_ms, limits::TIDIED_PER_TURN)) {
        turns += 1;
    }
    for number in 0..SWEEPS {
        sweep.of(number, || {
            wallet.begin_sweep();
            wallet.tidy(now_ms, limits::TIDIED_PER_SWEEP)
        });
    }
    super::say(&format!(
        "{} of {before} rounds left memory in {turns} turns, of which {turn}; of {SWEEPS} sweeps {sweep}\n",
        before - wallet.rounds()
    ));
}
