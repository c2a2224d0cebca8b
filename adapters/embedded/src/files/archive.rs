//! The engine's container of named sections, and the blocks within them.
//!
//! Sections follow each other from the first byte. Behind them is a table of contents (`TOC!`, a
//! count, and of each section its place, its length and its name), and at the very end a trailer of
//! 38 bytes (`SFA!`, version, sort of checksum, XXH3 of the table of contents, its place, its
//! length). A block is a header of 33 bytes (`LSM\x03`, sort, XXH3 of its data, their length as they
//! lie and unpacked, and a quarter of the XXH3 of all that) and data. Numbers are
//! little-endian.
//!
//! Promises: never allocates by a length that no checksum holds. Never: the meaning of a block.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use xxhash_rust::xxh3::xxh3_128;

use super::Rest;

const TRAILER: u64 = 38;
const HEADER: usize = 33;
/// Far above any table of contents there is.
const TOC_MAX: u64 = 1 << 20;
/// Sections that are a row of blocks.
const OF_BLOCKS: [&[u8]; 6] = [b"data", b"index", b"tli", b"filter", b"filter_tli", b"meta"];

/// Where a file is broken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// From a byte on, so.
    #[error("{1}, at byte {0}")]
    At(u64, &'static str),
    /// The system does not give it.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Broken {
    /// In a sentence; what the system said stays an error.
    pub(super) fn sentence(self) -> io::Result<String> {
        match self {
            Self::Io(why) if why.kind() == io::ErrorKind::UnexpectedEof => {
                Ok("it is cut short".to_owned())
            }
            Self::Io(why) => Err(why),
            at @ Self::At(..) => Ok(at.to_string()),
        }
    }
}

/// What an archive is read from.
pub(super) trait Source {
    /// Fills `into` with what lies from `at` on; `UnexpectedEof` if there is less.
    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()>;
}

impl Source for File {
    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(into, at)
    }
}

impl Source for [u8] {
    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let end = at.saturating_add(into.len());
        let from = self.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(from);
        Ok(())
    }
}

/// One section.
#[derive(Debug)]
pub(super) struct Section {
    name: Vec<u8>,
    from: u64,
    len: u64,
}

impl Section {
    /// Its bytes within the file.
    pub(super) fn range(&self) -> Option<Range<usize>> {
        let from = usize::try_from(self.from).ok()?;
        Some(from..from.checked_add(usize::try_from(self.len).ok()?)?)
    }
}

/// What is where in a file.
#[derive(Debug)]
pub(super) struct Archive(Vec<Section>);

impl Archive {
    /// Reads the end of a file of this length.
    pub(super) fn read(file: &(impl Source + ?Sized), len: u64) -> Result<Self, Broken> {
        let end = len
            .checked_sub(TRAILER)
            .ok_or(Broken::At(0, "it is too short for what it should be"))?;
        let mut trailer = [0; TRAILER as usize];
        file.fill(&mut trailer, end)?;
        let mut rest = Rest(&trailer);
        let broken = || Broken::At(end, "its trailer is broken");
        if rest.array() != Some(*b"SFA!\x01\0") {
            return Err(broken());
        }
        let checksum = rest.u128().ok_or_else(broken)?;
        let (at, toc_len) = rest.u64().zip(rest.u64()).ok_or_else(broken)?;
        if at.checked_add(toc_len) != Some(end) || toc_len > TOC_MAX {
            return Err(broken());
        }
        let mut toc = vec![0; usize::try_from(toc_len).unwrap_or(0)];
        file.fill(&mut toc, at)?;
        if xxh3_128(&toc) != checksum {
            return Err(Broken::At(at, "its table of contents is broken"));
        }
        Self::parse(&toc, at).ok_or(Broken::At(
            at,
            "its table of contents does not hold together",
        ))
    }

    /// Sections that follow each other, up to where the table of contents begins.
    fn parse(toc: &[u8], end: u64) -> Option<Self> {
        let mut rest = Rest(toc);
        if rest.array() != Some(*b"TOC!") {
            return None;
        }
        let (mut sections, mut at) = (Vec::new(), 0u64);
        for _ in 0..rest.u32()? {
            let (from, len) = (rest.u64()?, rest.u64()?);
            let name = usize::from(rest.u16()?);
            let name = rest.take(name)?.to_vec();
            if from != at {
                return None;
            }
            at = at.checked_add(len)?;
            sections.push(Section { name, from, len });
        }
        (at == end && rest.0.is_empty()).then_some(Self(sections))
    }

    /// The section of a name.
    pub(super) fn section(&self, name: &[u8]) -> Option<&Section> {
        self.0.iter().find(|section| section.name == name)
    }
}

/// Reads the blocks of a section.
pub(super) fn blocks(file: &File, section: &Section) -> Result<(), Broken> {
    let mut at = section.from;
    let end = section.from + section.len;
    let mut data = Vec::new();
    while at < end {
        let mut header = [0; HEADER];
        if end - at < HEADER as u64 {
            return Err(Broken::At(at, "no block ends where its part ends"));
        }
        file.read_exact_at(&mut header, at)?;
        let broken = || Broken::At(at, "the head of a block is broken");
        let (hashed, checksum) = header.split_at(HEADER - 4);
        // The engine keeps a quarter of the checksum.
        let own = xxh3_128(hashed).to_le_bytes();
        let mut rest = Rest(hashed);
        if own.first_chunk::<4>().map(|own| &own[..]) != Some(checksum)
            || rest.array() != Some(*b"LSM\x03")
        {
            return Err(broken());
        }
        let _sort = rest.u8();
        let (checksum, len) = rest.u128().zip(rest.u32()).ok_or_else(broken)?;
        let from = at + HEADER as u64;
        if u64::from(len) > end - from {
            return Err(broken());
        }
        data.resize(usize::try_from(len).unwrap_or(0), 0);
        file.read_exact_at(&mut data, from)?;
        if xxh3_128(&data) != checksum {
            return Err(Broken::At(at, "a block does not fit its checksum"));
        }
        at = from + u64::from(len);
    }
    Ok(())
}

/// Where a table is broken that is known to be; none if that cannot be told.
pub(super) fn find(file: &File) -> io::Result<Option<Broken>> {
    let archive = match Archive::read(file, file.metadata()?.len()) {
        Ok(archive) => archive,
        Err(broken) => return Ok(Some(broken)),
    };
    for section in &archive.0 {
        if OF_BLOCKS.contains(&section.name.as_slice())
            && let Err(broken) = blocks(file, section)
        {
            return Ok(Some(broken));
        }
    }
    Ok(None)
}
