//! Looking after a store: `verify`, `backup`, `restore`.
use std::path::Path;
pub(crate) fn verify(_dir: &Path) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
pub(crate) fn backup(_dir: &Path, _file: &Path) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
pub(crate) fn restore(_file: &Path, _dir: &Path) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
