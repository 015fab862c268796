//! docs/protocol.md and the table of operations say the same of a round's calls.

use std::collections::BTreeSet;

use super::super::decode::members_of;
use super::super::members::Need;
use super::*;

/// A call, a member, the bound of a text, and how much it is needed: `✓`, `?` or `–`.
type Row = (Call, String, usize, char);

/// The table of §4, whose first row names the calls.
fn of_the_page() -> BTreeSet<Row> {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md")).unwrap();
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| !line.starts_with("| member |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    let (head, rows) = rows.split_first().expect("the page has the table");
    let call =
        |cell: &String| Call::ALL.into_iter().find(|call| cell.trim_matches('`') == call.label()).unwrap();
    let calls: Vec<Call> = head[2..].iter().map(call).collect();
    let row = |row: &Vec<String>| {
        let bound = row[1].strip_prefix("S(").map_or(0, |bound| bound.trim_end_matches(')').parse().unwrap());
        let names: Vec<String> = row[0].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let of_call = |(call, need): (&Call, &String)| {
            let need = need.chars().next().unwrap();
            names.iter().map(|name| (*call, name.clone(), bound, need)).collect::<Vec<_>>()
        };
        calls.iter().zip(&row[2..]).flat_map(of_call).collect::<Vec<_>>()
    };
    rows[1..].iter().flat_map(row).collect()
}

#[test]
fn the_page_has_the_members_of_the_table() {
    let page = of_the_page();
    let calls: BTreeSet<Call> = page.iter().map(|(call, ..)| *call).collect();
    let rows = calls.iter().flat_map(|call| members_of(*call).iter().map(|row| (*call, *row)));
    let table = rows.map(|(call, (name, bound, need))| {
        let need = match need {
            Need::Required => '✓',
            Need::Optional | Need::Blank => '?',
            Need::Absent => '–',
        };
        (call, name.to_owned(), bound, need)
    });
    // What a call does not know may be left out of its own list of members.
    let known = |rows: BTreeSet<Row>| rows.into_iter().filter(|row| row.3 != '–').collect::<BTreeSet<_>>();
    assert_eq!(known(page), known(table.collect()));
    assert_eq!(calls.len(), 5, "{calls:?}");
}
