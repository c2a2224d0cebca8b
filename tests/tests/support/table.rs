//! Tables of a store that no server uses: made as the engine makes them, and damaged by a bit.

use std::path::{Path, PathBuf};

/// How each block begins.
const BLOCK: &[u8] = b"LSM\x03";

/// Makes a table of what the journals have, as the engine does once there is enough. Answers it.
pub(crate) fn to_table(data: &Path) -> PathBuf {
    let store = fjall::Database::builder(data.join("store"))
        .open()
        .expect("a store that nobody uses");
    let rows = store
        .keyspace("data", fjall::KeyspaceCreateOptions::default)
        .expect("its rows");
    rows.rotate_memtable_and_wait().expect("a table");
    let tables = rows.path().join("tables");
    let mut found = std::fs::read_dir(tables).expect("its tables");
    found.next().expect("a table").expect("its name").path()
}

/// Where in a table lies a bit of a block of events, which a start does not read. They lie in the
/// middle: rows come by letter.
pub(crate) fn in_events(table: &[u8]) -> usize {
    let blocks: Vec<_> = (0..table.len() - 1_000)
        .filter(|at| table[*at..].starts_with(BLOCK))
        .collect();
    blocks[blocks.len() / 2] + 60
}

/// Flips that bit in a table.
pub(crate) fn damage_events(table: &Path) {
    let mut bytes = std::fs::read(table).expect("a table");
    let at = in_events(&bytes);
    bytes[at] ^= 1;
    std::fs::write(table, bytes).expect("a table");
}
