//! Reading a JSON object of known members, strictly and without an allocation.
//!
//! The parser is sonic-rs, driven through serde's visitors. [`object!`] makes one struct and one reader per
//! call from a list of rows, so that a member's name, bound and need stand in one place. A string is borrowed
//! from the request unless it was written with escapes.
//!
//! Where sonic-rs 0.5 is laxer than the protocol, this reader closes the gap:
//!
//! - Its own skipping (`IgnoredAny`, and any wrong type met by `deserialize_str` or `deserialize_map`)
//!   recurses once per bracket without a bound, so 64 KiB of `[` would overflow the stack; and it takes `\u`
//!   with any four bytes, and lone surrogates. So no value is ever skipped by it: [`Skip`] walks unknown
//!   values through `deserialize_any`, which parses every string and number in full, and counts the depth
//!   itself; and a known member is read through `deserialize_any` too, which fails at a bracket instead of
//!   reading past it.
//! - Repeated members are serde's business, not the parser's. Here a known member has a slot that fills once,
//!   and the names of unknown ones are kept and compared, all after their escapes are resolved.
//! - UTF-8 is checked up front for the whole body, so that no part of it escapes the check.
//!
//! What stays: a number in an unknown member must fit an `f64` (RFC 8259 §6 lets a reader set its range), and
//! inside an unknown value an object may repeat a member.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use crate::limits;

/// The body is not JSON, not an object, or nested too deep.
pub(super) const NOT_AN_OBJECT: &str = "The body is not a well-formed JSON object.";
const TOO_MANY_MEMBERS: &str = "The body has too many members.";
const UNKNOWN_REPEATED: &str = "The body has an unknown member twice.";

/// Names of unknown members that are kept without an allocation.
const UNKNOWN_INLINE: usize = 16;

/// A JSON object that a call takes; [`object!`] makes them.
pub(super) trait Object<'de>: Sized {
    /// Reads the members. On an error `fault` says what is wrong, where it is more than the syntax.
    fn collect<A: MapAccess<'de>>(map: A, fault: &mut &'static str) -> Result<Self, A::Error>;
}

/// Reads `body` as one JSON object and nothing after it.
///
/// # Errors
/// One sentence that names the member at fault, or [`NOT_AN_OBJECT`].
pub(super) fn read<'de, T: Object<'de>>(body: &'de [u8]) -> Result<T, &'static str> {
    let text = str::from_utf8(body).map_err(|_| NOT_AN_OBJECT)?;
    let mut fault = NOT_AN_OBJECT;
    let mut json = sonic_rs::Deserializer::from_str(text);
    let object = json.deserialize_any(Whole { fault: &mut fault, object: PhantomData }).map_err(|_| fault)?;
    json.end().map_err(|_| NOT_AN_OBJECT)?;
    Ok(object)
}

/// Visitor of the whole body: an object, or nothing.
struct Whole<'f, T> {
    fault: &'f mut &'static str,
    object: PhantomData<T>,
}

impl<'de, T: Object<'de>> Visitor<'de> for Whole<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::collect(map, self.fault)
    }
}

/// Refuses with `sentence`, which outlives the parser's own error in `fault`.
#[cold]
fn refuse<E: Error>(fault: &mut &'static str, sentence: &'static str) -> E {
    *fault = sentence;
    E::custom(sentence)
}

/// The sentences about one member, made at compile time.
pub(super) struct Sentences {
    pub(super) missing: &'static str,
    pub(super) repeated: &'static str,
    pub(super) wrong: &'static str,
}

/// One known member while the object is read.
pub(super) enum Slot<'de> {
    /// It has not come yet.
    Empty,
    /// It came as `null`.
    Null,
    /// It came as a string within its bounds.
    Text(Cow<'de, str>),
}

impl<'de> Slot<'de> {
    /// Reads the member's value: a string of 1 to `chars_max` characters, or null; and once only.
    #[inline]
    pub(super) fn fill<A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        chars_max: usize,
        sentences: &'static Sentences,
        fault: &mut &'static str,
    ) -> Result<(), A::Error> {
        if !matches!(self, Self::Empty) {
            return Err(refuse(fault, sentences.repeated));
        }
        match map.next_value_seed(Text) {
            Ok(Some(text)) if fits(&text, chars_max) => *self = Self::Text(text),
            Ok(Some(_)) => return Err(refuse(fault, sentences.wrong)),
            Ok(None) => *self = Self::Null,
            Err(error) => {
                *fault = sentences.wrong;
                return Err(error);
            }
        }
        Ok(())
    }

    /// The value of a member that must be there.
    #[inline]
    pub(super) fn required<E: Error>(
        self,
        sentences: &'static Sentences,
        fault: &mut &'static str,
    ) -> Result<Cow<'de, str>, E> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Null => Err(refuse(fault, sentences.wrong)),
            Self::Empty => Err(refuse(fault, sentences.missing)),
        }
    }

    /// The value of a member that may be absent, or null, which is the same.
    #[inline]
    pub(super) fn optional<E: Error>(
        self,
        _: &'static Sentences,
        _: &mut &'static str,
    ) -> Result<Option<Cow<'de, str>>, E> {
        match self {
            Self::Text(text) => Ok(Some(text)),
            Self::Null | Self::Empty => Ok(None),
        }
    }
}

/// Whether `text` has 1 to `chars_max` characters. A character has at least one byte and at most four, so
/// that the usual short text is not counted, nor is one that is far too long.
#[inline]
pub(super) fn fits(text: &str, chars_max: usize) -> bool {
    let bytes = text.len();
    bytes > 0 && (bytes <= chars_max || (bytes <= 4 * chars_max && text.chars().count() <= chars_max))
}

/// What an object has beside its known members: their number, and the unknown ones' names.
pub(super) struct Others<'de> {
    members: usize,
    names: SmallVec<[Cow<'de, str>; UNKNOWN_INLINE]>,
}

impl<'de> Others<'de> {
    pub(super) fn new() -> Self {
        Self { members: 0, names: SmallVec::new() }
    }

    /// The next member's name, escapes resolved; `None` at the end of the object.
    #[inline]
    pub(super) fn next_name<A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        fault: &mut &'static str,
    ) -> Result<Option<Cow<'de, str>>, A::Error> {
        let name = map.next_key_seed(Name)?;
        self.members += 1;
        if self.members > limits::MEMBERS_MAX && name.is_some() {
            return Err(refuse(fault, TOO_MANY_MEMBERS));
        }
        Ok(name)
    }

    /// Skips an unknown member's value, and keeps its name.
    pub(super) fn skip<A: MapAccess<'de>>(
        &mut self,
        name: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        self.names.push(name);
        map.next_value_seed(Skip { depth_left: limits::JSON_DEPTH_MAX })
    }

    /// Checks that no unknown member came twice.
    #[inline]
    pub(super) fn check<E: Error>(mut self, fault: &mut &'static str) -> Result<(), E> {
        if self.names.len() < 2 {
            return Ok(());
        }
        // Sorted, not each with each: names of a whole body that differ in their last byte stay cheap.
        self.names.sort_unstable();
        if self.names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(refuse(fault, UNKNOWN_REPEATED));
        }
        Ok(())
    }
}

/// A member's name.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A known member's value: a string, or null.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// An unknown member's value: parsed in full and dropped.
#[derive(Clone, Copy)]
struct Skip {
    /// Brackets that may still be opened.
    depth_left: usize,
}

impl Skip {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { depth_left })
    }
}

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        // A name is a string like another; it opens no bracket.
        while members.next_key_seed(inner)?.is_some() {
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// Makes a struct of string members and its reader.
///
/// A row is `field: need "Name" <= bound;` where `need` is `required` (a `Cow<str>`) or `optional` (an
/// `Option<Cow<str>>`; null is the same as absent). The rows under `checked` are read and bounded alike, but
/// not kept.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $object:ident {
            $($field:ident: $need:ident $name:literal <= $chars_max:expr;)*
        } checked {
            $($unkept:ident: $unkept_need:ident $unkept_name:literal <= $unkept_chars_max:expr;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Eq)]
        pub(super) struct $object<'de> {
            $(pub(super) $field: $crate::api::members::member_type!($need),)*
        }

        impl<'de> $crate::api::members::Object<'de> for $object<'de> {
            #[inline]
            fn collect<A: serde::de::MapAccess<'de>>(
                mut map: A,
                fault: &mut &'static str,
            ) -> Result<Self, A::Error> {
                use $crate::api::members::{Others, Slot, sentences};
                $(let mut $field = Slot::Empty;)*
                $(let mut $unkept = Slot::Empty;)*
                let mut others = Others::new();
                while let Some(name) = others.next_name(&mut map, fault)? {
                    match &*name {
                        $($name => $field.fill(&mut map, $chars_max, sentences!($name), fault)?,)*
                        $($unkept_name => {
                            $unkept.fill(&mut map, $unkept_chars_max, sentences!($unkept_name), fault)?
                        })*
                        _ => others.skip(name, &mut map)?,
                    }
                }
                others.check(fault)?;
                $($unkept.$unkept_need(sentences!($unkept_name), fault)?;)*
                Ok(Self { $($field: $field.$need(sentences!($name), fault)?,)* })
            }
        }
    };
}

macro_rules! member_type {
    (required) => { std::borrow::Cow<'de, str> };
    (optional) => { Option<std::borrow::Cow<'de, str>> };
}

macro_rules! sentences {
    ($name:literal) => {
        &const {
            $crate::api::members::Sentences {
                missing: concat!($name, " is missing."),
                repeated: concat!($name, " is given twice."),
                wrong: concat!($name, " must be a string, neither empty nor too long."),
            }
        }
    };
}

pub(super) use {member_type, object, sentences};
