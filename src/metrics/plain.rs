//! What is one number for each shard.

use super::ShardMetrics;

/// How a number of a shard is read.
type Getter = fn(&ShardMetrics) -> u64;

/// What is one number for each shard: its name, its kind, what it says, and where it is.
pub(super) const PLAIN: [(&str, &str, &str, Getter); 22] = [
    ("purser_connections", "gauge", "Open connections.", |shard| shard.connections_open.get()),
    ("purser_connections_accepted_total", "counter", "Connections accepted.", |shard| {
        shard.connections_accepted.get()
    }),
    ("purser_lane_requests", "gauge", "Requests under way at other shards.", |shard| {
        shard.lanes_under_way.get()
    }),
    ("purser_lane_refused_total", "counter", "Requests refused because their lane was full.", |shard| {
        shard.lanes_refused.get()
    }),
    (
        "purser_requests_late_total",
        "counter",
        "Requests refused because they could not be answered in their time.",
        |shard| shard.requests_late.get(),
    ),
    (
        "purser_requests_gone_total",
        "counter",
        "Connections whose waiting requests were dropped because their client had gone.",
        |shard| shard.requests_gone.get(),
    ),
    ("purser_connections_evicted_total", "counter", "Idle connections evicted for others.", |shard| {
        shard.connections_evicted.get()
    }),
    ("purser_connections_turned_away_total", "counter", "Connections not let in, by packet.", |shard| {
        shard.connections_turned_away.get()
    }),
    ("purser_stalls_total", "counter", "Times that the core was held for longer than 25 ms.", |shard| {
        shard.stalls.get()
    }),
    (
        "purser_journal_groups_total",
        "counter",
        "Groups made durable, one write and one sync each.",
        |shard| shard.groups.get(),
    ),
    ("purser_journal_records_total", "counter", "Records in those groups.", |shard| {
        shard.group_records.get()
    }),
    ("purser_journal_bytes_total", "counter", "Bytes of those groups, with their padding.", |shard| {
        shard.group_bytes.get()
    }),
    (
        "purser_archive_failures_total",
        "counter",
        "Times that what was folded could not be archived.",
        |shard| shard.archive_failures.get(),
    ),
    ("purser_rounds", "gauge", "Game rounds, and payments outside of them, in memory.", |shard| {
        shard.rounds.get()
    }),
    (
        "purser_history_rounds",
        "gauge",
        "Game rounds, and payments outside of them, in the history, on the disk.",
        |shard| shard.history[0].get(),
    ),
    ("purser_history_files", "gauge", "Files of the history.", |shard| shard.history[1].get()),
    ("purser_history_bytes", "gauge", "Bytes of the files of the history.", |shard| shard.history[2].get()),
    ("purser_history_memory_bytes", "gauge", "Memory of the filter of the history.", |shard| {
        shard.history[3].get()
    }),
    (
        "purser_history_lookups_total",
        "counter",
        "Requests for which files of the history were read.",
        |shard| shard.lookups.get(),
    ),
    ("purser_accounts", "gauge", "Accounts.", |shard| shard.accounts.get()),
    ("purser_session_keys", "gauge", "Session keys, live and remembered.", |shard| shard.session_keys.get()),
    ("purser_session_tokens", "gauge", "Single-use tokens outstanding.", |shard| shard.tokens.get()),
];
