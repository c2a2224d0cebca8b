//! The log: one order per partition, from which everything else is made.

pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::Memory;

use async_trait::async_trait;
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::Record;

use crate::Error;

/// What a partition of the log holds of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The unbroken log.
    pub generation: Generation,
    /// The first offset that can still be read.
    pub first: Offset,
    /// The offset that the next record gets.
    pub end: Offset,
    /// Whether the generation is sealed at `end`: nothing after it counts.
    pub sealed: bool,
}

/// Why records cannot be read from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// They expired, or were forgotten once done: the first offset that is there.
    Expired(Offset),
    /// The log ends before: the offset that the next record gets.
    Beyond(Offset),
    /// There is no such generation or partition.
    Unknown,
}

impl Missing {
    /// The error of a `read` from there, with what a person does about it.
    #[must_use]
    pub fn error(self, from: Position) -> Error {
        const ANEW: &str = "If the log is really lost, stop every node and begin a new generation \
            of it, under a higher number; what was acknowledged lies in the store";
        let why = match self {
            Self::Expired(first) => format!(
                "{from} is not there any more, the log begins at offset {}. Raise the log's \
                 retention, and restore it if you can. {ANEW}",
                first.0
            ),
            Self::Beyond(end) => format!(
                "the log ends at offset {}, and {from} lies beyond it: it was cut short or made \
                 anew. Restore the log. {ANEW}",
                end.0
            ),
            Self::Unknown => format!(
                "the log has no {from}: its generation is gone, or it is another log. Connect \
                 the right one. {ANEW}"
            ),
        };
        Error::Broken { what: "log", why }
    }
}

/// One order per partition.
///
/// *Ordering*: records of a partition are read in the order of their offsets, which is the order
/// in which appends took effect. Appends of one caller to one partition that were not awaited in
/// turn may take effect in any order.
/// *Durability*: what `append` returned survives as the adapter says (embedded: until the process
/// ends; Kafka: the death of a broker).
/// *Idempotency*: none. An append that answered `Unknown` may take effect later, or twice.
#[async_trait]
pub trait Log: Send + Sync {
    /// How many partitions there are; fixed for a generation.
    fn partitions(&self) -> u16;

    /// Appends one record.
    ///
    /// # Errors
    /// `Unavailable` and `Full`: nothing was handed over, the record will never appear.
    /// `Unknown`: it may be there, or appear later.
    async fn append(&self, partition: Partition, record: Record) -> Result<Position, Error>;

    /// Records from `from` on, at most `max`; waits until there is at least one.
    /// Records come back at least once: a caller that asks again gets them again.
    ///
    /// # Errors
    /// `Broken` if `from` lies before the first record or beyond the end (a truncated or
    /// re-created log): never a silent jump.
    async fn read(&self, from: Position, max: usize) -> Result<Vec<(Position, Record)>, Error>;

    /// What the partition holds, for every generation that can still be read, rising.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn bounds(&self, partition: Partition) -> Result<Vec<Bounds>, Error>;

    /// The caller will not ask for records up to here again; the log may forget them.
    ///
    /// # Errors
    /// `Unavailable`; it only helps, and may be ignored.
    async fn done(&self, up_to: Position) -> Result<(), Error>;
}
