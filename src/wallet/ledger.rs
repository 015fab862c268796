//! The accounts of a shard, side by side and found through a table of their places.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use compact_str::CompactString;
use smallvec::SmallVec;

use super::account::{AccountHash, AccountRef, AccountStatus, Date, Gender, Profile};
use super::amount::Amount;
use super::arena::Arena;
use super::books::{Book, DomainId};
use super::lines::Lines;
use super::outcome::{ErrorCode, Extras, ProfileText, Receipt};
use super::restriction::Restrictions;
use super::round_lists::RoundLists;
use super::session::{Idle, Session, SessionHorizon};
use super::sums::Sums;
use super::table::{Entry, Table};
use super::{Millis, Sequence};
use coverage::Branch;

/// An account's place; it keeps it for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountIndex(u32);

impl AccountIndex {
    pub(super) fn new(index: usize) -> Self {
        assert!(index < limits::ACCOUNTS_MAX);
        Self(index as u32)
    }

    pub(super) const fn number(self) -> u32 {
        self.0
    }
}

/// An account of this shard.
#[derive(Debug)]
pub(super) struct Account {
    id: Box<str>,
    hash: AccountHash,
    cash: Amount,
    version: u64,
    profile: AccountProfile,
    domain: DomainId,
    status: AccountStatus,
    /// The next session's serial.
    serial: u32,
    /// Its last change.
    pub(super) changed: Sequence,
    /// What an account that has moved money or has limits holds beside.
    activity: Option<Box<Activity>>,
    /// Oldest login first. Expired ones stay for a while, so that their player is told so.
    pub(super) sessions: Vec<Session>,
}

/// What an account has done, and may do.
#[derive(Debug)]
pub(super) struct Activity {
    /// The last transaction's number.
    pub(super) number: u64,
    /// The largest number of a transaction that was forgotten.
    pub(super) forgotten: u64,
    pub(super) limits: Restrictions<Amount>,
    pub(super) sums: Sums,
    pub(super) rounds: RoundLists,
    /// Where each transaction is, in the order of their numbers.
    pub(super) statement: Lines,
    /// Latest alerts, oldest first: when, and what.
    pub(super) alerts: VecDeque<(Millis, Box<str>)>,
    /// Bets that were refused and stay so for a while, oldest first (protocol §4, `remember_refusals_ms`). A restart
    /// forgets them.
    pub(super) refusals: VecDeque<RefusedBet>,
    /// Nothing of it can be forgotten before something is this old.
    pub(super) oldest_ms: Millis,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            number: 0,
            forgotten: 0,
            limits: Restrictions::none(),
            sums: Sums::default(),
            rounds: RoundLists::default(),
            statement: Lines::default(),
            alerts: VecDeque::new(),
            refusals: VecDeque::new(),
            oldest_ms: Millis::MAX,
        }
    }
}

/// A bet that was refused, and stays so.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedBet {
    /// A hash of all that the bet is known by.
    pub(super) bet: u64,
    pub(super) until_ms: Millis,
    pub(super) code: ErrorCode,
}

impl Activity {
    /// The next transaction's number.
    pub(super) const fn next_number(&mut self) -> u64 {
        // At a million a second it lasts for half a million years.
        self.number += 1;
        self.number
    }
}

/// A [`Profile`] as it is kept: most players have a country and nothing else.
#[derive(Debug)]
pub(super) struct AccountProfile {
    country: [u8; 2],
    rest: Option<Box<Rest>>,
}

#[derive(Debug)]
struct Rest {
    gender: Option<Gender>,
    born: Option<Date>,
    user_name: Option<CompactString>,
    display_name: Option<CompactString>,
    city: Option<CompactString>,
}

impl AccountProfile {
    fn new(profile: &Profile) -> Self {
        let Profile { country, gender, born, user_name, display_name, city } = profile.clone();
        let empty = gender.is_none()
            && born.is_none()
            && user_name.is_none()
            && display_name.is_none()
            && city.is_none();
        let rest = (!empty).then(|| Box::new(Rest { gender, born, user_name, display_name, city }));
        Self { country, rest }
    }

    pub(super) const fn country(&self) -> [u8; 2] {
        self.country
    }

    /// The optional members that are there.
    pub(super) fn extras(&self) -> Option<Extras<ProfileText>> {
        let rest = self.rest.as_ref()?;
        let known = |text| self.text(text).map(|_| text);
        Some(Extras {
            user_name: known(ProfileText::UserName),
            display_name: known(ProfileText::DisplayName),
            city: known(ProfileText::City),
            born: rest.born,
            gender: rest.gender,
        })
    }

    pub(super) fn text(&self, text: ProfileText) -> Option<&str> {
        let rest = self.rest.as_ref()?;
        match text {
            ProfileText::UserName => rest.user_name.as_deref(),
            ProfileText::DisplayName => rest.display_name.as_deref(),
            ProfileText::City => rest.city.as_deref(),
        }
    }

    pub(super) fn to_profile(&self) -> Profile {
        let rest = self.rest.as_deref();
        let text = |text| self.text(text).map(CompactString::from);
        Profile {
            country: self.country,
            gender: rest.and_then(|rest| rest.gender),
            born: rest.and_then(|rest| rest.born),
            user_name: text(ProfileText::UserName),
            display_name: text(ProfileText::DisplayName),
            city: text(ProfileText::City),
        }
    }
}

/// Keys of sessions that an account has given up, to be given back to the directory.
pub(super) type FreedKeys = SmallVec<[Box<str>; 2]>;

impl Account {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn hash(&self) -> AccountHash {
        self.hash
    }

    pub(super) const fn cash(&self) -> Amount {
        self.cash
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) const fn domain(&self) -> DomainId {
        self.domain
    }

    pub(super) const fn status(&self) -> AccountStatus {
        self.status
    }

    pub(super) const fn profile(&self) -> &AccountProfile {
        &self.profile
    }

    pub(super) fn set_profile(&mut self, profile: &Profile) {
        self.profile = AccountProfile::new(profile);
    }

    pub(super) const fn set_status(&mut self, status: AccountStatus) {
        self.status = status;
    }

    pub(super) const fn serial(&self) -> u32 {
        self.serial
    }

    /// Puts a new account into the state that a snapshot says.
    pub(super) fn restore(&mut self, book: &mut Book, cash: Amount, version: u64, serial: u32) {
        book.pay(&mut self.cash, cash);
        self.version = version;
        self.serial = serial;
    }

    /// What a change of it is journaled with.
    pub(super) const fn receipt(&self) -> Receipt {
        Receipt { code: 0, cash: self.cash, version: self.version, session_used_ms: 0 }
    }

    pub(super) fn activity(&self) -> Option<&Activity> {
        self.activity.as_deref()
    }

    pub(super) fn activity_mut(&mut self) -> &mut Activity {
        self.activity.get_or_insert_default()
    }

    /// Moves `amount` from the house to the account. Nothing is no change of its balance.
    pub(super) fn receive(&mut self, book: &mut Book, amount: Amount) {
        book.pay(&mut self.cash, amount);
        self.version += u64::from(amount > Amount::ZERO);
    }

    /// Moves `amount` from the account to the house. Nothing is no change of its balance.
    pub(super) fn spend(&mut self, book: &mut Book, amount: Amount) {
        book.take(&mut self.cash, amount);
        self.version += u64::from(amount > Amount::ZERO);
    }

    /// The place of the newest session that `is` holds for.
    pub(super) fn session_at(&self, is: impl Fn(&Session) -> bool) -> Option<usize> {
        self.sessions.iter().rposition(is)
    }

    /// The place of the newest session that is still to be remembered and that `is` holds for. Whether one that is not
    /// has been forgotten yet can't be told from outside.
    pub(super) fn remembered_session(
        &self,
        horizon: SessionHorizon,
        is: impl Fn(&Session) -> bool,
    ) -> Option<usize> {
        self.session_at(|session| !horizon.is_past(session) && is(session))
    }

    /// Forgets the sessions that are past their horizon. Returns their keys.
    pub(super) fn forget_sessions(&mut self, horizon: SessionHorizon) -> FreedKeys {
        let over = self.sessions.extract_if(.., |session| horizon.is_past(session));
        over.map(|session| session.key).collect()
    }

    /// Forgets the sessions that are over; their keys.
    pub(super) fn end_expired(&mut self, horizon: SessionHorizon) -> FreedKeys {
        let over = self.sessions.extract_if(.., |session| !horizon.is_live(session));
        over.map(|session| session.key).collect()
    }

    /// Starts a session with this key, or starts it again where the account has it already: `true` then. Others make
    /// way for it: of too many live ones, and of too many expired ones, the one that was used least recently. What goes
    /// follows from the time and the records alone. Returns the keys of what went.
    pub(super) fn log_in(&mut self, horizon: SessionHorizon, key: &str, idle: Idle) -> (bool, FreedKeys) {
        let mut freed = self.forget_sessions(horizon);
        let again = self.session_at(|session| &*session.key == key);
        if let Some(at) = again {
            self.sessions.remove(at);
        }
        let is_live = |session: &Session| horizon.is_live(session);
        while self.sessions.iter().filter(|session| is_live(session)).count()
            >= limits::SESSIONS_PER_ACCOUNT_MAX
        {
            coverage::hit(Branch::SessionEvicted);
            freed.push(self.remove_least_recent(is_live));
        }
        while self.sessions.len() >= limits::SESSIONS_REMEMBERED_MAX {
            coverage::hit(Branch::ExpiredSessionEvicted);
            freed.push(self.remove_least_recent(|session| !is_live(session)));
        }
        if self.sessions.is_empty() {
            // One session is what nearly every account has; a vector's usual first step makes room for four.
            self.sessions.reserve_exact(1);
        }
        self.sessions.push(Session {
            key: key.into(),
            serial: self.serial,
            idle,
            renewed: false,
            started_ms: horizon.now_ms,
            used_ms: horizon.now_ms,
        });
        self.serial = self.serial.wrapping_add(1);
        (again.is_some(), freed)
    }

    /// Removes the session that was used least recently, of those that `is` holds for. Returns its key.
    fn remove_least_recent(&mut self, is: impl Fn(&Session) -> bool) -> Box<str> {
        let those = self.sessions.iter().enumerate().filter(|(_, session)| is(session));
        // The oldest login stands first, and is the first of several that were used at one time.
        let least = those.min_by_key(|(_, session)| session.used_ms).map(|(at, _)| at);
        self.sessions.remove(least.expect("there are too many of them")).key
    }
}

/// The accounts of a shard.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_place: Arena<Account>,
    by_hash: Table<Entry>,
}

impl Accounts {
    pub(super) fn len(&self) -> usize {
        self.by_place.len()
    }

    pub(super) fn find(&self, account: &AccountRef<&str>) -> Option<AccountIndex> {
        self.find_hash(account.hash(), |found| &*found.id == account.id())
    }

    /// The account with this hash that `is` holds for.
    pub(super) fn find_hash(&self, hash: AccountHash, is: impl Fn(&Account) -> bool) -> Option<AccountIndex> {
        let tag = hash.tag();
        let found = |entry: &Entry| {
            entry.tag == tag && {
                let account = &self.by_place[entry.at];
                account.hash == hash && is(account)
            }
        };
        self.by_hash.find(Entry::hash_of(tag), found).map(|entry| AccountIndex(entry.at))
    }

    pub(super) fn get(&self, index: AccountIndex) -> &Account {
        &self.by_place[index.0]
    }

    pub(super) fn get_mut(&mut self, index: AccountIndex) -> &mut Account {
        &mut self.by_place[index.0]
    }

    /// Takes in an account that is not there yet, and holds nothing.
    pub(super) fn insert(
        &mut self,
        account: &AccountRef<&str>,
        domain: DomainId,
        profile: &Profile,
    ) -> AccountIndex {
        let hash = account.hash();
        let at = self.by_place.insert(Account {
            id: account.id().into(),
            hash,
            cash: Amount::ZERO,
            version: 0,
            profile: AccountProfile::new(profile),
            domain,
            status: AccountStatus::Active,
            serial: 0,
            changed: 0,
            activity: None,
            sessions: Vec::new(),
        });
        let entry = Entry { tag: hash.tag(), at };
        self.by_hash.insert_unique(entry.hash(), entry, Entry::hash);
        AccountIndex::new(at as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.by_place.iter()
    }
}
