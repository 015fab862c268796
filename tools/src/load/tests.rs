use super::parse::with_port;
use super::*;

#[track_caller]
fn check_duration(text: &str, expect_ms: Option<u64>) {
    assert_eq!(parse_duration(text).ok(), expect_ms.map(Duration::from_millis), "{text}");
}

#[test]
fn durations() {
    check_duration("30s", Some(30_000));
    check_duration("10m", Some(600_000));
    check_duration("1h30m", Some(5_400_000));
    check_duration("1m30s", Some(90_000));
    check_duration("500ms", Some(500));
    check_duration("24h", Some(86_400_000));
    check_duration("24h1ms", None);
    check_duration("0s", None);
    check_duration("", None);
    check_duration("30", None);
    check_duration("s", None);
    check_duration("-1s", None);
    check_duration("1.5s", None);
    check_duration("1d", None);
    check_duration("1 s", None);
    check_duration("1€", None);
    check_duration("99999999999999999999s", None);
    check_duration("18446744073709551615h", None);
}

#[track_caller]
fn check_url(url: &str, expect: Option<(&str, &str)>) {
    let parsed = parse_url("--url", url).ok().map(|host| (host, with_port(host)));
    assert_eq!(parsed.as_ref().map(|(host, port)| (*host, port.as_str())), expect, "{url}");
}

#[test]
fn urls() {
    check_url("http://127.0.0.1:9816", Some(("127.0.0.1:9816", "127.0.0.1:9816")));
    check_url("http://127.0.0.1:9816/", Some(("127.0.0.1:9816", "127.0.0.1:9816")));
    check_url("http://wallet.example", Some(("wallet.example", "wallet.example:80")));
    check_url("http://[::1]:9816", Some(("[::1]:9816", "[::1]:9816")));
    check_url("http://[::1]", Some(("[::1]", "[::1]:80")));
    check_url("https://127.0.0.1:9816", None);
    check_url("127.0.0.1:9816", None);
    check_url("http://", None);
    check_url("http://a/v1.0/balance", None);
    check_url("http://user@host", None);
    check_url("http://a b", None);
    check_url("http://a\r\nX: y", None);
}

#[track_caller]
fn check_texts(text: &str, is_user: bool, is_member: bool) {
    assert_eq!((parse_user(text).is_ok(), parse_member(text).is_ok()), (is_user, is_member), "{text}");
}

#[test]
fn texts() {
    check_texts("L100", true, true);
    check_texts("a b", true, true);
    check_texts("a:b", false, true);
    check_texts("a\"b", true, false);
    check_texts("a\\b", true, false);
    check_texts("a\nb", true, false);
    check_texts("é", true, false);
    check_texts("", true, false);
    check_texts(&"x".repeat(51), true, false);
}

/// What is said of options that are read well but do not go together, or of those that are not read.
#[track_caller]
fn check_options(options: &str, expect: Result<(), &str>) {
    let words: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let said = understood(&words);
    match expect {
        Ok(()) => assert_eq!(said, Ok(()), "{options}"),
        Err(expect) => {
            let sentence = said.expect_err(options);
            assert!(sentence.contains(expect), "{options}: {sentence}");
        }
    }
}

#[test]
fn options() {
    check_options("", Ok(()));
    check_options("--scenario balance --pipeline 64 --vus 1000", Ok(()));
    check_options("--scenario bet --accounts 10000000", Ok(()));
    check_options("--scenario bet --hot --pipeline 2", Ok(()));
    let across = "--scenario bet --accounts 10000 --cross-shard 25";
    check_options(&format!("{across} --operator-url http://127.0.0.1:9817"), Ok(()));
    check_options(across, Err("--operator-url"));
    check_options("--scenario bet --cross-shard 25 --operator-url http://a", Err("--accounts"));
    check_options("--scenario bet --accounts 1 --cross-shard 101 --operator-url http://a", Err("101"));
    check_options("--scenario bet --accounts 10000001", Err("10000001"));
    check_options("--scenario bet --accounts 10 --hot", Err("--hot"));
    check_options("--scenario balance --pipeline 0", Err("0"));
    check_options("--scenario balance --pipeline 65", Err("65"));
    check_options(
        "--scenario balance --pipeline 64 --vus 1025",
        Err("over 65536 requests under way together"),
    );
    let depends = |option| format!("{option} is for --scenario balance and bet: requests of seed depend on");
    check_options("--pipeline 2", Err(&depends("--pipeline")));
    check_options("--accounts 2", Err(&depends("--accounts")));
    check_options("--hot", Err(&depends("--hot")));
    check_options("--scenario full --hot", Err("requests of full depend on"));
}

#[test]
fn options_of_a_rate_and_a_patience() {
    check_options("--rate 5000", Ok(()));
    check_options("--rate 1 --patience 150ms --request-timeout --refusals-fail", Ok(()));
    check_options("--scenario full --rate 10000000 --vus 16000", Ok(()));
    check_options("--scenario bet --patience 60s --pipeline 4", Ok(()));
    check_options("--operator-url http://127.0.0.1:9817", Ok(()));
    check_options("--rate 0", Err("0"));
    check_options("--rate 10000001", Err("10000001"));
    check_options("--rate 0.5", Err("0.5"));
    check_options("--patience 0ms", Err("a duration is written as"));
    check_options("--patience 150", Err("a duration is written as"));
    check_options("--patience 61s", Err("--patience: at most 60s"));
    check_options("--request-timeout", Err("--patience"));
    check_options("--refusals-fail", Err("--refusals-fail is for --rate and --patience"));
    check_options("--vus 16001", Err("16001"));
}
