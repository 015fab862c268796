//! The statuses that this server answers with.

/// An HTTP status (RFC 9110 §15). Errors speak of HTTP alone, or of the operator's calls (protocol §1, §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Status {
    /// The answer is in the body; every answer about the wallet is this one.
    Ok = 200,
    /// The resource of a PUT or POST was made.
    Created = 201,
    /// There is nothing to be told: the answer to `OPTIONS`, which has no body.
    NoContent = 204,
    /// The message is malformed, or could be read in two ways.
    BadRequest = 400,
    /// The operator's token is missing or wrong.
    Unauthorized = 401,
    /// No such path.
    NotFound = 404,
    /// The path is known, the method is not one of its own.
    MethodNotAllowed = 405,
    /// Head or body did not come in time.
    Timeout = 408,
    /// The request contradicts what is there.
    Conflict = 409,
    /// The body is past its bound.
    ContentTooLarge = 413,
    /// The request target is past its bound.
    UriTooLong = 414,
    /// The body is in a content coding, such as gzip.
    UnsupportedMediaType = 415,
    /// An expectation other than `100-continue`.
    ExpectationFailed = 417,
    /// Well formed, and can't be carried out.
    Unprocessable = 422,
    /// The head is past its bound, in bytes or in fields.
    HeadTooLarge = 431,
    /// A method or a transfer coding that this server does not have.
    NotImplemented = 501,
    /// The server is not serving: starting, stopping or overloaded.
    Unavailable = 503,
    /// A version of HTTP other than 1.1 and 1.0.
    VersionNotSupported = 505,
}

impl Status {
    /// The three digits.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The reason phrase of the status line, as the status is registered (RFC 9110 §15, RFC 6585 §5).
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Created => "Created",
            Self::NoContent => "No Content",
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::Timeout => "Request Timeout",
            Self::Conflict => "Conflict",
            Self::ContentTooLarge => "Content Too Large",
            Self::UriTooLong => "URI Too Long",
            Self::UnsupportedMediaType => "Unsupported Media Type",
            Self::ExpectationFailed => "Expectation Failed",
            Self::Unprocessable => "Unprocessable Content",
            Self::HeadTooLarge => "Request Header Fields Too Large",
            Self::NotImplemented => "Not Implemented",
            Self::Unavailable => "Service Unavailable",
            Self::VersionNotSupported => "HTTP Version Not Supported",
        }
    }

    /// One short sentence for the `Error` member of the body (protocol §1). It needs no escaping in JSON.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Ok => "The request was carried out.",
            Self::Created => "The resource was created.",
            Self::NoContent => "There is nothing to be told.",
            Self::BadRequest => "The request is not a well-formed HTTP message.",
            Self::Unauthorized => "The credentials are missing or wrong.",
            Self::NotFound => "There is nothing at this path.",
            Self::MethodNotAllowed => "This path does not take this method.",
            Self::Timeout => "The request did not arrive in time.",
            Self::Conflict => "The request contradicts what is already there.",
            Self::ContentTooLarge => "The body of the request is too large.",
            Self::UriTooLong => "The target of the request is too long.",
            Self::UnsupportedMediaType => "The only content coding known here is identity.",
            Self::ExpectationFailed => "The only expectation known here is 100-continue.",
            Self::Unprocessable => "The request is well formed but can't be carried out.",
            Self::HeadTooLarge => "The head of the request is too large or has too many fields.",
            Self::NotImplemented => "The method or the transfer coding is not implemented here.",
            Self::Unavailable => "The server is not serving now.",
            Self::VersionNotSupported => "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: Status, code: u16, reason: &str) {
        assert_eq!(status.code(), code);
        assert_eq!(status.reason(), reason);
        let sentence = status.sentence();
        let plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
        assert!(sentence.bytes().all(plain), "{sentence} would need escaping");
        assert!(sentence.ends_with('.') && sentence.len() <= 64, "{sentence} is no short sentence");
    }

    #[test]
    fn statuses_have_their_registered_names() {
        check(Status::Ok, 200, "OK");
        check(Status::Created, 201, "Created");
        check(Status::NoContent, 204, "No Content");
        check(Status::BadRequest, 400, "Bad Request");
        check(Status::Unauthorized, 401, "Unauthorized");
        check(Status::NotFound, 404, "Not Found");
        check(Status::MethodNotAllowed, 405, "Method Not Allowed");
        check(Status::Timeout, 408, "Request Timeout");
        check(Status::Conflict, 409, "Conflict");
        check(Status::ContentTooLarge, 413, "Content Too Large");
        check(Status::UriTooLong, 414, "URI Too Long");
        check(Status::UnsupportedMediaType, 415, "Unsupported Media Type");
        check(Status::ExpectationFailed, 417, "Expectation Failed");
        check(Status::Unprocessable, 422, "Unprocessable Content");
        check(Status::HeadTooLarge, 431, "Request Header Fields Too Large");
        check(Status::NotImplemented, 501, "Not Implemented");
        check(Status::Unavailable, 503, "Service Unavailable");
        check(Status::VersionNotSupported, 505, "HTTP Version Not Supported");
    }
}
