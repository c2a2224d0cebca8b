//! A node's certificate: out of its time, and renewed while it serves.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use parlour_tests::Node;
use parlour_tests::node::binary;
use parlour_tests::tls::dated;

/// A connection over TLS, by `openssl s_client`, which verifies nothing.
struct Connection {
    client: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Connection {
    fn open(node: &Node) -> Self {
        let address = node.url.trim_start_matches("https://");
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = client.stdin.take().unwrap();
        let from = BufReader::new(client.stdout.take().unwrap());
        Self { client, to, from }
    }

    /// What `/health` says on this connection, which stays open.
    fn health(&mut self) -> serde_json::Value {
        write!(self.to, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        self.to.flush().unwrap();
        let (mut len, mut line) = (0, String::new());
        loop {
            line.clear();
            let read = self.from.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the connection ended");
            let head = line.trim().to_ascii_lowercase();
            if let Some(length) = head.strip_prefix("content-length:") {
                len = length.trim().parse().unwrap();
            }
            if head.is_empty() {
                break;
            }
        }
        let mut body = vec![0; len];
        std::io::Read::read_exact(&mut self.from, &mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// The certificate that a new handshake is given, in PEM.
fn shown(node: &Node) -> String {
    let address = node.url.trim_start_matches("https://");
    let done = Command::new("openssl")
        .args(["s_client", "-connect", address])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let pem = said
        .find("-----BEGIN CERTIFICATE-----")
        .map(|at| &said[at..]);
    let end = "-----END CERTIFICATE-----";
    let pem = pem.and_then(|pem| Some(&pem[..pem.find(end)? + end.len()]));
    pem.unwrap_or_else(|| panic!("no certificate in {said}"))
        .to_owned()
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

/// A node with this certificate, which keeps connections on which nothing is said.
fn node(dir: tempfile::TempDir, more: &[&str]) -> Node {
    let at = |what: &str| {
        dir.path()
            .join(format!("dated-{what}.pem"))
            .display()
            .to_string()
    };
    let (cert, key) = (at("cert"), at("key"));
    let args = [
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--set",
        "http.upgrade_ms=600000",
    ];
    Node::within(dir, &[&args, more].concat())
}

#[test]
fn a_certificate_out_of_its_time_is_told_and_served_nevertheless() {
    for (from, until, status, date) in [
        (
            "20200101000000Z",
            "20230203040500Z",
            "certificate expired",
            "2023-02-03T04:05:00Z",
        ),
        (
            "20900203040500Z",
            "20910101000000Z",
            "certificate not yet valid",
            "2090-02-03T04:05:00Z",
        ),
        ("20200101000000Z", "20900101000000Z", "ok", ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = dated(dir.path(), from, until);
        let checked = Command::new(binary())
            .args(["config", "check", "--data", "new", "--tls-cert"])
            .arg(&cert)
            .arg("--tls-key")
            .arg(&key)
            .output()
            .unwrap();
        // A warning: `serve` does not refuse it either.
        assert_eq!(checked.status.code(), Some(0));
        let warned = String::from_utf8(checked.stderr).unwrap();
        assert_eq!(warned.contains("WARNING"), status != "ok", "{warned}");
        assert!(warned.contains(date), "{warned}");
        let path = cert.display().to_string();
        assert_eq!(warned.contains(&path), status != "ok", "{warned}");

        let node = node(dir, &[]);
        let health = Connection::open(&node).health();
        assert_eq!(health["status"], status);
        if status == "ok" {
            assert_eq!(health["parts"]["certificate"], serde_json::Value::Null);
            assert!(!node.logs().contains("certificate"), "{}", node.logs());
        } else {
            let part = health["parts"]["certificate"].as_str().unwrap();
            assert!(
                part.contains(date) && !part.contains("dated-cert.pem"),
                "{part}"
            );
            let logs = node.until_logged("clients refuse it");
            for word in ["ERROR", date, "dated-cert.pem"] {
                assert!(logs.contains(word), "{word} is missing in: {logs}");
            }
        }
    }
}

#[test]
fn a_renewed_certificate_is_for_new_connections_and_old_ones_live_on() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_owned();
    let (cert, key) = dated(&at, "20200101000000Z", "20230101000000Z");
    let first = text(&cert);
    // Nobody looks by itself: each look here is by the signal, and is waited for.
    let node = node(dir, &["--set", "http.tls_look_ms=600000"]);
    let mut old = Connection::open(&node);
    assert_eq!(old.health()["status"], "certificate expired");
    assert_eq!(shown(&node), first);
    node.signal("HUP");
    node.until_logged("the certificate is as it was");

    dated(&at, "20200101000000Z", "20900101000000Z");
    let renewed = text(&cert);
    node.signal("HUP");
    node.until_logged("the certificate was renewed");
    assert_eq!(shown(&node), renewed);
    assert_ne!(first, renewed);
    assert_eq!(old.health()["status"], "ok");

    // Files that do not fit each other, or are none, change nothing.
    let right = std::fs::read(&key).unwrap();
    dated(&at, "20200101000000Z", "20910101000000Z");
    let last = text(&cert);
    let last_key = std::fs::read(&key).unwrap();
    std::fs::write(&key, right).unwrap();
    node.signal("HUP");
    node.until_logged("it does not fit the certificate");
    assert_eq!(shown(&node), renewed);
    std::fs::write(&key, "no key").unwrap();
    node.signal("HUP");
    node.until_logged("there is no private key");
    assert_eq!(shown(&node), renewed);
    let health = Connection::open(&node).health();
    assert_eq!(health["status"], "ok");
    let part = health["parts"]["certificate"].as_str().unwrap();
    assert!(
        part.contains("cannot be used") && !part.contains("dated"),
        "{part}"
    );
    std::fs::write(&key, last_key).unwrap();
    node.signal("HUP");
    node.until_logged("until=\"2091-01-01T00:00:00Z\"");
    assert_eq!(shown(&node), last);
    let health = old.health();
    assert_eq!(health["parts"]["certificate"], serde_json::Value::Null);
}

#[test]
fn a_renewal_is_found_without_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_owned();
    let (cert, _) = dated(&at, "20200101000000Z", "20900101000000Z");
    let node = node(dir, &["--set", "http.tls_look_ms=20"]);
    let mut old = Connection::open(&node);
    assert_eq!(old.health()["status"], "ok");
    dated(&at, "20200101000000Z", "20900101000000Z");
    node.until_logged("the certificate was renewed");
    assert_eq!(shown(&node), text(&cert));
    assert_eq!(old.health()["status"], "ok");
}

/// `O_NONBLOCK` of Linux.
const NONBLOCK: i32 = 0o4000;

/// Whoever answers `/health` must not wait for a file that does not come, nor who ends the node.
#[test]
fn a_certificate_that_does_not_come_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_owned();
    let (cert, _) = dated(&at, "20200101000000Z", "20900101000000Z");
    let first = text(&cert);
    let more = ["--set", "http.tls_look_ms=600000"];
    let mut node = node(dir, &more);
    let mut old = Connection::open(&node);
    assert_eq!(old.health()["status"], "ok");
    std::fs::remove_file(&cert).unwrap();
    let made = Command::new("mkfifo").arg(&cert).status().unwrap();
    assert!(made.success());
    node.signal("HUP");
    // A pipe takes a writer once there is a reader, which then waits for what is written: the node.
    let asked = std::time::Instant::now();
    let _writer = loop {
        let mut pipe = std::fs::OpenOptions::new();
        match pipe.write(true).custom_flags(NONBLOCK).open(&cert) {
            Ok(pipe) => break pipe,
            Err(why) => assert!(asked.elapsed() < parlour_tests::PATIENCE, "{why}"),
        }
        std::thread::yield_now();
    };
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let asks = std::thread::spawn(move || {
        let all: Vec<_> = (0..32).map(|_| old.health()).collect();
        tell.send(all).unwrap();
    });
    let all = told.recv_timeout(parlour_tests::PATIENCE);
    for health in all.expect("/health answers while a file does not come") {
        assert_eq!(health["status"], "ok");
    }
    asks.join().unwrap();
    assert_eq!(shown(&node), first);
    let asked = std::time::Instant::now();
    node.signal("TERM");
    assert_eq!(node.wait().code(), Some(0));
    assert!(asked.elapsed() < std::time::Duration::from_secs(15));
    assert!(!node.logs().contains("were left"), "{}", node.logs());
}
