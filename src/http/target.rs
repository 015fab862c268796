//! The request target: its four forms (RFC 9112 §3.2).

use super::field;
use super::request::Method;

/// A request target, reduced to what the server routes by. The parts borrow from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The path; empty where an absolute target has none, which means `/` (RFC 9110 §4.2.3).
    pub(super) path: &'a str,
    /// What follows the first `?`.
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reads `text` in the form that `method` calls for; `None` where it has another one. `method` is `None`
    /// for a method that is not known, which may have a path or an absolute target.
    ///
    /// httparse has let every visible byte through. Of those, bytes past ASCII and `#` stand in no target:
    /// a fragment is the client's own (RFC 9110 §7.1). What else a strict reader would refuse, such as `|`,
    /// is kept, since it can't be mistaken for anything and finds no path.
    pub(super) fn read(method: Option<Method>, text: &'a str) -> Option<Self> {
        if !text.is_ascii() || text.as_bytes().contains(&b'#') {
            return None;
        }
        if method == Some(Method::Connect) {
            return Self::authority(text);
        }
        if text.starts_with('/') {
            return Some(Self::split_query(text));
        }
        if text == "*" {
            return (method == Some(Method::Options)).then_some(Self { path: text, query: None });
        }
        Self::absolute(text)
    }

    /// `host:port`, for `CONNECT` alone; both must be there (RFC 9112 §3.2.3).
    fn authority(text: &'a str) -> Option<Self> {
        match field::split_authority(text.as_bytes()) {
            Some((host, Some(port))) if !host.is_empty() && !port.is_empty() => {
                Some(Self { path: text, query: None })
            }
            _ => None,
        }
    }

    /// `http://host/path?query`, which a server must take from any client (RFC 9112 §3.2.2).
    fn absolute(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, _) = field::split_authority(authority.as_bytes())?;
        // RFC 9110 §4.2.1: an http URI with an empty host is invalid.
        (!host.is_empty()).then(|| Self::split_query(rest))
    }

    fn split_query(text: &'a str) -> Self {
        match text.split_once('?') {
            Some((path, query)) => Self { path, query: Some(query) },
            None => Self { path: text, query: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Option<Method>, text: &str, expect: Option<(&str, Option<&str>)>) {
        let expect = expect.map(|(path, query)| Target { path, query });
        assert_eq!(Target::read(method, text), expect, "{method:?} {text:?}");
    }

    #[test]
    fn paths() {
        let get = Some(Method::Get);
        check(get, "/", Some(("/", None)));
        check(get, "/v1.0/balance", Some(("/v1.0/balance", None)));
        check(get, "/a?", Some(("/a", Some(""))));
        check(get, "/a?b=c&d", Some(("/a", Some("b=c&d"))));
        check(get, "/a?b?c", Some(("/a", Some("b?c"))));
        check(get, "//host/a", Some(("//host/a", None)));
        check(get, "/%2e%2e/%ff", Some(("/%2e%2e/%ff", None)));
        check(get, "/a|b", Some(("/a|b", None)));
        check(get, "/a#b", None);
        check(get, "/\u{e9}", None);
        check(get, "a", None);
        check(get, "?a", None);
        check(None, "/a", Some(("/a", None)));
    }

    #[test]
    fn absolute_targets_are_reduced_to_their_path() {
        let get = Some(Method::Get);
        check(get, "http://host/a", Some(("/a", None)));
        check(get, "HTTP://host:80/a?b", Some(("/a", Some("b"))));
        check(get, "httpS://host/a", Some(("/a", None)));
        check(get, "http://host", Some(("", None)));
        check(get, "http://host?b", Some(("", Some("b"))));
        check(get, "http://[::1]:9816/a", Some(("/a", None)));
        check(None, "http://host/a", Some(("/a", None)));
        check(get, "http:///a", None);
        check(get, "http://:80/a", None);
        check(get, "http://user@host/a", None);
        check(get, "http://ho st/a", None);
        check(get, "http://host:x/a", None);
        check(get, "ftp://host/a", None);
        check(get, "http:/host/a", None);
    }

    #[test]
    fn asterisk_and_authority_belong_to_one_method_each() {
        check(Some(Method::Options), "*", Some(("*", None)));
        check(Some(Method::Options), "/a", Some(("/a", None)));
        check(Some(Method::Get), "*", None);
        check(None, "*", None);
        check(Some(Method::Options), "**", None);
        check(Some(Method::Connect), "host:443", Some(("host:443", None)));
        check(Some(Method::Connect), "[::1]:443", Some(("[::1]:443", None)));
        check(Some(Method::Connect), "host", None);
        check(Some(Method::Connect), "host:", None);
        check(Some(Method::Connect), ":443", None);
        check(Some(Method::Connect), "/a", None);
        check(Some(Method::Connect), "*", None);
        check(Some(Method::Get), "host:443", None);
    }
}
