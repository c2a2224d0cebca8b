//! What crosses a WebSocket: [`Client`] frames one way, [`Server`] frames the other.
//!
//! Every frame is an object with a `type`. Unknown fields are ignored on both sides. A type that
//! is unknown is an error to a server and [`Server::Unknown`] to a client. A new frame is a struct
//! and a line in one of the two tables below.

pub mod client;
pub mod server;

use serde::{Deserialize, Serialize};

use crate::codec::{Codec, Error};

/// The subprotocol that selects JSON text frames.
pub const SUBPROTOCOL_JSON: &str = "parlour.v1.json";
/// The subprotocol that selects named MessagePack binary frames.
pub const SUBPROTOCOL_MSGPACK: &str = "parlour.v1.msgpack";

/// Chosen by the client for each request; the answer carries it back.
pub type Ref = u64;

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
}

macro_rules! frames {
    ($(#[$doc:meta])* $enum:ident { $($(#[$vdoc:meta])* $variant:ident($ty:ty) = $name:literal,)* } $(unknown $unknown:ident)?) => {
        $(#[$doc])*
        // One is held at a time, between a socket and a machine: a box would cost more.
        #[allow(clippy::large_enum_variant)]
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "type")]
        // A frame lives as long as it is read or written: a box each would cost more than room.
        #[allow(clippy::large_enum_variant)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        pub enum $enum {
            $($(#[$vdoc])* #[serde(rename = $name)] $variant($ty),)*
            $(
                /// A frame of a type that this version does not know. Never sent.
                #[serde(skip)]
                $unknown,
            )?
        }

        impl $enum {
            /// The types of this version.
            pub const TYPES: &[&str] = &[$($name,)*];

            /// The frame's type.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* $(Self::$unknown => stringify!($unknown),)? }
            }

            /// The frame of these bytes.
            ///
            /// # Errors
            /// The bytes are not a frame of this codec; see [`Error`].
            pub fn decode(codec: Codec, bytes: &[u8]) -> Result<Self, Error> {
                codec.walk(bytes)?;
                let tag: Tag<'_> = codec.read(bytes)?;
                match tag.kind.as_ref() {
                    $($name => codec.read::<$ty>(bytes).map(Self::$variant),)*
                    $(_ if true => Ok(Self::$unknown),)?
                    other => Err(Error::UnknownType(other.chars().take(64).collect())),
                }
            }

            /// The bytes of this frame.
            #[must_use]
            pub fn encode(&self, codec: Codec) -> Vec<u8> {
                codec.encode(self)
            }
        }
    };
}

frames! {
    /// What a client sends.
    Client {
        /// The first frame.
        Hello(client::Hello) = "hello",
        /// Catch up.
        Sync(client::Sync) = "sync",
        /// An event of any kind.
        Send(client::Send) = "send",
        /// A new body for an event.
        Edit(client::Edit) = "edit",
        /// Erases an event.
        Delete(client::Delete) = "delete",
        /// Sets or takes back a reaction.
        React(client::React) = "react",
        /// Gives a send up.
        Cancel(client::Cancel) = "cancel",
        /// Marks: a device holds the newest page up to here.
        Delivered(client::Marks) = "delivered",
        /// Marks: the user has seen everything up to here.
        Read(client::Marks) = "read",
        /// Mail stored up to these counters.
        MailAck(client::MailAck) = "mail_ack",
        /// The user types here.
        Typing(client::Typing) = "typing",
        /// This conversation is open on the screen.
        Focus(client::Focus) = "focus",
        /// These users are visible now.
        Watch(client::Watch) = "watch",
        /// Asks for events.
        History(client::History) = "history",
        /// The heartbeat.
        Ping(client::Ping) = "ping",
    }
}

frames! {
    /// What a server sends.
    Server {
        /// The answer to `hello`.
        Welcome(server::Welcome) = "welcome",
        /// A send is durable and has its place.
        Sent(server::Sent) = "sent",
        /// One event.
        Event(server::Event) = "event",
        /// Conversations that moved without their events being sent.
        Heads(server::Heads) = "heads",
        /// Marks and counts.
        Receipt(server::Receipt) = "receipt",
        /// Sealed keys for this device.
        Mail(server::Mail) = "mail",
        /// Who is here.
        Presence(server::Presence) = "presence",
        /// Who types.
        Typing(server::Typing) = "typing",
        /// Part of the answer to `sync` or `history`.
        Page(server::Page) = "page",
        /// The answer to `ping`.
        Pong(server::Pong) = "pong",
        /// The device is behind: sync after this while.
        Behind(server::Behind) = "behind",
        /// The node drains: reconnect after this while.
        GoingAway(server::GoingAway) = "going_away",
        /// Something was refused or failed.
        Error(server::Error) = "error",
    }
    unknown Unknown
}
