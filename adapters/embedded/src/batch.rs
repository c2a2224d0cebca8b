//! Numbered batches: how anything at all is written to a store.
//!
//! Promises: each batch has its number in itself ([`Note`]), is synced, and only then noted as
//! answered ([`crate::answered`]); so a batch that goes missing later is missed.

use std::path::Path;

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use parlour_protocol::row;

use crate::answered::{self, Answered, Said};
use crate::journal::Note;
use crate::judge::judged;
use crate::{Error, files, place, table};

/// Writes batches, one after another.
pub(crate) struct Batches {
    db: Database,
    data: Keyspace,
    number: u64,
    nonce: u64,
    answered: Answered,
}

/// The row that the last batch of a database has of itself.
pub(crate) fn last(store: &Path, data: &Keyspace) -> Result<Option<Note>, Error> {
    let key = table::meta(table::BATCH);
    match data.get(&key).map_err(|e| files::named(store, &e))? {
        None => Ok(None),
        Some(bytes) => row::from_bytes(&bytes)
            .map(Some)
            .map_err(|e| Error::Damaged {
                path: store.to_owned(),
                why: format!("{} cannot be read: {e}", table::named(&key)),
            }),
    }
}

/// What a database lacks of what was answered, in a sentence.
pub(crate) fn lost(said: Said, number: u64) -> Option<String> {
    match said {
        Said::Last(last) if last.batch > number => Some(format!(
            "batches up to {} were answered, and it has those up to {number}",
            last.batch
        )),
        _ => None,
    }
}

/// Writes down in which keyspace the rows are, unless that is known.
fn note_place(store: &Path, keyspace: u64) -> Result<(), Error> {
    let path = place::path(store);
    match place::read(store).map_err(judged(&path))? {
        place::Said::Keyspace(noted) if noted == keyspace => return Ok(()),
        place::Said::Keyspace(noted) => {
            return Err(Error::Damaged {
                path: store.join("keyspaces").join(noted.to_string()),
                why: format!("the rows are in it, and the engine has them in {keyspace}"),
            });
        }
        place::Said::Missing => {}
        place::Said::Damaged => tracing::warn!(
            path = %path.display(),
            "the file was damaged; the rows are where they were, and it is written anew"
        ),
    }
    place::write(store, keyspace).map_err(judged(&path))
}

impl Batches {
    /// Goes on where a store stands, whose database this is.
    ///
    /// # Errors
    /// `Damaged`: it lacks batches that were answered. `Io`.
    pub(crate) fn begin(folder: &Path, db: &Database, data: &Keyspace) -> Result<Self, Error> {
        let store = folder.join("store");
        let damaged = |why| Error::Damaged {
            path: store.clone(),
            why,
        };
        let note = last(&store, data)?;
        let number = note.map_or(0, |note| note.number);
        let said = answered::read(&store).map_err(judged(&answered::path(&store)))?;
        if said == Said::Damaged {
            tracing::warn!(
                path = %answered::path(&store).display(),
                "the file was damaged; the journals are whole, and it is written anew"
            );
        }
        if let Some(why) = lost(said, number) {
            return Err(damaged(why));
        }
        let nonce = match note {
            Some(note) => note.nonce,
            None => {
                let mut random = [0; 8];
                let random_failed = |why| Error::io(&store)(std::io::Error::other(why));
                getrandom::fill(&mut random).map_err(random_failed)?;
                u64::from_be_bytes(random)
            }
        };
        note_place(&store, data.id())?;
        let answered = Answered::begin(&store, number).map_err(judged(&answered::path(&store)))?;
        Ok(Self {
            db: db.clone(),
            data: data.clone(),
            number,
            nonce,
            answered,
        })
    }

    /// An empty batch.
    pub(crate) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncAll))
    }

    /// Puts a batch on disk.
    ///
    /// # Errors
    /// fjall's. Nobody knows then what is on disk, and nothing more may be written.
    pub(crate) fn commit(&mut self, mut batch: OwnedWriteBatch) -> fjall::Result<()> {
        let note = Note {
            number: self.number + 1,
            floor: self.db.seqno(),
            nonce: self.nonce,
        };
        let key = table::meta(table::BATCH);
        batch.insert(&self.data, key, row::to_bytes(&note));
        batch.commit()?;
        self.number = note.number;
        self.answered.put(note.number);
        Ok(())
    }
}
