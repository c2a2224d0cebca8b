//! Event kinds, and the one place where a new one is registered ([`KINDS`]).
//!
//! A router judges an event by its [`Class`]; the kind is a name that it need not know. So a
//! node one version older sequences and relays a newer kind unchanged.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// How the sequencer treats an event. Closed: a new class needs a new number of the rules.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, Encode, Decode, PartialOrd, Ord,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum Class {
    /// Something said. Countable: it raises `n`.
    #[n(0)]
    Content,
    /// Changes an earlier event, its target; lies beside it.
    #[n(1)]
    Change,
    /// Begins, ends or alters memberships.
    #[n(2)]
    Membership,
    /// Sets the value of a key; the newest seq wins.
    #[n(3)]
    Setting,
    /// Gives an id up: stores a final refusal under it unless it has an outcome. Takes no seq.
    #[n(4)]
    Cancel,
}

/// The three shapes of conversation.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, Encode, Decode, PartialOrd, Ord,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum Shape {
    /// Two users, or one with themself. Members never change.
    #[n(0)]
    Direct,
    /// Up to 500 members, fanned out on write.
    #[n(1)]
    Group,
    /// Any number of members, fanned out on read.
    #[n(2)]
    Channel,
}

/// What a new member may read. Chosen at creation, never changed.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum HistoryRule {
    /// Everything, up to the end of one's last membership.
    #[n(0)]
    All,
    /// What came during one's memberships.
    #[default]
    #[n(1)]
    FromJoin,
}

/// What a member may do. Ordered: a greater role includes the lesser.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Debug,
    Default,
    Serialize,
    Deserialize,
    Encode,
    Decode,
    PartialOrd,
    Ord,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum Role {
    /// Reads and, unless a setting says otherwise, writes.
    #[default]
    #[n(0)]
    Member,
    /// Also manages members below, names and settings, and deletes what others said.
    #[n(1)]
    Admin,
    /// Also makes and unmakes admins and owners.
    #[n(2)]
    Owner,
}

/// One registered kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name on the wire and in the log.
    pub name: &'static str,
    /// How it is sequenced.
    pub class: Class,
    /// Whether it belongs in a conversation with oneself alone (decision 9).
    pub own: bool,
    /// What it says, in a sentence; goes into the generated docs.
    pub about: &'static str,
}

macro_rules! kinds {
    ($($konst:ident $name:literal $class:ident $own:literal $about:literal;)*) => {
        $(#[doc = $about] pub const $konst: &str = $name;)*
        /// Every kind of this version. A new kind is a line here; nothing else need know it.
        pub const KINDS: &[Kind] = &[
            $(Kind { name: $name, class: Class::$class, own: $own, about: $about },)*
        ];
    };
}

kinds! {
    MESSAGE "message" Content false "Text, with mentions and reply-to; the body says what else.";
    IMAGE "image" Content false "Reserved: a picture; the body names the blob. Sequenced and relayed today, drawn as a placeholder.";
    FILE "file" Content false "Reserved: a file; the body names the blob. Sequenced and relayed today, drawn as a placeholder.";
    EDIT "edit" Change false "A new body for the target, by its author.";
    DELETE "delete" Change false "Erases the target, by its author or an admin; the place stays.";
    REACTION "reaction" Change false "Sets or takes back the sender's reaction `key` on the target.";
    PIN "pin" Change false "Pins or unpins the target.";
    CREATE "create" Membership false "Begins a group or channel: shape, history rule, first members. Always seq 1.";
    ADD "add" Membership false "Makes the named users members.";
    JOIN "join" Membership false "The sender becomes a member, where the conversation is open.";
    LEAVE "leave" Membership false "The sender stops being a member.";
    REMOVE "remove" Membership false "The named users stop being members.";
    ROLE "role" Membership false "The named members get the named roles.";
    NAME "name" Setting false "The conversation's name.";
    TOPIC "topic" Setting false "The conversation's topic.";
    SETTING "setting" Setting false "A setting of the conversation: `post`, `add`, `join`.";
    CONTACT "contact" Setting true "Own affairs: a contact; key is the user.";
    BLOCK "block" Setting true "Own affairs: a block; key is the user.";
    MUTE "mute" Setting true "Own affairs: a muted conversation; key is the conversation.";
    FAVOURITE "favourite" Setting true "Own affairs: a conversation pinned in the list; key is the conversation.";
    NOTIFY "notify" Setting true "Own affairs: notification settings; key is the conversation.";
    READ_ELSEWHERE "read_elsewhere" Setting true "Own affairs: a conversation marked read or unread by hand; key is the conversation.";
    DEVICE_LIST "device_list" Setting true "Own affairs: the user's list of devices, versioned; must carry `base`.";
}

/// Whether a setting that is a switch is on: if its value says something other than `off`.
#[must_use]
pub fn is_on(value: &str) -> bool {
    !matches!(value, "" | "off")
}

/// The registered kind of this name, if this version knows it.
#[must_use]
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.name == name)
}

/// The settings on which acceptance depends. All are of class [`Class::Setting`].
pub mod setting {
    /// Who may send content: `"everyone"` (default) or `"admins"`.
    pub const POST: &str = "post";
    /// Who may add members: `"everyone"` (default of groups) or `"admins"` (default of channels).
    pub const ADD: &str = "add";
    /// Whether anyone may join by themself: `"invited"` (default) or `"open"`.
    pub const JOIN: &str = "join";
    /// The value that restricts to admins and owners.
    pub const ADMINS: &str = "admins";
    /// The value that allows every member.
    pub const EVERYONE: &str = "everyone";
    /// The value that opens a conversation.
    pub const OPEN: &str = "open";
}
