//! What a message says, and the result of framing.

use core::fmt;

use super::status::Status;

/// A request method (RFC 9110 §9.3, RFC 5789). Any other token is 501: with a method that is not known, the
/// meaning of the message is not known either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `HEAD`: as `GET`, and the answer has no body.
    Head,
    /// `OPTIONS`
    Options,
    /// `PATCH`
    Patch,
    /// `TRACE`
    Trace,
    /// `CONNECT`
    Connect,
}

impl Method {
    /// The method that `token` names; names are case-sensitive (RFC 9110 §9.1).
    pub(super) fn from_token(token: &str) -> Option<Self> {
        Some(match token {
            "POST" => Self::Post,
            "GET" => Self::Get,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "TRACE" => Self::Trace,
            "CONNECT" => Self::Connect,
            _ => return None,
        })
    }
}

/// One request, borrowed from the bytes it came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path, as sent: without its query, and not decoded from percent-encoding. An absolute target is
    /// reduced to its path. `*` for the whole server (`OPTIONS`), `host:port` for `CONNECT`.
    pub path: &'a str,
    /// What follows the first `?` of the target, as sent.
    pub query: Option<&'a str>,
    /// The value of `Authorization`. Any bytes but control characters.
    pub authorization: Option<&'a [u8]>,
    /// The content, after the transfer coding was taken off. Any bytes.
    pub body: &'a [u8],
    /// The value of `Request-Timeout`: the time in which the client wants its answer, milliseconds, 1 to
    /// [`REQUEST_BUDGET_MS_MAX`](limits::REQUEST_BUDGET_MS_MAX).
    pub timeout_ms: Option<u32>,
    /// Whether the connection may persist after the answer (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// Whether the answer must say `Connection: keep-alive` for that: the client speaks HTTP/1.0 and asked.
    pub keep_alive_named: bool,
}

/// Says that there are credentials, never which: a request may find its way into a log.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("authorization", &self.authorization.map(|_| format_args!("…")))
            .field("body", &self.body.escape_ascii())
            .field("timeout_ms", &self.timeout_ms)
            .field("keep_alive", &self.keep_alive)
            .field("keep_alive_named", &self.keep_alive_named)
            .finish()
    }
}

/// What the bytes that have come amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed<'a> {
    /// A whole message.
    Complete {
        /// The message.
        request: Request<'a>,
        /// Bytes of the input that it took; the next message starts after them.
        consumed: usize,
    },
    /// The beginning of a message, or nothing.
    Partial,
    /// The head is complete and its client waits for leave to send the body: send [`CONTINUE`], and go on as
    /// after `Partial`. Returned once per message, and never when some of the body has come already.
    ///
    /// [`CONTINUE`]: super::CONTINUE
    Continue,
    /// No message: answer with this status and close. Nothing further on the connection can be framed.
    Reject(Status),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_tells_no_credentials() {
        let request = Request {
            method: Method::Post,
            path: "/v1.0/balance",
            query: None,
            authorization: Some(b"Basic YWRtaW46YWRtaW4="),
            body: b"{\"a\":1}",
            timeout_ms: None,
            keep_alive: true,
            keep_alive_named: false,
        };
        let text = format!("{request:?}");
        assert!(text.contains("/v1.0/balance") && !text.contains("YWRtaW46"), "{text}");
    }
}
