//! `parlour serve`: opens the store, wires adapters to stages, listens, and drains.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use parlour_protocol::frame::client::Token;
use parlour_protocol::node::NodeId;
use parlour_runtime::config::{LogFormat, SignUp};
use parlour_runtime::node::Node;
use parlour_runtime::ports::Ports;
use parlour_runtime::{administrator, run, sockets, telemetry, tokens};
use tokio::signal::unix::{SignalKind, signal};

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
    let address = listener.local_addr().context("the socket has no address")?;
    let data = PathBuf::from(&config.node.data);
    let store = parlour_embedded::Store::open(&data)?;
    let ports = ports(&store);
    let token = administrators_token(config, &ports, &data).await?;
    let secure = tls.is_some();
    let node = Node::new(NodeId(0), config.runtime(), ports)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    run::start(&node, listener, tls).await?;
    announce(config, address, secure, &data, token.as_deref());

    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        why = node.drain.failed() => Some(why),
    };
    if let Some(why) = failed {
        // The file that is damaged would not be named otherwise. Who sends a signal does not wait.
        let named = tokio::task::spawn_blocking(move || store.settled());
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = named => {}
        }
        bail!("{why}");
    }
    tracing::info!("draining; another signal ends the process at once");
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Nothing that was acknowledged is lost: it was durable before.
        std::process::exit(1);
    });
    let late = node
        .drain
        .run(Duration::from_millis(config.drain.drain_ms_max))
        .await;
    if late > 0 {
        tracing::warn!(late, "tasks did not end in time and were left");
    }
    match node.drain.reason() {
        Some(why) => bail!("{why}"),
        None => Ok(()),
    }
}

/// The embedded store behind every port.
pub(crate) fn ports(store: &parlour_embedded::Store) -> Ports {
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
            Arc::new(move || store.damage())
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
