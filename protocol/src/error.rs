//! Every numbered error that a client can see, in one table ([`CODES`]). The range says what to do.
//!
//! | Range | Do |
//! |---|---|
//! | 1000–1999 | try the same request again, after `retry_ms` where given |
//! | 3000–3999 | give this request up: it was refused, and nothing of it happened |
//! | 4000–4499 | give this connection up: reconnecting as you are will not help |
//! | 4500–4999 | reconnect, then try again |
//!
//! Numbers from 4000 are also WebSocket close codes (RFC 6455, 7.4.2). A retired number stays retired.

use core::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// What a client does on an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Try the same request again later.
    Retry,
    /// Give the request up.
    GiveUp,
    /// Give the connection up; a person must act.
    SignOut,
    /// Reconnect, then try again.
    Reconnect,
}

/// A numbered error. Unknown numbers are kept, and acted on by their range.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
#[cfg_attr(feature = "schema", ts(type = "number"))]
pub struct Code(#[n(0)] pub u16);

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The number.
    pub code: Code,
    /// The name, in `snake_case`.
    pub name: &'static str,
    /// The HTTP status that carries it.
    pub status: u16,
    /// What happened and what to do, in a sentence or two.
    pub about: &'static str,
}

macro_rules! codes {
    ($($number:literal $konst:ident $status:literal $about:literal;)*) => {
        impl Code {
            $(#[doc = $about] pub const $konst: Self = Self($number);)*
        }
        /// Every code of this version, ascending.
        pub const CODES: &[Entry] = &[
            $(Entry { code: Code($number), name: stringify!($konst), status: $status, about: $about },)*
        ];
    };
}

codes! {
    1001 UNAVAILABLE 503 "A part of the server cannot be reached at the moment. Nothing of the request happened; try again.";
    1002 STORAGE_FULL 503 "The server has no room to store this. Reading goes on; try again later.";
    1003 RATE_LIMITED 429 "Too many requests. Wait for `retry_ms`, then try again.";
    1004 AFTER_UNKNOWN 409 "The request named by `after` has no outcome yet. Send that one first, then this again.";
    1005 OVERLOADED 503 "The server has more work than it takes at once. Wait for `retry_ms`, then try again.";
    1006 DRAINING 503 "The node is going away and takes nothing new. Reconnect, then try again.";
    1007 NOT_YET 503 "The log has taken it but it is not placed yet. Ask again with the same id.";
    1008 FAILED 500 "Something failed inside the node, for this request alone. Try again; if it stays so, tell whoever runs the node.";
    3000 BAD_FRAME 400 "The frame could not be read: it is not valid JSON or MessagePack, or a field is missing or of the wrong type. `details` says where.";
    3001 UNKNOWN_FRAME 400 "There is no frame of this type for clients to send. See docs/protocol.md for those that exist.";
    3002 TOO_LARGE 413 "The body is larger than the limit named in `details`. Shorten it or send it as a file.";
    3003 NOT_FOUND 404 "There is nothing of that name or id, or it is not yours to see.";
    3004 NOT_MEMBER 403 "You are not a member of this conversation any more.";
    3005 FORBIDDEN 403 "This is not for you to do here: it takes another role, or the event is another's.";
    3006 GROUP_FULL 409 "The group has as many members as a group can have. Make a channel for more.";
    3007 NO_TARGET 404 "There is no event at this place that could be changed.";
    3008 DELETED 410 "The event at this place was deleted and takes no further change.";
    3009 ID_REUSED 409 "This id has an outcome already, of a send with other contents: this one was not sent. Make a new id for each send.";
    3010 CANCELLED 410 "The message was given up before it was placed. It was not sent.";
    3011 BASE_CHANGED 409 "The setting has changed since the one named by `base`. Read it again, then decide.";
    3012 BLOCKED 403 "This user does not take messages from you.";
    3013 BAD_CONVERSATION 400 "The conversation does not fit its users. A direct conversation's id is computed from its two users.";
    3014 EXISTS 409 "It exists already. Choose another name or id.";
    3015 BAD_REQUEST 400 "The request does not fit. `details` says which field and why.";
    3016 NAME_TAKEN 409 "This name is taken. Choose another.";
    3017 BAD_NAME 400 "A name has 1 to 64 bytes, no white space, no `@` and no `:`; letters beyond ASCII are of one script, and pass for no others.";
    3018 WEAK_PASSWORD 400 "A password has at least 8 and at most 1024 bytes.";
    3019 SIGN_UP_CLOSED 403 "This server does not take sign-ups. Ask its administrator for an account.";
    3020 INVITATION_NEEDED 403 "Signing up here takes an invitation, and the one given is missing, used or expired.";
    3021 TOO_MANY_DEVICES 409 "This account has as many devices as it can have. Remove one first.";
    3022 SEQ_AHEAD 400 "The conversation has no such place yet. Take a seq that you were given.";
    3023 STALE_LISTS 409 "The message was sealed for an older list of devices. `details` has the lists; seal it again.";
    3024 UNKNOWN_KIND 400 "This kind of event is not known here, and `class` was not given.";
    3025 NOT_ALLOWED_HERE 400 "This kind of event does not belong in this conversation.";
    3026 SCOPE 403 "This token's scopes do not allow this.";
    3027 CONFLICT 409 "What was to be changed has changed meanwhile. Read it again, then decide.";
    3028 METHOD 405 "This path does not take this method.";
    4001 BAD_TOKEN 401 "The token is not known. Log in again.";
    4002 REVOKED 401 "This device was signed out. Log in again.";
    4003 BAD_CREDENTIALS 401 "The name or the password is wrong.";
    4004 HELLO_FIRST 400 "The first frame on a connection is `hello`.";
    4005 HELLO_TIMEOUT 408 "No `hello` came in time.";
    4006 FRAME_TOO_LARGE 413 "The frame is larger than a client frame may be.";
    4007 PROTOCOL 400 "The connection broke the WebSocket protocol, or text was not UTF-8.";
    4008 ORIGIN 403 "Pages of this origin may not connect. The administrator can allow it.";
    4009 SUBPROTOCOL 400 "Ask for the subprotocol `parlour.v1.json` or `parlour.v1.msgpack`.";
    4501 SLOW_READER 503 "The connection did not take what was sent to it. Reconnect; nothing is lost.";
    4502 GOING_AWAY 503 "The node is going away. Reconnect, perhaps elsewhere.";
    4503 IDLE 408 "Nothing was heard for too long. Reconnect.";
    4504 INTERNAL 500 "Something failed inside the node. Reconnect and try again; if it stays so, tell whoever runs the node.";
    4505 REPLACED 409 "The same device connected again, and the newer connection stays. Reconnect if that was not meant; 4010 said the same once, and is retired.";
}

impl Code {
    /// What a client does, by the range alone.
    #[must_use]
    pub const fn action(self) -> Action {
        match self.0 {
            0..=2999 => Action::Retry,
            3000..=3999 => Action::GiveUp,
            4000..=4499 => Action::SignOut,
            _ => Action::Reconnect,
        }
    }

    /// Its line in the table, if this version knows it.
    #[must_use]
    pub fn entry(self) -> Option<&'static Entry> {
        CODES.iter().find(|e| e.code == self)
    }

    /// Its name in `snake_case`, or `unknown`.
    #[must_use]
    pub fn name(self) -> String {
        self.entry()
            .map_or_else(|| "unknown".to_owned(), |e| e.name.to_ascii_lowercase())
    }

    /// What happened and what to do.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.entry()
            .map_or("An error that this version does not know.", |e| e.about)
    }

    /// The HTTP status that carries it.
    #[must_use]
    pub fn status(self) -> u16 {
        self.entry().map_or(500, |e| e.status)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.name())
    }
}
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_rises_and_has_no_number_twice() {
        assert!(CODES.windows(2).all(|w| w[0].code < w[1].code));
    }
}
