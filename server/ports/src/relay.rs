//! The relay: one hop from node to node.

pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::Memory;

use async_trait::async_trait;
use parlour_protocol::node::{NodeId, Signal};

use crate::Error;

/// One hop to a node.
///
/// *Ordering*: signals of one `send` call stay in order; between calls there is none.
/// *Durability*: none. Everything may be lost but what `raise` acknowledged.
/// *Idempotency*: signals may come twice; the receiving node drops what is not above what it gave.
#[async_trait]
pub trait Relay: Send + Sync {
    /// Hands signals over, at most once, without waiting for the other side. A full queue drops
    /// them and counts that.
    fn send(&self, node: NodeId, signals: Vec<Signal>);

    /// Hands raised heads over and waits until the node has them in hand.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`: tell it again, until it holds or the node's lease is gone.
    async fn raise(&self, node: NodeId, signals: Vec<Signal>) -> Result<(), Error>;

    /// Signals for this node. Taken once, by the node's own loop.
    fn receive(&self) -> Option<tokio::sync::mpsc::Receiver<Vec<Signal>>>;
}
