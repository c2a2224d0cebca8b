//! The gateway's loops: from an HTTP upgrade to a session's task, and from a send to the log.
//!
//! Never here: what a connection may say, and in which order what it asks for happens. That is
//! [`parlour_engine::gateway`]'s.

pub(crate) mod ask;
pub(crate) mod mailbox;
mod session;
mod submit;
mod upgrade;
mod wire;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use parlour_engine::gateway::fold::{self, stretch};
use parlour_engine::gateway::need::{Have, Need};
use parlour_protocol::check;
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, client, server};

pub(crate) use ask::code;
pub use submit::{placed_before, submit};

use crate::http::answer::{Answer, Caller, Failure};
use crate::node::Node;
use crate::sockets::Peer;

/// `GET /v1/socket`: upgrades, and runs the session in a task of its own.
///
/// # Errors
/// No upgrade, an origin that may not, no subprotocol of ours, or the node drains.
pub async fn upgrade(
    State(node): State<Arc<Node>>,
    mut request: Request,
) -> Answer<Response<Body>> {
    let (codec, response) = upgrade::check(request.headers(), &node.config.http.origins)?;
    if node.drain.draining().is_cancelled() {
        return Err(Failure::new(Code::DRAINING).retry(1_000));
    }
    let peer = request.extensions().get::<Peer>().cloned();
    let peer = peer.ok_or(Code::FAILED)?;
    let upgraded = hyper::upgrade::on(&mut request);
    let this = node.clone();
    node.drain.socket("session", async move {
        // A peer that went away before it was answered.
        if let Ok(io) = upgraded.await {
            session::run(this, io, codec, peer.0).await;
        }
    });
    Ok(response)
}

/// Events for a reader over HTTP: what the frame `history` answers.
///
/// # Errors
/// It is not theirs to read, or a part cannot be reached.
pub async fn history(
    node: &Node,
    caller: &Caller,
    ask: client::History,
) -> Answer<server::Stretch> {
    let limits = &node.config.limits;
    let frame = Client::History(ask.clone());
    check::check(&frame, caller.user(), limits)?;
    let most = usize::try_from(limits.page_events).unwrap_or(usize::MAX);
    let limit = ask.limit.map_or(most, |l| most.min(l as usize)).max(1);
    let asked = fold::asked(&ask);
    let need = Need::History {
        conversation: ask.conversation,
        after: asked.after,
        before: asked.before,
        newest: asked.newest,
        limit,
        changes_since: ask.changes_since,
    };
    match ask::get(&node.ports, caller.user(), caller.0.device, need).await? {
        Have::History(Some(history)) => {
            let bytes = usize::try_from(limits.page_bytes).unwrap_or(usize::MAX);
            Ok(stretch(
                ask.conversation,
                asked,
                &history,
                Codec::Json,
                bytes,
            ))
        }
        Have::History(None) => Err(Code::NOT_FOUND.into()),
        _ => Err(Code::FAILED.into()),
    }
}
