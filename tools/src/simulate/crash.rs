//! A crash, and what is looked at when the machine is there again.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use partition::Partition;
use recovery::Error;
use shard::core::{Core, Done, Step};
use testkit::auditor::{Answer, RoundKey, Shown, Sum, Times, Trace, Traces};
use testkit::world::World;
use wallet::PlatformKey;
use wallet::account::{AccountHash, AccountRef};
use wallet::image::{AccountImage, RoundImage, SumImage};
use wallet::operation::{self, Operation};
use wallet::outcome::{OperatorRefusal, Outcome, StatementLine};

use super::cluster::{SHARDS_MAX, Started, holders, images, session_keys, settings_of};
use super::past;
use super::run::Run;
use super::whole::{Whole, behind};

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Time from a crash to the next start, at most, each with its weight.
const AWAY_MS: [(u32, u64); 4] = [(75, 10_000), (15, 5 * 60_000), (8, 3 * DAY_MS), (2, 60 * DAY_MS)];

/// The same after a start with other times that was not stored everywhere: long enough for them to matter.
const AWAY_SOON_MS: [(u32, u64); 2] = [(50, 5 * 60_000), (50, 3 * DAY_MS)];

/// Steps from a start with other times to the next crash, where it comes soon: before those are stored everywhere.
const SOON_STEPS: u64 = 30;

/// Time within which a session's renewal is stored (protocol §5).
const RENEWAL_STORED_MS: u64 = 60_000;

/// Lines of a page of the statement that an account is shown by.
const PAGE_LINES: u16 = 1_000;

/// In a snapshot, the kind of a cancelled bet.
const CANCELLED: u8 = 7;

/// The accounts before a crash that had nothing under way.
struct Before {
    at_ms: u64,
    times: Times,
    images: BTreeMap<String, AccountImage>,
    /// What the history had of them.
    past: BTreeMap<String, Vec<RoundImage>>,
}

impl Run {
    /// The process dies, and starts again.
    ///
    /// # Errors
    /// A sentence, where what is there then is not what must be.
    pub(super) fn crash(&mut self) -> Result<(), String> {
        self.settle()?;
        self.counts.crashes += 1;
        // Now and then it is stopped as it should be, and then nothing may be lost.
        let stops = !self.cluster.has_failed() && self.chance.percent(15);
        if stops {
            self.drain()?;
            self.cluster.stop();
            self.settle()?;
        }
        let images = self.cluster.images(self.now_ms);
        let past = self.past(images.keys())?;
        let mut before = Before { at_ms: self.now_ms, times: self.rules.times, images, past };
        if stops {
            before.at_ms = u64::MAX;
        }
        let unsettled: BTreeSet<&str> = self.flights.accounts();
        before.images.retain(|id, _| !unsettled.contains(id.as_str()));
        for at in 0..self.cluster.shards.len() {
            // Most crashes come while something is written.
            if self.chance.percent(80) {
                self.cluster.hand_over(at);
            }
        }
        self.cluster.crash(&mut self.chance);
        self.auditor.crashed(self.now_ms);
        (self.full_ms, self.short_ms) = (None, None);
        for request in self.flights.crash() {
            if self.chance.percent(70) {
                self.queue.push_back(request);
            }
        }
        let soon = self.crash_soon.take().is_some();
        let most_ms = self.chance.weighted(if soon { &AWAY_SOON_MS[..] } else { &AWAY_MS[..] });
        let away_ms = self.chance.below(most_ms);
        self.now_ms += self.grained(away_ms);
        if self.chance.percent(30) {
            self.harm()?;
        }
        let was = self.cluster.disks.len();
        while self.chance.percent(15) {
            // It dies again, before anything is asked of it.
            self.counts.recoveries += 1;
            self.start(was)?;
        }
        let reshards = self.shards.is_none() && self.chance.percent(if soon { 50 } else { 15 });
        let reshards = reshards && self.cluster.forget_alike(self.now_ms);
        let shards = if reshards { 1 + self.chance.index(SHARDS_MAX) } else { self.shards.unwrap_or(was) };
        self.counts.recoveries += 1;
        self.counts.reshards += u64::from(shards != was);
        let times = self.rules.times;
        let mut started = self.start(shards)?;
        self.auditor.restarted(self.rules.clone());
        self.workload.restarted(self.rules.clone());
        self.look(&mut started, before)?;
        self.cluster.open(started.cores, self.now_ms);
        if self.rules.times != times && self.chance.percent(50) {
            self.crash_soon = Some(self.counts.steps + self.chance.below(SOON_STEPS));
        }
        (self.swept_ms, self.synced_ms) = (self.now_ms, self.now_ms);
        Ok(())
    }

    /// What the history has of these accounts.
    fn past<'a>(
        &self,
        accounts: impl Iterator<Item = &'a String>,
    ) -> Result<BTreeMap<String, Vec<RoundImage>>, String> {
        let opened = self.cluster.opened()?;
        let partition = Partition::new(opened.len());
        let of = |id: &String| {
            let owner = partition.owner(AccountHash::of(id).slot()).index();
            let rounds = opened[owner].as_ref().map(|opened| opened.rounds_of(id));
            (id.clone(), rounds.unwrap_or_default())
        };
        Ok(accounts.map(of).collect())
    }

    /// Starts the process, as it is configured now.
    fn start(&mut self, shards: usize) -> Result<Started, String> {
        let before = self.rules.clone();
        World::redraw(&mut self.rules, &mut self.chance);
        if self.chance.percent(20) {
            self.draw_hot();
        }
        self.counts.changes += u64::from(before != self.rules);
        let started = self.cluster.start(self.now_ms, shards, &self.rules, &mut self.chance)?;
        self.counts.torn += self.cluster.take_torn();
        Ok(started)
    }

    /// A disk has been harmed: a recovery must say so, and where. Then it is healed.
    fn harm(&mut self) -> Result<(), String> {
        let at = self.chance.index(self.cluster.disks.len());
        let disk = &mut self.cluster.disks[at];
        let Some(harm) = disk.harm(&mut self.chance) else { return Ok(()) };
        self.counts.harms += 1;
        let recovered = disk.verify();
        let judged = match recovered {
            Err(Error::Damage(damage)) if harm.is(&damage.file, damage.offset) => Ok(()),
            Err(error) => Err(format!("{harm} was found, and as another damage: {error}.")),
            Ok(recovered) => Err(format!("{harm} was not found: {:?}.", recovered.tail)),
        };
        disk.heal(harm);
        judged
    }

    /// Shows the auditor every account, and looks at what no call shows.
    fn look(&mut self, started: &mut Started, before: Before) -> Result<(), String> {
        let now_ms = self.now_ms;
        let after = images(started.cores.iter().map(Core::wallet), now_ms);
        let wholes = started.wholes(now_ms);
        let mut held: BTreeMap<String, i128> = BTreeMap::new();
        for account in self.auditor.probes() {
            let (view, lines, complete_from) = show(started, now_ms, &account)?;
            if let Outcome::Account(shown) = &view {
                let (domain, _) = account.split_once('/').ok_or("An account has no domain.")?;
                *held.entry(domain.to_owned()).or_default() += i128::from(shown.balance.cash.minor());
            }
            let traces = wholes.get(account.as_str()).map(traces).unwrap_or_default();
            let shown = Shown { view, lines, complete_from, traces, was: started.was(&account) };
            self.auditor.recovered(now_ms, &account, &shown)?;
        }
        for core in &started.cores {
            for (domain, _, total) in core.wallet().totals() {
                *held.entry(domain.to_owned()).or_default() -= total;
            }
        }
        if let Some((domain, left)) = held.iter().find(|(_, left)| **left != 0) {
            return Err(format!("The books of {domain} say {left} less than its players hold."));
        }
        let directory = holders(started.cores.iter().map(Core::wallet));
        if directory != session_keys(&after) {
            return Err(format!("The directory has {} keys, and the sessions have others.", directory.len()));
        }
        for (id, past) in self.past(after.keys())? {
            if let Some(round) = behind(&after[&id], &past) {
                return Err(format!("Of {id} the history has a newer version than memory of {round:?}."));
            }
        }
        let settings = settings_of(self.rules.times);
        for (id, mut was) in before.images {
            // Where the settings of the last start are lost, so is all that came after them.
            if started.was(&id) != before.times {
                continue;
            }
            was.forget(now_ms, &settings_of(started.was(&id)));
            was.forget(now_ms, &settings);
            let Some(mut is) = after.get(&id).cloned() else {
                return Err(format!("{id} was settled before the crash, and is gone."));
            };
            if started.was(&id).session_idle_ms != settings.session_idle_ms {
                // Which of them were over follows from renewals that may be lost; the auditor knows of each.
                was.sessions.retain(|session| is.sessions.iter().any(|known| known.key == session.key));
            }
            forget_renewals(&mut was, &mut is, before.at_ms);
            let owner = started.cores[0].partition().owner(AccountHash::of(&id).slot());
            let by = started.cores[owner.index()].wallet().settings();
            let was = Whole::new(was, &before.past[&id], now_ms, by);
            let is = Whole { rounds: wholes[&id].rounds.clone(), ..Whole::new(is, &[], now_ms, by) };
            if is != was {
                let difference = was.difference(&is);
                return Err(format!("{id} was settled before the crash, and is otherwise: {difference}"));
            }
        }
        Ok(())
    }
}

/// Leaves out the sessions whose last use a crash may have lost; the auditor has judged what is left of them.
fn forget_renewals(was: &mut AccountImage, is: &mut AccountImage, crashed_ms: u64) {
    let lost: BTreeSet<String> = was
        .sessions
        .extract_if(.., |session| session.used_ms + RENEWAL_STORED_MS > crashed_ms)
        .map(|session| session.key)
        .collect();
    is.sessions.retain(|session| !lost.contains(&session.key));
}

fn traces(Whole { image, rounds }: &Whole) -> Traces {
    let trace = |round: &RoundImage| {
        let cancelled = round.transactions.iter().filter(|known| known.kind == CANCELLED);
        let key = RoundKey {
            platform: PlatformKey::from_bytes(round.platform).expect("it was a key when it was stored"),
            round: round.id.as_str().into(),
            game: round.is_by_game().then(|| round.game.as_str().into()),
        };
        let trace = Trace {
            last_ms: round.last_ms,
            game: round.game.as_str().into(),
            cancelled: cancelled.map(|known| known.id.as_str().into()).collect(),
        };
        (key, trace)
    };
    Traces {
        rounds: rounds.values().filter(|round| !round.is_outside()).map(trace).collect(),
        sessions: image.sessions.iter().map(|session| (session.key.clone(), session.used_ms)).collect(),
        sums: image.sums.unwrap_or_default().map(|SumImage { from_ms, staked, won }| Sum {
            from_ms,
            staked,
            won,
        }),
    }
}

/// An account, all lines of its statement, and the number from which that is complete.
fn show(
    started: &mut Started,
    now_ms: u64,
    account: &str,
) -> Result<(Answer, Vec<StatementLine>, u64), String> {
    let id = AccountRef::new(account);
    let view = ask(started, now_ms, &Operation::GetAccount(operation::GetAccount { account: id.clone() }))?;
    let mut lines: Vec<StatementLine> = Vec::new();
    loop {
        let after = lines.last().map_or(0, |line| line.number);
        let page = Operation::GetStatement(operation::GetStatement {
            account: id.clone(),
            after,
            limit: PAGE_LINES,
        });
        let page = match ask(started, now_ms, &page)? {
            Outcome::Statement(page) => page,
            Outcome::OperatorRefused(OperatorRefusal::Forgetting) => continue,
            _ => return Ok((view, lines, 1)),
        };
        lines.extend(page.lines);
        if !page.more {
            return Ok((view, lines, page.complete_from));
        }
    }
}

/// Asks the account's core, whose state is durable as it was just recovered, but for the settings of this start.
fn ask(started: &mut Started, now_ms: u64, operation: &Operation<&str>) -> Result<Answer, String> {
    let owner = started.cores[0].owner(operation).index();
    let core = &mut started.cores[owner];
    if let Operation::GetStatement(of) = operation
        && core.needs_history(now_ms, operation)
    {
        let until_ms = core.wallet().settings().forgotten_until(now_ms);
        let past = past::lines(&started.told[owner], of, until_ms);
        return Ok(core.statement(now_ms, of, past).outcome);
    }
    match core.step(now_ms, operation) {
        Step::Done(Done { outcome, after }) if after <= core.durable() + 1 => {
            Ok(core.wallet().resolve(outcome, operation).map(CompactString::from))
        }
        step => Err(format!("What was recovered is not durable, or not answered: {step:?}.")),
    }
}
