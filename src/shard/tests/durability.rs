//! What a shard lets out, and in, as its journal stands.

use super::*;
use wallet::RoundScope;
use wallet::amount::Amount;
use wallet::operation::{self, Play, PlayKind};

/// What shows a change that is not durable leaves the shard no earlier than that; what shows none leaves at once.
#[test]
fn nothing_leaves_a_shard_that_it_may_yet_lose() {
    let mut cluster = Cluster::new(2);
    let [id, other, key] = [cluster.account(1, 0), cluster.account(1, 1), cluster.key(0, 0)];
    cluster.check(0, &put(&id), &CREATED);
    cluster.check(0, &put(&other), &CREATED);
    cluster.check(0, &open(&id, &key), &opened(&key));
    cluster.disk = false;

    let frozen =
        Operation::SetStatus(operation::SetStatus { account: account(&id), status: AccountStatus::Frozen });
    let (far, _) = cluster.submit(0, &frozen);
    let (read, _) = cluster.submit(0, &balance(&id));
    let (untouched, _) = cluster.submit(0, &balance(&other));
    cluster.poll(1);
    cluster.poll(0);
    assert_eq!(cluster.replies.remove(&(0, untouched)), Some(empty_balance()));
    assert!(!cluster.replies.contains_key(&(0, far)) && !cluster.replies.contains_key(&(0, read)));
    // On the shard itself the outcome is there, and says what it waits for.
    let (near, submitted) = cluster.submit(1, &balance(&id));
    assert_eq!((submitted, cluster.waits[&(1, near)]), (true, 3 + 1));
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
    assert_eq!(cluster.replies.get(&(0, far)), Some(&Outcome::StatusSet(AccountStatus::Frozen)));
    assert_eq!(cluster.replies.get(&(0, read)), Some(&empty_balance()));
    assert_eq!(cluster.replies.get(&(1, logout)), Some(&Outcome::SessionClosed));
    assert_eq!(cluster.session_keys(), 0);
}

/// A reply goes out with the change that it shows, whatever was served before it: a lane keeps no order among those that
/// wait.
#[test]
fn an_older_change_does_not_wait_for_a_newer_one() {
    let mut cluster = Cluster::new(2);
    let [first, second] = [0, 1].map(|number| cluster.account(1, number));
    for id in [&first, &second] {
        cluster.check(0, &put(id), &CREATED);
    }
    cluster.disk = false;
    let freeze = |id: &str| {
        Operation::SetStatus(operation::SetStatus { account: account(id), status: AccountStatus::Frozen })
    };
    // The first change is under way to the disk when the second comes, and the first is read after that.
    let changed = cluster.submit(0, &freeze(&first)).0;
    cluster.poll(1);
    let under_way = cluster.shards[1].take_group().expect("the first change");
    let changed_later = cluster.submit(0, &freeze(&second)).0;
    let read = cluster.submit(0, &balance(&first)).0;
    cluster.poll(1);
    cluster.shards[1].on_durable(under_way);
    cluster.poll(0);
    assert!(cluster.replies.contains_key(&(0, changed)) && cluster.replies.contains_key(&(0, read)));
    assert!(!cluster.replies.contains_key(&(0, changed_later)));
    cluster.disk = true;
    cluster.write(1);
    cluster.settle();
    assert!(cluster.replies.contains_key(&(0, changed_later)));
}

/// A shard without connections serves the others until they have left, and the process ends then: so what it takes in for
/// them meanwhile is journaled at once, a session's renewal too.
#[test]
fn renewals_that_come_in_after_a_shard_has_left_are_journaled() {
    let mut cluster = Cluster::new(2);
    let (id, key) = (cluster.account(1, 0), cluster.key(0, 0));
    cluster.check(0, &put(&id), &CREATED);
    cluster.check(0, &open(&id, &key), &opened(&key));
    cluster.disk = false;
    cluster.now_ms += 1_000;
    cluster.check(0, &redeem(&key), &redeemed(&id, &key));
    assert!(cluster.shards[1].is_durable(), "a renewal is not waited for");
    cluster.shards[1].leave();
    assert_eq!(cluster.shards[1].take_group().map(|group| (group.first, group.last)), Some((3, 3)));

    cluster.now_ms += 1_000;
    cluster.check(0, &redeem(&key), &redeemed(&id, &key));
    assert!(!cluster.shards[1].is_durable(), "the process does not end without it");
}

/// Who hears that a session is gone may hear it no earlier than it is gone for good.
#[test]
fn a_token_is_not_refused_for_a_logout_that_may_be_undone() {
    for [account_at, key_at] in [[0, 0], [1, 0], [1, 1]] {
        let mut cluster = Cluster::new(2);
        let (id, key) = (cluster.account(account_at, 0), cluster.key(key_at, 0));
        cluster.check(0, &put(&id), &CREATED);
        cluster.check(0, &open(&id, &key), &opened(&key));
        cluster.disk = false;
        let (logout, _) = cluster.submit(account_at, &close(&id, &key));
        let (redeemed, _) = cluster.submit(key_at, &redeem(&key));
        for at in [0, 1, 0, 1] {
            cluster.poll(at);
        }
        let is_held = |at: usize, waiter: u32| {
            let after = cluster.waits.get(&(at, waiter));
            after.is_none_or(|after| *after > cluster.shards[at].durable())
        };
        assert!(is_held(account_at, logout) && is_held(key_at, redeemed), "{account_at} {key_at}");
        cluster.disk = true;
        (0..2).for_each(|at| cluster.write(at));
        cluster.settle();
        assert_eq!(cluster.replies.get(&(key_at, redeemed)), Some(&REFUSED_3));
    }
}

/// Nor is a win refused for another account's session before the login that began it is durable.
#[test]
fn a_win_is_not_refused_for_a_session_that_may_be_undone() {
    let mut cluster = Cluster::new(1);
    let [first, second] = [0, 1].map(|number| cluster.account(0, number));
    for id in [&first, &second] {
        cluster.check(0, &put(id), &CREATED);
    }
    cluster.disk = false;
    let (login, _) = cluster.submit(0, &open(&second, "of second"));
    let win = Operation::Play(Play {
        kind: PlayKind::Win,
        platform: platform(),
        account: account(&first),
        session: Some("of second".into()),
        session_checked: false,
        round: "r".into(),
        scope: RoundScope::Platform,
        transaction: "w".into(),
        original: None,
        game: "11588".into(),
        currency: Currency::from_code("GBP"),
        amount: Amount::ZERO,
        starts_round: false,
        ends_round: false,
        details: None,
    });
    let (refused_win, _) = cluster.submit(0, &win);
    assert_eq!(cluster.replies.get(&(0, refused_win)), Some(&refused(ErrorCode::AccountNotFound)));
    let after = |waiter| cluster.waits[&(0, waiter)];
    assert_eq!(after(refused_win), after(login));
}

/// However many sessions are renewed at once, all renewals are in the journal within their minute (protocol §5): they are
/// taken in turn by turn, not by the second.
#[test]
fn renewals_do_not_pile_up() {
    const PLAYERS: usize = 3 * limits::RENEWALS_PER_TURN;
    let mut cluster = Cluster::new(1);
    for number in 0..PLAYERS {
        let (id, key) = (format!("default/p{number}"), format!("k{number}"));
        cluster.check(0, &put(&id), &CREATED);
        cluster.check(0, &open(&id, &key), &opened(&key));
    }
    cluster.now_ms += 1_000;
    for number in 0..PLAYERS {
        let (id, key) = (format!("default/p{number}"), format!("k{number}"));
        cluster.check(0, &redeem(&key), &redeemed(&id, &key));
    }
    let before = cluster.shards[0].durable();
    cluster.now_ms += limits::RENEWAL_JOURNALED_MS;
    for _ in 0..3 {
        cluster.poll(0);
    }
    assert_eq!(cluster.shards[0].durable() - before, PLAYERS as u64);
}

/// A key that a logout has freed is another account's only once the logout is durable: after a crash between both the
/// first account would have it back.
#[test]
fn a_key_is_not_given_on_before_its_logout_is_durable() {
    let mut cluster = Cluster::new(2);
    let (first, second, key) = (cluster.account(0, 0), cluster.account(1, 0), cluster.key(0, 0));
    for id in [&first, &second] {
        cluster.check(0, &put(id), &CREATED);
    }
    cluster.check(0, &open(&first, &key), &opened(&key));
    cluster.disk = false;
    let (logout, _) = cluster.submit(0, &close(&first, &key));
    let (login, _) = cluster.submit(0, &open(&second, &key));
    cluster.poll(1);
    cluster.poll(0);
    assert!(cluster.replies.contains_key(&(0, logout)) && !cluster.replies.contains_key(&(0, login)));
    assert!(cluster.shards[1].is_durable(), "the login has not come there");
    cluster.disk = true;
    cluster.write(0);
    cluster.settle();
    assert_eq!(cluster.replies.get(&(0, login)), Some(&opened(&key)));
}

/// Nor is one whose session a further login has ended, before that login is durable.
#[test]
fn a_key_is_not_given_on_before_what_ended_its_session_is_durable() {
    let mut cluster = Cluster::new(2);
    let (first, second, key) = (cluster.account(0, 0), cluster.account(1, 0), cluster.key(1, 0));
    for id in [&first, &second] {
        cluster.check(0, &put(id), &CREATED);
    }
    cluster.check(0, &open(&first, &key), &opened(&key));
    for number in 1..limits::SESSIONS_PER_ACCOUNT_MAX {
        cluster.now_ms += 1;
        let other = format!("other-{number}");
        cluster.check(0, &open(&first, &other), &opened(&other));
    }
    cluster.disk = false;
    cluster.now_ms += 1;
    // Its key is of its own shard, so that it needs no other.
    let last = cluster.key(0, 0);
    let (ending, _) = cluster.submit(0, &open(&first, &last));
    let now_ms = cluster.now_ms;
    cluster.shards[0].sweep(now_ms);
    cluster.poll(1);
    let (login, _) = cluster.submit(1, &open(&second, &key));
    for at in [1, 0, 1, 0, 1] {
        cluster.poll(at);
        while let Some(group) = cluster.shards[1].take_group() {
            cluster.shards[1].on_durable(group);
        }
    }
    assert_ne!(cluster.replies.get(&(1, login)), Some(&opened(&key)));
    assert!(!cluster.shards[0].is_durable(), "the session may come back");
    cluster.disk = true;
    cluster.write(0);
    cluster.settle();
    assert_eq!(cluster.replies.get(&(0, ending)), Some(&opened(&last)));
    cluster.replies.remove(&(1, login));
    cluster.check(1, &open(&second, &key), &opened(&key));
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

/// Where memory is short, what would take more of it is refused before it has changed anything, wherever it arrives; sessions
/// and accounts that are there go on.
#[test]
fn a_shard_that_is_short_of_memory_begins_nothing() {
    let mut cluster = Cluster::new(2);
    let [id, other, key] = [cluster.account(1, 0), cluster.account(1, 1), cluster.key(0, 0)];
    cluster.check(0, &put(&id), &CREATED);
    cluster.check(0, &open(&id, &key), &opened(&key));
    cluster.shards.iter_mut().for_each(|shard| shard.set_short_of_memory(true));
    for at in 0..2 {
        for operation in [put(&other), open(&id, "another")] {
            cluster.check(at, &operation, &Outcome::Unavailable);
        }
        cluster.check(at, &balance(&id), &empty_balance());
        cluster.check(at, &put(&id), &Outcome::AccountPut { created: false });
        cluster.check(at, &open(&id, &key), &opened(&key));
    }
    assert_eq!(cluster.session_keys(), 1);
    cluster.check(1, &close(&id, &key), &Outcome::SessionClosed);
    assert_eq!(cluster.session_keys(), 0);
    cluster.shards.iter_mut().for_each(|shard| shard.set_short_of_memory(false));
    cluster.check(0, &put(&other), &CREATED);
}
