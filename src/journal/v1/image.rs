//! Accounts as snapshots of format version 1 have them, and how they become this version's.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize};

use wallet::image::{AccountImage, RoundImage, SessionImage, SumImage, TransactionImage};
use wallet::platform::PlatformKey;

/// The payload of a section.
#[derive(Archive)]
pub(crate) struct Section {
    pub(crate) accounts: Box<[Account]>,
}

#[derive(Archive, Deserialize)]
pub(crate) struct Account {
    id: String,
    country: [u8; 2],
    gender: Option<u8>,
    born: Option<(u16, u8, u8)>,
    user_name: Option<String>,
    display_name: Option<String>,
    city: Option<String>,
    frozen: bool,
    cash: i64,
    version: u64,
    serial: u32,
    number: u32,
    sessions: Vec<Session>,
    limits: [Option<i64>; 7],
    session_minutes: Option<u32>,
    sums: Option<[Sum; 3]>,
    rounds: Vec<Round>,
    outside: Vec<Transaction>,
    alerts: Vec<(u64, String)>,
}

#[derive(Archive, Deserialize)]
pub(crate) struct Session {
    key: String,
    serial: u32,
    endless: bool,
    started_ms: u64,
    used_ms: u64,
}

#[derive(Archive, Deserialize)]
pub(crate) struct Sum {
    from_day: u32,
    staked: i128,
    won: i128,
}

#[derive(Archive, Deserialize)]
pub(crate) struct Round {
    id: String,
    state: u8,
    orphan: bool,
    staked: i64,
    returned: i64,
    last_ms: u64,
    transactions: Vec<Transaction>,
}

#[derive(Archive, Deserialize)]
pub(crate) struct Transaction {
    id: String,
    kind: u8,
    flags: u8,
    amount: i64,
    balance_after: i64,
    at_ms: u64,
    number: u32,
    original: Option<u32>,
}

const DAY_MS: u64 = 24 * 3_600 * 1_000;

impl From<Account> for AccountImage {
    fn from(account: Account) -> Self {
        let sum = |sum: Sum| SumImage {
            from_ms: u64::from(sum.from_day) * DAY_MS,
            staked: sum.staked,
            won: sum.won,
        };
        let mut image = Self {
            id: account.id,
            country: account.country,
            gender: account.gender,
            born: account.born,
            user_name: account.user_name,
            display_name: account.display_name,
            city: account.city,
            frozen: account.frozen,
            cash: account.cash,
            version: account.version,
            serial: account.serial,
            number: account.number.into(),
            forgotten: 0,
            sessions: account.sessions.into_iter().map(SessionImage::from).collect(),
            limits: account.limits,
            session_minutes: account.session_minutes,
            sums: account.sums.map(|sums| sums.map(sum)),
            rounds: account.rounds.into_iter().map(RoundImage::from).collect(),
            outside: account.outside.into_iter().map(TransactionImage::from).collect(),
            alerts: account.alerts,
        };
        image.forgotten = gap(&image);
        image
    }
}

/// The largest number that no transaction has which is remembered: it was forgotten, and that was not noted then.
fn gap(image: &AccountImage) -> u64 {
    let of_rounds = image.rounds.iter().flat_map(|round| &round.transactions);
    let mut numbers: Vec<u64> = of_rounds.chain(&image.outside).map(|known| known.number).collect();
    numbers.sort_unstable();
    let mut expected = image.number;
    for number in numbers.into_iter().rev() {
        if number != expected {
            break;
        }
        expected -= u64::from(expected > 0);
    }
    expected
}

impl From<Session> for SessionImage {
    fn from(Session { key, serial, endless, started_ms, used_ms }: Session) -> Self {
        Self { key, serial, endless, started_ms, used_ms }
    }
}

/// Whose it was was not stored: it belongs to the platform of the first record about it.
impl From<Round> for RoundImage {
    fn from(round: Round) -> Self {
        Self {
            id: round.id,
            platform: PlatformKey::NONE.bytes(),
            by_game: false,
            game: String::new(),
            state: round.state,
            orphan: round.orphan,
            staked: round.staked,
            returned: round.returned,
            last_ms: round.last_ms,
            transactions: round.transactions.into_iter().map(TransactionImage::from).collect(),
        }
    }
}

impl From<Transaction> for TransactionImage {
    fn from(known: Transaction) -> Self {
        Self {
            id: known.id,
            kind: known.kind,
            flags: known.flags,
            amount: known.amount,
            balance_after: known.balance_after,
            at_ms: known.at_ms,
            number: known.number.into(),
            platform: PlatformKey::NONE.bytes(),
            game: None,
            original: known.original,
        }
    }
}
