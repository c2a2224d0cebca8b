//! What crosses HTTP: requests and answers of the API, and the one table of its paths ([`ROUTES`]).
//!
//! Bodies are JSON. The token goes in `Authorization: Bearer …`. Errors are [`crate::frame::server::Error`].

use serde::{Deserialize, Serialize};

use crate::frame::client::Token;
use crate::id::{ConversationId, DeviceId, MessageId, UserId};
use crate::kind::{HistoryRule, Shape};
use crate::record::Named;
use crate::seq::Seq;

macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($body:tt)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        pub struct $name { $($body)* }
    };
}

/// What an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum UserType {
    /// Someone.
    #[default]
    Person,
    /// A program.
    Bot,
    /// The server itself.
    System,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum Scope {
    /// Everything that a person's own client does.
    Full,
    /// Read alone.
    Read,
    /// Send alone.
    Send,
    /// State where events came from.
    Import,
    /// Administer the server.
    Admin,
}

message! {
    /// `POST /v1/accounts`: signs up, and logs in.
    SignUp {
        /// The name, unique without regard to case.
        pub name: String,
        /// The password.
        pub password: Token,
        /// The name shown; absent is the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub display: Option<String>,
        /// The invitation, where the server asks for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub invitation: Option<Token>,
        /// What to call this device.
        #[serde(default)]
        pub device_name: String,
    }
}

message! {
    /// `POST /v1/login`.
    LogIn {
        /// The name.
        pub name: String,
        /// The password.
        pub password: Token,
        /// What to call this device.
        #[serde(default)]
        pub device_name: String,
    }
}

message! {
    /// A device that is logged in: the answer to signing up and logging in.
    LoggedIn {
        /// The user.
        pub user: UserId,
        /// Their name.
        pub name: String,
        /// The device made.
        pub device: DeviceId,
        /// Its token. Shown once.
        pub token: Token,
    }
}

message! {
    /// `GET /v1/me`, `GET /v1/users/{user}`, `GET /v1/users?name=`.
    Profile {
        /// The user.
        pub user: UserId,
        /// Their name.
        pub name: String,
        /// The name shown.
        pub display: String,
        /// What they are.
        #[serde(default)]
        pub r#type: UserType,
        /// What they say of themself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub status: Option<String>,
    }
}

message! {
    /// `PATCH /v1/me`. Absent fields stay.
    ProfileChange {
        /// The name shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub display: Option<String>,
        /// What they say of themself; empty takes it away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub status: Option<String>,
    }
}

message! {
    /// Several profiles.
    Profiles {
        /// The profiles.
        pub users: Vec<Profile>,
    }
}

message! {
    /// One device of one's own.
    Device {
        /// The device.
        pub device: DeviceId,
        /// What it is called.
        pub name: String,
        /// When it logged in, milliseconds since 1970.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub created_ms: u64,
        /// When it was last here, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", ts(type = "number | null"))]
        pub last_seen_ms: Option<u64>,
        /// Whether it is the one that asks.
        #[serde(default)]
        pub this: bool,
    }
}

message! {
    /// `GET /v1/devices`.
    Devices {
        /// One's devices.
        pub devices: Vec<Device>,
    }
}

message! {
    /// `POST /v1/conversations`: makes a group or channel.
    NewConversation {
        /// Group or channel.
        pub shape: Shape,
        /// What new members may read.
        #[serde(default)]
        pub history: HistoryRule,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// Its topic.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub topic: Option<String>,
        /// First members beside oneself.
        #[serde(default)]
        pub members: Vec<Named>,
        /// Who may post: absent is everyone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub post: Option<String>,
        /// Who may join: absent is who was invited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub join: Option<String>,
        /// The conversation's id, if the maker wants a retry to find the same; any UUID.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<ConversationId>,
    }
}

message! {
    /// A conversation as it stands.
    Conversation {
        /// The conversation.
        pub conversation: ConversationId,
        /// Its shape.
        pub shape: Shape,
        /// What new members may read.
        pub history: HistoryRule,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// Its topic.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub topic: Option<String>,
        /// Its newest place.
        pub head: crate::seq::Head,
        /// Members.
        pub members: u32,
    }
}

message! {
    /// `GET /v1/conversations`.
    Conversations {
        /// One's conversations.
        pub conversations: Vec<Conversation>,
    }
}

message! {
    /// `GET /v1/conversations/{conversation}/members`, in pages.
    Members {
        /// Members with their roles.
        pub members: Vec<Named>,
        /// Give this as `after` to get the next page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<UserId>,
    }
}

message! {
    /// `POST /v1/conversations/{conversation}/members`: adds members, or changes their roles.
    AddMembers {
        /// Whom, with which roles.
        pub members: Vec<Named>,
        /// A retry finds the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<MessageId>,
    }
}

message! {
    /// What a request that was sequenced came to.
    Placed {
        /// The conversation.
        pub conversation: ConversationId,
        /// The send.
        pub id: MessageId,
        /// Its place.
        pub seq: Seq,
        /// Countable events up to it.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub n: u64,
        /// The time displayed.
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub time_ms: u64,
    }
}

message! {
    /// `POST /v1/admin/accounts`: makes accounts in bulk, each with a device and its token.
    BulkAccounts {
        /// The accounts.
        pub accounts: Vec<BulkAccount>,
    }
}

message! {
    /// One account to make.
    BulkAccount {
        /// The name. One that exists is given another device.
        pub name: String,
        /// The name shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub display: Option<String>,
        /// What they are.
        #[serde(default)]
        pub r#type: UserType,
        /// How many devices with tokens to make.
        #[serde(default)]
        pub devices: u32,
    }
}

message! {
    /// The answer: one entry for each device made.
    BulkMade {
        /// Every device with its token; an account asked for without devices is named alone.
        pub devices: Vec<BulkDevice>,
    }
}

message! {
    /// One device made.
    BulkDevice {
        /// The account's name.
        pub name: String,
        /// The user.
        pub user: UserId,
        /// The device, if one was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub device: Option<DeviceId>,
        /// Its token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub token: Option<Token>,
    }
}

fn once() -> u32 {
    1
}

message! {
    /// `POST /v1/admin/invitations`.
    NewInvitation {
        /// How often it can be used; absent is once.
        #[serde(default = "once")]
        pub uses: u32,
        /// For how long, in seconds; 0 is without end.
        #[serde(default)]
        #[cfg_attr(feature = "schema", ts(type = "number"))]
        pub lasts_s: u64,
    }
}

message! {
    /// An invitation. Shown once.
    Invitation {
        /// What to give when signing up.
        pub invitation: Token,
    }
}

message! {
    /// `GET /health`, `GET /ready`.
    Health {
        /// `ok`, or what is wrong.
        pub status: String,
        /// The program's version.
        pub version: String,
        /// Each part with its state.
        #[serde(default)]
        pub parts: std::collections::BTreeMap<String, String>,
    }
}

/// Who may call a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Anyone.
    None,
    /// A device with a token.
    Token,
    /// A token with the scope `admin`.
    Admin,
}

/// One path of the API.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub auth: Auth,
    /// The request's type by name, if it has a body.
    pub request: Option<&'static str>,
    /// The answer's type by name, if it has a body.
    pub response: Option<&'static str>,
    /// Query parameters.
    pub query: &'static [&'static str],
    /// What it does.
    pub about: &'static str,
}

macro_rules! routes {
    ($($method:ident $path:literal $auth:ident $req:tt -> $res:tt $query:tt $about:literal;)*) => {
        /// Every path of the API; the server's router and the generated OpenAPI both follow it.
        pub const ROUTES: &[Route] = &[
            $(Route {
                method: stringify!($method), path: $path, auth: Auth::$auth,
                request: routes!(@ty $req), response: routes!(@ty $res), query: &$query, about: $about,
            },)*
        ];
    };
    (@ty _) => { None };
    (@ty $t:ident) => { Some(stringify!($t)) };
}

routes! {
    POST "/v1/accounts" None SignUp -> LoggedIn [] "Signs up, and logs this device in.";
    POST "/v1/login" None LogIn -> LoggedIn [] "Logs a device in.";
    POST "/v1/logout" Token _ -> _ [] "Logs this device out: its token is revoked.";
    GET "/v1/me" Token _ -> Profile [] "One's own profile.";
    PATCH "/v1/me" Token ProfileChange -> Profile [] "Changes one's profile.";
    GET "/v1/devices" Token _ -> Devices [] "One's devices.";
    DELETE "/v1/devices/{device}" Token _ -> _ [] "Signs a device of one's own out. Its connections close within 5 s.";
    GET "/v1/users/{user}" Token _ -> Profile [] "Someone's profile.";
    GET "/v1/users" Token _ -> Profiles ["name", "prefix", "ids"] "Finds users by name, by the beginning of it, or several by ids: by exactly one of these.";
    POST "/v1/conversations" Token NewConversation -> Conversation [] "Makes a group or a channel.";
    GET "/v1/conversations" Token _ -> Conversations [] "One's conversations.";
    GET "/v1/conversations/{conversation}" Token _ -> Conversation [] "A conversation as it stands.";
    GET "/v1/conversations/{conversation}/members" Token _ -> Members ["after", "limit"] "Its members.";
    POST "/v1/conversations/{conversation}/members" Token AddMembers -> Placed [] "Adds members; if all of them are in, changes their roles; oneself alone: joins.";
    DELETE "/v1/conversations/{conversation}/members/{user}" Token _ -> Placed [] "Removes a member; oneself: leaves.";
    GET "/v1/conversations/{conversation}/history" Token _ -> Stretch ["before", "after", "changes_since", "limit"] "Events, folded.";
    POST "/v1/conversations/{conversation}/messages" Token Send -> Placed [] "Sends an event, as the frame `send` does; answered once it is durable.";
    POST "/v1/admin/accounts" Admin BulkAccounts -> BulkMade [] "Makes accounts, devices and tokens in bulk.";
    POST "/v1/admin/invitations" Admin NewInvitation -> Invitation [] "Makes an invitation.";
    GET "/health" None _ -> Health [] "Whether the process lives.";
    GET "/ready" None _ -> Health [] "Whether it takes connections.";
    GET "/metrics" None _ -> _ [] "Prometheus metrics, as text.";
    GET "/v1/socket" None _ -> _ [] "The WebSocket. Subprotocol `parlour.v1.json` or `parlour.v1.msgpack`; first frame `hello`.";
}
