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

/// The same, valid from and until these times, such as `20240101000000Z`. One
/// that is there is replaced, as tools that renew do: certificate first, key behind it.
pub fn dated(dir: &Path, from: &str, until: &str) -> (PathBuf, PathBuf) {
    const AUTHORITY: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index\nnew_certs_dir = .\n\
        default_md = sha256\nserial = serial\nunique_subject = no\npolicy = p\n\
        x509_extensions = e\n[p]\ncommonName = supplied\n[e]\nsubjectAltName = IP:127.0.0.1\n";
    let made = dir.join("made");
    std::fs::create_dir_all(&made).expect("a folder");
    for (name, text) in [
        ("authority.cnf", AUTHORITY),
        ("index", ""),
        ("serial", "01\n"),
    ] {
        std::fs::write(made.join(name), text).expect("a file");
    }
    let run = |args: &str| {
        let mut openssl = Command::new("openssl");
        let done = openssl.current_dir(&made).args(args.split(' ')).output();
        let done = done.expect("openssl runs");
        assert!(done.status.success(), "{args}: {done:?}");
    };
    run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem");
    run("req -new -key key.pem -subj /CN=localhost -out request.pem");
    run(&format!(
        "ca -batch -selfsign -notext -config authority.cnf -keyfile key.pem -in request.pem \
         -out cert.pem -startdate {from} -enddate {until}"
    ));
    let at = ["cert", "key"].map(|what| dir.join(format!("dated-{what}.pem")));
    let [cert, key] = at;
    std::fs::rename(made.join("cert.pem"), &cert).expect("a certificate");
    std::fs::rename(made.join("key.pem"), &key).expect("a key");
    std::fs::remove_dir_all(made).expect("a folder");
    (cert, key)
}
