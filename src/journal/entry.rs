//! The stored form of a change. The types are the journal's own, so that what is stored does not move when the
//! wallet's types do; their values are checked when they are read.

pub(super) mod read;

use alloc::boxed::Box;
use alloc::vec::Vec;
use rkyv::with::{AsString, Map};
use rkyv::{Archive, Serialize};

use wallet::account::{Gender, Profile, Slot, Status};
use wallet::amount::Money;
use wallet::currency::Currency;
use wallet::operation::{Direction, Operation, Play, PlayKind};
use wallet::outcome::Receipt;
use wallet::platform::{PlatformKey, RoundScope};
use wallet::restriction::{ByPeriod, Restrictions};
use wallet::settings::{Calendar, DomainSettings, Settings};

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// An operation that changed the wallet.
    Operation(Operation<&'a str>),
    /// From here on these settings hold.
    Configure(Settings),
}

impl Change<'_> {
    /// The slot that owns what was changed; `None` where it concerns all slots.
    pub fn slot(&self) -> Option<Slot> {
        match self {
            Self::Operation(operation) => Some(operation.slot()),
            Self::Configure(_) => None,
        }
    }
}

/// A stored value that no wallet has: what it should have been.
pub(super) type Invalid = &'static str;

/// The payload of a record.
#[derive(Archive, Serialize)]
pub(super) struct Stored<'a> {
    receipt: StoredReceipt,
    entry: Entry<'a>,
}

#[derive(Archive, Serialize)]
struct StoredReceipt {
    code: i8,
    cash: i64,
    version: u64,
    session_used_ms: u64,
}

/// What is rare and large is boxed, so that a bet does not take its room.
#[derive(Archive, Serialize)]
enum Entry<'a> {
    Play {
        kind: u8,
        #[rkyv(with = AsString)]
        platform: &'a str,
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = Map<AsString>)]
        session: Option<&'a str>,
        #[rkyv(with = AsString)]
        round: &'a str,
        /// The round is known by its game too.
        by_game: bool,
        #[rkyv(with = AsString)]
        transaction: &'a str,
        #[rkyv(with = Map<AsString>)]
        original: Option<&'a str>,
        #[rkyv(with = AsString)]
        game: &'a str,
        currency: Option<[u8; 3]>,
        amount: i64,
        starts_round: bool,
        ends_round: bool,
        #[rkyv(with = Map<AsString>)]
        details: Option<&'a str>,
    },
    EndRound {
        #[rkyv(with = AsString)]
        platform: &'a str,
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = AsString)]
        round: &'a str,
        by_game: bool,
        #[rkyv(with = AsString)]
        game: &'a str,
        currency: Option<[u8; 3]>,
        #[rkyv(with = Map<AsString>)]
        details: Option<&'a str>,
    },
    Credit {
        #[rkyv(with = AsString)]
        platform: &'a str,
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = AsString)]
        transaction: &'a str,
        #[rkyv(with = AsString)]
        kind: &'a str,
        currency: Option<[u8; 3]>,
        amount: i64,
    },
    Alert {
        #[rkyv(with = AsString)]
        platform: &'a str,
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = AsString)]
        details: &'a str,
    },
    PutAccount {
        #[rkyv(with = AsString)]
        account: &'a str,
        profile: Box<StoredProfile<'a>>,
    },
    SetStatus {
        #[rkyv(with = AsString)]
        account: &'a str,
        frozen: bool,
    },
    Transfer {
        #[rkyv(with = AsString)]
        account: &'a str,
        is_deposit: bool,
        #[rkyv(with = AsString)]
        transaction: &'a str,
        amount: StoredMoney,
    },
    SetLimits {
        #[rkyv(with = AsString)]
        account: &'a str,
        limits: Box<StoredLimits>,
    },
    StartSession {
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = AsString)]
        key: &'a str,
    },
    CloseSession {
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = AsString)]
        key: &'a str,
    },
    RenewSession {
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = AsString)]
        key: &'a str,
        used_ms: u64,
    },
    Configure(StoredSettings<'a>),
}

#[derive(Archive, Serialize)]
struct StoredProfile<'a> {
    country: [u8; 2],
    /// `M` or `F`.
    gender: Option<u8>,
    /// Year, month, day.
    born: Option<(u16, u8, u8)>,
    #[rkyv(with = Map<AsString>)]
    user_name: Option<&'a str>,
    #[rkyv(with = Map<AsString>)]
    display_name: Option<&'a str>,
    #[rkyv(with = Map<AsString>)]
    city: Option<&'a str>,
}

#[derive(Archive, Serialize)]
struct StoredMoney {
    digits: u64,
    exponent: i8,
}

#[derive(Archive, Serialize)]
struct StoredLimits {
    stake: Option<StoredMoney>,
    /// Day, week, month.
    wager: [Option<StoredMoney>; 3],
    /// Day, week, month.
    loss: [Option<StoredMoney>; 3],
    session_minutes: Option<u32>,
}

/// Settings; a snapshot has them too.
#[derive(Archive, Serialize)]
pub(super) struct StoredSettings<'a> {
    session_idle_ms: u64,
    retention_ms: u64,
    domains: Vec<StoredDomain<'a>>,
}

#[derive(Archive, Serialize)]
struct StoredDomain<'a> {
    #[rkyv(with = AsString)]
    name: &'a str,
    currency: [u8; 3],
    calendar: Option<StoredCalendar>,
}

#[derive(Archive, Serialize)]
struct StoredCalendar {
    /// Day, week, month.
    starts_ms: [u64; 3],
    until_ms: u64,
}

impl<'a> Stored<'a> {
    /// # Panics
    /// Where the operation is none that is journaled.
    pub(super) fn operation(operation: &'a Operation<&'a str>, receipt: &Receipt) -> Self {
        Self { receipt: StoredReceipt::new(receipt), entry: Entry::new(operation) }
    }

    pub(super) fn settings(settings: &'a Settings) -> Self {
        let receipt = StoredReceipt::new(&Receipt::default());
        Self { receipt, entry: Entry::Configure(StoredSettings::new(settings)) }
    }
}

impl StoredReceipt {
    const fn new(receipt: &Receipt) -> Self {
        Self {
            code: receipt.code,
            cash: receipt.cash.minor(),
            version: receipt.version,
            session_used_ms: receipt.session_used_ms,
        }
    }
}

impl<'a> Entry<'a> {
    fn new(operation: &'a Operation<&'a str>) -> Self {
        match operation {
            Operation::Play(play) => Self::play(play),
            Operation::EndRound { platform, account, round, scope, game, currency, details } => {
                Self::EndRound {
                    platform: text(platform),
                    account: account.id(),
                    round,
                    by_game: *scope == RoundScope::Game,
                    game,
                    currency: currency.map(code),
                    details: *details,
                }
            }
            Operation::Credit { platform, account, transaction, kind, currency, amount } => Self::Credit {
                platform: text(platform),
                account: account.id(),
                transaction,
                kind,
                currency: currency.map(code),
                amount: amount.minor(),
            },
            Operation::Alert { platform, account, details } => {
                Self::Alert { platform: text(platform), account: account.id(), details }
            }
            Operation::PutAccount { account, profile } => {
                Self::PutAccount { account: account.id(), profile: Box::new(StoredProfile::new(profile)) }
            }
            Operation::SetStatus { account, status } => {
                Self::SetStatus { account: account.id(), frozen: *status == Status::Frozen }
            }
            // Its currency was the account's, or it would not have been applied.
            Operation::Transfer { account, direction, transaction, amount, currency: _ } => Self::Transfer {
                account: account.id(),
                is_deposit: *direction == Direction::In,
                transaction,
                amount: StoredMoney::new(*amount),
            },
            Operation::SetLimits { account, limits } => {
                Self::SetLimits { account: account.id(), limits: Box::new(StoredLimits::new(limits)) }
            }
            Operation::StartSession { account, key } => Self::StartSession { account: account.id(), key },
            Operation::CloseSession { account, key } => Self::CloseSession { account: account.id(), key },
            Operation::RenewSession { account, key, used_ms } => {
                Self::RenewSession { account: account.id(), key, used_ms: *used_ms }
            }
            other => panic!("an operation that is not journaled: {other:?}"),
        }
    }

    fn play(play: &'a Play<&'a str>) -> Self {
        Self::Play {
            kind: match play.kind {
                PlayKind::Bet => 0,
                PlayKind::Win => 1,
                PlayKind::Rollback => 2,
                PlayKind::Void => 3,
            },
            platform: text(&play.platform),
            account: play.account.id(),
            session: play.session,
            round: play.round,
            by_game: play.scope == RoundScope::Game,
            transaction: play.transaction,
            original: play.original,
            game: play.game,
            currency: play.currency.map(code),
            amount: play.amount.minor(),
            starts_round: play.starts_round,
            ends_round: play.ends_round,
            details: play.details,
        }
    }
}

impl<'a> StoredProfile<'a> {
    fn new(profile: &'a Profile) -> Self {
        Self {
            country: profile.country,
            gender: profile.gender.map(|gender| match gender {
                Gender::Female => b'F',
                Gender::Male => b'M',
            }),
            born: profile.born.map(|date| (date.year, date.month, date.day)),
            user_name: profile.user_name.as_deref(),
            display_name: profile.display_name.as_deref(),
            city: profile.city.as_deref(),
        }
    }
}

impl StoredMoney {
    const fn new(money: Money) -> Self {
        let (digits, exponent) = money.parts();
        Self { digits, exponent }
    }
}

impl StoredLimits {
    fn new(limits: &Restrictions<Money>) -> Self {
        let periods = |limits: ByPeriod<Money>| limits.into_array().map(|limit| limit.map(StoredMoney::new));
        Self {
            stake: limits.stake.map(StoredMoney::new),
            wager: periods(limits.wager),
            loss: periods(limits.loss),
            session_minutes: limits.session_minutes,
        }
    }
}

impl<'a> StoredSettings<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        let calendar = |Calendar { starts_ms, until_ms }: Calendar| StoredCalendar { starts_ms, until_ms };
        let domain = |domain: &'a DomainSettings| StoredDomain {
            name: domain.name.as_str(),
            currency: code(domain.currency),
            calendar: domain.calendar.map(calendar),
        };
        Self {
            session_idle_ms: settings.session_idle_ms,
            retention_ms: settings.retention_ms,
            domains: settings.domains.iter().map(domain).collect(),
        }
    }
}

/// A platform that asks has a key.
fn text(platform: &PlatformKey) -> &str {
    platform.text().expect("places in a configuration are version 0.1.0's alone")
}

fn code(currency: Currency) -> [u8; 3] {
    currency.code().as_bytes().try_into().expect("a currency's code has three letters")
}
