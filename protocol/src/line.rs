//! What a device and a node compare to catch up (decision 22): [`Line`]s and their digests.
//!
//! Lines only grow, each field by the greater seq ([`Line::join`]). A line that is missing or
//! lower in an answer means nothing: a raise may be on its way.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bytes::Bytes;
use crate::id::ConversationId;
use crate::seq::{Head, Mark, Seq};

/// How many digests a device states.
pub const BUCKETS: usize = 64;

/// Whether one is in a conversation, and since which place that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum Standing {
    /// A member since there.
    Member(Seq),
    /// Left there.
    Left(Seq),
    /// Removed there.
    Removed(Seq),
}

impl Standing {
    /// The place since which it is so.
    #[must_use]
    pub const fn since(self) -> Seq {
        match self {
            Self::Member(s) | Self::Left(s) | Self::Removed(s) => s,
        }
    }
    /// Whether one is a member.
    #[must_use]
    pub const fn is_member(self) -> bool {
        matches!(self, Self::Member(_))
    }
}

/// One conversation as a device or a node knows it for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Line {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its newest place. For one who left or was removed: the newest that they may read.
    pub head: Head,
    /// One's own marks.
    pub own: Mark,
    /// In a direct conversation, the other's marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Mark>,
    /// Whether one is in it.
    pub standing: Standing,
}

impl Line {
    /// Each field by the greater place.
    #[must_use]
    pub fn join(self, newer: Self) -> Self {
        Self {
            conversation: self.conversation,
            head: self.head.max(newer.head),
            own: self.own.join(newer.own),
            other: match (self.other, newer.other) {
                (Some(a), Some(b)) => Some(a.join(b)),
                (a, b) => a.or(b),
            },
            standing: if newer.standing.since() >= self.standing.since() {
                newer.standing
            } else {
                self.standing
            },
        }
    }

    /// The bucket whose digest this line goes into.
    #[must_use]
    pub fn bucket(&self) -> usize {
        bucket(self.conversation)
    }

    fn feed(&self, hash: &mut Sha256) {
        let mark = |hash: &mut Sha256, m: Mark| {
            hash.update(m.delivered().seq.0.to_be_bytes());
            hash.update(m.read.seq.0.to_be_bytes());
        };
        hash.update(self.conversation.as_bytes());
        hash.update(self.head.seq.0.to_be_bytes());
        hash.update(self.head.n.to_be_bytes());
        mark(hash, self.own);
        match self.other {
            Some(m) => {
                hash.update([1]);
                mark(hash, m);
            }
            None => hash.update([0]),
        }
        let (tag, since) = match self.standing {
            Standing::Member(s) => (1u8, s),
            Standing::Left(s) => (2, s),
            Standing::Removed(s) => (3, s),
        };
        hash.update([tag]);
        hash.update(since.0.to_be_bytes());
    }
}

/// The bucket of a conversation: the first byte of SHA-256 over its id, modulo 64.
#[must_use]
pub fn bucket(conversation: ConversationId) -> usize {
    let hash: [u8; 32] = Sha256::digest(conversation.as_bytes()).into();
    usize::from(hash[0]) % BUCKETS
}

/// The digests of these lines: for each bucket, SHA-256 over its lines in the order of their
/// conversations; an empty bucket's digest is empty.
#[must_use]
pub fn digests<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<Bytes> {
    let mut buckets: Vec<Vec<&Line>> = vec![Vec::new(); BUCKETS];
    for line in lines {
        if let Some(b) = buckets.get_mut(line.bucket()) {
            b.push(line);
        }
    }
    buckets
        .into_iter()
        .map(|mut lines| {
            if lines.is_empty() {
                return Bytes::default();
            }
            lines.sort_by_key(|l| l.conversation);
            let mut hash = Sha256::new();
            for line in lines {
                line.feed(&mut hash);
            }
            let out: [u8; 32] = hash.finalize().into();
            Bytes::from(&out[..])
        })
        .collect()
}
