//! Starts every stage of a node, in the order in which each needs the one before.

use std::sync::Arc;

use parlour_protocol::position::Partition;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::drain::Fatal;
use crate::node::Node;
use crate::{http, push, router, session, sockets};

/// Starts routers, sessions and push, and begins to take connections. Returns once the node holds
/// its lease: from then on it is ready.
///
/// # Errors
/// Something failed for good meanwhile.
pub async fn start(
    node: &Arc<Node>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
) -> Result<(), Fatal> {
    session::start(node);
    for partition in 0..node.ports.log.partitions() {
        let partition = Partition(partition);
        if node.config.push.enabled {
            let news = push::channel();
            let router = router::start(node, partition, Some(news.0));
            push::start(node, partition, news.1, router);
        } else {
            router::start(node, partition, None);
        }
    }
    tokio::select! {
        () = node.leased() => {}
        why = node.drain.failed() => return Err(why),
    }
    let config = node.config.http.clone();
    let api = http::router(node.clone());
    node.drain.socket(
        "accept",
        sockets::accept(listener, tls, api, config, node.drain.clone()),
    );
    Ok(())
}
