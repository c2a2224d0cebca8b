//! Looking after a store: `verify`, `backup`, `restore`. Each is the embedded adapter's; what it
//! does not offer yet is refused in a plain sentence, and changes nothing.

use std::path::Path;

use anyhow::bail;

/// Checks a whole store.
pub(crate) fn verify(dir: &Path) -> anyhow::Result<()> {
    bail!("{}: this version cannot check a store yet", dir.display())
}

/// Copies a store into one file.
pub(crate) fn backup(dir: &Path, _file: &Path) -> anyhow::Result<()> {
    bail!(
        "{}: this version cannot copy a store yet; stop the server and copy the folder",
        dir.display()
    )
}

/// Makes a store of a backup.
pub(crate) fn restore(file: &Path, _dir: &Path) -> anyhow::Result<()> {
    bail!(
        "{}: this version cannot restore a backup yet",
        file.display()
    )
}
