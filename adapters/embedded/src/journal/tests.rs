//! Each bit of a journal flipped, and a journal cut at each byte.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::Range;

use fjall::KeyspaceCreateOptions;
use tempfile::TempDir;

use super::*;
use crate::answered::Answered;
use crate::batch::{self, Batches};

/// A journal of small batches that fjall wrote.
struct Written {
    at: TempDir,
    journal: PathBuf,
    bytes: Vec<u8>,
    /// Where each batch lies.
    batches: Vec<Range<usize>>,
}

impl Written {
    fn new(batches: u64) -> Self {
        let at = tempfile::tempdir().unwrap();
        let store = at.path().join("store");
        {
            let db = fjall::Database::builder(&store).open().unwrap();
            let data = db.keyspace("data", KeyspaceCreateOptions::default).unwrap();
            let mut writes = Batches::begin(at.path(), &db, &data).unwrap();
            for number in 1..=batches {
                let mut batch = writes.batch();
                batch.insert(&data, number.to_be_bytes(), "value");
                batch.remove(&data, "nothing");
                writes.commit(batch).unwrap();
            }
            assert_eq!(batch::last(&store, &data).unwrap().unwrap().number, batches);
        }
        let (_, journal) = answered::journals(&store).unwrap().pop().unwrap();
        let bytes = used(&journal).unwrap();
        let own = table::meta(table::BATCH);
        let mut ranges = Vec::new();
        let mut from = 0;
        while from < bytes.len() {
            let len = batch(&bytes[from..], &own).unwrap().len;
            ranges.push(from..from + len);
            from += len;
        }
        assert_eq!(ranges.len() as u64, batches);
        Self {
            at,
            journal,
            bytes,
            batches: ranges,
        }
    }

    fn store(&self) -> PathBuf {
        self.at.path().join("store")
    }

    /// As after a power loss: the number that was on disk is another.
    fn say_answered(&self, batch: u64) {
        drop(Answered::begin(&self.store(), batch).unwrap());
    }

    fn look(&self, bytes: &[u8]) -> Look {
        // In place: some file systems write a file out at once that was made empty first.
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&self.journal)
            .unwrap();
        file.write_all(bytes).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        look(&self.store()).unwrap()
    }

    /// Bytes in which some flip is not named.
    fn silent(&self, bits: Range<usize>) -> BTreeSet<usize> {
        let mut silent = BTreeSet::new();
        for bit in bits {
            let mut bytes = self.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if self.look(&bytes).damaged.is_none() {
                silent.insert(bit / 8);
            }
        }
        silent
    }

    /// Where the engine's number of the last batch lies.
    fn last_number(&self) -> Range<usize> {
        let start = self.batches.last().unwrap().start;
        start + 5..start + 13
    }
}

#[test]
fn each_flipped_bit_of_what_was_answered_is_named() {
    let written = Written::new(4);
    assert!(written.look(&written.bytes).damaged.is_none());
    let silent = written.silent(0..written.bytes.len() * 8);
    // A little higher a number changes nothing: the batch stays where it was, the last.
    let harmless = written.last_number();
    assert!(
        silent.iter().all(|byte| harmless.contains(byte)),
        "{silent:?}"
    );
    assert!(silent.len() <= 2, "{silent:?}");
}

#[test]
fn after_a_power_loss_a_whole_batch_that_follows_tells() {
    let written = Written::new(4);
    written.say_answered(1);
    let last = written.batches.last().unwrap().clone();
    let silent = written.silent(0..last.start * 8);
    assert_eq!(silent, BTreeSet::new());
    // What stays: nothing tells the last one from a torn write.
    let silent = written.silent(last.start * 8..last.end * 8);
    assert!(silent.iter().all(|byte| last.contains(byte)), "{silent:?}");
    assert!(
        !silent.is_empty(),
        "then the head of `journal` says too little"
    );
}

#[test]
fn a_file_that_is_cut_lacks_what_was_answered_or_nothing() {
    let written = Written::new(3);
    let last = written.batches.last().unwrap().clone();
    for answered in [2, 3] {
        written.say_answered(answered);
        for cut in last.start..last.end {
            // Cut, or never written.
            let mut zeros = written.bytes.clone();
            zeros[cut..].fill(0);
            for bytes in [&written.bytes[..cut], &zeros] {
                let look = written.look(bytes);
                assert_eq!(look.damaged.is_some(), answered == 3, "{cut}: {look:?}");
                if answered == 2 && cut > last.start {
                    let (path, at, _) = look.torn.unwrap();
                    assert_eq!((path, at), (written.journal.clone(), last.start as u64));
                }
            }
        }
    }
    // And what is cut off opens.
    written.say_answered(2);
    std::fs::write(&written.journal, &written.bytes[..last.end - 1]).unwrap();
    cut(look(&written.store()).unwrap()).unwrap();
    let db = fjall::Database::builder(written.store()).open().unwrap();
    let data = db.keyspace("data", KeyspaceCreateOptions::default).unwrap();
    assert_eq!(
        batch::last(&written.store(), &data)
            .unwrap()
            .unwrap()
            .number,
        2
    );
    Batches::begin(written.at.path(), &db, &data).unwrap();
}

#[test]
fn what_a_user_wrote_is_no_batch_that_follows() {
    let (ours, other) = (Written::new(3), Written::new(9));
    let last = ours.batches.last().unwrap().clone();
    // A torn write that has a whole batch of another store in it, of a higher number.
    let mut bytes = ours.bytes[..last.start + 20].to_vec();
    bytes.extend_from_slice(&other.bytes[other.batches[8].clone()]);
    ours.say_answered(2);
    let look = ours.look(&bytes);
    assert!(look.torn.is_some() && look.damaged.is_none(), "{look:?}");
}

#[test]
fn a_store_that_lost_its_journals_or_its_note_of_them_is_told() {
    let written = Written::new(3);
    std::fs::remove_file(&written.journal).unwrap();
    assert!(look(&written.store()).unwrap().damaged.is_some());
    assert!(written.look(&[]).damaged.is_some());
    // Without the note a whole journal is enough, and a torn one is not.
    for note in ["", "x"] {
        if note.is_empty() {
            std::fs::remove_file(answered::path(&written.store())).unwrap();
        } else {
            std::fs::write(answered::path(&written.store()), note).unwrap();
        }
        assert!(written.look(&written.bytes).damaged.is_none());
        let cut = written.bytes.len() - 1;
        assert!(written.look(&written.bytes[..cut]).damaged.is_some());
    }
}

#[test]
fn what_was_answered_is_no_torn_write() {
    let last = |batch, journal| Said::Last(Last { batch, journal });
    for (said, before, journal, damage) in [
        // The batch after the last one that can be read.
        (last(7, 3), Some(6), 3, true),
        (last(7, 3), Some(7), 3, false),
        // Killed between the sync and the note of it.
        (last(7, 3), Some(8), 3, false),
        // Nothing of the journal can be read; it was begun after the last one answered.
        (last(7, 2), None, 3, false),
        (last(7, 0), None, 3, false),
        (last(7, 3), None, 3, true),
        (last(7, 4), None, 3, true),
        // Killed while the store was made.
        (last(0, 0), None, 1, false),
        (Said::Missing, None, 1, false),
        (Said::Missing, Some(7), 3, true),
        (Said::Damaged, Some(7), 3, true),
        (Said::Damaged, None, 3, true),
    ] {
        assert_eq!(
            judge(said, before, journal).is_some(),
            damage,
            "{said:?} {before:?}"
        );
    }
}
