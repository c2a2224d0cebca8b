//! Reads the engine's journals before the engine does.
//!
//! fjall takes what it cannot read in a journal for a write that a crash cut off, and drops it with
//! everything behind it, without a word. Here the two are told apart, before anything is changed. A
//! batch that cannot be read is damage if it was answered ([`crate::answered`]), or if a whole batch
//! of later number follows it. Otherwise nobody was told that it is there, and it is cut off.
//!
//! A journal is a row of batches and then zeros. A batch is a start (tag 1, how many items, the
//! engine's number), items (tag 2 or 4), and an end (tag 3, XXH3 of the items, magic); numbers are
//! little-endian. The checksum leaves the engine's number out, so each batch has a [`Note`] that
//! says between what it must lie.
//!
//! What stays: after a power loss alone, a flipped bit in the last batches that were synced, where
//! neither `answered` had their number on disk nor a whole batch follows, reads as a torn write.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};
use parlour_protocol::row;
use xxhash_rust::xxh3::xxh3_64;

use crate::answered::{self, Last, Said};
use crate::files::Damage;
use crate::judge::{self, Says, judged, says};
use crate::rest::Rest;
use crate::{Error, table};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: &[u8; 4] = b"FJL\x03";
/// How far the engine's number of a batch may be above what it was just before: only the engine's
/// own housekeeping comes between.
const ABOVE: u64 = 1 << 16;

/// The row that each batch has of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Note {
    /// The batch's number: the first is 1, and each next one more.
    #[n(0)]
    pub(crate) number: u64,
    /// The engine's next number just before.
    #[n(1)]
    pub(crate) floor: u64,
    /// Random, one for a store, and never told to anyone: what is found where no batch should be
    /// is a batch of this store only if it has it, not if a user wrote something that looks so.
    #[n(2)]
    pub(crate) nonce: u64,
}

/// One whole batch.
struct Batch {
    len: usize,
    seqno: u64,
    note: Option<Note>,
}

type Broken = &'static str;

const CUT: Broken = "it ends in the midst of a batch";

/// The batch that begins these bytes.
fn batch(bytes: &[u8], own: &[u8]) -> Result<Batch, Broken> {
    let mut rest = Rest(bytes);
    if rest.u8().ok_or(CUT)? != START {
        return Err("no batch begins where one should");
    }
    let items = rest.u32().ok_or(CUT)?;
    let seqno = rest.u64().ok_or(CUT)?;
    let hashed = rest.0;
    let mut note = None;
    for _ in 0..items {
        match rest.u8().ok_or(CUT)? {
            ITEM => {
                let [kind, packed] = rest.array().ok_or(CUT)?;
                let _keyspace = rest.u64().ok_or(CUT)?;
                let key = usize::from(rest.u16().ok_or(CUT)?);
                let _unpacked = rest.u32().ok_or(CUT)?;
                let value = rest.u32().ok_or(CUT)?;
                let key = rest.take(key).ok_or(CUT)?;
                let value = usize::try_from(value).map_err(|_| CUT)?;
                let value = rest.take(value).ok_or(CUT)?;
                if key == own && (kind, packed) == (0, 0) {
                    note = row::from_bytes(value).ok();
                }
            }
            CLEAR => {
                rest.take(8).ok_or(CUT)?;
            }
            _ => return Err("no item begins where one should"),
        }
    }
    let (hashed, _) = hashed.split_at(hashed.len() - rest.0.len());
    if rest.u8().ok_or(CUT)? != END {
        return Err("a batch does not end where it should");
    }
    let checksum = rest.u64().ok_or(CUT)?;
    if rest.array().ok_or(CUT)? != *MAGIC {
        return Err("a batch has no end");
    }
    if checksum != xxh3_64(hashed) {
        return Err("a batch's bytes do not fit its checksum");
    }
    Ok(Batch {
        len: bytes.len() - rest.0.len(),
        seqno,
        note,
    })
}

/// What was read up to a place.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    seqno: Option<u64>,
    note: Option<Note>,
}

impl Before {
    /// Takes the next batch, if it may follow.
    fn follow(&mut self, next: &Batch) -> Result<(), Broken> {
        if self.seqno.is_some_and(|before| next.seqno <= before) {
            return Err("a batch has a number below the one before it");
        }
        if let Some(note) = next.note {
            let above = next.seqno.checked_sub(note.floor);
            if above.is_none_or(|above| above >= ABOVE) {
                return Err("a batch has a number that it was not given");
            }
            let expected = self.note.map(|before| before.number + 1);
            if expected.is_some_and(|expected| expected != note.number) {
                return Err("a batch is missing there");
            }
            self.note = Some(note);
        }
        self.seqno = Some(next.seqno);
        Ok(())
    }

    /// Whether this is a batch of the same store, from after what was read.
    fn is_before(&self, later: &Batch) -> bool {
        later.note.is_some_and(|later| {
            self.note
                .is_none_or(|note| later.nonce == note.nonce && later.number > note.number)
        })
    }
}

/// Reads a journal's batches; where they end, and why, unless it is with the bytes.
fn walk(bytes: &[u8], own: &[u8], before: &mut Before) -> (usize, Option<Broken>) {
    let mut at = 0;
    while at < bytes.len() {
        let next = batch(&bytes[at..], own).and_then(|next| {
            before.follow(&next)?;
            Ok(next)
        });
        match next {
            Ok(next) => at += next.len,
            Err(why) => return (at, Some(why)),
        }
    }
    (at, None)
}

/// A file up to its last byte that is not zero. Journals are made longer than they are used; a
/// batch ends with its magic, which has no zero.
fn used(path: &Path) -> std::io::Result<Vec<u8>> {
    const CHUNK: usize = 1 << 16;
    let zeros = vec![0; CHUNK];
    let mut chunk = vec![0; CHUNK];
    let mut file = File::open(path)?;
    let (mut out, mut empty) = (Vec::new(), 0);
    loop {
        let len = file.read(&mut chunk)?;
        if len == 0 {
            let len = out.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
            out.truncate(len);
            return Ok(out);
        }
        if chunk[..len] == zeros[..len] {
            empty += len;
        } else {
            out.resize(out.len() + empty, 0);
            out.extend_from_slice(&chunk[..len]);
            empty = 0;
        }
    }
}

/// Where a whole later batch lies in these bytes.
fn later(bytes: &[u8], own: &[u8], before: &Before) -> Option<usize> {
    (0..bytes.len()).find(|at| {
        let bytes = &bytes[*at..];
        bytes.first() == Some(&START)
            && matches!(bytes.get(13), Some(&(ITEM | CLEAR)))
            && batch(bytes, own).is_ok_and(|found| before.is_before(&found))
    })
}

/// What a store's journals hold.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Journals, rising, and how many bytes of each are whole batches. None behind a damaged one.
    pub(crate) whole: Vec<(PathBuf, u64)>,
    /// What a crash left half written: the journal, from where, and what is wrong there.
    pub(crate) torn: Option<(PathBuf, u64, Broken)>,
    /// What is damaged: the file, and a sentence.
    pub(crate) damaged: Option<(PathBuf, String)>,
    /// What the disk does not give: journals, their folder, or `answered`.
    pub(crate) unread: Vec<Damage>,
    /// Whether anything was ever written, as far as is known.
    pub(crate) committed: bool,
}

impl Look {
    /// The damage, if there is some.
    pub(crate) fn whole(self) -> Result<Self, Error> {
        match self.damage() {
            Some((path, why)) => Err(Error::Damaged { path, why }),
            None => Ok(self),
        }
    }

    /// The same, in words.
    pub(crate) fn damage(&self) -> Option<(PathBuf, String)> {
        let unread = self.unread.first().cloned();
        let unread = unread.map(|Damage { path, why }| (path, why));
        unread.or_else(|| self.damaged.clone())
    }

    /// Whether nothing is damaged.
    pub(crate) fn is_whole(&self) -> bool {
        self.damaged.is_none() && self.unread.is_empty()
    }

    /// What is damaged of a file is said, and the look goes on.
    fn read<T>(&mut self, path: &Path, read: std::io::Result<T>) -> Result<Option<T>, Error> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(why) if says(&why) == Says::Damage => {
                self.unread.push(Damage {
                    path: path.to_owned(),
                    why: judge::unread(&why),
                });
                Ok(None)
            }
            Err(why) => Err(judged(path)(why)),
        }
    }
}

/// What is said of bytes that are no batch, given what was answered; none: they are a torn write.
fn judge(said: Said, before: Option<u64>, journal: u64) -> Option<String> {
    match (said, before) {
        (Said::Last(last), Some(before)) if last.batch > before => {
            Some(format!("batches up to {} were answered", last.batch))
        }
        // What was read before lies in tables by now. Then the last batch that was answered is in
        // this journal or a later one, or none of this journal was.
        (Said::Last(last), None) if last.batch > 0 && last.journal >= journal => {
            Some(format!("batches up to {} were answered", last.batch))
        }
        (Said::Last(_), _) | (Said::Missing, None) => None,
        (Said::Missing, Some(_)) => Some(
            "the file `answered`, which would tell whether it was a crash that cut it, is missing"
                .to_owned(),
        ),
        (Said::Damaged, _) => Some(
            "the file `answered`, which would tell whether it was a crash that cut it, is damaged"
                .to_owned(),
        ),
    }
}

/// Where a batch is broken, and why.
fn place(at: usize, why: Broken) -> String {
    format!("in the batch that begins at byte {at}: {why}")
}

/// Reads the journals of the store in this database folder. Changes nothing.
///
/// # Errors
/// `Io`, `Gone`. Damage is no error here.
pub(crate) fn look(store: &Path) -> Result<Look, Error> {
    let own = table::meta(table::BATCH);
    let mut look = Look::default();
    let said = look.read(&answered::path(store), answered::read(store))?;
    let said = said.unwrap_or(Said::Damaged);
    let journals = look.read(store, answered::journals(store))?;
    let journals = journals.unwrap_or_default();
    let newest = journals
        .last()
        .map(|(number, path)| (*number, path.clone()));
    let mut before = Before::default();
    let mut broken: Option<(u64, PathBuf, usize, Broken)> = None;
    let mut behind = None;
    for (number, path) in journals {
        let Some(bytes) = look.read(&path, used(&path))? else {
            // What lies behind it has no place any more.
            broken.get_or_insert((number, path, 0, "it cannot be read"));
            continue;
        };
        if broken.is_none() {
            let (at, why) = walk(&bytes, &own, &mut before);
            look.whole.push((path.clone(), at as u64));
            if let Some(why) = why {
                behind = later(&bytes[at..], &own, &before)
                    .map(|found| (path.clone(), (at + found) as u64));
                broken = Some((number, path, at, why));
            }
        } else if behind.is_none() {
            behind = later(&bytes, &own, &before).map(|found| (path, found as u64));
        }
    }
    look.committed = broken.as_ref().is_some_and(|(_, _, at, _)| *at > 0)
        || look.whole.iter().any(|(_, len)| *len > 0)
        || !matches!(said, Said::Missing | Said::Last(Last { batch: 0, .. }))
        || !look.unread.is_empty();
    let number = before.note.map(|note| note.number);
    let is_unread = |path: &PathBuf| look.unread.iter().any(|d| d.path == *path);
    match (broken, newest) {
        // That is said already.
        (Some((_, path, ..)), _) if is_unread(&path) => {}
        // Without a list of journals there is no telling where they end.
        (None, None) if is_unread(&store.to_owned()) => {}
        (Some((_, path, at, why)), _) if behind.is_some() => {
            let (file, found) = behind.unwrap_or_default();
            let name = file.file_name().unwrap_or_default().display();
            look.damaged = Some((
                path,
                format!(
                    "{}, and a whole batch follows at byte {found} of {name}",
                    place(at, why)
                ),
            ));
        }
        (Some((journal, path, at, why)), _) => match judge(said, number, journal) {
            Some(because) => {
                look.damaged = Some((path, format!("{}, and {because}", place(at, why))));
            }
            None => look.torn = Some((path, at as u64, why)),
        },
        // Everything can be read; it must reach as far as was answered.
        (None, newest) => {
            if let Said::Last(Last { batch, journal }) = said {
                let lost = match (number, &newest) {
                    (Some(number), _) => batch > number,
                    (None, Some((newest, _))) => batch > 0 && journal >= *newest,
                    (None, None) => batch > 0,
                };
                if lost {
                    let path = newest.map_or_else(|| store.to_owned(), |(_, path)| path);
                    look.damaged = Some((
                        path,
                        format!(
                            "batches up to {batch} were answered, and the journals end before it"
                        ),
                    ));
                }
            }
        }
    }
    Ok(look)
}

/// Cuts off what a crash left half written.
///
/// # Errors
/// `Damaged`, and nothing was changed; `Io`.
pub(crate) fn cut(look: Look) -> Result<(), Error> {
    let look = look.whole()?;
    if let Some((path, at, broken)) = look.torn {
        tracing::warn!(
            journal = %path.display(),
            at,
            broken,
            "a crash left a batch half written, which nobody was answered for: it is cut off"
        );
        let cut = || {
            let file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(at)?;
            file.sync_all()
        };
        cut().map_err(judged(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
