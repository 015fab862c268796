//! An account as its client knows it: what it was told, and what follows from the protocol.

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::{Operation, pounds};
use crate::random::Random;

/// A line of the statement.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) operation: Operation,
    after: u64,
    pub(crate) rolled_back: bool,
    moved_nothing: bool,
}

impl Line {
    /// As the server writes it, without its time.
    pub(crate) fn text(&self, number: usize) -> String {
        let (kind, round, id, minor) = self.operation.of_statement().expect("it is in a statement");
        let round =
            round.map_or(String::new(), |round| format!(r#""GameRoundID":"r{round}","GameID":"11588","#));
        let platform = match self.operation {
            Operation::Deposit { .. } | Operation::Withdrawal { .. } => "",
            _ => r#""PlatformKey":"L100","#,
        };
        let original = match self.operation {
            Operation::Rollback { bet, .. } => format!(r#""OriginalBetGameRoundTransactionID":"t{bet}","#),
            _ => String::new(),
        };
        let (amount, after) = (pounds(minor), pounds(self.after));
        let rolled_back = if self.rolled_back { r#","RolledBack":true"# } else { "" };
        let moved_nothing = if self.moved_nothing { r#","MovedNothing":true"# } else { "" };
        format!(
            r#"{{"Number":{number},"Type":"{kind}",{platform}{round}"TransactionID":"t{id}",{original}"Amount":{amount},"CurrencyCode":"GBP","BalanceAfter":{after}{rolled_back}{moved_nothing}}}"#
        )
    }
}

#[derive(Clone, Debug)]
struct Round {
    id: u32,
    is_open: bool,
    staked: u64,
    returned: u64,
}

/// Cash in minor units, and the number of its changes.
pub(crate) type Funds = (u64, u64);

/// An account, all of whose changes come from one client.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) funds: Funds,
    pub(crate) lines: Vec<Line>,
    pub(crate) is_frozen: bool,
    pub(crate) stake_limit: Option<u64>,
    /// Keys of live sessions, oldest first.
    pub(crate) live: Vec<String>,
    /// Keys that were logged out.
    pub(crate) dead: Vec<String>,
    rounds: Vec<Round>,
    /// The line of a transaction.
    places: BTreeMap<u32, usize>,
    /// Bets that were rolled back and had not come: round, id, stake.
    cancelled: Vec<(u32, u32, u64)>,
    cancelled_ids: BTreeSet<u32>,
    /// The last id that was used.
    id_used: u32,
}

/// Statuses of the operator's answers.
const OK: i32 = 200;
const CREATED: i32 = 201;

impl Account {
    pub(crate) fn new(id: String) -> Self {
        Self {
            id,
            funds: (0, 0),
            lines: Vec::new(),
            is_frozen: false,
            stake_limit: None,
            live: Vec::new(),
            dead: Vec::new(),
            rounds: Vec::new(),
            places: BTreeMap::new(),
            cancelled: Vec::new(),
            cancelled_ids: BTreeSet::new(),
            id_used: 0,
        }
    }

    pub(crate) fn open_rounds(&self) -> usize {
        self.rounds.iter().filter(|round| round.is_open).count()
    }

    fn id(&mut self) -> u32 {
        self.id_used += 1;
        self.id_used
    }

    /// A call of the platform's.
    pub(crate) fn draw_play(&mut self, random: &mut Random) -> Operation {
        let id = self.id();
        let minor = 1 + random.below(2_000);
        let round = random.late(&self.rounds, 6).cloned();
        match (random.below(100), round) {
            (0..40, _) | (40..85, None) => {
                let ends = random.percent(25);
                Operation::Bet { round: id, id, minor, key: self.draw_key(random), starts: true, ends }
            }
            (40..48, Some(Round { id: round, .. })) => {
                let key = self.draw_key(random);
                Operation::Bet { round, id, minor, key, starts: false, ends: false }
            }
            (48..66, Some(Round { id: round, .. })) => {
                let minor = if random.percent(30) { 0 } else { minor };
                Operation::Win { round, id, minor, ends: random.percent(30) }
            }
            (66..76, Some(_)) => self.draw_rollback(random, id),
            (76..80, Some(_)) => Operation::Rollback { round: id, id, bet: self.id(), minor },
            (80..83, Some(Round { id: round, staked, returned, .. })) if staked > returned => {
                Operation::Void { round, id, minor: 1 + random.below(staked - returned) }
            }
            (83..85, Some(Round { id: round, .. })) => Operation::End { round },
            (85..88, _) if !self.cancelled.is_empty() => {
                let (round, id, minor) = *random.late(&self.cancelled, 10).expect("there is one");
                let key = self.draw_key(random);
                Operation::Bet { round, id, minor, key, starts: true, ends: false }
            }
            (88..95, _) if !self.lines.is_empty() => self.draw_repeat(random, id),
            _ => Operation::Credit { id, minor },
        }
    }

    /// A rollback of a bet that is there; it may have been rolled back. One that its round can't give back any more is
    /// left out: it would be refused, and could be taken when it is repeated after a further bet.
    fn draw_rollback(&self, random: &mut Random, id: u32) -> Operation {
        let is_bet = |line: &&Line| matches!(line.operation, Operation::Bet { .. });
        let bets: Vec<&Line> = self.lines.iter().rev().filter(is_bet).take(8).collect();
        if let Some(line) = random.late(&bets, 8)
            && let Operation::Bet { round, id: bet, minor, .. } = &line.operation
            && let Some(of) = self.rounds.iter().find(|of| of.id == *round)
            && (line.rolled_back || of.returned + minor <= of.staked)
        {
            return Operation::Rollback { round: *round, id, bet: *bet, minor: *minor };
        }
        Operation::Credit { id, minor: 1 }
    }

    /// A transaction that is known, once more.
    fn draw_repeat(&self, random: &mut Random, id: u32) -> Operation {
        let known = &random.late(&self.lines, 100).expect("there is one").operation;
        if known.is_operators() { Operation::Credit { id, minor: 1 } } else { known.clone() }
    }

    fn draw_key(&self, random: &mut Random) -> String {
        let keys = if random.percent(90) { [&self.live, &self.dead] } else { [&self.dead, &self.live] };
        let key = keys.into_iter().find_map(|keys| random.late(keys, 4));
        key.cloned().unwrap_or_else(|| "no-key".into())
    }

    /// A call of the operator's.
    pub(crate) fn draw_operators(&mut self, random: &mut Random) -> Operation {
        let id = self.id();
        let minor = 1 + random.below(1_000);
        match random.below(10) {
            // Losses are never what ends the game here.
            _ if self.funds.0 < 500_000 => Operation::Deposit { id, minor: 1_000_000 },
            0..2 => Operation::Deposit { id, minor },
            2..4 => Operation::Withdrawal { id, minor },
            4 => Operation::SetFrozen(!self.is_frozen),
            // Not for long.
            5 if self.is_frozen => Operation::SetFrozen(false),
            5 | 6 => Operation::SetStakeLimit(random.percent(50).then(|| 1_000 + random.below(1_000))),
            _ if self.live.len() < 4 => Operation::LogIn(format!("{}-key-{id}", self.id.replace('/', "-"))),
            _ => Operation::LogOut(random.late(&self.live, 4).expect("there are four").clone()),
        }
    }

    /// What follows from an operation: the error code of the platforms' protocol, or the status of the operator's.
    pub(crate) fn apply(&mut self, operation: &Operation) -> i32 {
        let known = operation.of_statement().and_then(|(_, _, id, _)| self.places.get(&id));
        if let Some(place) = known {
            let is_rolled_back = self.lines[*place].rolled_back;
            return if is_rolled_back { -7 } else { success(operation) };
        }
        match operation {
            Operation::Bet { round, id, minor, key, starts, ends } => {
                self.bet(operation, (*round, *id, *minor), key, *starts, *ends)
            }
            Operation::Win { round, minor, ends, .. } => {
                let round = self.round(*round).expect("winnings are drawn of a round that is there");
                round.is_open &= !ends;
                self.record(operation, *minor as i64)
            }
            Operation::Rollback { round, bet, minor, .. } => self.roll_back(operation, *round, *bet, *minor),
            Operation::Void { round, minor, .. } => {
                let round = self.round(*round).expect("a void is drawn of a round that is there");
                round.returned += minor;
                self.record(operation, *minor as i64)
            }
            Operation::End { round } => {
                self.round(*round).expect("an end is drawn of a round that is there").is_open = false;
                0
            }
            Operation::Credit { minor, .. } | Operation::Deposit { minor, .. } => {
                self.record(operation, *minor as i64)
            }
            Operation::Withdrawal { minor, .. } => self.record(operation, -(*minor as i64)),
            Operation::SetFrozen(is_frozen) => {
                self.is_frozen = *is_frozen;
                OK
            }
            Operation::SetStakeLimit(limit) => {
                self.stake_limit = *limit;
                OK
            }
            Operation::LogIn(key) => {
                self.live.push(key.clone());
                CREATED
            }
            Operation::LogOut(key) => {
                self.live.retain(|live| live != key);
                self.dead.push(key.clone());
                OK
            }
        }
    }

    fn round(&mut self, id: u32) -> Option<&mut Round> {
        self.rounds.iter_mut().find(|round| round.id == id)
    }

    fn bet(
        &mut self,
        operation: &Operation,
        (round, id, minor): (u32, u32, u64),
        key: &str,
        starts: bool,
        ends: bool,
    ) -> i32 {
        if self.cancelled_ids.contains(&id) {
            return -7;
        }
        if !self.live.iter().any(|live| live == key) {
            return -3;
        }
        if self.is_frozen {
            return -4;
        }
        if self.stake_limit.is_some_and(|limit| minor > limit) {
            return -10;
        }
        if self.funds.0 < minor {
            return -2;
        }
        if starts {
            self.rounds.push(Round { id: round, is_open: true, staked: 0, returned: 0 });
        }
        let round = self.round(round).expect("a further bet is drawn of a round that is there");
        round.staked += minor;
        round.is_open &= !ends;
        self.record(operation, -(minor as i64))
    }

    fn roll_back(&mut self, operation: &Operation, round: u32, bet: u32, minor: u64) -> i32 {
        let Some(place) = self.places.get(&bet).copied() else {
            self.cancelled.push((round, bet, minor));
            self.cancelled_ids.insert(bet);
            return -8;
        };
        if self.lines[place].rolled_back {
            self.record(operation, 0);
            self.lines.last_mut().expect("the rollback's").moved_nothing = true;
            return 0;
        }
        self.round(round).expect("the bet's").returned += minor;
        self.lines[place].rolled_back = true;
        self.record(operation, minor as i64)
    }

    /// Moves `minor` and writes a line.
    fn record(&mut self, operation: &Operation, minor: i64) -> i32 {
        let (cash, version) = self.funds;
        let after = cash.checked_add_signed(minor).expect("a client knows what it has");
        self.funds = (after, version + u64::from(minor != 0));
        let (_, _, id, _) = operation.of_statement().expect("it is in a statement");
        self.places.insert(id, self.lines.len());
        self.lines.push(Line {
            operation: operation.clone(),
            after,
            rolled_back: false,
            moved_nothing: false,
        });
        success(operation)
    }
}

const fn success(operation: &Operation) -> i32 {
    if operation.is_operators() { OK } else { 0 }
}
