//! TLS: certificate and key of the configured files, and others once those were renewed.
//!
//! Promises: a certificate that has expired, or is not valid yet, is told at the start, by
//! `config check`, on `/health`, and when it happens; renewed files are used by every handshake after
//! they were read, and connections that are there live on; files that cannot be used change nothing,
//! and are told in the log until they can. A file that does not come, such as a pipe or one on a network
//! disk that hangs, keeps nobody waiting but the next look. Never: a refusal to serve with a certificate that has
//! expired: whoever trusts it nevertheless can still get in, and nobody could otherwise.

mod validity;

use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::config::Http;
use crate::drain::Drain;
use crate::sockets::Error;
use crate::telemetry;
use validity::{Validity, date};

/// How long a look may take before the log says that it has not ended.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// What is wrong with the certificate's time, or with that of another in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// For `/health`: `certificate expired` or `certificate not yet valid`; `ok` if it is not the first
    /// of the chain, which clients may do without.
    pub status: &'static str,
    /// A sentence that says when, and what to do. It is for anyone: no path is in it.
    pub said: String,
}

/// TLS of a node. Clones are the same one.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    cert: String,
    key: String,
    acceptor: TlsAcceptor,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    // Never held while a file is read.
    files: Mutex<Files>,
    /// Whether the files cannot be used. Apart, for those who must not wait.
    unused: AtomicBool,
}

/// The certificate that handshakes are given, with its key.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn get(&self) -> Arc<CertifiedKey> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, key: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

/// How the files stood when they were last read.
#[derive(Default)]
struct Files {
    stamp: Option<[Stamp; 2]>,
    /// Why they cannot be used.
    failed: Option<String>,
}

/// What tells a file from one that was put in its place: inode, bytes, seconds and nanoseconds of
/// its last change.
type Stamp = (u64, u64, i64, i64);

/// What a look at the files came to.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    /// They are as they were.
    Same,
    /// They have another certificate, which is used from now on.
    Renewed,
    /// They could not be used, and have the certificate of before again.
    Back,
    /// They cannot be used; the one from before is.
    Failed(String),
}

impl Tls {
    /// TLS by the configured files; none if none are. Reads them, and waits.
    ///
    /// # Errors
    /// A file is missing, is no PEM, or key and certificate do not fit.
    pub fn load(config: &Http) -> Result<Option<Self>, Error> {
        let (cert, key) = (config.tls_cert.as_str(), config.tls_key.as_str());
        if cert.is_empty() && key.is_empty() {
            return Ok(None);
        }
        if cert.is_empty() || key.is_empty() {
            return Err(Error::Half);
        }
        let stamp = stamps(cert, key);
        let builder = ServerConfig::builder();
        let provider = builder.crypto_provider().clone();
        let first = read(cert, key, &provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(first))));
        let mut server = builder
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self(Arc::new(Inner {
            cert: cert.to_owned(),
            key: key.to_owned(),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            provider,
            current,
            files: Mutex::new(Files {
                stamp,
                failed: None,
            }),
            unused: AtomicBool::new(false),
        }))))
    }

    /// Does the handshakes, each with the certificate that is current by then.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        self.0.acceptor.clone()
    }

    /// What is wrong with the certificate's time, if anything.
    #[must_use]
    pub fn wrong(&self, now_ms: u64) -> Option<Wrong> {
        self.wrong_at(now_ms / 1_000)
    }

    fn wrong_at(&self, now_s: u64) -> Option<Wrong> {
        let key = self.0.current.get();
        let mut each = key.cert.iter().zip(1..).filter_map(|(der, n)| {
            let of = Validity::of(der)?;
            let (which, then) = match n {
                1 => ("the certificate".to_owned(), "clients refuse it"),
                n => (
                    format!("certificate {n} of the chain"),
                    "clients may refuse it",
                ),
            };
            let (status, when) = if now_s > of.until_s {
                let when = format!("expired on {}", date(of.until_s));
                ("certificate expired", when)
            } else if now_s < of.from_s {
                let when = format!(
                    "is not valid before {}, by this machine's clock",
                    date(of.from_s)
                );
                ("certificate not yet valid", when)
            } else {
                return None;
            };
            Some(Wrong {
                status: if n == 1 { status } else { "ok" },
                said: format!(
                    "{which} {when}: {then}. Renew it; the files are read again by themselves"
                ),
            })
        });
        each.next()
    }

    /// Whether there are renewed files that cannot be used. The log says why.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.0.unused.load(Ordering::Relaxed)
    }

    /// Looks at the files from now on, every `look_ms` and on SIGHUP, until the node drains.
    pub fn watch(&self, look_ms: u64, drain: &Drain) {
        let hangup = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::warn!(%error, "SIGHUP cannot be heard"))
            .ok();
        let every = Duration::from_millis(look_ms.max(1));
        drain.socket(
            "certificate",
            self.clone().looks(every, hangup, drain.clone()),
        );
    }

    async fn looks(self, every: Duration, mut hangup: Option<Signal>, drain: Drain) {
        let draining = drain.draining();
        let mut told = None;
        loop {
            let wrong = self.wrong(clock::now_ms());
            if wrong != told {
                match &wrong {
                    Some(wrong) if wrong.status == "ok" => {
                        tracing::warn!(cert = self.0.cert, "{}", wrong.said);
                    }
                    Some(wrong) => tracing::error!(cert = self.0.cert, "{}", wrong.said),
                    None => tracing::info!("the certificate is valid"),
                }
                told = wrong;
            }
            if let Some(until_s) = self.until_s() {
                metrics::gauge!(telemetry::TLS_EXPIRES).set(until_s as f64);
            }
            let asked = tokio::select! {
                () = draining.cancelled() => return,
                () = tokio::time::sleep(every) => false,
                Some(()) = heard(&mut hangup) => true,
            };
            // A disk that hangs holds no task up, and no end of the node.
            let looked = tokio::select! {
                () = draining.cancelled() => return,
                looked = self.clone().looked(asked) => looked,
            };
            match looked {
                Ok(Looked::Renewed) => tracing::info!(
                    cert = self.0.cert,
                    until = self.until_s().map(date),
                    "the certificate was renewed; new connections get it"
                ),
                Ok(Looked::Same) if asked => {
                    tracing::info!(cert = self.0.cert, "the certificate is as it was");
                }
                Ok(Looked::Back) => tracing::info!(
                    cert = self.0.cert,
                    "the files can be used again; the certificate is as it was"
                ),
                Ok(Looked::Failed(why)) => tracing::error!(
                    why,
                    "the renewed certificate or key cannot be used; the one from before stays"
                ),
                Ok(Looked::Same) => {}
                Err(error) => tracing::error!(%error, "certificate and key were not looked at"),
            }
        }
    }

    /// A look, on a thread that may wait; the log says when it waits long.
    async fn looked(self, asked: bool) -> Result<Looked, tokio::task::JoinError> {
        let (cert, key) = (self.0.cert.clone(), self.0.key.clone());
        let look = tokio::task::spawn_blocking(move || self.look(asked));
        tokio::pin!(look);
        tokio::select! {
            looked = &mut look => return looked,
            () = tokio::time::sleep(LOOK_MAX) => {}
        }
        tracing::error!(
            cert,
            key,
            "certificate and key do not come: is one a pipe, or on a disk that hangs? The one from \
             before stays, and nothing is looked at until they do"
        );
        look.await
    }

    /// When the first certificate of the chain expires, in Unix seconds.
    fn until_s(&self) -> Option<u64> {
        let key = self.0.current.get();
        let ends = key.cert.iter().filter_map(|der| Validity::of(der));
        ends.map(|of| of.until_s).min()
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files again if they changed, could not be used before, or `asked` says so. A failure
    /// is answered once, and again when it was asked for. May wait for as long as the files do.
    fn look(&self, asked: bool) -> Looked {
        let Inner { cert, key, .. } = &*self.0;
        let stamp = stamps(cert, key);
        let failed = {
            let files = self.files();
            if !asked && files.failed.is_none() && files.stamp == stamp {
                return Looked::Same;
            }
            files.failed.clone()
        };
        let read = read(cert, key, &self.0.provider);
        self.0.unused.store(read.is_err(), Ordering::Relaxed);
        let mut files = self.files();
        match read {
            Ok(new) => {
                *files = Files {
                    stamp,
                    failed: None,
                };
                let same = self.0.current.get().cert == new.cert;
                self.0.current.set(Arc::new(new));
                match (same, failed) {
                    (false, _) => Looked::Renewed,
                    (true, Some(_)) => Looked::Back,
                    (true, None) => Looked::Same,
                }
            }
            Err(why) => {
                let why = why.to_string();
                files.failed = Some(why.clone());
                if failed.as_ref() == Some(&why) && !asked {
                    Looked::Same
                } else {
                    Looked::Failed(why)
                }
            }
        }
    }
}

/// Waits for a signal; for ever if none can come.
async fn heard(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

fn stamps(cert: &str, key: &str) -> Option<[Stamp; 2]> {
    let of = |path: &str| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    };
    Some([of(cert)?, of(key)?])
}

/// Certificate and key of two files.
fn read(cert: &str, key: &str, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let of_cert = |why: String| Error::Certificate(cert.to_owned(), why);
    let of_key = |why: String| Error::Key(key.to_owned(), why);
    let unread = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => "it is not there".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => format!("it cannot be read: {e}"),
    };
    let pem = std::fs::read(cert).map_err(|e| of_cert(unread(e)))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| of_cert(format!("its certificates cannot be read: {e}")))?;
    if chain.is_empty() {
        let why = "there is no certificate in PEM in it, which begins with a line such as \
                   -----BEGIN CERTIFICATE-----";
        return Err(of_cert(why.to_owned()));
    }
    let pem = std::fs::read(key).map_err(|e| of_key(unread(e)))?;
    let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| {
        of_key(format!(
            "there is no private key in PEM in it, which begins with a line such as \
             -----BEGIN PRIVATE KEY----- ({e})"
        ))
    })?;
    CertifiedKey::from_der(chain, secret, provider).map_err(|e| match e {
        rustls::Error::InvalidCertificate(why) => {
            of_cert(format!("its first certificate cannot be used: {why}"))
        }
        other => of_key(format!(
            "it does not fit the certificate in {cert}: {other}"
        )),
    })
}

#[cfg(test)]
mod tests;
