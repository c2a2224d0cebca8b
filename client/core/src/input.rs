//! What a caller feeds the core: [`Input`], [`Command`] and [`Request`].

use parlour_protocol::body::Body;
use parlour_protocol::check;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Server, client};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{HistoryRule, Shape};
use parlour_protocol::record::{Mentions, Named};
use parlour_protocol::seq::Seq;

use crate::saved::{Restored, Ticket};

/// What happened. Give inputs of a socket only while it is the one that the last
/// [`crate::Output::Connect`] opened.
#[derive(Debug)]
pub enum Input {
    /// What the store held. Once, before everything else; not at all for an empty store.
    Restored(Box<Restored>),
    /// Be connected from now on.
    Start,
    /// Close, and stay away until the next [`Input::Start`].
    Stop,
    /// The network may be back: do not wait the pause out.
    Hurry,
    /// The socket is open. The core answers with `hello`.
    Connected,
    /// The socket is closed or could not be opened.
    Disconnected {
        /// The WebSocket close code, if one came.
        code: Option<u16>,
        /// What went wrong, for people.
        why: String,
    },
    /// A frame from the socket.
    Frame(Box<Server>),
    /// All that was to be stored up to this ticket is.
    Persisted(Ticket),
    /// This mail is stored, and all before it from the same device.
    MailStored {
        /// The sending device.
        from: DeviceId,
        /// Its counter.
        k: u64,
    },
    /// Time has passed: [`crate::Client::wake_at`] is due.
    Tick,
    /// What the user does that needs no outcome.
    Command(Command),
}

/// What the user does that needs no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Everything up to here was seen. Marks never go down: a lower place changes nothing.
    Read {
        /// The conversation.
        conversation: ConversationId,
        /// The last place seen.
        upto: Seq,
    },
    /// This conversation is on the screen, or none.
    Focus {
        /// The conversation.
        conversation: Option<ConversationId>,
        /// Whether receipts are wanted member by member.
        members: bool,
    },
    /// These users are visible now; replaces the set before. At most 500, the rest is cut off.
    Watch(Vec<UserId>),
    /// The user types here.
    Typing(ConversationId),
    /// Bring older events of this conversation: one more page before those shown.
    Older(ConversationId),
    /// Bring the newest page of this conversation, whatever [`crate::Fetch`] says.
    Load(ConversationId),
    /// Forget a request that failed.
    Dismiss(MessageId),
}

/// What the user does that ends with an outcome: it goes through the outbox.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Any event, as the frame says; see [`crate::draft`]. `ref`, `retry` and `after` are the
    /// core's own; an id of nil is replaced by a new one.
    Send(Box<client::Send>),
    /// A new body for one's own event.
    Edit {
        /// The conversation.
        conversation: ConversationId,
        /// The event.
        target: Seq,
        /// The new body.
        body: Body,
        /// Who is mentioned now.
        mentions: Mentions,
    },
    /// Erases an event.
    Delete {
        /// The conversation.
        conversation: ConversationId,
        /// The event.
        target: Seq,
    },
    /// Sets or takes back a reaction.
    React {
        /// The conversation.
        conversation: ConversationId,
        /// The event.
        target: Seq,
        /// The reaction.
        key: String,
        /// Set or taken back.
        on: bool,
    },
    /// Makes a group or channel, with its name and topic.
    Create {
        /// Group or channel.
        shape: Shape,
        /// What new members may read.
        history: HistoryRule,
        /// Its name.
        name: Option<String>,
        /// Its topic.
        topic: Option<String>,
        /// First members beside oneself.
        members: Vec<Named>,
        /// Its id; absent makes one.
        conversation: Option<ConversationId>,
    },
    /// Gives a request up: it gets its final refusal, unless it has a place already, which is
    /// then deleted.
    GiveUp(MessageId),
    /// A request that failed, again, under a new id.
    Again(MessageId),
}

/// A request taken into the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Where it goes.
    pub conversation: ConversationId,
    /// Its id, under which its outcome is told.
    pub id: MessageId,
}

/// A request that was not taken. Nothing of it happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The outbox holds as much as it may.
    #[error(
        "{waiting} messages wait to be sent, and no more fit; wait until some are sent, or give some up"
    )]
    OutboxFull {
        /// How many wait.
        waiting: usize,
    },
    /// The server would refuse it at a look: by its limits, or for what does not fit together.
    #[error("{}", .0.what)]
    Unfit(#[from] check::Refused),
    /// With its keys it is larger than the server takes.
    #[error("the message with its keys has {is} bytes, and the server takes at most {max}")]
    TooLarge {
        /// How large it is.
        is: u64,
        /// How large it may be.
        max: u64,
    },
    /// Neither a conversation nor a user was named.
    #[error("a send names a conversation or a user")]
    NoAddress,
    /// No request of this id is in the outbox.
    #[error("no such message waits here; it may have been sent meanwhile")]
    Unknown,
    /// A request of this id is in the outbox already.
    #[error("a message with this id waits already")]
    Doubled,
}

/// How the connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not wanted, or ended for good: a person must act if there is a reason.
    Stopped(Option<(Code, String)>),
    /// Waiting to connect again.
    Waiting {
        /// When, in the caller's milliseconds.
        until_ms: u64,
        /// Why the last connection ended.
        why: String,
    },
    /// Opening a socket.
    Connecting,
    /// Said `hello`.
    Greeting,
    /// Welcome, and catching up. Sends go out already.
    Syncing,
    /// Caught up.
    Live,
}
