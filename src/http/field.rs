//! Values of the fields that decide about a message: lengths, codings, hosts, lists.
//!
//! All of them are read strictly. httparse has taken control characters, NUL and line ends out of a value and
//! the blanks off its ends before it comes here.

use core::net::Ipv6Addr;
use core::num::NonZeroU32;

use limits::REQUEST_BUDGET_MS_MAX;

/// Whether `byte` may stand in a token (RFC 9110 §5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether `byte` may stand in a field's value (RFC 9110 §5.5): blanks, visible characters, and bytes past
/// ASCII, which have no meaning here.
pub(super) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Members of a comma-separated list, without the blanks around them and without empty members, which a
/// recipient ignores (RFC 9110 §5.6.1.2).
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// A `Content-Length` in bytes; `None` unless it is digits alone and fits (RFC 9110 §8.6). A sign, a list of
/// equal lengths and an empty value are read differently by different recipients, so they are malformed.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A `Request-Timeout` in milliseconds, [`REQUEST_BUDGET_MS_MAX`] where it is more; `None` unless it is digits alone and not
/// zero. Other software writes such times with a unit, with a fraction, or in seconds, and takes zero for no bound at all as
/// often as for no time at all; so none of these is guessed at. A large number has one meaning, whatever its length.
pub(super) fn timeout_ms(value: &[u8]) -> Option<NonZeroU32> {
    let ms = value.iter().try_fold(0_u32, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| sum.saturating_mul(10).saturating_add(u32::from(digit)))
    })?;
    NonZeroU32::new(ms.min(REQUEST_BUDGET_MS_MAX))
}

/// What all `Transfer-Encoding` fields of a message together say (RFC 9112 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Codings {
    /// There are none.
    #[default]
    None,
    /// `chunked` and nothing else: the one framing that this server takes.
    Chunked,
    /// A coding that this server does not have, or several.
    Unknown,
    /// Such codings, and `chunked` after them: well framed, and still nothing that this server can read.
    UnknownThenChunked,
    /// Not a list of codings, or one that goes on after `chunked`, so that the end of the message can't be
    /// known (RFC 9112 §6.3).
    Malformed,
}

impl Codings {
    /// These codings, followed by those of one more field.
    ///
    /// An empty member is malformed here, though lists elsewhere may have them: a recipient that takes
    /// `, chunked` for chunked and one that does not would disagree on the length.
    pub(super) fn and(self, value: &[u8]) -> Self {
        value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).fold(self, |before, coding| {
            let (name, parameters) = match coding.iter().position(|&byte| byte == b';') {
                Some(at) => (coding[..at].trim_ascii_end(), true),
                None => (coding, false),
            };
            let is_token = !name.is_empty() && name.iter().all(|&byte| is_token_byte(byte));
            let is_chunked = name.eq_ignore_ascii_case(b"chunked");
            match before {
                Self::Malformed | Self::Chunked | Self::UnknownThenChunked => Self::Malformed,
                _ if !is_token => Self::Malformed,
                // The coding has no parameters, and with them it is an error (RFC 9112 §7.1).
                _ if is_chunked && parameters => Self::Malformed,
                Self::None if is_chunked => Self::Chunked,
                Self::None => Self::Unknown,
                Self::Unknown if is_chunked => Self::UnknownThenChunked,
                Self::Unknown => Self::Unknown,
            }
        })
    }
}

/// Whether `value` is a `Host` (RFC 9110 §7.2): a host, and a port after a colon, each of which may be empty.
pub(super) fn is_host(value: &[u8]) -> bool {
    split_authority(value).is_some()
}

/// Host and port of `value`; `None` unless it is `host` or `host:port` (RFC 3986 §3.2.2, §3.2.3). User
/// information is not accepted, because it serves to mislead (RFC 9110 §4.2.4).
pub(super) fn split_authority(value: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (host, rest) = match value {
        [b'[', literal @ ..] => {
            let end = literal.iter().position(|&byte| byte == b']')?;
            core::str::from_utf8(&literal[..end]).ok()?.parse::<Ipv6Addr>().ok()?;
            value.split_at(end + 2)
        }
        _ => {
            let end = value.iter().position(|&byte| byte == b':').unwrap_or(value.len());
            let (name, rest) = value.split_at(end);
            if !is_registered_name(name) {
                return None;
            }
            (name, rest)
        }
    };
    match rest {
        [] => Some((host, None)),
        [b':', port @ ..] if is_port(port) => Some((host, Some(port))),
        _ => None,
    }
}

/// Whether `name` is a name or an IPv4 address as a URI writes it (RFC 3986 §3.2.2, `reg-name`).
fn is_registered_name(name: &[u8]) -> bool {
    let mut rest = name;
    loop {
        rest = match rest {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if IS_NAME_BYTE[*byte as usize] => rest,
            _ => return false,
        }
    }
}

/// `unreserved` and `sub-delims` of RFC 3986 §2, looked up because every request has a host.
static IS_NAME_BYTE: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < table.len() {
        table[at] = matches!(at as u8, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~'
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        at += 1;
    }
    table
};

/// Whether `port` is empty or a port number.
fn is_port(port: &[u8]) -> bool {
    port.is_empty() || content_length(port).is_some_and(|number| number <= u64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_length(value: &str, expect: Option<u64>) {
        assert_eq!(content_length(value.as_bytes()), expect, "{value:?}");
    }

    #[test]
    fn a_length_is_digits_that_fit() {
        check_length("0", Some(0));
        check_length("7", Some(7));
        check_length("0012", Some(12));
        check_length("18446744073709551615", Some(u64::MAX));
        check_length("18446744073709551616", None);
        check_length("99999999999999999999999999", None);
        check_length("", None);
        check_length("+1", None);
        check_length("-1", None);
        check_length("1,1", None);
        check_length("1 1", None);
        check_length("0x10", None);
        check_length("1.0", None);
        check_length("\u{661}", None);
    }

    #[track_caller]
    fn check_timeout(value: &str, expect: Option<u32>) {
        assert_eq!(timeout_ms(value.as_bytes()).map(NonZeroU32::get), expect, "{value:?}");
    }

    #[test]
    fn a_timeout_is_digits_up_to_a_day() {
        check_timeout("1", Some(1));
        check_timeout("150", Some(150));
        check_timeout("0150", Some(150));
        check_timeout("86400000", Some(86_400_000));
        check_timeout("86400001", Some(86_400_000));
        check_timeout("4294967296", Some(86_400_000));
        check_timeout("42949672960", Some(86_400_000));
        check_timeout(&"9".repeat(40), Some(86_400_000));
        check_timeout("", None);
        check_timeout("0", None);
        check_timeout("000", None);
        check_timeout("+150", None);
        check_timeout("-150", None);
        check_timeout("1.5", None);
        check_timeout("1e3", None);
        check_timeout("150ms", None);
        check_timeout("5s", None);
        check_timeout("150, 150", None);
        check_timeout("1 50", None);
        check_timeout("0x10", None);
        check_timeout("\u{661}", None);
    }

    #[track_caller]
    fn check_codings(values: &[&str], expect: Codings) {
        let codings = values.iter().fold(Codings::None, |codings, value| codings.and(value.as_bytes()));
        assert_eq!(codings, expect, "{values:?}");
    }

    #[test]
    fn chunked_alone_is_understood() {
        check_codings(&[], Codings::None);
        check_codings(&["chunked"], Codings::Chunked);
        check_codings(&["ChUnKeD"], Codings::Chunked);
        check_codings(&["gzip"], Codings::Unknown);
        check_codings(&["identity"], Codings::Unknown);
        check_codings(&["xchunked"], Codings::Unknown);
        check_codings(&["gzip, br"], Codings::Unknown);
        check_codings(&["foo;a=b"], Codings::Unknown);
        check_codings(&["gzip, chunked"], Codings::UnknownThenChunked);
        check_codings(&["gzip", "chunked"], Codings::UnknownThenChunked);
        check_codings(&["gzip, chunked, gzip"], Codings::Malformed);
        check_codings(&["gzip", "chunked", "chunked"], Codings::Malformed);
        check_codings(&["chunked, gzip"], Codings::Malformed);
        check_codings(&["chunked", "gzip"], Codings::Malformed);
        check_codings(&["chunked, chunked"], Codings::Malformed);
        check_codings(&["chunked", "chunked"], Codings::Malformed);
        check_codings(&["chunked;q=1"], Codings::Malformed);
        check_codings(&["chunked ;q=1"], Codings::Malformed);
        check_codings(&[""], Codings::Malformed);
        check_codings(&[", chunked"], Codings::Malformed);
        check_codings(&["chunked,"], Codings::Malformed);
        check_codings(&["chun ked"], Codings::Malformed);
        check_codings(&["\"chunked\""], Codings::Malformed);
        check_codings(&[";chunked"], Codings::Malformed);
    }

    #[track_caller]
    fn check_host(value: &str, expect: bool) {
        assert_eq!(is_host(value.as_bytes()), expect, "{value:?}");
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_a_port() {
        check_host("", true);
        check_host("localhost", true);
        check_host("wallet.example:9816", true);
        check_host("127.0.0.1:9816", true);
        check_host("wallet.example:", true);
        check_host(":80", true);
        check_host("[::1]", true);
        check_host("[2001:db8::7]:443", true);
        check_host("a_b%20c", true);
        check_host("host:65535", true);
        check_host("host:65536", false);
        check_host("host:+80", false);
        check_host("host:8a", false);
        check_host("host:80:80", false);
        check_host("a b", false);
        check_host("a\tb", false);
        check_host("host/path", false);
        check_host("user@host", false);
        check_host("host?x", false);
        check_host("host#x", false);
        check_host("http://host", false);
        check_host("a%2", false);
        check_host("a%zz", false);
        check_host("a%2z", false);
        check_host("[::1", false);
        check_host("[]", false);
        check_host("[::1]x", false);
        check_host("[localhost]", false);
        check_host("h\u{f6}st", false);
        check_host("<host>", false);
    }

    #[track_caller]
    fn check_members(value: &str, expect: &[&str]) {
        let found: Vec<&[u8]> = members(value.as_bytes()).collect();
        let expect: Vec<&[u8]> = expect.iter().map(|member| member.as_bytes()).collect();
        assert_eq!(found, expect, "{value:?}");
    }

    #[test]
    fn a_list_has_members_between_commas() {
        check_members("", &[]);
        check_members("close", &["close"]);
        check_members(" ,\tclose , ,TE,", &["close", "TE"]);
        check_members("keep-alive,close", &["keep-alive", "close"]);
    }
}
