//! Any order of requests and turns.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Submit { at: usize, kind: usize, id: usize, key: usize },
    Poll(usize),
    Sweep(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let submit = (0..3usize, 0..6usize, 0..6usize, 0..6usize);
    prop_oneof![
        6 => submit.prop_map(|(at, kind, id, key)| Event::Submit { at, kind, id, key }),
        3 => (0..3usize).prop_map(Event::Poll),
        1 => (0..3usize).prop_map(Event::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// In any order of requests and turns every waiter has one reply, and the shards' directories hold the keys of
    /// the sessions that are there and no other.
    #[test]
    fn any_order_of_turns(events in proptest::collection::vec(event(), 0..200)) {
        let mut cluster = Cluster::new(3);
        let ids: Vec<String> = (0..6).map(|n| cluster.account(n % 3, n / 3)).collect();
        let keys: Vec<String> = (0..6).map(|n| cluster.key(n % 3, n / 3)).collect();
        for event in events {
            match event {
                Event::Submit { at, kind, id, key } => {
                    let (id, key) = (&ids[id], &keys[key]);
                    let frozen = Operation::SetStatus(operation::SetStatus { account: account(id), status: AccountStatus::Frozen });
                    let operations = [put(id), open(id, key), close(id, key), redeem(key), balance(id), frozen];
                    let _ = cluster.submit(at, &operations[kind]);
                }
                Event::Poll(at) => drop(cluster.poll(at)),
                Event::Sweep(at) => cluster.shards[at].sweep(START_MS),
            }
        }
        cluster.settle();
        prop_assert_eq!(cluster.replies.len(), cluster.submitted as usize);
        let mut sessions = 0;
        for id in &ids {
            if let Outcome::Account(view) = cluster.outcome(0, &get(id)) {
                sessions += view.sessions.len();
                for session in &view.sessions {
                    let redeemed = cluster.outcome(1, &redeem(&session.key));
                    prop_assert_ne!(redeemed, REFUSED_3);
                }
            }
        }
        prop_assert_eq!(cluster.session_keys(), sessions);
    }
}
