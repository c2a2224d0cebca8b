//! Wake: tells a device without a session that something came.

pub mod memory;

pub use memory::Memory;

use async_trait::async_trait;
use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::seq::Seq;

/// What a device is woken for. Carries nothing readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// Whose.
    pub user: UserId,
    /// Which device.
    pub device: DeviceId,
    /// Where something came.
    pub conversation: ConversationId,
    /// Its place.
    pub seq: Seq,
    /// Whether the user is mentioned.
    pub mention: bool,
}

/// What a device need not show any more: its user has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clear {
    /// Whose.
    pub user: UserId,
    /// Which device.
    pub device: DeviceId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// Up to this place.
    pub seq: Seq,
}

/// What became of a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The provider took it, or the device has no target.
    Done,
    /// The target is gone for good: forget it.
    Retired,
    /// Try again after this while.
    Later {
        /// Milliseconds.
        after_ms: u64,
    },
}

/// Best effort. Repeating a wake is harmless: it carries the same collapse id.
#[async_trait]
pub trait WakePort: Send + Sync {
    /// Wakes a device.
    async fn wake(&self, wake: Wake) -> Woken;

    /// Takes away what a device was woken to show. Once at most: one that fails leaves a notice
    /// that is looked at in vain.
    async fn clear(&self, clear: Clear);
}
