//! The rows of an object, and the struct and the reader that are made of them.

/// Makes a struct of members and its reader.
///
/// A row is `field: need "Name" <= bound;`. Other names of the same member follow the first, which its sentences
/// use: `"Name" | "Nmae"`. A text has a bound in characters, and nothing else has. The needs:
///
/// | need | field | absent or null | else |
/// |---|---|---|---|
/// | `required` | `Cow<str>` | refused | 1 to `bound` characters |
/// | `optional` | `Option<Cow<str>>` | `None` | 1 to `bound` characters |
/// | `blank` | `Option<Cow<str>>` | `None` | up to `bound` characters; empty is `None` |
/// | `required_bool` | `bool` | refused | true or false |
/// | `required_money` | `Money` | refused | a number |
/// | `optional_money` | `Option<Money>` | `None` | a number |
/// | `optional_jackpot` | `Option<Jackpot>` | `None` | a number |
/// | `optional_object(Object)` | `Option<Object>` | `None` | an object that `object!` has made |
///
/// The rows under `checked` are read and bounded alike, but not kept.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $object:ident {
            $($field:ident: $need:ident $(($of:ident))? $name:literal $(| $other_name:literal)*
                $(<= $chars_max:expr)?;)*
        } checked {
            $($unkept:ident: $unkept_need:ident $unkept_name:literal $(<= $unkept_chars_max:expr)?;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Eq)]
        pub(super) struct $object<'de> {
            $(pub(super) $field: $crate::members::member!(type $need $($of)?),)*
            /// Holds the lifetime, also where no member is a text.
            borrowed: core::marker::PhantomData<&'de ()>,
        }

        impl<'de> $crate::members::Object<'de> for $object<'de> {
            #[inline]
            fn collect<A: serde::de::MapAccess<'de>>(
                mut map: A,
                reading: &mut $crate::members::Reading<'de>,
            ) -> Result<Self, A::Error> {
                use $crate::members::{Others, MemberSlot, bound, member, sentences};
                $(let mut $field = MemberSlot::Empty;)*
                $(let mut $unkept = MemberSlot::Empty;)*
                let mut others = Others::new();
                while let Some(name) = others.next_name(&mut map, reading)? {
                    match &*name {
                        $($name $(| $other_name)* => {
                            $field.fill(&mut map, bound!($($chars_max)?), sentences!($need $name), reading)?
                        })*
                        $($unkept_name => {
                            let chars_max = bound!($($unkept_chars_max)?);
                            $unkept.fill(&mut map, chars_max, sentences!($unkept_need $unkept_name), reading)?
                        })*
                        _ => others.skip(name, &mut map, reading)?,
                    }
                }
                others.check(reading)?;
                $(
                    let _: member!(type $unkept_need) =
                        member!(take $unkept_need, $unkept, sentences!($unkept_need $unkept_name), reading);
                )*
                Ok(Self {
                    $($field: member!(take $need, $field, sentences!($need $name), reading),)*
                    borrowed: core::marker::PhantomData,
                })
            }
        }
    };
}

/// What a row's need stands for: its field's type, how its slot is emptied, and the sentence about a wrong value.
macro_rules! member {
    (type required) => { alloc::borrow::Cow<'de, str> };
    (type optional) => { Option<alloc::borrow::Cow<'de, str>> };
    (type blank) => { Option<alloc::borrow::Cow<'de, str>> };
    (type required_bool) => { bool };
    (type required_money) => { ::wallet::amount::Money };
    (type optional_money) => { Option<::wallet::amount::Money> };
    (type optional_jackpot) => { Option<$crate::jackpot::Jackpot> };
    (type optional_object $object:ident) => { Option<$object<'de>> };

    (take blank, $($rest:tt)*) => { $crate::members::member!(by blank, $($rest)*) };
    (take required, $($rest:tt)*) => { $crate::members::member!(by required, $($rest)*) };
    (take required_bool, $($rest:tt)*) => { $crate::members::member!(by required, $($rest)*) };
    (take required_money, $($rest:tt)*) => { $crate::members::member!(by required, $($rest)*) };
    (take optional, $($rest:tt)*) => { $crate::members::member!(by optional, $($rest)*) };
    (take optional_money, $($rest:tt)*) => { $crate::members::member!(by optional, $($rest)*) };
    (take optional_jackpot, $($rest:tt)*) => { $crate::members::member!(by optional, $($rest)*) };
    (take optional_object, $($rest:tt)*) => { $crate::members::member!(by optional, $($rest)*) };
    (by $method:ident, $slot:ident, $sentences:expr, $reading:ident) => {
        $slot.$method($sentences, $reading)?
    };

    (wrong required) => { " must be a string, neither empty nor too long." };
    (wrong optional) => { " must be a string, neither empty nor too long." };
    (wrong blank) => { " must be a string that is not too long." };
    (wrong required_bool) => { " must be true or false." };
    (wrong required_money) => { " must be a number, neither negative nor too long." };
    (wrong optional_money) => { " must be a number, neither negative nor too long." };
    (wrong optional_jackpot) => { " must be a number that is not negative." };
    (wrong optional_object) => { " must be a JSON object." };
}

/// A row's bound; none where its value has no length.
macro_rules! bound {
    () => {
        0
    };
    ($chars_max:expr) => {
        $chars_max
    };
}

macro_rules! sentences {
    ($need:ident $name:literal) => {
        &const {
            $crate::members::Sentences {
                missing: concat!($name, " is missing."),
                repeated: concat!($name, " is given twice."),
                wrong: concat!($name, $crate::members::member!(wrong $need)),
            }
        }
    };
}

pub(crate) use {bound, member, object, sentences};
