//! The HTTP API: every path of `protocol::http::ROUTES`, and no other.
//!
//! One verifier, one numbered error for every refusal. Never a rule of its own: what a request may
//! do in a conversation is judged by the same functions as on the socket.

pub mod accounts;
pub mod admin;
pub mod answer;
pub mod conversations;
pub mod ops;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use parlour_protocol::error::Code;

use crate::node::Node;
use crate::{gateway, telemetry};
use answer::Failure;

macro_rules! serve {
    ($($method:ident $path:literal => $handler:path;)*) => {
        /// Method and path of everything that is served.
        pub const SERVED: &[(&str, &str)] = &[$((stringify!($method), $path),)*];

        fn routes() -> Router<Arc<Node>> {
            Router::new()$(.route($path, on(MethodFilter::$method, $handler)))*
        }
    };
}

serve! {
    POST "/v1/accounts" => accounts::sign_up;
    POST "/v1/login" => accounts::log_in;
    POST "/v1/logout" => accounts::log_out;
    GET "/v1/me" => accounts::me;
    PATCH "/v1/me" => accounts::change;
    GET "/v1/devices" => accounts::devices;
    DELETE "/v1/devices/{device}" => accounts::sign_out;
    GET "/v1/users/{user}" => accounts::user;
    GET "/v1/users" => accounts::users;
    POST "/v1/conversations" => conversations::make;
    GET "/v1/conversations" => conversations::list;
    GET "/v1/conversations/{conversation}" => conversations::one;
    GET "/v1/conversations/{conversation}/members" => conversations::members;
    POST "/v1/conversations/{conversation}/members" => conversations::add;
    DELETE "/v1/conversations/{conversation}/members/{user}" => conversations::remove;
    GET "/v1/conversations/{conversation}/history" => conversations::history;
    POST "/v1/conversations/{conversation}/messages" => conversations::send;
    POST "/v1/admin/accounts" => admin::accounts;
    POST "/v1/admin/invitations" => admin::invitations;
    GET "/health" => ops::health;
    GET "/ready" => ops::ready;
    GET "/metrics" => ops::metrics;
    GET "/v1/socket" => gateway::upgrade;
}

async fn no_path() -> Failure {
    Failure::new(Code::NOT_FOUND).why("there is no such path; docs/http.md lists them")
}

async fn no_method() -> Failure {
    Failure::new(Code::METHOD)
}

async fn measure(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |p| p.as_str().to_owned());
    let began = Instant::now();
    let mut response = next.run(request).await;
    metrics::histogram!(
        telemetry::HTTP_SECONDS,
        "route" => route,
        "status" => response.status().as_u16().to_string()
    )
    .record(began.elapsed().as_secs_f64());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// The whole API.
pub fn router(node: Arc<Node>) -> Router {
    routes()
        .fallback(|| async { no_path().await.into_response() })
        .method_not_allowed_fallback(|| async { no_method().await.into_response() })
        .layer(middleware::from_fn(measure))
        .with_state(node)
}

#[cfg(test)]
mod tests {
    use super::SERVED;
    use parlour_protocol::http::ROUTES;

    #[test]
    fn exactly_the_protocols_table_is_served() {
        let table: Vec<_> = ROUTES.iter().map(|r| (r.method, r.path)).collect();
        assert_eq!(SERVED, table);
    }
}
