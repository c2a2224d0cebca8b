//! Looking after a store: `verify`, `backup`, `restore`.
use std::path::Path;
pub fn verify(_dir: &Path) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
pub fn backup(_dir: &Path, _file: &Path) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
pub fn restore(_file: &Path, _dir: &Path) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
