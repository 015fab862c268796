//! A crash, and what is looked at when the machine is there again.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use purser::limits;
use purser::recovery::Error;
use purser::shard::core::{Core, Step};
use purser::wallet::account::AccountRef;
use purser::wallet::image::AccountImage;
use purser::wallet::operation::Operation;
use purser::wallet::outcome::{Outcome, StatementLine};

use super::auditor::{Answer, Trace, Traces};
use super::cluster::{SHARDS_MAX, images, session_keys};
use super::run::Run;

/// Time from a crash to the next start, at most.
const AWAY_MS: u64 = 10_000;

/// Lines of a page of the statement that an account is shown by.
const PAGE_LINES: u16 = 1_000;

/// In a snapshot, the kind of a cancelled bet.
const CANCELLED: u8 = 7;

/// In a snapshot, the state of an open round.
const OPEN: u8 = 1;

impl Run {
    /// The process dies, and starts again.
    ///
    /// # Errors
    /// A sentence, where what is there then is not what must be.
    pub(super) fn crash(&mut self) -> Result<(), String> {
        self.settle()?;
        self.counts.crashes += 1;
        let before = self.cluster.images();
        let unsettled: BTreeSet<String> = self.flights.accounts().into_iter().map(str::to_owned).collect();
        for at in 0..self.cluster.shards.len() {
            // Most crashes come while something is written.
            if self.chance.percent(80) {
                self.cluster.hand_over(at);
            }
        }
        self.cluster.crash(&mut self.chance);
        self.auditor.crashed(self.now_ms);
        self.full_ms = None;
        for request in self.flights.crash() {
            if self.chance.percent(70) {
                self.queue.push_back(request);
            }
        }
        let away_ms = self.chance.below(AWAY_MS);
        self.now_ms += self.grained(away_ms);
        if self.chance.percent(30) {
            self.flip()?;
        }
        let was = self.cluster.disks.len();
        while self.chance.percent(15) {
            // It dies again, before anything is asked of it.
            self.counts.recoveries += 1;
            self.start(was)?;
        }
        let deals = self.shards.is_none() && self.chance.percent(15);
        let shards = if deals { 1 + self.chance.index(SHARDS_MAX) } else { self.shards.unwrap_or(was) };
        self.counts.recoveries += 1;
        self.counts.deals += u64::from(shards != was);
        let mut cores = self.start(shards)?;
        self.look(&mut cores, &before, &unsettled)?;
        self.cluster.open(cores, self.now_ms);
        Ok(())
    }

    fn start(&mut self, shards: usize) -> Result<Vec<Core>, String> {
        let cores = self.cluster.start(self.now_ms, shards, &mut self.chance)?;
        self.counts.torn += self.cluster.take_torn();
        Ok(cores)
    }

    /// A bit has turned on a disk: a recovery must say so, and where. Then it turns back.
    fn flip(&mut self) -> Result<(), String> {
        let at = self.chance.index(self.cluster.disks.len());
        let disk = &mut self.cluster.disks[at];
        let Some(flip) = disk.flip(&mut self.chance) else { return Ok(()) };
        self.counts.flips += 1;
        let recovered = disk.recover();
        disk.turn(&flip);
        match recovered {
            Err(Error::Damage(damage))
                if damage.file == flip.file && flip.within.contains(&(damage.offset as usize)) =>
            {
                Ok(())
            }
            Err(error) => Err(format!("{flip:?} was found, and as another damage: {error}.")),
            Ok(recovered) => Err(format!("{flip:?} was not found: {:?}.", recovered.tail)),
        }
    }

    /// Shows the auditor every account, and looks at what no call shows.
    fn look(
        &mut self,
        cores: &mut [Core],
        before: &BTreeMap<String, AccountImage>,
        unsettled: &BTreeSet<String>,
    ) -> Result<(), String> {
        let after = images(cores.iter().map(Core::wallet));
        let mut held: BTreeMap<String, i128> = BTreeMap::new();
        for account in self.auditor.probes() {
            let (view, lines) = show(cores, self.now_ms, &account)?;
            if let Outcome::Account(shown) = &view {
                let (domain, _) = account.split_once('/').ok_or("An account has no domain.")?;
                *held.entry(domain.to_owned()).or_default() += i128::from(shown.balance.cash.minor());
            }
            let traces = after.get(account.as_str()).map(|image| self.traces(image)).unwrap_or_default();
            self.auditor.recovered(self.now_ms, &account, &view, &lines, &traces)?;
        }
        for core in cores.iter() {
            for (domain, _, total) in core.wallet().totals() {
                *held.entry(domain.to_owned()).or_default() -= total;
            }
        }
        if let Some((domain, left)) = held.iter().find(|(_, left)| **left != 0) {
            return Err(format!("The books of {domain} say {left} less than its players hold."));
        }
        let directory: usize = cores.iter().map(|core| core.wallet().session_keys()).sum();
        if directory != session_keys(&after).len() {
            return Err(format!("The directory has {directory} keys, and the sessions have others."));
        }
        for (id, was) in before.iter().filter(|(id, _)| !unsettled.contains(*id)) {
            let (was, is) = (self.lasting(was), after.get(id).map(|image| self.lasting(image)));
            if is.as_ref() != Some(&was) {
                return Err(format!("{id} was settled before the crash,\n  {was:?},\n  and is\n  {is:?}."));
            }
        }
        Ok(())
    }

    fn traces(&self, image: &AccountImage) -> Traces {
        let rounds = self.lasting(image).rounds.into_iter();
        let trace = rounds.map(|round| {
            let cancelled = round.transactions.into_iter().filter(|known| known.kind == CANCELLED);
            (round.id, Trace { last_ms: round.last_ms, cancelled: cancelled.map(|known| known.id).collect() })
        });
        Traces {
            rounds: trace.collect(),
            sessions: image.sessions.iter().map(|session| session.key.clone()).collect(),
        }
    }

    /// What of an account no sweep forgets, and no crash.
    fn lasting(&self, image: &AccountImage) -> AccountImage {
        let mut image = image.clone();
        let remembered = |at_ms: u64| self.now_ms < at_ms + self.rules.retention_ms;
        image.rounds.retain(|round| round.state == OPEN || remembered(round.last_ms));
        image.outside.retain(|outside| remembered(outside.at_ms));
        let session_ms = self.rules.session_idle_ms + limits::SESSION_REMEMBERED_MS;
        image.sessions.retain(|session| self.now_ms < session.started_ms + session_ms);
        // Its last use may be lost, within a minute.
        image.sessions.iter_mut().for_each(|session| session.used_ms = 0);
        image
    }
}

/// An account, and all lines of its statement.
fn show(cores: &mut [Core], now_ms: u64, account: &str) -> Result<(Answer, Vec<StatementLine>), String> {
    let id = AccountRef::new(account);
    let view = ask(cores, now_ms, &Operation::GetAccount { account: id.clone() })?;
    let mut lines: Vec<StatementLine> = Vec::new();
    loop {
        let after = lines.last().map_or(0, |line| line.number);
        let page = Operation::GetStatement { account: id.clone(), after, limit: PAGE_LINES };
        let Outcome::Statement(page) = ask(cores, now_ms, &page)? else {
            return Ok((view, lines));
        };
        lines.extend(page.lines);
        if !page.more {
            return Ok((view, lines));
        }
    }
}

/// Asks the account's core, whose state is durable as it was just recovered.
fn ask(cores: &mut [Core], now_ms: u64, operation: &Operation<&str>) -> Result<Answer, String> {
    let owner = cores[0].owner(operation).index();
    let (core, mut answer, mut after) = (&mut cores[owner], None, 0);
    let step = core.step(now_ms, operation, |outcome, seen| {
        answer = Some(outcome.map(|text| CompactString::from(*text)));
        after = seen;
    });
    match answer {
        Some(answer) if matches!(step, Step::Done) && after <= core.durable() => Ok(answer),
        answer => Err(format!("What was recovered is not durable, or not answered: {answer:?}.")),
    }
}
