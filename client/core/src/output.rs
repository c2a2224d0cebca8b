//! What the core asks of its caller ([`Output`]) and tells it ([`Update`]).

use std::sync::Arc;

use parlour_protocol::bytes::Bytes;
use parlour_protocol::error::Code;
use parlour_protocol::frame::Client as Frame;
use parlour_protocol::frame::server::{Event, UserPresence, Withheld};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, StoreId, UserId};
use parlour_protocol::seq::{Mark, Seq};

use crate::input::Link;
use crate::saved::{Op, Ticket};

/// What the caller does now, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open a socket; answer with `Connected` or `Disconnected`.
    Connect,
    /// Close the socket, if one is open or opening. No answer is wanted.
    Close,
    /// Send this frame.
    Send(Box<Frame>),
    /// Store these, in order and as one; answer with `Persisted`.
    Persist {
        /// The batch.
        ticket: Ticket,
        /// What to do.
        ops: Vec<Op>,
    },
    /// Something to show.
    Update(Update),
}

/// How an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// By itself, as it was placed.
    Live,
    /// In a page.
    Page,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has this place, durably.
    Sent {
        /// The place.
        seq: Seq,
        /// Countable events up to it.
        n: u64,
        /// The time displayed.
        time_ms: u64,
    },
    /// It was refused, finally: nobody ever sees it.
    Refused {
        /// The code.
        code: Code,
        /// What happened, for people.
        message: String,
    },
    /// It was given up in time: nobody ever sees it.
    GivenUp,
}

/// Something to show. Where it names a conversation, read the view again.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The connection stands otherwise.
    Link(Link),
    /// The server's store is another: everything but the outbox was dropped.
    Reset(StoreId),
    /// A conversation's line, name, members, unread or mention count changed.
    Conversation(ConversationId),
    /// What is shown of a conversation changed otherwise than by [`Update::Event`]: an item's
    /// state, a fold, a gap, the outbox.
    Timeline(ConversationId),
    /// An event came into what is held. Within a conversation live events rise; so do those of a
    /// page.
    Event {
        /// The event.
        event: Arc<Event>,
        /// How it came.
        via: Via,
    },
    /// An event that is held changed by a later one: an edit, deletion, reaction or pin.
    Changed {
        /// The event as it is now.
        event: Arc<Event>,
    },
    /// Places that are not shown, and why.
    Withheld {
        /// The conversation.
        conversation: ConversationId,
        /// The places.
        places: Withheld,
    },
    /// A request ended.
    Ended {
        /// Its conversation.
        conversation: ConversationId,
        /// Its id.
        id: MessageId,
        /// How.
        how: Ended,
    },
    /// Marks of others: tell the ticks of a conversation anew.
    Receipts {
        /// The conversation.
        conversation: ConversationId,
        /// Members who were told of, with their marks.
        members: Vec<(UserId, Mark)>,
    },
    /// One's own marks as stored.
    Marks {
        /// The conversation.
        conversation: ConversationId,
        /// The marks.
        own: Mark,
    },
    /// Who is here.
    Presence(Vec<UserPresence>),
    /// Who types; replaces what was told of this conversation before.
    Typing {
        /// The conversation.
        conversation: ConversationId,
        /// The users; none when all have stopped.
        users: Vec<UserId>,
    },
    /// Sealed keys for this device. Confirm with `MailStored` once they are stored.
    Mail {
        /// The sending user.
        from_user: UserId,
        /// The sending device.
        from: DeviceId,
        /// Its counter.
        k: u64,
        /// The ciphertext.
        bytes: Bytes,
    },
    /// A request that is no send was refused: a page, marks, a signal.
    Problem {
        /// The code.
        code: Code,
        /// What happened, for people.
        message: String,
        /// Its conversation, if known.
        conversation: Option<ConversationId>,
    },
}
