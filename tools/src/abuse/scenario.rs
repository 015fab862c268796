//! The attacks, and what each may cost the others.

use std::time::Duration;

use super::call::{ATTACKERS, Call, OTHERS};
use super::plan::{Plan, Then};

/// What happens while the others are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// The attackers come, and go on for the measurement's time.
    Steady,
    /// They connect, ask once all together, and are watched until the server has ended them all.
    IdleEnd,
    /// They connect, and the server is told to stop.
    Stop,
    /// They take every place, and new clients try to get in.
    Places,
}

/// What a scenario may come to. `None` for what is not judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    /// The others' p99 during the attack, in times of what it was before.
    pub(super) ratio: Option<f64>,
    /// The others' longest wait beyond what it was before.
    pub(super) longest_beyond: Option<Duration>,
    /// Memory of an attacking connection: the kernel's and the server's.
    pub(super) kib_per_attacker: Option<u64>,
    /// Every attacker is answered before it is cut off.
    pub(super) answers_reach: bool,
}

/// Others' p99 during any attack.
const RATIO: f64 = 2.0;

/// Others' p99 during an attack by a thousand pipelining clients.
const RATIO_PIPELINING: f64 = 3.0;

/// What is beyond the others' longest wait while idle connections end.
const LONGEST_BEYOND: Duration = Duration::from_millis(25);

/// Memory of a client that does not read.
const KIB_UNREAD: u64 = 512;

const USUAL: Bounds =
    Bounds { ratio: Some(RATIO), longest_beyond: None, kib_per_attacker: None, answers_reach: false };

/// An attack.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttackScenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Attacking connections, and how many of them are enough for a small run.
    pub(super) attackers: usize,
    pub(super) small: usize,
    pub(super) plan: fn(usize) -> Plan,
    pub(super) course: Course,
    pub(super) shards: u16,
    /// `keep_alive_ms` of the server where it is not the default, and for a small run.
    pub(super) keep_alive_ms: Option<(u64, u64)>,
    /// Lines of the first account's statement, and its open rounds, before the attack; each with its number for a small run.
    pub(super) lines: (u64, u64),
    pub(super) open_rounds: (u64, u64),
    pub(super) bounds: Bounds,
}

const fn steady(
    name: &'static str,
    about: &'static str,
    attackers: usize,
    small: usize,
    plan: fn(usize) -> Plan,
) -> AttackScenario {
    AttackScenario {
        name,
        about,
        attackers,
        small,
        plan,
        course: Course::Steady,
        shards: 1,
        keep_alive_ms: None,
        lines: (0, 0),
        open_rounds: (0, 0),
        bounds: USUAL,
    }
}

const fn unread(
    name: &'static str,
    about: &'static str,
    attackers: usize,
    plan: fn(usize) -> Plan,
) -> AttackScenario {
    let bounds = Bounds { kib_per_attacker: Some(KIB_UNREAD), ..USUAL };
    AttackScenario { bounds, ..steady(name, about, attackers, 4, plan) }
}

const fn a_second() -> Duration {
    Duration::from_secs(1)
}

/// All of them.
pub(super) const ALL: [AttackScenario; 18] = [
    AttackScenario {
        course: Course::IdleEnd,
        keep_alive_ms: Some((6_000, 400)),
        bounds: Bounds { longest_beyond: Some(LONGEST_BEYOND), ..USUAL },
        ..steady("idle-end", "keep-alive connections that time out together", 16_000, 40, |connections| {
            Plan { again: None, waits: true, ..Plan::idle(connections, Call::Balance(OTHERS)) }
        })
    },
    AttackScenario {
        course: Course::Stop,
        bounds: Bounds { ratio: None, ..USUAL },
        ..steady("stop-with-idle", "SIGTERM while connections are idle", 16_000, 40, |connections| Plan {
            again: None,
            ..Plan::idle(connections, Call::Balance(OTHERS))
        })
    },
    AttackScenario {
        bounds: Bounds { ratio: Some(RATIO_PIPELINING), ..USUAL },
        ..steady(
            "pipelining",
            "3,000 pipelined GET /x of each connection, without credentials",
            1_000,
            8,
            |connections| Plan {
                requests: 3_000,
                depth: 3_000,
                then: Then::Closes,
                again: Some(Duration::ZERO),
                ..Plan::flood(connections, Call::Unknown)
            },
        )
    },
    unread("unread-createtoken", "pipelined createtoken, answers unread", 300, |connections| {
        Plan::unread(connections, Call::CreateToken(OTHERS))
    }),
    AttackScenario {
        lines: (3_000, 100),
        ..unread("unread-statements", "an operator's statements, answers unread", 400, |connections| {
            Plan::unread(connections, Call::Statement)
        })
    },
    unread("memory-unread", "pipelined balance, answers unread", 400, |connections| {
        Plan::unread(connections, Call::Balance(OTHERS))
    }),
    AttackScenario {
        course: Course::Places,
        ..steady(
            "places",
            "idle connections from one address, while new clients come",
            16_384,
            40,
            |connections| Plan {
                sources: 0,
                again: Some(a_second()),
                ..Plan::idle(connections, Call::Balance(OTHERS))
            },
        )
    },
    steady("silent", "connections that never send anything", 8_000, 20, |connections| Plan {
        requests: 0,
        again: Some(a_second()),
        ..Plan::idle(connections, Call::Nothing)
    }),
    steady("slow-headers", "a head that comes a byte a second", 2_000, 10, |connections| Plan {
        drip: Some(a_second()),
        again: Some(a_second()),
        ..Plan::idle(connections, Call::Unknown)
    }),
    steady("slow-bodies", "a body that comes a byte a second", 2_000, 10, |connections| Plan {
        again: Some(a_second()),
        drip: Some(a_second()),
        drips_from: 150,
        ..Plan::idle(connections, Call::Balance(OTHERS))
    }),
    steady("half-requests", "half a request, then the end", 500, 10, |connections| Plan {
        stops_at: Some(60),
        then: Then::Closes,
        again: Some(Duration::from_millis(20)),
        ..Plan::idle(connections, Call::Balance(OTHERS))
    }),
    steady("give-up", "bets of clients that wait for 150 ms and come again", 12_000, 20, |connections| {
        Plan {
            depth: 1,
            patience: Some(Duration::from_millis(150)),
            again: Some(Duration::ZERO),
            ..Plan::flood(connections, Call::Bet { platform: ATTACKERS, stays_open: false })
        }
    }),
    steady("token-flood", "createtoken of another platform at full rate", 32, 2, |connections| {
        Plan::flood(connections, Call::CreateToken(ATTACKERS))
    }),
    AttackScenario {
        shards: 2,
        ..steady(
            "deep-pipelines",
            "64 requests under way of each connection, two shards",
            200,
            4,
            |connections| Plan::flood(connections, Call::Balance(ATTACKERS)),
        )
    },
    AttackScenario {
        open_rounds: (100_000, 200),
        ..steady("operator-account", "GET of an account with many open rounds, 50/s", 2, 2, |connections| {
            Plan { depth: 1, per_second: Some(50.0), ..Plan::flood(connections, Call::Account) }
        })
    },
    AttackScenario {
        bounds: Bounds { answers_reach: true, ..USUAL },
        ..steady("large-bodies", "bodies that are too large, sent to their end", 64, 4, |connections| Plan {
            requests: 1,
            depth: 1,
            then: Then::Closes,
            again: Some(Duration::from_millis(10)),
            ..Plan::flood(connections, Call::Large { bytes: 1024 * 1024 })
        })
    },
    steady("connect-storm", "connections that are closed at once", 64, 4, |connections| Plan {
        requests: 0,
        then: Then::Closes,
        again: Some(Duration::ZERO),
        ..Plan::flood(connections, Call::Nothing)
    }),
    steady("reset-storm", "requests whose connection is reset", 64, 4, |connections| Plan {
        requests: 1,
        depth: 1,
        reads: false,
        then: Then::Resets,
        again: Some(Duration::ZERO),
        ..Plan::flood(connections, Call::Balance(OTHERS))
    }),
];

impl AttackScenario {
    /// The scenario of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }

    /// The value for the full run or for a small one.
    pub(super) const fn of((full, small): (u64, u64), is_small: bool) -> u64 {
        if is_small { small } else { full }
    }
}

/// Hostile connections of all kinds, each seldom at full speed, for a run that goes on for long: `connections` in all.
pub(crate) fn mixture(connections: usize) -> Vec<Plan> {
    let rest = Some(a_second());
    let kinds: [Plan; 10] = [
        Plan {
            requests: 3_000,
            depth: 3_000,
            then: Then::Closes,
            again: rest,
            ..Plan::flood(0, Call::Unknown)
        },
        Plan { again: rest, ..Plan::unread(0, Call::Balance(ATTACKERS)) },
        Plan { drip: rest, again: rest, ..Plan::idle(0, Call::Unknown) },
        Plan { again: rest, ..Plan::unread(0, Call::Statement) },
        Plan {
            stops_at: Some(60),
            then: Then::Closes,
            again: rest,
            ..Plan::idle(0, Call::Balance(ATTACKERS))
        },
        Plan {
            requests: 1,
            depth: 1,
            then: Then::Closes,
            again: rest,
            ..Plan::flood(0, Call::Large { bytes: 1024 * 1024 })
        },
        Plan {
            requests: 0,
            then: Then::Closes,
            again: Some(Duration::from_millis(20)),
            ..Plan::flood(0, Call::Nothing)
        },
        Plan {
            requests: 1,
            reads: false,
            then: Then::Resets,
            again: Some(Duration::from_millis(20)),
            ..Plan::flood(0, Call::Balance(ATTACKERS))
        },
        Plan { per_second: Some(500.0), ..Plan::flood(0, Call::CreateToken(ATTACKERS)) },
        Plan {
            patience: Some(Duration::from_millis(20)),
            requests: 64,
            again: rest,
            ..Plan::flood(0, Call::Bet { platform: ATTACKERS, stays_open: false })
        },
    ];
    let count = kinds.len();
    let of = |number: usize| connections / count + usize::from(number < connections % count);
    let plans = kinds.into_iter().enumerate().map(|(number, plan)| Plan { connections: of(number), ..plan });
    plans.filter(|plan| plan.connections > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_its_name() {
        for scenario in &ALL {
            assert_eq!(AttackScenario::named(scenario.name).map(|found| found.about), Some(scenario.about));
            assert!(scenario.small <= scenario.attackers, "{}", scenario.name);
            assert_eq!((scenario.plan)(7).connections, 7, "{}", scenario.name);
        }
        assert!(AttackScenario::named("nothing").is_none());
    }

    #[test]
    fn mixtures() {
        for connections in [0, 1, 10, 13] {
            let plans = mixture(connections);
            assert_eq!(plans.iter().map(|plan| plan.connections).sum::<usize>(), connections);
        }
    }
}
