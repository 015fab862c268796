//! The table of operations: whatever can be asked of a wallet, each described once.
//!
//! [`operations!`] hands the whole table to a macro, [`records!`] the journaled rows, [`calls!`] those that have calls of
//! their own. What follows from it:
//!
//! | crate | what |
//! |---|---|
//! | `wallet` | a struct for each operation, the enum of them, their slots, what changes something |
//! | `journal` | the stored form of the journaled ones |
//! | `api` | the calls with their names and paths; of the platforms' calls also the readers of the bodies, and the operations of them |
//! | `recovery`, `server` | an operation in words: about damage, and in `explain` |
//!
//! An operation is written so:
//!
//! ```text
//! (journaled called
//!     /// Its docs.
//!     EndRound<S> ["end" "the end of a round"] writes at account, ends
//!     by { EndRound("end", Platform, Post "/v1.0/gameround/end") }
//!     with [envelope recorded]
//!     {
//!         /// Whose round.
//!         account: AccountRef<S> as account = ("OperatorAccountID" <= limits::ID_CHARS_MAX; required);
//!     })
//! ```
//!
//! - `journaled`, or `applied` only; `called` by requests, or a `step` that follows from one.
//! - Its struct, which is generic unless it holds no text. In brackets: how `explain` names it, and how a sentence about damage
//!   does; where both are empty its kind names it.
//! - `writes` where a request may change something, and is refused while nothing can be journaled; otherwise `reads`, or `goes` for
//!   a step of what was let in, which goes on. The slot that owns it, by its member. Whether a step at another slot follows:
//!   `ends`, `goes_on`, or `may_go_on`, which the operation itself knows.
//! - `by`: its calls, with their name in the metrics, whose they are, method and path. `with`: further members of the body: those
//!   of each platform's request (`envelope`, protocol §1), and those that are only recorded ([`recorded!`], [`alert!`]).
//! - Its members: `field: Type as kind = (JSON; need);`. The kind gives the stored form and the words. A member without JSON
//!   comes from elsewhere: the path, or an operator's body, whose objects `api/operator.rs` has. The order is that of the stored
//!   form: **a stored member that comes, goes or moves is a new format of the journal** (docs/contributing.md, Add a member to a
//!   call).
//! - After them, where there are any: `without`, members that are not stored, with the value that a record has for them; `checks`,
//!   members of the body that are read and bounded, and not kept.
//!
//! JSON is the member's name, further names after `|`, and the bound of a text in characters after `<=`. The need is `required`,
//! `optional`, or `blank` (optional, and may be empty), and may be limited to calls: `required in PlaceBet, blank` is optional in
//! the others. A call without a need for a member does not know it.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// Hands all operations to `$then!`.
#[macro_export]
macro_rules! operations {
    ($then:ident) => {
        $crate::table! { [$then] }
    };
}

/// Hands the journaled operations to `$then!`, in the order of their stored forms.
#[macro_export]
macro_rules! records {
    ($then:ident) => {
        $crate::table! { [$crate::filter] journaled $then [] }
    };
}

/// Hands the operations that have calls to `$then!`, in the order of the protocol.
#[macro_export]
macro_rules! calls {
    ($then:ident) => {
        $crate::table! { [$crate::filter] called $then [] }
    };
}

/// Hands the members that a round's calls record, and that never move funds (protocol §2, §4), to `$then!`, behind `$first`.
#[macro_export]
macro_rules! recorded {
    ($then:ident $($first:tt)*) => {
        $then! {
            $($first)*
            recorded {
                provider: text = ("ContentGameProviderID" <= limits::ID_CHARS_MAX; optional);
                game_version: text = ("GameVersion" <= limits::ID_CHARS_MAX; optional);
                table: text = ("TableID" <= limits::ID_CHARS_MAX; optional);
                jackpot_contribution: jackpot = ("JackpotContribution"; optional);
                jackpot_winnings: jackpot = ("JackpotWinnings"; optional);
                free_bet_cost: money = ("FreeBetCost"; optional);
                free_game_offer: text = ("FreeGameOfferCode" <= limits::ID_CHARS_MAX; optional);
                free_bet_offer: text = ("FreeBetOfferCode" <= limits::ID_CHARS_MAX; optional);
            }
        }
    };
}

/// Hands an alert's own members, which are recorded (protocol §4), to `$then!`, behind `$first`.
#[macro_export]
macro_rules! alert {
    ($then:ident $($first:tt)*) => {
        $then! {
            $($first)*
            recorded {
                session: text = ("GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX; required);
                source: text = ("Source" <= limits::ID_CHARS_MAX; required);
                action: text = ("AlertActionID" <= limits::ID_CHARS_MAX; required);
                action_reference: text = ("OperatorAlertActionReference" <= limits::ID_CHARS_MAX; required);
                reference: text = ("OperatorAlertReference" <= limits::ID_CHARS_MAX; required);
                regulator: text = ("GamingRegulatorCode" <= limits::ID_CHARS_MAX; required);
                kind: text = ("Type" <= limits::ID_CHARS_MAX; required);
                method: text = ("Method" <= limits::ID_CHARS_MAX; required);
                data: text = ("Data" <= limits::ID_CHARS_MAX; required);
            }
        }
    };
}

/// Hands those operations on that are of a kind, by the first two words of their rows.
#[doc(hidden)]
#[macro_export]
macro_rules! filter {
    ($kind:ident $then:ident [$($kept:tt)*]) => {
        $then! { $($kept)* }
    };
    (journaled $then:ident [$($kept:tt)*] (journaled $($row:tt)*) $($rest:tt)*) => {
        $crate::filter! { journaled $then [$($kept)* (journaled $($row)*)] $($rest)* }
    };
    (called $then:ident [$($kept:tt)*] ($stored:ident called $($row:tt)*) $($rest:tt)*) => {
        $crate::filter! { called $then [$($kept)* ($stored called $($row)*)] $($rest)* }
    };
    ($kind:ident $then:ident [$($kept:tt)*] ($($row:tt)*) $($rest:tt)*) => {
        $crate::filter! { $kind $then [$($kept)*] $($rest)* }
    };
}

/// The table itself: hands it to a macro, behind the words that the macro is to get first.
#[doc(hidden)]
#[macro_export]
macro_rules! table {
    ([$($then:tt)*] $($first:tt)*) => {
        $($then)*! {
            $($first)*
            (applied called
                /// `balance` (protocol §3).
                Balance<S> ["balance" "a balance"] reads at account, ends
                by { Balance("balance", Platform, Post "/v1.0/balance") }
                with [envelope]
                {
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// Whose balance.
                    account: AccountRef<S> as account = ("OperatorAccountID" <= limits::ID_CHARS_MAX; required);
                    /// The game that is played, where the platform says it.
                    game: Option<S> as optional_game = ("GameID" <= limits::ID_CHARS_MAX; optional);
                }
                checks {
                    provider: text = ("ContentGameProviderID" <= limits::ID_CHARS_MAX; optional);
                })
            (applied called
                /// `createtoken` (protocol §3).
                CreateToken<S> ["createtoken" "a token"] reads at account, ends
                by { CreateToken("createtoken", Platform, Post "/v1.0/session/createtoken") }
                with [envelope]
                {
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// Whose newest live session the token stands for.
                    account: AccountRef<S> as account = ("OperatorAccountID" <= limits::ID_CHARS_MAX; required);
                    /// The game to be played.
                    game: S as game = ("GameID" <= limits::ID_CHARS_MAX; required);
                    /// The token's random bits, drawn from a cryptographic generator; unused by the wrapped policy.
                    entropy: u128 as entropy;
                })
            (applied called
                /// `redeemtoken` of a single-use token (protocol §3).
                RedeemToken<> ["redeemtoken" "the redemption of a token"] writes at token, ends
                by { RedeemToken("redeemtoken", Platform, Post "/v1.0/session/redeemtoken") }
                with [envelope]
                {
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// The token, which carries its slot.
                    token: TokenId as token = ("SessionToken" <= limits::SESSION_TOKEN_REQUEST_CHARS_MAX; required);
                }
                checks {
                    address: text = ("IPAddress" <= limits::IP_ADDRESS_CHARS_MAX; required);
                })
            (applied step
                /// `redeemtoken` of a wrapped token, at the slot of the session's key (protocol §3).
                RedeemWrapped<S> ["redeemtoken" "the redemption of a token"] writes at key, goes_on
                {
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// The session key in the token.
                    key: S as key;
                    /// The time in the token, milliseconds since 1970.
                    minted_ms: u64 as time;
                })
            (journaled called
                /// `placebet`, `awardwinnings`, `rollbackbet` or `voidbet` (protocol §4).
                Play<S> ["" ""] writes at account, may_go_on
                by {
                    PlaceBet("placebet", Platform, Post "/v1.0/gameround/placebet")
                    AwardWinnings("awardwinnings", Platform, Post "/v1.0/gameround/awardwinnings")
                    RollbackBet("rollbackbet", Platform, Post "/v1.0/gameround/rollbackbet")
                    VoidBet("voidbet", Platform, Post "/v1.0/gameround/voidbet")
                }
                with [envelope recorded]
                {
                    /// Which call.
                    kind: PlayKind as play_kind;
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// Whose round.
                    account: AccountRef<S> as account = ("OperatorAccountID" <= limits::ID_CHARS_MAX; required);
                    /// `GatewaySessionToken`; always there in a bet.
                    session: Option<S> as optional_key = ("GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX;
                        required in PlaceBet, blank);
                    /// `GameRoundID`.
                    round: S as round = ("GameRoundID" <= limits::ID_CHARS_MAX; required);
                    /// What makes a round of this platform.
                    scope: RoundScope as scope;
                    /// `GameRoundTransactionID`.
                    transaction: S as transaction = ("GameRoundTransactionID" <= limits::ID_CHARS_MAX; required);
                    /// `OriginalBetGameRoundTransactionID`; there in a rollback only. Platforms send it under two wrong names, too.
                    original: Option<S> as original = ("OriginalBetGameRoundTransactionID" | "OrginalBetGameRoundTransactionID"
                        | "OriginalPlaceBetGameRoundTransactionID" <= limits::ID_CHARS_MAX; required in RollbackBet);
                    /// `GameID`.
                    game: S as game = ("GameID" <= limits::ID_CHARS_MAX; required);
                    /// `CurrencyCode`; `None` where ISO 4217 has no such code.
                    currency: Option<Currency> as currency = ("CurrencyCode" <= limits::CURRENCY_CODE_CHARS_MAX; required);
                    /// `Amount`, in minor units of `currency`; zero where that is `None`.
                    amount: Amount as amount = ("Amount"; required);
                    /// `StartRound`; false in a rollback and in a void, which have none.
                    starts_round: bool as starts_round = ("StartRound"; required in PlaceBet AwardWinnings);
                    /// `EndRound`.
                    ends_round: bool as ends_round = ("EndRound"; required);
                    /// The members that are recorded and move nothing, as a JSON object, where there are any.
                    details: Option<S> as details;
                }
                without {
                    /// The session is known not to be another account's: [`CheckHolder`] has seen to it, and so it was before
                    /// it was journaled.
                    session_checked: bool as session_checked = true;
                })
            (journaled called
                /// `gameround/end` (protocol §4).
                EndRound<S> ["end" "the end of a round"] writes at account, ends
                by { EndRound("end", Platform, Post "/v1.0/gameround/end") }
                with [envelope recorded]
                {
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// Whose round.
                    account: AccountRef<S> as account = ("OperatorAccountID" <= limits::ID_CHARS_MAX; required);
                    /// `GameRoundID`.
                    round: S as round = ("GameRoundID" <= limits::ID_CHARS_MAX; required);
                    /// What makes a round of this platform.
                    scope: RoundScope as scope;
                    /// `GameID`.
                    game: S as game = ("GameID" <= limits::ID_CHARS_MAX; required);
                    /// `CurrencyCode`; `None` where ISO 4217 has no such code.
                    currency: Option<Currency> as currency = ("CurrencyCode" <= limits::CURRENCY_CODE_CHARS_MAX; required);
                    /// The members that are recorded and move nothing, as a JSON object, where there are any.
                    details: Option<S> as details;
                }
                checks {
                    session: text = ("GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX; blank);
                })
            (journaled called
                /// `accounttransaction/credit` (protocol §4). The members that rounds record are checked and not kept.
                Credit<S> ["credit" "a credit"] writes at account, ends
                by { Credit("credit", Platform, Post "/v1.0/accounttransaction/credit") }
                with [envelope recorded]
                {
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// Who is paid.
                    account: AccountRef<S> as account = ("OperatorAccountID" <= limits::ID_CHARS_MAX; required);
                    /// `AccountTransactionID`.
                    transaction: S as transaction = ("AccountTransactionID" <= limits::ID_CHARS_MAX; required);
                    /// `AccountTransactionTypeID`.
                    kind: S as credit_type = ("AccountTransactionTypeID" <= limits::ID_CHARS_MAX; required);
                    /// `CurrencyCode`; `None` where ISO 4217 has no such code.
                    currency: Option<Currency> as currency = ("CurrencyCode" <= limits::CURRENCY_CODE_CHARS_MAX; required);
                    /// In minor units of `currency`; zero where that is `None`.
                    amount: Amount as amount = ("Amount"; required);
                }
                checks {
                    session: text = ("GatewaySessionToken" <= limits::SESSION_KEY_CHARS_MAX; blank);
                })
            (journaled called
                /// `alertwalletcallbacknotification` (protocol §4).
                Alert<S> ["alert" "an alert"] writes at account, ends
                by { Alert("alert", Platform, Post "/v1.0/alertwalletcallbacknotification") }
                with [envelope alert]
                {
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// The account that it is recorded on.
                    account: AccountRef<S> as account = ("OperatorAccountID" <= limits::ID_CHARS_MAX; required);
                    /// The alert's own members, as a JSON object.
                    details: S as alert_details;
                })

            (journaled called
                /// `PUT …/accounts/{domain}/{player}`: create the account, or replace its profile (protocol §6).
                PutAccount<S> ["profile" "the profile"] writes at account, ends
                by { PutAccount("put_account", Operator, Put "") }
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// Its new profile.
                    profile: Box<Profile> as profile;
                })
            (applied called
                /// `GET …/accounts/{domain}/{player}` (protocol §6).
                GetAccount<S> ["account" "an account"] reads at account, ends
                by { GetAccount("get_account", Operator, Get "") }
                {
                    /// The account.
                    account: AccountRef<S> as account;
                })
            (journaled called
                /// `PUT …/{player}/status` (protocol §6).
                SetStatus<S> ["status" "the status"] writes at account, ends
                by { SetStatus("set_status", Operator, Put "status") }
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// Its new status.
                    status: AccountStatus as status;
                })
            (journaled called
                /// `POST …/{player}/deposits` and `…/withdrawals` (protocol §6).
                Transfer<S> ["" ""] writes at account, ends
                by {
                    Deposit("deposit", Operator, Post "deposits")
                    Withdraw("withdraw", Operator, Post "withdrawals")
                }
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// Into the account, or out of it.
                    direction: Direction as direction;
                    /// `TransactionID`.
                    transaction: S as transaction;
                    /// `Amount`.
                    amount: Money as money;
                }
                without {
                    /// `CurrencyCode`, where the operator says it. It was the account's, or nothing would have been journaled.
                    currency: Option<Currency> as own_currency = None;
                })
            (journaled called
                /// `PUT …/{player}/limits`: replaces all limits (protocol §6).
                SetLimits<S> ["limits" "the limits"] writes at account, ends
                by { SetLimits("set_limits", Operator, Put "limits") }
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// The new limits.
                    limits: Box<Restrictions<Money>> as limits;
                })
            (applied called
                /// `GET …/{player}/transactions`: a page of the statement (protocol §6).
                GetStatement<S> ["statement" "a statement"] reads at account, ends
                by { GetStatement("get_statement", Operator, Get "transactions") }
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// The page begins after the transaction of this number; 0 for the first page.
                    after: u64 as number;
                    /// Transactions of the page at most.
                    limit: u16 as lines;
                })
            (applied called
                /// `POST …/{player}/sessions`, at the slot of the session's key: claims the key (protocol §6).
                OpenSession<S> ["login with" "a login"] writes at key, goes_on
                by { OpenSession("open_session", Operator, Post "sessions") }
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// The session's key, the operator's own or one that was drawn for it.
                    key: S as key;
                })
            (journaled step
                /// Second step of [`OpenSession`], at the account: the key is claimed, the session starts.
                StartSession<S> ["login with" "a login"] goes at account, goes_on
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// The session's key.
                    key: S as key;
                })
            (journaled called
                /// `DELETE …/{player}/sessions/{key}`: logout (protocol §6).
                CloseSession<S> ["logout of" "a logout"] writes at account, goes_on
                by { CloseSession("close_session", Operator, Delete "sessions/{key}") }
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// The session's key.
                    key: S as key;
                })

            (applied step
                /// Second step of [`RedeemWrapped`], at the account.
                RedeemSession<S> ["redeemtoken" "the redemption of a token"] goes at holder, ends
                {
                    /// Who asks.
                    platform: PlatformKey as platform;
                    /// The hash of the account that holds the session, from the directory of keys.
                    holder: AccountHash as holder;
                    /// The session key.
                    key: S as key;
                    /// The time in the token, milliseconds since 1970.
                    minted_ms: u64 as time;
                })
            (applied step
                /// Second step of an [`OpenSession`] whose key another account has claimed, at that account: does it hold the
                /// session?
                CheckClaim<S> ["login with" "a login"] goes at holder, goes_on
                {
                    /// The hash of the account that has claimed the key, from the directory of keys.
                    holder: AccountHash as holder;
                    /// The account that wants the key.
                    account: AccountRef<S> as other_account;
                    /// The session's key.
                    key: S as key;
                })
            (applied step
                /// Gives a claim of a session's key back to the directory, at the slot of the key; the last step of a logout, of
                /// an opening that failed or found the session there, and of the sweep.
                ReleaseKey<S> ["release of" "the release of a key"] goes at key, ends
                {
                    /// The session's key.
                    key: S as key;
                    /// The hash of the account that held it.
                    holder: AccountHash as holder;
                    /// What the request that led here is answered.
                    answer: Released as released;
                })
            (applied step
                /// Second step of an `awardwinnings` whose session is not its account's, at the slot of the session's key.
                FindHolder<S> ["awardwinnings" "awardwinnings"] goes at session, goes_on
                {
                    /// The winnings.
                    play: Box<Play<S>> as play;
                })
            (applied step
                /// Third step of it, at the account that holds the session: is it live there?
                CheckHolder<S> ["awardwinnings" "awardwinnings"] goes at holder, goes_on
                {
                    /// The hash of the account that holds the session, from the directory of keys.
                    holder: AccountHash as holder;
                    /// The winnings.
                    play: Box<Play<S>> as play;
                })
            (journaled step
                /// The renewal of a session by `redeemtoken`, on its way to the journal (protocol §5); the shard's own.
                RenewSession<S> ["renewal of" "the renewal of a session"] goes at account, ends
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// The session's key.
                    key: S as key;
                    /// Its last use, milliseconds since 1970.
                    used_ms: u64 as used_at;
                })
            (journaled step
                /// A round of the history as it is before the change that follows, so that a replay needs no history; the shard's
                /// own.
                RecallRound<S> ["recall of" "the recall of a round"] goes at account, ends
                {
                    /// The account.
                    account: AccountRef<S> as account;
                    /// The round.
                    round: Box<RoundImage> as round_image;
                })
        }
    };
}
