//! What the sequencer may ask the store, and what it gets: the closed list of decision 2.
//!
//! Every question is asked *as of a position*: rows made by that position or a later one do not
//! count. The answers lie in rows that are added and never overwritten.

use crate::id::{ConversationId, MessageId, UserId};
use crate::kind::Class;
use crate::row::{Carried, Interval, Outcome};
use crate::seq::Seq;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// The newest event of a conversation, and what it carries forward.
    Head(ConversationId),
    /// The outcome of a send.
    Outcome {
        /// The conversation.
        conversation: ConversationId,
        /// The sending user.
        sender: UserId,
        /// The send.
        id: MessageId,
    },
    /// All memberships of a user in a conversation.
    Member {
        /// The conversation.
        conversation: ConversationId,
        /// The user.
        user: UserId,
    },
    /// Every membership of a group that is open: what fan-out needs. For a channel or a direct
    /// conversation the answer is empty.
    Members(ConversationId),
    /// The newest value of a setting.
    Setting {
        /// The conversation.
        conversation: ConversationId,
        /// As [`crate::row::Setting::key`].
        key: String,
    },
    /// An event that a change would change.
    Target {
        /// The conversation.
        conversation: ConversationId,
        /// Its place.
        seq: Seq,
    },
}

impl Question {
    /// The conversation asked about.
    #[must_use]
    pub const fn conversation(&self) -> ConversationId {
        match self {
            Self::Head(c) | Self::Members(c) => *c,
            Self::Outcome { conversation, .. }
            | Self::Member { conversation, .. }
            | Self::Setting { conversation, .. }
            | Self::Target { conversation, .. } => *conversation,
        }
    }
}

/// The answer to a [`Question`], of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The head's place and what it carries; none before the first event.
    Head(Option<(Seq, Carried)>),
    /// The outcome, if there is one.
    Outcome(Option<Outcome>),
    /// Memberships, rising by `from`; an end that was written by the position asked as of, or
    /// later, is absent.
    Member(Vec<Interval>),
    /// Open memberships, rising by user; one whose end was written by the position asked as of,
    /// or later, counts as open.
    Members(Vec<Interval>),
    /// The newest value's place and clear value.
    Setting(Option<(Seq, Option<String>)>),
    /// The event, if it is there.
    Target(Option<Target>),
}

/// What a change need know of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who sent it.
    pub sender: UserId,
    /// Its class.
    pub class: Class,
    /// Whether it was deleted.
    pub erased: bool,
}
