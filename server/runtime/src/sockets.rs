//! Sockets: listening, and one task for each connection, each within its bounds.
//!
//! Never here: what a connection may say. That is the gateway's.

pub mod descriptors;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use crate::bounds::{Doorstep, Place};
use crate::config::Http;
use crate::drain::Drain;
use crate::telemetry;

/// Connections that are enough for a node that nothing is configured of.
const ENOUGH: u64 = 4_096;

/// What kept the node from listening, in a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address.
    #[error("`{0}` is no address to listen on; write it as 127.0.0.1:7400 or [::1]:7400")]
    Address(String),
    /// A name that leads nowhere.
    #[error("`{0}` is not known to this machine; write an address, such as 127.0.0.1:7400")]
    Name(String),
    /// Someone listens there.
    #[error(
        "{0} is in use by another program; stop that, or choose another with --listen (port 0 takes any free one)"
    )]
    InUse(SocketAddr),
    /// A port that the system keeps for itself.
    #[error("{}", denied(.0))]
    Denied(SocketAddr),
    /// Not of this machine.
    #[error(
        "{} is no address of this machine; listen on 0.0.0.0:{} for all that it has, or 127.0.0.1:{} for itself alone",
        .0.ip(), .0.port(), .0.port()
    )]
    Elsewhere(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {}: {}", .0, unheard(.1))]
    Listen(SocketAddr, io::Error),
    /// Certificate and key come together.
    #[error(
        "TLS needs both a certificate and a key: set http.tls_cert and http.tls_key (--tls-cert and --tls-key), or neither"
    )]
    Half,
    /// The certificate's file cannot be used.
    #[error("{0}: {1}")]
    Certificate(String, String),
    /// The key's file cannot be used.
    #[error("{0}: {1}")]
    Key(String, String),
}

/// What may be done about a port that the system keeps.
fn denied(address: &SocketAddr) -> String {
    let port = address.port();
    if port < 1024 {
        format!(
            "this user may not listen on port {port}: choose one above 1023 with --listen and put a \
             proxy before it, or allow it with `setcap cap_net_bind_service=+ep` on this program"
        )
    } else {
        format!(
            "the system's rules do not let this user listen on {address}: choose another port with \
             --listen, or have it allowed"
        )
    }
}

/// Why the system does not listen, and what to do.
fn unheard(why: &io::Error) -> String {
    if descriptors::are_short(why) {
        "this process may open no more files; raise `ulimit -n`".to_owned()
    } else {
        format!("{why}; choose another address with --listen")
    }
}

/// The first address of a text such as `localhost:7400`. Asks the system for a name, and waits.
///
/// # Errors
/// It is no address, or a name that leads nowhere.
pub fn resolve(listen: &str) -> Result<SocketAddr, Error> {
    use std::net::ToSocketAddrs as _;
    let wrong = || Error::Address(listen.to_owned());
    let (host, port) = listen.rsplit_once(':').ok_or_else(wrong)?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(wrong());
    }
    match listen.to_socket_addrs() {
        Ok(mut found) => found.next().ok_or_else(wrong),
        Err(_) if host.contains([':', ' ']) => Err(wrong()),
        Err(_) => Err(Error::Name(host.to_owned())),
    }
}

/// Listens.
///
/// # Errors
/// The address is in use, or is not this machine's. Needs a runtime.
pub fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let bind = || -> io::Result<TcpListener> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        // A port that was ours a moment ago is ours again; one that someone listens on is not.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4_096)?;
        TcpListener::from_std(socket.into())
    };
    bind().map_err(|e| match e.kind() {
        io::ErrorKind::AddrInUse => Error::InUse(address),
        io::ErrorKind::PermissionDenied => Error::Denied(address),
        io::ErrorKind::AddrNotAvailable => Error::Elsewhere(address),
        _ => Error::Listen(address, e),
    })
}

/// Where a request came from: its place on the doorstep, given back once it says who it is.
#[derive(Clone, Debug)]
pub struct Peer(pub Arc<Place>);

/// Accepts connections until the node drains, each in a task of its own.
pub async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    config: Http,
    drain: Drain,
) {
    let open = Arc::new(AtomicU64::new(0));
    let most = descriptors::bound(config.connections_max, descriptors::limit());
    let doorstep = Doorstep::within(
        config.unauthenticated_per_address,
        config.unauthenticated_max,
        most,
    );
    tell_bounds(&config, most, &doorstep);
    let draining = drain.draining();
    loop {
        let accepted = tokio::select! {
            () = draining.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                metrics::counter!(telemetry::ACCEPT_FAILED).increment(1);
                // A connection that died in the queue is no trouble; want of descriptors is.
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    tracing::warn!(%error, "no new connection can be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                continue;
            }
        };
        if open.load(Ordering::Relaxed) >= most {
            metrics::counter!(telemetry::SOCKETS_REFUSED).increment(1);
            continue;
        }
        let Some(place) = doorstep.enter(from.ip()) else {
            continue;
        };
        let guard = Open::new(open.clone());
        let (tls, router, within) = (tls.clone(), router.clone(), config.upgrade_ms);
        let d = drain.clone();
        drain.socket("connection", async move {
            let _guard = guard;
            connection(stream, tls, router, place, Duration::from_millis(within), d).await;
        });
    }
}

/// Says how many connections there may be, where that is less than is configured.
fn tell_bounds(config: &Http, most: u64, doorstep: &Doorstep) {
    let (per_address, unauthenticated) = doorstep.room();
    if most >= config.connections_max && unauthenticated >= config.unauthenticated_max {
        return;
    }
    let what = "fewer connections are taken than http.connections_max and \
                http.unauthenticated_max say, for want of files that this process may open: raise \
                `ulimit -n`, or lower those";
    // Nobody asked for so many, and there are enough.
    let as_shipped = config.connections_max == Http::default().connections_max;
    if as_shipped && most >= ENOUGH {
        tracing::info!(most, unauthenticated, per_address, "{what}");
    } else {
        tracing::warn!(most, unauthenticated, per_address, "{what}");
    }
}

/// Counts an open socket for as long as it lives.
pub struct Open(Arc<AtomicU64>);

impl Open {
    fn new(count: Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!(telemetry::SOCKETS_OPEN).increment(1.0);
        Self(count)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!(telemetry::SOCKETS_OPEN).decrement(1.0);
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    place: Place,
    within: Duration,
    drain: Drain,
) {
    // Small frames must not wait for one another. A socket that died says so soon enough.
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(stream, router, place, within, drain).await,
        Some(acceptor) => match tokio::time::timeout(within, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => serve(stream, router, place, within, drain).await,
            _ => metrics::counter!(telemetry::TLS_FAILED).increment(1),
        },
    }
}

async fn serve<S>(stream: S, router: Router, place: Place, within: Duration, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = Peer(Arc::new(place));
    let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let mut router = router.clone();
        async move {
            let Ok(response) = router.call(request.map(Body::new)).await;
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(within)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let draining = drain.draining();
    let mut told = false;
    loop {
        tokio::select! {
            // Errors here are the peer's: it went away, or spoke no HTTP.
            _ = &mut connection => return,
            () = draining.cancelled(), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
