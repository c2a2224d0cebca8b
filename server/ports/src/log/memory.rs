//! The in-memory reference of the log.
//!
//! [`State`] is synchronous and deterministic; [`Memory`] is the same behind the trait. Never: a
//! bound. What a production log does when it is full is the adapter's to say.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::Record;

use tokio::sync::Notify;

use crate::Error;
pub use crate::log::Missing;
use crate::log::{Bounds, Log};

#[derive(Clone, Debug, Default)]
struct Part {
    first: u64,
    records: Vec<Record>,
    sealed: bool,
}

/// Partitions of several generations. Synchronous and deterministic.
#[derive(Clone, Debug)]
pub struct State {
    partitions: u16,
    generation: Generation,
    parts: BTreeMap<(Generation, Partition), Part>,
}

impl State {
    /// An empty log of one generation.
    #[must_use]
    pub fn new(partitions: u16, generation: Generation) -> Self {
        let mut state = Self {
            partitions,
            generation,
            parts: BTreeMap::new(),
        };
        state.begin(generation);
        state
    }

    /// How many partitions.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// Begins a generation; the ones before stay readable until [`State::lose`].
    pub fn begin(&mut self, generation: Generation) {
        self.generation = generation;
        for partition in 0..self.partitions {
            self.parts
                .entry((generation, Partition(partition)))
                .or_default();
        }
    }

    /// Seals the newest generation: nothing after it counts.
    pub fn seal(&mut self) {
        for ((generation, _), part) in &mut self.parts {
            if *generation == self.generation {
                part.sealed = true;
            }
        }
    }

    /// Loses every generation before the newest, as a process that dies does.
    pub fn lose(&mut self) {
        let newest = self.generation;
        self.parts
            .retain(|(generation, _), _| *generation == newest);
    }

    /// Appends a record.
    pub fn append(&mut self, partition: Partition, record: Record) -> Position {
        let generation = self.generation;
        let part = self.parts.entry((generation, partition)).or_default();
        part.records.push(record);
        let offset = Offset(part.first + part.records.len() as u64 - 1);
        Position {
            generation,
            partition,
            offset,
        }
    }

    /// Records from a place on; none if there are none yet.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn read(&self, from: Position, max: usize) -> Result<Vec<(Position, Record)>, Missing> {
        let part = self
            .parts
            .get(&(from.generation, from.partition))
            .ok_or(Missing::Unknown)?;
        let skip = from
            .offset
            .0
            .checked_sub(part.first)
            .ok_or(Missing::Expired(Offset(part.first)))?;
        let end = part.records.len() as u64;
        if skip > end {
            return Err(Missing::Beyond(Offset(part.first + end)));
        }
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut position = from;
        Ok(part
            .records
            .iter()
            .skip(skip)
            .take(max)
            .map(|record| {
                let at = position;
                position = position.next();
                (at, record.clone())
            })
            .collect())
    }

    /// What a partition holds, by generation.
    #[must_use]
    pub fn bounds(&self, partition: Partition) -> Vec<Bounds> {
        self.parts
            .iter()
            .filter(|((_, p), _)| *p == partition)
            .map(|((generation, _), part)| Bounds {
                generation: *generation,
                first: Offset(part.first),
                end: Offset(part.first + part.records.len() as u64),
                sealed: part.sealed,
            })
            .collect()
    }

    /// Forgets records before a place.
    pub fn expire(&mut self, before: Position) {
        if let Some(part) = self.parts.get_mut(&(before.generation, before.partition)) {
            let drop = before
                .offset
                .0
                .saturating_sub(part.first)
                .min(part.records.len() as u64);
            part.records.drain(..usize::try_from(drop).unwrap_or(0));
            part.first += drop;
        }
    }

    /// Cuts records from a place on, as a damaged log does.
    pub fn truncate(&mut self, from: Position) {
        if let Some(part) = self.parts.get_mut(&(from.generation, from.partition)) {
            let keep = from.offset.0.saturating_sub(part.first);
            part.records.truncate(usize::try_from(keep).unwrap_or(0));
        }
    }

    /// Every record of every generation, in order: what materialises the store again.
    pub fn all(&self, partition: Partition) -> impl Iterator<Item = (Position, &Record)> {
        self.parts
            .iter()
            .filter(move |((_, p), _)| *p == partition)
            .flat_map(|((generation, partition), part)| {
                part.records.iter().enumerate().map(move |(at, record)| {
                    let offset = Offset(part.first + at as u64);
                    (
                        Position {
                            generation: *generation,
                            partition: *partition,
                            offset,
                        },
                        record,
                    )
                })
            })
    }
}

/// The reference behind the trait.
#[derive(Debug)]
pub struct Memory {
    partitions: u16,
    state: Mutex<State>,
    more: Notify,
}

impl Memory {
    /// An empty log of one generation.
    #[must_use]
    pub fn new(partitions: u16, generation: Generation) -> Self {
        Self {
            partitions,
            state: Mutex::new(State::new(partitions, generation)),
            more: Notify::new(),
        }
    }

    /// Does to the log what only its operator or its misfortune can, and wakes who reads.
    pub fn alter<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let done = f(&mut self.state());
        self.more.notify_waiters();
        done
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, partition: Partition) -> Result<(), Error> {
        if partition.0 < self.partitions {
            return Ok(());
        }
        Err(Error::Broken {
            what: "log",
            why: format!(
                "there is no partition {}: the log has {}, and their number never changes within \
                 a generation. Connect the right log",
                partition.0, self.partitions
            ),
        })
    }
}

#[async_trait]
impl Log for Memory {
    fn partitions(&self) -> u16 {
        self.partitions
    }

    async fn append(&self, partition: Partition, record: Record) -> Result<Position, Error> {
        self.known(partition)?;
        Ok(self.alter(|state| state.append(partition, record)))
    }

    async fn read(&self, from: Position, max: usize) -> Result<Vec<(Position, Record)>, Error> {
        self.known(from.partition)?;
        loop {
            let more = self.more.notified();
            tokio::pin!(more);
            // Counted as waiting before the look: what comes in between is not missed.
            more.as_mut().enable();
            let records = self
                .state()
                .read(from, max.max(1))
                .map_err(|missing| missing.error(from))?;
            if !records.is_empty() {
                return Ok(records);
            }
            more.await;
        }
    }

    async fn bounds(&self, partition: Partition) -> Result<Vec<Bounds>, Error> {
        self.known(partition)?;
        Ok(self.state().bounds(partition))
    }

    async fn done(&self, up_to: Position) -> Result<(), Error> {
        self.known(up_to.partition)?;
        self.state().expire(up_to.next());
        Ok(())
    }
}
