//! For whoever runs the node: health, readiness, metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parlour_protocol::error::Code;
use parlour_protocol::http::Health;

use super::answer::{Answer, Failure, Json};
use crate::node::Node;

fn parts(node: &Node) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    for (name, said) in node.parts() {
        parts.insert(name, said);
    }
    parts
}

fn said(node: &Node, status: &str, code: StatusCode) -> Response {
    let health = Health {
        status: status.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        parts: parts(node),
    };
    (code, Json(health)).into_response()
}

/// `GET /health`: whether the process lives. 500 asks for it to be started anew; `damaged` with 200
/// for whoever runs it to restore a backup, and `certificate expired` or `certificate not yet valid`
/// with 200 to renew that.
pub async fn health(State(node): State<Arc<Node>>) -> Response {
    match node.drain.reason() {
        // It serves what it can read: to start it anew would help nobody.
        None if node.is_damaged() => said(&node, "damaged", StatusCode::OK),
        None => {
            let wrong = node.certificate_wrong();
            said(
                &node,
                wrong.map_or("ok", |wrong| wrong.status),
                StatusCode::OK,
            )
        }
        Some(why) => said(&node, &why.to_string(), StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// `GET /ready`: whether it takes connections. 503 while it starts or drains.
pub async fn ready(State(node): State<Arc<Node>>) -> Response {
    if node.drain.draining().is_cancelled() {
        said(&node, "draining", StatusCode::SERVICE_UNAVAILABLE)
    } else if let Some(waits) = node.waits_for() {
        said(&node, &waits, StatusCode::SERVICE_UNAVAILABLE)
    } else {
        said(&node, "ok", StatusCode::OK)
    }
}

/// `GET /metrics`.
pub async fn metrics(State(node): State<Arc<Node>>) -> Answer<Response> {
    if !node.config.telemetry.metrics {
        return Err(Failure::new(Code::NOT_FOUND).why("metrics are off here: telemetry.metrics"));
    }
    let text = node.metrics.render();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
