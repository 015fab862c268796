//! The places of a shard: who may have a connection, and who is evicted.
//!
//! A shard's table has so many places, and a client that takes them all would shut out everybody else: other platforms, load
//! balancers, the operator. So each listener has a share of the table, a client's address has a bound in the platforms'
//! share, and where a share is full a connection is evicted for the newcomer: the first one that has had its last answer and only
//! waits for its client to close it, or else the one that has been idle for longest. A client that is at work is never cut off
//! for another.
//!
//! - **A network that is exempt** isn't bound: behind a proxy's address are many clients. Its connections are
//!   evicted after all others.
//! - **An address at its bound** pays for its newcomer itself, with the longest open of its connections that is idle. To
//!   refuse the newcomer would be as much work, and a client that has lost its connections without closing them would be
//!   shut out until they time out.
//! - **An IPv6 client** is known by the first 64 bits of its address, since the rest is the client's to choose (RFC 4291
//!   §2.5.4).
//! - **The operator's share** has no bound per address: the operator decides who reaches that listener.
//!
//! The book is pure. It knows no ring, no clock and no socket: the driver tells it who came, who is idle, who is busy and who
//! left, and ends whom it names. Idle and busy change with each request, so both are a few writes to an array: the idle are a
//! doubly linked list through the places. Addresses are hashed when a connection begins and ends, and never between.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::client::Client;
use super::responder::Service;
use metrics::ConnectionRefusal;

/// Who may have connections. The bounds are a shard's: the kernel spreads connections over the shards, and each counts its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Connections of the platforms' listener.
    pub platform_max: u32,
    /// Connections of the operator's listener.
    pub operator_max: u32,
    /// Connections of one client address, among those of the platforms' listener. By default a part of what the listener
    /// has ([`limits::CONNECTIONS_ADDRESS_PART`]).
    pub per_address: Option<u32>,
    /// Networks whose addresses are not bound.
    pub exempt: Vec<IpNet>,
}

impl Default for Policy {
    /// All places; this machine is exempt, where proxies and load generators run.
    fn default() -> Self {
        let operator_max = limits::OPERATOR_CONNECTIONS as u32;
        Self {
            platform_max: (limits::CONNECTIONS_MAX - limits::CONNECTIONS_SPARE) as u32 - operator_max,
            operator_max,
            per_address: None,
            exempt: ["127.0.0.0/8", "::1/128"].map(|text| text.parse().expect("a network")).into(),
        }
    }
}

/// Whether a newcomer has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has.
    Taken,
    /// It has that of the connection in this slot, which is to be ended now.
    TakenAfter(u32),
    /// It hasn't, since none of the connections that were looked at is idle, and is to be ended.
    Refused(ConnectionRefusal),
}

/// Connections that are evicted for one another, in this order; the last one is the operator's listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Counted,
    Exempt,
    Operator,
}

impl Rank {
    const COUNT: usize = 3;

    /// The ranks of a listener, the first to be evicted first.
    const fn of(service: Service) -> &'static [Self] {
        match service {
            Service::Platform => &[Self::Counted, Self::Exempt],
            Service::Operator => &[Self::Operator],
        }
    }

    const fn service(self) -> Service {
        match self {
            Self::Counted | Self::Exempt => Service::Platform,
            Self::Operator => Service::Operator,
        }
    }
}

/// What is known of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SlotState {
    /// Nobody was admitted to it.
    #[default]
    Vacant,
    Idle(Rank),
    Busy(Rank),
    /// It has had its last answer.
    Done(Rank),
    /// Its place is another's; it has not left yet.
    Evicted,
}

/// No slot.
const NONE: u32 = u32::MAX;

/// A slot's neighbours in a list.
#[derive(Clone, Copy, Debug)]
struct SlotLinks {
    before: u32,
    after: u32,
}

impl SlotLinks {
    const LOOSE: Self = Self { before: NONE, after: NONE };
}

/// A list of slots, linked through an array.
#[derive(Clone, Copy, Debug)]
struct SlotList {
    first: u32,
    last: u32,
    len: u32,
}

impl SlotList {
    const EMPTY: Self = Self { first: NONE, last: NONE, len: 0 };

    fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    fn push(&mut self, links: &mut [SlotLinks], slot: u32) {
        links[slot as usize] = SlotLinks { before: self.last, after: NONE };
        match self.last {
            NONE => self.first = slot,
            last => links[last as usize].after = slot,
        }
        self.last = slot;
        self.len += 1;
    }

    fn remove(&mut self, links: &mut [SlotLinks], slot: u32) {
        let SlotLinks { before, after } = std::mem::replace(&mut links[slot as usize], SlotLinks::LOOSE);
        match before {
            NONE => self.first = after,
            before => links[before as usize].after = after,
        }
        match after {
            NONE => self.last = before,
            after => links[after as usize].before = before,
        }
        self.len -= 1;
    }
}

/// The book of one shard's places.
#[derive(Debug)]
pub(super) struct Places {
    /// Connections that a listener may have, by [`Service`].
    shares: [u32; 2],
    per_address: u32,
    exempt: Vec<IpNet>,
    /// What is known of each slot, as far as slots have been used.
    states: Vec<SlotState>,
    /// The idle of each rank, those idle for longest first.
    idle: [SlotList; Rank::COUNT],
    /// Those of each rank that have had their last answer, the first one first.
    done: [SlotList; Rank::COUNT],
    /// The links of both.
    idle_links: Vec<SlotLinks>,
    /// The connections of each address that is counted; those open for longest first, but for those that were busy when they
    /// were looked at. The seed of the map is random: addresses are the clients' choice.
    clients: HashMap<Client, SlotList>,
    client_links: Vec<SlotLinks>,
    /// The address that a slot is counted for.
    counted_for: Vec<Option<Client>>,
    open: [u32; 2],
}

impl Places {
    /// The book of a table of `capacity` places. A table that is smaller than the configured one, for want of open files, has
    /// a quarter of its places for the operator at most, and one for both listeners at least.
    pub(super) fn new(policy: &Policy, capacity: usize) -> Self {
        let capacity = u32::try_from(capacity).unwrap_or(NONE).min(limits::CONNECTIONS_MAX as u32);
        let quarter = capacity / 4;
        let spare = quarter.min(limits::CONNECTIONS_SPARE as u32);
        let operator = policy.operator_max.min(quarter.max(1));
        let platform = policy.platform_max.min(capacity.saturating_sub(spare + operator).max(1));
        let part = platform.div_ceil(limits::CONNECTIONS_ADDRESS_PART as u32);
        Self {
            shares: [platform, operator],
            per_address: policy.per_address.unwrap_or(part),
            exempt: policy.exempt.clone(),
            states: Vec::new(),
            idle: [SlotList::EMPTY; Rank::COUNT],
            done: [SlotList::EMPTY; Rank::COUNT],
            idle_links: Vec::new(),
            clients: HashMap::new(),
            client_links: Vec::new(),
            counted_for: Vec::new(),
            open: [0; 2],
        }
    }

    /// Connections that the listener may have.
    pub(super) fn share(&self, service: Service) -> u32 {
        self.shares[service as usize]
    }

    /// Connections that the listener has. An evicted one is not among them, though it may not have ended yet.
    pub(super) fn open(&self, service: Service) -> u32 {
        self.open[service as usize]
    }

    /// The connection of the listener that would be evicted next: the first that has had its last answer; or of those that are
    /// idle the one idle for longest, from an exempt network last.
    pub(super) fn next_victim(&self, service: Service) -> Option<u32> {
        let first = |lists: &[SlotList; Rank::COUNT]| {
            Rank::of(service).iter().find_map(|&rank| lists[rank as usize].first())
        };
        first(&self.done).or_else(|| first(&self.idle))
    }

    /// Decides about a newcomer from `address` in `slot`. One that is taken is idle, for it has asked for nothing yet. A slot
    /// whose connection was refused or evicted is vacant again once [`Places::leave`] is told.
    ///
    /// # Panics
    /// Where the slot is not vacant: two connections would have one place.
    pub(super) fn admit(&mut self, service: Service, address: IpAddr, slot: u32) -> Admission {
        self.reach(slot);
        assert!(self.states[slot as usize] == SlotState::Vacant, "slot {slot} was taken");
        let (rank, client) = self.rank(service, address);
        let victim = match self.victim(service, client) {
            Ok(victim) => victim,
            Err(refusal) => return Admission::Refused(refusal),
        };
        if let Some(victim) = victim {
            self.release(victim);
        }
        self.states[slot as usize] = SlotState::Idle(rank);
        self.idle[rank as usize].push(&mut self.idle_links, slot);
        self.counted_for[slot as usize] = client;
        if let Some(client) = client {
            self.clients.entry(client).or_insert(SlotList::EMPTY).push(&mut self.client_links, slot);
        }
        self.open[service as usize] += 1;
        victim.map_or(Admission::Taken, Admission::TakenAfter)
    }

    /// The connection in `slot` has nothing to do; it may be evicted. To say it again changes nothing, and neither does it where
    /// the connection was refused or evicted.
    pub(super) fn set_idle(&mut self, slot: u32) {
        if let Some(state) = self.states.get_mut(slot as usize)
            && let SlotState::Busy(rank) = *state
        {
            *state = SlotState::Idle(rank);
            self.idle[rank as usize].push(&mut self.idle_links, slot);
        }
    }

    /// The connection in `slot` has sent something, or has an answer to come; it keeps its place. To say it again changes nothing,
    /// and neither does it where the connection was refused or evicted.
    pub(super) fn set_busy(&mut self, slot: u32) {
        if let Some(state) = self.states.get_mut(slot as usize)
            && let SlotState::Idle(rank) = *state
        {
            *state = SlotState::Busy(rank);
            self.idle[rank as usize].remove(&mut self.idle_links, slot);
        }
    }

    /// The connection in `slot` has had its last answer, and is the next to be evicted behind others like it. To say it again
    /// changes nothing, and neither does it where the connection was refused or evicted.
    pub(super) fn set_done(&mut self, slot: u32) {
        self.set_busy(slot);
        if let Some(state) = self.states.get_mut(slot as usize)
            && let SlotState::Busy(rank) = *state
        {
            *state = SlotState::Done(rank);
            self.done[rank as usize].push(&mut self.idle_links, slot);
        }
    }

    /// Nothing more is exchanged on the connection in `slot`: its place is free, though it has not left yet. To say it again changes
    /// nothing.
    pub(super) fn release(&mut self, slot: u32) {
        if let Some(SlotState::Idle(_) | SlotState::Busy(_) | SlotState::Done(_)) =
            self.states.get(slot as usize)
        {
            self.take_out(slot);
            self.states[slot as usize] = SlotState::Evicted;
        }
    }

    /// The connection in `slot` ends, whether it had a place or not. Tell this when its close is submitted: the kernel may give the
    /// slot to the next client before the close has completed.
    pub(super) fn leave(&mut self, slot: u32) {
        if (slot as usize) < self.states.len() {
            self.take_out(slot);
            self.states[slot as usize] = SlotState::Vacant;
        }
    }

    /// Makes room for what is known of `slot`. The kernel fills the table from its start, so this grows with the connections.
    fn reach(&mut self, slot: u32) {
        assert!((slot as usize) < limits::CONNECTIONS_MAX, "there is no slot {slot}");
        let len = slot as usize + 1;
        if self.states.len() < len {
            self.states.resize(len, SlotState::Vacant);
            self.idle_links.resize(len, SlotLinks::LOOSE);
            self.client_links.resize(len, SlotLinks::LOOSE);
            self.counted_for.resize(len, None);
        }
    }

    /// The rank of a connection from `address`, and for whom it is counted.
    fn rank(&self, service: Service, address: IpAddr) -> (Rank, Option<Client>) {
        let canonical = address.to_canonical();
        match service {
            Service::Operator => (Rank::Operator, None),
            Service::Platform if self.exempt.iter().any(|network| network.contains(&canonical)) => {
                (Rank::Exempt, None)
            }
            Service::Platform => (Rank::Counted, Some(Client::of(address))),
        }
    }

    /// Who is evicted for a newcomer; `None` where there is room.
    fn victim(&mut self, service: Service, client: Option<Client>) -> Result<Option<u32>, ConnectionRefusal> {
        if let Some(own) = client.and_then(|client| self.clients.get_mut(&client))
            && own.len >= self.per_address
        {
            let looks = own.len.min(limits::CONNECTIONS_LOOKS_MAX as u32);
            for _ in 0..looks {
                let slot = own.first;
                if let SlotState::Idle(_) | SlotState::Done(_) = self.states[slot as usize] {
                    return Ok(Some(slot));
                }
                own.remove(&mut self.client_links, slot);
                own.push(&mut self.client_links, slot);
            }
            return Err(ConnectionRefusal::Address);
        }
        if self.open(service) < self.share(service) {
            return Ok(None);
        }
        self.next_victim(service).map(Some).ok_or(ConnectionRefusal::Full)
    }

    /// Takes the connection in `slot` out of all books, if it is in them.
    fn take_out(&mut self, slot: u32) {
        let rank = match self.states[slot as usize] {
            SlotState::Vacant | SlotState::Evicted => return,
            SlotState::Busy(rank) => rank,
            SlotState::Idle(rank) => {
                self.idle[rank as usize].remove(&mut self.idle_links, slot);
                rank
            }
            SlotState::Done(rank) => {
                self.done[rank as usize].remove(&mut self.idle_links, slot);
                rank
            }
        };
        self.open[rank.service() as usize] -= 1;
        if let Some(client) = self.counted_for[slot as usize].take() {
            let own = self.clients.get_mut(&client).expect("it is counted there");
            own.remove(&mut self.client_links, slot);
            if own.len == 0 {
                self.clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests;
