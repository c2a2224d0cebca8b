//! How things stand, made from rows: [`changes`] is the one place where the roster is derived, for
//! routers that write it and for stores that join it.

use minicbor::{Decode, Encode};

use crate::id::{ConversationId, UserId};
use crate::kind;
use crate::record::Header;
use crate::row::{Interval, Mention, Row, Standing};
use crate::seq::{Head, Seq};

/// What rows changed of how things stand. Each is won by the highest seq in any order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Change {
    /// A conversation stands so; the higher head wins. Name and topic here mean nothing.
    #[n(0)]
    Standing(#[n(0)] Standing),
    /// A conversation's name; the higher seq wins.
    #[n(1)]
    Name {
        /// The conversation.
        #[n(0)]
        conversation: ConversationId,
        /// The place that gave it.
        #[n(1)]
        seq: Seq,
        /// The name; empty takes it away.
        #[n(2)]
        name: String,
    },
    /// A conversation's topic; the higher seq wins.
    #[n(2)]
    Topic {
        /// The conversation.
        #[n(0)]
        conversation: ConversationId,
        /// The place that gave it.
        #[n(1)]
        seq: Seq,
        /// The topic; empty takes it away.
        #[n(2)]
        topic: String,
    },
    /// A user's membership; of several the higher `from` wins, and of one its end.
    #[n(3)]
    Member {
        /// The membership.
        #[n(0)]
        member: Interval,
        /// Whether it ended by another's hand.
        #[n(1)]
        removed: bool,
    },
    /// A mention.
    #[n(4)]
    Mention(#[n(0)] Mention),
    /// A head raised in these members' inboxes (direct, group), or the one head of a channel
    /// (`users` empty). Made by the router, which knows the members.
    #[n(5)]
    Raise {
        /// The conversation.
        #[n(0)]
        conversation: ConversationId,
        /// Its newest place.
        #[n(1)]
        head: Head,
        /// Whose inboxes.
        #[n(2)]
        users: Vec<UserId>,
    },
}

/// What these rows, of one batch and in the order in which the sequencer made them, change.
/// A header that cannot be read changes nothing but the head.
#[must_use]
pub fn changes(rows: &[Row]) -> Vec<Change> {
    let mut out = Vec::new();
    for row in rows {
        match row {
            Row::Event(event) => {
                let direct = Header::from_bytes(&event.header)
                    .ok()
                    .and_then(|h| h.peer.map(|peer| (h.sender.min(peer), h.sender.max(peer))));
                out.push(Change::Standing(Standing {
                    conversation: event.conversation,
                    shape: event.carried.shape,
                    history: event.carried.history,
                    head: Head {
                        seq: event.seq,
                        n: event.carried.n,
                    },
                    members: event.carried.members,
                    direct,
                    name: None,
                    topic: None,
                }));
            }
            Row::Setting(setting) => {
                let value = setting.value.clone().unwrap_or_default();
                let (conversation, seq) = (setting.conversation, setting.seq);
                if setting.key == kind::NAME {
                    out.push(Change::Name {
                        conversation,
                        seq,
                        name: value,
                    });
                } else if setting.key == kind::TOPIC {
                    out.push(Change::Topic {
                        conversation,
                        seq,
                        topic: value,
                    });
                }
            }
            Row::Interval(member) => out.push(Change::Member {
                member: *member,
                removed: member
                    .until
                    .is_some_and(|until| removed_at(rows, member, until.seq)),
            }),
            Row::Mention(mention) => out.push(Change::Mention(*mention)),
            Row::Outcome(_) | Row::Change(_) | Row::Erased(_) => {}
        }
    }
    out
}

/// Whether the event that ended a membership was sent by someone else.
fn removed_at(rows: &[Row], member: &Interval, at: Seq) -> bool {
    rows.iter().any(|row| {
        matches!(row, Row::Event(e) if e.conversation == member.conversation && e.seq == at
            && Header::from_bytes(&e.header).is_ok_and(|h| h.sender != member.user))
    })
}
