//! The queues in which connections wait for their core: whose bytes have come and were not looked at, the operator's, and
//! those that were served and have more.
//!
//! Of the first and the last each client has a queue of its own, and they take turns: who comes with thousands of connections
//! waits behind its own, and nobody else does.

use std::collections::{HashMap, VecDeque};

use super::NS_PER_MS;
use super::client::Client;
use super::connection::QueueKind;
use super::responder::Service;
use ring::ConnectionId;

/// The queues of a core. A connection is in one of them at most.
#[derive(Debug)]
pub(super) struct Queues {
    /// Of those whose bytes were not looked at.
    new: FairQueue,
    operator: VecDeque<ConnectionId>,
    /// Of those that were served and have more.
    more: FairQueue,
    /// What has waited for so long can't be answered in its time, nanoseconds.
    budget_ns: u64,
}

/// Queues of clients, which take turns.
#[derive(Debug, Default)]
struct FairQueue {
    /// Of the clients that wait for something. The seed of the map is random: addresses are the clients' choice.
    clients: HashMap<Client, ClientQueue>,
    /// Whose turn it is, the first one's; each of `clients` once.
    turns: VecDeque<Client>,
    /// Connections in all of `clients`.
    waiting: usize,
    /// The memory of a queue that has ended, for the next one: most of the time there is one client or none.
    spare: VecDeque<(ConnectionId, u64)>,
    /// Clients that have given requests up and whose queues have ended since, the last ones: those of the next queue of the same
    /// client are served alike.
    ended: VecDeque<(Client, GivenUp)>,
}

impl FairQueue {
    fn push(&mut self, id: ConnectionId, client: Client, arrived_ns: u64) {
        let queue = self.clients.entry(client).or_insert_with(|| {
            self.turns.push_back(client);
            let waiting = std::mem::take(&mut self.spare);
            ClientQueue { waiting, given_up: take_ended(&mut self.ended, client), ..ClientQueue::default() }
        });
        queue.waiting.push_back((id, arrived_ns));
        self.waiting += 1;
    }

    /// The connection that `take` takes from the queue of the client whose turn it is.
    fn next(&mut self, take: impl FnOnce(&mut ClientQueue) -> Option<ConnectionId>) -> Option<ConnectionId> {
        let client = self.turns.pop_front()?;
        let queue = self.clients.get_mut(&client).expect("who has a turn has a queue");
        let next = take(queue).expect("a queue that nobody is in has ended");
        self.waiting -= 1;
        if !queue.waiting.is_empty() {
            self.turns.push_back(client);
        } else if let Some(queue) = self.clients.remove(&client) {
            self.spare = queue.waiting;
            if queue.given_up.count > 0 {
                self.keep_ended(client, queue.given_up);
            }
        }
        Some(next)
    }

    fn keep_ended(&mut self, client: Client, given_up: GivenUp) {
        if self.ended.len() == limits::GAVE_UP_CLIENTS {
            self.ended.pop_front();
        }
        self.ended.push_back((client, given_up));
    }
}

/// What the client had given up when its last queue ended.
fn take_ended(ended: &mut VecDeque<(Client, GivenUp)>, client: Client) -> GivenUp {
    let known = ended.iter().position(|(known, _)| *known == client);
    known.and_then(|at| ended.remove(at)).map(|(_, given_up)| given_up).unwrap_or_default()
}

/// The connections of a client.
#[derive(Debug, Default)]
struct ClientQueue {
    /// Each with the time when its bytes came, nanoseconds of the clock. It hardly goes back along the queue: bytes that had to
    /// wait for an answer of their own connection come to it later.
    waiting: VecDeque<(ConnectionId, u64)>,
    /// The last one that was taken was the oldest.
    was_oldest: bool,
    given_up: GivenUp,
}

/// Requests that a client has given up since then, nanoseconds of the clock.
#[derive(Clone, Copy, Debug, Default)]
struct GivenUp {
    count: usize,
    since_ns: u64,
}

impl ClientQueue {
    /// The next one.
    ///
    /// The oldest, in general. But where many give up, more comes than is served, and if each waited for all before it, all
    /// would be answered late and many for nobody: so the newest is next, whose client is still there. So it is where the oldest
    /// has waited for half of the server's budget. Those that have waited for all of it are looked at again, one for each
    /// new one: most of them are refused.
    fn next(&mut self, now_ns: u64, budget_ns: u64, overloaded: bool) -> Option<ConnectionId> {
        let (_, arrived_ns) = self.waiting.front()?;
        let waited_ns = now_ns.saturating_sub(*arrived_ns);
        let is_late = waited_ns >= limits::NEWEST_FIRST_AFTER_MS * NS_PER_MS
            && self.gives_up(now_ns, overloaded)
            || waited_ns >= budget_ns / 2;
        self.was_oldest = !is_late || waited_ns >= budget_ns && !self.was_oldest;
        let next = if self.was_oldest { self.waiting.pop_front() } else { self.waiting.pop_back() };
        next.map(|(id, _)| id)
    }

    /// Whether a notable part of those who wait has given up lately. A few who do so don't turn the queue for the others. On a core
    /// that is overloaded those who come would soon be given up as well.
    fn gives_up(&self, now_ns: u64, overloaded: bool) -> bool {
        let GivenUp { count, since_ns } = self.given_up;
        let lately_ms = if overloaded { limits::INTAKE_BOUNDED_MS } else { 2 * limits::GAVE_UP_WITHIN_MS };
        let is_lately = now_ns.saturating_sub(since_ns) < lately_ms * NS_PER_MS;
        count > 0 && is_lately && count * limits::GAVE_UP_PART >= self.waiting.len()
    }
}

impl GivenUp {
    fn count(&mut self, now_ns: u64) {
        let past_ns = now_ns.saturating_sub(self.since_ns);
        if past_ns >= limits::INTAKE_BOUNDED_MS * NS_PER_MS {
            (self.count, self.since_ns) = (0, now_ns);
        } else if past_ns >= limits::GAVE_UP_WITHIN_MS * NS_PER_MS {
            (self.count, self.since_ns) = (self.count / 2, now_ns);
        }
        self.count += 1;
    }
}

impl Queues {
    /// Empty queues, of requests that are to be answered within `budget_ms`.
    pub(super) fn new(budget_ms: u64) -> Self {
        Self {
            new: FairQueue::default(),
            operator: VecDeque::new(),
            more: FairQueue::default(),
            budget_ns: budget_ms.saturating_mul(NS_PER_MS),
        }
    }

    /// Puts a client's connection to this listener at the end of its queue.
    pub(super) fn push(
        &mut self,
        id: ConnectionId,
        client: Client,
        service: Service,
        queue: QueueKind,
        arrived_ns: u64,
    ) {
        match (service, queue) {
            (Service::Operator, _) => self.operator.push_back(id),
            (Service::Platform, QueueKind::New) => self.new.push(id, client, arrived_ns),
            (Service::Platform, QueueKind::More) => self.more.push(id, client, arrived_ns),
        }
    }

    /// A client has given up a request that waited.
    pub(super) fn gave_up(&mut self, client: Client, now_ns: u64) {
        match self.new.clients.get_mut(&client) {
            Some(queue) => queue.given_up.count(now_ns),
            None => {
                let mut given_up = take_ended(&mut self.new.ended, client);
                given_up.count(now_ns);
                self.new.keep_ended(client, given_up);
            }
        }
    }

    /// The next of those whose bytes were not looked at, one of the client whose turn it is; `overloaded` where not all who come
    /// are let in.
    pub(super) fn next_new(&mut self, now_ns: u64, overloaded: bool) -> Option<ConnectionId> {
        let budget_ns = self.budget_ns;
        self.new.next(|queue| queue.next(now_ns, budget_ns, overloaded))
    }

    /// The next of the operator's.
    pub(super) fn next_operator(&mut self) -> Option<ConnectionId> {
        self.operator.pop_front()
    }

    /// The next of those that were served and have more.
    pub(super) fn next_more(&mut self) -> Option<ConnectionId> {
        self.more.next(|queue| queue.waiting.pop_front().map(|(id, _)| id))
    }

    /// Connections whose bytes were not looked at.
    pub(super) const fn waiting_new(&self) -> usize {
        self.new.waiting
    }

    /// Connections of the operator.
    pub(super) fn waiting_operator(&self) -> usize {
        self.operator.len()
    }

    /// Connections that have more.
    pub(super) fn waiting_more(&self) -> usize {
        self.more.waiting
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.new.waiting == 0 && self.operator.is_empty() && self.more.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET_MS: u64 = 1_000;

    /// Connections that wait: `a5` is one of the client `a` whose bytes came at 5 ms. In which order they are served at `now_ms`,
    /// after the clients of `gave_up` have given up at so many milliseconds.
    #[track_caller]
    fn check(waiting: &str, gave_up: &[(u32, u64)], now_ms: u64, expect: &str) {
        check_overloaded(waiting, gave_up, now_ms, false, expect);
    }

    #[track_caller]
    fn check_overloaded(waiting: &str, gave_up: &[(u32, u64)], now_ms: u64, overloaded: bool, expect: &str) {
        let mut queues = Queues::new(BUDGET_MS);
        let waiting: Vec<&str> = waiting.split_whitespace().collect();
        for (slot, one) in waiting.iter().enumerate() {
            let (client, arrived_ms): (_, u64) = (u32::from(one.as_bytes()[0]), one[1..].parse().unwrap());
            let id = ConnectionId::new(slot as u32, 0);
            queues.push(id, Client::V4(client), Service::Platform, QueueKind::New, arrived_ms * NS_PER_MS);
        }
        for (client, at_ms) in gave_up {
            queues.gave_up(Client::V4(*client), at_ms * NS_PER_MS);
        }
        let served = std::iter::from_fn(|| queues.next_new(now_ms * NS_PER_MS, overloaded));
        let served: Vec<&str> = served.map(|id| waiting[id.slot()]).collect();
        assert_eq!(served.join(" "), expect, "{waiting:?} at {now_ms}");
        assert!(queues.is_empty() && queues.new.clients.is_empty() && queues.new.turns.is_empty());
    }

    #[test]
    fn those_who_have_more_take_turns_too() {
        let mut queues = Queues::new(BUDGET_MS);
        let waiting = ["a", "a", "a", "b", "c", "b"];
        for (slot, one) in waiting.iter().enumerate() {
            let (id, client) = (ConnectionId::new(slot as u32, 0), Client::V4(u32::from(one.as_bytes()[0])));
            queues.push(id, client, Service::Platform, QueueKind::More, 0);
        }
        assert_eq!(queues.waiting_more(), waiting.len());
        let served: Vec<usize> = std::iter::from_fn(|| queues.next_more()).map(ConnectionId::slot).collect();
        assert_eq!(served, [0, 3, 4, 1, 5, 2]);
        assert!(queues.is_empty() && queues.more.clients.is_empty() && queues.more.turns.is_empty());
    }

    const A: u32 = b'a' as u32;

    #[test]
    fn clients_take_turns() {
        check("", &[], 0, "");
        check("a1 a2 a3", &[], 4, "a1 a2 a3");
        check("a1 a1 a1 b2 a3 b3 c4", &[], 4, "a1 b2 c4 a1 b3 a1 a3");
    }

    #[test]
    fn the_newest_is_next_where_many_give_up() {
        let (after, lately) = (limits::NEWEST_FIRST_AFTER_MS, 2 * limits::GAVE_UP_WITHIN_MS);
        // Who has waited as long as that and longer, and nobody leaves.
        check("a1 a2 a3", &[], 1 + BUDGET_MS / 2 - 1, "a1 a2 a3");
        check("a1 a2 a3", &[(A, 200 + after)], after, "a1 a2 a3");
        check("a1 a2 a3", &[(A, 200)], 201, "a3 a2 a1");
        check("a1 a2 a3", &[(A, 200)], 199 + lately, "a3 a2 a1");
        check("a1 a2 a3", &[(A, 200)], 200 + lately, "a1 a2 a3");
        // Another client's is not.
        check("a1 b1 a2 b2 a3 b3", &[(A, 200)], 201, "a3 b1 a2 b2 a1 b3");
        check("b1 b2", &[(A, 200)], 201, "b1 b2");
        // One of so many turns nothing, until there are fewer.
        let many: Vec<String> = (0..=limits::GAVE_UP_PART).map(|at| format!("a{at}")).collect();
        let newest_first = |from: usize| many[from..].iter().rev().cloned().collect::<Vec<_>>().join(" ");
        check(&many.join(" "), &[(A, 200)], 201, &format!("a0 {}", newest_first(1)));
        check(&many.join(" "), &[(A, 200), (A, 200)], 201, &newest_first(0));
    }

    /// What was given up long ago, in an overload, makes nothing of one that is given up now.
    #[test]
    fn who_gave_up_long_ago_is_served_as_the_others_are() {
        let waiting: Vec<String> = (0..=limits::GAVE_UP_PART).map(|at| format!("a{}", 2_000 + at)).collect();
        let (first, rest) = waiting.split_first().unwrap();
        let newest_first = |from: &[String]| from.iter().rev().cloned().collect::<Vec<_>>().join(" ");
        for (past_ms, expect) in [
            (limits::INTAKE_BOUNDED_MS - 1, newest_first(&waiting)),
            (limits::INTAKE_BOUNDED_MS, format!("{first} {}", newest_first(rest))),
        ] {
            let now_ms = 2_100;
            let mut gave_up = vec![(A, now_ms - past_ms); 1_000];
            gave_up.push((A, now_ms));
            check(&waiting.join(" "), &gave_up, now_ms, &expect);
        }
    }

    /// The last one of a queue was taken from it before it was known that its client had given up.
    #[test]
    fn who_gives_up_the_last_one_of_a_queue_is_known_for_the_next() {
        let mut queues = Queues::new(BUDGET_MS);
        queues.gave_up(Client::V4(A), NS_PER_MS);
        for slot in 0..2 {
            let id = ConnectionId::new(slot, 0);
            queues.push(id, Client::V4(A), Service::Platform, QueueKind::New, 0);
        }
        let now_ns = limits::NEWEST_FIRST_AFTER_MS * NS_PER_MS;
        let served = std::iter::from_fn(|| queues.next_new(now_ns, false));
        assert_eq!(served.map(ConnectionId::slot).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn on_an_overloaded_core_the_newest_of_who_gave_up_is_next_for_longer() {
        let (lately, longer) = (2 * limits::GAVE_UP_WITHIN_MS, limits::INTAKE_BOUNDED_MS);
        check_overloaded("a1 a2 a3", &[(A, 200)], 200 + lately, false, "a1 a2 a3");
        check_overloaded("a1 a2 a3", &[(A, 200)], 200 + lately, true, "a3 a2 a1");
        check_overloaded("a800 a801 b800 b801", &[(A, 200)], 200 + longer - 1, true, "a801 b800 a800 b801");
        check_overloaded("a800 a801", &[(A, 200)], 200 + longer, true, "a800 a801");
        check_overloaded("b1 b2", &[(A, 200)], 300, true, "b1 b2");
    }

    #[test]
    fn who_gave_up_is_known_when_his_queue_has_ended() {
        let mut queues = Queues::new(BUDGET_MS);
        let push = |queues: &mut Queues, client: u32, slot: u32| {
            queues.push(ConnectionId::new(slot, 0), Client::V4(client), Service::Platform, QueueKind::New, 0);
        };
        push(&mut queues, A, 0);
        queues.gave_up(Client::V4(A), NS_PER_MS);
        assert_eq!(queues.next_new(NS_PER_MS, false).map(ConnectionId::slot), Some(0));
        for (after_others, expect) in
            [(limits::GAVE_UP_CLIENTS - 1, [2, 1]), (limits::GAVE_UP_CLIENTS, [1, 2])]
        {
            for other in 0..after_others as u32 {
                push(&mut queues, 1_000 + other, 9);
                queues.gave_up(Client::V4(1_000 + other), NS_PER_MS);
                queues.next_new(NS_PER_MS, false);
            }
            (1..=2).for_each(|slot| push(&mut queues, A, slot));
            let now_ns = 10 * NS_PER_MS;
            let served: Vec<_> =
                std::iter::from_fn(|| queues.next_new(now_ns, false)).map(ConnectionId::slot).collect();
            assert_eq!(served, expect, "{after_others}");
        }
    }

    #[test]
    fn the_newest_is_next_where_the_oldest_can_hardly_be_answered_in_time() {
        check("a0 a1 a2", &[], BUDGET_MS / 2, "a2 a1 a0");
        // Those whose time is over are looked at between the new ones.
        check("a0 a1 a2 a1000 a1001 a1002", &[], 1_003, "a0 a1002 a1 a1001 a2 a1000");
        check("a0 a1001 a1002", &[], 1_003, "a0 a1001 a1002");
    }
}
