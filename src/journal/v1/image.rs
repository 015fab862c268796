//! Accounts as snapshots of format version 1 have them, and how they become this version's.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize};

use wallet::image::{AccountImage, RoundImage, RoundKind, SessionImage, SumImage, TransactionImage};
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
            rounds: account
                .rounds
                .into_iter()
                .map(RoundImage::from)
                .chain(account.outside.into_iter().map(outside))
                .collect(),
            alerts: account.alerts,
        };
        image.forgotten = gap(&image);
        image
    }
}

/// The largest number that no transaction has which is remembered: it was forgotten, and that was not noted then.
fn gap(image: &AccountImage) -> u64 {
    let of_rounds = image.rounds.iter().flat_map(|round| &round.transactions);
    let mut numbers: Vec<u64> = of_rounds.map(|known| known.number).collect();
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
            kind: RoundKind::Plain.number(),
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

/// A transaction outside of rounds. Whose a credit was was not stored.
fn outside(known: Transaction) -> RoundImage {
    let known = TransactionImage::from(known);
    let kind = known.outside_kind();
    let round = RoundImage::outside(kind.unwrap_or(RoundKind::Plain), PlatformKey::NONE, known);
    // Whoever restores the account says that there is no such kind.
    RoundImage { kind: kind.map_or(u8::MAX, RoundKind::number), ..round }
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
            game: None,
            original: known.original,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(number: u32) -> Transaction {
        Transaction {
            id: "t".into(),
            kind: 1,
            flags: 2,
            amount: 100,
            balance_after: 900,
            at_ms: 7,
            number,
            original: Some(0),
        }
    }

    fn account(number: u32, of_rounds: &[u32], outside: &[u32]) -> Account {
        let some = |numbers: &[u32]| numbers.iter().map(|number| transaction(*number)).collect();
        let deposit =
            |number: &u32| Transaction { kind: 5, flags: 0, original: None, ..transaction(*number) };
        let round = Round {
            id: "r".into(),
            state: 1,
            orphan: true,
            staked: 200,
            returned: 100,
            last_ms: 7,
            transactions: some(of_rounds),
        };
        Account {
            id: "gb/anna".into(),
            country: *b"GB",
            gender: Some(b'F'),
            born: Some((1965, 5, 16)),
            user_name: Some("anna".into()),
            display_name: Some("Anna".into()),
            city: Some("Leeds".into()),
            frozen: true,
            cash: 900,
            version: 5,
            serial: 2,
            number,
            sessions: Vec::new(),
            limits: [Some(1), None, None, None, None, None, None],
            session_minutes: Some(60),
            sums: Some([(); 3].map(|()| Sum { from_day: 20_000, staked: 200, won: -100 })),
            rounds: vec![round],
            outside: outside.iter().map(deposit).collect(),
            alerts: vec![(7, "{}".into())],
        }
    }

    fn image(number: u32, of_rounds: &[u32], outside: &[u32], forgotten: u64) -> AccountImage {
        let known = |numbers: &[u32]| -> Vec<TransactionImage> {
            numbers
                .iter()
                .map(|number| TransactionImage {
                    id: "t".into(),
                    kind: 1,
                    flags: 2,
                    amount: 100,
                    balance_after: 900,
                    at_ms: 7,
                    number: u64::from(*number),
                    game: None,
                    original: Some(0),
                })
                .collect()
        };
        let round = RoundImage {
            id: "r".into(),
            platform: PlatformKey::NONE.bytes(),
            state: 1,
            orphan: true,
            staked: 200,
            returned: 100,
            last_ms: 7,
            transactions: known(of_rounds),
            ..RoundImage::default()
        };
        let deposit = |known: TransactionImage| RoundImage {
            id: "t".into(),
            kind: 3,
            state: 2,
            last_ms: 7,
            transactions: vec![TransactionImage { kind: 5, flags: 0, original: None, ..known }],
            ..RoundImage::default()
        };
        let deposits = known(outside).into_iter().map(deposit);
        AccountImage {
            id: "gb/anna".into(),
            country: *b"GB",
            gender: Some(b'F'),
            born: Some((1965, 5, 16)),
            user_name: Some("anna".into()),
            display_name: Some("Anna".into()),
            city: Some("Leeds".into()),
            frozen: true,
            cash: 900,
            version: 5,
            serial: 2,
            number: u64::from(number),
            forgotten,
            sessions: Vec::new(),
            limits: [Some(1), None, None, None, None, None, None],
            session_minutes: Some(60),
            sums: Some([SumImage { from_ms: 20_000 * 86_400_000, staked: 200, won: -100 }; 3]),
            rounds: [round].into_iter().chain(deposits).collect(),
            alerts: vec![(7, "{}".into())],
        }
    }

    /// Of an account that counts to `number`, whose transactions of these numbers are remembered.
    #[track_caller]
    fn check(number: u32, of_rounds: &[u32], outside: &[u32], forgotten: u64) {
        let read = AccountImage::from(account(number, of_rounds, outside));
        assert_eq!(read, image(number, of_rounds, outside, forgotten));
    }

    #[test]
    fn what_was_forgotten_follows_from_the_numbers_that_are_left() {
        check(5, &[3, 5], &[4], 2);
        check(5, &[1, 5], &[4], 3);
        check(5, &[1], &[], 5);
        check(2, &[1], &[2], 0);
        check(0, &[0], &[0], 0);
    }
}
