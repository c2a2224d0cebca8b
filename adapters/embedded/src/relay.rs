//! From this node to itself. What does not fit is not lost in silence: the node is told that all
//! its sessions are behind, as soon as there is room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use parlour_ports::Error;
use parlour_ports::relay::Relay;
use parlour_protocol::node::{NodeId, Signal};
use tokio::sync::mpsc;

/// Batches of signals that wait for the node's loop.
const BATCHES: usize = 8_192;

/// The relay of a single node.
pub(crate) struct InProcess {
    sender: mpsc::Sender<Vec<Signal>>,
    receiver: Mutex<Option<mpsc::Receiver<Vec<Signal>>>>,
    overflowed: Arc<AtomicBool>,
}

impl InProcess {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(BATCHES);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            overflowed: Arc::new(AtomicBool::new(false)),
        }
    }
}

#[async_trait]
impl Relay for InProcess {
    fn send(&self, _: NodeId, signals: Vec<Signal>) {
        if self.sender.try_send(signals).is_ok() {
            return;
        }
        metrics::counter!("parlour_relay_overflowed").increment(1);
        // The first to overflow sees to it that it is told. What overflows from the moment that
        // there is room again is told anew.
        if !self.overflowed.swap(true, Ordering::AcqRel)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (sender, overflowed) = (self.sender.clone(), self.overflowed.clone());
            runtime.spawn(async move {
                if let Ok(room) = sender.reserve().await {
                    overflowed.store(false, Ordering::Release);
                    room.send(vec![Signal::Behind]);
                }
            });
        }
    }

    async fn raise(&self, _: NodeId, signals: Vec<Signal>) -> Result<(), Error> {
        self.sender
            .send(signals)
            .await
            .map_err(|_| Error::Unavailable {
                what: "relay",
                why: "the node's loop has ended".to_owned(),
            })
    }

    fn receive(&self) -> Option<mpsc::Receiver<Vec<Signal>>> {
        self.receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
