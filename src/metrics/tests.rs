use super::*;

const MEMORY: Memory = Memory { heap: Some(Heap { used: 5_000, free: 300 }), resident: Some(8_192) };

const NAMES: Names =
    Names { calls: &["balance", "http"], answers: &["0", "-5", "404"], stages: &["frame", "lane"] };

#[track_caller]
fn check(registry: &Registry, expect: &str) {
    let mut text = String::new();
    registry.write(MEMORY, &mut text);
    assert!(text.lines().any(|line| line == expect), "no line {expect:?} in\n{text}");
}

#[test]
fn what_was_counted_is_shown() {
    let registry = Registry::new(2, NAMES);
    let shard = registry.shard(1);
    shard.answered(0, 1);
    shard.answered(0, 1);
    shard.took(0, 25, 3);
    shard.took(0, 26, 1);
    shard.took(0, 60_000_000, 1);
    shard.stage_took(0, 100);
    shard.stage_took(0, 101);
    shard.stage_took(0, 7_000_000_000);
    shard.connected();
    shard.connected();
    shard.disconnected();
    shard.busy(1_500_000);
    shard.set_holdings(Holdings { accounts: 30, session_keys: 20, tokens: 10, rounds: 5 });
    registry.shard(0).set_holdings(Holdings { accounts: 10, ..Holdings::default() });
    shard.group_durable(100, 4_096, 250);
    shard.answered(1, 2);
    shard.set_lanes(7);
    shard.parked(2_500_000);
    shard.archive_failed();
    shard.set_archive_age(1_500_000);
    registry.archived(3, 700);
    registry.archived(1, 50);
    registry.unarchived(2, 300);
    check(&registry, "purser_archive_failures_total{shard=\"1\"} 1");
    check(&registry, "purser_archive_age_seconds{shard=\"1\"} 1.500000");
    check(&registry, "purser_archive_files 2");
    check(&registry, "purser_archive_bytes 450");
    registry.unarchived(3, 449);
    check(&registry, "purser_archive_files 0");
    check(&registry, "purser_archive_bytes 1");
    check(&registry, "# HELP purser_lane_requests Requests under way at other shards.");
    check(&registry, "# TYPE purser_lane_requests gauge");
    check(&registry, "purser_lane_requests{shard=\"1\"} 7");
    check(&registry, "purser_requests_total{shard=\"1\",call=\"http\",code=\"404\"} 1");
    check(&registry, "purser_requests_total{shard=\"1\",call=\"balance\",code=\"-5\"} 2");
    check(&registry, "purser_request_seconds_bucket{shard=\"1\",call=\"balance\",le=\"0.000025\"} 3");
    check(&registry, "purser_request_seconds_bucket{shard=\"1\",call=\"balance\",le=\"0.000050\"} 4");
    check(&registry, "purser_request_seconds_bucket{shard=\"1\",call=\"balance\",le=\"10.000000\"} 4");
    check(&registry, "purser_request_seconds_bucket{shard=\"1\",call=\"balance\",le=\"+Inf\"} 5");
    check(&registry, "purser_request_seconds_count{shard=\"1\",call=\"balance\"} 5");
    check(&registry, "purser_request_seconds_sum{shard=\"1\",call=\"balance\"} 60.000101");
    check(&registry, "purser_stage_seconds_bucket{shard=\"1\",stage=\"frame\",le=\"0.000000100\"} 1");
    check(&registry, "purser_stage_seconds_bucket{shard=\"1\",stage=\"frame\",le=\"0.000000250\"} 2");
    check(&registry, "purser_stage_seconds_bucket{shard=\"1\",stage=\"frame\",le=\"0.100000000\"} 2");
    check(&registry, "purser_stage_seconds_bucket{shard=\"1\",stage=\"frame\",le=\"+Inf\"} 3");
    check(&registry, "purser_stage_seconds_count{shard=\"1\",stage=\"frame\"} 3");
    check(&registry, "purser_stage_seconds_sum{shard=\"1\",stage=\"frame\"} 7.000000201");
    check(&registry, "purser_heap_bytes{state=\"used\"} 5000");
    check(&registry, "purser_heap_bytes{state=\"free\"} 300");
    check(&registry, "purser_resident_bytes 8192");
    check(&registry, "purser_connections{shard=\"1\"} 1");
    check(&registry, "purser_connections_accepted_total{shard=\"1\"} 2");
    check(&registry, "purser_core_seconds_total{shard=\"1\",state=\"busy\"} 1.500000");
    check(&registry, "purser_core_seconds_total{shard=\"1\",state=\"parked\"} 2.500000");
    check(&registry, "purser_session_tokens{shard=\"1\"} 10");
    check(&registry, "purser_rounds{shard=\"1\"} 5");
    check(&registry, "purser_journal_records_total{shard=\"1\"} 100");
    check(&registry, "purser_journal_seconds_total{shard=\"1\"} 0.000250");
    check(&registry, "purser_clock_offset_seconds 0.000000");
    registry.set_clock_offset(-1_500_000_400);
    check(&registry, "purser_clock_offset_seconds -1.500000");
    registry.set_clock_offset(8 * 24 * 3_600 * 1_000_000_000);
    check(&registry, "purser_clock_offset_seconds 691200.000000");
    check(&registry, "purser_accounts_imbalance 0.5000");
    check(&registry, "purser_connections_imbalance 1.0000");
}

#[test]
fn what_is_refused_is_counted_by_its_reason() {
    let registry = Registry::new(1, NAMES);
    let check = |count: fn(&ShardMetrics), name: &str, labels: &str| {
        count(&registry.shard(0));
        self::check(&registry, &format!("purser_{name}_total{{shard=\"0\"{labels}}} 1"));
    };
    check(|shard| shard.connection_refused(ConnectionRefusal::Full), "connections_refused", ",why=\"full\"");
    check(|shard| shard.connection_evicted(), "connections_evicted", "");
    check(|shard| shard.connections_turned_away(1), "connections_turned_away", "");
    check(|shard| shard.lane_refused(), "lane_refused", "");
    for (why, labels) in
        [(WriteRefusal::Journal, ",why=\"journal\""), (WriteRefusal::Memory, ",why=\"memory\"")]
    {
        registry.shard(0).write_refused(why);
        self::check(&registry, &format!("purser_writes_refused_total{{shard=\"0\"{labels}}} 1"));
    }
    check(|shard| shard.request_late(), "requests_late", "");
    check(|shard| shard.request_gone(), "requests_gone", "");
    check(|shard| shard.stalled(), "stalls", "");
}

#[test]
fn who_looks_after_the_process_reads_what_was_seen_last() {
    let registry = Registry::new(2, NAMES);
    assert!(registry.heap().is_none(), "before the first look");
    registry.set_heap(Heap { used: 5_000, free: 300 });
    assert!(matches!(registry.heap(), Some(Heap { used: 5_000, free: 300 })));
    assert_eq!(registry.memory_used(), 0, "before the first look");
    registry.set_memory(9_000, 7_000);
    assert_eq!(registry.memory_used(), 7_000);
    check(&registry, "purser_memory_budget_bytes 9000");
    check(&registry, "purser_memory_used_bytes 7000");
    registry.shard(0).busy(1_000);
    registry.shard(1).busy(500);
    assert_eq!(registry.busy_us(), 1_500);
}

#[test]
fn what_never_occurred_and_nobody_tells_of_is_left_out() {
    let mut text = String::new();
    let registry = Registry::new(1, NAMES);
    registry.shard(0).stage_took(1, 5);
    registry.write(Memory::default(), &mut text);
    for absent in
        ["purser_heap_bytes", "purser_resident_bytes", "purser_memory", "stage=\"frame\"", "call=\"balance\""]
    {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
    assert!(text.contains("stage=\"lane\""), "{text}");
}
