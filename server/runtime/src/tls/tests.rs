//! Files that are renewed, that cannot be used, and certificates out of their time.

use std::path::Path;
use std::process::Command;

use super::*;

/// A certificate and its key by `openssl`, valid from and until these days.
fn make(dir: &Path, from: &str, until: &str) -> Http {
    const AUTHORITY: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index\nnew_certs_dir = .\n\
        default_md = sha256\nserial = serial\nunique_subject = no\npolicy = p\nx509_extensions = e\n\
        [p]\ncommonName = supplied\n[e]\nsubjectAltName = DNS:localhost\n";
    for (name, text) in [
        ("authority.cnf", AUTHORITY),
        ("index", ""),
        ("serial", "01\n"),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let run = |args: &str| {
        let mut openssl = Command::new("openssl");
        let done = openssl
            .current_dir(dir)
            .args(args.split(' '))
            .output()
            .unwrap();
        assert!(done.status.success(), "{args}: {done:?}");
    };
    run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new-key.pem");
    run("req -new -key new-key.pem -subj /CN=localhost -out request.pem");
    run(&format!(
        "ca -batch -selfsign -notext -config authority.cnf -keyfile new-key.pem \
         -in request.pem -out new-cert.pem -startdate {from} -enddate {until}"
    ));
    // Made aside and moved, as tools that renew do.
    let at = |name: &str| dir.join(name).display().to_string();
    let (cert, key) = (at("cert.pem"), at("key.pem"));
    std::fs::rename(at("new-cert.pem"), &cert).unwrap();
    std::fs::rename(at("new-key.pem"), &key).unwrap();
    Http {
        tls_cert: cert,
        tls_key: key,
        ..Http::default()
    }
}

/// 2024-06-01.
const NOW_S: u64 = 1_717_200_000;

#[test]
fn a_certificate_out_of_its_time_is_told_with_the_date() {
    let at = tempfile::tempdir().unwrap();
    for (from, until, wrong) in [
        ("20240101000000Z", "20250101000000Z", None),
        ("20240101000000Z", "21000301000000Z", None),
        (
            "20200101000000Z",
            "20240531120000Z",
            Some(("certificate expired", "2024-05-31T12:00:00Z")),
        ),
        (
            "20240602000000Z",
            "20600101000000Z",
            Some(("certificate not yet valid", "2024-06-02T00:00:00Z")),
        ),
    ] {
        let http = make(at.path(), from, until);
        let tls = Tls::load(&http).unwrap().unwrap();
        match (tls.wrong_at(NOW_S), wrong) {
            (None, None) => {}
            (Some(found), Some((status, date))) => {
                assert_eq!(found.status, status);
                assert!(
                    found.said.contains(date) && !found.said.contains("cert.pem"),
                    "{found:?}"
                );
            }
            (found, _) => panic!("{until}: {found:?}"),
        }
    }
}

#[test]
fn renewed_files_are_used_and_those_that_cannot_be_change_nothing() {
    let at = tempfile::tempdir().unwrap();
    let http = make(at.path(), "20240101000000Z", "20240501000000Z");
    let tls = Tls::load(&http).unwrap().unwrap();
    let first = tls.0.current.get().cert.clone();
    assert!(tls.wrong_at(NOW_S).is_some());
    assert_eq!(tls.look(false), Looked::Same);
    assert_eq!(tls.look(true), Looked::Same);

    // The key of another, as between the two steps of a renewal; told once, and when asked for.
    let key = std::fs::read(&http.tls_key).unwrap();
    let old = std::fs::read(&http.tls_cert).unwrap();
    make(at.path(), "20240101000000Z", "20250101000000Z");
    let new = std::fs::read(&http.tls_cert).unwrap();
    let new_key = std::fs::read(&http.tls_key).unwrap();
    std::fs::write(&http.tls_key, &key).unwrap();
    let Looked::Failed(why) = tls.look(false) else {
        panic!("a key that does not fit was taken");
    };
    assert!(
        why.contains("does not fit") && why.contains("key.pem"),
        "{why}"
    );
    assert_eq!(tls.look(false), Looked::Same);
    assert_eq!(tls.look(true), Looked::Failed(why.clone()));
    assert!(tls.is_unused());
    assert_eq!(tls.0.current.get().cert, first);
    // Gone, and cut.
    std::fs::remove_file(&http.tls_cert).unwrap();
    let gone = tls.look(false);
    assert!(
        matches!(&gone, Looked::Failed(why) if why.contains("it is not there")),
        "{gone:?}"
    );
    std::fs::write(&http.tls_cert, &new[..40]).unwrap();
    assert!(matches!(tls.look(false), Looked::Failed(_)));
    assert_eq!(tls.0.current.get().cert, first);

    std::fs::write(&http.tls_cert, &new).unwrap();
    std::fs::write(&http.tls_key, &new_key).unwrap();
    assert_eq!(tls.look(false), Looked::Renewed);
    assert_ne!(tls.0.current.get().cert, first);
    assert_eq!((tls.is_unused(), tls.wrong_at(NOW_S)), (false, None));
    assert_eq!(tls.look(false), Looked::Same);
    // And back, though the files have the times of before.
    std::fs::write(&http.tls_cert, &old).unwrap();
    std::fs::write(&http.tls_key, &key).unwrap();
    assert_eq!(tls.look(false), Looked::Renewed);
    assert_eq!(tls.0.current.get().cert, first);
    // Cut, and then put back: that is said as well.
    std::fs::write(&http.tls_cert, &old[..40]).unwrap();
    assert!(matches!(tls.look(false), Looked::Failed(_)));
    std::fs::write(&http.tls_cert, &old).unwrap();
    assert_eq!(tls.look(false), Looked::Back);
    assert_eq!(tls.look(false), Looked::Same);
    assert!(!tls.is_unused());
}

#[test]
fn of_a_chain_the_first_certificate_alone_has_a_status() {
    let at = tempfile::tempdir().unwrap();
    make(at.path(), "20200101000000Z", "20240501000000Z");
    let old = std::fs::read(at.path().join("cert.pem")).unwrap();
    let http = make(at.path(), "20240101000000Z", "20250101000000Z");
    let first = std::fs::read(&http.tls_cert).unwrap();
    std::fs::write(&http.tls_cert, [first, old].concat()).unwrap();
    let tls = Tls::load(&http).unwrap().unwrap();
    let wrong = tls.wrong_at(NOW_S).unwrap();
    assert_eq!(wrong.status, "ok");
    let said = "certificate 2 of the chain expired on 2024-05-01T00:00:00Z: clients may refuse it";
    assert!(wrong.said.starts_with(said), "{wrong:?}");
    let later = tls.wrong_at(1_750_000_000).unwrap();
    assert_eq!(later.status, "certificate expired");
    assert!(later.said.contains("clients refuse it"), "{later:?}");
}
