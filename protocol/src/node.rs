//! What nodes say to each other and to the session store: where a device is, and [`Signal`]s.

use minicbor::{Decode, Encode};

use crate::bytes::Bytes;
use crate::error::Code;
use crate::id::{ConversationId, DeviceId, MessageId, SessionId, UserId};
use crate::row;
use crate::seq::{Head, Mark, Seq};

/// One node of a cluster; 0 on a single machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct NodeId(#[n(0)] pub u64);

/// One life of a node's lease. A node that finds its lease lapsed takes a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Incarnation(#[n(0)] pub u64);

/// Where a device is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct Location {
    /// The user.
    #[n(0)]
    pub user: UserId,
    /// The device.
    #[n(1)]
    pub device: DeviceId,
    /// Its connection.
    #[n(2)]
    pub session: SessionId,
    /// The node that holds it.
    #[n(3)]
    pub node: NodeId,
    /// The node's lease under which it was registered.
    #[n(4)]
    pub incarnation: Incarnation,
}

/// How a send ended, as told to its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// It has this place, durably.
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
        /// What was placed, by [`crate::contents::digest`]: whoever asks for other contents under
        /// the id is refused by its gateway.
        #[n(3)]
        digest: Option<u64>,
    },
    /// Refused. The code's range says whether finally.
    #[n(1)]
    Refused {
        /// Why.
        #[n(0)]
        code: Code,
    },
}

/// What one node says to another in one hop. All but [`Signal::Raised`] may be lost.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Signal {
    /// An event, durable. For a direct or group conversation: to every session that the node has
    /// of these users. For a channel (`to` empty): to every session with an interest.
    #[n(0)]
    Event {
        /// The event's row, with header and payload as stored; a change's payload included.
        #[n(0)]
        event: row::Event,
        /// Users with sessions on the node who are entitled to it.
        #[n(1)]
        to: Vec<UserId>,
    },
    /// How a send ended, for its device.
    #[n(1)]
    Answer {
        /// The sending device.
        #[n(0)]
        device: DeviceId,
        /// The conversation.
        #[n(1)]
        conversation: ConversationId,
        /// The send.
        #[n(2)]
        id: MessageId,
        /// How it ended.
        #[n(3)]
        answer: Answer,
    },
    /// A raised head, for these users; for a channel (`to` empty), for all with an interest.
    /// Sent again until acknowledged.
    #[n(2)]
    Raised {
        /// The conversation.
        #[n(0)]
        conversation: ConversationId,
        /// Its newest place.
        #[n(1)]
        head: Head,
        /// Users with sessions on the node.
        #[n(2)]
        to: Vec<UserId>,
        /// Whether it is a channel that these users came into or went out of: the node may not
        /// know yet that it has an interest in it.
        #[n(3)]
        named: bool,
    },
    /// The waiting heads were too many: every session of the node is behind.
    #[n(3)]
    Behind,
    /// A user's mark, stored.
    #[n(4)]
    Marked {
        /// Whose.
        #[n(0)]
        user: UserId,
        /// Where.
        #[n(1)]
        conversation: ConversationId,
        /// The mark.
        #[n(2)]
        mark: Mark,
        /// Users who are told: the user, the other in a direct conversation; in a group the members,
        /// of whom the node tells those that have it in focus. Empty: all who have it in focus.
        #[n(3)]
        to: Vec<UserId>,
    },
    /// A user types.
    #[n(5)]
    Typing {
        /// Who.
        #[n(0)]
        user: UserId,
        /// Where.
        #[n(1)]
        conversation: ConversationId,
        /// Users who are told; empty: all who have it in focus.
        #[n(2)]
        to: Vec<UserId>,
    },
    /// Mail for a device is stored.
    #[n(6)]
    Mail {
        /// For which device.
        #[n(0)]
        device: DeviceId,
        /// The mail.
        #[n(1)]
        mail: Mail,
    },
    /// These devices were revoked; their sockets close.
    #[n(7)]
    Revoked {
        /// The devices.
        #[n(0)]
        devices: Vec<DeviceId>,
    },
}

/// Sealed keys for a single device, under (from device, counter).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mail {
    /// The sending user.
    #[n(0)]
    pub from_user: UserId,
    /// The sending device.
    #[n(1)]
    pub from: DeviceId,
    /// The sender's counter.
    #[n(2)]
    pub k: u64,
    /// The ciphertext.
    #[n(3)]
    pub bytes: Bytes,
}
