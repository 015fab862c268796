//! The seconds of a run as rows: what the generator did in each, and what was sampled beside it.

use std::fmt::Write as _;

use super::sampler::Second;
use crate::load::Interval;

/// How far a sample's end may be from an interval's to stand in its row, in nanoseconds: half a second.
const APART_NS: u64 = 500_000_000;

/// The file's text: a header, whose names end in their units, and a row for each second. A cell is empty where nothing
/// was measured.
pub(super) fn csv(began_ns: u64, intervals: &[Interval], samples: &[Second]) -> String {
    let cores = samples.first().map_or(0, |sample| sample.cores.len());
    let mut text = String::from(
        "elapsed_s,requests_per_s,failed_requests,latency_p50_us,latency_p90_us,latency_p95_us,latency_p99_us,\
         latency_p999_us,latency_max_us",
    );
    for core in 0..cores {
        for share in ["user", "system", "idle", "stolen"] {
            let _ = write!(text, ",core{core}_{share}_percent");
        }
    }
    text.push_str(
        ",server_user_cores,server_system_cores,resident_bytes,heap_used_bytes,heap_free_bytes,running_threads,\
         runnable_threads,ring_wait_threads,disk_wait_threads,elsewhere_wait_threads,journal_groups_per_s,\
         journal_records_per_group,journal_sync_us,disk_written_bytes,journal_bytes\n",
    );
    let mut samples = samples.iter().peekable();
    for interval in intervals {
        write_interval(&mut text, interval);
        let ended_ns = began_ns + interval.ended_ns;
        while samples.next_if(|sample| sample.at_ns + APART_NS < ended_ns).is_some() {}
        match samples.next_if(|sample| sample.at_ns <= ended_ns + APART_NS) {
            Some(sample) => write_sample(&mut text, sample),
            None => text.push_str(&",".repeat(4 * cores + 15)),
        }
        text.push('\n');
    }
    text
}

fn write_interval(text: &mut String, interval: &Interval) {
    let _ = write!(text, "{:.1},{:.0},{}", interval.ended_ns as f64 / 1e9, interval.rate(), interval.failed);
    let latency = &interval.latency;
    for ns in [latency.median, latency.p90, latency.p95, latency.p99, latency.p999, latency.most] {
        let _ = write!(text, ",{:.1}", ns as f64 / 1e3);
    }
}

fn write_sample(text: &mut String, sample: &Second) {
    for core in &sample.cores {
        let _ = write!(text, ",{:.1},{:.1},{:.1},{:.1}", core.user, core.system, core.idle, core.stolen);
    }
    let _ = write!(text, ",{:.3},{:.3},", sample.server_user, sample.server_system);
    if let Some(resident) = sample.resident_bytes {
        let _ = write!(text, "{resident}");
    }
    for bytes in [sample.heap_used_bytes, sample.heap_free_bytes] {
        write_cell(text, bytes, 0);
    }
    let threads = &sample.threads;
    for count in [threads.running, threads.runnable, threads.ring, threads.disk, threads.elsewhere] {
        write_cell(text, Some(count), 3);
    }
    write_cell(text, sample.groups_per_second, 1);
    write_cell(text, sample.records_per_group, 2);
    write_cell(text, sample.sync_seconds.map(|seconds| seconds * 1e6), 1);
    write_cell(text, sample.written, 0);
    write_cell(text, sample.journal, 0);
}

fn write_cell(text: &mut String, value: Option<f64>, decimals: usize) {
    text.push(',');
    if let Some(value) = value {
        let _ = write!(text, "{value:.decimals$}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::sampler::CoreShares;
    use super::*;
    use crate::load::Figures;

    #[test]
    fn rows() {
        let second = 1_000_000_000;
        let interval = |number: u64| Interval {
            ended_ns: number * second,
            length_ns: second,
            requests: 100 * number,
            failed: 0,
            latency: Figures { median: 1_500, p99: 9_000, most: 10_000, ..Figures::default() },
        };
        let sample = |at_ns| Second {
            at_ns,
            cores: vec![CoreShares { user: 50.0, system: 25.0, idle: 25.0, stolen: 0.0 }],
            resident_bytes: Some(4_096),
            sync_seconds: Some(0.000_25),
            written: Some(8_192.0),
            ..Second::default()
        };
        // The run began at 10 s; the second row has no sample near its end.
        let samples = [sample(9 * second), sample(11 * second + 5), sample(13 * second)];
        let text = csv(10 * second, &[interval(1), interval(2), interval(3)], &samples);
        let lines: Vec<&str> = text.lines().collect();
        let of_sample = ",50.0,25.0,25.0,0.0,0.000,0.000,4096,,,0.000,0.000,0.000,0.000,0.000,,,250.0,8192,";
        assert_eq!(lines[1], format!("1.0,100,0,1.5,0.0,0.0,9.0,0.0,10.0{of_sample}"));
        assert_eq!(lines[2], format!("2.0,200,0,1.5,0.0,0.0,9.0,0.0,10.0{}", ",".repeat(19)));
        assert_eq!(lines[3], format!("3.0,300,0,1.5,0.0,0.0,9.0,0.0,10.0{of_sample}"));
        let cells = |line: &&str| line.split(',').count();
        assert!(lines.iter().map(cells).all(|count| count == cells(&lines[0])), "{text}");
        assert!(lines[0].contains(",core0_user_percent,") && !lines[0].contains("core1"), "{}", lines[0]);
    }
}
