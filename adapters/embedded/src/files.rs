//! Looks through the files of a store that are not journals, before the engine does.
//!
//! fjall takes a folder without a list of tables for one that was never finished, and deletes it;
//! it deletes tables that are in no list; and it believes a list without looking at its checksum. So
//! one flipped bit could cost a store all its tables without a word. Here every file is looked at
//! first, and what is damaged is named.
//!
//! What there is: `version`, a marker of four bytes; and for each keyspace a folder with `current`
//! (the number and XXH3 of the list), the list `vN` (of each table its number and the XXH3 of the
//! whole file), and `tables`. [`Depth::Ends`] reads markers, lists, and of each table its length,
//! its end, its metadata and its top index: cheap enough for every start. [`Depth::Whole`] reads
//! every byte.
//!
//! Promises: nothing is changed; with `Whole`, each bit that flipped in a file that counts is found,
//! and its file is named; what is damaged in one file hides no other, but for a list, which hides
//! its tables. May be used beside a server: a list that is replaced meanwhile is read again.
//! Never: a judgement on rows.

mod archive;
mod find;
mod list;
mod table;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::journal::{self, Look};
use crate::judge::{self, Says, judged, says};
use crate::rest::Rest;
use crate::{Error, answered, place};

pub(crate) use find::Watch;

/// The engine's marker of the format that it writes.
const MARKER: &[u8] = b"FJL\x03";
/// The keyspace that names the others.
const NAMES: u64 = 0;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Lists, and of each table what says what is in it.
    Ends,
    /// Everything.
    Whole,
}

/// A file that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) why: String,
}

impl From<Damage> for Error {
    fn from(Damage { path, why }: Damage) -> Self {
        Self::Damaged { path, why }
    }
}

/// What was looked at, and what is damaged of it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Files.
    pub(crate) files: u64,
    /// Their bytes, as far as they were read whole.
    pub(crate) bytes: u64,
    /// Those that are damaged.
    pub(crate) damaged: Vec<Damage>,
    /// What is there and should not be: the engine stops at it, in words that say nothing.
    pub(crate) strays: Vec<PathBuf>,
}

impl Seen {
    /// Nothing, or the first that is wrong.
    pub(crate) fn whole(self) -> Result<(), Error> {
        if let Some(path) = self.strays.into_iter().next() {
            return Err(Error::Stray { path });
        }
        match self.damaged.into_iter().next() {
            Some(damage) => Err(damage.into()),
            None => Ok(()),
        }
    }

    /// Whether there is nothing to look at: a database that was cut off while it was made.
    pub(crate) fn nothing(&self, journals: &Look) -> bool {
        self.files == 0 && self.damaged.is_empty() && !journals.committed
    }

    fn damage(&mut self, path: &Path, why: impl Into<String>) {
        self.damaged.push(Damage {
            path: path.to_owned(),
            why: why.into(),
        });
    }
}

/// That a store which lies elsewhere, by a symbolic link, is there: its disk may not be mounted.
///
/// # Errors
/// `Gone`.
pub(crate) fn is_reached(store: &Path) -> Result<(), Error> {
    let linked = store
        .symlink_metadata()
        .is_ok_and(|found| found.is_symlink());
    match store.metadata() {
        Err(why) if linked => Err(Error::Gone {
            path: store.to_owned(),
            why,
        }),
        _ => Ok(()),
    }
}

/// Looks at the database of this folder. `committed`: whether a batch was ever written to it; one
/// that was cut off while it was made has less.
///
/// # Errors
/// `Io`: a file may not be read; `Gone`. Damage is no error here.
pub(crate) fn look(
    store: &Path,
    committed: bool,
    depth: Depth,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    is_reached(store)?;
    marker(store, committed, &mut seen)?;
    let keyspaces = store.join("keyspaces");
    let mut lists = Vec::new();
    let noted = match place::read(store) {
        Ok(noted) => noted,
        Err(why) => {
            read_failed(&place::path(store), why, &mut seen)?;
            place::Said::Damaged
        }
    };
    for (number, folder) in folders(&keyspaces, &mut seen)? {
        if let Some(list) = list::read(&folder, &mut seen)? {
            lists.push((number, folder, list));
        }
    }
    // Both are there before the first batch is written.
    let complete = |names: bool| lists.iter().any(|(n, ..)| (*n == NAMES) == names);
    let (names, rows) = (complete(true), complete(false));
    let expected = committed && seen.damaged.is_empty();
    if let place::Said::Keyspace(number) = noted
        && seen.damaged.is_empty()
        && lists.iter().all(|(n, ..)| *n != number)
    {
        let path = keyspaces.join(number.to_string()).join("current");
        seen.damage(&path, "it is missing, and the rows are in that folder");
    } else if expected && !names {
        let path = keyspaces.join("0").join("current");
        seen.damage(&path, "it is missing, with the list of keyspaces");
    } else if expected && !rows {
        seen.damage(
            &keyspaces,
            "the folder that has the rows, or the file `current` in it, is missing",
        );
    }
    let of = match depth {
        Depth::Ends => 0,
        Depth::Whole => lists
            .iter()
            .map(|(_, folder, list)| table::size(folder, list))
            .sum(),
    };
    for (number, folder, list) in lists {
        // The names of keyspaces are few, and a keyspace without a name is deleted.
        let depth = if number == NAMES { Depth::Whole } else { depth };
        table::look(&folder, list, depth, &mut seen, &mut |done| {
            progress(done, of)
        })?;
    }
    Ok(seen)
}

/// Looks at a store that is to be used, and takes away what a crash left: a batch that was half
/// written, or a database that was half made. Answers whether it never had a batch.
///
/// # Errors
/// `Damaged` or `NeverUsed`, and nothing was changed; `Io`, `Gone`.
pub(crate) fn check(store: &Path) -> Result<bool, Error> {
    let journals = journal::look(store)?;
    let never_used = has_none(store, &journals);
    let told = |error: Error| match never_used {
        true => error.never_used(store),
        false => error,
    };
    let seen = look(store, journals.committed, Depth::Ends, &mut |_, _| {})?;
    let half_made = seen.nothing(&journals);
    seen.whole().map_err(told)?;
    journal::cut(journals)?;
    if half_made {
        tracing::warn!(
            path = %store.display(),
            "a crash left a store half made, with nothing in it: it is made anew"
        );
        unmake(store).map_err(Error::io(store))?;
    }
    Ok(never_used)
}

/// Whether no batch was ever written to the database of this folder, as far as can be told: no journal
/// has one, none was answered, and no table has rows. Asked before the engine is, which tidies up.
pub(crate) fn never_used(store: &Path) -> bool {
    journal::look(store).is_ok_and(|journals| has_none(store, &journals))
}

fn has_none(store: &Path, journals: &Look) -> bool {
    if journals.committed || !journals.is_whole() {
        return false;
    }
    let empty = |folder: &Path| match std::fs::read_dir(folder) {
        Ok(mut tables) => tables.next().is_none(),
        Err(why) => why.kind() == ErrorKind::NotFound,
    };
    match std::fs::read_dir(store.join("keyspaces")) {
        // The table of names comes before the first batch.
        Ok(mut folders) => folders.all(|entry| {
            entry.is_ok_and(|e| e.file_name() == "0" || empty(&e.path().join("tables")))
        }),
        Err(why) => why.kind() == ErrorKind::NotFound,
    }
}

/// Takes away what keeps the engine from making a database that it began to make: the journal, and
/// the marker if that is cut short.
fn unmake(store: &Path) -> std::io::Result<()> {
    for (_, journal) in answered::journals(store)? {
        std::fs::remove_file(journal)?;
    }
    match std::fs::remove_file(store.join("version")) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

/// What the engine's error comes to. Unless it is the system that refused, all files of this database
/// are read, to find which one it is that the engine cannot read.
pub(crate) fn named(store: &Path, error: &fjall::Error) -> Error {
    match (error, io_error(error)) {
        (fjall::Error::Poisoned, _) => Error::io(store)(std::io::Error::other(
            "the engine's work in the background failed; its own messages have the cause",
        )),
        (_, Some(why)) if says(why) != Says::Damage => judged(store)(again(why)),
        _ => named_else(store, error),
    }
}

/// The first file that is damaged, all of which are read for it; if none is, it is this.
pub(crate) fn named_else(store: &Path, why: &impl std::fmt::Display) -> Error {
    match look(store, true, Depth::Whole, &mut |_, _| {}).and_then(Seen::whole) {
        Err(damaged) => damaged,
        Ok(()) => Error::Damaged {
            path: store.to_owned(),
            why: why.to_string(),
        },
    }
}

/// What the system said, if that is why the engine failed, however deep it lies.
pub(crate) fn io_error(error: &fjall::Error) -> Option<&std::io::Error> {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = at {
        if let Some(why) = error.downcast_ref() {
            return Some(why);
        }
        at = error.source();
    }
    None
}

/// The same error once more: the system's cannot be copied.
pub(crate) fn again(why: &std::io::Error) -> std::io::Error {
    match why.raw_os_error() {
        Some(number) => std::io::Error::from_raw_os_error(number),
        None => std::io::Error::new(why.kind(), why.to_string()),
    }
}

/// What is to be done about a file that could not be read: it is damage if the disk says so.
fn read_failed(path: &Path, why: std::io::Error, seen: &mut Seen) -> Result<(), Error> {
    if says(&why) != Says::Damage {
        return Err(judged(path)(why));
    }
    seen.damage(path, judge::unread(&why));
    Ok(())
}

fn marker(store: &Path, committed: bool, seen: &mut Seen) -> Result<(), Error> {
    let path = store.join("version");
    match std::fs::read(&path) {
        Ok(bytes) if bytes == MARKER => seen.files += 1,
        Ok(bytes) if !committed && MARKER.starts_with(&bytes) => {}
        Ok(bytes) if let Some((found, known)) = newer(&bytes) => {
            return Err(Error::Newer {
                path: store.to_owned(),
                found,
                known,
            });
        }
        Ok(bytes) => seen.damage(
            &path,
            format!(
                "it should read {}, and reads {} (if a newer version of Parlour wrote this store, use that one)",
                MARKER.escape_ascii(),
                bytes.get(..8).unwrap_or(&bytes).escape_ascii()
            ),
        ),
        Err(why) if why.kind() == ErrorKind::NotFound && !committed => {}
        Err(why) => read_failed(&path, why, seen)?,
    }
    Ok(())
}

/// The engine's format, and ours, if this is the marker of a later one: a number not far above, which
/// no flipped bit makes of ours.
fn newer(marker: &[u8]) -> Option<(u64, u64)> {
    let (&known, name) = MARKER.split_last()?;
    let (&found, written) = marker.split_last()?;
    let later = found > known && found - known < 16 && (found ^ known).count_ones() > 1;
    (written == name && later).then_some((found.into(), known.into()))
}

/// The folders of keyspaces, rising by number.
fn folders(keyspaces: &Path, seen: &mut Seen) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut out = Vec::new();
    let entries = match std::fs::read_dir(keyspaces) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(out),
        Err(why) => {
            read_failed(keyspaces, why, seen)?;
            return Ok(out);
        }
        Ok(entries) => entries,
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(why) => {
                read_failed(keyspaces, why, seen)?;
                continue;
            }
        };
        let path = entry.path();
        match entry.file_type() {
            // As the engine does.
            Ok(found) if found.is_file() => continue,
            Ok(_) => {}
            Err(why) => {
                read_failed(&path, why, seen)?;
                continue;
            }
        }
        let number = path.file_name().and_then(|n| n.to_str()?.parse().ok());
        match number {
            Some(number) => out.push((number, path)),
            None => seen.strays.push(path),
        }
    }
    out.sort_unstable();
    Ok(out)
}
