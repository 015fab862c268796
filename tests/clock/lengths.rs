//! A session ends for bets when it is as long as the player allows.

use testkit::home::Home;
use testkit::message::{basic, body, post};

use crate::PURSER;
use crate::machine::{Machine, SECOND};
use crate::player::{Player, code};

const ANNA: Player = Player("default/anna");

/// A platform that is told why it is refused.
const SECOND_PLATFORM: &str = r#"
[[platform]]
key = "L200"
user = "second"
password = "p:w"
domains = ["default"]
describe_errors = true
"#;

#[test]
fn a_session_is_as_long_as_the_player_allows() {
    for shards in [1, 2] {
        let mut home = Home::new(PURSER);
        home.configure(&[("default", "GBP")], SECOND_PLATFORM);
        let machine = Machine::new(home);
        let process = machine.home.start(shards);
        ANNA.join(&process, r#"{"SessionMinutes":5}"#);
        assert_eq!(ANNA.bet(&process, "first", "1.00"), 0);
        assert_eq!(process.stop(), "");
        // Minutes before its end, for a test that takes its time.
        machine.set_clock(3 * 60 * SECOND);
        let process = machine.home.start(shards);
        assert_eq!(ANNA.bet(&process, "within", "1.00"), 0);
        assert_eq!(process.stop(), "");
        machine.set_clock(5 * 60 * SECOND);
        let process = machine.home.start(shards);
        assert_eq!(ANNA.bet(&process, "over", "1.00"), -13);
        let members = format!(
            r#""OperatorAccountID":"{}","GameID":"11588","CurrencyCode":"GBP","GameRoundID":"r","GameRoundTransactionID":"b","Amount":1.00,"GatewaySessionToken":"{}","StartRound":true,"EndRound":true"#,
            ANNA.0,
            ANNA.key()
        );
        let bet = post("/v1.0/gameround/placebet", &basic("second", "p:w"), &body("L200", &members));
        let refused = process.client().ask(&bet);
        assert_eq!(code(&refused.body), -13);
        let description = refused.description.expect("it is described");
        assert!(description.contains("as long as the player allows"), "{description}");
        // It is live, and a bet that was taken is known; another one begins anew.
        assert!(ANNA.has_session(&process));
        assert_eq!(ANNA.bet(&process, "within", "1.00"), 0);
        process.operate("POST default/anna/sessions", &format!(r#"{{"SessionKey":"{}"}}"#, ANNA.key()), 201);
        assert_eq!(ANNA.bet(&process, "over", "1.00"), 0);
        ANNA.check_holds(&process, "97.00");
        assert_eq!(process.stop(), "");
    }
}
