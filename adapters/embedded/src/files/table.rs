//! The tables of a list: that they are there, and that their bytes are those that were written.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::archive::{self, Archive};
use super::list::{List, Listed, pointer};
use super::{Depth, Seen, read_failed};
use crate::Error;

/// What is read at once.
const CHUNK: usize = 1 << 20;

fn table_path(folder: &Path, table: &Listed) -> PathBuf {
    folder.join("tables").join(table.id.to_string())
}

pub(super) fn size(folder: &Path, list: &List) -> u64 {
    list.tables
        .iter()
        .filter_map(|table| Some(table_path(folder, table).metadata().ok()?.len()))
        .sum()
}

/// Looks at the tables of a list.
pub(super) fn look(
    folder: &Path,
    list: List,
    depth: Depth,
    seen: &mut Seen,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let tables = folder.join("tables");
    let entries = match std::fs::read_dir(&tables) {
        Ok(entries) => Some(entries),
        // Each that is listed is named below.
        Err(why) if why.kind() == ErrorKind::NotFound => None,
        Err(why) => {
            read_failed(&tables, why, seen)?;
            None
        }
    };
    for entry in entries.into_iter().flatten() {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(why) => {
                read_failed(&tables, why, seen)?;
                continue;
            }
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What the engine passes over.
        let passed = name == ".DS_Store" || name.starts_with("._");
        if !passed && (name.parse::<u64>().is_err() || path.is_dir()) {
            seen.strays.push(path);
        }
    }
    for table in &list.tables {
        let path = table_path(folder, table);
        let looked = File::open(&path).and_then(|file| match depth {
            Depth::Ends => ends(&file),
            Depth::Whole => whole(&file, table.checksum, &list.path, seen, progress),
        });
        match looked {
            Ok(None) => seen.files += 1,
            Ok(Some(why)) => {
                seen.files += 1;
                seen.damage(&path, why);
            }
            Err(why) if why.kind() == ErrorKind::NotFound => {
                // It may have been merged with others since.
                let now = std::fs::read(folder.join("current")).unwrap_or_default();
                let name = list.path.file_name().unwrap_or_default().to_string_lossy();
                if pointer(&now).is_ok_and(|(version, _)| format!("v{version}") != name) {
                    continue;
                }
                let why = format!("it is missing, and {} lists it", list.path.display());
                seen.damage(&path, why);
            }
            Err(why) => read_failed(&path, why, seen)?,
        }
    }
    Ok(())
}

/// What is wrong with the end of a table and with what the engine reads of it at its start.
fn ends(file: &File) -> std::io::Result<Option<String>> {
    let archive = match Archive::read(file, file.metadata()?.len()) {
        Ok(archive) => archive,
        Err(broken) => return broken.sentence().map(Some),
    };
    for name in [&b"meta"[..], b"tli"] {
        let Some(section) = archive.section(name) else {
            let name = name.escape_ascii();
            return Ok(Some(format!("it has no part called {name}")));
        };
        if let Err(broken) = archive::blocks(file, section) {
            return broken.sentence().map(Some);
        }
    }
    Ok(None)
}

/// What is wrong with a table, all of which is read.
fn whole(
    file: &File,
    checksum: u128,
    list: &Path,
    seen: &mut Seen,
    progress: &mut dyn FnMut(u64),
) -> std::io::Result<Option<String>> {
    let mut hash = Xxh3::new();
    let mut chunk = vec![0; CHUNK];
    let mut reader = file;
    loop {
        let len = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => len,
            Err(why) if why.kind() == ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        hash.update(chunk.get(..len).unwrap_or_default());
        seen.bytes += len as u64;
        progress(seen.bytes);
    }
    if hash.digest128() == checksum {
        return Ok(None);
    }
    archive::find(file)?.map_or_else(
        || {
            Ok(Some(format!(
                "its bytes do not fit the checksum in {}",
                list.display()
            )))
        },
        |broken| broken.sentence().map(Some),
    )
}
