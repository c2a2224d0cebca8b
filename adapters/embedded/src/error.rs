//! Why a store does not open, each with what to do.

use std::path::PathBuf;

/// Why a store does not open, or cannot be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has it.
    #[error(
        "the data folder {path} is already in use by {holder}; stop that first, or name another folder with --data"
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
        "{path} is damaged: {why}. Restore a backup with `parlour restore`; `parlour verify` says how far this store can be read"
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
    /// The system refused.
    #[error("{path}: {why}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        why: std::io::Error,
    },
    /// What is to be written is there already.
    #[error("{path} is there already; name another, or move it away")]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
}
