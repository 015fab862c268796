use super::*;

/// Rows of a curve as if each had been measured twice.
fn rows(curve: Curve) -> Vec<PointValues> {
    let mut rows = Vec::new();
    for point in curve.points() {
        for series in curve.series() {
            let round = |factor: f64| {
                let mut values = crate::grow::values::Values::default();
                for measure in curve.measures() {
                    values.set(*measure, factor * (1.0 + f64::from(*point)) / 1_000.0);
                }
                values
            };
            rows.push(PointValues { series: *series, point: *point, rounds: vec![round(1.0), round(3.0)] });
        }
    }
    rows
}

fn origin() -> Origin {
    Origin {
        command: "tools grow hot".to_owned(),
        date: "2026-11-24".to_owned(),
        commit: "0123456789".to_owned(),
        machine: "two cores".to_owned(),
    }
}

#[test]
fn a_table_has_medians_and_ranges() {
    let expect = "| requests under way per connection | call | p(50) | records per group |\n|---|---|---|---|\n\
                  | 1 | balance | 4.00 ms (2.00–6.00) | – |\n| 2 | balance | 6.00 ms (3.00–9.00) | – |\n";
    let rows = &rows(Curve::Pipeline)[..2];
    assert_eq!(table(Curve::Pipeline, &[Measure::Median, Measure::Batch], rows), expect);
    let across = table(Curve::CrossShard, &[Measure::Rate], &self::rows(Curve::CrossShard)[2..3]);
    assert!(across.ends_with("| 25 % | balance | 0 |\n"), "{across}");
}

#[test]
fn values_have_a_line_for_each_round() {
    let text = values(&rows(Curve::Hot)[..1]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("point,call,round,requests_per_second,p50_seconds,"), "{text}");
    assert_eq!(lines[1], "1,\"bet, one account\",1,0.002,0.002,0.002,0.002,0.002,,0.002,,,");
    assert_eq!(lines[2], "1,\"bet, one account\",2,0.006,0.006,0.006,0.006,0.006,,0.006,,,");
    assert_eq!(lines.len(), 3);
}

/// Every file of every curve, into one directory, in any order; and one of them again.
#[test]
fn a_page_has_a_section_for_each_curve() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path();
    for curve in
        [Curve::Hot, Curve::CrossShard, Curve::Connections, Curve::Accounts, Curve::Pipeline, Curve::Hot]
    {
        for part in parts(curve, &rows(curve)) {
            part.write(out, &origin()).expect("it is written");
        }
    }
    let page = fs::read_to_string(out.join("README.md")).expect("a page");
    assert!(page.starts_with("# How the server grows\n\n"), "{page}");
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings, ORDER);
    for name in ["connections", "group-commit", "accounts", "pipeline", "cross-shard", "hot"] {
        for file in [format!("{name}.png"), format!("{name}.svg"), format!("{name}.csv")] {
            assert!(out.join(&file).is_file(), "{file}");
        }
        assert!(
            page.contains(&format!("]({name}.png)")) && page.contains(&format!("]({name}.csv)")),
            "{name}"
        );
    }
    assert_eq!(page.matches("`tools grow hot`, 2026-11-24, commit 0123456789").count(), 6);
}

#[track_caller]
fn check_page(before: &str, title: &str, section: &str, expect: &str) {
    assert_eq!(page(before, title, section), format!("{HEAD}\n{expect}"));
}

#[test]
fn sections_take_the_place_of_their_own() {
    check_page("", "Accounts", "## Accounts\n\nnew\n", "## Accounts\n\nnew\n");
    let before = format!("{HEAD}\n## Connections\n\none\n\n## Accounts\n\nold\n");
    let after = "## Connections\n\none\n\n## Accounts\n\nnew\n";
    check_page(&before, "Accounts", "## Accounts\n\nnew\n", after);
    let after = "## Connections\n\none\n\n## Accounts\n\nold\n\n## One hot account\n\nnew\n";
    check_page(&before, "One hot account", "## One hot account\n\nnew\n", after);
}

/// What a picture shows of the server itself is one line, not one for each call.
#[test]
fn panels_have_the_lines_of_their_measure() {
    let figure = figure(Curve::Accounts, &rows(Curve::Accounts));
    let labels = |title: &str| {
        let panel = figure.panels.iter().find(|panel| panel.title == title).expect("it is there");
        panel.series.iter().map(|series| series.label.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(labels("Rate"), ["balance", "bet"]);
    let times = ["balance p(50)", "bet p(50)", "balance p(99)", "bet p(99)"];
    assert_eq!(labels("Time of an answer"), times);
    assert_eq!(labels("Memory after the start"), ["server"]);
}
