//! The books of the domains: what the house owes, against what the players of this shard hold.
//!
//! Money moves in two entries, one in a player's cash and one in the domain's house account, so that the sum over
//! all accounts of a domain is zero at every sequence.

use compact_str::CompactString;

use super::amount::Amount;
use super::catalog::Catalog;
use super::currency::Currency;
use super::settings::{CurrencyChanged, Settings};

/// A domain's place in its wallet's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DomainId(u16);

/// The book of one domain.
#[derive(Debug)]
pub(super) struct Book {
    name: CompactString,
    currency: Currency,
    /// Platforms that it is served to, one bit each; all of them during a replay.
    served: u64,
    /// The house account, minor units: never above zero, since the house owes what players hold.
    house: i128,
    /// What players of this shard hold together, minor units.
    players: i128,
}

impl Book {
    pub(super) const fn currency(&self) -> Currency {
        self.currency
    }

    pub(super) const fn serves(&self, platform: super::PlatformId) -> bool {
        self.served >> platform.index() & 1 == 1
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

    /// Opens a book for each domain that has none yet. Says whether there was one.
    pub(super) fn open(&mut self, settings: &Settings) -> Result<bool, CurrencyChanged> {
        for (name, currency) in &settings.domains {
            let known = self.0.iter().find(|book| book.name == *name);
            if let Some(book) = known.filter(|book| book.currency != *currency) {
                return Err(CurrencyChanged { domain: name.clone(), was: book.currency, is: *currency });
            }
        }
        let before = self.0.len();
        for (name, currency) in &settings.domains {
            if !self.0.iter().any(|book| book.name == *name) {
                assert!(self.0.len() < usize::from(u16::MAX), "domains are counted in 16 bits");
                let (name, currency) = (name.clone(), *currency);
                self.0.push(Book { name, currency, served: u64::MAX, house: 0, players: 0 });
            }
        }
        Ok(self.0.len() > before)
    }

    /// Serves each domain to those platforms that the catalog says, and none that the catalog does not have.
    pub(super) fn serve(&mut self, catalog: &Catalog) {
        for book in &mut self.0 {
            book.served = catalog.domain(&book.name).map_or(0, super::Domain::platforms);
        }
    }

    /// Every domain with its currency.
    pub(super) fn domains(&self) -> Vec<(CompactString, Currency)> {
        self.0.iter().map(|book| (book.name.clone(), book.currency)).collect()
    }

    /// What players hold together, by domain, minor units; the house account is its negative.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&str, Currency, i128)> {
        self.0.iter().map(|book| (book.name.as_str(), book.currency, book.players))
    }
}
