//! `parlour serve`: opens the store, wires adapters to stages, listens, and drains.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use parlour_embedded::Store;
use parlour_protocol::frame::client::Token;
use parlour_protocol::node::NodeId;
use parlour_runtime::config::{LogFormat, SignUp};
use parlour_runtime::node::Node;
use parlour_runtime::ports::{Harm, Ports};
use parlour_runtime::tls::Tls;
use parlour_runtime::{administrator, run, sockets, telemetry, tokens};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, Outside};

/// The file that holds the administrator's token.
const ADMIN_TOKEN: &str = "admin.token";

/// Serves until a signal, or until something failed for good.
///
/// # Errors
/// The node could not start, or had to end; the text says what to do.
pub(crate) fn run(config: &Config, outside: Outside) -> anyhow::Result<()> {
    telemetry::log(&config.telemetry)?;
    sockets::descriptors::check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system gives no threads")?;
    let done = runtime.block_on(serve(config, outside));
    // What a drain left running has had its time.
    runtime.shutdown_timeout(Duration::from_millis(500));
    done
}

async fn serve(config: &Config, Outside { address, tls }: Outside) -> anyhow::Result<()> {
    // Before the store: a node that cannot listen makes no folder.
    let listener = sockets::listen(address)?;
    let store = parlour_embedded::Store::open(Path::new(&config.node.data))?;
    let mut asked = Asked::listen()?;
    let node = OnceLock::new();
    let failed = tokio::select! {
        () = asked.heard() => None,
        why = until_failed(config, &store, listener, tls, &node) => Some(why),
    };
    // What began is ended, whatever else there is: a node that failed serves nobody any more.
    let drain = async {
        let bound = Duration::from_millis(config.drain.drain_ms_max);
        let late = match node.get() {
            Some(node) => node.drain.run(bound).await,
            None => 0,
        };
        if late > 0 {
            tracing::warn!(late, "tasks did not end in time and were left");
        }
    };
    let Some(why) = failed else {
        tracing::info!("draining; another signal ends the process at once");
        tokio::select! {
            () = drain => {}
            // Nothing that was acknowledged is lost: it was durable before.
            () = asked.heard() => std::process::exit(1),
        }
        return match node.get().and_then(|node| node.drain.reason()) {
            Some(why) => bail!("{why}"),
            None => Ok(()),
        };
    };
    tokio::select! {
        _ = async { tokio::join!(drain, named(&store, &why)) } => {}
        // Who sends a signal does not wait.
        () = asked.heard() => {}
    }
    Err(why)
}

/// The signals that ask for an end.
struct Asked {
    terminate: Signal,
    interrupt: Signal,
}

impl Asked {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next.
    async fn heard(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Starts a node over the store, puts it into `began`, and waits until something failed for good, in
/// the start or later. Answers what.
async fn until_failed(
    config: &Config,
    store: &Store,
    listener: TcpListener,
    tls: Option<Tls>,
    began: &OnceLock<Arc<Node>>,
) -> anyhow::Error {
    let start = async {
        let address = listener.local_addr().context("the socket has no address")?;
        let (data, secure) = (Path::new(&config.node.data), tls.is_some());
        let ports = ports(store);
        let token = administrators_token(config, &ports, data).await?;
        let node = Node::new(NodeId(0), config.runtime(), ports)?;
        let node = began.get_or_init(|| node);
        run::start(node, listener, tls).await?;
        announce(config, address, secure, data, token.as_deref());
        Ok(node)
    };
    match start.await {
        Ok(node) => node.drain.failed().await.into(),
        Err(why) => why,
    }
}

/// If it is damage that the process ends by, waits for the name of the file: it would not be told
/// otherwise.
async fn named(store: &Store, why: &anyhow::Error) {
    if run::is_damage(why.as_ref()) {
        let store = store.clone();
        // A panic there was said already.
        let _ = tokio::task::spawn_blocking(move || store.settled()).await;
    }
}

/// The embedded store behind every port.
pub(crate) fn ports(store: &Store) -> Ports {
    Ports {
        log: store.log(),
        history: store.history(),
        roster: store.roster(),
        accounts: store.accounts(),
        invitations: store.invitations(),
        keys: store.keys(),
        sessions: store.sessions(),
        relay: store.relay(),
        wake: store.wake(),
        joined: true,
        damage: {
            let store = store.clone();
            Arc::new(move || {
                let harm = |status| move |said| Harm { status, said };
                let gone = store.gone().map(harm("disk gone"));
                gone.or_else(|| store.damage().map(harm("damaged")))
            })
        },
    }
}

/// Sees to it that there is an administrator's token. Answers the file that holds it, if one does.
async fn administrators_token(
    config: &Config,
    ports: &Ports,
    data: &Path,
) -> anyhow::Result<Option<PathBuf>> {
    let accounts = ports.accounts.as_ref();
    let set = &config.accounts.admin_token.0;
    if !set.is_empty() {
        administrator::allow(accounts, &Token(set.clone())).await?;
        return Ok(None);
    }
    let path = data.join(ADMIN_TOKEN);
    if let Ok(text) = std::fs::read_to_string(&path)
        && administrator::knows(accounts, &Token(text.trim().to_owned())).await?
    {
        return Ok(Some(path));
    }
    let token = tokens::make();
    administrator::allow(accounts, &token).await?;
    write_secret(&path, &token.0)
        .with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(Some(path))
}

/// Writes a file that its owner alone may read, whole or not at all.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

/// The terminal client as it can be called here: by name, or beside this program.
fn chat() -> String {
    const NAME: &str = "parlour-chat";
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let by_name = std::env::split_paths(&folders).any(|folder| folder.join(NAME).is_file());
    let beside = std::env::current_exe()
        .ok()
        .map(|own| own.with_file_name(NAME))
        .filter(|path| path.is_file() && !by_name);
    match beside.map(|path| path.display().to_string()) {
        Some(path) if path.contains([' ', '\'']) => format!("'{}'", path.replace('\'', "'\\''")),
        Some(path) => path,
        None => NAME.to_owned(),
    }
}

/// Says that it listens, on standard output; and on standard error what to do next.
fn announce(config: &Config, at: SocketAddr, tls: bool, data: &Path, token: Option<&Path>) {
    let url = format!("{}://{at}", if tls { "https" } else { "http" });
    {
        let mut out = std::io::stdout().lock();
        // Whoever started it may have closed the pipe: no reason not to serve.
        let _ = writeln!(out, "listening on {url}").and_then(|()| out.flush());
    }
    let open = !at.ip().is_loopback() && !tls;
    if config.telemetry.format == LogFormat::Json {
        tracing::info!(url, data = %data.display(), "listening");
        if open {
            tracing::warn!(
                "listening beyond loopback without TLS: passwords can be read on the way"
            );
        }
        return;
    }
    let mut said = format!("Parlour keeps its data in {}.\n", data.display());
    said.push_str(&match config.accounts.sign_up {
        SignUp::Open => format!(
            "Sign up:  {} signup ada --server {url}\n     or:  curl {url}/v1/accounts -d \
             '{{\"name\":\"ada\",\"password\":\"a long password\"}}'\n",
            chat()
        ),
        SignUp::Invitation => format!(
            "Signing up takes an invitation; an administrator makes one: POST \
             {url}/v1/admin/invitations. Then: POST {url}/v1/accounts\n"
        ),
        SignUp::Closed => format!(
            "Signing up is closed; an administrator makes accounts: POST \
             {url}/v1/admin/accounts\n"
        ),
    });
    if let Some(path) = token {
        said.push_str(&format!(
            "The administrator's token is in {}.\n",
            path.display()
        ));
    }
    if open {
        said.push_str(
            "WARNING: this address is reachable beyond this machine, and there is no TLS: \
             passwords and messages can be read on the way. Use --tls-cert and --tls-key, or a \
             proxy that speaks TLS.\n",
        );
    }
    eprint!("{said}");
}
