//! The committer: one thread that writes. It takes whatever waits, puts it into one batch, syncs
//! once, and then answers everyone.
//!
//! Promises: what was answered is on disk; a job sees what jobs before it wrote, committed or not;
//! a batch is there whole or not at all. When the disk is nearly full nothing is written and
//! everyone is told so. When a write or sync failed nothing is answered ever again: nobody knows
//! what is on disk, so the process must end.

use std::collections::HashMap;
use std::path::PathBuf;
use std::thread::JoinHandle;

use fjall::{Database, Keyspace, PersistMode};
use minicbor::{Decode, Encode};
use parlour_ports::Error;
use parlour_protocol::row;
use tokio::sync::{mpsc, oneshot};

/// Jobs that wait; past it the caller waits.
const JOBS: usize = 4_096;
/// Jobs in one batch, at most.
const BATCH: usize = 1_024;

type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;
type Job = Box<dyn FnOnce(&mut Tx<'_>) -> Answer + Send>;

/// What one batch changes, over what is there.
pub(crate) struct Tx<'a> {
    data: &'a Keyspace,
    changed: HashMap<Vec<u8>, Option<Vec<u8>>>,
    failed: Option<Error>,
}

impl Tx<'_> {
    pub(crate) fn get_bytes(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.changed.get(key) {
            return value.clone();
        }
        match self.data.get(key) {
            Ok(value) => value.map(|v| v.to_vec()),
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// The row of a key. One that cannot be read fails the batch.
    pub(crate) fn get<T: for<'b> Decode<'b, ()>>(&mut self, key: &[u8]) -> Option<T> {
        let bytes = self.get_bytes(key)?;
        match row::from_bytes(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed.get_or_insert(broken(error));
                None
            }
        }
    }

    pub(crate) fn put<T: Encode<()>>(&mut self, key: Vec<u8>, value: &T) {
        self.changed.insert(key, Some(row::to_bytes(value)));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.changed.insert(key, None);
    }

    /// Keys of a prefix, as they will stand.
    pub(crate) fn keys(&mut self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let mut keys = std::collections::BTreeSet::new();
        for item in self.data.prefix(prefix) {
            match item.key() {
                Ok(key) => {
                    keys.insert(key.to_vec());
                }
                Err(error) => self.fail(&error),
            }
        }
        for (key, value) in &self.changed {
            if key.starts_with(prefix) {
                if value.is_some() {
                    keys.insert(key.clone());
                } else {
                    keys.remove(key);
                }
            }
        }
        keys.into_iter().collect()
    }

    fn fail(&mut self, error: &fjall::Error) {
        self.failed.get_or_insert(broken(error));
    }
}

/// Hands jobs to the committer. Dropped, it waits for the thread to end: whoever opens the folder
/// next finds nobody there.
pub(crate) struct Committer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Committer {
    pub(crate) fn start(
        db: Database,
        data: Keyspace,
        folder: PathBuf,
        reserve_bytes: u64,
    ) -> std::io::Result<Self> {
        let (jobs, taken) = mpsc::channel(JOBS);
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || run(&db, &data, &folder, reserve_bytes, taken))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs a job in the next batch. Its value comes back once that batch is on disk.
    ///
    /// # Errors
    /// `Full`: nothing happened. `Broken`: nobody knows.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let value = job(tx);
            Box::new(move |done| {
                let _ = tell.send(done.map(|()| value));
            })
        });
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::Broken {
        what: "store",
        why: "the committer ended after a failed write; the log has the cause. Restart the process: the store opens with what is on disk".to_owned(),
    }
}

pub(crate) fn broken(error: impl std::fmt::Display) -> Error {
    Error::Broken {
        what: "store",
        why: format!(
            "{error}. Stop the process and run `parlour verify` on the data folder; restore a backup if it finds damage"
        ),
    }
}

fn run(
    db: &Database,
    data: &Keyspace,
    folder: &std::path::Path,
    reserve_bytes: u64,
    mut jobs: mpsc::Receiver<Job>,
) {
    let mut poisoned: Option<Error> = None;
    while let Some(first) = jobs.blocking_recv() {
        let mut tx = Tx {
            data,
            changed: HashMap::new(),
            failed: None,
        };
        let mut answers = Vec::new();
        if poisoned.is_none() {
            answers.push(first(&mut tx));
            while answers.len() < BATCH
                && let Ok(job) = jobs.try_recv()
            {
                answers.push(job(&mut tx));
            }
        } else {
            // Its answer is dropped: the caller is told that the committer is gone.
            drop(first);
            continue;
        }
        metrics::histogram!("parlour_store_jobs").record(answers.len() as f64);
        let done = commit(db, data, folder, reserve_bytes, tx);
        if let Err(error @ Error::Broken { .. }) = &done {
            tracing::error!(%error, "the store takes no more writes");
            poisoned = Some(error.clone());
        }
        for answer in answers {
            answer(done.clone());
        }
    }
}

fn commit(
    db: &Database,
    data: &Keyspace,
    folder: &std::path::Path,
    reserve_bytes: u64,
    tx: Tx<'_>,
) -> Result<(), Error> {
    if let Some(error) = tx.failed {
        return Err(error);
    }
    if tx.changed.is_empty() {
        return Ok(());
    }
    let free = free_bytes(folder);
    if free.is_some_and(|free| free < reserve_bytes) {
        metrics::counter!("parlour_store_full").increment(1);
        return Err(Error::Full {
            what: "store",
            why: format!(
                "{} has {} MiB left, and {} MiB are kept for what is already accepted",
                folder.display(),
                free.unwrap_or(0) >> 20,
                reserve_bytes >> 20
            ),
        });
    }
    let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
    for (key, value) in tx.changed {
        match value {
            Some(value) => batch.insert(data, key, value),
            None => batch.remove(data, key),
        }
    }
    batch.commit().map_err(broken)
}

/// What the disk has left for us, if the system says.
pub(crate) fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
