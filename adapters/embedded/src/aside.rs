//! A store, opened aside: for those who only look.
//!
//! fjall changes a store when it opens it: it cuts journals, writes tables, deletes what it no
//! longer needs. So a copy is opened, in a temporary folder of its owner alone: journals are copied
//! as far as they are whole, tables are linked to, and the rest, which is small, is copied. A table
//! never changes once it is written, and fjall makes one only under a name that is free; it can
//! delete no more than a link.
//!
//! A store that a server uses can be copied as well, as it stood after one of its batches. Journals
//! only grow, and nothing leaves them before the list of tables says that it is in tables. So if
//! the list and the names of the journals are the same before and after, what was copied between
//! belongs together; else it is tried again.
//!
//! Never: a change to the store. Its folder's lock file is written, to name who looks; beside a
//! server, the temporary folder lies beside the store, for hard links to last; where there can be none,
//! tables are copied. One that was killed leaves that folder, and the next look takes it away
//! (`leftover`); beside the store so does a server that starts.

mod tables;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fjall::Keyspace;

use self::tables::{Link, Tables};
use crate::answered::{self, Said};
use crate::files::{self, Depth};
use crate::journal::{self, Look};
use crate::judge::judged;
use crate::lock::Lock;
use crate::store::open_database;
use crate::{Error, backup, batch, leftover};

const CACHE: u64 = 32 << 20;
/// How often a copy of a store in use is tried. What comes between is fjall's work on tables.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// A store that is looked at.
pub(crate) struct Aside {
    pub(crate) data: Keyspace,
    /// What is damaged in the journals: the file, and a sentence. What lies before it is here.
    pub(crate) damaged: Option<(PathBuf, String)>,
    /// What killed commands left and cannot be taken away, in sentences.
    pub(crate) stays: Vec<String>,
    // In this order: the database is closed, then its folder goes, then others may have the store.
    _db: fjall::Database,
    _at: leftover::Aside,
    _lock: Option<Lock>,
}

impl Aside {
    /// Looks at the store of a folder, which others are kept from meanwhile.
    ///
    /// # Errors
    /// There is none, another process has it, or it cannot be opened: see [`Error`].
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        backup::require_store(folder)?;
        let lock = Lock::take(folder)?;
        ends(folder)?;
        Self::open_whole(folder, lock)
    }

    /// The same, of files that were looked at.
    pub(crate) fn open_whole(folder: &Path, lock: Lock) -> Result<Self, Error> {
        let tmp = std::env::temp_dir();
        let mut stays = leftover::sweep_asides(&tmp);
        stays.extend(sweep(folder));
        let at = leftover::Aside::make(&tmp).map_err(Error::io(&tmp))?;
        let (look, said) = attempt(folder, at.path(), &mut Tables::new(tables::soft))?;
        let aside = Self::begin(folder, at, look, Some(lock), stays)?;
        aside.reaches(folder, said)
    }

    /// Looks at the store of a folder as a server that uses it left it after one of its batches.
    ///
    /// # Errors
    /// As above, and `InUse` if the server's work on tables left no moment for it.
    pub(crate) fn beside(folder: &Path, in_use: Error) -> Result<Self, Error> {
        Self::beside_by(folder, in_use, tables::hard)
    }

    fn beside_by(folder: &Path, in_use: Error, link: Link) -> Result<Self, Error> {
        let store = folder.join("store");
        let mut stays = leftover::sweep_asides(&std::env::temp_dir());
        stays.extend(sweep(folder));
        let mut made = Err(Error::io(folder)(ErrorKind::NotFound.into()));
        for home in homes(folder) {
            if made.is_err() {
                made = leftover::Aside::make(&home).map_err(Error::io(&home));
            }
        }
        let at = made?;
        let mut tables = Tables::new(link);
        let mut last = in_use;
        for _ in 0..TRIES {
            let before = Stand::of(&store);
            let tried = ends(folder).and_then(|()| attempt(folder, at.path(), &mut tables));
            let same = match (before, Stand::of(&store)) {
                (Ok(a), Ok(b)) => a == b,
                // Something is there that stays in the way, or went away just now.
                (Err(why), _) | (_, Err(why)) => {
                    last = Error::io(&store)(why);
                    false
                }
            };
            match tried {
                Ok((look, said)) if same && look.is_whole() => {
                    return Self::begin(folder, at, look, None, stays)?.reaches(folder, said);
                }
                // Read while it was written: the end came before the beginning.
                Ok((look, _)) => {
                    if let (true, Err(error)) = (same, look.whole()) {
                        last = error;
                    }
                }
                Err(error @ Error::Io { .. }) if error.is_missing() => {
                    if same {
                        last = error;
                    }
                }
                // Read while lists and tables were replaced.
                Err(error @ Error::Damaged { .. }) if !same => last = error,
                Err(error) => return Err(error),
            }
            std::thread::sleep(PAUSE);
        }
        Err(last)
    }

    fn begin(
        folder: &Path,
        at: leftover::Aside,
        look: Look,
        lock: Option<Lock>,
        stays: Vec<String>,
    ) -> Result<Self, Error> {
        let (db, data) = open_database(at.path(), folder, CACHE)?;
        Ok(Self {
            data,
            damaged: look.damage(),
            stays,
            _db: db,
            _at: at,
            _lock: lock,
        })
    }

    /// That every batch is there that was answered when the look began.
    fn reaches(mut self, folder: &Path, said: Said) -> Result<Self, Error> {
        let store = folder.join("store");
        if self.damaged.is_none() {
            let number = batch::last(&store, &self.data)?;
            let lost = batch::lost(said, number.map_or(0, |note| note.number));
            self.damaged = lost.map(|why| (store, why));
        }
        Ok(self)
    }
}

/// That the files which say what is in a store hold together: fjall deletes what they do not name.
fn ends(folder: &Path) -> Result<(), Error> {
    let store = folder.join("store");
    let journals = journal::look(&store)?;
    let seen = files::look(&store, journals.committed, Depth::Ends, &mut |_, _| {})?;
    if seen.nothing(&journals) {
        return Err(Error::NoStore {
            path: folder.to_owned(),
        });
    }
    seen.whole()
}

/// What changes when data leaves the journals: their names, and the lists of tables.
#[derive(PartialEq, Eq)]
struct Stand {
    journals: Vec<(u64, PathBuf)>,
    lists: BTreeMap<PathBuf, Vec<u8>>,
}

impl Stand {
    fn of(store: &Path) -> std::io::Result<Self> {
        let mut lists = BTreeMap::new();
        for entry in std::fs::read_dir(store.join("keyspaces"))? {
            // fjall passes over files here, and over a folder that was never finished.
            let list = entry?.path().join("current");
            match std::fs::read(&list) {
                Ok(bytes) => drop(lists.insert(list, bytes)),
                Err(why)
                    if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&why.kind()) => {}
                Err(why) => return Err(why),
            }
        }
        Ok(Self {
            journals: answered::journals(store)?,
            lists,
        })
    }
}

/// Where a look at a store in use may be put: beside the store itself, which may lie elsewhere, so
/// that tables can be linked to; or in the data folder.
fn homes(folder: &Path) -> Vec<PathBuf> {
    let real = folder.join("store").canonicalize();
    let beside = real.ok().and_then(|store| Some(store.parent()?.to_owned()));
    let same = beside.is_some() && beside == folder.canonicalize().ok();
    let beside = beside.filter(|_| !same);
    beside.into_iter().chain([folder.to_owned()]).collect()
}

/// Takes away what killed looks left of this store. Answers what stays, in sentences.
pub(crate) fn sweep(folder: &Path) -> Vec<String> {
    let homes = homes(folder);
    homes
        .iter()
        .flat_map(|at| leftover::sweep_asides(at))
        .collect()
}

/// Copies what there is of a store into a folder, over what an earlier try left there.
fn attempt(folder: &Path, at: &Path, tables: &mut Tables) -> Result<(Look, Said), Error> {
    let store = folder.join("store");
    // First: everything that is read later has what was answered by now.
    let said = answered::read(&store).map_err(judged(&answered::path(&store)))?;
    let store = store.canonicalize().map_err(Error::io(&store))?;
    tables.clear(at).map_err(Error::io(at))?;
    let look = journal::look(&store)?;
    Copy {
        store: &store,
        look: &look,
        tables,
    }
    .folder(&store, at)?;
    Ok((look, said))
}

/// A copy that is being made.
struct Copy<'a> {
    store: &'a Path,
    look: &'a Look,
    tables: &'a mut Tables,
}

impl Copy<'_> {
    fn folder(&mut self, from: &Path, to: &Path) -> Result<(), Error> {
        for entry in std::fs::read_dir(from).map_err(judged(from))? {
            let entry = entry.map_err(judged(from))?;
            let (path, new) = (entry.path(), to.join(entry.file_name()));
            // What others put there is none of ours.
            if from == self.store && !leftover::is_of_a_store(&entry.file_name()) {
                continue;
            }
            if path.is_dir() {
                match std::fs::create_dir(&new) {
                    Err(why) if why.kind() == ErrorKind::AlreadyExists => {}
                    made => made.map_err(Error::io(&new))?,
                }
                self.folder(&path, &new)?;
            } else if path.extension().is_some_and(|e| e == "jnl") {
                self.journal(&path, &new)?;
            } else if from.file_name().is_some_and(|name| name == "tables") {
                self.tables.put(self.store, &path, &new)?;
            } else {
                let bytes = std::fs::read(&path).map_err(judged(&path))?;
                std::fs::write(&new, bytes).map_err(Error::io(&new))?;
            }
        }
        Ok(())
    }

    /// As far as it is whole.
    fn journal(&self, path: &Path, new: &Path) -> Result<(), Error> {
        let mut whole = self.look.whole.iter();
        let Some((_, len)) = whole.find(|(of, _)| of.file_name() == path.file_name()) else {
            return Ok(());
        };
        let mut file = File::open(path).map_err(judged(path))?.take(*len);
        let mut out = File::create_new(new).map_err(Error::io(new))?;
        std::io::copy(&mut file, &mut out).map_err(Error::io(new))?;
        out.flush().map_err(Error::io(new))
    }
}

#[cfg(test)]
mod tests;
