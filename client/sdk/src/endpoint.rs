//! [`Endpoint`]: where a server is, and how a byte stream to it is opened, with TLS or without.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::Error;

/// How long opening a stream may take.
const OPEN: Duration = Duration::from_secs(15);

/// A server. Cheap to clone; clones share the TLS configuration.
#[derive(Clone)]
pub struct Endpoint {
    url: String,
    host: String,
    port: u16,
    roots: Vec<PathBuf>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.url)
    }
}

impl Endpoint {
    /// The server at this address: `http://HOST[:PORT]` or `https://…`; `ws` and `wss` are taken
    /// too. TLS trusts the system's roots.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with_roots(url, &[])
    }

    /// The same, trusting the certificates of these PEM files too.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Certificate`].
    pub fn with_roots(url: &str, roots: &[PathBuf]) -> Result<Self, Error> {
        let bad = |why: &str| Error::Address {
            given: url.to_owned(),
            why: why.to_owned(),
        };
        let uri: Uri = url
            .trim_end_matches('/')
            .parse()
            .map_err(|_| bad("write http://HOST:PORT or https://HOST"))?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(bad("it begins with http:// or https://")),
        };
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(bad("a name and password do not belong in it"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it ends after the port"));
        }
        let host = uri
            .host()
            .ok_or_else(|| bad("it names no host"))?
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| bad("the host is no name that a certificate can have"))?;
            Some((connector(roots)?, name))
        } else {
            None
        };
        let shown = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        Ok(Self {
            url: format!("{}://{shown}:{port}", if secure { "https" } else { "http" }),
            host,
            port,
            roots: roots.to_vec(),
            tls,
        })
    }

    /// Its address, as `http://HOST:PORT` or `https://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The files of the roots that are trusted beside the system's.
    #[must_use]
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Host and port, as they stand in a `Host` header.
    pub(crate) fn authority(&self) -> &str {
        self.url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest)
    }

    pub(crate) fn unreachable(&self, why: impl std::fmt::Display) -> Error {
        Error::Unreachable {
            server: self.url.clone(),
            why: why.to_string(),
        }
    }

    /// Why no TLS connection came about, in words that say what to do.
    fn no_tls(&self, error: &std::io::Error) -> Error {
        let inner = error.get_ref().and_then(|e| e.downcast_ref());
        match inner {
            Some(rustls::Error::InvalidCertificate(wrong)) => Error::Untrusted {
                server: self.url.clone(),
                why: untrusted(wrong, &self.host),
            },
            Some(rustls::Error::InvalidMessage(_)) => self.unreachable(
                "it does not speak TLS on this port; perhaps its address begins with http://",
            ),
            _ => self.unreachable(error),
        }
    }

    /// A byte stream to the server.
    pub(crate) async fn open(&self) -> Result<Stream, Error> {
        tokio::time::timeout(OPEN, self.open_now())
            .await
            .map_err(|_| self.unreachable("no answer in 15 s"))?
    }

    async fn open_now(&self) -> Result<Stream, Error> {
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|e| self.unreachable(e))?
            .collect();
        let tcp = TcpStream::connect(addresses.as_slice())
            .await
            .map_err(|e| self.unreachable(e))?;
        // Small frames that wait for each other would cost 40 ms each.
        tcp.set_nodelay(true).map_err(|e| self.unreachable(e))?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some((connector, name)) => connector
                .connect(name.clone(), tcp)
                .await
                .map(|tls| Stream::Tls(Box::new(tls)))
                .map_err(|e| self.no_tls(&e)),
        }
    }
}

/// What is wrong with a certificate, and what to do.
fn untrusted(wrong: &rustls::CertificateError, host: &str) -> String {
    use rustls::CertificateError as Wrong;
    match wrong {
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => format!(
            "its certificate is for another name than {host}; use the name that it is made for, \
             or have one made for this name"
        ),
        Wrong::Expired | Wrong::ExpiredContext { .. } => {
            "its certificate has expired; whoever runs the server must renew it".to_owned()
        }
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is the clock right here and there?".to_owned()
        }
        Wrong::Revoked => "its certificate was revoked".to_owned(),
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's (CA:TRUE), which no server can show as its own; \
             make it one with basicConstraints=CA:FALSE, or sign another with it"
                .to_owned()
        }
        // An authority of another's that has the same name is found first, and does not fit: then
        // the reason is a stranger one than that the issuer is unknown.
        _ => "its certificate is signed by no authority that is known here. If that authority is \
              your own, or the certificate is signed by itself, name its file as one to be trusted \
              (parlour-chat: --ca FILE)"
            .to_owned(),
    }
}

fn connector(extra: &[PathBuf]) -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    // A system without roots is no error as long as nothing is to be trusted by them.
    for cert in rustls_native_certs::load_native_certs().certs {
        let _ = roots.add(cert);
    }
    for path in extra {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Certificate {
            path: PathBuf::new(),
            why: e.to_string(),
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Error> {
    let bad = |why: String| Error::Certificate {
        path: path.to_owned(),
        why,
    };
    let mut found = false;
    for cert in CertificateDer::pem_file_iter(path).map_err(|e| bad(e.to_string()))? {
        roots
            .add(cert.map_err(|e| bad(e.to_string()))?)
            .map_err(|e| bad(e.to_string()))?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(bad("it holds no certificate".to_owned()))
    }
}

/// A byte stream, with TLS or without.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Self::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Self::Tls(s) => Pin::new(s).poll_write(cx, buf),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_flush(cx),
            Self::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Self::Tls(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
