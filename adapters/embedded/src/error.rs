//! Why a store does not open, each with what to do.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Why a store does not open, or cannot be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has it.
    #[error(
        "the data folder {path} is already in use by {holder}; stop that first, or name another folder"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// `process N`, or `another process`.
        holder: String,
    },
    /// It was written by a newer version.
    #[error(
        "the store in {path} has format {found}, and this program knows {known}: use the program that wrote it, or a newer one"
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// A file is damaged.
    #[error("{path} is damaged: {why}. Nothing was changed. {}", remedy(None))]
    Damaged {
        /// The file, or the folder if it is not known which.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A file is damaged, and that showed only when the engine had opened the store.
    #[error(
        "{path} is damaged: {why}. The engine had opened the store by then, and may have tidied up in it. {}",
        remedy(None)
    )]
    DamagedWithin {
        /// The file, or the folder if it is not known which.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A backup was being restored into it, and that was cut off.
    #[error(
        "a restore into {path} was interrupted: there is no store in it yet. Run the same `parlour restore` again; it begins anew"
    )]
    HalfRestored {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to look at.
    #[error(
        "there is no store in {path}: name the data folder of a server, as `parlour serve --data` has it"
    )]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// It is not a folder.
    #[error(
        "{path} is a file, and the data folder must be a folder: name another, or move the file away"
    )]
    NoFolder {
        /// The file.
        path: PathBuf,
    },
    /// The folder cannot be made.
    #[error("the data folder {path} cannot be made: {}. Name another", unmade(.why))]
    CannotMake {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// It is no copy of a store.
    #[error(
        "{path} is no backup: {why}. Name a file that `parlour backup DIR FILE` wrote; nothing was made of this one"
    )]
    NoBackup {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// It is a copy of a store, and not whole.
    #[error(
        "the backup {path} is damaged: {why}. Nothing was made of it; use another copy, or an older backup"
    )]
    BackupDamaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A copy was written by a newer version.
    #[error(
        "the backup {path} has format {found}, and this program knows {known}: restore it with the program that wrote it, or a newer one"
    )]
    BackupNewer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u8,
        /// Ours.
        known: u8,
    },
    /// A file or folder within a store that is none of its own.
    #[error("{path} does not belong in a store: move it away")]
    Stray {
        /// The file or folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{path}: {}", plain(.why))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        why: io::Error,
    },
    /// The disk or mount is gone. What is on it may be whole.
    #[error("{path}: {why}. {GONE}")]
    Gone {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A file is damaged of a store that never had a batch.
    #[error(
        "{path} is damaged: {why}. No batch was ever written to this store, as far as can be told: move {store} away and start again, and a new one is made"
    )]
    NeverUsed {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
        /// The folder of the store.
        store: PathBuf,
    },
    /// Tables would have to be copied, and there is no room.
    #[error(
        "{path}: its tables cannot be linked to, so they are copied beside it. That takes {needed_mib} MiB, a server keeps {left_mib} MiB free, and {free_mib} MiB are free. Free room there, or stop the server: a store that nobody uses is copied without that"
    )]
    NoRoom {
        /// The store.
        path: PathBuf,
        /// What the tables take.
        needed_mib: u64,
        /// What a server needs.
        left_mib: u64,
        /// What there is.
        free_mib: u64,
    },
    /// What is to be written is there already.
    #[error("{path} is there already; name another, or move it away")]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
}

impl Error {
    /// What the system said of a path.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |why| Self::Io {
            path: path.to_owned(),
            why,
        }
    }

    /// Whether it says that a file is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { why, .. } if why.kind() == ErrorKind::NotFound)
    }

    /// The same error, met after the engine opened the store itself and not a copy.
    pub(crate) fn within(self) -> Self {
        match self {
            Self::Damaged { path, why } => Self::DamagedWithin { path, why },
            other => other,
        }
    }

    /// The same error of a store that never had a batch: there is nothing to restore.
    pub(crate) fn never_used(self, store: &Path) -> Self {
        match self {
            Self::Damaged { path, why } | Self::DamagedWithin { path, why } => Self::NeverUsed {
                path,
                why,
                store: store.to_owned(),
            },
            other => other,
        }
    }
}

/// What is to be done where the disk is gone.
pub(crate) const GONE: &str = "The disk or mount that it lies on is gone, or does not answer: look at it, and start again once it is back";

/// What is to be done about damage, in a sentence. With the data folder, if it is known: as a shell
/// takes it.
pub(crate) fn remedy(folder: Option<&Path>) -> String {
    let verify = match folder {
        Some(folder) => format!("parlour verify {}", quoted(folder)),
        None => "parlour verify".to_owned(),
    };
    format!(
        "Restore a backup into a new data folder, `parlour restore BACKUP DIR`, and use that; \
         `{verify}` names everything that is damaged in this one (docs/errors.md says more, at 1008)"
    )
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

/// Whether the process, or the whole system, has as many files open as it may.
fn no_descriptors(why: &io::Error) -> bool {
    matches!(Errno::from_io_error(why), Some(Errno::MFILE | Errno::NFILE))
}

/// Why the system makes no folder.
fn unmade(why: &io::Error) -> String {
    match why.kind() {
        ErrorKind::NotFound => "the system makes none there".to_owned(),
        ErrorKind::PermissionDenied => "this user may make none there".to_owned(),
        ErrorKind::AlreadyExists => "there is something else of this name".to_owned(),
        _ => plain(why),
    }
}

/// What the system said, and what can be done about it.
pub(crate) fn plain(why: &io::Error) -> String {
    match why.kind() {
        _ if no_descriptors(why) => {
            "this process may open no more files; raise `ulimit -n`".to_owned()
        }
        ErrorKind::NotFound => "it is not there; look at how the path is written".to_owned(),
        ErrorKind::PermissionDenied => {
            "this user may not read or write it; look at its owner and mode, or run as the user who has it"
                .to_owned()
        }
        ErrorKind::NotADirectory => "a part of this path is a file, not a folder".to_owned(),
        ErrorKind::IsADirectory => "it is a folder, and a file is wanted".to_owned(),
        ErrorKind::AlreadyExists => "there is something else of this name".to_owned(),
        ErrorKind::ReadOnlyFilesystem => {
            "it lies on a file system that is read-only; copy it elsewhere".to_owned()
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the disk is full; free room there, and try again".to_owned()
        }
        _ => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_not_take_it() {
        for (path, shown) in [
            ("/srv/chat-1", "/srv/chat-1"),
            ("/srv/the chat", "'/srv/the chat'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
        }
    }
}
