//! A connection as a client has it: bytes go out as they are given, answers are read one by one.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::message;

/// Nothing takes that long, and no time of the configuration is as long by default; so it is what a hanging server is told by.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    fields: Vec<(String, String)>,
    /// Without the description of an error, which the demo's platform is told.
    pub(crate) body: String,
    /// `ErrorDescription`, where it stands right behind the `ErrorCode`.
    pub(crate) description: Option<String>,
}

impl Answer {
    /// The value of a field, of which there is one at most.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} is repeated");
        value
    }

    /// The same answer, as it would have been at any other time.
    pub(crate) fn without_date(mut self) -> Self {
        self.fields.retain(|(name, _)| name != "Date");
        self
    }

    /// The same answer, as it would have been to a `HEAD`.
    pub(crate) fn without_body(mut self) -> Self {
        self.body.clear();
        self
    }

    #[track_caller]
    fn read_head(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let rest = line.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no status line: {text:?}"));
        let (status, reason) = rest.split_once(' ').expect("a reason");
        let fields = lines.filter(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field: {line:?}"));
            (name.to_owned(), value.to_owned())
        });
        let fields = fields.collect();
        let status = status.parse().expect("a status");
        Self { status, reason: reason.into(), fields, body: String::new(), description: None }
    }

    fn set_body(&mut self, body: String) {
        const NAME: &str = ",\"ErrorDescription\":\"";
        self.body = body;
        let Some(start) = self.body.find(NAME) else { return };
        let code = self.body[..start].strip_prefix("{\"ErrorCode\":-").unwrap_or_default();
        if code.is_empty() || code.parse::<u8>().is_err() {
            return;
        }
        let text = &self.body[start + NAME.len()..];
        // No description has a quotation mark in it.
        let length = text.find('"').expect("its end");
        self.description = Some(text[..length].to_owned());
        self.body.replace_range(start..start + NAME.len() + length + 1, "");
    }
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order, after all that was sent.
    Closed,
    /// By a reset.
    Reset,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    /// Bytes that were received, and no answer was made of.
    received: Vec<u8>,
    /// Where in them the next answer begins.
    at: usize,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("the server listens"))
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, received: Vec::new(), at: 0 }
    }

    /// The same connection, for another thread to write to.
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a descriptor")
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is there");
    }

    /// Waits until something has come, and leaves it where it is.
    #[track_caller]
    pub(crate) fn await_bytes(&self) {
        assert!(matches!(self.stream.peek(&mut [0]), Ok(1)), "something was to come");
    }

    /// Whether something comes within so long.
    #[track_caller]
    pub(crate) fn has_bytes_within(&self, most: Duration) -> bool {
        self.stream.set_read_timeout(Some(most)).expect("a time-out");
        let has_bytes = self.stream.peek(&mut [0]).is_ok();
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        has_bytes
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &str) -> Answer {
        self.send(request);
        if request.starts_with("HEAD ") { self.answer_to_head() } else { self.answer() }
    }

    /// Reads the next answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        match self.read_answer(true) {
            Ok(answer) => answer,
            Err(end) => panic!("{end:?} in place of an answer, after {:?}", self.rest()),
        }
    }

    /// Reads the next answer, which has no body.
    #[track_caller]
    pub(crate) fn answer_to_head(&mut self) -> Answer {
        match self.read_answer(false) {
            Ok(answer) => answer,
            Err(end) => panic!("{end:?} in place of an answer, after {:?}", self.rest()),
        }
    }

    /// Reads the next answer, unless the connection ends before it is whole.
    #[track_caller]
    pub(crate) fn read_answer(&mut self, has_body: bool) -> Result<Answer, End> {
        let head_bytes = loop {
            let unread = &self.received[self.at..];
            match unread.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(before) => break before + 4,
                None => self.receive()?,
            }
        };
        let head = &self.received[self.at..self.at + head_bytes];
        let mut answer = Answer::read_head(str::from_utf8(head).expect("UTF-8"));
        self.at += head_bytes;
        let is_interim = (100..200).contains(&answer.status);
        if has_body && !is_interim {
            let length = answer.field("Content-Length").expect("a length").parse().expect("a number");
            while self.received.len() - self.at < length {
                self.receive()?;
            }
            let body = self.received[self.at..self.at + length].to_vec();
            answer.set_body(String::from_utf8(body).expect("UTF-8"));
            self.at += length;
        }
        Ok(answer)
    }

    /// Reads to the end of the connection, before which nothing more comes.
    #[track_caller]
    pub(crate) fn end(&mut self) -> End {
        loop {
            assert_eq!(self.rest(), "", "nothing more was to come");
            if let Err(end) = self.receive() {
                return end;
            }
        }
    }

    fn rest(&self) -> String {
        self.received[self.at..].escape_ascii().to_string()
    }

    #[track_caller]
    fn receive(&mut self) -> Result<(), End> {
        self.received.drain(..self.at);
        self.at = 0;
        let mut room = [0; 64 * 1024];
        match self.stream.read(&mut room) {
            Ok(0) => Err(End::Closed),
            Ok(length) => {
                self.received.extend_from_slice(&room[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(End::Reset),
            Err(error) => panic!("{error}, after {:?}", self.rest()),
        }
    }

    /// The metrics, by name and labels; of a connection to the operator's listener.
    #[track_caller]
    pub(crate) fn metrics(&mut self) -> BTreeMap<String, f64> {
        let answer = self.ask(&message::get("/metrics"));
        assert_eq!(answer.status, 200);
        let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
        let value = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        };
        lines.map(value).collect()
    }
}

/// The value of a metric, summed over the shards.
pub(crate) fn sum(metrics: &BTreeMap<String, f64>, name: &str, labels: &str) -> f64 {
    let named = |known: &str| known.starts_with(&format!("{name}{{")) && known.contains(labels);
    metrics.iter().filter(|(known, _)| named(known)).map(|(_, value)| value).sum()
}
