//! Frames from a server. An [`Event`] is the same for every recipient, so that it is encoded once
//! per codec; what differs by recipient travels in other frames.

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::bytes::Bytes;
use crate::error::Code;
use crate::frame::Ref;
use crate::id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
use crate::kind::{Class, HistoryRule, Role, Shape};
use crate::limits::Limits;
use crate::line::Line;
use crate::record::{Create, Mentions, Named, Origin};
use crate::seq::{Head, Mark, Seq};

macro_rules! frame {
    ($(#[$doc:meta])* $name:ident { $($body:tt)* }) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        $(#[$doc])*
        pub struct $name { $($body)* }
    };
}

fn yes() -> bool {
    true
}
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(b: &bool) -> bool {
    !*b
}
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_true(b: &bool) -> bool {
    *b
}

frame! {
    /// The answer to `hello`.
    Welcome {
        /// This connection.
        pub session: SessionId,
        /// The user whom the token belongs to.
        pub user: UserId,
        /// The device whom the token belongs to.
        pub device: DeviceId,
        /// The store's life. On another id than before: keep the outbox, drop cursors and
        /// timeline, and sync from nothing.
        pub store: StoreId,
        /// The server's clock, milliseconds since 1970. For display alone.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub time_ms: u64,
        /// What this node holds the client to.
        pub limits: Limits,
        /// Optional features that the node knows.
        #[serde(default)]
        pub features: Vec<String>,
    }
}

frame! {
    /// A send is durable, and this is its place.
    Sent {
        /// Of the request, if it was made on this connection.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The send.
        pub id: MessageId,
        /// The conversation.
        pub conversation: ConversationId,
        /// Its place.
        pub seq: Seq,
        /// Countable events up to it.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub n: u64,
        /// The time displayed.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub time_ms: u64,
    }
}

frame! {
    /// One event with its place. In a page it comes folded: with its edit, reactions, deletion.
    Event {
        /// The conversation.
        pub conversation: ConversationId,
        /// Its place.
        pub seq: Seq,
        /// Countable events up to it.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub n: u64,
        /// The last place before it that was not quiet: a jump from there is a gap.
        pub prev: Seq,
        /// The time displayed, milliseconds since 1970.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub time_ms: u64,
        /// The send.
        pub id: MessageId,
        /// Who sent it.
        pub sender: UserId,
        /// From which device.
        pub device: DeviceId,
        /// How it is sequenced: what to make of a kind that the client does not know.
        pub class: Class,
        /// What it is.
        pub kind: String,
        /// The event that it changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target: Option<Seq>,
        /// A setting's or reaction's key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub key: Option<String>,
        /// A setting's value in clear.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub value: Option<String>,
        /// For `reaction` and `pin`: set or taken back.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        pub on: bool,
        /// The seq of the setting replaced, if the sender insisted on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub base: Option<Seq>,
        /// The users whom a membership event names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub named: Vec<Named>,
        /// What `create` laid down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub create: Option<Create>,
        /// The event answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reply_to: Option<Seq>,
        /// Reserved: the first event of its thread.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub thread: Option<Seq>,
        /// Who is mentioned.
        #[serde(default, skip_serializing_if = "Mentions::is_empty")]
        pub mentions: Mentions,
        /// Placed, but not counted and not told to those whom it does not concern.
        #[serde(default, skip_serializing_if = "is_false")]
        pub quiet: bool,
        /// Where it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub origin: Option<Origin>,
        /// Reserved: after how many seconds the body expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub expires_after_s: Option<u32>,
        /// What it says. Absent when it was erased, or lies beside its target.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub body: Option<Body>,
        /// Folded: the edit that replaced the body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub edited: Option<Edited>,
        /// Folded: the deletion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub deleted: Option<Deleted>,
        /// Folded: reactions that are set, by place.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub reactions: Vec<Reaction>,
        /// Folded: reactions that are set and left out here, as a frame has no room for all.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub reactions_more: u64,
        /// Folded: the pin that is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub pinned: Option<Seq>,
    }
}

frame! {
    /// An edit, folded into its target, whose `body` is the new one.
    Edited {
        /// The edit's place.
        pub seq: Seq,
        /// Its time.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub time_ms: u64,
    }
}

frame! {
    /// A deletion, folded into its target.
    Deleted {
        /// The deletion's place.
        pub seq: Seq,
        /// Who deleted it.
        pub by: UserId,
    }
}

frame! {
    /// A reaction, folded into its target.
    Reaction {
        /// Its place.
        pub seq: Seq,
        /// Whose it is.
        pub user: UserId,
        /// The reaction.
        pub key: String,
    }
}

frame! {
    /// Conversations that moved without their events being sent.
    Heads {
        /// Each with its newest place.
        pub heads: Vec<Moved>,
    }
}

frame! {
    /// One conversation that moved.
    Moved {
        /// The conversation.
        pub conversation: ConversationId,
        /// Its newest place.
        pub head: Head,
    }
}

frame! {
    /// Marks of one conversation.
    Receipt {
        /// The conversation.
        pub conversation: ConversationId,
        /// One's own marks as stored: the echo.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub own: Option<Mark>,
        /// Marks of others, member by member.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub members: Vec<MemberMark>,
        /// In a group: how many members hold and have read how much.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub counts: Option<Counts>,
    }
}

frame! {
    /// One member's marks.
    MemberMark {
        /// The member.
        pub user: UserId,
        /// Their marks.
        pub mark: Mark,
    }
}

frame! {
    /// Receipt counts at a place: of the others, so many have it and so many have read it.
    Counts {
        /// The place.
        pub seq: Seq,
        /// Others who hold it.
        pub delivered: u32,
        /// Others who have read it.
        pub read: u32,
        /// Others there are.
        pub of: u32,
    }
}

frame! {
    /// Sealed keys for this device. In the order of `k` per sending device.
    Mail {
        /// The sending user.
        pub from_user: UserId,
        /// The sending device.
        pub from: DeviceId,
        /// The sender's counter.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub k: u64,
        /// The ciphertext.
        pub bytes: Bytes,
    }
}

/// Whether a user is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum State {
    /// A device is connected.
    Online,
    /// None is, or it is not for the watcher to know.
    Offline,
    /// The session store cannot be asked.
    Unknown,
}

frame! {
    /// Presence of watched users: first all, then changes, at most once a second.
    Presence {
        /// Each user with their state.
        pub users: Vec<UserPresence>,
    }
}

frame! {
    /// One user's presence.
    UserPresence {
        /// The user.
        pub user: UserId,
        /// Whether they are here.
        pub state: State,
        /// When they last were, if known and theirs to show; milliseconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(type = "number | null"))]
        pub last_seen_ms: Option<u64>,
    }
}

frame! {
    /// Users who type, by conversation. Fades after a few seconds without another.
    #[cfg_attr(feature = "schema", schemars(rename = "TypingUsers"), ts(rename = "TypingUsers"))]
    Typing {
        /// The conversation.
        pub conversation: ConversationId,
        /// Who types.
        pub users: Vec<UserId>,
    }
}

frame! {
    /// Part of an answer to `sync` (lines) or `history` (events).
    Page {
        /// Of the request.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// Lines of conversations whose digests differ.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub lines: Vec<Line>,
        /// What a client needs to draw those lines, where the server has it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub about: Vec<About>,
        /// Events of one conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stretch: Option<Stretch>,
        /// Whether another page of the same answer follows.
        #[serde(default, skip_serializing_if = "is_false")]
        pub more: bool,
        /// Ends a catch-up.
        #[serde(default, skip_serializing_if = "is_false")]
        pub ready: bool,
    }
}

frame! {
    /// How a conversation stands: what a list of conversations shows.
    About {
        /// The conversation.
        pub conversation: ConversationId,
        /// Its shape.
        pub shape: Shape,
        /// What new members may read.
        pub history: HistoryRule,
        /// Members.
        pub members: u32,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// Its topic.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub topic: Option<String>,
        /// In a direct conversation, the other user; with oneself, oneself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub peer: Option<UserId>,
        /// One's own role.
        #[serde(default)]
        pub role: Role,
        /// The newest countable events since the last joining: unread counts from `joined_n`.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub joined_n: u64,
        /// Mentions of oneself after one's read mark.
        #[serde(default)]
        pub mentions: u32,
    }
}

frame! {
    /// Consecutive places of a conversation, events folded as of `as_of`.
    Stretch {
        /// The conversation.
        pub conversation: ConversationId,
        /// The first place that it covers. Every place in [from, to] is an event or withheld.
        pub from: Seq,
        /// The last place that it covers; below `from` if it covers none.
        pub to: Seq,
        /// The events, rising.
        pub events: Vec<Event>,
        /// Every change up to this place is in the fold.
        pub as_of: Seq,
        /// Places that are not shown, and why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub withheld: Vec<Withheld>,
        /// Whether there is more beyond, in the direction asked.
        #[serde(default, skip_serializing_if = "is_false")]
        pub more: bool,
        /// With `changes_since`: only events that changed; places between are not covered.
        #[serde(default, skip_serializing_if = "is_false")]
        pub changes: bool,
    }
}

frame! {
    /// Places that are not shown.
    Withheld {
        /// The first.
        pub from: Seq,
        /// The last.
        pub to: Seq,
        /// Why.
        pub why: Why,
    }
}

/// Why places are withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum Why {
    /// The reader was not a member there, and the history rule does not let them read it.
    NotMember,
    /// Reserved: its time is over.
    Expired,
    /// The operator removed it.
    Removed,
}

frame! {
    /// The answer to `ping`.
    Pong {
        /// Of the request.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The server's clock. For display alone.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub time_ms: u64,
    }
}

frame! {
    /// The device is behind.
    Behind {
        /// Sync after this while.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub after_ms: u64,
    }
}

frame! {
    /// The node drains.
    GoingAway {
        /// Reconnect after this while, perhaps elsewhere.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub after_ms: u64,
    }
}

frame! {
    /// Something was refused or failed. The code's range says what to do.
    Error {
        /// Of the request, if it could be read.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The number.
        pub code: Code,
        /// Its name.
        pub name: String,
        /// What happened and what to do, for people.
        pub message: String,
        /// The send refused, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<MessageId>,
        /// Its conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub conversation: Option<ConversationId>,
        /// Try again after this while.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(type = "number | null"))]
        pub retry_ms: Option<u64>,
        /// More, where it helps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(type = "unknown"))]
        pub details: Option<serde_json::Value>,
    }
}

impl Error {
    /// An error with the table's text.
    #[must_use]
    pub fn new(r#ref: Ref, code: Code) -> Self {
        Self {
            r#ref,
            code,
            name: code.name(),
            message: code.about().to_owned(),
            id: None,
            conversation: None,
            retry_ms: None,
            details: None,
        }
    }

    /// The same, about this send.
    #[must_use]
    pub fn of(mut self, conversation: ConversationId, id: MessageId) -> Self {
        self.conversation = Some(conversation);
        self.id = Some(id);
        self
    }

    /// The same, with a word on what exactly was wrong.
    #[must_use]
    pub fn why(mut self, what: impl Into<String>) -> Self {
        self.details = Some(serde_json::Value::String(what.into()));
        self
    }
}
