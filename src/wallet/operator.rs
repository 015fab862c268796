//! What the operator asks (protocol §6): accounts, funds, limits, sessions, statements.

use alloc::boxed::Box;
use alloc::vec::Vec;
use compact_str::CompactString;

use super::account::{AccountRef, KeyHash};
use super::bounds;
use super::ledger::{Account, Activity};
use super::lines::StatementPlace;
use super::operation::{
    CheckClaim, CloseSession, Direction, GetAccount, GetStatement, OpenSession, Operation, PutAccount,
    ReleaseKey, Released, SetLimits, SetStatus, StartSession, Transfer,
};
use super::outcome::{
    AccountView, AlertView, Effect, LineKind, OperatorRefusal, Outcome, RoundView, SessionView, Statement,
    StatementLine, Text, TextPlace,
};
use super::packed::{Place, RoundSums};
use super::past::PastLines;
use super::restriction::Restrictions;
use super::rounds::{Round, RoundIndex, RoundKey};
use super::session::{Idle, Session};
use super::transaction::{Fate, Kind};
use super::{Holder, Millis, Stamp, Wallet};
use coverage::Branch;

impl Wallet {
    /// Creates an account, or replaces the profile of one that is there.
    pub(super) fn put_account(
        &mut self,
        stamp: Stamp,
        PutAccount { account, profile }: &PutAccount<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some(domain) = self.books.domain_of(account.id()) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoDomain);
        };
        let known = self.accounts.find(account);
        let index = match known {
            Some(index) => {
                self.accounts.get_mut(index).set_profile(profile);
                index
            }
            // A domain that the configuration has no more keeps its accounts and takes no further ones.
            None if !self.is_configured(account.id()) => {
                return Outcome::OperatorRefused(OperatorRefusal::NoDomain);
            }
            None if self.accounts.len() >= bounds::ACCOUNTS_MAX => {
                return Outcome::OperatorRefused(OperatorRefusal::ShardFull);
            }
            None => self.accounts.insert(account, domain, profile),
        };
        self.note(stamp, index, effect);
        Outcome::AccountPut { created: known.is_none() }
    }

    /// Whether the domain of an account's id is in the configuration.
    pub(super) fn is_configured(&self, account_id: &str) -> bool {
        let name = account_id.split_once('/').map(|(name, _)| name);
        let is_known = |name| self.catalog.as_deref().is_none_or(|catalog| catalog.domain(name).is_some());
        name.is_some_and(is_known)
    }

    pub(super) fn get_account(
        &self,
        Stamp { now_ms, .. }: Stamp,
        GetAccount { account }: &GetAccount<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some(index) = self.accounts.find(account) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoAccount);
        };
        let found = self.accounts.get(index);
        effect.seen = found.changed;
        let live = |session: &&Session| session.is_live(now_ms, self.settings.session_idle_ms);
        let sessions = found.sessions.iter().filter(live).map(|session| SessionView {
            key: CompactString::from(&*session.key),
            started_ms: session.started_ms,
            used_ms: session.used_ms,
        });
        Outcome::Account(Box::new(AccountView {
            id: CompactString::from(found.id()),
            profile: found.profile().to_profile(),
            status: found.status(),
            balance: self.balance_of(found),
            sessions: sessions.collect(),
            limits: found.activity().map_or(Restrictions::none(), |activity| activity.limits),
            open_rounds: found.activity().map_or_else(Vec::new, |activity| self.open_rounds(activity)),
            open_rounds_count: found.activity().map_or(0, |activity| activity.rounds.open_count()),
            alerts: found.activity().map_or_else(Vec::new, alerts),
        }))
    }

    /// The rounds that were opened first of those that are open.
    fn open_rounds(&self, activity: &Activity) -> Vec<RoundView> {
        let view = |round: &Round| {
            let RoundSums { staked, returned, .. } = round.sums();
            RoundView {
                platform: self.platforms.key(round.platform),
                id: CompactString::from(round.id()),
                game: Some(self.games.id(round.game)).filter(|id| !id.is_empty()).map(CompactString::from),
                staked,
                returned,
                orphan: round.is_orphan(),
                last_ms: round.last_ms,
            }
        };
        self.rounds.open(&activity.rounds).take(limits::OPEN_ROUNDS_SHOWN_MAX).map(view).collect()
    }

    pub(super) fn set_status(
        &mut self,
        stamp: Stamp,
        SetStatus { account, status }: &SetStatus<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some(index) = self.accounts.find(account) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoAccount);
        };
        self.accounts.get_mut(index).set_status(*status);
        self.note(stamp, index, effect);
        Outcome::StatusSet(*status)
    }

    /// A deposit or a withdrawal. They are known by account, direction and id, as a credit is (protocol §4).
    pub(super) fn transfer(
        &mut self,
        stamp: Stamp,
        transfer: &Transfer<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let refuse = Outcome::OperatorRefused;
        let Transfer { account, direction, amount, currency: asked, .. } = transfer;
        let Some(index) = self.accounts.find(account) else {
            return refuse(OperatorRefusal::NoAccount);
        };
        let found = self.accounts.get(index);
        effect.seen = found.changed;
        let currency = self.books.get(found.domain()).currency();
        if asked.is_some_and(|asked| asked != currency) {
            return refuse(OperatorRefusal::WrongCurrency);
        }
        let Some(amount) = amount.in_minor_units(currency) else {
            return refuse(OperatorRefusal::NotMoney);
        };
        let key = RoundKey::of_transfer(transfer);
        let before = self.known_outside(stamp.now_ms, index, key);
        match (before, direction) {
            (Some(before), _) if before == amount => return Outcome::Transferred(self.balance_of(found)),
            (Some(_), _) => return refuse(OperatorRefusal::TransactionConflict),
            (None, _) if !self.has_room_for_a_round() => return Outcome::Unavailable,
            (None, Direction::In) if found.cash().checked_add(amount).is_none() => {
                return refuse(OperatorRefusal::TooMuch);
            }
            (None, Direction::Out) if found.cash() < amount => {
                return refuse(OperatorRefusal::InsufficientFunds);
            }
            (None, _) => {}
        }
        self.record_outside(stamp, index, key, amount, effect);
        Outcome::Transferred(self.balance_of(self.accounts.get(index)))
    }

    pub(super) fn set_limits(
        &mut self,
        stamp: Stamp,
        SetLimits { account, limits: asked }: &SetLimits<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some(index) = self.accounts.find(account) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoAccount);
        };
        let found = self.accounts.get(index);
        effect.seen = found.changed;
        let currency = self.books.get(found.domain()).currency();
        let Some(limits) = asked.try_map(|limit| limit.in_minor_units(currency)) else {
            return Outcome::OperatorRefused(OperatorRefusal::NotMoney);
        };
        self.accounts.get_mut(index).activity_mut().limits = limits;
        self.note(stamp, index, effect);
        Outcome::LimitsSet { limits: Box::new(limits), currency }
    }

    /// A page of the statement. What is past its horizon leaves memory first, so that a page is a walk over its own lines; where
    /// that is too much for one request, it is to be asked again.
    pub(super) fn get_statement(
        &mut self,
        Stamp { now_ms, .. }: Stamp,
        GetStatement { account, after, limit }: &GetStatement<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some(index) = self.accounts.find(account) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoAccount);
        };
        if !self.forget_over(now_ms, index, &mut { limits::FORGOTTEN_PER_PAGE }) {
            coverage::hit(Branch::PageRefused);
            return Outcome::OperatorRefused(OperatorRefusal::Forgetting);
        }
        let found = self.accounts.get(index);
        effect.seen = found.changed;
        let currency = self.books.get(found.domain()).currency();
        let limit = page_limit(*limit);
        let mut page = Statement { currency, lines: Vec::new(), more: false, complete_from: 1 };
        if let Some(activity) = found.activity() {
            // What has come back out of the history is there again.
            page.complete_from = activity.statement.first_of_run(activity.forgotten);
            let mut room = limits::STATEMENT_BYTES_MAX;
            for place in activity.statement.after(*after) {
                let line = self.line(place);
                let bytes = line.json_bytes_max();
                page.more = page.lines.len() == limit || bytes > room;
                if page.more {
                    if page.lines.len() < limit {
                        coverage::hit(Branch::PageFull);
                    }
                    break;
                }
                room -= bytes;
                page.lines.push(line);
            }
        }
        Outcome::Statement(Box::new(page))
    }

    /// Whether the history may have a part of the statement.
    pub fn is_partly_in_history(&self, of: &GetStatement<&str>) -> bool {
        let found = self.accounts.find(&of.account).map(|index| self.accounts.get(index));
        found.and_then(Account::activity).is_some_and(|activity| activity.forgotten > 0)
    }

    /// A page of a statement, with what the history has of it, of which nothing is forgotten since ([`PastLines::is_outdated`]).
    pub fn statement_with(
        &mut self,
        now_ms: Millis,
        of: &GetStatement<&str>,
        mut past: PastLines,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let without = self.get_statement(Stamp { now_ms, sequence: 0 }, of, effect);
        let Outcome::Statement(mut page) = without else { return without };
        let found = self.accounts.find(&of.account).map(|index| self.accounts.get(index));
        let Some(activity) = found.and_then(Account::activity) else { return Outcome::Statement(page) };
        let forgotten_until_ms = self.settings.forgotten_until(now_ms);
        past.go_on(forgotten_until_ms);
        // Those of open rounds may be older than the retention, and come first.
        for place in activity.statement.after(0) {
            let at_ms = self.line_at_ms(place);
            past.count(place.number, at_ms);
            if at_ms > forgotten_until_ms {
                break;
            }
        }
        page.complete_from = past.complete_from(activity.number);
        // Both were told up to some number alone, where there is more.
        let last = page.lines.last().filter(|_| page.more).map(|line| line.number);
        let until = last.into_iter().chain(past.told_until()).min();
        page.more |= until.is_some();
        // What is in memory has gone on since.
        let is_past = |line: &&StatementLine| !activity.statement.has(line.number);
        let mut lines: Vec<StatementLine> = past.lines().filter(is_past).cloned().collect();
        if !lines.is_empty() && !page.lines.is_empty() {
            coverage::hit(Branch::StatementOfBoth);
        }
        lines.append(&mut page.lines);
        lines.retain(|line| until.is_none_or(|until| line.number <= until));
        lines.sort_unstable_by_key(|line| line.number);
        let (limit, mut room) = (page_limit(of.limit), limits::STATEMENT_BYTES_MAX);
        let mut fits = |line: &StatementLine| {
            let fits = line.json_bytes_max() <= room;
            room = room.saturating_sub(line.json_bytes_max());
            fits
        };
        let whole = lines.iter().take(limit).take_while(|line| fits(line)).count();
        page.more |= whole < lines.len();
        lines.truncate(whole);
        page.lines = lines;
        Outcome::Statement(page)
    }

    /// When the transaction of a line was made.
    fn line_at_ms(&self, place: StatementPlace) -> Millis {
        self.rounds.get(RoundIndex::from_number(place.round)).at(Place::from_number(place.at)).at_ms()
    }

    /// The number of an account's last transaction; 0 where it has had none.
    pub fn last_number(&self, account: &AccountRef<&str>) -> u64 {
        let found = self.accounts.find(account).map(|index| self.accounts.get(index));
        found.and_then(Account::activity).map_or(0, |activity| activity.number)
    }

    /// The transactions of an account after number `after` that are in memory, in their order.
    pub fn lines_after(&self, account: &AccountRef<&str>, after: u64) -> Vec<StatementLine> {
        let found = self.accounts.find(account).map(|index| self.accounts.get(index));
        let Some(activity) = found.and_then(Account::activity) else { return Vec::new() };
        activity.statement.after(after).map(|place| self.line(place)).collect()
    }

    /// A line of the statement.
    fn line(&self, place: StatementPlace) -> StatementLine {
        let round = self.rounds.get(RoundIndex::from_number(place.round));
        let transaction = round.read(Place::from_number(place.at));
        debug_assert_eq!(transaction.number, place.number, "a line is where its place says");
        let kind = match transaction.kind {
            Kind::Play(kind) => LineKind::Play(kind),
            Kind::Credit => LineKind::Credit,
            Kind::Deposit => LineKind::Deposit,
            Kind::Withdrawal => LineKind::Withdrawal,
            Kind::Cancelled => unreachable!("a cancelled bet is no transaction"),
        };
        let game = self.games.id(transaction.game);
        let original = transaction.original.map(|bet| round.at(bet).id());
        StatementLine {
            number: transaction.number,
            kind,
            platform: self.platforms.key(round.platform),
            game: (!game.is_empty()).then(|| CompactString::from(game)),
            original: original.map(CompactString::from),
            round: round.kind().is_of_game().then(|| CompactString::from(round.id())),
            transaction: CompactString::from(transaction.id),
            amount: transaction.amount,
            moved_nothing: transaction.fate == Fate::MovedNothing,
            rolled_back: transaction.fate == Fate::RolledBack,
            balance_after: transaction.balance_after,
            at_ms: transaction.at_ms,
        }
    }

    pub(super) fn claim_key(
        &mut self,
        OpenSession { account, key }: &OpenSession<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let hash = KeyHash::of(key);
        // That a key is free may follow from a logout of this shard that a crash would undo.
        effect.seen = self.released;
        match self.directory.find_mut(hash.bits(), |holder| holder.key == hash) {
            Some(taken) if taken.account != account.hash() => {
                // Whether that account's session is there, and is there for good, it alone knows.
                let holder = taken.account;
                let account = account.map(|id| CompactString::from(*id));
                return next(CheckClaim { holder, account, key: (*key).into() });
            }
            // Each claim is a request under way, or a session; so they don't run out of 32 bits.
            Some(held) => held.claims += 1,
            None => self.enter_key(hash, account.hash()),
        }
        next(StartSession { account: account.map(|id| CompactString::from(*id)), key: (*key).into() })
    }

    /// Second step of a login whose key another account has claimed. That account is shown to hold it only where its
    /// session is there, and the answer waits until that is durable; a session that is over gives its key up.
    pub(super) fn check_claim(
        &mut self,
        Stamp { now_ms, .. }: Stamp,
        CheckClaim { holder, account, key }: &CheckClaim<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        debug_assert!(*holder != account.hash(), "an account's own key is not asked for");
        let has = |found: &Account| found.session_at(|session| &*session.key == *key);
        let Some(index) = self.accounts.find_hash(*holder, |found| has(found).is_some()) else {
            // It is on its way, in or out.
            coverage::hit(Branch::KeyInFlight);
            return Outcome::OperatorRefused(OperatorRefusal::TryAgain);
        };
        let horizon = self.session_horizon(now_ms);
        let found = self.accounts.get_mut(index);
        effect.seen = found.changed;
        let at = has(found).expect("it was found by it");
        if !horizon.is_past(&found.sessions[at]) {
            return Outcome::OperatorRefused(OperatorRefusal::KeyTaken);
        }
        coverage::hit(Branch::KeyFreed);
        let key = found.sessions.remove(at).key.into();
        next(ReleaseKey { key, holder: *holder, answer: Released::Freed })
    }

    pub(super) fn start_session(
        &mut self,
        stamp: Stamp,
        StartSession { account, key }: &StartSession<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let unclaim = |answer| next(ReleaseKey { key: (*key).into(), holder: account.hash(), answer });
        let Some(index) = self.accounts.find(account) else {
            return unclaim(Released::NoAccount);
        };
        let horizon = self.session_horizon(stamp.now_ms);
        // A session of this key that is past its horizon is forgotten first; its claim is the new one's then.
        let (again, freed) = self.accounts.get_mut(index).log_in(horizon, key, Idle::Expires);
        self.free(account.hash(), freed);
        self.note(stamp, index, effect);
        if again { unclaim(Released::Opened) } else { Outcome::SessionOpened { key: Text(TextPlace::Key) } }
    }

    pub(super) fn close_session(
        &mut self,
        stamp: Stamp,
        CloseSession { account, key }: &CloseSession<&str>,
        effect: &mut Effect,
    ) -> Outcome<Text> {
        let Some(index) = self.accounts.find(account) else {
            return Outcome::OperatorRefused(OperatorRefusal::NoAccount);
        };
        let horizon = self.session_horizon(stamp.now_ms);
        let replays = self.catalog.is_none();
        let found = self.accounts.get_mut(index);
        effect.seen = found.changed;
        let is_it = |session: &Session| &*session.key == *key;
        // A replay may know of an earlier last use, and have forgotten it by then: what counts is that it is gone.
        let at = if replays { found.session_at(is_it) } else { found.remembered_session(horizon, is_it) };
        if let Some(at) = at {
            found.sessions.remove(at);
        } else if !replays {
            return Outcome::OperatorRefused(OperatorRefusal::NoSession);
        }
        self.note(stamp, index, effect);
        next(ReleaseKey { key: (*key).into(), holder: account.hash(), answer: Released::Closed })
    }

    pub(super) fn release_key(
        &mut self,
        stamp: Stamp,
        ReleaseKey { key, holder, answer }: &ReleaseKey<&str>,
    ) -> Outcome<Text> {
        if self.catalog.is_none() {
            // The directory is made anew after a replay.
            return Outcome::Silent;
        }
        let hash = KeyHash::of(key);
        let held = |known: &Holder| known.key == hash && known.account == *holder;
        let known = self.directory.find_mut(hash.bits(), held).expect("what is released was claimed");
        self.released = stamp.sequence - 1;
        known.claims -= 1;
        if known.claims == 0 {
            self.directory.remove(hash.bits(), held, |holder| holder.key.bits());
        }
        match answer {
            Released::Opened => Outcome::SessionOpened { key: Text(TextPlace::Key) },
            Released::Closed => Outcome::SessionClosed,
            Released::NoAccount => Outcome::OperatorRefused(OperatorRefusal::NoAccount),
            Released::Freed => Outcome::OperatorRefused(OperatorRefusal::TryAgain),
            Released::Swept => Outcome::Silent,
        }
    }
}

/// The step that follows.
fn next(step: impl Into<Operation<CompactString>>) -> Outcome<Text> {
    Outcome::Next(Box::new(step.into()))
}

fn alerts(activity: &Activity) -> Vec<AlertView> {
    let view =
        |(at_ms, details): &(Millis, Box<str>)| AlertView { at_ms: *at_ms, details: (&**details).into() };
    activity.alerts.iter().map(view).collect()
}

/// How many lines a page has at most.
fn page_limit(limit: u16) -> usize {
    usize::from(limit).min(limits::STATEMENT_LINES_MAX)
}
