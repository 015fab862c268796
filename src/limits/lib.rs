//! Every bound of the server, with its reason. What happens at a bound is a clear answer, and is tested.
//!
//! Names end in their unit. The assertions at the foot of the file hold the bounds together: one that is
//! changed without its neighbours does not compile.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// One kibibyte, in bytes.
const KIB: usize = 1024;

// ── The cluster of shards ────────────────────────────────────────────────────────────────────────────────

/// Slots that the accounts are hashed into. A slot belongs to one shard; 4,096 divides evenly enough among any
/// number of cores up to [`SHARDS_MAX`] (at 64 shards, 64 slots each), and its number fits 12 bits of a token.
pub const SLOTS: usize = 4_096;

/// Shards of one process. Lanes grow with the square of it: 64 × 63 × 2 lanes.
pub const SHARDS_MAX: usize = 64;

/// Requests that one shard may have under way at all the others together. Each takes a place in a lane for itself
/// and one for its reply, of at most 256 bytes each: 16 MiB per shard.
const LANES_REQUESTS_MAX: usize = 32_768;

/// Requests that one shard may have under way at another, where there are `shards` of them. Two shards have room
/// for a request of every connection, [`CONNECTIONS_MAX`]; the share falls with more shards, and so does the
/// number of requests for each, but not below 1,024. Past it a request is refused (-1, or 503) before anything has
/// changed.
pub const fn lane_requests_max(shards: usize) -> usize {
    let share = LANES_REQUESTS_MAX / shards;
    if share < 1_024 { 1_024 } else { share }
}

/// Requests that one connection may have under way at other shards where the lane that the next one takes is empty: a full
/// pipeline. Of a lane that is not empty it is as much less as is taken (`Shard::has_room_for`): at two
/// shards one request for each 256 free places, so that 1,000 connections that pipeline without end leave a fifth of it
/// free, and 10,000 of them 256 places, which are for those that have nothing under way.
pub const LANE_SHARE_MAX: usize = PIPELINE_DEPTH_MAX;

/// Requests, and replies, that a shard takes from all lanes together before it looks at its sockets again: 256 requests are
/// some 0.6 ms.
pub const LANE_BURST: usize = 256;

// ── Connections ──────────────────────────────────────────────────────────────────────────────────────────

/// Connections of one shard, both listeners together. Each is an entry of the ring's file table; past it a
/// connection is accepted and closed at once, so that the client sees an end and not a silence.
pub const CONNECTIONS_MAX: usize = 16_384;

/// Places of a shard's table that belong to no listener: for what was accepted and is refused, and for what was evicted and
/// has not ended yet, which takes some turns. A quarter of a smaller table at most.
pub const CONNECTIONS_SPARE: usize = 256;

/// Default number of connections of a shard's operator listener (`operator_max`), out of [`CONNECTIONS_MAX`]. A few
/// consoles, probes and scrapers need some ten.
pub const OPERATOR_CONNECTIONS: usize = 256;

/// Upper bound of that number: a quarter of the table, so that the platforms have most of it.
pub const OPERATOR_CONNECTIONS_MAX: usize = CONNECTIONS_MAX / 4;

/// The part of the platforms' places that one client address has by default (`per_address`): one in so many. A platform that
/// calls from one address is well served by some hundreds of connections, and no three addresses fill a shard.
pub const CONNECTIONS_ADDRESS_PART: usize = 4;

/// Connections of an address at its bound that are looked at for one that is idle, to be evicted. A look is a few
/// nanoseconds; those that were busy are looked at last the next time.
pub const CONNECTIONS_LOOKS_MAX: usize = 64;

/// Networks that are exempt from the bound per address (`exempt`). All of them are compared with each client that connects:
/// under a microsecond.
pub const EXEMPT_NETWORKS_MAX: usize = 256;
/// Connections of one listener while the server starts, each a thread's and a descriptor's. Each is answered once, within
/// microseconds of its request, so that they make room for one another; past it one that was asked nothing ends, or the next
/// waits in the kernel's queue.
pub const STARTUP_CONNECTIONS_MAX: usize = 512;

/// Bytes of requests that are not whole while the server starts, all connections together: 80 of the largest. Past it one
/// that is not whole is answered 503 before its rest has come.
pub const STARTUP_BYTES_MAX: usize = 8 * 1024 * KIB;

/// Pending connections that the kernel keeps for a listener.
pub const BACKLOG: i32 = 4_096;

/// Receive buffers that the ring hands out, of [`RECEIVE_BUFFER_BYTES`] each. They are shared by all the
/// connections of a shard, and each goes back within the turn that filled it; so they bound the bytes of a
/// turn, and an idle connection holds none.
pub const RECEIVE_BUFFERS: u16 = 1_024;

/// Size of one receive buffer: some ten requests of the usual 300 to 400 bytes.
pub const RECEIVE_BUFFER_BYTES: usize = 4 * KIB;

/// Entries of the ring's submission queue: one receive and one send per connection of a large turn. A full
/// queue is submitted early, so that this bounds a batch and not the work.
pub const RING_SUBMISSIONS: u32 = 1_024;

/// Entries of the ring's completion queue. The kernel keeps what does not fit and hands it over next time.
pub const RING_COMPLETIONS: u32 = 8_192;

/// Requests of one connection that may wait for an answer (pipelining, RFC 9112 §9.3.2). Past it the
/// connection's bytes are left where they are until an answer has gone out.
pub const PIPELINE_DEPTH_MAX: usize = 64;

/// Requests of one connection that are served at a time; the rest wait for the other connections.
pub const REQUESTS_PER_TURN: usize = 32;

/// Bytes of answers that may wait for a connection, for its peer, for other shards and for the journal together. Past it no
/// further request of that connection is served, until the peer reads. It holds a full pipeline of answers of 1 KiB.
pub const SEND_BACKLOG_BYTES: usize = 64 * KIB;

/// What the kernel keeps of a connection in each direction, before its own additions, which double it: 256 KiB in all with
/// those. 64 KiB are on their way to a peer that is 10 ms away and takes 50 MB/s.
pub const SOCKET_BUFFER_BYTES: usize = 64 * KIB;

/// Bytes of a connection that wait to be framed: a message that is not complete, whose bounds are below, and the
/// buffer that its last bytes came in. A connection is not read while it has bytes to be served, so that there are
/// never more; `net` asserts it.
pub const RECEIVE_BACKLOG_BYTES: usize =
    HEAD_BYTES_MAX + BODY_BYTES_MAX + CHUNK_OVERHEAD_BYTES_MAX + RECEIVE_BUFFER_BYTES;

/// Bytes that the kernel throws away at once of what a peer still sends after the last answer of its connection, so that
/// the answer is not lost to a reset (RFC 9112 §9.6). They are copied nowhere; a socket holds less.
pub const DISCARD_BYTES: u32 = 1024 * 1024;

/// Time for throwing away: a client that uploads 1 GB before it reads is done at 100 MB/s.
pub const LINGER_MS: u64 = 10_000;

/// The part of it in which nothing need come.
pub const LINGER_QUIET_MS: u64 = 2_000;

// ── Turns ────────────────────────────────────────────────────────────────────────────────────────────────

/// Accepts under way for each listener, and so connections that one turn takes from it. A thousand that come together are
/// in after 60 turns, some 20 ms, which others share.
pub const ACCEPTS_PER_LISTENER: usize = 16;

/// Time of a turn in which requests are served as they come, and so in the order of the kernel, microseconds. After it, who
/// has come waits in the queue of its client, and clients take turns. A hundred connections that ask for a balance each are
/// served in it. A request waits for the rest of the turn that it comes in, and where its client has nothing else to ask it is
/// answered in the next one: so a turn is short. What a turn costs by itself is a hundredth of it.
pub const TURN_AT_ONCE_US: u64 = 150;

/// Time of a turn for those who have waited in the queues of their clients, microseconds.
pub const TURN_QUEUES_US: u64 = 150;

/// Time in which each of them may have [`REQUESTS_PER_TURN`] served; later ones have one. Four connections that pipeline
/// balances have that many.
pub const TURN_YOUNG_US: u64 = 100;

/// Time of a turn for connections that were served and have more, microseconds.
pub const TURN_MORE_US: u64 = 75;

/// Time of a turn for the operator's calls, microseconds; one call is finished whatever it takes.
pub const TURN_OPERATOR_US: u64 = 75;

/// Answers that have waited for the disk and that one turn lets go, some 8 µs of the kernel each; or twice as many as the turn
/// has added, where that is more. A group may have thousands.
pub const DURABLE_PER_TURN: usize = 64;

/// Connections that one turn ends, some 3 µs of the kernel each.
pub const ENDS_PER_TURN: usize = 32;

/// Connections whose deadlines one turn looks at. Most are too early, and scheduled again.
pub const DEADLINES_PER_TURN: usize = 256;

/// How exact deadlines are. A core is woken as often, which takes 0.03 % of it.
pub const TIMER_TICK_MS: u64 = 50;

/// A turn that held its core for longer is a stall: it is counted and told. Twenty times what the others are promised.
pub const STALL_MS: u64 = 25;

// ── Overload ─────────────────────────────────────────────────────────────────────────────────────────────

/// Where a client gives requests up and its oldest has waited for so long, its newest is served first. A core that keeps up
/// serves each within a turn or two.
pub const NEWEST_FIRST_AFTER_MS: u64 = 5;

/// One of so many who wait has given up lately: then a client gives requests up. A few with little patience among thousands behind
/// a proxy change nothing for the others.
pub const GAVE_UP_PART: usize = 32;

/// Given up lately is within so long, or twice as long. Clients' patience is longer, and overload lasts for seconds.
pub const GAVE_UP_WITHIN_MS: u64 = 100;

/// Where it is not known when a request came and when its end did, since nobody looked for so long, its client is taken for gone:
/// few have less patience, and shorter hold-ups are more frequent.
pub const MAY_HAVE_GONE_AFTER_MS: u64 = 100;

/// Time between two looks at how many connections a core can serve, milliseconds. Who waits to be accepted, where not all are,
/// waits for twice as long at most, and clients have more patience than that.
pub const INTAKE_MS: u64 = 50;

/// For so long after not all could be accepted, those who are connected go first, milliseconds. Who was turned away asks again
/// after a second.
pub const INTAKE_BOUNDED_MS: u64 = 1_000;

/// So few requests served say nothing of how many give up.
pub const INTAKE_SERVED_MIN: usize = 256;

/// One connection for so many that are served is let in, however many there are: else nobody new would ever be.
pub const INTAKE_LEAST_PART: usize = 32;

/// Connections that are let in between two looks, at least, and that may wait for it: 160 a second.
pub const INTAKE_MIN: usize = 8;

/// The same where the core has had nothing to do for half of the time: what comes at once after an overload is let in at once.
pub const INTAKE_IDLE_MIN: usize = 64;

/// The part of those who are connected by which more are let in at a look, where that is more than the least.
pub const INTAKE_IDLE_PART: usize = 8;

/// While nobody gives up, one more for so many that are connected is let in at each look, which is 8 % in a second: that they
/// are too many is known only when they have asked, and have waited.
pub const INTAKE_GROWTH_PART: usize = 256;

/// Clients that have given requests up and wait for nothing more, of which this is known: those who do so by thousands are few, and
/// of the others each has a short queue.
pub const GAVE_UP_CLIENTS: usize = 16;

/// A peer that ends its side so long after its request has gone, and its request is dropped where it was not looked at. One
/// that only has no more to ask says so in the same moment.
pub const GONE_AFTER_MS: u64 = 25;

/// Requests of one shard that wait for other shards or for the journal: 150,000 a second for a third of a second, at some
/// 250 bytes each. Past it: -1, or 503.
pub const REQUESTS_IN_HAND_MAX: usize = 65_536;

/// A second signal to stop that comes sooner is the first one: who signals a process and its group sends two. Who is impatient
/// sends another one.
pub const STOP_AGAIN_AFTER_MS: u64 = 1_000;

/// At a stop a connection that was idle for so long ends. Others end with the answer to their next request, or when they
/// have been idle for so long.
pub const IDLE_AT_STOP_MS: u64 = 500;

// ── HTTP messages ────────────────────────────────────────────────────────────────────────────────────────

/// Request line and header section. Past it: 431, or 414 where the request line alone is too long.
pub const HEAD_BYTES_MAX: usize = 16 * KIB;

/// Bytes of empty lines before a request line. RFC 9112 §2.2 asks for at least one empty line; two are what old
/// clients were seen to send after a body.
pub const EMPTY_LINES_BYTES_MAX: usize = 4;

/// Header fields of a request; also trailer fields of a chunked body. Past it: 431.
pub const HEADERS_MAX: usize = 64;

/// Request target. Past it: 414. RFC 9112 §3 recommends 8,000 bytes; the longest target here has under 200.
pub const TARGET_BYTES_MAX: usize = 2 * KIB;

/// Content of a request, after the transfer coding is taken off. Past it: 413.
pub const BODY_BYTES_MAX: usize = 64 * KIB;

/// Bytes that a chunked coding may add to its content: sizes, extensions, trailers. Past it: 413.
pub const CHUNK_OVERHEAD_BYTES_MAX: usize = 16 * KIB;

/// Default time for the head and the body of a request to arrive, from its first byte. Past it: 408.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;

/// Default time that a connection may stay open between requests.
pub const KEEP_ALIVE_TIMEOUT_MS: u64 = 75_000;

/// Default time for a peer to take the answers that were sent to it. Past it the connection ends.
pub const SEND_TIMEOUT_MS: u64 = 10_000;

/// Default time in which a call is answered, from its last byte (`budget_ms`). Past it the call is refused before anything is
/// changed. Its client has most likely gone by then: platforms were seen to wait for 2 s and more, and half of that is left
/// for the network and for a second attempt. A busy shard answers in some milliseconds.
pub const BUDGET_MS: u64 = 1_000;

/// Upper bound of the time that a request asks to be answered in (`Request-Timeout`); a larger one counts as this. A day, as
/// of every time in a configuration.
pub const REQUEST_BUDGET_MS_MAX: u32 = TIME_MS_MAX as u32;

/// Default time that a stopping server gives to what is in hand.
pub const DRAIN_TIMEOUT_MS: u64 = 10_000;

// ── Protocol members, in characters (Unicode scalar values) ──────────────────────────────────────────────

/// `PlatformKey` (protocol §1).
pub const PLATFORM_KEY_CHARS_MAX: usize = 4;

/// `Sequence` (protocol §1).
pub const SEQUENCE_CHARS_MAX: usize = 50;

/// `OperatorAccountID`, `GameID` and the other ids (protocol §4, S(50)).
pub const ID_CHARS_MAX: usize = 50;

/// Session key, `GatewaySessionToken` (protocol §3).
pub const SESSION_KEY_CHARS_MAX: usize = 100;

/// `SessionToken` as the single-use policy mints it (protocol §3: at most 50).
pub const SESSION_TOKEN_CHARS_MAX: usize = 50;

/// `SessionToken` as a request may carry it: in the wrapped policy a session key, `-`, and 16 hexadecimal digits.
pub const SESSION_TOKEN_REQUEST_CHARS_MAX: usize = SESSION_KEY_CHARS_MAX + 1 + 16;

/// `IPAddress`: the longest text form of an IPv6 address, with an embedded IPv4 one, has 45.
pub const IP_ADDRESS_CHARS_MAX: usize = 45;

/// User name and password of a platform together, with the colon between them, in bytes.
pub const CREDENTIALS_BYTES_MAX: usize = 128;

/// Members of a request's JSON object. The largest call has 24; the rest is room for what a platform adds.
pub const MEMBERS_MAX: usize = 128;

/// Nesting of a JSON value that the server does not know and skips.
pub const JSON_DEPTH_MAX: usize = 64;

// ── Money and game rounds ────────────────────────────────────────────────────────────────────────────────

/// One amount, in minor units (protocol §2).
pub const AMOUNT_MINOR_MAX: u64 = 1_000_000_000_000_000;

/// Decimals of `JackpotContribution` and `JackpotWinnings` (protocol §2).
pub const JACKPOT_DECIMALS_MAX: u8 = 10;

/// Bets of one game round (protocol §4). The longest feature games were seen to make some hundreds. Past it a bet is -7.
pub const ROUND_BETS_MAX: usize = 10_000;

/// Transactions of one game round, bets that were cancelled before they came among them (protocol §4): each bet may have
/// a win and a rollback. A round is searched from end to end, some 30 µs at this length. Past it: -7, and a rollback that
/// finds no bet is answered as ever and not remembered, since no bet can come any more.
pub const ROUND_TRANSACTIONS_MAX: usize = 3 * ROUND_BETS_MAX;

/// Open rounds of an account. They are remembered until they end, so nothing else bounds them; with a bet each, 10,000 are some
/// 3 MB. Players have a few, and a platform that never ends its rounds is seen before that. Past it a bet that would leave one
/// more open is -7; winnings that would are -1, since their platform repeats them until they succeed.
pub const OPEN_ROUNDS_MAX: usize = 10_000;

/// Refused bets of an account that stay refused for a while (`remember_refusals_ms`), 4 KB of them. A player places one a
/// second, and few after funds or a limit are used up. Past it a bet that would be refused so is answered -1: nothing was
/// changed, and it may be asked again.
pub const REFUSALS_REMEMBERED_MAX: usize = 100;

/// Rounds of one shard that are in memory, payments outside of rounds among them; an account keeps a round's place in 32 bits, and
/// 256 Mi of them are over 24 GiB. Past it what would open one is answered -1: a bet, winnings, a cancellation, a credit; and the
/// operator's transfer 503.
pub const ROUNDS_MAX: usize = 256 * 1024 * 1024;

/// Default time that a closed round is remembered after its last transaction (protocol §4, Idempotency).
pub const RETENTION_MS: u64 = 120 * 24 * 3_600 * 1_000;

/// Upper bound of the retention: ten years.
pub const RETENTION_MS_MAX: u64 = 10 * 366 * 24 * 3_600 * 1_000;

/// Default time that a closed round stays in memory after its last transaction: repeats come within seconds. At 100,000 bets
/// a second a minute is 6 million rounds, 1.5 GB.
pub const HOT_MS: u64 = 60 * 1_000;

/// Upper bound of that time: a day.
pub const HOT_MS_MAX: u64 = 24 * 3_600 * 1_000;

/// Transactions of a round that goes to the history. Its image is journaled when it comes back, and 500 transactions with the
/// longest ids are some 300 KB, half of [`RECORD_BYTES_MAX`]. Rounds with more stay in memory.
pub const HISTORY_TRANSACTIONS_MAX: usize = 500;

/// Requests of a shard that wait for the history, or behind one that does. A disk answers in some 100 µs, a slow one in 10 ms;
/// few requests need it. Past it they are answered -1, or 503.
pub const LOOKUPS_MAX: usize = 512;

/// Answers of the history that a shard takes in for each turn, each with the requests that wait behind it.
pub const LOOKUPS_PER_TURN: usize = 16;

/// Alerts that an account shows; all of them are in the journal.
pub const ALERTS_SHOWN_MAX: usize = 8;

/// Open rounds that the operator's view of an account lists; it says how many there are.
pub const OPEN_ROUNDS_SHOWN_MAX: usize = 100;

/// Transactions of one page of a statement, and how many there are unless `limit` says it.
pub const STATEMENT_LINES_MAX: usize = 1_000;

/// Bytes of the lines of a page: each is counted with the most that its numbers can take, so that a page is some half as
/// long. A page that would be longer ends before that, and says that there is more. Some 150 lines with the usual ids, which are
/// written in some 100 µs, and what a connection may have waiting for its peer.
pub const STATEMENT_BYTES_MAX: usize = 64 * KIB;

/// Transactions of a page unless `limit` says it.
pub const STATEMENT_LINES: usize = 100;

/// `CurrencyCode` (protocol §4, S(3)).
pub const CURRENCY_CODE_CHARS_MAX: usize = 3;

/// Session length limit, minutes: a year.
pub const SESSION_MINUTES_MAX: u32 = 366 * 24 * 60;

/// Time after which the renewal of a session is journaled (protocol §5: within a minute). Half of it leaves the
/// other half for a journal that is behind.
pub const RENEWAL_JOURNALED_MS: u64 = 30 * 1_000;

// ── Accounts ─────────────────────────────────────────────────────────────────────────────────────────────

/// Size of a configuration file, in bytes: [`GAMES_MAX`] ids of [`ID_CHARS_MAX`] characters with their quotes and
/// commas leave half a mebibyte for the rest.
pub const CONFIG_FILE_BYTES_MAX: usize = GAMES_MAX * 64;

/// Upper bound of every time in a configuration: a day. What is longer is a slip of units.
pub const TIME_MS_MAX: u64 = 24 * 3_600 * 1_000;

/// Characters of a domain's name: an account's id has a slash and a player after it.
pub const DOMAIN_CHARS_MAX: usize = ID_CHARS_MAX - "/p".len();

/// Platforms of a configuration: a domain keeps the platforms that it serves as the bits of a `u64`.
pub const PLATFORMS_MAX: usize = 64;

/// Domains of a configuration; an account keeps its domain's index in 16 bits.
pub const DOMAINS_MAX: usize = 1_024;

/// Games of a configuration.
pub const GAMES_MAX: usize = 65_536;

/// Accounts of one shard; an account keeps its index in 32 bits, and 64 Mi of them are some 20 GiB.
pub const ACCOUNTS_MAX: usize = 64 * 1024 * 1024;

/// Demo accounts, `--demo-accounts`.
pub const DEMO_ACCOUNTS_MAX: u32 = 10_000_000;

/// Live sessions of one account: a player on several devices (protocol §3). Past it a further login ends the session
/// that was used least recently.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 16;

/// Sessions that an account remembers, live and expired; past it the expired one that was used least recently is
/// forgotten.
pub const SESSIONS_REMEMBERED_MAX: usize = 2 * SESSIONS_PER_ACCOUNT_MAX;

/// Time that an expired session is remembered, so that its player is told "expired" and not "unknown".
pub const SESSION_REMEMBERED_MS: u64 = 24 * 3_600 * 1_000;

/// Default idle time of a session (protocol §3).
pub const SESSION_IDLE_MS: u64 = 30 * 60 * 1_000;

/// Life of a session token (protocol §3).
pub const TOKEN_LIFE_MS: u64 = 60 * 1_000;

/// How far ahead of this server's clock the time in a wrapped token may be (protocol §3).
pub const TOKEN_AHEAD_MS: u64 = 5 * 1_000;

/// Single-use tokens of one account and platform that are minted and not redeemed (protocol §3). Past it the oldest of
/// them is invalid.
pub const TOKENS_PER_ACCOUNT_MAX: usize = 16;

/// Single-use tokens of one shard that are minted and not redeemed. Some 120 bytes each with their tables, so 120 MiB: at
/// most 17,000 a second of which none is redeemed. Platforms have equal shares; past its own a platform loses its oldest.
pub const TOKENS_MAX: usize = 1024 * 1024;

/// Accounts that one sweep looks at for sessions, rounds and payments that are over; with [`SWEEP_INTERVAL_MS`] a million
/// accounts are seen in under a day.
pub const SWEEP_ACCOUNTS: usize = 1_024;

/// What one sweep takes out of memory, and looks at, by itself: expired tokens, accounts, rounds, transactions. They lie all
/// over the memory, and take up to 0.7 µs each: under 2 ms.
pub const TIDIED_PER_SWEEP: usize = 2_048;

/// Session keys that a sweep gives back however full the lanes are: too few to be noticed there.
pub const KEYS_PER_SWEEP_MIN: usize = 64;

/// What a turn takes out of memory of what a sweep has left: under 200 µs. A busy shard has over a thousand turns a second, so
/// that it takes out as many tokens as it can make.
pub const TIDIED_PER_TURN: usize = 256;

/// A block for which glibc's allocator merges what is free: more than a kilobyte, and less than what it maps by itself.
pub const MERGING_BYTES: usize = 4 * KIB;

/// Rounds and transactions past their retention that a change of an account takes out of memory: more than the three that one
/// adds (a round, a cancelled bet, and its rollback).
pub const FORGOTTEN_PER_CHANGE: usize = 4;

/// The same for a page of a statement: up to 1.5 ms of them where they are in no cache. What more of it is over, where no sweep has
/// come by since, is told by a 503, and is less with each request.
pub const FORGOTTEN_PER_PAGE: usize = 2_048;

/// Renewals of sessions that a shard brings to its journal in one turn. A turn takes in fewer requests, so that they don't
/// pile up however many players come back at once, and all are in the journal within their minute (protocol §5).
pub const RENEWALS_PER_TURN: usize = 1_024;

/// Time between two sweeps of a shard, and of what is looked after beside the shards.
pub const SWEEP_INTERVAL_MS: u64 = 1_000;

/// Characters of an account's profile fields (user name, display name, city).
pub const PROFILE_CHARS_MAX: usize = 100;

// ── Storage ──────────────────────────────────────────────────────────────────────────────────────────────

/// Default free space, MiB, below which nothing more is changed (`reserve_mib`). It holds the next segments of 16
/// shards, of 64 MiB each, so that what was let in can be written.
pub const RESERVE_MIB: u64 = 1_024;

/// Upper bound of the reserve: an exbibyte.
pub const RESERVE_MIB_MAX: u64 = 1 << 40;

/// Default number of sealed segments of a shard that are folded into a snapshot (`snapshot_segments`). Half a
/// gibibyte of the usual records is replayed in a few seconds.
pub const SNAPSHOT_SEGMENTS: u32 = 8;

/// Upper bound of that number: 64 GiB of journal per shard to be replayed at a start.
pub const SNAPSHOT_SEGMENTS_MAX: u32 = 1_024;

/// What is added to the nice value of the thread that looks at the allocator's books: it gives way to the executors.
pub const HOUSEKEEPER_NICE: i32 = 19;

/// What is added to the nice value of a fold, where as many segments wait as one fold takes, twice, and three times as
/// many. Beside an executor that never rests a thread gets a tenth of a core, a quarter, and half of it. At the full rate
/// 8 segments fill in 25 s, and are folded in 2.6 to 4 s of processor time into a small snapshot; into one that is twice as large
/// as they are, in a few times that.
pub const FOLD_NICE: [i32; 3] = [10, 5, 0];

/// Shards whose segments one thread folds, one after the other. At the full rate of all of them it needs about half a core.
pub const SHARDS_PER_FOLDING_THREAD: usize = 4;

/// Segments that a fold has open at a time: all of them, unless there are many.
pub const FOLD_OPEN_SEGMENTS: usize = 8;

/// Records that a fold reads or applies, or slots, until it rests: a tenth of a millisecond where slots are small, for which a
/// shard that wakes up on its core may have to wait.
pub const FOLD_PIECES: u32 = 64;

/// A block of the disk. Groups begin and end at its multiples, which is what direct writes need, and no two groups
/// share one, so that a write that is torn damages nothing that was written before.
pub const JOURNAL_BLOCK_BYTES: usize = 4 * KIB;

/// Size of a segment file. Some 150,000 bets at 300 to 500 bytes each: seconds of a busy shard, so that one is ready
/// long before it is needed, and small enough that what a snapshot covers goes soon.
pub const SEGMENT_BYTES: usize = 64 * 1024 * KIB;

/// Records that may wait to be made durable, in bytes. A disk that takes 100 MB a second writes them in a tenth of
/// a second; past it writes are refused (-1, or 503) before memory grows.
pub const JOURNAL_PENDING_BYTES_MAX: usize = 8 * 1024 * KIB;

/// A group that has this many bytes takes no further record; the next begins. One write of it is a few
/// milliseconds.
pub const JOURNAL_GROUP_BYTES_MAX: usize = 1024 * KIB;

/// One write of the journal: a segment's header, and the largest group with its head and its padding.
pub const JOURNAL_WRITE_BYTES_MAX: usize =
    JOURNAL_GROUP_BYTES_MAX + RECORD_BYTES_MAX + 3 * JOURNAL_BLOCK_BYTES;

/// Groups' buffers that are kept to be filled again: the one that is written and the one that fills meanwhile.
pub const JOURNAL_BUFFERS: usize = 2;

/// One record. Its strings come from one request, whose content escaped in the worst way is six times as long; the
/// settings of [`DOMAINS_MAX`] domains have 200 bytes each.
pub const RECORD_BYTES_MAX: usize = 512 * KIB;

/// What a fold reads of a record at first, which is most often all of it.
pub const RECORD_READ_BYTES: usize = KIB / 2;

/// One section of a snapshot: the places in it are 32 bits with a sign. A slot whose accounts need more is written in
/// several sections.
pub const SNAPSHOT_SECTION_BYTES_MAX: usize = 1024 * 1024 * KIB;

/// Step in which a file is read or filled with zeros.
pub const FILE_STEP_BYTES: usize = 1024 * KIB;

/// Step in which a file is read while groups are to become durable: a disk of 500 MB/s has it in half a millisecond.
pub const READ_STEP_BYTES: usize = 256 * KIB;

/// Looks, a millisecond apart, whether anybody still reads what a fold has replaced. A shard goes on to the new list within a turn,
/// and a statement of the old one is read in less.
pub const HISTORY_SETTLE_TRIES: usize = 1_000;

/// Step in which a file gives its room back while groups are to become durable: a disk may discard it in a millisecond.
pub const REMOVE_STEP_BYTES: u64 = 2 * 1024 * KIB as u64;

/// Pause between such steps, milliseconds: a segment is gone in a tenth of a second.
pub const REMOVE_STEP_MS: u64 = 2;

/// How often the files of a data directory are listed and opened while a server folds them. A fold takes seconds, and
/// an opening under a millisecond.
pub const READER_OPEN_TRIES: usize = 8;

/// How often a backup is begun. A server that stops, starts or re-shards its accounts amid it changes what was opened, and does so
/// once a day at most; only a moment in which that matters is one in which it is begun once more.
pub const BACKUP_TRIES: usize = 4;

/// Share of the files that a command may open, one in so many, that it opens of an archive at once. What is served has 64 MiB in a
/// file too, and few of them.
pub const ARCHIVE_OPEN_SHARE: usize = 2;

/// Faults of a shard that `verify` writes out; it says how many there are.
pub const FAULTS_SHOWN_MAX: usize = 20;

/// Time after which a command that reads a data directory shows how far it is, and a start says where it can be asked.
pub const PROGRESS_AFTER_MS: u64 = 1_000;

/// Size of a manifest, which is six short lines.
pub const MANIFEST_BYTES_MAX: usize = KIB;

/// Size of a shard's mark, which is two blocks.
pub const MARK_BYTES_MAX: usize = 2 * JOURNAL_BLOCK_BYTES;

/// How often a mark is read before it is taken for damaged. A server overwrites one half of it at a time, and both within
/// one reading only where it stops or starts.
pub const MARK_TRIES: usize = 4;

/// What of a segment or a snapshot is compressed at a time, and in memory while an archive is read. It holds the core for half a
/// millisecond, for which a shard that wakes up on it may have to wait.
pub const ARCHIVE_CHUNK_BYTES: usize = 128 * KIB;

/// The level of zstd in the archive. A segment of 18,000 bets and winnings with random ids, in groups of a few records, is 4.8 times
/// smaller at each of the levels 1 to 6, and in chunks of a mebibyte as well (`zstd -b1 -i1 -B128K`, 2026-11-26): the least work.
pub const ARCHIVE_LEVEL: i32 = 1;

/// Size of the file that says where a generation of the archive ends: a line of 64 bytes at most for each shard and each platform.
pub const ARCHIVE_END_BYTES_MAX: usize = (SHARDS_MAX + PLATFORMS_MAX + 4) * 64;

/// Segments that a shard has archived, at least, until a further snapshot is: what a reading that does not begin with the first
/// record goes through before it comes to its own. 4 GiB are some ten million bets.
pub const ARCHIVE_SNAPSHOT_SEGMENTS: u64 = 64;

/// Bytes of segments for each byte of such a snapshot: so snapshots are a fifth of an archive at most.
pub const ARCHIVE_SNAPSHOT_SHARE: u64 = 4;

/// Snapshots that an archive has, at least, in the time for which it is kept: what is too old can go only where another one begins.
pub const ARCHIVE_STEPS: u64 = 8;

/// Lines of a row group of Parquet, which are in memory: some 300 bytes each, so 20 MiB.
pub const EXPORT_GROUP_ROWS: usize = 65_536;

/// Size of an export's checkpoint: for each shard a sequence and a hash.
pub const CHECKPOINT_BYTES_MAX: u64 = (SHARDS_MAX as u64 + 2) * 80;

/// Upper bound of `archive_days`: a hundred years.
pub const ARCHIVE_DAYS_MAX: u64 = 36_525;

/// Sweeps between two looks for what of the archive is older than it is to be: an hour.
pub const ARCHIVE_EXPIRY_SWEEPS: u64 = 3_600;

/// Rest before a port in use is tried again, and before a start accepts again for which there were no descriptors.
pub const LISTEN_RETRY_MS: u64 = 50;

/// How long a start tries it: several times as long as the kernel takes to close what a killed process had.
pub const LISTEN_RETRY_MS_MAX: u64 = 2_000;

/// Rest before a fold that failed is tried again; it doubles with each failure.
pub const FOLD_RETRY_MS: u64 = 1_000;

/// Upper bound of that rest. A fold reads whole segments; what keeps it from success is a full disk or damage, which wait
/// for somebody.
pub const FOLD_RETRY_MS_MAX: u64 = 10 * 60 * 1_000;

/// Time after which a segment that could not be prepared is tried again: the disk is full, or away.
pub const SEGMENT_RETRY_MS: u64 = 1_000;

/// Time between two looks at what keeps a start's segment from being made ready. Filling it takes some 100 ms.
pub const SEGMENT_POLL_MS: u64 = 10;

/// What is added to the nice value of the thread that prepares segments: it gives way to the executors.
pub const SEGMENT_NICE: i32 = 10;

// ── The history ──────────────────────────────────────────────────────────────────────────────────────────

/// What of a history's rows is compressed at a time, before it is: what a lookup reads and decompresses to find one of some 50
/// rows. A row alone may be larger.
pub const HISTORY_BLOCK_BYTES: usize = 16 * KIB;

/// One row: a round with [`ROUND_TRANSACTIONS_MAX`] transactions. Each has some 100 bytes beside its id and its game, of
/// [`ID_CHARS_MAX`] characters of up to four bytes each; the account and the round have no more than a KiB.
pub const HISTORY_ROW_BYTES_MAX: usize = ROUND_TRANSACTIONS_MAX * (128 + 2 * 4 * ID_CHARS_MAX) + KIB;

/// A block as it may be read: the largest row, with what keeps the places in it aligned.
pub const HISTORY_BLOCK_BYTES_MAX: usize =
    HISTORY_BLOCK_BYTES + HISTORY_ROW_BYTES_MAX + HISTORY_ROW_BYTES_MAX / 8;

/// Rows of a block: their number has 16 bits, and none takes less than 64 bytes.
pub const HISTORY_BLOCK_ROWS_MAX: usize = HISTORY_BLOCK_BYTES / 64;

/// Blocks for which a page has the first keys, 60 bytes each: 3.75 KiB, which a lookup reads. Of a page 56 bytes are in memory, so
/// a seventh of a bit for each of its rows.
pub const HISTORY_PAGE_BLOCKS: usize = 64;

/// The level of zstd in a history: the least work. The ids are random, and make most of it.
pub const HISTORY_LEVEL: i32 = 1;

/// Keys of a block of a history's filter, of 512 bits, when it is made. A key has 11.6 bits then, and 0.2 % of others are taken for one of
/// them.
pub const HISTORY_FILTER_BLOCK_KEYS: usize = 44;

/// Keys of the blocks of a slot, on average, above which they are made anew: a ninth more than when they were made. 0.4 % of others are
/// taken for one of them then. So a key is read again whenever a history has grown by a ninth, or somewhat less: the fullest slot of a
/// part decides.
pub const HISTORY_FILTER_BLOCK_KEYS_MAX: usize = HISTORY_FILTER_BLOCK_KEYS + HISTORY_FILTER_BLOCK_KEYS / 8;

/// Slots whose part of a filter is made as a whole: all slots have 64 of them.
pub const HISTORY_FILTER_PART_SLOTS: usize = SLOTS / 64;

/// Steps in which a shard's filter is changed, at most: memory holds that part of it twice meanwhile.
pub const HISTORY_FILTER_STEPS: usize = 16;

/// Keys that are in memory while a part of a filter is made, but for those of one slot, which may be more: some 4 MiB.
pub const HISTORY_FILTER_KEYS_AT_ONCE: u64 = 256 * 1024;

/// A filter has keys that no file has any more; at one part in so many it is made anew, so that what is forgotten takes no memory.
pub const HISTORY_FILTER_STALE_PART: u64 = 128;

/// Memory for each row of a history of many, in hundredths of a bit: its share of a block, of keys that no file has, and of a page.
const HISTORY_ROW_CENTIBITS: u64 = {
    let block = 100 * 512 / HISTORY_FILTER_BLOCK_KEYS as u64;
    block + block / HISTORY_FILTER_STALE_PART + 20
};

/// Rounds of a statement after which the thread that reads them looks whether it is waited for still: less than a millisecond's.
pub const STATEMENT_ROUNDS_PER_LOOK: usize = 256;

/// Files of a shard's history: those of [`SHARDS_MAX`] shards that have become one's, 64 of each.
pub const HISTORY_FILES_MAX: usize = 64 * SHARDS_MAX;

/// Size of the list of a history's files: a line of 300 bytes at most each, and four more.
pub const HISTORY_LIST_BYTES_MAX: usize = (HISTORY_FILES_MAX + 1) * 300;

/// Files of a history of about one size that become one; sizes differ by this factor. A round is written again once for each
/// size: at 45,000 bets a second files of a fold become one of a fortnight in eight steps.
pub const HISTORY_MERGED_FILES: usize = 4;

/// Files that become one at once where a history has too many: each has a block in memory meanwhile, 2 MiB of them in all.
pub const HISTORY_MERGED_AT_ONCE: usize = 64;

/// Rows of the smallest size of a file: such files take more room for what they are than for what they hold.
pub const HISTORY_SMALL_ROWS: u64 = 16 * 1024;

/// A file of a history spans no more than this part of the retention, and goes as a whole when all in it is forgotten. So that a
/// history holds an eighth more than it has to.
pub const HISTORY_RETENTION_PARTS: u64 = 8;

// ── Memory ───────────────────────────────────────────────────────────────────────────────────────────────

/// Default budget of memory, in hundredths of what the machine or the cgroup has (`budget_mib`). The rest is the kernel's, for
/// sockets, rings and the cache that segments and snapshots go through, and what the process takes past its budget to settle
/// what was begun.
pub const MEMORY_BUDGET_PERCENT: u64 = 75;

/// Lower bound of the budget, MiB: a server of one shard without accounts takes some 20. Less is a slip of units.
pub const MEMORY_BUDGET_MIB_MIN: u64 = 32;

/// Upper bound of the budget: an exbibyte.
pub const MEMORY_BUDGET_MIB_MAX: u64 = 1 << 40;

/// Time between two looks at the memory that is used, some 20 µs each.
pub const MEMORY_LOOK_MS: u64 = 50;

/// What a request that begins something takes at most, in the usual sizes: a round with a bet, or an account with its session,
/// and their places in tables.
const GROWTH_BYTES: u64 = 512;

/// Requests of a shard in a millisecond, which no core has reached.
const REQUESTS_PER_MS: u64 = 200;

/// What a shard may still take once memory is found to be short: what has come between two looks, 5 MiB; what waits for the
/// disk, 8 MiB, and the groups that are filled, 3 MiB; the buffers of the requests, 4 MiB; and what is in the lanes and in hand,
/// 32 MiB.
const MEMORY_RESERVE_SHARD_BYTES: u64 = MEMORY_LOOK_MS * REQUESTS_PER_MS * GROWTH_BYTES
    + (JOURNAL_PENDING_BYTES_MAX
        + JOURNAL_BUFFERS * JOURNAL_WRITE_BYTES_MAX
        + RECEIVE_BUFFERS as usize * RECEIVE_BUFFER_BYTES
        + 512 * LANES_REQUESTS_MAX
        + 256 * REQUESTS_IN_HAND_MAX) as u64;

/// What a thread that folds takes: a segment, and then 48 bytes for each of some 150,000 records of each of
/// [`SNAPSHOT_SEGMENTS`], 55 MiB. A fold of more segments takes more, of what is left for settling.
pub const MEMORY_RESERVE_FOLD_BYTES: u64 = 2 * SEGMENT_BYTES as u64;

/// One part in so many of the budget is for what grows with what is held: the accounts of a slot, which a fold holds twice, and
/// what the allocator has between blocks and nobody can use. Tables grow a part at a time.
const MEMORY_RESERVE_REST_PART: u64 = 32;

/// The reserve is one part in so many of a budget at most. The kernel's quarter takes what a small one has no room for.
const MEMORY_RESERVE_MOST_PART: u64 = 4;

/// What is used must be so much of the budget less before anything is begun again: one part in so many. What a fold has of its
/// reserve does not count.
const MEMORY_AGAIN_PART: u64 = 32;

/// Near the budget the allocator gives back what it keeps beyond what it has kept all the time, if that is so much of the budget:
/// half of what must be free before anything is begun again.
pub const MEMORY_SURPLUS_PART: u64 = 2 * MEMORY_AGAIN_PART;

/// How much of a budget of so many bytes is used when nothing more is begun: the rest is what so many shards may still take
/// (`MEMORY_RESERVE_SHARD_BYTES` and those beside it).
pub const fn memory_full_bytes(budget: u64, shards: usize) -> u64 {
    let folds = shards.div_ceil(SHARDS_PER_FOLDING_THREAD) as u64;
    let parts = shards as u64 * MEMORY_RESERVE_SHARD_BYTES + folds * MEMORY_RESERVE_FOLD_BYTES;
    let reserve = budget / MEMORY_RESERVE_REST_PART + parts;
    let most = budget / MEMORY_RESERVE_MOST_PART;
    budget - if reserve < most { reserve } else { most }
}

/// How much of it is used at most when something is begun again.
pub const fn memory_again_bytes(budget: u64, shards: usize) -> u64 {
    memory_full_bytes(budget, shards) - budget / MEMORY_AGAIN_PART
}

// ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────

/// How fast the wallet's time is brought towards the system clock, parts per million: what the kernel's NTP allows a
/// clock, so that one which NTP keeps is never lost. Half a second is made up for in a quarter of an hour.
pub const CLOCK_SLEW_PPM: u64 = 500;

/// How far the system clock may be from the wallet's time, and behind the journal at a start. What is more is no drift:
/// it is not followed, or refused. As far as a wrapped token may be ahead, [`TOKEN_AHEAD_MS`]: up to there a token that
/// another machine made is good.
pub const CLOCK_OFFSET_MS_MAX: u64 = 5 * 1_000;

/// How far the system clock may be ahead of the journal's last record at a start, and less than that where half the
/// retention is less. A wrong clock forgets no more than a part of what is remembered then.
pub const CLOCK_AHEAD_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;

/// That bound is never less, so that a server that remembers a second or two can be restarted.
pub const CLOCK_AHEAD_MS_MIN: u64 = 60 * 1_000;

// ── Metrics ──────────────────────────────────────────────────────────────────────────────────────────────

/// One request in so many has its stages timed. It costs up to ten readings of the clock, of 25 ns each, or 250 where
/// a virtual machine has a slow one, and as many cells: 0.4 to 3 µs, so 3 to 24 ns per request, and less than 0.5 % of
/// the 5 µs that it takes. A prime, so that of a client which repeats its calls in a cycle each is sampled.
pub const STAGE_SAMPLE_REQUESTS: u32 = 127;

/// Requests of a shard whose stages are being timed; past it the next are passed over. At 300,000 requests a second
/// 2,400 are sampled, so that each may take 100 ms. 160 bytes each: 40 KiB.
pub const STAGE_SAMPLES: usize = 256;

/// Rest between two looks at the allocator's books, in lengths of the last look, and [`SWEEP_INTERVAL_MS`] at least. A
/// free block costs a look some 200 ns, and an arena is locked meanwhile: a hundredth of the time at most.
pub const HEAP_LOOK_REST: u64 = 100;

/// What the allocator may keep beyond what it has kept all the time: a burst of 1,000 connections that are full. More is given
/// back to the system when the shards are quiet.
pub const HEAP_SURPLUS_BYTES: u64 = 64 * 1024 * KIB as u64;

/// Shards are quiet where all together have worked for so many hundredths of one core's time.
pub const QUIET_PERCENT: u64 = 5;

// ── How the bounds hold together ─────────────────────────────────────────────────────────────────────────

const _: () = {
    assert!(SLOTS.is_power_of_two(), "a slot is a field of bits of the account's hash");
    assert!(SLOTS <= 1 << 12, "a single-use token has 12 bits for its slot");
    assert!(SHARDS_MAX <= SLOTS, "every shard owns a slot");
    assert!(LANE_BURST <= lane_requests_max(SHARDS_MAX));
    assert!(lane_requests_max(2) >= CONNECTIONS_MAX);
    assert!(lane_requests_max(SHARDS_MAX) >= LANE_SHARE_MAX, "a free place is worth a request");
    assert!(REQUESTS_PER_TURN <= PIPELINE_DEPTH_MAX);
    assert!(TARGET_BYTES_MAX < HEAD_BYTES_MAX, "414 is reachable");
    assert!(OPERATOR_CONNECTIONS <= OPERATOR_CONNECTIONS_MAX);
    assert!(CONNECTIONS_MAX > CONNECTIONS_SPARE + OPERATOR_CONNECTIONS_MAX, "the platforms have places");
    assert!(
        CONNECTIONS_MAX < u32::MAX as usize,
        "a place has 32 bits, one number of which says that there is none"
    );
    assert!(BUDGET_MS <= TIME_MS_MAX);
    assert!(REQUEST_BUDGET_MS_MAX as u64 == TIME_MS_MAX, "a day of milliseconds fits");
    assert!(RECEIVE_BUFFERS.is_power_of_two(), "the kernel masks the buffer ring's index");
    assert!(RECEIVE_BUFFER_BYTES * RECEIVE_BUFFERS as usize <= 4 * 1024 * KIB, "per shard");
    assert!(RING_COMPLETIONS >= 2 * RING_SUBMISSIONS);
    assert!(PLATFORMS_MAX <= u64::BITS as usize);
    assert!(DOMAINS_MAX <= u16::MAX as usize);
    assert!(ACCOUNTS_MAX <= u32::MAX as usize);
    assert!(SESSION_TOKEN_CHARS_MAX <= SESSION_TOKEN_REQUEST_CHARS_MAX);
    assert!(SESSIONS_REMEMBERED_MAX > SESSIONS_PER_ACCOUNT_MAX, "an expired one is there to be evicted");
    assert!(TOKEN_AHEAD_MS < TOKEN_LIFE_MS);
    assert!(ROUND_TRANSACTIONS_MAX <= u16::MAX as usize, "a round counts its bets in 16 bits");
    assert!(
        CLOCK_OFFSET_MS_MAX <= TOKEN_AHEAD_MS,
        "a token that is made by the system clock is good while it is followed"
    );
    assert!(CLOCK_OFFSET_MS_MAX < CLOCK_AHEAD_MS_MIN && CLOCK_AHEAD_MS_MIN <= CLOCK_AHEAD_MS_MAX);
    assert!(JOURNAL_BLOCK_BYTES.is_power_of_two());
    assert!(SEGMENT_BYTES.is_multiple_of(JOURNAL_BLOCK_BYTES));
    assert!(
        RECORD_BYTES_MAX > 6 * BODY_BYTES_MAX + DOMAINS_MAX,
        "a record has room for what one request says"
    );
    assert!(RECORD_BYTES_MAX > DOMAINS_MAX * 5 * DOMAIN_CHARS_MAX, "a record has room for the settings");
    assert!(JOURNAL_GROUP_BYTES_MAX + RECORD_BYTES_MAX < JOURNAL_PENDING_BYTES_MAX);
    assert!(
        JOURNAL_WRITE_BYTES_MAX <= SEGMENT_BYTES,
        "a segment has room for its header and the largest group"
    );
    assert!(STAGE_SAMPLES == 1 << u8::BITS, "a sample's place is a u8, which goes round and round");
    assert!(SNAPSHOT_SECTION_BYTES_MAX < i32::MAX as usize);
    assert!(HISTORY_ROW_CENTIBITS <= 1_200, "12 bits of memory for each remembered round");
    assert!(HISTORY_BLOCK_BYTES_MAX < i32::MAX as usize / 4 && HISTORY_BLOCK_ROWS_MAX <= u16::MAX as usize);
    assert!(HISTORY_PAGE_BLOCKS <= u16::MAX as usize);
    assert!(MEMORY_BUDGET_PERCENT < 100 && MEMORY_BUDGET_MIB_MIN < MEMORY_BUDGET_MIB_MAX);
    assert!(MEMORY_BUDGET_MIB_MAX.checked_mul(1024 * 1024).is_some(), "a budget has its bytes in 64 bits");
    assert!(
        memory_again_bytes(MEMORY_BUDGET_MIB_MIN, SHARDS_MAX) > MEMORY_BUDGET_MIB_MIN / 2,
        "most of a budget is used"
    );
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_a_part_of_its_budget() {
        const MIB: u64 = 1024 * 1024;
        for (budget_mib, shards, full_mib, again_mib) in [
            (32, 1, 24, 23),
            (225, 2, 169, 162),
            (1_024, 1, 813, 781),
            (16_384, 2, 16_384 - 512 - 128 - 103, 16_384 - 512 - 128 - 103 - 512),
            (1 << 20, 64, (1 << 20) - (1 << 15) - 16 * 128 - 3_322, (1 << 20) - (1 << 16) - 16 * 128 - 3_322),
        ] {
            let budget = budget_mib * MIB;
            let [full, again] = [memory_full_bytes(budget, shards), memory_again_bytes(budget, shards)]
                .map(|bytes| bytes.div_ceil(MIB));
            assert_eq!((full, again), (full_mib, again_mib), "{budget_mib} {shards}");
        }
    }

    #[test]
    fn shards_share_the_places_in_the_lanes() {
        for (shards, places) in [(1, 32_768), (2, 16_384), (5, 6_553), (32, 1_024), (SHARDS_MAX, 1_024)] {
            assert_eq!(lane_requests_max(shards), places, "{shards}");
        }
    }
}
