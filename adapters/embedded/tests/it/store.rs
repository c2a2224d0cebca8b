//! Opening: one process at a time, no newer format, and a restart keeps everything.

use std::path::Path;

use parlour_embedded::{Error, Store};
use parlour_protocol::row;
use parlour_protocol::seq::{Head, Seq};

use crate::rows::{body, conversation, fill};

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
