//! Framing against hyper's on the same bytes: one table says where the two differ, and why.
//!
//! hyper is another reading of RFC 9112, by others, and serves behind many proxies. So a difference is a question, and each
//! has its answer in [`EXPLAINED`]. A difference without a row fails; so does a row that nothing shows any more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex};

use fuzz::http::{Found, Message, WORDS, frame};
use fuzz::mutate::{Chance, mutate};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use purser::http::Status;
use purser::limits::EMPTY_LINES_BYTES_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Streams that are drawn, beside the corpus; `PURSER_FUZZ_RUNS` asks for another number.
const STREAMS: usize = 100_000;

/// Room for a stream, and for its answers.
const PIPE_BYTES: usize = 1 << 22;

/// A message as hyper has found it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Theirs {
    method: String,
    path: String,
    query: Option<String>,
    authorization: Option<Vec<u8>>,
    body: Vec<u8>,
}

/// What hyper has made of a stream.
#[derive(Debug)]
struct Verdict {
    messages: Vec<Theirs>,
    /// Its error, where it did not come to an end in order.
    error: Option<String>,
}

fn hyper(runtime: &tokio::runtime::Runtime, stream: &[u8]) -> Verdict {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let broken = Arc::new(Mutex::new(None));
    let error = runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
        client.write_all(stream).await.expect("there is room");
        client.shutdown().await.expect("it is open");
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let (messages, broken) = (messages.clone(), broken.clone());
            async move {
                let (parts, body) = request.into_parts();
                // A request whose body does not come whole is none.
                let body = match body.collect().await {
                    Ok(body) => body,
                    Err(error) => {
                        broken.lock().expect("nobody panicked").get_or_insert(format!("{error}: {error:?}"));
                        return Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new()));
                    }
                };
                let authorization = parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes().to_vec());
                messages.lock().expect("nobody panicked").push(Theirs {
                    method: parts.method.as_str().to_uppercase(),
                    path: parts.uri.path().to_owned(),
                    query: parts.uri.query().map(Into::into),
                    authorization,
                    body: body.to_bytes().to_vec(),
                });
                Ok(hyper::Response::new(Empty::new()))
            }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(server), service)
            .await;
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.expect("a pipe");
        served.err().map(|error| format!("{error}: {error:?}"))
    });
    let messages = std::mem::take(&mut *messages.lock().expect("nobody panicked"));
    let broken = broken.lock().expect("nobody panicked").take();
    Verdict { messages, error: broken.or(error) }
}

/// What one of the two makes of the place in a stream where they part.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Side {
    Message(Theirs),
    Refuses,
    /// It waits for more, or has closed in order.
    Waits,
}

/// Where the two part.
#[derive(Debug)]
struct Parting<'a> {
    ours: Side,
    theirs: Side,
    /// What ours refuses it with.
    status: Option<Status>,
    /// The line and the fields of the message, names in lower case, as a lenient reader has them.
    line: &'a str,
    fields: Vec<(String, &'a [u8])>,
    /// The message before it, where the connection ends with that.
    before: Option<&'a [u8]>,
    /// Bytes of empty lines before it.
    empty: usize,
    /// What follows the head.
    rest: &'a [u8],
}

impl Parting<'_> {
    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| *value)
    }

    fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    fn refused_with(&self, status: Status) -> bool {
        self.status == Some(status) && self.theirs != Side::Refuses
    }

    fn has_one_good_host(&self) -> bool {
        let hosts: Vec<_> = self.values("host").collect();
        match hosts[..] {
            [] => self.line.ends_with("HTTP/1.0"),
            [host] => is_host(host),
            _ => false,
        }
    }

    fn has_one_good_coding(&self) -> bool {
        let mut codings = self.values("transfer-encoding").flat_map(listed);
        codings.next().is_some_and(|coding| coding == "chunked") && codings.next().is_none()
    }

    /// A path, or an absolute target, of plain characters.
    fn has_usual_target(&self) -> bool {
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

    fn has_odd_target(&self) -> bool {
        let target = self.target();
        target.bytes().any(|byte| b"\"<>\\^`{|}".contains(&byte))
            || target.starts_with("http") && target.contains('%')
    }

    /// Whether there is such a line behind the head.
    fn has_line(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        self.rest.split(|byte| *byte == b'\n').any(|line| is(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// A name or an address, and a port.
fn is_host(value: &[u8]) -> bool {
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

/// A difference that has its reason.
struct Row {
    name: &'static str,
    /// Whether it is this one.
    is: fn(&Parting<'_>) -> bool,
    why: &'static str,
}

fn differ<'a>(stream: &'a [u8], ours: &Found, theirs: &Verdict) -> Option<Parting<'a>> {
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

fn as_theirs(message: &Message) -> Theirs {
    Theirs {
        method: format!("{:?}", message.method).to_uppercase(),
        path: message.path.clone(),
        query: message.query.clone(),
        authorization: message.authorization.clone(),
        body: message.body.clone(),
    }
}

/// Takes a head apart as leniently as may be.
fn part(message: &[u8], ours: Side, theirs: Side, status: Option<Status>) -> Parting<'_> {
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

fn listed(value: &[u8]) -> impl Iterator<Item = String> {
    let value = String::from_utf8_lossy(value).to_lowercase();
    value.split(',').map(|member| member.trim().to_owned()).collect::<Vec<_>>().into_iter()
}

/// The differences. Where ours is the stricter one, two recipients of one message could disagree, or its sender means
/// what this server does not do.
const EXPLAINED: &[Row] = &[
    Row {
        name: "method",
        is: |p| p.refused_with(Status::NotImplemented) && !METHODS.contains(&p.method()),
        why: "hyper leaves unknown methods to its service; here they are 501",
    },
    Row {
        name: "transfer coding",
        is: |p| p.refused_with(Status::NotImplemented) && p.has("transfer-encoding"),
        why: "hyper takes any codings that end in chunked, and leaves them on; this server has none of them (501)",
    },
    Row {
        name: "expectation",
        is: |p| p.refused_with(Status::ExpectationFailed) && p.has("expect"),
        why: "hyper passes over an expectation that it does not know (RFC 9110 §10.1.1 lets a server answer 417)",
    },
    Row {
        name: "content coding",
        is: |p| p.refused_with(Status::UnsupportedMediaType) && p.has("content-encoding"),
        why: "hyper leaves content codings to its service; here they are 415",
    },
    Row {
        name: "size",
        is: |p| p.refused_with(Status::ContentTooLarge),
        why: "a body has a bound here, and hyper leaves that to its service",
    },
    Row {
        name: "empty lines",
        is: |p| p.refused_with(Status::BadRequest) && p.empty > EMPTY_LINES_BYTES_MAX,
        why: "empty lines before a request line have a bound here (RFC 9112 §2.2 asks for one to be passed over)",
    },
    Row {
        name: "Host",
        is: |p| p.refused_with(Status::BadRequest) && !p.has_one_good_host(),
        why: "a request of HTTP/1.1 has one Host, and any is well formed (RFC 9112 §3.2); hyper does not look",
    },
    Row {
        name: "length beside a coding",
        is: |p| p.refused_with(Status::BadRequest) && p.has("content-length") && p.has("transfer-encoding"),
        why: "hyper goes by the coding, as RFC 9112 §6.3 allows; the two together are the classic of smuggling (§11.2)",
    },
    Row {
        name: "length twice",
        is: |p| p.refused_with(Status::BadRequest) && p.values("content-length").count() > 1,
        why: "hyper takes lengths that agree, as RFC 9110 §8.6 allows; here a field that decides stands once",
    },
    Row {
        name: "Authorization twice",
        is: |p| p.refused_with(Status::BadRequest) && p.values("authorization").count() > 1,
        why: "which of two credentials counts is a matter of opinion",
    },
    Row {
        name: "list of codings",
        is: |p| p.refused_with(Status::BadRequest) && p.has("transfer-encoding") && !p.has_one_good_coding(),
        why: "hyper looks at the last coding alone; empty, repeated and malformed ones are refused here",
    },
    Row {
        name: "form of the target",
        is: |p| p.refused_with(Status::BadRequest) && !p.has_usual_target(),
        why: "each method has its forms (RFC 9112 §3.2), and a target has no fragment; hyper takes any form with any method",
    },
    Row {
        name: "digits of a chunk's size",
        is: |p| p.refused_with(Status::BadRequest) && p.has_line(|line| sizes(line) > 16),
        why: "a size has sixteen digits at most, leading zeros included; hyper counts what they amount to",
    },
    Row {
        name: "blanks behind a chunk's size",
        is: |p| {
            let has_blank = |line: &[u8]| sizes(line) > 0 && line.ends_with(b" ") || line.ends_with(b"\t");
            p.refused_with(Status::BadRequest) && p.has_line(has_blank)
        },
        why: "blanks stand before an extension alone (RFC 9112 §7.1.1); hyper takes them without one",
    },
    Row {
        name: "trailers",
        is: |p| {
            let is_last = |line: &[u8]| {
                let size = line.split(|byte| b"; \t".contains(byte)).next().unwrap_or_default();
                !size.is_empty() && size.iter().all(|byte| *byte == b'0')
            };
            p.refused_with(Status::BadRequest) && p.has_line(is_last)
        },
        why: "a trailer is a field line (RFC 9112 §7.1.2); hyper passes over what stands there",
    },
    Row {
        name: "close beside other bytes",
        is: |p| p.ours == Side::Waits && p.before.is_some_and(|head| !head.is_ascii()),
        why: "hyper passes over a Connection field that is not ASCII; here the connection ends where it has close in it",
    },
    Row {
        name: "CONNECT",
        is: |p| {
            p.method() == "CONNECT" && matches!((&p.ours, &p.theirs), (Side::Message(_), Side::Message(_)))
        },
        why: "what CONNECT names is a path here, which nobody has, and an authority in hyper's Uri",
    },
    Row {
        name: "characters of a target",
        is: |p| p.ours != Side::Refuses && p.theirs == Side::Refuses && p.has_odd_target(),
        why: "hyper's Uri refuses some visible characters, which here are kept and find no path",
    },
];

/// Hexadecimal digits that a line begins with.
fn sizes(line: &[u8]) -> usize {
    line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count()
}

/// The methods that this server knows.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"];

fn explain(parting: &Parting<'_>) -> Option<&'static Row> {
    EXPLAINED.iter().find(|row| (row.is)(parting))
}

/// Streams of the grammar: requests that are mostly right, one after the other.
fn drawn(chance: &mut Chance) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..=chance.below(3) {
        let methods = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "BREW", "CONNECT"];
        let targets = [
            "/",
            "/v1.0/balance?a=b",
            "*",
            "http://h/a",
            "http://h?b",
            "h:1",
            "/a|b",
            "/#",
            "/a<b",
            "/%zz",
            "//h",
        ];
        let versions = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1"];
        let line = format!(
            "{} {} {}\r\n",
            pick(&methods, 2, chance),
            pick(&targets, 2, chance),
            pick(&versions, 3, chance)
        );
        stream.extend_from_slice(line.as_bytes());
        if chance.below(12) > 0 {
            stream.extend_from_slice(b"Host: h\r\n");
        }
        for _ in 0..chance.below(3) {
            stream.extend_from_slice(chance.one_of(&FIELDS).as_bytes());
            stream.extend_from_slice(b"\r\n");
        }
        match chance.below(4) {
            0 => stream.extend_from_slice(b"Content-Length: 5\r\n\r\nhello"),
            1 => {
                stream.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for _ in 0..chance.below(3) {
                    stream.extend_from_slice(chance.one_of(&CHUNKS).as_bytes());
                }
                stream.extend_from_slice(b"0\r\n\r\n");
            }
            _ => stream.extend_from_slice(b"\r\n"),
        }
    }
    stream
}

/// One of these; mostly of the first ones.
fn pick<'a>(all: &[&'a str], usual: usize, chance: &mut Chance) -> &'a str {
    let usual = if chance.below(4) > 0 { &all[..usual] } else { all };
    chance.one_of::<&str>(usual)
}

const FIELDS: [&str; 41] = [
    "Host: h",
    "Host: a b",
    "Host:",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 99999999999999999999",
    "Content-Length: 70000",
    "Content-Length:",
    "Content-Length: 5x",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: , chunked",
    "Transfer-Encoding:",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding : chunked",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: x, close",
    "Connection: closed",
    "Expect: 100-continue",
    "Expect: other",
    "Content-Encoding: gzip",
    "Content-Encoding: identity",
    "Authorization: Basic YTpi",
    "authorization: x",
    "X: y",
    "X : y",
    " folded",
    "X: a\0b",
    "X(: y",
    ": y",
    "X: \u{e9}",
    "Upgrade: h2c",
    "Connection: \u{e9}, close",
];

const CHUNKS: [&str; 25] = [
    "5\r\nhello\r\n",
    "1\r\na\r\n",
    "0001\r\na\r\n",
    "A\r\n0123456789\r\n",
    "1;x\r\na\r\n",
    "1 ;x=\"y;\"\r\na\r\n",
    "1\t\r\na\r\n",
    "1 \r\na\r\n",
    "1\na\n",
    "1\r\na\n",
    "1\r\nab\r\n",
    "\r\n",
    "+1\r\na\r\n",
    "0x1\r\na\r\n",
    "1;\n\r\na\r\n",
    "1;\u{e9}\r\na\r\n",
    "00000000000000001\r\na\r\n",
    "ffffffffffffffff\r\n",
    "10000000000000000\r\n",
    "1000000\r\n",
    "0\r\nT: x\r\n\r\n",
    "0\r\nT : x\r\n\r\n",
    "0\r\nT\r\n\r\n",
    "0\r\n T: x\r\n\r\n",
    "0\r\n\u{1}\r\n\r\n",
];

#[test]
fn framing_is_hypers_but_for_what_is_explained() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let target = fuzz::TARGETS.iter().find(|target| target.name == "http").expect("the target");
    let corpus = fuzz::corpus::of(target);
    let mut seen: BTreeMap<&str, usize> = EXPLAINED.iter().map(|row| (row.name, 0)).collect();
    let mut unexplained = Vec::new();
    let mut agreed = 0;
    let streams =
        std::env::var("PURSER_FUZZ_RUNS").map_or(STREAMS, |runs| runs.parse().expect("a number of runs"));
    for run in 0..streams + corpus.len() {
        let mut chance = Chance::new(run as u64);
        let mut stream = match corpus.get(run) {
            Some((_, bytes)) => bytes.clone(),
            None => {
                let plain = drawn(&mut chance);
                match chance.below(3) {
                    0 => plain,
                    1 => mutate(&plain, &drawn(&mut chance), &WORDS, &mut chance),
                    _ => mutate(&chance.one_of(&corpus).1.clone(), &plain, &WORDS, &mut chance),
                }
            }
        };
        stream.extend_from_slice(b"\r\n");
        match differ(&stream, &frame([&stream[..]]), &hyper(&runtime, &stream)) {
            None => agreed += 1,
            Some(parting) => match explain(&parting) {
                Some(row) => *seen.get_mut(row.name).expect("a row of the table") += 1,
                None => unexplained.push(format!("{}\n{parting:?}", stream.escape_ascii())),
            },
        }
    }
    println!("{agreed} streams alike; {seen:#?}");
    for row in EXPLAINED {
        println!("| {} | {} |", row.name, row.why);
    }
    assert!(
        unexplained.is_empty(),
        "{} differences:\n{}",
        unexplained.len(),
        unexplained[..unexplained.len().min(40)].join("\n\n")
    );
    let unused: Vec<_> = seen.iter().filter(|(_, count)| **count == 0).collect();
    assert!(unused.is_empty(), "rows that nothing shows: {unused:?}");
    assert!(agreed > streams / 4, "most of what is drawn is no difference");
}
