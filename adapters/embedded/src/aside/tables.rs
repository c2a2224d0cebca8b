//! How tables come to a store that is looked at aside: by links; by copies where there can be none.
//!
//! Promises: a table that was copied is kept over tries for as long as it is the same file; nothing is
//! copied where that would leave a server less room than it needs. Never: a change to a table.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::commit::free_bytes;
use crate::judge::cannot;
use crate::{Error, Options};

/// Makes a second name for a file.
pub(super) type Link = fn(&Path, &Path) -> io::Result<()>;

/// Inode, bytes, seconds and nanoseconds of the last change: what tells a file from another.
type Stamp = (u64, u64, i64, i64);

/// The tables of one look.
pub(super) struct Tables {
    link: Link,
    /// Of each copy: which file it is of, as that was before.
    copied: HashMap<PathBuf, (PathBuf, Stamp)>,
    /// There is room for all that are to be copied in this try.
    room: bool,
}

impl Tables {
    /// Those that are linked to so.
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            copied: HashMap::new(),
            room: false,
        }
    }

    /// Puts a table of this store at a place.
    ///
    /// # Errors
    /// `NoRoom`; `Io`.
    pub(super) fn put(&mut self, store: &Path, of: &Path, at: &Path) -> Result<(), Error> {
        if self.copied.contains_key(at) {
            return Ok(());
        }
        match (self.link)(of, at) {
            Err(why) if lacks(&why) => {}
            other => return other.map_err(Error::io(at)),
        }
        if !self.room {
            let bytes = self.bytes(store).map_err(Error::io(store))?;
            require_room(store, free_bytes(at.parent().unwrap_or(at)), bytes)?;
            self.room = true;
        }
        let before = stamp(of).map_err(Error::io(of))?;
        std::fs::copy(of, at).map_err(Error::io(at))?;
        self.copied.insert(at.to_owned(), (of.to_owned(), before));
        Ok(())
    }

    /// The bytes of all tables, and of those that are not here yet.
    fn bytes(&self, store: &Path) -> io::Result<(u64, u64)> {
        let (mut all, mut needed) = (0, 0);
        for keyspace in std::fs::read_dir(store.join("keyspaces"))? {
            let Ok(tables) = std::fs::read_dir(keyspace?.path().join("tables")) else {
                continue;
            };
            for table in tables {
                let path = table?.path();
                // One that went meanwhile needs nothing.
                let len = path.metadata().map_or(0, |found| found.len());
                all += len;
                if !self.copied.values().any(|(of, _)| *of == path) {
                    needed += len;
                }
            }
        }
        Ok((all, needed))
    }

    /// Takes away what an earlier try left, but for copies of tables that are what they were.
    pub(super) fn clear(&mut self, at: &Path) -> io::Result<()> {
        self.room = false;
        self.copied
            .retain(|_, (of, before)| stamp(of).is_ok_and(|now| now == *before));
        self.clear_within(at)
    }

    fn clear_within(&self, at: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(at)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.clear_within(&path)?;
            } else if !self.copied.contains_key(&path) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// That so much of all tables may be copied, and a server that is there has its room: what it keeps
/// free for what it accepted, and for merging its tables.
fn require_room(store: &Path, free: Option<u64>, (all, needed): (u64, u64)) -> Result<(), Error> {
    let Options {
        reserve_bytes,
        work_bytes_max,
        ..
    } = Options::default();
    let left = reserve_bytes.saturating_add(all.min(work_bytes_max));
    match free {
        Some(free) if free < needed.saturating_add(left) => Err(Error::NoRoom {
            path: store.to_owned(),
            needed_mib: needed.div_ceil(1 << 20),
            left_mib: left >> 20,
            free_mib: free >> 20,
        }),
        _ => Ok(()),
    }
}

fn stamp(of: &Path) -> io::Result<Stamp> {
    let found = of.metadata()?;
    Ok((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

/// Whether it is that the file system has no links, such as exFAT, that it has no more for this file,
/// or that the two places are on two of them.
fn lacks(why: &io::Error) -> bool {
    Errno::from_io_error(why).is_some_and(|number| {
        cannot(number) || matches!(number, Errno::PERM | Errno::MLINK | Errno::XDEV)
    })
}

pub(super) fn soft(of: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(of, at)
}

pub(super) fn hard(of: &Path, at: &Path) -> io::Result<()> {
    std::fs::hard_link(of, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_would_leave_a_server_too_little_is_refused_with_what_to_do() {
        let at = Path::new("/srv/chat/store");
        const MIB: u64 = 1 << 20;
        // Of a small store its tables once more are kept free; of a large one 512 MiB.
        for (bytes, left) in [((10 * MIB, 100), 58), ((9_000 * MIB, 100), 560)] {
            let left = left * MIB;
            assert!(require_room(at, Some(left + 100), bytes).is_ok());
            assert!(require_room(at, None, bytes).is_ok());
            assert!(require_room(at, Some(left + 99), bytes).is_err());
        }
        let why = require_room(at, Some(0), (9_000 * MIB, 100)).unwrap_err();
        let why = why.to_string();
        for word in ["/srv/chat/store", "1 MiB", "560", "stop the server"] {
            assert!(why.contains(word), "{word} is missing in: {why}");
        }
    }
}
