//! [`Watch`]: what a running store knows of its own damage.
//!
//! The engine says that a block does not fit its checksum, and not in which file. So a read that
//! meets damage has every file read, on a thread of its own: one search at a time, and the next not
//! before that thread was idle for ten times as long as the last took, and a minute at least. Only a
//! store that takes no more writes, and a node that is about to end, have it begin at once. An error
//! that says nothing of a file, such as a want of descriptors, has nothing searched. One that says that
//! the disk is gone is told as that, until a search can read it.
//!
//! Promises: a row that cannot be read is an error, never an absence, and no read waits for the name of
//! the file; a store that stops taking writes waits three seconds for it, and a node that is about to
//! end ten ([`Watch::settled`]). Each file that is damaged is named in the log, once for each thing that
//! is wrong with it, and to whoever asks how the store is, until a search finds it whole; an error after
//! that names those that are known, and claims of none that it is the cause. An error that came while a
//! search ran, or after, is followed by another search. Never: a change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use parlour_ports::Error;

use super::{Damage, Depth, Seen, io_error, look};
use crate::commit::stopped;
use crate::error::{self, plain, remedy};
use crate::judge::{Says, says};
use crate::table;

/// How long a store that takes no more writes waits for the name of a damaged file. Reads never do.
const WAIT: Duration = Duration::from_secs(3);
/// The same for a process that is about to end.
const WAIT_AT_END: Duration = Duration::from_secs(10);
/// Between the end of a search and the next, at least.
const AGAIN: Duration = Duration::from_secs(60);
/// The same, in times of how long a search took.
const IDLE: u32 = 10;
/// Damaged files that one error names.
const NAMED: usize = 3;

#[derive(Default)]
struct State {
    /// The thread that searches is there; it stays until it may search again.
    thread: bool,
    /// Searches that began, and those that ended.
    began: u64,
    ended: u64,
    /// An error came since the last search began.
    wanted: bool,
    /// It must not wait for its turn.
    hurry: bool,
    damaged: Vec<Damage>,
    /// The disk is gone, and this is what the system said.
    gone: Option<String>,
}

struct Inner {
    folder: PathBuf,
    /// Between the end of a search and the next, at least.
    again: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

/// What is known of a store's damage. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

/// Lets another thread begin when this one ended in a panic.
struct Ends(Arc<Inner>);

impl Drop for Ends {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.gone();
        }
    }
}

impl Watch {
    /// For the store of this data folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self::again_after(folder, AGAIN)
    }

    fn again_after(folder: &Path, again: Duration) -> Self {
        metrics::gauge!("parlour_store_damaged_files").set(0.0);
        metrics::gauge!("parlour_store_disk_gone").set(0.0);
        Self(Arc::new(Inner {
            folder: folder.to_owned(),
            again,
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// Files that are known to be damaged, within the data folder, in words that are for anyone.
    pub(crate) fn damage(&self) -> Option<String> {
        let (state, folder) = (self.0.state(), &self.0.folder);
        let names: Vec<_> = state
            .damaged
            .iter()
            .map(|d| d.path.strip_prefix(folder).unwrap_or(&d.path))
            .map(|path| path.display().to_string())
            .collect();
        (!names.is_empty())
            .then(|| format!("damaged: {}; the log says what to do", names.join(", ")))
    }

    /// That the disk is gone, if it is, in words that are for anyone.
    pub(crate) fn gone(&self) -> Option<String> {
        self.0
            .state()
            .gone
            .as_ref()
            .map(|why| format!("the disk or mount of the store is gone, or does not answer: {why}"))
    }

    /// A row that the engine does not give.
    pub(crate) fn unreadable(&self, key: &[u8], error: &fjall::Error) -> Error {
        self.unread(&format!("{} cannot be read", table::named(key)), error)
    }

    /// Rows that the engine does not give.
    pub(crate) fn unread(&self, what: &str, error: &fjall::Error) -> Error {
        match io_error(error) {
            // Nothing is wrong with the disk, and the same read may go well in a moment.
            Some(why) if says(why) == Says::Nothing => Error::Unavailable {
                what: "store",
                why: format!("{what}: {}", plain(why)),
            },
            _ => self.broken(what, error),
        }
    }

    /// The disk is gone: nothing is known of any file.
    fn without_disk(&self, what: &str, why: &str) -> Error {
        self.0.is_gone(why);
        // It goes on until the disk is back: once it is, reads go well, and nobody else asks.
        self.0.want(false);
        Error::Broken {
            what: "store",
            why: format!("{what}: {why}. {}", error::GONE),
        }
    }

    /// What the engine does not do. If a damaged file is the cause, it is looked for.
    pub(crate) fn broken(&self, what: &str, error: &fjall::Error) -> Error {
        if let Some(why) = io_error(error).filter(|why| says(why) == Says::Gone) {
            return self.without_disk(what, &why.to_string());
        }
        self.0.want(false);
        let known = self.0.known().unwrap_or_else(|| {
            format!(
                "If a file is damaged, the log names it as soon as it is found. {}",
                self.0.remedy()
            )
        });
        Error::Broken {
            what: "store",
            why: format!("{what}: {error}. {known}"),
        }
    }

    /// The engine's work in the background failed, and it takes no more writes. Waits for a while, for
    /// there is nothing else to do: what is damaged is said with it.
    pub(crate) fn stopped(&self) -> Error {
        const FAILED: &str =
            "the store takes no more writes: fjall's work in the background failed";
        let search = self.0.want(true);
        let state = self.0.state();
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, WAIT, |state| state.ended < search);
        drop(waited);
        if let Some(gone) = self.gone() {
            return Error::Broken {
                what: "store",
                why: format!("{FAILED}: {gone}. {}", error::GONE),
            };
        }
        match self.0.known() {
            Some(known) => Error::Broken {
                what: "store",
                why: format!("{FAILED}. {known}"),
            },
            None => stopped(&format!(
                "{FAILED}, as it does when the disk is full, or when the process may open no more \
                 files (`ulimit -n`); its own messages have the cause"
            )),
        }
    }

    /// Waits for a while until the search that is under way has ended, if one is.
    pub(crate) fn settled(&self) {
        let mut state = self.0.state();
        let search = state.began + u64::from(state.wanted);
        // One that waits for its turn has no other.
        state.hurry |= state.wanted;
        self.0.changed.notify_all();
        let under_way = |state: &mut State| state.thread && state.ended < search;
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, WAIT_AT_END, under_way);
        let late = waited.is_ok_and(|(_, timeout)| timeout.timed_out());
        if late {
            tracing::warn!(
                "the search for damaged files has not ended; `parlour verify` on the data folder \
                 names them"
            );
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known to be damaged, and what to do; none if nothing is.
    fn known(&self) -> Option<String> {
        let damaged = self.state().damaged.clone();
        if damaged.is_empty() {
            return None;
        }
        let named: Vec<_> = damaged
            .iter()
            .take(NAMED)
            .map(|Damage { path, why }| format!("{}: {why}", path.display()))
            .collect();
        let more = match damaged.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more, which the log names"),
        };
        Some(format!(
            "Damaged, as far as is known: {}{more}. {}",
            named.join("; "),
            self.remedy()
        ))
    }

    /// The disk is gone. Said once, until it is back.
    fn is_gone(&self, why: &str) {
        let mut state = self.state();
        if state.gone.replace(why.to_owned()).is_none() {
            metrics::gauge!("parlour_store_disk_gone").set(1.0);
            tracing::error!(
                folder = %self.folder.display(),
                why,
                remedy = error::GONE,
                "the store cannot be reached"
            );
        }
    }

    fn remedy(&self) -> String {
        format!("Stop the process. {}", remedy(Some(&self.folder)))
    }

    /// Asks for a search that begins from now on. Answers how many will have ended with it.
    fn want(self: &Arc<Self>, hurry: bool) -> u64 {
        let mut state = self.state();
        state.wanted = true;
        state.hurry |= hurry;
        let search = state.began + 1;
        if state.thread {
            drop(state);
            self.changed.notify_all();
            return search;
        }
        state.thread = true;
        drop(state);
        let ends = Ends(self.clone());
        let started = std::thread::Builder::new()
            .name("damage".to_owned())
            .spawn(move || ends.0.run());
        if let Err(error) = started {
            tracing::error!(%error, "no thread to look for damaged files; `parlour verify` does it");
            self.gone();
            return 0;
        }
        search
    }

    /// The thread is no more, or never was.
    fn gone(&self) {
        let mut state = self.state();
        state.thread = false;
        state.ended = state.began;
        drop(state);
        self.changed.notify_all();
    }

    /// Searches, and goes on until no error came for as long as no search may begin, and the disk is
    /// there.
    fn run(self: &Arc<Self>) {
        loop {
            {
                let mut state = self.state();
                state.began += 1;
                (state.wanted, state.hurry) = (false, false);
            }
            let began = Instant::now();
            self.read_all();
            let pause = self.again.max(began.elapsed().saturating_mul(IDLE));
            let mut state = self.state();
            state.ended = state.began;
            self.changed.notify_all();
            let until = Instant::now() + pause;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                // The store was closed; or the time is over, and nothing is to be found any more.
                let alone = Arc::strong_count(self) == 1;
                let done = !state.wanted && state.gone.is_none();
                if alone || left.is_zero() && done {
                    state.thread = false;
                    return;
                }
                if state.hurry || left.is_zero() {
                    break;
                }
                let waited = self.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn read_all(&self) {
        let store = self.folder.join("store");
        if self.state().gone.is_none() {
            tracing::warn!(
                store = %store.display(),
                "the engine gave an error; all files are read to find which is damaged"
            );
        }
        let mut seen = Seen::default();
        match look(&store, true, Depth::Whole, &mut |_, _| {}) {
            Ok(found) => seen = found,
            Err(crate::Error::Gone { why, .. }) => return self.is_gone(&why.to_string()),
            Err(crate::Error::Damaged { path, why }) => seen.damaged.push(Damage { path, why }),
            // It says nothing of any file.
            Err(error) => {
                tracing::error!(%error, "files cannot be looked at for damage");
                return;
            }
        }
        let mut state = self.state();
        let back = state.gone.take().is_some();
        if back {
            metrics::gauge!("parlour_store_disk_gone").set(0.0);
            tracing::info!("the store can be reached again");
        }
        for damage in &seen.damaged {
            let Damage { path, why } = damage;
            if state.damaged.contains(damage) {
                continue;
            }
            tracing::error!(
                file = %path.display(),
                why,
                remedy = self.remedy(),
                "a file of the store is damaged"
            );
        }
        metrics::gauge!("parlour_store_damaged_files").set(seen.damaged.len() as f64);
        if seen.damaged.is_empty() && !back {
            tracing::error!(
                files = seen.files,
                "no file is damaged; the system's own messages may have the cause"
            );
        }
        state.damaged = seen.damaged;
    }
}

#[cfg(test)]
mod tests;
