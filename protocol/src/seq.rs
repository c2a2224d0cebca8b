//! Places in a conversation: [`Seq`], [`Head`] and [`Mark`]. Arithmetic never wraps.

use core::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// An event's place in its conversation: 1, 2, 3 … without holes. 0 is before the first.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    Encode,
    Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(type = "number"))]
pub struct Seq(#[n(0)] pub u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Self = Self(0);
    /// After every event.
    pub const MAX: Self = Self(u64::MAX);

    /// The next place.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place before, or zero.
    #[must_use]
    pub const fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The history bucket of this place (decision 10): 1,024 places each.
    #[must_use]
    pub const fn bucket(self) -> u64 {
        self.0 / 1024
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The newest place of a conversation, and how many countable events it has up to there.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    Serialize,
    Deserialize,
    Encode,
    Decode,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Head {
    /// The newest place.
    #[n(0)]
    pub seq: Seq,
    /// Countable events (messages) up to it.
    #[n(1)]
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub n: u64,
}

/// A user's high-water positions in a conversation. They only go up.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize, Encode, Decode,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Mark {
    /// A device of the user holds the conversation's newest page up to here.
    #[n(0)]
    pub delivered: Head,
    /// The user has seen everything up to here.
    #[n(1)]
    pub read: Head,
}

impl Mark {
    /// Each field by the greater place; the only way two marks meet.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            delivered: self.delivered.max(other.delivered),
            read: self.read.max(other.read),
        }
    }

    /// `delivered` as it reads: never below `read`.
    #[must_use]
    pub fn delivered(self) -> Head {
        self.delivered.max(self.read)
    }
}
