//! A store in use that cannot be linked to, and one that lies elsewhere.

use parlour_ports::history::History;
use parlour_protocol::position::Generation;

use super::*;
use crate::Store;

fn no_links(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(rustix::io::Errno::PERM.into())
}

fn other_disk(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(rustix::io::Errno::XDEV.into())
}

/// A store with a table, as the engine makes one by itself once there is enough.
fn with_table(folder: &Path) -> Store {
    drop(Store::open(folder).unwrap());
    let db = fjall::Database::builder(folder.join("store"))
        .open()
        .unwrap();
    let data = db
        .keyspace("data", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    data.rotate_memtable_and_wait().unwrap();
    drop((data, db));
    Store::open(folder).unwrap()
}

fn in_use(folder: &Path) -> Error {
    Error::InUse {
        path: folder.to_owned(),
        holder: "process 1".to_owned(),
    }
}

fn generation(aside: &Aside) -> Option<Generation> {
    let bytes = aside.data.get(crate::table::meta("generation")).unwrap()?;
    parlour_protocol::row::from_bytes::<u64>(&bytes)
        .ok()
        .map(Generation)
}

fn tables(at: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for keyspace in std::fs::read_dir(at.join("keyspaces")).unwrap() {
        let tables = keyspace.unwrap().path().join("tables");
        for table in std::fs::read_dir(tables).into_iter().flatten() {
            found.push(table.unwrap().path());
        }
    }
    found.sort();
    found
}

#[test]
fn where_tables_cannot_be_linked_to_they_are_copied() {
    let at = tempfile::tempdir().unwrap();
    let store = with_table(at.path());
    for link in [no_links as Link, other_disk, tables::hard] {
        let aside = Aside::beside_by(at.path(), in_use(at.path()), link).unwrap();
        assert_eq!(generation(&aside), Some(Generation(2)));
        assert_eq!(aside.damaged, None);
        drop(aside);
        // Nothing of it is left.
        let left = std::fs::read_dir(at.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["lock", "store"]);
    }
    let _: std::sync::Arc<dyn History> = store.history();
}

#[test]
fn what_was_copied_is_kept_over_tries_and_everything_else_is_made_anew() {
    let at = tempfile::tempdir().unwrap();
    let _store = with_table(at.path());
    let folder = leftover::Aside::make(at.path()).unwrap();
    let mut copies = Tables::new(no_links);
    attempt(at.path(), folder.path(), &mut copies).unwrap();
    let copied = tables(folder.path());
    assert!(!copied.is_empty());
    // Marked, to see which are copied again; and a journal that the store has no more.
    for table in &copied {
        std::fs::write(table, "kept").unwrap();
    }
    std::fs::write(folder.path().join("99.jnl"), "old").unwrap();
    let replaced = tables(&at.path().join("store")).pop().unwrap();
    let bytes = std::fs::read(&replaced).unwrap();
    std::fs::remove_file(&replaced).unwrap();
    std::fs::write(&replaced, &bytes).unwrap();
    attempt(at.path(), folder.path(), &mut copies).unwrap();
    let (last, kept) = copied.split_last().unwrap();
    for table in kept {
        assert_eq!(
            std::fs::read(table).unwrap(),
            b"kept",
            "{}",
            table.display()
        );
    }
    assert_eq!(std::fs::read(last).unwrap(), bytes);
    assert!(!folder.path().join("99.jnl").exists());
}

#[test]
fn a_store_that_lies_elsewhere_is_looked_at_there() {
    let (at, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(with_table(at.path()));
    let real = other.path().join("rows");
    std::fs::rename(at.path().join("store"), &real).unwrap();
    std::os::unix::fs::symlink(&real, at.path().join("store")).unwrap();
    let store = Store::open(at.path()).unwrap();
    // What a killed look left there goes too.
    let left = other.path().join("parlour-aside-abcdef");
    std::fs::create_dir(&left).unwrap();
    let aside = Aside::beside(at.path(), in_use(at.path())).unwrap();
    assert_eq!(generation(&aside), Some(Generation(3)));
    assert!(aside._at.path().starts_with(other.path()));
    assert!(!left.exists());
    std::fs::create_dir(&left).unwrap();
    drop((aside, store));
    drop(Store::open(at.path()).unwrap());
    assert!(!left.exists());
    // Its disk is not mounted: that is no store without files, and none is made.
    let unmounted = other.path().join("elsewhere");
    std::fs::rename(&real, &unmounted).unwrap();
    let refused = [
        Store::open(at.path()).err(),
        crate::verify::verify(at.path(), &mut |_, _, _| {}).err(),
        crate::backup::backup(at.path(), &at.path().join("copy"), &mut |_, _| {}).err(),
    ];
    for refused in refused {
        let why = refused.unwrap().to_string();
        assert!(
            why.contains("disk or mount") && !why.contains("restore"),
            "{why}"
        );
    }
    std::fs::rename(&unmounted, &real).unwrap();
    drop(Store::open(at.path()).unwrap());
}

#[test]
fn what_is_not_of_a_store_is_not_copied() {
    let at = tempfile::tempdir().unwrap();
    let store = with_table(at.path());
    for name in ["notes.txt", ".DS_Store", ".nfs0001"] {
        std::fs::write(at.path().join("store").join(name), "a letter").unwrap();
    }
    let aside = Aside::beside(at.path(), in_use(at.path())).unwrap();
    let names = std::fs::read_dir(aside._at.path()).unwrap();
    for name in names.map(|entry| entry.unwrap().file_name()) {
        assert!(leftover::is_of_a_store(&name), "{name:?}");
    }
    drop(store);
}
