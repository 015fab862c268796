//! Requests and answers as they go over HTTP (protocol §1, §3, §4, §6): what a client sends, and what it must read. Texts are
//! plain: nothing in them needs escaping.

use compact_str::CompactString;
use wallet::Currency;
use wallet::account::{AccountStatus, Date, Gender, Profile};
use wallet::amount::{Amount, Money};
use wallet::operation::{Direction, Operation};
use wallet::outcome::{AccountView, Balance, Extras, LineKind, OperatorRefusal, Outcome, Redeemed};
use wallet::outcome::{RoundView, StatementLine};
use wallet::restriction::{ByPeriod, Restrictions};
use wallet::token::TOKEN_CHARS;

use super::rules::Answer;
use super::session::extras;
use crate::client;
use crate::home::TOKEN;
use crate::message::{basic, body, operator, post};

/// What asks for this, of a server that is configured by [`World::configuration`](crate::world::World::configuration).
///
/// # Panics
/// On steps that the machine asks itself for: they are not requests.
pub fn request(operation: &Operation<CompactString>) -> String {
    let (group, call, members) = match operation {
        Operation::Balance(of) => ("", "balance", text("GameID", of.game.as_deref())),
        Operation::CreateToken(of) => ("session/", "createtoken", text("GameID", Some(&of.game))),
        Operation::RedeemToken(of) => {
            let token = text("SessionToken", Some(of.token.write(&mut [0; TOKEN_CHARS])));
            ("session/", "redeemtoken", token + r#","IPAddress":"192.0.2.1""#)
        }
        Operation::Play(of) => {
            let session = text("GatewaySessionToken", of.session.as_deref());
            let original = text("OriginalBetGameRoundTransactionID", of.original.as_deref());
            let id = text("GameRoundTransactionID", Some(&of.transaction));
            let ends = format!(r#","StartRound":{},"EndRound":{}"#, of.starts_round, of.ends_round);
            let round = of_round(&of.round, &of.game, of.details.as_deref());
            let paid = paid(&of.currency, of.amount);
            ("gameround/", of.kind.name(), [session, round, id, original, paid, ends].concat())
        }
        Operation::EndRound(of) => {
            let round = of_round(&of.round, &of.game, of.details.as_deref());
            ("gameround/", "end", round + &text("CurrencyCode", Some(code(&of.currency))))
        }
        Operation::Credit(of) => {
            let id = text("AccountTransactionID", Some(&of.transaction));
            let kind = text("AccountTransactionTypeID", Some(&of.kind));
            ("accounttransaction/", "credit", id + &kind + &paid(&of.currency, of.amount))
        }
        Operation::Alert(of) => ("", "alertwalletcallbacknotification", recorded(Some(&of.details))),
        other => return operators_request(other),
    };
    let key = operation.platform().expect("a platform's call").to_string();
    let members = text("OperatorAccountID", operation.account_id()) + &members;
    post(&format!("/v1.0/{group}{call}"), &basic(&key, &key), &body(&key, &members[1..]))
}

fn operators_request(operation: &Operation<CompactString>) -> String {
    let none = String::new;
    let (method, tail, body) = match operation {
        Operation::PutAccount(of) => ("PUT", none(), format!("{{{}}}", profile(&of.profile))),
        Operation::GetAccount(_) => ("GET", none(), none()),
        Operation::GetStatement(of) => {
            ("GET", format!("/transactions?after={}&limit={}", of.after, of.limit), none())
        }
        Operation::SetStatus(of) => ("PUT", "/status".into(), format!("{{{}}}", status(of.status))),
        Operation::SetLimits(of) => ("PUT", "/limits".into(), limits(&of.limits, number)),
        Operation::Transfer(of) => {
            let tail = if of.direction == Direction::In { "/deposits" } else { "/withdrawals" };
            let amount = format!(r#"{{"Amount":{}"#, number(of.amount));
            let currency = text("CurrencyCode", of.currency.as_ref().map(Currency::code));
            ("POST", tail.into(), amount + &text("TransactionID", Some(&of.transaction)) + &currency + "}")
        }
        Operation::OpenSession(of) => {
            ("POST", "/sessions".into(), format!(r#"{{"SessionKey":"{}"}}"#, of.key))
        }
        Operation::CloseSession(of) => ("DELETE", format!("/sessions/{}", of.key), none()),
        other => panic!("not a request, but a step of one: {other:?}"),
    };
    let account = operation.account_id().expect("each of the operator's calls is about an account");
    operator(method, &format!("/operator/v1/accounts/{account}{tail}"), TOKEN, &body)
}

/// A further member, where there is one.
fn text(name: &str, value: Option<&str>) -> String {
    value.map_or(String::new(), |value| format!(r#","{name}":"{value}""#))
}

fn of_round(round: &str, game: &str, details: Option<&str>) -> String {
    text("GameRoundID", Some(round)) + &text("GameID", Some(game)) + &recorded(details)
}

/// The members of an object, as further ones.
fn recorded(object: Option<&str>) -> String {
    object.map_or(String::new(), |object| format!(",{}", object.trim_matches(['{', '}'])))
}

fn paid(currency: &Option<Currency>, amount: Amount) -> String {
    // What has no currency is refused for that.
    let digits = currency.map_or(2, Currency::minor_digits);
    format!(r#","CurrencyCode":"{}","Amount":{}"#, code(currency), decimal(amount, digits))
}

/// One that is not listed stands for none.
fn code(currency: &Option<Currency>) -> &str {
    currency.as_ref().map_or("---", Currency::code)
}

fn number(money: Money) -> String {
    let (digits, exponent) = money.parts();
    format!("{digits}e{exponent}")
}

fn decimal(amount: Amount, digits: u8) -> String {
    let digits = usize::from(digits);
    let minor = format!("{:0>width$}", amount.minor(), width = digits + 1);
    let (whole, part) = minor.split_at(minor.len() - digits);
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

fn status(status: AccountStatus) -> &'static str {
    if status == AccountStatus::Frozen { r#""Status":"frozen""# } else { r#""Status":"active""# }
}

/// Limits, as they are set and shown.
fn limits<A: Copy>(limits: &Restrictions<A>, money: impl Fn(A) -> String) -> String {
    let object = |members: &[Option<String>]| {
        format!("{{{}}}", members.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(","))
    };
    let limit = |name: &str, most: Option<A>| most.map(|most| format!(r#""{name}":{}"#, money(most)));
    let periods = |name: &str, ByPeriod { day, week, month }: ByPeriod<A>| {
        let periods = object(&[limit("Day", day), limit("Week", week), limit("Month", month)]);
        (periods != "{}").then(|| format!(r#""{name}":{periods}"#))
    };
    let minutes = limits.session_minutes.map(|minutes| format!(r#""SessionMinutes":{minutes}"#));
    let (wager, loss) = (periods("Wager", limits.wager), periods("Loss", limits.loss));
    object(&[limit("Stake", limits.stake), wager, loss, minutes])
}

fn profile(profile: &Profile) -> String {
    format!(r#""CountryCode":"{}"{}"#, profile.country_code(), person("", &extras(profile)))
}

fn person(prefix: &str, extras: &Extras<CompactString>) -> String {
    let born = |Date { year, month, day }: Date| format!("{year:04}-{month:02}-{day:02}T00:00:00");
    let gender = |gender: Gender| if gender == Gender::Female { "F" } else { "M" };
    text(&format!("{prefix}UserName"), extras.user_name.as_deref())
        + &text(&format!("{prefix}DisplayName"), extras.display_name.as_deref())
        + &text("City", extras.city.as_deref())
        + &text("DateOfBirth", extras.born.map(born).as_deref())
        + &text("Gender", extras.gender.map(gender))
}

/// Whether a client was told what it must be, but for times, whose values it can't know, and the sentence of an error.
pub(super) fn is_told(told: &client::Answer, demanded: &Answer) -> bool {
    let (status, body) = answer(demanded);
    told.status == status && (status >= 400 || without_times(&told.body).as_deref() == Some(&body))
}

/// `None` where a time is not as long as one.
fn without_times(body: &str) -> Option<String> {
    const NAME: &str = r#"At":""#;
    let mut parts = body.split(NAME);
    let first = parts.next()?.to_owned();
    let mut rest = parts.map(|part| part.get("2021-06-07T11:16:16.216Z".len()..));
    rest.try_fold(first, |text, rest| Some(text + NAME + rest?))
}

/// The status and the body of an answer; times are left out.
pub(super) fn answer(answer: &Answer) -> (u16, String) {
    let body = match answer {
        Outcome::Balance(balance) | Outcome::Noted(balance) => {
            format!(r#"{{"ErrorCode":0{}}}"#, funds(balance))
        }
        Outcome::Token(token) => {
            let token = token.write(&mut [0; TOKEN_CHARS]).to_owned();
            format!(r#"{{"ErrorCode":0,"Result":{{"SessionToken":"{token}"}}}}"#)
        }
        Outcome::Redeemed(Redeemed { account, key, currency, country, extras }) => {
            let (currency, country) = (currency.code(), str::from_utf8(country).expect("letters"));
            let person = extras.as_ref().map_or(String::new(), |extras| person("Operator", extras));
            format!(
                r#"{{"ErrorCode":0,"Result":{{"OperatorAccountID":"{account}","CurrencyCode":"{currency}","CountryCode":"{country}","GatewaySessionToken":"{key}"{person}}}}}"#
            )
        }
        Outcome::Done { reference, staked, balance } => {
            let [none, all] = [Amount::ZERO, staked.unwrap_or(Amount::ZERO)]
                .map(|amount| decimal(amount, balance.currency.minor_digits()));
            let split = format!(r#","OperatorTransactionSplit":{{"BonusAmount":{none},"CashAmount":{all}}}"#);
            let (split, funds) = (if staked.is_some() { &split } else { "" }, funds(balance));
            format!(
                r#"{{"ErrorCode":0,"Result":{{"OperatorTransactionReference":"{reference}"{split}}}{funds}}}"#
            )
        }
        Outcome::Refused { code, balance, .. } => {
            let funds = balance.as_ref().map_or(String::new(), funds);
            format!(r#"{{"ErrorCode":{}{funds}}}"#, code.number())
        }
        Outcome::AccountPut { created } => return (if *created { 201 } else { 200 }, "{}".to_owned()),
        Outcome::Account(view) => account(view),
        Outcome::StatusSet(is) => format!("{{{}}}", status(*is)),
        Outcome::Transferred(balance) => format!("{{{}}}", &funds(balance)[1..]),
        Outcome::LimitsSet { limits: are, currency } => {
            limits(are, |amount| decimal(amount, currency.minor_digits()))
        }
        Outcome::Statement(page) => {
            let lines = list(&page.lines, |line| self::line(line, page.currency));
            let (more, from) = (page.more, page.complete_from);
            format!(r#"{{"Transactions":{lines},"More":{more},"CompleteFrom":{from}}}"#)
        }
        Outcome::SessionOpened { key } => return (201, format!(r#"{{"GatewaySessionToken":"{key}"}}"#)),
        Outcome::SessionClosed => "{}".to_owned(),
        Outcome::OperatorRefused(why) => return (refusal(*why), String::new()),
        other => panic!("nobody is to be told {other:?}, and wrapped tokens tell a time"),
    };
    (200, body)
}

const fn refusal(why: OperatorRefusal) -> u16 {
    use OperatorRefusal as Is;
    match why {
        Is::WrongCurrency | Is::NotMoney => 400,
        Is::NoAccount | Is::NoDomain | Is::NoSession => 404,
        Is::KeyTaken | Is::TransactionConflict => 409,
        Is::InsufficientFunds | Is::TooMuch => 422,
        Is::TryAgain | Is::Forgetting | Is::ShardFull => 503,
    }
}

/// `Balance`, as a further member.
fn funds(balance: &Balance) -> String {
    let [cash, bonus] =
        [balance.cash, Amount::ZERO].map(|amount| decimal(amount, balance.currency.minor_digits()));
    let (code, version) = (balance.currency.code(), balance.version);
    format!(
        r#","Balance":{{"CurrencyCode":"{code}","CashFunds":{cash},"BonusFunds":{bonus},"FundsPriority":"Unknown","Version":{version}}}"#
    )
}

fn account(view: &AccountView) -> String {
    let money = |amount| decimal(amount, view.balance.currency.minor_digits());
    let round = |RoundView { platform, id, game, staked, returned, orphan, .. }: &RoundView| {
        let (game, staked, returned) = (text("GameID", game.as_deref()), money(*staked), money(*returned));
        format!(
            r#"{{"GameRoundID":"{id}","PlatformKey":"{platform}"{game},"Staked":{staked},"Returned":{returned},"Orphan":{orphan},"LastAt":""}}"#
        )
    };
    let sessions = list(&view.sessions, |session| {
        format!(r#"{{"GatewaySessionToken":"{}","StartedAt":"","LastUsedAt":""}}"#, session.key)
    });
    let (rounds, count) = (list(&view.open_rounds, round), view.open_rounds_count);
    let alerts = list(&view.alerts, |alert| format!(r#"{{"At":"","Alert":{}}}"#, alert.details));
    let (id, profile, status, funds) =
        (&view.id, profile(&view.profile), status(view.status), funds(&view.balance));
    let limits = limits(&view.limits, money);
    format!(
        r#"{{"OperatorAccountID":"{id}",{profile},{status}{funds},"Limits":{limits},"Sessions":{sessions},"OpenRounds":{rounds},"OpenRoundsCount":{count},"Alerts":{alerts}}}"#
    )
}

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(","))
}

fn line(line: &StatementLine, currency: Currency) -> String {
    let kind = match line.kind {
        LineKind::Play(kind) => kind.name(),
        LineKind::Credit => "credit",
        LineKind::Deposit => "deposit",
        LineKind::Withdrawal => "withdrawal",
    };
    let (number, id, code) = (line.number, &line.transaction, currency.code());
    let [amount, after] =
        [line.amount, line.balance_after].map(|amount| decimal(amount, currency.minor_digits()));
    let platform = text(
        "PlatformKey",
        Some(&line.platform.to_string()).filter(|key| !key.is_empty()).map(String::as_str),
    );
    let (round, game) = (text("GameRoundID", line.round.as_deref()), text("GameID", line.game.as_deref()));
    let original = text("OriginalBetGameRoundTransactionID", line.original.as_deref());
    let rolled_back = if line.rolled_back { r#","RolledBack":true"# } else { "" };
    let moved_nothing = if line.moved_nothing { r#","MovedNothing":true"# } else { "" };
    format!(
        r#"{{"Number":{number},"Type":"{kind}"{platform}{round}{game},"TransactionID":"{id}"{original},"Amount":{amount},"CurrencyCode":"{code}","BalanceAfter":{after},"At":""{rolled_back}{moved_nothing}}}"#
    )
}
