//! What a node's machine is told ([`Input`]) and asks for ([`Output`]), and how it is held.

use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, DeviceId, SessionId, UserId};
use parlour_protocol::kind::HistoryRule;
use parlour_protocol::node::{Incarnation, Location, NodeId, Signal};
use parlour_protocol::row::Interval;
use parlour_protocol::seq::Seq;

use crate::gateway::given::Given;

/// How a node goes about it. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The node.
    pub node: NodeId,
    /// How long its lease lasts.
    pub ttl_ms: u64,
    /// How often it is renewed.
    pub renew_ms: u64,
    /// How often the list of revocations is read (decision 28).
    pub revocations_ms: u64,
    /// How often presence and channel heads are told.
    pub batch_ms: u64,
    /// Presence states told per second.
    pub presence_per_s: u64,
    /// Sessions registered again per second under a new incarnation.
    pub register_per_s: u64,
    /// Over how long sessions that are behind are spread.
    pub behind_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NodeId(0),
            ttl_ms: 15_000,
            renew_ms: 4_000,
            revocations_ms: 2_000,
            batch_ms: 1_000,
            presence_per_s: 50_000,
            register_per_s: 2_000,
            behind_ms: 3_000,
        }
    }
}

/// What was read of a user's memberships in one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InChannel {
    /// Which.
    pub channel: ConversationId,
    /// A place that the channel had reached before the memberships were read: they know of
    /// everything up to there.
    pub as_of: Seq,
    /// From where on a member may read.
    pub history: HistoryRule,
    /// The memberships, in order.
    pub intervals: Vec<Interval>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The node begins.
    Start,
    /// Whether the lease is held.
    Leased {
        /// False: it was lost meanwhile.
        ok: bool,
    },
    /// The session store could not be asked for the lease.
    LeaseFailed,
    /// A connection said hello.
    Joined {
        /// The connection.
        session: SessionId,
        /// Its user.
        user: UserId,
        /// Its device.
        device: DeviceId,
    },
    /// A session is registered, or could not be.
    Registered {
        /// Which.
        session: SessionId,
        /// Whether it is.
        ok: bool,
    },
    /// A user's memberships in channels, those that ended too.
    Channels {
        /// Whose.
        user: UserId,
        /// Each channel.
        channels: Vec<InChannel>,
    },
    /// A connection is gone.
    Left {
        /// Which.
        session: SessionId,
    },
    /// What a session has on its screen.
    Focus {
        /// Which.
        session: SessionId,
        /// The conversation.
        conversation: Option<ConversationId>,
    },
    /// Whom a session sees, of those whom it may see.
    Watch {
        /// Which.
        session: SessionId,
        /// The users.
        users: Vec<UserId>,
    },
    /// Signals for this node.
    Signals(Vec<Signal>),
    /// Presence of users changed.
    Moved(Vec<UserId>),
    /// The stream of changes broke: they are read anew.
    Broken,
    /// What was read of presence.
    Presence(Vec<(UserId, bool, Option<u64>)>),
    /// Revocations after the number asked for.
    Revocations(Vec<(u64, DeviceId)>),
    /// A read of channels could not be made; it is made again.
    ChannelsFailed {
        /// Whose.
        user: UserId,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Begin or renew the lease. Answered by [`Input::Leased`] or [`Input::LeaseFailed`].
    Lease {
        /// Under which number.
        incarnation: Incarnation,
        /// For how long.
        ttl_ms: u64,
    },
    /// Register a session. Answered by [`Input::Registered`].
    Register(Location),
    /// Take a session away.
    Unregister(Location),
    /// Say whether the node watches a channel. Done before whatever comes after it.
    Interest {
        /// Which.
        channel: ConversationId,
        /// Whether.
        on: bool,
        /// Under which lease.
        incarnation: Incarnation,
    },
    /// Read a user's memberships in channels. Answered by [`Input::Channels`].
    ReadChannels {
        /// Whose.
        user: UserId,
    },
    /// Read presence. Answered by [`Input::Presence`]; if it fails, the next change tries again.
    ReadPresence(Vec<UserId>),
    /// Read revocations. Answered by [`Input::Revocations`].
    ReadRevoked {
        /// After which number.
        after: u64,
    },
    /// The connection may be welcomed: whoever looks for it finds it now.
    Ready {
        /// Which.
        session: SessionId,
    },
    /// Hand something to a connection. It is never dropped: a connection that cannot take it is
    /// closed by its own bound.
    Give {
        /// Which.
        session: SessionId,
        /// What.
        given: Given,
    },
    /// Close a connection.
    Close {
        /// Which.
        session: SessionId,
        /// Why.
        code: Code,
    },
    /// Give [`Input::Tick`] then.
    WakeAt {
        /// Milliseconds, as `now_ms`.
        at_ms: u64,
    },
}

/// What a node counts, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions held.
    pub sessions: u64,
    /// Leases lost.
    pub leases_lost: u64,
    /// Sessions told that they are behind.
    pub behind: u64,
    /// Presence states that waited beyond their batch.
    pub presence_delayed: u64,
}
