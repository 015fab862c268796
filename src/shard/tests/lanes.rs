//! What one connection may take of a lane.

use super::*;
use limits::{CONNECTIONS_MAX, LANE_SHARE_MAX};

/// Connections of shard 0 whose requests go to accounts of shard 1.
struct Clients {
    cluster: Cluster,
    nobody: Op,
    /// What each has under way.
    under_way: Vec<usize>,
    refused: usize,
}

impl Clients {
    fn new(clients: usize) -> Self {
        let cluster = Cluster::new(2);
        let nobody = get(&cluster.account(1, 0));
        Self { cluster, nobody, under_way: vec![0; clients], refused: 0 }
    }

    /// The client's next request; `false` where it is put off.
    fn ask(&mut self, client: usize) -> bool {
        let under_way = self.under_way[client];
        if under_way >= limits::PIPELINE_DEPTH_MAX
            || !self.cluster.shards[0].has_room_for(&self.nobody.as_deref(), under_way)
        {
            return false;
        }
        match self.cluster.submit(0, &self.nobody).1 {
            false => self.under_way[client] += 1,
            true => self.refused += 1,
        }
        true
    }

    /// All ask for as much as they may, in turn.
    fn ask_without_end(&mut self) {
        while (0..self.under_way.len()).fold(false, |asked, client| asked | self.ask(client)) {}
    }

    fn free(&self) -> usize {
        LANE_REQUESTS_MAX - self.cluster.shards[0].at[1]
    }
}

#[test]
fn a_connection_has_a_share_of_what_is_free() {
    let mut clients = Clients::new(1);
    let place = LANE_REQUESTS_MAX / LANE_SHARE_MAX;
    // Places that are free, and what a connection may have under way beside the next request.
    for (free, most) in [
        (LANE_REQUESTS_MAX, LANE_SHARE_MAX - 1),
        (LANE_REQUESTS_MAX / 2, LANE_SHARE_MAX / 2 - 1),
        (2 * place + 1, 2),
        (place + 1, 1),
        (place, 0),
        (1, 0),
        (0, 0),
    ] {
        while clients.free() > free {
            assert!(!clients.cluster.submit(0, &clients.nobody).1);
        }
        let shard = &clients.cluster.shards[0];
        let has_room = |under_way| shard.has_room_for(&clients.nobody.as_deref(), under_way);
        let is = (0..=LANE_SHARE_MAX).rev().find(|under_way| has_room(*under_way));
        assert_eq!(is, Some(most), "{free} places are free");
        // What stays here takes no place.
        let own = get(&clients.cluster.account(0, 0));
        assert!(shard.has_room_for(&own.as_deref(), LANE_SHARE_MAX));
    }
    assert!(shard_refuses(&mut clients), "and is refused where it has nothing under way");
}

fn shard_refuses(clients: &mut Clients) -> bool {
    clients.ask(0);
    clients.refused == 1
}

/// However many pipeline without end, the ones that don't are served, and nobody is refused.
#[test]
fn pipelines_leave_room_for_those_that_have_nothing_under_way() {
    for (pipelining, room) in [(1, 16_000), (300, 7_000), (1_000, 3_000), (10_000, 256)] {
        let mut clients = Clients::new(CONNECTIONS_MAX);
        let modest = clients.under_way.split_off(pipelining);
        clients.ask_without_end();
        assert_eq!(clients.refused, 0, "{pipelining}");
        assert!(clients.free() >= room, "{pipelining} leave {}", clients.free());
        let first = clients.under_way.len();
        clients.under_way.extend(modest);
        let asked = (first..first + room.min(CONNECTIONS_MAX - first)).all(|client| clients.ask(client));
        assert!(asked && clients.refused == 0, "{pipelining} took what others need");
        // What was put off goes on as the replies come.
        clients.cluster.settle();
        clients.under_way.fill(0);
        assert!((0..pipelining).all(|client| clients.ask(client)));
    }
}

/// Each connection that a shard may have has a place at two shards.
#[test]
fn every_connection_has_its_first_request_under_way() {
    let mut clients = Clients::new(CONNECTIONS_MAX);
    clients.ask_without_end();
    assert_eq!((clients.refused, clients.free()), (0, 0));
    assert!(clients.under_way.iter().all(|under_way| *under_way == 1));
}

/// A request that its owner comes to too late is refused there, and has changed nothing.
#[test]
fn a_request_that_is_late_in_its_lane_is_refused() {
    for (late_ms, status) in [(0, AccountStatus::Frozen), (1, AccountStatus::Active)] {
        let mut cluster = Cluster::new(2);
        let id = cluster.account(1, 0);
        cluster.check(1, &put(&id), &CREATED);
        cluster.deadline_ms = cluster.now_ms;
        let freeze = Operation::SetStatus(operation::SetStatus {
            account: account(&id),
            status: AccountStatus::Frozen,
        });
        let (waiter, submitted) = cluster.submit(0, &freeze);
        assert!(!submitted);
        cluster.now_ms += late_ms;
        cluster.settle();
        let is_refused = cluster.replies[&(0, waiter)] == Outcome::Unavailable;
        assert_eq!(is_refused, late_ms > 0);
        cluster.deadline_ms = Millis::MAX;
        let (waiter, _) = cluster.submit(1, &get(&id));
        let Outcome::Account(view) = &cluster.replies[&(1, waiter)] else { panic!("it is its account") };
        assert_eq!(view.status, status);
    }
}

/// Whoever fills the lanes of a shard, it takes a bounded number of requests and of replies in a turn, and comes to each peer in
/// turn.
#[test]
fn a_turn_takes_a_burst_from_all_lanes_together() {
    let mut cluster = Cluster::new(4);
    let nobody = get(&cluster.account(0, 1_000));
    (1..4).for_each(|from| cluster.fill(from, 0));
    let answered = |cluster: &Cluster, peer: usize| {
        let [to, from] = [peer, 0].map(|at| cluster.shards[at].id());
        cluster.shards[0].mesh().replies(from, to).len()
    };
    for turn in 1..=3 {
        assert!(cluster.poll(0));
        let served = [1, 2, 3].map(|peer| answered(&cluster, peer));
        assert_eq!(served.iter().sum::<usize>(), turn * LANE_BURST);
        assert_eq!(served.iter().filter(|served| **served > 0).count(), turn);
    }

    // And so for the replies.
    let asked: usize = [1, 2, 3].map(|to| cluster.shards[0].at[to]).iter().sum();
    assert_eq!(asked, 0);
    (1..4).for_each(|to| cluster.fill(0, to));
    while [1, 2, 3].map(|at| cluster.poll(at)).contains(&true) {}
    let replies = |cluster: &Cluster| -> usize {
        let to = cluster.shards[0].id();
        [1, 2, 3]
            .map(|from| cluster.shards[0].mesh().replies(cluster.shards[from].id(), to).len())
            .iter()
            .sum()
    };
    let before = replies(&cluster);
    assert!(before > 2 * LANE_BURST);
    assert!(cluster.poll(0));
    assert_eq!(before - replies(&cluster), LANE_BURST);
    assert!(!cluster.submit(1, &nobody).1, "and there is room again");
}
