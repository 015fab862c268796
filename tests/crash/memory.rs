//! A server whose memory is nearly used up: it begins nothing more, and finishes what was begun.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use testkit::client::Client;
use testkit::home::{Home, Server};
use testkit::message::{balance, call, create_token, get};
use testkit::skipped::skip;

use crate::PURSER;

/// Connections that flood a server, each for a player of its own.
const FLOODERS: usize = 4;

/// Requests of a connection that go out together.
const TOGETHER: usize = 32;

/// Batches of a connection after which a server that still takes bets has no budget.
const BATCHES_MAX: usize = 20_000;

/// What an account of the demo holds, in pounds.
const OPENING: usize = 1_000_000;

fn account(flooder: usize) -> String {
    format!("default/player-{:06}", flooder + 1)
}

/// A call about a round of a flooder's; ids are as long as may be, so that not many fill the memory.
fn play(name: &str, flooder: usize, number: usize, members: &str) -> String {
    let (account, key) = (account(flooder), format!("demo-{:06}", flooder + 1));
    call(
        &format!("gameround/{name}"),
        &format!(
            r#""OperatorAccountID":"{account}","GatewaySessionToken":"{key}","GameRoundID":"{number:0>50}","GameID":"11588","CurrencyCode":"GBP"{members}"#
        ),
    )
}

/// The bet that begins the round of this number. Of a hundred rounds all but one end with it.
fn bet(flooder: usize, number: usize) -> String {
    let ends = !number.is_multiple_of(100);
    let members = format!(
        r#","GameRoundTransactionID":"{number:b>50}","Amount":1.00,"StartRound":true,"EndRound":{ends}"#
    );
    play("placebet", flooder, number, &members)
}

fn win(flooder: usize, number: usize, id: &str, amount: &str) -> String {
    let members =
        format!(r#","GameRoundTransactionID":"{id}","Amount":{amount},"StartRound":false,"EndRound":false"#);
    play("awardwinnings", flooder, number, &members)
}

fn is_done(body: &str) -> bool {
    body.starts_with(r#"{"ErrorCode":0"#)
}

const UNAVAILABLE: &str = r#"{"ErrorCode":-1}"#;

fn is_short(client: &mut Client) -> bool {
    let ready = client.ask(&get("/readyz"));
    ready.status == 503 && ready.body.contains("memory")
}

/// Times that a server is asked whether memory is still short: for longer than until it next looks what its allocator keeps, and
/// gives that back.
const LOOKS: usize = 20_000;

/// Begins rounds until memory is short, and stays so. Returns how many were acknowledged to each flooder: those of the numbers
/// below that.
#[track_caller]
fn flood_for_good(process: &Server, from: &[usize]) -> Vec<usize> {
    let mut begun = flood(process, from);
    let mut client = process.client();
    while !(0..LOOKS).all(|_| is_short(&mut client)) {
        begun = flood(process, &begun);
    }
    begun
}

/// Begins rounds until memory is short. Returns how many were acknowledged to each flooder: those of the numbers below that.
#[track_caller]
fn flood(process: &Server, from: &[usize]) -> Vec<usize> {
    thread::scope(|threads| {
        let flooders: Vec<_> = from
            .iter()
            .enumerate()
            .map(|(flooder, from)| {
                threads.spawn(move || {
                    let mut client = process.client();
                    let mut next = *from;
                    for _ in 0..BATCHES_MAX {
                        let batch: String =
                            (next..next + TOGETHER).map(|number| bet(flooder, number)).collect();
                        client.send(batch);
                        let answers: Vec<bool> =
                            (0..TOGETHER).map(|_| is_done(&client.answer().body)).collect();
                        // One that found no room on its way is asked again.
                        let done = answers.iter().take_while(|done| **done).count();
                        next += done;
                        if done < TOGETHER && is_short(&mut client) {
                            let more = answers[done..].iter().any(|done| *done);
                            let last = if more { next + TOGETHER - done } else { next };
                            return settle_count(&mut client, flooder, next, last);
                        }
                    }
                    panic!("a flood of {} rounds finds no budget", next - from)
                })
            })
            .collect();
        flooders.into_iter().map(|flooder| flooder.join().expect("a flood")).collect()
    })
}

/// The first of the bets from `next` on that was not done, where some after it may have been: those are settled as others
/// are, and count.
fn settle_count(client: &mut Client, flooder: usize, next: usize, last: usize) -> usize {
    // A repeat of one that was done is told as ever, and one that was not is refused.
    (next..last).find(|number| !is_done(&client.ask(&bet(flooder, *number)).body)).unwrap_or(last)
}

/// What a flooder holds, in whole pounds.
#[track_caller]
fn cash(client: &mut Client, flooder: usize) -> usize {
    let body = client.ask(&balance(&account(flooder))).body;
    let found = body.split(r#""CashFunds":"#).nth(1).and_then(|rest| rest.split('.').next());
    found.and_then(|pounds| pounds.parse().ok()).unwrap_or_else(|| panic!("{body}"))
}

/// Nothing is begun.
#[track_caller]
fn check_refusals(process: &Server, begun: &[usize]) {
    for (flooder, next) in begun.iter().enumerate() {
        let new = next + 1_000_000;
        process.check(&bet(flooder, new), UNAVAILABLE);
        process.check(&win(flooder, new, "w", "1.00"), UNAVAILABLE);
        let members = r#","GameRoundTransactionID":"b2","Amount":1.00,"StartRound":false,"EndRound":false"#;
        process.check(&play("placebet", flooder, 0, members), UNAVAILABLE);
        let members = r#","GameRoundTransactionID":"x","OriginalBetGameRoundTransactionID":"none","Amount":1.00,"EndRound":false"#;
        process.check(&play("rollbackbet", flooder, new, members), UNAVAILABLE);
        process.check(&create_token(&account(flooder)), UNAVAILABLE);
        let credit = format!(
            r#""OperatorAccountID":"{}","AccountTransactionID":"c","AccountTransactionTypeID":"805","CurrencyCode":"GBP","Amount":1.00"#,
            account(flooder)
        );
        process.check(&call("accounttransaction/credit", &credit), UNAVAILABLE);
        let deposit = r#"{"TransactionID":"d","Amount":1.00}"#;
        process.operate(&format!("POST {}/deposits", account(flooder)), deposit, 503);
        process.operate(&format!("POST {}/withdrawals", account(flooder)), deposit, 503);
        process.operate(&format!("POST {}/sessions", account(flooder)), r#"{"SessionKey":"new"}"#, 503);
        process.operate(&format!("PUT default/new-{flooder}"), r#"{"CountryCode":"GB"}"#, 503);
    }
}

/// What was begun goes on, under ids with this name. What each flooder holds is the same afterwards.
#[track_caller]
fn check_settlement(process: &Server, begun: &[usize], name: &str) {
    let mut client = process.client();
    for (flooder, next) in begun.iter().enumerate() {
        let before = cash(&mut client, flooder);
        let mut done = |request: &str| {
            let body = client.ask(request).body;
            assert!(is_done(&body), "{request}: {body}");
        };
        // The first round is open, the second has ended.
        done(&win(flooder, 0, &format!("w{name}"), "3.00"));
        done(&win(flooder, 1, &format!("w{name}"), "2.00"));
        done(&win(flooder, 1, &format!("w{name}"), "2.00"));
        done(&bet(flooder, 0));
        done(&bet(flooder, next - 1));
        done(&play("end", flooder, 100, ""));
        let void = format!(r#","GameRoundTransactionID":"v{name}","Amount":0.00,"EndRound":false"#);
        done(&play("voidbet", flooder, 200, &void));
        let rollback = format!(
            r#","GameRoundTransactionID":"x{name}","OriginalBetGameRoundTransactionID":"{:b>50}","Amount":1.00,"EndRound":false"#,
            300
        );
        done(&play("rollbackbet", flooder, 300, &rollback));
        let taken_back = usize::from(name == "1");
        assert_eq!(cash(&mut client, flooder), before + 5 + taken_back, "{flooder}");
        process.operate(&format!("GET {}", account(flooder)), "", 200);
        process.operate(&format!("GET {}/transactions", account(flooder)), "", 200);
        process.operate(&format!("PUT {}/status", account(flooder)), r#"{"Status":"frozen"}"#, 200);
        process.operate(&format!("PUT {}/status", account(flooder)), r#"{"Status":"active"}"#, 200);
        process.operate(&format!("PUT {}/limits", account(flooder)), r#"{"SessionMinutes":500000}"#, 200);
        process.operate(&format!("PUT {}", account(flooder)), r#"{"CountryCode":"GB"}"#, 200);
    }
}

/// Every bet that was acknowledged is there: its repeat is told so, and changes nothing. Few of many are asked for, and the
/// balance tells of the others.
#[track_caller]
fn check_acknowledged(process: &Server, begun: &[usize], gained: usize) {
    let mut client = process.client();
    for (flooder, next) in begun.iter().enumerate() {
        assert_eq!(cash(&mut client, flooder), OPENING - next + gained, "{flooder}");
        for number in (0..*next).step_by(97).filter(|number| *number != 300).chain([next - 1]) {
            let body = client.ask(&bet(flooder, number)).body;
            assert!(is_done(&body), "{flooder} {number}: {body}");
        }
        assert_eq!(cash(&mut client, flooder), OPENING - next + gained, "{flooder}");
    }
}

/// Floods a server until it refuses, kills it, and has it serve again in the same memory.
#[track_caller]
fn check(home: &Home, shards: usize, budget_mib: u64) {
    let mut process = home.start(shards);
    let begun = flood_for_good(&process, &[0; FLOODERS]);
    assert!(process.next_line().starts_with("purser: memory is short: "), "it says so");
    check_refusals(&process, &begun);
    check_settlement(&process, &begun, "1");
    check_acknowledged(&process, &begun, 6);
    check_metrics(&process.operator().metrics(), budget_mib);
    process.kill();

    let process = home.start(shards);
    check_acknowledged(&process, &begun, 6);
    check_settlement(&process, &begun, "2");
    // What a start needs no more may leave some room.
    let begun = flood_for_good(&process, &begun);
    check_refusals(&process, &begun);
    check_acknowledged(&process, &begun, 11);
    process.stop();
    home.verify(0);
}

#[track_caller]
fn check_metrics(metrics: &BTreeMap<String, f64>, budget_mib: u64) {
    let (budget, used) = (metrics["purser_memory_budget_bytes"], metrics["purser_memory_used_bytes"]);
    assert!((budget / 1_048_576.0 - budget_mib as f64).abs() < 1.0, "{budget}");
    assert!(used < budget && used > budget / 2.0, "{used} of {budget}");
    let of_memory = |(name, value): (&String, &f64)| {
        (name.starts_with("purser_writes_refused_total") && name.contains(r#"why="memory""#))
            .then_some(*value)
    };
    assert!(metrics.iter().filter_map(of_memory).sum::<f64>() > 0.0);
}

#[test]
fn a_small_budget_is_kept() {
    for (shards, budget_mib) in [(1, 64), (2, 96)] {
        let mut home = Home::demo(PURSER, FLOODERS as u32);
        home.argue(&format!("--memory-budget-mib={budget_mib}"), true);
        check(&home, shards, budget_mib);
    }
}

/// A cgroup that bounds the memory of those in it. It is removed when the test is done with it.
struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// `None` where none may be made here.
    fn new(mib: u64) -> Option<Self> {
        let name = format!("purser-test-{}", std::process::id());
        let trees = [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")];
        let made = trees.into_iter().find_map(|(tree, limit)| {
            let path = Path::new(tree).join(&name);
            fs::create_dir(&path).ok()?;
            let made = Self { path };
            // In a directory that is no cgroup a file could be made.
            let is_bounded = made.path.join(limit).exists()
                && fs::write(made.path.join(limit), (mib << 20).to_string()).is_ok();
            is_bounded.then_some(made)
        });
        if made.is_none() {
            skip("no cgroup with a limit of memory may be made here");
        }
        made
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // One whose last process has just ended may be busy for a moment.
        let _ = (0..1_000).any(|_| fs::remove_dir(&self.path).is_ok());
    }
}

/// In a cgroup of 300 MiB the budget is three quarters of that, and the kernel has no cause to end the server: neither while it
/// is flooded nor when it starts again.
#[test]
fn a_cgroup_is_lived_in() {
    let Some(cgroup) = Cgroup::new(300) else { return };
    let mut home = Home::demo(PURSER, 200_000);
    home.join(&cgroup.path);
    check(&home, 2, 225);
}
