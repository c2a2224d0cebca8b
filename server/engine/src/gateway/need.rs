//! What a connection asks for ([`Need`]) and gets ([`Have`]): reads and writes of the roster, of
//! history and of keys, in the words of the rules and not of any port.

use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::kind::Role;
use parlour_protocol::node::Mail;
use parlour_protocol::row::{Change, Erased, Event, Interval, Standing};
use parlour_protocol::seq::{Head, Mark, Seq};

/// What is asked, always for the connection's own user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// What a send is judged by.
    Admit {
        /// Where it goes.
        conversation: ConversationId,
        /// The other user, if the request says that it is direct.
        peer: Option<UserId>,
        /// Users whom it would bring in.
        named: Vec<UserId>,
        /// Whose device lists it was sealed for, each with its version.
        lists: Vec<(UserId, Seq)>,
    },
    /// Conversations, rising by id, behind one.
    Inbox {
        /// The last one had.
        after: Option<ConversationId>,
    },
    /// One conversation.
    Entry {
        /// Which.
        conversation: ConversationId,
    },
    /// Events of places in (after, before), and who may read them.
    History {
        /// Where.
        conversation: ConversationId,
        /// From behind there.
        after: Seq,
        /// Up to before there.
        before: Seq,
        /// The newest of them, rather than the oldest.
        newest: bool,
        /// At most so many.
        limit: usize,
        /// Only those that changed since.
        changes_since: Option<Seq>,
    },
    /// Marks of everyone in a direct or group conversation.
    Marks {
        /// Where.
        conversation: ConversationId,
    },
    /// Makes marks durable; they only go up.
    StoreMarks {
        /// The marks.
        marks: Vec<(ConversationId, Mark)>,
    },
    /// Makes mail durable.
    PutMail {
        /// By device.
        mail: Vec<(DeviceId, Mail)>,
    },
    /// Mail that waits for this device, behind (from, k).
    Mail {
        /// The last one had.
        after: Option<(DeviceId, u64)>,
    },
    /// Mail up to there may be forgotten.
    AckMail {
        /// By sending device.
        from: Vec<(DeviceId, u64)>,
    },
    /// Which of these users' presence it may see (decision 24).
    Rights {
        /// The users.
        users: Vec<UserId>,
    },
}

/// How a conversation stands for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The conversation.
    pub standing: Standing,
    /// One's own marks.
    pub mark: Mark,
    /// The other's, in a direct conversation.
    pub other: Option<Mark>,
    /// One's latest membership; none in a direct conversation.
    pub member: Option<Interval>,
    /// Whether it ended by another's hand.
    pub removed: bool,
    /// Mentions after one's read mark.
    pub mentions: u32,
}

impl Entry {
    /// Whether one is in it now.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.standing.direct.is_some() || self.member.is_some_and(|m| m.until.is_none())
    }

    /// The other user of a direct conversation; oneself with oneself.
    #[must_use]
    pub fn peer(&self, user: UserId) -> Option<UserId> {
        self.standing
            .direct
            .map(|(a, b)| if a == user { b } else { a })
    }

    /// One's role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.member.map_or(Role::Member, |m| m.role)
    }
}

/// What a send is judged by, as things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admit {
    /// The conversation, if it is there and one is or was in it.
    pub entry: Option<Entry>,
    /// Whether the conversation lets anyone join.
    pub open: bool,
    /// Whether the other user of a direct conversation exists.
    pub peer_exists: bool,
    /// Whether that user blocked this one.
    pub blocked: bool,
    /// Of the users whom it would bring in, the first few that do not exist.
    pub nobody: Vec<UserId>,
    /// Device lists that are newer than the send was sealed for.
    pub newer_lists: Vec<(UserId, Seq, Bytes)>,
}

/// Events of a range, with who may read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// How the conversation stands for the reader.
    pub entry: Entry,
    /// The reader's memberships; empty in a direct conversation.
    pub intervals: Vec<Interval>,
    /// The conversation's head row, read before the events.
    pub as_of: Head,
    /// Events, rising.
    pub events: Vec<Event>,
    /// Changes beside them.
    pub changes: Vec<Change>,
    /// Erasures of them.
    pub erased: Vec<Erased>,
    /// For changes alone: whether there are more behind the last.
    pub more: bool,
}

/// What was got, by the name of what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Have {
    /// See [`Need::Admit`].
    Admit(Box<Admit>),
    /// See [`Need::Inbox`]; an empty page ends it.
    Inbox(Vec<Entry>),
    /// See [`Need::Entry`]. None: it is not there, or one never was in it.
    Entry(Option<Box<Entry>>),
    /// See [`Need::History`]. None: it is not there, or one never was in it.
    History(Option<Box<History>>),
    /// See [`Need::Marks`].
    Marks(Vec<(UserId, Mark)>),
    /// See [`Need::StoreMarks`]: the marks as they stand.
    Stored(Vec<(ConversationId, Mark)>),
    /// See [`Need::Mail`].
    Mail(Vec<Mail>),
    /// See [`Need::Rights`].
    Rights(Vec<UserId>),
    /// Done, and nothing to say.
    Done,
}
