//! The data folder: locked, private, versioned.

use std::path::Path;

use parlour_sdk::{Config, Data, Endpoint, Error, Store};

use crate::peer::{TOKEN, session};

fn endpoint() -> Endpoint {
    Endpoint::new("http://127.0.0.1:9").unwrap()
}

#[test]
fn it_is_one_process_at_a_time_and_says_whose() {
    let dir = tempfile::tempdir().unwrap();
    let first = Data::open(dir.path()).unwrap();
    match Data::open(dir.path()) {
        Err(Error::InUse { holder, .. }) => {
            assert_eq!(holder, format!("process {}", std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    drop(first);
    Data::open(dir.path()).unwrap();
}

#[test]
fn who_is_logged_in_is_kept_until_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    {
        let mut data = Data::open(dir.path()).unwrap();
        assert!(data.session().unwrap().is_none());
        assert!(matches!(
            Config::stored(Data::open(dir.path().join("other")).unwrap()),
            Err(Error::NotLoggedIn { .. })
        ));
        data.keep(&endpoint(), &session("one")).unwrap();
    }
    let mut data = Data::open(dir.path()).unwrap();
    let (kept, who) = data.session().unwrap().unwrap();
    assert_eq!((kept.url(), &who), ("http://127.0.0.1:9", &session("one")));
    data.forget().unwrap();
    assert!(data.session().unwrap().is_none());
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("parlour");
    let mut data = Data::open(&folder).unwrap();
    data.keep(&endpoint(), &session("one")).unwrap();
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in ["client.sqlite", "client.sqlite-wal"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_newer_format_another_program_and_a_damaged_file_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("client.sqlite");
    drop(Data::open(dir.path()).unwrap());
    let sql = rusqlite::Connection::open(&file).unwrap();
    sql.pragma_update(None, "user_version", 99).unwrap();
    drop(sql);
    match Data::open(dir.path()) {
        Err(Error::Newer { found: 99, .. }) => {}
        other => panic!("{other:?}"),
    }
    let sql = rusqlite::Connection::open(&file).unwrap();
    sql.pragma_update(None, "application_id", 7).unwrap();
    drop(sql);
    let why = |e: Error| e.to_string();
    assert!(why(Data::open(dir.path()).unwrap_err()).contains("another program"));
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::fs::write(&file, vec![7u8; 10_000]).unwrap();
    assert!(why(Data::open(dir.path()).unwrap_err()).contains("damaged"));
}

#[test]
fn the_token_never_shows_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = Data::open(dir.path()).unwrap();
    data.keep(&endpoint(), &session("one")).unwrap();
    let http = parlour_sdk::Http::with_token(&endpoint(), &session("one").token);
    let config = Config::new(endpoint(), session("one"), Store::Folder(data));
    for shown in [
        format!("{config:?}"),
        format!("{http:?}"),
        format!("{:?}", session("one")),
    ] {
        assert!(!shown.contains(TOKEN), "{shown}");
    }
}

#[test]
fn an_address_is_checked() {
    for (given, taken) in [
        ("http://127.0.0.1:7400", Some("http://127.0.0.1:7400")),
        ("ws://chat.example/", Some("http://chat.example:80")),
        ("https://chat.example", Some("https://chat.example:443")),
        ("http://[::1]:7400", Some("http://[::1]:7400")),
        ("chat.example", None),
        ("ftp://chat.example", None),
        ("http://name:secret@chat.example", None),
        ("http://chat.example/path", None),
    ] {
        let is = Endpoint::new(given);
        assert_eq!(
            is.as_ref().ok().map(Endpoint::url),
            taken,
            "{given}: {is:?}"
        );
    }
}
