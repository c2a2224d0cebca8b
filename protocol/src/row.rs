//! What the store keeps of the log: [`Row`]s, each with the position that made it.
//!
//! Rows are added and never overwritten, but for three kinds where the highest seq wins in any
//! order of arrival: an interval's end (written once), a change beside its target, and a head.
//! A row's bytes are `[version][CBOR]`.

use minicbor::{Decode, Encode};

use crate::bytes::Bytes;
use crate::error::Code;
use crate::id::{ConversationId, MessageId, UserId};
use crate::kind::{HistoryRule, Role, Shape};
use crate::position::Position;
use crate::seq::{Head, Mark, Seq};

/// The format of stored rows.
pub const VERSION: u8 = 1;

/// What every event carries forward, so that its row alone says how the conversation stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Carried {
    /// Countable events up to and with this one.
    #[n(0)]
    pub n: u64,
    /// The last place before this one that was not quiet.
    #[n(1)]
    pub prev: Seq,
    /// Members after it.
    #[n(2)]
    pub members: u32,
    /// The conversation's shape.
    #[n(3)]
    pub shape: Shape,
    /// What new members may read.
    #[n(4)]
    pub history: HistoryRule,
    /// Whether this event is quiet: placed, not counted, told only to those it names.
    #[n(5)]
    pub quiet: bool,
}

/// An event at its place.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    /// The conversation.
    #[n(0)]
    pub conversation: ConversationId,
    /// Its place.
    #[n(1)]
    pub seq: Seq,
    /// What made it.
    #[n(2)]
    pub position: Position,
    /// What it carries forward.
    #[n(3)]
    pub carried: Carried,
    /// The record's header, byte for byte.
    #[n(4)]
    pub header: Bytes,
    /// The record's payload, byte for byte. For a change other than its own: empty, as what it
    /// says lies once, beside its target.
    #[n(5)]
    pub payload: Bytes,
}

/// How a send ended, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// It has this place.
    #[n(0)]
    Placed {
        /// The place.
        #[n(0)]
        seq: Seq,
        /// Countable events up to it.
        #[n(1)]
        n: u64,
        /// The time displayed.
        #[n(2)]
        time_ms: u64,
        /// As in its record's header.
        #[n(3)]
        digest: Option<u64>,
    },
    /// It was refused, and nobody ever sees it.
    #[n(1)]
    Refused {
        /// Why.
        #[n(0)]
        code: Code,
    },
}

/// The outcome of a send, under (conversation, sender, id).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OutcomeRow {
    /// The conversation.
    #[n(0)]
    pub conversation: ConversationId,
    /// The sending user.
    #[n(1)]
    pub sender: UserId,
    /// The send.
    #[n(2)]
    pub id: MessageId,
    /// What made it.
    #[n(3)]
    pub position: Position,
    /// The conversation's head then: with the generation, a refusal's write timestamp.
    #[n(4)]
    pub at: Seq,
    /// How it ended.
    #[n(5)]
    pub outcome: Outcome,
}

/// What an edit, deletion, reaction or pin says, beside its target. The highest seq wins.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// The conversation.
    #[n(0)]
    pub conversation: ConversationId,
    /// The event changed.
    #[n(1)]
    pub target: Seq,
    /// The kind of change.
    #[n(2)]
    pub kind: String,
    /// Whose it is: the sender of a reaction; nil where a target has one of the kind.
    #[n(3)]
    pub user: UserId,
    /// A reaction's key.
    #[n(4)]
    pub key: String,
    /// The change's own place.
    #[n(5)]
    pub seq: Seq,
    /// What made it.
    #[n(6)]
    pub position: Position,
    /// The record's header.
    #[n(7)]
    pub header: Bytes,
    /// The record's payload.
    #[n(8)]
    pub payload: Bytes,
}

/// A target's body, and its edit, overwritten with an erased *value*: it wins over a late write
/// of either, whatever the store has forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Erased {
    /// The conversation.
    #[n(0)]
    pub conversation: ConversationId,
    /// The event erased.
    #[n(1)]
    pub target: Seq,
    /// The deletion's place.
    #[n(2)]
    pub seq: Seq,
    /// What made it.
    #[n(3)]
    pub position: Position,
    /// Who deleted it.
    #[n(4)]
    pub by: UserId,
}

/// An end of a membership: where, and what made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Edge {
    /// The place.
    #[n(0)]
    pub seq: Seq,
    /// What made it.
    #[n(1)]
    pub position: Position,
}

/// A membership with one role, from one place to another. Each end is written once; a change of
/// role ends one and begins the next at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Interval {
    /// The conversation.
    #[n(0)]
    pub conversation: ConversationId,
    /// The member.
    #[n(1)]
    pub user: UserId,
    /// Where it began.
    #[n(2)]
    pub from: Edge,
    /// Where it ended, if it has.
    #[n(3)]
    pub until: Option<Edge>,
    /// The role meanwhile.
    #[n(4)]
    pub role: Role,
    /// Countable events up to where its holder joined: unread counts from there (decision 13).
    #[n(5)]
    pub n: u64,
    /// Where its holder joined: `from`, or earlier if roles changed since.
    #[n(6)]
    pub joined: Seq,
}

impl Interval {
    /// Whether its holder may read place `s`: from ≤ s ≤ until.
    #[must_use]
    pub fn reads(&self, s: Seq) -> bool {
        self.from.seq <= s && self.until.is_none_or(|u| s <= u.seq)
    }
    /// Whether its holder may act at place `s`: from < s ≤ until.
    #[must_use]
    pub fn acts(&self, s: Seq) -> bool {
        self.from.seq < s && self.until.is_none_or(|u| s <= u.seq)
    }
}

/// Whether a user with these intervals may read place `s` under the conversation's rule.
/// Under `all`, everything up to the last end (or without end).
#[must_use]
pub fn may_read(intervals: &[Interval], rule: HistoryRule, s: Seq) -> bool {
    match rule {
        HistoryRule::FromJoin => intervals.iter().any(|i| i.reads(s)),
        HistoryRule::All => intervals.iter().any(|i| i.until.is_none_or(|u| s <= u.seq)),
    }
}

/// A value of a setting from a place on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Setting {
    /// The conversation.
    #[n(0)]
    pub conversation: ConversationId,
    /// `kind` for name and topic, else `kind:key`.
    #[n(1)]
    pub key: String,
    /// From which place on.
    #[n(2)]
    pub seq: Seq,
    /// What made it.
    #[n(3)]
    pub position: Position,
    /// The header's value, if it carries one.
    #[n(4)]
    pub value: Option<String>,
    /// The payload.
    #[n(5)]
    pub payload: Bytes,
}

/// A mention of a user, or of everyone (nil), at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mention {
    /// Who; nil is everyone.
    #[n(0)]
    pub user: UserId,
    /// The conversation.
    #[n(1)]
    pub conversation: ConversationId,
    /// The place.
    #[n(2)]
    pub seq: Seq,
    /// What made it.
    #[n(3)]
    pub position: Position,
}

/// What the sequencer makes of records, idempotently: the same record gives the same rows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Row {
    /// An event at its place.
    #[n(0)]
    Event(#[n(0)] Event),
    /// A send's outcome.
    #[n(1)]
    Outcome(#[n(0)] OutcomeRow),
    /// A change beside its target.
    #[n(2)]
    Change(#[n(0)] Change),
    /// A body erased.
    #[n(3)]
    Erased(#[n(0)] Erased),
    /// A membership begun, or ended: an end repeats the whole interval.
    #[n(4)]
    Interval(#[n(0)] Interval),
    /// A setting's value.
    #[n(5)]
    Setting(#[n(0)] Setting),
    /// A mention.
    #[n(6)]
    Mention(#[n(0)] Mention),
}

impl Row {
    /// The conversation it belongs to.
    #[must_use]
    pub const fn conversation(&self) -> ConversationId {
        match self {
            Self::Event(r) => r.conversation,
            Self::Outcome(r) => r.conversation,
            Self::Change(r) => r.conversation,
            Self::Erased(r) => r.conversation,
            Self::Interval(r) => r.conversation,
            Self::Setting(r) => r.conversation,
            Self::Mention(r) => r.conversation,
        }
    }
}

/// How a conversation stands, for gateways; every field by the highest seq.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Standing {
    /// The conversation.
    #[n(0)]
    pub conversation: ConversationId,
    /// Its shape.
    #[n(1)]
    pub shape: Shape,
    /// What new members may read.
    #[n(2)]
    pub history: HistoryRule,
    /// Its newest place.
    #[n(3)]
    pub head: Head,
    /// Members.
    #[n(4)]
    pub members: u32,
    /// The two users of a direct conversation; equal with oneself.
    #[n(5)]
    pub direct: Option<(UserId, UserId)>,
    /// Its name, if it has one, and the place that gave it.
    #[n(6)]
    pub name: Option<(Seq, String)>,
    /// Its topic, if it has one, and the place that gave it.
    #[n(7)]
    pub topic: Option<(Seq, String)>,
}

/// One conversation of a user's inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Inbox {
    /// The user.
    #[n(0)]
    pub user: UserId,
    /// The conversation.
    #[n(1)]
    pub conversation: ConversationId,
    /// Its head, as raised.
    #[n(2)]
    pub head: Head,
    /// The user's marks.
    #[n(3)]
    pub mark: Mark,
}

/// The bytes of a row, with the version before.
#[must_use]
pub fn to_bytes<T: Encode<()>>(row: &T) -> Vec<u8> {
    let mut out = vec![VERSION];
    // Encoding into a Vec has no error to give.
    let _ = minicbor::encode(row, &mut out);
    out
}

/// The row of these bytes.
///
/// # Errors
/// The bytes are damaged, or written by a newer version.
pub fn from_bytes<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, crate::codec::Error> {
    use crate::codec::Error::Row;
    match bytes.split_first() {
        Some((&VERSION, rest)) => whole(rest),
        Some((v, _)) => Err(Row(format!(
            "a row of version {v}; this program knows {VERSION}: use the program that wrote it, or a newer one"
        ))),
        None => Err(Row("an empty row".into())),
    }
}

/// One value that takes up all of these bytes.
pub(crate) fn whole<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, crate::codec::Error> {
    use crate::codec::Error::Row;
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|e| Row(e.to_string()))?;
    if decoder.position() == bytes.len() {
        Ok(value)
    } else {
        Err(Row("trailing bytes".into()))
    }
}
