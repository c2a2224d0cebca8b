//! Drafts: the frame `send` with its defaults, to be filled in where it differs.

use parlour_protocol::body::Body;
use parlour_protocol::frame::client::Send;
use parlour_protocol::id::{ConversationId, MessageId, UserId};
use parlour_protocol::kind;
use parlour_protocol::record::Named;
use parlour_protocol::seq::Seq;

fn empty() -> Send {
    Send::empty(MessageId::NIL)
}

/// A text message to a conversation.
#[must_use]
pub fn text(conversation: ConversationId, text: impl Into<String>) -> Send {
    Send {
        conversation: Some(conversation),
        body: Body::text(text),
        ..empty()
    }
}

/// A text message to a user.
#[must_use]
pub fn text_to(user: UserId, text: impl Into<String>) -> Send {
    Send {
        to: Some(user),
        body: Body::text(text),
        ..empty()
    }
}

/// An event of any kind, with an empty body.
#[must_use]
pub fn event(conversation: ConversationId, kind: &str) -> Send {
    Send {
        conversation: Some(conversation),
        kind: Some(kind.to_owned()),
        ..empty()
    }
}

/// Makes these users members.
#[must_use]
pub fn add(conversation: ConversationId, members: Vec<Named>) -> Send {
    Send {
        named: members,
        ..event(conversation, kind::ADD)
    }
}

/// These users stop being members.
#[must_use]
pub fn remove(conversation: ConversationId, users: &[UserId]) -> Send {
    Send {
        named: users
            .iter()
            .map(|&user| Named {
                user,
                role: kind::Role::Member,
            })
            .collect(),
        ..event(conversation, kind::REMOVE)
    }
}

/// Gives these members these roles.
#[must_use]
pub fn roles(conversation: ConversationId, members: Vec<Named>) -> Send {
    Send {
        named: members,
        ..event(conversation, kind::ROLE)
    }
}

/// The sender becomes a member, where the conversation is open.
#[must_use]
pub fn join(conversation: ConversationId) -> Send {
    event(conversation, kind::JOIN)
}

/// The sender stops being a member.
#[must_use]
pub fn leave(conversation: ConversationId) -> Send {
    event(conversation, kind::LEAVE)
}

/// The conversation's name.
#[must_use]
pub fn name(conversation: ConversationId, name: impl Into<String>) -> Send {
    Send {
        value: Some(name.into()),
        ..event(conversation, kind::NAME)
    }
}

/// The conversation's topic.
#[must_use]
pub fn topic(conversation: ConversationId, topic: impl Into<String>) -> Send {
    Send {
        value: Some(topic.into()),
        ..event(conversation, kind::TOPIC)
    }
}

/// A setting of the conversation, its value in clear; see [`parlour_protocol::kind::setting`].
#[must_use]
pub fn setting(conversation: ConversationId, key: &str, value: impl Into<String>) -> Send {
    Send {
        key: Some(key.to_owned()),
        value: Some(value.into()),
        ..event(conversation, kind::SETTING)
    }
}

/// Pins an event of the conversation, or takes the pin off it.
#[must_use]
pub fn pin(conversation: ConversationId, target: Seq, on: bool) -> Send {
    Send {
        target: Some(target),
        on,
        ..event(conversation, kind::PIN)
    }
}

/// A matter of one's own, in the conversation with oneself: `kind` is one of those that belong
/// there ([`kind::BLOCK`], [`kind::MUTE`]), `key` whom or what it is about.
#[must_use]
pub fn own(me: UserId, kind: &str, key: impl Into<String>, on: bool) -> Send {
    Send {
        to: Some(me),
        kind: Some(kind.to_owned()),
        key: Some(key.into()),
        value: Some(if on { "on" } else { "off" }.to_owned()),
        ..empty()
    }
}
