//! What lies about for the length of a command: a copy that is being written, a store that is looked at
//! aside. Each is locked by whoever uses it; what a killed command left is locked by nobody, and the
//! next command takes it away.
//!
//! Promises: nothing is taken away that another process uses, that is another user's, that is reached
//! by a symbolic link, whose name is not one of those that are made here, or that holds anything else
//! than what is put there. Where the file system has no locks, everything stays. Never: an error;
//! what cannot be swept is said in the log.

use std::fs::{File, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tempfile::{NamedTempFile, TempDir};

use crate::backup::BEGINS;

/// How the folder of a store that is looked at aside begins.
const ASIDE: &str = "parlour-aside-";
/// How a copy that is not whole yet begins.
const BACKUP: &str = ".parlour-backup-";
/// Letters and digits behind that.
const RANDOM: usize = 6;
/// How often a new one is made if another command swept it before it was locked.
const TRIES: usize = 16;

/// A folder of this process's own. Dropped, it goes.
#[derive(Debug)]
pub(crate) struct Aside {
    // In this order: it goes while it is still locked.
    at: TempDir,
    _lock: File,
}

impl Aside {
    /// Makes one within a folder, which only its owner may enter.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn make(within: &Path) -> io::Result<Self> {
        let make = || {
            let mut name = tempfile::Builder::new();
            name.prefix(ASIDE).rand_bytes(RANDOM);
            // What is in it is everyone's messages.
            name.permissions(Permissions::from_mode(0o700));
            let at = name.tempdir_in(within)?;
            let lock = open(at.path(), OFlags::RDONLY | OFlags::DIRECTORY)?;
            Ok((at, lock))
        };
        let (at, lock) = held(make, |(at, lock)| (at.path(), lock))?;
        Ok(Self { at, _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }
}

/// Makes a file within a folder for a copy, which only its owner may read. Dropped, it goes.
///
/// # Errors
/// The system's.
pub(crate) fn copy(within: &Path) -> io::Result<NamedTempFile> {
    let make = || {
        tempfile::Builder::new()
            .prefix(BACKUP)
            .rand_bytes(RANDOM)
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(within)
    };
    held(make, |new| (new.path(), new.as_file()))
}

/// Makes one and locks it. Until it is locked it looks like one that was left, and may be swept.
fn held<T>(
    make: impl Fn() -> io::Result<T>,
    parts: impl Fn(&T) -> (&Path, &File),
) -> io::Result<T> {
    for _ in 0..TRIES {
        let made = match make() {
            Err(why) if why.kind() == ErrorKind::NotFound => continue,
            other => other?,
        };
        let (path, file) = parts(&made);
        match file.try_lock() {
            Ok(()) if is_at(file, path) => return Ok(made),
            // A sweep was here before.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            // No locks on this file system: then nothing is swept there.
            Err(TryLockError::Error(_)) => return Ok(made),
        }
    }
    make()
}

fn open(path: &Path, how: OFlags) -> io::Result<File> {
    let how = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, how, Mode::empty())?.into())
}

/// Whether this is what the path leads to.
fn is_at(file: &File, path: &Path) -> bool {
    let ids = |found: std::fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(file), Ok(path)) => ids(file) == ids(path),
        _ => false,
    }
}

/// Takes away the folders that killed looks left in this folder.
pub(crate) fn sweep_asides(within: &Path) {
    for path in named(within, ASIDE) {
        sweep(&path, OFlags::RDONLY | OFlags::DIRECTORY, |_, found| {
            found.is_dir() && holds_a_store(&path)
        });
    }
}

/// Takes away the files that killed backups left in this folder.
pub(crate) fn sweep_copies(within: &Path) {
    for path in named(within, BACKUP) {
        sweep(&path, OFlags::RDWR, |file, found| {
            found.is_file() && begins_as_copy(file)
        });
    }
}

/// What in a folder has a name as it is made here.
fn named(within: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(within) else {
        return Vec::new();
    };
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let random = name.and_then(|name| name.strip_prefix(prefix));
        random.is_some_and(|r| r.len() == RANDOM && r.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(ours)
        .collect()
}

/// Takes one away, if it is this user's, if `ours` says so, and if nobody has it locked.
fn sweep(path: &Path, how: OFlags, ours: impl Fn(&File, &std::fs::Metadata) -> bool) {
    // Another user's, a link, or gone meanwhile.
    let Ok(file) = open(path, how) else { return };
    let Ok(found) = file.metadata() else { return };
    if found.uid() != rustix::process::geteuid().as_raw()
        || file.try_lock().is_err()
        || !ours(&file, &found)
        || !is_at(&file, path)
    {
        return;
    }
    let gone = if found.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match gone {
        Ok(()) => tracing::info!(path = %path.display(), "what a killed command left is gone"),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "what a killed command left stays");
        }
    }
}

/// Whether nothing is in a folder but what a copied store has.
fn holds_a_store(folder: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.all(|entry| {
        let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
        match name.to_str() {
            Some("keyspaces" | "version" | "answered" | "rows" | "rows.new" | "lock") => true,
            Some(name) => name
                .strip_suffix(".jnl")
                .is_some_and(|number| number.parse::<u64>().is_ok()),
            None => false,
        }
    })
}

/// Whether a file is the beginning of a copy: it may have nothing yet, or, after a power loss, zeros.
fn begins_as_copy(mut file: &File) -> bool {
    let mut head = Vec::new();
    if file
        .by_ref()
        .take(BEGINS.len() as u64)
        .read_to_end(&mut head)
        .is_err()
    {
        return false;
    }
    BEGINS.starts_with(&head) || head.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(within: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(within).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_nobody_holds_is_swept_and_what_is_held_stays() {
        let at = tempfile::tempdir().unwrap();
        let (aside, file) = (Aside::make(at.path()).unwrap(), copy(at.path()).unwrap());
        std::fs::create_dir(aside.path().join("keyspaces")).unwrap();
        for (name, text) in [("aaaaaa", ""), ("bbbbbb", "PARL"), ("cccccc", "\0\0\0")] {
            std::fs::write(at.path().join(format!("{BACKUP}{name}")), text).unwrap();
        }
        std::fs::write(
            at.path().join(format!("{BACKUP}dddddd")),
            b"PARLOURBAK\x01more",
        )
        .unwrap();
        let old = at.path().join(format!("{ASIDE}aaaaaa"));
        std::fs::create_dir_all(old.join("keyspaces/1/tables")).unwrap();
        std::fs::write(old.join("12.jnl"), "").unwrap();
        sweep_asides(at.path());
        sweep_copies(at.path());
        let mut held = vec![
            file.path()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
            aside
                .path()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
        ];
        held.sort();
        assert_eq!(left(at.path()), held);
        drop((aside, file));
        assert_eq!(left(at.path()), Vec::<String>::new());
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        let at = tempfile::tempdir().unwrap();
        let (aside, file) = (Aside::make(at.path()).unwrap(), copy(at.path()).unwrap());
        for (path, mode) in [(aside.path(), 0o700), (file.path(), 0o600)] {
            let found = path.metadata().unwrap().mode() & 0o7777;
            assert_eq!(found, mode, "{}: {found:o}", path.display());
        }
    }

    #[test]
    fn what_is_not_of_this_program_stays() {
        let at = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let (within, own) = (at.path(), elsewhere.path().join("keyspaces"));
        std::fs::create_dir(&own).unwrap();
        std::fs::write(elsewhere.path().join("0.jnl"), "mine").unwrap();
        // By a link, whatever lies there.
        std::os::unix::fs::symlink(elsewhere.path(), within.join(format!("{ASIDE}linked")))
            .unwrap();
        let file = elsewhere.path().join("0.jnl");
        std::os::unix::fs::symlink(&file, within.join(format!("{BACKUP}linked"))).unwrap();
        // Another name, or other contents.
        for name in ["longer2", "short", "dash-x", "notes1"] {
            std::fs::create_dir(within.join(format!("{ASIDE}{name}"))).unwrap();
            std::fs::write(within.join(format!("{BACKUP}{name}")), "mine").unwrap();
        }
        std::fs::write(within.join(format!("{ASIDE}notes1/letter")), "mine").unwrap();
        // A pipe nobody writes to, and a folder where a file should be.
        let pipe = within.join(format!("{BACKUP}apipe1"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::fs::create_dir(within.join(format!("{BACKUP}folder"))).unwrap();
        // Another user's, where this one may make such.
        let other = within.join(format!("{ASIDE}theirs"));
        std::fs::create_dir(&other).unwrap();
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(12_345),
            rustix::fs::Gid::from_raw(12_345),
        );
        if rustix::fs::chown(&other, Some(uid), Some(gid)).is_err() {
            std::fs::remove_dir(&other).unwrap();
        }
        let before = left(within);
        sweep_asides(within);
        sweep_copies(within);
        assert_eq!(left(within), before);
        assert!(own.exists() && std::fs::read(file).unwrap() == b"mine");
    }

    #[test]
    fn one_that_is_swept_before_it_is_locked_is_made_again() {
        let at = tempfile::tempdir().unwrap();
        let swept = std::cell::Cell::new(0);
        let made = held(
            || {
                let new = tempfile::NamedTempFile::new_in(at.path())?;
                if swept.replace(swept.get() + 1) < 2 {
                    std::fs::remove_file(new.path())?;
                }
                Ok(new)
            },
            |new| (new.path(), new.as_file()),
        );
        assert!(made.unwrap().path().exists());
        assert_eq!(swept.get(), 3);
    }
}
