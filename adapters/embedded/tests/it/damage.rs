//! Bits that flip on the disk, files that are cut, and files that are gone.
//!
//! Every file of a store is flipped at many places, one at a time. `verify` names that very file, or
//! everything that is read is as it was; and a server refuses to open it, or a read of it is an error
//! that names the file, or reads what it read before. Never less, without a word. No exception: the
//! store was stopped, so `answered` has the number of its last batch. The one that there is, after a
//! power loss alone, is in the tests of `src/journal.rs`, with each bit of a journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parlour_embedded::verify::{Report, verify};
use parlour_embedded::{Error, Store};
use parlour_ports::history::Range;
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::position::Partition;
use parlour_protocol::row::Outcome;
use parlour_protocol::seq::{Head, Seq};

use crate::rows::{at as place, check, conversation, id, messages, user};

/// Between places that are flipped in a table.
const STEP: usize = 97;
/// Of so many flips in tables, one is tried on a server: that takes a copy each.
const SERVED: usize = 40;
/// Flips in a journal, which are told by `src/journal/tests.rs` bit by bit.
const IN_JOURNAL: usize = 24;

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
    into.sort();
}

/// A file less the zeros at its end: journals are made longer than they are used.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1)
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "jnl")
}

pub(crate) fn copy(from: &Path, to: &Path) {
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
pub(crate) fn to_table(folder: &Path) {
    let db = fjall::Database::builder(folder.join("store"))
        .open()
        .unwrap();
    let data = db
        .keyspace("data", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    data.rotate_memtable_and_wait().unwrap();
}

/// A store of two tables and a journal. Answers what it holds.
pub(crate) async fn store(folder: &Path) -> Range {
    let mut upto = 0;
    for third in 1..=3 {
        let store = Store::open(folder).unwrap();
        while upto < third * 200 {
            let rows = messages(conversation(1), upto + 1..=upto + 50);
            store.history().append(Partition(0), rows).await.unwrap();
            upto += 50;
        }
        drop(store);
        if third < 3 {
            to_table(folder);
        }
    }
    // Journals as long as they are used: there are many copies to be made.
    let mut all = Vec::new();
    files(folder, &mut all);
    for journal in all.iter().filter(|path| is_journal(path)) {
        let mut bytes = std::fs::read(journal).unwrap();
        bytes.truncate(used(&bytes));
        std::fs::write(journal, bytes).unwrap();
    }
    // Read from a copy: opening writes.
    let first = folder.with_extension("first");
    copy(folder, &first);
    let right = read(&first).await.unwrap();
    std::fs::remove_dir_all(&first).unwrap();
    let head = Head {
        seq: Seq(upto),
        n: upto,
    };
    assert_eq!(right.as_of, head);
    assert_eq!(right.events.len() as u64, upto);
    right
}

/// The outcomes of so many sends, each looked up by its key.
async fn outcomes(store: &Store, upto: u64) -> Result<Vec<Fact>, parlour_ports::Error> {
    let questions = (1..=upto).map(|seq| Question::Outcome {
        conversation: conversation(1),
        sender: user(1),
        id: id(seq),
    });
    let history = store.history();
    history.facts(place(u64::MAX), questions.collect()).await
}

/// Waits until a store in use knows which of its files are damaged, which an error had it look for.
pub(crate) async fn known(store: &Store) -> String {
    let found = async {
        loop {
            if let Some(damage) = store.damage() {
                return damage;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(30), found);
    found.await.expect("the damaged file is found")
}

/// All that is there, by range; and by key, that nothing of it is absent. An error names the file.
pub(crate) async fn read(folder: &Path) -> Result<Range, String> {
    let store = Store::open(folder).map_err(|e| e.to_string())?;
    if let Ok(range) = read_of(&store).await {
        return Ok(range);
    }
    known(&store).await;
    read_of(&store).await
}

async fn read_of(store: &Store) -> Result<Range, String> {
    let range = store
        .history()
        .range(conversation(1), Seq::ZERO, Seq::MAX, false, 10_000)
        .await
        .map_err(|e| e.to_string())?;
    let facts = outcomes(store, range.as_of.seq.0).await;
    let facts = facts.map_err(|e| e.to_string())?;
    let there = |fact: &&Fact| matches!(fact, Fact::Outcome(Some(Outcome::Placed { .. })));
    let found = facts.iter().filter(there).count() as u64;
    if found != range.as_of.seq.0 {
        return Err(format!("{found} outcomes of {}", range.as_of.seq.0));
    }
    Ok(range)
}

/// Whether a report names this file as damaged.
fn names(report: &Report, file: &Path) -> bool {
    let path = file.display().to_string();
    report.damaged > 0 && report.said.iter().any(|said| said.contains(&path))
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

/// Tables that a list names, the first of the rows' keyspace first.
pub(crate) fn tables(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(&folder.join("store/keyspaces"), &mut all);
    all.retain(|path| path.parent().is_some_and(|p| p.ends_with("tables")));
    all.reverse();
    all
}

/// A damaged file must not cost a row without a word, when a server uses a copy of the store.
async fn serve_a_copy(whole: &Path, file: &Path, right: &Range) -> Result<(), String> {
    let served = whole.with_extension("served");
    copy(whole, &served);
    let at = served.join(file.strip_prefix(whole).unwrap());
    let found = match read(&served).await {
        Ok(found) if found == *right => Ok(()),
        Ok(found) => Err(format!("{} events were read", found.events.len())),
        Err(why) if why.contains(&at.display().to_string()) && why.contains("parlour restore") => {
            Ok(())
        }
        Err(why) => Err(why),
    };
    std::fs::remove_dir_all(&served).unwrap();
    found
}

#[tokio::test]
async fn a_flipped_bit_is_named_or_changes_nothing() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    let right = store(&whole).await;
    let first = state(&whole);
    // By kind of file: named, and harmless.
    let mut told: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (file, bytes) in &first {
        let len = bytes.len();
        let step = match (is_journal(file), len) {
            (true, _) => len.div_ceil(IN_JOURNAL).max(1),
            (false, ..64) => 1,
            (false, _) => STEP,
        };
        // The end of a file says what is where in it: all of that.
        let end = match is_journal(file) {
            true => len..len,
            false => len.saturating_sub(120).max(64)..len.max(64),
        };
        let places = (0..len).step_by(step).chain(end);
        for (n, place) in places.enumerate() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            std::fs::write(file, &flipped).unwrap();
            let report = verify(&whole, &mut |_, _, _| {});
            let report = report.unwrap_or_else(|e| panic!("{file:?}, byte {place}: {e}"));
            let count = told.entry(kind(file)).or_default();
            let named = names(&report, file);
            if named {
                count.0 += 1;
            } else {
                count.1 += 1;
                if report.breaches > 0 {
                    wrong.push(format!("{}, byte {place}: {:?}", kind(file), report.said));
                }
            }
            if (!named || n % SERVED == 0)
                && let Err(why) = serve_a_copy(&whole, file, &right).await
            {
                wrong.push(format!("{}, byte {place}: {why}", kind(file)));
            }
        }
        std::fs::write(file, bytes).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(first == state(&whole), "verify changed something");
    println!("by kind of file, (named, harmless): {told:#?}");
    // No bit of a table, a list that counts, or a marker is without meaning.
    for (kind, (named, harmless)) in &told {
        let of_ours = ["store/answered", "store/rows"].contains(&kind.as_str());
        assert!(*named > 0 || of_ours, "{kind}");
        assert!(
            *harmless == 0 || of_ours || kind == "store/.jnl",
            "{kind}: {harmless}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_cut_or_gone_is_named_and_nothing_is_changed() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    store(&whole).await;
    let first = state(&whole);
    let mut tried = 0;
    for (file, bytes) in &first {
        let name = file.file_name().unwrap().to_string_lossy();
        if bytes.is_empty() || name == "answered" || name == "rows" {
            continue;
        }
        let len = bytes.len();
        for left in [None, Some(0), Some(1), Some(len / 2), Some(len - 1)] {
            match left {
                None => std::fs::remove_file(file).unwrap(),
                Some(left) => std::fs::write(file, &bytes[..left]).unwrap(),
            }
            let before = state(&whole);
            let report = check(&whole);
            let said = format!("{file:?}, {left:?} left: {:?}", report.said);
            // Of a journal that is gone, another file tells, or the folder.
            assert!(report.damaged > 0, "{said}");
            if !is_journal(file) {
                assert!(names(&report, file) || said.contains(&*name), "{said}");
            }
            let why = Store::open(&whole).unwrap_err().to_string();
            assert!(why.contains("parlour restore"), "{why}");
            assert!(before == state(&whole), "changed: {said}");
            tried += 1;
        }
        std::fs::write(file, bytes).unwrap();
    }
    assert!(tried > 40, "{tried}");
    // Put back, it is as it was.
    assert_eq!(check(&whole).said, Vec::<String>::new());
}

#[tokio::test]
async fn a_folder_that_is_gone_is_missed_and_nothing_is_changed() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    store(&whole).await;
    // fjall would make them anew, empty, and delete what is then in no list.
    for gone in ["keyspaces/0", "keyspaces/1", "keyspaces"] {
        let (folder, aside) = (whole.join("store").join(gone), at.path().join("aside"));
        std::fs::rename(&folder, &aside).unwrap();
        let before = state(&whole);
        assert!(check(&whole).damaged > 0, "{gone}");
        let why = Store::open(&whole).unwrap_err().to_string();
        assert!(
            why.contains("keyspaces") && why.contains("missing"),
            "{gone}: {why}"
        );
        assert!(before == state(&whole), "{gone}");
        std::fs::rename(&aside, &folder).unwrap();
    }
    // Nor would it miss what has another name: it would delete that, and only then be asked for rows.
    let keyspaces = whole.join("store/keyspaces");
    std::fs::rename(keyspaces.join("1"), keyspaces.join("2")).unwrap();
    let before = state(&whole);
    assert!(check(&whole).damaged > 0);
    for why in [
        Store::open(&whole).unwrap_err(),
        parlour_embedded::backup::backup(&whole, &at.path().join("b"), &mut |_, _| {}).unwrap_err(),
    ] {
        let why = why.to_string();
        for word in ["keyspaces/1", "missing", "Nothing was changed"] {
            assert!(why.contains(word), "{word} is missing in: {why}");
        }
    }
    assert!(before == state(&whole));
    std::fs::rename(keyspaces.join("2"), keyspaces.join("1")).unwrap();
    assert_eq!(check(&whole).said, Vec::<String>::new());
    // A store that does not say it yet, or not whole, gets it.
    let rows = whole.join("store/rows");
    let said = std::fs::read(&rows).unwrap();
    for left in [None, Some(&said[..9])] {
        match left {
            None => std::fs::remove_file(&rows).unwrap(),
            Some(left) => std::fs::write(&rows, left).unwrap(),
        }
        assert_eq!(check(&whole).said, Vec::<String>::new());
        drop(Store::open(&whole).unwrap());
        assert_eq!(std::fs::read(&rows).unwrap(), said);
    }
}

#[tokio::test]
async fn what_the_engine_passes_over_is_no_damage_and_does_not_keep_from_a_backup() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    let right = store(&whole).await;
    let served = Store::open(&whole).unwrap();
    let keyspaces = whole.join("store/keyspaces");
    std::fs::write(keyspaces.join("notes"), "").unwrap();
    std::fs::write(keyspaces.join("7"), "").unwrap();
    std::fs::create_dir(keyspaces.join("9")).unwrap();
    let (file, made) = (at.path().join("chat.backup"), at.path().join("made"));
    parlour_embedded::backup::backup(&whole, &file, &mut |_, _| {}).unwrap();
    parlour_embedded::backup::restore(&file, &made, &mut |_, _| {}).unwrap();
    assert_eq!(read(&made).await.unwrap().events, right.events);
    // What is in the way is said as what it is, and not as a server that is busy.
    let stray = keyspaces.join("mine");
    std::fs::create_dir(&stray).unwrap();
    let other = at.path().join("other");
    let why = parlour_embedded::backup::backup(&whole, &other, &mut |_, _| {}).unwrap_err();
    assert!(
        matches!(&why, Error::Stray { path } if *path == stray),
        "{why}"
    );
    std::fs::remove_dir(&stray).unwrap();
    drop(served);
    assert_eq!(read(&whole).await.unwrap().events, right.events);
}

#[tokio::test]
async fn every_damaged_file_is_named_and_so_is_what_does_not_belong() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    store(&whole).await;
    let damaged = tables(&whole);
    assert!(damaged.len() > 2, "{damaged:?}");
    for file in &damaged {
        let mut bytes = std::fs::read(file).unwrap();
        bytes[40] ^= 1;
        std::fs::write(file, bytes).unwrap();
    }
    let report = check(&whole);
    for file in &damaged {
        assert!(names(&report, file), "{file:?}: {:?}", report.said);
    }
    assert_eq!(report.damaged, damaged.len() as u64, "{:?}", report.said);
    for said in &report.said {
        // Byte 40 lies in the first block. The remedy stands once, with whoever asked.
        assert!(said.contains("at byte 0"), "{said}");
        assert!(!said.contains("parlour"), "{said}");
    }

    // The engine would stop in a panic, or say that nothing can be recovered.
    let strays = ["keyspaces/mine", "keyspaces/1/tables/notes"];
    for stray in strays.map(|stray| whole.join("store").join(stray)) {
        std::fs::create_dir(&stray).unwrap();
        let why = Store::open(&whole).unwrap_err().to_string();
        let path = stray.display().to_string();
        assert!(why.contains(&path) && why.contains("move it away"), "{why}");
        let said = check(&whole).said;
        assert!(said.iter().any(|said| said.contains(&path)), "{said:?}");
        std::fs::remove_dir(&stray).unwrap();
    }
}

#[tokio::test]
async fn a_store_that_was_half_made_is_made() {
    let at = tempfile::tempdir().unwrap();
    for marker in [None, Some(&b""[..]), Some(b"FJ")] {
        let folder = at.path().join(format!("{marker:?}"));
        let store = folder.join("store");
        std::fs::create_dir_all(store.join("keyspaces")).unwrap();
        std::fs::write(store.join("lock"), "").unwrap();
        std::fs::write(store.join("0.jnl"), [0; 64]).unwrap();
        if let Some(marker) = marker {
            std::fs::write(store.join("version"), marker).unwrap();
        }
        let before = state(&folder);
        let checked = verify(&folder, &mut |_, _, _| {});
        assert!(matches!(checked, Err(Error::NoStore { .. })), "{checked:?}");
        let backup = at.path().join("backup");
        let copied = parlour_embedded::backup::backup(&folder, &backup, &mut |_, _| {});
        assert!(matches!(copied, Err(Error::NoStore { .. })), "{copied:?}");
        assert!(before == state(&folder));
        drop(Store::open(&folder).unwrap());
        assert_eq!(check(&folder).breaches, 0);
    }
}

/// What the disk does not give, told by a folder where a file should be, and a file where a folder
/// should be: each is named with what to do, and hides nothing else.
#[tokio::test]
async fn what_cannot_be_read_is_named_with_the_remedy_and_hides_no_other_damage() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    store(&whole).await;
    let journal = std::fs::read_dir(whole.join("store")).unwrap();
    let journal = journal.map(|entry| entry.unwrap().path());
    let journal = journal.filter(|path| is_journal(path)).max().unwrap();
    let journal = journal.file_name().unwrap().to_str().unwrap().to_owned();
    for (n, name) in ["answered", "rows", &*journal, "keyspaces/0/tables"]
        .iter()
        .enumerate()
    {
        let folder = at.path().join(format!("{n}"));
        copy(&whole, &folder);
        let path = folder.join("store").join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
            std::fs::write(&path, "").unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        }
        let why = Store::open(&folder).unwrap_err();
        assert!(matches!(why, Error::Damaged { .. }), "{name}: {why:?}");
        let why = why.to_string();
        assert!(
            why.contains(&*path.display().to_string()) && why.contains("parlour restore"),
            "{name}: {why}"
        );

        let other = tables(&folder).pop().unwrap();
        let mut bytes = std::fs::read(&other).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&other, bytes).unwrap();

        let report = check(&folder);
        assert!(!report.never_used);
        for damaged in [&path, &other] {
            let is_named = format!("{} is damaged", damaged.display());
            assert!(
                report.said.iter().any(|said| said.contains(&is_named)),
                "{name}: {:?}",
                report.said
            );
        }
    }
}
