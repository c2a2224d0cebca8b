//! Gives a copy that is whole its name, and never over another file.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::io::Errno;
use tempfile::{NamedTempFile, PersistError};

use crate::Error;
use crate::judge::cannot;

/// Gives a file a name that is free, in one step.
type Persist = fn(NamedTempFile, &Path) -> Result<File, PersistError>;

/// Gives a copy this name.
///
/// # Errors
/// `Exists`: the name is taken; that file is as it was. `Io`.
pub(super) fn name(new: NamedTempFile, file: &Path) -> Result<(), Error> {
    name_by(new, file, |new, file| new.persist_noclobber(file))
}

fn name_by(new: NamedTempFile, file: &Path, persist: Persist) -> Result<(), Error> {
    let failed = |why: io::Error| match why.kind() {
        ErrorKind::AlreadyExists => Error::Exists {
            path: file.to_owned(),
        },
        _ => Error::io(file)(why),
    };
    let new = match persist(new, file) {
        Ok(_) => return Ok(()),
        Err(PersistError { error, file: new }) if lacks(&error) => new,
        Err(PersistError { error, .. }) => return Err(failed(error)),
    };
    // The file system can neither rename with care nor link: some that are mounted by FUSE, SMB, exFAT
    // on systems other than Linux (there it renames with care). So the name is taken
    // first, by an empty file that is ours, and then this is put over it. Killed between, that
    // stays: it is no backup, and says so.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    new.persist(file)
        .map(drop)
        .map_err(|PersistError { error, .. }| {
            let _ = std::fs::remove_file(file);
            failed(error)
        })
}

/// Whether it is the way that the file system does not know, or a hard link.
fn lacks(why: &io::Error) -> bool {
    Errno::from_io_error(why)
        .is_some_and(|number| cannot(number) || matches!(number, Errno::INVAL | Errno::PERM))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file system without links says.
    fn cannot_link(file: NamedTempFile, _: &Path) -> Result<File, PersistError> {
        let error = Errno::PERM.into();
        Err(PersistError { error, file })
    }

    fn has_no_room(file: NamedTempFile, _: &Path) -> Result<File, PersistError> {
        let error = Errno::NOSPC.into();
        Err(PersistError { error, file })
    }

    #[test]
    fn a_name_is_given_where_there_are_no_links_and_never_over_a_file() {
        let at = tempfile::tempdir().unwrap();
        let new = || {
            let new = NamedTempFile::new_in(at.path()).unwrap();
            std::fs::write(new.path(), "whole").unwrap();
            new
        };
        let once: Persist = |new, file| new.persist_noclobber(file);
        for (n, persist) in [once, cannot_link].into_iter().enumerate() {
            let file = at.path().join(format!("{n}.backup"));
            name_by(new(), &file, persist).unwrap();
            assert_eq!(std::fs::read(&file).unwrap(), b"whole");
            std::fs::write(&file, "another").unwrap();
            let again = name_by(new(), &file, persist);
            assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
            assert_eq!(std::fs::read(&file).unwrap(), b"another");
        }
        let file = at.path().join("full.backup");
        let why = name_by(new(), &file, has_no_room).unwrap_err().to_string();
        assert!(why.contains("the disk is full"), "{why}");
        // Nothing else is left.
        assert_eq!(std::fs::read_dir(at.path()).unwrap().count(), 2);
    }
}
