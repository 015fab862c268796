//! A wallet out of a snapshot and a journal, and into a snapshot.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::hint::black_box;

use compact_str::CompactString;

use super::account::{AccountHash, AccountRef, AccountStatus, Date, Gender, KeyHash, Profile, Slot};
use super::amount::Amount;
use super::bounds;
use super::games::GameIndex;
use super::history::{Cooling, RoundName};
use super::image;
use super::image::{AccountImage, RoundImage, RoundKind, SessionImage, TransactionImage};
use super::ledger::{Account, AccountIndex};
use super::lines::StatementPlace;
use super::operation::{Operation, Play};
use super::outcome::{Effect, Receipt};
use super::packed::{Place, RoundSums, room_for};
use super::platform::PlatformKey;
use super::platforms::{PlatformIndex, Platforms};
use super::restriction::{ByPeriod, Restrictions};
use super::round_lists::RoundList;
use super::rounds::{Round, RoundIndex, RoundKey, RoundState};
use super::session::{Idle, Session};
use super::sums::Sums;
use super::transaction::{Fate, Kind, Transaction};
use super::{Millis, Rules, Stamp, Wallet};
use coverage::Branch;

/// An operation came out otherwise than the journal says that it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// As it came out now; `None` where it changed nothing.
    pub is: Option<Receipt>,
}

/// What of an image can't be so, although its checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadImage(pub &'static str);

/// A session's key, who holds it, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub key: KeyHash,
    /// The account.
    pub account: AccountHash,
    /// When the player logged in, milliseconds since 1970.
    pub started_ms: Millis,
}

impl Wallet {
    /// Applies a journaled operation of these rules again.
    ///
    /// # Errors
    /// Where it did not come out as it did.
    pub fn replay(
        &mut self,
        rules: Rules,
        stamp: Stamp,
        operation: &Operation<&str>,
        receipt: &Receipt,
    ) -> Result<(), Mismatch> {
        assert!(self.catalog.is_none(), "a wallet that serves replays nothing");
        self.rules = rules;
        self.replayed = Some(*receipt);
        if rules == Rules::V1 {
            coverage::hit(Branch::OldRules);
        }
        if let Some(platform) = operation.platform()
            && self.platforms.meet(platform).is_none()
        {
            return Err(Mismatch { is: None });
        }
        if let Operation::Play(Play { account, session: Some(key), .. }) = operation
            && receipt.session_used_ms > 0
        {
            // The session was renewed before, and the journal has not been told by then.
            self.see_session(account, key, receipt.session_used_ms);
        }
        let mut effect = Effect::default();
        self.apply(stamp, operation, &mut effect);
        let is = effect.changed;
        let as_it_was = |is: Receipt| Receipt { session_used_ms: receipt.session_used_ms, ..is } == *receipt;
        if is.is_some_and(as_it_was) { Ok(()) } else { Err(Mismatch { is }) }
    }

    fn see_session(&mut self, account: &AccountRef<&str>, key: &str, used_ms: Millis) {
        let Some(index) = self.accounts.find(account) else { return };
        let account = self.accounts.get_mut(index);
        if let Some(at) = account.session_at(|session| &*session.key == key) {
            let session = &mut account.sessions[at];
            session.used_ms = session.used_ms.max(used_ms);
        }
    }

    /// Whether the round that a request names is open at `now_ms`; `None` where the account has no such round.
    pub fn round_is_open(
        &self,
        now_ms: Millis,
        account: &AccountRef<&str>,
        operation: &Operation<&str>,
    ) -> Option<bool> {
        let RoundName { platform, round, kind, game, .. } = RoundName::of(operation)?;
        let index = self.accounts.find(account)?;
        let platform = self.platforms.find(platform)?;
        let round = self.remembered_round(now_ms, index, platform, round, kind.scope()?, game)?;
        match self.rounds.get(round).state {
            RoundState::Unopened => None,
            RoundState::Open => Some(true),
            RoundState::Closed => Some(false),
        }
    }

    /// The claims of all sessions that are still to be remembered at `now_ms`, to make the directory of.
    pub fn claims(&self, now_ms: Millis) -> impl Iterator<Item = Claim> {
        let horizon = self.session_horizon(now_ms);
        self.accounts.iter().flat_map(move |account| {
            let remembered = account.sessions.iter().filter(move |session| !horizon.is_past(session));
            remembered.map(|session| Claim {
                key: KeyHash::of(&session.key),
                account: account.hash(),
                started_ms: session.started_ms,
            })
        })
    }

    /// Looks at where these accounts are, or will be, in the tables. The processor then waits for the memory of many at a time,
    /// and for that of each alone when they are taken in.
    pub fn prefetch_accounts(&self, accounts: impl Iterator<Item = AccountHash>) {
        black_box(accounts.filter(|hash| self.accounts.find_hash(*hash, |_| true).is_some()).count());
    }

    /// Looks at where the accounts that these operations name are, or will be, and the rounds of those that are bets, or what
    /// follows on them, for the same reason. One that names an account by its session alone is left out.
    pub fn prefetch<'a>(&self, operations: impl Iterator<Item = &'a Operation<&'a str>>) {
        let round_is_there = |operation| {
            let name = RoundName::of(operation)?;
            let platform = self.platforms.find(name.platform)?;
            let key = RoundKey { platform, id: name.round, kind: name.kind, game: GameIndex::NONE };
            self.rounds.any(name.account.hash(), &key)
        };
        let is_active = |operation: &Operation<&str>| {
            let found = self.accounts.find_hash(operation.account()?.hash(), |_| true)?;
            self.accounts.get(found).activity()
        };
        for operation in operations {
            black_box((is_active(operation).is_some(), round_is_there(operation).is_some()));
        }
    }

    /// Looks at where these keys are, or will be, in the directory, for the same reason.
    pub fn prefetch_keys(&self, keys: impl Iterator<Item = KeyHash>) {
        black_box(keys.filter(|key| self.holder(*key).is_some()).count());
    }

    /// Ends those sessions whose claim is another account's by now: they expired long ago, and their key has been
    /// given to a later login. Also those that are not to be remembered any more.
    pub fn keep_sessions(&mut self, now_ms: Millis, lost: impl Fn(&str, AccountHash) -> bool) {
        let horizon = self.session_horizon(now_ms);
        for at in 0..self.accounts.len() {
            let account = self.accounts.get_mut(AccountIndex::new(at));
            let hash = account.hash();
            account.sessions.retain(|session| !horizon.is_past(session) && !lost(&session.key, hash));
        }
    }

    /// The slots that have accounts, in their order, each with the places of its accounts.
    pub fn by_slot(&self) -> Vec<(Slot, Vec<u32>)> {
        let mut places: Vec<(Slot, u32)> =
            self.accounts.iter().zip(0..).map(|(account, at)| (account.hash().slot(), at)).collect();
        places.sort_unstable();
        places
            .chunk_by(|(a, _), (b, _)| a == b)
            .map(|run| (run[0].0, run.iter().map(|(_, at)| *at).collect()))
            .collect()
    }

    /// The images of the accounts at these places, of [`Wallet::by_slot`], as they are at `now_ms`: what is past its
    /// horizon is left out, whether it has left memory or not.
    pub fn images<'w>(
        &'w self,
        now_ms: Millis,
        places: &'w [u32],
    ) -> impl Iterator<Item = AccountImage> + 'w {
        places.iter().map(move |at| {
            let mut image = self.image(self.accounts.get(AccountIndex::new(*at as usize)));
            image.forget(now_ms, &self.settings);
            image
        })
    }

    fn image(&self, account: &Account) -> AccountImage {
        let profile = account.profile().to_profile();
        let text = |text: Option<CompactString>| text.map(String::from);
        let mut image = AccountImage {
            id: account.id().to_owned(),
            country: profile.country,
            gender: profile.gender.map(|gender| if gender == Gender::Male { b'M' } else { b'F' }),
            born: profile.born.map(|Date { year, month, day }| (year, month, day)),
            user_name: text(profile.user_name),
            display_name: text(profile.display_name),
            city: text(profile.city),
            frozen: account.status() == AccountStatus::Frozen,
            cash: account.cash().minor(),
            version: account.version(),
            serial: account.serial(),
            sessions: account.sessions.iter().map(session_image).collect(),
            ..AccountImage::default()
        };
        if let Some(activity) = account.activity() {
            let Restrictions { stake, wager, loss, session_minutes } = activity.limits;
            let [day, week, month] = wager.into_array();
            let [loss_day, loss_week, loss_month] = loss.into_array();
            image.limits = [stake, day, week, month, loss_day, loss_week, loss_month]
                .map(|limit| limit.map(Amount::minor));
            image.session_minutes = session_minutes;
            (image.number, image.forgotten) = (activity.number, activity.forgotten);
            image.sums = Some(activity.sums.to_image());
            image.rounds = self.rounds.all(&activity.rounds).map(|round| self.round_image(round)).collect();
            image.alerts =
                activity.alerts.iter().map(|(at_ms, details)| (*at_ms, String::from(&**details))).collect();
        }
        image
    }

    /// Takes in an account from a snapshot.
    ///
    /// # Errors
    /// Where the image can't be of an account of this wallet.
    pub fn restore(&mut self, image: &AccountImage) -> Result<(), BadImage> {
        let account = AccountRef::new(image.id.as_str());
        let domain = self.books.domain_of(&image.id).ok_or(BadImage("an account of an unknown domain"))?;
        if self.accounts.find(&account).is_some() {
            return Err(BadImage("an account twice"));
        }
        if self.accounts.len() >= bounds::ACCOUNTS_MAX {
            return Err(BadImage("more accounts than a shard may have"));
        }
        let index = self.accounts.insert(&account, domain, &profile(image)?);
        let cash = Amount::from_minor(image.cash).ok_or(BadImage("cash below zero"))?;
        let account = self.accounts.get_mut(index);
        account.restore(self.books.get_mut(domain), cash, image.version, image.serial);
        account.set_status(if image.frozen { AccountStatus::Frozen } else { AccountStatus::Active });
        account.sessions = image.sessions.iter().map(session).collect();
        if image.sums.is_none() {
            return Ok(());
        }
        let activity = account.activity_mut();
        (activity.number, activity.forgotten) = (image.number, image.forgotten);
        activity.limits = limits_of(image)?;
        activity.sums = Sums::from_image(image.sums.unwrap_or_default());
        activity.alerts =
            image.alerts.iter().map(|(at_ms, details)| (*at_ms, details.as_str().into())).collect();
        activity.oldest_ms = 0;
        let mut statement: Vec<StatementPlace> = Vec::new();
        let mut restored = Vec::with_capacity(image.rounds.len());
        for image in &image.rounds {
            let round = self.restored_round(index, image)?;
            let at = self.rounds.insert(&self.accounts, round);
            restored.push(at);
            statement.extend(self.rounds.statement_places(at));
        }
        statement.sort_unstable_by_key(|place| place.number);
        if statement.last().is_some_and(|last| last.number > image.number) {
            return Err(BadImage("a transaction's number past its account's"));
        }
        if statement.windows(2).any(|pair| pair[0].number == pair[1].number) {
            return Err(BadImage("a transaction's number twice"));
        }
        let lines = &mut self.accounts.get_mut(index).activity_mut().statement;
        statement.into_iter().for_each(|place| lines.push(place));
        self.list_restored(index, restored);
        Ok(())
    }

    /// Brings the rounds of a snapshot into their account's lists. Version 0.1.0 stored them in the order of their first
    /// transaction.
    fn list_restored(&mut self, index: AccountIndex, mut restored: Vec<RoundIndex>) {
        restored.sort_by_key(|at| {
            let round = self.rounds.get(*at);
            if round.state == RoundState::Open { round.opened_by() } else { round.last_ms }
        });
        let lists = &mut self.accounts.get_mut(index).activity_mut().rounds;
        for at in restored {
            if self.rounds.list_last(lists, at) == RoundList::Leaving {
                self.cooling.push_back(Cooling::new(at, self.rounds.get(at).last_ms));
            }
        }
    }
}

impl Platforms {
    /// The platform whose key has these bytes.
    fn stored(&mut self, bytes: [u8; PlatformKey::BYTES]) -> Result<PlatformIndex, BadImage> {
        let key = PlatformKey::from_bytes(bytes).ok_or(BadImage("a platform that has no key"))?;
        self.meet(key).ok_or(BadImage("more platforms than there are numbers"))
    }
}

fn session_image(session: &Session) -> SessionImage {
    SessionImage {
        key: String::from(&*session.key),
        serial: session.serial,
        endless: session.idle == Idle::Never,
        started_ms: session.started_ms,
        used_ms: session.used_ms,
    }
}

fn session(image: &SessionImage) -> Session {
    Session {
        key: image.key.as_str().into(),
        serial: image.serial,
        idle: if image.endless { Idle::Never } else { Idle::Expires },
        renewed: false,
        started_ms: image.started_ms,
        used_ms: image.used_ms,
    }
}

impl Wallet {
    pub(super) fn round_image(&self, round: &Round) -> RoundImage {
        let (RoundSums { staked, returned, .. }, mut places) =
            (round.sums(), Vec::with_capacity(round.len()));
        let transactions = round.transactions().map(|known| {
            places.push(known.place());
            let known = known.read(round.game);
            let original =
                known.original.map(|bet| places.binary_search(&bet).expect("it is before it") as u32);
            TransactionImage { original, ..self.transaction_image(&known, round.game) }
        });
        RoundImage {
            id: round.id().to_owned(),
            platform: self.platforms.key(round.platform).bytes(),
            kind: round.kind().number(),
            game: self.games.id(round.game).to_owned(),
            state: match round.state {
                RoundState::Unopened => 0,
                RoundState::Open => image::OPEN,
                RoundState::Closed => image::CLOSED,
            },
            orphan: round.is_orphan(),
            staked: staked.minor(),
            returned: returned.minor(),
            last_ms: round.last_ms,
            transactions: transactions.collect(),
        }
    }

    /// A transaction of a round of `game`, without the bet that it refers to.
    fn transaction_image(&self, transaction: &Transaction<'_>, game: GameIndex) -> TransactionImage {
        let own_game = transaction.game != game;
        TransactionImage {
            id: transaction.id.to_owned(),
            kind: transaction.kind.number(),
            flags: transaction.fate.number(),
            amount: transaction.amount.minor(),
            balance_after: transaction.balance_after.minor(),
            at_ms: transaction.at_ms,
            number: transaction.number,
            game: own_game.then(|| self.games.id(transaction.game).to_owned()),
            original: None,
        }
    }

    pub(super) fn restored_round(
        &mut self,
        account: AccountIndex,
        image: &RoundImage,
    ) -> Result<Round, BadImage> {
        let kind = RoundKind::from_number(image.kind).ok_or(BadImage("a round of no known kind"))?;
        let mut known = of_round(kind, image)?;
        let sums = RoundSums::of(&known).ok_or(BadImage("a round whose bets come to too much"))?;
        if (sums.staked.minor(), sums.returned.minor()) != (image.staked, image.returned) {
            return Err(BadImage("a round whose sums are not its transactions'"));
        }
        if sums.returned > sums.staked {
            return Err(BadImage("a round that gave back more than was staked"));
        }
        let state = match image.state {
            0 => RoundState::Unopened,
            image::OPEN => RoundState::Open,
            image::CLOSED => RoundState::Closed,
            _ => return Err(BadImage("a round in no known state")),
        };
        if !kind.is_of_game() && !image.is_possible_outside() {
            return Err(BadImage("a transaction outside of rounds that can't be so"));
        }
        let platform = self.platforms.stored(image.platform)?;
        let game = self.games.take(&image.game);
        for (known, of) in known.iter_mut().zip(&image.transactions) {
            known.game = self.games.take(image.game_of(of));
        }
        let key = RoundKey { platform, id: &image.id, kind, game };
        let mut round = Round::new(account, key, image.last_ms, room_for(&known, game));
        round.state = state;
        round.set_orphan(image.orphan);
        let mut places = Vec::with_capacity(known.len());
        for mut known in known {
            known.original = known.original.map(|bet| places[bet.number() as usize]);
            places.push(round.push(&known));
        }
        Ok(round)
    }
}

/// The transactions of a round, each with the number of its bet in place of the bet's place, and without its game.
fn of_round(kind: RoundKind, image: &RoundImage) -> Result<Vec<Transaction<'_>>, BadImage> {
    if image.transactions.len() > limits::ROUND_TRANSACTIONS_MAX {
        return Err(BadImage("a round whose transactions can't be so"));
    }
    let mut all = Vec::with_capacity(image.transactions.len());
    for (at, image) in (0..).zip(&image.transactions) {
        let mut known = transaction(image)?;
        let is_numbered = match known.kind {
            Kind::Play(_) => kind.is_of_game() && known.number > 0,
            Kind::Cancelled => kind.is_of_game() && known.number == 0,
            Kind::Credit | Kind::Deposit | Kind::Withdrawal => {
                kind.transaction() == Some(known.kind) && known.number > 0
            }
        };
        // What refers to another one comes after it.
        if !is_numbered || image.original.is_some_and(|bet| bet >= at) {
            return Err(BadImage("a round whose transactions can't be so"));
        }
        known.original = image.original.map(Place::from_number);
        all.push(known);
    }
    Ok(all)
}

fn transaction(image: &TransactionImage) -> Result<Transaction<'_>, BadImage> {
    let amount = |minor| Amount::from_minor(minor).ok_or(BadImage("an amount below zero"));
    let kind = Kind::from_number(image.kind).ok_or(BadImage("a transaction of no known kind"))?;
    let mut transaction = Transaction::new(kind, &image.id, amount(image.amount)?, image.at_ms);
    transaction.balance_after = amount(image.balance_after)?;
    transaction.number = image.number;
    transaction.fate = Fate::from_number(image.flags).ok_or(BadImage("a transaction with no known fate"))?;
    Ok(transaction)
}

fn profile(image: &AccountImage) -> Result<Profile, BadImage> {
    let text = |text: &Option<String>| text.as_deref().map(CompactString::from);
    if !image.country.iter().all(u8::is_ascii_uppercase) {
        return Err(BadImage("a country that is not two letters"));
    }
    Ok(Profile {
        country: image.country,
        gender: match image.gender {
            None => None,
            Some(b'M') => Some(Gender::Male),
            Some(b'F') => Some(Gender::Female),
            Some(_) => return Err(BadImage("a gender that is neither M nor F")),
        },
        born: match image.born {
            None => None,
            Some((year, month, day)) => {
                Some(Date::new(year, month, day).ok_or(BadImage("a date that no calendar has"))?)
            }
        },
        user_name: text(&image.user_name),
        display_name: text(&image.display_name),
        city: text(&image.city),
    })
}

fn limits_of(image: &AccountImage) -> Result<Restrictions<Amount>, BadImage> {
    let [stake, day, week, month, loss_day, loss_week, loss_month] = image.limits;
    let limits = Restrictions {
        stake,
        wager: ByPeriod { day, week, month },
        loss: ByPeriod { day: loss_day, week: loss_week, month: loss_month },
        session_minutes: image.session_minutes,
    };
    limits.try_map(Amount::from_minor).ok_or(BadImage("a limit below zero"))
}
