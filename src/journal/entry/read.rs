//! What was stored, read back. Bytes that pass the checksum may still be no value of the wallet's: that is an error.

use alloc::boxed::Box;
use rkyv::option::ArchivedOption;
use rkyv::rancor::Error;
use rkyv::string::ArchivedString;

use super::{
    ArchivedEntry, ArchivedStored, ArchivedStoredCalendar, ArchivedStoredLimits, ArchivedStoredMoney,
    ArchivedStoredProfile, ArchivedStoredReceipt, ArchivedStoredSettings, ArchivedStoredText, Change,
    Invalid,
};
use wallet::account::{Date, Gender, Profile};
use wallet::amount::{Amount, Money};
use wallet::currency::Currency;
use wallet::image::{ArchivedRoundImage, RoundImage};
use wallet::operation::{Operation, PlayKind};
use wallet::outcome::Receipt;
use wallet::platform::PlatformKey;
use wallet::restriction::{ByPeriod, Restrictions};
use wallet::settings::{Calendar, DomainSettings, Settings};

impl ArchivedStored<'_> {
    /// The receipt.
    pub(crate) fn receipt(&self) -> Result<Receipt, Invalid> {
        self.receipt.read()
    }

    /// The change, with its strings where they lie.
    pub(crate) fn change(&self) -> Result<Change<'_>, Invalid> {
        match &self.entry {
            ArchivedEntry::Configure(settings) => Ok(Change::Configure(settings.read()?)),
            entry => {
                let operation = entry.operation()?;
                if let Operation::Play(play) = &operation {
                    original_of(play.kind, play.original)?;
                }
                Ok(Change::Operation(operation))
            }
        }
    }
}

impl ArchivedStoredReceipt {
    pub(crate) fn read(&self) -> Result<Receipt, Invalid> {
        Ok(Receipt {
            code: self.code,
            cash: amount(self.cash.to_native())?,
            version: self.version.to_native(),
            session_used_ms: self.session_used_ms.to_native(),
        })
    }
}

impl ArchivedStoredProfile<'_> {
    pub(crate) fn read(&self) -> Result<Profile, Invalid> {
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
    pub(crate) fn read(&self) -> Result<Money, Invalid> {
        Money::from_parts(self.digits.to_native(), self.exponent).ok_or("money has one form for each value")
    }
}

impl ArchivedStoredLimits {
    pub(crate) fn read(&self) -> Result<Restrictions<Money>, Invalid> {
        let each = |limit: &ArchivedOption<ArchivedStoredMoney>| {
            limit.as_ref().map(ArchivedStoredMoney::read).transpose()
        };
        let periods = |[day, week, month]: &[ArchivedOption<ArchivedStoredMoney>; 3]| {
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
        let calendar = |stored: &ArchivedStoredCalendar| Calendar {
            starts_ms: stored.starts_ms.each_ref().map(|start_ms| start_ms.to_native()),
            until_ms: stored.until_ms.to_native(),
        };
        let domains = self.domains.iter().map(|domain| {
            let calendar = domain.calendar.as_ref().map(calendar);
            Ok(DomainSettings {
                name: domain.name.as_str().into(),
                currency: currency(&domain.currency)?,
                calendar,
            })
        });
        Ok(Settings {
            session_idle_ms: self.session_idle_ms.to_native(),
            retention_ms: self.retention_ms.to_native(),
            hot_ms: self.hot_ms.to_native(),
            cold_until_ms: self.cold_until_ms.to_native(),
            forgotten_until_ms: self.forgotten_until_ms.to_native(),
            domains: domains.collect::<Result<_, Invalid>>()?,
        })
    }
}

/// A round's image; whether it can be a wallet's is seen when it is taken in.
pub(super) fn round(image: &ArchivedRoundImage) -> Result<Box<RoundImage>, Invalid> {
    rkyv::deserialize::<RoundImage, Error>(image).map(Box::new).map_err(|_| "a round's image can't be read")
}

pub(crate) fn optional(text: &ArchivedOption<ArchivedString>) -> Option<&str> {
    text.as_ref().map(ArchivedString::as_str)
}

pub(crate) fn play_kind(kind: u8) -> Result<PlayKind, Invalid> {
    Ok(match kind {
        0 => PlayKind::Bet,
        1 => PlayKind::Win,
        2 => PlayKind::Rollback,
        3 => PlayKind::Void,
        _ => return Err("there is no such kind of transaction"),
    })
}

/// The bet that a transaction of this kind names.
pub(crate) fn original_of(kind: PlayKind, original: Option<&str>) -> Result<Option<&str>, Invalid> {
    match original {
        None if kind == PlayKind::Rollback => Err("a rollback names its bet"),
        original => Ok(original),
    }
}

pub(crate) fn optional_currency(code: &ArchivedOption<[u8; 3]>) -> Result<Option<Currency>, Invalid> {
    code.as_ref().map(currency).transpose()
}

pub(crate) fn currency(code: &[u8; 3]) -> Result<Currency, Invalid> {
    core::str::from_utf8(code).ok().and_then(Currency::from_code).ok_or("there is no such currency")
}

pub(super) fn platform(key: &ArchivedString) -> Result<PlatformKey, Invalid> {
    PlatformKey::new(key).ok_or("there is no such platform")
}

/// A text that may be absent.
pub(super) fn text<'a>(text: &'a ArchivedOption<ArchivedStoredText<'_>>) -> Option<&'a str> {
    text.as_ref().map(|text| text.0.as_str())
}

pub(crate) fn amount(minor_units: i64) -> Result<Amount, Invalid> {
    Amount::from_minor(minor_units).ok_or("an amount is not negative")
}
