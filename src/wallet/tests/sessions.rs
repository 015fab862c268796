//! Sessions (protocol §1, §5): how many, for how long, and whose key it is.

use super::*;

#[test]
fn sessions_of_the_operator() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let refused = |refusal| Outcome::OperatorRefused(refusal);
    story.check(&open("default/nobody", "k"), &refused(OperatorRefusal::NoAccount));
    // The key was given back: it is free for another account.
    story.login(ADMIN, "k");
    story.login(ADMIN, "k");
    story.check(&open(YEN, "k"), &refused(OperatorRefusal::KeyTaken));
    story.check(&close(YEN, "k"), &refused(OperatorRefusal::NoSession));
    story.check(&close("default/nobody", "k"), &refused(OperatorRefusal::NoAccount));
    story.check(&close(ADMIN, "k"), &Outcome::SessionClosed);
    story.check(&close(ADMIN, "k"), &refused(OperatorRefusal::NoSession));
    story.login(YEN, "k");
    assert_eq!(story.wallet.session_keys(), 1);
}

#[test]
fn a_seventeenth_login_ends_the_session_that_was_used_least_recently() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let keys: Vec<String> =
        (0..limits::SESSIONS_PER_ACCOUNT_MAX).map(|number| format!("key-{number}")).collect();
    for key in &keys {
        story.login(ADMIN, key);
        story.later(1);
    }
    // The oldest is used again, so that the second is the one.
    let token = story.token(1);
    story.check(&redeem(PLATFORM, token), &redeemed(&keys[15]));
    let bet = rounds::play("bet r a 1 start key=key-0");
    assert!(matches!(story.outcome(&bet.as_deref()), Outcome::Done { .. }));
    story.later(1);
    story.login(ADMIN, "one more");
    check_sessions(&mut story, &["key-0", "key-2", "key-3"]);
    // One that is there starts again, and ends no other.
    story.login(ADMIN, "key-2");
    check_sessions(&mut story, &["key-0", "key-3", "key-4"]);
    // What was ended is unknown, and its key is free for another account.
    let bet = rounds::play("bet r b 1 key=key-1");
    story.check(&bet.as_deref(), &refusal(ErrorCode::SessionNotFound));
    sweep(&mut story);
    story.login(YEN, "key-1");
}

/// The first live sessions of the administrator, in the order of their logins.
#[track_caller]
fn check_sessions(story: &mut Story, expect: &[&str]) {
    let get = Operation::GetAccount(operation::GetAccount { account: AccountRef::new(ADMIN) });
    let Outcome::Account(view) = story.outcome(&get) else { panic!("no account") };
    let keys: Vec<&str> = view.sessions.iter().map(|session| session.key.as_str()).collect();
    assert_eq!(keys.len(), limits::SESSIONS_PER_ACCOUNT_MAX);
    assert_eq!(keys[..expect.len()], *expect);
}

/// A history that version 0.1.0 could not recover: one session is used for a day, others expire, are swept, and make
/// way for further ones; then it is logged out after it has expired. When a sweep came by changes nothing.
#[test]
fn what_is_forgotten_follows_from_time_and_the_records() {
    const MINUTE_MS: Millis = 60_000;
    for sweeps in [false, true] {
        let mut story = Story::new(TokenPolicy::SingleUse);
        story.login(ADMIN, "X");
        for number in 0..63 {
            if number < 31 {
                story.later(2 * MINUTE_MS);
                story.login(ADMIN, &format!("other-{number}"));
            } else {
                story.later(25 * MINUTE_MS);
            }
            let bet = format!("bet r b{number} 1 start key=X");
            assert!(matches!(story.outcome(&rounds::play(&bet).as_deref()), Outcome::Done { .. }), "{bet}");
            if sweeps {
                sweep(&mut story);
            }
        }
        story.later(31 * MINUTE_MS);
        story.login(ADMIN, "one more");
        story.check(&close(ADMIN, "X"), &Outcome::SessionClosed);
    }
}

#[test]
fn expired_sessions_make_way() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let keys: Vec<String> = (0..200).map(|number| format!("key-{number}")).collect();
    for logins in keys.chunks(limits::SESSIONS_PER_ACCOUNT_MAX) {
        story.later(IDLE_MS);
        for key in logins {
            story.login(ADMIN, key);
        }
    }
    let index = story.wallet.accounts.find(&AccountRef::new(ADMIN)).unwrap();
    let remembered = story.wallet.accounts.get(index).sessions.len();
    assert_eq!(remembered, limits::SESSIONS_REMEMBERED_MAX);
    sweep(&mut story);
    assert_eq!(story.wallet.session_keys(), remembered, "keys of evicted sessions are given back");
}

#[test]
fn the_sweep_forgets_sessions_that_expired_a_day_ago() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.login(ADMIN, "old");
    story.later(IDLE_MS + limits::SESSION_REMEMBERED_MS - 1);
    sweep(&mut story);
    assert_eq!(story.wallet.session_keys(), 1);
    story.login(ADMIN, "new");
    story.later(1);
    story.check(&close(ADMIN, "old"), &Outcome::OperatorRefused(OperatorRefusal::NoSession));
    // Before it is swept, its key is given up to who asks for it.
    story.check(&open(YEN, "old"), &Outcome::OperatorRefused(OperatorRefusal::TryAgain));
    story.login(YEN, "old");
    story.check(&open(YEN, "new"), &Outcome::OperatorRefused(OperatorRefusal::KeyTaken));
    story.later(IDLE_MS + limits::SESSION_REMEMBERED_MS);
    story.wallet.begin_sweep();
    assert!(story.wallet.tidy(story.now_ms, 0), "there is more to do");
    assert!(!story.wallet.has_free_keys());
    assert!(!story.wallet.tidy(story.now_ms, limits::TIDIED_PER_SWEEP));
    assert!(story.wallet.has_free_keys());
    story.wallet.release_keys(0, |_| panic!("it was not asked for"));
    assert_eq!(story.wallet.session_keys(), 2, "keys that can't be given back stay");
    sweep(&mut story);
    assert_eq!(story.wallet.session_keys(), 0);
}

#[test]
fn demo_sessions_never_idle_out() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.shadow = None;
    let demo = AccountRef::new("default/demo");
    let opening = Amount::from_minor(100).unwrap();
    assert!(story.wallet.put_demo_account(START_MS, &demo, &profile(), opening, KEY));
    assert!(!story.wallet.put_demo_account(START_MS, &demo, &profile(), opening, KEY), "it is there");
    assert!(story.wallet.adopt_key(KeyHash::of(KEY), demo.hash()));
    assert!(!story.wallet.adopt_key(KeyHash::of(KEY), AccountHash::of(ADMIN)), "it is another's");
    story.later(365 * 24 * 3_600 * 1_000);
    sweep(&mut story);
    let Outcome::Token(token) = story.outcome(&create(PLATFORM, "default/demo", GAME, 1)) else {
        panic!("no token");
    };
    let used = |story: &Story| images(&story.wallet, story.now_ms)[1].sessions[0].used_ms;
    let before = used(&story);
    assert!(matches!(story.outcome(&redeem(PLATFORM, token)), Outcome::Redeemed(_)));
    assert_eq!(
        used(&story),
        before,
        "it is not renewed, so that a replay ends the same session where one is evicted"
    );
    // Demo data comes with a snapshot, not by the journal.
    let mut restored = Wallet::to_replay();
    restored.configure(0, story.wallet.settings()).unwrap();
    let expect = images(&story.wallet, story.now_ms);
    expect.iter().for_each(|image| restored.restore(image).unwrap());
    assert_eq!(images(&restored, story.now_ms), expect);
    std::mem::forget(story);
}

/// What a token stands for is told by a session's serial, which no later session of the account has.
#[test]
fn no_two_sessions_of_an_account_have_one_serial() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    for (key, serial) in [("a", 0), ("b", 1), ("c", 2)] {
        story.login(ADMIN, key);
        let image = images(&story.wallet, story.now_ms).remove(0);
        assert_eq!((image.sessions.last().unwrap().serial, image.serial), (serial, serial + 1));
    }
}

#[test]
fn sessions_whose_keys_are_anothers_are_lost() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    for (account, key) in [(ADMIN, "a"), (ADMIN, "b"), (YEN, "c")] {
        story.login(account, key);
    }
    let admin = AccountHash::of(ADMIN);
    story.wallet.keep_sessions(story.now_ms, |key, account| key == "a" && account == admin);
    let images = images(&story.wallet, story.now_ms);
    let left = images.iter().flat_map(|image| &image.sessions).map(|session| session.key.as_str());
    assert_eq!(left.collect::<Vec<_>>(), ["b", "c"]);
    std::mem::forget(story);
}

/// A renewal is brought to the journal once it has waited, or ahead of a change of its account that depends on it.
#[test]
fn renewals_come_to_the_journal_in_time() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let renew = |story: &mut Story, entropy| {
        story.later(1);
        let token = story.token(entropy);
        assert!(matches!(story.outcome(&redeem(PLATFORM, token)), Outcome::Redeemed(_)));
        story.now_ms
    };
    story.login(ADMIN, KEY);
    let since_ms = renew(&mut story, 1);
    let due_ms = since_ms + limits::RENEWAL_JOURNALED_MS;
    for (due_ms, most, expect) in [(due_ms - 1, 1, 0), (due_ms, 0, 0), (due_ms, 1, 1), (due_ms, 1, 0)] {
        let mut found = Vec::new();
        story.wallet.journal_renewals(due_ms, most, |operation, receipt| {
            found.push((operation.map(|text| CompactString::from(*text)), receipt));
        });
        assert_eq!(found.len(), expect);
        story.keep(found);
    }
    renew(&mut story, 2);
    for expect in [1, 0] {
        let mut found = Vec::new();
        story.wallet.journal_account_renewals(&AccountRef::new(ADMIN), |operation, receipt| {
            found.push((operation.map(|text| CompactString::from(*text)), receipt));
        });
        assert_eq!(found.len(), expect);
        story.keep(found);
    }
}

/// That a key is free may follow from a record that is not durable yet.
#[test]
fn who_gets_a_key_waits_for_what_has_freed_it() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.login(ADMIN, KEY);
    story.check(&close(ADMIN, KEY), &Outcome::SessionClosed);
    let closed = story.sequence;
    story.login(ADMIN, "another");
    let stamp = Stamp { now_ms: story.now_ms, sequence: story.sequence + 1 };
    let mut effect = Effect::default();
    story.wallet.apply(stamp, &open(YEN, KEY), &mut effect);
    assert_eq!(effect.seen, closed);
    std::mem::forget(story);
}
