//! The bodies of the platforms' calls, out of the table of operations: a struct for each operation, generic over the call, since
//! calls differ in what they need; its reader; and how its members become the operation's.

use alloc::borrow::Cow;

use serde::de::MapAccess;

use super::{Given, TIMESTAMP_CHARS_MAX, amount};
use crate::call::Call;
use crate::jackpot::Jackpot;
use crate::members::{BodyFault, MemberSlot, Need, Object, Others, Reading, Sentences, bound};
use crate::text::Members;
use wallet::account::AccountRef;
use wallet::amount::Money;
use wallet::currency::Currency;
use wallet::operation::{self, Operation, PlayKind};

/// The need of `call` for a member, by the rows of its table: the first that is for all calls, or for this one.
const fn need(call: Call, rows: &[(Need, &[Call])]) -> Need {
    let mut at = 0;
    while at < rows.len() {
        let (need, calls) = rows[at];
        let mut of = 0;
        while of < calls.len() && calls[of].index() != call.index() {
            of += 1;
        }
        if calls.is_empty() || of < calls.len() {
            return need;
        }
        at += 1;
    }
    Need::Absent
}

macro_rules! need {
    ($call:ident: $($need:ident $(in $($in:ident)+)?),+) => {
        const { need(Call::ALL[$call], &[$((need!($need), &[$($(Call::$in),+)?])),+]) }
    };
    (required) => { Need::Required };
    (optional) => { Need::Optional };
    (blank) => { Need::Blank };
}

/// What the kind of a member stands for in a body: its type, how its slot is emptied, and how it becomes the operation's.
macro_rules! member {
    (type starts_round) => { bool };
    (type ends_round) => { bool };
    (type amount) => { Money };
    (type money) => { Option<Money> };
    (type jackpot) => { Option<Jackpot> };
    (type text) => { Option<Cow<'de, str>> };
    (type optional_game) => { Option<Cow<'de, str>> };
    (type optional_key) => { Option<Cow<'de, str>> };
    (type original) => { Option<Cow<'de, str>> };
    (type $text:ident) => { Cow<'de, str> };

    (take starts_round $($rest:tt)*) => { member!(optional $($rest)*).unwrap_or(false) };
    (take text $($rest:tt)*) => { member!(optional $($rest)*) };
    (take money $($rest:tt)*) => { member!(optional $($rest)*) };
    (take jackpot $($rest:tt)*) => { member!(optional $($rest)*) };
    (take optional_game $($rest:tt)*) => { member!(optional $($rest)*) };
    (take optional_key $($rest:tt)*) => { member!(optional $($rest)*) };
    (take original $($rest:tt)*) => { member!(optional $($rest)*) };
    (take $kind:ident $slot:ident, $need:expr, $sentences:expr, $reading:ident) => {
        $slot.required($sentences, $reading)?
    };
    (optional $slot:ident, $need:expr, $sentences:expr, $reading:ident) => {
        $slot.optional($need, $sentences, $reading)?
    };

    (of platform $body:ident $field:ident $given:ident $currency:ident $details:ident) => { $given.platform };
    (of scope $body:ident $field:ident $given:ident $currency:ident $details:ident) => { $given.scope };
    (of details $body:ident $field:ident $given:ident $currency:ident $details:ident) => { $details };
    (of alert_details $body:ident $field:ident $given:ident $currency:ident $details:ident) => {
        $details.expect("an alert has members")
    };
    (of entropy $body:ident $field:ident $given:ident $currency:ident $details:ident) => { $given.entropy };
    (of token $body:ident $field:ident $given:ident $currency:ident $details:ident) => { $given.token.expect("it was parsed") };
    (of play_kind $body:ident $field:ident $given:ident $currency:ident $details:ident) => { const { play_kind(Call::ALL[CALL]) } };
    (of session_checked $body:ident $field:ident $given:ident $currency:ident $details:ident) => { false };
    (of currency $body:ident $field:ident $given:ident $currency:ident $details:ident) => { $currency };
    (of account $body:ident $field:ident $given:ident $currency:ident $details:ident) => { AccountRef::new($body.$field) };
    (of amount $body:ident $field:ident $given:ident $currency:ident $details:ident) => { amount("Amount", $currency, $body.$field)? };
    (of $kind:ident $body:ident $field:ident $given:ident $currency:ident $details:ident) => { $body.$field };

    (currency currency $body:ident $field:ident $name:literal) => { Currency::from_code(&$body.$field) };
    (currency $kind:ident $body:ident $field:ident $name:literal) => { None };

    (record text $members:ident $name:literal $of:expr) => { $members.string($name, $of.as_deref()) };
    (record jackpot $members:ident $name:literal $of:expr) => { $members.jackpot($name, $of) };
    (record money $members:ident $name:literal $of:expr) => { $members.money($name, $of) };

    (check text $name:literal $of:expr, $currency:ident) => {};
    (check jackpot $name:literal $of:expr, $currency:ident) => {
        if !$of.is_none_or(Jackpot::fits) {
            return Err(BodyFault::Sentence(concat!($name, " has more than ten decimals, or is too large.")));
        }
    };
    (check money $name:literal $of:expr, $currency:ident) => {
        if let Some(money) = $of {
            amount($name, $currency, money)?;
        }
    };

    (wrong starts_round) => { " must be true or false." };
    (wrong ends_round) => { " must be true or false." };
    (wrong amount) => { " must be a number, neither negative nor too long." };
    (wrong money) => { " must be a number, neither negative nor too long." };
    (wrong jackpot) => { " must be a number that is not negative." };
    (wrong $text:ident) => { " must be a string, neither empty nor too long." };
}

/// The sentences about one member, made at compile time.
macro_rules! sentences {
    ($kind:ident $name:literal) => {
        &const { Sentences::new(
            concat!($name, " is missing."),
            concat!($name, " is given twice."),
            concat!($name, member!(wrong $kind)),
            concat!($name, " must be a string that is not too long."),
        ) }
    };
}

/// Which transaction a call is.
const fn play_kind(call: Call) -> PlayKind {
    match call {
        Call::AwardWinnings => PlayKind::Win,
        Call::RollbackBet => PlayKind::Rollback,
        Call::VoidBet => PlayKind::Void,
        _ => PlayKind::Bet,
    }
}

macro_rules! bodies {
    ($(($stored:ident called $($row:tt)*))*) => {
        $(body! { $($row)* })*
    };
}

/// The body of an operation, where it is a platform's: its own members, those of every platform's request (protocol §1, Envelope),
/// and those that are only recorded.
macro_rules! body {
    (
        $(#[$doc:meta])*
        $Name:ident<$($s:ident)?> $words:tt $class:ident at $slot:ident, $way:ident
        by { $Call:ident($label:literal, Operator, $($path:tt)*) $($more:tt)* }
        $($rest:tt)*
    ) => {};
    (
        $(#[$doc:meta])*
        $Name:ident<$($s:ident)?> $words:tt $class:ident at $slot:ident, $way:ident
        by $calls:tt
        with [envelope $($recorded:ident)?]
        $members:tt
        $(without $without:tt)?
        $(checks $checks:tt)?
    ) => {
        body! { @recorded [$($recorded)?] $Name $members $(without $without)? $(checks $checks)? }
    };
    (@recorded [recorded] $($body:tt)*) => { protocol::recorded! { body @whole $($body)* } };
    (@recorded [alert] $($body:tt)*) => { protocol::alert! { body @whole $($body)* } };
    (@recorded [] $($body:tt)*) => { body! { @whole $($body)* recorded {} } };
    (
        @whole $Name:ident
        { $($(#[$doc:meta])* $field:ident: $type:ty as $kind:ident
            $(= ($name:literal $(| $other_name:literal)* $(<= $max:expr)?; $($need:tt)+))?;)* }
        $(without { $($(#[$unstored_doc:meta])* $unstored:ident: $unstored_type:ty as $unstored_kind:ident = $default:expr;)* })?
        $(checks { $($check:ident: $check_kind:ident = ($check_name:literal $(<= $check_max:expr)?; $($check_need:tt)+);)* })?
        recorded { $($recorded:ident: $recorded_kind:ident
            = ($recorded_name:literal $(<= $recorded_max:expr)?; $($recorded_need:tt)+);)* }
    ) => {
        #[doc = concat!("Members of the calls that become a [`operation::", stringify!($Name), "`].")]
        pub(super) struct $Name<'de, const CALL: usize> {
            pub(super) platform_key: Cow<'de, str>,
            pub(super) timestamp: Cow<'de, str>,
            $($(
                #[doc = concat!("`", $name, "`.")]
                pub(super) $field: member!(type $kind),
            )?)*
            $(pub(super) $recorded: member!(type $recorded_kind),)*
        }

        impl<'de, const CALL: usize> Object<'de> for $Name<'de, CALL> {
            #[inline]
            fn collect<A: MapAccess<'de>>(mut map: A, reading: &mut Reading<'de>) -> Result<Self, A::Error> {
                let mut platform_key = MemberSlot::Empty;
                let mut timestamp = MemberSlot::Empty;
                let mut sequence = MemberSlot::<Cow<'de, str>>::Empty;
                $($(let mut $field = slot!($name);)?)*
                $($(let mut $check = MemberSlot::<Cow<'de, str>>::Empty;)*)?
                $(let mut $recorded = MemberSlot::Empty;)*
                let mut others = Others::new();
                while let Some(name) = others.next_name(&mut map, reading)? {
                    let (map, need) = (&mut map, Need::Required);
                    match &*name {
                        "PlatformKey" => {
                            let max = limits::PLATFORM_KEY_CHARS_MAX;
                            platform_key.fill(map, max, need, sentences!(text "PlatformKey"), reading)?;
                        }
                        // Its form says how long it may be; the bound only keeps the reader general.
                        "Timestamp" => {
                            let max = TIMESTAMP_CHARS_MAX;
                            timestamp.fill(map, max, need, sentences!(text "Timestamp"), reading)?;
                        }
                        "Sequence" => {
                            let max = limits::SEQUENCE_CHARS_MAX;
                            sequence.fill(map, max, need, sentences!(text "Sequence"), reading)?;
                        }
                        $($(
                            $name $(| $other_name)* if need!(CALL: $($need)+).is_known() => {
                                let (max, need) = (bound!($($max)?), need!(CALL: $($need)+));
                                $field.fill(map, max, need, sentences!($kind $name), reading)?;
                            }
                        )?)*
                        $($(
                            $check_name => {
                                let (max, need) = (bound!($($check_max)?), need!(CALL: $($check_need)+));
                                $check.fill(map, max, need, sentences!($check_kind $check_name), reading)?;
                            }
                        )*)?
                        $(
                            $recorded_name if need!(CALL: $($recorded_need)+).is_known() => {
                                let (max, need) = (bound!($($recorded_max)?), need!(CALL: $($recorded_need)+));
                                $recorded.fill(map, max, need, sentences!($recorded_kind $recorded_name), reading)?;
                            }
                        )*
                        _ => others.skip(name, map, reading)?,
                    }
                }
                others.check(reading)?;
                sequence.required(sentences!(text "Sequence"), reading)?;
                $($($check.optional(need!(CALL: $($check_need)+), sentences!($check_kind $check_name), reading)?;)*)?
                Ok(Self {
                    platform_key: platform_key.required(sentences!(text "PlatformKey"), reading)?,
                    timestamp: timestamp.required(sentences!(text "Timestamp"), reading)?,
                    $($(
                        $field: member!(take $kind $field, need!(CALL: $($need)+), sentences!($kind $name), reading),
                    )?)*
                    $(
                        $recorded: $recorded.optional(
                            need!(CALL: $($recorded_need)+), sentences!($recorded_kind $recorded_name), reading,
                        )?,
                    )*
                })
            }
        }

        #[cfg(test)]
        impl<const CALL: usize> $Name<'_, CALL> {
            /// The members besides the envelope: their names, the bounds of texts, and what the call needs.
            pub(super) const MEMBERS: &'static [(&'static str, usize, Need)] = &[
                $($(($name, bound!($($max)?), need!(CALL: $($need)+)),)?)*
                $($(($check_name, bound!($($check_max)?), need!(CALL: $($check_need)+)),)*)?
                $(($recorded_name, bound!($($recorded_max)?), need!(CALL: $($recorded_need)+)),)*
            ];
        }

        impl<'de, const CALL: usize> super::Enveloped for $Name<'de, CALL> {
            fn platform_key(&self) -> &str {
                &self.platform_key
            }

            fn timestamp(&self) -> &str {
                &self.timestamp
            }
        }

        #[allow(unused_variables, unused_mut)]
        impl<'de, const CALL: usize> $Name<'de, CALL> {
            /// The currency that it names; `None` where it names none, or one that ISO 4217 does not have.
            fn currency_named(&self) -> Option<Currency> {
                None$($(.or(member!(currency $kind self $field $name)))?)*
            }

            /// Checks the amounts that are only recorded against the request's currency. One that is not known leaves nothing to
            /// be checked, and the wallet refuses it.
            fn check_recorded(&self, currency: Option<Currency>) -> Result<(), BodyFault> {
                $(member!(check $recorded_kind $recorded_name self.$recorded, currency);)*
                Ok(())
            }

            /// A JSON object of the members that are only recorded, in the protocol's order; none where there are none.
            fn record(&self) -> Option<Cow<'de, str>> {
                let mut members = Members::default();
                $(member!(record $recorded_kind members $recorded_name self.$recorded);)*
                members.finish().map(Cow::Owned)
            }

            /// The operation, with what is not in the body.
            pub(super) fn operation(self, given: Given) -> Result<Operation<Cow<'de, str>>, BodyFault> {
                let currency = self.currency_named();
                self.check_recorded(currency)?;
                let details = self.record();
                Ok(operation::$Name {
                    $($field: member!(of $kind self $field given currency details),)*
                    $($($unstored: member!(of $unstored_kind self $unstored given currency details),)*)?
                }
                .into())
            }
        }
    };
}

/// An empty slot of a member that a body has.
macro_rules! slot {
    ($name:literal) => {
        MemberSlot::Empty
    };
}

protocol::calls! { bodies }
