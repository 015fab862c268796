//! An account: a player of a domain, its cash, and its sessions.

use compact_str::CompactString;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Seed of the hash that gives accounts and session keys their slots. It is part of what is stored: changing it
/// would move every account.
const HASH_SEED: u64 = 0x7075_7273_6572_3031;

/// One of [`limits::SLOTS`] parts of the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// Slot number `index`; `None` where there is no such slot.
    pub const fn new(index: u16) -> Option<Self> {
        if (index as usize) < limits::SLOTS { Some(Self(index)) } else { None }
    }

    /// The slot's number, below [`limits::SLOTS`].
    pub const fn index(self) -> u16 {
        self.0
    }

    const fn of_hash(hash: u64) -> Self {
        // The middle bits: a hash table takes its buckets from the lowest and its tags from the highest.
        Self(((hash >> 32) as usize % limits::SLOTS) as u16)
    }
}

macro_rules! hash_of_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(u64);

        impl $name {
            /// The XXH3 hash, 64 bits, of the text.
            pub fn of(text: &str) -> Self {
                Self(xxh3_64_with_seed(text.as_bytes(), HASH_SEED))
            }

            /// The slot that owns it.
            pub const fn slot(self) -> Slot {
                Slot::of_hash(self.0)
            }

            /// The bits, for a hash table.
            pub const fn bits(self) -> u64 {
                self.0
            }
        }
    };
}

hash_of_text! {
    /// Hash of an `OperatorAccountID`. It gives the account's slot and its bucket in the shard's table.
    AccountHash
}
hash_of_text! {
    /// Hash of a session key. It gives the slot whose directory says which account holds the session.
    KeyHash
}

impl AccountHash {
    /// Bits that do not follow from the slot: in a shard's table they tell its accounts from nearly all others.
    pub(super) const fn tag(self) -> u32 {
        self.0 as u32
    }
}

/// An `OperatorAccountID`, `domain/player`, with its hash, which is computed once for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRef<S> {
    id: S,
    hash: AccountHash,
}

impl<S: AsRef<str>> AccountRef<S> {
    /// The account with this id.
    pub fn new(id: S) -> Self {
        Self { hash: AccountHash::of(id.as_ref()), id }
    }

    /// `domain/player`.
    pub fn id(&self) -> &str {
        self.id.as_ref()
    }

    /// The hash of the id.
    pub const fn hash(&self) -> AccountHash {
        self.hash
    }

    /// The same account with its id passed through `f`, which keeps the text as it is.
    pub fn map<'a, T>(&'a self, f: impl FnOnce(&'a S) -> T) -> AccountRef<T> {
        AccountRef { id: f(&self.id), hash: self.hash }
    }
}

/// Whether an account may play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountStatus {
    /// It may.
    #[default]
    Active,
    /// It may not (-4) until the operator sets it active again.
    Frozen,
}

/// What the operator says of a player; what `redeemtoken` tells the platform (protocol §3, §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// ISO 3166, two letters.
    pub country: [u8; 2],
    /// `M` or `F`.
    pub gender: Option<Gender>,
    /// Date of birth.
    pub born: Option<Date>,
    /// `UserName`, `OperatorUserName` to platforms.
    pub user_name: Option<CompactString>,
    /// `DisplayName`, `OperatorDisplayName` to platforms.
    pub display_name: Option<CompactString>,
    /// `City`.
    pub city: Option<CompactString>,
}

impl Profile {
    /// A player of whom the country is known and nothing else.
    pub const fn of(country: [u8; 2]) -> Self {
        Self { country, gender: None, born: None, user_name: None, display_name: None, city: None }
    }

    /// The country's two letters.
    pub fn country_code(&self) -> &str {
        core::str::from_utf8(&self.country).expect("two ASCII letters, checked on the way in")
    }
}

/// `Gender` (protocol §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gender {
    /// `F`
    Female,
    /// `M`
    Male,
}

/// A calendar date of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to the month's days.
    pub day: u8,
}

impl Date {
    /// The date; `None` where the calendar has no such day.
    pub const fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            _ => return None,
        };
        if year == 0 || year > 9999 || day == 0 || day > days {
            return None;
        }
        Some(Self { year, month, day })
    }
}
