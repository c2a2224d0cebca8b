//! Puts on disk that the files in a folder have their names.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::judge::cannot;

/// Syncs a folder. Where the file system cannot sync one, it counts as done: there is nothing more to do.
///
/// # Errors
/// The system's.
pub(crate) fn folder(folder: &Path) -> io::Result<()> {
    done(File::open(folder)?.sync_all())
}

/// The folder that this one has its name in. One that may not be read cannot be synced, and is not
/// ours: that is no error.
pub(crate) fn above(of: &Path) {
    let above = of.canonicalize().ok();
    if let Some(above) = above.as_deref().and_then(Path::parent) {
        let _ = folder(above);
    }
}

fn done(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(why) if Errno::from_io_error(&why).is_some_and(unsynced) => Ok(()),
        other => other,
    }
}

/// Whether it is a folder that cannot be synced. Some systems take it for a terminal's matter.
fn unsynced(number: Errno) -> bool {
    cannot(number) || matches!(number, Errno::INVAL | Errno::NOTTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_synced_counts_as_synced_and_a_disk_that_fails_does_not() {
        let said = |number: Errno| done(Err(number.into()));
        for number in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP] {
            assert!(said(number).is_ok(), "{number:?}");
        }
        for number in [Errno::IO, Errno::NOSPC, Errno::ACCESS] {
            assert!(said(number).is_err(), "{number:?}");
        }
        let at = tempfile::tempdir().unwrap();
        folder(at.path()).unwrap();
        assert!(folder(&at.path().join("gone")).is_err());
    }
}
