//! What a node's loop hands to its connections: a bounded queue for each. Nothing is dropped: a
//! connection whose queue is full is closed (4501), comes back, and syncs.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use parlour_engine::gateway::Given;
use parlour_protocol::error::Code;
use parlour_protocol::id::SessionId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// What comes in a mailbox.
pub(crate) enum Letter {
    /// The session is registered.
    Ready,
    /// Something for it.
    Given(Given),
}

#[derive(Default)]
struct Flags {
    code: AtomicU16,
    closing: CancellationToken,
}

/// The sending end.
pub(crate) struct Mailbox {
    letters: mpsc::Sender<Letter>,
    flags: Arc<Flags>,
}

/// The receiving end.
pub(crate) struct Post {
    letters: mpsc::Receiver<Letter>,
    flags: Arc<Flags>,
}

/// A mailbox for so many letters.
#[must_use]
pub(crate) fn open(size: usize) -> (Mailbox, Post) {
    let (sender, receiver) = mpsc::channel(size.max(1));
    let flags = Arc::new(Flags::default());
    (
        Mailbox {
            letters: sender,
            flags: flags.clone(),
        },
        Post {
            letters: receiver,
            flags,
        },
    )
}

impl Mailbox {
    fn put(&self, letter: Letter) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.letters.try_send(letter) {
            metrics::counter!(telemetry::MAILBOX_FULL).increment(1);
            self.close(Code::SLOW_READER);
        }
    }

    fn close(&self, code: Code) {
        self.flags.code.store(code.0, Ordering::Release);
        self.flags.closing.cancel();
    }
}

impl Post {
    /// The next letter. Safe to be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<Letter> {
        match self.letters.recv().await {
            Some(letter) => Some(letter),
            // The loop forgot this session: it ends by its code, not by silence.
            None => std::future::pending().await,
        }
    }

    /// Ends with the code by which the session is closed.
    pub(crate) fn closing(&self) -> Pin<Box<dyn Future<Output = Code> + Send>> {
        let flags = self.flags.clone();
        Box::pin(async move {
            flags.closing.cancelled().await;
            Code(flags.code.load(Ordering::Acquire))
        })
    }
}

/// The mailboxes of a node's sessions.
#[derive(Default)]
pub(crate) struct Mailboxes(HashMap<SessionId, Mailbox>);

impl Mailboxes {
    /// A session came.
    pub(crate) fn insert(&mut self, session: SessionId, mailbox: Mailbox) {
        self.0.insert(session, mailbox);
    }

    /// A session went.
    pub(crate) fn remove(&mut self, session: SessionId) {
        self.0.remove(&session);
    }

    /// Puts a letter in; a session that is gone gets none.
    pub(crate) fn put(&self, session: SessionId, letter: Letter) {
        if let Some(mailbox) = self.0.get(&session) {
            mailbox.put(letter);
        }
    }

    /// Closes a session, whatever waits for it.
    pub(crate) fn close(&self, session: SessionId, code: Code) {
        if let Some(mailbox) = self.0.get(&session) {
            mailbox.close(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_mailbox_closes_its_session_and_no_other() {
        let (one, two) = (SessionId::v7(1, [1; 10]), SessionId::v7(1, [2; 10]));
        let mut boxes = Mailboxes::default();
        let (mailbox, mut full) = open(2);
        boxes.insert(one, mailbox);
        let (mailbox, other) = open(2);
        boxes.insert(two, mailbox);
        for _ in 0..3 {
            boxes.put(one, Letter::Ready);
        }
        assert_eq!(full.closing().await, Code::SLOW_READER);
        // What came before is still there, in order.
        assert!(matches!(full.next().await, Some(Letter::Ready)));
        assert!(matches!(full.next().await, Some(Letter::Ready)));
        let open = other.closing();
        let waited = tokio::time::timeout(std::time::Duration::from_millis(1), open).await;
        assert!(waited.is_err(), "the other was closed too");
    }
}
