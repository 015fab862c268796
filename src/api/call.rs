//! The calls, as the metrics count them and as their answers differ.

use http::Method;

/// Whose call it is, and so how a fault of the server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallerKind {
    /// A game platform: HTTP 200 with an `ErrorCode`.
    Platform,
    /// The operator: an HTTP status.
    Operator,
}

macro_rules! calls {
    ($(
        ($stored:ident called
            $(#[$doc:meta])*
            $Name:ident<$($s:ident)?> $words:tt $class:ident at $slot:ident, $way:ident
            by { $($Call:ident($label:literal, $caller:ident, $Method:ident $path:literal))* }
            $($rest:tt)*)
    )*) => {
        /// A call of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Call {
            $($(
                #[doc = concat!("`", $label, "`")]
                $Call,
            )*)*
        }

        impl Call {
            /// Every call, in the order of [`Call::index`].
            pub const ALL: [Self; [$($($label),*),*].len()] = [$($(Self::$Call),*),*];

            /// The call's name in the metrics: the last part of its path, or what it does.
            pub const fn label(self) -> &'static str {
                match self {
                    $($(Self::$Call => $label,)*)*
                }
            }

            /// Whose call it is.
            pub(super) const fn caller(self) -> CallerKind {
                match self {
                    $($(Self::$Call => CallerKind::$caller,)*)*
                }
            }

            /// Its method, and its path: a platform's whole, an operator's behind the account.
            pub(super) const fn at(self) -> (Method, &'static str) {
                match self {
                    $($(Self::$Call => (Method::$Method, $path),)*)*
                }
            }
        }
    };
}

protocol::calls! { calls }

impl Call {
    /// Whether its answer may be many times as long as a platform's, which has less than a kibibyte.
    pub const fn has_long_answers(self) -> bool {
        matches!(self, Self::GetAccount | Self::GetStatement)
    }

    /// The platforms' call at a path.
    pub(super) fn of_platform(path: &str) -> Option<Self> {
        let mut calls = Self::ALL.into_iter().take_while(|call| call.caller() == CallerKind::Platform);
        calls.find(|call| call.at().1 == path)
    }

    /// Its place among [`Call::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_and_labels_are_each_calls_own() {
        for (at, call) in Call::ALL.into_iter().enumerate() {
            assert_eq!(call.index(), at);
            assert_eq!(Call::ALL.iter().filter(|other| other.label() == call.label()).count(), 1, "{call:?}");
            let is_list = matches!(call.label(), "get_account" | "get_statement");
            assert_eq!(call.has_long_answers(), is_list, "{call:?}");
        }
    }
}
