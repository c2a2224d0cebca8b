//! Files that are whole or not there.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// Writes a file beside its place and moves it there, readable for its owner alone. Gives it, to be
/// added to.
///
/// # Errors
/// It cannot be written; what stood there stands there still.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    // After a crash the name must not stand for a file that is empty.
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(file)
}
