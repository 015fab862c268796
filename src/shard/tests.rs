//! Shards of one process on one thread: which reply each waiter gets, and that nothing is lost where lanes are full.

mod durability;
mod housekeeping;
mod lanes;
mod lookups;
mod orders;

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use journal::{Journal, Origin, Point};
use limits::{LANE_BURST, lane_requests_max};
use metrics::{Memory, Names, Registry};
use partition::Partition;
use wallet::account::{AccountRef, AccountStatus, KeyHash, Profile, Slot};
use wallet::operation::{self, Operation};
use wallet::outcome::{Balance, ErrorCode, OperatorRefusal, Redeemed, Why};
use wallet::{Catalog, Currency, Domain, PlatformKey, TokenPolicy};

type Op = Operation<CompactString>;
type Answer = Outcome<CompactString>;

const START_MS: Millis = 1_700_000_000_000;
const LANE_REQUESTS_MAX: usize = lane_requests_max(2);

/// All shards of a process, and the replies: a waiter is its shard and a number.
struct Cluster {
    shards: Vec<Shard<u32>>,
    registry: Registry,
    now_ms: Millis,
    /// Of what is submitted.
    deadline_ms: Millis,
    submitted: u32,
    replies: BTreeMap<(usize, u32), Answer>,
    /// The sequence that each of them must wait for, where that is not durable.
    waits: BTreeMap<(usize, u32), Sequence>,
    /// What was changed becomes durable at once.
    disk: bool,
}

fn platform() -> PlatformKey {
    PlatformKey::new("L100").unwrap()
}

impl Cluster {
    fn new(shards: usize) -> Self {
        let currency = Currency::from_code("GBP").unwrap();
        let domain = Domain::new("default".into(), currency, [platform()]);
        let mut catalog = Catalog::new(vec![domain], ["11588".to_owned()]);
        catalog.set_token_policy(TokenPolicy::Wrapped);
        let catalog = Arc::new(catalog);
        let partition = Partition::new(shards);
        let mesh = Arc::new(Mesh::new(partition).unwrap());
        let registry = Registry::new(shards, Names { calls: &["balance"], answers: &["0"], stages: &[] });
        let shard = |index| {
            let origin = Origin { stream: 1, shard: index as u16, shards: shards as u16 };
            let wallet = Wallet::new(Arc::clone(&catalog));
            let journal = Journal::new(origin, Point::START);
            let core = Core::new(partition.shard(index), partition, wallet, journal);
            Shard::new(core, Arc::clone(&mesh), registry.shard(index), 0)
        };
        let shards = (0..shards).map(shard).collect();
        Self {
            shards,
            registry,
            now_ms: START_MS,
            deadline_ms: Millis::MAX,
            submitted: 0,
            replies: BTreeMap::new(),
            waits: BTreeMap::new(),
            disk: true,
        }
    }

    /// Submits at shard `at`, for a new waiter; and whether it is done.
    fn submit(&mut self, at: usize, operation: &Op) -> (u32, bool) {
        let waiter = self.submitted;
        self.submitted += 1;
        let operation = operation.as_deref();
        let submitted = self.shards[at].submit(self.now_ms, self.deadline_ms, waiter, &operation);
        let is_done = match submitted {
            Submitted::Done(Done { outcome, after }) => {
                let outcome = self.shards[at].wallet().resolve(outcome, &operation).map(CompactString::from);
                self.deliver(at, Reply { waiter, done: Done { outcome, after } });
                true
            }
            Submitted::Pending => false,
        };
        self.write(at);
        (waiter, is_done)
    }

    fn deliver(&mut self, at: usize, Reply { waiter, done: Done { outcome, after } }: Reply<u32>) {
        let before = self.replies.insert((at, waiter), outcome);
        assert!(before.is_none(), "a waiter has one reply");
        self.waits.insert((at, waiter), after);
    }

    fn poll(&mut self, at: usize) -> bool {
        let polled = self.shards[at].poll(self.now_ms);
        while let Some(reply) = self.shards[at].next_reply() {
            self.deliver(at, reply);
        }
        self.write(at);
        polled
    }

    fn write(&mut self, at: usize) {
        if self.disk {
            while let Some(group) = self.shards[at].take_group() {
                self.shards[at].on_durable(group);
            }
            let durable = self.shards[at].durable();
            self.waits.retain(|(shard, _), after| *shard != at || *after > durable);
        }
    }

    /// Polls until nothing is under way.
    fn settle(&mut self) {
        while (0..self.shards.len()).fold(false, |worked, at| worked | self.poll(at)) {}
        for shard in &self.shards {
            assert!(shard.under_way.is_empty() && shard.deferred.is_empty(), "nothing is forgotten");
            assert!(shard.at.iter().all(|count| *count == 0));
            assert!(!self.disk || shard.is_durable(), "nothing waits for the disk");
        }
    }

    /// What the waiter of `operation`, submitted at shard `at`, gets in the end.
    fn outcome(&mut self, at: usize, operation: &Op) -> Answer {
        let (waiter, _) = self.submit(at, operation);
        self.settle();
        self.replies.remove(&(at, waiter)).expect("every waiter has a reply")
    }

    #[track_caller]
    fn check(&mut self, at: usize, operation: &Op, expect: &Answer) {
        assert_eq!(&self.outcome(at, operation), expect, "{operation:?} at shard {at}");
    }

    /// The `number`th name that the shard owns, as `slot` says.
    fn owned(&self, shard: usize, number: usize, name: impl Fn(usize) -> (String, Slot)) -> String {
        let partition = self.shards[0].mesh().partition();
        let is_owned = |(_, slot): &(String, Slot)| partition.owner(*slot).index() == shard;
        (0..).map(name).filter(is_owned).nth(number).unwrap().0
    }

    /// An account of this shard's.
    fn account(&self, shard: usize, number: usize) -> String {
        self.owned(shard, number, |at| {
            let id = format!("default/p{at}");
            let slot = AccountRef::new(&id).hash().slot();
            (id, slot)
        })
    }

    /// A session key of this shard's.
    fn key(&self, shard: usize, number: usize) -> String {
        self.owned(shard, number, |at| {
            let key = format!("k{at}");
            let slot = KeyHash::of(&key).slot();
            (key, slot)
        })
    }

    fn session_keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.wallet().session_keys()).sum()
    }

    /// Fills the lane from one shard to another with questions about accounts that are not there.
    #[track_caller]
    fn fill(&mut self, from: usize, to: usize) {
        let nobody = get(&self.account(to, 1_000));
        while self.shards[from].at[to] < self.shards[from].lane_requests_max {
            assert!(!self.submit(from, &nobody).1);
        }
    }

    /// Whether a shard would be woken: its eventfd is signalled.
    fn is_signalled(&self, shard: usize) -> bool {
        let fd = self.shards[shard].mesh().eventfd(self.shards[shard].id());
        let now = Timespec::try_from(Duration::ZERO).unwrap();
        poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&now)).unwrap() == 1
    }
}

fn account(id: &str) -> AccountRef<CompactString> {
    AccountRef::new(id.into())
}

fn put(id: &str) -> Op {
    let profile = Profile::of(*b"GB");
    Operation::PutAccount(operation::PutAccount { account: account(id), profile: Box::new(profile) })
}

fn get(id: &str) -> Op {
    Operation::GetAccount(operation::GetAccount { account: account(id) })
}

fn balance(id: &str) -> Op {
    Operation::Balance(operation::Balance { platform: platform(), account: account(id), game: None })
}

fn open(id: &str, key: &str) -> Op {
    Operation::OpenSession(operation::OpenSession { account: account(id), key: key.into() })
}

fn close(id: &str, key: &str) -> Op {
    Operation::CloseSession(operation::CloseSession { account: account(id), key: key.into() })
}

fn redeem(key: &str) -> Op {
    Operation::RedeemWrapped(operation::RedeemWrapped {
        platform: platform(),
        key: key.into(),
        minted_ms: START_MS,
    })
}

const NO_ACCOUNT: Answer = Outcome::OperatorRefused(OperatorRefusal::NoAccount);
const CREATED: Answer = Outcome::AccountPut { created: true };
const fn refused(code: ErrorCode) -> Answer {
    Outcome::Refused { code, why: Why(""), balance: None }
}

const REFUSED_3: Answer = Outcome::Refused { code: ErrorCode::SessionNotFound, why: Why(""), balance: None };

fn empty_balance() -> Answer {
    let (currency, cash) = (Currency::from_code("GBP").unwrap(), wallet::amount::Amount::ZERO);
    Outcome::Balance(Balance { currency, cash, version: 0 })
}

fn opened(key: &str) -> Answer {
    Outcome::SessionOpened { key: key.into() }
}

fn redeemed(id: &str, key: &str) -> Answer {
    let currency = Currency::from_code("GBP").unwrap();
    Outcome::Redeemed(Redeemed {
        account: id.into(),
        key: key.into(),
        currency,
        country: *b"GB",
        extras: None,
    })
}

/// Every way that a request can take: from each shard, to accounts and keys of each.
#[test]
fn outcomes_come_back_to_who_waits() {
    for shards in [1, 2, 3] {
        let mut cluster = Cluster::new(shards);
        let places = (0..shards).flat_map(|at| (0..shards).map(move |owner| (at, owner)));
        let ways = places.flat_map(|(at, owner)| (0..shards).map(move |keys| (at, owner, keys)));
        for (number, (at, owner, keys)) in ways.enumerate() {
            let (id, key) = (cluster.account(owner, number), cluster.key(keys, number));
            let mut check = |operation: &Op, expect: &Answer| cluster.check(at, operation, expect);
            check(&balance(&id), &refused(ErrorCode::AccountNotFound));
            check(&get(&id), &NO_ACCOUNT);
            check(&open(&id, &key), &NO_ACCOUNT);
            check(&redeem(&key), &REFUSED_3);
            check(&put(&id), &CREATED);
            check(&balance(&id), &empty_balance());
            check(&close(&id, &key), &Outcome::OperatorRefused(OperatorRefusal::NoSession));
            check(&open(&id, &key), &opened(&key));
            check(&open(&id, &key), &opened(&key));
            check(&redeem(&key), &redeemed(&id, &key));
            check(&close(&id, &key), &Outcome::SessionClosed);
            check(&redeem(&key), &REFUSED_3);
            assert_eq!(cluster.session_keys(), 0, "keys are given back");
        }
    }
}

/// Many at once, from both sides, are told apart.
#[test]
fn outcomes_are_not_mixed_up() {
    let mut cluster = Cluster::new(2);
    let names: Vec<(String, String)> =
        (0..100).map(|n| (cluster.account(n % 2, n), cluster.key(n / 2 % 2, n))).collect();
    for (id, key) in &names {
        cluster.check(0, &put(id), &CREATED);
        cluster.check(1, &open(id, key), &opened(key));
    }
    let mut expect = BTreeMap::new();
    for round in 0..3 {
        for at in 0..2 {
            for (id, key) in names.iter().skip(round) {
                let (waiter, _) = cluster.submit(at, &redeem(key));
                expect.insert((at, waiter), redeemed(id, key));
            }
        }
        cluster.poll(round % 2);
    }
    cluster.settle();
    assert_eq!(cluster.replies, expect);
}

/// Past what may be under way a request is refused and changes nothing; what is under way is replied to, each once.
#[test]
fn a_full_lane_refuses_before_anything_changes() {
    let mut cluster = Cluster::new(2);
    let (other, own) = (cluster.account(1, 0), cluster.account(0, 0));
    cluster.check(0, &put(&own), &CREATED);
    cluster.fill(0, 1);
    let under_way = cluster.submitted;
    for operation in [put(&other), open(&own, &cluster.key(1, 0)), redeem(&cluster.key(1, 0))] {
        let (waiter, submitted) = cluster.submit(0, &operation);
        assert!(submitted);
        assert_eq!(cluster.replies.remove(&(0, waiter)), Some(Outcome::Unavailable));
    }
    let mut metrics = String::new();
    cluster.registry.write(Memory::default(), &mut metrics);
    assert!(metrics.contains("purser_lane_refused_total{shard=\"0\"} 3\n"), "{metrics}");
    // This shard's own accounts are served, and so are those of the other side.
    assert!(cluster.submit(0, &balance(&own)).1);
    assert!(!cluster.submit(1, &balance(&own)).1);

    // A shard takes so many at a time, and then looks at its sockets again.
    assert!(cluster.poll(1));
    let [to, from] = [0, 1].map(|at| cluster.shards[at].id());
    assert_eq!(cluster.shards[0].mesh().replies(from, to).len(), LANE_BURST);
    assert!(cluster.poll(0));
    let nobody = |cluster: &Cluster| cluster.replies.values().filter(|reply| **reply == NO_ACCOUNT).count();
    assert_eq!(nobody(&cluster), LANE_BURST);
    assert!(!cluster.submit(0, &put(&other)).1, "there is room again");
    cluster.settle();
    assert_eq!(nobody(&cluster), LANE_REQUESTS_MAX);
    assert_eq!(cluster.replies.len(), under_way as usize - 1 + 3);
    cluster.check(0, &put(&other), &Outcome::AccountPut { created: false });
    assert_eq!(cluster.session_keys(), 0);
}

/// A request that has begun is not refused where the lane to its next step is full: it waits for room.
#[test]
fn a_step_waits_where_its_lane_is_full() {
    let mut cluster = Cluster::new(3);
    // Of the shard that asks, of the one with keys, of the one with accounts.
    for keys in [0, 1] {
        let (id, nobody) = (cluster.account(2, keys), cluster.account(2, 50 + keys));
        let [key, new, vain] = [0, 1, 2].map(|number| cluster.key(keys, number));
        cluster.check(0, &put(&id), &CREATED);
        cluster.check(0, &open(&id, &key), &opened(&key));
        let held = cluster.session_keys();
        let rows = [
            (redeem(&key), redeemed(&id, &key)),
            (open(&id, &new), opened(&new)),
            (open(&nobody, &vain), NO_ACCOUNT),
        ];
        cluster.fill(0, 2);
        let waiters = rows.each_ref().map(|(operation, _)| cluster.submit(0, operation));
        assert!(waiters.iter().all(|(_, done)| !done));
        if keys == 1 {
            cluster.fill(0, 1);
            while cluster.shards[0].deferred.is_empty() {
                assert!(cluster.poll(1) && cluster.poll(0), "the second step has no room");
                // Whatever room there was is taken before the third step.
                cluster.fill(0, 1);
            }
        }
        assert_eq!(cluster.shards[0].deferred.len(), rows.len());
        assert!(waiters.iter().all(|(waiter, _)| !cluster.replies.contains_key(&(0, *waiter))));
        cluster.settle();
        for ((waiter, _), (operation, expect)) in waiters.iter().zip(&rows) {
            assert_eq!(cluster.replies.get(&(0, *waiter)), Some(expect), "{operation:?}");
        }
        assert_eq!(cluster.session_keys(), held + 1, "one was opened, one was given back");
        cluster.check(1, &redeem(&new), &redeemed(&id, &new));
    }
}

/// Steps that wait are bounded too; past it a request that might have to wait is refused before it has begun.
#[test]
fn waiting_steps_are_bounded() {
    let mut cluster = Cluster::new(2);
    let (id, key) = (cluster.account(1, 0), cluster.key(0, 0));
    cluster.check(0, &put(&id), &CREATED);
    cluster.check(0, &open(&id, &key), &opened(&key));
    cluster.replies.clear();
    cluster.fill(0, 1);
    let first = cluster.submitted;
    for _ in 0..LANE_REQUESTS_MAX {
        assert!(!cluster.submit(0, &redeem(&key)).1);
    }
    assert_eq!(cluster.shards[0].deferred.len(), LANE_REQUESTS_MAX);
    for operation in [redeem(&key), open(&id, &cluster.key(0, 1))] {
        let (waiter, _) = cluster.submit(0, &operation);
        assert_eq!(cluster.replies.remove(&(0, waiter)), Some(Outcome::Unavailable));
    }
    assert_eq!(cluster.session_keys(), 1, "the refused one has claimed nothing");
    cluster.settle();
    let expect = redeemed(&id, &key);
    let replies = (first..).take(LANE_REQUESTS_MAX).map(|waiter| cluster.replies.remove(&(0, waiter)));
    assert_eq!(replies.filter(|reply| reply.as_ref() == Some(&expect)).count(), LANE_REQUESTS_MAX);
    assert!(cluster.replies.values().all(|reply| *reply == NO_ACCOUNT));
}

/// Sessions that are long over leave their accounts, and their keys leave the shards that hold them.
#[test]
fn the_sweep_gives_keys_back() {
    for (shards, lane_is_full) in [(1, false), (2, false), (2, true)] {
        let mut cluster = Cluster::new(shards);
        for number in 0..20 {
            let id = cluster.account(number % shards, number);
            let key = cluster.key(number / shards % shards, number);
            cluster.check(0, &put(&id), &CREATED);
            cluster.check(0, &open(&id, &key), &opened(&key));
        }
        let sweep = |cluster: &mut Cluster, lane_is_full: bool| {
            if lane_is_full {
                cluster.fill(0, 1);
                cluster.fill(1, 0);
            }
            (0..shards).for_each(|at| cluster.shards[at].sweep(cluster.now_ms));
            cluster.settle();
        };
        cluster.now_ms += limits::SESSION_IDLE_MS + limits::SESSION_REMEMBERED_MS - 1;
        sweep(&mut cluster, lane_is_full);
        assert_eq!(cluster.session_keys(), 20);
        cluster.now_ms += 1;
        sweep(&mut cluster, lane_is_full);
        // A few go back with each sweep, however full the lanes are.
        assert!(!lane_is_full || cluster.session_keys() == 0);
        (0..20).for_each(|_| sweep(&mut cluster, false));
        assert_eq!(cluster.session_keys(), 0);
    }
}

#[test]
fn a_shard_parks_where_no_lane_holds_anything() {
    let mut cluster = Cluster::new(2);
    let id = cluster.account(1, 0);
    let parks = |cluster: &Cluster, at: usize| cluster.shards[at].park();
    assert!(parks(&cluster, 0) && parks(&cluster, 1));
    let (waiter, _) = cluster.submit(0, &get(&id));
    assert!(!cluster.is_signalled(1), "once at the end of a turn");
    cluster.shards[0].flush();
    assert!(cluster.is_signalled(1), "it was parked");
    assert!(!parks(&cluster, 1), "a request is there");
    assert!(parks(&cluster, 0));

    assert!(cluster.poll(1));
    assert!(parks(&cluster, 1), "it has served the request");
    assert!(!parks(&cluster, 0), "the reply is there");
    cluster.shards[1].flush();
    assert!(!cluster.is_signalled(0), "it is awake: the reply was there before it could park");

    assert!(cluster.poll(0));
    assert_eq!(cluster.replies.remove(&(0, waiter)), Some(NO_ACCOUNT));
    assert!(parks(&cluster, 0));
    cluster.shards[0].unpark();
    assert!(!cluster.submit(1, &get(&cluster.account(0, 0))).1);
    cluster.shards[1].flush();
    assert!(!cluster.is_signalled(0), "who is awake needs no waking");
    assert!(!cluster.poll(1), "nothing has come back yet");
}

#[test]
fn the_last_to_leave_wakes_all() {
    let cluster = Cluster::new(2);
    let mesh = cluster.shards[0].mesh();
    mesh.leave();
    assert!(!mesh.is_over() && !cluster.is_signalled(0) && !cluster.is_signalled(1));
    mesh.leave();
    assert!(mesh.is_over() && cluster.is_signalled(0) && cluster.is_signalled(1));
}

/// A clock that was set back does not set the wallet back.
#[test]
fn time_does_not_go_back() {
    let mut cluster = Cluster::new(2);
    let (id, key) = (cluster.account(1, 0), cluster.key(0, 0));
    cluster.check(0, &put(&id), &CREATED);
    cluster.check(0, &open(&id, &key), &opened(&key));
    cluster.now_ms -= 5_000;
    for at in 0..2 {
        let create = Operation::CreateToken(operation::CreateToken {
            platform: platform(),
            account: account(&id),
            game: "11588".into(),
            entropy: 0,
        });
        cluster.check(at, &create, &Outcome::WrappedToken { key: key.as_str().into(), minted_ms: START_MS });
    }
}

/// A key is held for as long as a session has it, whatever meets on the way: here a login with the key of a
/// session whose logout has ended the session and not given back the key yet.
#[test]
fn a_login_that_overtakes_a_logout_keeps_its_key() {
    let mut cluster = Cluster::new(2);
    let (id, key) = (cluster.account(0, 0), cluster.key(1, 0));
    cluster.check(0, &put(&id), &CREATED);
    cluster.check(0, &open(&id, &key), &opened(&key));
    let (out, _) = cluster.submit(0, &close(&id, &key));
    let (again, _) = cluster.submit(1, &open(&id, &key));
    cluster.settle();
    assert_eq!(cluster.replies.remove(&(0, out)), Some(Outcome::SessionClosed));
    assert_eq!(cluster.replies.remove(&(1, again)), Some(opened(&key)));
    cluster.check(0, &redeem(&key), &redeemed(&id, &key));
}
