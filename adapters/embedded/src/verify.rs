//! Checks a whole store: that every file is as it was written, that every row can be read, and that
//! rows fit each other.
//!
//! Files come first: each is read to its end, and each that is damaged is named. Where tables are
//! damaged, rows are not looked at: what lacks a file tells nothing.
//!
//! Never changes the store: what is checked is a copy of its journals with links to its tables, in
//! the system's folder for temporary files; a folder there is all that a killed `verify` leaves. What
//! lies before a damage in a journal is checked, and the damage is a breach. Reads table by table,
//! so that memory is bounded by conversations and not by events.

mod accounts;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use fjall::Keyspace;
use minicbor::Decode;
use parlour_protocol::id::ConversationId;
use parlour_protocol::row;
use parlour_protocol::seq::{Head, Seq};

use crate::aside::Aside;
use crate::files::{self, Damage, Depth};
use crate::lock::Lock;
use crate::store::require_format;
use crate::{Error, backup, journal, table};

/// Breaches that are kept as sentences; all are counted.
const KEPT: usize = 100;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Files are read; counted in bytes.
    Files,
    /// Rows are checked; counted in rows.
    Rows,
}

/// Is told how far it is: what is done, how much of it, of how much.
pub type Tell<'a> = dyn FnMut(Stage, u64, u64) + 'a;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Files of the store that were read, but for journals.
    pub files: u64,
    /// Files that are damaged, journals included. Each is a breach.
    pub damaged: u64,
    /// Files and folders that do not belong in a store. Each is a breach.
    pub strays: u64,
    /// Rows read; none if tables are damaged, or something does not belong there.
    pub rows: u64,
    /// Conversations.
    pub conversations: u64,
    /// Events.
    pub events: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// What does not fit, in all.
    pub breaches: u64,
    /// The first of it, in sentences.
    pub said: Vec<String>,
    /// No batch was ever written to it, as far as can be told: there is nothing to restore.
    pub never_used: bool,
    /// What killed commands left and cannot be taken away, in sentences. No breach.
    pub stays: Vec<String>,
}

impl Report {
    fn breach(&mut self, what: impl FnOnce() -> String) {
        self.breaches += 1;
        if self.said.len() < KEPT {
            self.said.push(what());
        }
    }

    fn damage(&mut self, Damage { path, why }: &Damage) {
        self.damaged += 1;
        self.breach(|| format!("{} is damaged: {why}", path.display()));
    }
}

/// What is known of a conversation while its store is checked.
#[derive(Default)]
struct Known {
    head: Head,
    prev: Seq,
    members: u32,
    direct: bool,
}

/// How many rows are done, of about how many.
type Progress<'a> = dyn FnMut(u64, u64) + 'a;

struct Check<'a> {
    data: &'a Keyspace,
    folder: &'a Path,
    report: Report,
    of: u64,
    known: BTreeMap<ConversationId, Known>,
}

/// Checks the store of a folder, which no server uses meanwhile.
///
/// # Errors
/// The store cannot be looked at: see [`Error`]. What is wrong with it is in the report.
pub fn verify(folder: &Path, tell: &mut Tell<'_>) -> Result<Report, Error> {
    backup::require_store(folder)?;
    let lock = Lock::take(folder)?;
    let store = folder.join("store");
    let mut report = Report::default();
    let journals = journal::look(&store)?;
    let mut in_files = |done, of| tell(Stage::Files, done, of);
    let seen = files::look(&store, journals.committed, Depth::Whole, &mut in_files)?;
    if seen.nothing(&journals) {
        return Err(Error::NoStore {
            path: folder.to_owned(),
        });
    }
    report.files = seen.files;
    for damage in &seen.damaged {
        report.damage(damage);
    }
    report.strays = seen.strays.len() as u64;
    for path in &seen.strays {
        report.breach(|| Error::Stray { path: path.clone() }.to_string());
    }
    for damage in &journals.unread {
        report.damage(damage);
    }
    if report.breaches > 0 {
        report.never_used = files::never_used(&store);
        if let Some((path, why)) = journals.damaged {
            report.damage(&Damage { path, why });
        }
        return Ok(report);
    }
    let mut aside = Aside::open_whole(folder, lock)?;
    report.stays = std::mem::take(&mut aside.stays);
    if let Some((path, why)) = journals.damaged.or_else(|| aside.damaged.clone()) {
        report.damage(&Damage { path, why });
    }
    let data = &aside.data;
    require_format(folder, data)?;
    let mut check = Check {
        data,
        folder,
        report,
        of: data.approximate_len() as u64,
        known: BTreeMap::new(),
    };
    let progress: &mut Progress<'_> = &mut |done, of| tell(Stage::Rows, done, of);
    check.events(progress)?;
    check.standings(progress)?;
    check.outcomes(progress)?;
    check.sides(progress)?;
    check.intervals(progress)?;
    check.marks(progress)?;
    check.progress(progress)?;
    check.accounts(progress)?;
    let rows = check.report.rows;
    progress(rows, rows);
    Ok(check.report)
}

impl Check<'_> {
    fn each<T: for<'b> Decode<'b, ()>>(
        &mut self,
        letter: u8,
        progress: &mut Progress<'_>,
        mut f: impl FnMut(&mut Self, &[u8], T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for item in self.data.prefix([letter]) {
            let (key, value) = item.into_inner().map_err(|e| self.damaged(e))?;
            self.report.rows += 1;
            let Some(row) = self.parse(&key, &value) else {
                continue;
            };
            if self.report.rows.is_multiple_of(4_096) {
                progress(self.report.rows, self.of.max(self.report.rows));
            }
            f(self, &key, row)?;
        }
        Ok(())
    }

    /// The engine gives no row, though all files were whole a moment ago.
    fn damaged(&self, why: fjall::Error) -> Error {
        files::named(&self.folder.join("store"), &why)
    }

    /// A row's value. One that cannot be read is a breach, and tells nothing else.
    fn parse<T: for<'b> Decode<'b, ()>>(&mut self, key: &[u8], value: &[u8]) -> Option<T> {
        match row::from_bytes(value) {
            Ok(row) => Some(row),
            Err(why) => {
                self.report
                    .breach(|| format!("{} cannot be read: {why}", table::named(key)));
                None
            }
        }
    }

    /// The row of a key. One that cannot be read is none here: it is a breach of its own.
    fn get<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        let value = self.data.get(key).map_err(|e| self.damaged(e))?;
        Ok(value.and_then(|bytes| row::from_bytes(&bytes).ok()))
    }

    fn has(&self, key: &[u8]) -> Result<bool, Error> {
        self.data.contains_key(key).map_err(|e| self.damaged(e))
    }
}
