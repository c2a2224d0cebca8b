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

/// `GET /health`: whether the process lives. 500 asks for it to be started anew; with 200 there is
/// `damaged`, for whoever runs it to restore a backup; `disk gone`, to look at the disk or mount; and
/// `certificate expired` or `certificate not yet valid`, to renew that.
pub async fn health(State(node): State<Arc<Node>>) -> Response {
    if let Some(why) = node.drain.reason() {
        return said(&node, &why.to_string(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    // It serves what it can read: to start it anew would help nobody.
    let harm = node.harm().map(|harm| harm.status);
    let status = harm.or_else(|| Some(node.certificate_wrong()?.status));
    said(&node, status.unwrap_or("ok"), StatusCode::OK)
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
