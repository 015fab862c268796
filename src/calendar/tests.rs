use super::*;

/// Milliseconds since 1970 of a time with its offset.
#[track_caller]
fn ms(text: &str) -> u64 {
    millis(text.parse().unwrap_or_else(|error| panic!("{text}: {error}")))
}

#[track_caller]
fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap_or_else(|| panic!("no zone {name}"))
}

/// At `now` the day, week and month have begun then, and the day ends then; and so at its first and its last moment.
#[track_caller]
fn check(name: &str, now: &str, [day, week, month, until]: [&str; 4]) {
    let expect = Calendar { starts_ms: [ms(day), ms(week), ms(month)], until_ms: ms(until) };
    let zone = zone(name);
    for now_ms in [ms(now), expect.starts_ms[0], expect.until_ms - 1] {
        assert_eq!(zone.at(now_ms), expect, "{name} at {now}, {now_ms}");
    }
    let (before, behind) = (zone.at(expect.starts_ms[0] - 1), zone.at(expect.until_ms));
    assert_eq!(before.until_ms, expect.starts_ms[0], "the day before ends where this one begins");
    assert_eq!(behind.starts_ms[0], expect.until_ms, "the next day begins where this one ends");
}

#[test]
fn days_weeks_and_months_begin_at_the_zones_midnight() {
    check(
        "Europe/Stockholm",
        "2026-11-25T12:00:00Z",
        [
            "2026-11-25T00:00:00+01:00",
            "2026-11-23T00:00:00+01:00",
            "2026-11-01T00:00:00+01:00",
            "2026-11-26T00:00:00+01:00",
        ],
    );
    // Half an hour before midnight UTC it is Monday, and the next month, already.
    check(
        "Europe/Stockholm",
        "2026-05-31T22:30:00Z",
        [
            "2026-06-01T00:00:00+02:00",
            "2026-06-01T00:00:00+02:00",
            "2026-06-01T00:00:00+02:00",
            "2026-06-02T00:00:00+02:00",
        ],
    );
    // A month that began in the other half of the year, and a week that began in the last one.
    check(
        "America/New_York",
        "2026-11-02T12:00:00Z",
        [
            "2026-11-02T00:00:00-05:00",
            "2026-11-02T00:00:00-05:00",
            "2026-11-01T00:00:00-04:00",
            "2026-11-03T00:00:00-05:00",
        ],
    );
    check(
        "Asia/Kathmandu",
        "2027-01-01T12:00:00Z",
        [
            "2027-01-01T00:00:00+05:45",
            "2026-12-28T00:00:00+05:45",
            "2027-01-01T00:00:00+05:45",
            "2027-01-02T00:00:00+05:45",
        ],
    );
}

#[test]
fn days_have_23_and_25_hours() {
    check(
        "Europe/Stockholm",
        "2026-03-29T12:00:00Z",
        [
            "2026-03-29T00:00:00+01:00",
            "2026-03-23T00:00:00+01:00",
            "2026-03-01T00:00:00+01:00",
            "2026-03-30T00:00:00+02:00",
        ],
    );
    check(
        "Europe/Stockholm",
        "2026-10-25T12:00:00Z",
        [
            "2026-10-25T00:00:00+02:00",
            "2026-10-19T00:00:00+02:00",
            "2026-10-01T00:00:00+02:00",
            "2026-10-26T00:00:00+01:00",
        ],
    );
    // Half an hour.
    check(
        "Australia/Lord_Howe",
        "2026-04-05T00:00:00Z",
        [
            "2026-04-05T00:00:00+11:00",
            "2026-03-30T00:00:00+11:00",
            "2026-04-01T00:00:00+11:00",
            "2026-04-06T00:00:00+10:30",
        ],
    );
}

#[test]
fn days_need_not_begin_at_midnight() {
    // Clocks are set on from 00:00 to 01:00.
    check(
        "America/Sao_Paulo",
        "2017-10-15T12:00:00Z",
        [
            "2017-10-15T01:00:00-02:00",
            "2017-10-09T00:00:00-03:00",
            "2017-10-01T00:00:00-03:00",
            "2017-10-16T00:00:00-02:00",
        ],
    );
    // The same on the first of a month.
    check(
        "America/Asuncion",
        "2023-10-01T12:00:00Z",
        [
            "2023-10-01T01:00:00-03:00",
            "2023-09-25T00:00:00-04:00",
            "2023-10-01T01:00:00-03:00",
            "2023-10-02T00:00:00-03:00",
        ],
    );
    // From 23:30 to 00:30: the day begins at that moment, and not where midnight would have been.
    let start = zone("America/Toronto").start_of(Date::constant(1919, 3, 31));
    assert_eq!(start, Some("1919-03-31T00:30:00-04:00".parse().expect("a time")));
}

#[test]
fn a_day_that_has_begun_does_not_begin_again() {
    // At 00:01 clocks are set back to 23:01 of the day before.
    check(
        "America/St_Johns",
        "2010-11-07T12:00:00Z",
        [
            "2010-11-07T00:00:00-02:30",
            "2010-11-01T00:00:00-02:30",
            "2010-11-01T00:00:00-02:30",
            "2010-11-08T00:00:00-03:30",
        ],
    );
    // At 00:00 to 23:00: the day before is not over.
    check(
        "America/Havana",
        "2026-11-01T12:00:00Z",
        [
            "2026-11-01T00:00:00-04:00",
            "2026-10-26T00:00:00-04:00",
            "2026-11-01T00:00:00-04:00",
            "2026-11-02T00:00:00-05:00",
        ],
    );
}

#[test]
fn a_zone_may_skip_a_day() {
    // There was no 30 December.
    check(
        "Pacific/Apia",
        "2011-12-29T22:00:00Z",
        [
            "2011-12-29T00:00:00-10:00",
            "2011-12-26T00:00:00-10:00",
            "2011-12-01T00:00:00-10:00",
            "2011-12-31T00:00:00+14:00",
        ],
    );
    check(
        "Pacific/Apia",
        "2011-12-31T12:00:00+14:00",
        [
            "2011-12-31T00:00:00+14:00",
            "2011-12-26T00:00:00-10:00",
            "2011-12-01T00:00:00-10:00",
            "2012-01-01T00:00:00+14:00",
        ],
    );
}

#[test]
fn utc_is_as_the_wallet_has_it() {
    check(
        "Etc/UTC",
        "2026-11-25T12:00:00Z",
        ["2026-11-25T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-01T00:00:00Z", "2026-11-26T00:00:00Z"],
    );
}

#[test]
fn the_ends_of_time_are_no_fault() {
    for name in ["UTC", "Europe/Stockholm", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let zone = zone(name);
        let first = zone.at(0);
        assert!(first.starts_ms[1] == 0 && (1..=86_400_000).contains(&first.until_ms), "{name}: {first:?}");
        let last_ms = millis(Timestamp::MAX);
        for now_ms in [last_ms - 86_400_000, last_ms, last_ms + 1, i64::MAX as u64, u64::MAX] {
            let Calendar { starts_ms: [day, week, month], until_ms } = zone.at(now_ms);
            assert!(
                day <= now_ms && week <= day && month <= day && until_ms > now_ms.min(u64::MAX - 1),
                "{name} {now_ms}"
            );
        }
    }
}

/// Every hour and a half of these years lies in the day that is told, and days follow on.
#[test]
fn days_follow_on() {
    let zones = [
        "Europe/Stockholm",
        "America/St_Johns",
        "Pacific/Apia",
        "Asia/Beirut",
        "America/Asuncion",
        "Africa/Cairo",
    ];
    for name in zones {
        let zone = zone(name);
        let mut now_ms = ms("2006-01-01T00:00:00Z");
        let mut last = zone.at(now_ms);
        while now_ms < ms("2027-01-01T00:00:00Z") {
            now_ms += 90 * 60_000;
            let is = zone.at(now_ms);
            assert!(
                is.starts_ms.iter().all(|start| *start <= now_ms) && now_ms < is.until_ms,
                "{name} {now_ms} {is:?}"
            );
            let same = is == last;
            assert!(same || is.starts_ms[0] == last.until_ms, "{name} {now_ms} {last:?} {is:?}");
            assert!(same == (now_ms < last.until_ms), "{name} {now_ms} {last:?} {is:?}");
            assert!((0..3).all(|period| is.starts_ms[period] >= last.starts_ms[period]), "{name} {now_ms}");
            last = is;
        }
    }
}

#[test]
fn zones_have_iana_names() {
    for name in [
        "UTC",
        "Etc/UTC",
        "Europe/Stockholm",
        "europe/STOCKHOLM",
        "America/Argentina/Buenos_Aires",
        "Asia/Calcutta",
    ] {
        assert!(Zone::named(name).is_some(), "{name}");
    }
    let others = [
        "",
        " ",
        "Europe/Atlantis",
        "Europe",
        "Europe/Stockholm ",
        "../zoneinfo/Europe/Stockholm",
        "/usr/share/zoneinfo/Europe/Stockholm",
        "posix/Europe/Stockholm",
        "right/Europe/Stockholm",
        "localtime",
        "posixrules",
        "Factory",
        "Etc/Unknown",
        "+02:00",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "zone.tab",
        "tzdata.zi",
    ];
    for name in others {
        assert_eq!(Zone::named(name), None, "{name}");
    }
}

#[test]
fn the_wallet_is_told_of_domains_that_are_not_at_utc() {
    let domains = [("a", "UTC"), ("b", "Europe/Stockholm"), ("c", "America/New_York")];
    let zones = Zones::new(domains.map(|(domain, name)| (domain.into(), zone(name))));
    let now_ms = ms("2026-11-25T02:00:00Z");
    let told = zones.at(now_ms);
    let names: Vec<&str> = told.iter().map(|(domain, _)| domain.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(told[0].1.starts_ms[0], ms("2026-11-25T00:00:00+01:00"));
    assert_eq!(told[1].1.starts_ms[0], ms("2026-11-24T00:00:00-05:00"));
    assert_eq!(Zones::default().at(now_ms), []);
}

#[test]
fn the_program_has_the_zones_that_a_system_has_not() {
    let (none, bundled) = (TimeZoneDatabase::none(), TimeZoneDatabase::bundled());
    let of = |name| Zone::of(name, [&none, &bundled]);
    let noon_ms = ms("2026-11-25T12:00:00Z");
    let midnight_ms = ms("2026-11-25T00:00:00+01:00");
    assert_eq!(of("Europe/Stockholm").map(|zone| zone.at(noon_ms).starts_ms[0]), Some(midnight_ms));
    assert_eq!(of("UTC"), Some(Zone::UTC));
    assert_eq!(of("Europe/Atlantis"), None);
    assert_eq!(Zone::of("Europe/Stockholm", [&none]), None);
}
