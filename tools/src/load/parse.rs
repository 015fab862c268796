//! Values of the options, as they are written on the command line.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

/// The longest run, in seconds.
const DURATION_SECONDS_MAX: u64 = 24 * 3_600;

/// The host of an option's URL, with its port where it has one.
pub(super) fn parse_url<'a>(option: &str, url: &'a str) -> Result<&'a str, String> {
    let host = url.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let plain = |host: &&str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte))
    };
    host.filter(plain)
        .ok_or_else(|| format!("{option} must be the address of a server, http://HOST:PORT, not \"{url}\""))
}

pub(super) fn resolve(option: &str, host: &str) -> Result<SocketAddr, String> {
    let mut addresses =
        with_port(host).to_socket_addrs().map_err(|error| format!("{option} http://{host}: {error}"))?;
    addresses.next().ok_or_else(|| format!("{option} http://{host}: the host has no address"))
}

pub(super) fn with_port(host: &str) -> String {
    let after_address = host.rsplit(']').next().unwrap_or(host);
    if after_address.contains(':') { host.to_owned() } else { format!("{host}:80") }
}

/// `1h30m`, `10m`, `30s`, `500ms`: whole numbers with their units, added up.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration is written as 30s, 10m, 1h30m or 500ms".to_owned();
    let mut rest = text;
    let mut sum_ms = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit_ms = match &rest[..letters] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err(wrong()),
        };
        rest = &rest[letters..];
        sum_ms = number.checked_mul(unit_ms).and_then(|part| sum_ms.checked_add(part)).ok_or_else(wrong)?;
    }
    match sum_ms {
        0 => Err(wrong()),
        _ if sum_ms > DURATION_SECONDS_MAX * 1_000 => Err("the longest run is 24h".to_owned()),
        _ => Ok(Duration::from_millis(sum_ms)),
    }
}

/// The name in Basic credentials ends at the first colon (RFC 7617 §2).
pub(super) fn parse_user(text: &str) -> Result<String, String> {
    if text.contains(':') { Err("a user has no colon".to_owned()) } else { Ok(text.to_owned()) }
}

/// A text that stands in JSON as it is.
pub(super) fn parse_member(text: &str) -> Result<String, String> {
    let plain = (1..=50).contains(&text.len())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte));
    if plain {
        Ok(text.to_owned())
    } else {
        Err("1 to 50 printable characters, no quote or backslash".to_owned())
    }
}
