//! What a screen reads of the core: [`Summary`] of a conversation, [`Timeline`] with its [`Item`]s.

use std::sync::Arc;

use parlour_protocol::error::Code;
use parlour_protocol::frame::server::{About, Counts, Event, Why};
use parlour_protocol::id::{ConversationId, MessageId, UserId};
use parlour_protocol::kind::{Role, Shape};
use parlour_protocol::line::{Line, Standing};
use parlour_protocol::seq::{Head, Seq};

use crate::saved::{Asked, Row};

/// One conversation in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its shape, if known.
    pub shape: Option<Shape>,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its topic, if it has one.
    pub topic: Option<String>,
    /// In a direct conversation the other user; with oneself oneself.
    pub peer: Option<UserId>,
    /// Members, if known.
    pub members: u32,
    /// One's own role.
    pub role: Role,
    /// Whether one is a member; absent until the server said so.
    pub standing: Option<Standing>,
    /// Its newest place.
    pub head: Head,
    /// Messages after one's read mark.
    pub unread: u64,
    /// Mentions of oneself after one's read mark.
    pub mentions: u32,
    /// The newest message held, for a preview.
    pub newest: Option<Arc<Event>>,
    /// Requests of this device whose outcome is not known; without one's own affairs in the
    /// conversation with oneself, which are no word in it.
    pub waiting: usize,
    /// Since when the oldest of them that was handed over has had no answer at all, by the caller's
    /// clock. One that the server asked to try later is none of these.
    pub unanswered_since_ms: Option<u64>,
    /// Whether some of them wait because the server takes only so many in a while.
    pub slowed: bool,
}

/// How far one's own message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not placed yet.
    Sending,
    /// Being given up.
    GivingUp,
    /// Refused, finally.
    Failed {
        /// The code.
        code: Code,
        /// What happened, for people.
        message: String,
    },
    /// Placed, durably.
    Sent,
    /// Held by a device of the other, or of every other member.
    Delivered,
    /// Read by the other, or by every other member.
    Read,
}

/// A change of this device on an event, whose outcome is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its id.
    pub id: MessageId,
    /// What it asks for.
    pub asked: Asked,
    /// How far it is.
    pub state: State,
}

/// One thing in a timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An event with its place, folded. Changes are not items: they are folded into their target.
    Placed {
        /// The event.
        event: Arc<Event>,
        /// For one's own: how far it is.
        state: Option<State>,
        /// This device's own changes on it that are on their way.
        changes: Vec<Change>,
    },
    /// Places that are not shown.
    Withheld {
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
        /// Why.
        why: Why,
    },
    /// An event of this device that has no place yet, or was refused.
    Pending {
        /// The row of the outbox.
        row: Arc<Row>,
        /// How far it is.
        state: State,
    },
}

/// What lies before the first item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: this is the beginning.
    Nothing,
    /// More, held already: ask for the view before the first item.
    Held,
    /// More, not held: [`crate::Command::Older`] brings it.
    More,
    /// More, on its way.
    Coming,
    /// More, and no room to hold it.
    NoRoom,
}

/// A window of a conversation, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// The conversation.
    pub conversation: ConversationId,
    /// The items. Pending ones come last, in the window that reaches the newest place.
    pub items: Vec<Item>,
    /// What lies before them.
    pub before: Before,
    /// Whether the newest place known is among those shown.
    pub complete: bool,
    /// In a group in focus: how many others hold and have read how much.
    pub counts: Option<Counts>,
}

/// Where a message is that is named by its number; see [`crate::Client::reach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Here: the first message with a greater number, among all that are shown.
    Here(Seq),
    /// Further up than what is held; [`crate::Command::Older`] comes nearer.
    Further,
    /// Further up, and no more can be had now. The first message that is shown, if any is.
    Lost(Option<Seq>),
    /// No message has a greater number.
    Nowhere,
}

/// Which places of a conversation came; see [`crate::Client::places`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Its newest place.
    pub head: Seq,
    /// From where to where, both included. Rising.
    pub came: Vec<(Seq, Seq)>,
}

/// All that is known of a conversation beside its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The line, if the server said one.
    pub line: Option<Line>,
    /// How it stands, if the server said so.
    pub about: Option<About>,
}
