//! A player with one account, who plays.

use testkit::home::Server;
use testkit::message::{bet, create_token, play, redeem_token};

use crate::machine::times_in;

/// An account that a test plays with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Player(pub(crate) &'static str);

impl Player {
    /// Opens the account with 100.00, a session, and these limits.
    #[track_caller]
    pub(crate) fn join(self, process: &Server, limits: &str) {
        let Self(account) = self;
        process.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
        process.operate(
            &format!("POST {account}/sessions"),
            &format!(r#"{{"SessionKey":"{}"}}"#, self.key()),
            201,
        );
        process.operate(&format!("POST {account}/deposits"), r#"{"TransactionID":"d","Amount":100.00}"#, 200);
        process.operate(&format!("PUT {account}/limits"), limits, 200);
    }

    /// The session's key.
    pub(crate) fn key(self) -> String {
        self.0.replace('/', "-")
    }

    /// A bet of a round that it begins and ends; the answer's code.
    #[track_caller]
    pub(crate) fn bet(self, process: &Server, round: &str, amount: &str) -> i32 {
        code(&process.client().ask(&bet(self.0, &self.key(), round, amount, true)).body)
    }

    /// The end of a round; the answer's code.
    #[track_caller]
    pub(crate) fn end(self, process: &Server, round: &str) -> i32 {
        code(&process.client().ask(&play("end", self.0, round, "")).body)
    }

    /// A single-use token.
    #[track_caller]
    pub(crate) fn token(self, process: &Server) -> String {
        let answer = process.client().ask(&create_token(self.0)).body;
        let (_, rest) =
            answer.split_once(r#""SessionToken":""#).unwrap_or_else(|| panic!("no token: {answer}"));
        rest.split('"').next().expect("its end").to_owned()
    }

    /// Whether there is a live session, which this does not renew.
    pub(crate) fn has_session(self, process: &Server) -> bool {
        code(&process.client().ask(&create_token(self.0)).body) == 0
    }

    /// The account holds this much.
    #[track_caller]
    pub(crate) fn check_holds(self, process: &Server, pounds: &str) {
        let account = process.operate(&format!("GET {}", self.0), "", 200);
        assert!(account.contains(&format!(r#""CashFunds":{pounds},"#)), "{pounds}: {account}");
    }

    /// The times of the account's transactions.
    #[track_caller]
    pub(crate) fn statement(self, process: &Server) -> Vec<i64> {
        times_in(&process.operate(&format!("GET {}/transactions", self.0), "", 200))
    }
}

/// A token is redeemed with this code.
#[track_caller]
pub(crate) fn check_redeems(process: &Server, token: &str, expect: i32) {
    let answer = process.client().ask(&redeem_token(token)).body;
    assert_eq!(code(&answer), expect, "{token}: {answer}");
}

/// The `ErrorCode` of an answer.
#[track_caller]
pub(crate) fn code(answer: &str) -> i32 {
    let rest = answer.strip_prefix(r#"{"ErrorCode":"#).unwrap_or_else(|| panic!("no code: {answer}"));
    let number = rest.split([',', '}']).next().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("no code: {answer}"))
}
