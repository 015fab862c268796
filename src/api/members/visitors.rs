//! The visitors that take names and values from the parser. None lets it skip a value by itself.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned as _;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{Deserialize as _, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use sonic_rs::RawNumber;

use super::{Object, Reading};

/// A member's name.
pub(super) struct Name;

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
pub(super) struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Option<Cow<'de, str>>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
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

/// A known member's value: true, false, or null.
pub(super) struct Flag;

impl<'de> DeserializeSeed<'de> for Flag {
    type Value = Option<bool>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flag {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    #[inline]
    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// The name under which sonic-rs hands a number's own text to a visitor, as [`RawNumber`] asks for it. The type keeps a
/// copy of the text, which does not tell a number from a string with a number in it; `LazyValue` would tell them apart,
/// but reads a nested value by recursion without a bound.
#[inline]
fn raw_number() -> &'static str {
    let mut name = "";
    // It always fails, once it has been asked.
    let _ = RawNumber::deserialize(RawNumberName(&mut name));
    name
}

/// A deserializer that only hears by which name it is asked.
struct RawNumberName<'a>(&'a mut &'static str);

impl<'de> Deserializer<'de> for RawNumberName<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Error::custom(""))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = name;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// A known member's value: a number that is parsed from its own text, or null. Anything else fails at its first byte, and
/// is not read.
pub(super) struct Number<'r, 'de, T> {
    pub(super) reading: &'r mut Reading<'de>,
    pub(super) parse: fn(&str) -> Option<T>,
}

impl<'de, T> DeserializeSeed<'de> for Number<'_, 'de, T> {
    type Value = Option<T>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_option(self)
    }
}

impl<'de, T> Visitor<'de> for Number<'_, 'de, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_newtype_struct(raw_number(), self)
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        match (self.parse)(text) {
            Some(number) if !self.reading.is_quoted(text) => Ok(Some(number)),
            _ => Err(E::custom("no such number")),
        }
    }
}

/// A known member's value: an object of known members, or null.
pub(super) struct Nested<'r, 'de, T> {
    pub(super) reading: &'r mut Reading<'de>,
    pub(super) object: PhantomData<T>,
}

impl<'de, T: Object<'de>> DeserializeSeed<'de> for Nested<'_, 'de, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de, T: Object<'de>> Visitor<'de> for Nested<'_, 'de, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::collect(map, self.reading).map(Some)
    }
}
