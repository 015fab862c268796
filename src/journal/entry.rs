//! The stored form of a change. Which members it has, and in which order, is the table of operations'; how each is stored is said
//! here, and its values are checked when they are read. A test holds the bytes: they must not change without a new format.

pub(super) mod read;

use alloc::boxed::Box;
use alloc::vec::Vec;
use rkyv::with::{AsString, Map};
use rkyv::{Archive, Serialize};

use wallet::account::{AccountRef, AccountStatus, Gender, Profile, Slot};
use wallet::amount::Money;
use wallet::currency::Currency;
use wallet::image::RoundImage;
use wallet::operation::{self, Direction, Operation, PlayKind};
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

/// As in format 1.
#[derive(Archive, Serialize)]
pub(super) struct StoredReceipt {
    code: i8,
    cash: i64,
    version: u64,
    session_used_ms: u64,
}

/// A text, as its bytes.
#[derive(Archive, Serialize)]
struct StoredText<'a>(#[rkyv(with = AsString)] &'a str);

/// How a member of a kind is stored: its type, how it is written, and how it is read ([`read`]). What is rare and large is boxed,
/// so that a bet does not take its room.
macro_rules! form {
    (type platform) => { StoredText<'a> };
    (type account) => { StoredText<'a> };
    (type round) => { StoredText<'a> };
    (type transaction) => { StoredText<'a> };
    (type credit_type) => { StoredText<'a> };
    (type game) => { StoredText<'a> };
    (type key) => { StoredText<'a> };
    (type alert_details) => { StoredText<'a> };
    (type optional_key) => { Option<StoredText<'a>> };
    (type original) => { Option<StoredText<'a>> };
    (type details) => { Option<StoredText<'a>> };
    (type play_kind) => { u8 };
    (type scope) => { bool };
    (type currency) => { Option<[u8; 3]> };
    (type amount) => { i64 };
    (type starts_round) => { bool };
    (type ends_round) => { bool };
    (type profile) => { Box<StoredProfile<'a>> };
    (type status) => { bool };
    (type direction) => { bool };
    (type money) => { StoredMoney };
    (type limits) => { Box<StoredLimits> };
    (type used_at) => { u64 };
    (type round_image) => { Box<RoundImage> };

    (write platform $of:expr) => { StoredText(platform_text(&$of)) };
    (write account $of:expr) => { StoredText($of.id()) };
    (write optional_key $of:expr) => { $of.map(StoredText) };
    (write original $of:expr) => { $of.map(StoredText) };
    (write details $of:expr) => { $of.map(StoredText) };
    (write play_kind $of:expr) => {
        match $of {
            PlayKind::Bet => 0,
            PlayKind::Win => 1,
            PlayKind::Rollback => 2,
            PlayKind::Void => 3,
        }
    };
    // Whether the round is known by its game, too.
    (write scope $of:expr) => { $of == RoundScope::Game };
    (write currency $of:expr) => { $of.map(code) };
    (write amount $of:expr) => { $of.minor() };
    (write starts_round $of:expr) => { $of };
    (write ends_round $of:expr) => { $of };
    (write profile $of:expr) => { Box::new(StoredProfile::new(&$of)) };
    (write status $of:expr) => { $of == AccountStatus::Frozen };
    (write direction $of:expr) => { $of == Direction::In };
    (write money $of:expr) => { StoredMoney::new($of) };
    (write limits $of:expr) => { Box::new(StoredLimits::new(&$of)) };
    (write used_at $of:expr) => { $of };
    (write round_image $of:expr) => { $of.clone() };
    (write $text:ident $of:expr) => { StoredText($of) };

    (read platform $of:expr) => { read::platform(&$of.0)? };
    (read account $of:expr) => { AccountRef::new($of.0.as_str()) };
    (read optional_key $of:expr) => { read::text($of) };
    (read original $of:expr) => { read::text($of) };
    (read details $of:expr) => { read::text($of) };
    (read play_kind $of:expr) => { read::play_kind(*$of)? };
    (read scope $of:expr) => { if *$of { RoundScope::Game } else { RoundScope::Platform } };
    (read currency $of:expr) => { read::optional_currency($of)? };
    (read amount $of:expr) => { read::amount($of.to_native())? };
    (read starts_round $of:expr) => { *$of };
    (read ends_round $of:expr) => { *$of };
    (read profile $of:expr) => { Box::new($of.read()?) };
    (read status $of:expr) => { if *$of { AccountStatus::Frozen } else { AccountStatus::Active } };
    (read direction $of:expr) => { if *$of { Direction::In } else { Direction::Out } };
    (read money $of:expr) => { $of.read()? };
    (read limits $of:expr) => { Box::new($of.read()?) };
    (read used_at $of:expr) => { $of.to_native() };
    (read round_image $of:expr) => { read::round(&**$of)? };
    (read $text:ident $of:expr) => { $of.0.as_str() };
}

macro_rules! entries {
    ($(
        (journaled $by:ident
            $(#[$doc:meta])*
            $Name:ident<$($s:ident)?> $words:tt $class:ident at $slot:ident, $way:ident
            $(by $calls:tt)?
            $(with $with:tt)?
            { $($(#[$field_doc:meta])* $field:ident: $type:ty as $kind:ident $(= $json:tt)?;)* }
            $(without { $($(#[$other_doc:meta])* $other:ident: $other_type:ty as $other_kind:ident = $default:expr;)* })?
            $(checks $checks:tt)?)
    )*) => {
        /// What a record holds, member by member. Its order is the stored form.
        #[derive(Archive, Serialize)]
        enum Entry<'a> {
            $($Name { $($field: form!(type $kind)),* },)*
            Configure(StoredSettings<'a>),
        }

        impl<'a> Entry<'a> {
            /// The stored form of an operation; `None` where it is not journaled.
            fn new(operation: &'a Operation<&'a str>) -> Option<Self> {
                Some(match operation {
                    $(Operation::$Name(of) => Self::$Name { $($field: form!(write $kind of.$field)),* },)*
                    _ => return None,
                })
            }
        }

        impl ArchivedEntry<'_> {
            /// The operation, with its strings where they lie.
            fn operation(&self) -> Result<Operation<&str>, Invalid> {
                Ok(match self {
                    $(Self::$Name { $($field),* } => Operation::$Name(operation::$Name {
                        $($field: form!(read $kind $field),)*
                        $($($other: $default,)*)?
                    }),)*
                    Self::Configure(_) => return Err("settings are no operation"),
                })
            }
        }
    };
}

protocol::records! { entries }

/// As in format 1.
#[derive(Archive, Serialize)]
pub(super) struct StoredProfile<'a> {
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

/// As in format 1.
#[derive(Archive, Serialize)]
pub(super) struct StoredMoney {
    digits: u64,
    exponent: i8,
}

/// As in format 1.
#[derive(Archive, Serialize)]
pub(super) struct StoredLimits {
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
    hot_ms: u64,
    cold_until_ms: u64,
    forgotten_until_ms: u64,
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
        let entry = Entry::new(operation);
        let entry = entry.unwrap_or_else(|| panic!("an operation that is not journaled: {operation:?}"));
        Self { receipt: StoredReceipt::new(receipt), entry }
    }

    pub(super) fn settings(settings: &'a Settings) -> Self {
        let receipt = StoredReceipt::new(&Receipt::default());
        Self { receipt, entry: Entry::Configure(StoredSettings::new(settings)) }
    }
}

impl StoredReceipt {
    pub(super) const fn new(receipt: &Receipt) -> Self {
        Self {
            code: receipt.code,
            cash: receipt.cash.minor(),
            version: receipt.version,
            session_used_ms: receipt.session_used_ms,
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
            hot_ms: settings.hot_ms,
            cold_until_ms: settings.cold_until_ms,
            forgotten_until_ms: settings.forgotten_until_ms,
            domains: settings.domains.iter().map(domain).collect(),
        }
    }
}

/// A platform that asks has a key.
fn platform_text(platform: &PlatformKey) -> &str {
    platform.text().expect("places in a configuration are version 0.1.0's alone")
}

fn code(currency: Currency) -> [u8; 3] {
    currency.code().as_bytes().try_into().expect("a currency's code has three letters")
}
