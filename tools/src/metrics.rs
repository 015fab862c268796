//! What the server tells of itself, in Prometheus's text (version 0.0.4).

use prometheus_parse::{Sample, Scrape, Value};

/// The sum of a metric's values over all its lines that have these labels; `None` where there is no such line.
pub(crate) fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    // The parser takes microseconds for a line, and a server that is being measured has hundreds. The lines of types are left
    // out with the others, so that each value is untyped.
    let lines = text.lines().filter(|line| line.starts_with(name)).map(|line| Ok(line.to_owned()));
    let has = |sample: &Sample| labels.iter().all(|(label, value)| sample.labels.get(label) == Some(value));
    let samples = Scrape::parse(lines).ok()?.samples.into_iter();
    let values = samples.filter(|sample| sample.metric == name && has(sample));
    let number = |sample: Sample| if let Value::Untyped(value) = sample.value { Some(value) } else { None };
    values.filter_map(number).reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP purser_journal_groups_total Groups made durable.
# TYPE purser_journal_groups_total counter
purser_journal_groups_total{shard=\"0\"} 7
purser_journal_groups_total{shard=\"1\"} 5
purser_journal_seconds_total{shard=\"0\"} 0.250000
purser_heap_bytes{state=\"used\"} 1048576
purser_heap_bytes{state=\"free\"} 4096
purser_up 1 1764000000123
purser_accounts_imbalance 0.5000
purser_torn
";

    #[track_caller]
    fn check(name: &str, labels: &[(&str, &str)], expect: Option<f64>) {
        assert_eq!(sum(TEXT, name, labels), expect, "{name} {labels:?}");
    }

    #[test]
    fn sums() {
        check("purser_journal_groups_total", &[], Some(12.0));
        check("purser_journal_groups_total", &[("shard", "1")], Some(5.0));
        check("purser_journal_groups_total", &[("shard", "2")], None);
        check("purser_journal_seconds_total", &[], Some(0.25));
        check("purser_heap_bytes", &[("state", "used")], Some(1_048_576.0));
        check("purser_up", &[], Some(1.0));
        check("purser_accounts", &[], None);
        check("purser_torn", &[], None);
    }

    #[test]
    fn sums_of_shards() {
        let of = |text| sum(text, "purser_x_total", &[]);
        assert_eq!(of(""), None);
        assert_eq!(of("purser_x_total{shard=\"0\"} 7\npurser_x_total{shard=\"1\"} 0.250000\n"), Some(7.25));
        assert_eq!(of("# HELP purser_x_total Xs.\npurser_x_total_more{shard=\"0\"} 7\n"), None);
    }
}
