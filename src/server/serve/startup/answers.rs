//! What a server that starts answers: it is alive, it is not ready, and it takes no call.

use std::sync::Arc;

use crate::data::ReadProgress;
use crate::net::readiness::Readiness;
use api::{Api, Decoded, Probe};
use clock::Clock;
use http::{DateHeader, Method, Persistence, Request, Response, Status};

/// What a call is answered that came on a connection from before the server served.
const ASK_AGAIN: &str = "The server was starting when this connection was made: ask again on another one.";

/// The answers of a server that starts. Each ends its connection.
pub(crate) struct Answers {
    api: Api,
    readiness: Arc<Readiness>,
    progress: Arc<ReadProgress>,
    clock: Clock,
    date: DateHeader,
    /// There is no more room for requests that are not whole.
    pub(super) is_full: bool,
}

impl Answers {
    /// The answers of a process of this state, which has read its data this far.
    pub(crate) fn new(
        api: Api,
        readiness: Arc<Readiness>,
        progress: Arc<ReadProgress>,
        clock: Clock,
    ) -> Self {
        Self { api, readiness, progress, clock, date: DateHeader::default(), is_full: false }
    }

    /// The answer to a request that came whole. What HTTP itself decides is answered as it will be.
    pub(super) fn answer(&mut self, is_operator: bool, request: &Request<'_>) -> Vec<u8> {
        // No call is taken, and so no token is made of what the decoder draws.
        let mut none = || 0;
        let decoded = if is_operator {
            self.api.operator(request, &mut none)
        } else {
            self.api.platform(request, &mut none)
        };
        let omit_body = request.method == Method::Head;
        match decoded {
            Decoded::Options(methods) => self.write(Status::NoContent, Some(methods), b"", omit_body),
            Decoded::Http {
                status: status @ (Status::NotFound | Status::MethodNotAllowed), allow, ..
            } => self.error(status, allow, None, omit_body),
            Decoded::Probe(Probe::Healthz) => self.well(omit_body),
            Decoded::Probe(Probe::Readyz) if self.readiness.reason().is_none() => self.well(omit_body),
            Decoded::Probe(Probe::Readyz | Probe::Metrics)
            | Decoded::Http { .. }
            | Decoded::Operation(..)
            | Decoded::Refused(..) => self.unavailable(omit_body),
        }
    }

    /// 503, with how far the start is.
    pub(super) fn unavailable(&mut self, omit_body: bool) -> Vec<u8> {
        let sentence = match self.readiness.reason() {
            _ if self.readiness.is_starting() => starting(self.progress.get()),
            Some(reason) => reason.into(),
            None => ASK_AGAIN.into(),
        };
        self.error(Status::Unavailable, None, Some(&sentence), omit_body)
    }

    /// A message that is none, or is not whole.
    pub(super) fn refuse(&mut self, status: Status, omit_body: bool) -> Vec<u8> {
        self.error(status, None, None, omit_body)
    }

    fn well(&mut self, omit_body: bool) -> Vec<u8> {
        self.write(Status::Ok, None, br#"{"Status":"ok"}"#, omit_body)
    }

    fn error(
        &mut self,
        status: Status,
        allow: Option<&'static str>,
        detail: Option<&str>,
        omit_body: bool,
    ) -> Vec<u8> {
        let mut body = Vec::new();
        api::encode_error(status, detail, &mut body);
        self.write(status, allow, &body, omit_body)
    }

    fn write(
        &mut self,
        status: Status,
        allow: Option<&'static str>,
        body: &[u8],
        omit_body: bool,
    ) -> Vec<u8> {
        self.date.refresh(self.clock.now().wall_ms / 1_000);
        let mut out = Vec::new();
        let response =
            Response { allow, persistence: Persistence::Close, omit_body, ..Response::json(status, body) };
        http::write_response(&mut out, &self.date, &response);
        out
    }
}

/// How far a start is that has read so many bytes of so many.
fn starting((done, total): (u64, u64)) -> String {
    const MIB: u64 = 1024 * 1024;
    if total == 0 {
        return "The server is starting.".into();
    }
    if done >= total {
        return "The server is starting: its data are read, and are being made ready.".into();
    }
    let percent = u128::from(done) * 100 / u128::from(total);
    let (done, total) = (done / MIB, total.div_ceil(MIB));
    format!("The server is starting: {done} of {total} MiB of its data are read, {percent} %.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_start_is() {
        #[track_caller]
        fn check(done: u64, total: u64, expect: &str) {
            let sentence = starting((done, total));
            assert_eq!(sentence.strip_prefix("The server is starting"), Some(expect));
        }
        const MIB: u64 = 1024 * 1024;
        check(0, 0, ".");
        check(0, 1, ": 0 of 1 MiB of its data are read, 0 %.");
        check(0, 64 * MIB, ": 0 of 64 MiB of its data are read, 0 %.");
        check(64 * MIB, 192 * MIB + 1, ": 64 of 193 MiB of its data are read, 33 %.");
        check(192 * MIB, 192 * MIB + 1, ": 192 of 193 MiB of its data are read, 99 %.");
        check(192 * MIB, 192 * MIB, ": its data are read, and are being made ready.");
        check(u64::MAX - 1, u64::MAX, ": 17592186044415 of 17592186044416 MiB of its data are read, 99 %.");
    }
}
