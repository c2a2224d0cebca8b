//! [`Error`]: everything that can go wrong here, each with what to do.

use std::path::PathBuf;

use parlour_client_core::Refused;
use parlour_protocol::error::Code;

/// What went wrong. Never holds a token, a password or a body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be used.
    #[error("`{given}` is not the address of a server: {why}")]
    Address {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// A root certificate cannot be used.
    #[error(
        "the certificate file {path} cannot be used: {why}; name the file of your server's authority with `--ca FILE`"
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The server cannot be reached.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// The server.
        server: String,
        /// What went wrong.
        why: String,
    },
    /// The server's certificate is not trusted.
    #[error("{server} cannot be trusted: {why}")]
    Untrusted {
        /// The server.
        server: String,
        /// What is wrong with its certificate, and what to do.
        why: String,
    },
    /// The server refused.
    #[error("{message} ({code})")]
    Server {
        /// The number.
        code: Code,
        /// What happened and what to do.
        message: String,
    },
    /// The answer is not one of this protocol.
    #[error("{server} gave an answer that is not Parlour's: {why}")]
    Answer {
        /// The server.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// The request was not taken.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The data folder is in use.
    #[error("the folder {path} is in use by {holder}; end that first, or name another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// By whom, as far as known.
        holder: String,
    },
    /// The data folder cannot be made or written.
    #[error("the folder {path} cannot be used: {why}; name another folder that you can write to")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// The data folder was written by a newer version.
    #[error(
        "{path} was written by a newer version (format {found}, this one knows {known}); use that version, or another folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The newest format known.
        known: i64,
    },
    /// The local store failed.
    #[error("{path}: {why}")]
    Store {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// No session is kept in the folder.
    #[error("nobody is logged in in {path}; log in first")]
    NotLoggedIn {
        /// The folder.
        path: PathBuf,
    },
    /// Nobody has this name.
    #[error("there is no user named `{0}`")]
    NoUser(String),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
    /// The connection ended for good.
    #[error("signed out: {message} ({code})")]
    SignedOut {
        /// The number.
        code: Code,
        /// What happened and what to do.
        message: String,
    },
}
