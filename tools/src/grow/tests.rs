use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Alone {
    #[command(flatten)]
    arguments: Arguments,
}

/// The curves that are chosen, or a part of what is said.
#[track_caller]
fn check(words: &str, expect: Result<&[Curve], &str>) {
    let words = std::iter::once("grow").chain(words.split_whitespace());
    let chosen = match Alone::try_parse_from(words) {
        Ok(Alone { arguments }) => chosen(&arguments),
        Err(error) => Err(error.to_string()),
    };
    match (chosen, expect) {
        (Ok(curves), Ok(expect)) => assert_eq!(curves, expect),
        (Err(sentence), Err(expect)) => assert!(sentence.contains(expect), "{sentence}"),
        (chosen, expect) => panic!("{chosen:?} for {expect:?}"),
    }
}

#[test]
fn curves_and_points() {
    use Curve as C;
    check("", Ok(&[C::Connections, C::Accounts, C::Pipeline, C::CrossShard, C::Hot]));
    check("hot connections hot", Ok(&[C::Hot, C::Connections]));
    check("connections --points 1,10 --rounds 1 --duration 1s", Ok(&[C::Connections]));
    check("cross-shard --points 0,100", Ok(&[C::CrossShard]));
    check("accounts --points 10000000", Ok(&[C::Accounts]));
    check("--points 1", Err("--points are of one curve: name it alone"));
    check("hot pipeline --points 1", Err("name it alone"));
    check("connections --points 0", Err("--points 0: those of connections are from 1 to 10000"));
    check("pipeline --points 1,65", Err("--points 65: those of pipeline are from 1 to 64"));
    check("accounts --points 10000001", Err("from 1 to 10000000"));
    check("connections --rounds 0", Err("--rounds"));
    check("connections --duration 5", Err("a duration is written as"));
    check("memory", Err("memory"));
}

/// Every curve's own points are within its bounds, and the generator takes its options.
#[test]
fn points_can_be_played() {
    for curve in Curve::value_variants() {
        for point in curve.points() {
            assert!(curve.bounds().contains(point), "{} at {point}", curve.name());
            for series in curve.series() {
                let mut words = curve.load(*series, *point);
                words.extend(["--operator-url".to_owned(), "http://127.0.0.1:9817".to_owned()]);
                assert_eq!(load::understood(&words), Ok(()), "{words:?}");
            }
        }
    }
}
