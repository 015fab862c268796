//! hyper's server on a stream in memory.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Room for a stream, and for its answers.
pub(crate) const PIPE_BYTES: usize = 1 << 22;

/// A message as hyper has found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Theirs {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) authorization: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
}

/// What hyper has made of a stream.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) messages: Vec<Theirs>,
    /// Its error, where it did not come to an end in order.
    pub(crate) error: Option<String>,
}

pub(crate) fn hyper(runtime: &tokio::runtime::Runtime, stream: &[u8]) -> Verdict {
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
