//! A node of one's own: the process, its folder, its address.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use parlour_protocol::http::{BulkAccount, BulkAccounts, BulkMade, LoggedIn};
use tempfile::TempDir;

use crate::{Http, PATIENCE};

/// The path of the `parlour` binary: `PARLOUR_BIN`, or what this workspace builds, built now.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        std::env::var_os("PARLOUR_BIN")
            .map_or_else(|| build("parlour-node", "parlour"), PathBuf::from)
    })
}

/// Builds a binary of this workspace in the profile that this test was built in.
///
/// A test run that has built everything already says where: `PARLOUR_BIN_DIR`.
pub fn build(package: &str, name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("PARLOUR_BIN_DIR") {
        return Path::new(&folder).join(name);
    }
    let test = std::env::current_exe().expect("this test's own path");
    // target/PROFILE/deps/test-hash
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["build", "--quiet", "--package", package, "--bin", name]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let done = cargo.status().expect("cargo runs");
    assert!(done.success(), "cargo could not build {name}");
    folder.join(name)
}

/// A running node on a folder of its own. Killed when it is dropped.
pub struct Node {
    child: Option<Child>,
    /// Its data and what it wrote; gone with this.
    pub dir: TempDir,
    /// `http://HOST:PORT`, as it said itself.
    pub url: String,
    /// Where it listens; port 0 until it is to keep its port.
    listen: String,
    /// A program and its first arguments that the node is run by, if any.
    wrap: Vec<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Node {
    /// Starts a node on an empty folder and a free port.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with further arguments.
    pub fn with(args: &[&str]) -> Self {
        Self::within(tempfile::tempdir().expect("a temporary folder"), args)
    }

    /// The same, in this folder (data in `data` below it).
    pub fn within(dir: TempDir, args: &[&str]) -> Self {
        Self::wrapped(dir, &[], args)
    }

    /// The same, run by another program, which must become it (`exec`): its process is the node's.
    pub fn wrapped(dir: TempDir, wrap: &[&str], args: &[&str]) -> Self {
        let mut node = Self {
            child: None,
            dir,
            url: String::new(),
            listen: "127.0.0.1:0".to_owned(),
            wrap: wrap.iter().map(|a| (*a).to_owned()).collect(),
            args: args.iter().map(|a| (*a).to_owned()).collect(),
            env: Vec::new(),
        };
        node.restart();
        node
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// A command for this node's binary and folder, as `restart` runs it.
    pub fn command(&self) -> Command {
        let mut command = match self.wrap.split_first() {
            None => Command::new(binary()),
            Some((program, first)) => {
                let mut command = Command::new(program);
                command.args(first).arg(binary());
                command
            }
        };
        command
            .arg("serve")
            .arg("--data")
            .arg(self.data())
            .args(["--listen", &self.listen])
            .args(&self.args)
            .envs(self.env.iter().map(|(k, v)| (k, v)));
        command
    }

    /// Sets a variable for the next start.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Lets it keep its port from now on: clients that know its address find it again.
    pub fn keep_port(&mut self) {
        self.listen = self.url.trim_start_matches("http://").to_owned();
    }

    /// Adds arguments for the next start.
    pub fn add_args(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(|a| (*a).to_owned()));
    }

    /// Starts it, or kills it with SIGKILL and starts it again. Returns once it listens.
    pub fn restart(&mut self) {
        self.kill();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.path().join("stderr"))
            .expect("a file for its logs");
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("parlour starts");
        let stdout = child.stdout.take().expect("a pipe");
        self.child = Some(child);
        let (first, said) = sync_channel(1);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = first.send(lines.next());
            // Kept open: a closed pipe would be a fault of the test.
            lines.for_each(drop);
        });
        let line = match said.recv_timeout(PATIENCE) {
            Ok(Some(Ok(line))) => line,
            other => panic!("it did not listen: {other:?}\n{}", self.logs()),
        };
        self.url = line
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("its first line was {line:?}"))
            .to_owned();
    }

    /// Kills it with SIGKILL, if it runs.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends it a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .expect("kill runs");
        assert!(done.success());
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = child.try_wait().expect("its status") {
                return status;
            }
            // tidy: sleep, because a process is polled here; no order of events hangs on it.
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("it did not end\n{}", self.logs());
    }

    /// Everything that it wrote to standard error so far.
    pub fn logs(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }

    /// Waits until it has written this to standard error, and answers all that it wrote.
    pub fn until_logged(&self, word: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let logs = self.logs();
            if logs.contains(word) {
                return logs;
            }
            assert!(Instant::now() < end, "{word} was not logged:\n{logs}");
            // tidy: sleep, because a file is polled here; no order of events hangs on it.
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// A client of its API that is nobody.
    pub fn http(&self) -> Http {
        Http::new(&self.url)
    }

    /// A client of its API with the administrator's token.
    pub fn admin(&self) -> Http {
        let token = std::fs::read_to_string(self.data().join("admin.token")).expect("admin.token");
        self.http().with(token.trim())
    }

    /// Signs someone up. The password is `password of NAME`.
    pub async fn sign_up(&self, name: &str) -> LoggedIn {
        self.http()
            .post(
                "/v1/accounts",
                &serde_json::json!({"name": name, "password": format!("password of {}", name.to_lowercase())}),
            )
            .await
            .ok()
    }

    /// Logs someone in on another device.
    pub async fn log_in(&self, name: &str) -> LoggedIn {
        self.http()
            .post(
                "/v1/login",
                &serde_json::json!({"name": name, "password": format!("password of {}", name.to_lowercase())}),
            )
            .await
            .ok()
    }

    /// Makes accounts in bulk, each with so many devices.
    pub async fn bulk(&self, names: &[String], devices: u32) -> BulkMade {
        let accounts = names
            .iter()
            .map(|name| BulkAccount {
                name: name.clone(),
                display: None,
                r#type: parlour_protocol::http::UserType::Person,
                devices,
            })
            .collect();
        self.admin()
            .post("/v1/admin/accounts", &BulkAccounts { accounts })
            .await
            .ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the node's log ---\n{}", self.logs());
        }
    }
}
