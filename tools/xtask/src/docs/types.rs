//! What is generated from the types of the wire.
//!
//! The types are known to a build with the feature `docs` alone, so that `cargo xtask run` need
//! not wait for them; a build without it asks one with it.

use anyhow::Result;

use super::Generated;

/// The files, from the types that are compiled in.
#[cfg(feature = "docs")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the build without the types can fail"
)]
pub(crate) fn produce() -> Result<Vec<Generated>> {
    let files = parlour_protocol::schema::files().into_iter();
    Ok(files.map(|(path, text)| (path.to_owned(), text)).collect())
}

/// The files, from ourselves with the types compiled in.
#[cfg(not(feature = "docs"))]
pub(crate) fn produce() -> Result<Vec<Generated>> {
    use crate::shell;

    let args = [
        "run",
        "--quiet",
        "-p",
        "xtask",
        "--features",
        "docs",
        "--",
        "docs",
    ];
    let printed = shell::read(shell::cargo(args).arg("--print-types"))?;
    Ok(serde_json::from_str(&printed)?)
}
