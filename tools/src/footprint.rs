//! `tools footprint`: the memory that a remembered transaction takes, beyond the bytes of its ids.
//!
//! A wallet is filled in this process, by the operations that a server would apply: no socket and no disk is between,
//! so that what the process grows by is the wallet's alone.

use std::process::{self, ExitCode};
use std::sync::Arc;

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
    /// Accounts that play
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    accounts: u64,
}

const START_MS: u64 = 1_764_000_000_000;

/// Fills a wallet and says what a transaction takes.
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
    let players: Vec<(String, String)> = (0..accounts)
        .map(|number| (format!("default/player-{number:06}"), format!("demo-{number:06}")))
        .collect();
    for (id, key) in &players {
        let account = AccountRef::new(id.as_str());
        wallet.put_demo_account(START_MS, &account, &Profile::of(*b"GB"), opening, key);
        wallet.adopt_key(KeyHash::of(key), account.hash());
    }
    let before = proc::private_bytes(process::id())?;
    let (mut ids_bytes, mut rounds) = (0, 0);
    for number in 0..transactions {
        let (account, session) = &players[(number / per_round % accounts) as usize];
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
        let outcome = wallet.apply(stamp, &operation, &mut Effect::default());
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }
    let grown = proc::private_bytes(process::id())?.saturating_sub(before);
    let each = |bytes: u64| bytes / transactions;
    let ids_bytes = ids_bytes as u64;
    super::say(&format!(
        "{transactions} transactions in {rounds} rounds of {accounts} accounts: {} bytes each, {} of them the ids' own, \
         {} beyond\n",
        each(grown),
        each(ids_bytes),
        each(grown.saturating_sub(ids_bytes))
    ));
    Ok(ExitCode::SUCCESS)
}
