//! What the configuration says that answers depend on, and the small words that all the rules use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use compact_str::CompactString;
use wallet::amount::{Amount, Money};
use wallet::operation::{self, Operation, Play};
use wallet::outcome::{ErrorCode, OperatorRefusal, Outcome, Why};
use wallet::{Currency, Dialect, PlatformKey, TokenPolicy};

use super::bounds;
use super::period::Zone;

/// What a request is answered.
pub type Answer = Outcome<CompactString>;

/// The most that one request may name, in minor units (protocol §2).
const AMOUNT_MINOR_MAX: i128 = 1_000_000_000_000_000;

/// The most that an account may hold, in minor units (protocol §2).
pub(super) const CASH_MINOR_MAX: i128 = i64::MAX as i128;

/// One brand of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    /// The currency of all its accounts.
    pub currency: Currency,
    /// The platforms that it is served to.
    pub platforms: Vec<PlatformKey>,
    /// Where its days begin.
    pub zone: Zone,
}

/// For how long things are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Idle time of a session, milliseconds.
    pub session_idle_ms: u64,
    /// Time that a closed round is remembered after its last transaction, milliseconds.
    pub retention_ms: u64,
}

impl Times {
    /// Whether a session that was used last at `used_ms` is over.
    pub(super) const fn is_session_over(self, used_ms: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(used_ms) >= self.session_idle_ms
    }

    /// Whether a session that was used last at `used_ms` is not remembered any more: it expired a day ago.
    pub(super) const fn is_session_past(self, used_ms: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(used_ms) >= self.session_idle_ms + bounds::SESSION_REMEMBERED_MS
    }

    /// Whether what was touched last at `last_ms` is past the retention.
    pub(super) const fn has_passed(self, last_ms: u64, now_ms: u64) -> bool {
        now_ms >= last_ms + self.retention_ms
    }
}

/// The configuration that an auditor judges by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Domains by name.
    pub domains: BTreeMap<String, Brand>,
    /// The games that the operator offers.
    pub games: BTreeSet<String>,
    /// What each platform speaks (protocol §4, Dialects).
    pub dialects: BTreeMap<PlatformKey, Dialect>,
    /// Life of a session token, milliseconds.
    pub token_life_ms: u64,
    /// For how long things are remembered.
    pub times: Times,
}

impl Rules {
    /// The domain of `domain/player`.
    pub(super) fn brand(&self, account: &str) -> Option<&Brand> {
        let (domain, player) = account.split_once('/')?;
        if player.is_empty() { None } else { self.domains.get(domain) }
    }

    /// Whether the account's domain is known and served to `platform`.
    pub fn serves(&self, platform: PlatformKey, account: &str) -> bool {
        self.brand(account).is_some_and(|brand| brand.platforms.contains(&platform))
    }

    /// What the platform speaks.
    pub fn dialect(&self, platform: PlatformKey) -> Dialect {
        self.dialects.get(&platform).copied().unwrap_or_default()
    }

    /// The request as its platform makes it under these rules; `None` where it does not make such a one any more.
    pub fn asked(&self, request: &Arc<Operation<CompactString>>) -> Option<Arc<Operation<CompactString>>> {
        let (scope, wanted) = match &**request {
            Operation::Play(Play { platform, scope, .. })
            | Operation::EndRound(operation::EndRound { platform, scope, .. }) => {
                (*scope, self.dialect(*platform).round_scope)
            }
            Operation::RedeemToken(operation::RedeemToken { platform, .. }) => {
                let single_use = self.dialect(*platform).token_policy == TokenPolicy::SingleUse;
                return single_use.then(|| Arc::clone(request));
            }
            Operation::RedeemWrapped(operation::RedeemWrapped { platform, .. }) => {
                let wrapped = self.dialect(*platform).token_policy == TokenPolicy::Wrapped;
                return wrapped.then(|| Arc::clone(request));
            }
            _ => return Some(Arc::clone(request)),
        };
        if scope == wanted {
            return Some(Arc::clone(request));
        }
        let mut asked = Operation::clone(request);
        if let Operation::Play(Play { scope, .. }) | Operation::EndRound(operation::EndRound { scope, .. }) =
            &mut asked
        {
            *scope = wanted;
        }
        Some(Arc::new(asked))
    }

    /// Where the days of the account's domain begin.
    pub(super) fn zone(&self, account: &str) -> Zone {
        self.brand(account).map_or(Zone::Utc, |brand| brand.zone)
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

/// The words of a refusal: they decide nothing, and two are equal whatever they say.
pub(super) const WORDS: Why = Why("");

/// A refusal of a platform's call, without funds.
pub(super) const fn refused(code: ErrorCode) -> Answer {
    Outcome::Refused { code, why: WORDS, balance: None }
}

/// A refusal of the operator's call.
pub(super) const fn refused_operator(why: OperatorRefusal) -> Answer {
    Outcome::OperatorRefused(why)
}

/// Whether `told` is a refusal with this code.
pub(super) const fn is_refused(told: Option<&Answer>, is: ErrorCode) -> bool {
    matches!(told, Some(Outcome::Refused { code, .. }) if code.number() == is.number())
}
