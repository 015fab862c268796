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
use super::entry::{Change, Invalid, StoredLimits, StoredMoney, StoredProfile, StoredReceipt};
use wallet::account::{AccountRef, AccountStatus};
use wallet::operation::{self, Direction, Operation, Play};
use wallet::outcome::Receipt;
use wallet::platform::{PlatformKey, RoundScope};
use wallet::settings::{DomainSettings, Settings};

/// The payload of a record.
#[derive(Archive)]
#[cfg_attr(test, derive(rkyv::Serialize))]
pub(crate) struct Stored<'a> {
    receipt: StoredReceipt,
    entry: Entry<'a>,
}

/// What is rare and large is boxed, so that a bet does not take its room.
#[derive(Archive)]
#[cfg_attr(test, derive(rkyv::Serialize))]
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

/// Settings; a snapshot has them too.
#[derive(Archive)]
#[cfg_attr(test, derive(rkyv::Serialize))]
pub(crate) struct StoredSettings<'a> {
    session_idle_ms: u64,
    retention_ms: u64,
    domains: Vec<StoredDomain<'a>>,
}

#[derive(Archive)]
#[cfg_attr(test, derive(rkyv::Serialize))]
struct StoredDomain<'a> {
    #[rkyv(with = AsString)]
    name: &'a str,
    currency: [u8; 3],
}

impl ArchivedStored<'_> {
    /// The receipt.
    pub(crate) fn receipt(&self) -> Result<Receipt, Invalid> {
        self.receipt.read()
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
                status: if *frozen { AccountStatus::Frozen } else { AccountStatus::Active },
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
            ..Settings::default()
        })
    }
}

#[cfg(test)]
mod tests;
