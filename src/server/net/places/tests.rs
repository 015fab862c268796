//! Scripts of who comes, works and goes, and what the book says; and the book beside a naive one.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// Shares of so many places, and two networks that are exempt.
fn policy(platform_max: u32, operator_max: u32, per_address: u32) -> Policy {
    let exempt = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap()).into();
    Policy { platform_max, operator_max, per_address: Some(per_address), exempt }
}

/// A client by its letter: small ones are counted, and `x`, `y`, `z` come from exempt networks; `o` is of the operator's listener.
fn client(letter: u8) -> (Service, IpAddr) {
    match letter {
        b'o' => (Service::Operator, IpAddr::from([192, 0, 2, 1])),
        b'x'..=b'z' => (Service::Platform, IpAddr::from([10, 1, 2, letter])),
        _ => (Service::Platform, IpAddr::from([192, 0, 2, letter])),
    }
}

/// Plays a script of steps. `a0` is a client that comes to slot 0 (see [`client`]); `*0` is busy, `.0` is idle, `=0` has had its last
/// answer, `!0` gives up, `-0` has left.
/// What is said: for one that comes `+`, the slot that is evicted, or `A` or `F` where it is refused.
#[track_caller]
fn check(policy: &Policy, script: &str, expect: &str) {
    let mut places = Places::new(policy, limits::CONNECTIONS_MAX);
    let mut told = String::new();
    for step in script.split_whitespace() {
        let (kind, slot) = (step.as_bytes()[0], step[1..].parse().unwrap());
        match kind {
            b'*' => places.set_busy(slot),
            b'.' => places.set_idle(slot),
            b'=' => places.set_done(slot),
            b'-' => places.leave(slot),
            b'!' => places.release(slot),
            letter => {
                let (service, address) = client(letter);
                match places.admit(service, address, slot) {
                    Admission::Taken => told.push('+'),
                    Admission::TakenAfter(victim) => told += &victim.to_string(),
                    Admission::Refused(ConnectionRefusal::Address) => told.push('A'),
                    Admission::Refused(ConnectionRefusal::Full) => told.push('F'),
                    Admission::Refused(ConnectionRefusal::Table) => panic!("the table is the ring's"),
                }
            }
        }
    }
    assert_eq!(told, expect, "{script}");
}

#[test]
fn the_connection_that_has_been_idle_for_longest_is_evicted() {
    let three = policy(3, 1, 9);
    check(&three, "a0 b1 c2", "+++");
    check(&three, "a0 b1 c2 d3", "+++0");
    check(&three, "a0 b1 c2 d3 d4 d5 d6", "+++0123");
    check(&three, "a0 b1 c2 *0 d3", "+++1");
    check(&three, "a0 b1 c2 *0 .0 d3 d4 d5", "+++120");
    // What is idle already stays where it is.
    check(&three, "a0 b1 c2 .0 .0 d3", "+++0");
    check(&three, "a0 b1 c2 *0 *0 .0 *1 .1 d3 d4 d5", "+++201");
    // Nobody is cut off while it works.
    check(&three, "a0 b1 c2 *0 *1 *2 d3", "+++F");
    check(&three, "a0 b1 c2 *0 *1 *2 d3 .1 e4", "+++F1");
    check(&three, "a0 b1 c2 *0 *1 *2 d3 -3 -2 e3", "+++F+");
}

#[test]
fn who_has_had_its_last_answer_is_evicted_first() {
    let three = policy(3, 1, 9);
    check(&three, "a0 b1 c2 =1 d3", "+++1");
    check(&three, "a0 b1 c2 *2 =2 *1 =1 d3 d4 d5", "+++210");
    // To say it again changes nothing, nor what else is said of it.
    check(&three, "a0 b1 c2 =2 =1 =2 *2 .2 *1 d3 d4 d5", "+++210");
    check(&three, "a0 b1 c2 *0 *1 =2 d3 *3 e4", "+++2F");
    check(&three, "a0 b1 c2 =1 -1 d1 e3", "++++0");
    check(&three, "a0 b1 c2 =1 !1 =1 d3 e4", "++++0");
    // From an exempt network, too, but there others are before it.
    check(&three, "x0 a1 x2 =2 b3 b4", "+++21");
    check(&three, "x0 a1 x2 =2 =1 b3 b4 b5", "+++123");
    // At its own bound, too.
    check(&policy(9, 1, 2), "a0 *0 a1 *1 =1 a2", "++1");
    check(&policy(9, 2, 2), "o0 o1 =1 o2 o3", "++10");
}

#[test]
fn who_leaves_frees_a_place_once() {
    let two = policy(2, 1, 9);
    check(&two, "a0 b1 -0 c0", "+++");
    check(&two, "a0 *0 b1 -0 c0 d2", "+++1");
    // An evicted connection has given its place; its end frees none.
    check(&two, "a0 b1 c2 -0 d0", "++01");
    check(&two, "a0 b1 c2 -0 -0 -7 d0", "++01");
    // It is in nobody's way, whatever is said of it before its end.
    check(&two, "a0 b1 c2 *0 .0 d3 e4", "++012");
    // So has one that has given up, and one that never had a place gives none.
    check(&two, "a0 *0 b1 *1 !0 c2 *0 .0 d3", "+++2");
    check(&two, "a0 *0 b1 *1 !0 !0 -0 c0 d2", "+++0");
    check(&two, "a0 *0 b1 *1 c2 !2 !7 d3", "++FF");
    // What was refused has no place to be freed, and none to give.
    check(&two, "a0 b1 *0 *1 c2 .2 c3 -2 c2", "++FFF");
}

#[test]
fn an_address_at_its_bound_pays_for_its_newcomer() {
    let two_each = policy(5, 1, 2);
    check(&two_each, "a0 a1 b2 b3 c4", "+++++");
    check(&two_each, "b0 a1 a2 a3", "+++1");
    check(&two_each, "b0 a1 a2 a3 a4 a5", "+++123");
    // The longest open, which may not be the one that is idle for longest.
    check(&two_each, "a0 a1 *0 .0 a2", "++0");
    check(&two_each, "a0 a1 *0 a2", "++1");
    check(&two_each, "a0 a1 *0 *1 a2", "++A");
    check(&two_each, "a0 a1 *0 *1 a2 b3", "++A+");
    check(&two_each, "a0 a1 *0 *1 a2 -2 -0 a2", "++A+");
    check(&two_each, "a0 a1 *0 *1 a2 .1 a3", "++A1");
    // Its own are evicted, though others' have been idle for longer and the share is full.
    check(&two_each, "b0 b1 c2 a3 a4 a5", "+++++3");
    // What busy ones it had were looked at, and come last the next time.
    check(&policy(9, 1, 3), "a0 a1 a2 *0 a3 .0 a4 a5", "+++120");
}

#[test]
fn exempt_networks_are_not_bound_and_are_evicted_last() {
    let one_each = policy(4, 1, 1);
    check(&one_each, "x0 x1 x2 x3", "++++");
    check(&one_each, "x0 x1 x2 x3 x4", "++++0");
    check(&one_each, "x0 x1 x2 a3 x4 b5", "++++30");
    check(&one_each, "x0 y1 a2 b3 z4 *3 c5", "++++20");
    check(&one_each, "x0 a1 *1 a2", "++A");
}

#[test]
fn the_operators_places_are_its_own() {
    let one_each = policy(2, 2, 1);
    check(&one_each, "a0 b1 *0 *1 c2 o3 o4", "++F++");
    check(&one_each, "o0 o1 o2 a3 b4 c5", "++0++3");
    check(&one_each, "o0 o1 *0 *1 o2 a3", "++F+");
}

#[test]
fn an_ipv6_client_is_known_by_its_first_64_bits_and_an_ipv4_one_whole() {
    /// Whether `second` is counted as `first`, where one connection is allowed: then it takes the place of that.
    #[track_caller]
    fn check(first: &str, second: &str, same: bool) {
        let mut places = Places::new(&policy(9, 1, 1), limits::CONNECTIONS_MAX);
        let [first, second] = [first, second].map(|text| text.parse().unwrap());
        assert_eq!(places.admit(Service::Platform, first, 0), Admission::Taken);
        let expect = if same { Admission::TakenAfter(0) } else { Admission::Taken };
        assert_eq!(places.admit(Service::Platform, second, 1), expect, "{first} {second}");
    }
    check("192.0.2.1", "192.0.2.1", true);
    check("192.0.2.1", "192.0.2.2", false);
    check("192.0.2.1", "::ffff:192.0.2.1", true);
    check("::ffff:192.0.2.1", "::ffff:192.0.2.2", false);
    check("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true);
    check("2001:db8::1", "2001:db8:0:1::1", false);
    check("::1", "192.0.2.1", false);
    // Exempt, in each way to write it.
    check("10.0.0.1", "10.0.0.1", false);
    check("::ffff:10.0.0.1", "::ffff:10.0.0.1", false);
    check("fd12::1", "fd12::1", false);
}

#[test]
fn shares_of_a_table() {
    #[track_caller]
    fn check(policy: &Policy, capacity: usize, platform: u32, operator: u32, per_address: u32) {
        let places = Places::new(policy, capacity);
        let shares = (places.share(Service::Platform), places.share(Service::Operator), places.per_address);
        assert_eq!(shares, (platform, operator, per_address), "{capacity}");
    }
    let default = Policy::default();
    check(&default, limits::CONNECTIONS_MAX, 15_872, 256, 3_968);
    check(&default, usize::MAX, 15_872, 256, 3_968);
    check(&default, 1_024, 512, 256, 128);
    check(&default, 1_000, 500, 250, 125);
    check(&default, 100, 50, 25, 13);
    check(&default, 4, 2, 1, 1);
    check(&default, 2, 1, 1, 1);
    check(&policy(10, 4_096, 7), limits::CONNECTIONS_MAX, 10, 4_096, 7);
    check(&policy(10, 2, 7), 1_000, 10, 2, 7);
}

#[test]
fn what_a_newcomer_is_told_and_what_is_left_of_all() {
    let mut places = Places::new(&policy(2, 1, 1), limits::CONNECTIONS_MAX);
    for (letter, slot) in [(b'a', 0), (b'a', 1), (b'b', 2), (b'o', 3)] {
        let (service, address) = client(letter);
        places.admit(service, address, slot);
    }
    [1, 2].into_iter().for_each(|slot| places.set_busy(slot));
    assert_eq!((places.open(Service::Platform), places.open(Service::Operator)), (2, 1));
    let told = [(b'a', 4), (b'c', 5), (b'd', 6)].map(|(letter, slot)| {
        let (service, address) = client(letter);
        places.admit(service, address, slot)
    });
    let refused = [ConnectionRefusal::Address, ConnectionRefusal::Full, ConnectionRefusal::Full]
        .map(Admission::Refused);
    assert_eq!((told, places.next_victim(Service::Operator)), (refused, Some(3)));
    (0..7).for_each(|slot| places.leave(slot));
    assert_eq!((places.open(Service::Platform), places.open(Service::Operator)), (0, 0));
    assert!(places.clients.is_empty(), "an address without a connection takes no memory");
}

#[test]
fn the_search_for_an_idle_one_is_bounded_and_goes_on() {
    let many = limits::CONNECTIONS_LOOKS_MAX as u32 + 2;
    let mut places = Places::new(&policy(1_000, 1, many), limits::CONNECTIONS_MAX);
    let (service, address) = client(b'a');
    for slot in 0..many {
        places.admit(service, address, slot);
        places.set_busy(slot);
    }
    places.set_idle(many - 1);
    assert_eq!(places.admit(service, address, many), Admission::Refused(ConnectionRefusal::Address));
    assert_eq!(places.admit(service, address, many), Admission::TakenAfter(many - 1));
}

#[test]
#[should_panic(expected = "slot 3 was taken")]
fn one_place_has_one_connection() {
    check(&policy(9, 1, 9), "a3 b3", "");
}

/// Slot, letter, and since when it may be evicted: whether it is idle, and may be asked more, and the time.
type Open = (u32, u8, Option<(bool, usize)>);

/// The same rules, written for reading: who has a place, in the order in which the connections came.
#[derive(Debug, Default)]
struct Naive {
    open: Vec<Open>,
    /// By client, as its connections are looked at.
    looked: Vec<(u8, VecDeque<u32>)>,
}

impl Naive {
    const SHARE: usize = 6;
    const PER_CLIENT: usize = 3;

    fn may_be_evicted_since(&self, slot: u32) -> Option<(bool, usize)> {
        self.open.iter().find(|open| open.0 == slot).and_then(|open| open.2)
    }

    fn looked(&mut self, letter: u8) -> &mut VecDeque<u32> {
        let at = self.looked.iter().position(|of| of.0 == letter).unwrap_or_else(|| {
            self.looked.push((letter, VecDeque::new()));
            self.looked.len() - 1
        });
        &mut self.looked[at].1
    }

    fn remove(&mut self, slot: u32) {
        self.open.retain(|open| open.0 != slot);
        self.looked.iter_mut().for_each(|of| of.1.retain(|own| *own != slot));
    }

    fn admit(&mut self, letter: u8, slot: u32, now: usize) -> Admission {
        let is_counted = !matches!(letter, b'o' | b'x'..=b'z');
        let mut victim = None;
        if is_counted && self.looked(letter).len() >= Self::PER_CLIENT {
            for _ in 0..self.looked(letter).len() {
                let own = self.looked(letter)[0];
                if self.may_be_evicted_since(own).is_some() {
                    victim = Some(own);
                    break;
                }
                self.looked(letter).rotate_left(1);
            }
            if victim.is_none() {
                return Admission::Refused(ConnectionRefusal::Address);
            }
        } else {
            let of_listener = |open: &&Open| (open.1 == b'o') == (letter == b'o');
            if self.open.iter().filter(of_listener).count() >= Self::SHARE {
                let idle = self.open.iter().filter(of_listener).filter(|open| open.2.is_some());
                let Some(first) =
                    idle.min_by_key(|open| (open.2.map(|(is_idle, _)| is_idle), open.1 >= b'x', open.2))
                else {
                    return Admission::Refused(ConnectionRefusal::Full);
                };
                victim = Some(first.0);
            }
        }
        victim.into_iter().for_each(|victim| self.remove(victim));
        self.open.push((slot, letter, Some((true, now))));
        if is_counted {
            self.looked(letter).push_back(slot);
        }
        victim.map_or(Admission::Taken, Admission::TakenAfter)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn it_decides_as_a_naive_book_does(
        steps in prop::collection::vec((0_u8..10, 0_u32..24, prop::sample::select(&b"aaabcdexyo"[..])), 0..400),
    ) {
        let share = Naive::SHARE as u32;
        let mut places = Places::new(&policy(share, share, Naive::PER_CLIENT as u32), limits::CONNECTIONS_MAX);
        let mut naive = Naive::default();
        // Whether a slot has a connection, be it refused or on its way out.
        let mut used = [false; 24];
        for (now, (kind, slot, letter)) in steps.into_iter().enumerate() {
            let known = naive.open.iter_mut().find(|open| open.0 == slot);
            match kind {
                0..3 if !used[slot as usize] => {
                    used[slot as usize] = true;
                    let (service, address) = client(letter);
                    prop_assert_eq!(places.admit(service, address, slot), naive.admit(letter, slot, now));
                }
                3..5 => {
                    places.set_busy(slot);
                    known.into_iter().for_each(|open| open.2 = open.2.filter(|(is_idle, _)| !is_idle));
                }
                5..7 => {
                    places.set_idle(slot);
                    known.into_iter().for_each(|open| open.2 = open.2.or(Some((true, now))));
                }
                7 => {
                    places.leave(slot);
                    used[slot as usize] = false;
                    naive.remove(slot);
                }
                9 => {
                    places.set_done(slot);
                    let since = |open: &mut Open| {
                        open.2 = open.2.filter(|(is_idle, _)| !is_idle).or(Some((false, now)));
                    };
                    known.into_iter().for_each(since);
                }
                8 => {
                    places.release(slot);
                    naive.remove(slot);
                }
                _ => {}
            }
            let of = |is_operator| naive.open.iter().filter(|open| (open.1 == b'o') == is_operator).count() as u32;
            prop_assert_eq!((places.open(Service::Platform), places.open(Service::Operator)), (of(false), of(true)));
            let counted = naive.looked.iter().filter(|of| !of.1.is_empty()).count();
            prop_assert_eq!(places.clients.len(), counted);
        }
    }
}
