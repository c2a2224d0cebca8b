//! The server under load: started on an empty store, killed with SIGKILL, started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader};
use tokio::sync::Mutex;

/// What an operator may set, and a load test does: rates as high as the log's busiest minute.
const SETTINGS: &[&str] = &[
    "limits.sends_burst=1000000",
    "limits.sends_per_min=60000000",
    "limits.requests_burst=1000000",
    "limits.requests_per_min=60000000",
];

/// A server process on a folder of its own.
pub(crate) struct Server {
    binary: PathBuf,
    data: tempfile::TempDir,
    child: Mutex<Option<Child>>,
    /// Its address.
    pub(crate) url: String,
    /// How often it was killed.
    pub(crate) kills: AtomicU32,
}

impl Server {
    /// Starts it on an empty store and a free port.
    pub(crate) fn start(binary: &Path) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("parlour-load-").tempdir()?;
        let (child, url) = spawn(binary, data.path(), "127.0.0.1:0")?;
        Ok(Self {
            binary: binary.to_owned(),
            data,
            child: Mutex::new(Some(child)),
            url,
            kills: AtomicU32::new(0),
        })
    }

    /// The administrator's token.
    pub(crate) fn admin_token(&self) -> anyhow::Result<String> {
        let path = self.data.path().join("data/admin.token");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        Ok(text.trim().to_owned())
    }

    /// What it wrote to standard error.
    pub(crate) fn log(&self) -> PathBuf {
        self.data.path().join("server.log")
    }

    /// Kills it with SIGKILL and starts it again on the same store and port.
    pub(crate) async fn kill(&self) -> anyhow::Result<Duration> {
        let mut child = self.child.lock().await;
        if let Some(mut child) = child.take() {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "the server ended by itself ({status}); its log: {}",
                    self.log().display()
                );
            }
            child.kill()?;
            child.wait()?;
        }
        self.kills.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let listen = self.url.rsplit('/').next().unwrap_or_default().to_owned();
        let (binary, folder) = (self.binary.clone(), self.data.path().to_owned());
        let started =
            tokio::task::spawn_blocking(move || spawn(&binary, &folder, &listen)).await??;
        *child = Some(started.0);
        Ok(began.elapsed())
    }

    /// Ends it, and leaves its folder for a look if `keep`.
    pub(crate) async fn end(self, keep: bool) {
        if let Some(mut child) = self.child.lock().await.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if keep {
            eprintln!(
                "the server's folder is kept: {}",
                self.data.keep().display()
            );
        }
    }
}

fn spawn(binary: &Path, folder: &Path, listen: &str) -> anyhow::Result<(Child, String)> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("server.log"))?;
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--data")
        .arg(folder.join("data"))
        .args(["--listen", listen]);
    for setting in SETTINGS {
        command.args(["--set", setting]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .with_context(|| format!("{}: cannot be started", binary.display()))?;
    let Some(stdout) = child.stdout.take() else {
        bail!("the server has no standard output")
    };
    let mut lines = BufReader::new(stdout).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // Kept open and read: a server whose output is closed is another case.
    std::thread::spawn(move || lines.for_each(drop));
    match first.strip_prefix("listening on ") {
        Some(url) => Ok((child, url.to_owned())),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            bail!("the server did not listen; it said {first:?} and logged:\n{log}")
        }
    }
}
