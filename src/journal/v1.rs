//! Records of format version 1, which version 0.1.0 wrote: read, and never written.
//!
//! They name a platform by its place in the configuration of their time. What they say is applied by their receipt
//! ([`Rules::V1`](wallet::Rules::V1)), and a start puts it into a new generation of this version's format.

#![expect(dead_code, reason = "nothing is stored in this form any more: the types say how it was")]

pub(super) mod image;

use alloc::boxed::Box;
use alloc::vec::Vec;
use rkyv::Archive;
use rkyv::with::{AsString, Map};

use super::entry::read::{amount, currency, optional, optional_currency, original_of, play_kind};
use super::entry::{Change, Invalid};
use wallet::account::{AccountRef, Date, Gender, Profile, Status};
use wallet::amount::Money;
use wallet::operation::{self, Direction, Operation, Play};
use wallet::outcome::Receipt;
use wallet::platform::{PlatformKey, RoundScope};
use wallet::restriction::{ByPeriod, Restrictions};
use wallet::settings::{DomainSettings, Settings};

/// The payload of a record.
#[derive(Archive)]
pub(crate) struct Stored<'a> {
    receipt: StoredReceipt,
    entry: Entry<'a>,
}

#[derive(Archive)]
struct StoredReceipt {
    code: i8,
    cash: i64,
    version: u64,
    session_used_ms: u64,
}

/// What is rare and large is boxed, so that a bet does not take its room.
#[derive(Archive)]
enum Entry<'a> {
    Play {
        kind: u8,
        platform: u8,
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = Map<AsString>)]
        session: Option<&'a str>,
        #[rkyv(with = AsString)]
        round: &'a str,
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
        platform: u8,
        #[rkyv(with = AsString)]
        account: &'a str,
        #[rkyv(with = AsString)]
        round: &'a str,
        #[rkyv(with = AsString)]
        game: &'a str,
        currency: Option<[u8; 3]>,
        #[rkyv(with = Map<AsString>)]
        details: Option<&'a str>,
    },
    Credit {
        platform: u8,
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
        platform: u8,
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

#[derive(Archive)]
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

#[derive(Archive)]
struct StoredMoney {
    digits: u64,
    exponent: i8,
}

#[derive(Archive)]
struct StoredLimits {
    stake: Option<StoredMoney>,
    /// Day, week, month.
    wager: [Option<StoredMoney>; 3],
    /// Day, week, month.
    loss: [Option<StoredMoney>; 3],
    session_minutes: Option<u32>,
}

/// Settings; a snapshot has them too.
#[derive(Archive)]
pub(crate) struct StoredSettings<'a> {
    session_idle_ms: u64,
    retention_ms: u64,
    domains: Vec<StoredDomain<'a>>,
}

#[derive(Archive)]
struct StoredDomain<'a> {
    #[rkyv(with = AsString)]
    name: &'a str,
    currency: [u8; 3],
}

impl ArchivedStored<'_> {
    /// The receipt.
    pub(crate) fn receipt(&self) -> Result<Receipt, Invalid> {
        let receipt = &self.receipt;
        Ok(Receipt {
            code: receipt.code,
            cash: amount(receipt.cash.to_native())?,
            version: receipt.version.to_native(),
            session_used_ms: receipt.session_used_ms.to_native(),
        })
    }

    /// The change, with its strings where they lie.
    pub(crate) fn change(&self) -> Result<Change<'_>, Invalid> {
        match &self.entry {
            ArchivedEntry::Configure(settings) => Ok(Change::Configure(settings.read()?)),
            entry => Ok(Change::Operation(entry.operation()?)),
        }
    }
}

impl ArchivedEntry<'_> {
    fn operation(&self) -> Result<Operation<&str>, Invalid> {
        Ok(match self {
            Self::Play { .. } => Operation::Play(self.play()?),
            Self::EndRound { platform: from, account, round, game, currency, details } => {
                Operation::EndRound(operation::EndRound {
                    platform: PlatformKey::at_place(*from),
                    account: AccountRef::new(account),
                    round,
                    scope: RoundScope::Platform,
                    game,
                    currency: optional_currency(currency)?,
                    details: optional(details),
                })
            }
            Self::Credit { platform: from, account, transaction, kind, currency, amount: of } => {
                Operation::Credit(operation::Credit {
                    platform: PlatformKey::at_place(*from),
                    account: AccountRef::new(account),
                    transaction,
                    kind,
                    currency: optional_currency(currency)?,
                    amount: amount(of.to_native())?,
                })
            }
            Self::Alert { platform: from, account, details } => Operation::Alert(operation::Alert {
                platform: PlatformKey::at_place(*from),
                account: AccountRef::new(account),
                details,
            }),
            Self::PutAccount { account, profile } => Operation::PutAccount(operation::PutAccount {
                account: AccountRef::new(account),
                profile: Box::new(profile.read()?),
            }),
            Self::SetStatus { account, frozen } => Operation::SetStatus(operation::SetStatus {
                account: AccountRef::new(account),
                status: if *frozen { Status::Frozen } else { Status::Active },
            }),
            Self::Transfer { account, is_deposit, transaction, amount } => {
                Operation::Transfer(operation::Transfer {
                    account: AccountRef::new(account),
                    direction: if *is_deposit { Direction::In } else { Direction::Out },
                    transaction,
                    amount: amount.read()?,
                    currency: None,
                })
            }
            Self::SetLimits { account, limits } => Operation::SetLimits(operation::SetLimits {
                account: AccountRef::new(account),
                limits: Box::new(limits.read()?),
            }),
            Self::StartSession { account, key } => {
                Operation::StartSession(operation::StartSession { account: AccountRef::new(account), key })
            }
            Self::CloseSession { account, key } => {
                Operation::CloseSession(operation::CloseSession { account: AccountRef::new(account), key })
            }
            Self::RenewSession { account, key, used_ms } => {
                Operation::RenewSession(operation::RenewSession {
                    account: AccountRef::new(account),
                    key,
                    used_ms: used_ms.to_native(),
                })
            }
            Self::Configure(_) => return Err("settings are no operation"),
        })
    }

    fn play(&self) -> Result<Play<&str>, Invalid> {
        let Self::Play {
            kind,
            platform: from,
            account,
            session,
            round,
            transaction,
            original,
            game,
            currency,
            amount: of,
            starts_round,
            ends_round,
            details,
        } = self
        else {
            return Err("it is no transaction of a round");
        };
        let kind = play_kind(*kind)?;
        Ok(Play {
            kind,
            platform: PlatformKey::at_place(*from),
            account: AccountRef::new(account),
            session: optional(session),
            // It was, or it would not have been applied.
            session_checked: true,
            round,
            scope: RoundScope::Platform,
            transaction,
            original: original_of(kind, optional(original))?,
            game,
            currency: optional_currency(currency)?,
            amount: amount(of.to_native())?,
            starts_round: *starts_round,
            ends_round: *ends_round,
            details: optional(details),
        })
    }
}

impl ArchivedStoredProfile<'_> {
    fn read(&self) -> Result<Profile, Invalid> {
        if !self.country.is_ascii() {
            return Err("a country's code is ASCII");
        }
        let gender = self.gender.as_ref().map(|gender| match gender {
            b'F' => Ok(Gender::Female),
            b'M' => Ok(Gender::Male),
            _ => Err("there is no such gender"),
        });
        let born = self
            .born
            .as_ref()
            .map(|date| Date::new(date.0.to_native(), date.1, date.2).ok_or("the calendar has no such day"));
        Ok(Profile {
            country: self.country,
            gender: gender.transpose()?,
            born: born.transpose()?,
            user_name: optional(&self.user_name).map(Into::into),
            display_name: optional(&self.display_name).map(Into::into),
            city: optional(&self.city).map(Into::into),
        })
    }
}

impl ArchivedStoredMoney {
    fn read(&self) -> Result<Money, Invalid> {
        Money::from_parts(self.digits.to_native(), self.exponent).ok_or("money has one form for each value")
    }
}

impl ArchivedStoredLimits {
    fn read(&self) -> Result<Restrictions<Money>, Invalid> {
        let each = |limit: &rkyv::option::ArchivedOption<ArchivedStoredMoney>| {
            limit.as_ref().map(ArchivedStoredMoney::read).transpose()
        };
        let periods = |[day, week, month]: &[rkyv::option::ArchivedOption<ArchivedStoredMoney>; 3]| {
            Ok::<_, Invalid>(ByPeriod { day: each(day)?, week: each(week)?, month: each(month)? })
        };
        Ok(Restrictions {
            stake: each(&self.stake)?,
            wager: periods(&self.wager)?,
            loss: periods(&self.loss)?,
            session_minutes: self.session_minutes.as_ref().map(|minutes| minutes.to_native()),
        })
    }
}

impl ArchivedStoredSettings<'_> {
    /// The settings.
    pub(crate) fn read(&self) -> Result<Settings, Invalid> {
        if self.domains.len() > limits::DOMAINS_MAX {
            return Err("there are more domains than a configuration may have");
        }
        let domains = self.domains.iter().map(|domain| {
            let name = domain.name.as_str().into();
            Ok(DomainSettings { name, currency: currency(&domain.currency)?, calendar: None })
        });
        Ok(Settings {
            session_idle_ms: self.session_idle_ms.to_native(),
            retention_ms: self.retention_ms.to_native(),
            domains: domains.collect::<Result<_, Invalid>>()?,
        })
    }
}
