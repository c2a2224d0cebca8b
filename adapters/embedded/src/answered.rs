//! How far batches were answered: a file of 32 bytes beside the journals.
//!
//! Every batch has a number, which lies in the batch itself. Once a batch is synced, and before
//! anyone is answered, its number is written here, without a sync of its own. So a store that
//! lacks a batch that was answered is noticed, whatever took it: a flipped bit, a file that is
//! gone, an older copy.
//!
//! Promises: the number here is never above what is on disk, so no store is refused for it wrongly.
//! After a kill, and after a clean stop, it is exact. After a power loss it may be behind, by the
//! batches of the last second, or by those that the system had not written out by itself. Never: a
//! second sync per batch; it is synced once a second at most, and at a clean stop.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::sync;

const MAGIC: &[u8; 8] = b"PARLANSW";
const VERSION: u8 = 1;
/// Magic, version, two numbers, and seven bytes of SHA-256: within one sector.
const LEN: usize = 32;
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The last batch that was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Last {
    /// Its number; 0 before the first.
    pub(crate) batch: u64,
    /// The journal that it was written into; 0 if that is not known.
    pub(crate) journal: u64,
}

/// What a store's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Last(Last),
    /// There is none: the store was only just made, or by a version that had none.
    Missing,
    /// It is there, and does not hold together.
    Damaged,
}

impl Last {
    fn to_bytes(self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..8].copy_from_slice(MAGIC);
        out[8] = VERSION;
        out[9..17].copy_from_slice(&self.batch.to_be_bytes());
        out[17..25].copy_from_slice(&self.journal.to_be_bytes());
        let hash: [u8; 32] = Sha256::digest(&out[..25]).into();
        out[25..].copy_from_slice(&hash[..7]);
        out
    }

    fn from_bytes(bytes: &[u8; LEN]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes[at..].first_chunk::<8>()?;
            Some(u64::from_be_bytes(*bytes))
        };
        let last = Self {
            batch: number(9)?,
            journal: number(17)?,
        };
        (last.to_bytes() == *bytes).then_some(last)
    }
}

/// The file of the store in this database folder.
pub(crate) fn path(store: &Path) -> PathBuf {
    store.join("answered")
}

/// What the file of a store says.
///
/// # Errors
/// It is there and the system does not let it be read.
pub(crate) fn read(store: &Path) -> std::io::Result<Said> {
    let mut file = match File::open(path(store)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Said::Missing),
        Err(error) => return Err(error),
    };
    let mut bytes = [0; LEN];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Last::from_bytes(&bytes).map_or(Said::Damaged, Said::Last)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Said::Damaged),
        Err(error) => Err(error),
    }
}

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct Answered {
    file: File,
    store: PathBuf,
    journal: u64,
    synced: Instant,
}

impl Answered {
    /// Makes the file of a store say that everything up to this batch was answered, on disk.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn begin(store: &Path, batch: u64) -> std::io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path(store))?;
        let newest = journals(store)?.last().map_or(0, |(number, _)| *number);
        let mut this = Self {
            file,
            store: store.to_owned(),
            journal: newest,
            synced: Instant::now(),
        };
        // Which journal an earlier batch lies in is not known.
        this.write(Last { batch, journal: 0 })?;
        this.file.sync_all()?;
        sync::folder(store)?;
        Ok(this)
    }

    fn write(&mut self, last: Last) -> std::io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(&last.to_bytes())
    }

    /// A batch is on disk, and is about to be answered. What fails here costs no row.
    pub(crate) fn put(&mut self, batch: u64) {
        let before = self.journal;
        while (self.store.join(format!("{}.jnl", self.journal + 1))).exists() {
            self.journal += 1;
        }
        // Two looks around a batch that see the same journal know where it went.
        let journal = if before == self.journal { before } else { 0 };
        let mut done = self.write(Last { batch, journal });
        if self.synced.elapsed() >= SYNC_EVERY {
            self.synced = Instant::now();
            done = done.and_then(|()| self.file.sync_data());
        }
        if let Err(error) = done {
            metrics::counter!("parlour_store_answered_failed_total").increment(1);
            tracing::warn!(%error, "how far batches were answered could not be written");
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        // It helps after a power loss alone.
        let _ = self.file.sync_data();
    }
}

/// The journals of a store, rising by number.
///
/// # Errors
/// The system's.
pub(crate) fn journals(store: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(store)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jnl"));
        if let Some(Ok(number)) = number.map(str::parse) {
            out.push((number, entry.path()));
        }
    }
    out.sort_unstable();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_stays() {
        let last = Last {
            batch: 258,
            journal: 3,
        };
        let hex: String = last.to_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex[..50],
            format!("5041524c414e535701{:016x}{:016x}", 258, 3)
        );
        assert_eq!(Last::from_bytes(&last.to_bytes()), Some(last));
    }

    #[test]
    fn a_flipped_bit_makes_it_say_nothing() {
        let bytes = Last {
            batch: 7,
            journal: 1,
        }
        .to_bytes();
        for bit in 0..LEN * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Last::from_bytes(&flipped), None, "bit {bit}");
        }
    }
}
