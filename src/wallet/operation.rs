//! What can be asked of a wallet.
//!
//! An operation is generic over its strings: borrowed from the request on the core that received it
//! (`Operation<&str>`), owned where it crosses to another core (`Operation<CompactString>`). Time is not in
//! it; it comes with the batch. Randomness is in it, so that applying is deterministic.
//!
//! What follows from the table of operations ([`protocol`]) is here: a struct for each, and the enum of them. Requests and the
//! steps that follow from them are one enum, since they are routed, sent over a lane and applied alike.

use super::account::{AccountHash, AccountRef, AccountStatus, KeyHash, Profile, Slot};
use super::amount::{Amount, Money};
use super::currency::Currency;
use super::image::RoundImage;
use super::platform::{PlatformKey, RoundScope};
use super::restriction::Restrictions;
use super::token::TokenId;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Which of the calls that move a round's funds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlayKind {
    /// `placebet`
    Bet,
    /// `awardwinnings`
    Win,
    /// `rollbackbet`
    Rollback,
    /// `voidbet`
    Void,
}

impl PlayKind {
    /// The call's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bet => "placebet",
            Self::Win => "awardwinnings",
            Self::Rollback => "rollbackbet",
            Self::Void => "voidbet",
        }
    }
}

/// Whether money comes into an account or goes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A deposit.
    In,
    /// A withdrawal.
    Out,
}

/// Why a claim was released, and so what the waiting request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The session was there already, and so was its claim.
    Opened,
    /// The session has ended.
    Closed,
    /// The session could not start: there is no such account.
    NoAccount,
    /// The key was another account's, whose session is over: it is free from now on.
    Freed,
    /// Nobody waits: an expired session was swept, or a session was evicted.
    Swept,
}

/// A member of an operation, as it is told in words; in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member<'a> {
    /// Which of a round's calls.
    PlayKind(PlayKind),
    /// Deposit or withdrawal.
    Direction(Direction),
    /// The account's id.
    Account(&'a str),
    /// A session's key, which is a secret.
    Key(&'a str),
    /// `GameRoundID`.
    Round(&'a str),
    /// The id of a transaction of a round, of a credit, or of a transfer.
    Transaction(&'a str),
    /// `CurrencyCode`, of the amount that follows.
    Currency(Currency),
    /// An amount in minor units.
    Amount(Amount),
    /// An amount whose currency is the account's.
    Money(Money),
    /// The id of the bet that is taken back.
    Original(&'a str),
    /// `AccountTransactionTypeID`.
    CreditType(&'a str),
    /// `GameID`.
    Game(&'a str),
    /// Who asks.
    Platform(PlatformKey),
    /// The round begins with it.
    StartsRound,
    /// The round ends with it.
    EndsRound,
    /// The account's new profile.
    Profile(&'a Profile),
    /// The account's new status.
    Status(AccountStatus),
    /// The account's new limits.
    Limits(&'a Restrictions<Money>),
    /// The last use of a session, milliseconds since 1970.
    UsedAt(u64),
    /// Members that are recorded and move nothing, as a JSON object.
    Details(&'a str),
}

impl Member<'_> {
    /// Its place in the order in which members are told.
    fn rank(&self) -> usize {
        match self {
            Self::PlayKind(_) | Self::Direction(_) => 0,
            Self::Account(_) => 1,
            Self::Key(_) | Self::Round(_) => 2,
            Self::Transaction(_) => 3,
            Self::Currency(_) => 4,
            Self::Amount(_) | Self::Money(_) => 5,
            Self::Original(_) | Self::CreditType(_) => 6,
            Self::Game(_) => 7,
            Self::Platform(_) => 8,
            _ => 9,
        }
    }
}

/// What a member's kind stands for: how it is copied with other strings, and how it is told; and what the other words of a
/// row do.
macro_rules! member {
    (map account $of:expr, $f:ident) => {
        $of.map($f)
    };
    (map other_account $of:expr, $f:ident) => {
        $of.map($f)
    };
    (map round $of:expr, $f:ident) => {
        $f(&$of)
    };
    (map transaction $of:expr, $f:ident) => {
        $f(&$of)
    };
    (map credit_type $of:expr, $f:ident) => {
        $f(&$of)
    };
    (map game $of:expr, $f:ident) => {
        $f(&$of)
    };
    (map key $of:expr, $f:ident) => {
        $f(&$of)
    };
    (map alert_details $of:expr, $f:ident) => {
        $f(&$of)
    };
    (map original $of:expr, $f:ident) => {
        $of.as_ref().map($f)
    };
    (map optional_game $of:expr, $f:ident) => {
        $of.as_ref().map($f)
    };
    (map optional_key $of:expr, $f:ident) => {
        $of.as_ref().map($f)
    };
    (map details $of:expr, $f:ident) => {
        $of.as_ref().map($f)
    };
    (map play $of:expr, $f:ident) => {
        Box::new($of.with_text($f))
    };
    (map round_image $of:expr, $f:ident) => {
        $of.clone()
    };
    (map profile $of:expr, $f:ident) => {
        $of.clone()
    };
    (map limits $of:expr, $f:ident) => {
        $of.clone()
    };
    (map $other:ident $of:expr, $f:ident) => {
        $of
    };

    (tell platform $of:expr) => {
        Some(Member::Platform($of))
    };
    (tell account $of:expr) => {
        Some(Member::Account($of.id()))
    };
    (tell play_kind $of:expr) => {
        Some(Member::PlayKind($of))
    };
    (tell direction $of:expr) => {
        Some(Member::Direction($of))
    };
    (tell round $of:expr) => {
        Some(Member::Round($of.as_ref()))
    };
    (tell round_image $of:expr) => {
        Some(Member::Round($of.id.as_str()))
    };
    (tell transaction $of:expr) => {
        Some(Member::Transaction($of.as_ref()))
    };
    (tell credit_type $of:expr) => {
        Some(Member::CreditType($of.as_ref()))
    };
    (tell game $of:expr) => {
        Some(Member::Game($of.as_ref()))
    };
    (tell key $of:expr) => {
        Some(Member::Key($of.as_ref()))
    };
    (tell alert_details $of:expr) => {
        Some(Member::Details($of.as_ref()))
    };
    (tell original $of:expr) => {
        $of.as_ref().map(|id| Member::Original(id.as_ref()))
    };
    (tell optional_game $of:expr) => {
        $of.as_ref().map(|id| Member::Game(id.as_ref()))
    };
    (tell details $of:expr) => {
        $of.as_ref().map(|text| Member::Details(text.as_ref()))
    };
    (tell amount $of:expr) => {
        Some(Member::Amount($of))
    };
    (tell currency $of:expr) => {
        $of.map(Member::Currency)
    };
    (tell money $of:expr) => {
        Some(Member::Money($of))
    };
    (tell starts_round $of:expr) => {
        $of.then_some(Member::StartsRound)
    };
    (tell ends_round $of:expr) => {
        $of.then_some(Member::EndsRound)
    };
    (tell profile $of:expr) => {
        Some(Member::Profile(&$of))
    };
    (tell status $of:expr) => {
        Some(Member::Status($of))
    };
    (tell limits $of:expr) => {
        Some(Member::Limits(&$of))
    };
    (tell used_at $of:expr) => {
        Some(Member::UsedAt($of))
    };
    // What only says where an operation goes, or how it is read, is not told; nor is the key of a round's session, which the
    // request that is told of does not depend on once it is done.
    (tell $other:ident $of:expr) => {
        None
    };

    (slot account $of:expr) => {
        $of.account.hash().slot()
    };
    (slot holder $of:expr) => {
        $of.holder.slot()
    };
    (slot key $of:expr) => {
        KeyHash::of($of.key.as_ref()).slot()
    };
    (slot token $of:expr) => {
        $of.token.slot()
    };
    (slot session $of:expr) => {
        $of.play.session_key().slot()
    };

    (is_write writes) => {
        true
    };
    (is_write reads) => {
        false
    };
    (is_write goes) => {
        false
    };

    (goes_on ends $of:expr) => {
        false
    };
    (goes_on goes_on $of:expr) => {
        true
    };
    (goes_on may_go_on $of:expr) => {
        $of.may_go_on()
    };
}

/// The member of a kind of an operation, where it has one.
macro_rules! find {
    (account $of:ident { $field:ident: account; $($rest:tt)* }) => { Some(&$of.account) };
    (platform $of:ident { $field:ident: platform; $($rest:tt)* }) => { Some($of.platform) };
    (transaction $of:ident { $field:ident: transaction; $($rest:tt)* }) => { Some($of.transaction.as_ref()) };
    (transaction $of:ident { $field:ident: play; $($rest:tt)* }) => { Some($of.play.transaction.as_ref()) };
    (key $of:ident { $field:ident: key; $($rest:tt)* }) => { Some($of.key.as_ref()) };
    ($kind:ident $of:ident { $field:ident: $other:ident; $($rest:tt)* }) => { find!($kind $of { $($rest)* }) };
    ($kind:ident $of:ident {}) => { None };
}

/// An operation's struct with strings of another type.
trait WithText<'a, S: 'a, T> {
    type With;
    fn with_text(&'a self, f: &impl Fn(&'a S) -> T) -> Self::With;
}

/// In place of the strings of a struct that has any.
macro_rules! other_text {
    ($s:ident) => {
        T
    };
}

macro_rules! operations {
    ($(
        ($stored:ident $by:ident
            $(#[$doc:meta])*
            $Name:ident<$($s:ident)?> [$label:literal $noun:literal] $class:ident at $slot:ident, $way:ident
            $(by $calls:tt)?
            $(with $with:tt)?
            { $($(#[$field_doc:meta])* $field:ident: $type:ty as $kind:ident $(= $json:tt)?;)* }
            $(without { $($(#[$other_doc:meta])* $other:ident: $other_type:ty as $other_kind:ident = $default:expr;)* })?
            $(checks $checks:tt)?)
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $Name$(<$s>)? {
                $($(#[$field_doc])* pub $field: $type,)*
                $($($(#[$other_doc])* pub $other: $other_type,)*)?
            }

            #[allow(unused_variables)]
            impl<'a, S: AsRef<str> + 'a, T> WithText<'a, S, T> for $Name$(<$s>)? {
                type With = $Name$(<other_text!($s)>)?;

                fn with_text(&'a self, f: &impl Fn(&'a S) -> T) -> Self::With {
                    $Name {
                        $($field: member!(map $kind self.$field, f),)*
                        $($($other: self.$other,)*)?
                    }
                }
            }

            impl<S> From<$Name$(<$s>)?> for Operation<S> {
                fn from(operation: $Name$(<$s>)?) -> Self {
                    Self::$Name(operation)
                }
            }
        )*

        /// One request to a wallet, decoded and authenticated; or a step that the wallet itself asks for
        /// ([`Outcome::Next`](super::outcome::Outcome::Next)), where a request concerns more than one slot.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Operation<S> {
            $($(#[$doc])* $Name($Name$(<$s>)?),)*
        }

        impl<S: AsRef<str>> Operation<S> {
            /// The same operation with every string passed through `f`; used with `CompactString::from` for a lane.
            pub fn map<'a, T>(&'a self, f: impl Fn(&'a S) -> T) -> Operation<T> {
                match self {
                    $(Self::$Name(of) => Operation::$Name(of.with_text(&f)),)*
                }
            }

            /// The slot that owns what this operation is about.
            pub fn slot(&self) -> Slot {
                match self {
                    $(Self::$Name(of) => member!(slot $slot of),)*
                }
            }

            /// Whether the operation changes what is journaled, where it succeeds; so it is refused while nothing can be.
            /// The renewal of a session by `redeemtoken` counts: it is journaled within a minute (protocol §5). A step of
            /// what was let in goes on.
            pub const fn is_write(&self) -> bool {
                match self {
                    $(Self::$Name(_) => member!(is_write $class),)*
                }
            }

            /// The id of the account that it names; `None` where it knows a key, a token, or a hash only.
            pub fn account_id(&self) -> Option<&str> {
                self.account().map(AccountRef::id)
            }

            /// The account that it names; `None` likewise.
            #[expect(unused_variables, reason = "not every operation names one")]
            pub const fn account(&self) -> Option<&AccountRef<S>> {
                match self {
                    $(Self::$Name(of) => find!(account of { $($field: $kind;)* }),)*
                }
            }

            /// The platform that asks; `None` where none does.
            #[expect(unused_variables, reason = "not every operation has one")]
            pub fn platform(&self) -> Option<PlatformKey> {
                match self {
                    $(Self::$Name(of) => find!(platform of { $($field: $kind;)* }),)*
                }
            }

            /// The id of its transaction, where it has one.
            #[expect(unused_variables, reason = "not every operation has one")]
            pub fn transaction(&self) -> Option<&str> {
                match self {
                    $(Self::$Name(of) => find!(transaction of { $($field: $kind;)* }),)*
                }
            }

            /// The session key that it is about, where there is one. That of a round's session is not.
            #[expect(unused_variables, reason = "not every operation has one")]
            pub fn key(&self) -> Option<&str> {
                match self {
                    $(Self::$Name(of) => find!(key of { $($field: $kind;)* }),)*
                }
            }

            /// What it is in words: as `explain` names it, and as a sentence about damage does. Both are empty where
            /// its kind or its direction, the first of its [`members`](Self::members), names it.
            pub const fn words(&self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$Name(_) => ($label, $noun),)*
                }
            }

            /// Whether a further step may follow at another slot.
            #[expect(unused_variables, reason = "few operations decide it themselves")]
            pub const fn may_go_on(&self) -> bool {
                match self {
                    $(Self::$Name(of) => member!(goes_on $way of),)*
                }
            }

            /// Its members that can be told, in the order in which they are.
            #[expect(unused_variables, reason = "some have none of them")]
            pub fn members(&self) -> Vec<Member<'_>> {
                let mut members: Vec<_> = match self {
                    $(Self::$Name(of) => [$(member!(tell $kind of.$field)),*].into_iter().flatten().collect(),)*
                };
                members.sort_by_key(Member::rank);
                members
            }
        }
    };
}

protocol::operations! { operations }

impl<S: AsRef<str>> Operation<S> {
    /// The same operation with its strings borrowed.
    pub fn as_deref(&self) -> Operation<&str> {
        self.map(AsRef::as_ref)
    }
}

impl<S: AsRef<str>> Play<S> {
    /// The same transaction with every string passed through `f`.
    pub fn map<'a, T>(&'a self, f: impl Fn(&'a S) -> T) -> Play<T> {
        self.with_text(&f)
    }

    /// Winnings whose session is another account's, or nobody's, are looked for at other slots.
    const fn may_go_on(&self) -> bool {
        matches!(self.kind, PlayKind::Win) && self.session.is_some() && !self.session_checked
    }

    /// The key of its session.
    ///
    /// # Panics
    /// Where it has none; a holder is looked for by it.
    fn session_key(&self) -> KeyHash {
        KeyHash::of(self.session.as_ref().expect("a holder is looked for by its session").as_ref())
    }
}
