//! [`Watch`]: what a running store knows of its own damage.
//!
//! The engine says that a block does not fit its checksum, and not in which file. So the first read
//! that fails has every file read, on a thread of its own; who met it waits a little for the name,
//! and from then on it is known.
//!
//! Promises: a row that cannot be read is an error, never an absence; the file is named in the log,
//! in the error where that was in time, and to whoever asks how the store is. Never: a change.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use parlour_ports::Error;

use super::{Damage, Depth, look};
use crate::commit::stopped;
use crate::table;

/// How long a read that failed waits for the file's name.
const WAIT: Duration = Duration::from_secs(3);
/// How long it takes until files are read once more that had nothing wrong.
const AGAIN: Duration = Duration::from_secs(60);

#[derive(Default)]
struct State {
    /// A search began then.
    began: Option<Instant>,
    damaged: Vec<Damage>,
}

/// What is known of a store's damage. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Watch {
    folder: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Watch {
    /// For the store of this data folder.
    pub(crate) fn new(folder: &Path) -> Self {
        metrics::gauge!("parlour_store_damaged_files").set(0.0);
        Self {
            folder: folder.to_owned(),
            state: Arc::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files that are known to be damaged, within the data folder, in words that are for anyone.
    pub(crate) fn damage(&self) -> Option<String> {
        let state = self.state();
        let names: Vec<_> = state
            .damaged
            .iter()
            .map(|d| d.path.strip_prefix(&self.folder).unwrap_or(&d.path))
            .map(|path| path.display().to_string())
            .collect();
        (!names.is_empty())
            .then(|| format!("damaged: {}; the log says what to do", names.join(", ")))
    }

    /// A row that the engine does not give.
    pub(crate) fn unreadable(&self, key: &[u8], error: &fjall::Error) -> Error {
        self.broken(&format!("{} cannot be read", table::named(key)), error)
    }

    /// What the engine does not do, with the file that is the cause, if there is one.
    pub(crate) fn broken(&self, what: &str, error: &fjall::Error) -> Error {
        match self.search() {
            Some(damage) => self.named(what, damage),
            None => Error::Broken {
                what: "store",
                why: format!(
                    "{what}: {error}. If a file is damaged, the log names it as soon as it is \
                     found; `parlour verify` names it as well, once the process was stopped"
                ),
            },
        }
    }

    /// The engine's work in the background failed, and it takes no more writes.
    pub(crate) fn stopped(&self) -> Error {
        match self.search() {
            Some(damage) => self.named("the store takes no more writes", damage),
            None => stopped(
                "fjall's work in the background failed, as it does when the disk is full; its own messages have the cause",
            ),
        }
    }

    fn named(&self, what: &str, Damage { path, why }: Damage) -> Error {
        let (path, remedy) = (path.display(), self.remedy());
        let why = match self.state().damaged.len() {
            0 | 1 => why,
            all => format!("{why}; so are {} more files, which the log names", all - 1),
        };
        Error::Broken {
            what: "store",
            why: format!("{what}: {path} is damaged: {why}. {remedy}"),
        }
    }

    fn remedy(&self) -> String {
        format!(
            "Stop the process, move {} aside, and restore a backup: `parlour restore BACKUP {}`. \
             `parlour verify` names everything that is damaged",
            self.folder.display(),
            self.folder.display()
        )
    }

    /// A file that is damaged, if one is found in time.
    fn search(&self) -> Option<Damage> {
        {
            let mut state = self.state();
            if let Some(known) = state.damaged.first() {
                return Some(known.clone());
            }
            if state.began.is_some_and(|began| began.elapsed() < AGAIN) {
                return None;
            }
            state.began = Some(Instant::now());
        }
        let (tell, told) = mpsc::sync_channel(1);
        let this = self.clone();
        let started = std::thread::Builder::new()
            .name("damage".to_owned())
            .spawn(move || {
                this.read_all();
                // Whoever asked may have stopped waiting.
                let _ = tell.send(());
            });
        if let Err(error) = started {
            tracing::error!(%error, "no thread to look for damaged files; `parlour verify` does it");
            return None;
        }
        match told.recv_timeout(WAIT) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!(
                    "a row cannot be read; all files are read to find which is damaged"
                );
            }
        }
        self.state().damaged.first().cloned()
    }

    fn read_all(&self) {
        let seen = match look(
            &self.folder.join("store"),
            true,
            Depth::Whole,
            &mut |_, _| {},
        ) {
            Ok(seen) => seen,
            Err(error) => {
                tracing::error!(%error, "files cannot be looked at for damage");
                return;
            }
        };
        for Damage { path, why } in &seen.damaged {
            tracing::error!(
                file = %path.display(),
                why,
                remedy = self.remedy(),
                "a file of the store is damaged"
            );
        }
        metrics::gauge!("parlour_store_damaged_files").set(seen.damaged.len() as f64);
        if seen.damaged.is_empty() {
            tracing::error!(
                files = seen.files,
                "no file is damaged; the system's own messages may say why a row could not be read"
            );
        }
        self.state().damaged = seen.damaged;
    }
}
