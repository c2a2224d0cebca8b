//! How a connection's task speaks to the node's loop.

use std::sync::{Mutex, PoisonError};

use parlour_protocol::id::{ConversationId, DeviceId, SessionId, UserId};
use tokio::sync::mpsc;

use crate::gateway::mailbox::Mailbox;

/// Commands of connections that wait for the loop. Beyond it a connection waits.
const COMMANDS: usize = 1_024;

/// What a connection says to the node.
pub(crate) enum Command {
    /// It said hello.
    Join {
        session: SessionId,
        user: UserId,
        device: DeviceId,
        mailbox: Mailbox,
    },
    /// What is open on its screen changed.
    Focus {
        session: SessionId,
        conversation: Option<ConversationId>,
    },
    /// Whom it sees changed.
    Watch {
        session: SessionId,
        users: Vec<UserId>,
    },
    /// It is gone.
    Left { session: SessionId },
}

/// Speaks to the loop. Before the loop starts, whoever speaks to it waits.
pub struct Handle {
    sender: mpsc::Sender<Command>,
    receiver: Mutex<Option<mpsc::Receiver<Command>>>,
}

impl Handle {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(COMMANDS);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }

    /// The loop's end: there is one.
    pub(super) fn take(&self) -> Option<mpsc::Receiver<Command>> {
        self.receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Says it. A loop that ended listens no more: the node goes away then.
    pub(crate) async fn give(&self, command: Command) {
        let _ = self.sender.send(command).await;
    }
}
