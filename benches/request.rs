//! What a request costs on its way through the pure part of the server, and which step it costs that at.
//!
//! `cargo bench --bench request` measures. With `PURSER_BENCH_SMALL=1`, `-- --quick` or `-- --test`, and
//! under `cargo test --benches`, the wallets are small and the times short: that shows that the benchmarks
//! still work, and its figures mean nothing.

mod support;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use api::{Call, Decoded};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use http::{DateHeader, Framed, Framer, Request, Response};
use rand_chacha::rand_core::Rng as _;
use support::{
    ACCOUNTS, PLAYERS, PurePath, START_MS, account_id, balance_request, bet_request, create_request, draw,
    put_round, put_token, redeem_request, token_place, wallet,
};
use wallet::account::AccountRef;
use wallet::amount::Amount;
use wallet::operation::{self, Operation, Play, PlayKind};
use wallet::outcome::{Balance, Effect, Outcome, Receipt, Redeemed, Text};
use wallet::{Currency, PlatformKey, RoundScope, Stamp, Wallet};

fn main() {
    let scale = Scale::of_this_run();
    let mut criterion = scale.configure(Criterion::default()).configure_from_args();
    frame(&mut criterion);
    decode(&mut criterion);
    apply(&mut criterion, &scale);
    append(&mut criterion);
    encode(&mut criterion);
    request(&mut criterion);
    criterion.final_summary();
}

/// How much a run may cost.
struct Scale {
    small: bool,
}

impl Scale {
    fn of_this_run() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        // Cargo says `--bench` where it was asked to measure; `cargo test` does not.
        let measures = has("--bench") && !has("--test") && !has("--quick");
        let asked_small = std::env::var_os("PURSER_BENCH_SMALL").is_some_and(|value| value == "1");
        Self { small: asked_small || !measures }
    }

    fn configure(&self, criterion: Criterion) -> Criterion {
        if !self.small {
            return criterion;
        }
        criterion
            .sample_size(10)
            .nresamples(2_000)
            .warm_up_time(Duration::from_millis(20))
            .measurement_time(Duration::from_millis(50))
    }

    /// Accounts of the wallets that `apply` looks at.
    const fn accounts(&self) -> [usize; 3] {
        if self.small { [1, 100, 10_000] } else { [1, 10_000, 1_000_000] }
    }
}

/// The request that `input` starts with.
fn framed<'a>(framer: &'a mut Framer, input: &'a [u8]) -> (Request<'a>, usize) {
    match framer.frame(input) {
        Framed::Complete { request, consumed } => (request, consumed),
        other => panic!("not a request: {other:?}"),
    }
}

/// `request` with its body in chunks of 64 bytes.
fn chunked(request: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(request).expect("ASCII");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let fields = head.split("\r\n").filter(|line| !line.starts_with("Content-Length"));
    let mut message = fields.collect::<Vec<_>>().join("\r\n") + "\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunk in body.as_bytes().chunks(64) {
        message += &format!("{:x}\r\n{}\r\n", chunk.len(), str::from_utf8(chunk).expect("ASCII"));
    }
    (message + "0\r\n\r\n").into_bytes()
}

fn frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    let mut framer = Framer::default();
    let whole = balance_request(0);

    // What does finding the request cost when it has come in one piece, as nearly all do?
    group.throughput(Throughput::Bytes(whole.len() as u64));
    group.bench_function("whole", |bencher| {
        bencher.iter(|| framed(&mut framer, black_box(&whole)).1);
    });

    // Does a request that was cut pay for its head twice? The first cut lies in the head, the second after
    // it.
    let body_starts = whole.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    for (name, cut) in [("split_in_head", body_starts / 2), ("split_before_body", body_starts)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                assert!(matches!(framer.frame(black_box(&whole[..cut])), Framed::Partial));
                framed(&mut framer, black_box(&whole)).1
            });
        });
    }

    // What does the chunked coding add, for a client that can't tell the length beforehand?
    let in_chunks = chunked(&whole);
    group.throughput(Throughput::Bytes(in_chunks.len() as u64));
    group.bench_function("chunked", |bencher| {
        bencher.iter(|| framed(&mut framer, black_box(&in_chunks)).1);
    });

    // Is a request in a pipeline as cheap as one alone? This is sixteen of `whole`, in one buffer.
    let pipeline = whole.repeat(16);
    group.throughput(Throughput::Bytes(pipeline.len() as u64));
    group.bench_function("pipelined_16", |bencher| {
        bencher.iter(|| {
            let mut at = 0;
            while at < pipeline.len() {
                at += framed(&mut framer, black_box(&pipeline[at..])).1;
            }
            at
        });
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let (api, mut entropy) = (support::api(), support::entropy());
    let mut redeem = redeem_request();
    let (place, answer) =
        (token_place(&redeem), PurePath::new(1).serve(START_MS, &create_request(0)).to_vec());
    put_token(&mut redeem, place, &answer);

    // What do credentials, JSON and the checks of its members cost, by call? `createtoken` draws its random
    // bits.
    for (name, bytes) in [
        ("balance", balance_request(0)),
        ("createtoken", create_request(0)),
        ("redeemtoken", redeem),
        ("placebet", bet_request(0)),
    ] {
        let mut framer = Framer::default();
        let (request, _) = framed(&mut framer, &bytes);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let decoded = api.platform(black_box(&request), &mut || draw(&mut entropy));
                assert!(matches!(decoded, Decoded::Operation(..)));
                decoded
            });
        });
    }
    group.finish();
}

/// The numbers below `count`, in an order without a pattern: what comes next is not in a cache because of
/// what came before.
fn shuffled(count: usize) -> Vec<usize> {
    let mut entropy = support::entropy();
    let mut numbers: Vec<usize> = (0..count).collect();
    for at in (1..count).rev() {
        numbers.swap(at, (entropy.next_u64() % (at as u64 + 1)) as usize);
    }
    numbers
}

/// What becomes of `operation`.
fn applied(wallet: &mut Wallet, operation: &Operation<&str>) -> Outcome<Text> {
    let stamp = Stamp { now_ms: START_MS, sequence: 1 };
    wallet.apply(stamp, operation, &mut Effect::default())
}

/// A bet that begins and ends its round.
fn bet<'a>(account: AccountRef<&'a str>, session: &'a str, round: &'a str) -> Operation<&'a str> {
    Operation::Play(Play {
        kind: PlayKind::Bet,
        platform: PlatformKey::new("L100").expect("it has four characters"),
        account,
        session: Some(session),
        session_checked: false,
        round,
        scope: RoundScope::Platform,
        transaction: "bet-1",
        original: None,
        game: "11588",
        currency: Currency::from_code("GBP"),
        amount: Amount::from_minor(1).expect("not negative"),
        starts_round: true,
        ends_round: true,
        details: None,
    })
}

/// A record of a bet on its way to the disk.
fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    let account = account_id(1);
    let operation = bet(AccountRef::new(account.as_str()), "demo-000001", "round-0000000000000001");
    let mut journal = support::journal();

    // What does it cost to serialize and to hash it?
    group.bench_function("placebet", |bencher| {
        bencher.iter(|| {
            let sequence = journal.append(START_MS, black_box(&operation), &Receipt::default());
            if sequence.is_multiple_of(100)
                && let Some(group) = journal.take_group()
            {
                journal.give_back(group);
            }
            sequence
        });
    });
    group.finish();
}

fn apply(criterion: &mut Criterion, scale: &Scale) {
    let mut group = criterion.benchmark_group("apply");
    let platform = PlatformKey::new("L100").expect("it has four characters");
    for accounts in scale.accounts() {
        let mut wallet = wallet(accounts);
        let ids: Vec<String> = shuffled(accounts).into_iter().map(account_id).collect();
        let accounts_in_turn = || ids.iter().map(|id| AccountRef::new(id.as_str()));

        // How much of a balance is waiting for memory, as the accounts outgrow the caches?
        let balances: Vec<Operation<&str>> = accounts_in_turn()
            .map(|account| Operation::Balance(operation::Balance { platform, account, game: Some("11588") }))
            .collect();
        let mut next = balances.iter().cycle();
        group.bench_function(BenchmarkId::new("balance", accounts), |bencher| {
            bencher.iter(|| {
                let operation = next.next().expect("a cycle has no end");
                let outcome = applied(&mut wallet, black_box(operation));
                assert!(matches!(outcome, Outcome::Balance(_)));
            });
        });

        // And of a token's life, minted and redeemed, which writes to the account and to the table of tokens?
        let mut bits = 0_u128;
        let mut next = accounts_in_turn().collect::<Vec<_>>().into_iter().cycle();
        group.bench_function(BenchmarkId::new("createtoken_redeemtoken", accounts), |bencher| {
            bencher.iter(|| {
                // Any bits that differ do; drawing good ones is part of `decode`.
                bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                let account = next.next().expect("a cycle has no end");
                let create = Operation::CreateToken(operation::CreateToken {
                    platform,
                    account,
                    game: "11588",
                    entropy: bits,
                });
                let Outcome::Token(token) = applied(&mut wallet, black_box(&create)) else {
                    panic!("no token");
                };
                let redeem = Operation::RedeemToken(operation::RedeemToken { platform, token });
                assert!(matches!(applied(&mut wallet, black_box(&redeem)), Outcome::Redeemed(_)));
            });
        });

        // And of a bet, which opens a round, closes it, and remembers both?
        let keys: Vec<String> =
            shuffled(accounts).into_iter().map(|number| format!("demo-{number:06}")).collect();
        let mut next = accounts_in_turn().zip(&keys).collect::<Vec<_>>().into_iter().cycle();
        let mut number = 0_u64;
        group.bench_function(BenchmarkId::new("placebet", accounts), |bencher| {
            bencher.iter(|| {
                number += 1;
                let round = format!("round-{number:016}");
                let (account, key) = next.next().expect("a cycle has no end");
                let outcome = applied(&mut wallet, black_box(&bet(account, key, &round)));
                assert!(matches!(outcome, Outcome::Done { .. }));
            });
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let currency = Currency::from_code("GBP").expect("a listed currency");
    let cash = Amount::from_minor(100_000_000).expect("not negative");
    let redeemed = Redeemed {
        account: "default/player-000001",
        key: "demo-000001",
        currency,
        country: *b"GB",
        extras: None,
    };
    let date = DateHeader::new(START_MS / 1_000);
    let (mut body, mut out) = (Vec::new(), Vec::new());

    // What does an answer cost, JSON and head, into buffers that have the room?
    for (call, outcome) in [
        (Call::Balance, Outcome::Balance(Balance { currency, cash, version: 17 })),
        (Call::RedeemToken, Outcome::Redeemed(redeemed)),
    ] {
        group.bench_function(call.label(), |bencher| {
            bencher.iter(|| {
                body.clear();
                out.clear();
                let status = api::encode(call, black_box(&outcome), |text| text, false, &mut body);
                http::write_response(&mut out, &date, &Response::json(status, &body));
                out.len()
            });
        });
    }
    group.finish();
}

/// Tokens outstanding while `request` measures a call that mints or redeems them.
const OUTSTANDING: u64 = 1_000;

/// The whole path of each call, with as many players as the load scenario has, on the demo's accounts.
fn request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    let players = || shuffled(ACCOUNTS).into_iter().take(PLAYERS);

    // What does a core pay for a `balance`, sockets apart? The target is 1.5 µs.
    let mut path = PurePath::new(ACCOUNTS);
    let requests: Vec<Vec<u8>> = players().map(balance_request).collect();
    let mut next = requests.iter().cycle();
    group.bench_function("balance", |bencher| {
        bencher.iter(|| path.serve(START_MS, black_box(next.next().expect("a cycle has no end"))).len());
    });

    // For a `createtoken`? Time passes, so that each token that is minted lets an expired one go, and the
    // table keeps its size.
    let requests: Vec<Vec<u8>> = players().map(create_request).collect();
    let mut next = requests.iter().cycle();
    let mut now_ms = START_MS;
    group.bench_function("createtoken", |bencher| {
        bencher.iter(|| {
            now_ms += limits::TOKEN_LIFE_MS / OUTSTANDING;
            path.serve(now_ms, black_box(next.next().expect("a cycle has no end"))).len()
        });
    });

    // For a `redeemtoken`? The tokens are minted outside of the measured time, a thousand at once.
    let path = RefCell::new(path);
    let mut next = requests.iter().cycle();
    let place = token_place(&redeem_request());
    group.bench_function("redeemtoken", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut path = path.borrow_mut();
                let answer = path.serve(now_ms, next.next().expect("a cycle has no end"));
                let mut request = redeem_request();
                put_token(&mut request, place, answer);
                request
            },
            |request| path.borrow_mut().serve(now_ms, black_box(request)).len(),
            BatchSize::NumIterations(OUTSTANDING),
        );
    });

    // For a `placebet` that begins and ends its round, with its record in the journal? The disk takes no time here.
    let mut bets: Vec<Vec<u8>> = players().map(bet_request).collect();
    let mut number = 0_u64;
    group.bench_function("placebet", |bencher| {
        bencher.iter(|| {
            number += 1;
            let request = &mut bets[number as usize % PLAYERS];
            put_round(request, number);
            path.borrow_mut().serve(now_ms, black_box(request)).len()
        });
    });

    // For the seed scenario's iteration, one of each in its order, as a player makes them? The token that is
    // redeemed is the one minted the iteration before.
    let mut path = path.into_inner();
    let balances: Vec<Vec<u8>> = players().map(balance_request).collect();
    let mut redeems: VecDeque<Vec<u8>> = requests
        .iter()
        .map(|create| {
            let mut redeem = redeem_request();
            put_token(&mut redeem, place, path.serve(now_ms, create));
            redeem
        })
        .collect();
    let mut next = balances.iter().zip(&requests).cycle();
    group.throughput(Throughput::Elements(3));
    group.bench_function("seed_iteration", |bencher| {
        bencher.iter(|| {
            let (balance, create) = next.next().expect("a cycle has no end");
            path.serve(now_ms, black_box(balance));
            let mut redeem = redeems.pop_front().expect("one per player");
            path.serve(now_ms, black_box(&redeem));
            put_token(&mut redeem, place, path.serve(now_ms, black_box(create)));
            redeems.push_back(redeem);
        });
    });
    group.finish();
}
