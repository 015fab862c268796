//! What a shard lets out, and in, as its journal stands.

use super::*;

/// What shows a change that is not durable leaves the shard no earlier than that; what shows none leaves at once.
#[test]
fn nothing_leaves_a_shard_that_it_may_yet_lose() {
    let mut cluster = Cluster::new(2);
    let [id, other, key] = [cluster.account(1, 0), cluster.account(1, 1), cluster.key(0, 0)];
    cluster.check(0, &put(&id), &CREATED);
    cluster.check(0, &put(&other), &CREATED);
    cluster.check(0, &open(&id, &key), &opened(&key));
    cluster.disk = false;

    let frozen = Operation::SetStatus { account: account(&id), status: Status::Frozen };
    let (far, _) = cluster.submit(0, &frozen);
    let (read, _) = cluster.submit(0, &balance(&id));
    let (untouched, _) = cluster.submit(0, &balance(&other));
    cluster.poll(1);
    cluster.poll(0);
    assert_eq!(cluster.told.remove(&(0, untouched)), Some(empty_balance()));
    assert!(!cluster.told.contains_key(&(0, far)) && !cluster.told.contains_key(&(0, read)));
    // On the shard itself the outcome is there, and says what it waits for.
    let (near, submitted) = cluster.submit(1, &balance(&id));
    assert_eq!((submitted, cluster.waits[&(1, near)]), (Submitted::Answered, 3 + 1));
    let (near, _) = cluster.submit(1, &balance(&other));
    assert_eq!(cluster.waits[&(1, near)], 2, "that is durable already");

    // A logout gives its key back once it can't be undone.
    let (logout, _) = cluster.submit(1, &close(&id, &key));
    cluster.poll(0);
    assert_eq!(cluster.session_keys(), 1);
    let group = cluster.shards[1].take_group().unwrap();
    assert_eq!((group.first, group.last), (4, 5));
    assert!(cluster.shards[1].take_group().is_none());
    cluster.shards[1].on_durable(group);
    cluster.settle();
    assert_eq!(cluster.told.get(&(0, far)), Some(&Outcome::StatusSet(Status::Frozen)));
    assert_eq!(cluster.told.get(&(0, read)), Some(&empty_balance()));
    assert_eq!(cluster.told.get(&(1, logout)), Some(&Outcome::SessionClosed));
    assert_eq!(cluster.session_keys(), 0);
}

/// Where nothing can be journaled, what needs it is refused before it has changed anything, and reads go on.
#[test]
fn a_shard_that_is_read_only_refuses_writes() {
    let mut cluster = Cluster::new(2);
    let [id, other, key] = [cluster.account(1, 0), cluster.account(1, 1), cluster.key(0, 0)];
    cluster.check(0, &put(&id), &CREATED);
    cluster.check(0, &open(&id, &key), &opened(&key));
    cluster.shards.iter_mut().for_each(|shard| shard.set_read_only(true));
    for at in 0..2 {
        for operation in [put(&other), open(&id, "another"), close(&id, &key), redeem(&key)] {
            cluster.check(at, &operation, &Outcome::Unavailable);
        }
        cluster.check(at, &balance(&id), &empty_balance());
    }
    assert_eq!(cluster.session_keys(), 1);
    cluster.shards.iter_mut().for_each(|shard| shard.set_read_only(false));
    cluster.check(0, &put(&other), &CREATED);
}
