//! [`Store`]: opens a folder and hands out the ports.

use std::path::Path;
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use parlour_ports::accounts::{Accounts, Invitations};
use parlour_ports::history::History;
use parlour_ports::keys::Keys;
use parlour_ports::log::Log;
use parlour_ports::relay::Relay;
use parlour_ports::roster::Roster;
use parlour_ports::sessions::Sessions;
use parlour_ports::wake::WakePort;
use parlour_protocol::id::StoreId;
use parlour_protocol::position::Generation;
use parlour_protocol::row;

use crate::batch::Batches;
use crate::commit::{Committer, Room};
use crate::files::{self, Watch};
use crate::lock::Lock;
use crate::{Error, aside, backup, log, relay, sessions, table, wake};

/// How a store is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Partitions of the in-process log. May change at every start: the log does not outlive it.
    pub partitions: u16,
    /// Disk space below which writes are refused as retryable; what fjall's own work needs comes on
    /// top.
    pub reserve_bytes: u64,
    /// What is kept free for fjall's own work, at most. It may need as much again as there is in
    /// tables; a store of less keeps less.
    pub work_bytes_max: u64,
    /// Memory for reading.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            partitions: 4,
            reserve_bytes: 48 << 20,
            work_bytes_max: 512 << 20,
            cache_bytes: 64 << 20,
        }
    }
}

/// What all ports share.
pub(crate) struct Shared {
    pub(crate) db: Database,
    pub(crate) data: Keyspace,
    pub(crate) committer: Committer,
    pub(crate) id: StoreId,
    pub(crate) watch: Watch,
    _lock: Lock,
}

/// An open store. The folder is this process's until it is dropped with every port.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    log: Arc<log::InProcess>,
    sessions: Arc<sessions::Memory>,
    relay: Arc<relay::InProcess>,
}

/// Opens the database that lies at a path, whose journals were looked through. What is said of it
/// is said of the folder that it belongs to.
pub(crate) fn open_database(
    at: &Path,
    folder: &Path,
    cache_bytes: u64,
) -> Result<(Database, Keyspace), Error> {
    let path = folder.join("store");
    let damaged = |error: fjall::Error| match error {
        fjall::Error::Locked => Error::InUse {
            path: folder.to_owned(),
            holder: "another process".to_owned(),
        },
        other => files::named(&path, &other),
    };
    // Some damage is met by an assertion in fjall, in debug builds alone. There it is named like any
    // other.
    let open = std::panic::AssertUnwindSafe(|| {
        Database::builder(at)
            .cache_size(cache_bytes)
            .max_cached_files(Some(files_kept()))
            .max_journaling_size(64 << 20)
            .manual_journal_persist(true)
            .open()
    });
    let db = std::panic::catch_unwind(open)
        .map_err(|_| files::named_else(&path, &"its files do not hold together"))?
        .map_err(damaged)?;
    let data = db
        .keyspace("data", || {
            KeyspaceCreateOptions::default().max_memtable_size(16 << 20)
        })
        .map_err(damaged)?;
    Ok((db, data))
}

/// Tables that fjall may keep open: of what the process may open the rest is for connections, and for
/// fjall's own work. 900 is fjall's own choice.
fn files_kept() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.unwrap_or(u64::MAX) / 8;
    usize::try_from(limit).unwrap_or(usize::MAX).clamp(4, 900)
}

/// Makes a folder that is missing, for its owner alone: what is in it is everyone's messages. One
/// that is there stays as its owner has it.
pub(crate) fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

impl Store {
    /// Opens the store of a folder, and makes both if they are missing.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::open_with(folder, Options::default())
    }

    /// The same, kept otherwise.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open_with(folder: &Path, options: Options) -> Result<Self, Error> {
        if folder.exists() && !folder.is_dir() {
            return Err(Error::NoFolder {
                path: folder.to_owned(),
            });
        }
        private_folder(folder).map_err(|why| Error::CannotMake {
            path: folder.to_owned(),
            why,
        })?;
        let lock = Lock::take(folder)?;
        backup::refuse_half_restored(folder)?;
        backup::tidy(folder);
        for stays in aside::sweep(folder) {
            tracing::warn!("{stays}");
        }
        let path = folder.join("store");
        files::is_reached(&path)?;
        let never_used = path.is_dir() && files::check(&path)?;
        // Whatever mode the data folder has: the engine would let everyone read it.
        private_folder(&path).map_err(Error::io(&path))?;
        let told = |error: Error| match never_used {
            true => error.never_used(&path),
            false => error,
        };
        let begin = || {
            let (db, data) = open_database(&path, folder, options.cache_bytes)?;
            require_format(folder, &data)?;
            let mut batches = Batches::begin(folder, &db, &data)?;
            let (id, generation) = prepare(folder, &mut batches, &data)?;
            Ok((db, data, batches, id, generation))
        };
        let (db, data, batches, id, generation) =
            begin().map_err(|error: Error| told(error.within()))?;
        let watch = Watch::new(folder);
        let committer = Committer::start(
            batches,
            data.clone(),
            folder.to_owned(),
            Room {
                reserve_bytes: options.reserve_bytes,
                work_bytes_max: options.work_bytes_max,
            },
            watch.clone(),
        )
        .map_err(Error::io(folder))?;
        Ok(Self {
            shared: Arc::new(Shared {
                db,
                data,
                committer,
                id,
                watch,
                _lock: lock,
            }),
            log: Arc::new(log::InProcess::new(generation, options.partitions.max(1))),
            sessions: Arc::new(sessions::Memory::default()),
            relay: Arc::new(relay::InProcess::new()),
        })
    }

    /// Files that were found damaged while the store was in use, in a sentence for anyone; the log
    /// has the remedy. Other rows are still read and written.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        self.shared.watch.damage()
    }

    /// That the disk or mount of the store is gone, if a read or write met that, in a sentence for
    /// anyone; the log has the remedy.
    #[must_use]
    pub fn gone(&self) -> Option<String> {
        self.shared.watch.gone()
    }

    /// Waits until a search for damaged files that is under way has named them in the log, and not
    /// for ever. For a process that is about to end: it would end before that.
    pub fn settled(&self) {
        self.shared.watch.settled();
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }
    /// What was sequenced.
    #[must_use]
    pub fn history(&self) -> Arc<dyn History> {
        self.shared.clone()
    }
    /// How things stand.
    #[must_use]
    pub fn roster(&self) -> Arc<dyn Roster> {
        self.shared.clone()
    }
    /// Accounts.
    #[must_use]
    pub fn accounts(&self) -> Arc<dyn Accounts> {
        self.shared.clone()
    }
    /// Invitations.
    #[must_use]
    pub fn invitations(&self) -> Arc<dyn Invitations> {
        self.shared.clone()
    }
    /// Device keys and mail.
    #[must_use]
    pub fn keys(&self) -> Arc<dyn Keys> {
        self.shared.clone()
    }
    /// Where devices are.
    #[must_use]
    pub fn sessions(&self) -> Arc<dyn Sessions> {
        self.sessions.clone()
    }
    /// From this node to itself.
    #[must_use]
    pub fn relay(&self) -> Arc<dyn Relay> {
        self.relay.clone()
    }
    /// Wakes, which nobody takes yet.
    #[must_use]
    pub fn wake(&self) -> Arc<dyn WakePort> {
        Arc::new(wake::Logged)
    }
}

/// One of the store's own numbers.
fn number(folder: &Path, data: &Keyspace, name: &str) -> Result<Option<u64>, Error> {
    let damaged = |why: String| Error::Damaged {
        path: folder.to_owned(),
        why,
    };
    let key = table::meta(name);
    let bytes = data.get(&key);
    match bytes.map_err(|e| files::named(&folder.join("store"), &e))? {
        None => Ok(None),
        Some(bytes) => row::from_bytes(&bytes)
            .map(Some)
            .map_err(|e| damaged(format!("{} cannot be read: {e}", table::named(&key)))),
    }
}

/// Refuses a format that this version does not know.
pub(crate) fn require_format(folder: &Path, data: &Keyspace) -> Result<(), Error> {
    match number(folder, data, "format")? {
        Some(found) if found > table::FORMAT => Err(Error::Newer {
            path: folder.to_owned(),
            found,
            known: table::FORMAT,
        }),
        None if data.first_key_value().is_some() => Err(Error::Damaged {
            path: folder.to_owned(),
            why: "it has rows but no format".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Begins a new generation: the log of the last one died with its process.
fn prepare(
    folder: &Path,
    batches: &mut Batches,
    data: &Keyspace,
) -> Result<(StoreId, Generation), Error> {
    let damaged = |why: String| Error::Damaged {
        path: folder.to_owned(),
        why,
    };
    let id = data.get(table::meta("id"));
    let id = match id.map_err(|e| files::named(&folder.join("store"), &e))? {
        Some(bytes) => row::from_bytes(&bytes).map_err(|e| damaged(e.to_string()))?,
        None => new_store_id().map_err(Error::io(folder))?,
    };
    let generation = Generation(number(folder, data, "generation")?.unwrap_or(0) + 1);
    let mut batch = batches.batch();
    batch.insert(data, table::meta("format"), row::to_bytes(&table::FORMAT));
    batch.insert(data, table::meta("id"), row::to_bytes(&id));
    batch.insert(
        data,
        table::meta("generation"),
        row::to_bytes(&generation.0),
    );
    batches
        .commit(batch)
        .map_err(|e| files::named(&folder.join("store"), &e))?;
    Ok((id, generation))
}

/// A random id for a store that is made.
pub(crate) fn new_store_id() -> std::io::Result<StoreId> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    let mut tail = [0u8; 10];
    tail.copy_from_slice(&random[..10]);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Ok(StoreId::v7(
        u64::try_from(now.as_millis()).unwrap_or(0),
        tail,
    ))
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("id", &self.shared.id)
            .finish_non_exhaustive()
    }
}
