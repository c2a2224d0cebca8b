//! [`Record`]: what was printed, kept in the folder.
//!
//! Promises: a place is in the file before the next line is printed, and not before its own was:
//! after a kill the last line may be printed twice, and none is left out. What another user was
//! shown, or what was of another store of the server, counts for nothing.
//!
//! A first line says whose it is; each further line is a conversation with a first and a last
//! place, and is added at the end. It is written anew, whole, when it is opened and when it has
//! grown long.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use parlour_sdk::protocol::{ConversationId, Seq, StoreId, UserId};
use serde::{Deserialize, Serialize};

use super::printed::Printed;
use crate::whole;

const FILE: &str = "printed";
/// The form of the file.
const FORMAT: u32 = 1;
/// Lines added before it is written anew.
const ADDED_MAX: usize = 20_000;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u32,
    user: UserId,
    store: Option<StoreId>,
}

/// What was printed, and the file that it is kept in.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    head: Head,
    printed: Printed,
    file: File,
    added: usize,
}

impl Record {
    /// What this user was shown from this folder. If nothing ever was, these places are taken as
    /// printed, now and after a kill: they are asked for then alone.
    pub(super) fn open(
        folder: &Path,
        user: UserId,
        first: impl FnOnce() -> anyhow::Result<(Option<StoreId>, Printed)>,
    ) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let (head, printed) = match read(&path)? {
            Some((head, printed)) if head.user == user => (head, printed),
            _ => {
                let (store, printed) = first()?;
                let head = Head {
                    format: FORMAT,
                    user,
                    store,
                };
                (head, printed)
            }
        };
        let file = write(&path, &head, &printed)?;
        Ok(Self {
            path,
            head,
            printed,
            file,
            added: 0,
        })
    }

    /// Keeps nothing any more.
    pub(super) fn forget(folder: &Path) {
        whole::remove(&folder.join(FILE));
    }

    pub(super) const fn printed(&self) -> &Printed {
        &self.printed
    }

    /// Which store of the server places are of from now on. Says whether it was another before:
    /// then nothing of this one was printed.
    pub(super) fn is_of(&mut self, store: Option<StoreId>) -> anyhow::Result<bool> {
        if store.is_none() || self.head.store == store {
            return Ok(false);
        }
        let other = self.head.store.is_some();
        if other {
            self.printed = Printed::default();
        }
        self.head.store = store;
        self.whole()?;
        Ok(other)
    }

    /// These places were printed, or have nothing to print.
    pub(super) fn add(
        &mut self,
        conversation: ConversationId,
        from: Seq,
        to: Seq,
    ) -> anyhow::Result<()> {
        if self.printed.hole(conversation, from, to).is_none() {
            return Ok(());
        }
        self.printed.add(conversation, from, to);
        self.added += 1;
        if self.added > ADDED_MAX {
            return self.whole();
        }
        let line = format!("{conversation} {from} {to}\n");
        let done = self.file.write_all(line.as_bytes());
        done.with_context(|| not_kept(&self.path))
    }

    fn whole(&mut self) -> anyhow::Result<()> {
        self.file = write(&self.path, &self.head, &self.printed)?;
        self.added = 0;
        Ok(())
    }
}

fn not_kept(path: &Path) -> String {
    format!(
        "{}: what was printed cannot be kept, and so no more is printed: make room, then run it \
         again; nothing is lost",
        path.display()
    )
}

/// What every format has.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

fn read(path: &Path) -> anyhow::Result<Option<(Head, Printed)>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| path.display().to_string()),
    };
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let newer = serde_json::from_slice::<Form>(first).is_ok_and(|f| f.format > FORMAT);
    if newer {
        bail!(
            "{} was written by a newer version; use that version, or delete the file: then what \
             this folder holds counts as printed",
            path.display()
        );
    }
    // What is no text in it is in no line that says anything.
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text
        .split_inclusive('\n')
        .map_while(|l| l.strip_suffix('\n'));
    let head = lines.next().map(serde_json::from_str::<Head>);
    let head = match head {
        Some(Ok(head)) if head.format == FORMAT => head,
        _ => bail!(
            "{} cannot be read; delete it: then what this folder holds counts as printed",
            path.display()
        ),
    };
    let mut printed = Printed::default();
    for line in lines {
        let mut words = line.split(' ');
        let mut next = || words.next();
        let range = (|| {
            let conversation: ConversationId = next()?.parse().ok()?;
            let (from, to) = (next()?.parse().ok()?, next()?.parse().ok()?);
            Some((conversation, Seq(from), Seq(to)))
        })();
        // A line that says nothing leaves its place to be printed again.
        if let Some((conversation, from, to)) = range {
            printed.add(conversation, from, to);
        }
    }
    Ok(Some((head, printed)))
}

/// Writes it beside and moves it into place, and gives the file to add to.
fn write(path: &Path, head: &Head, printed: &Printed) -> anyhow::Result<File> {
    let mut text = serde_json::to_string(head)?;
    text.push('\n');
    for (conversation, from, to) in printed.all() {
        text.push_str(&format!("{conversation} {from} {to}\n"));
    }
    whole::write(path, text.as_bytes()).with_context(|| not_kept(path))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn what_was_printed_is_known_over_a_kill() {
        let folder = std::env::temp_dir().join(format!("parlour-record-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [ada, ben] = [b"ada", b"ben"].map(|n| UserId::derived("test", &[n]));
        let c = ConversationId::direct(ada, ben);
        let [one, two] = [1, 2].map(|n| Some(StoreId::from_bytes([n; 16])));
        let held = || {
            let mut printed = Printed::default();
            printed.add(c, Seq(1), Seq(4));
            Ok((None, printed))
        };
        let never = || -> anyhow::Result<(Option<StoreId>, Printed)> { bail!("asked again") };
        let mut record = Record::open(&folder, ada, held).unwrap();
        assert!(!record.is_of(one).unwrap());
        record.add(c, Seq(5), Seq(5)).unwrap();
        record.add(c, Seq(9), Seq(12)).unwrap();
        drop(record);
        // Killed while a line was added.
        let path = folder.join(FILE);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(format!("{c} 6 8").as_bytes()).unwrap();
        let mut record = Record::open(&folder, ada, never).unwrap();
        let hole = |r: &Record| r.printed().hole(c, Seq(1), Seq(20));
        assert_eq!(hole(&record), Some((Seq(6), Seq(8))));
        for seq in 6..=8 {
            record.add(c, Seq(seq), Seq(seq)).unwrap();
        }
        let mut record = Record::open(&folder, ada, never).unwrap();
        assert_eq!(hole(&record), Some((Seq(13), Seq(20))));
        // Of another store nothing was printed.
        assert!(record.is_of(two).unwrap());
        let record = Record::open(&folder, ada, never).unwrap();
        assert_eq!(hole(&record), Some((Seq(1), Seq(20))));
        // Another user was shown nothing.
        let record = Record::open(&folder, ben, held).unwrap();
        assert_eq!(hole(&record), Some((Seq(5), Seq(20))));
        std::fs::write(&path, "rubbish").unwrap();
        let why = Record::open(&folder, ben, held).unwrap_err().to_string();
        assert!(why.contains("delete it"), "{why}");
        std::fs::write(&path, b"\xff\xfe\n").unwrap();
        let why = Record::open(&folder, ben, held).unwrap_err().to_string();
        assert!(why.contains("delete it"), "{why}");
        std::fs::write(&path, "{\"format\":2,\"of\":\"somebody\"}\nx\n").unwrap();
        let why = Record::open(&folder, ben, held).unwrap_err().to_string();
        assert!(why.contains("a newer version"), "{why}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
