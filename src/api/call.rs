//! The calls, as the metrics count them and as their answers differ.

/// Whose call it is, and so how a fault of the server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A game platform: HTTP 200 with an `ErrorCode`.
    Platform,
    /// The operator: an HTTP status.
    Operator,
}

macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident, $label:literal, $caller:ident;)*) => {
        /// A call of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Call {
            $($(#[$doc])* $call,)*
        }

        impl Call {
            /// Every call, in the order of [`Call::index`].
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$call),*];

            /// The call's name in the metrics: the last part of its path, or what it does.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$call => $label,)*
                }
            }

            /// Whose call it is.
            pub(super) const fn caller(self) -> Caller {
                match self {
                    $(Self::$call => Caller::$caller,)*
                }
            }
        }
    };
}

calls! {
    /// `POST /v1.0/balance`.
    Balance, "balance", Platform;
    /// `POST /v1.0/session/createtoken`.
    CreateToken, "createtoken", Platform;
    /// `POST /v1.0/session/redeemtoken`.
    RedeemToken, "redeemtoken", Platform;
    /// `POST /v1.0/gameround/placebet`.
    PlaceBet, "placebet", Platform;
    /// `POST /v1.0/gameround/awardwinnings`.
    AwardWinnings, "awardwinnings", Platform;
    /// `POST /v1.0/gameround/rollbackbet`.
    RollbackBet, "rollbackbet", Platform;
    /// `POST /v1.0/gameround/voidbet`.
    VoidBet, "voidbet", Platform;
    /// `POST /v1.0/gameround/end`.
    EndRound, "end", Platform;
    /// `POST /v1.0/accounttransaction/credit`.
    Credit, "credit", Platform;
    /// `POST /v1.0/alertwalletcallbacknotification`.
    Alert, "alert", Platform;
    /// `PUT /operator/v1/accounts/{domain}/{player}`.
    PutAccount, "put_account", Operator;
    /// `GET /operator/v1/accounts/{domain}/{player}`.
    GetAccount, "get_account", Operator;
    /// `PUT …/{player}/status`.
    SetStatus, "set_status", Operator;
    /// `POST …/{player}/deposits`.
    Deposit, "deposit", Operator;
    /// `POST …/{player}/withdrawals`.
    Withdraw, "withdraw", Operator;
    /// `PUT …/{player}/limits`.
    SetLimits, "set_limits", Operator;
    /// `GET …/{player}/transactions`.
    GetStatement, "get_statement", Operator;
    /// `POST …/{player}/sessions`.
    OpenSession, "open_session", Operator;
    /// `DELETE …/{player}/sessions/{key}`.
    CloseSession, "close_session", Operator;
}

impl Call {
    /// Whether its answer may be many times as long as a platform's, which has less than a kibibyte.
    pub const fn has_long_answers(self) -> bool {
        matches!(self, Self::GetAccount | Self::GetStatement)
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
        }
    }
}
