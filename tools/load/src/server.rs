//! The server under load: started on an empty store, killed with SIGKILL, started again.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::sync::Mutex;

/// What an operator may set, and a load test does: rates as high as the log's busiest minute.
const SETTINGS: &[&str] = &[
    "limits.sends_burst=1000000",
    "limits.sends_per_min=60000000",
    "limits.requests_burst=1000000",
    "limits.requests_per_min=60000000",
];

/// How long it may take until it says that it listens: it may have much to read.
const UP: Duration = Duration::from_secs(60);
/// How long its port may stay taken after it was killed.
const PORT: Duration = Duration::from_secs(10);
/// Lines of its log that are shown.
const SAID: usize = 8;

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
        let binary = program(binary)?;
        let data = tempfile::Builder::new()
            .prefix("parlour-load-")
            .tempdir()
            .context("no temporary folder for the server's data can be made; is the disk full?")?;
        let (child, url) = spawn(&binary, data.path(), "127.0.0.1:0")?;
        Ok(Self {
            binary,
            data,
            child: Mutex::new(Some(child)),
            url,
            kills: AtomicU32::new(0),
        })
    }

    /// The administrator's token.
    pub(crate) fn admin_token(&self) -> anyhow::Result<String> {
        let path = self.data.path().join("data/admin.token");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "--spawn {}: it listens, but wrote no administrator's token to {}; is it a \
                 `parlour` server of this version?",
                self.binary.display(),
                path.display()
            ),
            Err(error) => bail!(
                "{}: the administrator's token cannot be read: {error}",
                path.display()
            ),
        };
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
        let started = tokio::task::spawn_blocking(move || {
            port_is_free(&listen)?;
            spawn(&binary, &folder, &listen)
        })
        .await??;
        *child = Some(started.0);
        Ok(began.elapsed())
    }

    /// Ends it, and leaves its folder for a look if `keep`.
    pub(crate) fn end(mut self, keep: bool) {
        if keep {
            self.data.disable_cleanup(true);
            let folder = self.data.path().display();
            eprintln!("the server's folder is kept: {folder}");
        }
    }
}

impl Drop for Server {
    /// However a run ends, its server does not stay behind.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.get_mut().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The server's file, as it can be started from anywhere.
fn program(given: &Path) -> anyhow::Result<PathBuf> {
    let shown = given.display();
    let build = "build one with `cargo build --release -p parlour-node`, and give \
                 `--spawn target/release/parlour`";
    let about = match std::fs::metadata(given) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("--spawn {shown}: there is no such file; {build}")
        }
        Err(error) => bail!("--spawn {shown}: it cannot be looked at ({error}); {build}"),
    };
    if about.is_dir() {
        bail!("--spawn {shown}: it is a folder; give the server's file, such as {shown}/parlour");
    }
    given
        .canonicalize()
        .with_context(|| format!("--spawn {shown}: it cannot be found"))
}

/// Waits until the port of a server that was killed can be listened at again.
fn port_is_free(listen: &str) -> anyhow::Result<()> {
    let until = Instant::now() + PORT;
    loop {
        let error = match TcpListener::bind(listen) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if Instant::now() >= until {
            bail!(
                "{listen} cannot be listened at any more ({error}): another program took the \
                 port while the server was down; run it again"
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn spawn(binary: &Path, folder: &Path, listen: &str) -> anyhow::Result<(Child, String)> {
    let log = folder.join("server.log");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("{}: the server's log cannot be written", log.display()))?;
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--data")
        .arg(folder.join("data"))
        .args(["--listen", listen]);
    for setting in SETTINGS {
        command.args(["--set", setting]);
    }
    let started = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(file)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            let why = match error.kind() {
                ErrorKind::PermissionDenied => "it may not be run (`chmod +x` lets it)",
                // What is no program for this machine: ENOEXEC.
                _ if error.raw_os_error() == Some(8) => "it is no program of this machine",
                _ => "it cannot be started",
            };
            bail!(
                "--spawn {}: {why}: {error}; give a `parlour` server",
                binary.display()
            )
        }
    };
    let first = first_line(&mut child);
    match first
        .as_deref()
        .map(|line| line.strip_prefix("listening on "))
    {
        Some(Some(url)) => Ok((child, url.to_owned())),
        _ => {
            let _ = child.kill();
            let ended = child.wait().ok();
            bail!("{}", silent(binary, first.as_deref(), ended, &log))
        }
    }
}

/// The first line that it writes to standard output; none if it ends or says nothing for long.
fn first_line(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    // Kept open and read: a server whose output is closed is another case.
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).split(b'\n');
        if let Some(Ok(first)) = lines.next() {
            let _ = tell.send(String::from_utf8_lossy(&first).into_owned());
        }
        drop(tell);
        lines.for_each(drop);
    });
    told.recv_timeout(UP).ok()
}

/// Why a program is no server that listens, and what to do.
fn silent(binary: &Path, first: Option<&str>, ended: Option<ExitStatus>, log: &Path) -> String {
    let shown = binary.display();
    let mut text = match first {
        Some(line) => {
            let line: String = line.chars().filter(|c| !c.is_control()).take(100).collect();
            format!("--spawn {shown}: its first line is not `listening on http://…` but `{line}`")
        }
        None => match ended.and_then(|e| e.code()) {
            Some(code) => format!(
                "--spawn {shown}: it ended with code {code} and never said `listening on http://…`"
            ),
            None => format!(
                "--spawn {shown}: it did not say `listening on http://…` within {} s",
                UP.as_secs()
            ),
        },
    };
    let said = std::fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty()).collect();
    if lines.is_empty() {
        text.push_str(
            "; is it a `parlour` server? Build one with `cargo build --release -p parlour-node`",
        );
        return text;
    }
    text.push_str("; the end of its log:");
    for line in lines.iter().skip(lines.len().saturating_sub(SAID)) {
        let line: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
        text.push_str("\n  ");
        text.push_str(&line);
    }
    text
}
