//! The pure path allocates nothing once it is warm, but for what it must keep.
//!
//! The program's allocator is replaced by one that counts, for each thread by itself, so that the tests of
//! this file may run side by side and the harness's own threads don't show. What is counted is what a
//! platform sends day in, day out: requests with a length, strings without escapes. A chunked body, or an
//! escaped string that must be resolved, has a buffer of its own.

#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one passes each call on")]

#[path = "../benches/support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use support::{
    ACCOUNTS, PLAYERS, PurePath, START_MS, balance_request, bet_request, create_request, put_round,
    put_token, redeem_request, token_place,
};

/// The system's allocator, and a count of its calls.
struct Counting;

thread_local! {
    // Constant and without a destructor: to look at it needs no allocation, which would count itself for
    // ever.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.set(CALLS.get() + 1);
}

// SAFETY: every method passes its arguments on to `System` as they are, and returns what it returns; counting
// touches no memory but the thread's own counter, and can't unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: as in `alloc`; `block` came from `System`, as every block does.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator that this thread makes in `work`; giving memory back is one.
fn calls_in(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

/// Requests of each call that are counted.
const REQUESTS: usize = 10_000;

/// Requests before them, which warm the path up. More than fill the buffers: a hash table with removed
/// entries grows once more when their traces have used up its room, and is then large enough to clear them in
/// place.
const WARMING: usize = 3 * REQUESTS;

/// Counts the calls of the allocator in [`REQUESTS`] rounds of `play`, which is given the number of its
/// round, after [`WARMING`] rounds that are not counted.
#[track_caller]
fn check(expect: u64, mut play: impl FnMut(&mut PurePath, usize)) {
    let mut path = PurePath::new(ACCOUNTS);
    for round in 0..WARMING {
        play(&mut path, round);
    }
    let calls = calls_in(|| {
        for round in WARMING..WARMING + REQUESTS {
            play(&mut path, round);
        }
    });
    assert_eq!(calls, expect, "calls of the allocator in {REQUESTS} rounds");
}

#[track_caller]
fn assert_done(answer: &[u8]) {
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").map(|at| &answer[at + 4..]);
    let done = body.is_some_and(|body| body.starts_with(b"{\"ErrorCode\":0,"));
    assert!(done, "{}", answer.escape_ascii());
}

fn of_each_player(request: fn(usize) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..PLAYERS).map(request).collect()
}

#[test]
fn the_count_is_a_count() {
    assert_eq!(calls_in(|| ()), 0);
    assert_eq!(calls_in(|| drop(black_box(Box::new(1)))), 2);
    assert_eq!(calls_in(|| drop(black_box(vec![0_u8; 100]))), 2);
    let mut bytes = Vec::with_capacity(10);
    assert_eq!(calls_in(|| bytes.extend_from_slice(black_box(&[1; 10]))), 0);
    assert_eq!(calls_in(|| bytes.push(black_box(1))), 1);
    check(2 * REQUESTS as u64, |_, _| drop(black_box(Box::new(1))));
}

#[test]
fn balance_allocates_nothing() {
    let requests = of_each_player(balance_request);
    check(0, |path, round| assert_done(path.serve(START_MS, &requests[round % PLAYERS])));
}

#[test]
fn createtoken_and_redeemtoken_allocate_nothing() {
    let requests = of_each_player(create_request);
    let mut redeem = redeem_request();
    let place = token_place(&redeem);
    check(0, |path, round| {
        let created = path.serve(START_MS, &requests[round % PLAYERS]);
        assert_done(created);
        put_token(&mut redeem, place, created);
        assert_done(path.serve(START_MS, &redeem));
    });
}

/// Tokens that nobody redeems: in the steady state as many expire as are minted, and the table keeps its
/// room.
#[test]
fn createtoken_allocates_nothing_where_tokens_expire() {
    let requests = of_each_player(create_request);
    let life_ms = limits::TOKEN_LIFE_MS;
    check(0, |path, round| {
        let now_ms = START_MS + round as u64 * (life_ms / 1_000);
        assert_done(path.serve(now_ms, &requests[round % PLAYERS]));
    });
}

/// The other end of the ladder: a token that was redeemed before is refused without an allocation too.
#[test]
fn a_refusal_allocates_nothing() {
    let (create, mut redeem) = (create_request(0), redeem_request());
    let place = token_place(&redeem);
    put_token(&mut redeem, place, PurePath::new(1).serve(START_MS, &create));
    check(0, |path, _| assert!(path.serve(START_MS, &redeem).ends_with(b"\r\n\r\n{\"ErrorCode\":-3}")));
}

/// What a bet that opens a round must allocate, since it is kept: one piece of memory for its round's id and transactions.
const CALLS_PER_BET: u64 = 1;

/// The tables of rounds and each account's lists grow with what they hold, by doubling: once in a while, and for few
/// of so many bets.
const CALLS_TO_GROW: u64 = 100;

/// Each bet opens a round and closes it.
#[test]
fn a_bet_allocates_what_it_leaves_behind() {
    let mut requests = of_each_player(bet_request);
    let mut path = PurePath::new(ACCOUNTS);
    let mut calls = 0;
    for round in 0..WARMING + REQUESTS {
        let request = &mut requests[round % PLAYERS];
        put_round(request, round as u64);
        let calls_here = calls_in(|| assert_done(path.serve(START_MS, request)));
        if round >= WARMING {
            calls += calls_here;
        }
    }
    let most = CALLS_PER_BET * REQUESTS as u64 + CALLS_TO_GROW;
    assert!(calls <= most, "{calls} calls of the allocator in {REQUESTS} bets, {most} at most");
}

/// A bet that is sent again is found, and nothing is kept of the repeat.
#[test]
fn a_repeated_bet_allocates_nothing() {
    let requests = of_each_player(bet_request);
    check(0, |path, round| assert_done(path.serve(START_MS, &requests[round % PLAYERS])));
}
