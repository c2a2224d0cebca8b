//! Why a store does not open, each with what to do.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

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
    #[error(
        "{path} is damaged: {why}. Nothing was changed. Restore a backup into a new data folder, `parlour restore BACKUP DIR`, and use that; `parlour verify` names everything that is damaged in this one"
    )]
    Damaged {
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
    /// What is to be written is there already.
    #[error("{path} is there already; name another, or move it away")]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
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
fn plain(why: &io::Error) -> String {
    match why.kind() {
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
