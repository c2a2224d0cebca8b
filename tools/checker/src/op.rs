//! What a record consists of: one [`Op`] per call, answer, receive and reading.
//!
//! Feed them in the order in which they happened, each from where it can be seen: a call is
//! recorded before it is made, and a receive once the client has it.

use parlour_protocol::error::Code;
use parlour_protocol::kind::{Class, HistoryRule};
use parlour_protocol::{ConversationId, DeviceId, MessageId, Seq, SessionId, UserId};

/// Why a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A device sends, or sends again: anything that is sequenced. Held to program order.
    Send,
    /// A device gives the id up. Does not by itself allow the event to exist.
    Cancel,
    /// Made through a door without an outbox (HTTP, import, an administrator). Not held to program
    /// order, and may be recorded after its event was received, as its id may come with the answer.
    Setup,
}

/// How an event reached a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Pushed, as an `event`.
    Live,
    /// Asked for, in a page.
    Page,
}

/// Why a device was not given places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Named as withheld: no member there.
    NotMember,
    /// Named as withheld: expired.
    Expired,
    /// Named as withheld: removed by the operator.
    Removed,
    /// Told that they exist (`heads`, `behind`, a line); the device must still fetch them.
    Notice,
    /// Told that they exist, and the device chose to leave them unread on the server.
    Unfetched,
}

/// What an event shows of its body. Hashes as [`hash`](crate::frames::hash) makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The body as it was sent.
    Whole(u64),
    /// The body of the edit at `at`, folded in.
    Edited {
        /// The hash of the body shown.
        hash: u64,
        /// The edit's place.
        at: Seq,
    },
    /// None: erased by the deletion at this place.
    Deleted(Seq),
    /// None, and no word why. Right for what is no content: a change lies beside its target.
    Absent,
}

/// An event as someone saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its place.
    pub seq: Seq,
    /// Countable events up to it.
    pub n: u64,
    /// The last place before it that was not quiet.
    pub prev: Seq,
    /// Its id.
    pub id: MessageId,
    /// Who sent it.
    pub sender: UserId,
    /// How it is sequenced.
    pub class: Class,
    /// Whether it is quiet.
    pub quiet: bool,
    /// Its body.
    pub shown: Shown,
}

/// A conversation as a fresh device read it at the end: whole, or those parts that it asked for.
/// Several of one conversation are joined; together they must hold all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// The device.
    pub device: DeviceId,
    /// Its user.
    pub user: UserId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The head as the server stated it.
    pub head: Seq,
    /// The places that it asked for, first and last, if not for all: of others nothing is missed.
    pub parts: Option<Vec<(Seq, Seq)>>,
    /// The events, in the order in which they were shown.
    pub events: Vec<Seen>,
    /// Places named as withheld: first, last, why.
    pub withheld: Vec<(Seq, Seq, Why)>,
}

/// One entry of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A conversation's history rule, told once at any time. Untold is `from_join`, the stricter.
    History {
        /// The conversation.
        conversation: ConversationId,
        /// The rule.
        history: HistoryRule,
    },
    /// A user was a member from one place to another, or still is. Told at any time, as the events
    /// read back say ([`memberships`](crate::frames::memberships)). Both users of a direct
    /// conversation are members from 0.
    Membership {
        /// The conversation.
        conversation: ConversationId,
        /// The user.
        user: UserId,
        /// The place that made them a member.
        from: Seq,
        /// The place that ended it.
        until: Option<Seq>,
    },
    /// A call is about to be made, for the first time or again.
    Invoke {
        /// By this device.
        device: DeviceId,
        /// Of this user.
        user: UserId,
        /// In this conversation.
        conversation: ConversationId,
        /// Under this id.
        id: MessageId,
        /// The body's hash; `None` is not compared.
        hash: Option<u64>,
        /// What for.
        intent: Intent,
    },
    /// It was answered with its place.
    Ok {
        /// The device.
        device: DeviceId,
        /// The conversation.
        conversation: ConversationId,
        /// The send.
        id: MessageId,
        /// Its place.
        seq: Seq,
        /// Countable events up to it.
        n: u64,
    },
    /// It was refused. Where an id was called with two bodies, a final refusal is of the body that
    /// this device called it with last, and not the id's outcome; with [`Code::ID_REUSED`] always.
    Refused {
        /// The device.
        device: DeviceId,
        /// The conversation.
        conversation: ConversationId,
        /// The send.
        id: MessageId,
        /// Why.
        code: Code,
        /// Whether for ever.
        finally: bool,
    },
    /// No answer came, and none will be waited for.
    Unknown {
        /// The device.
        device: DeviceId,
        /// The conversation.
        conversation: ConversationId,
        /// The send.
        id: MessageId,
    },
    /// A device connected.
    Connect {
        /// The device.
        device: DeviceId,
        /// Its user.
        user: UserId,
        /// The connection.
        connection: SessionId,
    },
    /// A connection ended.
    Disconnect {
        /// The device.
        device: DeviceId,
        /// The connection.
        connection: SessionId,
    },
    /// A device received an event.
    Receive {
        /// The device.
        device: DeviceId,
        /// Its user.
        user: UserId,
        /// On this connection.
        connection: SessionId,
        /// The conversation.
        conversation: ConversationId,
        /// The event.
        event: Seen,
        /// How it came.
        via: Via,
    },
    /// A device was told why it is not given these places.
    Jump {
        /// The device.
        device: DeviceId,
        /// Its user.
        user: UserId,
        /// The conversation.
        conversation: ConversationId,
        /// The first place.
        from: Seq,
        /// The last place.
        to: Seq,
        /// Why.
        why: Why,
    },
    /// A device says that it has had everything in these places that its user may read: it is held
    /// to that, whether it is online at the end or not. What it left unfetched excuses nothing
    /// here, so claim around it.
    Whole {
        /// The device.
        device: DeviceId,
        /// Its user.
        user: UserId,
        /// The conversation.
        conversation: ConversationId,
        /// The first place.
        from: Seq,
        /// The last place.
        to: Seq,
    },
    /// A device's timeline, or a part of it, as it shows it, from top to bottom.
    Timeline {
        /// The device.
        device: DeviceId,
        /// The conversation.
        conversation: ConversationId,
        /// Places with their events.
        events: Vec<(Seq, MessageId)>,
    },
    /// A device is about to state its user's marks, or those of someone else, which is to be in vain.
    MarkSet {
        /// The device that states them.
        device: DeviceId,
        /// Whose marks.
        user: UserId,
        /// The conversation.
        conversation: ConversationId,
        /// Delivered up to here.
        delivered: Seq,
        /// Read up to here.
        read: Seq,
    },
    /// A device holds these marks of a user now, `delivered` being at least `read`.
    MarkSeen {
        /// The device that sees them.
        observer: DeviceId,
        /// Whose marks.
        of: UserId,
        /// The conversation.
        conversation: ConversationId,
        /// Delivered up to here.
        delivered: Seq,
        /// Read up to here.
        read: Seq,
    },
    /// The marks of a user as the store has them at the end.
    MarkFinal {
        /// Whose marks.
        of: UserId,
        /// The conversation.
        conversation: ConversationId,
        /// Delivered up to here.
        delivered: Seq,
        /// Read up to here.
        read: Seq,
    },
    /// What was read at the end.
    ReadBack(ReadBack),
}
