//! What an export writes, and what is new since.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Field;
use testkit::home::Home;

use crate::{KEY, PURSER, call, check, check_contains, demo, lived, masked, members, play};

/// The lines of an export, whose checkpoint comes last.
#[track_caller]
fn export(data: &Path, arguments: &[&str]) -> Vec<String> {
    let text = check("export", data, arguments, 0);
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    let last = lines.pop().expect("there is a line");
    assert!(last.starts_with("purser: checkpoint: purser-export-1 generation 1 stream "), "{last}");
    lines
}

#[test]
fn exports() {
    let (_home, data) = lived();
    let json: Vec<String> = export(&data, &[]).iter().map(|line| masked(line)).collect();
    assert_eq!(
        json,
        [
            r#"{"account":"default/admin","number":1,"type":"placebet","round":"r-1","transaction":"b-1","amount":1.50,"currency":"GBP","balance_after":999998.50,"at":"TIME","rolled_back":true,"moved_nothing":false,"platform":"L100","game":"11588","original":null,"free_game_offer":null,"free_bet_offer":null,"decision":0}"#,
            r#"{"account":"default/admin","number":2,"type":"rollbackbet","round":"r-1","transaction":"k-1","amount":1.50,"currency":"GBP","balance_after":1000000.00,"at":"TIME","rolled_back":false,"moved_nothing":false,"platform":"L100","game":"11588","original":"b-1","free_game_offer":null,"free_bet_offer":null,"decision":0}"#,
            r#"{"account":"default/admin","number":3,"type":"rollbackbet","round":"r-1","transaction":"k-2","amount":1.50,"currency":"GBP","balance_after":1000000.00,"at":"TIME","rolled_back":false,"moved_nothing":true,"platform":"L100","game":"11588","original":"b-1","free_game_offer":null,"free_bet_offer":null,"decision":0}"#,
            r#"{"account":"default/admin","number":4,"type":"awardwinnings","round":"r-2","transaction":"w-1","amount":2.00,"currency":"GBP","balance_after":1000002.00,"at":"TIME","rolled_back":false,"moved_nothing":false,"platform":"L100","game":"11588","original":null,"free_game_offer":null,"free_bet_offer":null,"decision":0}"#,
            r#"{"account":"default/admin","number":5,"type":"deposit","round":null,"transaction":"d-1","amount":10.00,"currency":"GBP","balance_after":1000012.00,"at":"TIME","rolled_back":false,"moved_nothing":false,"platform":null,"game":null,"original":null,"free_game_offer":null,"free_bet_offer":null,"decision":0}"#,
        ]
    );
    let csv: Vec<String> = export(&data, &["--format", "csv"]).iter().map(|line| masked(line)).collect();
    assert_eq!(
        csv,
        [
            "account,number,type,round,transaction,amount,currency,balance_after,at,rolled_back,moved_nothing,platform,game,original,free_game_offer,free_bet_offer,decision",
            "default/admin,1,placebet,r-1,b-1,1.50,GBP,999998.50,TIME,true,false,L100,11588,,,,0",
            "default/admin,2,rollbackbet,r-1,k-1,1.50,GBP,1000000.00,TIME,false,false,L100,11588,b-1,,,0",
            "default/admin,3,rollbackbet,r-1,k-2,1.50,GBP,1000000.00,TIME,false,true,L100,11588,b-1,,,0",
            "default/admin,4,awardwinnings,r-2,w-1,2.00,GBP,1000002.00,TIME,false,false,L100,11588,,,,0",
            "default/admin,5,deposit,,d-1,10.00,GBP,1000012.00,TIME,false,false,,,,,,0",
        ]
    );
}

/// The same as Parquet: amounts are whole numbers of minor units.
#[test]
fn an_export_as_parquet() {
    let (home, data) = lived();
    let output = home.look("export", &["--format", "parquet"]);
    assert!(output.status.success());
    let path = home.beside("export.parquet");
    fs::write(&path, &output.stdout).expect("there is room");
    let reader = SerializedFileReader::try_from(path.as_path()).expect("it is Parquet");
    let rows: Vec<Vec<(String, Field)>> = reader
        .get_row_iter(None)
        .expect("it has rows")
        .map(|row| row.expect("a row").into_columns())
        .collect();
    assert_eq!(rows.len(), export(&data, &[]).len());
    let column = |name: &str| -> Vec<&Field> {
        rows.iter()
            .map(|row| &row.iter().find(|(of, _)| of == name).expect("the column is there").1)
            .collect()
    };
    let longs = |name: &str| -> Vec<i64> {
        let long =
            |field: &Field| if let Field::Long(value) = field { *value } else { panic!("{name}: {field:?}") };
        column(name).into_iter().map(long).collect()
    };
    assert_eq!(longs("number"), [1, 2, 3, 4, 5]);
    assert_eq!(longs("amount_minor"), [150, 150, 150, 200, 1_000]);
    assert_eq!(
        longs("balance_after_minor"),
        [99_999_850, 100_000_000, 100_000_000, 100_000_200, 100_001_200]
    );
    assert!(column("minor_digits").iter().all(|digits| **digits == Field::Int(2)));
    assert!(column("at").iter().all(|at| matches!(at, Field::TimestampMillis(_))));
    let words = |name: &str| column(name).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words("original"), ["null", "\"b-1\"", "\"b-1\"", "null", "null"]);
    assert_eq!(words("rolled_back"), ["true", "false", "false", "false", "false"]);
    assert_eq!(words("platform"), ["\"L100\"", "\"L100\"", "\"L100\"", "\"L100\"", "null"]);
}

/// What is new since an earlier export follows once, whether the checkpoint was kept in a file or is given as it is.
#[test]
fn what_is_new_is_exported() {
    let home = demo();
    let data = home.data();
    let server = home.start(2);
    play(&server, 2);
    // A path may have a space.
    let kept = home.beside("last checkpoint").display().to_string();
    let first = check("export", &data, &["--checkpoint", &kept], 0);
    assert_eq!(first.lines().count(), 32, "{first}");
    let nothing = check("export", &data, &["--since", &kept], 0);
    assert_eq!(nothing.lines().count(), 1, "{nothing}");
    let given = nothing.trim_start_matches("purser: checkpoint: ").trim_end().to_owned();
    assert_eq!(fs::read_to_string(&kept).expect("it is there").trim_end(), given);
    let bet = members(
        "default/admin",
        "r-9",
        "b-9",
        "1.00",
        &format!(
            r#","GatewaySessionToken":"{KEY}","StartRound":true,"EndRound":false,"FreeBetOfferCode":"spring""#
        ),
    );
    assert!(call(&server, "gameround/placebet", &bet).starts_with(r#"{"ErrorCode":0"#));
    for since in [&kept, &given] {
        let new = export(&data, &["--since", since]);
        assert_eq!(new.len(), 1, "{new:?}");
        check_contains(&new[0], r#""transaction":"b-9""#);
        check_contains(&new[0], r#""free_game_offer":null,"free_bet_offer":"spring","decision":0}"#);
    }
    server.stop();
    for (since, code, sentence) in [
        ("no checkpoint", 2, "purser: the checkpoint no checkpoint can't be read: "),
        ("purser-export-9 x", 2, "purser: --since: it is no checkpoint"),
        (
            &*given.replace("generation 1", "generation 2"),
            1,
            "the checkpoint is of generation 2, and generation 1 is served",
        ),
        (&*given.replace("stream ", "stream f"), 2, "it is no checkpoint"),
    ] {
        check_contains(&check("export", &data, &["--since", since], code), sentence);
    }
    let missing = home.beside("missing").display().to_string();
    check_contains(&check("export", &data, &["--since", &missing], 2), "the checkpoint ");
}

/// A library that writes down what a process syncs and renames, where it is preloaded.
#[track_caller]
pub(crate) fn sync_writer(home: &Home) -> PathBuf {
    let library = home.beside("syncs.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/inspect/syncs.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().is_ok_and(|status| status.success()), "{compiler:?}");
    library
}

/// Lines are durable before the checkpoint that leaves them out from then on, and the checkpoint's name is when the export ends.
#[test]
fn a_checkpoint_comes_after_its_lines() {
    let (home, data) = lived();
    let library = sync_writer(&home);
    let directory = fs::canonicalize(home.beside("")).expect("it is there");
    let [lines, kept, log] = ["lines", "kept", "log"].map(|name| directory.join(name));
    let mut purser = Command::new(PURSER);
    purser.args(["export", "--data"]).arg(&data).arg("--checkpoint").arg(&kept);
    purser.env("LD_PRELOAD", &library).env("PURSER_TEST_SYNCS", &log);
    let output = purser.stdout(File::create(&lines).expect("there is room")).status().expect("it runs");
    assert!(output.success());
    let new = directory.join("kept.new");
    let expect = format!(
        "sync {}\nsync {}\nrename {}\nsync {}\n",
        lines.display(),
        new.display(),
        kept.display(),
        directory.display()
    );
    assert_eq!(fs::read_to_string(&log).expect("it is there"), expect);
}

/// Whoever no longer reads wants no more lines; but an export that is to write a checkpoint, and has not, has failed.
#[test]
fn a_checkpoint_that_is_not_written_is_told_of() {
    let (home, data) = lived();
    let kept = home.beside("kept").display().to_string();
    fs::write(&kept, "as it was").expect("there is room");
    for (arguments, code) in [(&[][..], 0), (&["--checkpoint", &kept], 1)] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut purser = Command::new(PURSER);
        purser.args(["export", "--data"]).arg(&data).args(arguments).stdout(writer);
        let output = purser.stderr(Stdio::piped()).spawn().and_then(|purser| purser.wait_with_output());
        let output = output.expect("it runs");
        let words = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{words}");
        assert_eq!(words.contains("no checkpoint is written to"), code == 1, "{words}");
    }
    assert_eq!(fs::read_to_string(&kept).expect("it is there"), "as it was");
}
