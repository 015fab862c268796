use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use api::Manners;

/// A file that has nothing wrong.
const FILE: &str = r#"
listen = "127.0.0.2:1000"
operator_listen = "127.0.0.2:1001"
data = "from-file"
operator_token = "s3cret"
session_token = "wrapped"
games = ["11588"]

[[platform]]
key = "L100"
user = "user"
password = "password"
domains = ["default"]

[[domain]]
name = "default"
currency = "EUR"

[timeouts]
send_ms = 7
"#;

fn purser(arguments: &str) -> Result<Command, Error> {
    from_args(std::iter::once("purser").chain(arguments.split_whitespace()))
}

/// Like [`purser`], with `FILE` in the arguments standing for a file of this text.
fn purser_with(arguments: &str, file: &str) -> Result<Command, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("purser.toml");
    fs::write(&path, file).unwrap();
    purser(&arguments.replace("FILE", path.to_str().unwrap()))
}

fn fault(result: Result<Command, Error>) -> String {
    match result {
        Err(Error::Refused(sentence)) => sentence,
        Err(Error::NoCommand(_)) => panic!("no command was seen"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[track_caller]
fn served(result: Result<Command, Error>) -> Config {
    match result {
        Ok(Command::Serve(config)) => *config,
        Ok(_) => panic!("another command"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn refusals() {
    #[track_caller]
    fn check(arguments: &str, expect: &str) {
        let sentence = fault(purser(arguments));
        assert!(sentence.contains(expect), "{arguments}: {sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    }
    check("foo", "unrecognized subcommand 'foo'");
    check("servee", "did you mean serve?");
    check("server", "did you mean serve?");
    check("serve --foo", "unexpected argument '--foo'");
    check("serve --liste 1", "did you mean --listen?");
    check("serve --listen", "a value is required for '--listen <ADDRESS>'");
    check("serve --listen localhost:1", "\"localhost:1\" is not an IP address and port");
    check("serve --operator-listen 127.0.0.1", "\"127.0.0.1\" is not an IP address and port");
    check("serve --shards 0", "0 is not in 1 to 64");
    check("serve --shards 65", "65 is not in 1 to 64");
    check("serve --shards 1..=3", "invalid value '1..=3' for '--shards <N>'");
    check("serve --cores 0,x", "\"x\" is neither a core's number");
    check("serve --session-token once", "[possible values: single-use, wrapped]");
    check("serve --demo --demo", "cannot be used multiple times");
    check("serve --demo stray", "unexpected argument 'stray'");
    check("serve --demo --data=", "--data <DIR>");
    check("doctor --demo", "unexpected argument '--demo'");
    check("serve", "give --config FILE, or --demo");
    check("serve --demo-accounts 1", "--demo-accounts is of use with --demo alone");
    check("serve --demo --demo-accounts 10000001", "10000001 is not in 0 to 10000000");
    check("serve --demo --after-pause --rebase-clock", "cannot be used with '--rebase-clock'");
    check("serve --demo --config x.toml", "--demo and --config exclude each other");
    check("serve --config /nowhere/x.toml", "/nowhere/x.toml can't be read: No such file or directory");
    check("serve --config /", "can't be read: Is a directory");
    check("serve --config /dev/zero", "has more than");
    check("serve --demo --cores 1023", "names core 1023, but this process may run on");
    check("doctor --cores 1023", "names core 1023, but this process may run on");
    check("serve --demo --listen 0.0.0.0:1", "0.0.0.0:1 is none");
    check("serve --demo --listen 192.0.2.1:1", "192.0.2.1:1 is none");
    check("serve --demo --listen [::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1 is none");
    check("serve --demo --operator-listen [::]:1", "[::]:1 is none");
    check("serve --demo --listen 127.0.0.1:9817", "overlap");
    check("serve --demo --listen [::ffff:127.0.0.1]:9817", "overlap");
    check("serve --demo --listen 0.0.0.0:9817", "overlap");
    check("serve --demo --listen 127.0.0.1:80 --operator-listen 127.0.0.1:80", "127.0.0.1:80 overlap");
}

#[test]
fn refusals_of_what_the_file_holds() {
    #[track_caller]
    fn check(arguments: &str, file: &str, expect: &str) {
        let sentence = fault(purser_with(arguments, file));
        assert!(sentence.contains(expect), "{arguments}: {sentence}");
    }
    check(
        "serve --config FILE",
        &FILE.replace("EUR", "EUX"),
        "purser.toml:17: \"EUX\" is no currency of ISO 4217 with minor units",
    );
    check("serve --config FILE --demo-accounts 1", FILE, "with --demo alone");
    check("serve --config FILE --listen 127.0.0.2:1001", FILE, "overlap");
    let without_token = FILE.replace("operator_token = \"s3cret\"", "");
    let open = "serve --config FILE --operator-listen 0.0.0.0:1";
    check(open, &without_token, "set operator_token in the file");
    check(&open.replace("0.0.0.0", "192.0.2.1"), &without_token, "192.0.2.1:1 can be reached from elsewhere");
}

#[test]
fn what_the_operator_says_of_the_time() {
    #[track_caller]
    fn check(arguments: &str, expect: Confirmed) {
        assert_eq!(served(purser(arguments)).confirmed, expect);
    }
    check("serve --demo", Confirmed::Nothing);
    check("serve --demo --after-pause", Confirmed::Pause);
    check("serve --demo --rebase-clock", Confirmed::Rebase);
}

#[test]
fn control_characters_stay_on_the_line() {
    let sentence = fault(from_args(["purser", "serve", "--config", "/no\nwhere\u{1b}"]));
    assert!(sentence.contains(r"/no\nwhere\u{1b} can't be read"), "{sentence}");
}

/// The policies of session tokens, as the platforms' calls are read and as the wallet knows them, which is the same.
#[track_caller]
fn policies(config: &Config) -> Vec<TokenPolicy> {
    for platform in &config.platforms {
        let known = config.catalog.platforms().find(|(key, _)| *key == platform.key);
        assert_eq!(known, Some((platform.key, platform.dialect)));
    }
    config.platforms.iter().map(|platform| platform.dialect.token_policy).collect()
}

#[test]
fn what_the_demo_serves() {
    let config = served(purser("serve --demo --shards 3"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:9816");
    assert_eq!(config.operator_listen.to_string(), "127.0.0.1:9817");
    assert_eq!(config.data, Path::new("./purser-data"));
    assert_eq!(config.cores.len(), 3);
    assert_eq!(config.operator_token.as_deref(), Some("demo"));
    assert_eq!(config.timeouts, Timeouts::default());
    assert_eq!(config.demo, Some(Demo { accounts: 10_000 }));
    let [platform] = &config.platforms[..] else { panic!("one platform") };
    let l100 = PlatformKey::new("L100").unwrap();
    assert_eq!((platform.key, &*platform.user, &*platform.password), (l100, "admin", "admin"));
    assert_eq!(platform.manners, Manners { describe_errors: true, unauthorized_401: false });
    let domain = config.catalog.domain("default").unwrap();
    assert_eq!(domain.currency.code(), "GBP");
    assert!(domain.platforms.contains(&l100));
    assert!(config.catalog.has_game("11588"));
    assert_eq!(policies(&config), [TokenPolicy::SingleUse]);

    let config = served(purser("serve --demo --demo-accounts 0 --session-token wrapped --listen [::1]:0"));
    assert_eq!(config.demo, Some(Demo { accounts: 0 }));
    assert_eq!(policies(&config), [TokenPolicy::Wrapped]);
    assert_eq!(config.listen.to_string(), "[::1]:0");
}

#[test]
fn the_command_line_wins_over_the_file() {
    #[track_caller]
    fn check(arguments: &str, listen: &str, operator: &str, data: &str, policy: TokenPolicy) {
        let config = served(purser_with(arguments, FILE));
        assert_eq!(config.listen.to_string(), listen);
        assert_eq!(config.operator_listen.to_string(), operator);
        assert_eq!(config.data, Path::new(data));
        assert_eq!(policies(&config), [policy]);
        assert_eq!(config.operator_token.as_deref(), Some("s3cret"));
        assert_eq!(config.timeouts, Timeouts { send_ms: 7, ..Timeouts::default() });
        assert_eq!(config.demo, None);
    }
    check("serve --config FILE", "127.0.0.2:1000", "127.0.0.2:1001", "from-file", TokenPolicy::Wrapped);
    check(
        "serve --config FILE --listen 0.0.0.0:5 --operator-listen 0.0.0.0:6 --data d --session-token single-use",
        "0.0.0.0:5",
        "0.0.0.0:6",
        "d",
        TokenPolicy::SingleUse,
    );
    // Port 0 is any free port, so that two of them do not meet.
    check(
        "serve --config FILE --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0",
        "127.0.0.1:0",
        "127.0.0.1:0",
        "from-file",
        TokenPolicy::Wrapped,
    );
}

/// A platform's own policy stands above the server's, wherever that comes from.
#[test]
fn a_platforms_tokens_are_its_own_matter() {
    let second = r#"
[[platform]]
key = "L200"
user = "second"
password = "second"
domains = ["default"]
session_token = "POLICY"
"#;
    for (own, expect) in [("single-use", TokenPolicy::SingleUse), ("wrapped", TokenPolicy::Wrapped)] {
        let file = format!("{FILE}{}", second.replace("POLICY", own));
        for (flag, server) in
            [("", TokenPolicy::Wrapped), (" --session-token single-use", TokenPolicy::SingleUse)]
        {
            let config = served(purser_with(&format!("serve --config FILE{flag}"), &file));
            assert_eq!(policies(&config), [server, expect], "{own}{flag}");
        }
    }
}

#[test]
fn the_file_in_the_papers() {
    let paper = include_str!("../../../docs/configuration.md");
    let file = paper.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let config = served(purser_with("serve --config FILE", file));
    assert!(config.operator_token.is_some());
    // The sentence that the paper shows is what a slip in that file gives.
    let sentence = fault(purser_with("serve --config FILE", &file.replace("GBP", "GBX")));
    let (_, sentence) = sentence.rsplit_once('/').unwrap();
    assert!(paper.contains(&format!("purser: {sentence}\n")), "{sentence}");
}

#[test]
fn defaults_where_neither_says_anything() {
    let file = FILE.split_once("games").map(|(_, rest)| format!("games{rest}")).unwrap();
    let config = served(purser_with("serve --config FILE", &file));
    assert_eq!(config.listen, LISTEN);
    assert_eq!(config.operator_listen, OPERATOR_LISTEN);
    assert_eq!(config.data, Path::new(DATA));
    assert_eq!(policies(&config), [TokenPolicy::SingleUse]);
    assert_eq!(config.operator_token, None);
    let allowed = cores::allowed().unwrap();
    assert_eq!(config.cores, cores::place(None, None, &allowed, quota::own()).unwrap());
}

#[test]
fn what_costs_speed_is_noted() {
    #[track_caller]
    fn check(cores: &[usize], quota_percent: Option<u64>, expect: &[&str]) {
        let mut config = served(purser("serve --demo"));
        config.cores = cores.to_vec();
        config.quota = quota_percent.and_then(|percent| Quota::of(percent, 100));
        let notes = config.notes();
        let heads: Vec<&str> = notes.iter().map(|note| note.split_once(": ").unwrap().0).collect();
        assert_eq!(heads, expect);
    }
    check(&[0], None, &[]);
    check(&[0, 1, 2], None, &[]);
    check(&[1, 1], None, &["2 shards share the cores 1"]);
    check(&[1, 0, 1], None, &["3 shards share the cores 0-1"]);
    check(&[0], Some(100), &[]);
    check(&[0, 1], Some(250), &[]);
    check(&[0], Some(50), &["1 shard on a CPU quota of 0.5"]);
    check(&[0, 1], Some(150), &["2 shards on a CPU quota of 1.5"]);
    check(&[1, 1], Some(150), &["2 shards share the cores 1", "2 shards on a CPU quota of 1.5"]);
}

#[test]
fn budgets_of_memory() {
    let file = format!("{FILE}\n[memory]\nbudget_mib = 100\n");
    let of = |arguments: &str, file: &str| served(purser_with(arguments, file)).memory;
    let default = of("serve --config FILE", FILE);
    assert_eq!(default.bytes, default.found.budget());
    assert_eq!(of("serve --config FILE", &file).bytes, 100 * MIB);
    assert_eq!(of("serve --config FILE --memory-budget-mib 200", &file).bytes, 200 * MIB);
    assert_eq!(of("serve --config FILE --memory-budget-mib=1099511627776", FILE).bytes, 1 << 60);
    for refused in ["31", "1099511627777", "-1", "1.5", "much"] {
        let sentence = fault(purser(&format!("serve --demo --memory-budget-mib={refused}")));
        assert!(sentence.contains("--memory-budget-mib"), "{sentence}");
    }
    let mut config = served(purser("serve --demo --cores 0"));
    for (bytes, cgroup, expect) in [
        (100, None, None),
        (200, Some(200), None),
        (201, None, Some("the budget of memory is 201 MiB, and the machine has 200: ")),
        (100, Some(99), Some("the budget of memory is 100 MiB, and the cgroup has 99: ")),
    ] {
        let found = MemoryFound { machine: 200 * MIB, cgroup: cgroup.map(|mib: u64| mib * MIB) };
        config.memory = MemoryBudget { bytes: bytes * MIB, found };
        config.quota = None;
        let notes = config.notes();
        match expect {
            None => assert_eq!(notes, [""; 0]),
            Some(head) => assert!(matches!(&notes[..], [note] if note.starts_with(head)), "{notes:?}"),
        }
    }
}

#[test]
fn texts_that_are_asked_for() {
    #[track_caller]
    fn check(arguments: &str, expect: &str) {
        match purser(arguments) {
            Ok(Command::Print(text)) => assert!(text.contains(expect), "{text}"),
            _ => panic!("{arguments} prints nothing"),
        }
    }
    check("--help", "doctor");
    check("serve --help", "--demo-accounts");
    check("help serve", "--demo-accounts");
    check("doctor -h", "--cores");
    check("--version", env!("CARGO_PKG_VERSION"));
    for shell in ["bash", "zsh", "fish"] {
        check(&format!("completions {shell}"), "operator-listen");
    }
    check("man", "purser\\-serve(1)");
    check("man serve", "\\fB\\-\\-operator\\-listen\\fR");
    assert!(fault(purser("man nothing")).contains("no command \"nothing\""));
    let Err(Error::NoCommand(help)) = purser("") else { panic!("a command out of nothing") };
    assert!(help.contains("Usage: purser <COMMAND>"), "{help}");
}

#[test]
fn doctors_arguments() {
    let Ok(Command::Doctor(args)) = purser("doctor --data d --shards 2") else { panic!("not the doctor") };
    assert_eq!(args.data, Path::new("d"));
    assert_eq!(args.cores.len(), 2);
}

#[test]
fn data_directories() {
    #[track_caller]
    fn check(path: &Path, expect: Result<bool, &str>) {
        match (prepare_data_dir(path), expect) {
            (Ok(made), Ok(expect)) => {
                assert_eq!(made, expect, "whether it was made");
                assert_eq!(path.read_dir().unwrap().count(), 0, "the probe is removed");
            }
            (Err(error), Err(part)) => {
                let sentence = error.to_string();
                assert!(sentence.contains(part) && sentence.contains(path.to_str().unwrap()), "{sentence}");
            }
            (got, _) => panic!("{}: {got:?}", path.display()),
        }
    }
    let root = tempfile::tempdir().unwrap();
    let new = root.path().join("a/b");
    check(&new, Ok(true));
    assert_eq!(new.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    check(&new, Ok(false));
    // What a killed process left is in nobody's way, be it a link to somewhere else.
    let target = root.path().join("target");
    std::os::unix::fs::symlink(&target, new.join(format!(".purser-probe-{}", std::process::id()))).unwrap();
    check(&new, Ok(false));
    assert!(!target.exists());

    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    check(&file, Err("is not a directory"));
    check(&file.join("below"), Err("can't be created: Not a directory"));
    check(Path::new("/proc/purser"), Err("can't be created"));
    check(Path::new("/proc"), Err("can't be written to"));
}
