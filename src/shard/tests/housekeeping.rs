//! What a sweep leaves is done by the turns after it.

use super::*;
use limits::{SESSIONS_PER_ACCOUNT_MAX, TIDIED_PER_SWEEP, TIDIED_PER_TURN};

/// Keys of evicted sessions come back to the directory in pieces, and the core does not park before.
#[test]
fn a_shard_does_not_park_before_it_has_tidied_up() {
    let logins = SESSIONS_PER_ACCOUNT_MAX + TIDIED_PER_SWEEP + 2 * TIDIED_PER_TURN + 1;
    let mut cluster = Cluster::new(1);
    let id = cluster.account(0, 0);
    cluster.check(0, &put(&id), &CREATED);
    for number in 0..logins {
        let key = format!("k{number}");
        cluster.check(0, &open(&id, &key), &opened(&key));
    }
    assert_eq!(cluster.session_keys(), logins);
    let now_ms = cluster.now_ms;
    cluster.shards[0].sweep(now_ms);
    assert_eq!(cluster.session_keys(), logins - TIDIED_PER_SWEEP);
    for left in [TIDIED_PER_TURN + 1, 1, 0] {
        assert!(!cluster.shards[0].park(), "something is left");
        assert!(cluster.poll(0), "a turn has something to do");
        assert_eq!(cluster.session_keys(), SESSIONS_PER_ACCOUNT_MAX + left);
    }
    assert!(cluster.shards[0].park());
    assert!(!cluster.poll(0));
}
