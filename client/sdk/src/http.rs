//! [`Http`]: what is asked over HTTP: signing up, logging in and out, profiles, members.
//!
//! One connection a request: these are rare.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use parlour_protocol::frame::client::{Send as SendFrame, Token};
use parlour_protocol::frame::server;
use parlour_protocol::http as wire;
use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::Session;
use crate::endpoint::Endpoint;
use crate::error::Error;

/// How much of an answer is read at most.
const ANSWER_BYTES: usize = 4 << 20;
/// How long a request may take: a password is hashed meanwhile.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(60);

/// The HTTP side of a server.
#[derive(Clone, Debug)]
pub struct Http {
    endpoint: Endpoint,
    token: Option<Token>,
}

impl Http {
    /// Without a token.
    #[must_use]
    pub fn new(endpoint: &Endpoint) -> Self {
        Self {
            endpoint: endpoint.clone(),
            token: None,
        }
    }

    /// With a device's token.
    #[must_use]
    pub fn with_token(endpoint: &Endpoint, token: &Token) -> Self {
        Self {
            endpoint: endpoint.clone(),
            token: Some(token.clone()),
        }
    }

    /// Makes an account, and logs this device in.
    ///
    /// # Errors
    /// The server refuses (3014 to 3021), or cannot be reached.
    pub async fn sign_up(&self, request: &wire::SignUp) -> Result<Session, Error> {
        self.post("/v1/accounts", request)
            .await
            .map(|l: wire::LoggedIn| l.into())
    }

    /// Logs this device in.
    ///
    /// # Errors
    /// The server refuses (4003), or cannot be reached.
    pub async fn log_in(
        &self,
        name: &str,
        password: &str,
        device_name: &str,
    ) -> Result<Session, Error> {
        let request = wire::LogIn {
            name: name.to_owned(),
            password: Token(password.to_owned()),
            device_name: device_name.to_owned(),
        };
        self.post("/v1/login", &request)
            .await
            .map(|l: wire::LoggedIn| l.into())
    }

    /// Logs this device out: its token is revoked.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached; the token may still be good.
    pub async fn log_out(&self) -> Result<(), Error> {
        self.call(Method::POST, "/v1/logout", None::<&()>)
            .await
            .map(|_: Option<serde_json::Value>| ())
    }

    /// One's own profile.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn me(&self) -> Result<wire::Profile, Error> {
        self.get("/v1/me").await
    }

    /// One's devices.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn devices(&self) -> Result<Vec<wire::Device>, Error> {
        self.get("/v1/devices")
            .await
            .map(|d: wire::Devices| d.devices)
    }

    /// Signs a device of one's own out.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn revoke(&self, device: DeviceId) -> Result<(), Error> {
        self.call(
            Method::DELETE,
            &format!("/v1/devices/{device}"),
            None::<&()>,
        )
        .await
        .map(|_: Option<serde_json::Value>| ())
    }

    /// The user of this name.
    ///
    /// # Errors
    /// [`Error::NoUser`], or the server refuses or cannot be reached.
    pub async fn find_user(&self, name: &str) -> Result<wire::Profile, Error> {
        let found: wire::Profiles = self
            .get(&format!("/v1/users?name={}", escaped(name)))
            .await?;
        found
            .users
            .into_iter()
            .next()
            .ok_or_else(|| Error::NoUser(name.to_owned()))
    }

    /// Users whose names begin so.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn find_users(&self, prefix: &str) -> Result<Vec<wire::Profile>, Error> {
        self.get(&format!("/v1/users?prefix={}", escaped(prefix)))
            .await
            .map(|p: wire::Profiles| p.users)
    }

    /// The profiles of these users, those that exist. At most 100 at once.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn profiles(&self, users: &[UserId]) -> Result<Vec<wire::Profile>, Error> {
        let ids: Vec<String> = users.iter().map(ToString::to_string).collect();
        self.get(&format!("/v1/users?ids={}", ids.join(",")))
            .await
            .map(|p: wire::Profiles| p.users)
    }

    /// A page of a conversation's members.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn members(
        &self,
        conversation: ConversationId,
        after: Option<UserId>,
    ) -> Result<wire::Members, Error> {
        let after = after.map_or_else(String::new, |u| format!("?after={u}"));
        self.get(&format!("/v1/conversations/{conversation}/members{after}"))
            .await
    }

    /// A conversation as it stands.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn conversation(
        &self,
        conversation: ConversationId,
    ) -> Result<wire::Conversation, Error> {
        self.get(&format!("/v1/conversations/{conversation}")).await
    }

    /// A page of events, folded: the newest, or those before or after a place.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn history(
        &self,
        conversation: ConversationId,
        before: Option<parlour_protocol::Seq>,
        after: Option<parlour_protocol::Seq>,
        limit: u32,
    ) -> Result<server::Stretch, Error> {
        let mut path = format!("/v1/conversations/{conversation}/history?limit={limit}");
        if let Some(before) = before {
            path.push_str(&format!("&before={before}"));
        }
        if let Some(after) = after {
            path.push_str(&format!("&after={after}"));
        }
        self.get(&path).await
    }

    /// Sends an event, and waits until it is durable. The caller keeps the id and repeats the
    /// same frame, with `retry`, if no answer comes.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached (unknown: repeat it).
    pub async fn send(&self, frame: &SendFrame) -> Result<wire::Placed, Error> {
        let conversation = frame
            .conversation
            .ok_or(Error::Refused(parlour_client_core::Refused::NoAddress))?;
        self.post(&format!("/v1/conversations/{conversation}/messages"), frame)
            .await
    }

    /// `GET` of a path, for what has no method here.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.some(Method::GET, path, None::<&()>).await
    }

    /// `POST` to a path, for what has no method here.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.some(Method::POST, path, Some(body)).await
    }

    async fn some<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Error> {
        self.call(method, path, body)
            .await?
            .ok_or_else(|| self.odd("an empty answer"))
    }

    fn odd(&self, why: impl std::fmt::Display) -> Error {
        Error::Answer {
            server: self.endpoint.url().to_owned(),
            why: why.to_string(),
        }
    }

    fn broken(&self, error: &hyper::Error) -> Error {
        if error.is_parse() && self.endpoint.url().starts_with("http://") {
            let why =
                "it does not speak HTTP on this port; perhaps its address begins with https://";
            return self.endpoint.unreachable(why);
        }
        self.endpoint.unreachable(error)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Option<T>, Error> {
        tokio::time::timeout(ANSWER, self.call_now(method, path, body))
            .await
            .map_err(|_| self.endpoint.unreachable("no answer in 60 s"))?
    }

    async fn call_now<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Option<T>, Error> {
        let stream = self.endpoint.open().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.endpoint.unreachable(e))?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.endpoint.authority());
        if let Some(token) = &self.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.0))
                .map_err(|_| self.odd("a token with characters that no header can have"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                serde_json::to_vec(body).map_err(|e| self.odd(e))?
            }
            None => Vec::new(),
        };
        let request = request
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|e| self.odd(e))?;
        let exchange = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(|e| self.broken(&e))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES)
                .collect()
                .await
                .map_err(|e| self.endpoint.unreachable(e))?
                .to_bytes();
            Ok::<_, Error>((status, body))
        };
        let (status, body) = {
            // The connection only moves while it is polled; it ends with this request.
            tokio::pin!(connection);
            tokio::pin!(exchange);
            tokio::select! {
                biased;
                done = &mut exchange => done?,
                ended = &mut connection => {
                    ended.map_err(|e| self.broken(&e))?;
                    exchange.await?
                }
            }
        };
        if status.is_success() {
            if body.is_empty() {
                return Ok(None);
            }
            return serde_json::from_slice(&body)
                .map(Some)
                .map_err(|e| self.odd(e));
        }
        match serde_json::from_slice::<server::Error>(&body) {
            Ok(error) => Err(Error::Server {
                code: error.code,
                message: match error.details {
                    Some(serde_json::Value::String(details)) => {
                        format!("{} ({details})", error.message)
                    }
                    _ => error.message,
                },
            }),
            Err(_) => Err(self.odd(format!("HTTP status {status}"))),
        }
    }
}

/// Percent-encodes a query value.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &b in text.as_bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_query_value_cannot_break_out() {
        assert_eq!(escaped("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
