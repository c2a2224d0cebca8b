//! [`Updates`]: what a client tells, as a bounded stream.

use std::sync::Arc;

use tokio::sync::broadcast;

/// What a client tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// Of the core: an event, an outcome, the connection, …
    Core(parlour_client_core::Update),
    /// The local store could not write; it is tried again until it holds. Sends wait meanwhile.
    Store {
        /// What went wrong, for people; absent once it holds again.
        problem: Option<String>,
    },
    /// So many updates were dropped because this reader was too slow. Read the views anew.
    Lagged(u64),
}

/// A stream of updates, from the moment it was asked for.
#[derive(Debug)]
pub struct Updates(pub(crate) broadcast::Receiver<Arc<Update>>);

impl Updates {
    /// The next update; none once the client is closed. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<Update> {
        match self.0.recv().await {
            Ok(update) => Some(Arc::unwrap_or_clone(update)),
            Err(broadcast::error::RecvError::Lagged(n)) => Some(Update::Lagged(n)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next update if one waits already.
    pub fn try_next(&mut self) -> Option<Update> {
        match self.0.try_recv() {
            Ok(update) => Some(Arc::unwrap_or_clone(update)),
            Err(broadcast::error::TryRecvError::Lagged(n)) => Some(Update::Lagged(n)),
            Err(_) => None,
        }
    }
}
