//! What a partition's machine is told ([`Input`]) and asks for ([`Output`]).

use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::node::{NodeId, Signal};
use parlour_protocol::position::{Generation, Position, Progress};
use parlour_protocol::record::Record;
use parlour_protocol::roster::Change;
use parlour_protocol::row::{Event, Row};

use crate::log::sequencer::Audience;
use crate::router::tell::Found;
use crate::router::{Bounds, Remedy};

/// Names one thing that the runtime is asked to do; its answer carries it back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Call(pub u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The partition is this router's now.
    Assigned,
    /// How far each cursor got, by generation: the router's, and that of push if it runs.
    Progress {
        /// Of [`Output::ReadProgress`].
        call: Call,
        /// One entry a cursor.
        cursors: Vec<Vec<(Generation, Progress)>>,
    },
    /// What the log holds.
    Bounds {
        /// Of [`Output::ReadBounds`].
        call: Call,
        /// By generation.
        bounds: Vec<Bounds>,
    },
    /// Records, in order.
    Records {
        /// Of [`Output::Read`].
        call: Call,
        /// At least one.
        records: Vec<(Position, Record)>,
    },
    /// Answers, in the order of the questions.
    Facts {
        /// Of [`Output::Ask`].
        call: Call,
        /// The answers.
        facts: Vec<Fact>,
    },
    /// The rows are durable.
    Stored {
        /// Of [`Output::Store`].
        call: Call,
    },
    /// Where sessions are.
    Located {
        /// Of [`Output::Locate`].
        call: Call,
        /// What was found.
        found: Found,
    },
    /// The roster's changes are durable.
    Applied {
        /// Of [`Output::Apply`].
        call: Call,
    },
    /// The node has the heads in hand.
    Raised {
        /// Of [`Output::Raise`].
        call: Call,
    },
    /// The progress is durable.
    Advanced {
        /// Of [`Output::Advance`].
        call: Call,
    },
    /// A node's lease is gone: nobody is there to be told.
    NodeGone {
        /// The node.
        node: NodeId,
    },
    /// Push has decided its wakes up to here, durably.
    PushAt {
        /// The last place decided.
        position: Position,
    },
    /// It did not happen, or nobody knows: it is repeated, unchanged, a little later.
    Failed {
        /// Which.
        call: Call,
    },
    /// Time passed.
    Tick,
}

/// What is to be done. Each with a `call` is answered by the [`Input`] of its kind, or by
/// [`Input::Failed`].
#[derive(Clone, Debug)]
pub enum Output {
    /// Read how far each cursor got.
    ReadProgress {
        /// Carried back.
        call: Call,
    },
    /// Read what the log holds.
    ReadBounds {
        /// Carried back.
        call: Call,
    },
    /// Read records; wait until there is one.
    Read {
        /// Carried back.
        call: Call,
        /// From there on.
        from: Position,
        /// At most.
        max: usize,
    },
    /// Ask the store, as of a position.
    Ask {
        /// Carried back.
        call: Call,
        /// Rows made there or later do not count.
        as_of: Position,
        /// The questions.
        questions: Vec<Question>,
    },
    /// Make rows durable.
    Store {
        /// Carried back.
        call: Call,
        /// The rows.
        rows: Vec<Row>,
    },
    /// Find sessions and watchers, in the session store itself.
    Locate {
        /// Carried back.
        call: Call,
        /// Users.
        users: Vec<UserId>,
        /// Channels.
        channels: Vec<ConversationId>,
    },
    /// Tell a node, at most once.
    Tell {
        /// Which.
        node: NodeId,
        /// What, in order.
        signals: Vec<Signal>,
    },
    /// Make changes of the roster durable.
    Apply {
        /// Carried back.
        call: Call,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Tell a node raised heads, and wait until it has them in hand.
    Raise {
        /// Carried back.
        call: Call,
        /// Which.
        node: NodeId,
        /// The heads.
        signals: Vec<Signal>,
    },
    /// Make progress durable.
    Advance {
        /// Carried back.
        call: Call,
        /// How far.
        progress: Progress,
    },
    /// Records up to here will not be asked for again.
    Done {
        /// The last of them.
        up_to: Position,
    },
    /// Durable events, in order, for push.
    Placed {
        /// The events.
        events: Vec<Placed>,
        /// The last position that they come from.
        up_to: Position,
    },
    /// Give [`Input::Tick`] then.
    WakeAt {
        /// Milliseconds, as `now_ms`.
        at_ms: u64,
    },
    /// The partition stops until a person acts.
    Stop {
        /// What is wrong, and what to do.
        remedy: Remedy,
    },
    /// The partition is handed back: a node of a newer version must judge it.
    Release {
        /// The record's number.
        rules: u16,
    },
}

/// A durable event, and whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The record's place.
    pub position: Position,
    /// The event, with the payload that is shown.
    pub event: Event,
    /// Whom it is shown.
    pub audience: Audience,
}
