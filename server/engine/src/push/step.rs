//! What a decider is told ([`Input`]) and asks for ([`Output`]), and how it is held.

use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::position::Position;
use parlour_protocol::seq::Seq;

use crate::router::Placed;

/// How wakes are decided.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long after an event. Later than a lease can outlive its node, so that a session that
    /// is only believed to be there has been found out.
    pub wake_after_ms: u64,
    /// Events that wait, at most; past it the router is held back ([`Decider::is_full`](crate::push::Decider::is_full)).
    pub waiting_max: usize,
    /// Questions that wait for their answer, at most.
    pub open_max: usize,
    /// The cursor is made durable at most once in this while.
    pub advance_ms: u64,
    /// Users who were woken for a conversation and have not read it that are remembered, so that a
    /// read clears what their devices show. Beyond it the oldest are forgotten: what they show
    /// stays until it is looked at.
    pub woken_max: usize,
    /// How soon what could not be found out is asked for again.
    pub again_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wake_after_ms: 20_000,
            waiting_max: 50_000,
            open_max: 64,
            advance_ms: 1_000,
            woken_max: 50_000,
            again_ms: 500,
        }
    }
}

/// A device as the decision needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The device.
    pub device: DeviceId,
    /// When something last came from it on any node; none: not known, or never.
    pub heard_ms: Option<u64>,
}

/// A user as the decision needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFacts {
    /// The user.
    pub user: UserId,
    /// Their devices.
    pub devices: Vec<DeviceFacts>,
    /// How far they have read the conversation.
    pub read: Seq,
    /// Whether they muted it: then only a mention wakes.
    pub muted: bool,
    /// Whether they are in it. Only who is is woken: a mention calls nobody into a channel.
    pub member: bool,
    /// Whether they blocked the sender: then nothing of theirs wakes, a mention neither.
    pub blocked: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Durable events, in order, and up to where they are all.
    Placed {
        /// The events.
        events: Vec<Placed>,
        /// The last position that they come from.
        up_to: Position,
    },
    /// What was asked for.
    Facts {
        /// Of [`Output::Ask`].
        ask: u64,
        /// The users. Those of whom nothing could be found out are left out, and asked for again.
        users: Vec<UserFacts>,
    },
    /// A user has read a conversation up to a place. Best effort: it is known anyway to whoever
    /// is asked later.
    Read {
        /// Who.
        user: UserId,
        /// Where.
        conversation: ConversationId,
        /// How far.
        seq: Seq,
    },
    /// It could not be had; it is asked for again.
    Failed {
        /// Of [`Output::Ask`].
        ask: u64,
    },
    /// The cursor is durable, or could not be made so.
    Advanced {
        /// Whether it is.
        ok: bool,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Find out about users.
    Ask {
        /// Carried back.
        ask: u64,
        /// Where.
        conversation: ConversationId,
        /// Whether that is a channel, of which users need not be members.
        channel: bool,
        /// Whose event it is.
        sender: UserId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Wake a device. The collapse id is the conversation: of several wakes one is shown.
    Wake {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
        /// Where something came.
        conversation: ConversationId,
        /// Its place.
        seq: Seq,
        /// Whether the user is mentioned.
        mention: bool,
    },
    /// Take away what a device was woken to show of a conversation: its user has read it.
    Clear {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
        /// Of which conversation.
        conversation: ConversationId,
        /// Up to this place.
        seq: Seq,
    },
    /// Make the cursor durable.
    Advance {
        /// The last position decided.
        position: Position,
    },
    /// Give [`Input::Tick`] then.
    WakeAt {
        /// Milliseconds, as `now_ms`.
        at_ms: u64,
    },
}
