//! History: what the sequencer made, for ever, and how far it got.

pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::Memory;

use async_trait::async_trait;
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::id::{ConversationId, StoreId, UserId};
use parlour_protocol::position::{Generation, Partition, Position, Progress};
use parlour_protocol::row::{Change, Erased, Event, Interval, Row, Setting};
use parlour_protocol::seq::{Head, Seq};

use crate::Error;

/// Which `progress`: the router's, or that of push (decision 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cursor {
    /// Every step of delivery is done.
    Router,
    /// Every wake is decided.
    Push,
}

/// Events of a range with what lies beside them, unfolded: folding is the engine's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The conversation's head row, read *before* the events: every change up to it is below.
    /// Where the rows of a batch appear one by one this is no newest event but a row of its own,
    /// raised once a batch and all before it are whole (the roster's).
    pub as_of: Head,
    /// Events, rising by seq; cut before the first place that cannot be read yet.
    pub events: Vec<Event>,
    /// Changes beside those events.
    pub changes: Vec<Change>,
    /// Erasures of those events. An erased event's payload is empty.
    pub erased: Vec<Erased>,
}

/// What the sequencer made.
///
/// *Ordering*: a batch takes effect as a whole or in part and in any order between conversations,
/// but a row is visible to every later call once `append` returned.
/// *Durability*: what `append` returned is on disk (embedded: fsync) or on a quorum.
/// *Idempotency*: the same rows may be written any number of times, by two writers at once, early
/// or late. Where rows differ the highest seq wins (changes, interval ends); an erased body stays
/// erased whatever arrives later.
#[async_trait]
pub trait History: Send + Sync {
    /// The store's life (decision 15).
    fn store(&self) -> StoreId;

    /// Writes rows of one partition.
    ///
    /// # Errors
    /// `Full`, `Unavailable`: nothing happened. `Unknown`: some of it may have, or may yet.
    /// Repeat it unchanged until it holds. `Broken`: the process must stop.
    async fn append(&self, partition: Partition, rows: Vec<Row>) -> Result<(), Error>;

    /// Raises how far a cursor got in a partition. Of several the highest position wins.
    ///
    /// # Errors
    /// As `append`.
    async fn advance(&self, cursor: Cursor, progress: Progress) -> Result<(), Error>;

    /// How far a cursor got in each generation of a partition, rising.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn progress(
        &self,
        cursor: Cursor,
        partition: Partition,
    ) -> Result<Vec<(Generation, Progress)>, Error>;

    /// Answers to questions, in their order, as of a position.
    ///
    /// # Errors
    /// `Unavailable`: all of them are to be asked again.
    async fn facts(&self, as_of: Position, questions: Vec<Question>) -> Result<Vec<Fact>, Error>;

    /// Events of places in (`after`, `before`), at most `limit`, from the low end or, if
    /// `newest`, from the high end.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn range(
        &self,
        conversation: ConversationId,
        after: Seq,
        before: Seq,
        newest: bool,
        limit: usize,
    ) -> Result<Range, Error>;

    /// The targets, rising, of changes made after place `since` whose targets lie in
    /// (`after`, `before`), at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn changed(
        &self,
        conversation: ConversationId,
        since: Seq,
        after: Seq,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Seq>, Error>;

    /// Memberships of a user in a conversation, rising.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn intervals(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<Vec<Interval>, Error>;

    /// The newest value of each setting of a conversation.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn settings(&self, conversation: ConversationId) -> Result<Vec<Setting>, Error>;
}
