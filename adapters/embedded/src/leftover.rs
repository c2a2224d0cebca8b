//! What lies about for the length of a command: a copy that is being written, a store that is looked at
//! aside. Each is locked by whoever uses it; what a killed command left is locked by nobody, and the
//! next command takes it away.
//!
//! Promises: nothing is taken away that another process uses, that is another user's, that is reached
//! by a symbolic link, whose name is not one of those that are made here, or that holds anything else
//! than what is put there. Where the file system has no locks, everything stays; where locks are known
//! to one machine alone, a copy that was written to within the last hour. Never: an error; what cannot
//! be swept is answered in sentences.

use std::ffi::OsStr;
use std::fs::{File, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tempfile::{NamedTempFile, TempDir};

use crate::backup::BEGINS;
use crate::judge::cannot;

/// How the folder of a store that is looked at aside begins.
const ASIDE: &str = "parlour-aside-";
/// How a copy that is not whole yet begins.
const BACKUP: &str = ".parlour-backup-";
/// Letters and digits behind that.
const RANDOM: usize = 6;
/// How often a new one is made if another command swept it before it was locked.
const TRIES: usize = 16;
/// Since a copy was last written to, before it counts as left: another machine may write it.
const LEFT: Duration = Duration::from_secs(60 * 60);

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
    let why = "others lock or take away what is made here";
    let mut last = io::Error::new(ErrorKind::ResourceBusy, why);
    for _ in 0..TRIES {
        let made = match make() {
            Err(why) if why.kind() == ErrorKind::NotFound => {
                last = why;
                continue;
            }
            other => other?,
        };
        let (path, file) = parts(&made);
        match file.try_lock() {
            Ok(()) if is_at(file, path) => return Ok(made),
            // A sweep was here before.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            // Then nothing is swept there either.
            Err(TryLockError::Error(why)) if has_no_locks(&why) => return Ok(made),
            Err(TryLockError::Error(why)) => return Err(why),
        }
    }
    Err(last)
}

/// Whether it is that the file system has no locks.
fn has_no_locks(why: &io::Error) -> bool {
    Errno::from_io_error(why)
        .is_some_and(|number| cannot(number) || matches!(number, Errno::NOLCK | Errno::INVAL))
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

/// Takes away the folders that killed looks left in this folder. Answers what stays, in sentences.
pub(crate) fn sweep_asides(within: &Path) -> Vec<String> {
    let each = |path: PathBuf| {
        sweep(&path, OFlags::RDONLY | OFlags::DIRECTORY, |_, found| {
            if found.is_dir() && holds_a_store(&path) {
                Ours::Left
            } else {
                Ours::No
            }
        })
    };
    named(within, ASIDE).into_iter().filter_map(each).collect()
}

/// Takes away the files that killed backups left in this folder. Answers what stays, in sentences.
pub(crate) fn sweep_copies(within: &Path) -> Vec<String> {
    let each = |path: PathBuf| {
        sweep(&path, OFlags::RDWR, |file, found| {
            let written = found.modified().ok();
            let idle = written.and_then(|at| SystemTime::now().duration_since(at).ok());
            if !found.is_file() || !begins_as_copy(file) {
                Ours::No
            } else if idle.is_some_and(|idle| idle > LEFT) {
                Ours::Left
            } else {
                Ours::Young
            }
        })
    };
    named(within, BACKUP).into_iter().filter_map(each).collect()
}

/// What one that nobody has locked is.
enum Ours {
    /// A killed command left it.
    Left,
    /// It looks so, and may be another machine's.
    Young,
    /// It is something else.
    No,
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

/// Takes one away, if it is this user's, if `ours` says so, and if nobody has it locked. Answers why it
/// stays, where a person should look at it.
fn sweep(
    path: &Path,
    how: OFlags,
    ours: impl Fn(&File, &std::fs::Metadata) -> Ours,
) -> Option<String> {
    // Another user's, a link, or gone meanwhile.
    let file = open(path, how).ok()?;
    let found = file.metadata().ok()?;
    if found.uid() != rustix::process::geteuid().as_raw() || file.try_lock().is_err() {
        return None;
    }
    let shown = path.display();
    match ours(&file, &found) {
        Ours::Left if is_at(&file, path) => {}
        Ours::Left | Ours::Young => return None,
        Ours::No => {
            return Some(format!(
                "{shown} has the name of what a killed command leaves, and holds something else: it \
                 stays. Look at it, and move it away"
            ));
        }
    }
    let gone = if found.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match gone {
        Ok(()) => {
            tracing::info!(path = %shown, "what a killed command left is gone");
            None
        }
        Err(error) => Some(format!(
            "{shown} was left by a killed command, and cannot be taken away: {error}. Take it away \
             by hand"
        )),
    }
}

/// Whether a store has something of this name, outside of its keyspaces. What is copied for a look, and
/// what is swept, is this and nothing else.
pub(crate) fn is_of_a_store(name: &OsStr) -> bool {
    match name.to_str() {
        Some("keyspaces" | "version" | "answered" | "rows" | "rows.new" | "lock") => true,
        Some(name) => name
            .strip_suffix(".jnl")
            .is_some_and(|number| number.parse::<u64>().is_ok()),
        None => false,
    }
}

/// Whether nothing is in a folder but what a copied store has.
fn holds_a_store(folder: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.all(|entry| entry.is_ok_and(|entry| is_of_a_store(&entry.file_name())))
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

    /// Lets a file be last written to so long ago.
    fn age(path: &Path, secs: u64) {
        let file = File::options().write(true).open(path).unwrap();
        let then = SystemTime::now() - Duration::from_secs(secs);
        file.set_modified(then).unwrap();
    }

    #[test]
    fn a_copy_that_was_written_to_a_short_while_ago_may_be_another_machines() {
        let at = tempfile::tempdir().unwrap();
        for (name, secs) in [("aaaaaa", 3_700), ("bbbbbb", 3_500), ("cccccc", 0)] {
            let path = at.path().join(format!("{BACKUP}{name}"));
            std::fs::write(&path, "PARL").unwrap();
            age(&path, secs);
        }
        assert_eq!(sweep_copies(at.path()), Vec::<String>::new());
        assert_eq!(
            left(at.path()),
            ["bbbbbb", "cccccc"].map(|name| format!("{BACKUP}{name}"))
        );
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
        for name in ["aaaaaa", "bbbbbb", "cccccc", "dddddd"] {
            age(&at.path().join(format!("{BACKUP}{name}")), 3_700);
        }
        let old = at.path().join(format!("{ASIDE}aaaaaa"));
        std::fs::create_dir_all(old.join("keyspaces/1/tables")).unwrap();
        std::fs::write(old.join("12.jnl"), "").unwrap();
        assert_eq!(sweep_asides(at.path()), Vec::<String>::new());
        assert_eq!(sweep_copies(at.path()), Vec::<String>::new());
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
        let said = [sweep_asides(within), sweep_copies(within)].concat();
        assert_eq!(left(within), before);
        // Only of what could be ours, and is not.
        for path in [format!("{ASIDE}notes1"), format!("{BACKUP}notes1")] {
            let of_it = |said: &&String| said.contains(&path);
            assert_eq!(said.iter().filter(of_it).count(), 1, "{said:?}");
        }
        assert_eq!(said.len(), 3, "{said:?}");
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

    #[test]
    fn one_that_is_locked_or_taken_away_again_and_again_is_an_error() {
        let at = tempfile::tempdir().unwrap();
        let others = std::cell::RefCell::new(Vec::new());
        let locked = held(
            || {
                let new = tempfile::NamedTempFile::new_in(at.path())?;
                let other = File::open(new.path())?;
                other.lock()?;
                others.borrow_mut().push(other);
                Ok(new)
            },
            |new| (new.path(), new.as_file()),
        );
        let why = locked.unwrap_err();
        assert_eq!(why.kind(), ErrorKind::ResourceBusy);
        assert!(why.to_string().contains("others lock"), "{why}");
        let nowhere = at.path().join("nowhere");
        let why = Aside::make(&nowhere).unwrap_err();
        assert_eq!(why.kind(), ErrorKind::NotFound);
        for (number, none) in [
            (Errno::NOLCK, true),
            (Errno::OPNOTSUPP, true),
            (Errno::IO, false),
        ] {
            assert_eq!(has_no_locks(&number.into()), none, "{number:?}");
        }
    }
}
