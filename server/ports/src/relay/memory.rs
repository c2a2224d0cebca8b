//! The in-memory reference of the relay: nodes of one process, each with a bounded queue.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_protocol::node::{NodeId, Signal};
use tokio::sync::mpsc;

use crate::Error;
use crate::relay::Relay;

/// The queues of all nodes that are there.
#[derive(Debug, Default)]
pub struct Hub {
    nodes: Mutex<BTreeMap<NodeId, mpsc::Sender<Vec<Signal>>>>,
}

impl Hub {
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeId, mpsc::Sender<Vec<Signal>>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sender(&self, node: NodeId) -> Option<mpsc::Sender<Vec<Signal>>> {
        self.nodes().get(&node).cloned()
    }
}

/// One node's end.
#[derive(Debug)]
pub struct Memory {
    hub: Arc<Hub>,
    receiver: Mutex<Option<mpsc::Receiver<Vec<Signal>>>>,
    dropped: AtomicU64,
}

impl Memory {
    /// A node joins, or begins anew: what waited for it before is lost.
    #[must_use]
    pub fn join(hub: &Arc<Hub>, node: NodeId, batches_max: usize) -> Self {
        let (sender, receiver) = mpsc::channel(batches_max.max(1));
        hub.nodes().insert(node, sender);
        Self {
            hub: hub.clone(),
            receiver: Mutex::new(Some(receiver)),
            dropped: AtomicU64::new(0),
        }
    }

    /// How many `send` calls were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Relay for Memory {
    fn send(&self, node: NodeId, signals: Vec<Signal>) {
        let taken = self
            .hub
            .sender(node)
            .is_some_and(|sender| sender.try_send(signals).is_ok());
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn raise(&self, node: NodeId, signals: Vec<Signal>) -> Result<(), Error> {
        let gone = |why: &str| Error::Unavailable {
            what: "relay",
            why: format!("node {}: {why}", node.0),
        };
        let sender = self
            .hub
            .sender(node)
            .ok_or_else(|| gone("nobody knows it"))?;
        sender
            .send(signals)
            .await
            .map_err(|_| gone("its loop has ended"))
    }

    fn receive(&self) -> Option<mpsc::Receiver<Vec<Signal>>> {
        self.receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
