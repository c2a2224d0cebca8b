//! The file of a copy: what is written, and that it is read as it was written.
//!
//! The file: the ten bytes `PARLOURBAK`, a version (one byte), then chunks, each a length (u32,
//! big-endian), its bytes, and their SHA-256; a chunk of length zero ends them, followed by the
//! count of pairs (u64) and the SHA-256 of all chunk hashes. A chunk holds pairs, each a key's
//! length (u32), the key, a value's length (u32), the value, as they lie in the store.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::Error;

pub(super) const MAGIC: &[u8; 10] = b"PARLOURBAK";
const VERSION: u8 = 1;
/// Where a chunk ends, about.
const CHUNK: usize = 1 << 20;
/// The largest chunk that is read: one pair may be larger than a chunk should be.
const CHUNK_MAX: u32 = 64 << 20;

/// Writes a copy, pair by pair.
pub(super) struct Writer<W: Write> {
    out: W,
    chunk: Vec<u8>,
    all: Sha256,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            chunk: Vec::with_capacity(CHUNK),
            all: Sha256::new(),
        }
    }

    pub(super) fn begin(&mut self) -> std::io::Result<()> {
        self.out.write_all(MAGIC)?;
        self.out.write_all(&[VERSION])
    }

    pub(super) fn pair(&mut self, key: &[u8], value: &[u8]) -> std::io::Result<()> {
        for part in [key, value] {
            let len = u32::try_from(part.len()).map_err(std::io::Error::other)?;
            self.chunk.extend_from_slice(&len.to_be_bytes());
            self.chunk.extend_from_slice(part);
        }
        if self.chunk.len() >= CHUNK {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let len = u32::try_from(self.chunk.len()).map_err(std::io::Error::other)?;
        let hash: [u8; 32] = Sha256::digest(&self.chunk).into();
        self.out.write_all(&len.to_be_bytes())?;
        self.out.write_all(&self.chunk)?;
        self.out.write_all(&hash)?;
        self.all.update(hash);
        self.chunk.clear();
        Ok(())
    }

    pub(super) fn end(mut self, count: u64) -> std::io::Result<W> {
        self.flush()?;
        self.out.write_all(&0u32.to_be_bytes())?;
        self.out.write_all(&count.to_be_bytes())?;
        let all: [u8; 32] = self.all.finalize().into();
        self.out.write_all(&all)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Takes one pair of a copy.
pub(super) type Take<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Error> + 'a;

/// Reads a copy from end to end, and checks it.
pub(super) fn read(file: &Path, take: &mut Take<'_>) -> Result<u64, Error> {
    let damaged = |why: &str| Error::BackupDamaged {
        path: file.to_owned(),
        why: why.to_owned(),
    };
    let none = || Error::NoBackup {
        path: file.to_owned(),
        why: "it does not begin as one".to_owned(),
    };
    let cut = |_| damaged("it ends too early");
    let open = File::open(file).map_err(Error::io(file))?;
    let mut input = BufReader::new(open);
    let mut head = [0u8; 11];
    match input.read_exact(&mut head) {
        Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => return Err(none()),
        other => other.map_err(Error::io(file))?,
    }
    let [magic @ .., found] = head;
    if magic != *MAGIC {
        return Err(none());
    }
    if found != VERSION {
        return Err(Error::BackupNewer {
            path: file.to_owned(),
            found,
            known: VERSION,
        });
    }
    let mut all = Sha256::new();
    let mut count = 0u64;
    loop {
        let mut len = [0u8; 4];
        input.read_exact(&mut len).map_err(cut)?;
        let len = u32::from_be_bytes(len);
        if len == 0 {
            break;
        }
        if len > CHUNK_MAX {
            return Err(damaged("a chunk claims to be larger than chunks are"));
        }
        let mut chunk = vec![0u8; usize::try_from(len).unwrap_or(0)];
        let mut hash = [0u8; 32];
        input.read_exact(&mut chunk).map_err(cut)?;
        input.read_exact(&mut hash).map_err(cut)?;
        let found: [u8; 32] = Sha256::digest(&chunk).into();
        if found != hash {
            return Err(damaged("a chunk's bytes do not fit its hash"));
        }
        all.update(hash);
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let (key, after) = part(rest).ok_or_else(|| damaged("a pair is cut"))?;
            let (value, after) = part(after).ok_or_else(|| damaged("a pair is cut"))?;
            take(key, value)?;
            count += 1;
            rest = after;
        }
    }
    let (mut told, mut hash) = ([0u8; 8], [0u8; 32]);
    input.read_exact(&mut told).map_err(cut)?;
    input.read_exact(&mut hash).map_err(cut)?;
    let found: [u8; 32] = all.finalize().into();
    if u64::from_be_bytes(told) != count || found != hash {
        return Err(damaged("its end does not fit what comes before"));
    }
    Ok(count)
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}
