//! `tools simulate --year`: a year of players who come every day. What is kept of them must grow until the retention is over, and
//! not from then on.
//!
//! Nobody judges every answer here, as the auditor does: each player's balance is known by arithmetic, a bet that comes again after
//! days or months must be known, and once a month a fold is held against a replay.

use std::collections::HashMap;
use std::process::ExitCode;

use compact_str::CompactString;
use testkit::auditor::{Rules, Times};
use testkit::workload::Chance;
use testkit::world::World;
use wallet::account::{AccountRef, Profile};
use wallet::amount::{Amount, Money};
use wallet::operation::{self, Direction, Operation, Play, PlayKind};
use wallet::outcome::Outcome;
use wallet::{Currency, PlatformKey, RoundScope, TokenPolicy};

use super::cluster::{Cluster, SHARDS_MAX, Sizes};
use super::disk::shelf::Choice;

const PLAYERS: usize = 1_000;

/// Rounds of a player on a day: a bet, and winnings that end it.
const ROUNDS_A_DAY: u32 = 3;

/// Players who ask for an old bet once more, on a day.
const REPEATS_A_DAY: usize = 100;

const DAY_MS: u64 = 24 * 3_600 * 1_000;
const RETENTION_DAYS: u64 = 120;
const WEEKS: u64 = 52;
const WEEKS_A_MONTH: u64 = 4;

/// The month after which nothing is to grow, and the one that is held against it.
const COMPARED: [usize; 2] = [5, 12];

/// By how much the later one may be larger, in hundredths. Each number of shards has its own last segments, which no fold takes.
const GROWN_PERCENT: u64 = 5;

/// Requests that go out together.
const TOGETHER: usize = 100;

/// 2023-11-14.
const START_MS: u64 = 1_700_000_000_000 / DAY_MS * DAY_MS;

/// A player, whose balance is known.
struct Player {
    account: AccountRef<CompactString>,
    platform: PlatformKey,
    currency: Currency,
    cash: i64,
}

/// What there is at the end of a month.
#[derive(Clone, Copy, Debug)]
struct Month {
    shards: usize,
    snapshot_bytes: u64,
    history_bytes: u64,
    /// Of the filter and tables.
    history_memory: u64,
    /// Of all files.
    rows: u64,
    files: u64,
    /// In memory.
    rounds: u64,
    accounts: u64,
}

/// The year.
struct Year {
    cluster: Cluster,
    chance: Chance,
    rules: Rules,
    players: Vec<Player>,
    now_ms: u64,
    /// Who waits for what: the player, and the cash that the answer is to show.
    waiting: HashMap<u64, (usize, i64)>,
    waiters: u64,
}

/// Plays the year, and prints what there is after each month.
///
/// # Errors
/// A sentence, where the machine is not as it should be.
pub(super) fn run(seed: u64, say: &dyn Fn(&str)) -> Result<ExitCode, String> {
    let mut year = Year::new(seed)?;
    let mut months: Vec<Month> = Vec::new();
    say(
        "| month | shards | snapshots, bytes | history, bytes | its filter, bytes | its rounds | its files | rounds in memory | accounts |",
    );
    say("|---|---|---|---|---|---|---|---|---|");
    for week in 1..=WEEKS {
        for day in (week - 1) * 7..week * 7 {
            year.play(day)?;
        }
        let ends_month = week.is_multiple_of(WEEKS_A_MONTH);
        year.tend(ends_month)?;
        if ends_month {
            let month = year.measure()?;
            months.push(month);
            let Month {
                shards,
                snapshot_bytes,
                history_bytes,
                history_memory,
                rows,
                files,
                rounds,
                accounts,
            } = month;
            let number = months.len();
            say(&format!(
                "| {number} | {shards} | {snapshot_bytes} | {history_bytes} | {history_memory} | {rows} | {files} | {rounds} | \
                 {accounts} |"
            ));
        }
        year.restart()?;
    }
    let [one, other] = COMPARED.map(|month| months[month - 1]);
    let grown = [
        ("snapshots", one.snapshot_bytes, other.snapshot_bytes),
        ("the history", one.history_bytes, other.history_bytes),
        ("its filter", one.history_memory, other.history_memory),
        ("its rounds", one.rows, other.rows),
        ("rounds in memory", one.rounds, other.rounds),
    ];
    let has_grown = |one: u64, other: u64| other * 100 > one * (100 + GROWN_PERCENT);
    for (what, one, other) in grown {
        if has_grown(one, other) {
            let [before, after] = COMPARED;
            return Err(format!(
                "After month {before}, {what} came to {one}, and after month {after} to {other}."
            ));
        }
    }
    say(&format!("{} rounds of {PLAYERS} players, and nothing grows past the retention", year.count()));
    Ok(ExitCode::SUCCESS)
}

impl Year {
    fn new(seed: u64) -> Result<Self, String> {
        let mut chance = Chance::new(seed);
        let sizes = Sizes { lane_requests: 2 * TOGETHER, segment_bytes: 1024 * 1024 };
        let cluster = Cluster::new(2, sizes, &mut chance);
        let mut rules = World::rules(TokenPolicy::SingleUse);
        rules.times = Times { retention_ms: RETENTION_DAYS * DAY_MS, ..rules.times };
        let player = |player: testkit::world::Player| Player {
            account: AccountRef::new(player.id.as_str().into()),
            platform: player.platforms[0],
            currency: player.currency,
            cash: 0,
        };
        let players = World::new(PLAYERS).players.into_iter().map(player).collect();
        let (now_ms, waiting) = (START_MS, HashMap::new());
        let mut year = Self { cluster, chance, rules, players, now_ms, waiting, waiters: 0 };
        year.start(2)?;
        year.all(|player| {
            Some((
                Operation::PutAccount(operation::PutAccount {
                    account: player.account.clone(),
                    profile: Box::new(Profile::of(*b"GB")),
                }),
                0,
            ))
        })?;
        year.all(|player| {
            let amount = Money::parse("1000000").expect("it is a number");
            let currency = if player.account.id().starts_with("nippon/") { 1 } else { 100 };
            let minor = 1_000_000 * if player.account.id().starts_with("gulf/") { 1_000 } else { currency };
            Some((
                Operation::Transfer(operation::Transfer {
                    account: player.account.clone(),
                    direction: Direction::In,
                    transaction: "opening".into(),
                    amount,
                    currency: None,
                }),
                minor,
            ))
        })?;
        Ok(year)
    }

    fn count(&self) -> u64 {
        u64::from(ROUNDS_A_DAY) * PLAYERS as u64 * 7 * WEEKS
    }

    fn start(&mut self, shards: usize) -> Result<(), String> {
        let started = self.cluster.start(self.now_ms, shards, &self.rules, &mut self.chance)?;
        self.cluster.open(started.cores, self.now_ms);
        Ok(())
    }

    /// Every player asks for something that adds to the cash; `None` where it does not.
    fn all(
        &mut self,
        ask: impl Fn(&Player) -> Option<(Operation<CompactString>, i64)>,
    ) -> Result<(), String> {
        for at in 0..PLAYERS {
            if let Some((operation, adds)) = ask(&self.players[at]) {
                self.ask(at, &operation, adds)?;
            }
        }
        self.drain()
    }

    fn ask(&mut self, at: usize, operation: &Operation<CompactString>, adds: i64) -> Result<(), String> {
        self.waiters += 1;
        self.players[at].cash += adds;
        self.waiting.insert(self.waiters, (at, self.players[at].cash));
        let owner = self.cluster.owner(operation);
        self.cluster.submit(owner, self.now_ms, u64::MAX, self.waiters, operation);
        if self.waiting.len() == TOGETHER { self.drain() } else { Ok(()) }
    }

    /// All that was asked is answered, and durable.
    fn drain(&mut self) -> Result<(), String> {
        loop {
            let shards = self.cluster.shards.len();
            for at in 0..shards {
                self.cluster.poll(at, self.now_ms);
            }
            self.cluster.take_applied();
            for reply in self.cluster.take_replies() {
                let (player, cash) =
                    self.waiting.remove(&reply.waiter).ok_or("Nobody waits for an answer.")?;
                let told = match &reply.answer {
                    Outcome::Done { balance, .. } => Some(balance.cash.minor()),
                    Outcome::Transferred(balance) => Some(balance.cash.minor()),
                    Outcome::Refused { .. } | Outcome::OperatorRefused(_) | Outcome::Unavailable => None,
                    _ => Some(cash),
                };
                if told != Some(cash) {
                    let id = self.players[player].account.id();
                    return Err(format!("{id} was told {:?}, and has {cash}.", reply.answer));
                }
            }
            self.cluster.sync();
            if self.waiting.is_empty() {
                return Ok(());
            }
            self.now_ms += 1;
        }
    }

    /// A day: everybody logs in and plays, and some bets come once more.
    fn play(&mut self, day: u64) -> Result<(), String> {
        self.now_ms = START_MS + day * DAY_MS + DAY_MS / 2;
        let key = CompactString::from(format!("key-{day}"));
        self.all(|player| {
            let key = CompactString::from(format!("{}-{key}", player.account.id()));
            Some((Operation::OpenSession(operation::OpenSession { account: player.account.clone(), key }), 0))
        })?;
        for number in 0..ROUNDS_A_DAY {
            self.now_ms += 60_000;
            self.all(|player| Some((bet(player, day, number, day), -10)))?;
            self.all(|player| Some((win(player, day, number), 8)))?;
        }
        let oldest = day.saturating_sub(RETENTION_DAYS - 2);
        for _ in 0..REPEATS_A_DAY {
            let at = self.chance.index(PLAYERS);
            let (then, number) = (oldest + self.chance.below(day - oldest + 1), self.chance.below(3) as u32);
            let again = bet(&self.players[at], then, number, day);
            self.ask(at, &again, 0)?;
            self.drain()?;
        }
        self.now_ms += 2 * 60_000;
        self.sweep();
        Ok(())
    }

    fn sweep(&mut self) {
        for at in 0..self.cluster.shards.len() {
            // What a fold has told it is taken over first.
            self.cluster.poll(at, self.now_ms);
            for _ in 0..=PLAYERS / limits::SWEEP_ACCOUNTS {
                self.cluster.shards[at].sweep(self.now_ms);
                while self.cluster.poll(at, self.now_ms) {}
            }
        }
        self.cluster.sync();
        self.cluster.take_applied();
    }

    /// Folds what is sealed, lets files go that are over, and once a month makes one of all files.
    fn tend(&mut self, ends_month: bool) -> Result<(), String> {
        for disk in &mut self.cluster.disks {
            disk.holds_against_replay = ends_month;
            disk.begin_fold(usize::MAX)?;
            disk.finish_work()?;
            disk.begin_change(|_| Choice::Drop)?;
            disk.finish_work()?;
            if ends_month {
                disk.begin_change(|files| Choice::Merge(0..files))?;
                disk.finish_work()?;
            }
        }
        self.sweep();
        Ok(())
    }

    fn measure(&self) -> Result<Month, String> {
        let opened = self.cluster.opened()?;
        let histories = || opened.iter().flatten().map(|opened| &opened.history);
        let wallets = || self.cluster.shards.iter().map(shard::Shard::wallet);
        Ok(Month {
            shards: self.cluster.shards.len(),
            snapshot_bytes: self.cluster.disks.iter().map(|disk| disk.snapshot_bytes()).sum(),
            history_bytes: histories().map(|history| history.bytes_on_disk()).sum(),
            history_memory: histories().map(|history| history.memory_bytes()).sum(),
            rows: histories().map(|history| history.rows()).sum(),
            files: histories().map(|history| history.files().len() as u64).sum(),
            rounds: wallets().map(|wallet| wallet.rounds() as u64).sum(),
            accounts: wallets().map(|wallet| wallet.accounts() as u64).sum(),
        })
    }

    /// The process stops, and starts again with another number of shards; everybody has what they had.
    fn restart(&mut self) -> Result<(), String> {
        self.cluster.stop();
        self.cluster.crash(&mut self.chance);
        self.now_ms += 60_000;
        let shards = 1 + (self.cluster.disks.len() + self.chance.index(SHARDS_MAX - 1)) % SHARDS_MAX;
        self.start(shards)?;
        let images = self.cluster.images(self.now_ms);
        for Player { account, cash, .. } in &self.players {
            let is = images.get(account.id()).map(|image| image.cash);
            if is != Some(*cash) {
                return Err(format!("{} has {is:?} after a start, and should have {cash}.", account.id()));
            }
        }
        Ok(())
    }
}

/// The bet of a round of a day, by the session of this or a later one.
fn bet(player: &Player, day: u64, number: u32, by_day: u64) -> Operation<CompactString> {
    let session = CompactString::from(format!("{}-key-{by_day}", player.account.id()));
    Operation::Play(Play { session: Some(session), ..play(player, PlayKind::Bet, day, number, 10) })
}

/// The winnings that end it.
fn win(player: &Player, day: u64, number: u32) -> Operation<CompactString> {
    Operation::Play(Play {
        ends_round: true,
        starts_round: false,
        ..play(player, PlayKind::Win, day, number, 8)
    })
}

fn play(player: &Player, kind: PlayKind, day: u64, number: u32, minor: i64) -> Play<CompactString> {
    let round = format!("round-{day}-{number}");
    Play {
        kind,
        platform: player.platform,
        account: player.account.clone(),
        session: None,
        session_checked: false,
        transaction: format!("{round}-{kind:?}").into(),
        round: round.into(),
        scope: RoundScope::Platform,
        original: None,
        game: "11588".into(),
        currency: Some(player.currency),
        amount: Amount::from_minor(minor).expect("it is not negative"),
        starts_round: true,
        ends_round: false,
        details: None,
    }
}
