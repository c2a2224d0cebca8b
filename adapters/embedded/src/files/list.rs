//! A keyspace's list of tables: `current` points to it, with its checksum.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::archive::Archive;
use super::{Rest, Seen, read_failed};
use crate::Error;

/// How often a list is read again that the engine replaced meanwhile.
const TRIES: u32 = 100;

/// A table by its keyspace's list.
pub(super) struct Listed {
    pub(super) id: u64,
    pub(super) checksum: u128,
}

/// The list of a keyspace: its path, and what is in it.
pub(super) struct List {
    pub(super) path: PathBuf,
    pub(super) tables: Vec<Listed>,
}

/// The list of a keyspace. None: it is damaged, or the keyspace was never finished.
pub(super) fn read(folder: &Path, seen: &mut Seen) -> Result<Option<List>, Error> {
    let current = folder.join("current");
    for _ in 0..TRIES {
        let said = match std::fs::read(&current) {
            Ok(said) => said,
            Err(why) if why.kind() == ErrorKind::NotFound && !has_tables(folder) => {
                return Ok(None);
            }
            Err(why) => {
                read_failed(&current, why, seen)?;
                return Ok(None);
            }
        };
        let (version, checksum) = match pointer(&said) {
            Ok(pointer) => pointer,
            Err(why) => {
                seen.damage(&current, why);
                return Ok(None);
            }
        };
        let path = folder.join(format!("v{version}"));
        let read = std::fs::read(&path);
        // Replaced between the two: what was read does not belong together.
        if std::fs::read(&current).ok().as_deref() != Some(&said) {
            continue;
        }
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == ErrorKind::NotFound => {
                let why = format!("it names the list v{version}, which is not there");
                seen.damage(&current, why);
                return Ok(None);
            }
            Err(why) => {
                read_failed(&path, why, seen)?;
                return Ok(None);
            }
        };
        seen.files += 2;
        if xxh3_128(&bytes) != checksum {
            let why = format!(
                "it does not fit the checksum in {}; one of the two is damaged",
                current.display()
            );
            seen.damage(&path, why);
            return Ok(None);
        }
        return match listed(&bytes) {
            Ok(tables) => Ok(Some(List { path, tables })),
            Err(why) => {
                seen.damage(&path, why);
                Ok(None)
            }
        };
    }
    let why = "it was replaced again and again while it was read; try again";
    Err(Error::io(&current)(std::io::Error::new(
        ErrorKind::ResourceBusy,
        why,
    )))
}

fn has_tables(folder: &Path) -> bool {
    match std::fs::read_dir(folder.join("tables")) {
        Ok(mut tables) => tables.next().is_some(),
        Err(why) => ![ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&why.kind()),
    }
}

/// What `current` says: the list's number, and its checksum.
pub(super) fn pointer(bytes: &[u8]) -> Result<(u64, u128), &'static str> {
    const WRONG: &str = "it is no pointer to a list of tables";
    let mut rest = Rest(bytes);
    let pointer = (rest.u64().ok_or(WRONG)?, rest.u128().ok_or(WRONG)?);
    match rest.0 {
        [0] => Ok(pointer),
        _ => Err(WRONG),
    }
}

/// The tables of a list, of these bytes alone: the file may be gone, if the engine goes on.
fn listed(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    const CUT: &str = "its tables are cut short";
    let archive = Archive::read(bytes, bytes.len() as u64).map_err(|e| e.to_string())?;
    let section = archive
        .section(b"tables")
        .and_then(|at| bytes.get(at.range()?))
        .ok_or("it has no tables")?;
    let mut rest = Rest(section);
    let mut out = Vec::new();
    for _ in 0..rest.u8().ok_or(CUT)? {
        for _ in 0..rest.u8().ok_or(CUT)? {
            for _ in 0..rest.u32().ok_or(CUT)? {
                let id = rest.u64().ok_or(CUT)?;
                if rest.u8() != Some(0) {
                    return Err("it has a checksum of another sort".to_owned());
                }
                let checksum = rest.u128().ok_or(CUT)?;
                let _seqno = rest.u64().ok_or(CUT)?;
                out.push(Listed { id, checksum });
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
