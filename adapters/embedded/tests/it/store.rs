//! Opening: one process at a time, no newer format, and a restart keeps everything.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use parlour_embedded::{Error, Store};
use parlour_ports::accounts::{Made, User};
use parlour_protocol::http::UserType;
use parlour_protocol::id::StoreId;
use parlour_protocol::position::Partition;
use parlour_protocol::row;
use parlour_protocol::seq::{Head, Seq};

use crate::rows::{body, check, conversation, device, fill, messages, user};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let c = conversation(1);
    fill(folder.path(), c, 500).await;
    let id = Store::open(folder.path()).unwrap().history().store();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.history().store(), id);
    let range = store
        .history()
        .range(c, Seq::ZERO, Seq::MAX, false, 1_000)
        .await
        .unwrap();
    assert_eq!(
        range.as_of,
        Head {
            seq: Seq(500),
            n: 500
        }
    );
    assert_eq!(range.events.len(), 500);
    for (event, seq) in range.events.iter().zip(1..) {
        assert_eq!((event.seq, &event.payload), (Seq(seq), &body(seq)));
    }
}

#[test]
fn a_folder_in_use_names_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    match Store::open(folder.path()) {
        Err(Error::InUse { holder, path }) => {
            assert_eq!(holder, format!("process {}", std::process::id()));
            assert_eq!(path, folder.path());
        }
        other => panic!("{other:?}"),
    }
    drop(store);
    Store::open(folder.path()).unwrap();
}

/// Puts one row past the adapter.
fn put(folder: &Path, key: &[u8], value: Vec<u8>) {
    let db = fjall::Database::builder(folder.join("store"))
        .open()
        .unwrap();
    let data = db
        .keyspace("data", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    data.insert(key, value).unwrap();
    db.persist(fjall::PersistMode::SyncAll).unwrap();
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    put(folder.path(), b"Zformat", row::to_bytes(&7u64));
    match Store::open(folder.path()) {
        Err(Error::Newer {
            found: 7, known: 1, ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

/// The engine's own format is in a file before all else.
#[test]
fn a_newer_format_of_the_engine_is_refused_by_name_and_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    let marker = folder.path().join("store/version");
    std::fs::write(&marker, b"FJL\x04").unwrap();
    let verified = parlour_embedded::verify::verify(folder.path(), &mut |_, _, _| {});
    for refused in [Store::open(folder.path()).err(), verified.err()] {
        match refused {
            Some(Error::Newer {
                found: 4, known: 3, ..
            }) => {}
            other => panic!("{other:?}"),
        }
    }
    // One bit away from ours, it may be damage.
    std::fs::write(&marker, b"FJL\x07").unwrap();
    let refused = Store::open(folder.path()).err();
    assert!(
        matches!(refused, Some(Error::Damaged { .. })),
        "{refused:?}"
    );
}

/// The text of what failed.
fn why<T: std::fmt::Debug>(result: Result<T, impl std::fmt::Display>) -> String {
    match result {
        Ok(value) => panic!("{value:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_stops_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    // Devices of a user.
    let mut key = b"D".to_vec();
    key.extend_from_slice(user(2).as_bytes());
    put(folder.path(), &key, vec![0xff, 0xff]);
    let store = Store::open(folder.path()).unwrap();
    let accounts = store.accounts();
    let account = User {
        user: user(1),
        name: "ada".to_owned(),
        display: "Ada".to_owned(),
        kind: UserType::Person,
        status: None,
        password: None,
        version: 0,
    };
    let made = accounts.create(account).await.unwrap();
    assert_eq!(made, Made::Yes);
    for _ in 0..2 {
        let why = why(accounts.revoke(user(2), device(1)).await);
        for word in ["list of devices", "key 440202", "parlour verify"] {
            assert!(why.contains(word), "{why}");
        }
    }
    // Nothing of it was written, and what has nothing to do with the row goes on.
    let found = accounts.find("ada", true, 9).await.unwrap();
    assert_eq!(found.len(), 1);
    let rows = messages(conversation(1), 1..=3);
    store.history().append(Partition(0), rows).await.unwrap();
    drop((store, accounts));

    let report = check(folder.path());
    let named = report
        .said
        .iter()
        .any(|said| said.contains("row list of devices, key 440202"));
    assert!(named && report.damaged == 0, "{report:?}");
}

#[tokio::test]
async fn a_store_from_before_batches_had_numbers_opens() {
    let folder = tempfile::tempdir().unwrap();
    let id = StoreId::v7(1, [7; 10]);
    put(folder.path(), b"Zformat", row::to_bytes(&1u64));
    put(folder.path(), b"Zid", row::to_bytes(&id));
    put(folder.path(), b"Zgeneration", row::to_bytes(&4u64));
    // Killed in the midst of a write.
    let journal = folder.path().join("store/0.jnl");
    let journal = OpenOptions::new().append(true).open(journal);
    journal.unwrap().write_all(&[1, 1, 0, 0]).unwrap();
    assert_eq!(check(folder.path()).breaches, 0);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.history().store(), id);
    assert!(folder.path().join("store/answered").exists());
}

#[test]
fn whoever_looks_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    let journal = std::fs::read_dir(folder.path().join("store"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "jnl"))
        .unwrap();
    // A write that a crash cut off, which fjall would take away.
    let mut bytes = std::fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    bytes.truncate(used);
    bytes.extend_from_slice(&[1, 9, 0, 0, 0, 1]);
    std::fs::write(&journal, &bytes).unwrap();
    assert_eq!(check(folder.path()).breaches, 0);
    let copy = folder.path().join("chat.backup");
    parlour_embedded::backup::backup(folder.path(), &copy, &mut |_, _| {}).unwrap();
    assert!(std::fs::read(&journal).unwrap() == bytes);
    // A server does take it away, and nothing else.
    drop(Store::open(folder.path()).unwrap());
    let now = std::fs::read(&journal).unwrap();
    assert!(now.len() > used && now[..used] == bytes[..used] && now[used..] != bytes[used..]);
}

#[tokio::test]
async fn what_is_made_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(parlour_embedded::Store::open(&data).unwrap());
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let backup = folder.path().join("backup");
    parlour_embedded::backup::backup(&data, &backup, &mut |_, _| {}).unwrap();
    assert_eq!(mode(&backup), 0o600);
    let again = folder.path().join("again");
    parlour_embedded::backup::restore(&backup, &again, &mut |_, _| {}).unwrap();
    assert_eq!(mode(&again), 0o700);
}

/// Where a data folder was there before, with the mode that folders mostly have.
#[test]
fn a_store_is_its_owners_alone_in_a_folder_that_everyone_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let at = tempfile::tempdir().unwrap();
    let [data, made] = ["data", "made"].map(|name| at.path().join(name));
    for folder in [&data, &made] {
        std::fs::create_dir(folder).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder, mode).unwrap();
    }
    drop(Store::open(&data).unwrap());
    let file = at.path().join("chat.backup");
    parlour_embedded::backup::backup(&data, &file, &mut |_, _| {}).unwrap();
    parlour_embedded::backup::restore(&file, &made, &mut |_, _| {}).unwrap();
    for (path, mode) in [
        (data.join("store"), 0o700),
        (made.join("store"), 0o700),
        (data, 0o755),
    ] {
        let found = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}: {found:o}", path.display());
    }
}
