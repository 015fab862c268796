//! A shard with demo accounts, the requests of a k6 run against it, and the pure path between the two: what
//! the benchmarks measure and the allocation test counts is one and the same thing.

use std::sync::Arc;

use api::{Api, Decoded, Manners, Platform};
use http::{DateHeader, Framed, Framer, Response};
use journal::{Journal, Origin, Point};
use partition::Partition;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use shard::core::{Core, Done, Step};
use wallet::account::{AccountRef, KeyHash, Profile};
use wallet::amount::Amount;
use wallet::token::TOKEN_CHARS;
use wallet::{Catalog, Currency, Dialect, Domain, PlatformKey, Wallet};

/// When everything starts, milliseconds since 1970; any time does.
pub(crate) const START_MS: u64 = 1_764_000_000_000;

/// Accounts of the pure path's wallet, as many as `--demo` makes.
pub(crate) const ACCOUNTS: usize = 10_000;

/// Accounts that play, one per virtual user of the load scenario.
pub(crate) const PLAYERS: usize = 100;

/// A wallet with this many demo accounts, one live session each.
pub(crate) fn wallet(accounts: usize) -> Wallet {
    let platform = PlatformKey::new("L100").expect("it has four characters");
    let currency = Currency::from_code("GBP").expect("a listed currency");
    let domain = Domain::new("default".into(), currency, [platform]);
    let profile = Profile::of(*b"GB");
    let opening = Amount::from_minor(100_000_000).expect("not negative");

    let mut wallet = Wallet::new(Arc::new(Catalog::new(vec![domain], ["11588".into()])));
    for number in 0..accounts {
        let (id, key) = (account_id(number), format!("demo-{number:06}"));
        let account = AccountRef::new(id.as_str());
        wallet.put_demo_account(START_MS, &account, &profile, opening, &key);
        wallet.adopt_key(KeyHash::of(&key), account.hash());
    }
    wallet
}

/// The API of one platform, with the demo's credentials.
pub(crate) fn api() -> Api {
    let platform = Platform {
        key: PlatformKey::new("L100").expect("it has four characters"),
        user: "admin".into(),
        password: "admin".into(),
        dialect: Dialect::default(),
        manners: Manners::default(),
        budget_ms: 1_000,
    };
    Api::new(vec![platform], None)
}

/// The generator that a core draws its tokens from.
pub(crate) fn entropy() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

/// 128 random bits, as a core draws them.
pub(crate) fn draw(entropy: &mut ChaCha20Rng) -> u128 {
    u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64())
}

/// `OperatorAccountID` of demo account `number`.
pub(crate) fn account_id(number: usize) -> String {
    format!("default/player-{number:06}")
}

/// `balance` of an account, as k6 sends it: some 350 bytes.
pub(crate) fn balance_request(account: usize) -> Vec<u8> {
    account_request("/v1.0/balance", account)
}

/// `session/createtoken` of an account, as k6 sends it.
pub(crate) fn create_request(account: usize) -> Vec<u8> {
    account_request("/v1.0/session/createtoken", account)
}

/// `session/redeemtoken`, as k6 sends it, without its token: [`put_token`] puts one in.
pub(crate) fn redeem_request() -> Vec<u8> {
    post("/v1.0/session/redeemtoken", &format!(r#""SessionToken":"{BLANK}","IPAddress":"127.0.0.1""#))
}

/// `gameround/placebet` of an account, as `k6/full.js` sends it, for the round of number 0: [`put_round`] puts another
/// one in. The round begins and ends with it.
pub(crate) fn bet_request(account: usize) -> Vec<u8> {
    let (id, round) = (account_id(account), round_digits(0));
    let members = format!(
        r#""GatewaySessionToken":"demo-{account:06}","OperatorAccountID":"{id}","GameRoundID":"{ROUND_MARK}{round}","GameRoundTransactionID":"bet-1","GameID":"11588","CurrencyCode":"GBP","Amount":0.01,"StartRound":true,"EndRound":true"#
    );
    post("/v1.0/gameround/placebet", &members)
}

const ROUND_MARK: &str = "round-";

fn round_digits(number: u64) -> String {
    format!("{number:016}")
}

/// Puts the round of this number into a request of [`bet_request`].
pub(crate) fn put_round(request: &mut [u8], number: u64) {
    let place = place_after(request, ROUND_MARK.as_bytes());
    let digits = round_digits(number);
    request[place..place + digits.len()].copy_from_slice(digits.as_bytes());
}

/// A journal that nothing was written to.
pub(crate) fn journal() -> Journal {
    Journal::new(Origin { stream: 1, shard: 0, shards: 1 }, Point::START)
}

/// Stands where a token goes.
const BLANK: &str = "------------------------";
const _: () = assert!(BLANK.len() == TOKEN_CHARS);

/// Where the token goes in a request of [`redeem_request`].
pub(crate) fn token_place(request: &[u8]) -> usize {
    place_after(request, b"\"SessionToken\":\"")
}

/// Puts the token of an answer to `createtoken` into a request, at its place.
pub(crate) fn put_token(request: &mut [u8], place: usize, answer: &[u8]) {
    let token = place_after(answer, b"\"SessionToken\":\"");
    request[place..place + TOKEN_CHARS].copy_from_slice(&answer[token..token + TOKEN_CHARS]);
}

fn place_after(text: &[u8], mark: &[u8]) -> usize {
    let at = text.windows(mark.len()).position(|window| window == mark);
    at.unwrap_or_else(|| panic!("no token in {}", text.escape_ascii())) + mark.len()
}

fn account_request(path: &str, account: usize) -> Vec<u8> {
    post(path, &format!(r#""OperatorAccountID":"{}","GameID":"11588""#, account_id(account)))
}

/// The head is that of k6 0.5x with `Authorization` and `Content-Type` set, the body that of
/// `k6/lib/wallet.js`.
fn post(path: &str, members: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"PlatformKey":"L100","Sequence":"mie0x4zk-17-20841","Timestamp":"2025-11-24T16:00:00.123Z",{members}}}"#
    );
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:9816\r\nUser-Agent: k6/0.55.0 (https://k6.io/)\r\n\
         Content-Length: {}\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\nContent-Type: application/json\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// A request's whole way without the sockets: frame, decode, apply, encode, head. What it needs is kept from
/// one request to the next, as a core keeps it.
pub(crate) struct PurePath {
    framer: Framer,
    api: Api,
    entropy: ChaCha20Rng,
    core: Core,
    date: DateHeader,
    body: Vec<u8>,
    out: Vec<u8>,
}

impl PurePath {
    /// The path of a server with one shard and `accounts` demo accounts.
    pub(crate) fn new(accounts: usize) -> Self {
        let partition = Partition::new(1);
        Self {
            framer: Framer::default(),
            api: api(),
            entropy: entropy(),
            core: Core::new(partition.shard(0), partition, wallet(accounts), journal()),
            date: DateHeader::new(START_MS / 1_000),
            body: Vec::new(),
            out: Vec::new(),
        }
    }

    /// The answer to `input`, one whole request, at `now_ms`.
    ///
    /// # Panics
    /// Where `input` is not one whole request that comes as far as the wallet.
    pub(crate) fn serve(&mut self, now_ms: u64, input: &[u8]) -> &[u8] {
        let Self { framer, api, entropy, core, date, body, out } = self;
        out.clear();
        let Framed::Complete { request, consumed } = framer.frame(input) else {
            panic!("not a request: {}", input.escape_ascii());
        };
        let Decoded::Operation(call, operation, _) = api.platform(&request, &mut || draw(entropy)) else {
            panic!("refused: {}", input.escape_ascii());
        };
        let operation = operation.as_deref();
        let Step::Done(Done { outcome, .. }) = core.step(now_ms, &operation) else {
            panic!("one shard goes on with nothing elsewhere");
        };
        body.clear();
        let status = api::encode(call, &outcome, core.wallet().view(&operation), false, body);
        http::write_response(out, date, &Response::json(status, body));
        // What was changed is on a disk that takes no time.
        if let Some(group) = core.take_group() {
            core.on_durable(group);
        }
        // A connection frames until there is nothing left.
        assert!(matches!(framer.frame(&input[consumed..]), Framed::Partial));
        out
    }
}
