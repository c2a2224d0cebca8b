//! A store, opened aside: for those who only look.
//!
//! fjall changes a store when it opens it: it cuts journals, writes tables, deletes what it no
//! longer needs. So a copy is opened, in a temporary folder of its owner alone: journals are copied
//! as far as they are whole, tables are linked to (they never change, and a link is all that fjall
//! could delete), and the rest, which is small, is copied.
//!
//! Never: a change to the store. Its folder's lock file is written, to name who looks.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use fjall::Keyspace;
use tempfile::TempDir;

use crate::journal::{self, Look};
use crate::lock::Lock;
use crate::store::open_database;
use crate::{Error, backup};

const CACHE: u64 = 32 << 20;

/// A store that is looked at. Others are kept from it meanwhile.
pub(crate) struct Aside {
    pub(crate) data: Keyspace,
    /// What is damaged in the journals: the file, and a sentence. What lies before it is here.
    pub(crate) damaged: Option<(PathBuf, String)>,
    // In this order: the database is closed, then its folder goes, then others may have the store.
    _db: fjall::Database,
    _at: TempDir,
    _lock: Lock,
}

impl Aside {
    /// Looks at the store of a folder.
    ///
    /// # Errors
    /// There is none, another process has it, or it cannot be opened: see [`Error`].
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        backup::require_store(folder)?;
        let lock = Lock::take(folder)?;
        let store = folder.join("store");
        let look = journal::look(&store)?;
        let io = |path: &Path, why| Error::Io {
            path: path.to_owned(),
            why,
        };
        let tmp = std::env::temp_dir();
        let at = tempfile::Builder::new()
            .prefix("parlour-")
            .tempdir()
            .map_err(|why| io(&tmp, why))?;
        let store = store.canonicalize().map_err(|why| io(&store, why))?;
        copy(&store, at.path(), &look)?;
        let (db, data) = open_database(at.path(), folder, CACHE)?;
        Ok(Self {
            data,
            damaged: look.damaged,
            _db: db,
            _at: at,
            _lock: lock,
        })
    }
}

fn copy(from: &Path, to: &Path, look: &Look) -> Result<(), Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |why| Error::Io { path, why }
    };
    for entry in std::fs::read_dir(from).map_err(io(from))? {
        let entry = entry.map_err(io(from))?;
        let (path, new) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            std::fs::create_dir(&new).map_err(io(&new))?;
            copy(&path, &new, look)?;
        } else if path.extension().is_some_and(|e| e == "jnl") {
            let whole = look
                .whole
                .iter()
                .find(|(of, _)| of.file_name() == path.file_name());
            if let Some((_, len)) = whole {
                let mut file = File::open(&path).map_err(io(&path))?.take(*len);
                let mut out = File::create_new(&new).map_err(io(&new))?;
                std::io::copy(&mut file, &mut out).map_err(io(&new))?;
                out.flush().map_err(io(&new))?;
            }
        } else if from.file_name().is_some_and(|name| name == "tables") {
            std::os::unix::fs::symlink(&path, &new).map_err(io(&new))?;
        } else {
            std::fs::copy(&path, &new).map_err(io(&new))?;
        }
    }
    Ok(())
}
