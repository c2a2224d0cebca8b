//! Starts every stage of a node, in the order in which each needs the one before.

use std::sync::Arc;

use parlour_protocol::position::Partition;
use tokio::net::TcpListener;

use crate::drain::Fatal;
use crate::node::Node;
use crate::tls::Tls;
use crate::{http, push, router, session, sockets};

/// Starts routers, sessions and push, and begins to take connections. Returns once the node holds
/// its lease: from then on it is ready.
///
/// # Errors
/// Something failed for good meanwhile.
pub async fn start(node: &Arc<Node>, listener: TcpListener, tls: Option<Tls>) -> Result<(), Fatal> {
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
    let acceptor = tls.as_ref().map(Tls::acceptor);
    if let Some(tls) = tls {
        tls.watch(config.tls_look_ms, &node.drain);
        node.set_tls(tls);
    }
    let api = http::router(node.clone());
    node.drain.socket(
        "accept",
        sockets::accept(listener, acceptor, api, config, node.drain.clone()),
    );
    Ok(())
}

/// Whether it is damage that a node fails by, or what only a person can mend: where rows lie may have
/// more to say of it than this does.
#[must_use]
pub fn is_damage(why: &(dyn std::error::Error + 'static)) -> bool {
    let mut at = Some(why);
    while let Some(error) = at {
        if matches!(error.downcast_ref(), Some(Fatal::Broken(_)))
            || matches!(
                error.downcast_ref(),
                Some(parlour_ports::Error::Broken { .. })
            )
        {
            return true;
        }
        at = error.source();
    }
    false
}
