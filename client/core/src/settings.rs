//! [`Settings`]: who the client is and what it may hold. Every bound of the core is here.

use parlour_protocol::frame::client::Token;
use parlour_protocol::id::{DeviceId, UserId};

/// Which events are asked for when a conversation has moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fetch {
    /// The newest page of direct conversations, of groups and of the conversation in focus; older
    /// pages and other channels on demand. For people.
    #[default]
    Newest,
    /// Every event that one may read, in order. For bots, archives and tests.
    Everything,
}

/// Who the client is and what it may hold. Times in milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The device's token. Never shown.
    pub token: Token,
    /// The client's name and version, for people who read device lists.
    pub client: String,
    /// Which events are asked for.
    pub fetch: Fetch,
    /// Requests whose outcome is not known yet; past it a new one is refused with
    /// [`crate::Refused::OutboxFull`].
    pub outbox_max: usize,
    /// The same in bytes of bodies.
    pub outbox_bytes_max: usize,
    /// Refused requests kept until they are dismissed; past it the oldest is dropped.
    pub failed_max: usize,
    /// Requests of the outbox that wait for their outcome on one connection.
    pub sends_open_max: usize,
    /// Questions for history that wait for their answer on one connection.
    pub history_open_max: usize,
    /// Events asked for at once.
    pub page_events: u32,
    /// Events held of one conversation that is not in focus; past it the oldest are let go and
    /// paged again when wanted.
    pub held_max: usize,
    /// Events held of the conversation in focus; past it paging back ends.
    pub held_focused_max: usize,
    /// Events held of all conversations together; past it those longest unused are let go.
    pub held_total_max: usize,
    /// After how long a request without an answer is sent again.
    pub answer_ms: u64,
    /// The first pause before reconnecting; it doubles with each failure.
    pub backoff_ms_min: u64,
    /// The longest pause before reconnecting or repeating.
    pub backoff_ms_max: u64,
    /// How long to wait for a connection, and then for `welcome`.
    pub connect_ms: u64,
    /// Marks are stated at most once in this while.
    pub marks_ms: u64,
    /// After how long someone who typed is taken to have stopped.
    pub typing_ms: u64,
}

impl Settings {
    /// The defaults, for this device.
    #[must_use]
    pub fn new(user: UserId, device: DeviceId, token: Token) -> Self {
        Self {
            user,
            device,
            token,
            client: concat!("parlour-client-core/", env!("CARGO_PKG_VERSION")).to_owned(),
            fetch: Fetch::Newest,
            outbox_max: 10_000,
            outbox_bytes_max: 64 << 20,
            failed_max: 100,
            sends_open_max: 32,
            history_open_max: 4,
            page_events: 100,
            held_max: 500,
            held_focused_max: 100_000,
            held_total_max: 150_000,
            answer_ms: 15_000,
            backoff_ms_min: 500,
            backoff_ms_max: 30_000,
            connect_ms: 20_000,
            marks_ms: 1_000,
            typing_ms: 6_000,
        }
    }
}
