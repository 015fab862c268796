//! What a virtual user plays: the steps of an iteration, and for whom they are (protocol §1, §3, §4).
//!
//! The steps are laid out as the scripts in `k6/` play them.

use std::net::SocketAddr;

use clap::ValueEnum;

/// A kind of request, and the name of its groups and tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestType {
    /// Asks for an account's balance.
    Balance,
    /// Hands in the session token that the last `CreateToken` returned.
    RedeemToken,
    /// Asks for a new session token.
    CreateToken,
    /// Debits a stake.
    PlaceBet,
    /// Credits winnings.
    AwardWinnings,
    /// Takes a bet back.
    RollbackBet,
    /// Gives stake back to a round.
    VoidBet,
    /// Ends a round.
    End,
    /// Pays outside rounds.
    Credit,
    /// Tells of an alert.
    Alert,
}

impl RequestType {
    /// Kinds of request.
    pub(crate) const COUNT: usize = Self::Alert as usize + 1;

    /// All kinds.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Balance,
        Self::RedeemToken,
        Self::CreateToken,
        Self::PlaceBet,
        Self::AwardWinnings,
        Self::RollbackBet,
        Self::VoidBet,
        Self::End,
        Self::Credit,
        Self::Alert,
    ];

    /// Whether the server journals each one that succeeds, before it answers. A token is kept in memory alone, and that it
    /// was redeemed is journaled later, with others (protocol §5).
    pub(crate) const fn is_change(self) -> bool {
        !matches!(self, Self::Balance | Self::RedeemToken | Self::CreateToken)
    }

    /// The name in groups and tags.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::RedeemToken => "redeemToken",
            Self::CreateToken => "createToken",
            Self::PlaceBet => "placebet",
            Self::AwardWinnings => "awardwinnings",
            Self::RollbackBet => "rollbackbet",
            Self::VoidBet => "voidbet",
            Self::End => "end",
            Self::Credit => "credit",
            Self::Alert => "alert",
        }
    }

    /// The path that it is posted to.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Balance => "/v1.0/balance",
            Self::RedeemToken => "/v1.0/session/redeemtoken",
            Self::CreateToken => "/v1.0/session/createtoken",
            Self::PlaceBet => "/v1.0/gameround/placebet",
            Self::AwardWinnings => "/v1.0/gameround/awardwinnings",
            Self::RollbackBet => "/v1.0/gameround/rollbackbet",
            Self::VoidBet => "/v1.0/gameround/voidbet",
            Self::End => "/v1.0/gameround/end",
            Self::Credit => "/v1.0/accounttransaction/credit",
            Self::Alert => "/v1.0/alertwalletcallbacknotification",
        }
    }
}

/// A transaction of a round. Its names are unique in their iteration; the request adds what makes them unique
/// beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Play {
    pub(crate) round: &'static str,
    pub(crate) transaction: &'static str,
    pub(crate) amount_minor: u32,
}

const fn play(round: &'static str, transaction: &'static str, amount_minor: u32) -> Play {
    Play { round, transaction, amount_minor }
}

/// A request of an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Balance,
    /// At most one in an iteration: there is one token to redeem.
    RedeemToken,
    /// Redeems a token that the virtual user mints itself, from its session key and the time.
    RedeemMinted,
    CreateToken,
    PlaceBet {
        play: Play,
        starts: bool,
        ends: bool,
    },
    AwardWinnings(Play),
    RollbackBet {
        play: Play,
        /// The transaction that is taken back, in full.
        bet: &'static str,
    },
    VoidBet(Play),
    End {
        round: &'static str,
    },
    Credit {
        transaction: &'static str,
        amount_minor: u32,
    },
    Alert {
        action: &'static str,
    },
}

impl Step {
    /// The kind of request that it is.
    pub(crate) const fn kind(self) -> RequestType {
        match self {
            Self::Balance => RequestType::Balance,
            Self::RedeemToken | Self::RedeemMinted => RequestType::RedeemToken,
            Self::CreateToken => RequestType::CreateToken,
            Self::PlaceBet { .. } => RequestType::PlaceBet,
            Self::AwardWinnings(_) => RequestType::AwardWinnings,
            Self::RollbackBet { .. } => RequestType::RollbackBet,
            Self::VoidBet(_) => RequestType::VoidBet,
            Self::End { .. } => RequestType::End,
            Self::Credit { .. } => RequestType::Credit,
            Self::Alert { .. } => RequestType::Alert,
        }
    }
}

/// What the virtual users play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// balance, redeemToken, createToken, over and over
    Seed,
    /// balance alone
    Balance,
    /// all ten calls, in a session with three rounds: 26 % placebet, 21 % balance, 16 % end, 5 % each of the others
    Full,
    /// placebet alone, each a round of its own with a stake of 0.01
    Bet,
    /// the seed's calls on one account for all, with tokens that its platform mints (serve --session-token wrapped)
    Wrapped,
}

impl Scenario {
    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Balance => "balance",
            Self::Full => "full",
            Self::Bet => "bet",
            Self::Wrapped => "wrapped",
        }
    }

    /// The requests of an iteration, in their order.
    pub(crate) const fn steps(self) -> &'static [Step] {
        match self {
            Self::Seed => &[Step::Balance, Step::RedeemToken, Step::CreateToken],
            Self::Balance => &[Step::Balance],
            Self::Full => &FULL,
            Self::Bet => &[BET],
            Self::Wrapped => &[Step::Balance, Step::RedeemMinted, Step::CreateToken],
        }
    }

    /// The kinds of its requests, each once, in the order in which they first come.
    pub(crate) fn kinds(self) -> Vec<RequestType> {
        let mut kinds = Vec::with_capacity(RequestType::COUNT);
        for kind in self.steps().iter().map(|step| step.kind()) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// Whether no request depends on the answer to another, so that each may be for an account of its own, and
    /// several may be under way.
    pub(crate) const fn is_independent(self) -> bool {
        matches!(self, Self::Balance | Self::Bet)
    }

    /// What `purser serve` needs beside its demo to play it.
    pub(crate) fn server_options(self) -> Vec<String> {
        let options: &[&str] = if self == Self::Wrapped { &["--session-token", "wrapped"] } else { &[] };
        options.iter().map(|option| (*option).to_owned()).collect()
    }

    /// Whether a virtual user needs a token before its first iteration.
    pub(crate) fn redeems(self) -> bool {
        self.steps().contains(&Step::RedeemToken)
    }
}

/// One session with three rounds. Each step can succeed, whatever came before the iteration.
///
/// The mix to come near is 26 % placebet, 21 % balance, 15 % end, 6 % awardwinnings, and 3 % each of all other
/// calls. Here these are six, so that they share 32 %. Of 19 requests:
///
/// | requests | calls | share | wanted |
/// |---|---|---|---|
/// | 5 | placebet | 26.3 % | 26 % |
/// | 4 | balance | 21.1 % | 21 % |
/// | 3 | end | 15.8 % | 15 % |
/// | 1 | awardwinnings | 5.3 % | 6 % |
/// | 1 | each of redeemToken, createToken, rollbackbet, voidbet, credit, alert | 5.3 % | 32 % / 6 |
///
/// What goes out comes back, so that a run may last: stakes 1.00 + 0.50 + 1.00 + 0.50 + 1.00 = 4.00; winnings 2.50,
/// a bet taken back 0.50, stake given back 0.25, credit 0.75, together 4.00.
const FULL: [Step; 19] = [
    Step::RedeemToken,
    Step::Balance,
    // A round that is won.
    Step::PlaceBet { play: play("a", "a1", 100), starts: true, ends: false },
    Step::PlaceBet { play: play("a", "a2", 50), starts: false, ends: false },
    Step::AwardWinnings(play("a", "a3", 250)),
    Step::End { round: "a" },
    Step::Balance,
    // One with a bet that is taken back.
    Step::PlaceBet { play: play("b", "b1", 100), starts: true, ends: false },
    Step::PlaceBet { play: play("b", "b2", 50), starts: false, ends: false },
    Step::RollbackBet { play: play("b", "b3", 50), bet: "b2" },
    Step::End { round: "b" },
    Step::Balance,
    // One with a part of its stake given back.
    Step::PlaceBet { play: play("c", "c1", 100), starts: true, ends: false },
    Step::VoidBet(play("c", "c2", 25)),
    Step::End { round: "c" },
    Step::Credit { transaction: "d1", amount_minor: 75 },
    Step::Alert { action: "d2" },
    Step::Balance,
    Step::CreateToken,
];

/// A demo account's 1,000,000.00 are 10^8 of these: 27 hours at 1,000 a second, which is 100,000 for 100 accounts.
const BET: Step = Step::PlaceBet { play: play("a", "a1", 1), starts: true, ends: true };

/// Whom the requests are for, the same for all virtual users.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Value of the `Host` field, as the URL has it.
    pub(crate) host: String,
    /// Where that is.
    pub(crate) address: SocketAddr,
    /// Value of the `Authorization` field.
    pub(crate) authorization: String,
    /// `PlatformKey`.
    pub(crate) platform: String,
    /// `GameID`.
    pub(crate) game: String,
    /// Value of the `Request-Timeout` field, in milliseconds; `None` for requests without it.
    pub(crate) request_timeout_ms: Option<u64>,
    /// What tells the sequences, rounds and transactions of this run from those of another.
    pub(crate) run: u64,
}

/// A virtual user as the server knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserIdentity {
    /// Number of the virtual user, from 1.
    pub(crate) number: usize,
    /// Number of the demo account that it plays, or begins with, from 1.
    pub(crate) account: u32,
    /// The highest number of an account that it will play.
    pub(crate) accounts: u32,
}

impl UserIdentity {
    /// A virtual user with the account of its own number.
    pub(crate) const fn own(number: usize) -> Self {
        Self { number, account: number as u32, accounts: number as u32 }
    }

    /// The demo account (protocol §7).
    pub(crate) fn account(self) -> String {
        account(self.account)
    }
}

/// What stands before a demo account's number, and before its session key's (protocol §7).
pub(crate) const ACCOUNT_PREFIX: &str = "default/player-";
pub(crate) const SESSION_PREFIX: &str = "demo-";

/// Digits of a demo account's number: six, and as many as it needs past that.
pub(crate) const fn account_digits(number: u32) -> usize {
    if number < 1_000_000 { 6 } else { number.ilog10() as usize + 1 }
}

/// The demo account with this number.
pub(crate) fn account(number: u32) -> String {
    format!("{ACCOUNT_PREFIX}{number:06}")
}

/// The key of its demo session.
pub(crate) fn session(number: u32) -> String {
    format!("{SESSION_PREFIX}{number:06}")
}

#[cfg(test)]
pub(crate) mod tests;
