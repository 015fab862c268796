//! What the configuration says that answers depend on, and the small words that all the rules use.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use purser::wallet::amount::{Amount, Money};
use purser::wallet::outcome::{ErrorCode, OperatorRefusal, Outcome};
use purser::wallet::{Currency, PlatformId, TokenPolicy};

/// What a request is answered.
pub(crate) type Answer = Outcome<CompactString>;

/// The most that one request may name, in minor units (protocol §2).
const AMOUNT_MINOR_MAX: i128 = 1_000_000_000_000_000;

/// The most that an account may hold, in minor units (protocol §2).
pub(super) const CASH_MINOR_MAX: i128 = i64::MAX as i128;

/// One brand of the operator.
#[derive(Clone, Debug)]
pub(crate) struct Brand {
    /// The currency of all its accounts.
    pub(crate) currency: Currency,
    /// The platforms that it is served to.
    pub(crate) platforms: Vec<PlatformId>,
}

/// The configuration that an auditor judges by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Domains by name.
    pub(crate) domains: BTreeMap<String, Brand>,
    /// The games that the operator offers.
    pub(crate) games: BTreeSet<String>,
    /// How session tokens are made.
    pub(crate) token_policy: TokenPolicy,
    /// Life of a session token, milliseconds.
    pub(crate) token_life_ms: u64,
    /// Idle time of a session, milliseconds.
    pub(crate) session_idle_ms: u64,
    /// Time that a closed round is remembered after its last transaction, milliseconds.
    pub(crate) retention_ms: u64,
}

impl Rules {
    /// The domain of `domain/player`.
    pub(super) fn brand(&self, account: &str) -> Option<&Brand> {
        let (domain, player) = account.split_once('/')?;
        if player.is_empty() { None } else { self.domains.get(domain) }
    }

    /// Whether the account's domain is known and served to `platform`.
    pub(super) fn serves(&self, platform: PlatformId, account: &str) -> bool {
        self.brand(account).is_some_and(|brand| brand.platforms.contains(&platform))
    }
}

/// Minor units of an amount.
pub(super) fn minor(amount: Amount) -> i128 {
    i128::from(amount.minor())
}

/// An amount of so many minor units.
///
/// # Panics
/// Where no account can hold it.
pub(super) fn amount(minor: i128) -> Amount {
    let minor =
        i64::try_from(minor).expect("what is kept was checked against the most that an account may hold");
    Amount::from_minor(minor).expect("what is kept is not negative")
}

/// Minor units of money whose currency was not known when it was read; `None` where it is no money of `currency`.
pub(super) fn minor_of_money(money: Money, currency: Currency) -> Option<i128> {
    let (digits, exponent) = money.parts();
    if digits == 0 {
        return Some(0);
    }
    let shift = i32::from(exponent) + i32::from(currency.minor_digits());
    // Its digits don't end in a zero, so that a negative power leaves a fraction.
    let shift = u32::try_from(shift).ok()?;
    let minor = i128::from(digits).checked_mul(10_i128.checked_pow(shift)?)?;
    (minor <= AMOUNT_MINOR_MAX).then_some(minor)
}

/// A refusal of a platform's call, without funds.
pub(super) const fn refused(code: ErrorCode) -> Answer {
    Outcome::Refused { code, balance: None }
}

/// A refusal of the operator's call.
pub(super) const fn refused_operator(why: OperatorRefusal) -> Answer {
    Outcome::OperatorRefused(why)
}

/// Whether `told` is a refusal with this code.
pub(super) const fn is_refused(told: Option<&Answer>, is: ErrorCode) -> bool {
    matches!(told, Some(Outcome::Refused { code, .. }) if code.number() == is.number())
}
