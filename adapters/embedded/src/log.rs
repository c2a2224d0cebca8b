//! The log in this process: a bounded queue per partition, a new generation at every start.
//!
//! A record stays until it is done; a log that died with its process ends with the rows it left.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use parlour_ports::Error;
use parlour_ports::log::{Bounds, Log, Missing};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::Record;
use tokio::sync::Notify;

/// Records that a partition holds; past it appends are refused as retryable.
const RECORDS: usize = 65_536;
/// The same in bytes.
const BYTES: usize = 64 << 20;

#[derive(Default)]
struct Queue {
    first: u64,
    records: VecDeque<Record>,
    bytes: usize,
}

#[derive(Default)]
struct Part {
    queue: Mutex<Queue>,
    more: Notify,
}

/// A log that lives as long as its process.
pub(crate) struct InProcess {
    generation: Generation,
    parts: Vec<Part>,
}

impl InProcess {
    pub(crate) fn new(generation: Generation, partitions: u16) -> Self {
        Self {
            generation,
            parts: (0..partitions).map(|_| Part::default()).collect(),
        }
    }

    fn part(&self, partition: Partition) -> Result<&Part, Error> {
        self.parts
            .get(usize::from(partition.0))
            .ok_or_else(|| Error::Broken {
                what: "log",
                why: format!(
                    "there is no partition {}: the log has {}",
                    partition.0,
                    self.parts.len()
                ),
            })
    }
}

fn weight(record: &Record) -> usize {
    64 + record.header.len() + record.payload.len()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Log for InProcess {
    fn partitions(&self) -> u16 {
        u16::try_from(self.parts.len()).unwrap_or(u16::MAX)
    }

    async fn append(&self, partition: Partition, record: Record) -> Result<Position, Error> {
        let part = self.part(partition)?;
        let offset = {
            let mut queue = lock(&part.queue);
            if queue.records.len() >= RECORDS || queue.bytes >= BYTES {
                metrics::counter!("parlour_log_full").increment(1);
                return Err(Error::Unavailable {
                    what: "log",
                    why: "more is waiting to be stored than may wait".to_owned(),
                });
            }
            queue.bytes += weight(&record);
            queue.records.push_back(record);
            queue.first + queue.records.len() as u64 - 1
        };
        // Every reader: a zombie that waits must not take the only word.
        part.more.notify_waiters();
        Ok(Position {
            generation: self.generation,
            partition,
            offset: Offset(offset),
        })
    }

    async fn read(&self, from: Position, max: usize) -> Result<Vec<(Position, Record)>, Error> {
        let part = self.part(from.partition)?;
        if from.generation != self.generation {
            return Err(Missing::Unknown.error(from));
        }
        loop {
            let more = part.more.notified();
            tokio::pin!(more);
            // Counted as waiting before the look: what comes in between is not missed.
            more.as_mut().enable();
            {
                let queue = lock(&part.queue);
                let end = queue.first + queue.records.len() as u64;
                if from.offset.0 > end {
                    return Err(Missing::Beyond(Offset(end)).error(from));
                }
                let Some(skip) = from.offset.0.checked_sub(queue.first) else {
                    return Err(Missing::Expired(Offset(queue.first)).error(from));
                };
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                let mut position = from;
                let records: Vec<_> = queue
                    .records
                    .range(skip.min(queue.records.len())..)
                    .take(max.max(1))
                    .map(|record| {
                        let at = position;
                        position = position.next();
                        (at, record.clone())
                    })
                    .collect();
                if !records.is_empty() {
                    return Ok(records);
                }
            }
            more.await;
        }
    }

    async fn bounds(&self, partition: Partition) -> Result<Vec<Bounds>, Error> {
        let queue = lock(&self.part(partition)?.queue);
        Ok(vec![Bounds {
            generation: self.generation,
            first: Offset(queue.first),
            end: Offset(queue.first + queue.records.len() as u64),
            sealed: false,
        }])
    }

    async fn done(&self, up_to: Position) -> Result<(), Error> {
        let mut queue = lock(&self.part(up_to.partition)?.queue);
        if up_to.generation == self.generation {
            while queue.first <= up_to.offset.0
                && let Some(record) = queue.records.pop_front()
            {
                queue.bytes = queue.bytes.saturating_sub(weight(&record));
                queue.first += 1;
            }
        }
        Ok(())
    }
}
