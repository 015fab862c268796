//! `[connections]`, value by value.

use super::*;

/// The policy of [`WHOLE`] with this in place of its last section.
fn places(text: &str) -> PlacesPolicy {
    let (before, _) = WHOLE.split_once("[connections]").unwrap();
    read(format!("{before}{text}").as_bytes()).unwrap().places
}

#[test]
fn a_section_of_connections() {
    let default = PlacesPolicy::default();
    assert_eq!(places(""), default);
    assert_eq!(places("[connections]"), default);
    assert_eq!(places("[connections]\nexempt = []").exempt, []);
    let fewer = PlacesPolicy { platform_max: 12_032, operator_max: 4_096, ..default };
    assert_eq!(places("[connections]\noperator_max = 4096"), fewer);
    assert_eq!(places("[connections]\nmax = 12032\noperator_max = 4096"), fewer);
    let exempt = places("[connections]\nexempt = [\"0.0.0.0/0\", \"::/0\", \"192.0.2.7/32\"]").exempt;
    assert_eq!(
        exempt.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["0.0.0.0/0", "::/0", "192.0.2.7/32"]
    );
}

#[test]
fn numbers_of_connections() {
    check("max = 9", "max = 0", ":51: max is 0; it must be 1 to 16118 connections");
    check("max = 9", "max = 16119", ":51: max is 16119; it must be 1 to 16118 connections");
    check(
        "operator_max = 10",
        "operator_max = 4097",
        ":52: operator_max is 4097; it must be 1 to 4096 connections",
    );
    check(
        "operator_max = 10",
        "operator_max = 0",
        ":52: operator_max is 0; it must be 1 to 4096 connections",
    );
    check("per_address = 11", "per_address = 0", ":53: per_address is 0; it must be 1 to 16384 connections");
    check(
        "per_address = 11",
        "per_address = 16385",
        ":53: per_address is 16385; it must be 1 to 16384 connections",
    );
    check(
        "per_address = 11",
        "per_adress = 11",
        ":53: unknown field `per_adress`, expected one of `max`, `operator_max`, `per_address`, `exempt`",
    );
}

#[test]
fn exempt_networks() {
    check(
        "[\"192.0.2.0/24\", \"2001:db8::/32\"]",
        "\"192.0.2.0/24\"",
        ":54: exempt: invalid type: string \"192.0.2.0/24\", expected a list",
    );
    let cidr = "is not a network in CIDR notation, such as \"10.0.0.0/8\" or \"192.0.2.7/32\"";
    for wrong in [
        "",
        "192.0.2.7",
        "192.0.2.0/33",
        "192.0.2/24",
        "2001:db8::/129",
        "192.0.2.0/ 24",
        "localhost/8",
        "/8",
    ] {
        check("192.0.2.0/24", wrong, &format!(":54: exempt: {wrong:?} {cidr}"));
    }
    check(
        "192.0.2.0/24",
        "192.0.2.7/24",
        ":54: exempt: \"192.0.2.7/24\" has bits behind its prefix; that network is \"192.0.2.0/24\"",
    );
    check(
        "2001:db8::/32",
        "2001:db8::1/32",
        ":54: exempt: \"2001:db8::1/32\" has bits behind its prefix; that network is \"2001:db8::/32\"",
    );
    check(
        "2001:db8::/32",
        "::ffff:10.0.0.0/104",
        ":54: exempt: \"::ffff:10.0.0.0/104\" is a network of IPv4; write it as one, such as \"10.0.0.0/8\"",
    );
    let many = |count| vec!["\"192.0.2.0/24\"\n"; count].join(",");
    check(
        "\"192.0.2.0/24\", \"2001:db8::/32\"",
        &many(limits::EXEMPT_NETWORKS_MAX + 1),
        ":310: more than 256 exempt networks",
    );
    assert_eq!(
        places(&format!("[connections]\nexempt = [{}]", many(limits::EXEMPT_NETWORKS_MAX))).exempt.len(),
        256
    );
}
