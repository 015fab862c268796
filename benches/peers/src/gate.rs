//! The first rungs of the protocol's ladder: credentials, body, platform (protocol §1).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request as HttpRequest};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use crate::demo;
use crate::protocol::Request;
use crate::store::{ErrorCode, Refusal};

/// What every handler has: the store, and who may call.
#[derive(Debug)]
pub(crate) struct App<S> {
    pub(crate) store: S,
    /// The credentials of the one platform, encoded as they come.
    credentials: String,
}

impl<S> App<S> {
    pub(crate) fn new(store: S) -> Arc<Self> {
        let credentials = BASE64.encode(format!("{}:{}", demo::USER, demo::PASSWORD));
        Arc::new(Self { store, credentials })
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let field = headers.get(AUTHORIZATION).map_or(&b""[..], |field| field.as_bytes());
        let Some((scheme, credentials)) = field.split_at_checked("Basic ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"Basic ") && credentials.ct_eq(self.credentials.as_bytes()).into()
    }
}

/// The body of a call that has passed the gate.
pub(crate) struct Call<T>(pub(crate) T);

impl<S, T> FromRequest<Arc<App<S>>> for Call<T>
where
    S: Send + Sync + 'static,
    T: DeserializeOwned + Request,
{
    type Rejection = Response;

    async fn from_request(request: HttpRequest, app: &Arc<App<S>>) -> Result<Self, Response> {
        let refused = || Refusal::bare(ErrorCode::NOT_AUTHENTICATED).into_response();
        if !app.admits(request.headers()) {
            return Err(refused());
        }
        let body = Bytes::from_request(request, app).await.map_err(|error| error.into_response())?;
        match serde_json::from_slice::<T>(&body) {
            Ok(call) if call.platform() == demo::PLATFORM => Ok(Self(call)),
            _ => Err(refused()),
        }
    }
}
