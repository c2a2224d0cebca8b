//! The committer: one thread that writes. It takes whatever waits, puts it into one batch, syncs
//! once, and then answers everyone.
//!
//! Promises: what was answered is on disk; a job sees what jobs before it wrote, committed or not;
//! a batch is there whole or not at all. A job that meets a row that cannot be read fails alone,
//! and nothing of it is written. When the disk is nearly full nothing is written and everyone is
//! told so. When a write or sync failed nothing is answered ever again: nobody knows
//! what is on disk, so the process must end.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use fjall::Keyspace;
use minicbor::{Decode, Encode};
use parlour_ports::Error;
use parlour_protocol::row;
use tokio::sync::{mpsc, oneshot};

use crate::batch::Batches;
use crate::error::plain;
use crate::files::{self, Watch};
use crate::judge::{Says, says};
use crate::table;

/// Jobs that wait; past it the caller waits.
const JOBS: usize = 4_096;
/// Jobs in one batch, at most.
const BATCH: usize = 1_024;

type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;
type Job = Box<dyn FnOnce(&mut Tx<'_>) -> Answer + Send>;

/// What one batch changes, over what is there.
pub(crate) struct Tx<'a> {
    data: &'a Keyspace,
    watch: &'a Watch,
    /// By jobs before.
    changed: Changed,
    /// By the job that runs.
    own: Changed,
    failed: Option<Error>,
}

type Changed = HashMap<Vec<u8>, Option<Vec<u8>>>;

impl Tx<'_> {
    pub(crate) fn get_bytes(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.own.get(key).or_else(|| self.changed.get(key)) {
            return value.clone();
        }
        match self.data.get(key) {
            Ok(value) => value.map(|v| v.to_vec()),
            Err(error) => {
                self.fail(self.watch.unreadable(key, &error));
                None
            }
        }
    }

    /// The row of a key. One that cannot be read fails the job.
    pub(crate) fn get<T: for<'b> Decode<'b, ()>>(&mut self, key: &[u8]) -> Option<T> {
        let bytes = self.get_bytes(key)?;
        match row::from_bytes(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fail(unreadable(key, error));
                None
            }
        }
    }

    pub(crate) fn put<T: Encode<()>>(&mut self, key: Vec<u8>, value: &T) {
        self.own.insert(key, Some(row::to_bytes(value)));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.own.insert(key, None);
    }

    /// Keys of a prefix, as they will stand.
    pub(crate) fn keys(&mut self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let mut keys = std::collections::BTreeSet::new();
        for item in self.data.prefix(prefix) {
            match item.key() {
                Ok(key) => {
                    keys.insert(key.to_vec());
                }
                Err(error) => self.fail(self.watch.unreadable(prefix, &error)),
            }
        }
        for (key, value) in self.changed.iter().chain(&self.own) {
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

    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }

    /// Runs one job. None: it failed, and was told so; what it changed is forgotten.
    fn run(&mut self, job: Job) -> Option<Answer> {
        let answer = job(self);
        let own = std::mem::take(&mut self.own);
        if let Some(error) = self.failed.take() {
            tracing::error!(%error, "a job failed, and wrote nothing");
            answer(Err(error));
            return None;
        }
        self.changed.extend(own);
        Some(answer)
    }
}

/// Hands jobs to the committer. Dropped, it waits for the thread to end: whoever opens the folder
/// next finds nobody there.
pub(crate) struct Committer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    poisoned: Arc<OnceLock<Error>>,
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
        batches: Batches,
        data: Keyspace,
        folder: PathBuf,
        room: Room,
        watch: Watch,
    ) -> std::io::Result<Self> {
        let (jobs, taken) = mpsc::channel(JOBS);
        let poisoned = Arc::new(OnceLock::new());
        let mut writer = Writer {
            batches,
            data,
            folder,
            room,
            watch,
            poisoned: poisoned.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || writer.run(taken))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            poisoned,
        })
    }

    /// Runs a job in the next batch. Its value comes back once that batch is on disk.
    ///
    /// # Errors
    /// `Full` and `Unavailable`: nothing was written, and it may be tried again; the disk is nearly
    /// full, or the system did not let a row be read. `Broken`: the job met a row that is damaged, and
    /// wrote nothing; or a write failed, nobody knows what of it is on disk, and no job is run any
    /// more.
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
        let jobs = self.jobs.as_ref().ok_or_else(|| self.gone())?;
        jobs.send(job).await.map_err(|_| self.gone())?;
        told.await.map_err(|_| self.gone())?
    }

    /// Why nobody answers: what stopped the committer.
    fn gone(&self) -> Error {
        self.poisoned.get().cloned().unwrap_or_else(|| Error::Broken {
            what: "store",
            why: "the committer ended; the log has the cause. Restart the process: the store opens with what is on disk".to_owned(),
        })
    }
}

/// What is in a row does not hold together, though its file does.
pub(crate) fn broken(error: impl std::fmt::Display) -> Error {
    Error::Broken {
        what: "store",
        why: format!(
            "{error}. Stop the process and run `parlour verify` on the data folder; restore a backup if it finds damage"
        ),
    }
}

/// A row that the engine gives and that does not hold together.
pub(crate) fn unreadable(key: &[u8], error: impl std::fmt::Display) -> Error {
    broken(format!("{} cannot be read: {error}", table::named(key)))
}

/// What must be left on the disk for a write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// For what is already accepted.
    pub(crate) reserve_bytes: u64,
    /// For fjall's own work, at most: when it merges tables, the old ones and the new are there.
    pub(crate) work_bytes_max: u64,
}

impl Room {
    fn needed_bytes(self, data: &Keyspace) -> u64 {
        self.reserve_bytes
            .saturating_add(data.disk_space().min(self.work_bytes_max))
    }
}

struct Writer {
    batches: Batches,
    data: Keyspace,
    folder: PathBuf,
    room: Room,
    watch: Watch,
    poisoned: Arc<OnceLock<Error>>,
}

impl Writer {
    fn run(&mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            if self.poisoned.get().is_some() {
                // Its answer is dropped: the caller is told what stopped us.
                drop(first);
                continue;
            }
            let (data, watch) = (self.data.clone(), self.watch.clone());
            let mut tx = Tx {
                data: &data,
                watch: &watch,
                changed: HashMap::new(),
                own: HashMap::new(),
                failed: None,
            };
            let mut taken = 1;
            let mut answers: Vec<Answer> = tx.run(first).into_iter().collect();
            while taken < BATCH
                && let Ok(job) = jobs.try_recv()
            {
                taken += 1;
                answers.extend(tx.run(job));
            }
            metrics::histogram!("parlour_store_jobs").record(taken as f64);
            let done = self.commit(tx.changed);
            if let Err(error @ Error::Broken { .. }) = &done {
                tracing::error!(%error, "the store takes no more writes");
                let _ = self.poisoned.set(error.clone());
            }
            for answer in answers {
                answer(done.clone());
            }
        }
    }

    fn commit(&mut self, changed: Changed) -> Result<(), Error> {
        if changed.is_empty() {
            return Ok(());
        }
        if let Some(free) = free_bytes(&self.folder) {
            let needed = self.room.needed_bytes(&self.data);
            if free < needed {
                return Err(self.full(free, needed));
            }
        }
        let mut batch = self.batches.batch();
        for (key, value) in changed {
            match value {
                Some(value) => batch.insert(&self.data, key, value),
                None => batch.remove(&self.data, key),
            }
        }
        self.batches.commit(batch).map_err(|error| {
            // Nothing of this batch was written. Most often the disk was full, and has room again;
            // or tables were merged, and one is damaged.
            if matches!(error, fjall::Error::Poisoned) {
                return self.watch.stopped();
            }
            match files::io_error(&error) {
                Some(why) if says(why) == Says::Nothing => {
                    stopped(&format!("a batch cannot be written: {}", plain(why)))
                }
                _ => self.watch.broken("a batch cannot be written", &error),
            }
        })
    }

    fn full(&self, free: u64, needed: u64) -> Error {
        metrics::counter!("parlour_store_refused_total").increment(1);
        Error::Full {
            what: "store",
            why: format!(
                "{} has {} MiB left, and {} MiB are needed, for what is already accepted and the store's own work; free room on that disk",
                self.folder.display(),
                free >> 20,
                needed >> 20
            ),
        }
    }
}

/// Nothing more is written until the process was started again.
pub(crate) fn stopped(why: &str) -> Error {
    Error::Broken {
        what: "store",
        why: format!("{why}. Start the process again: the store opens with what is on disk"),
    }
}

/// What the disk has left for us, if the system says.
pub(crate) fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
