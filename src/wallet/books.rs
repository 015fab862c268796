//! The books of the domains: what the house owes, against what the players of this shard hold.
//!
//! Money moves in two entries, one in a player's cash and one in the domain's house account, so that the sum over
//! all accounts of a domain is zero at every sequence.

use alloc::vec::Vec;
use compact_str::CompactString;

use super::Millis;
use super::amount::Amount;
use super::catalog::Catalog;
use super::currency::Currency;
use super::settings::{Calendar, CurrencyChanged, DomainSettings, Settings};
use super::sums::Periods;

/// A domain's place in its wallet's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DomainId(u16);

/// The book of one domain.
#[derive(Debug)]
pub(super) struct Book {
    name: CompactString,
    currency: Currency,
    /// Platforms that it is served to, one bit each by their places in the catalog.
    served: u64,
    /// Its current day, week and month, where they begin by another clock than UTC's.
    calendar: Option<Calendar>,
    /// The house account, minor units: never above zero, since the house owes what players hold.
    house: i128,
    /// What players of this shard hold together, minor units.
    players: i128,
}

impl Book {
    pub(super) const fn currency(&self) -> Currency {
        self.currency
    }

    /// Whether it is served to the platform at this place of the catalog.
    pub(super) const fn serves(&self, place: u8) -> bool {
        self.served >> place & 1 == 1
    }

    /// The periods of its limits; `utc` are UTC's.
    pub(super) fn periods(&self, utc: Periods) -> Periods {
        self.calendar.as_ref().map_or(utc, Periods::of)
    }

    /// Moves `amount` from the house to a player who has `cash`.
    ///
    /// # Panics
    /// Where the player would hold more than an amount can be: the caller has refused that.
    pub(super) fn pay(&mut self, cash: &mut Amount, amount: Amount) {
        *cash = cash.checked_add(amount).expect("what can't be held was refused");
        self.post(i128::from(amount.minor()));
    }

    /// Moves `amount` from a player who has `cash` to the house.
    ///
    /// # Panics
    /// Where the player has less: the caller has refused that.
    pub(super) fn take(&mut self, cash: &mut Amount, amount: Amount) {
        *cash = cash.checked_sub(amount).expect("what is not there was refused");
        self.post(-i128::from(amount.minor()));
    }

    fn post(&mut self, minor: i128) {
        self.players += minor;
        self.house -= minor;
        assert!(self.players >= 0, "players together hold something");
        assert_eq!(self.players + self.house, 0, "the two entries of a move cancel out");
    }
}

/// The books of a wallet.
#[derive(Debug, Default)]
pub(super) struct Books(Vec<Book>);

impl Books {
    pub(super) fn get(&self, id: DomainId) -> &Book {
        &self.0[usize::from(id.0)]
    }

    pub(super) fn get_mut(&mut self, id: DomainId) -> &mut Book {
        &mut self.0[usize::from(id.0)]
    }

    /// The domain of an account's id, `domain/player`; `None` where the id has no such form or no such domain.
    pub(super) fn domain_of(&self, account_id: &str) -> Option<DomainId> {
        let (name, player) = account_id.split_once('/')?;
        if player.is_empty() {
            return None;
        }
        self.0.iter().position(|book| book.name == name).map(|at| DomainId(at as u16))
    }

    /// Opens a book for each domain that has none yet, and takes the calendars. Says whether that changed anything.
    pub(super) fn open(&mut self, settings: &Settings) -> Result<bool, CurrencyChanged> {
        for DomainSettings { name, currency, .. } in &settings.domains {
            let known = self.0.iter().find(|book| book.name == *name);
            if let Some(book) = known.filter(|book| book.currency != *currency) {
                return Err(CurrencyChanged { domain: name.clone(), was: book.currency, is: *currency });
            }
        }
        let mut changed = false;
        for DomainSettings { name, currency, calendar } in &settings.domains {
            if let Some(book) = self.0.iter_mut().find(|book| book.name == *name) {
                changed |= book.calendar != *calendar;
                book.calendar = *calendar;
                continue;
            }
            changed = true;
            assert!(self.0.len() < usize::from(u16::MAX), "domains are counted in 16 bits");
            let (name, currency, calendar) = (name.clone(), *currency, *calendar);
            self.0.push(Book { name, currency, served: 0, calendar, house: 0, players: 0 });
        }
        Ok(changed)
    }

    /// Serves each domain to those platforms that the catalog says, and none that the catalog does not have.
    pub(super) fn serve(&mut self, catalog: &Catalog) {
        for book in &mut self.0 {
            let served = catalog.domain(&book.name).map_or(&[][..], |domain| &domain.platforms);
            let places = (0..).zip(catalog.platforms());
            let bits = places
                .filter(|(_, (key, _))| served.contains(key))
                .map(|(place, _): (u32, _)| 1_u64 << place);
            book.served = bits.sum();
        }
    }

    /// The first end of a day by the calendars of the domains that are served; [`Millis::MAX`] where there is none.
    pub(super) fn calendars_until(&self) -> Millis {
        let served = self.0.iter().filter(|book| book.served != 0);
        served.filter_map(|book| book.calendar).map(|calendar| calendar.until_ms).min().unwrap_or(Millis::MAX)
    }

    /// Every domain with what outcomes depend on.
    pub(super) fn domains(&self) -> Vec<DomainSettings> {
        let domain = |book: &Book| DomainSettings {
            name: book.name.clone(),
            currency: book.currency,
            calendar: book.calendar,
        };
        self.0.iter().map(domain).collect()
    }

    /// What players hold together, by domain, minor units; the house account is its negative.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&str, Currency, i128)> {
        self.0.iter().map(|book| (book.name.as_str(), book.currency, book.players))
    }
}
