//! Where the two part, and how the message there looks to a lenient reader.

use std::net::Ipv6Addr;

use fuzz::http::{Found, Message};
use http::Status;

use crate::theirs::{Theirs, Verdict};

/// What one of the two makes of the place in a stream where they part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Message(Theirs),
    Refuses,
    /// It waits for more, or has closed in order.
    Waits,
}

/// Where the two part.
#[derive(Debug)]
pub(crate) struct Parting<'a> {
    pub(crate) ours: Side,
    pub(crate) theirs: Side,
    /// What ours refuses it with.
    pub(crate) status: Option<Status>,
    /// The line and the fields of the message, names in lower case, as a lenient reader has them.
    pub(crate) line: &'a str,
    pub(crate) fields: Vec<(String, &'a [u8])>,
    /// The message before it, where the connection ends with that.
    pub(crate) before: Option<&'a [u8]>,
    /// Bytes of empty lines before it.
    pub(crate) empty: usize,
    /// What follows the head.
    pub(crate) rest: &'a [u8],
}

impl Parting<'_> {
    pub(crate) fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| *value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn refused_with(&self, status: Status) -> bool {
        self.status == Some(status) && self.theirs != Side::Refuses
    }

    pub(crate) fn has_one_good_host(&self) -> bool {
        let hosts: Vec<_> = self.values("host").collect();
        match hosts[..] {
            [] => self.line.ends_with("HTTP/1.0"),
            [host] => is_host(host),
            _ => false,
        }
    }

    pub(crate) fn has_one_good_coding(&self) -> bool {
        let mut codings = self.values("transfer-encoding").flat_map(listed);
        codings.next().is_some_and(|coding| coding == "chunked") && codings.next().is_none()
    }

    /// A path, or an absolute target, of plain characters.
    pub(crate) fn has_usual_target(&self) -> bool {
        let target = self.target();
        let has_form = match self.method() {
            "CONNECT" => false,
            "OPTIONS" if target == "*" => true,
            _ if target.starts_with('/') => true,
            _ => target.strip_prefix("http://").is_some_and(|rest| {
                let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
                !authority.is_empty() && !authority.starts_with(':') && is_host(authority.as_bytes())
            }),
        };
        has_form && target.is_ascii() && !target.contains('#')
    }

    pub(crate) fn has_odd_target(&self) -> bool {
        let target = self.target();
        target.bytes().any(|byte| b"\"<>\\^`{|}".contains(&byte))
            || target.starts_with("http") && target.contains('%')
    }

    /// Whether there is such a line behind the head.
    pub(crate) fn has_line(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        self.rest.split(|byte| *byte == b'\n').any(|line| is(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// A name or an address, and a port.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(value) else { return false };
    let (is_name, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-~_!$&'()*+,;=".contains(&byte)),
                port,
            )
        }
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    is_name
        && (port.is_empty() || port.starts_with(':'))
        && (digits.is_empty()
            || digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<u16>().is_ok())
}

pub(crate) fn differ<'a>(stream: &'a [u8], ours: &Found, theirs: &Verdict) -> Option<Parting<'a>> {
    let mut mine: Vec<&Message> = Vec::new();
    for message in &ours.messages {
        mine.push(message);
        // The connection ends here; what framing makes of the rest is nobody's business.
        if !message.keep_alive {
            break;
        }
    }
    let closed = mine.last().is_some_and(|message| !message.keep_alive);
    let mine_as_theirs: Vec<Theirs> = mine.iter().map(|message| as_theirs(message)).collect();
    let same = mine_as_theirs.iter().zip(&theirs.messages).take_while(|(a, b)| a == b).count();
    let side_of_mine = match mine_as_theirs.get(same) {
        Some(message) => Side::Message(message.clone()),
        None if closed => Side::Waits,
        None if ours.refused.is_some() => Side::Refuses,
        None => Side::Waits,
    };
    let error = theirs.error.as_deref().unwrap_or_default();
    let cut_short = ["IncompleteMessage", "UnexpectedEof"].iter().any(|kind| error.contains(kind));
    let side_of_theirs = match theirs.messages.get(same) {
        Some(message) => Side::Message(message.clone()),
        None if theirs.error.is_some() && !cut_short => Side::Refuses,
        None => Side::Waits,
    };
    if side_of_mine == side_of_theirs {
        return None;
    }
    let start = if same == 0 { 0 } else { mine[same - 1].end };
    let status = (side_of_mine == Side::Refuses).then_some(ours.refused).flatten();
    let mut parting = part(&stream[start..], side_of_mine, side_of_theirs, status);
    let begun = if same < 2 { 0 } else { mine[same - 2].end };
    parting.before = (closed && same == mine.len()).then(|| &stream[begun..start]);
    Some(parting)
}

pub(crate) fn as_theirs(message: &Message) -> Theirs {
    Theirs {
        method: format!("{:?}", message.method).to_uppercase(),
        path: message.path.clone(),
        query: message.query.clone(),
        authorization: message.authorization.clone(),
        body: message.body.clone(),
    }
}

/// Takes a head apart as leniently as may be.
pub(crate) fn part(message: &[u8], ours: Side, theirs: Side, status: Option<Status>) -> Parting<'_> {
    let begun = message.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(message.len());
    let mut lines = message[begun..].split_inclusive(|byte| *byte == b'\n');
    let trimmed = |line: &'_ [u8]| {
        line.strip_suffix(b"\n").map_or(line.len(), |line| line.strip_suffix(b"\r").unwrap_or(line).len())
    };
    let first = lines.next().unwrap_or_default();
    let line = str::from_utf8(&first[..trimmed(first)]).unwrap_or("not UTF-8");
    let (mut fields, mut at) = (Vec::new(), begun + first.len());
    for field in lines {
        at += field.len();
        let field = &field[..trimmed(field)];
        if field.is_empty() {
            break;
        }
        let (name, value) =
            field.split_at(field.iter().position(|byte| *byte == b':').unwrap_or(field.len()));
        let name = String::from_utf8_lossy(name).to_lowercase();
        fields.push((name, value.get(1..).unwrap_or_default().trim_ascii()));
    }
    Parting { ours, theirs, status, line, fields, before: None, empty: begun, rest: &message[at..] }
}

pub(crate) fn listed(value: &[u8]) -> impl Iterator<Item = String> {
    let value = String::from_utf8_lossy(value).to_lowercase();
    value.split(',').map(|member| member.trim().to_owned()).collect::<Vec<_>>().into_iter()
}
