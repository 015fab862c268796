//! A connection as a client has it: bytes go out as they are given, answers are read one by one.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::message;
use crate::process::PATIENCE;

/// Bytes of an answer. The metrics of 256 shards take a tenth of it.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    fields: Vec<(String, String)>,
    /// Without the description of an error, which the demo's platform is told.
    pub body: String,
    /// `ErrorDescription`, where it stands right behind the `ErrorCode`.
    pub description: Option<String>,
}

impl Answer {
    #[cfg(test)]
    pub(crate) fn new(status: u16, body: String) -> Self {
        Self { status, reason: String::new(), fields: Vec::new(), body, description: None }
    }

    /// The value of a field, of which there is one at most.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} is repeated");
        value
    }

    /// The same answer, as it would have been at any other time.
    pub fn without_date(mut self) -> Self {
        self.fields.retain(|(name, _)| name != "Date");
        self
    }

    /// The same answer, as it would have been to a `HEAD`.
    pub fn without_body(mut self) -> Self {
        self.body.clear();
        self
    }

    fn read_head(text: &str) -> io::Result<Self> {
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let known = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split_once(' '));
        let known = known.and_then(|(status, reason)| Some((status.parse().ok()?, reason)));
        let (status, reason) = known.ok_or_else(|| wrong(format!("no status line: {text:?}")))?;
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").ok_or_else(|| wrong(format!("no field: {line:?}")))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        let fields = lines.filter(|line| !line.is_empty()).map(field).collect::<io::Result<_>>()?;
        Ok(Self { status, reason: reason.into(), fields, body: String::new(), description: None })
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
pub enum End {
    /// In order, after all that was sent.
    Closed,
    /// By a reset.
    Reset,
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// Bytes that were received, and no answer was made of.
    received: Vec<u8>,
    /// Where in them the next answer begins.
    at: usize,
}

impl Client {
    /// A connection to this address.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("the server listens"))
    }

    /// A connection that is there.
    pub fn new(stream: TcpStream) -> Self {
        Self::with_patience(stream, PATIENCE).expect("time-outs, and no delay")
    }

    /// A connection that is there, on which nothing may take longer than `patience`.
    ///
    /// # Errors
    /// Where the socket does not take that.
    pub fn with_patience(stream: TcpStream, patience: Duration) -> io::Result<Self> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new(), at: 0 })
    }

    /// The same connection, for another thread to write to.
    pub fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a descriptor")
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Says that nothing more will be sent.
    pub fn end_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is there");
    }

    /// Waits until something has come, and leaves it where it is.
    #[track_caller]
    pub fn await_bytes(&self) {
        assert!(matches!(self.stream.peek(&mut [0]), Ok(1)), "something was to come");
    }

    /// Whether something comes within so long.
    #[track_caller]
    pub fn has_bytes_within(&self, most: Duration) -> bool {
        self.stream.set_read_timeout(Some(most)).expect("a time-out");
        let has_bytes = self.stream.peek(&mut [0]).is_ok();
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        has_bytes
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub fn ask(&mut self, request: &str) -> Answer {
        self.send(request);
        if request.starts_with("HEAD ") { self.answer_to_head() } else { self.answer() }
    }

    /// Reads the next answer.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.read_answer(true)
            .unwrap_or_else(|end| panic!("{end:?} in place of an answer, after {:?}", self.rest()))
    }

    /// Reads the next answer, which has no body.
    #[track_caller]
    pub fn answer_to_head(&mut self) -> Answer {
        self.read_answer(false)
            .unwrap_or_else(|end| panic!("{end:?} in place of an answer, after {:?}", self.rest()))
    }

    /// Reads the next answer, unless the connection ends before it is whole.
    #[track_caller]
    pub fn read_answer(&mut self, has_body: bool) -> Result<Answer, End> {
        self.try_answer(has_body).map_err(|error| self.end_of(&error))
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// What the socket says; `UnexpectedEof` where the connection ends before, `InvalidData` where it is no answer.
    pub fn try_ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request)?;
        self.try_answer(true)
    }

    /// Reads the next answer.
    ///
    /// # Errors
    /// What the socket says; `UnexpectedEof` where the connection ends before, `InvalidData` where it is no answer.
    pub(crate) fn try_answer(&mut self, has_body: bool) -> io::Result<Answer> {
        let head_bytes = loop {
            let unread = &self.received[self.at..];
            match unread.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(before) => break before + 4,
                None => self.receive()?,
            }
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| wrong(error.to_string()));
        let mut answer = Answer::read_head(&text(&self.received[self.at..self.at + head_bytes])?)?;
        self.at += head_bytes;
        let is_interim = (100..200).contains(&answer.status);
        if has_body && !is_interim {
            let length = answer.field("Content-Length").and_then(|value| value.parse().ok());
            let length: usize = length.ok_or_else(|| wrong(format!("no length: {answer:?}")))?;
            while self.received.len() - self.at < length {
                self.receive()?;
            }
            answer.set_body(text(&self.received[self.at..self.at + length])?);
            self.at += length;
        }
        Ok(answer)
    }

    /// Reads to the end of the connection, before which nothing more comes.
    #[track_caller]
    pub fn end(&mut self) -> End {
        loop {
            assert_eq!(self.rest(), "", "nothing more was to come");
            if let Err(error) = self.receive() {
                return self.end_of(&error);
            }
        }
    }

    fn rest(&self) -> String {
        self.received[self.at..].escape_ascii().to_string()
    }

    #[track_caller]
    fn end_of(&self, error: &io::Error) -> End {
        match error.kind() {
            ErrorKind::UnexpectedEof => End::Closed,
            ErrorKind::ConnectionReset => End::Reset,
            _ => panic!("{error}, after {:?}", self.rest()),
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        self.received.drain(..self.at);
        self.at = 0;
        let mut room = [0; 64 * 1024];
        let length = self.stream.read(&mut room)?;
        self.received.extend_from_slice(&room[..length]);
        if self.received.len() > ANSWER_BYTES_MAX {
            return Err(wrong("an answer without an end".to_owned()));
        }
        if length == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The metrics, by name and labels; of a connection to the operator's listener.
    #[track_caller]
    pub fn metrics(&mut self) -> BTreeMap<String, f64> {
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

fn wrong(sentence: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, sentence)
}

/// The body of what a server answers to a GET, each step of which takes no longer than `patience`.
///
/// # Errors
/// A sentence, where there is no answer, or one with another status than 200.
pub fn get(address: SocketAddr, path: &str, patience: Duration) -> Result<String, String> {
    let ask = || {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        Client::with_patience(stream, patience)?.try_ask(message::get(path).as_bytes())
    };
    match ask() {
        Ok(Answer { status: 200, body, .. }) => Ok(body),
        Ok(Answer { status, .. }) => Err(format!("http://{address}{path}: the answer is {status}")),
        Err(error) => Err(format!("http://{address}{path}: {error}")),
    }
}

/// The value of a metric, summed over the shards.
pub fn sum(metrics: &BTreeMap<String, f64>, name: &str, labels: &str) -> f64 {
    let named = |known: &str| known.starts_with(&format!("{name}{{")) && known.contains(labels);
    metrics.iter().filter(|(known, _)| named(known)).map(|(_, value)| value).sum()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[track_caller]
    fn check_get(answer: &'static str, expect: Result<&str, &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = thread::Builder::new().spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut room = [0; 1_024];
            let _ = socket.read(&mut room).expect("a request");
            socket.write_all(answer.as_bytes()).expect("a client that reads");
        });
        let got = get(address, "/metrics", PATIENCE);
        server.expect("a thread").join().expect("a server without a fault");
        let expect = expect.map(str::to_owned);
        assert_eq!(got, expect.map_err(|why| format!("http://{address}/metrics: {why}")));
    }

    #[test]
    fn gets() {
        check_get("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup", Ok("up"));
        check_get("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", Err("the answer is 404"));
        check_get("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nup", Err("unexpected end of file"));
        check_get("SSH-2.0\r\n\r\n", Err("no status line: \"SSH-2.0\\r\\n\\r\\n\""));
        check_get("", Err("unexpected end of file"));
    }
}
