use super::*;
use crate::config::Storing;
use api::Manners;
use wallet::{Dialect, PlatformKey, RoundScope};

mod connections;

/// A whole file; rows change one thing in it. Its lines count from 1.
const WHOLE: &str = r#"listen = "127.0.0.1:1"
operator_listen = "127.0.0.1:2"
data = "data"
operator_token = "token=="
session_token = "wrapped"
games = ["11588", "11589"]

[[platform]]
key = "L100"
user = "user1"
password = "a password"
domains = ["default", "casino"]

[[platform]]
key = "L200"
user = "user2"
password = "pass:word"
domains = ["casino"]
round_scope = "game"
unknown_rollback = 0
strict_rounds = true
remember_refusals_ms = 86400000
session_token = "single-use"
unauthorized_status = 401
describe_errors = true

[[domain]]
name = "default"
currency = "GBP"

[[domain]]
name = "casino"
currency = "KWD"

[timeouts]
request_ms = 1
keep_alive_ms = 2
send_ms = 3
drain_ms = 86400000
session_idle_ms = 5
drain_grace_ms = 9

[rounds]
retention_ms = 6

[storage]
reserve_mib = 7
snapshot_segments = 8

[connections]
max = 9
operator_max = 10
per_address = 11
exempt = ["192.0.2.0/24", "2001:db8::/32"]

[memory]
budget_mib = 256
"#;

fn read(text: &[u8]) -> Result<ConfigFile, Error> {
    ConfigFile::check(Path::new("f.toml"), text)
}

/// [`WHOLE`] with `old` replaced must fail with this sentence behind the file's name.
#[track_caller]
fn check(old: &str, new: &str, expect: &str) {
    assert!(WHOLE.contains(old), "{old}");
    match read(WHOLE.replacen(old, new, 1).as_bytes()) {
        Ok(_) => panic!("{new} is accepted"),
        Err(error) => assert_eq!(error.to_string(), format!("f.toml{expect}")),
    }
}

#[test]
fn a_whole_file() {
    let file = read(WHOLE.as_bytes()).unwrap();
    assert_eq!(file.listen.unwrap().to_string(), "127.0.0.1:1");
    assert_eq!(file.operator_listen.unwrap().to_string(), "127.0.0.1:2");
    assert_eq!(file.data.unwrap(), Path::new("data"));
    assert_eq!(file.operator_token.unwrap(), "token==");
    assert_eq!(file.session_token, Some(TokenPolicy::Wrapped));
    let [first, second] = &file.platforms[..] else { panic!("two platforms") };
    let [one, two] = ["L100", "L200"].map(|key| PlatformKey::new(key).unwrap());
    assert_eq!((first.key, &*first.user, &*first.password), (one, "user1", "a password"));
    assert_eq!((second.key, &*second.user, &*second.password), (two, "user2", "pass:word"));
    assert_eq!((first.dialect, first.manners), (Dialect::default(), Manners::default()));
    assert_eq!(file.own_policies, [None, Some(TokenPolicy::SingleUse)]);
    let spoken = Dialect {
        round_scope: RoundScope::Game,
        unknown_rollback_succeeds: true,
        strict_rounds: true,
        remember_refusals_ms: 86_400_000,
        token_policy: TokenPolicy::default(),
    };
    assert_eq!(second.dialect, spoken);
    assert_eq!(second.manners, Manners { describe_errors: true, unauthorized_401: true });
    let default = file.catalog.domain("default").unwrap();
    assert_eq!(
        (default.currency.code(), default.platforms.contains(&one), default.platforms.contains(&two)),
        ("GBP", true, false)
    );
    let casino = file.catalog.domain("casino").unwrap();
    assert_eq!(
        (casino.currency.code(), casino.platforms.contains(&one), casino.platforms.contains(&two)),
        ("KWD", true, true)
    );
    assert!(file.catalog.has_game("11588") && file.catalog.has_game("11589"));
    assert_eq!(file.catalog.session_idle_ms, 5);
    assert_eq!(file.catalog.retention_ms, 6);
    assert_eq!(file.storing, Storing { reserve_mib: 7, snapshot_segments: 8, archive_days: None });
    assert_eq!(file.memory_budget, Some(256));
    let timeouts = Timeouts {
        request_ms: 1,
        keep_alive_ms: 2,
        send_ms: 3,
        drain_ms: 86_400_000,
        budget_ms: limits::BUDGET_MS,
    };
    assert_eq!(file.timeouts, timeouts);
    let exempt = ["192.0.2.0/24", "2001:db8::/32"].map(|text| text.parse().unwrap());
    let places =
        PlacesPolicy { platform_max: 9, operator_max: 10, per_address: Some(11), exempt: exempt.into() };
    assert_eq!(file.places, places);
    assert_eq!(file.drain_grace_ms, 9);
}

#[test]
fn a_byte_order_mark_and_crlf_are_accepted() {
    read(format!("\u{feff}{WHOLE}").as_bytes()).unwrap();
    read(WHOLE.replace('\n', "\r\n").as_bytes()).unwrap();
}

#[test]
fn broken_toml() {
    check("listen = \"127.0.0.1:1\"", "listen = \"127.0.0.1:1", ":1: invalid basic string, expected `\"`");
    check("[timeouts]", "[timeouts", ":35: unclosed table, expected `]`");
    check("send_ms = 3", "send_ms = 1.2.3", ":38: invalid float");
    check("send_ms = 3", "send_ms = 3\nsend_ms = 3", ":39: the key \"send_ms\" stands here a second time");
    check(
        "domains = [\"casino\"]",
        "domains = [\"casino\"",
        ":19: missing comma between array elements, expected `,`",
    );
    let error = read(b"games = []\ndata = \"\xff\"").err().unwrap().to_string();
    assert_eq!(error, "f.toml:2: this is not UTF-8");
}

#[test]
fn keys_that_are_unknown_missing_or_of_the_wrong_type() {
    check("user = \"user2\"\n", "", ":14: missing field `user`");
    check("currency = \"GBP\"\n", "", ":27: missing field `currency`");
    check(
        "currency = \"GBP\"",
        "currenzy = \"GBP\"",
        ":29: unknown field `currenzy`, expected one of `name`, `currency`, `time_zone`",
    );
    check(
        "session_idle_ms = 5",
        "listen = \"127.0.0.1:1\"",
        ":40: unknown field `listen`, expected one of `request_ms`, `keep_alive_ms`, `send_ms`, `drain_ms`, \
         `budget_ms`, `drain_grace_ms`, `session_idle_ms`; a key of the file itself stands above the first [section]",
    );
    check("\"127.0.0.1:1\"", "9816", ":1: listen: invalid type: integer `9816`, expected a string");
    check("[\"11588\", \"11589\"]", "[11588]", ":6: games: invalid type: integer `11588`, expected a string");
    check("[\"11588\", \"11589\"]", "[\"a=b\", 5]", ":6: invalid type: integer `5`, expected a string");
    check("\"data\"", "1", ":3: data: invalid type: integer `1`, expected a string");
    check("[\"casino\"]", "\"casino\"", ":18: domains: invalid type: string \"casino\", expected a list");
    check(
        "send_ms = 3",
        "send_ms = \"3\"",
        ":38: send_ms: invalid type: string \"3\", expected a whole number",
    );
    let single = "[platform]\nkey = \"L100\"";
    let error = read(single.as_bytes()).err().unwrap().to_string();
    assert_eq!(error, "f.toml:1: a section of a list has two brackets, as [[platform]] and [[domain]] have");
}

#[test]
fn secrets_are_not_told() {
    check("\"pass:word\"", "31337", ":17: a secret is a string, in quotes");
    check("\"token==\"", "31337", ":4: a secret is a string, in quotes");
    check("pass:word", "pass\\u0007word", ":17: the platform's password has a control character in it");
    check("\"pass:word\"", "\"\"", ":17: the platform's password is empty");
    check("token==", "", ":4: operator_token has 0 bytes; it must have 1 to 128");
    check("token==", &"x".repeat(129), ":4: operator_token has 129 bytes; it must have 1 to 128");
    let letters = ":4: operator_token may have letters, digits and -._~+/ in it, and = at its end";
    check("token==", "to ken", letters);
    check("token==", "=token", letters);
    check("token==", "==", letters);
    check("token==", "t\u{f6}ken", letters);
}

#[test]
fn values_of_the_file_itself() {
    check(
        "127.0.0.1:1",
        "localhost:1",
        ":1: listen: \"localhost:1\" is not an IP address and port, such as 127.0.0.1:9816",
    );
    check(
        "127.0.0.1:2",
        "127.0.0.1:65536",
        ":2: operator_listen: \"127.0.0.1:65536\" is not an IP address and port, such as 127.0.0.1:9816",
    );
    check("\"data\"", "\"\"", ":3: data is empty; it names a directory");
    check("wrapped", "once", ":5: session_token is \"once\"; it must be \"single-use\" or \"wrapped\"");
}

#[test]
fn dialects() {
    check("\"game\"", "\"round\"", ":19: round_scope is \"round\"; it must be \"platform\" or \"game\"");
    check("\"game\"", "1", ":19: round_scope: invalid type: integer `1`, expected a string");
    check("unknown_rollback = 0", "unknown_rollback = 8", ":20: unknown_rollback is 8; it must be -8 or 0");
    check(
        "unknown_rollback = 0",
        "unknown_rollback = \"0\"",
        ":20: unknown_rollback: invalid type: string \"0\", expected a whole number",
    );
    check(
        "strict_rounds = true",
        "strict_rounds = 1",
        ":21: strict_rounds: invalid type: integer `1`, expected a boolean",
    );
    check(
        "remember_refusals_ms = 86400000",
        "remember_refusals_ms = 86400001",
        ":22: remember_refusals_ms is 86400001; it must be 0 to 86400000 milliseconds",
    );
    check(
        "remember_refusals_ms = 86400000",
        "remember_refusals_ms = -1",
        ":22: remember_refusals_ms is -1; it must be 0 to 86400000 milliseconds",
    );
    check(
        "\"single-use\"",
        "\"once\"",
        ":23: session_token is \"once\"; it must be \"single-use\" or \"wrapped\"",
    );
    check("status = 401", "status = 403", ":24: unauthorized_status is 403; it must be 200 or 401");
    check(
        "describe_errors = true",
        "describe_errors = \"no\"",
        ":25: describe_errors: invalid type: string \"no\", expected a boolean",
    );
    // The defaults, said.
    let said = WHOLE
        .replace("\"game\"", "\"platform\"")
        .replace("unknown_rollback = 0", "unknown_rollback = -8")
        .replace("strict_rounds = true", "strict_rounds = false")
        .replace("remember_refusals_ms = 86400000", "remember_refusals_ms = 0")
        .replace("status = 401", "status = 200")
        .replace("describe_errors = true", "describe_errors = false");
    let platforms = read(said.as_bytes()).unwrap().platforms;
    assert_eq!((platforms[1].dialect, platforms[1].manners), (Dialect::default(), Manners::default()));
}

#[test]
fn platforms_with_a_fault() {
    check("L200", "L100", ":15: the platform key \"L100\" has been used on line 9 already");
    check("L200", "", ":15: the platform key is empty");
    check("L200", "L2000", ":15: the platform key \"L2000\" has 5 characters; at most 4 are allowed");
    check("L200", "L\\u0000", ":15: the platform key \"L\\0\" has a control character in it");
    check("user2", "user1", ":16: the platform user \"user1\" has been used on line 10 already");
    check("user2", "", ":16: the platform user is empty");
    check(
        "user2",
        "us:er",
        ":16: the platform user \"us:er\" has a colon, which ends it in Basic authentication",
    );
    check(
        "pass:word",
        &"p".repeat(123),
        ":17: user, colon and password have 129 bytes together; at most 128 are allowed",
    );
    check(
        "domains = [\"casino\"]",
        "domains = [\"poker\"]",
        ":18: the platform \"L200\" names the domain \"poker\", which no [[domain]] defines",
    );
    check(
        "domains = [\"casino\"]",
        "domains = [\n\"casino\",\n\"casino\"]",
        ":20: the domain name \"casino\" has been used on line 19 already",
    );
    check(
        "domains = [\"casino\"]",
        "domains = []",
        ":18: the platform \"L200\" has no domains, so that it could call for no account",
    );
}

#[test]
fn domains_with_a_fault() {
    check(
        "currency = \"KWD\"",
        "currency = \"KWD\"\ntime_zone = \"Europe/Atlantis\"",
        ":34: the time zone \"Europe/Atlantis\" is not one of IANA's database, such as \"Europe/Stockholm\"",
    );
    check(
        "currency = \"KWD\"",
        "currency = \"KWD\"\ntime_zone = 2",
        ":34: time_zone: invalid type: integer `2`, expected a string",
    );
    check("\"KWD\"", "\"kwd\"", ":33: \"kwd\" is no currency of ISO 4217 with minor units, such as \"GBP\"");
    check(
        "name = \"casino\"",
        "name = \"default\"",
        ":32: the domain name \"default\" has been used on line 28 already",
    );
    for dots in [".", ".."] {
        check(
            "name = \"casino\"",
            &format!("name = \"{dots}\""),
            &format!(":32: the domain name \"{dots}\" can't be named in a path, where its accounts are"),
        );
    }
    check("name = \"casino\"", "name = \"\"", ":32: the domain name is empty");
    check(
        "name = \"casino\"",
        "name = \"a/b\"",
        ":32: the domain name \"a/b\" has a slash, which ends it in an account's id",
    );
    let long = "n".repeat(49);
    check(
        "name = \"casino\"",
        &format!("name = \"{long}\""),
        &format!(":32: the domain name \"{long}\" has 49 characters; at most 48 are allowed"),
    );
}

#[test]
fn games_with_a_fault() {
    check("\"11589\"", "\"11588\"", ":6: the game \"11588\" has been used on line 6 already");
    check("\"11589\"", "\"\"", ":6: the game is empty");
    let long = "\u{fc}".repeat(51);
    check("11589", &long, &format!(":6: the game \"{long}\" has 51 characters; at most 50 are allowed"));
    check("games = [\"11588\", \"11589\"]", "", ": games names no game, so that none could be played");
}

#[test]
fn times_out_of_bounds() {
    check("request_ms = 1", "request_ms = 0", ":36: request_ms is 0; it must be 1 to 86400000 milliseconds");
    check(
        "keep_alive_ms = 2",
        "keep_alive_ms = -2",
        ":37: keep_alive_ms is -2; it must be 1 to 86400000 milliseconds",
    );
    check(
        "send_ms = 3",
        "send_ms = 86400001",
        ":38: send_ms is 86400001; it must be 1 to 86400000 milliseconds",
    );
    check(
        "drain_ms = 86400000",
        "drain_ms = 9223372036854775807",
        ":39: drain_ms is 9223372036854775807; it must be 1 to 86400000 milliseconds",
    );
    check(
        "session_idle_ms = 5",
        "session_idle_ms = 0",
        ":40: session_idle_ms is 0; it must be 1 to 86400000 milliseconds",
    );
    check(
        "drain_grace_ms = 9",
        "drain_grace_ms = 86400001",
        ":41: drain_grace_ms is 86400001; it must be 0 to 86400000 milliseconds",
    );
}

#[test]
fn numbers_of_rounds_and_storage() {
    check(
        "retention_ms = 6",
        "retention_ms = 0",
        ":44: retention_ms is 0; it must be 1 to 316224000000 milliseconds",
    );
    check(
        "reserve_mib = 7",
        "reserve_mib = -1",
        ":47: reserve_mib is -1; it must be 0 to 1099511627776 mebibytes",
    );
    check(
        "snapshot_segments = 8",
        "snapshot_segments = 1025",
        ":48: snapshot_segments is 1025; it must be 1 to 1024 segments",
    );
    check(
        "budget_mib = 256",
        "budget_mib = 31",
        ":57: budget_mib is 31; it must be 32 to 1099511627776 mebibytes",
    );
}

#[test]
fn budgets() {
    /// The budgets of the server and the two platforms, where these lines stand in their sections.
    #[track_caller]
    fn check_budgets(server: &str, second: &str, expect: (u64, [u32; 2])) {
        let text = WHOLE.replace("request_ms = 1", &format!("request_ms = 1\n{server}"));
        let file =
            read(text.replace("describe_errors", &format!("{second}\ndescribe_errors")).as_bytes()).unwrap();
        let platforms = [&file.platforms[0], &file.platforms[1]].map(|platform| platform.budget_ms);
        assert_eq!((file.timeouts.budget_ms, platforms), expect, "{server} {second}");
    }
    check_budgets("", "", (1_000, [1_000, 1_000]));
    check_budgets("budget_ms = 1", "", (1, [1, 1]));
    check_budgets("", "budget_ms = 1", (1_000, [1_000, 1]));
    check_budgets("budget_ms = 300", "budget_ms = 86400000", (300, [300, 86_400_000]));
    check_budgets("budget_ms = 86400000", "budget_ms = 1", (86_400_000, [86_400_000, 1]));
    check("send_ms = 3", "budget_ms = 0", ":38: budget_ms is 0; it must be 1 to 86400000 milliseconds");
    check(
        "send_ms = 3",
        "budget_ms = 86400001",
        ":38: budget_ms is 86400001; it must be 1 to 86400000 milliseconds",
    );
    check(
        "send_ms = 3",
        "budget_ms = 1.5",
        ":38: budget_ms: invalid type: floating point `1.5`, expected a whole number",
    );
    check(
        "strict_rounds = true",
        "budget_ms = -1",
        ":21: budget_ms is -1; it must be 1 to 86400000 milliseconds",
    );
    check(
        "strict_rounds = true",
        "budget_ms = \"1s\"",
        ":21: budget_ms: invalid type: string \"1s\", expected a whole number",
    );
}

#[test]
fn files_without_a_section() {
    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(read(text.as_bytes()).err().unwrap().to_string(), expect);
    }
    check("", "f.toml: no [[domain]] is defined; an account is always of a domain");
    check(
        "[[domain]]\nname = \"d\"\ncurrency = \"GBP\"",
        "f.toml: no [[platform]] is defined; without one nobody could call",
    );
}

#[test]
fn one_more_than_there_may_be() {
    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(read(text.as_bytes()).err().unwrap().to_string(), expect);
    }
    let domain = |n: usize| format!("[[domain]]\nname = \"d{n}\"\ncurrency = \"GBP\"\n");
    let platform = |n: usize| {
        format!("[[platform]]\nkey = \"L{n}\"\nuser = \"u{n}\"\npassword = \"p\"\ndomains = [\"d0\"]\n")
    };
    let games = |count: usize| {
        let ids: Vec<String> = (0..count).map(|n| format!("\"{n}\"")).collect();
        format!("games = [{}]\n", ids.join(","))
    };
    let whole = |games_count: usize, platforms: usize, domains: usize| {
        let platforms: String = (0..platforms).map(platform).collect();
        let domains: String = (0..domains).map(domain).collect();
        format!("{}{platforms}{domains}", games(games_count))
    };
    read(whole(limits::GAMES_MAX, limits::PLATFORMS_MAX, limits::DOMAINS_MAX).as_bytes()).unwrap();
    check(&whole(limits::GAMES_MAX + 1, 1, 1), "f.toml:1: more than 65536 games");
    check(&whole(1, limits::PLATFORMS_MAX + 1, 1), "f.toml:323: more than 64 platforms");
    check(&whole(1, 1, limits::DOMAINS_MAX + 1), "f.toml:3080: more than 1024 domains");
}

/// The archive is below the data directory and for ever, unless the file says otherwise.
#[test]
fn where_the_archive_is_and_for_how_long() {
    let storage = "[storage]\n";
    for (line, path, days) in [
        ("", None, None),
        ("archive = \"/srv/archive\"\n", Some("/srv/archive"), None),
        ("archive_days = 0\n", None, Some(0)),
        ("archive_days = 36525\n", None, Some(36_525)),
    ] {
        let text = WHOLE.replacen(storage, &format!("{storage}{line}"), 1);
        let file =
            ConfigFile::check("purser.toml".as_ref(), text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((file.archive, file.storing.archive_days), (path.map(Into::into), days), "{line}");
    }
    check("[storage]\n", "[storage]\narchive = \"\"\n", ":47: archive is empty; it names a directory");
    let sentence = ":47: archive_days is 36526; it must be 0 to 36525 days";
    check("[storage]\n", "[storage]\narchive_days = 36526\n", sentence);
}

#[test]
fn a_section_is_no_list() {
    for (section, list) in [
        ("[timeouts]\nrequest_ms = 1\nkeep_alive_ms = 2", "timeouts = [1, 2]"),
        ("[rounds]\nretention_ms = 6", "rounds = [6]"),
        ("[storage]\nreserve_mib = 7\nsnapshot_segments = 8", "storage = [7, 8]"),
        ("[memory]\nbudget_mib = 256", "memory = [256]"),
    ] {
        let name = list.split(' ').next().unwrap();
        let text = WHOLE.replacen(section, "", 1);
        let error = read(format!("{list}\n{text}").as_bytes()).err().expect(list).to_string();
        assert_eq!(error, format!("f.toml:1: {name} is a section: its keys and their values"));
    }
    let platform = "[[platform]]\nkey = \"L100\"\nuser = \"user1\"\npassword = \"a password\"";
    let one = WHOLE.split_once(platform).unwrap().0;
    let text = format!("{one}platform = [[\"L100\", \"user1\", \"a password\", [\"default\"]]]");
    let error = read(text.as_bytes()).err().unwrap().to_string();
    assert_eq!(error, "f.toml:8: platform is a section: its keys and their values");
}
