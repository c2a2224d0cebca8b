//! What a node hands to one of its connections.

use std::sync::OnceLock;

use parlour_protocol::codec::Codec;
use parlour_protocol::frame::Server;
use parlour_protocol::frame::server;
use parlour_protocol::id::{ConversationId, MessageId, UserId};
use parlour_protocol::node::{Answer, Mail};
use parlour_protocol::row;
use parlour_protocol::seq::{Head, Mark};

/// What a connection is handed. Shared parts are cheap to clone.
#[derive(Clone, Debug)]
pub enum Given {
    /// An event that its user is entitled to.
    Event(std::sync::Arc<Prepared>),
    /// How a send of its device ended.
    Answer {
        /// The conversation.
        conversation: ConversationId,
        /// The send.
        id: MessageId,
        /// How it ended.
        answer: Answer,
    },
    /// A conversation moved.
    Raised {
        /// Which.
        conversation: ConversationId,
        /// Its newest place.
        head: Head,
    },
    /// It may have missed something.
    Behind {
        /// Sync after this while.
        after_ms: u64,
    },
    /// A mark was stored: the user's own, the other's in a direct conversation, or a member's of
    /// the conversation in focus.
    Marked {
        /// Whose.
        user: UserId,
        /// Where.
        conversation: ConversationId,
        /// The mark.
        mark: Mark,
    },
    /// Someone types in the conversation in focus, or in a direct one.
    Typing {
        /// Who.
        user: UserId,
        /// Where.
        conversation: ConversationId,
    },
    /// Mail for its device.
    Mail(Mail),
    /// Presence of watched users.
    Presence(Vec<server::UserPresence>),
    /// Its device was revoked.
    Revoked,
}

/// An event as a frame, encoded once per codec whoever receives it.
#[derive(Debug)]
pub struct Prepared {
    /// Its row, as the router told it.
    pub event: row::Event,
    frame: OnceLock<Server>,
    json: OnceLock<std::sync::Arc<[u8]>>,
    msgpack: OnceLock<std::sync::Arc<[u8]>>,
}

impl Prepared {
    /// Of this row.
    #[must_use]
    pub fn new(event: row::Event) -> Self {
        Self {
            event,
            frame: OnceLock::new(),
            json: OnceLock::new(),
            msgpack: OnceLock::new(),
        }
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> &Server {
        self.frame
            .get_or_init(|| Server::Event(crate::gateway::fold::event(&self.event)))
    }

    /// Its bytes in a codec.
    #[must_use]
    pub fn bytes(&self, codec: Codec) -> std::sync::Arc<[u8]> {
        let cell = match codec {
            Codec::Json => &self.json,
            Codec::MessagePack => &self.msgpack,
        };
        cell.get_or_init(|| self.frame().encode(codec).into())
            .clone()
    }
}
