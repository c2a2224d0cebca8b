//! Certificates for tests of TLS, made by `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate for 127.0.0.1 and its key, signed by itself, in this folder: a server's alone, or
/// one that says of itself that it is an authority's.
pub fn certificate(dir: &Path, authority: bool) -> (PathBuf, PathBuf) {
    let name = if authority { "authority" } else { "server" };
    let file = |what: &str| dir.join(format!("{name}-{what}.pem"));
    let (cert, key) = (file("cert"), file("key"));
    let is = if authority { "TRUE" } else { "FALSE" };
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", &format!("basicConstraints=critical,CA:{is}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("openssl runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    (cert, key)
}
