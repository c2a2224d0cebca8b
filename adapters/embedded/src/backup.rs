//! Copies a store into one file, and makes a store of such a file.
//!
//! Promises: a copy is written beside its name, under one that nobody else has, synced, and only then
//! named, never over another file; what a killed copy left goes with the next one to that folder; the
//! store that was copied is as it was; a restored store has another id, and begins a later generation
//! than the copied one ever had (decision 15). A store is made aside, in the folder `restoring`, and moved to
//! its place when all of it is on disk: whoever kills a restore leaves no store, and one that is
//! refused until the restore was run again. Never: a store made of a file that does not check out.
//!
//! A store that a server uses is copied as it stood after one of its batches, with everything that
//! was answered before the copy began; the server goes on meanwhile, and knows nothing of it.

mod format;
mod name;

use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::Path;

use parlour_protocol::row;

use crate::aside::Aside;
use crate::batch::Batches;
use crate::files;
use crate::lock::Lock;
use crate::store::{new_store_id, open_database, require_format};
use crate::{Error, leftover, sync, table};
use format::{Writer, read};

/// How every copy begins.
pub(crate) const BEGINS: &[u8] = format::MAGIC;
const CACHE: u64 = 32 << 20;

/// What came of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many pairs it has.
    pub rows: u64,
    /// What killed commands left and cannot be taken away, in sentences.
    pub stays: Vec<String>,
}

/// Copies the store of a folder, whether or not a server uses it.
///
/// # Errors
/// See [`Error`]; the file is not there then.
pub fn backup(
    folder: &Path,
    file: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, Error> {
    let store = folder.join("store");
    copied(folder, file, progress).map_err(|error| match error {
        Error::Damaged { .. } if files::never_used(&store) => error.never_used(&store),
        other => other,
    })
}

fn copied(folder: &Path, file: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Copied, Error> {
    let exists = || Error::Exists {
        path: file.to_owned(),
    };
    if file.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let beside = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::read_dir(beside).map_err(Error::io(beside))?;
    let mut stays = leftover::sweep_copies(beside);
    let mut aside = match Aside::open(folder) {
        Err(in_use @ Error::InUse { .. }) => Aside::beside(folder, in_use),
        other => other,
    }?;
    stays.append(&mut aside.stays);
    if let Some((path, why)) = aside.damaged {
        return Err(Error::Damaged { path, why });
    }
    require_format(folder, &aside.data)?;
    // A name of its own: others may write a copy meanwhile, and may have files of any name. It goes
    // when this fails; if the process is killed, with the next backup to this folder.
    let io = Error::io(file);
    let mut new = leftover::copy(beside).map_err(&io)?;
    let count = write(&aside, folder, new.as_file_mut(), file, progress)?;
    name::name(new, file)?;
    // The name is only there for good once its folder is on disk.
    sync::folder(beside).map_err(io)?;
    progress(count, count);
    Ok(Copied { rows: count, stays })
}

/// Writes all pairs of a store into a new file, which will have a name, and syncs it.
fn write(
    aside: &Aside,
    folder: &Path,
    new: &mut File,
    name: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, Error> {
    let data = &aside.data;
    let of = data.approximate_len() as u64;
    let io = Error::io(name);
    let mut out = Writer::new(BufWriter::new(new));
    out.begin().map_err(&io)?;
    let mut count = 0u64;
    let own = table::meta(table::BATCH);
    for item in data.iter() {
        let pair = item.into_inner();
        let (key, value) = pair.map_err(|e| files::named(&folder.join("store"), &e))?;
        if *key == *own {
            continue;
        }
        out.pair(&key, &value).map_err(&io)?;
        count += 1;
        if count.is_multiple_of(1_024) {
            progress(count, of.max(count));
        }
    }
    let written = out.end(count).map_err(&io)?;
    written
        .into_inner()
        .map_err(|e| io(e.into_error()))?
        .sync_all()
        .map_err(&io)?;
    Ok(count)
}

/// Makes the store of a folder, which is missing or empty, of a copy. Answers how many pairs it has.
///
/// # Errors
/// See [`Error`]; the folder holds no store then.
pub fn restore(
    file: &Path,
    folder: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, Error> {
    let exists = || Error::Exists {
        path: folder.to_owned(),
    };
    if !is_free(folder) {
        return Err(exists());
    }
    // Once through before anything is made: a copy that is cut short or damaged makes no store.
    let of = read(file, &mut |_, _| Ok(()))?;
    let io = Error::io(folder);
    crate::store::private_folder(folder).map_err(|why| Error::CannotMake {
        path: folder.to_owned(),
        why,
    })?;
    let _lock = Lock::take(folder)?;
    // Once more: it may have been another restore that had the lock.
    if !is_free(folder) {
        return Err(exists());
    }
    let aside = folder.join(RESTORING);
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(&io)?;
    }
    crate::store::private_folder(&aside).map_err(&io)?;
    sync::folder(folder).map_err(&io)?;
    fill(file, &aside, of, progress)?;
    std::fs::rename(aside.join("store"), folder.join("store")).map_err(&io)?;
    sync::folder(folder).map_err(&io)?;
    sync::above(folder);
    std::fs::remove_dir(&aside).map_err(&io)?;
    progress(of, of);
    Ok(of)
}

/// Makes a store of a copy that checks out, all of it on disk.
fn fill(
    file: &Path,
    folder: &Path,
    of: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    let store = folder.join("store");
    crate::store::private_folder(&store).map_err(Error::io(&store))?;
    let (db, data) = open_database(&store, folder, CACHE)?;
    let failed = |error: fjall::Error| files::named(&folder.join("store"), &error);
    let mut batches = Batches::begin(folder, &db, &data)?;
    let mut batch = batches.batch();
    let mut done = 0;
    let (own, last) = (table::meta("id"), table::meta(table::BATCH));
    read(file, &mut |key, value| {
        done += 1;
        // Never for a moment the id of the store that was copied.
        if key == own || key == last {
            return Ok(());
        }
        batch.insert(&data, key, value);
        if batch.len() >= 4_096 {
            let full = std::mem::replace(&mut batch, batches.batch());
            batches.commit(full).map_err(failed)?;
            progress(done, of);
        }
        Ok(())
    })?;
    let id = new_store_id().map_err(Error::io(folder))?;
    batch.insert(&data, own, row::to_bytes(&id));
    batches.commit(batch).map_err(failed)
}

/// Where a store is made of a copy, within the folder that is to have it.
const RESTORING: &str = "restoring";

/// Whether a folder may get a store: it is missing, or empty but for what a restore that was cut
/// off left.
fn is_free(folder: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        return !folder.exists();
    };
    entries.all(|entry| entry.is_ok_and(|e| e.file_name() == RESTORING || e.file_name() == "lock"))
}

/// Refuses a folder that would have a store, had its restore not been cut off.
pub(crate) fn refuse_half_restored(folder: &Path) -> Result<(), Error> {
    if folder.join(RESTORING).is_dir() && !folder.join("store").exists() {
        return Err(Error::HalfRestored {
            path: folder.to_owned(),
        });
    }
    Ok(())
}

/// Takes away what is left of a restore that was cut off after its very last step but one.
pub(crate) fn tidy(folder: &Path) {
    // It is empty then; if it is not, or is not there, that is no business of ours.
    let _ = std::fs::remove_dir(folder.join(RESTORING));
}

/// That a folder holds a store, so that looking at it does not make one.
pub(crate) fn require_store(folder: &Path) -> Result<(), Error> {
    refuse_half_restored(folder)?;
    let store = folder.join("store");
    files::is_reached(&store)?;
    match store.metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Err(why) if why.kind() == ErrorKind::PermissionDenied => {
            Err(Error::Io { path: store, why })
        }
        _ => Err(Error::NoStore {
            path: folder.to_owned(),
        }),
    }
}
