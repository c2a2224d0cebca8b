//! What every handler shares: the numbered error as an answer, bodies within their bound, and who
//! calls.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, Limited};
use parlour_ports::accounts::Device;
use parlour_protocol::check::Refused;
use parlour_protocol::error::Code;
use parlour_protocol::frame::client::Token;
use parlour_protocol::frame::server;
use parlour_protocol::http::Scope;
use parlour_protocol::id::UserId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::node::Node;

/// A numbered error as an answer: its JSON, with the code's status.
#[derive(Debug)]
pub struct Failure(Box<server::Error>);

/// What a handler gives.
pub type Answer<T> = Result<T, Failure>;

impl Failure {
    /// The error of this code, with the table's text.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(server::Error::new(0, code)))
    }

    /// Its number.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.0.code
    }

    /// The same, with what exactly was wrong.
    #[must_use]
    pub fn why(mut self, what: impl Into<String>) -> Self {
        self.0.details = Some(what.into().into());
        self
    }

    /// The same, with what of several it is said of, before what was wrong.
    #[must_use]
    pub fn of(mut self, which: &str) -> Self {
        let what = self.0.details.as_ref().and_then(|d| d.as_str());
        let what = what.map_or_else(|| format!("`{which}`"), |what| format!("`{which}`: {what}"));
        self.0.details = Some(what.into());
        self
    }

    /// The same, to be tried again after this while.
    #[must_use]
    pub fn retry(mut self, ms: u64) -> Self {
        self.0.retry_ms = Some(ms);
        self
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::new(refused.code).why(refused.what)
    }
}

impl From<server::Error> for Failure {
    fn from(error: server::Error) -> Self {
        Self(Box::new(error))
    }
}

impl From<parlour_ports::Error> for Failure {
    fn from(error: parlour_ports::Error) -> Self {
        use parlour_ports::Error;
        let code = match &error {
            Error::Unavailable { .. } | Error::Unknown { .. } => Code::UNAVAILABLE,
            Error::Full { .. } => Code::STORAGE_FULL,
            Error::Broken { .. } => Code::FAILED,
        };
        tracing::warn!(%error, "a request met a port that failed");
        Self::new(code).retry(1_000)
    }
}

impl From<crate::password::Full> for Failure {
    fn from(_: crate::password::Full) -> Self {
        Self::new(Code::OVERLOADED).retry(1_000)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A request over HTTP has no reference to be told apart by.
        let mut error = serde_json::to_value(&*self.0).unwrap_or_default();
        if let Some(fields) = error.as_object_mut() {
            fields.remove("ref");
        }
        let mut response = (status, axum::Json(error)).into_response();
        if let Some(ms) = self.0.retry_ms
            && let Ok(value) = HeaderValue::from_str(&ms.div_ceil(1_000).to_string())
        {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

/// A JSON body, coming or going. Coming, its content type is not looked at: scripts forget it.
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Node>> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, node: &Arc<Node>) -> Answer<Self> {
        let mut most = usize::try_from(node.config.http.body_bytes).unwrap_or(usize::MAX);
        if request.uri().path().starts_with("/v1/admin/") {
            most = most.saturating_mul(16);
        }
        let whole = Limited::new(request.into_body(), most).collect();
        let within_ms = node.config.http.body_ms;
        let bytes = tokio::time::timeout(Duration::from_millis(within_ms), whole)
            .await
            .map_err(|_| {
                Failure::new(Code::IDLE)
                    .why(format!("the body did not come whole within {within_ms} ms"))
            })?
            .map_err(|e| {
                if e.is::<http_body_util::LengthLimitError>() {
                    Failure::new(Code::TOO_LARGE)
                        .why(format!("the body of this request may have {most} bytes"))
                } else {
                    Failure::new(Code::BAD_REQUEST).why("the body did not come whole")
                }
            })?
            .to_bytes();
        parlour_protocol::codec::json(&bytes)
            .map(Self)
            .map_err(|e| Failure::new(Code::BAD_REQUEST).why(e.to_string()))
    }
}

/// Query parameters.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Node>> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Answer<Self> {
        Query::from_request_parts(parts, node)
            .await
            .map(|Query(value)| Self(value))
            .map_err(|e| Failure::new(Code::BAD_REQUEST).why(e.body_text()))
    }
}

/// Part of a path: an id. One that cannot be read names nothing.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Node>> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Answer<Self> {
        axum::extract::Path::from_request_parts(parts, node)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|_| Failure::new(Code::NOT_FOUND).why("the path has no valid id in it"))
    }
}

/// The device that calls, by its token.
pub struct Caller(pub Device);

impl Caller {
    /// Whose device it is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.0.user
    }

    /// Whether the token may do this; `Full` may do all but administer and import.
    ///
    /// # Errors
    /// [`Code::SCOPE`].
    pub fn needs(&self, scope: Scope) -> Answer<()> {
        let full = matches!(scope, Scope::Full | Scope::Read | Scope::Send);
        let has = self.0.scopes.contains(&scope) || (full && self.0.scopes.contains(&Scope::Full));
        if has { Ok(()) } else { Err(Code::SCOPE.into()) }
    }
}

impl FromRequestParts<Arc<Node>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Answer<Self> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| {
                let (scheme, token) = v.split_once(' ')?;
                scheme
                    .eq_ignore_ascii_case("bearer")
                    .then(|| Token(token.trim().to_owned()))
            })
            .ok_or_else(|| {
                Failure::new(Code::BAD_TOKEN)
                    .why("the header `Authorization: Bearer <token>` is missing")
            })?;
        let device = node.verifier.verify(&token).await?;
        // Whoever said who they are no longer stands on the doorstep.
        if let Some(peer) = parts.extensions.get::<crate::sockets::Peer>() {
            peer.0.leave();
        }
        Ok(Self(device))
    }
}
