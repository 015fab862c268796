//! Requests, times and states in words, each on one line.

use std::fmt::Write as _;

use wallet::account::{AccountStatus, Gender, Profile};
use wallet::amount::Money;
use wallet::image::AccountImage;
use wallet::operation::{Direction, Member, Operation, RecallRound};
use wallet::outcome::LineKind;
use wallet::restriction::{ByPeriod, Restrictions};
use wallet::settings::Settings;
use wallet::{Currency, Millis};

/// A time of day, UTC, with milliseconds.
pub(crate) fn time(at_ms: Millis) -> String {
    let known = i64::try_from(at_ms).ok().and_then(|at_ms| jiff::Timestamp::from_millisecond(at_ms).ok());
    known.map_or_else(|| format!("{at_ms} ms after 1970"), |at| format!("{at:.3}"))
}

/// The text with its control characters escaped: what a platform has sent does not write to a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Minor units as a decimal with exactly the currency's digits.
pub(crate) fn decimal(minor: i128, currency: Currency) -> String {
    let digits = u32::from(currency.minor_digits());
    let unit = 10_u128.pow(digits);
    let (sign, minor) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    let mut text = format!("{sign}{}", minor / unit);
    if digits > 0 {
        let _ = write!(text, ".{:0width$}", minor % unit, width = digits as usize);
    }
    text
}

/// The same with the currency's code.
pub(crate) fn money(minor: i128, currency: Currency) -> String {
    format!("{} {}", decimal(minor, currency), currency.code())
}

/// The type of a transaction, as exports and the operator's statement have it.
pub(crate) const fn type_of(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Play(kind) => kind.name(),
        LineKind::Credit => "credit",
        LineKind::Deposit => "deposit",
        LineKind::Withdrawal => "withdrawal",
    }
}

/// Whether the operation is this transaction, or takes it back.
pub(crate) fn concerns(operation: &Operation<&str>, id: &str) -> bool {
    let is_it = |member| matches!(member, Member::Transaction(of) | Member::Original(of) if of == id);
    operation.members().into_iter().any(is_it)
}

/// The members that move nothing, as the JSON object that they are kept as.
pub(crate) fn details_of<'a>(operation: &'a Operation<&str>) -> Option<&'a str> {
    operation.members().into_iter().find_map(|member| match member {
        Member::Details(details) => Some(details),
        _ => None,
    })
}

/// What was asked. `currency` is the account's; an operation may name its own.
pub(crate) fn request(operation: &Operation<&str>, mut currency: Currency) -> String {
    if let Operation::RecallRound(RecallRound { round, .. }) = operation {
        return format!("round {} comes back out of the history, before it is changed", plain(&round.id));
    }
    let mut text = operation.words().0.to_owned();
    for member in operation.members() {
        let _ = match member {
            Member::PlayKind(kind) => write!(text, "{}", kind.name()),
            Member::Direction(Direction::In) => write!(text, "deposit"),
            Member::Direction(Direction::Out) => write!(text, "withdrawal"),
            Member::Key(key) => write!(text, " session {}", plain(key)),
            Member::Round(id) => write!(text, " round {}", plain(id)),
            Member::Transaction(id) => write!(text, " transaction {}", plain(id)),
            Member::Currency(named) => {
                currency = named;
                Ok(())
            }
            Member::Amount(amount) => write!(text, " {}", money(amount.minor().into(), currency)),
            Member::Money(amount) => write!(text, " {}", money_asked(amount, currency)),
            Member::Original(id) => write!(text, ", of bet {}", plain(id)),
            Member::CreditType(id) => write!(text, ", type {}", plain(id)),
            Member::Game(id) => write!(text, ", game {}", plain(id)),
            // A record of version 0.1.0 has its place in the configuration of that time.
            Member::Platform(platform) => write!(text, ", platform {}", plain(&platform.to_string())),
            Member::StartsRound => write!(text, ", starts the round"),
            Member::EndsRound => write!(text, ", ends the round"),
            Member::Profile(profile) => write!(text, " {}", profile_words(profile)),
            Member::Status(status) => write!(text, " {}", status_words(status)),
            Member::Limits(limits) => {
                write!(text, " {}", limits_words(limits, |limit| money_asked(*limit, currency)))
            }
            Member::UsedAt(at_ms) => write!(text, ", last used {}", time(at_ms)),
            Member::Account(_) | Member::Details(_) => Ok(()),
        };
    }
    text
}

fn money_asked(amount: Money, currency: Currency) -> String {
    let minor = amount.in_minor_units(currency);
    minor.map_or_else(|| format!("{amount:?}"), |minor| money(minor.minor().into(), currency))
}

fn profile_words(profile: &Profile) -> String {
    let mut text = format!("country {}", profile.country_code());
    let texts =
        [("user name", &profile.user_name), ("display name", &profile.display_name), ("city", &profile.city)];
    for (name, value) in texts {
        if let Some(value) = value {
            let _ = write!(text, ", {name} {:?}", value.as_str());
        }
    }
    if let Some(born) = profile.born {
        let _ = write!(text, ", born {:04}-{:02}-{:02}", born.year, born.month, born.day);
    }
    if let Some(gender) = profile.gender {
        text += if gender == Gender::Female { ", F" } else { ", M" };
    }
    text
}

const fn status_words(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Frozen => "frozen",
    }
}

fn limits_words<A>(limits: &Restrictions<A>, amount: impl Fn(&A) -> String) -> String {
    let Restrictions { stake, wager, loss, session_minutes } = limits;
    let of_periods = |name: &'static str, periods: &ByPeriod<A>| {
        let ByPeriod { day, week, month } = periods;
        [("day", day), ("week", week), ("month", month)]
            .map(|(period, limit)| limit.as_ref().map(|limit| format!("{name} a {period} {}", amount(limit))))
    };
    let stake = stake.as_ref().map(|limit| format!("stake {}", amount(limit)));
    let session = session_minutes.map(|minutes| format!("session {minutes} min"));
    let of_wager_and_loss = of_periods("wager", wager).into_iter().chain(of_periods("loss", loss));
    let all: Vec<String> =
        std::iter::once(stake).chain(of_wager_and_loss).chain([session]).flatten().collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

/// An account as it is at `now_ms`; so many of the transactions that are remembered have left memory.
pub(crate) fn state(
    image: &AccountImage,
    past: usize,
    currency: Currency,
    settings: &Settings,
    now_ms: Millis,
) -> String {
    let live = |until: Option<Millis>| until.is_none_or(|until_ms| now_ms < until_ms);
    let sessions = image
        .sessions
        .iter()
        .map(|session| (!session.endless).then(|| session.used_ms.saturating_add(settings.session_idle_ms)));
    let open = image.rounds.iter().filter(|round| round.state == 1).count();
    let transactions = image.rounds.iter().flat_map(|round| &round.transactions);
    let mut text = format!(
        "{}, {}, version {}; live sessions {}, open rounds {open}, transactions remembered {}",
        if image.frozen { "frozen" } else { "active" },
        money(image.cash.into(), currency),
        image.version,
        sessions.filter(|until| live(*until)).count(),
        transactions.filter(|known| known.number > 0).count() + past
    );
    let [stake, day, week, month, loss_day, loss_week, loss_month] = image.limits;
    let limits = Restrictions {
        stake,
        wager: ByPeriod { day, week, month },
        loss: ByPeriod { day: loss_day, week: loss_week, month: loss_month },
        session_minutes: image.session_minutes,
    };
    if limits != Restrictions::none() {
        let words = limits_words(&limits, |limit| money((*limit).into(), currency));
        let _ = write!(text, "; limits {words}");
    }
    text
}
