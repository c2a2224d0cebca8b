//! Sessions: where a device is, under its node's lease; which nodes watch a channel; last seen.
//! Soft: all of it may be lost, and nodes register again.

pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::Memory;

use async_trait::async_trait;
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::node::{Incarnation, Location, NodeId};

use crate::Error;

/// A change that the session store told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// A user's first device came or last one went.
    Presence {
        /// Who.
        user: UserId,
        /// Whether a device is here.
        online: bool,
    },
    /// A user's sessions changed: a cached route is stale.
    Route(UserId),
    /// The stream broke: everything that was cached is stale, and changes were missed.
    Broken,
}

/// Where devices are.
///
/// *Ordering*: a `locate` that begins after `register` returned sees that registration.
/// *Durability*: none.
/// *Idempotency*: registering the same session again renews it.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Begins or renews a node's lease for `ttl_ms`. False: the lease was lost meanwhile (lapsed,
    /// or the store was emptied): take a new incarnation, register again, mark sessions behind.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn lease(
        &self,
        node: NodeId,
        incarnation: Incarnation,
        ttl_ms: u64,
    ) -> Result<bool, Error>;

    /// Registers a session under the node's lease.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn register(&self, location: Location) -> Result<(), Error>;

    /// Takes a session away, and keeps when the user was last seen.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn unregister(&self, location: Location, now_ms: u64) -> Result<(), Error>;

    /// Sessions of these users, in the store itself and never from a cache. Those of lapsed
    /// leases are left out.
    ///
    /// # Errors
    /// `Unavailable`: every known node is told instead.
    async fn locate(&self, users: Vec<UserId>) -> Result<Vec<Location>, Error>;

    /// Says whether a node has online members of a channel.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn interest(
        &self,
        node: NodeId,
        incarnation: Incarnation,
        channel: ConversationId,
        on: bool,
    ) -> Result<(), Error>;

    /// The nodes that watch a channel.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn watchers(&self, channel: ConversationId) -> Result<Vec<NodeId>, Error>;

    /// The nodes that hold a lease.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn nodes(&self) -> Result<Vec<NodeId>, Error>;

    /// Whether each user is here, and when they last were (milliseconds since 1970, if known).
    ///
    /// # Errors
    /// `Unavailable`.
    async fn presence(&self, users: Vec<UserId>)
    -> Result<Vec<(UserId, bool, Option<u64>)>, Error>;

    /// Changes from now on. The stream is bounded; one that fell behind says [`Moved::Broken`].
    fn changes(&self) -> tokio::sync::broadcast::Receiver<Moved>;
}
