//! What the operator is shown: an account, its limits, its statement (protocol §6).

use super::{write_amount, write_balance, write_optional, write_person, write_status};
use crate::forms::{write_instant, write_number};
use crate::text::write_string;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use wallet::amount::Amount;
use wallet::currency::Currency;
use wallet::operation::PlayKind;
use wallet::outcome::{AccountView, AlertView, LineKind, RoundView, SessionView, Statement, StatementLine};
use wallet::platform::PlatformKey;
use wallet::restriction::{ByPeriod, Restrictions};

/// The account as `GET` shows it. A date of birth has the form that it has in `redeemtoken`.
pub(super) fn write_account(account: &AccountView, body: &mut Vec<u8>) {
    let AccountView { id, profile, status, balance, limits, sessions, .. } = account;
    body.extend_from_slice(b"{\"OperatorAccountID\":");
    write_string(id, body);
    body.extend_from_slice(b",\"CountryCode\":");
    write_string(profile.country_code(), body);
    write_optional(b",\"UserName\":", profile.user_name.as_deref(), body);
    write_optional(b",\"DisplayName\":", profile.display_name.as_deref(), body);
    write_optional(b",\"City\":", profile.city.as_deref(), body);
    write_person(profile.born, profile.gender, body);
    body.push(b',');
    write_status(*status, body);
    body.extend_from_slice(b",\"Balance\":");
    write_balance(balance, body);
    body.extend_from_slice(b",\"Limits\":");
    write_limits(limits, balance.currency, body);
    body.extend_from_slice(b",\"Sessions\":");
    write_list(sessions, body, write_session);
    body.extend_from_slice(b",\"OpenRounds\":");
    write_list(&account.open_rounds, body, |round, body| write_round(round, balance.currency, body));
    body.extend_from_slice(b",\"OpenRoundsCount\":");
    write_number(account.open_rounds_count as u64, body);
    body.extend_from_slice(b",\"Alerts\":");
    write_list(&account.alerts, body, write_alert);
    body.push(b'}');
}

/// A JSON list, each item by `write`.
fn write_list<T>(items: &[T], body: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    body.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        write(item, body);
    }
    body.push(b']');
}

fn write_session(session: &SessionView, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"GatewaySessionToken\":");
    write_string(&session.key, body);
    body.extend_from_slice(b",\"StartedAt\":\"");
    write_instant(session.started_ms, body);
    body.extend_from_slice(b"\",\"LastUsedAt\":\"");
    write_instant(session.used_ms, body);
    body.extend_from_slice(b"\"}");
}

fn write_round(round: &RoundView, currency: Currency, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"GameRoundID\":");
    write_string(&round.id, body);
    write_platform(round.platform, body);
    write_optional(b",\"GameID\":", round.game.as_deref(), body);
    body.extend_from_slice(b",\"Staked\":");
    write_amount(round.staked, currency, body);
    body.extend_from_slice(b",\"Returned\":");
    write_amount(round.returned, currency, body);
    body.extend_from_slice(if round.orphan { b",\"Orphan\":true" } else { b",\"Orphan\":false" });
    body.extend_from_slice(b",\"LastAt\":\"");
    write_instant(round.last_ms, body);
    body.extend_from_slice(b"\"}");
}

/// A further member, where it is a platform's.
fn write_platform(platform: PlatformKey, body: &mut Vec<u8>) {
    if platform != PlatformKey::NONE {
        body.extend_from_slice(b",\"PlatformKey\":");
        write_string(&platform.to_string(), body);
    }
}

/// An alert. Its members are an object already.
fn write_alert(alert: &AlertView, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"At\":\"");
    write_instant(alert.at_ms, body);
    body.extend_from_slice(b"\",\"Alert\":");
    body.extend_from_slice(alert.details.as_bytes());
    body.push(b'}');
}

/// Limits in the shape in which they are set; what is not limited is left out.
pub(super) fn write_limits(limits: &Restrictions<Amount>, currency: Currency, body: &mut Vec<u8>) {
    let start = body.len();
    write_limit("Stake", limits.stake, currency, start, body);
    for (name, ByPeriod { day, week, month }) in [("Wager", limits.wager), ("Loss", limits.loss)] {
        if day.is_none() && week.is_none() && month.is_none() {
            continue;
        }
        write_name(name, start, body);
        let start = body.len();
        write_limit("Day", day, currency, start, body);
        write_limit("Week", week, currency, start, body);
        write_limit("Month", month, currency, start, body);
        body.push(b'}');
    }
    if let Some(minutes) = limits.session_minutes {
        write_name("SessionMinutes", start, body);
        write_number(u64::from(minutes), body);
    }
    if body.len() == start {
        body.push(b'{');
    }
    body.push(b'}');
}

fn write_limit(name: &str, limit: Option<Amount>, currency: Currency, start: usize, body: &mut Vec<u8>) {
    if let Some(limit) = limit {
        write_name(name, start, body);
        write_amount(limit, currency, body);
    }
}

/// The name of a member of the object that begins at `start` of `body`, and what stands before it.
fn write_name(name: &str, start: usize, body: &mut Vec<u8>) {
    body.push(if body.len() == start { b'{' } else { b',' });
    write_string(name, body);
    body.push(b':');
}

/// A page of the statement.
pub(super) fn write_statement(statement: &Statement, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"Transactions\":");
    write_list(&statement.lines, body, |line, body| write_line(line, statement.currency, body));
    body.extend_from_slice(if statement.more { b",\"More\":true" } else { b",\"More\":false" });
    body.extend_from_slice(b",\"CompleteFrom\":");
    write_number(statement.complete_from, body);
    body.push(b'}');
}

fn write_line(line: &StatementLine, currency: Currency, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"Number\":");
    write_number(line.number, body);
    body.extend_from_slice(b",\"Type\":\"");
    body.extend_from_slice(match line.kind {
        LineKind::Play(PlayKind::Bet) => b"placebet".as_slice(),
        LineKind::Play(PlayKind::Win) => b"awardwinnings",
        LineKind::Play(PlayKind::Rollback) => b"rollbackbet",
        LineKind::Play(PlayKind::Void) => b"voidbet",
        LineKind::Credit => b"credit",
        LineKind::Deposit => b"deposit",
        LineKind::Withdrawal => b"withdrawal",
    });
    body.push(b'"');
    write_platform(line.platform, body);
    write_optional(b",\"GameRoundID\":", line.round.as_deref(), body);
    write_optional(b",\"GameID\":", line.game.as_deref(), body);
    body.extend_from_slice(b",\"TransactionID\":");
    write_string(&line.transaction, body);
    write_optional(b",\"OriginalBetGameRoundTransactionID\":", line.original.as_deref(), body);
    body.extend_from_slice(b",\"Amount\":");
    write_amount(line.amount, currency, body);
    body.extend_from_slice(b",\"CurrencyCode\":\"");
    body.extend_from_slice(currency.code().as_bytes());
    body.extend_from_slice(b"\",\"BalanceAfter\":");
    write_amount(line.balance_after, currency, body);
    body.extend_from_slice(b",\"At\":\"");
    write_instant(line.at_ms, body);
    body.push(b'"');
    if line.rolled_back {
        body.extend_from_slice(b",\"RolledBack\":true");
    }
    if line.moved_nothing {
        body.extend_from_slice(b",\"MovedNothing\":true");
    }
    body.push(b'}');
}
