//! In which of the engine's keyspaces the rows lie: a file of 24 bytes beside the journals.
//!
//! fjall names keyspaces in a table, and deletes a folder of a keyspace that it finds no name for. So
//! a folder that was renamed would be deleted, with all rows, before anyone could miss it. The number
//! here says which folder must be there, before fjall is asked.
//!
//! Promises: it is written, whole or not at all, once the keyspace is there; one that is missing, as
//! in older stores, or damaged, forbids nothing, and is made anew when the store is next opened.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::sync;

const MAGIC: &[u8; 8] = b"PARLROWS";
const VERSION: u8 = 1;
/// Magic, version, the number, and seven bytes of SHA-256.
const LEN: usize = 24;

/// What a store's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The keyspace's number.
    Keyspace(u64),
    /// There is none.
    Missing,
    /// It is there, and does not hold together.
    Damaged,
}

fn to_bytes(keyspace: u64) -> [u8; LEN] {
    let mut out = [0; LEN];
    out[..8].copy_from_slice(MAGIC);
    out[8] = VERSION;
    out[9..17].copy_from_slice(&keyspace.to_be_bytes());
    let hash: [u8; 32] = Sha256::digest(&out[..17]).into();
    out[17..].copy_from_slice(&hash[..7]);
    out
}

fn from_bytes(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(*bytes.get(9..)?.first_chunk::<8>()?);
    (bytes == to_bytes(number)).then_some(number)
}

/// The file of the store in this database folder.
pub(crate) fn path(store: &Path) -> PathBuf {
    store.join("rows")
}

/// What the file of a store says.
///
/// # Errors
/// It is there and the system does not let it be read.
pub(crate) fn read(store: &Path) -> std::io::Result<Said> {
    match std::fs::read(path(store)) {
        Ok(bytes) => Ok(from_bytes(&bytes).map_or(Said::Damaged, Said::Keyspace)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Said::Missing),
        Err(error) => Err(error),
    }
}

/// Makes the file of a store say this, on disk. What it names is on disk before: the engine syncs
/// what is in its folders, and not that those have their names.
///
/// # Errors
/// The system's. The file is as it was; or it says this already, and only that it does so for good is
/// not known.
pub(crate) fn write(store: &Path, keyspace: u64) -> std::io::Result<()> {
    let keyspaces = store.join("keyspaces");
    sync::folder(&keyspaces.join(keyspace.to_string()))?;
    sync::folder(&keyspaces)?;
    let new = store.join("rows.new");
    let mut file = File::create(&new)?;
    file.write_all(&to_bytes(keyspace))?;
    file.sync_all()?;
    std::fs::rename(&new, path(store))?;
    sync::folder(store)?;
    // And the store has its own name, in a data folder that has one.
    let Some(folder) = store.parent() else {
        return Ok(());
    };
    sync::folder(folder)?;
    sync::above(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_stays_and_a_flipped_bit_makes_it_say_nothing() {
        let bytes = to_bytes(258);
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex[..34], format!("5041524c524f575301{:016x}", 258));
        assert_eq!(from_bytes(&bytes), Some(258));
        for bit in 0..LEN * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(from_bytes(&flipped), None, "bit {bit}");
        }
        for len in 0..LEN {
            assert_eq!(from_bytes(&bytes[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn it_never_names_a_folder_that_is_not_on_disk() {
        let at = tempfile::tempdir().unwrap();
        let keyspaces = at.path().join("keyspaces");
        std::fs::create_dir_all(keyspaces.join("7")).unwrap();
        // That folder is synced first: where it is not there, nothing is written.
        assert!(write(at.path(), 8).is_err());
        assert_eq!(read(at.path()).unwrap(), Said::Missing);
        assert!(!at.path().join("rows.new").exists());
        write(at.path(), 7).unwrap();
        assert_eq!(read(at.path()).unwrap(), Said::Keyspace(7));
        assert!(write(at.path(), 8).is_err());
        assert_eq!(read(at.path()).unwrap(), Said::Keyspace(7));
    }
}
