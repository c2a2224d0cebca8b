//! A client of the HTTP API.

use parlour_protocol::frame::server;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Speaks to a node, as nobody or with a token.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body, of a request that must have gone well.
    #[track_caller]
    pub fn ok<T: DeserializeOwned>(&self) -> T {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.body
        );
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The numbered error, of a request that must have been refused with its code's status.
    #[track_caller]
    pub fn error(&self) -> server::Error {
        let error: server::Error = serde_json::from_str(&self.body)
            .unwrap_or_else(|e| panic!("no numbered error: {e}: {} {}", self.status, self.body));
        assert_eq!(error.code.status(), self.status, "{error:?}");
        error
    }
}

impl Http {
    /// A client that is nobody.
    pub fn new(url: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: url.to_owned(),
            token: None,
        }
    }

    /// The same with a token.
    #[must_use]
    pub fn with(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// One request, whose body is sent as it is.
    pub async fn raw(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Answer {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            body: response.text().await.expect("a whole answer"),
        }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, None).await
    }

    /// `POST` of JSON.
    pub async fn post<T: Serialize + Sync>(&self, path: &str, body: &T) -> Answer {
        let body = serde_json::to_vec(body).expect("JSON");
        self.raw("POST", path, Some(body)).await
    }

    /// `PATCH` of JSON.
    pub async fn patch<T: Serialize + Sync>(&self, path: &str, body: &T) -> Answer {
        let body = serde_json::to_vec(body).expect("JSON");
        self.raw("PATCH", path, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.raw("DELETE", path, None).await
    }
}
