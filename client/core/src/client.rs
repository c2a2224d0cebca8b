//! [`Client`]: one device of one user.

use std::sync::Arc;

use parlour_protocol::frame::server::{Event, UserPresence};
use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::line::Line;
use parlour_protocol::seq::{Mark, Seq};

use crate::input::{Accepted, Input, Link, Refused, Request};
use crate::output::Output;
use crate::saved::{Row, Stretch};
use crate::settings::Settings;
use crate::view::{Summary, Timeline};

/// One device of one user, without I/O.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    link: Link,
}

impl Client {
    /// A client that holds nothing. `seed` is random, from a source fit for keys, and used for
    /// this client alone: ids and jitter are derived from it.
    #[must_use]
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        let _ = seed;
        Self {
            settings,
            link: Link::Stopped(None),
        }
    }

    /// What happened at `now_ms`; what to do about it is pushed to `out`, in order.
    ///
    /// `now_ms` never goes back (a lower one counts as the highest given). By convention it is the
    /// time since 1970 when the client was made, plus what a monotonic clock says since: new ids
    /// take their time from it.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        let _ = (now_ms, input, out);
    }

    /// Takes a request into the outbox. Its outcome comes as [`crate::Update::Ended`].
    ///
    /// # Errors
    /// [`Refused`]: nothing of it happened.
    pub fn request(
        &mut self,
        now_ms: u64,
        request: Request,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refused> {
        let _ = (now_ms, request, out);
        Err(Refused::NoAddress)
    }

    /// When [`Input::Tick`] is due next, if at all.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        None
    }

    /// How the connection stands.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The user.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.settings.user
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.settings.device
    }

    /// Whether nothing is on its way: connected and caught up, the outbox without outcome empty,
    /// nothing to be fetched, no mark to be stated.
    #[must_use]
    pub fn quiet(&self) -> bool {
        false
    }

    /// The conversations, newest activity first.
    #[must_use]
    pub fn conversations(&self) -> Vec<Summary> {
        Vec::new()
    }

    /// One conversation of the list.
    #[must_use]
    pub fn summary(&self, conversation: ConversationId) -> Option<Summary> {
        let _ = conversation;
        None
    }

    /// A window of a conversation: at most `limit` items before place `before`, or the newest.
    #[must_use]
    pub fn timeline(
        &self,
        conversation: ConversationId,
        before: Option<Seq>,
        limit: usize,
    ) -> Timeline {
        let _ = (before, limit);
        Timeline {
            conversation,
            items: Vec::new(),
            before: crate::view::Before::Nothing,
            complete: false,
            counts: None,
        }
    }

    /// An event that is held, as it is now.
    #[must_use]
    pub fn event(&self, conversation: ConversationId, seq: Seq) -> Option<&Arc<Event>> {
        let _ = (conversation, seq);
        None
    }

    /// What is held of a conversation.
    #[must_use]
    pub fn held(&self, conversation: ConversationId) -> &[Stretch] {
        let _ = conversation;
        &[]
    }

    /// The lines, by conversation.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        std::iter::empty()
    }

    /// The outbox, in order, what failed included.
    pub fn outbox(&self) -> impl Iterator<Item = &Arc<Row>> {
        std::iter::empty()
    }

    /// Marks of other members, as far as they were told.
    #[must_use]
    pub fn receipts(&self, conversation: ConversationId) -> Vec<(UserId, Mark)> {
        let _ = conversation;
        Vec::new()
    }

    /// Presence of a watched user, as far as it was told.
    #[must_use]
    pub fn presence(&self, user: UserId) -> Option<&UserPresence> {
        let _ = user;
        None
    }

    /// Who types in a conversation.
    #[must_use]
    pub fn typing(&self, conversation: ConversationId) -> Vec<UserId> {
        let _ = conversation;
        Vec::new()
    }
}
