//! Frames from a client. Nothing here is believed that the server assigns itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::bytes::Bytes;
use crate::frame::Ref;
use crate::id::{ConversationId, DeviceId, MessageId, UserId};
use crate::kind::Class;
use crate::record::{Create, Mentions, Named, Origin};
use crate::seq::Seq;

fn yes() -> bool {
    true
}

macro_rules! frame {
    ($(#[$doc:meta])* $name:ident { $($body:tt)* }) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        $(#[$doc])*
        pub struct $name { $($body)* }
    };
}

/// A secret that never shows itself in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Token(pub String);

impl core::fmt::Debug for Token {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("<token>")
    }
}

frame! {
    /// The first frame on a connection.
    Hello {
        /// The device's token. Never in a URL, never in a cookie.
        pub token: Token,
        /// The device that the token belongs to; checked if given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub device: Option<DeviceId>,
        /// The client's name and version, for people who read device lists.
        #[serde(default)]
        pub client: String,
        /// Optional features that the client knows. Unknown ones are ignored.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub features: Vec<String>,
    }
}

frame! {
    /// Asks to be caught up.
    Sync {
        /// Carried back by the answer's pages.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The 64 digests of the lines that the device has, or none to get every line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub digests: Option<Vec<Bytes>>,
    }
}

frame! {
    /// Keys for a single device, under the counter of (from device, to device).
    MailItem {
        /// The counter, given by the sender: 1, 2, 3 …
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub k: u64,
        /// The ciphertext.
        pub bytes: Bytes,
    }
}

frame! {
    /// Sends an event of any kind. Answered by `sent` or `error`.
    Send {
        /// Carried back by the answer.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The conversation; or else `to`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub conversation: Option<ConversationId>,
        /// The other user of a direct conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub to: Option<UserId>,
        /// Any UUID, made by the device and kept over retries.
        pub id: MessageId,
        /// False only if nothing with this id was ever handed to a socket.
        #[serde(default = "yes")]
        pub retry: bool,
        /// This device's nearest earlier request here whose outcome it has not learned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<MessageId>,
        /// The kind of event; absent is `message`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub kind: Option<String>,
        /// The class of a kind that the server may not know. Ignored for kinds that it knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub class: Option<Class>,
        /// Who is mentioned.
        #[serde(default, skip_serializing_if = "Mentions::is_empty")]
        pub mentions: Mentions,
        /// The event answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reply_to: Option<Seq>,
        /// Reserved: the first event of the thread.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub thread: Option<Seq>,
        /// The event changed, for kinds of class `change`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target: Option<Seq>,
        /// A setting's or reaction's key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub key: Option<String>,
        /// A setting's value in clear, where acceptance depends on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub value: Option<String>,
        /// For `reaction` and `pin`: set (true) or taken back.
        #[serde(default = "yes")]
        pub on: bool,
        /// The seq of the setting that this one replaces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub base: Option<Seq>,
        /// The users whom a membership event names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub named: Vec<Named>,
        /// What `create` lays down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub create: Option<Create>,
        /// Where the event came from. Only tokens with the scope `import` may say so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub origin: Option<Origin>,
        /// Reserved: after how many seconds the body expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub expires_after_s: Option<u32>,
        /// What it says.
        #[serde(default)]
        pub body: Body,
        /// Keys for single devices.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub mail: BTreeMap<DeviceId, MailItem>,
        /// The version of each user's device list that a sealed body was sealed for: the seq of
        /// the `device_list` setting in that user's own conversation.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub lists: BTreeMap<UserId, Seq>,
    }
}

frame! {
    /// Gives the target, one's own, a new body. The whole of `send` with kind `edit`.
    Edit {
        /// Carried back by the answer.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The conversation.
        pub conversation: ConversationId,
        /// As in `send`.
        pub id: MessageId,
        /// As in `send`.
        #[serde(default = "yes")]
        pub retry: bool,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<MessageId>,
        /// The event to change.
        pub target: Seq,
        /// The new body.
        pub body: Body,
        /// Who is mentioned now.
        #[serde(default, skip_serializing_if = "Mentions::is_empty")]
        pub mentions: Mentions,
        /// Keys for single devices.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub mail: BTreeMap<DeviceId, MailItem>,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub lists: BTreeMap<UserId, Seq>,
    }
}

frame! {
    /// Erases the target.
    Delete {
        /// Carried back by the answer.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The conversation.
        pub conversation: ConversationId,
        /// As in `send`.
        pub id: MessageId,
        /// As in `send`.
        #[serde(default = "yes")]
        pub retry: bool,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<MessageId>,
        /// The event to erase.
        pub target: Seq,
    }
}

frame! {
    /// Sets or takes back one's reaction on the target.
    React {
        /// Carried back by the answer.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The conversation.
        pub conversation: ConversationId,
        /// As in `send`.
        pub id: MessageId,
        /// As in `send`.
        #[serde(default = "yes")]
        pub retry: bool,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<MessageId>,
        /// The event reacted to.
        pub target: Seq,
        /// The reaction, as a rule one emoji.
        pub key: String,
        /// Set (true) or taken back.
        #[serde(default = "yes")]
        pub on: bool,
    }
}

frame! {
    /// Gives a send up: `sent` if it has a place already, else `error` 3010, finally.
    Cancel {
        /// Carried back by the answer.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The conversation; or else `to`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub conversation: Option<ConversationId>,
        /// The other user of a direct conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub to: Option<UserId>,
        /// The id given up.
        pub id: MessageId,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<MessageId>,
    }
}

fn is_zero(r#ref: &Ref) -> bool {
    *r#ref == 0
}

frame! {
    /// Cumulative marks, many in one frame. Not answered; own marks are echoed by `receipt`.
    Marks {
        /// Carried back if a mark is refused, or its place cannot be read.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// Up to which place.
        pub marks: BTreeMap<ConversationId, Seq>,
    }
}

frame! {
    /// Mail of these devices is stored up to these counters, and may be forgotten.
    MailAck {
        /// Carried back if it is refused, or fails.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// By sending device.
        pub from: BTreeMap<DeviceId, u64>,
    }
}

frame! {
    /// The user types here. Repeat every few seconds; it fades by itself. What comes sooner than a
    /// second after the last is passed over.
    Typing {
        /// Carried back if it is refused, or fails.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The conversation.
        pub conversation: ConversationId,
    }
}

frame! {
    /// This conversation is open on the screen, or none. Its line and receipts are sent. A newer one
    /// takes its place; one that is not answered by then is answered no more.
    Focus {
        /// Carried back by its page, or if it is refused or fails. One without that fails is tried
        /// again by the node.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The conversation.
        #[serde(default)]
        pub conversation: Option<ConversationId>,
        /// Whether receipts are wanted member by member.
        #[serde(default)]
        pub members: bool,
    }
}

frame! {
    /// These users are visible now; replaces the set before.
    Watch {
        /// Carried back if it is refused.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// At most 500.
        pub users: Vec<UserId>,
    }
}

frame! {
    /// Asks for events of a conversation: the newest, those before or after a place, or changes.
    History {
        /// Carried back by the answer.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
        /// The conversation.
        pub conversation: ConversationId,
        /// Events before this place, newest first cut; absent and no `after`: the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub before: Option<Seq>,
        /// Events after this place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub after: Option<Seq>,
        /// Events that changed since this `as_of`, in [after, before]: folded anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub changes_since: Option<Seq>,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub limit: Option<u32>,
    }
}

frame! {
    /// The application's heartbeat, every 30 s.
    Ping {
        /// Carried back by `pong`.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub r#ref: Ref,
    }
}

impl Send {
    /// A send of this id with nothing in it, addressed to nobody: for whoever fills in what they
    /// mean. A retry, as an id may have been used before unless its maker knows better.
    #[must_use]
    pub fn empty(id: MessageId) -> Self {
        Self {
            r#ref: 0,
            conversation: None,
            to: None,
            id,
            retry: true,
            after: None,
            kind: None,
            class: None,
            mentions: Mentions::default(),
            reply_to: None,
            thread: None,
            target: None,
            key: None,
            value: None,
            on: true,
            base: None,
            named: Vec::new(),
            create: None,
            origin: None,
            expires_after_s: None,
            body: Body::default(),
            mail: BTreeMap::new(),
            lists: BTreeMap::new(),
        }
    }
}
