//! What a gateway appends to the log: a [`Record`], an event before it has its seq.
//!
//! A record is a header, which routers decode, and a payload, which they store and relay byte for
//! byte. Its bytes are `[version][rules, big-endian u16][header length, u32][header][payload]`.
//! Header fields are numbered; an unknown number is skipped, and the raw header is what is
//! stored, so a newer field survives an older router.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bytes::Bytes;
use crate::error::Code;
use crate::id::{ConversationId, DeviceId, MessageId, UserId};
use crate::kind::{Class, HistoryRule, Role, Shape};
use crate::seq::Seq;

/// The format of a record's bytes.
pub const VERSION: u8 = 1;
/// The newest rules of acceptance that this version can judge by; the gateway stamps the
/// configured number into every record (decision 3).
pub const RULES: u16 = 1;

/// Who is to be told apart from the conversation: users by name, or everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Mentions {
    /// The users mentioned.
    #[n(0)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserId>,
    /// Whether everyone in the conversation is.
    #[n(1)]
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub everyone: bool,
}

impl Mentions {
    /// Whether nobody is mentioned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && !self.everyone
    }
}

/// Where an event came from before it came here: an import, a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Origin {
    /// The author's name there.
    #[n(0)]
    pub author: String,
    /// The event's id there.
    #[n(1)]
    pub id: String,
    /// Its time there, milliseconds since 1970.
    #[n(2)]
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub time_ms: u64,
}

/// A user named by a membership event, with the role given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Named {
    /// The user.
    #[n(0)]
    pub user: UserId,
    /// The role; of no meaning in `leave` and `remove`.
    #[n(1)]
    #[serde(default)]
    pub role: Role,
}

/// What a `create` event lays down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Create {
    /// Group or channel.
    #[n(0)]
    pub shape: Shape,
    /// What a new member may read.
    #[n(1)]
    #[serde(default)]
    pub history: HistoryRule,
}

/// What a router knows of an event. Everything that order and acceptance depend on is here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Header {
    /// The send.
    #[n(0)]
    pub id: MessageId,
    /// The conversation.
    #[n(1)]
    pub conversation: ConversationId,
    /// The sending user, stamped in by the gateway.
    #[n(2)]
    pub sender: UserId,
    /// The sending device, stamped in by the gateway.
    #[n(3)]
    pub device: DeviceId,
    /// How it is sequenced.
    #[n(4)]
    pub class: Class,
    /// Its kind; need not be known to the router.
    #[n(5)]
    pub kind: String,
    /// The time displayed, by the gateway's clock; orders nothing.
    #[n(6)]
    pub time_ms: u64,
    /// The gateway's verdict: refuse finally with this code, unless the id has an outcome.
    #[n(7)]
    pub verdict: Option<Code>,
    /// The sender's nearest earlier request whose outcome it has not learned.
    #[n(8)]
    pub after: Option<MessageId>,
    /// The event that a change changes.
    #[n(9)]
    pub target: Option<Seq>,
    /// A setting's or reaction's key.
    #[n(10)]
    pub key: Option<String>,
    /// A setting's predecessor, if the sender insists on it.
    #[n(11)]
    pub base: Option<Seq>,
    /// The users whom a membership event names.
    #[n(12)]
    #[cbor(default)]
    pub named: Vec<Named>,
    /// What `create` lays down.
    #[n(13)]
    pub create: Option<Create>,
    /// In a direct conversation: the other user; with oneself: oneself. Absent elsewhere.
    #[n(14)]
    pub peer: Option<UserId>,
    /// The event answered.
    #[n(15)]
    pub reply_to: Option<Seq>,
    /// Reserved: the first event of the thread that this belongs to. Stored and shown, no more.
    #[n(16)]
    pub thread: Option<Seq>,
    /// Who is mentioned.
    #[n(17)]
    #[cbor(default)]
    pub mentions: Mentions,
    /// Placed, but neither counted nor told to those whom it does not concern. Reserved to the
    /// sequencer's own decision for membership events of channels.
    #[n(18)]
    #[cbor(default)]
    pub quiet: bool,
    /// Where it came from, if not from here.
    #[n(19)]
    pub origin: Option<Origin>,
    /// Reserved: after how many seconds the body expires. Stored and shown, no more.
    #[n(20)]
    pub expires_after_s: Option<u32>,
    /// The value of a setting that acceptance depends on, in clear; other values are in the payload.
    #[n(21)]
    pub value: Option<String>,
    /// For `reaction` and `pin`: whether it is taken back.
    #[n(22)]
    #[cbor(default)]
    pub off: bool,
    /// True: the gateway knew of no membership of the sender's, past or present, and let the record
    /// through for what may come before it. If nothing does, the conversation is not theirs to
    /// hear of. Absent otherwise.
    #[n(23)]
    pub stranger: Option<bool>,
    /// What the send says ([`crate::contents::digest`]), by which another one under its id is told
    /// apart. Absent: of what gives an id up, and of records from before it was there.
    #[n(24)]
    pub digest: Option<u64>,
}

impl Header {
    /// A header with the least that every record has.
    #[must_use]
    pub fn new(
        conversation: ConversationId,
        id: MessageId,
        sender: UserId,
        device: DeviceId,
        class: Class,
        kind: &str,
        time_ms: u64,
    ) -> Self {
        Self {
            id,
            conversation,
            sender,
            device,
            class,
            kind: kind.to_owned(),
            time_ms,
            verdict: None,
            after: None,
            target: None,
            key: None,
            base: None,
            named: Vec::new(),
            create: None,
            peer: None,
            reply_to: None,
            thread: None,
            mentions: Mentions::default(),
            quiet: false,
            origin: None,
            expires_after_s: None,
            value: None,
            off: false,
            stranger: None,
            digest: None,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        // Encoding into a Vec has no error to give.
        Bytes::from(minicbor::to_vec(self).unwrap_or_default())
    }

    /// The header of these bytes; unknown fields are skipped.
    ///
    /// # Errors
    /// The bytes are not a header.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::codec::Error> {
        crate::row::whole(bytes)
    }
}

/// An event before it has its seq. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The number of the rules of acceptance by which it is judged.
    pub rules: u16,
    /// The header's bytes, as they are stored.
    pub header: Bytes,
    /// The body's bytes, as they are stored.
    pub payload: Bytes,
}

impl Record {
    /// A record by today's rules.
    #[must_use]
    pub fn new(header: &Header, payload: Bytes) -> Self {
        Self {
            rules: RULES,
            header: header.to_bytes(),
            payload,
        }
    }

    /// The log's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(7 + self.header.len() + self.payload.len());
        out.push(VERSION);
        out.extend_from_slice(&self.rules.to_be_bytes());
        out.extend_from_slice(&(self.header.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.header);
        out.extend_from_slice(&self.payload);
        out
    }

    /// The record of these bytes. The header is not looked into.
    ///
    /// # Errors
    /// The bytes are cut short, or of a version that this one does not know.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::codec::Error> {
        use crate::codec::Error::Row;
        let (&version, rest) = bytes
            .split_first()
            .ok_or_else(|| Row("an empty record".into()))?;
        if version != VERSION {
            return Err(Row(format!(
                "a record of version {version}; this one knows {VERSION}"
            )));
        }
        let (rules, rest) = rest
            .split_first_chunk::<2>()
            .ok_or_else(|| Row("cut record".into()))?;
        let (len, rest) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| Row("cut record".into()))?;
        let len = u32::from_be_bytes(*len) as usize;
        let (header, payload) = rest
            .split_at_checked(len)
            .ok_or_else(|| Row("cut record".into()))?;
        Ok(Self {
            rules: u16::from_be_bytes(*rules),
            header: header.into(),
            payload: payload.into(),
        })
    }

    /// SHA-256 of its bytes, for `progress`.
    #[must_use]
    pub fn hash(&self) -> Bytes {
        let hash: [u8; 32] = Sha256::digest(self.to_bytes()).into();
        Bytes::from(&hash[..])
    }
}
