//! Files that are whole or not there.
//!
//! Promises: what is being written lies beside its place until it is whole, and does not stay there
//! if it never gets so; a file that is removed leaves nothing beside either.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Writes a file beside its place and moves it there, readable for its owner alone. Gives it, to be
/// added to.
///
/// # Errors
/// It cannot be written; what stood there stands there still.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let beside = beside(path);
    let written = fill(&beside, bytes).and_then(|file| {
        std::fs::rename(&beside, path)?;
        Ok(file)
    });
    if written.is_err() {
        // It takes room that may be what is missing. It may not be there.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn fill(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    // After a crash the name must not stand for a file that is empty.
    file.sync_all()?;
    Ok(file)
}

/// Removes a file, and what a kill may have left beside it.
pub(crate) fn remove(path: &Path) {
    for path in [path, &beside(path)] {
        // It may not be there.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_beside() {
        let folder = std::env::temp_dir().join(format!("parlour-whole-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        write(&path, b"one").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        std::fs::write(beside(&path), b"half").unwrap();
        remove(&path);
        assert!(!path.exists() && !beside(&path).exists());
        // It cannot be moved to where a folder is.
        std::fs::create_dir_all(path.join("in it")).unwrap();
        assert!(write(&path, b"two").is_err());
        assert!(!beside(&path).exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
