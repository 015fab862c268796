//! The configuration file: TOML tables, checked into the values that the server works with.
//!
//! Every value is kept with its place in the text until it has been checked, so that what serde can't see (a
//! domain that nobody defines, a key that two platforms share) is told with its line as well as a missing
//! quote is.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::Error as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::{Error, Storing, TOKEN_POLICIES, address, reason, token_policy};
use crate::net::Timeouts;
use crate::net::places::Policy as PlacesPolicy;
use api::Platform;
use calendar::Zones;
use connections::RawConnections;
use platforms::{RawPlatform, platforms};
use wallet::{Catalog, Currency, Domain, TokenPolicy};

mod connections;
mod platforms;

mod zones;

/// What the file says. `None` where it leaves the matter to the defaults.
pub(super) struct ConfigFile {
    pub(super) listen: Option<SocketAddr>,
    pub(super) operator_listen: Option<SocketAddr>,
    pub(super) data: Option<PathBuf>,
    pub(super) operator_token: Option<String>,
    pub(super) session_token: Option<TokenPolicy>,
    pub(super) platforms: Vec<Platform>,
    /// The policy of session tokens that each of them has of its own, in their order.
    pub(super) own_policies: Vec<Option<TokenPolicy>>,
    pub(super) catalog: Catalog,
    pub(super) zones: Zones,
    pub(super) timeouts: Timeouts,
    pub(super) places: PlacesPolicy,
    pub(super) drain_grace_ms: u64,
    pub(super) storing: Storing,
    /// MiB.
    pub(super) memory_budget: Option<u64>,
    pub(super) archive: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    listen: Option<Spanned<String>>,
    operator_listen: Option<Spanned<String>>,
    data: Option<Spanned<String>>,
    operator_token: Option<Spanned<SecretText>>,
    session_token: Option<Spanned<String>>,
    #[serde(default)]
    games: Vec<Spanned<String>>,
    #[serde(default)]
    platform: Vec<RawPlatform>,
    #[serde(default)]
    domain: Vec<RawDomain>,
    #[serde(default)]
    timeouts: RawTimeouts,
    #[serde(default)]
    connections: RawConnections,
    #[serde(default)]
    rounds: RawRounds,
    #[serde(default)]
    storage: RawStorage,
    #[serde(default)]
    memory: RawMemory,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDomain {
    name: Spanned<String>,
    currency: Spanned<String>,
    time_zone: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTimeouts {
    request_ms: Option<Spanned<i64>>,
    keep_alive_ms: Option<Spanned<i64>>,
    send_ms: Option<Spanned<i64>>,
    drain_ms: Option<Spanned<i64>>,
    budget_ms: Option<Spanned<i64>>,
    drain_grace_ms: Option<Spanned<i64>>,
    session_idle_ms: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRounds {
    retention_ms: Option<Spanned<i64>>,
    hot_ms: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStorage {
    reserve_mib: Option<Spanned<i64>>,
    snapshot_segments: Option<Spanned<i64>>,
    archive: Option<Spanned<String>>,
    archive_days: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMemory {
    budget_mib: Option<Spanned<i64>>,
}

/// Keys that stand outside of the file's sections.
const TOP_KEYS: [&str; 6] = ["listen", "operator_listen", "data", "operator_token", "session_token", "games"];

/// Sections, and those that may stand there several times.
const SECTIONS: [&str; 5] = ["timeouts", "connections", "rounds", "storage", "memory"];
const LISTED_SECTIONS: [&str; 2] = ["platform", "domain"];

/// A string that no message repeats. serde's own complaint about a password without quotes would print it.
pub(super) struct SecretText(String);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("a secret is a string, in quotes")),
        }
    }
}

impl AsRef<str> for SecretText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl ConfigFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It can't be read, is too large, or has a fault.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |e| {
            Error::refused(format!("the configuration file {} can't be read: {}", path.display(), reason(&e)))
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(limits::CONFIG_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > limits::CONFIG_FILE_BYTES_MAX {
            return Err(Error::refused(format!(
                "the configuration file {} has more than {} bytes",
                path.display(),
                limits::CONFIG_FILE_BYTES_MAX
            )));
        }
        Self::check(path, &bytes)
    }

    /// Reads the text of a file; `path` is its name in messages.
    fn check(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let source = SourceText { path, bytes };
        let text = std::str::from_utf8(bytes)
            .map_err(|e| source.fault(e.valid_up_to()..bytes.len(), "this is not UTF-8"))?;
        let (table, errors) = DeTable::parse_recoverable(text);
        // The reader tells of a missing comma before it tells of a missing quote, which is what caused it.
        if let Some(first) = errors.iter().min_by_key(|e| e.span().map(|span| span.start)) {
            return Err(source.syntax(first));
        }
        sections(&source, table.get_ref())?;
        let raw = RawFile::deserialize(Deserializer::from(table)).map_err(|e| source.syntax(&e))?;

        let (domains, domain_places) = domains(&source, &raw.domain)?;
        let (timeouts, session_idle_ms) = timeouts(&source, &raw.timeouts)?;
        let (platforms, own_policies, served) =
            platforms(&source, &raw.platform, &domain_places, timeouts.budget_ms)?;
        let domains = domains
            .into_iter()
            .zip(served)
            .map(|((name, currency), platforms)| Domain::new(name.to_owned(), currency, platforms));
        let mut catalog = Catalog::new(domains.collect(), games(&source, &raw.games)?);
        catalog.session_idle_ms = session_idle_ms;
        catalog.retention_ms = retention(&source, &raw.rounds)?;
        catalog.hot_ms = hot(&source, &raw.rounds)?;
        Ok(Self {
            listen: listener(&source, "listen", raw.listen.as_ref())?,
            operator_listen: listener(&source, "operator_listen", raw.operator_listen.as_ref())?,
            data: directory(&source, "data", raw.data.as_ref())?,
            operator_token: operator_token(&source, raw.operator_token.as_ref())?,
            session_token: session_token(&source, raw.session_token.as_ref())?,
            platforms,
            own_policies,
            catalog,
            zones: zones::of(&source, &raw.domain)?,
            timeouts,
            places: connections::places(&source, &raw.connections)?,
            drain_grace_ms: drain_grace(&source, &raw.timeouts)?,
            storing: storing(&source, &raw.storage)?,
            memory_budget: memory_budget(&source, &raw.memory)?,
            archive: directory(&source, "archive", raw.storage.archive.as_ref())?,
        })
    }
}

/// Refuses a list in the place of a section: serde would take its values for the section's keys, in the order in which they
/// happen to be declared here.
fn sections(source: &SourceText<'_>, table: &DeTable<'_>) -> Result<(), Error> {
    for (name, value) in table {
        let name = name.get_ref().as_ref();
        let (listed, whole) = match value.get_ref() {
            DeValue::Array(list) if LISTED_SECTIONS.contains(&name) => (&list[..], None),
            _ => (&[][..], SECTIONS.contains(&name).then_some(value)),
        };
        let mut sections = listed.iter().chain(whole);
        if let Some(other) = sections.find(|section| !section.get_ref().is_table()) {
            return Err(source.fault(other.span(), format!("{name} is a section: its keys and their values")));
        }
    }
    Ok(())
}

/// The text that is read, to say where in it a fault lies.
struct SourceText<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl SourceText<'_> {
    /// The line, from 1, that `span` starts on.
    fn line(&self, span: &Range<usize>) -> usize {
        let start = span.start.min(self.bytes.len());
        1 + self.bytes[..start].iter().filter(|&&b| b == b'\n').count()
    }

    /// The key whose value begins at `start`, where it stands on the same line.
    fn key(&self, start: usize) -> Option<&str> {
        let before = self.bytes.get(..start)?.rsplit(|&b| b == b'\n').next()?;
        let (keys, _) = std::str::from_utf8(before).ok()?.rsplit_once('=')?;
        let key = keys.split(|c: char| c.is_whitespace() || "{,".contains(c)).rfind(|key| !key.is_empty())?;
        // Of a string with an equals sign in it nothing is told.
        key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)).then_some(key)
    }

    fn fault(&self, span: Range<usize>, sentence: impl AsRef<str>) -> Error {
        Error::refused(format!("{}:{}: {}", self.path.display(), self.line(&span), sentence.as_ref()))
    }

    /// A fault of the file as a whole.
    fn lacking(&self, sentence: &str) -> Error {
        Error::refused(format!("{}: {sentence}", self.path.display()))
    }

    /// What the TOML reader or serde has found, in words of this file where theirs are of Rust's types.
    fn syntax(&self, error: &toml::de::Error) -> Error {
        let sentence = error.message();
        let mut sentence = sentence
            .replace("expected i64", "expected a whole number")
            .replace("expected a sequence", "expected a list");
        if let Some(length) = sentence.find(", expected nothing") {
            sentence.truncate(length);
        }
        let place = error.span().unwrap_or_default();
        let text = self.bytes.get(place.clone()).map(String::from_utf8_lossy).unwrap_or_default();
        let unknown = sentence.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        if unknown.is_some_and(|key| TOP_KEYS.contains(&key)) {
            sentence.push_str("; a key of the file itself stands above the first [section]");
        } else if sentence.starts_with("invalid type: map, expected a list") {
            sentence = "a section of a list has two brackets, as [[platform]] and [[domain]] have".to_owned();
        } else if sentence == "duplicate key" {
            sentence = format!("the key {text:?} stands here a second time");
        } else if sentence.starts_with("invalid type")
            && let Some(key) = self.key(place.start)
        {
            sentence = format!("{key}: {sentence}");
        }
        match error.span() {
            Some(span) => self.fault(span, sentence),
            None => self.lacking(&sentence),
        }
    }
}

/// Names that may not come twice, with the places that they were first seen at.
struct Distinct<'a> {
    what: &'static str,
    places: BTreeMap<&'a str, Range<usize>>,
}

impl<'a> Distinct<'a> {
    fn new(what: &'static str) -> Self {
        Self { what, places: BTreeMap::new() }
    }

    fn add(&mut self, source: &SourceText<'_>, name: &'a Spanned<String>) -> Result<(), Error> {
        let Some(before) = self.places.insert(name.get_ref(), name.span()) else { return Ok(()) };
        let (what, line) = (self.what, source.line(&before));
        let sentence = format!("the {what} {:?} has been used on line {line} already", name.get_ref());
        Err(source.fault(name.span(), sentence))
    }
}

/// Refuses what no request could carry: an empty text, one that is too long, control characters.
fn check_text(
    source: &SourceText<'_>,
    what: &str,
    text: &Spanned<String>,
    chars_max: usize,
) -> Result<(), Error> {
    let value = text.get_ref();
    let chars = value.chars().count();
    if chars == 0 {
        return Err(source.fault(text.span(), format!("the {what} is empty")));
    }
    if chars > chars_max {
        let sentence =
            format!("the {what} {value:?} has {chars} characters; at most {chars_max} are allowed");
        return Err(source.fault(text.span(), sentence));
    }
    if value.contains(char::is_control) {
        return Err(source.fault(text.span(), format!("the {what} {value:?} has a control character in it")));
    }
    Ok(())
}

/// The domains' names and currencies, and their places by name.
type Domains<'a> = (Vec<(&'a str, Currency)>, BTreeMap<&'a str, usize>);

fn domains<'a>(source: &SourceText<'_>, raw: &'a [RawDomain]) -> Result<Domains<'a>, Error> {
    if raw.is_empty() {
        return Err(source.lacking("no [[domain]] is defined; an account is always of a domain"));
    }
    if let Some(past) = raw.get(limits::DOMAINS_MAX) {
        return Err(source.fault(past.name.span(), format!("more than {} domains", limits::DOMAINS_MAX)));
    }
    let mut names = Distinct::new("domain name");
    let mut domains = Vec::with_capacity(raw.len());
    for domain in raw {
        let name = domain.name.get_ref();
        check_text(source, "domain name", &domain.name, limits::DOMAIN_CHARS_MAX)?;
        if matches!(name.as_str(), "." | "..") {
            let sentence =
                format!("the domain name {name:?} can't be named in a path, where its accounts are");
            return Err(source.fault(domain.name.span(), sentence));
        }
        if name.contains('/') {
            let sentence = format!("the domain name {name:?} has a slash, which ends it in an account's id");
            return Err(source.fault(domain.name.span(), sentence));
        }
        names.add(source, &domain.name)?;
        let code = domain.currency.get_ref();
        let currency = Currency::from_code(code).ok_or_else(|| {
            source.fault(
                domain.currency.span(),
                format!("{code:?} is no currency of ISO 4217 with minor units, such as \"GBP\""),
            )
        })?;
        domains.push((name.as_str(), currency));
    }
    let places = domains.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
    Ok((domains, places))
}

fn games(source: &SourceText<'_>, raw: &[Spanned<String>]) -> Result<Vec<String>, Error> {
    if raw.is_empty() {
        return Err(source.lacking("games names no game, so that none could be played"));
    }
    if let Some(past) = raw.get(limits::GAMES_MAX) {
        return Err(source.fault(past.span(), format!("more than {} games", limits::GAMES_MAX)));
    }
    let mut ids = Distinct::new("game");
    for game in raw {
        check_text(source, "game", game, limits::ID_CHARS_MAX)?;
        ids.add(source, game)?;
    }
    Ok(raw.iter().map(|game| game.get_ref().clone()).collect())
}

/// A whole number from `least` to `most`, of a unit that the sentence about it names.
fn number(
    source: &SourceText<'_>,
    name: &str,
    value: Option<&Spanned<i64>>,
    (least, most): (u64, u64),
    unit: &str,
    default: u64,
) -> Result<u64, Error> {
    let Some(value) = value else { return Ok(default) };
    match u64::try_from(*value.get_ref()) {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => {
            let is = value.get_ref();
            Err(source.fault(value.span(), format!("{name} is {is}; it must be {least} to {most} {unit}")))
        }
    }
}

/// The peers' times and the idle time of a session.
fn timeouts(source: &SourceText<'_>, raw: &RawTimeouts) -> Result<(Timeouts, u64), Error> {
    let time = |name: &str, value: &Option<Spanned<i64>>, default: u64| {
        number(source, name, value.as_ref(), (1, limits::TIME_MS_MAX), "milliseconds", default)
    };
    let default = Timeouts::default();
    let timeouts = Timeouts {
        request_ms: time("request_ms", &raw.request_ms, default.request_ms)?,
        keep_alive_ms: time("keep_alive_ms", &raw.keep_alive_ms, default.keep_alive_ms)?,
        send_ms: time("send_ms", &raw.send_ms, default.send_ms)?,
        drain_ms: time("drain_ms", &raw.drain_ms, default.drain_ms)?,
        budget_ms: time("budget_ms", &raw.budget_ms, default.budget_ms)?,
    };
    Ok((timeouts, time("session_idle_ms", &raw.session_idle_ms, limits::SESSION_IDLE_MS)?))
}

/// How long a server that is to stop still serves; 0 for not at all.
fn drain_grace(source: &SourceText<'_>, raw: &RawTimeouts) -> Result<u64, Error> {
    let bounds = (0, limits::TIME_MS_MAX);
    number(source, "drain_grace_ms", raw.drain_grace_ms.as_ref(), bounds, "milliseconds", 0)
}

fn retention(source: &SourceText<'_>, raw: &RawRounds) -> Result<u64, Error> {
    let bounds = (1, limits::RETENTION_MS_MAX);
    number(source, "retention_ms", raw.retention_ms.as_ref(), bounds, "milliseconds", limits::RETENTION_MS)
}

/// How long a round that is not open stays in memory.
fn hot(source: &SourceText<'_>, raw: &RawRounds) -> Result<u64, Error> {
    // A round that is touched again within the millisecond of its last transaction is no other one yet.
    let bounds = (1, limits::HOT_MS_MAX);
    number(source, "hot_ms", raw.hot_ms.as_ref(), bounds, "milliseconds", limits::HOT_MS)
}

fn storing(source: &SourceText<'_>, raw: &RawStorage) -> Result<Storing, Error> {
    let default = Storing::default();
    let bounds = (0, limits::RESERVE_MIB_MAX);
    let reserve_mib =
        number(source, "reserve_mib", raw.reserve_mib.as_ref(), bounds, "mebibytes", default.reserve_mib)?;
    let bounds = (1, u64::from(limits::SNAPSHOT_SEGMENTS_MAX));
    let segments = raw.snapshot_segments.as_ref();
    let default = u64::from(default.snapshot_segments);
    let snapshot_segments = number(source, "snapshot_segments", segments, bounds, "segments", default)?;
    let bounds = (0, limits::ARCHIVE_DAYS_MAX);
    let days = raw.archive_days.as_ref();
    let archive_days = number(source, "archive_days", days, bounds, "days", 0)?;
    Ok(Storing {
        reserve_mib,
        snapshot_segments: snapshot_segments as u32,
        archive_days: days.map(|_| archive_days as u32),
    })
}

fn memory_budget(source: &SourceText<'_>, raw: &RawMemory) -> Result<Option<u64>, Error> {
    let bounds = (limits::MEMORY_BUDGET_MIB_MIN, limits::MEMORY_BUDGET_MIB_MAX);
    let asked = raw.budget_mib.as_ref();
    asked.map(|mib| number(source, "budget_mib", Some(mib), bounds, "mebibytes", 0)).transpose()
}

fn listener(
    source: &SourceText<'_>,
    key: &str,
    raw: Option<&Spanned<String>>,
) -> Result<Option<SocketAddr>, Error> {
    raw.map(|text| address(text.get_ref()).map_err(|e| source.fault(text.span(), format!("{key}: {e}"))))
        .transpose()
}

fn directory(
    source: &SourceText<'_>,
    key: &str,
    raw: Option<&Spanned<String>>,
) -> Result<Option<PathBuf>, Error> {
    match raw {
        Some(path) if path.get_ref().is_empty() => {
            Err(source.fault(path.span(), format!("{key} is empty; it names a directory")))
        }
        path => Ok(path.map(|path| path.get_ref().into())),
    }
}

fn session_token(
    source: &SourceText<'_>,
    raw: Option<&Spanned<String>>,
) -> Result<Option<TokenPolicy>, Error> {
    let Some(name) = raw else { return Ok(None) };
    let policy = token_policy(name.get_ref()).ok_or_else(|| {
        let [single_use, wrapped] = TOKEN_POLICIES.map(|(known, _)| known);
        let sentence =
            format!("session_token is {:?}; it must be {single_use:?} or {wrapped:?}", name.get_ref());
        source.fault(name.span(), sentence)
    })?;
    Ok(Some(policy))
}

/// A bearer token has the characters of RFC 6750 §2.1; another one could not be sent.
fn operator_token(
    source: &SourceText<'_>,
    raw: Option<&Spanned<SecretText>>,
) -> Result<Option<String>, Error> {
    let Some(token) = raw else { return Ok(None) };
    let text = token.get_ref().as_ref();
    let max = limits::CREDENTIALS_BYTES_MAX;
    if text.is_empty() || text.len() > max {
        let sentence = format!("operator_token has {} bytes; it must have 1 to {max}", text.len());
        return Err(source.fault(token.span(), sentence));
    }
    let body = text.trim_end_matches('=');
    if body.is_empty() || !body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b)) {
        let sentence = "operator_token may have letters, digits and -._~+/ in it, and = at its end";
        return Err(source.fault(token.span(), sentence));
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests;
