//! Calls that move money, as text, and the answers that are due to them (protocol §4).
//!
//! A row of a test names a call and what it is answered with; the body is made of the protocol's text, not of
//! the server's code.

use partition::Partition;
use testkit::client::{Answer, Client};
use testkit::message::{ADMIN, DEMO_TOKEN, body, operator, post};
use wallet::account::{AccountRef, KeyHash};

use crate::{DEMO_ACCOUNTS, demo};

/// A platform's call, member by member.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    pub(crate) path: &'static str,
    pub(crate) members: Vec<(&'static str, String)>,
    platform_key: &'static str,
    /// The credentials' line of the head.
    fields: String,
    /// `OperatorTransactionReference` of its success, where that has one.
    reference: Option<String>,
    /// `CashAmount` of its success, where that has one.
    stake: Option<String>,
    currency: &'static str,
}

impl Play {
    /// With this JSON text as the member's value, instead of another or beside the others.
    pub(crate) fn set(mut self, name: &'static str, json: impl Into<String>) -> Self {
        self.members.retain(|(known, _)| *known != name);
        self.members.push((name, json.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.members.retain(|(known, _)| *known != name);
        self
    }

    /// With another string as the member's value.
    pub(crate) fn text(self, name: &'static str, value: &str) -> Self {
        self.set(name, format!("\"{value}\""))
    }

    /// Of this stake, which has the currency's digits.
    pub(crate) fn stakes(mut self, amount: &str) -> Self {
        self.stake = Some(amount.into());
        self.set("Amount", amount)
    }

    /// By another platform than the demo's.
    pub(crate) fn by(mut self, platform_key: &'static str, fields: &str) -> Self {
        self.platform_key = platform_key;
        self.fields = fields.into();
        self
    }

    /// Of a round that it does not open.
    pub(crate) fn goes_on(self) -> Self {
        self.set("StartRound", "false")
    }

    pub(crate) fn ends(self) -> Self {
        self.set("EndRound", "true")
    }

    /// The members behind the envelope.
    pub(crate) fn inside(&self) -> String {
        let members: Vec<String> =
            self.members.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        members.join(",")
    }

    pub(crate) fn full_path(&self) -> String {
        format!("/v1.0/{}", self.path)
    }

    pub(crate) fn request(&self) -> String {
        post(&self.full_path(), &self.fields, &body(self.platform_key, &self.inside()))
    }

    /// What it is answered with where the account's funds are told.
    pub(crate) fn answered(&self, code: i32, cash: &str, version: u64) -> String {
        let funds = funds(self.currency, cash, version);
        match (&self.reference, &self.stake) {
            _ if code != 0 => format!(r#"{{"ErrorCode":{code},{funds}}}"#),
            (None, _) => format!(r#"{{"ErrorCode":0,{funds}}}"#),
            (Some(id), None) => {
                format!(r#"{{"ErrorCode":0,"Result":{{"OperatorTransactionReference":"{id}"}},{funds}}}"#)
            }
            (Some(id), Some(stake)) => {
                let zero = zero(self.currency);
                format!(
                    r#"{{"ErrorCode":0,"Result":{{"OperatorTransactionReference":"{id}","OperatorTransactionSplit":{{"BonusAmount":{zero},"CashAmount":{stake}}}}},{funds}}}"#
                )
            }
        }
    }
}

const fn zero(currency: &str) -> &str {
    match currency.as_bytes() {
        b"JPY" => "0",
        b"KWD" => "0.000",
        _ => "0.00",
    }
}

/// The member `Balance`.
pub(crate) fn funds(currency: &str, cash: &str, version: u64) -> String {
    let zero = zero(currency);
    format!(
        r#""Balance":{{"CurrencyCode":"{currency}","CashFunds":{cash},"BonusFunds":{zero},"FundsPriority":"Unknown","Version":{version}}}"#
    )
}

/// Who plays.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    pub(crate) account: String,
    pub(crate) key: String,
    pub(crate) currency: &'static str,
}

impl Player {
    pub(crate) fn new(account: &str, key: &str, currency: &'static str) -> Self {
        Self { account: account.into(), key: key.into(), currency }
    }

    /// A demo account.
    pub(crate) fn demo(number: u32) -> Self {
        Self::new(&format!("default/player-{number:06}"), &format!("demo-{number:06}"), "GBP")
    }

    fn call(&self, path: &'static str, reference: Option<&str>) -> Play {
        Play {
            path,
            members: Vec::new(),
            platform_key: "L100",
            fields: ADMIN.into(),
            reference: reference.map(str::to_owned),
            stake: None,
            currency: self.currency,
        }
        .text("OperatorAccountID", &self.account)
        .text("CurrencyCode", self.currency)
    }

    fn in_round(&self, path: &'static str, round: &str, id: &str, amount: &str) -> Play {
        self.call(path, Some(id))
            .text("GatewaySessionToken", &self.key)
            .text("GameRoundID", round)
            .text("GameRoundTransactionID", id)
            .text("GameID", "11588")
            .set("Amount", amount)
            .set("EndRound", "false")
    }

    /// A bet that starts its round. `amount` has the currency's digits, as its answer has.
    pub(crate) fn bet(&self, round: &str, id: &str, amount: &str) -> Play {
        let mut bet = self.in_round("gameround/placebet", round, id, amount).set("StartRound", "true");
        bet.stake = Some(amount.into());
        bet
    }

    /// Winnings of a round that is there.
    pub(crate) fn win(&self, round: &str, id: &str, amount: &str) -> Play {
        self.in_round("gameround/awardwinnings", round, id, amount).set("StartRound", "false")
    }

    pub(crate) fn rollback(&self, round: &str, id: &str, bet: &str, amount: &str) -> Play {
        self.in_round("gameround/rollbackbet", round, id, amount)
            .text("OriginalBetGameRoundTransactionID", bet)
    }

    pub(crate) fn void(&self, round: &str, id: &str, amount: &str) -> Play {
        self.in_round("gameround/voidbet", round, id, amount)
    }

    pub(crate) fn end(&self, round: &str) -> Play {
        self.call("gameround/end", None)
            .text("GatewaySessionToken", &self.key)
            .text("GameRoundID", round)
            .text("GameID", "11588")
    }

    pub(crate) fn credit(&self, id: &str, amount: &str) -> Play {
        self.call("accounttransaction/credit", Some(id))
            .text("AccountTransactionID", id)
            .text("AccountTransactionTypeID", "900")
            .set("Amount", amount)
    }

    pub(crate) fn alert(&self, data: &str) -> Play {
        self.call("alertwalletcallbacknotification", None)
            .without("CurrencyCode")
            .text("GatewaySessionToken", &self.key)
            .text("Source", "Gameflex")
            .text("AlertActionID", "1")
            .text("OperatorAlertActionReference", "2")
            .text("OperatorAlertReference", "3")
            .text("GamingRegulatorCode", "UKGC")
            .text("Type", "RealityCheck")
            .text("Method", "Popup")
            .text("Data", data)
    }

    pub(crate) fn balance(&self) -> Play {
        self.call("balance", None).without("CurrencyCode")
    }
}

/// Demo players such that, among two shards, each has each: accounts with keys of their own shard and of the other.
/// As many of each kind as there are, the kinds in the order of their shards.
pub(crate) fn demo_players() -> [Vec<Player>; 4] {
    let partition = Partition::new(2);
    let mut found = [const { Vec::new() }; 4];
    for player in (1..=DEMO_ACCOUNTS).map(Player::demo) {
        let account = partition.owner(AccountRef::new(player.account.as_str()).hash().slot());
        let key = partition.owner(KeyHash::of(&player.key).slot());
        found[2 * account.index() + key.index()].push(player);
    }
    assert!(found.iter().all(|kind| kind.len() > 20));
    found
}

/// A platform's connection, the operator's, and a player with 1,000,000.00 and one live session.
pub(crate) struct Table<'s> {
    pub(crate) client: &'s mut Client,
    pub(crate) operator: &'s mut Client,
    pub(crate) token: &'static str,
    pub(crate) player: Player,
    /// Others, of each kind of [`demo_players`].
    pub(crate) others: Vec<Player>,
}

impl Table<'_> {
    /// The call is answered with this code and the account's funds.
    #[track_caller]
    pub(crate) fn row(&mut self, play: &Play, code: i32, cash: &str, version: u64) {
        self.is_answered(play, &play.answered(code, cash, version));
    }

    /// The call is answered with this code alone.
    #[track_caller]
    pub(crate) fn denied(&mut self, play: &Play, code: i32) {
        self.is_answered(play, &format!(r#"{{"ErrorCode":{code}}}"#));
    }

    #[track_caller]
    fn is_answered(&mut self, play: &Play, expect: &str) {
        let request = play.request();
        let answer = self.client.ask(&request);
        assert_eq!((answer.status, answer.body.as_str()), (200, expect), "{request}");
        assert_eq!(answer.field("Content-Type"), Some("application/json"));
        assert_eq!(answer.field("Connection"), None);
    }

    /// A call of the operator's about the player's account: `METHOD` and what follows its path.
    #[track_caller]
    pub(crate) fn operate(&mut self, asked: &str, body: &str) -> Answer {
        let (method, tail) = asked.split_once(' ').unwrap_or((asked, ""));
        let path = format!("/operator/v1/accounts/{}{tail}", self.player.account);
        self.operator.ask(&operator(method, &path, self.token, body))
    }

    #[track_caller]
    pub(crate) fn is_done(&mut self, asked: &str, body: &str) {
        let answer = self.operate(asked, body);
        assert!(matches!(answer.status, 200 | 201), "{asked} {body}: {answer:?}");
    }

    #[track_caller]
    pub(crate) fn freeze(&mut self) {
        self.is_done("PUT /status", r#"{"Status":"frozen"}"#);
    }

    #[track_caller]
    pub(crate) fn thaw(&mut self) {
        self.is_done("PUT /status", r#"{"Status":"active"}"#);
    }

    #[track_caller]
    pub(crate) fn log_out(&mut self) {
        let key = self.player.key.clone();
        self.is_done(&format!("DELETE /sessions/{key}"), "");
    }

    #[track_caller]
    pub(crate) fn limit(&mut self, limits: &str) {
        self.is_done("PUT /limits", limits);
    }
}

/// Plays with 1 shard and with 2, from a connection at each, a fresh player of each kind.
#[track_caller]
pub(crate) fn everywhere(play: impl Fn(&mut Table<'_>, &Player)) {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let operator = &mut server.operator();
        let mut players = demo_players();
        for client in &mut server.clients() {
            for kind in 0..players.len() {
                let player = players[kind].remove(0);
                let others = players.iter_mut().map(|kind| kind.remove(0)).collect();
                let mut table = Table { client, operator, token: DEMO_TOKEN, player: player.clone(), others };
                play(&mut table, &player);
            }
        }
    }
}
