//! What is wrong with a body, said in one sentence.

use alloc::borrow::Cow;
use alloc::string::ToString as _;
use core::fmt;

use compact_str::CompactString;

use wallet::currency::Currency;

/// What is wrong with a request. Its text is one sentence, which names the member and the rule and holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// This.
    Sentence(&'static str),
    /// The call does not know a member of this name, which was cut where it was long.
    Unknown(CompactString),
    /// The member has more decimals than the currency's minor units.
    Decimals(&'static str, Currency),
    /// The member has more minor units of the currency than an amount may have.
    TooLarge(&'static str, Currency),
}

/// Characters of an unknown member's name that are told: all of every name that a call has, and of a misspelt one.
const NAME_CHARS_MAX: usize = 50;

/// A name, without what is past [`NAME_CHARS_MAX`].
pub(super) fn shortened(name: &str) -> CompactString {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        None => CompactString::from(name),
        Some((end, _)) => name[..end].chars().chain(['…']).collect(),
    }
}

impl BodyFault {
    /// The sentence.
    pub fn sentence(&self) -> Cow<'static, str> {
        match self {
            Self::Sentence(sentence) => Cow::Borrowed(sentence),
            _ => Cow::Owned(self.to_string()),
        }
    }
}

impl From<&'static str> for BodyFault {
    fn from(sentence: &'static str) -> Self {
        Self::Sentence(sentence)
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sentence(sentence) => f.write_str(sentence),
            Self::Unknown(name) => write!(f, "{name:?} is not a member that this call knows."),
            Self::Decimals(member, currency) => {
                write!(f, "{member} has more decimals than {}.", currency.code())
            }
            Self::TooLarge(member, currency) => {
                write!(f, "{member} is more {} than an amount may be.", currency.code())
            }
        }
    }
}
