//! The rows of an object, and the struct and the reader that are made of them.

/// Makes a struct of members and its reader.
///
/// A row is `field: need "Name" <= bound;`. A text has a bound in characters, and nothing else has. The needs:
///
/// | need | field | absent or null | else |
/// |---|---|---|---|
/// | `required` | `Cow<str>` | refused | 1 to `bound` characters |
/// | `optional` | `Option<Cow<str>>` | `None` | 1 to `bound` characters |
/// | `required_money` | `Money` | refused | a number |
/// | `optional_money` | `Option<Money>` | `None` | a number |
/// | `optional_object(Object)` | `Option<Object>` | `None` | an object that `object!` has made |
macro_rules! object {
    (
        $(#[$doc:meta])*
        $object:ident {
            $($field:ident: $need:ident $(($of:ident))? $name:literal $(<= $chars_max:expr)?;)*
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
                use $crate::members::{MemberSlot, Others, bound, member};
                $(let mut $field = MemberSlot::Empty;)*
                let mut others = Others::new();
                while let Some(name) = others.next_name(&mut map, reading)? {
                    match &*name {
                        $($name => {
                            let (chars_max, need) = (bound!($($chars_max)?), member!(need $need));
                            $field.fill(&mut map, chars_max, need, member!(sentences $need $name), reading)?
                        })*
                        _ => others.skip(name, &mut map, reading)?,
                    }
                }
                others.check(reading)?;
                Ok(Self {
                    $($field: member!(take $need $field, member!(sentences $need $name), reading),)*
                    borrowed: core::marker::PhantomData,
                })
            }
        }
    };
}

/// What a row's need stands for: its field's type, how its slot is emptied, and the sentences about it.
macro_rules! member {
    (type required) => { alloc::borrow::Cow<'de, str> };
    (type optional) => { Option<alloc::borrow::Cow<'de, str>> };
    (type required_money) => { ::wallet::amount::Money };
    (type optional_money) => { Option<::wallet::amount::Money> };
    (type optional_object $object:ident) => { Option<$object<'de>> };

    (need required) => { $crate::members::Need::Required };
    (need required_money) => { $crate::members::Need::Required };
    (need $optional:ident) => { $crate::members::Need::Optional };

    (take required $slot:ident, $sentences:expr, $reading:ident) => { $slot.required($sentences, $reading)? };
    (take required_money $slot:ident, $sentences:expr, $reading:ident) => { $slot.required($sentences, $reading)? };
    (take $optional:ident $slot:ident, $sentences:expr, $reading:ident) => {
        $slot.optional($crate::members::Need::Optional, $sentences, $reading)?
    };

    (sentences $need:ident $name:literal) => {
        &const {
            $crate::members::Sentences::new(
                concat!($name, " is missing."),
                concat!($name, " is given twice."),
                concat!($name, $crate::members::member!(wrong $need)),
                "",
            )
        }
    };
    (wrong required) => { " must be a string, neither empty nor too long." };
    (wrong optional) => { " must be a string, neither empty nor too long." };
    (wrong required_money) => { " must be a number, neither negative nor too long." };
    (wrong optional_money) => { " must be a number, neither negative nor too long." };
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

pub(crate) use {bound, member, object};
