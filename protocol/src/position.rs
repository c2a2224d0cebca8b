//! Where a record lies in the log: [`Position`] = (generation, partition, offset).
//!
//! A generation is one unbroken log; its number only rises. Positions are compared within one
//! partition alone: between partitions there is no order, and none is offered.

use core::fmt;

use minicbor::{Decode, Encode};

use crate::bytes::Bytes;
use crate::id::ConversationId;

/// One unbroken log. Only rises, through restore and migration too. 0 is before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Generation(#[n(0)] pub u64);

/// One order within a generation. A conversation lives in one partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Partition(#[n(0)] pub u16);

impl Partition {
    /// The partition of a conversation among `count`: a fixed hash, for ever the same.
    /// `count` is stored with the cluster and never changes within a generation.
    #[must_use]
    pub const fn of(conversation: ConversationId, count: u16) -> Self {
        let count = if count == 0 { 1 } else { count };
        // FNV-1a over the sixteen bytes: v7 ids of one millisecond differ in their tail alone.
        let bytes = conversation.as_bytes();
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut i = 0;
        while i < bytes.len() {
            hash ^= bytes[i] as u64;
            hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
            i += 1;
        }
        Self(((hash >> 16) % count as u64) as u16)
    }
}

/// A record's place in its partition of its generation: 0, 1, 2 …
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Offset(#[n(0)] pub u64);

impl Offset {
    /// The next place.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A record's place in the log. Every stored row carries the position that made it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Encode, Decode)]
pub struct Position {
    /// The unbroken log.
    #[n(0)]
    pub generation: Generation,
    /// The partition.
    #[n(1)]
    pub partition: Partition,
    /// The place.
    #[n(2)]
    pub offset: Offset,
}

impl Position {
    /// Whether this position is earlier than `other`, both of one partition: rows made by
    /// `other` itself or later do not count for a question asked as of `other`.
    /// Generations before another come whole before it, whatever the partition count was then.
    #[must_use]
    pub fn before(self, other: Self) -> bool {
        (self.generation, self.offset) < (other.generation, other.offset)
    }

    /// The next place of the same partition.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            generation: self.generation,
            partition: self.partition,
            offset: self.offset.next(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "g{}/p{}/o{}",
            self.generation.0, self.partition.0, self.offset.0
        )
    }
}

/// How far a partition's rows are durable and every step of delivery is done.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub struct Progress {
    /// The last position for which every step is done.
    #[n(0)]
    pub position: Position,
    /// SHA-256 of that record's bytes, compared when a router begins again behind it.
    #[n(1)]
    pub record_hash: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_spread() {
        let mut counts = [0u32; 8];
        for i in 0..8000u64 {
            let id = ConversationId::v7(1_700_000_000_000 + i / 100, [(i % 251) as u8; 10]);
            counts[Partition::of(id, 8).0 as usize] += 1;
        }
        assert!(counts.iter().all(|c| (800..1200).contains(c)), "{counts:?}");
    }

    #[test]
    fn an_earlier_generation_comes_before_any_offset() {
        let at = |g, o| Position {
            generation: Generation(g),
            partition: Partition(0),
            offset: Offset(o),
        };
        assert!(at(1, 900).before(at(2, 0)));
        assert!(!at(2, 0).before(at(2, 0)));
        assert!(at(2, 0).before(at(2, 1)));
    }
}
