//! Bits that flip on the disk.
//!
//! Each file of a store is flipped at many places, one at a time, in a copy of its own. Opening or
//! `verify` names the damage, or everything that is read is as it was. No exception: the store was
//! stopped, so `answered` has the number of its last batch. The one that there is, after a power
//! loss alone, is in the tests of `src/journal.rs`, with each bit of a journal.
//!
//! Tables and the files that list them have checksums of fjall's, so a flip there is named as soon
//! as the block is read, or hits bytes that nobody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use parlour_embedded::Store;
use parlour_embedded::verify::verify;
use parlour_ports::history::Range;
use parlour_protocol::position::Partition;
use parlour_protocol::seq::{Head, Seq};

use crate::rows::{conversation, messages};

const PLACES: usize = 24;

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Every file of the store of a folder, with what is in it.
fn state(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = Vec::new();
    files(&folder.join("store"), &mut all);
    all.into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// Makes a table of what the journal has.
fn to_table(folder: &Path) {
    let db = fjall::Database::builder(folder.join("store"))
        .open()
        .unwrap();
    let data = db
        .keyspace("data", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    data.rotate_memtable_and_wait().unwrap();
}

async fn read(folder: &Path) -> Result<Range, String> {
    let store = Store::open(folder).map_err(|e| e.to_string())?;
    store
        .history()
        .range(conversation(1), Seq::ZERO, Seq::MAX, false, 10_000)
        .await
        .map_err(|e| e.to_string())
}

/// What kind of file it is: its folder, and its name without digits.
fn kind(path: &Path) -> String {
    let name = |p: &Path| -> String {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        name.chars().filter(|c| !c.is_ascii_digit()).collect()
    };
    format!(
        "{}/{}",
        path.parent().map(name).unwrap_or_default(),
        name(path)
    )
}

#[tokio::test]
async fn a_flipped_bit_is_named_or_changes_nothing() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    let mut upto = 0;
    // The first half ends in a table, the second stays in the journal.
    for half in 1..=2 {
        let store = Store::open(&whole).unwrap();
        while upto < half * 200 {
            let rows = messages(conversation(1), upto + 1..=upto + 50);
            store.history().append(Partition(0), rows).await.unwrap();
            upto += 50;
        }
        drop(store);
        if half == 1 {
            to_table(&whole);
        }
    }
    let right = {
        // Read from a copy: opening writes.
        let first = at.path().join("first");
        copy(&whole, &first);
        read(&first).await.unwrap()
    };
    assert_eq!(
        right.as_of,
        Head {
            seq: Seq(upto),
            n: upto
        }
    );

    let mut all = Vec::new();
    files(&whole.join("store"), &mut all);
    let mut told: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut wrong = BTreeSet::new();
    for (number, file) in all.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        // Journals are made longer than they are used.
        let used = bytes
            .iter()
            .rposition(|b| *b != 0)
            .map_or(0, |last| last + 1);
        let step = used.div_ceil(PLACES).max(1);
        for place in (0..used).step_by(step) {
            let flipped = at.path().join(format!("flipped-{number}-{place}"));
            copy(&whole, &flipped);
            let mut bytes = bytes.clone();
            bytes[place] ^= 0x04;
            std::fs::write(flipped.join(file.strip_prefix(&whole).unwrap()), bytes).unwrap();
            let before = state(&flipped);
            let checked = verify(&flipped, &mut |_, _| {});
            assert!(
                before == state(&flipped),
                "verify changed {file:?}, {place}"
            );
            let named = !matches!(&checked, Ok(report) if report.breaches == 0);
            let count = told.entry(kind(file)).or_default();
            if named {
                count.0 += 1;
                if file.extension().is_some_and(|e| e == "jnl") {
                    // A server refuses it as well, names the file, and leaves it as it was.
                    let why = Store::open(&flipped).unwrap_err().to_string();
                    let name = file.file_name().unwrap().to_string_lossy();
                    assert!(
                        why.contains(&*name) && why.contains("parlour restore"),
                        "{why}"
                    );
                    assert!(before == state(&flipped), "{file:?}, {place}");
                }
            } else {
                match read(&flipped).await {
                    Ok(found) if found == right => count.1 += 1,
                    other => {
                        let events = other.map(|found| found.events.len());
                        wrong.insert(format!("{}, byte {place}: {events:?}", kind(file)));
                    }
                }
            }
            std::fs::remove_dir_all(&flipped).unwrap();
        }
    }
    assert!(wrong.is_empty(), "lost in silence: {wrong:#?}");
    println!("by kind of file, (named, harmless): {told:#?}");
    let tables = told.iter().filter(|(kind, _)| kind.starts_with("tables/"));
    assert!(
        tables.map(|(_, count)| count.0).sum::<u32>() > 0,
        "{told:?}"
    );
}
