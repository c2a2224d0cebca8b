//! [`Data`]: the folder in which a client keeps what it holds, and the one thread that writes it.
//!
//! The core decides what is kept ([`parlour_client_core::saved::Op`]); here it is applied in order,
//! each transaction as many batches as wait. Rows of the outbox are on disk (`synchronous=FULL`)
//! before they are confirmed; everything else can be caught up again.

mod schema;
mod tables;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parlour_client_core::saved::{Restored, Row};
use parlour_client_core::view::Places;
use parlour_client_core::{Client as Core, Input, Settings};
use parlour_protocol::id::{ConversationId, StoreId};
use rusqlite::Connection;

use crate::config::Session;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::lock::Lock;

pub(crate) use writer::{Batch, Writer, Written};

/// A data folder, open and locked against other processes. Calls block on the disk.
#[derive(Debug)]
pub struct Data {
    path: PathBuf,
    file: PathBuf,
    sql: Connection,
    lock: Lock,
}

impl Data {
    /// Opens the folder, making it if it is not there. On Unix nobody else can read it.
    ///
    /// # Errors
    /// [`Error::Folder`], [`Error::InUse`], [`Error::Newer`], [`Error::Store`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let file = path.join("client.sqlite");
        private_folder(&path)?;
        let lock = Lock::take(&path)?;
        private_file(&file)?;
        let sql = schema::open(&file)?;
        Ok(Self {
            path,
            file,
            sql,
            lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The device that is logged in here, and its server.
    ///
    /// # Errors
    /// [`Error::Store`], or the certificate files named then cannot be used now.
    pub fn session(&self) -> Result<Option<(Endpoint, Session)>, Error> {
        let Some(kept) = tables::session(&self.sql).map_err(|e| self.failed(&e))? else {
            return Ok(None);
        };
        let endpoint = Endpoint::with_roots(&kept.url, &kept.roots)?;
        Ok(Some((endpoint, kept.session)))
    }

    /// The device that is logged in here, whether or not its server's certificates can be used now.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn device(&self) -> Result<Option<Session>, Error> {
        let kept = tables::session(&self.sql).map_err(|e| self.failed(&e))?;
        Ok(kept.map(|kept| kept.session))
    }

    /// The server's store that what is held here is of, once one is known.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn store(&self) -> Result<Option<StoreId>, Error> {
        tables::store(&self.sql).map_err(|e| self.failed(&e))
    }

    /// Which places came of each conversation, before anything new can come.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`], [`Error::Store`].
    pub fn places(&self) -> Result<BTreeMap<ConversationId, Places>, Error> {
        let kept = tables::session(&self.sql).map_err(|e| self.failed(&e))?;
        let Some(tables::Kept { session, .. }) = kept else {
            let path = self.path.clone();
            return Err(Error::NotLoggedIn { path });
        };
        let restored = Input::Restored(Box::new(self.restored()?));
        // It says what is held, and is gone before it could ask for anything.
        let settings = Settings::new(session.user, session.device, session.token);
        let mut core = Core::new(settings, [0; 32]);
        core.handle(0, restored, &mut Vec::new());
        Ok(core.places())
    }

    /// What this device was asked to send and has no outcome of, and what was refused, in order.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn outbox(&self) -> Result<Vec<Row>, Error> {
        let mut rows = tables::outbox(&self.sql).map_err(|e| self.failed(&e))?;
        rows.sort_by_key(|row| row.order);
        Ok(rows)
    }

    /// From now on the certificates of these PEM files are trusted, beside the system's and
    /// instead of those named before. Without a session there is nothing to keep it with.
    ///
    /// # Errors
    /// [`Error::Certificate`], or [`Error::Store`].
    pub fn trust(&mut self, roots: &[PathBuf]) -> Result<(), Error> {
        let kept = tables::session(&self.sql).map_err(|e| self.failed(&e))?;
        let Some(kept) = kept.filter(|kept| kept.roots != roots) else {
            return Ok(());
        };
        let endpoint = Endpoint::with_roots(&kept.url, roots)?;
        self.keep(&endpoint, &kept.session)
    }

    /// Keeps who is logged in. If it is another device than before, everything else is dropped:
    /// a request of one device means nothing to another.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn keep(&mut self, endpoint: &Endpoint, session: &Session) -> Result<(), Error> {
        let kept = tables::Kept {
            url: endpoint.url().to_owned(),
            roots: endpoint.roots().to_vec(),
            session: session.clone(),
        };
        let done = tables::keep(&mut self.sql, &kept);
        done.map_err(|e| self.failed(&e))
    }

    /// Forgets who is logged in and everything else.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn forget(&mut self) -> Result<(), Error> {
        let done = tables::forget(&mut self.sql);
        done.map_err(|e| self.failed(&e))
    }

    pub(crate) fn restored(&self) -> Result<Restored, Error> {
        tables::restored(&self.sql).map_err(|e| self.failed(&e))
    }

    /// Hands the folder to its writing thread.
    pub(crate) fn into_writer(self) -> Result<Writer, Error> {
        writer::start(self.file, self.sql, self.lock)
    }

    fn failed(&self, e: &tables::Error) -> Error {
        Error::Store {
            path: self.file.clone(),
            why: e.to_string(),
        }
    }
}

fn private_folder(path: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| Error::Folder {
        path: path.to_owned(),
        why: e.to_string(),
    })
}

/// Makes the file, for its owner alone: SQLite gives its journal the same permissions.
fn private_file(path: &Path) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::Store {
        path: path.to_owned(),
        why: e.to_string(),
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .map_err(failed)?;
    }
    drop(file);
    Ok(())
}
