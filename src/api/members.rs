//! Reading a JSON object of known members, strictly and without an allocation.
//!
//! The parser is sonic-rs, driven through serde's visitors. A struct and its reader
//! are made of a list of rows, so that a member's name, bound and need stand in one place: the table of operations' for a
//! platform's call (`decode/bodies`), and [`object!`]'s for an operator's. A string is borrowed
//! from the request unless it was written with escapes.
//!
//! Where sonic-rs 0.5 is laxer or stricter than the protocol, this reader closes the gap:
//!
//! - Its own skipping (`IgnoredAny`, and any wrong type met by `deserialize_str` or `deserialize_map`)
//!   recurses once per bracket without a bound, so 64 KiB of `[` would overflow the stack; and it takes `\u`
//!   with any four bytes. Walking an unknown value through `deserialize_any` instead makes
//!   an `f64` of each number, and a number may be of any size. So the first unknown member has the whole body
//!   read by [`json::is_json`], without recursion and without a value; of a body that has passed, the parser may
//!   skip what it likes. A known member is read through `deserialize_any`, which fails at a bracket instead of
//!   reading past it.
//! - Repeated members are serde's business, not the parser's. Here a known member has a slot that fills once,
//!   and the names of unknown ones are kept and compared, all after their escapes are resolved.
//! - UTF-8 is checked up front for the whole body, so that no part of it escapes the check. A byte order mark
//!   before the object, which RFC 8259 §8.1 lets a reader ignore, is taken off there.
//! - A number with a point reaches a visitor as an `f64`. So money is read from the number's own text, which
//!   [`Number`] asks for; and it looks at the byte before that text, since the parser takes it out of a string
//!   as well.
//!
//! What stays: inside an unknown value an object may repeat a member.

mod fault;
mod json;
mod rows;
mod visitors;

use alloc::borrow::Cow;
use core::fmt;
use core::marker::PhantomData;

use compact_str::CompactString;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use smallvec::SmallVec;

pub use fault::BodyFault;
pub(super) use json::is_number;
pub(super) use rows::{bound, member, object};
use visitors::{Flag, Name, Nested, Number, TextSeed};

use super::jackpot::Jackpot;
use wallet::amount::Money;

/// The body is not JSON, not an object, or nested too deep.
pub(super) const NOT_AN_OBJECT: &str = "The body is not a well-formed JSON object.";
const TOO_MANY_MEMBERS: &str = "The body has too many members.";
const UNKNOWN_REPEATED: &str = "The body has an unknown member twice.";

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Open brackets of a body: its own, and those of an unknown member's value.
const DEPTH_MAX: usize = 1 + limits::JSON_DEPTH_MAX;

const _: () = assert!(DEPTH_MAX <= json::DEPTH_MAX);

/// Names of unknown members that are kept without an allocation.
const UNKNOWN_INLINE: usize = 16;

/// What becomes of a member that a call does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is passed over: a platform may send more than this version knows.
    Ignored,
    /// The body is refused: what the operator has misspelt must not be taken for left out.
    Refused,
}

/// A body while it is read.
pub(super) struct Reading<'de> {
    text: &'de str,
    unknown: Unknown,
    /// The whole body was found to be JSON, so that the parser may skip a value.
    is_json: bool,
    /// What is wrong, should the parser find an error now. It outlives the parser's own error.
    fault: &'static str,
    /// The name of the member that the call does not know, where that is what is wrong.
    unknown_name: Option<CompactString>,
}

impl Reading<'_> {
    /// Refuses with `sentence`.
    #[cold]
    fn refuse<E: Error>(&mut self, sentence: &'static str) -> E {
        self.fault = sentence;
        E::custom(sentence)
    }

    /// Whether `part` of the text stands behind a quotation mark.
    fn is_quoted(&self, part: &str) -> bool {
        let before = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr() + 1);
        let before = before.and_then(|at| self.text.as_bytes().get(at));
        *before.expect("a number is borrowed from the body, and does not begin it") == b'"'
    }
}

/// A JSON object that a call takes.
pub(super) trait Object<'de>: Sized {
    /// Reads the members. On an error `reading` says what is wrong, where it is more than the syntax.
    fn collect<A: MapAccess<'de>>(map: A, reading: &mut Reading<'de>) -> Result<Self, A::Error>;
}

/// Reads `body` as one JSON object and nothing after it.
///
/// # Errors
/// What is wrong with it; one sentence, which names the member at fault where there is one.
pub(super) fn read<'de, T: Object<'de>>(body: &'de [u8], unknown: Unknown) -> Result<T, BodyFault> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let text = str::from_utf8(body).map_err(|_| NOT_AN_OBJECT)?;
    let mut reading = Reading { text, unknown, is_json: false, fault: NOT_AN_OBJECT, unknown_name: None };
    let mut json = sonic_rs::Deserializer::from_str(text);
    let object = json.deserialize_any(Whole { reading: &mut reading, object: PhantomData });
    let object = object.map_err(|_| match reading.unknown_name {
        Some(name) => BodyFault::Unknown(name),
        None => BodyFault::Sentence(reading.fault),
    })?;
    json.end().map_err(|_| NOT_AN_OBJECT)?;
    Ok(object)
}

/// Visitor of the whole body: an object, or nothing.
struct Whole<'r, 'de, T> {
    reading: &'r mut Reading<'de>,
    object: PhantomData<T>,
}

impl<'de, T: Object<'de>> Visitor<'de> for Whole<'_, 'de, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::collect(map, self.reading)
    }
}

/// The sentences about one member, made at compile time.
pub(super) struct Sentences {
    missing: &'static str,
    repeated: &'static str,
    wrong: &'static str,
    /// Where it may be empty.
    wrong_blank: &'static str,
}

impl Sentences {
    pub(super) const fn new(
        missing: &'static str,
        repeated: &'static str,
        wrong: &'static str,
        wrong_blank: &'static str,
    ) -> Self {
        Self { missing, repeated, wrong, wrong_blank }
    }

    const fn wrong(&self, need: Need) -> &'static str {
        if matches!(need, Need::Blank) { self.wrong_blank } else { self.wrong }
    }
}

/// Whether a call has a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It does not know it.
    Absent,
    /// It must have it.
    Required,
    /// It may have it.
    Optional,
    /// It may have it, and a text may be empty, which is as if it were absent.
    Blank,
}

impl Need {
    /// Whether a call knows the member.
    pub(super) const fn is_known(self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// One known member while the object is read.
pub(super) enum MemberSlot<T> {
    /// It has not come yet.
    Empty,
    /// It came as `null`, or blank where it may.
    Null,
    /// It came with a value of its type and within its bounds.
    Filled(T),
}

impl<T> MemberSlot<T> {
    /// Reads the member's value, or null; and once only. `chars_max` bounds a text.
    #[inline]
    pub(super) fn fill<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        chars_max: usize,
        need: Need,
        sentences: &'static Sentences,
        reading: &mut Reading<'de>,
    ) -> Result<(), A::Error>
    where
        T: Value<'de>,
    {
        if !matches!(self, Self::Empty) {
            return Err(reading.refuse(sentences.repeated));
        }
        reading.fault = sentences.wrong(need);
        *self = match T::read(map, reading)? {
            Some(value) if need == Need::Blank && value.is_blank() => Self::Null,
            Some(value) if value.fits(chars_max) => Self::Filled(value),
            Some(_) => return Err(reading.refuse(sentences.wrong(need))),
            None => Self::Null,
        };
        reading.fault = NOT_AN_OBJECT;
        Ok(())
    }

    /// The value of a member that must be there.
    #[inline]
    pub(super) fn required<E: Error>(
        self,
        sentences: &'static Sentences,
        reading: &mut Reading<'_>,
    ) -> Result<T, E> {
        match self {
            Self::Filled(value) => Ok(value),
            Self::Null => Err(reading.refuse(sentences.wrong)),
            Self::Empty => Err(reading.refuse(sentences.missing)),
        }
    }

    /// The value of a member that may be absent, or null, which is the same, unless the call needs it.
    #[inline]
    pub(super) fn optional<E: Error>(
        self,
        need: Need,
        sentences: &'static Sentences,
        reading: &mut Reading<'_>,
    ) -> Result<Option<T>, E> {
        match self {
            Self::Null | Self::Empty if need != Need::Required => Ok(None),
            slot => slot.required(sentences, reading).map(Some),
        }
    }
}

/// What a known member may be.
pub(super) trait Value<'de>: Sized {
    /// Reads it; `None` is null. On an error `reading` says what is wrong, where it is more than the type.
    fn read<A: MapAccess<'de>>(map: &mut A, reading: &mut Reading<'de>) -> Result<Option<Self>, A::Error>;

    /// Whether its length is right, where it has one.
    #[inline]
    fn fits(&self, _chars_max: usize) -> bool {
        true
    }

    /// Whether it is an empty text.
    #[inline]
    fn is_blank(&self) -> bool {
        false
    }
}

impl<'de> Value<'de> for Cow<'de, str> {
    #[inline]
    fn read<A: MapAccess<'de>>(map: &mut A, _: &mut Reading<'de>) -> Result<Option<Self>, A::Error> {
        map.next_value_seed(TextSeed)
    }

    #[inline]
    fn fits(&self, chars_max: usize) -> bool {
        fits(self, chars_max)
    }

    #[inline]
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl<'de> Value<'de> for bool {
    #[inline]
    fn read<A: MapAccess<'de>>(map: &mut A, _: &mut Reading<'de>) -> Result<Option<Self>, A::Error> {
        map.next_value_seed(Flag)
    }
}

impl<'de> Value<'de> for Money {
    #[inline]
    fn read<A: MapAccess<'de>>(map: &mut A, reading: &mut Reading<'de>) -> Result<Option<Self>, A::Error> {
        map.next_value_seed(Number { reading, parse: Self::parse })
    }
}

impl<'de> Value<'de> for Jackpot {
    fn read<A: MapAccess<'de>>(map: &mut A, reading: &mut Reading<'de>) -> Result<Option<Self>, A::Error> {
        map.next_value_seed(Number { reading, parse: Self::parse })
    }
}

impl<'de, T: Object<'de>> Value<'de> for T {
    fn read<A: MapAccess<'de>>(map: &mut A, reading: &mut Reading<'de>) -> Result<Option<Self>, A::Error> {
        map.next_value_seed(Nested { reading, object: PhantomData })
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
        reading: &mut Reading<'de>,
    ) -> Result<Option<Cow<'de, str>>, A::Error> {
        let name = map.next_key_seed(Name)?;
        self.members += 1;
        if self.members > limits::MEMBERS_MAX && name.is_some() {
            return Err(reading.refuse(TOO_MANY_MEMBERS));
        }
        Ok(name)
    }

    /// Skips an unknown member's value, and keeps its name.
    ///
    /// # Errors
    /// Where unknown members are refused, or the body is not JSON.
    pub(super) fn skip<A: MapAccess<'de>>(
        &mut self,
        name: Cow<'de, str>,
        map: &mut A,
        reading: &mut Reading<'de>,
    ) -> Result<(), A::Error> {
        if reading.unknown == Unknown::Refused {
            reading.unknown_name = Some(fault::shortened(&name));
            return Err(reading.refuse(NOT_AN_OBJECT));
        }
        if !reading.is_json {
            reading.is_json = json::is_json(reading.text, DEPTH_MAX);
            if !reading.is_json {
                return Err(reading.refuse(NOT_AN_OBJECT));
            }
        }
        self.names.push(name);
        map.next_value::<IgnoredAny>().map(drop)
    }

    /// Checks that no unknown member came twice.
    #[inline]
    pub(super) fn check<E: Error>(mut self, reading: &mut Reading<'_>) -> Result<(), E> {
        if self.names.len() < 2 {
            return Ok(());
        }
        // Sorted, not each with each: names of a whole body that differ in their last byte stay cheap.
        self.names.sort_unstable();
        if self.names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(reading.refuse(UNKNOWN_REPEATED));
        }
        Ok(())
    }
}
