//! The roster: conversations and members as they stand, inbox heads, marks, mentions. For
//! gateways; the sequencer never reads it.

pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::Memory;

use async_trait::async_trait;
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::Role;
pub use parlour_protocol::roster::Change;
use parlour_protocol::row::{Interval, Standing};
use parlour_protocol::seq::{Mark, Seq};

use crate::Error;

/// One conversation of a user, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How the conversation stands; `head` is the raised one.
    pub standing: Standing,
    /// The user's own marks.
    pub mark: Mark,
    /// In a direct conversation, the other's marks.
    pub other: Option<Mark>,
    /// The user's latest membership. None in a direct conversation: a member since the start.
    pub member: Option<Interval>,
    /// Whether that membership ended by another's hand.
    pub removed: bool,
    /// Mentions of the user after their read mark.
    pub mentions: u32,
}

/// How things stand.
///
/// *Ordering*: none is needed: every row is won by the highest seq, in any order of arrival.
/// *Durability*: what returned survives as history does.
/// *Idempotency*: full.
#[async_trait]
pub trait Roster: Send + Sync {
    /// Applies changes.
    ///
    /// # Errors
    /// `Unknown`, `Unavailable`, `Full`: repeat unchanged.
    async fn apply(&self, changes: Vec<Change>) -> Result<(), Error>;

    /// A user's conversations, rising by id, after `after`, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn inbox(
        &self,
        user: UserId,
        after: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error>;

    /// One conversation of a user. None: it does not exist, or the user never was in it.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn entry(
        &self,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Option<Entry>, Error>;

    /// A conversation as it stands.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn standing(&self, conversation: ConversationId) -> Result<Option<Standing>, Error>;

    /// Its members with their roles and where they began, rising by user, after `after`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn members(
        &self,
        conversation: ConversationId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Role, Seq)>, Error>;

    /// Raises a user's marks; each field only goes up. Answers the marks as they then stand.
    ///
    /// # Errors
    /// `Unknown`, `Unavailable`, `Full`: repeat.
    async fn mark(
        &self,
        user: UserId,
        marks: Vec<(ConversationId, Mark)>,
    ) -> Result<Vec<(ConversationId, Mark)>, Error>;

    /// Marks of these users in a conversation.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn marks(
        &self,
        conversation: ConversationId,
        users: Vec<UserId>,
    ) -> Result<Vec<(UserId, Mark)>, Error>;

    /// Whether two users share a direct or group conversation.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn share(&self, a: UserId, b: UserId) -> Result<bool, Error>;
}
