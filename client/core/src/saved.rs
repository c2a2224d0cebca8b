//! What the core keeps in a store, and gets back: [`Op`] and [`Restored`].
//!
//! A store is a mirror of what the core holds: it applies operations in order, a batch at a time,
//! and knows nothing of what they mean. Only rows of the outbox must be on disk before they are
//! confirmed; whatever else is lost is caught up again.

use std::sync::Arc;

use parlour_protocol::error::Code;
use parlour_protocol::frame::client;
use parlour_protocol::frame::server::{About, Event, Withheld};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, StoreId};
use parlour_protocol::kind;
use parlour_protocol::line::Line;
use parlour_protocol::seq::Seq;
use serde::{Deserialize, Serialize};

/// Numbers batches of operations, rising.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Ticket(pub u64);

/// One operation on the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The server's store: its id is another than before. Everything but the outbox and mail is
    /// dropped.
    Begin(StoreId),
    /// Puts a row of the outbox, by its id. Must be on disk before it is confirmed.
    Outbox(Arc<Row>),
    /// Takes a row out of the outbox.
    OutboxGone(MessageId),
    /// Puts a line, by its conversation.
    Line(Line),
    /// Puts how a conversation stands.
    About(Box<About>),
    /// Puts what is held of a conversation.
    Held(ConversationId, Box<Held>),
    /// Puts an event, by conversation and place.
    Event(Arc<Event>),
    /// Drops the events of places in `[from, to]`.
    EventsGone(ConversationId, Seq, Seq),
    /// Mail from this device is stored up to this counter.
    Mail(DeviceId, u64),
}

impl Op {
    /// Whether it must be on disk before it is confirmed.
    #[must_use]
    pub const fn durable(&self) -> bool {
        matches!(self, Self::Outbox(_) | Self::OutboxGone(_))
    }
}

/// What a row of the outbox asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Asked {
    /// An event.
    Send(Box<client::Send>),
    /// A new body.
    Edit(Box<client::Edit>),
    /// An erasure.
    Delete(client::Delete),
    /// A reaction.
    React(client::React),
}

/// How far a row of the outbox is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its outcome is not known.
    Waiting,
    /// It is being given up; its outcome is not known.
    GivingUp {
        /// Whether its event is to be deleted if it has a place after all.
        delete: bool,
        /// Why, if it was not a person who asked for it: the server could not read the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<(Code, String)>,
    },
    /// It was refused, finally; kept for a person to see.
    Failed {
        /// The code.
        code: Code,
        /// What happened, for people.
        message: String,
    },
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its place in the order of this device's requests.
    pub order: u64,
    /// Where it goes.
    pub conversation: ConversationId,
    /// Its id, kept over retries.
    pub id: MessageId,
    /// Whether it may have been handed to a socket: stored true before the first try.
    pub tried: bool,
    /// How far it is.
    pub stage: Stage,
    /// When it was made, in the caller's milliseconds. For display alone.
    pub made_ms: u64,
    /// What it asks for.
    pub asked: Asked,
}

impl Row {
    /// Whether it is what makes this user a member: nothing else can be sent there before.
    pub(crate) fn opens(&self) -> bool {
        let kind = match &self.asked {
            Asked::Send(send) => send.kind.as_deref(),
            _ => None,
        };
        self.stage == Stage::Waiting && matches!(kind, Some(kind::CREATE | kind::JOIN))
    }
}

/// Consecutive places that are held, with every change up to `as_of` folded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The first place.
    pub from: Seq,
    /// The last place.
    pub to: Seq,
    /// Every change up to this place is in the fold.
    pub as_of: Seq,
}

/// What is held of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The stretches, rising, without overlap. Each place of them is an event, quiet or withheld.
    pub stretches: Vec<Stretch>,
    /// Places that are not shown, and why.
    #[serde(default)]
    pub withheld: Vec<Span>,
    /// With [`crate::Fetch::Everything`]: every place up to here was had, and let go.
    #[serde(default)]
    pub had: Seq,
    /// The `delivered` mark that this device stated or will.
    #[serde(default)]
    pub delivered: Seq,
    /// The `read` mark that this device stated or will.
    #[serde(default)]
    pub read: Seq,
}

/// Places that are not shown, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first.
    pub from: Seq,
    /// The last.
    pub to: Seq,
    /// Why.
    pub why: parlour_protocol::frame::server::Why,
}

impl From<&Withheld> for Span {
    fn from(w: &Withheld) -> Self {
        Self {
            from: w.from,
            to: w.to,
            why: w.why,
        }
    }
}

/// What a store held when it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restored {
    /// The server's store, if one was seen.
    pub store: Option<StoreId>,
    /// The outbox, in any order.
    pub outbox: Vec<Row>,
    /// The lines.
    pub lines: Vec<Line>,
    /// How conversations stand.
    pub about: Vec<About>,
    /// What is held of each.
    pub held: Vec<(ConversationId, Held)>,
    /// The events held, in any order.
    pub events: Vec<Event>,
    /// Mail stored, by sending device.
    pub mail: Vec<(DeviceId, u64)>,
}
